"""What a segment is: how large, what it spends, and what sets it apart, with intervals and in words.

The difference is standardised and set against everybody *else*: "0.8 standard deviations above the others" holds
for days and for money alike, and the two groups of the comparison share no customer. Groups under the minimum are
shown as suppressed, never as small numbers.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd
from scipy.stats import skew

from segml.models.segments.languages import (
    SENTENCES,
    Language,
    checked_language,
    joined,
    number_text,
    percent_text,
    translated,
)
from segml.models.segments.preparation import SKEW_LIMIT, FeatureError, signed_log
from segml.models.segments.segment_names import SPOKEN_WORDS, words_for

MIN_GROUP = 10
"""Groups smaller than this are suppressed."""

Z_95 = 1.959964
NAMED_FROM = 0.3
"""A difference below this many standard deviations does not make it into a name."""

CORE_AXES = ("recency", "frequency", "value")
CORE_WEIGHT = 1.25
"""Recency, frequency and value are named before others that are about as strong: they are what people act on."""

ONE_TIME_UNSPOKEN = ("frequency", "breadth", "rhythm", "trend")
"""What can't be said of people who have bought once: one purchase is no habit and no trend."""

WORD_ORDER = ("trend", "tenure", "frequency", "value")

ORDER_COUNTS = ("orders_total", "active_days_total")


