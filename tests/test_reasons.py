"""Reasons: exact, three different things, deterministic, in words, and fast."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segml.errors import DataError, ModelError
from segml.models.reasons import reason_summary_frame, sentences, top_reasons, topic_of
from segml.models.returning import ReturnClassifier
from segml.models.segment_reasons import segment_reasons_frame

NAMES = ["recency_days", "gap_ratio", "orders_90d", "orders_30d", "spend_90d", "age_days"]


def drawn(rows: int, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    index = pd.Index([f"c{i}" for i in range(rows)], name="customer_id")
    parts = pd.DataFrame(rng.normal(size=(rows, len(NAMES))), index=index, columns=NAMES).assign(
        base_value=0.3
    )
    values = pd.DataFrame(rng.exponential(30, (rows, len(NAMES))), index=index, columns=NAMES)
    return parts, values


def test_r41_parts_of_a_fitted_classifier_sum_to_its_log_odds_within_1e9():
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.exponential(20, (900, len(NAMES))), columns=NAMES).mask(
        rng.random((900, len(NAMES))) < 0.1
    )
    y = (rng.random(900) < 0.3 + 0.4 * (X["recency_days"].fillna(20) > 20)).astype(int)
    model = ReturnClassifier(rounds=60).fit(X, y, calibration=(X.iloc[::2], y.iloc[::2]))
    assert np.abs(model.contributions(X).sum(axis=1) - model.decision_function(X)).max() < 1e-9


def test_r41_reasons_are_three_topics_and_strengths_fall():
    parts, values = drawn(500)
    found = top_reasons(parts, values)
    topics = np.array(
        [[topic_of(found[f"reason_{i}_feature"].iloc[r]) for i in (1, 2, 3)] for r in range(500)]
    )
    assert all(len(set(row)) == 3 for row in topics.tolist())
    strengths = found[["reason_1_strength", "reason_2_strength", "reason_3_strength"]].to_numpy()
    assert (np.diff(strengths, axis=1) <= 0).all()


def test_plain_reasons_are_the_largest_absolute_parts():
    parts, values = drawn(200)
    found = top_reasons(parts, values, one_per_topic=False)
    expected = np.sort(np.abs(parts[NAMES].to_numpy()), axis=1)[:, ::-1][:, :3]
    np.testing.assert_array_equal(found[[f"reason_{i}_strength" for i in (1, 2, 3)]].to_numpy(), expected)
    signs = np.sign([parts.iloc[r][found["reason_1_feature"].iloc[r]] for r in range(200)])
    assert (np.where(signs > 0, "raises", "lowers") == found["reason_1_direction"]).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_r41_row_order_and_column_order_change_nothing(seed):
    parts, values = drawn(40, seed)
    parts = parts.round(0)  # many ties
    rng = np.random.default_rng(seed)
    rows = rng.permutation(40)
    columns = list(rng.permutation(parts.columns))
    one = top_reasons(parts, values).iloc[rows]
    two = top_reasons(parts.iloc[rows][columns], values.iloc[rows])
    pd.testing.assert_frame_equal(one, two)


def test_ties_go_to_the_name():
    parts = pd.DataFrame({"spend_90d": [0.5], "age_days": [0.5], "base_value": [0.0]})
    values = pd.DataFrame({"spend_90d": [10.0], "age_days": [3.0]})
    assert top_reasons(parts, values).loc[0, "reason_1_feature"] == "age_days"


def test_a_zero_part_or_a_missing_score_is_no_reason():
    parts = pd.DataFrame(
        {"recency_days": [0.0, np.nan], "age_days": [1.0, np.nan], "base_value": [0.0, np.nan]}
    )
    values = pd.DataFrame({"recency_days": [5.0, 5.0], "age_days": [9.0, 9.0]})
    found = top_reasons(parts, values)
    assert found["reason_2"].tolist() == ["", ""]
    assert found["reason_1"].tolist() == ["first order 9 days ago", ""]
    assert np.isnan(found.loc[1, "reason_1_strength"])


def test_recency_is_compared_with_the_persons_own_gap_else_with_the_base():
    parts = pd.DataFrame({"recency_days": [1.0, 1.0], "base_value": [0.0, 0.0]})
    values = pd.DataFrame({"recency_days": [61.2, 61.2], "gap_median_days": [9.0, np.nan]})
    found = top_reasons(parts, values, typical={"recency_days": 20.0}, count=1)
    assert found["reason_1"].tolist() == [
        "61 days since the last order, usually 9",
        "61 days since the last order, typical 20",
    ]


@pytest.mark.parametrize(
    ("feature", "value", "text"),
    [
        ("orders_total", 1.0, "1 order in all"),
        ("spend_90d", 12.5, "12.50 spent in the last 90 days"),
        ("discount_share", 0.314, "31 % of the value discounted"),
        ("orders_trend_30d", -1.0, "orders none left against the 30 days before"),
        ("affinity_fresh_meat", 0.5, "50 % of spend on fresh meat"),
        ("gap_median_days", np.nan, "usually days between orders unknown"),
        ("monthly_charges", 79.853, "monthly charges 79.9"),
        ("weekday_fri_share", 0.25, "25 % of orders on a Friday"),
        ("returned_share", 0.0, "0 % of spend returned"),
    ],
)
def test_values_are_said_in_words(feature, value, text):
    assert sentences(feature, np.array([value])).tolist() == [text]


def test_different_rows_are_refused():
    parts, values = drawn(5)
    with pytest.raises(ModelError, match="same customers"):
        top_reasons(parts, values.iloc[::-1])


def test_a_hundred_thousand_customers_take_seconds():
    parts, values = drawn(100_000)
    start = time.perf_counter()
    top_reasons(parts, values)
    assert time.perf_counter() - start < 10


def test_summary_by_segment_weighs_every_customer_once():
    parts, _ = drawn(300)
    segments = pd.Series(np.where(np.arange(300) % 3 == 0, "loyal", "new"), index=parts.index)
    frame = reason_summary_frame(parts, segments)
    one = frame[(frame["group"] == "loyal") & (frame["feature"] == "age_days")].iloc[0]
    assert one["mean"] == pytest.approx(parts.loc[segments == "loyal", "age_days"].mean())
    assert one["customers"] == 100


def test_r41_a_segment_is_told_apart_by_what_its_members_share():
    parts, values = drawn(600)
    segments = pd.Series(np.where(values["recency_days"] > 30, "quiet", "busy"), index=parts.index)
    parts["recency_days"] = np.where(segments == "quiet", 1.5, -1.0)
    found = segment_reasons_frame(parts, values, segments)
    first = found[found["place"] == 1].set_index("segment")
    assert set(first["feature"]) == {"recency_days"}
    assert first["direction"].to_dict() == {"busy": "lowers", "quiet": "raises"}
    assert first.loc["quiet", "strength_word"] == "strong"
    assert (
        found.groupby("segment")["feature"].agg(lambda names: len({topic_of(n) for n in names})).eq(3).all()
    )
    shuffled = parts.sample(frac=1, random_state=1).index
    again = segment_reasons_frame(parts.loc[shuffled], values.loc[shuffled], segments.loc[shuffled])
    pd.testing.assert_frame_equal(again, found, rtol=1e-12)


def test_r41_segment_reasons_refuse_other_customers():
    parts, values = drawn(10)
    with pytest.raises(DataError, match="not the same customers"):
        segment_reasons_frame(parts, values, pd.Series("a", index=range(10)))
