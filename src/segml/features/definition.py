"""What a feature is, and the few SQL pieces that all groups share.

A group names its *aggregates* (computed per customer over rows before the cutoff, by the table they come from) and
its *features* (doubles over those aggregates). Aggregates stay integers; each feature ends in one explicit cast. That
is what makes the two engines agree to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from segml.time_windows import SECONDS_PER_DAY, Cutoff

WINDOWS_DAYS = (7, 30, 90, 180, 365)
ORDERS, LINES, PRODUCTS, STORES = "order_facts", "line_facts", "product_facts", "store_facts"
CONTACTS, RETURNS = "email_events", "returns"
TIME_COLUMNS = {
    ORDERS: "ordered_at",
    **dict.fromkeys((LINES, PRODUCTS, STORES), "since"),
    CONTACTS: "occurred_at",
    RETURNS: "returned_at",
}


@dataclass(frozen=True)
class Feature:
    """One column of a snapshot: its name, its SQL over the group's aggregates, and what it means to a reader."""

    name: str
    sql: str
    meaning: str


@dataclass(frozen=True)
class Group:
    """Features that come and go together, because they need the same tables.

    Attributes
    ----------
    name : str
        What the plan calls it.
    features : tuple of Feature
        Its columns.
    aggregates : dict of str to dict of str to str
        Table (a key of `TIME_COLUMNS`) -> name of the aggregate -> SQL. Groups may share an aggregate.
    """

    name: str
    features: tuple[Feature, ...]
    aggregates: dict[str, dict[str, str]] = field(default_factory=dict)


def within(days: int, cutoff: Cutoff, skip_days: int = 0, column: str = "ordered_at") -> str:
    """Return the SQL condition: between `days` + `skip_days` and `skip_days` before the cutoff."""
    start = cutoff.seconds - (days + skip_days) * SECONDS_PER_DAY
    condition = f"{column} >= {start}"
    return f"{condition} and {column} < {start + days * SECONDS_PER_DAY}" if skip_days else condition


def sum_of(value: str) -> str:
    """The aggregate: a sum in 64 bits; joined and sorted, the 128 that an engine may add in cost twice as much."""
    return f"cast(sum({value}) as bigint)"


def count_of(condition: str) -> str:
    """The aggregate: how many rows meet the condition."""
    return f"cast(count(case when {condition} then 1 end) as integer)"


ROWS = "cast(count(*) as integer)"


def day_of(moment: str) -> str:
    """The day of a moment, by exact arithmetic."""
    return f"cast(cast({moment} - {moment} % {SECONDS_PER_DAY} as double) / {SECONDS_PER_DAY} as integer)"


def count_sql(aggregate: str) -> str:
    """A count as a double; somebody without rows has none."""
    return f"cast(coalesce({aggregate}, 0) as double)"


def money_sql(aggregate: str) -> str:
    """Integer minor units as a double in major units."""
    return f"cast(coalesce({aggregate}, 0) as double) / 100"


def ratio_sql(numerator: str, denominator: str) -> str:
    """A ratio of integers as a double, missing when the denominator is zero."""
    return f"case when {denominator} > 0 then cast({numerator} as double) / cast({denominator} as double) end"


def trend_sql(last: str, before: str) -> str:
    """The last window against the one before, from -1 (all before) to 1 (all now); missing when both are empty."""
    total = f"({last} + {before})"
    return f"case when {total} > 0 then cast({last} - {before} as double) / cast({total} as double) end"
