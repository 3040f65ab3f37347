"""Customers that are none, or unlike all others: tills, wholesalers, bots, and refunds that can't be.

A customer with a tenth of all orders moves every average, segment and model. Whether a share is natural depends on
how skewed a base is, so it is held against the customers behind: far is ten times what the customer has who is sixth
after the largest hundredth of the base, and at least a hundredth of the total (fifty times: a thousandth). The real
bases of this project (baskets, music, a wholesaler's gifts) have nobody who is far by orders; of Online Retail's
4,338 customers two are by money.
"""

from __future__ import annotations

from segml.tables.checks import Fetch
from segml.tables.diagnostics import Diagnostic, Example
from segml.time_windows import SECONDS_PER_DAY

_LEAST_CUSTOMERS, _LEAST_ORDERS = 10, 20
_BEHIND = 5  # so many dominators may stand side by side
_FAR = ((10, 0.01), (50, 0.001))  # times the customer behind, and share of the total
_ORDERS_A_DAY = 20
_SHOWN = 3

_TOTALS = "customer_totals"


def write_totals(fetch: Fetch) -> None:
    """Write ``customer_totals``: orders, money and first day of each customer with an order."""
    fetch(
        f"create or replace temp table {_TOTALS} as select customer_key, min(customer_id) as customer_id,"
        " count(*) as orders, cast(sum(amount_minor) as bigint) as spent,"
        f" min(ordered_at) // {SECONDS_PER_DAY} as first_day from numbered_orders group by customer_key"
    )


def dominators(fetch: Fetch) -> list[Diagnostic]:
    """Return customers far above all others in orders or money, and those who order like a machine."""
    found = [_far_above(fetch, "orders", _LEAST_ORDERS), _far_above(fetch, "spent", 1), _machines(fetch)]
    return [one for one in found if one]


def _far_above(fetch: Fetch, column: str, least: int) -> Diagnostic | None:
    ((customers, total),) = fetch(f"select count(*), cast(sum({column}) as bigint) from {_TOTALS}")
    if customers < _LEAST_CUSTOMERS or not total or total <= 0:
        return None
    behind = fetch(
        f"select {column} from {_TOTALS} order by {column} desc limit 1"
        f" offset {min(customers - 1, _BEHIND + customers // 100)}"
    )[0][0]
    far = " or ".join(
        f"({column} >= {times} * {max(behind, 1)} and {column} >= {share} * {total})" for times, share in _FAR
    )
    where = f"from {_TOTALS} where {column} >= {least} and ({far})"
    ((count, orders, spent),) = fetch(
        f"select count(*), cast(sum(orders) as bigint), cast(sum(spent) as bigint) {where}"
    )
    if not count:
        return None
    top = fetch(
        f"select customer_id, orders, spent {where} order by {column} desc, customer_id limit {_SHOWN}"
    )
    share = (orders if column == "orders" else spent) / total
    values = {"share": round(share, 4), "behind": int(behind), "of": int(customers)}
    return Diagnostic(
        f"dominating_{column}",
        "orders",
        "customer_id",
        int(orders),
        int(count),
        spent,
        tuple(Example(i, int(n), m) for i, n, m in top),
        values,
    )


def _machines(fetch: Fetch) -> Diagnostic | None:
    """Return customers with more orders on one day than a person places."""
    days = (
        f"select customer_key, count(*) as a_day from numbered_orders"
        f" group by customer_key, ordered_at // {SECONDS_PER_DAY} having count(*) >= {_ORDERS_A_DAY}"
    )
    most = f"select customer_key, max(a_day) as a_day from ({days}) as days group by customer_key"
    where = f"from ({most}) as m join {_TOTALS} as t on t.customer_key = m.customer_key"
    ((count, orders, spent, a_day),) = fetch(
        f"select count(*), cast(sum(orders) as bigint), cast(sum(spent) as bigint), max(a_day) {where}"
    )
    if not count:
        return None
    top = fetch(f"select customer_id, orders, spent {where} order by a_day desc, customer_id limit {_SHOWN}")
    return Diagnostic(
        "orders_by_the_minute",
        "orders",
        "customer_id",
        int(orders),
        int(count),
        spent,
        tuple(Example(i, int(n), m) for i, n, m in top),
        {"a_day": int(a_day)},
    )


def impossible_refunds(fetch: Fetch) -> list[Diagnostic]:
    """Return refunds of more than was bought, before the first order, and of customers who never ordered."""
    refunds = (
        "(select customer_id, count(*) as refunds, cast(sum(amount_minor) as bigint) as refunded"
        " from clean_returns group by customer_id)"
    )
    joined = f"from {refunds} as r join {_TOTALS} as t on t.customer_id = r.customer_id"
    early = (
        f"from clean_returns as r join {_TOTALS} as t on t.customer_id = r.customer_id"
        f" where r.returned_at // {SECONDS_PER_DAY} < t.first_day"
    )
    strangers = (
        f"from clean_returns as r where not exists"
        f" (select 1 from {_TOTALS} as t where t.customer_id = r.customer_id)"
    )
    one_each = "select r.customer_id, count(*), cast(sum(r.amount_minor) as bigint)"
    found = [
        _refunds(
            fetch,
            "refunds_over_purchases",
            f"select r.customer_id, r.refunds, r.refunded - t.spent {joined} where r.refunded > t.spent",
        ),
        _refunds(fetch, "refunds_before_order", f"{one_each} {early} group by 1"),
        _refunds(fetch, "refunds_without_order", f"{one_each} {strangers} group by 1"),
    ]
    return [one for one in found if one]


def _refunds(fetch: Fetch, kind: str, by_customer: str) -> Diagnostic | None:
    listed = f"({by_customer}) as c (customer_id, refunds, money)"
    ((count, rows, money),) = fetch(
        f"select count(*), cast(sum(refunds) as bigint), cast(sum(money) as bigint) from {listed}"
    )
    if not count:
        return None
    top = fetch(f"select * from {listed} order by money desc, customer_id limit {_SHOWN}")
    examples = tuple(Example(i, int(n), m) for i, n, m in top)
    return Diagnostic(kind, "returns", "customer_id", int(rows), int(count), money, examples)
