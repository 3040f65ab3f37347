"""Customer lifetime value: expected orders, each discounted to today, times the expected value of an order."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segml.errors import ConfigurationError
from segml.models.btyd.base import check_horizon
from segml.models.btyd.doubts import UNITS_PER_YEAR
from segml.models.btyd.gamma_gamma import GammaGamma

FloatArray = NDArray[np.float64]

_NODES = 8  # Gauss-Legendre: expected orders are so smooth in time that 8 points leave an error under 1e-6 of the value


class OrderModel(Protocol):
    """A model that forecasts orders in its own unit of time."""

    time_unit: str

    def weighted_purchases(self, frame: pd.DataFrame, horizons: FloatArray, weights: FloatArray) -> pd.Series:
        """Return the weighted sum of the expected orders in the next t, over many t."""
        ...


def discounted_expected_purchases(
    model: OrderModel, frame: pd.DataFrame, horizon: float, discount_rate_per_year: float = 0.0
) -> pd.Series:
    """Return the expected number of orders within the horizon, each discounted from its own moment to today.

    With continuous discounting at d = log(1 + rate) a unit of time and N(t) the expected orders by t, integration by
    parts turns the discounted sum into N(H) exp(-d H) + d * integral of N(t) exp(-d t) over [0, H].

    Parameters
    ----------
    model : BetaGeoNBD, ModifiedBetaGeoNBD or ParetoNBD
    frame : DataFrame
        `repeat_orders, recency, age`, as in the model's `fit`.
    horizon : float
        In the model's `time_unit`.
    discount_rate_per_year : float
        0.10 for ten per cent a year, compounding yearly.

    Returns
    -------
    Series, the frame's index.
    """
    horizon = check_horizon(horizon)
    if not (np.isfinite(discount_rate_per_year) and discount_rate_per_year > -1):
        raise ConfigurationError(
            f"a yearly discount rate is above -1 (0.10 is 10 %), got {discount_rate_per_year!r}"
        )
    if model.time_unit not in UNITS_PER_YEAR:
        raise ConfigurationError(
            f"a yearly discount rate needs a known unit of time, the model's is {model.time_unit!r}",
            f"give the model a time_unit of {', '.join(UNITS_PER_YEAR)}",
        )
    d = float(np.log1p(discount_rate_per_year)) / UNITS_PER_YEAR[model.time_unit]
    x, weight = np.polynomial.legendre.leggauss(_NODES)
    inside = horizon * (x + 1) / 2
    horizons = np.append(inside, horizon)
    weights = np.append(d * horizon * weight / 2, 1.0) * np.exp(-d * horizons)
    used = weights != 0  # without a discount, the horizon alone
    return model.weighted_purchases(frame, horizons[used], weights[used]).rename(
        "discounted_expected_purchases"
    )


def customer_lifetime_value(
    model: OrderModel,
    gamma_gamma: GammaGamma,
    frame: pd.DataFrame,
    horizon: float,
    discount_rate_per_year: float = 0.0,
    time_unit: str = "days",
    margin: float = 1.0,
) -> pd.Series:
    """Return the expected discounted margin of each customer's orders within the horizon.

    Parameters
    ----------
    model : BetaGeoNBD, ModifiedBetaGeoNBD or ParetoNBD
        Fitted; its `time_unit` must be the one given here.
    gamma_gamma : GammaGamma
        Fitted.
    frame : DataFrame
        `repeat_orders, recency, age, mean_spend`, one row a customer.
    horizon : float
        In `time_unit`.
    discount_rate_per_year : float
    time_unit : str
        The unit of the horizon, said aloud so that weeks are never read as days.
    margin : float
        Share of the order value that is kept; 1 values the revenue.

    Returns
    -------
    Series named `clv`, the frame's index, in the currency of `mean_spend`.

    Raises
    ------
    ConfigurationError
        The units of time differ, or a column is missing.

    Examples
    --------
    >>> from segml.models.btyd import ParetoNBD
    >>> orders = ParetoNBD.from_params({"r": 0.5533, "alpha": 10.5777, "s": 0.6062, "beta": 11.6687}, "weeks")
    >>> spend = GammaGamma.from_params({"p": 6.2496, "q": 3.7442, "v": 15.4435})
    >>> row = pd.DataFrame({"repeat_orders": [2], "recency": [30.43], "age": [38.86], "mean_spend": [22.35]})
    >>> customer_lifetime_value(orders, spend, row, 52.0, 0.15, time_unit="weeks").round(2).tolist()
    [42.81]
    """
    if time_unit != model.time_unit:
        raise ConfigurationError(
            f"the horizon is in {time_unit}, the order model was fitted in {model.time_unit}",
            f"give the horizon in {model.time_unit} and time_unit={model.time_unit!r}",
        )
    if not (np.isfinite(margin) and margin > 0):
        raise ConfigurationError(f"a margin is a share above zero, got {margin!r}")
    orders = discounted_expected_purchases(model, frame, horizon, discount_rate_per_year)
    return (orders * gamma_gamma.expected_spend(frame) * margin).rename("clv")
