"""The ladder refuses what was not drawn by lot, climbs only for a reason, and says what it did."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from segml.errors import ConfigurationError, DataError, NotEnoughDataError
from segml.models.uplift import UpliftLadder, check_randomisation
from segml.models.uplift.choice import selection_frame
from segml.models.uplift.trial import make_trial
from segml.sources.synthetic import SyntheticShop, make_shop

PLAIN = ("same_for_all", "propensity", "response", "two_models", "ridge")


def campaign(
    n: int = 6000, seed: int = 0, effect: float = 0.2, lift: float = 0.0
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Buying depends on `spend`; the contact helps those with `womens` by `effect`, everybody by `lift`."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"womens": rng.integers(0, 2, n).astype(float), "spend": rng.exponential(1.0, n)})
    t = rng.integers(0, 2, n)
    chance = 0.1 + 0.1 * np.minimum(X["spend"], 3) + (effect * X["womens"] + lift) * t
    return X, (rng.random(n) < chance).astype(int), t


def test_r39_a_campaign_that_chose_its_customers_is_refused_with_auc_and_p_value():
    X, y, _ = campaign()
    chosen = (np.random.default_rng(1).random(len(X)) < 0.3 + 0.2 * (X["spend"] > 1)).astype(int)
    with pytest.raises(DataError, match=r"no uplift without randomisation.*AUC 0\.\d{3}.*p [=<] \S*e-"):
        UpliftLadder().fit(X, y, chosen)


def test_r39_a_choice_that_no_line_can_see_is_refused_too():
    X, y, _ = campaign(8000)
    middle = np.abs(np.log(X["spend"]) + 0.4) < 0.8
    chosen = (np.random.default_rng(1).random(len(X)) < 0.4 + 0.2 * middle).astype(int)
    with pytest.raises(DataError, match="tells who was contacted"):
        UpliftLadder().fit(X, y, chosen)


def test_r39_arms_drawn_by_lot_pass_whatever_the_seed():
    """p-values of one-sided tries, doubled: none below 0.001, and small ones not more often than they say."""
    p_values = []
    for seed in range(60):
        X, y, t = campaign(1200, seed)
        p_values.append(check_randomisation(make_trial(X.to_numpy(), y, t)).p_value)
    assert min(p_values) > 0.001
    assert np.mean(np.array(p_values) < 0.2) < 0.35


def test_r39_strata_with_their_own_share_pass_when_the_shares_are_given():
    X, y, _ = campaign(8000)
    chance = np.where(X["womens"] == 1, 0.8, 0.4)
    t = (np.random.default_rng(2).random(len(X)) < chance).astype(int)
    with pytest.raises(DataError, match="tells who was contacted"):
        UpliftLadder(rungs=PLAIN).fit(X, y, t)
    ladder = UpliftLadder(rungs=PLAIN).fit(X, y, t, probability=chance)
    assert ladder.check_.passed
    assert ladder.check_.auc == pytest.approx(0.5, abs=0.03)


def test_r39_arms_of_another_size_than_promised_are_refused():
    X, y, t = campaign()
    with pytest.raises(DataError, match="arms' sizes"):
        UpliftLadder().fit(X, y, t, probability={1: 0.8})


def test_too_small_arms_are_named_with_their_numbers():
    X, y, t = campaign(150)
    with pytest.raises(NotEnoughDataError, match=r"the control has \d+ customers, 100 are needed; 1 has"):
        UpliftLadder().fit(X, y, t)
    X, y, t = campaign(1000)
    with pytest.raises(NotEnoughDataError, match="0 of the rarer outcome"):
        UpliftLadder().fit(X, y * (1 - t), t)


def test_a_planted_difference_is_found_and_ranking_by_response_is_not_enough():
    ladder = UpliftLadder().fit(*campaign())
    assert ladder.rung_ in ("two_models", "ridge")
    assert "; clearly ahead of the same for everybody" in ladder.choice_reason_
    assert list(ladder.selection_.index)[:2] == ["same_for_all", "propensity"]
    asked = pd.DataFrame({"womens": [0.0, 1.0], "spend": [1.0, 1.0]})
    assert ladder.predict(asked) == pytest.approx([0.0, 0.2], abs=0.07)


def test_where_all_gain_alike_no_difference_is_claimed():
    claims = [
        "; clearly ahead" in UpliftLadder(rungs=PLAIN).fit(*campaign(2000, seed, 0.0, 0.1)).choice_reason_
        for seed in range(10)
    ]
    assert sum(claims) <= 1


def test_a_rung_below_the_floor_is_not_taken_however_simple():
    rng = np.random.default_rng(0)
    noise, base = rng.normal(0, 1, 400), rng.normal(0, 1, 400)
    gains = {"same_for_all": base, "propensity": base - 0.01, "ridge": base + 0.02 + noise - noise.mean()}
    frame = selection_frame(gains)
    assert frame["within_one_error"].all()
    assert frame.index[frame["chosen"]].tolist() == ["ridge"]
    only_harm = selection_frame({"same_for_all": base, "propensity": base - 0.01})
    assert only_harm.index[only_harm["chosen"]].tolist() == ["same_for_all"]


def test_costs_leave_out_those_who_do_not_pay():
    X, y, t = campaign()
    ladder = UpliftLadder(rungs=PLAIN, cost=0.1).fit(X, y, t)
    sent = ladder.choose(X) == 1
    assert sent[X["womens"] == 1].mean() > 0.9
    assert sent[X["womens"] == 0].mean() < 0.1
    assert ladder.policy_.share_sent == pytest.approx(0.5, abs=0.05)
    assert ladder.policy_.value == pytest.approx(0.5 * (0.2 - 0.1), abs=3 * ladder.policy_.standard_error)
    assert ladder.policy_.value > ladder.policy_.value_of_all


def test_a_budget_is_kept_and_a_ladder_without_differences_sends_to_nobody_within_one():
    X, y, t = campaign()
    ladder = UpliftLadder(rungs=PLAIN, budget=0.2).fit(X, y, t)
    assert ladder.policy_.share_sent <= 0.2
    assert (ladder.choose(X) == 1).mean() == pytest.approx(0.2, abs=0.04)
    flat = UpliftLadder(rungs=["same_for_all"], budget=0.2).fit(X, y, t)
    assert set(flat.choose(X)) == {0}
    assert "nobody stands out" in flat.policy_.text


def test_several_arms_have_costs_of_their_own():
    X, y, t = campaign(5000, seed=3)
    rng = np.random.default_rng(9)
    labels = np.where(t == 0, "none", np.where(rng.random(len(t)) < 0.5, "letter", "mail"))
    ladder = UpliftLadder(control="none", rungs=PLAIN, cost={"letter": 0.5, "mail": 0.05}).fit(X, y, labels)
    assert ladder.predict(X).shape == (5000, 2)
    assert set(ladder.choose(X)) <= {"none", "mail"}
    with pytest.raises(ConfigurationError, match="differ in letter"):
        UpliftLadder(control="none", cost={"mail": 0.05}).fit(X, y, labels)


def test_the_order_of_rows_changes_no_choice_and_json_keeps_all():
    X, y, t = campaign(3000)
    place = np.random.default_rng(0).permutation(len(X))
    ladder = UpliftLadder().fit(X, y, t)
    moved = clone(ladder).fit(X.iloc[place], y[place], t[place])
    pd.testing.assert_frame_equal(ladder.selection_, moved.selection_)
    assert (ladder.predict(X) == moved.predict(X)).all()
    back = UpliftLadder.from_dict(json.loads(json.dumps(ladder.to_dict(), default=_refuse)))
    assert (back.predict(X) == ladder.predict(X)).all()
    assert (back.choose(X) == ladder.choose(X)).all()
    assert (back.policy_, back.choice_reason_) == (ladder.policy_, ladder.choice_reason_)
    pd.testing.assert_frame_equal(back.selection_, ladder.selection_)


def _refuse(value: object) -> None:
    raise TypeError(f"not plain: {value!r}")


def test_unknown_rungs_and_budgets_are_refused_together():
    with pytest.raises(
        ConfigurationError, match=r"no rung 'rigde' \(did you mean 'ridge'\?\); budget is a share"
    ):
        UpliftLadder(rungs=["rigde"], budget=2.0).fit(*campaign(600))


def test_the_synthetic_shops_planted_uplift_comes_back_by_segment_and_as_a_policy():
    """Both potential outcomes are known there, so increments and the policy's value have a truth."""
    shop = make_shop(SyntheticShop(n_customers=30_000, tables=("customers", "orders", "campaigns")))
    arms, people = shop.truth["campaign_arms"], shop.truth["customers"]
    last = arms[arms["campaign_id"] == arms["campaign_id"].max()].merge(people, on="customer_id")
    truth = last["buys_with"].astype(float) - last["buys_without"]
    y = last["buys_with"].where(last["arm"] == "treatment", last["buys_without"]).astype(float)
    X = pd.get_dummies(last["segment"]).astype(float)
    ladder = UpliftLadder(control="control", rungs=PLAIN).fit(X, y, last["arm"])
    expected = pd.Series(ladder.predict(X)).groupby(last["segment"]).mean()
    planted = truth.groupby(last["segment"]).mean()
    rows = last.groupby("segment").size()
    noise = np.sqrt(0.25 / (0.2 * rows) + 0.25 / (0.8 * rows))
    assert (np.abs(expected - planted) < 3 * noise).all()
    assert "; clearly ahead" in ladder.choice_reason_
    assert expected["bargain_hunters"] > expected["one_time_tryers"] > expected["weekly_essentials"]
    sent = ladder.choose(X) == "treatment"
    value = float((truth * sent).mean())
    assert ladder.policy_.value == pytest.approx(value, abs=3 * ladder.policy_.standard_error)
    assert value > float(truth.mean())
