"""``python -m tests.accuracy [name ...]``: measure, and print each table beside its bars."""

from __future__ import annotations

import argparse
import os
import sys
import time

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from rich.console import Console
from rich.table import Table
from rich.text import Text

from segml.errors import SegmlError

from .rows import AbsentError, Row
from .tables import TABLES


def main() -> int:
    """Print the named tables, or all; the exit code tells whether every bar was reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.accuracy", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*TABLES, []], metavar="name", help=", ".join(TABLES))
    names = parser.parse_args().names or list(TABLES)
    console, short = Console(width=None if sys.stdout.isatty() else 120), 0
    for name in names:
        started = time.perf_counter()
        try:
            with console.status(name):
                rows = TABLES[name]()
        except (AbsentError, SegmlError) as error:
            console.print(f"{name}: skipped, {str(error).splitlines()[0]}", style="yellow", highlight=False)
            continue
        console.print(_table(f"{name}, {time.perf_counter() - started:.1f} s", rows))
        short += sum(row.reached is False for row in rows)
    console.print("every bar reached" if not short else f"{short} bars not reached")
    return int(short > 0)


def _table(title: str, rows: list[Row]) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1))
    for column in ("what", "metric"):
        table.add_column(column, overflow="fold")
    for column in ("segml", "bar", "naive rule"):
        table.add_column(column, justify="right")
    table.add_column("note", overflow="fold")
    for row in rows:
        style = {True: "green", False: "red", None: ""}[row.reached]
        table.add_row(
            row.what,
            row.metric,
            Text(row.shown(row.found), style),
            row.bar_text,
            row.shown(row.naive),
            row.note,
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
