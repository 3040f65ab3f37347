"""Numbers as people write them, as SQL and as Python with the same result; and which settings a column needs.

A mark that groups digits and one that marks decimals look alike: ``1,001`` is a thousand and one, or one and a
thousandth. Nothing is guessed. What a setting does not cover is an error, and where most values that have the decimal
mark have exactly three digits behind it, the mark groups digits and the reading is refused; a value such as ``0,125``
shows that it does not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_BLANKS = " \t\u00a0\u2007\u2009\u202f"
_MINUS = "\u2212\u2012\u2013-"
_GROUPS = {"": "", ".": "[.]", ",": "[,]", "'": "['\u2019]", " ": f"[{_BLANKS}]"}
_NAMES = {".": "point", ",": "comma", "'": "apostrophe", " ": "blank"}
# Letters and signs before or behind a number: kr, EUR, US$, kr. and the like.
_CURRENCY = re.compile(
    r"^(?P<before>[^\d.,()+\-\u2212\s]+\.?)?\s*(?P<number>.*?)\s*(?P<after>[^\d.,()\-\u2212\s][^\d()]*?)?$"
)
_GROUPED_BY_TWO = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}(?:\.\d+)?")


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of a table are written.

    Parameters
    ----------
    decimal : str
        A point or a comma.
    thousands : str, optional
        The mark between groups of three digits, a blank for every kind of blank. ``""`` states that nothing is
        grouped, so that three digits behind the decimal mark are thousandths; None states nothing.
    """

    decimal: str = "."
    thousands: str | None = None

    @property
    def body(self) -> str:
        """Regular expression of a number without its sign, for the engine and for Python."""
        group, point = _GROUPS[self.thousands or ""], f"[{self.decimal}]"
        whole = f"[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]+" if group else "[0-9]+"
        return f"(?:{whole})(?:{point}[0-9]*)?|{point}[0-9]+"

    def sql(self, raw: str, sql_type: str) -> str:
        """Return SQL for a number from text; NULL where it is none in this form.

        What the engine reads by itself is not looked at twice; signs of other kinds and groups take the long way.
        """
        fast = self.plain_sql(raw, sql_type)
        # not coalesce: the engine computes both of its sides for all rows, and the long way takes ten times as long
        return f"case when {fast} is not null then {fast} else {self._slow(raw, sql_type)} end"

    def plain_sql(self, raw: str, sql_type: str) -> str:
        """Return SQL for a number that has no groups and no sign but a minus before it; NULL where there are others."""
        if self.decimal == ".":
            return f"case when not contains({raw}, '_') then try_cast({raw} as {sql_type}) end"
        apart = f"not contains({raw}, '_') and not contains({raw}, '.')"
        return f"case when {apart} then try_cast(replace({raw}, ',', '.') as {sql_type}) end"

    def _slow(self, raw: str, sql_type: str) -> str:
        body = self.body.replace("'", "''")
        signed = (
            f"regexp_replace({raw}, '^[{_BLANKS}]*(?:[(][{_BLANKS}]*({body})[{_BLANKS}]*[)]"
            f"|[{_MINUS}][{_BLANKS}]*({body})|({body})[{_BLANKS}]*[{_MINUS}])[{_BLANKS}]*$', '-\\1\\2\\3')"
        )
        signed = f"regexp_replace({signed}, '^[{_BLANKS}]*[+]?[{_BLANKS}]*({body})[{_BLANKS}]*$', '\\1')"
        group = _GROUPS[self.thousands or ""].replace("'", "''")
        digits = f"regexp_replace({signed}, '{group}', '', 'g')" if group else signed
        plain = digits if self.decimal == "." else f"replace({digits}, ',', '.')"
        return (
            f"case when regexp_full_match({signed}, '-?(?:{body})') then try_cast({plain} as {sql_type}) end"
        )

    def reads(self, text: str) -> bool:
        """Tell whether a text is a number in this form.

        Examples
        --------
        >>> form = NumberForm(",", ".")
        >>> [form.reads(text) for text in ("1.000,63", "-5", "(12,50)", "12,50-", "1.00,5", "kr 5")]
        [True, True, True, True, False, False]
        """
        body = f"(?:{self.body}|[0-9]+(?:[{self.decimal}][0-9]*)?[eE][+-]?[0-9]+)"
        blank, minus = f"[{_BLANKS}]*", f"[{_MINUS}]"
        forms = (f"[(]{blank}{body}{blank}[)]", f"[+{_MINUS}]?{blank}{body}", f"{body}{blank}{minus}")
        return any(re.fullmatch(f"{blank}{form}{blank}", text) for form in forms)

    @property
    def _three(self) -> str:
        return f"[(+{_MINUS}]?[1-9][0-9]{{0,2}}(?:[{self.decimal}][0-9]{{3}})+[){_MINUS}]?"

    def three_digits_sql(self, raw: str) -> str:
        """Return SQL: the decimal mark of this value could as well group digits."""
        return f"regexp_full_match({raw}, '{self._three}')"

    def thousandths_sql(self, raw: str) -> str:
        """Return SQL: three digits behind the mark, and none but a nought before it, which no group has."""
        return f"regexp_full_match({raw}, '{self._thousandths}')"

    @property
    def _thousandths(self) -> str:
        return f"[(+{_MINUS}]?0?[{self.decimal}][0-9]{{3}}[){_MINUS}]?"

    def marked_sql(self, raw: str) -> str:
        """Return SQL: the value has the decimal mark."""
        return f"contains({raw}, '{self.decimal}')"

    def groups_by_its_decimal_mark(self, values: Sequence[str]) -> bool:
        """Tell whether most values that have the decimal mark have three digits behind it, as groups have.

        Examples
        --------
        >>> [NumberForm(",").groups_by_its_decimal_mark(v) for v in (["1,001", "950"], ["1,50", "1,001"])]
        [True, False]
        """
        marked = [value for value in values if self.decimal in value]
        three = sum(bool(re.fullmatch(self._three, value)) for value in marked)
        if self.thousands == "" or any(re.fullmatch(self._thousandths, value) for value in marked):
            return False
        return 2 * three > len(marked)

    def setting(self, than: NumberForm) -> str:
        """Return the settings in which this form differs from another, as they are written in YAML."""
        changed = [f'`decimal: "{self.decimal}"`'] if self.decimal != than.decimal else []
        if (self.thousands or "") != (than.thousands or ""):
            changed.append(f'`thousands: "{self.thousands or ""}"`')
        return " and ".join(changed)


