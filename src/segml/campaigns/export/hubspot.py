"""HubSpot: `Email` identifies a contact; first and last name; other columns are mapped to properties there.

An address may have no letters beyond ASCII before its @.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from segml.campaigns.export.platform import Cell, Platform, column, property_cells, where
from segml.contacts.contact_data import ASCII_EMAIL
from segml.contacts.phones import E164

if TYPE_CHECKING:
    from segml.campaigns.export.settings import ListExport

_DETAILS = {
    "first_name": "First Name",
    "last_name": "Last Name",
    "phone": "Phone Number",
    "country": "Country/Region",
    "region": "State/Region",
    "city": "City",
    "postcode": "Postal Code",
    "language": "Preferred language",
    "birth_date": "Date of birth",
}
_FORMATTED = ("phone", "country", "language", "birth_date")


def hubspot_cells(people: pa.Table, export: ListExport) -> list[Cell]:
    """Return a HubSpot file's columns."""
    return [
        Cell("Email", column(people, "email"), ASCII_EMAIL, needed="contact"),
        *(_detail(people, name) for name in export.chosen_details),
        *property_cells(people, export),
    ]


def _detail(people: pa.Table, name: str) -> Cell:
    values = column(people, name)
    if name == "phone":
        return Cell(_DETAILS[name], where(column(people, "may_sms"), values), E164)
    return Cell(_DETAILS[name], values, free_text=name not in _FORMATTED)


PLATFORM = Platform(
    name="hubspot",
    title="HubSpot",
    cells=hubspot_cells,
    details=_DETAILS,
    forbidden=("Email", "Record ID"),
    max_rows=1_048_576,
)
