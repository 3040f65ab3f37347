"""What is measured. A case is one function, run in a process of its own; what it returns is shown beside its cost."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from segml.time_windows import Cutoff

from . import btyd

LAST = Cutoff.parse("2023-10-01")
HORIZON = 90
Facts = dict[str, Any]


def features_segml(options: argparse.Namespace) -> Facts:
    """All features at one cutoff, Parquet to Parquet, in four buckets."""
    return _snapshots(options, options.customers, cutoffs=1)


def features_segml_12(options: argparse.Namespace) -> Facts:
    """All features at twelve cutoffs, 28 days apart, in four buckets."""
    return _snapshots(options, options.customers, cutoffs=12)


def features_segml_large(options: argparse.Namespace) -> Facts:
    """All features at one cutoff, ten times the base, in ten buckets, in 1 GB for the engine."""
    return _snapshots(options, 10 * options.customers, cutoffs=1, buckets=10, memory="1GB")


def features_pandas(options: argparse.Namespace) -> Facts:
    """The same features by pandas, Parquet to Parquet."""
    from segml.engine.duckdb import DuckDBEngine
    from segml.features.plan import make_plan
    from segml.features.snapshot import register_tables

    from .pandas_features import pandas_features

    shop = _shop(options, options.customers)
    with DuckDBEngine(memory="1GB", threads=options.threads) as engine:
        register_tables(engine, shop)
        plan = make_plan(engine, LAST)
    frame = pandas_features(shop, plan, LAST)
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        frame.to_parquet(Path(place) / "features.parquet", compression="zstd")
    return {"rows": len(frame), "columns": frame.shape[1]}


def score_customers(options: argparse.Namespace) -> Facts:
    """Probabilities for two horizons, percentiles, bands and three reasons a customer."""
    from .scoring import prepare_scoring, score_base

    return score_base(prepare_scoring(_shop(options, options.customers), options, LAST), options, LAST)


def import_segml(options: argparse.Namespace) -> Facts:
    """``import segml`` in a fresh interpreter."""
    return _command("-c", "import segml")


def segml_help(options: argparse.Namespace) -> Facts:
    """``segml --help`` in a fresh interpreter."""
    return _command("-m", "segml.cli", "--help")


def python_alone(options: argparse.Namespace) -> Facts:
    """A fresh interpreter that does nothing: what the two above can't go below."""
    return _command("-c", "")


def prepare(options: argparse.Namespace) -> Facts:
    """Make the base that the other cases read; it is kept."""
    from .shop import BenchShop, make_bench_shop

    if options.btyd:
        btyd.prepare_btyd(options)
    if options.lists or options.measure:
        from .campaigns import make_campaign_base, make_sends

        for make in [make_campaign_base] * options.lists + [make_sends] * options.measure:
            make(options.customers, options.folder)
    if not options.shop:
        return {}
    made = make_bench_shop(BenchShop(options.customers), options.folder)
    if options.large:
        make_bench_shop(BenchShop(10 * options.customers), options.folder)
    if options.scoring:
        from .scoring import prepare_scoring

        prepare_scoring(made, options, LAST)
    return {"folder": made.name}


def segments_segml(options: argparse.Namespace) -> Facts:
    """Choose k in 2..10 by stability and fit k-means and a mixture."""
    from .segments import choose_by_segml

    return choose_by_segml(options)


def segments_sklearn(options: argparse.Namespace) -> Facts:
    """The same choice on the full data with scikit-learn's defaults, and a tenth of the bootstraps."""
    from .segments import choose_by_sklearn

    return choose_by_sklearn(options)


def lists_segml(options: argparse.Namespace) -> Facts:
    """Ten campaigns' lists and three platforms' files of each."""
    from .campaigns import build_and_export

    return build_and_export(options)


def measure_segml(options: argparse.Namespace) -> Facts:
    """Ten lists of the whole base against what followed."""
    from .campaigns import measure_sends

    return measure_sends(options)


def money_lift_segml(options: argparse.Namespace) -> Facts:
    """A money sentence on ten times the base, a twentieth of it held out, every tenth person a buyer."""
    import numpy as np

    from segml.measure import money_lift

    people, rng = 10 * options.customers, np.random.default_rng(0)
    spend = np.zeros(people)
    buyers = rng.choice(people, people // 10, replace=False)
    spend[buyers] = np.round(rng.lognormal(3.0, 1.5, len(buyers)), 2)
    began, cpu = time.perf_counter(), time.process_time()
    found = money_lift(spend[people // 20 :], spend[: people // 20])
    assert found.low <= found.difference <= found.high
    # drawing the people is no part of the sentence
    step = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    return {"rows": people, "step": step}


CASES: dict[str, list[Callable[[argparse.Namespace], Facts]]] = {
    "features": [features_segml, features_pandas],
    "cutoffs": [features_segml, features_segml_12],
    "large": [features_segml_large],
    "scoring": [score_customers],
    "segments": [segments_segml, segments_sklearn],
    "btyd": [btyd.btyd_fit_segml, btyd.btyd_fit_lifetimes, btyd.btyd_fit_pymc],
    "btyd-value": [btyd.btyd_value_segml, btyd.btyd_value_lifetimes],
    "btyd-large": [btyd.btyd_fit_segml_large, btyd.btyd_fit_lifetimes_large],
    "btyd-summary": [btyd.btyd_summary_segml, btyd.btyd_summary_lifetimes],
    "lists": [lists_segml],
    "measure": [measure_segml],
    "money": [money_lift_segml],
    "start": [python_alone, import_segml, segml_help],
}


def _snapshots(
    options: argparse.Namespace, customers: int, cutoffs: int, buckets: int = 4, memory: str = ""
) -> Facts:
    from segml.engine.duckdb import DuckDBEngine
    from segml.features.plan import make_plan
    from segml.features.snapshot import SnapshotRequest, register_tables, write_snapshots
    from segml.tables.partition import read_manifest

    at = tuple(LAST.plus_days(-28 * step) for step in reversed(range(cutoffs)))
    spill = f"{options.spill_gb}GB"
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as place,
        DuckDBEngine(memory or options.memory, options.threads, spill) as engine,
    ):
        register_tables(engine, _shop(options, customers))
        plan = make_plan(engine, at[0])
        request = SnapshotRequest(at, buckets=buckets)
        partitions = write_snapshots(engine, plan, request, Path(place))
        manifests = [read_manifest(partition) or {} for partition in partitions]
    return {"rows": sum(int(m["rows"]) for m in manifests), "columns": len(plan.names)}


def _shop(options: argparse.Namespace, customers: int) -> Path:
    from .shop import BenchShop, make_bench_shop

    return make_bench_shop(BenchShop(customers), options.folder)


def _command(*arguments: str) -> Facts:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))
    return {}
