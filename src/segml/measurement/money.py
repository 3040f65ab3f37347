"""Money of the arms as numbers of people by amount: what a claim about revenue needs, and all that comes home.

A test of money needs the distribution of spend, not its sum and its squares. Amounts are rounded to three significant
digits (whole minor units below 1,000) in the engine, by integers alone, so that ten million people come home as a few
thousand rows that are the same on every engine; means stay those of the exact sums.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from scipy.special import ndtr

from segml.engine.rounding import rounded_money_sql
from segml.evaluation.money import CONFIDENCE, TOO_FEW, FloatArray, MoneyLift, money_lift_counts
from segml.measurement.people import HELD_OUT, PEOPLE, TREATED

MINOR = 100
_MOST_ORDERS = 20
_STEADY_DAYS = 180  # after which a figure that is looked at again and again has its narrowest interval


def list_money_sql() -> str:
    """Return the query for people by stratum, arm and (rounded) amount of the list in ``measured_people``."""
    return _counted_sql({"stratum": "stratum", "arm": "arm", "amount": rounded_money_sql("revenue")})


def covariate_money_sql() -> str:
    """Return the query for people by arm, amount and what they bought before, rounded coarsely: for CUPED."""
    return _counted_sql(
        {
            "arm": "arm",
            "amount": rounded_money_sql("revenue", 2),
            "before_orders": f"least(before_orders, {_MOST_ORDERS})",
            "before_revenue": rounded_money_sql("before_revenue", 1),
        }
    )


def _counted_sql(columns: dict[str, str]) -> str:
    named = ", ".join(f"{expression} as {name}" for name, expression in columns.items())
    keys = ", ".join(columns)
    rows = f"select {named} from {PEOPLE} where arm in ('{TREATED}', '{HELD_OUT}')"
    return f"select {keys}, count(*) as people from ({rows}) rounded group by {keys} order by {keys}"


def arm_counts(rows: pd.DataFrame, *keys: str) -> tuple[pd.DataFrame, FloatArray, FloatArray]:
    """Return the distinct keys, and how many treated and held-out people have each.

    Parameters
    ----------
    rows : DataFrame
        arm, people, and the keys.
    keys : str
    """
    treated = rows["arm"] == TREATED
    parts = rows.assign(t=rows["people"].where(treated, 0), h=rows["people"].where(~treated, 0))
    sums = parts.groupby(list(keys), sort=True, as_index=False)[["t", "h"]].sum()
    return sums[list(keys)], sums["t"].to_numpy(dtype=float), sums["h"].to_numpy(dtype=float)


def lift_of_rows(
    rows: pd.DataFrame, difference: float, confidence: float = CONFIDENCE, seed: int = 0
) -> MoneyLift:
    """Return the money lift of both arms, in major units.

    Parameters
    ----------
    rows : DataFrame
        arm, amount (minor units), people.
    difference : float
        Of the exact means, minor units.
    confidence : float
    seed : int
    """
    keys, treated, held_out = arm_counts(rows, "amount")
    amount = keys["amount"].to_numpy(dtype=float) / MINOR
    return money_lift_counts(
        amount, treated, held_out, confidence=confidence, seed=seed, difference=difference / MINOR
    )


def revenue_columns(lift: MoneyLift) -> dict[str, Any]:
    """Return the columns about revenue of a list's row."""
    return {
        "revenue_difference": lift.difference,
        "revenue_difference_low": lift.low,
        "revenue_difference_high": lift.high,
        "revenue_verdict": lift.verdict,
        "revenue_statement": revenue_statement(lift, "the campaign"),
    }


def revenue_statement(lift: MoneyLift, subject: str, span: str = "95 %") -> str:
    """Return the sentence about revenue that the evidence allows.

    Parameters
    ----------
    lift : MoneyLift
    subject : str
        What raised or lowered it.
    span : str
        What the interval is called.
    """
    if lift.verdict == "too_few":
        return f"{TOO_FEW} ({lift.buyers[0]:,} of the listed, {lift.buyers[1]:,} of the held out)"
    figures = f"{lift.difference:+.2f} a person ({span}: {lift.low:+.2f} to {lift.high:+.2f})"
    if lift.verdict == "none":
        return f"no change of revenue can be told from chance: {figures}"
    return f"{subject} {'raised' if lift.verdict == 'gain' else 'lowered'} revenue: {figures}"


def always_valid_confidence(days: int, confidence: float = CONFIDENCE) -> float:
    """Return the confidence that one look needs, so that all looks together keep `confidence`.

    A figure that is read again every week crosses a 95 % interval some day, whatever is true. The normal mixture
    boundary (Robbins 1970) bounds a Brownian path at all times at once:

        |W_t| < sqrt((t + r) log((t + r) / (r alpha^2))) for every t > 0, with probability 1 - alpha.

    Spend of a person goes on as it was, so a sum that grows is steadier between looks than a Brownian path, and the
    bound errs on the safe side. `r` makes it tightest after half a year.

    Examples
    --------
    >>> [round(always_valid_confidence(days), 4) for days in (7, 30, 180, 720)]
    [1.0, 0.9993, 0.9976, 0.9983]
    """
    alpha = 1 - confidence
    aim = -2 * math.log(alpha)
    r = _STEADY_DAYS / (aim + math.log(aim) + 1)
    t = max(days, 1)
    bound = math.sqrt((1 + r / t) * math.log((1 + t / r) / alpha**2))
    return float(1 - 2 * ndtr(-bound))
