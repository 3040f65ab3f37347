"""New segments take over only when the champion's no longer describe the base, or for a stated reason."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from segml.config.models import SegmentSettings
from segml.evaluation.plots_segment_flows import plot_segment_map
from segml.models.segments.behavioural import BehaviouralSegmenter
from segml.models.segments.continuity import SegmentFit, compare_segments, explained_share
from segml.models.segments.declared import DeclaredSegments
from segml.models.segments.interests import InterestSegmenter
from segml.models.segments.response_style import Battery, Questionnaire
from segml.models.segments.task import SegmentTask
from segml.pipelines.segment_gate import Candidate, judge_segments
from segml.registry.registered import RegisteredModel
from segml.report.messages import Messages
from segml.time_windows import Cutoff

DAY, SETTINGS = Cutoff.parse("2024-06-01"), SegmentSettings()
MADE = {"language": "en", "segments": {"smallest_k": 3}}


def champion(cutoff: str = "2024-05-01", contract: str = "c", made: Any = MADE) -> RegisteredModel:
    metadata = {} if made is None else {"made_with": made}
    return RegisteredModel(
        "segml.shop.interest", 1, "interest", cutoff, "f", contract, ("a",), metadata, None
    )


def candidate(**changes: Any) -> Candidate:
    known = {"stable": True, "reason": "5 interests.", "contract": "c", "made_with": MADE}
    return Candidate(**{**known, **changes})


def judged(
    one: Candidate, against: RegisteredModel | None, fit: SegmentFit | None = None
) -> tuple[bool, str]:
    def compare() -> SegmentFit:
        assert fit is not None, "nothing had to be compared"
        return fit

    decision = judge_segments(one, against, DAY, SETTINGS, compare)
    return decision.promoted, " ".join(decision.reasons)


def test_segments_that_still_describe_the_base_stay_with_the_figures():
    promoted, why = judged(candidate(), champion(), SegmentFit(0.44, 0.46, 900))
    assert not promoted
    assert "the champion's segments stay, with their names: of the differences between 900 customers" in why
    assert "segml.shop.interest/1@2024-05-01 hold 44.0%, new ones 46.0%" in why
    assert "below 90% of that, or on 2025-05-01" in why


def test_segments_that_describe_the_base_no_more_are_replaced_with_the_figures():
    promoted, why = judged(candidate(), champion(), SegmentFit(0.20, 0.46, 900))
    assert promoted
    assert "no longer fit" in why
    assert "hold 20.0%, new ones 46.0%" in why


@pytest.mark.parametrize(
    ("one", "against", "why"),
    [
        (candidate(), None, "5 interests"),
        (candidate(lost=("affinity_wine",)), champion(), "it reads affinity_wine, which are not here"),
        (candidate(), champion(contract="old"), "computed otherwise"),
        (candidate(made_with=MADE | {"language": "da"}), champion(), r"other settings \(language\)"),
        (candidate(), champion("2023-06-01"), "it is 366 days old, and segments are renewed after 365"),
    ],
)
def test_a_stated_reason_replaces_the_champion_whatever_it_holds(one, against, why):
    promoted, told = judged(one, against)
    assert promoted
    assert pd.Series([told]).str.contains(why).all(), told


@pytest.mark.parametrize("language", ["da", "sv"])
def test_r66_every_verdict_has_its_danish_and_swedish_form(language):
    verdicts = [
        judged(candidate(), champion(), SegmentFit(0.44, 0.46, 1_900)),
        judged(candidate(), champion(), SegmentFit(0.20, 0.46, 1_900)),
        judged(candidate(), champion(), SegmentFit(0.0, 0.0, 0)),
        judged(candidate(lost=("affinity_wine",)), champion()),
        judged(candidate(), champion(contract="old")),
        judged(candidate(made_with=MADE | {"language": "da"}), champion()),
        judged(candidate(), champion("2023-06-01")),
    ]
    for _, why in verdicts:
        sentence = why.replace("5 interests.", "").strip()
        said = Messages(language).remark(sentence)
        assert said != sentence
        assert not {"the", "new", "segments", "champion", "settings", "days"} & set(
            re.findall(r"[a-z]+", said)
        )


def test_unstable_segments_replace_nothing():
    assert judged(candidate(stable=False, reason="No stable interests."), champion("2020-01-01")) == (
        False,
        "No stable interests.",
    )


def test_a_champion_that_nobody_can_be_held_against_is_replaced():
    promoted, why = judged(candidate(), champion(made=None), SegmentFit(0.0, 0.0, 0))
    assert promoted
    assert "nobody has a segment in both" in why


def test_the_explained_share_is_that_of_the_sums_of_squares():
    rng = np.random.default_rng(1)
    rows, labels = rng.normal(size=(300, 4)), rng.integers(0, 5, 300)
    rows += labels[:, None]
    centred = rows - rows.mean(axis=0)
    within = sum(np.square(rows[labels == k] - rows[labels == k].mean(axis=0)).sum() for k in range(5))
    assert explained_share(rows, labels) == pytest.approx(1 - within / np.square(centred).sum())
    assert explained_share(np.ones((3, 2)), ["a", "b", "a"]) == 0.0


def test_customers_without_a_segment_are_not_compared():
    rows = np.array([[0.0], [1.0], [9.0], [10.0], [np.nan]])
    before = pd.Series(["B1", "B1", "B2", "unknown", "B2"])
    now = pd.Series(["B1", "B1", "B2", "B2", "B2"])
    assert compare_segments(rows, before, now, "unknown").customers == 3
    assert compare_segments(rows, before.where(before == "", "unknown"), now, "unknown").customers == 0


def shop(seed: int, shift: float = 0.0) -> pd.DataFrame:
    """Three kinds of customers; `shift` moves what two of the kinds are like."""
    rng, n = np.random.default_rng(seed), 300
    kind = np.arange(n) % 3
    recency = np.array([5.0, 40.0, 250.0])[(kind + (kind > 0) * int(shift)) % 3]
    wine = np.where(kind == 0, 0.8, 0.1) + 0.05 * rng.random(n)
    toys = np.where(kind == 1, 0.8, 0.1) + 0.05 * rng.random(n)
    return pd.DataFrame(
        {
            "recency_days": recency * rng.lognormal(shift, 0.2, n),
            "orders_total": np.array([30.0, 8.0, 3.0])[kind] * np.exp(shift),
            "spend_total": np.array([2000.0, 300.0, 40.0])[kind] * rng.lognormal(shift, 0.2, n),
            "affinity_wine": wine,
            "affinity_toys": toys,
            "affinity_books": 1.0 - np.minimum(wine + toys, 1.0),
        },
        index=[f"c{i:03d}" for i in range(n)],
    )


def behavioural() -> SegmentTask:
    features = ("recency_days", "orders_total", "spend_total")
    return SegmentTask("behavioural", BehaviouralSegmenter(k=3, features=features, n_init=5, n_bootstraps=2))


@pytest.mark.parametrize(
    "task", [behavioural, lambda: SegmentTask("interest", InterestSegmenter(n_topics=2))]
)
def test_r22_another_sample_of_the_same_base_keeps_the_champion_and_another_base_does_not(task):
    old = task().fit(shop(1))
    new = task().fit(shop(2), previous=old)
    same = new.compared_with(old, shop(2))
    assert same.customers == 300
    assert same.kept > 0.97
    scattered = shop(3)
    scattered[:] = np.random.default_rng(0).permuted(scattered.to_numpy(), axis=0)
    other = task().fit(scattered)
    assert new.compared_with(other, shop(2)).kept <= same.kept


def test_r22_a_base_that_has_moved_is_not_described_any_more():
    old = behavioural().fit(shop(1))
    moved = behavioural().fit(shop(2, shift=3.0), previous=old)
    assert moved.compared_with(old, shop(2, shift=3.0)).kept < 0.9


def test_r22_the_number_of_interests_stays_while_it_comes_back():
    rng, pairs = np.random.default_rng(0), np.eye(8)[::2] + 0.8 * np.eye(8)[1::2]
    kinds = np.repeat(pairs, [500, 400, 220, 80], axis=0) + 0.05 * rng.random((1_200, 8))
    names = [f"affinity_{name}" for name in "abcdefgh"]
    base = pd.DataFrame(kinds, columns=names).assign(orders_total=5.0, recency_days=3.0)
    free = InterestSegmenter().fit(base)
    preferred = InterestSegmenter(preferred_topics=3).fit(base)
    assert (free.n_topics_, preferred.n_topics_) == (4, 3)
    assert preferred.stable_
    assert InterestSegmenter(preferred_topics=7).fit(base).n_topics_ == 4  # those do not come back
    task = SegmentTask("interest", InterestSegmenter())
    task.fit(base, previous=SegmentTask("interest", InterestSegmenter(n_topics=3)).fit(base))
    assert task.segmenter.n_topics_ == 3


def test_r98_segments_of_a_past_day_take_no_id_of_a_later_champion():
    first = behavioural().fit(shop(1), reserved={"B1", "B7"})
    assert [identity.id for identity in first.identities] == ["B8", "B9", "B10"]
    assert first.retired_ids == ["B1", "B7"]


def test_r22_declared_segments_of_another_sample_keep_the_champions():
    """Two tastes, answered by two samples of people; unanswered items count as average."""
    music = ("rock", "metal", "opera", "ballet")
    asked = Questionnaire(1, 5, (Battery("music", music),))

    def answers(seed: int) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        taste = np.repeat([[5, 4, 1, 2], [1, 2, 5, 4]], 60, axis=0) + rng.integers(-1, 2, (120, 4))
        told = pd.DataFrame(taste.clip(1, 5), columns=list(music), index=[f"c{i:03d}" for i in range(120)])
        return told.astype(float).mask(rng.random(told.shape) < 0.05)

    old = DeclaredSegments(asked, k=2, n_bootstraps=4).fit(answers(1), reserved={"D1"})
    assert "D1" not in {identity.id for identity in old.identities}
    new = DeclaredSegments(asked, k=2, n_bootstraps=4).fit(answers(2), old)
    fit = new.compared_with(old, answers(2))
    assert fit.customers > 100
    assert fit.kept > 0.95


def test_a_map_is_drawn_of_segments_that_hold_outliers_alone():
    told = [
        ("customer", 0, 0.9),
        ("customer", 0, 0.8),
        ("outlier", 1, 0.9),
        ("centre", 0, 1.0),
        ("centre", 1, 1.0),
    ]
    frame = pd.DataFrame(told, columns=["kind", "segment", "membership"]).assign(x=range(5), y=range(5))
    axes = plot_segment_map(frame, {0: "regulars", 1: "rare"})
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["regulars", "rare", "outliers"]
