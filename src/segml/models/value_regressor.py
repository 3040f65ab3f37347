"""Money in the next window from small trees: a compound Poisson forecast and a two-part one, averaged.

Spend is zero for many and heavy-tailed for the rest. A Tweedie deviance (power 1.3) meets both in one model;
P(buy) times E(spend | buy) meets them in two. Either may start from what a buy-till-you-die model expects (an offset)
and learn only what that model does not know. The outcome is divided by its mean before anything is learned, so that the
currency changes nothing.

References
----------
Jorgensen (1987), Exponential dispersion models. Yang, Qian and Zou (2018), Insurance premium prediction via gradient
tree-boosted Tweedie compound Poisson models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from segml.errors import ModelError
from segml.models.boosting import BoostedTrees, FloatArray, TreeSettings, canonical_order
from segml.models.value_parts import log_chance_parts, money_parts

_TWEEDIE = TreeSettings(objective="tweedie", leaves=8, depth=4, extra_trees=True)
_BUY = TreeSettings(objective="binary")
_SPEND = TreeSettings(objective="gamma")
_ROWS_FOR_TWO_PARTS = (
    50  # of zero and of positive outcomes each; fewer, and the Tweedie forecast stands alone
)
_KINDS = {"tweedie": ("tweedie",), "two_part": ("buy", "spend"), "mean": ("tweedie", "buy", "spend")}


class ValueRegressor(RegressorMixin, BaseEstimator):
    """Expected spend, zero or more.

    Parameters
    ----------
    tweedie_power : float, default=1.3
        Between 1 (Poisson) and 2 (gamma).
    kind : str, default="mean"
        ``tweedie``, ``two_part`` (P(buy) x E(spend | buy)), or the mean of both.
    rounds : int, default=300
    random_state : int, default=0
    num_threads : int, default=1
        Changes the speed only.

    Attributes
    ----------
    scale_ : float
        Mean outcome of the training rows, in its own currency.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.exponential(1.0, (600, 1))
    >>> y = rng.poisson(X[:, 0]) * 20.0
    >>> forecast = ValueRegressor(rounds=60).fit(X, y).predict(np.array([[0.1], [3.0]]))
    >>> bool(forecast[0] < 20 < forecast[1])
    True
    """

    def __init__(
        self,
        *,
        tweedie_power: float = 1.3,
        kind: str = "mean",
        rounds: int = 300,
        random_state: int = 0,
        num_threads: int = 1,
    ) -> None:
        self.tweedie_power = tweedie_power
        self.kind = kind
        self.rounds = rounds
        self.random_state = random_state
        self.num_threads = num_threads

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.positive_only = True
        return tags

    def fit(self, X: ArrayLike, y: ArrayLike, offset: FloatArray | None = None) -> ValueRegressor:
        """Learn from spend in the window.

        Parameters
        ----------
        X : array-like of shape (n, features)
            NaN is allowed.
        y : array-like of shape (n,)
            Zero or more, with a positive mean.
        offset : array of shape (n, 2), optional
            Log of the spend that another model expects, and its log-odds of buying at all: where the trees start from.

        Raises
        ------
        ValueError
            For a negative outcome, or when everybody's is zero, or for an unknown kind.
        """
        data, spend = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True, ensure_min_samples=2
        )
        spend = np.asarray(spend, dtype=float)
        if spend.min() < 0 or spend.max() <= 0:
            raise ValueError(
                f"spend is zero or more and positive for somebody; it runs from {spend.min():g} to {spend.max():g}"
            )
        if self.kind not in _KINDS:
            raise ValueError(
                f"the kind of a value regressor is one of {', '.join(_KINDS)}, got {self.kind!r}"
            )
        self.scale_ = float(np.mean(np.sort(spend)))
        order = canonical_order(data, spend)
        data, spend = data[order], spend[order] / self.scale_
        starts = _starts(None if offset is None else np.asarray(offset, dtype=float)[order])
        self.trees_: dict[str, BoostedTrees] = {}
        self.shifts_: dict[str, float] = {}
        self.typical_start_: dict[str, float] = {}
        for part in self._parts_that_can_be_learned(spend):
            rows = spend > 0 if part == "spend" else np.ones(len(spend), dtype=bool)
            outcome = (spend > 0).astype(float) if part == "buy" else spend
            self._learn(
                part, data[rows], outcome[rows], {name: start[rows] for name, start in starts.items()}
            )
        return self

    def _parts_that_can_be_learned(self, spend: FloatArray) -> tuple[str, ...]:
        bought = int((spend > 0).sum())
        enough = min(bought, len(spend) - bought) >= _ROWS_FOR_TWO_PARTS
        return _KINDS[self.kind] if enough else ("tweedie",)

    def _learn(self, part: str, data: FloatArray, outcome: FloatArray, starts: dict[str, FloatArray]) -> None:
        settings = {
            "tweedie": replace(_TWEEDIE, tweedie_power=self.tweedie_power),
            "buy": _BUY,
            "spend": _SPEND,
        }
        chosen, start = replace(settings[part], rounds=self.rounds), starts.get(part)
        if start is not None:  # the other model's level is not taken over, only how people differ in it
            self.shifts_[part] = (
                0.0 if part == "buy" else float(np.log(outcome.mean() / np.exp(start).mean()))
            )
            start = start + self.shifts_[part]
            self.typical_start_[part] = float(start.mean())
        self.trees_[part] = BoostedTrees.grow(
            data, outcome, chosen, offset=start, seed=self.random_state, num_threads=self.num_threads
        )

    @property
    def uses_offset(self) -> bool:
        """Whether the forecast starts from another model's."""
        return bool(self.shifts_)

    def _start_of(self, offset: FloatArray | None) -> dict[str, FloatArray]:
        if self.uses_offset and offset is None:
            raise ModelError(
                "this regressor was trained with an offset and is asked without one", "give `offset`"
            )
        starts = _starts(offset if self.uses_offset else None)
        return {part: start + self.shifts_[part] for part, start in starts.items() if part in self.shifts_}

    def predict(self, X: ArrayLike, offset: FloatArray | None = None) -> FloatArray:
        """Expected spend, shape (n,), in the currency of `y`."""
        check_is_fitted(self)
        data = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        starts = self._start_of(offset)
        raw = {
            part: trees.raw_score(data, self.num_threads) + starts.get(part, 0.0)
            for part, trees in self.trees_.items()
        }
        found = [np.exp(raw["tweedie"])] if "tweedie" in raw else []
        found += [expit(raw["buy"]) * np.exp(raw["spend"])] if "buy" in raw else []
        return np.asarray(sum(found) / len(found) * self.scale_)

    def contributions(self, X: ArrayLike, offset: FloatArray | None = None) -> FloatArray:
        """Exact parts of the forecast in its currency, shape (n, features + 1); the last column is the base value.

        With an offset there is one column more, before the last: what the other model's forecast adds to its typical
        one.
        """
        check_is_fitted(self)
        data = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        starts, logs = self._start_of(offset), {}
        for part, trees in self.trees_.items():
            grown = trees.contributions(data, self.num_threads)
            logs[part] = self._with_start(part, grown, starts[part]) if part in starts else grown
        found = [money_parts(logs["tweedie"])] if "tweedie" in logs else []
        found += [money_parts(log_chance_parts(logs["buy"]) + logs["spend"])] if "buy" in logs else []
        return np.asarray(sum(found) / len(found) * self.scale_)

    def _with_start(self, part: str, grown: FloatArray, start: FloatArray) -> FloatArray:
        usual = self.typical_start_[part]
        return np.column_stack([grown[:, :-1], start - usual, grown[:, -1] + usual])

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as JSON-able plain Python."""
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        return {
            "parameters": self.get_params(),
            "features": None if names is None else [str(name) for name in names],
            "n_features": int(self.n_features_in_),
            "scale": self.scale_,
            "shifts": self.shifts_,
            "typical_start": self.typical_start_,
            "trees": {part: trees.to_dict() for part, trees in self.trees_.items()},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ValueRegressor:
        """Inverse of `to_dict`; predictions are identical."""
        model = cls(**content["parameters"])
        model.n_features_in_ = content["n_features"]
        if content["features"] is not None:
            model.feature_names_in_ = np.array(content["features"], dtype=object)
        model.scale_ = content["scale"]
        model.shifts_, model.typical_start_ = dict(content["shifts"]), dict(content["typical_start"])
        model.trees_ = {part: BoostedTrees.from_dict(trees) for part, trees in content["trees"].items()}
        return model


def _starts(offset: FloatArray | None) -> dict[str, FloatArray]:
    """What each part starts from: log spend; log-odds of buying; log spend of those who buy."""
    if offset is None:
        return {}
    spend, odds = offset[:, 0], offset[:, 1]
    return {"tweedie": spend, "buy": odds, "spend": spend - log_expit(odds)}
