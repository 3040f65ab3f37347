"""What a customer does in one arm, and the doubly robust score made of it.

The outcome model is a ridge logistic on signed logs for 0/1 outcomes and a ridge line on the same design for money.
Trees were no better here: with arms drawn by lot the doubly robust score is unbiased whatever the outcome model says,
and a steady model only makes it less noisy.

References
----------
Robins, Rotnitzky and Zhao (1994), Estimation of regression coefficients when some regressors are not always observed.
Kennedy (2023), Towards optimal doubly robust estimation of heterogeneous causal effects. Golub, Heath and Wahba (1979),
Generalized cross-validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import expit

from segml.evaluation.uplift_policy import doubly_robust_scores
from segml.models.boosting import FloatArray
from segml.models.log_linear import LogLogistic, signed_log
from segml.models.uplift.trial import IntArray, Trial

FOLDS = 3  # outcome models never see the customers they are used for
PENALTIES = tuple(10.0**power for power in range(-1, 6))


class RidgeLine:
    """Least squares on standardised signed logs with flags for missing values; the penalty by cross-validation.

    Parameters
    ----------
    penalties : sequence of float
        Candidates in units of rows; generalised cross-validation picks one for each target.

    Examples
    --------
    >>> x = np.linspace(0, 9, 200).reshape(-1, 1)
    >>> line = RidgeLine().fit(x, np.log1p(x))
    >>> line.predict(np.array([[0.0], [np.nan]])).shape
    (2, 1)
    """

    def __init__(self, penalties: tuple[float, ...] = PENALTIES) -> None:
        self.penalties = tuple(penalties)

    def fit(self, X: FloatArray, targets: FloatArray) -> RidgeLine:
        """Learn one line a column of `targets`, shape (n, k)."""
        logs = signed_log(X)
        known = ~np.isnan(logs)
        counts = np.maximum(known.sum(axis=0), 1)
        self.centre_ = np.where(known, logs, 0.0).sum(axis=0) / counts
        spread = np.sqrt((np.where(known, logs - self.centre_, 0.0) ** 2).sum(axis=0) / counts)
        self.scale_ = np.where(spread > 1e-12, spread, 1.0)
        self.flagged_ = np.flatnonzero(~known.all(axis=0))
        design = self._design(X)
        self.middle_ = design.mean(axis=0)
        self.intercept_ = targets.mean(axis=0)
        self.coef_ = _ridge(design - self.middle_, targets - self.intercept_, self.penalties)
        return self

    def _design(self, X: FloatArray) -> FloatArray:
        z = (signed_log(X) - self.centre_) / self.scale_
        missing = np.isnan(z)
        return np.hstack([np.where(missing, 0.0, z), missing[:, self.flagged_].astype(float)])

    def predict(self, X: FloatArray) -> FloatArray:
        """Shape (n, k)."""
        return np.asarray((self._design(X) - self.middle_) @ self.coef_ + self.intercept_)

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON."""
        learned = ("centre_", "scale_", "flagged_", "middle_", "intercept_", "coef_")
        return {name: getattr(self, name).tolist() for name in learned}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RidgeLine:
        """Inverse of `to_dict`."""
        line = cls()
        for name, values in content.items():
            setattr(line, name, np.array(values, dtype=int if name == "flagged_" else float))
        return line


def _ridge(design: FloatArray, targets: FloatArray, penalties: tuple[float, ...]) -> FloatArray:
    """Coefficients of centred data, shape (features, k), each column with the penalty of least GCV error."""
    values, vectors = np.linalg.eigh(design.T @ design)
    values = np.maximum(values, 0.0)
    rotated = vectors.T @ (design.T @ targets)
    total = (targets**2).sum(axis=0)
    best = np.full(targets.shape[1], np.inf)
    coefficients = np.zeros_like(rotated)
    for penalty in penalties:
        shrunk = rotated / (values + penalty)[:, None]
        residual = total - 2 * (shrunk * rotated).sum(axis=0) + (shrunk**2 * values[:, None]).sum(axis=0)
        freedom = len(design) - 1 - (values / (values + penalty)).sum()
        error = residual / freedom**2
        better = error < best * (1 - 1e-9)
        best = np.where(better, error, best)
        coefficients[:, better] = shrunk[:, better]
    return np.asarray(vectors @ coefficients)


class OutcomeModel:
    """Expected outcome of one group of customers: a logistic for 0/1, a line otherwise.

    A group in which nothing varies gets its mean.
    """

    model_: LogLogistic | RidgeLine | float

    def fit(self, X: FloatArray, y: FloatArray, *, binary: bool) -> OutcomeModel:
        """Learn from the customers of the group."""
        if len(y) < 2 or np.ptp(y) == 0:
            self.model_ = float(y.mean()) if len(y) else 0.0
        elif binary:
            self.model_ = LogLogistic(range(X.shape[1])).fit(X, y)
        else:
            self.model_ = RidgeLine().fit(X, y[:, None])
        return self

    def predict(self, X: FloatArray) -> FloatArray:
        """Expected outcome, shape (n,)."""
        if isinstance(self.model_, LogLogistic):
            return np.asarray(expit(self.model_.log_odds(X)))
        if isinstance(self.model_, RidgeLine):
            return np.asarray(self.model_.predict(X)[:, 0])
        return np.full(len(X), self.model_)

    def to_dict(self) -> dict[str, Any]:
        """Kind and content for JSON."""
        if isinstance(self.model_, float):
            return {"mean": self.model_}
        kind = "logistic" if isinstance(self.model_, LogLogistic) else "line"
        return {kind: self.model_.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> OutcomeModel:
        """Inverse of `to_dict`."""
        model = cls()
        if "logistic" in content:
            model.model_ = LogLogistic.from_dict(content["logistic"])
        elif "line" in content:
            model.model_ = RidgeLine.from_dict(content["line"])
        else:
            model.model_ = float(content["mean"])
        return model


def fit_outcomes(trial: Trial) -> list[OutcomeModel]:
    """One outcome model an arm, control first; learned once a campaign."""
    if "outcomes" not in trial.memory:
        trial.memory["outcomes"] = [
            OutcomeModel().fit(trial.X[trial.arm == arm], trial.y[trial.arm == arm], binary=trial.binary)
            for arm in range(len(trial.arms) + 1)
        ]
    models: list[OutcomeModel] = trial.memory["outcomes"]
    return models


def expected_outcomes(models: list[OutcomeModel], X: FloatArray) -> FloatArray:
    """Expected outcome in each arm, shape (n, arms + 1)."""
    return np.column_stack([model.predict(X) for model in models])


def cross_fitted_scores(trial: Trial, fold: IntArray) -> FloatArray:
    """Doubly robust score of each customer in each arm, shape (n, arms + 1), outcome models from the other folds."""
    expected = np.empty((len(trial), len(trial.arms) + 1))
    for part in range(int(fold.max()) + 1):
        held = fold == part
        expected[held] = expected_outcomes(fit_outcomes(trial.rows(~held)), trial.X[held])
    return doubly_robust_scores(trial.y, trial.arm, trial.probability, expected)


def pseudo_increments(trial: Trial, seed: int) -> FloatArray:
    """Unbiased increment of each customer and treatment, shape (n, arms); made once a campaign.

    Each number is far too noisy to be read by itself; its mean over any group of customers is that group's increment.
    """
    if ("scores", seed) not in trial.memory:
        trial.memory["scores", seed] = cross_fitted_scores(trial, trial.folds(FOLDS, seed))
    scores = trial.memory["scores", seed]
    return np.asarray(scores[:, 1:] - scores[:, :1])
