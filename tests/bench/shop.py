"""A large validated base, written directly: sizes and shapes of a web shop, no truth to recover.

Rows come in the order in which validated tables are stored (customer key, then time), a chunk of customers at a time,
so that a base of any size is made in the memory of one chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from segml.engine.keys import hash_key
from segml.time_windows import SECONDS_PER_DAY, Cutoff

FIRST, LAST = Cutoff.parse("2022-01-01"), Cutoff.parse("2024-01-01")
CATEGORIES, PRODUCTS, STORES = 40, 20_000, 60
_CHUNK = 100_000
_COMPLETE = "complete"


@dataclass(frozen=True)
class BenchShop:
    """Size of a base: about 3.3 orders a customer and 3 lines an order."""

    customers: int
    seed: int = 1


def make_bench_shop(shop: BenchShop, folder: Path) -> Path:
    """Write the base unless it is there already; return its folder."""
    place = folder / f"shop-{shop.customers}-{shop.seed}"
    if (place / _COMPLETE).exists():
        return place
    place.mkdir(parents=True, exist_ok=True)
    writers: dict[str, pq.ParquetWriter] = {}
    for tables in _chunks(shop):
        for name, table in tables.items():
            if name not in writers:
                writers[name] = pq.ParquetWriter(
                    place / f"{name}.parquet", table.schema, compression="zstd", store_schema=False
                )
            writers[name].write_table(table, row_group_size=122_880)
    for writer in writers.values():
        writer.close()
    (place / _COMPLETE).touch()
    return place


def _chunks(shop: BenchShop) -> Iterator[dict[str, pa.Table]]:
    keys = np.fromiter((hash_key(f"C{i:09d}") for i in range(shop.customers)), "int64", shop.customers)
    people = np.argsort(keys, kind="stable")
    for number, start in enumerate(range(0, shop.customers, _CHUNK)):
        rng = np.random.default_rng([shop.seed, number])
        chosen = people[start : start + _CHUNK]
        yield _tables(rng, chosen, keys[chosen])


def _tables(rng: np.random.Generator, numbers: Any, keys: Any) -> dict[str, pa.Table]:
    ids = pc.binary_join_element_wise(
        "C", pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 9, padding="0"), ""
    )
    joined = FIRST.seconds + rng.integers(0, 650 * SECONDS_PER_DAY, len(keys))
    customers = {"customer_key": keys, "customer_id": ids, "joined_at": joined}
    orders, lines = _purchases(rng, keys, joined)
    owner = orders.pop("owner")
    returned = rng.random(len(owner)) < 0.08
    returns = {
        "customer_key": keys[owner[returned]],
        "customer_id": ids.take(pa.array(owner[returned])),
        "returned_at": orders["ordered_at"][returned] + 9 * SECONDS_PER_DAY,
        "amount_minor": orders["amount_minor"][returned],
    }
    tables = {
        "customers": customers,
        "orders": {"customer_key": keys[owner], "customer_id": ids.take(pa.array(owner)), **orders},
        "order_lines": lines,
        "returns": returns,
        "email_events": _contacts(rng, keys, ids),
    }
    return {name: pa.table(columns) for name, columns in tables.items()}


def _purchases(rng: np.random.Generator, keys: Any, joined: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    count = 1 + rng.negative_binomial(0.7, 0.233, len(keys))
    owner = np.repeat(np.arange(len(keys)), count)
    at = joined[owner] + (rng.random(len(owner)) * (LAST.seconds - joined[owner])).astype("int64")
    order = np.lexsort((at, owner))
    owner, at = owner[order], at[order]
    starts = np.r_[0, np.cumsum(count)[:-1]]
    order_no = (np.arange(len(owner)) - np.repeat(starts, count) + 1).astype("int32")
    size = 1 + rng.poisson(2.0, len(owner))
    of = np.repeat(np.arange(len(owner)), size)
    product = (PRODUCTS * rng.random(len(of)) ** 2.5).astype("int64")
    amount = rng.integers(200, 8_000, len(of))
    reduced = np.where(rng.random(len(of)) < 0.2, amount // 5, 0)
    coupon = np.where(rng.random(len(owner)) < 0.1, 300, 0)
    store = _names("S", STORES).take(pa.array(rng.integers(0, STORES, len(owner))))
    first = np.r_[0, np.cumsum(size)[:-1]]
    orders = {
        "owner": owner,
        "order_no": order_no,
        "ordered_at": at,
        "amount_minor": np.add.reduceat(amount, first),
        "discount_minor": np.add.reduceat(reduced, first),
        "coupon_minor": coupon,
        "store_id": store,
    }
    lines = {
        "customer_key": keys[owner[of]],
        "order_no": order_no[of],
        "ordered_at": at[of],
        "product_id": _names("P", PRODUCTS).take(pa.array(product)),
        "category": _names("category ", CATEGORIES).take(pa.array(product % CATEGORIES)),
        "quantity": rng.integers(1, 4, len(of)).astype("float64"),
        "amount_minor": amount,
        "discount_minor": reduced,
    }
    return orders, lines


def _contacts(rng: np.random.Generator, keys: Any, ids: Any) -> dict[str, Any]:
    count = rng.poisson(4.0, len(keys))
    owner = np.repeat(np.arange(len(keys)), count)
    at = FIRST.seconds + rng.integers(0, LAST.seconds - FIRST.seconds, len(owner))
    order = np.lexsort((at, owner))
    event = pa.array(["sent", "open", "click"]).take(pa.array(rng.choice(3, len(owner), p=[0.7, 0.2, 0.1])))
    return {
        "customer_key": keys[owner[order]],
        "customer_id": ids.take(pa.array(owner[order])),
        "occurred_at": at[order],
        "event": event,
    }


def _names(prefix: str, count: int) -> Any:
    return pa.array([f"{prefix}{i}" for i in range(count)])
