"""Vectorised randomness and columns for the synthetic shop.

Every draw comes from a generator seeded by (seed, block of customers, stream), so that a table left out, a larger
shop or another chunk size moves no other draw. Columns become Arrow arrays by the catalogue's types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from segml.tables.catalog import TABLES

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

NEVER = 2**62  # "no such moment" in an array of seconds; null in a table
WHOLE_SHOP = 2**32 - 1  # the block number of draws that belong to no customer
STREAMS = (
    "products", "latent", "accounts", "purchases", "lines", "places", "returns", "consents", "permissions",
    "campaigns", "email", "web", "loyalty", "tickets", "surveys", "cards", "coupons",
)  # fmt: skip


class Coded(NamedTuple):
    """A text column as codes into a few labels; -1 is missing."""

    codes: npt.NDArray[np.integer]
    labels: tuple[str, ...]


def generator(seed: int, block: int, stream: str) -> np.random.Generator:
    """Return the generator of one stream of one block of customers.

    Examples
    --------
    >>> bool(generator(1, 0, "lines").random() == generator(1, 0, "lines").random())
    True
    """
    return np.random.default_rng(np.random.SeedSequence([seed, block, STREAMS.index(stream)]))


def cumulative_rows(weights: Floats) -> Floats:
    """Return each row's cumulative shares; the last is exactly 1.

    Examples
    --------
    >>> cumulative_rows(np.array([[1.0, 3.0]])).tolist()
    [[0.25, 1.0]]
    """
    rising = np.cumsum(weights, axis=1)
    return np.asarray(rising / rising[:, -1:], dtype=np.float64)


def draw_from_rows(cumulative: Floats, rows: npt.NDArray[np.integer], uniform: Floats) -> Ints:
    """Draw, for each entry of `rows`, a column of that row of cumulative shares.

    Examples
    --------
    >>> table = cumulative_rows(np.array([[1.0, 1.0], [0.0, 1.0]]))
    >>> draw_from_rows(table, np.array([0, 0, 1]), np.array([0.2, 0.7, 0.2])).tolist()
    [0, 1, 1]
    """
    width = cumulative.shape[1]
    flat = (cumulative + np.arange(len(cumulative))[:, None]).ravel()
    place = np.searchsorted(flat, rows + uniform, side="right") - rows * width
    return np.minimum(place, width - 1).astype(np.int64)  # rounding of rows + uniform may touch the next row


def number_text(prefix: str, *parts: tuple[Ints, int]) -> Bytes:
    """Write whole numbers with leading zeros, parts joined by a dash; shape (rows, width) of ASCII codes.

    Examples
    --------
    >>> as_text(number_text("O", (np.array([7, 12]), 3), (np.array([1, 2]), 2))).to_pylist()
    ['O007-01', 'O012-02']
    """
    pieces: list[Bytes] = []
    for index, (numbers, digits) in enumerate(parts):
        text = np.full((len(numbers), digits + 1), ord("-" if index else prefix), dtype=np.uint8)
        rest = numbers.astype(np.int64)
        for place in range(digits, 0, -1):
            rest, digit = np.divmod(rest, 10)
            text[:, place] = digit + ord("0")
        pieces.append(text)
    return np.concatenate(pieces, axis=1)


def as_text(matrix: Bytes) -> pa.Array:
    """Return the rows of a matrix of ASCII codes as a text column, without a loop over rows."""
    rows, width = matrix.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    data = np.ascontiguousarray(matrix)
    return pa.Array.from_buffers(pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def repeat_numbers(counts: Ints) -> Ints:
    """Return 0, 1, ... within each group of the given sizes.

    Examples
    --------
    >>> repeat_numbers(np.array([2, 0, 3])).tolist()
    [0, 1, 0, 1, 2]
    """
    starts = np.cumsum(counts) - counts
    return np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(starts, counts)


def blank(codes: npt.NDArray[np.integer], missing: Flags) -> Ints:
    """Return the codes with those of `missing` rows set to -1."""
    return np.where(missing, -1, codes).astype(np.int64)


def canonical_table(name: str, columns: Mapping[str, Any]) -> pa.Table:
    """Build a canonical table as raw input: catalogue order and names, raw types.

    Text stays text, times become naive timestamps, money becomes doubles in major units.

    Examples
    --------
    >>> rows = {"customer_id": Coded(np.array([0]), ("C1",)), "occurred_at": np.array([60]), "points": np.array([5])}
    >>> canonical_table("loyalty_ledger", rows).column("occurred_at").to_pylist()
    [datetime.datetime(1970, 1, 1, 0, 1)]
    """
    known = [column for column in TABLES[name].columns if column.name in columns]
    return pa.table({column.name: _column(columns[column.name], column.type) for column in known})


def truth_table(columns: Mapping[str, Any], times: tuple[str, ...] = ()) -> pa.Table:
    """Build a table of the truth; columns named in `times` hold seconds."""
    return pa.table({n: _column(v, "time" if n in times else "plain") for n, v in columns.items()})


def keep_rows(table: pa.Table, keep: Flags) -> pa.Table:
    """Return the rows to keep; the table itself when all are."""
    return table if bool(keep.all()) else table.filter(pa.array(keep))


def _column(values: Any, kind: str) -> pa.Array:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if isinstance(values, Coded):
        codes = np.asarray(values.codes, dtype=np.int32)
        indices = pa.array(codes, mask=codes < 0)
        return pa.DictionaryArray.from_arrays(indices, pa.array(values.labels, type=pa.string()))
    if values.ndim == 2:
        return as_text(values)
    if kind == "time":
        missing = values == NEVER
        micros = np.where(missing, 0, values).astype(np.int64) * 1_000_000
        return pa.array(micros, mask=missing).cast(pa.timestamp("us"))
    if kind == "date":
        missing = values == NEVER
        return pa.array(np.where(missing, 0, values).astype(np.int32), mask=missing).cast(pa.date32())
    if kind == "money":
        return pa.array(values / 100.0)
    if kind == "number":
        return pa.array(values.astype(np.float64), from_pandas=True)
    return pa.array(values)
