"""`segml report`: the page of a run, from what the run knows; later from the facts it left beside the page.

Steps: results of data, train, score and lists -> plain facts -> counts of people and money by tag, in the engine ->
small groups suppressed -> `report.html` and `run.json`. The facts are suppressed before they are written, so the
file beside the page tells no more than the page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from segml.campaigns.list_files import list_folder
from segml.campaigns.results import CampaignResult
from segml.config import Config
from segml.engine import Engine
from segml.engine.duckdb import DuckDBEngine
from segml.errors import DataError
from segml.pipelines.data import DataResult
from segml.pipelines.lists import ListsResult
from segml.pipelines.measure import MeasureResult
from segml.pipelines.narration import Narrator, Silent
from segml.pipelines.promotion import ModelOutcome
from segml.pipelines.report_evidence import (
    drift_facts,
    finite,
    goal_facts,
    kpi_facts,
    proposal_texts,
    reason_facts,
    result_facts,
    value_facts,
)
from segml.pipelines.score import SCORES, ScoreResult
from segml.pipelines.train import TrainingResult
from segml.report.facts import CampaignFacts, Count, Grouping, ModelFacts, NoteFacts, RunFacts, TableFacts
from segml.report.groups import REPORTED_TAGS, make_grouping, read_groups
from segml.report.page import render_page
from segml.report.suppression import suppressed
from segml.tables.diagnostics import Diagnostic
from segml.tables.partition import writing
from segml.time_windows import Cutoff

T = TypeVar("T")
REPORT, FACTS = "report.html", "run.json"
_TAG_OF_TASK = {
    "behavioural": "behavioural.segment",
    "mixture": "behavioural.segment_mixture",
    "interest": "psychographic.interest_segment",
}
_ACTION_NOTE = re.compile(r"(?P<id>[A-Z]\d+): (?P<action>.+)")
_SEGMENT_NOTE = re.compile(
    r"(?P<id>\S+) (?P<name>.+?): (?:[\d.,\u00a0]+|(?:fewer than|færre end|färre än) \d+) (?:customers|kunder)\b[^;]*"
    r"(?:; (?P<what>.*?)\.?)?$"
)


@dataclass(frozen=True)
class ReportResult:
    """Where the page is."""

    config: Config
    file: Path


def report(config: Config, narrator: Narrator | None = None) -> ReportResult:
    """Write the page of the last run again (or of `as_of`, when it is set), from the facts on disk.

    Raises
    ------
    DataError
        There was no run yet, or its facts are of another version.
    """
    with (narrator or Silent()).step("report"):
        folder = _last_run(config)
        facts = RunFacts.from_dict(_read(folder / FACTS))
        strictest = max(facts.minimum_cell, config.lists.minimum_cell)  # what is hidden already stays hidden
        facts = replace(facts, minimum_cell=strictest, language=config.language)
        return ReportResult(config, write_page(facts, folder))


def write_report(
    data: DataResult,
    training: TrainingResult,
    scores: ScoreResult,
    lists: ListsResult,
    measured: MeasureResult | None = None,
) -> Path:
    """Write `report.html` and `run.json` of a run that has just ended; return the page's place."""
    facts = gather_facts(data, training, scores, lists, measured)
    return write_page(facts, data.config.data_path("reports", f"as_of={facts.as_of}"))


