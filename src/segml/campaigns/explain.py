"""Why one person is on a list or on none: every rule of every campaign, and the number behind it.

The rules are those that built the lists (`judging`), asked for one person. Who else was in the way - another list, a
full one - is read from the lists themselves, so the answer is about what was sent, not about what would be sent now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from segml.campaigns.audience import condition_bounds, either_sql, subject_sql
from segml.campaigns.catalogue import GLOBAL_EXPERIMENT, Campaign, Condition, in_order
from segml.campaigns.costs import MICRO, basis
from segml.campaigns.holdout import TREATED
from segml.campaigns.judging import (
    LIST_TABLES,
    MILLION,
    TEMPORARY,
    ListRun,
    counts_attempts,
    kept_table,
    measures_sql,
    missing_for,
    people_joined_sql,
    prepare_run,
    rules_sql,
)
from segml.campaigns.list_files import list_folder
from segml.campaigns.policy import REASONS, cap_counts_sql, consent_log_sql
from segml.config import ListSettings
from segml.engine import Engine
from segml.engine.keys import arm, text_sql
from segml.tables.partition import read_manifest
from segml.time_windows import SECONDS_PER_DAY, Cutoff

_WORDS = {
    "is": "is",
    "in": "is one of",
    "not_in": "is none of",
    "at_least": "at least",
    "at_most": "at most",
    "above": "above",
    "below": "below",
    "between": "between",
    "missing": "is unknown",
    "known": "is known",
}


@dataclass(frozen=True)
class ConditionSeen:
    """One condition of an audience as it looks for this person."""

    criterion: str
    value: str
    holds: bool


@dataclass(frozen=True)
class CampaignExplained:
    """One campaign for one person.

    Attributes
    ----------
    outcome : str
        listed, held_out, globally_held_out, excluded, refused, unavailable or not_built.
    reasons : tuple of str
        Every rule that stands in the way, the one the counts go by first; empty for those who qualify.
    arm_number, arm_limit : int
        0 to 9,999; below the limit a person is held out of this campaign.
    """

    campaign: Campaign
    outcome: str
    text: str
    reasons: tuple[str, ...] = ()
    conditions: tuple[ConditionSeen, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)
    arm_number: int = 0
    arm_limit: int = 0


@dataclass(frozen=True)
class PersonExplained:
    """What contacting one person depends on, and each campaign's verdict."""

    person: str
    known: bool
    global_arm: int
    globally_held_out: bool
    objection: bool
    consents: pd.DataFrame  # channel, purpose, granted, since, source
    contacts: dict[str, str]
    campaigns: tuple[CampaignExplained, ...]


def explain_person(
    engine: Engine,
    campaigns: Sequence[Campaign],
    settings: ListSettings,
    as_of: Cutoff,
    folder: Path,
    person: str,
) -> PersonExplained:
    """Explain the lists of one day for one person.

    Parameters
    ----------
    engine : Engine
        With the tables that `build_lists` reads.
    campaigns : sequence of Campaign
        The definitions; a list built from another definition says so.
    folder : Path
        ``data/lists/<base>``, with the lists of that day.
    person : str
        The customer id.

    Returns
    -------
    PersonExplained
        `known` is false, and everything else empty, for an id that no table has.
    """
    ordered = in_order(campaigns)
    available = {table: engine.columns(table) for table in LIST_TABLES if engine.exists(table)}
    try:
        run, _ = prepare_run(engine, ordered, settings, as_of, "", folder, available, person)
        policy = engine.fetch("select * from list_people", 1)
        if not len(policy):
            return PersonExplained(person, False, 0, False, False, pd.DataFrame(), {}, ())
        state = policy.iloc[0]
        claimed: list[str] = []
        explained = []
        for place, campaign in enumerate(ordered):
            where = _place_on_file(engine, list_folder(folder, campaign.name, as_of), person)
            explained.append(_explain(run, campaign, claimed, where, person))
            if where.arm and not campaign.is_seed:
                engine.register(kept_table(place), pd.DataFrame({"customer_id": [person]}))
                claimed.append(kept_table(place))
        return PersonExplained(
            person,
            True,
            arm(settings.holdout_salt, GLOBAL_EXPERIMENT, person),
            bool(state["globally_held_out"]),
            bool(state["objection"]),
            _consents(run, person),
            _contacts(run, state, person),
            tuple(explained),
        )
    finally:
        for table in [*TEMPORARY, *(kept_table(place) for place in range(len(ordered)))]:
            engine.drop(table)


@dataclass(frozen=True)
class _OnFile:
    """What the list's folder says: was it built, from which definition, and is the person in it."""

    manifest: dict[str, Any] | None
    arm: str = ""
    place: int = 0
    last_score: float | None = None


