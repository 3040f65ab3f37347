"""The same features by pandas, as somebody who knows pandas would write them: only rows before the cutoff and only the
columns of lines that are used are read; groupbys and nunique, no apply over customers, windows by masks. Strings stay
strings: coding them first was tried and took no less. It is what segml is measured against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segml.features.affinity import unique_slugs
from segml.features.plan import FeaturePlan
from segml.time_windows import SECONDS_PER_DAY, Cutoff

KEY = "customer_key"


def pandas_features(folder: Path, plan: FeaturePlan, cutoff: Cutoff) -> pd.DataFrame:
    """Return every feature of the plan, indexed by customer, columns in the plan's order."""
    people = pd.read_parquet(folder / "customers.parquet")
    orders = _past(folder, "orders", "ordered_at", cutoff).sort_values([KEY, "order_no"])
    known = (people["joined_at"] < cutoff.seconds) | people[KEY].isin(orders[KEY])
    frame = people[known].set_index(KEY)
    totals = _totals(orders, cutoff)
    parts: list[pd.DataFrame | pd.Series] = [totals, _windows(orders, cutoff)]
    parts += [_gaps(orders, cutoff, totals), _habits(orders, totals)]
    parts += [_products(folder, plan, cutoff, totals), _contacts(folder, cutoff), _returns(folder, cutoff)]
    frame = frame[["customer_id"]].join(parts)
    counted = [name for name in map(str, frame) if name.startswith(_ZERO_WHEN_ABSENT) and "trend" not in name]
    frame[counted] = frame[counted].fillna(0)
    bought = frame["spend_total"] > 0
    frame["returned_share"] = (frame["returned_total"] / frame["spend_total"]).where(bought)
    return frame.set_index("customer_id").sort_index()[plan.names].astype("float64")


_ZERO_WHEN_ABSENT = (
    *("orders_", "spend_", "active_days_total", "products_total", "categories_", "stores_total"),
    *("contacts_", "responses_", "returns_", "returned_total"),
)


def _past(folder: Path, table: str, time: str, cutoff: Cutoff, columns: list[str] | None = None) -> Any:
    return pd.read_parquet(
        folder / f"{table}.parquet", columns=columns, filters=[(time, "<", cutoff.seconds)]
    )


def _wide(values: Any) -> pd.DataFrame:
    return values.unstack(fill_value=0)  # noqa: PD010 - of a series with two keys, and faster than pivot_table


def _totals(orders: pd.DataFrame, cutoff: Cutoff) -> pd.DataFrame:
    orders["day"] = orders["ordered_at"] // SECONDS_PER_DAY
    orders["new_day"] = orders.groupby(KEY)["day"].diff().fillna(1) > 0
    grouped = orders.groupby(KEY)
    at, amount, day = grouped["ordered_at"], grouped["amount_minor"], grouped["day"]
    last, first, orders_total, spend = at.max(), at.min(), grouped.size(), amount.sum()
    first_day, days = day.min(), grouped["new_day"].sum()
    return pd.DataFrame(
        {
            "recency_days": (cutoff.seconds - last) / SECONDS_PER_DAY,
            "tenure_days": (cutoff.seconds - first) / SECONDS_PER_DAY,
            "age_days": cutoff.day - first_day,
            "first_to_last_days": day.max() - first_day,
            "repeat_orders": days - 1,
            "orders_total": orders_total,
            "active_days_total": days,
            "spend_total": spend / 100,
            "order_value_mean": spend / orders_total / 100,
            "order_value_max": amount.max() / 100,
            "order_value_last": amount.last() / 100,
        }
    )


def _windows(orders: pd.DataFrame, cutoff: Cutoff) -> pd.DataFrame:
    def inside(first: int, last: int = 0) -> pd.DataFrame:
        at = orders["ordered_at"]
        start, end = ((cutoff.day - days) * SECONDS_PER_DAY for days in (first, last))
        return orders[(at >= start) & (at < end)].groupby(KEY)["amount_minor"].agg(["size", "sum"])

    frame = pd.DataFrame(index=orders[KEY].unique())
    for days in (7, 30, 90, 180, 365):
        window = inside(days).reindex(frame.index, fill_value=0)
        frame[f"orders_{days}d"], frame[f"spend_{days}d"] = window["size"], window["sum"] / 100
        if days in (30, 90):
            before = inside(2 * days, days).reindex(frame.index, fill_value=0)
            for what, column in (("orders", "size"), ("spend", "sum")):
                total = window[column] + before[column]
                difference = window[column] - before[column]
                frame[f"{what}_trend_{days}d"] = (difference / total).where(total > 0)
    return frame


