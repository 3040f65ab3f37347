"""Flat tables: any column, exact reasons, no luck rewarded, leaks told."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from segml.errors import DataError, ModelError, NotEnoughDataError
from segml.evaluation.metrics import auc_score
from segml.models.flat import FlatTask, censoring_weights
from segml.models.flat_columns import FlatEncoder, single_column_rules, texts
from segml.pipelines.flat import judge_flat, split_rows, suspicious_columns
from segml.sources.flat import FlatConfig, FlatTable, keyed_shares


def planted(n: int = 1_500, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """A contract base in which calls, plan and missing answers matter, and two thousand postcodes do not."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "plan": rng.choice(["basic", "plus", "gold"], n, p=[0.6, 0.3, 0.1]),
            "calls": rng.poisson(2, n),
            "minutes": rng.gamma(4, 40, n),
            "autopay": rng.random(n) < 0.5,
            "postcode": rng.integers(1_000, 1_000 + n // 3, n).astype(str),
            "satisfaction": np.where(rng.random(n) < 0.3, np.nan, rng.integers(1, 6, n)),
        },
        index=pd.Index([f"c{i:05d}" for i in range(n)], name="customer_id"),
    )
    frame["cost"] = frame["minutes"] * 0.17
    z = -2 + 1.6 * (frame["plan"] == "gold") + 0.5 * frame["calls"] - 1.0 * frame["autopay"]
    truth = expit((z + 0.8 * frame["satisfaction"].isna()).to_numpy(dtype=float))
    return frame, (rng.random(n) < truth).astype(float), truth


@pytest.fixture(scope="module")
def base():
    return planted()


@pytest.fixture(scope="module")
def model(base) -> FlatTask:
    return FlatTask().fit(base[0], base[1])


def table_of(frame: pd.DataFrame, outcome: np.ndarray, **other) -> FlatTable:
    return FlatTable(
        frame, pd.Series(outcome, frame.index), other.get("duration"), other.get("drawn"),
        keyed_shares(frame.index, "shop"), [], "d" * 64,
    )  # fmt: skip


def config_of(**flat) -> FlatConfig:
    source = {"files": "x.csv", "label": {"column": "left"}} | flat
    return FlatConfig.model_validate({"base": "shop", "as_of": "2020-01-01", "flat": source})


def test_r07_the_planted_order_is_found_and_the_probability_is_one(base, model):
    frame, _, _ = base
    fresh, _, truth = planted(seed=9)
    p = model.score(fresh)["churn_probability"].to_numpy()
    assert np.corrcoef(p, truth)[0, 1] > 0.85
    assert abs(p.mean() - truth.mean()) < 0.03
    assert list(model.feature_names_in_) == list(frame.columns)


def test_r41_contributions_add_up_to_the_log_odds_and_belong_to_columns_of_the_table(base, model):
    frame = base[0].head(200)
    parts = model.contributions(frame)
    assert list(parts.columns) == [*frame.columns, "base_value"]
    np.testing.assert_allclose(parts.sum(axis=1), model.log_odds(frame), atol=1e-9)


def test_r41_reasons_are_three_stories_in_words(base, model):
    found = model.reasons(base[0].head(300))
    named = found[[f"reason_{place}_feature" for place in (1, 2, 3)]]
    assert (named.nunique(axis=1) == 3).all()
    assert not ((named == "minutes").any(axis=1) & (named == "cost").any(axis=1)).any()  # one story
    gold = found[(base[0].head(300)["plan"] == "gold").to_numpy()]
    assert (gold == "plan: gold").any(axis=1).mean() > 0.8
    assert (found["reason_1_strength"] >= found["reason_2_strength"]).all()


def test_predictions_survive_json_and_the_order_of_rows_and_columns_of_strangers(base, model):
    frame, y, _ = base
    again = FlatTask.from_dict(json.loads(json.dumps(model.to_dict())))
    pd.testing.assert_frame_equal(again.score(frame), model.score(frame))
    pd.testing.assert_frame_equal(again.reasons(frame.head(50)), model.reasons(frame.head(50)))
    turn = np.random.default_rng(1).permutation(len(frame))
    other = FlatTask().fit(frame.iloc[turn], y[turn])
    np.testing.assert_allclose(other.score(frame), model.score(frame), atol=1e-9)
    np.testing.assert_array_equal(
        model.score(frame.assign(extra=1.0)[[*frame.columns[::-1], "extra"]]), model.score(frame)
    )


def test_levels_never_seen_missing_values_and_wrong_columns(base, model):
    strange = base[0].head(3).assign(plan=["platinum", None, "gold"], calls=[np.nan, 1, 1])
    assert model.score(strange)["churn_probability"].between(0, 1).all()
    with pytest.raises(ModelError, match="'plan'"):
        model.score(strange.drop(columns="plan"))


