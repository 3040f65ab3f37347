"""Pictures of surveys draw what the frames hold, on the axes they are given, and change no global style."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from segml.evaluation.plots_surveys import plot_battery_profile, plot_factor_loadings, plot_style_share

PROFILE = pd.DataFrame(
    {
        "segment": np.repeat([0, 1, 2], 3),
        "kind": "item",
        "feature": ["rock", "pop", "folk"] * 3,
        "share": np.repeat([0.6, 0.39, np.nan], 3),
        "effect": [0.9, -0.8, 0.1, -0.9, 0.8, -0.1, np.nan, np.nan, np.nan],
        "suppressed": np.repeat([False, False, True], 3),
    }
)
SHARES = pd.DataFrame(
    {
        "answers": ["as given", "style taken out"] * 2,
        "k": [3, 3, 4, 4],
        "explained_share": [0.3, 0.02, 0.4, 0.03],
    }
)
LOADINGS = pd.DataFrame(
    {"factor_1": [0.8, -0.7, 0.1], "factor_2": [0.0, 0.1, 0.9]}, index=["rock", "pop", "folk"]
)


@pytest.fixture(autouse=True)
def no_figures_left():
    before = dict(mpl.rcParams)
    yield
    plt.close("all")
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("plot", "frame"),
    [(plot_battery_profile, PROFILE), (plot_style_share, SHARES), (plot_factor_loadings, LOADINGS)],
)
def test_plots_draw_on_the_axes_given(plot, frame):
    _, ax = plt.subplots()
    copy = frame.copy()
    assert plot(frame, ax=ax) is ax
    pd.testing.assert_frame_equal(frame, copy)


def test_the_snake_has_one_line_a_segment_and_hides_small_ones():
    ax = plot_battery_profile(PROFILE, ["rock", "pop"], {0: "rockers"})
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["rockers (60%)", "segment 1 (39%)"]
    assert {t.get_text() for t in ax.get_yticklabels()} == {"rock", "pop"}


def test_the_share_of_style_is_written_on_its_bars():
    assert {"30%", "2%", "40%", "3%"} <= {text.get_text() for text in plot_style_share(SHARES).texts}


def test_items_stand_with_their_factor():
    ax = plot_factor_loadings(LOADINGS, ["rock / pop", "folk"])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["rock", "pop", "folk"]
