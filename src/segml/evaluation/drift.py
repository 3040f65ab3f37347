"""Is the model still right? First what came true, then whether the base has changed.

Tests of the inputs alone cry wolf: counts and sums of a growing base differ from last month's with certainty, while
the ranking is as good as ever. So the truth of matured customers comes first: those scored one horizon ago, whose
outcome is known today. Then the base rate, then the population stability index (PSI) of the score and of ratio features
only, each against a threshold that the base's own past cutoffs have taught. Nothing is said unless it matters: an alarm
has to be both surely there and large enough to act on.

References
----------
DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated ROC curves (the variance of
one AUC). Yurdakul and Naranjo (2020), Statistical properties of the population stability index (its noise is
chi-squared).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import logit
from scipy.stats import chi2, rankdata

from segml.evaluation.metrics import FloatArray, auc_score, paired_arrays

SCORE = "score"
# Shares, trends and ratios mean the same next year; counts, sums and ages grow by themselves.
RATIO_COLUMNS = (r".*_share", r"affinity_.*", r".*_trend_\d+d", r"gap_ratio", r"response_rate_\d+d")
_NOT_WATCHED = r"weekday_.*_share"
SURE = 3.0  # standard errors
LARGE = 0.2  # log-odds: 5 points at one half, 1 point at 6 %
LARGE_AUC = 0.02
LEAST_PER_OUTCOME = 30
LEAST_PSI = 0.1  # of the score
LEAST_PSI_OF_A_FEATURE = 0.2
_BINS = 10


def auc_standard_error(outcome: ArrayLike, score: ArrayLike) -> float:
    """Standard error of an AUC by DeLong's method, ties one half; NaN with fewer than two of an outcome.

    Examples
    --------
    >>> round(auc_standard_error([0, 0, 1, 1] * 50, [0.1, 0.4, 0.35, 0.8] * 50), 3)
    0.036
    """
    y, s = paired_arrays(outcome, score)
    high, low = s[y == 1], s[y == 0]
    if min(len(high), len(low)) < 2:
        return float("nan")
    ranks = rankdata(np.concatenate([high, low]))
    above = (ranks[: len(high)] - rankdata(high)) / len(low)
    below = 1 - (ranks[len(high) :] - rankdata(low)) / len(high)
    return float(np.sqrt(above.var(ddof=1) / len(high) + below.var(ddof=1) / len(low)))


@dataclass(frozen=True)
class ColumnReference:
    """How a column was spread when the model was judged, and how much it moved between the cutoffs before.

    Attributes
    ----------
    edges : tuple of float
        Inner borders of the bins; missing values are a bin of their own, the last.
    shares : tuple of float
    rows : int
    past : float
        Largest PSI between an earlier cutoff and that one.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]
    rows: int
    past: float = 0.0

    @classmethod
    def learn(cls, values: ArrayLike) -> ColumnReference:
        """Cut into tenths; a value that many share is a border of its own."""
        column = np.asarray(values, dtype=float)
        known = column[~np.isnan(column)]
        inner = np.linspace(0, 1, _BINS + 1)[1:-1]
        edges = np.unique(np.quantile(known, inner, method="nearest")) if len(known) else np.zeros(0)
        return cls(tuple(edges.tolist()), tuple(_shares(column, edges).tolist()), len(column))

    def psi(self, values: ArrayLike) -> float:
        """Population stability index of a later column against this one.

        Examples
        --------
        >>> reference = ColumnReference.learn(np.arange(1000.0))
        >>> reference.psi(np.arange(1000.0)), round(reference.psi(np.arange(1000.0) + 200), 2)
        (0.0, 1.21)
        """
        column = np.asarray(values, dtype=float)
        floor = 0.5 / max(min(self.rows, len(column)), 1)  # an empty bin is not an infinite surprise
        expected = np.maximum(self.shares, floor)
        actual = np.maximum(_shares(column, np.array(self.edges)), floor)
        return float(((actual - expected) * np.log(actual / expected)).sum())

    def threshold(self, rows: int, least: float = LEAST_PSI) -> float:
        """PSI that is more than sampling noise, more than the past has shown, and enough to care about (`least`)."""
        bins = max(sum(share > 0 for share in self.shares), 2)
        noise = chi2.ppf(0.999, bins - 1) * (1 / max(self.rows, 1) + 1 / max(rows, 1))
        return float(max(least, 1.25 * self.past, noise))


def _shares(column: FloatArray, edges: FloatArray) -> FloatArray:
    place = np.searchsorted(edges, column, side="left")
    place[np.isnan(column)] = len(edges) + 1
    return np.bincount(place, minlength=len(edges) + 2) / max(len(column), 1)


