"""Pictures of uplift draw what the frames hold."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from segml.errors import DataError
from segml.evaluation.plots_uplift import plot_ladder, plot_qini, plot_uplift_deciles
from segml.evaluation.uplift_metrics import qini_curve_frame, uplift_decile_frame
from segml.models.uplift.choice import selection_frame


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def campaign() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x, t = rng.random(3000), rng.integers(0, 2, 3000)
    return (rng.random(3000) < 0.1 + 0.2 * x * t).astype(float), t, x


def test_qini_draws_a_line_a_score_that_ends_at_the_lift(campaign):
    y, t, x = campaign
    _, ax = plt.subplots()
    assert plot_qini(qini_curve_frame(y, t, {"trait": x, "opposite": -x}), ax) is ax
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0] == "at random"
    assert labels[1].startswith("trait: Qini 0.")
    lift = 100 * (y[t == 1].mean() - y[t == 0].mean())
    assert ax.lines[1].get_ydata()[-1] == pytest.approx(lift)


def test_deciles_draw_a_bar_each_with_its_interval(campaign):
    ax = plot_uplift_deciles(uplift_decile_frame(*campaign))
    assert len(ax.patches) == 10
    assert "3,000 customers" in ax.get_title(loc="left")
    assert (
        plot_uplift_deciles(uplift_decile_frame(*campaign), percent=False).get_ylabel()
        == "uplift per customer"
    )


def test_the_ladder_names_every_rung_simplest_on_top():
    rng = np.random.default_rng(0)
    ax = plot_ladder(selection_frame({name: rng.normal(size=50) for name in ("same_for_all", "propensity")}))
    places = dict(zip([t.get_text() for t in ax.get_yticklabels()], ax.get_yticks(), strict=True))
    assert places["same for all"] > places["propensity"]


def test_a_frame_of_something_else_is_refused_by_column(campaign):
    with pytest.raises(DataError, match="'gain'"):
        plot_qini(uplift_decile_frame(*campaign))
