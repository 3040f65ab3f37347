"""Holdouts: R61 (person-keyed arms, the same in SQL and Python; what a holdout can show before the send)."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segml.campaigns.holdout import global_holdout_sql, held_out_sql, is_held_out
from segml.engine import open_engine
from segml.errors import ConfigurationError
from segml.evaluation.power import control_size, power_statement, smallest_lift


def test_r61_the_arm_is_the_leading_32_bits_of_md5_modulo_ten_thousand() -> None:
    for person in ("1", "p00001", "ærø-7"):
        number = int.from_bytes(hashlib.md5(f"salt|win_back|{person}".encode()).digest()[:4], "big") % 10_000
        assert is_held_out("salt", "win_back", (number + 1) / 10_000, person)
        assert not is_held_out("salt", "win_back", number / 10_000, person)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=12), unique=True, min_size=1, max_size=30), st.floats(0, 0.89))
def test_r61_sql_and_python_hold_out_the_same_people(people: list[str], share: float) -> None:
    people = [person for person in people if "\x00" not in person and person.isprintable()] or ["p"]
    salt = "it's"
    with open_engine(threads=1) as engine:
        engine.register("t", pd.DataFrame({"customer_id": people}))
        rows = engine.fetch(f"select customer_id, {held_out_sql(salt, 'x', share)} as held from t")
    for person, held in zip(rows["customer_id"], rows["held"], strict=True):
        assert bool(held) == is_held_out(salt, "x", share, person)


def test_r61_shares_are_kept_and_experiments_are_independent() -> None:
    ids = [f"p{i}" for i in range(20_000)]
    first = np.array([is_held_out("s", "a", 0.1, person) for person in ids])
    second = np.array([is_held_out("s", "b", 0.1, person) for person in ids])
    assert first.mean() == pytest.approx(0.10, abs=4 * math.sqrt(0.09 / 20_000))
    assert (first & second).mean() == pytest.approx(0.01, abs=4 * math.sqrt(0.0099 / 20_000))


def test_no_share_holds_nobody_out() -> None:
    assert global_holdout_sql("s", 0.0) == "false"


@pytest.mark.parametrize(
    ("base_rate", "expected"),
    [(0.05, [16_726, 4_221, 1_893, 694]), (0.02, [43_151, 10_892, 4_887, 1_793])],
)
def test_r61_control_sizes_of_the_definitions(base_rate: float, expected: list[int]) -> None:
    """Design figures: 80 % power, alpha 5 % two-sided, holdout 10 %, lifts of 10, 20, 30 and 50 %."""
    assert [control_size(base_rate, lift) for lift in (0.1, 0.2, 0.3, 0.5)] == expected


@pytest.mark.parametrize(("people", "percent"), [(1_000, 136), (10_000, 41), (50_000, 18)])
def test_r61_smallest_lift_of_the_definitions(people: int, percent: int) -> None:
    """Design figures: base rate 5 %, holdout 10 %."""
    assert round(100 * smallest_lift(0.05, people * 9 // 10, people // 10)) == percent


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 0.3), st.floats(0.05, 1.0), st.floats(0.05, 0.5))
def test_control_size_and_smallest_lift_are_inverse(base_rate: float, lift: float, holdout: float) -> None:
    control = control_size(base_rate, lift, holdout)
    found = smallest_lift(base_rate, round(control * (1 - holdout) / holdout), control)
    assert found == pytest.approx(lift, rel=0.05 if control < 200 else 0.01)


def test_what_can_not_be_shown_is_said() -> None:
    assert smallest_lift(0.05, 10, 0) == math.inf
    assert smallest_lift(0.5, 3, 1) == math.inf
    assert power_statement(0.05, 100, 0).text == "no holdout: no effect can be measured"
    assert "unknown" in power_statement(None, 100, 10).text
    assert power_statement(0.5, 3, 1).text.endswith("can show no lift of any size")


@pytest.mark.parametrize(
    ("base_rate", "lift", "holdout"), [(0.0, 0.1, 0.1), (0.05, 0.0, 0.1), (0.6, 1.0, 0.1), (0.05, 0.1, 1.0)]
)
def test_impossible_questions_are_refused(base_rate: float, lift: float, holdout: float) -> None:
    with pytest.raises(ConfigurationError):
        control_size(base_rate, lift, holdout)
