"""Google Customer Match: e-mail, phone and names hashed, country and postcode as they are.

Gmail ignores dots before the @, and so does the hash Google compares with; everybody else's dots stay. The four
address fields are there together or not at all. Uploading takes consent for ad user data and for ad personalisation:
who has not consented to sharing for advertising, or objects to profiling, is not in the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from segml.campaigns.export.platform import SHA256, Cell, Platform, both_or_nothing, column
from segml.contacts.contact_data import EMAIL
from segml.contacts.text import composed, is_hash, kept, sha256_hex, without

if TYPE_CHECKING:
    from segml.campaigns.export.settings import ListExport

_DETAILS = {"first_name": "First Name", "last_name": "Last Name", "country": "Country", "postcode": "Zip"}
_GMAIL = r"@(gmail|googlemail)\.com$"


def google_cells(people: pa.Table, export: ListExport) -> list[Cell]:
    """Return a Customer Match file's columns, always all six; the address is blank unless it is whole."""
    names = [google_name(column(people, name)) for name in ("first_name", "last_name")]
    address = [*names, column(people, "country"), column(people, "postcode")]
    if not set(_DETAILS) <= set(export.chosen_details):
        address = [pa.nulls(people.num_rows, pa.string())] * 4
    first, last, country, postcode = both_or_nothing(address)
    return [
        Cell("Email", sha256_hex(google_email(column(people, "email"))), SHA256, needed="contact"),
        Cell("Phone", sha256_hex(column(people, "phone")), SHA256, needed="contact"),
        Cell("First Name", sha256_hex(first), SHA256),
        Cell("Last Name", sha256_hex(last), SHA256),
        Cell("Country", country, "[A-Z]{2}"),
        Cell("Zip", postcode, free_text=True),
    ]


def google_email(values: pa.Array) -> pa.Array:
    """Return addresses trimmed and in lower case, Gmail's without dots before the @; what is no address is missing.

    Examples
    --------
    >>> google_email(pa.array([" Jane.Doe+x@Gmail.com", "jane.doe@example.com", "a b@c.dk"])).to_pylist()
    ['janedoe+x@gmail.com', 'jane.doe@example.com', None]
    """
    lower = composed(pc.utf8_lower(pc.utf8_trim_whitespace(values)))
    address = pc.if_else(pc.fill_null(is_hash(lower), False), lower, kept(lower, EMAIL))
    gmail = pc.fill_null(pc.match_substring_regex(address, pattern=_GMAIL), False)
    local, domain = without(address, "@.*$"), without(address, "^[^@]*")
    dotless = pc.binary_join_element_wise(without(local, r"\."), domain, "")
    return pc.if_else(gmail, dotless, address)


def google_name(values: pa.Array) -> pa.Array:
    """Return names trimmed and in lower case; punctuation stays.

    Examples
    --------
    >>> google_name(pa.array([" O'Neill-Åström"])).to_pylist()
    ["o'neill-åström"]
    """
    return composed(pc.utf8_lower(pc.utf8_trim_whitespace(values)))


PLATFORM = Platform(
    name="google",
    title="Google Customer Match",
    cells=google_cells,
    channels=(),
    details=_DETAILS,
    default_details=tuple(_DETAILS),
    consent_note="ad user data and ad personalisation",
)
