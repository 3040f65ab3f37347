"""Postcodes in the one form that each country writes them in; what can't be a postcode of that country is missing.

A table that went through numbers has lost the zeros at the front and may have gained a decimal: Boston's 02138 is
2138 or 2138.0, Oslo's 0150 is 150. Where a country's lowest code says how many digits there are and how many of them
can be zeros, they are put back. The ranges are wide: they tell what no post office delivers to, not which codes exist.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from segml.contacts.text import mapped

_SEPARATOR = "\x1f"
_LONGEST = 12
# Country -> its lowest and highest code; a number of digits after a colon, where a blank may stand.
_RANGES = """
AL 1000 9999  AM 0001 9999  AT 1000 9999  AU 0200 9999  AX 22000 22999  BA 70000 89999  BD 1000 9999  BE 1000 9999
BG 1000 9999  BY 200000 299999  CH 1000 9999  CN 010000 999999  CO 050001 999999  CR 10000 99999  CZ 10000 79999:3
DE 01000 99999  DK 0100 9999  DZ 01000 99999  EC 010000 249999  EE 10000 99999  ES 01000 52999  FI 00001 99999
FO 100 999  FR 01000 99999  GE 0100 9999  GF 97300 97399  GL 3900 3999  GP 97100 97199  GR 10000 89999:3
HR 10000 59999  HU 1000 9999  ID 10000 99999  IN 110000 999999:3  IS 100 999  IT 00010 99999  KR 01000 69999
LI 9485 9498  LT 00001 99999  LU 1000 9999  MA 10000 99999  MC 98000 98999  ME 80000 89999  MK 1000 9999
MQ 97200 97299  MX 01000 99999  MY 01000 99999  NO 0001 9999  NZ 0110 9999  PE 01000 99999  PH 0400 9999
PK 10000 99999  PM 97500 97599  RE 97400 97499  RO 010000 999999  RS 10000 49999  RU 100000 699999  SE 10000 98999:3
SG 010000 839999  SI 1000 9999  SJ 8000 9999  SK 01000 99999:3  SM 47890 47899  TH 10000 99999  TN 1000 9999
TR 01000 81999  UA 01000 99999  UY 10000 99999  VA 00120 00120  YT 97600 97699  ZA 0001 9999
"""
# Digits with a dash: country -> lowest, highest and how many digits stand before the dash.
_DASHED = {
    "PL": ("00001", "99999", 2),
    "PT": ("1000001", "9999999", 4),
    "JP": ("0010000", "9999999", 3),
    "BR": ("01000000", "99999999", 5),
}
# Five digits and, if they are given, four more: the United States and what their post delivers to.
_ZIP = {
    "US": ("00501", "99950"),
    "PR": ("00600", "00999"),
    "VI": ("00800", "00899"),
    "GU": ("96900", "96999"),
    "AS": ("96799", "96799"),
    "MP": ("96900", "96999"),
    "FM": ("96900", "96999"),
    "MH": ("96900", "96999"),
    "PW": ("96900", "96999"),
}
# With letters: country -> the code without blanks and dashes, and what stands between its parts.
_INWARD = "([0-9][ABD-HJLNP-UW-Z]{2})"
_BRITISH = rf"(GIR|[A-PR-UWYZ](?:\d{{1,2}}|[A-HK-Y]\d(?:[0-9ABEHMNPRVWXY])?|\d[A-HJKPSTUW])){_INWARD}"
_LETTERED = {
    "AD": (r"(AD[1-7]\d\d)", ""),
    "AR": (r"([A-HJ-NP-Z]?[1-9]\d{3}(?:[A-Z]{3})?)", ""),
    "CA": (r"([ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z])(\d[ABCEGHJ-NPRSTV-Z]\d)", " "),
    "GB": (_BRITISH, " "),
    "GG": (rf"(GY\d\d?){_INWARD}", " "),
    "GI": (r"(GX11)(1AA)", " "),
    "IE": (r"([AC-FHKNPRTV-Y]\d{2}|D6W)([0-9AC-FHKNPRTV-Y]{4})", " "),
    "IL": (r"(\d{5}(?:\d\d)?)", ""),
    "IM": (rf"(IM\d\d?){_INWARD}", " "),
    "JE": (rf"(JE\d\d?){_INWARD}", " "),
    "MT": (r"([A-Z]{3})(\d{4})", " "),
    "NL": (r"([1-9]\d{3})((?!SA|SD|SS)[A-Z]{2})", " "),
    "TW": (r"([1-9]\d{2}(?:\d{2,3})?)", ""),
}
# Signs that stand before a code beside the country's alpha-2, from the plates of cars.
_SIGNS = {
    **{"AT": "A", "BE": "B", "DE": "D", "ES": "E", "FI": "FIN", "FR": "F", "HU": "H", "IT": "I", "LU": "L"},
    **{"NO": "N", "PT": "P", "SE": "S", "SI": "SLO"},
}

ZIP_COUNTRIES = tuple(_ZIP)


def postcodes(written: pa.Array, countries: pa.Array) -> pa.Array:
    """Return each postcode as its country writes it, missing where it can't be one.

    Parameters
    ----------
    written : pa.Array of str
        As it was found, numbers as text.
    countries : pa.Array of str
        ISO 3166-1 alpha-2, or missing.

    Examples
    --------
    >>> postcodes(pa.array(["2138", "2100.0", "2138"]), pa.array(["US", "DK", None])).to_pylist()
    ['02138', '2100', None]
    """
    pairs = pc.binary_join_element_wise(written, pc.coalesce(countries, pa.scalar("")), _SEPARATOR)
    return mapped(pairs, lambda pair: postcode(*pair.split(_SEPARATOR)))


@functools.lru_cache(maxsize=100_000)
def postcode(text: str, country: str = "") -> str | None:
    """Return one postcode as its country writes it, or None.

    Without a country it is kept only where every country that could have it writes it the same.

    Parameters
    ----------
    text : str
        As it was found: a number with a decimal, without its first zeros, with the country before it.
    country : str
        ISO 3166-1 alpha-2; empty when it is not known.

    Examples
    --------
    >>> postcode("150", "NO"), postcode("SE-114 55", "SE"), postcode("1234ab", "NL"), postcode("02138-1234", "US")
    ('0150', '11455', '1234 AB', '02138-1234')
    >>> postcode("sw1a1aa"), postcode("2138"), postcode("20O0", "DK"), postcode("99", "DK")
    ('SW1A 1AA', None, None, None)
    """
    plain = _plain(text)
    if not plain:
        return None
    if country:
        read = _rules().get(country)
        return read(plain) if read else _of_a_country_without_rules(plain)
    stated = re.fullmatch(r"([A-Z]{1,3})[ -]+(.*)", plain)
    if stated and (home := _by_sign().get(stated[1])) and (code := _rules()[home](stated[2])):
        return code
    found = {code for read in _rules().values() if (code := read(plain))}
    return found.pop() if len(found) == 1 else None


def _plain(text: str) -> str:
    """Return upper-case text with single blanks, without the decimal that a number has."""
    wide = unicodedata.normalize("NFKC", text).upper()
    dashes = re.sub(r"[\u2010-\u2015\u2212]", "-", wide)
    tidy = re.sub(r"\s+", " ", dashes).strip()
    return re.sub(r"^(\d+)[.,]0+$", r"\1", tidy)


def _of_a_country_without_rules(plain: str) -> str | None:
    fits = re.fullmatch(r"[A-Z0-9][A-Z0-9 -]*[A-Z0-9]", plain) and len(plain) <= _LONGEST
    return plain if fits and re.search(r"\d", plain) else None


@functools.cache
def _rules() -> Mapping[str, Callable[[str], str | None]]:
    """Country -> how its postcodes are read."""
    known: dict[str, Callable[[str], str | None]] = {}
    for entry in re.split(r"\s{2,}|\n", _RANGES.strip()):
        country, low, rest = entry.split()
        high, _, blank = rest.partition(":")
        known[country] = functools.partial(_digits, country, low, high, int(blank or 0), "")
    for country, (low, high, dash) in _DASHED.items():
        known[country] = functools.partial(_digits, country, low, high, dash, "-")
    for country, (low, high) in _ZIP.items():
        known[country] = functools.partial(_zip, country, low, high)
    for country, (pattern, between) in _LETTERED.items():
        known[country] = functools.partial(_lettered, country, pattern, between)
    known["LV"] = _latvian
    return known


@functools.cache
def _by_sign() -> Mapping[str, str]:
    return {sign: country for country, sign in _SIGNS.items()} | {country: country for country in _rules()}


def _without_sign(country: str, plain: str) -> str:
    signs = "|".join({country, _SIGNS.get(country, country)})
    return re.sub(rf"^(?:{signs})[ -]*(?=\d)", "", plain)


def _digits(country: str, low: str, high: str, parted: int, between: str, plain: str) -> str | None:
    """Return a code of digits alone; `parted` is where its two parts meet, written with `between`."""
    code = _without_sign(country, plain)
    if parted:
        code = re.sub(rf"^(\d{{{parted}}})[ -](\d{{{len(low) - parted}}})$", r"\1\2", code)
    if not re.fullmatch(r"\d+", code, flags=re.ASCII) or len(code) > len(low):
        return None
    code = code.zfill(len(low))
    if not low <= code <= high:
        return None
    return between.join((code[:parted], code[parted:])) if parted else code


def _zip(country: str, low: str, high: str, plain: str) -> str | None:
    parts = re.fullmatch(r"(\d{3,5})(?:[ -]?(\d{4}))?", _without_sign(country, plain), flags=re.ASCII)
    if not parts:
        return None
    code = _digits(country, low, high, 0, "", parts[1])
    return f"{code}-{parts[2]}" if code and parts[2] else code


def _lettered(country: str, pattern: str, between: str, plain: str) -> str | None:
    for written in (plain, re.sub(rf"^{country}[ -]+", "", plain)):
        code = re.sub("[ -]", "", written) if between else written
        parts = re.fullmatch(pattern, code, flags=re.ASCII)
        if parts:
            return between.join(parts.groups())
    return None


def _latvian(plain: str) -> str | None:
    code = _digits("LV", "1000", "5999", 0, "", plain)
    return f"LV-{code}" if code else None
