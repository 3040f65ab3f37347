"""Times as written in files -> integer seconds on the base's wall clock.

A time without an offset is the wall clock of the zone the table says it is written in (the base's own unless told
otherwise); a time with an offset is an instant, and is converted. The functions write DuckDB SQL.

Numbers are times only where the configuration says so, in the unit it says: seconds read as milliseconds would all be
of January 1970, and so what lies there is no time. A two-digit year is read as 1970 to 2039, and not at all beyond.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from segml.config.tables import EPOCHS
from segml.engine.duckdb import quoted
from segml.tables.checks import EARLIEST, LATEST
from segml.time_windows import SECONDS_PER_DAY, Cutoff

_DAY = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.]\d+)?)?"
_OFFSET = r"(Z|z|UTC|GMT|[+-]\d{2}(:?\d{2})?)"
NAIVE_PATTERN = f"^{_DAY}([T ]{_CLOCK})?$"
OFFSET_PATTERN = f"^{_DAY}[T ]{_CLOCK} ?{_OFFSET}$"
DAY_PATTERN = f"^{_DAY}([T ]0{{1,2}}:00(:00([.]0+)?)?)?$"


_EARLIEST, _LATEST = EARLIEST.seconds, LATEST.seconds
_NEAR_1970 = 10_000_000  # seconds: what another unit, or a spreadsheet's day number, comes to
_FIRST_TWO_DIGIT, _LAST_TWO_DIGIT = 1970, 2039  # strptime's own border lies between 68 and 69
_LAST_BIRTH = 2014
# Days that systems write where they have none; of the last century's turn also on clocks a little behind.
STAND_INS = ("1899-12-30", "1899-12-31", "1900-01-01", "1969-12-31", "1970-01-01")


@dataclass(frozen=True)
class Clock:
    """How the times of one table are written, and on which wall clock they are kept."""

    kept_in: str
    written_in: str = ""
    format: str = ""

    def naive_seconds(self, timestamp: str) -> str:
        """Return SQL for a naive timestamp's seconds on the kept wall clock."""
        if self.written_in and self.written_in != self.kept_in:
            return self.instant_seconds(f"timezone({quoted(self.written_in)}, {timestamp})")
        return _seconds(timestamp)

    def instant_seconds(self, instant: str) -> str:
        """Return SQL for an instant's seconds on the kept wall clock."""
        return _seconds(f"timezone({quoted(self.kept_in)}, {instant})")

    def seconds(self, expression: str, sql_type: str) -> str:
        """Return SQL for seconds on the kept wall clock; NULL where the value is not a time."""
        if sql_type == "TIMESTAMP WITH TIME ZONE":
            return self.instant_seconds(expression)
        if sql_type.startswith("TIMESTAMP"):
            return self.naive_seconds(f"cast({expression} as timestamp)")
        if sql_type == "DATE":  # a day has no zone: its midnight is the wall clock's own
            return _seconds(f"cast({expression} as timestamp)")
        text = f"cast({expression} as varchar)"
        if self.format in EPOCHS:
            return self._by_number(text)
        if self.format:
            return self._by_format(text)
        return self._by_iso(text)

    def plausible(self, seconds: str) -> str:
        """Return SQL for a time that can be meant; NULL where it is beyond all shops or stands for no time."""
        day = f"({seconds}) // {SECONDS_PER_DAY}"
        stand_ins = ", ".join(str(Cutoff.parse(text).day) for text in STAND_INS)
        ambiguous = f" and {_two_digit_sql(f'({seconds})')}" if has_two_digit_year(self.format) else ""
        return (
            f"case when ({seconds}) >= {_EARLIEST} and ({seconds}) < {_LATEST} and {day} not in ({stand_ins})"
            f"{ambiguous} then {seconds} end"
        )

    def _by_number(self, text: str) -> str:
        seconds = f"(try_cast({text} as double) / {EPOCHS[self.format]})"
        meant = f"abs({seconds}) >= {_NEAR_1970} and {seconds} between {_EARLIEST} and {_LATEST}"
        return f"case when {meant} then {self.instant_seconds(f'to_timestamp(floor({seconds}))')} end"

    def _by_format(self, text: str) -> str:
        parsed = f"try_strptime({text}, {quoted(self.format)})"
        if "%z" in self.format or "%Z" in self.format:
            return self.instant_seconds(parsed)
        if self.format.endswith("Z"):  # the letter at the end of a time says UTC, as it does without a format
            return self.instant_seconds(f"timezone('UTC', {parsed})")
        if not any(mark in self.format for mark in ("%H", "%I", "%c", "%X", "%T")):
            return _seconds(parsed)
        return self.naive_seconds(parsed)

    def _by_iso(self, text: str) -> str:
        naive = f"try_cast({text} as timestamp)"
        whole = f"regexp_replace({text}, ' ?(z|UTC|GMT)$', 'Z')"
        whole = f"regexp_replace({whole}, ' ?([+-][0-9]{{2}}):?([0-9]{{2}})$', '\\1:\\2')"
        whole = f"regexp_replace({whole}, ' ([+-][0-9]{{2}})$', '\\1')"
        instant = f"try_cast({whole} as timestamp with time zone)"
        return (
            f"case when regexp_matches({text}, '{NAIVE_PATTERN}') then {self.naive_seconds(naive)}"
            f" when regexp_matches({text}, '{OFFSET_PATTERN}') then {self.instant_seconds(instant)} end"
        )


