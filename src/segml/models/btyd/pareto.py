"""Pareto/NBD: orders at a Gamma(r, alpha) rate until a death that may come at any moment, at a Gamma(s, beta) rate.

With x repeat orders, the last at t_x, seen at age T (Schmittlein, Morrison & Colombo, Management Science 33 (1987)
1-24; Fader & Hardie, "A note on deriving the Pareto/NBD model", 2005):

    L = Gamma(r + x) / Gamma(r) alpha^r beta^s
        * [(alpha + T)^-(r+x) (beta + T)^-s + integral_{t_x}^T s (alpha + y)^-(r+x) (beta + y)^-(s+1) dy]

The integral over the time of death is usually written as a difference of two hypergeometric functions, which cancels
for long histories. Taken as the integral it is, its logarithm is good to 1e-11 everywhere, and the derivatives of
the likelihood are means of log(alpha + y), 1 / (alpha + y), ... over the same nodes: gradient and Hessian are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, exprel

from segml.models.btyd.base import BTYDModel, as_column, check_horizon
from segml.models.btyd.beta_geo import NO_MAXIMUM, refuse_one_timers
from segml.models.btyd.inputs import (
    Groups,
    distinct_values,
    group_rows,
    number_rows,
    read_histories,
    read_weight,
)
from segml.models.btyd.newton import Evaluation
from segml.models.btyd.special import log_power_integral, log_rising

Array = NDArray[np.float64]

_BLOCK = 2048  # rows at once; times nodes, this stays in the processor's cache
_WARM_ROWS = 20_000  # distinct repeat histories on which the search begins


class ParetoNBD(BTYDModel):
    """Pareto/NBD: orders at a Gamma(r, alpha) rate, death at a Gamma(s, beta) rate, both differing by customer.

    Parameters
    ----------
    max_iterations : int
    time_unit : str
        Label of the unit of time of all columns and horizons.

    Examples
    --------
    >>> published = {"r": 0.5533, "alpha": 10.5777, "s": 0.6062, "beta": 11.6687}
    >>> model = ParetoNBD.from_params(published, time_unit="weeks")
    >>> history = pd.DataFrame({"repeat_orders": [0, 2], "recency": [0.0, 30.43], "age": [38.86, 38.86]})
    >>> model.probability_alive(history).round(3).tolist()
    [0.295, 0.869]
    """

    parameter_names: ClassVar[tuple[str, ...]] = ("r", "alpha", "s", "beta")
    _scales: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    _walls: ClassVar[dict[tuple[str, int], str]] = {
        ("s", -1): NO_MAXIMUM,
        ("beta", 1): "the death rate is nearly the same for all, and may be nil.",
        ("s", 1): "every customer has the same death rate.",
        ("beta", -1): "customers leave at once, or never.",
        ("r", 1): "every customer has the same order rate.",
        ("alpha", 1): "every customer has the same order rate.",
        ("r", -1): "almost nobody orders again.",
    }

    def fit(self, frame: pd.DataFrame, weight: ArrayLike | None = None) -> Self:
        """Estimate r, alpha, s and beta by exact maximum likelihood.

        Parameters
        ----------
        frame : DataFrame
            `repeat_orders`, `recency` (first order to last) and `age` (first order to now), one row a customer;
            optionally `weight`.
        weight : array of shape (rows,), optional
            How many customers a row stands for.

        Raises
        ------
        ConfigurationError, DataError
            Columns are missing, or rows break a rule: all of them in one message.
        NotEnoughDataError
            No customer ordered twice.
        """
        groups = self._read(frame, weight)
        age = float(groups.marginal(2) @ groups.tables[2]) / groups.total
        rate = float(groups.marginal(0) @ groups.tables[0]) / groups.total / age
        starts = [
            np.array([r, r / rate, s, beta * age])
            for r, s, beta in [(0.5, 0.5, 0.5), (1.0, 0.5, 0.3), (0.5, 0.2, 1.0), (2.0, 1.0, 5.0)]
        ]
        self._estimate(groups, starts, age, groups.thinned(_WARM_ROWS))
        self._note_ages(groups)
        return self

    def _read(self, frame: pd.DataFrame, weight: ArrayLike | None) -> Groups:
        columns = read_histories(frame)
        groups = group_rows(list(columns.values()), read_weight(frame, weight))
        refuse_one_timers(groups, type(self).__name__)
        return groups

    def _objective(self, groups: Groups) -> Callable[[Array], Evaluation]:
        return pareto_log_likelihood(groups)

    def _share_leaving(self, age: float) -> float:
        _, _, s, beta = self._values()
        return float(-np.expm1(-s * np.log1p(age / beta)))  # dead within the base's mean age

    def probability_alive(self, frame: pd.DataFrame) -> pd.Series:
        """Return P(not dead at the end of `age`), one value a row, in the frame's order."""
        return as_column(self._alive(read_histories(frame)), frame, "probability_alive")

    def expected_purchases(self, frame: pd.DataFrame, t: float) -> pd.Series:
        """Return the expected number of orders in the next `t`, one value a row, in the frame's order."""
        return self.weighted_purchases(frame, np.array([check_horizon(t)]), np.ones(1))

    def weighted_purchases(self, frame: pd.DataFrame, horizons: Array, weights: Array) -> pd.Series:
        """Return sum of weights[k] times the expected orders in the next horizons[k]; P(alive) is found once."""
        columns = read_histories(frame)
        r, alpha, _, _ = self._values()
        ages = distinct_values(columns["age"])
        time = np.zeros(len(ages.table))
        for t, weight in zip(horizons.tolist(), weights.tolist(), strict=True):
            time += weight * self._time_alive(ages.table, t)
        rate = (r + columns["repeat_orders"]) / (alpha + columns["age"])
        expected = self._alive(columns) * rate * time[ages.codes(slice(None))]
        return as_column(expected, frame, "expected_purchases")

    def probability_active(self, frame: pd.DataFrame, t: float) -> pd.Series:
        """Return P(at least one order in the next `t`): the next order comes before death and in time."""
        columns, t = read_histories(frame), check_horizon(t)
        r, alpha, s, beta = self._values()

        def some(shape: Array, age: Array) -> Array:
            c, d = alpha + age, beta + age
            end = np.full(len(age), t)
            log_next = log_power_integral(c, shape + 1, d, s, np.zeros(len(age)), end).log_value
            return np.exp(np.log(shape) + shape * np.log(c) + s * np.log(d) + log_next)

        chance = on_distinct(columns["repeat_orders"], columns["age"], lambda x, age: some(r + x, age))
        return as_column(np.clip(self._alive(columns) * chance, 0.0, 1.0), frame, "probability_active")

    def expected_new_customer_purchases(self, t: float) -> float:
        """Return the expected number of repeat orders within `t` of a customer's first."""
        r, alpha, _, _ = self._values()
        return float(r / alpha * self._time_alive(np.zeros(1), check_horizon(t))[0])

    def _time_alive(self, age: Array, t: float) -> Array:
        """Return the mean time alive within the next `t` of a customer alive at `age`; smooth through s = 1."""
        _, _, s, beta = self._values()
        log_stretch = np.log1p(t / (beta + age))
        return (beta + age) * log_stretch * exprel((1.0 - s) * log_stretch)

    def _alive(self, columns: Mapping[str, Array]) -> Array:
        r, alpha, s, beta = self._values()
        groups, number = number_rows(list(columns.values()))
        orders, recency, age = (groups.column(i) for i in range(3))
        odds = np.empty(len(orders))
        for rows in blocks_of(len(orders)):
            x, low, high = r + orders[rows], recency[rows], age[rows]
            dead = np.log(s) + log_power_integral(alpha, x, beta, s + 1.0, low, high).log_value
            odds[rows] = -x * np.log(alpha + high) - s * np.log(beta + high) - dead
        return expit(odds)[number]


