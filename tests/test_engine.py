"""One body for both engines: the same SQL gives the same rows, to the last bit.

Spark runs in the suite marked `spark`; its session is shared because it takes seconds to start.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segml.engine import Engine, open_engine
from segml.engine.duckdb import DuckDBEngine
from segml.engine.keys import arm, arm_sql, hash_key, hash_sql
from segml.engine.quantiles import quantile_sql
from segml.engine.spill import sweep_spills
from segml.errors import ConfigurationError, DataError, OutputError, SegmlError
from segml.features.plan import make_plan
from segml.features.snapshot import (
    SnapshotRequest,
    load_snapshot,
    people_sql,
    register_tables,
    snapshot_frame,
    write_snapshots,
)
from small_base import CUTOFF, Tables, make_base, write_base

SPARK_SETTINGS = {
    "spark.master": "local[2]",
    "spark.sql.shuffle.partitions": "2",
    "spark.ui.enabled": "false",
}


@pytest.fixture(scope="session")
def spark() -> Iterator[Engine]:
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed: pip install 'segml[spark]'")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("no Java runtime (17 or newer)")
    from segml.engine.spark import SparkEngine

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # sockets of the Java gateway, closed at exit
        with SparkEngine(SPARK_SETTINGS) as engine:
            yield engine


@pytest.fixture(scope="module")
def duck() -> Iterator[Engine]:
    with DuckDBEngine(threads=2) as engine:
        yield engine


@pytest.fixture(params=["duck", pytest.param("spark", marks=pytest.mark.spark)])
def engine(request: pytest.FixtureRequest) -> Engine:
    opened: Engine = request.getfixturevalue(request.param)
    return opened


def people(count: int) -> pd.DataFrame:
    return pd.DataFrame({"person": [f"Kund Ø{i:05d}'s" for i in range(count)], "number": range(count)})


# primitives


def test_a_query_becomes_a_table_a_view_and_a_file_in_its_own_row_order(
    engine: Engine, tmp_path: Path
) -> None:
    engine.register("numbers", people(1_000))
    engine.run("select number, person from numbers where number % 2 = 0", "evens")
    engine.view("select number from evens where number < 10", "small")
    assert sorted(engine.fetch("select * from small")["number"]) == [0, 2, 4, 6, 8]
    assert engine.columns("evens") == ["number", "person"]
    rows = engine.write(
        "select person, number from evens order by number desc", tmp_path / "a" / "file.parquet"
    )
    frame = pd.read_parquet(tmp_path / "a" / "file.parquet")
    assert rows == len(frame) == 500
    assert list(frame["number"]) == list(range(998, -1, -2))
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file.parquet"]


def test_what_is_made_of_sorted_rows_is_written_in_their_order(engine: Engine, tmp_path: Path) -> None:
    rows = 300_000  # several row groups, so that more than one thread writes
    mixed = np.random.default_rng(5).permutation(rows)
    engine.register("mixed", pd.DataFrame({"number": mixed, "person": [f"p{i:06d}" for i in mixed]}))
    ordered = "with facts as (select person, number from mixed order by person)"
    sql = f"{ordered} select person, cast(number as double) / 2 as half from facts"
    assert engine.write(sql, tmp_path / "halves.parquet") == rows
    halves = pd.read_parquet(tmp_path / "halves.parquet")["half"]
    assert (halves.to_numpy() == np.arange(rows) / 2).all()


def test_a_table_is_replaced_known_and_forgotten(engine: Engine) -> None:
    engine.run("select 1 as a", "again")
    engine.run("select 2 as b", "again")
    assert engine.columns("again") == ["b"]
    engine.register("again", pd.DataFrame({"c": [3]}))
    assert engine.value("select c from again") == 3
    engine.view("select 4 as d", "again")
    assert engine.value("select d from again") == 4
    assert engine.exists("again")
    engine.drop("again")
    engine.drop("again")
    assert not engine.exists("again")


def test_files_folders_lists_and_arrow_tables_are_read(engine: Engine, tmp_path: Path) -> None:
    for part in range(3):
        pq.write_table(pa.table({"x": [part]}), tmp_path / f"part-{part}.parquet")
    total = "select cast(sum(x) as double) from t"
    for source, expected in ((tmp_path, 3), (tmp_path / "part-2.parquet", 2)):
        engine.register("t", source)
        assert engine.value(total) == expected
    engine.register("t", [tmp_path / "part-1.parquet", tmp_path / "part-2.parquet"])
    assert engine.value(total) == 3
    engine.register("t", pa.table({"x": [5, 6]}))
    assert engine.value(total) == 11


def test_missing_values_come_home_missing(engine: Engine) -> None:
    table = pa.table({"text": pa.array(["a", None]), "x": pa.array([None, 1.5], pa.float64())})
    engine.register("gaps", table)
    frame = engine.fetch("select * from gaps order by x")
    assert frame["text"].isna().sum() == 1
    assert frame["x"].isna().sum() == 1
    assert engine.value("select max(x) from gaps where x < 0") is None


def test_an_empty_result_is_a_file_with_its_columns(engine: Engine, tmp_path: Path) -> None:
    engine.register("numbers", people(3))
    assert engine.write("select person, number from numbers where number > 5", tmp_path / "none.parquet") == 0
    frame = pd.read_parquet(tmp_path / "none.parquet")
    assert list(frame.columns) == ["person", "number"]
    assert frame.empty


def test_more_rows_than_the_limit_is_an_error_and_not_a_cut(engine: Engine) -> None:
    engine.register("numbers", people(5))
    assert len(engine.fetch("select * from numbers", limit=5)) == 5
    with pytest.raises(SegmlError, match="more than 4 rows"):
        engine.fetch("select * from numbers", limit=4)


def test_a_source_without_files_is_a_data_error(engine: Engine, tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "none.parquet", [tmp_path / "none.parquet"]):
        with pytest.raises(DataError, match="no Parquet file"):
            engine.register("t", source)


# keys, arms, quantiles


def test_keys_and_arms_in_sql_are_those_in_python(engine: Engine) -> None:
    engine.register("people", people(10_000))
    salt, experiment = r"sa|l\t", "vinter's"
    arms = arm_sql(salt, experiment, "person")
    frame = engine.fetch(f"select person, {hash_sql('person')} as customer_key, {arms} as arm from people")
    assert len(frame) == 10_000
    assert list(frame["customer_key"]) == [hash_key(person) for person in frame["person"]]
    assert list(frame["arm"]) == [arm(salt, experiment, person) for person in frame["person"]]


@pytest.mark.parametrize(("bucket", "buckets", "share"), [(0, 1, 0.25), (3, 7, 1.0), (2, 4, 0.1)])
def test_buckets_and_samples_are_the_same_people(
    engine: Engine, bucket: int, buckets: int, share: float
) -> None:
    keys = [hash_key(f"p{i}") for i in range(5_000)]
    engine.register("keyed", pd.DataFrame({"customer_key": keys}))
    sql = f"select customer_key from keyed where {people_sql(bucket, buckets, share)}"
    expected = {
        key
        for key in keys
        if key * buckets // 2**60 == bucket and key % 10**12 < round(share * 10**6) * 10**6
    }
    assert set(engine.fetch(sql)["customer_key"]) == expected


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 1.0])
def test_a_quantile_is_the_smallest_value_that_enough_do_not_exceed(engine: Engine, share: float) -> None:
    values = pd.Series(np.random.default_rng(3).integers(0, 40, 500).astype("float64"))
    engine.register("measured", pd.DataFrame({"x": values.where(values != 7)}))
    known = values[values != 7]
    expected = min(v for v in known.unique() if (known <= v).sum() >= share * len(known))
    assert engine.value(quantile_sql("x", "measured", share)) == expected


def test_a_quantile_of_nothing_is_missing_and_of_more_than_one_refused(engine: Engine) -> None:
    engine.register("measured", pd.DataFrame({"x": [1.0]}))
    assert engine.value(quantile_sql("x", "measured", 0.5, where="x > 1")) is None
    with pytest.raises(ConfigurationError, match=r"between 0 and 1, got 95"):
        quantile_sql("x", "measured", 95)


# DuckDB alone


def test_the_default_engine_opens_by_name() -> None:
    with open_engine("duckdb", memory="500MB", threads=1) as engine:
        assert engine.name == "duckdb"
        assert engine.value("select current_setting('threads')") == 1


def test_closing_removes_the_spill_folder() -> None:
    engine = DuckDBEngine()
    spill = Path(engine.connection.execute("select current_setting('temp_directory')").fetchall()[0][0])
    assert spill.is_dir()
    engine.close()
    assert not spill.exists()


def test_a_truncated_parquet_file_is_a_data_error(duck: Engine, tmp_path: Path) -> None:
    write_base({"orders": people(1_000)}, tmp_path)
    file = tmp_path / "orders.parquet"
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DataError, match="orders: not readable as Parquet"):
        duck.register("orders", file)


def test_spill_folders_of_killed_processes_are_swept_and_others_are_not() -> None:
    made = (
        "import time; from segml.engine.spill import SpillFolder;"
        " spill = SpillFolder(); print(spill.path, flush=True); time.sleep(60)"
    )
    with (
        DuckDBEngine(threads=1) as mine,
        subprocess.Popen([sys.executable, "-c", made], stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        other = Path(process.stdout.readline().strip())
        sweep_spills()
        assert other.is_dir()
        process.kill()
        process.wait()
        assert sweep_spills() >= 1
        assert not other.exists()
        assert Path(str(mine.value("select current_setting('temp_directory')"))).is_dir()


def test_a_full_spill_folder_is_an_output_error(tmp_path: Path) -> None:
    with DuckDBEngine(memory="20MB", threads=1, spill_limit="1MB") as engine:
        sql = "select md5(cast(i as varchar)) as h from range(3000000) t(i) order by h"
        with pytest.raises(OutputError, match=r"could not write .*file\.parquet"):
            engine.write(sql, tmp_path / "file.parquet")
        with pytest.raises(OutputError, match="memory"):
            engine.run(sql, "sorted_rows")


def test_a_place_that_cannot_be_written_is_an_output_error(duck: Engine, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file, not a folder", encoding="utf-8")
    with pytest.raises(OutputError):
        duck.write("select 1 as a", tmp_path / "taken" / "file.parquet")


# both engines side by side


@pytest.fixture(scope="module")
def wide_base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tables, Path]:
    """60 customers with 80 categories: more than a mask has bits for."""
    tables = make_base(99, customers=60, categories=80)
    return tables, write_base(tables, tmp_path_factory.mktemp("wide"))


@pytest.mark.spark
def test_every_feature_and_label_is_bit_identical_on_both_engines(
    duck: Engine, spark: Engine, wide_base: tuple[Tables, Path], tmp_path: Path
) -> None:
    cutoffs = (CUTOFF.plus_days(-60), CUTOFF)
    request = SnapshotRequest(cutoffs, (30, 90), CUTOFF.plus_days(40), buckets=2)
    frames, plans = [], []
    for engine in (duck, spark):
        register_tables(engine, wide_base[1])
        plans.append(make_plan(engine, cutoffs[0]))
        folders = write_snapshots(engine, plans[-1], request, tmp_path / engine.name)
        for part in (part for folder in folders for part in folder.rglob("part-*.parquet")):
            assert pd.read_parquet(part)["customer_id"].is_monotonic_increasing
        labels = [pd.read_parquet(f / "labels").set_index("customer_id").sort_index() for f in folders]
        frames.append([*map(load_snapshot, folders), *labels])
    assert plans[0] == plans[1]
    assert plans[0].unavailable == {}
    for ours, theirs in zip(*frames, strict=True):
        assert list(ours.index) == list(theirs.index)
        assert list(ours.columns) == list(theirs.columns)
        bits = [frame.to_numpy(dtype="float64").view("uint64") for frame in (ours, theirs)]
        different = (bits[0] != bits[1]) & ~(ours.isna() & theirs.isna()).to_numpy()
        assert list(ours.columns[different.any(axis=0)]) == []


@pytest.mark.spark
def test_a_snapshot_frame_comes_home_alike(
    duck: Engine, spark: Engine, wide_base: tuple[Tables, Path]
) -> None:
    frames = []
    for engine in (duck, spark):
        register_tables(engine, wide_base[1])
        plan = make_plan(engine, CUTOFF)
        frames.append(snapshot_frame(engine, plan, CUTOFF, (30,), CUTOFF.plus_days(30)))
    for ours, theirs in zip(*frames, strict=True):
        pd.testing.assert_frame_equal(ours, theirs, check_exact=True, check_index_type=False)


@pytest.mark.spark
def test_r61_a_million_people_are_in_the_same_arm_on_both_engines_and_in_python(
    duck: Engine, spark: Engine, tmp_path: Path
) -> None:
    """Ids as shops have them: numbers, letters beyond ASCII, quotes; every arm is compared, not a sample."""
    ids = [f"{'ø' if i % 7 == 0 else 'c'}{i}" + ("'s" if i % 11 == 0 else "") for i in range(1_000_000)]
    pq.write_table(pa.table({"customer_id": ids}), tmp_path / "people.parquet")
    query = (
        f"select customer_id, {arm_sql('it' + chr(39) + 's', 'win_back', 'customer_id')} as arm from people"
    )
    python = {person: arm("it's", "win_back", person) for person in ids}
    for engine in (duck, spark):
        engine.register("people", tmp_path / "people.parquet")
        rows = engine.fetch(query, 1_000_001)
        assert len(rows) == 1_000_000
        assert dict(zip(rows["customer_id"], rows["arm"].astype(int), strict=True)) == python
