"""R21, R57: profiles say what sets a segment apart, in figures with intervals, in words, and never for a handful."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from segml.evaluation.plots_segments import (
    plot_k_selection,
    plot_membership_certainty,
    plot_profile_heatmap,
    plot_segment_sizes,
)
from segml.models.segments.preparation import FeatureError
from segml.models.segments.profiles import profile_segments
from segml.models.segments.segment_sentences import describe_segment, name_segments


def base(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.array([0] * 200 + [1] * 100 + [2] * 5)
    frame = pd.DataFrame(
        {
            "orders_total": np.where(labels == 0, 1.0, generator.poisson(9, 305) + 2),
            "recency_days": np.where(labels == 0, 200.0, 9.0) * generator.lognormal(0, 0.3, 305),
            "weekend_share": generator.random(305),
            "spend_total": np.where(labels == 1, 300.0, 100.0),
        }
    )
    return frame, labels


def test_r21_the_difference_is_standardised_against_the_others():
    frame, labels = base()
    profile = profile_segments(frame[["weekend_share"]], labels)
    inside = labels == 1
    values = frame["weekend_share"]
    expected = (values[inside].mean() - values[~inside].mean()) / values.std()
    half = 1.959964 * np.sqrt(values[inside].var() / 100 + values[~inside].var() / 205) / values.std()
    row = profile[profile["segment"] == 1].iloc[0]
    np.testing.assert_allclose(
        row[["effect", "effect_low", "effect_high"]].astype(float),
        [expected, expected - half, expected + half],
    )


def test_r57_a_group_under_ten_shows_no_figure_and_no_words():
    frame, labels = base()
    profile = profile_segments(frame, labels)
    hidden = profile[profile["segment"] == 2]
    assert hidden["suppressed"].all()
    figures = ["size", "share", "spend_total", "spend_share", "spend_mean", "median", "effect", "effect_low"]
    assert hidden[figures].isna().all().all()
    assert "fewer than 10" in describe_segment(profile, 2)


def test_r21_sizes_and_spend_are_those_of_the_segment():
    frame, labels = base()
    row = profile_segments(frame, labels).drop_duplicates("segment").set_index("segment").loc[1]
    assert row["size"] == 100
    assert row["spend_total"] == 30_000.0
    assert row["spend_share"] == pytest.approx(30_000 / (30_000 + 205 * 100))


def test_r21_names_are_words_and_unique():
    frame, labels = base()
    names = name_segments(profile_segments(frame, labels))
    assert names[0] == "low-value one-time buyers, silent long"
    assert names[1].endswith("shoppers") or "shoppers," in names[1]
    twins = profile_segments(
        pd.DataFrame({"weekend_share": np.tile([0.1, 0.9], 60)}), np.repeat([0, 1, 2], 40)
    )
    assert len(set(name_segments(twins).values())) == 3


def test_labels_of_other_customers_are_refused():
    frame, labels = base()
    with pytest.raises(FeatureError, match="4 labels for 305 customers"):
        profile_segments(frame, labels[:4])
    with pytest.raises(FeatureError, match="exactly one label"):
        profile_segments(frame, pd.Series(labels[:-1]))


def test_the_plots_draw_every_segment_on_the_axes_they_are_given():
    frame, labels = base()
    profile = profile_segments(frame, labels)
    selection = pd.DataFrame(
        {
            "k": [3, 4],
            "stability_median": [0.9, 0.5],
            "stability_low": [0.8, 0.3],
            "eligible": [True, False],
            "chosen": [True, False],
        }
    )
    figure, axes = plt.subplots(2, 2)
    assert plot_k_selection(selection, ax=axes[0, 0]) is axes[0, 0]
    heat = plot_profile_heatmap(profile, {0: "one-timers", 1: "regulars"}, ax=axes[0, 1])
    assert [text.get_text() for text in heat.get_xticklabels()] == ["one-timers\n66%", "regulars\n33%"]
    sizes = plot_segment_sizes(profile, ax=axes[1, 0])
    assert len(sizes.patches) == 6
    assert "under 10 customers" in [text.get_text() for text in sizes.texts]
    certainty = plot_membership_certainty(np.array([0.5, 0.9, 0.95, np.nan]), ax=axes[1, 1])
    assert certainty.get_title().startswith("33.3%")
    plt.close(figure)
