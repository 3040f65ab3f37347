"""How a pipeline tells what it is doing: steps and remarks, to whoever listens.

Pipelines speak to a `Narrator`; the command line prints with rich, notebooks and tests stay silent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol


class Narrator(Protocol):
    """Somebody who listens to a pipeline."""

    def step(self, title: str) -> contextlib.AbstractContextManager[Narrator]:
        """Announce a step; leaving the context ends it."""
        ...

    def say(self, remark: str) -> None:
        """Tell something about the running step."""
        ...

    def __call__(self, remark: str) -> None:
        """Same as `say`, so that a narrator is a progress callback."""
        ...


class Silent:
    """Listens and says nothing."""

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Silent]:
        """Do nothing around a step."""
        yield self

    def say(self, remark: str) -> None:
        """Do nothing with a remark."""

    def __call__(self, remark: str) -> None:
        """Do nothing with a remark."""
