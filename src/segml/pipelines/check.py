"""`segml check`: is there enough data for each model, before an hour is spent on training?"""

from __future__ import annotations

from dataclasses import dataclass

from segml.config import Config
from segml.errors import NotEnoughDataError
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.narration import Narrator, Silent
from segml.pipelines.schedule import Schedule, make_schedule
from segml.registry.floor import DataCounts, DataFloor, check_floor
from segml.tables.diagnostics import Diagnostic
from segml.time_windows import SECONDS_PER_DAY


@dataclass(frozen=True)
class TaskCheck:
    """Counts at the test cutoff of one task, and what is missing.

    Attributes
    ----------
    missing : tuple of str
        One sentence a number below the floor; empty when there is enough.
    """

    task: str
    horizon: int
    test: str
    customers: int
    silent: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class CheckResult:
    """One entry a task, and what looks wrong in the files."""

    config: Config
    tasks: tuple[TaskCheck, ...]
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def exit_code(self) -> int:
        """That of `NotEnoughDataError` when no model has enough data, 0 otherwise."""
        return NotEnoughDataError.exit_code if all(task.missing for task in self.tasks) else 0


def check(config: Config, narrator: Narrator | None = None) -> CheckResult:
    """Count, for each task, customers and outcomes at its test cutoff."""
    with open_base(config, narrator or Silent()) as base:
        horizons = config.horizons
        tasks = (("dormancy", horizons.dormancy), ("churn", horizons.churn), ("clv", horizons.clv))
        checked = tuple(_check_task(base, task, horizon) for task, horizon in tasks)
        return CheckResult(config, checked, base.diagnostics)


def _check_task(base: OpenBase, task: str, horizon: int) -> TaskCheck:
    floor = base.config.models.gate.floor
    try:
        schedule = make_schedule(
            horizon, base.first_day, base.known_until, base.config.cutoffs, floor.cutoffs
        )
    except NotEnoughDataError as error:
        return TaskCheck(task, horizon, "", 0, 0, (error.message,))
    customers, silent = count_outcomes(base, schedule)
    counts = DataCounts(
        customers,
        schedule.test.day - base.first_day.day,
        horizon,
        positives=silent,
        negatives=customers - silent,
    )
    least = DataFloor(floor.customers, floor.positives, floor.negatives, history_per_horizon=1)
    return TaskCheck(task, horizon, schedule.test.label, customers, silent, tuple(check_floor(counts, least)))


def count_outcomes(base: OpenBase, schedule: Schedule) -> tuple[int, int]:
    """Return customers of the population at the test cutoff, and how many of them stayed silent."""
    test = schedule.test.seconds
    start = test - base.config.models.active_within_days * SECONDS_PER_DAY
    end = test + schedule.horizon * SECONDS_PER_DAY
    by_customer = (
        f"select max(case when ordered_at >= {start} and ordered_at < {test} then 1 else 0 end) as bought,"
        f" max(case when ordered_at >= {test} and ordered_at < {end} then 1 else 0 end) as returned"
        " from orders group by customer_key"
    )
    counts = base.engine.fetch(
        "select cast(sum(bought) as bigint) as customers,"
        f" cast(sum(case when returned = 0 then bought else 0 end) as bigint) as silent from ({by_customer}) people"
    )
    return int(counts["customers"][0]), int(counts["silent"][0])
