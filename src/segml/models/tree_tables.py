"""Exact SHAP values of small trees by look-up.

A tree of at most eight leaves asks at most seven questions, so a row can meet it in at most 128 ways. For each way the
tree's SHAP values are worked out once, from the definition: the value of a set of known features is the tree's mean
over the training rows with the unknown questions answered in proportion to them. Explaining a row is then seven
comparisons and one look-up a tree, which is several times faster than walking the paths again for every row.

References
----------
Lundberg et al. (2020), From local explanations to global understanding with explainable AI for trees (the
path-dependent value function, as LightGBM's own contributions).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
MOST_LEAVES = 8
_CHUNK_ROWS = 4_096  # columns of a chunk stay in the processor's cache


@dataclass(frozen=True)
class TreeTable:
    """One tree: its questions, and SHAP values for every way of answering them.

    Attributes
    ----------
    columns, thresholds, missing_left, zero_for_missing :
        One entry a question: ``x[column] <= threshold`` goes left; how a missing value goes.
    features : tuple of int
        Distinct columns, in the order of the table's columns.
    values : ndarray of shape (2 ** questions, features)
        SHAP values by answer; bit i is set when question i goes left.
    base : float
        The tree's mean.
    """

    columns: tuple[int, ...]
    thresholds: tuple[float, ...]
    missing_left: tuple[bool, ...]
    zero_for_missing: tuple[bool, ...]
    features: tuple[int, ...]
    values: FloatArray
    base: float


class TreeTables:
    """SHAP values of a boosted ensemble of small trees.

    Parameters
    ----------
    dump : dict
        `lightgbm.Booster.dump_model()`.

    Examples
    --------
    >>> import lightgbm as lgb
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(400, 3))
    >>> settings = {"num_leaves": 6, "verbose": -1, "num_threads": 1}
    >>> booster = lgb.train(settings, lgb.Dataset(x, x[:, 0] * x[:, 1]), num_boost_round=5)
    >>> tables = TreeTables(booster.dump_model())
    >>> bool(np.allclose(tables.contributions(x), booster.predict(x, pred_contrib=True), atol=1e-12))
    True
    """

    def __init__(self, dump: dict[str, Any]) -> None:
        self.n_features = int(dump["max_feature_idx"]) + 1
        self.trees = [_table(tree["tree_structure"]) for tree in dump["tree_info"]]
        self.base = float(sum(tree.base for tree in self.trees))

    @staticmethod
    def can_serve(dump: dict[str, Any]) -> bool:
        """Tell whether every tree is small enough and splits on numbers only."""
        return all(
            int(tree["num_leaves"]) <= MOST_LEAVES and not int(tree.get("num_cat", 0))
            for tree in dump["tree_info"]
        )

    def contributions(self, X: FloatArray) -> FloatArray:
        """Return SHAP values, shape (n, features + 1), the base value last."""
        out = np.empty((len(X), self.n_features + 1))
        out[:, -1] = self.base
        for start in range(0, len(X), _CHUNK_ROWS):
            chunk = np.ascontiguousarray(X[start : start + _CHUNK_ROWS].T)
            out[start : start + _CHUNK_ROWS, :-1] = self._explain(chunk).T
        return out

    def _explain(self, chunk: FloatArray) -> FloatArray:
        total = np.zeros((self.n_features, chunk.shape[1]))
        missing: NDArray[np.bool_] = np.isnan(chunk)
        any_missing = np.asarray(missing.any(axis=1), dtype=bool)
        answer = np.empty(chunk.shape[1], dtype=np.intp)
        for tree in self.trees:
            answer[:] = 0
            for bit, (column, threshold) in enumerate(zip(tree.columns, tree.thresholds, strict=True)):
                left = chunk[column] <= threshold
                if any_missing[column]:
                    zero_left = tree.zero_for_missing[bit] and threshold >= 0
                    left[missing[column]] = zero_left or (
                        not tree.zero_for_missing[bit] and tree.missing_left[bit]
                    )
                answer += left.astype(np.intp) << bit
            for place, column in enumerate(tree.features):
                total[column] += tree.values[:, place].take(answer)
        return total


def _table(root: dict[str, Any]) -> TreeTable:
    questions: list[dict[str, Any]] = []
    _number(root, questions)
    columns = tuple(int(node["split_feature"]) for node in questions)
    features = tuple(sorted(set(columns)))
    known = _values_of_sets(root, features, len(questions))
    values, base = _shapley(known, len(features))
    return TreeTable(
        columns=columns,
        thresholds=tuple(float(node["threshold"]) for node in questions),
        missing_left=tuple(bool(node["default_left"]) for node in questions),
        zero_for_missing=tuple(node["missing_type"] == "None" for node in questions),
        features=features,
        values=np.asfortranarray(values),
        base=base,
    )


def _number(node: dict[str, Any], questions: list[dict[str, Any]]) -> None:
    if "split_feature" in node:
        node["question"] = len(questions)
        questions.append(node)
        _number(node["left_child"], questions)
        _number(node["right_child"], questions)


def _values_of_sets(root: dict[str, Any], features: tuple[int, ...], questions: int) -> FloatArray:
    """Return the tree's mean for every answer (rows) and every set of known features (columns)."""
    answers = np.arange(1 << questions)[:, None]
    sets = np.arange(1 << len(features))[None, :]
    place = {feature: position for position, feature in enumerate(features)}

    def mean(node: dict[str, Any]) -> FloatArray:
        if "split_feature" not in node:
            return np.full((1, 1), float(node["leaf_value"]))
        left, right = mean(node["left_child"]), mean(node["right_child"])
        share = _rows(node["left_child"]) / max(_rows(node), 1)
        is_known = (sets >> place[int(node["split_feature"])]) & 1 == 1
        goes_left = (answers >> node["question"]) & 1 == 1
        return np.where(is_known, np.where(goes_left, left, right), share * left + (1 - share) * right)

    return np.broadcast_to(mean(root), (1 << questions, 1 << len(features)))


def _shapley(known: FloatArray, features: int) -> tuple[FloatArray, float]:
    values = np.zeros((known.shape[0], features))
    sets = np.arange(1 << features)
    sizes = np.array([int(chosen).bit_count() for chosen in sets])
    for feature in range(features):
        without = sets[(sets >> feature) & 1 == 0]
        weights = np.array([factorial(k) * factorial(features - k - 1) for k in sizes[without]]) / factorial(
            features
        )
        values[:, feature] = (known[:, without | (1 << feature)] - known[:, without]) @ weights
    return values, float(known[0, 0])


def _rows(node: dict[str, Any]) -> int:
    return int(node["internal_count"] if "split_feature" in node else node.get("leaf_count", 0))
