"""Weights of a blend that are at least zero and sum to one, found on rows that the parts have not learned from.

The likelihood decides, with an intercept of its own for every backtest window (a month with few orders must not speak
for one part or another) and one common slope (the mean of several log-odds is too timid). Usual weights act like rows
seen before, so that a small base keeps them and a large one says what it likes.

References
----------
Wolpert (1992), Stacked generalization. Breiman (1996), Stacked regressions (why the weights must not be negative).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit, softmax

FloatArray = NDArray[np.float64]
_DIGITS = 4


def convex_weights(
    log_odds: FloatArray,
    outcome: ArrayLike,
    windows: ArrayLike,
    row_weight: ArrayLike,
    usual: Sequence[float],
    strength: float,
) -> tuple[float, ...]:
    """Return the weights, rounded to four digits.

    Parameters
    ----------
    log_odds : array of shape (n, parts)
    outcome : array of shape (n,)
        0 or 1.
    windows : array of shape (n,)
        Backtest window of each row.
    row_weight : array of shape (n,)
        How much a row counts: a customer seen at three cutoffs of a window is still one customer.
    usual : sequence of float
        Positive; sum to one.
    strength : float
        Weight of the usual weights, in units of log-likelihood.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> good, noise = rng.normal(0, 2, 4000), rng.normal(0, 2, 4000)
    >>> silent = (rng.random(4000) < expit(good)).astype(float)
    >>> both, once = np.column_stack([good, noise]), np.ones(4000)
    >>> weights = convex_weights(both, silent, np.zeros(4000), once, (0.5, 0.5), 1.0)
    >>> weights[0] > 0.95, sum(weights) == 1.0
    (True, True)
    """
    Z, y, w = np.asarray(log_odds, dtype=float), np.asarray(outcome, dtype=float), np.asarray(row_weight)
    levels, window = np.unique(np.asarray(windows), return_inverse=True)
    parts, prior = Z.shape[1], np.asarray(usual, dtype=float)

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        shares, slope, shifts = softmax(theta[:parts]), np.exp(theta[parts]), theta[parts + 1 :]
        blend = Z @ shares
        z = slope * blend + shifts[window]
        residual = w * (expit(z) - y)
        value = float(w @ (np.logaddexp(0.0, z) - y * z))
        value += -strength * float(prior @ np.log(shares)) + 0.5 * float(theta[parts] ** 2)
        by_share = slope * (Z.T @ residual)
        by_theta = shares * (by_share - shares @ by_share) - strength * (prior - shares)
        by_shift = np.bincount(window, residual, len(levels))
        return value, np.concatenate([by_theta, [slope * float(residual @ blend) + theta[parts]], by_shift])

    start = np.concatenate([np.log(prior), np.zeros(1 + len(levels))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-13})
    reached = found.x if found.fun < loss(start)[0] else start
    return _rounded(softmax(reached[:parts]))


def _rounded(shares: FloatArray) -> tuple[float, ...]:
    """Four digits, the largest share taking what rounding leaves, so that they sum to one."""
    whole = np.round(shares * 10**_DIGITS).astype(int)
    whole[int(np.argmax(whole))] += 10**_DIGITS - int(whole.sum())
    return tuple((whole / 10**_DIGITS).tolist())
