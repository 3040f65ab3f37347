"""Will this customer order again? One curve of P(silent for the next h days), read at a short and at a long h.

The label is a fixed forward window, because a personal gap ratio ranks badly (AUC 0.55-0.67 where plain recency
reaches 0.76-0.82) and P(alive) of a counting model calls every one-time buyer alive. One classifier a horizon, then a
running minimum over the horizons: being silent for 180 days implies being silent for 60, so dormancy (short) and churn
(long) can't contradict each other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from segml.errors import ConfigurationError, DataError, NotEnoughDataError
from segml.models.boosting import require_columns
from segml.models.reasons import top_reasons
from segml.models.return_classifier import LOG_COLUMNS, SILENCE_DIRECTIONS, ReturnClassifier
from segml.models.rhythm import OrderRhythm

__all__ = [
    "LOG_COLUMNS",
    "NOISY_COLUMNS",
    "SILENCE_DIRECTIONS",
    "ReturnClassifier",
    "ReturnCurve",
    "ReturnTask",
]

# Dozens of small shares cost 0.001 to 0.002 AUC on both retail bases, and make poor reasons.
NOISY_COLUMNS: tuple[str, ...] = (r"affinity_.*", r"weekday_.*_share")
_MINIMUM_PER_OUTCOME = 30


class ReturnCurve:
    """P(no order within h days of the cutoff) for several h, never rising with h.

    Parameters
    ----------
    horizons : sequence of int, default=(56, 84)
        Days; each needs a label column `silent_next_{h}d` (1.0 silent, 0.0 ordered, NaN window not closed).
    exclude : sequence of patterns
        Columns left out (`re.fullmatch`).
    **classifier
        Parameters of `ReturnClassifier`.

    Attributes
    ----------
    feature_names_in_ : list of str
    models_ : dict of int to ReturnClassifier
    rhythm_ : OrderRhythm or None
        Adds the column `rhythm_orders_{h}d` to each classifier; None without purchase histories.
    typical_ : dict of str to float
        Median of each column at the last training cutoff, for wording reasons.
    notes_ : list of str
        Columns ignored, horizons not calibrated: what a reader of the model card has to know.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> features = pd.DataFrame({"recency_days": rng.exponential(60, 600), "orders_90d": rng.poisson(2, 600) * 1.0})
    >>> wait = rng.exponential(20 + features["recency_days"])
    >>> labels = pd.DataFrame({f"silent_next_{h}d": (wait > h) * 1.0 for h in (30, 90)})
    >>> curve = ReturnCurve((30, 90), rounds=20).fit(features, labels).predict_curve(features)
    >>> list(curve.columns), bool((curve.iloc[:, 0] >= curve.iloc[:, 1]).all())
    (['silent_probability_30d', 'silent_probability_90d'], True)
    """

    def __init__(
        self, horizons: Sequence[int] = (56, 84), *, exclude: Sequence[str] = NOISY_COLUMNS, **classifier: Any
    ) -> None:
        self.horizons = tuple(sorted(int(h) for h in horizons))
        self.exclude = tuple(exclude)
        self.classifier = classifier

    def fit(
        self,
        features: pd.DataFrame,
        labels: pd.DataFrame,
        calibration: tuple[pd.DataFrame, pd.DataFrame] | None = None,
    ) -> ReturnCurve:
        """Learn from snapshot and labels frames of one cutoff, or of many stacked as (cutoff, customer_id).

        Parameters
        ----------
        features, labels : DataFrame
            Same index. People who never bought (`orders_total` 0) are left out.
        calibration : tuple of DataFrame, optional
            Features and labels at later cutoffs.

        Raises
        ------
        DataError
            When features and labels have different rows, or a label column is missing.
        NotEnoughDataError
            When a horizon has fewer than 30 rows of either outcome.
        """
        self.notes_: list[str] = []
        self._check_labels(features, labels)
        self.feature_names_in_ = self._usable_columns(features)
        last = _last_cutoff(features)
        self.rhythm_, said = OrderRhythm.learn(last[self.feature_names_in_])
        self.notes_.extend(said)
        columns = {h: self.inputs(last, h) for h in self.horizons}
        self.typical_ = {
            str(name): float(value) for frame in columns.values() for name, value in frame.median().items()
        }
        self.models_ = {h: self._fit_one(h, features, labels, calibration) for h in self.horizons}
        return self

    def _check_labels(self, features: pd.DataFrame, labels: pd.DataFrame) -> None:
        if not features.index.equals(labels.index):
            raise DataError(
                f"features ({len(features)} rows) and labels ({len(labels)} rows) are not the same customers in the "
                "same order",
                "build both at the same cutoffs and sort both by index",
            )
        missing = [f"silent_next_{h}d" for h in self.horizons if f"silent_next_{h}d" not in labels]
        if missing:
            raise DataError(
                f"the labels lack {', '.join(missing)}; they have {', '.join(map(str, labels.columns))}",
                "configure these horizons for the labels too",
            )

    def _usable_columns(self, features: pd.DataFrame) -> list[str]:
        candidates = [
            name
            for name in features.columns
            if not any(re.fullmatch(p, name) for p in self.exclude)
            and pd.api.types.is_numeric_dtype(features[name])
        ]
        empty = [name for name in candidates if features[name].isna().all()]
        if empty:
            self.notes_.append(
                f"{len(empty)} columns ignored because every value is missing: {', '.join(empty)}"
            )
        usable = [name for name in candidates if name not in empty]
        if not usable:
            raise NotEnoughDataError(
                "no feature has a single known value", "check the cutoffs and the orders table"
            )
        return usable

    def _fit_one(
        self,
        horizon: int,
        features: pd.DataFrame,
        labels: pd.DataFrame,
        calibration: tuple[pd.DataFrame, pd.DataFrame] | None,
    ) -> ReturnClassifier:
        X, y, groups = self._rows(horizon, features, labels)
        silent, returned = int(y.sum()), int(len(y) - y.sum())
        if min(silent, returned) < _MINIMUM_PER_OUTCOME:
            raise NotEnoughDataError(
                f"silent_next_{horizon}d has {silent} silent and {returned} returning rows; at least "
                f"{_MINIMUM_PER_OUTCOME} of each are needed",
                "choose another horizon, add training cutoffs, or bring a longer history",
            )
        later = None
        if calibration is not None:
            self._check_labels(*calibration)
            later = self._rows(horizon, *calibration)
            if len(later[1]) == 0:
                self.notes_.append(
                    f"{horizon} days: not calibrated, no calibration cutoff has a closed label window"
                )
                later = None
        model = ReturnClassifier(**self.classifier).fit(X, y, calibration=later, groups=groups)
        self.notes_.extend(f"{horizon} days: {note}" for note in model.notes_)
        return model

    def _rows(
        self, horizon: int, features: pd.DataFrame, labels: pd.DataFrame
    ) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
        label = labels[f"silent_next_{horizon}d"]
        kept = (label.notna() & _ever_bought(features)).to_numpy()
        frame = self.inputs(features[kept], horizon)
        index = frame.index
        groups = index.get_level_values(0) if index.nlevels > 1 else np.zeros(len(frame), dtype=int)
        return frame, label[kept].to_numpy(dtype=float), np.asarray(groups)

    def inputs(self, features: pd.DataFrame, horizon: int) -> pd.DataFrame:
        """The columns a horizon's classifier sees: `feature_names_in_`, then the rhythm at that horizon."""
        frame = require_columns(features, self.feature_names_in_, "the return curve")
        if self.rhythm_ is None:
            return frame
        return frame.assign(**{f"rhythm_orders_{horizon}d": self.rhythm_.expected_orders(frame, horizon)})

    def predict_curve(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return `silent_probability_{h}d`, one column a horizon, same index; NaN for people who never bought."""
        raw = np.column_stack(
            [self.models_[h].predict_proba(self.inputs(features, h))[:, 1] for h in self.horizons]
        )
        projected = np.minimum.accumulate(raw, axis=1)
        projected[~_ever_bought(features).to_numpy()] = np.nan
        names = [f"silent_probability_{h}d" for h in self.horizons]
        return pd.DataFrame(projected, index=features.index, columns=names)

    def contributions(self, features: pd.DataFrame, horizon: int) -> pd.DataFrame:
        """Exact parts of the log-odds at one horizon, before the running minimum; column `base_value` last."""
        frame = self.inputs(features, horizon)
        parts = self.models_[horizon].contributions(frame)
        return pd.DataFrame(parts, index=features.index, columns=[*frame.columns, "base_value"])

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as JSON-able plain Python."""
        return {
            "horizons": list(self.horizons),
            "exclude": list(self.exclude),
            "classifier": self.classifier,
            "features": list(self.feature_names_in_),
            "rhythm": None if self.rhythm_ is None else self.rhythm_.to_dict(),
            "typical": self.typical_,
            "notes": list(self.notes_),
            "models": {str(h): model.to_dict() for h, model in self.models_.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ReturnCurve:
        """Inverse of `to_dict`; predictions are identical."""
        curve = cls(content["horizons"], exclude=content["exclude"], **content["classifier"])
        curve.feature_names_in_ = list(content["features"])
        curve.rhythm_ = OrderRhythm.from_dict(content["rhythm"]) if content["rhythm"] else None
        curve.typical_ = dict(content["typical"])
        curve.notes_ = list(content["notes"])
        curve.models_ = {int(h): ReturnClassifier.from_dict(model) for h, model in content["models"].items()}
        return curve


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

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return `{task}_probability`, same index; NaN for people who never bought."""
        column = self.curve.predict_curve(features)[f"silent_probability_{self.horizon}d"]
        return column.to_frame(f"{self.task}_probability")

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Exact parts of the log-odds of this horizon; see `ReturnCurve.contributions`."""
        return self.curve.contributions(features, self.horizon)

    def reasons(self, features: pd.DataFrame, count: int = 3) -> pd.DataFrame:
        """Top reasons of every customer, in words; see `reasons.top_reasons`. None for people who never bought."""
        parts = self.contributions(features)
        parts.loc[~_ever_bought(features).to_numpy()] = np.nan
        values = self.curve.inputs(features, self.horizon)
        return top_reasons(parts, values, count=count, typical=self.curve.typical_)

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as JSON-able plain Python."""
        return {"task": self.task, "horizon": self.horizon, "curve": self.curve.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ReturnTask:
        """Inverse of `to_dict`."""
        return cls(content["task"], content["horizon"], ReturnCurve.from_dict(content["curve"]))


def _ever_bought(features: pd.DataFrame) -> pd.Series:
    """False for prospects; a flat table without `orders_total` has none."""
    if "orders_total" not in features:
        return pd.Series(True, index=features.index)
    return features["orders_total"].ne(0)


def _last_cutoff(features: pd.DataFrame) -> pd.DataFrame:
    bought = features[_ever_bought(features).to_numpy()]
    if features.index.nlevels == 1 or bought.empty:
        return bought
    cutoffs = bought.index.get_level_values(0)
    return bought[cutoffs == cutoffs.max()]
