"""What may be sent to whom: consent, objection, quiet days and contact caps, as one row a person.

What gives is as of the cutoff: a consent at or after it is not known yet. What takes away is read to the end of every
log: a withdrawal, an objection, an unsubscription, a complaint, a hard bounce, a contact that counts against a cap.
Unknown consent is no. Where two changes of consent fall on the same second, the withdrawal stands. An unsubscription or
a complaint about a mail withdraws marketing consent for its channel until it is given again; so does a hard bounce,
until something arrives at the address again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from segml.campaigns.audience import literal
from segml.campaigns.catalogue import Campaign
from segml.campaigns.restrictions import confirmed_channels
from segml.config import ListSettings
from segml.tables.catalog import ARRIVALS, BOUNCES, REFUSALS
from segml.tables.consent import said_by_sql
from segml.time_windows import SECONDS_PER_DAY, Cutoff

# The first that applies is the one reported; the order is part of the files' meaning.
REASONS = (
    "profiling_objection",
    "suppressed",
    "retention",
    "not_in_audience",
    "no_consent",
    "unknown_country",
    "channel_not_allowed",
    "under_minimum_age",
    "no_double_opt_in",
    "quiet_after_complaint",
    "quiet_after_return",
    "recent_buyer",
    "too_many_attempts",
    "cool_down",
    "contact_cap",
    "on_another_list",
    "no_expected_margin",
    "over_capacity",
    "over_budget",
    "list_refused",
)
NO_ATTEMPTS = "select customer_id, 0 as attempts from list_people where false"
Columns = Mapping[str, Collection[str]]


def base_sql(available: Columns, global_holdout: str) -> str:
    """Return everybody anybody knows of: people of customers, features and scores, each once, and their global arm."""
    known = [table for table in ("customers", "features", "scores") if table in available]
    people = " union ".join(f"select customer_id from {table}" for table in known)
    return f"select customer_id, {global_holdout} as globally_held_out from ({people}) base"


def people_sql(
    available: Columns,
    campaigns: Sequence[Campaign],
    settings: ListSettings,
    as_of: Cutoff,
    global_holdout: bool,
    history: bool,
    restrictions: tuple[str, list[str]] = ("", []),
) -> str:
    """Return the query for one row a person of ``list_base``: what the policy knows, whatever the campaign.

    Columns: customer_id, objection, consent_<channel>_<purpose> (see `consent_ok_sql`), complaint_at, return_at,
    capped, globally_held_out, confirmed_<channel> where a country asks for it, and those of `restrictions`.
    """
    strict = confirmed_channels(settings)
    joins, chosen = [], ["base.customer_id as customer_id"]
    log = consent_log_sql(available, as_of)
    if log:
        joins.append(
            f" left join ({_consent_states_sql(log, campaigns, strict)}) consent on {_same('consent')}"
        )
        chosen.append("coalesce(consent.profiling % 2 <> 0, false) as objection")
        chosen += [f"consent.{name} as {name}" for name in _consent_names(campaigns)]
        chosen += [f"coalesce(consent.confirmed_{name}, false) as confirmed_{name}" for name in strict]
    else:
        chosen.append("false as objection")
        chosen += [f"cast(null as bigint) as {name}" for name in _consent_names(campaigns)]
        chosen += [f"false as confirmed_{name}" for name in strict]
    for name, query in (
        ("complaint", _complaints_sql(available)),
        ("return", _returns_sql(available, as_of.plus_days(settings.quiet_days))),
    ):
        if query:
            joins.append(f" left join ({query}) last_{name} on {_same(f'last_{name}')}")
        chosen.append(f"{f'last_{name}.happened_at' if query else 'cast(null as bigint)'} as {name}_at")
    contacts = contacts_sql(available, history)
    if contacts and settings.caps:
        joins.append(f" left join ({_capped_sql(contacts, settings, as_of)}) caps on {_same('caps')}")
        chosen.append("coalesce(caps.capped, false) as capped")
    else:
        chosen.append("false as capped")
    chosen.append(f"{'base.globally_held_out' if global_holdout else 'false'} as globally_held_out")
    chosen += restrictions[1]
    return f"select {', '.join(chosen)} from list_base base" + "".join(joins) + restrictions[0]


def contacts_sql(available: Columns, history: bool) -> str:
    """Return contacts, one row each: customer_id, campaign ('' when unknown), at, listed (0 sent, 1 listed).

    An earlier list of ours is a contact on its day, whether or not the sending tool reports back. What was sent is read
    to the end of the log: it counts against caps, attempts and cool-downs whatever the day of the lists.
    """
    parts = []
    if "email_events" in available:
        campaign = "coalesce(campaign_id, '')" if "campaign_id" in available["email_events"] else "''"
        parts.append(
            f"select customer_id, {campaign} as campaign, occurred_at as happened_at, 0 as listed from email_events"
            " where event = 'sent'"
        )
    if history:
        parts.append("select customer_id, campaign, happened_at, 1 as listed from list_history")
    return " union all ".join(parts)


def attempts_sql(contacts: str, campaign: str, before: Cutoff | None = None) -> str:
    """Return contacts of one campaign, those before a cutoff alone if it is given: customer_id, attempts, last_at."""
    until = f" and happened_at < {before.seconds}" if before else ""
    return (
        f"select customer_id, {_contacts_once('true')} as attempts, max(happened_at) as last_at"
        f" from ({contacts}) contacts where campaign = {literal(campaign)}{until} group by customer_id"
    )


def cases_sql(
    campaign: Campaign,
    settings: ListSettings,
    as_of: Cutoff,
    audience: str,
    has_recency: bool,
    attempts: bool,
) -> dict[str, str]:
    """Return each reason that can keep a person off a list -> the SQL condition under which it does."""
    quiet_from = as_of.seconds - settings.quiet_days * SECONDS_PER_DAY
    cool_from = as_of.seconds - campaign.cool_down_days * SECONDS_PER_DAY
    cases = {
        "profiling_objection": "people.objection",
        "not_in_audience": f"not {audience}",
        "no_consent": f"not {consent_ok_sql(campaign, settings)}",
    }
    if campaign.is_seed:
        return cases
    if settings.quiet_days:
        cases["quiet_after_complaint"] = f"people.complaint_at >= {quiet_from}"
        cases["quiet_after_return"] = f"people.return_at >= {quiet_from}"
    if campaign.min_days_since_last_order and has_recency:
        cases["recent_buyer"] = f"features.recency_days < {campaign.min_days_since_last_order}"
    if attempts and campaign.max_attempts is not None:
        cases["too_many_attempts"] = f"attempts.attempts >= {campaign.max_attempts}"
    if attempts and campaign.cool_down_days:
        cases["cool_down"] = f"attempts.last_at >= {cool_from}"
    cases["contact_cap"] = "people.capped"
    cases["on_another_list"] = "claimed.customer_id is not null"
    return cases


def first_case_sql(cases: Mapping[str, str]) -> str:
    """Return SQL for the first reason that holds; null for those who qualify."""
    whens = " ".join(f"when {cases[reason]} then '{reason}'" for reason in REASONS if reason in cases)
    return f"case {whens} else null end"


def consent_ok_sql(campaign: Campaign, settings: ListSettings) -> str:
    """Return SQL for "may be contacted": the last change was a consent, or no change and a stated basis.

    A stated basis is one for contacting people; sharing for advertising takes a consent of its own.
    """
    state = f"people.{_consent_name(campaign.channel, campaign.purpose)}"
    given = f"{state} is not null and {state} % 2 = 0"
    return (
        f"({given})"
        if settings.consent.required or campaign.is_seed
        else f"({state} is null or {state} % 2 = 0)"
    )


def consent_log_sql(available: Columns, as_of: Cutoff) -> str:
    """Return the changes of consent that count at the cutoff, or nothing where no table tells of any.

    Columns: customer_id, channel, purpose, stamp, confirmed, source (consent, unsubscribe, complaint or bounce).
    Consent given counts before the cutoff, what takes it away whenever it happened.
    """
    # `stamp` orders changes by time and, within a second, withdrawals (odd) after consents (even): its maximum is
    # the state, and no window function is needed.
    parts = []
    if "consents" in available:
        channel = (
            "nullif(trim(channel), '')" if "channel" in available["consents"] else "cast(null as string)"
        )
        confirmed = (
            "coalesce(cast(confirmed as boolean), false)" if "confirmed" in available["consents"] else "false"
        )
        parts.append(
            f"select customer_id, {channel} as channel, purpose,"
            " changed_at * 2 + case when cast(granted as boolean) then 0 else 1 end as stamp,"
            f" cast(granted as boolean) and {confirmed} as confirmed, 'consent' as source"
            f" from consents where {said_by_sql(as_of)}"
        )
    if "email_events" in available:
        channel = _event_channel(available)
        withdrawn = (
            f"{channel} as channel, 'marketing' as purpose, occurred_at * 2 + 1 as stamp, false as confirmed"
        )
        parts.append(
            f"select customer_id, {withdrawn}, event as source from email_events where event in {_listed(REFUSALS)}"
        )
        parts.append(_bounces_sql(channel, as_of))
    return " union all ".join(parts)


def _event_channel(available: Columns) -> str:
    named = "channel" in available["email_events"]
    return "coalesce(nullif(trim(channel), ''), 'email')" if named else "'email'"


def _bounces_sql(channel: str, as_of: Cutoff) -> str:
    """Each address that bounced and at which nothing has arrived since, as a withdrawal of marketing by its channel."""
    bounced = f"max(case when event in {_listed(BOUNCES)} then occurred_at end)"
    arrived = (
        f"max(case when event in {_listed(ARRIVALS)} and occurred_at < {as_of.seconds} then occurred_at end)"
    )
    some = f"select customer_id from email_events where event in {_listed(BOUNCES)}"
    last = (
        f"select customer_id, {channel} as channel, {bounced} as bounced_at, {arrived} as arrived_at"
        f" from email_events where customer_id in ({some}) group by customer_id, {channel}"
    )
    return (
        "select customer_id, channel, 'marketing' as purpose, bounced_at * 2 + 1 as stamp, false as confirmed,"
        f" 'bounce' as source from ({last}) last_bounce where bounced_at >= coalesce(arrived_at, bounced_at)"
    )


def _listed(names: Sequence[str]) -> str:
    return f"({', '.join(literal(name) for name in names)})"


def late_refusals_sql(available: Columns, as_of: Cutoff) -> str:
    """Return the query that counts what takes away at or after the cutoff: kind, entries, customers; or nothing."""
    log = consent_log_sql(available, as_of)
    parts = []
    if log:
        refused = "when purpose = 'profiling' then 'objection' else 'withdrawal'"
        kind = f"case when source <> 'consent' then source {refused} end"
        parts.append(
            f"select {kind} as kind, customer_id from ({log}) log where stamp >= {2 * as_of.seconds}"
        )
    if "email_events" in available:
        parts.append(
            "select 'contact' as kind, customer_id from email_events"
            f" where event = 'sent' and occurred_at >= {as_of.seconds}"
        )
    union = " union all ".join(parts)
    return (
        "select kind, count(*) as entries, count(distinct customer_id) as customers"
        f" from ({union}) late group by kind order by kind"
        if parts
        else ""
    )


def _consent_states_sql(log: str, campaigns: Sequence[Campaign], strict: Sequence[str]) -> str:
    # A withdrawal without a channel holds for all of them; a consent without one only for purposes without channels.
    states = ["max(stamp) filter (where purpose = 'profiling') as profiling"]
    for channel, purpose in sorted({(campaign.channel, campaign.purpose) for campaign in campaigns}):
        blank = "channel is null" if purpose != "marketing" else "(channel is null and stamp % 2 <> 0)"
        states.append(
            f"max(stamp) filter (where purpose = '{purpose}' and (channel = '{channel}' or {blank}))"
            f" as {_consent_name(channel, purpose)}"
        )
    for channel in strict:  # a second step that came after the last withdrawal, if there was any
        confirmed = f"max(stamp) filter (where purpose = 'marketing' and channel = '{channel}' and confirmed)"
        withdrawn = (
            f"max(stamp) filter (where purpose = 'marketing' and stamp % 2 <> 0"
            f" and (channel = '{channel}' or channel is null))"
        )
        states.append(f"coalesce({confirmed} > coalesce({withdrawn}, 0), false) as confirmed_{channel}")
    return f"select customer_id, {', '.join(states)} from ({log}) log group by customer_id"


def _consent_names(campaigns: Sequence[Campaign]) -> list[str]:
    return sorted({_consent_name(campaign.channel, campaign.purpose) for campaign in campaigns})


def _consent_name(channel: str, purpose: str) -> str:
    return f"consent_{channel}_{purpose}"


def _complaints_sql(available: Columns) -> str:
    parts = []
    if "email_events" in available:
        parts.append(
            "select customer_id, occurred_at as happened_at from email_events where event = 'complaint'"
        )
    if "kind" in available.get("support_tickets", ()):
        parts.append(
            "select customer_id, opened_at as happened_at from support_tickets where kind = 'complaint'"
        )
    union = " union all ".join(parts)
    return (
        f"select customer_id, max(happened_at) as happened_at from ({union}) complaints group by customer_id"
        if parts
        else ""
    )


def _returns_sql(available: Columns, until: Cutoff) -> str:
    """Last return before `until`: a return within the quiet days after the lists' day keeps out as one before it."""
    if "returns" not in available:
        return ""
    return (
        f"select customer_id, max(returned_at) as happened_at from returns where returned_at < {until.seconds}"
        " group by customer_id"
    )


