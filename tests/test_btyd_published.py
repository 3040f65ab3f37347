"""Published parameters, likelihoods and forecasts of the CDNOW sample and of two discrete-time data sets.

Parents: BG/NBD and Pareto/NBD - Fader, Hardie & Lee, Marketing Science 24 (2005), the table of estimates; MBG/NBD -
Batislam, Denizel & Filiztekin (2007); Gamma-Gamma - Fader & Hardie (2013), "The Gamma-Gamma model of monetary value";
shifted beta-geometric - Fader & Hardie (2007); BG/BB - Fader, Hardie & Shang (2010). Digits beyond the printed ones
were computed from the same files with independent programs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segml.models.btyd import (
    BetaGeometricBetaBinomial,
    BetaGeoNBD,
    GammaGamma,
    ModifiedBetaGeoNBD,
    ParetoNBD,
    ShiftedBetaGeometric,
    customer_lifetime_value,
)

RAW = Path(__file__).parents[1] / "data" / "raw" / "cdnow"

ANCHORS = [  # model, parameters, log-likelihood, repeat orders of the next 39 weeks, their correlation with the actual
    (BetaGeoNBD, [0.2426, 4.4136, 0.7929, 2.4259], -9582.429, 1653.4, 0.6256),
    (ModifiedBetaGeoNBD, [0.5248, 6.1831, 0.8914, 1.6140], -9582.136, 1576.7, 0.6273),
    (ParetoNBD, [0.5533, 10.5777, 0.6062, 11.6687], -9594.976, 1665.5, 0.6302),
]


def raw(name: str) -> Path:
    path = RAW / name
    if not path.exists():
        pytest.skip("run `make data`")
    return path


@pytest.fixture(scope="module")
def cdnow_sample() -> pd.DataFrame:
    """One row a customer: history of the first 39 weeks (in weeks, days as orders) and orders of the next 39."""
    names = ["master_id", "id", "date", "units", "value"]
    lines = pd.read_csv(raw("CDNOW_sample.txt"), sep=r"\s+", header=None, names=names, dtype={"date": str})
    lines["day"] = pd.to_datetime(lines["date"], format="%Y%m%d")
    orders = lines.groupby(["id", "day"], as_index=False)["value"].sum()
    end = pd.Timestamp("1997-09-30")
    first = orders.groupby("id")["day"].min()
    seen = orders[orders["day"] <= end]
    repeat = seen[seen["day"] > seen["id"].map(first)].groupby("id")["value"]
    later = orders[(orders["day"] > end) & (orders["day"] <= end + pd.Timedelta(weeks=39))]
    frame = pd.DataFrame(
        {
            "recency": (seen.groupby("id")["day"].max() - first).dt.days / 7,
            "age": (end - first).dt.days / 7,
            "repeat_orders": repeat.size(),
            "mean_spend": repeat.mean(),
            "actual": later.groupby("id").size(),
        }
    )
    return frame.fillna({"repeat_orders": 0, "mean_spend": 0, "actual": 0})


def test_cdnow_sample_is_the_published_one(cdnow_sample: pd.DataFrame) -> None:
    assert len(cdnow_sample) == 2357
    assert (cdnow_sample["repeat_orders"] > 0).sum() == 946
    assert cdnow_sample["actual"].sum() == 1882


@pytest.mark.parametrize(("model", "params", "log_likelihood", "total", "correlation"), ANCHORS)
def test_fit_reaches_the_published_parameters_and_forecast(
    cdnow_sample: pd.DataFrame,
    model: type,
    params: list[float],
    log_likelihood: float,
    total: float,
    correlation: float,
) -> None:
    fitted = model(time_unit="weeks").fit(cdnow_sample)
    expected = fitted.expected_purchases(cdnow_sample, 39)
    assert list(fitted.params_.values()) == pytest.approx(params, abs=6e-5)
    assert fitted.log_likelihood_ == pytest.approx(log_likelihood, abs=6e-4)
    assert expected.sum() == pytest.approx(total, abs=0.05)
    assert np.corrcoef(expected, cdnow_sample["actual"])[0, 1] == pytest.approx(correlation, abs=6e-5)
    assert fitted.converged_
    assert fitted.n_iterations_ <= 10
    assert fitted.warnings_ == []


def test_gamma_gamma_reaches_the_published_parameters(cdnow_sample: pd.DataFrame) -> None:
    fitted = GammaGamma().fit(cdnow_sample)
    assert list(fitted.params_.values()) == pytest.approx([6.2496, 3.7442, 15.4435], abs=6e-5)
    assert fitted.log_likelihood_ == pytest.approx(-4055.918, abs=6e-4)
    assert fitted.n_customers_ == 946
    assert fitted.warnings_ == []


def test_lifetime_value_falls_with_the_discount_and_equals_orders_times_spend_without_one(
    cdnow_sample: pd.DataFrame,
) -> None:
    orders = BetaGeoNBD(time_unit="weeks").fit(cdnow_sample)
    spend = GammaGamma().fit(cdnow_sample)
    plain = customer_lifetime_value(orders, spend, cdnow_sample, 52, 0.0, time_unit="weeks")
    ten = customer_lifetime_value(orders, spend, cdnow_sample, 52, 0.10, time_unit="weeks")
    product = orders.expected_purchases(cdnow_sample, 52) * spend.expected_spend(cdnow_sample)
    np.testing.assert_allclose(plain, product, rtol=1e-12)
    assert (ten < plain).all()
    assert (ten > plain / 1.10).all()


def test_lifetime_value_equals_the_sum_over_short_periods(cdnow_sample: pd.DataFrame) -> None:
    # parent: orders of each fifth of a week, each discounted from its middle
    orders, spend = ParetoNBD(time_unit="weeks").fit(cdnow_sample), GammaGamma().fit(cdnow_sample)
    row = cdnow_sample[cdnow_sample["repeat_orders"] == 3].head(1)
    ends = np.linspace(0, 52, 261)
    by = np.array([orders.expected_purchases(row, t).iloc[0] for t in ends])
    middle = (ends[1:] + ends[:-1]) / 2 / (365.25 / 7)
    parent = np.sum(np.diff(by) * 1.15**-middle) * spend.expected_spend(row).iloc[0]
    value = customer_lifetime_value(orders, spend, row, 52, 0.15, time_unit="weeks").iloc[0]
    assert value == pytest.approx(parent, rel=1e-6)


@pytest.mark.parametrize(
    ("alive", "params"),
    [
        ([1000, 631, 468, 382, 326, 289, 262, 241], [0.7041, 1.1820]),
        ([1000, 869, 743, 653, 593, 551, 517, 491], [0.6681, 3.8061]),
    ],
    ids=["regular", "high end"],
)
def test_shifted_beta_geometric_reaches_the_published_parameters(
    alive: list[int], params: list[float]
) -> None:
    frame = pd.DataFrame({"age": [*range(1, 8), 7], "lost": [1] * 7 + [0]})
    fitted = ShiftedBetaGeometric(time_unit="years").fit(frame, [*-np.diff(alive), alive[-1]])
    assert list(fitted.params_.values()) == pytest.approx(params, abs=6e-5)
    rate = fitted.retention_rate(12)
    assert (np.diff(rate) > 0).all()  # the heterogeneity does it: nobody's own rate rises
    np.testing.assert_allclose(np.cumprod(rate), fitted.survival(12)[1:], rtol=1e-12)
    kept = fitted.probability_active(pd.DataFrame({"age": [0, 4]}), 3)
    assert kept.tolist() == pytest.approx(
        [fitted.survival(3)[3], fitted.survival(7)[7] / fitted.survival(4)[4]]
    )


def test_beta_geometric_beta_binomial_reaches_the_published_donations() -> None:
    names = {"frequency": "repeat_orders", "periods": "age", "weights": "weight"}
    donors = pd.read_csv(raw("donations.csv")).rename(columns=names)
    fitted = BetaGeometricBetaBinomial(time_unit="years").fit(donors)
    assert list(fitted.params_.values()) == pytest.approx([1.2035, 0.7497, 0.6567, 2.7834], abs=6e-5)
    assert fitted.log_likelihood_ == pytest.approx(-33225.58, abs=6e-3)
    assert fitted.n_customers_ == 11104
    # Of the paper: donations in the next five years, and P(active in 2002)
    known = donors.set_index(["repeat_orders", "recency"]).index
    expected = fitted.expected_purchases(donors, 5).set_axis(known).round(2)
    alive = fitted.probability_alive(donors).set_axis(known).round(2)
    assert [expected[0, 0], expected[6, 6]] == [0.07, 3.75]
    assert [alive[0, 0], alive[6, 6]] == [0.11, 0.93]
    np.testing.assert_allclose(
        fitted.probability_active(donors, 1), fitted.expected_purchases(donors, 1), rtol=1e-12
    )
