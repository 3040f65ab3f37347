"""What looks wrong in the tables as they are written: ids, days, dominators, refunds and hundredths.

Runs when all checks have passed, on customers and orders as they are counted later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from segml.sources.cleaning import PAST_RETENTION
from segml.sources.dominators import dominators, impossible_refunds, write_totals
from segml.sources.minor_units import against_lines, all_hundredths
from segml.tables.catalog import TABLES
from segml.tables.checks import SHOWN_ROWS, Fetch
from segml.tables.diagnostics import Diagnostic, Example
from segml.time_windows import SECONDS_PER_DAY, Cutoff

_FAR_DAYS = 366  # an event so long after the last order is none of this base's time
_OLDEST_EVENT = 20 * 365  # before the first order
_JOINED_LATER = 7  # days: a table of customers is often exported some days after that of the orders
_OLDEST_AGE = 110


def diagnose_tables(
    fetch: Fetch, names: Mapping[str, Sequence[str]], reasons: Mapping[str, Mapping[str, int]]
) -> list[Diagnostic]:
    """Return what looks wrong in ``clean_<table>``, ``people`` and ``numbered_orders``.

    Parameters
    ----------
    fetch : callable
        Runs a query.
    names : mapping of str to sequence of str
        Table -> its stored columns.
    reasons : mapping of str to mapping of str to int
        Table -> reason -> rows that were left out.
    """
    ((first, last),) = fetch("select min(ordered_at), max(ordered_at) from numbered_orders")
    if first is None:
        return []
    begin, end = Cutoff(int(first) // SECONDS_PER_DAY), Cutoff.after(int(last))
    write_totals(fetch)
    found = [*_similar_ids(fetch, names)]
    found += _customer_days(fetch, names.get("customers", ()), end)
    for name in names:
        found += _far_events(fetch, name, names[name], begin, end)
    found += _hundredths(fetch, names)
    found += dominators(fetch)
    if "returns" in names and not reasons.get("orders", {}).get(PAST_RETENTION):
        found += impossible_refunds(fetch)
    return found


def _similar_ids(fetch: Fetch, names: Mapping[str, Sequence[str]]) -> Iterator[Diagnostic]:
    """Yield ids that differ by case, or by zeros before them, and are customers or products of their own."""
    sources = {"customers": ("people", "customer_id")}
    if "order_lines" in names:
        sources["order_lines"] = ("clean_order_lines", "product_id")
    for table, (relation, column) in sources.items():
        distinct = f"(select {column} as id from {relation} where {column} is not null group by 1)"
        for kind, form in (("ids_differ_by_case", "lower(id)"), ("ids_differ_by_zeros", "ltrim(id, '0')")):
            alike = f"select {form} as form, list(id order by id) as ids from {distinct} group by 1 having count(*) > 1"
            ((groups, ids),) = fetch(
                f"select count(*), cast(sum(len(ids)) as bigint) from ({alike}) where form <> ''"
            )
            if groups:
                rows = fetch(
                    f"select ids[:3] from ({alike}) where form <> '' order by form limit {SHOWN_ROWS}"
                )
                shown = tuple(Example(" / ".join(found)) for (found,) in rows)
                yield Diagnostic(
                    kind, table, column, int(ids), examples=shown, values={"groups": int(groups)}
                )


def _customer_days(fetch: Fetch, names: Sequence[str], end: Cutoff) -> Iterator[Diagnostic]:
    """Yield births and joinings that lie in the future, and births of more than a long life ago."""
    conditions = []
    if "birth_date" in names:
        conditions.append(("future_births", "birth_date", 1, f"birth_date >= {end.day}"))
        oldest = end.day - _OLDEST_AGE * 365
        conditions.append(("early_births", "birth_date", 1, f"birth_date < {oldest}"))
    if "joined_at" in names:
        later = end.plus_days(_JOINED_LATER).seconds
        conditions.append(("future_joinings", "joined_at", SECONDS_PER_DAY, f"joined_at >= {later}"))
    for kind, column, unit, condition in conditions:
        ((count,),) = fetch(f"select count(*) from clean_customers where {condition}")
        if not count:
            continue
        rows = fetch(
            f"select {column} // {unit}, count(*) from clean_customers where {condition}"
            f" group by 1 order by 2 desc, 1 desc limit {SHOWN_ROWS}"
        )
        shown = tuple(Example(Cutoff(int(day)).label, int(number)) for day, number in rows)
        values = {"until": end.label, "age": _OLDEST_AGE}
        yield Diagnostic(kind, "customers", column, int(count), int(count), examples=shown, values=values)


def _far_events(
    fetch: Fetch, name: str, names: Sequence[str], begin: Cutoff, end: Cutoff
) -> Iterator[Diagnostic]:
    """Yield rows of other tables that lie more than a year after the last order, or decades before the first."""
    time = TABLES[name].time_column
    if time is None or time not in names or name in ("orders", "order_lines", "campaigns"):
        return
    late, early = end.plus_days(_FAR_DAYS).seconds, begin.plus_days(-_OLDEST_EVENT).seconds
    ((after, before, last, first),) = fetch(
        f"select count(*) filter (where {time} >= {late}), count(*) filter (where {time} < {early}),"
        f" max({time}), min({time}) from clean_{name}"
    )
    for kind, rows, moment in (("late_events", after, last), ("early_events", before, first)):
        if rows:
            shown = (Example(Cutoff(int(moment) // SECONDS_PER_DAY).label),)
            values = {"from": begin.label, "until": end.label}
            yield Diagnostic(kind, name, time, int(rows), examples=shown, values=values)


def _hundredths(fetch: Fetch, names: Mapping[str, Sequence[str]]) -> Iterator[Diagnostic]:
    """Yield which of orders and lines is in hundredths, where one is a hundred times the other."""
    if "order_lines" not in names or "amount_minor" not in names["order_lines"]:
        return
    large, small = against_lines(fetch, "clean_orders", "clean_order_lines")
    if large and all_hundredths(fetch, f"clean_{large}"):
        ((rows, money),) = fetch(f"select count(*), cast(sum(amount_minor) as bigint) from clean_{large}")
        values = {"sibling": "", "other": small}
        yield Diagnostic("minor_units", large, "amount", int(rows), money=money, values=values)
