"""What will this customer be worth in the next h days, and between what and what?

The forecast is a weighted mean of trees on every feature (`ValueRegressor`, the better order) and a buy-till-you-die
forecast on three numbers (the better total on sparse bases, and the only one of the two that needs no closed window).
The total is set on a later window by one factor. The interval is for the person, not for the mean: quantiles of what
people with a forecast like this one really spent, relative to it (split conformal within bands of the forecast).

References
----------
Fader, Hardie and Lee (2005), RFM and CLV. Lei et al. (2018), Distribution-free predictive inference for regression.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from segml.errors import ConfigurationError, DataError, NotEnoughDataError
from segml.models import btyd
from segml.models.boosting import FloatArray, require_columns
from segml.models.conformal import ROWS_PER_BAND, ConformalBands
from segml.models.reasons import top_reasons
from segml.models.return_curve import NOISY_COLUMNS
from segml.models.rhythm import purchase_histories
from segml.models.value_regressor import ValueRegressor

__all__ = ["ConformalBands", "LifetimeValue", "ValueRegressor"]

_SMALL_BASE = 500  # customers; below it free trees lose to the counting model by about 12 % RMSE
_YOUNG_DAYS = 182
_HISTORY = ("repeat_orders", "first_to_last_days", "age_days", "spend_total")


class LifetimeValue:
    """Predicted and historic value of every buyer: the registered task `clv`.

    Parameters
    ----------
    horizon : int
        Days; the label is `spend_next_{horizon}d`.
    order_model : unfitted buy-till-you-die model, optional
        In days; default `ParetoNBD()`.
    btyd_weight : float, default=0.2
        Share of the buy-till-you-die forecast.
    level : float, default=0.9
        Nominal coverage of the interval.
    margin : float, default=1.0
        Share of spend that is kept.
    discount_rate_per_year : float, default=0.0
        0.10 is ten per cent; money is taken to come evenly over the horizon.
    exclude : sequence of patterns
        Columns left out of the trees.
    **regressor
        Parameters of `ValueRegressor`.

    Attributes
    ----------
    feature_names_in_ : list of str
    typical_ : dict of str to float
        Median of each column at the last cutoff, for wording reasons.
    total_factor_ : float
        Realised over forecast total on the calibration rows.
    notes_ : list of str
        What was done differently, in words.
    """

    task = "clv"

    def __init__(
        self,
        horizon: int,
        order_model: Any = None,
        *,
        btyd_weight: float = 0.2,
        level: float = 0.9,
        margin: float = 1.0,
        discount_rate_per_year: float = 0.0,
        exclude: Sequence[str] = NOISY_COLUMNS,
        **regressor: Any,
    ) -> None:
        if not 0 <= btyd_weight <= 1:
            raise ConfigurationError(f"btyd_weight is a share in [0, 1], got {btyd_weight!r}")
        if not 0.5 <= level < 1:
            raise ConfigurationError(f"the level of an interval is in [0.5, 1), got {level!r}")
        self.horizon = int(horizon)
        self.order_model = btyd.ParetoNBD() if order_model is None else order_model
        self.btyd_weight = btyd_weight
        self.level = level
        self.margin = margin
        self.discount_rate_per_year = discount_rate_per_year
        self.exclude = tuple(exclude)
        self.regressor = regressor

    def fit(
        self,
        features: pd.DataFrame,
        labels: pd.DataFrame,
        calibration: tuple[pd.DataFrame, pd.DataFrame] | None = None,
    ) -> LifetimeValue:
        """Learn from snapshots of one cutoff, or of many stacked as (cutoff, customer_id).

        Parameters
        ----------
        features, labels : DataFrame
            Same index; the label may be missing where its window is not closed.
        calibration : tuple of DataFrame, optional
            Later rows that set the total and the interval.

        Raises
        ------
        NotEnoughDataError
            When neither forecast can be learned.
        """
        self.notes_: list[str] = []
        X, y = self._learn(features, labels)
        self._calibrate(X, y, calibration)
        return self

    def _learn(self, features: pd.DataFrame, labels: pd.DataFrame) -> tuple[pd.DataFrame, FloatArray]:
        known = _buyers(features)
        self.feature_names_in_ = self._usable_columns(features[known])
        last = _last_cutoff(features[known])
        self._fit_btyd(last)
        X, y = self._rows(features, labels)
        self.trees_ = self._fit_trees(X, y, last)
        if self.trees_ is None and self.orders_ is None:
            raise NotEnoughDataError(
                f"no forecast of the next {self.horizon} days: " + "; ".join(self.notes_),
                "bring a longer history or a shorter horizon",
            )
        self.typical_ = {
            str(name): float(value) for name, value in last[self.feature_names_in_].median().items()
        }
        if self.orders_ is not None:
            name, forecast = f"rhythm_spend_{self.horizon}d", self._btyd_forecast(last)
            self.typical_[name], self.btyd_mean_ = float(np.median(forecast)), float(np.mean(forecast))
        return X, y

    def _usable_columns(self, features: pd.DataFrame) -> list[str]:
        if features.empty:
            raise NotEnoughDataError("nobody in the features has bought yet", "choose a later cutoff")
        require_columns(features, _HISTORY, "the lifetime value")
        names = [str(name) for name in features.columns]
        kept = [name for name in names if not any(re.fullmatch(p, name) for p in self.exclude)]
        empty = [name for name in kept if features[name].isna().all()]
        if empty:
            self.notes_.append(
                f"{len(empty)} columns ignored because every value is missing: {', '.join(empty)}"
            )
        return [name for name in kept if name not in empty]

    def _fit_btyd(self, last: pd.DataFrame) -> None:
        history = purchase_histories(last)
        try:
            self.orders_: Any = type(self.order_model)(**self.order_model.get_params()).fit(history)
            self.spend_: Any = btyd.GammaGamma().fit(history)
        except NotEnoughDataError as error:
            self.orders_ = self.spend_ = None
            self.notes_.append(f"no buy-till-you-die forecast: {error.message}")
            return
        self.notes_.extend([*self.orders_.warnings_, *self.spend_.warnings_])

    def _rows(self, features: pd.DataFrame, labels: pd.DataFrame) -> tuple[pd.DataFrame, FloatArray]:
        name = f"spend_next_{self.horizon}d"
        if name not in labels:
            raise DataError(
                f"the labels lack {name}; they have {', '.join(map(str, labels.columns))}",
                "configure this horizon for the labels too",
            )
        if not features.index.equals(labels.index):
            raise DataError(
                f"features ({len(features)} rows) and labels ({len(labels)} rows) are not the same customers in the "
                "same order",
                "build both at the same cutoffs and sort both by index",
            )
        kept = _buyers(features) & labels[name].notna().to_numpy()
        frame = require_columns(features, self.feature_names_in_, "the lifetime value")[kept]
        return frame, labels[name].to_numpy(dtype=float)[kept]

    def _fit_trees(self, X: pd.DataFrame, y: FloatArray, last: pd.DataFrame) -> ValueRegressor | None:
        why = self._why_no_trees(X, y, last)
        if why:
            self.notes_.append(f"{why}: the forecast is the buy-till-you-die model's alone")
            return None
        return ValueRegressor(**self.regressor).fit(
            X, np.maximum(y, 0.0)
        )  # a refund beyond the spend counts as zero

    def _why_no_trees(self, X: pd.DataFrame, y: FloatArray, last: pd.DataFrame) -> str:
        """Say why free trees would lose here; empty when they would not."""
        if len(last) < _SMALL_BASE:
            return f"{len(last)} customers are under {_SMALL_BASE}"
        if len(y) < _SMALL_BASE or y.max() <= 0:
            return f"{len(y)} rows have a closed {self.horizon}-day window (or none spent)"
        history = int(last["age_days"].max()) + self.horizon  # to the end of the last window that has closed
        if history < _YOUNG_DAYS:
            return f"{history} days of history are under six months"
        if 2 * self.horizon > history:
            return f"a horizon of {self.horizon} days is over half of the {history} days of history"
        return ""

    def _calibrate(
        self, X: pd.DataFrame, y: FloatArray, calibration: tuple[pd.DataFrame, pd.DataFrame] | None
    ) -> None:
        self.total_factor_, self.bands_ = 1.0, None
        later = (X, y) if calibration is None else self._rows(*calibration)
        if len(later[1]) < ROWS_PER_BAND:
            self.notes_.append(
                f"{len(later[1])} rows have a closed later window, {ROWS_PER_BAND} are needed: no interval"
            )
            return
        forecast = self._forecast(later[0])
        if calibration is None:
            self.notes_.append("no later window: the interval comes from the training rows and is too narrow")
        elif later[1].sum() > 0:
            self.total_factor_ = float(np.clip(later[1].sum() / forecast.sum(), 0.5, 2.0))
        self.bands_ = ConformalBands.learn(forecast * self.total_factor_, later[1], self.level)

    def _forecast(self, features: pd.DataFrame) -> FloatArray:
        """Expected spend before the total is set, shape (n,)."""
        total = np.zeros(len(features))
        if self.trees_ is not None:
            total += self._share_of_trees() * self.trees_.predict(features)
        if self.orders_ is not None:
            total += (1 - self._share_of_trees()) * self._btyd_forecast(features)
        return total

    def _share_of_trees(self) -> float:
        if self.trees_ is None or self.orders_ is None:
            return 0.0 if self.trees_ is None else 1.0
        return 1 - self.btyd_weight

    def _btyd_forecast(self, features: pd.DataFrame) -> FloatArray:
        history = purchase_histories(features)
        orders = self.orders_.expected_purchases(history, self.horizon).to_numpy()
        return np.asarray(orders * self.spend_.expected_spend(history).to_numpy())

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return `clv_{h}d`, `_low`, `_high` and `clv_historic`, same index.

        People who never bought have no forecast (NaN) and a historic value of 0. Without a closed window there is no
        interval (NaN). Margin and discount apply to the forecast; historic value is spend net of returns.
        """
        frame = require_columns(features, self.feature_names_in_, "the lifetime value")
        bought = _buyers(features)
        columns = np.full((len(frame), 3), np.nan)
        if bought.any():
            forecast = self._forecast(frame[bought]) * self.total_factor_
            columns[bought, 0] = forecast
            if self.bands_ is not None:
                columns[bought, 1], columns[bought, 2] = self.bands_.interval(forecast)
        name = f"clv_{self.horizon}d"
        scores = pd.DataFrame(
            columns * self._worth(), index=features.index, columns=[name, f"{name}_low", f"{name}_high"]
        )
        scores["clv_historic"] = _net_spend(features)
        return scores

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Exact parts of `clv_{h}d` in its currency, same index, NaN for people who never bought.

        One column a feature, `rhythm_spend_{h}d` for the whole of the buy-till-you-die forecast against its mean, and
        `base_value`; the row sum is the forecast.
        """
        frame, bought = (
            require_columns(features, self.feature_names_in_, "the lifetime value"),
            _buyers(features),
        )
        columns = [*self.feature_names_in_, f"rhythm_spend_{self.horizon}d", "base_value"]
        parts, share = np.full((len(frame), len(columns)), np.nan), self._share_of_trees()
        parts[bought] = 0.0
        if self.trees_ is not None and bought.any():
            grown = self.trees_.contributions(frame[bought])
            parts[np.ix_(bought, [*range(len(columns) - 2), -1])] = share * grown
        if self.orders_ is not None and bought.any():
            parts[bought, -2] = (1 - share) * (self._btyd_forecast(frame[bought]) - self.btyd_mean_)
            parts[bought, -1] += (1 - share) * self.btyd_mean_
        return pd.DataFrame(parts * self.total_factor_ * self._worth(), index=features.index, columns=columns)

    def reasons(self, features: pd.DataFrame, count: int = 3) -> pd.DataFrame:
        """What lifts or lowers a forecast, in words, strength in money; see `reasons.top_reasons`."""
        frame, bought = (
            require_columns(features, self.feature_names_in_, "the lifetime value"),
            _buyers(features),
        )
        name = f"rhythm_spend_{self.horizon}d"
        values = frame.assign(**{name: np.nan})
        if self.orders_ is not None and bought.any():
            values.loc[bought, name] = self._btyd_forecast(frame[bought])
        return top_reasons(self.contributions(features), values, count=count, typical=self.typical_)

    def _worth(self) -> float:
        """Margin times the mean discount of money that comes evenly over the horizon."""
        d = np.log1p(self.discount_rate_per_year) * self.horizon / 365.25
        return float(self.margin * (-np.expm1(-d) / d if abs(d) > 1e-12 else 1.0))

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as JSON-able plain Python."""
        settings = ("horizon", "btyd_weight", "level", "margin", "discount_rate_per_year", "regressor")
        return {
            **{name: getattr(self, name) for name in settings},
            "exclude": list(self.exclude),
            "features": list(self.feature_names_in_),
            "order_model": type(self.order_model).__name__,
            "orders": None if self.orders_ is None else self.orders_.to_dict(),
            "spend": None if self.spend_ is None else self.spend_.to_dict(),
            "trees": None if self.trees_ is None else self.trees_.to_dict(),
            "total_factor": self.total_factor_,
            "typical": self.typical_,
            "btyd_mean": getattr(self, "btyd_mean_", 0.0),
            "bands": None if self.bands_ is None else self.bands_.to_dict(),
            "notes": list(self.notes_),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LifetimeValue:
        """Inverse of `to_dict`; scores are identical."""
        kind = getattr(btyd, content["order_model"])
        settings = {
            name: content[name] for name in ("btyd_weight", "level", "margin", "discount_rate_per_year")
        }
        model = cls(
            content["horizon"], kind(), exclude=content["exclude"], **settings, **content["regressor"]
        )
        model.feature_names_in_ = list(content["features"])
        model.orders_ = kind.from_dict(content["orders"]) if content["orders"] else None
        model.spend_ = btyd.GammaGamma.from_dict(content["spend"]) if content["spend"] else None
        model.trees_ = ValueRegressor.from_dict(content["trees"]) if content["trees"] else None
        model.total_factor_ = content["total_factor"]
        model.bands_ = ConformalBands.from_dict(content["bands"]) if content["bands"] else None
        model.typical_, model.btyd_mean_ = dict(content.get("typical", {})), content.get("btyd_mean", 0.0)
        model.notes_ = list(content["notes"])
        return model


def _buyers(features: pd.DataFrame) -> Any:
    require_columns(features, ["repeat_orders"], "the lifetime value")
    bought = features["repeat_orders"].notna()
    if "orders_total" in features:
        bought &= features["orders_total"].gt(0)
    return bought.to_numpy()


def _net_spend(features: pd.DataFrame) -> pd.Series:
    spend = features["spend_total"].fillna(0.0)
    if "returned_share" not in features:
        return spend
    return spend * (1 - features["returned_share"].fillna(0.0))


def _last_cutoff(features: pd.DataFrame) -> pd.DataFrame:
    if features.index.nlevels == 1:
        return features
    cutoffs = features.index.get_level_values(0)
    return features[cutoffs == cutoffs.max()]
