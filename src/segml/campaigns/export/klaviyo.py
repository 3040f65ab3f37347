"""Klaviyo: `Email` or `Phone Number` first, a consent column for each channel, other columns are properties.

A blank consent is "never subscribed" there, and such a profile can still be mailed. So people without consent are
never in the file; `Subscribed` is written only where a consent is on record and the row has an address it is for,
never for another stated basis. An address may have no letters beyond ASCII before its @.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from segml.campaigns.export.platform import Cell, Platform, column, property_cells, where
from segml.contacts.contact_data import ASCII_EMAIL
from segml.contacts.phones import E164
from segml.contacts.text import kept

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
    email = where(column(people, "may_email"), column(people, "email"))
    phone = where(column(people, "may_sms"), column(people, "phone"))
    addresses = [Cell("Email", email, ASCII_EMAIL), Cell("Phone Number", phone, E164)]
    first, second = addresses if export.channel == "email" else addresses[::-1]
    return [
        Cell(first.header, first.text, first.pattern, needed="contact"),
        second,
        Cell("Email Marketing Consent", _subscribed(people, "email", addresses[0]), "Subscribed"),
        Cell("SMS Marketing Consent", _subscribed(people, "sms", addresses[1]), "Subscribed"),
        *(
            Cell(_DETAILS[name], column(people, name), free_text=name not in _FORMATTED)
            for name in export.chosen_details
        ),
        *property_cells(people, export),
    ]


def _subscribed(people: pa.Table, channel: str, address: Cell) -> pa.Array:
    """Return a consent where one is on record and the row has the address that it is for."""
    reachable = pc.is_valid(kept(address.text, address.pattern))
    consent = pc.and_(pc.fill_null(column(people, f"{channel}_consent"), False), reachable)
    return where(consent, pa.repeat(pa.scalar("Subscribed"), people.num_rows))


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
