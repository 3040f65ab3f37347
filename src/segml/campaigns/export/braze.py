"""Braze: `external_id` first, standard attributes in their exact spelling, other columns are custom attributes.

A header in another spelling would make a new custom attribute without a word. Blanks do not overwrite. Subscription
states belong to the person: `email_subscribe` and its like are never written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from segml.campaigns.export.platform import Cell, Platform, column, property_cells, where
from segml.contacts.contact_data import EMAIL
from segml.contacts.phones import E164

if TYPE_CHECKING:
    from segml.campaigns.export.settings import ListExport

_DETAILS = {
    "first_name": "first_name",
    "last_name": "last_name",
    "country": "country",
    "birth_date": "dob",
    "gender": "gender",
    "city": "home_city",
    "language": "language",
}
_PATTERNS = {
    "country": "[A-Z]{2}",
    "birth_date": r"\d{4}-\d{2}-\d{2}",
    "gender": "[MF]",
    "language": "[a-z]{2}",
}
# An id that a spreadsheet would run can't be guarded: it would be another person's. Signed numbers are harmless.
_ID = r"(?:[^=+\-@\t\r\n＝＋－＠]|[+\-]\d+$)[^\t\r\n]*"


def braze_cells(people: pa.Table, export: ListExport) -> list[Cell]:
    """Return a Braze file's columns: the id, the address of the channel, details, custom attributes."""
    return [
        Cell("external_id", column(people, "customer_id"), _ID, needed="id"),
        *_addresses(people, export),
        *(
            Cell(
                _DETAILS[name], column(people, name), _PATTERNS.get(name, ""), free_text=name not in _PATTERNS
            )
            for name in export.chosen_details
        ),
        *property_cells(people, export),
    ]


def _addresses(people: pa.Table, export: ListExport) -> list[Cell]:
    if export.identify_by == "id":
        return []
    if export.channel == "email":
        return [Cell("email", column(people, "email"), EMAIL, needed="contact")]
    if export.channel == "sms":
        phones = where(pc.fill_null(column(people, "may_sms"), False), column(people, "phone"))
        return [Cell("phone", phones, E164, needed="contact")]
    return []


PLATFORM = Platform(
    name="braze",
    title="Braze",
    cells=braze_cells,
    channels=("email", "sms", "push"),
    details=_DETAILS,
    forbidden=(
        *("external_id", "braze_id", "user_alias_name", "user_alias_label", "email", "phone", "time_zone"),
        *("email_subscribe", "push_subscribe", "subscription_group_id", "subscription_state"),
        *("email_open_tracking_disabled", "email_click_tracking_disabled"),
    ),
    takes_ids=True,
    max_bytes=500_000_000,
)
