"""Two models in discrete time: renewals of a contract, and gifts that are or are not made each season.

`ShiftedBetaGeometric`: a customer fails to renew with a probability of their own, Beta(alpha, beta). The retention
rate of a cohort rises with its age although no customer's does: those who leave easily leave first.

`BetaGeometricBetaBinomial`: at each of n opportunities an active customer buys with probability Beta(alpha, beta), and
before each leaves for good with probability Beta(gamma, delta).

References: Fader & Hardie, Journal of Interactive Marketing 21 (2007) 76-90; Fader, Hardie & Shang, Marketing Science
29 (2010) 1086-1108.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from segml.errors import ConfigurationError, DataError, NotEnoughDataError
from segml.models.btyd.base import BTYDModel, as_column
from segml.models.btyd.beta_geo import refuse_one_timers
from segml.models.btyd.inputs import (
    HISTORY_COLUMNS,
    Groups,
    finite_rules,
    group_rows,
    history_rules,
    number_rows,
    read_columns,
    read_weight,
    refuse,
)
from segml.models.btyd.newton import Evaluation
from segml.models.btyd.special import log_rising

Array = NDArray[np.float64]

_LONGEST = 10_000  # periods: more than that is a calendar in the wrong unit


class ShiftedBetaGeometric(BTYDModel):
    """Shifted beta-geometric: the chance not to renew is the customer's own and stays what it is.

    Examples
    --------
    Seven years of the regular segment of Fader & Hardie (2007), of 1,000 customers:

    >>> alive = np.array([1000, 631, 468, 382, 326, 289, 262, 241])
    >>> frame = pd.DataFrame({"age": [*range(1, 8), 7], "lost": [1] * 7 + [0]})
    >>> model = ShiftedBetaGeometric(time_unit="years").fit(frame, [*-np.diff(alive), 241])
    >>> {name: round(value, 3) for name, value in model.params_.items()}
    {'alpha': 0.704, 'beta': 1.182}
    """

    parameter_names: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    _walls: ClassVar[dict[tuple[str, int], str]] = {
        ("alpha", 1): "every customer has the same chance to leave.",
        ("beta", 1): "every customer has the same chance to leave.",
        ("alpha", -1): "the remaining customers look as if they never leave.",
    }

    def fit(self, frame: pd.DataFrame, weight: ArrayLike | None = None) -> Self:
        """Estimate alpha and beta by exact maximum likelihood.

        Parameters
        ----------
        frame : DataFrame
            `age` (renewals due so far, from 1; for a lost customer the one that failed) and `lost` (1 lost, 0 still a
            customer after that renewal); optionally `weight`.
        weight : array of shape (rows,), optional
            How many customers a row stands for.
        """
        groups = self._read(frame, weight)
        self._estimate(groups, [np.array([1.0, 2.0]), np.array([0.3, 3.0]), np.array([3.0, 3.0])], 1.0)
        self.longest_age_ = float(groups.tables[0][-1])
        return self

    def _read(self, frame: pd.DataFrame, weight: ArrayLike | None) -> Groups:
        columns = read_columns(frame, ("age", "lost"))
        age, lost = columns["age"], columns["lost"]
        with np.errstate(invalid="ignore"):
            whole = np.isfinite(age) & ((age != np.floor(age)) | (age < 1) | (age > _LONGEST))
            broken = {
                **finite_rules(columns),
                f"age is a whole number of renewals, 1 to {_LONGEST}": whole,
                "lost is 0 or 1": np.isfinite(lost) & ~np.isin(lost, (0.0, 1.0)),
            }
        refuse(frame, broken)
        groups = group_rows([age, lost], read_weight(frame, weight))
        if len(groups.tables[1]) == 1:
            state = "lost" if groups.tables[1][0] else "still here"
            raise NotEnoughDataError(
                f"ShiftedBetaGeometric needs customers of both kinds; all {groups.total:,.0f} are {state}"
            )
        return groups

    def _objective(self, groups: Groups) -> Callable[[Array], Evaluation]:
        periods, lost = groups.column(0).astype(np.int64), groups.column(1)
        count, highest = groups.count, int(periods.max())
        survived = periods - lost.astype(np.int64)
        n_lost = float(np.sum(count * lost))

        def evaluate(params: Array) -> Evaluation:
            # lost: alpha rising(beta, t - 1) / rising(alpha + beta, t); kept: rising(beta, t) / rising(alpha + beta, t)
            alpha, beta = params.tolist()
            stay, either = log_rising(beta, highest), log_rising(alpha + beta, highest)
            value = n_lost * np.log(alpha) + np.sum(count * (stay.value[survived] - either.value[periods]))
            down = -float(np.sum(count * either.first[periods]))
            bend = -float(np.sum(count * either.second[periods]))
            gradient = np.array([n_lost / alpha + down, down + np.sum(count * stay.first[survived])])
            own = float(np.sum(count * stay.second[survived]))
            return float(value), gradient, np.array([[bend - n_lost / alpha**2, bend], [bend, bend + own]])

        return evaluate

    def survival(self, periods: int) -> Array:
        """Return P(still a customer after t renewals) for t = 0..periods."""
        alpha, beta = self._values()
        return np.exp(log_rising(beta, periods).value - log_rising(alpha + beta, periods).value)

    def retention_rate(self, periods: int) -> Array:
        """Return the share of those left who renew, at renewals 1..periods: (beta + t - 1) / (alpha + beta + t - 1)."""
        alpha, beta = self._values()
        t = np.arange(periods)
        return (beta + t) / (alpha + beta + t)

    def probability_active(self, frame: pd.DataFrame, t: int) -> pd.Series:
        """Return P(the next t renewals are all made) of customers still here after `age` renewals."""
        alpha, beta = self._values()
        age = read_columns(frame, ("age",))
        with np.errstate(invalid="ignore"):
            refuse(frame, {**finite_rules(age), "age is zero or more": age["age"] < 0})
        steps = age["age"][:, None] + np.arange(_whole_horizon(t))
        kept = np.prod((beta + steps) / (alpha + beta + steps), axis=1)
        return as_column(kept, frame, "probability_active")


class BetaGeometricBetaBinomial(BTYDModel):
    """BG/BB: buying or not at each of n opportunities, until leaving for good unseen.

    `age` is the number of opportunities since the first purchase, `recency` the number of the last one used (0 for
    none) and `repeat_orders` how many were used. `probability_alive` is at the **next** opportunity.

    Examples
    --------
    >>> published = {"alpha": 1.2035, "beta": 0.7497, "gamma": 0.6567, "delta": 2.7834}
    >>> model = BetaGeometricBetaBinomial.from_params(published, time_unit="years")
    >>> history = pd.DataFrame({"repeat_orders": [0, 6], "recency": [0, 6], "age": [6, 6]})
    >>> model.expected_purchases(history, 5).round(2).tolist()  # as in the paper
    [0.07, 3.75]
    """

    parameter_names: ClassVar[tuple[str, ...]] = ("alpha", "beta", "gamma", "delta")
    _walls: ClassVar[dict[tuple[str, int], str]] = {
        ("gamma", -1): "the data look as if nobody ever left.",
        ("delta", 1): "the chance to leave is nearly the same for all, and may be nil.",
        ("alpha", 1): "every customer buys with the same chance.",
        ("beta", 1): "every customer buys with the same chance.",
    }

    def fit(self, frame: pd.DataFrame, weight: ArrayLike | None = None) -> Self:
        """Estimate the four parameters by exact maximum likelihood; `weight` says how many customers a row is."""
        groups = self._read(frame, weight)
        starts = [
            np.array(start) for start in [(1.0, 1.0, 0.5, 3.0), (0.5, 2.0, 0.5, 2.0), (2.0, 2.0, 1.0, 10.0)]
        ]
        self._estimate(groups, starts, 1.0)
        self.longest_age_ = float(groups.tables[2][-1])
        return self

    def _read(self, frame: pd.DataFrame, weight: ArrayLike | None) -> Groups:
        columns = _read_opportunities(frame)
        groups = group_rows(list(columns.values()), read_weight(frame, weight))
        refuse_one_timers(groups, type(self).__name__)
        return groups

    def _objective(self, groups: Groups) -> Callable[[Array], Evaluation]:
        histories = tuple(groups.column(i).astype(np.int64) for i in range(3))

        def evaluate(params: Array) -> Evaluation:
            value, gradient, hessian = _opportunity_likelihood(params, *histories)
            count = groups.count
            return (
                float(np.sum(count * value)),
                np.sum(count[:, None] * gradient, axis=0),
                np.sum(count[:, None, None] * hessian, axis=0),
            )

        return evaluate

    def probability_alive(self, frame: pd.DataFrame) -> pd.Series:
        """Return P(still a customer at the next opportunity), one value a row, in the frame's order."""
        return as_column(self._alive(_read_opportunities(frame)), frame, "probability_alive")

    def expected_purchases(self, frame: pd.DataFrame, t: int) -> pd.Series:
        """Return the expected number of purchases at the next t opportunities."""
        columns = _read_opportunities(frame)
        alpha, beta, gamma, delta = self._values()
        age = columns["age"]
        buys = (alpha + columns["repeat_orders"]) / (alpha + beta + age)
        steps = age[:, None] + 1 + np.arange(_whole_horizon(t) - 1)
        stays = np.cumprod((delta + steps) / (gamma + delta + steps), axis=1)
        chances = (1.0 + stays.sum(axis=1)) if t > 0 else 0.0
        return as_column(self._alive(columns) * buys * chances, frame, "expected_purchases")

    def probability_active(self, frame: pd.DataFrame, t: int) -> pd.Series:
        """Return P(at least one purchase at the next t opportunities): the first one made comes at one of them."""
        columns = _read_opportunities(frame)
        alpha, beta, gamma, delta = self._values()
        orders, age = columns["repeat_orders"], columns["age"]
        total, reach = np.zeros(len(age)), self._alive(columns)
        skipped = np.ones(len(age))
        for step in range(_whole_horizon(t)):
            at = alpha + beta + age + step
            total += reach * skipped * (alpha + orders) / at
            skipped *= (beta + age - orders + step) / at
            reach = reach * (delta + age + 1 + step) / (gamma + delta + age + 1 + step)
        return as_column(total, frame, "probability_active")

    def expected_new_customer_purchases(self, t: int) -> float:
        """Return the expected number of purchases at the first t opportunities after joining."""
        alpha, beta, gamma, delta = self._values()
        steps = np.arange(_whole_horizon(t))
        return float(alpha / (alpha + beta) * np.sum(np.cumprod((delta + steps) / (gamma + delta + steps))))

    def _alive(self, columns: Mapping[str, Array]) -> Array:
        groups, number = number_rows(list(columns.values()))
        params = np.array(self._values())
        x, t_x, n = (groups.column(i).astype(np.int64) for i in range(3))
        _, _, gamma, delta = params.tolist()
        log_terms, _ = _log_terms(params, x, t_x, n)
        here = np.exp(log_terms[:, -1] - np.logaddexp.reduce(log_terms, axis=1))
        return (here * (delta + n) / (gamma + delta + n))[number]


