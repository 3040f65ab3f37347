"""A list and its customers in memory, and a strict reader of RFC 4180 files, for the tests of exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from segml.campaigns.export import ExportResult, ListExport, export_list

PEOPLE = 300


def listed(people: int = PEOPLE, **changes: Any) -> pd.DataFrame:
    """Return a campaign's list, as `segml lists` writes it."""
    columns = {
        "customer_id": [f"c{i:05d}" for i in range(people)],
        "campaign": "win_back",
        "action": "win_back_mail",
        "offer_class": "content",
        "score": [float(people - i) / 4 for i in range(people)],
        "reason_1": "silent for long",
        "send_hour": pd.array([9] * people, dtype="Int32"),
        "arm": "treated",
        "definition_hash": "0123456789abcdef",
    }
    return pd.DataFrame({**columns, **changes})


def customers(people: int = PEOPLE, **changes: Any) -> pd.DataFrame:
    """Return contact data of people who consented to everything."""
    columns = {
        "customer_id": [f"c{i:05d}" for i in range(people)],
        "email": [f"person{i}@example.com" for i in range(people)],
        "phone": [f"20 12 {i // 100:02d} {i % 100:02d}" for i in range(people)],
        "first_name": "Åse",
        "last_name": "Sørensen",
        "country": "DK",
        "city": "Århus",
        "postcode": "0123",
        "language": "da",
        "birth_date": "1980-02-29",
        "consent_email_marketing": True,
        "consent_sms_marketing": True,
        "consent_push_marketing": True,
        "consent_ads_sharing": True,
        "profiling_objection": False,
    }
    return pd.DataFrame({**columns, **changes})


def one(**changes: Any) -> pd.DataFrame:
    """Return one customer."""
    return customers(1, **{name: [value] for name, value in changes.items()})


def export(
    folder: Path,
    platform: str,
    people: pd.DataFrame | None = None,
    rows: pd.DataFrame | None = None,
    chunk_rows: int = 50_000,
    **settings: Any,
) -> ExportResult:
    """Export a list; without a minimum, unless the platform has its own."""
    contacts = customers() if people is None else people
    chosen = listed(len(contacts)) if rows is None else rows
    wanted = ListExport(platform=platform, **{"minimum_people": 1, **settings})
    return export_list(chosen, contacts, wanted, folder / platform, chunk_rows=chunk_rows, threads=1)


def rows_of(result: ExportResult) -> list[dict[str, str]]:
    """Return the rows of all files of an export."""
    found = []
    for file in result.files:
        header, *rows = strict_csv(file.read_bytes())
        found += [dict(zip(header, row, strict=True)) for row in rows]
    return found


def strict_csv(content: bytes) -> list[list[str]]:
    """Read RFC 4180 with line feeds, refusing everything a lenient reader would forgive."""
    text = content.decode("utf-8")
    assert not text.startswith("\ufeff")
    assert text.endswith("\n")
    rows: list[list[str]] = []
    row: list[str] = []
    place = 0
    while place < len(text):
        field, place = _quoted(text, place + 1) if text[place] == '"' else _bare(text, place)
        row.append(field)
        end = text[place]
        assert end in ",\n", f"text after a closing quote at {place}"
        place += 1
        if end == "\n":
            rows.append(row)
            row = []
        elif place == len(text):
            raise AssertionError("the last row has no end")
    assert not row
    assert len({len(one_row) for one_row in rows}) == 1
    return rows


def _quoted(text: str, place: int) -> tuple[str, int]:
    field = ""
    while True:
        end = text.index('"', place)
        field += text[place:end]
        if text[end + 1] != '"':
            return field, end + 1
        field += '"'
        place = end + 2


def _bare(text: str, place: int) -> tuple[str, int]:
    end = min(found for found in (text.find(",", place), text.find("\n", place)) if found >= 0)
    field = text[place:end]
    assert '"' not in field
    assert "\r" not in field
    return field, end
