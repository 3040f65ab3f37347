"""Raw files: found, fingerprinted, and given to the engine under a name, whatever their number and format.

Every file's header is read before any row is, so that a column that is missing from one file of many is an error
and not a column of blanks, and a truncated or foreign file is named.
"""

from __future__ import annotations

import csv
import glob
import gzip
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from segml.engine.duckdb import quoted
from segml.errors import did_you_mean
from segml.tables.checks import Violation
from segml.tables.partition import file_sha256

_SUFFIXES = {".csv": "csv", ".txt": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}
_BLANKS = " "
_NEVER_IN_TEXT = "\x1f"


@dataclass(frozen=True)
class Layout:
    """How the text files of a table are written."""

    format: str = "auto"
    delimiter: str = ","


@dataclass
class RawTable:
    """Files under one name in the engine.

    Attributes
    ----------
    relation : str
        The view that reads them.
    files : list of Path
        The files, sorted.
    types : dict of str to str
        Columns that every file has, with their type in the engine.
    every_column : tuple of str
        Columns that any file has.
    """

    relation: str
    files: list[Path] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    every_column: tuple[str, ...] = ()


class UnreadableError(Exception):
    """Carries the violations of one table's files."""

    def __init__(self, *violations: Violation) -> None:
        self.violations = list(violations)
        super().__init__("; ".join(str(violation) for violation in violations))


def find_files(table: str, patterns: Sequence[str], root: Path, layout: Layout) -> list[Path]:
    """Return the files that paths, folders and globs name, sorted and once each.

    Raises
    ------
    UnreadableError
        A path that names nothing, or a folder without CSV or Parquet files.
    """
    found: set[Path] = set()
    missing = []
    for pattern in patterns:
        matched = _matching(root / pattern, layout)
        if not matched:
            folder = (root / pattern).parent
            near = (
                did_you_mean(Path(pattern).name, [p.name for p in folder.iterdir()])
                if folder.is_dir()
                else ""
            )
            missing.append(Violation(f"no file at {pattern!r}{near}", table))
        found.update(matched)
    if missing:
        raise UnreadableError(*missing)
    return sorted(found)


def _matching(path: Path, layout: Layout) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        inside = [file for file in path.rglob("*") if file.is_file() and _kind(file)]
        visible = [f for f in inside if not any(part[0] in "._" for part in f.relative_to(path).parts)]
        return [file for file in visible if layout.format in ("auto", _kind(file))]
    return [Path(file) for file in glob.glob(str(path), recursive=True) if Path(file).is_file()]


def _kind(file: Path) -> str:
    name = file.name.lower().removesuffix(".gz")
    return _SUFFIXES.get(Path(name).suffix, "")


def _format_of(file: Path, layout: Layout) -> str:
    return layout.format if layout.format != "auto" else _kind(file) or "csv"


def fingerprints(files: Sequence[Path], root: Path) -> list[dict[str, Any]]:
    """Return path (relative to the project folder where it can be), size and SHA-256 of each file."""
    return [
        {"file": shown_path(file, root), "bytes": file.stat().st_size, "sha256": file_sha256(file)}
        for file in files
    ]


def shown_path(file: Path, root: Path) -> str:
    """Return a path as the configuration would write it."""
    return Path(os.path.relpath(file.resolve(), root.resolve())).as_posix()


def register_files(
    connection: Any, table: str, relation: str, files: list[Path], root: Path, layout: Layout
) -> RawTable:
    """Give the files of one table a name in the engine.

    Raises
    ------
    UnreadableError
        Files that are not what their format says, or whose times have a zone in one file and none in another.
    """
    headers: dict[tuple[Any, ...], list[Path]] = {}
    violations: list[Violation] = []
    zones: dict[str, set[bool]] = {}
    for file in files:
        form = _format_of(file, layout)
        try:
            names = _parquet_header(file, zones) if form == "parquet" else _csv_header(file, layout)
            _refuse_repeated(names)
            headers.setdefault((form, *names), []).append(file)
        except (OSError, EOFError, ValueError, csv.Error, StopIteration, pa.ArrowException) as error:
            violations.append(Violation(f"{shown_path(file, root)} is {_reason(error, form)}", table))
    mixed = [name for name, kinds in zones.items() if len(kinds) > 1]
    violations += [
        Violation("mixed time zones: some files have times with a zone, others without", table, name)
        for name in mixed
    ]
    if violations:
        raise UnreadableError(*violations)
    return _create_view(connection, table, relation, files, headers, layout)


