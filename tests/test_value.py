"""Lifetime value: estimator contract, planted spenders, totals, coverage, small bases, JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from segml.config import BandSettings
from segml.errors import ConfigurationError, DataError, ModelError, NotEnoughDataError
from segml.evaluation.metrics import normalised_gini_score, total_bias_error
from segml.models.btyd import BetaGeoNBD
from segml.models.value import ConformalBands, LifetimeValue, ValueRegressor
from segml.models.value_blend import Rehearsal, choose_weights
from segml.models.value_candidates import RhythmForecast
from segml.models.value_rehearsal import Rehearsing, day_of, rehearse
from segml.models.value_season import Season
from segml.registry.registered import RegisteredModel
from segml.scoring.batch import ScoringJob, score_chunk
from segml.time_windows import Cutoff


@parametrize_with_checks([ValueRegressor(rounds=200)])
def test_scikit_learn_estimator_contract(estimator, check):
    check(estimator)


def planted_spenders(
    customers: int = 1200, seed: int = 1, growth: float = 1.0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Poisson buyers with gamma order values, all still customers, over one to two years of history."""
    rng = np.random.default_rng(seed)
    age = rng.integers(200, 700, customers).astype(float)
    rate = rng.gamma(1.0, 0.03, customers) + 0.001
    value = rng.gamma(6.0, 5.0, customers)
    repeat = rng.poisson(rate * age).astype(float)
    repeat = np.minimum(repeat, age - 1)
    last = np.where(repeat > 0, age * rng.beta(np.maximum(repeat, 1), 1), 0.0)
    spend = np.array([rng.gamma(4.0, v / 4.0, int(n) + 1).sum() for v, n in zip(value, repeat, strict=True)])
    features = pd.DataFrame(
        {
            "recency_days": age - last,
            "age_days": age,
            "first_to_last_days": last,
            "repeat_orders": repeat,
            "orders_total": repeat + 1,
            "spend_total": spend,
            "spend_90d": spend * np.minimum(90 / age, 1),
        },
        index=pd.Index([f"c{i:05d}" for i in range(customers)], name="customer_id"),
    )
    bought = rng.poisson(rate * 90 * growth)
    future = np.array([rng.gamma(4.0, v / 4.0, n).sum() for v, n in zip(value, bought, strict=True)])
    return features, pd.DataFrame({"spend_next_90d": future}, index=features.index)


@pytest.fixture(scope="module")
def base() -> tuple[pd.DataFrame, pd.DataFrame]:
    return planted_spenders()


@pytest.fixture(scope="module")
def fitted(base) -> LifetimeValue:
    return LifetimeValue(90, rounds=100).fit(*base, calibration=planted_spenders(seed=2))


def test_r31_forecast_orders_people_better_than_last_period_again(fitted):
    features, labels = planted_spenders(3000, seed=3)
    realised, scores = labels["spend_next_90d"], fitted.score(features)
    rule = features["spend_90d"]
    assert normalised_gini_score(realised, scores["clv_90d"]) > normalised_gini_score(realised, rule) - 0.005
    assert abs(total_bias_error(realised, scores["clv_90d"])) < 0.1


def test_r31_interval_covers_the_person_at_the_nominal_rate(fitted):
    features, labels = planted_spenders(3000, seed=4)
    scores, realised = fitted.score(features), labels["spend_next_90d"]
    covered = ((scores["clv_90d_low"] <= realised) & (realised <= scores["clv_90d_high"])).mean()
    assert 0.87 < covered < 0.94
    assert (scores["clv_90d_low"] >= 0).all()
    assert (scores["clv_90d_low"] <= scores["clv_90d"]).all()
    assert (scores["clv_90d"] <= scores["clv_90d_high"]).all()


def test_half_of_what_the_later_window_missed_is_made_up(base):
    features, labels = planted_spenders(seed=2, growth=1.4)
    model = LifetimeValue(90, rounds=60).fit(*base, calibration=(features, labels))
    assert model.total_factor_ > 1.1
    unscaled = model.score(features)["clv_90d"].sum() / model.total_factor_
    missed = labels["spend_next_90d"].sum() / unscaled
    assert model.total_factor_ == pytest.approx(np.sqrt(missed), rel=1e-9)  # half of it, on the log scale


