"""Postcodes, addresses and countries in the one form that files, hashes and comparisons use (R53, R54)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from export_world import customers, export, one, rows_of
from segml.campaigns.export import PLATFORMS, ListExport
from segml.campaigns.export.meta import meta_postcode
from segml.campaigns.suppressions import read_suppressions
from segml.config import IdentitySettings
from segml.config.reading import Settings, validated
from segml.contacts.contact_data import clean_contacts, clean_email
from segml.contacts.countries import countries, country_code
from segml.contacts.postcodes import postcode, postcodes
from segml.errors import ConfigurationError

REFUSED = (
    *("a..b@x.dk", ".a@x.dk", "a.@x.dk", "a@-x.dk", "a@x-.dk", "a@x..dk", "a@.x.dk", "a@x.dk.", "a@x", "a@x.d"),
    *("a b@x.dk", "a@b@x.dk", f"{'a' * 65}@x.dk", f"a@{'b' * 64}.dk", "a\x00b@x.dk", '"a"@x.dk', "a@1.2.3.4"),
    *("a@x_y.dk", "a@♥.dk", "”a@x.dk", f"a@{'.'.join(['b' * 62] * 4)}.dk", f"{'å' * 33}@x.dk"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("country", "spellings", "expected"),
    [
        ("US", ["2138", "02138", "2138.0", " 2138 ", "US-02138", "２１３８"], "02138"),
        ("US", ["02138-1234", "2138-1234", "021381234", "21381234.0", "02138 1234"], "02138-1234"),
        ("PR", ["601", "00601"], "00601"),
        ("DK", ["2100", "2100.0", "DK-2100", "dk 2100", "2100,00"], "2100"),
        ("NO", ["150", "0150", "150.0", "N-0150", "NO-0150"], "0150"),
        ("SE", ["SE-114 55", "114 55", "11455", "S-114 55", "11455.0"], "11455"),
        ("FI", ["100", "00100", "FIN-00100"], "00100"),
        ("DE", ["1067", "01067", "D-01067"], "01067"),
        ("FR", ["1000", "01000", "F-01000"], "01000"),
        ("IT", ["118", "00118"], "00118"),
        ("ES", ["8001", "08001"], "08001"),
        ("EE", ["10111", "EE-10111"], "10111"),
        ("NL", ["1234 AB", "1234ab", "NL-1234 AB"], "1234 AB"),
        ("GB", ["sw1a1aa", "SW1A 1AA", "GB-SW1A 1AA"], "SW1A 1AA"),
        ("IE", ["d02af30", "D02 AF30"], "D02 AF30"),
        ("CA", ["k1a0b1", "K1A 0B1", "K1A-0B1"], "K1A 0B1"),
        ("BE", ["1000", "B-1000"], "1000"),
        ("LU", ["L-1234", "1234"], "1234"),
        ("PL", ["00-950", "00950", "950.0"], "00-950"),
        ("PT", ["1000-001", "1000001"], "1000-001"),
        ("JP", ["060-0000", "600000.0"], "060-0000"),
        ("HK", ["AB 12"], "AB 12"),  # a country without a rule
    ],
)
def test_a_postcode_has_the_form_of_its_country(country: str, spellings: list[str], expected: str) -> None:
    assert {text: postcode(text, country) for text in spellings} == dict.fromkeys(spellings, expected)


@pytest.mark.parametrize(
    ("country", "text"),
    [
        *(("US", text) for text in ("12", "123456", "00000", "ABCDE", "1.5", "2.138E3", "-2138")),
        *(("DK", text) for text in ("99", "21000", "2100 København", "n/a", "20O0", "21-00")),
        *(("NL", "1234"), ("GB", "SW1A"), ("SE", "1455"), ("CA", "12345"), ("BE", "150"), ("HK", "-")),
    ],
)
def test_what_is_no_postcode_of_the_country_is_none(country: str, text: str) -> None:
    assert postcode(text, country) is None


def test_without_a_country_a_postcode_is_kept_only_when_it_has_one_reading() -> None:
    kept = {"SW1A 1AA": "SW1A 1AA", "SE-114 55": "11455", "114 55": "11455", "2138-1234": "02138-1234"}
    kept |= {"00-950": "00-950", "1234ab": "1234 AB", "D-10115": "10115"}
    assert {text: postcode(text) for text in kept} == kept
    assert [postcode(text) for text in ("2138", "2100.0", "12345")] == [None] * 3


def test_numbers_of_a_parquet_file_are_postcodes(tmp_path: Path) -> None:
    file = tmp_path / "people.parquet"
    pq.write_table(pa.table({"c": ["US", "DK", "NO", None], "p": [2138.0, 2100.0, 150.0, 2100.0]}), file)
    read = duckdb.sql(f"select c, cast(p as varchar) as p from '{file}'").to_arrow_table()
    found = postcodes(read["p"].combine_chunks(), read["c"].combine_chunks())
    assert found.to_pylist() == ["02138", "2100", "0150", None]


@pytest.mark.parametrize(
    ("platform", "header"),
    [("google", "Zip"), ("mailchimp", "Postcode"), ("klaviyo", "Zip Code"), ("hubspot", "Postal Code")],
)
def test_every_platform_writes_the_country_s_form_and_counts_the_rest(
    platform: str, header: str, tmp_path: Path
) -> None:
    people = customers(120)
    people.loc[:3, "country"] = ["US", "DK", "US", "DK"]
    people.loc[:3, "postcode"] = ["2138", "2100.0", "21", "n/a"]
    details = {} if platform == "google" else {"details": ["postcode"]}
    result = export(tmp_path, platform, people, **details)
    assert [row[header] for row in rows_of(result)[:4]] == ["02138", "2100", "", ""]
    assert result.unreadable["postcode"] == 2


def test_meta_hashes_the_first_five_digits_of_a_zip(tmp_path: Path) -> None:
    people = customers(120)
    people.loc[:1, "country"] = "US"
    people.loc[:1, "postcode"] = ["2138-1234", "2138.0"]
    first, second, other, *_ = rows_of(export(tmp_path, "meta", people))
    assert first["zip"] == second["zip"] == hashlib.sha256(b"02138").hexdigest()
    assert other["zip"] == hashlib.sha256(b"0123").hexdigest()
    typed = pa.array(["114 55", "00601-0001"]), pa.array(["SE", "PR"])
    assert meta_postcode(postcodes(*typed), typed[1]).to_pylist() == ["11455", "00601"]


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_no_tool_sends_to_is_none(address: str) -> None:
    assert clean_email(pa.array([address])).to_pylist() == [None]


@pytest.mark.parametrize("platform", ["klaviyo", "mailchimp", "braze", "hubspot"])
def test_refused_addresses_are_left_out_and_counted(platform: str, tmp_path: Path) -> None:
    people = customers(len(REFUSED) + 1)
    people.loc[1:, "email"] = REFUSED
    result = export(tmp_path, platform, people)
    assert (result.rows, result.left_out) == (1, {"unreadable_contact": len(REFUSED)})


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        (["a@ÆØÅ.dk", "A@æøå.DK", "a@xn--5cab8c.dk", "a@æøa\u030a.dk"], "a@xn--5cab8c.dk"),
        (["a@straße.de", "a@xn--strae-oqa.de"], "a@xn--strae-oqa.de"),  # strasse.de is another domain
        (["a@例え.jp"], "a@xn--r8jz45g.jp"),
        (["O'Neill+x@X.co.uk"], "o'neill+x@x.co.uk"),
        (["å@x.dk"], "å@x.dk"),
        ([f"{'a' * 64}@x.dk"], f"{'a' * 64}@x.dk"),
    ],
)
def test_one_address_has_one_form(typed: list[str], form: str) -> None:
    assert clean_email(pa.array(typed)).to_pylist() == [form] * len(typed)


def test_a_withdrawal_of_a_unicode_domain_is_one_of_its_punycode(tmp_path: Path) -> None:
    people = customers(3, email=["a@blåbær.dk", "A@xn--blbr-roah.dk", "other@x.dk"])
    assert clean_email(pa.array(people["email"].tolist())).to_pylist()[:2] == ["a@xn--blbr-roah.dk"] * 2
    people.loc[0, "consent_email_marketing"] = False
    result = export(tmp_path, "klaviyo", people)
    assert result.left_out == {"no_consent": 1, "address_withdrawn": 1}


def test_a_suppression_reaches_every_spelling_of_an_address(tmp_path: Path) -> None:
    emails = ["a@blåbær.dk", "b@xn--blbr-roah.dk", "c..d@x.dk", "e@blåbær.dk", "f@x.dk"]
    frame = pd.DataFrame({"customer_id": list("12345"), "email": emails})
    frame.to_parquet(tmp_path / "customers.parquet")
    digest = hashlib.sha256("e@blåbær.dk".encode()).hexdigest()
    rows = ["email,email_sha256", "a@xn--blbr-roah.dk,", "B@BLÅBÆR.dk,", "C..D@x.dk,", f",{digest}"]
    (tmp_path / "stop.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    found = read_suppressions([tmp_path / "stop.csv"], tmp_path / "customers.parquet")
    assert (found.people["customer_id"].to_pylist(), found.unmatched) == (["1", "2", "3", "4"], 0)


def test_letters_beyond_ascii_before_the_at_sign_are_left_to_tools_that_take_them(tmp_path: Path) -> None:
    for platform in ("klaviyo", "mailchimp", "hubspot"):
        result = export(tmp_path / platform, platform, one(email="å@x.dk"))
        assert (result.rows, result.left_out) == (0, {"unreadable_contact": 1})
    assert [row["email"] for row in rows_of(export(tmp_path, "braze", one(email="å@x.dk")))] == ["å@x.dk"]


def test_a_consent_is_written_only_beside_the_address_it_is_for(tmp_path: Path) -> None:
    people = customers(4, phone=["20 12 00 00", "12", None, "a" * 64])
    rows = rows_of(export(tmp_path, "klaviyo", people))
    assert [row["SMS Marketing Consent"] for row in rows] == ["Subscribed", "", "", ""]
    assert {row["Email Marketing Consent"] for row in rows} == {"Subscribed"}
    people["email"] = ["a@x.dk", "a..b@x.dk", "å@x.dk", None]
    people["phone"] = [f"20 12 00 0{place}" for place in range(4)]
    by_phone = export(tmp_path / "sms", "klaviyo", people, channel="sms")
    assert [row["Email Marketing Consent"] for row in rows_of(by_phone)] == ["Subscribed", "", "", ""]
    assert by_phone.unreadable == {"Email": 1, "email": 1}


@pytest.mark.parametrize("platform", [name for name, each in PLATFORMS.items() if "sms" in each.channels])
def test_a_text_message_list_has_readable_phones_only(platform: str, tmp_path: Path) -> None:
    people = customers(4, phone=["20 12 00 00", "12", None, "call me"])
    result = export(tmp_path, platform, people, channel="sms")
    assert (result.rows, result.left_out) == (1, {"no_contact": 1, "unreadable_contact": 2})


@pytest.mark.parametrize(
    ("code", "spellings"),
    [
        ("DK", "DK dnk 208 208.0 Denmark Danmark Dänemark Danemark Dinamarca"),
        ("DE", "DEU 276 Germany Tyskland Deutschland Allemagne Alemania"),
        ("NO", "NO NOR 578 Norge Noreg Norwegen Norvège Noruega"),
        ("GB", "UK GBR 826 England Storbritannien Storbritannia Royaume-Uni"),
        ("US", "USA U.S. U.S.A. 840 États-Unis"),
        ("GR", "EL GRC 300 Griechenland Grækenland Ελλάδα"),
        ("JP", "JPN 392 日本"),
        ("CH", "CHE Schweiz Suisse Svizzera Switzerland"),
        ("GE", "GEO 268 Georgia Georgien"),  # in a column of countries; the state is no country
        ("KR", "KOR 410 Südkorea Sydkorea 대한민국"),
    ],
)
def test_a_country_is_known_by_every_code_and_name(code: str, spellings: str) -> None:
    assert {text: country_code(text) for text in spellings.split()} == dict.fromkeys(spellings.split(), code)


def test_formal_and_joined_names_are_known() -> None:
    named = {
        "Korea, Republic of": "KR", "Congo (Democratic Republic of the)": "CD", "Bosnia and Herzegovina": "BA",
        "Trinidad og Tobago": "TT", "Côte d'Ivoire": "CI", "Myanmar": "MM", "Burma": "MM", "The Netherlands": "NL",
        "Virgin Islands, British": "VG", "Hong Kong": "HK", "Russian Federation": "RU", "Czech Republic": "CZ",
    }  # fmt: skip
    assert {name: country_code(name) for name in named} == named
    assert len(countries()) == 249


@pytest.mark.parametrize(
    "text", ["Congo", "Korea", "Virgin Islands", "45", "False", "EU", "ZZ", "001", "XX", "CS"]
)
def test_a_name_of_two_countries_or_of_none_is_not_guessed(text: str) -> None:
    assert country_code(text) is None
    assert clean_contacts(pa.table({"country": [text]}), "DK")["country"].to_pylist() == [None]


@pytest.mark.parametrize(
    ("model", "given"),
    [(ListExport, {"platform": "klaviyo", "region": False}), (IdentitySettings, {"region": False})],
)
def test_yaml_s_false_for_norway_is_told(model: type[Settings], given: dict[str, object]) -> None:
    with pytest.raises(
        ConfigurationError, match='region: YAML reads NO as "false": write it in quotes, "NO"'
    ):
        validated(model, given, "shop.yaml")


def test_unknown_countries_are_counted(tmp_path: Path) -> None:
    people = customers(3, country=["Danmark", "Congo", "Atlantis"])
    result = export(tmp_path, "braze", people, details=["country"])
    assert [row["country"] for row in rows_of(result)] == ["DK", "", ""]
    assert result.unreadable["country"] == 2
