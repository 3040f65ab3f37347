"""A segmenter with the identities of its segments: the thing that is registered, and that scores a base."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import numpy as np
import pandas as pd

from segml.models.segments.behavioural import BehaviouralSegmenter
from segml.models.segments.continuity import SegmentFit, compare_segments
from segml.models.segments.identity import (
    MATCH_FROM,
    UNKNOWN_ID,
    SegmentIdentity,
    SegmentMatch,
    first_ids,
    match_segments,
)
from segml.models.segments.interests import InterestSegmenter
from segml.models.segments.languages import Language, checked_language, translated
from segml.models.segments.preparation import FeatureError
from segml.models.segments.profiles import profile_segments
from segml.models.segments.segment_sentences import name_segments

TaskName = Literal["behavioural", "mixture", "interest"]
Segmenter = BehaviouralSegmenter | InterestSegmenter

ID_PREFIX = {"behavioural": "B", "mixture": "M", "interest": "I"}
NEVER = 2.0
"""A Jaccard overlap that nothing reaches."""

KNOWN_BUYERS = "recency_days"
"""Unknown for everybody who never bought; a behavioural segment is given only to those who did."""


class SegmentTask:
    """Segments as a registered model: labels in the segmenter, names and ids here.

    Parameters
    ----------
    task : {"behavioural", "mixture", "interest"}
        The middle of the output columns `segment_<task>_id`, `_name`, `_membership`.
    segmenter : BehaviouralSegmenter or InterestSegmenter
    identities : list of SegmentIdentity, optional
        One a label, in label order; `fit` makes them.
    retired_ids : list of str
        Ids of segments that died; never given again.
    language : {"en", "da", "sv"}
        Of the names. A segment that goes on keeps its name, unless the champion spoke another language.

    Attributes
    ----------
    match_ : SegmentMatch or None
        How the segments continue those of the previous model.
    lost_features_ : list of str
        Features of the previous model that this base does not have any more; no segment can then be continued.
    feature_names_in_ : list of str

    Examples
    --------
    >>> base = pd.DataFrame({"recency_days": [1.0, 2.0, 3.0] * 20 + [300.0, 310.0, 320.0] * 20,
    ...                      "orders_total": [9.0, 8.0, 7.0] * 20 + [1.0] * 60})
    >>> task = SegmentTask("behavioural", BehaviouralSegmenter(k=2, n_init=5, n_bootstraps=2)).fit(base)
    >>> scores = task.score(base.iloc[[0, 119]])
    >>> scores["segment_behavioural_id"].tolist(), scores["segment_behavioural_membership"].round(3).tolist()
    (['B1', 'B2'], [1.0, 1.0])
    >>> scores["segment_behavioural_name"].tolist()
    ['frequent shoppers, here recently', 'one-time buyers, silent long']
    """

    def __init__(
        self,
        task: TaskName,
        segmenter: Segmenter,
        identities: list[SegmentIdentity] | None = None,
        retired_ids: list[str] | None = None,
        language: Language = "en",
    ) -> None:
        if task not in ID_PREFIX:
            raise FeatureError(f"there is no segment task {task!r}", next_step=f"use {', '.join(ID_PREFIX)}")
        self.task = task
        self.segmenter = segmenter
        self.identities = identities or []
        self.retired_ids = retired_ids or []
        self.language = checked_language(language)
        self.match_: SegmentMatch | None = None
        self.lost_features_: list[str] = []

    @property
    def feature_names_in_(self) -> list[str]:
        names = [str(name) for name in getattr(self.segmenter, "feature_names_in_", [])]
        return names if self.task == "interest" or KNOWN_BUYERS in names else [*names, KNOWN_BUYERS]

    def fit(
        self,
        features: pd.DataFrame,
        previous: SegmentTask | None = None,
        reserved: Collection[str] = (),
    ) -> SegmentTask:
        """Fit on everyone who ever bought, name the segments, and continue the ids of the previous model.

        Parameters
        ----------
        features : DataFrame, index customer_id
            Snapshot at the training cutoff.
        previous : SegmentTask, optional
            The champion; a segment that continues one of its segments keeps that id and name.
        reserved : collection of str
            Ids that other segments bear, and no new one may: those of a champion of a later day.
        """
        known = features[self._known(features)]
        self._prefer_as_many_as(previous)
        self.segmenter.fit(known)
        labels = pd.Series(np.asarray(self.segmenter.labels_), index=known.index)
        names = self._names(known, labels)
        if previous is None:
            ids = first_ids(len(names), ID_PREFIX[self.task], reserved)
            self.retired_ids = sorted({*self.retired_ids, *reserved})
            self.identities = [SegmentIdentity(i, name) for i, name in zip(ids, names, strict=True)]
            return self
        missing = [name for name in previous.feature_names_in_ if name not in known.columns]
        self.lost_features_ = missing
        # Without the champion's features nobody can be matched; its ids are still never given to other people.
        old = pd.Series(dtype="str") if missing else previous.score(known)[f"segment_{previous.task}_id"]
        inherited = {identity.id: identity.name for identity in previous.identities}
        kept_names = (
            {identity: self._own_name(name) for identity, name in inherited.items()}
            if previous.language == self.language
            else {}
        )
        taken = {*inherited, *previous.retired_ids, *reserved}
        # "Everyone" is not a segment that could go on as a part of the base, nor the other way round.
        threshold = MATCH_FROM if len(names) > 1 and len(inherited) > 1 else NEVER
        self.match_ = match_segments(old, labels, threshold, ID_PREFIX[self.task], taken)
        found = [self.match_.mapping.get(label) for label in range(len(names))]
        spare = iter(first_ids(1_000, f"{ID_PREFIX[self.task]}x"))  # labels nobody of the fitted base has
        chosen = [identity or next(spare) for identity in found]
        own = _distinct_from(names, list(kept_names.values()), self.language)
        self.identities = [SegmentIdentity(i, kept_names.get(i, own[n])) for n, i in enumerate(chosen)]
        self.retired_ids = sorted({i for i in taken if i not in chosen})
        return self

    def compared_with(self, previous: SegmentTask, features: pd.DataFrame) -> SegmentFit:
        """How well the previous model's segments still describe these customers, beside these segments."""
        column = f"segment_{self.task}_id"
        known = features[self._known(features)]
        before, now = (model.score(known)[column] for model in (previous, self))
        return compare_segments(self.segmenter.coordinates(known), before, now, UNKNOWN_ID)

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """Id, name and membership of each customer's segment; nothing is refitted.

        Returns
        -------
        DataFrame, same index
            `segment_<task>_id` and `segment_<task>_name` ("unknown" for customers who never bought, or with too
            little evidence of an interest) and `segment_<task>_membership` in (0, 1], NaN for those. Behavioural
            segments and mixtures also have `segment_<task>_outlier`: 1.0 for customers far from every segment.
        """
        known = self._known(features)
        membership = np.full(len(features), np.nan)
        label = np.full(len(features), -1)
        if known.any():
            chances = self.segmenter.predict_proba(features[known])
            best = np.nan_to_num(chances, nan=-1.0).argmax(axis=1)
            membership[known] = chances[np.arange(len(best)), best]
            label[known] = np.where(np.isnan(membership[known]), -1, best)
        ids = np.array([*(identity.id for identity in self.identities), UNKNOWN_ID], dtype=object)
        names = np.array([*(identity.name for identity in self.identities), UNKNOWN_ID], dtype=object)
        stem = f"segment_{self.task}"
        columns = {
            f"{stem}_id": pd.array(ids[label], dtype="str"),
            f"{stem}_name": pd.array(names[label], dtype="str"),
            f"{stem}_membership": membership,
        }
        if isinstance(self.segmenter, BehaviouralSegmenter):
            outlying = np.full(len(features), np.nan)
            if known.any():
                outlying[known] = self.segmenter.is_outlier(features[known])
            columns[f"{stem}_outlier"] = outlying
        return pd.DataFrame(columns, index=features.index)

    def to_dict(self) -> dict[str, Any]:
        """Return the segmenter, the identities and the match as plain Python."""
        return {
            "task": self.task,
            "segmenter": self.segmenter.to_dict(),
            "identities": [identity.to_dict() for identity in self.identities],
            "retired_ids": self.retired_ids,
            "language": self.language,
            "match": self.match_.to_dict() if self.match_ else None,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> SegmentTask:
        """Rebuild from `to_dict`; scores are identical."""
        kinds: dict[str, type[Segmenter]] = {c.__name__: c for c in (BehaviouralSegmenter, InterestSegmenter)}
        segmenter = kinds[stored["segmenter"]["class"]].from_dict(stored["segmenter"])
        identities = [SegmentIdentity(**identity) for identity in stored["identities"]]
        task = cls(stored["task"], segmenter, identities, stored["retired_ids"], stored.get("language", "en"))
        if stored.get("match"):
            task.match_ = SegmentMatch.from_dict(stored["match"])
        return task

    def _prefer_as_many_as(self, previous: SegmentTask | None) -> None:
        mine, theirs = self.segmenter, previous.segmenter if previous else None
        if (
            isinstance(mine, BehaviouralSegmenter)
            and isinstance(theirs, BehaviouralSegmenter)
            and theirs.n_segments_ > 1
        ):
            mine.set_params(preferred_k=theirs.n_segments_)
        if isinstance(mine, InterestSegmenter) and isinstance(theirs, InterestSegmenter):
            mine.preferred_topics = theirs.n_topics_ if theirs.n_topics_ > 1 else None

    def _known(self, features: pd.DataFrame) -> np.ndarray:
        if self.task == "interest":  # the segmenter itself judges the evidence
            return np.ones(len(features), dtype=bool)
        if KNOWN_BUYERS not in features.columns:
            raise FeatureError(
                f"segments need the column {KNOWN_BUYERS}, which tells who ever bought",
                next_step="give a snapshot of features",
            )
        return features[KNOWN_BUYERS].notna().to_numpy()

    def _names(self, features: pd.DataFrame, labels: pd.Series) -> list[str]:
        if isinstance(self.segmenter, InterestSegmenter):
            return [translated(name, self.language) for name in self.segmenter.topic_names_]
        if self.segmenter.n_segments_ == 1:
            return [translated("everyone", self.language)]
        columns = [name for name in self.segmenter._column_names() if name in features.columns]
        spoken = [*columns, *(n for n in ("orders_total",) if n in features.columns and n not in columns)]
        named = name_segments(profile_segments(features[spoken], labels), self.language)
        return [
            self._own_name(named.get(label, f"segment {label + 1}"))
            for label in range(self.segmenter.n_segments_)
        ]

    def _own_name(self, name: str) -> str:
        """Tell a mixture's segments from the behavioural ones: the same words would be said of other customers."""
        word = translated("(mixture)", self.language)
        apart = self.task == "mixture" and name != translated("everyone", self.language)
        return f"{name} {word}" if apart and not name.endswith(word) else name


def _distinct_from(names: list[str], taken: list[str], language: Language) -> list[str]:
    return [translated(f"{name} (new)", language) if name in taken else name for name in names]
