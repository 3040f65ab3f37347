"""Objectors leave before features are made; silence is no objection."""

from __future__ import annotations

import pandas as pd

from segml.engine.duckdb import DuckDBEngine
from segml.tables.consent import objectors_sql
from segml.time_windows import Cutoff

DAY = 86_400


def _objectors(rows: list[tuple[int, int, str, bool]], until_day: int) -> set[int]:
    consents = pd.DataFrame(rows, columns=["customer_key", "changed_at", "purpose", "granted"])
    with DuckDBEngine(threads=1) as engine:
        engine.register("consents", consents)
        return set(engine.fetch(objectors_sql(Cutoff(until_day)))["customer_key"])


def test_r56_the_last_word_before_the_cutoff_counts() -> None:
    rows = [
        (1, 5 * DAY, "profiling", False),
        (1, 9 * DAY, "profiling", True),
        (2, 5 * DAY, "profiling", False),
    ]
    assert _objectors(rows, 8) == {1, 2}
    assert _objectors(rows, 10) == {2}
    assert _objectors(rows, 5) == set()


def test_r56_of_two_words_in_one_second_the_withdrawal_stands() -> None:
    rows = [(1, DAY, "profiling", False), (1, DAY, "profiling", True)]
    assert _objectors(rows, 2) == _objectors(rows[::-1], 2) == {1}


def test_r05_other_purposes_and_silence_are_no_objection_to_profiling() -> None:
    rows = [(1, DAY, "marketing", False), (2, DAY, "ads_sharing", False), (3, DAY, "profiling", True)]
    assert _objectors(rows, 2) == set()