def _whole_horizon(t: float) -> int:
    if t != int(t) or t < 0 or t > _LONGEST:
        raise ConfigurationError(f"a horizon is a whole number of opportunities, 0 to {_LONGEST}, got {t!r}")
    return int(t)


def _read_opportunities(frame: pd.DataFrame) -> dict[str, Array]:
    columns = read_columns(frame, HISTORY_COLUMNS)
    orders, recency, age = columns.values()
    with np.errstate(invalid="ignore"):
        broken = {
            **history_rules(columns),
            "recency is a whole number": np.isfinite(recency) & (recency != np.floor(recency)),
            "age is a whole number": np.isfinite(age) & (age != np.floor(age)),
            "repeat_orders is at most recency": orders > recency,
            "recency is zero when, and only when, repeat_orders is": (orders > 0) & (recency == 0),
        }
    refuse(frame, broken)
    if age.max() > _LONGEST:
        raise DataError(f"age counts opportunities, at most {_LONGEST}; the largest is {age.max():g}")
    return columns


def _log_terms(
    params: Array, orders: NDArray[np.int64], recency: NDArray[np.int64], age: NDArray[np.int64]
) -> tuple[Array, NDArray[np.int64]]:
    """Return log P(history, left after m opportunities) for m = recency..age-1, and "still here" as the last term.

    Unused places hold -inf. The second array is m, with m = age in the last place.
    """
    alpha, beta, gamma, delta = params.tolist()
    highest = int(age.max())
    buy, skip, both = (log_rising(c, highest).value for c in (alpha, beta, alpha + beta))
    stay, either = (log_rising(c, highest + 1).value for c in (delta, gamma + delta))
    m = np.minimum(recency[:, None] + np.arange(int((age - recency).max()) + 1), age[:, None])
    m[:, -1] = age
    left = m < age[:, None]
    terms = (buy[orders] - both[0])[:, None] + skip[m - orders[:, None]] - both[m]
    gone = np.log(gamma) + stay[m] - either[m + 1]
    here = stay[m] - either[m]
    logs = terms + np.where(left, gone, here)
    unused = ~left
    unused[:, -1] = False
    return np.where(unused, -np.inf, logs), m


