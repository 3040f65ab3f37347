"""Scoring: two return models of 200 rounds with reasons, Parquet to Parquet, over as many customers as asked for.

The models are trained once, on a sample of the base at an earlier cutoff. A base larger than the snapshot is made of
links to its parts: a score depends on a customer's features alone.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

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
        with _clocked() as spent:
            began = time.perf_counter()
            counts = score_snapshot(features, job, Path(folder) / "scores.parquet")
            whole = time.perf_counter() - began
    spent["the rest"] = whole - sum(spent.values())
    shares = {part: [seconds / whole, counts.rows_in / seconds] for part, seconds in spent.items()}
    return {"rows": counts.rows_in, "shares": {**shares, "all of it": [1.0, counts.rows_in / whole]}}


@contextlib.contextmanager
def _clocked() -> Iterator[dict[str, float]]:
    """Give the seconds of each part of scoring: parts that call each other are told apart."""
    from segml.models import boosting
    from segml.scoring import batch

    spent: dict[str, float] = {"reasons": 0.0, "boosters": 0.0, "reading": 0.0, "writing": 0.0}
    running: list[str] = []

    def clock(part: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def clocked(*given: Any, **named: Any) -> Any:
            began, outermost = (
                time.perf_counter(),
                not running,
            )  # reasons evaluate trees: that is reasons' time
            running.append(part)
            try:
                return step(*given, **named)
            finally:
                running.pop()
                if outermost:
                    spent[part] += time.perf_counter() - began

        return clocked

    def reading(parts: Any, rows: int) -> Iterator[Any]:
        chunks = plain_reading(parts, rows)
        following = clock("reading", lambda: next(chunks, None))
        while (chunk := following()) is not None:
            yield chunk

    plain_reading = batch.read_chunks
    with (
        mock.patch.object(batch, "read_chunks", reading),
        mock.patch.object(batch, "reason_columns", clock("reasons", batch.reason_columns)),
        mock.patch.object(batch._Writer, "write", clock("writing", batch._Writer.write)),
        mock.patch.object(
            boosting.BoostedTrees, "raw_score", clock("boosters", boosting.BoostedTrees.raw_score)
        ),
    ):
        yield spent


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
