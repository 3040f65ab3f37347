"""Histories straight from the orders: what the snapshot says, whatever the batches, and nothing after the cutoff."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.btyd import compare
from bench.purchases import UNTIL_DAY, PlantedPurchases, make_purchases
from segml.engine.duckdb import DuckDBEngine
from segml.errors import DataError, NotEnoughDataError
from segml.features import histories
from segml.features.histories import load_histories
from segml.features.plan import FeaturePlan
from segml.features.snapshot import register_tables, snapshot_frame
from segml.time_windows import Cutoff

COLUMNS = ["repeat_orders", "recency", "age"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_purchases(PlantedPurchases(3_000), tmp_path_factory.mktemp("purchases"))


@pytest.mark.parametrize("batch", [1 << 18, 7])
def test_histories_are_those_of_the_planted_summary_in_any_batches(
    base: Path, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "_BATCH", batch)
    found = load_histories(base / "orders.parquet", Cutoff(UNTIL_DAY))
    planted = pd.read_parquet(base / "histories.parquet").set_index("customer_key")
    pd.testing.assert_frame_equal(found, planted, rtol=1e-12)


def test_histories_are_those_of_the_snapshot_at_an_earlier_cutoff(base: Path) -> None:
    cutoff = Cutoff(UNTIL_DAY - 200)
    found = load_histories(base / "orders.parquet", cutoff)
    with DuckDBEngine(threads=1) as engine:
        register_tables(engine, base)
        features, _ = snapshot_frame(engine, FeaturePlan(groups=("history",)), cutoff)
    bought = features[features["orders_total"] > 0].sort_index()
    names = ["repeat_orders", "first_to_last_days", "age_days"]
    np.testing.assert_array_equal(found[COLUMNS].to_numpy(), bought[names].to_numpy())


def test_orders_that_are_not_sorted_or_not_there_yet_are_refused(base: Path, tmp_path: Path) -> None:
    rows = pd.read_parquet(base / "orders.parquet")
    pq.write_table(pa.Table.from_pandas(rows[::-1]), tmp_path / "orders.parquet")
    with pytest.raises(DataError, match="not sorted by customer_key and ordered_at"):
        load_histories(tmp_path / "orders.parquet", Cutoff(UNTIL_DAY))
    with pytest.raises(NotEnoughDataError, match="no order before the cutoff"):
        load_histories(base / "orders.parquet", Cutoff(100))


def test_the_bench_refuses_to_compare_what_is_not_the_same(base: Path) -> None:
    good = {"rows": 3_000, "params": {"r": 0.6, "alpha": 80.0, "a": 0.6, "b": 3.5}}
    own, other = {**good, "log_likelihood": -1e9}, dict(good)
    with pytest.raises(ValueError, match="segml's log-likelihood is the lower one"):
        compare({"segml": own, "other": other}, base.parent)
    with pytest.raises(ValueError, match="totals differ"):
        compare({"segml": {"totals": [1.0, 2.0]}, "other": {"totals": [1.0, 2.1]}}, base.parent)
    said = compare({"segml": {"totals": [1.0]}, "other": {"unavailable": "no index"}}, base.parent)
    assert said == ["other: no index", "segml: totals 1.00"]
