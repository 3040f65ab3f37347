"""Shared fixtures: a small random base, and engines that are closed after the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pandas as pd
import pytest

from segml.engine import Engine
from segml.engine.duckdb import DuckDBEngine
from segml.features.snapshot import register_tables
from small_base import Tables, make_base, write_base

OpenBase = Callable[[Mapping[str, pd.DataFrame]], Engine]


@pytest.fixture(scope="session")
def base() -> Tables:
    """A random base of 40 customers and about 400 orders; treat it as read-only."""
    return make_base(seed=20_170_301)


@pytest.fixture
def open_base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBase]:
    """Write tables as a validated base and open them on an engine of their own."""
    engines: list[DuckDBEngine] = []

    def opened(tables: Mapping[str, pd.DataFrame]) -> Engine:
        folder: Path = write_base(tables, tmp_path_factory.mktemp("validated"))
        engines.append(DuckDBEngine(threads=1))
        register_tables(engines[-1], folder)
        return engines[-1]

    yield opened
    for engine in engines:
        engine.close()