def test_small_base_is_left_to_the_counting_model_and_says_so():
    features, labels = planted_spenders(300)
    model = LifetimeValue(90, BetaGeoNBD()).fit(features, labels, calibration=planted_spenders(300, seed=9))
    assert model.candidates_.names == ["rhythm"]
    assert any("300 customers are under 500" in note for note in model.notes_)
    assert model.score(features)["clv_90d_high"].notna().all()


def test_without_a_closed_window_there_is_a_forecast_but_no_interval(base):
    features, labels = base
    model = LifetimeValue(90).fit(features, labels * np.nan)
    scores = model.score(features)
    assert scores["clv_90d"].notna().all()
    assert scores["clv_90d_low"].isna().all()
    assert any("no interval" in note for note in model.notes_)


def test_currency_and_row_order_change_nothing_else(base):
    features, labels = base
    money = ["spend_total", "spend_90d"]
    cents = features.assign(**{name: features[name] * 128 for name in money})
    free = {"tweedie": 0.5, "two_part": 0.5}
    one = LifetimeValue(90, rounds=30, weights=free).fit(features, labels).score(features)
    two = LifetimeValue(90, rounds=30, weights=free).fit(cents, labels * 128).score(cents)
    np.testing.assert_allclose(two["clv_90d"] / 128, one["clv_90d"], rtol=1e-6)
    order = features.sample(frac=1, random_state=1).index
    three = LifetimeValue(90, rounds=30).fit(features.loc[order], labels.loc[order]).score(features)
    four = LifetimeValue(90, rounds=30).fit(features, labels).score(features)
    pd.testing.assert_frame_equal(three, four, check_exact=False, rtol=1e-9)


def test_json_round_trip_scores_the_same_bits(fitted, base):
    again = LifetimeValue.from_dict(json.loads(json.dumps(fitted.to_dict())))
    pd.testing.assert_frame_equal(again.score(base[0]), fitted.score(base[0]), check_exact=True)
    assert again.notes_ == fitted.notes_
    assert again.task == "clv"


def test_r31_historic_value_is_net_of_returns_and_prospects_have_no_forecast(base):
    features, labels = base
    with_returns = features.assign(returned_share=0.25)
    with_returns.loc["c00000", ["repeat_orders", "spend_total", "age_days", "first_to_last_days"]] = np.nan
    with_returns.loc["c00000", "orders_total"] = 0.0
    scores = LifetimeValue(90, rounds=10).fit(with_returns, labels).score(with_returns)
    assert scores.loc["c00001", "clv_historic"] == pytest.approx(0.75 * features.loc["c00001", "spend_total"])
    assert np.isnan(scores.loc["c00000", "clv_90d"])
    assert scores.loc["c00000", "clv_historic"] == 0


def test_margin_and_discount_scale_forecast_and_interval_alike(fitted, base):
    saved = fitted.to_dict()
    half = LifetimeValue.from_dict({**saved, "margin": 0.5}).score(base[0])
    whole = fitted.score(base[0])
    np.testing.assert_allclose(half["clv_90d_high"], whole["clv_90d_high"] / 2)
    later = LifetimeValue.from_dict({**saved, "discount_rate_per_year": 0.1}).score(base[0])
    ratio = (later["clv_90d"] / whole["clv_90d"]).to_numpy()
    np.testing.assert_allclose(ratio, 1.1 ** (-45 / 365.25), rtol=1e-4)


def test_bad_settings_and_inputs_are_refused(base, fitted):
    features, labels = base
    with pytest.raises(ConfigurationError, match="did you mean 'rhythm'"):
        LifetimeValue(90, weights={"rythm": 1.0})
    with pytest.raises(ConfigurationError, match="zero or more"):
        LifetimeValue(90, weights={"rhythm": -1.0})
    with pytest.raises(DataError, match="spend_next_60d"):
        LifetimeValue(60).fit(features, labels)
    with pytest.raises(ModelError, match="did you mean 'spend_totals'"):
        fitted.score(features.rename(columns={"spend_total": "spend_totals"}))
    prospects = features.assign(orders_total=0.0)
    with pytest.raises(NotEnoughDataError, match="nobody"):
        LifetimeValue(90).fit(prospects, labels)


