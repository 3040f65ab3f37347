"""From raw customer features to the space in which distances mean something.

Spend, counts and gaps are skewed by orders of magnitude, so without a log the one wholesale customer is a cluster
of his own. The chain is: signed log1p where it reduces skew, the median for what is unknown, a clip at robust
limits, then zero mean and unit variance. The clip comes *before* the variance is taken: otherwise one outlier
shrinks everyone else's differences, and is then clipped after the harm is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import skew

from segml.errors import ModelError, did_you_mean

SKEW_LIMIT = 1.0
"""Absolute skewness above which a column is tried on the log scale."""

ROBUST_WIDTH = 5.0
"""Values farther than this many robust standard deviations from the median are pulled in ..."""

PLAIN_WIDTH = 3.0
"""... unless this many plain standard deviations is wider: a far but populous group keeps its place."""


class FeatureError(ModelError, ValueError):
    """These features can't be fed to the model. Also a ValueError, as scikit-learn's contract asks."""


@dataclass(frozen=True)
class FeaturePreparation:
    """The learned chain: which columns, on which scale, and around what.

    All arrays have one entry a *kept* column, except `kept` itself, which has one an input column.

    Examples
    --------
    >>> spend = np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0], [900.0, 5.0], [np.nan, 5.0]])
    >>> chain = learn_preparation(spend)
    >>> chain.kept.tolist(), chain.logged.tolist()
    ([True, False], [True])
    >>> chain.transform(spend).shape
    (5, 1)
    """

    kept: np.ndarray
    logged: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def transform(self, values: np.ndarray, clipped: bool = True) -> np.ndarray:
        """Prepare raw features of shape (n, n_inputs); returns a new array of shape (n, n_kept).

        Without the clip an outlier stays as far out as it is, which is what tells it apart.
        """
        prepared = values[:, self.kept].astype(float)
        for j in np.flatnonzero(self.logged):
            prepared[:, j] = signed_log(prepared[:, j])
        prepared = np.where(np.isnan(prepared), self.median, prepared)
        if clipped:
            np.clip(prepared, self.low, self.high, out=prepared)
        prepared -= self.mean
        prepared /= self.scale
        return prepared

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> FeaturePreparation:
        """Rebuild from `to_dict`."""
        return cls(
            **{
                name: np.asarray(stored[name], dtype=bool if name in ("kept", "logged") else float)
                for name in cls.__dataclass_fields__
            }
        )


def signed_log(values: np.ndarray) -> np.ndarray:
    """Return sign(x) log(1 + |x|): the log for money that may also be negative (returns).

    Examples
    --------
    >>> signed_log(np.array([0.0, np.e - 1, 1 - np.e])).round(3).tolist()
    [0.0, 1.0, -1.0]
    """
    return np.copysign(np.log1p(np.abs(values)), values)


def refuse_infinite(values: np.ndarray, names: list[str]) -> None:
    """Raise `FeatureError` naming every column that holds an infinite value.

    Examples
    --------
    >>> try:
    ...     refuse_infinite(np.array([[1.0, np.inf]]), ["recency_days", "spend_total"])
    ... except FeatureError as error:
    ...     print(error.message)
    features must be finite or missing, but infinity is in: spend_total (1 rows)
    """
    infinite = np.isinf(values).sum(axis=0)
    if infinite.any():
        named = ", ".join(f"{names[j]} ({infinite[j]} rows)" for j in np.flatnonzero(infinite))
        raise FeatureError(
            f"features must be finite or missing, but infinity is in: {named}",
            next_step="look for a division by zero where these features are made",
        )


def learn_preparation(values: np.ndarray) -> FeaturePreparation:
    """Learn the chain from raw features of shape (n, d), NaN for unknown.

    Constant and all-missing columns are left out (`kept` False): they can't tell customers apart.
    """
    chains = [_learn_column(values[:, j]) for j in range(values.shape[1])]
    kept = np.array([chain is not None for chain in chains], dtype=bool)
    learned = np.array([chain for chain in chains if chain is not None], dtype=float).reshape(-1, 6)
    logged, *rest = learned.T
    return FeaturePreparation(kept, logged.astype(bool), *rest)


def _learn_column(column: np.ndarray) -> tuple[float, ...] | None:
    """(logged, median, low, high, mean, scale) of one column, or None when it can't be used."""
    known = column[~np.isnan(column)]
    if not len(known) or known.min() == known.max():
        return None
    logged = _log_helps(known)
    known = signed_log(known) if logged else known
    median = float(np.median(known))
    quarter, three_quarters = np.quantile(known, [0.25, 0.75])
    width = max(ROBUST_WIDTH * (three_quarters - quarter) / 1.349, PLAIN_WIDTH * float(known.std()))
    low, high = median - width, median + width
    clipped = np.clip(known, low, high)
    # What is missing will sit at the median, and counts when the variance is taken.
    n_missing = len(column) - len(known)
    mean = (clipped.sum() + n_missing * median) / len(column)
    variance = (((clipped - mean) ** 2).sum() + n_missing * (median - mean) ** 2) / len(column)
    scale = float(np.sqrt(variance))
    if scale <= 1e-12 * max(1.0, abs(mean)):
        return None
    return float(logged), median, low, high, float(mean), scale


def _log_helps(known: np.ndarray) -> bool:
    if np.ptp(known) <= 1e-9 * np.abs(known).max():
        return False  # skewness of rounding noise
    before = float(skew(known))
    return abs(before) > SKEW_LIMIT and abs(float(skew(signed_log(known)))) < abs(before)


def explain_dropped(values: np.ndarray, kept: np.ndarray, names: list[str]) -> dict[str, str]:
    """Say why each column that is not kept was left out.

    Examples
    --------
    >>> explain_dropped(np.array([[1.0, np.nan], [1.0, np.nan]]), np.array([False, False]), ["a", "b"])
    {'a': 'constant', 'b': 'missing for everyone'}
    """
    missing = np.isnan(values).all(axis=0)
    return {names[j]: "missing for everyone" if missing[j] else "constant" for j in np.flatnonzero(~kept)}


def columns_of(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The columns a model was fitted on, in its order; raises `FeatureError` naming every absent one."""
    absent = [name for name in names if name not in frame.columns]
    if absent:
        hints = ", ".join(name + did_you_mean(name, map(str, frame.columns)) for name in absent)
        raise FeatureError(
            f"the segmenter was fitted on columns that this frame does not have: {hints}",
            next_step="compute the same features as at training",
        )
    return frame[names]
