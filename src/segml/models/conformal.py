"""Intervals for one person's value, from what people with a like forecast really did.

Split conformal within bands of the forecast: no distribution is assumed, and the coverage on rows like the calibration
rows is the nominal one. Two things keep it nominal on the next window too. What the lower end can't miss, the upper end
may: where so many spend nothing that the lower end is nothing, nobody is below it, and the upper end is the quantile of
the level itself (with 5 % each way, 90 % became 94 % on a base of one-time buyers). And totals change from window to
window: every row is taken three times, with the total as it was set and off by its typical change up and down. A season
that no window had stays unknown; coverage is therefore measured again on a later window.

References
----------
Lei et al. (2018), Distribution-free predictive inference for regression. Vovk et al. (2005), Mondrian predictors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
ROWS_PER_BAND = 100


@dataclass(frozen=True)
class ConformalBands:
    """Interval of a person's value from what people with a like forecast spent.

    Attributes
    ----------
    edges : tuple of float
        Upper edges of the forecast bands, all but the last.
    low, high : tuple of float
        Quantiles of (realised - forecast) / (forecast + floor), one a band.
    floor : float
        Added to the forecast so that a forecast of nearly nothing keeps a width.

    Examples
    --------
    >>> forecast = np.full(1000, 10.0)
    >>> realised = np.linspace(0.0, 20.0, 1000)
    >>> low, high = ConformalBands.learn(forecast, realised, level=0.9).interval(np.array([10.0]))
    >>> low.round(1).tolist(), high.round(1).tolist()
    ([1.0], [19.0])
    """

    edges: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    floor: float

    @classmethod
    def learn(
        cls,
        forecast: FloatArray,
        realised: FloatArray,
        level: float = 0.9,
        bands: int = 10,
        unrest: float = 0.0,
    ) -> ConformalBands:
        """Learn up to `bands` bands of at least 100 rows.

        Parameters
        ----------
        forecast, realised : array of shape (n,)
        level : float
            Nominal coverage.
        bands : int
        unrest : float
            Standard deviation of the log of a total from window to window.
        """
        count = max(1, min(bands, len(forecast) // ROWS_PER_BAND))
        edges = np.unique(np.quantile(forecast, np.arange(1, count) / count)) if count > 1 else np.empty(0)
        floor = max(float(np.mean(forecast)) * 0.05, 1e-9)
        band = np.searchsorted(edges, forecast, side="left")
        ends = []
        for number in range(len(edges) + 1):
            inside = band == number if (band == number).any() else np.ones(len(band), dtype=bool)
            ends.append(_ends(forecast[inside], realised[inside], level, floor, unrest))
        low, high = zip(*ends, strict=True)
        return cls(tuple(edges.tolist()), low, high, floor)

    def interval(self, forecast: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Low (never below 0) and high, around the forecast; shape (n,) each."""
        band = np.searchsorted(np.array(self.edges), forecast, side="left")
        width = forecast + self.floor
        low = np.maximum(np.minimum(forecast + np.array(self.low)[band] * width, forecast), 0.0)
        high = np.maximum(forecast + np.array(self.high)[band] * width, forecast)
        return low, high

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ConformalBands:
        """Inverse of `to_dict`."""
        edges, low, high = (tuple(content[name]) for name in ("edges", "low", "high"))
        return cls(edges, low, high, float(content["floor"]))


def _ends(
    forecast: FloatArray, realised: FloatArray, level: float, floor: float, unrest: float
) -> tuple[float, float]:
    """Quantiles of (realised - forecast) / (forecast + floor) that leave 1 - level outside, finite-sample corrected."""
    tail, n = (1 - level) / 2, len(forecast)
    totals = np.exp(np.sqrt(1.5) * unrest * np.array([0.0, -1.0, 1.0])) if unrest > 0 else np.ones(1)
    said = np.concatenate([forecast * total for total in totals])
    ratio = (np.tile(realised, len(totals)) - said) / (said + floor)
    if np.mean(realised <= 0) >= tail:
        low, missed = -1.0, 0.0  # below any forecast's zero
    else:
        low = float(np.quantile(ratio, max(tail - tail / n, 0.0)))
        missed = float(np.mean(ratio < low))
    return low, float(np.quantile(ratio, min((level + missed) * (1 + 1 / n), 1.0)))
