"""What looks wrong in a base's files, one sentence each: what it is, its rows and money, and what to do.

Ids of customers stand here, as on the screen of `explain`; the report's page has sentences of its own without them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import yaml
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from segml.tables.diagnostics import Diagnostic, Example

_MOST_LINES = 24
Sentence = Callable[[Diagnostic, str], str]


def diagnostics_part(found: Sequence[Diagnostic], currency: str) -> list[RenderableType]:
    """Return the lines of a screen; none when nothing looks wrong."""
    if not found:
        return []
    sentences = [diagnostic_sentence(each, currency) for each in found[:_MOST_LINES]]
    if len(found) > _MOST_LINES:
        sentences.append(f"and {len(found) - _MOST_LINES} more, in manifest.json beside the validated tables")
    lines = [Padding(Text(f"- {text}", "yellow"), (0, 2)) for text in sentences]
    return [Padding(Text("worth a look before anything is built on it:", "bold"), (0, 2)), Group(*lines)]


def amount(money: int | None, currency: str) -> str:
    """Return minor units as money.

    Examples
    --------
    >>> amount(-123456, "EUR"), amount(None, "EUR")
    ('-1,234.56 EUR', '')
    """
    return "" if money is None else f"{money / 100:,.2f} {currency}"


def rows_and_money(rows: int, money: int | None, currency: str) -> str:
    """Return a number of rows, with their money where there is any.

    Examples
    --------
    >>> rows_and_money(1, 500, "EUR"), rows_and_money(2000, None, "EUR")
    ('1 row, 5.00 EUR', '2,000 rows')
    """
    counted = f"{rows:,} row{'s' if rows != 1 else ''}"
    return ", ".join(part for part in (counted, amount(money, currency)) if part)


def diagnostic_sentence(found: Diagnostic, currency: str) -> str:
    """Return one diagnostic in words.

    Examples
    --------
    >>> guests = (Example("guest", 8, 4000),)
    >>> found = Diagnostic("placeholder_ids", "orders", "customer_id", 8, money=4000, examples=guests)
    >>> diagnostic_sentence(found, "EUR")[:93]
    'orders.customer_id: 8 rows, 40.00 EUR of ids that stand for no customer, left out: guest (8);'
    """
    return _SENTENCES[found.kind](found, currency)


def _counted(examples: Iterable[Example]) -> str:
    return ", ".join(f"{each.value} ({each.rows:,})" for each in examples)


def _with_money(examples: Iterable[Example], currency: str) -> str:
    return ", ".join(
        f"{each.value or 'nothing'} ({rows_and_money(each.rows, each.money, currency)})" for each in examples
    )


def _customers(found: Diagnostic) -> str:
    return f"{found.customers:,} customer{'s' if found.customers != 1 else ''}"


def _such_as(examples: Iterable[Example]) -> str:
    return ", ".join(each.value for each in examples)


def _placeholders(found: Diagnostic, currency: str) -> str:
    return (
        f"{found.table}.{found.column}: {rows_and_money(found.rows, found.money, currency)} of ids that stand for no"
        f" customer, left out: {_counted(found.examples)}; `cleaning: {{placeholder_customer: keep}}` keeps them"
    )


def _equal_rows(found: Diagnostic, currency: str) -> str:
    return (
        f"{found.table}: {rows_and_money(found.rows, found.money, currency)} equal another row in all columns, and are"
        " kept, as two events may be alike; where an export was put in twice: `cleaning: {exact_duplicates: drop}`"
    )


def _unknown_customers(found: Diagnostic, _: str) -> str:
    return (
        f"{found.table}.{found.column}: {rows_and_money(found.rows, None, '')} of {_customers(found)} without an order"
        f" or a record, who count for no customer: {_counted(found.examples)}; are these ids written as in the orders?"
    )


def _fractions(found: Diagnostic, currency: str) -> str:
    return (
        f"{found.table}.{found.column}: {rows_and_money(found.rows, None, currency)} with .0 behind a whole number"
        f" ({_such_as(found.examples)}), read as the number without it"
    )


def _similar(what: str) -> Sentence:
    def sentence(found: Diagnostic, _: str) -> str:
        return (
            f"{found.table}.{found.column}: {found.rows:,} ids differ from another only by {what}, and count as"
            f" different ones: {_such_as(found.examples)}; make them alike in the files if they are the same"
        )

    return sentence


def _far_orders(found: Diagnostic, currency: str) -> str:
    values = found.values
    more = (
        f" and {values['days'] - len(found.examples)} days more"
        if values["days"] > len(found.examples)
        else ""
    )
    return (
        f"{found.table}.{found.column}: {rows_and_money(found.rows, found.money, currency)} lie alone, far from all"
        f" other orders ({values['bulk_from']} to {values['bulk_until']}), and are left out, so that they are no clock:"
        f" {_counted(found.examples)}{more}; correct the dates; `cleaning: {{far_orders: keep}}` takes them as they"
        " are, and `cleaning: {events_before: DAY}` makes later ones an error"
    )


def _late(found: Diagnostic, _: str) -> str:
    return (
        f"{found.table}.{found.column}: {rows_and_money(found.rows, None, '')} more than a year after the last order"
        f" ({found.values['until']}), up to {_such_as(found.examples)}; correct the dates, or make them an error with"
        " `cleaning: {events_before: DAY}`"
    )


def _early(found: Diagnostic, _: str) -> str:
    return (
        f"{found.table}.{found.column}: {rows_and_money(found.rows, None, '')} decades before the first order"
        f" ({found.values['from']}), from {_such_as(found.examples)} on; correct the dates"
    )


def _future_births(found: Diagnostic, _: str) -> str:
    return (
        f"customers.birth_date: {_customers(found)} born in the future, after the last order ({found.values['until']}):"
        f" {_counted(found.examples)}; two-digit years are often read so: correct them"
    )


def _early_births(found: Diagnostic, _: str) -> str:
    return (
        f"customers.birth_date: {_customers(found)} born more than {found.values['age']} years before the last order:"
        f" {_counted(found.examples)}; a day that stands for an unknown one is better left blank (`missing`)"
    )


def _future_joinings(found: Diagnostic, _: str) -> str:
    return (
        f"customers.joined_at: {_customers(found)} joined in the future, after the last order"
        f" ({found.values['until']}): {_counted(found.examples)}; correct the dates, or bring newer orders"
    )


def _gaps(found: Diagnostic, _: str) -> str:
    count = found.values["gaps"]
    others = f", the longest of {count} such stretches" if count > 1 else ""
    return (
        f"no order at all {_such_as(found.examples)}{others}: a third or more of the horizon of"
        f" {found.values['tasks']}, in which everybody looks as if they had stayed away; is a file missing?"
    )


def _currencies(found: Diagnostic, currency: str) -> str:
    wrong = found.values["wrong"]
    if currency not in {each.value.upper() for each in found.examples}:
        step = (
            f"`currency: {wrong[0]}` says so"
            if len(wrong) == 1 and len(wrong[0]) == 3
            else "a `query` converts them"
        )
    else:
        step = f"`{_where(found, 'in', [currency])}` keeps one, a `query` converts"
    if found.values["of_query"]:
        step = "let the `query` keep one, or convert"
    return (
        f"{found.table}: the column {found.column} holds currencies, and the amounts are summed as if all were"
        f" {currency}: {_with_money(found.examples, currency)}{_more(found)}; {step}"
    )


def _status(found: Diagnostic, currency: str) -> str:
    wrong = found.values["wrong"]
    if found.values["of_query"] or len(wrong) == len(found.examples):
        step = f"leave out what is none in the table's {'`query`' if found.values['of_query'] else '`where`'}"
    else:
        step = f"`{_where(found, 'not in', wrong)}` leaves out what may be none"
    return (
        f"{found.table}: the column {found.column} holds a status, and all rows count as revenue whatever it says:"
        f" {_with_money(found.examples, currency)}{_more(found)}; {step}"
    )


def _where(found: Diagnostic, operator: str, values: Sequence[str]) -> str:
    """Return a line of the table's entry, as YAML has to have it; a row without a value stays."""
    name = found.column if re.fullmatch(r"[a-z_]+", found.column) else f'"{found.column}"'
    listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
    value = f"coalesce({name}, '')" if operator == "not in" else name
    return yaml.safe_dump(
        {"where": f"{value} {operator} ({listed})"}, width=10_000, allow_unicode=True
    ).strip()


