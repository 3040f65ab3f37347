"""Meta customer list with value: hashed identifiers, the country always, and what a person is worth.

The value is never hashed and never negative: Meta weighs by its proportions. `uid` is an id of Meta's own and is
never written. An e-mail address keeps its dots and its plus tag; a phone has digits only, country code first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from segml.campaigns.export.platform import NOTHING, SHA256, Cell, Platform, column
from segml.contacts.postcodes import ZIP_COUNTRIES
from segml.contacts.text import composed, sha256_hex, tidy, without

if TYPE_CHECKING:
    from segml.campaigns.export.settings import ListExport

_DETAILS = {
    "first_name": "fn",
    "last_name": "ln",
    "postcode": "zip",
    "city": "ct",
    "region": "st",
    "birth_date": "dob",
    "gender": "gen",
}
_VALUE = r"\d+\.\d{2}"


def meta_cells(people: pa.Table, export: ListExport) -> list[Cell]:
    """Return a Meta file's columns: everything hashed but the value."""
    country = column(people, "country")
    details = {
        "first_name": lambda: meta_name(column(people, "first_name")),
        "last_name": lambda: meta_name(column(people, "last_name")),
        "postcode": lambda: meta_postcode(column(people, "postcode"), country),
        "city": lambda: meta_place(column(people, "city")),
        "region": lambda: meta_place(column(people, "region")),
        "birth_date": lambda: without(column(people, "birth_date"), "-"),
        "gender": lambda: pc.utf8_lower(column(people, "gender")),
    }
    return [
        Cell("email", sha256_hex(meta_email(column(people, "email"))), SHA256, needed="contact"),
        Cell("phone", sha256_hex(meta_phone(column(people, "phone"))), SHA256, needed="contact"),
        *(Cell(_DETAILS[name], sha256_hex(details[name]()), SHA256) for name in export.chosen_details),
        Cell("country", sha256_hex(pc.utf8_lower(country)), SHA256, needed="country"),
        Cell("value", meta_value(column(people, f"listed_{export.value}")), _VALUE, needed="value"),
    ]


def meta_email(values: pa.Array) -> pa.Array:
    """Return addresses trimmed and in lower case, nothing else.

    Examples
    --------
    >>> meta_email(pa.array([" Jane.Doe+news@Gmail.com "])).to_pylist()
    ['jane.doe+news@gmail.com']
    """
    return composed(pc.utf8_lower(pc.utf8_trim_whitespace(values)))


def meta_phone(values: pa.Array) -> pa.Array:
    """Return E.164 numbers as digits: no +, no leading zeros.

    Examples
    --------
    >>> meta_phone(pa.array(["+4520123456"])).to_pylist()
    ['4520123456']
    """
    return without(values, r"^\+0*")


def meta_name(values: pa.Array) -> pa.Array:
    """Return names in lower case without punctuation; letters of every alphabet stay.

    Examples
    --------
    >>> meta_name(pa.array(["O'Neill-Åström ", "Ma. José"])).to_pylist()
    ['oneillåström', 'ma josé']
    """
    return tidy(without(pc.utf8_lower(values), r"[\pP\pS]"))


def meta_place(values: pa.Array) -> pa.Array:
    """Return cities and regions in lower case, letters and digits only.

    Examples
    --------
    >>> meta_place(pa.array(["København K.", "New York"])).to_pylist()
    ['københavnk', 'newyork']
    """
    return tidy(without(pc.utf8_lower(values), r"[^\pL\pM\pN]"))


def meta_postcode(values: pa.Array, country: pa.Array) -> pa.Array:
    """Return postcodes in lower case without blanks and dashes; the first five digits of a ZIP+4.

    Examples
    --------
    >>> meta_postcode(pa.array(["SW1A 1AA", "94025-1234"]), pa.array(["GB", "US"])).to_pylist()
    ['sw1a1aa', '94025']
    """
    plain = without(pc.utf8_lower(values), r"[\s\-]")
    american = pc.is_in(country, pa.array(ZIP_COUNTRIES))
    return tidy(pc.if_else(american, pc.utf8_slice_codeunits(plain, 0, 5), plain))


def meta_value(values: pa.Array) -> pa.Array:
    """Return amounts with two decimals; missing, negative and infinite ones are nothing.

    Examples
    --------
    >>> meta_value(pa.array([12.346, 1e9, -1.0, None])).to_pylist()
    ['12.35', '1000000000.00', None, None]
    """
    amounts = values.cast(pa.float64())
    usable = pc.and_(pc.greater_equal(amounts, 0.0), pc.less(amounts, 1e15))
    kept = pc.if_else(pc.fill_null(usable, False), amounts, pa.scalar(0.0))
    cents = pc.round(pc.multiply(kept, 100.0)).cast(pa.int64())
    whole, part = (
        pc.divide(cents, 100).cast(pa.string()),
        pc.subtract(cents, pc.multiply(pc.divide(cents, 100), 100)),
    )
    text = pc.binary_join_element_wise(whole, pc.utf8_lpad(part.cast(pa.string()), 2, "0"), ".")
    return pc.if_else(pc.fill_null(usable, False), text, NOTHING)


PLATFORM = Platform(
    name="meta",
    title="Meta",
    cells=meta_cells,
    channels=(),
    details=_DETAILS,
    default_details=("first_name", "last_name", "postcode"),
    consent_note="sharing with advertising platforms",
)
