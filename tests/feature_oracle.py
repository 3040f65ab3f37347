"""Every feature the slow and obvious way: one customer at a time, from lists of events, in plain Python.

Written from the meaning of the columns, not from the queries. Money is added up in integer minor units.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from typing import Any

import pandas as pd

from segml.time_windows import SECONDS_PER_DAY, Cutoff

NAN = float("nan")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Row = dict[str, Any]


def oracle_features(
    tables: dict[str, pd.DataFrame], cutoff: Cutoff, affinities: dict[str, str], told_apart: Sequence[str]
) -> pd.DataFrame:
    """Return all features of everybody known at the cutoff.

    Parameters
    ----------
    tables : dict of str to DataFrame
        All validated tables.
    cutoff : Cutoff
        Rows before it count.
    affinities : dict of str to str
        Column ending -> category.
    told_apart : sequence of str
        Categories counted one by one; all others count as one.
    """
    rows = {}
    for person in tables["customers"].to_dict("records"):
        key = person["customer_key"]
        orders = _rows(tables["orders"], key, "ordered_at", cutoff)
        orders.sort(key=lambda order: order["order_no"])
        joined = not pd.isna(person["joined_at"]) and person["joined_at"] < cutoff.seconds
        if not orders and not joined:
            continue
        lines = _rows(tables["order_lines"], key, "ordered_at", cutoff)
        rows[person["customer_id"]] = {
            **_history(orders, cutoff),
            **_windows(orders, cutoff),
            **_gaps(orders, cutoff),
            **_habits(orders),
            **_products(orders, lines, cutoff, told_apart),
            **{f"affinity_{end}": _affinity(lines, category) for end, category in affinities.items()},
            **_contacts(_rows(tables["email_events"], key, "occurred_at", cutoff), cutoff),
            **_returns(_rows(tables["returns"], key, "returned_at", cutoff), orders, cutoff),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("customer_id").sort_index()


def oracle_labels(
    tables: dict[str, pd.DataFrame], cutoff: Cutoff, horizons: Sequence[int], people: Sequence[str]
) -> pd.DataFrame:
    """Return orders, net spend and silence in `[cutoff, cutoff + horizon)`."""
    rows: dict[str, Row] = {person: {} for person in people}
    for person in people:
        for days in horizons:
            end = cutoff.seconds + days * SECONDS_PER_DAY
            paid = [o["amount_minor"] for o in _between(tables["orders"], person, "ordered_at", cutoff, end)]
            back = [
                r["amount_minor"] for r in _between(tables["returns"], person, "returned_at", cutoff, end)
            ]
            rows[person][f"orders_next_{days}d"] = float(len(paid))
            rows[person][f"spend_next_{days}d"] = (sum(paid) - sum(back)) / 100
            rows[person][f"silent_next_{days}d"] = float(not paid)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("customer_id").sort_index()


def _rows(table: pd.DataFrame, key: int, time: str, cutoff: Cutoff) -> list[Row]:
    return table[(table["customer_key"] == key) & (table[time] < cutoff.seconds)].to_dict("records")


def _between(table: pd.DataFrame, person: str, time: str, cutoff: Cutoff, end: int) -> list[Row]:
    inside = (table[time] >= cutoff.seconds) & (table[time] < end)
    return table[(table["customer_id"] == person) & inside].to_dict("records")


def _ratio(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator > 0 else NAN


def _days_of(orders: list[Row]) -> list[int]:
    return sorted({order["ordered_at"] // SECONDS_PER_DAY for order in orders})


def _since(moment: int, cutoff: Cutoff) -> float:
    return (cutoff.seconds - moment) / SECONDS_PER_DAY


def _history(orders: list[Row], cutoff: Cutoff) -> Row:
    days, amounts = _days_of(orders), [order["amount_minor"] for order in orders]
    totals = {
        "orders_total": float(len(orders)),
        "active_days_total": float(len(days)),
        "spend_total": sum(amounts) / 100,
    }
    if not orders:
        unknown = ("recency_days", "tenure_days", "age_days", "first_to_last_days", "repeat_orders")
        values = ("order_value_mean", "order_value_max", "order_value_last")
        return {**totals, **dict.fromkeys((*unknown, *values), NAN)}
    return {
        **totals,
        "recency_days": _since(max(order["ordered_at"] for order in orders), cutoff),
        "tenure_days": _since(min(order["ordered_at"] for order in orders), cutoff),
        "age_days": float(cutoff.day - days[0]),
        "first_to_last_days": float(days[-1] - days[0]),
        "repeat_orders": float(len(days) - 1),
        "order_value_mean": sum(amounts) / len(amounts) / 100,
        "order_value_max": max(amounts) / 100,
        "order_value_last": amounts[-1] / 100,
    }


def _windows(orders: list[Row], cutoff: Cutoff) -> Row:
    def inside(first_day: int, last_day: int) -> tuple[int, int]:
        start, end = ((cutoff.day - d) * SECONDS_PER_DAY for d in (first_day, last_day))
        amounts = [order["amount_minor"] for order in orders if start <= order["ordered_at"] < end]
        return len(amounts), sum(amounts)

    row: Row = {}
    for days in (7, 30, 90, 180, 365):
        count, amount = inside(days, 0)
        row[f"orders_{days}d"], row[f"spend_{days}d"] = float(count), amount / 100
    for days in (30, 90):
        for place, what in enumerate(("orders", "spend")):
            now, before = inside(days, 0)[place], inside(2 * days, days)[place]
            row[f"{what}_trend_{days}d"] = _ratio(now - before, now + before)
    return row


def _gaps(orders: list[Row], cutoff: Cutoff) -> Row:
    days = _days_of(orders)
    gaps = [later - earlier for earlier, later in itertools.pairwise(days)]
    names = ("gap_mean_days", "gap_median_days", "gap_sd_days", "gap_max_days", "gap_last_days", "gap_ratio")
    if not gaps:
        return dict.fromkeys(names, NAN)
    median = float(statistics.median(gaps))
    spread = statistics.stdev(gaps) if len(gaps) > 1 else NAN
    silence = _since(max(order["ordered_at"] for order in orders), cutoff)
    values = (sum(gaps) / len(gaps), median, spread, float(max(gaps)), float(gaps[-1]), silence / median)
    return dict(zip(names, values, strict=True))


def _habits(orders: list[Row]) -> Row:
    weekdays = [pd.Timestamp(order["ordered_at"], unit="s").weekday() for order in orders]
    hours = [pd.Timestamp(order["ordered_at"], unit="s").hour for order in orders]
    parts = {"morning": range(5, 11), "afternoon": range(11, 17), "evening": range(17, 22)}
    row = {f"weekday_{n}_share": _ratio(weekdays.count(i), len(orders)) for i, n in enumerate(WEEKDAYS)}
    row["weekend_share"] = _ratio(sum(day >= 5 for day in weekdays), len(orders))
    for part, span in parts.items():
        row[f"{part}_share"] = _ratio(sum(hour in span for hour in hours), len(orders))
    row["night_share"] = _ratio(sum(hour >= 22 or hour < 5 for hour in hours), len(orders))
    discount, paid = (sum(order[name] for order in orders) for name in ("discount_minor", "amount_minor"))
    row["discount_share"] = _ratio(discount, discount + paid)
    row["coupon_share"] = _ratio(sum(order["coupon_minor"] > 0 for order in orders), len(orders))
    row["stores_total"] = float(len({o["store_id"] for o in orders if not pd.isna(o["store_id"])}))
    return row


def _products(orders: list[Row], lines: list[Row], cutoff: Cutoff, told_apart: Sequence[str]) -> Row:
    recent = [line for line in lines if line["ordered_at"] >= cutoff.plus_days(-90).seconds]
    return {
        "products_total": float(len({r["product_id"] for r in lines if not pd.isna(r["product_id"])})),
        "lines_per_order": len(lines) / len(orders) if lines else NAN,
        "categories_total": _different(lines, told_apart),
        "categories_90d": _different(recent, told_apart),
    }


def _different(lines: list[Row], told_apart: Sequence[str]) -> float:
    seen = {line["category"] for line in lines if not pd.isna(line["category"])}
    return float(len(seen & set(told_apart)) + bool(seen - set(told_apart)))


def _affinity(lines: list[Row], category: str) -> float:
    spent = sum(line["amount_minor"] for line in lines if line["category"] == category)
    return _ratio(spent, sum(line["amount_minor"] for line in lines))


def _contacts(events: list[Row], cutoff: Cutoff) -> Row:
    sent = [event["occurred_at"] for event in events if event["event"] == "sent"]
    reacted = [event["occurred_at"] for event in events if event["event"] in ("click", "response")]
    year = cutoff.plus_days(-365).seconds
    row: Row = {
        f"contacts_{days}d": float(sum(at >= cutoff.plus_days(-days).seconds for at in sent))
        for days in (30, 90, 365)
    }
    responses = sum(at >= year for at in reacted)
    row["responses_365d"] = float(responses)
    row["response_rate_365d"] = _ratio(responses, int(row["contacts_365d"]))
    row["days_since_contact"] = _since(max(sent), cutoff) if sent else NAN
    row["days_since_response"] = _since(max(reacted), cutoff) if reacted else NAN
    return row


def _returns(returns: list[Row], orders: list[Row], cutoff: Cutoff) -> Row:
    value = sum(row["amount_minor"] for row in returns)
    year = cutoff.plus_days(-365).seconds
    return {
        "returns_total": float(len(returns)),
        "returned_total": value / 100,
        "returns_365d": float(sum(row["returned_at"] >= year for row in returns)),
        "returned_share": _ratio(value, sum(order["amount_minor"] for order in orders)),
    }


def differing_columns(left: pd.DataFrame, right: pd.DataFrame) -> list[str]:
    """Return the columns in which two frames of the same rows differ by more than rounding."""
    assert list(left.index) == list(right.index)
    assert sorted(left.columns) == sorted(right.columns)
    return [
        name
        for name in left.columns
        if not all(
            (math.isnan(a) and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-12)
            for a, b in zip(left[name], right[name], strict=True)
        )
    ]
