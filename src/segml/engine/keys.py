"""Keys, samples and arms as plain arithmetic on md5, the same on every engine and in Python.

An engine's own ``hash()`` differs between engines and versions; md5 of a text does not. SQL has no common function
from hexadecimal to integer, so the digits are added up one by one. In a column of its own that costs half a second for
a million ids; in a filter, or in a branch of a `case`, the engine may work the md5 out again for every digit.
"""

from __future__ import annotations

import hashlib
import re

KEY_DIGITS = 15  # 60 bits: fits a signed 64-bit integer
_ARM_DIGITS = 8  # 32 bits


def hash_sql(text_expression: str, digits: int = KEY_DIGITS) -> str:
    """Return SQL for the first `digits` hexadecimal digits of md5(text) as an integer."""
    terms = []
    for place in range(digits):
        value = f"instr('123456789abcdef', substr(md5({text_expression}), {place + 1}, 1))"
        terms.append(f"{value} * cast({16 ** (digits - 1 - place)} as bigint)")
    return "(" + " + ".join(terms) + ")"


def hash_key(text: str, digits: int = KEY_DIGITS) -> int:
    """Return what `hash_sql` computes, in Python.

    Examples
    --------
    >>> hash_key("abc")
    648541476951500027
    """
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()[:digits], 16)


def arm_sql(salt: str, experiment: str, person_expression: str) -> str:
    """Return SQL for the arm of a person in an experiment, 0 to 9,999."""
    keyed = f"concat({text_sql(f'{salt}|{experiment}|')}, {person_expression})"
    return f"({hash_sql(keyed, _ARM_DIGITS)} % 10000)"


def text_sql(text: str) -> str:
    r"""Return SQL for a text; quotes and backslashes go by number, because engines escape them differently.

    Examples
    --------
    >>> text_sql("win_back")
    "'win_back'"
    >>> text_sql("mum's")
    "concat('mum', chr(39), 's')"
    """
    pieces = [piece for piece in re.split(r"(['\\])", text) if piece]
    written = [f"chr({ord(piece)})" if piece in "'\\" else f"'{piece}'" for piece in pieces]
    return f"concat({', '.join(written)})" if len(written) > 1 else (written or ["''"])[0]


def arm(salt: str, experiment: str, person: str) -> int:
    """Return the arm of a person in an experiment, 0 to 9,999.

    Examples
    --------
    >>> 0 <= arm("salt", "win_back", "person-1") < 10_000
    True
    """
    return hash_key(f"{salt}|{experiment}|{person}", _ARM_DIGITS) % 10_000
