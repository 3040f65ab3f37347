"""`segml train`: snapshots at many cutoffs, models, a verdict on each, the registry.

Steps: validated tables -> schedule of cutoffs -> features and labels -> fit -> compare with the naive rule and the
champion on a later window -> register -> promote or refuse. A model whose inputs have not changed is not trained
again; what was said of it is repeated. A task that breaks takes no other with it (`segml.pipelines.failures`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from segml.config import Config
from segml.errors import ModelError, NotEnoughDataError
from segml.features.plan import FeaturePlan, make_plan
from segml.features.snapshot import SnapshotRequest, write_snapshots
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.beside import BESIDE, train_beside
from segml.pipelines.failures import exit_code_of_all, outcome_of_error
from segml.pipelines.narration import Narrator, Silent
from segml.pipelines.predictions import TrainingData, require_enough, train_returns, train_value
from segml.pipelines.promotion import (
    ModelOutcome,
    Trained,
    readable_champion,
    remembered,
    settle,
    unreadable_champions,
)
from segml.pipelines.schedule import Schedule, all_cutoffs, label_days, make_schedule
from segml.pipelines.segmentation import train_segments
from segml.pipelines.survey import train_declared
from segml.registry.fingerprint import fingerprint, learning_code
from segml.registry.registered import RegisteredModel
from segml.registry.runs import TrainingRun
from segml.registry.store import ModelStore
from segml.sources.surveys import load_survey
from segml.time_windows import Cutoff

RETURN_TASKS = ("dormancy", "churn")
SEGMENT_TASKS = ("behavioural", "mixture", "interest")
TASKS = (*RETURN_TASKS, "clv", *SEGMENT_TASKS, "declared")
Outcomes = dict[str, ModelOutcome]
Fit = Callable[[list[str]], list[Trained]]


@dataclass(frozen=True)
class TrainingResult:
    """What a training did.

    Attributes
    ----------
    outcomes : tuple of ModelOutcome
        One a task, in the order of `TASKS`; after them those of `segml.pipelines.beside`.
    unavailable_features : dict of str to str
        Feature group -> why this base does not have it.
    unreadable : dict of str to str
        Task -> why its champion could not be read, and was no rival.
    """

    config: Config
    as_of: Cutoff
    outcomes: tuple[ModelOutcome, ...]
    unavailable_features: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0, refusals included; that of the failure when a task broke."""
        return exit_code_of_all(self.outcomes)

    def frame(self) -> pd.DataFrame:
        """Return one row a model: verdict, grade, metric, the naive rule's beside it, and why."""
        rows = [
            {
                "model": outcome.task,
                "verdict": outcome.status,
                "grade": outcome.grade,
                "version": outcome.version,
                "metric": outcome.metric,
                "score": outcome.score,
                "naive rule": outcome.baseline_name,
                "its score": outcome.baseline_score,
                "why": " ".join(outcome.reasons),
            }
            for outcome in self.outcomes
        ]
        return pd.DataFrame(rows).set_index("model")


@dataclass(frozen=True)
class Training:
    """One training under way: what is trained, from what, and what it is called."""

    base: OpenBase
    plan: FeaturePlan
    schedules: dict[str, Schedule]
    refused: dict[str, str]  # task -> why no schedule could be made
    store: ModelStore

    @property
    def config(self) -> Config:
        """The base's settings."""
        return self.base.config

    def fingerprint(self, task: str) -> str:
        """Hash of everything the task's model is made from."""
        settings = self.config.model_dump(
            mode="json", include={"horizons", "cutoffs", "models", "seed", "features", "currency", "language"}
        )
        survey = load_survey(self.config.path(self.config.survey)) if task == "declared" else None
        asked = survey.model_dump(mode="json", exclude={"root"}) if survey else ""
        base = self.base
        made_from = [task, asked, base.data_hash, base.as_of.label, self.plan.contract, settings]
        return fingerprint([*made_from, learning_code()])

    def champion(self, task: str) -> RegisteredModel | None:
        """The task's champion of the day trained for."""
        return readable_champion(self.store, self.config.base, task, self.base.as_of)

    def later_segment_ids(self, task: str) -> set[str]:
        """Ids that the champion of a later day gave or retired: one of a past day may not give them to others."""
        name, day = self.store.model_name(self.config.base, task), self.base.as_of.label
        try:
            later = self.store.newer_champion(name, day)
            champion = self.store.load(name) if later else None
        except ModelError:
            champion = None
        if champion is None:
            return set()
        segments = champion.model.declared if task == "declared" else champion.model
        return {*(one.id for one in segments.identities), *segments.retired_ids}

    def broken(self, tasks: list[str], error: Exception, run: TrainingRun | None = None) -> Outcomes:
        """What is said of tasks that raised."""
        day = self.base.as_of.label
        return {task: outcome_of_error(self.config, day, task, error, run) for task in tasks}