def test_all_missing_columns_are_ignored_and_told(base):
    model = LifetimeValue(90, rounds=10).fit(base[0].assign(responses_365d=np.nan), base[1])
    assert "responses_365d" not in model.feature_names_in_
    assert "responses_365d" in model.notes_[0]


def test_everybody_at_zero_is_refused_by_the_regressor():
    with pytest.raises(ValueError, match="positive for somebody"):
        ValueRegressor().fit(np.arange(20.0).reshape(-1, 1), np.zeros(20))


def test_bands_cover_each_band_not_only_the_whole():
    rng = np.random.default_rng(0)
    forecast = rng.uniform(1, 100, 20000)
    realised = rng.gamma(np.where(forecast < 50, 0.5, 5.0)) * forecast / np.where(forecast < 50, 0.5, 5.0)
    bands = ConformalBands.learn(forecast[:10000], realised[:10000], level=0.8)
    low, high = bands.interval(forecast[10000:])
    covered = (low <= realised[10000:]) & (realised[10000:] <= high)
    for half in (forecast[10000:] < 50, forecast[10000:] >= 50):
        assert covered[half].mean() == pytest.approx(0.8, abs=0.03)
    assert ConformalBands.from_dict(json.loads(json.dumps(bands.to_dict()))) == bands


def test_r41_parts_in_money_sum_to_the_forecast(fitted, base):
    features = base[0]
    parts = fitted.contributions(features)
    np.testing.assert_allclose(parts.sum(axis=1), fitted.score(features)["clv_90d"], rtol=1e-9)
    assert "rhythm_spend_90d" in parts


def test_r41_reasons_of_a_value_are_in_words_and_money(fitted, base):
    people = base[0].iloc[:40].copy()
    people.loc[people.index[0], "orders_total"] = 0.0
    found = fitted.reasons(people)
    assert found["reason_1"].iloc[0] == ""
    assert found["reason_1"].iloc[1:].str.len().min() > 5
    assert set(found["reason_1_direction"].iloc[1:]) <= {"raises", "lowers"}
    rhythm = found["reason_1_feature"].eq("rhythm_spend_90d") | found["reason_2_feature"].eq(
        "rhythm_spend_90d"
    )
    assert rhythm.any()


def test_a_young_base_and_a_long_horizon_are_left_to_the_counting_model(base):
    features, labels = base
    young = features.assign(
        age_days=features["age_days"] / 10, first_to_last_days=features["first_to_last_days"] / 10
    )
    for people, why in ((young, "days of history are under six months"), (features, "is over half of the")):
        horizon = 90 if why.startswith("days") else 900
        model = LifetimeValue(horizon).fit(people, labels.set_axis([f"spend_next_{horizon}d"], axis=1))
        assert model.candidates_.names == ["rhythm"]
        assert any(why in note for note in model.notes_)
        parts = model.contributions(people).sum(axis=1)
        np.testing.assert_allclose(parts, model.score(people)[f"clv_{horizon}d"], rtol=1e-9)


def dated(cutoffs: list[str], customers: int = 900, spend: dict[str, float] | None = None):
    """Snapshots of the same kind of people at several cutoffs, each window's money scaled."""
    pairs = {cutoff: planted_spenders(customers, seed=50 + number) for number, cutoff in enumerate(cutoffs)}
    scale = spend or {}
    frames = {cutoff: pair[0] for cutoff, pair in pairs.items()}
    labels = {cutoff: pair[1] * scale.get(cutoff, 1.0) for cutoff, pair in pairs.items()}
    return pd.concat(frames, names=["cutoff"]), pd.concat(labels, names=["cutoff"])


MONTHS = ["2023-01-02", "2023-02-06", "2023-04-10", "2023-06-05"]


