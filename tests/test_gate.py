"""The gate blocks what did not earn its place, and the floor says which number is missing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from segml.errors import ModelError, NotEnoughDataError
from segml.evaluation.comparison import PairedDifference, paired_difference
from segml.registry.card import CardFacts, write_card
from segml.registry.floor import DataCounts, DataFloor, check_floor, require_floor
from segml.registry.gate import GateRules, decide

AUC, LOSS = GateRules("auc"), GateRules("brier")


def against(own, other, low, high, metric="auc"):
    return PairedDifference(metric, own, other, own - other, low, high, 0.95, 1000)


BEATEN = against(0.78, 0.70, 0.05, 0.11)  # the baseline of a challenger at 0.78


def test_r42_a_model_that_beats_the_baseline_is_promoted_and_says_by_how_much():
    decision = decide({"auc": 0.78, "calibration_error": 0.01}, BEATEN, None, AUC)
    assert (decision.promoted, decision.grade) == (True, "A")
    assert decision.reasons == [
        "auc is 0.78 against 0.7 of the naive baseline: better by 0.08 (95 % interval 0.05 to 0.11)"
    ]


def test_r42_the_gate_blocks_a_model_whose_gain_over_the_baseline_may_be_nothing():
    decision = decide({"auc": 0.72}, against(0.72, 0.70, -0.001, 0.041), None, AUC)
    assert (decision.promoted, decision.grade) == (False, "C")
    assert "0.72 against 0.7 of the naive baseline: better by 0.02" in decision.reasons[0]
    assert "interval -0.001 to 0.041), not surely above 0" in decision.reasons[0]


def test_r42_an_interval_that_touches_zero_does_not_pass():
    assert not decide({"auc": 0.72}, against(0.72, 0.70, 0.0, 0.04), None, AUC).promoted


def test_r42_the_gate_blocks_a_model_worse_than_the_champion_however_good_against_the_baseline():
    decision = decide({"auc": 0.78}, BEATEN, against(0.78, 0.80, -0.05, 0.01), AUC)
    assert not decision.promoted
    assert decision.reasons == [
        "auc is 0.78 against 0.8 of the champion: worse by 0.02 (95 % interval -0.05 to 0.01), "
        "and 0.008 is tolerated"
    ]


def test_r42_a_model_within_the_tolerance_of_the_champion_passes():
    decision = decide({"auc": 0.78}, BEATEN, against(0.78, 0.785, -0.02, 0.01), AUC)
    assert decision.promoted
    assert decision.reasons[1].startswith("auc is 0.78 against 0.785 of the champion: worse by 0.005")


def test_r42_a_refused_model_hears_every_reason():
    decision = decide({"auc": 0.7}, against(0.7, 0.71, -0.03, 0.01), against(0.7, 0.8, -0.12, -0.08), AUC)
    assert len(decision.reasons) == 2


def test_r42_a_loss_is_better_when_it_is_smaller():
    good, poor = against(0.15, 0.20, -0.07, -0.03, "brier"), against(0.25, 0.20, 0.03, 0.07, "brier")
    assert decide({"brier": 0.15}, good, None, LOSS).promoted
    assert not decide({"brier": 0.25}, poor, None, LOSS).promoted
    assert not decide({"brier": 0.15}, good, against(0.15, 0.14, 0.0, 0.02, "brier"), LOSS).promoted


@pytest.mark.parametrize(
    ("comparison", "pattern"),
    [
        (against(0.70, 0.78, -0.11, -0.05), "naive baseline is of 0.7 and 0.78"),
        (PairedDifference("auc", 0.78, 0.70, -0.08, -0.11, -0.05, 0.95, 1000), "difference -0.08"),
        (against(0.78, 0.70, 0.05, 0.11, "brier"), "the naive baseline was compared in brier"),
        (against(0.78, float("nan"), 0.05, 0.11), "needs finite numbers"),
        (against(0.78, 0.70, float("nan"), 0.11), "needs finite numbers"),
        (against(0.78, 0.70, 0.11, 0.05), "needs finite numbers"),
    ],
)
def test_r42_a_comparison_of_something_else_is_an_error_not_a_promotion(comparison, pattern):
    with pytest.raises(ModelError, match=pattern):
        decide({"auc": 0.78}, comparison, None, AUC)


def test_r42_a_missing_metric_is_an_error():
    with pytest.raises(ModelError, match="the gate is about auc"):
        decide({"pr_auc": 0.5}, BEATEN, None, AUC)


@pytest.mark.parametrize(("error", "letter"), [(0.03, "A"), (0.031, "B"), (None, "B")])
def test_r42_a_promoted_model_that_is_badly_calibrated_is_graded_b(error, letter):
    metrics = {"auc": 0.78} | ({} if error is None else {"calibration_error": error})
    assert decide(metrics, BEATEN, None, AUC).grade == letter


def test_r42_a_real_comparison_goes_through_the_gate():
    rng = np.random.default_rng(7)
    outcome = rng.random(600) < 0.4
    good, poor = outcome + rng.normal(0, 1.0, 600), outcome + rng.normal(0, 3.0, 600)
    metrics = {"auc": roc_auc_score(outcome, good)}
    assert decide(metrics, paired_difference(outcome, good, poor, draws=100), None, AUC).promoted
    assert not decide(metrics, paired_difference(outcome, good, good, draws=100), None, AUC).promoted


@given(
    base=st.floats(0.5, 0.9), gain=st.floats(-0.3, 0.09), half=st.floats(0, 0.2), lead=st.floats(-0.3, 0.3)
)
def test_r42_promotion_and_refusal_follow_from_the_two_rules_alone(base, gain, half, lead):
    own = base + gain
    baseline = against(own, base, own - base - half, own - base + half)
    champion = against(own, own - lead, -1.0, 1.0)
    decision = decide({"auc": own}, baseline, champion, AUC)
    beats = baseline.low > 0
    assert decision.promoted == (beats and champion.difference >= -0.01 * abs(own - lead))
    assert (decision.grade == "C") == (not beats)
    assert decision.reasons


COUNTS = DataCounts(
    customers=1000,
    history_days=400,
    horizon_days=90,
    positives=300,
    negatives=700,
    missing_shares={"spend_90d": 0.1},
)


def test_r06_enough_data_gives_no_sentence():
    assert check_floor(COUNTS, DataFloor()) == []
    require_floor("churn", COUNTS, DataFloor())


def test_r06_every_number_below_the_floor_is_named_with_what_is_missing():
    counts = DataCounts(
        499, 179, 90, positives=99, negatives=0, missing_shares={"b": 0.51, "a": float("nan"), "c": 0.5}
    )
    sentences = check_floor(counts, DataFloor())
    assert [sentence.split()[2] for sentence in sentences[:4]] == ["499", "99", "0", "179"]
    assert [sentence.rsplit(": ", 1)[1] for sentence in sentences[:4]] == [
        "1 are missing",
        "1 are missing",
        "100 are missing",
        "1 are missing",
    ]
    assert [sentence.split()[0] for sentence in sentences[4:]] == ["a", "b"]


def test_r06_a_task_without_a_label_is_not_asked_for_positives():
    assert check_floor(DataCounts(1000, 400, 90), DataFloor()) == []


def test_r06_a_model_below_the_floor_is_refused_with_the_numbers():
    with pytest.raises(
        NotEnoughDataError, match=r"the churn model: there are 10 customers, and the model needs 500"
    ):
        require_floor("churn", DataCounts(10, 400, 90), DataFloor())


def test_r06_a_horizon_of_no_days_is_an_error():
    with pytest.raises(ModelError, match="at least one day"):
        check_floor(DataCounts(1000, 400, 0), DataFloor())


def facts(**changes):
    decision = decide({"auc": 0.78, "calibration_error": 0.01}, BEATEN, None, AUC)
    content = {
        "name": "segml.shop.churn",
        "predicts": "No order in the next 90 days.",
        "population": "everyone who bought in the last 365 days.",
        "data_from": "2016-01-01",
        "data_until": "2018-01-01",
        "training_cutoffs": ["2017-05-01", "2017-06-01"],
        "test_cutoff": "2017-10-01",
        "customers": 1200,
        "metrics": {"auc": (0.78, 0.75, 0.81), "brier": 0.2},
        "gate_metric": "auc",
        "features": {"recency_days": "days since the last order | whole days"},
        "fingerprint": "f" * 64,
        "feature_contract": "c" * 64,
        "baseline": BEATEN,
        "champion": against(0.78, 0.785, -0.02, 0.01),
        "limits": ["Not for customers with a contract."],
        "decision": decision,
    }
    return CardFacts(**(content | changes))


def test_r42_the_card_says_what_from_when_how_well_against_whom_and_when_not():
    card = write_card(facts())
    for line in [
        "No order in the next 90 days.",
        "Grade: **A**",
        "* History: from 2016-01-01 until 2018-01-01 (the last day is not in it)",
        "* Training cutoffs (2): 2017-05-01, 2017-06-01",
        "| auc | 0.78 | 0.75 to 0.81 |",
        "| naive baseline | 0.7 | 0.08 | 0.05 to 0.11 |",
        "| champion | 0.785 | -0.005 | -0.02 to 0.01 |",
        "| `recency_days` | days since the last order \\| whole days |",
        "* Not for customers with a contract.",
        f"* Fingerprint: `{'f' * 64}`",
    ]:
        assert line in card.splitlines()


def test_r42_the_card_is_the_same_twice_and_leaves_out_what_is_not_known():
    assert write_card(facts()) == write_card(facts())
    card = write_card(facts(champion=None, baseline=None, decision=None, limits=(), metrics={}))
    assert [line for line in card.splitlines() if line.startswith("## ")] == [
        "## Data",
        "## Features (1)",
        "## Origin",
    ]
