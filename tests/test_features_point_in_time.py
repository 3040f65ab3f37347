"""Nothing at or after the cutoff, and no order of rows, reaches a feature."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import OpenBase
from segml.engine import Engine
from segml.features.plan import make_plan
from segml.features.snapshot import SnapshotRequest, load_snapshot, snapshot_frame, write_snapshots
from small_base import CUTOFF, Tables, another_future, make_base, shuffled

SLOW = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(engine: Engine, folder: Path, what: str, **request: object) -> dict[str, bytes]:
    plan = make_plan(engine, CUTOFF)
    asked = SnapshotRequest(cutoffs=(CUTOFF,), **request)  # type: ignore[arg-type]
    partition = write_snapshots(engine, plan, asked, folder)[0]
    return {file.name: file.read_bytes() for file in sorted((partition / what).glob("*.parquet"))}


def same_bits(left: pd.DataFrame, right: pd.DataFrame) -> bool:
    same_shape = list(left.index) == list(right.index) and list(left.columns) == list(right.columns)
    return same_shape and left.to_numpy().tobytes() == right.to_numpy().tobytes()


@SLOW
@given(seed=st.integers(0, 10_000), future=st.integers(10_001, 20_000))
def test_r02_another_future_changes_no_feature_bit_and_no_byte_on_disk(
    open_base: OpenBase, tmp_path_factory: pytest.TempPathFactory, seed: int, future: int
) -> None:
    tables = make_base(seed, customers=20)
    changed = another_future(tables, CUTOFF, future)
    engines = [open_base(tables), open_base(changed)]
    frames = [snapshot_frame(engine, make_plan(engine, CUTOFF), CUTOFF)[0] for engine in engines]
    assert same_bits(*frames)
    files = [written(engine, tmp_path_factory.mktemp("out"), "features") for engine in engines]
    assert files[0] == files[1]


def test_another_future_does_change_labels_so_that_the_property_is_about_something(
    open_base: OpenBase, base: Tables
) -> None:
    labels = []
    for tables in (base, another_future(base, CUTOFF, 77)):
        engine = open_base(tables)
        until = CUTOFF.plus_days(60)
        labels.append(snapshot_frame(engine, make_plan(engine, CUTOFF), CUTOFF, (60,), until)[1])
    assert not same_bits(*labels)


def test_a_changed_past_does_change_features(open_base: OpenBase, base: Tables) -> None:
    past = base["orders"]["ordered_at"] < CUTOFF.seconds
    amounts = base["orders"]["amount_minor"].mask(past, base["orders"]["amount_minor"] + 1)
    changed = {**base, "orders": base["orders"].assign(amount_minor=amounts)}
    engines = [open_base(base), open_base(changed)]
    assert not same_bits(*(snapshot_frame(e, make_plan(e, CUTOFF), CUTOFF)[0] for e in engines))


@SLOW
@given(seed=st.integers(0, 10_000))
def test_shuffled_rows_change_no_byte_of_features_or_labels(
    open_base: OpenBase, tmp_path_factory: pytest.TempPathFactory, base: Tables, seed: int
) -> None:
    engines = [open_base(base), open_base(shuffled(base, seed))]
    for what in ("features", "labels"):
        request = {"horizons": (30, 60), "observed_until": CUTOFF.plus_days(60)}
        files = [written(e, tmp_path_factory.mktemp("out"), what, **request) for e in engines]
        assert files[0] == files[1]


def test_later_cutoffs_of_the_same_call_change_no_earlier_byte(
    open_base: OpenBase, tmp_path: Path, base: Tables
) -> None:
    engine = open_base(base)
    cutoffs = tuple(CUTOFF.plus_days(30 * step) for step in range(3))
    plan = make_plan(engine, CUTOFF)
    request = {"horizons": (20,), "observed_until": CUTOFF.plus_days(90)}
    together = write_snapshots(engine, plan, SnapshotRequest(cutoffs, **request), tmp_path / "together")
    for cutoff, partition in zip(cutoffs, together, strict=True):
        alone = write_snapshots(engine, plan, SnapshotRequest((cutoff,), **request), tmp_path / "alone")[0]
        for file in sorted(partition.rglob("*.parquet")):
            assert file.read_bytes() == (alone / file.relative_to(partition)).read_bytes()


def test_four_buckets_hold_the_rows_of_one(open_base: OpenBase, tmp_path: Path, base: Tables) -> None:
    engine = open_base(base)
    plan = make_plan(engine, CUTOFF)
    request = {"horizons": (30,), "observed_until": CUTOFF.plus_days(60)}
    frames = []
    for buckets in (1, 4):
        asked = SnapshotRequest((CUTOFF,), buckets=buckets, **request)
        place = write_snapshots(engine, plan, asked, tmp_path / str(buckets))[0]
        assert len(list((place / "features").iterdir())) == buckets
        frames.append((load_snapshot(place), pd.read_parquet(place / "labels").set_index("customer_id")))
    assert same_bits(frames[0][0], frames[1][0])
    assert same_bits(frames[0][1], frames[1][1].sort_index())
