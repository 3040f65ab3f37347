"""Klaviyo: `Email` or `Phone Number` first, a consent column for each channel, other columns are properties.

A blank consent is "never subscribed" there, and such a profile can still be mailed. So people without consent are
never in the file; `Subscribed` is written only where a consent is on record, never for another stated basis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from segml.campaigns.export.platform import NOTHING, Cell, Platform, column, property_cells, where
from segml.contacts.contact_data import EMAIL
from segml.contacts.phones import E164

if TYPE_CHECKING:
    from segml.campaigns.export.settings import ListExport

_DETAILS = {
    "first_name": "First Name",
    "last_name": "Last Name",
    "country": "Country",
    "region": "Region",
    "city": "City",
    "postcode": "Zip Code",
    "language": "Language",
    "birth_date": "Birthday",
}
_FORMATTED = ("country", "language", "birth_date")


def klaviyo_cells(people: pa.Table, export: ListExport) -> list[Cell]:
    """Return a Klaviyo file's columns; a phone is there only with consent to text messages, an address likewise."""
    addresses = [
        Cell("Email", where(column(people, "may_email"), column(people, "email")), EMAIL),
        Cell("Phone Number", where(column(people, "may_sms"), column(people, "phone")), E164),
    ]
    first, second = addresses if export.channel == "email" else addresses[::-1]
    return [
        Cell(first.header, first.text, first.pattern, needed="contact"),
        second,
        Cell("Email Marketing Consent", _subscribed(people, "email"), "Subscribed"),
        Cell("SMS Marketing Consent", _subscribed(people, "sms"), "Subscribed"),
        *(
            Cell(_DETAILS[name], column(people, name), free_text=name not in _FORMATTED)
            for name in export.chosen_details
        ),
        *property_cells(people, export),
    ]


def _subscribed(people: pa.Table, channel: str) -> pa.Array:
    consent = column(people, f"{channel}_consent")
    return pa.compute.if_else(consent, pa.scalar("Subscribed"), NOTHING)


PLATFORM = Platform(
    name="klaviyo",
    title="Klaviyo",
    cells=klaviyo_cells,
    channels=("email", "sms"),
    details=_DETAILS,
    forbidden=(
        *("Email", "Phone Number", "Email Marketing Consent", "SMS Marketing Consent"),
        "SMS Transactional Consent",
    ),
    max_bytes=50_000_000,
)
