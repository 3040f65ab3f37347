"""R51: each event is answered once, however often the job runs; leap days have birthdays; missing tables are said."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from campaign_world import AS_OF, anybody, campaign, day, engine_with, listed, world
from segml.campaigns.catalogue import Campaign
from segml.campaigns.explain import explain_person
from segml.campaigns.lists import build_lists
from segml.campaigns.results import CampaignResult
from segml.config import validated
from segml.errors import ConfigurationError
from segml.time_windows import Cutoff

Tables = dict[str, pd.DataFrame]
PEOPLE = ["ann", "bo", "cy", "di"]


def triggered(event: str, **changes: Any) -> Campaign:
    keys = {name: changes.pop(name) for name in ("days", "within_days") if name in changes}
    return campaign("hello", audience=[], trigger={"event": event, **keys}, holdout=0.0, **changes)


def shop(**tables: pd.DataFrame) -> Tables:
    base: Tables = {
        "customers": pd.DataFrame({"customer_id": PEOPLE}),
        "scores": pd.DataFrame({"customer_id": PEOPLE, "clv_historic": [4.0, 3.0, 2.0, 1.0]}),
        "orders": orders(("ann", 3), ("bo", 100), ("bo", 5), ("cy", 30)),
    }
    return base | tables


def orders(*rows: tuple[str, int]) -> pd.DataFrame:
    frame = pd.DataFrame([(p, day(d)) for p, d in rows], columns=["customer_id", "ordered_at"])
    frame = frame.sort_values(["customer_id", "ordered_at"])
    return frame.assign(order_no=frame.groupby("customer_id").cumcount() + 1)


def run(tables: Tables, what: Campaign, folder: Path, as_of: Cutoff = AS_OF) -> CampaignResult:
    with engine_with(tables) as engine:
        return build_lists(
            engine, [what], anybody(caps=(), quiet_days=0, minimum_list=20), as_of, "run", folder
        ).campaigns[0]


def on(folder: Path, as_of: Cutoff = AS_OF) -> list[str]:
    return sorted(listed(folder, "hello", as_of=as_of)["customer_id"])


def events(event: str, *rows: tuple[str, int, str]) -> Tables:
    name, moment = {
        "return": ("returns", "returned_at"),
        "support_contact": ("support_tickets", "opened_at"),
        "open_cart": ("web_events", "occurred_at"),
    }[event]
    frame = pd.DataFrame([(p, day(d), kind) for p, d, kind in rows], columns=["customer_id", moment, "event"])
    return {name: frame.assign(ticket_id=[f"t{i}" for i in range(len(frame))])}


def test_r51_first_purchase_waits_its_days_and_lapses(tmp_path: Path) -> None:
    run(shop(), triggered("first_purchase"), tmp_path)
    assert on(tmp_path) == ["ann"]
    run(shop(), triggered("first_purchase", days=25), tmp_path / "later")
    assert on(tmp_path / "later") == ["cy"]


def test_r51_day_n_after_the_last_purchase(tmp_path: Path) -> None:
    run(shop(), triggered("days_after_purchase", days=5, within_days=1), tmp_path)
    assert on(tmp_path) == ["bo"]


@pytest.mark.parametrize("event", ["return", "support_contact"])
def test_r51_returns_and_tickets(tmp_path: Path, event: str) -> None:
    tables = shop(**events(event, ("di", 2, ""), ("cy", 40, "")))
    run(tables, triggered(event), tmp_path)
    assert on(tmp_path) == ["di"]


def test_r51_a_cart_is_open_until_an_order_a_checkout_or_emptying(tmp_path: Path) -> None:
    carts = events(
        "open_cart",
        ("ann", 4, "cart_add"),  # ordered since
        ("bo", 2, "cart_add"),
        ("cy", 3, "cart_add"),
        ("cy", 2, "checkout"),
        ("di", 1, "cart_add"),
    )
    run(shop(**carts), triggered("open_cart"), tmp_path)
    assert on(tmp_path) == ["bo", "di"]


def test_r51_slipping_is_asked_once_a_silence(tmp_path: Path) -> None:
    tags = pd.DataFrame(
        {"customer_id": ["cy"], "family": "lifecycle", "tag": "activity", "value": "slipping"}
    )
    tables = shop(tags=tags)
    run(tables, triggered("slipping"), tmp_path)
    assert on(tmp_path) == ["cy"]
    later = AS_OF.plus_days(20)
    result = run(tables, triggered("slipping"), tmp_path, later)
    assert (result.listed, result.status) == (0, "refused")
    tables["orders"] = orders(("cy", 30), ("cy", -5))  # bought again, and silent again
    run(tables, triggered("slipping"), tmp_path, AS_OF.plus_days(40))
    assert on(tmp_path, AS_OF.plus_days(40)) == ["cy"]


def test_r51_once_per_event_however_often_it_is_run(tmp_path: Path) -> None:
    what = triggered("first_purchase", within_days=30)
    run(shop(), what, tmp_path)
    first = {f.name: f.read_bytes() for f in (tmp_path / "hello" / "as_of=2018-01-01").iterdir()}
    run(shop(), what, tmp_path)
    again = {f.name: f.read_bytes() for f in (tmp_path / "hello" / "as_of=2018-01-01").iterdir()}
    assert first == again
    for days in (1, 2, 9):
        assert run(shop(), what, tmp_path, AS_OF.plus_days(days)).listed == 0


def test_r51_held_out_people_are_not_asked_the_next_day(tmp_path: Path) -> None:
    tables = world(400)
    tables["orders"] = pd.DataFrame(
        {"customer_id": tables["customers"]["customer_id"], "ordered_at": day(2), "order_no": 1}
    )
    what = campaign("hello", audience=[], trigger={"event": "first_purchase"}, holdout=0.3)
    result = run(tables, what, tmp_path)
    assert result.held_out > 50
    with engine_with(tables) as engine:
        build_lists(engine, [what], anybody(caps=()), AS_OF.plus_days(1), "run", tmp_path)
    asked = {*listed(tmp_path, "hello")["customer_id"], *listed(tmp_path, "hello", "holdout")["customer_id"]}
    for file in ("list", "holdout"):
        assert asked.isdisjoint(listed(tmp_path, "hello", file, AS_OF.plus_days(1))["customer_id"])


@pytest.mark.parametrize(
    ("as_of", "born", "has_it"),
    [
        ("2018-02-28", "1992-02-29", True),
        ("2020-02-28", "1992-02-29", False),
        ("2020-02-29", "1992-02-29", True),
        ("2018-03-01", "1992-02-29", False),
        ("2018-03-01", "1960-03-01", True),
        ("2018-01-01", "1990-01-01", True),
        ("2018-01-01", "1990-01-02", False),
    ],
)
def test_r51_birthdays_29_february_too(tmp_path: Path, as_of: str, born: str, has_it: bool) -> None:
    stored = (date.fromisoformat(born) - date(1970, 1, 1)).days
    tables = shop(customers=pd.DataFrame({"customer_id": PEOPLE, "birth_date": [stored, None, None, None]}))
    result = run(tables, triggered("birthday", within_days=1), tmp_path, Cutoff.parse(as_of))
    assert result.listed == int(has_it)


def test_r51_a_birthday_comes_again_next_year(tmp_path: Path) -> None:
    stored = (date(1990, 1, 1) - date(1970, 1, 1)).days
    tables = shop(customers=pd.DataFrame({"customer_id": PEOPLE, "birth_date": [stored, None, None, None]}))
    listed_on = [
        day_of
        for day_of in ("2018-01-01", "2018-01-02", "2018-01-05", "2019-01-01")
        if run(tables, triggered("birthday"), tmp_path, Cutoff.parse(day_of)).listed
    ]
    assert listed_on == ["2018-01-01", "2019-01-01"]


def test_r51_what_the_data_do_not_allow_is_said(tmp_path: Path) -> None:
    for event, words in (("unused_coupon", "coupons that were issued"), ("open_cart", "web_events.event")):
        result = run(shop(), triggered(event), tmp_path)
        assert result.status == "unavailable"
        assert words in result.reason
    with pytest.raises(ConfigurationError, match="or a trigger"):
        validated(Campaign, campaign().model_dump() | {"audience": ()}, "a campaign")


def test_r51_a_trigger_is_explained(tmp_path: Path) -> None:
    what = triggered("first_purchase")
    run(shop(), what, tmp_path)
    with engine_with(shop()) as engine:
        told = [
            explain_person(engine, [what], anybody(), AS_OF, tmp_path, p).campaigns[0] for p in ("ann", "cy")
        ]
    assert [each.outcome for each in told] == ["listed", "excluded"]
    assert told[0].conditions[-1].value == "first, 2017-12-29"
    assert told[1].conditions[-1].value == "no event due, or answered before"
