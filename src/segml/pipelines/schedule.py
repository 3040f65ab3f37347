"""Which cutoffs a model learns from, is calibrated on, and is judged on.

The last cutoff whose label window has closed is held out for the verdict. What is learnt, and what calibrates it,
has label windows that closed before the test cutoff: at the moment of the test nothing of it lay in the future.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from segml.config import CutoffSettings, HorizonSettings
from segml.errors import NotEnoughDataError
from segml.time_windows import Cutoff, cutoffs_back_from

_YEAR = 364  # whole weeks: Monday stands against Monday
_TIMING_DAYS = (7, 14, 30)  # short windows that only time the next order


@dataclass(frozen=True)
class Schedule:
    """The cutoffs of one horizon.

    Attributes
    ----------
    horizon : int
        Days.
    training : tuple of Cutoff
        Oldest first; every label window ends at or before `test`.
    calibration : Cutoff
        The latest of those, kept out of training.
    test : Cutoff
        Its label window is the last one that has closed.
    year_ago : tuple of Cutoff
        A year before `calibration`, before `test`, before the end of the data, and between; all closed before `test`.
        Empty where the history does not reach back so far, or where a window lasts most of a year.
    """

    horizon: int
    training: tuple[Cutoff, ...]
    calibration: Cutoff
    test: Cutoff
    year_ago: tuple[Cutoff, ...] = ()

    @property
    def calibrating(self) -> tuple[Cutoff, ...]:
        """Cutoffs that calibrate: the latest and, where three more remain to learn from, the one before it.

        Two windows rather than one, because a single one may be an odd month.
        """
        return (self.training[-1], self.calibration) if len(self.training) > 3 else (self.calibration,)

    @property
    def fitting(self) -> tuple[Cutoff, ...]:
        """Training cutoffs that do not calibrate."""
        return tuple(cutoff for cutoff in self.training if cutoff not in self.calibrating)

    @property
    def all_cutoffs(self) -> tuple[Cutoff, ...]:
        """Every cutoff that needs a snapshot, oldest first."""
        return (*self.training, self.calibration, self.test)


def make_schedule(
    horizon: int, first_day: Cutoff, observed_until: Cutoff, settings: CutoffSettings, least_cutoffs: int = 2
) -> Schedule:
    """Lay out the cutoffs of one horizon.

    Parameters
    ----------
    horizon : int
        Label window in days.
    first_day : Cutoff
        Midnight before the first event.
    observed_until : Cutoff
        First midnight after the last event.
    settings : CutoffSettings
        Spacing, number, and the history required before the first cutoff.
    least_cutoffs : int
        Fewer training cutoffs than this is an error.

    Raises
    ------
    NotEnoughDataError
        The history is too short for the horizon; the message says by how many days.

    Examples
    --------
    >>> first, until = Cutoff.parse("2017-01-01"), Cutoff.parse("2018-01-01")
    >>> schedule = make_schedule(56, first, until, CutoffSettings(every_days=14, minimum_history_days=84))
    >>> schedule.test.label, schedule.calibration.label, len(schedule.training)
    ('2017-11-06', '2017-09-11', 12)
    """
    test = observed_until.plus_days(-horizon)
    calibration = test.plus_days(-horizon)
    earliest = first_day.plus_days(settings.minimum_history_days)
    training = cutoffs_back_from(calibration.plus_days(-settings.every_days), settings.every_days, earliest)
    training = training[-settings.at_most :]
    if len(training) < least_cutoffs:
        needed = settings.minimum_history_days + 2 * horizon + settings.every_days * least_cutoffs
        have = observed_until.day - first_day.day
        raise NotEnoughDataError(
            f"a horizon of {horizon} days needs {needed} days of history (two label windows, {least_cutoffs} training"
            f" cutoffs and {settings.minimum_history_days} days before the first), and there are {have}",
            "choose a shorter horizon, or wait for more history",
        )
    return Schedule(horizon, tuple(training), calibration, test, seasonal_cutoffs(horizon, earliest, test))


def seasonal_cutoffs(horizon: int, earliest: Cutoff, test: Cutoff) -> tuple[Cutoff, ...]:
    """Return the cutoffs a year before a forecast's, oldest first, half a horizon apart; see `Schedule`.

    Examples
    --------
    >>> found = seasonal_cutoffs(90, Cutoff.parse("2015-03-26"), Cutoff.parse("2017-10-02"))
    >>> [cutoff.label for cutoff in found]
    ['2016-07-05', '2016-08-19', '2016-10-03', '2016-11-17', '2017-01-01']
    """
    first = test.plus_days(-_YEAR - horizon)
    if first < earliest:
        return ()
    every = (first.plus_days(round(step * horizon / 2)) for step in range(5))
    found = tuple(cutoff for cutoff in every if cutoff.plus_days(horizon) <= test)
    return found if len(found) > 2 else ()


def all_cutoffs(schedules: Iterable[Schedule], *others: Cutoff) -> tuple[Cutoff, ...]:
    """Return every cutoff of several schedules once, oldest first."""
    return tuple(sorted({*others, *(cutoff for schedule in schedules for cutoff in schedule.all_cutoffs)}))


def label_days(horizons: HorizonSettings) -> tuple[int, ...]:
    """Return the windows that labels are made for: the configured horizons, and shorter ones for the next order.

    Examples
    --------
    >>> label_days(HorizonSettings(dormancy=14, churn=60, clv=90))
    (7, 14, 60, 90)
    """
    short = (days for days in _TIMING_DAYS if days < horizons.dormancy)
    return tuple(sorted({*short, *horizons.all_days}))


def unseen_season(first_day: Cutoff, start: Cutoff, horizon: int) -> list[str]:
    """Say so when the history has not held these days of the year: a total is then forecast without its season.

    Parameters
    ----------
    first_day : Cutoff
        Midnight before the first event.
    start : Cutoff
        Begin of the window that is forecast.
    horizon : int
        Its days.

    Returns
    -------
    list of str
        One sentence, or none.

    Examples
    --------
    >>> unseen_season(Cutoff.parse("2010-12-01"), Cutoff.parse("2011-09-11"), 90)[0][:46]
    'the history has not seen this season: it begin'
    >>> unseen_season(Cutoff.parse("2010-01-01"), Cutoff.parse("2011-09-11"), 90)
    []
    """
    a_year_before = start.plus_days(-_YEAR)
    if first_day <= a_year_before:
        return []
    until = start.plus_days(horizon)
    return [
        f"the history has not seen this season: it begins on {first_day}, after {a_year_before}, so the total from "
        f"{start} to {until} is that of the latest windows; at a gift shop before Christmas it was 28 % too low"
    ]


def window_facts(
    schedule: Schedule, first_day: Cutoff, known_until: Cutoff, customers: int
) -> dict[str, object]:
    """Return what a model card says of the data's ends, the cutoffs and the people judged."""
    return {
        "data_from": first_day.label,
        "data_until": known_until.label,
        "training_cutoffs": [cutoff.label for cutoff in (*schedule.training, schedule.calibration)],
        "test_cutoff": schedule.test.label,
        "customers": customers,
    }
