"""A segment keeps its name when the model is trained again.

Cluster numbers mean nothing from one fit to the next. The new labels are matched with the old segments over the
customers both runs know, by the assignment that maximises total overlap; below a threshold a new segment is new,
with an id that was never used before, and an old one that found no successor has died.

References
----------
Kuhn, H. (1955), The Hungarian method for the assignment problem, Naval Research Logistics Quarterly 2.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from segml.models.segments.preparation import FeatureError

UNKNOWN_ID = "unknown"
"""Id and name of customers without a segment; never matched."""

MATCH_FROM = 0.5
"""Half of the people of both together: below, a segment that went on would carry a name that tells of others."""
SPLIT_FROM = 0.25


@dataclass(frozen=True)
class SegmentIdentity:
    """What outlives a retraining: the id for machines and the name for people.

    Examples
    --------
    >>> SegmentIdentity("B1", "frequent shoppers").to_dict()
    {'id': 'B1', 'name': 'frequent shoppers'}
    """

    id: str
    name: str

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


_PLAIN = ("births", "deaths", "splits", "merges", "n_common")


@dataclass(frozen=True)
class SegmentMatch:
    """Who became whom.

    Attributes
    ----------
    mapping : dict of new label to segment id
        An old id where the segment survived, an unused one where it is new.
    overlap : dict of new label to float
        Jaccard overlap with the old segment it continues; 0 for new ones.
    births, deaths : list of str
        Ids that appear, and ids that found no successor.
    splits : dict of old id to list of new ids
        Old segments of which at least a quarter went to each of two or more new ones, one of them born of it.
    merges : dict of new id to list of old ids
        New segments of which at least a quarter came from each of two or more old ones, one of which died.
    n_common : int
        Customers that both runs know.
    """

    mapping: dict[Any, str]
    overlap: dict[Any, float]
    births: list[str]
    deaths: list[str]
    splits: dict[str, list[str]]
    merges: dict[str, list[str]]
    n_common: int

    def to_dict(self) -> dict[str, Any]:
        """Plain Python for a report; the mapping as pairs, because labels are not strings."""
        pairs = [[label, identity, self.overlap[label]] for label, identity in self.mapping.items()]
        return {"mapping": pairs, **{name: getattr(self, name) for name in _PLAIN}}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> SegmentMatch:
        """Rebuild from `to_dict`."""
        return cls(
            {label: identity for label, identity, _ in stored["mapping"]},
            {label: overlap for label, _, overlap in stored["mapping"]},
            **{name: stored[name] for name in _PLAIN},
        )

    def sentences(self, names: dict[str, str]) -> list[str]:
        """What happened to the segments since the champion, in words; empty when nothing did.

        Parameters
        ----------
        names : dict of segment id to name
            Ids without a name are spoken of by their id.

        Examples
        --------
        >>> match = SegmentMatch({0: "B2"}, {0: 0.0}, ["B2"], ["B1"], {}, {}, 9)
        >>> match.sentences({"B2": "new shoppers"})
        ['new since the champion: B2 new shoppers', 'gone since the champion: B1']
        """

        def spoken(ids: list[str]) -> str:
            return ", ".join(f"{i} {names[i]}" if i in names else i for i in ids)

        told = [
            f"{word} since the champion: {spoken(ids)}"
            for word, ids in (("new", self.births), ("gone", self.deaths))
            if ids
        ]
        told += [f"{spoken([old])} has split into {spoken(new)}" for old, new in self.splits.items()]
        told += [f"{spoken(old)} have merged into {spoken([new])}" for new, old in self.merges.items()]
        return told


def match_segments(
    old_labels: pd.Series,
    new_labels: pd.Series,
    threshold: float = MATCH_FROM,
    prefix: str = "B",
    used_ids: Collection[str] = (),
) -> SegmentMatch:
    """Match new labels with old segment ids by overlap on the customers both runs know.

    Parameters
    ----------
    old_labels : Series of segment ids, index customer_id
    new_labels : Series of labels, index customer_id
        Negative labels and "unknown" are customers without a segment, on both sides.
    threshold : float
        Least Jaccard overlap for a segment to be the same one.
    prefix : str
        New ids are the prefix and the next number.
    used_ids : collection of str
        Ids of segments that died earlier; an id is never given twice.

    Raises
    ------
    FeatureError
        A customer stands twice in one of the series.

    Examples
    --------
    >>> old = pd.Series({"a": "B1", "b": "B1", "c": "B2", "d": "B2"})
    >>> match = match_segments(old, pd.Series({"a": 1, "b": 1, "c": 0, "d": 0, "e": 2}))
    >>> match.mapping, match.births, match.deaths
    ({0: 'B2', 1: 'B1', 2: 'B3'}, ['B3'], [])
    """
    old, new = _segmented(old_labels, "old"), _segmented(new_labels, "new")
    common = old.index.intersection(new.index)
    counts = pd.crosstab(new.loc[common], old.loc[common])
    counts = counts.reindex(index=sorted(new.unique()), columns=sorted(old.unique()), fill_value=0)
    table = counts.to_numpy(dtype=float)
    union = table.sum(axis=1, keepdims=True) + table.sum(axis=0, keepdims=True) - table
    jaccard = table / np.maximum(union, 1.0)
    rows, columns = linear_sum_assignment(jaccard, maximize=True)
    kept = {rows[i]: columns[i] for i in range(len(rows)) if jaccard[rows[i], columns[i]] >= threshold}
    fresh = _unused_ids(prefix, {*map(str, counts.columns), *used_ids}, len(counts) - len(kept))
    mapping, overlap = {}, {}
    for i, label in enumerate(counts.index.tolist()):
        mapping[label] = str(counts.columns[kept[i]]) if i in kept else next(fresh)
        overlap[label] = float(jaccard[i, kept[i]]) if i in kept else 0.0
    old_ids = [str(name) for name in counts.columns]
    new_ids = list(mapping.values())
    births = [identity for identity in new_ids if identity not in old_ids]
    deaths = [identity for identity in old_ids if identity not in new_ids]
    # People who merely move between two segments that both go on are migration, not a split or a merge.
    splits = {old: parts for old, parts in _shared(table.T, old_ids, new_ids).items() if {*parts} & {*births}}
    merges = {new: parts for new, parts in _shared(table, new_ids, old_ids).items() if {*parts} & {*deaths}}
    return SegmentMatch(mapping, overlap, births, deaths, splits, merges, len(common))


def first_ids(n_segments: int, prefix: str = "B", used_ids: Collection[str] = ()) -> list[str]:
    """Ids of a first run; ids that were used before are not given again.

    Examples
    --------
    >>> first_ids(3)
    ['B1', 'B2', 'B3']
    """
    return list(_unused_ids(prefix, set(used_ids), n_segments))


def _segmented(labels: pd.Series, which: str) -> pd.Series:
    if not labels.index.is_unique:
        twice = labels.index[labels.index.duplicated()].unique()[:3].tolist()
        raise FeatureError(
            f"customers stand twice in the {which} labels: {', '.join(map(str, twice))}",
            next_step="give one label for each customer",
        )
    labels = labels.dropna()
    if pd.api.types.is_numeric_dtype(labels):
        return labels[labels >= 0]
    return labels[labels != UNKNOWN_ID]


def _unused_ids(prefix: str, taken: set[str], n: int) -> Any:
    pattern = re.compile(re.escape(prefix) + r"(\d+)")
    numbers = [int(found.group(1)) for name in taken if (found := pattern.fullmatch(name))]
    start = max(numbers, default=0) + 1
    return iter([f"{prefix}{number}" for number in range(start, start + n)])


def _shared(table: np.ndarray, row_ids: list[str], column_ids: list[str]) -> dict[str, list[str]]:
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1.0)
    found = {
        row_ids[i]: [column_ids[j] for j in np.flatnonzero(shares[i] >= SPLIT_FROM)]
        for i in range(len(table))
    }
    return {name: parts for name, parts in found.items() if len(parts) > 1}