def _capped_sql(contacts: str, settings: ListSettings, as_of: Cutoff) -> str:
    # One contact more than there are must stay within every cap.
    full = [f"cap_{place} >= {cap.contacts}" for place, cap in enumerate(settings.caps)]
    counted = cap_counts_sql(contacts, settings, as_of)
    return f"select customer_id, {' or '.join(full)} as capped from ({counted}) counted"


def cap_counts_sql(contacts: str, settings: ListSettings, as_of: Cutoff) -> str:
    """Return how many contacts each person had in the days of each cap: customer_id, cap_0, cap_1 ..."""
    counted, summed = [], []
    for place, cap in enumerate(settings.caps):
        recent = f"happened_at >= {as_of.seconds - cap.days * SECONDS_PER_DAY}"
        counted.append(f"{_contacts_once(recent)} as cap_{place}")
        summed.append(f"sum(cap_{place}) as cap_{place}")
    return (
        f"select customer_id, {', '.join(summed)} from ("
        f" select customer_id, campaign, {', '.join(counted)} from ({contacts}) contacts"
        " group by customer_id, campaign) by_campaign group by customer_id"
    )


def _contacts_once(condition: str) -> str:
    # What was sent from a list of ours appears twice, as a list and as a sending: the larger of the two counts.
    sent = f"count(*) filter (where listed = 0 and {condition})"
    return f"greatest({sent}, count(*) filter (where listed = 1 and {condition}))"


def _same(alias: str) -> str:
    return f"{alias}.customer_id = base.customer_id"
