"""People without a survey, placed by what they do: always marked as inferred, and only when that beats guessing.

A multinomial logistic regression on snapshot features learns the declared segments of those who answered. How good
it is comes from cross-validation: everybody is predicted by a model that has not seen them, and the hits are compared
with the majority rule ("everyone is in the largest segment"). When the gain is not clearly above zero (one-sided
95 %), nobody is placed and the sentence says why: behaviour tells what people do, and often not what they think.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from segml.errors import NotEnoughDataError
from segml.models.segments.identity import UNKNOWN_ID
from segml.models.segments.preparation import (
    FeatureError,
    FeaturePreparation,
    columns_of,
    learn_preparation,
    refuse_infinite,
)

Z_ONE_SIDED = 1.644854
LEAST_PEOPLE = 10
"""People of each segment, below which nothing is learnt."""

STRENGTH = 0.1
"""Inverse of the ridge penalty: behaviour says little about attitudes, and strong coefficients would be noise."""


class SegmentPlacement:
    """Place people in declared segments by their behaviour.

    Parameters
    ----------
    features : sequence of str, optional
        Columns to use; None uses every column of the frame given to `fit`.
    folds : int
        Of the cross-validation; a person's fold comes from md5 of the id.

    Attributes
    ----------
    available_ : bool
        Whether people are placed at all.
    accuracy_, majority_accuracy_ : float
        Cross-validated share of hits, and that of the majority rule.
    gain_low_ : float
        One-sided 95 % limit of the gain in accuracy.
    mean_probability_ : float
        Mean probability of the predicted segment in cross-validation; beside `accuracy_` it tells whether the
        probabilities can be believed.
    reason_ : str
        One sentence with these figures.
    segment_ids_, segment_names_ : list of str
    feature_names_in_ : list of str

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> people = [f"c{i:03d}" for i in range(200)]
    >>> lean = np.arange(200) % 2
    >>> told = pd.DataFrame({"segment_declared_id": np.where(lean, "D1", "D2"),
    ...                      "segment_declared_name": np.where(lean, "price", "novelty")}, index=people)
    >>> features = pd.DataFrame({"discount_share": 0.3 * lean + generator.random(200)}, index=people)
    >>> placement = SegmentPlacement().fit(features, told)
    >>> placement.available_, placement.accuracy_ > placement.majority_accuracy_
    (True, True)
    >>> placement.score(features.iloc[:1])["segment_declared_source"].tolist()
    ['inferred']
    """

    def __init__(self, features: tuple[str, ...] | None = None, folds: int = 5) -> None:
        self.features = features
        self.folds = folds

    def fit(self, features: pd.DataFrame, declared: pd.DataFrame) -> SegmentPlacement:
        """Learn from the people who are in both frames and whose declared segment is known.

        Parameters
        ----------
        features : DataFrame, index customer_id
            Snapshot, NaN for unknown.
        declared : DataFrame, index customer_id
            From `DeclaredSegments.score`.

        Raises
        ------
        NotEnoughDataError
            No two segments with 10 people who have both a survey and features.
        """
        if self.features is not None:
            features = columns_of(features, list(self.features))
        known = declared[declared["segment_declared_id"] != UNKNOWN_ID]
        people = sorted(set(known.index) & set(features.index))
        labels = known.loc[people, "segment_declared_id"].astype(str)
        sizes = labels.value_counts()
        if len(sizes) < 2 or sizes.iloc[1] < LEAST_PEOPLE:
            raise NotEnoughDataError(
                f"placement is unavailable, because two segments of {LEAST_PEOPLE} people with a survey and "
                f"behaviour are needed, and there are {sizes.to_dict()}",
                "collect more answers from customers",
            )
        self.feature_names_in_ = [str(name) for name in features.columns]
        self.segment_ids_ = sorted(sizes.index)
        names = known.drop_duplicates("segment_declared_id").set_index("segment_declared_id")[
            "segment_declared_name"
        ]
        self.segment_names_ = [str(names[i]) for i in self.segment_ids_]
        values = features.loc[people].to_numpy(dtype=float)
        refuse_infinite(values, self.feature_names_in_)
        codes = np.searchsorted(self.segment_ids_, labels.to_numpy(dtype=object).astype(str))
        with threadpool_limits(limits=1):
            self._judge(values, codes, people)
            self.preparation_, self.coefficients_ = _fit(values, codes, len(self.segment_ids_))
        return self

    def predict_proba(self, features: pd.DataFrame) -> pd.DataFrame:
        """Probability of each segment (columns: ids), whether or not it is good enough to be used."""
        values = columns_of(features, self.feature_names_in_).to_numpy(dtype=float)
        refuse_infinite(values, self.feature_names_in_)
        chances = _predict(self.preparation_, self.coefficients_, values)
        return pd.DataFrame(chances, index=features.index, columns=self.segment_ids_)

    def score(self, features: pd.DataFrame, declared: pd.DataFrame | None = None) -> pd.DataFrame:
        """The segment of everybody in `features`: what people said goes first, inference fills the gaps.

        Parameters
        ----------
        features : DataFrame, index customer_id
        declared : DataFrame, optional
            From `DeclaredSegments.score`; its known people keep their segment.

        Returns
        -------
        DataFrame, same index as `features`
            `segment_declared_id, segment_declared_name, segment_declared_membership` and
            `segment_declared_source` ("declared", "inferred" or "unknown"). An inferred membership is the model's
            own probability.
        """
        chances = self.predict_proba(features).to_numpy()
        best = chances.argmax(axis=1)
        ids, names = np.array(self.segment_ids_, dtype=object), np.array(self.segment_names_, dtype=object)
        placed = pd.DataFrame(
            {
                "segment_declared_id": ids[best] if self.available_ else UNKNOWN_ID,
                "segment_declared_name": names[best] if self.available_ else UNKNOWN_ID,
                "segment_declared_membership": chances.max(axis=1) if self.available_ else np.nan,
                "segment_declared_source": "inferred" if self.available_ else UNKNOWN_ID,
            },
            index=features.index,
        )
        if declared is None:
            return placed
        told = declared[declared["segment_declared_id"] != UNKNOWN_ID]
        told = told[told.index.isin(placed.index)]
        placed.loc[told.index, told.columns] = told
        placed.loc[told.index, "segment_declared_source"] = "declared"
        return placed

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python."""
        return {
            "class": type(self).__name__,
            "features": list(self.features) if self.features else None,
            "folds": self.folds,
            "feature_names": self.feature_names_in_,
            "segment_ids": self.segment_ids_,
            "segment_names": self.segment_names_,
            "preparation": self.preparation_.to_dict(),
            "coefficients": self.coefficients_.tolist(),
            **{name: getattr(self, name) for name in _FIGURES},
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> SegmentPlacement:
        """Rebuild from `to_dict`; scores are identical."""
        placement = cls(tuple(stored["features"]) if stored["features"] else None, stored["folds"])
        placement.feature_names_in_ = list(stored["feature_names"])
        placement.segment_ids_, placement.segment_names_ = stored["segment_ids"], stored["segment_names"]
        placement.preparation_ = FeaturePreparation.from_dict(stored["preparation"])
        placement.coefficients_ = np.array(stored["coefficients"], dtype=float)
        for name in _FIGURES:
            setattr(placement, name, stored[name])
        return placement

    def _judge(self, values: np.ndarray, codes: np.ndarray, people: list[str]) -> None:
        """Cross-validate against the majority rule, which is learnt inside each fold as well."""
        fold = np.array([int(hashlib.md5(str(p).encode()).hexdigest()[:8], 16) % self.folds for p in people])
        chances = np.full((len(codes), len(self.segment_ids_)), np.nan)
        majority = np.zeros(len(codes), dtype=int)
        for f in np.unique(fold):
            rest = fold != f
            if len(np.unique(codes[rest])) < 2:
                raise FeatureError("one fold holds all people of a segment", "use fewer folds")
            fitted = _fit(values[rest], codes[rest], chances.shape[1])
            chances[~rest] = _predict(*fitted, values[~rest])
            majority[~rest] = np.bincount(codes[rest]).argmax()
        hits, lucky = chances.argmax(axis=1) == codes, majority == codes
        gain = hits.astype(float) - lucky
        self.accuracy_, self.majority_accuracy_ = float(hits.mean()), float(lucky.mean())
        self.gain_low_ = float(gain.mean() - Z_ONE_SIDED * gain.std(ddof=1) / np.sqrt(len(gain)))
        self.mean_probability_ = float(chances.max(axis=1).mean())
        self.available_ = bool(self.gain_low_ > 0)
        verdict = (
            "people without a survey are placed by behaviour"
            if self.available_
            else "placement by behaviour is unavailable, because it is not clearly better than the majority rule"
        )
        self.reason_ = (
            f"{verdict}: over {len(codes)} people with both, {self.accuracy_:.1%} are placed right by a model that has "
            f"not seen them, against {self.majority_accuracy_:.1%} by the majority rule (the gain is at least "
            f"{100 * self.gain_low_:+.1f} points)."
        )


_FIGURES = ("available_", "accuracy_", "majority_accuracy_", "gain_low_", "mean_probability_", "reason_")


def _fit(values: np.ndarray, codes: np.ndarray, n_segments: int) -> tuple[FeaturePreparation, np.ndarray]:
    """Preparation, and coefficients of shape (n_segments, 1 + n_kept), the intercept first."""
    preparation = learn_preparation(values)
    model = LogisticRegression(C=STRENGTH, max_iter=500).fit(preparation.transform(values), codes)
    weights, intercepts = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes
        weights, intercepts = np.vstack([0 * weights, weights]), np.append(0.0, intercepts)
    coefficients = np.zeros((n_segments, 1 + weights.shape[1]))
    coefficients[:, 0] = -np.inf  # a segment without anybody in this fold is never predicted
    coefficients[model.classes_] = np.column_stack([intercepts, weights])
    return preparation, coefficients


def _predict(preparation: FeaturePreparation, coefficients: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.asarray(
        softmax(preparation.transform(values) @ coefficients[:, 1:].T + coefficients[:, 0], axis=1)
    )
