"""The personal rhythm: gaps between order days, and the present silence held against them.

Gaps are counted between *days* with an order, so that two baskets on one afternoon are not a gap of zero.
"""

from __future__ import annotations

from segml.features.definition import ORDERS, Feature, Group, day_of, ratio_sql, sum_of
from segml.time_windows import Cutoff


def gaps(cutoff: Cutoff) -> Group:
    """Mean, median, spread, longest and last gap, and recency over the median gap."""
    spread = (
        "case when gap_count > 1 then sqrt(cast(gap_count * gap_squares - gap_sum * gap_sum as double)"
        " / cast(gap_count * (gap_count - 1) as double)) end"
    )
    silence = f"cast({cutoff.seconds} - last_at as double) / 86400"
    return Group(
        "gaps",
        (
            Feature("gap_mean_days", ratio_sql("gap_sum", "gap_count"), "mean days between order days"),
            Feature("gap_median_days", "gap_median", "median days between order days"),
            Feature("gap_sd_days", spread, "standard deviation of the days between order days"),
            Feature("gap_max_days", "cast(gap_longest as double)", "longest gap between order days"),
            Feature("gap_last_days", "cast(gap_latest as double)", "gap before the last order day"),
            Feature(
                "gap_ratio",
                f"case when gap_median > 0 then ({silence}) / gap_median end",
                "days since the last order, over the own median gap",
            ),
        ),
        {
            ORDERS: {
                "last_at": "max(ordered_at)",
                "gap_count": "count(gap_days)",
                "gap_sum": f"cast({day_of('max(ordered_at)')} - {day_of('min(ordered_at)')} as bigint)",
                "gap_squares": sum_of("gap_days * gap_days"),
                "gap_median": "cast(median(gap_days) as double)",
                "gap_longest": "max(gap_days)",
                "gap_latest": "max_by(gap_days, order_no) filter (where gap_days is not null)",
            }
        },
    )
