"""Columns of scores that come from a table with one row a person, looked up a chunk at a time."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from segml.engine import Engine

_CHUNK = "chunk_people"


def looked_up(engine: Engine, table: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return what finds the rows of a chunk's people in a table of the engine.

    Parameters
    ----------
    engine : Engine
        With `table` registered: at most one row a `customer_id`.
    table : str
        Its name.

    Returns
    -------
    callable
        Features of a chunk (index: customer_id) -> the table's other columns on the same index; people who are not
        in the table have missing values. Memory is that of the chunk, however long the table is.
    """

    def look_up(chunk: pd.DataFrame) -> pd.DataFrame:
        engine.register(_CHUNK, pd.DataFrame({"customer_id": chunk.index.astype("str")}))
        try:
            found = engine.fetch(
                f"select t.* from {table} t join {_CHUNK} c on c.customer_id = t.customer_id"
            )
        finally:
            engine.drop(_CHUNK)
        return found.set_index("customer_id").reindex(chunk.index)

    return look_up
