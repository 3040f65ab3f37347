"""Files of a flat table -> a frame of text, numbers and yes or no, by the same doors as the tables of a shop.

Text files are read as text first; a column is a number where every value is one in the form that the configuration
states. What looks like a number in another form is told with the setting that reads it. The id stays text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd

from segml.config import TextForm
from segml.engine.duckdb import DuckDBEngine, quoted
from segml.errors import DataError, first_of
from segml.sources.files import (
    RawTable,
    UnreadableError,
    find_files,
    first_line,
    identifier,
    layout_of,
    register_files,
)
from segml.sources.numbers import NumberForm, fitting_form, grouped_rule
from segml.sources.time_hints import date_formats
from segml.tables.checks import Fetch, hints

# What programs write for a number that is not there; in a column of texts these are texts like any other.
_NO_NUMBER = (
    *(
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
    ),
    *("NULL", "NaN", "None", "n/a", "nan", "null"),
)
_YES_NO = ("true", "false")
_SEEN = 300  # distinct values of a column of texts that are looked at
_NEARLY = 0.8  # of the values are numbers: the others are told
_LARGEST_EXACT = {"DOUBLE": 2**53, "FLOAT": 2**24}
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")


@dataclass(frozen=True)
class FlatRows:
    """Rows of files, in their order.

    Attributes
    ----------
    frame : DataFrame
        Columns as in the files; `kept_as_text` are texts as the files have them.
    columns : tuple of str
        All that every file has, those that were not read too.
    notes : list of str
        What looks like something else than it was read as.
    """

    frame: pd.DataFrame
    columns: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)


def find_flat_files(patterns: Sequence[str], root: Path, form: TextForm) -> list[Path]:
    """Return the files that paths, folders and globs name.

    Raises
    ------
    DataError
        A path that names nothing, or what can't be read.
    """
    try:
        return find_files("flat", patterns, root, layout_of(form))
    except UnreadableError as error:
        raise _refused(error) from error


def read_rows(
    paths: list[Path],
    root: Path,
    form: TextForm,
    kept_as_text: Sequence[str] = (),
    left_out: Sequence[str] = (),
    memory: str = "",
) -> FlatRows:
    """Read the files of a flat table.

    Parameters
    ----------
    paths : list of Path
        CSV and Parquet.
    root : Path
        The project folder.
    form : TextForm
        How its text is written.
    kept_as_text : sequence of str
        The id, and columns of codes.
    left_out : sequence of str
        Columns that are not read.
    memory : str
        What the engine may use.

    Raises
    ------
    DataError
        Files that can't be read, or numbers whose decimal mark groups digits.
    """
    engine = DuckDBEngine(memory=memory, threads=1)
    with engine, engine.confined(paths) as connection:
        connection.execute("set TimeZone = 'UTC'")
        try:
            raw = register_files(connection, "flat", "flat_rows", paths, root, layout_of(form))
            return _typed_rows(connection, raw, form, set(kept_as_text), set(left_out))
        except UnreadableError as error:
            raise _refused(error) from error
        except duckdb.Error as error:
            raise DataError(f"the table can't be read: {first_line(error)}", "correct the file") from error


def _refused(error: UnreadableError) -> DataError:
    lines = [str(violation) for violation in error.violations]
    step = "; ".join([*hints(error.violations), "correct `flat.files`, or the files"])
    return DataError("\n  - ".join(["the table can't be read:", *first_of(lines)]), step)


def _typed_rows(
    connection: Any, raw: RawTable, form: TextForm, kept: set[str], left_out: set[str]
) -> FlatRows:
    every = [row[0] for row in connection.execute("describe flat_rows").fetchall()]
    partly = [name for name in every if name not in raw.types]
    notes = [f"left out, because some files lack them: {', '.join(first_of(partly))}"] if partly else []
    types = {name: raw.types[name] for name in every if name in raw.types and name not in left_out}
    number = NumberForm(form.decimal, form.thousands)
    _refuse_lost_digits(connection, types, kept)
    texts = [name for name, sql_type in types.items() if sql_type == "VARCHAR"]
    listed = [
        f"{_present(name, form) if name in texts else _native_sql(identifier(name), types[name], name in kept)}"
        f" as {identifier(name)}"
        for name in types
    ]
    connection.execute(
        f"create temp table flat_read as select {', '.join(listed) or '1 as nothing'} from flat_rows"
    )
    described = _described(connection, texts, number)
    chosen = [
        f"{described[name].sql(identifier(name), number, name in kept)} as {identifier(name)}"
        if name in described
        else identifier(name)
        for name in types
    ]
    _refuse_grouping(described, number, kept)
    notes += _told(connection, described, number, kept)
    frame = connection.execute(f"select {', '.join(chosen) or '1 as nothing'} from flat_read").df()
    for name in frame.columns[frame.dtypes == "boolean"]:  # with missing values: as other readers give them
        frame[name] = frame[name].astype(object).where(frame[name].notna(), np.nan)
    return FlatRows(frame, tuple(name for name in every if name in raw.types), notes)


def _present(name: str, form: TextForm) -> str:
    nothing = ", ".join(quoted(text) for text in ("", *form.missing))
    value = f"trim({identifier(name)})"
    return f"case when {value} not in ({nothing}) then {value} end"


@dataclass(frozen=True)
class _Described:
    """Counts of one column of texts: values, and those that are whole numbers, numbers, words for no number, ..."""

    known: int = 0
    whole: int = 0
    numbers: int = 0
    plain: int = 0
    no_number: int = 0
    yes_no: int = 0
    marked: int = 0
    three: int = 0
    thousandths: int = 0
    padded: int = 0

    @property
    def is_number(self) -> bool:
        """Whether every value is a number, or a word for none."""
        return 0 < self.numbers == self.known - self.no_number

    @property
    def is_grouped(self) -> bool:
        """Whether the decimal mark of most values that have it could as well group digits."""
        return self.is_number and not self.thousandths and 2 * self.three > self.marked

    def sql(self, value: str, number: NumberForm, kept: bool) -> str:
        """Return SQL of the column as what it is."""
        words = ", ".join(map(quoted, _NO_NUMBER))
        if kept:  # of a column of codes that are numbers, a word for no number is no code
            return f"case when {value} not in ({words}) then {value} end" if self.is_number else value
        if self.is_number and self.whole == self.known and not number.thousands:
            return f"try_cast({value} as bigint)"
        if self.is_number and self.plain == self.numbers:
            return number.plain_sql(value, "double")
        if self.is_number:
            return number.sql(value, "double")
        if 0 < self.yes_no == self.known:
            return f"lower({value}) = 'true'"
        return value


def _described(connection: Any, names: Sequence[str], number: NumberForm) -> dict[str, _Described]:
    """Count the values of all columns of texts in one scan, a row a value: planned once, however many columns."""
    if not names:
        return {}
    words, yes_no = (", ".join(map(quoted, listed)) for listed in (_NO_NUMBER, _YES_NO))
    conditions = (
        "true",
        "regexp_full_match(value, '-?[0-9]{1,18}')",
        f"{number.sql('value', 'double')} is not null and value not in ({words})",
        f"{number.plain_sql('value', 'double')} is not null and value not in ({words})",
        f"value in ({words})",
        f"lower(value) in ({yes_no})",
        number.marked_sql("value"),
        "false" if number.thousands == "" else number.three_digits_sql("value"),
        number.thousandths_sql("value"),
        "regexp_full_match(value, '0[0-9]+')",
    )
    counts = ", ".join(f"count(*) filter (where {condition})" for condition in conditions)
    rows = connection.execute(f"select name, {counts} from ({_unpivoted(names)}) group by name").fetchall()
    found = {name: _Described(*map(int, counted)) for name, *counted in rows}
    return {name: found.get(name, _Described()) for name in names}


def _unpivoted(names: Sequence[str]) -> str:
    """Return SQL of name and value of every value that is there."""
    listed = ", ".join(map(identifier, names))
    return f"unpivot (select {listed} from flat_read) on columns(*) into name name value value"


def _native_sql(name: str, sql_type: str, kept: bool) -> str:
    """Return SQL of a column that has a type already."""
    if kept:
        whole = f"try_cast(case when {name} = trunc({name}) then {name} end as bigint)"
        text = f"cast({name} as varchar)"
        return f"coalesce(cast({whole} as varchar), {text})" if sql_type in _LARGEST_EXACT else text
    if sql_type.startswith(("DECIMAL", "HUGEINT", "UHUGEINT", "UBIGINT")):
        return f"cast({name} as double)"
    if sql_type == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {name})"
    if sql_type in (*_INTEGERS, *_LARGEST_EXACT, "BOOLEAN", "DATE") or sql_type.startswith("TIMESTAMP"):
        return name
    return f"cast({name} as varchar)"


def _refuse_lost_digits(connection: Any, types: Mapping[str, str], kept: set[str]) -> None:
    for name in sorted(kept):
        largest = _LARGEST_EXACT.get(types.get(name, ""))
        if largest is None:
            continue
        value = identifier(name)
        count = connection.execute(
            f"select count(*) from flat_rows where not isnan({value}) and abs({value}) > {largest}"
        ).fetchone()[0]
        if count:
            raise DataError(
                f"{name} has {count:,} floating-point numbers above {largest:,}: their last digits are lost",
                "write the column as text or as integers",
            )


def _refuse_grouping(described: Mapping[str, _Described], number: NumberForm, kept: set[str]) -> None:
    """A decimal comma that was set and that groups digits is refused; of points, which are the default, it is told."""
    wrong = {n: d for n, d in described.items() if d.is_grouped and n not in kept}
    if wrong and number.decimal == ",":
        rules = [f"{name}: {grouped_rule(d.three, d.marked, number)[0]}" for name, d in wrong.items()]
        raise DataError(
            "\n  - ".join(["numbers are grouped:", *first_of(rules)]), grouped_rule(0, 0, number)[1]
        )


def _told(
    connection: Any, described: Mapping[str, _Described], number: NumberForm, kept: set[str]
) -> list[str]:
    """Return sentences on columns that look like something else than they were read as."""
    notes = []
    others = [name for name, d in described.items() if d.known and not d.is_number and name not in kept]
    by_setting: dict[str, list[str]] = {}
    by_date: list[str] = []
    seen = _distinct(connection, others, number)
    for name in others:
        values = seen.get(name, [])
        fitting = fitting_form(values, number) if values else None
        if fitting is not None and (setting := fitting.setting(number)):
            by_setting.setdefault(setting, []).append(f"{name} ({values[0]})")
        elif values and (dates := date_formats(_fetch(connection), values)):
            by_date.append(f"{name} ({values[0]}, {dates[0]})")
        elif described[name].numbers >= _NEARLY * described[name].known:
            known = described[name].known
            left = known - described[name].numbers - described[name].no_number
            shown = ", ".join(first_of([value for value in values if not number.reads(value)], 3))
            notes.append(
                f"the column {name} is read as text: {left:,} of {known:,} values are no numbers ({shown}); name them"
                " under `flat.missing` if they stand for nothing"
            )
    notes += [
        f"these columns look like numbers and are read as text: {', '.join(first_of(names))}; set {setting} under"
        " `flat`"
        for setting, names in by_setting.items()
    ]
    if by_date:
        notes.append(
            f"these columns look like dates and are read as text, so nothing is known of leakage through them:"
            f" {', '.join(first_of(by_date))}; write ISO dates, such as 2023-12-31"
        )
    grouped = [n for n, d in described.items() if d.is_grouped and n not in kept]
    if grouped:
        setting = (
            grouped_rule(0, 0, number)[1].removeprefix("set ").replace(" in their table", " under `flat`")
        )
        notes.append(
            f"three digits behind the point in most values of {', '.join(first_of(grouped))}: if it groups thousands,"
            f" set {setting}"
        )
    padded = [n for n, d in described.items() if d.is_number and d.padded and n not in kept]
    if padded:
        notes.append(
            f"numbers with leading zeros are read as numbers: {', '.join(first_of(padded))}; name codes under"
            " `flat.categorical`"
        )
    return notes


def _fetch(connection: Any) -> Fetch:
    return lambda sql: connection.execute(sql).fetchall()


def _distinct(connection: Any, names: Sequence[str], number: NumberForm) -> dict[str, list[str]]:
    """Return values of columns of texts, those first that are no numbers; words for no number are left out."""
    if not names:
        return {}
    words = ", ".join(map(quoted, _NO_NUMBER))
    rows = connection.execute(
        f"select name, value from (select distinct name, value from ({_unpivoted(names)}) where value not in ({words}))"
        f" qualify row_number() over (partition by name order by {number.sql('value', 'double')} is not null, value)"
        f" <= {_SEEN} order by name, {number.sql('value', 'double')} is not null, value"
    ).fetchall()
    found: dict[str, list[str]] = {}
    for name, value in rows:
        found.setdefault(name, []).append(value)
    return found
