"""A shop that is the same for ever: customers come, buy and leave at their own pace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

TODAY = 800
"""Orders lie before this day; day 0 is 1 January 2016."""


def orders_of_a_stable_shop(seed: int, people: int = 2_500) -> pd.DataFrame:
    """Customers come, buy at their own rate, and leave, at the same pace for ever."""
    rng = np.random.default_rng(seed)
    joined = rng.uniform(-1_200, TODAY, people)
    life = rng.exponential(300, people)
    count = 1 + rng.poisson(rng.gamma(2.0, 0.02, people) * life)
    who = np.repeat(np.arange(people), count)
    first = np.r_[0, np.cumsum(count)[:-1]]
    day = joined[who] + rng.random(len(who)) * life[who]
    day[first] = joined
    likes_discounts = rng.beta(1, 3, people)
    discounted = rng.random(len(who)) < likes_discounts[who]
    orders = pd.DataFrame({"customer": who, "day": np.floor(day).astype(int), "discounted": discounted})
    return orders[orders["day"] < TODAY]


def write_orders(orders: pd.DataFrame, file: Path) -> None:
    ids = "c" + orders["customer"].astype(str)
    table = pd.DataFrame(
        {
            "order_id": [f"o{i}" for i in range(len(orders))],
            "customer_id": ids.to_numpy(),
            "ordered_at": (pd.Timestamp("2016-01-01") + pd.to_timedelta(orders["day"], "D")).to_numpy(),
            "amount": 10.0,
        }
    )
    table.to_csv(file, index=False)


CONFIG = """\
base: shop
currency: EUR
tables:
  orders:
    files: orders.csv
    columns: [order_id, customer_id, ordered_at, amount]
cutoffs: {every_days: 45, at_most: 4, minimum_history_days: 200}
horizons: {dormancy: 60, churn: 60, clv: 60}
scoring: {threads: 1}
"""
