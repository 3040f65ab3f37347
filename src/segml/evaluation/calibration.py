"""Turning a score into a probability, and seeing whether it is one.

Platt's line on the logit (slope >= 0) needs two numbers and keeps the order, so it is the default. Isotonic
regression bends freely but needs a thousand rows of the rarer class not to overfit, and it creates ties; it is used
only on demand. Both are learnt on rows *later* than those the score was fitted on. A fit is accepted only if its
likelihood rose: every Newton step is halved until it does, and a line no likelier than the scores as they are is the
identity.

References
----------
Platt (1999), Probabilistic outputs for support vector machines. Zadrozny and Elkan (2002), Transforming classifier
scores into accurate multiclass probability estimates.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import expit, logit
from scipy.stats import beta
from sklearn.isotonic import IsotonicRegression

from segml.errors import NotEnoughDataError
from segml.evaluation.metrics import FloatArray, equal_count_bins, paired_arrays


@dataclass(frozen=True)
class PlattScaling:
    """Calibrated log-odds = intercept + slope * log-odds; the identity by default.

    Examples
    --------
    >>> PlattScaling.fit([0.0, 0.0, 0.0, 0.0] * 50, [0, 0, 0, 1] * 50).probability([0.0]).round(2).tolist()
    [0.25]
    """

    intercept: float = 0.0
    slope: float = 1.0

    @classmethod
    def fit(cls, log_odds: ArrayLike, outcome: ArrayLike) -> PlattScaling:
        """Maximise the likelihood by Newton steps, with Platt's smoothed targets and a faint pull to slope 1.

        Parameters
        ----------
        log_odds : array-like of shape (n,)
            Scores; they may be too sure or too timid by any factor.
        outcome : array-like of shape (n,)
            0 or 1.

        Returns
        -------
        PlattScaling
            Never less likely than the scores as they are. Of scores that rank the wrong way, the base rate.

        Raises
        ------
        NotEnoughDataError
            When the outcome has a single class.
        """
        y, z = paired_arrays(outcome, log_odds)
        positives, negatives = float(y.sum()), float(len(y) - y.sum())
        if positives == 0 or negatives == 0:
            raise NotEnoughDataError(
                f"calibration needs both outcomes, got {positives:.0f} positives and {negatives:.0f} negatives",
                "take a later or a longer calibration window",
            )
        target = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        intercept, slope = _newton(z, target)
        if slope < 0:  # the score ranks the wrong way here: keep the base rate, never turn the order round
            slope, intercept = 0.0, float(logit((positives + 1) / (len(y) + 2)))
        if not _log_likelihood(intercept + slope * z, target) > _log_likelihood(z, target):
            return cls()
        return cls(float(intercept), float(slope))

    def towards_identity(self, kept: float) -> PlattScaling:
        """Return the line with only a share of its distance from the identity.

        Examples
        --------
        >>> PlattScaling(0.4, 0.8).towards_identity(0.5)
        PlattScaling(intercept=0.2, slope=0.9)
        """
        return PlattScaling(kept * self.intercept, 1 + kept * (self.slope - 1))

    def log_odds(self, log_odds: ArrayLike) -> FloatArray:
        """Calibrated log-odds, same shape."""
        return self.intercept + self.slope * np.asarray(log_odds, dtype=float)

    def probability(self, log_odds: ArrayLike) -> FloatArray:
        """Calibrated probability, same shape."""
        return np.asarray(expit(self.log_odds(log_odds)))

    def to_dict(self) -> dict[str, float]:
        """Plain numbers for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, float]) -> PlattScaling:
        """Inverse of `to_dict`."""
        return cls(**content)


def intercept_for_mean(log_odds: ArrayLike, mean: float) -> float:
    """Find the shift of all log-odds that gives their probabilities this mean (a prior shift).

    Parameters
    ----------
    log_odds : array-like of shape (n,)
    mean : float
        Between 0 and 1, both excluded.

    References
    ----------
    Saerens, Latinne and Decaestecker (2002), Adjusting the outputs of a classifier to new a priori probabilities.

    Examples
    --------
    >>> shift = intercept_for_mean([-1.0, 0.0, 2.0], 0.9)
    >>> float(expit(np.array([-1.0, 0.0, 2.0]) + shift).mean().round(6))
    0.9
    """
    z = np.asarray(log_odds, dtype=float)
    aim = float(logit(mean))
    low, high = aim - float(z.max()), aim - float(z.min())
    for _ in range(100):  # the mean rises with the shift
        middle = (low + high) / 2
        low, high = (middle, high) if float(expit(z + middle).mean()) < mean else (low, middle)
    return (low + high) / 2


def _log_likelihood(log_odds: FloatArray, target: FloatArray) -> float:
    return float(target @ log_odds - np.logaddexp(0.0, log_odds).sum())


