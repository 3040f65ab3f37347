"""Ids of one kind come out alike in all tables of a base: ``17850.0`` is ``17850`` where it can be nothing else.

Text is kept as it stands in `segml.sources.columns`; what that cannot decide from one value is decided here, from the
whole column and from the columns of the same name in other tables:

* a column whose ids are all whole numbers loses its ``.0``: a missing value made it one of doubles;
* beside ids with letters a ``.0`` goes where another table has the same number without it, so that both are one
  customer; where the column itself has both, nobody can tell, and it is refused;
* ``12E5`` beside nothing but numbers may be 1,200,000 or an id, and is refused.

Nothing is read again unless a value of such a form was seen in the pass that reads the files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segml.tables.catalog import TABLES
from segml.tables.checks import SHOWN_ROWS, Fetch, Violation
from segml.tables.diagnostics import Diagnostic, Example
from segml.tables.ids import (
    exponent_sql,
    fraction_sql,
    placeholder_sql,
    whole_number_sql,
    without_fraction_sql,
)

Forms = Mapping[str, Mapping[str, tuple[bool, bool]]]


@dataclass(frozen=True)
class _Column:
    """The ids of one kind in one table."""

    table: str
    has_fraction: bool
    has_exponent: bool
    all_whole: bool
    all_numbers: bool


def settle_id_forms(
    fetch: Fetch, names: Mapping[str, Sequence[str]], forms: Forms
) -> tuple[list[Diagnostic], list[Violation]]:
    """Fold ``.0`` in the tables ``read_<table>``; return what was folded, and what is ambiguous.

    Parameters
    ----------
    fetch : callable
        Runs a query.
    names : mapping of str to sequence of str
        Table -> its stored columns.
    forms : mapping
        Table -> column -> whether it has ids with ``.0``, and ids with an exponent.
    """
    folded: list[Diagnostic] = []
    violations: list[Violation] = []
    kinds = [name for name, found in _columns_with_forms(forms).items() if found]
    for kind in kinds:
        columns = [_described(fetch, table, kind, forms) for table in names if kind in names[table]]
        if all(column.all_numbers for column in columns):
            violations += [_exponent(fetch, c.table, kind) for c in columns if c.has_exponent]
        for column in columns:  # those of whole numbers first: the others are held against them
            if column.has_fraction and column.all_whole:
                folded.append(_fold(fetch, column.table, kind))
        for column in columns:
            if not column.has_fraction or column.all_whole:
                continue
            if _has_both(fetch, column.table, column.table, kind):
                violations.append(_both(fetch, column.table, kind))
            elif any(_has_both(fetch, column.table, c.table, kind) for c in columns if c is not column):
                folded.append(_fold(fetch, column.table, kind))
    return folded, violations


def _columns_with_forms(forms: Forms) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for columns in forms.values():
        for name, seen in columns.items():
            found[name] = found.get(name, False) or any(seen)
    return found


def _described(fetch: Fetch, table: str, kind: str, forms: Forms) -> _Column:
    whole, exponent = whole_number_sql(kind), exponent_sql(kind)
    ((all_whole, all_numbers),) = fetch(
        f"select coalesce(bool_and({whole}), true), coalesce(bool_and({whole} or {exponent}), true)"
        f" from read_{table} where {kind} is not null and not {placeholder_sql(kind)}"
    )
    fraction, power = forms.get(table, {}).get(kind, (False, False))
    return _Column(table, fraction, power, bool(all_whole), bool(all_numbers))


def _fold(fetch: Fetch, table: str, kind: str) -> Diagnostic:
    where = f"where contains({kind}, '.') and {fraction_sql(kind)}"
    found = fetch(f"select {kind}, count(*) from read_{table} {where} group by 1 order by 1")
    rows = sum(count for _, count in found)
    fetch(f"update read_{table} set {kind} = {without_fraction_sql(kind)} {where}")
    shown = tuple(Example(value, int(count)) for value, count in found[:SHOWN_ROWS])
    return Diagnostic("ids_with_fraction", table, kind, int(rows), examples=shown)


def _pairs(table: str, other: str, kind: str) -> str:
    """Return SQL for the ids of a table with ``.0`` whose number the other table has without it."""
    return (
        f"select distinct {kind} from read_{table} where contains({kind}, '.') and {fraction_sql(kind)}"
        f" and {without_fraction_sql(kind)} in (select {kind} from read_{other} where {kind} is not null)"
    )


def _has_both(fetch: Fetch, table: str, other: str, kind: str) -> bool:
    return bool(fetch(f"{_pairs(table, other, kind)} limit 1"))


def _both(fetch: Fetch, table: str, kind: str) -> Violation:
    found = fetch(f"{_pairs(table, table, kind)} order by 1 limit {SHOWN_ROWS}")
    rows = tuple(f"{kind}={value!r} and {value.partition('.')[0]!r}" for (value,) in found)
    text = "ids with .0 and the same without it, beside ids that are no numbers: one customer or two"
    if TABLES[table].column(kind).name != "customer_id":
        text = text.replace("one customer or two", "one or two")
    ((count,),) = fetch(f"select count(*) from ({_pairs(table, table, kind)}) as pairs")
    return Violation(text, table, kind, int(count), rows)


def _exponent(fetch: Fetch, table: str, kind: str) -> Violation:
    where = f"from read_{table} where {exponent_sql(kind)}"
    ((count,),) = fetch(f"select count(*) {where}")
    found = fetch(f"select distinct {kind} {where} order by 1 limit {SHOWN_ROWS}")
    text = "a number with an exponent among ids that are numbers: an id, or a number that a spreadsheet shortened"
    return Violation(text, table, kind, int(count), tuple(f"{kind}={value!r}" for (value,) in found))
