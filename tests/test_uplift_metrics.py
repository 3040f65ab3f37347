"""Qini, uplift areas and deciles mean what they say, and depend on nothing else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segml.errors import DataError
from segml.evaluation.uplift_metrics import (
    auuc_score,
    qini_curve_frame,
    qini_score,
    uplift_decile_frame,
    uplift_report_frame,
)


def campaign(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcome, treatment, and a trait on which the uplift depends: 0 below one half, 0.2 above."""
    rng = np.random.default_rng(seed)
    x, t = rng.random(n), rng.integers(0, 2, n)
    return (rng.random(n) < 0.1 + 0.2 * (x > 0.5) * t).astype(float), t, x


def qini_by_hand(y: np.ndarray, t: np.ndarray, s: np.ndarray) -> float:
    """Radcliffe's curve customer by customer; scores must differ."""
    gains, order = [0.0], np.argsort(-s)
    for k in range(1, len(y) + 1):
        top = order[:k]
        sent, held = t[top].sum(), (1 - t[top]).sum()
        idle = (y[top] * (1 - t[top])).sum() * sent / held if held else 0.0
        gains.append(float((y[top] * t[top]).sum() - idle))
    return sum((a + b) / 2 for a, b in pairwise(gains)) / len(y) - gains[-1] / 2


def test_qini_is_the_ratio_of_two_areas_counted_customer_by_customer():
    y, t, x = campaign(300)
    best = np.where(t == 1, np.where(y > 0, 4.0, 2.0), np.where(y > 0, 1.0, 3.0))
    jitter = np.linspace(
        0, 0.1, len(y)
    )  # the perfect order's ties lie on straight lines, so their order is free
    expected = qini_by_hand(y, t, x) / qini_by_hand(y, t, best + jitter)
    assert qini_score(y, t, x) == pytest.approx(expected, abs=0.002)


def test_perfect_order_scores_one_reversed_below_zero_and_constant_zero():
    y, t, _ = campaign()
    best = np.where(t == 1, 2 * y, -2 * y) + np.where((t == 0) & (y == 0), 0.5, 0.0)
    assert qini_score(y, t, best) == pytest.approx(1.0)
    assert qini_score(y, t, -best) < 0
    assert qini_score(y, t, np.ones(len(y))) == pytest.approx(0.0, abs=1e-12)


def test_noise_scores_zero_on_average_and_the_right_trait_above_it():
    y, t, x = campaign(4000)
    rng = np.random.default_rng(5)
    noise = np.array([qini_score(y, t, rng.random(len(y))) for _ in range(200)])
    assert abs(noise.mean()) < 4 * noise.std() / 200**0.5
    assert qini_score(y, t, x) > noise.max()


def test_at_random_the_uplift_area_is_half_the_lift():
    y, t, _ = campaign()
    lift = y[t == 1].mean() - y[t == 0].mean()
    assert auuc_score(y, t, np.zeros(len(y))) == pytest.approx(lift / 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6))
def test_only_the_order_of_the_score_counts(seed, levels):
    y, t, x = campaign(200, seed)
    s = np.floor(x * levels)
    place = np.random.default_rng(seed).permutation(len(y))
    for metric in (qini_score, auuc_score):
        value = metric(y, t, s)
        assert metric(y[place], t[place], s[place]) == pytest.approx(value, abs=1e-12)
        assert metric(y, t, np.exp(3 * s) - 7) == pytest.approx(value, abs=1e-12)
        assert metric(np.tile(y, 3), np.tile(t, 3), np.tile(s, 3)) == pytest.approx(value, abs=1e-12)
    assert qini_score(7.5 * y, t, s) == pytest.approx(qini_score(y, t, s), abs=1e-12)


def test_ties_are_shared_as_if_drawn_by_lot():
    y, t, x = campaign(3000)
    coarse = np.floor(x * 3)
    rng = np.random.default_rng(1)
    broken = [qini_score(y, t, coarse + rng.random(len(y)) / 2) for _ in range(200)]
    assert qini_score(y, t, coarse) == pytest.approx(np.mean(broken), abs=4 * np.std(broken) / 200**0.5)


