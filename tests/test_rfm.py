"""R12: RFM scores share ties, one order is F = 1, maps are partitions, and nothing but the customers matters."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segml.errors import ConfigurationError, NotEnoughDataError
from segml.models.segments.preparation import FeatureError
from segml.models.segments.rfm import RfmScorer, score_thresholds
from segml.models.segments.rfm_maps import RFM_MAPS, RfmMap

customers = st.lists(
    st.tuples(st.integers(0, 400), st.integers(1, 12), st.integers(-50, 5_000)), min_size=1, max_size=60
)
map_names = st.sampled_from(sorted(RFM_MAPS))


def frame_of(rows: list[tuple[int, int, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["recency_days", "orders_total", "spend_total"], dtype=float)
    return frame.set_axis([f"c{i:03d}" for i in range(len(frame))])


@settings(max_examples=40, deadline=None)
@given(rows=customers, name=map_names)
def test_r12_equal_customers_have_equal_scores_and_more_is_never_less(rows, name):
    frame = frame_of(rows)
    scores = RfmScorer(name).fit(frame).predict(frame)
    for value, score, sign in (
        ("recency_days", "rfm_r", -1),
        ("orders_total", "rfm_f", 1),
        ("spend_total", "rfm_m", 1),
    ):
        by_value = scores[score].groupby(sign * frame[value]).agg(["min", "max"])
        assert (by_value["min"] == by_value["max"]).all()
        assert by_value["min"].is_monotonic_increasing
    low, high = RFM_MAPS[name].levels
    assert scores[["rfm_r", "rfm_f", "rfm_m"]].to_numpy().min() >= low
    assert scores[["rfm_r", "rfm_f", "rfm_m"]].to_numpy().max() <= high
    assert set(scores["rfm_name"]) <= set(RFM_MAPS[name].cells)


@settings(max_examples=40, deadline=None)
@given(rows=customers, name=map_names)
def test_r12_one_order_is_always_the_lowest_frequency(rows, name):
    frame = frame_of(rows)
    scores = RfmScorer(name).fit(frame).predict(frame)
    assert (scores.loc[frame["orders_total"] == 1, "rfm_f"] == RFM_MAPS[name].levels[0]).all()


@settings(max_examples=40, deadline=None)
@given(rows=customers, name=map_names, seed=st.integers(0, 99))
def test_r12_shuffling_duplicating_or_another_currency_changes_nothing(rows, name, seed):
    frame = frame_of(rows)
    expected = RfmScorer(name).fit(frame).predict(frame)
    shuffled = frame.sample(frac=1.0, random_state=seed)
    pd.testing.assert_frame_equal(RfmScorer(name).fit(shuffled).predict(frame), expected)
    tripled = pd.concat([frame, frame, frame])
    pd.testing.assert_frame_equal(RfmScorer(name).fit(tripled).predict(frame), expected)
    ore = frame.assign(spend_total=frame["spend_total"] * 745.25)
    pd.testing.assert_frame_equal(RfmScorer(name).fit(ore).predict(ore), expected)


def test_r12_the_default_map_is_the_published_table():
    # definitions, RFM: the default map over (R, F), written out cell by cell.
    table = {
        5: ["New", "Potential Loyalist", "Potential Loyalist", "Champions", "Champions"],
        4: ["Promising", "Potential Loyalist", "Potential Loyalist", "Loyal", "Loyal"],
        3: ["About to Sleep", "About to Sleep", "Need Attention", "Loyal", "Loyal"],
        2: ["Hibernating", "Hibernating", "At Risk", "At Risk", "Can't Lose"],
        1: ["Hibernating", "Hibernating", "At Risk", "At Risk", "Can't Lose"],
    }
    for r, names in table.items():
        found = RFM_MAPS["default"].names_of({"R": np.full(5, r), "F": np.arange(1, 6)})
        assert found.tolist() == names


def test_r12_a_map_with_a_hole_an_overlap_and_an_unreachable_name_is_refused_with_all_three():
    with pytest.raises(ConfigurationError) as refused:
        RfmMap(
            "mine",
            ("R", "F"),
            (1, 2),
            {"A": [{"R": (1, 2), "F": (1, 1)}], "B": [{"R": (2, 2), "F": (1, 1)}], "C": []},
        )
    assert "cells without a name: R1 F2, R2 F2" in refused.value.message
    assert "R2 F1 (A and B)" in refused.value.message
    assert "names without a cell: C" in refused.value.message


def test_r12_a_map_with_scores_that_do_not_exist_is_refused():
    with pytest.raises(ConfigurationError, match=r"A: F is not a dimension.*A: R 1-6"):
        RfmMap("mine", ("R",), (1, 5), {"A": [{"R": (1, 6), "F": (1, 1)}]})


def test_r12_an_unknown_map_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigurationError, match="did you mean 'klaviyo3'"):
        RfmScorer("klavyo3").fit(frame_of([(1, 1, 1)]))


@pytest.mark.parametrize("name", sorted(RFM_MAPS))
def test_r12_scores_survive_json(name):
    generator = np.random.default_rng(1)
    frame = frame_of(list(zip(*generator.integers(1, 300, (3, 200)).tolist(), strict=True)))
    scorer = RfmScorer(name).fit(frame)
    again = RfmScorer.from_dict(json.loads(json.dumps(scorer.to_dict())))
    pd.testing.assert_frame_equal(again.predict(frame), scorer.predict(frame))


def test_r12_people_who_never_bought_are_prospects_and_do_not_move_the_thresholds():
    frame = frame_of([(5, 3, 90), (50, 1, 20), (200, 2, 30)])
    with_prospect = pd.concat(
        [frame, pd.DataFrame({"orders_total": [0.0], "spend_total": [0.0]}, index=["p"])]
    )
    scores = RfmScorer().fit(with_prospect).predict(with_prospect)
    assert scores.loc["p"].tolist() == [-1, -1, -1, "Prospect"]
    pd.testing.assert_frame_equal(scores.drop("p"), RfmScorer().fit(frame).predict(frame))


def test_r12_bad_frames_are_refused_by_column_name():
    with pytest.raises(FeatureError, match=r"recency_days.*did you mean 'recency_day'"):
        RfmScorer().fit(pd.DataFrame({"recency_day": [1.0], "orders_total": [1.0], "spend_total": [1.0]}))
    with pytest.raises(FeatureError, match="spend_total"):
        RfmScorer().fit(frame_of([(1, 1, 1)]).assign(spend_total=np.inf))
    with pytest.raises(NotEnoughDataError, match="none of the 1 customers"):
        RfmScorer().fit(frame_of([(1, 1, 1)]).assign(recency_days=np.nan))


def test_scores_are_fifths_of_the_base_when_nobody_ties():
    # numpy's inverted_cdf is the last value of each fifth; on 1..100 the next value begins the next score.
    values = np.arange(1.0, 101.0)
    ends = np.quantile(values, [0.2, 0.4, 0.6, 0.8], method="inverted_cdf")
    np.testing.assert_array_equal(score_thresholds(values, 5), ends + 1)


def test_r12_a_crowd_at_the_top_gets_the_top_score():
    frame = frame_of([(1, 2, 10)] * 25 + [(30 + i, 2, 10) for i in range(75)])
    assert (RfmScorer().fit(frame).predict(frame)["rfm_r"].iloc[:25] == 5).all()
