"""Bad input is refused in one message with rule, count and first rows; what can't be learnt is refused in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from segml.errors import ConfigurationError, DataError, ModelError, NotEnoughDataError
from segml.models.btyd import (
    BetaGeometricBetaBinomial,
    BetaGeoNBD,
    GammaGamma,
    ModifiedBetaGeoNBD,
    ParetoNBD,
    ShiftedBetaGeometric,
    customer_lifetime_value,
)
from segml.models.btyd.inputs import group_rows, number_rows

ORDER_MODELS = [BetaGeoNBD, ModifiedBetaGeoNBD, ParetoNBD]
GOOD = pd.DataFrame(
    {"repeat_orders": [0, 1, 2, 0, 4], "recency": [0, 3, 8, 0, 5.5], "age": [9, 9, 9, 4, 7.0]},
    index=["ann", "bo", "cy", "di", "ed"],
)


@pytest.mark.parametrize("model", ORDER_MODELS)
def test_all_broken_rules_are_named_at_once_with_counts_and_rows(model: type) -> None:
    bad = GOOD.astype(float)
    bad.loc["ann", "recency"] = 2.0
    bad.loc["bo", "recency"] = 30.0
    bad.loc["cy", "age"] = np.inf
    bad.loc["di", "age"] = 0.0
    bad.loc["ed", "repeat_orders"] = -1.5
    with pytest.raises(DataError) as caught:
        model().fit(bad)
    text = str(caught.value)
    for rule in [
        "recency is zero when repeat_orders is zero: broken by 1 of 5 rows, first at index 'ann'",
        "recency is at most age: broken by 1 of 5 rows, first at index 'bo'",
        "age is present and finite: broken by 1 of 5 rows, first at index 'cy'",
        "age is above zero: broken by 1 of 5 rows, first at index 'di'",
        "repeat_orders is zero or more: broken by 1 of 5 rows, first at index 'ed'",
        "repeat_orders is a whole number: broken by 1 of 5 rows, first at index 'ed'",
    ]:
        assert rule in text
    known = model().fit(GOOD)
    for method in (known.probability_alive, lambda frame: known.expected_purchases(frame, 5)):
        with pytest.raises(DataError, match="recency is at most age"):
            method(bad)


def test_missing_columns_are_named_with_the_nearest_name() -> None:
    with pytest.raises(ConfigurationError, match=r"'repeat_orders' .did you mean 'repeat_order'.*'age'"):
        BetaGeoNBD().fit(GOOD.rename(columns={"repeat_orders": "repeat_order", "age": "x"}))


@pytest.mark.parametrize(
    "model", [*ORDER_MODELS, GammaGamma, ShiftedBetaGeometric, BetaGeometricBetaBinomial]
)
def test_empty_frame_is_refused(model: type) -> None:
    empty = GOOD.assign(mean_spend=1.0, lost=0)[:0]
    with pytest.raises(DataError, match="no rows"):
        model().fit(empty)


@pytest.mark.parametrize("model", ORDER_MODELS)
def test_one_timers_alone_are_refused_in_words(model: type) -> None:
    one_timers = GOOD[GOOD["repeat_orders"] == 0]
    with pytest.raises(NotEnoughDataError, match="none of the 2 customers has any"):
        model().fit(one_timers)


def test_gamma_gamma_refuses_spend_that_can_not_be() -> None:
    frame = GOOD.assign(mean_spend=[np.nan, 5.0, -1.0, 0.0, 0.0])
    with pytest.raises(
        DataError, match="mean_spend is above zero when repeat_orders is: broken by 2 of 5 rows"
    ):
        GammaGamma().fit(frame)
    with pytest.raises(DataError, match="mean_spend is present and finite: broken by 1 of 5 rows"):
        GammaGamma().fit(GOOD.assign(mean_spend=[1, np.nan, 3, 4, 5.0]))
    with pytest.raises(NotEnoughDataError, match="none of the 2 customers"):
        GammaGamma().fit(GOOD.assign(mean_spend=5.0)[GOOD["repeat_orders"] == 0])
    with pytest.raises(NotEnoughDataError, match="no spread"):
        GammaGamma().fit(GOOD.assign(mean_spend=5.0))


def test_gamma_gamma_does_not_read_the_spend_of_one_timers() -> None:
    frame = GOOD.assign(mean_spend=[np.nan, 5.0, 9.0, -3.0, 20.0])
    clean = GOOD.assign(mean_spend=[0.0, 5.0, 9.0, 0.0, 20.0])
    assert GammaGamma().fit(frame).to_dict() == GammaGamma().fit(clean).to_dict()


def test_spend_that_grows_with_frequency_is_said() -> None:
    rng = np.random.default_rng(0)
    orders = rng.geometric(0.3, 2000)
    related = pd.DataFrame({"repeat_orders": orders, "mean_spend": orders**0.7 * rng.gamma(5, 2, 2000)})
    fitted = GammaGamma().fit(related)
    assert any("frequent customers spend more an order" in said for said in fitted.warnings_)


def test_spend_without_a_mean_is_said_and_one_timers_get_the_observed_mean() -> None:
    rng = np.random.default_rng(0)
    heavy = rng.gamma(3, 1, 4000) / rng.gamma(0.6, 1, 4000)
    frame = pd.DataFrame({"repeat_orders": rng.integers(1, 4, 4000), "mean_spend": heavy})
    fitted = GammaGamma().fit(frame)
    assert fitted.params_["q"] < 1
    assert any("q = " in said and "not above 1" in said for said in fitted.warnings_)
    spend = fitted.expected_spend(pd.DataFrame({"repeat_orders": [0, 1], "mean_spend": [0, 3.0]}))
    assert spend[0] == fitted.base_spend_
    assert np.isfinite(spend).all()


def test_weights_are_checked() -> None:
    with pytest.raises(ConfigurationError, match="given twice"):
        BetaGeoNBD().fit(GOOD.assign(weight=1), weight=np.ones(5))
    with pytest.raises(ConfigurationError, match="shape"):
        BetaGeoNBD().fit(GOOD, weight=np.ones(3))
    with pytest.raises(DataError, match="weight is finite and zero or more: broken by 2 of 5 rows"):
        BetaGeoNBD().fit(GOOD, weight=[1, -1, np.nan, 1, 1])
    with pytest.raises(DataError, match="every weight is zero"):
        BetaGeoNBD().fit(GOOD, weight=np.zeros(5))


def test_row_of_weight_zero_is_not_there() -> None:
    with_zero = BetaGeoNBD().fit(GOOD, weight=[1, 1, 1, 1, 0])
    assert with_zero.to_dict() == BetaGeoNBD().fit(GOOD[:4]).to_dict()


def test_units_of_time_are_not_mixed() -> None:
    orders = BetaGeoNBD(time_unit="weeks").fit(GOOD)
    spend = GammaGamma.from_params({"p": 6.0, "q": 4.0, "v": 15.0})
    frame = GOOD.assign(mean_spend=10.0)
    with pytest.raises(ConfigurationError, match="fitted in weeks"):
        customer_lifetime_value(orders, spend, frame, 365, 0.1, time_unit="days")
    with pytest.raises(ConfigurationError, match="discount rate is above -1"):
        customer_lifetime_value(orders, spend, frame, 52, -2.0, time_unit="weeks")
    with pytest.raises(ConfigurationError, match="known unit of time"):
        customer_lifetime_value(
            BetaGeoNBD(time_unit="moons").fit(GOOD), spend, frame, 52, 0.1, time_unit="moons"
        )
    for horizon in (-1.0, np.nan):
        with pytest.raises(ConfigurationError, match="a horizon is finite"):
            orders.expected_purchases(GOOD, horizon)


def with_first_orders_at(ages: np.ndarray) -> pd.DataFrame:
    orders = np.arange(len(ages)) % 3
    return pd.DataFrame({"repeat_orders": orders, "recency": ages * orders / 3.0, "age": ages})


def test_a_past_that_is_cut_off_on_the_left_is_said() -> None:
    even = np.linspace(1.0, 400.0, 2000)
    cut = np.concatenate((even, np.full(1500, 400.0)))
    assert not any(
        "cut off on the left" in said for said in BetaGeoNBD().fit(with_first_orders_at(even)).warnings_
    )
    said = ModifiedBetaGeoNBD().fit(with_first_orders_at(cut)).warnings_
    assert any(line.startswith("46% of the customers have their first order") for line in said)


def test_ages_in_seconds_and_counts_that_ran_over_are_told() -> None:
    seconds = GOOD.assign(recency=GOOD["recency"] * 86_400.0, age=GOOD["age"] * 86_400.0)
    assert any("are they in another unit" in said for said in ParetoNBD().fit(seconds).warnings_)
    for count in (2.0**63, 1_000_001.0):
        with pytest.raises(DataError, match="repeat_orders is at most 1,000,000: broken by 1 of 5 rows"):
            BetaGeoNBD().fit(GOOD.assign(repeat_orders=[0, 1, 2, 0, count]))


def test_a_horizon_beyond_the_longest_history_is_doubted() -> None:
    fitted = BetaGeoNBD().fit(GOOD)
    assert fitted.doubts(9.0) == fitted.warnings_
    assert "2.0 times the longest history (9 days)" in fitted.doubts(18.0)[-1]
    assert BetaGeoNBD.from_dict(fitted.to_dict()).doubts(18.0) == fitted.doubts(18.0)
    assert BetaGeoNBD.from_params(fitted.params_).doubts(1e9) == []  # its history is not known


@pytest.mark.parametrize("model", ORDER_MODELS)
def test_one_order_each_and_a_base_where_all_are_alive(model: type) -> None:
    with pytest.raises(NotEnoughDataError, match="learns from repeat orders"):
        model().fit(pd.DataFrame({"repeat_orders": [0] * 9, "recency": 0.0, "age": np.arange(1.0, 10.0)}))
    alive = pd.DataFrame({"repeat_orders": [1, 2, 3, 5] * 20, "recency": 30.0, "age": 30.0})
    fitted = model().fit(alive)
    assert fitted.warnings_
    assert np.isfinite(fitted.expected_purchases(alive, 3650.0)).all()
    assert fitted.probability_alive(alive).between(0, 1).all()


def test_predicting_before_fitting_is_refused() -> None:
    with pytest.raises(ModelError, match="has not been fitted"):
        BetaGeoNBD().probability_alive(GOOD)
    with pytest.raises(ModelError, match="not a ParetoNBD"):
        ParetoNBD.from_dict(BetaGeoNBD().fit(GOOD).to_dict())
    with pytest.raises(ConfigurationError, match="above zero"):
        BetaGeoNBD.from_params({"r": -1.0, "alpha": 1.0, "a": 1.0, "b": 1.0})


def test_predictions_keep_the_index_and_order_of_the_frame_and_leave_it_alone() -> None:
    known, before = BetaGeoNBD().fit(GOOD), GOOD.copy()
    expected = known.expected_purchases(GOOD, 5)
    assert expected.index.equals(GOOD.index)
    assert known.expected_purchases(GOOD[::-1], 5)[::-1].equals(expected)
    pd.testing.assert_frame_equal(GOOD, before)
    assert clone(BetaGeoNBD(max_iterations=7, time_unit="weeks")).get_params() == {
        "max_iterations": 7,
        "time_unit": "weeks",
    }


def test_opportunities_and_renewals_are_whole_numbers() -> None:
    with pytest.raises(DataError, match="repeat_orders is at most recency"):
        BetaGeometricBetaBinomial().fit(pd.DataFrame({"repeat_orders": [3], "recency": [2], "age": [6]}))
    with pytest.raises(DataError, match="age is a whole number of renewals"):
        ShiftedBetaGeometric().fit(pd.DataFrame({"age": [0.5, 1], "lost": [1, 0]}))
    with pytest.raises(NotEnoughDataError, match="all 2 are still here"):
        ShiftedBetaGeometric().fit(pd.DataFrame({"age": [1, 2], "lost": [0, 0]}))


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(1, 5)), min_size=1, max_size=60),
    st.booleans(),
)
def test_grouping_counts_every_row_once_and_finds_it_again(
    rows: list[tuple[int, int, int]], weighted: bool
) -> None:
    columns = [np.array(column, dtype=float) for column in zip(*rows, strict=True)]
    groups = group_rows(columns, np.full(len(rows), 0.5) if weighted else None)
    found = np.stack([groups.column(i) for i in range(3)], axis=1)
    assert groups.total == len(rows) * (0.5 if weighted else 1.0)
    np.testing.assert_array_equal(found, np.unique(np.array(rows, dtype=float), axis=0))
    numbered, number = number_rows(columns)
    again = np.stack([numbered.column(i) for i in range(3)], axis=1)
    np.testing.assert_array_equal(again[number], np.array(rows, dtype=float))
