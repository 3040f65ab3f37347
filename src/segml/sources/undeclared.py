"""Columns of the files that the mapping leaves out, and that say the sum of the amounts is not the shop's revenue.

A currency beside the amounts, a status of cancelled orders, a mark of test orders: left out of the mapping, they make
every sum wrong without a word. Candidates are found by their name or by the values of the first rows; only these are
carried along when the files are read, and counted once the rows are clean. What the table's `where` or `query` names
is dealt with already.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from segml.config import TableSource
from segml.sources.columns import mapping_of
from segml.sources.files import RawTable, identifier
from segml.sources.undeclared_words import CURRENCIES, NO_REVENUE, REVENUE
from segml.tables.checks import Fetch
from segml.tables.diagnostics import Diagnostic, Example
from segml.tables.schema import Table

_TABLES = ("orders", "order_lines", "returns")
_OF_ANY_MEANING = ("channel", "store_id")  # a currency or a status may have been mapped to them
_SAMPLE, _MOST_LOOKED_AT, _MOST_CARRIED = 1000, 200, 6
_MOST_VALUES, _SHOWN = 20, 6
_CURRENCY_NAME = re.compile(
    r"(^|_)(currency|currencies|valuta|w(ä|ae)hrung|devise|iso_?4217)(_|$)|(^|_)curr(_|$)"
)
_STATUS_NAME = re.compile(r"(^|_)\w*status(_|$)|(^|_)(tilstand|zustand)(_|$)")
_OF_NO_ORDER = re.compile(
    r"marital|civil|sivil|zivil|customer|member|loyalty|employ|stock|vip|mail|consent|subscri"
)
_FLAG = r"(test|guest|g(ä|ae?|æ)st|gjest|sandbox|demo|fraud|spam|bot)"
_UNDONE = (
    r"(cancell?ed|cancell?ation|void(ed)?|deleted|refund(ed)?"
    r"|annull\w+|makulera\w+|storn\w+|slett?et|kansellert)"
)
_FLAG_NAME = re.compile(
    rf"^(is_|er_|ist_|är_|customer_is_|order_is_|kunde_)?{_FLAG}(_order|_customer|_user|_mode|_ordre|_checkout)?$"
    rf"|^(is_|was_|er_|ist_|order_)?{_UNDONE}(_at|_on|_date|_time|_dato|_datum|_flag|_amount|_total|_by)?$"
)
_UNSET = (
    "('', '0', 'false', 'f', 'no', 'n', 'none', 'null', 'nan', '0.0', '0.00', '0,00', 'nej', 'nei', 'nein')"
)


@dataclass(frozen=True)
class Beside:
    """A column of the files that may change what the amounts mean.

    Attributes
    ----------
    name : str
        As the files call it.
    kind : str
        ``currency``, ``status`` or ``flag``.
    by_name : bool
        Whether the name says so; otherwise the values do.
    """

    name: str
    kind: str
    by_name: bool


def column_words(name: str) -> str:
    """Return a column's name in lower case with underscores between its words.

    Examples
    --------
    >>> [column_words(name) for name in ("Financial Status", "cancelledAt", "IS-TEST")]
    ['financial_status', 'cancelled_at', 'is_test']
    """
    parted = re.sub(r"(?<=[a-zæøåäöü])(?=[A-ZÆØÅÄÖÜ])", "_", name.strip())
    return re.sub(r"[^\w]+", "_", parted).strip("_").lower()


def find_beside(fetch: Fetch, table: Table, source: TableSource, raw: RawTable) -> list[Beside]:
    """Return the columns beside the mapping that are worth counting, in the order of the files."""
    if table.name not in (*_TABLES, "customers"):
        return []
    dealt_with = f"{source.where} {source.query}".lower()
    mapping = {} if source.query else mapping_of(source, raw)
    mapped = {theirs for ours, theirs in mapping.items() if ours not in _OF_ANY_MEANING}
    names = [name for name in raw.every_column if name not in mapped and not _is_named(name, dealt_with)]
    values = _first_values(fetch, raw, names[:_MOST_LOOKED_AT])
    found = [_beside(table.name, name, values.get(name, set())) for name in names]
    return [one for one in found if one is not None][:_MOST_CARRIED]


def _is_named(name: str, sql: str) -> bool:
    """Tell whether a condition or a query in lower case speaks of a column."""
    low = name.lower()
    return low in sql and bool(re.search(rf"(?<!\w){re.escape(low)}(?!\w)", sql))


def _first_values(fetch: Fetch, raw: RawTable, names: Sequence[str]) -> dict[str, set[str]]:
    """Return the distinct values of the first rows."""
    if not names:
        return {}
    listed = ", ".join(f"list(distinct trim(cast({identifier(name)} as varchar)))" for name in names)
    cells = ", ".join(identifier(name) for name in names)
    rows = fetch(f"select {listed} from (select {cells} from {raw.relation} limit {_SAMPLE}) as first_rows")
    return {name: {v for v in found or () if v} for name, found in zip(names, rows[0], strict=True)}


def _beside(table: str, name: str, values: set[str]) -> Beside | None:
    words = column_words(name)
    if table != "customers":
        if _CURRENCY_NAME.search(words):
            return Beside(name, "currency", True)
        if _STATUS_NAME.search(words) and not _OF_NO_ORDER.search(words):
            return Beside(name, "status", True)
    if _FLAG_NAME.search(words):
        return Beside(name, "flag", True)
    if table == "customers" or not values or len(values) > _MOST_VALUES:
        return None
    if values <= CURRENCIES:
        return Beside(name, "currency", False)
    known = {_status(value) for value in values} & (NO_REVENUE | REVENUE)
    if len(known) == len(values) or (len(known) >= 2 and known & NO_REVENUE):
        return Beside(name, "status", False)
    return None


def _status(value: str) -> str:
    """Return a status as the lists of words have it.

    Examples
    --------
    >>> _status("Partially_Refunded"), _status("wc-on-hold")
    ('partially refunded', 'on hold')
    """
    return re.sub(r"[\s_\-]+", " ", value.strip().lower()).removeprefix("wc ")


def count_beside(
    fetch: Fetch, relation: str, table: str, has_money: bool, columns: Sequence[Beside], currency: str
) -> list[Diagnostic]:
    """Count what the carried columns say of the rows that are kept.

    Parameters
    ----------
    fetch : callable
        Runs a query.
    relation : str
        The rows; the n-th column is ``beside_<n>``.
    table : str
        Name of the table.
    has_money : bool
        Whether it has amounts.
    columns : sequence of Beside
        What was carried.
    currency : str
        The base's currency.
    """
    money = "cast(sum(amount_minor) as bigint)" if has_money else "cast(null as bigint)"
    found = []
    for place, column in enumerate(columns):
        value = f"trim(beside_{place})"
        if column.kind == "flag":
            rows = _flagged(fetch, relation, value, money)
        else:
            rows = fetch(
                f"select coalesce({value}, '') as value, count(*), {money} from {relation}"
                f" group by 1 order by 2 desc, 1 limit {_MOST_VALUES + 1}"
            )
        found.append(_judged(table, column, rows, currency))
    return [one for one in found if one is not None]


def _flagged(fetch: Fetch, relation: str, value: str, money: str) -> list[tuple[str, int, int | None]]:
    """Return rows where the flag is set, and where it is not; the values themselves may be days or sums."""
    is_set = f"{value} is not null and lower({value}) not in {_UNSET}"
    return fetch(
        f"select case when {is_set} then 'set' else '' end as value, count(*), {money} from {relation}"
        " group by 1 order by 1 desc"
    )


def _judged(
    table: str, column: Beside, rows: Sequence[tuple[str, int, int | None]], currency: str
) -> Diagnostic | None:
    """Return what is to be said of a column's values; None when they change nothing."""
    known = [row for row in rows if row[0]]
    values = {str(value).strip() for value, _, _ in known}
    if not known or len(values) > _MOST_VALUES:
        return None
    wrong = {
        "currency": lambda: _other_currencies(values, currency),
        "status": lambda: _no_revenue(values, column.by_name),
        "flag": lambda: values,
    }[column.kind]()
    if not wrong:
        return None
    about = [row for row in known if str(row[0]).strip() in wrong]
    money = [row[2] for row in about if row[2] is not None]
    return Diagnostic(
        f"undeclared_{column.kind}",
        table,
        column.name,
        rows=sum(row[1] for row in about),
        money=sum(money) if money else None,
        examples=tuple(Example(str(v), int(n), m) for v, n, m in known[:_SHOWN]),
        values={"more": max(0, len(known) - _SHOWN), "wrong": sorted(wrong)[:_SHOWN], "of_query": False},
    )


