"""P(the next tier is reached before the period ends), for members of a loyalty programme.

Points come as a compound process: earnings at a person's own rate, each worth about the same to that person. Rates
are gamma between people, so counts are negative binomial, and a person's rate and points an earning are shrunk to
those of the base; the points to come are then a gamma with the compound's mean and variance, and the probability that
they reach what is missing has a closed form. It knows of nobody who has left, and of no season: a logistic on its
log-odds, the silence in units of the own gap and the part of the period that is left takes care of both, learnt at
cutoffs whose period has ended.

References: Jewell (1982) on compound processes; Fader and Hardie (2013) on shrinking amounts in the gamma-gamma model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, gammaincc, gammaln

from segml.errors import NotEnoughDataError
from segml.models.boosting import require_columns

FloatArray = NDArray[np.float64]
_PACE_DAYS = 365.0
_COLUMNS = (
    *("points_to_next_tier", "period_left_days", "earnings_365d", "points_earned_365d"),
    *("points_squares_365d", "member_days", "days_since_earning"),
)


class AtThisPace:
    """The rule anybody can write: points of the last year, per day, times the days that are left.

    Examples
    --------
    >>> member = dict.fromkeys(_COLUMNS, [0.0]) | {"points_to_next_tier": [100.0], "period_left_days": [73.0]}
    >>> member |= {"points_earned_365d": [400.0], "member_days": [900.0]}
    >>> AtThisPace().predict(pd.DataFrame(member)).tolist()
    [0.8]
    """

    def predict(self, members: pd.DataFrame) -> FloatArray:
        """Points expected over points missing, shape (n,); 1 or more means that the tier will be reached."""
        x = _inputs(members)
        days = np.clip(x["member_days"], 1.0, _PACE_DAYS)
        return np.asarray(x["points_earned_365d"] / days * x["period_left_days"] / x["points_to_next_tier"])


class NextTier:
    """P(next tier before the period's end), calibrated on periods that have ended.

    Parameters
    ----------
    ridge : float
        Penalty on the coefficients of the calibrating logistic.

    Attributes
    ----------
    rate_ : dict of str to float
        Shape and rate of the gamma over people's earnings a day.
    amount_ : dict of str to float
        Mean points an earning, the earnings that mean is worth as prior (`weight`), and the squared coefficient of
        variation within a person.
    coef_, intercept_ : list of float, float
        Of the logistic.
    """

    task = "next_tier"

    def __init__(self, ridge: float = 1.0) -> None:
        self.ridge = ridge

    @property
    def feature_names_in_(self) -> list[str]:
        """Columns the model reads; missing for people who are no members or hold the highest tier."""
        return list(_COLUMNS)

    def fit(self, members: pd.DataFrame, reached: Any) -> NextTier:
        """Learn from members at past cutoffs and whether they reached the next tier in time.

        Parameters
        ----------
        members : DataFrame of shape (n, 7)
            Columns as `feature_names_in_`, none missing.
        reached : array-like of shape (n,)
            1 or 0.

        Raises
        ------
        NotEnoughDataError
            Nobody reached, or everybody did.
        """
        from sklearn.linear_model import LogisticRegression

        y = np.asarray(reached, dtype=float)
        if y.min(initial=1.0) == y.max(initial=0.0):
            raise NotEnoughDataError(
                f"{int(y.sum()):,} of {len(y):,} members reached the next tier; both outcomes are needed",
                "wait for another period, or look at the tiers' points",
            )
        x = _inputs(members)
        self.rate_ = _fit_rate(x["earnings_365d"], x["member_days"])
        self.amount_ = _fit_amount(x)
        logistic = LogisticRegression(C=1.0 / max(self.ridge, 1e-9), max_iter=1_000)
        logistic.fit(self._design(x), y)
        self.coef_ = [float(value) for value in logistic.coef_[0]]
        self.intercept_ = float(logistic.intercept_[0])
        return self

    def compound_probability(self, members: pd.DataFrame) -> FloatArray:
        """P(points to come reach what is missing) before calibration, shape (n,)."""
        return self._compound(_inputs(members))

    def predict(self, members: pd.DataFrame) -> FloatArray:
        """Calibrated probability, shape (n,); column by column, so that a chunk changes no last bit."""
        log_odds = np.full(len(members), self.intercept_)
        for column, weight in zip(self._design(_inputs(members)).T, self.coef_, strict=True):
            log_odds += column * weight
        return np.asarray(expit(log_odds))

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return `next_tier_probability`; missing where there is no next tier or nothing was ever earned."""
        found = require_columns(features, self.feature_names_in_, self.task)
        known = found.notna().all(axis=1).to_numpy()
        probability = np.full(len(found), np.nan)
        if known.any():
            probability[known] = self.predict(found[known])
        return pd.DataFrame({"next_tier_probability": probability}, index=features.index)

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON."""
        names = ("ridge", "rate_", "amount_", "coef_", "intercept_")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> NextTier:
        """Inverse of `to_dict`."""
        model = cls(content["ridge"])
        for name in ("rate_", "amount_", "coef_", "intercept_"):
            setattr(model, name, content[name])
        return model

    def _compound(self, x: dict[str, FloatArray]) -> FloatArray:
        shape, exposure = _exposed(x["earnings_365d"], x["member_days"])
        shape, exposure = self.rate_["shape"] + shape, self.rate_["rate"] + exposure
        expected = shape / exposure * x["period_left_days"]
        weight = self.amount_["weight"]
        points = (weight * self.amount_["mean"] + x["points_earned_365d"]) / (weight + x["earnings_365d"])
        none = np.exp(-shape * np.log1p(x["period_left_days"] / exposure))
        some = np.maximum(1 - none, 1e-12)
        second = expected * self.amount_["variation"] + expected + expected**2 * (1 + 1 / shape)
        mean = expected * points / some
        variance = np.maximum(second * points**2 / some - mean**2, 1e-9 * points**2 + 1e-12)
        gamma = mean**2 / variance
        return np.asarray(some * gammaincc(gamma, gamma * x["points_to_next_tier"] / np.maximum(mean, 1e-12)))

    def _design(self, x: dict[str, FloatArray]) -> FloatArray:
        p = np.clip(self._compound(x), 1e-6, 1 - 1e-6)
        events, exposure = _exposed(x["earnings_365d"], x["member_days"])
        gap = (self.rate_["rate"] + exposure) / (self.rate_["shape"] + events)
        silence = np.log1p(x["days_since_earning"] / gap)
        left = x["period_left_days"] / _PACE_DAYS
        return np.column_stack([np.log(p / (1 - p)), silence, silence * left, left, left**2])


def _inputs(members: pd.DataFrame) -> dict[str, FloatArray]:
    found = require_columns(members, list(_COLUMNS), "the next tier")
    return {name: found[name].to_numpy(dtype=float) for name in _COLUMNS}


def _exposed(earnings: FloatArray, member_days: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return earnings and the days they fell into; a newcomer's first one began the clock and tells no rate."""
    young = member_days < _PACE_DAYS
    return np.where(young, np.maximum(earnings - 1, 0), earnings), np.clip(member_days, 1.0, _PACE_DAYS)


def _fit_rate(earnings: FloatArray, member_days: FloatArray) -> dict[str, float]:
    """Negative binomial likelihood over the distinct (count, days), days to the week."""
    events, exposure = _exposed(earnings, member_days)
    pairs, weight = np.unique(
        np.column_stack([events, np.maximum(np.round(exposure / 7) * 7, 1)]), axis=0, return_counts=True
    )
    k, days = pairs.T

    def loss(theta: FloatArray) -> float:
        shape, rate = np.exp(np.clip(theta, -10, 12))
        terms = gammaln(shape + k) - gammaln(shape) + shape * np.log(rate) - (shape + k) * np.log(rate + days)
        return -float(weight @ (terms + k * np.log(days))) / float(weight.sum())

    per_day = max(float((weight * k).sum() / (weight * days).sum()), 1e-6)
    found = minimize(loss, np.array([0.0, -np.log(per_day)]), method="L-BFGS-B", bounds=[(-5, 5), (-5, 12)])
    shape, rate = np.exp(found.x)
    return {"shape": float(shape), "rate": float(rate)}


def _fit_amount(x: dict[str, FloatArray]) -> dict[str, float]:
    """Moments: spread within people from those with two earnings or more, between people from what is left."""
    k, total, squares = x["earnings_365d"], x["points_earned_365d"], x["points_squares_365d"]
    mean = float(total.sum() / max(k.sum(), 1.0))
    several = k >= 2
    if not several.any():
        return {"mean": mean, "weight": 1.0, "variation": 1.0}
    k, own = k[several], total[several] / k[several]
    spread = np.maximum(squares[several] - k * own**2, 0.0).sum() / (k - 1).sum()
    centre = float(np.average(own, weights=k))
    between = float(np.average((own - centre) ** 2, weights=k)) - spread * len(k) / k.sum()
    weight = float(np.clip(spread / max(between, 1e-9), 0.1, 100.0))
    variation = float(spread / max(float(np.average(own**2, weights=k)), 1e-9))
    return {"mean": mean, "weight": weight, "variation": variation}
