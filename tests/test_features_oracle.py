"""Every feature and label against the slow, obvious computation of feature_oracle.py."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import OpenBase
from feature_oracle import differing_columns, oracle_features, oracle_labels
from segml.features.affinity import unique_slugs
from segml.features.plan import GROUPS, make_plan
from segml.features.snapshot import snapshot_frame
from segml.time_windows import Cutoff
from small_base import CUTOFF, Tables, make_base, orders_of

HORIZONS = (1, 30, 90)
FEW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def assert_equals_oracle(tables: Tables, cutoff: Cutoff, open_base: OpenBase) -> pd.DataFrame:
    engine = open_base(tables)
    plan = make_plan(engine, cutoff)
    assert plan.groups == GROUPS
    observed_until = cutoff.plus_days(max(HORIZONS))
    features, labels = snapshot_frame(engine, plan, cutoff, HORIZONS, observed_until)
    affinities = dict(zip(unique_slugs(plan.categories), plan.categories, strict=True))
    expected = oracle_features(tables, cutoff, affinities, plan.mask_categories)
    assert list(features.columns) == plan.names
    assert (features.dtypes == "float64").all()
    assert differing_columns(features, expected) == []
    assert differing_columns(labels, oracle_labels(tables, cutoff, HORIZONS, list(features.index))) == []
    return features


@FEW
@given(seed=st.integers(0, 10_000), days=st.integers(-250, 60))
def test_every_feature_and_label_equals_the_obvious_computation(
    open_base: OpenBase, seed: int, days: int
) -> None:
    assert_equals_oracle(make_base(seed, customers=15), CUTOFF.plus_days(days), open_base)


def test_seventy_categories_are_counted_with_all_beyond_the_largest_61_as_one(open_base: OpenBase) -> None:
    tables = make_base(5, customers=25)
    person = tables["customers"]["customer_id"][0]
    days = [f"2016-06-{1 + i % 28:02d} 10:00" for i in range(70)]
    orders = orders_of(*[(person, day, 500) for day in days])["orders"]
    tables["orders"] = orders.assign(discount_minor=0, coupon_minor=0, store_id="s")
    tables["order_lines"] = orders[["customer_key", "order_no", "ordered_at"]].assign(
        product_id=[f"p{i}" for i in range(70)],
        category=[f"c{i:02d}" for i in range(70)],
        amount_minor=[1_000 - i for i in range(70)],
    )
    features = assert_equals_oracle(tables, CUTOFF, open_base)
    assert features.loc[person, "categories_total"] == 62
    assert features.loc[person, "products_total"] == 70


def test_one_customer_with_one_order_has_a_recency_and_no_rhythm(open_base: OpenBase) -> None:
    engine = open_base(orders_of(("only", "2017-03-01 06:00", 1250)))
    cutoff = Cutoff.parse("2017-03-03")
    row = snapshot_frame(engine, make_plan(engine, cutoff), cutoff)[0].loc["only"]
    assert (row["recency_days"], row["tenure_days"], row["age_days"]) == (1.75, 1.75, 2)
    assert (row["orders_total"], row["repeat_orders"], row["first_to_last_days"]) == (1, 0, 0)
    assert (row["spend_total"], row["order_value_mean"], row["order_value_last"]) == (12.5, 12.5, 12.5)
    assert row.filter(like="gap_").isna().all()


def test_two_orders_on_one_day_are_no_gap_and_two_days_have_one_gap_without_spread(
    open_base: OpenBase,
) -> None:
    moments = ("2017-03-01 06:00", "2017-03-01 23:59:59", "2017-03-04 00:00")
    engine = open_base(orders_of(*[("a", moment, 100) for moment in moments]))
    cutoff = Cutoff.parse("2017-03-10")
    row = snapshot_frame(engine, make_plan(engine, cutoff), cutoff)[0].loc["a"]
    gaps = row[["gap_mean_days", "gap_median_days", "gap_max_days", "gap_last_days"]]
    assert (gaps == 3).all()
    assert pd.isna(row["gap_sd_days"])
    assert row["gap_ratio"] == 2
    assert (row["repeat_orders"], row["active_days_total"], row["orders_total"]) == (1, 2, 3)


@pytest.mark.parametrize(
    ("moment", "is_feature", "labelled"),
    [
        ("2017-03-09 23:59:59", True, False),
        ("2017-03-10 00:00:00", False, True),
        ("2017-03-16 23:59:59", False, True),
        ("2017-03-17 00:00:00", False, False),
    ],
)
def test_r02_label_windows_are_half_open_and_the_cutoff_second_is_a_label(
    open_base: OpenBase, moment: str, is_feature: bool, labelled: bool
) -> None:
    engine = open_base(orders_of(("a", "2017-01-01 12:00", 100), ("a", moment, 300)))
    cutoff = Cutoff.parse("2017-03-10")
    features, labels = snapshot_frame(
        engine, make_plan(engine, cutoff), cutoff, (7,), observed_until=cutoff.plus_days(7)
    )
    assert features.loc["a", "orders_total"] == 1 + is_feature
    row = labels.loc["a", ["orders_next_7d", "spend_next_7d", "silent_next_7d"]]
    assert list(row) == ([1, 3, 0] if labelled else [0, 0, 1])


@pytest.mark.parametrize(("days", "counted"), [(7, True), (8, False)])
def test_rolling_windows_begin_at_their_first_midnight(open_base: OpenBase, days: int, counted: bool) -> None:
    cutoff = Cutoff.parse("2017-03-10")
    engine = open_base(orders_of(("a", f"{cutoff.plus_days(-days)} {'00:00' if counted else '23:59:59'}", 1)))
    features, _ = snapshot_frame(engine, make_plan(engine, cutoff), cutoff)
    assert features.loc["a", "orders_7d"] == counted


def test_an_open_label_window_has_no_label(open_base: OpenBase) -> None:
    engine = open_base(orders_of(("a", "2017-01-01 12:00", 100)))
    cutoff = Cutoff.parse("2017-03-10")
    plan = make_plan(engine, cutoff)
    _, labels = snapshot_frame(engine, plan, cutoff, (30, 60), observed_until=cutoff.plus_days(59))
    assert list(labels.columns) == ["orders_next_30d", "spend_next_30d", "silent_next_30d"]
    _, none = snapshot_frame(engine, plan, cutoff, (30, 60), observed_until=None)
    assert list(none.index) == ["a"]
    assert none.columns.empty


def test_prospects_are_known_from_the_day_they_join_with_counts_of_zero_and_the_rest_unknown(
    open_base: OpenBase,
) -> None:
    tables = orders_of(
        ("buyer", "2017-01-01 12:00", 100), ("later", "2017-04-01", 100), ("p", "2017-05-01", 1)
    )
    cutoff = Cutoff.parse("2017-03-10")
    joined = {"buyer": None, "later": cutoff.seconds, "p": cutoff.seconds - 1}
    tables["customers"] = tables["customers"].assign(
        joined_at=pd.array([joined[i] for i in tables["customers"]["customer_id"]], dtype="Int64")
    )
    engine = open_base(tables)
    features, _ = snapshot_frame(engine, make_plan(engine, cutoff), cutoff)
    assert list(features.index) == ["buyer", "p"]
    row = features.loc["p"]
    known = {"orders_total", "active_days_total", "spend_total"}
    known |= {name for name in features if name.startswith(("orders_", "spend_")) and "trend" not in name}
    assert set(row.dropna().index) == known
    assert (row.dropna() == 0).all()
