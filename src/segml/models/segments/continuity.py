"""Does an older segmentation still describe the customers of today, or do new segments say clearly more?

Both are asked of the same customers in the same space (that of the new one, which knows today's spread of every
column): what share of the differences between customers lies between segments. The new segments were made to have
much of it, so the older ones can only tie; how near they come is what counts. Two labellings that differ customer by
customer and explain as much are equally good, which an index of agreement would not see.

References
----------
Calinski, T. and Harabasz, J. (1974), A dendrite method for cluster analysis, Communications in Statistics 3 (the
partition of the sum of squares).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class SegmentFit:
    """How much of the differences between customers two segmentations hold, of the same people.

    Attributes
    ----------
    before, now : float
        Shares, 0 to 1, of the older and of the new segments.
    customers : int
        Those who have a segment in both.

    Examples
    --------
    >>> SegmentFit(0.45, 0.50, 900).kept
    0.9
    """

    before: float
    now: float
    customers: int

    @property
    def kept(self) -> float:
        """What the older segments still hold of what the new ones hold; 1 when neither holds anything."""
        return self.before / self.now if self.now > 0 else 1.0


def explained_share(rows: np.ndarray, labels: Any) -> float:
    """Return the share of the squared distances between rows that lies between groups.

    Parameters
    ----------
    rows : array, shape (n, d)
    labels : array-like, shape (n,)
        Which group each row is in.

    Examples
    --------
    >>> rows = np.array([[0.0], [1.0], [10.0], [11.0]])
    >>> round(explained_share(rows, [0, 0, 1, 1]), 3), explained_share(rows, [0, 1, 0, 1]) < 0.02
    (0.99, True)
    """
    centred = rows - rows.mean(axis=0)
    total = float(np.square(centred).sum())
    if not total > 0:
        return 0.0
    codes = pd.factorize(np.asarray(labels))[0]
    sums = np.zeros((codes.max() + 1, rows.shape[1]))
    np.add.at(sums, codes, centred)
    sizes = np.bincount(codes)[:, None]
    return float((np.square(sums) / sizes).sum() / total)


def compare_segments(rows: np.ndarray, before: pd.Series, now: pd.Series, unknown: str) -> SegmentFit:
    """Hold two labellings of the same customers against each other.

    Parameters
    ----------
    rows : array, shape (n, d)
        Customers in the space of the new segments; NaN where a customer has none.
    before, now : Series, length n
        Segment ids, in the order of `rows`.
    unknown : str
        The id of those without a segment; they are left out.
    """
    both = (before != unknown).to_numpy() & (now != unknown).to_numpy() & ~np.isnan(rows).any(axis=1)
    if not both.any():
        return SegmentFit(0.0, 0.0, 0)
    older, newer = (explained_share(rows[both], labels.to_numpy()[both]) for labels in (before, now))
    return SegmentFit(older, newer, int(both.sum()))