def blocks_of(rows: int) -> list[slice]:
    """Return the slices that cut `rows` rows into blocks."""
    return [slice(start, start + _BLOCK) for start in range(0, rows, _BLOCK)]


def on_distinct(orders: Array, age: Array, function: Callable[[Array, Array], Array]) -> Array:
    """Evaluate a function of (repeat orders, age) once for each distinct pair, in blocks, and return it by row."""
    groups, number = number_rows([orders, age])
    x, at = groups.column(0), groups.column(1)
    table = np.concatenate([function(x[rows], at[rows]) for rows in blocks_of(len(x))])
    return table[number]


def pareto_log_likelihood(groups: Groups) -> Callable[[Array], Evaluation]:
    """Return the function (r, alpha, s, beta) -> log-likelihood, gradient, Hessian.

    Parameters
    ----------
    groups : Groups
        Distinct (repeat_orders, recency, age).
    """
    orders, recency, age = (groups.column(i) for i in range(3))
    distinct = groups.tables[0].astype(np.int64)
    weight = groups.marginal(0)
    total = groups.total

    def evaluate(params: Array) -> Evaluation:
        r, alpha, s, beta = params.tolist()
        rising = log_rising(r, int(distinct[-1]))
        value = float(
            np.sum(weight * rising.value[distinct]) + total * (r * np.log(alpha) + s * np.log(beta))
        )
        gradient = total * np.array([np.log(alpha), r / alpha, np.log(beta), s / beta])
        gradient[0] += float(np.sum(weight * rising.first[distinct]))
        hessian = np.zeros((4, 4))
        hessian[0, 0] = float(np.sum(weight * rising.second[distinct]))
        hessian[0, 1] = hessian[1, 0] = total / alpha
        hessian[2, 3] = hessian[3, 2] = total / beta
        hessian[1, 1], hessian[3, 3] = -total * r / alpha**2, -total * s / beta**2
        for rows in blocks_of(len(orders)):
            part = _bracket(params, orders[rows], recency[rows], age[rows], groups.count[rows])
            value, gradient, hessian = value + part[0], gradient + part[1], hessian + part[2]
        return value, gradient, hessian

    return evaluate


