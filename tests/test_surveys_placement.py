"""People without a survey are placed only where that beats guessing, and are always marked as inferred."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from segml.errors import NotEnoughDataError
from segml.models.segments.placement import SegmentPlacement


def people(n: int, effect: float, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    generator = np.random.default_rng(seed)
    index = [f"c{i:04d}" for i in range(n)]
    segment = generator.choice(3, n, p=[0.5, 0.3, 0.2])
    features = pd.DataFrame(
        effect * np.eye(3)[segment] + generator.normal(size=(n, 3)), index, ["a", "b", "c"]
    )
    features.loc[generator.random(n) < 0.1, "a"] = np.nan
    ids = np.array(["D1", "D2", "D3"])[segment]
    frame = {"segment_declared_id": ids, "segment_declared_name": "n" + pd.Series(ids, index)}
    return features, pd.DataFrame({**frame, "segment_declared_membership": 0.9}, index=index)


def test_behaviour_that_tells_segments_apart_places_people_with_believable_probabilities():
    features, declared = people(1_200, 2.0)
    placement = SegmentPlacement().fit(features, declared.iloc[:800])
    assert placement.available_
    assert placement.accuracy_ > placement.majority_accuracy_ + 0.15
    new = placement.score(features.iloc[800:])
    assert (new["segment_declared_source"] == "inferred").all()
    hits = (new["segment_declared_id"] == declared["segment_declared_id"].iloc[800:]).mean()
    assert hits == pytest.approx(placement.accuracy_, abs=0.06)
    assert new["segment_declared_membership"].mean() == pytest.approx(hits, abs=0.08)


@pytest.mark.parametrize("seed", range(5))
def test_behaviour_that_says_nothing_places_nobody_and_says_why(seed):
    features, declared = people(600, 0.0, seed)
    placement = SegmentPlacement().fit(features, declared)
    assert not placement.available_
    assert "unavailable, because" in placement.reason_
    assert (placement.score(features)["segment_declared_source"] == "unknown").all()


def test_what_people_said_goes_before_what_is_inferred():
    features, declared = people(400, 2.0)
    declared.iloc[:5, 0] = "unknown"
    placed = SegmentPlacement().fit(features, declared.iloc[:300]).score(features, declared.iloc[:300])
    assert placed["segment_declared_source"].value_counts().to_dict() == {"declared": 295, "inferred": 105}
    told = declared.iloc[5:300]
    pd.testing.assert_frame_equal(placed.loc[told.index, told.columns], told, check_dtype=False)


def test_a_stored_placement_scores_the_same_and_order_changes_nothing():
    features, declared = people(400, 1.0)
    placement = SegmentPlacement().fit(features, declared)
    again = SegmentPlacement.from_dict(json.loads(json.dumps(placement.to_dict())))
    pd.testing.assert_frame_equal(again.score(features), placement.score(features))
    shuffled = SegmentPlacement().fit(features.iloc[::-1], declared.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(shuffled.score(features), placement.score(features))


def test_two_segments_are_enough_and_one_is_not():
    features, declared = people(300, 2.0)
    two = declared[declared["segment_declared_id"] != "D3"]
    placement = SegmentPlacement().fit(features, two)
    assert placement.predict_proba(features).sum(axis=1).round(9).eq(1.0).all()
    with pytest.raises(NotEnoughDataError, match="unavailable, because"):
        SegmentPlacement().fit(features, declared[declared["segment_declared_id"] == "D1"])
