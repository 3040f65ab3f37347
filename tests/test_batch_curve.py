"""The batch evaluates one return curve once, however many champions read it, and writes the next order."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from segml.config import BandSettings
from segml.models.order_timing import TIMING_COLUMNS
from segml.models.returning import ReturnCurve, ReturnTask
from segml.registry.registered import RegisteredModel
from segml.scoring.batch import ScoringJob, score_chunk
from segml.tables.outputs import KNOWN_COLUMNS
from segml.time_windows import Cutoff
from test_order_timing import buyers


def job(curve: ReturnCurve, other: ReturnCurve | None = None) -> ScoringJob:
    champions = {}
    for task, horizon, source in (("dormancy", 30, curve), ("churn", 90, other or curve)):
        stored = json.loads(json.dumps(ReturnTask(task, horizon, source).to_dict()))
        model = ReturnTask.from_dict(stored)
        features = tuple(model.feature_names_in_)
        champions[task] = RegisteredModel(
            f"segml.shop.{task}", 1, task, "2020-01-01", "f", "c", features, {}, model
        )
    day = Cutoff.parse("2020-01-01")
    return ScoringJob(day, champions, {"dormancy": 30, "churn": 90}, "c", BandSettings())


@pytest.fixture(scope="module")
def curves() -> tuple[ReturnCurve, ReturnCurve]:
    features, labels, _ = buyers()
    return tuple(ReturnCurve((30, 90), rounds=rounds).fit(features, labels) for rounds in (20, 30))


@pytest.mark.parametrize(("different", "evaluations"), [(False, 1), (True, 2)])
def test_two_copies_of_one_curve_are_evaluated_once(curves, monkeypatch, different, evaluations):
    calls: Counter[str] = Counter()
    plain = ReturnCurve.predict_curve

    def counted(self, features):
        calls["evaluated"] += 1
        return plain(self, features)

    features = buyers(300, seed=2)[0].assign(spend_total=10.0)
    wanted = job(curves[0], curves[1] if different else None)
    expected = {
        task: model.model.score(features)[f"{task}_probability"] for task, model in wanted.champions.items()
    }
    monkeypatch.setattr(ReturnCurve, "predict_curve", counted)
    scores, _ = score_chunk(features, wanted)
    assert calls["evaluated"] == evaluations
    np.testing.assert_array_equal(scores["dormancy_probability"], expected["dormancy"])
    if not different:
        np.testing.assert_array_equal(scores["churn_probability"], expected["churn"])


def test_r32_r33_scores_carry_the_next_order_and_the_second_purchase(curves):
    features = buyers(300, seed=2)[0].assign(spend_total=10.0)
    scores = score_chunk(features, job(curves[0]))[0].set_index("customer_id")
    expected = curves[0].order_timing(features)
    pd.testing.assert_frame_equal(scores[list(TIMING_COLUMNS)], expected, check_exact=True)
    assert set(TIMING_COLUMNS) <= set(KNOWN_COLUMNS["scores"])


def test_r31_historic_value_is_a_fact_and_needs_no_champion():
    features = buyers(50, seed=3)[0].assign(spend_total=10.0, returned_total=4.0)
    nobody = ScoringJob(Cutoff.parse("2020-01-01"), {}, {}, "c", BandSettings())
    scores, _ = score_chunk(features, nobody)
    assert (scores["clv_historic"] == 6.0).all()
