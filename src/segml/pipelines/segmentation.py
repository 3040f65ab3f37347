"""Segments: learnt on the day that is scored, continued from the champion's, promoted as `segment_gate` decides."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from segml.errors import NotEnoughDataError
from segml.features.snapshot import load_snapshot
from segml.models.segments.behavioural import DEFAULT_FEATURES, BehaviouralSegmenter
from segml.models.segments.interests import InterestSegmenter
from segml.models.segments.languages import SENTENCES, percent_text
from segml.models.segments.migration import migration_frame
from segml.models.segments.profiles import profile_segments, typical_customers
from segml.models.segments.segment_actions import suggest_actions
from segml.models.segments.segment_map import segment_map_frame
from segml.models.segments.segment_sentences import describe_segment
from segml.models.segments.selection import CONSENSUS_BELOW, CONSENSUS_RUNS
from segml.models.segments.task import SegmentTask
from segml.pipelines.predictions import EXAMPLE_ROWS, TrainingData
from segml.pipelines.promotion import Trained
from segml.pipelines.segment_gate import Candidate, judge_segments
from segml.registry.gate import Decision
from segml.registry.registered import RegisteredModel
from segml.tables.partition import writing
from segml.time_windows import Cutoff

SHAKY_BELOW = 0.6
"""A segment whose bootstrap Jaccard is below this should not be given a meaning (Hennig 2007)."""
_METHODS = {"behavioural": "kmeans", "mixture": "gmm"}
_PREDICTS = {
    "behavioural": "which behavioural segment a customer belongs to (k-means)",
    "mixture": "which behavioural segments a customer belongs to, and how surely (Gaussian mixture)",
    "interest": "what a customer is interested in, inferred from the categories bought (topics of category affinity)",
}


def train_segments(
    data: TrainingData,
    as_of: Cutoff,
    task: str,
    champion: RegisteredModel | None,
    reserved: Collection[str] = (),
) -> Trained:
    """Fit one kind of segments on everybody who has bought; ids and names continue the champion's.

    Parameters
    ----------
    champion : RegisteredModel, optional
        Of the day. When its segments stay, the notes describe them as they are today, not the new ones.
    reserved : collection of str
        Ids that a champion of a later day gave.

    Raises
    ------
    NotEnoughDataError
        No categories, or too few customers.
    """
    features = load_snapshot(data.partitions[as_of])
    least, buyers = data.config.models.gate.floor.customers, int(features["recency_days"].notna().sum())
    if buyers < least:
        raise NotEnoughDataError(f"there are {buyers} customers who bought, and segments need {least}")
    model = SegmentTask(task, segmenter(data, task, buyers), language=data.config.language)  # type: ignore[arg-type]
    previous: SegmentTask | None = champion.model if champion is not None else None
    model.fit(features, previous=previous, reserved=reserved)
    scores = model.score(features)
    known = scores[f"segment_{task}_id"] != "unknown"
    profile = _profile(model, features, scores)
    decision = _judged(data, as_of, model, champion, features)
    _keep_typical_customers(data, as_of, model, features)
    if champion is not None and not decision.promoted and not model.lost_features_:
        notes = _notes_of_champion(champion, features)
    else:
        notes = _notes(model, profile, known, champion)
    return Trained(
        model=model,
        decision=decision,
        metrics=_metrics(model, scores, task),
        example=features.head(EXAMPLE_ROWS),
        facts=_facts(data, as_of, task, model, features),
        notes=notes,
        made_with=_made_with(data),
        params={"method": _METHODS.get(task, "topics"), "k": len(model.identities)},
        frames=_frames(model, profile, features, scores, previous),
        plots=_plots(model, profile, features, scores, previous),
    )


def segmenter(data: TrainingData, task: str, buyers: int) -> Any:
    """Return the unfitted segmenter of a task, as the configuration wants it and the number of buyers allows."""
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
        consensus_runs=CONSENSUS_RUNS if buyers < CONSENSUS_BELOW else 0,
    )


def _judged(
    data: TrainingData,
    as_of: Cutoff,
    model: SegmentTask,
    champion: RegisteredModel | None,
    features: pd.DataFrame,
) -> Decision:
    candidate = Candidate(
        stable=bool(model.segmenter.stable_) and len(model.identities) > 1,
        reason=str(model.segmenter.choice_reason_),
        contract=data.plan.contract,
        made_with=_made_with(data),
        lost=tuple(model.lost_features_),
    )
    return judge_segments(
        candidate,
        champion,
        as_of,
        data.config.models.segments,
        lambda: model.compared_with(champion.model, features),  # type: ignore[union-attr]
    )


def _made_with(data: TrainingData) -> dict[str, Any]:
    """What makes other segments when somebody changes it; when they are renewed does not."""
    settings = data.config.models.segments.model_dump(
        mode="json", exclude={"champion_keeps", "renew_after_days"}
    )
    return {"language": data.config.language, "segments": settings}


def _profile(model: SegmentTask, features: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    ids = scores[f"segment_{model.task}_id"]
    known = ids != "unknown"
    return profile_segments(features.loc[known, _profiled(model, features)], ids[known])


def _profiled(model: SegmentTask, features: pd.DataFrame) -> list[str]:
    names = [*model.feature_names_in_, "orders_total", "spend_total"]
    return list(dict.fromkeys(name for name in names if name in features))


def _metrics(model: SegmentTask, scores: pd.DataFrame, task: str) -> dict[str, float]:
    selection = model.segmenter.selection_
    chosen = selection[selection["chosen"].astype(bool)] if "chosen" in selection else selection.iloc[:0]
    membership = scores[f"segment_{task}_membership"].dropna()
    metrics = {"segments": float(len(model.identities)), "unsure_share": float((membership < 0.6).mean())}
    if isinstance(model.segmenter, BehaviouralSegmenter):
        metrics["outlier_share"] = model.segmenter.outlier_share_
    numbers = chosen.select_dtypes("number")
    if len(numbers):
        metrics |= {str(name): float(value) for name, value in numbers.iloc[0].items()}
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def _notes_of_champion(champion: RegisteredModel, features: pd.DataFrame) -> list[str]:
    """Describe the champion's segments, which go on scoring, as they are among the customers of the day."""
    model: SegmentTask = champion.model
    scores = model.score(features)
    known = scores[f"segment_{model.task}_id"] != "unknown"
    return [*_described(model, _profile(model, features, scores)), *_unknown_notes(known)]


