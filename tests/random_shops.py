"""Small random shops of any size, length and last day, with or without the optional tables, for property tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

CATEGORIES = ("wine", "toys", "garden", "books", "shoes")
CHEAP = (
    "cutoffs.at_most=3",
    "models.gate.bootstraps=50",
    "models.segments.largest_k=3",
    "scoring.threads=1",
)
"""Settings under which a small shop trains in seconds; none of them decides whether a task can be trained."""


@dataclass(frozen=True)
class RandomShop:
    """What is drawn from `seed`.

    Attributes
    ----------
    people : int
    days : int
        Length of the history.
    until : str
        The first day after it, ISO.
    rate : float
        Mean orders a customer and day; drawn when it is 0.
    tables : tuple of str
        Beside orders: ``order_lines``, ``returns``, ``email_events``, ``loyalty_ledger``.
    """

    seed: int
    people: int = 300
    days: int = 900
    until: str = "2024-12-31"
    rate: float = 0.0
    tables: tuple[str, ...] = ()

    @property
    def orders(self) -> pd.DataFrame:
        """One row an order; some customers stay, some leave, some come once; equal amounts are common."""
        rng = np.random.default_rng([self.seed, self.people, self.days])
        first = np.floor(rng.uniform(0, self.days, self.people) * rng.beta(1, 2, self.people))
        rate = self.rate or rng.choice([0.004, 0.012, 0.04])
        life = rng.exponential(rng.choice([60, 300, 2_000]), self.people)
        length = np.minimum(life, self.days - first)
        more = np.minimum(rng.poisson(rng.gamma(0.7, rate / 0.7, self.people) * length), 60)
        who = np.repeat(np.arange(self.people), 1 + more)
        opening = np.r_[0, np.cumsum(1 + more)[:-1]]
        day = first[who] + rng.random(len(who)) * length[who]
        day[opening] = first
        day[0] = 0
        day[-1] = self.days - 1 + 0.5  # the history is as long as it says
        amount = np.round(rng.lognormal(3, rng.choice([0.0, 0.5, 1.4]), len(who)), 2)
        start = pd.Timestamp(self.until) - pd.Timedelta(days=self.days)
        moment = (start + pd.to_timedelta(np.floor(day * 86_400), "s")).strftime("%Y-%m-%d %H:%M:%S")
        return pd.DataFrame(
            {
                "order_id": [f"o{i}" for i in range(len(who))],
                "customer_id": [f"c{i:04d}" for i in who],
                "ordered_at": moment,
                "amount": amount,
            }
        )

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return every table by its canonical name."""
        orders = self.orders
        rng = np.random.default_rng([self.seed, 1])
        some = orders[rng.random(len(orders)) < 0.1]
        category = rng.choice(CATEGORIES, len(orders), p=rng.dirichlet(np.full(len(CATEGORIES), 2.0)))
        later = pd.to_datetime(some["ordered_at"]) + pd.Timedelta(hours=5)
        until = pd.Timestamp(self.until)
        later = later.where(later < until, pd.to_datetime(some["ordered_at"])).dt.strftime(
            "%Y-%m-%d %H:%M:%S"
        )
        mails = orders.sample(frac=0.5, random_state=self.seed % 1_000)
        return {
            "orders": orders,
            "order_lines": orders.assign(category=category, product_id=category, quantity=1),
            "returns": pd.DataFrame(
                {"customer_id": some["customer_id"], "returned_at": later, "amount": some["amount"]}
            ),
            "email_events": pd.DataFrame(
                {
                    "customer_id": mails["customer_id"],
                    "occurred_at": mails["ordered_at"],
                    "event": rng.choice(["sent", "click", "unsubscribe"], len(mails), p=[0.8, 0.15, 0.05]),
                }
            ),
            "loyalty_ledger": pd.DataFrame(
                {
                    "customer_id": orders["customer_id"],
                    "occurred_at": orders["ordered_at"],
                    "points": np.maximum(1, orders["amount"].round()).astype(int),
                }
            ),
        }

    def write(self, folder: Path, **settings: Any) -> Path:
        """Write files and a configuration; return the configuration's path."""
        frames = self.frames()
        folder.mkdir(parents=True, exist_ok=True)
        named = ("orders", *self.tables)
        for name in named:
            frames[name].to_csv(folder / f"{name}.csv", index=False)
        content = {
            "base": "shop",
            "currency": "EUR",
            "tables": {
                name: {"files": f"{name}.csv", "columns": list(frames[name].columns)} for name in named
            },
            "cleaning": {"exact_duplicates": "keep"},
            "loyalty": {"tiers": [{"name": "basic", "points": 0}, {"name": "silver", "points": 150}]},
            "lists": {"folder": "campaigns", "consent": {"required": False, "basis": "made-up customers"}},
            **settings,
        }
        (folder / "campaigns").mkdir(exist_ok=True)
        (folder / "campaigns" / "silent.yaml").write_text(CAMPAIGN)
        file = folder / "shop.yaml"
        file.write_text(yaml.safe_dump(content, sort_keys=False))
        return file


CAMPAIGN = """\
name: silent
title: Silent customers
action: win_back_mail
offer_class: content
channel: email
priority: 10
window_days: 30
audience: [{column: features.recency_days, operator: at_least, value: 1}]
rank_by: {column: features.recency_days}
"""


def draw_shop(seed: int) -> RandomShop:
    """Return any shop: 20 to 700 people, 60 days to four years, any month's end, any of the optional tables."""
    rng = np.random.default_rng([seed, 7])
    day = pd.Timestamp("2022-01-01") + pd.Timedelta(days=int(rng.integers(0, 1_100)))
    optional = ("order_lines", "returns", "email_events", "loyalty_ledger")
    return RandomShop(
        seed,
        people=int(20 * 35 ** rng.random()),
        days=int(60 * (1_460 / 60) ** rng.random()),
        until=day.strftime("%Y-%m-%d"),
        tables=tuple(name for name in optional if rng.random() < 0.5),
    )
