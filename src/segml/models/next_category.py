"""The main category of somebody's next order: own habits, what people who bought the same buy next, and popularity.

A mixture of five answers, each a distribution over the categories: how popular each is; the person's own orders, ever
and lately, shrunk to popularity; the transition from the last order's category; and the transitions from all own
orders, item to item. How far each is to be trusted depends on how many orders somebody has, so the weights are learnt
for each class of order counts by maximum likelihood (EM; the likelihood of a mixture with fixed parts is concave).

References: Rendle et al. (2010), factorised personalised Markov chains, of which this is the count-based, shrunk
relative; Hu et al. (2020) on personal frequency in next-basket recommendation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segml.errors import NotEnoughDataError
from segml.models.boosting import require_columns

FloatArray = NDArray[np.float64]
PARTS = ("popularity", "own orders", "own orders of 90 days", "after the last order", "after all orders")
_ORDER_CLASSES = np.array([1, 2, 4, 10])  # lower ends of the classes above "none"
_TOP = 3


class NextCategory:
    """P(main category of the next order) over a fixed list of categories.

    Parameters
    ----------
    categories : sequence of str
        At least two, most frequent first.
    own_weight, transition_weight : float
        Orders that popularity is worth beside a person's own, and beside a category's transitions.

    Attributes
    ----------
    popularity_ : array of shape (C,)
    transitions_ : array of shape (C, C)
        Row: from.
    weights_ : array of shape (5, 5)
        Class of order counts by part of the mixture (`PARTS`); rows add up to 1.
    """

    task = "next_category"

    def __init__(
        self, categories: Sequence[str], own_weight: float = 1.0, transition_weight: float = 20.0
    ) -> None:
        self.categories = list(categories)
        self.own_weight = own_weight
        self.transition_weight = transition_weight

    @property
    def feature_names_in_(self) -> list[str]:
        """Columns the model reads: orders by category, ever and in 90 days, and the place of the last one's."""
        places = range(len(self.categories))
        return [*(f"own_{i}" for i in places), *(f"recent_{i}" for i in places), "last_category"]

    def fit(self, people: pd.DataFrame, next_place: Any) -> NextCategory:
        """Learn from people at past cutoffs and the place of their next order's main category.

        Parameters
        ----------
        people : DataFrame of shape (n, 2 C + 1)
        next_place : array-like of shape (n,)
            0 to C - 1; -1 (another category) is left out.

        Raises
        ------
        NotEnoughDataError
            Fewer than two categories were bought next.
        """
        y = np.asarray(next_place, dtype=np.int64)
        people, y = people[y >= 0], y[y >= 0]
        size = len(self.categories)
        if len(np.unique(y)) < 2:
            raise NotEnoughDataError(
                f"{len(np.unique(y))} categories were bought next; two or more are needed"
            )
        self.popularity_ = (np.bincount(y, minlength=size) + 1.0) / (len(y) + size)
        last = people["last_category"].to_numpy(dtype=float)
        seen = ~np.isnan(last)
        pairs = np.zeros((size, size))
        np.add.at(pairs, (last[seen].astype(np.int64), y[seen]), 1.0)
        self.transitions_ = _shrunk(pairs, self.popularity_, self.transition_weight)
        own, parts = self._parts(people)
        likelihoods = np.column_stack([part[np.arange(len(y)), y] for part in parts])
        classes = _order_class(own)
        self.weights_ = np.vstack(
            [_mixture_weights(likelihoods[classes == c]) for c in range(len(_ORDER_CLASSES) + 1)]
        )
        return self

    def predict_proba(self, people: pd.DataFrame) -> FloatArray:
        """Return the probability of each category, shape (n, C)."""
        own, parts = self._parts(people)
        weights = self.weights_[_order_class(own)]
        mixed = sum(weights[:, [place]] * part for place, part in enumerate(parts))
        return np.asarray(mixed)

    def rank(self, people: pd.DataFrame, count: int = _TOP) -> tuple[NDArray[np.int64], FloatArray]:
        """Return places and probabilities of the likeliest categories, shape (n, count); ties by place."""
        probability = self.predict_proba(people)
        order = np.argsort(-probability, axis=1, kind="stable")[:, :count]
        return order, np.take_along_axis(probability, order, axis=1)

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return `next_category_1..3` and their probabilities; missing for people without a known order."""
        found = require_columns(features, self.feature_names_in_, self.task)
        known = found["own_0"].notna().to_numpy()
        count = min(_TOP, len(self.categories))
        names = np.full((len(found), count), None, dtype=object)
        probability = np.full((len(found), count), np.nan)
        if known.any():
            places, probability[known] = self.rank(found[known], count)
            names[known] = np.array(self.categories, dtype=object)[places]
        columns: dict[str, Any] = {}
        for place in range(count):
            columns[f"next_category_{place + 1}"] = names[:, place]
            columns[f"next_category_{place + 1}_probability"] = probability[:, place]
        return pd.DataFrame(columns, index=features.index)

    def to_dict(self) -> dict[str, Any]:
        """Plain content for JSON."""
        learned = {name: getattr(self, name).tolist() for name in ("popularity_", "transitions_", "weights_")}
        given = ("categories", "own_weight", "transition_weight")
        return {name: getattr(self, name) for name in given} | learned

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> NextCategory:
        """Inverse of `to_dict`."""
        model = cls(content["categories"], content["own_weight"], content["transition_weight"])
        for name in ("popularity_", "transitions_", "weights_"):
            setattr(model, name, np.array(content[name], dtype=float))
        return model

    def _parts(self, people: pd.DataFrame) -> tuple[FloatArray, list[FloatArray]]:
        """Return own counts, and the five distributions of each person; sums go category by category.

        A matrix product's last bit depends on how many rows it has, and a chunk must not change a score.
        """
        table = require_columns(people, self.feature_names_in_, self.task).to_numpy(dtype=float)
        size = len(self.categories)
        own, recent, last = table[:, :size], table[:, size : 2 * size], table[:, -1]
        popular = np.broadcast_to(self.popularity_, own.shape)
        habit = _shrunk(own, popular, self.own_weight)
        lately = _shrunk(recent, habit, self.own_weight)
        known = ~np.isnan(last)
        after = np.array(popular)
        after[known] = self.transitions_[last[known].astype(np.int64)]
        total = np.array(self.own_weight * popular)
        for place in range(size):
            total += own[:, [place]] * self.transitions_[place]
        everything = total / (self.own_weight + own.sum(axis=1, keepdims=True))
        return own, [np.array(popular), habit, lately, after, everything]


def _shrunk(counts: FloatArray, prior: FloatArray, weight: float) -> FloatArray:
    return np.asarray((counts + weight * prior) / (counts.sum(axis=1, keepdims=True) + weight))


def _order_class(own: FloatArray) -> NDArray[np.int64]:
    return np.asarray(np.searchsorted(_ORDER_CLASSES, own.sum(axis=1), side="right"), dtype=np.int64)


def _mixture_weights(likelihoods: FloatArray, steps: int = 200, beforehand: float = 5.0) -> FloatArray:
    """EM for the weights of known distributions; `beforehand` people are spread evenly over the parts."""
    parts = likelihoods.shape[1]
    weights = np.full(parts, 1.0 / parts)
    for _ in range(steps if len(likelihoods) else 0):
        share = likelihoods * weights
        share /= share.sum(axis=1, keepdims=True)
        new = (share.sum(axis=0) + beforehand / parts) / (len(likelihoods) + beforehand)
        done = np.abs(new - weights).max() < 1e-6
        weights = new
        if done:
            break
    return weights