def _described(model: SegmentTask, profile: pd.DataFrame) -> list[str]:
    own = {identity.id: identity.name for identity in model.identities}
    notes = [
        describe_segment(profile, segment, f"{segment} {own[str(segment)]}", model.language)
        for segment in profile["segment"].unique()
    ]
    actions = suggest_actions(profile, model.language)
    return [*notes, *(f"{row.segment}: {row.suggestion}" for row in actions.itertuples())]


def _unknown_notes(known: pd.Series) -> list[str]:
    unknown = int((~known).sum())
    return [f"{unknown:,} customers have too little history for a segment of this kind"] if unknown else []


def _notes(
    model: SegmentTask, profile: pd.DataFrame, known: pd.Series, champion: RegisteredModel | None
) -> list[str]:
    own = {identity.id: identity.name for identity in model.identities}
    notes = _described(model, profile)
    if isinstance(model.segmenter, BehaviouralSegmenter):
        notes += _stability_notes(model, model.segmenter.segment_stability_)
        notes.append(
            f"{model.segmenter.uncertain_share_:.1%} belong to no segment in particular (membership below 0.6), "
            f"{model.segmenter.outlier_share_:.1%} lie far from every segment"
        )
    notes += _unknown_notes(known)
    if model.lost_features_ and champion is not None:
        lost = ", ".join(model.lost_features_)
        notes.append(
            f"{champion.label} reads {lost}, which are not here: no segment could be continued from it"
        )
    elif model.match_ is not None:
        notes += model.match_.sentences(own)
    return notes


