"""Drift: silence on a stable shop, a sentence when it matters, and never because the base merely grew older."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from segml.config import load_config
from segml.evaluation.drift import (
    SCORE,
    ColumnReference,
    DriftReference,
    MaturedTruth,
    auc_standard_error,
    feature_sentence,
    score_sentence,
)
from segml.evaluation.metrics import auc_score
from segml.features.snapshot import write_snapshots
from segml.pipelines.base import open_base
from segml.pipelines.drift import watch_champions
from segml.pipelines.narration import Silent
from segml.pipelines.predictions import TrainingData, train_returns
from segml.pipelines.train import plan_training, snapshot_request, training_snapshots
from segml.registry.registered import RegisteredModel
from steady_shop import CONFIG, TODAY, orders_of_a_stable_shop, write_orders

HORIZON, ACTIVE = 60, 365
PAST, JUDGED = (400, 460, 520, 580), 640
LABEL = "were silent"


def snapshot(orders: pd.DataFrame, cutoff: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Features and silence of customers who bought lately."""
    before = orders[orders["day"] < cutoff]
    found = before.groupby("customer").agg(
        last=("day", "max"), orders_total=("day", "size"), discount_share=("discounted", "mean")
    )
    recent = before[before["day"] >= cutoff - 90].groupby("customer").size()
    older = before[before["day"].between(cutoff - 180, cutoff - 91)].groupby("customer").size()
    now, then = recent.reindex(found.index, fill_value=0), older.reindex(found.index, fill_value=0)
    found["orders_trend_90d"] = (now - then) / (now + then).replace(0, np.nan)
    found["recency_days"] = cutoff - found.pop("last")
    found = found[found["recency_days"] <= ACTIVE]
    after = orders[orders["day"].between(cutoff, cutoff + HORIZON - 1)]["customer"].unique()
    return found, (~found.index.isin(after)).astype(float)


class Watch:
    """A logistic judged at one cutoff, and what it remembers."""

    def __init__(self, orders: pd.DataFrame) -> None:
        seen = [snapshot(orders, cutoff) for cutoff in PAST]
        X = pd.concat([features for features, _ in seen])
        self.model = LogisticRegression().fit(self.design(X), np.concatenate([silent for _, silent in seen]))
        features, silent = snapshot(orders, JUDGED)
        past = [frame.assign(**{SCORE: self.score(frame)}) for frame, _ in seen]
        rates = [silent.mean() for _, silent in seen]
        self.reference = DriftReference.learn(
            "2017-05-01", silent, self.score(features), features, past, rates
        )

    @staticmethod
    def design(features: pd.DataFrame) -> np.ndarray:
        return np.log1p(features[["recency_days", "orders_total"]].to_numpy())

    def score(self, features: pd.DataFrame) -> np.ndarray:
        return self.model.predict_proba(self.design(features))[:, 1]

    def alarms(self, orders: pd.DataFrame) -> list[str]:
        matured, silent = snapshot(orders, TODAY - HORIZON)
        truth = MaturedTruth.measure("2017-11-06", silent, self.score(matured))
        today, _ = snapshot(orders, TODAY)
        moved = self.reference.moved(today, self.score(today))
        said = [score_sentence(moved, "2017-05-01"), feature_sentence(moved, "2017-05-01")]
        return truth.alarms(self.reference, LABEL) + [sentence for sentence in said if sentence]


def test_r43_a_stable_shop_is_met_with_silence_in_twenty_seeds():
    for seed in range(20):
        orders = orders_of_a_stable_shop(seed)
        assert Watch(orders).alarms(orders) == [], seed


def test_r43_customers_who_leave_more_often_than_ever_are_told_with_both_numbers():
    orders = orders_of_a_stable_shop(1)
    rng = np.random.default_rng(0)
    gone = orders["customer"].isin(rng.choice(2_500, 1_000, replace=False)) & (
        orders["day"] >= JUDGED + HORIZON
    )
    said = Watch(orders).alarms(orders[~gone])
    assert any("were expected" in sentence and "as numbers" in sentence for sentence in said)
    assert any("more than ever in what the model has seen" in sentence for sentence in said)


def test_r43_an_order_that_has_become_worse_is_told():
    orders = orders_of_a_stable_shop(2)
    watch = Watch(orders)
    late = orders["day"] >= TODAY - HORIZON
    strangers = np.random.default_rng(0).integers(0, 2_500, int(late.sum()))
    mixed = orders.assign(customer=orders["customer"].mask(late, pd.Series(strangers, orders.index[late])))
    assert any(
        "train again" in sentence and "ranks those who" in sentence for sentence in watch.alarms(mixed)
    )


