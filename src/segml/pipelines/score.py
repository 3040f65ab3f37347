"""`segml score`: champions and the snapshot of the day -> scores and tags, Parquet to Parquet.

Steps: champions by alias -> the snapshot they were trained for -> scores in chunks -> tags. Nothing is fitted here
but the RFM thresholds, which are a statement about the base of the day.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds

from segml.config import Config
from segml.errors import ModelError
from segml.features.plan import FeaturePlan, make_plan
from segml.features.snapshot import write_snapshots
from segml.models.segments.rfm import RfmScorer
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.beside import beside_champions, beside_rules
from segml.pipelines.contacts import learn_base_saturation
from segml.pipelines.drift import TaskDrift, watch_champions
from segml.pipelines.failures import exit_code_of_all
from segml.pipelines.narration import Narrator, Silent
from segml.pipelines.promotion import ModelOutcome, no_champion_of_day
from segml.pipelines.survey import survey_answers
from segml.pipelines.train import TASKS, snapshot_request
from segml.registry.registered import RegisteredModel
from segml.registry.store import ModelStore
from segml.scoring.batch import ScoringJob, ScoringResult, score_snapshot
from segml.scoring.claims import measure_claims
from segml.scoring.migration import migration_of_runs, write_migration
from segml.scoring.places import load_places
from segml.scoring.source_table import source_frame
from segml.scoring.tag_sources import previous_partition, register_tag_sources
from segml.scoring.tag_table import TagsReport, available_columns, write_tags
from segml.scoring.tags import load_tags
from segml.tables.consent import objectors_sql
from segml.tables.outputs import UPLIFT_PREFIX
from segml.tables.partition import content_sha256, write_manifest, writing
from segml.time_windows import Cutoff

SCORES = "scores.parquet"
NO_CHAMPION = "no champion"
_RFM_COLUMNS = ("recency_days", "orders_total", "spend_total")


@dataclass(frozen=True)
class ScoreResult:
    """What was scored, with what, and the tags that came of it.

    Attributes
    ----------
    folder : Path
        Partition of the scores.
    counts : ScoringResult
        Rows in = rows out + reasons.
    champions : dict of str to str
        Task -> name, version and cutoff.
    left_out : dict of str to str
        Task -> why its champion did not score.
    drift : tuple of TaskDrift
        Whether the champions are still right, in words where it matters.
    failed : tuple of ModelOutcome
        Tasks whose scores broke; the others are there.
    unverified : tuple of str
        Champions of before the hashes of a model's files were kept.
    """

    config: Config
    as_of: Cutoff
    folder: Path
    tags_folder: Path
    counts: ScoringResult
    champions: dict[str, str]
    left_out: dict[str, str]
    tags: TagsReport
    drift: tuple[TaskDrift, ...] = ()
    failed: tuple[ModelOutcome, ...] = ()
    unverified: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0, or that of the failure when a task's scores broke."""
        return exit_code_of_all(self.failed)

    @property
    def alarms(self) -> tuple[str, ...]:
        """Sentences about champions that are not as right as they were, and about a base that has changed."""
        return tuple(sentence for task in self.drift for sentence in task.sentences)


def score(config: Config, narrator: Narrator | None = None) -> ScoreResult:
    """Score and tag every customer of a base as of its day."""
    tell = narrator or Silent()
    with open_base(config, tell) as base:
        _, champions, left_out = load_champions(base)
        if not champions:
            raise _nothing_scores(base, left_out)
        return score_base(base, tell)


def _nothing_scores(base: OpenBase, left_out: dict[str, str]) -> ModelError:
    """Say why no champion scores the day: there is none yet, none of that day, or none of these features."""
    told: dict[str, list[str]] = {}
    for task, why in left_out.items():
        if why != NO_CHAMPION:
            told.setdefault(why, []).append(task)
    if not told:
        return ModelError(
            f"no model of {base.config.base} was promoted yet",
            "run `segml train CONFIG` and read why each was refused",
        )
    why = "; ".join(f"{', '.join(tasks)}: {reason}" for reason, tasks in told.items())
    return ModelError(
        f"no model of {base.config.base} can score {base.as_of}: {why}",
        f"run `segml train CONFIG --as-of {base.as_of}` (it moves no newer champion), or score a later day",
    )