@dataclass(frozen=True)
class DriftReference:
    """What a model remembers of the day it was judged.

    Attributes
    ----------
    cutoff : str
        The test cutoff.
    auc, auc_error : float
        On its window.
    base_rates : tuple of float
        Share of the outcome at the earlier cutoffs and at the test cutoff.
    columns : dict of str to ColumnReference
        The score (`score`) and the ratio features.
    """

    cutoff: str
    auc: float
    auc_error: float
    base_rates: tuple[float, ...]
    columns: dict[str, ColumnReference] = field(default_factory=dict)

    @classmethod
    def learn(
        cls,
        cutoff: str,
        outcome: ArrayLike,
        score: ArrayLike,
        columns: pd.DataFrame,
        past: Sequence[pd.DataFrame] = (),
        past_rates: Sequence[float] = (),
    ) -> DriftReference:
        """Learn from the test window, and from earlier cutoffs what is usual.

        Parameters
        ----------
        cutoff : str
            ISO date of the test cutoff.
        outcome, score : array-like of shape (n,)
        columns : DataFrame of shape (n, features)
            Features at the test cutoff; the ratios among them are watched.
        past : sequence of DataFrame
            The same at earlier cutoffs, each with the column `score`.
        past_rates : sequence of float
            Base rates of earlier cutoffs.
        """
        y, s = paired_arrays(outcome, score)
        watched = watched_columns(columns).assign(**{SCORE: s})
        learned = {}
        for name in map(str, watched.columns):
            reference = ColumnReference.learn(watched[name].to_numpy())
            moved = [reference.psi(frame[name].to_numpy()) for frame in past if name in frame]
            learned[name] = ColumnReference(
                reference.edges, reference.shares, reference.rows, max(moved, default=0.0)
            )
        rates = (*map(float, past_rates), float(y.mean()))
        return cls(cutoff, auc_score(y, s), auc_standard_error(y, s), rates, learned)

    def moved(self, columns: pd.DataFrame, score: ArrayLike) -> pd.DataFrame:
        """Compare today's customers: one row a column, `column, psi, threshold, alarm`, largest excess first."""
        today = columns.assign(**{SCORE: np.asarray(score, dtype=float)})
        rows = []
        for name, reference in self.columns.items():
            if name in today:
                psi = reference.psi(today[name].to_numpy(dtype=float))
                limit = reference.threshold(
                    len(today), LEAST_PSI if name == SCORE else LEAST_PSI_OF_A_FEATURE
                )
                rows.append({"column": name, "psi": psi, "threshold": limit, "alarm": psi > limit})
        frame = pd.DataFrame(rows, columns=["column", "psi", "threshold", "alarm"])
        excess = frame["psi"] / frame["threshold"]
        return (
            frame.assign(_excess=-excess)
            .sort_values(["_excess", "column"], ignore_index=True)
            .drop(columns="_excess")
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> DriftReference:
        """Inverse of `to_dict`."""
        columns = {
            name: ColumnReference(tuple(c["edges"]), tuple(c["shares"]), int(c["rows"]), float(c["past"]))
            for name, c in content["columns"].items()
        }
        numbers = (float(content["auc"]), float(content["auc_error"]))
        return cls(str(content["cutoff"]), *numbers, tuple(content["base_rates"]), columns)


def watched_columns(columns: pd.DataFrame) -> pd.DataFrame:
    """Return the ratio features of a snapshot.

    Examples
    --------
    >>> list(watched_columns(pd.DataFrame(columns=["orders_total", "discount_share", "weekday_mon_share"])))
    ['discount_share']
    """
    names = [
        str(name)
        for name in columns.columns
        if any(re.fullmatch(p, str(name)) for p in RATIO_COLUMNS)
        and not re.fullmatch(_NOT_WATCHED, str(name))
    ]
    return columns[names]


@dataclass(frozen=True)
class MaturedTruth:
    """What a model says of customers one horizon ago, beside what they did since.

    Attributes
    ----------
    cutoff : str
        ISO date of the scored cutoff, one horizon before the data end.
    customers : int
    predicted, realised : float
        Mean probability and realised share of the outcome.
    noise : float
        Standard error of the realised share if every probability were right.
    auc, auc_error : float or None
        None with fewer than 30 of an outcome.
    """

    cutoff: str
    customers: int
    predicted: float
    realised: float
    noise: float
    auc: float | None
    auc_error: float | None

    @classmethod
    def measure(cls, cutoff: str, outcome: ArrayLike, probability: ArrayLike) -> MaturedTruth:
        """Hold probabilities against outcomes, both of shape (n,)."""
        y, p = paired_arrays(outcome, probability)
        enough = min(y.sum(), len(y) - y.sum()) >= LEAST_PER_OUTCOME
        auc = auc_score(y, p) if enough else None
        error = auc_standard_error(y, p) if enough else None
        noise = float(np.sqrt((p * (1 - p)).sum()) / len(y))
        return cls(cutoff, len(y), float(p.mean()), float(y.mean()), noise, auc, error)

    def alarms(self, reference: DriftReference, happening: str) -> list[str]:
        """Return a sentence for each thing that matters; empty when the model is as right as it was.

        Parameters
        ----------
        reference : DriftReference
            Of the model, from the day it was judged.
        happening : str
            The outcome in words ("were silent for 56 days").

        Examples
        --------
        >>> then = DriftReference("2017-05-01", 0.80, 0.01, (0.2, 0.22, 0.21))
        >>> MaturedTruth("2017-11-06", 2000, 0.21, 0.22, 0.009, 0.79, 0.01).alarms(then, "left")
        []
        >>> MaturedTruth("2017-11-06", 2000, 0.21, 0.23, 0.009, 0.71, 0.01).alarms(then, "left")[0][:82]
        'of 2,000 customers scored as of 2017-11-06 it ranks those who left with AUC 0.710,'
        """
        checks = (
            self._calibration(reference, happening),
            self._order(reference, happening),
            self._rate(reference, happening),
        )
        return [sentence for sentence in checks if sentence]

    def _calibration(self, reference: DriftReference, happening: str) -> str:
        surely = abs(self.realised - self.predicted) > SURE * self.noise
        if not (surely and _far(self.realised, self.predicted)):
            return ""
        again = (
            "; train again" if self.cutoff > reference.cutoff else ""
        )  # a model just trained has no newer one
        return (
            f"of {self.customers:,} customers scored as of {self.cutoff} {_percent(self.predicted)} were expected, and "
            f"{_percent(self.realised)} found, among those who {happening}: read its probabilities as an order, not as "
            f"numbers{again}"
        )

    def _order(self, reference: DriftReference, happening: str) -> str:
        if self.auc is None or self.auc_error is None or not np.isfinite(reference.auc_error):
            return ""
        least = reference.auc - self.auc - SURE * float(np.hypot(self.auc_error, reference.auc_error))
        if least <= 0 or reference.auc - self.auc < LARGE_AUC:
            return ""
        return (
            f"of {self.customers:,} customers scored as of {self.cutoff} it ranks those who {happening} with AUC "
            f"{self.auc:.3f}, after {reference.auc:.3f} when it was judged ({reference.cutoff}): the order has become "
            f"worse by {least:.3f} or more; train again"
        )

    def _rate(self, reference: DriftReference, happening: str) -> str:
        low, high = min(reference.base_rates), max(reference.base_rates)
        nearest = min(max(self.realised, low), high)
        error = float(np.sqrt(max(nearest * (1 - nearest), 1e-9) / self.customers))
        if abs(self.realised - nearest) <= SURE * error or not _far(self.realised, nearest):
            return ""
        word = "more" if self.realised > high else "fewer"
        return (
            f"{_percent(self.realised)} {happening} after {self.cutoff}, {word} than ever in what the model has seen "
            f"({_percent(low)} to {_percent(high)}): the base itself has changed"
        )


def _far(one: float, two: float) -> bool:
    return bool(abs(logit(np.clip(one, 1e-6, 1 - 1e-6)) - logit(np.clip(two, 1e-6, 1 - 1e-6))) > LARGE)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def score_sentence(moved: pd.DataFrame, since: str) -> str:
    """Say that the scores are spread otherwise than when the model was judged; empty when they are not.

    Parameters
    ----------
    moved : DataFrame
        From `DriftReference.moved`.
    since : str
        ISO date the model was judged at.
    """
    alarms = moved[moved["alarm"].astype(bool) & (moved["column"] == SCORE)]
    if alarms.empty:
        return ""
    return (
        f"the scores are spread otherwise than as of {since} ({_psi(alarms.iloc[0])}); whether they are still right is "
        "known when this window has passed"
    )


def feature_sentence(moved: pd.DataFrame, since: str, most: int = 3) -> str:
    """Name the ratio features that have moved further than ever before; empty when none has.

    Parameters
    ----------
    moved, since :
        As for `score_sentence`.
    most : int, default=3
        Columns named; the others are counted.
    """
    alarms = moved[moved["alarm"].astype(bool) & (moved["column"] != SCORE)]
    if alarms.empty:
        return ""
    named = ", ".join(f"{row['column']} ({_psi(row)})" for row in alarms.head(most).to_dict("records"))
    others = f", and {len(alarms) - most} more" if len(alarms) > most else ""
    return f"customers differ from those of {since} in {named}{others}: check that the source still means the same"


def _psi(row: Mapping[Any, Any] | pd.Series) -> str:
    return f"PSI {row['psi']:.2f}, usual up to {row['threshold']:.2f}"