def _bracket(params: Array, orders: Array, recency: Array, age: Array, count: Array) -> Evaluation:
    """Return sum of count * log[alive + dead], with derivatives as mixture means over "alive" and times of death.

    The logarithm of a sum of exponentials has gradient E[f'] and Hessian E[f''] + Var[f'], the mean taken over the
    terms by their share; here the terms are "alive at T" and each node of the integral.
    """
    r, alpha, s, beta = params.tolist()
    power = r + orders
    integral = log_power_integral(alpha, power, beta, s + 1.0, recency, age)
    log_dead = np.log(s) + integral.log_value
    log_alive = -power * np.log(alpha + age) - s * np.log(beta + age)
    value = np.logaddexp(log_alive, log_dead)
    gone = np.exp(log_dead - value)
    y = np.concatenate((integral.nodes, age[:, None]), axis=1)  # the last column stands for "alive"
    share = np.concatenate((integral.share * gone[:, None], np.exp(log_alive - value)[:, None]), axis=1)
    m = power[:, None]
    exponent = np.full(y.shape, s + 1.0)
    exponent[:, -1] = s
    inverse_c, inverse_d = 1 / (alpha + y), 1 / (beta + y)
    dead = np.ones(y.shape)
    dead[:, -1] = 0.0
    slope = [-np.log(alpha + y), -m * inverse_c, dead / s - np.log(beta + y), -exponent * inverse_d]
    mean = np.stack([np.sum(share * each, axis=1) for each in slope])
    second = np.zeros((4, 4))
    for i in range(4):
        weighted = share * slope[i]
        for j in range(i, 4):
            spread = np.sum(weighted * slope[j], axis=1) - mean[i] * mean[j]
            second[i, j] = second[j, i] = float(np.sum(count * spread))
    bend = {
        (0, 1): -inverse_c,
        (1, 1): m * inverse_c**2,
        (2, 2): -dead / s**2,
        (2, 3): -inverse_d,
        (3, 3): exponent * inverse_d**2,
    }
    for (i, j), each in bend.items():
        added = float(np.sum(count * np.sum(share * each, axis=1)))
        second[i, j] += added
        second[j, i] += added if i != j else 0.0
    return float(np.sum(count * value)), np.sum(mean * count, axis=1), second
