"""Screens on terminals of few characters: what one can't show becomes what it can, and never an error."""

from __future__ import annotations

import codecs
import sys
import unicodedata
from typing import Any

_HANDLER = "segml.plain"
_PLAIN = {
    "\u2713": "+",  # tick
    "\u2717": "x",
    "\u2014": "-",
    "\u2013": "-",
    "\u2212": "-",
    "\u2026": "...",
    "\u2192": "->",
    "\u25ba": ">",
    "\u00b7": "-",
    "\u2022": "*",
    "\u2265": ">=",
    "\u2264": "<=",
    "\u00d7": "x",
    "\u00a0": " ",
    "\u202f": " ",
    "\u2018": "'",
    "\u2019": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u20ac": "EUR",
    "\u00a3": "GBP",
    "\u00e6": "ae",
    "\u00c6": "Ae",
    "\u00f8": "o",
    "\u00d8": "O",
    "\u00df": "ss",
}


def plain_text(text: str) -> str:
    """Return a text of ASCII letters that says the same; what has no such form is a question mark.

    Examples
    --------
    >>> plain_text("\u2713 R\u00f8dkj\u00e6r \u2500 3 \u2265 2")
    '+ Rodkjaer - 3 >= 2'
    """
    return "".join(_plain_letter(letter) for letter in text)


def _plain_letter(letter: str) -> str:
    if letter.isascii():
        return letter
    if letter in _PLAIN:
        return _PLAIN[letter]
    if "\u2500" <= letter <= "\u257f":  # lines of tables
        return "|" if "VERTICAL" in unicodedata.name(letter) else "-"
    if "\u2580" <= letter <= "\u259f":  # blocks of bars
        return "#"
    if "\u2800" <= letter <= "\u28ff":  # a spinner
        return "*"
    letters = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode("ascii")
    return letters or "?"


def _replaced(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return plain_text(error.object[error.start : error.end]), error.end


def show_on_any_terminal() -> None:
    """Let standard output and errors write every text, whatever letters their encoding has."""
    codecs.register_error(_HANDLER, _replaced)
    for stream in (sys.stdout, sys.stderr):
        reconfigure: Any = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)
