"""Declared psychographic segments: what people say they like, with how they say it taken out first.

The chain is `response_style` (centring, straight-liners), `consensus` (thirty KMeans over the answered items),
`declared_choice` (how many, how surely), `factors` and `declared_names` (what to call them). Nothing is filled in and
nothing is refitted at scoring; somebody who answered half of the items is placed by that half, and is less certain.
Interests *inferred* from purchases are another tag (`interests.py`), and so are people placed without a survey
(`placement.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from segml.errors import NotEnoughDataError
from segml.evaluation.stability import segment_jaccard
from segml.models.segments.behavioural import UNCERTAIN_BELOW
from segml.models.segments.consensus import AnsweredRows, labeller_of
from segml.models.segments.continuity import SegmentFit, compare_segments
from segml.models.segments.declared_choice import choose_segments, compare_style_shares, memberships_from
from segml.models.segments.declared_names import continue_identities, name_declared, profile_declared
from segml.models.segments.factors import SurveyFactors
from segml.models.segments.identity import UNKNOWN_ID, SegmentIdentity, SegmentMatch
from segml.models.segments.preparation import FeatureError
from segml.models.segments.profiles import MIN_GROUP
from segml.models.segments.respondents import (
    clustered_items,
    column_moments,
    count_people,
    refuse_too_few,
    usable_people,
    useless_items,
)
from segml.models.segments.response_style import (
    Questionnaire,
    centre_answers,
    measure_style,
    read_answers_frame,
)
from segml.models.segments.sampling import canonical_sample
from segml.models.segments.selection import SelectionRules

_FRAMES = ("selection_", "stability_", "segment_stability_", "style_shares_", "profile_")
_PLAIN = (
    "stable_",
    "choice_reason_",
    "unsure_share_",
    "counts_",
    "dropped_",
    "temperature_",
    "measure_names_",
)
_ARRAYS = ("item_means_", "measure_means_", "measure_scales_", "centres_")
_SETTINGS = (
    "k",
    "k_range",
    "n_bootstraps",
    "runs",
    "min_stability",
    "min_share",
    "min_answered",
    "sample_size",
    "random_state",
)


class DeclaredSegments:
    """Segments of survey respondents; a task model for the registry.

    Parameters
    ----------
    questionnaire : Questionnaire
    k : int, optional
        Number of segments; None chooses it within `k_range` by stability. A given k is kept even when it is not
        stable, and `choice_reason_` says so.
    k_range : (int, int)
    n_bootstraps : int
        Samples that are compared pairwise, at least 2.
    runs : int
        KMeans runs in a consensus.
    min_stability, min_share : float
        Least median adjusted Rand index, and least share of a segment.
    min_answered : float
        People who answered a smaller share of the clustered items are "unknown".
    sample_size : int
        Above this many respondents the fit uses a sample by md5 of the id.
    random_state : int

    Attributes
    ----------
    centres_ : array, shape (n_segments_, n_measures)
        In standard deviations of each measure; the largest segment first.
    identities : list of SegmentIdentity
        Id and name of each segment, in that order.
    questionnaire_ : Questionnaire
        Without the items in `dropped_` (nobody answered, or everybody the same).
    stable_, choice_reason_, selection_
        As in `BehaviouralSegmenter`.
    stability_ : DataFrame
        From `compare_ways`: one start, the best of 50, the consensus. For the chosen k; when none is stable, for the
        k that came closest.
    segment_stability_ : DataFrame
        Bootstrap Jaccard of each segment.
    style_shares_ : DataFrame
        `answers` ("as given", "style taken out"), `k`, `explained_share`: how much of the person's mean the
        membership explains when the raw and when the centred answers are clustered into k.
    unsure_share_ : float
        Share of the clustered people whose best membership is below 0.6.
    counts_ : dict
        `people, clustered, straight_liners, too_few_answers, missing_answers, missing_share`.
    profile_ : DataFrame
        From `profile_declared`.
    factors_ : SurveyFactors
    match_ : SegmentMatch or None
    feature_names_in_ : list of str
        The items.

    Examples
    --------
    >>> from segml.models.segments.response_style import Battery
    >>> generator = np.random.default_rng(0)
    >>> taste = np.repeat([[5, 4, 1, 2], [1, 2, 5, 4]], 60, axis=0) + generator.integers(-1, 2, (120, 4))
    >>> music = ["rock", "metal", "opera", "ballet"]
    >>> answers = pd.DataFrame(taste.clip(1, 5), columns=music, index=[f"c{i:03d}" for i in range(120)])
    >>> asked = Questionnaire(1, 5, (Battery("music", tuple(music)),))
    >>> segments = DeclaredSegments(asked, k=2, n_bootstraps=4).fit(answers)
    >>> sorted(identity.name for identity in segments.identities)
    ['opera and ballet over rock', 'rock and metal over opera']
    >>> segments.score(answers)["segment_declared_id"].nunique()
    2
    """

    task = "declared"

    def __init__(
        self,
        questionnaire: Questionnaire,
        k: int | None = None,
        k_range: tuple[int, int] = (3, 7),
        n_bootstraps: int = 20,
        runs: int = 30,
        min_stability: float = 0.75,
        min_share: float = 0.05,
        min_answered: float = 0.5,
        sample_size: int = 5_000,
        random_state: int = 0,
    ) -> None:
        self.questionnaire = questionnaire
        self.k = k
        self.k_range = k_range
        self.n_bootstraps = n_bootstraps
        self.runs = runs
        self.min_stability = min_stability
        self.min_share = min_share
        self.min_answered = min_answered
        self.sample_size = sample_size
        self.random_state = random_state
        self.identities: list[SegmentIdentity] = []
        self.retired_ids: list[str] = []
        self.match_: SegmentMatch | None = None

    @property
    def feature_names_in_(self) -> list[str]:
        return list(self.questionnaire_.items)

    @property
    def n_segments_(self) -> int:
        return len(self.centres_)

    def fit(
        self,
        answers: pd.DataFrame,
        previous: DeclaredSegments | None = None,
        reserved: Collection[str] = (),
    ) -> DeclaredSegments:
        """Learn item means, the number of segments, the segments and their names.

        Parameters
        ----------
        answers : DataFrame, index person
            One column an item, numbers on the scale, NaN for unanswered.
        previous : DeclaredSegments, optional
            The champion; a segment that continues one of its segments keeps that id and name.
        reserved : collection of str
            Ids that other segments bear, and no new one may: those of a champion of a later day.

        Raises
        ------
        DataError
            Items without a column, text, or answers outside the scale.
        ConfigurationError
            A battery of which fewer than two usable items are left.
        NotEnoughDataError
            Fewer than 10 people a segment who answered enough, and not in a straight line.
        """
        self._check_settings()
        values = self._without_useless(read_answers_frame(answers, self.questionnaire))
        self.item_means_, _ = column_moments(values)
        usable, straight = usable_people(values, self.questionnaire_, self.item_means_, self.min_answered)
        self.counts_ = count_people(values, usable, straight)
        refuse_too_few(self.counts_, self.k or self.k_range[0])
        self.item_means_, _ = column_moments(values[usable])
        own = answers.loc[usable]
        sample = canonical_sample(own, values[usable], self.sample_size, self.random_state)
        measures = self._measures(sample).to_numpy()
        self.measure_means_, scales = column_moments(measures)
        self.measure_scales_ = np.where(scales > 1e-9, scales, 1.0)
        with threadpool_limits(limits=1):  # sums in parallel differ in the last digits
            self._choose_and_fit(self._standardised(sample), sample)
            self._describe(sample)
            self._identify(answers, previous, reserved)
        return self

    def predict(self, answers: pd.DataFrame) -> np.ndarray:
        """Segment of each person, shape (n,); -1 is unknown (a straight line, or too few answers)."""
        chances = self.predict_proba(answers)
        unknown = np.isnan(chances).any(axis=1)
        return np.where(unknown, -1, np.nan_to_num(chances).argmax(axis=1))

    def predict_proba(self, answers: pd.DataFrame) -> np.ndarray:
        """Soft memberships, shape (n, n_segments_); rows sum to 1, NaN for unknown people."""
        values = read_answers_frame(answers, self.questionnaire_)
        chances = np.full((len(values), self.n_segments_), np.nan)
        usable, _ = usable_people(values, self.questionnaire_, self.item_means_, self.min_answered)
        if usable.any():
            distances = AnsweredRows(self._standardised(values[usable])).squared_distances(self.centres_)
            chances[usable] = memberships_from(distances, self.temperature_)
        return chances

    def score(self, answers: pd.DataFrame) -> pd.DataFrame:
        """Id, name and membership of each person's segment; "unknown" and NaN where there is none.

        Returns
        -------
        DataFrame, same index
            `segment_declared_id`, `segment_declared_name`, `segment_declared_membership`.
        """
        chances = self.predict_proba(answers)
        label = self.predict(answers)
        ids = np.array([*(identity.id for identity in self.identities), UNKNOWN_ID], dtype=object)
        names = np.array([*(identity.name for identity in self.identities), UNKNOWN_ID], dtype=object)
        return pd.DataFrame(
            {
                "segment_declared_id": pd.array(ids[label], dtype="str"),
                "segment_declared_name": pd.array(names[label], dtype="str"),
                "segment_declared_membership": np.where(label < 0, np.nan, chances.max(axis=1)),
            },
            index=answers.index,
        )

    def compared_with(self, previous: DeclaredSegments, answers: pd.DataFrame) -> SegmentFit:
        """How well the previous segments still describe these people; unanswered items count as average."""
        values = read_answers_frame(answers, self.questionnaire_)
        rows = np.nan_to_num(self._standardised(values))
        before, now = (model.score(answers)["segment_declared_id"] for model in (previous, self))
        return compare_segments(rows, before, now, UNKNOWN_ID)

    def style(self, answers: pd.DataFrame) -> pd.DataFrame:
        """How each person answers (`measure_style`): kept beside the segment, and never part of it."""
        values = read_answers_frame(answers, self.questionnaire_)
        return measure_style(values, self.questionnaire_, self.item_means_).set_axis(answers.index)

    def centred(self, answers: pd.DataFrame) -> pd.DataFrame:
        """The items with the response style taken out."""
        values = read_answers_frame(answers, self.questionnaire_)
        return self._centred(values).set_axis(answers.index)

    def to_dict(self) -> dict[str, Any]:
        """Return everything that scoring and the report need, as plain Python."""
        return {
            "class": type(self).__name__,
            "questionnaire": self.questionnaire.to_dict(),
            "settings": {n: _plain(getattr(self, n)) for n in _SETTINGS},
            "questionnaire_used": self.questionnaire_.to_dict(),
            "identities": [identity.to_dict() for identity in self.identities],
            "retired_ids": self.retired_ids,
            "factors": self.factors_.to_dict(),
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: getattr(self, name).tolist() for name in _ARRAYS},
            **{name: _records(getattr(self, name)) for name in _FRAMES},
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> DeclaredSegments:
        """Rebuild from `to_dict`; scores are identical."""
        settings: dict[str, Any] = {
            n: tuple(v) if isinstance(v, list) else v for n, v in stored["settings"].items()
        }
        segments = cls(Questionnaire.from_dict(stored["questionnaire"]), **settings)
        segments.questionnaire_ = Questionnaire.from_dict(stored["questionnaire_used"])
        segments.identities = [SegmentIdentity(**identity) for identity in stored["identities"]]
        segments.retired_ids = list(stored["retired_ids"])
        segments.factors_ = SurveyFactors.from_dict(stored["factors"])
        for name in _PLAIN:
            setattr(segments, name, stored[name])
        for name in _ARRAYS:
            setattr(segments, name, np.array(stored[name], dtype=float))
        for name in _FRAMES:
            setattr(segments, name, pd.DataFrame(stored[name]))
        return segments

    def _check_settings(self) -> None:
        wrong = []
        if self.k is not None and self.k < 1:
            wrong.append(f"k is at least 1, not {self.k}")
        if not 2 <= self.k_range[0] <= self.k_range[1]:
            wrong.append(f"k_range runs from at least 2 upwards, not {self.k_range}")
        if self.n_bootstraps < 2:
            wrong.append(f"n_bootstraps is at least 2, not {self.n_bootstraps}")
        if self.runs < 1:
            wrong.append(f"runs is at least 1, not {self.runs}")
        if not 0 < self.min_answered <= 1:
            wrong.append(f"min_answered is a share above 0, not {self.min_answered}")
        if wrong:
            raise FeatureError("; ".join(wrong), next_step="correct these settings of the declared segments")

    def _without_useless(self, values: np.ndarray) -> np.ndarray:
        self.dropped_ = useless_items(values, self.questionnaire.items)
        keep = [item not in self.dropped_ for item in self.questionnaire.items]
        if not any(keep):
            reasons = "; ".join(f"{item!r}: {why}" for item, why in self.dropped_.items())
            raise NotEnoughDataError(
                f"no item tells {len(values)} people apart: {reasons}", "collect answers first"
            )
        self.questionnaire_ = self.questionnaire.without(self.dropped_)
        return values[:, keep]

    def _centred(self, values: np.ndarray) -> pd.DataFrame:
        centred = centre_answers(values, self.questionnaire_, self.item_means_)
        return pd.DataFrame(centred, columns=list(self.questionnaire_.items))

    def _measures(self, values: np.ndarray) -> pd.DataFrame:
        """What is clustered: items of profile batteries, one score for each scale battery."""
        centred = self._centred(values)
        columns: dict[str, pd.Series] = {}
        for battery in self.questionnaire_.batteries:
            if not battery.clustered:
                continue
            if battery.kind == "scale":
                columns[battery.name] = centred[list(battery.items)].mean(axis=1)
            else:
                columns |= {item: centred[item] for item in battery.items}
        self.measure_names_ = list(columns)
        return pd.DataFrame(columns)

    def _standardised(self, values: np.ndarray) -> np.ndarray:
        return np.asarray((self._measures(values).to_numpy() - self.measure_means_) / self.measure_scales_)

    def _choose_and_fit(self, rows: np.ndarray, sample: np.ndarray) -> None:
        rules = SelectionRules(self.min_stability, self.min_share, self.n_bootstraps, 1, self.random_state)
        top = min(self.k_range[1], len(rows) // MIN_GROUP)
        candidates = [self.k] if self.k else list(range(self.k_range[0], top + 1))
        found = choose_segments(rows, candidates, rules, self.runs, fixed=self.k is not None)
        self.selection_, self.stability_ = found.selection, found.stability
        self.stable_, self.choice_reason_ = found.stable, found.reason
        self.centres_, self.temperature_ = found.centres, found.temperature
        distances = AnsweredRows(rows).squared_distances(self.centres_)
        best = memberships_from(distances, self.temperature_).max(axis=1)
        self.unsure_share_ = float((best < UNCERTAIN_BELOW).mean())
        self.segment_stability_ = segment_jaccard(distances.argmin(axis=1), found.replicate)
        style = measure_style(sample, self.questionnaire_, self.item_means_)["style_mean"]
        raw = sample[:, clustered_items(self.questionnaire_)]
        self.style_shares_ = compare_style_shares(raw, rows, style, candidates, self.random_state, self.runs)

    def _describe(self, sample: np.ndarray) -> None:
        centred = self._centred(sample)
        self.factors_ = SurveyFactors(random_state=self.random_state).fit(centred)
        labels = labeller_of(self.centres_)(self._standardised(sample))
        style = measure_style(sample, self.questionnaire_, self.item_means_)
        scores = self.factors_.transform(centred)
        self.profile_ = profile_declared(centred, self._measures(sample), scores, style, labels)

    def _identify(
        self, answers: pd.DataFrame, previous: DeclaredSegments | None, reserved: Collection[str]
    ) -> None:
        """Ids and names; those of the champion where a segment continues one of its own."""
        found = name_declared(self.profile_, self.questionnaire_, self.factors_.main_factor())
        names = [found.get(label, f"segment {label + 1}") for label in range(self.n_segments_)]
        names = names if self.n_segments_ > 1 else ["everyone"]
        known = {identity.id: identity.name for identity in previous.identities} if previous else {}
        retired = [*(previous.retired_ids if previous else []), *reserved]
        old = previous.score(answers)["segment_declared_id"] if previous else pd.Series(dtype="str")
        labels = pd.Series(self.predict(answers), index=answers.index)
        self.identities, self.match_ = continue_identities(names, labels, old, known, retired)
        given = {identity.id for identity in self.identities}
        self.retired_ids = sorted({*known, *retired} - given)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain Python; NaN stays NaN, which JSON of Python reads back."""
    return [
        {str(name): getattr(v, "item", lambda v=v: v)() for name, v in row.items()}
        for row in frame.to_dict("records")
    ]
