"""The next order and the second purchase: on the curve, never zero, silent where nothing is known."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segml.errors import NotEnoughDataError
from segml.models.btyd import ModifiedBetaGeoNBD
from segml.models.order_timing import OneTimers, crossing_days, order_timing_frame
from segml.models.returning import ReturnCurve, ReturnTask
from segml.models.rhythm import OrderRhythm

RHYTHM = OrderRhythm(ModifiedBetaGeoNBD.from_params({"r": 0.6, "alpha": 25.0, "a": 0.8, "b": 2.5}))


def buyers(customers: int = 1200, seed: int = 3) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Poisson buyers, a fifth of whom leave after an order; the wait until the next order is known."""
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.8, 0.04, customers) + 0.002
    age = rng.integers(120, 400, customers).astype(float)
    orders = np.minimum(rng.poisson(rate * age), rng.geometric(0.12, customers))
    last = np.where(orders > 0, np.floor(age * rng.beta(np.maximum(orders, 1), 1)), 0.0)
    alive = rng.random(customers) < np.exp(-(age - last) * rate * 0.3)
    wait = np.where(alive, rng.exponential(1 / rate), np.inf)
    features = pd.DataFrame(
        {
            "recency_days": age - last,
            "age_days": age,
            "first_to_last_days": last,
            "repeat_orders": orders.astype(float),
            "orders_total": orders + 1.0,
        },
        index=pd.Index([f"c{i:05d}" for i in range(customers)], name="customer_id"),
    )
    days = (7, 14, 30, 90)  # 7 and 14 only time the next order
    labels = pd.DataFrame({f"silent_next_{h}d": (wait > h) * 1.0 for h in days}, index=features.index)
    return features, labels, wait


@pytest.fixture(scope="module")
def curve() -> ReturnCurve:
    features, labels, _ = buyers()
    return ReturnCurve((30, 90), rounds=60).fit(features, labels)


def test_r32_half_of_the_people_order_before_their_day_and_a_tenth_before_the_interval(curve):
    features, _, wait = buyers(4000, seed=9)
    timing = curve.order_timing(features)
    told = timing["next_order_days"].notna().to_numpy()
    before = (wait[told] <= timing["next_order_days"].to_numpy()[told]).mean()
    assert before == pytest.approx(0.5, abs=0.06)
    low = timing["next_order_days_low"].to_numpy()
    begun = ~np.isnan(low)
    assert (wait[begun] < low[begun]).mean() == pytest.approx(0.1, abs=0.05)
    high = timing["next_order_days_high"].fillna(np.inf).to_numpy()
    assert (wait[begun] <= high[begun]).mean() > 0.85


def test_r32_a_day_is_never_zero_and_the_interval_contains_it(curve):
    timing = curve.order_timing(buyers(seed=4)[0])
    days = timing[["next_order_days_low", "next_order_days", "next_order_days_high"]].to_numpy()
    assert np.nanmin(days) > 0
    assert not (np.diff(days, axis=1) < 0).any()
    assert np.nanmax(days) <= 90


def test_r32_one_order_without_cohort_evidence_has_no_day(curve):
    features, _, _ = buyers(50, seed=5)
    silent = curve.predict_curve(features)
    none = order_timing_frame(features, silent, curve.horizons, RHYTHM, OneTimers(30, 2))
    once = features["repeat_orders"].eq(0)
    assert once.any()
    assert none[once.to_numpy()].isna().all(axis=None)
    assert none["second_purchase_probability"].isna().all()


def test_r33_second_purchase_is_said_of_one_time_buyers_only(curve):
    features, _, _ = buyers(seed=6)
    said = curve.order_timing(features)["second_purchase_probability"]
    once = features["repeat_orders"].eq(0)
    assert said[once].between(0, 1).all()
    assert said[~once].isna().all()
    expected = 1 - curve.predict_curve(features)["silent_probability_90d"]
    pd.testing.assert_series_equal(said[once], expected[once], check_names=False)


