"""What the terminal shows: progress while a pipeline works, and one screen when it is done.

Screens are rich renderables built from a pipeline's result; nothing here computes. Tables fit eighty columns.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

    from segml.campaigns.explain import CampaignExplained
    from segml.config import Config
    from segml.pipelines.backtest import BacktestResult
    from segml.pipelines.check import CheckResult
    from segml.pipelines.data import DataResult
    from segml.pipelines.erase import EraseResult
    from segml.pipelines.explain import ExplainResult
    from segml.pipelines.flat import FlatResult
    from segml.pipelines.lists import ListsResult
    from segml.pipelines.measure import MeasureResult
    from segml.pipelines.report import ReportResult
    from segml.pipelines.run import RunResult
    from segml.pipelines.score import ScoreResult
    from segml.pipelines.train import TrainingResult
    from segml.pipelines.uplift import UpliftResult
    from segml.sources.flat import FlatConfig

_STATUS_STYLE = {"promoted": "green", "refused": "yellow", "unavailable": "dim", "built": "green"}
_VERDICT_STYLE = {"better": "green", "worse": "red"}
_TOP_SOURCES = 12
_TOP_REASONS = 3
_SHOWN_MONTHS = 4


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


def data_screen(result: DataResult) -> RenderableType:
    """Rows in, rows out, and why the others are not there."""
    table = _table("table", ("rows in", "right"), ("rows out", "right"), "left out, added")
    for name, count in result.report.tables.items():
        remarks = [f"{reason}: {rows:,}" for reason, rows in count.reasons.items() if rows]
        remarks += [f"added, {reason}: {rows:,}" for reason, rows in count.added.items() if rows]
        table.add_row(name, f"{count.rows_in:,}", f"{count.rows_out:,}", "; ".join(remarks))
    parts: list[RenderableType] = [_title(result.config, "tables"), table]
    parts.append(
        _line(f"orders from {result.first_day} until {result.observed_until} (that day is not in it)")
    )
    if result.report.identity:
        parts.append(_line(str(result.report.identity)))
    absent = [name for name in result.report.unavailable if "." not in name]
    if absent:
        parts.append(_line(f"not in this base: {', '.join(absent)}"))
    return Group(*parts)


def check_screen(result: CheckResult) -> RenderableType:
    """Enough data or not, for each task, with the number that is missing."""
    table = _table(
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
    return Group(_title(result.config, "is there enough data?"), table)


def train_screen(result: TrainingResult) -> RenderableType:
    """Which models were promoted, and why."""
    table = _table("model", "verdict", "grade", ("version", "right"), "measured on the later window")
    for outcome in result.outcomes:
        verdict = outcome.status + ("" if outcome.new or outcome.version is None else ", unchanged")
        table.add_row(
            outcome.task,
            Text(verdict, _STATUS_STYLE.get(outcome.status, "")),
            outcome.grade,
            str(outcome.version or ""),
            " ".join(outcome.reasons),
        )
    parts: list[RenderableType] = [_title(result.config, f"models as of {result.as_of}"), table]
    if result.unavailable_features:
        parts.append(_listing("features this base can't have", result.unavailable_features))
    return Group(*parts)


def score_screen(result: ScoreResult) -> RenderableType:
    """Who was scored, and the segments and stages that came of it."""
    counts = result.counts
    left_out = (
        ", ".join(f"{rows:,} {reason}" for reason, rows in counts.left_out.items()) or "nobody left out"
    )
    parts: list[RenderableType] = [
        _title(result.config, f"scores as of {result.as_of}"),
        _line(f"{counts.rows_in:,} customers in, {counts.rows_out:,} scored, {left_out}"),
        _tags_table(result),
    ]
    if result.tags.sources is not None:
        parts.append(sources_table(result.tags.sources, result.config.horizons.churn, result.config.currency))
    if result.left_out:
        parts.append(_listing("models that did not score", result.left_out))
    parts += [Padding(Text(f"drift: {alarm}", "yellow"), (0, 2)) for alarm in result.alarms]
    return Group(*parts)


def _tags_table(result: ScoreResult) -> Table:
    shown = {"segment", "interest_segment", "declared_segment", "stage", "predicted_tier", "rfm_name"}
    table = _table("tag", "value", ("people", "right"))
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
    table = _table(
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
    if any(value != value for value in values):
        return "too few"
    mean, low, high = (form.format(value) for value in values)
    return f"{mean} ({low} to {high})"


def lists_screen(result: ListsResult) -> RenderableType:
    """How many are on which list, who was left out for which reason, and what the holdout could show."""
    table = _table(
        "list", ("listed", "right"), ("held out", "right"), ("others", "right"), "most frequent reasons"
    )
    for campaign in result.report.campaigns:
        reasons = sorted(campaign.excluded.items(), key=lambda item: -item[1])[:_TOP_REASONS]
        text = "; ".join(f"{people:,} {reason}" for reason, people in reasons)
        if campaign.status != "built":
            text = f"{campaign.status}: {campaign.reason}"
        table.add_row(
            campaign.campaign.name,
            f"{campaign.listed:,}",
            f"{campaign.held_out:,}",
            f"{sum(campaign.excluded.values()):,}",
            text,
        )
    parts: list[RenderableType] = [_title(result.config, f"lists as of {result.as_of}"), table]
    parts += [_line(f"{c.campaign.name}: {c.power.text}") for c in result.report.campaigns if c.power]
    parts += [
        _line(f"{c.campaign.name}: {c.money.text(result.config.currency)}")
        for c in result.report.campaigns
        if c.money
    ]
    parts += [
        _line(
            f"{c.campaign.name} since {c.changes.previous}: {c.changes.added:,} added, {c.changes.removed:,} removed,"
            f" {c.changes.kept:,} as before"
        )
        for c in result.report.campaigns
        if c.changes
    ]
    parts.append(_line(result.report.send_times.text))
    parts += _export_lines(result)
    parts += [
        Padding(Text(f"note: {warning}", "yellow"), (0, 2))
        for warning in dict.fromkeys(result.report.warnings)
    ]
    return Group(*parts)


def _export_lines(result: ListsResult) -> list[RenderableType]:
    """Rows of each list's files, one column a form, and who could not be written."""
    built = [each for each in result.report.campaigns if each.status == "built"]
    if not built:
        return []
    made = {place.parent.name: exports for place, exports in result.exports.items()}
    platforms = list(dict.fromkeys(export.platform for exports in made.values() for export in exports))
    formats: tuple[str, ...] = result.config.lists.formats
    table = _table("rows in files", *((name, "right") for name in (*formats, *platforms)))
    left: list[RenderableType] = []
    for each in built:
        rows = dict.fromkeys(formats, f"{each.listed:,}")
        for export in made.get(each.campaign.name, []):
            rows[export.platform] = f"{export.rows:,}" if export.status == "built" else export.status
            reasons = "; ".join(f"{people:,} {reason}" for reason, people in export.left_out.items())
            if export.reason or reasons:
                left.append(_line(f"{each.campaign.name}, {export.platform}: {export.reason or reasons}"))
        table.add_row(each.campaign.name, *(rows.get(name, "–") for name in (*formats, *platforms)))
    where = _short(result.folder, result.config) / "LIST" / f"as_of={result.as_of.label}"
    return [table, *left, _line(f"in {where}/, each with a manifest of its rows and hashes")]


