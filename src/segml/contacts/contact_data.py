"""Contact data as the catalogue holds them -> one clean form that every platform's own rules start from.

Text is tidy and composed (NFC), e-mail addresses are addresses, phones are E.164, countries alpha-2, languages two
letters, dates ISO. What can't be read is missing, and it is counted: a wrong address is worse than none.
"""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pyarrow.compute as pc

from segml.contacts.countries import country_code
from segml.contacts.phones import e164
from segml.contacts.text import FORMULA, is_hash, kept, mapped, tidy

CONTACT_COLUMNS = (
    *("email", "phone", "first_name", "last_name", "country", "region", "city", "postcode"),
    *("language", "gender", "birth_date"),
)
# One @, a domain with a dot, nothing inside that a header or a file would read as a separator.
EMAIL = r"[^\s@,;:<>()\[\]\"\\]+@[^\s@.,;:<>()\[\]\"\\]+(?:\.[^\s@.,;:<>()\[\]\"\\]+)+"
_GENDERS = {"f": "F", "female": "F", "woman": "F", "kvinde": "F", "kvinna": "F", "k": "F"} | {
    "m": "M", "male": "M", "man": "M", "mand": "M",
}  # fmt: skip


def clean_contacts(raw: pa.Table, default_region: str = "") -> pa.Table:
    """Return the contact columns in one clean form, text or missing; columns that are not there are missing.

    Parameters
    ----------
    raw : pa.Table
        Columns of the `customers` table, as text.
    default_region : str
        Alpha-2 country of people without one; a country that is not recognised stays unknown.

    Examples
    --------
    >>> raw = pa.table({"email": [" Jane.Doe@Example.COM"], "phone": ["20 12 34 56"], "country": ["Danmark"]})
    >>> clean_contacts(raw).select(["email", "phone", "country"]).to_pylist()
    [{'email': 'jane.doe@example.com', 'phone': '+4520123456', 'country': 'DK'}]
    """
    columns = {name: _text(raw, name) for name in CONTACT_COLUMNS}
    written = columns["country"]
    country = mapped(written, country_code)
    if default_region:
        country = pc.if_else(pc.is_null(written), pa.scalar(default_region), country)
    columns["country"] = country
    columns["email"] = clean_email(columns["email"])
    columns["phone"] = e164(columns["phone"], country)
    columns["language"] = kept(pc.utf8_lower(pc.utf8_slice_codeunits(columns["language"], 0, 2)), "[a-z]{2}")
    columns["gender"] = mapped(columns["gender"], lambda text: _GENDERS.get(text.casefold()))
    columns["birth_date"] = mapped(columns["birth_date"], iso_date)
    return pa.table(columns)


def clean_email(values: pa.Array) -> pa.Array:
    """Return addresses trimmed and in lower case; what is no address is missing, and hashes stay.

    An address that starts like a spreadsheet formula is not used: it can't be guarded without becoming another.

    Examples
    --------
    >>> clean_email(pa.array(["Å.B+tag@Example.com", "a b@c.dk", "a@b@c.dk", "=1@c.dk"])).to_pylist()
    ['å.b+tag@example.com', None, None, None]
    """
    lower = pc.utf8_lower(values)
    unsafe = pc.match_substring_regex(lower, pattern=FORMULA)
    address = pc.if_else(unsafe, pa.scalar(None, pa.string()), kept(lower, EMAIL))
    address = pc.if_else(pc.greater(pc.binary_length(address), 254), pa.scalar(None, pa.string()), address)
    return pc.if_else(pc.coalesce(is_hash(lower), pa.scalar(False)), lower, address)


def iso_date(text: str) -> str | None:
    """Return an ISO date from one, or from whole days since 1970; None when it is neither.

    Examples
    --------
    >>> iso_date("1980-02-29"), iso_date("3711"), iso_date("29/02/1980")
    ('1980-02-29', '1980-02-29', None)
    """
    try:
        if text.lstrip("-").isdigit():
            return (dt.date(1970, 1, 1) + dt.timedelta(days=int(text))).isoformat()
        return dt.date.fromisoformat(text[:10]).isoformat()
    except (ValueError, OverflowError):
        return None


def _text(raw: pa.Table, name: str) -> pa.Array:
    if name not in raw.column_names:
        return pa.nulls(raw.num_rows, pa.string())
    values = raw.column(name).combine_chunks() if raw.num_rows else pa.nulls(0, pa.string())
    return tidy(values.cast(pa.string()))
