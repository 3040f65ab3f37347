"""Segment names and sentences in Danish and Swedish: a table from English phrases, nothing computed.

English is the language names are made in; each phrase of a name has one line here. Adjectives stand in the plural
("hyppige kunder", "frekventa kunder"), because a segment is several people. A phrase that is missing here, such as
a category of the company's own, is put into the patterns at the end, or stays as it is.
"""

from __future__ import annotations

import re
from typing import Literal

from segml.models.segments.preparation import FeatureError

Language = Literal["en", "da", "sv"]
LANGUAGES: tuple[Language, ...] = ("en", "da", "sv")

PHRASES: dict[str, tuple[str, str]] = {
    # English: (Danish, Swedish)
    "shoppers": ("kunder", "kunder"),
    "one-time buyers": ("engangskøbere", "engångsköpare"),
    "typical shoppers": ("typiske kunder", "typiska kunder"),
    "a small group": ("en lille gruppe", "en liten grupp"),
    "everyone": ("alle", "alla"),
    "unknown": ("ukendt", "okänd"),
    "new": ("nye", "nya"),
    "long-standing": ("mangeårige", "mångåriga"),
    "short-lived": ("kortvarige", "kortvariga"),
    "frequent": ("hyppige", "frekventa"),
    "occasional": ("lejlighedsvise", "sporadiska"),
    "high-value": ("værdifulde", "värdefulla"),
    "low-value": ("lavværdi-", "lågvärdes-"),
    "growing": ("voksende", "växande"),
    "fading": ("aftagende", "avtagande"),
    "broad-range": ("bredt købende", "brett handlande"),
    "narrow-range": ("smalt købende", "smalt handlande"),
    "big-basket": ("storkurvs-", "storkorgs-"),
    "small-basket": ("småkurvs-", "småkorgs-"),
    "full-basket": ("fuldkurvs-", "fullkorgs-"),
    "few-item": ("fåvare-", "fåvaru-"),
    "multi-store": ("flerbutiks-", "flerbutiks-"),
    "one-store": ("enbutiks-", "enbutiks-"),
    "irregular": ("uregelmæssige", "oregelbundna"),
    "regular": ("regelmæssige", "regelbundna"),
    "discount-led": ("rabatstyrede", "rabattstyrda"),
    "coupon-led": ("kuponstyrede", "kupongstyrda"),
    "full-price": ("fuldpris-", "fullpris-"),
    "weekend": ("weekend-", "helg-"),
    "weekday": ("hverdags-", "vardags-"),
    "morning": ("morgen-", "morgon-"),
    "afternoon": ("eftermiddags-", "eftermiddags-"),
    "evening": ("aften-", "kvälls-"),
    "night-time": ("natte-", "natt-"),
    "silent long": ("længe tavse", "länge tysta"),
    "here recently": ("her for nylig", "här nyligen"),
    "with long pauses": ("med lange pauser", "med långa pauser"),
    "with a quick rhythm": ("med hurtig rytme", "med snabb rytm"),
    "overdue": ("over tiden", "över tiden"),
    "on rhythm": ("i deres rytme", "i sin rytm"),
    "who send much back": ("som sender meget retur", "som skickar tillbaka mycket"),
    "who keep what they buy": ("som beholder deres køb", "som behåller sina köp"),
    "who answer campaigns": ("som svarer på kampagner", "som svarar på kampanjer"),
    "who ignore campaigns": ("som overser kampagner", "som bortser från kampanjer"),
    "(mixture)": ("(blanding)", "(blandning)"),
    "higher than the others": ("højere end hos de øvrige", "högre än hos de övriga"),
    "lower than the others": ("lavere end hos de øvrige", "lägre än hos de övriga"),
    "nothing sets it apart from the others": (
        "intet adskiller den fra de øvrige",
        "inget skiljer den från de övriga",
    ),
    "median": ("median", "median"),
    "base": ("hele basen", "hela basen"),
}

