"""How many segments, and does the base have any?

Silhouette and the gap statistic keep rising with k on customer data, BIC and ICL pull in different directions; all
are shown, none decides alone. What decides is whether other samples of the same customers give the same segments:
the median adjusted Rand index over pairs of bootstrap fits. Among the numbers of segments that are as stable as the
best (within `STABILITY_TIE`) mixtures take the lowest BIC, and KMeans, which has no likelihood, the clearest above
what a continuum would reach (the plain silhouette falls with k whatever the truth). The winner still has to be
clearer than noise (`separation.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segml.evaluation.stability import bootstrap_labels, pairwise_rand_scores
from segml.models.segments.fits import (
    covariances_for,
    fit_consensus,
    fit_consensus_mixture,
    fit_kmeans,
    fit_mixture,
)
from segml.models.segments.partitions import Partition, squared_distances
from segml.models.segments.separation import (
    Separation,
    distances_between,
    measure_separations,
    silhouette,
)

STABILITY_TIE = 0.02
"""Medians closer than this are called equally stable."""

SILHOUETTE_ROWS = 2_000
"""The silhouette needs all pairs of distances; this many customers are enough for two digits."""

CONSENSUS_RUNS = 30
CONSENSUS_BELOW = 2_000
"""Bases with fewer customers than this gain by a consensus of subsampled runs."""

SELECTION_COLUMNS = (
    "k",
    "method",
    "covariance",
    "stability_median",
    "stability_low",
    "smallest_share",
    "inertia",
    "silhouette",
    "bic",
    "icl",
    "clarity_excess",
    "eligible",
    "chosen",
)


@dataclass(frozen=True)
class SelectionRules:
    """What a number of segments has to satisfy."""

    min_stability: float
    min_share: float
    n_bootstraps: int
    n_init: int
    seed: int
    consensus_runs: int = 0
    restart_floor: int = 5
    preferred_k: int | None = None


def restarts_for(n_rows: int, n_init: int, floor: int = 5) -> int:
    """Restarts for a fit on `n_rows` customers: all of them up to 2,000 rows, fewer in proportion above.

    Restarts repair bad starts, and bad starts are a small-sample trouble: on 1,453 people bootstrap ARI went from
    0.51 (1 restart) to 0.88 (50).

    Examples
    --------
    >>> restarts_for(1_453, 50), restarts_for(10_000, 50), restarts_for(1_000_000, 50)
    (50, 10, 5)
    """
    return int(max(min(n_init, floor), min(n_init, n_init * 2_000 // max(n_rows, 1))))


def fit_partition(
    rows: np.ndarray, k: int, method: str, rules: SelectionRules, seed: int, covariance: str = ""
) -> tuple[Partition, str]:
    """Fit one partition; returns it with its covariance type ("" for KMeans).

    Mixtures start from short k-means runs already, so a fifth of the restarts does, and bootstrap fits reuse the
    covariance type chosen on the whole sample (the one of lower BIC).
    """
    if method == "kmeans":
        if rules.consensus_runs:
            return fit_consensus(rows, k, seed, rules.consensus_runs), ""
        return fit_kmeans(rows, k, seed, restarts_for(len(rows), rules.n_init, rules.restart_floor)), ""
    kinds = [covariance] if covariance else covariances_for(len(rows), rows.shape[1], k)
    fitted = [(_fit_mixture(rows, k, rules, seed, kind), kind) for kind in kinds]
    return min(fitted, key=lambda pair: pair[0].information(rows)[0]) if len(fitted) > 1 else fitted[0]


def _fit_mixture(rows: np.ndarray, k: int, rules: SelectionRules, seed: int, kind: str) -> Partition:
    if rules.consensus_runs:
        return fit_consensus_mixture(rows, k, seed, rules.consensus_runs, kind)
    return fit_mixture(
        rows, k, seed, max(1, restarts_for(len(rows), rules.n_init, rules.restart_floor) // 5), kind
    )


def evaluate_k(
    rows: np.ndarray, k: int, method: str, rules: SelectionRules
) -> tuple[dict[str, object], np.ndarray]:
    """Evidence for one number of segments: a row of the selection frame, and the bootstrap labels behind it."""
    partition, covariance = fit_partition(rows, k, method, rules, rules.seed)
    labels = partition.labels(rows)
    again = _refit(k, method, rules, covariance)
    replicates = bootstrap_labels(rows, again, rules.n_bootstraps, rules.seed)
    agreement = pairwise_rand_scores(replicates)
    bic, icl = partition.information(rows)
    smallest = float(np.bincount(labels, minlength=k).min()) / len(rows)
    median = float(np.median(agreement))
    evidence = {
        "k": k,
        "method": method,
        "covariance": covariance,
        "stability_median": median,
        "stability_low": float(np.quantile(agreement, 0.1)),
        "smallest_share": smallest,
        "inertia": float(squared_distances(rows, partition.centres)[np.arange(len(rows)), labels].sum()),
        "silhouette": _sampled_silhouette(rows, labels, rules.seed),
        "bic": bic,
        "icl": icl,
        "clarity_excess": np.nan,
        "eligible": median >= rules.min_stability and smallest >= rules.min_share,
        "chosen": False,
    }
    return evidence, replicates


def _refit(
    k: int, method: str, rules: SelectionRules, covariance: str
) -> Callable[[np.ndarray, int], Callable[[np.ndarray], np.ndarray]]:
    def fit(sample: np.ndarray, seed: int) -> Callable[[np.ndarray], np.ndarray]:
        return fit_partition(sample, k, method, rules, seed, covariance)[0].labels

    return fit


def _sampled_silhouette(rows: np.ndarray, labels: np.ndarray, seed: int) -> float:
    if len(rows) > SILHOUETTE_ROWS:
        drawn = np.random.default_rng(seed).choice(len(rows), SILHOUETTE_ROWS, replace=False)
        rows, labels = rows[drawn], labels[drawn]
    n_found = len(np.unique(labels))
    return silhouette(distances_between(rows), labels) if 2 <= n_found < len(rows) else float("nan")


def select_k(
    rows: np.ndarray, candidates: Sequence[int], method: str, rules: SelectionRules
) -> tuple[pd.DataFrame, dict[int, np.ndarray]]:
    """Evaluate every candidate and mark the chosen one.

    Returns
    -------
    frame, replicates
        One row a candidate (`SELECTION_COLUMNS`; `chosen` is False throughout when nothing is eligible), and the
        bootstrap labels of each candidate.
    """
    found = {k: evaluate_k(rows, k, method, rules) for k in candidates}
    frame = pd.DataFrame([evidence for evidence, _ in found.values()], columns=list(SELECTION_COLUMNS))
    tied = tied_candidates(frame)
    if method == "kmeans" and len(tied) > 1 and rules.preferred_k not in tied:
        measured = measure_separations(rows, tied, method, rules.seed)
        excess = {k: separation.excess for k, separation in measured.items()}
        frame["clarity_excess"] = frame["k"].map(excess).astype(float)
    frame["chosen"] = frame["k"] == best_candidate(frame, rules.preferred_k)
    return frame, {k: labels for k, (_, labels) in found.items()}


def tied_candidates(frame: pd.DataFrame) -> list[int]:
    """Eligible numbers of segments that are as stable as the best of them.

    Examples
    --------
    >>> tied_candidates(pd.DataFrame({"k": [3, 4, 5], "eligible": [True, True, False],
    ...                               "stability_median": [0.95, 0.94, 0.99]}))
    [3, 4]
    """
    eligible = frame[frame["eligible"].astype(bool)]
    near_best = eligible["stability_median"] >= eligible["stability_median"].max() - STABILITY_TIE
    return [int(k) for k in eligible.loc[near_best, "k"]]


def best_candidate(frame: pd.DataFrame, preferred_k: int | None = None) -> int | None:
    """The k that the rule picks from a selection frame, or None when none is eligible.

    As many as before, when that is as stable as any: segments that come and go with every retraining are of no use.

    Examples
    --------
    >>> frame = pd.DataFrame({"k": [3, 4, 5], "method": "kmeans", "eligible": [True, True, False], "bic": np.nan,
    ...                       "stability_median": [0.95, 0.94, 0.99], "clarity_excess": [0.02, 0.10, np.nan]})
    >>> best_candidate(frame)
    4
    """
    tied = tied_candidates(frame)
    if preferred_k in tied:
        return preferred_k
    if len(tied) < 2:
        return tied[0] if tied else None
    rows = frame[frame["k"].isin(tied)]
    merit = rows["clarity_excess"] if rows["method"].iloc[0] == "kmeans" else -rows["bic"]
    return int(rows["k"].to_numpy()[int(np.argmax(merit.to_numpy()))])


def restart_stability_frame(
    rows: np.ndarray, k: int, method: str = "kmeans", n_bootstraps: int = 20, seed: int = 0
) -> pd.DataFrame:
    """How far restarts, and a consensus of subsampled runs, make segments come back.

    Parameters
    ----------
    rows : array, shape (n, d)
        Prepared features in an order of their own (`FeaturePreparation.transform`, then sorted).
    k : int
    method : {"kmeans", "gmm"}
    n_bootstraps : int
    seed : int

    Returns
    -------
    DataFrame
        `fit` ("n_init 1", "n_init 50", "consensus of 30"), `rand_mean`, `rand_median`, `rand_low` (10th percentile),
        over all pairs of bootstrap samples.

    Examples
    --------
    >>> rows = np.sort(np.random.default_rng(0).normal(size=(60, 1)), axis=0)
    >>> restart_stability_frame(rows, 2, n_bootstraps=2)["fit"].tolist()
    ['n_init 1', 'n_init 50', 'consensus of 30']
    """
    ways = {
        "n_init 1": SelectionRules(0.0, 0.0, n_bootstraps, 1, seed, restart_floor=1),
        "n_init 50": SelectionRules(0.0, 0.0, n_bootstraps, 50, seed),
        f"consensus of {CONSENSUS_RUNS}": SelectionRules(0.0, 0.0, n_bootstraps, 50, seed, CONSENSUS_RUNS),
    }
    found = []
    for name, rules in ways.items():
        covariance = fit_partition(rows, k, method, rules, seed)[1]
        labels = bootstrap_labels(rows, _refit(k, method, rules, covariance), n_bootstraps, seed)
        agreement = pairwise_rand_scores(labels)
        low = float(np.quantile(agreement, 0.1))
        found.append((name, float(agreement.mean()), float(np.median(agreement)), low))
    return pd.DataFrame(found, columns=["fit", "rand_mean", "rand_median", "rand_low"])


def choice_sentence(
    frame: pd.DataFrame, rules: SelectionRules, fixed: bool, n_distinct: int, separation: Separation
) -> str:
    """One sentence that says which k, and on what evidence.

    Parameters
    ----------
    frame : DataFrame
        From `select_k`.
    rules : SelectionRules
    fixed : bool
        True when the user gave k.
    n_distinct : int
        Customers that differ from each other.
    separation : Separation
        Of the chosen k.
    """
    if frame.empty:
        return f"No stable segments: only {n_distinct} distinct customers; everyone stays in one segment."
    tried = (
        f"of {frame['k'].min()} to {frame['k'].max()} tried" if len(frame) > 1 else "the only number tried"
    )
    if fixed:
        row = frame.iloc[0]
        verdict = "stable" if row["eligible"] and separation.above_noise else "NOT stable by the rules"
        return (
            f"{row['k']} segments were asked for; they are {verdict}: {_evidence(row)}{_nature(separation)}."
        )
    if frame["chosen"].any():
        row = frame[frame["chosen"]].iloc[0]
        if separation.above_noise:
            why = (
                "the best supported"
                if row["k"] != rules.preferred_k
                else "as well supported as any, and as before"
            )
            return f"{row['k']} segments, {tried} {why}: {_evidence(row)}{_nature(separation)}."
        return f"No stable segments: {row['k']} segments come back{_nature(separation)}; everyone stays in one segment."
    best = frame.sort_values(["stability_median", "k"], ascending=[False, True]).iloc[0]
    unstable = best["stability_median"] < rules.min_stability
    rule = (
        f"at least {rules.min_stability:.2f} is asked"
        if unstable
        else f"no stable choice leaves every segment {rules.min_share:.0%} of customers"
    )
    return (
        f"No stable segments: {best['k']} ({tried}) came closest, where {_evidence(best)}; {rule}; "
        "everyone stays in one segment."
    )


def _evidence(row: pd.Series) -> str:
    return (
        f"two samples of the same customers agree with a median adjusted Rand index of {row['stability_median']:.2f}, "
        f"and the smallest segment holds {row['smallest_share']:.1%}"
    )


def _nature(separation: Separation) -> str:
    observed = f"(clarity {separation.observed:.2f}"
    if separation.above_continuum and separation.above_noise:
        return (
            f"; they are separate groups {observed}, a continuum reaches {separation.continuum_ceiling:.2f})"
        )
    if separation.above_noise:
        return f"; they are slices of a continuum {observed}, a continuum reaches {separation.continuum_ceiling:.2f})"
    return f", but are no clearer than unrelated columns give {observed}, noise reaches {separation.noise_ceiling:.2f})"
