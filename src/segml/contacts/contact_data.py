"""Contact data as the catalogue holds them -> one clean form that every platform's own rules start from.

Text is tidy and composed (NFC), e-mail addresses are addresses, phones are E.164, countries alpha-2, postcodes as the
country writes them, languages two letters, dates ISO. What can't be read is missing, and it is counted: a wrong
address is worse than none.
"""

from __future__ import annotations

import datetime as dt
import unicodedata

import pyarrow as pa
import pyarrow.compute as pc

from segml.contacts.countries import country_code
from segml.contacts.phones import e164
from segml.contacts.postcodes import postcodes
from segml.contacts.text import FORMULA, composed, is_hash, kept, mapped, tidy, without

CONTACT_COLUMNS = (
    *("email", "phone", "first_name", "last_name", "country", "region", "city", "postcode"),
    *("language", "gender", "birth_date"),
)
_ASCII = r"[a-z0-9!#$%&'*+/=?^_`{|}~\-]"
_LABEL = r"[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--{_LABEL})"


def _address(letter: str) -> str:
    return rf"{letter}+(?:\.{letter}+)*@{_DOMAIN}"


# What sending tools take: atoms with single dots between them, one @, a domain of the DNS with a top level that is no
# number. Nothing in quotes, though RFC 5321 knows it. Some tools take letters of ASCII only.
EMAIL = _address(rf"(?:{_ASCII}|[^\x00-\x7f])")
ASCII_EMAIL = _address(_ASCII)
LONGEST_LOCAL = 64
LONGEST_EMAIL = 254
_LETTERS = frozenset(("Ll", "Lo", "Lm", "Mn", "Mc", "Nd"))  # of Unicode labels, once in lower case
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
    columns["postcode"] = _postcodes(columns["postcode"], country)
    columns["language"] = kept(pc.utf8_lower(pc.utf8_slice_codeunits(columns["language"], 0, 2)), "[a-z]{2}")
    columns["gender"] = mapped(columns["gender"], lambda text: _GENDERS.get(text.casefold()))
    columns["birth_date"] = mapped(columns["birth_date"], iso_date)
    return pa.table(columns)


def clean_email(values: pa.Array) -> pa.Array:
    """Return addresses in the one form they are compared, hashed and written in; what no tool sends to is missing.

    Lower case, a Unicode domain in punycode. Hashes stay. An address that starts like a spreadsheet formula is not
    used: it can't be guarded without becoming another.

    Examples
    --------
    >>> clean_email(pa.array(["Å.B+tag@Example.com", "a@Bücher.de", "a b@c.dk", "a..b@c.dk", "a@-c.dk"])).to_pylist()
    ['å.b+tag@example.com', 'a@xn--bcher-kva.de', None, None, None]
    """
    lower = composed(pc.utf8_lower(values))
    ascii_domains = lower if _all_ascii(lower) else mapped(lower, _with_ascii_domain)
    address = kept(ascii_domains, EMAIL)
    fits = pc.and_(
        pc.less_equal(pc.binary_length(address), LONGEST_EMAIL),
        pc.less_equal(pc.binary_length(without(address, "@.*$")), LONGEST_LOCAL),
    )
    safe = pc.and_(fits, pc.invert(pc.match_substring_regex(address, pattern=FORMULA)))
    address = pc.if_else(safe, address, pa.scalar(None, pa.string()))
    return pc.if_else(pc.coalesce(is_hash(lower), pa.scalar(False)), lower, address)


def written_email(raw: pa.Table) -> pa.Array:
    """Return the column `email` trimmed and in lower case, whether or not any tool would send to it.

    Others' hashes are of this form, so it is compared beside the clean one where somebody is to be kept out.

    Examples
    --------
    >>> written_email(pa.table({"email": [" A..B@X.dk", "a@Bücher.de"]})).to_pylist()
    ['a..b@x.dk', 'a@bücher.de']
    """
    return pc.utf8_lower(_text(raw, "email"))


def ascii_domain(domain: str) -> str | None:
    """Return a domain in the letters of the DNS: Unicode labels in punycode, as IDNA 2008 reads them; or None.

    Python's own codec follows IDNA 2003, under which straße.de is another company's strasse.de.

    Examples
    --------
    >>> ascii_domain("blåbærgrød.dk"), ascii_domain("straße.de"), ascii_domain("a♥b.dk")
    ('xn--blbrgrd-fxak7p.dk', 'xn--strae-oqa.de', None)
    """
    labels = []
    for label in domain.split("."):
        if label.isascii():
            labels.append(label)
            continue
        written = unicodedata.normalize("NFC", label)
        letters = all(letter == "-" or unicodedata.category(letter) in _LETTERS for letter in written)
        stable = unicodedata.normalize("NFKC", written) == written
        if not letters or not stable or unicodedata.category(written[0]).startswith("M"):
            return None
        labels.append("xn--" + written.encode("punycode").decode())
    return ".".join(labels)


def _with_ascii_domain(address: str) -> str | None:
    """Return an address with a domain of the DNS; None where its local part has more than letters and digits."""
    local, _, domain = address.rpartition("@")
    if any(not letter.isascii() and unicodedata.category(letter) not in _LETTERS for letter in local):
        return None
    known = ascii_domain(domain)
    return None if known is None else f"{local}@{known}"


def _all_ascii(values: pa.Array) -> bool:
    return pc.all(pc.string_is_ascii(values)).as_py() is not False


def _postcodes(written: pa.Array, country: pa.Array) -> pa.Array:
    hashed = pc.coalesce(is_hash(written), pa.scalar(False))
    return pc.if_else(hashed, pc.ascii_lower(written), postcodes(written, country))


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
