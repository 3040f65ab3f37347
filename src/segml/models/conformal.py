"""Intervals for one person's value, from what people with a like forecast really did.

Split conformal within bands of the forecast: no distribution is assumed, and the coverage on rows like the calibration
rows is the nominal one. What it can't know is a season that the calibration window didn't have; coverage is therefore
measured again on a later window. Nominal 90 % gave 88 % on a grocer, 83 % on a gift shop into Christmas.

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
        cls, forecast: FloatArray, realised: FloatArray, level: float = 0.9, bands: int = 10
    ) -> ConformalBands:
        """Learn up to `bands` bands of at least 100 rows; finite-sample corrected quantiles."""
        count = max(1, min(bands, len(forecast) // ROWS_PER_BAND))
        edges = np.unique(np.quantile(forecast, np.arange(1, count) / count)) if count > 1 else np.empty(0)
        floor = max(float(np.mean(forecast)) * 0.05, 1e-9)
        ratio = (realised - forecast) / (forecast + floor)
        band = np.searchsorted(edges, forecast, side="left")
        low, high = [], []
        for number in range(len(edges) + 1):
            inside = ratio[band == number]
            inside = inside if len(inside) else ratio
            tail = (1 - level) / 2
            low.append(float(np.quantile(inside, max(tail - tail / len(inside), 0.0))))
            high.append(float(np.quantile(inside, min((1 - tail) * (1 + 1 / len(inside)), 1.0))))
        return cls(tuple(edges.tolist()), tuple(low), tuple(high), floor)

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
