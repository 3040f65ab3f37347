"""Rolling origin: the same models, judged again at every test cutoff of the past.

One later window says how a model did that quarter. Several say whether it does so every quarter. At each test cutoff
challenger, champion and naive rule are scored on the same customers; over all of them the difference is bootstrapped by
customer, because one customer's rows at three cutoffs are not three customers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from segml.errors import DataError, did_you_mean
from segml.evaluation.comparison import PairedDifference, paired_difference
from segml.evaluation.metrics import CLASSIFICATION_METRICS, VALUE_METRICS

POOLED = "all"


@dataclass(frozen=True)
class Fold:
    """One test cutoff: what happened, and what each model had said.

    Attributes
    ----------
    cutoff : str
        ISO date; labels lie after it, everything learnt lies before.
    customers : sequence of shape (n,)
        Ids, in the rows' order.
    outcome : array-like of shape (n,)
    scores : mapping of name to array-like of shape (n,)
        All on the same rows. A name that is missing at some cutoffs (a champion that had seen them) is left out there.
    """

    cutoff: str
    customers: Sequence[Any]
    outcome: ArrayLike
    scores: Mapping[str, ArrayLike]


def rolling_origin(cutoffs: Sequence[Any], evaluate: Callable[[Any], Fold]) -> list[Fold]:
    """Evaluate each test cutoff, oldest first; `evaluate` fits on what was known then."""
    return [evaluate(cutoff) for cutoff in sorted(cutoffs)]


def backtest_frame(folds: Iterable[Fold], *, money: bool = False) -> pd.DataFrame:
    """Metrics of every score at every test cutoff.

    Parameters
    ----------
    folds : iterable of Fold
    money : bool, default=False
        Metrics of a forecast (normalised Gini, bias, ...) instead of those of a probability.

    Returns
    -------
    DataFrame
        One row a cutoff and score: `cutoff, score, customers, base_rate`, then one column a metric.

    Examples
    --------
    >>> fold = Fold("2017-11-06", ["a", "b", "c", "d"], [0, 0, 1, 1], {"model": [0.1, 0.4, 0.35, 0.8]})
    >>> backtest_frame([fold])[["cutoff", "score", "customers", "base_rate", "auc"]].values.tolist()
    [['2017-11-06', 'model', 4, 0.5, 0.75]]
    """
    metrics = VALUE_METRICS if money else CLASSIFICATION_METRICS
    rows = []
    for fold in folds:
        outcome = np.asarray(fold.outcome, dtype=float)
        for name, score in fold.scores.items():
            _check_lengths(fold, name)
            found = {metric: compute(outcome, score) for metric, compute in metrics.items()}
            about = {"cutoff": fold.cutoff, "score": name, "customers": len(outcome)}
            rows.append(about | {"base_rate": float(outcome.mean())} | found)
    if not rows:
        raise DataError("a backtest needs at least one test cutoff", "bring a longer history")
    return pd.DataFrame(rows)


def backtest_differences(
    folds: Iterable[Fold],
    metric: str,
    first: str = "model",
    *,
    draws: int = 500,
    level: float = 0.95,
    seed: int = 20_260_101,
) -> pd.DataFrame:
    """How much better one score is than each other, at each cutoff and over all, with paired intervals.

    Returns
    -------
    DataFrame
        Columns `cutoff` ("all" for the pooled rows, bootstrapped by customer), `rival, first, second, difference, low,
        high, verdict, customers`. Scores are pooled as they are: over all cutoffs they are asked to be comparable too.

    Raises
    ------
    DataError
        When no fold holds `first`.

    Examples
    --------
    >>> y, good, poor = [0, 0, 1, 1] * 50, [0.1, 0.2, 0.8, 0.9] * 50, [0.5, 0.2, 0.1, 0.9] * 50
    >>> fold = Fold("2017-11-06", range(200), y, {"model": good, "rule": poor})
    >>> backtest_differences([fold], "auc", draws=50)[["cutoff", "rival", "verdict"]].values.tolist()
    [['2017-11-06', 'rule', 'better'], ['all', 'rule', 'better']]
    """
    every = [fold for fold in folds if first in fold.scores]
    if not every:
        raise DataError(f"no test cutoff has a score called {first!r}")
    rivals = list(dict.fromkeys(name for fold in every for name in fold.scores if name != first))
    rows = []
    for fold in every:
        for rival in rivals:
            if rival in fold.scores:
                found = _compare([fold], metric, first, rival, draws, level, seed)
                rows.append(_row(fold.cutoff, rival, found, len(np.asarray(fold.outcome))))
    for rival in rivals:
        both = [fold for fold in every if rival in fold.scores]
        found = _compare(both, metric, first, rival, draws, level, seed)
        people = {person for fold in both for person in fold.customers}
        rows.append(_row(POOLED, rival, found, len(people)))
    return pd.DataFrame(rows)


def _compare(
    folds: Sequence[Fold], metric: str, first: str, rival: str, draws: int, level: float, seed: int
) -> PairedDifference:
    for fold in folds:
        _check_lengths(fold, first)
        _check_lengths(fold, rival)
    outcome = np.concatenate([np.asarray(fold.outcome, dtype=float) for fold in folds])
    one = np.concatenate([np.asarray(fold.scores[first], dtype=float) for fold in folds])
    two = np.concatenate([np.asarray(fold.scores[rival], dtype=float) for fold in folds])
    people = [person for fold in folds for person in fold.customers]
    return paired_difference(
        outcome,
        one,
        two,
        metric,
        customers=np.array(people, dtype=object),
        draws=draws,
        level=level,
        seed=seed,
    )


def _row(cutoff: str, rival: str, found: PairedDifference, customers: int) -> dict[str, Any]:
    numbers = {name: getattr(found, name) for name in ("first", "second", "difference", "low", "high")}
    return {"cutoff": cutoff, "rival": rival, **numbers, "verdict": found.verdict, "customers": customers}


def _check_lengths(fold: Fold, name: str) -> None:
    if name not in fold.scores:
        raise DataError(f"{fold.cutoff} has no score {name!r}{did_you_mean(name, fold.scores)}")
    rows, scored = len(np.asarray(fold.outcome)), len(np.asarray(fold.scores[name]))
    people = len(fold.customers)
    if not rows == scored == people:
        raise DataError(
            f"{fold.cutoff}: {rows} outcomes, {scored} scores of {name} and {people} customers are not the same rows"
        )
