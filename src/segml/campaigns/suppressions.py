"""Suppression lists: people whom the company does not write to, whatever they consented to.

Files name them by customer id, by e-mail or phone, or by the SHA-256 of either; the address of one customer keeps
every customer out who has it. A file that can't be used is an error: a suppression that is skipped is a mail to
somebody who was promised none.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from segml.contacts.contact_data import clean_contacts, written_email
from segml.errors import DataError, did_you_mean
from segml.tables.partition import file_sha256

KEYS = ("customer_id", "email", "phone", "email_sha256", "phone_sha256")
_BATCH = 100_000
_HASH = re.compile(r"[0-9a-f]{64}")


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
    """

    people: pa.Table
    entries: int
    unmatched: int
    digest: str

    @property
    def text(self) -> str:
        """Say it in one line."""
        return (
            f"{self.entries:,} suppressions keep out {self.people.num_rows:,} people; {self.unmatched:,} entries are"
            " nobody of this base"
        )


def read_suppressions(
    files: Sequence[Path], customers: Path, region: str = "", records: Path | None = None
) -> Suppressions:
    """Read suppression files and find the customers they mean.

    Parameters
    ----------
    files : sequence of Path
        CSV or Parquet, with one or more of `customer_id, email, phone, email_sha256, phone_sha256`, and `reason`
        where one is given. Hashes are of the trimmed lower-case address, and of the phone number in E.164.
    customers : Path
        The validated customers.
    region : str
        Alpha-2 country in which phone numbers without one are read.
    records : Path, optional
        customer_id and person_id, where several records of a person were merged: a suppression of one is of all.

    Raises
    ------
    DataError
        All mistakes of all files at once: unknown columns, lines that name nobody, hashes that are none.
    """
    mistakes: list[str] = []
    frames = [_read(file, mistakes) for file in files]
    if mistakes:
        raise DataError("suppression lists are wrong:\n  - " + "\n  - ".join(mistakes), "correct the files")
    entries = pd.concat(frames, ignore_index=True)
    for kind in ("email", "phone"):
        entries[f"{kind}_sha256"] = entries[f"{kind}_sha256"].fillna(_hashed(entries, kind, region))
    if records is not None:
        known = pq.read_table(records, columns=["customer_id", "person_id"]).to_pandas().astype("string")
        person = known.drop_duplicates("customer_id").set_index("customer_id")["person_id"]
        entries["customer_id"] = entries["customer_id"].map(person).fillna(entries["customer_id"])
    found = _matches(entries, customers, region)
    people = found.sort_values(["customer_id", "reason"]).drop_duplicates("customer_id")
    return Suppressions(
        pa.Table.from_pandas(people[["customer_id", "reason"]], preserve_index=False),
        len(entries),
        len(entries) - found["entry"].nunique(),
        hashlib.sha256("".join(file_sha256(file) for file in files).encode()).hexdigest(),
    )


def _read(file: Path, mistakes: list[str]) -> pd.DataFrame:
    try:
        frame = (
            pd.read_parquet(file).astype("string")
            if file.suffix == ".parquet"
            else pd.read_csv(file, dtype="string", keep_default_na=False, na_values=[""])
        )
    except (OSError, ValueError, UnicodeDecodeError) as error:
        mistakes.append(f"{file}: not readable: {str(error).splitlines()[0]}")
        return pd.DataFrame()
    known = (*KEYS, "reason")
    for name in frame.columns:
        if name not in known:
            mistakes.append(
                f"{file}: unknown column {name!r}{did_you_mean(str(name), known)}; one of {list(known)}"
            )
    keys = [name for name in KEYS if name in frame.columns]
    if not keys:
        mistakes.append(f"{file}: no column names anybody; give one of {list(KEYS)}")
    frame = frame.reindex(columns=list(known)).astype("string")
    frame["reason"] = frame["reason"].fillna("unspecified")
    empty = frame.index[frame[list(KEYS)].isna().all(axis=1)]
    if keys and len(empty):
        mistakes.append(f"{file}: {len(empty):,} lines name nobody, the first is line {int(empty[0]) + 2}")
    for name in ("email_sha256", "phone_sha256"):
        frame[name] = frame[name].str.strip().str.lower()
        wrong = frame.index[frame[name].notna() & ~frame[name].fillna("").str.fullmatch(_HASH)]
        if len(wrong):
            mistakes.append(
                f"{file}: {len(wrong):,} values of {name} are no SHA-256, the first in line {wrong[0] + 2}"
            )
    return frame


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
