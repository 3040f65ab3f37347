"""Snapshots: every customer known at a cutoff, with features from before it and labels from after it.

Queries are written here and run by the engine. One partition a cutoff; many cutoffs share one reading of the lines
(`facts`); a large base is worked on in buckets of customers, so that memory is bounded by the bucket.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from segml.engine import Engine
from segml.engine.keys import KEY_DIGITS
from segml.errors import DataError, NotEnoughDataError
from segml.features.definition import ORDERS, TIME_COLUMNS
from segml.features.facts import build_facts, drop_facts
from segml.features.labels import closed_horizons, future_sql, label_columns, label_names
from segml.features.plan import FeaturePlan
from segml.tables.catalog import TABLES
from segml.tables.consent import objectors_sql
from segml.tables.partition import read_manifest, write_manifest, writing
from segml.time_windows import Cutoff

SAMPLE_PARTS = 1_000_000
KEY_RANGE = 16**KEY_DIGITS


@dataclass(frozen=True)
class SnapshotRequest:
    """Which snapshots to write, of whom.

    Attributes
    ----------
    cutoffs : tuple of Cutoff
        One partition each.
    horizons : tuple of int
        Label windows in days; closed ones only are written.
    observed_until : Cutoff
        The first midnight after the last event.
    buckets : int
        Parts of the base that are worked on one after another.
    sample_share : float
        Share of customers, picked by key, in (0, 1].
    inputs : dict of str to str
        Hashes of what the snapshots are made from; equal hashes mean an existing partition is kept.
    objections_until : Cutoff, optional
        People who objected to profiling before it are in no snapshot, also of earlier cutoffs; by default the
        cutoff's own day.
    """

    cutoffs: tuple[Cutoff, ...]
    horizons: tuple[int, ...] = ()
    observed_until: Cutoff | None = None
    buckets: int = 1
    sample_share: float = 1.0
    inputs: tuple[tuple[str, str], ...] = ()
    objections_until: Cutoff | None = None


def register_tables(engine: Engine, folder: Path) -> list[str]:
    """Register every validated table found in `folder` under its catalogue name; return the names."""
    found = [name for name in TABLES if (folder / f"{name}.parquet").exists()]
    if "orders" not in found:
        raise DataError(f"no validated orders in {folder}", "run `segml data CONFIG` first")
    for name in found:
        engine.register(name, folder / f"{name}.parquet")
    return found


def snapshot_sql(plan: FeaturePlan, cutoff: Cutoff, known: str, people: str = "") -> str:
    """Features of everybody in `known` at the cutoff, over the facts and the event tables."""
    groups = plan.groups_at(cutoff)
    aggregates: dict[str, dict[str, str]] = {}
    for group in groups:
        for table, named in group.aggregates.items():
            aggregates.setdefault(table, {}).update(named)
    parts = [f"by_{t} as ({_aggregate_sql(t, named, cutoff, people)})" for t, named in aggregates.items()]
    joins = [f"left join by_{t} on by_{t}.customer_key = known.customer_key" for t in aggregates]
    columns = [f"{feature.sql} as {feature.name}" for group in groups for feature in group.features]
    # Sorted before features are made of it: integers are half as wide.
    wanted = ", ".join(name for table in aggregates.values() for name in table)
    parts.append(
        f"facts as (select known.customer_id, {wanted} from ({known}) known {' '.join(joins)}"
        " order by known.customer_id)"
    )
    return f"with {', '.join(parts)} select customer_id, {', '.join(columns)} from facts"


def labels_sql(engine: Engine, cutoff: Cutoff, horizons: Sequence[int], known: str, people: str = "") -> str:
    """Labels of everybody in `known`, in the same order as their features."""
    return (
        f"select known.customer_id, {', '.join(label_columns(horizons))} from ({known}) known"
        f" left join ({future_sql(engine, cutoff, horizons, people)}) f on f.customer_key = known.customer_key"
        " order by known.customer_id"
    )


def known_sql(
    engine: Engine, cutoff: Cutoff, people: str = "", objections_until: Cutoff | None = None
) -> str:
    """Customers known at the cutoff: with their first order before it, or with a joining date before it.

    Whoever has objected to profiling is not among them.
    """
    buyers = f"select customer_key from {ORDERS} where order_no = 1 and ordered_at < {cutoff.seconds}"
    known = ["buyers.customer_key is not null"]
    if "joined_at" in engine.columns("customers"):
        known.append(f"joined_at < {cutoff.seconds}")
    customers = f"(select * from customers where {people}) customers" if people else "customers"
    sql = (
        f"select customers.customer_key, customers.customer_id from {customers}"
        f" left join ({buyers}) buyers on buyers.customer_key = customers.customer_key"
    )
    conditions = [f"({' or '.join(known)})"]
    if engine.exists("consents"):
        objectors = objectors_sql(objections_until or cutoff)
        sql += f" left join ({objectors}) objectors on objectors.customer_key = customers.customer_key"
        conditions.append("objectors.customer_key is null")
    return f"{sql} where {' and '.join(conditions)}"


def require_history(engine: Engine, cutoff: Cutoff) -> None:
    """Raise unless somebody ordered before the cutoff; people who never bought are not a history.

    Raises
    ------
    NotEnoughDataError
        No order before the cutoff.
    """
    first = f"select 1 from orders where ordered_at < {cutoff.seconds} limit 1"
    if not engine.value(f"select count(*) from ({first}) first_order"):
        raise NotEnoughDataError(f"no order before the cutoff {cutoff}", "choose a later cutoff")


def write_snapshots(
    engine: Engine,
    plan: FeaturePlan,
    request: SnapshotRequest,
    folder: Path,
    progress: Callable[[str], None] = lambda message: None,
) -> list[Path]:
    """Write `folder/cutoff=YYYY-MM-DD/` for each cutoff and return the partitions, oldest first.

    Each partition holds `features/part-*.parquet`, `labels/part-*.parquet` for closed horizons, and a manifest. A
    partition whose manifest shows the same inputs is kept as it is.
    """
    places = {cutoff: folder / f"cutoff={cutoff.label}" for cutoff in request.cutoffs}
    facts = {cutoff: _manifest(plan, request, cutoff) for cutoff in request.cutoffs}
    todo = [cutoff for cutoff in request.cutoffs if not _is_current(places[cutoff], facts[cutoff])]
    if todo:
        require_history(engine, min(todo))
        with contextlib.ExitStack() as stack:
            open_places = {cutoff: stack.enter_context(writing(places[cutoff])) for cutoff in todo}
            rows = _write_buckets(engine, plan, request, open_places, progress)
            for cutoff, place in open_places.items():
                if not rows[cutoff]:
                    raise NotEnoughDataError(
                        f"the sample of {request.sample_share:.2%} holds nobody known at {cutoff}",
                        "choose a larger sample",
                    )
                write_manifest(
                    place, {**facts[cutoff], "rows": rows[cutoff], "unavailable": plan.unavailable}
                )
    return list(places.values())


def _write_buckets(
    engine: Engine,
    plan: FeaturePlan,
    request: SnapshotRequest,
    places: dict[Cutoff, Path],
    progress: Callable[[str], None],
) -> dict[Cutoff, int]:
    rows = dict.fromkeys(places, 0)
    for bucket in range(request.buckets):
        people = people_sql(bucket, request.buckets, request.sample_share)
        build_facts(engine, plan, list(places), people)
        for cutoff, place in places.items():
            known = known_sql(engine, cutoff, people, request.objections_until)
            part = f"part-{bucket:05d}.parquet"
            rows[cutoff] += engine.write(snapshot_sql(plan, cutoff, known, people), place / "features" / part)
            horizons = closed_horizons(cutoff, request.horizons, request.observed_until)
            if horizons:
                labels = labels_sql(engine, cutoff, horizons, known, people)
                engine.write(labels, place / "labels" / part)
            progress(cutoff.label)
        drop_facts(engine)
    return rows


def people_sql(bucket: int, buckets: int, sample_share: float = 1.0) -> str:
    """Return the condition on `customer_key` for one bucket of a sample; empty when it is everybody."""
    conditions = []
    if buckets > 1:
        # Ranges, not remainders: keys are even over their range, and stored in order, so a bucket reads its own rows.
        first, end = (KEY_RANGE * number // buckets for number in (bucket, bucket + 1))
        conditions.append(f"customer_key >= {first} and customer_key < {end}")
    if sample_share < 1:
        # The key's lower digits, so that a sample is even over buckets; compared, not divided: the quotient of so
        # long an integer is not exact as a double.
        picked = round(sample_share * SAMPLE_PARTS) * SAMPLE_PARTS
        conditions.append(f"customer_key % {SAMPLE_PARTS**2} < {picked}")
    return " and ".join(conditions)


def load_snapshot(partition: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the features of one partition, indexed by customer."""
    return _load(partition / "features", columns)


