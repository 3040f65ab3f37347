"""Are the segments more than slices of noise, and more than slices of a continuum?

Stability alone is too generous. A uniform square has one best cut into four, and independent skewed columns have
one best cut into corners: every bootstrap sample finds it, and there is still nothing there. So the partition is
held against two worlds that have no segments by construction, both with single-peaked columns as skewed as the real
ones (Yeo-Johnson), and again with flat columns:

* **noise**: columns without any connection. Segments no clearer than these are refused.
* **continuum**: columns with the real correlations. Segments no clearer than these may still be useful slices of a
  continuum, and the report says so.

Clearer means a higher silhouette for KMeans, and for mixtures a higher gain in log-likelihood over one component
(the parametric bootstrap of the likelihood ratio).

References
----------
McLachlan, G. (1987), On bootstrapping the likelihood ratio test statistic for the number of components, JRSS C 36.
Liu, Y. et al. (2008), Statistical significance of clustering for high-dimension low-sample size data, JASA 103.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr
from sklearn.preprocessing import PowerTransformer
from threadpoolctl import threadpool_limits

from segml.models.segments.fits import fit_kmeans, fit_mixture
from segml.models.segments.partitions import MixturePartition, squared_distances

SEPARATION_ROWS = {"kmeans": 2_000, "gmm": 1_000}
DRAWS = {"kmeans": 6, "gmm": 4}
RESTARTS = 5
CEILING_DEVIATIONS = 3.0
"""How many standard deviations above the mean of the draws the ceiling lies."""


@dataclass(frozen=True)
class Separation:
    """The clarity observed, and what noise and a continuum reach at most."""

    observed: float
    noise_ceiling: float
    continuum_ceiling: float

    @classmethod
    def of_nothing(cls) -> Separation:
        """One segment is no clearer than noise, by definition."""
        return cls(0.0, 0.0, 0.0)

    @property
    def above_noise(self) -> bool:
        return self.observed > self.noise_ceiling

    @property
    def excess(self) -> float:
        """Clarity beyond what a continuum reaches; comparable between numbers of segments."""
        return self.observed - self.continuum_ceiling

    @property
    def above_continuum(self) -> bool:
        return self.observed > self.continuum_ceiling


def measure_separation(
    rows: np.ndarray, k: int, method: str, seed: int, covariance: str = "full"
) -> Separation:
    """Compare k segments of prepared rows (n, d) with worlds that have none.

    Parameters
    ----------
    rows : array, shape (n, d)
        Prepared features; a seeded subset is used above 2,000 rows (mixtures: 1,000).
    k : int
    method : {"kmeans", "gmm"}
    seed : int
    covariance : {"full", "diag"}
        Of the mixture.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> corners = np.array([(0, 0), (5, 0), (0, 5), (5, 5)])[np.arange(400) % 4]
    >>> measure_separation(corners + generator.normal(size=(400, 2)), 4, "kmeans", seed=1).above_continuum
    True
    >>> measure_separation(generator.uniform(size=(400, 2)), 4, "kmeans", seed=1).above_noise
    False
    """
    return measure_separations(rows, [k], method, seed, covariance)[k]


def measure_separations(
    rows: np.ndarray, ks: Sequence[int], method: str, seed: int, covariance: str = "full"
) -> dict[int, Separation]:
    """`measure_separation` for several k, against the same worlds; what depends on the world only is done once."""
    generator = np.random.default_rng(seed)
    if len(rows) > SEPARATION_ROWS[method]:
        rows = rows[np.sort(generator.choice(len(rows), SEPARATION_ROWS[method], replace=False))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # powers of two-valued columns overflow on the way
        worlds = _worlds_without_segments(rows, DRAWS[method], generator)
    with threadpool_limits(limits=1):  # small fits: threads cost more than they bring
        reached = np.array(
            [[clarities(world, ks, method, seed, covariance) for world in draws] for draws in worlds]
        )
        observed = clarities(rows, ks, method, seed, covariance)
    found = {}
    for place, k in enumerate(ks):
        ceilings = [_ceiling(draws[:, place]) for draws in reached]
        found[k] = Separation(observed[place], max(ceilings[:2]), max(ceilings[2:]))
    return found


def _worlds_without_segments(
    rows: np.ndarray, n_draws: int, generator: np.random.Generator
) -> list[list[np.ndarray]]:
    """Draws of: noise (skewed, flat columns), then continuum (skewed, flat columns)."""
    normaliser = PowerTransformer().fit(rows)
    scores = normaliser.transform(rows)
    correlated = _root(np.corrcoef(scores, rowvar=False).reshape(scores.shape[1], -1))
    low, high = scores.min(axis=0), scores.max(axis=0)
    worlds: list[list[np.ndarray]] = []
    for mixing in (np.eye(rows.shape[1]), correlated):
        normals = [generator.normal(size=rows.shape) @ mixing.T for _ in range(n_draws)]
        worlds.append([normaliser.inverse_transform(np.clip(normal, low, high)) for normal in normals])
        worlds.append([np.sqrt(12.0) * (ndtr(normal) - 0.5) for normal in normals])
    return worlds


def clarities(
    rows: np.ndarray, ks: Sequence[int], method: str, seed: int, covariance: str = "full"
) -> list[float]:
    """Silhouette of k-means, or log-likelihood gained per customer by a mixture of k over one Gaussian."""
    if method == "kmeans":
        between = distances_between(rows)
        return [silhouette(between, fit_kmeans(rows, k, seed, RESTARTS).labels(rows)) for k in ks]
    alone = _mean_log_likelihood(fit_mixture(rows, 1, seed, 1, "full"), rows)
    return [_mean_log_likelihood(fit_mixture(rows, k, seed, 1, covariance), rows) - alone for k in ks]


def distances_between(rows: np.ndarray) -> np.ndarray:
    """Euclidean distances of all pairs, shape (n, n)."""
    squared = squared_distances(rows, rows)
    np.fill_diagonal(squared, 0.0)
    return np.sqrt(squared, out=squared)


def silhouette(between: np.ndarray, labels: np.ndarray) -> float:
    """Mean silhouette width (Rousseeuw 1987) from all pairwise distances; 0 when there is one segment.

    Examples
    --------
    >>> silhouette(distances_between(np.array([[0.0], [1.0], [10.0], [11.0]])), np.array([0, 0, 1, 1])).__round__(3)
    0.9
    """
    found, labels = np.unique(labels, return_inverse=True)
    if len(found) < 2:
        return 0.0
    members = np.eye(len(found))[labels]
    sizes, own = members.sum(axis=0), np.arange(len(labels))
    totals = between @ members
    inside = totals[own, labels] / np.maximum(sizes[labels] - 1, 1)
    totals /= sizes
    totals[own, labels] = np.inf
    outside = totals.min(axis=1)
    width = (outside - inside) / np.maximum(np.maximum(outside, inside), 1e-300)
    return float(np.where(sizes[labels] > 1, width, 0.0).mean())


def _mean_log_likelihood(mixture: MixturePartition, rows: np.ndarray) -> float:
    return float(logsumexp(mixture.log_densities(rows), axis=1).mean())


def _ceiling(draws: np.ndarray) -> float:
    return float(draws.mean() + CEILING_DEVIATIONS * draws.std(ddof=1))


def _root(correlation: np.ndarray) -> np.ndarray:
    """Symmetric square root; collinear columns are allowed."""
    values, vectors = np.linalg.eigh(correlation)
    return vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
