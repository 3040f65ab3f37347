"""The distributed engine: the same SQL on Apache Spark, from the `spark` extra.

Session settings come from configs/engine/spark.yaml. What must not differ is pinned here: UTC, ANSI arithmetic
(overflow is an error), Arrow transfer (without it missing strings become the text 'nan'), this interpreter's Python
for workers, and a warehouse folder of its own.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from segml.engine.base import Engine
from segml.engine.duckdb import parquet_files
from segml.errors import EngineUnavailableError

_PINNED = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.execution.arrow.pyspark.fallback.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


class SparkEngine(Engine):
    """Spark SQL, in local mode or on the cluster the settings name.

    Parameters
    ----------
    settings : dict of str to str
        Spark configuration keys and values; ``spark.master`` defaults to ``local[*]``.
    """

    name = "spark"

    def __init__(self, settings: dict[str, str] | None = None) -> None:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        self._folder = Path(tempfile.mkdtemp(prefix="segml-spark-"))
        self._session = _start({**(settings or {}), **_PINNED}, self._folder)

    def register(self, name: str, source: Path | Sequence[Path] | pa.Table | pd.DataFrame) -> None:
        if isinstance(source, (pa.Table, pd.DataFrame)):
            table = (
                source if isinstance(source, pa.Table) else pa.Table.from_pandas(source, preserve_index=False)
            )
            file = self._folder / f"{name}.parquet"
            pq.write_table(table, file)
            source = file
        frame = self._session.read.parquet(*[str(file.resolve()) for file in parquet_files(source)])
        frame.createOrReplaceTempView(name)

    def run(self, sql: str, into: str) -> None:
        # Through Parquet, not the cache: a cached plan grows with every step and is lost with an executor.
        place = self._folder / "tables" / f"{into}-{len(list(self._folder.glob('tables/*')))}"
        self._session.sql(sql).write.parquet(str(place))
        self._session.read.parquet(str(place)).createOrReplaceTempView(into)

    def view(self, sql: str, into: str) -> None:
        self._session.sql(sql).createOrReplaceTempView(into)

    def write(self, sql: str, path: Path) -> int:
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = path.with_name(path.name + ".parts")
        shutil.rmtree(parts, ignore_errors=True)
        self._session.sql(sql).write.option("compression", "zstd").parquet(str(parts.resolve()))
        rows = 0
        writer: pq.ParquetWriter | None = None
        try:
            for part in sorted(parts.glob("part-*.parquet")):
                for batch in pq.ParquetFile(part).iter_batches():
                    writer = writer or pq.ParquetWriter(path, batch.schema, compression="zstd")
                    writer.write_batch(batch)
                    rows += batch.num_rows
            if writer is None:
                empty = next(iter(sorted(parts.glob("part-*.parquet"))))
                pq.write_table(pq.read_table(empty), path)
        finally:
            if writer is not None:
                writer.close()
            shutil.rmtree(parts, ignore_errors=True)
        return rows

    def exists(self, name: str) -> bool:
        return bool(self._session.catalog.tableExists(name))

    def drop(self, name: str) -> None:
        self._session.catalog.dropTempView(name)

    def columns(self, name: str) -> list[str]:
        return list(self._session.table(name).columns)

    def _fetch(self, sql: str, limit: int) -> pd.DataFrame:
        return self._session.sql(sql).limit(limit).toArrow().to_pandas()

    def close(self) -> None:
        self._session.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _start(settings: dict[str, str], folder: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", FutureWarning
            )  # pyspark speaks of pandas versions; frames cross as Arrow
            from pyspark.sql import SparkSession
    except ImportError as error:
        raise EngineUnavailableError(
            "the Spark engine needs pyspark", "install the extra: pip install 'segml[spark]'"
        ) from error
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise EngineUnavailableError(
            "the Spark engine needs a Java runtime (17 or newer)", "install one and set JAVA_HOME"
        )
    builder = SparkSession.builder.appName("segml").config(
        "spark.sql.warehouse.dir", str(folder / "warehouse")
    )
    if "spark.master" not in settings:
        builder = builder.master("local[*]")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    return session
