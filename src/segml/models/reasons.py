"""Why this customer has this score: the top parts of the log-odds, in words.

The parts are exact: SHAP contributions of the trees and the terms of the logistic sum, with the base value, to the
score's log-odds. Columns that tell one story (orders in 30, 90 and 180 days) compete for one place, so that three
reasons are three different things. Ties go to the feature's name, rows never see each other, and there is no loop over
people: sentences are made feature by feature for everyone who has that reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segml.errors import ModelError

FloatArray = NDArray[np.float64]
Texts = NDArray[np.object_]

BASE_VALUE = "base_value"

# Pattern of feature names -> the story they tell; a feature that matches nothing is its own story.
TOPICS: tuple[tuple[str, str], ...] = (
    (r"recency_days|gap_ratio", "silence"),
    (r"gap_.*|rhythm_(hazard|spend)_.*", "rhythm"),
    (r"orders_trend_.*|spend_trend_.*", "trend"),
    (r"orders_.*|active_days_total|repeat_orders", "orders"),
    (r"spend_.*", "spend"),
    (r"order_value_.*", "order value"),
    (r"tenure_days|age_days|first_to_last_days", "age"),
    (r"categories_.*|products_total|lines_per_order", "breadth"),
    (r"weekend_share|weekday_.*|morning_share|afternoon_share|evening_share|night_share", "time of purchase"),
    (r"discount_share|coupon_share", "discounts"),
    (r"return(s|ed)_.*", "returns"),
    (r"contacts_.*|response.*|days_since_contact|days_since_response", "contact"),
    (r"affinity_.*", "taste"),
)

# Pattern -> sentence, and how {v}, the person's value, is written; {1} is the pattern's first group. The number is what
# the feature's SQL counts: lines are not items, reactions may be several a message, a coupon share is one of orders.
TEMPLATES: tuple[tuple[str, str, str], ...] = (
    (r"recency_days", "{v} days since the last order", "days"),
    (r"gap_ratio", "silent for {v} times their usual gap", "number"),
    (r"gap_mean_days", "{v} days between orders on average", "days"),
    (r"gap_median_days", "usually {v} days between orders", "days"),
    (r"gap_max_days", "longest gap so far {v} days", "days"),
    (r"gap_last_days", "{v} days between the last two orders", "days"),
    (r"gap_sd_days", "gaps vary by {v} days", "days"),
    (r"tenure_days|age_days", "first order {v} days ago", "days"),
    (r"first_to_last_days", "{v} days from the first to the last order", "days"),
    (r"repeat_orders", "bought again on {v} days", "count"),
    (r"orders_total", "{v} orders in all", "count"),
    (r"active_days_total", "bought on {v} days in all", "count"),
    (r"rhythm_hazard_(\d+)d", "a chance of {v} of an order within {1} days, by their rhythm alone", "chance"),
    (r"rhythm_spend_(\d+)d", "{v} of spend expected within {1} days, by their rhythm alone", "money"),
    (r"orders_(\d+)d", "{v} orders in the last {1} days", "count"),
    (r"spend_total", "{v} spent in all", "money"),
    (r"spend_(\d+)d", "{v} spent in the last {1} days", "money"),
    (r"order_value_mean", "an average order of {v}", "money"),
    (r"order_value_max", "a largest order of {v}", "money"),
    (r"order_value_last", "a last order of {v}", "money"),
    (r"orders_trend_(\d+)d", "orders {v} against the {1} days before", "change"),
    (r"spend_trend_(\d+)d", "spend {v} against the {1} days before", "change"),
    (r"categories_total", "{v} categories bought", "count"),
    (r"categories_(\d+)d", "{v} categories in the last {1} days", "count"),
    (r"products_total", "{v} different products", "count"),
    (r"stores_total", "{v} stores used", "count"),
    (r"lines_per_order", "{v} order lines an order", "number"),
    (r"discount_share", "{v} of the value discounted", "share"),
    (r"coupon_share", "{v} of orders with a coupon", "share"),
    (r"weekday_(\w+)_share", "{v} of orders on a {1}", "share"),
    (r"weekend_share", "{v} of orders on Saturdays and Sundays", "share"),
    (r"night_share", "{v} of orders at night", "share"),
    (r"(morning|afternoon|evening)_share", "{v} of orders in the {1}", "share"),
    (r"affinity_(\w+)", "{v} of spend on {1}", "share"),
    (r"returns_total", "{v} returns in all", "count"),
    (r"returns_(\d+)d", "{v} returns in the last {1} days", "count"),
    (r"returned_total", "{v} worth of goods returned", "money"),
    (r"returned_share", "{v} of spend returned", "share"),
    (r"contacts_(\d+)d", "{v} messages in the last {1} days", "count"),
    (r"responses_(\d+)d", "{v} clicks and responses in the last {1} days", "count"),
    (r"response_rate_(\d+)d", "{v} clicks and responses a message in the last {1} days", "rate"),
    (r"days_since_contact", "{v} days since the last message", "days"),
    (r"days_since_response", "{v} days since the last click or response", "days"),
)


_SINGULARS = {f" {word}s": f" {word}" for word in ("order", "day", "return", "message", "store")} | {
    " categories": " category",
    " different products": " different product",
    " clicks and responses": " click or response",
}
_PLURALS = re.compile("^(?:" + "|".join(_SINGULARS) + ")")
_WEEKDAYS = {
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}


def _whole(x: FloatArray) -> Texts:
    return np.char.mod("%.0f", x + 0.0).astype(object)


def _counted(x: FloatArray) -> Texts:
    """Write counts as they are; a median may lie halfway between two."""
    return np.where(x == np.round(x), _whole(x), np.char.mod("%.1f", x)).astype(object)


def chance(hazard: FloatArray) -> FloatArray:
    """Return the probability of at least one order, from -log P(no order)."""
    return np.asarray(-np.expm1(-np.asarray(hazard, dtype=float)))


def kind_of(feature: str) -> str:
    """Return what a feature's number is: days, count, money, number, rate, share, chance, change or any.

    Examples
    --------
    >>> kind_of("coupon_share"), kind_of("rhythm_hazard_56d"), kind_of("monthly_charges")
    ('share', 'chance', 'any')
    """
    return _template(feature)[1]


def _short(x: FloatArray) -> Texts:
    return np.where(np.abs(x) >= 100, np.char.mod("%.0f", x), np.char.mod("%.3g", x)).astype(object)


def _likely(p: FloatArray) -> Texts:
    """Write a probability; nothing is certain, and nothing impossible."""
    text = np.char.mod("%.0f %%", 100 * p).astype(object)
    return np.where(p < 0.005, "under 1 %", np.where(p > 0.995, "over 99 %", text)).astype(object)


def _change(x: FloatArray) -> Texts:
    """A trend of (now - before) / (now + before), as a change in words."""
    words = np.where(x > 0, "up", "down").astype(object)
    words = np.where(np.abs(x) < 0.05, "level", words)
    return np.where(x <= -0.999, "none left", np.where(x >= 0.999, "new", words)).astype(object)


FORMATS: dict[str, Callable[[FloatArray], Texts]] = {
    "days": _whole,
    "count": _counted,
    "money": lambda x: np.where(np.abs(x) >= 100, np.char.mod("%.0f", x), np.char.mod("%.2f", x)).astype(
        object
    ),
    "number": lambda x: np.char.mod("%.1f", x).astype(object),
    "rate": lambda x: np.char.mod("%.2f", x).astype(object),
    "share": lambda x: np.char.mod("%.0f %%", 100 * x).astype(object),
    "chance": lambda x: _likely(chance(x)),
    "change": _change,
    "any": _short,
}


def sentences(
    feature: str, values: FloatArray, usual: FloatArray | float = np.nan, typical: float = np.nan
) -> Texts:
    """Say a feature's values in words, compared with what is normal unless that reads the same.

    Parameters
    ----------
    feature : str
    values : array of shape (n,)
        NaN is "unknown".
    usual : array of shape (n,) or float, optional
        The person's own usual value ("usually 9"); NaN where there is none.
    typical : float, optional
        That of the base ("typical 4"), said where the person has none.

    Examples
    --------
    >>> sentences("recency_days", np.array([61.0, np.nan]), np.array([9.0, 9.0])).tolist()
    ['61 days since the last order, usually 9', 'days since the last order unknown']
    >>> sentences("orders_90d", np.array([1.0]), typical=4.0).tolist()
    ['1 order in the last 90 days, typical 4']
    """
    template, kind = _template(feature)
    values = np.asarray(values, dtype=float)
    text = FORMATS[kind](np.nan_to_num(values))
    before, after = template.split("{v}")
    said = before + text + after
    if kind in ("count", "days"):
        singular = before + text + _PLURALS.sub(lambda match: _SINGULARS[match[0]], after)
        said = np.where(text == "1", singular, said)
    if kind != "change":
        own = np.broadcast_to(np.asarray(usual, dtype=float), values.shape)
        normal = np.where(np.isnan(own), typical, own)
        word = np.where(np.isnan(own), ", typical ", ", usually ").astype(object)
        normal_text = FORMATS[kind](np.nan_to_num(normal))
        said = np.where(np.isnan(normal) | (normal_text == text), said, said + word + normal_text)
    unknown = (before + after.strip()).strip().replace("  ", " ") + " unknown"
    return np.where(np.isnan(values), unknown, said).astype(object)


def _template(feature: str) -> tuple[str, str]:
    for pattern, template, kind in TEMPLATES:
        found = re.fullmatch(pattern, feature)
        if found:
            first = found.group(1) if found.groups() else ""
            return template.replace("{1}", _WEEKDAYS.get(first, first).replace("_", " ")), kind
    return feature.replace("_", " ") + " {v}", "any"


def topic_of(feature: str) -> str:
    """The story a feature belongs to.

    Examples
    --------
    >>> topic_of("orders_90d"), topic_of("monthly_charges")
    ('orders', 'monthly_charges')
    """
    return next((topic for pattern, topic in TOPICS if re.fullmatch(pattern, feature)), feature)


def top_reasons(
    contributions: pd.DataFrame,
    features: pd.DataFrame,
    *,
    count: int = 3,
    typical: Mapping[str, float] | None = None,
    one_per_topic: bool = True,
) -> pd.DataFrame:
    """Return the strongest reasons of every customer.

    Parameters
    ----------
    contributions : DataFrame of shape (n, features + 1)
        From `ReturnTask.contributions`; the column `base_value` is not a reason.
    features : DataFrame
        Same index; the values behind the reasons. `gap_median_days`, when there, is what a person's recency is
        compared with.
    count : int, default=3
    typical : mapping of feature to value, optional
        What is usual in the base (`ReturnCurve.typical_`).
    one_per_topic : bool, default=True
        At most one reason of each topic; off, the plain top contributions.

    Returns
    -------
    DataFrame
        For i in 1..count: `reason_i` (sentence), `reason_i_feature`, `reason_i_value`, `reason_i_direction` ("raises"
        or "lowers" the score), `reason_i_strength` (log-odds, zero or more). A contribution of exactly zero, or of a
        customer without a score, is no reason: empty text and NaN.

    Examples
    --------
    >>> parts = pd.DataFrame({"recency_days": [1.2], "orders_90d": [-0.3], "base_value": [0.1]}, index=["a"])
    >>> values = pd.DataFrame({"recency_days": [61.0], "orders_90d": [5.0], "gap_median_days": [9.0]}, index=["a"])
    >>> found = top_reasons(parts, values, count=2)
    >>> found.loc["a", "reason_1"], found.loc["a", "reason_1_direction"], float(found.loc["a", "reason_1_strength"])
    ('61 days since the last order, usually 9', 'raises', 1.2)
    >>> found.loc["a", "reason_2"], found.loc["a", "reason_2_direction"]
    ('5 orders in the last 90 days', 'lowers')
    """
    if not contributions.index.equals(features.index):
        raise ModelError("contributions and features are not the same customers in the same order")
    names = sorted(name for name in contributions.columns if name != BASE_VALUE)
    absent = [name for name in names if name not in features]
    if absent:
        raise ModelError(
            f"no values for the reasons {', '.join(absent)}",
            "call the task's own `reasons(features)`, or give the columns of `ReturnCurve.inputs`",
        )
    parts = contributions[names].to_numpy(dtype=float)
    values = features[names].to_numpy(dtype=float)
    chosen = _strongest(np.nan_to_num(parts), names, count, one_per_topic)
    own_gap = features["gap_median_days"].to_numpy(dtype=float) if "gap_median_days" in features else None
    columns: dict[str, NDArray[np.generic]] = {}
    for place in range(count):
        columns |= _reason_columns(place, chosen, parts, values, names, typical or {}, own_gap)
    return pd.DataFrame(columns, index=contributions.index)


def _strongest(parts: FloatArray, names: Sequence[str], count: int, one_per_topic: bool) -> NDArray[np.int64]:
    """Positions of the strongest features, shape (n, count), -1 where there is none; ties by name (columns sorted)."""
    strength = np.abs(parts)
    topics = pd.factorize(np.array([topic_of(name) for name in names], dtype=object))[0]
    if not one_per_topic:
        topics = np.arange(len(names))
    found = np.full((len(parts), count), -1, dtype=np.int64)
    rows = np.arange(len(parts))
    for place in range(min(count, int(topics.max(initial=-1)) + 1)):
        best = strength.argmax(axis=1)
        real = strength[rows, best] > 0
        found[real, place] = best[real]
        strength[topics[best][:, None] == topics[None, :]] = 0.0
    return found


def _reason_columns(
    place: int,
    chosen: NDArray[np.int64],
    parts: FloatArray,
    values: FloatArray,
    names: Sequence[str],
    typical: Mapping[str, float],
    own_gap: FloatArray | None,
) -> dict[str, NDArray[np.generic]]:
    at = chosen[:, place]
    rows, some = np.arange(len(at)), at >= 0
    part = np.where(some, parts[rows, at], np.nan)
    value = np.where(some, values[rows, at], np.nan)
    text = np.full(len(at), "", dtype=object)
    for position in np.unique(at[some]):
        who = np.flatnonzero(at == position)
        feature = names[position]
        usual = own_gap[who] if feature == "recency_days" and own_gap is not None else np.nan
        text[who] = sentences(feature, values[who, position], usual, typical.get(feature, np.nan))
    prefix = f"reason_{place + 1}"
    return {
        prefix: text,
        f"{prefix}_feature": np.where(some, np.array(names, dtype=object)[at], ""),
        f"{prefix}_value": value,
        f"{prefix}_direction": np.where(some, np.where(part > 0, "raises", "lowers"), "").astype(object),
        f"{prefix}_strength": np.abs(part),
    }


def reason_summary_frame(contributions: pd.DataFrame, groups: pd.Series | None = None) -> pd.DataFrame:
    """Mean and mean absolute contribution of each feature, over everyone or in each group (segment).

    Returns
    -------
    DataFrame
        Columns `group, feature, mean, mean_absolute, customers`; strongest first within the group.

    Examples
    --------
    >>> parts = pd.DataFrame({"a": [1.0, -1.0], "b": [0.5, 0.5], "base_value": [0.0, 0.0]})
    >>> reason_summary_frame(parts)[["feature", "mean", "mean_absolute"]].values.tolist()
    [['a', 0.0, 1.0], ['b', 0.5, 0.5]]
    """
    parts = contributions.drop(columns=BASE_VALUE, errors="ignore")
    labels = (
        pd.Series("everyone", index=parts.index)
        if groups is None
        else groups.reindex(parts.index).astype(str)
    )
    kinds = {"mean": parts, "mean_absolute": parts.abs()}
    long = {
        kind: values.groupby(labels.to_numpy())
        .mean()
        .rename_axis(index="group")
        .reset_index()
        .melt(id_vars="group", var_name="feature", value_name=kind)
        for kind, values in kinds.items()
    }
    frame = long["mean"].merge(long["mean_absolute"], on=["group", "feature"])
    frame = frame.merge(labels.value_counts().rename("customers"), left_on="group", right_index=True)
    order = ["group", "mean_absolute", "feature"]
    return frame.sort_values(order, ascending=[True, False, True]).reset_index(drop=True)
