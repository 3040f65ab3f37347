"""Choosing the number of segments and fitting them, against the same choice on the full data by scikit-learn."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

Facts = dict[str, Any]
FEATURES, KINDS, LARGEST_K, MOST_COMPONENTS = 12, 5, 10, 6
PLAIN_BOOTSTRAPS = 2  # segml draws 20: the plain choice is given a tenth of the work


def choose_by_segml(options: argparse.Namespace) -> Facts:
    """Choose k in 2..10 by stability and fit k-means; the same for a mixture in 2..6."""
    from sklearn.metrics import adjusted_rand_score

    from segml.models.segments.behavioural import BehaviouralSegmenter

    rows, truth = planted_customers(options.customers)
    facts: Facts = {"rows": len(rows), "columns": FEATURES}
    for method in ("kmeans", "gmm"):
        started = time.perf_counter()
        model = BehaviouralSegmenter(method, k_range=(2, LARGEST_K)).fit(rows)  # type: ignore[arg-type]
        facts |= {
            f"{method}_s": round(time.perf_counter() - started, 1),
            f"{method}_k": model.n_segments_,
            f"{method}_ari": round(float(adjusted_rand_score(truth, model.labels_)), 4),
        }
        started = time.perf_counter()
        model.predict_proba(rows)
        facts[f"{method}_scored_per_s"] = round(len(rows) / (time.perf_counter() - started))
    return facts


def choose_by_sklearn(options: argparse.Namespace) -> Facts:
    """The same choice on the full data with scikit-learn's defaults, and a tenth of the bootstraps."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score
    from sklearn.mixture import GaussianMixture
    from sklearn.preprocessing import StandardScaler

    rows, truth = planted_customers(options.customers)
    rows = StandardScaler().fit_transform(np.log1p(rows))
    best: dict[str, tuple[float, np.ndarray]] = {}
    models = [("kmeans", KMeans(k, random_state=0)) for k in range(2, LARGEST_K + 1)]
    models += [("gmm", GaussianMixture(k, random_state=0)) for k in range(2, MOST_COMPONENTS + 1)]
    for name, model in models:
        drawn = [np.random.default_rng(b).integers(0, len(rows), len(rows)) for b in range(PLAIN_BOOTSTRAPS)]
        first, second = (model.fit(rows[sample]).predict(rows) for sample in drawn)
        stability = float(adjusted_rand_score(first, second))
        if stability >= best.get(name, (0.0, first))[0] - 0.005:
            best[name] = (stability, model.fit(rows).predict(rows))
    found = {f"{name}_ari": round(float(adjusted_rand_score(truth, best[name][1])), 4) for name in best}
    return {"rows": len(rows), "columns": FEATURES, **found}


def planted_customers(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Skewed features of five kinds of customer, shape (n, 12), and the kinds."""
    generator = np.random.default_rng(seed)
    kinds = generator.choice(KINDS, n, p=[0.35, 0.25, 0.2, 0.12, 0.08])
    centres = generator.normal(3.0, 1.0, (KINDS, FEATURES))
    return np.exp(centres[kinds] + generator.normal(0, 0.45, (n, FEATURES))), kinds