def test_a_thousand_levels_are_two_columns_and_an_id_is_none():
    n = 1_000
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "id": [f"k{i}" for i in range(n)],
            "postcode": rng.integers(0, 400, n).astype(str),
            "always": "yes",
            "empty": np.nan,
            "kind": rng.choice(["a", "b"], n),
        }
    )
    encoder = FlatEncoder.learn(frame)
    assert encoder.names == ["postcode", "kind"]
    assert encoder.encode(frame).shape[1] <= 30 + 2 + 1
    assert any("1,000 of 1,000 rows have a value of their own" in note for note in encoder.notes)


def test_a_number_that_is_a_name_is_read_as_one():
    column = pd.Series([415, 415.0, 408, None], dtype=float, name="area")
    assert texts(column).tolist() == ["415", "415", "408", None]
    frame = pd.DataFrame({"area": np.repeat([415, 408, 510], 40)})
    assert FlatEncoder.learn(frame).is_number("area")
    assert not FlatEncoder.learn(frame, ["area"]).is_number("area")


def test_r42_the_gate_refuses_models_of_a_shuffled_label_and_lets_the_real_one_through(base):
    frame, y, _ = base
    real = judge_flat(config_of(), table_of(frame, y), split_rows(config_of(), table_of(frame, y)), None)
    assert real.decision.promoted
    assert real.difference.second > 0.5
    small = frame.head(800)
    for seed in range(6):
        shuffled = np.random.default_rng(seed).permutation(y[:800])
        table = table_of(small, shuffled)
        trained = judge_flat(config_of(), table, split_rows(config_of(), table), None)
        assert not trained.decision.promoted, seed
        assert "not surely above 0" in trained.decision.reasons[0]


def test_a_column_that_is_the_label_is_refused_and_one_that_nearly_is_is_told(base):
    frame, y, _ = base
    rng = np.random.default_rng(0)
    encoder_of = FlatEncoder.learn
    copied = frame.assign(closed_account=np.where(y == 1, "closed", "open"))
    with pytest.raises(DataError, match="closed_account alone tells the outcome of every row"):
        suspicious_columns(single_column_rules(copied, y, encoder_of(copied)))
    nearly = frame.assign(last_bill=y + rng.normal(0, 0.3, len(y)), refund=np.where(y == 1, 5.0, np.nan))
    nearly.loc[nearly.index[:20], "refund"] = 5.0
    said = suspicious_columns(single_column_rules(nearly, y, encoder_of(nearly)))
    assert any(
        "last_bill alone gives AUC 0.99" in sentence and "does not guess" in sentence for sentence in said
    )
    assert any("refund" in sentence for sentence in said)  # missing or not is what leaks
    assert suspicious_columns(single_column_rules(frame, y, encoder_of(frame))) == []


def test_an_outcome_of_three_kinds_or_too_few_is_refused(base):
    frame = base[0].head(100)
    with pytest.raises(DataError, match="0 or 1"):
        FlatTask().fit(frame, np.arange(100) % 3)
    with pytest.raises(NotEnoughDataError, match="has 3 rows"):
        FlatTask().fit(frame, (np.arange(100) < 3).astype(float))


def test_weights_of_the_censored_recover_the_share_that_left():
    rng = np.random.default_rng(0)
    left, lost = rng.exponential(100, 20_000), rng.exponential(120, 20_000)
    outcome, weight = censoring_weights(np.minimum(left, lost), left <= lost, horizon=60)
    assert weight.sum() == pytest.approx(20_000, rel=0.02)
    assert np.average(outcome, weights=weight) == pytest.approx(1 - np.exp(-0.6), abs=0.01)
    naive = (left <= lost)[np.minimum(left, lost) <= 60].mean()
    assert abs(naive - (1 - np.exp(-0.6))) > 0.05
    with pytest.raises(NotEnoughDataError, match="longest duration is 9"):
        censoring_weights([9.0, 3.0], [0, 1], horizon=10)
    with pytest.raises(DataError, match="1 of 2 durations"):
        censoring_weights([-1.0, 3.0], [0, 1], horizon=1)


def test_r07_durations_rank_as_their_hazards_do(base):
    frame, _, truth = base
    rng = np.random.default_rng(2)
    left, lost = rng.exponential(80 / (0.2 + 2 * truth)), rng.exponential(150, len(truth))
    config = config_of(label=None, duration={"column": "days", "event": {"column": "left"}, "horizon": 60})
    duration = pd.Series(np.minimum(left, lost), frame.index)
    table = table_of(frame, (left <= lost).astype(float), duration=duration)
    split = split_rows(config, table)
    assert 0 < (~split.known).sum() < len(frame) / 2
    trained = judge_flat(config, table, split, None)
    rest = frame[split.test]
    assert auc_score(truth[split.test] > np.median(truth), trained.model.score(rest).iloc[:, 0]) > 0.75
    assert any("lost from sight" in note for note in trained.notes)
