"""Times as written in files -> integer seconds on the base's wall clock.

A time without an offset is the wall clock of the zone the table says it is written in (the base's own unless told
otherwise); a time with an offset is an instant, and is converted. The functions write DuckDB SQL.
"""

from __future__ import annotations

from dataclasses import dataclass

from segml.engine.duckdb import quoted

_DAY = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.]\d+)?)?"
_OFFSET = r"(Z|z|[+-]\d{2}(:?\d{2})?)"
NAIVE_PATTERN = f"^{_DAY}([T ]{_CLOCK})?$"
OFFSET_PATTERN = f"^{_DAY}[T ]{_CLOCK} ?{_OFFSET}$"
DAY_PATTERN = f"^{_DAY}([T ]0{{1,2}}:00(:00([.]0+)?)?)?$"


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
        if self.format == "epoch":
            return self.instant_seconds(f"to_timestamp(try_cast({text} as double))")
        if self.format:
            return self._by_format(text)
        return self._by_iso(text)

    def _by_format(self, text: str) -> str:
        parsed = f"try_strptime({text}, {quoted(self.format)})"
        if "%z" in self.format or "%Z" in self.format:
            return self.instant_seconds(parsed)
        if not any(mark in self.format for mark in ("%H", "%I", "%c", "%X", "%T")):
            return _seconds(parsed)
        return self.naive_seconds(parsed)

    def _by_iso(self, text: str) -> str:
        naive = f"try_cast({text} as timestamp)"
        instant = f"try_cast({text} as timestamp with time zone)"
        return (
            f"case when regexp_matches({text}, '{NAIVE_PATTERN}') then {self.naive_seconds(naive)}"
            f" when regexp_matches({text}, '{OFFSET_PATTERN}') then {self.instant_seconds(instant)} end"
        )


def days(expression: str, sql_type: str, time_format: str) -> str:
    """Return SQL for whole days since 1970-01-01; NULL where the value is not a date."""
    if sql_type.startswith("TIMESTAMP") or sql_type == "DATE":
        date = f"cast({expression} as date)"
    elif time_format and time_format != "epoch":
        date = f"cast(try_strptime(cast({expression} as varchar), {quoted(time_format)}) as date)"
    else:
        text = f"cast({expression} as varchar)"
        date = (
            f"case when regexp_matches({text}, '{DAY_PATTERN}') then try_cast(left({text}, 10) as date) end"
        )
    return f"({date} - date '1970-01-01')"


def has_offset(expression: str) -> str:
    """Return SQL that tells whether a text is a time with an offset."""
    return f"regexp_matches(cast({expression} as varchar), '{OFFSET_PATTERN}')"


def _seconds(timestamp: str) -> str:
    return f"cast(epoch_us(date_trunc('second', {timestamp})) // 1000000 as bigint)"
