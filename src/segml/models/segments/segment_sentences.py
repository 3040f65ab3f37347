"""A profile in words: a name of its own for each segment, and a sentence that says what sets it apart.

Names come from the strongest differences whose intervals exclude zero, at most one word from each axis (recency,
frequency, value, ...), and never say of money what the money contradicts. The words themselves are data:
`segment_names.py` has the English, `languages.py` the others.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd

from segml.models.segments.feature_names import feature_name
from segml.models.segments.languages import (
    SENTENCES,
    Language,
    checked_language,
    joined,
    number_text,
    percent_text,
    translated,
)
from segml.models.segments.preparation import FeatureError
from segml.models.segments.profiles import MIN_GROUP, NAMED_FROM
from segml.models.segments.segment_names import SPOKEN_WORDS, words_for

CORE_AXES = ("recency", "frequency", "value")
CORE_WEIGHT = 1.25
"""Recency, frequency and value are named before others that are about as strong: they are what people act on."""

ONE_TIME_UNSPOKEN = ("frequency", "breadth", "rhythm", "trend")
"""What can't be said of people who have bought once: one purchase is no habit and no trend."""

WORD_ORDER = ("trend", "tenure", "frequency", "value")

ORDER_COUNTS = ("orders_total", "active_days_total")


def name_segments(profile: pd.DataFrame, language: str = "en") -> dict[Hashable, str]:
    """Give each segment a name of its own from what it over- and under-indexes on.

    Two words at first; where two segments would share a name, both get the next strongest word, and in the end a
    number.

    Parameters
    ----------
    profile : DataFrame
        From `profile_segments`.
    language : {"en", "da", "sv"}

    Examples
    --------
    >>> from segml.models.segments.profiles import profile_segments
    >>> base = pd.DataFrame({"orders_total": [1.0] * 20 + [9.0] * 20, "recency_days": [200.0] * 20 + [5.0] * 20})
    >>> profile = profile_segments(base, np.array([0] * 20 + [1] * 20))
    >>> name_segments(profile)
    {0: 'one-time buyers, silent long', 1: 'frequent shoppers, here recently'}
    >>> name_segments(profile, "da")[0]
    'engangskøbere, længe tavse'
    """
    tongue = checked_language(language)
    order: list[Hashable] = profile["segment"].unique().tolist()
    groups = {segment: profile[profile["segment"] == segment] for segment in order}
    spoken = {segment: _spoken_axes(rows) for segment, rows in groups.items()}
    nouns = {segment: _noun(rows) for segment, rows in groups.items()}
    names = {segment: _phrase(spoken[segment][:2], nouns[segment], tongue) for segment in groups}
    for n_words in (3, 4):
        for segment in _sharing(names):
            names[segment] = _phrase(spoken[segment][:n_words], nouns[segment], tongue)
    for name in {names[segment] for segment in _sharing(names)}:
        for number, segment in enumerate([s for s in names if names[s] == name], start=1):
            names[segment] = f"{name} ({number})"
    return names


def describe_segment(
    profile: pd.DataFrame, segment: Hashable, name: str | None = None, language: str = "en"
) -> str:
    """One sentence: size, spend, and the three strongest differences with their medians.

    Examples
    --------
    >>> from segml.models.segments.profiles import profile_segments
    >>> base = pd.DataFrame({"orders_total": [1.0] * 20 + [9.0] * 20})
    >>> profile = profile_segments(base, np.array([0] * 20 + [1] * 20))
    >>> describe_segment(profile, 1, "frequent shoppers")
    'frequent shoppers: 20 customers (50% of the base); number of orders higher than the others (median 9, base 5).'
    >>> describe_segment(profile, 1, "hyppige kunder", "da").replace("\u00a0", " ")
    'hyppige kunder: 20 kunder (50 % af basen); antal ordrer højere end hos de øvrige (median 9, hele basen 5).'
    """
    tongue = checked_language(language)
    form = SENTENCES[tongue]
    rows = profile[profile["segment"] == segment]
    title = name or f"segment {segment}"
    if rows.empty:
        raise FeatureError(f"the profile has no segment {segment!r}", next_step="use one of its own labels")
    first = rows.iloc[0]
    if first["suppressed"]:
        return form["small"].format(title=title, minimum=MIN_GROUP)
    spend = ""
    if not np.isnan(first["spend_share"]):
        spend = form["spend"].format(share=percent_text(first["spend_share"], tongue))
    clear = clear_differences(rows)
    told = clear[~clear["feature"].map(lambda feature: words_for(feature).axis).duplicated()].head(3)
    differences = "; ".join(_difference_in_words(row, tongue) for _, row in told.iterrows())
    return form["described"].format(
        title=title,
        size=number_text(first["size"], tongue),
        share=percent_text(first["share"], tongue),
        spend=spend,
        differences=differences or translated("nothing sets it apart from the others", tongue),
    )


