"""Loyalty by replaying the ledger: balance, points that lapse, points earned, tier and points to the next.

A spend takes the oldest points, and points lapse in the order they were earned, as under every scheme with one life
for all points. With L(t) the points that lapse at or before t and S(t) the points spent before t, the points lost by
t are then the running maximum of L(t) - S(t): one pass in time order, no loop over customers. A ledger whose points
lapse in another order has no such formula and is refused, not guessed at.

Tiers count the points *earned* in a period (spending points costs nobody a tier). A tier reached is kept through the
following period: `loyalty_tier` is the higher one of the period before and of this one so far.

None of this is among the features of the other models: a company without a ledger gets the same dormancy, churn and
value, to the byte.
"""

from __future__ import annotations

from collections.abc import Sequence

from segml.config import LoyaltySettings, TierSettings
from segml.engine import Engine
from segml.errors import DataError
from segml.time_windows import SECONDS_PER_DAY, Cutoff, period_around

LEDGER = "loyalty_ledger"
LOYALTY = "loyalty"
PACE_DAYS = 365
LAPSE_DAYS = 90
BALANCE_COLUMNS = ("points_balance", "points_earned_365d")
TIER_COLUMNS = ("points_earned_period", "points_to_next_tier", "loyalty_tier", "next_tier")
EARNING_COLUMNS = {
    "points_to_next_tier": "points still to earn in this period to reach the next tier",
    "period_left_days": "days until the period ends",
    "earnings_365d": "times points were earned in the last 365 days",
    "points_earned_365d": "points earned in the last 365 days",
    "points_squares_365d": "squares of the points earned each time, added up over 365 days",
    "member_days": "days since points were first earned",
    "days_since_earning": "days since points were last earned",
}
"""What P(next tier) is made from, and what it means."""


def expiring_column(programme: LoyaltySettings) -> str:
    """Return the name of the column of points about to lapse."""
    return f"points_expiring_{programme.expiring_days}d"


def score_columns(programme: LoyaltySettings) -> tuple[str, ...]:
    """Return the columns that go to the scores."""
    tiers = TIER_COLUMNS if programme.tiers else ()
    return (*BALANCE_COLUMNS, expiring_column(programme), *tiers)


def balances_sql(columns: Sequence[str], as_of: Cutoff, soon_days: int = 30) -> str:
    """Return the query for one row a member over ``loyalty_ledger``.

    Parameters
    ----------
    columns : sequence of str
        Columns of the ledger; without `expires_at` nothing lapses.
    as_of : Cutoff
        Movements before it count; points lapse at their moment.
    soon_days : int
        How far ahead points are said to be expiring.

    Returns
    -------
    str
        customer_id, points_balance, points_expiring (of the balance, if nothing is spent), next_lapse_at (when the
        first of what is there now lapses, up to `LAPSE_DAYS` ahead).
    """
    until, soon = as_of.seconds, as_of.seconds + soon_days * SECONDS_PER_DAY
    ahead = as_of.seconds + max(soon_days, LAPSE_DAYS) * SECONDS_PER_DAY
    moments = "select customer_id, occurred_at as moment, points as earned, 0 as spent, 0 as lapsing"
    ledger = f"from {LEDGER} where occurred_at < {until}"
    parts = [
        f"{moments} {ledger} and points > 0",
        "select customer_id, occurred_at as moment, 0 as earned, -points as spent, 0 as lapsing"
        f" {ledger} and points < 0",
    ]
    if "expires_at" in columns:
        parts.append(
            "select customer_id, expires_at as moment, 0 as earned, 0 as spent, points as lapsing"
            f" {ledger} and points > 0 and expires_at is not null and expires_at <= {ahead}"
        )
    # Within one moment a spend comes before a lapse: points can be used until they end.
    lapsed = (
        "select customer_id, moment, earned, spent, lapsing,"
        " sum(lapsing) over history - sum(spent) over history as lost"
        f" from ({' union all '.join(parts)}) movements"
        " window history as (partition by customer_id order by moment, lapsing, spent desc"
        " rows between unbounded preceding and current row)"
    )
    lost_now = f"max(case when lapsing > 0 and moment <= {until} then lost else 0 end)"
    known = (
        f"select *, greatest(coalesce({lost_now} over (partition by customer_id), 0), 0) as lost_now"
        f" from ({lapsed}) replayed"
    )
    sums = (
        "select customer_id, sum(earned) as earned, sum(spent) as spent, max(lost_now) as lost,"
        f" greatest(coalesce(max(case when lapsing > 0 and moment <= {soon} then lost else 0 end), 0), 0) as lost_soon,"
        f" min(case when lapsing > 0 and moment > {until} and lost > lost_now then moment end) as next_lapse_at"
        f" from ({known}) known group by customer_id"
    )
    return (
        "select customer_id, cast(earned - spent - lost as bigint) as points_balance,"
        " cast(lost_soon - lost as bigint) as points_expiring, cast(next_lapse_at as bigint) as next_lapse_at"
        f" from ({sums}) sums"
    )


