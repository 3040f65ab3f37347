"""Judge the parts of a return model as they will be used: learned before an origin, on customers seen after it.

Neighbouring label windows overlap, so a customer's row at a later cutoff is nearly their row at an earlier one; parts
that have learned from them would look better than they are, trees most of all. Therefore each half of the customers is
judged by parts that have learned from the other half.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segml.models.boosting import FloatArray, canonical_order
from segml.models.return_parts import ReturnParts

MINIMUM_PER_OUTCOME = 20  # fewer of either outcome say nothing about a weight or a slope
_LEAST_CUTOFFS = 3  # an origin with fewer cutoffs before it is no origin


@dataclass(frozen=True)
class Rows:
    """Rows with their outcome, cutoff and (when customers are known) their customer's half.

    Attributes
    ----------
    data : array of shape (n, columns)
        Features, or the log-odds of the parts once they are judged.
    target : array of shape (n,)
        0 or 1.
    groups : array of shape (n,)
        Cutoff.
    halves : array of shape (n,) or None
        See `return_parts.customer_halves`.
    """

    data: FloatArray
    target: FloatArray
    groups: Any
    halves: NDArray[np.int64] | None

    def only(self, kept: Any) -> Rows:
        """Some of the rows."""
        halves = None if self.halves is None else self.halves[kept]
        return Rows(self.data[kept], self.target[kept], self.groups[kept], halves)

    def followed_by(self, other: Rows) -> Rows:
        """These rows and the other's."""
        both = None
        if self.halves is not None and other.halves is not None:
            both = np.concatenate([self.halves, other.halves])
        return Rows(
            np.vstack([self.data, other.data]),
            np.concatenate([self.target, other.target]),
            np.concatenate([self.groups, other.groups]),
            both,
        )

    def rarer(self) -> int:
        """Rows of the rarer outcome."""
        return int(min(self.target.sum(), len(self.target) - self.target.sum()))

    def can_be_halved(self) -> bool:
        """Whether each half of the customers has rows enough of both outcomes."""
        if self.halves is None:
            return False
        return min(self.only(self.halves == half).rarer() for half in (0, 1)) >= MINIMUM_PER_OUTCOME


def rolling_origins(rows: Rows, later: Rows, most: int) -> list[tuple[Rows, Rows]]:
    """Pairs of (rows before an origin, rows of the window after it), the last origin first.

    Parameters
    ----------
    rows, later : Rows
        The last origin lies between them; earlier ones cut windows of as many cutoffs off the end of `rows`.
    most : int
        Origins at most; fewer where fewer than three cutoffs would be left to learn from.

    Examples
    --------
    >>> cutoffs = np.repeat(np.arange(8), 2)
    >>> every = Rows(np.zeros((16, 1)), np.zeros(16), cutoffs, None)
    >>> pairs = rolling_origins(every.only(cutoffs < 6), every.only(cutoffs >= 6), 3)
    >>> [(int(early.groups.max()), int(late.groups.min()), int(late.groups.max())) for early, late in pairs]
    [(5, 6, 7), (3, 4, 5)]
    """
    found = [(rows, later)]
    size, cutoffs = len(np.unique(later.groups)), np.unique(rows.groups)
    while len(found) < most and len(cutoffs) - size >= _LEAST_CUTOFFS:
        window, cutoffs = cutoffs[-size:], cutoffs[:-size]
        found.append((rows.only(np.isin(rows.groups, cutoffs)), rows.only(np.isin(rows.groups, window))))
    return found


def judge_parts(make_parts: Callable[[], ReturnParts], early: Rows, late: Rows) -> Rows:
    """Log-odds of the parts at later rows, in canonical order, from parts that have not seen their customers.

    Where customers are not known, or too few for two halves, the parts learn from all earlier rows.
    """
    pairs = [(early, late)]
    if early.can_be_halved() and late.can_be_halved():
        pairs = [(early.only(early.halves == 1 - half), late.only(late.halves == half)) for half in (0, 1)]
    judged = []
    for learned, held in pairs:
        parts = make_parts().learn(learned.data, learned.target, learned.groups)
        held = held.only(canonical_order(held.data, held.target))
        parts.place_among(held.data)
        judged.append(Rows(parts.log_odds(held.data), held.target, held.groups, None))
    return judged[0] if len(judged) == 1 else judged[0].followed_by(judged[1])
