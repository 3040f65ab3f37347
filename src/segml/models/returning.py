"""Dormancy and churn, the registered tasks: one return curve, read at a short and at a long horizon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from segml.errors import ConfigurationError
from segml.models.reasons import top_reasons
from segml.models.return_classifier import LOG_COLUMNS, SILENCE_DIRECTIONS, ReturnClassifier
from segml.models.return_curve import NOISY_COLUMNS, ReturnCurve, ever_bought

__all__ = [
    "LOG_COLUMNS",
    "NOISY_COLUMNS",
    "SILENCE_DIRECTIONS",
    "ReturnClassifier",
    "ReturnCurve",
    "ReturnTask",
]


class ReturnTask:
    """A registered task, dormancy or churn: one horizon of a shared return curve.

    Parameters
    ----------
    task : {"dormancy", "churn"}
    horizon : int
        Days; one of the curve's.
    curve : ReturnCurve
        Fitted; the same object (or copy) serves both tasks, which is why they agree.
    """

    def __init__(self, task: Literal["dormancy", "churn"], horizon: int, curve: ReturnCurve) -> None:
        if horizon not in curve.horizons:
            raise ConfigurationError(
                f"{task} reads the return curve at {horizon} days, which has {list(curve.horizons)}",
                "add the horizon to the curve's",
            )
        self.task = task
        self.horizon = int(horizon)
        self.curve = curve

    @property
    def feature_names_in_(self) -> list[str]:
        """Columns that have to be given."""
        return list(self.curve.feature_names_in_)

    @property
    def notes_(self) -> list[str]:
        """Notes of the curve."""
        return list(self.curve.notes_)

    def score(self, features: pd.DataFrame, curve: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return `{task}_probability`, same index; NaN for people who never bought.

        `curve` is `self.curve.predict_curve(features)` when it is at hand: both tasks read the same one.
        """
        silent = self.curve.predict_curve(features) if curve is None else curve
        column = silent[f"silent_probability_{self.horizon}d"]
        return column.to_frame(f"{self.task}_probability")

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Exact parts of the log-odds of this horizon; see `ReturnCurve.contributions`."""
        return self.curve.contributions(features, self.horizon)

    def reasons(self, features: pd.DataFrame, count: int = 3) -> pd.DataFrame:
        """Top reasons of every customer, in words; see `reasons.top_reasons`. None for people who never bought."""
        parts = self.contributions(features)
        parts.loc[~ever_bought(features).to_numpy()] = np.nan
        values = self.curve.inputs(features, self.horizon)
        return top_reasons(parts, values, count=count, typical=self.curve.typical_)

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as JSON-able plain Python."""
        return {"task": self.task, "horizon": self.horizon, "curve": self.curve.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ReturnTask:
        """Inverse of `to_dict`."""
        return cls(content["task"], content["horizon"], ReturnCurve.from_dict(content["curve"]))
