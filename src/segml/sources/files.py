"""Raw files: found, fingerprinted, and given to the engine under a name, whatever their number and format.

Every file's header is read before any row is, so that a column that is missing from one file of many is an error
and not a column of blanks, and a truncated or foreign file is named.
"""

from __future__ import annotations

import csv
import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from segml.config import TextForm
from segml.engine.duckdb import path_sql, quoted
from segml.errors import DataError, did_you_mean
from segml.sources.encodings import Layout, as_utf8, native, text_of
from segml.sources.kinds import Kind, kind_of
from segml.tables.checks import Violation
from segml.tables.partition import file_sha256

_SUFFIXES = {".csv": "csv", ".txt": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}
_PACKED = (".gz", ".zst", ".bz2", ".xz")
_OTHER_TABLES = (
    ".xlsx",
    ".xlsm",
    ".xlsb",
    ".xls",
    ".ods",
    ".zip",
    ".7z",
    ".rar",
    ".json",
    ".jsonl",
    ".ndjson",
)
_MARKS = {";": (";", "semicolons"), "\t": ("\\t", "tabs"), "|": ("|", "bars"), ",": (",", "commas")}
_BLANKS = " "
_NEVER_IN_TEXT = "\x1f"


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


def layout_of(source: TextForm, form: str = "auto") -> Layout:
    """Return how the files of a table are written, as its configuration says."""
    return Layout(form, source.delimiter, source.encoding)


def find_files(table: str, patterns: Sequence[str], root: Path, layout: Layout) -> list[Path]:
    """Return the files that paths, folders and globs name, sorted and once each.

    What exists under a name as it stands is meant, and is no pattern: a file may be called ``orders[1].csv``.

    Raises
    ------
    UnreadableError
        A path that names nothing, or a folder without files that can be read, or with tables that can't.
    """
    found: set[Path] = set()
    wrong = []
    for pattern in patterns:
        matched = _matching(root / pattern, pattern, root, layout)
        folder = root / pattern if (root / pattern).is_dir() else None
        left = _unread_tables(folder) if folder else []
        if left or not matched:
            wrong.append(Violation(_why_not(pattern, root, folder, left), table))
        for file in matched:
            if any(0xDC80 <= ord(letter) <= 0xDCFF for letter in str(file)):
                shown = str(file).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
                wrong.append(Violation(f"a file name that is not UTF-8: {shown}; rename it", table))
        found.update(matched)
    if wrong:
        raise UnreadableError(*wrong)
    return sorted(found)


def _matching(path: Path, pattern: str, root: Path, layout: Layout) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        return [file for file in _visible(path) if _kind(file) and layout.format in ("auto", _kind(file))]
    named = glob.glob(pattern, root_dir=root, recursive=True)
    return [root / name for name in named if (root / name).is_file()]


def _visible(folder: Path) -> list[Path]:
    inside = (file for file in folder.rglob("*") if file.is_file())
    return [file for file in inside if not any(part[0] in "._" for part in file.relative_to(folder).parts)]


def _unread_tables(folder: Path) -> list[Path]:
    return sorted(file for file in _visible(folder) if file.suffix.lower() in _OTHER_TABLES)


def _why_not(pattern: str, root: Path, folder: Path | None, left: list[Path]) -> str:
    if left:
        return (
            f"the folder {pattern!r} has tables that are not read: {_kinds_in(left)}; save them as CSV, or name the"
            " files to read, such as *.csv"
        )
    if folder is not None:
        there = sorted(_visible(folder))
        return (
            f"the folder {pattern!r} has no file ending in {', '.join(_SUFFIXES)}"
            f" ({_kinds_in(there) if there else 'it is empty'})"
        )
    above = (root / pattern).parent
    near = did_you_mean(Path(pattern).name, [path.name for path in above.iterdir()]) if above.is_dir() else ""
    return f"no file at {pattern!r}{near}"


def _kinds_in(files: list[Path]) -> str:
    shown = [f"{file.name} is {kind_of(file).what}" for file in files[:3]]
    return ", ".join(shown) + (f" and {len(files) - 3:,} more" if len(files) > 3 else "")


def _kind(file: Path) -> str:
    name = file.name.lower()
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    return _SUFFIXES.get(Path(name).suffix, "")


def fingerprints(files: Sequence[Path], root: Path) -> list[dict[str, Any]]:
    """Return path (relative to the project folder where it can be), size and SHA-256 of each file.

    Raises
    ------
    DataError
        Files that can't be read, all of them.
    """
    found, unread = [], []
    for file in files:
        try:
            content = {"bytes": file.stat().st_size, "sha256": file_sha256(file)}
        except OSError as error:
            unread.append(f"{shown_path(file, root)}: {error.strerror or error}")
        else:
            found.append({"file": shown_path(file, root), **content})
    if unread:
        raise DataError(
            "files can't be read:\n  - " + "\n  - ".join(unread),
            "make them readable for the user who runs segml",
        )
    return found