def _flag(found: Diagnostic, currency: str) -> str:
    return (
        f"{found.table}: the column {found.column} is set in {rows_and_money(found.rows, found.money, currency)},"
        " and the mapping leaves it out; leave such rows out with `where` if they are no real orders or customers"
    )


def _more(found: Diagnostic) -> str:
    return f" and {found.values['more']} more" if found.values.get("more") else ""


def _minor_units(found: Diagnostic, currency: str) -> str:
    why = f"the column {found.values['sibling']} holds a hundredth" if found.values["sibling"] else ""
    why = why or (
        f"they are a hundred times those of {found.values['other']}" if found.values.get("other") else ""
    )
    return (
        f"{found.table}.{found.column}: all amounts are whole and look like hundredths (1999 for 19.99)"
        f"{'; ' if why else ', as the name says'}{why}:"
        f" {rows_and_money(found.rows, found.money, currency)} as they stand; divide them by 100 in a `query`"
    )


def _dominating(what: str) -> Sentence:
    def sentence(found: Diagnostic, currency: str) -> str:
        top = "; ".join(
            f"{each.value}: {each.rows:,} orders, {amount(each.money, currency)}" for each in found.examples
        ).replace(": 1 orders", ": 1 order")
        return (
            f"{_customers(found)} of {found.values['of']:,} far above all others, with {found.values['share']:.1%} of"
            f" all {what} ({top}); a wholesaler, a till or a guest account is left out by `exclude_customers: [ID]`"
        )

    return sentence


