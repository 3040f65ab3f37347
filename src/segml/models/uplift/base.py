"""The contract of everything that expects uplift: arrays of a campaign in, expected increments out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from segml.models.boosting import FloatArray, TreeSettings
from segml.models.uplift.trial import Trial, make_trial


class UpliftLearner(BaseEstimator):
    """Base of the learners; each adds `_learn`, `_increments` and its own content for JSON.

    A learner trusts that the arms were drawn by lot; `UpliftLadder` checks it.

    Parameters
    ----------
    control : label, default=0
        The arm that got nothing.
    random_state : int, default=0
        Draws folds; rows in another order give the same model.

    Attributes
    ----------
    arms_ : tuple
        Labels of the treatments, in the order of the columns of `predict`.
    """

    arms_: tuple[Any, ...]

    def __init__(self, *, control: Any = 0, random_state: int = 0) -> None:
        self.control = control
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        treatment: ArrayLike,
        probability: Mapping[Any, float] | ArrayLike | None = None,
    ) -> Self:
        """Learn from a campaign whose arms were drawn by lot.

        Parameters
        ----------
        X : array-like of shape (n, features)
            What was known before the campaign; NaN is allowed.
        y : array-like of shape (n,)
            Outcome in the window after it: 0/1, or an amount.
        treatment : array-like of shape (n,)
            Label of each customer's arm.
        probability : mapping or array-like, optional
            Of each arm, or of each customer's arms when it differed by stratum; see `make_trial`.

        Raises
        ------
        DataError
            When these are no arrays of a campaign with a control; everything wrong at once.
        """
        trial = self._trial(X, y, treatment, probability)
        with threadpool_limits(
            limits=1, user_api="blas"
        ):  # sums in parallel differ in the last digits, and cost
            return self._fit_trial(trial)

    def _trial(self, X: ArrayLike, y: ArrayLike, treatment: ArrayLike, probability: Any) -> Trial:
        data = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_samples=2)
        return make_trial(data, y, treatment, self.control, probability)

    def _fit_trial(self, trial: Trial) -> Self:
        self.arms_ = trial.arms
        self.n_features_in_ = trial.X.shape[1]
        self._learn(trial)
        return self

    def predict(self, X: ArrayLike) -> FloatArray:
        """Expected increment of each customer, in the outcome's unit.

        Returns
        -------
        ndarray of shape (n,) with one treatment, (n, arms) with several
        """
        check_is_fitted(self, "arms_")
        data = validate_data(self, X, reset=False, dtype=np.float64, ensure_all_finite="allow-nan")
        increments = self._increments(np.asarray(data))
        return increments[:, 0] if len(self.arms_) == 1 else increments

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as JSON-able plain Python."""
        check_is_fitted(self, "arms_")
        names = getattr(self, "feature_names_in_", None)
        return {
            "parameters": {name: _plain(value) for name, value in self.get_params(deep=False).items()},
            "features": None if names is None else [str(name) for name in names],
            "n_features": int(self.n_features_in_),
            "arms": list(self.arms_),
            "learned": self._learned(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`; predictions are identical."""
        model = cls(**{name: _parameter(name, value) for name, value in content["parameters"].items()})
        model.n_features_in_ = content["n_features"]
        if content["features"] is not None:
            model.feature_names_in_ = np.array(content["features"], dtype=object)
        model.arms_ = tuple(content["arms"])
        model._restore(content["learned"])
        return model

    def _learn(self, trial: Trial) -> None:
        raise NotImplementedError

    def _increments(self, X: FloatArray) -> FloatArray:
        raise NotImplementedError

    def _learned(self) -> dict[str, Any]:
        raise NotImplementedError

    def _restore(self, content: Mapping[str, Any]) -> None:
        raise NotImplementedError


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return [[key, amount] for key, amount in value.items()]
    return list(value) if isinstance(value, tuple) else value


def _parameter(name: str, value: Any) -> Any:
    if name == "settings" and value is not None:
        return TreeSettings(**value)
    if name == "cost" and isinstance(value, list):
        return dict(value)
    return value
