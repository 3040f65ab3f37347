"""Amounts that may be hundredths: 1999 for 19.99.

Whole amounts alone prove nothing (a Danish shop has whole prices). They are suspected when all of a table's amounts
are whole, their last two digits are spread as those of prices in hundredths are, and a sibling says so: the column's
own name (``total_cents``), a column of the same files that holds a hundredth of it, or the sum of the order's lines.
"""

from __future__ import annotations

import re

from segml.config import TableSource
from segml.sources.columns import mapping_of
from segml.sources.files import RawTable, identifier
from segml.sources.undeclared import column_words
from segml.tables.checks import Fetch
from segml.tables.diagnostics import Diagnostic
from segml.tables.schema import Table

_NAME = re.compile(r"(^|_)(cents?|pence|minor|minor_units?|oere|øre|ören|rappen|subunits?|hundredths)(_|$)")
_SAMPLE, _MOST_SIBLINGS = 1000, 60
_LEAST_ROWS, _LEAST_ENDINGS = 20, 8
_ORDERS_HELD_AGAINST_LINES = 5000
_ALIKE = 0.9  # share of rows that have to agree; rounding and shipping explain the others


def named_in_hundredths(source: TableSource) -> str:
    """Return the files' name of the mapped amount when it says hundredths; empty otherwise."""
    theirs = source.columns.get("amount", source.columns.get("unit_price", ""))
    return theirs if _NAME.search(column_words(theirs)) else ""


def sibling_in_units(fetch: Fetch, source: TableSource, raw: RawTable) -> str:
    """Return a column of the same files that holds a hundredth of the mapped amount in the first rows; or nothing."""
    mapping = {} if source.query else mapping_of(source, raw)
    theirs = mapping.get("amount", "")
    if not theirs or theirs not in raw.types:
        return ""
    others = [name for name in raw.every_column if name not in mapping.values()][:_MOST_SIBLINGS]
    if not others:
        return ""

    def number(name: str) -> str:
        return f"try_cast(cast({identifier(name)} as varchar) as double)"

    amount = number(theirs)
    shares = ", ".join(
        f"avg(case when abs({amount} - 100 * {number(name)}) < 0.5 then 1.0 else 0 end)" for name in others
    )
    cells = ", ".join(identifier(name) for name in (theirs, *others))
    found = fetch(
        f"select {shares} from (select {cells} from {raw.relation} limit {_SAMPLE}) as first_rows"
        f" where {amount} <> 0"
    )[0]
    return next((name for name, share in zip(others, found, strict=True) if (share or 0) >= _ALIKE), "")


def all_hundredths(fetch: Fetch, relation: str, by_name: bool = False) -> bool:
    """Tell whether all amounts of a relation are whole and their last two digits are spread."""
    rows, fractions, endings, round_ones = fetch(
        "select count(*), count(*) filter (where amount_minor % 100 <> 0),"
        " count(distinct (amount_minor // 100) % 100), count(*) filter (where amount_minor % 10000 = 0)"
        f" from {relation} where amount_minor <> 0"
    )[0]
    if by_name:
        return bool(rows) and not fractions
    spread = endings >= _LEAST_ENDINGS and round_ones < rows / 2
    return rows >= _LEAST_ROWS and not fractions and spread


def against_lines(fetch: Fetch, orders: str, lines: str) -> tuple[str, str]:
    """Return which of orders and lines is in hundredths, and of which: (``orders``, ``order_lines``) or the reverse.

    Held against each other are some thousand orders, chosen by their id.
    """
    ((count,),) = fetch(f"select count(*) from {orders}")
    part = f"hash(order_id) % {max(1, count // _ORDERS_HELD_AGAINST_LINES)} = 0"
    both, larger, smaller = fetch(
        "select count(*), count(*) filter (where abs(o.amount - 100 * l.amount) <= 100),"
        " count(*) filter (where abs(100 * o.amount - l.amount) <= 100)"
        f" from (select order_id, amount_minor as amount from {orders} where {part} and amount_minor > 0) as o"
        f" join (select order_id, sum(amount_minor) as amount from {lines} where {part} group by order_id) as l"
        " on l.order_id = o.order_id and l.amount > 0"
    )[0]
    if both and larger >= _ALIKE * both:
        return "orders", "order_lines"
    if both and smaller >= _ALIKE * both:
        return "order_lines", "orders"
    return "", ""


def minor_units(
    fetch: Fetch, table: Table, relation: str, source: TableSource, sibling: str
) -> Diagnostic | None:
    """Return the suspicion that a table's amounts are hundredths by its columns' names and siblings."""
    name = named_in_hundredths(source)
    if not (name or sibling) or not all_hundredths(fetch, relation, by_name=True):
        return None
    theirs = source.columns.get("amount", source.columns.get("unit_price", "amount"))
    ((rows, money),) = fetch(f"select count(*), cast(sum(amount_minor) as bigint) from {relation}")
    return Diagnostic("minor_units", table.name, theirs, int(rows), money=money, values={"sibling": sibling})
