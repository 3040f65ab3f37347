"""What became of each sending, over the whole list and by segment: counts, denominators, intervals.

One row a list, tag, value and event: what was sent, delivered, opened, clicked, answered, unsubscribed, complained
about, and who ordered for how much. An event that the log never holds is unavailable, not zero. Groups under the
minimum are suppressed. The held-out people of the same segment stand beside conversion and revenue.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from segml.engine import Engine
from segml.engine.rounding import rounded_money_sql
from segml.evaluation.money import TOO_FEW
from segml.evaluation.skewed_means import skewed_mean_interval, skewness
from segml.measurement.built import BuiltList
from segml.measurement.lift import Arm, newcombe_interval, wilson_interval
from segml.measurement.money import MINOR, lift_of_rows
from segml.measurement.people import EVENTS, HELD_OUT, PEOPLE, TREATED, arm_columns, has_log

MEASURED_TAGS = (
    *("behavioural.segment", "psychographic.interest_segment", "lifecycle.activity"),
    *("value.predicted_tier", "source.first_touch", "behavioural.rfm_name"),
)
SEGMENT_TAGS = (
    "behavioural.segment",
    "lifecycle.activity",
    "behavioural.rfm_name",
)  # the first that the day has, for the tidy table
EVERYBODY = "everybody"
DENOMINATORS = {
    "sent": "listed",
    "delivered": "sent",
    "open": "delivered",
    "machine_open": "delivered",
    "click": "delivered",
    "response": "delivered",
    "unsubscribe": "delivered",
    "complaint": "delivered",
    "bounce": "sent",
}
RESULT_COLUMNS = (
    *("campaign", "as_of", "tag", "value", "event", "people", "of", "denominator"),
    *("rate", "rate_low", "rate_high", "held_out", "held_out_rate"),
    *("difference", "difference_low", "difference_high", "complete", "note"),
)
RESPONSE_COLUMNS = (
    *("campaign", "as_of", "tag", "segment", "decile", "arm", "people", "buyers", "orders", "revenue_minor"),
    *EVENTS,
)
_TAGS = "measured_tags"


def register_tags(engine: Engine, tags: Path | None) -> list[str]:
    """Register the tags of a list's day, those that are measured; return their names, ``family.tag``."""
    engine.drop(_TAGS)
    if tags is None or not tags.exists():
        return []
    engine.register(_TAGS, tags)
    named = {tag: _tag_condition(tag) for tag in MEASURED_TAGS}
    found = engine.fetch(
        f"select distinct family, tag from {_TAGS} where {' or '.join(named.values())}", len(MEASURED_TAGS)
    )
    there = set(found["family"] + "." + found["tag"])
    if SEGMENT_TAGS[0] in there:  # the named cells of RFM stand in where nothing was learnt
        there.discard(SEGMENT_TAGS[-1])
    return [tag for tag in MEASURED_TAGS if tag in there]


def _tag_condition(name: str, table: str = _TAGS) -> str:
    family, tag = name.split(".")
    return f"({table}.family = '{family}' and {table}.tag = '{tag}')"


def known_events(engine: Engine) -> set[str]:
    """Return the kinds of event that the contact log holds at all."""
    if not has_log(engine):
        return set()
    return set(engine.fetch("select distinct event from email_events", 1_000)["event"].dropna())


def count_cells(engine: Engine, tags: Sequence[str]) -> pd.DataFrame:
    """Return totals of ``measured_people`` by tag, value, stratum (with its lowest score) and arm.

    Everybody comes once, and once more within each tag.

    Parameters
    ----------
    engine : Engine
    tags : sequence of str
        From `register_tags`.
    """
    return engine.fetch(_cells_sql(tags))


def count_money(engine: Engine, tags: Sequence[str]) -> pd.DataFrame:
    """Return people of ``measured_people`` by tag, value, arm and (rounded) amount; everybody once, then each tag."""
    return engine.fetch(_money_sql(tags))


