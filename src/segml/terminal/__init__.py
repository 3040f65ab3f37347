"""What the terminal shows: progress while a pipeline works, and one screen when it is done.

Screens are rich renderables built from a pipeline's result; nothing here computes. Tables fit eighty columns.
"""

from segml.terminal.campaigns import erase_screen, explain_screen, lists_screen
from segml.terminal.making import (
    backtest_screen,
    check_screen,
    data_screen,
    flat_screen,
    score_screen,
    sources_table,
    train_screen,
)
from segml.terminal.progress import RichNarrator
from segml.terminal.proof import measure_screen, uplift_screen
from segml.terminal.whole import report_screen, run_screen

__all__ = [
    "RichNarrator",
    "backtest_screen",
    "check_screen",
    "data_screen",
    "erase_screen",
    "explain_screen",
    "flat_screen",
    "lists_screen",
    "measure_screen",
    "report_screen",
    "run_screen",
    "score_screen",
    "sources_table",
    "train_screen",
    "uplift_screen",
]
