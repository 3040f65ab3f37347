"""Rows written before two records were found to be one person, read under the person's id of today."""

from __future__ import annotations

from collections.abc import Sequence

from segml.engine import Engine

IDENTITY = "identity"  # customer_id -> person_id, registered when the base merges records


def under_todays_ids_sql(engine: Engine, table: str, columns: Sequence[str] = ()) -> str:
    """Return the query for the distinct rows of a table's `customer_id`, as it is today, and `columns`."""
    chosen = "".join(f", w.{name} as {name}" for name in columns)
    if not engine.exists(IDENTITY):
        return f"select distinct w.customer_id as customer_id{chosen} from {table} w"
    return (
        f"select distinct coalesce(i.person_id, w.customer_id) as customer_id{chosen} from {table} w"
        f" left join {IDENTITY} i on i.customer_id = w.customer_id"
    )