def _place_on_file(engine: Engine, partition: Path, person: str) -> _OnFile:
    manifest = read_manifest(partition)
    if manifest is None or manifest["status"] != "built":
        return _OnFile(manifest)
    engine.register("explained_list", partition / "list.parquet")
    engine.register("explained_holdout", partition / "holdout.parquet")
    try:
        mine = f"customer_id = {text_sql(person)}"
        rows = engine.fetch(
            f"select arm, score from explained_list where {mine} union all"
            f" select arm, score from explained_holdout where {mine}",
            2,
        )
        if not len(rows):
            descending = manifest["campaign"]["rank_by"]["direction"] == "highest"
            last = engine.value(f"select {'min' if descending else 'max'}(score) from explained_list")
            return _OnFile(manifest, "", 0, last)
        place = 0
        if rows["arm"].iloc[0] == TREATED:
            numbered = (
                "select customer_id, row_number() over (order by score"
                f" {'desc' if manifest['campaign']['rank_by']['direction'] == 'highest' else 'asc'} nulls last,"
                " customer_id) as place from explained_list"
            )
            place = int(engine.value(f"select place from ({numbered}) numbered where {mine}"))
        return _OnFile(manifest, str(rows["arm"].iloc[0]), place)
    finally:
        engine.drop("explained_list")
        engine.drop("explained_holdout")


def _explain(
    run: ListRun, campaign: Campaign, claimed: Sequence[str], where: _OnFile, person: str
) -> CampaignExplained:
    missing = missing_for(run, campaign)
    if missing:
        return CampaignExplained(campaign, "unavailable", missing, ("unavailable",))
    rules = rules_sql(run, campaign)
    columns = [f"{condition} as rule_{name}" for name, condition in rules.items()]
    for place, condition in enumerate(campaign.audience):
        columns.append(f"{either_sql(condition, run.limits, run.tag_columns)} as holds_{place}")
        for part, single in enumerate(condition.parts):
            subject = subject_sql(single, run.tag_columns)
            columns.append(f"cast({subject} as string) as value_{place}_{part}")
    columns += ["list_trigger.event_key as event_key", "list_trigger.event_at as event_at"] * bool(
        campaign.trigger
    )
    columns += ["attempts.attempts as attempts", "attempts.last_at as last_at"] * counts_attempts(
        run, campaign
    )
    row = run.engine.fetch(
        f"select {', '.join([*columns, measures_sql(run, campaign)])}"
        f" from {people_joined_sql(run, campaign, claimed)}",
        1,
    ).iloc[0]
    against = tuple(
        name for name in REASONS if name in rules and pd.notna(row[f"rule_{name}"]) and row[f"rule_{name}"]
    )
    outcome, text, against = _outcome(campaign, where, against, row)
    share = float((where.manifest or {}).get("holdout_share", 0))
    return CampaignExplained(
        campaign,
        outcome,
        text,
        against,
        _conditions(run, campaign, row),
        _numbers(campaign, run.available, row, where),
        arm(run.settings.holdout_salt, campaign.name, person),
        round(share * 10_000),
    )


def _outcome(
    campaign: Campaign, where: _OnFile, against: tuple[str, ...], row: pd.Series
) -> tuple[str, str, tuple[str, ...]]:
    """Return outcome, sentence and reasons: what the files say first, then what the rules say today."""
    if where.manifest is None:
        return "not_built", "no list of this campaign was built for the day", against
    stale = ""
    if where.manifest.get("definition_hash") != campaign.definition_hash:
        stale = "; the list was built from an earlier definition of the campaign"
    if where.arm == TREATED:
        return "listed", f"on the list, place {where.place:,}{stale}", ()
    if where.arm:
        kind = "globally_held_out" if where.arm == "global_holdout" else "held_out"
        whom = "from every campaign" if kind == "globally_held_out" else "from this campaign"
        return kind, f"qualifies, and is held out {whom} to measure it{stale}", ()
    if against:
        return "excluded", f"not on the list: {against[0]}{stale}", against
    if where.manifest["status"] == "refused":
        return "refused", f"the list was refused: {where.manifest['reason']}{stale}", ("list_refused",)
    if not stale and _was_cut(campaign, where, row):
        return "excluded", "qualifies, but the money went to people who bring more for it", ("over_budget",)
    if campaign.max_size is not None and not stale:
        text = f"qualifies, but the {campaign.max_size:,} places went to people who rank before"
        return "excluded", text, ("over_capacity",)
    return "excluded", f"qualifies by today's data, and is not on the list built before{stale}", ("rebuilt",)


def _was_cut(campaign: Campaign, where: _OnFile, row: pd.Series) -> bool:
    """Tell whether somebody who qualifies, and is not on the list, was left out for money or for lack of a place.

    Money decides among those who have a place; whoever has no place scores worse than anybody whom money left out.
    """
    excluded = (where.manifest or {}).get("rows", {}).get("excluded", {})
    edge = ((where.manifest or {}).get("money") or {}).get("score_at_capacity")
    if not excluded.get("over_budget") or edge is None or pd.isna(row["score"]):
        return bool(excluded.get("over_budget")) and not excluded.get("over_capacity")
    better = row["score"] >= edge if campaign.rank_by.direction == "highest" else row["score"] <= edge
    return not excluded.get("over_capacity") or bool(better)


