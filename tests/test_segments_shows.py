"""R21-R23: what the segments promise as a whole: planted shops recovered, noise refused, identities and flows kept."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from segml.models.segments.behavioural import BehaviouralSegmenter
from segml.models.segments.fits import fit_kmeans, fit_mixture
from segml.models.segments.migration import JOINED, migration_frame, migration_matrix, net_flows
from segml.models.segments.preparation import learn_preparation
from segml.models.segments.selection import restart_stability_frame
from segml.models.segments.task import SegmentTask
from segml.sources.synthetic import SEGMENTS, SyntheticShop, make_shop

QUICK = {"n_init": 10, "n_bootstraps": 4}
SURVEY = Path(__file__).parents[2] / "shared/data/young_people_survey.csv"
KINDS = ("weekly_essentials", "monthly_stock_up", "bargain_hunters", "lapsing_vips")


def planted_shop(seed: int = 3, customers: int = 1_200) -> tuple[pd.DataFrame, pd.Series]:
    """Four segments of the synthetic shop whose members are alike, and what their orders show of them."""
    chosen = [segment for segment in SEGMENTS if segment.name in KINDS]
    alike = tuple(
        dataclasses.replace(
            segment,
            share=0.25,
            rate_shape=400.0,
            dropout_per_year=0.002,
            value_shape=60.0,
            value_spread=400.0,
            orders_per_year=2.2 * segment.orders_per_year,
            order_value=segment.order_value * (2.5 if segment.name == "lapsing_vips" else 1.0),
            uplift=0.0,
        )
        for segment in chosen
    )
    made = make_shop(
        SyntheticShop(
            n_customers=customers,
            seed=seed,
            segments=alike,
            prospect_share=0.0,
            tables=("customers", "orders"),
        )
    )
    orders = made["orders"].sort_values(["customer_id", "ordered_at"])
    span = (orders["ordered_at"].max() - orders.groupby("customer_id")["ordered_at"].min()).dt.days
    by_person = orders.groupby("customer_id")
    counts = by_person["order_id"].count()
    features = pd.DataFrame(
        {
            "orders_a_year": counts / np.maximum(span, 30) * 365,
            "order_value_mean": by_person["amount"].mean(),
            "discounted": by_person["discount"].agg(lambda given: float((given > 0).mean())),
        }
    )
    truth = made.truth["customers"].set_index("customer_id")["segment"]
    long_known = features.index[(span > 365) & (counts >= 5)]
    return features.loc[long_known], truth.loc[long_known]


@pytest.mark.parametrize("method", ["kmeans", "gmm"])
def test_r21_the_segments_planted_in_the_synthetic_shop_are_recovered(method):
    features, truth = planted_shop()
    segmenter = BehaviouralSegmenter(method, k_range=(3, 6), **QUICK).fit(features)
    assert segmenter.stable_, segmenter.choice_reason_
    assert adjusted_rand_score(truth, segmenter.labels_) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("method", ["kmeans", "gmm"])
def test_r21_noise_has_no_stable_segments_in_twenty_of_twenty_seeds(method):
    found = [
        BehaviouralSegmenter(method, n_init=10, n_bootstraps=8)
        .fit(np.random.default_rng(seed).normal(size=(1_000, 6)))
        .n_segments_
        for seed in range(20)
    ]
    assert found == [1] * 20


@pytest.mark.slow
@pytest.mark.parametrize("k", [4, 5, 6])
def test_r21_on_a_survey_the_consensus_comes_back_best(k):
    if not SURVEY.is_file():
        pytest.skip("the Young People Survey is not at hand")
    answers = pd.read_csv(SURVEY)
    first = list(answers.columns).index("History")
    items = answers.iloc[:, first : first + 32].astype(float)
    items = items[items.notna().sum(axis=1) >= 25]
    centred = items.sub(items.mean(axis=1), axis=0).fillna(0.0).to_numpy()
    rows = (centred - centred.mean(axis=0)) / centred.std(axis=0)
    with threadpool_limits(limits=1):
        found = restart_stability_frame(rows[np.lexsort(rows.T[::-1])], k, n_bootstraps=12).set_index("fit")
    assert found["rand_mean"].is_monotonic_increasing, found
    assert len(rows) >= 1_000


def test_r22_a_retrain_on_new_customers_and_other_row_order_keeps_ids_and_names():
    features, _ = planted_shop()
    features = features.assign(recency_days=10.0)
    everyone = features.sample(frac=1.0, random_state=5)
    old = everyone.iloc[: round(0.9 * len(everyone))].sort_index()

    def segments() -> BehaviouralSegmenter:
        return BehaviouralSegmenter(k_range=(3, 6), **QUICK)

    first = SegmentTask("behavioural", segments()).fit(old)
    second = SegmentTask("behavioural", segments()).fit(everyone, previous=first)
    assert {i.id: i.name for i in second.identities} == {i.id: i.name for i in first.identities}
    assert second.match_.births == second.match_.deaths == []
    stored = SegmentTask.from_dict(json.loads(json.dumps(second.to_dict())))
    assert stored.match_ == second.match_

    before, after = (task.score(everyone)["segment_behavioural_id"] for task in (first, second))
    flows = migration_frame(before.loc[old.index], after)
    matrix = migration_matrix(flows)
    sizes = before.loc[old.index].value_counts()
    pd.testing.assert_series_equal(
        matrix.drop(index=JOINED).sum(axis=1), sizes.sort_index(), check_names=False, check_dtype=False
    )
    pd.testing.assert_series_equal(
        matrix.sum(axis=0), after.value_counts().sort_index(), check_names=False, check_dtype=False
    )
    stayed = sum(matrix.loc[i, i] for i in sizes.index)
    assert stayed >= 0.97 * len(old)


def test_r22_a_champion_of_other_features_is_said_and_its_ids_are_not_given_again():
    features, _ = planted_shop(customers=400)
    features = features.assign(recency_days=10.0)
    first = SegmentTask("behavioural", BehaviouralSegmenter(k=2, **QUICK)).fit(features)
    second = SegmentTask("behavioural", BehaviouralSegmenter(k=2, **QUICK))
    second.fit(features.drop(columns="discounted"), previous=first)
    assert second.lost_features_ == ["discounted"]
    assert not {i.id for i in second.identities} & {i.id for i in first.identities}


labels = st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=40)


@settings(max_examples=60, deadline=None)
@given(labels, labels, st.integers(0, 5))
def test_r23_rows_add_up_to_the_earlier_sizes_and_money_is_conserved(old, new, shift):
    before = pd.Series(old, index=[f"c{i}" for i in range(len(old))], dtype=object)
    after = pd.Series(new, index=[f"c{i + shift}" for i in range(len(new))], dtype=object)
    known = before.dropna().index.union(after.dropna().index)
    if not len(known):
        return
    money = pd.Series(np.arange(1.0, len(known) + 1), index=known)
    flows = migration_frame(before, after, money, 2 * money)
    rows = flows[flows["before"] != JOINED].groupby("before")["people"].sum()
    assert rows.to_dict() == before.value_counts().to_dict()
    assert flows["money_before"].sum() == money.sum()
    assert flows["money_after"].sum() == 2 * money.sum()
    assert flows.groupby("before")["share"].sum().round(9).eq(1).all()
    net = net_flows(flows)
    assert (net["people_after"] - net["people_before"] == net["came_in"] - net["went_out"]).all()


def test_fast_fits_are_no_worse_than_the_library_they_replace():
    features, _ = planted_shop()
    noisy = features.to_numpy() + np.random.default_rng(0).normal(
        0, features.std().to_numpy(), features.shape
    )
    rows = learn_preparation(noisy).transform(noisy)
    rows = rows[np.lexsort(rows.T[::-1])]
    with threadpool_limits(limits=1):
        for k in (3, 6):
            ours = fit_kmeans(rows, k, 1, 40)
            inertia = ours.variance * rows.size
            assert inertia <= 1.005 * KMeans(k, n_init=40, random_state=1).fit(rows).inertia_
        for covariance in ("full", "diag"):
            ours = fit_mixture(rows, 4, 1, 8, covariance)
            theirs = GaussianMixture(
                4, covariance_type=covariance, n_init=8, reg_covar=1e-3, random_state=1
            ).fit(rows)
            reached = (ours.information(rows)[0] - ours.n_parameters * np.log(len(rows))) / (-2 * len(rows))
            assert reached >= theirs.score(rows) - 0.02


def test_one_dominating_outlier_is_told_apart_and_moves_nobody_else():
    features, _ = planted_shop(customers=600)
    giant = pd.DataFrame([[5_000.0, 9e6, 0.5]], columns=features.columns, index=["giant"])
    without = BehaviouralSegmenter(k=4, **QUICK).fit(features)
    with_giant = BehaviouralSegmenter(k=4, **QUICK).fit(pd.concat([features, giant]))
    assert with_giant.is_outlier(giant).tolist() == [True]
    assert with_giant.outlier_share_ < 0.1
    assert adjusted_rand_score(without.labels_, with_giant.predict(features)) >= 0.99


def test_the_unsure_share_counts_memberships_below_six_tenths():
    generator = np.random.default_rng(2)
    rows = np.concatenate([generator.normal(at, 1.0, (300, 2)) for at in ((0, 0), (2.2, 0))])
    segmenter = BehaviouralSegmenter(k=2, **QUICK).fit(rows)
    best = segmenter.predict_proba(rows).max(axis=1)
    assert segmenter.uncertain_share_ == pytest.approx((best < 0.6).mean())
    assert 0.02 < segmenter.uncertain_share_ < 0.3
