"""The randomisation check: drawn arms pass, repeated rows or not, and chosen ones are refused."""

from __future__ import annotations

import numpy as np
import pytest

from segml.models.uplift import RandomisationCheck, check_randomisation
from segml.models.uplift.randomisation import ALPHA, LEAST_AUC, _halves, _kinds
from segml.models.uplift.trial import make_trial


def repeated_people(rows: int, seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Every person about three times, always in one arm."""
    rng = np.random.default_rng(seed)
    people = rows // 3
    known, arm = rng.normal(size=(people, 5)), (rng.random(people) < share).astype(int)
    person = rng.integers(0, people, rows)
    return known[person], arm[person]


def few_kinds(rows: int, seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Sixty kinds of rows, everybody drawn alone."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 4, (60, 5)).astype(float)
    return kinds[rng.integers(0, 60, rows)], (rng.random(rows) < share).astype(int)


def unlike_people(rows: int, seed: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 5)), (rng.random(rows) < share).astype(int)


WORLDS = [repeated_people, few_kinds, unlike_people]


def checked(X: np.ndarray, arm: np.ndarray, seed: int = 0) -> RandomisationCheck:
    return check_randomisation(make_trial(X, np.zeros(len(X)), arm), seed=seed)


def chosen_arm(X: np.ndarray, share: float, seed: int) -> np.ndarray:
    """One and a half times as often where the first column is above its middle as below."""
    more = np.where(X[:, 0] > np.median(X[:, 0]), 1.2, 0.8)
    return (np.random.default_rng(seed + 10_000).random(len(X)) < share * more).astype(int)


@pytest.mark.parametrize("world", WORLDS)
def test_drawn_arms_pass(world):
    checks = [checked(*world(1_500, seed, 0.3)) for seed in range(20)]
    assert all(check.passed for check in checks)
    assert np.mean([check.p_value < 0.2 for check in checks]) <= 0.35


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("rows", "share"), [(2_000, 0.5), (6_000, 0.1)])
def test_drawn_arms_pass_in_200_draws_and_chosen_ones_do_not(world, rows, share):
    passed = refused = small = 0
    for seed in range(200):
        X, arm = world(rows, seed, share)
        check = checked(X, arm)
        passed, small = passed + check.passed, small + (check.p_value < 0.05)
        refused += not checked(X, chosen_arm(X, 2 * share if share < 0.5 else share, seed)).passed
    assert passed == 200
    assert small <= 20
    assert refused >= 100


@pytest.mark.parametrize("world", WORLDS)
def test_chosen_arms_are_refused(world):
    X, _ = world(4_000, 1, 0.5)
    check = checked(X, chosen_arm(X, 0.5, 1))
    assert check.told
    assert "tells who was contacted" in check.text


def test_one_yes_no_column_that_decided_is_seen():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (4_000, 2)).astype(float)
    assert checked(X, (rng.random(4_000) < 0.5).astype(int)).passed
    assert not checked(X, (rng.random(4_000) < 0.4 + 0.2 * X[:, 0]).astype(int)).passed


def test_a_trace_is_told_and_not_refused():
    check = RandomisationCheck(0.512, 1e-9, float("nan"), 1, 2_000_000)
    assert check.passed
    assert check.text.startswith(
        "what was known before tells a trace of the arm, too little to refuse (AUC 0.512"
    )
    assert not RandomisationCheck(LEAST_AUC, ALPHA / 2, float("nan"), 1, 9_000).passed
    assert not RandomisationCheck(0.5, 1.0, ALPHA / 2, 1, 9_000).passed


def test_equal_rows_are_in_one_half():
    X, arm = repeated_people(3_000, 0, 0.5)
    X[::7, 2] = np.nan
    trial = make_trial(X, np.zeros(len(X)), arm)
    kind = _kinds(trial.X)
    assert len(np.unique(kind)) == len(np.unique(np.nan_to_num(trial.X, nan=99.0), axis=0))
    half = _halves(kind, 3)
    for one in np.unique(kind):
        assert len(np.unique(half[kind == one])) == 1
    assert 0.4 < half.mean() < 0.6


def test_the_order_of_rows_changes_no_check():
    X, arm = repeated_people(1_500, 4, 0.3)
    order = np.random.default_rng(1).permutation(len(X))
    assert repr(checked(X, arm)) == repr(checked(X[order], arm[order]))
