"""Money and backtests: the closed form is the integral, the hull is the best threshold, rows are customers."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta

from segml.errors import ConfigurationError, DataError
from segml.evaluation.backtest import Fold, backtest_differences, backtest_frame, rolling_origin
from segml.evaluation.plots_profit import plot_backtest, plot_differences, plot_profit
from segml.evaluation.profit import (
    RetentionOffer,
    expected_maximum_profit,
    maximum_profit,
    profit_frame,
    roc_hull,
)


def drawn(seed: int, n: int = 400, rate: float = 0.2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < rate).astype(float)
    y[:2] = [0.0, 1.0]
    return y, np.round(rng.normal(y * 1.2, 1.0), 1)  # rounded: with ties


def tried_thresholds(
    y: np.ndarray, s: np.ndarray, offer: RetentionOffer, acceptance: float
) -> list[tuple[float, float]]:
    """Profit and share of every threshold."""
    tried = [(0.0, 0.0)]
    for threshold in np.unique(s):
        sent = s >= threshold
        left, stayed = (y[sent] == 1).sum(), (y[sent] == 0).sum()
        gain = acceptance * (offer.customer_value - offer.offer_cost) - offer.contact_cost
        profit = left * gain - stayed * (offer.offer_cost + offer.contact_cost)
        tried.append((profit / len(y), sent.mean()))
    return tried


def best_by_search(
    y: np.ndarray, s: np.ndarray, offer: RetentionOffer, acceptance: float
) -> tuple[float, float]:
    """Profit and share of the best threshold, by trying each."""
    return max(tried_thresholds(y, s, offer, acceptance))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "offer", [RetentionOffer(), RetentionOffer(60, 15, 2, 2, 9), RetentionOffer(900, 5, 0.5, 20, 3)]
)
def test_the_expected_maximum_profit_is_the_integral_of_the_best_threshold(seed, offer):
    y, s = drawn(seed)
    found = expected_maximum_profit(y, s, offer)
    caught, disturbed = roc_hull(y, s)
    at = y.mean() * caught + (1 - y.mean()) * disturbed

    def best(rate: float) -> tuple[float, float]:
        gain = rate * (offer.customer_value - offer.offer_cost) - offer.contact_cost
        waste = offer.offer_cost + offer.contact_cost
        profit = y.mean() * caught * gain - (1 - y.mean()) * disturbed * waste
        return float(profit.max()), float(at[profit.argmax()])

    density = beta(offer.acceptance_alpha, offer.acceptance_beta).pdf
    rates = np.linspace(0, 1, 40_001)
    values = np.array([best(rate) for rate in rates]) * density(rates)[:, None]
    profit, share = np.trapezoid(values, rates, axis=0)
    assert found.per_customer == pytest.approx(profit, rel=1e-5, abs=1e-7)
    assert found.share_contacted == pytest.approx(share, abs=2e-4)
    exact, _ = quad(lambda rate: best(rate)[0] * density(rate), 0, 1, limit=400)
    assert found.per_customer == pytest.approx(exact, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
@example(seed=316, acceptance=0.7)  # two thresholds earn the same
def test_the_maximum_profit_is_that_of_the_best_threshold_tried(seed, acceptance):
    y, s = drawn(seed, n=60)
    offer = RetentionOffer()
    tried = tried_thresholds(y, s, offer, acceptance)
    found = maximum_profit(y, s, offer, acceptance)
    assert found.per_customer == pytest.approx(max(tried)[0], abs=1e-9)
    best = [share for profit, share in tried if profit == pytest.approx(max(tried)[0], abs=1e-9)]
    assert np.isclose(best, found.share_contacted).any()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_profit_sees_only_the_order_of_scores_and_scales_with_the_currency(seed):
    y, s = drawn(seed, n=80)
    one = expected_maximum_profit(y, s)
    again = expected_maximum_profit(y[::-1], np.exp(s[::-1]))
    pounds = expected_maximum_profit(y, s, RetentionOffer(2000, 100, 10))
    assert again.per_customer == pytest.approx(one.per_customer)
    assert pounds.per_customer == pytest.approx(10 * one.per_customer)
    assert pounds.share_contacted == pytest.approx(one.share_contacted)


def test_a_better_ranking_earns_more_and_a_useless_one_earns_what_contacting_all_or_none_does():
    y, s = drawn(1, n=2_000)
    perfect, useless = expected_maximum_profit(y, y), expected_maximum_profit(y, np.zeros(len(y)))
    assert perfect.per_customer > expected_maximum_profit(y, s).per_customer > useless.per_customer >= 0
    assert perfect.share_contacted == pytest.approx(y.mean(), abs=1e-3)


def test_the_profit_curve_peaks_where_the_maximum_profit_is():
    y, s = drawn(2, n=1_000)
    offer = RetentionOffer()
    curve = profit_frame(y, {"model": s}, offer, points=1_000)
    best = curve.loc[curve["profit"].idxmax()]
    found = maximum_profit(y, s, offer)
    assert best["profit"] / len(y) == pytest.approx(found.per_customer, rel=1e-6)
    assert best["contacted"] == pytest.approx(found.share_contacted, abs=1e-3)


def test_each_customers_own_value_is_what_is_saved():
    curve = profit_frame(
        [1, 1], {"model": [2.0, 1.0]}, RetentionOffer(contact_cost=0), value=[1_010.0, 10.0], points=2
    )
    assert curve["profit"].round(6).tolist() == [0.0, 300.0, 300.0]


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        ({"offer_cost": 200.0}, "can't pay"),
        ({"customer_value": -1.0}, "customer_value is -1"),
        ({"contact_cost": float("nan")}, "contact_cost is nan"),
        ({"acceptance_alpha": 0.0}, "acceptance_alpha is 0"),
    ],
)
def test_an_impossible_offer_is_refused_with_its_number(offer, said):
    with pytest.raises(ConfigurationError, match=said):
        RetentionOffer(**offer)


def test_a_profit_without_both_outcomes_is_refused():
    with pytest.raises(DataError, match="0 who left and 3 who stayed"):
        expected_maximum_profit([0, 0, 0], [0.1, 0.2, 0.3])


def folds() -> list[Fold]:
    made = []
    for number, cutoff in enumerate(("2017-05-01", "2017-08-01", "2017-11-01")):
        y, s = drawn(number, n=300)
        rng = np.random.default_rng(number)
        scores = {"model": s, "rule": s + rng.normal(0, 2.0, len(s))}
        if number == 2:
            scores["champion"] = s + rng.normal(0, 0.1, len(s))
        made.append(Fold(cutoff, [f"c{i}" for i in range(300)], y, scores))
    return made


def test_r42_every_score_is_judged_at_every_cutoff_on_the_same_rows():
    frame = backtest_frame(folds())
    assert len(frame) == 7
    assert frame.groupby("cutoff")["base_rate"].nunique().eq(1).all()
    assert frame.groupby("score")["cutoff"].nunique().to_dict() == {"champion": 1, "model": 3, "rule": 3}


def test_r42_differences_are_bootstrapped_by_customer_over_all_cutoffs():
    table = backtest_differences(folds(), "auc", draws=200).set_index(["cutoff", "rival"])
    assert table.loc[("all", "rule"), "verdict"] == "better"
    assert table.loc[("all", "rule"), "customers"] == 300  # people, not rows
    assert table.loc[("all", "champion"), "first"] == table.loc[("2017-11-01", "champion"), "first"]
    widths = table["high"] - table["low"]
    assert widths[("all", "rule")] < widths.drop("all", level=0).xs("rule", level=1).max()


def test_cutoffs_are_evaluated_oldest_first():
    seen: list[str] = []

    def evaluate(cutoff: str) -> Fold:
        seen.append(cutoff)
        return Fold(cutoff, ["a", "b"], [0, 1], {"model": [0.1, 0.9]})

    assert [fold.cutoff for fold in rolling_origin(["2017-08-01", "2017-05-01"], evaluate)] == seen
    assert seen == ["2017-05-01", "2017-08-01"]


def test_rows_that_are_not_the_same_are_refused_by_name():
    with pytest.raises(DataError, match="2017-05-01: 2 outcomes, 3 scores of model"):
        backtest_frame([Fold("2017-05-01", ["a", "b"], [0, 1], {"model": [0.1, 0.2, 0.3]})])


def test_pictures_draw_on_the_axes_they_are_given():
    from matplotlib.figure import Figure

    made = folds()
    y, s = drawn(3)
    frames = [
        (plot_profit, profit_frame(y, {"model": s, "rule": -s}, RetentionOffer())),
        (plot_backtest, backtest_frame(made)),
        (plot_differences, backtest_differences(made, "auc", draws=50).query("rival == 'rule'")),
    ]
    for plot, frame in frames:
        ax = Figure().subplots()
        assert plot(frame, ax=ax) is ax
        assert len(ax.lines) or len(ax.containers)
    with pytest.raises(DataError, match="one rival a picture"):
        plot_differences(pd.concat([frames[2][1], frames[2][1].assign(rival="champion")]))
