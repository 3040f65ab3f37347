"""The floor: is there enough data to try at all?

Asked before a model is trained, so that a company with 300 customers hears which number is missing instead of
getting a model that looks like the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from segml.errors import ModelError, NotEnoughDataError


@dataclass(frozen=True)
class DataCounts:
    """What there is.

    Attributes
    ----------
    customers : int
        Customers at the last training cutoff.
    positives, negatives : int, optional
        Of the label; None for a task without one.
    history_days, horizon_days : int
        Length of the recorded history before the last cutoff, and of the window that is predicted.
    missing_shares : mapping of str to float
        Share of missing values, 0 to 1, for the columns the model needs.
    """

    customers: int
    history_days: int
    horizon_days: int
    positives: int | None = None
    negatives: int | None = None
    missing_shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class DataFloor:
    """What there must be, at least."""

    customers: int = 500
    positives: int = 100
    negatives: int = 100
    history_per_horizon: float = 2.0
    missing_share: float = 0.5


def check_floor(counts: DataCounts, floor: DataFloor) -> list[str]:
    """Return one sentence for each number that lies below the floor; empty when there is enough.

    Raises
    ------
    ModelError
        When the horizon is not at least a day.

    Examples
    --------
    >>> check_floor(DataCounts(420, history_days=90, horizon_days=56, positives=12, negatives=408), DataFloor())
    ... # doctest: +NORMALIZE_WHITESPACE
    ['there are 420 customers, and the model needs 500: 80 are missing',
     'there are 12 positives, and the model needs 100: 88 are missing',
     'there are 90 days of history, and a horizon of 56 days needs 112 (2 times the horizon): 22 are missing']
    """
    if counts.horizon_days < 1:
        raise ModelError(f"a horizon is at least one day, got {counts.horizon_days}")
    needs = [
        ("customers", counts.customers, floor.customers),
        ("positives", counts.positives, floor.positives),
        ("negatives", counts.negatives, floor.negatives),
    ]
    sentences = [
        f"there are {have} {what}, and the model needs {least}: {least - have} are missing"
        for what, have, least in needs
        if have is not None and have < least
    ]
    days = math.ceil(floor.history_per_horizon * counts.horizon_days)
    if counts.history_days < days:
        sentences.append(
            f"there are {counts.history_days} days of history, and a horizon of {counts.horizon_days} days needs "
            f"{days} ({floor.history_per_horizon:g} times the horizon): {days - counts.history_days} are missing"
        )
    for name, share in sorted(counts.missing_shares.items()):
        if not share <= floor.missing_share:  # a share that is not a number is no reassurance
            sentences.append(
                f"{name} is missing for {share:.0%} of customers, and at most {floor.missing_share:.0%} may be"
            )
    return sentences


def require_floor(task: str, counts: DataCounts, floor: DataFloor) -> None:
    """Raise a NotEnoughDataError with every sentence of `check_floor`, or return."""
    if sentences := check_floor(counts, floor):
        raise NotEnoughDataError(
            f"there is not enough data for the {task} model: " + "; ".join(sentences),
            "wait for more history, choose a shorter horizon, or leave this model out",
        )
