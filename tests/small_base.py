"""Small random validated bases for tests: seeded, with every awkward case in them.

Several orders in one second, orders at midnight, two orders a day, customers who never bought, customers without a
joining date, missing stores, products and categories, orders of nothing, orders without lines, ids that sort
differently as numbers and as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segml.engine.keys import hash_key
from segml.time_windows import SECONDS_PER_DAY, Cutoff

FIRST = Cutoff.parse("2016-03-01")
DAYS = 500
CUTOFF = FIRST.plus_days(380)
Tables = dict[str, pd.DataFrame]


def make_base(seed: int, customers: int = 40, categories: int = 6) -> Tables:
    """Return validated tables by name; rows in the order in which they are stored."""
    rng = np.random.default_rng(seed)
    ids = [f"{['k-', '', 'Ø '][i % 3]}{i * 7 % 101}-{i}" for i in range(customers)]
    people = pd.DataFrame({"customer_key": [hash_key(i) for i in ids], "customer_id": ids})
    joined = FIRST.seconds + rng.integers(0, DAYS * SECONDS_PER_DAY, customers)
    people["joined_at"] = pd.array(np.where(rng.random(customers) < 0.8, joined, -1), dtype="Int64")
    people.loc[people["joined_at"] < 0, "joined_at"] = pd.NA
    orders = _orders(rng, people)
    return {
        "customers": people.sort_values("customer_key", ignore_index=True),
        "orders": orders,
        "order_lines": _lines(rng, orders, categories),
        "returns": _returns(rng, orders),
        "email_events": _events(rng, people),
    }


def number_orders(orders: pd.DataFrame) -> pd.DataFrame:
    """Number each customer's orders in time order, as validation does."""
    orders = orders.sort_values(["customer_key", "ordered_at", "order_id"], ignore_index=True)
    number = orders.groupby("customer_key").cumcount() + 1
    return orders.assign(order_no=number.astype("int32"))


