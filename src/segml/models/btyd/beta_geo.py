"""BG/NBD and MBG/NBD: orders arrive at a customer's own rate, and after an order the customer may be gone for good.

The order rate is Gamma(r, alpha) over customers; each order is the last with probability p ~ Beta(a, b). In the BG/NBD
the first purchase is not followed by such a chance, in the modified model it is. That one chance is the only
difference: with n = repeat orders + (0 or 1) chances to leave, both have the likelihood

    Gamma(r + x) alpha^r / Gamma(r) * B(a, b + n) / B(a, b)
        * [(alpha + T)^-(r + x) + (n > 0) a / (b + n - 1) (alpha + t_x)^-(r + x)]

and everything below is written once, in n. It also shows why the BG/NBD calls every one-timer alive: n = 0 leaves no
way to be gone. Such a P(alive) does not rank one-timers for churn; `probability_active` does.

References: Fader, Hardie & Lee, Marketing Science 24 (2005) 275-284; Batislam, Denizel & Filiztekin, International
Journal of Research in Marketing 24 (2007) 201-209.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from segml.errors import NotEnoughDataError
from segml.models.btyd.base import BTYDModel, as_column, check_horizon
from segml.models.btyd.inputs import Groups, group_rows, read_histories, read_weight
from segml.models.btyd.newton import Evaluation
from segml.models.btyd.special import log_rising, mean_orders_while_alive, softplus

Array = NDArray[np.float64]

_BLOCK = 1 << 15  # rows at once: the temporaries stay in the processor's cache

NO_MAXIMUM = "the likelihood has no maximum there, the data look as if nobody ever left."


class BetaGeoNBD(BTYDModel):
    """BG/NBD: orders at a Gamma(r, alpha) rate, dropout after each **repeat** order with probability Beta(a, b).

    Parameters
    ----------
    max_iterations : int
    time_unit : str
        Label of the unit of time of all columns and horizons.

    Examples
    --------
    >>> rows = [(0, 0, 9), (1, 2, 9), (2, 8, 9), (0, 0, 5), (3, 4, 7), (1, 6, 7)]
    >>> frame = pd.DataFrame(rows, columns=["repeat_orders", "recency", "age"])
    >>> model = BetaGeoNBD(time_unit="weeks").fit(frame)
    >>> sorted(model.params_), model.converged_
    (['a', 'alpha', 'b', 'r'], True)
    >>> model.probability_alive(frame).between(0, 1).all()
    np.True_
    """

    parameter_names: ClassVar[tuple[str, ...]] = ("r", "alpha", "a", "b")
    _scales: ClassVar[tuple[str, ...]] = ("alpha",)
    _walls: ClassVar[dict[tuple[str, int], str]] = {
        ("a", -1): NO_MAXIMUM,
        ("b", 1): "the chance to leave after an order is nearly the same for all, and may be nil.",
        ("a", 1): "every customer has the same chance to leave after an order.",
        ("b", -1): "customers leave after their first chance, or never.",
        ("r", 1): "every customer has the same order rate.",
        ("alpha", 1): "every customer has the same order rate.",
        ("r", -1): "almost nobody orders again.",
    }
    _first_chance: ClassVar[int] = 0  # chances to leave before the first repeat order

    def fit(self, frame: pd.DataFrame, weight: ArrayLike | None = None) -> Self:
        """Estimate r, alpha, a and b by exact maximum likelihood.

        Parameters
        ----------
        frame : DataFrame
            `repeat_orders` (orders after the first), `recency` (from the first order to the last) and `age` (from
            the first order to now), one row a customer; optionally `weight`. Equal rows cost nothing.
        weight : array of shape (rows,), optional
            How many customers a row stands for.

        Raises
        ------
        ConfigurationError, DataError
            Columns are missing, or rows break a rule: all of them in one message.
        NotEnoughDataError
            No customer ordered twice.
        """
        columns = read_histories(frame)
        groups = group_rows(list(columns.values()), read_weight(frame, weight))
        refuse_one_timers(groups, type(self).__name__)
        age = float(groups.marginal(2) @ groups.tables[2]) / groups.total
        rate = float(groups.marginal(0) @ groups.tables[0]) / groups.total / age
        starts = [
            np.array([r, r / rate, a, b])
            for r, a, b in [(0.3, 0.8, 2.5), (1.0, 0.5, 4.0), (0.3, 0.1, 1.0), (2.0, 0.05, 3.0)]
        ]
        self._estimate(groups, starts, age)
        return self

    def _objective(self, groups: Groups) -> Callable[[Array], Evaluation]:
        return beta_geo_log_likelihood(groups, self._first_chance)

    def _share_leaving(self, age: float) -> float:
        _, _, a, b = self._values()
        return a / (a + b)

    def probability_alive(self, frame: pd.DataFrame) -> pd.Series:
        """Return P(not gone at the end of `age`), one value a row, in the frame's order."""
        columns = read_histories(frame)
        return as_column(self._alive(columns), frame, "probability_alive")

    def probability_active(self, frame: pd.DataFrame, t: float) -> pd.Series:
        """Return P(at least one order in the next `t`): alive, and ordering in time.

        Its complement is the probability of silence; it ranks one-timers, which `probability_alive` cannot.
        """
        columns, t = read_histories(frame), check_horizon(t)
        r, alpha, _, _ = self._values()
        some = -np.expm1(-(r + columns["repeat_orders"]) * np.log1p(t / (alpha + columns["age"])))
        return as_column(self._alive(columns) * some, frame, "probability_active")

    def time_until_active(self, frame: pd.DataFrame, probability: ArrayLike) -> pd.Series:
        """Return the t at which `probability_active(t)` reaches a probability: its inverse, in closed form.

        Parameters
        ----------
        frame : DataFrame
            `repeat_orders, recency, age`.
        probability : array of shape (rows,) or float
            In [0, 1); where it is not below P(alive), the answer is infinite.
        """
        columns = read_histories(frame)
        r, alpha, _, _ = self._values()
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.asarray(probability, dtype=float) / self._alive(columns)
            spell = np.expm1(-np.log1p(-np.minimum(share, 1.0)) / (r + columns["repeat_orders"]))
        wait = np.where(share < 1.0, spell * (alpha + columns["age"]), np.inf)
        return as_column(wait, frame, "time_until_active")

    def expected_purchases(self, frame: pd.DataFrame, t: float) -> pd.Series:
        """Return the expected number of orders in the next `t`, one value a row, in the frame's order."""
        columns, t = read_histories(frame), check_horizon(t)
        r, alpha, a, b = self._values()
        orders, age = columns["repeat_orders"], columns["age"]
        distinct = group_rows([orders, age])
        x, stretch = distinct.column(0), t / (alpha + distinct.column(1))
        table = mean_orders_while_alive(a, b + x + self._first_chance, r + x, stretch)
        expected = self._alive(columns) * table[distinct.row_of([orders, age])]
        return as_column(expected, frame, "expected_purchases")

    def expected_new_customer_purchases(self, t: float) -> float:
        """Return the expected number of repeat orders within `t` of a customer's first."""
        r, alpha, a, b = self._values()
        n = self._first_chance
        u = np.array([check_horizon(t) / alpha])
        alive = b / (a + b) if n else 1.0
        return alive * float(mean_orders_while_alive(a, np.array([b + n]), np.array([r]), u)[0])

    def _alive(self, columns: Mapping[str, Array]) -> Array:
        r, alpha, a, b = self._values()
        orders, recency, age = columns.values()
        chances = orders + self._first_chance
        with np.errstate(divide="ignore"):
            odds_gone = np.log(a) - np.log(np.where(chances > 0, b + chances - 1, np.inf))
        return expit(-(odds_gone + (r + orders) * np.log1p((age - recency) / (alpha + recency))))


