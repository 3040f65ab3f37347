"""Measurement: R60 (outcomes with denominators), R61 (lift against a holdout, and when there is none)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_world import AS_OF, anybody, campaign, engine_with, listed, world
from segml.campaigns.lists import build_lists
from segml.errors import DataError
from segml.measure import money_lift
from segml.measurement.built import built_lists
from segml.measurement.lift import (
    Arm,
    newcombe_interval,
    relative_lift,
    sample_ratio_p,
    wilson_interval,
)
from segml.measurement.measure import measure_lists
from segml.time_windows import SECONDS_PER_DAY

LATER = AS_OF.plus_days(60)


def sent(folder: Path, people: int = 6_000, holdout: float = 0.3, seed: int = 5) -> pd.DataFrame:
    """Build one list to everybody and return both arms."""
    tables = {name: frame for name, frame in world(people, seed).items() if name in ("features", "scores")}
    with engine_with(tables) as engine:
        build_lists(engine, [campaign(holdout=holdout)], anybody(global_holdout=0), AS_OF, "run", folder)
    return pd.concat([listed(folder, "win_back"), listed(folder, "win_back", "holdout")], ignore_index=True)


def orders_of(people: pd.DataFrame, base: float, effect: float, seed: int = 1) -> pd.DataFrame:
    """Let people order with probability `base`, and `base + effect` when treated."""
    draw = np.random.default_rng(seed)
    chance = np.where(people["arm"] == "treated", base + effect, base)
    buyers = people.loc[draw.random(len(people)) < chance, "customer_id"]
    moments = AS_OF.seconds + draw.integers(0, 56 * SECONDS_PER_DAY, len(buyers))
    return pd.DataFrame(
        {"customer_id": buyers, "ordered_at": moments, "amount_minor": draw.integers(500, 9_000, len(buyers))}
    )


def measured(folder: Path, orders: pd.DataFrame, **other: pd.DataFrame) -> pd.Series:
    with engine_with({"orders": orders, **other}) as engine:
        return measure_lists(engine, [folder], LATER).frame.iloc[0]


def test_r61_a_planted_lift_is_recovered(tmp_path: Path) -> None:
    people = sent(tmp_path)
    row = measured(tmp_path, orders_of(people, 0.10, 0.05))
    assert row["status"] == "measured"
    assert row["rate_difference_low"] < 0.05 < row["rate_difference_high"]
    assert row["rate_difference_low"] > 0
    assert row["relative_lift_low"] < 0.5 < row["relative_lift_high"]
    assert row["statement"].startswith("the campaign raised conversion")


def test_r61_an_a_a_test_is_quiet_about_as_often_as_it_should_be(tmp_path: Path) -> None:
    people = sent(tmp_path)
    loud = [
        not (row["rate_difference_low"] <= 0 <= row["rate_difference_high"])
        for row in (measured(tmp_path, orders_of(people, 0.10, 0.0, seed)) for seed in range(30))
    ]
    assert sum(loud) <= 5  # P(more than 5 of 30 at 5 %) = 0.003


def test_totals_equal_pandas_and_scipy(tmp_path: Path) -> None:
    people = sent(tmp_path)
    orders = orders_of(people, 0.3, 0.02)
    orders = pd.concat([orders, orders.head(50)])
    outside = orders.head(40).assign(ordered_at=AS_OF.seconds - 1)
    after = orders.head(40).assign(ordered_at=AS_OF.plus_days(56).seconds)
    row = measured(tmp_path, pd.concat([orders, outside, after]))
    spent = people.set_index("customer_id").assign(
        spent=orders.groupby("customer_id")["amount_minor"].sum() / 100
    )
    treated = spent.loc[spent["arm"] == "treated", "spent"].fillna(0)
    control = spent.loc[spent["arm"] == "holdout", "spent"].fillna(0)
    assert (row["treated"], row["held_out"]) == (len(treated), len(control))
    assert row["buyers_treated"] == (treated > 0).sum()
    assert row["revenue_difference"] == pytest.approx(treated.mean() - control.mean())
    lift = money_lift(treated, control)  # of amounts that are not rounded
    interval = (row["revenue_difference_low"], row["revenue_difference_high"])
    assert interval == pytest.approx((lift.low, lift.high), rel=2e-2)
    assert row["revenue_verdict"] == lift.verdict
    assert row["revenue_statement"].startswith("the campaign raised revenue: ")


def test_returns_within_the_window_are_subtracted(tmp_path: Path) -> None:
    orders = orders_of(sent(tmp_path), 0.3, 0.0)
    back = orders.rename(columns={"ordered_at": "returned_at"})
    row = measured(tmp_path, orders, returns=back)
    assert row["revenue_treated"] == 0
    assert row["buyers_treated"] > 0


def test_r61_an_open_window_is_not_yet(tmp_path: Path) -> None:
    people = sent(tmp_path, 300)
    with engine_with({"orders": orders_of(people, 0.3, 0.1)}) as engine:
        row = measure_lists(engine, [tmp_path], AS_OF.plus_days(3)).frame.iloc[0]
    assert row["statement"] == "not yet: the window ends on 2018-02-26, data end on 2018-01-04"
    assert math.isnan(row["rate_treated"])


def test_r61_without_a_holdout_no_causal_word(tmp_path: Path) -> None:
    row = measured(tmp_path, orders_of(sent(tmp_path, 500, holdout=0), 0.3, 0.0))
    assert row["status"] == "no_holdout"
    assert not any(word in row["statement"] for word in ("raised", "lift", "caused", "uplift"))
    assert math.isnan(row["relative_lift"])


def test_r61_a_broken_assignment_refuses_the_lift(tmp_path: Path) -> None:
    people = sent(tmp_path)
    place = tmp_path / "win_back" / "as_of=2018-01-01" / "holdout.parquet"
    pd.read_parquet(place).iloc[::2].to_parquet(place, index=False)
    row = measured(tmp_path, orders_of(people, 0.3, 0.1))
    assert row["status"] == "refused"
    assert math.isnan(row["rate_difference"])


def test_r57_small_arms_are_suppressed(tmp_path: Path) -> None:
    people = sent(tmp_path, 80, holdout=0.05)
    assert 0 < (people["arm"] == "holdout").sum() < 10
    row = measured(tmp_path, orders_of(people, 0.3, 0.1))
    assert row["status"] == "suppressed"
    assert math.isnan(row["treated"])


def test_refused_lists_are_not_measured_and_orders_are_needed(tmp_path: Path) -> None:
    with engine_with({"features": world()["features"], "scores": world()["scores"]}) as engine:
        build_lists(engine, [campaign()], anybody(minimum_list=10_000), AS_OF, "run", tmp_path)
    assert built_lists([tmp_path]) == []
    sent(tmp_path, 300)
    with engine_with({}) as engine, pytest.raises(DataError, match="orders"):
        measure_lists(engine, [tmp_path], LATER)


def test_r60_each_event_has_its_denominator(tmp_path: Path) -> None:
    people = sent(tmp_path, 500)
    treated = people.loc[people["arm"] == "treated", "customer_id"]
    events = [(person, "sent") for person in treated] + [(person, "click") for person in treated[:30]] * 2
    log = pd.DataFrame(events, columns=["customer_id", "event"]).assign(
        occurred_at=AS_OF.seconds + 10, campaign_id="win_back"
    )
    with engine_with({"email_events": log, "orders": orders_of(people, 0.1, 0.0)}) as engine:
        frame = measure_lists(engine, [tmp_path], LATER).contacts.set_index("event")
    click = frame.to_dict("index")["click"]
    assert (click["people"], click["denominator"]) == (30, len(treated))
    assert float(click["rate_low"]) < 30 / len(treated) < float(click["rate_high"])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 500), st.integers(1, 500), st.data())
def test_intervals_hold_their_estimate_and_mirror(n1: int, n2: int, data: st.DataObject) -> None:
    one = Arm(n1, data.draw(st.integers(0, n1)), 0, 0.0)
    two = Arm(n2, data.draw(st.integers(0, n2)), 0, 0.0)
    low, high = newcombe_interval(one, two)
    assert -1 - 1e-9 <= low <= one.rate - two.rate + 1e-9
    assert one.rate - two.rate - 1e-9 <= high <= 1 + 1e-9
    mirrored = newcombe_interval(two, one)
    assert (-high, -low) == pytest.approx(mirrored, abs=1e-12)
    lift, lift_low, lift_high = relative_lift(one, two)
    assert math.isnan(lift) or lift_low <= lift <= lift_high
    below, above = wilson_interval(one.buyers, n1)
    assert 0 <= below <= one.rate + 1e-12
    assert one.rate - 1e-12 <= above <= 1


def test_empty_arms_have_no_interval() -> None:
    nobody, one = Arm(0, 0, 0, 0.0), Arm(1, 1, 100, 1e4)
    assert all(math.isnan(bound) for bound in newcombe_interval(nobody, one))
    assert math.isnan(sample_ratio_p(0, 0, 0.1))
    assert math.isnan(sample_ratio_p(10, 0, 0.0))
