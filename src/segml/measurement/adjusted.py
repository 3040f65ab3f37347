"""The same lift with a narrower interval: net of what was known before the send, and by tenths of the list's score.

Both are unbiased when the arms were drawn by lot, and both need no more than sums by stratum and arm. CUPED takes out
of the outcome what spend and orders of the time before explain, with one slope for both arms; it can't favour an arm,
because nothing that the campaign could have changed is used. Post-stratification compares like with like and weighs
the tenths by their people. The plain difference stays the first: these stand beside it. Intervals of conversion are
normal; those of revenue invert a permutation test of capped spend (`segml.evaluation.money`), net of the covariates or
within the strata, because a normal one does not keep its size where few big spenders are held out.

References
----------
Deng et al. (2013), Improving the sensitivity of online controlled experiments by utilizing pre-experiment data.
Miratrix, Sekhon and Yu (2013), Adjusting treatment effect estimates by post-stratification.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from segml.evaluation.money import adjusted_money_interval
from segml.measurement.lift import CONFIDENCE
from segml.measurement.money import MINOR, arm_counts, lift_of_rows
from segml.measurement.people import HELD_OUT, TREATED

FloatArray = NDArray[np.float64]
COVARIATES = ("before_orders", "before_revenue")
OUTCOMES = {"conversion": "buyer", "revenue": "revenue"}
COLUMNS = (
    *("outcome", "method", "difference", "difference_low", "difference_high"),
    *("standard_error", "variance_reduction", "adjusted_for"),
)


@dataclass(frozen=True)
class Moments:
    """Sums over the people of one arm (of one stratum, or of several): an outcome y and covariates x.

    Attributes
    ----------
    people : float
    y, yy : float
        Sum, and sum of squares.
    x : ndarray of shape (k,)
    xx : ndarray of shape (k, k)
    xy : ndarray of shape (k,)
    """

    people: float
    y: float
    yy: float
    x: FloatArray
    xx: FloatArray
    xy: FloatArray

    def __add__(self, other: Moments) -> Moments:
        return Moments(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    @property
    def mean(self) -> float:
        """Mean outcome."""
        return self.y / self.people

    @property
    def spread(self) -> float:
        """Sum of squares about the mean, never below zero."""
        return max(self.yy - self.y * self.y / self.people, 0.0)

    def centred(self) -> tuple[FloatArray, FloatArray]:
        """Sums of products about the means: covariates with covariates, covariates with the outcome."""
        return self.xx - np.outer(self.x, self.x) / self.people, self.xy - self.x * (self.y / self.people)


def read_moments(sums: pd.DataFrame, outcome: str) -> dict[tuple[int, str], Moments]:
    """Turn rows of `moments_sql` into moments by stratum and arm.

    Parameters
    ----------
    sums : DataFrame
        One row a stratum and arm.
    outcome : str
        ``buyer`` or ``revenue``.
    """
    found = {}
    for row in sums.to_dict("records"):

        def product(one: str, other: str, row: dict[str, float] = row) -> float:  # type: ignore[assignment]
            return float(row.get(f"{one}_x_{other}", row.get(f"{other}_x_{one}", np.nan)))

        found[int(row["stratum"]), str(row["arm"])] = Moments(
            float(row["people"]),
            float(row[outcome]),
            product(outcome, outcome),
            np.array([float(row[name]) for name in COVARIATES]),
            np.array([[product(one, other) for other in COVARIATES] for one in COVARIATES]),
            np.array([product(outcome, name) for name in COVARIATES]),
        )
    return found


def adjusted_frame(
    sums: pd.DataFrame,
    money: pd.DataFrame,
    before: pd.DataFrame,
    days: int,
    confidence: float = CONFIDENCE,
) -> pd.DataFrame:
    """Return the plain difference, CUPED's and the post-stratified one, for conversion and for revenue.

    Parameters
    ----------
    sums : DataFrame
        From `moments_sql`, both arms present.
    money, before : DataFrame
        From `list_money_sql` and `covariate_money_sql`.
    days : int
        Length of the window before the send, for the words.

    Returns
    -------
    DataFrame
        outcome (conversion: share; revenue: major units per person), method (plain, cuped, stratified), difference
        with its interval (of revenue NaN with too few buyers to speak of money), the `standard_error` of the sums,
        `variance_reduction` against the plain one (0.3: as if it had 43 % more people), and `adjusted_for`, in words.
        The interval of the plain conversion is normal too, so that the three compare; Newcombe's stands in the table
        of lifts.
    """
    rows = []
    for outcome, column in OUTCOMES.items():
        moments = read_moments(sums, column)
        unit = MINOR if outcome == "revenue" else 1
        arms = {arm: _total(moments, arm) for arm in (TREATED, HELD_OUT)}
        plain = _plain(*arms.values())
        words = f"orders and spend of the {days} days before"
        tries = [("plain", plain, ""), ("cuped", _cuped(*arms.values()), words)]
        groups = stratum_groups({key: moment.people for key, moment in moments.items()})
        if len(groups) > 1:
            tries.append(
                (
                    "stratified",
                    _stratified(_merged(moments, groups)),
                    f"{len(groups)} groups by the list's score",
                )
            )
        half = float(norm.ppf((1 + confidence) / 2))
        for method, (difference, variance), text in tries:
            error = variance**0.5
            bounds = (difference - half * error, difference + half * error)
            if outcome == "revenue":
                bounds = _revenue_interval(method, difference, money, before, groups, confidence)
            rows.append(
                (
                    *(outcome, method, difference / unit, bounds[0] / unit, bounds[1] / unit, error / unit),
                    *(1 - variance / plain[1] if plain[1] > 0 else 0.0, text),
                )
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _revenue_interval(
    method: str,
    difference: float,
    money: pd.DataFrame,
    before: pd.DataFrame,
    groups: list[list[int]],
    confidence: float,
) -> tuple[float, float]:
    if method == "plain":
        lift = lift_of_rows(money, difference, confidence)
        return lift.low * MINOR, lift.high * MINOR
    if method == "cuped":
        keys, treated, held_out = arm_counts(before, "amount", *COVARIATES)
        amount, known = keys["amount"].to_numpy(dtype=float), keys[list(COVARIATES)].to_numpy(dtype=float)
        return adjusted_money_interval(
            amount, treated, held_out, difference, covariates=known, confidence=confidence
        )
    keys, treated, held_out = arm_counts(money, "stratum", "amount")
    group_of = {stratum: position for position, group in enumerate(groups) for stratum in group}
    group = np.asarray(keys["stratum"].map(group_of), dtype=np.int64)
    amount = keys["amount"].to_numpy(dtype=float)
    return adjusted_money_interval(
        amount, treated, held_out, difference, stratum=group, confidence=confidence
    )


def stratum_groups(people: Mapping[tuple[int, str], float], least: int = 2) -> list[list[int]]:
    """Return the strata to be compared, as groups; one with fewer than `least` people in an arm joins the next.

    Parameters
    ----------
    people : mapping of (stratum, arm) to float
    least : int

    Examples
    --------
    >>> sizes = {1: 1, 2: 4, 3: 1, 4: 5}
    >>> stratum_groups({(s, arm): n for s, n in sizes.items() for arm in ("treated", "holdout")})
    [[1, 2], [3, 4]]
    """
    groups: list[list[int]] = []
    waiting: list[int] = []
    for stratum in sorted({stratum for stratum, _ in people}):
        waiting.append(stratum)
        if min(sum(people.get((one, arm), 0) for one in waiting) for arm in (TREATED, HELD_OUT)) >= least:
            groups.append(waiting)
            waiting = []
    if waiting and groups:
        groups[-1] = groups[-1] + waiting
    return groups


def _merged(
    moments: Mapping[tuple[int, str], Moments], groups: list[list[int]]
) -> list[tuple[Moments, Moments]]:
    """Moments of the treated and the held out, by group of strata."""

    def total(arm: str, group: list[int]) -> Moments:
        return _sum([moments[one, arm] for one in group if (one, arm) in moments])

    return [(total(TREATED, group), total(HELD_OUT, group)) for group in groups]


def _sum(parts: list[Moments]) -> Moments:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _total(moments: Mapping[tuple[int, str], Moments], arm: str) -> Moments:
    return _sum(
        [moment for (_, of), moment in sorted(moments.items(), key=lambda item: item[0]) if of == arm]
    )


def _plain(treated: Moments, control: Moments) -> tuple[float, float]:
    variance = sum(arm.spread / max(arm.people - 1, 1) / arm.people for arm in (treated, control))
    return treated.mean - control.mean, variance


def _cuped(treated: Moments, control: Moments) -> tuple[float, float]:
    """Difference and variance after taking out theta times the covariates, theta pooled within the arms."""
    centred = [arm.centred() for arm in (treated, control)]
    scale = np.sqrt(np.maximum(np.diag(centred[0][0] + centred[1][0]), 0.0))
    scale = np.where(scale > 0, scale, 1.0)  # orders count in ones, money in hundredths: solved on one scale
    pooled = (centred[0][0] + centred[1][0]) / np.outer(scale, scale)
    theta = np.linalg.lstsq(pooled, (centred[0][1] + centred[1][1]) / scale, rcond=1e-9)[0] / scale
    shift = treated.x / treated.people - control.x / control.people
    variance = 0.0
    for arm, (xx, xy) in zip((treated, control), centred, strict=True):
        left = max(arm.spread - 2 * float(theta @ xy) + float(theta @ xx @ theta), 0.0)
        variance += left / max(arm.people - 1, 1) / arm.people
    return treated.mean - control.mean - float(theta @ shift), variance


def _stratified(strata: list[tuple[Moments, Moments]]) -> tuple[float, float]:
    sizes = np.array([treated.people + control.people for treated, control in strata])
    weight = sizes / sizes.sum()
    parts = [_plain(*pair) for pair in strata]
    gap, variances = np.array([part[0] for part in parts]), np.array([part[1] for part in parts])
    lift = float(weight @ gap)
    # the strata's own sizes are a draw too: their part counts when the lift differs between them
    return lift, float(weight**2 @ variances + weight @ (gap - lift) ** 2 / sizes.sum())
