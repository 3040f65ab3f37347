"""Files of exports: headers, quoting, limits, manifest, determinism (R54, R57)."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export_world import PEOPLE, customers, export, listed, one, rows_of, strict_csv
from segml.campaigns.export import PLATFORMS, ListExport, export_list
from segml.campaigns.export.delimited import SplitWriter, delimited_rows
from segml.campaigns.export.generic import write_csv
from segml.campaigns.export.lists import export_together
from segml.campaigns.export.meta import meta_value
from segml.campaigns.export.selection import register_customers
from segml.campaigns.export.withdrawn import make_listed_people
from segml.engine import open_engine
from segml.errors import ConfigurationError, DataError, OutputError
from segml.tables.partition import file_sha256

HEADERS = {
    "klaviyo": "Email,Phone Number,Email Marketing Consent,SMS Marketing Consent,First Name,Last Name,campaign",
    "mailchimp": "Email Address,First Name,Last Name,campaign,Tags",
    "braze": "external_id,email,first_name,last_name,campaign",
    "hubspot": "Email,First Name,Last Name,campaign",
    "meta": "email,phone,fn,ln,zip,country,value",
    "google": "Email,Phone,First Name,Last Name,Country,Zip",
}
TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_r54_every_platform_has_its_documented_headers(platform: str, tmp_path: Path) -> None:
    wanted = {} if PLATFORMS[platform].advertising else {"properties": ["campaign"]}
    result = export(tmp_path, platform, **wanted)
    assert result.rows == PEOPLE
    assert result.files[0].read_text(encoding="utf-8").split("\n")[0] == HEADERS[platform]


def test_a_text_message_list_of_klaviyo_begins_with_the_phone(tmp_path: Path) -> None:
    row = rows_of(export(tmp_path, "klaviyo", channel="sms"))[0]
    assert list(row)[:2] == ["Phone Number", "Email"]
    assert row["Phone Number"] == "+4520120000"


def test_mailchimp_cuts_text_at_255_bytes_and_between_characters(tmp_path: Path) -> None:
    row = rows_of(export(tmp_path, "mailchimp", one(last_name="å" * 200, first_name="=" + "é" * 200)))[0]
    assert row["Last Name"] == "å" * 127
    assert row["First Name"].startswith("'=é")
    assert max(len(value.encode()) for value in row.values()) <= 255


def test_mailchimp_has_birthdays_as_month_and_day_and_postcodes_with_their_zeros(tmp_path: Path) -> None:
    row = rows_of(export(tmp_path, "mailchimp", one(), details=["postcode", "birth_date", "country"]))[0]
    assert (row["Postcode"], row["Birthday"], row["Country"]) == ("0123", "02/29", "DK")


def test_mailchimp_takes_no_letters_beyond_ascii_before_the_at_sign(tmp_path: Path) -> None:
    result = export(tmp_path, "mailchimp", customers(2, email=["jörg@example.com", "jorg@exämple.com"]))
    assert [row["Email Address"] for row in rows_of(result)] == ["jorg@xn--exmple-cua.com"]
    assert result.left_out == {"unreadable_contact": 1}


def test_braze_takes_people_by_id_where_nobody_has_an_address(tmp_path: Path) -> None:
    people = customers(30)[["customer_id", "consent_email_marketing"]]
    result = export(
        tmp_path, "braze", people, listed(30), identify_by="id", details=[], properties=["campaign"]
    )
    rows = rows_of(result)
    assert (result.rows, list(rows[0])) == (30, ["external_id", "campaign"])
    with pytest.raises(ValueError, match="identify people by contact, not by your customer id"):
        ListExport(platform="klaviyo", identify_by="id")


def test_braze_has_iso_codes_and_never_a_subscription_state(tmp_path: Path) -> None:
    details = ["country", "birth_date", "gender", "city", "language"]
    people = one(country="Danmark", language="da-DK", gender="female", birth_date=3711)
    row = rows_of(export(tmp_path, "braze", people, details=details, properties=["send_hour"]))[0]
    wanted = {"country": "DK", "dob": "1980-02-29", "gender": "F", "home_city": "Århus", "language": "da"}
    address = {"external_id": "c00000", "email": "person0@example.com"}
    assert row == {**address, **wanted, "send_hour": "9"}
    with pytest.raises(ValueError, match="email_subscribe"):
        export(
            tmp_path, "braze", one(), listed(1, email_subscribe="subscribed"), properties=["email_subscribe"]
        )


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\t=1", "＝1"])
@pytest.mark.parametrize("platform", ["klaviyo", "mailchimp", "braze", "hubspot"])
def test_names_that_a_spreadsheet_would_run_are_guarded(platform: str, name: str, tmp_path: Path) -> None:
    row = rows_of(export(tmp_path, platform, one(first_name=name)))[0]
    assert "'" + name.strip() in row.values()


def test_numbers_phones_and_identifiers_are_never_guarded(tmp_path: Path) -> None:
    rows = listed(2, score=[-1.5, 2.0], customer_id=["-7", "=1+1"])
    result = export(tmp_path, "braze", customers(2, customer_id=["-7", "=1+1"]), rows, properties=["score"])
    assert [(row["external_id"], row["score"]) for row in rows_of(result)] == [("-7", "-1.5")]
    assert result.left_out == {"no_id": 1}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_limit_splits_the_file_and_loses_nobody(platform: str, tmp_path: Path) -> None:
    whole = export(tmp_path / "whole", platform)
    by_rows = export(tmp_path / "rows", platform, max_rows=101, chunk_rows=37)
    by_bytes = export(tmp_path / "bytes", platform, max_bytes=10_000)
    assert rows_of(whole) == rows_of(by_bytes)
    assert [len(strict_csv(file.read_bytes())) for file in by_rows.files] == [101, 101, 101]
    sizes = [file.stat().st_size for file in by_bytes.files]
    assert max(sizes) <= 10_000 < sum(sizes)
    counted = json.loads((tmp_path / "rows" / platform / "manifest.json").read_text())["files"]
    assert [each["rows"] for each in counted.values()] == [100, 100, 100]


def test_the_limits_are_the_platforms_own() -> None:
    limits = {name: (p.max_bytes, p.max_rows) for name, p in PLATFORMS.items() if p.max_bytes or p.max_rows}
    assert limits == {
        "klaviyo": (50_000_000, None),
        "braze": (500_000_000, None),
        "hubspot": (None, 1_048_576),
    }


def test_a_row_longer_than_a_file_is_an_error(tmp_path: Path) -> None:
    with (
        SplitWriter(tmp_path, "list", ["a"], max_bytes=10) as writer,
        pytest.raises(OutputError, match="10 bytes"),
    ):
        writer.write([pa.array(["x" * 20])])


@given(st.lists(st.tuples(TEXT, TEXT, st.none() | TEXT), min_size=1, max_size=20))
def test_rows_parse_back_to_the_same_values(rows: list[tuple[str, str, str | None]]) -> None:
    columns = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
    content = "".join(delimited_rows(columns).to_pylist()).encode()
    assert strict_csv(content) == [["" if value is None else value for value in row] for row in rows]


@settings(deadline=None, max_examples=10)
@given(st.lists(TEXT, min_size=1, max_size=6), st.sampled_from(["klaviyo", "mailchimp", "braze", "hubspot"]))
def test_names_come_back_from_the_file_as_one_field_of_one_row(
    tmp_path_factory: Any, names: list[str], platform: str
) -> None:
    people = customers(len(names), last_name=names)
    found = rows_of(export(tmp_path_factory.mktemp("names"), platform, people))
    assert len(found) == len(names)
    assert all("\n" not in value and "\t" not in value for row in found for value in row.values())


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_same_people_in_any_order_and_any_chunks_are_the_same_bytes(
    platform: str, tmp_path: Path
) -> None:
    first = export(tmp_path / "a", platform)
    shuffled = listed().sample(frac=1, random_state=1)
    second = export(
        tmp_path / "b", platform, customers().sample(frac=1, random_state=2), shuffled, chunk_rows=7
    )
    assert [file.read_bytes() for file in first.files] == [file.read_bytes() for file in second.files]
    manifests = [(tmp_path / run / platform / "manifest.json").read_bytes() for run in "ab"]
    assert manifests[0] == manifests[1]


def test_parquet_in_is_the_same_as_frames_in(tmp_path: Path) -> None:
    listed().to_parquet(tmp_path / "list.parquet")
    customers().to_parquet(tmp_path / "customers.parquet")
    result = export_list(
        tmp_path / "list.parquet",
        tmp_path / "customers.parquet",
        ListExport(platform="hubspot"),
        tmp_path / "out",
    )
    assert rows_of(result) == rows_of(export(tmp_path, "hubspot", minimum_people=20))


def test_the_manifest_says_what_is_in_the_files_and_names_nobody(tmp_path: Path) -> None:
    people = customers(consent_email_marketing=[i % 3 > 0 for i in range(PEOPLE)])
    people.loc[1, "phone"] = "12"
    result = export(tmp_path, "klaviyo", people)
    text = (tmp_path / "klaviyo" / "manifest.json").read_text(encoding="utf-8")
    manifest = json.loads(text)
    assert manifest["rows"] == {"listed": 300, "written": 200, "left_out": {"no_consent": 100}}
    assert manifest["unreadable"] == {"phone": 1}
    assert manifest["definition_hash"] == "0123456789abcdef"
    assert manifest["consent_basis"] == "consent for marketing by email"
    assert {name: each["sha256"] for name, each in manifest["files"].items()} == {
        file.name: file_sha256(file) for file in result.files
    }
    assert sorted(path.name for path in (tmp_path / "klaviyo").iterdir()) == [
        *(file.name for file in result.files),
        "manifest.json",
    ]
    for personal in ("person", "example.com", "+45", "2012", "Åse", "Sørensen", "c00001"):
        assert personal not in text


def test_errors_name_no_contact_data(tmp_path: Path) -> None:
    twice = pd.concat([customers(30), customers(30)])
    with pytest.raises(DataError, match="twice") as doubled:
        export(tmp_path, "klaviyo", twice, listed(30))
    with pytest.raises(ConfigurationError, match="reason_1") as unknown:
        export(tmp_path, "klaviyo", properties=["reason1"])
    with pytest.raises(ConfigurationError, match="not a number") as worth:
        export(tmp_path, "meta", value="action")
    for error in (doubled, unknown, worth):
        assert "example.com" not in str(error.value)
        assert "c0000" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_empty_list_is_refused_and_leaves_its_manifest(platform: str, tmp_path: Path) -> None:
    result = export(tmp_path, platform, rows=listed(0))
    assert (result.status, result.rows, result.files, result.left_out) == ("refused", 0, (), {})
    assert [path.name for path in (tmp_path / platform).iterdir()] == ["manifest.json"]


def test_a_second_run_replaces_the_files_of_the_first(tmp_path: Path) -> None:
    many = export(tmp_path, "hubspot", max_rows=11)
    few = export(tmp_path, "hubspot", customers(50), max_rows=26)
    assert (len(many.files), len(few.files)) == (30, 2)
    assert len(list((tmp_path / "hubspot").glob("*.csv"))) == 2


def test_meta_values_are_amounts_in_plain_and_those_without_one_are_left_out(tmp_path: Path) -> None:
    rows = listed(200, score=[-1.0, None, float("inf"), *[float(i) for i in range(197)]])
    result = export(tmp_path, "meta", customers(200), rows)
    assert result.left_out == {"no_value": 3}
    assert [row["value"] for row in rows_of(result)] == [f"{i}.00" for i in range(197)]


@given(st.floats(min_value=0, max_value=1e12))
def test_meta_values_keep_their_proportions_to_the_cent(amount: float) -> None:
    assert float(meta_value(pa.array([amount])).to_pylist()[0]) == pytest.approx(
        amount, abs=0.0051, rel=1e-12
    )


def test_google_s_address_is_whole_or_not_there(tmp_path: Path) -> None:
    people = customers(120)
    people.loc[0, "postcode"] = None
    people.loc[1, "last_name"] = " "
    for row in rows_of(export(tmp_path, "google", people))[:2]:
        assert [row[name] for name in ("First Name", "Last Name", "Country", "Zip")] == [""] * 4


def test_meta_always_has_the_country(tmp_path: Path) -> None:
    people = customers(120)
    people.loc[:9, "country"] = None
    people.loc[10:14, "country"] = "Atlantis"
    assert export(tmp_path, "meta", people).left_out == {"no_country": 15}
    with_region = export(tmp_path, "meta", people, region="DK")
    assert with_region.left_out == {"no_country": 5}
    assert len({row["country"] for row in rows_of(with_region)}) == 1


def test_unknown_names_are_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="did you mean 'klaviyo'"):
        ListExport(platform="klavyo")
    with pytest.raises(ValueError, match="did you mean 'first_name'"):
        ListExport(platform="hubspot", details=["firstname"])
    with pytest.raises(ValueError, match="not sms"):
        ListExport(platform="mailchimp", channel="sms")
    with pytest.raises(ValueError, match="ISO 3166-1"):
        ListExport(platform="mailchimp", region="Atlantis")


def test_a_list_s_files_are_the_same_bytes_alone_and_made_together(tmp_path: Path) -> None:
    people = customers(60)
    people.loc[:4, "consent_sms_marketing"] = False
    people.loc[10, "phone"] = "+45 " + people.loc[2, "phone"]  # withdrew under the third's number
    people.loc[20, ["email", "consent_email_marketing"]] = [people.loc[21, "email"].upper(), False]
    people.loc[30:33, "country"] = None
    people.loc[35, ["email", "phone"]] = ["no address", "12"]
    rows = listed(50, arm=["treated"] * 45 + ["holdout"] * 5)
    rows.to_parquet(tmp_path / "list.parquet")
    exports = [
        ListExport(platform="klaviyo", region="DK", minimum_people=1, properties=("reason_1",)),
        ListExport(platform="klaviyo", channel="sms", region="SE", minimum_people=1),
        ListExport(platform="braze", identify_by="id", minimum_people=1),
        ListExport(platform="mailchimp", minimum_people=40),
        ListExport(platform="google", minimum_people=1),
    ]
    with open_engine(threads=1) as engine:
        register_customers(engine, people)
        others = "select customer_id from customers where customer_id >= 'c00040'"
        engine.register("one_list", tmp_path / "list.parquet")
        gone = make_listed_people(
            engine, f"select customer_id from one_list union all {others}", exports, tmp_path
        )
        wanted = {tmp_path / f"together-{place}": each for place, each in enumerate(exports)}
        together = export_together(engine, tmp_path / "list.parquet", wanted, gone, chunk_rows=7)
    for place, (each, found) in enumerate(zip(exports, together, strict=True)):
        alone = export_list(
            tmp_path / "list.parquet", people, each, tmp_path / f"alone-{place}", chunk_rows=11
        )
        assert dataclasses.replace(found, files=()) == dataclasses.replace(alone, files=())
        assert contents(tmp_path / f"together-{place}") == contents(tmp_path / f"alone-{place}")
    assert [found.status for found in together] == ["built"] * 4 + ["refused"]
    assert together[1].left_out["address_withdrawn"] == 1


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_generic_csv_guards_text_of_a_pandas_frame_and_keeps_every_digit(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "customer_id": ["=1", "b"],
            "reason_1": ["=1+1", 'a "b", c'],
            "score": [0.1 + 0.2, None],
            "hour": pd.array([9, None], "Int32"),
            "flag": [True, False],
        }
    )
    frame.to_parquet(tmp_path / "list.parquet", index=False)
    assert write_csv(tmp_path / "list.parquet", tmp_path / "list.csv", ("reason_1",)) == 2
    assert (tmp_path / "list.csv").read_text() == (
        'customer_id,reason_1,score,hour,flag\n=1,\'=1+1,0.30000000000000004,9,True\nb,"a ""b"", c",,,False\n'
    )
