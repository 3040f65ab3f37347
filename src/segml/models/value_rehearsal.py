"""The past as it would have been foretold: at an earlier cutoff, from windows that had closed by then.

Forecasts of windows that the trees have learned from look better than they are, and neighbouring windows share most of
their days. A rehearsal learns only from windows that had closed when its own began, as the real forecast does, so that
its errors are of the kind to come: the person's, the total's, and those of a base that has grown meanwhile. Where the
history is too short for that, half of the customers foretell the other half in the latest window; the person's error is
then honest, the total's is not, and the model says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segml.errors import NotEnoughDataError
from segml.models.boosting import FloatArray
from segml.models.value_blend import Rehearsal
from segml.models.value_candidates import RhythmForecast, ValueCandidates
from segml.time_windows import Cutoff

MOST_REHEARSALS = 3
_ROWS_TO_LEARN = 30_000  # of a rehearsal; the real fit has no such bound
_LEAST_ROWS = 500


@dataclass(frozen=True)
class Rehearsing:
    """What every rehearsal needs to know.

    Attributes
    ----------
    horizon : int
        Days.
    names : sequence of str
        Trees to try; none on a small base.
    order_model : unfitted buy-till-you-die model
    regressor : dict
        Parameters of `ValueRegressor`.
    """

    horizon: int
    names: Sequence[str]
    order_model: Any
    regressor: Mapping[str, Any]

    def candidates(self, X: pd.DataFrame, y: FloatArray, present: pd.DataFrame) -> ValueCandidates:
        """Fit every candidate; the rhythm on the histories `present` at the forecast's own cutoff.

        Without a closed window (no row of `X`) the rhythm is all there can be: it needs histories only.
        """
        try:
            rhythm = RhythmForecast.learn(present, self.order_model, self.horizon)
        except NotEnoughDataError:
            rhythm = None
        every = max(1, -(-len(y) // _ROWS_TO_LEARN))
        names = self.names if y.max(initial=0.0) > 0 else ()
        return ValueCandidates.learn(X.iloc[::every], y[::every], rhythm, names, **self.regressor)


def day_of(cutoff: str) -> int:
    """Days since 1970 of a cutoff's label.

    Examples
    --------
    >>> day_of("1970-01-31")
    30
    """
    return Cutoff.parse(cutoff).day


def origins(cutoffs: Iterable[str], horizon: int, needs_closed: bool = True) -> list[str]:
    """Cutoffs to rehearse at, the latest first, at least half a horizon apart.

    Parameters
    ----------
    cutoffs : iterable of str
        With closed windows.
    horizon : int
        Days.
    needs_closed : bool
        Whether another cutoff's window must have closed by then.

    Examples
    --------
    >>> origins(["2017-01-01", "2017-02-01", "2017-03-01", "2017-04-01"], 28)
    ['2017-04-01', '2017-03-01', '2017-02-01']
    """
    found: list[str] = []
    days = {cutoff: day_of(cutoff) for cutoff in cutoffs}
    for cutoff in sorted(days, reverse=True):
        closed = any(day + horizon <= days[cutoff] for day in days.values())
        apart = not found or days[found[-1]] - days[cutoff] >= horizon / 2
        if apart and (closed or not needs_closed):
            found.append(cutoff)
    return found[:MOST_REHEARSALS]


def rehearse(how: Rehearsing, X: pd.DataFrame, y: FloatArray) -> tuple[list[Rehearsal], list[str]]:
    """Foretell past windows from what had closed before each, latest first; return them and what is to be said."""
    at = X.index.get_level_values(0)
    days = {cutoff: day_of(cutoff) for cutoff in at.unique()}
    found = []
    for origin in origins(days, how.horizon, bool(how.names)):
        closed = at.isin([cutoff for cutoff, day in days.items() if day + how.horizon <= days[origin]])
        if not how.names or closed.sum() >= _LEAST_ROWS:
            here = np.asarray(at == origin)
            model = how.candidates(X[closed], y[closed], X[here])
            if model.names:
                found.append(Rehearsal(origin, model.forecasts(X[here]), y[here]))
    if found or not how.names:
        return found, []
    return rehearse_by_halves(how, X, y), [
        f"no window of {how.horizon} days had closed before another began: the blend and the interval come from the "
        "latest window, half of the customers foretelling the other half, and know nothing of how totals change"
    ]


def rehearse_by_halves(how: Rehearsing, X: pd.DataFrame, y: FloatArray) -> list[Rehearsal]:
    """Foretell the latest window of each half of the customers by the other half's windows."""
    at = X.index.get_level_values(0)
    latest = np.asarray(at == at.max())
    half = _halves(X.index.get_level_values(1))
    forecasts: dict[str, FloatArray] = {}
    for number in (0, 1):
        learn, foretold = half != number, latest & (half == number)
        for name, forecast in how.candidates(X[learn], y[learn], X[latest]).forecasts(X[foretold]).items():
            forecasts.setdefault(name, np.full(len(y), np.nan))[foretold] = forecast
    whole = {
        name: forecast[latest] for name, forecast in forecasts.items() if not np.isnan(forecast[latest]).any()
    }
    return [Rehearsal(str(at.max()), whole, y[latest])]


def _halves(customers: pd.Index) -> NDArray[np.int64]:
    """Every other customer in the order of their ids, whatever the order of the rows."""
    return np.asarray(pd.factorize(customers, sort=True)[0] % 2, dtype=np.int64)


def window_ratios(
    X: pd.DataFrame, y: FloatArray, forecast: Callable[[pd.DataFrame], FloatArray]
) -> dict[int, float]:
    """Realised over forecast total of every cutoff, by its day."""
    at = X.index.get_level_values(0)
    foretold = forecast(X)
    return {
        day_of(cutoff): float(y[at == cutoff].sum() / max(foretold[at == cutoff].sum(), 1e-9))
        for cutoff in at.unique()
    }
