"""R21: behavioural segments are recovered when they exist, refused when they don't, and never depend on row order."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from segml.models.segments.behavioural import BehaviouralSegmenter

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
