"""Reading what a buy-till-you-die model is fed: all rules checked at once, then equal rows counted once.

The likelihood of a customer depends only on three numbers, and on real bases a million customers share a few hundred
thousand of them (every one-timer of the same age is the same row). So the rows are grouped **by exact value** before
anything is computed, and the parts that need one number only (gamma functions of the order count, logarithms of an
age) are computed on the table of its distinct values. Groups are sorted by value, which is also what makes a fit
independent of the order of the rows, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from segml.errors import ConfigurationError, DataError, did_you_mean

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

HISTORY_COLUMNS = ("repeat_orders", "recency", "age")
SPEND_COLUMNS = ("repeat_orders", "mean_spend")
_DENSE = 16  # cells a row up to which counting in an array beats sorting


def read_columns(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, Array]:
    """Return the named columns as float arrays; refuse an empty frame and missing columns, all names at once.

    Examples
    --------
    >>> read_columns(pd.DataFrame({"age": [3, 4]}), ["age"])["age"].tolist()
    [3.0, 4.0]
    """
    if not isinstance(frame, pd.DataFrame):
        raise ConfigurationError(
            f"a pandas DataFrame with the columns {', '.join(names)} is needed, got {type(frame).__name__}"
        )
    missing = [name for name in names if name not in frame.columns]
    if missing:
        known = [str(column) for column in frame.columns]
        listed = ", ".join(f"{name!r}{did_you_mean(name, known)}" for name in missing)
        raise ConfigurationError(
            f"columns are missing: {listed}", f"rename the columns to {', '.join(names)}; there are {known}"
        )
    if len(frame) == 0:
        raise DataError("the frame has no rows", "give one row a customer")
    text = [n for n in names if not (pd.api.types.is_numeric_dtype(frame[n]) or frame[n].dtype == object)]
    if text:
        raise DataError(f"columns are not numbers: {', '.join(text)}", "convert them before the fit")
    try:
        return {name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in names}
    except (TypeError, ValueError) as error:
        raise DataError(f"columns are not numbers: {error}", "convert them before the fit") from error


def refuse(frame: pd.DataFrame, broken: Mapping[str, NDArray[np.bool_]]) -> None:
    """Raise one `DataError` naming every broken rule, with its count and its first rows."""
    lines = []
    for rule, mask in broken.items():
        if mask.any():
            first = ", ".join(repr(label) for label in frame.index[np.flatnonzero(mask)[:3]].tolist())
            lines.append(f"{rule}: broken by {int(mask.sum())} of {len(frame)} rows, first at index {first}")
    if lines:
        raise DataError(
            "purchase histories break the rules\n  - " + "\n  - ".join(lines),
            "correct or leave out these rows; one unit of time throughout, recency = first to last purchase",
        )


def history_rules(columns: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
    """Return, for each rule on (repeat_orders, recency, age), the rows that break it."""
    orders, recency, age = (columns[name] for name in HISTORY_COLUMNS)
    with np.errstate(invalid="ignore"):
        return {
            **finite_rules(columns),
            "repeat_orders is zero or more": orders < 0,
            "repeat_orders is a whole number": np.isfinite(orders) & (orders != np.floor(orders)),
            "recency is zero or more": recency < 0,
            "recency is at most age": recency > age,
            "recency is zero when repeat_orders is zero": (orders == 0) & (recency > 0),
            "age is above zero": age <= 0,
        }


def finite_rules(columns: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
    """Return, for each column, the rows where it is missing or infinite."""
    return {f"{name} is present and finite": ~np.isfinite(values) for name, values in columns.items()}


def read_histories(frame: pd.DataFrame) -> dict[str, Array]:
    """Return the checked columns `repeat_orders, recency, age`.

    Raises
    ------
    ConfigurationError
        A column is missing; the nearest existing name is suggested.
    DataError
        Rows break a rule; all rules, counts and first rows in one message.
    """
    columns = read_columns(frame, HISTORY_COLUMNS)
    refuse(frame, history_rules(columns))
    return columns


def read_weight(frame: pd.DataFrame, weight: ArrayLike | None) -> Array | None:
    """Return the weight of each row from the argument or the column `weight`, or None when there is none."""
    if weight is None and "weight" not in frame.columns:
        return None
    if weight is not None and "weight" in frame.columns:
        raise ConfigurationError(
            "weights are given twice: as the argument `weight` and as the column 'weight'", "give one of them"
        )
    values = np.asarray(frame["weight"] if weight is None else weight, dtype=np.float64)
    if values.shape != (len(frame),):
        raise ConfigurationError(f"weight has shape {values.shape}, the frame has {len(frame)} rows")
    with np.errstate(invalid="ignore"):
        refuse(frame, {"weight is finite and zero or more": ~np.isfinite(values) | (values < 0)})
    if not values.any():
        raise DataError("every weight is zero", "give at least one row a weight above zero")
    return values


@dataclass(frozen=True)
class Groups:
    """Distinct rows in ascending order: a table of distinct values a column, a code a row, and the row's weight."""

    tables: tuple[Array, ...]
    codes: tuple[Codes, ...]
    count: Array

    @property
    def total(self) -> float:
        """Sum of the weights: the number of customers."""
        return float(self.count.sum())

    def column(self, position: int) -> Array:
        """Return one column, a value a distinct row."""
        return self.tables[position][self.codes[position]]

    def marginal(self, position: int, of: Array | None = None) -> Array:
        """Return the weight (times `of`) that falls on each distinct value of one column."""
        weight = self.count if of is None else self.count * of
        return np.bincount(self.codes[position], weight, len(self.tables[position])).astype(np.float64)

    def row_of(self, columns: Sequence[Array]) -> Codes:
        """Return, for each row of the ungrouped columns, the number of its distinct row."""
        sizes = [len(table) for table in self.tables]
        found = [np.searchsorted(table, column) for table, column in zip(self.tables, columns, strict=True)]
        return _packed_positions(list(self.codes), found, sizes)

    def take(self, rows: NDArray[np.int64], factor: Array) -> Groups:
        """Return some of the distinct rows, their weights multiplied by `factor`."""
        return Groups(self.tables, tuple(code[rows] for code in self.codes), self.count[rows] * factor)


