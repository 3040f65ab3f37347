"""The return curve: estimator contract, planted truth, no contradiction, order, JSON, bad input."""

from __future__ import annotations

import copy
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.utils.estimator_checks import parametrize_with_checks

from segml.errors import ConfigurationError, DataError, ModelError, NotEnoughDataError
from segml.evaluation.metrics import auc_score, expected_calibration_error
from segml.models.baselines import LastPeriodAgain, RecencyRule
from segml.models.blend_weights import convex_weights
from segml.models.boosting import QuantileTable, monotone_directions
from segml.models.log_linear import LogLogistic
from segml.models.return_classifier import USUAL_WEIGHTS
from segml.models.return_parts import PARTS, ReturnParts
from segml.models.returning import SILENCE_DIRECTIONS, ReturnClassifier, ReturnCurve, ReturnTask
from segml.models.rhythm import expected_level


@parametrize_with_checks([ReturnClassifier(rounds=20)])
def test_scikit_learn_estimator_contract(estimator, check):
    check(estimator)


def planted_base(customers: int = 1500, seed: int = 5) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Poisson buyers who may have left: P(silent) is known for each."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(1.2, 0.02, customers) + 0.002
    recency = rng.exponential(1 / (rate + 0.01))
    age = recency + rng.exponential(150, customers)
    orders = 1 + rng.poisson(rate * (age - recency))
    gap = np.where(orders > 1, (age - recency) / np.maximum(orders - 1, 1), np.nan)
    features = pd.DataFrame(
        {
            "recency_days": recency,
            "age_days": age,
            "repeat_orders": orders - 1.0,
            "first_to_last_days": np.where(orders > 1, age - recency, 0.0),
            "orders_total": orders * 1.0,
            "orders_90d": rng.poisson(rate * 90) * 1.0,
            "gap_mean_days": gap,
            "noise": rng.normal(size=customers),
        },
        index=pd.Index([f"c{i:05d}" for i in range(customers)], name="customer_id"),
    )
    left = expit(0.03 * (recency - 60))
    truth = {h: left + (1 - left) * np.exp(-rate * h) for h in (30, 90)}
    wait = np.where(rng.random(customers) < left, np.inf, rng.exponential(1 / rate))
    labels = pd.DataFrame({f"silent_next_{h}d": (wait > h) * 1.0 for h in truth}, index=features.index)
    return features, labels, pd.Series(truth[90], index=features.index)