def erase_screen(result: EraseResult) -> RenderableType:
    """What one person was taken out of, what is remembered, and what is left to the company."""
    rows = ", ".join(f"{count:,} rows of {name}" for name, count in result.rows.items())
    lines = [
        f"taken out of {len(result.changed):,} files; ingestion leaves out {rows or 'nothing more'}",
        "remembered by a keyed hash, so that later files don't bring the person back",
        f"the sources are the company's own and still name the person: {', '.join(result.sources)}",
        "models hold no rows, and forget what they learnt from this person when they are trained again",
    ]
    lines += [f"removed, not written again: {_short(place, result.config)}" for place in result.removed]
    return Group(_title(result.config, "one person erased"), *(_line(line) for line in lines))


def explain_screen(result: ExplainResult) -> RenderableType:
    """One person: each campaign's verdict and rules, then every number behind them."""
    person = result.explained
    parts: list[RenderableType] = [_title(result.config, f"{person.person} as of {result.as_of}")]
    for campaign in person.campaigns:
        parts += _campaign_lines(campaign)
    held = "held out of every campaign" if person.globally_held_out else "not held out of every campaign"
    parts.append(_line(f"all campaigns: arm {person.global_arm:,} of 10,000, {held}"))
    parts.append(_listing("contacts", person.contacts))
    if person.objection:
        parts.append(Padding(Text("objected to profiling: no features, scores or lists", "yellow"), (0, 2)))
    consents = {
        f"{row.purpose} by {row.channel}": f"{'given' if row.granted else 'withdrawn'} on {row.since}"
        for row in person.consents.itertuples()
    }
    parts.append(_listing("consent", consents or {"no log": "unknown is no, or the stated basis"}))
    for place in (1, 2, 3):
        if f"reason_{place}" in result.scores:
            parts.append(_line(f"reason {place}: {result.scores[f'reason_{place}']}"))
    for place in (1, 2, 3):
        if result.scores.get(f"clv_reason_{place}"):
            parts.append(_line(f"lifetime value {place}: {result.scores[f'clv_reason_{place}']}"))
    for title, row in (("scores", result.scores), ("features", result.features)):
        shown = {
            name: _number(value)
            for name, value in row.items()
            if not name.startswith(("reason_", "clv_reason_"))
        }
        parts.append(_listing(title, shown))
    tags = {f"{row.family}.{row.tag}": str(row.value) for row in result.tags.itertuples()}
    parts.append(_listing("tags", tags))
    return Group(*parts)


