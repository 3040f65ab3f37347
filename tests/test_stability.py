"""Stability measures agree with their definitions and are blind to how segments are numbered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score as reference_score

from segml.evaluation.stability import (
    adjusted_rand_score,
    bootstrap_labels,
    pairwise_rand_scores,
    segment_jaccard,
)

labels = st.lists(st.integers(0, 4), min_size=2, max_size=40)


@settings(max_examples=60, deadline=None)
@given(first=labels, seed=st.integers(0, 999))
def test_rand_score_is_that_of_scikit_learn(first, seed):
    second = np.random.default_rng(seed).integers(0, 3, len(first))
    assert adjusted_rand_score(np.array(first), second) == pytest.approx(
        reference_score(first, second), abs=1e-12
    )


@settings(max_examples=40, deadline=None)
@given(first=labels, seed=st.integers(0, 999))
def test_renumbering_changes_neither_measure(first, seed):
    generator = np.random.default_rng(seed)
    first = np.array(first)
    second = generator.integers(0, 3, len(first))
    renumbered = generator.permutation(5)[second]
    assert adjusted_rand_score(first, renumbered) == pytest.approx(adjusted_rand_score(first, second))
    means = [segment_jaccard(first, row[None, :])["jaccard_mean"].to_numpy() for row in (second, renumbered)]
    np.testing.assert_allclose(*means)


def test_a_segment_that_dissolves_has_a_low_jaccard_and_its_neighbour_keeps_a_high_one():
    reference = np.array([0] * 8 + [1] * 2)
    replicate = np.array([0] * 7 + [1] * 2 + [0])
    frame = segment_jaccard(reference, replicate[None, :])
    # By hand: 7 of 9 for the first, 1 of 3 for the second.
    np.testing.assert_allclose(frame["jaccard_mean"], [7 / 9, 1 / 3])
    np.testing.assert_array_equal(frame["recovered_share"], [1.0, 0.0])


def test_bootstrap_labels_repeat_and_need_a_pair():
    rows = np.arange(30.0)[:, None]

    def split_at_median(sample, seed):
        return lambda x: (x[:, 0] > np.median(sample)).astype(int)

    first, second = (bootstrap_labels(rows, split_at_median, 4, seed=7) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert pairwise_rand_scores(first).shape == (6,)
    with pytest.raises(ValueError, match="at least 2 bootstrap samples, not 1"):
        bootstrap_labels(rows, split_at_median, 1, seed=7)
