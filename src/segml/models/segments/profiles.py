"""What a segment is: how large, what it spends, and what sets it apart, with intervals and in words.

The difference is standardised and set against everybody *else*: "0.8 standard deviations above the others" holds
for days and for money alike, and the two groups of the comparison share no customer. Groups under the minimum are
shown as suppressed, never as small numbers.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
from scipy.stats import skew

from segml.models.segments.preparation import SKEW_LIMIT, FeatureError, signed_log

MIN_GROUP = 10
"""Groups smaller than this are suppressed."""

Z_95 = 1.959964
NAMED_FROM = 0.3
"""A difference below this many standard deviations does not make it into a name."""


def profile_segments(
    features: pd.DataFrame, labels: np.ndarray | pd.Series, money: pd.Series | None = None
) -> pd.DataFrame:
    """Describe each segment by size, spend and standardised differences from everybody else.

    Parameters
    ----------
    features : DataFrame, shape (n, d)
        Raw features, NaN for unknown; skewed ones are compared on the log scale.
    labels : array or Series, shape (n,)
        Segment of each row; a Series is aligned by index.
    money : Series, optional
        Spend of each customer in major units (aligned by index); default `spend_total`, else `spend_365d`, when
        the frame has it.

    Returns
    -------
    DataFrame, one row a segment and feature, largest segment first
        `segment, size, share, spend_total, spend_share, spend_mean, feature, median, base_median, effect,
        effect_low, effect_high, suppressed`. `effect` is (mean of the segment - mean of the others) / standard
        deviation of the base, with a 95 % interval; NaN when there are no others or nothing is known. Segments
        under 10 customers have `suppressed` True and no figures.

    Raises
    ------
    FeatureError
        Labels and features are not of the same customers.

    Examples
    --------
    >>> base = pd.DataFrame({"orders_total": [1.0] * 20 + [9.0] * 20 + [5.0]})
    >>> profile = profile_segments(base, np.array([0] * 20 + [1] * 20 + [2]))
    >>> profile[["segment", "size", "median", "suppressed"]]
       segment  size  median  suppressed
    0        0  20.0     1.0       False
    1        1  20.0     9.0       False
    2        2   NaN     NaN        True
    """
    labels = _aligned(labels, features)
    names = [str(name) for name in features.columns]
    raw = features.to_numpy(dtype=float)
    scaled = _comparable(raw)
    spend = _money(features, money)
    base_median = _median(raw)
    rows = []
    for segment in _largest_first(labels):
        inside = labels == segment
        size = int(inside.sum())
        hidden = size < MIN_GROUP
        effect, half_width = (np.full((2, len(names)), np.nan)) if hidden else _difference(scaled, inside)
        spent = np.nansum(spend[inside]) if spend is not None and not hidden else np.nan
        all_spent = np.nansum(spend) if spend is not None else np.nan
        rows.append(
            pd.DataFrame(
                {
                    "segment": segment,
                    "size": np.nan if hidden else float(size),
                    "share": np.nan if hidden else size / len(labels),
                    "spend_total": spent,
                    "spend_share": spent / all_spent if all_spent > 0 else np.nan,
                    "spend_mean": spent / size,
                    "feature": names,
                    "median": np.nan if hidden else _median(raw[inside]),
                    "base_median": base_median,
                    "effect": effect,
                    "effect_low": effect - half_width,
                    "effect_high": effect + half_width,
                    "suppressed": hidden,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def typical_customers(
    features: pd.DataFrame, labels: np.ndarray | pd.Series, distances: np.ndarray, n_each: int = 3
) -> pd.DataFrame:
    """The customers nearest to the centre of each segment: who the segment is, in flesh and blood.

    Parameters
    ----------
    features : DataFrame, index customer_id
    labels : array or Series
        Label of each row, also the column of `distances`; negative labels are left out.
    distances : array, shape (n, n_segments)
        `transform` of the segmenter.
    n_each : int

    Returns
    -------
    DataFrame
        `segment, customer_id, distance` and the features; nearest first, ties by customer id. Segments under 10
        customers are left out.

    Examples
    --------
    >>> base = pd.DataFrame({"spend_total": np.arange(20.0)}, index=[f"c{i:02d}" for i in range(20)])
    >>> distances = np.abs(base.to_numpy() - 9.0)
    >>> typical_customers(base, np.zeros(20, dtype=int), distances, 2)["customer_id"].tolist()
    ['c09', 'c08']
    """
    own = _aligned(labels, features).astype(int)
    nearest = distances[np.arange(len(own)), np.maximum(own, 0)]
    frame = features.assign(segment=own, distance=nearest).rename_axis("customer_id").reset_index()
    sizes = frame.groupby("segment")["customer_id"].transform("size")
    frame = frame[(frame["segment"] >= 0) & (sizes >= MIN_GROUP)]
    frame = frame.sort_values(["segment", "distance", "customer_id"]).groupby("segment").head(n_each)
    return frame[["segment", "customer_id", "distance", *features.columns]].reset_index(drop=True)


def _aligned(labels: np.ndarray | pd.Series, features: pd.DataFrame) -> np.ndarray:
    if isinstance(labels, pd.Series):
        if not (labels.index.is_unique and features.index.isin(labels.index).all()):
            raise FeatureError(
                "every customer of the features needs exactly one label",
                next_step="label the same snapshot that is profiled",
            )
        return labels.reindex(features.index).to_numpy()
    if len(labels) != len(features):
        raise FeatureError(
            f"{len(labels)} labels for {len(features)} customers",
            next_step="label the same snapshot that is profiled",
        )
    return np.asarray(labels)


def _money(features: pd.DataFrame, money: pd.Series | None) -> np.ndarray | None:
    if money is not None:
        return money.reindex(features.index).to_numpy(dtype=float)
    for name in ("spend_total", "spend_365d"):
        if name in features.columns:
            return features[name].to_numpy(dtype=float)
    return None


def _comparable(raw: np.ndarray) -> np.ndarray:
    scaled = raw.copy()
    for j in range(raw.shape[1]):
        known = raw[~np.isnan(raw[:, j]), j]
        if len(known) > 2 and np.ptp(known) > 0 and abs(float(skew(known))) > SKEW_LIMIT:
            scaled[:, j] = signed_log(raw[:, j])
    return scaled


def _difference(values: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardised difference from the others and the half width of its 95 % interval, for each column."""
    n_in, mean_in, variance_in = _moments(values[inside])
    n_out, mean_out, variance_out = _moments(values[~inside])
    spread = np.sqrt(_moments(values)[2])
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = (mean_in - mean_out) / spread
        half_width = Z_95 * np.sqrt(variance_in / n_in + variance_out / n_out) / spread
    unknown = (n_in < 2) | (n_out < 1) | ~(spread > 0)
    return np.where(unknown, np.nan, effect), np.where(unknown, np.nan, half_width)


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=0) / np.maximum(n, 1)
    variance = (np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / np.maximum(n - 1, 1)
    return n, mean, variance


def _median(values: np.ndarray) -> np.ndarray:
    known = [values[~np.isnan(values[:, j]), j] for j in range(values.shape[1])]
    return np.array([np.median(column) if len(column) else np.nan for column in known])


def _largest_first(labels: np.ndarray) -> list[Hashable]:
    found, sizes = np.unique(labels, return_counts=True)
    return [
        found[i].item() if hasattr(found[i], "item") else found[i] for i in np.argsort(-sizes, kind="stable")
    ]
