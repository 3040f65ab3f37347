"""When to send: the hour and the weekday at which a segment reads its mail, and a person who clicks often.

Opens and clicks by e-mail before the cutoff are counted in the engine; a table of segments by hour comes home. A
segment's shares are shrunk to those of the base, a person's to those of the segment, each by a concentration fitted
to how much they really differ (`segml.models.dirichlet`). Mail programs open mail by themselves: machine opens never
count, and where the log does not tell them apart (no `machine_open` in it) no open does, unless the settings say so.

People react when they are written to, so an hour at which nobody was ever mailed is hardly ever found: it is when this
base answered what it was sent, no experiment. Hours and weekdays are those of the base's own clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from segml.config import ListSettings
from segml.engine import Engine
from segml.models.dirichlet import fit_concentration, shrunken_shares
from segml.time_windows import SECONDS_PER_DAY, Cutoff

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SEGMENT = "segment_behavioural_id"
PEOPLE, SEGMENTS = "list_send_people", "list_send_segments"
_REACTIONS, _COUNTS, _LARGE = "list_reactions", "list_reaction_counts", 1_000_000
_LEAST_EVENTS = 100


@dataclass(frozen=True)
class SendTimes:
    """When to send on this day's lists.

    Attributes
    ----------
    reason : str
        Why there is none; empty when there is one.
    base : dict of str to int
        `hour` (0-23) and `weekday` (1 Monday to 7 Sunday) of the whole base.
    segments : tuple of dict
        segment, people, events, hour, weekday; a segment of fewer people than the minimum cell is at the base's.
    concentration : dict of str to float
        Events that the base counts as against a segment's (`segment_hour` ...), a segment against a person's clicks.
    people : int
        People with an hour and a weekday of their own.
    """

    reason: str = "not looked for"
    base: Mapping[str, int] = field(default_factory=dict)
    segments: tuple[Mapping[str, str | int], ...] = ()
    concentration: Mapping[str, float] = field(default_factory=dict)
    people: int = 0

    @property
    def text(self) -> str:
        """Say it in one line."""
        if self.reason:
            return f"send hour and weekday: {self.reason}"
        other = sum(
            (s["hour"], s["weekday"]) != (self.base["hour"], self.base["weekday"]) for s in self.segments
        )
        return (
            f"send hour {self.base['hour']}:00 on {_WEEKDAYS[self.base['weekday'] - 1]} for the base; {other} of"
            f" {len(self.segments)} segments and {self.people:,} people have a time of their own"
        )


NOT_LOOKED_FOR = SendTimes()


def find_send_times(
    engine: Engine, available: Mapping[str, Collection[str]], settings: ListSettings, as_of: Cutoff
) -> SendTimes:
    """Make ``list_send_segments`` and ``list_send_people``; nothing is made, and the reason told, without reactions."""
    rule = settings.send_time
    if "email_events" not in available:
        return SendTimes("unavailable, there is no email_events table")
    segmented = SEGMENT in available.get("scores", ())
    try:
        told = _count_reactions(engine, available, settings, as_of, segmented)
        reason = _too_little(engine, settings, told)
        if reason:
            return SendTimes(reason)
        of_segments, of_people = [], []
        concentration: dict[str, float] = {}
        for unit, places in (("hour", range(rule.hours[0], rule.hours[1] + 1)), ("weekday", range(1, 8))):
            counts, whole, k = _segment_counts(engine, unit, list(places), settings.minimum_cell)
            shares = shrunken_shares(counts.to_numpy(), whole, k)
            person, own = _person_concentration(engine, unit, counts.index.tolist(), list(places), shares)
            concentration |= {f"segment_{unit}": round(k, 3), f"person_{unit}": round(own, 3)}
            of_segments.append(_best(counts.index.tolist(), list(places), shares, unit))
            engine.register(f"list_prior_{unit}", person)
            of_people.append(_person_sql(unit, rule.minimum_clicks))
        engine.run(_joined_sql(*of_people), PEOPLE)
        table = of_segments[0].merge(of_segments[1], on="segment")
        engine.register(SEGMENTS, table)
        return _told(engine, table, concentration)
    finally:
        for name in (_REACTIONS, _COUNTS, "list_prior_hour", "list_prior_weekday"):
            engine.drop(name)


def send_time_sql(people: str, segment: str, unit: str) -> str:
    """Return SQL for the hour or weekday of a row: the person's own, the segment's, or the base's."""
    base = f"(select max({unit}) from {SEGMENTS} where segment = '')"
    return f"cast(coalesce({people}.{unit}, {segment}.{unit}, {base}) as int) as send_{unit}"


