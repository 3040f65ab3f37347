"""The last screen of a whole run, and of its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.rule import Rule

from segml.terminal.campaigns import example_lines, lists_screen
from segml.terminal.making import data_screen, score_screen, train_screen
from segml.terminal.parts import heading, make_table, remark, short_path

if TYPE_CHECKING:
    from segml.pipelines.report import ReportResult
    from segml.pipelines.run import RunResult


def report_screen(result: ReportResult) -> RenderableType:
    """Where the page is."""
    return Group(heading(result.config, "report"), remark(str(short_path(result.file, result.config))))


def run_screen(result: RunResult) -> RenderableType:
    """The last screen of the main job."""
    config = result.config
    where = make_table("what", "where")
    where.add_row("campaign lists", str(short_path(result.lists.folder, config)))
    where.add_row("scores", str(short_path(result.scores.folder, config)))
    where.add_row("tags", str(short_path(result.scores.tags_folder, config)))
    where.add_row("report", str(short_path(result.report, config)))
    where.add_row("models", "make ui, then http://127.0.0.1:5000")
    example: list[RenderableType] = []
    if result.example is not None:
        example = [Rule("one person as an example", style="dim"), *example_lines(result.example)]
    return Group(
        data_screen(result.data),
        train_screen(result.training),
        score_screen(result.scores),
        lists_screen(result.lists),
        *example,
        Rule("where things are", style="dim"),
        where,
    )
