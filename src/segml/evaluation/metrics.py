"""What a score is worth on a later window, one definition each.

Ranking and calibration are kept apart: AUC, Gini, Spearman, lift and capture see only the order of the scores; Brier,
log-loss, the calibration error, bias and decile MAPE see their size. Ties are shared in every ranking metric (the
value expected under a random order within the tie), so a score that takes few values is neither punished nor flattered
by the order of the rows. Every function takes the outcome first, then the score, both of shape (n,).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score as _average_precision

from segml.errors import DataError

FloatArray = NDArray[np.float64]


def paired_arrays(outcome: ArrayLike, score: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return both as float arrays; refuse different lengths, emptiness and missing values.

    Raises
    ------
    DataError
        With the number of rows that break the rule.
    """
    y, s = np.asarray(outcome, dtype=float).ravel(), np.asarray(score, dtype=float).ravel()
    if len(y) != len(s) or len(y) == 0:
        raise DataError(f"outcome and score need the same length of at least 1, got {len(y)} and {len(s)}")
    broken = int((~np.isfinite(y) | ~np.isfinite(s)).sum())
    if broken:
        raise DataError(
            f"{broken} of {len(y)} rows have a missing or infinite outcome or score",
            "drop customers whose label window is not closed, and those that were not scored",
        )
    return y, s


def equal_count_bins(score: ArrayLike, n_bins: int = 10) -> NDArray[np.int64]:
    """Bin 0 (lowest) to `n_bins` - 1 by rank; equal scores always share a bin.

    Examples
    --------
    >>> equal_count_bins([0.1, 0.2, 0.3, 0.4], n_bins=2).tolist()
    [0, 0, 1, 1]
    """
    share = (rankdata(score) - 0.5) / np.size(score)
    return np.minimum((share * n_bins).astype(np.int64), n_bins - 1)


def top_weights(score: ArrayLike, share: float) -> FloatArray:
    """Weight in [0, 1] of each row in the top `share`; a tie across the border is split evenly."""
    s = np.asarray(score, dtype=float)
    wanted = share * len(s)
    _values, inverse, counts = np.unique(s, return_inverse=True, return_counts=True)
    above = len(s) - np.cumsum(counts)
    return np.asarray(np.clip((wanted - above) / counts, 0.0, 1.0)[inverse])


