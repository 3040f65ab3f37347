"""The probability of one binary outcome a customer: calibrated, monotone, additive.

The score is a blend, in log-odds, of the parts of `return_parts`: two small monotone tree models, a ridge logistic on
logs and the buy-till-you-die rhythm. The weights are found by a rolling-origin backtest: at each origin the parts are
learned from the cutoffs before it and judged on the cutoffs after it, on customers they have not seen. The last
origin also draws the line that makes the blend a probability. Then the parts learn from everything. No resampling and
no class weights; everything stays additive, so that a score's reasons sum to the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from segml.evaluation.calibration import PlattScaling, intercept_for_mean
from segml.models.blend_weights import convex_weights
from segml.models.boosting import FloatArray, canonical_order
from segml.models.return_backtest import (
    MINIMUM_PER_OUTCOME,
    Rows,
    judge_parts,
    rolling_origins,
)
from segml.models.return_parts import PARTS, ReturnParts, customer_halves

SILENCE_DIRECTIONS: dict[str, int] = {
    r"recency_days|gap_ratio": 1,
    r"(orders|spend)_\d+d|categories_90d": -1,
    r"orders_total|active_days_total|repeat_orders|spend_total": -1,
    r"rhythm_hazard_\d+d": -1,
}
LOG_COLUMNS: tuple[str, ...] = (
    "recency_days",
    "age_days",
    "repeat_orders",
    "orders_30d",
    "orders_90d",
    "spend_90d",
    "spend_total",
    "gap_mean_days",
    "gap_max_days",
    "lines_per_order",
    r"rhythm_hazard_\d+d",
)
USUAL_WEIGHTS: dict[str, float] = {"trees": 0.2, "standings": 0.4, "logistic": 0.25, "rhythm": 0.15}


class ReturnClassifier(ClassifierMixin, BaseEstimator):
    """Calibrated probability of a binary outcome: a convex blend of trees, a logistic and the order rhythm.

    Parameters
    ----------
    monotone : mapping of pattern to {-1, 0, 1}, optional
        Directions by column name (`re.fullmatch`); default: silence rises with recency and falls with orders and spend.
    log_columns : sequence of patterns, optional
        Columns of the logistic; when no name matches, all columns are used.
    weights : mapping of part to float, optional
        Fixed weights of `return_parts.PARTS` (those named; they are scaled to sum to one). By default they are found by
        backtest where calibration rows are given, and are `USUAL_WEIGHTS` elsewhere.
    rounds : int, default=400
        Trees of both tree models together.
    origins : int, default=2
        Backtest windows that the weights are found on, at most.
    weight_strength : float, default=20.0
        How firmly `USUAL_WEIGHTS` hold, in units of log-likelihood.
    line_kept : float, default=0.5
        How far the calibration line moves from the identity. The final fit has seen part of the drift that the line was
        drawn for, so the whole line would count it twice.
    random_state : int, default=0
    num_threads : int, default=1
        Changes the speed only.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The second is the outcome whose probability is modelled.
    weights_ : dict of str to float
        Part -> weight; at least zero, sum one.
    platt_ : PlattScaling
    notes_ : list of str
        What was done differently from the usual, in words.

    Examples
    --------
    >>> import pandas as pd
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"recency_days": rng.exponential(60, 800), "orders_90d": rng.poisson(2, 800)})
    >>> y = (rng.random(800) < expit(X["recency_days"] / 60 - X["orders_90d"])).astype(int)
    >>> model = ReturnClassifier(rounds=40).fit(X, y)
    >>> rare = pd.DataFrame({"recency_days": [1.0, 200.0], "orders_90d": [4.0, 0.0]})
    >>> model.predict(rare).tolist()
    [0, 1]
    """

    def __init__(
        self,
        *,
        monotone: Mapping[str, int] | None = None,
        log_columns: Sequence[str] | None = None,
        weights: Mapping[str, float] | None = None,
        rounds: int = 400,
        origins: int = 2,
        weight_strength: float = 20.0,
        line_kept: float = 0.5,
        random_state: int = 0,
        num_threads: int = 1,
    ) -> None:
        self.monotone = monotone
        self.log_columns = log_columns
        self.weights = weights
        self.rounds = rounds
        self.origins = origins
        self.weight_strength = weight_strength
        self.line_kept = line_kept
        self.random_state = random_state
        self.num_threads = num_threads

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.allow_nan = True
        return tags

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        calibration: tuple[Any, ...] | None = None,
        groups: ArrayLike | None = None,
        people: ArrayLike | None = None,
    ) -> ReturnClassifier:
        """Learn from rows of one or several cutoffs.

        Parameters
        ----------
        X : array-like of shape (n, features)
            NaN is allowed.
        y : array-like of shape (n,)
            Two classes.
        calibration : tuple (X, y), (X, y, groups) or (X, y, groups, people), optional
            Rows of later cutoffs, which find the weights and the line and are then learned from like the others.
            Without them the weights are the usual ones and there is no line.
        groups : array-like of shape (n,), optional
            Cutoff of each row; standings are taken within it, and the last one's table is stored for scoring.
        people : array-like of shape (n,), optional
            Customer of each row: in the backtest nobody is judged by parts that have learned from them.

        Raises
        ------
        ValueError
            For anything but two classes.
        """
        data, labels = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2
        )
        target = self._encode(labels)
        self.notes_: list[str] = []
        self._names = [str(name) for name in getattr(self, "feature_names_in_", range(data.shape[1]))]
        rows = Rows(
            data,
            target,
            np.zeros(len(target), dtype=int) if groups is None else np.asarray(groups),
            None if people is None else customer_halves(people),
        )
        self.weights_, self.platt_ = self._given_weights(), PlattScaling()
        if calibration is not None:
            later = self._later_rows(calibration, rows)
            self._judge(rows, later)
            rows = rows.followed_by(later)
        self.parts_ = self._parts().learn(rows.data, rows.target, rows.groups)
        return self

    def _encode(self, labels: Any) -> FloatArray:
        check_classification_targets(labels)
        if type_of_target(labels) != "binary" or len(np.unique(labels)) < 2:
            kinds = len(np.unique(labels))
            if kinds > 2:
                raise ValueError(
                    f"Only binary classification is supported. The type of the target is {kinds} classes."
                )
            raise ValueError("ReturnClassifier needs two classes, and the target has one class.")
        self.classes_ = np.unique(labels)
        return np.asarray(labels == self.classes_[1], dtype=float)

    def _parts(self) -> ReturnParts:
        return ReturnParts(
            self._names,
            SILENCE_DIRECTIONS if self.monotone is None else self.monotone,
            LOG_COLUMNS if self.log_columns is None else self.log_columns,
            self.rounds,
            self.random_state,
            self.num_threads,
        )

    def _given_weights(self) -> dict[str, float]:
        """Scale the parameter `weights`, or the usual ones, to the parts that there are."""
        wanted = USUAL_WEIGHTS if self.weights is None else self.weights
        unknown = sorted(set(wanted) - set(PARTS))
        kept = {part: float(wanted.get(part, 0.0)) for part in self._parts().parts}
        if unknown or min(kept.values()) < 0 or sum(kept.values()) <= 0:
            raise ValueError(
                f"weights must be at least zero, not all zero, and name some of {', '.join(PARTS)}; got {dict(wanted)}"
            )
        return {part: weight / sum(kept.values()) for part, weight in kept.items()}

    def _later_rows(self, calibration: tuple[Any, ...], rows: Rows) -> Rows:
        data = validate_data(
            self, calibration[0], reset=False, dtype=np.float64, ensure_all_finite="allow-nan"
        )
        target = np.asarray(np.asarray(calibration[1]) == self.classes_[1], dtype=float)
        groups = (
            np.asarray(calibration[2]) if len(calibration) > 2 else np.full(len(target), rows.groups.max())
        )
        halves = customer_halves(calibration[3]) if len(calibration) > 3 else None
        return Rows(data, target, groups, halves)

    def _judge(self, rows: Rows, later: Rows) -> None:
        """Find the weights by backtest, and the line on the last origin's rows."""
        windows = [
            judge_parts(self._parts, early, late)
            for early, late in rolling_origins(rows, later, self.origins)
        ]
        last = windows[0]
        if last.rarer() < MINIMUM_PER_OUTCOME:
            self.notes_.append(
                f"not calibrated on later rows: {last.rarer()} of {len(last.target)} have the rarer outcome, "
                f"{MINIMUM_PER_OUTCOME} are needed"
            )
            return
        if self.weights is None:
            found = convex_weights(
                np.vstack([window.data for window in windows]),
                np.concatenate([window.target for window in windows]),
                np.repeat(np.arange(len(windows)), [len(window.target) for window in windows]),
                np.concatenate([np.full(len(w.target), 1 / len(np.unique(w.groups))) for w in windows]),
                list(self.weights_.values()),
                self.weight_strength,
            )
            self.weights_ = dict(zip(self.weights_, found, strict=True))
        line = PlattScaling.fit(self._blend(last.data), last.target)
        self.platt_ = line.towards_identity(self.line_kept)

    def move_to(self, X: ArrayLike, level: float | None = None) -> ReturnClassifier:
        """Move standings and level to the customers of a later day, whose outcome nobody knows yet.

        Parameters
        ----------
        X : array-like of shape (n, features)
            Standings are taken among these rows from now on.
        level : float, optional
            What their mean probability should be; the order of the customers stays.
        """
        data = self._checked(X)
        data = data[canonical_order(data)]
        self.parts_.place_among(data)
        if level is not None:
            scaled = self.platt_.slope * self._blend(self.parts_.log_odds(data))
            self.platt_ = PlattScaling(intercept_for_mean(scaled, level), self.platt_.slope)
        return self

    def _blend(self, log_odds: FloatArray) -> FloatArray:
        """Weighted sum, column by column (a matrix product's last bit depends on the number of rows)."""
        total = np.zeros(len(log_odds))
        for column, weight in zip(log_odds.T, self.weights_.values(), strict=True):
            total += weight * column
        return total

    def _checked(self, X: ArrayLike) -> FloatArray:
        check_is_fitted(self)
        return np.asarray(
            validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        )

    def decision_function(self, X: ArrayLike) -> FloatArray:
        """Calibrated log-odds of the second class, shape (n,)."""
        data = self._checked(X)
        return self.platt_.log_odds(self._blend(self.parts_.log_odds(data)))

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Probabilities of both classes, shape (n, 2)."""
        p = expit(self.decision_function(X))
        return np.column_stack([1 - p, p])

    def predict(self, X: ArrayLike) -> Any:
        """The likelier class, shape (n,)."""
        likelier = (self.decision_function(X) > 0).astype(int)
        return self.classes_[likelier]

    def contributions(self, X: ArrayLike) -> FloatArray:
        """Exact parts of the log-odds, shape (n, features + 1); the last column is the base value."""
        weights = list(self.weights_.values())
        parts = self.platt_.slope * self.parts_.contributions(self._checked(X), weights)
        parts[:, -1] += self.platt_.intercept
        return np.asarray(parts)

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as JSON-able plain Python."""
        check_is_fitted(self)
        return {
            "parameters": {k: (list(v) if isinstance(v, tuple) else v) for k, v in self.get_params().items()},
            "features": self._names,
            "named": hasattr(self, "feature_names_in_"),
            "classes": self.classes_.tolist(),
            "parts": self.parts_.to_dict(),
            "weights": self.weights_,
            "platt": self.platt_.to_dict(),
            "notes": list(self.notes_),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ReturnClassifier:
        """Inverse of `to_dict`; predictions are identical."""
        model = cls(**content["parameters"])
        model._names = list(content["features"])
        model.n_features_in_ = len(model._names)
        if content["named"]:
            model.feature_names_in_ = np.array(model._names, dtype=object)
        model.classes_ = np.array(content["classes"])
        model.parts_ = model._parts().restore(content["parts"])
        model.weights_ = dict(content["weights"])
        model.platt_ = PlattScaling.from_dict(content["platt"])
        model.notes_ = list(content["notes"])
        return model
