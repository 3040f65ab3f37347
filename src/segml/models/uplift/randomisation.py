"""Were the arms drawn by lot? What was known before the campaign must not tell who got it.

Two classifiers, a logistic and small trees, try to tell the arm of customers they have not seen. Under randomisation
their score is as good as random, and the standardised covariance of score and arm is a standard normal whatever the
score is; one-sided, because only a positive one is a sign of choosing, and doubled for the two tries (and for the
arms). The arms' sizes are checked too, when the probabilities were given.

References
----------
Fabijan et al. (2019), Diagnosing sample ratio mismatch in online controlled experiments. Gagnon-Bartsch and Shem-Tov
(2019), The classification permutation test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from scipy.stats import chi2, norm

from segml.errors import DataError
from segml.evaluation.comparison import WEIGHTED_METRICS
from segml.models.boosting import BoostedTrees, FloatArray, TreeSettings
from segml.models.log_linear import LogLogistic
from segml.models.uplift.trial import IntArray, Trial

ALPHA = 0.001  # as the sample-ratio check: one good campaign in a thousand is refused
_FOLDS = 2
_TREES = TreeSettings(rounds=60, leaves=8, depth=4, rows_per_leaf=200, learning_rate=0.05)


@dataclass(frozen=True)
class RandomisationCheck:
    """How well the covariates tell the arm.

    Attributes
    ----------
    auc : float
        Of the better classifier on customers it has not seen, for the arm that is told best; 0.5 under randomisation.
    p_value : float
        Of that, corrected for the number of tries.
    size_p_value : float
        Of the arms' sizes against the given probabilities; NaN when none were given.
    arm : object
        The arm that is told best.
    """

    auc: float
    p_value: float
    size_p_value: float
    arm: object
    customers: int

    @property
    def passed(self) -> bool:
        """Whether nothing speaks against randomisation."""
        return not (self.p_value < ALPHA or self.size_p_value < ALPHA)

    @property
    def text(self) -> str:
        """One sentence."""
        told = (
            f"AUC {self.auc:.3f} of arm {self.arm!r} on {self.customers:,} customers, {_told(self.p_value)}"
        )
        if self.passed:
            return f"what was known before does not tell the arm ({told})"
        if self.p_value < ALPHA:
            return f"what was known before tells who was contacted ({told})"
        return f"the arms' sizes are not those of the given probabilities ({_told(self.size_p_value)})"


def _told(p_value: float) -> str:
    return f"p = {p_value:.2g}" if p_value >= 1e-12 else "p < 1e-12"


def check_randomisation(
    trial: Trial, *, given: bool = False, seed: int = 0, num_threads: int = 1
) -> RandomisationCheck:
    """Try to tell the arms from the covariates.

    Parameters
    ----------
    trial : Trial
    given : bool, default=False
        Whether the probabilities were given (then sizes are checked) or are the arms' shares.
    """
    fold = trial.folds(_FOLDS, seed)
    tries: list[tuple[float, float, object]] = []
    for number, label in enumerate(trial.arms, start=1):
        told = (trial.arm == number).astype(float)
        for grown in (False, True):
            score = _held_out_score(trial.X, told, fold, grown, seed, num_threads)
            tries.append((*_telling(told, trial.probability[:, number], score, fold), label))
    p_value, auc, arm = min(tries, key=lambda one: one[:2])
    return RandomisationCheck(
        auc, min(1.0, p_value * len(tries)), _size_p_value(trial) if given else float("nan"), arm, len(trial)
    )


def require_randomised(check: RandomisationCheck) -> None:
    """Refuse what was not drawn by lot.

    Raises
    ------
    DataError
        With the AUC and its p-value.
    """
    if not check.passed:
        raise DataError(
            f"no uplift without randomisation: {check.text}",
            "hold out a random part of the audience; where the share held out differed by stratum, give each "
            "customer's probability; until then rank by expected lost value (chance of leaving times CLV)",
        )


def _held_out_score(
    X: FloatArray, told: FloatArray, fold: IntArray, grown: bool, seed: int, num_threads: int
) -> FloatArray:
    score = np.empty(len(X))
    for part in range(_FOLDS):
        held = fold == part
        seen, target = X[~held], told[~held]
        if grown:
            trees = BoostedTrees.grow(seen, target, _TREES, seed=seed, num_threads=num_threads)
            score[held] = expit(trees.raw_score(X[held], num_threads))
        else:
            score[held] = expit(LogLogistic(range(X.shape[1])).fit(seen, target).log_odds(X[held]))
    return score


def _telling(
    told: FloatArray, probability: FloatArray, score: FloatArray, fold: IntArray
) -> tuple[float, float]:
    """p-value and AUC; given the score, an arm is a coin with the customer's own probability."""
    signal = score - probability  # what the score knows beyond a share that differs by stratum
    middle = np.bincount(fold, weights=signal) / np.bincount(fold)
    signal = signal - middle[fold]
    spread = float(np.sqrt((probability * (1 - probability)) @ signal**2))
    if spread <= 1e-9 * len(told) ** 0.5:
        return 1.0, 0.5
    z = float((told - probability) @ signal) / spread
    weights = np.where(told == 1, 1 / probability, 1 / (1 - probability))
    return float(norm.sf(z)), WEIGHTED_METRICS["auc"](told, signal)(weights)


def _size_p_value(trial: Trial) -> float:
    """Chi-squared of the arms' sizes against the sum of the customers' probabilities."""
    sizes = np.bincount(trial.arm, minlength=len(trial.arms) + 1)
    expected = trial.probability.sum(axis=0)
    variance = np.diag(expected) - trial.probability.T @ trial.probability
    gap = (sizes - expected)[1:]
    return float(chi2.sf(gap @ np.linalg.solve(variance[1:, 1:], gap), len(gap)))