def ageing_base(day: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One cohort of Poisson buyers on a day of its life: each may leave after any purchase, and nobody joins."""
    rng = np.random.default_rng(9)
    customers = 1200
    rate, quits = rng.gamma(1.0, 0.03, customers) + 0.002, rng.beta(1.0, 4.0, customers)
    last = rng.geometric(quits)  # orders until they leave
    times = np.cumsum(rng.exponential(1, (customers, 120)) / rate[:, None], axis=1)
    made = np.where(np.arange(1, 121)[None, :] < last[:, None], times, np.inf)
    repeats, until = (made <= day).sum(axis=1), (made <= day + 60).sum(axis=1)
    latest = np.where(repeats > 0, made[np.arange(customers), np.maximum(repeats - 1, 0)], 0.0)
    features = pd.DataFrame(
        {
            "recency_days": day - latest,
            "age_days": float(day),
            "repeat_orders": repeats * 1.0,
            "first_to_last_days": latest,
            "orders_total": repeats + 1.0,
        },
        index=pd.Index([f"c{i:05d}" for i in range(customers)], name="customer_id"),
    )
    return features, pd.DataFrame({"silent_next_60d": (until == repeats) * 1.0}, index=features.index)


@pytest.fixture(scope="module")
def base() -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    return planted_base()


@pytest.fixture(scope="module")
def curve(base) -> ReturnCurve:
    later = planted_base(800, seed=6)
    return ReturnCurve((90, 30), rounds=80).fit(base[0], base[1], calibration=later[:2])


def test_r30_the_curve_beats_recency_and_comes_near_the_known_truth(curve):
    features, labels, truth = planted_base(3000, seed=8)
    p, y = curve.predict_curve(features)["silent_probability_90d"], labels["silent_next_90d"]
    assert auc_score(y, p) > auc_score(y, features["recency_days"]) + 0.01
    assert auc_score(y, p) > auc_score(y, truth) - 0.04  # the truth knows each one's rate
    assert expected_calibration_error(y, p) < 0.04


def test_r30_silent_for_longer_is_never_likelier(curve, base):
    frame = curve.predict_curve(base[0])
    assert (frame["silent_probability_30d"] >= frame["silent_probability_90d"]).all()
    assert frame.to_numpy().min() >= 0
    assert frame.to_numpy().max() <= 1


def test_probability_rises_with_recency_for_every_customer(base):
    features, labels, _ = base
    model = ReturnClassifier(rounds=60, weights={"trees": 0.5, "standings": 0.5}).fit(
        features, labels["silent_next_90d"]
    )
    later = features.assign(recency_days=features["recency_days"] + 30)
    assert (model.predict_proba(later)[:, 1] >= model.predict_proba(features)[:, 1] - 1e-12).all()


def test_row_order_changes_no_bit(base):
    features, labels, _ = base
    shuffled = features.sample(frac=1, random_state=3)
    one = ReturnCurve((30,), rounds=30).fit(features, labels).predict_curve(features)
    two = ReturnCurve((30,), rounds=30).fit(shuffled, labels.loc[shuffled.index]).predict_curve(features)
    pd.testing.assert_frame_equal(one, two, check_exact=True)


def test_scoring_one_customer_alone_equals_scoring_the_base(curve, base):
    features = base[0]
    alone = curve.predict_curve(features.iloc[[17]])
    pd.testing.assert_frame_equal(alone, curve.predict_curve(features).iloc[[17]], check_exact=True)


def test_r41_contributions_sum_to_the_log_odds(curve, base):
    features = base[0]
    parts = curve.contributions(features, 90)
    expected = curve.models_[90].decision_function(curve.inputs(features, 90))
    assert np.abs(parts.sum(axis=1).to_numpy() - expected).max() < 1e-9


def test_r41_a_task_words_its_reasons_and_prospects_have_none(curve, base):
    people = base[0].iloc[:50].copy()
    people.iloc[0, :] = np.nan
    people.loc[people.index[0], "orders_total"] = 0.0
    found = ReturnTask("churn", 90, curve).reasons(people)
    assert found["reason_1"].iloc[0] == ""
    assert found["reason_1"].iloc[1:].str.len().min() > 5
    assert set(found["reason_1_direction"].iloc[1:]) <= {"raises", "lowers"}


def test_the_rhythm_column_is_left_out_without_purchase_histories(base):
    features, labels, _ = base
    plain = ReturnCurve((30,), rounds=5).fit(features.drop(columns="first_to_last_days"), labels)
    richer = ReturnCurve((30,), rounds=5).fit(features, labels)
    assert plain.rhythm_ is None
    assert "rhythm_hazard_30d" in richer.inputs(features, 30)
    assert "rhythm_hazard_30d" in richer.typical_


def test_json_round_trip_predicts_the_same_bits(curve, base):
    task = ReturnTask("dormancy", 30, curve)
    again = ReturnTask.from_dict(json.loads(json.dumps(task.to_dict())))
    pd.testing.assert_frame_equal(again.score(base[0]), task.score(base[0]), check_exact=True)
    pd.testing.assert_frame_equal(again.contributions(base[0]), task.contributions(base[0]), check_exact=True)
    assert list(task.score(base[0]).columns) == ["dormancy_probability"]
    assert again.feature_names_in_ == task.feature_names_in_


def test_prospects_get_no_probability(curve, base):
    people = base[0].iloc[:3].copy()
    people.iloc[0] = np.nan
    people.loc[people.index[0], "orders_total"] = 0.0
    scores = curve.predict_curve(people)
    assert scores.iloc[0].isna().all()
    assert scores.iloc[1:].notna().all().all()


def test_many_cutoffs_and_unclosed_windows_are_learned_from_what_is_closed(base):
    features, labels, _ = base
    stacked = pd.concat({"2020-01-01": features, "2020-02-01": features}, names=["cutoff"])
    both = pd.concat({"2020-01-01": labels, "2020-02-01": labels}, names=["cutoff"])
    both.loc["2020-02-01", "silent_next_90d"] = np.nan
    curve = ReturnCurve((30, 90), rounds=10).fit(stacked, both, calibration=(stacked, both * np.nan))
    assert curve.predict_curve(features).notna().all().all()
    assert sum("no calibration cutoff has a closed label window" in note for note in curve.notes_) == 2


def test_constant_label_is_refused_with_its_counts(base):
    features, labels, _ = base
    with pytest.raises(NotEnoughDataError, match="silent_next_30d has 0 silent and 1500 returning"):
        ReturnCurve((30,)).fit(features, labels * 0.0)


def test_one_class_in_the_calibration_rows_leaves_the_blend_and_says_so(base):
    features, labels, _ = base
    curve = ReturnCurve((30,), rounds=10).fit(features, labels, calibration=(features, labels * 0.0))
    assert curve.models_[30].platt_.slope == 1.0
    assert "0 of 1500 have the rarer outcome" in curve.notes_[0]


def test_all_missing_columns_are_ignored_and_told(base):
    features, labels, _ = base
    curve = ReturnCurve((30,), rounds=10).fit(features.assign(returned_share=np.nan), labels)
    assert "returned_share" not in curve.feature_names_in_
    assert "returned_share" in curve.notes_[0]


def test_missing_columns_are_refused_all_at_once_with_the_nearest_name(curve, base):
    renamed = base[0].rename(columns={"recency_days": "recency_day", "age_days": "age_day"})
    with pytest.raises(ModelError, match=r"'recency_days' \(did you mean 'recency_day'\?\), 'age_days'"):
        curve.predict_curve(renamed)


def test_mismatched_rows_and_absent_labels_are_refused(base):
    features, labels, _ = base
    with pytest.raises(DataError, match="not the same customers"):
        ReturnCurve((30,)).fit(features.iloc[1:], labels)
    with pytest.raises(DataError, match="silent_next_60d"):
        ReturnCurve((60,)).fit(features, labels)


def test_a_task_off_the_curve_is_refused(curve):
    with pytest.raises(ConfigurationError, match="at 60 days"):
        ReturnTask("churn", 60, curve)


def cutoffs_of(base, count: int, size: int = 500) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every cutoff sees customers of its own and some of those of the one before."""
    features, labels, _ = base
    rows = {f"2020-{month + 1:02d}-01": slice(month * 200, month * 200 + size) for month in range(count)}
    stack = [
        pd.concat({c: frame.iloc[s] for c, s in rows.items()}, names=["cutoff"])
        for frame in (features, labels)
    ]
    return stack[0], stack[1]


@pytest.fixture(scope="module")
def backtested(base) -> tuple[ReturnCurve, tuple, tuple, pd.DataFrame]:
    features, labels = cutoffs_of(base, 6)
    late = features.index.get_level_values(0) >= "2020-05-01"
    early = (features[~late], labels[~late])
    later = (features[late], labels[late])
    present = base[0].iloc[900:]
    return (
        ReturnCurve((30, 90), rounds=40).fit(*early, calibration=later, present=present),
        early,
        later,
        present,
    )


def test_weights_are_found_by_backtest_at_least_zero_and_sum_to_one(backtested):
    for model in backtested[0].models_.values():
        assert list(model.weights_) == list(PARTS)
        assert min(model.weights_.values()) >= 0
        assert sum(model.weights_.values()) == pytest.approx(1.0, abs=1e-12)
        assert model.weights_ != USUAL_WEIGHTS
        assert model.platt_.slope > 0


def test_shuffled_rows_find_the_same_weights_and_the_same_bits(backtested):
    curve, early, later, present = backtested

    def mixed(pair, seed):
        order = np.random.default_rng(seed).permutation(len(pair[0]))
        return pair[0].iloc[order], pair[1].iloc[order]

    again = ReturnCurve((30, 90), rounds=40).fit(
        *mixed(early, 1), calibration=mixed(later, 2), present=present.sample(frac=1, random_state=3)
    )
    assert again.fingerprint == curve.fingerprint


def test_in_the_backtest_nobody_is_judged_by_parts_that_learned_from_them(base, monkeypatch):
    features, labels = cutoffs_of(base, 6)
    features = features.fillna(-1.0)
    who = features.index.get_level_values(1)
    known = {tuple(row): name for row, name in zip(features.to_numpy().tolist(), who, strict=True)}
    learned, meetings = set(), []
    learn, judge = ReturnParts.learn, ReturnParts.log_odds

    def watched_learn(self, data, target, groups):
        learned.clear()
        learned.update(known[tuple(row)] for row in data[:, : features.shape[1]].tolist())
        return learn(self, data, target, groups)

    def watched_judge(self, data):
        judged = {known[tuple(row)] for row in data[:, : features.shape[1]].tolist()}
        meetings.append((len(judged), len(judged & learned)))
        return judge(self, data)

    monkeypatch.setattr(ReturnParts, "learn", watched_learn)
    monkeypatch.setattr(ReturnParts, "log_odds", watched_judge)
    late = features.index.get_level_values(0) >= "2020-06-01"
    ReturnCurve((90,), rounds=8).fit(
        features[~late], labels[~late], calibration=(features[late], labels[late])
    )
    assert len(meetings) == 4  # two origins, each half of the customers
    assert all(judged > 100 and both == 0 for judged, both in meetings)


def test_the_blend_recovers_planted_weights_whatever_the_base_rate_of_a_window():
    rng = np.random.default_rng(4)
    Z, window = rng.normal(0, 2, (40_000, 3)), rng.integers(0, 2, 40_000)
    y = (rng.random(40_000) < expit(1.3 * Z @ [0.6, 0.3, 0.1] + np.array([-1.0, 1.0])[window])).astype(float)
    found = convex_weights(Z, y, window, np.ones(40_000), [1 / 3] * 3, 1.0)
    np.testing.assert_allclose(found, [0.6, 0.3, 0.1], atol=0.02)


def test_the_level_of_a_later_day_can_be_set_and_keeps_the_order(backtested, base):
    model = copy.deepcopy(backtested[0].models_[90])
    later = backtested[0].inputs(base[0].iloc[:500], 90)
    model.move_to(later)
    before = model.decision_function(later)
    model.move_to(later.sample(frac=1, random_state=1), 0.7)
    assert model.predict_proba(later)[:, 1].mean() == pytest.approx(0.7, abs=1e-9)
    np.testing.assert_allclose(np.diff(model.decision_function(later) - before), 0, atol=1e-9)


def test_the_level_follows_the_rhythm_of_the_day_and_its_usual_error(backtested):
    curve, early, later, present = backtested
    features, labels = (pd.concat([one, two]) for one, two in zip(early, later, strict=True))
    silent = labels.set_axis([30, 90], axis=1)
    level = expected_level(curve.rhythm_, present, features, silent)
    for horizon, share in level.items():
        found = curve.models_[horizon].predict_proba(curve.inputs(present, horizon))[:, 1].mean()
        assert found == pytest.approx(share, abs=1e-9)
    all_silent = expected_level(curve.rhythm_, present, features, silent * 0 + 1.0)
    assert all_silent == {}
    more = silent.copy()
    more[90] = np.where(np.arange(len(more)) % 10 == 0, 0.0, 1.0)
    assert expected_level(curve.rhythm_, present, features, more)[90] > level[90]


def test_a_cutoff_that_calibrates_one_horizon_and_teaches_another_is_counted_once_for_each(base):
    features, labels = cutoffs_of(base, 6)
    at = features.index.get_level_values(0)
    early, late = at < "2020-06-01", at >= "2020-05-01"  # May is in both
    taught, calibrating = labels[early].copy(), labels[late].copy()
    taught.loc["2020-05-01", "silent_next_90d"] = np.nan
    calibrating.loc["2020-05-01", "silent_next_30d"] = np.nan
    curve = ReturnCurve((30, 90), rounds=8).fit(
        features[early], taught, calibration=(features[late], calibrating), present=base[0].iloc[900:]
    )
    level = expected_level(curve.rhythm_, base[0].iloc[900:], features, labels.set_axis([30, 90], axis=1))
    for horizon, share in level.items():
        found = curve.models_[horizon].predict_proba(curve.inputs(base[0].iloc[900:], horizon))[:, 1].mean()
        assert found == pytest.approx(share, abs=2e-3)


def test_a_base_that_has_aged_is_forecast_at_the_level_it_then_had():
    """One cohort, nobody joins and everybody leaves sooner or later: 55 % silent when learned, 84 % today."""
    frames = {f"2020-{month:02d}-01": ageing_base(30 * month) for month in range(1, 9)}
    at = {part: pd.concat({c: pair[part] for c, pair in frames.items()}, names=["cutoff"]) for part in (0, 1)}
    late = at[0].index.get_level_values(0) >= "2020-07-01"
    today, outcome = ageing_base(450)
    curve = ReturnCurve((60,), rounds=40).fit(
        at[0][~late], at[1][~late], calibration=(at[0][late], at[1][late]), present=today
    )
    realised = outcome["silent_next_60d"].mean()
    assert realised > at[1]["silent_next_60d"].mean() + 0.1
    assert curve.predict_curve(today)["silent_probability_60d"].mean() == pytest.approx(realised, abs=0.03)


def test_weights_can_be_given_and_nonsense_is_refused(base):
    features, labels, _ = base
    y = labels["silent_next_90d"]
    one = ReturnClassifier(rounds=8, weights={"logistic": 3.0}).fit(features, y)
    assert one.weights_ == {"trees": 0.0, "standings": 0.0, "logistic": 1.0}
    for wrong in ({"trees": -1.0, "logistic": 2.0}, {"forest": 1.0}, {"logistic": 0.0}):
        with pytest.raises(ValueError, match="weights must be at least zero"):
            ReturnClassifier(rounds=8, weights=wrong).fit(features, y)


def test_calibration_rows_are_learned_from_too(base):
    features, labels, _ = base
    y = labels["silent_next_90d"].to_numpy()
    half = slice(0, 750), slice(750, None)
    both = ReturnClassifier(rounds=20).fit(
        features.iloc[half[0]], y[half[0]], calibration=(features.iloc[half[1]], y[half[1]])
    )
    whole = ReturnClassifier(rounds=20).fit(features, y)
    np.testing.assert_array_equal(
        both.parts_.log_odds(features.to_numpy()[:9]), whole.parts_.log_odds(features.to_numpy()[:9])
    )


def test_an_unknown_rhythm_says_the_average_and_parts_still_add_up(backtested, base):
    model = backtested[0].models_[90]
    X = backtested[0].inputs(base[0].iloc[:40], 90)
    X.loc[X.index[:20], "rhythm_hazard_90d"] = np.nan
    np.testing.assert_allclose(model.contributions(X).sum(axis=1), model.decision_function(X), atol=1e-9)
    assert model.parts_.log_odds(X.to_numpy())[:20, -1].tolist() == [model.parts_.rhythm_centre_] * 20


@given(st.integers(0, 10_000))
@settings(max_examples=6, deadline=None)
def test_blend_weights_are_convex_and_do_not_depend_on_the_order_of_parts(seed):
    rng = np.random.default_rng(seed)
    Z = rng.normal(0, 1.5, (300, 3))
    y = (rng.random(300) < expit(Z @ rng.dirichlet([1, 1, 1]) - 0.5)).astype(float)
    window, once = rng.integers(0, 2, 300), np.full(300, 0.5)
    weights = np.array(convex_weights(Z, y, window, once, [0.5, 0.3, 0.2], 5.0))
    turned = np.array(convex_weights(Z[:, ::-1], y, window, once, [0.2, 0.3, 0.5], 5.0))
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    np.testing.assert_allclose(turned[::-1], weights, atol=2e-3)


def test_without_evidence_the_usual_weights_stay():
    rng = np.random.default_rng(1)
    Z, y = rng.normal(0, 1, (400, 3)), rng.integers(0, 2, 400) * 1.0
    firm = convex_weights(Z, y, np.zeros(400), np.ones(400), [0.5, 0.3, 0.2], 1e6)
    np.testing.assert_allclose(firm, [0.5, 0.3, 0.2], atol=1e-3)


def test_log_logistic_recovers_planted_coefficients():
    rng = np.random.default_rng(2)
    x = np.expm1(np.abs(rng.normal(2, 1, (40000, 2))))
    y = (rng.random(40000) < expit(-1 + 0.8 * np.log1p(x[:, 0]) - 0.4 * np.log1p(x[:, 1]))).astype(float)
    model = LogLogistic([0, 1]).fit(x, y)
    np.testing.assert_allclose(model.coef_ / model.scale_, [0.8, -0.4], atol=0.05)


def test_a_missing_value_has_its_own_weight():
    rng = np.random.default_rng(2)
    x = rng.exponential(5, (4000, 1))
    gone = rng.random(4000) < 0.3
    y = (rng.random(4000) < np.where(gone, 0.9, 0.1)).astype(float)
    x[gone] = np.nan
    odds = LogLogistic([0]).fit(x, y).log_odds(np.array([[np.nan], [5.0]]))
    np.testing.assert_allclose(expit(odds), [0.9, 0.1], atol=0.03)


def test_standings_share_ties_and_rise():
    x = np.r_[np.zeros(60), np.arange(1, 41)].reshape(-1, 1)
    standing = QuantileTable.learn(x).standing(x)[:, 0]
    assert len(set(standing[:60])) == 1
    assert (np.diff(standing) >= 0).all()
    assert standing[0] == pytest.approx(0.3, abs=0.03)


def test_default_directions_cover_the_contract_names():
    names = [
        "recency_days",
        "gap_ratio",
        "orders_30d",
        "spend_365d",
        "orders_total",
        "orders_trend_30d",
        "age_days",
    ]
    assert monotone_directions(names, SILENCE_DIRECTIONS) == [1, 1, -1, -1, -1, 0, 0]


def test_recency_rule_is_a_rising_probability_and_round_trips(base):
    features, labels, _ = base
    rule = RecencyRule("silent_next_90d").fit(features, labels)
    days = pd.DataFrame({"recency_days": np.arange(0.0, 400.0)})
    p = rule.predict(days)
    assert (np.diff(p) >= 0).all()
    assert rule.predict(features).mean() == pytest.approx(labels["silent_next_90d"].mean(), abs=1e-3)
    again = RecencyRule.from_dict(json.loads(json.dumps(rule.to_dict())))
    np.testing.assert_array_equal(again.predict(days), p)


def test_last_period_again_scales_the_nearest_window():
    frame = pd.DataFrame({"spend_30d": [10.0, 0.0], "spend_90d": [30.0, 9.0]})
    assert LastPeriodAgain(60).predict(frame).tolist() == [20.0, 6.0]
    assert LastPeriodAgain(30).predict(frame).tolist() == [10.0, 0.0]
    with pytest.raises(ModelError, match="spend"):
        LastPeriodAgain(30).predict(pd.DataFrame({"x": [1.0]}))
