"""Where the textbook forms break: a = 1, a + b <= 1, thousands of orders, ten-year horizons, no dropout."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import hyp2f1

from btyd_truth import draw_beta_geo
from segml.models.btyd import (
    BetaGeometricBetaBinomial,
    BetaGeoNBD,
    GammaGamma,
    ModifiedBetaGeoNBD,
    ParetoNBD,
    ShiftedBetaGeometric,
)
from segml.models.btyd.special import log_power_integral, mean_orders_while_alive

ORDER_MODELS = [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD]


def one(value: float) -> np.ndarray:
    return np.array([float(value)])


def beta_mean_by_adaptive_quadrature(a: float, b: float, shape: float, stretch: float) -> float:
    """Parent of `mean_orders_while_alive`: the same mean, adaptively, in pieces of the logit of p."""
    bulk, bend = np.log(a / b), -np.log(stretch * max(shape, 1.0))

    def density(logit: float) -> float:
        return float(np.exp(-a * np.logaddexp(0, -logit) - b * np.logaddexp(0, logit)))

    def orders(logit: float) -> float:
        p = np.exp(-np.logaddexp(0, -max(logit, -600.0)))
        return float(-np.expm1(-shape * np.log1p(p * stretch)) / p)

    low, high = min(bulk, bend) - 45 / min(a, 1) - 5, max(bulk, bend) + 45 / min(b, 1) + 5
    ends = np.unique(
        np.concatenate((np.linspace(low, high, 25), np.linspace(min(bulk, bend) - 8, bulk + 8, 40)))
    )

    def whole(function) -> float:  # type: ignore[no-untyped-def]
        return sum(quad(function, lo, hi, epsabs=0, epsrel=1e-11, limit=200)[0] for lo, hi in pairwise(ends))

    return whole(lambda y: density(y) * orders(y)) / whole(density)


@pytest.mark.filterwarnings("ignore::scipy.integrate.IntegrationWarning")
@pytest.mark.parametrize("a", [0.05, 0.3, 0.7929, 1.0, 1.000001, 1.7, 20.0])
@pytest.mark.parametrize(
    ("b", "shape"), [(0.2, 0.24), (0.7, 0.24), (0.95, 2.0), (3.4, 1.24), (60.0, 58.0), (3002.0, 3000.0)]
)
@pytest.mark.parametrize("stretch", [1e-3, 0.3, 12.0, 800.0])
def test_orders_while_alive_equal_adaptive_quadrature(
    a: float, b: float, shape: float, stretch: float
) -> None:
    value = mean_orders_while_alive(a, one(b), one(shape), one(stretch))[0]
    assert value == pytest.approx(beta_mean_by_adaptive_quadrature(a, b, shape, stretch), rel=2e-9)


@pytest.mark.parametrize("x", [0, 1, 7, 25])
@pytest.mark.parametrize("t", [4.0, 39.0])
def test_orders_while_alive_equal_the_published_closed_form_where_it_holds(x: int, t: float) -> None:
    # parent: Fader, Hardie & Lee (2005), equation 10, at the CDNOW estimates
    r, alpha, a, b, age = 0.2426, 4.4136, 0.7929, 2.4259, 38.86
    f = hyp2f1(r + x, b + x, a + b + x - 1, t / (alpha + age + t))
    parent = (a + b + x - 1) / (a - 1) * (1 - ((alpha + age) / (alpha + age + t)) ** (r + x) * f)
    value = mean_orders_while_alive(a, one(b + x), one(r + x), one(t / (alpha + age)))[0]
    assert value == pytest.approx(parent, rel=1e-10)


@pytest.mark.parametrize("shape", [0.3, 1.0, 40.0])
def test_orders_while_alive_have_their_limits(shape: float) -> None:
    # nobody leaves: the gamma-Poisson mean; everybody leaves at once: the chance of one order
    stretch = 3.0
    assert mean_orders_while_alive(1e-9, one(5.0), one(shape), one(stretch))[0] == pytest.approx(
        shape * stretch, rel=1e-6
    )
    surely = mean_orders_while_alive(1e4, one(1e-4), one(shape), one(stretch))[0]
    assert surely == pytest.approx(-np.expm1(-shape * np.log1p(stretch)), rel=1e-6)
    assert mean_orders_while_alive(0.8, one(2.0), one(shape), one(0.0))[0] == 0.0


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-2, 3),
    st.floats(-2, 3),
    st.floats(-2, 3),
    st.floats(-2, 2),
    st.floats(0, 500),
    st.floats(0.01, 3650),
)
def test_time_of_death_integral_equals_adaptive_quadrature(
    log_c: float, log_d: float, log_power: float, log_s: float, low: float, length: float
) -> None:
    c, d, power, s, high = 10**log_c, 10**log_d, 10**log_power, 1 + 10**log_s, low + length
    value = log_power_integral(c, one(power), d, s, one(low), one(high)).log_value[0]
    smaller = min(c, d)
    peak = -power * np.log(c + low) - s * np.log(d + low)

    def scaled(v: float) -> float:
        y = np.exp(v) - smaller
        return float(np.exp(v - power * np.log(c + y) - s * np.log(d + y) - peak))

    ends = (
        np.log(smaller + low) + (np.log(smaller + high) - np.log(smaller + low)) * np.linspace(0, 1, 60) ** 2
    )
    parts = [quad(scaled, lo, hi, epsabs=0, epsrel=1e-10)[0] for lo, hi in pairwise(ends)]
    assert value == pytest.approx(peak + np.log(sum(parts)), abs=1e-7)


def test_time_of_death_integral_is_the_published_difference_of_hypergeometrics() -> None:
    # parent: Fader & Hardie, "A note on deriving the Pareto/NBD model" (2005), A_0 for alpha >= beta, at r = 0.5
    r, alpha, s, beta, x, t_x, age = 0.5, 12.0, 0.6, 10.0, 3, 10.0, 38.0
    power = r + s + x

    def part(y: float) -> float:
        return hyp2f1(power, s + 1, power + 1, (alpha - beta) / (alpha + y)) / (alpha + y) ** power

    parent = (part(t_x) - part(age)) / power
    value = log_power_integral(alpha, one(r + x), beta, s + 1, one(t_x), one(age)).log_value[0]
    assert np.exp(value) == pytest.approx(parent, rel=1e-10)


EXTREME = pd.DataFrame(
    [
        (0, 0, 0.5),
        (0, 0, 3650),
        (1, 0.001, 400),
        (1, 400, 400),
        (30, 300, 400),
        (5000, 3000, 3650),
        (5000, 3650, 3650),
    ],
    columns=["repeat_orders", "recency", "age"],
)
STRESS = [
    *((model, (r, alpha, a, b))
      for model in (BetaGeoNBD, ModifiedBetaGeoNBD)
      for r, alpha in [(0.01, 0.5), (2.0, 90.0)]
      for a, b in [(0.2, 0.3), (0.3, 0.7), (1.0, 2.0), (1.0, 1e-6), (1e-6, 1e4), (1e4, 1e-6), (0.05, 0.05), (2, 0.5)]),
    *((ParetoNBD, (r, alpha, s, beta)) for r, alpha in [(0.01, 0.5), (2.0, 90.0)]
      for s, beta in [(1.0, 10.0), (1e-6, 1e6), (1 - 1e-9, 3.0), (30.0, 0.001), (0.5, 90.0)]),
]  # fmt: skip


@pytest.mark.parametrize(("model", "params"), STRESS)
def test_predictions_stay_finite_and_in_order_at_extreme_parameters(
    model: type, params: tuple[float, ...]
) -> None:
    known = model.from_params(dict(zip(model.parameter_names, params, strict=True)))
    alive = known.probability_alive(EXTREME)
    before, before_active = np.zeros(len(EXTREME)), np.zeros(len(EXTREME))
    for t in (1e-6, 1.0, 90.0, 3650.0):
        expected, active = known.expected_purchases(EXTREME, t), known.probability_active(EXTREME, t)
        for column in (alive, expected, active):
            assert np.isfinite(column).all()
        assert alive.between(0, 1).all()
        assert active.between(0, 1).all()
        slack = 1e-9
        assert (active <= expected * (1 + slack)).all()  # P(N >= 1) <= E[N]
        assert (active <= alive * (1 + slack)).all()
        assert (expected >= before * (1 - slack)).all()
        assert (active >= before_active * (1 - slack)).all()
        before, before_active = expected, active
        assert np.isfinite(known.expected_new_customer_purchases(t))
    assert known.expected_purchases(EXTREME, 0.0).tolist() == [0.0] * len(EXTREME)


@pytest.mark.parametrize("model", ORDER_MODELS)
def test_expectation_is_smooth_through_one(model: type) -> None:
    name = "s" if model is ParetoNBD else "a"
    other = dict.fromkeys(model.parameter_names, 2.0)
    below, at, above = (
        model.from_params({**other, name: value}).expected_purchases(EXTREME, 30.0).to_numpy()
        for value in (1 - 1e-7, 1.0, 1 + 1e-7)
    )
    np.testing.assert_allclose(at, (below + above) / 2, rtol=1e-9)


@pytest.mark.parametrize("model", ORDER_MODELS)
def test_base_without_dropout_is_fitted_and_says_that_nobody_leaves(model: type) -> None:
    rng = np.random.default_rng(1)
    age = rng.uniform(50, 400, 3000)
    orders = rng.poisson(rng.gamma(0.8, 1 / 60, 3000) * age)
    recency = np.where(orders > 0, age * rng.beta(np.maximum(orders, 1), 1), 0.0)
    base = pd.DataFrame({"repeat_orders": orders, "recency": recency, "age": age})
    fitted = model().fit(base)
    assert fitted.converged_
    assert any(said.startswith("Almost nobody is seen to leave") for said in fitted.warnings_)
    runs = ("a runs to zero", "s runs to zero", "beta runs to infinity")
    assert any(said.startswith(runs) for said in fitted.warnings_)
    np.testing.assert_allclose(fitted.probability_alive(base), 1.0, atol=1e-3)
    rate = (fitted.params_["r"] + orders) / (fitted.params_["alpha"] + age)
    np.testing.assert_allclose(fitted.expected_purchases(base, 90.0), 90 * rate, rtol=1e-3)
    assert np.isfinite(fitted.sample_parameters(100, seed=0)).all().all()
    assert None in fitted.standard_errors_.values()


@pytest.mark.parametrize("model", ORDER_MODELS)
@pytest.mark.parametrize(
    "rows",
    [
        [(1, 5.0, 10.0)],
        [(0, 0.0, 10.0), (1, 5.0, 10.0), (0, 0.0, 10.0)],
        [(2, 10.0, 10.0), (0, 0.0, 10.0), (1, 10.0, 10.0)],
        [(1, 0.01, 1000.0)] * 50 + [(0, 0.0, 1000.0)] * 50,
        [(1, 0.0, 10.0), (2, 0.0, 10.0), (0, 0.0, 10.0)],
        [(5000, 3000.0, 3650.0), (3, 100.0, 3650.0), (0, 0.0, 3650.0), (2000, 3000.0, 3000.0)],
    ],
)
def test_hardly_any_data_give_finite_parameters_and_words(model: type, rows: list[tuple[float, ...]]) -> None:
    fitted = model().fit(pd.DataFrame(rows, columns=["repeat_orders", "recency", "age"]))
    assert np.isfinite(list(fitted.params_.values())).all()
    assert np.isfinite(fitted.log_likelihood_)
    assert np.isfinite(fitted.expected_purchases(EXTREME, 3650.0)).all()
    assert fitted.warnings_ or fitted.converged_


def test_unfinished_fit_says_so() -> None:
    fitted = BetaGeoNBD(max_iterations=1).fit(draw_beta_geo(500, 1, (0.6, 8.0, 0.9, 3.0)))
    assert not fitted.converged_
    assert "had not converged after 1 iterations" in fitted.warnings_[0]


@pytest.mark.parametrize("model", ORDER_MODELS)
def test_forecast_depends_on_no_other_customer_bit_for_bit(model: type) -> None:
    base = draw_beta_geo(300, 3, (0.6, 8.0, 0.9, 3.0))
    fitted = model().fit(base)
    for predict in (
        fitted.probability_alive,
        lambda frame: fitted.expected_purchases(frame, 40.0),
        lambda frame: fitted.probability_active(frame, 40.0),
    ):
        together = predict(base)
        alone = pd.concat([predict(base[i : i + 1]) for i in range(0, 300, 7)])
        assert alone.equals(together[::7])
        assert predict(base[100:]).equals(together[100:])


def test_bg_calls_every_one_timer_alive_and_ranks_them_by_activity() -> None:
    known = BetaGeoNBD.from_params({"r": 0.24, "alpha": 4.4, "a": 0.8, "b": 2.4})
    one_timers = pd.DataFrame({"repeat_orders": [0, 0], "recency": [0, 0], "age": [5, 500]})
    assert known.probability_alive(one_timers).tolist() == [1.0, 1.0]  # by construction: not a churn score
    active = known.probability_active(one_timers, 30)
    assert active[0] > active[1]  # and this is the one to rank by


SAVED = [
    BetaGeoNBD().fit(draw_beta_geo(400, 1, (0.6, 8.0, 0.9, 3.0))),
    ModifiedBetaGeoNBD(time_unit="weeks").fit(draw_beta_geo(400, 1, (0.6, 8.0, 0.9, 3.0))),
    ParetoNBD().fit(draw_beta_geo(400, 1, (0.6, 8.0, 0.9, 3.0))),
    GammaGamma().fit(pd.DataFrame({"repeat_orders": [1, 2, 3, 1], "mean_spend": [9.0, 20.0, 11.0, 35.0]})),
    ShiftedBetaGeometric().fit(
        pd.DataFrame({"age": [1, 2, 3, 3], "lost": [1, 1, 1, 0]}), [300, 100, 50, 400]
    ),
    BetaGeometricBetaBinomial().fit(
        pd.DataFrame({"repeat_orders": [0, 1, 2, 1, 3], "recency": [0, 1, 3, 4, 4], "age": [4] * 5}),
        [50, 20, 9, 8, 7],
    ),
]


@pytest.mark.parametrize("fitted", SAVED, ids=lambda fitted: type(fitted).__name__)
def test_saved_model_is_a_small_json_and_predicts_the_same(fitted: BetaGeoNBD) -> None:
    text = json.dumps(fitted.to_dict(), allow_nan=False)
    again = type(fitted).from_dict(json.loads(text))
    assert len(text) < 3000
    assert again.to_dict() == fitted.to_dict()
    assert again.sample_parameters(3, 1).equals(fitted.sample_parameters(3, 1))
    whole = pd.DataFrame(
        {"repeat_orders": [0, 2], "recency": [0, 3], "age": [4, 4], "mean_spend": [0.0, 8.0], "lost": [0, 1]}
    )
    for method, arguments in [
        ("expected_purchases", (5,)),
        ("probability_active", (5,)),
        ("expected_spend", ()),
    ]:
        if hasattr(fitted, method):
            assert getattr(again, method)(whole, *arguments).equals(
                getattr(fitted, method)(whole, *arguments)
            )
