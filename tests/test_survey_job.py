"""Declared segments in the main job: answers go first, behaviour places the others, and both are told apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from segml.config import load_config
from segml.features.plan import make_plan
from segml.features.snapshot import SnapshotRequest, load_snapshot, write_snapshots
from segml.models.segments.declared_task import DeclaredTask
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.narration import Silent
from segml.pipelines.predictions import TrainingData
from segml.pipelines.promotion import Trained
from segml.pipelines.survey import survey_answers, train_declared
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
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, pd.DataFrame, pd.DataFrame]:
    """Train on a shop of 2,000 customers; return the model, everybody's features, and the answers."""
    root = tmp_path_factory.mktemp("asked")
    shutil.copytree(PROJECT / "configs" / "surveys", root / "configs" / "surveys")
    shop = SyntheticShop(n_customers=2_000, days=400, tables=("customers", "orders", "surveys"))
    write_shop(shop, root / "shop")
    (root / "configs" / "asked.yaml").write_text(CONFIGURATION)
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
