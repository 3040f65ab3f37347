"""What a base can have is decided once, from its past, and travels as plain JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import OpenBase
from segml.features import facts, rfm
from segml.features.affinity import MASK_BITS, unique_slugs
from segml.features.definition import Feature, Group
from segml.features.known_columns import is_known_column, known_references
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


def changed(group: Group, **features: object) -> Group:
    """A group whose first feature is said, named or computed otherwise."""
    return replace(group, features=(replace(group.features[0], **features), *group.features[1:]))


def more(group: Group, **aggregates: dict[str, dict[str, str]]) -> Group:
    added = Feature("orders_at_night", "cast(night_orders as double)", "orders after midnight")
    return replace(group, features=(*group.features, added), **aggregates)


CHANGES: dict[str, Callable[[Group], Group]] = {
    "a feature is added": more,
    "a feature is gone": lambda group: replace(group, features=group.features[1:]),
    "its SQL changes": lambda group: changed(group, sql=f"2 * ({group.features[0].sql})"),
    "its meaning changes": lambda group: changed(group, meaning="days since something else"),
    "its name changes": lambda group: changed(group, name="another_name"),
    "what it reads changes": lambda group: replace(
        group, aggregates={table: dict.fromkeys(named, "max(1)") for table, named in group.aggregates.items()}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_r43_a_contract_sees_every_change_of_a_feature(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = FeaturePlan(GROUPS, ("a",), ("a", "b"))
    before, history = plan.contract, rfm.history
    monkeypatch.setattr(rfm, "history", lambda cutoff: CHANGES[change](history(cutoff)))
    assert plan.contract != before
    monkeypatch.undo()
    assert plan.contract == before


def test_r43_a_contract_sees_the_queries_that_features_rest_on(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = FeaturePlan(GROUPS, ("a",), ("a", "b"))
    before, orders = plan.contract, facts.orders_sql
    monkeypatch.setattr(facts, "orders_sql", lambda *given: orders(*given).replace("lag(", "lead("))
    assert plan.contract != before


def test_a_plan_has_the_columns_that_campaigns_may_name() -> None:
    for name in FeaturePlan(GROUPS, ("Food & Drink",), ("Food & Drink",)).names:
        assert is_known_column("features", name), name
    assert not is_known_column("features", "orders_91d")
    assert "features.returned_total" in known_references()


def test_r43_an_added_feature_may_be_named_by_campaigns(tmp_path: Path) -> None:
    """In a process of its own, since the columns are known from the import on."""
    script = """
        from dataclasses import replace
        from segml.features import rfm
        from segml.features.definition import Feature
        history = rfm.history
        one = Feature("orders_at_night", "cast(1 as double)", "orders after midnight")
        rfm.history = lambda cutoff: replace(history(cutoff), features=(*history(cutoff).features, one))
        from segml.campaigns.catalogue import load_campaigns
        import sys, pathlib
        print([c.name for c in load_campaigns(pathlib.Path(sys.argv[1]))])
    """
    (tmp_path / "night.yaml").write_text(
        "{name: night, title: Night, action: mail, offer_class: content, priority: 10, window_days: 30,"
        " audience: [{column: features.orders_at_night, operator: at_least, value: 1}],"
        " rank_by: {column: features.returned_total}}"
    )
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "['night']\n", done.stderr
