"""What a base can have is decided once, from its past, and travels as plain JSON."""

from __future__ import annotations

import json

import pytest

from conftest import OpenBase
from segml.features.affinity import MASK_BITS, unique_slugs
from segml.features.plan import GROUPS, FeaturePlan, make_plan
from segml.features.snapshot import snapshot_frame
from small_base import CUTOFF, Tables, another_future, orders_of, without

OPTIONAL = {
    "order_lines": {
        "products": "no column 'product_id' in order_lines",
        "categories": "no product category in order_lines or products",
        "affinity": "no product category in order_lines or products",
    },
    "returns": {"returns": "no table returns"},
    "email_events": {"contacts": "no table email_events"},
}


@pytest.mark.parametrize("table", OPTIONAL)
def test_r01_a_missing_table_makes_its_groups_unavailable_and_moves_no_other_column(
    open_base: OpenBase, base: Tables, table: str
) -> None:
    engines = [open_base(base), open_base(without(base, table))]
    plans = [make_plan(engine, CUTOFF) for engine in engines]
    assert plans[0].unavailable == {}
    assert plans[1].unavailable == OPTIONAL[table]
    full, less = (snapshot_frame(e, p, CUTOFF)[0] for e, p in zip(engines, plans, strict=True))
    gone = set(full.columns) - set(less.columns)
    groups = plans[0].groups_at(CUTOFF)
    assert gone == {f.name for g in groups if g.name in OPTIONAL[table] for f in g.features}
    assert full[less.columns].to_numpy().tobytes() == less.to_numpy().tobytes()


@pytest.mark.parametrize(
    ("table", "column", "group"),
    [
        ("orders", "store_id", "stores"),
        ("orders", "discount_minor", "discounts"),
        ("orders", "coupon_minor", "coupons"),
        ("order_lines", "product_id", "products"),
        ("order_lines", "category", "affinity"),
    ],
)
def test_r01_a_missing_column_is_named_as_the_reason(
    open_base: OpenBase, base: Tables, table: str, column: str, group: str
) -> None:
    engine = open_base({**base, table: base[table].drop(columns=column)})
    plan = make_plan(engine, CUTOFF)
    assert group not in plan.groups
    assert column in plan.unavailable[group]
    assert plan.names == list(snapshot_frame(engine, plan, CUTOFF)[0].columns)


def test_dates_without_a_time_of_day_have_no_hours(open_base: OpenBase) -> None:
    engine = open_base(
        orders_of(("a", "2016-06-01", 5), ("a", "2016-06-02", 5), ("a", "2017-06-02 10:00", 5))
    )
    plan = make_plan(engine, CUTOFF)
    assert plan.unavailable["hours"] == "the orders carry dates without a time of day"
    assert "night_share" not in plan.names


def test_categories_that_come_after_the_first_cutoff_are_unavailable(
    open_base: OpenBase, base: Tables
) -> None:
    lines = base["order_lines"]
    late = lines["category"].where(lines["ordered_at"] >= CUTOFF.seconds)
    plan = make_plan(open_base({**base, "order_lines": lines.assign(category=late)}), CUTOFF)
    assert set(plan.unavailable) == {"categories", "affinity"}
    assert plan.unavailable["affinity"] == "no order line before the first cutoff has a category"


def test_r02_the_plan_does_not_see_the_future(open_base: OpenBase, base: Tables) -> None:
    plans = [make_plan(open_base(t), CUTOFF) for t in (base, another_future(base, CUTOFF, 5))]
    assert plans[0] == plans[1]


def test_a_plan_survives_json_with_its_contract(open_base: OpenBase, base: Tables) -> None:
    plan = make_plan(open_base(without(base, "returns")), CUTOFF)
    again = FeaturePlan.from_dict(json.loads(json.dumps(plan.to_dict())))
    assert again == plan
    assert again.contract == plan.contract
    assert again.names == plan.names


def test_a_contract_changes_with_columns_and_meaning_and_not_with_reasons() -> None:
    plan = FeaturePlan(("history", "affinity"), ("a", "b"), ("a", "b", "c"), {"hours": "why"})
    same = FeaturePlan(("history", "affinity"), ("a", "b"), ("a", "b", "c"), {"hours": "another reason"})
    assert same.contract == plan.contract
    others = [
        FeaturePlan(("history",), ("a", "b"), ("a", "b", "c")),
        FeaturePlan(("history", "affinity"), ("b", "a"), ("a", "b", "c")),
        FeaturePlan(("history", "affinity"), ("a", "b"), ("a", "b")),
        FeaturePlan(("history", "affinity"), ("a", "b"), ("a", "b", "c"), version=2),
    ]
    assert len({other.contract for other in [plan, *others]}) == 5


def test_names_and_meanings_do_not_depend_on_the_cutoff_and_no_name_is_used_twice() -> None:
    plan = FeaturePlan(GROUPS, ("a",), ("a",))
    for cutoff in (CUTOFF, CUTOFF.plus_days(77)):
        groups = plan.groups_at(cutoff)
        assert [f.name for g in groups for f in g.features] == plan.names
        assert {f.name: f.meaning for g in groups for f in g.features} == plan.meanings
    assert len(set(plan.names)) == len(plan.names)
    assert all(plan.meanings.values())


def test_groups_that_share_an_aggregate_mean_the_same_by_it() -> None:
    aggregates: dict[str, tuple[str, str]] = {}
    for group in FeaturePlan(GROUPS, ("a",), ("a",)).groups_at(CUTOFF):
        for table, named in group.aggregates.items():
            for name, sql in named.items():
                assert aggregates.setdefault(name, (table, sql)) == (table, sql)


def test_the_largest_categories_get_a_column_and_ties_go_by_name(open_base: OpenBase, base: Tables) -> None:
    lines = base["order_lines"]
    past = lines[lines["ordered_at"] < CUTOFF.seconds]
    spent = past.groupby("category")["amount_minor"].sum().reset_index()
    largest = spent.sort_values(["amount_minor", "category"], ascending=[False, True])["category"]
    assert list(make_plan(open_base(base), CUTOFF, 3).categories) == list(largest[:3])
    equal = {**base, "order_lines": lines.assign(amount_minor=0)}
    plan = make_plan(open_base(equal), CUTOFF, 3)
    assert list(plan.mask_categories) == sorted(spent["category"])
    assert len(plan.mask_categories) < MASK_BITS


def test_category_names_that_fall_together_as_column_names_stay_apart() -> None:
    names = unique_slugs(("Home & Garden", "home garden", "home garden 2", "!!", "??"))
    assert len(set(names)) == 5
