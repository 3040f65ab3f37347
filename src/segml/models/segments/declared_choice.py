"""How many declared segments, how surely they come back, and what a membership is worth.

The rules are those of behavioural segments (`selection.py`, `separation.py`); the clustering they judge is the
consensus. Memberships are calibrated against the same bootstrap instead of assuming round Gaussians: distances are
divided by one temperature, chosen so that memberships match how often the bootstrap clusterings put a person into
each segment. (On the Young People Survey it is 1.5, where the textbook has 1.8: the assumption was not far off.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment, minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.metrics import silhouette_score

from segml.evaluation.stability import (
    Labeller,
    bootstrap_labels,
    contingency_counts,
    pairwise_rand_scores,
)
from segml.models.segments.consensus import AnsweredRows, fit_consensus, fit_single, labeller_of
from segml.models.segments.response_style import explained_share
from segml.models.segments.selection import (
    SELECTION_COLUMNS,
    SelectionRules,
    best_candidate,
    choice_sentence,
    tied_candidates,
)
from segml.models.segments.separation import Separation, measure_separation

WAYS = ("one start", "best of 50 starts", "consensus of 30 runs")
"""The clusterings whose stability is compared."""

LOG_TEMPERATURES = (-4.0, 8.0)


@dataclass(frozen=True)
class SegmentChoice:
    """Declared segments of prepared rows, with their evidence.

    Attributes
    ----------
    centres : array, shape (n_segments, d)
        The largest segment first; one centre when nothing is stable.
    temperature : float
    stable : bool
    reason : str
    selection, stability : DataFrame
        From `choose_k` and `compare_ways`.
    replicate : array of int, shape (n_bootstraps, n)
        Bootstrap labels of the chosen number of segments.
    """

    centres: np.ndarray
    temperature: float
    stable: bool
    reason: str
    selection: pd.DataFrame
    stability: pd.DataFrame
    replicate: np.ndarray


def choose_segments(
    rows: np.ndarray, candidates: Sequence[int], rules: SelectionRules, runs: int, fixed: bool
) -> SegmentChoice:
    """Choose k, fit the consensus, and calibrate its memberships.

    Parameters
    ----------
    rows : array, shape (n, d)
        Standardised measures in a canonical order, NaN for unanswered.
    candidates : sequence of int
    rules : SelectionRules
    runs : int
    fixed : bool
        True keeps the only candidate also when it is not stable.
    """
    selection, replicates = choose_k(rows, candidates, rules, runs)
    ranked = selection.sort_values(["chosen", "stability_median"], ascending=False, kind="stable")
    k = int(ranked["k"].iloc[0])
    separation = Separation.of_nothing()
    if k > 1:
        separation = measure_separation(np.nan_to_num(rows), k, "kmeans", rules.seed)
    stable = bool(selection["chosen"].any() and separation.above_noise)
    reason = choice_sentence(selection, rules, fixed, len(rows), separation)
    stability = compare_ways(rows, k, replicates[k], rules.seed)
    replicate = replicates[k] if stable or fixed else np.zeros((1, len(rows)), dtype=np.int64)
    centres = fit_consensus(rows, k, rules.seed, runs) if stable or fixed else np.zeros((1, rows.shape[1]))
    sizes = np.bincount(labeller_of(centres)(rows), minlength=len(centres))
    # Rounded: the last digits of a centre may differ between machines, and must not decide.
    centres = centres[np.lexsort([*np.round(centres, 6).T[::-1], -sizes])]
    distances = AnsweredRows(rows).squared_distances(centres)
    votes = vote_shares(distances.argmin(axis=1), replicate)
    temperature = calibrate_temperature(distances, votes)
    return SegmentChoice(centres, temperature, stable, reason, selection, stability, replicate)


def consensus_labeller(k: int, runs: int) -> Callable[[np.ndarray, int], Labeller]:
    """A fit for `bootstrap_labels`."""
    return lambda sample, seed: labeller_of(fit_consensus(sample, k, seed, runs))


def choose_k(
    rows: np.ndarray, candidates: Sequence[int], rules: SelectionRules, runs: int
) -> tuple[pd.DataFrame, dict[int, np.ndarray]]:
    """Evidence for each number of segments (frame as in `select_k`), and the bootstrap labels behind it."""
    replicates = {
        k: bootstrap_labels(rows, consensus_labeller(k, runs), rules.n_bootstraps, rules.seed)
        for k in candidates
    }
    evidence = [_evidence(rows, k, replicates[k], rules, runs) for k in candidates]
    frame = pd.DataFrame(evidence, columns=list(SELECTION_COLUMNS))
    tied = tied_candidates(frame)
    if len(tied) > 1:
        filled = np.nan_to_num(rows)
        excess = {k: measure_separation(filled, k, "kmeans", rules.seed).excess for k in tied}
        frame["clarity_excess"] = frame["k"].map(excess).astype(float)
    frame["chosen"] = frame["k"] == best_candidate(frame)
    return frame, replicates


def _evidence(
    rows: np.ndarray, k: int, replicate: np.ndarray, rules: SelectionRules, runs: int
) -> dict[str, object]:
    distances = AnsweredRows(rows).squared_distances(fit_consensus(rows, k, rules.seed, runs))
    labels = distances.argmin(axis=1)
    agreement = pairwise_rand_scores(replicate)
    smallest = float(np.bincount(labels, minlength=k).min()) / len(rows)
    median = float(np.median(agreement))
    several = 2 <= len(np.unique(labels)) < len(rows)
    return {
        "k": k,
        "method": "kmeans",
        "covariance": "",
        "stability_median": median,
        "stability_low": float(np.quantile(agreement, 0.1)),
        "smallest_share": smallest,
        "inertia": float(distances.min(axis=1).sum()),
        "silhouette": float(silhouette_score(np.nan_to_num(rows), labels)) if several else np.nan,
        "bic": np.nan,
        "icl": np.nan,
        "clarity_excess": np.nan,
        "eligible": median >= rules.min_stability and smallest >= rules.min_share,
        "chosen": False,
    }


def compare_ways(rows: np.ndarray, k: int, replicate: np.ndarray, seed: int) -> pd.DataFrame:
    """How well the segments come back in other samples, by the way they are made.

    Parameters
    ----------
    rows : array, shape (n, d)
    k : int
    replicate : array of int, shape (n_bootstraps, n)
        Bootstrap labels of the consensus; the other ways get the same samples.
    seed : int

    Returns
    -------
    DataFrame, one row a way
        `way, rand_mean, rand_median, rand_low` (adjusted Rand index over pairs of samples; low: 10th percentile).
    """
    labels = [_single_labels(rows, k, starts, len(replicate), seed) for starts in (1, 50)]
    scores = [pairwise_rand_scores(found) for found in (*labels, replicate)]
    return pd.DataFrame(
        {
            "way": WAYS,
            "rand_mean": [float(score.mean()) for score in scores],
            "rand_median": [float(np.median(score)) for score in scores],
            "rand_low": [float(np.quantile(score, 0.1)) for score in scores],
        }
    )


def _single_labels(rows: np.ndarray, k: int, starts: int, n_bootstraps: int, seed: int) -> np.ndarray:
    def fit(sample: np.ndarray, sample_seed: int) -> Labeller:
        return labeller_of(fit_single(sample, k, sample_seed, starts))

    return bootstrap_labels(rows, fit, n_bootstraps, seed)


def compare_style_shares(
    raw: np.ndarray, rows: np.ndarray, style_mean: pd.Series, candidates: Sequence[int], seed: int, runs: int
) -> pd.DataFrame:
    """How much of the person's mean the membership explains, as the answers are and with the style taken out.

    Parameters
    ----------
    raw : array, shape (n, items)
        Answers as they were given; standardised here.
    rows : array, shape (n, d)
        What the segments are made of.
    style_mean : Series, shape (n,)
    candidates : sequence of int
    seed, runs : int

    Returns
    -------
    DataFrame
        `answers` ("as given", "style taken out"), `k`, `explained_share`.
    """
    spread = np.nanstd(raw, axis=0)
    given = (raw - np.nanmean(raw, axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    shares = [
        (answers, k, explained_share(style_mean, labeller_of(fit_consensus(values, k, seed, runs))(values)))
        for k in candidates
        for answers, values in (("as given", given), ("style taken out", rows))
    ]
    return pd.DataFrame(shares, columns=["answers", "k", "explained_share"])


def vote_shares(labels: np.ndarray, replicate: np.ndarray) -> np.ndarray:
    """How often the bootstrap clusterings put each person into each segment.

    Parameters
    ----------
    labels : array of int, shape (n,)
        The segments that are reported.
    replicate : array of int, shape (n_bootstraps, n)
        Matched with them one to one, by the assignment that keeps most people together.

    Returns
    -------
    array, shape (n, k)

    Examples
    --------
    >>> vote_shares(np.array([0, 0, 1]), np.array([[1, 1, 0], [0, 1, 1]])).tolist()
    [[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]
    """
    k = int(labels.max()) + 1
    votes = np.zeros((len(labels), k))
    for row in replicate:
        counts = contingency_counts(row, labels)
        known, segment = linear_sum_assignment(-counts)
        renamed = np.full(len(counts), -1)
        renamed[known] = segment
        found = renamed[row]
        votes[np.flatnonzero(found >= 0), found[found >= 0]] += 1.0
    return votes / np.maximum(votes.sum(axis=1, keepdims=True), 1.0)


def calibrate_temperature(distances: np.ndarray, votes: np.ndarray) -> float:
    """The temperature at which softmax(-distance / temperature) matches the votes best (cross-entropy).

    Parameters
    ----------
    distances : array, shape (n, k)
        Squared distances to the centres.
    votes : array, shape (n, k)

    Examples
    --------
    >>> distances = np.array([[0.0, 4.0], [4.0, 0.0]])
    >>> round(calibrate_temperature(distances, softmax(-distances / 2.5, axis=1)), 2)
    2.5
    """

    def loss(log_temperature: float) -> float:
        return -float((votes * log_softmax(-distances / np.exp(log_temperature), axis=1)).sum(axis=1).mean())

    return float(np.exp(minimize_scalar(loss, bounds=LOG_TEMPERATURES, method="bounded").x))


def memberships_from(distances: np.ndarray, temperature: float) -> np.ndarray:
    """Soft memberships, shape (n, k); rows sum to 1."""
    return np.asarray(softmax(-distances / temperature, axis=1))
