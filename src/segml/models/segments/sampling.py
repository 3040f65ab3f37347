"""Samples and orders that depend on who the customers are, and not on how the file was sorted."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd


def canonical_sample(X: Any, values: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Take at most `size` rows, in an order that depends on the customers and not on the file.

    Parameters
    ----------
    X : DataFrame or array
        What the user gave; a unique index of its own is taken for customer ids, and the sample is then by md5 of
        the id: a customer stays in it when others come and go.
    values : array, shape (n, d)
        The same rows as numbers.
    size : int
    seed : int
        Used only when there are no ids.

    Examples
    --------
    >>> rows = np.array([[2.0], [1.0], [3.0]])
    >>> canonical_sample(rows, rows, 5, seed=0).ravel().tolist()
    [1.0, 2.0, 3.0]
    """
    keyed = isinstance(X, pd.DataFrame) and not isinstance(X.index, pd.RangeIndex) and X.index.is_unique
    if len(values) > size and keyed:
        digests = np.array([hashlib.md5(str(key).encode()).hexdigest()[:15] for key in X.index])
        values = values[np.argsort(digests, kind="stable")[:size]]
    values = values[np.lexsort(values.T[::-1])]
    return seeded_subset(values, size, seed)


def seeded_subset(rows: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Take at most `size` rows, in their order.

    Examples
    --------
    >>> len(seeded_subset(np.zeros((9, 1)), 4, seed=0))
    4
    """
    if len(rows) <= size:
        return rows
    return rows[np.sort(np.random.default_rng(seed).choice(len(rows), size, replace=False))]