def _conditions(run: ListRun, campaign: Campaign, row: pd.Series) -> tuple[ConditionSeen, ...]:
    seen = []
    for place, condition in enumerate(campaign.audience):
        texts = [criterion_text(single, run) for single in condition.parts]
        values = [_shown(row[f"value_{place}_{part}"]) for part in range(len(condition.parts))]
        holds = bool(row[f"holds_{place}"])
        seen.append(ConditionSeen(" or ".join(texts), "; ".join(dict.fromkeys(values)), holds))
    if campaign.trigger:
        due = pd.notna(row["event_key"])
        when = (
            f"{row['event_key']}, {_day(int(row['event_at']))}" if due else "no event due, or answered before"
        )
        seen.append(ConditionSeen(f"trigger {campaign.trigger.event}", when, due))
    return tuple(seen)


def criterion_text(condition: Condition, run: ListRun) -> str:
    """Return a condition in words, with the learnt value beside each percentile."""
    words = f"{condition.subject} {_WORDS[condition.operator]}"
    if condition.operator in ("missing", "known"):
        return words
    bounds = " and ".join(_shown(bound) for bound in condition_bounds(condition, run.limits))
    if condition.percentile is not None:
        percentiles = " and ".join(f"{percentile:g}" for percentile in condition.percentiles)
        return f"{words} {bounds} (percentile {percentiles} of buyers)"
    return f"{words} {bounds.replace(' and ', ', ') if condition.operator in ('in', 'not_in') else bounds}"


def _numbers(
    campaign: Campaign, available: Mapping[str, Sequence[str]], row: pd.Series, where: _OnFile
) -> dict[str, float]:
    found = {"score": row["score"], "expected_conversion": row["conversion"] / MILLION}
    money = (where.manifest or {}).get("money") or {}
    if campaign.cost:
        name = "expected_margin_" + (basis(campaign.cost, campaign.name, available) or "unknown")
        found |= {name: row["margin"] / MICRO, "cost_of_a_contact": campaign.cost.per_contact}
        found |= {"margin_per_cost": row["margin"] / campaign.cost.micro}
        found |= {"margin_per_cost_of_the_last_listed": money.get("lowest_worth")}
    if "attempts" in row.index:
        found |= {"earlier_contacts": row["attempts"] if pd.notna(row["attempts"]) else 0}
    if where.last_score is not None:
        found["score_of_the_last_listed"] = where.last_score
    return {name: float(value) for name, value in found.items() if pd.notna(value)}


def _consents(run: ListRun, person: str) -> pd.DataFrame:
    log = consent_log_sql(run.available, run.as_of)
    if not log:
        return pd.DataFrame(columns=["channel", "purpose", "granted", "since", "source"])
    rows = run.engine.fetch(
        "select coalesce(channel, 'any') as channel, purpose, max(stamp) as stamp, max_by(source, stamp) as source"
        f" from ({log}) log where customer_id = {text_sql(person)} group by channel, purpose order by 1, 2"
    )
    stamps = rows.pop("stamp").astype("int64")
    rows["granted"] = stamps % 2 == 0
    rows["since"] = [_day(int(stamp) // 2) for stamp in stamps]
    return rows


def _contacts(run: ListRun, state: pd.Series, person: str) -> dict[str, str]:
    """Return what quiet days and caps look at, in words."""
    found = {}
    for name in ("complaint", "return"):
        moment = state[f"{name}_at"]
        found[f"last {name}"] = "none known" if pd.isna(moment) else _day(int(moment))
    if not run.contacts:
        return found
    mine = f"select * from ({run.contacts}) everybody where customer_id = {text_sql(person)}"
    last = run.engine.value(f"select max(happened_at) from ({mine}) mine")
    found["last contact"] = "none known" if last is None else _day(int(last))
    if run.settings.caps:
        counts = run.engine.fetch(cap_counts_sql(mine, run.settings, run.as_of), 1)
        for place, cap in enumerate(run.settings.caps):
            count = int(counts[f"cap_{place}"].iloc[0]) if len(counts) else 0
            found[f"contacts in {cap.days} days"] = f"{count} of at most {cap.contacts}"
    return found


def _day(moment: int) -> str:
    return Cutoff(moment // SECONDS_PER_DAY).label


def _shown(value: Any) -> str:
    if value is None or (not isinstance(value, (list, tuple)) and pd.isna(value)):
        return "unknown"
    try:
        return f"{float(value):.6g}"
    except (TypeError, ValueError):
        return str(value)
