"""Customers drawn from the buy-till-you-die processes themselves, with the future they go on to have."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]


def draw_beta_geo(
    n: int,
    seed: int,
    params: tuple[float, float, float, float],
    ahead: float = 0.0,
    first_chance: bool = False,
) -> pd.DataFrame:
    """Return histories of a BG/NBD (or, with `first_chance`, an MBG/NBD) and orders in the next `ahead`."""
    rng = np.random.default_rng(seed)
    r, alpha, a, b = params
    age = rng.uniform(20, 80, n)
    rate, leave = rng.gamma(r, 1 / alpha, n), rng.beta(a, b, n)
    here = rng.random(n) >= leave if first_chance else np.ones(n, dtype=bool)
    return _run(
        rng, age, ahead, rate, here, lambda rows: rng.random(len(rows)) >= leave[rows], np.full(n, np.inf)
    )


def draw_pareto(
    n: int, seed: int, params: tuple[float, float, float, float], ahead: float = 0.0
) -> pd.DataFrame:
    """Return histories of a Pareto/NBD and orders in the next `ahead`."""
    rng = np.random.default_rng(seed)
    r, alpha, s, beta = params
    age = rng.uniform(20, 80, n)
    rate, death = rng.gamma(r, 1 / alpha, n), rng.exponential(1, n) / rng.gamma(s, 1 / beta, n)
    return _run(
        rng, age, ahead, rate, np.ones(n, dtype=bool), lambda rows: np.ones(len(rows), dtype=bool), death
    )


def _run(rng, age, ahead, rate, here, stays, death):  # type: ignore[no-untyped-def]
    n = len(age)
    orders, recency, later, now = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    rows = np.flatnonzero(here)
    while len(rows):
        now[rows] += rng.exponential(1, len(rows)) / rate[rows]
        rows = rows[now[rows] <= np.minimum(age[rows] + ahead, death[rows])]
        seen = rows[now[rows] <= age[rows]]
        orders[seen] += 1
        recency[seen] = now[seen]
        future = rows[now[rows] > age[rows]]
        later[future] += 1
        rows = rows[stays(rows)]
    return pd.DataFrame({"repeat_orders": orders, "recency": recency, "age": age, "later": later})


def draw_gamma_gamma(n: int, seed: int, params: tuple[float, float, float]) -> pd.DataFrame:
    """Return repeat orders and mean spend of a Gamma-Gamma base, and each customer's own true mean."""
    rng = np.random.default_rng(seed)
    p, q, v = params
    orders = rng.geometric(0.3, n).astype(float)
    nu = rng.gamma(q, 1 / v, n)
    return pd.DataFrame(
        {"repeat_orders": orders, "mean_spend": rng.gamma(p * orders, 1 / (nu * orders)), "true_mean": p / nu}
    )


def draw_contracts(n: int, seed: int, params: tuple[float, float], longest: int = 8) -> pd.DataFrame:
    """Return contracts of a shifted beta-geometric: renewals due so far, and whether the last one failed."""
    rng = np.random.default_rng(seed)
    fails_at, due = rng.geometric(rng.beta(*params, n)), rng.integers(1, longest + 1, n)
    return pd.DataFrame({"age": np.minimum(fails_at, due), "lost": (fails_at <= due).astype(int)})


def draw_opportunities(
    n: int, seed: int, params: tuple[float, float, float, float], chances: int = 8
) -> pd.DataFrame:
    """Return histories of a BG/BB over opportunities that began up to `chances` ago."""
    rng = np.random.default_rng(seed)
    alpha, beta, gamma, delta = params
    age = rng.integers(3, chances + 1, n)
    buys, leaves = rng.beta(alpha, beta, n), rng.beta(gamma, delta, n)
    at = np.arange(1, chances + 1)
    here = at < rng.geometric(np.maximum(leaves, 1e-12))[:, None]
    bought = here & (at <= age[:, None]) & (rng.random((n, chances)) < buys[:, None])
    last = np.where(bought, at, 0).max(axis=1)
    return pd.DataFrame({"repeat_orders": bought.sum(axis=1), "recency": last, "age": age})
