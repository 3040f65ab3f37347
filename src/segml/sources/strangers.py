"""Rows of other tables about customers that no order or customer record knows: told, or refused when nearly a customer.

A newsletter has readers who never bought, so an unknown id is no fault of its own. An id that differs from a customer's
in leading zeros or case alone is one: a spreadsheet took the zeros of a withdrawal, and it would count for no customer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from segml.tables.checks import SHOWN_ROWS, Fetch, Violation
from segml.tables.diagnostics import Diagnostic, Example
from segml.tables.ids import loose_id_sql

NEARLY_KNOWN = "an unknown customer whose id differs from a customer's in leading zeros or case alone"
_OWNERS = ("customers", "orders", "order_lines", "returns")  # refunds are told of with their money


def find_strangers(
    fetch: Fetch, names: Mapping[str, Sequence[str]]
) -> tuple[list[Violation], list[Diagnostic]]:
    """Return ids that are nearly a customer's as violations, and those of other unknown customers as diagnostics.

    Parameters
    ----------
    fetch : callable
        Runs a query over ``clean_<table>``.
    names : mapping of str to sequence of str
        Table -> its stored columns.
    """
    violations, diagnostics = [], []
    for table in [name for name in names if name not in _OWNERS and "customer_id" in names[name]]:
        strangers = (
            f"select customer_id, count(*) as n from clean_{table} as r where customer_id is not null and not exists"
            " (select 1 from clean_customers as c where c.customer_id = r.customer_id) group by customer_id"
        )
        ((customers, rows),) = fetch(f"select count(*), coalesce(sum(n), 0) from ({strangers}) as s")
        if not customers:
            continue
        near = (
            f"select s.customer_id, s.n, min(c.customer_id) as known from ({strangers}) as s"
            f" join clean_customers as c on {loose_id_sql('c.customer_id')} = {loose_id_sql('s.customer_id')}"
            f" where {loose_id_sql('s.customer_id')} <> '' group by s.customer_id, s.n"
        )
        ((nearly,),) = fetch(f"select coalesce(sum(n), 0) from ({near}) as near")
        if nearly:
            found = fetch(f"select customer_id, known from ({near}) as near order by 1 limit {SHOWN_ROWS}")
            shown = tuple(f"customer_id={value!r}, and {known!r} is a customer" for value, known in found)
            violations.append(Violation(NEARLY_KNOWN, table, "customer_id", int(nearly), shown))
            continue
        found = fetch(
            f"select customer_id, n from ({strangers}) as s order by n desc, customer_id limit {SHOWN_ROWS}"
        )
        examples = tuple(Example(str(value), int(count)) for value, count in found)
        diagnostics.append(
            Diagnostic(
                "unknown_customers", table, "customer_id", int(rows), int(customers), examples=examples
            )
        )
    return violations, diagnostics
