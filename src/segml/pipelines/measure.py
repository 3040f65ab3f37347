"""`segml measure`: lists of the past against the orders that followed them, key figures by month, and goals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from segml.config import Config
from segml.errors import DataError
from segml.measurement.goals import goal_progress, load_goals
from segml.measurement.kpis import kpi_frame, month_ends
from segml.measurement.measure import measure_lists
from segml.measurement.outcomes import contact_outcomes
from segml.pipelines.base import open_base
from segml.pipelines.narration import Narrator, Silent
from segml.tables.partition import write_manifest, writing
from segml.time_windows import Cutoff


@dataclass(frozen=True)
class MeasureResult:
    """One row a list: treated against held out, or why that can't be said yet.

    Attributes
    ----------
    file : Path
        The table as Parquet; `contacts.parquet`, `kpis.parquet` and `goals.parquet` lie beside it.
    contacts : DataFrame
        What became of each sending: sent, delivered, opened ..., each with denominator and interval.
    kpis : DataFrame
        The pack of key figures at every month's end.
    goals : DataFrame
        Progress and needed pace of the goals in ``configs/goals/<base>.yaml``.
    """

    config: Config
    data_until: Cutoff
    frame: pd.DataFrame
    file: Path
    contacts: pd.DataFrame
    kpis: pd.DataFrame
    goals: pd.DataFrame


def measure(config: Config, narrator: Narrator | None = None) -> MeasureResult:
    """Measure every list built so far, as far as the orders reach."""
    tell = narrator or Silent()
    folder = config.data_path("lists")
    if not folder.is_dir():
        raise DataError(f"no lists in {folder}", "run `segml lists CONFIG` first")
    target = config.data_path("measured")
    with open_base(config, tell) as base:
        engine, until, cell = base.engine, base.observed_until, config.lists.minimum_cell
        with tell.step("lift"):
            frame = measure_lists(engine, [folder], until, cell).frame
            contacts = contact_outcomes(engine, [folder], until, cell)
        with tell.step("key figures"):
            ends = month_ends(base.first_day, until)
            kpis = kpi_frame(engine, ends, base.first_day, config.horizons.churn, cell)
            goals = goal_progress(load_goals(config.path("configs", "goals", f"{config.base}.yaml")), kpis)
        frames = {"lift": frame, "contacts": contacts, "kpis": kpis, "goals": goals}
        with writing(target) as temporary:
            for name, table in frames.items():
                table.to_parquet(temporary / f"{name}.parquet", index=False)
            write_manifest(temporary, {"data": base.data_hash, "data_until": until.label})
        return MeasureResult(config, until, frame, target / "lift.parquet", contacts, kpis, goals)