def _stability_notes(model: SegmentTask, stability: pd.DataFrame) -> list[str]:
    words, notes = SENTENCES[model.language]["shaky"], []
    for identity, jaccard in zip(model.identities, stability["jaccard_mean"].tolist(), strict=True):
        if jaccard < SHAKY_BELOW:
            share = percent_text(jaccard, model.language)
            notes.append(f"{identity.id} {identity.name}: {words.format(jaccard=share)}")
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


def _frames(
    model: SegmentTask,
    profile: pd.DataFrame,
    features: pd.DataFrame,
    scores: pd.DataFrame,
    previous: SegmentTask | None,
) -> dict[str, pd.DataFrame]:
    frames = {
        "profile": profile,
        "selection": model.segmenter.selection_,
        "actions": suggest_actions(profile, model.language),
    }
    if isinstance(model.segmenter, BehaviouralSegmenter):
        stability = model.segmenter.segment_stability_
        ids = [identity.id for identity in model.identities]
        frames["stability"] = stability.assign(segment=ids, trusted=stability["jaccard_mean"] >= SHAKY_BELOW)
    if previous is not None and not model.lost_features_:
        frames["migration"] = _migration(model, features, scores, previous)
    return frames


def _keep_typical_customers(
    data: TrainingData, as_of: Cutoff, model: SegmentTask, features: pd.DataFrame
) -> None:
    """Write the customers nearest to each centre below `data/`: rows of customers don't belong in the model store."""
    if not isinstance(model.segmenter, BehaviouralSegmenter):
        return
    buyers = features[features["recency_days"].notna()]
    typical = typical_customers(
        buyers[_profiled(model, features)], model.segmenter.predict(buyers), model.segmenter.transform(buyers)
    )
    with writing(data.config.data_path("segments", f"as_of={as_of.label}", model.task)) as temporary:
        typical.to_parquet(temporary / "typical_customers.parquet", index=False)


def _migration(
    model: SegmentTask, features: pd.DataFrame, scores: pd.DataFrame, previous: SegmentTask
) -> pd.DataFrame:
    """Flows from the champion's segments to these, of the same people on the same day."""
    stem = f"segment_{model.task}_id"
    money = features["spend_total"]
    return migration_frame(previous.score(features)[stem], scores[stem], money, money)


def _plots(
    model: SegmentTask,
    profile: pd.DataFrame,
    features: pd.DataFrame,
    scores: pd.DataFrame,
    previous: SegmentTask | None,
) -> dict[str, Any]:
    from segml.evaluation import plots_segment_flows as flows
    from segml.evaluation import plots_segments as plots

    names: dict[object, str] = {identity.id: identity.name for identity in model.identities}
    drawings: dict[str, Any] = {
        "profile": lambda ax: plots.plot_profile_heatmap(profile, names, ax=ax),
        "snake": lambda ax: flows.plot_snake(profile, names, ax=ax),
        "sizes": lambda ax: plots.plot_segment_sizes(profile, names, ax=ax),
        "certainty": lambda ax: plots.plot_membership_certainty(
            scores[f"segment_{model.task}_membership"], ax=ax
        ),
    }
    if previous is not None and not model.lost_features_:
        moved = _migration(model, features, scores, previous)
        drawings["migration"] = lambda ax: flows.plot_migration(moved, ax=ax)
    if isinstance(model.segmenter, BehaviouralSegmenter):
        buyers = features[features["recency_days"].notna()]
        spoken: dict[object, str] = {n: identity.name for n, identity in enumerate(model.identities)}
        drawings["selection"] = lambda ax: plots.plot_k_selection(
            model.segmenter.selection_, model.segmenter.min_stability, ax=ax
        )
        drawings["map"] = lambda ax: flows.plot_segment_map(
            segment_map_frame(model.segmenter, buyers), spoken, ax=ax
        )
    return drawings
