"""Declared psychographic segments in the main job: answers up to the day scored, segments, placement of the others."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pandas as pd

from segml.errors import NotEnoughDataError
from segml.features.snapshot import load_snapshot
from segml.models.segments.behavioural import DEFAULT_FEATURES
from segml.models.segments.declared import DeclaredSegments
from segml.models.segments.declared_task import DeclaredTask
from segml.models.segments.placement import SegmentPlacement
from segml.pipelines.base import OpenBase
from segml.pipelines.predictions import EXAMPLE_ROWS, TrainingData
from segml.pipelines.promotion import Trained
from segml.pipelines.segment_gate import Candidate, judge_segments
from segml.registry.fingerprint import canonical_json
from segml.registry.gate import Decision
from segml.registry.registered import RegisteredModel
from segml.sources.surveys import load_survey, read_answers


def survey_answers(base: OpenBase) -> pd.DataFrame:
    """Return the answers given before the day scored, one row a customer and one column an item.

    Whoever objected to profiling is not among them: only people of the snapshot are ever looked up.
    """
    survey = load_survey(base.config.path(base.config.survey))
    table = base.engine.fetch(
        "select customer_id, item, answered_at, answer from surveys"
        f" where answered_at < {base.as_of.seconds} order by customer_id, item, answered_at",
        limit=50_000_000,
    )
    long = survey.model_copy(
        update={"layout": "long", "person": "customer_id", "item": "item", "answer": "answer"}
    )
    return read_answers(long, table)


def train_declared(
    base: OpenBase, data: TrainingData, champion: RegisteredModel | None, reserved: Collection[str] = ()
) -> Trained:
    """Fit declared segments on the answers of the base's own customers, and place the others from behaviour.

    Parameters
    ----------
    champion : RegisteredModel, optional
        Of the day; its segments go on while they fit what people answer (`segment_gate`).
    reserved : collection of str
        Ids that a champion of a later day gave.

    Raises
    ------
    NotEnoughDataError
        Too few people answered.
    """
    features = load_snapshot(data.partitions[base.as_of])
    answers = survey_answers(base)
    answers = answers[answers.index.isin(features.index)]
    survey = load_survey(base.config.path(base.config.survey))
    asked = {"questions": canonical_json(survey.questionnaire().to_dict())}
    previous = champion.model.declared if champion is not None else None
    if previous is not None and canonical_json(previous.questionnaire.to_dict()) != asked["questions"]:
        # Nobody's answers can be read by both: its ids are never given again, and none of its segments goes on.
        reserved = {*reserved, *previous.retired_ids, *(one.id for one in previous.identities)}
        previous = None
    declared = DeclaredSegments(survey.questionnaire(), random_state=base.config.seed)
    declared.fit(answers, previous, reserved)
    placement, notes = _placement(features, declared.score(answers))
    model = DeclaredTask(declared, placement)
    scores = model.score(features, answers)
    sources = scores["segment_declared_source"].value_counts()
    return Trained(
        model=model,
        decision=_judged(base, data, declared, champion, previous, answers),
        metrics={
            "segments": float(declared.n_segments_),
            "answered": float(len(answers)),
            "unsure_share": float(declared.unsure_share_),
            **({"placement_accuracy": placement.accuracy_} if placement else {}),
        },
        example=features.head(EXAMPLE_ROWS),
        facts=_facts(base, data, model, len(answers)),
        notes=[*notes, *(f"{people:,} customers: {source}" for source, people in sources.items())],
        params={"k": declared.n_segments_, "survey": survey.name},
        made_with=asked,
        frames={"profile": declared.profile_, "selection": declared.selection_},
    )


def _judged(
    base: OpenBase,
    data: TrainingData,
    declared: DeclaredSegments,
    champion: RegisteredModel | None,
    previous: DeclaredSegments | None,
    answers: pd.DataFrame,
) -> Decision:
    questions = canonical_json(declared.questionnaire.to_dict())
    candidate = Candidate(
        stable=bool(declared.stable_) and declared.n_segments_ > 1,
        reason=str(declared.choice_reason_),
        contract=data.plan.contract,
        made_with={"questions": questions},
    )
    if (
        champion is not None
    ):  # its questions stand in the model itself, also in one of before settings were kept
        asked = {"made_with": {"questions": canonical_json(champion.model.declared.questionnaire.to_dict())}}
        champion = replace(champion, metadata=champion.metadata | asked)
    return judge_segments(
        candidate,
        champion,
        base.as_of,
        base.config.models.segments,
        lambda: declared.compared_with(previous, answers),  # type: ignore[arg-type]
    )


def _placement(features: pd.DataFrame, told: pd.DataFrame) -> tuple[SegmentPlacement | None, list[str]]:
    names = tuple(name for name in DEFAULT_FEATURES if name in features)
    names += tuple(name for name in map(str, features.columns) if name.startswith("affinity_"))
    try:
        placement = SegmentPlacement(names).fit(features, told)
    except NotEnoughDataError as error:
        return None, [error.message]
    return placement, [placement.reason_]


def _facts(base: OpenBase, data: TrainingData, model: DeclaredTask, people: int) -> dict[str, Any]:
    return {
        "predicts": "which psychographic segment a customer belongs to, from survey answers or inferred from behaviour",
        "population": "customers who answered; everybody else is placed by behaviour, and marked as inferred",
        "data_from": data.first_day.label,
        "data_until": base.as_of.label,
        "training_cutoffs": [base.as_of.label],
        "test_cutoff": base.as_of.label,
        "customers": people,
        "features": {name: data.plan.meanings[name] for name in model.feature_names_in_},
        "limits": ["declared and inferred segments are told apart in segment_declared_source"],
        "plan": data.plan.to_dict(),
    }
