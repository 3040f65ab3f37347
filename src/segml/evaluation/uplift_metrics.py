"""How well a score orders customers by what a contact changes, on a campaign whose arms were drawn by lot.

Nobody is seen both with and without the contact, so no single customer's uplift is ever known; what is known is the
difference between arms among the customers above any score. The Qini curve is that difference times the people in it,
the uplift curve its mean. Ties are shared (a straight line across them), so a score of few values is neither
flattered nor punished by the order of the rows.

The Qini score is the area between curve and diagonal over the same area of the perfect order, which puts the
treated who responded first and the untreated who responded last. Nobody can know that order, so good scores
are small numbers: 0.06 is a fine one for a mailing. Every function takes outcome, treatment (1 contacted, 0 not) and
score, in this order, all of shape (n,).

References
----------
Radcliffe (2007), Using control groups to target on predicted lift. Gutierrez and Gerardy (2017), Causal inference and
uplift modelling. Devriendt et al. (2022), Learning to rank for uplift modeling (normalisation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from segml.errors import DataError
from segml.evaluation.metrics import FloatArray, equal_count_bins, paired_arrays


class _Campaign(NamedTuple):
    """Outcome, arm and weight of each customer; the weight is 1 / P(own arm), or 1."""

    y: FloatArray
    treated: FloatArray
    weight: FloatArray

    def perfect(self) -> FloatArray:
        """The order nobody can know, as a score."""
        _, rank = np.unique(np.where(self.treated == 1, self.y, -self.y), return_inverse=True)
        return np.asarray(2.0 * rank + np.where(self.treated == 1, 0.0, 1.0))


def _campaign(outcome: ArrayLike, treatment: ArrayLike, probability: ArrayLike | None) -> _Campaign:
    y, treated = paired_arrays(outcome, treatment)
    if not np.isin(treated, (0.0, 1.0)).all() or treated.min() == treated.max():
        found = np.unique(treated)[:5].tolist()
        raise DataError(
            f"treatment is 1 (contacted) and 0 (not), and has both; found {found}",
            "compare one arm at a time with the control",
        )
    if probability is None:
        return _Campaign(y, treated, np.ones(len(y)))
    chance = np.broadcast_to(np.asarray(probability, dtype=float), y.shape)
    wrong = int((~((chance > 0) & (chance < 1))).sum())
    if wrong:
        raise DataError(f"{wrong} of {len(y)} treatment probabilities are not between 0 and 1")
    return _Campaign(y, treated, 1 / np.where(treated == 1, chance, 1 - chance))


class _Order:
    """One sort of a score; curves for any weights from it."""

    def __init__(self, campaign: _Campaign, score: FloatArray) -> None:
        _, self.group = np.unique(-score, return_inverse=True)
        self.campaign = campaign

    def curve(self, draw: FloatArray | None = None) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Share contacted, Qini gain and uplift so far (gain over treated), from nobody to everybody."""
        y, treated, weight = self.campaign
        w = weight if draw is None else weight * draw
        wt = w * treated
        people, sent = self._so_far(w), self._so_far(wt)
        earned, idle = self._so_far(wt * y), self._so_far((w - wt) * y)
        held = people - sent
        ratio = np.divide(sent, held, out=np.zeros_like(sent), where=held > 0)
        gain = earned - idle * ratio
        mean = np.divide(gain, sent, out=np.zeros_like(gain), where=(sent > 0) & (held > 0))
        return people / people[-1], gain, mean

    def _so_far(self, values: FloatArray) -> FloatArray:
        return np.concatenate([[0.0], np.cumsum(np.bincount(self.group, weights=values))])

    def qini_area(self, draw: FloatArray | None = None) -> float:
        """Area between the Qini curve and its diagonal."""
        share, gain, _ = self.curve(draw)
        return float(np.trapezoid(gain, share) - gain[-1] / 2)

    def uplift_area(self, draw: FloatArray | None = None) -> float:
        """Area under share times uplift so far."""
        share, _, mean = self.curve(draw)
        return float(np.trapezoid(share * mean, share))


Weighted = Callable[[FloatArray | None], float]


def _qini(campaign: _Campaign, score: FloatArray) -> Weighted:
    order, best = _Order(campaign, score), _Order(campaign, campaign.perfect())

    def value(draw: FloatArray | None = None) -> float:
        top = best.qini_area(draw)
        return order.qini_area(draw) / top if top > 0 else float("nan")

    return value


def _auuc(campaign: _Campaign, score: FloatArray) -> Weighted:
    return _Order(campaign, score).uplift_area


def _auuc_gain(campaign: _Campaign, score: FloatArray) -> Weighted:
    order = _Order(campaign, score)

    def value(draw: FloatArray | None = None) -> float:
        share, _, mean = order.curve(draw)
        return float(np.trapezoid(share * mean, share) - mean[-1] / 2)

    return value