_PATTERNS: tuple[tuple[str, str, str], ...] = (
    (r"fond of (.+)", r"glade for \1", r"förtjusta i \1"),
    (r"who buy little (.+)", r"som køber lidt \1", r"som köper lite \1"),
    (r"high on (.+)", r"høj på \1", r"hög på \1"),
    (r"low on (.+)", r"lav på \1", r"låg på \1"),
    (r"(.+) and (.+)", r"\1 og \2", r"\1 och \2"),
    (r"(.+) \(new\)", r"\1 (ny)", r"\1 (ny)"),
)

SENTENCES: dict[Language, dict[str, str]] = {
    "en": {
        "described": "{title}: {size} customers ({share} of the base){spend}; {differences}.",
        "spend": " with {share} of spend",
        "difference": "{feature} {direction} (median {median}, base {base})",
        "small": "{title}: fewer than {minimum} customers, not described.",
        "shaky": "only {jaccard} of it comes back in other samples: don't build on it",
    },
    "da": {
        "described": "{title}: {size} kunder ({share} af basen){spend}; {differences}.",
        "spend": " med {share} af forbruget",
        "difference": "{feature} {direction} (median {median}, hele basen {base})",
        "small": "{title}: færre end {minimum} kunder, beskrives ikke.",
        "shaky": "kun {jaccard} af den kommer igen i andre stikprøver: byg ikke på den",
    },
    "sv": {
        "described": "{title}: {size} kunder ({share} av basen){spend}; {differences}.",
        "spend": " med {share} av beloppet",
        "difference": "{feature} {direction} (median {median}, hela basen {base})",
        "small": "{title}: färre än {minimum} kunder, beskrivs inte.",
        "shaky": "bara {jaccard} av den kommer igen i andra stickprov: bygg inte på den",
    },
}


def checked_language(language: str) -> Language:
    """Return the language; an unknown one is a FeatureError that lists those there are."""
    for known in LANGUAGES:
        if language == known:
            return known
    raise FeatureError(f"no language {language!r}", next_step=f"use one of {', '.join(LANGUAGES)}")


def translated(phrase: str, language: Language) -> str:
    """One phrase of a name or sentence in another language; unknown ones stay as they are.

    Examples
    --------
    >>> translated("one-time buyers", "da"), translated("fond of wine", "sv"), translated("wine", "da")
    ('engangskøbere', 'förtjusta i wine', 'wine')
    """
    if language == "en":
        return phrase
    place = 0 if language == "da" else 1
    if phrase in PHRASES:
        return PHRASES[phrase][place]
    for pattern, *replacements in _PATTERNS:
        if re.fullmatch(pattern, phrase):
            return re.sub(pattern, replacements[place], phrase)
    return phrase


def joined(words: list[str]) -> str:
    """Put words before a noun together; a word that ends in a hyphen is the first half of a compound.

    Examples
    --------
    >>> joined(["nye", "weekend-", "kunder"]), joined(["frequent", "shoppers"])
    ('nye weekendkunder', 'frequent shoppers')
    """
    return re.sub(r"- (?=\w)", "", " ".join(words))


def number_text(value: float, language: Language) -> str:
    """A number as it is written in the language: 1,234.5 or 1.234,5 or 1 234,5.

    Examples
    --------
    >>> number_text(1234.0, "en"), number_text(1234.0, "da"), number_text(0.25, "sv")
    ('1,234', '1.234', '0,25')
    """
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    if language == "en":
        return text
    thousands = "." if language == "da" else "\u00a0"
    return text.translate({ord(","): thousands, ord("."): ","})


def percent_text(share: float, language: Language) -> str:
    """A share as a percentage; Danish and Swedish put a space before the sign.

    Examples
    --------
    >>> percent_text(0.123, "en"), percent_text(0.123, "sv").replace("\u00a0", "_")
    ('12%', '12_%')
    """
    return f"{share:.0%}" if language == "en" else f"{100 * share:.0f}\u00a0%"
