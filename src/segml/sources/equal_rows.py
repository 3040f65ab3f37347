"""Rows that are equal in all columns of their files, mapped or not.

Two lines of a basket that differ in a line number are two lines, though the mapping leaves the number out. So each row
bears a hash of all its columns; only rows that share one are held against each other, by their mapped columns too.
A table with a key can't have the same row twice, so all but one are left out. In a table of events two equal rows may
be two events: they stay, and are counted for whoever has put an export in twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from segml.config import CleaningSettings
from segml.sources.cleaning import EXACT_DUPLICATE
from segml.tables.checks import Fetch
from segml.tables.diagnostics import Diagnostic
from segml.tables.schema import Table

_HARMLESS = ("consents",)  # the state is that of the last event: the same event again changes nothing


def needs_hash(settings: CleaningSettings) -> bool:
    """Tell whether equal rows are looked for."""
    return settings.exact_duplicates != "keep"


def drops_equal_rows(table: Table, settings: CleaningSettings) -> bool:
    """Tell whether equal rows of a table are left out.

    Examples
    --------
    >>> from segml.tables.catalog import TABLES
    >>> [name for name in TABLES if not drops_equal_rows(TABLES[name], CleaningSettings())]
    ['order_lines', 'returns', 'email_events', 'web_events', 'loyalty_ledger']
    """
    if settings.exact_duplicates == "auto":
        return bool(table.key) or table.name in _HARMLESS
    return settings.exact_duplicates == "drop"


def mark_equal_rows(
    fetch: Fetch, table: Table, names: Sequence[str], settings: CleaningSettings
) -> list[Diagnostic]:
    """Give equal rows of ``read_<table>`` but one of each their reason, or return how many are kept."""
    if not needs_hash(settings):
        return []
    relation = f"read_{table.name}"
    ((repeated,),) = fetch(f"select count(*) - count(distinct row_hash) from {relation}")
    if not repeated:
        return []
    shared = f"select row_hash from {relation} group by row_hash having count(*) > 1"
    number = f"row_number() over (partition by row_hash, {', '.join(names)}, marks order by rowid)"
    again = (
        f"select place from (select rowid as place, {number} as number from {relation}"
        f" where row_hash in ({shared})) as numbered where number > 1"
    )
    if drops_equal_rows(table, settings):
        fetch(f"update {relation} set reason = '{EXACT_DUPLICATE}' where rowid in ({again})")
        return []
    money = "cast(sum(amount_minor) as bigint)" if "amount_minor" in names else "null"
    ((rows, amount),) = fetch(
        f"select count(*), {money} from {relation} where reason is null and rowid in ({again})"
    )
    return [Diagnostic("equal_rows_kept", table.name, rows=int(rows), money=amount)] if rows else []
