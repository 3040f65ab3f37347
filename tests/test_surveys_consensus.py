"""Clustering over given answers is KMeans where all are given, and a consensus of thirty is the stabler one."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from segml.evaluation.stability import adjusted_rand_score
from segml.models.segments.consensus import AnsweredRows, fit_consensus, fit_single, labeller_of
from segml.models.segments.declared_choice import calibrate_temperature, memberships_from


def planted(seed: int, n: int = 300, missing: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.integers(0, 3, n)
    values = 2.0 * np.eye(3)[truth].repeat(4, axis=1) + generator.normal(size=(n, 12))
    values[generator.random(values.shape) < missing] = np.nan
    return values, truth


@pytest.mark.parametrize("seed", [0, 1])
def test_without_missing_answers_it_is_plain_kmeans(seed):
    values, _ = planted(seed)
    ours = AnsweredRows(values).squared_distances(fit_single(values, 3, 0, 20)).min(axis=1).sum()
    theirs = KMeans(3, n_init=20, random_state=0).fit(values).inertia_
    assert ours == pytest.approx(theirs, rel=2e-3)


def test_planted_groups_are_found_with_a_third_of_the_answers_missing():
    values, truth = planted(2, missing=0.33)
    found = labeller_of(fit_consensus(values, 3, seed=0))(values)
    assert adjusted_rand_score(truth, found) > 0.8  # measured 0.88; with all answers 0.96


def test_missing_answers_are_not_taken_for_the_mean():
    rows = AnsweredRows(np.array([[np.nan, 4.0]]))
    assert rows.squared_distances(np.array([[100.0, 4.0], [0.0, 3.0]])).tolist() == [[0.0, 1.0]]


def test_temperature_that_made_the_votes_is_found_again():
    distances = np.random.default_rng(0).uniform(0, 20, (500, 4))
    assert calibrate_temperature(distances, memberships_from(distances, 3.0)) == pytest.approx(3.0, rel=1e-3)