def score_base(base: OpenBase, narrator: Narrator) -> ScoreResult:
    """Score a base that is open already; without any champion the rules (RFM) still speak."""
    config = base.config
    plan, champions, left_out = load_champions(base)
    with narrator.step("snapshot") as tell:
        request = snapshot_request(base, (base.as_of,), sample=False)
        (snapshot,) = write_snapshots(base.engine, plan, request, config.data_path("features"), tell)
    with narrator.step("truth of past scores") as tell:
        drift = watch_champions(
            base, champions, snapshot, lambda cutoff: _matured_snapshot(base, plan, cutoff)
        )
        tell(drift_remark(drift))
    folder = config.data_path("scores", f"as_of={base.as_of.label}")
    job = scoring_job(base, plan, champions, RfmScorer().fit(_rfm_columns(snapshot / "features")))
    beside, others = beside_champions(base, ModelStore(config.path(config.models_folder)))
    rules, failed = beside_rules(base, beside)
    job = dataclasses.replace(job, rules={**job.rules, **rules})
    champions |= {task: model for task, model in beside.items() if task in rules}
    left_out |= others | {outcome.task: outcome.reasons[0] for outcome in failed}
    with narrator.step("scores") as tell, writing(folder) as temporary:
        counts = score_snapshot(snapshot / "features", job, temporary / SCORES, tell)
        tell(f"{counts.rows_out:,} scored")
        objected = count_objectors(base)
        counts.add(objected, 0, {"objected to profiling": objected} if objected else {})
        write_manifest(temporary, _manifest(base, plan, champions, counts, drift))
    with narrator.step("tags"):
        tags_folder = config.data_path("tags", f"as_of={base.as_of.label}")
        tags = tag(base, snapshot, folder, tags_folder)
    return ScoreResult(
        config,
        base.as_of,
        folder,
        tags_folder,
        counts,
        {task: model.label for task, model in champions.items()},
        left_out,
        tags,
        drift,
        tuple(failed),
        tuple(model.label for model in champions.values() if not model.verified),
    )


def _matured_snapshot(base: OpenBase, plan: FeaturePlan, cutoff: Cutoff) -> Path:
    request = snapshot_request(base, (cutoff,), sample=True)
    return write_snapshots(base.engine, plan, request, base.config.data_path("features"))[0]


def drift_remark(drift: tuple[TaskDrift, ...]) -> str:
    """Return the remark beside the step: how many alarms, or that all is as it was."""
    alarms = sum(len(task.sentences) for task in drift)
    if not drift or all(task.unavailable for task in drift):
        return "nothing to look back on yet"
    return f"{alarms} alarm{'s' if alarms != 1 else ''}" if alarms else "as right as when it was judged"


def count_objectors(base: OpenBase) -> int:
    """Return how many customers are in no snapshot because they objected to profiling."""
    if not base.engine.exists("consents"):
        return 0
    objectors = objectors_sql(base.as_of)
    joined = f"select count(*) from customers join ({objectors}) o on o.customer_key = customers.customer_key"
    return int(base.engine.value(joined))


def load_champions(base: OpenBase) -> tuple[FeaturePlan, dict[str, RegisteredModel], dict[str, str]]:
    """Return the champions of the day that share a feature contract, their plan, and which were left out and why.

    A champion's plan counts only while the features it names are computed as they were when it was trained. Without
    such champions the plan is what the tables allow.
    """
    config = base.config
    store = ModelStore(config.path(config.models_folder))
    tasks = (*TASKS, *store.tasks(config.base, UPLIFT_PREFIX))
    found = {task: store.champion_of_day(config.base, task, base.as_of.label) for task in tasks}
    champions = {task: model for task, model in found.items() if model is not None}
    plan = _plan_of(champions)
    if plan is None:
        plan = make_plan(base.engine, base.as_of, config.features.affinity_categories)
    same = {task: model for task, model in champions.items() if model.feature_contract == plan.contract}
    first = next(iter(same.values())).label if same else "the features that are computed now"
    left_out = {
        task: f"{model.label} was trained on other features than {first}; train again"
        for task, model in champions.items()
        if task not in same
    }
    return plan, same, left_out | _without_champion(base, store, tasks, champions)


def _plan_of(champions: dict[str, RegisteredModel]) -> FeaturePlan | None:
    """Return the plan of the first champion whose features are computed as they were; None when there is none."""
    for model in champions.values():
        if "plan" in model.metadata:
            plan = FeaturePlan.from_dict(model.metadata["plan"])
            if plan.contract == model.feature_contract:
                return plan
    return None