UPLIFT_METRICS: dict[str, Callable[[_Campaign, FloatArray], Weighted]] = {
    "qini": _qini,
    "auuc": _auuc,
    "auuc_above_random": _auuc_gain,
}


def qini_score(
    outcome: ArrayLike, treatment: ArrayLike, score: ArrayLike, probability: ArrayLike | None = None
) -> float:
    """Qini area over that of the perfect order: 0 random, 1 perfect, negative when the order is worse than random.

    Parameters
    ----------
    outcome : array-like of shape (n,)
        0/1, or an amount.
    treatment : array-like of shape (n,)
        1 contacted, 0 held out at random.
    score : array-like of shape (n,)
        Higher is contacted sooner.
    probability : float or array-like of shape (n,), optional
        Of being contacted, where it differed by stratum; customers are then weighted by 1 / P(own arm).

    Examples
    --------
    >>> treated, bought = [1, 1, 0, 0], [1, 0, 0, 1]
    >>> qini_score(bought, treated, [4, 2, 3, 1]), qini_score(bought, treated, [1, 1, 1, 1])
    (1.0, 0.0)
    """
    return _score("qini", outcome, treatment, score, probability)


def auuc_score(
    outcome: ArrayLike, treatment: ArrayLike, score: ArrayLike, probability: ArrayLike | None = None
) -> float:
    """Area under share contacted times uplift so far, in the outcome's unit per customer of the base.

    It is the mean gain when the share contacted is anything from nobody to everybody; at random it is half the
    campaign's lift (`auuc_above_random` in `uplift_report_frame` subtracts that).

    Examples
    --------
    >>> auuc_score([1, 0, 1, 0], [1, 0, 1, 0], [1, 1, 1, 1])
    0.5
    """
    return _score("auuc", outcome, treatment, score, probability)


def _score(
    name: str, outcome: ArrayLike, treatment: ArrayLike, score: ArrayLike, probability: ArrayLike | None
) -> float:
    campaign = _campaign(outcome, treatment, probability)
    _, s = paired_arrays(outcome, score)
    return UPLIFT_METRICS[name](campaign, s)(None)


def qini_curve_frame(
    outcome: ArrayLike,
    treatment: ArrayLike,
    scores: Mapping[str, ArrayLike],
    probability: ArrayLike | None = None,
    points: int = 100,
) -> pd.DataFrame:
    """Gain of contacting the best share of the base, a line a score.

    Returns
    -------
    DataFrame
        `score, contacted, gain, uplift, qini`: share contacted, outcome gained per customer of the whole base (Qini
        gain, at full contact the campaign's lift), mean uplift of those contacted, and the score's normalised Qini.

    Examples
    --------
    >>> frame = qini_curve_frame([1, 0, 0, 0], [1, 1, 0, 0], {"rule": [2, 1, 2, 1]}, points=2)
    >>> frame[["contacted", "gain"]].to_numpy().tolist()
    [[0.0, 0.0], [0.5, 0.5], [1.0, 0.5]]
    """
    campaign = _campaign(outcome, treatment, probability)
    shares = np.linspace(0.0, 1.0, points + 1)
    sent = float(campaign.weight @ campaign.treated)
    frames = []
    for name, score in scores.items():
        _, s = paired_arrays(outcome, score)
        share, gain, mean = _Order(campaign, s).curve()
        parts = {"contacted": shares, "gain": np.interp(shares, share, gain / sent)}
        parts["uplift"] = np.interp(shares, share, mean)
        frames.append(pd.DataFrame({"score": name, **parts, "qini": _qini(campaign, s)(None)}))
    return pd.concat(frames, ignore_index=True)


@dataclass(frozen=True)
class _Bootstrap:
    draws: int
    level: float
    seed: int

    def quantiles(self, values: FloatArray) -> tuple[float, float]:
        low, high = np.nanquantile(values, [(1 - self.level) / 2, (1 + self.level) / 2])
        return float(low), float(high)


