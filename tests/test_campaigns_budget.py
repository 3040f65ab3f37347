"""Budget and cost (R40): whom a budget pays for, what is expected of it, and in which words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from campaign_world import AS_OF, anybody, campaign, engine_with, listed, world
from segml.campaigns.catalogue import Campaign
from segml.campaigns.costs import CampaignCost
from segml.campaigns.explain import explain_person
from segml.campaigns.lists import build_lists
from segml.campaigns.placing import divide_sql
from segml.campaigns.results import ListsReport
from segml.config import ListSettings
from segml.engine import Engine, open_engine
from segml.tables.partition import read_manifest

Tables = dict[str, pd.DataFrame]
COST = {"contact": 1.0, "offer": 10.0, "redemption": 0.1, "assumed_response": 0.1}  # 2.00 a contact


@pytest.fixture(scope="module")
def embedded() -> Iterator[Engine]:
    with open_engine(threads=1) as engine:
        yield engine


def valued(people: int = 400, seed: int = 5) -> Tables:
    """Return a base with predicted CLV beside P(silent); some of either are unknown."""
    tables = world(people, seed)
    tables["scores"]["clv_365d"] = np.random.default_rng(seed).gamma(2, 60, people)
    return tables


def margins(tables: Tables, response: float = 0.1) -> pd.Series:
    scores = tables["scores"].set_index("customer_id")
    return scores["dormancy_probability"] * scores["clv_365d"] * response


def build(tables: Tables, campaigns: list[Campaign], folder: Path, how: ListSettings) -> ListsReport:
    with engine_with(tables) as engine:
        return build_lists(engine, campaigns, how, AS_OF, "run", folder)


def calm(**changes: Any) -> ListSettings:
    return anybody(**{"global_holdout": 0, "campaign_holdout": 0, "quiet_days": 0, "caps": [], **changes})


def test_r40_a_budget_buys_the_highest_expected_margins(tmp_path: Path) -> None:
    tables = valued()
    result = build(tables, [campaign(cost=COST, budget=101.0)], tmp_path, calm()).campaigns[0]
    rows = listed(tmp_path, "win_back")
    every = margins(tables)
    assert len(rows) == 50  # of 2.00 each; the odd 1.00 stays
    assert result.money is not None
    assert result.money.cost == 100.0
    assert result.money.margin == pytest.approx(every.loc[rows["customer_id"]].sum(), abs=1e-3)
    left_out = every.drop(rows["customer_id"]).dropna()
    reached = every.loc[rows["customer_id"]].min()
    free = set(left_out[left_out > reached].index)  # only those whom another rule keeps off
    consent = build(tables, [campaign()], tmp_path / "all", calm()).campaigns[0]
    assert not free & set(listed(tmp_path / "all", "win_back")["customer_id"])
    assert result.excluded["over_budget"] + result.excluded["no_expected_margin"] == consent.listed - 50
    assert (every.loc[rows["customer_id"]] > 2.0).all()


def test_r40_what_is_assumed_is_called_assumed_and_never_uplift(tmp_path: Path) -> None:
    how = calm(campaign_holdout=0.2)
    result = build(valued(), [campaign(cost=COST, budget=80.0)], tmp_path, how).campaigns[0]
    manifest = read_manifest(tmp_path / "win_back" / "as_of=2018-01-01")
    assert manifest is not None
    told = manifest["money"]
    assert told["basis"] == "assumed"
    assert "assumed (a contact keeps 10 % of the value about to be lost)" in told["text"]
    assert "uplift" not in told["text"]
    assert told["cost"] == 80.0
    assert result.listed == 40
    held = margins(valued()).loc[listed(tmp_path, "win_back", "holdout")["customer_id"]]
    assert told["holdout_price"] == pytest.approx((held - 2.0).sum(), abs=1e-3)
    assert "the holdout forgoes" in told["text"]


def test_r40_held_out_people_take_no_money_and_are_cut_where_the_treated_are(tmp_path: Path) -> None:
    tables = valued(800)
    build(tables, [campaign(cost=COST, budget=60.0, holdout=0.5)], tmp_path, calm())
    rows, held = listed(tmp_path, "win_back"), listed(tmp_path, "win_back", "holdout")
    every = margins(tables)
    assert len(rows) == 30
    assert len(held) > 10
    assert every.loc[held["customer_id"]].min() >= every.loc[rows["customer_id"]].min()


def test_r40_a_measured_uplift_takes_the_place_of_the_assumption(tmp_path: Path) -> None:
    tables = valued()
    tables["scores"]["uplift_win_back"] = np.random.default_rng(1).normal(0.05, 0.075, len(tables["scores"]))
    cost = {**COST, "order_margin": 40.0}
    result = build(tables, [campaign(cost=cost, budget=50.0)], tmp_path, calm()).campaigns[0]
    rows = listed(tmp_path, "win_back")["customer_id"]
    uplift = 40.0 * tables["scores"].set_index("customer_id")["uplift_win_back"]
    assert result.money is not None
    assert result.money.basis == "measured"
    assert "by measured uplift" in result.money.text()
    assert uplift.loc[rows].min() > 5.0
    assert result.money.margin == pytest.approx(uplift.loc[rows].sum(), abs=1e-3)


def test_r40_a_measured_share_of_orders_is_no_money_until_an_order_has_a_worth(tmp_path: Path) -> None:
    tables = valued()
    tables["scores"]["uplift_win_back"] = 0.05
    result = build(tables, [campaign(cost=COST, budget=50.0)], tmp_path, calm()).campaigns[0]
    assert result.money is not None
    assert result.money.basis == "assumed"


def test_r40_without_a_value_a_budget_makes_the_campaign_unavailable(tmp_path: Path) -> None:
    told = build(world(), [campaign(cost=COST, budget=50.0)], tmp_path, calm()).campaigns[0]
    assert (told.status, told.listed) == ("unavailable", 0)
    assert "missing for the budget: scores.clv_<horizon>d" in told.reason
    unpriced = build(valued(), [campaign(cost={"contact": 1.0}, budget=50.0)], tmp_path, calm()).campaigns[0]
    assert "cost.assumed_response" in unpriced.reason
    only_cost = build(valued(), [campaign(cost={"contact": 1.0})], tmp_path, calm()).campaigns[0]
    assert only_cost.money is not None
    assert only_cost.listed == only_cost.money.cost > 0
    assert "what it brings is unknown" in only_cost.money.text()


def pair() -> list[Campaign]:
    dear = {"contact": 5.0, "assumed_response": 0.3}
    cheap = {"contact": 0.5, "assumed_response": 0.02}
    vip = [{"column": "scores.clv_historic", "operator": "above", "percentile": 60}]
    return [campaign("letter", priority=1, audience=vip, cost=dear), campaign("mail", priority=2, cost=cheap)]


def test_r40_one_budget_over_campaigns_goes_by_margin_per_cost(tmp_path: Path) -> None:
    tables = valued()
    every = [*pair(), campaign("free", priority=3)]
    report = build(tables, every, tmp_path, calm(budget=300.0))
    letter, mail, free = report.campaigns
    assert letter.money is not None
    assert mail.money is not None
    spent = letter.money.cost + mail.money.cost
    assert 295.0 < spent <= 300.0
    assert letter.listed > 0
    assert mail.listed > 0
    assert abs(letter.money.lowest_worth - mail.money.lowest_worth) < 0.6  # type: ignore[operator]
    assert free.excluded.get("over_budget", 0) == 0
    cut = letter.excluded["over_budget"]
    assert cut > 0
    assert free.listed >= cut  # whoever got no money is free for what costs nothing
    assert any("does not count campaigns without a cost: free" in text for text in report.warnings)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(1, 400), st.integers(0, 2), st.booleans()), min_size=1, max_size=11),
    st.tuples(st.integers(20, 90), st.integers(20, 90), st.integers(20, 90)),
    st.integers(0, 500),
)
def test_r40_the_choice_misses_the_best_one_by_less_than_the_contact_that_did_not_fit(
    embedded: Engine, asked: list[tuple[int, int, bool]], costs: tuple[int, int, int], budget: int
) -> None:
    """Exact optimum over all subsets; where all costs are equal it is reached."""
    people = [
        {
            "customer_id": f"p{i}",
            "arm": "holdout" if held else "treated",
            "margin": costs[place] + gain,
            "place": place,
        }
        for i, (gain, place, held) in enumerate(asked)
    ]
    frame = pd.DataFrame(people)
    for place in range(3):
        embedded.register(f"asked_{place}", frame[frame["place"] == place].drop(columns="place"))
    tables = {place: (f"asked_{place}", cost) for place, cost in enumerate(costs)}
    rows = embedded.fetch(divide_sql(tables, budget / 1_000_000)).merge(frame, on=["customer_id", "place"])
    rows["cost"] = [costs[place] for place in rows["place"]]
    treated = rows[rows["arm"] == "treated"]
    chosen = treated[treated["funded"]]
    net = (chosen["margin"] - chosen["cost"]).sum()
    assert chosen["cost"].sum() <= budget
    items = list(zip(treated["margin"] - treated["cost"], treated["cost"], strict=True))
    best = max(
        sum(gain for gain, _ in subset)
        for size in range(len(items) + 1)
        for subset in itertools.combinations(items, size)
        if sum(cost for _, cost in subset) <= budget
    )
    missed = treated[~treated["funded"]].assign(worth=lambda t: t["margin"] / t["cost"]).nlargest(1, "worth")
    bound = 0 if len(set(costs)) == 1 else (missed["margin"] - missed["cost"]).sum()
    assert best - bound <= net <= best
    worth = rows["margin"] / rows["cost"]
    held = (
        rows["arm"] == "holdout"
    )  # cut no later than where the treated are cut, give or take the one that did not fit
    if len(chosen) and (held & rows["funded"]).any():
        assert (
            worth[held & rows["funded"]].min() >= worth[~rows["funded"] & ~held].max()
            or not (~rows["funded"] & ~held).any()
        )


def test_r40_explain_tells_the_margin_the_cost_and_the_last_one_paid_for(tmp_path: Path) -> None:
    tables, costly = valued(24), campaign(cost=COST, budget=4.0, max_size=9)
    report = build(tables, [costly], tmp_path, calm())
    with engine_with(tables) as engine:
        told = [
            explain_person(engine, [costly], calm(), AS_OF, tmp_path, person).campaigns[0]
            for person in tables["customers"]["customer_id"]
        ]
    for reason in ("over_budget", "over_capacity", "no_expected_margin"):
        assert sum(one.reasons[:1] == (reason,) for one in told) == report.campaigns[0].excluded[reason]
    cut = next(one for one in told if one.reasons == ("over_budget",))
    assert cut.text == "qualifies, but the money went to people who bring more for it"
    numbers = cut.numbers
    assert numbers["cost_of_a_contact"] == 2.0
    assert numbers["margin_per_cost"] == pytest.approx(numbers["expected_margin_assumed"] / 2.0)
    assert numbers["margin_per_cost"] <= numbers["margin_per_cost_of_the_last_listed"]


def test_r40_reruns_and_row_order_change_no_byte(tmp_path: Path) -> None:
    tables = valued()
    shuffled = {name: frame.sample(frac=1, random_state=2) for name, frame in tables.items()}
    how = calm(budget=200.0, campaign_holdout=0.1)
    build(tables, pair(), tmp_path / "one", how)
    build(shuffled, pair()[::-1], tmp_path / "two", how)
    files = sorted(file.relative_to(tmp_path / "one") for file in (tmp_path / "one").rglob("*.*"))
    files = [file for file in files if (tmp_path / "one" / file).is_file()]
    assert len(files) == 10
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"budget": 100}, "a budget needs the `cost`"),
        ({"cost": COST, "budget": 0}, "greater than 0"),
        ({"cost": {"contact": 1, "offer": 5}}, r"say which share take it \(redemption\)"),
        ({"cost": {"contact": 0}}, "leave it out"),
        ({"cost": {"contact": -1}}, "greater than or equal to 0"),
        ({"cost": {"contact": 1, "assumed_response": 5}}, "less than or equal to 1"),
        ({"cost": COST, "purpose": "ads_sharing"}, "contacts nobody"),
    ],
)
def test_each_mistake_about_money_is_explained(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        campaign(**change)


def test_a_budget_of_nothing_for_a_run_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        ListSettings(budget=0)


def test_the_definition_hash_of_a_campaign_without_money_is_what_it_was() -> None:
    assert campaign().definition_hash == "9f6678f65cc7824a"
    assert campaign(cost=COST).definition_hash != campaign().definition_hash
    assert CampaignCost.model_validate(COST).per_contact == 2.0
