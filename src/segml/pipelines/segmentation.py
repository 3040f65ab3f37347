"""Segments: learnt on the day that is scored, continued from the champion's, promoted only when they are stable."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segml.errors import NotEnoughDataError
from segml.features.snapshot import load_snapshot
from segml.models.segments.behavioural import DEFAULT_FEATURES, BehaviouralSegmenter
from segml.models.segments.interests import InterestSegmenter
from segml.models.segments.profiles import describe_segment, profile_segments
from segml.models.segments.task import SegmentTask
from segml.pipelines.predictions import EXAMPLE_ROWS, TrainingData
from segml.pipelines.promotion import Trained
from segml.registry.gate import Decision
from segml.registry.registered import RegisteredModel
from segml.time_windows import Cutoff

_METHODS = {"behavioural": "kmeans", "mixture": "gmm"}
_PREDICTS = {
    "behavioural": "which behavioural segment a customer belongs to (k-means)",
    "mixture": "which behavioural segments a customer belongs to, and how surely (Gaussian mixture)",
    "interest": "what a customer is interested in, inferred from the categories bought (topics of category affinity)",
}


def train_segments(data: TrainingData, as_of: Cutoff, task: str, champion: RegisteredModel | None) -> Trained:
    """Fit one kind of segments on everybody who has bought; ids and names continue the champion's.

    Raises
    ------
    NotEnoughDataError
        No categories, or too few customers.
    """
    features = load_snapshot(data.partitions[as_of])
    least, buyers = data.config.models.gate.floor.customers, int(features["recency_days"].notna().sum())
    if buyers < least:
        raise NotEnoughDataError(f"there are {buyers} customers who bought, and segments need {least}")
    model = SegmentTask(task, segmenter(data, task))  # type: ignore[arg-type]
    model.fit(features, previous=_continued(data, champion))
    scores = model.score(features)
    known = scores[f"segment_{task}_id"] != "unknown"
    profile = profile_segments(
        features.loc[known, _profiled(model, features)], scores.loc[known, f"segment_{task}_id"]
    )
    return Trained(
        model=model,
        decision=judge(model),
        metrics=_metrics(model, scores, task),
        example=features.head(EXAMPLE_ROWS),
        facts=_facts(data, as_of, task, model, features),
        notes=_notes(model, profile, known),
        params={"method": _METHODS.get(task, "topics"), "k": len(model.identities)},
        frames={"profile": profile, "selection": model.segmenter.selection_},
        plots=_plots(model, profile, scores[f"segment_{task}_membership"]),
    )


def segmenter(data: TrainingData, task: str) -> Any:
    """Return the unfitted segmenter of a task, as the configuration wants it."""
    settings, seed = data.config.models.segments, data.config.seed
    if task == "interest":
        return InterestSegmenter(random_state=seed, sample_size=settings.sample_size)
    return BehaviouralSegmenter(
        method=_METHODS[task],  # type: ignore[arg-type]
        k_range=(settings.smallest_k, settings.largest_k),
        features=DEFAULT_FEATURES,
        min_share=settings.minimum_share,
        min_stability=settings.minimum_stability,
        sample_size=settings.sample_size,
        random_state=seed,
    )


def judge(model: SegmentTask) -> Decision:
    """Promote stable segments; "no stable segments" is an answer, and the rule-based ones carry on."""
    found = model.segmenter
    stable = bool(found.stable_) and len(model.identities) > 1
    reason = str(found.choice_reason_)
    return Decision(promoted=stable, grade="A" if stable else "C", reasons=[reason])


def _continued(data: TrainingData, champion: RegisteredModel | None) -> SegmentTask | None:
    """Return the champion to continue from, when it reads the same features."""
    if champion is None or champion.feature_contract != data.plan.contract:
        return None
    previous: SegmentTask = champion.model
    return previous


def _profiled(model: SegmentTask, features: pd.DataFrame) -> list[str]:
    names = [*model.feature_names_in_, "orders_total", "spend_total"]
    return list(dict.fromkeys(name for name in names if name in features))


def _metrics(model: SegmentTask, scores: pd.DataFrame, task: str) -> dict[str, float]:
    selection = model.segmenter.selection_
    chosen = selection[selection["chosen"].astype(bool)] if "chosen" in selection else selection.iloc[:0]
    membership = scores[f"segment_{task}_membership"].dropna()
    metrics = {"segments": float(len(model.identities)), "unsure_share": float((membership < 0.6).mean())}
    numbers = chosen.select_dtypes("number")
    if len(numbers):
        metrics |= {str(name): float(value) for name, value in numbers.iloc[0].items()}
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def _notes(model: SegmentTask, profile: pd.DataFrame, known: pd.Series) -> list[str]:
    names = {identity.id: f"{identity.id} {identity.name}" for identity in model.identities}
    notes = [
        describe_segment(profile, segment, names[str(segment)]) for segment in profile["segment"].unique()
    ]
    if (~known).any():
        notes.append(f"{int((~known).sum()):,} customers have too little history for a segment of this kind")
    if model.match_ is not None:
        changes = (("new", model.match_.births), ("gone", model.match_.deaths))
        notes += [f"{word} since the champion: {', '.join(ids)}" for word, ids in changes if ids]
    return notes


def _facts(
    data: TrainingData, as_of: Cutoff, task: str, model: SegmentTask, features: pd.DataFrame
) -> dict[str, Any]:
    return {
        "predicts": _PREDICTS[task],
        "population": "everybody who has bought",
        "data_from": data.first_day.label,
        "data_until": as_of.label,
        "training_cutoffs": [as_of.label],
        "test_cutoff": as_of.label,
        "customers": len(features),
        "features": {name: data.plan.meanings[name] for name in model.feature_names_in_},
        "limits": ["segments describe; they don't say what a person would do if contacted"],
        "plan": data.plan.to_dict(),
    }


def _plots(model: SegmentTask, profile: pd.DataFrame, membership: pd.Series) -> dict[str, Any]:
    from segml.evaluation import plots_segments as plots

    drawings: dict[str, Any] = {
        "profile": lambda ax: plots.plot_profile_heatmap(profile, ax=ax),
        "sizes": lambda ax: plots.plot_segment_sizes(profile, ax=ax),
    }
    if isinstance(model.segmenter, BehaviouralSegmenter):
        drawings["selection"] = lambda ax: plots.plot_k_selection(model.segmenter.selection_, ax=ax)
    return drawings
