"""Columns of the tables that segml itself writes: features at a cutoff, scores, and what tags read beside them.

Tags and campaigns are written against these names by people, in YAML. A name that is known but not there today (its
model was refused, its table is missing) makes the tag or campaign unavailable; a name nobody knows is a mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from segml.tables.catalog import CUSTOMERS

UPLIFT_PREFIX = "uplift_"  # of the column, and of the task, of each campaign whose increments are known
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

FEATURE_COLUMNS: tuple[str, ...] = (
    *("recency_days", "tenure_days", "age_days", "first_to_last_days", "repeat_orders", "orders_total"),
    *("active_days_total", "spend_total", "order_value_mean", "order_value_max", "order_value_last"),
    *("gap_mean_days", "gap_median_days", "gap_sd_days", "gap_max_days", "gap_last_days", "gap_ratio"),
    *(f"{what}_{days}d" for what in ("orders", "spend") for days in (7, 30, 90, 180, 365)),
    *("orders_trend_30d", "orders_trend_90d", "spend_trend_30d", "spend_trend_90d"),
    *("categories_total", "categories_90d", "products_total", "stores_total", "lines_per_order"),
    *("discount_share", "coupon_share", "weekend_share"),
    *(f"weekday_{day}_share" for day in _WEEKDAYS),
    *("morning_share", "afternoon_share", "evening_share", "night_share"),
    *("returns_total", "returned_share", "returns_365d"),
    *("contacts_30d", "contacts_90d", "contacts_365d", "responses_365d", "response_rate_365d"),
    *("days_since_contact", "days_since_response"),
)
SCORE_COLUMNS: tuple[str, ...] = (
    "as_of",
    *(
        f"{task}_{part}"
        for task in ("dormancy", "churn")
        for part in ("probability", "percentile", "band", "horizon_days")
    ),
    *("clv_365d", "clv_365d_low", "clv_365d_high", "clv_historic"),
    *(
        f"segment_{kind}_{part}"
        for kind in ("behavioural", "mixture", "interest", "declared")
        for part in ("id", "name", "membership", "outlier")
    ),
    *(
        f"{of}reason_{place}{part}"
        for of in ("", "clv_")
        for place in (1, 2, 3)
        for part in ("", "_feature", "_value", "_direction", "_strength")
    ),
    *("next_order_days", "next_order_days_low", "next_order_days_high", "second_purchase_probability"),
    *("points_balance", "points_earned_365d", "points_expiring_30d", "points_earned_period"),
    *("loyalty_tier", "next_tier", "points_to_next_tier", "next_tier_probability"),
    "unsubscribe_probability",
    *(f"next_category_{place}{part}" for place in (1, 2, 3) for part in ("", "_probability")),
    *("rfm_r", "rfm_f", "rfm_m", "rfm_name", "segment_declared_source"),
)
_PATTERNS = {
    "features": re.compile(
        r"affinity_[a-z0-9_]+|(orders|spend|categories|contacts|responses|returns)_\d+d"
        r"|(orders|spend)_trend_\d+d|response_rate_\d+d"
    ),
    "scores": re.compile(
        r"clv_\d+d(_low|_high)?|points_expiring_\d+d|[a-z0-9_]+_model_version|"
        + UPLIFT_PREFIX
        + r"[a-z0-9_]+"
    ),
    "answers": re.compile(r"[a-z][a-z0-9_]*"),
}
WEB_COLUMNS = (
    *(f"days_since_{what}" for what in ("visit", "search", "browse", "cart", "checkout", "any")),
    *("cart_open_days", "last_category", "last_source"),
)
KNOWN_COLUMNS: dict[str, tuple[str, ...]] = {
    "features": FEATURE_COLUMNS,
    "scores": SCORE_COLUMNS,
    "customers": tuple(column.name for column in CUSTOMERS.columns if not column.personal),
    "web": WEB_COLUMNS,
    "support": ("open_complaints", "complaints_365d", "praises_365d"),
    "coupon_state": ("unused_coupons", "days_to_expiry", "days_since_issue", "days_since_use"),
    "answers": (),
    "seasons": ("order_days", "season", "lift", "years"),
    "places": ("people_per_km2", "climate"),
    "previous": ("stage", "activity", "predicted_tier", "segment", "days_ago"),
}


def is_known_column(table: str, column: str, available: Iterable[str] = ()) -> bool:
    """Tell whether a column may exist in a table: it is there now, or segml writes it when it can.

    Examples
    --------
    >>> is_known_column("features", "affinity_grocery"), is_known_column("features", "recencydays")
    (True, False)
    """
    if (
        table == "customers"
    ):  # contact data and columns outside the catalogue are never open to tags and audiences
        return column in KNOWN_COLUMNS[table]
    pattern = _PATTERNS.get(table)
    return (
        column in set(available)
        or column in KNOWN_COLUMNS.get(table, ())
        or bool(pattern and pattern.fullmatch(column))
    )


def known_references(available: Mapping[str, Iterable[str]] | None = None) -> list[str]:
    """Return every ``table.column`` that tags and audiences may name, sorted."""
    names = {f"{table}.{column}" for table, columns in KNOWN_COLUMNS.items() for column in columns}
    names |= {
        f"{table}.{column}"
        for table, columns in (available or {}).items()
        if table in KNOWN_COLUMNS and table != "customers"
        for column in columns
    }
    return sorted(names)
