"""Would another sample of the same customers give the same segments?

A clustering always returns clusters. The honest question is whether they come back: draw bootstrap samples, fit
each, let every fit label the *same* customers, and compare the labellings two by two (adjusted Rand index) and
segment by segment (Jaccard, Hennig 2007). Everything here is a pure function of arrays; what a "fit" is, the
caller says.

References
----------
Hubert, L. and Arabie, P. (1985), Comparing partitions, Journal of Classification 2.
Hennig, C. (2007), Cluster-wise assessment of cluster stability, Computational Statistics & Data Analysis 52.
Fang, Y. and Wang, J. (2012), Selection of the number of clusters via the bootstrap method, CSDA 56.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd

Labeller = Callable[[np.ndarray], np.ndarray]
"""Rows in, integer labels out: what a fitted clustering is to this module."""


def contingency_counts(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Count customers for each pair of labels.

    Parameters
    ----------
    first, second : array of int, shape (n,)
        Labels of the same customers in the same order, each >= 0.

    Returns
    -------
    array of int64, shape (max(first) + 1, max(second) + 1)

    Examples
    --------
    >>> contingency_counts(np.array([0, 0, 1]), np.array([1, 1, 0])).tolist()
    [[0, 2], [1, 0]]
    """
    first, second = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    rows, columns = int(first.max()) + 1, int(second.max()) + 1
    return np.bincount(first * columns + second, minlength=rows * columns).reshape(rows, columns)


def adjusted_rand_score(first: np.ndarray, second: np.ndarray) -> float:
    """Agreement of two labellings, 1 for the same partition and about 0 for chance.

    Two labellings that both put everyone in one group agree perfectly and score 1.

    Parameters
    ----------
    first, second : array of int, shape (n,)
        Labels of the same customers, each >= 0; which number stands for which segment does not matter.

    Examples
    --------
    >>> adjusted_rand_score(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    """
    counts = contingency_counts(first, second).astype(float)
    total = counts.sum()
    together = (counts**2).sum() - total
    in_first = (counts.sum(axis=1) ** 2).sum() - total
    in_second = (counts.sum(axis=0) ** 2).sum() - total
    all_pairs = total * (total - 1)
    expected = in_first * in_second / all_pairs if all_pairs else 0.0
    ceiling = (in_first + in_second) / 2
    return 1.0 if ceiling == expected else float((together - expected) / (ceiling - expected))


def bootstrap_labels(
    rows: np.ndarray, fit: Callable[[np.ndarray, int], Labeller], n_bootstraps: int, seed: int
) -> np.ndarray:
    """Label the same customers by clusterings fitted to bootstrap samples of them.

    Parameters
    ----------
    rows : array, shape (n, d)
        Prepared features, in an order that does not depend on how the file was sorted.
    fit : callable (sample, seed) -> labeller
        Fits one clustering; the labeller it returns is then given all of `rows`.
    n_bootstraps : int
        Number of samples, at least 2.
    seed : int

    Returns
    -------
    array of int, shape (n_bootstraps, n)

    Examples
    --------
    >>> split_at_mean = lambda sample, seed: lambda x: (x[:, 0] > sample.mean()).astype(int)
    >>> bootstrap_labels(np.array([[0.0], [0.1], [9.0], [9.1]]), split_at_mean, 2, seed=1).shape
    (2, 4)
    """
    if n_bootstraps < 2:
        raise ValueError(f"a comparison of pairs needs at least 2 bootstrap samples, not {n_bootstraps}")
    labels = np.empty((n_bootstraps, len(rows)), dtype=np.int64)
    for b in range(n_bootstraps):
        generator = np.random.default_rng([seed, b])
        # Sorted: the sample is a multiset, and a fit should see it in the base's own order.
        drawn = np.sort(generator.integers(0, len(rows), len(rows)))
        labels[b] = fit(rows[drawn], seed + b)(rows)
    return labels


def pairwise_rand_scores(labels: np.ndarray) -> np.ndarray:
    """Adjusted Rand index of every pair of labellings.

    Parameters
    ----------
    labels : array of int, shape (n_bootstraps, n)

    Returns
    -------
    array of float, shape (n_bootstraps * (n_bootstraps - 1) / 2,)

    Examples
    --------
    >>> pairwise_rand_scores(np.array([[0, 0, 1, 1], [1, 1, 0, 0], [0, 0, 1, 1]])).tolist()
    [1.0, 1.0, 1.0]
    """
    return np.array(
        [adjusted_rand_score(labels[i], labels[j]) for i, j in combinations(range(len(labels)), 2)]
    )


def segment_jaccard(reference: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """How well each single segment comes back in the bootstrap clusterings.

    For each segment and each bootstrap the best Jaccard overlap with any bootstrap cluster is taken. A segment
    whose mean is below 0.6 should not be given a meaning (Hennig 2007).

    Parameters
    ----------
    reference : array of int, shape (n,)
        The segments that are reported.
    labels : array of int, shape (n_bootstraps, n)
        From `bootstrap_labels`, over the same customers.

    Returns
    -------
    DataFrame, one row a segment
        Columns `segment`, `jaccard_mean`, `jaccard_low` (10th percentile), `recovered_share` (overlap >= 0.75).

    Examples
    --------
    >>> reference = np.array([0, 0, 1, 1])
    >>> segment_jaccard(reference, np.array([[1, 1, 0, 0]]))["jaccard_mean"].tolist()
    [1.0, 1.0]
    """
    best = np.array([_best_overlap(contingency_counts(reference, row)) for row in labels])
    return pd.DataFrame(
        {
            "segment": np.arange(best.shape[1]),
            "jaccard_mean": best.mean(axis=0),
            "jaccard_low": np.quantile(best, 0.1, axis=0),
            "recovered_share": (best >= 0.75).mean(axis=0),
        }
    )


def _best_overlap(counts: np.ndarray) -> np.ndarray:
    union = counts.sum(axis=1, keepdims=True) + counts.sum(axis=0, keepdims=True) - counts
    return (counts / np.maximum(union, 1)).max(axis=1)
