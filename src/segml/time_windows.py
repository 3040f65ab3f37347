"""The only date arithmetic in segml.

Time is an integer: seconds since 1970-01-01 00:00 on the wall clock of the base's own time zone. Hours, weekdays and
days are then plain integer arithmetic, the same on every engine, and a day begins at the customer's midnight. Windows
are half open, `[start, end)`. Nothing here, and nothing in the library, asks the machine what time it is.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from segml.errors import ConfigurationError

SECONDS_PER_DAY = 86_400
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True, order=True)
class Cutoff:
    """The midnight at which history ends: everything before it may be used, nothing at or after it.

    Examples
    --------
    >>> cutoff = Cutoff.parse("2017-11-06")
    >>> cutoff.label, cutoff.plus_days(56).label
    ('2017-11-06', '2018-01-01')
    """

    day: int  # whole days since 1970-01-01

    @classmethod
    def parse(cls, value: str | dt.date | Cutoff) -> Cutoff:
        """Read an ISO date; a `datetime.date` or a `Cutoff` passes through."""
        if isinstance(value, Cutoff):
            return value
        if isinstance(value, dt.datetime):
            raise ConfigurationError(
                f"a cutoff is a date, not the moment {value}", "give the day alone, for example 2017-11-06"
            )
        try:
            date = value if isinstance(value, dt.date) else dt.date.fromisoformat(str(value))
        except ValueError as error:
            raise ConfigurationError(
                f"a cutoff is an ISO date (YYYY-MM-DD), got {value!r}", "write it as 2017-11-06"
            ) from error
        return cls((date - _EPOCH).days)

    @classmethod
    def after(cls, seconds: int) -> Cutoff:
        """Return the first midnight strictly after an event, so that the event counts as history."""
        return cls(seconds // SECONDS_PER_DAY + 1)

    @property
    def seconds(self) -> int:
        """Epoch seconds of this midnight."""
        return self.day * SECONDS_PER_DAY

    @property
    def date(self) -> dt.date:
        """The calendar date."""
        return _EPOCH + dt.timedelta(days=self.day)

    @property
    def label(self) -> str:
        """The ISO date, as used in partition names."""
        return self.date.isoformat()

    def plus_days(self, days: int) -> Cutoff:
        """Return the cutoff `days` later (or earlier, when negative)."""
        return Cutoff(self.day + days)

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True)
class Window:
    """A half-open stretch of time `[start, end)` between two cutoffs."""

    start: Cutoff
    end: Cutoff

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise ConfigurationError(f"a window ends after it starts, got [{self.start}, {self.end})")

    @property
    def days(self) -> int:
        """Length in days."""
        return self.end.day - self.start.day


def period_around(cutoff: Cutoff, months: int, starts: str) -> Window:
    """Return the period of `months` months, one of which begins on `starts` (MM-DD), that a cutoff lies in.

    Examples
    --------
    >>> period = period_around(Cutoff.parse("2017-02-28"), 6, "03-15")
    >>> period.start.label, period.end.label
    ('2016-09-15', '2017-03-15')
    """
    month, day = (int(part) for part in starts.split("-"))
    date = cutoff.date
    months_gone = date.year * 12 + date.month - month - (date.day < day)
    first = months_gone - months_gone % months + month - 1
    start, end = (
        Cutoff.parse(dt.date(count // 12, count % 12 + 1, day)) for count in (first, first + months)
    )
    return Window(start, end)


def cutoffs_back_from(last: Cutoff, every_days: int, first: Cutoff) -> list[Cutoff]:
    """Return the cutoffs from `last` back to `first`, one every `every_days`, oldest first.

    Examples
    --------
    >>> last, first = Cutoff.parse("2017-03-01"), Cutoff.parse("2017-01-20")
    >>> [c.label for c in cutoffs_back_from(last, 14, first)]
    ['2017-02-01', '2017-02-15', '2017-03-01']
    """
    return [Cutoff(day) for day in range(last.day, first.day - 1, -every_days)][::-1]
