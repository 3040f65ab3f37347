"""What every buy-till-you-die model shares: the fit, its uncertainty in words and numbers, and its JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from segml.errors import ConfigurationError, ModelError
from segml.models.btyd.doubts import age_doubts, horizon_doubts
from segml.models.btyd.inputs import Groups
from segml.models.btyd.newton import Evaluation, Optimum, maximise

Array = NDArray[np.float64]

_SHAPE_BOX = (1e-6, 1e4)
_SCALE_BOX = (1e-6, 1e6)  # times the mean of the column the scale belongs to
_RARELY = 0.01
_NO_IDEA = 14.0  # log of a million
_WIDEST_SD = 2.0  # of a sampled log parameter: beyond a factor of 7 the normal approximation says nothing


class BTYDModel(BaseEstimator):
    """A model of customers as a handful of positive parameters, fitted by exact maximum likelihood.

    Subclasses give the names of their parameters, the likelihood with its derivatives, and starting points; this
    class turns them into an estimator.

    Parameters
    ----------
    max_iterations : int
        Largest number of Newton steps; 5-10 are usual, 15-40 when a parameter runs to a limit.
    time_unit : str
        The unit of `recency`, `age` and every horizon, for example "days" or "weeks". A label only: nothing is
        converted, and functions that combine models refuse a mixture.
    """

    parameter_names: ClassVar[tuple[str, ...]] = ()
    _scales: ClassVar[tuple[str, ...]] = ()  # parameters measured in units of the data, not shapes
    _walls: ClassVar[
        dict[tuple[str, int], str]
    ] = {}  # (parameter, -1 or 1) -> what it means that it ran there

    params_: dict[str, float]
    standard_errors_: dict[str, float | None]
    log_likelihood_: float
    n_customers_: float
    n_iterations_: int
    converged_: bool
    longest_age_: float
    warnings_: list[str]

    def __init__(self, max_iterations: int = 200, time_unit: str = "days") -> None:
        self.max_iterations = max_iterations
        self.time_unit = time_unit

    def fit(self, frame: pd.DataFrame, weight: ArrayLike | None = None) -> Self:
        """Estimate the parameters; defined by each model."""
        raise NotImplementedError

    def _estimate(
        self, groups: Groups, starts: list[Array], unit: float, warm: tuple[Groups, ...] = ()
    ) -> Optimum:
        """Maximise the mean log-likelihood and set everything that is learned.

        `unit` is the size of the data that scale parameters are measured against; `warm` are smaller versions of
        the data on which the search begins.
        """
        if self.max_iterations < 1:
            raise ConfigurationError(f"max_iterations is at least 1, got {self.max_iterations}")
        boxes = [
            (_SCALE_BOX[0] * unit, _SCALE_BOX[1] * unit) if name in self._scales else _SHAPE_BOX
            for name in self.parameter_names
        ]
        lower, upper = np.array(boxes).T
        for data in (*warm, groups):
            end = maximise(self._mean_objective(data), starts, lower, upper, self.max_iterations)
            starts = [np.exp(end.log_params)]
        self.n_customers_, self.longest_age_ = groups.total, 0.0
        self._learn(end, unit)
        return end

    def _mean_objective(self, groups: Groups) -> Any:
        evaluate, total = self._objective(groups), groups.total

        def mean(params: Array) -> Evaluation:
            value, gradient, hessian = evaluate(params)
            return value / total, gradient / total, hessian / total

        return mean

    def _objective(self, groups: Groups) -> Any:
        """Return the function parameters -> total log-likelihood, gradient and Hessian; defined by each model."""
        raise NotImplementedError

    def _learn(self, end: Optimum, unit: float) -> None:
        params = np.exp(end.log_params)
        self.params_ = dict(zip(self.parameter_names, params.tolist(), strict=True))
        self.log_likelihood_ = float(end.value * self.n_customers_)
        self.n_iterations_ = end.n_iterations
        self.converged_ = bool(end.converged)
        self._log_covariance = _covariance(end, self.n_customers_)
        spread = np.sqrt(np.diag(self._log_covariance))
        known = (end.at_wall == 0) & (spread > 0)
        self.standard_errors_ = {
            name: float(value * sd) if ok else None
            for name, value, sd, ok in zip(self.parameter_names, params, spread, known, strict=True)
        }
        self.warnings_ = self._say_what_went_wrong(end, spread, unit)

    def _say_what_went_wrong(self, end: Optimum, spread: Array, unit: float) -> list[str]:
        said = []
        if not end.converged:
            said.append(
                f"The fit had not converged after {end.n_iterations} iterations; raise max_iterations "
                f"(now {self.max_iterations}) and treat these parameters as provisional."
            )
        for name, side, sd in zip(self.parameter_names, end.at_wall.tolist(), spread, strict=True):
            if side:
                limit = "infinity" if side > 0 else "zero"
                meaning = self._walls.get((name, side), "the data do not bound it.")
                said.append(f"{name} runs to {limit} (held at {self.params_[name]:.3g}): {meaning}")
            elif sd > _WIDEST_SD:
                size = f"a factor of {np.exp(sd):.2g}" if sd < _NO_IDEA else "beyond any use"
                said.append(
                    f"{name} = {self.params_[name]:.3g} is hardly determined by the data: its standard error is {size}."
                )
        share = self._share_leaving(unit)
        if share is not None and share < _RARELY:
            said.append(
                f"Almost nobody is seen to leave (chance {share:.2g}): orders are forecast as by a base without "
                "dropout, and P(alive) is near 1 for all. Rank by probability_active, not by probability_alive."
            )
        return said

    def _share_leaving(self, age: float) -> float | None:
        """Return the share of new customers the model loses early, or None when it knows of no leaving."""
        return None

    def doubts(self, t: float) -> list[str]:
        """Return what speaks against forecasts over a horizon: the fit's warnings, and time beyond the data."""
        self._require_fitted()
        return [*self.warnings_, *horizon_doubts(check_horizon(t), self.longest_age_, self.time_unit)]

    def _note_ages(self, groups: Groups) -> None:
        """Learn the longest age and say what is odd about the ages; for models whose third column is the age."""
        self.longest_age_ = float(groups.tables[2][-1])
        self.warnings_ += age_doubts(groups.tables[2], groups.marginal(2), self.time_unit)

    def _read(self, frame: pd.DataFrame, weight: ArrayLike | None) -> Groups:
        """Return the checked distinct rows that the likelihood is a sum over; defined by each model."""
        raise NotImplementedError

    def sample_parameters(
        self, n: int, seed: int, frame: pd.DataFrame | None = None, weight: ArrayLike | None = None
    ) -> pd.DataFrame:
        """Draw parameters from the normal approximation to the likelihood, on the log scale (Laplace).

        Parameters
        ----------
        n : int
        seed : int
        frame : DataFrame, optional
            What the model was fitted on. With it, each draw is weighted by its true likelihood over that of the
            approximation, so that weighted means are right where the likelihood is not normal.
        weight : array of shape (rows,), optional
            As in `fit`.

        Returns
        -------
        DataFrame of n rows, one column a parameter, and `weight` (sum 1) when a frame is given; 1 / sum(weight^2) is
        how many draws they are worth. A parameter held at its limit does not vary; one the data hardly determine
        varies by a factor of 7 (one standard deviation) at most.
        """
        self._require_fitted()
        centre = np.log([self.params_[name] for name in self.parameter_names])
        values, axes = np.linalg.eigh(self._log_covariance)
        spread = np.sqrt(np.clip(values, 0.0, _WIDEST_SD**2))
        normal = np.random.default_rng(seed).standard_normal((n, len(centre)))
        draws = np.exp(centre + (normal * spread) @ axes.T)
        table = pd.DataFrame(draws, columns=list(self.parameter_names))
        if frame is not None:
            evaluate = self._objective(self._read(frame, weight))
            truth = np.array([evaluate(draw)[0] for draw in draws])
            apart = truth + 0.5 * np.sum(normal[:, spread > 0] ** 2, axis=1)
            apart = np.where(np.isfinite(apart), apart, -np.inf)
            share = np.exp(apart - apart.max())
            table["weight"] = share / share.sum()
        return table

    @classmethod
    def from_params(cls, params: Mapping[str, float], time_unit: str = "days") -> Self:
        """Return a model with given parameters, for example published ones; it has no standard errors.

        Examples
        --------
        >>> from segml.models.btyd import BetaGeoNBD
        >>> published = {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259}
        >>> model = BetaGeoNBD.from_params(published, time_unit="weeks")
        >>> round(float(model.expected_new_customer_purchases(39.0)), 3)
        1.195
        """
        if set(params) != set(cls.parameter_names):
            raise ConfigurationError(
                f"{cls.__name__} has the parameters {', '.join(cls.parameter_names)}, got {', '.join(params)}"
            )
        wrong = {name: value for name, value in params.items() if not (np.isfinite(value) and value > 0)}
        if wrong:
            raise ConfigurationError(f"parameters are finite and above zero, got {wrong}")
        model = cls(time_unit=time_unit)
        model.params_ = {name: float(params[name]) for name in cls.parameter_names}
        model.standard_errors_ = dict.fromkeys(cls.parameter_names)
        model._log_covariance = np.zeros((len(params), len(params)))
        model.log_likelihood_, model.n_customers_, model.longest_age_ = 0.0, 0.0, 0.0
        model.n_iterations_, model.converged_, model.warnings_ = 0, True, []
        return model

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted model as plain JSON-able values: a kilobyte, and no customer."""
        self._require_fitted()
        return {
            "model": type(self).__name__,
            "max_iterations": int(self.max_iterations),
            "time_unit": self.time_unit,
            "params": dict(self.params_),
            "standard_errors": dict(self.standard_errors_),
            "log_covariance": self._log_covariance.tolist(),
            "log_likelihood": self.log_likelihood_,
            "n_customers": self.n_customers_,
            "longest_age": self.longest_age_,
            "n_iterations": self.n_iterations_,
            "converged": self.converged_,
            "warnings": list(self.warnings_),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Rebuild a model from `to_dict`; its predictions are identical."""
        if saved.get("model") != cls.__name__:
            raise ModelError(
                f"this is a saved {saved.get('model')!r}, not a {cls.__name__}", "load it with its own class"
            )
        model = cls.from_params(saved["params"], saved["time_unit"])
        model.max_iterations = saved["max_iterations"]
        model.standard_errors_ = dict(saved["standard_errors"])
        model._log_covariance = np.array(saved["log_covariance"], dtype=np.float64)
        model.log_likelihood_, model.n_customers_ = saved["log_likelihood"], saved["n_customers"]
        model.n_iterations_, model.converged_ = saved["n_iterations"], saved["converged"]
        model.longest_age_ = saved.get("longest_age", 0.0)  # unknown to models saved before it was learned
        model.warnings_ = list(saved["warnings"])
        return model

    def _require_fitted(self) -> None:
        if not hasattr(self, "params_"):
            raise ModelError(f"this {type(self).__name__} has not been fitted", "call fit(frame) first")

    def _values(self) -> tuple[float, ...]:
        self._require_fitted()
        return tuple(self.params_[name] for name in self.parameter_names)


def _covariance(end: Optimum, total: float) -> Array:
    """Return the inverse of the observed information on the log scale; zero where it is not a maximum."""
    size = len(end.log_params)
    covariance = np.zeros((size, size))
    free = np.flatnonzero(end.at_wall == 0)
    if len(free):
        values, axes = np.linalg.eigh(-end.hessian[np.ix_(free, free)] * total)
        inverse = np.where(values > 0, 1.0 / np.maximum(values, 1e-12), 1e12)
        covariance[np.ix_(free, free)] = (axes * inverse) @ axes.T
    return covariance


def check_horizon(t: float) -> float:
    """Return a horizon as a float, or refuse one that is negative or not finite."""
    value = float(t)
    if not (np.isfinite(value) and value >= 0):
        raise ConfigurationError(f"a horizon is finite and zero or more, got {t!r}")
    return value


def as_column(values: Array, frame: pd.DataFrame, name: str) -> pd.Series:
    """Return one value a customer under the frame's own index."""
    return pd.Series(values, index=frame.index, name=name, dtype=np.float64)
