"""Gamma-Gamma: the value of an order differs within a customer and, more, between customers.

A customer's order values are Gamma(p, nu), and nu is Gamma(q, v) over customers. The mean of x repeat orders then has
the likelihood

    Gamma(p x + q) / (Gamma(p x) Gamma(q)) * v^q z^(p x - 1) x^(p x) / (v + x z)^(p x + q)

and the expected order value is a weighting of the customer's own mean z with the base's, p v / (q - 1): the more
orders, the more weight on the own mean. The model takes order value to be unrelated to order frequency; `fit`
measures it and says so in `warnings_` when it is not.

Reference: Fader, Hardie & Lee, "RFM and CLV: using iso-value curves", Journal of Marketing Research 42 (2005) 415-430;
Fader & Hardie, "The Gamma-Gamma model of monetary value" (2013).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, gammaln, polygamma

from segml.errors import NotEnoughDataError
from segml.models.btyd.base import BTYDModel, as_column
from segml.models.btyd.inputs import (
    SPEND_COLUMNS,
    Groups,
    finite_rules,
    group_rows,
    read_columns,
    read_weight,
    refuse,
)
from segml.models.btyd.newton import Evaluation

Array = NDArray[np.float64]

_RELATED = 0.2  # correlation of log frequency and log spend from which the independence is doubted


class GammaGamma(BTYDModel):
    """Gamma-Gamma model of the mean value of a customer's **repeat** orders.

    Customers without repeat orders take no part in the fit, and their `mean_spend` is not read; they are expected to
    spend what the base does. `mean_spend` is in any one currency, above zero; `time_unit` is a label only.

    Attributes
    ----------
    base_spend_ : float
        Weighted mean of `mean_spend` over repeat customers: the expectation when the model has none (q <= 1).
    spend_correlation_ : float
        Correlation of log repeat orders with log mean spend.

    Examples
    --------
    >>> published = {"p": 6.2496, "q": 3.7442, "v": 15.4435}
    >>> model = GammaGamma.from_params(published)
    >>> customers = pd.DataFrame({"repeat_orders": [0, 2], "mean_spend": [0.0, 22.35]})
    >>> model.expected_spend(customers).round(2).tolist()
    [35.17, 24.66]
    """

    parameter_names: ClassVar[tuple[str, ...]] = ("p", "q", "v")
    _scales: ClassVar[tuple[str, ...]] = ("v",)
    _walls: ClassVar[dict[tuple[str, int], str]] = {
        ("p", 1): "a customer's orders all have the same value.",
        ("q", 1): "every customer has the same mean order value.",
        ("v", 1): "order values are spread as a single gamma: customers differ no more than their orders do.",
    }

    base_spend_: float
    spend_correlation_: float

    def fit(self, frame: pd.DataFrame, weight: ArrayLike | None = None) -> Self:
        """Estimate p, q and v by exact maximum likelihood.

        Parameters
        ----------
        frame : DataFrame
            `repeat_orders` and `mean_spend` (mean value of the repeat orders), one row a customer; optionally
            `weight`.
        weight : array of shape (rows,), optional
            How many customers a row stands for.

        Raises
        ------
        ConfigurationError, DataError
            Columns are missing, or rows break a rule (for example a repeat customer with spend of zero or less).
        NotEnoughDataError
            No customer ordered twice, or all spend the same.
        """
        groups = self._read(frame, weight)
        self.base_spend_ = float(groups.marginal(1) @ groups.tables[1]) / groups.total
        self.spend_correlation_ = _correlation(groups)
        starts = [
            np.array([p, q, (q - 1) * self.base_spend_ / p]) for p, q in [(2.0, 3.0), (6.0, 4.0), (1.2, 10.0)]
        ]
        self._estimate(groups, starts, self.base_spend_)
        self.warnings_ += self._say_what_spend_does()
        return self

    def _read(self, frame: pd.DataFrame, weight: ArrayLike | None) -> Groups:
        orders, spend = _read_spend(frame)
        weights = read_weight(frame, weight)
        repeat = orders > 0 if weights is None else (orders > 0) & (weights > 0)
        if not repeat.any():
            raise NotEnoughDataError(
                f"GammaGamma learns from repeat orders, and none of the {len(frame):,} customers has any",
                "use the base's mean order value until customers have come back",
            )
        groups = group_rows([orders[repeat], spend[repeat]], None if weights is None else weights[repeat])
        if len(groups.tables[1]) == 1:
            raise NotEnoughDataError(
                f"every repeat customer has the mean spend {groups.tables[1][0]:g}: there is no spread to learn",
                "use that value as the expected spend",
            )
        return groups

    def _objective(self, groups: Groups) -> Callable[[Array], Evaluation]:
        return gamma_gamma_log_likelihood(groups)

    def _say_what_spend_does(self) -> list[str]:
        said = []
        if self.params_["q"] <= 1:
            said.append(
                f"q = {self.params_['q']:.3g} is not above 1: the model has no mean order value, the spread between "
                f"customers is too heavy-tailed. One-timers are given the observed mean, {self.base_spend_:.2f}; "
                "look for outliers in spend."
            )
        if abs(self.spend_correlation_) > _RELATED:
            direction = "more" if self.spend_correlation_ > 0 else "less"
            said.append(
                f"Spend is related to frequency (correlation {self.spend_correlation_:.2f} on the log scale): frequent "
                f"customers spend {direction} an order, which this model takes to be impossible; lifetime values are "
                "biased at both ends."
            )
        return said

    def expected_spend(self, frame: pd.DataFrame) -> pd.Series:
        """Return the expected value of a customer's future orders, one value a row, in the frame's order."""
        orders, spend = _read_spend(frame)
        p, q, v = self._values()
        prior = p * v / (q - 1) if q > 1 else self.base_spend_
        weight = p * orders + q - 1
        with np.errstate(divide="ignore", invalid="ignore"):
            own = p * (v + orders * spend) / weight
        return as_column(np.where((orders > 0) & (weight > 0), own, prior), frame, "expected_spend")

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted model as plain JSON-able values."""
        return {
            **super().to_dict(),
            "base_spend": self.base_spend_,
            "spend_correlation": self.spend_correlation_,
        }

    @classmethod
    def from_dict(cls, saved: Any) -> Self:
        """Rebuild a model from `to_dict`; its predictions are identical."""
        model = super().from_dict(saved)
        model.base_spend_, model.spend_correlation_ = saved["base_spend"], saved["spend_correlation"]
        return model

    @classmethod
    def from_params(cls, params: Any, time_unit: str = "days") -> Self:
        """Return a model with given parameters; with q <= 1 the base's mean is taken to be v."""
        model = super().from_params(params, time_unit)
        p, q, v = model._values()
        model.base_spend_, model.spend_correlation_ = (p * v / (q - 1) if q > 1 else v), 0.0
        return model


