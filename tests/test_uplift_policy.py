"""The value of a sending policy is unbiased under randomisation, whatever the outcome model says."""

from __future__ import annotations

import numpy as np
import pytest

from segml.errors import ConfigurationError, DataError
from segml.evaluation.uplift_policy import doubly_robust_scores, policy_value, sending_weights


def test_the_value_is_unbiased_with_a_wrong_outcome_model_and_its_error_is_honest():
    truth, inside = 0.5 * 0.2, []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        x, t = rng.integers(0, 2, 1500), (rng.random(1500) < 0.7).astype(int)
        y = 0.3 + 0.2 * x * t + rng.normal(0, 0.5, 1500)
        wrong = np.full((1500, 2), 5.0)
        scores = doubly_robust_scores(y, t, np.tile([0.3, 0.7], (1500, 1)), wrong)
        low, high = policy_value(scores, sending_weights(x.astype(float), budget=0.5)).interval()
        inside.append(low < truth < high)
    assert 0.9 < np.mean(inside) <= 1.0


def test_the_mean_over_all_budgets_is_the_mean_over_all_budgets():
    rng = np.random.default_rng(0)
    increments, scores = rng.normal(size=500) + 10, rng.normal(size=(500, 2))
    at_each = [
        policy_value(scores, sending_weights(increments, budget=b)).value for b in np.arange(0.5, 500) / 500
    ]
    assert policy_value(scores, sending_weights(increments)).value == pytest.approx(
        np.mean(at_each), abs=1e-4
    )


def test_costs_choose_the_arm_and_leave_out_who_does_not_pay():
    increments = [[1.0, 2.0], [1.0, 0.5], [0.1, 0.1]]
    assert sending_weights(increments, cost=[0.2, 1.5]).tolist() == [[1, 0], [1, 0], [0, 0]]
    scores = np.array([[0.0, 1.0, 2.0]] * 3)
    assert policy_value(scores, sending_weights(increments, [0.2, 1.5]), [0.2, 1.5]).value == pytest.approx(
        1.6 / 3
    )


def test_a_budget_is_kept_and_ties_at_its_border_are_shared():
    assert sending_weights([3.0, 2.0, 2.0, 1.0], budget=0.5)[:, 0].tolist() == [1.0, 0.5, 0.5, 0.0]
    assert sending_weights([-3.0, -2.0], budget=1.0).sum() == 0


def test_impossible_costs_and_budgets_are_refused():
    with pytest.raises(ConfigurationError, match="one for each of 2"):
        sending_weights([[1.0, 2.0]], cost=[1.0, 1.0, 1.0])
    with pytest.raises(ConfigurationError, match="zero or more"):
        sending_weights([1.0], cost=-1.0)
    with pytest.raises(ConfigurationError, match=r"got 1\.5"):
        sending_weights([1.0], budget=1.5)
    with pytest.raises(DataError, match="disagree"):
        doubly_robust_scores([1.0], [0], [[0.5, 0.5]], [[0.5]])
