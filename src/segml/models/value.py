"""What will this customer be worth in the next h days, and between what and what?

The forecast is a blend of up to two kinds of trees on every feature and of what the rhythm of purchases promises
(`value_candidates`); its weights, its total and its interval come from windows of the past that were foretold from what
was known before them (`value_rehearsal`, `value_blend`), and never from the rows that the trees have learned. Where a
year before is known, the total also carries its season (`value_season`). The interval is for the person, not for the
mean: quantiles of what people with a forecast like this one really spent, relative to it (split conformal within bands
of the forecast).

References
----------
Fader, Hardie and Lee (2005), RFM and CLV. Lei et al. (2018), Distribution-free predictive inference for regression.
Tashman (2000), Out-of-sample tests of forecasting accuracy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from segml.errors import ConfigurationError, DataError, NotEnoughDataError, did_you_mean
from segml.models import btyd
from segml.models.boosting import FloatArray, require_columns
from segml.models.conformal import ROWS_PER_BAND, ConformalBands
from segml.models.reasons import top_reasons
from segml.models.return_curve import NOISY_COLUMNS
from segml.models.value_blend import Rehearsal, choose_weights, total_factor, unrest
from segml.models.value_candidates import (
    RHYTHM,
    TREES,
    RhythmForecast,
    ValueCandidates,
    blended,
    weights_among,
)
from segml.models.value_regressor import ValueRegressor
from segml.models.value_rehearsal import Rehearsing, day_of, rehearse, window_ratios
from segml.models.value_season import Season

__all__ = ["ConformalBands", "LifetimeValue", "ValueRegressor"]

_SMALL_BASE = 500  # customers; below it free trees lose to the counting model by about 12 % RMSE
_YOUNG_DAYS = 182
_HISTORY = ("repeat_orders", "first_to_last_days", "age_days", "spend_total")
# without a rehearsal to choose by: the two kinds of trees that were best or near it on every base measured
_USUAL_WEIGHTS = {"tweedie": 0.4, "tweedie_from_rhythm": 0.4, RHYTHM: 0.2}

_SETTINGS = ("horizon", "weights", "level", "margin", "discount_rate_per_year", "regressor")
_LEARNED = ("weights_", "total_factor_", "unrest_", "typical_", "usual_rhythm_", "notes_")


class LifetimeValue:
    """Predicted and historic value of every buyer: the registered task `clv`.

    Parameters
    ----------
    horizon : int
        Days; the label is `spend_next_{horizon}d`.
    order_model : unfitted buy-till-you-die model, optional
        In days; default `ParetoNBD()`.
    weights : dict of str to float, optional
        Shares of the forecasts `tweedie`, `two_part`, `tweedie_from_rhythm`, `two_part_from_rhythm` and `rhythm`; by
        default chosen on past windows.
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
    weights_ : dict of str to float
        Of the blend.
    typical_ : dict of str to float
        Median of each column at the last cutoff, for wording reasons.
    total_factor_ : float
        Realised over forecast total of the rehearsed windows.
    unrest_ : float
        Standard deviation of the log of that ratio from one window to the next.
    season_ : Season or None
        What the same days of a year ago did.
    notes_ : list of str
        What was done differently, in words.
    """

    task = "clv"
    knows_seasons = True

    def __init__(
        self,
        horizon: int,
        order_model: Any = None,
        *,
        weights: Mapping[str, float] | None = None,
        level: float = 0.9,
        margin: float = 1.0,
        discount_rate_per_year: float = 0.0,
        exclude: Sequence[str] = NOISY_COLUMNS,
        **regressor: Any,
    ) -> None:
        _check_weights(weights)
        if not 0.5 <= level < 1:
            raise ConfigurationError(f"the level of an interval is in [0.5, 1), got {level!r}")
        self.horizon = int(horizon)
        self.order_model = btyd.ParetoNBD() if order_model is None else order_model
        self.weights = None if weights is None else dict(weights)
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
        *,
        present: pd.DataFrame | None = None,
        year_ago: tuple[pd.DataFrame, pd.DataFrame] | None = None,
    ) -> LifetimeValue:
        """Learn from snapshots of one cutoff, or of many stacked as (cutoff, customer_id).

        Parameters
        ----------
        features, labels : DataFrame
            Same index; the label may be missing where its window is not closed.
        calibration : tuple of DataFrame, optional
            Later rows. Stacked ones are rehearsed on, each from the cutoffs that had closed before it, and then learned
            from too; those of a single cutoff set the blend, the total and the interval.
        present : DataFrame, optional
            Features at the cutoff that is forecast, whose histories the rhythm is fitted on; by default the last of
            the others. They need no closed window.
        year_ago : tuple of DataFrame, optional
            Stacked snapshots of about a year before, for the season.

        Raises
        ------
        NotEnoughDataError
            When neither forecast can be learned.
        """
        self.notes_: list[str] = []
        dated = features.index.nlevels > 1
        if dated and calibration is not None:
            features, labels = (pd.concat(pair) for pair in zip((features, labels), calibration, strict=True))
        X, y, last = self._prepare(features, labels)
        how = Rehearsing(self.horizon, self._trees_worth_growing(y, last), self.order_model, self.regressor)
        rhythm = self._fit_rhythm(last if present is None else present[_buyers(present)])
        if not how.names and rhythm is None:
            raise NotEnoughDataError(
                f"no forecast of the next {self.horizon} days: " + "; ".join(self.notes_),
                "bring a longer history or a shorter horizon",
            )
        if calibration is not None and not dated:
            rehearsals = self._learn_then_foretell(how, X, y, rhythm, calibration)
        else:
            rehearsals = self._foretell_then_learn(how, X, y, rhythm, calibration is not None)
        self._set_total(rehearsals, year_ago)
        self._set_interval(X, y, rehearsals, dated)
        self._describe(last)
        return self

    def _prepare(
        self, features: pd.DataFrame, labels: pd.DataFrame
    ) -> tuple[pd.DataFrame, FloatArray, pd.DataFrame]:
        """Check, and return the rows with a closed window and the buyers of the last cutoff."""
        known = _buyers(features)
        self.feature_names_in_ = self._usable_columns(features[known])
        return *self._rows(features, labels), _last_cutoff(features[known])

    def _learn_then_foretell(
        self,
        how: Rehearsing,
        X: pd.DataFrame,
        y: FloatArray,
        rhythm: RhythmForecast | None,
        calibration: tuple[pd.DataFrame, pd.DataFrame],
    ) -> list[Rehearsal]:
        """Other people's rows, or one later cutoff: every candidate is grown once, and those unused are dropped."""
        later, spent = self._rows(*calibration)
        every = ValueCandidates.learn(X, y, rhythm, how.names, **self.regressor)
        rehearsals = [Rehearsal("", every.forecasts(later), spent)] if len(spent) else []
        self._choose(rehearsals, every.names)
        trees = {name: model for name, model in every.trees.items() if name in self.weights_}
        self.candidates_ = ValueCandidates(rhythm, trees)
        return rehearsals

    def _foretell_then_learn(
        self, how: Rehearsing, X: pd.DataFrame, y: FloatArray, rhythm: RhythmForecast | None, rehearsed: bool
    ) -> list[Rehearsal]:
        """Stacked cutoffs: rehearse in the past, then grow what was chosen on everything that has closed."""
        rehearsals, notes = rehearse(how, X, y) if rehearsed and len(y) else ([], [])
        self.notes_ += notes
        possible = [*how.names, *([RHYTHM] if rhythm is not None else [])]
        if rhythm is None:
            possible = [name for name in possible if not TREES[name][1]]
        self._choose(rehearsals, possible)
        trees = [name for name in how.names if name in self.weights_]
        self.candidates_ = ValueCandidates.learn(X, y, rhythm, trees, **self.regressor)
        return rehearsals

    def _choose(self, rehearsals: Sequence[Rehearsal], possible: Sequence[str]) -> None:
        wanted = self.weights or choose_weights(rehearsals) or _USUAL_WEIGHTS
        self.weights_ = weights_among(possible, wanted)

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

    def _fit_rhythm(self, present: pd.DataFrame) -> RhythmForecast | None:
        try:
            rhythm = RhythmForecast.learn(present, self.order_model, self.horizon)
        except NotEnoughDataError as error:
            self.notes_.append(f"no buy-till-you-die forecast: {error.message}")
            return None
        self.notes_ += rhythm.warnings
        return rhythm

    def _trees_worth_growing(self, y: FloatArray, last: pd.DataFrame) -> tuple[str, ...]:
        why = self._why_no_trees(y, last)
        if why:
            self.notes_.append(f"{why}: the forecast is the buy-till-you-die model's alone")
            return ()
        return tuple(TREES)

    def _why_no_trees(self, y: FloatArray, last: pd.DataFrame) -> str:
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

    def _set_total(
        self, rehearsals: Sequence[Rehearsal], year_ago: tuple[pd.DataFrame, pd.DataFrame] | None
    ) -> None:
        told = [r for r in rehearsals if set(self.weights_) <= set(r.forecasts)]
        self.total_factor_ = total_factor(told, self.weights_)
        self.season_: Season | None = None
        rhythm = self.candidates_.rhythm
        if year_ago is not None and told and told[0].cutoff and rhythm is not None:
            then, spent = self._rows(*year_ago)
            self.season_ = Season.learn(told[0].cutoff, then, spent, rhythm.expected)

    def _set_interval(
        self, X: pd.DataFrame, y: FloatArray, rehearsals: Sequence[Rehearsal], dated: bool
    ) -> None:
        self.bands_, self.unrest_ = None, 0.0
        told = [r for r in rehearsals if set(self.weights_) <= set(r.forecasts)]
        if rehearsals:
            forecast = np.concatenate([blended(r.forecasts, self.weights_) for r in told] or [np.empty(0)])
            realised = np.concatenate([r.realised for r in told] or [np.empty(0)])
        else:
            forecast, realised = self.candidates_.blend(X, self.weights_) if len(y) else y, y
            self.notes_.append("no later window: the interval comes from the training rows and is too narrow")
        if len(realised) < ROWS_PER_BAND:
            self.notes_.append(
                f"{len(realised)} rows have a closed later window, {ROWS_PER_BAND} are needed: no interval"
            )
            return
        if dated and self.candidates_.rhythm is not None:
            self.unrest_ = unrest(window_ratios(X, y, self.candidates_.rhythm.expected), self.horizon)
        self.bands_ = ConformalBands.learn(
            forecast * self.total_factor_, realised, self.level, unrest=self.unrest_
        )

    def _describe(self, last: pd.DataFrame) -> None:
        """What is typical, for wording reasons."""
        named = last[self.feature_names_in_]
        self.typical_ = {str(name): float(value) for name, value in named.median().items()}
        self.usual_rhythm_ = 0.0
        if self.candidates_.rhythm is not None:
            expected = self.candidates_.rhythm.expected(named)
            self.typical_[self._rhythm_name] = float(np.median(expected))
            self.usual_rhythm_ = float(np.mean(expected))

    @property
    def _rhythm_name(self) -> str:
        return f"rhythm_spend_{self.horizon}d"

    def _level(self, as_of: str | None) -> float:
        """What the blend is multiplied by for a window that begins at `as_of`."""
        if self.season_ is None:
            return self.total_factor_
        day = self.season_.days[-1] if as_of is None else day_of(as_of)
        return self.total_factor_ * self.season_.factor(day)

    def score(self, features: pd.DataFrame, as_of: str | None = None) -> pd.DataFrame:
        """Return `clv_{h}d`, `_low`, `_high` and `clv_historic`, same index.

        People who never bought have no forecast (NaN) and a historic value of 0. Without a closed window there is no
        interval (NaN). Margin and discount apply to the forecast; historic value is spend net of returns. `as_of`, the
        features' cutoff, picks the season where one is known; by default it is that of the last day it is known for.
        """
        frame, bought = self._frame(features), _buyers(features)
        columns = np.full((len(frame), 3), np.nan)
        if bought.any():
            forecast = self.candidates_.blend(frame[bought], self.weights_) * self._level(as_of)
            columns[bought, 0] = forecast
            if self.bands_ is not None:
                columns[bought, 1], columns[bought, 2] = self.bands_.interval(forecast)
        name = f"clv_{self.horizon}d"
        scores = pd.DataFrame(
            columns * self._worth(), index=features.index, columns=[name, f"{name}_low", f"{name}_high"]
        )
        scores["clv_historic"] = _net_spend(features)
        return scores

    def _frame(self, features: pd.DataFrame) -> pd.DataFrame:
        return require_columns(features, self.feature_names_in_, "the lifetime value")

    def contributions(self, features: pd.DataFrame, as_of: str | None = None) -> pd.DataFrame:
        """Exact parts of `clv_{h}d` in its currency, same index, NaN for people who never bought.

        One column a feature, `rhythm_spend_{h}d` for what the buy-till-you-die forecast adds against its usual one, and
        `base_value`; the row sum is the forecast.
        """
        return self._explain(features, as_of)[0]

    def _explain(self, features: pd.DataFrame, as_of: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Parts of the forecast, and the values behind them."""
        frame, bought = self._frame(features), _buyers(features)
        parts = np.full((len(frame), frame.shape[1] + 2), np.nan)
        rhythm = np.full(len(frame), np.nan)
        if bought.any():
            parts[bought], rhythm[bought] = self.candidates_.contributions(
                frame[bought], self.weights_, self.usual_rhythm_
            )
        named = [*self.feature_names_in_, self._rhythm_name, "base_value"]
        level = self._level(as_of) * self._worth()
        return (
            pd.DataFrame(parts * level, index=features.index, columns=named),
            frame.assign(**{self._rhythm_name: rhythm}),
        )

    def reasons(self, features: pd.DataFrame, count: int = 3, as_of: str | None = None) -> pd.DataFrame:
        """What lifts or lowers a forecast, in words, strength in money; see `reasons.top_reasons`."""
        parts, values = self._explain(features, as_of)
        return top_reasons(parts, values, count=count, typical=self.typical_)

    def _worth(self) -> float:
        """Margin times the mean discount of money that comes evenly over the horizon."""
        d = np.log1p(self.discount_rate_per_year) * self.horizon / 365.25
        return float(self.margin * (-np.expm1(-d) / d if abs(d) > 1e-12 else 1.0))

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as JSON-able plain Python."""
        return {
            **{name: getattr(self, name) for name in (*_SETTINGS, *_LEARNED)},
            "exclude": list(self.exclude),
            "features": list(self.feature_names_in_),
            "order_model": type(self.order_model).__name__,
            "candidates": self.candidates_.to_dict(),
            "season": None if self.season_ is None else self.season_.to_dict(),
            "bands": None if self.bands_ is None else self.bands_.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LifetimeValue:
        """Inverse of `to_dict`; scores are identical."""
        settings = {name: content[name] for name in _SETTINGS if name not in ("horizon", "regressor")}
        model = cls(
            content["horizon"],
            getattr(btyd, content["order_model"])(),
            exclude=content["exclude"],
            **settings,
            **content["regressor"],
        )
        model.feature_names_in_ = list(content["features"])
        model.candidates_ = ValueCandidates.from_dict(content["candidates"])
        model.season_ = Season.from_dict(content["season"]) if content["season"] else None
        model.bands_ = ConformalBands.from_dict(content["bands"]) if content["bands"] else None
        for name in _LEARNED:
            setattr(model, name, content[name])
        return model


def _check_weights(weights: Mapping[str, float] | None) -> None:
    unknown = [name for name in weights or {} if name not in (*TREES, RHYTHM)]
    if unknown:
        named = ", ".join(f"{name!r}{did_you_mean(name, (*TREES, RHYTHM))}" for name in unknown)
        raise ConfigurationError(f"no forecast is called {named}; there are {', '.join((*TREES, RHYTHM))}")
    if weights is not None and (min(weights.values(), default=-1.0) < 0 or sum(weights.values()) <= 0):
        raise ConfigurationError(f"weights are shares of zero or more, one above zero; got {dict(weights)}")


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