def _read_spend(frame: pd.DataFrame) -> tuple[Array, Array]:
    """Return checked repeat orders and mean spend; spend is zero where there is no repeat order to have any."""
    columns = read_columns(frame, SPEND_COLUMNS)
    orders, spend = columns["repeat_orders"], columns["mean_spend"]
    spend = np.where(orders == 0, 0.0, spend)
    with np.errstate(invalid="ignore"):
        broken = {
            **finite_rules({"repeat_orders": orders, "mean_spend": spend}),
            "repeat_orders is zero or more": orders < 0,
            "repeat_orders is a whole number": np.isfinite(orders) & (orders != np.floor(orders)),
            "mean_spend is above zero when repeat_orders is": (orders > 0) & (spend <= 0),
        }
    refuse(frame, broken)
    return orders, spend


def _correlation(groups: Groups) -> float:
    """Return the weighted correlation of log repeat orders and log mean spend; zero when one does not vary."""
    x, z, w = np.log(groups.column(0)), np.log(groups.column(1)), groups.count / groups.total
    x, z = x - np.sum(w * x), z - np.sum(w * z)
    scale = float(np.sqrt(np.sum(w * x**2) * np.sum(w * z**2)))
    return float(np.sum(w * x * z)) / scale if scale > 1e-12 else 0.0


def gamma_gamma_log_likelihood(groups: Groups) -> Callable[[Array], Evaluation]:
    """Return the function (p, q, v) -> log-likelihood, gradient, Hessian.

    Parameters
    ----------
    groups : Groups
        Distinct (repeat_orders, mean_spend), all above zero.
    """
    distinct, weight = groups.tables[0], groups.marginal(0)
    orders, count = groups.column(0), groups.count
    spent = orders * groups.column(1)
    total = groups.total
    sum_log_spend = float(np.sum(count * np.log(groups.column(1))))
    log_spent = np.log(spent)
    sum_x_log_spent = float(np.sum(count * orders * log_spent))
    at_orders = groups.codes[0]

    def evaluate(params: Array) -> Evaluation:
        p, q, v = params.tolist()
        px = p * distinct
        log_base, inverse = np.log(v + spent), 1 / (v + spent)
        power = (px + q)[at_orders]
        gap, bend = digamma(px + q), polygamma(1, px + q)
        value = (
            np.sum(weight * (gammaln(px + q) - gammaln(px)))
            + total * (q * np.log(v) - gammaln(q))
            + p * sum_x_log_spent
            - sum_log_spend
            - np.sum(count * power * log_base)
        )
        cw = count * inverse
        gradient = np.array(
            [
                np.sum(weight * distinct * (gap - digamma(px)))
                + sum_x_log_spent
                - np.sum(count * orders * log_base),
                np.sum(weight * gap) + total * (np.log(v) - digamma(q)) - np.sum(count * log_base),
                total * q / v - np.sum(cw * power),
            ]
        )
        pp = np.sum(weight * distinct**2 * (bend - polygamma(1, px)))
        pq = np.sum(weight * distinct * bend)
        qq = np.sum(weight * bend) - total * polygamma(1, q)
        pv, qv = -np.sum(cw * orders), total / v - np.sum(cw)
        vv = -total * q / v**2 + np.sum(cw * inverse * power)
        hessian = np.array([[pp, pq, pv], [pq, qq, qv], [pv, qv, vv]], dtype=np.float64)
        return float(value), gradient, hessian

    return evaluate
