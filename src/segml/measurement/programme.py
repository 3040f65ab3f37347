"""All campaigns together: people who receive none against everybody else, since the first list.

The global holdout is drawn from everybody by the hash, once and for good. Whoever had ordered before the first list is
compared, whichever lists they were on, until the last window's end: that is what the whole programme brings per
person, campaigns that found nobody and campaigns that displaced each other included. It is the least flattering of all
figures, and the only one that adds up.

It may be read at any time, long before the last window has closed, and is read again with every list. Its interval of
revenue is therefore one link of a confidence sequence: however often one looks, 95 % hold the truth at every look.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from segml.engine import Engine
from segml.engine.rounding import rounded_money_sql
from segml.evaluation.money import MoneyLift
from segml.measurement.built import BuiltList
from segml.measurement.lift import (
    SAMPLE_RATIO_ALPHA,
    newcombe_interval,
    sample_ratio_p,
)
from segml.measurement.money import (
    MINOR,
    always_valid_confidence,
    lift_of_rows,
    revenue_statement,
)
from segml.measurement.outcomes import arm_of
from segml.measurement.people import GLOBALLY_HELD_OUT, TREATED
from segml.time_windows import SECONDS_PER_DAY, Cutoff

COLUMNS = (
    *("since", "until", "lists", "status", "statement", "open_to_campaigns", "held_out"),
    *("rate_open", "rate_held_out", "rate_difference", "rate_difference_low", "rate_difference_high"),
    *("revenue_open", "revenue_held_out", "revenue_difference", "revenue_difference_low"),
    *("revenue_difference_high", "revenue_verdict", "sample_ratio_p"),
)
HeldOutSql = Callable[[str, float], str]


def measure_programme(
    engine: Engine,
    lists: Sequence[BuiltList],
    share: float,
    held_out_sql: HeldOutSql,
    data_until: Cutoff,
    minimum_cell: int = 10,
) -> pd.DataFrame:
    """Compare the global holdout with everybody else who had ordered before the first list.

    Parameters
    ----------
    engine : Engine
        With ``orders``.
    lists : sequence of BuiltList
        From `built_lists`.
    share : float
        That is held out of everything.
    held_out_sql : callable
        (salt, share) -> SQL condition on ``customer_id``: is this person held out of everything?
    data_until : Cutoff
        Orders before it are known.

    Returns
    -------
    DataFrame
        One row, or none without lists; `status` is measured, no_holdout, not_yet, suppressed or refused.
    """
    if not lists:
        return pd.DataFrame(columns=list(COLUMNS))
    since, until = min(built.as_of for built in lists), max(built.window.end for built in lists)
    head: dict[str, Any] = {"since": since.label, "until": min(until, data_until).label, "lists": len(lists)}
    row = head | _row(engine, lists, share, held_out_sql, since, min(until, data_until), minimum_cell)
    return pd.DataFrame([row], columns=list(COLUMNS))


def _row(
    engine: Engine,
    lists: Sequence[BuiltList],
    share: float,
    held_out_sql: HeldOutSql,
    since: Cutoff,
    until: Cutoff,
    minimum_cell: int,
) -> dict[str, Any]:
    salts = {str(built.manifest.get("holdout_salt", "")) for built in lists}
    held = sum(int(built.manifest.get("rows", {}).get("globally_held_out", 0)) for built in lists)
    if not held or not share:
        return _said(
            "no_holdout", "nobody is held out of everything, so what the programme brings can't be said"
        )
    if len(salts) > 1:
        return _said("refused", f"the lists were drawn with {len(salts)} salts: arms changed on the way")
    if until <= since:
        return _said("not_yet", f"the first list is of {since}, data end on {until}")
    rule = held_out_sql(salts.pop(), share)
    rows = engine.fetch(_programme_sql(rule, since, until))
    arms = {str(row["arm"]): arm_of(row) for row in rows.to_dict("records")}
    if min(len(arms), 2) < 2 or min(arm.people for arm in arms.values()) < minimum_cell:
        return _said("suppressed", f"fewer than {minimum_cell} people in an arm: not shown")
    treated, control = arms[TREATED], arms[GLOBALLY_HELD_OUT]
    ratio = sample_ratio_p(treated.people, control.people, share)
    sizes = {"open_to_campaigns": treated.people, "held_out": control.people, "sample_ratio_p": ratio}
    if ratio < SAMPLE_RATIO_ALPHA:
        people = treated.people + control.people
        text = f"refused: {control.people:,} of {people:,} are held out where {share:.1%} should be"
        return sizes | _said("refused", text)
    low, high = newcombe_interval(treated, control)
    confidence = always_valid_confidence((until.seconds - since.seconds) // SECONDS_PER_DAY)
    lift = lift_of_rows(engine.fetch(_money_sql(rule, since, until)), treated.mean - control.mean, confidence)
    return sizes | {
        "status": "measured",
        "statement": f"{_verdict(lift)}; from {since} until {until}",
        "rate_open": treated.rate,
        "rate_held_out": control.rate,
        "rate_difference": treated.rate - control.rate,
        "rate_difference_low": low,
        "rate_difference_high": high,
        "revenue_open": treated.mean / MINOR,
        "revenue_held_out": control.mean / MINOR,
        "revenue_difference": lift.difference,
        "revenue_difference_low": lift.low,
        "revenue_difference_high": lift.high,
        "revenue_verdict": lift.verdict,
    }


def _verdict(lift: MoneyLift) -> str:
    return revenue_statement(lift, "all campaigns together", "95 % however often one looks")


def _said(status: str, statement: str) -> dict[str, Any]:
    return {"status": status, "statement": statement}


def _people_sql(held_out: str, since: Cutoff, until: Cutoff) -> str:
    """Everybody who had ordered before: orders and revenue since, and the arm."""
    after = f"ordered_at >= {since.seconds}"
    people = (
        f"select customer_id, sum(case when {after} then 1 else 0 end) as orders,"
        f" cast(sum(case when {after} then amount_minor else 0 end) as bigint) as revenue"
        f" from orders where ordered_at < {until.seconds} group by customer_id having min(ordered_at) < {since.seconds}"
    )
    arm = f"case when {held_out} then '{GLOBALLY_HELD_OUT}' else '{TREATED}' end"
    return f"select orders, revenue, {arm} as arm from ({people}) known"


def _programme_sql(held_out: str, since: Cutoff, until: Cutoff) -> str:
    exact = "cast(revenue as decimal(18,0))"
    return (
        "select arm, count(*) as people, cast(sum(case when orders > 0 then 1 else 0 end) as bigint) as buyers,"
        f" cast(sum(revenue) as bigint) as revenue, cast(sum({exact} * {exact}) as double) as squares"
        f" from ({_people_sql(held_out, since, until)}) armed group by arm order by arm"
    )


def _money_sql(held_out: str, since: Cutoff, until: Cutoff) -> str:
    rounded = f"select arm, {rounded_money_sql('revenue')} as amount from ({_people_sql(held_out, since, until)}) armed"
    return f"select arm, amount, count(*) as people from ({rounded}) counted group by arm, amount order by arm, amount"
