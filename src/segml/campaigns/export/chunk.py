"""One chunk of people -> the rows of a file: clean, in the platform's form, validated, each contact once.

Whoever can't be written is counted by reason; whatever was there and could not be read is counted by column.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from segml.campaigns.export.platform import Cell, column
from segml.campaigns.export.settings import ListExport
from segml.contacts.contact_data import CONTACT_COLUMNS, clean_contacts
from segml.contacts.text import guarded_text, kept

Objects = npt.NDArray[np.object_]
Flags = npt.NDArray[np.bool_]


@dataclass
class Tally:
    """What is counted while files are written; `seen` holds 64-bit hashes of the contacts written so far."""

    left_out: Counter[str] = field(default_factory=Counter)
    unreadable: Counter[str] = field(default_factory=Counter)
    seen: npt.NDArray[np.uint64] = field(default_factory=lambda: np.array([], dtype=np.uint64))
    rows: int = 0


def header(schema: pa.Schema, export: ListExport) -> list[str]:
    """Return the file's column names, first column first."""
    none = schema.empty_table()
    return [cell.header for cell in _cells(with_others(clean_contacts(none), none), export)]


def with_others(clean: pa.Table, people: pa.Table) -> pa.Table:
    """Return clean contact data with everything else that is known of the same people beside them."""
    for name in people.column_names:
        if name not in CONTACT_COLUMNS:
            clean = clean.append_column(name, people.column(name))
    return clean


def written_rows(people: pa.Table, clean: pa.Table, export: ListExport, tally: Tally) -> list[pa.Array]:
    """Return the columns of the rows that are written; everybody else of the chunk is counted in `tally`.

    Parameters
    ----------
    people : pa.Table
        As `selected_for` gives them, contact data as they were found.
    clean : pa.Table
        `clean_contacts` of the same rows, read in the export's region.
    """
    reasons = people.column("reason").combine_chunks()
    tally.left_out.update(name for name in reasons.to_pylist() if name)
    may_be_in = pc.is_null(reasons)
    allowed = people.filter(may_be_in)
    clean = with_others(clean.filter(may_be_in), allowed)
    cells = _cells(clean, export)
    checked = [kept(cell.text, cell.pattern) if cell.pattern else cell.text for cell in cells]
    missing = _missing_reasons(allowed, export, cells, checked)
    complete = pd.isna(missing)
    repeated = np.flatnonzero(complete)[_repeated(_contact_keys(cells, checked)[complete], tally)]
    missing[repeated] = "duplicate_contact"
    tally.left_out.update(reason for reason in missing if reason)
    chosen = pa.array(pd.isna(missing))
    tally.rows += int(chosen.true_count)
    _count_unreadable(allowed.filter(chosen), clean.filter(chosen), export, tally)
    _count_refused(cells, checked, chosen, tally)
    return [
        (guarded_text(values) if cell.free_text else values).filter(chosen)
        for cell, values in zip(cells, checked, strict=True)
    ]


def _cells(clean: pa.Table, export: ListExport) -> list[Cell]:
    return export.known_platform.cells(clean, export)


def _missing_reasons(
    people: pa.Table, export: ListExport, cells: list[Cell], checked: list[pa.Array]
) -> Objects:
    """Return for each person the first group of needed cells of which there is none, as a reason."""
    reasons = np.full(people.num_rows, None, dtype=object)
    for group in dict.fromkeys(cell.needed for cell in cells if cell.needed):
        there = np.zeros(people.num_rows, dtype=bool)
        for cell, values in zip(cells, checked, strict=True):
            if cell.needed == group:
                there |= pc.is_valid(values).to_numpy(zero_copy_only=False)
        missing = ~there & pd.isna(reasons)
        reasons[missing] = f"no_{group}"
        if group == "contact":
            reasons[missing & _has_address(people, export)] = "unreadable_contact"
    return reasons


def _has_address(people: pa.Table, export: ListExport) -> Flags:
    advertising = export.known_platform.advertising
    names = ("email", "phone") if advertising else ("phone",) if export.channel == "sms" else ("email",)
    there = np.zeros(people.num_rows, dtype=bool)
    for name in names:
        there |= _written(people, name).to_numpy(zero_copy_only=False)
    return there


def _written(people: pa.Table, name: str) -> pa.Array:
    return pc.not_equal(pc.utf8_trim_whitespace(pc.fill_null(column(people, name), "")), "")


def _contact_keys(cells: list[Cell], checked: list[pa.Array]) -> npt.NDArray[np.uint64]:
    """Return what makes two rows the same contact, hashed: the first address there is, or else the id."""
    group = "contact" if any(cell.needed == "contact" for cell in cells) else "id"
    known = [values for cell, values in zip(cells, checked, strict=True) if cell.needed == group]
    text = pc.coalesce(*known, pa.scalar("", pa.string()))
    return pd.util.hash_array(text.to_numpy(zero_copy_only=False))


def _repeated(keys: npt.NDArray[np.uint64], tally: Tally) -> Flags:
    repeated = pd.Series(keys).duplicated().to_numpy() | np.isin(keys, tally.seen)
    tally.seen = np.concatenate([tally.seen, keys[~repeated]])
    return np.asarray(repeated, dtype=bool)


def _count_unreadable(raw: pa.Table, clean: pa.Table, export: ListExport, tally: Tally) -> None:
    for name in dict.fromkeys(("email", "phone", "country", *export.chosen_details)):
        lost = pc.sum(pc.and_(_written(raw, name), pc.is_null(column(clean, name)))).as_py()
        if lost:
            tally.unreadable[name] += lost


def _count_refused(cells: list[Cell], checked: list[pa.Array], chosen: pa.Array, tally: Tally) -> None:
    """Count what can be read and this platform does not take, under the file's own column."""
    for cell, values in zip(cells, checked, strict=True):
        lost = pc.and_(pc.and_(pc.is_valid(cell.text), pc.is_null(values)), chosen)
        if cell.pattern and (count := pc.sum(lost).as_py()):
            tally.unreadable[cell.header] += count