def result_rows(
    cells: pd.DataFrame,
    money: pd.DataFrame,
    built: BuiltList,
    tags: Sequence[str],
    events: set[str],
    minimum_cell: int,
    complete: bool,
) -> list[dict[str, Any]]:
    """Return the rows of one list.

    Parameters
    ----------
    cells : DataFrame
        From `count_cells`.
    money : DataFrame
        From `count_money`.
    built : BuiltList
    tags : sequence of str
        From `register_tags`.
    events : set of str
        From `known_events`.
    minimum_cell : int
        Rates over fewer people are suppressed (NaN).
    complete : bool
        Whether the window has closed; the rows of an open one count what is known so far.

    Returns
    -------
    list of dict
        Keys are `RESULT_COLUMNS`. `people` are distinct people with the event; `rate` is their share of
        `denominator` people (Wilson's interval), or for ``revenue`` the mean per listed person in major units, with
        an interval where there are enough people for so skewed an amount and the window has closed.
    """
    everybody = money[(money["tag"] == EVERYBODY) & (money["arm"] == TREATED)]
    pooled = _skewness(everybody)
    spent = {
        (str(tag), str(value)): group for (tag, value), group in money.groupby(["tag", "value"], sort=False)
    }
    counts = cells.drop(columns=["stratum", "least"]).groupby(["tag", "value", "arm"], as_index=False).sum()
    rows = []
    for (tag, value), group in counts.groupby(["tag", "value"], sort=True):
        arms = {str(row["arm"]): row for row in group.to_dict("records")}
        if TREATED in arms:
            head = {"campaign": built.campaign, "as_of": built.as_of.label, "tag": tag, "value": value}
            own = spent[str(tag), str(value)] if complete else money[:0]
            found = _rows(arms[TREATED], arms.get(HELD_OUT), own, pooled, events, minimum_cell)
            rows += [{**head, **row, "complete": complete} for row in found]
    order = {name: place for place, name in enumerate((EVERYBODY, *tags))}
    return sorted(rows, key=lambda row: order[row["tag"]])


def contacts_of(results: pd.DataFrame) -> pd.DataFrame:
    """Return the rows about what was sent, over whole lists; a list whose log names no sending has none."""
    whole = results[(results["tag"] == EVERYBODY) & results["event"].isin(DENOMINATORS)]
    sent = whole[(whole["event"] == "sent") & (whole["people"] > 0)][["campaign", "as_of"]]
    kept = whole.merge(sent, on=["campaign", "as_of"])
    columns = ("campaign", "as_of", "event", "people", "of", "denominator", "rate", "rate_low", "rate_high")
    return kept[[*columns, "complete", "note"]].reset_index(drop=True)


def response_rows(cells: pd.DataFrame, built: BuiltList, tags: Sequence[str]) -> pd.DataFrame:
    """Return counts of one list by segment, tenth of the score and arm: a working table for models, not a report.

    Counts are exact, as beside the list itself; whoever shows them suppresses small groups. People without a segment
    have an empty one.
    """
    tag = next((name for name in SEGMENT_TAGS if name in tags), "")
    keys, counted = ["value", "stratum", "arm"], ["people", "buyers", "orders", "revenue", *EVENTS]
    named = cells[cells["tag"] == tag].set_index(keys)[counted]
    everybody = cells[cells["tag"] == EVERYBODY].set_index(keys)[counted]
    told = named.groupby(level=["stratum", "arm"]).sum()
    told.index = pd.MultiIndex.from_tuples([("", *key) for key in told.index], names=keys)
    rest = everybody.subtract(told, fill_value=0) if len(named) else everybody
    frame = pd.concat([named, rest[rest["people"] > 0]]).astype("int64").sort_index().reset_index()
    frame = frame.rename(columns={"value": "segment", "stratum": "decile", "revenue": "revenue_minor"})
    return frame.assign(campaign=built.campaign, as_of=built.as_of.label, tag=tag)[list(RESPONSE_COLUMNS)]


def _cells_sql(tags: Sequence[str]) -> str:
    sums = [f"cast(sum({name}) as bigint) as {name}" for name in ("orders", *EVENTS)]
    columns = f"stratum, arm, min(score) as least, {arm_columns()}, {', '.join(sums)}"
    query = f"select '{EVERYBODY}' as tag, '' as value, {columns} from {PEOPLE} group by stratum, arm"
    if tags:
        query += (
            f" union all select concat(family, '.', tag) as tag, value, {columns} from (select t.family as family,"
            f" t.tag as tag, t.value as value, p.* from {_TAGS} t join {PEOPLE} p on p.customer_id = t.customer_id"
            f" where {' or '.join(_tag_condition(tag, 't') for tag in tags)}) tagged"
            " group by family, tag, value, stratum, arm"
        )
    return f"select * from ({query}) counted order by tag, value, stratum, arm"


