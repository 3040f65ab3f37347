"""What a table may not hold, and one report of everything that it does.

A rule is an SQL condition that is true for the rows that break it. All rules of a table are counted in one scan; only
a rule that was broken is asked for its first rows. Values of personal columns are never shown.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from segml.errors import MOST_LINES, DataError, did_you_mean
from segml.tables.catalog import TABLES
from segml.tables.schema import Column, Table
from segml.time_windows import SECONDS_PER_DAY, Cutoff

Fetch = Callable[[str], list[tuple[Any, ...]]]

SHOWN_ROWS = 3
_ROOM = MOST_LINES - 2  # for violations, below the line that counts them
_NEAREST = 20  # names whose nearest is looked for: more are not shown, and the search takes its time
MISSING_VALUE = "missing value"
EARLIEST, LATEST = Cutoff.parse("1850-01-01"), Cutoff.parse("2200-01-01")
_FUTURE_IS_FINE = frozenset({"campaigns"})


@dataclass(frozen=True)
class Violation:
    """One broken rule: where, how often, and the first rows."""

    rule: str
    table: str
    column: str = ""
    count: int = 0
    rows: tuple[str, ...] = ()
    hint: str = ""  # what to set, computed from the values and from what is set already

    def __str__(self) -> str:
        place = f"{self.table}.{self.column}" if self.column else self.table
        times = f" ({self.count:,} row{'s' if self.count != 1 else ''})" if self.count else ""
        return "\n".join([f"{place}: {self.rule}{times}", *(f"      {row}" for row in self.rows)])


@dataclass(frozen=True)
class Rule:
    """A condition in SQL that holds for the rows that break the rule."""

    text: str
    column: str
    condition: str
    shown: tuple[str, ...]
    allowed: tuple[str, ...] = ()  # values that would do: what is shown is answered with the nearest


def refuse(violations: Sequence[Violation], where: str) -> None:
    """Raise one DataError that lists all violations; none is no error.

    Raises
    ------
    DataError
        With every violation, in the order of the tables given.

    Examples
    --------
    >>> refuse([], "shop")
    >>> refuse([Violation("missing value", "orders", "order_id", 2, ("customer_id=7",))], "shop")
    Traceback (most recent call last):
    ...
    segml.errors.DataError: shop: 1 violation, nothing was written
      - orders.order_id: missing value (2 rows)
          customer_id=7
      Next step: correct the files or the mapping in the configuration; earlier validated data are untouched
    """
    if not violations:
        return
    listed = "\n".join(_bounded([f"  - {violation}" for violation in violations]))
    plural = "s" if len(violations) != 1 else ""
    raise DataError(
        f"{where}: {len(violations)} violation{plural}, nothing was written\n{listed}",
        "; ".join([*hints(violations), *_ALWAYS]),
    )


def _bounded(listed: Sequence[str]) -> list[str]:
    """Return as many violations as fit on a screen; the first rows of the last ones go before any violation does."""
    lines = sum(text.count("\n") + 1 for text in listed)
    if lines <= _ROOM:
        return list(listed)
    brief = [text.partition("\n")[0] for text in listed]
    spare = _ROOM - len(brief)
    shown = []
    for text, short in zip(listed, brief, strict=True):
        rows = text.count("\n")
        shown.append(text if rows <= spare else short)
        spare -= rows if rows <= spare else 0
    if len(shown) <= _ROOM:
        return shown
    return [*brief[: _ROOM - 1], f"  - and {len(brief) - _ROOM + 1:,} more"]


_ALWAYS = ("correct the files or the mapping in the configuration", "earlier validated data are untouched")
_HINTS = {
    "negative money": "refunds go into the table `returns`, or are left out and counted by"
    " `cleaning: {nonpositive_price: drop}`",
    "scientific notation is no id": "export ids as text from a database or shop system, not from a spreadsheet",
    "a floating-point number of": "export ids as text or whole numbers",
    "a number with an exponent among ids": "export ids as text",
    "ids with .0 and the same without it": "export ids as text",
}
_NOT_UTF8 = "text in another encoding needs `encoding`, such as windows-1252, in its table"
_MOST_HINTS = 6


def hints(violations: Sequence[Violation]) -> list[str]:
    """Return the settings that help against these violations, each once."""
    found = [hint for rule, hint in _HINTS.items() if any(v.rule.startswith(rule) for v in violations)]
    found += [violation.hint for violation in violations if violation.hint]
    if any("not UTF-8 text" in violation.rule for violation in violations):
        found.append(_NOT_UTF8)
    return list(dict.fromkeys(found))[:_MOST_HINTS]


def check_names(table: str, given: Iterable[str], needed: Iterable[str]) -> list[Violation]:
    """Check the canonical names a source maps: all are in the catalogue, and the needed ones are there.

    Examples
    --------
    >>> [str(v) for v in check_names("orders", ["order_id", "custmer_id"], ["order_id"])]
    ["orders.custmer_id: not a column of the catalogue (did you mean 'customer_id'?)"]
    """
    if table not in TABLES:
        return [unknown_table(table)]
    known, names = TABLES[table].column_names, list(given)
    unknown = [
        Violation(
            f"not a column of the catalogue{did_you_mean(name, known) if at < _NEAREST else ''}", table, name
        )
        for at, name in enumerate(name for name in names if name not in known)
    ]
    absent = [Violation("is not mapped", table, name) for name in needed if name not in names]
    return unknown + absent


def unknown_table(name: str) -> Violation:
    """Return the violation of a table that the catalogue does not have."""
    return Violation(f"not a table of the catalogue{did_you_mean(name, TABLES)}", name)


def row_rules(table: Table, present: Iterable[str], events_before: Cutoff | None = None) -> list[Rule]:
    """Return the rules of a table's rows.

    Parameters
    ----------
    table : Table
        The canonical table.
    present : iterable of str
        Stored names of the columns that are there.
    events_before : Cutoff, optional
        Events at or after it are of the future.

    Examples
    --------
    >>> from segml.tables.catalog import TABLES
    >>> [(rule.column, rule.text) for rule in row_rules(TABLES["orders"], ["order_id", "amount_minor"])]
    [('order_id', 'missing value'), ('amount', 'missing value'), ('amount', 'negative money')]
    """
    stored = set(present)
    shown = tuple(name for name in _key_columns(table) if name in stored)
    rules = []
    for column in table.columns:
        if column.stored_name in stored:
            rules += _column_rules(column, shown)
            if column.name == table.time_column:
                rules += _time_rules(table, column, shown, events_before)
    return rules


def check_rows(fetch: Fetch, relation: str, table: str, rules: Sequence[Rule]) -> list[Violation]:
    """Count all rules in one scan of `relation`; return those that were broken, with their first rows."""
    if not rules:
        return []
    counts = ", ".join(f"count(*) filter (where {rule.condition})" for rule in rules)
    broken = zip(rules, fetch(f"select {counts} from {relation}")[0], strict=True)
    return [
        Violation(rule.text, table, rule.column, int(count), first_rows(fetch, relation, table, rule))
        for rule, count in broken
        if count
    ]


def first_rows(fetch: Fetch, relation: str, table: str, rule: Rule) -> tuple[str, ...]:
    """Return the first rows that break a rule, as ``name=value`` texts."""
    if not rule.shown:
        return ()
    names = ", ".join(rule.shown)
    found = fetch(
        f"select {names} from {relation} where {rule.condition} order by {names} limit {SHOWN_ROWS}"
    )
    return tuple(
        ", ".join(
            shown_value(table, name, value)
            + (did_you_mean(str(value).lower(), rule.allowed) if name == rule.column else "")
            for name, value in zip(rule.shown, row, strict=True)
        )
        for row in found
    )


def shown_value(table: str, name: str, value: Any) -> str:
    """Return ``name=value`` as a person wrote it: times and dates as such, money in major units.

    Examples
    --------
    >>> shown_value("orders", "ordered_at", 1483253606), shown_value("orders", "amount_minor", -5)
    ('ordered_at=2017-01-01 06:53:26', 'amount=-0.05')
    """
    column = next((c for c in TABLES[table].columns if c.stored_name == name), None)
    if column is None or value is None:
        return f"{name}={'nothing' if value is None else value}"
    if column.type == "money":
        return f"{column.name}={'-' if value < 0 else ''}{abs(value) // 100}.{abs(value) % 100:02d}"
    if column.type not in ("time", "date"):
        return f"{column.name}={value}"
    seconds = value if column.type == "time" else value * SECONDS_PER_DAY
    try:
        moment = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)
    except OverflowError:
        return f"{column.name}={value}"
    return f"{column.name}={moment if column.type == 'time' else moment.date()}"


def check_unique(
    fetch: Fetch, relation: str, table: str, key: Sequence[str], column: str = ""
) -> list[Violation]:
    """Check that no two rows of `relation` share the key; the count is of rows too many."""
    names = ", ".join(key)
    twice = f"select {names}, count(*) as copies from {relation} group by {names} having count(*) > 1"
    count = fetch(f"select coalesce(sum(copies - 1), 0) from ({twice}) as twice")[0][0]
    if not count:
        return []
    found = fetch(f"select {names}, copies from ({twice}) as twice order by {names} limit {SHOWN_ROWS}")
    rows = tuple(
        ", ".join(f"{name}={value}" for name, value in zip([*key, "copies"], row, strict=True))
        for row in found
    )
    return [Violation("duplicate key", table, column or "+".join(key), int(count), rows)]


def check_known(
    fetch: Fetch, relation: str, table: str, column: str, others: str, rule: str
) -> list[Violation]:
    """Check that every value of `column` is in the same column of `others`."""
    strangers = (
        f"select {column}, count(*) as n from {relation} as r where {column} is not null"
        f" and not exists (select 1 from {others} as o where o.{column} = r.{column}) group by {column}"
    )
    count = fetch(f"select coalesce(sum(n), 0) from ({strangers}) as strangers")[0][0]
    if not count:
        return []
    found = fetch(f"select {column}, n from ({strangers}) as s order by {column} limit {SHOWN_ROWS}")
    rows = tuple(f"{column}={value}, rows={n}" for value, n in found)
    return [Violation(rule, table, column, int(count), rows)]


def _key_columns(table: Table) -> tuple[str, ...]:
    names = [*table.key, "order_id", "customer_id"]
    return tuple(dict.fromkeys(name for name in names if name in table.column_names))


def _column_rules(column: Column, keys: tuple[str, ...]) -> list[Rule]:
    name = column.stored_name
    shown = tuple(dict.fromkeys([*keys, *([] if column.personal else [name])]))
    scale = 100 if column.type == "money" else 1
    rules = []
    if column.required:
        rules.append(Rule(MISSING_VALUE, column.name, f"{name} is null", shown))
    if column.minimum is not None:
        text = "negative money" if column.type == "money" and column.minimum == 0 else ""
        rules.append(
            Rule(
                text or f"below {column.minimum:g}",
                column.name,
                f"{name} < {column.minimum * scale:g}",
                shown,
            )
        )
    if column.maximum is not None:
        rules.append(
            Rule(f"above {column.maximum:g}", column.name, f"{name} > {column.maximum * scale:g}", shown)
        )
    if column.allowed:
        listed = ", ".join(f"'{value}'" for value in column.allowed)
        text = f"not one of {', '.join(column.allowed)}"
        rules.append(Rule(text, column.name, f"{name} not in ({listed})", shown, column.allowed))
    if column.type in ("time", "date"):
        factor = SECONDS_PER_DAY if column.type == "time" else 1
        outside = f"({name} < {EARLIEST.day * factor} or {name} >= {LATEST.day * factor})"
        rules.append(Rule(f"not between {EARLIEST} and {LATEST}", column.name, outside, shown))
    return rules


def _time_rules(
    table: Table, column: Column, keys: tuple[str, ...], events_before: Cutoff | None
) -> list[Rule]:
    if events_before is None or table.name in _FUTURE_IS_FINE:
        return []
    condition = f"{column.name} >= {events_before.seconds}"
    text = f"in the future: at or after {events_before}"
    return [Rule(text, column.name, condition, (*keys, column.name))]
