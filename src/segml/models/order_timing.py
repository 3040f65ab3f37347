"""When is the next order? The day at which P(an order by then) crosses one half, and one tenth and nine tenths.

The classifiers say how likely an order is within each trained horizon; what lies between and before them takes its
shape from the customer's rhythm. On the log-odds scale the curve is the rhythm's own, moved so that it meets every
trained horizon: below the first one by a shift, between two of them along a straight line. It rises by construction,
and the day of any probability comes out in closed form.

Nothing is said beyond the last horizon: nobody has seen that far. For someone who bought once the rhythm knows
nothing of their own, so a day is given only when the training cutoffs have seen enough one-time buyers come back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from segml.models.boosting import FloatArray
from segml.models.rhythm import OrderRhythm

TIMING_COLUMNS = (
    "next_order_days",
    "next_order_days_low",
    "next_order_days_high",
    "second_purchase_probability",
)
_LEVELS = (0.5, 0.1, 0.9)
_LEAST_ONE_TIMERS, _LEAST_RETURNED = 50, 10
_EDGE = 1e-9


@dataclass(frozen=True)
class OneTimers:
    """What the training cutoffs have seen of customers with one order.

    Attributes
    ----------
    rows : int
        One-time buyers at training cutoffs whose longest window has closed.
    returned : int
        Those of them who ordered again within it.
    """

    rows: int = 0
    returned: int = 0

    @property
    def enough(self) -> bool:
        """Whether anything can be said of the next one-time buyer: 50 rows and 10 returns.

        Examples
        --------
        >>> OneTimers(400, 60).enough, OneTimers(400, 3).enough
        (True, False)
        """
        return self.rows >= _LEAST_ONE_TIMERS and self.returned >= _LEAST_RETURNED

    @property
    def note(self) -> str:
        """The sentence for the model card when there is too little."""
        return (
            f"{self.returned} of {self.rows} one-time buyers came back at the training cutoffs; {_LEAST_RETURNED} of "
            f"{_LEAST_ONE_TIMERS} are needed for a next-order day or a second-purchase probability of one-time buyers"
        )

    def to_dict(self) -> dict[str, int]:
        """Plain numbers for JSON."""
        return asdict(self)


def order_timing_frame(
    features: pd.DataFrame,
    silent: pd.DataFrame,
    horizons: Sequence[int],
    rhythm: OrderRhythm | None,
    one_timers: OneTimers,
) -> pd.DataFrame:
    """Return `TIMING_COLUMNS` for every row.

    Parameters
    ----------
    features : DataFrame
        Snapshot columns; `repeat_orders` tells one-time buyers.
    silent : DataFrame
        P(no order) by horizon, same index, NaN for people who never bought.
    horizons : sequence of int
        Days, ascending, one a column of `silent`.
    rhythm : OrderRhythm or None
        The shape; without it there are no days.
    one_timers : OneTimers
        The cohort's evidence.

    Returns
    -------
    DataFrame
        Days (never 0; NaN where the curve does not get there within the last horizon, or nothing is known) and, for
        one-time buyers only, the probability of a second purchase within the last horizon.
    """
    once = (
        features["repeat_orders"].eq(0).to_numpy()
        if "repeat_orders" in features
        else np.zeros(len(features), dtype=bool)
    )
    columns = np.full((len(features), 4), np.nan)
    if rhythm is not None:
        days = crossing_days(features, silent, horizons, rhythm, _LEVELS)
        columns[:, :3] = np.where(once[:, None] & (not one_timers.enough), np.nan, days)
    if one_timers.enough:
        columns[:, 3] = np.where(once, 1 - silent.to_numpy(dtype=float)[:, -1], np.nan)
    return pd.DataFrame(columns, index=features.index, columns=list(TIMING_COLUMNS))


def crossing_days(
    features: pd.DataFrame,
    silent: pd.DataFrame,
    horizons: Sequence[int],
    rhythm: OrderRhythm,
    levels: Sequence[float],
) -> FloatArray:
    """Day at which P(an order by then) reaches each level, shape (n, levels); NaN beyond the last horizon."""
    ours = logit(np.clip(1 - silent.to_numpy(dtype=float), _EDGE, 1 - _EDGE))
    theirs = np.column_stack([rhythm.log_odds(features, h) for h in horizons])
    days = np.full((len(features), len(levels)), np.nan)
    for place, level in enumerate(levels):
        target = float(logit(level))
        wanted = np.where(target <= ours[:, 0], theirs[:, 0] + target - ours[:, 0], np.nan)
        for left in range(len(horizons) - 1):
            between = (ours[:, left] < target) & (target <= ours[:, left + 1])
            rise = np.where(between, ours[:, left + 1] - ours[:, left], 1.0)
            share = np.where(between, target - ours[:, left], 0.0) / rise
            along = theirs[:, left] + share * (theirs[:, left + 1] - theirs[:, left])
            wanted = np.where(between, along, wanted)
        days[:, place] = rhythm.time_until(features, wanted)
    return np.asarray(np.clip(days, 0.5, float(horizons[-1])))


def second_purchase_frame(
    features: pd.DataFrame,
    silent: pd.DataFrame,
    horizons: Sequence[int],
    rhythm: OrderRhythm,
    levels: Sequence[float] = tuple(np.linspace(0.01, 0.99, 99)),
    days: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Expected share of one-time buyers who will have bought again by each day: the cohort's time-to-second curve.

    Returns
    -------
    DataFrame
        `days, share, customers`: the mean over one-time buyers of P(an order by that day).
    """
    once = features["repeat_orders"].eq(0).to_numpy()
    people, theirs = features[once], silent[once]
    at = np.asarray(range(1, horizons[-1] + 1) if days is None else days, dtype=float)
    crossing = crossing_days(people, theirs, horizons, rhythm, levels)
    known = np.where(np.isnan(crossing), np.inf, crossing)
    reached = [(known <= day).mean(axis=1) for day in at]  # share of levels passed = P(an order by the day)
    share = [float(values.mean()) if len(values) else float("nan") for values in reached]
    return pd.DataFrame({"days": at, "share": share, "customers": int(once.sum())})


def count_one_timers(features: pd.DataFrame, silent: Any) -> OneTimers:
    """Count one-time buyers with a closed window, and those who came back within it."""
    if "repeat_orders" not in features:
        return OneTimers()
    label = np.asarray(silent, dtype=float)
    inside = features["repeat_orders"].eq(0).to_numpy() & ~np.isnan(label)
    return OneTimers(int(inside.sum()), int((label[inside] == 0).sum()))
