"""Declared segments as a registered task: what people said, and from behaviour for those who said nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from segml.models.segments.declared import DeclaredSegments
from segml.models.segments.identity import UNKNOWN_ID
from segml.models.segments.placement import SegmentPlacement


class DeclaredTask:
    """The registered task `declared`: segments of a survey, and the placement of everybody else.

    Parameters
    ----------
    declared : DeclaredSegments
        Fitted on answers.
    placement : SegmentPlacement, optional
        Fitted on the behaviour of those who answered; None when it could not be fitted.

    Attributes
    ----------
    feature_names_in_ : list of str
        Behaviour that placement reads; `recency_days` alone without one.
    """

    task = "declared"

    def __init__(self, declared: DeclaredSegments, placement: SegmentPlacement | None = None) -> None:
        self.declared = declared
        self.placement = placement

    @property
    def feature_names_in_(self) -> list[str]:
        """Columns of a snapshot that have to be given."""
        return list(self.placement.feature_names_in_) if self.placement else ["recency_days"]

    def score(self, features: pd.DataFrame, answers: pd.DataFrame | None = None) -> pd.DataFrame:
        """Return `segment_declared_id`, `_name`, `_membership` and `_source`, same index as `features`.

        Parameters
        ----------
        features : DataFrame, index customer_id
        answers : DataFrame, index customer_id, optional
            Survey answers of some of them; what people said goes before what is inferred.
        """
        told = None if answers is None or answers.empty else self.declared.score(answers)
        if self.placement is not None:
            return self.placement.score(features, told)
        columns = {f"segment_declared_{part}": UNKNOWN_ID for part in ("id", "name")}
        scores = pd.DataFrame(columns, index=features.index)
        scores["segment_declared_membership"] = float("nan")
        scores["segment_declared_source"] = UNKNOWN_ID
        if told is not None:
            known = told[(told["segment_declared_id"] != UNKNOWN_ID) & told.index.isin(scores.index)]
            scores.loc[known.index, known.columns] = known
            scores.loc[known.index, "segment_declared_source"] = "declared"
        return scores

    def to_dict(self) -> dict[str, Any]:
        """Return both parts as plain Python."""
        return {
            "declared": self.declared.to_dict(),
            "placement": self.placement.to_dict() if self.placement else None,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> DeclaredTask:
        """Rebuild from `to_dict`; scores are identical."""
        placement = SegmentPlacement.from_dict(stored["placement"]) if stored["placement"] else None
        return cls(DeclaredSegments.from_dict(stored["declared"]), placement)