def _gaps(orders: pd.DataFrame, cutoff: Cutoff, totals: pd.DataFrame) -> pd.DataFrame:
    days = orders.loc[orders["new_day"], [KEY, "day"]]
    gap = days.assign(gap=days.groupby(KEY)["day"].diff()).dropna().groupby(KEY)["gap"]
    median = gap.median()
    return pd.DataFrame(
        {
            "gap_mean_days": gap.mean(),
            "gap_median_days": median,
            "gap_sd_days": gap.std(),
            "gap_max_days": gap.max(),
            "gap_last_days": gap.last(),
            "gap_ratio": totals["recency_days"].reindex(median.index) / median,
        }
    )


def _habits(orders: pd.DataFrame, totals: pd.DataFrame) -> pd.DataFrame:
    count = totals["orders_total"]
    weekday = (orders["day"] + 3) % 7
    hour = orders["ordered_at"] % SECONDS_PER_DAY // 3600
    part = pd.Series(np.select([hour < 5, hour < 11, hour < 17, hour < 22], [0, 1, 2, 3], 0), orders.index)
    by_day = _wide(orders.groupby([KEY, weekday]).size()).reindex(columns=range(7))
    by_part = _wide(orders.groupby([KEY, part]).size()).reindex(columns=range(4))
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    by_day.columns = pd.Index([f"weekday_{name}_share" for name in names])
    by_part.columns = pd.Index([f"{name}_share" for name in ("night", "morning", "afternoon", "evening")])
    frame = pd.concat([by_day, by_part], axis=1).fillna(0).div(count, axis=0)
    frame["weekend_share"] = by_day[["weekday_sat_share", "weekday_sun_share"]].sum(axis=1) / count
    grouped = orders.groupby(KEY)
    discount, paid = grouped["discount_minor"].sum(), grouped["amount_minor"].sum()
    frame["discount_share"] = discount / (discount + paid)
    frame["coupon_share"] = (orders["coupon_minor"] > 0).groupby(orders[KEY]).sum() / count
    frame["stores_total"] = grouped["store_id"].nunique()
    return frame


def _products(folder: Path, plan: FeaturePlan, cutoff: Cutoff, totals: pd.DataFrame) -> pd.DataFrame:
    columns = [KEY, "ordered_at", "product_id", "category", "amount_minor"]
    lines = _past(folder, "order_lines", "ordered_at", cutoff, columns)
    grouped = lines.groupby(KEY)
    recent = lines[lines["ordered_at"] >= cutoff.plus_days(-90).seconds]
    frame = pd.DataFrame(
        {
            "products_total": grouped["product_id"].nunique(),
            "lines_per_order": grouped.size() / totals["orders_total"],
            "categories_total": grouped["category"].nunique(),
            "categories_90d": recent.groupby(KEY)["category"].nunique(),
        }
    )
    spent = lines[lines["category"].isin(plan.categories)]
    by_category = _wide(spent.groupby([KEY, "category"])["amount_minor"].sum())
    shares = (
        by_category[list(plan.categories)]
        .reindex(frame.index, fill_value=0)
        .div(grouped["amount_minor"].sum(), axis=0)
    )
    shares.columns = pd.Index([f"affinity_{slug}" for slug in unique_slugs(plan.categories)])
    return frame.join(shares)


def _contacts(folder: Path, cutoff: Cutoff) -> pd.DataFrame:
    events = _past(folder, "email_events", "occurred_at", cutoff, [KEY, "occurred_at", "event"])
    sent, reacted = events[events["event"] == "sent"], events[events["event"].isin(["click", "response"])]
    frame = pd.DataFrame(index=events[KEY].unique())
    for days in (30, 90, 365):
        inside = sent["occurred_at"] >= cutoff.plus_days(-days).seconds
        frame[f"contacts_{days}d"] = sent[inside].groupby(KEY).size()
    year = reacted["occurred_at"] >= cutoff.plus_days(-365).seconds
    frame["responses_365d"] = reacted[year].groupby(KEY).size()
    frame["response_rate_365d"] = frame["responses_365d"].fillna(0) / frame["contacts_365d"]
    for name, rows in (("contact", sent), ("response", reacted)):
        frame[f"days_since_{name}"] = (
            cutoff.seconds - rows.groupby(KEY)["occurred_at"].max()
        ) / SECONDS_PER_DAY
    return frame


def _returns(folder: Path, cutoff: Cutoff) -> pd.DataFrame:
    back = _past(folder, "returns", "returned_at", cutoff)
    grouped = back.groupby(KEY)
    year = back[back["returned_at"] >= cutoff.plus_days(-365).seconds]
    return pd.DataFrame(
        {
            "returns_total": grouped.size(),
            "returned_total": grouped["amount_minor"].sum() / 100,
            "returns_365d": year.groupby(KEY).size(),
        }
    )
