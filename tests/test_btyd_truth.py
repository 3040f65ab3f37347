"""Drawn customers with known parameters: the fit finds them, the forecasts come true, derivatives are derivatives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from btyd_truth import draw_beta_geo, draw_contracts, draw_gamma_gamma, draw_opportunities, draw_pareto
from segml.models.btyd import (
    BetaGeometricBetaBinomial,
    BetaGeoNBD,
    GammaGamma,
    ModifiedBetaGeoNBD,
    ParetoNBD,
    ShiftedBetaGeometric,
)
from segml.models.btyd.inputs import group_rows

BETA_GEO = (0.6, 8.0, 0.9, 3.0)
PARETO = (0.7, 9.0, 0.6, 15.0)
SPEND = (5.0, 4.0, 15.0)
CONTRACTS = (0.7, 1.8)
OPPORTUNITIES = (1.2, 0.8, 0.7, 2.8)

Draw = Callable[[int, int, float], pd.DataFrame]


def draw_bg(n: int, seed: int, ahead: float = 0.0) -> pd.DataFrame:
    return draw_beta_geo(n, seed, BETA_GEO, ahead)


def draw_mbg(n: int, seed: int, ahead: float = 0.0) -> pd.DataFrame:
    return draw_beta_geo(n, seed, BETA_GEO, ahead, first_chance=True)


def draw_pnbd(n: int, seed: int, ahead: float = 0.0) -> pd.DataFrame:
    return draw_pareto(n, seed, PARETO, ahead)


def draw_spend(n: int, seed: int, ahead: float = 0.0) -> pd.DataFrame:
    return draw_gamma_gamma(n, seed, SPEND)


def draw_renewals(n: int, seed: int, ahead: float = 0.0) -> pd.DataFrame:
    return draw_contracts(n, seed, CONTRACTS)


def draw_seasons(n: int, seed: int, ahead: float = 0.0) -> pd.DataFrame:
    return draw_opportunities(n, seed, OPPORTUNITIES)


ORDER_MODELS = [
    pytest.param(BetaGeoNBD, draw_bg, BETA_GEO, id="bg"),
    pytest.param(ModifiedBetaGeoNBD, draw_mbg, BETA_GEO, id="mbg"),
    pytest.param(ParetoNBD, draw_pnbd, PARETO, id="pareto"),
]
MODELS = [*ORDER_MODELS, pytest.param(GammaGamma, draw_spend, SPEND, id="spend")]
DISCRETE = [
    pytest.param(ShiftedBetaGeometric, draw_renewals, CONTRACTS, id="contracts"),
    pytest.param(BetaGeometricBetaBinomial, draw_seasons, OPPORTUNITIES, id="seasons"),
]


def z_scores(model: type, draw: Draw, truth: tuple[float, ...], n: int, seed: int) -> np.ndarray:
    """Distance of estimate and truth, in standard errors, on the log scale."""
    fitted = model().fit(draw(n, seed, 0.0))
    found = np.array(list(fitted.params_.values()))
    errors = np.array([fitted.standard_errors_[name] for name in fitted.parameter_names], dtype=float)
    return np.log(found / np.array(truth)) / (errors / found)


@pytest.mark.parametrize(("model", "draw", "truth"), [*MODELS, *DISCRETE])
@pytest.mark.parametrize("seed", [1, 2])
def test_planted_parameters_are_recovered(
    model: type, draw: Draw, truth: tuple[float, ...], seed: int
) -> None:
    assert np.abs(z_scores(model, draw, truth, 6000, seed)).max() < 3


@pytest.mark.slow
@pytest.mark.parametrize(("model", "draw", "truth"), [*MODELS, *DISCRETE])
def test_standard_errors_are_the_spread_over_a_hundred_bases(
    model: type, draw: Draw, truth: tuple[float, ...]
) -> None:
    z = np.array([z_scores(model, draw, truth, 6000, seed) for seed in range(100)])
    covered = (np.abs(z) < 1.96).mean(axis=0)
    assert (covered > 0.87).all()  # binomial(100, 0.95) is below 0.87 once in 1,500
    assert (
        np.abs(z).max(axis=1) < 3
    ).sum() >= 95  # every parameter within 3 standard errors, on 95 of 100 bases


@pytest.mark.parametrize(("model", "draw", "truth"), ORDER_MODELS)
def test_true_parameters_forecast_what_then_happens(
    model: type, draw: Draw, truth: tuple[float, ...]
) -> None:
    known = model.from_params(dict(zip(model.parameter_names, truth, strict=True)))
    base = draw(60_000, 5, 30.0)
    expected = known.expected_purchases(base, 30)
    active = known.probability_active(base, 30)
    for group in (base["repeat_orders"] == 0, base["repeat_orders"] == 1, base["repeat_orders"] > 4):
        gap = base["later"][group] - expected[group]
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(group.sum())
        miss = (base["later"][group] > 0) - active[group]
        assert abs(miss.mean()) < 4 * miss.std() / np.sqrt(group.sum())


@pytest.mark.parametrize(("model", "draw", "truth"), ORDER_MODELS)
def test_new_customers_order_what_is_expected_of_them(
    model: type, draw: Draw, truth: tuple[float, ...]
) -> None:
    known = model.from_params(dict(zip(model.parameter_names, truth, strict=True)))
    base = draw(60_000, 6, 0.0)
    # each customer is a new one seen at their own age; ages are close together in a band
    band = base[base["age"].between(49, 51)]
    gap = band["repeat_orders"].mean() - known.expected_new_customer_purchases(50.0)
    assert abs(gap) < 4 * band["repeat_orders"].std() / np.sqrt(len(band))


def test_expected_spend_with_true_parameters_is_unbiased_in_every_group() -> None:
    base = draw_gamma_gamma(40_000, 7, SPEND)
    known = GammaGamma.from_params(dict(zip(GammaGamma.parameter_names, SPEND, strict=True)))
    expected = known.expected_spend(base)
    for group in (
        expected < expected.quantile(0.1),
        expected > expected.quantile(0.9),
        base["repeat_orders"] > 5,
    ):
        gap = (base["true_mean"] - expected)[group]
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(group.sum())


@pytest.mark.parametrize(("model", "draw", "truth"), MODELS)
def test_gradient_and_hessian_are_those_of_the_likelihood(
    model: type, draw: Draw, truth: tuple[float, ...]
) -> None:
    base = draw(400, 3, 0.0)
    names = ["repeat_orders", "mean_spend"] if model is GammaGamma else ["repeat_orders", "recency", "age"]
    evaluate = model()._objective(group_rows([base[name].to_numpy() for name in names]))
    for factor in (0.5, 1.0, 1.7):
        at = np.array(truth) * factor
        _, gradient, hessian = evaluate(at)
        for i, step in enumerate(1e-5 * at):
            up, down = at.copy(), at.copy()
            up[i], down[i] = at[i] + step, at[i] - step
            (above, slope_above, _), (below, slope_below, _) = evaluate(up), evaluate(down)
            assert gradient[i] == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-4)
            assert hessian[i] == pytest.approx((slope_above - slope_below) / (2 * step), rel=1e-5, abs=1e-4)


@pytest.mark.parametrize(("model", "draw", "truth"), MODELS)
def test_shuffling_rows_changes_nothing_bit_for_bit(
    model: type, draw: Draw, truth: tuple[float, ...]
) -> None:
    base = draw(1500, 4, 0.0)
    mixed = base.sample(frac=1, random_state=0)
    weight = pd.Series(np.random.default_rng(0).uniform(0.1, 3, len(base)), index=base.index)
    assert model().fit(base).to_dict() == model().fit(mixed).to_dict()
    assert model().fit(base, weight).to_dict() == model().fit(mixed, weight[mixed.index]).to_dict()


@pytest.mark.parametrize(("model", "draw", "truth"), MODELS)
def test_base_given_twice_doubles_the_likelihood_and_keeps_the_parameters(
    model: type, draw: Draw, truth: tuple[float, ...]
) -> None:
    base = draw(1500, 4, 0.0)
    once, twice = model().fit(base), model().fit(pd.concat([base, base]))
    weighted = model().fit(base.assign(weight=2.0))
    assert twice.params_ == once.params_ == weighted.params_
    assert twice.log_likelihood_ == 2 * once.log_likelihood_ == weighted.log_likelihood_
    for name in model.parameter_names:
        assert twice.standard_errors_[name] == pytest.approx(
            once.standard_errors_[name] / np.sqrt(2), rel=1e-9
        )


@pytest.mark.parametrize(("model", "draw", "truth"), ORDER_MODELS)
def test_another_unit_of_time_is_the_same_model(model: type, draw: Draw, truth: tuple[float, ...]) -> None:
    weeks = draw(1500, 4, 0.0)
    days = weeks.assign(recency=weeks["recency"] * 7, age=weeks["age"] * 7)
    in_weeks, in_days = model(time_unit="weeks").fit(weeks), model().fit(days)
    for name in model.parameter_names:
        scale = 7 if name in ("alpha", "beta") else 1
        assert in_days.params_[name] == pytest.approx(scale * in_weeks.params_[name], rel=1e-6)
    np.testing.assert_allclose(
        in_days.expected_purchases(days, 70), in_weeks.expected_purchases(weeks, 10), rtol=1e-6
    )


@pytest.mark.parametrize(("model", "draw", "truth"), MODELS)
def test_sampled_parameters_are_weighted_by_their_true_likelihood(
    model: type, draw: Draw, truth: tuple[float, ...]
) -> None:
    few, many = draw(150, 1, 0.0), draw(6000, 1, 0.0)
    sampled = model().fit(many).sample_parameters(60, 3, many)
    assert sampled["weight"].sum() == pytest.approx(1.0)
    assert (
        1 / (sampled["weight"] ** 2).sum() > 40
    )  # a large base is normal on the log scale: hardly a draw is lost
    fitted = model().fit(few)
    drawn = fitted.sample_parameters(60, 3, few)
    assert drawn.drop(columns="weight").equals(fitted.sample_parameters(60, 3))
    assert 1 / (drawn["weight"] ** 2).sum() < 1 / (sampled["weight"] ** 2).sum()


@pytest.mark.parametrize(("model", "draw", "truth"), MODELS)
def test_sampled_parameters_have_the_standard_errors_of_the_fit(
    model: type, draw: Draw, truth: tuple[float, ...]
) -> None:
    fitted = model().fit(draw(6000, 1, 0.0))
    drawn = fitted.sample_parameters(4000, seed=1)
    assert drawn.equals(fitted.sample_parameters(4000, seed=1))
    for name in model.parameter_names:
        spread = fitted.standard_errors_[name] / fitted.params_[name]
        assert np.log(drawn[name]).std() == pytest.approx(spread, rel=0.06)
        assert np.log(drawn[name]).mean() == pytest.approx(np.log(fitted.params_[name]), abs=0.06 * spread)
