"""What the screens share: titles, tables that fit eighty columns, lines and listings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from segml.config import Config
    from segml.sources.flat import FlatConfig

STATUS_STYLE = {
    **{"promoted": "green", "passed": "green", "built": "green"},
    **{"refused": "yellow", "unavailable": "dim", "failed": "bold red"},
}
"""How the verdict on a model, or the state of a list, is coloured."""


def short_path(path: Path, config: Config | FlatConfig) -> Path:
    """Return a path as it is called inside the project, when it lies there."""
    return path.relative_to(config.root) if path.is_relative_to(config.root) else path


def heading(config: Config | FlatConfig, what: str) -> Rule:
    """Return the line above a screen: the base, and what is shown."""
    return Rule(f"{config.title or config.base} · {what}", style="dim")


def remark(text: str) -> Padding:
    """Return an indented sentence that wraps."""
    return Padding(Text(text), (0, 2))


def listing(title: str, entries: dict[str, str]) -> Padding:
    """Return names with their reasons as one quiet sentence."""
    lines = [f"{name}: {reason}" for name, reason in entries.items()]
    return Padding(Text(f"{title}: " + "; ".join(lines), "dim"), (0, 2))


def make_table(*columns: str | tuple[str, str]) -> Table:
    """Return an empty table without a frame; a column is a name, or a name and how it is justified."""
    table = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=True)
    for column in columns:
        name, justify = column if isinstance(column, tuple) else (column, "left")
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    return table