def _machines(found: Diagnostic, currency: str) -> str:
    return (
        f"{_customers(found)} with up to {found.values['a_day']:,} orders on one day, as a bot or a till places them:"
        f" {_with_money(found.examples, currency)}; `exclude_customers: [ID]` leaves them out"
    )


def _refunds(what: str) -> Sentence:
    def sentence(found: Diagnostic, currency: str) -> str:
        return (
            f"returns: {_customers(found)} with refunds {what}: {rows_and_money(found.rows, found.money, currency)},"
            f" such as {_with_money(found.examples, currency)}; are orders missing, or refunds given twice?"
        )

    return sentence


def _excluded_unknown(found: Diagnostic, _: str) -> str:
    return f"exclude_customers: no row has {_such_as(found.examples)}; an id with zeros before it needs quotes in YAML"


_SENTENCES: dict[str, Sentence] = {
    "placeholder_ids": _placeholders,
    "unknown_customers": _unknown_customers,
    "equal_rows_kept": _equal_rows,
    "ids_with_fraction": _fractions,
    "ids_differ_by_case": _similar("upper and lower case"),
    "ids_differ_by_zeros": _similar("zeros before them"),
    "far_from_all_orders": _far_orders,
    "late_events": _late,
    "early_events": _early,
    "future_births": _future_births,
    "early_births": _early_births,
    "future_joinings": _future_joinings,
    "days_without_orders": _gaps,
    "undeclared_currency": _currencies,
    "undeclared_status": _status,
    "undeclared_flag": _flag,
    "minor_units": _minor_units,
    "dominating_orders": _dominating("orders"),
    "dominating_spent": _dominating("money"),
    "orders_by_the_minute": _machines,
    "refunds_over_purchases": _refunds("of more than was bought"),
    "refunds_before_order": _refunds("before the first order"),
    "refunds_without_order": _refunds("who never ordered"),
    "excluded_unknown": _excluded_unknown,
}
