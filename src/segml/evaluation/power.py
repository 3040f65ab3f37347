"""What a holdout of a given size can show, before anything is sent.

Two proportions, two-sided test, normal approximation with each arm's own variance (Fleiss, Levin and Paik 2003,
section 4.2.1, without continuity correction): with treated/control ratio k = (1 - h) / h, base rate p and treated
rate q, the control group needs ``(z_a + z_b)^2 (p (1 - p) + q (1 - q) / k) / (q - p)^2`` people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.stats import norm

from segml.errors import ConfigurationError

ALPHA = 0.05
POWER = 0.80


@dataclass(frozen=True)
class PowerStatement:
    """What can be seen of one campaign: the people in each arm, and the lift that would be missed below."""

    treated: int
    control: int
    base_rate: float
    smallest_lift: float  # relative; infinite when no lift could be seen
    text: str


def control_size(base_rate: float, relative_lift: float, holdout: float = 0.1) -> int:
    """Return how many people the control group needs to see a relative lift.

    Parameters
    ----------
    base_rate : float
        Conversion without the campaign, in (0, 1).
    relative_lift : float
        0.2 for a fifth more conversions.
    holdout : float
        Share of the audience that is held out.

    Examples
    --------
    >>> [control_size(0.05, lift) for lift in (0.1, 0.2, 0.3, 0.5)]
    [16726, 4221, 1893, 694]
    """
    _check(base_rate, holdout)
    treated_rate = base_rate * (1 + relative_lift)
    if relative_lift == 0 or not 0 < treated_rate < 1:
        raise ConfigurationError(
            f"a base rate of {base_rate:g} can't change by {relative_lift:+.0%} to {treated_rate:g}",
            "give a lift other than 0 that leaves a rate between 0 and 1",
        )
    return math.ceil(round(_needed(base_rate, treated_rate, holdout), 6))


def smallest_lift(base_rate: float, treated: int, control: int) -> float:
    """Return the smallest relative lift that would be seen; infinite when even certainty would be missed.

    Examples
    --------
    >>> [round(100 * smallest_lift(0.05, 9 * n, n)) for n in (100, 1_000, 5_000)]
    [136, 41, 18]
    """
    if treated <= 0 or control <= 0 or not 0 < base_rate < 1:
        return math.inf
    reach = norm.ppf(1 - ALPHA / 2) + norm.ppf(POWER)

    def gap(rate: float) -> float:
        variance = base_rate * (1 - base_rate) / control + rate * (1 - rate) / treated
        return float((rate - base_rate) - reach * math.sqrt(variance))

    if gap(1.0) < 0:
        return math.inf
    return float(brentq(gap, base_rate, 1.0) / base_rate - 1)


def power_statement(base_rate: float | None, treated: int, control: int) -> PowerStatement:
    """Put the smallest detectable lift into a sentence.

    Examples
    --------
    >>> power_statement(0.05, 9_000, 1_000).text
    'at a base rate of 5.0 %, 1,000 held out of 10,000 can show a lift of 41 % or more (80 % power)'
    """
    if control <= 0:
        return PowerStatement(
            treated, control, base_rate or 0.0, math.inf, "no holdout: no effect can be measured"
        )
    if base_rate is None or not 0 < base_rate < 1:
        text = "the expected conversion is unknown, so the smallest visible lift is too"
        return PowerStatement(treated, control, base_rate or 0.0, math.inf, text)
    lift = smallest_lift(base_rate, treated, control)
    held = f"at a base rate of {100 * base_rate:.1f} %, {control:,} held out of {treated + control:,}"
    if math.isinf(lift):
        return PowerStatement(treated, control, base_rate, lift, f"{held} can show no lift of any size")
    text = f"{held} can show a lift of {100 * lift:.0f} % or more (80 % power)"
    return PowerStatement(treated, control, base_rate, lift, text)


def _needed(base_rate: float, treated_rate: float, holdout: float) -> float:
    ratio = (1 - holdout) / holdout
    reach = norm.ppf(1 - ALPHA / 2) + norm.ppf(POWER)
    variance = base_rate * (1 - base_rate) + treated_rate * (1 - treated_rate) / ratio
    return float(reach**2 * variance / (treated_rate - base_rate) ** 2)


def _check(base_rate: float, holdout: float) -> None:
    wrong = [
        f"{name} lies between 0 and 1, got {value!r}"
        for name, value in (("base_rate", base_rate), ("holdout", holdout))
        if not 0 < value < 1
    ]
    if wrong:
        raise ConfigurationError("; ".join(wrong), "give shares such as 0.05")