def group_rows(columns: Sequence[Array], weight: Array | None = None) -> Groups:
    """Count equal rows once.

    Parameters
    ----------
    columns : sequence of float arrays, all of shape (rows,)
    weight : float array of shape (rows,), optional
        Rows of weight zero are left out.

    Examples
    --------
    >>> groups = group_rows([np.array([1.0, 0.0, 1.0]), np.array([2.5, 9.0, 2.5])])
    >>> groups.column(0).tolist(), groups.column(1).tolist(), groups.count.tolist()
    ([0.0, 1.0], [9.0, 2.5], [1.0, 2.0])
    """
    if weight is not None:
        keep = weight > 0
        columns, weight = [column[keep] for column in columns], weight[keep]
    tables, codes = zip(*(distinct_values(column) for column in columns), strict=True)
    key, sizes = codes[0].astype(np.int64), [len(table) for table in tables]
    room = sizes[0]
    for code, size in zip(codes[1:], sizes[1:], strict=True):
        if room * size > 2**62:  # compress what has been packed so far: never more values than rows
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
            room = int(key.max()) + 1
        key, room = key * size + code, room * size
    if weight is None and room <= _DENSE * len(key):
        return _group_dense(key, tables, sizes)
    first, count = _count(key, weight)
    return Groups(tables, tuple(code[first].astype(np.int64) for code in codes), count)


def _group_dense(key: Codes, tables: tuple[Array, ...], sizes: Sequence[int]) -> Groups:
    """Count keys that fill their range well: no sort, a third of the time on whole days."""
    tally = np.bincount(key)
    present = np.flatnonzero(tally)
    codes = np.unravel_index(present, sizes)
    return Groups(tables, tuple(code.astype(np.int64) for code in codes), tally[present].astype(np.float64))


def _packed_positions(known: list[Codes], wanted: list[Codes], sizes: Sequence[int]) -> Codes:
    """Find rows of codes in an ascending table of rows of codes, one column packed into the number at a time."""
    table, row = known[0], wanted[0]
    for code, other, size in zip(known[1:], wanted[1:], sizes[1:], strict=True):
        packed = np.unique(table * size + code)
        table = np.searchsorted(packed, table * size + code)
        row = np.searchsorted(packed, row * size + other)
    return row


def distinct_values(column: Array) -> tuple[Array, Codes]:
    """Return the sorted distinct values of a column and each row's position among them."""
    codes, table = pd.factorize(column, sort=True)
    return np.asarray(table, dtype=np.float64), codes


def _count(key: Codes, weight: Array | None) -> tuple[Codes, Array]:
    """Return one row of each distinct key and the weight it stands for, the sum taken in order of the weights."""
    order = np.argsort(key) if weight is None else np.lexsort((weight, key))
    ordered = key[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    if weight is None:
        return order[starts], np.diff(np.append(starts, len(key))).astype(np.float64)
    return order[starts], np.add.reduceat(weight[order], starts)
