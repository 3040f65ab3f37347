"""Six ways to expect what a contact changes, from the plainest to small trees, behind one contract.

None of them wins everywhere. On one public mailing a single rule on past purchases has a normalised Qini of 0.06 and
trees at their defaults half of it; on the other arm of the same mailing the chance of buying anyway beats every
learner of uplift; and on a mailing without an average effect that same chance does harm. So they are
kept apart here, and `UpliftLadder` chooses.

References
----------
Kuenzel et al. (2019), Metalearners for estimating heterogeneous treatment effects (T and X). Kennedy (2023), Towards
optimal doubly robust estimation of heterogeneous causal effects (DR). Radcliffe and Surry (2011), Real-world uplift
modelling with significance-based uplift trees (why response is not uplift).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from segml.models.boosting import BoostedTrees, FloatArray, TreeSettings
from segml.models.uplift.base import UpliftLearner
from segml.models.uplift.outcome_models import (
    FOLDS,
    OutcomeModel,
    RidgeLine,
    expected_outcomes,
    fit_outcomes,
    pseudo_increments,
)
from segml.models.uplift.trial import Trial

_TREES = TreeSettings(objective="regression", rounds=100, leaves=4, depth=3, rows_per_leaf=400)


class ConstantUplift(UpliftLearner):
    """The same increment for everybody: the campaign's own lift, and no opinion on whom to choose.

    Examples
    --------
    >>> X = np.zeros((400, 1))
    >>> y = np.r_[np.repeat([1.0, 0.0], [50, 150]), np.repeat([1.0, 0.0], [30, 170])]
    >>> ConstantUplift().fit(X, y, np.repeat([1, 0], 200)).predict([[0.0]]).round(2).tolist()
    [0.1]
    """

    def _learn(self, trial: Trial) -> None:
        self.increments_ = pseudo_increments(trial, self.random_state).mean(axis=0)

    def _increments(self, X: FloatArray) -> FloatArray:
        return np.tile(self.increments_, (len(X), 1))

    def _learned(self) -> dict[str, Any]:
        return {"increments": self.increments_.tolist()}

    def _restore(self, content: Mapping[str, Any]) -> None:
        self.increments_ = np.array(content["increments"], dtype=float)


class _RankedUplift(UpliftLearner):
    """The increment as a line in one expected outcome.

    The line starts from "the effect is in proportion to the outcome", which is what whoever ranks by response assumes,
    and is moved by the doubly robust scores as far as these are precise. Without an average effect it is flat: then
    response says nothing about who is moved.
    """

    def _outcome_models(self, trial: Trial) -> list[OutcomeModel]:
        raise NotImplementedError

    def _scores(self, models: list[OutcomeModel], X: FloatArray, arms: int) -> FloatArray:
        columns = [model.predict(X) for model in models]
        return np.column_stack(columns if len(columns) == arms else columns * arms)

    def _learn(self, trial: Trial) -> None:
        fold, arms = trial.folds(FOLDS, self.random_state), len(trial.arms)
        scores = np.empty((len(trial), arms))
        for part in range(FOLDS):
            held = fold == part
            scores[held] = self._scores(self._outcome_models(trial.rows(~held)), trial.X[held], arms)
        lines = [
            _proportional_line(score, increment)
            for score, increment in zip(scores.T, pseudo_increments(trial, self.random_state).T, strict=True)
        ]
        self.intercepts_, self.slopes_ = (np.array(values) for values in zip(*lines, strict=True))
        self.models_ = self._outcome_models(trial)

    def _increments(self, X: FloatArray) -> FloatArray:
        scores = self._scores(self.models_, X, len(self.slopes_))
        return np.asarray(self.intercepts_ + scores * self.slopes_)

    def _learned(self) -> dict[str, Any]:
        return {
            "intercepts": self.intercepts_.tolist(),
            "slopes": self.slopes_.tolist(),
            "models": [model.to_dict() for model in self.models_],
        }

    def _restore(self, content: Mapping[str, Any]) -> None:
        self.intercepts_ = np.array(content["intercepts"], dtype=float)
        self.slopes_ = np.array(content["slopes"], dtype=float)
        self.models_ = [OutcomeModel.from_dict(model) for model in content["models"]]


def _proportional_line(score: FloatArray, increment: FloatArray) -> tuple[float, float]:
    """Intercept and slope; the slope's prior is the proportional one, as wide as it is large."""
    middle, mean = float(score.mean()), float(increment.mean())
    spread = float(((score - middle) ** 2).sum())
    if spread <= 1e-12 * len(score) or middle == 0:
        return mean, 0.0
    prior = mean / middle
    slope = float((score - middle) @ increment) / spread
    residual = increment - mean - slope * (score - middle)
    variance = float(residual @ residual) / max(len(score) - 2, 1) / spread
    weight = prior**2 / (prior**2 + variance)
    slope = weight * slope + (1 - weight) * prior
    return mean - slope * middle, slope


class PropensityUplift(_RankedUplift):
    """Increment as a line in the chance of buying anyway (arms pooled): whom a response campaign would pick."""

    def _outcome_models(self, trial: Trial) -> list[OutcomeModel]:
        return [OutcomeModel().fit(trial.X, trial.y, binary=trial.binary)]


