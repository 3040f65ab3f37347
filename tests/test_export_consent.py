"""Who may be in an exported file (R53, R56, R57): consent of the channel or of advertising, and never below a size."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_world import AS_OF, day, engine_with
from export_world import PEOPLE, customers, export, listed, rows_of
from segml.campaigns.export import PLATFORMS, ListExport
from segml.campaigns.export.selection import _TREATED, REASONS
from segml.campaigns.export.settings import telling_words
from segml.campaigns.export.tables import contacts_sql, export_lists
from segml.campaigns.holdout import TREATED
from segml.engine import Engine

CONSENTS = ("consent_email_marketing", "consent_sms_marketing", "consent_ads_sharing")
ADVERTISING = tuple(name for name, platform in PLATFORMS.items() if platform.advertising)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_r56_nobody_without_consent_is_in_a_file(platform: str, tmp_path: Path) -> None:
    for state in (False, None):
        people = customers(**dict.fromkeys(CONSENTS, pd.array([state] * PEOPLE, dtype="boolean")))
        result = export(tmp_path, platform, people)
        assert (result.status, result.rows, result.left_out) == ("refused", 0, {"no_consent": PEOPLE})


@pytest.mark.parametrize("platform", PLATFORMS)
def test_consent_that_nobody_recorded_is_no(platform: str, tmp_path: Path) -> None:
    people = customers().drop(columns=list(CONSENTS))
    assert export(tmp_path, platform, people).left_out == {"no_consent": PEOPLE}


@pytest.mark.parametrize("platform", ADVERTISING)
def test_r53_advertising_takes_its_own_consent(platform: str, tmp_path: Path) -> None:
    shared = [i < 120 for i in range(PEOPLE)]
    result = export(tmp_path, platform, customers(consent_ads_sharing=shared, consent_email_marketing=False))
    assert (result.rows, result.left_out) == (120, {"no_consent": 180})
    with pytest.raises(ValueError, match="stated basis is none"):
        ListExport(platform=platform, consent={"required": False, "basis": "they bought"})


@pytest.mark.parametrize("platform", ADVERTISING)
def test_r57_an_advertising_list_under_100_is_refused(platform: str, tmp_path: Path) -> None:
    small = export(tmp_path / "99", platform, customers(99))
    assert (small.status, small.files, small.left_out) == ("refused", (), {"too_few": 99})
    assert list((tmp_path / "99" / platform).glob("*.csv")) == []
    assert export(tmp_path / "100", platform, customers(100)).rows == 100


def test_r57_a_file_under_20_people_is_refused(tmp_path: Path) -> None:
    assert export(tmp_path, "klaviyo", customers(19), minimum_people=20).left_out == {"too_few": 19}
    assert ListExport(platform="klaviyo").minimum == 20


@pytest.mark.parametrize("platform", PLATFORMS)
def test_objectors_held_out_people_and_strangers_are_left_out_by_reason(
    platform: str, tmp_path: Path
) -> None:
    rows = listed(arm=["holdout"] * 2 + ["treated"] * (PEOPLE - 2))
    people = customers(profiling_objection=[i == 5 for i in range(PEOPLE)]).drop(index=[7, 8, 9])
    result = export(tmp_path, platform, people, rows)
    assert result.left_out == {"held_out": 2, "unknown_customer": 3, "profiling_objection": 1}
    assert result.rows == PEOPLE - 6


@pytest.mark.parametrize("platform", ["klaviyo", "mailchimp", "hubspot", "meta", "google"])
def test_an_address_that_withdrew_under_another_number_is_left_out(platform: str, tmp_path: Path) -> None:
    people = customers()
    people.loc[1, "email"] = " PERSON0@Example.com"
    people.loc[1, ["consent_email_marketing", "consent_ads_sharing"]] = False
    result = export(tmp_path, platform, people)
    assert result.left_out == {"no_consent": 1, "address_withdrawn": 1}


@pytest.mark.parametrize("typed", ["+45 20 12 00 00", "004520120000", "20-12-00-00"])
@pytest.mark.parametrize(
    ("platform", "channel"), [("klaviyo", "sms"), ("meta", "email"), ("google", "email")]
)
def test_a_number_that_withdrew_is_known_in_every_notation(
    platform: str, channel: str, typed: str, tmp_path: Path
) -> None:
    people = customers()  # c00000 has "20 12 00 00"
    people.loc[1, ["phone", "country"]] = [typed, "Danmark" if typed[0] == "2" else None]
    people.loc[1, ["consent_sms_marketing", "consent_ads_sharing"]] = False
    people.loc[2, "phone"] = "+46 20 12 00 00"  # the same end is not the same number
    result = export(tmp_path, platform, people, channel=channel)
    assert result.left_out["address_withdrawn"] == 1


@pytest.mark.parametrize("platform", PLATFORMS)
def test_one_address_is_in_a_file_once(platform: str, tmp_path: Path) -> None:
    people = customers()
    people.loc[250, "email"] = "Person0@example.com "
    result = export(tmp_path, platform, people, chunk_rows=40)
    assert result.left_out == {"duplicate_contact": 1}


def test_klaviyo_says_subscribed_only_of_people_who_did(tmp_path: Path) -> None:
    people = customers(3, consent_email_marketing=pd.array([True, None, False], dtype="boolean"))
    people["consent_sms_marketing"] = [False, True, True]
    basis = {"required": False, "basis": "existing customers, told at the purchase"}
    rows = rows_of(export(tmp_path, "klaviyo", people, consent=basis))
    found = [tuple(row.values())[:4] for row in rows]
    assert found == [
        ("person0@example.com", "", "Subscribed", ""),
        ("person1@example.com", "+4520120001", "", "Subscribed"),
    ]
    assert json.loads((tmp_path / "klaviyo" / "manifest.json").read_text())["consent_basis"] == basis["basis"]


def test_a_phone_beside_an_address_takes_the_consent_to_text_messages(tmp_path: Path) -> None:
    people = customers(2, consent_sms_marketing=pd.array([None, True], dtype="boolean"))
    for platform in ("mailchimp", "hubspot"):
        rows = rows_of(export(tmp_path, platform, people, details=["phone"]))
        assert [row["Phone Number"] for row in rows] == ["", "+4520120001"]


@settings(deadline=None, max_examples=12)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a@b.dk", "c@d.dk", "bad", "", None]),
            st.sampled_from(["20 12 34 56", "0046701234567", "12", None]),
            st.sampled_from([True, False, None]),
            st.sampled_from(["treated", "holdout"]),
        ),
        max_size=12,
    ),
    st.sampled_from(sorted(PLATFORMS)),
)
def test_everybody_is_written_or_left_out_for_one_reason(tmp_path_factory, people, platform) -> None:
    count = len(people)
    email, phone, consent, arm = ([person[i] for person in people] for i in range(4))
    states = dict.fromkeys(CONSENTS, pd.array(consent, dtype="boolean"))
    frame = customers(count, email=pd.array(email, dtype="str"), phone=pd.array(phone, dtype="str"), **states)
    result = export(
        tmp_path_factory.mktemp("x"), platform, frame, listed(count, arm=pd.array(arm, dtype="str"))
    )
    assert result.listed == count == result.rows + sum(result.left_out.values())
    assert set(result.left_out) <= set(REASONS)
    assert len(rows_of(result)) == result.rows


@pytest.mark.parametrize("name", ["Dormant VIPs", "high value seed", "pregnant", "churn risk 2018"])
def test_r53_audience_names_of_advertising_say_nothing_about_people(name: str) -> None:
    assert telling_words(name)
    with pytest.raises(ValueError, match="neutral"):
        ListExport(platform="meta", audience=name)
    assert ListExport(platform="klaviyo", audience=name).audience == name


def test_the_audience_is_neutral_by_default_and_names_the_files(tmp_path: Path) -> None:
    result = export(tmp_path, "meta")
    assert result.audience.startswith("audience ")
    assert telling_words(result.audience) == []
    assert [file.name for file in result.files] == [result.audience.replace(" ", "-") + "-001.csv"]
    with pytest.raises(Exception, match="repeats the campaign's"):
        export(tmp_path, "meta", audience="Win-Back 7")


def test_the_treated_arm_is_the_holdout_s() -> None:
    assert _TREATED == TREATED


def consent_log() -> Engine:
    people = [f"c{i:05d}" for i in range(8)]
    events = [
        (people[0], 9, "email", "marketing", True),
        (people[1], 9, "email", "marketing", True),
        (people[1], 3, "email", "marketing", False),
        (people[2], 3, "email", "marketing", False),
        (people[2], 3, "email", "marketing", True),  # the same second: the withdrawal stands
        (people[3], -1, "email", "marketing", True),  # after the list's day
        (people[4], 9, "", "marketing", True),  # a consent for no channel
        (people[5], 9, "sms", "marketing", True),
        (people[5], 5, "", "marketing", False),  # a withdrawal from all
        (people[6], 9, "", "ads_sharing", True),
        (people[6], 9, "", "profiling", False),
        (people[7], 9, "email", "marketing", True),  # unsubscribed since, see below
    ]
    log = pd.DataFrame(events, columns=["customer_id", "before", "channel", "purpose", "granted"])
    log["changed_at"] = [day(before) for before in log.pop("before")]
    mail = pd.DataFrame({"customer_id": [people[7]], "occurred_at": [day(2)], "event": ["unsubscribe"]})
    contacts = customers(8).drop(columns=[*CONSENTS, "consent_push_marketing", "profiling_objection"])
    return engine_with({"customers": contacts, "consents": log, "email_events": mail})


def test_r05_consent_is_the_last_change_before_the_list_s_day() -> None:
    with consent_log() as engine:
        available = {name: engine.columns(name) for name in ("customers", "consents", "email_events")}
        found = engine.fetch(contacts_sql(available, AS_OF)).set_index("customer_id").sort_index()
    state = {
        name: [None if pd.isna(v) else bool(v) for v in found[name]] for name in found.columns if "_" in name
    }
    assert state["consent_email_marketing"] == [True, False, False, None, None, False, None, False]
    assert state["consent_sms_marketing"] == [None, None, None, None, None, False, None, None]
    assert state["consent_ads_sharing"] == [None] * 6 + [True, None]
    assert state["profiling_objection"] == [False] * 6 + [True, False]


def test_exports_lie_beside_their_list_and_leave_no_contacts_behind(tmp_path: Path) -> None:
    place = tmp_path / "win_back" / "as_of=2018-01-01"
    place.mkdir(parents=True)
    listed(8).to_parquet(place / "list.parquet")
    refused = tmp_path / "vip" / "as_of=2018-01-01"
    wanted = [ListExport(platform="klaviyo", minimum_people=1), ListExport(platform="meta")]
    with consent_log() as engine:
        results = export_lists(engine, {place: wanted, refused: wanted}, AS_OF, tmp_path, threads=1)
    assert [(result.status, result.rows) for result in results[place]] == [("built", 1), ("refused", 0)]
    assert list(results) == [place]
    assert sorted(path.name for path in place.iterdir()) == ["klaviyo", "list.parquet", "meta"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
