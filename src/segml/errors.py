"""Errors that a user can act on: the rule, the value that broke it, and the next step.

Every error segml raises on purpose is a `SegmlError`; the command line prints its text without a traceback and
exits with `exit_code`. Anything else that escapes is a bug in segml, and is shown as one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

MOST_LINES = 26
_MOST_IN_A_LINE = 1_200


class SegmlError(Exception):
    """Base of every error that is meant for a person.

    Parameters
    ----------
    message : str
        The rule and the value that broke it.
    next_step : str, optional
        What the reader can do now.
    """

    exit_code = 1

    def __init__(self, message: str, next_step: str = "") -> None:
        self.message = message = _bounded(message)
        self.next_step = next_step = _bounded(next_step)
        super().__init__(f"{message}\n  Next step: {next_step}" if next_step else message)


class ConfigurationError(SegmlError):
    """A configuration file is wrong."""

    exit_code = 2


class DataError(SegmlError):
    """Input tables break the catalogue's rules; the message lists every violation."""

    exit_code = 3


class NotEnoughDataError(SegmlError):
    """A model was refused because the data lie below its floor."""

    exit_code = 4


class ModelError(SegmlError):
    """A model can't be found, loaded, or fed with these features."""

    exit_code = 5


class OutputError(SegmlError):
    """An output could not be written; what was there before is untouched."""

    exit_code = 6


class BusyError(SegmlError):
    """Another run holds the lock on the same outputs."""

    exit_code = 7


class EngineUnavailableError(SegmlError):
    """The engine asked for is not installed or could not start."""

    exit_code = 8


def _bounded(text: str) -> str:
    """Return a text that fits on one screen, whatever was put into it."""
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"  ... and {len(lines) - MOST_LINES + 1:,} more lines"]
    return "\n".join(
        line if len(line) <= _MOST_IN_A_LINE else f"{line[:_MOST_IN_A_LINE]} ..." for line in lines
    )


def first_of(items: Sequence[str], most: int = 20) -> list[str]:
    """Return the first items, and in place of the others how many they are.

    Examples
    --------
    >>> first_of(["a", "b", "c", "d"], most=2)
    ['a', 'b', '... and 2 more']
    >>> first_of(["a", "b"], most=2)
    ['a', 'b']
    """
    left = len(items) - most
    return [*items[:most], f"... and {left:,} more"] if left > 0 else list(items)


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name closest to `name`, or None when nothing is close.

    Examples
    --------
    >>> nearest_name("custmer_id", ["customer_id", "order_id"])
    'customer_id'
    >>> nearest_name("zzz", ["customer_id"]) is None
    True
    """
    matches = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return matches[0] if matches else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)``, or an empty string when nothing is close.

    Examples
    --------
    >>> did_you_mean("recencydays", ["recency_days"])
    " (did you mean 'recency_days'?)"
    """
    near = nearest_name(name, known)
    return f" (did you mean '{near}'?)" if near else ""
