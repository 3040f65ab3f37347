"""The two clusterings as plain parameters: what prediction needs, and nothing else.

Keeping the prediction here, in numpy and in JSON-able arrays, is what makes a stored model give the same answer
as the fitted one whatever library version reads it. Both parameter classes answer the same questions:
`memberships`, `distances`, `labels`, `strangeness`, `n_segments`, `reordered`. How they are fitted is in `fits.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

MAX_COMPONENTS = 6
"""Mixtures with more components than this chase tails of the features, not customers."""

COVARIANCE_FLOOR = 1e-3
"""Added to the diagonal of every covariance, in standardised units."""


def squared_distances(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances, shape (n, k), in one matrix product.

    Examples
    --------
    >>> squared_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[25.0, 0.0]]
    """
    squared = rows @ (-2.0 * centres.T)
    squared += (rows**2).sum(axis=1, keepdims=True)
    squared += (centres**2).sum(axis=1)
    return np.maximum(squared, 0.0, out=squared)


def _softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits - logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


@dataclass(frozen=True)
class CentroidPartition:
    """KMeans: centres, and one pooled variance that turns distances into soft memberships.

    Membership is the softmax of -d^2 / (2 s^2) with s^2 the pooled within-segment variance a dimension: the
    posterior of equally likely round Gaussians, of which KMeans is the hard limit.
    """

    centres: np.ndarray
    variance: float
    kind = "kmeans"

    @property
    def n_segments(self) -> int:
        return len(self.centres)

    def distances(self, rows: np.ndarray) -> np.ndarray:
        """Euclidean distance to each centre, shape (n, k)."""
        return np.sqrt(squared_distances(rows, self.centres))

    def memberships(self, rows: np.ndarray) -> np.ndarray:
        """Soft memberships, shape (n, k); rows sum to 1."""
        return _softmax(squared_distances(rows, self.centres) / (-2.0 * self.variance))

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Nearest centre of each row."""
        return squared_distances(rows, self.centres).argmin(axis=1)

    def strangeness(self, rows: np.ndarray) -> np.ndarray:
        """Squared distance to the nearest centre: how far a row is from everybody's segment."""
        return squared_distances(rows, self.centres).min(axis=1)

    def information(self, rows: np.ndarray) -> tuple[float, float]:
        """(BIC, ICL) of the round Gaussians that k-means stands for; lower is better."""
        k, d = self.centres.shape
        sizes = np.bincount(self.labels(rows), minlength=k) / len(rows)
        factors = np.full((k, d), self.variance**-0.5)
        as_mixture = MixturePartition(np.maximum(sizes, 1e-300), self.centres, factors)
        excess = as_mixture.n_parameters - (k * d + k)  # one variance instead of k x d
        bic, icl = as_mixture.information(rows)
        saved = excess * float(np.log(len(rows)))
        return bic - saved, icl - saved

    def reordered(self, order: np.ndarray) -> CentroidPartition:
        """The same partition with segment `order[i]` numbered i."""
        return CentroidPartition(self.centres[order], self.variance)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "centres": self.centres.tolist(), "variance": self.variance}


