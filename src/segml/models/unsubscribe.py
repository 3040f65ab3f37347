"""P(unsubscribe or complaint within the horizon), from how often people are contacted and what they do with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from segml.errors import NotEnoughDataError
from segml.models.boosting import require_columns
from segml.models.log_linear import LogLogistic

_COLUMNS = (
    *("contacts_30d", "contacts_90d", "contacts_365d"),
    *("open_share_365d", "reaction_share_365d", "days_since_contact"),
)


class UnsubscribeRisk:
    """A ridge logistic on the logarithms of contact pressure and engagement.

    Refusals are rare, a few in a thousand, so there is little to learn more from: six columns and a penalty.

    Parameters
    ----------
    horizon : int
        Days.
    ridge : float
        Penalty on the standardised coefficients.
    """

    task = "unsubscribe"

    def __init__(self, horizon: int, ridge: float = 5.0) -> None:
        self.horizon = int(horizon)
        self.ridge = ridge

    @property
    def feature_names_in_(self) -> list[str]:
        """Columns the model reads; missing for people who were not contacted within a year, or refused before."""
        return list(_COLUMNS)

    def fit(self, people: pd.DataFrame, refused: Any) -> UnsubscribeRisk:
        """Learn from people at past cutoffs and whether they refused within the horizon.

        Parameters
        ----------
        people : DataFrame of shape (n, 6)
        refused : array-like of shape (n,)
            1 or 0.

        Raises
        ------
        NotEnoughDataError
            Nobody refused.
        """
        y = np.asarray(refused, dtype=float)
        if not 0 < y.sum() < len(y):
            raise NotEnoughDataError(
                f"{int(y.sum()):,} of {len(y):,} people refused; both outcomes are needed"
            )
        X = require_columns(people, self.feature_names_in_, self.task).to_numpy(dtype=float)
        self.logistic_ = LogLogistic(range(len(_COLUMNS)), self.ridge).fit(X, y)
        return self

    def predict(self, people: pd.DataFrame) -> NDArray[np.float64]:
        """Probability, shape (n,)."""
        X = require_columns(people, self.feature_names_in_, self.task).to_numpy(dtype=float)
        return np.asarray(expit(self.logistic_.log_odds(X)))

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return `unsubscribe_probability`; missing where the columns are."""
        found = require_columns(features, self.feature_names_in_, self.task)
        known = found["contacts_365d"].notna().to_numpy()
        probability = np.full(len(found), np.nan)
        if known.any():
            probability[known] = self.predict(found[known])
        return pd.DataFrame({"unsubscribe_probability": probability}, index=features.index)

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON."""
        return {"horizon": self.horizon, "ridge": self.ridge, "logistic": self.logistic_.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> UnsubscribeRisk:
        """Inverse of `to_dict`."""
        model = cls(content["horizon"], content["ridge"])
        model.logistic_ = LogLogistic.from_dict(content["logistic"])
        return model