def train(config: Config, narrator: Narrator | None = None) -> TrainingResult:
    """Train, judge and register every model of a base; see the module's notes."""
    tell = narrator or Silent()
    with open_base(config, tell) as base:
        return train_base(base, tell)


def train_base(base: OpenBase, narrator: Narrator) -> TrainingResult:
    """Train on a base that is open already."""
    training = plan_training(base)
    unreadable = unreadable_champions(training.store, base.config.base, (*TASKS, *BESIDE), base.as_of)
    outcomes: Outcomes = {
        task: ModelOutcome(task, "unavailable", reasons=(why,)) for task, why in training.refused.items()
    }
    todo = []
    for task in TASKS:
        if task in outcomes:
            continue
        version = training.store.version_with_fingerprint(base.config.base, task, training.fingerprint(task))
        known = None if version is None else remembered(training.store, base.config.base, task, version)
        if known is None:
            todo.append(task)
        else:
            outcomes[task] = known
    if set(RETURN_TASKS) & set(todo):  # they read one curve: when one is trained, both are
        todo = [
            task for task in TASKS if task in todo or (task in RETURN_TASKS and task not in training.refused)
        ]
    if todo:
        outcomes |= _train_tasks(training, todo, narrator)
    beside = train_beside(base, training.store, narrator)
    return TrainingResult(
        base.config,
        base.as_of,
        (*(outcomes[task] for task in TASKS if task in outcomes), *beside.values()),
        training.plan.unavailable,
        unreadable,
    )


def plan_training(base: OpenBase) -> Training:
    """Lay out cutoffs and features; a horizon too long for the history is refused here, with the numbers."""
    config, schedules, refused = base.config, {}, {}
    horizons = {
        "dormancy": config.horizons.dormancy,
        "churn": config.horizons.churn,
        "clv": config.horizons.clv,
    }
    if not config.survey:
        refused["declared"] = "no survey in the configuration"
    elif not base.engine.exists("surveys"):
        refused["declared"] = "no table surveys"
    for task, horizon in horizons.items():
        try:
            schedules[task] = make_schedule(
                horizon, base.first_day, base.known_until, config.cutoffs, config.models.gate.floor.cutoffs
            )
        except NotEnoughDataError as error:
            refused[task] = error.message
    first = min((schedule.training[0] for schedule in schedules.values()), default=base.as_of)
    store = ModelStore(config.path(config.models_folder))
    plan = make_plan(base.engine, first, config.features.affinity_categories)
    return Training(base, settled_plan(plan, store, config.base, base.as_of), schedules, refused, store)


def settled_plan(plan: FeaturePlan, store: ModelStore, base: str, day: Cutoff) -> FeaturePlan:
    """Return the champions' plan while it still fits the tables, so that challengers share their features.

    The largest categories change from month to month; were they chosen anew each time, no challenger could be
    compared with the champion on the same rows.
    """
    for task in TASKS:
        champion = readable_champion(store, base, task, day)
        if champion is None or "plan" not in champion.metadata:
            continue
        old = FeaturePlan.from_dict(champion.metadata["plan"])
        same_shape = (old.version, old.groups, len(old.categories)) == (
            plan.version,
            plan.groups,
            len(plan.categories),
        )
        return old if same_shape else plan
    return plan


def snapshot_request(base: OpenBase, cutoffs: tuple[Cutoff, ...], sample: bool) -> SnapshotRequest:
    """Describe snapshots of everybody, or of the keyed sample that models learn from."""
    config, people = base.config, base.report.tables["customers"].rows_out
    return SnapshotRequest(
        cutoffs=cutoffs,
        horizons=label_days(config.horizons),
        observed_until=base.known_until,
        buckets=config.features.buckets,
        sample_share=min(1.0, config.models.training_customers / max(people, 1)) if sample else 1.0,
        inputs=(("validated", base.data_hash),),
        objections_until=base.as_of,
    )


