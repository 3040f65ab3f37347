"""Partitions of snapshots: what is written, kept, refused and loaded; samples and buckets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conftest import OpenBase
from segml.engine import Engine
from segml.engine.duckdb import DuckDBEngine
from segml.engine.keys import hash_key
from segml.errors import DataError, NotEnoughDataError, OutputError
from segml.features.plan import make_plan
from segml.features.snapshot import (
    SnapshotRequest,
    load_labels,
    load_many,
    load_snapshot,
    people_sql,
    register_tables,
    snapshot_frame,
    write_snapshots,
)
from segml.tables.partition import read_manifest
from segml.time_windows import Cutoff
from small_base import CUTOFF, Tables, orders_of, without


@pytest.fixture
def engine(open_base: OpenBase, base: Tables) -> Engine:
    return open_base(base)


def test_a_partition_is_named_by_its_cutoff_and_says_what_it_holds(engine: Engine, tmp_path: Path) -> None:
    plan = make_plan(engine, CUTOFF)
    request = SnapshotRequest(
        (CUTOFF,), (30, 900), CUTOFF.plus_days(60), inputs=(("orders", "abc"), ("customers", "def"))
    )
    seen: list[str] = []
    (partition,) = write_snapshots(engine, plan, request, tmp_path, progress=seen.append)
    assert partition == tmp_path / f"cutoff={CUTOFF.label}"
    assert seen == [CUTOFF.label]
    manifest = read_manifest(partition)
    assert manifest is not None
    assert manifest["rows"] == len(load_snapshot(partition)) == len(load_labels(partition))
    assert (manifest["contract"], manifest["horizons"]) == (plan.contract, [30])
    assert manifest["inputs"] == {"orders": "abc", "customers": "def"}
    assert sorted(p.name for p in partition.iterdir()) == ["features", "labels", "manifest.json"]


def test_a_snapshot_frame_is_what_a_partition_holds(engine: Engine, tmp_path: Path) -> None:
    plan = make_plan(engine, CUTOFF)
    frame, labels = snapshot_frame(engine, plan, CUTOFF, (30,), CUTOFF.plus_days(30))
    request = SnapshotRequest((CUTOFF,), (30,), CUTOFF.plus_days(30))
    (partition,) = write_snapshots(engine, plan, request, tmp_path)
    assert load_snapshot(partition).to_numpy().tobytes() == frame.to_numpy().tobytes()
    assert load_labels(partition).to_numpy().tobytes() == labels.to_numpy().tobytes()
    assert list(load_snapshot(partition, ["recency_days"]).columns) == ["recency_days"]


def test_an_equal_request_keeps_the_partition_and_another_input_replaces_it(
    engine: Engine, tmp_path: Path
) -> None:
    plan = make_plan(engine, CUTOFF)
    first = SnapshotRequest((CUTOFF,), inputs=(("orders", "a"),))
    file = write_snapshots(engine, plan, first, tmp_path)[0] / "features" / "part-00000.parquet"
    made = file.stat().st_ino
    seen: list[str] = []
    write_snapshots(engine, plan, first, tmp_path, progress=seen.append)
    assert (file.stat().st_ino, seen) == (made, [])
    write_snapshots(engine, plan, SnapshotRequest((CUTOFF,), inputs=(("orders", "b"),)), tmp_path)
    assert file.stat().st_ino != made


def test_partitions_stack_under_their_cutoffs(engine: Engine, tmp_path: Path) -> None:
    cutoffs = (CUTOFF, CUTOFF.plus_days(30))
    plan = make_plan(engine, CUTOFF)
    partitions = write_snapshots(engine, plan, SnapshotRequest(cutoffs), tmp_path)
    stacked = load_many(partitions)
    assert stacked.index.names == ["cutoff", "customer_id"]
    assert list(stacked.index.unique("cutoff")) == [cutoff.label for cutoff in cutoffs]
    assert stacked.loc[CUTOFF.label].equals(load_snapshot(partitions[0]))


@pytest.mark.parametrize("moment", ["2017-03-10", "2018-01-01"])
def test_no_order_before_the_cutoff_is_not_enough_data_and_writes_nothing(
    open_base: OpenBase, tmp_path: Path, moment: str
) -> None:
    engine = open_base(orders_of(("a", moment, 100)))
    cutoff = Cutoff.parse("2017-03-10")
    plan = make_plan(engine, cutoff)
    with pytest.raises(NotEnoughDataError, match="no order before the cutoff 2017-03-10"):
        snapshot_frame(engine, plan, cutoff)
    with pytest.raises(NotEnoughDataError, match="choose a later cutoff"):
        write_snapshots(engine, plan, SnapshotRequest((cutoff,)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_prospects_is_not_enough_data_either(open_base: OpenBase) -> None:
    tables = orders_of(("a", "2018-01-01", 100))
    tables["customers"] = tables["customers"].assign(joined_at=0)
    engine = open_base(tables)
    with pytest.raises(NotEnoughDataError, match="no order before the cutoff"):
        snapshot_frame(engine, make_plan(engine, CUTOFF), CUTOFF)


def test_one_cutoff_that_fails_leaves_no_partition_of_the_call(engine: Engine, tmp_path: Path) -> None:
    plan = make_plan(engine, CUTOFF)
    too_early = Cutoff(CUTOFF.day - 2_000)
    with pytest.raises(NotEnoughDataError):
        write_snapshots(engine, plan, SnapshotRequest((too_early, CUTOFF)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_partition(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = make_plan(engine, CUTOFF)
    (partition,) = write_snapshots(engine, plan, SnapshotRequest((CUTOFF,)), tmp_path)
    before = {file: file.read_bytes() for file in partition.rglob("*.*")}

    def full(self: DuckDBEngine, sql: str, path: Path) -> int:
        raise OutputError("the disk is full")

    monkeypatch.setattr(DuckDBEngine, "write", full)
    with pytest.raises(OutputError):
        write_snapshots(engine, plan, SnapshotRequest((CUTOFF,), inputs=(("x", "y"),)), tmp_path)
    assert {file: file.read_bytes() for file in partition.rglob("*.*")} == before
    assert list(tmp_path.iterdir()) == [partition]


def test_a_folder_without_orders_names_the_command_to_run(tmp_path: Path, base: Tables) -> None:
    with DuckDBEngine() as engine, pytest.raises(DataError, match="no validated orders"):
        register_tables(engine, tmp_path)
    with pytest.raises(DataError, match="no snapshot in"):
        load_snapshot(tmp_path)


def test_a_base_of_orders_alone_has_features(open_base: OpenBase, base: Tables) -> None:
    tables = base
    for name in ("returns", "email_events", "order_lines"):
        tables = without(tables, name)
    tables["customers"] = tables["customers"].drop(columns="joined_at")
    engine = open_base(tables)
    features, _ = snapshot_frame(engine, make_plan(engine, CUTOFF), CUTOFF)
    assert (features["orders_total"] > 0).all()


def picked(engine: Engine, condition: str) -> set[int]:
    return set(engine.fetch(f"select customer_key from people where {condition or 'true'}")["customer_key"])


@pytest.fixture(scope="module")
def people() -> Engine:
    engine = DuckDBEngine(threads=1)
    keys = " union all ".join(f"select {hash_key(f'person {i}')} as customer_key" for i in range(4_000))
    engine.run(keys, "people")
    return engine


def test_buckets_part_the_base(people: Engine) -> None:
    buckets = [picked(people, people_sql(bucket, 4)) for bucket in range(4)]
    assert set.union(*buckets) == picked(people, "")
    assert sum(map(len, buckets)) == 4_000
    assert people_sql(0, 1) == ""


@pytest.mark.parametrize("buckets", [1, 4, 10])
def test_samples_are_nested_and_even_over_buckets(people: Engine, buckets: int) -> None:
    tenth, third = (
        [picked(people, people_sql(bucket, buckets, share)) for bucket in range(buckets)]
        for share in (0.1, 0.3)
    )
    assert set.union(*tenth) == picked(people, people_sql(0, 1, 0.1))
    assert all(small <= large for small, large in zip(tenth, third, strict=True))
    for bucket in range(buckets):
        size = len(picked(people, people_sql(bucket, buckets)))
        error = 4.5 * (0.3 * 0.7 / size) ** 0.5  # binomial; 15 comparisons
        assert abs(len(third[bucket]) / size - 0.3) < error


def test_a_sampled_snapshot_holds_the_same_rows_as_the_whole_one(engine: Engine, tmp_path: Path) -> None:
    plan = make_plan(engine, CUTOFF)
    whole, half = (
        load_snapshot(
            write_snapshots(
                engine, plan, SnapshotRequest((CUTOFF,), sample_share=share, buckets=2), tmp_path / str(share)
            )[0]
        )
        for share in (1.0, 0.5)
    )
    assert 0 < len(half) < len(whole)
    assert half.equals(whole.loc[half.index])


def test_the_manifest_is_plain_json_with_the_unavailable_groups(
    open_base: OpenBase, base: Tables, tmp_path: Path
) -> None:
    engine = open_base(without(base, "returns"))
    plan = make_plan(engine, CUTOFF)
    (partition,) = write_snapshots(engine, plan, SnapshotRequest((CUTOFF,)), tmp_path)
    content = json.loads((partition / "manifest.json").read_text(encoding="utf-8"))
    assert content["unavailable"] == {"returns": "no table returns"}
