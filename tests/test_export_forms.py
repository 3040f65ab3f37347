"""Each platform's own form of addresses, phones and names (R53, R54); vectors from Meta's and Google's guidelines."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

import duckdb
import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export_world import customers, export, one, rows_of
from segml.campaigns.export.google import google_email
from segml.campaigns.export.meta import meta_email, meta_name, meta_phone
from segml.contacts.contact_data import clean_contacts, clean_email
from segml.contacts.countries import country_code
from segml.contacts.phones import e164, number_end_sql, parsed_number
from segml.contacts.text import sha256_hex, tidy

TWELVE = ("DK", "SE", "NO", "FI", "DE", "GB", "FR", "NL", "IT", "ES", "PL", "US")
JANE_META = "831f6494ad6be4fcb3a724c3d5fef22d3ceffa3c62ef3a7984e45a0ea177f982"
JANE_GOOGLE = "d6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69"
PHONE_META = "809e578a04be0a60b067bca32ec60a7ad31536541196e2e600afa908b0fb8936"
PHONE_GOOGLE = "be1c4e017f32a6ada65f06b76b4237927cec49433c4dc04c83d4a4313a06b6ef"


def texts(*values: str | None) -> pa.Array:
    return pa.array(values, pa.string())


def jane() -> object:
    people = customers(100)
    people.loc[0, ["email", "phone", "country"]] = [" Jane.Doe@gmail.com ", "+45 20 12 34 56", "SE"]
    return people


def test_meta_hashes_the_known_address_and_phone(tmp_path: Path) -> None:
    row = rows_of(export(tmp_path, "meta", jane()))[0]
    assert (row["email"], row["phone"]) == (JANE_META, PHONE_META)


def test_google_hashes_the_known_address_without_dots_and_the_phone_with_its_plus(tmp_path: Path) -> None:
    row = rows_of(export(tmp_path, "google", jane()))[0]
    assert (row["Email"], row["Phone"]) == (JANE_GOOGLE, PHONE_GOOGLE)


@pytest.mark.parametrize(
    ("typed", "region", "expected"),
    [
        ("0046 70 123 45 67", "SE", "+46701234567"),
        ("0046 70 123 45 67", "US", "+46701234567"),  # 00 is no international prefix there
        ("0046 70 123 45 67", "", "+46701234567"),
        ("+47 (0)22 12 34 56", "NO", "+4722123456"),  # no trunk zero in Norway
        ("+46 (0)70 123 45 67", "DK", "+46701234567"),
        ("+39 06 1234 5678", "", "+390612345678"),  # the zero belongs to the number in Italy
        ("+39 (0)6 1234 5678", "", "+390612345678"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("20123456 ext. 5", "DK", "+4520123456"),
        ("20 12 34 56", "", None),
        ("12", "DK", None),
        ("call me", "DK", None),
        ("+999 123456", "DK", None),
    ],
)
def test_phones_are_read_by_numbering_plans(typed: str, region: str, expected: str | None) -> None:
    assert parsed_number(typed, region) == expected


@pytest.mark.parametrize("region", TWELVE)
def test_a_country_s_own_number_parses_in_every_spelling(region: str) -> None:
    # libphonenumber's example of a mobile number of each country
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    wanted = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    national = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.NATIONAL)
    spellings = [national, wanted, "00" + wanted[1:], national.replace(" ", "-"), f" {national} "]
    assert e164(texts(*spellings), texts(*[region] * 5)).to_pylist() == [wanted] * 5
    assert meta_phone(texts(wanted)).to_pylist() == [wanted[1:]]


# A fixed line of each country as people write it: nationally, with 00, with + and with a trunk zero where there is none
# abroad. Numbers set aside for fiction where a country has them (Ofcom's 020 7946 0xxx, 030 23125 xxx in Germany,
# 01 99 00 xx xx in France, 555-01xx in North America, 08-465 004 xx in Sweden).
FIXED_LINES = {
    "DK": ("+4532123456", "32 12 34 56", "0045 32123456", "+45 (0)32 12 34 56"),
    "SE": ("+46846500405", "08-465 004 05", "0046 8 465 004 05", "+46 (0)8 465 004 05", "+4608 465 004 05"),
    "NO": ("+4722123456", "22 12 34 56", "0047 22 12 34 56", "+47 (0)22 12 34 56"),
    "FI": ("+358912345678", "09 1234 5678", "00358 9 12345678", "+358 (0)9 1234 5678"),
    "DE": ("+493023125123", "030 / 23125-123", "0049 30 23125123", "+49 (0)30 23125 123", "+49 030 23125123"),
    "FR": ("+33199001234", "01 99 00 12 34", "0033 1 99 00 12 34", "+33 (0)1 99 00 12 34"),
    "GB": (
        "+442079460958",
        "(020) 7946 0958",
        "0044 20 7946 0958",
        "+44 (0)20 7946 0958",
        "+44 020 7946 0958",
    ),
    "US": ("+12125550123", "(212) 555-0123", "001 212 555 0123", "1-212-555-0123", "+1 (212) 555.0123"),
    "PL": ("+48221234567", "22 123 45 67", "0048 22 123 45 67", "+48 (22) 123-45-67"),
    "IT": ("+390612345678", "06 1234 5678", "0039 06 1234 5678", "+39 06 12345678", "+39 (0)6 1234 5678"),
    "ES": ("+34912345678", "912 34 56 78", "0034 912 345 678", "+34 912-345-678"),
    "NL": ("+31201234567", "020-123 4567", "0031 20 1234567", "+31 (0)20 123 4567"),
}


@pytest.mark.parametrize(("region", "spellings"), FIXED_LINES.items(), ids=FIXED_LINES.keys())
def test_a_fixed_line_is_one_number_in_every_notation(region: str, spellings: tuple[str, ...]) -> None:
    wanted, *typed = spellings
    assert e164(texts(*typed), texts(*[region] * len(typed))).to_pylist() == [wanted] * len(typed)
    abroad = [text for text in typed if text.startswith(("+", "00"))]
    assert e164(texts(*abroad), texts(*["JP"] * len(abroad))).to_pylist() == [wanted] * len(abroad)
    ends = [duckdb.execute(f"select {number_end_sql('?')}", [text]).fetchall()[0][0] for text in spellings]
    assert set(ends) == {wanted[-6:]}, "numbers that are one have one end, so that comparing ends loses none"


def test_a_phone_is_read_in_the_row_s_own_country_and_never_in_a_guessed_one() -> None:
    raw = pa.table({"phone": ["070-123 45 67"] * 4, "country": ["Sverige", None, "Atlantis", "DK"]})
    assert clean_contacts(raw, "SE").column("phone").to_pylist() == [
        "+46701234567",
        "+46701234567",  # without a country, the export's own
        None,  # an unknown country is not the export's own
        None,
    ]


def test_a_value_hashed_already_is_not_hashed_twice(tmp_path: Path) -> None:
    people = customers(100)
    people.loc[0, ["email", "phone", "first_name"]] = [JANE_META.upper(), PHONE_META, JANE_GOOGLE]
    meta, google = (
        rows_of(export(tmp_path, "meta", people))[0],
        rows_of(export(tmp_path, "google", people))[0],
    )
    assert (meta["email"], meta["phone"], meta["fn"]) == (JANE_META, PHONE_META, JANE_GOOGLE)
    assert (google["Email"], google["Phone"], google["First Name"]) == (JANE_META, PHONE_META, JANE_GOOGLE)


@pytest.mark.parametrize("platform", ["klaviyo", "mailchimp", "braze", "hubspot"])
def test_nobody_is_written_to_at_a_hash(platform: str, tmp_path: Path) -> None:
    result = export(tmp_path, platform, one(email=JANE_META, phone=PHONE_META))
    assert (result.status, result.left_out) == ("refused", {"unreadable_contact": 1})


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_hashing_twice_is_hashing_once(text: str) -> None:
    once = sha256_hex(texts(text))
    assert sha256_hex(once) == once
    if len(text) != 64:
        assert once.to_pylist() == [hashlib.sha256(text.encode()).hexdigest()]


def test_plus_tags_stay_and_only_gmail_loses_its_dots() -> None:
    typed = texts("Jane.Doe+News@Gmail.com", "j.d@googlemail.com", "j.d@example.com", "j.d@gmail.com.dk")
    google = ["janedoe+news@gmail.com", "jd@googlemail.com", "j.d@example.com", "j.d@gmail.com.dk"]
    assert google_email(typed).to_pylist() == google
    assert meta_email(typed).to_pylist()[:2] == ["jane.doe+news@gmail.com", "j.d@googlemail.com"]


def test_addresses_that_are_none_are_not_repaired() -> None:
    wrong = [
        "a b@c.dk",
        "a@b@c.dk",
        "@c.dk",
        "a@",
        "a@dk",
        "a.dk",
        "a@b.dk,c@d.dk",
        "=cmd@c.dk",
        "+1@c.dk",
        "a@.dk",
        "",
    ]
    assert clean_email(texts(*wrong)).to_pylist() == [None] * len(wrong)
    assert clean_contacts(pa.table({"email": ["\u00a0 a@b.dk\t"]})).column("email").to_pylist() == ["a@b.dk"]


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("jürgen.müller@Größe.de", "jürgen.müller@xn--gre-6ka8i.de"),
        ("ÅSE+nyt@Østerbro.DK", "åse+nyt@xn--sterbro-p1a.dk"),
        ("peña@correo.es", "peña@correo.es"),
    ],
)
def test_one_address_has_one_form_whichever_way_its_letters_are_composed(address: str, form: str) -> None:
    typed = [unicodedata.normalize(form, f" {address}\u00a0") for form in ("NFC", "NFD", "NFKC", "NFKD")]
    found = clean_contacts(pa.table({"email": typed})).column("email").to_pylist()
    assert found == [form] * 4


@pytest.mark.parametrize(
    "address", ["mailto:a@b.dk", "<a@b.dk>", "Ann <a@b.dk>", '"a b"@c.dk', "a@b.dk; c@d.dk", "a@[1.2.3.4]"]
)
def test_text_around_an_address_is_not_cut_away(address: str) -> None:
    assert clean_contacts(pa.table({"email": [address]})).column("email").to_pylist() == [None]


@pytest.mark.parametrize("name", ["Åse Östberg", "Jürgen", "Zoë Peña", "Łukasz Żak"])
def test_one_name_has_one_hash_whichever_way_its_letters_are_composed(name: str, tmp_path: Path) -> None:
    people = customers(100)
    for place, form in ((0, "NFC"), (1, "NFD")):
        people.loc[place, "first_name"] = unicodedata.normalize(form, name)
    for platform, column in (("meta", "fn"), ("google", "First Name"), ("klaviyo", "First Name")):
        first, second, *_ = rows_of(export(tmp_path, platform, people))
        assert first[column] == second[column]
    assert first[column] == name


def test_meta_drops_punctuation_of_names_and_keeps_their_letters() -> None:
    assert meta_name(texts("Ørsted-Åkesson", "O'Neill, Jr.", "  ", "山田")).to_pylist() == [
        "ørstedåkesson",
        "oneill jr",
        None,
        "山田",
    ]


def test_blanks_of_every_kind_are_blanks() -> None:
    assert tidy(texts("\ufeffAnne\u00a0\u200b\r\nMarie\t")).to_pylist() == ["Anne Marie"]


@pytest.mark.parametrize(
    ("text", "code"),
    [("dk", "DK"), ("DNK", "DK"), ("Sverige", "SE"), ("UK", "GB"), ("USA", "US"), ("XX", None)],
)
def test_countries_are_recognised_and_never_guessed(text: str, code: str | None) -> None:
    assert country_code(text) == code