def example_lines(result: ExplainResult) -> list[RenderableType]:
    """One person as an example, on a dozen lines: which list and why, what is expected, and what moves it."""
    person, scores, currency = result.explained, result.scores, result.config.currency
    parts: list[RenderableType] = []
    listed = next((each for each in person.campaigns if each.outcome == "listed"), None)
    if listed is not None:
        head = Text.assemble((f"{person.person}: {listed.campaign.title}", "bold"), f" ({listed.text})")
        parts.append(Padding(head, (0, 2)))
        parts += [
            _line(f"  {'✓' if each.holds else '✗'} {each.criterion}: {each.value}")
            for each in listed.conditions
        ]
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=True)
    for name, text in _example_rows(result, scores, currency):
        table.add_row(name, text)
    others = "; ".join(
        f"{each.campaign.name}: {each.reasons[0] if each.reasons else each.outcome}"
        for each in person.campaigns
        if each is not listed
    )
    if others:
        table.add_row("other lists", others)
    table.add_row("all of it", f"segml explain CONFIG {person.person}")
    return [*parts, table]


def _example_rows(result: ExplainResult, scores: dict[str, Any], currency: str) -> Iterator[tuple[str, str]]:
    horizons = result.config.horizons
    if "dormancy_probability" in scores:
        order, band = 1 - scores["dormancy_probability"], scores.get("dormancy_band", "")
        yield f"order in {horizons.dormancy} days", f"{order:.1%} likely ({band})"
    if "next_order_days" in scores:
        low, high = scores.get("next_order_days_low"), scores.get("next_order_days_high")
        span = f" (80 %: {low:,.1f} to {high:,.1f})" if low is not None and high is not None else ""
        yield "next order", f"in {scores['next_order_days']:,.1f} days{span}"
    if "clv_historic" in scores:
        clv = f"clv_{horizons.clv}d"
        text = f"{scores['clv_historic']:,.0f} {currency} so far"
        if f"{clv}_low" in scores and f"{clv}_high" in scores:
            text += f"; {scores[clv]:,.0f} expected in {horizons.clv} days"
            text += f" ({scores[f'{clv}_low']:,.0f} to {scores[f'{clv}_high']:,.0f})"
        yield "value", text
    names = [
        scores.get("segment_behavioural_name"),
        scores.get("rfm_name"),
        scores.get("segment_interest_name"),
    ]
    if any(names):
        yield "segments", "; ".join(str(name) for name in names if name)
    reasons = [str(scores[f"reason_{place}"]) for place in (1, 2, 3) if scores.get(f"reason_{place}")]
    if reasons:
        yield "why", "; ".join(reasons)