def earnings_sql(as_of: Cutoff, programme: LoyaltySettings, people: str = "") -> str:
    """Return the query for points earned, pace, and (with tiers) tier and points to the next.

    Parameters
    ----------
    as_of : Cutoff
        Movements before it count.
    programme : LoyaltySettings
        Tiers and period.
    people : str
        SQL condition on `customer_key`; empty for everybody.

    Returns
    -------
    str
        customer_id, the names of `EARNING_COLUMNS`, points_earned_period, loyalty_tier, next_tier (the last three,
        points_to_next_tier and period_left_days only with tiers); counts and points as doubles.
    """
    period = period_around(as_of, programme.period_months, programme.period_starts)
    before = period_around(period.start.plus_days(-1), programme.period_months, programme.period_starts)
    year = as_of.plus_days(-PACE_DAYS).seconds
    lately = f"case when occurred_at >= {year} then"
    sums = (
        "select customer_id, min(occurred_at) as first_at, max(occurred_at) as last_at,"
        f" sum({lately} 1 else 0 end) as earnings, sum({lately} points else 0 end) as earned_lately,"
        f" sum({lately} points * points else 0 end) as squares,"
        f" sum(case when occurred_at >= {period.start.seconds} then points else 0 end) as earned_now,"
        f" sum(case when occurred_at >= {before.start.seconds} and occurred_at < {period.start.seconds}"
        " then points else 0 end) as earned_before"
        f" from {LEDGER} where points > 0 and occurred_at < {as_of.seconds}{f' and {people}' if people else ''}"
        " group by customer_id"
    )
    columns = {
        "earnings_365d": "earnings",
        "points_earned_365d": "earned_lately",
        "points_squares_365d": "squares",
    }
    listed = [f"cast({sql} as double) as {name}" for name, sql in columns.items()]
    for name, moment in (("member_days", "first_at"), ("days_since_earning", "last_at")):
        listed.append(f"cast({as_of.seconds} - {moment} as double) / {SECONDS_PER_DAY} as {name}")
    if programme.tiers:
        listed += _tier_columns(programme.tiers)
        listed.append("cast(earned_now as double) as points_earned_period")
        listed.append(f"cast({period.end.day - as_of.day} as double) as period_left_days")
    return f"select customer_id, {', '.join(listed)} from ({sums}) sums"


def reached_sql(as_of: Cutoff, programme: LoyaltySettings, people: str = "") -> str:
    """Members below the highest tier at a cutoff, with what they earned from it to the period's end.

    One row a member: customer_id, the names of `EARNING_COLUMNS`, and `reached` (1 when the next tier was reached).
    """
    end = period_around(as_of, programme.period_months, programme.period_starts).end
    later = (
        f"select customer_id, sum(points) as earned from {LEDGER} where points > 0"
        f" and occurred_at >= {as_of.seconds} and occurred_at < {end.seconds}"
        f"{f' and {people}' if people else ''} group by customer_id"
    )
    names = ", ".join(f"e.{name} as {name}" for name in EARNING_COLUMNS)
    return (
        f"select e.customer_id as customer_id, {names},"
        " case when coalesce(l.earned, 0) >= e.points_to_next_tier then cast(1 as double)"
        f" else cast(0 as double) end as reached from ({earnings_sql(as_of, programme, people)}) e"
        f" left join ({later}) l on l.customer_id = e.customer_id"
        " where e.points_to_next_tier is not null order by e.customer_id"
    )


