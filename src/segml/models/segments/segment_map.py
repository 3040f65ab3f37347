"""Segments on a plane: the two directions in which prepared customers differ most."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segml.models.segments.behavioural import BehaviouralSegmenter
from segml.models.segments.sampling import canonical_sample

MAP_ROWS = 2_000


def segment_map_frame(
    segmenter: BehaviouralSegmenter, features: pd.DataFrame, size: int = MAP_ROWS, seed: int = 0
) -> pd.DataFrame:
    """Project customers and centres onto the first two principal components.

    Parameters
    ----------
    segmenter : BehaviouralSegmenter
        Fitted.
    features : DataFrame, index customer_id
        A sample of at most `size` customers is shown, by md5 of the id.

    Returns
    -------
    DataFrame
        `x, y` in standard deviations, `segment` (label), `membership` of the best segment, `kind` ("customer",
        "outlier" or "centre"); `attrs["explained"]` holds the share of variance of both axes, and `attrs["axes"]`
        the features that weigh most on each.

    Examples
    --------
    >>> base = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 3)), columns=list("abc"))
    >>> frame = segment_map_frame(BehaviouralSegmenter(k=2, n_init=5, n_bootstraps=2).fit(base), base)
    >>> frame["kind"].value_counts()["centre"], len(frame)
    (np.int64(2), 52)
    """
    names = segmenter._column_names()
    values = segmenter._read_fitted(features)
    sample = canonical_sample(features, values, size, seed)
    rows = segmenter.preparation_.transform(sample)
    middle = rows.mean(axis=0)
    _, strengths, directions = np.linalg.svd(rows - middle, full_matrices=False)
    axes = directions[:2] if len(directions) > 1 else np.vstack([directions, np.zeros_like(directions)])
    largest = np.abs(axes).argmax(axis=1)
    axes = (
        axes * np.where(axes[np.arange(2), largest] < 0, -1.0, 1.0)[:, None]
    )  # a sign that is the same each time
    memberships = segmenter.partition_.memberships(rows)
    outlying = segmenter._strangeness(sample) > segmenter.outlier_limit_
    customers = pd.DataFrame((rows - middle) @ axes.T, columns=["x", "y"]).assign(
        segment=segmenter.partition_.labels(rows),
        membership=memberships.max(axis=1),
        kind=np.where(outlying, "outlier", "customer"),
    )
    centres = pd.DataFrame((segmenter.cluster_centers_ - middle) @ axes.T, columns=["x", "y"]).assign(
        segment=np.arange(segmenter.n_segments_), membership=1.0, kind="centre"
    )
    frame = pd.concat([customers, centres], ignore_index=True)
    kept = [name for name, used in zip(names, segmenter.preparation_.kept, strict=True) if used]
    variance = strengths**2
    frame.attrs["explained"] = [float(v) for v in (variance / variance.sum())[:2]]
    frame.attrs["axes"] = [[kept[j] for j in np.argsort(-np.abs(axis), kind="stable")[:2]] for axis in axes]
    return frame
