"""`segml measure`: lists of the past against the orders that followed them, key figures by month, and goals."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from segml.campaigns.holdout import global_holdout_sql
from segml.config import Config
from segml.errors import DataError
from segml.measurement.built import built_lists
from segml.measurement.goals import goal_progress, load_goals
from segml.measurement.kpis import kpi_frame, month_ends
from segml.measurement.mailed import mailed_campaigns
from segml.measurement.measure import MeasuredLists, measure_lists
from segml.measurement.programme import measure_programme
from segml.measurement.proposals import make_proposals
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.loyalty import tier_moves
from segml.pipelines.narration import Narrator, Silent
from segml.pipelines.uplift import FOLDER as UPLIFT
from segml.tables.partition import write_manifest, writing
from segml.time_windows import Cutoff


@dataclass(frozen=True)
class MeasureResult:
    """What past lists earned, or why that can't be said yet.

    Attributes
    ----------
    file : Path
        The table of lifts as Parquet; every other table lies beside it under its own name.
    lists : MeasuredLists
        Lifts, estimates beside the plain ones, results by segment, tidy responses, notes.
    mailed : DataFrame
        Campaigns that segml did not build: counts and shares, nothing about what they changed.
    programme : DataFrame
        All campaigns together, against the global holdout.
    kpis : DataFrame
        The pack of key figures at every month's end.
    goals : DataFrame
        Progress and needed pace of the goals in ``configs/goals/<base>.yaml``.
    proposals : DataFrame
        Settings that past lists speak against, each with its evidence; nothing is applied.
    """

    config: Config
    data_until: Cutoff
    file: Path
    lists: MeasuredLists
    mailed: pd.DataFrame
    programme: pd.DataFrame
    kpis: pd.DataFrame
    goals: pd.DataFrame
    proposals: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """One row a list: treated against held out."""
        return self.lists.frame


def measure(config: Config, narrator: Narrator | None = None) -> MeasureResult:
    """Measure every list built so far, as far as the orders reach.

    Raises
    ------
    DataError
        There is neither a list nor a campaign of the past to measure.
    """
    tell = narrator or Silent()
    with open_base(config, tell) as base:
        result = measure_base(base, tell)
    if not len(result.frame) and not len(result.mailed):
        raise DataError(f"no lists in {config.data_path('lists')}", "run `segml lists CONFIG` first")
    return result


def measure_base(base: OpenBase, narrator: Narrator) -> MeasureResult:
    """Measure a base that is open already; without a list or a campaign there are key figures and goals."""
    config, engine, until = base.config, base.engine, base.observed_until
    target, cell = config.data_path("measured"), config.lists.minimum_cell
    with narrator.step("lift"):
        lists, mailed, programme = _measured(base)
        proposals = make_proposals(lists.frame, lists.knobs, lists.responses, _definitions(config))
    with narrator.step("key figures"):
        ends = month_ends(base.first_day, until)
        kpis = kpi_frame(engine, ends, base.first_day, config.horizons.churn, cell, tier_moves(base))
        goals = goal_progress(load_goals(config.path("configs", "goals", f"{config.base}.yaml")), kpis)
    result = MeasureResult(
        config, until, target / "lift.parquet", lists, mailed, programme, kpis, goals, proposals
    )
    with writing(target) as temporary:
        if (target / UPLIFT).is_dir():  # `segml uplift` writes there, and measuring anew does not unlearn it
            shutil.copytree(target / UPLIFT, temporary / UPLIFT)
        for name, table in tables_of(result).items():
            table.to_parquet(temporary / f"{name}.parquet", index=False)
        write_manifest(temporary, {"data": base.data_hash, "data_until": until.label})
    return result


def tables_of(result: MeasureResult) -> dict[str, pd.DataFrame]:
    """Return the tables that are written, by name."""
    return {
        "lift": result.lists.frame,
        "estimates": result.lists.estimates,
        "results": result.lists.results,
        "contacts": result.lists.contacts,
        "responses": result.lists.responses,
        "notes": result.lists.notes,
        "proposals": result.proposals,
        "mailed": result.mailed,
        "programme": result.programme,
        "kpis": result.kpis,
        "goals": result.goals,
    }


def _measured(base: OpenBase) -> tuple[MeasuredLists, pd.DataFrame, pd.DataFrame]:
    config, engine, until = base.config, base.engine, base.observed_until
    folder, settings = config.data_path("lists"), config.lists
    built = built_lists([folder]) if folder.is_dir() else []
    ours = {one.campaign for one in built}
    mailed = mailed_campaigns(engine, base.first_day, until, ours, settings.minimum_cell)
    measured = measure_lists(
        engine,
        [folder] if built else [],
        until,
        settings.minimum_cell,
        features_of=lambda day: _there(config.data_path("features", f"cutoff={day.label}", "features")),
        scores_of=lambda day: _there(config.data_path("scores", f"as_of={day.label}", "scores.parquet")),
        tags_of=lambda day: _there(config.data_path("tags", f"as_of={day.label}", "tags.parquet")),
    )
    programme = measure_programme(
        engine, built, settings.global_holdout, global_holdout_sql, until, settings.minimum_cell
    )
    return measured, mailed, programme


def _definitions(config: Config) -> dict[str, Any]:
    """Each campaign as its newest list was built."""
    folder = config.data_path("lists")
    built = built_lists([folder]) if folder.is_dir() else []
    return {one.campaign: one.manifest["campaign"] for one in built}


def _there(place: Path) -> Path | None:
    return place if place.exists() else None
