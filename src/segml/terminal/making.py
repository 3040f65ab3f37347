"""Screens of data, checks, training, scores and tags, backtests and flat tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from segml.terminal.diagnostics import amount, diagnostics_part
from segml.terminal.parts import STATUS_STYLE, heading, listing, make_table, remark, short_path

if TYPE_CHECKING:
    import pandas as pd

    from segml.pipelines.backtest import BacktestResult
    from segml.pipelines.check import CheckResult
    from segml.pipelines.data import DataResult
    from segml.pipelines.flat import FlatResult
    from segml.pipelines.score import ScoreResult
    from segml.pipelines.train import TrainingResult

_VERDICT_STYLE = {"better": "green", "worse": "red"}
_TOP_SOURCES = 12


def data_screen(result: DataResult) -> RenderableType:
    """Rows in, rows out, and why the others are not there."""
    table = make_table("table", ("rows in", "right"), ("rows out", "right"), "left out, added")
    currency = result.config.currency

    def counted(reason: str, rows: int, money: int | None) -> str:
        return f"{reason}: {rows:,}" + (f" ({amount(money, currency)})" if money is not None else "")

    for name, count in result.report.tables.items():
        remarks = [counted(r, rows, count.money.get(r)) for r, rows in sorted(count.reasons.items()) if rows]
        remarks += [
            counted(f"added, {r}", rows, count.money.get(r)) for r, rows in count.added.items() if rows
        ]
        table.add_row(name, f"{count.rows_in:,}", f"{count.rows_out:,}", "; ".join(remarks))
    parts: list[RenderableType] = [heading(result.config, "tables"), table]
    parts.append(
        remark(f"orders from {result.first_day} until {result.observed_until} (that day is not in it)")
    )
    if result.report.identity:
        parts.append(remark(str(result.report.identity)))
    absent = sorted(name for name in result.report.unavailable if "." not in name)
    if absent:
        parts.append(remark(f"not in this base: {', '.join(absent)}"))
    return Group(*parts, *diagnostics_part(result.diagnostics, currency))


def check_screen(result: CheckResult) -> RenderableType:
    """Enough data or not, for each task, with the number that is missing."""
    table = make_table(
        "task", ("days", "right"), "test cutoff", ("customers", "right"), ("silent", "right"), "verdict"
    )
    for task in result.tasks:
        verdict = "; ".join(task.missing) or "enough"
        style = "yellow" if task.missing else "green"
        table.add_row(
            task.task,
            str(task.horizon),
            task.test,
            f"{task.customers:,}",
            f"{task.silent:,}",
            Text(verdict, style),
        )
    notes = diagnostics_part(result.diagnostics, result.config.currency)
    return Group(heading(result.config, "is there enough data?"), table, *notes)


def train_screen(result: TrainingResult) -> RenderableType:
    """Which models were promoted, and why."""
    table = make_table("model", "verdict", "grade", ("version", "right"), "measured on the later window")
    for outcome in result.outcomes:
        verdict = outcome.status + ("" if outcome.new or outcome.version is None else ", unchanged")
        table.add_row(
            outcome.task,
            Text(verdict, STATUS_STYLE.get(outcome.status, "")),
            outcome.grade,
            str(outcome.version or ""),
            " ".join(outcome.reasons),
        )
    parts: list[RenderableType] = [heading(result.config, f"models as of {result.as_of}"), table]
    for task, why in result.unreadable.items():
        parts.append(Padding(Text(f"the champion for {task} was no rival: {why}", "yellow"), (0, 2)))
    if failed := [outcome.task for outcome in result.outcomes if outcome.exit_code]:
        told = f"failed: {', '.join(failed)}; the other models are not touched by it, exit code {result.exit_code}"
        parts.append(Padding(Text(told, STATUS_STYLE["failed"]), (0, 2)))
    if result.unavailable_features:
        parts.append(listing("features this base can't have", result.unavailable_features))
    return Group(*parts)


def score_screen(result: ScoreResult) -> RenderableType:
    """Who was scored, and the segments and stages that came of it."""
    counts = result.counts
    left_out = (
        ", ".join(f"{rows:,} {reason}" for reason, rows in counts.left_out.items()) or "nobody left out"
    )
    parts: list[RenderableType] = [
        heading(result.config, f"scores as of {result.as_of}"),
        remark(f"{counts.rows_in:,} customers in, {counts.rows_out:,} scored, {left_out}"),
        _tags_table(result),
    ]
    if result.tags.sources is not None:
        parts.append(sources_table(result.tags.sources, result.config.horizons.churn, result.config.currency))
    if result.left_out:
        parts.append(listing("models that did not score", result.left_out))
    if result.unverified:
        parts.append(
            remark(f"registered before file hashes were kept, not checked: {', '.join(result.unverified)}")
        )
    parts += [Padding(Text(f"drift: {alarm}", "yellow"), (0, 2)) for alarm in result.alarms]
    return Group(*parts)


def _tags_table(result: ScoreResult) -> Table:
    shown = {"segment", "interest_segment", "declared_segment", "stage", "predicted_tier", "rfm_name"}
    table = make_table("tag", "value", ("people", "right"))
    counts = result.tags.counts
    last = ""
    for row in counts[counts["tag"].isin(shown)].itertuples():
        name = f"{row.family}.{row.tag}"
        table.add_row(name if name != last else "", str(row.value), f"{row.people:,}")
        last = name
    return table


def sources_table(sources: pd.DataFrame, days: int, currency: str) -> Table:
    """What each source of customers brings: one-timer rate among those known for `days`, and value, with intervals."""
    values = [name.removesuffix("_mean") for name in sources.columns if name.endswith("_mean")]
    table = make_table(
        "source of customers",
        ("buyers", "right"),
        (f"one order only, of those known {days} days", "right"),
        *((f"{name}, {currency} a buyer", "right") for name in values),
    )
    for row in sources.head(_TOP_SOURCES).to_dict("records"):
        rate = _with_interval([row[f"one_timer_rate{end}"] for end in ("", "_low", "_high")], "{:.0%}")
        means = [[row[f"{name}_mean{end}"] for end in ("", "_low", "_high")] for name in values]
        money = [_with_interval(mean, "{:,.0f}") for mean in means]
        table.add_row(str(row["source"]), f"{row['buyers']:,}", rate, *money)
    return table


def _with_interval(values: list[float], form: str) -> str:
    if values[0] != values[0]:
        return "too few"
    mean, low, high = (form.format(value) for value in values)
    if values[1] != values[1]:
        return f"{mean} (too few to bound)"
    return f"{mean} ({low} to {high})"


def backtest_screen(result: BacktestResult) -> RenderableType:
    """The model against each rival at every test cutoff, in pairs."""
    parts: list[RenderableType] = [heading(result.config, "backtest")]
    for task, rows in result.differences.groupby("task", sort=False):
        columns = ("cutoff", ("people", "right"), ("AUC", "right"), "rival", ("its AUC", "right"))
        table = make_table(*columns, ("better by", "right"), "95 % interval")
        for row in rows.to_dict("records"):
            table.add_row(
                row["cutoff"],
                f"{row['customers']:,}",
                f"{row['first']:.3f}",
                row["rival"],
                f"{row['second']:.3f}",
                Text(f"{row['difference']:+.3f}", _VERDICT_STYLE.get(row["verdict"], "")),
                f"{row['low']:+.3f} to {row['high']:+.3f}",
            )
        parts += [remark(str(task)), table]
    if result.unavailable:
        parts.append(listing("not backtested", result.unavailable))
    parts.append(remark(f"every figure in {short_path(result.folder, result.config)}"))
    return Group(*parts)


def flat_screen(result: FlatResult) -> RenderableType:
    """What was done with a flat table, and what it can't give."""
    config, outcome = result.config, result.outcome
    rows = f"{result.rows:,} rows, {result.labelled:,} with a known outcome, {result.positives:,} of them positive"
    parts: list[RenderableType] = [heading(config, f"{config.task} as of {config.as_of}"), remark(rows)]
    parts += [Padding(Text(f"not enough data: {sentence}", "yellow"), (0, 2)) for sentence in result.missing]
    if outcome is not None:
        table = make_table("model", "verdict", "grade", ("version", "right"), "measured on held-out rows")
        verdict = outcome.status + ("" if outcome.new or outcome.version is None else ", unchanged")
        style = STATUS_STYLE.get(outcome.status, "")
        reasons = " ".join(outcome.reasons)
        table.add_row(outcome.task, Text(verdict, style), outcome.grade, str(outcome.version or ""), reasons)
        parts.append(table)
    parts += [Padding(Text(f"note: {note}", "yellow"), (0, 2)) for note in dict.fromkeys(result.notes)]
    if result.scores is not None:
        parts.append(
            remark(f"{result.scored:,} scored ({result.scored_what}): {short_path(result.scores, config)}")
        )
    if result.list_folder is not None:
        where = short_path(result.list_folder, config)
        parts.append(remark(f"{result.listed:,} listed, {result.held_out:,} held out: {where}"))
    parts.append(listing("a flat table can't have", result.unavailable))
    return Group(*parts)
