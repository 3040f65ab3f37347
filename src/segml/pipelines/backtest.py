"""`segml backtest`: would the models have won in every window of the past, not in the last one alone?

At each of several test cutoffs the dormancy and churn models are fitted anew on what was known then, and scored beside
the naive rule and the champion on the same customers. A champion takes part from its own test cutoff on; before that it
had seen the answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from segml.config import Config
from segml.errors import NotEnoughDataError
from segml.evaluation.backtest import Fold, backtest_differences, backtest_frame, rolling_origin
from segml.features.snapshot import write_snapshots
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.narration import Narrator, Silent
from segml.pipelines.predictions import TrainingData, require_enough, train_returns
from segml.pipelines.promotion import readable_champion
from segml.pipelines.schedule import Schedule, all_cutoffs, make_schedule
from segml.pipelines.train import RETURN_TASKS, plan_training, snapshot_request
from segml.registry.registered import RegisteredModel
from segml.registry.store import ModelStore
from segml.tables.partition import write_manifest, writing
from segml.time_windows import Cutoff

MODEL, RULE, CHAMPION = "model", "recency rule", "champion"
MOST_FOLDS = 4


@dataclass(frozen=True)
class BacktestResult:
    """Metrics at every test cutoff, and paired differences at each and over all.

    Attributes
    ----------
    metrics : DataFrame
        Columns `task, cutoff, score`, then one a metric.
    differences : DataFrame
        Columns `task, cutoff, rival, difference, low, high, verdict`, ...
    unavailable : dict of str to str
        Task -> why it could not be backtested.
    folder : Path
        Both frames as Parquet.
    """

    config: Config
    metrics: pd.DataFrame
    differences: pd.DataFrame
    unavailable: dict[str, str]
    folder: Path


def backtest(config: Config, narrator: Narrator | None = None) -> BacktestResult:
    """Judge the return models at several test cutoffs, one horizon apart."""
    tell = narrator or Silent()
    with open_base(config, tell) as base:
        metrics, differences, unavailable = [], [], {}
        for task in RETURN_TASKS:
            with tell.step(f"backtest of {task}") as say:
                try:
                    folds, too_small = folds_of(base, task)
                except NotEnoughDataError as error:
                    unavailable[task] = error.message
                    continue
                metrics.append(backtest_frame(folds).assign(task=task))
                draws = config.models.gate.bootstraps
                differences.append(backtest_differences(folds, "auc", MODEL, draws=draws).assign(task=task))
                left_out = f", {too_small} left out: below the data floor" if too_small else ""
                say(f"{len(folds)} test cutoffs{left_out}")
        if not metrics:
            raise NotEnoughDataError(
                "nothing can be backtested: "
                + "; ".join(f"{task}: {why}" for task, why in unavailable.items())
            )
        frames = {"metrics": pd.concat(metrics), "differences": pd.concat(differences)}
        folder = config.data_path("measured", "backtest")
        with writing(folder) as temporary:
            for name, frame in frames.items():
                frame.to_parquet(temporary / f"{name}.parquet", index=False)
            write_manifest(temporary, {"data": base.data_hash, "data_until": base.known_until.label})
        return BacktestResult(config, frames["metrics"], frames["differences"], unavailable, folder)


def schedules_of(base: OpenBase, horizon: int) -> dict[Cutoff, Schedule]:
    """Schedules of the last few test cutoffs, one horizon apart, as far back as the history lasts.

    Raises
    ------
    NotEnoughDataError
        Not even the last one has a history.
    """
    config = base.config
    found: dict[Cutoff, Schedule] = {}
    for step in range(MOST_FOLDS):
        until = base.known_until.plus_days(-step * horizon)
        try:
            schedule = make_schedule(
                horizon, base.first_day, until, config.cutoffs, config.models.gate.floor.cutoffs
            )
        except NotEnoughDataError:
            if not found:
                raise
            break
        found[schedule.test] = schedule
    return found


def folds_of(base: OpenBase, task: str) -> tuple[list[Fold], int]:
    """Fit and score one task at each of its test cutoffs, oldest first; and how many are below the data floor.

    Raises
    ------
    NotEnoughDataError
        Not even the last test cutoff has the history, or the data that `segml train` asks for.
    """
    config = base.config
    schedules = schedules_of(base, getattr(config.horizons, task))
    plan, cutoffs = plan_training(base).plan, all_cutoffs(schedules.values())
    request = snapshot_request(base, cutoffs, sample=True)
    paths = write_snapshots(base.engine, plan, request, config.data_path("features"))
    data = TrainingData(
        config, plan, dict(zip(cutoffs, paths, strict=True)), base.first_day, base.known_until
    )
    enough = _above_floor(data, task, schedules)
    store = ModelStore(config.path(config.models_folder))
    champion = readable_champion(store, config.base, task, base.as_of)
    folds = rolling_origin(list(enough), partial(_fold, data, task, enough, champion))
    return folds, len(schedules) - len(enough)


def _above_floor(data: TrainingData, task: str, schedules: dict[Cutoff, Schedule]) -> dict[Cutoff, Schedule]:
    """Keep the test cutoffs with data enough; a small window would be a verdict on noise."""
    kept: dict[Cutoff, Schedule] = {}
    for cutoff in sorted(schedules, reverse=True):
        try:
            require_enough(task, data, schedules[cutoff])
        except NotEnoughDataError:
            if not kept:  # the last one is the largest
                raise
            continue
        kept[cutoff] = schedules[cutoff]
    return kept


def _fold(
    data: TrainingData,
    task: str,
    schedules: dict[Cutoff, Schedule],
    champion: RegisteredModel | None,
    cutoff: Cutoff,
) -> Fold:
    schedule = schedules[cutoff]
    (trained,) = train_returns(data, {task: schedule}, {})
    features, labels = data.population(cutoff)
    column = f"{task}_probability"
    scores = {MODEL: trained.model.score(features)[column].to_numpy()}
    if champion is not None and _had_not_seen(champion, data, cutoff):
        scores[CHAMPION] = champion.score(features)[column].to_numpy()
    scores[RULE] = _recency_rule(data, schedule, features)
    outcome = labels[f"silent_next_{schedule.horizon}d"].to_numpy()
    return Fold(cutoff.label, list(features.index), outcome, scores)


def _recency_rule(data: TrainingData, schedule: Schedule, features: pd.DataFrame) -> object:
    from segml.models.baselines import RecencyRule

    rule = RecencyRule(f"silent_next_{schedule.horizon}d").fit(*data.stacked([schedule.calibration]))
    return rule.predict(features)


def _had_not_seen(champion: RegisteredModel, data: TrainingData, cutoff: Cutoff) -> bool:
    judged = champion.metadata.get("drift", {}).get("cutoff")
    same_features = champion.feature_contract == data.plan.contract
    return judged is not None and same_features and cutoff.label >= str(judged)
