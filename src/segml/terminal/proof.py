"""Screens of what lists earned: lift, key figures, goals, uplift."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from segml.terminal.parts import STATUS_STYLE, heading, make_table, remark, short_path

if TYPE_CHECKING:
    import pandas as pd

    from segml.pipelines.measure import MeasureResult
    from segml.pipelines.uplift import UpliftResult

_SHOWN_MONTHS = 4


def measure_screen(result: MeasureResult) -> RenderableType:
    """What past lists earned against their holdouts, in the words their evidence allows."""
    parts: list[RenderableType] = [heading(result.config, "measured")]
    if len(result.frame):
        table = make_table("list", "as of", "status", "what can be said")
        for row in result.frame.itertuples():
            table.add_row(str(row.campaign), str(row.as_of), str(row.status), str(row.statement))
        parts += [
            table,
            *_beside_lift(result),
            *[remark(str(row.statement)) for row in result.programme.itertuples()],
        ]
    if len(result.proposals):
        parts.append(Rule("proposals, for you to decide; nothing is applied", style="dim"))
        proposed = make_table("campaign", "setting", "now", "proposed", "evidence")
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
    where = remark(
        f"a list counts as sent on its day; orders until {result.data_until};"
        f" every figure in {short_path(result.file.parent, result.config)}"
    )
    return Group(*parts, where)


def _beside_lift(result: MeasureResult) -> list[RenderableType]:
    """The same lifts net of what was known before, and what was noted about the arms."""
    measured = result.lists.measured
    lines: list[RenderableType] = [
        remark(f"{row.campaign} of {row.as_of}: {row.revenue_statement}") for row in measured.itertuples()
    ]
    estimates = result.lists.estimates
    adjusted = (estimates["method"] != "plain") & (estimates["outcome"] == "revenue")
    for row in estimates[adjusted & estimates["difference_low"].notna()].itertuples():
        lines.append(
            remark(
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

    table = make_table("campaign", "kind", "from", "to", ("sent", "right"), ("answered", "right"), "95 %")
    for row in frame.to_dict("records"):
        known = row["sent"] == row["sent"]
        shares = ("response_rate", "response_rate_low", "response_rate_high")
        rate, low, high = (f"{100 * row[name]:.1f}" if known else "–" for name in shares)
        sent, answered = (f"{row[name]:,.0f}" if known else "–" for name in ("sent", "responded"))
        place = (str(row[name]) for name in ("campaign", "kind", "starts", "ends"))
        table.add_row(*place, sent, f"{answered}, {rate} %" if known else "–", f"{low} to {high}")
    parts: list[RenderableType] = [table]
    for note, names in frame[frame["note"] != ""].groupby("note", sort=False)["campaign"]:
        parts.append(remark(f"{note}: {', '.join(names)}"))
    return [*parts, Padding(Text(SENTENCE, "yellow"), (0, 2))]


def uplift_screen(result: UpliftResult) -> RenderableType:
    """Which campaign's past lists tell whom a contact changes, how surely, and which were refused."""
    table = make_table(
        "campaign", "verdict", "grade", ("version", "right"), "measured on people it has not seen"
    )
    for outcome in result.outcomes:
        verdict = outcome.status + ("" if outcome.new or outcome.version is None else ", unchanged")
        said = Text(verdict, STATUS_STYLE.get(outcome.status, ""))
        version = str(outcome.version or "")
        table.add_row(outcome.task, said, outcome.grade, version, " ".join(outcome.reasons))
    parts: list[RenderableType] = [heading(result.config, "uplift"), table]
    parts += [remark(f"{outcome.task}: {note}") for outcome in result.outcomes for note in outcome.notes]
    for row in result.metrics.to_dict("records"):
        interval = f"{row['value']:.4f} (95 %: {row['low']:.4f} to {row['high']:.4f})"
        parts.append(remark(f"{row['campaign']}: {row['metric']} {interval}"))
    if len(result.deciles):
        columns = (("tenth", "right"), ("people", "right"), ("uplift", "right"), "95 %")
        tenths = make_table("campaign", *columns)
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
            remark(
                f"uplift in points of conversion; every figure in {short_path(result.folder, result.config)}"
            ),
        ]
    return Group(*parts)


def _kpi_table(kpis: pd.DataFrame) -> Table:
    """The last months side by side; a figure that is not known there is a dash."""
    wide = kpis.pivot_table("value", "kpi", "month", dropna=False).reindex(kpis["kpi"].unique())
    months = wide.columns[-_SHOWN_MONTHS:]
    table = make_table("figure", *((month, "right") for month in months))
    for name, row in wide[months].iterrows():
        table.add_row(str(name), *("–" if value != value else f"{value:.4g}" for value in row))
    return table
