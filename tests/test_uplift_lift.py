"""Three estimates of a campaign's lift: unbiased, with honest intervals, and narrower where something was known."""

from __future__ import annotations

import numpy as np
import pytest

from segml.errors import DataError
from segml.evaluation.uplift_lift import cuped_lift, difference_in_means, lift_frame, stratified_lift


def campaign(seed: int, n: int = 400, strength: float = 0.8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcome with correlation `strength` to what was known before; a lift of 0.5."""
    rng = np.random.default_rng(seed)
    before, t = rng.normal(size=n), (rng.random(n) < 0.3).astype(int)
    return strength * before + (1 - strength**2) ** 0.5 * rng.normal(size=n) + 0.5 * t, t, before


def test_cuped_leaves_the_unexplained_share_of_the_variance():
    """Deng et al. (2013), equation 5: the variance falls to 1 - rho squared."""
    y, t, before = campaign(0, n=50_000)
    assert cuped_lift(y, t, before).variance_share == pytest.approx(1 - 0.8**2, abs=0.01)
    assert cuped_lift(y, t, np.random.default_rng(1).normal(size=50_000)).variance_share == pytest.approx(
        1, abs=0.01
    )


def test_all_three_are_unbiased_and_their_intervals_cover():
    names = ("plain", "stratified", "cuped")
    lifts, covered = [], []
    for seed in range(300):
        y, t, before = campaign(seed)
        frame = lift_frame(y, t, before, np.digitize(before, (-0.7, 0, 0.7)))
        lifts.append(frame.loc[list(names), "lift"])
        covered.append(((frame["low"] < 0.5) & (frame["high"] > 0.5)).loc[list(names)])
    errors = np.std(lifts, axis=0) / 300**0.5
    assert (np.abs(np.mean(lifts, axis=0) - 0.5) < 4 * errors).all()
    assert (np.mean(covered, axis=0) > 0.91).all()
    assert (np.mean(covered, axis=0) < 0.985).all()
    assert errors[2] < errors[1] < errors[0]


def test_strata_mend_what_differing_shares_break():
    rng = np.random.default_rng(0)
    stratum = rng.integers(0, 2, 40_000)
    t = (rng.random(40_000) < np.where(stratum == 1, 0.9, 0.1)).astype(int)
    y = 10.0 * stratum + 1.0 * t + rng.normal(size=40_000)
    assert difference_in_means(y, t).lift > 5
    fixed = stratified_lift(y, t, stratum)
    assert fixed.low < 1.0 < fixed.high


def test_a_missing_covariate_counts_as_the_mean_and_an_empty_one_changes_nothing():
    y, t, before = campaign(3, n=2000)
    holes = np.where(np.arange(2000) % 4 == 0, np.nan, before)
    assert 0.36 < cuped_lift(y, t, holes).variance_share < 0.75
    empty = np.column_stack([before, np.full(2000, np.nan)])
    assert cuped_lift(y, t, empty).lift == pytest.approx(cuped_lift(y, t, before).lift)


def test_estimates_depend_on_no_row_order():
    y, t, before = campaign(4)
    place = np.random.default_rng(0).permutation(len(y))
    for one, other in zip(
        lift_frame(y, t, before, before > 0)["lift"],
        lift_frame(y[place], t[place], before[place], before[place] > 0)["lift"],
        strict=True,
    ):
        assert one == pytest.approx(other, abs=1e-12)


def test_bad_input_is_told_with_names():
    with pytest.raises(DataError, match=r"each arm needs two customers, the smaller has 1"):
        difference_in_means([1.0, 2.0, 3.0], [1, 0, 0])
    with pytest.raises(DataError, match=r"fewer than two customers in an arm: north"):
        stratified_lift([1.0, 2, 3, 4, 5], [1, 1, 0, 0, 1], ["s", "s", "s", "s", "north"])
    with pytest.raises(DataError, match="covariates need 7 customers"):
        cuped_lift([1.0, 2, 3, 4], [1, 1, 0, 0], np.ones((4, 4)))
