"""The words a marketer would use for a feature that is high or low in a segment.

Data, so that a name can be changed without touching code. `axis` groups features that say the same thing: a name
takes at most one word from each axis. `place` says where the word stands: before the noun, or after it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class FeatureWords:
    """How a feature is spoken about; an empty word is never used."""

    axis: str
    high: str
    low: str
    place: Literal["before", "after"] = "before"


_VALUE = FeatureWords("value", "high-value", "low-value")
_FREQUENCY = FeatureWords("frequency", "frequent", "occasional")
_TREND = FeatureWords("trend", "growing", "fading")
_BREADTH = FeatureWords("breadth", "broad-range", "narrow-range")

WORDS: dict[str, FeatureWords] = {
    "recency_days": FeatureWords("recency", "silent long", "here recently", "after"),
    "tenure_days": FeatureWords("tenure", "long-standing", "new"),
    "age_days": FeatureWords("tenure", "long-standing", "new"),
    "first_to_last_days": FeatureWords("tenure", "long-standing", "short-lived"),
    "repeat_orders": _FREQUENCY,
    "orders_total": _FREQUENCY,
    "active_days_total": _FREQUENCY,
    "spend_total": _VALUE,
    "order_value_mean": FeatureWords("basket", "big-basket", "small-basket"),
    "order_value_max": FeatureWords("basket", "big-basket", "small-basket"),
    "gap_mean_days": FeatureWords("rhythm", "with long pauses", "with a quick rhythm", "after"),
    "gap_median_days": FeatureWords("rhythm", "with long pauses", "with a quick rhythm", "after"),
    "gap_sd_days": FeatureWords("regularity", "irregular", "regular"),
    "gap_ratio": FeatureWords("recency", "overdue", "on rhythm", "after"),
    "categories_total": _BREADTH,
    "categories_90d": _BREADTH,
    "products_total": _BREADTH,
    "stores_total": FeatureWords("stores", "multi-store", "one-store"),
    "lines_per_order": FeatureWords("basket", "full-basket", "few-item"),
    "discount_share": FeatureWords("discount", "discount-led", "full-price"),
    "coupon_share": FeatureWords("discount", "coupon-led", ""),
    "weekend_share": FeatureWords("day", "weekend", "weekday"),
    "morning_share": FeatureWords("hour", "morning", ""),
    "afternoon_share": FeatureWords("hour", "afternoon", ""),
    "evening_share": FeatureWords("hour", "evening", ""),
    "night_share": FeatureWords("hour", "night-time", ""),
    "returned_share": FeatureWords("returns", "who send much back", "who keep what they buy", "after"),
    "response_rate_365d": FeatureWords("response", "who answer campaigns", "who ignore campaigns", "after"),
}

_WINDOWED = (
    (re.compile(r"orders_trend_\d+d|spend_trend_\d+d"), _TREND),
    (re.compile(r"orders_\d+d"), _FREQUENCY),
    (re.compile(r"spend_\d+d"), _VALUE),
)


SPOKEN_WORDS = (*WORDS.values(), *(words for _, words in _WINDOWED))
"""Every entry of the dictionary, for questions about the words themselves."""


def words_for(feature: str) -> FeatureWords:
    """Words of a feature; for one that nobody has named, "high" or "low" and the column's own name.

    Examples
    --------
    >>> words_for("spend_90d").high, words_for("affinity_wine").high, words_for("shoe_size").low
    ('high-value', 'fond of wine', 'low on shoe size')
    """
    if feature in WORDS:
        return WORDS[feature]
    for pattern, words in _WINDOWED:
        if pattern.fullmatch(feature):
            return words
    spoken = feature.replace("_", " ")
    if feature.startswith("affinity_"):
        category = spoken.removeprefix("affinity ")
        return FeatureWords(feature, f"fond of {category}", f"who buy little {category}", "after")
    return FeatureWords(feature, f"high on {spoken}", f"low on {spoken}", "after")
