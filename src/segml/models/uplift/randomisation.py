"""Were the arms drawn by lot? What was known before the campaign must not tell who got it.

Two classifiers, a logistic and small trees, try to tell the arm of customers they have not seen. Under randomisation
their score is as good as random: learnt on one half, the standardised covariance of score and arm on the other is a
standard normal whatever the score is; one-sided, because only a positive one is a sign of choosing.

* The two directions of one split are no two tests. Both turn on whether the halves agree, so their sum is not twice as
  sure; added up, one campaign in seven had p < 0.05. Here every direction of several splits has its own p-value, and
  twice their median is a p-value whatever they have in common (Rueger 1978; Meinshausen and others 2009).
* Equal rows stay in one fold and count as one draw: the same person twice, always in one arm, would tell it of itself.
  Where rows are of a few large kinds only (two yes/no columns), a kind is no person, and rows are split one by one.
* With many customers a trace of a difference has a small p-value. A campaign is refused when the arm is told surely
  *and* by more than a trace (AUC 0.52 and more); less is said in words.

The arms' sizes are checked too, when the probabilities were given.

References
----------
Fabijan et al. (2019), Diagnosing sample ratio mismatch in online controlled experiments. Gagnon-Bartsch and Shem-Tov
(2019), The classification permutation test. Meinshausen, Meier and Buehlmann (2009), p-values for high-dimensional
regression (several splits).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import chi2, norm

from segml.errors import DataError
from segml.evaluation.comparison import WEIGHTED_METRICS
from segml.models.boosting import BoostedTrees, FloatArray, TreeSettings
from segml.models.log_linear import LogLogistic
from segml.models.uplift.trial import IntArray, Trial

ALPHA = 0.001  # as the sample-ratio check: one good campaign in a thousand is refused
LEAST_AUC = 0.52  # below, what tells the arm moves no lift by much
SPLITS = 3
_KINDS, _ROWS_A_KIND = 200, 20  # fewer kinds of more rows each are strata, not people
_TREES = TreeSettings(rounds=60, leaves=8, depth=4, rows_per_leaf=200, learning_rate=0.05)


@dataclass(frozen=True)
class RandomisationCheck:
    """How well the covariates tell the arm.

    Attributes
    ----------
    auc : float
        Of the better classifier on customers it has not seen, for the arm that is told best, mean over the splits; 0.5
        under randomisation.
    p_value : float
        Of that, corrected for the number of tries and splits.
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
        """Whether nothing speaks against randomisation, or a trace only."""
        return not (self.told or self.size_p_value < ALPHA)

    @property
    def told(self) -> bool:
        """Whether the covariates tell the arm, surely and by more than a trace."""
        return self.p_value < ALPHA and self.auc >= LEAST_AUC

    @property
    def text(self) -> str:
        """One sentence."""
        told = (
            f"AUC {self.auc:.3f} of arm {self.arm!r} on {self.customers:,} customers, {_told(self.p_value)}"
        )
        if self.passed and self.p_value < ALPHA:
            return f"what was known before tells a trace of the arm, too little to refuse ({told})"
        if self.passed:
            return f"what was known before does not tell the arm ({told})"
        if self.told:
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
    kind = _kinds(trial.X)
    halves = [_halves(kind, seed + split) for split in range(SPLITS)]
    tries: list[tuple[float, float, object]] = []
    for number, label in enumerate(trial.arms, start=1):
        told = (trial.arm == number).astype(float)
        for grown in (False, True):
            found = [
                _telling(told, trial.probability[:, number], trial.X, kind, side, grown, seed, num_threads)
                for half in halves
                for side in (half, ~half)
            ]
            p_values, aucs = zip(*found, strict=True)
            tries.append((min(1.0, 2 * float(np.median(p_values))), float(np.mean(aucs)), label))
    p_value, auc, arm = min(tries, key=lambda one: (one[0], -one[1]))
    return RandomisationCheck(
        auc, min(1.0, p_value * len(tries)), _size_p_value(trial) if given else float("nan"), arm, len(trial)
    )


def _kinds(X: FloatArray) -> IntArray:
    """Number of the kind of each row, equal for equal rows; of the row itself where there are a few kinds only."""
    if len(X) < 2:
        return np.arange(len(X))
    new = ~((X[1:] == X[:-1]) | (np.isnan(X[1:]) & np.isnan(X[:-1]))).all(
        axis=1
    )  # rows are in order of content
    kind = np.concatenate([[0], np.cumsum(new)])
    strata = kind[-1] + 1 < _KINDS and len(X) > _ROWS_A_KIND * (kind[-1] + 1)
    return np.arange(len(X)) if strata else kind


def _halves(kind: IntArray, seed: int) -> NDArray[np.bool_]:
    """Whether each row is learnt from, half of the kinds by chance."""
    count = int(kind[-1]) + 1
    first = np.zeros(count, dtype=bool)
    first[np.random.default_rng(seed).permutation(count)[: count // 2]] = True
    return np.asarray(first[kind])


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


def _telling(
    told: FloatArray,
    probability: FloatArray,
    X: FloatArray,
    kind: IntArray,
    learnt: NDArray[np.bool_],
    grown: bool,
    seed: int,
    num_threads: int,
) -> tuple[float, float]:
    """p-value and AUC on the rows that were not learnt from; an arm is a coin with the customer's own probability."""
    if not 0 < told[learnt].sum() < learnt.sum():
        return 1.0, 0.5
    held = ~learnt
    if grown:
        trees = BoostedTrees.grow(X[learnt], told[learnt], _TREES, seed=seed, num_threads=num_threads)
        score = expit(trees.raw_score(X[held], num_threads))
    else:
        score = expit(LogLogistic(range(X.shape[1])).fit(X[learnt], told[learnt]).log_odds(X[held]))
    arm, chance = told[held], probability[held]
    signal = score - chance  # what the score knows beyond a share that differs by stratum
    signal = signal - signal.mean()
    coins = float((chance * (1 - chance)) @ signal**2)
    sums = np.bincount(kind[held], (arm - chance) * signal)
    spread = max(coins, float(sums @ sums)) ** 0.5  # equal rows may be one person, drawn once
    if coins**0.5 <= 1e-9 * len(arm) ** 0.5 or not 0 < arm.sum() < len(arm):
        return 1.0, 0.5
    weights = np.where(arm == 1, 1 / chance, 1 / (1 - chance))
    return float(norm.sf(sums.sum() / spread)), WEIGHTED_METRICS["auc"](arm, signal)(weights)


def _size_p_value(trial: Trial) -> float:
    """Chi-squared of the arms' sizes against the sum of the customers' probabilities."""
    sizes = np.bincount(trial.arm, minlength=len(trial.arms) + 1)
    expected = trial.probability.sum(axis=0)
    variance = np.diag(expected) - trial.probability.T @ trial.probability
    gap = (sizes - expected)[1:]
    return float(chi2.sf(gap @ np.linalg.solve(variance[1:, 1:], gap), len(gap)))
