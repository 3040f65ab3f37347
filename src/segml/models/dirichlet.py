"""How far groups differ from the whole: the Dirichlet-multinomial, fitted to counts of counts.

A group's shares over K places are drawn around those of the whole, with a concentration that says how close: a group
of N events counts as `n / N`, the whole as `concentration` events more. Few events leave a group at the whole, many
free it, and how many "many" is, is learnt from all groups together (empirical Bayes).

References
----------
Minka (2000), Estimating a Dirichlet distribution. Casella (1985), An introduction to empirical Bayes data analysis.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

SMALLEST, LARGEST = 0.1, 1e5


def fit_concentration(
    counts: ArrayLike,
    expected: ArrayLike,
    groups: ArrayLike,
    totals: ArrayLike,
    totals_groups: ArrayLike,
) -> float:
    """Return the concentration that makes the counts likeliest, between 0.1 and 100,000.

    Counts of counts are enough, so that millions of groups come as a short table.

    Parameters
    ----------
    counts, expected, groups : array-like of shape (m,)
        A count above 0, the share of the whole at its place, and in how many groups that count stands there.
    totals, totals_groups : array-like of shape (t,)
        Events of a group, and how many groups have so many.

    Returns
    -------
    float
        Events that the whole counts as. Without any group, 100,000: nothing is known to differ.

    Examples
    --------
    Two groups that lie apart are freed; two that are alike stay at the whole.

    >>> far = fit_concentration([90, 10, 10, 90], [0.5] * 4, [1] * 4, [100], [2])
    >>> near = fit_concentration([50, 50, 50, 50], [0.5] * 4, [1] * 4, [100], [2])
    >>> round(far, 1), near > 1000
    (1.3, True)
    """
    n, share, weight, size, many = (
        np.asarray(a, dtype=float) for a in (counts, expected, groups, totals, totals_groups)
    )
    if not len(size):
        return LARGEST

    def loss(logarithm: float) -> float:
        k = np.exp(logarithm)
        whole = (many * (gammaln(k) - gammaln(k + size))).sum()
        return -float(whole + (weight * (gammaln(k * share + n) - gammaln(k * share))).sum())

    bounds = (np.log(SMALLEST), np.log(LARGEST))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def shrunken_shares(counts: ArrayLike, whole: ArrayLike, concentration: float) -> NDArray[np.float64]:
    """Return each group's posterior mean shares, shape (groups, places).

    Parameters
    ----------
    counts : array-like of shape (groups, places)
    whole : array-like of shape (places,)
        Shares of the whole, adding up to 1.

    Examples
    --------
    >>> shrunken_shares([[4, 0], [0, 0]], [0.5, 0.5], 4).tolist()
    [[0.75, 0.25], [0.5, 0.5]]
    """
    n, prior = np.asarray(counts, dtype=float), np.asarray(whole, dtype=float)
    return (n + concentration * prior) / (n.sum(axis=1, keepdims=True) + concentration)