def test_r43_a_ratio_that_means_something_else_is_named():
    orders = orders_of_a_stable_shop(3)
    watch = Watch(orders)
    said = watch.alarms(orders.assign(discounted=orders["discounted"] | (orders["day"] % 3 == 0)))
    assert [sentence for sentence in said if "discount_share" in sentence]
    assert not [sentence for sentence in said if "orders_trend" in sentence]


def test_counts_are_not_watched_however_much_they_grow():
    orders = orders_of_a_stable_shop(4)
    assert set(Watch(orders).reference.columns) == {SCORE, "discount_share", "orders_trend_90d"}


def test_a_threshold_is_noise_when_there_are_few_and_the_past_when_it_moved():
    rng = np.random.default_rng(0)
    small, large = ColumnReference.learn(rng.random(80)), ColumnReference.learn(rng.random(100_000))
    assert small.threshold(80) > 0.3
    assert large.threshold(100_000) == 0.1
    assert ColumnReference(large.edges, large.shares, large.rows, past=0.4).threshold(100_000) == 0.5


def test_a_column_that_is_missing_more_often_has_moved():
    column = np.random.default_rng(0).random(5_000)
    reference = ColumnReference.learn(column)
    assert reference.psi(column) == 0.0
    assert reference.psi(np.where(np.arange(5_000) % 3 == 0, np.nan, column)) > 1.0


def test_the_standard_error_of_an_auc_is_what_a_bootstrap_finds():
    rng = np.random.default_rng(0)
    y = (rng.random(800) < 0.3).astype(float)
    s = np.round(rng.normal(y, 1.2), 1)
    draws = [rng.integers(0, 800, 800) for _ in range(400)]
    spread = np.std([auc_score(y[rows], s[rows]) for rows in draws])
    assert auc_standard_error(y, s) == pytest.approx(spread, rel=0.15)


def test_a_reference_survives_json_and_few_outcomes_are_not_judged():
    watch = Watch(orders_of_a_stable_shop(5))
    again = DriftReference.from_dict(json.loads(json.dumps(watch.reference.to_dict())))
    assert again == watch.reference
    few = MaturedTruth.measure("2017-11-06", [1.0] * 5 + [0.0] * 500, [0.01] * 505)
    assert few.auc is None


def test_r43_a_champion_is_held_against_what_came_true_and_the_clock_is_never_asked(tmp_path):
    orders = orders_of_a_stable_shop(6, people=1_500)
    orders = orders[orders["day"] >= 0]
    write_orders(orders[orders["day"] < JUDGED + HORIZON], tmp_path / "orders.csv")
    (tmp_path / "shop.yaml").write_text(CONFIG)
    with open_base(load_config(tmp_path / "shop.yaml"), Silent()) as base:
        training = plan_training(base)
        paths = training_snapshots(training, lambda _: None)
        data = TrainingData(base.config, training.plan, paths, base.first_day, base.known_until)
        (trained,) = train_returns(data, {"dormancy": training.schedules["dormancy"]}, {})
        plan = training.plan
    champion = RegisteredModel(
        "segml.shop.dormancy", 1, "dormancy", "2017-11-30", "f", plan.contract,
        tuple(trained.model.feature_names_in_), {"drift": json.loads(json.dumps(trained.drift))}, trained.model,
    )  # fmt: skip

    def watch() -> tuple[tuple[str, ...], dict]:
        with open_base(load_config(tmp_path / "shop.yaml"), Silent()) as base:

            def at(cutoff, sample=True):
                request = snapshot_request(base, (cutoff,), sample=sample)
                return write_snapshots(base.engine, plan, request, base.config.data_path("features"))[0]

            (found,) = watch_champions(base, {"dormancy": champion}, at(base.as_of, sample=False), at)
            return found.sentences, json.loads(json.dumps(found.to_dict()))

    write_orders(orders, tmp_path / "orders.csv")
    sentences, told = watch()
    assert sentences == ()
    assert told["numbers"]["matured"]["cutoff"] == "2018-01-10"  # the data's end less the horizon
    rng = np.random.default_rng(0)
    gone = orders["customer"].isin(rng.choice(1_500, 900, replace=False)) & (
        orders["day"] >= JUDGED + HORIZON
    )
    write_orders(orders[~gone], tmp_path / "orders.csv")
    sentences, told = watch()
    assert any(sentence.startswith("dormancy: of ") and "were expected" in sentence for sentence in sentences)
    assert told["numbers"]["matured"]["realised"] > told["numbers"]["matured"]["predicted"] + 0.1
