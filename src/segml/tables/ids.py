r"""Identifiers: one normalisation for every place they come in by, as DuckDB SQL and as Python with the same result.

Shop tables, flat tables, suppression files, frames and the command line meet here, so that an id written in one of
them finds the same customer in all others:

* blanks of every kind and control characters around the id go, zero-width characters go wherever they stand, and
  what is left is composed (Unicode NFC); leading zeros stay, inner blanks stay;
* in a column of whole numbers ``17850.0`` is ``17850`` (a missing value turned the column into doubles once);
* scientific notation (``4.57123E+12``) lost digits in a spreadsheet and can't be an id; ``12E5`` is one where the
  column's other ids have letters too, and can't be told from a number where they have none;
* ``NULL``, ``guest``, ``0``, ``-1`` and the like stand for no customer.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import pandas as pd

# Format characters that show nothing: soft hyphen, Mongolian vowel separator, zero-width space and joiners, direction
# marks, word joiner and invisible operators, byte order mark.
_ZERO_WIDTH = "\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
_ZERO_WIDTH_SQL = (
    r"[\x{AD}\x{180E}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{2066}-\x{2069}\x{FEFF}]"
)
_OUTER_SQL = r"^[\s\pZ\p{Cc}]+|[\s\pZ\p{Cc}]+$"
_ASCII_BLANKS = [*range(1, 33), 127]
_BLANK = re.compile(r"^[\s\x00-\x1f\x7f-\x9f]+|[\s\x00-\x1f\x7f-\x9f]+$")
_INVISIBLE = re.compile(f"[{_ZERO_WIDTH}]")

PLACEHOLDERS = frozenset(
    {
        *("null", "(null)", "\\n", "none", "nil", "nan", "na", "n/a", "n.a.", "#n/a", "<na>", "nat"),
        *("undefined", "unknown", "missing", "empty", "blank", "not set", "(not set)", "-", "--", "?", "."),
        *("guest checkout", "guest_checkout", "guest customer", "guest user"),
        *("guest", "anonymous", "anon", "no customer", "walk-in", "walkin"),
        *(
            "gæst",
            "ukendt",
            "ingen",
            "anonym",
            "gäst",
            "okänd",
            "ingen kunde",
            "gjest",
            "ukjent",
            "gast",
            "unbekannt",
        ),
        *("0", "-1", "0.0", "-1.0", "00000000-0000-0000-0000-000000000000"),
    }
)

_WHOLE = r"^[+-]?[0-9]+([.]0+)?$"
_FRACTION = r"^[+-]?[0-9]+[.]0+$"
_SPREADSHEET = r"^[+-]?[0-9]+([.,][0-9]+)?[eE][+][0-9]+$"
_EXPONENT = r"^[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]+$"


def id_sql(text: str) -> str:
    """Return DuckDB SQL for the normalised id of a text expression; NULL where nothing is left.

    Nearly every id is visible ASCII without a blank, and is returned as it stands: trimming a set of characters and the
    Unicode rules take twenty times as long, 14 seconds on ten million rows.
    """
    blanks = " || ".join(f"chr({code})" for code in _ASCII_BLANKS)
    shown = f"regexp_replace({text}, '{_ZERO_WIDTH_SQL}', '', 'g')"
    composed = f"nfc_normalize(regexp_replace({shown}, '{_OUTER_SQL}', '', 'g'))"
    plain = f"trim({text}, {blanks})"
    trimmed = f"nullif(case when strlen({text}) = length({text}) then {plain} else {composed} end, '')"
    return f"case when regexp_full_match({text}, '[!-~]+') then {text} else {trimmed} end"


def whole_number_sql(id_expression: str) -> str:
    """Return SQL that tells whether an id is a whole number, written with or without ``.0``."""
    return f"regexp_matches({id_expression}, '{_WHOLE}')"


def fraction_sql(id_expression: str) -> str:
    """Return SQL that tells whether an id is a whole number written with ``.0``."""
    return f"regexp_matches({id_expression}, '{_FRACTION}')"


def without_fraction_sql(id_expression: str) -> str:
    """Return SQL for a whole number's id without ``.0``; for columns in which all ids are whole numbers."""
    return f"regexp_replace({id_expression}, '[.]0+$', '')"


def shortened_sql(id_expression: str) -> str:
    """Return SQL that tells whether a spreadsheet has shortened an id to scientific notation (``4.57E+12``)."""
    return f"regexp_matches({id_expression}, '{_SPREADSHEET}')"


def exponent_sql(id_expression: str) -> str:
    """Return SQL that tells whether an id can be read as a number with an exponent (``12E5``)."""
    return f"regexp_matches({id_expression}, '{_EXPONENT}')"


def placeholder_sql(id_expression: str) -> str:
    """Return SQL that tells whether a normalised id stands for no customer."""
    listed = ", ".join("'" + text.replace("'", "''") + "'" for text in sorted(PLACEHOLDERS))
    return f"lower({id_expression}) in ({listed})"


def loose_id_sql(id_expression: str) -> str:
    """Return SQL for an id without leading zeros and in lower case: equal for ids that a spreadsheet makes one of.

    Two ids that differ in nothing else are two ids; where one of them is unknown, it is probably the other.
    """
    return f"ltrim(lower({id_expression}), '0')"


def normalised_id(text: str) -> str:
    r"""Return one id as every table holds it.

    Examples
    --------
    >>> normalised_id("\u00a0 0000164\t\u200b")
    '0000164'
    """
    return unicodedata.normalize("NFC", _BLANK.sub("", _INVISIBLE.sub("", text)))


def is_placeholder(identifier: str) -> bool:
    """Tell whether a normalised id stands for no customer.

    Examples
    --------
    >>> is_placeholder("NULL"), is_placeholder("guest"), is_placeholder("007")
    (True, True, False)
    """
    return identifier.lower() in PLACEHOLDERS


@dataclass(frozen=True)
class IdColumn:
    """The ids of one column of texts.

    Attributes
    ----------
    ids : Series of str
        Normalised; missing where nothing was written.
    placeholder : Series of bool
        Which of them stand for no customer.
    shortened : Series of bool
        Which of them are numbers in scientific notation, and so no id.
    """

    ids: pd.Series
    placeholder: pd.Series
    shortened: pd.Series


def id_column(values: pd.Series) -> IdColumn:
    """Return the normalised ids of a column of texts; the index is kept.

    Parameters
    ----------
    values : Series
        As the file has it, read as text; a column of doubles has to be checked against 2**53 before.

    Examples
    --------
    >>> column = id_column(pd.Series([" 17850.0", "12346", "guest", None]))
    >>> column.ids.tolist()[:3], column.placeholder.tolist()
    (['17850', '12346', 'guest'], [False, False, True, False])
    """
    text = values.astype("string")
    known = text.dropna()
    ids = (
        known.map({value: normalised_id(value) for value in known.unique()})
        .reindex(text.index)
        .astype("string")
    )
    ids = ids.where(ids != "")
    placeholder = ids.str.lower().isin(PLACEHOLDERS).fillna(False).astype(bool)
    real = ids[ids.notna() & ~placeholder]
    whole = real.str.fullmatch(_WHOLE)
    exponent = real.str.fullmatch(_EXPONENT)
    if bool(whole.all()):
        ids = ids.str.replace(r"[.]0+$", "", regex=True)
    numbers = bool((whole | exponent).all())
    wrong = real.str.fullmatch(_SPREADSHEET) | (exponent if numbers else False)
    shortened = wrong.reindex(ids.index).fillna(False).astype(bool)
    return IdColumn(ids, placeholder, shortened)