def test_r33_time_to_second_curve_rises_and_ends_at_the_mean_probability(curve):
    features, _, _ = buyers(seed=6)
    frame = curve.second_purchase_curve(features)
    assert frame["share"].is_monotonic_increasing
    once = features["repeat_orders"].eq(0)
    mean = curve.order_timing(features).loc[once, "second_purchase_probability"].mean()
    assert frame["share"].iloc[-1] == pytest.approx(mean, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.02, 0.95),
    st.floats(0.0, 0.9),
    st.integers(0, 40),
    st.floats(0, 1),
    st.floats(5, 600),
)
def test_the_day_of_a_level_rises_with_the_level(short, more, orders, last, age):
    features = pd.DataFrame(
        {
            "repeat_orders": [float(orders)],
            "first_to_last_days": [age * last * (orders > 0)],
            "age_days": [age],
        }
    )
    silent = pd.DataFrame({"a": [1 - short], "b": [(1 - short) * (1 - more)]})
    levels = (0.05, 0.2, 0.5, 0.8, 0.95)
    days = crossing_days(features, silent, (30, 90), RHYTHM, levels)[0]
    known = days[~np.isnan(days)]
    assert (np.diff(known) >= -1e-6).all()
    assert np.isnan(days[len(known) :]).all()
    reached = np.array(levels) <= 1 - silent["b"].iloc[0]
    assert len(known) == reached.sum()


def test_the_curve_meets_its_trained_horizon(curve):
    features, _, _ = buyers(200, seed=8)
    silent = curve.predict_curve(features)
    for horizon in (30, 90):
        chance = 1 - silent[f"silent_probability_{horizon}d"]
        for who in (3, 50, 120):
            days = crossing_days(
                features.iloc[[who]], silent.iloc[[who]], (30, 90), curve.rhythm_, [chance.iloc[who] - 1e-9]
            )
            assert days[0, 0] <= horizon + 1e-3
    exact = crossing_days(features, silent, (30, 90), curve.rhythm_, [0.4])[:, 0]
    inside = ~np.isnan(exact)
    early = exact[inside] <= 30
    np.testing.assert_array_equal(early, (1 - silent["silent_probability_30d"].to_numpy()[inside]) >= 0.4)


def test_a_small_base_falls_back_to_the_counting_model_and_says_so():
    features, labels, _ = buyers(150)
    small = ReturnCurve((30, 90)).fit(features, labels)
    assert small.models_ == {30: None, 90: None}
    assert any("the buy-till-you-die model alone, because 150 customers" in note for note in small.notes_)
    expected = 1 - small.rhythm_.model.probability_active(
        features.rename(columns={"first_to_last_days": "recency", "age_days": "age"}), 90
    )
    np.testing.assert_allclose(small.predict_curve(features)["silent_probability_90d"], expected, rtol=1e-9)
    task = ReturnTask("churn", 90, small)
    parts = task.contributions(features).sum(axis=1).to_numpy()
    p = task.score(features)["churn_probability"].to_numpy()
    np.testing.assert_allclose(parts, np.log(p / (1 - p)), atol=1e-7)
    assert task.reasons(features)["reason_1"].str.contains("by their rhythm alone").any()
    again = ReturnTask.from_dict(json.loads(json.dumps(task.to_dict())))
    pd.testing.assert_frame_equal(again.score(features), task.score(features), check_exact=True)


def test_a_young_base_without_a_closed_window_is_forecast_by_its_rhythm():
    features, labels, _ = buyers(400)
    young = ReturnCurve((30, 90)).fit(features, labels.assign(silent_next_90d=np.nan))
    assert young.models_[30] is not None
    assert young.models_[90] is None
    assert young.predict_curve(features).notna().all(axis=None)


def test_too_little_evidence_on_one_time_buyers_is_told():
    features, labels, _ = buyers(400)
    regulars = features["repeat_orders"].gt(0).to_numpy()
    curve = ReturnCurve((30,), rounds=5).fit(features[regulars], labels[regulars])
    assert any("0 of 0 one-time buyers came back" in note for note in curve.notes_)
    with pytest.raises(NotEnoughDataError, match="one-time buyers came back"):
        curve.second_purchase_curve(features)


def test_two_loaded_copies_of_a_curve_have_one_fingerprint(curve):
    copies = [ReturnCurve.from_dict(json.loads(json.dumps(curve.to_dict()))) for _ in range(2)]
    assert copies[0].fingerprint == copies[1].fingerprint == curve.fingerprint
    other = ReturnCurve((30, 90), rounds=61).fit(*buyers()[:2])
    assert other.fingerprint != curve.fingerprint
