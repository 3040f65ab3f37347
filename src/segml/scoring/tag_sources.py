"""Tables that tags read beside features and scores: web, helpdesk, surveys, seasons, places, and the last run's tags.

Each is one row a person as of the day scored, made from the raw events before it. A table the company does not have
is simply not there, and the tags that need it say so.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from segml.engine import Engine
from segml.scoring.places import register_places
from segml.scoring.seasons import register_seasons
from segml.tables.partition import read_manifest
from segml.time_windows import SECONDS_PER_DAY, Cutoff

BEHIND = {
    "web": "web_events",
    "support": "support_tickets",
    "coupon_state": "coupons",
    "answers": "surveys",
    "seasons": "of order days over a whole year",
    "places": "of places: `places` in the configuration names a list of postcodes, and customers have a postcode",
}
"""Which table stands behind each of these; for the reason when it is missing."""

_ITEM = re.compile(r"[a-z][a-z0-9_]{0,60}")
_MOST_ITEMS = 300
_EVENTS = {"visit": "visit", "search": "search", "view": "browse", "cart_add": "cart", "checkout": "checkout"}


def register_tag_sources(
    engine: Engine, as_of: Cutoff, previous: Path | None = None, places: pd.DataFrame | None = None
) -> list[str]:
    """Make the tables of `BEHIND`, and ``previous``, readable as far as what they are made of exists.

    Parameters
    ----------
    engine : Engine
        With the validated tables registered.
    as_of : Cutoff
        Only events before it are read.
    previous : Path, optional
        Tag partition of an earlier day (`previous_partition`).
    places : DataFrame, optional
        What is known of postcodes (`segml.scoring.places.load_places`).

    Returns
    -------
    list of str
        The names registered.
    """
    queries = {}
    if engine.exists("web_events"):
        queries["web"] = web_sql(as_of, engine.columns("web_events"))
    # without a kind nothing is a complaint, and without an end none is known to be over
    if engine.exists("support_tickets") and {"kind", "closed_at"} <= {*engine.columns("support_tickets")}:
        queries["support"] = support_sql(as_of)
    if engine.exists("coupons"):
        queries["coupon_state"] = coupon_sql(as_of, engine.columns("coupons"))
    if engine.exists("surveys"):
        items = _items(engine, as_of)
        if items:
            queries["answers"] = answers_sql(as_of, items)
    if previous is not None:
        engine.register("previous_tags", previous / "tags.parquet")
        queries["previous"] = previous_sql(as_of, previous)
    for name in (*BEHIND, "previous"):
        engine.drop(name)
    for name, sql in queries.items():
        engine.run(sql, name)
    found = list(queries)
    if engine.exists("orders") and register_seasons(engine, as_of):
        found.append("seasons")
    if places is not None and register_places(engine, places):
        found.append("places")
    return found


def previous_partition(folder: Path, as_of: Cutoff) -> Path | None:
    """Return the latest partition ``as_of=<day>`` before a day, or None.

    Parameters
    ----------
    folder : Path
        ``data/tags/<base>`` or ``data/scores/<base>``.
    """
    days = {place.name.removeprefix("as_of="): place for place in folder.glob("as_of=*") if place.is_dir()}
    earlier = [day for day in sorted(days) if day < as_of.label and read_manifest(days[day]) is not None]
    return days[earlier[-1]] if earlier else None


def web_sql(as_of: Cutoff, columns: Collection[str]) -> str:
    """One row a visitor: days since each kind of event, an open cart, and as far as there are columns of these names,
    the last category looked at and the last source.
    """
    days = [f"{_days_since(as_of, f'last_{event}')} as days_since_{event}" for event in _EVENTS.values()]
    last = [
        f"max(case when event = '{event}' then occurred_at end) as last_{name}"
        for event, name in _EVENTS.items()
    ]
    looked = "event in ('view', 'cart_add') and category is not null"
    seen = "cast(null as string)"
    if "category" in columns:
        seen = f"{_last_text('category', 'occurred_at')} filter (where {looked})"
    touched = f"{_last_text('source', 'occurred_at')} filter (where source is not null)"
    source = (f", {touched} as last_source", ", last_source") if "source" in columns else ("", "")
    bought = "greatest(coalesce(last_checkout, 0), coalesce(last_order, 0))"
    return (
        f"select by_person.customer_id, {', '.join(days)},"
        f" {_days_since(as_of, 'last_event')} as days_since_any,"
        f" case when last_cart > {bought} then {_days_since(as_of, 'last_cart')} end as cart_open_days,"
        f" last_category{source[1]} from ("
        f"select customer_id, {', '.join(last)}, max(occurred_at) as last_event, {seen} as last_category{source[0]}"
        f" from web_events where occurred_at < {as_of.seconds} group by customer_id) by_person left join ("
        f"select customer_id, max(ordered_at) as last_order from orders where ordered_at < {as_of.seconds}"
        " group by customer_id) bought on bought.customer_id = by_person.customer_id"
    )


def _last_text(text: str, moment: str) -> str:
    """The latest text; of two within a second the later in the alphabet, so that the order of rows decides nothing."""
    return f"max_by({text}, concat(lpad(cast({moment} as string), 12, '0'), cast({text} as string)))"


def support_sql(as_of: Cutoff) -> str:
    """One row a person with tickets: open complaints, complaints and praise of a year."""
    year = as_of.seconds - 365 * SECONDS_PER_DAY
    still = f"kind = 'complaint' and (closed_at is null or closed_at >= {as_of.seconds})"
    return (
        f"select customer_id, {_count(still)} as open_complaints,"
        f" {_count(f'kind = {chr(39)}complaint{chr(39)} and opened_at >= {year}')} as complaints_365d,"
        f" {_count(f'kind = {chr(39)}praise{chr(39)} and opened_at >= {year}')} as praises_365d"
        f" from support_tickets where opened_at < {as_of.seconds} group by customer_id"
    )


def coupon_sql(as_of: Cutoff, columns: Sequence[str]) -> str:
    """One row a person who ever got a coupon: how many can still be used, and when the first of them ends.

    A coupon that was used at or after the day is not used yet; one without an end never lapses.
    """
    until = as_of.seconds
    valid = f"(expires_at is null or expires_at >= {until})" if "expires_at" in columns else "true"
    used = "redeemed_at" if "redeemed_at" in columns else "cast(null as bigint)"
    ends = "expires_at" if "expires_at" in columns else "cast(null as bigint)"
    unused = f"{valid} and ({used} is null or {used} >= {until})"
    return (
        f"select customer_id, {_count(unused)} as unused_coupons,"
        f" cast(min(case when {unused} then {ends} end) - {until} as double) / {SECONDS_PER_DAY} as days_to_expiry,"
        f" {_days_since(as_of, 'max(issued_at)')} as days_since_issue,"
        f" {_days_since(as_of, f'max(case when {used} < {until} then {used} end)')} as days_since_use"
        f" from coupons where issued_at < {until} group by customer_id"
    )


def answers_sql(as_of: Cutoff, items: list[str]) -> str:
    """One row a respondent and one column a survey item: the last answer given."""
    columns = [
        f"max_by(answer, answered_at) filter (where item = '{item}' and answer is not null) as {item}"
        for item in items
    ]
    return (
        f"select customer_id, {', '.join(columns)} from surveys where answered_at < {as_of.seconds}"
        " group by customer_id"
    )


def previous_sql(as_of: Cutoff, partition: Path) -> str:
    """One row a person the last run knew: stage, activity, tier and segment of that day, and how long ago it was."""
    wanted = {
        "stage": ("lifecycle", "stage"),
        "activity": ("lifecycle", "activity"),
        "predicted_tier": ("value", "predicted_tier"),
        "segment": ("behavioural", "segment"),
    }
    columns = [
        f"max(case when family = '{family}' and tag = '{tag}' then value end) as {name}"
        for name, (family, tag) in wanted.items()
    ]
    days = (as_of.seconds - Cutoff.parse(partition.name.removeprefix("as_of=")).seconds) // SECONDS_PER_DAY
    return (
        f"select customer_id, {', '.join(columns)}, cast({days} as double) as days_ago"
        " from previous_tags group by customer_id"
    )


def _items(engine: Engine, as_of: Cutoff) -> list[str]:
    found = engine.fetch(
        f"select distinct item from surveys where answered_at < {as_of.seconds} order by item", 10_000
    )
    return [item for item in found["item"] if _ITEM.fullmatch(item)][:_MOST_ITEMS]


def _days_since(as_of: Cutoff, column: str) -> str:
    return f"cast({as_of.seconds} - {column} as double) / {SECONDS_PER_DAY}"


def _count(condition: str) -> str:
    return f"cast(sum(case when {condition} then 1 else 0 end) as double)"
