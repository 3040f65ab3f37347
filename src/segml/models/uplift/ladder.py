"""Which learner of uplift to believe: the simplest whose policy is within one standard error of the best.

Every rung is learned on four fifths of the campaign and used on the rest, five times over; what its policy would have
earned there is read from the doubly robust scores of the same customers. A higher rung must beat a lower one by
more than one standard error of *their difference*, since on the same customers differences are several times
steadier than values. Below the ladder lies a floor, "the same for everybody": a rung that earns less than it would do
harm and is not chosen, however simple; and whether the chosen rung is clearly above it is said in so many words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from segml.errors import ConfigurationError, did_you_mean
from segml.evaluation.uplift_policy import checked_costs, mean_and_error, policy_gains, sending_weights
from segml.models.boosting import FloatArray
from segml.models.uplift.base import UpliftLearner
from segml.models.uplift.choice import WORDS, SendingPolicy, choice_reason, selection_frame, sending_threshold
from segml.models.uplift.learners import (
    ConstantUplift,
    CrossUplift,
    PropensityUplift,
    ResponseUplift,
    RidgeUplift,
    TreeUplift,
    TwoModelUplift,
)
from segml.models.uplift.outcome_models import cross_fitted_scores
from segml.models.uplift.randomisation import RandomisationCheck, check_randomisation, require_randomised
from segml.models.uplift.trial import Trial, require_enough

RUNGS: dict[str, type[UpliftLearner]] = {  # simplest first
    "same_for_all": ConstantUplift,
    "propensity": PropensityUplift,
    "response": ResponseUplift,
    "two_models": TwoModelUplift,
    "ridge": RidgeUplift,
    "trees": TreeUplift,
    "cross": CrossUplift,
}


class UpliftLadder(UpliftLearner):
    """Expected increments from a randomised campaign, by the simplest learner that does as well as any.

    Parameters
    ----------
    control : label, default=0
        The arm that got nothing.
    rungs : sequence of str, optional
        Learners to try, simplest first, of `RUNGS`; default: all.
    cost : float or mapping from arm to float, default=0
        Of one contact, in the outcome's unit.
    budget : float, optional
        Largest share of customers to contact. Without budget and cost, rungs are compared by their mean over all
        budgets (how well they rank), and the policy sends to everybody with a positive expected increment.
    folds : int, default=5
    random_state : int, default=0
    num_threads : int, default=1
        Changes the speed only.

    Attributes
    ----------
    check_ : RandomisationCheck
    selection_ : DataFrame
        One row a rung: `value` (cross-fitted, per customer), `standard_error`, `behind_best` and its own
        `behind_error`, `ahead_of_floor` (the same increment for everybody) and `ahead_error`, `within_one_error`,
        `chosen`.
    choice_reason_ : str
    policy_ : SendingPolicy
    rung_ : str
    learner_ : UpliftLearner
        The chosen one, learned on all customers.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = pd.DataFrame({"womens": rng.integers(0, 2, 6000), "age": rng.integers(20, 80, 6000)})
    >>> mail = rng.choice(["mail", "nothing"], 6000)
    >>> y = (rng.random(6000) < 0.1 + 0.1 * X["womens"] * (mail == "mail")).astype(int)
    >>> ladder = UpliftLadder(control="nothing", rungs=["same_for_all", "two_models"]).fit(X, y, mail)
    >>> ladder.rung_, ladder.choose(pd.DataFrame({"womens": [0, 1], "age": [40, 40]})).tolist()[1]
    ('two_models', 'mail')
    """

    def __init__(
        self,
        *,
        control: Any = 0,
        rungs: Sequence[str] | None = None,
        cost: float | Mapping[Any, float] = 0.0,
        budget: float | None = None,
        folds: int = 5,
        random_state: int = 0,
        num_threads: int = 1,
    ) -> None:
        super().__init__(control=control, random_state=random_state)
        self.rungs = rungs
        self.cost = cost
        self.budget = budget
        self.folds = folds
        self.num_threads = num_threads

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        treatment: ArrayLike,
        probability: Mapping[Any, float] | ArrayLike | None = None,
    ) -> Self:
        """Check the randomisation, value every rung on held-out customers, and learn the chosen one on all.

        Parameters are those of `UpliftLearner.fit`.

        Raises
        ------
        DataError
            When what was known before tells the arm, with AUC and p-value; or when the arrays are no campaign.
        NotEnoughDataError
            When an arm is too small.
        ConfigurationError
            For an unknown rung, a budget outside (0, 1] or a negative cost.
        """
        self._rungs = self._checked_rungs()
        trial = self._trial(X, y, treatment, probability)
        self.costs_ = self._checked_costs(trial)
        require_enough(trial)
        with threadpool_limits(limits=1, user_api="blas"):
            self.check_ = check_randomisation(
                trial, given=probability is not None, seed=self.random_state, num_threads=self.num_threads
            )
            require_randomised(self.check_)
            return self._fit_trial(trial)

    def _checked_rungs(self) -> list[str]:
        chosen = list(RUNGS) if self.rungs is None else list(self.rungs)
        wrong = [f"no rung {name!r}{did_you_mean(name, RUNGS)}" for name in chosen if name not in RUNGS]
        if not chosen:
            wrong.append("the ladder has no rungs")
        if self.folds < 2:
            wrong.append(f"folds is 2 or more, got {self.folds!r}")
        if self.budget is not None and not 0 < self.budget <= 1:
            wrong.append(f"budget is a share above 0, up to 1, got {self.budget!r}")
        if wrong:
            raise ConfigurationError("; ".join(wrong), f"rungs are {', '.join(RUNGS)}")
        return chosen

    def _checked_costs(self, trial: Trial) -> FloatArray:
        if not isinstance(self.cost, Mapping):
            return checked_costs(self.cost, len(trial.arms))
        odd = sorted(map(str, set(self.cost) ^ set(trial.arms)))
        if odd:
            raise ConfigurationError(
                f"costs and treatments differ in {', '.join(odd)}",
                f"give one for each of {list(trial.arms)!r}",
            )
        return checked_costs([self.cost[arm] for arm in trial.arms], len(trial.arms))

    def _learn(self, trial: Trial) -> None:
        fold = trial.folds(self.folds, self.random_state)
        scores = cross_fitted_scores(trial, fold)
        increments = self._held_out(trial, fold)
        weights = {name: self._sent(values, fold) for name, values in increments.items()}
        gains = {name: policy_gains(scores, sent, self.costs_) for name, sent in weights.items()}
        self.selection_ = selection_frame(gains)
        self.rung_ = str(self.selection_.index[self.selection_["chosen"]][0])
        self.choice_reason_ = choice_reason(self.selection_, self._criterion())
        self.learner_ = self._rung(self.rung_)._fit_trial(trial)
        self.policy_ = self._policy(self._increments(trial.X), increments[self.rung_], scores, fold)

    def _rung(self, name: str) -> UpliftLearner:
        learner = RUNGS[name](control=self.control, random_state=self.random_state)
        return (
            learner.set_params(num_threads=self.num_threads) if hasattr(learner, "num_threads") else learner
        )

    def _held_out(self, trial: Trial, fold: Any) -> dict[str, FloatArray]:
        """Increments of customers that the learner has not seen, shape (n, arms), by rung."""
        found = {name: np.empty((len(trial), len(trial.arms))) for name in self._rungs}
        for part in range(self.folds):
            held = fold == part
            seen = trial.rows(~held)
            for name, values in found.items():
                values[held] = self._rung(name)._fit_trial(seen)._increments(trial.X[held])
        return found

    def _sent(self, increments: FloatArray, fold: Any) -> FloatArray:
        """Weights within each fold, since two folds' models are not on quite the same scale."""
        weights = np.empty_like(increments)
        for part in range(self.folds):
            held = fold == part
            weights[held] = sending_weights(increments[held], self.costs_, self.budget)
        return weights

    def _criterion(self) -> str:
        if self.budget is not None:
            return f"contacting at most {self.budget:.0%}"
        return "net of costs" if self.costs_.any() else "averaged over all budgets"

    def _policy(
        self, learned: FloatArray, held_out: FloatArray, scores: FloatArray, fold: Any
    ) -> SendingPolicy:
        """Threshold and share from the final learner, value from held-out folds, each with its own threshold."""
        _, top = self._best(learned)
        threshold = sending_threshold(top, self.budget)
        best, tops = self._best(held_out)
        weights = np.zeros_like(held_out)
        for part in range(self.folds):
            rows = np.flatnonzero(fold == part)
            weights[rows, best[rows]] = tops[rows] > sending_threshold(tops[rows], self.budget)
        value, error = mean_and_error(policy_gains(scores, weights, self.costs_))
        lifts = (scores[:, 1:] - scores[:, :1]).mean(axis=0) - self.costs_
        share, everybody = float((top > threshold).mean()), float(lifts.max())
        text = (
            f"by {WORDS[self.rung_]}, send to those above {threshold:.3g} of expected net increment: "
            f"{share:.0%} of the customers, {value:+.4g} (standard error {error:.2g}) a customer of the base; "
            f"everybody: {everybody:+.4g}"
        )
        if share == 0:
            text = f"by {WORDS[self.rung_]}, nobody stands out enough to be sent anything within these limits"
        return SendingPolicy(self.rung_, threshold, share, value, error, everybody, text)

    def _best(self, increments: FloatArray) -> tuple[Any, FloatArray]:
        """Best arm of each customer net of costs, and what it is expected to bring."""
        net = increments - self.costs_
        best = net.argmax(axis=1)
        return best, net[np.arange(len(net)), best]

    def _increments(self, X: FloatArray) -> FloatArray:
        return self.learner_._increments(X)

    def choose(self, X: ArrayLike) -> np.ndarray:
        """Arm to send each customer by `policy_`, shape (n,): a label of `arms_`, or `control`.

        Each customer is decided alone, so the share sent varies with who is asked about.
        """
        increments = self.predict(X)
        best, top = self._best(increments[:, None] if increments.ndim == 1 else increments)
        labels = np.array([*self.arms_, self.control])
        return labels[np.where(top > self.policy_.threshold, best, len(self.arms_))]

    def _learned(self) -> dict[str, Any]:
        return {
            "learner": self.learner_.to_dict(),
            "rung": self.rung_,
            "costs": self.costs_.tolist(),
            "policy": asdict(self.policy_),
            "check": asdict(self.check_),
            "reason": self.choice_reason_,
            "selection": self.selection_.reset_index().to_dict(orient="list"),
        }

    def _restore(self, content: Mapping[str, Any]) -> None:
        self.rung_ = content["rung"]
        self.learner_ = RUNGS[self.rung_].from_dict(content["learner"])
        self.costs_ = np.array(content["costs"], dtype=float)
        self.policy_ = SendingPolicy(**content["policy"])
        self.check_ = RandomisationCheck(**content["check"])
        self.choice_reason_ = content["reason"]
        self.selection_ = pd.DataFrame(content["selection"]).set_index("rung")
