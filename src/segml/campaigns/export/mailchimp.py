"""Mailchimp: `Email Address`, free labels, `Tags`.

Text fields hold 255 bytes, not characters: longer text is cut here, between characters, rather than there. Postcodes
are text (a leading zero stays), a birthday is month and day, and an address may have no letters beyond ASCII before
its @.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from segml.campaigns.export.platform import Cell, Platform, column, property_cells, where
from segml.contacts.contact_data import ASCII_EMAIL
from segml.contacts.phones import E164
from segml.contacts.text import clipped

if TYPE_CHECKING:
    from segml.campaigns.export.settings import ListExport

TEXT_BYTES = 255
_GUARD = 1  # a guarded text has an apostrophe more
_DETAILS = {
    "first_name": "First Name",
    "last_name": "Last Name",
    "phone": "Phone Number",
    "country": "Country",
    "region": "Region",
    "city": "City",
    "postcode": "Postcode",
    "language": "Language",
    "birth_date": "Birthday",
}
_PATTERNS = {"phone": E164, "birth_date": r"[01][0-9]/[0-3][0-9]"}
_FORMATTED = ("phone", "country", "language", "birth_date")


def mailchimp_cells(people: pa.Table, export: ListExport) -> list[Cell]:
    """Return a Mailchimp file's columns; the one tag is the audience's name."""
    cells = [
        Cell("Email Address", column(people, "email"), ASCII_EMAIL, needed="contact"),
        *(_detail(people, name) for name in export.chosen_details),
        *(_short(cell) for cell in property_cells(people, export)),
    ]
    tag = pa.repeat(pa.scalar(export.audience, pa.string()), people.num_rows)
    return [*cells, Cell("Tags", tag, r"[^,\"]{1,100}")]


def birthday(dates: pa.Array) -> pa.Array:
    """Return ISO dates as MM/DD.

    Examples
    --------
    >>> birthday(pa.array(["1980-02-29", None])).to_pylist()
    ['02/29', None]
    """
    return pc.replace_substring_regex(dates, pattern=r"^\d+-(\d{2})-(\d{2})$", replacement=r"\1/\2")


def _detail(people: pa.Table, name: str) -> Cell:
    values = column(people, name)
    if name == "phone":
        values = where(column(people, "may_sms"), values)
    if name == "birth_date":
        values = birthday(values)
    return _short(Cell(_DETAILS[name], values, _PATTERNS.get(name, ""), free_text=name not in _FORMATTED))


def _short(cell: Cell) -> Cell:
    room = TEXT_BYTES - _GUARD if cell.free_text else TEXT_BYTES
    return Cell(cell.header, clipped(cell.text, room), cell.pattern, cell.needed, cell.free_text)


PLATFORM = Platform(
    name="mailchimp",
    title="Mailchimp",
    cells=mailchimp_cells,
    details=_DETAILS,
    forbidden=("Email Address", "Tags"),
)
