"""What a platform is: its headers, its limits, and one function from clean people to cells.

Nothing is shared beyond this shape. Each platform's file holds its own normalisation, because the same address has
another form, and another hash, on each of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from segml.contacts.text import tidy

if TYPE_CHECKING:
    from segml.campaigns.export.settings import ListExport

NOTHING = pa.scalar(None, pa.string())
SHA256 = "[0-9a-f]{64}"


@dataclass(frozen=True)
class Cell:
    """One column of a file.

    `pattern` (RE2, the whole value) is the platform's validator: what does not match is left blank and counted.
    Cells that share a `needed` name are a group of which a row must have one; without it the row is left out, and
    counted under ``no_<needed>``. `free_text` is guarded against spreadsheet formulas.
    """

    header: str
    text: pa.Array
    pattern: str = ""
    needed: str = ""
    free_text: bool = False


@dataclass(frozen=True)
class Platform:
    """One platform that takes list files.

    Attributes
    ----------
    cells : callable
        (people, export) -> the cells of the file, first column first. `people` has the columns of
        `contact_data.CONTACT_COLUMNS` in their clean form, ``customer_id``, ``may_email``, ``may_sms``,
        ``email_consent``, ``sms_consent`` (explicit) and the list's own columns as ``listed_<name>``.
    channels : tuple of str
        Channels it sends by; empty for advertising.
    details : mapping of str to str
        Column of `customers` that may be written -> header.
    default_details : tuple of str
        Those that are written unless a configuration says otherwise.
    forbidden : tuple of str
        Headers that would change what only the person may change.
    takes_ids : bool
        Its files may identify people by the customer id alone.
    max_bytes, max_rows : int, optional
        Limits of one file; rows include the header.
    """

    name: str
    title: str
    cells: Callable[[pa.Table, ListExport], list[Cell]]
    channels: tuple[str, ...] = ("email",)
    details: Mapping[str, str] = field(default_factory=dict)
    default_details: tuple[str, ...] = ("first_name", "last_name")
    forbidden: tuple[str, ...] = ()
    takes_ids: bool = False
    max_bytes: int | None = None
    max_rows: int | None = None
    consent_note: str = ""

    @property
    def advertising(self) -> bool:
        """Whether people are matched for advertising, which takes a consent of its own."""
        return not self.channels


def column(people: pa.Table, name: str) -> pa.Array:
    """Return one column of a chunk as one array; a column that is not there is missing throughout."""
    if name not in people.column_names:
        return pa.nulls(people.num_rows, pa.string())
    values = people.column(name)
    return values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)


def where(condition: pa.Array, values: pa.Array) -> pa.Array:
    """Return values where a condition holds, nothing elsewhere."""
    return pc.if_else(condition, values, NOTHING)


def both_or_nothing(parts: list[pa.Array]) -> list[pa.Array]:
    """Return columns that are whole together: where one is missing, all are."""
    whole = pc.is_valid(parts[0])
    for part in parts[1:]:
        whole = pc.and_(whole, pc.is_valid(part))
    return [where(whole, part) for part in parts]


def property_cells(people: pa.Table, export: ListExport) -> list[Cell]:
    """Return the list's own columns that were asked for: campaign, action, reasons."""
    cells = []
    for name in export.properties:
        values = column(people, f"listed_{name}")
        text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
        cells.append(Cell(name, tidy(values.cast(pa.string())) if text else as_text(values), free_text=text))
    return cells


def as_text(values: pa.Array) -> pa.Array:
    """Return numbers, flags and times as text: decimal point, true and false, ISO dates.

    Examples
    --------
    >>> as_text(pa.array([True, None])).to_pylist(), as_text(pa.array([1.5, -2.0])).to_pylist()
    (['true', None], ['1.5', '-2'])
    """
    if pa.types.is_boolean(values.type):
        return pc.if_else(values, pa.scalar("true"), pa.scalar("false"))
    return values.cast(pa.string())
