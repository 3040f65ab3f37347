"""CSV as RFC 4180 quotes it, in files that stay within a platform's limits.

Every row is made as bytes first, so that a limit is kept exactly and no row is ever cut in two. Each file starts
with the header.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segml.errors import OutputError

_SPECIAL = '[",\n\r]'


@dataclass
class WrittenFile:
    """One finished file: its place, data rows (without the header) and bytes."""

    path: Path
    rows: int
    bytes: int


class SplitWriter:
    """Write rows to ``<stem>-001.csv``, ``<stem>-002.csv``, ... as the limits ask for.

    Parameters
    ----------
    folder : Path
        An existing folder.
    stem : str
        Beginning of the file names.
    header : sequence of str
        Column names.
    max_rows, max_bytes : int, optional
        Limits of one file, header included.
    """

    def __init__(
        self,
        folder: Path,
        stem: str,
        header: list[str],
        max_rows: int | None = None,
        max_bytes: int | None = None,
    ) -> None:
        self.files: list[WrittenFile] = []
        self._folder, self._stem = folder, stem
        self._header = (",".join(_quoted(pa.array(header)).to_pylist()) + "\n").encode()
        self._max_rows = None if max_rows is None else max_rows - 1
        self._max_bytes = max_bytes
        self._stream: BinaryIO | None = None

    def write(self, columns: list[pa.Array]) -> None:
        """Append rows: one array of text a column, missing values as nothing."""
        lines = delimited_rows(columns)
        ends = np.cumsum(pc.binary_length(lines).to_numpy(zero_copy_only=False), dtype=np.int64)
        start, total = 0, len(lines)
        while start < total:
            end = start + self._room(ends, start)
            if end == start and self.files and self.files[-1].rows:
                self._close()
                continue
            if end == start:
                raise OutputError(f"one row is longer than a file of {self._max_bytes} bytes may be")
            self._append(
                lines.slice(start, end - start), int(ends[end - 1] - (ends[start - 1] if start else 0))
            )
            start = end

    def _room(self, ends: np.ndarray, start: int) -> int:
        """Return how many of the rows from `start` fit into the open file."""
        if self._stream is None:
            self._open()
        file, room = self.files[-1], len(ends) - start
        if self._max_rows is not None:
            room = min(room, self._max_rows - file.rows)
        if self._max_bytes is not None:
            before = int(ends[start - 1]) if start else 0
            fits = np.searchsorted(ends, before + self._max_bytes - file.bytes, side="right")
            room = min(room, int(fits) - start)
        return room

    def _append(self, lines: pa.Array, size: int) -> None:
        stream = self._stream or self._open()
        stream.write("".join(lines.to_pylist()).encode())
        self.files[-1].rows += len(lines)
        self.files[-1].bytes += size

    def _open(self) -> BinaryIO:
        path = self._folder / f"{self._stem}-{len(self.files) + 1:03d}.csv"
        self._stream = stream = path.open("wb")
        stream.write(self._header)
        self.files.append(WrittenFile(path, 0, len(self._header)))
        return stream

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __enter__(self) -> SplitWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()


def delimited_rows(columns: list[pa.Array]) -> pa.Array:
    """Return one line a row, quoted where RFC 4180 asks for it, with its line feed.

    Examples
    --------
    >>> delimited_rows([pa.array(["a, b", None]), pa.array(["c", "d"])]).to_pylist()
    ['"a, b",c\\n', ',d\\n']
    """
    cells = [_quoted(pc.coalesce(values, pa.scalar(""))) for values in columns]
    return pc.binary_join_element_wise(pc.binary_join_element_wise(*cells, ","), "", "\n")


def _quoted(values: pa.Array) -> pa.Array:
    special = pc.match_substring_regex(values, pattern=_SPECIAL)
    if not pc.any(special).as_py():
        return values
    doubled = pc.replace_substring(values, pattern='"', replacement='""')
    return pc.if_else(special, pc.binary_join_element_wise('"', doubled, '"', ""), values)