def shown_path(file: Path, root: Path) -> str:
    """Return a path as the configuration would write it."""
    return Path(os.path.relpath(file.resolve(), root.resolve())).as_posix()


@dataclass(frozen=True)
class _Header:
    """What files have in common that are read by one call of the engine."""

    form: str
    compression: str
    names: tuple[str, ...]


def register_files(
    connection: Any, table: str, relation: str, files: list[Path], root: Path, layout: Layout
) -> RawTable:
    """Give the files of one table a name in the engine.

    Raises
    ------
    UnreadableError
        Files that are not what their format says, or whose times have a zone in one file and none in another.
    """
    headers: dict[_Header, list[Path]] = {}
    violations: list[Violation] = []
    zones: dict[str, set[bool]] = {}
    for file in files:
        try:
            header, readable = _opened(connection, file, layout, zones)
            headers.setdefault(header, []).append(readable)
        except UnreadableError as error:
            violations += [
                Violation(f"{shown_path(file, root)} {found.rule}", table, hint=found.hint)
                for found in error.violations
            ]
        except (OSError, EOFError, ValueError, csv.Error, StopIteration, pa.ArrowException) as error:
            violations.append(Violation(f"{shown_path(file, root)} is {_reason(error, file)}", table))
    mixed = [name for name, kinds in zones.items() if len(kinds) > 1]
    violations += [
        Violation("mixed time zones: some files have times with a zone, others without", table, name)
        for name in mixed
    ]
    if violations:
        raise UnreadableError(*violations)
    return _create_view(connection, table, relation, files, headers, layout)


def _opened(connection: Any, file: Path, layout: Layout, zones: dict[str, set[bool]]) -> tuple[_Header, Path]:
    """Return a file's header, and the file to read in its place where it is of another encoding."""
    kind = kind_of(file)
    _refuse_kind(kind, file, layout)
    if kind.name == "parquet":
        names, kind = _parquet_header(file, zones), Kind("parquet", "")
    else:
        if not native(kind, layout):
            file, kind = as_utf8(connection, file, kind, layout), Kind("csv", "text")
        names = _csv_header(file, kind, layout)
    _refuse_twins(names)
    return _Header(kind.name, kind.compression, tuple(names)), file


def _refuse_kind(kind: Kind, file: Path, layout: Layout) -> None:
    """Refuse what is no table, or another one than its name or its configuration says."""
    promised = layout.format if layout.format != "auto" else _kind(file)
    if kind.name == "empty" and promised != "parquet":
        raise StopIteration
    if kind.name == "unmarked" and layout.encoding:
        return
    if kind.is_read and layout.format in ("auto", kind.name):
        if kind.name == "csv" and promised == "parquet":
            raise UnreadableError(
                Violation(
                    f"is not a whole Parquet file: it begins as {kind.what}",
                    "",
                    hint="text under a name of Parquet is read with `format: csv` in its table",
                )
            )
        return
    if promised == "parquet" and kind.name != "parquet":
        raise UnreadableError(Violation(f"is not a whole Parquet file: it is {kind.what}", ""))
    step = kind.step or "set `format: auto` in its table"
    raise UnreadableError(Violation(f"is {kind.what}", "", hint=f"{file.name}: {step}"))


def _refuse_twins(names: Sequence[str]) -> None:
    """The engine tells no capitals apart in names: one of the two columns would stand for both."""
    seen: dict[str, str] = {}
    twice = []
    for name in names:
        if name.lower() in seen:
            twice.append(name if name == seen[name.lower()] else f"{seen[name.lower()]} and {name}")
        seen.setdefault(name.lower(), name)
    if twice:
        raise _HeaderError(f"with the same column twice: {', '.join(sorted(set(twice)))}")


class _HeaderError(ValueError):
    """A first line that names no columns."""


def _create_view(
    connection: Any,
    table: str,
    relation: str,
    files: list[Path],
    headers: dict[_Header, list[Path]],
    layout: Layout,
) -> RawTable:
    parts = [_read_sql(header, group, layout) for header, group in headers.items()]
    try:
        connection.execute(f"create or replace temp view {relation} as {' union all by name '.join(parts)}")
        described = connection.execute(f"describe {relation}").fetchall()
    except duckdb.Error as error:
        raise UnreadableError(Violation(f"not readable: {first_line(error)}", table)) from error
    everywhere = set.intersection(*(set(header.names) for header in headers))
    types = {row[0]: row[1] for row in described if row[0] in everywhere}
    return RawTable(relation, files, types, tuple(row[0] for row in described))


def _parquet_header(file: Path, zones: dict[str, set[bool]]) -> list[str]:
    schema = pq.read_schema(file)
    for column in schema:
        if pa.types.is_timestamp(column.type):
            zones.setdefault(column.name, set()).add(column.type.tz is not None)
    return list(schema.names)