def training_snapshots(training: Training, narrator: Callable[[str], None]) -> dict[Cutoff, Path]:
    """Write (or find) the snapshots of all schedules; the day scored is written for everybody."""
    seasonal = training.schedules["clv"].year_ago if "clv" in training.schedules else ()
    base, cutoffs = training.base, all_cutoffs(training.schedules.values(), *seasonal)
    folder = base.config.data_path("features")
    paths: dict[Cutoff, Path] = {}
    for wanted, sample in ((cutoffs, True), ((base.as_of,), False)):
        if wanted:
            request = snapshot_request(base, wanted, sample)
            paths |= dict(
                zip(
                    wanted,
                    write_snapshots(base.engine, training.plan, request, folder, narrator),
                    strict=True,
                )
            )
    return paths


def _train_tasks(training: Training, todo: list[str], narrator: Narrator) -> Outcomes:
    base = training.base
    with narrator.step("features") as tell:
        try:
            paths = training_snapshots(training, tell)
        except Exception as error:  # models with inputs of their own can still be trained
            return training.broken(todo, error)
    data = TrainingData(base.config, training.plan, paths, base.first_day, base.known_until)
    tags = {"as_of": base.as_of.label, "data": base.data_hash, "feature_contract": training.plan.contract}
    params = base.config.model_dump(mode="json", include={"horizons", "cutoffs", "models", "seed"})
    outcomes = _below_floor(training, data, todo)
    todo = [task for task in todo if task not in outcomes]
    if not todo:
        return outcomes
    with training.store.training_run(base.config.base, f"train {base.as_of}", tags, params) as run:
        run.log_dataset_hashes({"validated": base.data_hash})
        for tasks, title, fit in _jobs(training, data, todo):
            with narrator.step(title) as tell:
                outcomes |= _fit_and_settle(training, run, tasks, fit)
                tell("; ".join(f"{task} {outcomes[task].status}" for task in tasks))
    return outcomes


def _below_floor(training: Training, data: TrainingData, todo: list[str]) -> Outcomes:
    """Return a verdict for each task that has too little to learn from."""
    outcomes: Outcomes = {}
    for task in todo:
        try:
            if task in training.schedules:
                require_enough(task, data, training.schedules[task])
        except Exception as error:
            outcomes |= training.broken([task], error)
    return outcomes


def _jobs(training: Training, data: TrainingData, todo: list[str]) -> list[tuple[list[str], str, Fit]]:
    def returns(tasks: list[str]) -> list[Trained]:
        schedules = {task: training.schedules[task] for task in tasks}
        return train_returns(data, schedules, {task: training.champion(task) for task in tasks})

    def value(tasks: list[str]) -> list[Trained]:
        return [train_value(data, training.schedules["clv"], training.champion("clv"))]

    def segments(tasks: list[str]) -> list[Trained]:
        day = training.base.as_of
        return [
            train_segments(data, day, task, training.champion(task), training.later_segment_ids(task))
            for task in tasks
        ]

    def declared(tasks: list[str]) -> list[Trained]:
        champion, reserved = training.champion("declared"), training.later_segment_ids("declared")
        return [train_declared(training.base, data, champion, reserved)]

    jobs: list[tuple[list[str], str, Fit]] = [
        (list(RETURN_TASKS), "dormancy and churn", returns),
        (["clv"], "lifetime value", value),
        *(([task], f"{task} segments", segments) for task in SEGMENT_TASKS),
        (["declared"], "declared segments", declared),
    ]
    wanted = (([task for task in tasks if task in todo], title, fit) for tasks, title, fit in jobs)
    return [job for job in wanted if job[0]]


def _fit_and_settle(training: Training, run: TrainingRun, tasks: list[str], fit: Fit) -> Outcomes:
    try:
        trained = fit(tasks)
    except Exception as error:
        if len(tasks) > 1:  # one of them may be what broke: each is tried alone
            alone = [_fit_and_settle(training, run, [task], fit) for task in tasks]
            return {task: outcome for outcomes in alone for task, outcome in outcomes.items()}
        return training.broken(tasks, error, run)
    outcomes: Outcomes = {}
    cutoff, known = training.base.as_of.label, training.base.known_until.label
    for one in trained:
        task = str(one.model.task)
        try:
            mark = training.fingerprint(task)
            outcomes[task] = settle(training.store, run, one, mark, training.plan.contract, cutoff, known)
        except Exception as error:  # its run in the store has ended as failed
            outcomes |= training.broken([task], error)
    return outcomes