def _newton(z: FloatArray, target: FloatArray, pull: float = 1.0, steps: int = 100) -> tuple[float, float]:
    """Fit intercept and slope of a logistic line; `pull` is the weight of a Gaussian prior at slope 1.

    A full Newton step from a score that is too sure overshoots (all its probabilities are 0 or 1, so the curvature is
    next to nothing) and the next one never comes back; halved until the likelihood rises, it can't.
    """
    centre = float(np.mean(z))
    design = np.column_stack([np.ones_like(z), z - centre])

    def posterior(candidate: FloatArray) -> float:
        return _log_likelihood(design @ candidate, target) - pull * (candidate[1] - 1.0) ** 2 / 2

    theta = np.array([float(logit(np.clip(target.mean(), 1e-9, 1 - 1e-9))), 1.0])
    # from the better of the two: the scores as they are, or around the base rate
    theta = max(theta, np.array([centre, 1.0]), np.array([theta[0], 0.0]), key=posterior)
    reached = posterior(theta)
    for _ in range(steps):
        p = expit(design @ theta)
        gradient = design.T @ (target - p) - [0.0, pull * (theta[1] - 1.0)]
        curvature = (design * (p * (1 - p))[:, None]).T @ design + np.diag([1e-9, pull])
        step, length = np.linalg.solve(curvature, gradient), 1.0
        while not (new := posterior(theta + length * step)) > reached and length > 1e-12:
            length /= 2
        if not new > reached:
            break
        theta, reached = theta + length * step, new
        if np.abs(length * step).max() < 1e-10:
            break
    return float(theta[0] - theta[1] * centre), float(theta[1])


@dataclass(frozen=True)
class IsotonicCalibration:
    """A rising step function from score to probability, as its knots."""

    scores: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    @classmethod
    def fit(cls, score: ArrayLike, outcome: ArrayLike, *, minimum_rows: int = 1000) -> IsotonicCalibration:
        """Learn the knots; refused when the rarer outcome has fewer than `minimum_rows` rows.

        No rate is 0 or 1: half a row of the other outcome is kept possible, else one later row of it would be
        infinitely unlikely. Where the steps are no likelier than the base rate, they are the base rate.
        """
        y, s = paired_arrays(outcome, score)
        rarer = int(min(y.sum(), len(y) - y.sum()))
        if rarer < minimum_rows:
            raise NotEnoughDataError(
                f"isotonic calibration needs {minimum_rows} rows of the rarer outcome, got {rarer}",
                "use Platt scaling, which needs two numbers",
            )
        model = IsotonicRegression(out_of_bounds="clip", y_min=0.0, y_max=1.0).fit(s, y)
        least = 0.5 / (len(y) + 1)
        rates = np.clip(model.y_thresholds_, least, 1 - least)
        found = cls(model.X_thresholds_.tolist(), rates.tolist())
        base = float(y.mean())
        if not _log_likelihood(logit(found.probability(s)), y) > _log_likelihood(
            np.full(len(y), logit(base)), y
        ):
            return cls(found.scores, [base] * len(found.scores))
        return found

    def probability(self, score: ArrayLike) -> FloatArray:
        """Interpolate between the knots, flat outside."""
        return np.asarray(np.interp(np.asarray(score, dtype=float), self.scores, self.rates))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> IsotonicCalibration:
        """Inverse of `to_dict`."""
        return cls(**content)


def reliability_frame(
    outcome: ArrayLike, probability: ArrayLike, n_bins: int = 10, level: float = 0.95
) -> pd.DataFrame:
    """Mean probability against realised rate in equal-count bins, with Jeffreys intervals of the rate.

    Returns
    -------
    DataFrame
        One row a bin with at least one customer: `bin, customers, predicted, realised, low, high`.

    Examples
    --------
    >>> frame = reliability_frame([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], n_bins=2)
    >>> frame["realised"].tolist(), frame["customers"].tolist()
    ([0.0, 1.0], [2, 2])
    """
    y, p = paired_arrays(outcome, probability)
    frame = pd.DataFrame({"bin": equal_count_bins(p, n_bins), "p": p, "y": y}).groupby("bin")
    table = frame.agg(customers=("y", "size"), predicted=("p", "mean"), realised=("y", "mean")).reset_index()
    hits, misses = table["customers"] * table["realised"], table["customers"] * (1 - table["realised"])
    tail = (1 - level) / 2
    table["low"] = np.where(hits < 0.5, 0.0, beta.ppf(tail, hits + 0.5, misses + 0.5))
    table["high"] = np.where(misses < 0.5, 1.0, beta.ppf(1 - tail, hits + 0.5, misses + 0.5))
    return table


def gains_frame(outcome: ArrayLike, scores: dict[str, ArrayLike], points: int = 100) -> pd.DataFrame:
    """Share of the outcome caught against share of customers contacted, best first, ties shared.

    Returns
    -------
    DataFrame
        Columns `score, contacted, caught`; `points` + 1 rows a score, from (0, 0) to (1, 1).
    """
    shares = np.linspace(0.0, 1.0, points + 1)
    frames = []
    for name, score in scores.items():
        y, s = paired_arrays(outcome, score)
        _values, inverse, counts = np.unique(-s, return_inverse=True, return_counts=True)
        contacted = np.concatenate([[0.0], np.cumsum(counts) / len(y)])
        caught = np.concatenate([[0.0], np.cumsum(np.bincount(inverse, weights=y)) / y.sum()])
        curve = np.interp(shares, contacted, caught)
        frames.append(pd.DataFrame({"score": name, "contacted": shares, "caught": curve}))
    return pd.concat(frames, ignore_index=True)


def value_decile_frame(outcome: ArrayLike, prediction: ArrayLike, n_bins: int = 10) -> pd.DataFrame:
    """Mean predicted and realised value by predicted decile (10 = highest), with the number of customers."""
    y, s = paired_arrays(outcome, prediction)
    frame = pd.DataFrame({"decile": equal_count_bins(s, n_bins) + 1, "s": s, "y": y}).groupby("decile")
    return frame.agg(customers=("y", "size"), predicted=("s", "mean"), realised=("y", "mean")).reset_index()