def _without_champion(
    base: OpenBase, store: ModelStore, tasks: tuple[str, ...], champions: dict[str, RegisteredModel]
) -> dict[str, str]:
    """Say of each task without a champion whether there is none at all, or none that knew so little."""
    told = {}
    for task in tasks:
        if task not in champions:
            since = store.first_champion_day(base.config.base, task)
            told[task] = no_champion_of_day(since, base.as_of) if since else NO_CHAMPION
    return told


def scoring_job(
    base: OpenBase, plan: FeaturePlan, champions: dict[str, RegisteredModel], rfm: RfmScorer
) -> ScoringJob:
    """Put together what the batch scorer needs."""
    config = base.config
    rules: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {"rfm": rfm.predict}
    if "declared" in champions and config.survey and base.engine.exists("surveys"):
        rules["declared"] = declared_rule(base, champions["declared"])
    return ScoringJob(
        as_of=base.as_of,
        champions={task: model for task, model in champions.items() if task not in rules},
        horizons={"dormancy": config.horizons.dormancy, "churn": config.horizons.churn},
        contract=plan.contract,
        bands=config.bands,
        rules=rules,
        active_within_days=config.models.active_within_days,
        chunk_customers=config.scoring.chunk_customers,
        value_reasons=config.scoring.clv_reasons,
    )


def declared_rule(base: OpenBase, champion: RegisteredModel) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return what scores declared segments: the answers of those who gave some, behaviour for everybody else."""
    answers = survey_answers(base)

    def scored(features: pd.DataFrame) -> pd.DataFrame:
        champion.check_features(features)
        told = answers[answers.index.isin(features.index)]
        scores: pd.DataFrame = champion.model.score(features[list(champion.features)], told)
        return scores.assign(declared_model_version=champion.label)

    return scored


def tag(base: OpenBase, snapshot: Path, scores: Path, folder: Path) -> TagsReport:
    """Write the tag table of scored customers."""
    config, engine, horizon = base.config, base.engine, base.config.horizons
    catalogue = load_tags(
        config.tag_files(),
        config.bands,
        horizon.clv,
        silent_days=config.models.active_within_days,
        expiring_days=config.loyalty.expiring_days,
        saturation=learn_base_saturation(base),
    )
    claims = measure_claims(engine, catalogue, config.data_path("features"), base.as_of, horizon.churn)
    engine.register("features", snapshot / "features")
    engine.register("scores", scores / SCORES)
    previous = previous_partition(config.data_path("tags"), base.as_of)
    places = load_places(config.path(config.places)) if config.places else None
    register_tag_sources(engine, base.as_of, previous, places)
    sources = source_frame(
        engine, available_columns(engine), horizon.churn, horizon.clv, config.lists.minimum_cell
    )
    report = write_tags(engine, catalogue, base.as_of, folder, config.special_tags, claims, sources)
    if previous is not None:
        _write_migration(base, previous, folder)
    return report


def _write_migration(base: OpenBase, previous: Path, folder: Path) -> None:
    """Write who moved where since the run before, when its scores are still there too."""
    days = (previous.name, folder.name)
    places = [base.config.data_path("scores", day, SCORES) for day in days]
    there = (places[0], places[1]) if all(place.is_file() for place in places) else None
    files = (previous / "tags.parquet", folder / "tags.parquet")
    flows = migration_of_runs(base.engine, files, scores=there)
    labels = (days[0].removeprefix("as_of="), days[1].removeprefix("as_of="))
    write_migration(flows, base.config.data_path("migration", folder.name), labels)


def _rfm_columns(folder: Path) -> pd.DataFrame:
    return ds.dataset(folder, format="parquet").to_table(columns=list(_RFM_COLUMNS)).to_pandas()


def _manifest(
    base: OpenBase,
    plan: FeaturePlan,
    champions: dict[str, RegisteredModel],
    counts: ScoringResult,
    drift: tuple[TaskDrift, ...],
) -> dict[str, object]:
    return {
        "as_of": base.as_of.label,
        "data": base.data_hash,
        "feature_contract": plan.contract,
        "configuration": content_sha256(base.config.model_dump(mode="json", exclude={"root"})),
        "models": {
            task: {"label": model.label, "fingerprint": model.fingerprint}
            for task, model in champions.items()
        },
        "rows_in": counts.rows_in,
        "rows_out": counts.rows_out,
        "left_out": counts.left_out,
        "drift": {task.task: task.to_dict() for task in drift},
    }
