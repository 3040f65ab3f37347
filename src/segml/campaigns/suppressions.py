"""Suppression lists: people whom the company does not write to, whatever they consented to.

Files name them by customer id, by e-mail or phone, or by the SHA-256 of either; the address of one customer keeps
every customer out who has it. A file that can't be used is an error, and so is an id that differs from a customer's in
leading zeros or case alone: a suppression that is skipped is a mail to a customer who was promised none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from segml.campaigns.suppression_files import read_entries
from segml.contacts.contact_data import clean_contacts, written_email
from segml.errors import DataError
from segml.tables.partition import file_sha256

_BATCH = 100_000
_SHOWN = 3


@dataclass(frozen=True)
class Suppressions:
    """Whom the files keep out.

    Attributes
    ----------
    people : pa.Table
        customer_id, reason; nobody twice.
    entries, unmatched : int
        Lines of all files, and those that are no customer of this base.
    digest : str
        Of the files' contents.
    examples : tuple of str
        The first of the unmatched entries, by file and line; addresses are not shown.
    """

    people: pa.Table
    entries: int
    unmatched: int
    digest: str
    examples: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Say it in one line."""
        kept = f"{self.entries:,} suppressions keep out {self.people.num_rows:,} customers"
        if not self.unmatched:
            return kept
        others = ", ..." if self.unmatched > len(self.examples) else ""
        entries = "entry matches" if self.unmatched == 1 else "entries match"
        return f"{kept}; {self.unmatched:,} {entries} no customer of this base ({', '.join(self.examples)}{others})"


def read_suppressions(
    files: Sequence[Path], customers: Path, region: str = "", records: Path | None = None
) -> Suppressions:
    """Read suppression files and find the customers they mean.

    Parameters
    ----------
    files : sequence of Path
        Text or Parquet, with one or more of `customer_id, email, phone, email_sha256, phone_sha256`, and `reason`
        where one is given; see `read_entries`. Hashes are of the trimmed lower-case address, and of the phone number
        in E.164.
    customers : Path
        The validated customers.
    region : str
        Alpha-2 country in which phone numbers without one are read.
    records : Path, optional
        customer_id and person_id, where several records of a person were merged: a suppression of one is of all.

    Raises
    ------
    DataError
        All mistakes of all files at once: unknown columns, lines that name nobody, hashes that are none, ids that
        are nearly a customer's.
    """
    mistakes: list[str] = []
    entries = pd.concat([read_entries(file, mistakes) for file in files], ignore_index=True)
    _raise_if(mistakes)
    for kind in ("email", "phone"):
        entries[f"{kind}_sha256"] = entries[f"{kind}_sha256"].fillna(_hashed(entries, kind, region))
    _refuse_unread_phones(entries, mistakes)
    if records is not None:
        known = pq.read_table(records, columns=["customer_id", "person_id"]).to_pandas().astype("string")
        person = known.drop_duplicates("customer_id").set_index("customer_id")["person_id"]
        entries["customer_id"] = entries["customer_id"].map(person).fillna(entries["customer_id"])
    found = _matches(entries, customers, region)
    unmatched = entries[~entries.index.isin(found["entry"])]
    _refuse_near_misses(unmatched, records or customers)
    people = found.sort_values(["customer_id", "reason"]).drop_duplicates("customer_id")
    return Suppressions(
        pa.Table.from_pandas(people[["customer_id", "reason"]], preserve_index=False),
        len(entries),
        len(unmatched),
        hashlib.sha256("".join(file_sha256(file) for file in files).encode()).hexdigest(),
        tuple(_shown(unmatched.head(_SHOWN))),
    )


def _refuse_unread_phones(entries: pd.DataFrame, mistakes: list[str]) -> None:
    unread = entries[entries["phone"].notna() & entries["phone_sha256"].isna()]
    if len(unread):
        mistakes.append(
            f"{len(unread):,} phones can't be read, the first in {next(_shown(unread))}: write them with their country"
            " (+45 ...), or set lists.unknown_country"
        )
    _raise_if(mistakes)


