"""Progress while a pipeline works: a spinner, and a line with its time when a step has ended."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    pass


class RichNarrator:
    """A spinner with the running step, and a line with its time when it has ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("")
        self._title = ""
        self._remark = ""

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[RichNarrator]:
        """Show a step while it runs."""
        self._title, self._remark, started = title, "", time.perf_counter()
        self._status.update(f"{title} ...")
        self._status.start()
        try:
            yield self
        finally:
            self._status.stop()
        seconds = time.perf_counter() - started
        line = Text.assemble(
            ("  ✓ ", "green"), (f"{title:<22}", "bold"), f"{seconds:6.1f} s  ", (self._remark, "dim")
        )
        self._console.print(line, overflow="ellipsis", no_wrap=True)

    def say(self, remark: str) -> None:
        """Show a remark beside the running step; the last one stays on its line."""
        self._remark = remark
        self._status.update(f"{self._title} ... {remark}")

    def __call__(self, remark: str) -> None:
        """Same as `say`."""
        self.say(remark)
