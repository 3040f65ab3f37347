"""What one might do for a segment: a small catalogue, read from the strongest differences.

Suggestions, not orders: whether an action works is only known from a holdout. Discounts are suggested to nobody who
does not depend on them, and the very best get thanks instead. The first entry whose signs are all there wins.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from segml.models.segments.languages import Language, checked_language
from segml.models.segments.segment_sentences import axis_directions, buys_once


@dataclass(frozen=True)
class SegmentAction:
    """An action and the signs that call for it: (axis of `segment_names`, +1 high or -1 low)."""

    name: str
    signs: tuple[tuple[str, int], ...]
    sentence: dict[Language, str]
    one_timers: bool | None = None


CATALOGUE: tuple[SegmentAction, ...] = (
    SegmentAction(
        "win_back_valuable",
        (("recency", 1), ("value", 1)),
        {
            "en": "Win back in person: a letter or a call about what they used to buy, before any mass mailing.",
            "da": "Vind dem personligt tilbage: et brev eller opkald om det, de plejede at købe, før masseudsendelser.",
            "sv": "Vinn tillbaka dem personligt: ett brev eller samtal om det de brukade köpa, före alla massutskick.",
        },
        False,
    ),
    SegmentAction(
        "ask_once",
        (("recency", 1),),
        {
            "en": "Ask once why they did not come back; then leave them in peace.",
            "da": "Spørg én gang, hvorfor de ikke kom igen; lad dem derefter være i fred.",
            "sv": "Fråga en gång varför de inte kom tillbaka; lämna dem sedan i fred.",
        },
        True,
    ),
    SegmentAction(
        "second_purchase",
        (),
        {
            "en": "Help them get the most out of what they bought, and suggest a second purchase within two weeks.",
            "da": "Hjælp dem til at få mest ud af det, de har købt, og foreslå et nyt køb inden for to uger.",
            "sv": "Hjälp dem att få ut det mesta av det de har köpt, och föreslå ett nytt köp inom två veckor.",
        },
        True,
    ),
    SegmentAction(
        "win_back",
        (("recency", 1),),
        {
            "en": "Win back with news, at most three times, and only while a return is still likely.",
            "da": "Vind dem tilbage med nyheder, højst tre gange, og kun så længe et genkøb er sandsynligt.",
            "sv": "Vinn tillbaka med nyheter, högst tre gånger, och bara så länge ett återköp är sannolikt.",
        },
    ),
    SegmentAction(
        "ask_what_changed",
        (("trend", -1),),
        {
            "en": "Ask what has changed, and mend it, before an offer is made.",
            "da": "Spørg, hvad der har ændret sig, og ret op på det, før der gives et tilbud.",
            "sv": "Fråga vad som har ändrats och rätta till det innan ett erbjudande ges.",
        },
    ),
    SegmentAction(
        "thank",
        (("value", 1),),
        {
            "en": "Thank them and give early access; no discount.",
            "da": "Sig tak, og giv tidlig adgang; ingen rabat.",
            "sv": "Tacka dem och ge förtur; ingen rabatt.",
        },
    ),
    SegmentAction(
        "wean_off_discounts",
        (("discount", 1),),
        {
            "en": "Try smaller discounts on half of them, against a holdout.",
            "da": "Prøv mindre rabatter på halvdelen af dem, med en kontrolgruppe.",
            "sv": "Pröva mindre rabatter på hälften av dem, med en kontrollgrupp.",
        },
    ),
    SegmentAction(
        "welcome",
        (("tenure", -1),),
        {
            "en": "Welcome them: show the range and how things work here.",
            "da": "Byd dem velkommen: vis sortimentet og hvordan tingene fungerer her.",
            "sv": "Hälsa dem välkomna: visa sortimentet och hur allt fungerar här.",
        },
    ),
    SegmentAction(
        "neighbouring_category",
        (("frequency", 1),),
        {
            "en": "Show a neighbouring category at the rhythm they already have.",
            "da": "Vis en nærliggende kategori i den rytme, de allerede har.",
            "sv": "Visa en närliggande kategori i den rytm de redan har.",
        },
    ),
    SegmentAction(
        "more_often",
        (("frequency", -1),),
        {
            "en": "Give a reason to come once more this season: an event, a refill, a reminder.",
            "da": "Giv en grund til at komme én gang til i denne sæson: en begivenhed, en påfyldning, en påmindelse.",
            "sv": "Ge ett skäl att komma en gång till den här säsongen: ett evenemang, en påfyllning, en påminnelse.",
        },
    ),
    SegmentAction(
        "keep_in_touch",
        (),
        {
            "en": "Keep in touch with the ordinary newsletter, and watch where they move.",
            "da": "Hold kontakten med det almindelige nyhedsbrev, og se, hvor de bevæger sig hen.",
            "sv": "Håll kontakten med det vanliga nyhetsbrevet och följ vart de rör sig.",
        },
    ),
)
NOT_SUGGESTED: dict[Language, str] = {
    "en": "Too few people for an action of their own.",
    "da": "For få personer til en indsats for sig selv.",
    "sv": "För få personer för en egen insats.",
}


def suggest_actions(profile: pd.DataFrame, language: str = "en") -> pd.DataFrame:
    """Suggest one action for each segment.

    Parameters
    ----------
    profile : DataFrame
        From `profile_segments`.
    language : {"en", "da", "sv"}

    Returns
    -------
    DataFrame, one row a segment
        `segment, action, suggestion`; the action is blank for suppressed segments.

    Examples
    --------
    >>> from segml.models.segments.profiles import profile_segments
    >>> base = pd.DataFrame({"orders_total": [1.0] * 20 + [9.0] * 20, "recency_days": [200.0] * 20 + [5.0] * 20})
    >>> suggest_actions(profile_segments(base, [0] * 20 + [1] * 20))["action"].tolist()
    ['ask_once', 'neighbouring_category']
    """
    spoken = checked_language(language)
    rows = [
        (segment, *_suggested(profile[profile["segment"] == segment], spoken))
        for segment in profile["segment"].unique()
    ]
    return pd.DataFrame(rows, columns=["segment", "action", "suggestion"])


def _suggested(rows: pd.DataFrame, language: Language) -> tuple[str, str]:
    if rows["suppressed"].all():
        return "", NOT_SUGGESTED[language]
    signs, once = axis_directions(rows), buys_once(rows)
    for action in CATALOGUE:
        fits = action.one_timers is None or action.one_timers == once
        if fits and all(signs.get(axis) == direction for axis, direction in action.signs):
            return action.name, action.sentence[language]
    return "", NOT_SUGGESTED[language]