def _other_currencies(values: set[str], currency: str) -> set[str]:
    """Return the values that are not the base's currency; one sign for all rows may be its own (kr., EUR in words)."""
    others = {value for value in values if value.upper() != currency}
    if len(values) == 1 and not {value.upper() for value in values} & CURRENCIES:
        return set()
    return others


def _no_revenue(values: set[str], by_name: bool) -> set[str]:
    """Return the values that say a row is no revenue, or that nobody knows beside others."""
    stated = {value: _status(value) for value in values}
    undone = {value for value, word in stated.items() if word in NO_REVENUE}
    if undone or not by_name or len(values) < 2:
        return undone
    return {value for value, word in stated.items() if word not in REVENUE}


def count_of_query(
    fetch: Fetch, table: Table, source: TableSource, raw: RawTable, currency: str
) -> list[Diagnostic]:
    """Count what a query leaves out of its files: rows only, as their amounts are the query's own.

    Parameters
    ----------
    fetch : callable
        Runs a query.
    table : Table
        The canonical table.
    source : TableSource
        Its query.
    raw : RawTable
        What the query reads as `source`.
    currency : str
        The base's currency.
    """
    columns = find_beside(fetch, table, source, raw)
    if not columns:
        return []
    listed = ", ".join(
        f"cast({identifier(column.name)} as varchar) as beside_{place}"
        for place, column in enumerate(columns)
    )
    relation = f"(select {listed} from {raw.relation}) as of_query"
    found = count_beside(fetch, relation, table.name, False, columns, currency)
    return [replace(one, values={**one.values, "of_query": True}) for one in found]
