"""KMeans over the answers that were given, many runs at a time, and one clustering out of thirty.

*Missing stays missing*: a distance is taken over the answered columns only, and a centre is the mean of the answers
its members gave (k-POD). That is the maximum-likelihood fit of round Gaussians when answers are missing at random,
so nothing is filled in, neither at fitting nor at scoring.

*Bagged clustering*: on surveys, where groups shade into each other, one KMeans depends on its start and on who
happened to answer. Thirty runs on 80 % subsamples do not agree in detail, but their centres crowd around the same
places: the thirty sets of centres are clustered once more, and the means of those crowds are the consensus. It is a
set of centres again, so scoring stays a distance. Voting person by person and clustering the co-memberships were
tried beside it on the Young People Survey: mostly a little less stable, and of themselves neither scores a newcomer.

Runs share one matrix product (all centres side by side, single precision), which is what makes thirty cheap.

References
----------
Chi, J., Chi, E. and Baraniuk, R. (2016), k-POD: a method for k-means clustering of missing data, Am. Stat. 70.
Leisch, F. (1999), Bagged clustering, SFB Adaptive Information Systems, working paper 51, WU Vienna.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

RUNS = 30
SUBSAMPLE = 0.8
RUN_STARTS = 3
"""Restarts of each of the runs."""
CROWD_STARTS = 20
"""Restarts when the centres of the runs are clustered."""

MAX_SWEEPS = 60
STILL_MOVING = 0.002
"""A run is over when fewer than this share of the rows changed their centre."""

RUNS_AT_A_TIME = 100


class AnsweredRows:
    """Rows (n, d) with NaN for unanswered, laid out for distances over the answered columns.

    Examples
    --------
    >>> rows = AnsweredRows(np.array([[0.0, np.nan], [3.0, 4.0]]))
    >>> rows.squared_distances(np.array([[0.0, 9.0], [0.0, 0.0]])).tolist()
    [[0.0, 0.0], [34.0, 25.0]]
    """

    def __init__(self, values: np.ndarray, precision: type[np.floating] = np.float64) -> None:
        answered = ~np.isnan(values)
        self.filled = np.where(answered, values, 0.0).astype(precision)
        self.mask = None if answered.all() else answered.astype(precision)
        self.squares = (self.filled**2).sum(axis=1)

    def __len__(self) -> int:
        return len(self.filled)

    def squared_distances(self, centres: np.ndarray) -> np.ndarray:
        """Squared distances to centres (m, d) over each row's own answers, shape (n, m)."""
        distances = self.filled @ (-2.0 * centres.T)
        distances += (centres**2).sum(axis=1) if self.mask is None else self.mask @ (centres**2).T
        distances += self.squares[:, None]
        return np.maximum(distances, 0.0, out=distances)

    def means(self, weights: np.ndarray) -> np.ndarray:
        """Means of the answers under weights (n, m), shape (m, d); a column nobody answered is 0."""
        sums = weights.T @ self.filled
        counts = weights.sum(axis=0)[:, None] if self.mask is None else weights.T @ self.mask
        return np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)


