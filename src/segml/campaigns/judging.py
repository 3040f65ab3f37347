"""What every campaign of a day shares, and the query that judges each person for one campaign.

Lists are built from it for everybody, an explanation for one person: the same rules, the same queries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segml.campaigns.audience import (
    Limits,
    audience_sql,
    learn_limits,
    tags_side_by_side_sql,
    unavailable_reason,
)
from segml.campaigns.budget import is_budgeted
from segml.campaigns.catalogue import Campaign
from segml.campaigns.costs import margin_missing, margin_sql
from segml.campaigns.holdout import global_holdout_sql
from segml.campaigns.list_files import list_history
from segml.campaigns.placing import CANDIDATES, CUT, FUNDED
from segml.campaigns.policy import (
    NO_ATTEMPTS,
    attempts_sql,
    base_sql,
    cases_sql,
    contacts_sql,
    first_case_sql,
    late_refusals_sql,
    people_sql,
)
from segml.campaigns.restrictions import restriction_cases, restriction_columns, restriction_warnings
from segml.campaigns.send_time import NOT_LOOKED_FOR, PEOPLE, SEGMENTS, SendTimes
from segml.campaigns.triggers import answer_events
from segml.config import ListSettings
from segml.engine import Engine
from segml.engine.keys import text_sql
from segml.time_windows import Cutoff

MILLION = 1_000_000
LIST_TABLES = (
    *("customers", "features", "scores", "tags", "orders", "consents", "email_events", "returns"),
    *("support_tickets", "web_events", "coupons", "loyalty", "suppressions"),
)
TEMPORARY = (
    "list_base",
    "list_people",
    "list_tags",
    "list_judged",
    "list_placed",
    CANDIDATES,
    "list_differences",
    "list_trigger",
    "list_history",
    "list_files",
    "list_days",
    "list_divided",
    FUNDED,
    CUT,
    PEOPLE,
    SEGMENTS,
)


@dataclass(frozen=True)
class ListRun:
    """What every campaign of one run shares."""

    engine: Engine
    settings: ListSettings
    as_of: Cutoff
    run_id: str
    folder: Path
    available: dict[str, list[str]]
    limits: Limits
    tag_columns: dict[str, str]
    contacts: str
    base: int
    global_holdout: bool
    send_times: SendTimes = NOT_LOOKED_FOR


def kept_table(place: int) -> str:
    """Return the temporary table of the people whom the campaign at this place takes."""
    return f"list_kept_{place}"


def prepare_run(
    engine: Engine,
    campaigns: Sequence[Campaign],
    settings: ListSettings,
    as_of: Cutoff,
    run_id: str,
    folder: Path,
    available: dict[str, list[str]],
    person: str | None = None,
) -> tuple[ListRun, list[str]]:
    """Make ``list_people`` and whatever else campaigns share; return it with warnings in words.

    With a `person`, that one alone is judged; thresholds and the size of the base remain those of everybody.
    """
    warnings = []
    engine.run(
        base_sql(available, global_holdout_sql(settings.holdout_salt, settings.global_holdout)), "list_base"
    )
    base = int(engine.value("select count(*) from list_base") or 0)
    held = int(engine.value("select count(*) from list_base where globally_held_out") or 0)
    use_global = settings.global_holdout > 0 and held >= settings.global_holdout_minimum
    if settings.global_holdout > 0 and not use_global:
        warnings.append(
            f"the global holdout is off: its share of {settings.global_holdout:.0%} is {held:,} of {base:,} people,"
            f" and below {settings.global_holdout_minimum:,} it would show nothing"
        )
    if settings.consent.required and "consents" not in available:
        warnings.append(
            "no consents table, and unknown consent is no: every list is empty; bring the table, or state in"
            " lists.consent why these people may be contacted"
        )
    if "email_events" not in available:
        warnings.append("no email_events table: contact caps count earlier lists of this folder only")
    if person is not None:
        only = f"select customer_id, globally_held_out from list_base where customer_id = {text_sql(person)}"
        engine.run(only, "list_one")
        engine.run("select * from list_one", "list_base")
        engine.drop("list_one")
    history = list_history(engine, folder, as_of)
    warnings += restriction_warnings(settings, available)
    if person is None:
        warnings += late_refusals(engine, available, as_of)
    more = restriction_columns(engine, available, settings, as_of)
    engine.run(people_sql(available, campaigns, settings, as_of, use_global, history, more), "list_people")
    tag_columns = _tag_columns(engine, campaigns)
    if tag_columns:
        engine.run(tags_side_by_side_sql(tag_columns), "list_tags")
    limits = learn_limits(engine, campaigns, available)
    contacts = contacts_sql(available, history)
    run = ListRun(
        engine, settings, as_of, run_id, folder, available, limits, tag_columns, contacts, base, use_global
    )
    return run, warnings


_LATE = {
    "withdrawal": ("withdrawal of consent", "withdrawals of consent"),
    "objection": ("objection to profiling", "objections to profiling"),
    "unsubscribe": ("unsubscription", "unsubscriptions"),
    "complaint": ("complaint", "complaints"),
    "bounce": ("hard bounce", "hard bounces"),
    "contact": ("contact that counts against a cap", "contacts that count against a cap"),
}


def late_refusals(engine: Engine, available: Mapping[str, Sequence[str]], as_of: Cutoff) -> list[str]:
    """Say how many refusals and contacts are dated at or after the day of the lists, and count all the same."""
    query = late_refusals_sql(available, as_of)
    rows = engine.fetch(query) if query else None
    if rows is None or not len(rows):
        return []
    told = [
        f"{entries:,} {_LATE[kind][int(entries) != 1]} ({customers:,} customer{'s' if customers != 1 else ''})"
        for kind, entries, customers in rows[["kind", "entries", "customers"]].itertuples(index=False)
    ]
    return [f"dated on or after {as_of} and counted all the same: {', '.join(told)}"]


def _tag_columns(engine: Engine, campaigns: Sequence[Campaign]) -> dict[str, str]:
    """Return the tags that the campaigns read and somebody carries -> their columns in ``list_tags``."""
    if not engine.exists("tags"):
        return {}
    found = set(engine.fetch("select distinct concat(family, '.', tag) as name from tags", 10_000)["name"])
    tags = sorted({tag for campaign in campaigns for tag in campaign.tags} & found)
    return {tag: f"t_{place}" for place, tag in enumerate(tags)}


def missing_for(run: ListRun, campaign: Campaign) -> str:
    """Say what this campaign needs and the base has not; empty when it can be built."""
    tags = run.tag_columns if run.engine.exists("list_tags") else ()
    why = unavailable_reason(campaign, run.available, tags)
    if not why and campaign.cost and is_budgeted(campaign, run.settings):
        why = margin_missing(campaign.cost, campaign.name, run.available)
    return why


def judged_sql(run: ListRun, campaign: Campaign, claimed: Sequence[str], place: int) -> str:
    """Return the query for one row a person: the first reason against this campaign (null: none), and its measures.

    Once the run's budget is divided, whoever was cut from a campaign before this `place` is out of those with a cost.
    """
    rules, measures = rules_sql(run, campaign), measures_sql(run, campaign)
    joined = people_joined_sql(run, campaign, claimed, " ".join([*rules.values(), measures]))
    if campaign.cost and run.engine.exists(CUT):
        rules["over_budget"] = "cut.customer_id is not null"
        before = f"select distinct customer_id from {CUT} where place < {place}"
        joined += f" left join ({before}) cut on cut.customer_id = people.customer_id"
    return (
        f"select people.customer_id as customer_id, {first_case_sql(rules)} as reason,"
        f" people.globally_held_out as globally_held_out, {measures} from {joined}"
    )


def measures_sql(run: ListRun, campaign: Campaign) -> str:
    """Return `score` (what the list is sorted by), `conversion` and `margin` (expected, in millionths)."""
    conversion = _conversion_sql(run.available, campaign)
    margin = margin_sql(campaign.cost, campaign.name, run.available)
    return (
        f"cast({campaign.rank_by.column} as double) as score, {conversion} as conversion, {margin} as margin"
    )


def rules_sql(run: ListRun, campaign: Campaign) -> dict[str, str]:
    """Return each reason that can keep a person off this list -> its SQL condition."""
    has_recency = "recency_days" in run.available.get("features", ())
    audience = audience_sql(campaign, run.limits, run.tag_columns)
    counted = counts_attempts(run, campaign)
    rules = cases_sql(campaign, run.settings, run.as_of, audience, has_recency, counted)
    rules |= restriction_cases(campaign, run.settings, run.available, run.as_of)
    if campaign.cost and is_budgeted(campaign, run.settings):
        margin = margin_sql(campaign.cost, campaign.name, run.available)
        rules["no_expected_margin"] = f"coalesce({margin}, 0) <= {campaign.cost.micro}"
    return rules


def counts_attempts(run: ListRun, campaign: Campaign) -> bool:
    """Tell whether earlier contacts of this campaign matter and are known."""
    return bool(run.contacts) and (campaign.max_attempts is not None or campaign.cool_down_days > 0)


def people_joined_sql(
    run: ListRun, campaign: Campaign, claimed: Sequence[str], read: str | None = None
) -> str:
    """Return ``list_people`` with features, scores, customers, tags, earlier attempts and other lists beside it.

    Of the first four only those that the SQL in `read` names, if given: a join costs as much as all rules together.

    A triggered campaign has its events made anew, as ``list_trigger``.
    """
    tables: list[str] = [table for table in ("features", "scores", "customers") if table in run.available]
    if run.engine.exists("list_tags"):
        tables.append("list_tags")
    if read is not None:
        tables = [table for table in tables if f"{table}." in read]
    if campaign.trigger:
        answer_events(run.engine, campaign.trigger, campaign.name, run.as_of, run.folder)
        tables.append("list_trigger")
    joins = [f" left join {table} on {table}.customer_id = people.customer_id" for table in tables]
    taken = " union all ".join(f"select customer_id from {table}" for table in claimed)
    joins.append(
        f" left join ({taken or 'select customer_id from list_people where false'}) claimed"
        " on claimed.customer_id = people.customer_id"
    )
    if counts_attempts(run, campaign):
        joins.append(
            f" left join ({attempts_sql(run.contacts, campaign.name)}) attempts"
            " on attempts.customer_id = people.customer_id"
        )
    for name in campaign.counted_campaigns:
        # evidence for belonging to an audience, and so as of the day
        counted = attempts_sql(run.contacts, name, run.as_of) if run.contacts else NO_ATTEMPTS
        alias = f"attempts_of_{name}"
        joins.append(f" left join ({counted}) {alias} on {alias}.customer_id = people.customer_id")
    return "list_people people" + "".join(joins)


def _conversion_sql(available: Mapping[str, Sequence[str]], campaign: Campaign) -> str:
    """Expected P(order within the campaign's window), in millionths, from the dormancy probability.

    Silence is carried to the window's length as if the hazard were even: S(w) = S(h) ** (w / h). Whole millionths
    add up to the same sum in any order.
    """
    needed = {"dormancy_probability", "dormancy_horizon_days"}
    if not needed <= set(available.get("scores", ())):
        return "cast(null as bigint)"
    exponent = f"cast({campaign.window_days} as double) / scores.dormancy_horizon_days"
    silent = f"power(scores.dormancy_probability, {exponent})"
    return f"cast(round((1 - {silent}) * {MILLION}) as bigint)"
