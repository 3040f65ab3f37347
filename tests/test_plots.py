"""Pictures draw what the frames hold, on the axes they are given."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from segml.errors import DataError
from segml.evaluation.calibration import gains_frame, reliability_frame, value_decile_frame
from segml.evaluation.plots import plot_gains, plot_reason_summary, plot_reliability, plot_value_deciles
from segml.models.reasons import reason_summary_frame


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    p = rng.beta(1, 6, 2000)
    return (rng.random(2000) < p).astype(float), p


def test_reliability_draws_a_point_a_bin_and_the_diagonal(scored):
    ax = plot_reliability(reliability_frame(*scored))
    points = ax.containers[0].lines[0].get_xydata()
    assert len(points) == 10
    assert "2,000 customers" in ax.get_title(loc="left")


def test_gains_draws_a_line_a_score_and_names_the_top_tenth(scored):
    y, p = scored
    _, ax = plt.subplots()
    assert plot_gains(gains_frame(y, {"model": p, "rule": np.round(p, 1)}), ax) is ax
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0] == "at random"
    assert labels[1].startswith("model: ")


def test_value_deciles_draws_two_bars_a_decile(scored):
    y, p = scored
    ax = plot_value_deciles(value_decile_frame(y * 50, p * 50))
    assert len(ax.patches) == 20


def test_reason_summary_shows_the_largest_on_top_and_refuses_two_groups():
    parts = pd.DataFrame({"recency_days": [1.0, -1.0], "age_days": [0.2, 0.2], "base_value": [0.0, 0.0]})
    ax = plot_reason_summary(reason_summary_frame(parts))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["age days", "recency days"]
    two = reason_summary_frame(parts, pd.Series(["a", "b"]))
    with pytest.raises(DataError, match="one group a picture, got 2"):
        plot_reason_summary(two)


def test_drawing_changes_no_global_style(scored):
    before = dict(mpl.rcParams)
    plot_reliability(reliability_frame(*scored))
    assert dict(mpl.rcParams) == before


def test_a_wrong_or_empty_frame_is_refused_by_column(scored):
    frame = reliability_frame(*scored)
    with pytest.raises(DataError, match=r"'predicted'.*did you mean 'predictd'"):
        plot_reliability(frame.rename(columns={"predicted": "predictd"}))
    with pytest.raises(DataError, match="no rows"):
        plot_reliability(frame.iloc[:0])