def tier_moves_sql(start: Cutoff, end: Cutoff, programme: LoyaltySettings) -> str:
    """Members by the tier they held at two moments: tier_before, tier_after, people."""
    held = "select customer_id, loyalty_tier from"
    return (
        "select b.loyalty_tier as tier_before, a.loyalty_tier as tier_after, count(*) as people"
        f" from ({held} ({earnings_sql(start, programme)}) x) b"
        f" join ({held} ({earnings_sql(end, programme)}) y) a on a.customer_id = b.customer_id"
        " group by b.loyalty_tier, a.loyalty_tier order by tier_before, tier_after"
    )


def _tier_columns(tiers: Sequence[TierSettings]) -> list[str]:
    """The tier held is the higher of what was reached before and so far; the next is counted in this period."""
    best = "greatest(earned_now, earned_before)"
    here, after, missing = "", "", ""
    for place in range(len(tiers) - 1, -1, -1):
        reached = f"when {best} >= {tiers[place].points} then"
        here += f" {reached} '{tiers[place].name}'"
        if place + 1 < len(tiers):
            after += f" {reached} '{tiers[place + 1].name}'"
            missing += f" {reached} {tiers[place + 1].points} - earned_now"
        else:
            after += f" {reached} cast(null as string)"
            missing += f" {reached} cast(null as bigint)"
    return [
        f"case{here} end as loyalty_tier",
        f"case{after} end as next_tier",
        f"cast(case{missing} end as double) as points_to_next_tier",
    ]


def loyalty_missing(engine: Engine, as_of: Cutoff) -> str:
    """Say why there are no balances; empty when there are."""
    if not engine.exists(LEDGER):
        return f"no table {LEDGER}"
    disordered = int(engine.value(_disorder_sql(as_of)) or 0) if "expires_at" in engine.columns(LEDGER) else 0
    if disordered:
        return (
            f"{disordered:,} movements of the ledger lapse before points that were earned earlier, and points lapse"
            " in the order they were earned: correct expires_at"
        )
    return ""


def replay_ledger(engine: Engine, as_of: Cutoff, programme: LoyaltySettings, into: str = LOYALTY) -> None:
    """Keep every member's points as the table `into`: customer_id, `score_columns`, and `EARNING_COLUMNS`.

    Raises
    ------
    DataError
        There is no ledger (balances are unavailable, not zero), or its points lapse in another order than earned.
    """
    why = loyalty_missing(engine, as_of)
    if why:
        raise DataError(f"no points: {why}", "map or correct the table, or leave loyalty out")
    balances = balances_sql(engine.columns(LEDGER), as_of, programme.expiring_days)
    earned = [
        *(name for name in EARNING_COLUMNS if programme.tiers or name not in _OF_TIERS),
        *(name for name in TIER_COLUMNS if programme.tiers and name not in EARNING_COLUMNS),
    ]
    engine.run(
        "select b.customer_id as customer_id, cast(b.points_balance as double) as points_balance,"
        f" cast(b.points_expiring as double) as {expiring_column(programme)},"
        f" b.next_lapse_at as next_lapse_at, {', '.join(f'e.{name} as {name}' for name in earned)}"
        f" from ({balances}) b left join ({earnings_sql(as_of, programme)}) e on e.customer_id = b.customer_id"
        " order by customer_id",
        into,
    )


_OF_TIERS = ("points_to_next_tier", "period_left_days")


def _disorder_sql(as_of: Cutoff) -> str:
    never = 10**15
    lots = (
        f"select coalesce(expires_at, {never}) as lapses, max(coalesce(expires_at, {never})) over (partition by"
        " customer_id order by occurred_at, coalesce(expires_at, 0) rows between unbounded preceding and 1 preceding)"
        f" as before from {LEDGER} where points > 0 and occurred_at < {as_of.seconds}"
    )
    return f"select count(*) from ({lots}) lots where lapses < before"