def _csv_header(file: Path, kind: Kind, layout: Layout) -> list[str]:
    with text_of(file, kind.compression, "utf-8-sig") as stream:
        if layout.delimiter == _BLANKS:
            names = stream.readline().split()
        elif len(layout.delimiter) > 1:
            lines = (line.replace(layout.delimiter, _NEVER_IN_TEXT) for line in stream)
            found = next(csv.reader(lines, delimiter=_NEVER_IN_TEXT))
            names = [name.replace(_NEVER_IN_TEXT, layout.delimiter).strip() for name in found]
        else:
            names = [name.strip() for name in next(csv.reader(stream, delimiter=layout.delimiter))]
    if not any(names):
        raise _HeaderError("without a header")
    if names[0].lower().startswith("sep="):
        raise _HeaderError(f"begun by the line {names[0]!r}, which is meant for Excel: remove that line")
    return [name or f"column{place}" for place, name in enumerate(names, start=1)]


def _reason(error: Exception, file: Path) -> str:
    if isinstance(error, UnicodeDecodeError):
        name = {"utf-8": "UTF-8"}.get(error.encoding, error.encoding)
        return f"not {name} text: byte {error.object[error.start]:#04x} at {error.start}"
    if isinstance(error, _HeaderError):
        return str(error)
    if isinstance(error, pa.ArrowException) and _kind(file) == "parquet":
        return "not a whole Parquet file"
    if isinstance(error, StopIteration):
        return "empty: it has no header"
    if isinstance(error, OSError) and error.strerror:
        return f"not readable: {error.strerror}"
    return f"not readable: {first_line(error)}"


def _read_sql(header: _Header, files: Sequence[Path], layout: Layout) -> str:
    listed = ", ".join(path_sql(file) for file in files)
    if header.form == "parquet":
        return f"select * from read_parquet([{listed}], union_by_name = true)"
    packed = f"compression = '{header.compression or 'none'}'"
    if layout.delimiter == _BLANKS:
        return _read_blanks_sql(header.names, listed, packed)
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in header.names)
    return (
        f"select * from read_csv([{listed}], auto_detect = false, header = true, columns = {{{columns}}},"
        f" delim = {quoted(layout.delimiter)}, quote = '\"', escape = '\"', nullstr = '', strict_mode = true,"
        f" {packed})"
    )


def _read_blanks_sql(names: Sequence[str], listed: str, packed: str) -> str:
    """Columns between runs of blanks: each line is read whole and cut; a line with other than that many is an error."""
    cells = ", ".join(f"cells[{place}] as {identifier(name)}" for place, name in enumerate(names, start=1))
    cut = r"regexp_split_to_array(trim(line, chr(9) || chr(13) || ' '), '\s+')"
    return (
        f"select {cells} from (select case when len({cut}) = {len(names)} then {cut}"
        f" else error('a line has ' || len({cut}) || ' columns, not {len(names)}: ' || line) end as cells"
        f" from read_csv([{listed}], auto_detect = false, header = true, columns = {{'line': 'VARCHAR'}},"
        f" delim = '{_NEVER_IN_TEXT}', quote = '', escape = '', strict_mode = true, {packed})"
        f" where trim(line, chr(9) || chr(13) || ' ') <> '')"
    )


def delimiter_advice(names: Sequence[str], delimiter: str) -> str:
    """Return the delimiter of a header that was read as one column; nothing where it was cut.

    Examples
    --------
    >>> delimiter_advice(["id;amount"], ",")
    'the header is parted by semicolons: set `delimiter: ";"`'
    """
    for mark, (shown, name) in _MARKS.items():
        if len(names) == 1 and mark in names[0] and mark != delimiter:
            return f'the header is parted by {name}: set `delimiter: "{shown}"`'
    return ""


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
    if isinstance(error, duckdb.PermissionException):
        return _undeclared(said)
    if isinstance(error, duckdb.Error) and "requires the extension" in said:
        return f"it reads over a network, which segml does not: {said.splitlines()[0][:200]}"
    fault = next(
        (found.expand(text) for pattern, text in _CSV_FAULTS if (found := re.search(pattern, said))), ""
    )
    file = re.search(r"^\s*file = (.+)$", said, re.MULTILINE)
    if not fault or not file:
        return said.splitlines()[0][:300]
    line = re.search(r"CSV Error on Line: (\d+)", said)
    place = f" line {line.group(1)}" if line else ""
    return f"{Path(file.group(1).strip()).name}{place}: {fault}"


def _undeclared(said: str) -> str:
    """Only declared files are read: the hash of what was read is what a model is known by."""
    file = re.search(r'"([^"]+)"', said)
    named = f" {file[1]!r}" if file else " files"
    return (
        f"it reaches{named}, which the configuration does not declare: name the file under `also` and read it by"
        " that name"
    )