_FORMS = tuple(
    NumberForm(decimal, thousands or None)
    for thousands in ("", ",", ".", " ", "'")
    for decimal in (".", ",")
    if decimal != thousands
)


def fitting_form(values: Sequence[str], now: NumberForm) -> NumberForm | None:
    """Return the form that reads all values and is nearest to the present one; None where there is none.

    Examples
    --------
    >>> now = NumberForm()
    >>> fitting_form(["1.234,56", "15,80"], now), fitting_form(["1,001"], now), fitting_form(["abc"], now)
    (NumberForm(decimal=',', thousands='.'), NumberForm(decimal='.', thousands=','), None)
    """
    fitting = [
        form
        for form in _FORMS
        if all(map(form.reads, values)) and not form.groups_by_its_decimal_mark(values)
    ]
    return min(
        fitting,
        key=lambda form: (
            (form.decimal != now.decimal) + (form.thousands != now.thousands),
            _FORMS.index(form),
        ),
        default=None,
    )


def number_advice(values: Sequence[str], now: NumberForm) -> str:
    """Return what to set or to change so that these texts are read; nothing where nothing is known to help.

    Examples
    --------
    >>> number_advice(["1.234,56"], NumberForm(","))
    'amounts like 1.234,56 need `thousands: "."` in their table'
    >>> number_advice(["kr 1.234,50", "kr 20"], NumberForm(",", "."))
    'take the currency (kr) off the amounts, in the file or by a `query`'
    >>> number_advice(["abc"], NumberForm())
    ''
    """
    form = fitting_form(values, now)
    if form is not None:
        shown = next((value for value in values if not now.reads(value)), values[0])
        setting = form.setting(now)
        return f"amounts like {shown} need {setting} in their table" if setting else ""
    parts = [_CURRENCY.match(value) for value in values]
    signs = sorted(
        {sign.strip() for found in parts if found for sign in (found["before"], found["after"]) if sign}
    )
    bare = [found["number"] for found in parts if found]
    form = fitting_form(bare, now) if bare else None
    if signs and form is not None and len(bare) == len(values):
        setting = form.setting(now)
        more = "" if len(signs) == 1 else "; more than one currency can't be added up"
        also = f", and set {setting}" if setting else ""
        return f"take the currency ({', '.join(signs[:5])}) off the amounts, in the file or by a `query`{also}{more}"
    if all(_GROUPED_BY_TWO.fullmatch(value) or now.reads(value) for value in values):
        return (
            "digits are grouped by two (1,00,000): write them ungrouped, or take the commas off in a `query`"
        )
    if now.thousands and re.fullmatch(r"[\d.,' ]+", values[0]):
        return f"{values[0]} is not grouped by three as `thousands` says: correct it in the file"
    return ""


def grouped_rule(three: int, marked: int, form: NumberForm) -> tuple[str, str]:
    """Return what is wrong with a column whose decimal mark groups digits, and what to set."""
    name = _NAMES[form.decimal]
    other = NumberForm("," if form.decimal == "." else ".", form.decimal)
    rule = (
        f"{three:,} of {marked:,} amounts with a {name} have three digits behind it: the {name} groups thousands and"
        " marks no decimals"
    )
    return rule, f'set {other.setting(form)} in their table, or `thousands: ""` if they are thousandths'
