"""Columns of the tables that segml itself writes beside features: scores, and what tags read beside them.

What people may write in tags and campaigns is these and the features (`segml.features.known_columns`).
"""

from __future__ import annotations

from segml.tables.catalog import CUSTOMERS

UPLIFT_PREFIX = "uplift_"  # of the column, and of the task, of each campaign whose increments are known
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
WEB_COLUMNS = (
    *(f"days_since_{what}" for what in ("visit", "search", "browse", "cart", "checkout", "any")),
    *("cart_open_days", "last_category", "last_source"),
)
KNOWN_COLUMNS: dict[str, tuple[str, ...]] = {
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
