"""What ages and a horizon say against a fit, in words: units mixed up, a past cut off, a horizon out of sight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

UNITS_PER_YEAR = {"days": 365.25, "weeks": 365.25 / 7, "months": 12.0, "years": 1.0}

_LIFETIME_YEARS = 100
_PARTS = 20  # of the range of ages
_NEIGHBOURS = 5
_HEAP = (
    4.0  # times the joiners of the parts after it: no shop loses three quarters of its new customers at once
)
_FEW = 100  # customers below which a heap is chance


def age_doubts(age: Array, customers: Array, time_unit: str) -> list[str]:
    """Return what is odd about the ages of a base.

    Parameters
    ----------
    age : float array of shape (distinct ages,), ascending
    customers : float array of the same shape
    time_unit : str
        The model's; ages beyond a lifetime are told only for a unit that is known.

    Examples
    --------
    >>> age_doubts(np.array([86_400.0, 8_640_000.0]), np.ones(2), "days")[0][:57]
    'ages reach 8.64e+06 days, longer than a lifetime: are the'
    """
    said = []
    longest = float(age[-1])
    if longest > _LIFETIME_YEARS * UNITS_PER_YEAR.get(time_unit, np.inf):
        said.append(
            f"ages reach {longest:.3g} {time_unit}, longer than a lifetime: are they in another unit? Horizons and "
            f"discounts are read in {time_unit}."
        )
    part = np.minimum((_PARTS * age / longest).astype(np.int64), _PARTS - 1)
    joined = np.bincount(part, customers, _PARTS)
    oldest, next_oldest = joined[-1], joined[-1 - _NEIGHBOURS : -1].mean()
    if oldest > _FEW and next_oldest > 0 and oldest > _HEAP * next_oldest:
        share = oldest / joined.sum()
        said.append(
            f"{share:.0%} of the customers have their first order in the first {1 / _PARTS:.0%} of the time seen, "
            f"{oldest / next_oldest:.1f} times as many as after it: most of them bought before the data begin. Their "
            "age and orders are cut off on the left, so that they look new: give the date of their true first order or "
            "fit customers who joined later."
        )
    return said


def horizon_doubts(t: float, longest_age: float, time_unit: str) -> list[str]:
    """Return what is odd about a horizon, given the longest history of the fit (0 when it is not known).

    Examples
    --------
    >>> horizon_doubts(730.0, 365.0, "days")
    ['a horizon of 730 days is 2.0 times the longest history (365 days): nothing in the data shows so long a time.']
    """
    if not 0 < longest_age < t:
        return []
    return [
        f"a horizon of {t:g} {time_unit} is {t / longest_age:.1f} times the longest history ({longest_age:g} "
        f"{time_unit}): nothing in the data shows so long a time."
    ]
