"""One randomised campaign as arrays: who was in which arm, with what probability, and what came of it.

Everything that uplift learners share and that has nothing to do with learning happens here: arms get numbers (0 is
the control), rows get a canonical order, probabilities get one row a customer, and all that is wrong with the input is
said in one message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from segml.errors import DataError, NotEnoughDataError
from segml.models.boosting import FloatArray, canonical_order

IntArray = NDArray[np.int64]
MINIMUM_ARM = 100  # customers in each arm, below which no learner can tell people apart
MINIMUM_OUTCOMES = 10  # of the rarer outcome in each arm, when the outcome is 0 or 1


@dataclass(frozen=True)
class Trial:
    """A randomised campaign in canonical order.

    Attributes
    ----------
    X : ndarray of shape (n, features)
    y : ndarray of shape (n,)
    arm : ndarray of shape (n,)
        0 is the control, 1 to `len(arms)` the treatments.
    probability : ndarray of shape (n, len(arms) + 1)
        Probability of each arm, control first; rows sum to 1.
    arms : tuple of str, int or bool
        Labels of the treatments.
    """

    X: FloatArray
    y: FloatArray
    arm: IntArray
    probability: FloatArray
    arms: tuple[Any, ...]
    memory: dict[Any, Any] = field(
        default_factory=dict, repr=False, compare=False
    )  # what several learners share

    def __len__(self) -> int:
        return len(self.y)

    @property
    def binary(self) -> bool:
        """Whether the outcome is 0 or 1 for everybody."""
        return bool(np.isin(self.y, (0.0, 1.0)).all())

    def rows(self, keep: NDArray[Any]) -> Trial:
        """The same campaign for some of its customers."""
        return Trial(self.X[keep], self.y[keep], self.arm[keep], self.probability[keep], self.arms)

    def folds(self, count: int, seed: int) -> IntArray:
        """Fold 0 to `count` - 1 of each row, every arm spread evenly; a function of content and seed alone."""
        place = np.random.default_rng(seed).permutation(len(self))
        fold = np.empty(len(self), dtype=np.int64)
        for arm in range(len(self.arms) + 1):
            members = place[self.arm[place] == arm]
            fold[members] = np.arange(len(members)) % count
        return fold


def make_trial(
    X: FloatArray,
    y: ArrayLike,
    treatment: ArrayLike,
    control: Any = 0,
    probability: Mapping[Any, float] | ArrayLike | None = None,
) -> Trial:
    """Check a campaign's arrays and put them into canonical order.

    Parameters
    ----------
    X : ndarray of shape (n, features)
    y : array-like of shape (n,)
        What the customer did in the window; finite, in any unit.
    treatment : array-like of shape (n,)
        Labels of the arms.
    control : label, default=0
        The arm that got nothing.
    probability : mapping, array-like of shape (n,) or (n, arms + 1), optional
        Of each arm (mapping from label), or of each customer's treatment (one treatment) or arms (control first, then
        the labels in order) where it differed by stratum; default: each arm's share of the customers.

    Raises
    ------
    DataError
        With everything that is wrong at once.

    Examples
    --------
    >>> trial = make_trial(np.array([[2.0], [1.0]]), [0, 1], ["mail", "none"], control="none")
    >>> trial.arms, trial.arm.tolist(), trial.X[:, 0].tolist(), trial.probability[0].tolist()
    (('mail',), [0, 1], [1.0, 2.0], [0.5, 0.5])
    """
    outcome, labels = np.asarray(y, dtype=float).ravel(), np.asarray(treatment).ravel()
    problems = _problems(len(X), outcome, labels, control)
    if problems:
        raise DataError(
            "this is no campaign with a control: " + "; ".join(problems),
            "give one outcome and one arm a customer, and name the control arm",
        )
    arms = tuple(label for label in _distinct(labels) if label != control)
    arm = np.zeros(len(labels), dtype=np.int64)
    for number, label in enumerate(arms, start=1):
        arm[labels == label] = number
    chance = _probabilities(probability, arm, arms, control)
    order = canonical_order(X, outcome, arm.astype(float), *chance.T)
    return Trial(np.ascontiguousarray(X[order]), outcome[order], arm[order], chance[order], arms)


def _problems(rows: int, outcome: FloatArray, labels: NDArray[Any], control: Any) -> list[str]:
    if len(outcome) != rows or len(labels) != rows:
        return [f"X has {rows} rows, the outcome {len(outcome)}, the treatment {len(labels)}"]
    missing = int(pd.isna(labels).sum())
    if missing:
        return [f"{missing} of {rows} customers have no arm"]
    problems = []
    broken = int((~np.isfinite(outcome)).sum())
    if broken:
        problems.append(f"{broken} of {rows} outcomes are missing or infinite")
    known = _distinct(labels)
    if control not in known:
        problems.append(f"no customer is in the control arm {control!r}, the arms are {known[:10]!r}")
    elif len(known) < 2:
        problems.append(f"everybody is in the control arm {control!r}")
    return problems


def _distinct(labels: NDArray[Any]) -> list[Any]:
    """Labels in order, as plain Python; by their text when they are of several types."""
    found = pd.unique(labels).tolist()
    return sorted(found, key=str) if len({type(label) for label in found}) > 1 else sorted(found)


def _probabilities(given: Any, arm: IntArray, arms: tuple[Any, ...], control: Any) -> FloatArray:
    width = len(arms) + 1
    if given is None:
        shares = np.bincount(arm, minlength=width) / len(arm)
        return np.tile(shares, (len(arm), 1))
    if isinstance(given, Mapping):
        table = _of_arms(given, arms, control)
        chance = np.tile(table, (len(arm), 1))
    else:
        chance = np.asarray(given, dtype=float)
        if chance.ndim == 1 and width == 2:
            chance = np.column_stack([1 - chance, chance])
    if chance.shape != (len(arm), width):
        raise DataError(
            f"treatment probabilities have shape {chance.shape}, {len(arm)} customers and {width} arms need "
            f"({len(arm)}, {width})",
            "give a mapping from arm to probability, or a row a customer with the control first",
        )
    wrong = int((~((chance > 0) & (chance < 1)).all(axis=1) | (np.abs(chance.sum(axis=1) - 1) > 1e-6)).sum())
    if wrong:
        raise DataError(
            f"{wrong} of {len(arm)} customers have treatment probabilities outside (0, 1), or not summing to 1",
            "leave out customers who could be in one arm only",
        )
    return chance


def _of_arms(given: Mapping[Any, float], arms: tuple[Any, ...], control: Any) -> FloatArray:
    unknown = [label for label in given if label not in arms and label != control]
    missing = [label for label in arms if label not in given]
    if unknown or missing:
        raise DataError(
            f"treatment probabilities name unknown arms {unknown!r} and lack the arms {missing!r}",
            f"give one for each of {list(arms)!r}",
        )
    treated = [float(given[label]) for label in arms]
    return np.array([float(given.get(control, 1 - sum(treated))), *treated])


def require_enough(trial: Trial) -> None:
    """Refuse a campaign too small to tell customers apart.

    Raises
    ------
    NotEnoughDataError
        Naming every arm below its floor, with the numbers.
    """
    problems = []
    for number, label in enumerate(("the control", *(repr(arm) for arm in trial.arms))):
        y = trial.y[trial.arm == number]
        if len(y) < MINIMUM_ARM:
            problems.append(f"{label} has {len(y)} customers, {MINIMUM_ARM} are needed")
        elif trial.binary and min(y.sum(), len(y) - y.sum()) < MINIMUM_OUTCOMES:
            rarer = int(min(y.sum(), len(y) - y.sum()))
            problems.append(f"{label} has {rarer} of the rarer outcome, {MINIMUM_OUTCOMES} are needed")
    if problems:
        raise NotEnoughDataError(
            "too little to learn uplift from: " + "; ".join(problems),
            "pool campaigns of the same kind, or report the lift of the whole campaign only",
        )
