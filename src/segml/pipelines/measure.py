"""`segml measure`: lists of the past against the orders that followed them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from segml.config import Config
from segml.errors import DataError
from segml.measurement.measure import measure_lists
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
        The table as Parquet.
    """

    config: Config
    data_until: Cutoff
    frame: pd.DataFrame
    file: Path


def measure(config: Config, narrator: Narrator | None = None) -> MeasureResult:
    """Measure every list built so far, as far as the orders reach."""
    tell = narrator or Silent()
    folder = config.data_path("lists")
    if not folder.is_dir():
        raise DataError(f"no lists in {folder}", "run `segml lists CONFIG` first")
    target = config.data_path("measured")
    with open_base(config, tell) as base, tell.step("lift"):
        frame = measure_lists(base.engine, [folder], base.observed_until, config.lists.minimum_cell).frame
        with writing(target) as temporary:
            frame.to_parquet(temporary / "lift.parquet", index=False)
            write_manifest(temporary, {"data": base.data_hash, "data_until": base.observed_until.label})
        return MeasureResult(config, base.observed_until, frame, target / "lift.parquet")
