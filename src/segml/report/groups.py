"""Tags, scores and features on disk -> one row a tag's value: people, money, and three medians a reader knows.

The engine does the counting; some dozens of rows come home. Money is added up in whole minor units, so that the sum
is the same in any order.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from segml.engine import Engine
from segml.report.facts import Group, Grouping

SEGMENT_TAGS = (
    "behavioural.segment",
    "behavioural.segment_mixture",
    "psychographic.interest_segment",
    "behavioural.rfm_name",
    "lifecycle.triad",
    "lifecycle.stage",
)
ACTIVITY_TAG, TIER_TAG = "lifecycle.activity", "value.predicted_tier"
REPORTED_TAGS = (*SEGMENT_TAGS, ACTIVITY_TAG, TIER_TAG)
_MINOR = 100
_MEDIANS = {"recency_days": "recency_days", "gap_days": "gap_median_days", "order_value": "order_value_mean"}
_ORDERED_VALUES = {
    ACTIVITY_TAG: ("active", "slipping", "at_risk", "dormant"),
    TIER_TAG: ("vip", "high", "middle", "low"),
    "lifecycle.triad": ("frequent", "sporadic", "dormant", "prospect"),
    "lifecycle.stage": ("prospect", "first_time", "repeat", "loyal", "reactivated", "slipping", "dormant"),
}


def groups_sql(
    scores: Collection[str], features: Collection[str], clv_days: int, tags: Sequence[str] = REPORTED_TAGS
) -> str:
    """Write the query: one row a tag and value of those asked for.

    Parameters
    ----------
    scores, features : collection of str
        Columns of the registered tables; a figure whose column is missing is null.
    clv_days : int
        Horizon of the CLV column.
    """
    names = ", ".join(f"'{tag}'" for tag in tags)
    figures = [
        _sum_sql("scores", "clv_historic", "spent", scores),
        _sum_sql("scores", f"clv_{clv_days}d", "expected", scores),
        *(_median_sql("features", column, name, features) for name, column in _MEDIANS.items()),
    ]
    return (
        "select concat(family, '.', tag) as tag, value, count(*) as people, "
        + ", ".join(figures)
        + " from tags left join scores on scores.customer_id = tags.customer_id"
        " left join features on features.customer_id = tags.customer_id"
        f" where concat(family, '.', tag) in ({names}) group by concat(family, '.', tag), value order by tag, value"
    )


def read_groups(engine: Engine, scores: Path, features: Path, tags: Path, clv_days: int) -> pd.DataFrame:
    """Return one row a tag and value: tag, value, people, spent, expected, recency_days, gap_days, order_value."""
    for name, place in (("scores", scores), ("features", features), ("tags", tags)):
        engine.register(name, place)
    sql = groups_sql(engine.columns("scores"), engine.columns("features"), clv_days)
    return engine.fetch(sql, 10_000)


def make_grouping(
    tag: str,
    rows: pd.DataFrame,
    criterion: str = "",
    unavailable: str = "",
    descriptions: Mapping[str, str] | None = None,
    actions: Mapping[str, str] | None = None,
) -> Grouping:
    """Turn the rows of one tag into its groups, with shares; values that have an order keep it, else largest first.

    Examples
    --------
    >>> rows = pd.DataFrame({"value": ["low", "vip"], "people": [30, 10], "spent": [100.0, 300.0]})
    >>> [(group.name, group.share, group.spent_share) for group in make_grouping(TIER_TAG, rows).groups]
    [('vip', 0.25, 0.75), ('low', 0.75, 0.25)]
    """
    if rows.empty:
        return Grouping(tag, criterion, (), unavailable or "nobody carries this tag")
    totals = {name: float(rows[name].sum()) for name in ("people", "spent", "expected") if name in rows}
    groups = [_group(row, totals, descriptions or {}, actions or {}) for row in rows.to_dict("records")]
    return Grouping(tag, criterion, tuple(sorted(groups, key=_order(tag))), "")


def _group(
    row: Mapping[Any, Any],
    totals: Mapping[str, float],
    descriptions: Mapping[str, str],
    actions: Mapping[str, str],
) -> Group:
    figures = {name: _known(row.get(name)) for name in ("spent", "expected", *_MEDIANS)}
    name, people = str(row["value"]), int(row["people"])
    return Group(
        name=name,
        people=people,
        share=people / totals["people"],
        spent_share=_share(figures["spent"], totals.get("spent")),
        expected_share=_share(figures["expected"], totals.get("expected")),
        description=descriptions.get(name, ""),
        action=actions.get(name, ""),
        **figures,
    )


def _order(tag: str) -> Any:
    known = _ORDERED_VALUES.get(tag, ())

    def place(group: Group) -> tuple[int, int, str]:
        at = known.index(group.name) if group.name in known else len(known)
        return at, -int(group.people), group.name

    return place


def _known(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _share(part: float | None, total: float | None) -> float | None:
    return part / total if part is not None and total and total > 0 else None


def _sum_sql(table: str, column: str, name: str, columns: Collection[str]) -> str:
    if column not in columns:
        return f"cast(null as double) as {name}"
    value = f"{table}.{column}"
    minor = f"case when isnan({value}) then null else cast(round({value} * {_MINOR}) as bigint) end"
    return f"cast(sum({minor}) as double) / {_MINOR} as {name}"


def _median_sql(table: str, column: str, name: str, columns: Collection[str]) -> str:
    if column not in columns:
        return f"cast(null as double) as {name}"
    value = f"{table}.{column}"
    return f"cast(median(case when isnan({value}) then null else {value} end) as double) as {name}"