class ModifiedBetaGeoNBD(BetaGeoNBD):
    """MBG/NBD: as the BG/NBD, with one chance to leave already after the first purchase.

    One-timers may be gone, so P(alive) falls with their silence. Parameters and methods as in `BetaGeoNBD`.

    Examples
    --------
    >>> published = {"r": 0.5248, "alpha": 6.1831, "a": 0.8914, "b": 1.6140}
    >>> model = ModifiedBetaGeoNBD.from_params(published, time_unit="weeks")
    >>> one_timers = pd.DataFrame({"repeat_orders": [0, 0], "recency": [0, 0], "age": [1, 39]})
    >>> model.probability_alive(one_timers).round(3).tolist()
    [0.626, 0.389]
    """

    _first_chance: ClassVar[int] = 1


def refuse_one_timers(groups: Groups, model: str) -> None:
    """Raise when nobody ordered twice: then no parameter of dropout or of rate can be told from another."""
    if not groups.tables[0].any():
        raise NotEnoughDataError(
            f"{model} learns from repeat orders, and none of the {groups.total:,.0f} customers has any",
            "give a longer history, or use a base rate until customers have come back",
        )


class _Sums(NamedTuple):
    """What the likelihood needs of the rows: once, not a pass."""

    total: float
    orders: Array  # customers at each order count 0..highest
    at_age: Array  # customers at each distinct age
    orders_at_age: Array  # their repeat orders


