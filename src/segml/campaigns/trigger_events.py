"""Events of triggers that need more than one row of one table: looking without buying, coupons, points and tiers.

Each query gives customer_id, event_key and event_at. A key says which occasion it is (the looks since a purchase, one
coupon, one tier in one period), never on which day the job ran; so an occasion that is still there tomorrow is the
same event, and answered once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from segml.engine import Engine
from segml.time_windows import SECONDS_PER_DAY, Cutoff

LOOKS = ("view", "cart_add")


def browsed_sql(engine: Engine, as_of: Cutoff, of: str, times: int, days: int) -> str:
    """People who looked at one category or product `times` times in `days` days and have not bought it since.

    Where the orders do not say what was bought, any order ends it.
    """
    since, until = as_of.plus_days(-days).seconds, as_of.seconds
    web = set(engine.columns("web_events"))
    lines = set(engine.columns("order_lines")) if engine.exists("order_lines") else set()
    known = {of, "customer_key", "ordered_at"} <= lines and "customer_key" in web
    person, table, subject = (
        ("customer_key", "order_lines", of) if known else ("customer_id", "orders", "null")
    )
    bought = (
        f"select {person} as person, cast({subject} as string) as subject, max(ordered_at) as bought_at"
        f" from {table} where ordered_at < {until} group by {person}{f', {of}' if known else ''}"
    )
    looks = (
        f"select customer_id, {person} as person, {of} as subject, occurred_at from web_events"
        f" where occurred_at >= {since} and occurred_at < {until} and {of} is not null"
        f" and event in ({', '.join(repr(event) for event in LOOKS)})"
    )
    same = "b.person = l.person" + (" and b.subject = l.subject" if known else "")
    return (
        f"select l.customer_id as customer_id, max(l.occurred_at) as event_at,"
        f" concat('{of} ', l.subject, ' since ', cast(max(coalesce(b.bought_at, 0)) as string)) as event_key"
        f" from ({looks}) l left join ({bought}) b on {same}"
        " where b.bought_at is null or l.occurred_at > b.bought_at"
        f" group by l.customer_id, l.subject having count(*) >= {times}"
    )


def coupons_sql(as_of: Cutoff, columns: Collection[str], moment: str) -> str:
    """Coupons that can still be used; the event is at `moment`, ``issued_at`` or ``expires_at``."""
    until = as_of.seconds
    conditions = [f"issued_at < {until}", f"{moment} is not null"]
    if "expires_at" in columns:
        conditions.append(f"(expires_at is null or expires_at >= {until})")
    if "redeemed_at" in columns:
        conditions.append(f"(redeemed_at is null or redeemed_at >= {until})")
    return (
        "select customer_id, concat('coupon ', coupon_id, ' of ', cast(issued_at as string)) as event_key,"
        f" {moment} as event_at from coupons where {' and '.join(conditions)}"
    )


def points_expiring_sql(as_of: Cutoff, days: int) -> str:
    """Members whose points begin to lapse within `days`; one event a stretch of so many days.

    Whoever buys often has points that lapse nearly every day: that is one occasion, not thirty.
    """
    span = days * SECONDS_PER_DAY
    stretch = f"cast((next_lapse_at - next_lapse_at % {span}) as string)"
    return (
        f"select customer_id, concat('points lapsing from ', {stretch}) as event_key, next_lapse_at as event_at"
        f" from loyalty where next_lapse_at is not null and next_lapse_at < {as_of.seconds + span}"
    )


def near_next_tier_sql(as_of: Cutoff, points: int) -> str:
    """Members who miss at most `points` points; one event a tier and period."""
    return (
        "select customer_id, concat('tier ', next_tier, ' by ',"
        f" cast(cast({as_of.day} + period_left_days as bigint) as string)) as event_key,"
        f" cast({as_of.seconds - 1} as bigint) as event_at from loyalty"
        f" where next_tier is not null and points_to_next_tier <= {points}"
    )


def ahead_sql(events: str, as_of: Cutoff, days: int) -> str:
    """Keep the events of the next `days` days."""
    end = as_of.seconds + days * SECONDS_PER_DAY
    return f"select * from ({events}) ahead where event_at >= {as_of.seconds} and event_at < {end}"


NEEDS: Mapping[str, tuple[str, str]] = {
    "browsed": ("web_events", "event"),
    "unused_coupon": ("coupons", "issued_at"),
    "expiring_coupon": ("coupons", "expires_at"),
    "points_expiring": ("loyalty", "next_lapse_at"),
    "near_next_tier": ("loyalty", "points_to_next_tier"),
}
"""The table and column behind each of these events; ``loyalty`` is made from the ledger and the tiers."""
