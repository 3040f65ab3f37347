"""Where queries run: a handful of primitives, and nothing above them asks which engine it is on.

A query is plain SQL text in the part of SQL that the embedded and the distributed engine run unmodified. To stay
there: integers until one explicit ``cast(... as double)``; no division of integers (cast the numerator); no ``avg``,
no logarithms, no engine hash or sample, no ``qualify``; times are epoch seconds, so that hours and weekdays are
arithmetic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa

from segml.errors import SegmlError

FETCH_LIMIT = 2_000_000


class Engine(ABC):
    """Register tables, run queries into tables or Parquet files, fetch bounded results."""

    name: ClassVar[str]

    @abstractmethod
    def register(self, name: str, source: Path | Sequence[Path] | pa.Table | pd.DataFrame) -> None:
        """Make Parquet files (a file, a folder, a list) or an in-memory table readable under `name`."""

    @abstractmethod
    def run(self, sql: str, into: str) -> None:
        """Run a query and keep its rows as the temporary table `into`, replacing it."""

    @abstractmethod
    def view(self, sql: str, into: str) -> None:
        """Give a query the name `into`; it runs where it is used."""

    @abstractmethod
    def write(self, sql: str, path: Path) -> int:
        """Run a query into one Parquet file at `path` in the query's row order; return the number of rows."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Tell whether a table or view of this name is known."""

    @abstractmethod
    def drop(self, name: str) -> None:
        """Forget a table or view; unknown names are fine."""

    @abstractmethod
    def columns(self, name: str) -> list[str]:
        """Return the column names of a table or view."""

    @abstractmethod
    def _fetch(self, sql: str, limit: int) -> pd.DataFrame:
        """Return at most `limit` rows."""

    @abstractmethod
    def close(self) -> None:
        """Release memory and files."""

    def fetch(self, sql: str, limit: int = FETCH_LIMIT) -> pd.DataFrame:
        """Run a query and bring its rows home; more than `limit` rows is an error, not a full memory."""
        frame = self._fetch(sql, limit + 1)
        if len(frame) > limit:
            raise SegmlError(
                f"a query brought more than {limit:,} rows home",
                "write them to Parquet and read them in chunks",
            )
        return frame

    def value(self, sql: str) -> Any:
        """Return the single value of a one-row, one-column query; a missing one is None."""
        value: Any = self.fetch(sql, 1).iloc[0, 0]
        return None if pd.isna(value) else value.item() if hasattr(value, "item") else value

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
