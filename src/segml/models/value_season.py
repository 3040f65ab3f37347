"""What a year ago did: how the window that is asked for stood against the one before it, last time round.

A base grows, ages and changes, so last year's totals say little; last year's totals against what the rhythm of those
customers promised say what the season alone did. The index of a window is that ratio, over the ratio of the window in
which the total was last calibrated, a year earlier. It is used as far as it is more than noise: of a log index l with
variance s^2 (from how unequally people spend), the share 1 - s^2 / l^2 remains, as in James and Stein (1961).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from segml.models.boosting import FloatArray
from segml.models.value_rehearsal import day_of

YEAR = 364  # whole weeks: Monday stands against Monday


@dataclass(frozen=True)
class Season:
    """Index of windows by their first day, a year on.

    Attributes
    ----------
    days : tuple of int
        Days since 1970 of the cutoffs that the index is for, rising.
    log_index : tuple of float
        Log of realised over usual, against the window that calibrated the total.

    Examples
    --------
    >>> season = Season((100, 200), (0.0, 0.4))
    >>> season.factor(150).__round__(3), season.factor(900).__round__(3)
    (1.221, 1.0)
    """

    days: tuple[int, ...]
    log_index: tuple[float, ...]

    @classmethod
    def learn(
        cls,
        calibrated: str,
        features: pd.DataFrame,
        realised: FloatArray,
        forecast: Callable[[pd.DataFrame], FloatArray],
    ) -> Season | None:
        """Learn from snapshots of about a year before; None when the calibrated window has no counterpart.

        Parameters
        ----------
        calibrated : str
            Cutoff whose window set the total.
        features, realised
            Stacked as (cutoff, customer_id); the counterpart of `calibrated` is the cutoff `YEAR` days before.
        forecast : callable
            A forecast that knows no season.
        """
        at = features.index.get_level_values(0)
        foretold, totals = forecast(features), {}
        for cutoff in at.unique():
            here = np.asarray(at == cutoff)
            if realised[here].sum() > 0 and foretold[here].sum() > 0:
                spread = np.square(realised[here]).sum() / realised[here].sum() ** 2
                totals[day_of(cutoff)] = np.log(realised[here].sum() / foretold[here].sum()), spread
        base = totals.get(day_of(calibrated) - YEAR)
        if base is None or len(totals) < 2:
            return None
        days = sorted(totals)
        index = [_shrunk(totals[day][0] - base[0], totals[day][1] + base[1]) for day in days]
        return cls(tuple(day + YEAR for day in days), tuple(index))

    def factor(self, day: int) -> float:
        """Index of a window that begins on this day; 1 outside the days that are known."""
        if not self.days[0] <= day <= self.days[-1]:
            return 1.0
        return float(np.exp(np.interp(day, self.days, self.log_index)))

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON."""
        return {"days": list(self.days), "log_index": list(self.log_index)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Season:
        """Inverse of `to_dict`."""
        return cls(tuple(content["days"]), tuple(content["log_index"]))


def _shrunk(log_index: float, variance: float) -> float:
    kept = 1 - variance / log_index**2 if log_index else 0.0
    return float(log_index * max(kept, 0.0))
