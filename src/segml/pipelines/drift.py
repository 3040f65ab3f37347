"""Is a champion still right? Customers scored one horizon ago against what they did, each time the base is scored.

Training leaves a reference with the model (`learn_reference`); scoring looks back from the data's last day
(`watch_champions`). Nothing here asks what day it is: the data's own end is today.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from segml.errors import NotEnoughDataError
from segml.evaluation.drift import (
    SCORE,
    DriftReference,
    MaturedTruth,
    feature_sentence,
    score_sentence,
    watched_columns,
)
from segml.features.snapshot import load_labels, load_snapshot
from segml.pipelines.base import OpenBase
from segml.registry.registered import RegisteredModel
from segml.time_windows import Cutoff

if TYPE_CHECKING:
    from segml.pipelines.predictions import TrainingData
    from segml.pipelines.schedule import Schedule

WATCHED_TASKS = ("dormancy", "churn")
MOST_ROWS = 50_000
MOST_CUTOFFS = 5


@dataclass(frozen=True)
class TaskDrift:
    """What is known about one champion today.

    Attributes
    ----------
    sentences : tuple of str
        What matters, in words; empty when nothing does.
    numbers : dict
        Every figure behind it, JSON-able.
    unavailable : str
        Why nothing could be looked at; empty when something could.
    """

    task: str
    model: str
    sentences: tuple[str, ...] = ()
    numbers: dict[str, Any] | None = None
    unavailable: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return what the manifest of the scores holds."""
        return {
            "model": self.model,
            "sentences": list(self.sentences),
            "numbers": self.numbers or {},
            "unavailable": self.unavailable,
        }


def learn_reference(
    data: TrainingData, model: Any, schedule: Schedule, outcome: Any, probability: Any
) -> DriftReference:
    """Remember the test window, and from the cutoffs before it what is usual for this base."""
    label = f"silent_next_{schedule.horizon}d"
    earlier = [*schedule.training, schedule.calibration]
    step = max(1, -(-len(earlier) // MOST_CUTOFFS))
    past, rates = [], []
    for cutoff in earlier[::-1][::step]:
        features, labels = data.population(cutoff)
        rates.append(float(labels[label].mean()))
        sample = thinned(features)
        past.append(watched_columns(sample).assign(**{SCORE: _probability(model, sample)}))
    features, _ = data.population(schedule.test)
    return DriftReference.learn(schedule.test.label, outcome, probability, features, past, rates)


def thinned(features: pd.DataFrame, most: int = MOST_ROWS) -> pd.DataFrame:
    """Return every k-th customer by id, so that a large base costs no more than a middling one."""
    return features.iloc[:: max(1, -(-len(features) // most))]


def watch_champions(
    base: OpenBase,
    champions: Mapping[str, RegisteredModel],
    snapshot: Path,
    snapshot_at: Callable[[Cutoff], Path],
) -> tuple[TaskDrift, ...]:
    """Hold each return champion against what has come true, and today's customers against those it was judged on.

    Parameters
    ----------
    base : OpenBase
    champions : mapping of task to RegisteredModel
    snapshot : Path
        Partition of the day that is scored.
    snapshot_at : callable
        Writes (or finds) the partition of an earlier cutoff, with labels, by the champions' plan.
    """
    watched = {task: champions[task] for task in WATCHED_TASKS if task in champions}
    if not watched:
        return ()
    today = load_snapshot(snapshot)
    lately = (today["recency_days"] <= base.config.models.active_within_days).to_numpy()
    found, said = [], set()
    for task, model in watched.items():
        one = _watch(base, task, model, thinned(today[lately]), snapshot_at)
        new = tuple(sentence for sentence in one.sentences if sentence not in said)
        said |= set(new)
        found.append(TaskDrift(one.task, one.model, new, one.numbers, one.unavailable))
    return tuple(found)


def _watch(
    base: OpenBase,
    task: str,
    model: RegisteredModel,
    today: pd.DataFrame,
    snapshot_at: Callable[[Cutoff], Path],
) -> TaskDrift:
    if "drift" not in model.metadata:
        return TaskDrift(task, model.label, unavailable="the model was trained before it kept a reference")
    reference = DriftReference.from_dict(model.metadata["drift"])
    moved = reference.moved(today, _probability(model.model, today))
    truth, why = _matured(base, model, snapshot_at)
    happening = f"placed no order in {model.model.horizon} days"
    about = [] if truth is None else truth.alarms(reference, happening)
    about += [text for text in [score_sentence(moved, reference.cutoff)] if text]
    base_wide = [text for text in [feature_sentence(moved, reference.cutoff)] if text]
    sentences = [*(f"{task}: {text}" for text in about), *base_wide]
    numbers = {
        "judged_at": reference.cutoff,
        "auc_when_judged": round(reference.auc, 6),
        "matured": None if truth is None else _rounded(vars(truth)),
        "moved": [_rounded(row) for row in moved.to_dict("records")],
    }
    return TaskDrift(task, model.label, tuple(sentences), numbers, why)


def _matured(
    base: OpenBase, model: RegisteredModel, snapshot_at: Callable[[Cutoff], Path]
) -> tuple[MaturedTruth | None, str]:
    """Score the customers of one horizon ago, whose outcome is known today; or say why that can't be done."""
    horizon = int(model.model.horizon)
    label = f"silent_next_{horizon}d"
    if horizon not in base.config.horizons.all_days:
        return None, f"the horizon of {horizon} days is configured no more, so its outcome isn't counted"
    cutoff = base.known_until.plus_days(-horizon)
    if cutoff <= base.first_day:
        return None, f"no window of {horizon} days has closed yet"
    try:
        partition = snapshot_at(cutoff)
    except NotEnoughDataError as error:
        return None, error.message
    features, labels = load_snapshot(partition), load_labels(partition)
    lately = (features["recency_days"] <= base.config.models.active_within_days).to_numpy()
    sample = thinned(features[lately])
    if sample.empty:
        return None, f"nobody had ordered lately as of {cutoff}"
    outcome = labels.loc[sample.index, label].to_numpy()
    return MaturedTruth.measure(cutoff.label, outcome, _probability(model.model, sample)), ""


def _probability(model: Any, features: pd.DataFrame) -> Any:
    return model.score(features)[f"{model.task}_probability"].to_numpy()


def _rounded(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Numbers to six places, so that the manifest is the same on every processor."""
    return {str(key): round(value, 6) if isinstance(value, float) else value for key, value in row.items()}