def _campaign_lines(explained: CampaignExplained) -> list[RenderableType]:
    style = "green" if explained.outcome == "listed" else "yellow"
    head = Text.assemble((explained.campaign.name, "bold"), "  ", (explained.text, style))
    lines: list[RenderableType] = [Padding(head, (0, 2))]
    for condition in explained.conditions:
        mark = "✓" if condition.holds else "✗"
        lines.append(Padding(Text(f"{mark} {condition.criterion}: {condition.value}"), (0, 4)))
    also = [reason for reason in explained.reasons if reason not in ("not_in_audience", "unavailable")]
    if also:
        lines.append(Padding(Text(f"✗ {', '.join(also)}"), (0, 4)))
    numbers = [f"{name} {value:.4g}" for name, value in explained.numbers.items()]
    numbers.append(f"arm {explained.arm_number:,} of 10,000, held out below {explained.arm_limit:,}")
    lines.append(Padding(Text(", ".join(numbers), "dim"), (0, 4)))
    return lines


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def measure_screen(result: MeasureResult) -> RenderableType:
    """What past lists earned against their holdouts, in the words their evidence allows."""
    parts: list[RenderableType] = [_title(result.config, "measured")]
    if len(result.frame):
        table = _table("list", "as of", "status", "what can be said")
        for row in result.frame.itertuples():
            table.add_row(str(row.campaign), str(row.as_of), str(row.status), str(row.statement))
        parts += [
            table,
            *_beside_lift(result),
            *[_line(str(row.statement)) for row in result.programme.itertuples()],
        ]
    if len(result.proposals):
        parts.append(Rule("proposals, for you to decide; nothing is applied", style="dim"))
        proposed = _table("campaign", "setting", "now", "proposed", "evidence")
        for row in result.proposals.itertuples():
            proposed.add_row(*map(str, (row.campaign, row.setting, row.present, row.proposed, row.statement)))
        parts.append(proposed)
    if len(result.mailed):
        parts += [Rule("campaigns that were not drawn by lot", style="dim"), *_mailed(result.mailed)]
    if len(result.kpis):
        parts += [Rule("key figures at the month's end", style="dim"), _kpi_table(result.kpis)]
    parts += [
        Padding(Text(str(row.statement), "yellow" if row.status in ("behind", "missed") else ""), (0, 2))
        for row in result.goals.itertuples()
    ]
    where = _line(
        f"a list counts as sent on its day; orders until {result.data_until};"
        f" every figure in {_short(result.file.parent, result.config)}"
    )
    return Group(*parts, where)


def _beside_lift(result: MeasureResult) -> list[RenderableType]:
    """The same lifts net of what was known before, and what was noted about the arms."""
    lines: list[RenderableType] = []
    estimates = result.lists.estimates
    for row in estimates[(estimates["method"] != "plain") & (estimates["outcome"] == "revenue")].itertuples():
        lines.append(
            _line(
                f"{row.campaign} of {row.as_of}, revenue a person, {row.method} ({row.adjusted_for}):"
                f" {row.difference:+.2f} (95 %: {row.difference_low:+.2f} to {row.difference_high:+.2f}),"
                f" {row.variance_reduction:.0%} less variance than the plain difference"
            )
        )
    for row in result.lists.notes.itertuples():
        lines.append(
            Padding(
                Text(f"{row.campaign} of {row.as_of}: {row.text}", "yellow" if row.refuses else "dim"), (0, 2)
            )
        )
    return lines


def _mailed(frame: pd.DataFrame) -> list[RenderableType]:
    from segml.measurement.mailed import SENTENCE

    table = _table(
        "campaign", "kind", "from", "to", ("sent", "right"), ("answered", "right"), ("share", "right"), "95 %"
    )
    for row in frame.to_dict("records"):
        known = row["sent"] == row["sent"]
        shares = ("response_rate", "response_rate_low", "response_rate_high")
        rate, low, high = (f"{100 * row[name]:.1f}" if known else "–" for name in shares)
        counts = (f"{row[name]:,.0f}" if known else "–" for name in ("sent", "responded"))
        place = (str(row[name]) for name in ("campaign", "kind", "starts", "ends"))
        table.add_row(*place, *counts, f"{rate} %", f"{low} to {high}")
    parts: list[RenderableType] = [table]
    for note, names in frame[frame["note"] != ""].groupby("note", sort=False)["campaign"]:
        parts.append(_line(f"{note}: {', '.join(names)}"))
    return [*parts, Padding(Text(SENTENCE, "yellow"), (0, 2))]


def uplift_screen(result: UpliftResult) -> RenderableType:
    """Which campaign's past lists tell whom a contact changes, how surely, and which were refused."""
    table = _table("campaign", "verdict", "grade", ("version", "right"), "measured on people it has not seen")
    for outcome in result.outcomes:
        verdict = outcome.status + ("" if outcome.new or outcome.version is None else ", unchanged")
        said = Text(verdict, _STATUS_STYLE.get(outcome.status, ""))
        version = str(outcome.version or "")
        table.add_row(outcome.task, said, outcome.grade, version, " ".join(outcome.reasons))
    parts: list[RenderableType] = [_title(result.config, "uplift"), table]
    parts += [_line(f"{outcome.task}: {note}") for outcome in result.outcomes for note in outcome.notes]
    for row in result.metrics.to_dict("records"):
        interval = f"{row['value']:.4f} (95 %: {row['low']:.4f} to {row['high']:.4f})"
        parts.append(_line(f"{row['campaign']}: {row['metric']} {interval}"))
    if len(result.deciles):
        columns = (("tenth", "right"), ("people", "right"), ("uplift", "right"), "95 %")
        tenths = _table("campaign", *columns)
        for row in result.deciles.sort_values(["campaign", "decile"], ascending=[True, False]).to_dict(
            "records"
        ):
            points = [f"{100 * row[name]:+.1f}" for name in ("uplift", "low", "high")]
            tenths.add_row(
                row["campaign"],
                str(row["decile"]),
                f"{row['customers']:,}",
                points[0],
                f"{points[1]} to {points[2]}",
            )
        parts += [
            tenths,
            _line(f"uplift in points of conversion; every figure in {_short(result.folder, result.config)}"),
        ]
    return Group(*parts)