def load_labels(partition: Path) -> pd.DataFrame:
    """Return the labels of one partition, indexed by customer."""
    return _load(partition / "labels", None)


def load_many(partitions: Iterable[Path], what: str = "features") -> pd.DataFrame:
    """Stack partitions: index (cutoff, customer_id), oldest cutoff first."""
    frames = {
        partition.name.removeprefix("cutoff="): _load(partition / what, None) for partition in partitions
    }
    return pd.concat(frames, names=["cutoff"])


def snapshot_frame(
    engine: Engine,
    plan: FeaturePlan,
    cutoff: Cutoff,
    horizons: Sequence[int] = (),
    observed_until: Cutoff | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return features and closed labels at one cutoff as frames, without touching the disk."""
    require_history(engine, cutoff)
    build_facts(engine, plan, [cutoff])
    known = known_sql(engine, cutoff)
    features = engine.fetch(snapshot_sql(plan, cutoff, known)).set_index("customer_id")
    closed = closed_horizons(cutoff, horizons, observed_until)
    labels = pd.DataFrame(index=features.index, columns=label_names(closed), dtype="float64")
    if closed:
        labels = engine.fetch(labels_sql(engine, cutoff, closed, known)).set_index("customer_id")
    drop_facts(engine)
    return features, labels


def _load(folder: Path, columns: Sequence[str] | None) -> pd.DataFrame:
    parts = sorted(folder.glob("part-*.parquet"))
    if not parts:
        raise DataError(f"no snapshot in {folder}", "run `segml train CONFIG` or `segml score CONFIG` first")
    wanted = None if columns is None else ["customer_id", *columns]
    frame = pd.concat([pd.read_parquet(part, columns=wanted) for part in parts], ignore_index=True)
    return frame.set_index("customer_id").sort_index()


def _aggregate_sql(table: str, aggregates: Mapping[str, str], cutoff: Cutoff, people: str) -> str:
    columns = ", ".join(f"{sql} as {name}" for name, sql in aggregates.items())
    where = f"{TIME_COLUMNS[table]} < {cutoff.seconds}{f' and {people}' if people else ''}"
    return f"select customer_key, {columns} from {table} where {where} group by customer_key"


def _manifest(plan: FeaturePlan, request: SnapshotRequest, cutoff: Cutoff) -> dict[str, object]:
    return {
        "cutoff": cutoff.label,
        "plan": plan.to_dict(),
        "contract": plan.contract,
        "horizons": closed_horizons(cutoff, request.horizons, request.observed_until),
        "buckets": request.buckets,
        "sample_share": request.sample_share,
        "objections_until": (request.objections_until or cutoff).label,
        "inputs": dict(request.inputs),
    }


def _is_current(partition: Path, facts: dict[str, object]) -> bool:
    manifest = read_manifest(partition)
    return manifest is not None and all(manifest.get(key) == _as_json(value) for key, value in facts.items())


def _as_json(value: object) -> object:
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    return [_as_json(item) for item in value] if isinstance(value, (list, tuple)) else value
