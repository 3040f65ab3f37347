"""R11, R14: everyone is exactly one of frequent, sporadic, dormant, prospect; stages follow the probability."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segml.models.segments.preparation import FeatureError
from segml.models.segments.triad import STAGES, DormancyTriad

person = st.tuples(
    st.integers(0, 9), st.integers(0, 9), st.one_of(st.none(), st.floats(1, 300)), st.floats(0, 1)
)


def frame_of(rows) -> tuple[pd.DataFrame, pd.Series]:
    frame = pd.DataFrame(rows, columns=["orders_total", "orders_365d", "gap_mean_days", "p"]).astype(float)
    return frame.drop(columns="p"), frame["p"].where(frame["orders_total"] > 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(person, min_size=1, max_size=40))
def test_r11_the_triad_is_exhaustive_exclusive_and_follows_its_definition(rows):
    frame, chance = frame_of(rows)
    triad = DormancyTriad().fit(frame)
    found = triad.predict(frame, chance)
    bought = frame["orders_total"] > 0
    often = (frame["orders_365d"] >= 3) | (frame["gap_mean_days"] <= triad.gap_third_days_)
    assert (found["triad"].eq("prospect") == ~bought).all()
    assert (found["triad"].eq("dormant") == (bought & (chance < 0.20))).all()
    assert (found["triad"].eq("frequent") == (bought & (chance >= 0.60) & often)).all()
    assert found["triad"].isin(["frequent", "sporadic", "dormant", "prospect"]).all()
    assert found["lifecycle_stage"].isin(STAGES).all()


def test_r11_bands_begin_at_their_lower_end():
    frame = pd.DataFrame({"orders_total": [2.0] * 6, "orders_365d": [0.0] * 6, "gap_mean_days": [10.0] * 6})
    bands = DormancyTriad().fit(frame).predict(frame, pd.Series([0.60, 0.5999, 0.35, 0.3499, 0.20, 0.1999]))
    assert bands["return_band"].tolist() == [
        "active",
        "slipping",
        "slipping",
        "at_risk",
        "at_risk",
        "dormant",
    ]


def test_r14_reactivated_comes_only_from_dormant():
    frame = pd.DataFrame({"orders_total": [5.0] * 3, "orders_365d": [4.0] * 3, "gap_mean_days": [10.0] * 3})
    previous = pd.Series(["dormant", "repeat", "dormant"])
    stages = (
        DormancyTriad().fit(frame).predict(frame, pd.Series([0.9, 0.9, 0.1]), previous)["lifecycle_stage"]
    )
    assert stages.tolist() == ["reactivated", "loyal", "dormant"]


def test_r11_the_shortest_third_of_rhythms_is_learnt_and_survives_json():
    gaps = pd.DataFrame({"orders_total": 2.0, "orders_365d": 0.0, "gap_mean_days": np.arange(1.0, 10.0)})
    triad = DormancyTriad(active=0.7).fit(gaps)
    assert triad.gap_third_days_ == 3.0
    again = DormancyTriad.from_dict(json.loads(json.dumps(triad.to_dict())))
    chance = pd.Series(np.linspace(0, 1, 9))
    pd.testing.assert_frame_equal(again.predict(gaps, chance), triad.predict(gaps, chance))
    nobody = DormancyTriad().fit(gaps.assign(gap_mean_days=np.nan))
    assert np.isnan(DormancyTriad.from_dict(json.loads(json.dumps(nobody.to_dict()))).gap_third_days_)


def test_r11_buyers_without_a_probability_are_refused_and_counted():
    frame = pd.DataFrame(
        {"orders_total": [1.0, 1.0], "orders_365d": [1.0, 1.0], "gap_mean_days": [np.nan, np.nan]}
    )
    with pytest.raises(FeatureError, match="1 unknown, 1 outside"):
        DormancyTriad().fit(frame).predict(frame, pd.Series([np.nan, 1.5]))
    with pytest.raises(FeatureError, match="at_risk < slipping < active"):
        DormancyTriad(active=0.1).fit(frame)
