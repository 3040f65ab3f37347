"""R56: suppression files are read in the forms they come in, and what matches nobody is told by line."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pandas as pd
import pytest

from segml.campaigns.suppressions import Suppressions, read_suppressions
from segml.errors import DataError

IDS = ["000005", "000006", "000007", "000008", "Ab9", "12345678901234567"]
HASH = hashlib.sha256(b"p6@shop.example").hexdigest()


def _read(tmp_path: Path, content: str | bytes, name: str = "stop.csv") -> Suppressions:
    customers = pd.DataFrame({"customer_id": IDS, "email": [f"p{i[-1].lower()}@shop.example" for i in IDS]})
    customers.to_parquet(tmp_path / "customers.parquet")
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read_suppressions([tmp_path / name], tmp_path / "customers.parquet")


def _out(found: Suppressions) -> list[str]:
    return found.people["customer_id"].to_pylist()


@pytest.mark.parametrize(
    "text",
    [
        "customer_id\n 000006\n000007 \n",
        "Customer ID;Reason\n000006;asked\n\u00a0000007\u200b;\n;\n",
        "kunde-id\treason\n000006\tx\n000007\tx\n",
        '"customer_id"\n"000006"\n\n"000007"\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_ids_are_found_in_any_form(text: str, encoding: str, tmp_path: Path) -> None:
    found = _read(tmp_path, text.encode(encoding))
    assert _out(found) == ["000006", "000007"]
    assert (found.entries, found.unmatched) == (2, 0)


def test_windows_text_and_compressed_files_are_read(tmp_path: Path) -> None:
    found = _read(tmp_path, "E-mail;Reason\nP6@shop.example;g\u00e6st\n".encode("cp1252"))
    assert found.people.to_pylist() == [{"customer_id": "000006", "reason": "g\u00e6st"}]
    assert _out(_read(tmp_path, gzip.compress(b"email\np6@shop.example\n"), "stop.csv.gz")) == ["000006"]


@pytest.mark.parametrize("line", ["p6@shop.example", HASH, HASH.upper()])
def test_a_bare_column_of_addresses_needs_no_header(line: str, tmp_path: Path) -> None:
    assert _out(_read(tmp_path, f"{line}\nnobody@shop.example\n" if "@" in line else f"{line}\n")) == [
        "000006"
    ]


@pytest.mark.parametrize(("written", "meant"), [("5", "000005"), ("05", "000005"), ("AB9", "Ab9")])
def test_ids_nearly_a_customers_are_refused_with_their_line(written: str, meant: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"stop.csv line 3: '{written}' is no customer, and '{meant}' is one"):
        _read(tmp_path, f"customer_id\n000006\n{written}\n")


def test_ids_that_a_spreadsheet_shortened_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"scientific notation.* line 2"):
        _read(tmp_path, "customer_id\n1.23457E+16\n")
    with pytest.raises(DataError, match="phones are in scientific notation"):
        _read(tmp_path, "phone\n4.52E+09\n")


def test_entries_of_nobody_are_told_without_their_address(tmp_path: Path) -> None:
    found = _read(tmp_path, "customer_id,email\n999,\n,secret@elsewhere.example\n000006,\n")
    assert found.unmatched == 2
    assert "2 entries match no customer of this base (stop.csv line 2: '999', stop.csv line 3)" in found.text
    assert "secret" not in found.text


def test_numbers_in_parquet_are_ids(tmp_path: Path) -> None:
    file = tmp_path / "stop.parquet"
    pd.DataFrame({"customer_id": [12345678901234567, 999]}).to_parquet(file)
    found = _read(tmp_path, file.read_bytes(), "stop.parquet")
    assert _out(found) == ["12345678901234567"]
    pd.DataFrame({"customer_id": [1.2345678901234567e16]}).to_parquet(file)
    with pytest.raises(DataError, match="lost digits"):
        _read(tmp_path, file.read_bytes(), "stop.parquet")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "Excel"),
        (b"PK\x03\x04rest", "archive"),
        (b"%PDF-1.7 rest", "PDF"),
        (b"", "empty"),
        (b"name\nAnna\n", "unknown column 'name'"),
        (b"\n\n", "empty"),
    ],
)
def test_files_that_name_no_customer_are_refused(content: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=why):
        _read(tmp_path, content)


@pytest.mark.parametrize("line", ["mailto:P6@shop.example,", "Anna <p6@shop.example>,", ",'000006"])
def test_addresses_and_ids_are_read_as_mail_programs_and_spreadsheets_write_them(
    line: str, tmp_path: Path
) -> None:
    assert _out(_read(tmp_path, f"email,customer_id\n{line}\n")) == ["000006"]


def test_phones_without_a_country_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 phones can't be read, the first in stop.csv line 3"):
        _read(tmp_path, "phone\n+4520304003\n20304004\n")
