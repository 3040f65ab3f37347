"""From scores to lists: who is treated, who is held out, and why everybody else is neither.

Campaigns are built one after another by priority. A person whom a campaign takes - treated or held out - is free for
no later one in the same run: were a held-out person sent something else, the comparison would measure that instead.
Held-out people take no place on a list of limited size: a held-out person counts as one who would have been listed
when fewer than `max_size` treated people rank above. For every campaign, listed + held out + excluded = base.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from segml.campaigns.audience import literal
from segml.campaigns.budget import budget_remarks, campaign_money, divide_budget
from segml.campaigns.catalogue import Campaign, equal_priorities, find_mistakes, in_order
from segml.campaigns.changes import find_changes, previous_list
from segml.campaigns.export.settings import ADVERTISING_MINIMUM
from segml.campaigns.holdout import GLOBALLY_HELD_OUT, HELD_OUT, TREATED
from segml.campaigns.judging import (
    LIST_TABLES,
    MILLION,
    TEMPORARY,
    ListRun,
    judged_sql,
    kept_table,
    missing_for,
    prepare_run,
)
from segml.campaigns.list_files import write_list
from segml.campaigns.placing import CANDIDATES, everybody_sql, placed_sql
from segml.campaigns.policy import REASONS
from segml.campaigns.results import CampaignResult, ListsReport
from segml.campaigns.send_time import find_send_times
from segml.config import ListSettings
from segml.engine import Engine
from segml.errors import ConfigurationError, DataError, SegmlError
from segml.evaluation.power import power_statement
from segml.time_windows import Cutoff


def build_lists(
    engine: Engine,
    campaigns: Sequence[Campaign],
    settings: ListSettings,
    as_of: Cutoff,
    run_id: str,
    folder: Path,
    tag_values: Mapping[str, Sequence[str]] | None = None,
) -> ListsReport:
    """Build and write the lists of one day.

    Parameters
    ----------
    engine : Engine
        With ``scores`` and ``features`` registered, and ``customers``, ``tags``, ``consents``, ``email_events``,
        ``returns`` and ``support_tickets`` as far as they exist.
    campaigns : sequence of Campaign
        From `load_campaigns`.
    settings : ListSettings
        Consent, caps, holdouts and minimum sizes.
    as_of : Cutoff
        The day the lists are for; nothing at or after it is read.
    run_id : str
        Written on every row; derive it from the hashes of the inputs, so that a rerun writes the same bytes.
    folder : Path
        ``data/lists/<base>``; earlier lists found there count as contacts. Each list goes to
        ``<campaign>/as_of=<day>``, replaced as a whole.
    tag_values : mapping of str to values, optional
        ``family.tag`` -> the values its definition lists (`TagCatalogue.values`); those found in ``tags`` are added.
        With it, an unknown tag or value is an error; without it, a warning.

    Returns
    -------
    ListsReport
        One result a campaign, in the order they were built, and warnings in words.

    Raises
    ------
    ConfigurationError
        Unknown columns, tags or tag values, all at once.
    DataError
        Neither scores nor features are registered.
    """
    ordered = in_order(campaigns)
    available = {table: engine.columns(table) for table in LIST_TABLES if engine.exists(table)}
    if "scores" not in available and "features" not in available:
        raise DataError("lists need scores or features", "run `segml score` first")
    values = _known_values(engine, ordered, available, tag_values)
    mistakes = find_mistakes(ordered, available, values if tag_values is not None else None)
    if mistakes:
        raise ConfigurationError(
            "campaigns are wrong:\n  - " + "\n  - ".join(mistakes), "correct the campaign files"
        )
    # Without definitions, a value that nobody carries today may be a right one: say so, and build the list.
    doubts = find_mistakes(ordered, available, values) if tag_values is None else []
    try:
        run, warnings = prepare_run(engine, ordered, settings, as_of, run_id, folder, available)
        warnings += equal_priorities(ordered) + budget_remarks(ordered, settings)
        divide_budget(engine, ordered, settings, lambda *asked: _candidates(run, *asked))
        times = find_send_times(engine, available, settings, as_of)
        run = dataclasses.replace(run, send_times=times)
        results: list[CampaignResult] = []
        claimed: list[str] = []
        for place, campaign in enumerate(ordered):
            result = _build(run, campaign, claimed, place)
            results.append(result)
            if result.status == "built" and not campaign.is_seed:
                claimed.append(kept_table(place))
    finally:
        for table in [*TEMPORARY, *(kept_table(place) for place in range(len(ordered)))]:
            engine.drop(table)
    return ListsReport(
        as_of, run_id, tuple(results), (*doubts, *warnings), run.global_holdout, run.base, times
    )


def _known_values(
    engine: Engine,
    campaigns: Sequence[Campaign],
    available: Mapping[str, Sequence[str]],
    given: Mapping[str, Sequence[str]] | None,
) -> dict[str, list[str]]:
    """Return ``family.tag`` or ``scores.<segment>_name`` -> the values it may have; empty when it may have any."""
    values = {tag: list(listed) for tag, listed in (given or {}).items()}
    for column in sorted({c.column for campaign in campaigns for c in campaign.conditions}):
        table, _, name = column.partition(".")
        if table == "scores" and name.endswith("_name") and name in available.get("scores", ()):
            names = engine.fetch(
                f"select distinct {name} as name from scores where {name} is not null", 1_000
            )
            values[column] = sorted(names["name"].astype(str))
    return _with_found_tags(engine, values)


def _with_found_tags(engine: Engine, values: dict[str, list[str]]) -> dict[str, list[str]]:
    """Add the tags and values of the ``tags`` table; a tag with more than 200 values may have any."""
    if not engine.exists("tags"):
        return values
    found = engine.fetch(
        "select family, tag, count(distinct value) as different from tags group by family, tag", 10_000
    )
    few = found[found["different"] <= 200]
    pairs = ", ".join(sorted(literal(f"{f}.{t}") for f, t in zip(few["family"], few["tag"], strict=True)))
    rows = engine.fetch(
        "select distinct concat(family, '.', tag) as tag, value from tags"
        f" where concat(family, '.', tag) in ({pairs or 'null'}) order by tag, value"
    )
    for tag in (found["family"] + "." + found["tag"]).tolist():
        values.setdefault(tag, [])
    for tag, group in rows.groupby("tag"):
        values[str(tag)] = list(dict.fromkeys([*values[str(tag)], *group["value"].astype(str)]))
    return values


def _candidates(run: ListRun, place: int, campaign: Campaign, claimed: Sequence[str]) -> str:
    """Make the table of people whom a campaign would take were there money for all; return its name, "" for none."""
    if missing_for(run, campaign):
        return ""
    _place(run, campaign, claimed, place, None)
    listed = run.engine.value(f"select count(*) from list_placed where reason is null and arm = '{TREATED}'")
    if int(listed or 0) < _minimum(run, campaign):
        return ""
    kept = kept_table(place)
    run.engine.run("select customer_id, arm, margin from list_placed where reason is null", kept)
    return kept


def _place(run: ListRun, campaign: Campaign, claimed: Sequence[str], place: int, funded: int | None) -> None:
    """Make ``list_placed``: everybody, with the reason against this campaign or an arm."""
    run.engine.run(judged_sql(run, campaign, claimed, place), "list_judged")
    run.engine.run(placed_sql(campaign, run.settings, _held_share(run, campaign), funded), CANDIDATES)
    run.engine.view(everybody_sql(), "list_placed")


def _held_share(run: ListRun, campaign: Campaign) -> float:
    if campaign.is_seed:
        return 0.0
    return run.settings.campaign_holdout if campaign.holdout is None else campaign.holdout


def _minimum(run: ListRun, campaign: Campaign) -> int:
    """People below which a list is refused; an event is one person's, so triggered lists are small by nature."""
    if campaign.trigger:
        return 1
    return max(run.settings.minimum_list, ADVERTISING_MINIMUM if campaign.is_seed else 0)


