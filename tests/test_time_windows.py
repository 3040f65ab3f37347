"""Days, midnights and windows: integers all the way, and nobody asks the clock."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import segml
from segml.errors import ConfigurationError
from segml.time_windows import SECONDS_PER_DAY, Cutoff, Window, cutoffs_back_from

DAYS = st.integers(-20_000, 60_000)


@given(day=DAYS)
def test_a_cutoff_is_its_label_its_date_and_its_midnight(day: int) -> None:
    cutoff = Cutoff(day)
    assert Cutoff.parse(cutoff.label) == Cutoff.parse(cutoff.date) == Cutoff.parse(cutoff) == cutoff
    midnight = dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(seconds=cutoff.seconds)
    assert midnight.replace(tzinfo=None) == dt.datetime.combine(cutoff.date, dt.time())
    assert str(cutoff) == cutoff.label


@given(day=DAYS, second=st.integers(0, SECONDS_PER_DAY - 1))
def test_the_cutoff_after_an_event_is_the_first_midnight_that_has_it_as_history(
    day: int, second: int
) -> None:
    moment = day * SECONDS_PER_DAY + second
    cutoff = Cutoff.after(moment)
    assert moment < cutoff.seconds
    assert cutoff.plus_days(-1).seconds <= moment


@given(day=DAYS, days=st.integers(-5_000, 5_000))
def test_days_add_up_over_leap_days_and_changes_of_the_clock(day: int, days: int) -> None:
    moved = Cutoff(day).plus_days(days)
    assert moved.date == Cutoff(day).date + dt.timedelta(days=days)
    assert moved.seconds - Cutoff(day).seconds == days * SECONDS_PER_DAY


def test_the_twenty_ninth_of_february_is_a_day() -> None:
    assert Cutoff.parse("2016-02-28").plus_days(1).label == "2016-02-29"
    assert Cutoff.parse("2015-02-28").plus_days(1).label == "2015-03-01"


@pytest.mark.parametrize("value", ["2017-13-01", "yesterday", "", "06/11/2017", "2017-02-29", 17.5, None])
def test_what_is_not_an_iso_date_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ConfigurationError, match=r"YYYY-MM-DD.*got"):
        Cutoff.parse(value)  # type: ignore[arg-type]


def test_a_moment_is_refused_as_a_cutoff() -> None:
    with pytest.raises(ConfigurationError, match="not the moment 2017-11-06 10:00"):
        Cutoff.parse(dt.datetime(2017, 11, 6, 10))


def test_cutoffs_sort_by_time() -> None:
    assert sorted([Cutoff(3), Cutoff(-1), Cutoff(2)]) == [Cutoff(-1), Cutoff(2), Cutoff(3)]


def test_a_window_has_a_length_and_ends_after_it_starts() -> None:
    assert Window(Cutoff(3), Cutoff(10)).days == 7
    for end in (3, 2):
        with pytest.raises(ConfigurationError, match="a window ends after it starts"):
            Window(Cutoff(3), Cutoff(end))


@given(last=DAYS, span=st.integers(0, 400), every=st.integers(1, 60))
def test_cutoffs_go_back_from_the_last_in_equal_steps_and_none_before_the_first(
    last: int, span: int, every: int
) -> None:
    cutoffs = cutoffs_back_from(Cutoff(last), every, Cutoff(last - span))
    assert cutoffs[-1] == Cutoff(last)
    assert all(b.day - a.day == every for a, b in itertools.pairwise(cutoffs))
    assert last - span <= cutoffs[0].day < last - span + every


def test_a_first_cutoff_after_the_last_gives_none() -> None:
    assert cutoffs_back_from(Cutoff(5), 7, Cutoff(6)) == []


def test_the_library_asks_no_clock_what_day_it_is() -> None:
    asks = ("datetime.now(", "utcnow(", "date.today(", ".today()", "time.time(", "current_date", "now()")
    folder = Path(segml.__file__).parent
    found = [
        f"{file.relative_to(folder)}: {word}"
        for file in sorted(folder.rglob("*.py"))
        for word in asks
        if word in file.read_text(encoding="utf-8")
    ]
    assert found == []