@dataclass(frozen=True)
class MixturePartition:
    """Gaussian mixture: weights, means and, for each component, the Cholesky factor of its precision.

    `precision_factors` has shape (k, d, d) for full covariances and (k, d) for diagonal ones.
    """

    weights: np.ndarray
    centres: np.ndarray
    precision_factors: np.ndarray
    kind = "gmm"

    @property
    def n_segments(self) -> int:
        return len(self.centres)

    @property
    def n_parameters(self) -> int:
        """Free parameters, for BIC."""
        k, d = self.centres.shape
        spread = d * (d + 1) // 2 if self.precision_factors.ndim == 3 else d
        return k * (spread + d) + k - 1

    def log_densities(self, rows: np.ndarray) -> np.ndarray:
        """Log of weight x density of each component, shape (n, k)."""
        k, d = self.centres.shape
        full = self.precision_factors.ndim == 3
        if full:  # one product for all components: rows are whitened side by side
            side_by_side = self.precision_factors.transpose(1, 0, 2).reshape(d, k * d)
            shifts = np.einsum("kd,kde->ke", self.centres, self.precision_factors).ravel()
            whitened = rows @ side_by_side
            whitened -= shifts
            squares = np.einsum("nke,nke->nk", *[whitened.reshape(len(rows), k, d)] * 2)
        else:
            precisions = self.precision_factors**2
            squares = (rows**2) @ precisions.T - 2.0 * rows @ (self.centres * precisions).T
            squares += (self.centres**2 * precisions).sum(axis=1)
        diagonals = np.diagonal(self.precision_factors, axis1=1, axis2=2) if full else self.precision_factors
        constants = np.log(diagonals).sum(axis=1) - 0.5 * d * np.log(2 * np.pi) + np.log(self.weights)
        return constants - 0.5 * squares

    def distances(self, rows: np.ndarray) -> np.ndarray:
        """Euclidean distance to each mean, shape (n, k)."""
        return np.sqrt(squared_distances(rows, self.centres))

    def memberships(self, rows: np.ndarray) -> np.ndarray:
        """Posterior probabilities, shape (n, k); rows sum to 1."""
        return _softmax(self.log_densities(rows))

    def labels(self, rows: np.ndarray) -> np.ndarray:
        """Most probable component of each row."""
        return self.log_densities(rows).argmax(axis=1)

    def strangeness(self, rows: np.ndarray) -> np.ndarray:
        """Minus twice the log density: how thin the mixture is where a row lies."""
        return -2.0 * logsumexp(self.log_densities(rows), axis=1)

    def information(self, rows: np.ndarray) -> tuple[float, float]:
        """(BIC, ICL) on these rows, lower is better; ICL adds the entropy of the memberships to BIC."""
        logs = self.log_densities(rows)
        bic = -2.0 * float(logsumexp(logs, axis=1).sum()) + self.n_parameters * float(np.log(len(rows)))
        posterior = _softmax(logs)
        entropy = -float((posterior * np.log(np.maximum(posterior, 1e-300))).sum())
        return bic, bic + 2.0 * entropy

    def reordered(self, order: np.ndarray) -> MixturePartition:
        """The same mixture with component `order[i]` numbered i."""
        return MixturePartition(self.weights[order], self.centres[order], self.precision_factors[order])

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "weights": self.weights.tolist(),
            "centres": self.centres.tolist(),
            "precision_factors": self.precision_factors.tolist(),
        }


Partition = CentroidPartition | MixturePartition


def partition_from_dict(stored: dict[str, Any]) -> Partition:
    """Rebuild either partition from its `to_dict`.

    Examples
    --------
    >>> partition_from_dict({"kind": "kmeans", "centres": [[0.0], [1.0]], "variance": 1.0}).n_segments
    2
    """
    if stored["kind"] == "kmeans":
        return CentroidPartition(np.asarray(stored["centres"], dtype=float), float(stored["variance"]))
    return MixturePartition(*(np.asarray(stored[n]) for n in ("weights", "centres", "precision_factors")))


def in_stable_order(partition: Partition, rows: np.ndarray) -> tuple[Partition, np.ndarray]:
    """Number the segments by size, then by centre, so that no accident of the start decides.

    Returns
    -------
    partition, sizes
        The renumbered partition, and the customers of `rows` in each segment, shape (k,).

    Examples
    --------
    >>> two = CentroidPartition(np.array([[9.0], [0.0]]), 1.0)
    >>> ordered, sizes = in_stable_order(two, np.array([[0.0], [0.1], [9.0]]))
    >>> ordered.centres.ravel().tolist(), sizes.tolist()
    ([0.0, 9.0], [2, 1])
    """
    sizes = np.bincount(partition.labels(rows), minlength=partition.n_segments)
    # Rounded: the last digits of a centre may differ between machines, and must not decide.
    keys = [*np.round(partition.centres, 6).T[::-1], -sizes]
    order = np.lexsort(keys)
    return partition.reordered(order), sizes[order]
