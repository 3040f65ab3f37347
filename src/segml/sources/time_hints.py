"""Which `time_format` a column needs: common formats are tried on the values that are there, none is guessed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from segml.config.tables import EPOCHS
from segml.engine.duckdb import quoted
from segml.sources.times import has_two_digit_year
from segml.tables.checks import Fetch

_DAYS = (
    *(
        "%Y-%m-%d",
        "%d.%m.%Y",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d-%m-%Y",
        "%m-%d-%Y",
        "%Y/%m/%d",
        "%Y.%m.%d",
        "%Y%m%d",
    ),
    *("%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%y", "%y%m%d"),
    *("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y"),
)
_CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H.%M", " %H.%M.%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S", "T%H:%M"),
    *(
        " %H:%M:%S.%f",
        "T%H:%M:%S.%f",
        "%H%M",
        "%H%M%S",
        ", %H:%M:%S",
        ", %H:%M",
        " %H:%M:%S %z",
        "T%H:%M:%S%z",
    ),
)
_UNITS = {
    "epoch": "seconds",
    "epoch_ms": "milliseconds",
    "epoch_us": "microseconds",
    "epoch_ns": "nanoseconds",
}
_LONG_AGO, _LATE = 10**9 // 2, 7_258_118_400  # 1985 to 2200, in seconds: what a shop's times lie between
_SPREADSHEET_DAYS = (20_000, 73_050)  # 1954 to 2099 as days since 1899-12-30


def time_advice(fetch: Fetch, values: Sequence[str], now: str) -> str:
    """Return what to write so that these texts are read as times; nothing where nothing common reads all of them.

    Parameters
    ----------
    fetch : callable
        Runs a query of the embedded engine.
    values : sequence of str
        Values of the column as the file has them, those that were not read first.
    now : str
        The format that is set, or nothing; it is never advised.
    """
    if not values:
        return ""
    numbers = [float(value) for value in values if _is_number(value)]
    if len(numbers) == len(values):
        found = _number_advice(numbers, values[0], now)
        if found:
            return found
    fitting = [form for form in _reading_all(fetch, values) if form != now]
    certain = [form for form in fitting if not has_two_digit_year(form)] or fitting
    if len(certain) == 1:
        return f'times like {values[0]} need `time_format: "{certain[0]}"` in their table'
    if certain:
        named = " or ".join(f'`time_format: "{form}"`' for form in certain[:3])
        return f"times like {values[0]} need {named}: no value tells which, you have to"
    if not now and re.match(r"\d{4}-\d{2}-\d{2}", values[0]):
        return f"{values[0]} has the form of a time, and no calendar or clock has it: correct it in the file"
    return ""


def date_formats(fetch: Fetch, values: Sequence[str]) -> list[str]:
    """Return the formats other than ISO that read all of these texts as times; numbers are none."""
    if not all(re.search(r"\d", value) and re.search(r"[./: -]", value) for value in values):
        return []
    return [form for form in _reading_all(fetch, values) if not form.startswith("%Y-%m-%d")]


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False


def _number_advice(numbers: Sequence[float], shown: str, now: str) -> str:
    if all(number == 0 for number in numbers):
        return ""
    known = [number for number in numbers if number]
    for name, unit in EPOCHS.items():
        if name != now and all(_LONG_AGO * unit <= number <= _LATE * unit for number in known):
            return f"{shown} is {_UNITS[name]} since 1970: write `time_format: {name}` in their table"
    first, last = _SPREADSHEET_DAYS
    if all(first <= number <= last for number in known):
        return f"{shown} is a spreadsheet's number of a day: format the column as a date there, and save it again"
    return ""


def _reading_all(fetch: Fetch, values: Sequence[str]) -> list[str]:
    """Return the formats that read every value as a time between 1970 and 2100."""
    forms = [day + clock for day in _DAYS for clock in _CLOCKS if not (clock[:1] == "%" and day[-1] != "d")]
    listed = ", ".join(f"({quoted(value)})" for value in values)
    counts = ", ".join(
        f"count(*) filter (where year(cast(try_strptime(v, {quoted(form)}) as timestamp)) between 1900 and 2100)"
        for form in forms
    )
    (found,) = fetch(f"select {counts} from (values {listed}) as seen(v)")
    return [form for form, count in zip(forms, found, strict=True) if count == len(values)]
