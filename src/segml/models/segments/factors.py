"""The few dimensions behind many items: varimax factors with signs and names that never flip.

Factors are for naming and describing segments; people are not clustered on them (tried on the Young People Survey
with 4, 6 and 8 factors: no more stable than the items). Scores use the answers that were given and no
others: the posterior mean of the factors under the fitted model, where an unanswered item brings no evidence.

References
----------
Horn, J. (1965), A rationale and test for the number of factors in factor analysis, Psychometrika 30.
Kaiser, H. (1958), The varimax criterion for analytic rotation in factor analysis, Psychometrika 23.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import FactorAnalysis
from sklearn.exceptions import ConvergenceWarning

MOST_FACTORS = 10
NAMED_ITEMS = 3
NAMED_FROM = 0.3
"""Items that load less are not part of a factor's name."""

PARALLEL_DRAWS = 10
LEAST_NOISE = 0.05
"""Uniqueness is kept from vanishing: within-person centring makes the items of a battery sum to zero."""


def count_factors(rows: np.ndarray, seed: int, at_most: int = MOST_FACTORS) -> int:
    """Factors whose eigenvalue exceeds what shuffled columns reach (parallel analysis, 95th percentile).

    Parameters
    ----------
    rows : array, shape (n, d)
        Standardised items without missing values.
    seed : int
    at_most : int

    Returns
    -------
    int
        At least 1.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> tastes = generator.normal(size=(500, 2))
    >>> count_factors(tastes[:, [0, 0, 0, 1, 1, 1]] + generator.normal(size=(500, 6)), seed=1)
    2
    """
    generator = np.random.default_rng(seed)
    shuffled = [
        _eigenvalues(generator.permuted(rows, axis=0))
        for _ in range(PARALLEL_DRAWS if rows.shape[1] > 1 else 0)
    ]
    if not shuffled:
        return 1
    above = _eigenvalues(rows) > np.quantile(shuffled, 0.95, axis=0)
    first_below = len(above) if above.all() else int(np.argmin(above))
    return int(np.clip(first_below, 1, min(at_most, max(1, rows.shape[1] // 2))))


def _eigenvalues(rows: np.ndarray) -> np.ndarray:
    return np.linalg.eigvalsh(np.cov(rows, rowvar=False).reshape(rows.shape[1], -1))[::-1]


class SurveyFactors:
    """Varimax factors of centred items.

    Parameters
    ----------
    n_factors : int, optional
        None takes as many as parallel analysis finds, at most 10.
    random_state : int

    Attributes
    ----------
    loadings_ : DataFrame, shape (items, n_factors)
        Items by factors, the factor that explains most first; the strongest loading of a factor is positive.
    noise_ : array, shape (items,)
        Variance of each item that no factor explains.
    factor_names_ : list of str
        The up to three items that load most, the strongest first.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> tastes = generator.normal(size=(500, 2))[:, [0, 0, 1, 1, 1]] + 0.5 * generator.normal(size=(500, 5))
    >>> factors = SurveyFactors(2).fit(pd.DataFrame(tastes, columns=["rock", "metal", "opera", "ballet", "jazz"]))
    >>> sorted(sorted(name.split(" / ")) for name in factors.factor_names_)
    [['ballet', 'jazz', 'opera'], ['metal', 'rock']]
    """

    def __init__(self, n_factors: int | None = None, random_state: int = 0) -> None:
        self.n_factors = n_factors
        self.random_state = random_state

    def fit(self, items: pd.DataFrame) -> SurveyFactors:
        """Learn loadings from centred items (people, items), NaN for unanswered.

        For the fit an unanswered item stands at the person's own level (0 after centring), the one value that adds
        no preference; items that do not vary get no loading.
        """
        raw = items.to_numpy(dtype=float)
        filled = np.nan_to_num(raw)
        self.mean_ = filled.mean(axis=0)
        scale = filled.std(axis=0)
        self.scale_ = np.where(scale > 1e-9, scale, 1.0)
        rows = (filled - self.mean_) / self.scale_
        n_factors = self.n_factors or count_factors(rows, self.random_state)
        model = FactorAnalysis(n_factors, rotation="varimax", random_state=self.random_state, max_iter=300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the third digit of a loading names nothing
            model.fit(rows)
        loadings = _signed_and_sorted(model.components_.T)
        names = [f"factor_{j + 1}" for j in range(loadings.shape[1])]
        self.loadings_ = pd.DataFrame(loadings, index=[str(c) for c in items.columns], columns=names)
        self.noise_ = np.maximum(model.noise_variance_, LEAST_NOISE)
        self.factor_names_ = [_name_of(self.loadings_[name]) for name in names]
        return self

    def transform(self, items: pd.DataFrame) -> pd.DataFrame:
        """Factor scores (people, n_factors) from the items each person answered; no answers give 0."""
        rows = (items[self.loadings_.index].to_numpy(dtype=float) - self.mean_) / self.scale_
        answered = ~np.isnan(rows)
        weights = self.loadings_.to_numpy() / self.noise_[:, None]
        evidence = np.where(answered, rows, 0.0) @ weights
        n_factors = weights.shape[1]
        # One small system a person, because everybody answered other items.
        products = np.einsum("jf,jg->jfg", weights, self.loadings_.to_numpy()).reshape(len(weights), -1)
        precision = (answered.astype(float) @ products).reshape(-1, n_factors, n_factors) + np.eye(n_factors)
        scores = np.linalg.solve(precision, evidence[:, :, None])[:, :, 0]
        return pd.DataFrame(scores, index=items.index, columns=self.loadings_.columns)

    def main_factor(self) -> dict[str, str]:
        """The factor on which each item loads most."""
        return {str(k): str(v) for k, v in self.loadings_.abs().idxmax(axis=1).items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python."""
        return {
            "n_factors": self.n_factors,
            "random_state": self.random_state,
            "items": list(self.loadings_.index),
            "loadings": self.loadings_.to_numpy().tolist(),
            "noise": self.noise_.tolist(),
            "mean": self.mean_.tolist(),
            "scale": self.scale_.tolist(),
            "factor_names": self.factor_names_,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> SurveyFactors:
        """Rebuild from `to_dict`; scores are identical."""
        factors = cls(stored["n_factors"], stored["random_state"])
        loadings = np.array(stored["loadings"], dtype=float)
        names = [f"factor_{j + 1}" for j in range(loadings.shape[1])]
        factors.loadings_ = pd.DataFrame(loadings, index=stored["items"], columns=names)
        for name in ("noise", "mean", "scale"):
            setattr(factors, f"{name}_", np.array(stored[name], dtype=float))
        factors.factor_names_ = list(stored["factor_names"])
        return factors


def _signed_and_sorted(loadings: np.ndarray) -> np.ndarray:
    """The strongest loading positive, the factor that explains most first: neither is given by the mathematics."""
    strongest = np.abs(np.round(loadings, 6)).argmax(axis=0)
    signs = np.where(loadings[strongest, np.arange(loadings.shape[1])] < 0, -1.0, 1.0)
    order = np.argsort(-np.round((loadings**2).sum(axis=0), 6), kind="stable")
    return (loadings * signs)[:, order]


def _name_of(loadings: pd.Series) -> str:
    ranked = loadings.sort_values(ascending=False, kind="stable")
    spoken = [str(item) for item in ranked[ranked >= NAMED_FROM].index[:NAMED_ITEMS]]
    return " / ".join(spoken or [str(ranked.index[0])])
