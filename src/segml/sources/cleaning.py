"""What becomes of rows that no honest log is free of: each has one fate, and each fate is counted.

A row's reason is the first of these that holds: a row without a customer, an id that stands for none, a cancelled
order, a negative quantity, a price of nothing. The settings say what a reason leads to: the row is dropped, moved to
`returns`, kept, or the whole ingestion is refused. Reasons that need more than the row itself are given afterwards:
an equal row (`equal_rows`), an order far from all others (`clock`), a row past its retention, an excluded customer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from segml.config import CleaningSettings
from segml.engine.duckdb import quoted
from segml.errors import did_you_mean
from segml.tables.catalog import BOUNCES, REFUSALS, TABLES
from segml.tables.checks import Violation, unknown_table
from segml.tables.ids import placeholder_sql
from segml.tables.schema import Table
from segml.time_windows import Cutoff

EXACT_DUPLICATE = "exact_duplicate"
ERASED = "erased"
MISSING_CUSTOMER = "missing_customer"
PLACEHOLDER_CUSTOMER = "placeholder_customer"
EXCLUDED_CUSTOMER = "excluded_customer"
FAR_ORDER = "far_from_all_orders"
CANCELLED_ORDER = "cancelled_order"
NEGATIVE_QUANTITY = "negative_quantity"
NONPOSITIVE_PRICE = "nonpositive_price"
UNKNOWN_CUSTOMER = "unknown_customer"
ORDER_NOT_KEPT = "order_not_kept"
PAST_RETENTION = "past_retention"

REASON_TEXTS = {
    MISSING_CUSTOMER: "a row without a customer",
    PLACEHOLDER_CUSTOMER: "an id that stands for no customer",
    FAR_ORDER: "an order that lies alone, far from all others",
    NEGATIVE_QUANTITY: "negative quantity",
    NONPOSITIVE_PRICE: "a price of nothing or less",
    UNKNOWN_CUSTOMER: "a customer that the customers table does not know",
}


@dataclass(frozen=True)
class Fate:
    """A reason, the SQL condition it holds under, and what follows."""

    reason: str
    condition: str
    action: str  # drop, return or refuse


def fates(table: Table, present: Sequence[str], settings: CleaningSettings, owns_orders: bool) -> list[Fate]:
    """Return the reasons that can hold in a table with these columns, in order; the first that holds counts.

    Parameters
    ----------
    table : Table
        The canonical table.
    present : sequence of str
        Stored names of its columns.
    settings : CleaningSettings
        What follows from each reason.
    owns_orders : bool
        Whether cancelled orders and missing customers are decided in this table (lines leave both to `orders` when
        there is one).
    """
    found = []
    if "customer_id" in present and owns_orders:
        found.append(Fate(MISSING_CUSTOMER, "customer_id is null", settings.missing_customer))
        if settings.placeholder_customer != "keep":
            nobody = placeholder_sql("customer_id")
            found.append(Fate(PLACEHOLDER_CUSTOMER, nobody, settings.placeholder_customer))
    if table.name not in ("orders", "order_lines"):
        return found
    prefix = settings.cancelled_order_prefix
    if prefix and "order_id" in present and owns_orders:
        found.append(Fate(CANCELLED_ORDER, f"starts_with(order_id, {quoted(prefix)})", "return"))
    if "quantity" in present:
        found.append(Fate(NEGATIVE_QUANTITY, "quantity < 0", settings.negative_quantity))
    price = "unit_price" if "unit_price" in present else "amount_minor"
    if settings.nonpositive_price != "keep" and price in present:
        found.append(Fate(NONPOSITIVE_PRICE, f"{price} <= 0", settings.nonpositive_price))
    return found


def retention_mistakes(retention: Iterable[str], configured: Collection[str]) -> list[Violation]:
    """Return what is wrong with the tables that a retention names: unknown, not configured, or without a time."""
    found = []
    for name in retention:
        if name not in TABLES:
            found.append(unknown_table(name))
        elif name not in configured:
            text = (
                f"cleaning.retention_days names it, and it is not configured{did_you_mean(name, configured)}"
            )
            found.append(Violation(text, name))
        elif TABLES[name].time_column is None:
            found.append(Violation("cleaning.retention_days names it, and its rows have no time", name))
    return found


def old_rows_sql(table: Table, until: Cutoff) -> str:
    """Return the SQL condition on rows past their retention; what withdraws a consent is kept as the consents are.

    Examples
    --------
    >>> old_rows_sql(TABLES["email_events"], Cutoff(1))
    "reason is null and occurred_at < 86400 and event not in ('unsubscribe', 'complaint', 'bounce', 'hard_bounce')"
    """
    refusals = ", ".join(quoted(event) for event in (*REFUSALS, *BOUNCES))
    withdrawals = f" and event not in ({refusals})" if table.name == "email_events" else ""
    return f"reason is null and {table.time_column} < {until.seconds}{withdrawals}"


def cleaned_sql(typed_sql: str, chosen: Sequence[Fate]) -> str:
    """Return the query that gives every row its `reason`; NULL: kept."""
    cases = " ".join(f"when {fate.condition} then '{fate.reason}'" for fate in chosen)
    reason = f"case {cases} else null end" if cases else "cast(null as varchar)"
    return f"select *, {reason} as reason from ({typed_sql}) as typed"


def returned_sql(relation: str, names: Sequence[str], chosen: Sequence[Fate]) -> str:
    """Return the query that turns rows with the fate `return` into rows of `returns`, refunds as positive money."""
    reasons = ", ".join(f"'{fate.reason}'" for fate in chosen if fate.action == "return")
    product = "product_id" if "product_id" in names else "cast(null as varchar)"
    return (
        f"select customer_id, ordered_at as returned_at, order_id, {product} as product_id,"
        f" abs(amount_minor) as amount_minor from {relation} where reason in ({reasons})"
    )