def fit_runs(
    rows: AnsweredRows, k: int, weights: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one KMeans for each row of weights, all at once.

    Parameters
    ----------
    rows : AnsweredRows
        n rows of d columns.
    k : int
    weights : array, shape (runs, n)
        How often a row counts in a run; 0 leaves it out.
    generator : Generator
        For the starts (k-means++).

    Returns
    -------
    centres, inertia
        Shapes (runs, k, d) and (runs,).

    Examples
    --------
    >>> rows = AnsweredRows(np.array([[0.0], [0.2], [9.0], [9.2]]))
    >>> centres, inertia = fit_runs(rows, 2, np.ones((3, 4)), np.random.default_rng(0))
    >>> np.sort(centres[:, :, 0], axis=1).round(1).tolist(), inertia.round(3).tolist()
    ([[0.1, 9.1], [0.1, 9.1], [0.1, 9.1]], [0.04, 0.04, 0.04])
    """
    weights = weights.astype(rows.filled.dtype)
    parts = [
        _fit_together(rows, k, weights[start : start + RUNS_AT_A_TIME], generator)
        for start in range(0, len(weights), RUNS_AT_A_TIME)
    ]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _fit_together(
    rows: AnsweredRows, k: int, weights: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    centres = _starts(rows, k, weights, generator)
    best, inertia = centres.astype(float), np.zeros(len(weights))
    live = np.arange(len(weights))
    before: np.ndarray | None = None
    for _ in range(MAX_SWEEPS):
        labels, nearest = _nearest(rows, centres)
        best[live], inertia[live] = centres, (nearest * weights[live].T).sum(axis=0)
        moving = np.ones(len(live), dtype=bool)
        if before is not None:
            moving = (labels != before).mean(axis=0) > STILL_MOVING
        if not moving.any():
            break
        live, labels, centres = live[moving], labels[:, moving], centres[moving]
        before = labels
        centres = _member_means(rows, labels, weights[live], centres)
    return best, inertia


def _starts(rows: AnsweredRows, k: int, weights: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """k-means++: each further start is drawn in proportion to its squared distance from the nearest one."""
    runs, n = weights.shape
    centres = np.zeros((runs, k, rows.filled.shape[1]), dtype=rows.filled.dtype)
    chance, nearest = weights, np.full((runs, n), np.inf)
    for j in range(k):
        reached = chance.cumsum(axis=1, dtype=np.float64)
        reached /= reached[:, -1:]
        drawn = (reached < generator.random((runs, 1))).sum(axis=1).clip(0, n - 1)
        centres[:, j] = rows.filled[drawn]
        nearest = np.minimum(nearest, rows.squared_distances(centres[:, j]).T)
        # The small part keeps a run alive in which every row already sits on a start.
        chance = (nearest + 1e-12) * weights
    return centres


def _nearest(rows: AnsweredRows, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(label, squared distance) of each row in each run, both of shape (n, runs)."""
    runs, k, d = centres.shape
    side_by_side = centres.transpose(1, 0, 2).reshape(k * runs, d)
    distances = rows.squared_distances(side_by_side).reshape(len(rows), k, runs)
    labels, nearest = np.zeros((len(rows), runs), dtype=np.int8), distances[:, 0].copy()
    for j in range(1, k):  # k is small: comparing whole slices beats argmin along a short axis
        closer = distances[:, j] < nearest
        labels[closer] = j
        np.minimum(nearest, distances[:, j], out=nearest)
    return labels, nearest


def _member_means(
    rows: AnsweredRows, labels: np.ndarray, weights: np.ndarray, before: np.ndarray
) -> np.ndarray:
    """New centres; one that lost all its members stays where it was."""
    runs, k, d = before.shape
    member = (labels[:, None, :] == np.arange(k, dtype=np.int8)[None, :, None]) * weights.T[:, None, :]
    member = member.reshape(len(rows), k * runs)
    means = rows.means(member).reshape(k, runs, d).transpose(1, 0, 2)
    empty = (member.sum(axis=0) == 0).reshape(k, runs).T
    return np.where(empty[:, :, None], before, means)


def fit_single(values: np.ndarray, k: int, seed: int, n_init: int) -> np.ndarray:
    """Centres (k, d) of the best of `n_init` plain runs on all rows (n, d)."""
    generator = np.random.default_rng(seed)
    centres, inertia = fit_runs(
        AnsweredRows(values, np.float32), k, np.ones((n_init, len(values))), generator
    )
    return np.asarray(centres[int(np.argmin(inertia))])


def fit_consensus(values: np.ndarray, k: int, seed: int, runs: int = RUNS) -> np.ndarray:
    """Centres (k, d) of bagged clustering: `runs` KMeans on 80 % subsamples, and KMeans of their centres.

    Parameters
    ----------
    values : array, shape (n, d)
        Prepared measures, NaN for unanswered; at least k rows.
    k : int
    seed : int
    runs : int

    Examples
    --------
    >>> values = np.repeat([[0.0, 0.0], [9.0, np.nan], [0.0, 9.0]], 20, axis=0)
    >>> fit_consensus(values, 3, seed=0)[:, 0].round(6).tolist().count(9.0)
    1
    """
    generator = np.random.default_rng(seed)
    n = len(values)
    inside = generator.random((runs, n)).argsort(axis=1).argsort(axis=1) < max(k, round(SUBSAMPLE * n))
    weights = np.repeat(inside.astype(float), RUN_STARTS, axis=0)
    centres, inertia = fit_runs(AnsweredRows(values, np.float32), k, weights, generator)
    best = inertia.reshape(runs, RUN_STARTS).argmin(axis=1)
    crowd = centres.reshape(runs, RUN_STARTS, k, -1)[np.arange(runs), best].reshape(runs * k, -1)
    return fit_single(crowd, k, seed, CROWD_STARTS)


def labeller_of(centres: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The nearest centre of each row, as `evaluation.stability` wants it."""

    def label(values: np.ndarray) -> np.ndarray:
        return np.asarray(AnsweredRows(values).squared_distances(centres).argmin(axis=1))

    return label
