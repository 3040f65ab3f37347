"""R88 through lists: verdicts, segments, programme, CUPED and strata speak of money by tests that keep their size."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from campaign_world import engine_with
from measured_world import AS_OF, LATER, draw_people, measured, orders_of, write_list
from segml.campaigns.holdout import global_holdout_sql, is_held_out
from segml.engine.duckdb import DuckDBEngine
from segml.engine.rounding import rounded_money_sql
from segml.evaluation.money import adjusted_money_interval, money_lift_counts
from segml.evaluation.skewed_means import skewed_mean_interval, skewness
from segml.evaluation.uplift_lift import lift_frame
from segml.measurement.built import built_lists
from segml.measurement.measure import measure_lists
from segml.measurement.money import always_valid_confidence
from segml.measurement.programme import measure_programme


def skewed(people: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Spend before and after: the same people buy again, a few of them for very much."""
    keen = rng.lognormal(0.0, 1.2, people)
    spend = [
        np.where(rng.random(people) < 1 - np.exp(-0.3 * keen), keen * rng.lognormal(3.0, 1.0, people), 0.0)
        for _ in range(2)
    ]
    return spend[0], spend[1]


@pytest.mark.parametrize("method", ["plain", "cuped", "stratified"])
def test_every_estimate_is_quiet_where_nothing_happened(method):
    gains = losses = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        before, after = skewed(2_000, rng)
        treated = (rng.random(2_000) >= 0.06).astype(float)
        lift = after[treated == 1].mean() - after[treated == 0].mean()
        strata = np.digitize(before, [1.0, 60.0])
        others = {
            "plain": {},
            "cuped": {"covariates": before[:, None]},
            "stratified": {"stratum": strata},
        }[method]
        low, high = adjusted_money_interval(after, treated, 1 - treated, lift, **others)
        gains, losses = gains + (low > 0), losses + (high < 0)
    # 5 of 200 expected on each side, standard deviation 2.2; Welch's interval says gain in about 20
    assert gains <= 12
    assert losses <= 12


def test_cuped_and_strata_are_narrower_where_the_past_tells_the_future():
    rng = np.random.default_rng(0)
    before = rng.lognormal(3.0, 0.5, 4_000)
    after = before * rng.lognormal(0.0, 0.2, 4_000)
    treated = (rng.random(4_000) < 0.8).astype(float)
    frame = lift_frame(after, treated, before, np.digitize(before, np.quantile(before, [0.25, 0.5, 0.75])))
    width = frame["high"] - frame["low"]
    assert width["cuped"] < 0.7 * width["plain"]
    assert width["stratified"] < 0.8 * width["plain"]
    assert ((frame["low"] <= frame["lift"]) & (frame["lift"] <= frame["high"])).all()


def test_lifts_of_money_with_too_few_buyers_have_no_interval():
    spend = np.zeros(1_000)
    spend[:40] = 30.0
    treated = (np.arange(1_000) % 20 != 0).astype(float)
    frame = lift_frame(spend, treated)
    assert frame[["low", "high"]].isna().all().all()
    assert np.isfinite(frame["lift"]).all()
    converted = lift_frame(spend > 0, treated)
    assert converted[["low", "high"]].notna().all().all(), "conversion keeps its interval"


# --- lists ----------------------------------------------------------------------------------------------------------


def test_a_list_with_few_buyers_speaks_of_conversion_only(tmp_path: Path) -> None:
    people = draw_people(3_000, 0.05, seed=1)
    write_list(tmp_path, people, 0.05)
    orders = orders_of(people, 0.0, seed=1)
    few = orders[orders["customer_id"].isin(people["customer_id"][:200])]
    lists = measured(tmp_path, few)
    row = lists.frame.iloc[0]
    assert row["status"] == "measured"
    assert row["revenue_verdict"] == "too_few"
    assert row["revenue_statement"].startswith("too few buyers to speak of money")
    assert np.isnan([row["revenue_difference_low"], row["revenue_difference_high"]]).all()
    assert np.isfinite([row["rate_difference_low"], row["rate_difference_high"]]).all()
    revenue = lists.estimates.query("outcome == 'revenue'")
    assert revenue[["difference_low", "difference_high"]].isna().all().all()
    assert lists.estimates.query("outcome == 'conversion'")["difference_low"].notna().all()
    result = lists.results.query("tag == 'everybody' and event == 'revenue'").iloc[0]
    assert result["note"] == "too few buyers to speak of money"
    assert np.isnan(result["difference_low"])


def test_one_giant_order_among_the_listed_is_no_gain(tmp_path: Path) -> None:
    people = draw_people(3_000, 0.1, seed=2)
    write_list(tmp_path, people, 0.1)
    orders = orders_of(people, 0.0, seed=2)
    listed = people.loc[people["arm"] == "treated", "customer_id"].iloc[0]
    giant = orders.head(1).assign(customer_id=listed, ordered_at=AS_OF.seconds + 5, amount_minor=900_000_000)
    row = measured(tmp_path, pd.concat([orders, giant])).frame.iloc[0]
    assert row["revenue_difference"] > 1_000
    assert row["revenue_verdict"] == "none"
    assert row["revenue_statement"].startswith("no change of revenue can be told from chance")


