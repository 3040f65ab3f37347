"""RFM scores that share ties.

Quintiles by `rank(method="first")` split people who are equal: buyers of one order get F = 1, 2 and 3 by the order
of the file. Here a score is a statement about a value: everybody with the same value has the same score, and one
order is always the lowest F. The thresholds are values of the base picked by integer arithmetic, so a base that is
shuffled, duplicated or billed in another currency has the same scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from segml.errors import ConfigurationError, NotEnoughDataError, did_you_mean
from segml.models.segments.preparation import FeatureError, refuse_infinite
from segml.models.segments.rfm_maps import RFM_MAPS, RfmMap

COLUMNS = ("recency_days", "orders_total", "spend_total")


def score_thresholds(values: np.ndarray, n_levels: int) -> np.ndarray:
    """Least value of each score above the lowest, from the empirical distribution with ties shared.

    A value's place is the middle of its ties, (smaller + ties / 2) / n, so a crowd at either end gets the score of
    that end: if a quarter of the base bought yesterday, yesterday is the best recency.

    Parameters
    ----------
    values : array, shape (n,)
        Known values, higher is better.
    n_levels : int

    Returns
    -------
    array, shape (n_levels - 1,)
        Ascending; infinite for scores that nobody in the base reaches.

    Examples
    --------
    >>> score_thresholds(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), 5).tolist()
    [2.0, 3.0, 4.0, 5.0]
    >>> score_thresholds(np.array([1.0, 1.0, 1.0, 7.0]), 5).tolist()
    [1.0, 7.0, 7.0, 7.0]
    """
    distinct, ties = np.unique(values, return_counts=True)
    smaller = np.cumsum(ties) - ties
    # Integers: 0.6 * n may miss a step by one unit in the last place, and a duplicated base would then move.
    places = n_levels * (2 * smaller + ties) // (2 * len(values))
    first = np.searchsorted(places, np.arange(1, n_levels), side="left")
    return np.append(distinct, np.inf)[first]


class RfmScorer:
    """Score recency, frequency and monetary value and name the combination.

    Parameters
    ----------
    map : str or RfmMap
        "default" (1-5 over R and F), "klaviyo3" (1-3 over R, F, M), "braze" (0-3 over R, F, M), or your own.

    Attributes
    ----------
    thresholds_ : dict of str to array
        Least value of each score above the lowest, for R (on minus the recency), F and M.
    map_ : RfmMap
    feature_names_in_ : list of str

    Notes
    -----
    F is the place in the base's distribution of order counts, ties shared; one order is the lowest score whatever
    the distribution. Customers who never bought (no recency) get scores of -1 and the name "Prospect".

    Examples
    --------
    >>> base = pd.DataFrame({"recency_days": [3, 40, 200, 9, np.nan], "orders_total": [9, 2, 1, 1, 0],
    ...                      "spend_total": [900, 80, 20, 30, 0.0]}, index=list("abcde"))
    >>> RfmScorer().fit(base).predict(base)
       rfm_r  rfm_f  rfm_m     rfm_name
    a      5      5      5    Champions
    b      2      4      4      At Risk
    c      1      1      1  Hibernating
    d      4      1      2    Promising
    e     -1     -1     -1     Prospect
    """

    def __init__(self, map: str | RfmMap = "default") -> None:
        self.map = map

    def fit(self, features: pd.DataFrame, y: None = None) -> RfmScorer:
        """Learn the thresholds from everyone in `features` who ever bought.

        Raises
        ------
        FeatureError
            Columns are missing or infinite.
        NotEnoughDataError
            Nobody in the frame ever bought.
        """
        self.map_ = named_map(self.map)
        recency, orders, spend = _read(features)
        bought = _bought(recency, orders)
        if not bought.any():
            raise NotEnoughDataError(
                f"RFM thresholds need buyers, and none of the {len(features)} customers ever bought",
                next_step="fit on a base with orders before the cutoff",
            )
        n_levels = self.map_.levels[1] - self.map_.levels[0] + 1
        known = {"R": -recency[bought], "F": orders[bought], "M": spend[bought & ~np.isnan(spend)]}
        self.thresholds_ = {
            dimension: score_thresholds(values, n_levels) for dimension, values in known.items()
        }
        self.feature_names_in_ = list(COLUMNS)
        return self

    def predict(self, features: pd.DataFrame) -> pd.DataFrame:
        """Scores and name of each customer.

        Returns
        -------
        DataFrame, same index
            `rfm_r`, `rfm_f`, `rfm_m` (int, -1 for prospects) and `rfm_name`.
        """
        recency, orders, spend = _read(features)
        bought = _bought(recency, orders)
        ranked = {"R": -recency, "F": np.where(orders <= 1, -np.inf, orders), "M": np.nan_to_num(spend)}
        passed = {
            d: np.searchsorted(self.thresholds_[d], values, side="right") for d, values in ranked.items()
        }
        scores = {d: np.where(bought, self.map_.levels[0] + steps, -1) for d, steps in passed.items()}
        named = self.map_.names_of(scores)
        columns = {f"rfm_{d.lower()}": score.astype(np.int64) for d, score in scores.items()}
        return pd.DataFrame({**columns, "rfm_name": pd.array(named, dtype="str")}, index=features.index)

    def to_dict(self) -> dict[str, Any]:
        """Return thresholds and map as plain Python."""
        thresholds = {
            d: [None if np.isinf(v) else v for v in t.tolist()] for d, t in self.thresholds_.items()
        }
        return {"map": self.map_.to_dict(), "thresholds": thresholds}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> RfmScorer:
        """Rebuild from `to_dict`; predictions are identical."""
        scorer = cls(RfmMap.from_dict(stored["map"]))
        scorer.map_ = scorer.map  # type: ignore[assignment]
        scorer.thresholds_ = {
            d: np.array([np.inf if v is None else v for v in values], dtype=float)
            for d, values in stored["thresholds"].items()
        }
        scorer.feature_names_in_ = list(COLUMNS)
        return scorer


def named_map(chosen: str | RfmMap) -> RfmMap:
    """Return the map of that name, or the map itself.

    Examples
    --------
    >>> named_map("klaviyo3").levels
    (1, 3)
    """
    if isinstance(chosen, RfmMap):
        return chosen
    if chosen not in RFM_MAPS:
        raise ConfigurationError(
            f"there is no RFM map {chosen!r}{did_you_mean(chosen, RFM_MAPS)}",
            next_step=f"use {', '.join(sorted(RFM_MAPS))}, or give an RfmMap of your own",
        )
    return RFM_MAPS[chosen]


def _bought(recency: np.ndarray, orders: np.ndarray) -> np.ndarray:
    return ~np.isnan(recency) & (orders > 0)


def _read(features: pd.DataFrame) -> list[np.ndarray]:
    absent = [name for name in COLUMNS if name not in features.columns]
    if absent:
        hints = ", ".join(name + did_you_mean(name, map(str, features.columns)) for name in absent)
        raise FeatureError(f"RFM needs columns that the frame does not have: {hints}", next_step="add them")
    values = features[list(COLUMNS)].to_numpy(dtype=float)
    refuse_infinite(values, list(COLUMNS))
    return list(values.T)
