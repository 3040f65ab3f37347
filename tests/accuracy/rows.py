"""One line of a table, and what it takes to reach its bar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]


class AbsentError(Exception):
    """Data that a table needs are not on this machine."""


@dataclass(frozen=True)
class Row:
    """A figure beside its bar.

    Attributes
    ----------
    sign : str
        ``>=``, ``<=``, ``=`` (to the last printed digit) or ``in`` (between two).
    """

    what: str
    metric: str
    found: float
    bar: float | tuple[float, float] | None = None
    naive: float | None = None
    sign: str = ">="
    digits: int = 4
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the rounded figure reaches the bar; None without one."""
        found = round(self.found, self.digits)
        if self.bar is None:
            return None
        if isinstance(self.bar, tuple):
            return self.bar[0] <= found <= self.bar[1]
        if self.sign == "=":
            return abs(self.found - self.bar) <= 0.6 * 10**-self.digits
        return found >= self.bar if self.sign == ">=" else found <= self.bar

    @property
    def bar_text(self) -> str:
        """The bar with its sign."""
        if self.bar is None:
            return ""
        if isinstance(self.bar, tuple):
            return f"{self.shown(self.bar[0])} to {self.shown(self.bar[1])}"
        return f"{self.sign} {self.shown(self.bar)}"

    def shown(self, number: float | None) -> str:
        """A figure with the row's digits."""
        return "" if number is None else f"{number:,.{self.digits}f}"
