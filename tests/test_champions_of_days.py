"""R98: a champion moves forward only, and a past day is scored by the champion of that day."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from registry_standin import CONTRACT, StandIn, features, register
from segml.errors import ModelError
from segml.pipelines.promotion import Trained, readable_champion, remembered, settle
from segml.registry.gate import Decision
from segml.registry.store import ModelStore
from segml.time_windows import Cutoff

NAME = "segml.shop.churn"
FACTS = {
    "predicts": "silence",
    "population": "everybody",
    "data_from": "2023-01-01",
    "data_until": "2024-01-01",
    "training_cutoffs": ["2023-06-01"],
    "test_cutoff": "2023-09-01",
    "customers": 12,
    "features": {},
}


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A store whose tables are made, which takes MLflow two seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        made = ModelStore(tmp_path_factory.mktemp("shop") / "mlruns")
        with made.training_run("shop", "nothing"):
            pass
    return made


@pytest.fixture
def store(empty, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(empty.root, tmp_path / "mlruns")
    return ModelStore(tmp_path / "mlruns")


def trained(store, day, passed=True, mark="", known=""):
    """Train a model for a day and settle it, as `segml train --as-of` does."""
    model = StandIn().fit(features())
    one = Trained(model, Decision(passed, "A" if passed else "C", ["why"]), {}, features(), FACTS)
    with store.training_run("shop", f"train {day}") as run:
        return settle(store, run, one, mark or f"{day} {passed}", CONTRACT, day, known)


def champion_of(store, day):
    found = store.champion_of_day("shop", "churn", day)
    return None if found is None else (found.version, found.cutoff)


def test_r98_a_version_of_an_earlier_day_is_registered_and_never_promoted(store):
    assert trained(store, "2024-03-01").status == "promoted"
    backfilled = trained(store, "2024-01-01")
    assert (backfilled.status, backfilled.version) == ("passed", 2)
    assert "segml.shop.churn/1@2024-03-01 is of a later day and stays" in backfilled.reasons[-1]
    assert store.aliases(NAME)["champion"] == 1
    with pytest.raises(ModelError, match="a champion moves forward only"):
        store.promote(NAME, 2)
    assert store.aliases(NAME)["champion"] == 1


def test_r98_a_past_day_is_scored_by_the_newest_version_that_knew_no_more(store):
    for day in ("2024-01-01", "2024-02-01", "2024-03-01"):
        trained(store, day)
    days = {"2023-12-31": None, "2024-01-01": (1, "2024-01-01"), "2024-01-31": (1, "2024-01-01")}
    days |= {
        "2024-02-01": (2, "2024-02-01"),
        "2024-02-29": (2, "2024-02-01"),
        "2025-01-01": (3, "2024-03-01"),
    }
    assert {day: champion_of(store, day) for day in days} == days
    assert store.first_champion_day("shop", "churn") == "2024-01-01"


def test_r98_a_refused_version_is_the_champion_of_no_day(store):
    trained(store, "2024-01-01")
    trained(store, "2024-02-01", passed=False)
    trained(store, "2024-03-01")
    assert champion_of(store, "2024-02-15") == (1, "2024-01-01")
    assert trained(store, "2024-02-10").status == "passed"
    assert champion_of(store, "2024-02-15") == (4, "2024-02-10")
    assert store.aliases(NAME)["champion"] == 3


def test_r98_labels_that_ended_after_a_day_are_known_too_much(store):
    trained(store, "2024-01-01", known="2024-02-15")  # a list's day, and the orders of the six weeks after it
    assert champion_of(store, "2024-02-01") is None
    assert champion_of(store, "2024-02-15") == (1, "2024-01-01")


def test_r98_the_same_inputs_bring_their_champion_back_and_never_an_older_one(store):
    trained(store, "2024-03-01", mark="first settings")
    trained(store, "2024-03-01", mark="other settings")
    assert store.aliases(NAME)["champion"] == 2
    again = remembered(store, "shop", "churn", 1)
    assert (again.status, again.new, store.aliases(NAME)["champion"]) == ("promoted", False, 1)
    trained(store, "2024-04-01")
    old = remembered(store, "shop", "churn", 2)
    assert (old.status, store.aliases(NAME)["champion"]) == ("passed", 3)
    assert "/3@2024-04-01 is of a later day" in old.reasons[-1]


def test_r98_a_remembered_refusal_moves_nothing(store):
    trained(store, "2024-03-01")
    refused = trained(store, "2024-03-02", passed=False)
    again = remembered(store, "shop", "churn", refused.version)
    assert (again.status, store.aliases(NAME)["champion"]) == ("refused", 1)


def test_r98_the_champion_that_somebody_set_by_hand_scores_from_its_day_on(store):
    for day in ("2024-01-01", "2024-02-01", "2024-03-01"):
        trained(store, day)
    store.client.set_registered_model_alias(NAME, "champion", "2")
    assert champion_of(store, "2024-06-01") == (2, "2024-02-01")
    assert champion_of(store, "2024-01-15") == (1, "2024-01-01")


def test_r98_versions_of_before_the_gate_was_marked_are_known_by_their_outcome(store):
    for day, passed in (("2024-01-01", True), ("2024-02-01", False), ("2024-03-01", True)):
        trained(store, day, passed)
    for version in ("1", "2", "3"):
        store.client.delete_model_version_tag(NAME, version, "gate")
        store.client.delete_model_version_tag(NAME, version, "known_until")
    assert champion_of(store, "2024-02-15") == (1, "2024-01-01")


def test_r98_a_challenger_of_a_past_day_meets_the_champion_of_that_day(store):
    trained(store, "2024-01-01")
    trained(store, "2024-03-01")
    assert readable_champion(store, "shop", "churn", Cutoff.parse("2024-02-01")).version == 1
    assert readable_champion(store, "shop", "churn", Cutoff.parse("2023-02-01")) is None


def test_a_plot_that_can_not_be_drawn_costs_a_note_and_not_the_model(store):
    model = StandIn().fit(features())
    plots = {"broken": lambda ax: np.array([]).min(), "whole": lambda ax: ax.plot([0, 1])}
    one = Trained(model, Decision(True, "A", ["why"]), {}, features(), FACTS, plots=plots)
    with store.training_run("shop", "train") as run:
        outcome = settle(store, run, one, "mark", CONTRACT, "2024-01-01")
    assert outcome.status == "promoted"
    assert outcome.notes[0].startswith("the plot broken could not be drawn: ValueError: zero-size array")


def test_r98_registered_without_a_gate_and_promoted_is_marked_as_passed(store):
    version, _ = register(store, "by hand", cutoff="2024-01-01")
    store.promote(NAME, version)
    trained(store, "2024-03-01")
    assert champion_of(store, "2024-01-15") == (version, "2024-01-01")
