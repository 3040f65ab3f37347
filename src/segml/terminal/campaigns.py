"""Screens of lists, of one person, and of an erasure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from segml.terminal.parts import heading, listing, make_table, remark, short_path
from segml.time_windows import Cutoff

if TYPE_CHECKING:
    from segml.campaigns.explain import CampaignExplained
    from segml.pipelines.erase import EraseResult
    from segml.pipelines.explain import ExplainResult
    from segml.pipelines.lists import ListsResult

_TOP_REASONS = 3


def lists_screen(result: ListsResult) -> RenderableType:
    """How many are on which list, who was left out for which reason, and what the holdout could show."""
    table = make_table(
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
    parts: list[RenderableType] = [heading(result.config, f"lists as of {result.as_of}"), table]
    parts += [remark(f"{c.campaign.name}: {c.power.text}") for c in result.report.campaigns if c.power]
    parts += [
        remark(f"{c.campaign.name}: {c.money.text(result.config.currency)}")
        for c in result.report.campaigns
        if c.money
    ]
    parts += [
        remark(
            f"{c.campaign.name} since {c.changes.previous}: {c.changes.added:,} added, {c.changes.removed:,} removed,"
            f" {c.changes.kept:,} as before"
        )
        for c in result.report.campaigns
        if c.changes
    ]
    parts.append(remark(result.report.send_times.text))
    parts += _export_lines(result)
    parts += [
        Padding(Text(f"note: {warning}", "yellow"), (0, 2))
        for warning in dict.fromkeys(result.report.warnings)
    ]
    return Group(*parts)


def _export_lines(result: ListsResult) -> list[RenderableType]:
    """Rows of each list's files, and who could not be written."""
    built = [each for each in result.report.campaigns if each.status == "built"]
    if not built:
        return []
    made = {place.parent.name: exports for place, exports in result.exports.items()}
    formats: tuple[str, ...] = result.config.lists.formats
    table = make_table("rows in files", *((name, "right") for name in formats), "for platforms")
    left: list[RenderableType] = []
    for each in built:
        written = []
        for export in made.get(each.campaign.name, []):
            built_rows = f"{export.rows:,}" if export.status == "built" else export.status
            written.append(f"{export.platform} {built_rows}")
            reasons = "; ".join(f"{people:,} {reason}" for reason, people in export.left_out.items())
            blank = ", ".join(f"{values:,} {name}" for name, values in export.unreadable.items())
            if blank:
                left.append(
                    remark(
                        f"{each.campaign.name}, {export.platform}: left blank, because unreadable: {blank}"
                    )
                )
            if export.reason or reasons:
                left.append(remark(f"{each.campaign.name}, {export.platform}: {export.reason or reasons}"))
        table.add_row(each.campaign.name, *[f"{each.listed:,}"] * len(formats), ", ".join(written))
    where = short_path(result.folder, result.config) / "LIST" / f"as_of={result.as_of.label}"
    return [table, *left, remark(f"in {where}/, each with a manifest of its rows and hashes")]


def erase_screen(result: EraseResult) -> RenderableType:
    """What one person was taken out of, what is remembered, and what is left to the company."""
    rows = ", ".join(f"{name} {count:,}" for name, count in result.rows.items())
    lines = [
        f"taken out of {len(result.changed):,} files; rows that ingestion leaves out: {rows or 'none'}",
        "remembered by a keyed hash, so that later files don't bring the person back",
        f"the sources are the company's own and still name the person: {', '.join(result.sources)}",
        "models hold no rows, and forget what they learnt from this person when they are trained again",
    ]
    lines += [f"removed, not written again: {short_path(place, result.config)}" for place in result.removed]
    return Group(heading(result.config, "one person erased"), *(remark(line) for line in lines))


def explain_screen(result: ExplainResult) -> RenderableType:
    """One person: each campaign's verdict and rules, then every number behind them."""
    person = result.explained
    parts: list[RenderableType] = [heading(result.config, f"{person.person} as of {result.as_of}")]
    for campaign in person.campaigns:
        parts += _campaign_lines(campaign)
    held = "held out of every campaign" if person.globally_held_out else "not held out of every campaign"
    parts.append(remark(f"all campaigns: arm {person.global_arm:,} of 10,000, {held}"))
    parts.append(listing("contacts", person.contacts))
    if person.objection:
        parts.append(Padding(Text("objected to profiling: no features, scores or lists", "yellow"), (0, 2)))
    consents = {
        f"{row['purpose']} by {row['channel']}": _consent_text(row, result.as_of)
        for row in person.consents.to_dict("records")
    }
    parts.append(listing("consent", consents or {"no log": "unknown is no, or the stated basis"}))
    for place in (1, 2, 3):
        if f"reason_{place}" in result.scores:
            parts.append(remark(f"reason {place}: {result.scores[f'reason_{place}']}"))
    for place in (1, 2, 3):
        if result.scores.get(f"clv_reason_{place}"):
            parts.append(remark(f"lifetime value {place}: {result.scores[f'clv_reason_{place}']}"))
    for title, row in (("scores", result.scores), ("features", result.features)):
        shown = {
            name: _number(value)
            for name, value in row.items()
            if not name.startswith(("reason_", "clv_reason_"))
        }
        parts.append(listing(title, shown))
    tags = {f"{row.family}.{row.tag}": str(row.value) for row in result.tags.itertuples()}
    parts.append(listing("tags", tags))
    return Group(*parts)


_WITHDRAWN = {"unsubscribe": "unsubscribed", "complaint": "withdrawn by a complaint", "bounce": "hard bounce"}


def _consent_text(row: dict[Any, Any], as_of: Cutoff) -> str:
    """Return what was said last and when; what is dated after the day of the lists counts, and says so."""
    what = "given" if row["granted"] else _WITHDRAWN.get(row["source"], "withdrawn")
    return f"{what} on {row['since']}" + (f", after {as_of}" if Cutoff.parse(row["since"]) >= as_of else "")


def example_lines(result: ExplainResult) -> list[RenderableType]:
    """One person as an example, on a dozen lines: which list and why, what is expected, and what moves it."""
    person, scores, currency = result.explained, result.scores, result.config.currency
    parts: list[RenderableType] = []
    listed = next((each for each in person.campaigns if each.outcome == "listed"), None)
    if listed is not None:
        head = Text.assemble((f"{person.person}: {listed.campaign.title}", "bold"), f" ({listed.text})")
        parts.append(Padding(head, (0, 2)))
        parts += [
            remark(f"  {'✓' if each.holds else '✗'} {each.criterion}: {each.value}")
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