def axis_directions(rows: pd.DataFrame) -> dict[str, int]:
    """Axis of `segment_names` -> +1 (high) or -1 (low), for the clear differences of one segment.

    Examples
    --------
    >>> from segml.models.segments.profiles import profile_segments
    >>> base = pd.DataFrame({"recency_days": [1.0, 2.0] * 20 + [90.0, 99.0] * 20})
    >>> profile = profile_segments(base, np.array([0] * 40 + [1] * 40))
    >>> axis_directions(profile[profile["segment"] == 1])
    {'recency': 1}
    """
    signs: dict[str, int] = {}
    for feature, effect in clear_differences(rows)[["feature", "effect"]].itertuples(index=False):
        signs.setdefault(words_for(feature).axis, 1 if effect > 0 else -1)
    return signs


def clear_differences(rows: pd.DataFrame) -> pd.DataFrame:
    """Differences large enough to name, with intervals that exclude zero, strongest first.

    A difference in spend that the segment's share of all money contradicts is left out: nobody is high-value for
    having bought lately when the others bring more.
    """
    clear = (rows["effect"].abs() >= NAMED_FROM) & (rows["effect_low"] * rows["effect_high"] > 0)
    more = rows["spend_share"] - rows["share"]
    of_value = rows["feature"].map(lambda feature: words_for(feature).axis == "value").astype(bool)
    clear &= ~(of_value & (more * rows["effect"] < 0))
    return rows[clear].sort_values("effect", key=np.abs, ascending=False, kind="stable")


def _spoken_axes(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """(word, place) of the strongest differences, one for each axis, strongest first."""
    spoken: dict[str, tuple[str, str]] = {}
    one_timers = buys_once(rows)
    clear = clear_differences(rows)
    weight = np.where([words_for(name).axis in CORE_AXES for name in clear["feature"]], CORE_WEIGHT, 1.0)
    clear = clear.iloc[np.argsort(-clear["effect"].abs().to_numpy() * weight, kind="stable")]
    for feature, effect in clear[["feature", "effect"]].itertuples(index=False):
        words = words_for(feature)
        word = words.high if effect > 0 else words.low
        if word and not (one_timers and words.axis in ONE_TIME_UNSPOKEN):
            spoken.setdefault(words.axis, (word, words.place))
    return list(spoken.values())


def buys_once(rows: pd.DataFrame) -> bool:
    """Whether the typical customer of one segment has bought once."""
    counts = rows.loc[rows["feature"].isin(ORDER_COUNTS), "median"]
    return bool(len(counts)) and bool((counts <= 1).any())


def _noun(rows: pd.DataFrame) -> str:
    if rows["suppressed"].all():
        return "a small group"
    return "one-time buyers" if buys_once(rows) else "shoppers"


def _phrase(words: list[tuple[str, str]], noun: str, language: Language) -> str:
    if not words and noun == "shoppers":
        return translated("typical shoppers", language)
    before = sorted((word for word, place in words if place == "before"), key=_english_order)
    before_noun = [translated(word, language) for word in before]
    # The first halves of compounds stand next to the noun.
    before_noun.sort(key=lambda word: word.endswith("-"))
    after = [translated(word, language) for word, place in words if place == "after"]
    return ", ".join([joined([*before_noun, translated(noun, language)]), *after])


def _english_order(word: str) -> int:
    """ "New frequent high-value": the order in which English puts the words, whatever their strength."""
    first = [word_of for axis in WORD_ORDER for word_of in _words_on(axis)]
    return first.index(word) if word in first else len(first)


def _words_on(axis: str) -> list[str]:
    named = [words for words in SPOKEN_WORDS if words.axis == axis]
    return [word for words in named for word in (words.high, words.low)]


def _sharing(names: dict[Hashable, str]) -> list[Hashable]:
    taken = list(names.values())
    return [segment for segment, name in names.items() if taken.count(name) > 1]


def _difference_in_words(row: pd.Series, language: Language) -> str:
    direction = "higher than the others" if row["effect"] > 0 else "lower than the others"
    return SENTENCES[language]["difference"].format(
        feature=feature_name(str(row["feature"]), language),
        direction=translated(direction, language),
        median=number_text(row["median"], language),
        base=number_text(row["base_median"], language),
    )
