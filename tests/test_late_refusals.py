"""R85: what takes away is read to the end of every log, whatever the day of the lists; what gives is as of that day."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from campaign_world import AS_OF, Tables, anybody, campaign, day, engine_with, list_settings, world
from segml.campaigns.explain import explain_person
from segml.campaigns.export import ListExport
from segml.campaigns.export.tables import export_lists
from segml.campaigns.lists import build_lists
from segml.config import ContactCap, ListSettings

LATER = {"same second": 0, "a second after": 1, "three days after": 3 * 86_400, "a year after": 365 * 86_400}
BUYERS = ["p00001", "p00002", "p00003", "p00004"]


def _shop(**logs: pd.DataFrame) -> Tables:
    tables = {
        name: table for name, table in world().items() if name in ("features", "scores", "customers", "tags")
    }
    tables["features"] = tables["features"].assign(orders_total=5.0)
    return tables | logs


def _listed(tables: Tables, folder: Path, how: ListSettings) -> tuple[set[str], dict[str, int], str]:
    with engine_with(tables) as engine:
        report = build_lists(engine, [campaign(holdout=0)], how, AS_OF, "run", folder)
    rows = pd.read_parquet(folder / "win_back" / f"as_of={AS_OF.label}" / "list.parquet")
    return set(rows["customer_id"]), report.campaigns[0].excluded, " ".join(report.warnings)


def _events(kind: str, moment: int) -> pd.DataFrame:
    rows = pd.DataFrame({"customer_id": BUYERS, "event": kind, "occurred_at": moment})
    return rows.assign(campaign_id="news", channel="email")


@pytest.mark.parametrize("after", LATER.values(), ids=LATER)
@pytest.mark.parametrize("kind", ["unsubscribe", "complaint", "bounce", "hard_bounce"])
def test_r85_refusing_events_after_the_day_keep_out(kind: str, after: int, tmp_path: Path) -> None:
    how = anybody(global_holdout=0, quiet_days=0)
    everybody, _, _ = _listed(_shop(), tmp_path / "before", how)
    listed, excluded, told = _listed(
        _shop(email_events=_events(kind, day(0, after))), tmp_path / "after", how
    )
    assert listed == everybody - set(BUYERS)
    assert excluded == {"no_consent": 4}
    assert f"on or after {AS_OF.label}" in told
    assert "(4 customers)" in told


@pytest.mark.parametrize("after", LATER.values(), ids=LATER)
@pytest.mark.parametrize("purpose", ["marketing", "profiling"])
def test_r85_withdrawals_after_the_day_keep_out_and_consents_do_not_let_in(
    purpose: str, after: int, tmp_path: Path
) -> None:
    ids = world()["customers"]["customer_id"].tolist()
    given = pd.DataFrame({"customer_id": ids, "changed_at": day(9), "granted": True})
    given = given[given["customer_id"] != "p00009"].assign(purpose="marketing", channel="email")
    late = pd.DataFrame({"customer_id": [*BUYERS, "p00009"], "changed_at": day(0, after)})
    late = late.assign(granted=[False] * 4 + [True], purpose=[purpose] * 4 + ["marketing"], channel="email")
    how = list_settings(global_holdout=0)
    listed, excluded, told = _listed(_shop(consents=pd.concat([given, late])), tmp_path, how)
    assert listed == set(ids) - {*BUYERS, "p00009"}
    assert sum(excluded.values()) == 5
    assert ("objections to profiling" in told) == (purpose == "profiling")


def test_r85_a_late_contact_counts_against_the_cap(tmp_path: Path) -> None:
    how = anybody(global_holdout=0, caps=(ContactCap(contacts=1, days=7),))
    listed, excluded, told = _listed(_shop(email_events=_events("sent", day(0, 1))), tmp_path, how)
    assert not listed & set(BUYERS)
    assert excluded == {"contact_cap": 4}
    assert "4 contacts that count against a cap" in told


@pytest.mark.parametrize(("kind", "out"), [("delivered", 0), ("soft_bounce", 4), ("sent", 4)])
def test_r85_a_hard_bounce_stands_until_something_arrives(kind: str, out: int, tmp_path: Path) -> None:
    log = pd.concat([_events("bounce", day(9)), _events(kind, day(8))])
    _, excluded, _ = _listed(_shop(email_events=log), tmp_path, anybody(global_holdout=0))
    assert excluded.get("no_consent", 0) == out


def test_r85_an_arrival_after_the_day_does_not_lift_a_bounce(tmp_path: Path) -> None:
    log = pd.concat([_events("bounce", day(9)), _events("delivered", day(0, 5))])
    _, excluded, _ = _listed(_shop(email_events=log), tmp_path, anybody(global_holdout=0))
    assert excluded == {"no_consent": 4}


def test_r85_late_refusals_keep_out_of_files_for_platforms(tmp_path: Path) -> None:
    tables = _shop(email_events=_events("unsubscribe", day(-2)))
    emails = tables["customers"]["customer_id"] + "@shop.example"
    # one address under two numbers: it withdrew under one of them
    tables["customers"] = tables["customers"].assign(
        email=emails.replace("p00008@shop.example", "p00001@shop.example")
    )
    how = anybody(global_holdout=0)
    place = tmp_path / "win_back" / f"as_of={AS_OF.label}"
    export = ListExport(
        platform="klaviyo", consent={"required": False, "basis": "customers"}, minimum_people=1
    )
    with engine_with(tables) as engine:
        build_lists(engine, [campaign(holdout=0)], how, AS_OF, "run", tmp_path)
        (result,) = export_lists(engine, {place: [export]}, AS_OF, tmp_path)[place]
    assert result.left_out == {"address_withdrawn": 1}
    written = " ".join(file.read_text() for file in (place / "klaviyo").glob("*.csv"))
    assert not [person for person in [*BUYERS, "p00008"] if f"{person}@" in written]
    assert written.count("@shop.example") == 595


def test_r85_explain_tells_a_late_refusal_with_its_date(tmp_path: Path) -> None:
    tables = _shop(email_events=_events("unsubscribe", day(-2)))
    how = anybody(global_holdout=0)
    with engine_with(tables) as engine:
        build_lists(engine, [campaign(holdout=0)], how, AS_OF, "run", tmp_path)
        person = explain_person(engine, [campaign(holdout=0)], how, AS_OF, tmp_path, BUYERS[0])
    assert person.campaigns[0].reasons[0] == "no_consent"
    assert person.consents.to_dict("records") == [
        {
            "channel": "email",
            "purpose": "marketing",
            "granted": False,
            "since": "2018-01-03",
            "source": "unsubscribe",
        }
    ]


@pytest.mark.slow
def test_r85_two_million_customers_and_late_refusals(tmp_path: Path) -> None:
    people, refused = 2_000_000, 40_000
    ids = pd.Series(np.arange(people)).astype(str).str.zfill(9)
    draw = np.random.default_rng(0)
    moments = draw.integers(day(1), day(-3), refused)
    kinds = np.array(["unsubscribe", "complaint", "hard_bounce", "withdrawal", "objection"])[
        np.arange(refused) % 5
    ]
    who = ids.to_numpy()[:refused]
    event = np.isin(kinds, ["unsubscribe", "complaint", "hard_bounce"])
    events = pd.DataFrame({"customer_id": who[event], "event": kinds[event], "occurred_at": moments[event]})
    given = pd.DataFrame({"customer_id": ids, "changed_at": day(30), "purpose": "marketing", "granted": True})
    taken = pd.DataFrame({"customer_id": who[~event], "changed_at": moments[~event], "granted": False})
    taken["purpose"] = np.where(kinds[~event] == "objection", "profiling", "marketing")
    tables = {
        "features": pd.DataFrame({"customer_id": ids, "orders_total": 2.0, "spend_total": 9.0}),
        "scores": pd.DataFrame({"customer_id": ids, "clv_historic": draw.random(people)}),
        "customers": pd.DataFrame({"customer_id": ids, "email": ids + "@shop.example"}),
        "consents": pd.concat([given, taken]).assign(channel="email"),
        "email_events": events.assign(campaign_id="news", channel="email"),
    }
    place = tmp_path / "win_back" / f"as_of={AS_OF.label}"
    with engine_with(tables) as engine:
        build_lists(engine, [campaign(holdout=0)], list_settings(global_holdout=0), AS_OF, "run", tmp_path)
        export_lists(engine, {place: [ListExport(platform="klaviyo")]}, AS_OF, tmp_path)
    listed = pd.read_parquet(place / "list.parquet", columns=["customer_id"])["customer_id"]
    exported = pd.concat(pd.read_csv(file, usecols=["Email"]) for file in (place / "klaviyo").glob("*.csv"))
    assert len(listed) == len(exported) == people - refused
    assert not listed.isin(who).any()
    assert not exported["Email"].str.removesuffix("@shop.example").isin(who).any()
