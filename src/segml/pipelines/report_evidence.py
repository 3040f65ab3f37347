"""What the page says of time (key figures, goals, results, drift), and of money and reasons, from the scores.

Frames and manifests in, plain facts out. Counting is the engine's; a few dozen rows come home.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

from segml.engine import Engine
from segml.engine.quantiles import quantile_sql
from segml.measurement.kpis import KPIS
from segml.pipelines.drift import TaskDrift
from segml.pipelines.measure import MeasureResult
from segml.report.facts import DriftFacts, GoalFacts, KpiFacts, ReasonFacts, ResultFacts, ValueFacts

_MINOR = 100
_TOP_SHARE = 0.9
_REASONS_SHOWN = 3


def kpi_facts(measured: MeasureResult | None) -> tuple[KpiFacts, ...]:
    """Return every key figure as a series of months."""
    if measured is None or not len(measured.kpis):
        return ()
    meanings = {kpi.name: kpi.meaning for kpi in KPIS}
    found = []
    for name, rows in measured.kpis.groupby("kpi", sort=False):
        rows = rows.sort_values("month")
        values = tuple(finite(value) for value in rows["value"])
        unit = str(rows["unit"].iloc[-1])
        months = tuple(rows["month"].astype(str))
        found.append(KpiFacts(str(name), unit, meanings.get(str(name), ""), months, values))
    return tuple(found)


def goal_facts(measured: MeasureResult | None) -> tuple[GoalFacts, ...]:
    """Return each goal's state."""
    if measured is None:
        return ()
    units = {kpi.name: kpi.unit for kpi in kpi_facts(measured)}
    return tuple(
        GoalFacts(
            kpi=str(row["kpi"]),
            unit=units.get(str(row["kpi"]), ""),
            baseline=float(row["baseline"]),
            target=float(row["target"]),
            deadline=str(row["deadline"]),
            status=str(row["status"]),
            month="" if pd.isna(row["month"]) else str(row["month"]),
            **{name: finite(row[name]) for name in ("value", "progress", "pace_so_far", "pace_needed")},
        )
        for row in measured.goals.to_dict("records")
    )


def result_facts(measured: MeasureResult | None) -> tuple[ResultFacts, ...]:
    """Return what each past list earned, newest first."""
    if measured is None:
        return ()
    rows = measured.frame.sort_values(["as_of", "campaign"], ascending=[False, True])
    return tuple(
        ResultFacts(
            campaign=str(row["campaign"]),
            as_of=str(row["as_of"]),
            status=str(row["status"]),
            statement=str(row["statement"]),
            treated=_whole(row["treated"]),
            held_out=_whole(row["held_out"]),
            rate=finite(row["rate_treated"]),
            held_rate=finite(row["rate_held_out"]),
            difference=finite(row["rate_difference"]),
            low=finite(row["rate_difference_low"]),
            high=finite(row["rate_difference_high"]),
        )
        for row in rows.to_dict("records")
    )


def proposal_texts(measured: MeasureResult | None) -> tuple[str, ...]:
    """Return what the evidence proposes, best founded first; nothing of it is applied by itself."""
    if measured is None or not len(measured.proposals):
        return ()
    return tuple(
        f"{row['campaign']}, {row['setting']}: {row['present']} -> {row['proposed']}; {row['statement']}"
        for row in measured.proposals.to_dict("records")
    )


def drift_facts(watched: Collection[TaskDrift]) -> tuple[DriftFacts, ...]:
    """Return each champion's truth; the column named is the one that moved most against what is usual."""
    found = []
    for one in watched:
        numbers: dict[str, Any] = one.numbers or {}
        truth: dict[str, Any] = numbers.get("matured") or {}
        moved: dict[str, Any] = next(iter(numbers.get("moved") or ()), {})
        found.append(
            DriftFacts(
                one.task,
                one.model,
                one.sentences,
                one.unavailable,
                cutoff=str(truth.get("cutoff", "")),
                customers=truth.get("customers"),
                expected=truth.get("predicted"),
                found=truth.get("realised"),
                auc=truth.get("auc"),
                auc_when_judged=numbers.get("auc_when_judged"),
                column=str(moved.get("column", "")),
                psi=moved.get("psi"),
                limit=moved.get("threshold"),
            )
        )
    return tuple(found)


