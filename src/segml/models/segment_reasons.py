"""Why a segment's scores are what they are: where its contributions lie against everyone's, in words.

A person's reasons say what moves a score away from the base value; a segment's say what sets its members apart from
everybody else. Both come from the same exact contributions, and columns that tell one story share one place.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from segml.errors import DataError
from segml.models.reasons import BASE_VALUE, sentences, topic_of

# log-odds from which the word holds: odds times 1.1, 1.5 and 2
_STRENGTHS = ((np.log(2.0), "strong"), (np.log(1.5), "clear"), (np.log(1.1), "slight"))
_FAINT = "faint"


def strength_words(strength: ArrayLike) -> NDArray[np.object_]:
    """Say how much a reason moves the odds: strong (twice or more), clear (1.5), slight (1.1) or faint.

    Examples
    --------
    >>> strength_words([1.0, 0.5, 0.2, 0.01]).tolist()
    ['strong', 'clear', 'slight', 'faint']
    """
    size = np.abs(np.asarray(strength, dtype=float))
    words = np.full(size.shape, _FAINT, dtype=object)
    for least, word in reversed(_STRENGTHS):
        words[size >= least] = word
    words[np.isnan(size)] = ""
    return words


def segment_reasons_frame(
    contributions: pd.DataFrame, features: pd.DataFrame, segments: pd.Series, count: int = 3
) -> pd.DataFrame:
    """Return the strongest reasons of every segment.

    Parameters
    ----------
    contributions : DataFrame of shape (n, features + 1)
        Of a task (`ReturnTask.contributions`); rows without a score are left out.
    features : DataFrame
        The values behind them, same index (`ReturnCurve.inputs`).
    segments : Series
        Segment of each customer, same index; those without one are left out.
    count : int, default=3
        Reasons a segment, each of another topic.

    Returns
    -------
    DataFrame
        `segment, customers, place, feature, value, typical, direction, strength, strength_word, reason`: value is
        the segment's median, typical everyone's, strength the mean contribution of the segment less everyone's.

    Examples
    --------
    >>> parts = pd.DataFrame({"recency_days": [1.0, 1.0, -1.0, -1.0], "base_value": 0.0}, index=list("abcd"))
    >>> values = pd.DataFrame({"recency_days": [60.0, 80.0, 5.0, 5.0]}, index=list("abcd"))
    >>> found = segment_reasons_frame(parts, values, pd.Series(["quiet", "quiet", "busy", "busy"], index=list("abcd")))
    >>> found[["segment", "direction", "strength_word", "reason"]].values.tolist()[1]
    ['quiet', 'raises', 'strong', '70 days since the last order, typical 32']
    """
    if not (contributions.index.equals(features.index) and contributions.index.equals(segments.index)):
        raise DataError("contributions, features and segments are not the same customers in the same order")
    names = sorted(name for name in contributions.columns if name != BASE_VALUE)
    known = (contributions[names].notna().all(axis=1) & segments.notna()).to_numpy()
    if not known.any():
        raise DataError("no customer has both a score and a segment")
    parts, values, labels = (
        contributions.loc[known, names],
        features.loc[known, names],
        segments[known].astype(str),
    )
    offset = parts.groupby(labels.to_numpy()).mean() - parts.mean()
    median, typical = values.groupby(labels.to_numpy()).median(), values.median()
    sizes = labels.value_counts()
    rows = []
    for segment in sorted(offset.index):
        for place, name in enumerate(_leading(offset.loc[segment], count), start=1):
            strength = float(offset.loc[segment, name])
            value, usual = float(median.loc[segment, name]), float(typical[name])
            rows.append(
                {
                    "segment": segment,
                    "customers": int(sizes[segment]),
                    "place": place,
                    "feature": name,
                    "value": value,
                    "typical": usual,
                    "direction": "raises" if strength > 0 else "lowers",
                    "strength": abs(strength),
                    "strength_word": strength_words([strength])[0],
                    "reason": sentences(name, np.array([value]), typical=usual)[0],
                }
            )
    return pd.DataFrame(rows)


def _leading(offset: pd.Series, count: int) -> list[str]:
    """Names of the largest offsets, one of each topic; ties by name."""
    order = offset.abs().sort_index().sort_values(ascending=False, kind="stable")
    found: dict[str, str] = {}
    for name, size in order.items():
        if size > 0:
            found.setdefault(topic_of(str(name)), str(name))
    return list(found.values())[:count]