@pytest.fixture(scope="module")
def rehearsed() -> LifetimeValue:
    learn, later = dated(MONTHS), dated(["2023-07-17"])
    return LifetimeValue(90, rounds=40).fit(*learn, calibration=later)


def test_r31_blend_total_and_interval_come_from_windows_foretold_from_closed_ones(rehearsed):
    assert sum(rehearsed.weights_.values()) == pytest.approx(1.0)
    assert set(rehearsed.candidates_.names) >= set(rehearsed.weights_)
    assert 0.8 < rehearsed.total_factor_ < 1.25
    features, labels = planted_spenders(3000, seed=4)
    scores, realised = rehearsed.score(features), labels["spend_next_90d"]
    covered = ((scores["clv_90d_low"] <= realised) & (realised <= scores["clv_90d_high"])).mean()
    assert 0.87 < covered < 0.95


def test_rehearsals_see_no_window_that_had_not_closed():
    X, labels = dated([*MONTHS, "2023-07-17"], 700)
    y = labels["spend_next_90d"].to_numpy()
    how = Rehearsing(90, ["tweedie", "tweedie_from_rhythm"], BetaGeoNBD(), {"rounds": 10})
    honest, notes = rehearse(how, X, y)
    assert [one.cutoff for one in honest] == ["2023-07-17", "2023-04-10"]
    assert not notes
    open_in_april = np.asarray(X.index.get_level_values(0) > "2023-01-31")
    other, _ = rehearse(how, X, np.where(open_in_april, y * 3 + 7, y))
    for name, forecast in honest[1].forecasts.items():
        np.testing.assert_array_equal(other[1].forecasts[name], forecast)


def test_too_short_a_history_is_rehearsed_by_halves_and_says_so():
    X, labels = dated(["2023-01-02", "2023-01-16"], 700)
    how = Rehearsing(90, ["tweedie"], BetaGeoNBD(), {"rounds": 10})
    y = labels["spend_next_90d"].to_numpy()
    (once,), notes = rehearse(how, X, y)
    assert "half of the customers" in notes[0]
    assert len(once.realised) == 700
    order = np.random.default_rng(0).permutation(len(X))
    (again,), _ = rehearse(how, X.iloc[order], y[order])
    assert np.sort(again.forecasts["tweedie"]) == pytest.approx(np.sort(once.forecasts["tweedie"]), rel=1e-9)


def test_a_planted_season_is_found_a_year_later_and_noise_is_not():
    cutoffs = ["2022-07-18", "2022-10-17", "2023-01-16"]
    features, labels = dated(cutoffs, 3000, {"2022-10-17": 1.5, "2023-01-16": 1.02})
    rhythm = RhythmForecast.learn(features.xs(cutoffs[0]), BetaGeoNBD(), 90)
    season = Season.learn("2023-07-17", features, labels["spend_next_90d"].to_numpy(), rhythm.expected)
    october, january = (season.factor(day_of(day)) for day in ("2023-10-16", "2024-01-15"))
    assert october == pytest.approx(1.5, abs=0.15)
    assert january == pytest.approx(1.0, abs=0.1)
    assert season.factor(day_of("2025-01-01")) == 1.0
    assert Season.from_dict(json.loads(json.dumps(season.to_dict()))) == season


def test_the_total_carries_the_season_of_the_day_it_is_asked_for():
    ago = dated(["2022-07-18", "2022-10-17"], 1500, {"2022-10-17": 1.6})
    learn, later = dated(MONTHS, 600), dated(["2023-07-17"], 600)
    model = LifetimeValue(90, BetaGeoNBD(), rounds=10).fit(*learn, calibration=later, year_ago=ago)
    people = later[0].xs("2023-07-17")
    autumn, summer = (model.score(people, as_of=day)["clv_90d"] for day in ("2023-10-16", "2023-07-17"))
    assert 1.3 < autumn.sum() / summer.sum() < 1.8
    pd.testing.assert_series_equal(model.score(people)["clv_90d"], autumn)  # by default the last day it knows
    parts = model.contributions(people, as_of="2023-10-16").sum(axis=1)
    np.testing.assert_allclose(parts, autumn, rtol=1e-9)


