"""Will this customer order again? One curve of P(silent for the next h days), read at a short and at a long h.

The label is a fixed forward window, because a personal gap ratio ranks badly (AUC 0.55-0.67 where plain recency
reaches 0.76-0.82) and P(alive) of a counting model calls every one-time buyer alive. One classifier a horizon, then a
running minimum over the horizons: being silent for 180 days implies being silent for 60, so dormancy (short) and churn
(long) can't contradict each other.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from segml.errors import DataError, NotEnoughDataError
from segml.models.boosting import FloatArray, canonical_order, require_columns
from segml.models.log_linear import LogLogistic, matching_columns
from segml.models.order_timing import OneTimers, count_one_timers, order_timing_frame, second_purchase_frame
from segml.models.return_classifier import LOG_COLUMNS, SILENCE_DIRECTIONS, ReturnClassifier
from segml.models.return_parts import silence_log_odds
from segml.models.rhythm import HISTORY_COLUMNS, OrderRhythm, expected_level

__all__ = [
    "LOG_COLUMNS",
    "NOISY_COLUMNS",
    "SILENCE_DIRECTIONS",
    "ReturnClassifier",
    "ReturnCurve",
]

# Dozens of small shares cost 0.001 to 0.002 AUC on both retail bases, and make poor reasons.
NOISY_COLUMNS: tuple[str, ...] = (r"affinity_.*", r"weekday_.*_share")
_MINIMUM_PER_OUTCOME = 30
_SMALL_BASE = 200  # customers or closed rows; below it the rhythm's three numbers say all that can be said


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
    models_ : dict of int to ReturnClassifier or None
        None where the base is too small or too young for a classifier: the buy-till-you-die rhythm alone speaks.
    early_ : dict of int to LogLogistic
        Labelled horizons before the first, which place the next order on the curve.
    one_timers_ : OneTimers
        Evidence on customers with one order, without which nothing is said of their next one.
    rhythm_ : OrderRhythm or None
        Adds the column `rhythm_hazard_{h}d` to each classifier; None without purchase histories.
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
        present: pd.DataFrame | None = None,
    ) -> ReturnCurve:
        """Learn from snapshot and labels frames of one cutoff, or of many stacked as (cutoff, customer_id).

        Parameters
        ----------
        features, labels : DataFrame
            Same index. People who never bought (`orders_total` 0) are left out.
        calibration : tuple of DataFrame, optional
            Features and labels at later cutoffs: they find the weights of the blend and the calibration line, and are
            learned from too.
        present : DataFrame, optional
            Features at a still later cutoff, where no outcome is known yet: the rhythm, the standings and the level,
            which need none, are learned there. By default the first two are those of the last training cutoff.

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
        last = _last_cutoff(features if present is None else present)
        self.rhythm_, said = OrderRhythm.learn(
            require_columns(last, self.feature_names_in_, "the return curve")
        )
        self.notes_.extend(said)
        columns = {h: self.inputs(last, h) for h in self.horizons}
        self.typical_ = {
            str(name): float(value) for frame in columns.values() for name, value in frame.median().items()
        }
        self.one_timers_ = count_one_timers(features, labels[f"silent_next_{self.horizons[-1]}d"])
        if not self.one_timers_.enough and "repeat_orders" in features:
            self.notes_.append(self.one_timers_.note)
        self.models_ = {h: self._fit_one(h, features, labels, calibration) for h in self.horizons}
        self.early_ = self._fit_early(features, labels)
        if present is not None:
            self._move_to(last, columns, [(features, labels), *([calibration] if calibration else [])])
        return self

    def _move_to(
        self,
        present: pd.DataFrame,
        columns: Mapping[int, pd.DataFrame],
        pairs: Sequence[tuple[pd.DataFrame, pd.DataFrame]],
    ) -> None:
        """Take standings and level from the present customers, whose outcome nobody knows."""
        levels: dict[int, float] = {}
        if self.rhythm_ is not None and len(pairs) > 1 and all(f.index.nlevels > 1 for f, _ in pairs):
            # a cutoff may be in both frames, each with the labels of other horizons: rows go by place, not by name
            bought = [ever_bought(features).to_numpy() for features, _ in pairs]
            earlier = pd.concat(
                [
                    features.loc[kept, list(HISTORY_COLUMNS)]
                    for (features, _), kept in zip(pairs, bought, strict=True)
                ]
            )
            names = [f"silent_next_{h}d" for h in self.horizons]
            silent = pd.concat(
                [labels.loc[kept, names] for (_, labels), kept in zip(pairs, bought, strict=True)]
            )
            silent = silent.set_axis(list(self.horizons), axis=1)
            levels = expected_level(self.rhythm_, present, earlier, silent)
        for horizon, model in self.models_.items():
            if model is not None:
                model.move_to(columns[horizon], levels.get(horizon))

    def _fit_early(self, features: pd.DataFrame, labels: pd.DataFrame) -> dict[int, LogLogistic]:
        """Fit a logistic at each labelled horizon before the first: they time the next order, and nothing else."""
        found = {}
        for name in map(str, labels.columns):
            match = re.fullmatch(r"silent_next_(\d+)d", name)
            if match is None or int(match[1]) >= self.horizons[0]:
                continue
            kept = (labels[name].notna() & ever_bought(features)).to_numpy()
            y = labels[name].to_numpy(dtype=float)[kept]
            if min(y.sum(), len(y) - y.sum()) < _MINIMUM_PER_OUTCOME:
                continue
            X = self.inputs(features[kept], self.horizons[0])
            order = canonical_order(X.to_numpy(), y)
            logistic = LogLogistic(matching_columns([str(column) for column in X.columns], LOG_COLUMNS))
            found[int(match[1])] = logistic.fit(X.to_numpy()[order], y[order])
        return dict(sorted(found.items()))

    def _with_early(self, features: pd.DataFrame, silent: pd.DataFrame) -> tuple[pd.DataFrame, list[int]]:
        """Put the early horizons before the others; P(silent) never rises with the horizon."""
        if not self.early_:
            return silent, list(self.horizons)
        X = self.inputs(features, self.horizons[0]).to_numpy()
        early = [expit(logistic.log_odds(X)) for logistic in self.early_.values()]
        both = np.column_stack([*early, silent.to_numpy(dtype=float)])
        rising = np.maximum.accumulate(both[:, ::-1], axis=1)[
            :, ::-1
        ]  # the trained horizons stay as they are
        return pd.DataFrame(rising, index=silent.index), [*self.early_, *self.horizons]

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
    ) -> ReturnClassifier | None:
        X, y, groups, people = self._rows(horizon, features, labels)
        if self._rhythm_alone(horizon, len(_last_cutoff(features)), len(y)):
            return None
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
        model = ReturnClassifier(**self.classifier).fit(X, y, calibration=later, groups=groups, people=people)
        self.notes_.extend(f"{horizon} days: {note}" for note in model.notes_)
        return model

    def _rhythm_alone(self, horizon: int, customers: int, closed: int) -> bool:
        if self.rhythm_ is None or min(customers, closed) >= _SMALL_BASE:
            return False
        self.notes_.append(
            f"{horizon} days: the buy-till-you-die model alone, because {customers} customers with {closed} closed "
            f"label windows are too few for a classifier ({_SMALL_BASE} of each); not calibrated"
        )
        return True

    def _rows(
        self, horizon: int, features: pd.DataFrame, labels: pd.DataFrame
    ) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
        label = labels[f"silent_next_{horizon}d"]
        kept = (label.notna() & ever_bought(features)).to_numpy()
        frame = self.inputs(features[kept], horizon)
        index = frame.index
        groups = index.get_level_values(0) if index.nlevels > 1 else np.zeros(len(frame), dtype=int)
        people = index.get_level_values(-1)
        return frame, label[kept].to_numpy(dtype=float), np.asarray(groups), np.asarray(people)

    def inputs(self, features: pd.DataFrame, horizon: int) -> pd.DataFrame:
        """The columns a horizon's classifier sees: `feature_names_in_`, then the rhythm at that horizon."""
        frame = require_columns(features, self.feature_names_in_, "the return curve")
        if self.rhythm_ is None:
            return frame
        return frame.assign(**{f"rhythm_hazard_{horizon}d": self.rhythm_.order_hazard(frame, horizon)})

    def predict_curve(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return `silent_probability_{h}d`, one column a horizon, same index; NaN for people who never bought."""
        raw = np.column_stack([self._silent(features, h) for h in self.horizons])
        projected = np.minimum.accumulate(raw, axis=1)
        projected[~ever_bought(features).to_numpy()] = np.nan
        names = [f"silent_probability_{h}d" for h in self.horizons]
        return pd.DataFrame(projected, index=features.index, columns=names)

    def _silent(self, features: pd.DataFrame, horizon: int) -> FloatArray:
        model = self.models_[horizon]
        if model is not None:
            return np.asarray(model.predict_proba(self.inputs(features, horizon))[:, 1])
        return np.exp(-self.inputs(features, horizon)[f"rhythm_hazard_{horizon}d"].to_numpy())

    def order_timing(self, features: pd.DataFrame, curve: pd.DataFrame | None = None) -> pd.DataFrame:
        """Next-order day with an 80 % interval, and the chance of a second purchase.

        Parameters
        ----------
        features : DataFrame
        curve : DataFrame, optional
            `predict_curve(features)`, when it is at hand.

        Returns
        -------
        DataFrame
            `next_order_days` (P(an order by then) is one half), `next_order_days_low` (one tenth),
            `next_order_days_high` (nine tenths), `second_purchase_probability` (one-time buyers, within the longest
            horizon). NaN where the curve does not get there within the longest horizon, for people who never bought,
            and for one-time buyers of a base that has seen too few of them come back.
        """
        silent = self.predict_curve(features) if curve is None else curve
        frame = require_columns(features, self.feature_names_in_, "the return curve")
        return order_timing_frame(frame, *self._with_early(features, silent), self.rhythm_, self.one_timers_)

    def second_purchase_curve(self, features: pd.DataFrame) -> pd.DataFrame:
        """Expected share of today's one-time buyers who have bought again by each day: `days, share, customers`.

        Raises
        ------
        NotEnoughDataError
            Too few one-time buyers came back at the training cutoffs.
        """
        if not self.one_timers_.enough or self.rhythm_ is None:
            raise NotEnoughDataError(
                self.one_timers_.note, "wait for more one-time buyers with a closed window"
            )
        curve = self._with_early(features, self.predict_curve(features))
        return second_purchase_frame(features, *curve, self.rhythm_)

    def contributions(self, features: pd.DataFrame, horizon: int) -> pd.DataFrame:
        """Exact parts of the log-odds at one horizon, before the running minimum; column `base_value` last."""
        frame = self.inputs(features, horizon)
        columns, model = [*frame.columns, "base_value"], self.models_[horizon]
        if model is not None:
            return pd.DataFrame(model.contributions(frame), index=features.index, columns=columns)
        name = f"rhythm_hazard_{horizon}d"
        parts = pd.DataFrame(0.0, index=features.index, columns=columns)
        parts["base_value"] = float(silence_log_odds(np.array(self.typical_[name])))
        parts[name] = silence_log_odds(frame[name].to_numpy()) - parts["base_value"]
        return parts

    @cached_property
    def fingerprint(self) -> str:
        """Hash of everything learned: two curves with one fingerprint give the same answer to the same rows."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as JSON-able plain Python."""
        return {
            "horizons": list(self.horizons),
            "exclude": list(self.exclude),
            "classifier": self.classifier,
            "features": list(self.feature_names_in_),
            "rhythm": None if self.rhythm_ is None else self.rhythm_.to_dict(),
            "typical": self.typical_,
            "one_timers": self.one_timers_.to_dict(),
            "early": {str(h): logistic.to_dict() for h, logistic in self.early_.items()},
            "notes": list(self.notes_),
            "models": {str(h): model and model.to_dict() for h, model in self.models_.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ReturnCurve:
        """Inverse of `to_dict`; predictions are identical."""
        content = _with_present_names(content)
        curve = cls(content["horizons"], exclude=content["exclude"], **content["classifier"])
        curve.feature_names_in_ = list(content["features"])
        curve.rhythm_ = OrderRhythm.from_dict(content["rhythm"]) if content["rhythm"] else None
        curve.typical_ = dict(content["typical"])
        curve.notes_ = list(content["notes"])
        curve.one_timers_ = OneTimers(**content.get("one_timers", {}))
        curve.early_ = {int(h): LogLogistic.from_dict(kept) for h, kept in content.get("early", {}).items()}
        curve.models_ = {
            int(h): model and ReturnClassifier.from_dict(model) for h, model in content["models"].items()
        }
        return curve


def _with_present_names(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what `to_dict` gave under today's column name; older models called the hazard `rhythm_orders_{h}d`."""
    if not any(name.startswith("rhythm_orders_") for name in content["typical"]):
        return content
    renamed: dict[str, Any] = json.loads(json.dumps(content).replace("rhythm_orders_", "rhythm_hazard_"))
    return renamed


def ever_bought(features: pd.DataFrame) -> pd.Series:
    """False for prospects; a flat table without `orders_total` has none."""
    if "orders_total" not in features:
        return pd.Series(True, index=features.index)
    return features["orders_total"].ne(0)


def _last_cutoff(features: pd.DataFrame) -> pd.DataFrame:
    bought = features[ever_bought(features).to_numpy()]
    if features.index.nlevels == 1 or bought.empty:
        return bought
    cutoffs = bought.index.get_level_values(0)
    return bought[cutoffs == cutoffs.max()]
