"""Goals as data: a figure, where it stood, where it shall be and by when; how far it is and what pace it needs."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pandas as pd
from pydantic import field_validator, model_validator

from segml.config import Settings, read_settings_file
from segml.errors import did_you_mean
from segml.measurement.kpis import KPIS

_TIER_KPI = re.compile(r"tier_[a-z][a-z0-9_]*_to_[a-z][a-z0-9_]*")  # tiers are each company's own
DAYS_A_MONTH = 30.4375
COLUMNS = (
    *("kpi", "baseline", "target", "deadline", "month", "value", "progress"),
    *("pace_so_far", "pace_needed", "status", "statement"),
)


class Goal(Settings):
    """One goal; `since` is the day at which the figure stood at `baseline`."""

    kpi: str
    baseline: float
    target: float
    since: date
    deadline: date

    @field_validator("kpi")
    @classmethod
    def _is_known(cls, value: str) -> str:
        known = [kpi.name for kpi in KPIS]
        if value not in known and not _TIER_KPI.fullmatch(value):
            raise ValueError(f"unknown figure {value!r}{did_you_mean(value, known)}; one of {known}")
        return value

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Goal:
        if self.target == self.baseline:
            raise ValueError("the target is the baseline: there is nothing to reach")
        if self.deadline <= self.since:
            raise ValueError("the deadline lies after `since`")
        return self


class Goals(Settings):
    """A goal file."""

    goals: tuple[Goal, ...]


def load_goals(file: Path) -> tuple[Goal, ...]:
    """Read a goal file; one that is not there holds no goal."""
    return read_settings_file(Goals, file).goals if file.is_file() else ()


def goal_progress(goals: tuple[Goal, ...], kpis: pd.DataFrame) -> pd.DataFrame:
    """Return each goal's state at the last month its figure is known.

    Parameters
    ----------
    goals : tuple of Goal
    kpis : DataFrame
        From `kpi_frame`.

    Returns
    -------
    DataFrame
        `progress` is the share of the way from baseline to target; `pace_so_far` and `pace_needed` are changes a
        month. `status`: reached, on_track, behind, missed or unknown.

    Examples
    --------
    >>> goal = Goal(kpi="repeat_rate", baseline=0.2, target=0.3, since="2024-01-01", deadline="2024-07-01")
    >>> known = pd.DataFrame({"month": ["2024-04-01"], "kpi": ["repeat_rate"], "value": [0.25]})
    >>> row = goal_progress((goal,), known).iloc[0]
    >>> float(round(row["progress"], 2)), row["status"]
    (0.5, 'on_track')
    """
    return pd.DataFrame([_progress(goal, kpis) for goal in goals], columns=list(COLUMNS))


def _progress(goal: Goal, kpis: pd.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {
        "kpi": goal.kpi,
        "baseline": goal.baseline,
        "target": goal.target,
        "deadline": goal.deadline.isoformat(),
    }
    known = kpis[(kpis["kpi"] == goal.kpi) & kpis["value"].notna() & (kpis["month"] > goal.since.isoformat())]
    if not len(known):
        return row | {
            "status": "unknown",
            "statement": f"{goal.kpi} is not known for any month since {goal.since}",
        }
    month, value = str(known["month"].iloc[-1]), float(known["value"].iloc[-1])
    day = date.fromisoformat(month)
    gone, left = (day - goal.since).days / DAYS_A_MONTH, (goal.deadline - day).days / DAYS_A_MONTH
    progress = (value - goal.baseline) / (goal.target - goal.baseline)
    pace = (value - goal.baseline) / gone
    needed = (goal.target - value) / left if left > 0 else float("nan")
    share_of_time = gone / (gone + left)
    status = (
        "reached"
        if progress >= 1
        else "missed"
        if left <= 0
        else "on_track"
        if progress >= share_of_time - 1e-9
        else "behind"
    )
    text = f"{goal.kpi} {value:.4g} by {month}: {progress:.0%} of the way from {goal.baseline:g} to {goal.target:g}"
    if status in ("on_track", "behind"):
        text += f"; {needed:+.3g} a month are needed until {goal.deadline}, so far {pace:+.3g}"
    return row | {
        "month": month,
        "value": value,
        "progress": progress,
        "pace_so_far": pace,
        "pace_needed": needed,
        "status": status,
        "statement": text,
    }
