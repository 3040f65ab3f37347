"""Engines: `open_engine` starts the one that the configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from segml.config import Settings, memory_text, read_settings_file
from segml.engine.base import Engine
from segml.errors import ConfigurationError

__all__ = ["Engine", "EngineFile", "open_engine"]


class EngineFile(Settings):
    """configs/engine/*.yaml: which engine, and its session settings."""

    engine: Literal["duckdb", "spark"]
    settings: dict[str, str] = Field(default_factory=dict)


def open_engine(
    name: str = "duckdb", root: Path = Path("."), memory: str = "", threads: int | None = None
) -> Engine:
    """Start an engine.

    Parameters
    ----------
    name : str
        ``"duckdb"``, or the path of an engine file relative to `root`.
    root : Path
        The project folder.
    memory : str
        Memory limit of the embedded engine, such as ``"4GB"``.
    threads : int, optional
        Threads of the embedded engine.
    """
    if name == "duckdb":
        from segml.engine.duckdb import DuckDBEngine

        return DuckDBEngine(memory=memory, threads=threads)
    file = read_settings_file(EngineFile, root / name)
    if file.engine == "duckdb":
        from segml.engine.duckdb import DuckDBEngine

        try:
            own = memory_text(file.settings.get("memory_limit", memory))
        except ValueError as error:
            raise ConfigurationError(f"{name}: settings.memory_limit: {error}", "correct it") from None
        return DuckDBEngine(memory=own, threads=threads)
    from segml.engine.spark import SparkEngine

    return SparkEngine(file.settings)