def uplift_report_frame(
    outcome: ArrayLike,
    treatment: ArrayLike,
    scores: Mapping[str, ArrayLike],
    probability: ArrayLike | None = None,
    *,
    draws: int = 200,
    level: float = 0.95,
    seed: int = 20260101,
) -> pd.DataFrame:
    """Each metric of each score with a bootstrap interval, and its difference from the first score.

    Customers are drawn with replacement within their arm, the same draws for every score; rows may come in any order.

    Returns
    -------
    DataFrame
        One row a score and metric: `score, metric, value, low, high, difference, difference_low, difference_high`
        (this score minus the first one; NaN for the first).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, t = rng.integers(0, 2, 2000), rng.integers(0, 2, 2000)
    >>> y = rng.random(2000) < 0.1 + 0.3 * x * t
    >>> frame = uplift_report_frame(y, t, {"rule": x}, draws=50).set_index("metric")
    >>> bool(frame.loc["qini", "low"] > 0.1)
    True
    """
    campaign = _campaign(outcome, treatment, probability)
    names = list(scores)
    columns = [paired_arrays(outcome, scores[name])[1] for name in names]
    order = np.lexsort((*columns, campaign.weight, campaign.y, campaign.treated))
    campaign = _Campaign(*(part[order] for part in campaign))
    metrics = {
        (name, metric): make(campaign, column[order])
        for name, column in zip(names, columns, strict=True)
        for metric, make in UPLIFT_METRICS.items()
    }
    boot = _Bootstrap(draws, level, seed)
    drawn = _drawn(list(metrics.values()), campaign.treated, boot)
    found = {key: (metrics[key](None), drawn[:, place]) for place, key in enumerate(metrics)}
    rows = []
    for (name, metric), (value, values) in found.items():
        first, firsts = found[names[0], metric]
        apart = (value - first, *boot.quantiles(values - firsts)) if name != names[0] else (np.nan,) * 3
        rows.append((name, metric, value, *boot.quantiles(values), *apart))
    tail = ["difference", "difference_low", "difference_high"]
    return pd.DataFrame(rows, columns=["score", "metric", "value", "low", "high", *tail])


def _drawn(metrics: list[Weighted], treated: FloatArray, boot: _Bootstrap) -> FloatArray:
    """Metrics on each draw, shape (draws, metrics); arms keep their sizes."""
    rng = np.random.default_rng(boot.seed)
    arms = [np.flatnonzero(treated == arm) for arm in (0, 1)]
    values = np.empty((boot.draws, len(metrics)))
    counts = np.empty(len(treated))
    for draw in range(boot.draws):
        for members in arms:
            counts[members] = np.bincount(rng.integers(0, len(members), len(members)), minlength=len(members))
        values[draw] = [metric(counts) for metric in metrics]
    return values


def uplift_decile_frame(
    outcome: ArrayLike,
    treatment: ArrayLike,
    score: ArrayLike,
    probability: ArrayLike | None = None,
    *,
    n_bins: int = 10,
    level: float = 0.95,
) -> pd.DataFrame:
    """Observed uplift by tenth of the score (10 = highest), with normal intervals.

    Equal scores share a bin, so there may be fewer of them. For 0/1 outcomes the variance is taken at a rate with one
    success and one failure added to each arm (Agresti and Caffo 2000), so that an arm without buyers is not certain.

    Returns
    -------
    DataFrame
        `decile, customers, treated, control, predicted, uplift, low, high`; `predicted` is the mean score. Uplift
        is NaN where an arm is empty.

    Examples
    --------
    >>> frame = uplift_decile_frame([1, 0, 0, 0] * 50, [1, 0, 1, 0] * 50, [0.9, 0.9, 0.1, 0.1] * 50, n_bins=2)
    >>> frame["decile"].tolist(), frame["uplift"].tolist()
    ([1, 2], [0.0, 1.0])
    """
    y, treated, weight = _campaign(outcome, treatment, probability)
    _, s = paired_arrays(outcome, score)
    bins = equal_count_bins(s, n_bins)
    binary = bool(np.isin(y, (0.0, 1.0)).all())
    means, variances, counts = zip(
        *(_bin_means(y, weight * (treated == arm), bins, n_bins, binary) for arm in (1, 0)), strict=True
    )
    people = np.bincount(bins, minlength=n_bins)
    uplift = means[0] - means[1]
    half = norm.ppf((1 + level) / 2) * np.sqrt(variances[0] + variances[1])
    predicted = np.bincount(bins, weights=s, minlength=n_bins) / np.maximum(people, 1)
    columns = {
        "decile": np.arange(1, n_bins + 1),
        "customers": people,
        "treated": counts[0],
        "control": counts[1],
    }
    columns |= {"predicted": predicted, "uplift": uplift, "low": uplift - half, "high": uplift + half}
    frame = pd.DataFrame(columns)
    return frame[frame["customers"] > 0].reset_index(drop=True)


def _bin_means(
    y: FloatArray, weight: FloatArray, bins: NDArray[np.int64], n_bins: int, binary: bool
) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """Weighted mean of each bin, its variance, and the customers in it (those of weight above 0)."""
    counts = np.bincount(bins, weights=weight > 0, minlength=n_bins)
    total = np.bincount(bins, weights=weight, minlength=n_bins)
    squares = np.bincount(bins, weights=weight**2, minlength=n_bins)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(bins, weights=weight * y, minlength=n_bins) / total
        if binary:
            effective = total**2 / squares + 2
            rate = (mean * (effective - 2) + 1) / effective
            variance = rate * (1 - rate) / effective
        else:
            residual = np.bincount(bins, weights=(weight * (y - mean[bins])) ** 2, minlength=n_bins)
            variance = residual / total**2 * counts / (counts - 1)
    return mean, variance, counts.astype(np.int64)