def _raise_if(mistakes: Sequence[str]) -> None:
    if mistakes:
        raise DataError("suppression lists are wrong:\n  - " + "\n  - ".join(mistakes), "correct the files")


def _shown(entries: pd.DataFrame) -> Iterator[str]:
    """Each entry by file and line, and by its id where it has one; addresses stay out of messages."""
    for row in entries[["file", "line", "written"]].astype("string").fillna("").to_dict("records"):
        yield f"{row['file']} line {row['line']}" + (f": {row['written']!r}" if row["written"] else "")


def _refuse_near_misses(unmatched: pd.DataFrame, known: Path) -> None:
    """Raise where an id that no customer has differs from a customer's in leading zeros or case alone."""
    asked = unmatched[unmatched["written"].notna()]
    asked = asked.assign(loose=_loose(pa.array(asked["written"], pa.string())).to_pylist())
    if not len(asked):
        return
    wanted = pa.array(asked["loose"].unique().tolist(), pa.string())
    near: dict[str, str] = {}
    for batch in pq.ParquetFile(known).iter_batches(_BATCH, columns=["customer_id"]):
        ids = batch.column("customer_id").cast(pa.string())
        loose = _loose(ids)
        here = pc.is_in(loose, value_set=wanted)
        for key, name in zip(loose.filter(here).to_pylist(), ids.filter(here).to_pylist(), strict=True):
            near[key] = min(name, near.get(key, name))
    wrong = asked[asked["loose"].isin(list(near))]
    told = [
        f"{shown} is no customer, and {near[key]!r} is one: a spreadsheet may have changed the ids"
        for shown, key in zip(_shown(wrong.head(_SHOWN)), wrong["loose"], strict=False)
    ]
    _raise_if([*told, *([f"and {len(wrong) - _SHOWN:,} more like these"] if len(wrong) > _SHOWN else [])])


def _loose(ids: pa.Array) -> pa.Array:
    return pc.utf8_ltrim(pc.utf8_lower(ids), characters="0")


def _hashed(entries: pd.DataFrame, kind: str, region: str) -> pd.Series:
    raw = pa.table({kind: pa.array(entries[kind], pa.string(), from_pandas=True)})
    clean = clean_contacts(raw, region)[kind]
    if kind == "email":  # what no tool would send to still names somebody
        clean = pc.coalesce(clean, written_email(raw))
    return pd.Series(_sha256(clean).to_pylist(), index=entries.index, dtype="string")


def _sha256(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    return pa.array(
        [
            None if value is None else hashlib.sha256(value.encode()).hexdigest()
            for value in values.to_pylist()
        ],
        pa.string(),
    )


def _matches(entries: pd.DataFrame, customers: Path, region: str) -> pd.DataFrame:
    """Return customer_id, reason and the place of the entry; customers are read a batch at a time."""
    parts = [pd.DataFrame({"customer_id": [], "reason": [], "entry": []})]
    source = pq.ParquetFile(customers)
    contacts = [name for name in ("email", "phone", "country") if name in source.schema_arrow.names]
    wanted = {
        kind: f"{kind}_sha256" for kind in ("email", "phone") if entries[f"{kind}_sha256"].notna().any()
    }
    for batch in source.iter_batches(_BATCH, columns=["customer_id", *contacts]):
        table = pa.Table.from_batches([batch])
        ids = table["customer_id"].cast(pa.string())
        keys = [("customer_id", ids)]
        if wanted:
            clean = clean_contacts(table.select(contacts), region)
            keys += [(column, _sha256(clean[kind])) for kind, column in wanted.items() if kind in contacts]
            if "email" in contacts and "email" in wanted:
                keys.append((wanted["email"], _sha256(written_email(table))))
        for column, values in keys:
            asked = entries[entries[column].notna()]
            here = pc.is_in(values, value_set=pa.array(asked[column].unique().tolist(), pa.string()))
            people = pd.DataFrame({"customer_id": ids.to_pylist(), "key": values.to_pylist()})
            people = people[here.to_pandas().to_numpy()]
            named = pd.DataFrame({"key": asked[column], "reason": asked["reason"], "entry": asked.index})
            parts.append(people.merge(named, on="key").drop(columns="key"))
    return pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