def days(expression: str, sql_type: str, time_format: str) -> str:
    """Return SQL for whole days since 1970-01-01; NULL where the value is not a date."""
    if sql_type.startswith("TIMESTAMP") or sql_type == "DATE":
        date = f"cast({expression} as date)"
    elif time_format and time_format not in EPOCHS:
        date = f"cast(try_strptime(cast({expression} as varchar), {quoted(time_format)}) as date)"
    else:
        text = f"cast({expression} as varchar)"
        date = (
            f"case when regexp_matches({text}, '{DAY_PATTERN}') then try_cast(left({text}, 10) as date) end"
        )
    return f"({date} - date '1970-01-01')"


def plausible_days(days_sql: str, time_format: str, births: bool) -> str:
    """Return SQL for a day that can be meant; of births, a year of two digits is read up to a child's only."""
    out = ", ".join(str(Cutoff.parse(text).day) for text in STAND_INS if text < "1969")
    ambiguous = ""
    if has_two_digit_year(time_format):
        ambiguous = f" and {_two_digit_sql(f'({days_sql}) * {SECONDS_PER_DAY}', births)}"
    return (
        f"case when ({days_sql}) >= {EARLIEST.day} and ({days_sql}) < {LATEST.day} and ({days_sql}) not in ({out})"
        f"{ambiguous} then {days_sql} end"
    )


def has_two_digit_year(time_format: str) -> bool:
    """Tell whether a format has years of two digits.

    Examples
    --------
    >>> has_two_digit_year("%d.%m.%y"), has_two_digit_year("%d.%m.%Y"), has_two_digit_year("%%y")
    (True, False, False)
    """
    return bool(re.search(r"%-?[yDx]", time_format.replace("%%", "")))


def _two_digit_sql(seconds: str, births: bool = False) -> str:
    last = _LAST_BIRTH if births else _LAST_TWO_DIGIT
    first, end = (Cutoff.parse(f"{year}-01-01").seconds for year in (_FIRST_TWO_DIGIT, last + 1))
    return f"{seconds} >= {first} and {seconds} < {end}"


def has_offset(expression: str) -> str:
    """Return SQL that tells whether a text is a time with an offset."""
    return f"regexp_matches(cast({expression} as varchar), '{OFFSET_PATTERN}')"


def _seconds(timestamp: str) -> str:
    return f"cast(epoch_us(date_trunc('second', {timestamp})) // 1000000 as bigint)"
