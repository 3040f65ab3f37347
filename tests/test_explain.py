"""One person explained: the same verdict as the lists, every rule, every number (R50, R52, R56)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from campaign_world import AS_OF, anybody, campaign, engine_with, list_settings, listed, world
from segml.campaigns.explain import PersonExplained, explain_person
from segml.campaigns.lists import build_lists
from segml.cli import main
from test_campaigns_lists import three
from test_cli import Shop, one_order_each, shop

__all__ = ["shop"]


def explained(tables: dict[str, pd.DataFrame], folder: Path, *people: str) -> list[PersonExplained]:
    with engine_with(tables) as engine:
        return [explain_person(engine, three(), list_settings(), AS_OF, folder, p) for p in people]


def test_everybody_is_explained_as_the_lists_were_built(tmp_path: Path) -> None:
    tables = world(60)
    with engine_with(tables) as engine:
        report = build_lists(engine, three(), list_settings(), AS_OF, "run", tmp_path)
    people = tables["customers"]["customer_id"].tolist()
    told = [
        (c.campaign.name, c.outcome, c.reasons[:1])
        for p in explained(tables, tmp_path, *people)
        for c in p.campaigns
    ]
    counts = pd.Series(told).value_counts().to_dict()
    for result in report.campaigns:
        name = result.campaign.name
        assert counts.get((name, "listed", ()), 0) == result.listed
        assert counts.get((name, "held_out", ()), 0) == result.held_out
        for reason, number in result.excluded.items():
            assert counts.get((name, "excluded", (reason,)), 0) == number, reason


def test_a_listed_person_sees_the_value_the_threshold_and_the_place(tmp_path: Path) -> None:
    tables = world(200)
    with engine_with(tables) as engine:
        build_lists(engine, three(), list_settings(), AS_OF, "run", tmp_path)
    first = listed(tmp_path, "vip")["customer_id"].iloc[0]
    (person,) = explained(tables, tmp_path, first)
    vip = person.campaigns[0]
    assert (vip.outcome, vip.text) == ("listed", "on the list, place 1")
    value = tables["scores"].set_index("customer_id")["clv_historic"][first]
    assert vip.conditions[0].holds
    assert float(vip.conditions[0].value) == value == vip.numbers["score"]
    assert "percentile 80 of buyers" in vip.conditions[0].criterion
    assert [c.reasons[-1] for c in person.campaigns[1:]] == ["on_another_list"] * 2
    assert person.contacts["contacts in 7 days"].endswith("of at most 2")


def test_a_full_list_is_told_with_the_score_of_the_last_one_on_it(tmp_path: Path) -> None:
    tables, small = world(100), campaign("rest", max_size=5, holdout=0.0)
    with engine_with(tables) as engine:
        build_lists(engine, [small], anybody(), AS_OF, "run", tmp_path)
        people = [
            explain_person(engine, [small], anybody(), AS_OF, tmp_path, f"p{i:05d}").campaigns[0]
            for i in range(30)
        ]
    full = [person for person in people if person.reasons == ("over_capacity",)]
    last = listed(tmp_path, "rest")["score"].min()
    assert full
    assert all(
        person.numbers["score"] <= last == person.numbers["score_of_the_last_listed"] for person in full
    )


def test_an_id_nobody_has_is_told_as_unknown(tmp_path: Path) -> None:
    (person,) = explained(world(30), tmp_path, "nobody' or 1=1")
    assert not person.known


def test_the_command_explains_one_customer_and_names_near_ids(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    config = shop(one_order_each())
    assert main(["run", str(config), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["explain", str(config), "c17", "--quiet"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "hello_again" in said
    assert "features.repeat_orders at most 0: 0" in said
    assert "held out below 1,000" in said
    assert main(["explain", str(config), "c17x", "--quiet"]) == 3
    error = " ".join(capsys.readouterr().err.split())
    assert "no customer 'c17x'" in error
    assert "c17," in error
