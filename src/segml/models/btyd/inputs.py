"""Reading what a buy-till-you-die model is fed: all rules checked at once, then equal rows counted once.

The likelihood of a customer depends only on three numbers, and on real bases a million customers share a few hundred
thousand of them (every one-timer of the same age is the same row). So the rows are grouped **by exact value** before
anything is computed, and the parts that need one number only (gamma functions of the order count, logarithms of an
age) are computed on the table of its distinct values. Groups are sorted by value, which is also what makes a fit
independent of the order of the rows, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from segml.errors import ConfigurationError, DataError, did_you_mean

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

HISTORY_COLUMNS = ("repeat_orders", "recency", "age")
SPEND_COLUMNS = ("repeat_orders", "mean_spend")
MOST_ORDERS = 1_000_000  # of one customer: beyond it is a shared account, or a count that ran over
_DENSE = 16  # cells a row up to which a table of all values beats a hash table or a sort
_WIDEST = 2**62  # combinations of values that one integer can tell apart
_BLOCK = 1 << 14  # rows whose rules are checked at once: the masks stay in the processor's cache


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
            f"repeat_orders is at most {MOST_ORDERS:,}": np.isfinite(orders) & (orders > MOST_ORDERS),
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
    for start in range(0, len(frame), _BLOCK):
        block = {name: column[start : start + _BLOCK] for name, column in columns.items()}
        if any(mask.any() for mask in history_rules(block).values()):
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

    def take(self, rows: NDArray[np.int64], factor: Array) -> Groups:
        """Return some of the distinct rows, their weights multiplied by `factor`."""
        return Groups(self.tables, tuple(code[rows] for code in self.codes), self.count[rows] * factor)

    def thinned(self, rows: int) -> tuple[Groups, ...]:
        """Return a smaller base to begin a search on, about `rows` repeat histories and all one-timers; or nothing."""
        repeat = np.flatnonzero(self.column(0) > 0)
        every = len(repeat) // rows
        if every < 4:
            return ()
        some, once = repeat[::every], np.flatnonzero(self.column(0) == 0)
        factor = np.concatenate((np.ones(len(once)), np.full(len(some), len(repeat) / len(some))))
        return (self.take(np.concatenate((once, some)), factor),)


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
    coders = [distinct_values(column) for column in columns]
    key = _packed(coders)
    if weight is None:
        key.sort()  # the numbers alone: a quarter of the time of sorting the rows
        starts = _starts(key)
        return _groups(coders, key[starts], _lengths(starts, len(key)))
    order = np.lexsort((weight, key))
    ordered = key[order]
    starts = _starts(ordered)
    return _groups(coders, ordered[starts], np.add.reduceat(weight[order], starts))


def number_rows(columns: Sequence[Array]) -> tuple[Groups, Codes]:
    """Count equal rows once, and return for each row the number of its distinct row beside.

    Examples
    --------
    >>> groups, number = number_rows([np.array([1.0, 0.0, 1.0]), np.array([2.5, 9.0, 2.5])])
    >>> groups.column(0)[number].tolist()
    [1.0, 0.0, 1.0]
    """
    coders = [distinct_values(column) for column in columns]
    key = _packed(coders)
    if _room(coders) <= _DENSE * len(key):
        tally = np.bincount(key)
        number = (np.cumsum(tally > 0) - 1)[key]
        present = np.flatnonzero(tally)
        return _groups(coders, present, tally[present].astype(np.float64)), number
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = _starts(ordered)
    count = _lengths(starts, len(key))
    number = np.empty(len(key), dtype=np.int64)
    number[order] = np.repeat(np.arange(len(starts)), count.astype(np.int64))
    return _groups(coders, ordered[starts], count), number


@dataclass(frozen=True)
class Coder:
    """The sorted distinct values of a column, and what turns its rows into positions among them.

    Whole numbers (days, order counts) are looked up in a table of all values between the smallest and the largest, a
    block of rows at a time; other columns carry the position of every row.
    """

    table: Array
    column: Array
    position: Codes
    low: float | None

    def codes(self, rows: slice) -> Codes:
        """Return the position of some rows among the distinct values."""
        if self.low is None:
            return self.position[rows]
        return self.position[(self.column[rows] - self.low).astype(np.int64)]


def distinct_values(column: Array) -> Coder:
    """Find the sorted distinct values of a column.

    Examples
    --------
    >>> coder = distinct_values(np.array([7.0, 5.0, 7.0]))
    >>> coder.table.tolist(), coder.codes(slice(None)).tolist()
    ([5.0, 7.0], [1, 0, 1])
    """
    low, high = float(column.min()), float(column.max())
    seen = _whole_numbers(column, low, high) if high - low < _DENSE * len(column) else None
    if seen is not None:
        table = np.arange(len(seen), dtype=np.float64)[seen] + low
        return Coder(table, column, np.cumsum(seen) - 1, low)
    codes, table = pd.factorize(column, sort=True)
    return Coder(np.asarray(table, dtype=np.float64), column, codes.astype(np.int64, copy=False), None)


def _whole_numbers(column: Array, low: float, high: float) -> NDArray[np.bool_] | None:
    """Return which numbers from low to high occur, or None when one of them is not whole."""
    seen = np.zeros(int(high - low) + 1, dtype=bool)
    for start in range(0, len(column), _BLOCK):
        rows = column[start : start + _BLOCK]
        if not np.array_equal(rows, np.floor(rows)):
            return None
        seen[(rows - low).astype(np.int64)] = True
    return seen


def _room(coders: Sequence[Coder]) -> int:
    return math.prod(len(coder.table) for coder in coders)


def _packed(coders: Sequence[Coder]) -> Codes:
    """Return one number a row, in the order of the rows by value.

    Positions are packed into one integer, the narrowest that holds them. Where none does, what has been packed so far
    is replaced by its rank: there are never more ranks than rows.
    """
    size, room = len(coders[0].column), _room(coders)
    if room <= _WIDEST:
        key: Any = np.empty(size, dtype=np.int32 if room < 2**31 else np.int64)
        for start in range(0, size, _BLOCK):
            rows = slice(start, start + _BLOCK)
            packed = coders[0].codes(rows)
            for coder in coders[1:]:
                packed = packed * len(coder.table) + coder.codes(rows)
            key[rows] = packed
        return key
    every = slice(None)
    packed = coders[0].codes(every)
    for coder in coders[1:]:
        packed = np.unique(packed, return_inverse=True)[1] * len(coder.table) + coder.codes(every)
    return packed


def _groups(coders: Sequence[Coder], key: Codes, count: Array) -> Groups:
    """Return the groups that the distinct numbers of `_packed`, ascending, stand for."""
    tables = tuple(coder.table for coder in coders)
    if _room(coders) > _WIDEST:
        everything = _packed(coders)
        first = np.unique(everything, return_index=True)[1]
        every = slice(None)
        return Groups(tables, tuple(coder.codes(every)[first] for coder in coders), count)
    codes: list[Codes] = []
    rest = key.astype(np.int64)
    for table in reversed(tables[1:]):
        rest, packed = rest // len(table), rest
        codes.insert(0, packed - rest * len(table))
    return Groups(tables, (rest, *codes), count)


def _starts(ordered: Codes) -> Codes:
    """Return where each run of equal numbers begins."""
    return np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))


def _lengths(starts: Codes, size: int) -> Array:
    return np.diff(starts, append=size).astype(np.float64)
