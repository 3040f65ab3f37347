"""Country rules, suppression and retention (R56): whom no campaign reaches, and why, counted beside every list."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from campaign_world import AS_OF, anybody, campaign, day, engine_with, listed, world
from segml.campaigns.explain import explain_person
from segml.campaigns.lists import build_lists
from segml.campaigns.results import ListsReport
from segml.campaigns.suppressions import read_suppressions
from segml.config import ListSettings, load_config
from segml.errors import ConfigurationError, DataError
from segml.pipelines.base import open_base
from segml.pipelines.lists import register_suppressions
from segml.pipelines.narration import Silent
from test_cli import CONFIGURATION, Shop, one_order_each, shop

__all__ = ["shop"]
Tables = dict[str, pd.DataFrame]
CALM: dict[str, Any] = {"caps": [], "quiet_days": 0, "global_holdout": 0, "campaign_holdout": 0}


def build(tables: Tables, folder: Path, how: ListSettings, **changes: Any) -> ListsReport:
    with engine_with(tables) as engine:
        return build_lists(engine, [campaign(**changes)], how, AS_OF, "run", folder)


def base(countries: list[str | None], **columns: list[Any]) -> Tables:
    """Return people who all bought once, of the given countries."""
    ids = [f"c{i}" for i in range(len(countries))]
    features = pd.DataFrame({"customer_id": ids, "orders_total": 1.0, "recency_days": 5.0})
    customers = pd.DataFrame({"customer_id": ids, "country": countries, **columns})
    return {
        "features": features,
        "customers": customers,
        "scores": features[["customer_id"]].assign(clv_historic=1.0),
    }


def kept(folder: Path) -> set[str]:
    return set(listed(folder, "win_back")["customer_id"])


def test_r56_a_channel_that_a_country_does_not_allow_is_not_used_there(tmp_path: Path) -> None:
    people = base(["DK", "Deutschland", "de", "SE", None, "Atlantis"])
    how = anybody(**CALM, countries={"DE": {"not_allowed": ["sms"]}})
    report = build(people, tmp_path / "sms", how, channel="sms")
    assert kept(tmp_path / "sms") == {"c0", "c3"}
    assert report.campaigns[0].excluded == {"unknown_country": 2, "channel_not_allowed": 2}
    build(people, tmp_path / "email", how)
    assert kept(tmp_path / "email") == {"c0", "c1", "c2", "c3"}
    home = anybody(**CALM, countries={"DE": {"not_allowed": ["sms"]}}, unknown_country="DK")
    build(people, tmp_path / "home", home, channel="sms")
    assert kept(tmp_path / "home") == {"c0", "c3", "c4", "c5"}


def test_r56_the_minimum_age_counts_birthdays_and_an_unknown_age_is_too_young(tmp_path: Path) -> None:
    born = ["2000-01-01", "2000-01-02", "1950-05-05", None]
    epoch = dt.date(1970, 1, 1)
    days = [None if one is None else (dt.date.fromisoformat(one) - epoch).days for one in born]
    people = base(["DK"] * 4, birth_date=days)
    how = anybody(**CALM, countries={"DK": {"minimum_age": 18}})  # the lists are of 1 January 2018
    report = build(people, tmp_path, how)
    assert kept(tmp_path) == {"c0", "c2"}
    assert report.campaigns[0].excluded == {"under_minimum_age": 2}


def test_r56_double_opt_in_takes_a_second_step_after_the_last_withdrawal(tmp_path: Path) -> None:
    people = base(["DE"] * 5 + ["DK"])
    log = [
        ("c0", 9, True, True),
        ("c1", 9, True, False),  # never confirmed
        ("c2", 9, True, True), ("c2", 8, False, False), ("c2", 7, True, False),  # withdrawn, and not confirmed since
        ("c3", 9, True, True), ("c3", 8, True, False),  # the second step holds
        ("c4", 9, True, True), ("c4", 8, False, False), ("c4", 7, True, True),
        ("c5", 9, True, False),
    ]  # fmt: skip
    rows = pd.DataFrame(log, columns=["customer_id", "back", "granted", "confirmed"])
    rows["changed_at"] = [day(back) for back in rows.pop("back")]
    people["consents"] = rows.assign(channel="email", purpose="marketing")
    how = ListSettings(**CALM, minimum_list=1, countries={"DE": {"double_opt_in": ["email"]}})
    report = build(people, tmp_path, how)
    assert kept(tmp_path) == {"c0", "c3", "c4", "c5"}
    assert report.campaigns[0].excluded == {"no_double_opt_in": 2}
    people["consents"] = people["consents"].drop(columns="confirmed")
    told = build(people, tmp_path, how)
    assert kept(tmp_path) == {"c5"}
    assert any("no column `confirmed`" in warning for warning in told.warnings)


def test_r56_people_without_a_sign_of_life_for_so_long_are_out(tmp_path: Path) -> None:
    people = base(["DK"] * 6)
    people["orders"] = pd.DataFrame({"customer_id": ["c0", "c1"], "ordered_at": [day(1000), day(90)]})
    events = [("c2", day(90), "click"), ("c3", day(90), "sent"), ("c4", day(90), "machine_open")]
    events += [("c4", day(-1), "click"), ("c5", day(400), "open")]  # the future is not known
    people["email_events"] = pd.DataFrame(events, columns=["customer_id", "occurred_at", "event"])
    report = build(people, tmp_path, anybody(**CALM, retention_days=365))
    assert kept(tmp_path) == {"c1", "c2"}
    assert report.campaigns[0].excluded == {"retention": 4}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_r56_suppressions_name_people_by_id_address_or_hash(tmp_path: Path) -> None:
    emails = ["a@x.dk", "B@x.dk ", "b@x.dk", "d@x.dk", None, "f@x.dk"]
    phones = [None, None, None, "20 12 34 56", "+4520123456", "+4520123457"]
    people = base(["DK"] * 6, email=emails, phone=phones)
    customers = tmp_path / "customers.parquet"
    people["customers"].to_parquet(customers)
    (tmp_path / "a.csv").write_text(
        f"customer_id,email_sha256,phone_sha256,reason\nc0,,,asked\n,{sha('b@x.dk').upper()},,bounced\n"
        f",,{sha('+4520123456')},\nnobody,,,asked\n"
    )
    (tmp_path / "b.csv").write_text("email\n F@X.dk\n")
    found = read_suppressions([tmp_path / "a.csv", tmp_path / "b.csv"], customers)
    reasons = dict(zip(*found.people.to_pydict().values(), strict=True))
    unsaid = "unspecified"
    assert reasons == {
        "c0": "asked",
        "c1": "bounced",
        "c2": "bounced",
        "c3": unsaid,
        "c4": unsaid,
        "c5": unsaid,
    }
    assert (found.entries, found.unmatched) == (5, 1)
    people["suppressions"] = found.people.to_pandas().head(4)
    report = build(people, tmp_path / "lists", anybody(**CALM))
    assert kept(tmp_path / "lists") == {"c4", "c5"}
    assert report.campaigns[0].excluded == {"suppressed": 4}
    with engine_with(people) as engine:
        told = explain_person(engine, [campaign()], anybody(**CALM), AS_OF, tmp_path / "lists", "c1")
    assert told.campaigns[0].reasons == ("suppressed",)


def test_r03_suppressing_one_record_of_a_person_suppresses_the_person(tmp_path: Path) -> None:
    base(["DK", "DK"])["customers"].to_parquet(tmp_path / "customers.parquet")
    merged = pd.DataFrame({"customer_id": ["c1", "old-record"], "person_id": ["c1", "c1"]})
    merged.to_parquet(tmp_path / "identity.parquet")
    (tmp_path / "a.csv").write_text("customer_id\nold-record\n")
    found = read_suppressions(
        [tmp_path / "a.csv"], tmp_path / "customers.parquet", records=tmp_path / "identity.parquet"
    )
    assert found.people["customer_id"].to_pylist() == ["c1"]


def test_every_mistake_in_suppression_files_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("customerid,reason\nc1,x\n")
    (tmp_path / "b.csv").write_text("customer_id,email_sha256,reason\nc1,,\n,,asked\n,abc,\n")
    people = base(["DK"])["customers"]
    people.to_parquet(tmp_path / "customers.parquet")
    with pytest.raises(DataError) as caught:
        read_suppressions([tmp_path / "a.csv", tmp_path / "b.csv"], tmp_path / "customers.parquet")
    message = str(caught.value)
    assert "unknown column 'customerid'; did you mean 'customer_id'?" in message.replace(" (did", "; did")
    assert "no column names a customer" in message
    assert "1 lines name no customer, the first in line 3" in message
    assert "1 values of email_sha256 are no SHA-256, the first in line 4" in message


def test_country_rules_with_mistakes_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match='write it in quotes, "NO"'):
        ListSettings.model_validate({"countries": {False: {"minimum_age": 18}}})
    with pytest.raises(ConfigurationError, match="no ISO 3166-1 alpha-2"):
        build(base(["DK"]), tmp_path, anybody(**CALM, countries={"UK": {"minimum_age": 18}}))
    nowhere = base(["DK"])
    nowhere["customers"] = nowhere["customers"].drop(columns="country")
    report = build(nowhere, tmp_path, anybody(**CALM, countries={"DK": {"minimum_age": 18}}))
    assert any("nobody has a country" in warning for warning in report.warnings)
    assert report.campaigns[0].listed == 0


def test_rules_that_are_not_asked_for_change_no_list(tmp_path: Path) -> None:
    report = build(world(), tmp_path, anybody())
    new = {"suppressed", "retention", "unknown_country", "channel_not_allowed", "under_minimum_age"}
    assert not new & set(report.campaigns[0].excluded)


def test_suppression_files_are_found_by_pattern_and_one_that_is_missing_stops_the_lists(shop: Shop) -> None:
    suppressed = CONFIGURATION.replace("folder: campaigns", "folder: campaigns, suppressions: [stop/*.csv]")
    config = load_config(shop(one_order_each(), suppressed))
    (config.root / "stop").mkdir()
    stop = config.root / "stop" / "asked.csv"
    stop.write_text("customer_id,reason\nc17,asked\nc18,asked\nx,asked\n")
    with open_base(config, Silent()) as opened:
        found = register_suppressions(opened)
        assert found is not None
        assert opened.engine.fetch("select customer_id from suppressions")["customer_id"].tolist() == [
            "c17",
            "c18",
        ]
        assert found.text == (
            "3 suppressions keep out 2 customers; 1 entry matches no customer of this base (asked.csv line 4: 'x')"
        )
        stop.write_text("customer_id,reason\nc17,asked\n")
        assert read_suppressions([stop], opened.report.folder / "customers.parquet").digest != found.digest
        stop.unlink()
        with pytest.raises(ConfigurationError, match=r"no file fits 'stop/\*.csv'"):
            register_suppressions(opened)


def test_a_day_after_the_data_is_told_and_one_long_after_it_refused(shop: Shop) -> None:
    file = shop(one_order_each())
    with open_base(load_config(file, ["as_of='2025-01-05'"]), Silent()) as late:
        assert "as_of 2025-01-05 is 7 days after the data end (2024-12-29)" in late.as_of_remarks[0]
    far = load_config(file, ["as_of='2025-03-01'"])
    with open_base(far, Silent()) as opened, pytest.raises(ConfigurationError, match="horizon of 30 days"):
        _ = opened.as_of
    with open_base(load_config(file), Silent()) as today:
        assert today.as_of_remarks == []
