"""Inferred psychographics: what people are interested in, read from what they buy.

Everybody buys groceries, so a share of spend says little by itself; a share *above the base's* does. Shares are
weighted by how far they over-index, and non-negative matrix factorisation finds the few mixtures of categories
("interests") that people combine. Interests are a mixture: a customer has all of them, in proportions that sum to 1.
Declared interests (surveys) are another tag and stay apart.

References
----------
Lee, D. and Seung, H. (1999), Learning the parts of objects by non-negative matrix factorization, Nature 401.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from segml.errors import NotEnoughDataError, did_you_mean
from segml.models.segments.preparation import FeatureError, refuse_infinite

PREFIX = "affinity_"
UNKNOWN = -1
SWEEPS = 60
CHUNK_ROWS = 8_192
SETTINGS = (
    "n_topics",
    "topic_range",
    "min_orders",
    "evidence",
    "min_stability",
    "n_halvings",
    "sample_size",
    "random_state",
    "preferred_topics",
)
NAMED_CATEGORIES = 2


class InterestSegmenter:
    """Interests of customers as a mixture of topics over their category affinities.

    The number of interests is the largest in `topic_range` whose topics come back in random halves of the base
    (the cosine of the worst topic with its match in the other half, median over `n_halvings` splits, is at least
    `min_stability`), and at most half as many as there are categories. When none does, there is one interest for
    everyone and `stable_` is False.

    Parameters
    ----------
    n_topics : int, optional
        Number of interests; None applies the rule above.
    topic_range : (int, int)
    min_orders : int
        Customers with fewer orders are "unknown" (label -1): one basket is not an interest.
    evidence : str
        Column that counts the orders; when the frame has none, only customers without purchases are unknown.
    min_stability : float
    n_halvings : int
        Random splits for each number of interests.
    sample_size : int
    random_state : int
    preferred_topics : int, optional
        Taken while its topics come back in random halves: the number of interests there were before. How many come
        back at most changes from month to month, and segments that come and go are of no use.

    Attributes
    ----------
    topics_ : array, shape (n_topics_, n_categories)
        Each row sums to 1; ordered by the customers whose main interest it is.
    topic_names_ : list of str
        From the categories that over-index most in the topic.
    selection_ : DataFrame
        `n_topics, stability_median, chosen`.
    labels_ : Series, index customer_id
        Main interest of each fitted customer. Not part of `to_dict`.
    base_shares_ : array, shape (n_categories,)
    choice_reason_, stable_, feature_names_in_, n_topics_

    Examples
    --------
    >>> share = np.repeat(np.eye(3) * 0.8 + 0.1 * (1 - np.eye(3)), 30, axis=0)
    >>> base = pd.DataFrame(share, columns=["affinity_wine", "affinity_toys", "affinity_garden"])
    >>> interests = InterestSegmenter(n_topics=3).fit(base)
    >>> sorted(interests.topic_names_)
    ['garden', 'toys', 'wine']
    >>> interests.predict_mixture(base).sum(axis=1).round(6).unique().tolist()
    [1.0]
    """

    def __init__(
        self,
        n_topics: int | None = None,
        topic_range: tuple[int, int] = (3, 8),
        min_orders: int = 2,
        evidence: str = "orders_total",
        min_stability: float = 0.8,
        n_halvings: int = 6,
        sample_size: int = 50_000,
        random_state: int = 0,
        preferred_topics: int | None = None,
    ) -> None:
        self.n_topics = n_topics
        self.topic_range = topic_range
        self.min_orders = min_orders
        self.evidence = evidence
        self.min_stability = min_stability
        self.n_halvings = n_halvings
        self.sample_size = sample_size
        self.random_state = random_state
        self.preferred_topics = preferred_topics

    def fit(self, features: pd.DataFrame, y: None = None) -> InterestSegmenter:
        """Learn the base's shares and the interests from all `affinity_*` columns that anybody has bought.

        Raises
        ------
        NotEnoughDataError
            Fewer than two categories, or fewer than 20 customers with enough orders.
        FeatureError
            Infinite or negative shares.
        """
        names = [str(c) for c in features.columns if str(c).startswith(PREFIX)]
        bought = [name for name in names if (features[name] > 0).any()]
        self.categories_ = bought
        self.feature_names_in_ = [*bought, *([self.evidence] if self.evidence in features.columns else [])]
        self._check_enough(features, names)
        shares, known = self._shares(features)
        self.base_shares_ = shares[known].mean(axis=0)
        rows = over_index(shares[known], self.base_shares_)
        rows = rows[np.lexsort(rows.T[::-1])]
        if len(rows) > self.sample_size:
            drawn = np.random.default_rng(self.random_state).choice(
                len(rows), self.sample_size, replace=False
            )
            rows = rows[np.sort(drawn)]
        with threadpool_limits(limits=1):
            self._choose_and_fit(rows)
        self.labels_ = self.predict(features)
        return self

    def predict_mixture(self, features: pd.DataFrame) -> pd.DataFrame:
        """Proportions of the interests; rows sum to 1, and are NaN for unknown customers."""
        shares, known = self._shares(features)
        mixture = np.full((len(shares), self.n_topics_), np.nan)
        weighted = over_index(shares[known], self.base_shares_)
        parts = [
            _mixture(weighted[i : i + CHUNK_ROWS], self.topics_) for i in range(0, len(weighted), CHUNK_ROWS)
        ]
        mixture[known] = np.concatenate(parts) if parts else mixture[known]
        return pd.DataFrame(mixture, index=features.index, columns=self.topic_names_)

    def predict(self, features: pd.DataFrame) -> pd.Series:
        """Main interest of each customer, -1 for unknown."""
        mixture = self.predict_mixture(features).to_numpy()
        known = ~np.isnan(mixture[:, 0])
        main = np.where(known, np.nan_to_num(mixture).argmax(axis=1), UNKNOWN)
        return pd.Series(main, index=features.index, name="interest")

    def predict_proba(self, features: pd.DataFrame) -> np.ndarray:
        """The mixture as an array, shape (n, n_topics_)."""
        return self.predict_mixture(features).to_numpy()

    def coordinates(self, features: pd.DataFrame) -> np.ndarray:
        """Over-indexed shares, shape (n, n_categories): where interests are told apart; NaN for unknown customers."""
        shares, known = self._shares(features)
        rows = np.full(shares.shape, np.nan)
        rows[known] = over_index(shares[known], self.base_shares_)
        return rows

    @property
    def n_topics_(self) -> int:
        return len(self.topics_)

    def to_dict(self) -> dict[str, Any]:
        """Return settings, topics and base shares as plain Python."""
        parameters = {name: getattr(self, name) for name in SETTINGS}
        return {
            "class": type(self).__name__,
            "parameters": {n: list(v) if isinstance(v, tuple) else v for n, v in parameters.items()},
            "categories": self.categories_,
            "feature_names": self.feature_names_in_,
            "base_shares": self.base_shares_.tolist(),
            "topics": self.topics_.tolist(),
            "topic_names": self.topic_names_,
            "stable": self.stable_,
            "choice_reason": self.choice_reason_,
            "selection": {str(c): values.tolist() for c, values in self.selection_.items()},
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> InterestSegmenter:
        """Rebuild from `to_dict`; predictions are identical."""
        parameters: dict[str, Any] = {
            n: tuple(v) if isinstance(v, list) else v for n, v in stored["parameters"].items()
        }
        segmenter = cls(**parameters)
        segmenter.categories_ = stored["categories"]
        segmenter.feature_names_in_ = stored["feature_names"]
        segmenter.base_shares_ = np.asarray(stored["base_shares"], dtype=float)
        segmenter.topics_ = np.asarray(stored["topics"], dtype=float)
        segmenter.topic_names_ = stored["topic_names"]
        segmenter.stable_, segmenter.choice_reason_ = stored["stable"], stored["choice_reason"]
        segmenter.selection_ = pd.DataFrame(stored["selection"])
        return segmenter

    def _check_enough(self, features: pd.DataFrame, names: list[str]) -> None:
        if len(self.categories_) < 2:
            raise NotEnoughDataError(
                f"interests need at least 2 categories that somebody bought, and there are {len(self.categories_)} "
                f"of {len(names)} columns named {PREFIX}*",
                next_step="give order lines with a category, or leave interests out",
            )
        known = int(self._shares(features)[1].sum())
        if known < 20:
            raise NotEnoughDataError(
                f"interests need at least 20 customers with {self.min_orders} orders or more, and there are {known}",
                next_step="wait for more orders, or lower min_orders",
            )

    def _shares(self, features: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Shares that sum to 1, shape (n, n_categories), and who has enough evidence."""
        absent = [name for name in self.feature_names_in_ if name not in features.columns]
        if absent:
            hints = ", ".join(name + did_you_mean(name, map(str, features.columns)) for name in absent)
            raise FeatureError(
                f"interests were learnt from columns that this frame does not have: {hints}",
                next_step="compute the same affinities as at training",
            )
        values = features[self.categories_].to_numpy(dtype=float)
        refuse_infinite(values, self.categories_)
        # A category returned for more than was bought is no interest in it.
        values = np.maximum(np.nan_to_num(values), 0.0)
        total = values.sum(axis=1, keepdims=True)
        known = total[:, 0] > 0
        if self.evidence in self.feature_names_in_:
            known &= np.nan_to_num(features[self.evidence].to_numpy(dtype=float)) >= self.min_orders
        return values / np.where(total > 0, total, 1.0), known

    def _choose_and_fit(self, rows: np.ndarray) -> None:
        # An interest combines categories; as many topics as categories would always come back, and say nothing.
        top = max(2, min(self.topic_range[1], rows.shape[1] // 2))
        candidates = [self.n_topics] if self.n_topics else list(range(min(self.topic_range[0], top), top + 1))
        stability = [self._stability(rows, n) for n in candidates]
        self.selection_ = pd.DataFrame({"n_topics": candidates, "stability_median": stability})
        passing = [n for n, s in zip(candidates, stability, strict=True) if s >= self.min_stability]
        self.stable_ = bool(passing)
        as_before = self.preferred_topics if self.preferred_topics in passing else None
        n = self.n_topics or as_before or max(passing, default=1)
        self.selection_["chosen"] = self.selection_["n_topics"] == n
        topics = _factorise(rows, n)
        sizes = np.bincount(_mixture(rows, topics).argmax(axis=1), minlength=n)
        self.topics_ = topics[np.lexsort([*np.round(topics, 6).T[::-1], -sizes])]
        self.topic_names_ = _topic_names(self.topics_, self.categories_)
        self.choice_reason_ = self._choice_sentence(n)

    def _choice_sentence(self, n: int) -> str:
        frame = self.selection_.sort_values("stability_median", ascending=False)
        best, found = frame.iloc[0], frame[frame["chosen"]]
        if len(found):
            verdict = "" if self.stable_ else ", which is NOT stable by the rules"
            return (
                f"{n} interests: in random halves of the base even the worst topic comes back with a median cosine of "
                f"{found['stability_median'].iloc[0]:.2f}{verdict}."
            )
        return (
            f"No stable interests: the best was {best['n_topics']:.0f}, where the worst topic comes back with a median "
            f"cosine of {best['stability_median']:.2f}, below {self.min_stability:.2f}; everyone shares one."
        )

    def _stability(self, rows: np.ndarray, n: int) -> float:
        cosines = []
        for halving in range(self.n_halvings):
            order = np.random.default_rng([self.random_state, halving]).permutation(len(rows))
            halves = np.sort(order[: len(rows) // 2]), np.sort(order[len(rows) // 2 :])
            one, other = (_unit(_factorise(rows[half], n)) for half in halves)
            similarity = one @ other.T
            matched = linear_sum_assignment(similarity, maximize=True)
            cosines.append(float(similarity[matched].min()))
        return float(np.median(cosines))


def over_index(shares: np.ndarray, base_shares: np.ndarray) -> np.ndarray:
    """Weight shares by how far they exceed the base's; rows of unit length.

    The weight is share / sqrt(base share) x log(1 + share / base share): the first factor is the chi-squared scaling
    of correspondence analysis, which keeps a category that everybody buys from being everybody's interest; the
    second is the tf-idf of baskets, which counts twice the base's share for more than twice.

    Examples
    --------
    >>> over_index(np.array([[0.5, 0.5]]), np.array([0.9, 0.1])).round(2).tolist()
    [[0.08, 1.0]]
    """
    base = np.maximum(base_shares, 1e-6)
    return _unit(shares / np.sqrt(base) * np.log1p(shares / base))


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _factorise(rows: np.ndarray, n: int) -> np.ndarray:
    """Topics of shape (n, n_categories), each summing to 1, from a start that needs no random numbers."""
    model = NMF(n, init="nndsvda", random_state=0, max_iter=400, tol=1e-4)
    with warnings.catch_warnings():
        # What has not settled does not come back in the other half either, and is judged there.
        warnings.simplefilter("ignore", ConvergenceWarning)
        topics = model.fit(rows).components_
    return topics / np.maximum(topics.sum(axis=1, keepdims=True), 1e-12)


def _mixture(rows: np.ndarray, topics: np.ndarray) -> np.ndarray:
    """Non-negative weights of fixed topics by coordinate descent, scaled to sum to 1.

    scikit-learn's own transform starts from the mean of the batch and stops by the batch, so one customer's
    answer would depend on the others; a fixed number of sweeps from a fixed start does not.
    """
    gram = topics @ topics.T
    target = rows @ topics.T
    weights = np.zeros_like(target)
    for _ in range(SWEEPS):
        for j in range(len(topics)):
            weights[:, j] += (target[:, j] - weights @ gram[:, j]) / max(gram[j, j], 1e-12)
            np.maximum(weights[:, j], 0.0, out=weights[:, j])
    total = weights.sum(axis=1, keepdims=True)
    return np.where(total > 0, weights / np.where(total > 0, total, 1.0), 1.0 / len(topics))


def _topic_names(topics: np.ndarray, categories: list[str]) -> list[str]:
    """Names from the heaviest categories of each topic; a second category only when it weighs half the first."""
    spoken = [name.removeprefix(PREFIX).replace("_", " ") for name in categories]
    names: list[str] = []
    for topic in topics:
        order = np.argsort(-topic, kind="stable")
        told = [j for j in order[:NAMED_CATEGORIES] if topic[j] >= 0.5 * topic[order[0]]]
        name = " and ".join(spoken[j] for j in told)
        if name in names:
            name = " and ".join(spoken[j] for j in order[: NAMED_CATEGORIES + 1])
        names.append(name if name not in names else f"{name} ({len(names) + 1})")
    return names
