"""What a table is: columns with type, unit and bounds, a key, and what each is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ColumnType = Literal["text", "integer", "number", "money", "time", "date", "flag"]


@dataclass(frozen=True)
class Column:
    """One column of a canonical table.

    `money` is given in major units (12.50) and kept as integer minor units (1250) under `<name>_minor`; `time` is
    kept as integer seconds on the base's wall clock; `date` as integer days.
    """

    name: str
    type: ColumnType
    meaning: str
    unit: str = ""
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] = ()
    personal: bool = False  # contact data: only list files may carry it

    @property
    def stored_name(self) -> str:
        """Name in the validated table."""
        return f"{self.name}_minor" if self.type == "money" else self.name

    @property
    def is_id(self) -> bool:
        """Tell whether the column holds identifiers, which have one normal form in all tables (`segml.tables.ids`)."""
        return self.type == "text" and self.name.endswith("_id")


@dataclass(frozen=True)
class Table:
    """A canonical table: its columns, its key, and the table whose customers it refers to."""

    name: str
    meaning: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    mandatory: bool = False
    time_column: str | None = None

    def column(self, name: str) -> Column:
        """Return a column by name; a `KeyError` names what is missing."""
        return {column.name: column for column in self.columns}[name]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in catalogue order."""
        return tuple(column.name for column in self.columns)

    @property
    def required_names(self) -> tuple[str, ...]:
        """Names that a source has to map."""
        return tuple(column.name for column in self.columns if column.required)
