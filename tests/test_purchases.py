"""Frames and pictures of buying over time."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from segml import plots
from segml.errors import DataError
from segml.models.btyd import ModifiedBetaGeoNBD

MODEL = ModifiedBetaGeoNBD.from_params({"r": 0.5248, "alpha": 6.1831, "a": 0.8914, "b": 1.6140}, "weeks")


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    plt.close("all")


def waits(rate: float, people: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    wait, seen = rng.exponential(1 / rate, people), rng.uniform(20, 200, people)
    return np.minimum(wait, seen), wait <= seen


def test_return_curve_recovers_the_planted_one_under_censoring():
    frame = plots.return_curve_frame(*waits(0.01), until=150)
    truth = 1 - np.exp(-0.01 * frame["day"])
    assert np.abs(frame["share"] - truth).max() < 0.03
    inside = (frame["low"] <= truth) & (truth <= frame["high"])
    assert inside.mean() > 0.8
    assert (frame["low"] <= frame["share"]).all()
    assert (frame["share"] <= frame["high"]).all()


def test_leaving_out_the_silent_would_say_twice_as_much():
    days, returned = waits(0.005)
    frame = plots.return_curve_frame(days, returned)
    completed_only = (days[returned] <= 60).mean()
    at_60 = float(np.interp(60, frame["day"], frame["share"]))
    assert at_60 == pytest.approx(1 - np.exp(-0.3), abs=0.02)
    assert completed_only > 2 * at_60


def test_tracking_counts_orders_and_adds_up_expectations():
    first = np.array([0.0, 0.0, 2.0])
    frame = plots.tracking_frame(
        MODEL.expected_new_customer_purchases, first, [1.5, 3.0, 3.5], 6, fitted_until=4
    )
    assert frame["actual"].tolist() == [0, 0, 1, 2, 3, 3, 3]
    at_six = 2 * MODEL.expected_new_customer_purchases(6.0) + MODEL.expected_new_customer_purchases(4.0)
    assert frame["expected"].iloc[-1] == pytest.approx(at_six, rel=1e-12)
    assert frame["fitted"].sum() == 5
    ax = plots.plot_tracking(frame)
    assert "foretold, 0 came" not in ax.get_title(loc="left")


def test_matrix_says_that_frequent_buyers_are_gone_sooner():
    frame = plots.frequency_recency_frame(MODEL.probability_alive, age=52.0, most_orders=10)
    matrix = frame[frame["repeat_orders"] > 0].pivot_table(
        index="silence", columns="repeat_orders", values="value"
    )
    long_silent = matrix.loc[matrix.index > 30].to_numpy()
    assert (np.diff(long_silent, axis=1) < 0).all()
    assert (np.diff(matrix.to_numpy(), axis=0) < 0).all()
    assert len(plots.plot_frequency_recency(frame).figure.axes) == 2


def test_coverage_is_counted_for_everyone_and_by_group_and_skips_the_unscored():
    rng = np.random.default_rng(1)
    y = rng.normal(size=5000)
    group = np.where(y > 0, "high", "low")
    low, high = np.full(5000, -1.645), np.full(5000, 1.645)
    low[0] = np.nan
    frame = plots.interval_coverage_frame(y, low, high, group).set_index("group")
    assert frame.loc["everyone", "customers"] == 4999
    assert frame.loc["everyone", "coverage"] == pytest.approx(0.9, abs=0.015)
    assert frame.loc["high", "below"] == 0
    assert frame.loc["everyone", "coverage_low"] < 0.9 < frame.loc["everyone", "coverage_high"]


def test_every_picture_draws_on_the_axes_it_is_given_and_refuses_a_crowd():
    rng = np.random.default_rng(2)
    groups = rng.choice(["a", "b"], 2000)
    value = rng.gamma(1.0, 50.0, 2000)
    frames = {
        plots.plot_return_curve: plots.return_curve_frame(*waits(0.01, 2000), groups),
        plots.plot_value_deciles_by_group: plots.value_decile_by_group_frame(value * 1.1, value, groups),
    }
    for plot, frame in frames.items():
        _, ax = plt.subplots()
        assert plot(frame, ax) is ax
        labels = [text.get_text() for text in ax.get_legend().get_texts()]
        assert any(label.startswith("b (") for label in labels)
        crowd = pd.concat([frame.assign(group=f"g{i}") for i in range(7)])
        with pytest.raises(DataError, match="7 groups in one picture"):
            plot(crowd)


def test_bad_days_are_refused():
    with pytest.raises(DataError, match="differ in length"):
        plots.return_curve_frame([1.0], [True, False])
    with pytest.raises(DataError, match="zero or more"):
        plots.return_curve_frame([-1.0], [True])
