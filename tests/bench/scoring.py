"""Scoring: two return models of 200 rounds with reasons, Parquet to Parquet, over as many customers as asked for.

The models are trained once, on a sample of the base at an earlier cutoff. A base larger than the snapshot is made of
links to its parts: a score depends on a customer's features alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from segml.features.plan import FeaturePlan, make_plan
from segml.features.snapshot import (
    SnapshotRequest,
    load_labels,
    load_snapshot,
    register_tables,
    write_snapshots,
)
from segml.tables.partition import read_manifest
from segml.time_windows import Cutoff

HORIZONS = {"dormancy": 28, "churn": 84}
_TRAINING_ROWS = 50_000


def prepare_scoring(shop: Path, options: argparse.Namespace, cutoff: Cutoff) -> Path:
    """Write the snapshot and the model unless they are there; return their folder."""
    from segml.engine.duckdb import DuckDBEngine
    from segml.models.returning import ReturnCurve

    place = shop / "scoring"
    if (place / "curve.json").exists():
        return place
    earlier = cutoff.plus_days(-max(HORIZONS.values()))
    with DuckDBEngine(options.memory, options.threads, f"{options.spill_gb}GB") as engine:
        register_tables(engine, shop)
        plan = make_plan(engine, earlier)
        share = min(1.0, _TRAINING_ROWS / options.customers)
        training = SnapshotRequest((earlier,), tuple(HORIZONS.values()), cutoff, sample_share=share)
        (partition,) = write_snapshots(engine, plan, training, place / "training")
        write_snapshots(engine, plan, SnapshotRequest((cutoff,), buckets=4), place / "snapshot")
    curve = ReturnCurve(tuple(HORIZONS.values())).fit(load_snapshot(partition), load_labels(partition))
    (place / "curve.json").write_text(json.dumps(curve.to_dict()), encoding="utf-8")
    return place


def score_base(place: Path, options: argparse.Namespace, cutoff: Cutoff) -> dict[str, Any]:
    """Score `options.score_customers` customers."""
    from segml.config import BandSettings
    from segml.scoring.batch import ScoringJob, score_snapshot

    (snapshot,) = (place / "snapshot").glob("cutoff=*")
    manifest = read_manifest(snapshot) or {}
    champions = _champions(place, FeaturePlan.from_dict(manifest["plan"]))
    job = ScoringJob(cutoff, champions, HORIZONS, manifest["contract"], BandSettings())
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        features = Path(folder) / "features"
        features.mkdir()
        parts = sorted((snapshot / "features").glob("part-*.parquet"))
        repeats = -(-options.score_customers // int(manifest["rows"]))
        for number, part in enumerate(parts * repeats):
            (features / f"part-{number:05d}.parquet").symlink_to(part.resolve())
        counts = score_snapshot(features, job, Path(folder) / "scores.parquet")
    return {"rows": counts.rows_in}


def _champions(place: Path, plan: FeaturePlan) -> dict[str, Any]:
    from segml.models.returning import ReturnTask
    from segml.registry.registered import RegisteredModel

    curve = json.loads((place / "curve.json").read_text(encoding="utf-8"))
    champions = {}
    for task, horizon in HORIZONS.items():
        model = ReturnTask.from_dict({"task": task, "horizon": horizon, "curve": curve})
        names = tuple(model.feature_names_in_)
        champions[task] = RegisteredModel(
            f"segml.bench.{task}", 1, task, "2023-07-09", "", plan.contract, names, {}, model
        )
    return champions
