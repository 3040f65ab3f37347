"""Purchases drawn from the BG/NBD and Gamma-Gamma processes themselves, as tables and as the summary of each customer.

The same files are read by segml and by the libraries beside it. Times are whole days, as in an order table, so that the
summary that a library makes of the purchases is the summary that is written here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY = 86_400
UNTIL_DAY = 19_600  # 2023-08-31: the first day that is not observed
RATE = (0.6, 80.0)  # r, alpha in days
DROPOUT = (0.6, 3.5)  # a, b
SPEND = (6.25, 3.74, 15.44)  # p, q, v
LONGEST_DAYS = 730
_CHUNK = 250_000
_COMPLETE = "complete"


@dataclass(frozen=True)
class PlantedPurchases:
    """Size of a base: 2.8 purchases a customer."""

    customers: int
    seed: int = 1


def make_purchases(base: PlantedPurchases, folder: Path) -> Path:
    """Write `customers`, `orders` and `histories` unless they are there already; return their folder."""
    place = folder / f"purchases-{base.customers}-{base.seed}"
    if (place / _COMPLETE).exists():
        return place
    place.mkdir(parents=True, exist_ok=True)
    writers: dict[str, pq.ParquetWriter] = {}
    for tables in _chunks(base):
        for name, columns in tables.items():
            table = pa.table(columns)
            if name not in writers:
                writers[name] = pq.ParquetWriter(
                    place / f"{name}.parquet", table.schema, compression="zstd", store_schema=False
                )
            writers[name].write_table(table, row_group_size=122_880)
    for writer in writers.values():
        writer.close()
    (place / _COMPLETE).touch()
    return place


def _chunks(base: PlantedPurchases) -> Iterator[dict[str, dict[str, Any]]]:
    for number, start in enumerate(range(0, base.customers, _CHUNK)):
        keys = np.arange(start, min(start + _CHUNK, base.customers), dtype="int64")
        owner, day, amount, age = draw_purchases(np.random.default_rng([base.seed, number]), len(keys))
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        order_no = np.arange(len(owner)) - np.repeat(first, np.diff(np.append(first, len(owner)))) + 1
        ids = pa.array([f"C{key:09d}" for key in keys])
        yield {
            "customers": {
                "customer_key": keys,
                "customer_id": ids,
                "joined_at": (UNTIL_DAY - age).astype("int64") * DAY,
            },
            "orders": {
                "customer_key": keys[owner],
                "order_no": order_no.astype("int32"),
                "ordered_at": day * DAY,
                "amount_minor": amount,
            },
            "histories": {"customer_key": keys, **summary(owner, day, amount, age)},
        }


def draw_purchases(rng: np.random.Generator, n: int) -> tuple[Any, Any, Any, Any]:
    """Return owner, day and amount of each purchase, sorted by owner and day, and the age of each customer in days."""
    age = rng.integers(1, LONGEST_DAYS + 1, n)
    rate, leave = rng.gamma(RATE[0], 1 / RATE[1], n), rng.beta(*DROPOUT, n)
    here, now = np.arange(n), np.zeros(n)
    owners, times = [here], [np.zeros(n)]
    while len(here):
        now[here] += rng.standard_exponential(len(here)) / np.maximum(rate[here], 1e-12)
        here = here[now[here] < age[here]]
        owners.append(here)
        times.append(now[here])
        here = here[rng.random(len(here)) >= leave[here]]
    owner, time = np.concatenate(owners), np.concatenate(times)
    order = np.lexsort((time, owner))
    owner, time = owner[order], time[order]
    p, q, v = SPEND
    scale = rng.gamma(q, 1 / v, n)
    amount = np.maximum(np.rint(100 * rng.gamma(p, 1.0, len(owner)) / scale[owner]), 1).astype("int64")
    return owner, (UNTIL_DAY - age[owner] + np.floor(time)).astype("int64"), amount, age


def summary(owner: Any, day: Any, amount: Any, age: Any) -> dict[str, Any]:
    """Return repeat order days, recency, age and mean spend of repeat order days, one value a customer."""
    n = len(age)
    new_day = (np.diff(owner, prepend=-1) != 0) | (np.diff(day, prepend=-1) != 0)
    repeat = np.bincount(owner[new_day], minlength=n) - 1
    first = UNTIL_DAY - age
    last = np.zeros(n, dtype="int64")
    last[owner] = day  # ascending within each customer: the last one stays
    later = day > first[owner]
    spent = np.bincount(owner[later], amount[later], minlength=n) / 100
    return {
        "repeat_orders": repeat.astype("float64"),
        "recency": (last - first).astype("float64"),
        "age": age.astype("float64"),
        "mean_spend": np.where(repeat > 0, spent / np.maximum(repeat, 1), 0.0),
    }
