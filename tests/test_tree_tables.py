"""SHAP by look-up equals LightGBM's own contributions."""

from __future__ import annotations

import warnings

import lightgbm as lgb
import numpy as np
import pytest

from segml.models.tree_tables import TreeTables


def _grown(leaves: int, depth: int, missing: float, **settings: object) -> tuple[lgb.Booster, np.ndarray]:
    rng = np.random.default_rng(leaves)
    x = rng.normal(size=(2_000, 12)).round(1)
    x[rng.random(x.shape) < missing] = np.nan
    y = np.nan_to_num(x[:, 0] + x[:, 1] * x[:, 2]) + rng.normal(size=len(x))
    parameters = {
        "num_leaves": leaves,
        "max_depth": depth,
        "verbose": -1,
        "num_threads": 1,
        "seed": 1,
        **settings,
    }
    return lgb.train(parameters, lgb.Dataset(x, y), num_boost_round=40), x


@pytest.mark.parametrize(("leaves", "depth"), [(2, 1), (4, 3), (8, 4), (8, 7)])
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_r41_tables_give_the_exact_contributions_of_the_booster(
    leaves: int, depth: int, missing: float
) -> None:
    booster, x = _grown(leaves, depth, missing)
    tables = TreeTables(booster.dump_model())
    np.testing.assert_allclose(tables.contributions(x), booster.predict(x, pred_contrib=True), atol=1e-12)


def test_r41_a_value_missing_only_at_scoring_goes_where_the_booster_sends_it() -> None:
    booster, x = _grown(8, 4, missing=0.0)
    holed = np.where(np.random.default_rng(0).random(x.shape) < 0.3, np.nan, x)
    tables = TreeTables(booster.dump_model())
    np.testing.assert_allclose(
        tables.contributions(holed), booster.predict(holed, pred_contrib=True), atol=1e-12
    )


def test_r41_contributions_and_base_sum_to_the_raw_score() -> None:
    booster, x = _grown(8, 4, missing=0.1, extra_trees=True)
    total = TreeTables(booster.dump_model()).contributions(x).sum(axis=1)
    np.testing.assert_allclose(total, booster.predict(x, raw_score=True), atol=1e-10)


def test_larger_trees_are_left_to_the_booster() -> None:
    booster, _ = _grown(20, 8, missing=0.0)
    assert not TreeTables.can_serve(booster.dump_model())


def test_r41_tables_agree_with_the_shap_library() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its import speaks of other packages
        import shap

        booster, x = _grown(8, 4, missing=0.1)
        theirs = shap.TreeExplainer(booster).shap_values(x[:200])
    ours = TreeTables(booster.dump_model()).contributions(x[:200])[:, :-1]
    np.testing.assert_allclose(ours, theirs, atol=1e-9)