def test_an_open_window_has_no_interval_of_money(tmp_path: Path) -> None:
    people = draw_people(2_000, 0.3, seed=3)
    write_list(tmp_path, people, 0.3)
    with engine_with({"orders": orders_of(people, 0.3, seed=3)}) as engine:
        lists = measure_lists(engine, [tmp_path], AS_OF.plus_days(20))
    revenue = lists.results.query("event == 'revenue'").iloc[0]
    assert not revenue["complete"]
    assert np.isfinite(revenue["rate"])
    assert np.isnan(revenue["rate_low"])


def test_the_rows_that_come_home_are_rounded_to_three_digits() -> None:
    rng = np.random.default_rng(0)
    amounts = np.concatenate([rng.integers(-(10**e), 10**e, 200) for e in range(1, 13)])
    with DuckDBEngine(threads=1) as engine:
        engine.register("spent", pd.DataFrame({"x": amounts}))
        found = engine.fetch(f"select x, cast({rounded_money_sql('x')} as bigint) as y from spent")
    x, y = found["x"].to_numpy(dtype=float), found["y"].to_numpy(dtype=float)
    small = np.abs(x) < 1_000
    assert (x[small] == y[small]).all()
    assert (np.abs(y - x)[~small] <= 0.005 * np.abs(x)[~small] + 1e-9).all()
    assert all(len(str(abs(int(one))).rstrip("0")) <= 3 for one in y)


# --- looking again and again ----------------------------------------------------------------------------------------


def test_a_path_that_is_looked_at_every_day_crosses_the_bound_in_5_of_100():
    rng = np.random.default_rng(0)
    days = np.arange(1, 1_001)
    paths = np.cumsum(rng.normal(size=(2_000, 1_000)), axis=1) / np.sqrt(days)
    bound = np.array([-ndtri((1 - always_valid_confidence(int(day))) / 2) for day in days])
    assert (np.abs(paths) > bound).any(axis=1).mean() <= 0.05
    assert (np.abs(paths) > 1.96).any(axis=1).mean() > 0.5  # what an interval for one look would do


def test_the_programme_says_that_its_interval_may_be_looked_at_often(tmp_path: Path) -> None:
    people = draw_people(4_000, 0.0, seed=5)
    held = [is_held_out("salt", "global_holdout", 0.2, person) for person in people["customer_id"]]
    people["arm"] = np.where(held, "global_holdout", "treated")
    write_list(tmp_path, people, 0.0)
    with engine_with({"orders": orders_of(people, 0.0, seed=5)}) as engine:
        row = measure_programme(engine, built_lists([tmp_path]), 0.2, global_holdout_sql, LATER).iloc[0]
        early = measure_programme(
            engine, built_lists([tmp_path]), 0.2, global_holdout_sql, AS_OF.plus_days(20)
        ).iloc[0]
    for one in (row, early):
        assert one["revenue_verdict"] == "none"
        assert "95 % however often one looks" in one["statement"]
        assert one["revenue_difference_low"] < one["revenue_difference"] < one["revenue_difference_high"]


@pytest.mark.slow
def test_a_programme_that_does_nothing_is_not_believed_in_a_year_of_monthly_looks():
    wrong, once = 0, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        keen = rng.lognormal(-3.5, 1.2, 3_000)
        held_out = (rng.random(3_000) < 0.1).astype(float)
        total, ever, naive = np.zeros(3_000), False, False
        for week in range(1, 53):
            bought = rng.random(3_000) < 1 - np.exp(-keen)
            total += np.where(bought, rng.lognormal(3.5, 1.0, 3_000), 0.0)
            if week % 4:
                continue
            confidence = always_valid_confidence(7 * week)
            ever |= money_lift_counts(total, 1 - held_out, held_out, confidence=confidence).verdict in (
                "gain",
                "loss",
            )
            naive |= money_lift_counts(total, 1 - held_out, held_out).verdict in ("gain", "loss")
        wrong, once = wrong + ever, once + naive
    assert wrong <= 10  # 5 % of 100 and two standard deviations
    assert once > 10


# --- means ----------------------------------------------------------------------------------------------------------


def test_a_mean_of_skewed_money_is_bounded_or_left_alone():
    rng = np.random.default_rng(0)
    base = np.where(rng.random(200_000) < 0.4, rng.lognormal(3.0, 1.0, 200_000), 0.0)
    pooled = skewness(base, np.ones(len(base)))
    shown = held = 0
    for _ in range(1_500):
        own = rng.choice(base, 800)
        low, high = skewed_mean_interval(
            own.mean(), own.var(ddof=1), 800, skewness(own, np.ones(800)), pooled
        )
        if not math.isnan(low):
            shown, held = shown + 1, held + (low <= base.mean() <= high)
    assert shown > 750
    assert held / shown >= 0.93
    few = skewed_mean_interval(
        own.mean(), own.var(ddof=1), 60, 1.0, pooled
    )  # a tail that 60 people can't know
    assert np.isnan(few).all()