def value_facts(engine: Engine, clv_days: int) -> ValueFacts | None:
    """Return totals, medians and the top tenth's share of historic and expected value, from `scores`."""
    columns, found = engine.columns("scores"), {}
    for name, column in (("historic", "clv_historic"), ("expected", f"clv_{clv_days}d")):
        if column not in columns:
            continue
        known = f"not isnan({column})"
        total = f"cast(sum(cast(round({column} * {_MINOR}) as bigint)) as double) / {_MINOR}"
        whole = finite(engine.value(f"select {total} from scores where {known}"))
        limit = finite(engine.value(quantile_sql(column, "scores", _TOP_SHARE, known)))
        found[f"{name}_total"] = whole
        found[f"{name}_median"] = finite(engine.value(quantile_sql(column, "scores", 0.5, known)))
        if whole and limit is not None:
            top = finite(engine.value(f"select {total} from scores where {known} and {column} > {limit!r}"))
            found[f"{name}_top"] = None if top is None else top / whole
    for bound in ("low", "high"):
        column = f"clv_{clv_days}d_{bound}"
        if column in columns:
            found[f"expected_{bound}"] = finite(
                engine.value(quantile_sql(column, "scores", 0.5, f"not isnan({column})"))
            )
    people = int(engine.value("select count(*) from scores") or 0)
    return ValueFacts(people, **found) if found else None


def reasons_sql(columns: Collection[str]) -> str:
    """Write the query: one row a behavioural segment, feature and direction, and how many have it in their three."""
    segment = "segment_behavioural_name"
    needed = [
        segment,
        *(f"reason_{place}_{part}" for place in (1, 2, 3) for part in ("feature", "direction", "value")),
    ]
    if not set(needed) <= set(columns):
        return ""
    each = " union all ".join(
        f"select {segment} as segment, reason_{place}_feature as feature, reason_{place}_direction as direction,"
        f" cast(reason_{place}_value as double) as value from scores"
        for place in (1, 2, 3)
    )
    return (
        "select reasons.segment as segment, feature, direction, count(*) as having,"
        " cast(median(case when isnan(value) then null else value end) as double) as middle,"
        f" max(sizes.people) as people from ({each}) reasons"
        f" join (select {segment} as segment, count(*) as people from scores group by {segment}) sizes"
        " on sizes.segment = reasons.segment where feature is not null and feature <> ''"
        " group by reasons.segment, feature, direction"
    )


def reason_facts(engine: Engine) -> tuple[ReasonFacts, ...]:
    """Return the three reasons most people of each behavioural segment have among their strongest."""
    sql = reasons_sql(engine.columns("scores"))
    if not sql:
        return ()
    rows = engine.fetch(sql, 10_000)
    rows = rows.sort_values(
        ["people", "segment", "having", "feature", "direction"], ascending=[False, True, False, True, True]
    )
    return tuple(
        ReasonFacts(
            str(row["segment"]),
            int(row["people"]),
            str(row["feature"]),
            str(row["direction"]),
            int(row["having"]) / int(row["people"]),
            finite(row["middle"]),
        )
        for row in rows.groupby("segment", sort=False).head(_REASONS_SHOWN).to_dict("records")
    )


def finite(value: Any) -> float | None:
    """Return a number that JSON can hold; None for what is unknown or infinite."""
    return None if value is None or pd.isna(value) or abs(value) == float("inf") else float(value)


def _whole(value: Any) -> int | None:
    return None if value is None or pd.isna(value) else int(value)
