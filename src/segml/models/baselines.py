"""The rules a shop can write in a spreadsheet. A model that doesn't beat them is not used.

`RecencyRule`: the share that stayed silent among customers with the same days since the last order. `LastPeriodAgain`:
everyone spends what they spent in the last window. Both are scored on the same later window as the model, in pairs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression

from segml.errors import DataError, ModelError
from segml.models.boosting import FloatArray, require_columns


class RecencyRule:
    """P(silent) from days since the last order alone, by isotonic regression (rising).

    Parameters
    ----------
    label : str
        Label column, for example `silent_next_56d`.

    Examples
    --------
    >>> features = pd.DataFrame({"recency_days": [1.0, 2.0, 50.0, 60.0]})
    >>> labels = pd.DataFrame({"silent_next_56d": [0.0, 0.0, 0.0, 1.0]})
    >>> RecencyRule("silent_next_56d").fit(features, labels).predict(features).tolist()
    [0.001, 0.001, 0.001, 0.999]
    """

    def __init__(self, label: str) -> None:
        self.label = label

    def fit(self, features: pd.DataFrame, labels: pd.DataFrame) -> RecencyRule:
        """Learn the steps from the rows whose recency and label are known."""
        recency = require_columns(features, ["recency_days"], "the recency rule")["recency_days"].to_numpy()
        outcome = labels[self.label].to_numpy(dtype=float)
        known = ~np.isnan(recency) & ~np.isnan(outcome)
        if not known.any():
            raise DataError(f"no row has both recency_days and {self.label}")
        model = IsotonicRegression(out_of_bounds="clip").fit(recency[known], outcome[known])
        self.days_ = model.X_thresholds_.tolist()
        # a share of exactly 0 or 1 among a few rows is no certainty: the log-loss of a fair rule must be finite
        self.rates_ = np.clip(model.y_thresholds_, 0.001, 0.999).tolist()
        return self

    def predict(self, features: pd.DataFrame) -> FloatArray:
        """Probability, shape (n,); NaN where recency is unknown."""
        recency = require_columns(features, ["recency_days"], "the recency rule")["recency_days"].to_numpy()
        p = np.interp(recency, self.days_, self.rates_)
        return np.where(np.isnan(recency), np.nan, p)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON."""
        return {"label": self.label, "days_": self.days_, "rates_": self.rates_}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RecencyRule:
        """Inverse of `to_dict`."""
        rule = cls(content["label"])
        rule.days_, rule.rates_ = list(content["days_"]), list(content["rates_"])
        return rule


class LastPeriodAgain:
    """Spend in the next h days = spend in the nearest known window, scaled to h days.

    Parameters
    ----------
    horizon : int
        Days.

    Examples
    --------
    >>> LastPeriodAgain(56).predict(pd.DataFrame({"spend_30d": [15.0], "spend_90d": [90.0]})).tolist()
    [56.0]
    """

    def __init__(self, horizon: int) -> None:
        self.horizon = int(horizon)

    def predict(self, features: pd.DataFrame) -> FloatArray:
        """Money, shape (n,); a tie between windows goes to the longer one.

        Raises
        ------
        ModelError
            When the features have no `spend_{w}d` column.
        """
        found = [re.fullmatch(r"spend_(\d+)d", str(name)) for name in features.columns]
        windows = sorted((int(match[1]) for match in found if match), reverse=True)
        if not windows:
            raise ModelError(
                "the rule 'last period again' needs a spend_{w}d column", "build the spend windows"
            )
        nearest = min(windows, key=lambda w: abs(np.log(w / self.horizon)))
        return np.asarray(features[f"spend_{nearest}d"].to_numpy(dtype=float) * self.horizon / nearest)
