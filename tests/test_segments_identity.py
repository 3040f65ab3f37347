"""R22: a segment keeps its id and name across retrains; births, deaths, splits and merges are reported."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from segml.models.segments.behavioural import BehaviouralSegmenter
from segml.models.segments.identity import match_segments
from segml.models.segments.interests import InterestSegmenter
from segml.models.segments.preparation import FeatureError
from segml.models.segments.task import SegmentTask

PEOPLE = [f"c{i:03d}" for i in range(120)]


def labelled(values, people=PEOPLE) -> pd.Series:
    return pd.Series(values, index=people[: len(values)])


def test_r22_renumbered_segments_keep_their_ids_whatever_the_row_order():
    old = labelled(["B1"] * 60 + ["B2"] * 40 + ["B3"] * 20)
    new = labelled([2] * 60 + [0] * 40 + [1] * 20).sample(frac=1.0, random_state=0)
    match = match_segments(old, new)
    assert match.mapping == {0: "B2", 1: "B3", 2: "B1"}
    assert match.births == match.deaths == []
    assert match.n_common == 120


def test_r22_births_take_ids_that_were_never_used_and_deaths_are_told():
    old = labelled(["B1"] * 60 + ["B4"] * 60)
    new = labelled([0] * 60 + [1] * 20 + [2] * 20 + [3] * 20)
    match = match_segments(old, new, threshold=0.5, used_ids=["B7"])
    assert match.mapping[0] == "B1"
    assert match.births == ["B8", "B9", "B10"]
    assert match.deaths == ["B4"]
    assert match.splits == {"B4": ["B8", "B9", "B10"]}


def test_r22_a_merge_is_reported_and_customers_without_a_segment_do_not_count():
    old = labelled(["B1"] * 50 + ["B2"] * 50 + ["unknown"] * 20)
    new = labelled([0] * 100 + [-1] * 20)
    match = match_segments(old, new)
    assert match.mapping == {0: "B1"}
    assert match.deaths == ["B2"]
    assert match.merges == {"B1": ["B1", "B2"]}
    assert match.n_common == 100


def test_r22_without_common_customers_everything_is_new():
    match = match_segments(labelled(["B1"] * 9), pd.Series([0, 1], index=["x", "y"]))
    assert match.mapping == {0: "B2", 1: "B3"}
    assert match.deaths == ["B1"]


def test_r22_a_customer_who_stands_twice_is_refused():
    with pytest.raises(FeatureError, match="twice in the new labels: a"):
        match_segments(pd.Series({"a": "B1"}), pd.Series([0, 1], index=["a", "a"]))


def shop(seed: int, n: int = 300) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    kind = np.arange(n) % 3
    frame = pd.DataFrame(
        {
            "recency_days": np.array([5.0, 40.0, 250.0])[kind] * generator.lognormal(0, 0.2, n),
            "orders_total": np.array([30.0, 8.0, 1.0])[kind],
            "spend_total": np.array([2000.0, 300.0, 40.0])[kind] * generator.lognormal(0, 0.2, n),
            "affinity_wine": np.where(kind == 0, 0.8, 0.1) + 0.05 * generator.random(n),
            "affinity_toys": np.where(kind == 1, 0.8, 0.1) + 0.05 * generator.random(n),
        },
        index=[f"c{i:03d}" for i in range(n)],
    )
    prospect = pd.DataFrame({"orders_total": [0.0], "spend_total": [0.0]}, index=["prospect"])
    return pd.concat([frame, prospect])


def segmenter_of(task: str):
    if task == "interest":
        return InterestSegmenter(n_topics=2)
    method = "gmm" if task == "mixture" else "kmeans"
    features = ("recency_days", "orders_total", "spend_total")
    return BehaviouralSegmenter(method, k=3, features=features, n_init=5, n_bootstraps=2)


@pytest.mark.parametrize("task", ["behavioural", "mixture", "interest"])
def test_r22_a_retrained_task_keeps_ids_and_names_and_survives_json(task):
    first = SegmentTask(task, segmenter_of(task)).fit(shop(1))
    scores = first.score(shop(1))
    stem = f"segment_{task}"
    told = ["id", "name", "membership"] + ([] if task == "interest" else ["outlier"])
    assert list(scores.columns) == [f"{stem}_{what}" for what in told]
    assert scores.loc["prospect", f"{stem}_id"] == "unknown"
    assert np.isnan(scores.loc["prospect", f"{stem}_membership"])
    assert scores[f"{stem}_membership"].drop("prospect").dropna().between(0, 1).all()

    again = SegmentTask.from_dict(json.loads(json.dumps(first.to_dict())))
    pd.testing.assert_frame_equal(again.score(shop(1)), scores, check_exact=True)
    assert set(first.feature_names_in_) <= set(shop(1).columns)

    second = SegmentTask(task, segmenter_of(task)).fit(shop(2), previous=again)
    same = second.score(shop(2))[f"{stem}_id"] == scores[f"{stem}_id"]
    assert same.mean() > 0.95
    assert {i.id: i.name for i in second.identities} == {i.id: i.name for i in first.identities}


def test_r22_a_dead_segments_id_is_retired_for_good():
    first = SegmentTask("behavioural", segmenter_of("behavioural")).fit(shop(1))
    fewer = shop(1).drop(index=[c for i, c in enumerate(shop(1).index) if i % 3 == 1])
    two = segmenter_of("behavioural").set_params(k=2)
    second = SegmentTask("behavioural", two).fit(fewer, previous=first)
    third = SegmentTask("behavioural", segmenter_of("behavioural")).fit(shop(3), previous=second)
    assert len(second.retired_ids) == 1
    assert not set(second.retired_ids) & {identity.id for identity in third.identities}


def test_r22_everyone_in_one_segment_lends_its_name_to_no_part_of_the_base():
    one = SegmentTask("behavioural", segmenter_of("behavioural").set_params(k=1)).fit(shop(1))
    assert one.score(shop(1))["segment_behavioural_name"].value_counts().to_dict() == {
        "everyone": 300,
        "unknown": 1,
    }
    three = SegmentTask("behavioural", segmenter_of("behavioural")).fit(shop(1), previous=one)
    assert "everyone" not in {identity.name for identity in three.identities}
    assert [identity.id for identity in three.identities] == ["B2", "B3", "B4"]
    assert three.match_.deaths == ["B1"]


@pytest.mark.parametrize(
    ("language", "word"), [("en", "(mixture)"), ("da", "(blanding)"), ("sv", "(blandning)")]
)
def test_names_of_mixtures_are_told_from_those_of_behavioural_segments(language, word):
    tasks = [SegmentTask(task, segmenter_of(task), language=language) for task in ("behavioural", "mixture")]
    plain, mixed = ({i.name for i in task.fit(shop(1)).identities} for task in tasks)
    assert not plain & mixed
    assert all(name.endswith(f" {word}") for name in mixed)
    stored = tasks[1].to_dict()
    for identity in stored["identities"]:
        identity["name"] = identity["name"].removesuffix(f" {word}")  # as models before this named them
    older = SegmentTask.from_dict(stored)
    again = SegmentTask("mixture", segmenter_of("mixture"), language=language).fit(shop(2), previous=older)
    assert {i.name for i in again.identities} == mixed