def _build(run: ListRun, campaign: Campaign, claimed: Sequence[str], place: int) -> CampaignResult:
    why = missing_for(run, campaign)
    if why:
        result = CampaignResult(campaign, "unavailable", why, run.base, excluded={"unavailable": run.base})
        write_list(run.engine, result, run.settings, run.as_of, run.run_id, run.folder, run.send_times)
        return result
    share = _held_share(run, campaign)
    _place(
        run, campaign, claimed, place, place if campaign.cost and run.settings.budget is not None else None
    )
    counts = run.engine.fetch(
        "select reason, arm, count(*) as people from list_placed group by reason, arm order by reason, arm"
    )
    result = _result(run, campaign, share, counts)
    before = previous_list(run.folder, campaign.name, run.as_of)
    if before:
        changes = find_changes(run.engine, before, refused=result.status != "built")
        result = dataclasses.replace(result, changes=changes)
    if result.status == "built":
        run.engine.run("select customer_id from list_placed where reason is null", kept_table(place))
        cut = result.excluded.get("over_budget", 0)
        result = dataclasses.replace(result, money=campaign_money(run.engine, campaign, run.available, cut))
    write_list(run.engine, result, run.settings, run.as_of, run.run_id, run.folder, run.send_times)
    return result


def _result(run: ListRun, campaign: Campaign, share: float, counts: pd.DataFrame) -> CampaignResult:
    qualified = counts[counts["reason"].isna()].set_index("arm")["people"]
    listed, held, globally = (int(qualified.get(arm, 0)) for arm in (TREATED, HELD_OUT, GLOBALLY_HELD_OUT))
    by_reason = counts.dropna(subset=["reason"]).groupby("reason")["people"].sum()
    excluded = {reason: int(by_reason[reason]) for reason in REASONS if reason in by_reason.index}
    refused = ""
    minimum = _minimum(run, campaign)
    if listed < minimum:
        refused = f"{listed} people would be listed; lists under {minimum} are refused"
        excluded["list_refused"] = listed + held + globally
        listed = held = globally = 0
    base_rate = None if refused else _expected_conversion(run.engine)
    result = CampaignResult(
        campaign,
        "refused" if refused else "built",
        refused,
        run.base,
        listed,
        held,
        globally,
        excluded,
        share,
        None if refused else power_statement(base_rate, listed, held),
    )
    if result.listed + result.held_out + result.globally_held_out + sum(excluded.values()) != run.base:
        raise SegmlError(
            f"{campaign.name}: {result.listed} listed, {result.held_out + result.globally_held_out} held out and"
            f" {sum(excluded.values())} excluded are not the {run.base} people of the base",
            "a table has people twice; run `segml check`",
        )
    return result


def _expected_conversion(engine: Engine) -> float | None:
    row = engine.fetch(
        "select cast(sum(conversion) as bigint) as total, count(conversion) as people from list_placed"
        f" where reason is null and arm <> '{GLOBALLY_HELD_OUT}'"
    )
    people = int(row["people"].iloc[0])
    return None if not people else int(row["total"].iloc[0]) / people / MILLION
