"""Recency, frequency and monetary value: over all history and in rolling windows."""

from __future__ import annotations

from segml.features.definition import (
    ORDERS,
    ROWS,
    WINDOWS_DAYS,
    Feature,
    Group,
    count_of,
    count_sql,
    day_of,
    money_sql,
    ratio_sql,
    sum_of,
    trend_sql,
    within,
)
from segml.time_windows import Cutoff

TREND_DAYS = (30, 90)


def history(cutoff: Cutoff) -> Group:
    """Recency, tenure, orders and spend since the first order."""
    seconds = cutoff.seconds
    return Group(
        "history",
        (
            Feature(
                "recency_days", f"cast({seconds} - last_at as double) / 86400", "days since the last order"
            ),
            Feature(
                "tenure_days", f"cast({seconds} - first_at as double) / 86400", "days since the first order"
            ),
            Feature(
                "age_days",
                f"cast({cutoff.day} - first_day as double)",
                "whole days since the first order day",
            ),
            Feature(
                "first_to_last_days",
                "cast(last_day - first_day as double)",
                "days from the first to the last order day",
            ),
            Feature("repeat_orders", "cast(order_days - 1 as double)", "order days after the first"),
            Feature("orders_total", count_sql("orders_all"), "orders"),
            Feature("active_days_total", count_sql("order_days"), "days with an order"),
            Feature("spend_total", money_sql("amount_all"), "spend, before returns"),
            Feature(
                "order_value_mean", f"({ratio_sql('amount_all', 'orders_all')}) / 100", "mean order value"
            ),
            Feature("order_value_max", "cast(amount_largest as double) / 100", "largest order value"),
            Feature("order_value_last", "cast(amount_last as double) / 100", "value of the last order"),
        ),
        {
            ORDERS: {
                "last_at": "max(ordered_at)",
                "first_at": "min(ordered_at)",
                "first_day": day_of("min(ordered_at)"),
                "last_day": day_of("max(ordered_at)"),
                "order_days": "cast(count(gap_days) + 1 as bigint)",
                "orders_all": ROWS,
                "amount_all": sum_of("amount_minor"),
                "amount_largest": "max(amount_minor)",
                "amount_last": "max_by(amount_minor, order_no)",
            }
        },
    )


def windows(cutoff: Cutoff) -> Group:
    """Orders and spend in the last 7, 30, 90, 180 and 365 days, and how they changed."""
    features: list[Feature] = []
    aggregates: dict[str, str] = {}
    for days in WINDOWS_DAYS:
        condition = within(days, cutoff)
        aggregates[f"n_{days}"] = count_of(condition)
        aggregates[f"a_{days}"] = sum_of(f"case when {condition} then amount_minor else 0 end")
        features.append(Feature(f"orders_{days}d", count_sql(f"n_{days}"), f"orders in the last {days} days"))
        features.append(Feature(f"spend_{days}d", money_sql(f"a_{days}"), f"spend in the last {days} days"))
    for days in TREND_DAYS:
        condition = within(days, cutoff, skip_days=days)
        aggregates[f"n_{days}_before"] = count_of(condition)
        aggregates[f"a_{days}_before"] = sum_of(f"case when {condition} then amount_minor else 0 end")
        for what, short in (("orders", "n"), ("spend", "a")):
            features.append(
                Feature(
                    f"{what}_trend_{days}d",
                    trend_sql(f"{short}_{days}", f"{short}_{days}_before"),
                    f"{what} of the last {days} days against the {days} before, -1 to 1",
                )
            )
    return Group("windows", tuple(features), {ORDERS: aggregates})
