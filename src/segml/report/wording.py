"""Numbers, shares, money and lengths of time as each language writes them."""

from __future__ import annotations

import math
import re

from segml.models.segments.languages import Language, checked_language
from segml.report.facts import Count

NO_BREAK = "\N{NO-BREAK SPACE}"
_SEPARATORS = {"en": (",", "."), "da": (".", ","), "sv": (NO_BREAK, ",")}
_FIGURE = re.compile(r"(?<![\w.])[+-]?\d[\d,]*(?:\.\d+)?(?![\w])")


class Wording:
    """How one language writes figures.

    Parameters
    ----------
    language : {"en", "da", "sv"}
    """

    def __init__(self, language: str = "en") -> None:
        self.language: Language = checked_language(language)

    def localised(self, text: str) -> str:
        """Turn a figure written as 1,234.5 into the language's form.

        Examples
        --------
        >>> Wording("da").localised("1,234.5"), Wording("en").localised("1,234.5")
        ('1.234,5', '1,234.5')
        """
        thousands, decimal = _SEPARATORS[self.language]
        return text.translate({ord(","): thousands, ord("."): decimal})

    def figures(self, text: str) -> str:
        """Turn every figure of a text into the language's form; a percent sign stands apart.

        Examples
        --------
        >>> Wording("da").figures("14.9% of 2,469")
        '14,9 % of 2.469'
        """
        if self.language == "en":
            return text
        said = _FIGURE.sub(lambda match: self.localised(match[0]), text)
        return re.sub(r"(?<=\d)%", " %", said)

    def spoken(self, word: str) -> str:
        """Return a name with blanks for underscores."""
        return word.replace("_", " ")

    def unbroken(self, text: str) -> str:
        r"""Keep a number and its percent sign on one line.

        Examples
        --------
        >>> Wording().unbroken("a lift of 57 % or more")
        'a lift of 57\xa0% or more'
        """
        return text.replace(" %", NO_BREAK + "%")

    def count(self, value: Count | None) -> str:
        """Write a count; suppressed ones come with their own words, unknown ones as a dash.

        Examples
        --------
        >>> Wording().count(12345), Wording("da").count(12345), Wording().count("< 10"), Wording().count(None)
        ('12,345', '12.345', '< 10', '–')
        """
        return "–" if value is None else self.localised(f"{value:,}") if isinstance(value, int) else value

    def share(self, value: float | None) -> str:
        """Write a share as a percentage.

        Examples
        --------
        >>> Wording().share(0.4567), Wording("sv").share(0.004), Wording().share(0.00001), Wording().share(None)
        ('46 %', '0,4 %', '< 0.1 %', '–')
        """
        if value is None:
            return "–"
        if 0 < value < 0.0005:
            return self.localised("< 0.1 %")
        digits = 1 if 0 < abs(value) < 0.0995 or 0.9 < value < 1 else 0
        return self.localised(f"{100 * value:.{digits}f} %")

    def number(self, value: float | None, digits: int = 3) -> str:
        """Write a figure with so many significant digits.

        Examples
        --------
        >>> Wording().number(0.81234), Wording().number(None), Wording("da").number(1234.5)
        ('0.812', '–', '1.234')
        """
        if value is None or not math.isfinite(value):
            return "–"
        return self.localised(f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.{digits}g}")

    def days(self, value: float | None) -> str:
        """Write a length of time: tenths of a day below ten.

        Examples
        --------
        >>> Wording().days(0.359), Wording("da").days(0.359), Wording().days(33.3), Wording().days(None)
        ('0.4', '0,4', '33', '–')
        """
        return "–" if value is None else self.localised(f"{value:.1f}" if value < 9.95 else f"{value:,.0f}")

    def money(self, value: float | None, currency: str = "") -> str:
        """Write money: whole units from 100 on, cents below.

        Examples
        --------
        >>> Wording().money(1234567.8, "EUR"), Wording("da").money(12.3), Wording().money(None, "EUR")
        ('1,234,568 EUR', '12,30', '–')
        """
        if value is None:
            return "–"
        text = f"{value:,.0f}" if abs(value) >= 100 or value == 0 else f"{value:,.2f}"
        return f"{self.localised(text)} {currency}".strip()

    def change(self, value: float | None, unit: str, currency: str = "") -> str:
        """Write a change of a key figure with its sign; a share changes by points of a hundred.

        Examples
        --------
        >>> Wording().change(0.0065, "share"), Wording("da").change(-1.5, "money")
        ('+0.65', '−1,50')
        """
        if value is None:
            return "–"
        text = (
            self.number(100 * abs(value), 2) if unit == "share" else self.figure(abs(value), unit, currency)
        )
        return f"+{text}" if value > 0 else f"\N{MINUS SIGN}{text}" if value < 0 else text

    def figure(self, value: float | None, unit: str, currency: str = "") -> str:
        """Write a key figure in its unit: share, money, or a plain number.

        Examples
        --------
        >>> Wording().figure(0.031, "share"), Wording("da").figure(29.3, "money", "DKK")
        ('3.1 %', '29,30 DKK')
        """
        if unit == "share":
            return self.share(value)
        return self.money(value, currency) if unit == "money" else self.number(value)