def _opportunity_likelihood(
    params: Array, orders: NDArray[np.int64], recency: NDArray[np.int64], age: NDArray[np.int64]
) -> tuple[Array, Array, Array]:
    """Return log-likelihood, gradient and Hessian of each row, as mixture means over the time of leaving."""
    alpha, beta, gamma, delta = params.tolist()
    highest = int(age.max())
    logs, m = _log_terms(params, orders, recency, age)
    value = np.logaddexp.reduce(logs, axis=1)
    share = np.exp(logs - value[:, None])
    left = (m < age[:, None]).astype(np.float64)
    lost = (m + 1) * (left > 0) + m * (left == 0)
    buy, skip, both = (log_rising(c, highest) for c in (alpha, beta, alpha + beta))
    stay, either = (log_rising(c, highest + 1) for c in (delta, gamma + delta))
    not_bought = m - orders[:, None]
    slope = np.stack(
        [
            buy.first[orders][:, None] - both.first[m],
            skip.first[not_bought] - both.first[m],
            left / gamma - either.first[lost],
            stay.first[m] - either.first[lost],
        ]
    )
    mean = np.einsum("nk,ink->ni", share, slope)
    hessian = np.einsum("nk,ink,jnk->nij", share, slope, slope) - mean[:, :, None] * mean[:, None, :]
    shared, cut = np.sum(share * both.second[m], axis=1), np.sum(share * either.second[lost], axis=1)
    hessian[:, :2, :2] -= shared[:, None, None]
    hessian[:, 2:, 2:] -= cut[:, None, None]
    hessian[:, 0, 0] += buy.second[orders]
    hessian[:, 1, 1] += np.sum(share * skip.second[not_bought], axis=1)
    hessian[:, 2, 2] -= np.sum(share * left, axis=1) / gamma**2
    hessian[:, 3, 3] += np.sum(share * stay.second[m], axis=1)
    return value, mean, hessian
