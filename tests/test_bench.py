"""The bench compares like with like: the pandas version gives segml's columns and segml's values."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bench.cases import LAST
from bench.pandas_features import pandas_features
from bench.shop import BenchShop, make_bench_shop
from segml.engine.duckdb import DuckDBEngine
from segml.features.plan import make_plan
from segml.features.snapshot import SnapshotRequest, load_snapshot, register_tables, write_snapshots


@pytest.mark.parametrize("cutoffs", [1, 2])
def test_pandas_and_segml_have_the_same_features(tmp_path: Path, cutoffs: int) -> None:
    shop = make_bench_shop(BenchShop(2_000), tmp_path)
    at = tuple(LAST.plus_days(-28 * step) for step in reversed(range(cutoffs)))
    with DuckDBEngine(threads=1) as engine:
        register_tables(engine, shop)
        plan = make_plan(engine, at[0])
        partitions = write_snapshots(engine, plan, SnapshotRequest(at, buckets=2), tmp_path / "out")
    for cutoff, partition in zip(at, partitions, strict=True):
        theirs = pandas_features(shop, plan, cutoff)
        assert len(theirs) > 1_000
        pd.testing.assert_frame_equal(
            load_snapshot(partition), theirs, check_index_type=False, rtol=1e-12, atol=1e-12
        )
