"""Objectors leave before features are made; silence is no objection."""

from __future__ import annotations

from random import Random

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from segml.engine.duckdb import DuckDBEngine
from segml.tables.consent import objectors_sql
from segml.time_windows import Cutoff

DAY = 86_400


def _objectors(rows: list[tuple[int, int, str, bool]], until_day: int) -> set[int]:
    consents = pd.DataFrame(rows, columns=["customer_key", "changed_at", "purpose", "granted"])
    with DuckDBEngine(threads=1) as engine:
        engine.register("consents", consents)
        return set(engine.fetch(objectors_sql(Cutoff(until_day)))["customer_key"])


def test_r56_the_last_change_before_the_cutoff_counts() -> None:
    rows = [
        (1, 5 * DAY, "profiling", False),
        (1, 9 * DAY, "profiling", True),
        (2, 5 * DAY, "profiling", False),
    ]
    assert _objectors(rows, 8) == {1, 2}
    assert _objectors(rows, 10) == {2}
    assert _objectors(rows, 5) == {1, 2}


def test_r56_of_two_words_in_one_second_the_withdrawal_stands() -> None:
    rows = [(1, DAY, "profiling", False), (1, DAY, "profiling", True)]
    assert _objectors(rows, 2) == _objectors(rows[::-1], 2) == {1}


def test_r05_other_purposes_and_silence_are_no_objection_to_profiling() -> None:
    rows = [(1, DAY, "marketing", False), (2, DAY, "ads_sharing", False), (3, DAY, "profiling", True)]
    assert _objectors(rows, 2) == set()


def test_r85_objections_count_after_the_cutoff_and_consents_do_not() -> None:
    past = [(1, DAY, "profiling", True), (2, DAY, "profiling", False), (4, DAY, "profiling", True)]
    future = [
        (1, 2 * DAY, "profiling", False),
        (2, 2 * DAY, "profiling", True),
        (3, 9 * DAY, "profiling", False),
    ]
    assert _objectors(past, 2) == {2}
    assert _objectors(past + future, 2) == {1, 2, 3}
    assert _objectors(past + future, 3) == {1, 3}


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(0, 4), st.just("profiling"), st.booleans()), min_size=1
    ),
    st.randoms(use_true_random=False),
)
def test_r05_the_state_is_the_last_word_and_no_before_yes_in_any_order_of_rows(
    rows: list[tuple[int, int, str, bool]], random: Random
) -> None:
    shuffled = random.sample(rows, len(rows))
    counted = [(who, at, not granted) for who, at, _, granted in rows if at < DAY or not granted]
    last = {person: max((at, no) for who, at, no in counted if who == person) for person, *_ in counted}
    assert _objectors(shuffled, 1) == {person for person, (_, withdrawn) in last.items() if withdrawn}