def write_page(facts: RunFacts, folder: Path) -> Path:
    """Write both files, replacing the folder as a whole; the same facts are the same bytes."""
    shown = suppressed(facts)
    content = json.dumps(shown.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    page = render_page(shown)
    with writing(folder) as temporary:
        (temporary / FACTS).write_text(content, encoding="utf-8", newline="\n")
        (temporary / REPORT).write_text(page, encoding="utf-8", newline="\n")
    return folder / REPORT


def gather_facts(
    data: DataResult,
    training: TrainingResult,
    scores: ScoreResult,
    lists: ListsResult,
    measured: MeasureResult | None = None,
) -> RunFacts:
    """Translate the results of a run into the facts of its page."""
    config, counted = data.config, data.report
    with DuckDBEngine(memory=config.memory, threads=config.scoring.threads) as engine:
        groupings = _groupings(engine, config, training, scores)
        value, reasons = value_facts(engine, config.horizons.clv), reason_facts(engine)
    return RunFacts(
        base=config.base,
        title=config.title,
        currency=config.currency,
        as_of=scores.as_of.label,
        data_from=data.first_day.label,
        data_until=data.observed_until.label,
        language=config.language,
        minimum_cell=config.lists.minimum_cell,
        horizons=config.horizons.model_dump(),
        bands=config.bands.model_dump(),
        tables=tuple(
            TableFacts(name, table.rows_in, table.rows_out, _by_name(table.reasons), _by_name(table.added))
            for name, table in sorted(counted.tables.items())
        ),
        notes=tuple(make_note(found) for found in data.diagnostics),
        unavailable_tables=_by_name(counted.unavailable),
        unavailable_features=_by_name(training.unavailable_features),
        models=tuple(_model(outcome, scores) for outcome in training.outcomes),
        scored=scores.counts.rows_out,
        not_scored=_by_name(scores.counts.left_out),
        groupings=groupings,
        campaigns=tuple(_campaign(result, lists) for result in lists.report.campaigns),
        warnings=tuple(dict.fromkeys(lists.report.warnings)),
        kpis=kpi_facts(measured),
        goals=goal_facts(measured),
        results=result_facts(measured),
        proposals=proposal_texts(measured),
        drift=drift_facts(scores.drift),
        value=value,
        reasons=reasons,
        places=_places(config, scores, lists),
    )


def make_note(found: Diagnostic) -> NoteFacts:
    """Translate a diagnostic: of customers only their number, as a single one's rows and money are their own."""
    about_customers = bool(found.customers)
    return NoteFacts(
        kind=found.kind,
        table=found.table,
        column=found.column,
        people=found.customers if about_customers else None,
        rows=None if about_customers else found.rows,
        money=None if about_customers or found.money is None else found.money / 100,
    )


def _model(outcome: ModelOutcome, scores: ScoreResult) -> ModelFacts:
    notes = outcome.notes
    if (
        outcome.task in _TAG_OF_TASK
    ):  # descriptions stand beside the segments, where small ones are suppressed
        notes = tuple(note for note in notes if not (_SEGMENT_NOTE.match(note) or _ACTION_NOTE.match(note)))
    return ModelFacts(
        task=outcome.task,
        status=outcome.status,
        grade=outcome.grade,
        metric=outcome.metric,
        score=finite(outcome.score),
        baseline_name=outcome.baseline_name,
        baseline_score=finite(outcome.baseline_score),
        version=outcome.version,
        reasons=outcome.reasons,
        notes=notes,
        scored_by=scores.champions.get(outcome.task, "") if outcome.task not in scores.left_out else "",
        not_scored=scores.left_out.get(outcome.task, ""),
    )


def _groupings(
    engine: Engine, config: Config, training: TrainingResult, scores: ScoreResult
) -> tuple[Grouping, ...]:
    snapshot = config.data_path("features", f"cutoff={scores.as_of.label}", "features")
    tags = scores.tags_folder / "tags.parquet"
    rows = read_groups(engine, scores.folder / SCORES, snapshot, tags, config.horizons.clv)
    counts, missing = scores.tags.counts, scores.tags.unavailable
    criteria = dict(zip(counts["family"] + "." + counts["tag"], counts["criterion"], strict=True))
    unavailable = {f"{tag.family}.{tag.tag}": tag.reason for tag in missing}
    segmented = {_TAG_OF_TASK[o.task]: o for o in training.outcomes if o.task in _TAG_OF_TASK}
    described = {tag: _descriptions(outcome) for tag, outcome in segmented.items()}
    suggested = {tag: _actions(outcome) for tag, outcome in segmented.items()}
    return tuple(
        make_grouping(
            tag,
            rows[rows["tag"] == tag],
            criteria.get(tag, ""),
            unavailable.get(tag, ""),
            described.get(tag),
            suggested.get(tag),
        )
        for tag in REPORTED_TAGS
    )


def _descriptions(outcome: ModelOutcome) -> Mapping[str, str]:
    """Return segment name -> what sets it apart, from the sentences the training left."""
    found = (_SEGMENT_NOTE.match(note) for note in outcome.notes)
    return {match["name"]: match["what"] for match in found if match and match["what"]}


def _actions(outcome: ModelOutcome) -> Mapping[str, str]:
    """Return segment name -> what one might do for it, from the same notes."""
    named = (_SEGMENT_NOTE.match(note) for note in outcome.notes)
    names = {match["id"]: match["name"] for match in named if match}
    said = (_ACTION_NOTE.match(note) for note in outcome.notes)
    return {names[match["id"]]: match["action"] for match in said if match and match["id"] in names}


def _campaign(result: CampaignResult, lists: ListsResult) -> CampaignFacts:
    campaign = result.campaign
    place = list_folder(lists.folder, campaign.name, lists.as_of)
    files: dict[str, Count] = {}
    if result.status == "built":
        files = dict.fromkeys(lists.config.lists.formats, result.listed)
        files |= {export.platform: export.rows for export in lists.exports.get(place, []) if export.rows}
    return CampaignFacts(
        name=campaign.name,
        title=campaign.title,
        action=campaign.action,
        channel=campaign.channel,
        offer_class=campaign.offer_class,
        window_days=campaign.window_days,
        status=result.status,
        reason=result.reason,
        listed=result.listed,
        held_out=result.held_out,
        globally_held_out=result.globally_held_out,
        excluded={reason: people for reason, people in result.excluded.items() if people},
        power=result.power.text if result.power else "",
        measure_until=lists.as_of.plus_days(campaign.window_days).label,
        can_show_effect=bool(result.power and finite(result.power.smallest_lift) is not None),
        files=files,
    )


def _places(config: Config, scores: ScoreResult, lists: ListsResult) -> dict[str, str]:
    day = f"as_of={scores.as_of.label}"
    places = {
        "this page": config.data_path("reports", day) / REPORT,
        "its facts": config.data_path("reports", day) / FACTS,
        "campaign lists": lists.folder,
        "scores": scores.folder / SCORES,
        "tags": scores.tags_folder / "tags.parquet",
        "key figures and results": config.data_path("measured"),
        "features of the day": config.data_path("features", f"cutoff={scores.as_of.label}"),
        "validated tables": config.data_path("validated"),
        "models (see `make ui`)": config.path(config.models_folder),
    }
    return {what: _short(place, config) for what, place in places.items()}


def _short(place: Path, config: Config) -> str:
    return (place.relative_to(config.root) if place.is_relative_to(config.root) else place).as_posix()


def _last_run(config: Config) -> Path:
    folder = config.data_path("reports")
    day = Cutoff.parse(config.as_of).label if config.as_of else "*"
    found = [run for run in sorted(folder.glob(f"as_of={day}")) if (run / FACTS).is_file()]
    if not found:
        when = f" as of {day}" if config.as_of else ""
        raise DataError(f"{config.base} has no run{when} to report on", "segml run CONFIG")
    return found[-1]


def _read(file: Path) -> Mapping[str, object]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{file.name} of the last run is not JSON: {error}", "segml run CONFIG") from error
    if not isinstance(content, dict):
        raise DataError(f"{file.name} of the last run holds no facts", "segml run CONFIG")
    return content


def _by_name(entries: Mapping[str, T]) -> dict[str, T]:
    """Sort by name: a fresh reading tells them in the order they were found, a manifest in its own."""
    return dict(sorted(entries.items()))
