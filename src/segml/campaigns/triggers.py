"""Triggers: campaigns that answer an event of one person, once, however often the job runs.

Every event has a key that does not depend on the day of the run. The keys a list took - of held-out people too - lie
beside it (``events.parquet``); a later list leaves them out, and a rerun of the same day sees what the first run saw.
An event waits `within_days`, so that a job that did not run yesterday still answers it, and lapses after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from segml.campaigns import trigger_events
from segml.config import Settings
from segml.engine import Engine
from segml.errors import did_you_mean
from segml.tables.identity import under_todays_ids_sql
from segml.time_windows import SECONDS_PER_DAY, Cutoff

EVENTS = "events.parquet"
TriggerName = Literal[
    "first_purchase",
    "return",
    "support_contact",
    "birthday",
    "days_after_purchase",
    "open_cart",
    "slipping",
    "browsed",
    "unused_coupon",
    "expiring_coupon",
    "points_expiring",
    "near_next_tier",
]
_NEEDS: Mapping[str, tuple[str, str]] = {
    "first_purchase": ("orders", "ordered_at"),
    "days_after_purchase": ("orders", "ordered_at"),
    "return": ("returns", "returned_at"),
    "support_contact": ("support_tickets", "opened_at"),
    "birthday": ("customers", "birth_date"),
    "open_cart": ("web_events", "event"),
    "slipping": ("orders", "ordered_at"),
    **trigger_events.NEEDS,
}
_AHEAD = ("expiring_coupon", "points_expiring")
_LACKING = {
    "unused_coupon": "coupons that were given out (table coupons)",
    "expiring_coupon": "coupons that were given out, with their end (coupons.expires_at)",
    "points_expiring": "points that lapse (loyalty_ledger.expires_at)",
    "near_next_tier": "points and tiers (table loyalty_ledger, loyalty.tiers in the configuration)",
}
_OLDEST = 120


class Trigger(Settings):
    """The event a campaign answers: when, how long after it, and how long it waits."""

    event: TriggerName
    days: int = Field(
        default=0,
        ge=-90,
        description="days after the event; before it when negative (birthday, expiring_coupon, points_expiring)",
    )
    within_days: int = Field(default=7, ge=1, le=60, description="days an event waits to be answered")
    activity: tuple[str, ...] = Field(
        default=("slipping",), description="values of lifecycle.activity that are slipping"
    )
    of: Literal["category", "product_id"] = Field(
        default="category", description="what was looked at (browsed)"
    )
    times: int = Field(default=2, ge=1, description="how often it was looked at (browsed)")
    look_days: int = Field(default=30, ge=1, le=365, description="within how many days (browsed)")
    points: int = Field(default=100, ge=1, description="points missing at most (near_next_tier)")

    @field_validator("event", mode="before")
    @classmethod
    def _is_known(cls, value: Any) -> Any:
        if value not in get_args(TriggerName):
            raise ValueError(
                f"unknown event {value!r}{did_you_mean(str(value), get_args(TriggerName))}; one of"
                f" {', '.join(get_args(TriggerName))}"
            )
        return value

    @model_validator(mode="after")
    def _days_have_a_side(self) -> Trigger:
        if self.event in _AHEAD and self.days >= 0:
            raise ValueError(
                f"{self.event} is told before it happens: `days` is negative, -7 for a week, got {self.days}"
            )
        if self.event not in (*_AHEAD, "birthday") and self.days < 0:
            raise ValueError(
                f"nobody knows of {self.event} before it happens: `days` is 0 or more, got {self.days}"
            )
        if self.event == "birthday" and self.days < -31:
            raise ValueError(f"a birthday is at most 31 days ahead, got {self.days}")
        return self


def trigger_missing(trigger: Trigger, available: Mapping[str, Iterable[str]], tags: bool) -> str:
    """Say what a trigger needs and the base has not; empty when it can be answered."""
    table, column = _NEEDS[trigger.event]
    if column not in set(available.get(table, ())):
        return _LACKING.get(trigger.event, f"{table}.{column}")
    return "tag lifecycle.activity" if trigger.event == "slipping" and not tags else ""


def answer_events(
    engine: Engine, trigger: Trigger, campaign: str, as_of: Cutoff, folder: Path, into: str = "list_trigger"
) -> None:
    """Make the table of events due and not answered before: customer_id, event_key, event_at (the last, per person).

    Parameters
    ----------
    engine : Engine
        With the table the trigger needs.
    folder : Path
        ``data/lists/<base>``; lists of earlier days of this campaign tell which events were answered.
    """
    answered = sorted(
        file
        for file in (folder / campaign).glob(f"as_of=*/{EVENTS}")
        if Cutoff.parse(file.parent.name.removeprefix("as_of=")) < as_of
    )
    events = events_sql(engine, trigger, as_of)
    if answered:
        engine.register("answered_events", answered)
        events = (
            f"select e.customer_id as customer_id, e.event_key as event_key, e.event_at as event_at from ({events}) e"
            f" left join ({under_todays_ids_sql(engine, 'answered_events', ['event_key'])}) a"
            " on a.customer_id = e.customer_id and a.event_key = e.event_key where a.customer_id is null"
        )
    engine.run(
        "select customer_id, max_by(event_key, event_at) as event_key, max(event_at) as event_at from"
        f" (select customer_id, event_at, max(event_key) as event_key from ({events}) e"
        " group by customer_id, event_at) last group by customer_id",
        into,
    )
    engine.drop("answered_events")


def events_sql(engine: Engine, trigger: Trigger, as_of: Cutoff) -> str:
    """Return the query for the events due on the day: customer_id, event_key, event_at."""
    if trigger.event == "birthday":
        return _birthdays_sql(trigger, as_of)
    if trigger.event == "slipping":
        return _slipping_sql(trigger, as_of)
    if trigger.event == "open_cart":
        return _due_sql(_carts_sql(as_of), trigger, as_of)
    if trigger.event in trigger_events.NEEDS:
        return _occasions_sql(engine, trigger, as_of)
    if trigger.event == "days_after_purchase":
        last = (
            "select customer_id, concat('order ', cast(max(ordered_at) as string)) as event_key,"
            f" max(ordered_at) as event_at from orders where ordered_at < {as_of.seconds} group by customer_id"
        )
        return _due_sql(last, trigger, as_of)
    plain = {
        "first_purchase": ("orders where order_no = 1", "ordered_at", "'first'"),
        "return": ("returns", "returned_at", "cast(returned_at as string)"),
        "support_contact": ("support_tickets", "opened_at", "ticket_id"),
    }
    table, moment, key = plain[trigger.event]
    return _due_sql(
        f"select customer_id, {key} as event_key, {moment} as event_at from {table}", trigger, as_of
    )


def _occasions_sql(engine: Engine, trigger: Trigger, as_of: Cutoff) -> str:
    if trigger.event == "browsed":
        looked = trigger_events.browsed_sql(engine, as_of, trigger.of, trigger.times, trigger.look_days)
        return _due_sql(looked, trigger, as_of)
    if trigger.event == "points_expiring":
        return trigger_events.points_expiring_sql(as_of, -trigger.days)
    if trigger.event == "near_next_tier":
        return trigger_events.near_next_tier_sql(as_of, trigger.points)
    columns = engine.columns("coupons")
    if trigger.event == "expiring_coupon":
        ending = trigger_events.coupons_sql(as_of, columns, "expires_at")
        return trigger_events.ahead_sql(ending, as_of, -trigger.days)
    return _due_sql(trigger_events.coupons_sql(as_of, columns, "issued_at"), trigger, as_of)


def _due_sql(events: str, trigger: Trigger, as_of: Cutoff) -> str:
    """Keep the events that are answered `days` days later, today or up to `within_days` - 1 days ago.

    What happens today is not known before tomorrow, so 0 days is 1 day.
    """
    until = as_of.seconds - max(trigger.days - 1, 0) * SECONDS_PER_DAY
    since = until - trigger.within_days * SECONDS_PER_DAY
    return f"select * from ({events}) happened where event_at >= {since} and event_at < {until}"


def _carts_sql(as_of: Cutoff) -> str:
    """A cart is open when something was put into it after the last order, checkout and emptying; one event a cart."""
    before = f"< {as_of.seconds}"
    closed = (
        f"select customer_id, max(moment) as closed_at from (select customer_id, occurred_at as moment from web_events"
        f" where event in ('checkout', 'cart_remove') and occurred_at {before}"
        f" union all select customer_id, ordered_at as moment from orders where ordered_at {before}) ends"
        " group by customer_id"
    )
    carts = (
        "select customer_id, max(occurred_at) as event_at from web_events"
        f" where event = 'cart_add' and occurred_at {before} group by customer_id"
    )
    return (
        "select carts.customer_id as customer_id, carts.event_at as event_at,"
        " concat('cart since ', cast(coalesce(closed.closed_at, 0) as string)) as event_key"
        f" from ({carts}) carts left join ({closed}) closed on closed.customer_id = carts.customer_id"
        " where closed.closed_at is null or carts.event_at > closed.closed_at"
    )


def _slipping_sql(trigger: Trigger, as_of: Cutoff) -> str:
    """One event a silence: whoever buys and slips again is asked again."""
    values = ", ".join("'" + value.replace("'", "''") + "'" for value in trigger.activity)
    return (
        "select o.customer_id as customer_id, concat('silent since ', cast(max(o.ordered_at) as string)) as event_key,"
        f" max(o.ordered_at) as event_at from orders o join (select customer_id from tags where family = 'lifecycle'"
        f" and tag = 'activity' and value in ({values})) s on s.customer_id = o.customer_id"
        f" where o.ordered_at < {as_of.seconds} group by o.customer_id"
    )


def _birthdays_sql(trigger: Trigger, as_of: Cutoff) -> str:
    """Birthdays up to the day itself; who was born on 29 February has it on the 28th in other years."""
    today = date.fromisoformat(as_of.label)
    cases = []
    for back in range(trigger.within_days):
        day = today - timedelta(days=back + trigger.days)
        born = ", ".join(str(moment) for moment in _births(day))
        moment = Cutoff.parse(day.isoformat()).seconds
        cases.append(
            f"select customer_id, 'birthday {day.year}' as event_key, {moment} as event_at from customers"
            f" where birth_date in ({born})"
        )
    return " union all ".join(cases)


def _births(day: date) -> list[int]:
    """Return the stored birth dates that have their birthday on a day; those of 29 February have it on some 28th.

    Examples
    --------
    >>> len(_births(date(2023, 2, 28))) - len(_births(date(2024, 2, 28)))
    30
    """
    births = [
        date(year, day.month, day.day) for year in range(day.year - _OLDEST, day.year) if _exists(year, day)
    ]
    if (day.month, day.day) == (2, 28) and not _leap(day.year):
        births += [date(year, 2, 29) for year in range(day.year - _OLDEST, day.year) if _leap(year)]
    return [_stored(birth) for birth in births]


def _exists(year: int, day: date) -> bool:
    return (day.month, day.day) != (2, 29) or _leap(year)


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _stored(birth: date) -> int:
    return (birth - date(1970, 1, 1)).days
