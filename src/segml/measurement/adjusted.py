"""The same lift with a narrower interval: net of what was known before the send, and by tenths of the list's score.

Both are unbiased when the arms were drawn by lot, and both need no more than sums by stratum and arm. CUPED takes out
of the outcome what spend and orders of the time before explain, with one slope for both arms; it can't favour an arm,
because nothing that the campaign could have changed is used. Post-stratification compares like with like and weighs
the tenths by their people. The plain difference stays the first: these stand beside it.

References
----------
Deng et al. (2013), Improving the sensitivity of online controlled experiments by utilizing pre-experiment data.
Miratrix, Sekhon and Yu (2013), Adjusting treatment effect estimates by post-stratification.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from segml.measurement.lift import CONFIDENCE
from segml.measurement.people import HELD_OUT, STRATA, TREATED

FloatArray = NDArray[np.float64]
COVARIATES = ("before_orders", "before_revenue")
OUTCOMES = {"conversion": "buyer", "revenue": "revenue"}
_MINOR = 100
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


def adjusted_frame(sums: pd.DataFrame, days: int, confidence: float = CONFIDENCE) -> pd.DataFrame:
    """Return the plain difference, CUPED's and the post-stratified one, for conversion and for revenue.

    Parameters
    ----------
    sums : DataFrame
        From `moments_sql`, both arms present.
    days : int
        Length of the window before the send, for the words.

    Returns
    -------
    DataFrame
        outcome (conversion: share; revenue: major units per person), method (plain, cuped, stratified), difference
        with its normal interval, `variance_reduction` against the plain one (0.3: as if it had 43 % more people), and
        `adjusted_for`, in words. The interval of the plain row is normal too, so that the three compare; Newcombe's
        and Welch's stand in the table of lifts.
    """
    rows = []
    for outcome, column in OUTCOMES.items():
        moments = read_moments(sums, column)
        unit = _MINOR if outcome == "revenue" else 1
        arms = {arm: _total(moments, arm) for arm in (TREATED, HELD_OUT)}
        plain = _plain(*arms.values())
        words = f"orders and spend of the {days} days before"
        tries = [("plain", plain, ""), ("cuped", _cuped(*arms.values()), words)]
        merged = merged_strata(moments)
        if len(merged) > 1:
            tries.append(("stratified", _stratified(merged), f"{len(merged)} groups by the list's score"))
        half = float(norm.ppf((1 + confidence) / 2))
        for method, (difference, variance), text in tries:
            error = variance**0.5
            rows.append(
                (
                    *(outcome, method, difference / unit),
                    *((difference - half * error) / unit, (difference + half * error) / unit, error / unit),
                    *(1 - variance / plain[1] if plain[1] > 0 else 0.0, text),
                )
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def merged_strata(moments: dict[tuple[int, str], Moments], least: int = 2) -> list[tuple[Moments, Moments]]:
    """Return (treated, held out) by stratum; a stratum with fewer than `least` people in an arm joins the next.

    Examples
    --------
    >>> zero = np.zeros(2)
    >>> few = {(s, arm): Moments(n, 0, 0, zero, np.zeros((2, 2)), zero)
    ...        for s, n in ((1, 1), (2, 4), (3, 1)) for arm in ("treated", "holdout")}
    >>> [int(treated.people) for treated, _ in merged_strata(few)]
    [6]
    """
    empty = Moments(
        0, 0, 0, np.zeros(len(COVARIATES)), np.zeros((len(COVARIATES),) * 2), np.zeros(len(COVARIATES))
    )
    merged: list[tuple[Moments, Moments]] = []
    waiting = (empty, empty)
    for stratum in range(STRATA + 1):
        pair = tuple(moments.get((stratum, arm), empty) for arm in (TREATED, HELD_OUT))
        waiting = (waiting[0] + pair[0], waiting[1] + pair[1])
        if min(waiting[0].people, waiting[1].people) >= least:
            merged.append(waiting)
            waiting = (empty, empty)
    if max(waiting[0].people, waiting[1].people) > 0 and merged:
        last = merged.pop()
        merged.append((last[0] + waiting[0], last[1] + waiting[1]))
    return merged


def _total(moments: dict[tuple[int, str], Moments], arm: str) -> Moments:
    parts = [moment for (_, of), moment in sorted(moments.items(), key=lambda item: item[0]) if of == arm]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


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