def beta_geo_log_likelihood(groups: Groups, first_chance: int) -> Callable[[Array], Evaluation]:
    """Return the function (r, alpha, a, b) -> log-likelihood, gradient, Hessian.

    Parameters
    ----------
    groups : Groups
        Distinct (repeat_orders, recency, age).
    first_chance : int
        0 for the BG/NBD, 1 for the modified model.

    Notes
    -----
    The bracket of the likelihood is (alpha + T)^-(r+x) (1 + e^D) with D the log odds of being gone. All but
    log(1 + e^D) is additive in x and in T, so it is summed over tables of distinct values; only rows with a chance to
    leave enter the loop.
    """
    values, age = groups.tables[0].astype(np.int64), groups.tables[2]
    orders_of_row = groups.column(0)
    orders = np.zeros(values[-1] + 1)
    orders[values] = groups.marginal(0)
    sums = _Sums(groups.total, orders, groups.marginal(2), groups.marginal(2, orders_of_row))
    gone = np.flatnonzero(orders_of_row + first_chance > 0)
    blocks = [
        (
            groups.codes[0][rows],
            groups.codes[1][rows],
            groups.codes[2][rows],
            orders_of_row[rows],
            groups.count[rows],
        )
        for rows in np.split(gone, range(_BLOCK, len(gone), _BLOCK))
    ]

    def evaluate(params: Array) -> Evaluation:
        r, alpha, a, b = params.tolist()
        value, gradient, hessian = _always(params, sums, age, first_chance)
        log_t, log_age = np.log(alpha + groups.tables[1]), np.log(alpha + age)
        inverse_t, inverse_age = 1 / (alpha + groups.tables[1]), 1 / (alpha + age)
        chances = np.maximum(groups.tables[0] + first_chance, 1.0)
        log_leave, per_leave = np.log(a) - np.log(b + chances - 1), 1 / (b + chances - 1)
        for x_code, t_code, age_code, x, count in blocks:
            spell = log_age[age_code] - log_t[t_code]
            speed = inverse_age[age_code] - inverse_t[t_code]
            per = per_leave[x_code]
            log_odds = log_leave[x_code] + (r + x) * spell
            value += float(np.sum(count * softplus(log_odds)))
            p = expit(log_odds)
            slope = np.stack([spell, (r + x) * speed, np.full(len(x), 1 / a), -per])
            p_count = count * p
            gradient += np.sum(slope * p_count, axis=1)
            hessian += np.einsum("ki,li->kl", slope * (p_count * (1 - p)), slope)
            bend = inverse_t[t_code] ** 2 - inverse_age[age_code] ** 2
            hessian[0, 1] += (cross := float(np.sum(p_count * speed)))
            hessian[1, 0] += cross
            hessian[1, 1] += float(np.sum(p_count * (r + x) * bend))
            hessian[2, 2] -= float(np.sum(p_count)) / a**2
            hessian[3, 3] += float(np.sum(p_count * per**2))
        return value, gradient, hessian

    return evaluate


def _always(params: Array, sums: _Sums, age: Array, first_chance: int) -> Evaluation:
    """Return the part of log-likelihood, gradient and Hessian that is a sum over distinct counts and ages."""
    r, alpha, a, b = params.tolist()
    highest = len(sums.orders) - 1
    rate = log_rising(r, highest)
    stay, any_ = log_rising(b, highest + 1), log_rising(a + b, highest + 1)
    chances = np.arange(highest + 1) + first_chance
    n, weight = sums.total, sums.orders
    exponent = r * sums.at_age + sums.orders_at_age  # sum of r + x at each age
    log_age, inverse = np.log(alpha + age), 1 / (alpha + age)

    def total(table: Array) -> float:
        return float(np.sum(weight * table[chances]))

    value = float(
        np.sum(weight * rate.value)
        + n * r * np.log(alpha)
        + total(stay.value - any_.value)
        - np.sum(exponent * log_age)
    )
    gradient = np.array(
        [
            np.sum(weight * rate.first) + n * np.log(alpha) - np.sum(sums.at_age * log_age),
            n * r / alpha - np.sum(exponent * inverse),
            total(-any_.first),
            total(stay.first - any_.first),
        ]
    )
    cross = n / alpha - float(np.sum(sums.at_age * inverse))
    both = total(-any_.second)
    hessian = np.array(
        [
            [float(np.sum(weight * rate.second)), cross, 0.0, 0.0],
            [cross, float(-n * r / alpha**2 + np.sum(exponent * inverse**2)), 0.0, 0.0],
            [0.0, 0.0, both, both],
            [0.0, 0.0, both, both + total(stay.second)],
        ]
    )
    return value, gradient, hessian