def _kpi_table(kpis: pd.DataFrame) -> Table:
    """The last months side by side; a figure that is not known there is a dash."""
    wide = kpis.pivot_table("value", "kpi", "month", dropna=False).reindex(kpis["kpi"].unique())
    months = wide.columns[-_SHOWN_MONTHS:]
    table = _table("figure", *((month, "right") for month in months))
    for name, row in wide[months].iterrows():
        table.add_row(str(name), *("–" if value != value else f"{value:.4g}" for value in row))
    return table


def backtest_screen(result: BacktestResult) -> RenderableType:
    """The model against each rival at every test cutoff, in pairs."""
    parts: list[RenderableType] = [_title(result.config, "backtest")]
    for task, rows in result.differences.groupby("task", sort=False):
        columns = ("cutoff", ("people", "right"), ("AUC", "right"), "rival", ("its AUC", "right"))
        table = _table(*columns, ("better by", "right"), "95 % interval")
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
        parts += [_line(str(task)), table]
    if result.unavailable:
        parts.append(_listing("not backtested", result.unavailable))
    parts.append(_line(f"every figure in {_short(result.folder, result.config)}"))
    return Group(*parts)


def report_screen(result: ReportResult) -> RenderableType:
    """Where the page is."""
    return Group(_title(result.config, "report"), _line(str(_short(result.file, result.config))))


def run_screen(result: RunResult) -> RenderableType:
    """The last screen of the main job."""
    config = result.config
    where = _table("what", "where")
    where.add_row("campaign lists", str(_short(result.lists.folder, config)))
    where.add_row("scores", str(_short(result.scores.folder, config)))
    where.add_row("tags", str(_short(result.scores.tags_folder, config)))
    where.add_row("report", str(_short(result.report, config)))
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


def flat_screen(result: FlatResult) -> RenderableType:
    """What was done with a flat table, and what it can't give."""
    config, outcome = result.config, result.outcome
    rows = f"{result.rows:,} rows, {result.labelled:,} with a known outcome, {result.positives:,} of them positive"
    parts: list[RenderableType] = [_title(config, f"{config.task} as of {config.as_of}"), _line(rows)]
    parts += [Padding(Text(f"not enough data: {sentence}", "yellow"), (0, 2)) for sentence in result.missing]
    if outcome is not None:
        table = _table("model", "verdict", "grade", ("version", "right"), "measured on held-out rows")
        verdict = outcome.status + ("" if outcome.new or outcome.version is None else ", unchanged")
        style = _STATUS_STYLE.get(outcome.status, "")
        reasons = " ".join(outcome.reasons)
        table.add_row(outcome.task, Text(verdict, style), outcome.grade, str(outcome.version or ""), reasons)
        parts.append(table)
    parts += [Padding(Text(f"note: {note}", "yellow"), (0, 2)) for note in dict.fromkeys(result.notes)]
    if result.scores is not None:
        parts.append(
            _line(f"{result.scored:,} scored ({result.scored_what}): {_short(result.scores, config)}")
        )
    if result.list_folder is not None:
        where = _short(result.list_folder, config)
        parts.append(_line(f"{result.listed:,} listed, {result.held_out:,} held out: {where}"))
    parts.append(_listing("a flat table can't have", result.unavailable))
    return Group(*parts)


def _short(path: Path, config: Config | FlatConfig) -> Path:
    return path.relative_to(config.root) if path.is_relative_to(config.root) else path


def _title(config: Config | FlatConfig, what: str) -> Rule:
    return Rule(f"{config.title or config.base} · {what}", style="dim")


def _line(text: str) -> Padding:
    return Padding(Text(text), (0, 2))


def _listing(title: str, entries: dict[str, str]) -> Padding:
    lines = [f"{name}: {reason}" for name, reason in entries.items()]
    return Padding(Text(f"{title}: " + "; ".join(lines), "dim"), (0, 2))


def _table(*columns: str | tuple[str, str]) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1), pad_edge=True)
    for column in columns:
        name, justify = column if isinstance(column, tuple) else (column, "left")
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    return table