def _count_reactions(
    engine: Engine,
    available: Mapping[str, Collection[str]],
    settings: ListSettings,
    as_of: Cutoff,
    segmented: bool,
) -> bool:
    """Keep the reactions of the window, one row each; tell whether opens count."""
    rule = settings.send_time
    columns = available["email_events"]
    channel = "coalesce(nullif(trim(channel), ''), 'email') = 'email'" if "channel" in columns else "true"
    window = f"occurred_at < {as_of.seconds} and occurred_at >= {as_of.seconds - rule.window_days * SECONDS_PER_DAY}"
    machine = engine.value(
        f"select count(*) from email_events where event = 'machine_open' and {channel} and {window}"
    )
    opens = bool(machine) if rule.count_opens is None else rule.count_opens
    kinds = "('open', 'click')" if opens else "('click')"
    segment = f"coalesce(cast(s.{SEGMENT} as string), '')" if segmented else "''"
    join = " left join scores s on s.customer_id = e.customer_id" if segmented else ""
    second = f"(e.occurred_at % {SECONDS_PER_DAY})"
    day = f"cast(floor(cast(e.occurred_at as double) / {SECONDS_PER_DAY}) as bigint)"
    moments = (
        f"select e.customer_id as customer_id, {segment} as segment, e.event as event, {second} as second,"
        f" cast(floor(cast({second} as double) / 3600) as int) as hour,"
        f" cast(({day} + 3) % 7 + 1 as int) as weekday from"
        f" (select * from email_events where event in {kinds} and {channel} and {window}) e{join}"
    )
    low, high = rule.hours
    engine.run(f"select * from ({moments}) moments where hour >= {low} and hour <= {high}", _REACTIONS)
    return opens


def _too_little(engine: Engine, settings: ListSettings, opens: bool) -> str:
    row = engine.fetch(
        "select count(*) as events, count(distinct customer_id) as people, count(distinct second) as seconds"
        f" from {_REACTIONS}"
    ).iloc[0]
    what = "opens and clicks" if opens else "clicks (opens are not told apart from those of machines)"
    if row["events"] < _LEAST_EVENTS or row["people"] < settings.minimum_cell:
        return (
            f"unavailable, {int(row['events']):,} {what} by e-mail in the last {settings.send_time.window_days} days;"
            f" it takes {_LEAST_EVENTS} of {settings.minimum_cell} people"
        )
    return "unavailable, reactions carry dates without a time of day" if row["seconds"] <= 1 else ""


def _segment_counts(
    engine: Engine, unit: str, places: list[int], minimum: int
) -> tuple[pd.DataFrame, np.ndarray, float]:
    """Return counts by segment and place ('' is the base), the base's shares, and the segments' concentration."""
    rows = engine.fetch(
        f"select segment, {unit} as place, count(*) as events from {_REACTIONS} group by segment, {unit}"
    )
    people = engine.fetch(
        f"select segment, count(distinct customer_id) as people from {_REACTIONS} group by segment"
    )
    table = rows.pivot_table("events", "segment", "place", fill_value=0).reindex(columns=places, fill_value=0)
    whole = (table.sum().to_numpy(dtype=float) + 1) / (table.to_numpy().sum() + len(places))
    large = people.loc[(people["people"] >= minimum) & (people["segment"] != ""), "segment"]
    table = table.loc[sorted(set(large) & set(table.index))].astype(float)
    n = table.to_numpy()
    row, column = np.nonzero(n)
    alone = len(n) < 2  # one segment is the base: nothing tells how far segments differ
    totals = [] if alone else n.sum(axis=1)
    k = fit_concentration(n[row, column], whole[column], np.ones(len(row)), totals, np.ones(len(totals)))
    base = pd.DataFrame([np.zeros(len(places))], index=[""], columns=table.columns)
    return pd.concat([base, table]), whole, k


