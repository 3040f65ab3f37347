"""Text as every platform wants it before its own rules: composed, tidy, without what a spreadsheet would run.

All functions take and return Arrow arrays of strings, missing values included, and work on whole chunks. Only text
outside ASCII and distinct values to hash meet Python, one at a time.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

# Formulas start with one of these; the second four are their full-width forms, which some spreadsheets fold.
FORMULA = r"^([=+\-@\t\r＝＋－＠])"
_BLANK = r"[\s\pZ\p{Cc}\x{200b}\x{feff}]+"
_HASHED = r"^[0-9a-fA-F]{64}$"


def guarded_text(values: pa.Array) -> pa.Array:
    """Return free text with the characters that start a formula made harmless.

    Identifiers, phones, hashes and numbers are never guarded: a changed identifier matches nobody.

    Examples
    --------
    >>> guarded_text(pa.array(["=1+1", "fine", None])).to_pylist()
    ["'=1+1", 'fine', None]
    """
    return pc.replace_substring_regex(values, pattern=FORMULA, replacement=r"'\1")


def composed(values: pa.Array) -> pa.Array:
    """Return text in Unicode's composed form (NFC), so that one name has one spelling and one hash.

    Examples
    --------
    >>> composed(pa.array(["a\u030a", "a", None])).to_pylist() == ["\u00e5", "a", None]
    True
    """
    # Not pyarrow's utf8_normalize: in version 25 its "NFC" decomposes (å becomes a and a ring).
    if pc.all(pc.string_is_ascii(values)).as_py() is not False:
        return values
    return mapped(values, lambda text: unicodedata.normalize("NFC", text))


def tidy(values: pa.Array) -> pa.Array:
    """Return composed text without outer blanks, with single inner ones; nothing left is a missing value.

    Line breaks, tabs, control characters and no-break spaces count as blanks.

    Examples
    --------
    >>> tidy(pa.array([" Anne\u00a0 Marie\\n", "  "])).to_pylist()
    ['Anne Marie', None]
    """
    single = pc.replace_substring_regex(composed(values), pattern=_BLANK, replacement=" ")
    trimmed = pc.utf8_trim(single, characters=" ")
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def clipped(values: pa.Array, at_most: int) -> pa.Array:
    """Return text of at most so many bytes of UTF-8, cut between characters.

    Examples
    --------
    >>> clipped(pa.array(["åååå"]), 5).to_pylist()
    ['åå']
    """
    if not pc.any(pc.greater(pc.binary_length(values), at_most)).as_py():
        return values
    return mapped(values, lambda text: text.encode()[:at_most].decode(errors="ignore"))


def kept(values: pa.Array, pattern: str) -> pa.Array:
    """Return the values that match an RE2 pattern as a whole; the others become missing."""
    fits = pc.match_substring_regex(values, pattern=f"^(?:{pattern})$")
    return pc.if_else(fits, values, pa.scalar(None, pa.string()))


def without(values: pa.Array, pattern: str, replacement: str = "") -> pa.Array:
    """Return text with every match of an RE2 pattern replaced."""
    return pc.replace_substring_regex(values, pattern=pattern, replacement=replacement)


def is_hash(values: pa.Array) -> pa.Array:
    """Tell which values are 64 hexadecimal digits already."""
    return pc.match_substring_regex(values, pattern=_HASHED)


def sha256_hex(values: pa.Array) -> pa.Array:
    """Return the SHA-256 of the UTF-8 bytes in lower-case hexadecimal; what is hashed already stays.

    Normalise first, by the platform's own rules: the same address has another hash on another platform.

    Examples
    --------
    >>> once = sha256_hex(pa.array(["jane.doe@gmail.com", None]))
    >>> once.to_pylist()[0][:16], sha256_hex(once) == once
    ('831f6494ad6be4fc', True)
    """
    hashed = mapped(values, lambda text: hashlib.sha256(text.encode()).hexdigest())
    return pc.if_else(is_hash(values), pc.ascii_lower(values), hashed)


def mapped(values: pa.Array, change: Callable[[str], str | None]) -> pa.Array:
    """Return the values changed one by one, each distinct value once."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    codes = values.dictionary_encode()
    changed = [None if text is None else change(text) for text in codes.dictionary.to_pylist()]
    return pa.array(changed, pa.string()).take(codes.indices)