def test_amounts_have_a_perfect_order_too():
    rng = np.random.default_rng(0)
    t = rng.integers(0, 2, 1000)
    y = rng.exponential(20, 1000) * (rng.random(1000) < 0.3)
    best = np.where(t == 1, y, -y) + np.where((t == 0) & (y == 0), 1e-9, 0.0)
    assert qini_score(y, t, best) == pytest.approx(1.0)
    assert abs(qini_score(y, t, rng.random(1000))) < 0.3


def test_a_share_contacted_that_differs_by_stratum_is_weighted_out():
    """Without weights a trait that only drove the mailing looks like uplift; the effect here is the same for all."""
    rng = np.random.default_rng(3)
    n = 60_000
    stratum = rng.integers(0, 2, n)
    chance = np.where(stratum == 1, 0.9, 0.3)
    t = (rng.random(n) < chance).astype(int)
    y = (rng.random(n) < 0.05 + 0.4 * stratum + 0.05 * t).astype(float)
    frame = uplift_report_frame(y, t, {"stratum": stratum}, chance, draws=100).set_index("metric")
    assert frame.loc["auuc_above_random", "low"] < 0 < frame.loc["auuc_above_random", "high"]
    biased = uplift_report_frame(y, t, {"stratum": stratum}, draws=50).set_index("metric")
    assert biased.loc["auuc_above_random", "high"] < 0


def test_the_curve_ends_at_the_lift_and_carries_its_score():
    y, t, x = campaign()
    frame = qini_curve_frame(y, t, {"trait": x, "nothing": np.zeros(len(y))})
    ends = frame[frame["contacted"] == 1.0]
    lift = y[t == 1].mean() - y[t == 0].mean()
    assert ends["gain"].to_numpy() == pytest.approx([lift, lift])
    assert ends["uplift"].to_numpy() == pytest.approx([lift, lift])
    assert ends["qini"].iloc[0] == pytest.approx(qini_score(y, t, x))


def test_intervals_depend_on_no_row_order_and_compare_scores_on_the_same_draws():
    y, t, x = campaign(2000)
    scores = {"trait": x, "opposite": -x}
    frame = uplift_report_frame(y, t, scores, draws=60)
    place = np.random.default_rng(0).permutation(len(y))
    moved = uplift_report_frame(y[place], t[place], {k: s[place] for k, s in scores.items()}, draws=60)
    pd.testing.assert_frame_equal(frame, moved)
    qini = frame[frame["metric"] == "qini"].set_index("score")
    assert qini.loc["opposite", "difference_high"] < 0
    assert np.isnan(qini.loc["trait", "difference"])


def test_the_bootstrap_is_as_wide_as_repeated_campaigns():
    repeated = np.array([qini_score(*campaign(2000, seed)) for seed in range(150)])
    frame = uplift_report_frame(*campaign(2000, 999)[:2], {"x": campaign(2000, 999)[2]}, draws=150)
    row = frame[frame["metric"] == "qini"].iloc[0]
    assert (row["high"] - row["low"]) / (2 * 1.96) == pytest.approx(repeated.std(), rel=0.3)


def test_deciles_cover_the_true_uplift_nineteen_times_in_twenty():
    covered = []
    for seed in range(60):
        y, t, x = campaign(3000, seed)
        frame = uplift_decile_frame(y, t, x)
        truth = np.repeat([0.0, 0.2], 5)
        covered.append(((frame["low"] <= truth) & (truth <= frame["high"])).mean())
    assert 0.92 < np.mean(covered) < 0.985


def test_deciles_share_ties_and_an_arm_without_buyers_is_not_certain():
    y, t, x = campaign(2000)
    frame = uplift_decile_frame(y, t, (x > 0.5).astype(float))
    assert len(frame) == 2
    assert frame["customers"].sum() == 2000
    assert (frame["treated"] + frame["control"] == frame["customers"]).all()
    nobody = uplift_decile_frame(np.zeros(200), np.tile([0, 1], 100), np.zeros(200))
    assert nobody["uplift"].tolist() == [0.0]
    assert nobody["low"].iloc[0] < 0 < nobody["high"].iloc[0]


@pytest.mark.parametrize(
    ("treatment", "words"),
    [([1, 1, 1, 1], "has both"), ([0, 1, 2, 1], "one arm at a time"), ([0, 1, np.nan, 1], "missing")],
)
def test_a_treatment_that_is_none_is_refused(treatment, words):
    with pytest.raises(DataError, match=words):
        qini_score([0, 1, 0, 1], treatment, [1, 2, 3, 4])
