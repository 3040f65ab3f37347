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
from segml.campaigns.triggers import Trigger, events_sql
from segml.config import validated
from segml.errors import ConfigurationError
from segml.scoring.tag_sources import coupon_sql
from segml.time_windows import Cutoff

Tables = dict[str, pd.DataFrame]
PEOPLE = ["ann", "bo", "cy", "di"]


def triggered(event: str, **changes: Any) -> Campaign:
    settings = ("days", "within_days", "of", "times", "look_days", "points")
    keys = {name: changes.pop(name) for name in settings if name in changes}
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


def test_r51_an_event_answered_under_an_older_id_is_answered(tmp_path: Path) -> None:
    what = triggered("first_purchase", within_days=30)
    assert run(shop(), what, tmp_path).listed == 2
    assert on(tmp_path) == ["ann", "cy"]
    merged = pd.DataFrame({"customer_id": ["ann"], "person_id": ["di"]})
    today = shop(identity=merged, orders=orders(("di", 3), ("cy", 30)))
    assert run(today, what, tmp_path, AS_OF.plus_days(1)).listed == 0


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
    for event, words in (
        ("unused_coupon", "table coupons"),
        ("open_cart", "web_events.event"),
        ("browsed", "web_events.event"),
        ("near_next_tier", "loyalty.tiers"),
    ):
        result = run(shop(), triggered(event), tmp_path)
        assert result.status == "unavailable"
        assert words in result.reason
    with pytest.raises(ConfigurationError, match="or a trigger"):
        validated(Campaign, campaign().model_dump() | {"audience": ()}, "a campaign")


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ({"event": "unused_coupons"}, "did you mean 'unused_coupon'"),
        ({"event": "expiring_coupon"}, "`days` is negative, -7 for a week, got 0"),
        ({"event": "browsed", "days": -2}, "nobody knows of browsed before it happens"),
        ({"event": "birthday", "days": -60}, "at most 31 days ahead"),
        ({"event": "browsed", "time": 3}, "did you mean 'times'"),
    ],
)
def test_r51_a_wrong_trigger_is_told_with_the_nearest_name(trigger: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        validated(Campaign, {**campaign().model_dump(), "trigger": trigger}, "a campaign")
    assert said in str(caught.value)


def looks(*rows: tuple[str, float, str]) -> Tables:
    frame = pd.DataFrame([(p, day(0) - int(d * 86_400), c) for p, d, c in rows])
    frame.columns = ["customer_id", "occurred_at", "category"]
    return {"web_events": frame.assign(event="view", customer_key=frame["customer_id"].map(PEOPLE.index))}


def test_r51_browsed_often_and_not_bought_since(tmp_path: Path) -> None:
    viewed = looks(
        *[("ann", d, "wine") for d in (2, 1)],
        *[("bo", d, "wine") for d in (6, 4)],  # an order 5 days ago: one look since
        *[("cy", d, "wine") for d in (3, 2)],
        *[("di", d, "toys") for d in (40, 2)],  # one of them too long ago
    )
    run(shop(**viewed), triggered("browsed"), tmp_path)
    assert on(tmp_path) == ["ann", "cy"]
    lines = pd.DataFrame(
        {
            "customer_key": [1, 2],
            "category": ["toys", "wine"],
            "ordered_at": [day(5), day(1)],
            "product_id": "p",
        }
    )
    run(shop(**viewed, order_lines=lines), triggered("browsed"), tmp_path / "lines")
    assert on(tmp_path / "lines") == ["ann", "bo"]  # bo bought something else, cy bought wine since
    more = looks(*[("ann", d, "wine") for d in (2, 1, -1, -2)])  # goes on looking: the same occasion
    assert run(shop(**more), triggered("browsed"), tmp_path, AS_OF.plus_days(3)).listed == 0


def coupons(*rows: tuple[str, str, int, int, int | None]) -> pd.DataFrame:
    columns = ["customer_id", "coupon_id", "issued_at", "expires_at", "redeemed_at"]
    frame = pd.DataFrame([(p, c, day(i), day(e), None if r is None else day(r)) for p, c, i, e, r in rows])
    frame.columns = columns
    return frame.astype({"redeemed_at": "Int64"})


def test_r51_coupons_that_were_not_used_are_told_of_after_a_while_and_before_they_end(tmp_path: Path) -> None:
    given = coupons(
        ("ann", "k1", 10, -4, None),
        ("bo", "k1", 10, -20, 3),  # used
        ("cy", "k1", 10, -20, -2),  # used only later
        ("di", "k2", 10, 1, None),  # ended
    )
    tables = shop(coupons=given)
    run(tables, triggered("unused_coupon", days=7), tmp_path)
    assert on(tmp_path) == ["ann", "cy"]
    before_the_end = triggered("expiring_coupon", days=-7)
    run(tables, before_the_end, tmp_path / "ending")
    assert on(tmp_path / "ending") == ["ann"]
    for days in (0, 1, 3):
        again = run(tables, before_the_end, tmp_path / "ending", AS_OF.plus_days(days))
        assert again.listed == (1 if days == 0 else 0)


def test_r51_points_that_lapse_and_the_next_tier_within_reach(tmp_path: Path) -> None:
    lapse = pd.array([day(-5), day(-40), None, day(-6)], dtype="Int64")
    points = pd.DataFrame(
        {
            "customer_id": PEOPLE,
            "next_lapse_at": lapse,
            "next_tier": ["silver", "silver", None, "gold"],
            "points_to_next_tier": [90.0, 101.0, None, 20.0],
            "period_left_days": 100.0,
        }
    )
    tables = shop(loyalty=points)
    run(tables, triggered("points_expiring", days=-30), tmp_path)
    assert on(tmp_path) == ["ann", "di"]
    near = triggered("near_next_tier", points=100)
    run(tables, near, tmp_path / "near")
    assert on(tmp_path / "near") == ["ann", "di"]
    later = tables | {"loyalty": points.assign(period_left_days=90.0)}
    assert run(later, near, tmp_path / "near", AS_OF.plus_days(10)).listed == 0  # the same tier and period
    risen = tables | {"loyalty": points.assign(next_tier="gold", period_left_days=90.0)}
    run(risen, near, tmp_path / "near", AS_OF.plus_days(10))
    assert on(tmp_path / "near", AS_OF.plus_days(10)) == ["ann"]


@pytest.mark.parametrize("event", ["browsed", "unused_coupon", "expiring_coupon"])
def test_r02_what_happens_at_or_after_the_day_triggers_nothing(tmp_path: Path, event: str) -> None:
    keys = {"days": -30} if event == "expiring_coupon" else {"times": 1} if event == "browsed" else {}
    future = shop(**looks(("ann", 0, "wine")), coupons=coupons(("ann", "k", 0, -5, None)))
    assert run(future, triggered(event, **keys), tmp_path).listed == 0


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


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_r51_both_engines_see_the_same_occasions_and_coupons() -> None:
    from segml.engine.spark import SparkEngine

    tables = shop(
        **looks(*[(p, d, c) for p in PEOPLE for d in (1, 2, 9) for c in ("wine", "toys")]),
        coupons=coupons(("ann", "k1", 10, -4, None), ("bo", "k1", 10, -20, 3), ("cy", "k1", 10, -20, -2)),
        order_lines=pd.DataFrame(
            {"customer_key": [1, 2], "category": ["toys", "wine"], "ordered_at": [day(5), day(1)]}
        ),
        loyalty=pd.DataFrame(
            {
                "customer_id": PEOPLE,
                "next_lapse_at": [day(-5), day(-40), day(-8), day(-6)],
                "next_tier": ["silver", "silver", "gold", "gold"],
                "points_to_next_tier": [90.0, 101.0, 7.0, 20.0],
                "period_left_days": 100.0,
            }
        ),
    )
    asked = [
        Trigger.model_validate({"event": event, "days": days})
        for event, days in (
            ("browsed", 0),
            ("unused_coupon", 7),
            ("expiring_coupon", -9),
            ("points_expiring", -30),
            ("near_next_tier", 0),
        )
    ]
    with engine_with(tables) as duck, SparkEngine({"spark.master": "local[1]"}) as spark:
        for name, frame in tables.items():
            spark.register(name, frame)
        for trigger in asked:
            found = [
                engine.fetch(f"select * from ({events_sql(engine, trigger, AS_OF)}) e order by 1, 2, 3")
                for engine in (duck, spark)
            ]
            assert len(found[0])
            columns = sorted(found[0].columns)
            pd.testing.assert_frame_equal(found[0][columns], found[1][columns], check_dtype=False)
        states = [
            engine.fetch(
                f"select * from ({coupon_sql(AS_OF, engine.columns('coupons'))}) s order by customer_id"
            )
            for engine in (duck, spark)
        ]
        pd.testing.assert_frame_equal(states[0], states[1], check_dtype=False)
