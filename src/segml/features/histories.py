"""Purchase histories straight from the orders, for a base that needs nothing but a buy-till-you-die model.

Validated orders are stored by customer and time. A pass over them in that order, a batch at a time, adds up what
happened on the same day, then what the same customer did; grouping them anew, or numbering them with a window, costs
an engine ten times as much. What is held in memory is the answer and one batch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from segml.errors import DataError, NotEnoughDataError
from segml.time_windows import SECONDS_PER_DAY, Cutoff

_COLUMNS = ["customer_key", "ordered_at", "amount_minor"]
_BATCH = 1 << 18  # orders

Rows = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]  # key, moment, amount


def load_histories(orders: Path, cutoff: Cutoff) -> pd.DataFrame:
    """Return what each customer's orders before the cutoff say to a buy-till-you-die model, in days.

    Parameters
    ----------
    orders : Path
        Validated orders (`customer_key, ordered_at, amount_minor`), sorted by customer and time.
    cutoff : Cutoff
        Orders at or after it are not seen.

    Returns
    -------
    DataFrame
        One row a customer, indexed by `customer_key` in ascending order: `repeat_orders` (order days after the first),
        `recency` (first order day to last), `age` (first order day to the cutoff) and `mean_spend` (of a repeat order
        day, 0 without one), all float.

    Raises
    ------
    DataError
        The orders are not sorted.
    NotEnoughDataError
        No order before the cutoff.
    """
    parts: list[list[NDArray[Any]]] = []
    kept = _no_rows()
    for batch in pq.ParquetFile(orders).iter_batches(_BATCH, columns=_COLUMNS):
        rows = _joined(kept, tuple(batch.column(name).to_numpy() for name in _COLUMNS))
        last = int(np.searchsorted(rows[0], rows[0][-1])) if len(rows[0]) else 0
        kept = tuple(column[last:] for column in rows)  # type: ignore[assignment]
        parts.append([*_summary(tuple(column[:last] for column in rows), cutoff, orders)])
    parts.append([*_summary(kept, cutoff, orders)])
    # One column after another, so that the answer is never in memory twice
    keys, *columns = (np.concatenate([part.pop(0) for part in parts]) for _ in range(5))
    if not len(keys):
        raise NotEnoughDataError(f"no order before the cutoff {cutoff}", "choose a later cutoff")
    if (np.diff(keys) <= 0).any():
        raise _unsorted(orders)
    names = ("repeat_orders", "recency", "age", "mean_spend")
    index = pd.Index(keys, name="customer_key")
    return pd.DataFrame(dict(zip(names, columns, strict=True)), index=index, copy=False)


def _summary(rows: Any, cutoff: Cutoff, orders: Path) -> tuple[NDArray[Any], ...]:
    """Add up whole customers: key, repeat order days, recency, age, mean spend of a repeat order day."""
    key, at, amount = rows
    if ((np.diff(key) < 0) | ((np.diff(key) == 0) & (np.diff(at) < 0))).any():
        raise _unsorted(orders)
    seen = at < cutoff.seconds
    if not seen.all():
        key, at, amount = key[seen], at[seen], amount[seen]
    day = at // SECONDS_PER_DAY
    new = np.diff(key, prepend=-1) != 0
    starts = np.flatnonzero(new)
    if not len(starts):
        return np.zeros(0, dtype=np.int64), *(np.zeros(0) for _ in range(4))
    ends = np.append(starts[1:], len(key)) - 1
    first, last = day[starts], day[ends]
    days = np.add.reduceat((new | (np.diff(day, prepend=-1) != 0)).astype(np.int64), starts)
    later = day > np.repeat(first, ends - starts + 1)
    spent = np.add.reduceat(np.where(later, amount, 0), starts) / 100
    repeat = (days - 1).astype(np.float64)
    mean = np.divide(spent, repeat, out=np.zeros(len(starts)), where=repeat > 0)
    return (
        key[starts],
        repeat,
        (last - first).astype(np.float64),
        (cutoff.day - first).astype(np.float64),
        mean,
    )


def _no_rows() -> Rows:
    return (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))


def _joined(before: Rows, rows: Any) -> Rows:
    first, second, third = (np.concatenate(pair) for pair in zip(before, rows, strict=True))
    return first, second, third


def _unsorted(orders: Path) -> DataError:
    return DataError(
        f"{orders} is not sorted by customer_key and ordered_at", "write it with `segml data CONFIG`"
    )