def _money_sql(tags: Sequence[str]) -> str:
    amount = f"{rounded_money_sql('revenue')} as amount"
    some = f"arm in ('{TREATED}', '{HELD_OUT}')"
    query = f"select '{EVERYBODY}' as tag, '' as value, arm, {amount} from {PEOPLE} where {some}"
    if tags:
        query += (
            f" union all select concat(t.family, '.', t.tag) as tag, t.value as value, p.arm as arm, {amount}"
            f" from {_TAGS} t join {PEOPLE} p on p.customer_id = t.customer_id"
            f" where {some} and ({' or '.join(_tag_condition(tag, 't') for tag in tags)})"
        )
    keys = "tag, value, arm, amount"
    return f"select {keys}, count(*) as people from ({query}) rounded group by {keys} order by {keys}"


def _skewness(money: pd.DataFrame) -> float:
    amount, people = (money[name].to_numpy(dtype=float) for name in ("amount", "people"))
    return skewness(amount, people) if len(money) else math.nan


def _rows(
    treated: Mapping[Any, Any],
    control: Mapping[Any, Any] | None,
    money: pd.DataFrame,
    pooled: float,
    events: set[str],
    minimum_cell: int,
) -> list[dict[str, Any]]:
    people = {"listed": int(treated["people"]), **{event: int(treated[event]) for event in EVENTS}}
    if "delivered" not in events:  # many tools report only what was sent
        people["delivered"] = people["sent"]
    rows = [_event_row(event, people, events, minimum_cell) for event in DENOMINATORS]
    return [*rows, *_earned_rows(treated, control, money, pooled, minimum_cell)]


def _event_row(event: str, people: dict[str, int], events: set[str], minimum_cell: int) -> dict[str, Any]:
    of = DENOMINATORS[event]
    row: dict[str, Any] = {"event": event, "of": of, "note": _note(event, events)}
    known = event in events or (event == "delivered" and "sent" in events)
    if not known or people[of] < max(minimum_cell, 1):
        return row
    low, high = wilson_interval(min(people[event], people[of]), people[of])
    return row | {
        "people": people[event],
        "denominator": people[of],
        "rate": people[event] / people[of],
        "rate_low": low,
        "rate_high": high,
    }


def _note(event: str, events: set[str]) -> str:
    if event == "open" and "open" in events and "machine_open" not in events:
        return "the log does not tell opens by machines apart"
    if event == "delivered" and event not in events and "sent" in events:
        return "the log does not tell: counted as sent"
    return "" if event in events else "unavailable: the log holds no such event"


def _earned_rows(
    treated: Mapping[Any, Any],
    control: Mapping[Any, Any] | None,
    money: pd.DataFrame,
    pooled: float,
    minimum_cell: int,
) -> list[dict[str, Any]]:
    """Conversion and revenue of the listed, with the held out beside them where there are enough of both."""
    one = arm_of(treated)
    if one.people < minimum_cell:
        return [{"event": event, "of": "listed", "note": ""} for event in ("conversion", "revenue")]
    base = {"of": "listed", "people": one.buyers, "denominator": one.people, "note": ""}
    low, high = wilson_interval(one.buyers, one.people)
    conversion = {**base, "event": "conversion", "rate": one.rate, "rate_low": low, "rate_high": high}
    revenue = {**base, "event": "revenue", "rate": one.mean / MINOR}
    if len(money):  # an open window is read again and again: no interval of money holds at every look
        own = _skewness(money[money["arm"] == TREATED])
        low, high = skewed_mean_interval(one.mean, one.variance, one.people, own, pooled)
        revenue |= {"rate_low": low / MINOR, "rate_high": high / MINOR}
    two = arm_of(control) if control else Arm(0, 0, 0, 0.0)
    if two.people >= max(minimum_cell, 1):
        interval = newcombe_interval(one, two)
        conversion |= _beside(two.people, two.rate, one.rate - two.rate, interval)
        difference = one.mean - two.mean
        interval, note = (math.nan, math.nan), ""
        if len(money):
            lift = lift_of_rows(money, difference)
            interval, note = (lift.low, lift.high), TOO_FEW if lift.verdict == "too_few" else ""
        revenue |= _beside(two.people, two.mean / MINOR, difference / MINOR, interval) | {"note": note}
    return [conversion, revenue]


def _beside(people: int, rate: float, difference: float, interval: tuple[float, float]) -> dict[str, float]:
    return {
        "held_out": people,
        "held_out_rate": rate,
        "difference": difference,
        "difference_low": interval[0],
        "difference_high": interval[1],
    }


def arm_of(row: Mapping[Any, Any]) -> Arm:
    """Return the totals of an arm from a row of `arm_columns`."""
    squares = float(row["squares"])
    return Arm(
        int(row["people"]), int(row["buyers"]), int(row["revenue"]), 0.0 if math.isnan(squares) else squares
    )