def profile_segments(
    features: pd.DataFrame, labels: np.ndarray | pd.Series, money: pd.Series | None = None
) -> pd.DataFrame:
    """Describe each segment by size, spend and standardised differences from everybody else.

    Parameters
    ----------
    features : DataFrame, shape (n, d)
        Raw features, NaN for unknown; skewed ones are compared on the log scale.
    labels : array or Series, shape (n,)
        Segment of each row; a Series is aligned by index.
    money : Series, optional
        Spend of each customer in major units (aligned by index); default `spend_total`, else `spend_365d`, when
        the frame has it.

    Returns
    -------
    DataFrame, one row a segment and feature, largest segment first
        `segment, size, share, spend_total, spend_share, spend_mean, feature, median, base_median, effect,
        effect_low, effect_high, suppressed`. `effect` is (mean of the segment - mean of the others) / standard
        deviation of the base, with a 95 % interval; NaN when there are no others or nothing is known. Segments
        under 10 customers have `suppressed` True and no figures.

    Raises
    ------
    FeatureError
        Labels and features are not of the same customers.

    Examples
    --------
    >>> base = pd.DataFrame({"orders_total": [1.0] * 20 + [9.0] * 20 + [5.0]})
    >>> profile = profile_segments(base, np.array([0] * 20 + [1] * 20 + [2]))
    >>> profile[["segment", "size", "median", "suppressed"]]
       segment  size  median  suppressed
    0        0  20.0     1.0       False
    1        1  20.0     9.0       False
    2        2   NaN     NaN        True
    """
    labels = _aligned(labels, features)
    names = [str(name) for name in features.columns]
    raw = features.to_numpy(dtype=float)
    scaled = _comparable(raw)
    spend = _money(features, money)
    base_median = _median(raw)
    rows = []
    for segment in _largest_first(labels):
        inside = labels == segment
        size = int(inside.sum())
        hidden = size < MIN_GROUP
        effect, half_width = (np.full((2, len(names)), np.nan)) if hidden else _difference(scaled, inside)
        spent = np.nansum(spend[inside]) if spend is not None and not hidden else np.nan
        all_spent = np.nansum(spend) if spend is not None else np.nan
        rows.append(
            pd.DataFrame(
                {
                    "segment": segment,
                    "size": np.nan if hidden else float(size),
                    "share": np.nan if hidden else size / len(labels),
                    "spend_total": spent,
                    "spend_share": spent / all_spent if all_spent > 0 else np.nan,
                    "spend_mean": spent / size,
                    "feature": names,
                    "median": np.nan if hidden else _median(raw[inside]),
                    "base_median": base_median,
                    "effect": effect,
                    "effect_low": effect - half_width,
                    "effect_high": effect + half_width,
                    "suppressed": hidden,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


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
    >>> base = pd.DataFrame({"orders_total": [1.0] * 20 + [9.0] * 20})
    >>> profile = profile_segments(base, np.array([0] * 20 + [1] * 20))
    >>> describe_segment(profile, 1, "frequent shoppers")
    'frequent shoppers: 20 customers (50% of the base); orders total higher than the others (median 9, base 5).'
    >>> describe_segment(profile, 1, "hyppige kunder", "da").replace("\u00a0", " ")
    'hyppige kunder: 20 kunder (50 % af basen); ordrer i alt højere end hos de øvrige (median 9, hele basen 5).'
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
    >>> base = pd.DataFrame({"recency_days": [1.0, 2.0] * 20 + [90.0, 99.0] * 20})
    >>> profile = profile_segments(base, np.array([0] * 40 + [1] * 40))
    >>> axis_directions(profile[profile["segment"] == 1])
    {'recency': 1}
    """
    signs: dict[str, int] = {}
    for feature, effect in clear_differences(rows)[["feature", "effect"]].itertuples(index=False):
        signs.setdefault(words_for(feature).axis, 1 if effect > 0 else -1)
    return signs


def typical_customers(
    features: pd.DataFrame, labels: np.ndarray | pd.Series, distances: np.ndarray, n_each: int = 3
) -> pd.DataFrame:
    """The customers nearest to the centre of each segment: who the segment is, in flesh and blood.

    Parameters
    ----------
    features : DataFrame, index customer_id
    labels : array or Series
        Label of each row, also the column of `distances`; negative labels are left out.
    distances : array, shape (n, n_segments)
        `transform` of the segmenter.
    n_each : int

    Returns
    -------
    DataFrame
        `segment, customer_id, distance` and the features; nearest first, ties by customer id. Segments under 10
        customers are left out.

    Examples
    --------
    >>> base = pd.DataFrame({"spend_total": np.arange(20.0)}, index=[f"c{i:02d}" for i in range(20)])
    >>> distances = np.abs(base.to_numpy() - 9.0)
    >>> typical_customers(base, np.zeros(20, dtype=int), distances, 2)["customer_id"].tolist()
    ['c09', 'c08']
    """
    own = _aligned(labels, features).astype(int)
    nearest = distances[np.arange(len(own)), np.maximum(own, 0)]
    frame = features.assign(segment=own, distance=nearest).rename_axis("customer_id").reset_index()
    sizes = frame.groupby("segment")["customer_id"].transform("size")
    frame = frame[(frame["segment"] >= 0) & (sizes >= MIN_GROUP)]
    frame = frame.sort_values(["segment", "distance", "customer_id"]).groupby("segment").head(n_each)
    return frame[["segment", "customer_id", "distance", *features.columns]].reset_index(drop=True)


def _aligned(labels: np.ndarray | pd.Series, features: pd.DataFrame) -> np.ndarray:
    if isinstance(labels, pd.Series):
        if not (labels.index.is_unique and features.index.isin(labels.index).all()):
            raise FeatureError(
                "every customer of the features needs exactly one label",
                next_step="label the same snapshot that is profiled",
            )
        return labels.reindex(features.index).to_numpy()
    if len(labels) != len(features):
        raise FeatureError(
            f"{len(labels)} labels for {len(features)} customers",
            next_step="label the same snapshot that is profiled",
        )
    return np.asarray(labels)


def _money(features: pd.DataFrame, money: pd.Series | None) -> np.ndarray | None:
    if money is not None:
        return money.reindex(features.index).to_numpy(dtype=float)
    for name in ("spend_total", "spend_365d"):
        if name in features.columns:
            return features[name].to_numpy(dtype=float)
    return None


def _comparable(raw: np.ndarray) -> np.ndarray:
    scaled = raw.copy()
    for j in range(raw.shape[1]):
        known = raw[~np.isnan(raw[:, j]), j]
        if len(known) > 2 and np.ptp(known) > 0 and abs(float(skew(known))) > SKEW_LIMIT:
            scaled[:, j] = signed_log(raw[:, j])
    return scaled


def _difference(values: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standardised difference from the others and the half width of its 95 % interval, for each column."""
    n_in, mean_in, variance_in = _moments(values[inside])
    n_out, mean_out, variance_out = _moments(values[~inside])
    spread = np.sqrt(_moments(values)[2])
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = (mean_in - mean_out) / spread
        half_width = Z_95 * np.sqrt(variance_in / n_in + variance_out / n_out) / spread
    unknown = (n_in < 2) | (n_out < 1) | ~(spread > 0)
    return np.where(unknown, np.nan, effect), np.where(unknown, np.nan, half_width)


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    filled = np.where(known, values, 0.0)
    mean = filled.sum(axis=0) / np.maximum(n, 1)
    variance = (np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / np.maximum(n - 1, 1)
    return n, mean, variance


def _median(values: np.ndarray) -> np.ndarray:
    known = [values[~np.isnan(values[:, j]), j] for j in range(values.shape[1])]
    return np.array([np.median(column) if len(column) else np.nan for column in known])


def _largest_first(labels: np.ndarray) -> list[Hashable]:
    found, sizes = np.unique(labels, return_counts=True)
    return [
        found[i].item() if hasattr(found[i], "item") else found[i] for i in np.argsort(-sizes, kind="stable")
    ]


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
        feature=translated(str(row["feature"]).replace("_", " "), language),
        direction=translated(direction, language),
        median=number_text(row["median"], language),
        base=number_text(row["base_median"], language),
    )
