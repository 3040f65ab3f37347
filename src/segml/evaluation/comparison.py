"""Is one score better than another on the same customers? Pairs, not two error bars.

The standard error of one AUC on a few thousand customers is about 0.01, larger than most differences worth having;
the difference of two scores on the *same* customers is three to five times steadier. The bootstrap draws customers
(with all their rows), the seed is fixed, and ranking metrics are computed from one sort a score and weights a draw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from segml.errors import ConfigurationError, did_you_mean
from segml.evaluation.metrics import LOWER_IS_BETTER, FloatArray, paired_arrays

Weighted = Callable[[FloatArray], float]


@dataclass(frozen=True)
class PairedDifference:
    """Difference of a metric, first score minus second, with a percentile interval.

    `better` is the difference turned so that more is better for the first score.
    """

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    level: float
    draws: int

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `no clear difference`, from the interval alone."""
        sign = -1.0 if self.metric in LOWER_IS_BETTER else 1.0
        low, high = sorted((sign * self.low, sign * self.high))
        return "better" if low > 0 else "worse" if high < 0 else "no clear difference"


def _tie_ranks(values: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Sort once; return weights -> weighted mid-ranks in the rows' own order."""
    _, inverse = np.unique(values, return_inverse=True)

    def ranks(weights: FloatArray) -> FloatArray:
        group = np.bincount(inverse, weights=weights)
        return np.asarray((np.cumsum(group) - group / 2)[inverse])

    return ranks


def _auc(y: FloatArray, s: FloatArray) -> Weighted:
    _, inverse = np.unique(s, return_inverse=True)
    groups = int(inverse.max()) + 1

    def weighted(weights: FloatArray) -> float:
        positive = np.bincount(inverse, weights=weights * y, minlength=groups)
        negative = np.bincount(inverse, weights=weights * (1 - y), minlength=groups)
        below = np.cumsum(negative) - negative / 2
        pairs = positive.sum() * negative.sum()
        return float(positive @ below / pairs) if pairs > 0 else float("nan")

    return weighted


def _gini(y: FloatArray, s: FloatArray) -> Weighted:
    rank_score, rank_outcome = _tie_ranks(s), _tie_ranks(y)

    def weighted(weights: FloatArray) -> float:
        mass, middle = weights * y, weights.sum() / 2
        best = float(mass @ (rank_outcome(weights) - middle))
        return float(mass @ (rank_score(weights) - middle)) / best if best > 0 else float("nan")

    return weighted


def _spearman(y: FloatArray, s: FloatArray) -> Weighted:
    rank_score, rank_outcome = _tie_ranks(s), _tie_ranks(y)

    def weighted(weights: FloatArray) -> float:
        a, b = rank_score(weights), rank_outcome(weights)
        a, b = a - np.average(a, weights=weights), b - np.average(b, weights=weights)
        spread = (weights @ a**2) * (weights @ b**2)
        return float((weights * a) @ b / np.sqrt(spread)) if spread > 0 else float("nan")

    return weighted


def _mean_of(loss: Callable[[FloatArray, FloatArray], FloatArray], y: FloatArray, s: FloatArray) -> Weighted:
    values = loss(y, s)
    return lambda weights: float(weights @ values / weights.sum())


def _log_losses(y: FloatArray, p: FloatArray) -> FloatArray:
    p = np.clip(p, 1e-15, 1 - 1e-15)
    return np.asarray(-(y * np.log(p) + (1 - y) * np.log1p(-p)))


WEIGHTED_METRICS: dict[str, Callable[[FloatArray, FloatArray], Weighted]] = {
    "auc": _auc,
    "normalised_gini": _gini,
    "spearman": _spearman,
    "brier": partial(_mean_of, lambda y, p: (p - y) ** 2),
    "log_loss": partial(_mean_of, _log_losses),
    "hit_rate": partial(_mean_of, lambda y, hit: hit),
    "mean_absolute_error": partial(_mean_of, lambda y, s: np.abs(y - s)),
}


def paired_difference(
    outcome: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    metric: str = "auc",
    *,
    customers: ArrayLike | None = None,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 20260101,
) -> PairedDifference:
    """Bootstrap interval of `metric(first) - metric(second)` on the same rows.

    Parameters
    ----------
    outcome, first, second : array-like of shape (n,)
    metric : {"auc", "normalised_gini", "spearman", "brier", "log_loss", "hit_rate", "mean_absolute_error"}
        Of `hit_rate` both scores are 1 for a hit and 0 for a miss, whatever the outcome.
    customers : array-like of shape (n,), optional
        Rows of one customer are drawn together; default: every row is its own customer.
    draws, level, seed :
        Size, coverage and seed of the bootstrap. Rows must be in a fixed order (sorted by customer) for the same draw.

    Raises
    ------
    ConfigurationError
        For an unknown metric, with the nearest name.

    Examples
    --------
    >>> y, good, poor = [0, 0, 1, 1] * 50, [0.1, 0.2, 0.8, 0.9] * 50, [0.5, 0.2, 0.1, 0.9] * 50
    >>> result = paired_difference(y, good, poor, draws=200)
    >>> result.difference, result.verdict
    (0.5, 'better')
    """
    if metric not in WEIGHTED_METRICS:
        known = ", ".join(WEIGHTED_METRICS)
        raise ConfigurationError(
            f"no paired comparison for metric {metric!r}{did_you_mean(metric, WEIGHTED_METRICS)}",
            f"use one of {known}",
        )
    y, a = paired_arrays(outcome, first)
    _, b = paired_arrays(outcome, second)
    codes = np.arange(len(y)) if customers is None else pd.factorize(np.asarray(customers))[0]
    score_a, score_b = (WEIGHTED_METRICS[metric](y, s) for s in (a, b))
    ones = np.ones(len(y))
    differences = _bootstrap(lambda w: score_a(w) - score_b(w), codes, draws, seed)
    low, high = np.nanquantile(differences, [(1 - level) / 2, (1 + level) / 2])
    one, two = score_a(ones), score_b(ones)
    return PairedDifference(metric, one, two, one - two, float(low), float(high), level, draws)


def _bootstrap(statistic: Weighted, codes: NDArray[np.int64], draws: int, seed: int) -> FloatArray:
    rng = np.random.default_rng(seed)
    people = int(codes.max()) + 1
    results = np.empty(draws)
    for draw in range(draws):
        counts = np.bincount(rng.integers(0, people, people), minlength=people)
        results[draw] = statistic(counts[codes].astype(float))
    return results


@dataclass(frozen=True)
class Grade:
    """A letter and the sentence behind it."""

    letter: str
    words: str


def grade(
    against_baseline: PairedDifference, calibration_error: float | None = None, *, tolerance: float = 0.03
) -> Grade:
    """Grade a model: A beats its naive baseline and can be read as a number, B only ranks, C is not shown to help.

    Parameters
    ----------
    against_baseline : PairedDifference
        Model first, naive baseline second.
    calibration_error : float, optional
        Expected calibration error, or the absolute total bias of a forecast; None when it was not measured.
    tolerance : float
        Largest calibration error of an A (0.03 for probabilities; 0.15 is usual for a total).

    Examples
    --------
    >>> d = PairedDifference("auc", 0.88, 0.82, 0.06, 0.04, 0.08, 0.95, 1000)
    >>> grade(d, 0.01).letter, grade(d, 0.09).letter
    ('A', 'B')
    """
    d = against_baseline
    numbers = f"{d.metric} {d.first:.3f} against {d.second:.3f}, difference {d.low:+.3f} to {d.high:+.3f}"
    if d.verdict == "worse":
        return Grade("C", f"worse than the naive baseline ({numbers}): do not use it")
    if d.verdict != "better":
        return Grade("C", f"not shown to beat the naive baseline ({numbers}): use the baseline")
    if calibration_error is None or not calibration_error <= tolerance:
        found = "was not measured" if calibration_error is None else f"is {calibration_error:.3f}"
        return Grade(
            "B",
            f"beats the naive baseline ({numbers}), but its calibration error {found} "
            f"(limit {tolerance:g}): trust the order, not the number",
        )
    return Grade(
        "A",
        f"beats the naive baseline ({numbers}) and its calibration error is {calibration_error:.3f}: "
        "the order and the number can both be used",
    )
