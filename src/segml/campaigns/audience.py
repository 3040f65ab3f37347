"""An audience as SQL: conditions, the percentiles they need, and tags laid side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from segml.campaigns.catalogue import Campaign, Condition
from segml.campaigns.triggers import trigger_missing
from segml.engine import Engine
from segml.engine.quantiles import quantile_sql

Limits = dict[tuple[str, float], float | None]
_SIGNS = {"at_least": ">=", "at_most": "<=", "above": ">", "below": "<"}
_TEXT_TABLES = ("customers",)


def learn_limits(
    engine: Engine, campaigns: Sequence[Campaign], available: Mapping[str, Iterable[str]]
) -> Limits:
    """Return (column, percentile) -> the value there, over the buyers whose value is known.

    Prospects are left out: on a base with many of them every percentile of `orders_total` would be 0.
    """
    limits: Limits = {}
    for campaign in campaigns:
        for condition in campaign.conditions:
            table, _, column = condition.column.partition(".")
            for percentile in condition.percentiles:
                key = (condition.column, percentile)
                if key in limits or column not in set(available.get(table, ())):
                    continue
                buyers = "orders_total > 0" if "orders_total" in set(available[table]) else ""
                value = engine.value(quantile_sql(column, table, percentile / 100, buyers))
                limits[key] = None if value is None else float(value)
    return limits


def unavailable_reason(
    campaign: Campaign, available: Mapping[str, Iterable[str]], tags: Iterable[str]
) -> str:
    """Say which columns or tags of a campaign are not there; empty when it can be built."""
    there = {f"{table}.{column}" for table, columns in available.items() for column in columns}
    missing = [column for column in campaign.columns if column not in there]
    known = set(tags)
    missing += [f"tag {tag}" for tag in campaign.tags if tag not in known]
    if campaign.trigger:
        lacking = trigger_missing(campaign.trigger, available, "tags" in available)
        missing += [lacking] * bool(lacking)
    return "missing: " + ", ".join(missing) if missing else ""


def audience_sql(campaign: Campaign, limits: Limits, tag_columns: Mapping[str, str]) -> str:
    """Return one SQL condition for the whole audience; never null."""
    parts = [either_sql(condition, limits, tag_columns) for condition in campaign.audience]
    parts += ["list_trigger.event_key is not null"] * (campaign.trigger is not None)
    return "(" + " and ".join(parts) + ")"


def tags_side_by_side_sql(columns: Mapping[str, str]) -> str:
    """Return a query with one row a person and one column a tag, from the long table ``tags``."""
    chosen = ", ".join(
        f"max(value) filter (where family = {literal(name.partition('.')[0])}"
        f" and tag = {literal(name.partition('.')[2])}) as {column}"
        for name, column in columns.items()
    )
    wanted = ", ".join(sorted({literal(name.partition(".")[2]) for name in columns}))
    return f"select customer_id, {chosen} from tags where tag in ({wanted}) group by customer_id"


def literal(value: Any) -> str:
    """Return an SQL literal: text quoted, numbers as doubles, truth as true or false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"cast({value!r} as double)"
    return "'" + str(value).replace("'", "''") + "'"


def either_sql(condition: Condition, limits: Limits, tag_columns: Mapping[str, str]) -> str:
    """Return one condition as SQL: any of its parts."""
    parts = [condition_sql(part, limits, tag_columns) for part in condition.parts]
    return "(" + " or ".join(parts) + ")"


def subject_sql(condition: Condition, tag_columns: Mapping[str, str]) -> str:
    """Return the SQL expression of what a condition is about."""
    if condition.attempts_of:
        return f"coalesce(attempts_of_{condition.attempts_of}.attempts, 0)"
    return f"list_tags.{tag_columns[condition.tag]}" if condition.tag else condition.column


def condition_sql(condition: Condition, limits: Limits, tag_columns: Mapping[str, str]) -> str:
    """Return a single condition as SQL; never null."""
    text = bool(condition.tag) or condition.column.partition(".")[0] in _TEXT_TABLES
    subject = subject_sql(condition, tag_columns)
    operator = condition.operator
    if operator in ("missing", "known"):
        return f"{subject} is {'not ' if operator == 'known' else ''}null"
    if operator in ("is", "in", "not_in"):
        values = condition.value if isinstance(condition.value, (list, tuple)) else [condition.value]
        return _membership_sql(subject, values, operator == "not_in", text)
    bounds = condition_bounds(condition, limits)
    if any(bound is None for bound in bounds):
        return "false"
    if text:
        subject = f"try_cast({subject} as double)"
    if operator == "between":
        sql = f"{subject} >= {literal(bounds[0])} and {subject} <= {literal(bounds[1])}"
    else:
        sql = f"{subject} {_SIGNS[operator]} {literal(bounds[0])}"
    return f"coalesce({sql}, false)"


def condition_bounds(condition: Condition, limits: Limits) -> list[Any]:
    """Return what a comparison compares with: its values, or the learnt values at its percentiles."""
    if condition.percentile is not None:
        return [limits.get((condition.column, percentile)) for percentile in condition.percentiles]
    return list(condition.value) if isinstance(condition.value, (list, tuple)) else [condition.value]


def _membership_sql(subject: str, values: Sequence[Any], negated: bool, text: bool) -> str:
    as_text = text or any(isinstance(value, str) for value in values)
    compared = f"cast({subject} as string)" if as_text else subject
    listed = ", ".join(literal(str(value) if as_text else value) for value in values)
    if negated:
        return f"coalesce({compared} not in ({listed}), true)"
    return f"coalesce({compared} in ({listed}), false)"