class ResponseUplift(_RankedUplift):
    """Increment as a line in the expected outcome of the treated, one line a treatment."""

    def _outcome_models(self, trial: Trial) -> list[OutcomeModel]:
        return fit_outcomes(trial)[1:]


class TwoModelUplift(UpliftLearner):
    """T-learner: expected outcome with the contact minus expected outcome without, two steady models.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, treated = rng.integers(0, 2, (4000, 1)).astype(float), rng.integers(0, 2, 4000)
    >>> y = (rng.random(4000) < 0.2 + 0.2 * X[:, 0] * treated).astype(float)
    >>> TwoModelUplift().fit(X, y, treated).predict([[0.0], [1.0]]).round(1).tolist()
    [-0.0, 0.2]
    """

    def _learn(self, trial: Trial) -> None:
        self.models_ = fit_outcomes(trial)

    def _increments(self, X: FloatArray) -> FloatArray:
        expected = expected_outcomes(self.models_, X)
        return np.asarray(expected[:, 1:] - expected[:, :1])

    def _learned(self) -> dict[str, Any]:
        return {"models": [model.to_dict() for model in self.models_]}

    def _restore(self, content: Mapping[str, Any]) -> None:
        self.models_ = [OutcomeModel.from_dict(model) for model in content["models"]]


class RidgeUplift(UpliftLearner):
    """DR-learner: a ridge line through the doubly robust scores, the penalty by generalised cross-validation."""

    def _learn(self, trial: Trial) -> None:
        self.line_ = RidgeLine().fit(trial.X, pseudo_increments(trial, self.random_state))

    def _increments(self, X: FloatArray) -> FloatArray:
        return self.line_.predict(X)

    def _learned(self) -> dict[str, Any]:
        return {"line": self.line_.to_dict()}

    def _restore(self, content: Mapping[str, Any]) -> None:
        self.line_ = RidgeLine.from_dict(content["line"])


class _GrownUplift(UpliftLearner):
    """Small trees for each treatment; `_targets` says what they learn from."""

    def __init__(
        self,
        *,
        control: Any = 0,
        settings: TreeSettings | None = None,
        random_state: int = 0,
        num_threads: int = 1,
    ) -> None:
        super().__init__(control=control, random_state=random_state)
        self.settings = settings
        self.num_threads = num_threads

    def _grow(self, X: FloatArray, target: FloatArray) -> BoostedTrees:
        scale = float(target.std()) or 1.0  # LightGBM stops at gains that are small in absolute terms
        trees = BoostedTrees.grow(
            X,
            (target - target.mean()) / scale,
            self.settings or _TREES,
            seed=self.random_state,
            num_threads=self.num_threads,
        )
        self.lines_.append((float(target.mean()), scale))
        return trees

    def _parts(self, X: FloatArray) -> FloatArray:
        columns = [
            middle + scale * trees.raw_score(X, self.num_threads)
            for trees, (middle, scale) in zip(self.trees_, self.lines_, strict=True)
        ]
        return np.column_stack(columns)

    def _learned(self) -> dict[str, Any]:
        return {"trees": [trees.to_dict() for trees in self.trees_], "lines": [list(x) for x in self.lines_]}

    def _restore(self, content: Mapping[str, Any]) -> None:
        self.trees_ = [BoostedTrees.from_dict(trees) for trees in content["trees"]]
        self.lines_ = [(float(middle), float(scale)) for middle, scale in content["lines"]]


class TreeUplift(_GrownUplift):
    """DR-learner: small trees on the doubly robust scores."""

    def _learn(self, trial: Trial) -> None:
        self.lines_: list[tuple[float, float]] = []
        targets = pseudo_increments(trial, self.random_state)
        self.trees_ = [self._grow(trial.X, target) for target in targets.T]

    def _increments(self, X: FloatArray) -> FloatArray:
        return self._parts(X)


class CrossUplift(_GrownUplift):
    """X-learner: small trees on what the treated did beyond expectation, and on what the others would have done.

    The two are averaged with the treatment's share, so the arm with more customers fills in for the other.
    """

    def _learn(self, trial: Trial) -> None:
        self.lines_ = []
        self.trees_ = []
        models = fit_outcomes(trial)
        expected = expected_outcomes(models, trial.X)
        shares = trial.probability.mean(axis=0)
        self.shares_ = shares[1:] / (shares[1:] + shares[0])
        idle = trial.arm == 0
        for number in range(1, len(trial.arms) + 1):
            sent = trial.arm == number
            self.trees_.append(self._grow(trial.X[sent], trial.y[sent] - expected[sent, 0]))
            self.trees_.append(self._grow(trial.X[idle], expected[idle, number] - trial.y[idle]))

    def _increments(self, X: FloatArray) -> FloatArray:
        parts = self._parts(X)
        return np.asarray((1 - self.shares_) * parts[:, 0::2] + self.shares_ * parts[:, 1::2])

    def _learned(self) -> dict[str, Any]:
        return {**super()._learned(), "shares": self.shares_.tolist()}

    def _restore(self, content: Mapping[str, Any]) -> None:
        super()._restore(content)
        self.shares_ = np.array(content["shares"], dtype=float)
