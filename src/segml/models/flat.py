"""One row a customer, columns of any type, one outcome: subscription churn, survey bases, any table of a warehouse.

The score is a blend in log-odds of small boosted trees (at most eight leaves) and a ridge logistic on the same encoded
columns; how large the trees may be and how much the logistic has to say is chosen by cross-validation, and the held-out
blend is what calibrates it. Contributions stay exact and are added up per column of the table, so that a reason names
what the marketer named. With a duration instead of a label, customers who were lost from sight before the horizon count
through those who were not (inverse probability of censoring).

References
----------
Graf et al. (1999), Assessment and comparison of prognostic classification schemes for survival data (the weights).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from scipy.special import expit

from segml.errors import DataError, NotEnoughDataError
from segml.evaluation.calibration import PlattScaling
from segml.models.boosting import BoostedTrees, FloatArray, TreeSettings, canonical_order
from segml.models.flat_columns import FlatEncoder, texts
from segml.models.log_linear import LogLogistic
from segml.models.reasons import sentences

FOLDS = 4
TREES = {
    "small": TreeSettings(rounds=300, leaves=4, depth=3, learning_rate=0.04, rows_per_leaf=40),
    "larger": TreeSettings(
        rounds=300, leaves=8, depth=6, learning_rate=0.05, rows_per_leaf=20, feature_fraction=0.7
    ),
}
SHARES_OF_TREES = (0.0, 0.25, 0.5, 0.75, 1.0)
_SAME_STORY = 0.95  # columns correlated like this compete for one reason
_LEAST_PER_OUTCOME = 20


class FlatTask:
    """A registered task on a flat table: the calibrated probability of one outcome, with reasons.

    Parameters
    ----------
    task : str, default="churn"
    categorical : sequence of str
        Number columns that are names, such as an area code.
    random_state : int, default=0
    num_threads : int, default=1
        Changes the speed only.

    Attributes
    ----------
    encoder_ : FlatEncoder
    share_of_trees_ : float
        Of the log-odds; the logistic has the rest.
    trees_kind_ : {"small", "larger"}
    platt_ : PlattScaling
    typical_ : dict of str to float
        Median of each number column.
    notes_ : list of str

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> frame = pd.DataFrame({"plan": rng.choice(["basic", "plus"], 600), "calls": rng.poisson(2, 600)})
    >>> left = rng.random(600) < np.where(frame["plan"] == "plus", 0.6, 0.1)
    >>> model = FlatTask().fit(frame, left.astype(float))
    >>> model.reasons(frame.head(1), count=1)["reason_1_feature"].tolist()
    ['plan']
    """

    def __init__(
        self,
        task: str = "churn",
        *,
        categorical: Sequence[str] = (),
        random_state: int = 0,
        num_threads: int = 1,
    ) -> None:
        self.task = task
        self.categorical = tuple(categorical)
        self.random_state = random_state
        self.num_threads = num_threads

    @property
    def feature_names_in_(self) -> list[str]:
        """Columns that have to be given."""
        return self.encoder_.names

    def fit(self, features: pd.DataFrame, outcome: Any, weight: Any = None) -> FlatTask:
        """Learn from labelled rows.

        Parameters
        ----------
        features : DataFrame of shape (n, columns)
            Numbers, booleans and texts; missing values are allowed.
        outcome : array-like of shape (n,)
            0 or 1.
        weight : array-like of shape (n,), optional
            From `censoring_weights`; a row of weight zero is left out.

        Raises
        ------
        DataError
            For an outcome that is anything but 0 and 1.
        NotEnoughDataError
            With fewer than 20 rows of either outcome.
        """
        y = np.asarray(outcome, dtype=float)
        w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
        if len(y) != len(features) or not np.isin(y[w > 0], (0.0, 1.0)).all():
            raise DataError(f"an outcome is 0 or 1 for each of {len(features)} rows, got {len(y)} values")
        features, y, w = features[w > 0], y[w > 0], w[w > 0]
        least = int(min(y.sum(), len(y) - y.sum()))
        if least < _LEAST_PER_OUTCOME:
            raise NotEnoughDataError(
                f"the rarer outcome has {least} rows, and {_LEAST_PER_OUTCOME} are needed to learn from"
            )
        self.encoder_ = FlatEncoder.learn(features, self.categorical)
        self.notes_ = list(self.encoder_.notes)
        data = self.encoder_.encode(features)
        order = canonical_order(data, y, w)
        data, y, w = data[order], y[order], w[order]
        self._choose(data, y, w)
        self.trees_ = self._grow(data, y, w, self.trees_kind_)
        self.logistic_ = LogLogistic(range(data.shape[1])).fit(data, y, w)
        self._remember(features)
        return self

    def _choose(self, data: FloatArray, y: FloatArray, w: FloatArray) -> None:
        """Pick the size of the trees and the blend by held-out log-loss; calibrate on the held-out blend."""
        _, same = np.unique(np.nan_to_num(data, nan=-1e308), axis=0, return_inverse=True)
        fold = same.ravel() % FOLDS  # equal rows share a fold, or a copy would be its own witness
        trees = {kind: np.empty(len(y)) for kind in TREES}
        logs = np.empty(len(y))
        for k in range(FOLDS):
            learn, held = fold != k, fold == k
            for kind, out in trees.items():
                out[held] = self._grow(data[learn], y[learn], w[learn], kind).raw_score(data[held])
            logs[held] = (
                LogLogistic(range(data.shape[1])).fit(data[learn], y[learn], w[learn]).log_odds(data[held])
            )
        losses = {}
        for kind, grown in trees.items():
            for share in SHARES_OF_TREES:
                losses[kind, share] = _loss(share * grown + (1 - share) * logs, y, w)
        self.trees_kind_, self.share_of_trees_ = min(losses, key=lambda pair: losses[pair])
        blend = self.share_of_trees_ * trees[self.trees_kind_] + (1 - self.share_of_trees_) * logs
        weighted = bool((w != 1).any())
        self.platt_ = PlattScaling() if weighted else PlattScaling.fit(blend, y)
        self.notes_.append(f"the score is made of {_made_of(self.share_of_trees_, self.trees_kind_)}")

    def _grow(self, data: FloatArray, y: FloatArray, w: FloatArray, kind: str) -> BoostedTrees:
        chosen = TREES[kind].parameters(len(y), None, self.random_state, self.num_threads)
        rows = lgb.Dataset(data, label=y, weight=w, params={"verbose": -1})
        return BoostedTrees(lgb.train(chosen, rows, num_boost_round=TREES[kind].rounds))

    def _remember(self, features: pd.DataFrame) -> None:
        numbers = [name for name in self.encoder_.names if self.encoder_.is_number(name)]
        frame = features[numbers].astype(float)
        self.typical_ = {name: float(frame[name].median()) for name in numbers}
        ranks = frame.rank().to_numpy()
        centred = np.nan_to_num(ranks - np.nanmean(ranks, axis=0)) if numbers else ranks
        size = np.sqrt((centred**2).sum(axis=0))
        alike = np.abs(centred.T @ centred) > _SAME_STORY * np.outer(size, size)
        self.topics_ = {name: numbers[int(np.argmax(alike[i]))] for i, name in enumerate(numbers)}

    def log_odds(self, features: pd.DataFrame) -> FloatArray:
        """Calibrated log-odds, shape (n,)."""
        data = self.encoder_.encode(features)
        grown = self.trees_.raw_score(data, self.num_threads)
        share = self.share_of_trees_
        return self.platt_.log_odds(share * grown + (1 - share) * self.logistic_.log_odds(data))

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return `{task}_probability`, same index."""
        return pd.DataFrame(
            {f"{self.task}_probability": expit(self.log_odds(features))}, index=features.index
        )

    def contributions(self, features: pd.DataFrame) -> pd.DataFrame:
        """Exact parts of the log-odds, one column a column of the table, `base_value` last."""
        data, owners = self.encoder_.encode(features), self.encoder_.owners
        share = self.share_of_trees_
        parts = share * self.trees_.contributions(data, self.num_threads)
        parts += (1 - share) * self.logistic_.contributions(data, data.shape[1])
        parts *= self.platt_.slope
        summed = np.zeros((len(data), len(self.encoder_.codes) + 1))
        np.add.at(summed.T, owners, parts[:, :-1].T)
        summed[:, -1] = parts[:, -1] + self.platt_.intercept
        return pd.DataFrame(summed, index=features.index, columns=[*self.encoder_.names, "base_value"])

    def reasons(self, features: pd.DataFrame, count: int = 3) -> pd.DataFrame:
        """Return the strongest reasons: sentence, feature, value (as text), direction, strength.

        Number columns that move together (minutes and what they cost) compete for one place; ties go to the name.
        """
        names = sorted(self.encoder_.names)
        parts = self.contributions(features)[names].to_numpy()
        topics = pd.factorize(np.array([self.topics_.get(name, name) for name in names], dtype=object))[0]
        said, shown = self._wording(features, names)
        left, rows = np.abs(parts), np.arange(len(parts))
        columns: dict[str, Any] = {}
        for place in range(1, count + 1):
            at = left.argmax(axis=1)
            real = left[rows, at] > 0
            strength = parts[rows, at]
            columns |= {
                f"reason_{place}": np.where(real, said[rows, at], ""),
                f"reason_{place}_feature": np.where(real, np.array(names, dtype=object)[at], ""),
                f"reason_{place}_value": np.where(real, shown[rows, at], ""),
                f"reason_{place}_direction": np.where(real, np.where(strength > 0, "raises", "lowers"), ""),
                f"reason_{place}_strength": np.where(real, np.abs(strength), np.nan),
            }
            left = np.where(topics[at][:, None] == topics[None, :], 0.0, left)
        return pd.DataFrame(columns, index=features.index)

    def _wording(self, features: pd.DataFrame, names: Sequence[str]) -> tuple[Any, Any]:
        said = np.empty((len(features), len(names)), dtype=object)
        shown = np.empty((len(features), len(names)), dtype=object)
        for place, name in enumerate(names):
            if self.encoder_.is_number(name):
                values = features[name].to_numpy(dtype=float, na_value=np.nan)
                said[:, place] = sentences(name, values, typical=self.typical_[name])
                shown[:, place] = np.where(np.isnan(values), "", np.char.mod("%.6g", values).astype(object))
            else:
                level = texts(features[name]).fillna("").to_numpy(dtype=object)
                said[:, place] = np.where(level == "", "unknown", level)
                said[:, place] = name.replace("_", " ") + ": " + said[:, place]
                shown[:, place] = level
        return said, shown

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as JSON-able plain Python."""
        return {
            "task": self.task,
            "categorical": list(self.categorical),
            "random_state": self.random_state,
            "encoder": self.encoder_.to_dict(),
            "share_of_trees": self.share_of_trees_,
            "trees_kind": self.trees_kind_,
            "trees": self.trees_.to_dict(),
            "logistic": self.logistic_.to_dict(),
            "platt": self.platt_.to_dict(),
            "typical": self.typical_,
            "topics": self.topics_,
            "notes": list(self.notes_),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> FlatTask:
        """Inverse of `to_dict`; predictions are identical."""
        model = cls(content["task"], categorical=content["categorical"], random_state=content["random_state"])
        model.encoder_ = FlatEncoder.from_dict(content["encoder"])
        model.share_of_trees_, model.trees_kind_ = content["share_of_trees"], content["trees_kind"]
        model.trees_ = BoostedTrees.from_dict(content["trees"])
        model.logistic_ = LogLogistic.from_dict(content["logistic"])
        model.platt_ = PlattScaling.from_dict(content["platt"])
        model.typical_, model.topics_ = dict(content["typical"]), dict(content["topics"])
        model.notes_ = list(content["notes"])
        return model


def _made_of(share: float, kind: str) -> str:
    if share in (0.0, 1.0):
        return f"{kind} trees alone" if share else "a logistic alone"
    return f"{kind} trees ({share:.0%} of the log-odds) and a logistic"


def _loss(log_odds: FloatArray, y: FloatArray, w: FloatArray) -> float:
    return float(w @ (np.logaddexp(0.0, log_odds) - y * log_odds) / w.sum())


def censoring_weights(duration: Any, event: Any, horizon: float) -> tuple[FloatArray, FloatArray]:
    """Outcome "happened by the horizon" from durations, and the weights that make up for the censored.

    Parameters
    ----------
    duration : array-like of shape (n,)
        Time from the row's start to the event or to the last sight of the customer.
    event : array-like of shape (n,)
        1 when it ended in the event.
    horizon : float
        In the duration's unit.

    Returns
    -------
    outcome, weight : ndarray of shape (n,)
        A customer lost from sight before the horizon has weight 0.

    Raises
    ------
    DataError
        For a negative or missing duration.
    NotEnoughDataError
        When nobody was seen as long as the horizon.

    Examples
    --------
    >>> outcome, weight = censoring_weights([5.0, 3.0, 9.0, 9.0], [1, 0, 0, 0], horizon=8.0)
    >>> outcome.tolist(), weight.round(3).tolist()
    ([1.0, 0.0, 0.0, 0.0], [1.333, 0.0, 1.333, 1.333])
    """
    t, e = np.asarray(duration, dtype=float), np.asarray(event, dtype=float)
    broken = int((~(t >= 0)).sum())
    if broken:
        raise DataError(f"{broken} of {len(t)} durations are negative or missing")
    if not (t >= horizon).any():
        raise NotEnoughDataError(
            f"nobody was seen for {horizon:g}; the longest duration is {t.max():g}",
            "choose a shorter horizon",
        )
    happened = (e == 1) & (t <= horizon)
    known = happened | (t >= horizon)
    times, place = np.unique(t, return_inverse=True)
    lost = np.bincount(place, weights=(e != 1).astype(float))
    at_risk = len(t) - np.concatenate([[0.0], np.cumsum(np.bincount(place))[:-1]])
    in_sight = np.cumprod(1 - lost / at_risk)
    before = np.concatenate([[1.0], in_sight])[np.searchsorted(times, np.minimum(t, horizon), side="left")]
    return happened.astype(float), np.where(known, 1 / before, 0.0)
