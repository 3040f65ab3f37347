"""How somebody shops: breadth, baskets, price reductions, weekdays and hours."""

from __future__ import annotations

from segml.features.definition import (
    LINES,
    ORDERS,
    PRODUCTS,
    ROWS,
    STORES,
    Feature,
    Group,
    count_of,
    count_sql,
    ratio_sql,
    sum_of,
    within,
)
from segml.time_windows import Cutoff

RECENT_DAYS = 90
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_PARTS = {"morning": (5, 11), "afternoon": (11, 17), "evening": (17, 22)}  # night is the rest
_WEEKDAY_NAMES = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


def weekdays() -> Group:
    """Share of orders on each weekday and at weekends."""
    aggregates = {f"on_{day}": count_of(f"weekday = {i}") for i, day in enumerate(WEEKDAYS)}
    features = [
        Feature(f"weekday_{day}_share", ratio_sql(f"on_{day}", "orders_all"), f"share of orders on {name}")
        for day, name in zip(WEEKDAYS, _WEEKDAY_NAMES, strict=True)
    ]
    weekend = ratio_sql("(on_sat + on_sun)", "orders_all")
    features.insert(0, Feature("weekend_share", weekend, "share of orders on Saturdays and Sundays"))
    return Group("weekdays", tuple(features), {ORDERS: {**aggregates, "orders_all": ROWS}})


def hours() -> Group:
    """Share of orders in the morning, afternoon, evening and night."""
    aggregates = {
        f"in_{part}": count_of(f"second_of_day >= {start * 3600} and second_of_day < {end * 3600}")
        for part, (start, end) in DAY_PARTS.items()
    }
    features = [
        Feature(
            f"{part}_share",
            ratio_sql(f"in_{part}", "orders_all"),
            f"share of orders from {start} to {end} o'clock",
        )
        for part, (start, end) in DAY_PARTS.items()
    ]
    night = ratio_sql("(orders_all - in_morning - in_afternoon - in_evening)", "orders_all")
    features.append(Feature("night_share", night, "share of orders from 22 to 5 o'clock"))
    return Group("hours", tuple(features), {ORDERS: {**aggregates, "orders_all": ROWS}})


def products() -> Group:
    """Different products bought, and lines an order."""
    return Group(
        "products",
        (
            Feature("products_total", count_sql("products_seen"), "different products bought"),
            Feature("lines_per_order", ratio_sql("lines_all", "orders_all"), "order lines an order"),
        ),
        {
            PRODUCTS: {"products_seen": sum_of("new_products")},
            LINES: {"lines_all": sum_of("lines")},
            ORDERS: {"orders_all": ROWS},
        },
    )


def categories(cutoff: Cutoff) -> Group:
    """Different categories bought, ever and lately."""
    recently = within(RECENT_DAYS, cutoff, column="since")
    recent = f"case when {recently} then category_mask end"
    return Group(
        "categories",
        (
            Feature(
                "categories_total", count_sql("bit_count(categories_seen)"), "different categories bought"
            ),
            Feature(
                "categories_90d", count_sql("bit_count(categories_recent)"), "categories in the last 90 days"
            ),
        ),
        {LINES: {"categories_seen": "bit_or(category_mask)", "categories_recent": f"bit_or({recent})"}},
    )


def stores() -> Group:
    """Different stores or sites used."""
    feature = Feature("stores_total", count_sql("stores_seen"), "different stores used")
    return Group("stores", (feature,), {STORES: {"stores_seen": sum_of("new_stores")}})


def discounts() -> Group:
    """Price reductions as a share of the undiscounted price."""
    share = ratio_sql("discount_all", "(discount_all + amount_all)")
    feature = Feature("discount_share", share, "price reductions over the undiscounted price")
    aggregates = {"discount_all": sum_of("discount_minor"), "amount_all": sum_of("amount_minor")}
    return Group("discounts", (feature,), {ORDERS: aggregates})


def coupons() -> Group:
    """Share of orders that used a coupon."""
    feature = Feature("coupon_share", ratio_sql("couponed", "orders_all"), "share of orders with a coupon")
    used = count_of("coupon_minor > 0")
    return Group("coupons", (feature,), {ORDERS: {"couponed": used, "orders_all": ROWS}})
