"""The message catalogue: every word of the page in three languages, and other parts' sentences said anew.

Verdicts, warnings and criteria are written in English by the parts that know the numbers. `Messages.remark` finds
the catalogue's form of such a sentence, takes its numbers and names out, and fills the reader's form with them. A
sentence without a form is handed back unchanged, and the page marks it as English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from markupsafe import Markup, escape

from segml.models.reasons import chance, kind_of
from segml.models.segments.feature_names import feature_name
from segml.models.segments.languages import Language
from segml.report.wording import Wording

CATALOGUE = Path(__file__).with_name("messages.yaml")
_COLUMN = re.compile(r"(\w+) \(PSI ([\d.]+), usual up to ([\d.]+)\)")
_MORE = re.compile(r", and (\d+) more")
# What may stand in a placeholder of this name; anything in the others.
_PLACEHOLDERS = {"number": r"\d[\d,.]*", "word": r"\S+"}
_SENTENCES = ("sentence", "sentences")  # placeholders for remarks that have a form of their own
_SPOKEN = ("tasks", "metrics", "tables")  # names that may stand inside a sentence


@cache
def load_catalogue() -> dict[str, Any]:
    """Return the catalogue: section -> key -> language -> text; `remarks` is a list of language -> text."""
    content: dict[str, Any] = yaml.safe_load(CATALOGUE.read_text(encoding="utf-8"))
    return content


class Messages(Wording):
    """The words of one language, with its numbers and dates.

    Parameters
    ----------
    language : {"en", "da", "sv"}

    Examples
    --------
    >>> Messages("da").say("learnt.who", people="2.469", day="1. januar 2018")
    '2.469 kunder fik en score pr. 1. januar 2018.'
    >>> Messages("sv").remark("no table returns")
    'ingen tabell returer'
    """

    def say(self, key: str, **values: object) -> str:
        """Return a message, its placeholders filled; a key that is not in the catalogue is a KeyError."""
        section, name = key.split(".", 1)
        text: str = load_catalogue()[section][name][self.language]
        return text.format(**values) if values else text

    def name(self, section: str, key: str) -> str:
        """Return the name of something in the data; one that is not in the catalogue, with blanks for underscores."""
        known = load_catalogue()[section].get(key)
        return known[self.language] if known else key.replace("_", " ")

    def given(self, section: str, key: str, text: str) -> str:
        """Return the catalogue's form of a text of the shipped configuration; the text itself when it was changed."""
        known = load_catalogue()[section].get(key)
        return known[self.language] if known and known["en"] == text else text

    def day(self, iso: str) -> str:
        """Write a date.

        Examples
        --------
        >>> Messages("en").day("2018-01-09"), Messages("da").day("2018-01-09")
        ('9 January 2018', '9. januar 2018')
        """
        year, month, day = iso[:10].split("-")
        return self.say("forms.day", day=int(day), month=self.say(f"months.{int(month)}"), year=year)

    def month(self, end: str) -> str:
        """Write the month that ends at a midnight.

        Examples
        --------
        >>> Messages("sv").month("2018-01-01")
        'december 2017'
        """
        year, month = int(end[:4]), int(end[5:7])
        year, month = (year, month - 1) if month > 1 else (year - 1, 12)
        return self.say("forms.month", month=self.say(f"months.{month}"), year=year)

    def feature(self, column: str) -> str:
        """Return what a feature is called."""
        return feature_name(column, self.language)

    def feature_value(self, value: float | None, column: str) -> str:
        """Write a feature's number as its name speaks of it: a share or a chance in percent, others as they are.

        Examples
        --------
        >>> Messages().feature_value(0.5, "coupon_share"), Messages("da").feature_value(0.5, "rhythm_hazard_56d")
        ('50 %', '39 %')
        """
        kind = kind_of(column)
        if value is None or kind not in ("share", "chance"):
            return self.number(value)
        return self.share(float(chance(np.array(value))) if kind == "chance" else value)

    def remark(self, text: str) -> str:
        """Say in this language what another part of segml wrote in English; unchanged when there is no form for it."""
        return self._remark(text) or text

    def remark_html(self, text: str) -> Markup:
        """Return the remark for the page; one without a form is marked as English."""
        said = self._remark(text)
        if said is not None or self.language == "en" or not re.search("[a-z]", text):
            return escape(self.unbroken(said or text))
        return Markup('<span lang="en">{}</span>').format(self.unbroken(text))

    def _remark(self, text: str) -> str | None:
        """Return the form of a sentence, or of sentences joined by semicolons; None unless every one has its own."""
        said = self._sentence(text)
        if said is not None:
            return said
        parts, forms, start = text.split("; "), [], 0
        while len(parts) > 1 and start < len(parts):
            # A sentence may hold semicolons of its own: the longest run of parts that has a form is one
            ends = (end for end in range(len(parts), start, -1) if end - start < len(parts))
            found = ((end, self._sentence("; ".join(parts[start:end]))) for end in ends)
            end, form = next(((end, form) for end, form in found if form is not None), (0, None))
            if form is None:
                return None
            forms.append(form)
            start = end
        return "; ".join(forms) or None

    def _sentence(self, text: str) -> str | None:
        for pattern, form in _forms():
            match = pattern.fullmatch(text)
            if match and all(self._is_whole(*part) for part in match.groupdict().items()):
                values = {name: self._filled(value) for name, value in match.groupdict().items()}
                return str(form[self.language]).format(**values)
        return None

    def _is_whole(self, name: str, value: str) -> bool:
        """Whether the reader gets all of what stands in a placeholder, and it has not swallowed another sentence."""
        return (name not in _SENTENCES and "; " not in value) or self._remark(value) is not None

    def _filled(self, value: str) -> str:
        """Return what stands in a placeholder: a date, a number, a name, or a remark of its own."""
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            return self.day(value)
        catalogue = load_catalogue()
        for section in _SPOKEN:
            if value in catalogue[section]:
                text: str = catalogue[section][value][self.language]
                return text
        said = self._remark(value)
        if said is not None:
            return said
        value = _COLUMN.sub(self._moved, value)
        value = _MORE.sub(lambda match: " " + self.say("forms.more", count=match[1]).lstrip(", "), value)
        return self.figures(value)

    def _moved(self, match: re.Match[str]) -> str:
        return self.say("forms.column_moved", column=self.feature(match[1]), psi=match[2], limit=match[3])


@cache
def _forms() -> tuple[tuple[re.Pattern[str], Mapping[str, str]], ...]:
    """Return the remarks' patterns; those with more words of their own are tried first."""
    remarks: list[Mapping[str, str]] = load_catalogue()["remarks"]
    longest = sorted(remarks, key=lambda form: -len(re.sub(r"\{\w+\}", "", form["en"])))
    return tuple((_pattern(form["en"]), form) for form in longest)


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    return re.compile(
        "".join(
            f"(?P<{part}>{_PLACEHOLDERS.get(part, '.+?')})" if place % 2 else re.escape(part)
            for place, part in enumerate(parts)
        )
    )


def messages_for(language: Language) -> Messages:
    """Return the words of a language."""
    return Messages(language)
