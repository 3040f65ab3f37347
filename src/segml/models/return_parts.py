"""What a probability of silence is blended from: two kinds of trees, a logistic, and the rhythm's own answer.

Each part gives log-odds of the same outcome and knows something the others don't. Trees on raw values bend where the
logistic can't; trees on standings (where a customer stands among the customers of one cutoff) do not drift when a base
ages; the logistic on logs extrapolates; the buy-till-you-die rhythm needs no labels, so it knows of a base's age what
old label windows can't tell. All parts are additive in the columns, and so is every blend of their log-odds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segml.models.boosting import (
    BoostedTrees,
    FloatArray,
    QuantileTable,
    TreeSettings,
    canonical_order,
    monotone_directions,
)
from segml.models.log_linear import LogLogistic, matching_columns

PARTS = ("trees", "standings", "logistic", "rhythm")
RHYTHM_COLUMN = r"rhythm_hazard_\d+d"
_RAW_TREES = TreeSettings(extra_trees=True, learning_rate=0.04)
_STANDING_TREES = TreeSettings(leaves=8, depth=4, extra_trees=True, learning_rate=0.024, feature_fraction=0.3)
_MOST_CERTAIN = (
    6.0  # log-odds, one in 400: a counting model is surer of a daily shopper than anybody should be
)


class ReturnParts:
    """The parts of one horizon, learned together.

    Parameters
    ----------
    names : sequence of str
        Columns; one that matches `RHYTHM_COLUMN` holds the rhythm's hazard of an order. Without one there is no such
        part.
    monotone : mapping of pattern to {-1, 0, 1}
    log_columns : sequence of patterns
        Columns of the logistic; when no name matches, all are used.
    rounds : int
        Trees of both tree models together; five eighths of them are on standings, which rank best alone.

    Attributes
    ----------
    parts : tuple of str
        Those of `PARTS` that there are, the order of every column of log-odds and of weights.
    standing_table_ : QuantileTable
        That of the latest cutoff learned from, until `place_among` gives another.
    """

    def __init__(
        self,
        names: Sequence[str],
        monotone: Mapping[str, int],
        log_columns: Sequence[str],
        rounds: int = 400,
        seed: int = 0,
        num_threads: int = 1,
    ) -> None:
        self.names = list(names)
        self.directions = monotone_directions(self.names, monotone)
        self.log_positions = matching_columns(self.names, log_columns)
        found = [j for j, name in enumerate(self.names) if re.fullmatch(RHYTHM_COLUMN, name)]
        self.rhythm_position = found[0] if found else None
        self.rounds = rounds
        self.seed = seed
        self.num_threads = num_threads

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts there are."""
        return PARTS if self.rhythm_position is not None else PARTS[:-1]

    def learn(self, data: FloatArray, target: FloatArray, groups: Any) -> ReturnParts:
        """Learn every part from rows in any order; standings are taken within each group (cutoff)."""
        codes, levels = pd.factorize(groups, sort=True)
        order = canonical_order(data, target, codes.astype(float))
        data, target, codes = data[order], target[order], codes[order]
        standing = np.empty_like(data)
        for code in range(len(levels)):
            rows = codes == code
            self.standing_table_ = QuantileTable.learn(data[rows])  # the last cutoff's stays
            standing[rows] = self.standing_table_.standing(data[rows])
        on_standings = -(-5 * self.rounds // 8)
        self.trees_ = self._grow(_RAW_TREES, self.rounds - on_standings, data, target)
        self.standing_trees_ = self._grow(_STANDING_TREES, on_standings, standing, target)
        self.logistic_ = LogLogistic(self.log_positions).fit(data, target)
        self.rhythm_centre_ = float(np.nanmean(self._rhythm(data))) if "rhythm" in self.parts else 0.0
        return self

    def place_among(self, data: FloatArray) -> None:
        """Take standings among these rows (the customers of a later day; no outcome is needed) from now on."""
        self.standing_table_ = QuantileTable.learn(data)

    def _grow(
        self, settings: TreeSettings, rounds: int, data: FloatArray, target: FloatArray
    ) -> BoostedTrees:
        chosen = replace(settings, rounds=rounds)
        return BoostedTrees.grow(
            data, target, chosen, monotone=self.directions, seed=self.seed, num_threads=self.num_threads
        )

    def _rhythm(self, data: FloatArray) -> FloatArray:
        assert self.rhythm_position is not None
        orders = data[:, self.rhythm_position]
        return np.clip(silence_log_odds(orders), -_MOST_CERTAIN, _MOST_CERTAIN)

    def log_odds(self, data: FloatArray) -> FloatArray:
        """Log-odds of each part, shape (n, parts). A rhythm that is unknown says what it says on average."""
        columns = [
            self.trees_.raw_score(data, self.num_threads),
            self.standing_trees_.raw_score(self.standing_table_.standing(data), self.num_threads),
            self.logistic_.log_odds(data),
        ]
        if self.rhythm_position is not None:
            columns.append(np.nan_to_num(self._rhythm(data), nan=self.rhythm_centre_))
        return np.column_stack(columns)

    def contributions(self, data: FloatArray, weights: Sequence[float]) -> FloatArray:
        """Exact parts of the weighted sum of log-odds, shape (n, features + 1); the base value last."""
        by_part = dict(zip(self.parts, weights, strict=True))
        total = by_part["trees"] * self.trees_.contributions(data, self.num_threads)
        standing = self.standing_table_.standing(data)
        total += by_part["standings"] * self.standing_trees_.contributions(standing, self.num_threads)
        total += by_part["logistic"] * self.logistic_.contributions(data, data.shape[1])
        if self.rhythm_position is not None:
            said = np.nan_to_num(self._rhythm(data), nan=self.rhythm_centre_)
            total[:, self.rhythm_position] += by_part["rhythm"] * (said - self.rhythm_centre_)
            total[:, -1] += by_part["rhythm"] * self.rhythm_centre_
        return np.asarray(total)

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as JSON-able plain Python."""
        return {
            "trees": self.trees_.to_dict(),
            "standing_trees": self.standing_trees_.to_dict(),
            "standing": self.standing_table_.to_dict(),
            "logistic": self.logistic_.to_dict(),
            "rhythm_centre": self.rhythm_centre_,
        }

    def restore(self, content: Mapping[str, Any]) -> ReturnParts:
        """Take up what `to_dict` gave; predictions are identical."""
        self.trees_ = BoostedTrees.from_dict(content["trees"])
        self.standing_trees_ = BoostedTrees.from_dict(content["standing_trees"])
        self.standing_table_ = QuantileTable.from_dict(content["standing"])
        self.logistic_ = LogLogistic.from_dict(content["logistic"])
        self.rhythm_centre_ = float(content["rhythm_centre"])
        return self


def silence_log_odds(hazard: FloatArray) -> FloatArray:
    """Log-odds of no order by the cumulative hazard of one: P(no order) = exp(-hazard).

    Examples
    --------
    >>> silence_log_odds(np.array([np.log(2.0), np.log(4.0)])).round(3).tolist()
    [0.0, -1.099]
    """
    hazard = np.maximum(np.asarray(hazard, dtype=float), 1e-12)
    return np.asarray(-hazard - np.log(-np.expm1(-hazard)))


def customer_halves(people: Any) -> NDArray[np.int64]:
    """Half of each row's customer, 0 or 1, from a hash of the id: the same in any order, in any base they are part of.

    Examples
    --------
    >>> customer_halves(["c1", "c4", "c1", "c2"]).tolist()
    [1, 1, 1, 0]
    """
    codes, ids = pd.factorize(np.asarray(people, dtype=object))
    hashed = pd.util.hash_array(np.array([str(one) for one in ids], dtype=object), categorize=False)
    return np.asarray((hashed >> np.uint64(11)) & np.uint64(1), dtype=np.int64)[codes]
