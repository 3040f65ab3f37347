"""Which mixture of forecasts, what total, how much unrest: decided on windows that were foretold and then came.

The mixture is the one with the least Tweedie deviance (power 1.5) over the rehearsed windows, each forecast brought to
its window's total first. A deviance rather than an absolute error, because the latter is least for a median, which for
most customers is nothing at all; and rather than a squared one, which two wholesalers decide. It is proper for the
mean, sees order and calibration alike, and rescaling the currency changes no choice. The total is set apart from the
shape, since another season moves the first and not the second. At most two kinds of trees take part, because each
costs its time on every customer scored.

References
----------
Jorgensen (1987), Exponential dispersion models. Tashman (2000), Out-of-sample tests of forecasting accuracy: an
analysis and review (rolling origins).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from segml.models.boosting import FloatArray
from segml.models.value_candidates import RHYTHM, blended

_STEP = 0.1
_LEAST = 1e-6
_MOST_TREES = 2
_ROWS_TO_CHOOSE = 20_000  # of each window
_FADING = 0.5  # weight of a window against the one after it, in the total
_KEPT = 0.5  # of the log of a past error, carried to the next window
_TOTALS = (0.5, 2.0)
_UNREST = (0.07, 0.5)  # no base measured was calmer than the first


@dataclass(frozen=True)
class Rehearsal:
    """A window that was forecast from what was known before it.

    Attributes
    ----------
    cutoff : str
        Where it begins; empty when unknown.
    forecasts : dict of str to array of shape (n,)
        By candidate.
    realised : array of shape (n,)
    """

    cutoff: str
    forecasts: Mapping[str, FloatArray]
    realised: FloatArray


def tweedie_deviance(realised: FloatArray, forecast: FloatArray) -> float:
    """Mean Tweedie deviance of power 1.5, in units of the realised mean, of a forecast brought to the realised total.

    Examples
    --------
    >>> y = np.array([0.0, 0.0, 10.0, 30.0])
    >>> tweedie_deviance(y, y + 1) < tweedie_deviance(y, np.ones(4)) < tweedie_deviance(y, y[::-1] + 1)
    True
    """
    z = (
        np.maximum(realised, 0.0) / np.maximum(realised, 0.0).mean()
    )  # a refund beyond the spend counts as zero
    root = np.sqrt(np.maximum(forecast / forecast.mean(), _LEAST))
    return float(np.mean(4 * (z / root + root - 2 * np.sqrt(z))))


def choose_weights(rehearsals: Sequence[Rehearsal]) -> dict[str, float]:
    """Return the convex weights with the least deviance over all rehearsals.

    Parameters
    ----------
    rehearsals : sequence of Rehearsal
        Candidates that are missing in one are not considered; windows in which nobody spent are passed over.

    Returns
    -------
    dict of str to float
        Positive weights only, in steps of a tenth; empty when no rehearsal tells anything, or no candidate is in all.

    Examples
    --------
    >>> y = np.array([0.0, 5.0, 0.0, 40.0] * 30)
    >>> choose_weights([Rehearsal("", {"tweedie": y + 1.0, "rhythm": y[::-1] + 1.0}, y)])
    {'tweedie': 1.0}
    """
    told = [r for r in rehearsals if r.realised.sum() > 0]
    if not told:
        return {}
    some = [_some_rows(rehearsal) for rehearsal in told]
    best: tuple[float, dict[str, float]] = (np.inf, {})
    names = [name for name in told[0].forecasts if all(name in r.forecasts for r in told)]
    if not names:
        return {}
    for weights in _mixtures(names):
        loss = sum(tweedie_deviance(r.realised, blended(r.forecasts, weights)) for r in some)
        if loss < best[0] - 1e-12:
            best = (loss, weights)
    return best[1]


def _some_rows(rehearsal: Rehearsal) -> Rehearsal:
    every = -(-len(rehearsal.realised) // _ROWS_TO_CHOOSE)
    forecasts = {name: forecast[::every] for name, forecast in rehearsal.forecasts.items()}
    return Rehearsal(rehearsal.cutoff, forecasts, rehearsal.realised[::every])


def _mixtures(names: Sequence[str]) -> Iterator[dict[str, float]]:
    trees, steps = [name for name in names if name != RHYTHM], round(1 / _STEP)
    rhythm = [RHYTHM] if RHYTHM in names else []
    for chosen in combinations(trees, min(_MOST_TREES, len(trees))) if trees else [()]:
        for shares in _compositions(len(chosen) + len(rhythm), steps):
            yield {
                name: share / steps for name, share in zip([*chosen, *rhythm], shares, strict=True) if share
            }


def _compositions(parts: int, total: int) -> Iterator[tuple[int, ...]]:
    if parts == 1:
        yield (total,)
        return
    for first in range(total, -1, -1):
        for rest in _compositions(parts - 1, total - first):
            yield (first, *rest)


def total_factor(rehearsals: Sequence[Rehearsal], weights: Mapping[str, float]) -> float:
    """Half of what past totals missed, on the log scale.

    Rehearsals come latest first, and each counts half as much as the one after it. Only half is carried over, because
    part of a window's error is its own: over twelve windows of three shops (all earlier than those the models are
    judged on) the mean absolute bias of the total was 5 % with half, 8 % with all, and 6 % with none.

    Examples
    --------
    >>> y = np.array([10.0, 30.0])
    >>> total_factor([Rehearsal("2017-01-01", {"rhythm": y / 2}, y), Rehearsal("2016-12-01", {"rhythm": y}, y)],
    ...              {"rhythm": 1.0}).__round__(3)
    1.26
    """
    logs, sizes = [], []
    for place, rehearsal in enumerate(rehearsals):
        realised, forecast = rehearsal.realised.sum(), blended(rehearsal.forecasts, weights).sum()
        if realised > 0 and forecast > 0:
            logs.append(np.log(realised / forecast))
            sizes.append(_FADING**place)
    return float(np.clip(np.exp(_KEPT * np.average(logs, weights=sizes)), *_TOTALS)) if logs else 1.0


def unrest(ratios: Mapping[int, float], horizon: int) -> float:
    """Typical change of realised / forecast from one window to the next that begins after it: a standard deviation.

    Parameters
    ----------
    ratios : dict of int to float
        Day of the cutoff -> realised / forecast total.
    horizon : int
        Days; windows closer than that share days and are not compared. Where none can be compared it is 7 %, the
        root mean square error of the total over the twelve windows of `total_factor`.

    Examples
    --------
    >>> round(unrest({0: 1.0, 14: 1.1, 90: 1.2, 104: 1.1}, 90), 3)
    0.129
    """
    days = sorted(day for day, ratio in ratios.items() if ratio > 0)
    changes = []
    for day in days:
        before = [earlier for earlier in days if earlier + horizon <= day]
        if before:
            changes.append(np.log(ratios[day] / ratios[before[-1]]))
    return float(np.clip(np.sqrt(np.mean(np.square(changes))) if changes else 0.0, *_UNREST))
