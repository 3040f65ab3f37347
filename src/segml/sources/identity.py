"""One person is one person: customer records that share an e-mail address, a phone or a card become one.

Runs between reading and deriving, so order numbers, derived tables and every check see people and not records. Keys
are compared in the one clean form of `segml.contacts`; records are joined along shared keys, however long the chain.

Two records may share a key and be two people: a shop types its own number for whoever gives none, a family has one
address. So a key that too many records share joins nobody, nor does one whose records have different dates of birth;
both are counted. What joins two people wrongly can't be told from the files afterwards, therefore merging is off
until `identity.keys` names the keys to trust.

Only keys that at least two records share leave the engine, as pairs of integers (16 bytes a record too many);
SciPy's components of a graph are exact for chains of any length, where rounds of smallest labels inside the engine
would need a bound that a long chain breaks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from segml.config import IdentitySettings
from segml.engine.duckdb import path_sql, quoted
from segml.sources.erased import erased_digests
from segml.sources.erased_records import leave_out_returning
from segml.sources.identity_keys import KEY_NAMES, group_keys, number_records, write_keys
from segml.sources.read import Reading
from segml.tables.catalog import TABLES
from segml.tables.checks import Violation, check_unique

MERGED = "merged_into_another_record"
ANSWERED_TWICE = "answered_under_two_records"
FILE = "identity.parquet"


@dataclass(frozen=True)
class IdentityCount:
    """What merging did.

    Attributes
    ----------
    records, people : int
        Rows of `customers` before and after.
    joined_by : dict of str to int
        Key -> how many of its values joined records.
    left_alone : dict of str to int
        In words, keys that were shared and joined nobody -> how many.
    """

    records: int
    people: int
    joined_by: dict[str, int] = field(default_factory=dict)
    left_alone: dict[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the count in words, for screens and reports: the same whether counted now or read from a manifest."""
        said = f"{self.records:,} records are {self.people:,} people"
        if self.joined_by:
            said += (
                " (joined by "
                + ", ".join(
                    f"{name} {self.joined_by[key]:,}"
                    for key, name in KEY_NAMES.items()
                    if key in self.joined_by
                )
                + ")"
            )
        left = [f"{count:,} {reason}" for reason, count in sorted(self.left_alone.items())]
        return "; ".join([said, *(f"left alone: {each}" for each in left)])


def merge_identities(reading: Reading, settings: IdentitySettings, validated: Path) -> IdentityCount | None:
    """Give every row of every table that was read the id of the person; ``identity_map`` says whose record is whose.

    Parameters
    ----------
    reading : Reading
        All tables, read and cleaned; its relations are replaced.
    settings : IdentitySettings
        The keys; without any, nothing is done.
    validated : Path
        Folder of the validated tables of the run before: an id that stood for a person there goes on to do so.

    Returns
    -------
    IdentityCount or None
        None when merging is off, or when there are violations, which end the ingestion anyway.
    """
    if not settings.keys:
        return None
    missing = _missing_keys(reading, settings)
    reading.violations += missing
    if (
        "customers" not in reading.names
    ):  # its files are missing, which is reported where they were looked for
        return None
    if missing or reading.violations or _repeats_an_id(reading):
        return None
    connection = reading.connection
    reading.say("joining records of the same person")
    if erased_digests(reading.config):
        number_records(reading, with_erased=True)
        write_keys(reading, settings, unshared=True)
        group_keys(reading, settings)
        _join_records(connection)
        leave_out_returning(reading, reading.config)
    number_records(reading)
    write_keys(reading, settings)
    joined_by, left_alone = group_keys(reading, settings)
    _join_records(connection)
    _choose_ids(connection, validated / FILE)
    moved = int(reading.fetch("select count(*) from identity_map where customer_id <> person_id")[0][0])
    if moved:
        _move_rows(reading)
        _merge_customers(reading)
        reading.reasons["customers"][MERGED] = moved
    records = int(reading.fetch("select count(*) from identity_map")[0][0])
    return IdentityCount(records, records - moved, joined_by, left_alone)


