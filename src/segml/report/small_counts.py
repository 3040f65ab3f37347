"""Small counts of people in sentences that other parts have written.

A sentence gives a count away in three ways: it says it, it says a total and the rest of it (41 of 44 ordered), or it
says a share of people whose number stands beside it.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from segml.report.facts import Count

_NUMBER = r"(?<![\d.,<])(\d{1,3}(?:,\d{3})+|\d+)(?![\d.,]*\d| ?%)"
_PEOPLE = (
    "customers?|people|persons?|households?|buyers?|members?|positives?|negatives?|entry|entries|suppressions?|held out"
    "|refusals?|withdrawals?|objections?|unsubscriptions?|complaints?|bounces?|contacts"
    "|were held out|listed|ordered|have the rarer|silent and|returning rows"
)
_COUNTED = re.compile(
    rf"{_NUMBER}(?: of {_NUMBER})?(?= (?:(?:distinct|different|one-time|other) )?(?:{_PEOPLE})\b)"
)
_MISSING = re.compile(
    rf"there are {_NUMBER} (customers|positives|negatives), and the model needs {_NUMBER}: {_NUMBER} are missing"
)
_PERCENT = r"(\d+(?:\.\d+)?) ?%"
_SHARED = (
    re.compile(rf"(?<=smallest segment holds ){_PERCENT}"),
    re.compile(rf"(?<![\d.]){_PERCENT}(?= (?:belong to no segment|lie far from every segment))"),
)
SOME, NEARLY_ALL = "some", "nearly all"


def is_small(count: Count | None, minimum: int) -> bool:
    """Tell whether a count is of somebody, and of too few to be shown.

    Examples
    --------
    >>> is_small(3, 10), is_small(0, 10), is_small("< 10", 10)
    (True, False, False)
    """
    return isinstance(count, int) and 0 < count < minimum


def suppress_text(text: str, minimum: int, hidden: Collection[int] = ()) -> str:
    """Replace small counts of people in a sentence, and whatever they follow from.

    Parameters
    ----------
    text : str
        As the part that knows the numbers wrote it, in English.
    minimum : int
        Counts from 1 up to below it are small.
    hidden : collection of int
        Counts that are withheld elsewhere on the page.

    Examples
    --------
    >>> suppress_text("7 people would be listed, of 2,469 customers", 10)
    'fewer than 10 people would be listed, of 2,469 customers'
    >>> suppress_text("41 of 44 ordered within the window", 10), suppress_text("15 people would be listed", 10, {15})
    ('nearly all of 44 ordered within the window', 'some people would be listed')
    """
    few = f"fewer than {minimum}"

    def counted(match: re.Match[str]) -> str:
        part, whole = _value(match[1]), _value(match[2]) if match[2] else None
        if whole is None:
            return few if is_small(part, minimum) else SOME if part in hidden else match[1]
        said = f" of {few if is_small(whole, minimum) else SOME if whole in hidden else match[2]}"
        if is_small(part, minimum):
            return few + said
        return (NEARLY_ALL if is_small(whole - part, minimum) else match[1]) + said

    def missing(match: re.Match[str]) -> str:
        if not is_small(_value(match[1]), minimum):
            return match[0]
        least = _value(match[3])
        lacking = f"more than {least - minimum:,}" if least > minimum else SOME
        return f"there are {few} {match[2]}, and the model needs {match[3]}: {lacking} are missing"

    text = _MISSING.sub(missing, text)
    return _COUNTED.sub(counted, text)


def suppress_shares(text: str, people: Count, minimum: int) -> str:
    """Replace a share of so few of the people that their number follows from it.

    Examples
    --------
    >>> suppress_shares("and the smallest segment holds 0.3%; they are separate groups", 2_469, 10)
    'and the smallest segment holds fewer than 10 customers; they are separate groups'
    """
    if not isinstance(people, int):
        return text

    def shared(match: re.Match[str]) -> str:
        share = float(match[1]) / 100
        return f"fewer than {minimum} customers" if 0 < share * people < minimum else match[0]

    for pattern in _SHARED:
        text = pattern.sub(shared, text)
    return text


def _value(number: str) -> int:
    return int(number.replace(",", ""))
