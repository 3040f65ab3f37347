"""What a rule "send this to those" is worth, from a campaign in which the arms were drawn by lot.

The value of a policy is the mean, over customers, of the increment of what each would be sent, minus its cost. It is
estimated from doubly robust scores: the outcome model's expectation, corrected by the weighted residual of the
customers who were in that arm. Under randomisation it is unbiased whatever the outcome model says. Every policy is
valued on the same customers, so the difference of two has a standard error of its own, several times smaller than
either value's.

References
----------
Dudik, Langford and Li (2011), Doubly robust policy evaluation and learning. Athey and Wager (2021), Policy learning
with observational data. Yadlowsky et al. (2024), Evaluating treatment prioritization rules via rank-weighted average
treatment effects (the mean over all budgets).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, rankdata

from segml.errors import ConfigurationError, DataError
from segml.evaluation.metrics import FloatArray, top_weights


@dataclass(frozen=True)
class PolicyValue:
    """Mean net increment per customer of the base, with its standard error, and the share who are sent something."""

    value: float
    standard_error: float
    share_sent: float

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Normal interval of the value.

        Examples
        --------
        >>> [round(bound, 2) for bound in PolicyValue(1.0, 0.5, 0.3).interval()]
        [0.02, 1.98]
        """
        half = float(norm.ppf((1 + level) / 2)) * self.standard_error
        return self.value - half, self.value + half


def doubly_robust_scores(
    outcome: ArrayLike, arm: ArrayLike, probability: ArrayLike, expected: ArrayLike
) -> FloatArray:
    """Score of each customer in each arm; its mean over any group is that group's mean outcome in that arm.

    Parameters
    ----------
    outcome : array-like of shape (n,)
    arm : array-like of shape (n,)
        Column of `probability` that the customer was in.
    probability, expected : array-like of shape (n, arms)
        Probability of each arm, and expected outcome in it (learnt on other customers).

    Examples
    --------
    >>> doubly_robust_scores([1.0], [1], [[0.5, 0.5]], [[0.2, 0.4]]).round(2).tolist()
    [[0.2, 1.6]]
    """
    y, place = np.asarray(outcome, dtype=float), np.asarray(arm, dtype=np.int64)
    chance = np.asarray(probability, dtype=float)
    scores = np.array(expected, dtype=float)
    if not len(y) == len(place) == len(chance) == len(scores) or chance.shape != scores.shape:
        raise DataError(
            f"outcome, arm, probability and expectation disagree: {len(y)}, {len(place)}, {chance.shape}, "
            f"{scores.shape}"
        )
    rows = np.arange(len(y))
    scores[rows, place] += (y - scores[rows, place]) / chance[rows, place]
    return scores


def sending_weights(increments: ArrayLike, cost: ArrayLike = 0.0, budget: float | None = None) -> FloatArray:
    """How much of each treatment each customer is sent, shape (n, arms): their best one, if they are among the best.

    Parameters
    ----------
    increments : array-like of shape (n,) or (n, arms)
        Expected increments, in the outcome's unit.
    cost : float or array-like of shape (arms,), default=0
        Of one contact, in the outcome's unit.
    budget : float, optional
        Largest share of the customers who may be sent something; best first, ties shared. Without a budget: everybody
        whose expected increment exceeds the cost; and without budget and cost, the mean over all budgets from nobody
        to everybody, which asks how well the customers are ranked.

    Examples
    --------
    >>> sending_weights([0.1, 0.3], budget=0.5)[:, 0].tolist()
    [0.0, 1.0]
    >>> sending_weights([0.1, 0.3])[:, 0].tolist()
    [0.25, 0.75]
    >>> sending_weights([[0.1, 0.0], [0.3, 0.4]], cost=[0.2, 0.2]).tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    gains = np.asarray(increments, dtype=float)
    gains = gains[:, None] if gains.ndim == 1 else gains
    costs = checked_costs(cost, gains.shape[1])
    net = gains - costs
    best = net.argmax(axis=1)
    top = net[np.arange(len(net)), best]
    if budget is not None:
        if not 0 < budget <= 1:
            raise ConfigurationError(f"a budget is a share of the customers above 0, up to 1, got {budget!r}")
        sent = top_weights(top, budget) * (top > 0)
    elif costs.any():
        sent = (top > 0).astype(float)
    else:
        sent = (rankdata(top) - 0.5) / len(top)
    weights = np.zeros_like(net)
    weights[np.arange(len(net)), best] = sent
    return weights


def checked_costs(cost: ArrayLike, arms: int) -> FloatArray:
    """Costs of one contact, shape (arms,).

    Raises
    ------
    ConfigurationError
        For a negative or missing cost, or for another number of costs than arms.
    """
    costs = np.asarray(cost, dtype=float)
    if costs.ndim > 1 or (costs.ndim == 1 and len(costs) != arms) or not (costs >= 0).all():
        raise ConfigurationError(
            f"a cost is zero or more, one for all arms or one for each of {arms}, got {costs.tolist()}"
        )
    return np.asarray(np.broadcast_to(costs, (arms,)), dtype=float)


def policy_gains(scores: ArrayLike, weights: ArrayLike, cost: ArrayLike = 0.0) -> FloatArray:
    """Net increment of each customer under a policy, shape (n,); the policy's value is its mean.

    Parameters
    ----------
    scores : array-like of shape (n, arms + 1)
        Doubly robust scores, control first.
    weights : array-like of shape (n, arms)
        What each customer is sent, see `sending_weights`.
    cost : float or array-like of shape (arms,)
    """
    robust, sent = np.asarray(scores, dtype=float), np.asarray(weights, dtype=float)
    gains = robust[:, 1:] - robust[:, :1] - checked_costs(cost, sent.shape[1])
    return np.asarray((gains * sent).sum(axis=1))


def policy_value(scores: ArrayLike, weights: ArrayLike, cost: ArrayLike = 0.0) -> PolicyValue:
    """Value of a policy per customer of the base, with standard error.

    Examples
    --------
    >>> scores = [[0.0, 1.0], [0.0, 1.0], [0.0, -1.0], [0.0, -1.0]]
    >>> policy_value(scores, [[1.0], [1.0], [0.0], [0.0]])
    PolicyValue(value=0.5, standard_error=0.28867513459481287, share_sent=0.5)
    """
    gains = policy_gains(scores, weights, cost)
    value, error = mean_and_error(gains)
    return PolicyValue(value, error, float(np.asarray(weights, dtype=float).sum(axis=1).mean()))


def mean_and_error(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean of independent values, and its standard error (NaN for a single one)."""
    spread = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return float(values.mean()), spread / len(values) ** 0.5