def write_identity(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Write ``identity.parquet``: customer_id -> person_id, every record there is, sorted."""
    connection.execute(
        "copy (select customer_id, person_id from identity_map order by customer_id)"
        f" to {quoted(str(folder / FILE))} (format parquet, compression zstd)"
    )


def records_of(validated: Path, customer: str) -> tuple[str, list[str]]:
    """Return the person behind an id, and the ids of all their records; an id nobody knows stands for itself.

    Parameters
    ----------
    validated : Path
        Folder of the validated tables.
    customer : str
        The id of any of the person's records.
    """
    file = validated / FILE
    if not file.is_file():
        return customer, [customer]
    rows = duckdb.execute(
        f"with known as (from read_parquet({path_sql(file)}))"
        " select customer_id, person_id from known"
        " where person_id in (select person_id from known where customer_id = ?) order by customer_id",
        [customer],
    ).fetchall()
    return (rows[0][1], [row[0] for row in rows]) if rows else (customer, [customer])


def _missing_keys(reading: Reading, settings: IdentitySettings) -> list[Violation]:
    there = reading.names.get("customers")
    if there is None:
        configured = "customers" in reading.config.tables
        text = "identity.keys needs a table `customers`, where contact data lie"
        return [] if configured else [Violation(text, "customers")]
    return [
        Violation("identity.keys asks for it, and it is not mapped", "customers", key)
        for key in settings.keys
        if key not in there
    ]


def _repeats_an_id(reading: Reading) -> bool:
    """Tell whether a record has another's id: a violation of its own, that merging must not hide."""
    records = "(select customer_id from read_customers where reason is null) as records"
    return bool(check_unique(reading.fetch, records, "customers", ["customer_id"]))


def _join_records(connection: duckdb.DuckDBPyConnection) -> None:
    """Write ``identity_roots``: for records that share a key with another, the smallest record of their component."""
    pairs = connection.execute(
        "select g.first_record as a, k.record as b from identity_groups as g"
        " join identity_keys as k on k.kind = g.kind and k.value = g.value and k.record <> g.first_record"
    ).fetchnumpy()
    nodes, roots = component_roots(np.asarray(pairs["a"]), np.asarray(pairs["b"]))
    connection.register("identity_found", pa.table({"record": nodes, "root": roots}))
    connection.execute("create or replace temp table identity_roots as from identity_found")
    connection.unregister("identity_found")


def component_roots(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct nodes of these pairs, and for each the smallest node it is joined to, by however many steps.

    Examples
    --------
    >>> nodes, roots = component_roots(np.array([1, 5, 2]), np.array([2, 9, 7]))
    >>> nodes.tolist(), roots.tolist()
    ([1, 2, 5, 7, 9], [1, 1, 5, 1, 5])
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes, place = np.unique(np.concatenate([first, second]).astype(np.int64), return_inverse=True)
    if not len(nodes):
        return nodes, nodes
    ends = (place[: len(first)], place[len(first) :])
    pairs = coo_array((np.ones(len(first), dtype=np.int8), ends), shape=(len(nodes), len(nodes)))
    _, label = connected_components(pairs, directed=False)
    smallest = np.full(label.max() + 1, len(nodes), dtype=np.int64)
    np.minimum.at(smallest, label, np.arange(len(nodes)))
    return nodes, nodes[smallest[label]]


def _choose_ids(connection: duckdb.DuckDBPyConnection, known: Path) -> None:
    """Write ``identity_map``: the person's id is a record's that stood for them before, else the oldest record's."""
    before = f"select distinct person_id from read_parquet({path_sql(known)})"
    if not known.is_file():
        before = "select cast(null as varchar) as person_id where false"
    connection.execute(
        "create or replace temp table identity_map as select r.customer_id,"
        " first_value(r.customer_id) over (partition by coalesce(j.root, r.record)"
        " order by b.person_id is null, r.record) as person_id"
        " from identity_records as r left join identity_roots as j on j.record = r.record"
        f" left join ({before}) as b on b.person_id = r.customer_id"
    )


def _move_rows(reading: Reading) -> None:
    """Put the person's id into every table; where it is part of the key, the oldest record's row stays."""
    connection = reading.connection
    connection.execute(
        "create or replace temp table identity_moved as select customer_id, person_id, record from identity_map"
        " join identity_records using (customer_id) where customer_id <> person_id"
    )
    for name, names in reading.names.items():
        if name == "customers" or "customer_id" not in names:
            continue
        connection.execute(f"alter table read_{name} rename to recorded_{name}")
        moved = (
            "select t.* replace (coalesce(m.person_id, t.customer_id) as customer_id)"
            f" from recorded_{name} as t left join identity_moved as m on m.customer_id = t.customer_id"
        )
        key = TABLES[name].key
        if "customer_id" in key and set(key) <= set(names):
            moved = _once_a_key(reading, name, key)
        connection.execute(f"create temp view read_{name} as {moved}")


def _once_a_key(reading: Reading, name: str, key: tuple[str, ...]) -> str:
    """Rewrite a table whose key has the customer; two rows of one record with one key are left for the checks."""
    connection = reading.connection
    person = ", ".join(part if part != "customer_id" else "person" for part in key)
    connection.execute(
        f"create temp table told_{name} as select t.*, coalesce(m.person_id, t.customer_id) as person,"
        f" dense_rank() over (partition by {person}, t.reason is null order by r.record) as place"
        f" from recorded_{name} as t left join identity_moved as m on m.customer_id = t.customer_id"
        " left join identity_records as r on r.customer_id = t.customer_id"
    )
    lost = int(reading.fetch(f"select count(*) from told_{name} where place > 1 and reason is null")[0][0])
    if lost:
        reading.reasons[name][ANSWERED_TWICE] = lost
    return (
        f"select * exclude (person, place) replace (person as customer_id) from told_{name} where place = 1"
    )


def _merge_customers(reading: Reading) -> None:
    """Make one row a person: what the newest record says, what it leaves out from the one before, and so on.

    Two columns speak of the beginning, and are the oldest record's: when the person became known, and from where.
    """
    newest = (
        "t.joined_at desc nulls last, t.customer_id desc" if "joined_at" in reading.names["customers"] else ""
    )
    merged = []
    for name in reading.names["customers"]:
        if name == "customer_id":
            merged.append("m.person_id as customer_id")
        elif name == "joined_at":
            merged.append("min(t.joined_at) as joined_at")
        else:
            order = "r.record" if name == "source" or not newest else newest
            merged.append(f"first(t.{name} order by {order}) filter (where t.{name} is not null) as {name}")
    several = "(select person_id from identity_moved)"
    listed = ", ".join(f"t.{name}" for name in reading.names["customers"])
    kept = "cast(null as varchar) as reason, cast(0 as bigint) as marks"
    reading.connection.execute("alter table read_customers rename to recorded_customers")
    reading.connection.execute(
        f"create temp table read_customers as select {listed}, {kept} from recorded_customers as t"
        " join identity_map as m on m.customer_id = t.customer_id"
        f" where t.reason is null and m.person_id not in {several}"
        f" union all by name select {', '.join(merged)}, {kept} from recorded_customers as t"
        " join identity_map as m on m.customer_id = t.customer_id"
        " join identity_records as r on r.customer_id = t.customer_id"
        f" where t.reason is null and m.person_id in {several} group by m.person_id"
    )
