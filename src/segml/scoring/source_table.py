"""What each source of customers brings: how many buy only once, and what they are worth, with intervals.

Somebody who came last week had no time to come back, so the one-timer rate is among buyers whose first order lies the
long horizon back. Intervals are Wilson's for rates (Wilson 1927), Hall's for means (`segml.evaluation.skewed_means`),
95 %; a source of fewer people than the smallest cell has none, and no figure, and a mean over too few people for so
skewed a value has no interval. Sources were not drawn by lot: a difference between two of them is no effect of either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from segml.engine import Engine
from segml.engine.rounding import rounded_money_sql
from segml.evaluation.skewed_means import skewed_mean_interval, skewness

SOURCES_FILE = "sources.parquet"
_MOST_SOURCES = 10_000
_CONFIDENCE = 0.95
_EVERYBODY = None  # no source bears it


def source_frame(
    engine: Engine,
    available: Mapping[str, Collection[str]],
    mature_days: int,
    clv_days: int,
    minimum_cell: int,
) -> pd.DataFrame | None:
    """Return one row a source, the largest first; None when nobody's source is known.

    Parameters
    ----------
    engine : Engine
        With ``features`` and ``customers`` registered, and ``scores`` when there are any.
    available : mapping of str to columns
        Columns of those tables.
    mature_days : int
        Buyers whose first order is more recent are in no one-timer rate.
    clv_days : int
        Horizon of the predicted value.
    minimum_cell : int
        Figures over fewer people are missing.

    Returns
    -------
    DataFrame
        source, people, buyers, mature_buyers, one_timer_rate, and for each value there is (``clv_historic``,
        ``clv_<days>d``, in the base's currency per buyer) its mean; each with ``_low`` and ``_high`` (NaN for a mean
        over too few people for so skewed a value).
    """
    needed = {"features": ("orders_total", "repeat_orders", "tenure_days"), "customers": ("source",)}
    if any(not set(columns) <= set(available.get(table, ())) for table, columns in needed.items()):
        return None
    values = [name for name in ("clv_historic", f"clv_{clv_days}d") if name in available.get("scores", ())]
    sums = engine.fetch(_sums_sql(values, mature_days), _MOST_SOURCES)
    if not len(sums):
        return None
    frame = sums[["source", "people", "buyers", "mature_buyers"]].copy()
    counts = sums[["one_timers", "mature_buyers"]].itertuples(index=False)
    frame[["one_timer_rate", "one_timer_rate_low", "one_timer_rate_high"]] = [
        _rate(int(ones), int(of), minimum_cell) for ones, of in counts
    ]
    for name in values:
        skew = _skewness_by_source(engine.fetch(_amounts_sql(name)))
        columns = ["source", f"n_{name}", f"sum_{name}", f"squares_{name}"]
        means = [
            _mean(
                int(n),
                int(total),
                int(squares),
                skew.get(source, 0.0),
                skew.get(_EVERYBODY, 0.0),
                minimum_cell,
            )
            for source, n, total, squares in sums[columns].itertuples(index=False)
        ]
        frame[[f"{name}_mean", f"{name}_mean_low", f"{name}_mean_high"]] = means
    return frame


def write_source_frame(frame: pd.DataFrame, folder: Path) -> None:
    """Write the table beside the tags."""
    frame.to_parquet(folder / SOURCES_FILE, index=False)


def _sums_sql(values: list[str], mature_days: int) -> str:
    buyer = "features.orders_total > 0"
    mature = f"{buyer} and features.tenure_days >= {mature_days}"
    columns = [
        "customers.source as source",
        "count(*) as people",
        _count("buyers", buyer),
        _count("mature_buyers", mature),
        _count("one_timers", f"{mature} and features.repeat_orders = 0"),
    ]
    for name in values:  # whole cents add up to the same sum in any order
        cents = f"case when {buyer} then cast(round(scores.{name} * 100) as bigint) end"
        exact = f"cast({cents} as decimal(18,0))"
        columns += [
            f"count({cents}) as n_{name}",
            f"cast(coalesce(sum({cents}), 0) as bigint) as sum_{name}",
            f"cast(coalesce(sum({exact} * {exact}), 0) as double) as squares_{name}",
        ]
    scores = " left join scores on scores.customer_id = features.customer_id" if values else ""
    return (
        f"select {', '.join(columns)} from features join customers on customers.customer_id = features.customer_id"
        f"{scores} where customers.source is not null group by customers.source order by people desc, source"
    )


def _amounts_sql(value: str) -> str:
    """People by source and value, rounded to three digits: what the skewness of a mean needs."""
    cents = f"cast(round(scores.{value} * 100) as bigint)"
    rows = (
        f"select customers.source as source, {rounded_money_sql(cents)} as amount from features"
        " join customers on customers.customer_id = features.customer_id"
        " join scores on scores.customer_id = features.customer_id"
        f" where customers.source is not null and features.orders_total > 0 and scores.{value} is not null"
    )
    return (
        f"select source, amount, count(*) as people from ({rows}) rounded group by source, amount"
        " order by source, amount"
    )


def _skewness_by_source(rows: pd.DataFrame) -> dict[object, float]:
    def of(group: pd.DataFrame) -> float:
        return skewness(group["amount"].to_numpy(dtype=float), group["people"].to_numpy(dtype=float))

    found: dict[object, float] = {source: of(group) for source, group in rows.groupby("source")}
    return found | ({_EVERYBODY: of(rows)} if len(rows) else {})


def _count(name: str, condition: str) -> str:
    return f"cast(sum(case when {condition} then 1 else 0 end) as bigint) as {name}"


def _rate(successes: int, people: int, minimum: int) -> tuple[float, float, float]:
    from scipy.stats import binomtest

    if people < max(minimum, 1):
        return (np.nan, np.nan, np.nan)
    found = binomtest(successes, people).proportion_ci(_CONFIDENCE, method="wilson")
    return (successes / people, float(found.low), float(found.high))


def _mean(
    people: int, cents: int, squares: int, own: float, pooled: float, minimum: int
) -> tuple[float, float, float]:
    if people < max(minimum, 2):
        return (np.nan, np.nan, np.nan)
    mean = cents / people
    variance = max(squares - cents * cents / people, 0.0) / (people - 1)
    low, high = skewed_mean_interval(mean, variance, people, own, pooled, _CONFIDENCE)
    return (mean / 100, low / 100, high / 100)