def test_where_most_spend_nothing_the_interval_is_no_wider_than_its_level():
    rng = np.random.default_rng(3)
    forecast = rng.gamma(1.0, 10.0, 30_000)
    realised = np.where(rng.random(30_000) < 0.4, rng.gamma(2.0, 1.25 * forecast), 0.0)
    bands = ConformalBands.learn(forecast[:15_000], realised[:15_000], level=0.9)
    low, high = bands.interval(forecast[15_000:])
    inside = (low <= realised[15_000:]) & (realised[15_000:] <= high)
    assert inside.mean() == pytest.approx(0.9, abs=0.01)


def test_an_unquiet_total_widens_the_interval():
    rng = np.random.default_rng(4)
    forecast = rng.gamma(2.0, 50.0, 4_000)
    realised = forecast * rng.gamma(20.0, 0.05, 4_000)
    calm, unquiet = (
        ConformalBands.learn(forecast, realised, unrest=u).interval(forecast) for u in (0.0, 0.3)
    )
    assert (unquiet[1] - unquiet[0]).mean() > 1.2 * (calm[1] - calm[0]).mean()


def test_the_better_forecast_takes_the_weight():
    rng = np.random.default_rng(5)
    truth = rng.gamma(1.0, 40.0, 5_000)
    realised = rng.poisson(truth / 20) * 20.0
    forecasts = {
        "tweedie": truth,
        "two_part": rng.permutation(truth),
        "rhythm": np.full(5_000, truth.mean()),
    }
    weights = choose_weights([Rehearsal("", forecasts, realised)])
    assert weights["tweedie"] >= 0.9
    cheaper = [Rehearsal("", {name: f / 128 for name, f in forecasts.items()}, realised / 128)]
    assert choose_weights(cheaper) == weights


@pytest.mark.parametrize("kind", ["tweedie", "two_part", "mean"])
def test_r41_parts_of_a_started_forecast_sum_to_it(kind):
    features, labels = planted_spenders(800)
    rhythm = RhythmForecast.learn(features, BetaGeoNBD(), 90)
    start = rhythm.start(features, rhythm.expected(features))
    model = ValueRegressor(kind=kind, rounds=30).fit(features, labels["spend_next_90d"], offset=start)
    parts = model.contributions(features, start)
    assert parts.shape[1] == features.shape[1] + 2
    np.testing.assert_allclose(parts.sum(axis=1), model.predict(features, start), rtol=1e-9)
    again = ValueRegressor.from_dict(json.loads(json.dumps(model.to_dict())))
    np.testing.assert_array_equal(again.predict(features, start), model.predict(features, start))
    with pytest.raises(ModelError, match="without one"):
        model.predict(features)


def registered(model: LifetimeValue) -> RegisteredModel:
    names = tuple(model.feature_names_in_)
    return RegisteredModel("segml.shop.clv", 1, "clv", "2023-10-16", "f", "c", names, {}, model)


def test_r41_the_batch_writes_the_reasons_of_the_value_in_money_whatever_the_chunks(fitted, base):
    people = base[0].iloc[:200].assign(orders_total=base[0]["repeat_orders"] + 1)
    champions = {"clv": registered(fitted)}
    job = ScoringJob(Cutoff.parse("2023-10-16"), champions, {}, "c", BandSettings())
    scores, _ = score_chunk(people, job)
    scores = scores.set_index("customer_id")
    expected = fitted.reasons(people).add_prefix("clv_")
    pd.testing.assert_frame_equal(scores[list(expected.columns)], expected)
    parts = fitted.contributions(people).drop(columns="base_value").abs().max(axis=1)
    np.testing.assert_allclose(scores["clv_reason_1_strength"], parts)
    alone, _ = score_chunk(people.iloc[[7]], job)
    for name in expected.columns:
        assert alone[name].iloc[0] == scores[name].iloc[7], name
    without, _ = score_chunk(people, replace(job, value_reasons=False))
    assert not any(str(name).startswith("clv_reason") for name in without)
