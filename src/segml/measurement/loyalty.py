"""Loyalty by replaying the ledger: balance, points that expire, and points to the next tier.

A spend takes the oldest points, and points lapse in the order they were earned, as under every scheme with one life
for all points. With L(t) the points that lapse at or before t and S(t) the points spent before t, the points lost by
t are then the running maximum of L(t) - S(t): one pass in time order, no loop over customers. A ledger whose points
lapse in another order has no such formula and is refused, not guessed at.

Tiers are data: names and the points *earned* in a period of days (spending points costs nobody a tier).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from segml.engine import Engine
from segml.errors import ConfigurationError, DataError
from segml.time_windows import SECONDS_PER_DAY, Cutoff


@dataclass(frozen=True)
class Tier:
    """A tier and the points earned within the period that it takes."""

    name: str
    points: int


def check_tiers(tiers: Sequence[Tier]) -> None:
    """Raise unless tiers begin at 0 points, rise, and have names of their own.

    Raises
    ------
    ConfigurationError
        All that is wrong.

    Examples
    --------
    >>> check_tiers([Tier("basic", 0), Tier("silver", 500)])
    """
    points, names = [tier.points for tier in tiers], [tier.name for tier in tiers]
    wrong = []
    if not tiers or points[0] != 0:
        wrong.append("the first tier starts at 0 points")
    if points != sorted(set(points)):
        wrong.append(f"points rise from tier to tier, got {points}")
    if len(set(names)) < len(names):
        wrong.append(f"each tier has a name of its own, got {names}")
    if wrong:
        raise ConfigurationError("tiers are wrong: " + "; ".join(wrong), "correct the tiers")


def loyalty_sql(
    columns: Sequence[str], as_of: Cutoff, tiers: Sequence[Tier], period_days: int = 365, soon_days: int = 30
) -> str:
    """Return the query for one row a member over ``loyalty_ledger``.

    Parameters
    ----------
    columns : sequence of str
        Columns of the ledger; without `expires_at` nothing lapses.
    as_of : Cutoff
        Movements before it count; points lapse at their moment.
    tiers : sequence of Tier
        Lowest first.
    period_days : int
        Days in which earned points count for a tier.
    soon_days : int
        How far ahead `points_expiring` looks.

    Returns
    -------
    str
        customer_id, points_balance, points_expiring (of the balance, if nothing is spent), points_earned (in the
        period), tier, next_tier, points_to_next_tier (both null in the highest).
    """
    check_tiers(tiers)
    until, soon = as_of.seconds, as_of.seconds + soon_days * SECONDS_PER_DAY
    moments = "select customer_id, occurred_at as moment, points as earned, 0 as spent, 0 as lapsing"
    ledger = f"from loyalty_ledger where occurred_at < {until}"
    parts = [
        f"{moments} {ledger} and points > 0",
        "select customer_id, occurred_at as moment, 0 as earned, -points as spent, 0 as lapsing"
        f" {ledger} and points < 0",
    ]
    if "expires_at" in columns:
        parts.append(
            "select customer_id, expires_at as moment, 0 as earned, 0 as spent, points as lapsing"
            f" {ledger} and points > 0 and expires_at is not null and expires_at <= {soon}"
        )
    # Within one moment a spend comes before a lapse: points can be used until they end.
    lapsed = (
        "select customer_id, moment, earned, spent, lapsing,"
        " sum(lapsing) over history - sum(spent) over history as lost"
        f" from ({' union all '.join(parts)}) movements"
        " window history as (partition by customer_id order by moment, lapsing, spent desc"
        " rows between unbounded preceding and current row)"
    )
    since = until - period_days * SECONDS_PER_DAY
    sums = (
        f"select customer_id, sum(earned) as earned, sum(spent) as spent,"
        f" greatest(coalesce(max(case when lapsing > 0 and moment <= {until} then lost else 0 end), 0), 0) as lost,"
        " greatest(coalesce(max(case when lapsing > 0 then lost else 0 end), 0), 0) as lost_soon,"
        f" sum(case when moment >= {since} then earned else 0 end) as points_earned"
        f" from ({lapsed}) replayed group by customer_id"
    )
    return (
        "select customer_id, cast(earned - spent - lost as bigint) as points_balance,"
        " cast(lost_soon - lost as bigint) as points_expiring, cast(points_earned as bigint) as points_earned,"
        f" {_tier_columns(tiers)} from ({sums}) sums order by customer_id"
    )


def _tier_columns(tiers: Sequence[Tier]) -> str:
    names = [tier.name.replace("'", "''") for tier in tiers]
    here, after, missing = "", "", ""
    for place in range(len(tiers) - 1, -1, -1):
        reached = f"when points_earned >= {tiers[place].points} then"
        here += f" {reached} '{names[place]}'"
        if place + 1 < len(tiers):
            after += f" {reached} '{names[place + 1]}'"
            missing += f" {reached} {tiers[place + 1].points} - points_earned"
        else:
            after += f" {reached} cast(null as string)"
            missing += f" {reached} cast(null as bigint)"
    return (
        f"case{here} end as tier, case{after} end as next_tier,"
        f" cast(case{missing} end as bigint) as points_to_next_tier"
    )


def replay_ledger(
    engine: Engine,
    as_of: Cutoff,
    tiers: Sequence[Tier],
    into: str = "loyalty",
    period_days: int = 365,
    soon_days: int = 30,
) -> None:
    """Keep every member's points as the table `into`; see `loyalty_sql`.

    Raises
    ------
    DataError
        There is no ledger (balances are unavailable, not zero), or its points lapse in another order than earned.
    """
    if not engine.exists("loyalty_ledger"):
        raise DataError("points need the table loyalty_ledger", "map it, or leave loyalty out")
    columns = engine.columns("loyalty_ledger")
    disordered = int(engine.value(_disorder_sql(as_of)) or 0) if "expires_at" in columns else 0
    if disordered:
        raise DataError(
            f"{disordered:,} movements of the ledger lapse before points that were earned earlier",
            "correct expires_at; points lapse in the order they were earned",
        )
    engine.run(loyalty_sql(columns, as_of, tiers, period_days, soon_days), into)


def _disorder_sql(as_of: Cutoff) -> str:
    never = 10**15
    lots = (
        f"select coalesce(expires_at, {never}) as lapses, max(coalesce(expires_at, {never})) over (partition by"
        " customer_id order by occurred_at, coalesce(expires_at, 0) rows between unbounded preceding and 1 preceding)"
        f" as before from loyalty_ledger where points > 0 and occurred_at < {as_of.seconds}"
    )
    return f"select count(*) from ({lots}) lots where lapses < before"