def write_base(tables: Mapping[str, pd.DataFrame], folder: Path) -> Path:
    """Write one Parquet file a table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def without(tables: Mapping[str, pd.DataFrame], name: str) -> Tables:
    """Return the tables but one."""
    return {key: table for key, table in tables.items() if key != name}


def shuffled(tables: Mapping[str, pd.DataFrame], seed: int) -> Tables:
    """Return the same rows in another order."""
    return {
        name: table.sample(frac=1, random_state=seed, ignore_index=True) for name, table in tables.items()
    }


def _orders(rng: np.random.Generator, people: pd.DataFrame) -> pd.DataFrame:
    buyers = people[rng.random(len(people)) < 0.9]
    count = rng.geometric(0.12, len(buyers))
    owner = buyers.loc[buyers.index.repeat(count)].reset_index(drop=True)
    day = rng.integers(0, DAYS, len(owner))
    second = rng.choice([0, 1, 4 * 3600, 5 * 3600 - 1, 11 * 3600, 22 * 3600, 86_399], len(owner))
    orders = pd.DataFrame(
        {
            "customer_key": owner["customer_key"],
            "customer_id": owner["customer_id"],
            "order_id": [f"o{i}" for i in range(len(owner))],
            "ordered_at": FIRST.seconds + day * SECONDS_PER_DAY + second,
            "amount_minor": np.where(rng.random(len(owner)) < 0.05, 0, rng.integers(1, 90_000, len(owner))),
            "discount_minor": rng.choice([0, 0, 250], len(owner)),
            "coupon_minor": rng.choice([0, 0, 0, 100], len(owner)),
            "store_id": _text(rng, [f"s{i}" for i in range(5)], len(owner)),
        }
    )
    twice = orders[rng.random(len(orders)) < 0.1]  # the same second, another order
    twice = twice.assign(order_id=twice["order_id"] + "b", amount_minor=twice["amount_minor"] + 7)
    return number_orders(pd.concat([orders, twice]))


def _lines(rng: np.random.Generator, orders: pd.DataFrame, categories: int) -> pd.DataFrame:
    with_lines = orders[rng.random(len(orders)) < 0.95]
    of = with_lines.loc[with_lines.index.repeat(1 + rng.poisson(1.5, len(with_lines)))]
    return pd.DataFrame(
        {
            "customer_key": of["customer_key"].to_numpy(),
            "order_no": of["order_no"].to_numpy(),
            "ordered_at": of["ordered_at"].to_numpy(),
            "product_id": _text(rng, [f"p{i}" for i in range(25)], len(of)),
            "category": _text(rng, [f"Category {i}" for i in range(categories)], len(of)),
            "quantity": rng.integers(1, 4, len(of)).astype("float64"),
            "amount_minor": rng.integers(0, 5_000, len(of)),
        }
    )


def _returns(rng: np.random.Generator, orders: pd.DataFrame) -> pd.DataFrame:
    back = orders[rng.random(len(orders)) < 0.15]
    later = rng.integers(0, 30 * SECONDS_PER_DAY, len(back))
    return pd.DataFrame(
        {
            "customer_key": back["customer_key"].to_numpy(),
            "customer_id": back["customer_id"].to_numpy(),
            "returned_at": back["ordered_at"].to_numpy() + later,
            "amount_minor": back["amount_minor"].to_numpy() // 2,
        }
    )


def _events(rng: np.random.Generator, people: pd.DataFrame) -> pd.DataFrame:
    of = people.loc[people.index.repeat(rng.poisson(6, len(people)))]
    return pd.DataFrame(
        {
            "customer_key": of["customer_key"].to_numpy(),
            "customer_id": of["customer_id"].to_numpy(),
            "occurred_at": FIRST.seconds + rng.integers(0, DAYS * SECONDS_PER_DAY, len(of)),
            "event": rng.choice(["sent", "open", "click", "response", "unsubscribe"], len(of)),
        }
    )


def _text(rng: np.random.Generator, values: list[str], count: int) -> Any:
    drawn = pd.array(rng.choice(values, count), dtype="str")
    drawn[rng.random(count) < 0.05] = pd.NA
    return drawn


def another_future(tables: Mapping[str, pd.DataFrame], cutoff: Cutoff, seed: int) -> Tables:
    """Return the base with its past as it was, and everything at or after the cutoff replaced by another base's.

    Orders, lines, returns and events go and come; a tenth of the new orders is placed at the cutoff's very second.
    Customers not yet known at the cutoff are replaced, new ones join, later joining dates change.
    """
    new = make_base(seed, customers=len(tables["customers"]) + 9, categories=15)
    rng = np.random.default_rng([seed, 1])
    arriving = new["orders"][new["orders"]["ordered_at"] >= cutoff.seconds]
    at_cutoff = rng.random(len(arriving)) < 0.1
    arriving = arriving.assign(
        ordered_at=arriving["ordered_at"].mask(at_cutoff, cutoff.seconds), order_id="n" + arriving["order_id"]
    )
    kept = {name: _before(tables[name], cutoff) for name in ("orders", "order_lines")}
    orders = number_orders(pd.concat([kept["orders"], arriving]))
    keys = ["customer_key", "order_no"]
    lines = new["order_lines"].drop(columns="ordered_at").merge(arriving[[*keys, "order_id"]], on=keys)
    numbered = orders[["order_id", "order_no", "ordered_at"]]
    lines = lines.drop(columns="order_no").merge(numbered, on="order_id")[kept["order_lines"].columns]
    mixed = {"orders": orders, "order_lines": pd.concat([kept["order_lines"], lines])}
    for name, time in (("returns", "returned_at"), ("email_events", "occurred_at")):
        later = new[name][new[name][time] >= cutoff.seconds]
        mixed[name] = pd.concat([_before(tables[name], cutoff), later])
    return {"customers": _customers(tables, new, cutoff), **mixed}


def _before(table: pd.DataFrame, cutoff: Cutoff) -> pd.DataFrame:
    time = {"returned_at", "occurred_at", "ordered_at"} & set(table.columns)
    return table[table[time.pop()] < cutoff.seconds]


def _customers(tables: Mapping[str, pd.DataFrame], new: Mapping[str, pd.DataFrame], cutoff: Cutoff) -> Any:
    old = tables["customers"].set_index("customer_id")
    others = new["customers"].set_index("customer_id")
    buyers = old.index.isin(_before(tables["orders"], cutoff)["customer_id"])
    joined = (old["joined_at"] < cutoff.seconds).fillna(False).astype(bool)
    later = others["joined_at"].mask(others["joined_at"] < cutoff.seconds)
    kept = old[buyers | joined]
    kept = kept.assign(joined_at=kept["joined_at"].where(joined[kept.index], later.reindex(kept.index)))
    arriving = others.assign(joined_at=later)[~others.index.isin(kept.index)]
    people = pd.concat([kept, arriving]).reset_index()
    return people[["customer_key", "customer_id", "joined_at"]]


def orders_of(*rows: tuple[str, str, int]) -> Tables:
    """Return customers and orders from (customer, moment, amount in minor units)."""
    frame = pd.DataFrame(rows, columns=["customer_id", "moment", "amount_minor"])
    frame["ordered_at"] = [int(pd.Timestamp(moment).timestamp()) for moment in frame["moment"]]
    frame["customer_key"] = [hash_key(person) for person in frame["customer_id"]]
    frame["order_id"] = [f"o{i}" for i in range(len(frame))]
    people = frame[["customer_key", "customer_id"]].drop_duplicates()
    return {"customers": people, "orders": number_orders(frame.drop(columns="moment"))}
