"""R21: behavioural segments are recovered when they exist, refused when they don't, and never depend on row order."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from segml.models.segments.behavioural import DEFAULT_FEATURES, BehaviouralSegmenter
from segml.models.segments.preparation import FeatureError

QUICK = {"n_init": 5, "n_bootstraps": 4}


@parametrize_with_checks(
    [
        BehaviouralSegmenter(method="kmeans", k=3, n_init=5, n_bootstraps=2),
        BehaviouralSegmenter(method="gmm", k=3, n_init=5, n_bootstraps=2),
    ]
)
def test_segmenter_keeps_the_scikit_learn_contract(estimator, check):
    check(estimator)


def planted(seed: int, n: int = 900) -> tuple[pd.DataFrame, np.ndarray]:
    """Four kinds of customer in money and days, 10 % of the gaps unknown; the truth is returned."""
    generator = np.random.default_rng(seed)
    truth = generator.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    recency = np.array([8.0, 20.0, 150.0, 300.0])[truth] * generator.lognormal(0, 0.25, n)
    orders = np.array([40.0, 6.0, 20.0, 1.5])[truth] * generator.lognormal(0, 0.2, n)
    value = np.array([20.0, 80.0, 35.0, 250.0])[truth] * generator.lognormal(0, 0.2, n)
    frame = pd.DataFrame(
        {"recency_days": recency, "active_days_total": orders, "order_value_mean": value},
        index=[f"c{i:05d}" for i in range(n)],
    )
    frame.loc[generator.random(n) < 0.1, "order_value_mean"] = np.nan
    return frame, truth


@pytest.mark.parametrize("method", ["kmeans", "gmm"])
def test_r21_planted_segments_are_recovered_and_k_is_found(method):
    frame, truth = planted(1)
    segmenter = BehaviouralSegmenter(method, **QUICK).fit(frame)
    assert segmenter.n_segments_ == 4, segmenter.selection_
    assert segmenter.stable_
    assert adjusted_rand_score(truth, segmenter.labels_) >= 0.95
    assert "4 segments" in segmenter.choice_reason_
    assert list(segmenter.sizes_) == sorted(segmenter.sizes_, reverse=True)


@pytest.mark.parametrize("method", ["kmeans", "gmm"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_r21_noise_has_no_stable_segments(method, seed):
    noise = np.random.default_rng(seed).normal(size=(1_000, 6))
    segmenter = BehaviouralSegmenter(method, **QUICK).fit(noise)
    assert not segmenter.stable_, segmenter.selection_
    assert segmenter.n_segments_ == 1
    assert set(segmenter.labels_) == {0}
    assert "No stable segments" in segmenter.choice_reason_
    np.testing.assert_array_equal(segmenter.predict_proba(noise[:5]), np.ones((5, 1)))


@pytest.mark.parametrize("world", ["independent skewed columns", "a flat square"])
def test_r21_what_comes_back_without_being_there_is_refused(world):
    # Both have one best cut, which every bootstrap sample finds: stability alone accepts them.
    generator = np.random.default_rng(5)
    noise = (
        generator.lognormal(size=(1_000, 4))
        if world.startswith("independent")
        else generator.uniform(size=(1_000, 2))
    )
    segmenter = BehaviouralSegmenter(**QUICK).fit(noise)
    assert segmenter.selection_["eligible"].any()
    assert not segmenter.stable_
    assert segmenter.n_segments_ == 1
    assert "unrelated columns" in segmenter.choice_reason_


def test_r21_stable_slices_of_a_continuum_are_called_slices():
    generator = np.random.default_rng(5)
    continuum = 2.0 * generator.normal(size=(1_000, 1)) + generator.normal(size=(1_000, 6))
    segmenter = BehaviouralSegmenter(**QUICK).fit(continuum)
    assert segmenter.stable_
    assert not segmenter.separation_.above_continuum
    assert "slices of a continuum" in segmenter.choice_reason_


@pytest.mark.parametrize("method", ["kmeans", "gmm"])
@pytest.mark.parametrize("sample_size", [200_000, 600])
def test_r21_row_order_changes_nothing(method, sample_size):
    frame, _ = planted(2)
    shuffled = frame.sample(frac=1.0, random_state=3)
    one, other = (
        BehaviouralSegmenter(method, k=4, sample_size=sample_size, **QUICK).fit(f) for f in (frame, shuffled)
    )
    np.testing.assert_array_equal(one.cluster_centers_, other.cluster_centers_)
    pd.testing.assert_series_equal(
        pd.Series(one.labels_, frame.index), pd.Series(other.labels_, shuffled.index).loc[frame.index]
    )
    pd.testing.assert_frame_equal(one.selection_, other.selection_)


def test_r21_the_sample_of_a_big_base_is_by_customer_id():
    frame, _ = planted(2)
    by_id = BehaviouralSegmenter(k=4, sample_size=600, **QUICK).fit(frame)
    again = BehaviouralSegmenter(k=4, sample_size=600, **QUICK).fit(frame.iloc[::-1])
    assert by_id.sizes_.sum() == 600
    np.testing.assert_array_equal(by_id.sizes_, again.sizes_)


@pytest.mark.parametrize("method", ["kmeans", "gmm"])
def test_predictions_survive_json_and_are_those_of_the_fit(method):
    frame, _ = planted(3)
    segmenter = BehaviouralSegmenter(method, **QUICK).fit(frame)
    again = BehaviouralSegmenter.from_dict(json.loads(json.dumps(segmenter.to_dict())))
    np.testing.assert_array_equal(segmenter.predict(frame), segmenter.labels_)
    for question in ("predict", "predict_proba", "transform"):
        np.testing.assert_array_equal(getattr(again, question)(frame), getattr(segmenter, question)(frame))
    memberships = segmenter.predict_proba(frame)
    np.testing.assert_allclose(memberships.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_array_equal(memberships.argmax(axis=1), segmenter.labels_)
    assert again.choice_reason_ == segmenter.choice_reason_
    assert again.get_params() == segmenter.get_params()


def test_columns_that_tell_nothing_are_dropped_with_the_reason_and_absent_ones_are_listed():
    frame, _ = planted(4)
    frame = frame.assign(tenure_days=7.0, weekend_share=np.nan)
    segmenter = BehaviouralSegmenter(k=4, features=DEFAULT_FEATURES, **QUICK).fit(frame)
    assert segmenter.dropped_ == {"tenure_days": "constant", "weekend_share": "missing for everyone"}
    assert "products_total" in segmenter.absent_
    assert list(segmenter.feature_names_in_) == [name for name in DEFAULT_FEATURES if name in frame.columns]
    with pytest.raises(FeatureError, match=r"does not have: recency_days \(did you mean 'recencydays'\?\)"):
        segmenter.predict(frame.rename(columns={"recency_days": "recencydays"}))


@pytest.mark.parametrize(
    ("X", "settings", "claim"),
    [
        (np.array([[1.0, np.inf], [2.0, 1.0], [3.0, 4.0]]), {"k": 2}, r"infinity is in: column 1 \(1 rows\)"),
        (np.ones((30, 2)), {}, "no column can tell customers apart: column 0 is constant"),
        (
            np.repeat([[1.0, 2.0], [3.0, 5.0]], 20, axis=0),
            {"k": 3},
            "at least 3 distinct customers, and there are 2",
        ),
        (np.zeros((9, 1)), {"method": "gmm", "k": 7}, "at most 6 components, not 7"),
        (np.zeros((9, 1)), {"method": "ward", "k_range": (1, 3)}, "method is.*k_range runs"),
    ],
)
def test_bad_input_is_refused_with_the_rule_and_the_value(X, settings, claim):
    with pytest.raises(FeatureError, match=claim):
        BehaviouralSegmenter(**(QUICK | settings)).fit(X)


def test_too_few_distinct_customers_to_choose_k_give_one_segment_and_say_so():
    X = np.repeat([[1.0, 2.0], [3.0, 5.0]], 20, axis=0)
    segmenter = BehaviouralSegmenter(**QUICK).fit(X)
    assert segmenter.n_segments_ == 1
    assert "only 2 distinct customers" in segmenter.choice_reason_