def auc_score(outcome: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve: P(a positive scores above a negative), ties one half.

    Returns NaN when only one class is present.

    Examples
    --------
    >>> auc_score([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """
    y, s = paired_arrays(outcome, score)
    positives = y.sum()
    negatives = len(y) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    return float((rankdata(s)[y == 1].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def pr_auc_score(outcome: ArrayLike, score: ArrayLike) -> float:
    """Average precision (area under the precision-recall curve); NaN without positives."""
    y, s = paired_arrays(outcome, score)
    return float(_average_precision(y, s)) if y.any() else float("nan")


def brier_loss(outcome: ArrayLike, probability: ArrayLike) -> float:
    """Mean squared distance between the probability and the 0/1 outcome.

    Examples
    --------
    >>> brier_loss([0, 1], [0.0, 0.5])
    0.125
    """
    y, p = paired_arrays(outcome, probability)
    return float(np.mean((p - y) ** 2))


def log_loss(outcome: ArrayLike, probability: ArrayLike) -> float:
    """Mean negative log-likelihood in nats; probabilities are clipped to [1e-15, 1 - 1e-15]."""
    y, p = paired_arrays(outcome, probability)
    p = np.clip(p, 1e-15, 1 - 1e-15)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def expected_calibration_error(outcome: ArrayLike, probability: ArrayLike, n_bins: int = 10) -> float:
    """Mean absolute gap between mean probability and realised rate over equal-count bins, weighted by size.

    Examples
    --------
    >>> expected_calibration_error([0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5])
    0.0
    """
    y, p = paired_arrays(outcome, probability)
    gap = np.bincount(equal_count_bins(p, n_bins), weights=p - y, minlength=n_bins)
    return float(np.abs(gap).sum() / len(y))


def top_decile_lift_score(outcome: ArrayLike, score: ArrayLike, share: float = 0.1) -> float:
    """Rate of the outcome in the top `share` by score over the rate in the whole base; NaN at rate 0.

    Examples
    --------
    >>> top_decile_lift_score([1, 0, 0, 0, 0, 0, 0, 0, 0, 1], [9, 1, 2, 3, 4, 5, 6, 7, 8, 0])
    5.0
    """
    y, s = paired_arrays(outcome, score)
    if y.mean() == 0:
        return float("nan")
    weights = top_weights(s, share)
    return float(weights @ y / weights.sum() / y.mean())


def top_decile_capture_score(outcome: ArrayLike, score: ArrayLike, share: float = 0.1) -> float:
    """Share of the total outcome (spend, say) that falls to the top `share` by score; NaN at total 0."""
    y, s = paired_arrays(outcome, score)
    return float(top_weights(s, share) @ y / y.sum()) if y.sum() != 0 else float("nan")


def normalised_gini_score(outcome: ArrayLike, score: ArrayLike) -> float:
    """Gini of the outcome ordered by the score over the Gini ordered by itself: 1 perfect, 0 random.

    Examples
    --------
    >>> normalised_gini_score([0, 1, 10], [1, 2, 3])
    1.0
    """
    y, s = paired_arrays(outcome, score)
    middle = (len(y) + 1) / 2
    best = float(y @ (rankdata(y) - middle))
    return float(y @ (rankdata(s) - middle)) / best if best > 0 else float("nan")


def spearman_score(outcome: ArrayLike, score: ArrayLike) -> float:
    """Rank correlation with shared ties; NaN when either side is constant."""
    y, s = (rankdata(values) for values in paired_arrays(outcome, score))
    if np.ptp(y) == 0 or np.ptp(s) == 0:
        return float("nan")
    return float(np.corrcoef(y, s)[0, 1])


def mean_absolute_error(outcome: ArrayLike, prediction: ArrayLike) -> float:
    """Mean absolute error in the outcome's unit. Alone it rewards under-prediction: read it beside the bias."""
    y, s = paired_arrays(outcome, prediction)
    return float(np.mean(np.abs(y - s)))


def total_bias_error(outcome: ArrayLike, prediction: ArrayLike) -> float:
    """Predicted total over realised total, minus 1: +0.1 is 10 % too much; NaN when nothing was realised.

    Examples
    --------
    >>> round(total_bias_error([100, 100], [110, 110]), 3)
    0.1
    """
    y, s = paired_arrays(outcome, prediction)
    return float(s.sum() / y.sum() - 1) if y.sum() != 0 else float("nan")


def decile_mape_error(outcome: ArrayLike, prediction: ArrayLike, n_bins: int = 10) -> float:
    """Mean over predicted deciles of |predicted / realised - 1|; deciles where nothing was realised are left out."""
    y, s = paired_arrays(outcome, prediction)
    bins = equal_count_bins(s, n_bins)
    realised = np.bincount(bins, weights=y, minlength=n_bins)
    predicted = np.bincount(bins, weights=s, minlength=n_bins)
    kept = realised > 0
    return float(np.mean(np.abs(predicted[kept] / realised[kept] - 1))) if kept.any() else float("nan")


Metric = Callable[..., float]
CLASSIFICATION_METRICS: dict[str, Metric] = {
    "auc": auc_score,
    "pr_auc": pr_auc_score,
    "brier": brier_loss,
    "log_loss": log_loss,
    "calibration_error": expected_calibration_error,
    "top_decile_lift": top_decile_lift_score,
}
VALUE_METRICS: dict[str, Metric] = {
    "normalised_gini": normalised_gini_score,
    "spearman": spearman_score,
    "mean_absolute_error": mean_absolute_error,
    "total_bias": total_bias_error,
    "decile_mape": decile_mape_error,
    "top_decile_capture": top_decile_capture_score,
}
LOWER_IS_BETTER = frozenset(
    {"brier", "log_loss", "calibration_error", "mean_absolute_error", "total_bias", "decile_mape"}
)


def _report(outcome: ArrayLike, scores: dict[str, ArrayLike], metrics: dict[str, Metric]) -> pd.DataFrame:
    columns = {
        name: [metric(outcome, score) for metric in metrics.values()] for name, score in scores.items()
    }
    frame = pd.DataFrame(columns, index=pd.Index(list(metrics), name="metric"))
    frame.insert(0, "better", ["lower" if name in LOWER_IS_BETTER else "higher" for name in metrics])
    return frame


def classification_report_frame(outcome: ArrayLike, scores: dict[str, ArrayLike]) -> pd.DataFrame:
    """One row a metric, one column a score, and `better` saying which way is up.

    Examples
    --------
    >>> frame = classification_report_frame([0, 0, 1, 1], {"model": [0.1, 0.4, 0.35, 0.8]})
    >>> float(frame.loc["auc", "model"]), frame.loc["brier", "better"]
    (0.75, 'lower')
    """
    return _report(outcome, scores, CLASSIFICATION_METRICS)


def value_report_frame(outcome: ArrayLike, predictions: dict[str, ArrayLike]) -> pd.DataFrame:
    """One row a metric of money (or of counts), one column a forecast; see `classification_report_frame`."""
    return _report(outcome, predictions, VALUE_METRICS)
