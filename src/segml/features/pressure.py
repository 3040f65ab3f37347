"""How often people are contacted, what they do with it, and whether they have had enough of it.

A *refusal* is an unsubscribe or a complaint, by any channel. Whoever refused before a cutoff is not asked again and is
in none of these tables.
"""

from __future__ import annotations

from segml.engine import Engine
from segml.time_windows import SECONDS_PER_DAY, Cutoff

PRESSURE = "contact_pressure"
SENT, OPENED = "= 'sent'", "= 'open'"
REFUSALS = "('unsubscribe', 'complaint')"
REACTIONS = "('click', 'response')"
PRESSURE_COLUMNS = {
    "contacts_30d": "contacts in the last 30 days",
    "contacts_90d": "contacts in the last 90 days",
    "contacts_365d": "contacts in the last 365 days",
    "open_share_365d": "contacts opened, of those of the last 365 days, one open in two contacts assumed beforehand",
    "reaction_share_365d": "reactions a contact in the last 365 days, one in two contacts assumed beforehand",
    "days_since_contact": "days since the last contact",
}
"""What P(unsubscribe) is made from, and what it means."""
MOST_CONTACTS = 20  # contacts in 30 days beyond which nobody tells one more from one less
PRESSURE_DAYS, ANSWER_DAYS = 30, 14


def refusals_missing(engine: Engine) -> str:
    """Say why nothing is known of refusals; empty when it is."""
    if not engine.exists("email_events"):
        return "no table email_events"
    found = engine.value(
        f"select count(*) as n from (select 1 as one from email_events where event in {REFUSALS} limit 1) found"
    )
    return "" if found else "email_events records no unsubscribe and no complaint"


def pressure_sql(as_of: Cutoff, people: str = "") -> str:
    """One row a person contacted within a year who never refused: customer_id and `PRESSURE_COLUMNS`, doubles."""
    until = as_of.seconds

    def counted(event: str, days: int) -> str:
        since = as_of.plus_days(-days).seconds
        return f"sum(case when event {event} and occurred_at >= {since} then 1 else 0 end)"

    sums = (
        f"select customer_id, {counted(SENT, 30)} as sent_30, {counted(SENT, 90)} as sent_90,"
        f" {counted(SENT, 365)} as sent_365, {counted(OPENED, 365)} as opened,"
        f" {counted(f'in {REACTIONS}', 365)} as reacted, max(case when event = 'sent' then occurred_at end) as last_at,"
        f" max(case when event in {REFUSALS} then 1 else 0 end) as refused"
        f" from email_events where occurred_at < {until}{f' and {people}' if people else ''} group by customer_id"
    )
    shares = ", ".join(
        f"cast({name} + 1 as double) / cast(sent_365 + 2 as double) as {column}"
        for name, column in (("opened", "open_share_365d"), ("reacted", "reaction_share_365d"))
    )
    return (
        "select customer_id, cast(sent_30 as double) as contacts_30d, cast(sent_90 as double) as contacts_90d,"
        f" cast(sent_365 as double) as contacts_365d, {shares},"
        f" cast({until} - last_at as double) / {SECONDS_PER_DAY} as days_since_contact"
        f" from ({sums}) sums where refused = 0 and sent_365 > 0"
    )


def refused_next_sql(as_of: Cutoff, horizon: int, people: str = "") -> str:
    """The people of `pressure_sql` with `refused`: 1 when they refuse within `horizon` days from the cutoff."""
    end = as_of.plus_days(horizon).seconds
    later = (
        f"select distinct customer_id from email_events where event in {REFUSALS}"
        f" and occurred_at >= {as_of.seconds} and occurred_at < {end}"
    )
    names = ", ".join(f"p.{name} as {name}" for name in PRESSURE_COLUMNS)
    return (
        f"select p.customer_id as customer_id, {names},"
        " case when l.customer_id is null then cast(0 as double) else cast(1 as double) end as refused"
        f" from ({pressure_sql(as_of, people)}) p left join ({later}) l on l.customer_id = p.customer_id"
        " order by p.customer_id"
    )


def answers_by_pressure_sql(as_of: Cutoff) -> str:
    """Contacts by how many a person had in the 30 days up to them, and what came of them within two weeks.

    One row a pressure (contacts beyond `MOST_CONTACTS` together): pressure, contacts, reacted, refused. A reaction
    belongs to the last contact before it; contacts of the last two weeks are still open and left out.
    """
    window = (
        "partition by customer_id order by occurred_at"
        f" range between {PRESSURE_DAYS * SECONDS_PER_DAY - 1} preceding and current row"
    )
    after = (
        "partition by customer_id order by occurred_at, rank rows between 1 following and unbounded following"
    )

    def next_of(condition: str) -> str:
        return f"min(case when {condition} then occurred_at end) over ({after})"

    events = (
        "select customer_id, occurred_at, event, case when event = 'sent' then 0 else 1 end as rank"
        f" from email_events where occurred_at < {as_of.seconds}"
    )
    seen = (
        f"select event, occurred_at, sum(case when event = 'sent' then 1 else 0 end) over ({window}) as pressure,"
        f" {next_of(f'event {SENT}')} as next_sent, {next_of(f'event in {REACTIONS}')} as next_reaction,"
        f" {next_of(f'event in {REFUSALS}')} as next_refusal from ({events}) events"
    )
    closed = as_of.plus_days(-ANSWER_DAYS).seconds

    def answered(moment: str) -> str:
        in_time = f"{moment} < occurred_at + {ANSWER_DAYS * SECONDS_PER_DAY}"
        mine = f"(next_sent is null or {moment} <= next_sent)"
        return f"sum(case when {in_time} and {mine} then 1 else 0 end)"

    return (
        f"select cast(least(pressure, {MOST_CONTACTS}) as bigint) as pressure, count(*) as contacts,"
        f" {answered('next_reaction')} as reacted, {answered('next_refusal')} as refused"
        f" from ({seen}) seen where event = 'sent' and occurred_at < {closed}"
        f" group by cast(least(pressure, {MOST_CONTACTS}) as bigint) order by pressure"
    )
