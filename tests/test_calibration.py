"""Calibration never diverges: Platt's line beside scikit-learn's, on scores that are too sure or too timid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.calibration import _SigmoidCalibration
from sklearn.linear_model import LogisticRegression

from segml.evaluation.calibration import IsotonicCalibration, PlattScaling, intercept_for_mean
from segml.evaluation.metrics import log_loss


def drawn(people: int, seed: int, mean: float = -3.0, spread: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    """True log-odds N(-3, 3), and whether it happened."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(mean, spread, people)
    return truth, (rng.random(people) < expit(truth)).astype(float)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0])
@pytest.mark.parametrize("people", [300, 5_000, 50_000])
def test_the_line_is_that_of_scikit_learn_whatever_the_factor(factor, people):
    truth, y = drawn(people, seed=int(10 * factor) + people)
    z = factor * truth
    fitted = PlattScaling.fit(z, y)
    # scikit-learn's line: the same smoothed targets, no pull
    line = _SigmoidCalibration().fit(z, y)
    assert log_loss(y, fitted.probability(z)) == pytest.approx(log_loss(y, line.predict(z)), abs=2e-3)
    assert fitted.slope == pytest.approx(-line.a_, rel=0.02 if people > 1_000 else 0.15)
    plain = LogisticRegression(C=np.inf).fit(z[:, None], y.astype(int))
    assert fitted.slope == pytest.approx(float(plain.coef_[0, 0]), rel=0.02 if people > 1_000 else 0.15)
    assert fitted.intercept == pytest.approx(float(plain.intercept_[0]), abs=0.05 if people > 1_000 else 0.4)


def test_scores_too_sure_by_two_come_back_to_the_truth():
    truth, y = drawn(100_000, seed=1)
    fitted = PlattScaling.fit(2 * truth, y)
    assert fitted.slope == pytest.approx(0.5, abs=0.02)
    assert fitted.intercept == pytest.approx(0.0, abs=0.05)
    assert log_loss(y, fitted.probability(2 * truth)) == pytest.approx(log_loss(y, expit(truth)), abs=1e-3)


@given(
    seed=st.integers(0, 10_000),
    people=st.integers(20, 400),
    mean=st.floats(-6, 6),
    factor=st.sampled_from([-3.0, 0.0, 0.01, 1.0, 8.0, 100.0, 1e6]),
    shift=st.floats(-50, 50),
)
@settings(max_examples=150, deadline=None)
def test_no_fit_is_less_likely_than_the_scores_as_they_are(seed, people, mean, factor, shift):
    truth, y = drawn(people, seed, mean)
    y[:2] = (0.0, 1.0)
    z = factor * truth + shift
    fitted = PlattScaling.fit(z, y)
    target = np.where(y == 1, (y.sum() + 1) / (y.sum() + 2), 1 / (len(y) - y.sum() + 2))

    def likelihood(log_odds: np.ndarray) -> float:
        return float(target @ log_odds - np.logaddexp(0.0, log_odds).sum())

    assert np.isfinite([fitted.slope, fitted.intercept]).all()
    assert fitted.slope >= 0
    assert likelihood(fitted.log_odds(z)) >= likelihood(z) - 1e-9 * max(abs(likelihood(z)), 1.0)
    if fitted != PlattScaling():
        base = np.full(len(y), np.log(y.mean() / (1 - y.mean())))
        assert likelihood(fitted.log_odds(z)) >= likelihood(base) - 0.6 - 1e-3 * abs(likelihood(base))


def test_steps_are_never_less_likely_than_the_base_rate():
    rng = np.random.default_rng(0)
    score = rng.random(4_000)
    for y in ((rng.random(4_000) < score).astype(float), (rng.random(4_000) > score).astype(float)):
        fitted = IsotonicCalibration.fit(score, y, minimum_rows=100)
        assert log_loss(y, fitted.probability(score)) <= log_loss(y, np.full(4_000, y.mean())) + 1e-12
        assert min(fitted.rates) > 0
        assert max(fitted.rates) < 1


@pytest.mark.parametrize("mean", [1e-6, 0.001, 0.5, 0.999])
def test_a_prior_shift_gives_the_mean_whatever_the_scores(mean):
    for z in (np.array([-700.0, 0.0, 700.0]), np.linspace(-30, 5, 1_000), np.zeros(3)):
        shifted = expit(z + intercept_for_mean(z, mean))
        assert shifted.mean() == pytest.approx(mean, rel=1e-6)
