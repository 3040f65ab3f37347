"""What people of a declared segment prefer, and a name made of it.

The figures are those of `profiles.py` (standardised differences from everybody else, with intervals, small groups
suppressed), over centred items, battery scores, factors and, beside them, how they answer. A name takes its items
from different factors, so that it does not say the same thing twice.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd

from segml.models.segments.identity import (
    MATCH_FROM,
    UNKNOWN_ID,
    SegmentIdentity,
    SegmentMatch,
    first_ids,
    match_segments,
)
from segml.models.segments.profiles import NAMED_FROM, profile_segments
from segml.models.segments.response_style import Questionnaire

PREFIX = "D"
STYLE_COLUMNS = ("style_mean", "style_spread", "extreme_share", "answered_share")
SECOND_FROM = 0.5
"""A trait less than half as strong as the strongest is not named, unless names would be shared."""

_SHOWN = (
    "segment",
    "size",
    "share",
    "feature",
    "median",
    "base_median",
    "effect",
    "effect_low",
    "effect_high",
)


def profile_declared(
    centred: pd.DataFrame,
    measures: pd.DataFrame,
    factors: pd.DataFrame,
    style: pd.DataFrame,
    labels: np.ndarray,
) -> pd.DataFrame:
    """Describe segments by everything that was asked.

    Parameters
    ----------
    centred : DataFrame, shape (people, items)
        Items with the response style taken out.
    measures : DataFrame, shape (people, measures)
        What was clustered; its columns that are no items are battery scores.
    factors : DataFrame, shape (people, factors)
    style : DataFrame
        From `measure_style`.
    labels : array of int, shape (people,)

    Returns
    -------
    DataFrame, one row a segment and feature
        `segment, size, share, kind` (item, battery, factor, style), `feature, median, base_median, effect,
        effect_low, effect_high, suppressed`.
    """
    scores = measures[[name for name in measures.columns if name not in centred.columns]]
    told = {"item": centred, "battery": scores, "factor": factors, "style": style[list(STYLE_COLUMNS)]}
    parts = []
    for kind, frame in told.items():
        if frame.shape[1]:
            rows = profile_segments(frame, labels)
            parts.append(rows[[*_SHOWN, "suppressed"]].assign(kind=kind))
    whole = pd.concat(parts, ignore_index=True)
    return whole[["segment", "size", "share", "kind", *_SHOWN[3:], "suppressed"]]


def name_declared(
    profile: pd.DataFrame, asked: Questionnaire, main_factor: Mapping[str, str]
) -> dict[Hashable, str]:
    """Name each segment by what it prefers to what.

    Profile batteries read "rock and physics over shopping", scale batteries "high price, low novelty". Two segments
    that would share a name get one more word each, and in the end a number.

    Parameters
    ----------
    profile : DataFrame
        From `profile_declared`.
    asked : Questionnaire
    main_factor : mapping of item to factor
        Items of one factor are named once.

    Examples
    --------
    >>> from segml.models.segments.response_style import Battery
    >>> asked = Questionnaire(1, 5, (Battery("music", ("rock", "pop", "folk")),))
    >>> profile = pd.DataFrame({"segment": [0, 0, 0], "kind": "item", "feature": ["rock", "pop", "folk"],
    ...                         "effect": [0.9, -0.8, 0.1], "suppressed": False})
    >>> name_declared(profile, asked, {})
    {0: 'rock over pop'}
    """
    spoken = {battery.name for battery in asked.batteries if battery.kind == "scale" and battery.clustered}
    items = {i for b in asked.batteries if b.kind == "profile" and b.clustered for i in b.items}
    rows = profile[profile["feature"].isin([*spoken, *items]) & profile["kind"].isin(["item", "battery"])]
    order: list[Hashable] = profile["segment"].unique().tolist()
    names: dict[Hashable, str] = {}
    for n_words in (2, 3, 4):
        for segment in _sharing(names) or (order if n_words == 2 else []):
            names[segment] = _phrase(rows[rows["segment"] == segment], n_words, spoken, main_factor)
    for name in {names[segment] for segment in _sharing(names)}:
        for number, segment in enumerate([s for s in order if names[s] == name], start=1):
            names[segment] = f"{name} ({number})"
    return names


def _sharing(names: Mapping[Hashable, str]) -> list[Hashable]:
    taken = list(names.values())
    return [segment for segment, name in names.items() if taken.count(name) > 1]


def _phrase(rows: pd.DataFrame, n_words: int, spoken: set[str], main_factor: Mapping[str, str]) -> str:
    known = rows[rows["effect"].abs() >= NAMED_FROM]
    more = _strongest(known[known["effect"] > 0], main_factor)
    less = _strongest(known[known["effect"] < 0], main_factor)
    traits = [
        f"{'high' if effect > 0 else 'low'} {feature}"
        for feature, effect in zip(known["feature"], known["effect"], strict=True)
        if feature in spoken
    ]
    strength = dict(zip(known["feature"], known["effect"].abs(), strict=True))
    traits = sorted(traits, key=lambda words: (-strength[words.split(" ", 1)[1]], words))
    least = SECOND_FROM * max(strength.values(), default=0.0)
    traits = [words for words in traits if n_words > 2 or strength[words.split(" ", 1)[1]] >= least][:n_words]
    liked = [f for f in more if f not in spoken][:n_words]
    disliked = [f for f in less if f not in spoken][: n_words - 1]
    over = " and ".join(liked)
    if disliked:
        over = f"{over} over {' and '.join(disliked)}" if liked else f"less {' and '.join(disliked)}"
    return ", ".join(part for part in (*traits, over) if part) or "close to the average"


def _strongest(rows: pd.DataFrame, main_factor: Mapping[str, str]) -> list[str]:
    """Features by strength, one a factor first, the rest after them."""
    ranked = rows.iloc[np.lexsort((rows["feature"], -rows["effect"].abs().round(9)))]["feature"].astype(str)
    first: list[str] = []
    rest: list[str] = []
    seen: set[str] = set()
    for feature in ranked:
        factor = main_factor.get(feature, feature)
        (rest if factor in seen else first).append(feature)
        seen.add(factor)
    return [*first, *rest]


def continue_identities(
    names: list[str], labels: pd.Series, old_ids: pd.Series, known: Mapping[str, str], retired: list[str]
) -> tuple[list[SegmentIdentity], SegmentMatch | None]:
    """Give ids to segments; one that continues a segment of the previous model keeps its id and name.

    Parameters
    ----------
    names : list of str
        Of the new segments, in label order.
    labels : Series of int, index person
        New segment of each person, -1 for unknown.
    old_ids : Series of str
        Id the previous model gives the same people; empty when there is none.
    known : mapping of id to name
        Segments of the previous model.
    retired : list of str
        Ids of earlier models, never given again.

    Examples
    --------
    >>> people = [f"c{i}" for i in range(4)]
    >>> new, old = pd.Series([0, 0, 1, 1], people), pd.Series(["D2", "D2", "D1", "D1"], people)
    >>> [i.name for i in continue_identities(["a", "b"], new, old, {"D1": "tea", "D2": "coffee"}, [])[0]]
    ['coffee', 'tea']
    """
    taken = [*known, *retired]
    # "Everyone" is not a segment that could go on as a part of the base, nor the other way round.
    if len(names) == 1 or len(known) < 2:
        fresh = [i for i in first_ids(len(names) + len(taken), PREFIX) if i not in taken]
        return [SegmentIdentity(i, name) for i, name in zip(fresh, names, strict=False)], None
    both = (labels >= 0) & (old_ids != UNKNOWN_ID)
    match = match_segments(old_ids[both], labels[both], MATCH_FROM, PREFIX, taken)
    spare = iter(first_ids(1_000, f"{PREFIX}x"))  # labels nobody whom both models know has
    ids = [match.mapping.get(label) or next(spare) for label in range(len(names))]
    kept = [known[i] for i in ids if i in known]
    own = [f"{name} (new)" if name in kept else name for name in names]
    return [SegmentIdentity(i, known.get(i, own[n])) for n, i in enumerate(ids)], match
