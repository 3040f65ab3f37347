"""Every learner of uplift keeps one contract, and finds what was planted."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from segml.errors import DataError
from segml.models.boosting import TreeSettings
from segml.models.uplift import RUNGS, CrossUplift, RidgeUplift, TreeUplift, UpliftLadder, UpliftLearner

ARMS = ("nothing", "card", "mail")
LEARNERS = list(RUNGS.values())


def campaign(
    n: int = 3000, seed: int = 0, missing: float = 0.1
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Two arms and a control: mail works on those with `womens`, card a little on everybody."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"womens": rng.integers(0, 2, n).astype(float), "spend": rng.exponential(50, n)})
    X["gap"] = np.where(rng.random(n) < missing, np.nan, rng.exponential(30, n))
    arm = rng.integers(0, 3, n)
    chance = 0.15 + 0.001 * X["spend"] + 0.25 * X["womens"] * (arm == 2) + 0.05 * (arm == 1)
    return X, (rng.random(n) < np.clip(chance, 0, 1)).astype(int), np.array(ARMS)[arm]


@pytest.fixture(scope="module")
def data() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    return campaign()


@pytest.mark.parametrize("learner", LEARNERS)
def test_one_column_an_arm_and_none_for_a_single_treatment(learner, data):
    X, y, t = data
    model = learner(control="nothing").fit(X, y, t)
    assert model.arms_ == ("card", "mail")
    assert model.predict(X).shape == (len(X), 2)
    two = t != "card"
    assert learner(control="nothing").fit(X[two], y[two], t[two]).predict(X).shape == (len(X),)


@pytest.mark.parametrize("learner", LEARNERS)
def test_parameters_clone_and_json_keep_the_model(learner, data):
    X, y, t = data
    model = clone(learner(control="nothing", random_state=3))
    assert model.get_params()["random_state"] == 3
    assert clone(model).set_params(random_state=4).random_state == 4
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.fit(X, y, t)
    back = learner.from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))
    assert (back.predict(X) == model.predict(X)).all()
    assert back.get_params() == model.get_params()
    assert list(back.feature_names_in_) == list(X.columns)


@pytest.mark.parametrize("learner", LEARNERS)
def test_the_order_of_rows_changes_nothing(learner, data):
    X, y, t = data
    place = np.random.default_rng(1).permutation(len(X))
    model = learner(control="nothing").fit(X, y, t)
    moved = learner(control="nothing").fit(X.iloc[place], y[place], t[place])
    assert (model.predict(X) == moved.predict(X)).all()
    assert (model.predict(X)[:5] == model.predict(X.iloc[:5])).all()


@pytest.mark.parametrize("learner", LEARNERS)
def test_increments_are_in_the_outcomes_unit_and_average_to_the_lift(learner, data):
    X, y, t = data
    for unit in (1.0, 250.0):
        model = learner(control="nothing").fit(X, unit * y, t)
        for column, arm in enumerate(model.arms_):
            lift = unit * (y[t == arm].mean() - y[t == "nothing"].mean())
            assert model.predict(X)[:, column].mean() == pytest.approx(lift, abs=0.012 * unit)


@pytest.mark.parametrize("name", ["two_models", "ridge", "trees", "cross"])
def test_a_planted_increment_is_found(name, data):
    model = RUNGS[name](control="nothing").fit(*campaign(12_000, seed=4))
    asked = pd.DataFrame({"womens": [0.0, 1.0], "spend": [50.0, 50.0], "gap": [np.nan, 20.0]})
    mail = model.predict(asked)[:, 1]
    assert mail == pytest.approx([0.0, 0.25], abs=0.06)


def test_shares_that_differ_by_stratum_need_their_probabilities():
    """Contacted nine in ten among big spenders and one in ten among the rest; the true increment is 1 for all."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (20_000, 1)).astype(float)
    chance = np.where(X[:, 0] == 1, 0.9, 0.1)
    t = (rng.random(20_000) < chance).astype(int)
    y = 20 * X[:, 0] + t + rng.normal(size=20_000)
    assert RidgeUplift().fit(X, y, t, probability=chance).predict(X) == pytest.approx(
        np.ones(20_000), abs=0.15
    )


def test_arms_by_mapping_and_by_share_agree_when_the_shares_are_exact():
    X, y, t = campaign(3000)
    place = np.concatenate([np.flatnonzero(t == arm)[:900] for arm in ARMS])
    given = {"card": 1 / 3, "mail": 1 / 3}
    one = RidgeUplift(control="nothing").fit(X.iloc[place], y[place], t[place])
    other = RidgeUplift(control="nothing").fit(X.iloc[place], y[place], t[place], probability=given)
    assert one.predict(X) == pytest.approx(other.predict(X), abs=1e-9)


def test_tree_settings_are_a_parameter_and_survive_json(data):
    X, y, t = data
    small = TreeSettings(objective="regression", rounds=5)
    for learner in (TreeUplift, CrossUplift):
        model = learner(control="nothing", settings=small).fit(X, y, t)
        back = learner.from_dict(json.loads(json.dumps(model.to_dict())))
        assert back.settings == small
        assert (back.predict(X) == model.predict(X)).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"treatment": ["mail"] * 40}, "no customer is in the control arm 'nothing'"),
        ({"treatment": ["nothing"] * 40}, "everybody is in the control arm"),
        ({"treatment": ["mail", None] * 20}, "20 of 40 customers have no arm"),
        ({"treatment": ["mail"] * 39}, "the treatment 39"),
        ({"y": [np.nan] + [0.0] * 39}, "1 of 40 outcomes are missing"),
        ({"probability": {"letter": 0.5}}, r"unknown arms \['letter'\] and lack the arms \['mail'\]"),
        ({"probability": np.full((40, 3), 1 / 3)}, r"\(40, 2\)"),
        (
            {"probability": np.r_[1.0, np.full(39, 0.5)]},
            "1 of 40 customers have treatment probabilities outside",
        ),
    ],
)
def test_what_is_no_campaign_is_refused_with_the_reason(change, words):
    arrays = {"y": [0.0, 1.0] * 20, "treatment": ["mail", "nothing"] * 20} | change
    with pytest.raises(DataError, match=words):
        RidgeUplift(control="nothing").fit(np.zeros((40, 1)), **arrays)


def test_the_base_and_the_ladder_share_the_contract():
    assert issubclass(UpliftLadder, UpliftLearner)
    assert UpliftLadder().get_params()["budget"] is None
    X, y, t = campaign(600)
    model = RidgeUplift(control="nothing").fit(X.to_numpy(), y, t)
    with pytest.raises(ValueError, match="2 features"):
        model.predict(np.zeros((3, 2)))
