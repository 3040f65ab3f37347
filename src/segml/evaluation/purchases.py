"""Frames about buying over time: who comes back when, forecasts against what happened, and how sure an interval is.

Each is small enough to print or draw (`plots_purchases`). Models come in as functions, so nothing here knows them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import beta

from segml.errors import DataError
from segml.evaluation.calibration import value_decile_frame
from segml.evaluation.metrics import FloatArray


def return_curve_frame(
    days: ArrayLike, returned: ArrayLike, groups: ArrayLike | None = None, until: int = 365
) -> pd.DataFrame:
    """Share who have bought again by each day, by cohort: Kaplan and Meier, so the still-silent count as they should.

    Parameters
    ----------
    days : array of shape (n,)
        Days until the next order, or observed without one.
    returned : array of shape (n,)
        True where the order came.
    groups : sequence of shape (n,), optional
        Cohort of each customer; default "everyone".
    until : int
        Last day shown.

    Returns
    -------
    DataFrame
        `group, day, share, low, high, at_risk`, a row a day with an event (and day 0); the interval is Greenwood's on
        the log-log scale, 95 %.

    Examples
    --------
    >>> frame = return_curve_frame([1, 2, 3, 9], [True, True, False, False])
    >>> frame[["day", "share", "at_risk"]].values.tolist()
    [[0.0, 0.0, 4.0], [1.0, 0.25, 4.0], [2.0, 0.5, 3.0]]
    """
    d, event = np.asarray(days, dtype=float), np.asarray(returned, dtype=bool)
    labels = np.full(len(d), "everyone") if groups is None else np.asarray(groups, dtype=str)
    if not len(d) == len(event) == len(labels):
        raise DataError(f"days, returned and groups differ in length: {len(d)}, {len(event)}, {len(labels)}")
    if len(d) == 0 or not (np.isfinite(d) & (d >= 0)).all():
        raise DataError("days are zero or more and finite, for at least one customer")
    frames = [
        _kaplan_meier(d[labels == g], event[labels == g], until).assign(group=g) for g in np.unique(labels)
    ]
    frame = pd.concat(frames, ignore_index=True)
    return frame[["group", "day", "share", "low", "high", "at_risk"]]


def _kaplan_meier(days: FloatArray, event: FloatArray, until: int) -> pd.DataFrame:
    ordered = np.sort(days)
    at, events = np.unique(days[event], return_counts=True)
    at_risk = len(days) - np.searchsorted(ordered, at, side="left")
    silent = np.cumprod(1 - events / at_risk)
    left = np.maximum(at_risk - events, 1e-9)
    spread = 1.96 * np.sqrt(np.cumsum(events / (at_risk * left)))
    with np.errstate(divide="ignore", invalid="ignore"):
        widen = np.exp(np.clip(spread / np.log(np.clip(silent, 1e-12, 1 - 1e-12)), -50, 50))
        low, high = 1 - silent**widen, 1 - silent ** (1 / widen)
    frame = pd.DataFrame({"day": at, "share": 1 - silent, "low": low, "high": high, "at_risk": at_risk})
    start = pd.DataFrame({"day": [0.0], "share": [0.0], "low": [0.0], "high": [0.0], "at_risk": [len(days)]})
    return pd.concat([start, frame[frame["day"] <= until]], ignore_index=True)


def tracking_frame(
    expected: Callable[[float], float],
    first: ArrayLike,
    repeats: ArrayLike,
    until: float,
    step: float = 1.0,
    fitted_until: float | None = None,
) -> pd.DataFrame:
    """Cumulative repeat orders of a base, actual and expected by a buy-till-you-die model.

    Parameters
    ----------
    expected : callable
        Age -> expected repeat orders of a new customer by that age (`expected_new_customer_purchases`).
    first : array of shape (customers,)
        Time of each first order, on one clock.
    repeats : array of shape (orders,)
        Time of every repeat order, whoever's, on the same clock.
    until, step : float
        End of the clock and distance of the rows.
    fitted_until : float, optional
        What the model has seen; later rows are its forecast.

    Returns
    -------
    DataFrame
        `time, actual, expected, fitted`.

    Examples
    --------
    >>> tracking_frame(lambda age: 0.5 * age, [0.0, 1.0], [1.5, 2.0], until=2)[["actual", "expected"]].values.tolist()
    [[0.0, 0.0], [0.0, 0.5], [2.0, 1.5]]
    """
    clock = np.arange(0.0, until + step / 2, step)
    births, counts = np.unique(np.asarray(first, dtype=float), return_counts=True)
    ages = clock[:, None] - births[None, :]
    distinct, where = np.unique(np.maximum(ages, 0.0), return_inverse=True)
    table = np.array([expected(float(age)) if age > 0 else 0.0 for age in distinct])
    orders = np.sort(np.asarray(repeats, dtype=float))
    return pd.DataFrame(
        {
            "time": clock,
            "actual": np.searchsorted(orders, clock, side="right").astype(float),
            "expected": table[where.reshape(ages.shape)] @ counts,
            "fitted": clock <= (until if fitted_until is None else fitted_until),
        }
    )


def frequency_recency_frame(
    value: Callable[[pd.DataFrame], pd.Series], age: float, most_orders: int = 20, points: int = 40
) -> pd.DataFrame:
    """A model's answer for every number of repeat orders and every time of the last one, at one age.

    Parameters
    ----------
    value : callable
        Histories -> a number a row, such as a fitted model's `probability_alive`.
    age : float
        Time since the first order, in the model's unit.
    most_orders, points : int
        Size of the matrix.

    Returns
    -------
    DataFrame
        `repeat_orders, silence, value`; silence is the time since the last order. Without a repeat order the last
        order is the first, so there is one row only.
    """
    orders = np.arange(1, most_orders + 1)
    recency = np.linspace(0.0, age, points + 1)[1:]
    grid = pd.DataFrame(
        {
            "repeat_orders": np.r_[0, np.repeat(orders, points)].astype(float),
            "recency": np.r_[0.0, np.tile(recency, most_orders)],
            "age": float(age),
        }
    )
    return pd.DataFrame(
        {
            "repeat_orders": grid["repeat_orders"],
            "silence": age - grid["recency"],
            "value": np.asarray(value(grid), dtype=float),
        }
    )


def value_decile_by_group_frame(
    outcome: ArrayLike, prediction: ArrayLike, groups: ArrayLike, n_bins: int = 10
) -> pd.DataFrame:
    """`value_decile_frame` within each group (segment): `group, decile, customers, predicted, realised`."""
    y, s = np.asarray(outcome, dtype=float), np.asarray(prediction, dtype=float)
    labels = np.asarray(groups, dtype=str)
    frames = [
        value_decile_frame(y[labels == g], s[labels == g], n_bins).assign(group=g) for g in np.unique(labels)
    ]
    return pd.concat(frames, ignore_index=True)[["group", "decile", "customers", "predicted", "realised"]]


def interval_coverage_frame(
    outcome: ArrayLike, low: ArrayLike, high: ArrayLike, groups: ArrayLike | None = None
) -> pd.DataFrame:
    """How many customers' outcomes lay within their interval, for everyone and in each group.

    Returns
    -------
    DataFrame
        `group, customers, coverage, coverage_low, coverage_high, below, above, width`: the coverage with its 95 %
        interval (Jeffreys), the shares below and above, and the mean width.

    Examples
    --------
    >>> frame = interval_coverage_frame([1, 5, 9], [0, 0, 0], [2, 6, 8])
    >>> float(frame["coverage"].round(3)[0]), float(frame["above"].round(3)[0])
    (0.667, 0.333)
    """
    y, a, b = (np.asarray(values, dtype=float) for values in (outcome, low, high))
    rows = pd.DataFrame({"inside": (a <= y) & (y <= b), "below": y < a, "above": y > b, "width": b - a})
    known = ~(np.isnan(y) | np.isnan(a) | np.isnan(b))
    everyone = rows[known].assign(group="everyone")
    if groups is not None:
        within = rows[known].assign(group=np.asarray(groups, dtype=str)[known])
        everyone = pd.concat([everyone, within], ignore_index=True)
    frame = everyone.groupby("group", sort=False).agg(
        customers=("inside", "size"),
        coverage=("inside", "mean"),
        below=("below", "mean"),
        above=("above", "mean"),
        width=("width", "mean"),
    )
    hits = frame["coverage"] * frame["customers"]
    misses = frame["customers"] - hits
    frame.insert(2, "coverage_low", beta.ppf(0.025, hits + 0.5, misses + 0.5))
    frame.insert(3, "coverage_high", beta.ppf(0.975, hits + 0.5, misses + 0.5))
    return frame.reset_index()