def _create_view(
    connection: Any,
    table: str,
    relation: str,
    files: list[Path],
    headers: dict[tuple[Any, ...], list[Path]],
    layout: Layout,
) -> RawTable:
    parts = [_read_sql(form, names, group, layout) for (form, *names), group in headers.items()]
    try:
        connection.execute(f"create or replace temp view {relation} as {' union all by name '.join(parts)}")
        described = connection.execute(f"describe {relation}").fetchall()
    except duckdb.Error as error:
        raise UnreadableError(Violation(f"not readable: {first_line(error)}", table)) from error
    everywhere = set.intersection(*(set(names) for (_, *names) in headers))
    types = {row[0]: row[1] for row in described if row[0] in everywhere}
    return RawTable(relation, files, types, tuple(row[0] for row in described))


def _parquet_header(file: Path, zones: dict[str, set[bool]]) -> list[str]:
    schema = pq.read_schema(file)
    for column in schema:
        if pa.types.is_timestamp(column.type):
            zones.setdefault(column.name, set()).add(column.type.tz is not None)
    return list(schema.names)


def _csv_header(file: Path, layout: Layout) -> list[str]:
    opened = gzip.open if file.suffix.lower() == ".gz" else open
    with opened(file, mode="rt", encoding="utf-8-sig", newline="") as stream:
        if layout.delimiter == _BLANKS:
            names = stream.readline().split()
        else:
            names = [name.strip() for name in next(csv.reader(stream, delimiter=layout.delimiter))]
    if not any(names):
        raise ValueError("without a header")
    return [name or f"column{place}" for place, name in enumerate(names, start=1)]


def _refuse_repeated(names: Sequence[str]) -> None:
    """Refuse a column that a file gives twice, or that differs from another by case alone, as SQL knows no case."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.lower(), []).append(name)
    twice = sorted(" and ".join(sorted(set(each))) for each in alike.values() if len(each) > 1)
    if twice:
        raise ValueError(f"with the same column twice: {', '.join(twice)}")


def _reason(error: Exception, form: str) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 text: byte {error.object[error.start]:#04x} at {error.start}"
    if isinstance(error, pa.ArrowException):
        return "not a whole Parquet file"
    if isinstance(error, StopIteration):
        return "empty: it has no header"
    return f"not readable as {form}: {first_line(error)}"


def _read_sql(form: str, names: Sequence[str], files: Sequence[Path], layout: Layout) -> str:
    listed = ", ".join(quoted(str(file)) for file in files)
    if form == "parquet":
        return f"select * from read_parquet([{listed}], union_by_name = true)"
    if layout.delimiter == _BLANKS:
        return _read_blanks_sql(names, listed)
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
    return (
        f"select * from read_csv([{listed}], auto_detect = false, header = true, columns = {{{columns}}},"
        f" delim = {quoted(layout.delimiter)}, quote = '\"', escape = '\"', nullstr = '', strict_mode = true)"
    )


def _read_blanks_sql(names: Sequence[str], listed: str) -> str:
    """Columns between runs of blanks: each line is read whole and cut; a line with other than that many is an error."""
    cells = ", ".join(f"cells[{place}] as {identifier(name)}" for place, name in enumerate(names, start=1))
    cut = r"regexp_split_to_array(trim(line, chr(9) || chr(13) || ' '), '\s+')"
    return (
        f"select {cells} from (select case when len({cut}) = {len(names)} then {cut}"
        f" else error('a line has ' || len({cut}) || ' columns, not {len(names)}: ' || line) end as cells"
        f" from read_csv([{listed}], auto_detect = false, header = true, columns = {{'line': 'VARCHAR'}},"
        f" delim = '{_NEVER_IN_TEXT}', quote = '', escape = '', strict_mode = true)"
        f" where trim(line, chr(9) || chr(13) || ' ') <> '')"
    )


def identifier(name: str) -> str:
    """Return a quoted SQL name.

    Examples
    --------
    >>> identifier('order "no"')
    '"order ""no\"\""'
    """
    return '"' + name.replace('"', '""') + '"'


_CSV_FAULTS = (
    (r"Expected Number of Columns: (\d+) Found: (\d+)", r"\2 columns where the header has \1"),
    (r"unterminated quote", "a quote that never ends"),
    (r"not utf-8|unicode", "not UTF-8 text"),
    (r"state machine", "lines that end in different ways, or text outside its quotes"),
)


def first_line(error: Exception) -> str:
    """Return the part of an engine's message that a person can use; of a CSV error, the file, line and fault.

    The line itself is left out: it may hold names and addresses.
    """
    said = str(error).strip()
    fault = next(
        (found.expand(text) for pattern, text in _CSV_FAULTS if (found := re.search(pattern, said))), ""
    )
    file = re.search(r"^\s*file = (.+)$", said, re.MULTILINE)
    if not fault or not file:
        return said.splitlines()[0][:300]
    line = re.search(r"CSV Error on Line: (\d+)", said)
    place = f" line {line.group(1)}" if line else ""
    return f"{Path(file.group(1).strip()).name}{place}: {fault}"
