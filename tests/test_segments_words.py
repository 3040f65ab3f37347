"""R21, R66: names, sentences and actions in three languages, typical customers, and the pictures."""

from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from segml import plots
from segml.models.segments.behavioural import BehaviouralSegmenter
from segml.models.segments.languages import PHRASES, SENTENCES, translated
from segml.models.segments.preparation import FeatureError
from segml.models.segments.profiles import profile_segments, typical_customers
from segml.models.segments.segment_actions import CATALOGUE, suggest_actions
from segml.models.segments.segment_map import segment_map_frame
from segml.models.segments.segment_names import SPOKEN_WORDS
from segml.models.segments.segment_sentences import describe_segment, name_segments
from segml.models.segments.task import SegmentTask


def base(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.array([0] * 200 + [1] * 100 + [2] * 60)
    frame = pd.DataFrame(
        {
            "recency_days": np.array([200.0, 9.0, 90.0])[labels] * generator.lognormal(0, 0.3, 360),
            "orders_total": np.where(labels == 0, 1.0, generator.poisson(9, 360) + 2),
            "spend_total": np.array([50.0, 900.0, 200.0])[labels] * generator.lognormal(0, 0.2, 360),
        },
        index=[f"c{i:03d}" for i in range(360)],
    )
    return frame, labels


def test_r66_every_word_of_a_name_has_a_danish_and_a_swedish_one():
    spoken = {word for words in SPOKEN_WORDS for word in (words.high, words.low) if word}
    assert not sorted(spoken - set(PHRASES))
    assert all(len(table) == 2 and all(table) for table in PHRASES.values())
    assert SENTENCES["en"].keys() == SENTENCES["da"].keys() == SENTENCES["sv"].keys()
    assert all(set(action.sentence) == {"en", "da", "sv"} for action in CATALOGUE)


def test_r66_danish_and_swedish_are_written_with_their_own_letters():
    danish = " ".join([pair[0] for pair in PHRASES.values()] + [a.sentence["da"] for a in CATALOGUE])
    swedish = " ".join([pair[1] for pair in PHRASES.values()] + [a.sentence["sv"] for a in CATALOGUE])
    assert set("æøå") <= set(danish)
    assert not set("äö") & set(danish)
    assert set("åäö") <= set(swedish)
    assert not set("æø") & set(swedish)


def test_r66_the_same_segments_are_named_in_each_language():
    frame, labels = base()
    profile = profile_segments(frame, labels)
    assert name_segments(profile, "da")[0] == "lavværdiengangskøbere, længe tavse"
    assert name_segments(profile, "sv")[0] == "lågvärdesengångsköpare, länge tysta"
    sentence = describe_segment(profile, 1, "x", "sv").replace("\u00a0", " ")
    assert sentence.startswith("x: 100 kunder (28 % av basen) med ")
    assert "högre än hos de övriga" in sentence
    with pytest.raises(FeatureError, match="no language 'de'"):
        name_segments(profile, "de")


def test_r66_a_champion_in_another_language_is_renamed_and_keeps_its_ids():
    frame, _ = base()
    settings = {"k": 3, "n_init": 10, "n_bootstraps": 2}
    english = SegmentTask("behavioural", BehaviouralSegmenter(**settings)).fit(frame)
    danish = SegmentTask("behavioural", BehaviouralSegmenter(**settings), language="da")
    danish.fit(frame, previous=SegmentTask.from_dict(english.to_dict()))
    assert [i.id for i in danish.identities] == [i.id for i in english.identities]
    assert all("kunder" in i.name or "købere" in i.name for i in danish.identities)
    assert SegmentTask.from_dict(danish.to_dict()).language == "da"
    assert translated("frequent", "en") == "frequent"


def test_r27_the_best_are_thanked_and_discounts_are_suggested_to_nobody():
    frame, labels = base()
    actions = suggest_actions(profile_segments(frame, labels)).set_index("segment")["action"]
    assert actions.to_dict()[1] == "thank"
    assert actions.to_dict()[0] == "ask_once"
    assert not [a for a in CATALOGUE if "discount" in a.sentence["en"] and "no discount" not in a.sentence["en"]
                and "smaller" not in a.sentence["en"]]  # fmt: skip
    suppressed = suggest_actions(profile_segments(frame.iloc[:5], labels[:5]))
    assert suppressed["action"].tolist() == [""]


def test_r21_a_word_about_money_that_the_money_contradicts_is_not_used():
    many = pd.DataFrame({"spend_90d": [100.0] * 50 + [0.0] * 50, "spend_total": [100.0] * 50 + [900.0] * 50})
    profile = profile_segments(many, np.repeat([0, 1], 50))
    named = name_segments(profile)
    assert "high-value" not in named[0]
    assert "low-value" not in named[1]


def test_typical_customers_are_the_nearest_and_small_groups_show_none():
    frame, _ = base()
    segmenter = BehaviouralSegmenter(k=3, n_init=10, n_bootstraps=2).fit(frame)
    distances = segmenter.transform(frame)
    typical = typical_customers(frame, segmenter.labels_, distances, 2)
    for label, rows in typical.groupby("segment"):
        own = distances[segmenter.labels_ == label, label]
        np.testing.assert_allclose(rows["distance"], np.sort(own)[:2])
    few = np.where(np.arange(360) < 9, 1, 0)
    assert set(typical_customers(frame, few, distances)["segment"]) == {0}


def test_every_picture_takes_axes_and_gives_them_back():
    frame, labels = base()
    segmenter = BehaviouralSegmenter(k=3, n_init=10, n_bootstraps=2).fit(frame)
    profile = profile_segments(frame, labels)
    flows = plots.migration_frame(
        pd.Series(labels, frame.index).map({0: "a", 1: "b", 2: "c"}),
        pd.Series(np.roll(labels, 30), frame.index).map({0: "a", 1: "b", 2: "c"}).iloc[:300],
    )
    figure, axes = plt.subplots(2, 2)
    assert plots.plot_snake(profile, {0: "one-timers"}, ax=axes[0, 0]) is axes[0, 0]
    assert len(axes[0, 0].get_legend().get_texts()) == 3
    map_frame = segment_map_frame(segmenter, frame)
    assert plots.plot_segment_map(map_frame, ax=axes[0, 1]) is axes[0, 1]
    assert "of the differences" in axes[0, 1].get_xlabel()
    assert plots.plot_migration(flows, ax=axes[1, 0]) is axes[1, 0]
    told = " ".join(text.get_text() for text in axes[1, 0].texts)
    assert "(left)" in told
    assert "56%" in told  # 200 of 360 were in a
    selection = pd.DataFrame(
        {"k": [3, 4], "stability_median": [0.9, 0.5], "stability_low": [0.8, 0.3], "bic": [2.0, 1.0],
         "silhouette": [0.4, 0.3], "eligible": [True, False], "chosen": [True, False]}
    )  # fmt: skip
    plots.plot_k_selection(selection, ax=axes[1, 1])
    named = [text.get_text() for text in axes[1, 1].get_legend().get_texts()]
    assert {"silhouette", "BIC (turned round)", "chosen"} <= set(named)
    figure.canvas.draw()
    plt.close(figure)


def test_the_map_is_the_same_whatever_the_row_order():
    frame, _ = base()
    segmenter = BehaviouralSegmenter(k=3, n_init=10, n_bootstraps=2).fit(frame)
    one, other = (segment_map_frame(segmenter, f) for f in (frame, frame.iloc[::-1]))
    pd.testing.assert_frame_equal(one, other)


def test_help_with_a_first_purchase_is_offered_to_no_buyer():
    # Every segment holds people who have bought
    said = {language: sentence for action in CATALOGUE for language, sentence in action.sentence.items()}
    assert set(said) == {"en", "da", "sv"}
    for action in CATALOGUE:
        for sentence in action.sentence.values():
            assert not re.search("first purchase|første køb|första köp", sentence), sentence
    frame = pd.DataFrame({"orders_total": [1.0] * 20 + [9.0] * 20, "recency_days": [5.0] * 40})
    actions = suggest_actions(profile_segments(frame, [0] * 20 + [1] * 20)).set_index("segment")
    assert actions.loc[0, "action"] == "second_purchase"
    assert "second purchase" in actions.loc[0, "suggestion"]
