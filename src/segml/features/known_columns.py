"""Names that people may write in tags and campaigns: features as the plan makes them, and what else segml writes.

A name that is known but not there today (its model was refused, its table is missing) makes the tag or campaign
unavailable; a name nobody knows is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from segml.features.plan import known_features
from segml.tables.outputs import KNOWN_COLUMNS as WRITTEN_COLUMNS
from segml.tables.outputs import UPLIFT_PREFIX

KNOWN_COLUMNS: dict[str, tuple[str, ...]] = {"features": tuple(known_features()), **WRITTEN_COLUMNS}
_PATTERNS = {
    "features": re.compile(r"affinity_[a-z0-9_]+"),  # one a category of the base
    "scores": re.compile(
        r"clv_\d+d(_low|_high)?|points_expiring_\d+d|[a-z0-9_]+_model_version|"
        + UPLIFT_PREFIX
        + r"[a-z0-9_]+"
    ),
    "answers": re.compile(r"[a-z][a-z0-9_]*"),
}


def is_known_column(table: str, column: str, available: Iterable[str] = ()) -> bool:
    """Tell whether a column may exist in a table: it is there now, or segml writes it when it can.

    Examples
    --------
    >>> is_known_column("features", "affinity_grocery"), is_known_column("features", "recencydays")
    (True, False)
    """
    if (
        table == "customers"
    ):  # contact data and columns outside the catalogue are never open to tags and audiences
        return column in KNOWN_COLUMNS[table]
    pattern = _PATTERNS.get(table)
    return (
        column in set(available)
        or column in KNOWN_COLUMNS.get(table, ())
        or bool(pattern and pattern.fullmatch(column))
    )


def known_references(available: Mapping[str, Iterable[str]] | None = None) -> list[str]:
    """Return every ``table.column`` that tags and audiences may name, sorted."""
    names = {f"{table}.{column}" for table, columns in KNOWN_COLUMNS.items() for column in columns}
    names |= {
        f"{table}.{column}"
        for table, columns in (available or {}).items()
        if table in KNOWN_COLUMNS and table != "customers"
        for column in columns
    }
    return sorted(names)
