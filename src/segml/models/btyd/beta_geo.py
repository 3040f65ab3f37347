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
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from segml.errors import NotEnoughDataError
from segml.models.btyd.base import BTYDModel, as_column, check_horizon
from segml.models.btyd.beta_geo_likelihood import beta_geo_log_likelihood
from segml.models.btyd.inputs import (
    HISTORY_COLUMNS,
    Groups,
    group_rows,
    number_rows,
    read_histories,
    read_weight,
)
from segml.models.btyd.newton import Evaluation
from segml.models.btyd.special import mean_orders_while_alive

Array = NDArray[np.float64]

_BLOCK = 1 << 13  # rows at once: the temporaries stay in the processor's cache, and BLAS in one thread
_WARM_ROWS = 20_000  # distinct repeat histories on which the search begins

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
        groups = self._read(frame, weight)
        age = float(groups.marginal(2) @ groups.tables[2]) / groups.total
        rate = float(groups.marginal(0) @ groups.tables[0]) / groups.total / age
        starts = [
            np.array([r, r / rate, a, b])
            for r, a, b in [(0.3, 0.8, 2.5), (1.0, 0.5, 4.0), (0.3, 0.1, 1.0), (2.0, 0.05, 3.0)]
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
        return self.weighted_purchases(frame, np.array([check_horizon(t)]), np.ones(1))

    def weighted_purchases(self, frame: pd.DataFrame, horizons: Array, weights: Array) -> pd.Series:
        """Return sum of weights[k] times the expected orders in the next horizons[k]; P(alive) is found once."""
        columns = read_histories(frame)
        r, alpha, a, b = self._values()
        distinct, number = number_rows([columns["repeat_orders"], columns["age"]])
        x, age = distinct.column(0), distinct.column(1)
        times = len(horizons)
        many = np.tile(x, times)
        stretch = (horizons[:, None] / (alpha + age)).ravel()
        while_alive = mean_orders_while_alive(a, b + many + self._first_chance, r + many, stretch)
        table = np.zeros(len(x))
        for weight, part in zip(weights, while_alive.reshape(times, len(x)), strict=True):
            table += weight * part
        return as_column(self._alive(columns) * table[number], frame, "expected_purchases")

    def expected_new_customer_purchases(self, t: float) -> float:
        """Return the expected number of repeat orders within `t` of a customer's first."""
        r, alpha, a, b = self._values()
        n = self._first_chance
        u = np.array([check_horizon(t) / alpha])
        alive = b / (a + b) if n else 1.0
        return alive * float(mean_orders_while_alive(a, np.array([b + n]), np.array([r]), u)[0])

    def _alive(self, columns: Mapping[str, Array]) -> Array:
        r, alpha, a, b = self._values()
        alive = np.empty(len(columns["age"]))
        for start in range(0, len(alive), _BLOCK):
            rows = slice(start, start + _BLOCK)
            orders, recency, age = (columns[name][rows] for name in HISTORY_COLUMNS)
            chances = orders + self._first_chance
            leave = np.log(a) - np.log(b + np.maximum(chances, 1.0) - 1)
            odds_gone = leave + (r + orders) * np.log1p((age - recency) / (alpha + recency))
            alive[rows] = np.where(chances > 0, expit(-odds_gone), 1.0)
        return alive


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
