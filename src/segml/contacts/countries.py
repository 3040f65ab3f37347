"""Countries as people write them -> ISO 3166-1 alpha-2. What is not recognised is missing, never guessed.

Names are CLDR's (Babel): in the languages below, and in the languages of each country itself. A name that means two
countries, such as Congo or Korea, is none. A code is read as it stands: numeric codes have three digits, because 44
is as likely a telephone prefix.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator

LANGUAGES = ("en", "da", "sv", "nb", "de", "fr", "es", "fi", "nl", "it", "pt", "pl")
_NOT_COUNTRIES = {"EU"}  # has a numeric code, and is no country
_USER_ASSIGNED = "900"  # numeric codes from here on are nobody's in ISO 3166-1
_SPOKEN_BY = 20  # percent: a language that so many speak names its country, official or not
_CODE = re.compile("[A-Z]{2,3}|[0-9]{3}")
_JOINING = {"and", "og", "och", "und", "et", "y", "e", "en", "ja", "the"}
_ALSO_CODES = {"EL": "GR", "ROM": "RO", "UAE": "AE"}  # the EU's, the former and the everyday one
_OF_TWO = {"congo", "kongo"}  # CLDR gives the bare name to one of two neighbours in some languages
# What CLDR leaves out: ISO's own formal names, names of parts of a country, former and everyday names.
_ALSO = """
BA:bosnia  BN:brunei darussalam  BO:plurinational state of bolivia  BY:belorussia
CD:democratic republic of congo  CG:republic of congo  CI:ivory coast  CN:people's republic of china
CV:cape verde  CZ:czech republic  CZ:tjekkiske republik:tjeckiska republiken:tschechische republik
DE:federal republic of germany  FK:falkland islands malvinas  FM:federated states of micronesia
FO:faeroe islands:faroes  GB:great britain:britain:england:scotland:wales:northern ireland:nordirland
GB:storbritannien og nordirland:united kingdom of great britain and northern ireland  GR:hellas
HK:hong kong:hongkong  IE:republic of ireland  IR:islamic republic of iran
KP:democratic people's republic of korea  KR:republic of korea  LA:lao people's democratic republic:lao pdr
LV:letland  MD:republic of moldova  MK:macedonia:republic of north macedonia:fyrom  MO:macao:macau
NL:holland  PS:state of palestine:palestine  RU:russian federation  SY:syrian arab republic  SZ:swaziland
TR:turkey:turkiet:tyrkiet  TW:taiwan province of china  TZ:united republic of tanzania
US:united states of america  VA:holy see  VE:bolivarian republic of venezuela  VG:british virgin islands
VI:us virgin islands  VN:viet nam
"""


def country_code(text: str) -> str | None:
    """Return the alpha-2 code of a country, or None when it is not recognised.

    Parameters
    ----------
    text : str
        An alpha-2, alpha-3 or three-digit code, or a name in one of `LANGUAGES` or the country's own; case, accents,
        punctuation and a joining "and" do not matter.

    Examples
    --------
    >>> country_code("Danmark"), country_code("dnk"), country_code("208"), country_code("Østrig")
    ('DK', 'DK', 'DK', 'AT')
    >>> country_code("UK"), country_code("EL"), country_code("Korea, Republic of"), country_code("日本")
    ('GB', 'GR', 'KR', 'JP')
    >>> country_code("Atlantis"), country_code("Congo"), country_code("45"), country_code("False")
    (None, None, None, None)
    """
    written = re.sub(r"\.0+$", "", text.strip()).upper()
    for code in (written, written.replace(".", "")):
        if _CODE.fullmatch(code) and code in _codes():
            return _codes()[code]
    readings = list(_readings(text))
    for names in (_names, _own_names):
        for folded in readings:
            if folded in names():
                return names()[folded]
    return None


def countries() -> frozenset[str]:
    """Return the alpha-2 codes of ISO 3166-1."""
    return frozenset(code for key, code in _codes().items() if key == code)


@functools.cache
def _codes() -> dict[str, str]:
    """Alpha-2, alpha-3 and numeric codes, former ones that have one successor among them -> alpha-2."""
    from babel.core import get_global

    aliases = {code: new[0] for code, new in get_global("territory_aliases").items() if len(new) == 1}
    numbered = {code for number, code in aliases.items() if number.isdigit() and number < _USER_ASSIGNED}
    iso = {code for code in numbered if re.fullmatch("[A-Z]{2}", code)} - _NOT_COUNTRIES
    known = {code: code for code in iso} | {old: code for old, code in aliases.items() if code in iso}
    return known | _ALSO_CODES


@functools.cache
def _names() -> dict[str, str]:
    from babel import Locale

    found = _folded_names(Locale.parse(language).territories.items() for language in LANGUAGES)
    for entry in re.split(r"\s{2,}", _ALSO.replace("\n", "  ").strip()):
        code, *names = entry.split(":")
        found |= {_folded(name): code for name in names}
    return found


@functools.cache
def _own_names() -> dict[str, str]:
    """Names in the languages of each country; read when the others do not have one (about a second)."""
    from babel import Locale, UnknownLocaleError
    from babel.core import get_global

    spoken = get_global("territory_languages")
    by_language: dict[str, list[str]] = {}
    for code in sorted(countries()):
        for language, facts in spoken.get(code, {}).items():
            if facts["official_status"] or facts["population_percent"] >= _SPOKEN_BY:
                by_language.setdefault(language, []).append(code)

    def named() -> Iterator[Iterable[tuple[str, str]]]:
        for language, codes in sorted(by_language.items()):
            try:
                territories = Locale.parse(language).territories
            except (UnknownLocaleError, ValueError):
                continue
            yield ((code, territories[code]) for code in codes if code in territories)

    return _folded_names(named())


def _folded_names(sources: Iterable[Iterable[tuple[str, str]]]) -> dict[str, str]:
    """Folded name -> code; a name of two countries is left out.

    A second name in brackets counts where no country has it as its first: Myanmar (Burma), but Hongkong (China).
    """
    first: dict[str, set[str]] = {}
    second: dict[str, set[str]] = {}
    for source in sources:
        for code, name in source:
            if code in countries():
                before, _, inside = name.partition("(")
                for folded in {_folded(name), _folded(before)}:
                    first.setdefault(folded, set()).add(code)
                second.setdefault(_folded(inside), set()).add(code)
    meant = (second | first).items()
    return {name: next(iter(codes)) for name, codes in meant if name not in _OF_TWO and len(codes) == 1}


def _readings(text: str) -> Iterator[str]:
    """Yield a written name folded, and turned about its comma or bracket: Korea, Republic of."""
    yield _folded(text)
    first, *rest = re.split(r"[,(]", text, maxsplit=1)
    if rest:
        yield _folded(f"{rest[0]} {first}")


def _folded(name: str) -> str:
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", name.casefold())
        if not (unicodedata.combining(letter) and letter < "\u0370")
    )
    words = re.sub(r"[.'’`´]", "", plain.replace("saint", "st").replace("sankt", "st"))
    return " ".join(word for word in re.split(r"[\W_]+", words) if word and word not in _JOINING)
