"""Declared segments in the main job: answers go first, behaviour places the others, and both are told apart."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from segml.config import load_config
from segml.features.plan import FeaturePlan, make_plan
from segml.features.snapshot import SnapshotRequest, load_snapshot, write_snapshots
from segml.models.segments.declared_task import DeclaredTask
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.narration import Silent
from segml.pipelines.predictions import TrainingData
from segml.pipelines.promotion import Trained
from segml.pipelines.survey import survey_answers, train_declared
from segml.registry.registered import RegisteredModel
from segml.sources.synthetic import SyntheticShop, write_shop

PROJECT = Path(__file__).parents[1]
CONFIGURATION = """
base: asked
currency: EUR
survey: configs/surveys/synthetic.yaml
tables:
  customers: {files: shop/customers, columns: [customer_id, joined_at]}
  orders: {files: shop/orders, columns: [order_id, customer_id, ordered_at, amount]}
  surveys: {files: shop/surveys, columns: [customer_id, answered_at, item, answer]}
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with a shop of 2,000 customers."""
    root = tmp_path_factory.mktemp("asked")
    shutil.copytree(PROJECT / "configs" / "surveys", root / "configs" / "surveys")
    shop = SyntheticShop(n_customers=2_000, days=400, tables=("customers", "orders", "surveys"))
    write_shop(shop, root / "shop")
    (root / "configs" / "asked.yaml").write_text(CONFIGURATION)
    return root


@pytest.fixture(scope="module")
def asked(root: Path) -> tuple[Trained, pd.DataFrame, pd.DataFrame]:
    """Return the model, everybody's features, and the answers."""
    with open_base(load_config(root / "configs" / "asked.yaml"), Silent()) as base:
        data = _training_data(base, root)
        return (
            train_declared(base, data, None),
            load_snapshot(data.partitions[base.as_of]),
            survey_answers(base),
        )


def _training_data(base: OpenBase, root: Path) -> TrainingData:
    plan = make_plan(base.engine, base.as_of)
    (place,) = write_snapshots(base.engine, plan, SnapshotRequest((base.as_of,)), root / "features")
    return TrainingData(base.config, plan, {base.as_of: place}, base.first_day, base.as_of)


@pytest.fixture(scope="module")
def champion(asked: tuple[Trained, pd.DataFrame, pd.DataFrame]) -> RegisteredModel:
    """The trained model as it comes out of a registry."""
    trained = asked[0]
    model = DeclaredTask.from_dict(json.loads(json.dumps(trained.model.to_dict())))
    contract = FeaturePlan.from_dict(json.loads(json.dumps(trained.facts["plan"]))).contract
    day = trained.facts["data_until"]
    return RegisteredModel("segml.asked.declared", 1, "declared", day, "f", contract, (), {}, model)


def _trained_against(champion: RegisteredModel, root: Path) -> Trained:
    with open_base(load_config(root / "configs" / "asked.yaml"), Silent()) as base:
        return train_declared(base, _training_data(base, root), champion)


def test_r22_segments_of_the_same_survey_stay(champion: RegisteredModel, root: Path) -> None:
    again = _trained_against(champion, root)
    assert not again.decision.promoted
    assert "the champion's segments stay" in again.decision.reasons[0]


def test_r22_other_questions_make_new_segments_that_take_no_id_of_the_old(
    champion: RegisteredModel, root: Path
) -> None:
    declared = copy.deepcopy(champion.model.declared)
    declared.questionnaire = declared.questionnaire.without([declared.questionnaire.items[0]])
    other = replace(champion, model=DeclaredTask(declared))
    new = _trained_against(other, root)
    assert new.decision.promoted
    assert "it was made with other settings (questions)" in new.decision.reasons[1]
    old = {identity.id for identity in declared.identities}
    assert not old & {identity.id for identity in new.model.declared.identities}


def test_r18_stable_segments_of_a_survey_are_promoted(
    asked: tuple[Trained, pd.DataFrame, pd.DataFrame],
) -> None:
    trained = asked[0]
    assert trained.decision.promoted
    assert trained.model.declared.n_segments_ == 4


def test_r18_declared_and_inferred_are_told_apart(asked: tuple[Trained, pd.DataFrame, pd.DataFrame]) -> None:
    trained, features, answers = asked
    scores = trained.model.score(features, answers)
    declared = scores[scores["segment_declared_source"] == "declared"]
    assert 0 < len(declared) < len(scores)
    assert set(declared.index) <= set(answers.index)
    assert set(scores["segment_declared_source"]) <= {"declared", "inferred", "unknown"}
    silent = trained.model.score(features)
    assert not (silent["segment_declared_source"] == "declared").any()


def test_r18_scores_survive_the_registry(asked: tuple[Trained, pd.DataFrame, pd.DataFrame]) -> None:
    trained, features, answers = asked
    again = DeclaredTask.from_dict(trained.model.to_dict())
    pd.testing.assert_frame_equal(again.score(features, answers), trained.model.score(features, answers))


def test_r18_without_placement_only_the_asked_have_a_segment(
    asked: tuple[Trained, pd.DataFrame, pd.DataFrame],
) -> None:
    trained, features, answers = asked
    scores = DeclaredTask(trained.model.declared).score(features, answers)
    assert set(scores["segment_declared_source"]) == {"declared", "unknown"}
