"""Tiny made-up bases for the tests of ingestion: CSV text in, validated frames out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from segml.config import Config, validated
from segml.engine.duckdb import DuckDBEngine
from segml.sources.ingest import IngestReport, ingest
from segml.tables.catalog import TABLES

ORDERS = ["order_id", "customer_id", "ordered_at", "amount"]
LINES = ["order_id", "customer_id", "ordered_at", "product_id", "quantity", "unit_price"]


def csv_text(columns: list[str], *rows: str) -> str:
    """Join a header and rows."""
    return "\n".join([",".join(columns), *rows]) + "\n"


class MadeUpBase:
    """A project folder with raw files; `ingest` runs it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tables: dict[str, Any] = {}
        (root / "raw").mkdir(parents=True, exist_ok=True)

    def add(
        self, table: str, content: str | bytes | pa.Table, columns: Any = None, **source: Any
    ) -> MadeUpBase:
        """Write the file of a table and map it; columns bear canonical names unless told otherwise."""
        file = self.root / "raw" / f"{table}.{'parquet' if isinstance(content, pa.Table) else 'csv'}"
        if isinstance(content, pa.Table):
            pq.write_table(content, file)
        else:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        if columns is None and "query" not in source:
            known = TABLES[table].column_names if table in TABLES else ()
            header = content.column_names if isinstance(content, pa.Table) else _header(content)
            columns = [name for name in header if name in known] or ["customer_id"]
        named = {} if columns is None else {"columns": columns}
        self.tables[table] = {"files": f"raw/{file.name}", **named, **source}
        return self

    def config(self, **settings: Any) -> Config:
        """Return the configuration."""
        content = {"base": "made_up", "currency": "EUR", "time_zone": "Europe/Berlin", **settings}
        return validated(Config, {**content, "tables": self.tables, "root": self.root}, "made_up")

    def ingest(self, threads: int = 1, **settings: Any) -> IngestReport:
        """Run ingestion."""
        engine = DuckDBEngine(threads=threads)
        with engine:
            return ingest(self.config(**settings), engine)

    def frame(self, table: str) -> pd.DataFrame:
        """Return a validated table."""
        return pd.read_parquet(self.file(table))

    def file(self, table: str) -> Path:
        """Return the path of a validated table."""
        return self.root / "data" / "validated" / "made_up" / f"{table}.parquet"

    def bytes_of(self, *tables: str) -> dict[str, bytes]:
        """Return the bytes of the validated tables."""
        folder = self.file("orders").parent
        names = tables or tuple(sorted(file.stem for file in folder.glob("*.parquet")))
        return {name: self.file(name).read_bytes() for name in names}


def _header(content: str | bytes) -> list[str]:
    text = content if isinstance(content, str) else content.decode("utf-8-sig", errors="replace")
    return [name.strip() for name in text.splitlines()[0].split(",")] if text else []