def _person_concentration(
    engine: Engine, unit: str, segments: list[str], places: list[int], shares: np.ndarray
) -> tuple[pd.DataFrame, float]:
    """Return what a segment's place counts as against a person's clicks there, and the concentration behind it."""
    own = f"select customer_id, segment, {unit} as place, count(*) as clicks from {_REACTIONS} where event = 'click'"
    own += f" group by customer_id, segment, {unit}"
    cells = engine.fetch(
        f"select segment, place, clicks, count(*) as people from ({own}) own group by segment, place, clicks"
        " order by segment, place, clicks"
    )
    totals = engine.fetch(
        "select clicks, count(*) as people from (select customer_id, sum(clicks) as clicks"
        f" from ({own}) own group by customer_id) totals group by clicks order by clicks"
    )
    at = {segment: row for row, segment in enumerate(segments)}
    rows = cells["segment"].map(at).fillna(0).astype(int).to_numpy()
    columns = cells["place"].to_numpy(dtype=int) - places[0]
    k = fit_concentration(
        cells["clicks"], shares[rows, columns], cells["people"], totals["clicks"], totals["people"]
    )
    prior = pd.DataFrame(
        {
            "segment": np.repeat(segments, len(places)),
            "place": np.tile(places, len(segments)),
            "weight": np.round(k * shares.ravel() * _LARGE).astype(np.int64),
        }
    )
    return prior, k


def _person_sql(unit: str, minimum: int) -> str:
    """The likeliest place of everybody who clicked often enough; the earlier of two that are level."""
    known = f"(select distinct segment from list_prior_{unit})"
    mine = (
        f"select r.customer_id as customer_id, coalesce(k.segment, '') as segment, r.{unit} as place,"
        f" count(*) * {_LARGE} as clicked from {_REACTIONS} r left join {known} k on k.segment = r.segment"
        f" where r.event = 'click' group by r.customer_id, coalesce(k.segment, ''), r.{unit}"
    )
    often = (
        f"select customer_id, segment from ({mine}) mine group by customer_id, segment having sum(clicked) >="
    )
    every = (
        f"select o.customer_id as customer_id, p.place as place, p.weight as weight from ({often} {minimum * _LARGE}) o"
        f" join list_prior_{unit} p on p.segment = o.segment"
    )
    weighed = "(e.weight + coalesce(m.clicked, 0)) * 100 + (99 - e.place)"
    return (
        f"select e.customer_id as customer_id, 99 - max({weighed}) % 100 as {unit} from ({every}) e"
        f" left join ({mine}) m on m.customer_id = e.customer_id and m.place = e.place group by e.customer_id"
    )


def _joined_sql(hours: str, weekdays: str) -> str:
    return (
        f"select h.customer_id as customer_id, h.hour as hour, w.weekday as weekday from ({hours}) h"
        f" join ({weekdays}) w on w.customer_id = h.customer_id"
    )


def _best(segments: list[str], places: list[int], shares: np.ndarray, unit: str) -> pd.DataFrame:
    return pd.DataFrame({"segment": segments, unit: np.array(places)[shares.argmax(axis=1)].astype("int32")})


def _told(engine: Engine, table: pd.DataFrame, concentration: dict[str, float]) -> SendTimes:
    counts = engine.fetch(
        "select segment, count(distinct customer_id) as people, count(*) as events"
        f" from {_REACTIONS} group by segment"
    ).set_index("segment")
    rows = {str(row["segment"]): row for row in table.to_dict("records")}
    segments: list[dict[str, str | int]] = []
    for name, row in rows.items():
        if name:
            found = {key: int(counts[key][name]) for key in ("people", "events")}
            segments.append(
                {"segment": name, **found, "hour": int(row["hour"]), "weekday": int(row["weekday"])}
            )
    base = {unit: int(rows[""][unit]) for unit in ("hour", "weekday")}
    people = int(engine.value(f"select count(*) from {PEOPLE}") or 0)
    return SendTimes("", base, tuple(segments), concentration, people)
