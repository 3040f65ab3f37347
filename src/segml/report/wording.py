"""The words of the report: titles, explanations and number formats, in one place."""

from __future__ import annotations

import math

from segml.report.facts import Count

TASKS = {
    "dormancy": "Dormancy",
    "churn": "Churn",
    "clv": "Lifetime value",
    "behavioural": "Behavioural segments",
    "declared": "Declared segments",
    "mixture": "Mixture segments",
    "interest": "Interest segments",
    "next_tier": "Next loyalty tier",
    "unsubscribe": "Unsubscribe risk",
    "next_category": "Next category",
}
METRICS = {
    "auc": "AUC",
    "average_precision": "average precision",
    "normalised_gini": "normalised Gini",
    "hit_rate": "share of first guesses that are right",
    "brier": "Brier score",
    "log_loss": "log loss",
}
TAGS = {
    "behavioural.segment": "Behavioural segments",
    "behavioural.segment_mixture": "Mixture segments",
    "psychographic.interest_segment": "Interests, inferred from what is bought",
    "behavioural.rfm_name": "RFM: recency, frequency, money",
    "lifecycle.triad": "Frequent, sporadic, dormant",
    "lifecycle.stage": "Lifecycle stage",
    "lifecycle.activity": "Activity",
    "value.predicted_tier": "Predicted value tier",
}
VALUES = {"vip": "VIP", "at_risk": "at risk", "first_time": "first time"}
REASONS = {
    "profiling_objection": "objected to profiling",
    "not_in_audience": "not in the audience",
    "no_consent": "no consent",
    "quiet_after_complaint": "quiet after a complaint",
    "quiet_after_return": "quiet after a return",
    "recent_buyer": "bought recently",
    "too_many_attempts": "too many attempts already",
    "cool_down": "contacted by this campaign recently",
    "contact_cap": "contact cap reached",
    "on_another_list": "on another list",
    "over_capacity": "list is full",
    "list_refused": "list was refused",
    "unavailable": "campaign unavailable",
}
GLOSSARY = {
    "As of (cutoff)": "The midnight at which history ends. Everything before it may be used, nothing at or after it.",
    "Probability, percentile, band": "Three columns that are not the same: how likely it is (0 to 1); where the person"
    " stands among all who were scored (100 is the highest probability); and the word for a range of probabilities.",
    "Dormancy and churn": "No order within a short and within a long horizon. Silence is not dissatisfaction, and a"
    " high probability does not say that a message would change it.",
    "Naive rule": "What anybody could do without a model, such as sorting by days since the last order. A model that"
    " doesn't beat it on later, unseen weeks is refused.",
    "Grade": "A: beats the naive rule and the number itself can be used. B: the order can be trusted, the number not."
    " C: not shown to help. For segments, A means stable and C that no stable segments were found.",
    "AUC and normalised Gini": "How well customers are put in order: 0.5 (AUC) or 0 (Gini) is chance, 1 is perfect.",
    "Lifetime value": "Historic: spent so far, net of returns. Predicted: what is expected within a horizon. The two"
    " are kept apart.",
    "Holdout": "People who qualify for a list and are left out by lot. Only the comparison with them says what a"
    " campaign caused; how small a lift could be seen is stated before anything is sent.",
}


def spoken(word: str) -> str:
    """Return a tag's value or a name as a reader would write it.

    Examples
    --------
    >>> spoken("at_risk"), spoken("vip_thanks"), spoken("win_back")
    ('at risk', 'VIP thanks', 'win back')
    """
    return VALUES.get(word, " ".join(VALUES.get(part, part) for part in word.split("_")))


def unbroken(text: str) -> str:
    r"""Keep a number and its percent sign on one line.

    Examples
    --------
    >>> unbroken("a lift of 57 % or more")
    'a lift of 57\xa0% or more'
    """
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def count(value: Count | None) -> str:
    """Write a count; suppressed ones come with their own words, unknown ones as a dash.

    Examples
    --------
    >>> count(12345), count("< 10"), count(None)
    ('12,345', '< 10', '–')
    """
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else value


def share(value: float | None) -> str:
    """Write a share as a percentage.

    Examples
    --------
    >>> share(0.4567), share(0.004), share(0.00001), share(None)
    ('46 %', '0.4 %', '< 0.1 %', '–')
    """
    if value is None:
        return "–"
    if 0 < value < 0.0005:
        return "< 0.1 %"
    return f"{100 * value:.1f} %" if 0 < abs(value) < 0.0995 else f"{100 * value:.0f} %"


def number(value: float | None, digits: int = 3) -> str:
    """Write a figure with so many significant digits.

    Examples
    --------
    >>> number(0.81234), number(None), number(1234.5)
    ('0.812', '–', '1,234')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.{digits}g}"


def days(value: float | None) -> str:
    """Write a length of time: tenths of a day below ten.

    Examples
    --------
    >>> days(0.359), days(33.3), days(None)
    ('0.4', '33', '–')
    """
    return "–" if value is None else f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def money(value: float | None, currency: str = "") -> str:
    """Write money: whole units from 100 on, cents below.

    Examples
    --------
    >>> money(1234567.8, "EUR"), money(12.3), money(None, "EUR")
    ('1,234,568 EUR', '12.30', '–')
    """
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:,.2f}"
    return f"{text} {currency}".strip()
