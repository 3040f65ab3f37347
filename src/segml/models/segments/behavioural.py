"""Behavioural segments by KMeans or Gaussian mixture that know whether they are worth having.

Three promises shape the estimator. *The same customers give the same segments*: rows are put in an order of their
own before any seeded step, fits run on one thread, and labels are numbered by size. *No segments on noise*: when no
number of segments comes back in bootstrap samples, there is one segment and a sentence that says why. *Nothing is
refitted at scoring*: the chain and the partition are plain numbers, and `to_dict` holds all of them.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from segml.evaluation.stability import segment_jaccard
from segml.models.segments.outliers import strangeness_limit
from segml.models.segments.partitions import (
    MAX_COMPONENTS,
    CentroidPartition,
    Partition,
    in_stable_order,
    partition_from_dict,
)
from segml.models.segments.preparation import (
    FeatureError,
    FeaturePreparation,
    columns_of,
    explain_dropped,
    learn_preparation,
    refuse_infinite,
)
from segml.models.segments.sampling import canonical_sample, seeded_subset
from segml.models.segments.selection import SelectionRules, choice_sentence, fit_partition, select_k
from segml.models.segments.separation import Separation, measure_separation

DEFAULT_FEATURES = (
    "recency_days",
    "tenure_days",
    "active_days_total",
    "spend_365d",
    "spend_90d",
    "order_value_mean",
    "gap_mean_days",
    "categories_total",
    "products_total",
    "discount_share",
    "weekend_share",
    "spend_trend_90d",
)
"""What describes how a customer buys. Few on purpose: every further column dilutes the distances."""

CHUNK_ROWS = 8_192
"""Small enough that a chunk and what is computed from it stay in the processor's cache."""
UNCERTAIN_BELOW = 0.6
"""A customer whose best membership is below this belongs to no segment in particular."""


PLAIN_ATTRIBUTES = (
    "stable",
    "choice_reason",
    "uncertain_share",
    "outlier_limit",
    "outlier_share",
    "dropped",
    "absent",
)
"""Learned attributes that are stored as they are, under their names without the underscore."""


