"""Customers that the configuration leaves out of everything: a wholesaler, a till, a bot.

Runs when records are merged, so that one id stands for all records of its person.
"""

from __future__ import annotations

from segml.engine.duckdb import quoted
from segml.sources.cleaning import EXCLUDED_CUSTOMER
from segml.sources.read import Reading
from segml.tables.checks import SHOWN_ROWS
from segml.tables.diagnostics import Diagnostic, Example
from segml.tables.ids import normalised_id


def leave_out_excluded(reading: Reading, merged: bool) -> None:
    """Give every row of an excluded customer its reason, and tell of ids that no customer has.

    Parameters
    ----------
    reading : Reading
        All tables; of views over merged records, the view is replaced.
    merged : bool
        Whether ``identity_map`` says whose record is whose.
    """
    listed = [normalised_id(each) for each in reading.config.exclude_customers]
    if not listed or reading.violations:
        return
    tables = [name for name in reading.names if _decides(reading, name)]
    wanted = {each: _spellings(each) for each in listed}
    spelled = ", ".join(quoted(each) for texts in wanted.values() for each in texts)
    if not spelled:
        return
    known = " union ".join(
        [f"select customer_id from read_{name} where customer_id in ({spelled})" for name in tables]
        + ([f"select customer_id from identity_map where customer_id in ({spelled})"] if merged else [])
    )
    found = {row[0] for row in reading.fetch(known)}
    strangers = sorted(each for each, texts in wanted.items() if not found & set(texts))
    if strangers:
        shown = tuple(Example(each) for each in strangers[:SHOWN_ROWS])
        reading.diagnostics.append(
            Diagnostic("excluded_unknown", "customers", "customer_id", len(strangers), examples=shown)
        )
    people = f"select unnest([{spelled}])"
    if merged:
        people += f" union select person_id from identity_map where customer_id in ({spelled})"
    for name in tables:
        _exclude(reading, name, f"reason is null and customer_id in ({people})")


def _spellings(listed: str) -> list[str]:
    """Return an id, and for a whole number its forms with and without ``.0``; nothing for a blank one."""
    whole = listed.removesuffix(".0")
    forms = [listed, whole, f"{whole}.0"] if whole.isdecimal() else [listed]
    return list(dict.fromkeys(forms)) if listed else []


def _decides(reading: Reading, name: str) -> bool:
    """Tell whether a table's own customers count: those of lines are their orders' where there are orders."""
    with_orders = "orders" in reading.config.tables
    return "customer_id" in reading.names[name] and not (name == "order_lines" and with_orders)


def _exclude(reading: Reading, name: str, condition: str) -> None:
    has_money = "amount_minor" in reading.names[name]
    money = "cast(sum(amount_minor) as bigint)" if has_money else "null"
    ((rows, amount),) = reading.fetch(f"select count(*), {money} from read_{name} where {condition}")
    if not rows:
        return
    reading.reasons[name][EXCLUDED_CUSTOMER] = int(rows)
    if amount is not None:
        reading.money[name][EXCLUDED_CUSTOMER] = int(amount)
    is_view = reading.fetch(f"select count(*) from duckdb_views() where view_name = {quoted(f'read_{name}')}")
    if not is_view[0][0]:
        reading.fetch(f"update read_{name} set reason = '{EXCLUDED_CUSTOMER}' where {condition}")
        return
    reading.fetch(f"alter view read_{name} rename to merged_{name}")
    reason = f"case when {condition} then '{EXCLUDED_CUSTOMER}' else reason end"
    reading.fetch(f"create temp view read_{name} as select * replace ({reason} as reason) from merged_{name}")
