"""Equal rows: compared over all columns of the files, kept where two events may be alike, counted in money."""

from __future__ import annotations

from pathlib import Path

import pytest

from segml.errors import DataError
from segml.sources.ingest import IngestReport
from segml.tables.diagnostics import Diagnostic
from sources_base import LINES, ORDERS, MadeUpBase, csv_text

PAYMENTS = [*ORDERS[:1], "payment_id", *ORDERS[1:]]


@pytest.fixture
def base(tmp_path: Path) -> MadeUpBase:
    return MadeUpBase(tmp_path)


def kept_twice(report: IngestReport) -> list[tuple[str, int, int | None]]:
    return [(d.table, d.rows, d.money) for d in report.diagnostics if d.kind == "equal_rows_kept"]


def test_lines_that_differ_in_a_column_beside_the_mapping_are_two(base: MadeUpBase) -> None:
    header = ["order_id", "line_no", *LINES[1:]]
    rows = ["1,1,a,2023-01-01,milk,1,10", "1,2,a,2023-01-01,milk,1,10", "1,3,a,2023-01-01,tea,1,5"]
    base.add("order_lines", csv_text(header, *rows), LINES)
    for setting in ("auto", "drop"):
        report = base.ingest(cleaning={"exact_duplicates": setting})
        assert base.frame("orders")["amount_minor"].tolist() == [2500]
        assert kept_twice(report) == []


def test_equal_events_are_kept_and_counted_with_their_money(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2023-01-01,9"))
    points = csv_text(["customer_id", "occurred_at", "points"], *["ann,2023-01-02,10"] * 3)
    back = csv_text(["customer_id", "returned_at", "amount"], *["ann,2023-01-03,2.50"] * 2)
    report = base.add("loyalty_ledger", points).add("returns", back).ingest()
    assert base.frame("loyalty_ledger")["points"].sum() == 30
    assert base.frame("returns")["amount_minor"].sum() == 500
    assert kept_twice(report) == [("loyalty_ledger", 2, None), ("returns", 1, 250)]


def test_an_export_put_in_twice_is_dropped_on_demand_in_rows_and_money(base: MadeUpBase) -> None:
    lines = csv_text(LINES, "1,a,2023-01-01,x,2,1.50", "2,b,2023-01-02,x,1,4")
    (base.root / "raw" / "again.csv").write_text(lines)
    base.add("order_lines", lines)
    base.tables["order_lines"]["files"] = ["raw/order_lines.csv", "raw/again.csv"]
    assert kept_twice(base.ingest()) == [("order_lines", 2, 700)]
    counted = base.ingest(cleaning={"exact_duplicates": "drop"}).tables["order_lines"]
    assert (counted.reasons, counted.money) == ({"exact_duplicate": 2}, {"exact_duplicate": 700})
    assert base.ingest(cleaning={"exact_duplicates": "keep"}).diagnostics == ()


def test_fully_equal_orders_are_one_and_the_other_is_counted(base: MadeUpBase) -> None:
    counted = base.add("orders", csv_text(PAYMENTS, *["1,p1,a,2023-01-01,50"] * 2), ORDERS).ingest()
    assert base.frame("orders")["amount_minor"].tolist() == [5000]
    assert counted.tables["orders"].money == {"exact_duplicate": 5000}


@pytest.mark.parametrize("second", ["50", "60"])
def test_instalments_of_an_order_are_a_repeated_key_equal_or_not(base: MadeUpBase, second: str) -> None:
    base.add("orders", csv_text(PAYMENTS, "1,p1,a,2023-01-01,50", f"1,p2,a,2023-01-01,{second}"), ORDERS)
    with pytest.raises(DataError, match=r"orders\.order_id: duplicate key \(1 row\)"):
        base.ingest()


def test_rows_of_a_query_are_held_against_its_own_columns(base: MadeUpBase) -> None:
    query = "select order_id, customer_id, ordered_at, amount from source"
    base.add("orders", csv_text(PAYMENTS, "1,p1,a,2023-01-01,50", "1,p2,a,2023-01-01,50"), query=query)
    assert base.ingest().tables["orders"].reasons == {"exact_duplicate": 1}


def test_the_same_consent_again_changes_nothing(base: MadeUpBase) -> None:
    header = ["customer_id", "changed_at", "channel", "purpose", "granted"]
    base.add("orders", csv_text(ORDERS, "1,ann,2023-01-01,1"))
    base.add("consents", csv_text(header, *["ann,2023-01-01,email,marketing,true"] * 3))
    assert base.ingest().tables["consents"].reasons == {"exact_duplicate": 2}


def test_what_was_found_is_told_again_without_reading(base: MadeUpBase) -> None:
    base.add("order_lines", csv_text(LINES, *["1,a,2023-01-01,x,2,1.50"] * 2, "2,guest,2023-01-01,x,1,1"))
    first, again = base.ingest(), base.ingest()
    assert (first.skipped, again.skipped) == (False, True)
    assert again.diagnostics == first.diagnostics
    assert {found.kind for found in again.diagnostics} == {"equal_rows_kept", "placeholder_ids"}
    assert all(isinstance(found, Diagnostic) for found in again.diagnostics)