class BehaviouralSegmenter(ClusterMixin, TransformerMixin, BaseEstimator):
    """Segment customers by what they do, with the number of segments chosen by bootstrap stability.

    Parameters
    ----------
    method : {"kmeans", "gmm"}
        Round segments of similar spread, or Gaussian components (at most 6, covariance floor 1e-3).
    k : int, optional
        Number of segments; None chooses it within `k_range`. A given k is kept even when it is not stable, and
        `choice_reason_` says so.
    k_range : (int, int)
        Smallest and largest number of segments tried, both included.
    features : sequence of str, optional
        Columns to use when a frame is given; absent ones are left out and listed in `absent_`. None uses every
        column. `DEFAULT_FEATURES` is the list for snapshots.
    n_init : int
        Restarts up to 2,000 customers; fewer in proportion above, at least 5.
    min_share : float
        A chosen k leaves every segment at least this share of customers.
    min_stability : float
        Least median adjusted Rand index between bootstrap fits.
    n_bootstraps : int
        Bootstrap fits for each k; all pairs of them are compared.
    sample_size : int
        Above this many customers the fit uses a sample, by md5 of the index when the frame has one of its own.
    selection_size : int
        Customers used to choose k.
    random_state : int, RandomState or None
    consensus_runs : int
        Fit the consensus of so many runs on 80 % subsamples instead of the best restart; 0 for the best restart.
        For bases under about 2,000 customers (`selection.restart_stability_frame` shows what it brings).
    preferred_k : int, optional
        Taken when it is as stable as the best k: the number of segments there were before.

    Attributes
    ----------
    labels_ : array of int, shape (n,)
        Segment of each fitted row, 0 the largest. Not part of `to_dict`.
    n_segments_ : int
    stable_ : bool
        Whether the segments satisfy `min_stability` and `min_share` and are clearer than noise.
    separation_ : Separation
        How clear the segments are, and how clear noise and a continuum would look (`separation.py`).
    choice_reason_ : str
        One sentence with the evidence.
    selection_ : DataFrame
        One row a candidate k: stability, smallest share, inertia, silhouette, BIC, ICL, clarity above a
        continuum (ties only), eligible, chosen.
    segment_stability_ : DataFrame
        Bootstrap Jaccard of each segment; below 0.6 a segment should not be given a meaning.
    uncertain_share_ : float
        Share of the fitted sample whose best membership is below 0.6.
    outlier_limit_ : float
        Strangeness (squared distance to the nearest centre; mixtures: minus twice the log density) above which a
        customer belongs to nobody.
    outlier_share_ : float
        Share of the fitted sample above it.
    cluster_centers_ : array, shape (n_segments_, n_kept)
        In prepared units (after log, clip and standardising).
    sizes_ : array of int, shape (n_segments_,)
        Customers of the fitted sample in each segment.
    dropped_ : dict of str to str
        Columns that could not be used, with the reason.
    absent_ : list of str
        Columns of `features` that the frame does not have.
    feature_names_in_, n_features_in_
        The columns used, in order (names only when a frame was given).

    Notes
    -----
    NaN means unknown and takes the median. Infinite values are refused by name. `ValueError` is among the bases of
    every `FeatureError` raised here.

    References
    ----------
    Fang, Y. and Wang, J. (2012), Selection of the number of clusters via the bootstrap method, CSDA 56.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> X = np.concatenate([generator.normal(at, 0.3, (60, 2)) for at in ((0, 0), (4, 0), (0, 4))])
    >>> segmenter = BehaviouralSegmenter(k_range=(3, 4), n_init=5, n_bootstraps=4).fit(X)
    >>> segmenter.n_segments_, segmenter.stable_
    (3, True)
    >>> segmenter.predict([[4.1, 0.2]]).shape, segmenter.predict_proba([[4.1, 0.2]]).shape
    ((1,), (1, 3))
    """

    def __init__(
        self,
        method: Literal["kmeans", "gmm"] = "kmeans",
        k: int | None = None,
        k_range: tuple[int, int] = (3, 7),
        features: tuple[str, ...] | None = None,
        n_init: int = 50,
        min_share: float = 0.05,
        min_stability: float = 0.75,
        n_bootstraps: int = 20,
        sample_size: int = 200_000,
        selection_size: int = 10_000,
        random_state: int | np.random.RandomState | None = 0,
        consensus_runs: int = 0,
        preferred_k: int | None = None,
    ) -> None:
        self.method = method
        self.k = k
        self.k_range = k_range
        self.features = features
        self.n_init = n_init
        self.min_share = min_share
        self.min_stability = min_stability
        self.n_bootstraps = n_bootstraps
        self.sample_size = sample_size
        self.selection_size = selection_size
        self.random_state = random_state
        self.consensus_runs = consensus_runs
        self.preferred_k = preferred_k

    def fit(self, X: Any, y: None = None) -> BehaviouralSegmenter:
        """Learn the preparation, the number of segments and the segments.

        Parameters
        ----------
        X : DataFrame or array, shape (n, d)
            Raw features, one row a customer, NaN for unknown.

        Raises
        ------
        FeatureError
            Infinite values, no usable column, or fewer distinct customers than the k asked for.
        """
        self._check_parameters()
        values = self._read(X, reset=True)
        names = self._column_names()
        refuse_infinite(values, names)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        sample = canonical_sample(X, values, self.sample_size, seed)
        self.preparation_ = learn_preparation(sample)
        self.dropped_ = explain_dropped(sample, self.preparation_.kept, names)
        rows = self.preparation_.transform(sample)
        if not rows.shape[1]:
            raise FeatureError(
                f"no column can tell customers apart: {', '.join(f'{n} is {why}' for n, why in self.dropped_.items())}",
                next_step="give at least one column that varies between customers",
            )
        with threadpool_limits(limits=1):  # sums in parallel differ in the last digits
            self._choose_and_fit(rows, seed)
        strange = self._strangeness(sample)
        self.outlier_limit_ = strangeness_limit(strange)
        self.outlier_share_ = float((strange > self.outlier_limit_).mean())
        self.labels_ = self._in_chunks(values, "labels")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Segment of each row, shape (n,); nothing is refitted."""
        return self._in_chunks(self._read_fitted(X), "labels")

    def predict_proba(self, X: Any) -> np.ndarray:
        """Soft memberships, shape (n, n_segments_); rows sum to 1.

        For KMeans the softmax of squared distances scaled by the pooled within-segment variance; for mixtures the
        posterior.
        """
        return self._in_chunks(self._read_fitted(X), "memberships")

    def transform(self, X: Any) -> np.ndarray:
        """Distance to each centre in prepared units, shape (n, n_segments_)."""
        return self._in_chunks(self._read_fitted(X), "distances")

    def coordinates(self, X: Any) -> np.ndarray:
        """Each row in prepared units, shape (n, n_kept): where distances between customers are measured."""
        return np.asarray(self.preparation_.transform(self._read_fitted(X)))

    def is_outlier(self, X: Any) -> np.ndarray:
        """Whether each row lies far from every segment, shape (n,); it has a label all the same."""
        return self._strangeness(self._read_fitted(X)) > self.outlier_limit_

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns of `transform`."""
        check_is_fitted(self, "partition_")
        return np.array([f"segment_{i}_distance" for i in range(self.n_segments_)], dtype=object)

    @property
    def n_segments_(self) -> int:
        return self.partition_.n_segments

    @property
    def cluster_centers_(self) -> np.ndarray:
        return self.partition_.centres

    @property
    def _n_features_out(self) -> int:
        return self.n_segments_

    def to_dict(self) -> dict[str, Any]:
        """Return everything that prediction and the report need, as plain Python; `labels_` stay behind."""
        check_is_fitted(self, "partition_")
        parameters = self.get_params()
        if not isinstance(parameters["random_state"], int):
            parameters["random_state"] = None
        return {
            "class": type(self).__name__,
            "parameters": {n: list(v) if isinstance(v, tuple) else v for n, v in parameters.items()},
            "feature_names": list(getattr(self, "feature_names_in_", [])) or None,
            "n_features": int(self.n_features_in_),
            "preparation": self.preparation_.to_dict(),
            "partition": self.partition_.to_dict(),
            "sizes": self.sizes_.tolist(),
            **{name: getattr(self, f"{name}_") for name in PLAIN_ATTRIBUTES},
            "separation": asdict(self.separation_),
            "selection": _records(self.selection_),
            "segment_stability": _records(self.segment_stability_),
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> BehaviouralSegmenter:
        """Rebuild from `to_dict`; predictions are identical."""
        parameters: dict[str, Any] = {
            n: tuple(v) if isinstance(v, list) else v for n, v in stored["parameters"].items()
        }
        segmenter = cls(**parameters)
        if stored["feature_names"]:
            segmenter.feature_names_in_ = np.array(stored["feature_names"], dtype=object)
        segmenter.n_features_in_ = stored["n_features"]
        segmenter.preparation_ = FeaturePreparation.from_dict(stored["preparation"])
        segmenter.partition_ = partition_from_dict(stored["partition"])
        segmenter.sizes_ = np.array(stored["sizes"], dtype=np.int64)
        # Models stored before outliers were told apart have none.
        kept = {"outlier_limit": float("inf"), "outlier_share": 0.0} | stored
        for name in PLAIN_ATTRIBUTES:
            setattr(segmenter, f"{name}_", kept[name])
        segmenter.separation_ = Separation(**stored["separation"])
        segmenter.selection_ = pd.DataFrame(stored["selection"])
        segmenter.segment_stability_ = pd.DataFrame(stored["segment_stability"])
        return segmenter

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _check_parameters(self) -> None:
        wrong = []
        if self.method not in ("kmeans", "gmm"):
            wrong.append(f"method is 'kmeans' or 'gmm', not {self.method!r}")
        if self.k is not None and self.k < 1:
            wrong.append(f"k is at least 1, not {self.k}")
        if self.method == "gmm" and self.k is not None and self.k > MAX_COMPONENTS:
            wrong.append(f"a mixture has at most {MAX_COMPONENTS} components, not {self.k}")
        if self.k is None and not 2 <= self.k_range[0] <= self.k_range[1]:
            wrong.append(f"k_range runs from at least 2 upwards, not {self.k_range}")
        if self.consensus_runs < 0:
            wrong.append(f"consensus_runs is 0 or more, not {self.consensus_runs}")
        if self.n_bootstraps < 2:
            wrong.append(f"n_bootstraps is at least 2, not {self.n_bootstraps}")
        if wrong:
            raise FeatureError("; ".join(wrong), next_step="correct these settings of the segmenter")

    def _read(self, X: Any, reset: bool) -> np.ndarray:
        self_named = self.features is not None and isinstance(X, pd.DataFrame)
        if self_named and reset:
            self.absent_ = [name for name in self.features or () if name not in X.columns]
            X = X[[name for name in self.features or () if name in X.columns]]
            if not X.shape[1]:
                raise FeatureError(
                    f"none of the features is in the frame: {', '.join(self.absent_)}",
                    next_step="name the columns with features=, or leave it out to use all",
                )
        elif self_named:
            X = columns_of(X, list(self.feature_names_in_))
        elif reset:
            self.absent_ = []
        return validate_data(
            self,
            X,
            reset=reset,
            dtype=np.float64,
            ensure_all_finite=False,
            ensure_min_samples=2 if reset else 1,
        )

    def _read_fitted(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "partition_")
        values = self._read(X, reset=False)
        refuse_infinite(values, self._column_names())
        return values

    def _column_names(self) -> list[str]:
        return list(getattr(self, "feature_names_in_", [f"column {j}" for j in range(self.n_features_in_)]))

    def _choose_and_fit(self, rows: np.ndarray, seed: int) -> None:
        subset = seeded_subset(rows, self.selection_size, seed)
        n_distinct = len(np.unique(subset, axis=0))
        rules = SelectionRules(
            self.min_stability,
            self.min_share,
            self.n_bootstraps,
            self.n_init,
            seed,
            self.consensus_runs,
            preferred_k=self.preferred_k,
        )
        candidates = self._candidates(n_distinct)
        self.selection_, replicates = select_k(subset, candidates, self.method, rules)
        chosen = self.k or next(iter(self.selection_.loc[self.selection_["chosen"], "k"]), None)
        self.separation_ = self._separation(subset, chosen, seed)
        self.stable_ = (
            bool(self.selection_["eligible"].any()) and chosen is not None and self.separation_.above_noise
        )
        self.choice_reason_ = choice_sentence(
            self.selection_, rules, self.k is not None, n_distinct, self.separation_
        )
        if self.k is None and not self.stable_:
            chosen = None
        partition: Partition = CentroidPartition(rows.mean(axis=0, keepdims=True), float(rows.var()))
        if chosen is not None:
            partition, _ = fit_partition(rows, int(chosen), self.method, rules, seed)
        self.partition_, self.sizes_ = in_stable_order(partition, rows)
        labels = self.partition_.labels(subset)
        replicate = replicates[int(chosen)] if chosen is not None else labels[None, :]
        self.segment_stability_ = segment_jaccard(labels, replicate)
        self.uncertain_share_ = float(
            (self.partition_.memberships(subset).max(axis=1) < UNCERTAIN_BELOW).mean()
        )

    def _separation(self, subset: np.ndarray, chosen: int | None, seed: int) -> Separation:
        if chosen is None or chosen == 1:
            return Separation.of_nothing()
        evidence = self.selection_[self.selection_["k"] == chosen].iloc[0]
        return measure_separation(subset, int(chosen), self.method, seed, evidence["covariance"] or "full")

    def _candidates(self, n_distinct: int) -> list[int]:
        if self.k is not None:
            if n_distinct < self.k:
                raise FeatureError(
                    f"k={self.k} segments need at least {self.k} distinct customers, and there are {n_distinct}",
                    next_step="ask for fewer segments, or give features that differ between customers",
                )
            return [self.k]
        top = min(self.k_range[1], n_distinct, MAX_COMPONENTS if self.method == "gmm" else self.k_range[1])
        return list(range(self.k_range[0], top + 1))

    def _strangeness(self, values: np.ndarray) -> np.ndarray:
        prepare, ask = self.preparation_.transform, self.partition_.strangeness
        parts = [
            ask(prepare(values[i : i + CHUNK_ROWS], clipped=False)) for i in range(0, len(values), CHUNK_ROWS)
        ]
        return np.concatenate(parts)

    def _in_chunks(self, values: np.ndarray, question: str) -> np.ndarray:
        """Ask the partition in chunks that stay in cache; one row's answer never depends on another's."""
        ask = getattr(self.partition_, question)
        answers = [
            ask(self.preparation_.transform(values[start : start + CHUNK_ROWS]))
            for start in range(0, len(values), CHUNK_ROWS)
        ]
        return np.concatenate(answers)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain Python; NaN stays NaN, which JSON of Python reads back."""
    return [
        {str(name): getattr(v, "item", lambda v=v: v)() for name, v in row.items()}
        for row in frame.to_dict("records")
    ]
