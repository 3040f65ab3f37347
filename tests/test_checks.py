"""Rules of tables, on made-up relations."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pandas as pd
import pytest

from segml.errors import DataError
from segml.tables.catalog import TABLES
from segml.tables.checks import (
    Fetch,
    Rule,
    Violation,
    check_known,
    check_names,
    check_rows,
    check_unique,
    refuse,
    row_rules,
    shown_value,
)
from segml.time_windows import Cutoff


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def fetch_of(connection: duckdb.DuckDBPyConnection, **frames: pd.DataFrame) -> Fetch:
    for name, frame in frames.items():
        connection.register(name, frame)
    return lambda sql: connection.execute(sql).fetchall()


def test_every_table_of_the_catalogue_has_rules_that_run(connection: duckdb.DuckDBPyConnection) -> None:
    for table in TABLES.values():
        names = [column.stored_name for column in table.columns]
        types = {"text": "varchar", "flag": "boolean", "number": "double"}
        listed = ", ".join(f"{c.stored_name} {types.get(c.type, 'bigint')}" for c in table.columns)
        connection.execute(f"create table {table.name} ({listed})")
        rules = row_rules(table, names, Cutoff.parse("2020-01-01"))
        assert len(rules) >= len(table.required_names)
        assert check_rows(fetch_of(connection), table.name, table.name, rules) == []


def test_rules_of_absent_columns_are_not_asked() -> None:
    assert {rule.column for rule in row_rules(TABLES["orders"], ["order_id"])} == {"order_id"}


def test_counts_are_of_all_rows_and_only_the_first_are_shown(connection: duckdb.DuckDBPyConnection) -> None:
    orders = pd.DataFrame({"order_id": [f"o{i}" for i in range(10)], "amount_minor": range(-7, 3)})
    rules = row_rules(TABLES["orders"], orders.columns)
    (found,) = check_rows(fetch_of(connection, t=orders), "t", "orders", rules)
    assert (found.rule, found.column, found.count) == ("negative money", "amount", 7)
    assert found.rows == (
        "order_id=o0, amount=-0.07",
        "order_id=o1, amount=-0.06",
        "order_id=o2, amount=-0.05",
    )


def test_values_outside_the_allowed_set_are_named(connection: duckdb.DuckDBPyConnection) -> None:
    consents = pd.DataFrame(
        {"customer_id": ["a", "b"], "channel": ["email", "pigeon"], "purpose": "marketing"}
    )
    rules = row_rules(TABLES["consents"], consents.columns)
    (found,) = check_rows(fetch_of(connection, t=consents), "t", "consents", rules)
    assert found.rows == ("customer_id=b, channel=pigeon",)


def test_campaigns_may_lie_in_the_future_and_events_may_not() -> None:
    day = Cutoff.parse("2020-01-01")
    rules = {name: row_rules(table, table.column_names, day) for name, table in TABLES.items()}
    future = {name: [rule.column for rule in rules[name] if "future" in rule.text] for name in rules}
    assert future["campaigns"] == []
    assert future["orders"] == ["ordered_at"]
    assert future["loyalty_ledger"] == ["occurred_at"]  # not when points lapse


def test_personal_values_are_never_shown() -> None:
    for table in TABLES.values():
        personal = {column.stored_name for column in table.columns if column.personal}
        names = [column.stored_name for column in table.columns]
        assert not any(personal & {*rule.shown} for rule in row_rules(table, names))


def test_duplicate_keys_count_the_rows_too_many(connection: duckdb.DuckDBPyConnection) -> None:
    fetch = fetch_of(connection, t=pd.DataFrame({"order_id": ["a", "a", "a", "b"]}))
    (found,) = check_unique(fetch, "t", "orders", ["order_id"])
    assert (found.count, found.rows) == (2, ("order_id=a, copies=3",))


def test_unknown_values_count_their_rows_and_nothing_is_not_unknown(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    orders = pd.DataFrame({"customer_id": ["a", "x", "x", None]})
    fetch = fetch_of(connection, t=orders, known=pd.DataFrame({"customer_id": ["a"]}))
    (found,) = check_known(fetch, "t", "orders", "customer_id", "known", "unknown")
    assert (found.count, found.rows) == (2, ("customer_id=x, rows=2",))


def test_names_are_checked_against_the_catalogue_with_the_nearest() -> None:
    assert check_names("orders", TABLES["orders"].column_names, TABLES["orders"].required_names) == []
    (found,) = check_names("ordres", ["order_id"], [])
    assert str(found) == "ordres: not a table of the catalogue (did you mean 'orders'?)"
    assert str(check_names("orders", [], ["order_id"])[0]) == "orders.order_id: is not mapped"


def test_a_report_lists_every_violation_and_none_is_no_error() -> None:
    refuse([], "shop")
    with pytest.raises(DataError) as caught:
        refuse(
            [Violation("one", "orders"), Violation("two", "returns", "amount", 1, ("amount=-1.00",))], "shop"
        )
    assert caught.value.message.splitlines() == [
        "shop: 2 violations, nothing was written",
        "  - orders: one",
        "  - returns.amount: two (1 row)",
        "      amount=-1.00",
    ]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("amount_minor", 1_234, "amount=12.34"),
        ("amount_minor", -1, "amount=-0.01"),
        ("ordered_at", -1, "ordered_at=1969-12-31 23:59:59"),
        ("ordered_at", 10**15, "ordered_at=1000000000000000"),
        ("customer_id", None, "customer_id=nothing"),
        ("copies", 2, "copies=2"),
    ],
)
def test_values_are_shown_as_a_person_writes_them(name: str, value: object, text: str) -> None:
    assert shown_value("orders", name, value) == text


def test_a_rule_that_shows_nothing_has_no_rows(connection: duckdb.DuckDBPyConnection) -> None:
    fetch = fetch_of(connection, t=pd.DataFrame({"a": [1]}))
    (found,) = check_rows(fetch, "t", "orders", [Rule("wrong", "a", "a = 1", ())])
    assert (found.count, found.rows) == (1, ())


def test_many_violations_fit_on_a_screen_and_say_how_many_there_are() -> None:
    rows = ("a=1", "a=2", "a=3")
    some = [Violation("missing value", "orders", f"c{place}", 3, rows) for place in range(10)]
    with pytest.raises(DataError) as caught:
        refuse(some, "shop")
    lines = str(caught.value).splitlines()
    assert len(lines) <= 30
    assert all(any(f"orders.c{place}:" in line for line in lines) for place in range(10))
    assert lines.count("      a=1") == 4  # rows of the first ones, as far as there is space
    many = [Violation("missing value", "orders", f"c{place}", 3, rows) for place in range(500)]
    with pytest.raises(DataError, match="500 violations, nothing was written") as caught:
        refuse(many, "shop")
    assert len(str(caught.value).splitlines()) <= 30
    assert "- and 477 more" in str(caught.value)
