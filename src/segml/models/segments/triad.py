"""Frequent, sporadic, dormant: everyone who ever bought is exactly one, everyone else is a prospect.

Dormancy is not a number of days but a probability of coming back, which a model has already judged with the open
gaps included. What is learnt here is only what "often" means in this base: the shortest third of its rhythms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segml.errors import did_you_mean
from segml.models.segments.preparation import FeatureError

BANDS = ("active", "slipping", "at_risk", "dormant")
STAGES = ("prospect", "first-time", "repeat", "loyal", "slipping", "dormant", "reactivated")
COLUMNS = ("orders_total", "orders_365d", "gap_mean_days")


class DormancyTriad:
    """Turn a probability of returning into bands, the triad and the lifecycle stage.

    Parameters
    ----------
    active, slipping, at_risk : float
        Lower ends of the bands: active >= 0.60, slipping 0.35-0.60, at_risk 0.20-0.35, dormant below.
    frequent_orders : int
        Orders in the last 365 days that make an active customer frequent.
    loyal_orders : int
        Orders ever that make a frequent customer loyal.

    Attributes
    ----------
    gap_third_days_ : float
        Own mean gap up to which a rhythm belongs to the shortest third of the base's repeat buyers; NaN when
        nobody has repeated.
    feature_names_in_ : list of str

    Examples
    --------
    >>> base = pd.DataFrame({"orders_total": [12, 2, 3, 0], "orders_365d": [9, 1, 0, 0],
    ...                      "gap_mean_days": [10, 60, 90, np.nan]}, index=list("abcd"))
    >>> returns = pd.Series([0.9, 0.5, 0.1, np.nan], index=list("abcd"))
    >>> DormancyTriad().fit(base).predict(base, returns)
      return_band     triad lifecycle_stage
    a      active  frequent           loyal
    b    slipping  sporadic        slipping
    c     dormant   dormant         dormant
    d    prospect  prospect        prospect
    """

    def __init__(
        self,
        active: float = 0.60,
        slipping: float = 0.35,
        at_risk: float = 0.20,
        frequent_orders: int = 3,
        loyal_orders: int = 4,
    ) -> None:
        self.active = active
        self.slipping = slipping
        self.at_risk = at_risk
        self.frequent_orders = frequent_orders
        self.loyal_orders = loyal_orders

    def fit(self, features: pd.DataFrame, y: None = None) -> DormancyTriad:
        """Learn the shortest third of the base's rhythms.

        Raises
        ------
        FeatureError
            Bands out of order, or columns missing.
        """
        if not 0 < self.at_risk < self.slipping < self.active < 1:
            raise FeatureError(
                "band ends must satisfy 0 < at_risk < slipping < active < 1, not "
                f"{self.at_risk}, {self.slipping}, {self.active}",
                next_step="order the ends of the bands",
            )
        gaps = _column(features, "gap_mean_days")
        known = gaps[~np.isnan(gaps)]
        self.gap_third_days_ = (
            float(np.quantile(known, 1 / 3, method="inverted_cdf")) if len(known) else float("nan")
        )
        self.feature_names_in_ = list(COLUMNS)
        return self

    def predict(
        self, features: pd.DataFrame, probability: pd.Series, previous: pd.Series | None = None
    ) -> pd.DataFrame:
        """Band, triad and lifecycle stage of each customer.

        Parameters
        ----------
        features : DataFrame, index customer_id
        probability : Series, index customer_id
            Probability of at least one order within the horizon; needed for everyone who ever bought.
        previous : Series, optional
            Lifecycle stage at the previous cutoff; a customer who was dormant there and is not any more is
            "reactivated".

        Returns
        -------
        DataFrame, same index
            `return_band` (active, slipping, at_risk, dormant, prospect), `triad` (frequent, sporadic, dormant,
            prospect), `lifecycle_stage`.
        """
        orders = np.nan_to_num(_column(features, "orders_total"))
        chance = _probability(probability, features.index, orders > 0)
        band = self._bands(chance, orders)
        frequent = self._frequent(features, band)
        triad = np.select(
            [band == "prospect", band == "dormant", frequent], ["prospect", "dormant", "frequent"], "sporadic"
        )
        was_dormant = np.zeros(len(features), dtype=bool)
        if previous is not None:
            was_dormant = previous.reindex(features.index).eq("dormant").to_numpy(dtype=bool)
        conditions = [
            band == "prospect",
            band == "dormant",
            was_dormant,
            (band == "slipping") | (band == "at_risk"),
            orders <= 1,
            frequent & (orders >= self.loyal_orders),
        ]
        stage = np.select(
            conditions, ["prospect", "dormant", "reactivated", "slipping", "first-time", "loyal"], "repeat"
        )
        columns = {"return_band": band, "triad": triad, "lifecycle_stage": stage}
        return pd.DataFrame(
            {n: pd.array(v.astype(object), dtype="str") for n, v in columns.items()}, features.index
        )

    def to_dict(self) -> dict[str, Any]:
        """Return settings and the learnt gap; an unknown gap is None."""
        names = ("active", "slipping", "at_risk", "frequent_orders", "loyal_orders")
        gap = None if np.isnan(self.gap_third_days_) else self.gap_third_days_
        return {"parameters": {name: getattr(self, name) for name in names}, "gap_third_days": gap}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> DormancyTriad:
        """Rebuild from `to_dict`; predictions are identical."""
        triad = cls(**stored["parameters"])
        gap = stored["gap_third_days"]
        triad.gap_third_days_ = float("nan") if gap is None else float(gap)
        triad.feature_names_in_ = list(COLUMNS)
        return triad

    def _bands(self, chance: np.ndarray, orders: np.ndarray) -> np.ndarray:
        ends = np.array([self.at_risk, self.slipping, self.active])
        found = np.array(BANDS[::-1], dtype=object)[
            np.searchsorted(ends, np.nan_to_num(chance), side="right")
        ]
        return np.where(orders > 0, found, "prospect")

    def _frequent(self, features: pd.DataFrame, band: np.ndarray) -> np.ndarray:
        often = np.nan_to_num(_column(features, "orders_365d")) >= self.frequent_orders
        quick = _column(features, "gap_mean_days") <= self.gap_third_days_
        return (band == "active") & (often | quick)


def _column(features: pd.DataFrame, name: str) -> np.ndarray:
    if name not in features.columns:
        hint = did_you_mean(name, map(str, features.columns))
        raise FeatureError(
            f"the triad needs the column {name}{hint}", next_step="compute it at the same cutoff"
        )
    return features[name].to_numpy(dtype=float)


def _probability(probability: pd.Series, index: pd.Index, bought: np.ndarray) -> np.ndarray:
    chance = probability.reindex(index).to_numpy(dtype=float)
    unknown = int((np.isnan(chance) & bought).sum())
    outside = int(((chance < 0) | (chance > 1)).sum())
    if unknown or outside:
        raise FeatureError(
            f"a probability in [0, 1] is needed for everyone who ever bought: {unknown} unknown, {outside} outside",
            next_step="score the same customers with the dormancy model first",
        )
    return chance
