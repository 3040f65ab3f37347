"""Metrics agree with their textbook definitions, share ties, and comparisons are made in pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics as sk

from segml.errors import ConfigurationError, DataError, NotEnoughDataError
from segml.evaluation import metrics as m
from segml.evaluation.calibration import (
    IsotonicCalibration,
    PlattScaling,
    gains_frame,
    reliability_frame,
    value_decile_frame,
)
from segml.evaluation.comparison import WEIGHTED_METRICS, PairedDifference, grade, paired_difference


@pytest.fixture(scope="module")
def scored() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    z = rng.normal(size=3000)
    y = (rng.random(3000) < expit(1.5 * z - 1)).astype(float)
    return y, expit(1.5 * z - 1), expit(1.5 * (z + rng.normal(size=3000)) - 1)


def test_auc_brier_and_log_loss_equal_scikit_learn(scored):
    y, p, _ = scored
    p = p.round(2)  # ties
    assert m.auc_score(y, p) == pytest.approx(sk.roc_auc_score(y, p), abs=1e-12)
    assert m.brier_loss(y, p) == pytest.approx(sk.brier_score_loss(y, p), abs=1e-12)
    assert m.log_loss(y, np.clip(p, 0.01, 0.99)) == pytest.approx(
        sk.log_loss(y, np.clip(p, 0.01, 0.99)), abs=1e-12
    )


def test_gini_of_a_binary_outcome_is_two_auc_minus_one(scored):
    y, p, _ = scored
    assert m.normalised_gini_score(y, p) == pytest.approx(2 * m.auc_score(y, p) - 1, abs=1e-12)


def test_the_true_probability_minimises_brier_and_log_loss(scored):
    y, truth, noisy = scored
    for loss in (m.brier_loss, m.log_loss):
        assert loss(y, truth) < loss(y, noisy)
        assert loss(y, truth) < loss(y, np.clip(truth + 0.1, 0, 1))
        assert loss(y, truth) < loss(y, expit(2 * np.log(truth / (1 - truth))))


def test_calibration_error_is_small_for_the_truth_and_sees_a_shift(scored):
    y, truth, _ = scored
    assert m.expected_calibration_error(y, truth) < 0.025
    assert m.expected_calibration_error(y, np.clip(truth + 0.2, 0, 1)) == pytest.approx(0.2, abs=0.03)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), min_size=12, max_size=60), st.randoms())
def test_ranking_metrics_ignore_row_order_and_rising_transforms(rows, random):
    y, s = np.array(rows, dtype=float).T
    order = np.array(random.sample(range(len(y)), len(y)))
    for metric in (m.auc_score, m.normalised_gini_score, m.spearman_score, m.top_decile_lift_score):
        expected = metric(y, s)
        assert metric(y[order], s[order]) == pytest.approx(expected, nan_ok=True)
        assert metric(y, np.exp(s)) == pytest.approx(expected, nan_ok=True)


def test_a_constant_score_has_no_lift_no_gini_and_catches_its_share():
    y = np.array([1.0, 0, 0, 0, 5, 0, 0, 2, 0, 0])
    same = np.ones(10)
    assert m.top_decile_lift_score(y, same) == pytest.approx(1.0)
    assert m.top_decile_capture_score(y, same) == pytest.approx(0.1)
    assert m.normalised_gini_score(y, same) == pytest.approx(0.0)
    assert np.isnan(m.spearman_score(y, same))


def test_decile_mape_and_bias_of_a_forecast_ten_percent_high_are_ten_percent():
    y = np.arange(1.0, 101.0)
    assert m.decile_mape_error(y, 1.1 * y) == pytest.approx(0.1)
    assert m.total_bias_error(y, 1.1 * y) == pytest.approx(0.1)


def test_report_frames_have_one_row_a_metric_and_say_which_way_is_better(scored):
    y, p, q = scored
    frame = m.classification_report_frame(y, {"model": p, "rule": q})
    assert list(frame.index) == list(m.CLASSIFICATION_METRICS)
    assert frame.loc["auc", "model"] > frame.loc["auc", "rule"]
    values = m.value_report_frame(y * 10, {"model": p})
    assert set(values["better"]) == {"lower", "higher"}


def test_missing_scores_and_lengths_are_refused_with_their_number():
    with pytest.raises(DataError, match="1 of 2 rows"):
        m.auc_score([0, 1], [0.2, np.nan])
    with pytest.raises(DataError, match="2 and 1"):
        m.brier_loss([0, 1], [0.5])


PLAIN_METRICS = {
    **m.CLASSIFICATION_METRICS,
    **m.VALUE_METRICS,
    "hit_rate": lambda y, hit: float(np.mean(hit)),
}


@pytest.mark.parametrize("name", sorted(WEIGHTED_METRICS))
def test_weighted_metric_with_unit_weights_is_the_metric_itself(name, scored):
    y, p, _ = scored
    p = p.round(2)
    plain = PLAIN_METRICS[name]
    p = np.clip(p, 0.01, 0.99)
    assert WEIGHTED_METRICS[name](y, p)(np.ones(len(y))) == pytest.approx(plain(y, p), abs=1e-10)


@pytest.mark.parametrize("name", sorted(WEIGHTED_METRICS))
def test_weighted_metric_equals_the_metric_on_repeated_rows(name, scored):
    y, p, _ = (a[:200] for a in scored)
    counts = np.random.default_rng(1).integers(0, 4, 200)
    plain = PLAIN_METRICS[name]
    expected = plain(np.repeat(y, counts), np.repeat(p, counts))
    assert WEIGHTED_METRICS[name](y, p)(counts.astype(float)) == pytest.approx(expected, abs=1e-10)


def test_paired_difference_sees_the_better_score_and_not_a_copy(scored):
    y, truth, noisy = scored
    clear = paired_difference(y, truth, noisy, draws=200)
    assert clear.verdict == "better"
    assert clear.low > 0
    assert paired_difference(y, noisy, truth, "brier", draws=200).verdict == "worse"
    same = paired_difference(y, truth, truth, draws=50)
    assert same.difference == 0
    assert same.verdict == "no clear difference"


def test_paired_difference_is_repeatable_and_draws_whole_customers(scored):
    y, truth, noisy = (a[:600] for a in scored)
    people = np.repeat(np.arange(100), 6)
    one = paired_difference(y, truth, noisy, customers=people, draws=100)
    assert one == paired_difference(y, truth, noisy, customers=people, draws=100)


def test_unknown_metric_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigurationError, match="did you mean 'brier'"):
        paired_difference([0, 1], [0, 1], [0, 1], "bried")


def test_grades_need_a_clear_win_for_b_and_calibration_for_a():
    win = PairedDifference("auc", 0.88, 0.82, 0.06, 0.04, 0.08, 0.95, 100)
    tie = PairedDifference("auc", 0.83, 0.82, 0.01, -0.01, 0.03, 0.95, 100)
    loss = PairedDifference("brier", 0.2, 0.1, 0.1, 0.05, 0.15, 0.95, 100)
    assert [grade(win, 0.01).letter, grade(win, 0.2).letter, grade(win).letter] == ["A", "B", "B"]
    assert grade(tie, 0.01).letter == "C"
    assert "use the baseline" in grade(tie, 0.01).words
    assert "worse" in grade(loss, 0.01).words


def test_platt_recovers_a_known_line():
    rng = np.random.default_rng(3)
    z = rng.normal(size=40000) * 2
    y = (rng.random(40000) < expit(-0.7 + 0.6 * z)).astype(float)
    fitted = PlattScaling.fit(z, y)
    assert fitted.intercept == pytest.approx(-0.7, abs=0.04)
    assert fitted.slope == pytest.approx(0.6, abs=0.02)
    assert PlattScaling.from_dict(fitted.to_dict()) == fitted


def test_platt_never_turns_the_order_round_and_refuses_one_class():
    z = np.linspace(-3, 3, 400)
    fitted = PlattScaling.fit(z, (z < 0).astype(float))
    assert fitted.slope == 0.0
    assert fitted.probability([0.0])[0] == pytest.approx(0.5, abs=0.01)
    with pytest.raises(NotEnoughDataError, match="0 positives and 3 negatives"):
        PlattScaling.fit([0.1, 0.2, 0.3], [0, 0, 0])


def test_isotonic_is_refused_on_few_rows_and_rises_on_many(scored):
    y, p, _ = scored
    with pytest.raises(NotEnoughDataError, match="1000 rows"):
        IsotonicCalibration.fit(p, y)
    model = IsotonicCalibration.fit(p, y, minimum_rows=100)
    assert (np.diff(model.probability(np.linspace(0, 1, 50))) >= 0).all()
    assert IsotonicCalibration.from_dict(model.to_dict()) == model


def test_reliability_gains_and_decile_frames_add_up(scored):
    y, p, _ = scored
    reliability = reliability_frame(y, p)
    assert reliability["customers"].sum() == len(y)
    assert (
        (reliability["low"] <= reliability["realised"]) & (reliability["realised"] <= reliability["high"])
    ).all()
    gains = gains_frame(y, {"truth": p})
    assert gains["caught"].iloc[0] == 0
    assert gains["caught"].iloc[-1] == pytest.approx(1)
    deciles = value_decile_frame(y, p)
    assert (deciles["customers"] * deciles["realised"]).sum() == pytest.approx(y.sum())
