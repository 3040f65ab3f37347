"""Ids of shop tables: one form in all tables, and nobody's rows left out with their money."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from segml.errors import DataError
from segml.tables.diagnostics import Diagnostic, Example
from sources_base import LINES, ORDERS, MadeUpBase, csv_text


@pytest.fixture
def base(tmp_path: Path) -> MadeUpBase:
    return MadeUpBase(tmp_path)


def orders_of(*customers: str) -> str:
    rows = [f"{number},{customer},2023-01-0{number},1" for number, customer in enumerate(customers, start=1)]
    return csv_text(ORDERS, *rows)


def customers_of(base: MadeUpBase) -> list[str]:
    return sorted(base.frame("orders")["customer_id"].unique())


def parquet_orders(customers: pa.Array) -> pa.Table:
    count = len(customers)
    return pa.table(
        {
            "order_id": [str(i) for i in range(count)],
            "customer_id": customers,
            "ordered_at": [dt.datetime(2023, 1, 1)] * count,
            "amount": [1.0] * count,
        }
    )


def found(diagnostics: tuple[Diagnostic, ...], kind: str) -> Diagnostic:
    return next(each for each in diagnostics if each.kind == kind)


def refused(base: MadeUpBase, **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        base.ingest(**settings)
    return str(caught.value)


def test_blanks_of_every_kind_and_zero_width_marks_make_no_other_customer(base: MadeUpBase) -> None:
    base.add("orders", orders_of("C1", "\tC1", "C1\u200b", "C1\u00a0", "\ufeffC1 ")).ingest()
    assert customers_of(base) == ["C1"]


def test_composed_and_decomposed_letters_are_one_customer(base: MadeUpBase) -> None:
    base.add("orders", orders_of("Åse", "A\u030ase")).ingest()
    assert customers_of(base) == ["Åse"]


def test_a_fraction_of_nothing_goes_from_whole_numbers_and_zeros_before_stay(base: MadeUpBase) -> None:
    report = base.add("orders", orders_of("17850", "17850.0", "0012", "guest")).ingest()
    assert customers_of(base) == ["0012", "17850"]
    folded = found(report.diagnostics, "ids_with_fraction")
    assert (folded.rows, folded.examples) == (1, (Example("17850.0", 1),))


@pytest.mark.parametrize(
    ("orders", "customers"),
    [
        (("17850.0", "12346.0"), ("17850", "12346", "A12")),
        (("17850", "12346"), ("17850.0", "12346.0", "A12")),
        (("17850.0", "12346.0"), ("17850.0", "12346.0", "A12")),
    ],
)
def test_one_customer_comes_out_alike_in_tables_of_another_form(
    base: MadeUpBase, orders: tuple[str, ...], customers: tuple[str, ...]
) -> None:
    base.add("orders", orders_of(*orders)).add("customers", csv_text(["customer_id"], *customers)).ingest()
    assert customers_of(base) == ["12346", "17850"]
    assert sorted(base.frame("customers")["customer_id"]) == ["12346", "17850", "A12"]


def test_both_spellings_beside_letters_are_refused(base: MadeUpBase) -> None:
    said = refused(base.add("orders", orders_of("17850", "17850.0", "A1")))
    assert "orders.customer_id: ids with .0 and the same without it" in said
    assert "customer_id='17850.0' and '17850'" in said


@pytest.mark.parametrize("shortened", ["4.57123E+12", '"4,57E+12"', "1e+05"])
def test_scientific_notation_is_refused_by_column_value_and_next_step(
    base: MadeUpBase, shortened: str
) -> None:
    said = refused(base.add("orders", orders_of("A1", shortened)))
    assert "orders.customer_id: scientific notation is no id" in said
    assert shortened.strip('"') in said
    assert "export ids as text" in said


def test_scientific_notation_is_refused_in_every_column_of_ids(base: MadeUpBase) -> None:
    rows = ["1,a,2023-01-01,8.40713E+11,1,2", "9.1E+20,b,2023-01-02,x,1,1"]
    said = refused(base.add("order_lines", csv_text(LINES, *rows)))
    assert "order_lines.product_id: scientific" in said
    assert "order_lines.order_id: scientific" in said


def test_an_exponent_is_an_id_among_letters_and_refused_among_numbers(base: MadeUpBase) -> None:
    base.add("orders", orders_of("12E5", "AB")).ingest()
    assert customers_of(base) == ["12E5", "AB"]
    said = refused(base.add("orders", orders_of("12E5", "100")))
    assert "orders.customer_id: a number with an exponent among ids that are numbers" in said


@pytest.mark.parametrize(
    ("kind", "value"), [(pa.float64(), 2.0**53), (pa.float64(), 4.5e18), (pa.float32(), 2.0**24)]
)
def test_floating_ids_beyond_their_last_digit_are_refused(
    base: MadeUpBase, kind: pa.DataType, value: float
) -> None:
    said = refused(base.add("orders", parquet_orders(pa.array([value, 7.0], kind))))
    assert "orders.customer_id: a floating-point number of" in said
    assert "(1 row)" in said


def test_floating_ids_below_are_whole_numbers_and_not_a_number_is_missing(base: MadeUpBase) -> None:
    customers = pa.array([17850.0, float("nan"), None, 2.0**53 - 1])
    report = base.add("orders", parquet_orders(customers)).ingest()
    assert customers_of(base) == ["17850", "9007199254740991"]
    assert report.tables["orders"].reasons == {"missing_customer": 2}


def test_ids_that_stand_for_nobody_are_left_out_with_rows_and_money(base: MadeUpBase) -> None:
    base.add("orders", orders_of("ann", "Guest", "NULL", "-1", "n/a", "guest"))
    base.add("customers", csv_text(["customer_id"], "ann", "guest"))
    report = base.ingest()
    assert customers_of(base) == ["ann"]
    counted = report.tables["orders"]
    assert counted.reasons == {"placeholder_customer": 5}
    assert counted.money == {"placeholder_customer": 500}
    assert report.tables["customers"].reasons == {"placeholder_customer": 1}
    nobody = found(report.diagnostics, "placeholder_ids")
    assert {each.value for each in nobody.examples} == {"Guest", "NULL", "-1", "n/a", "guest"}
    assert (nobody.rows, nobody.money) == (5, 500)


def test_the_configuration_keeps_or_refuses_ids_of_nobody(base: MadeUpBase) -> None:
    base.add("orders", orders_of("ann", "0"))
    assert base.ingest(cleaning={"placeholder_customer": "keep"}).diagnostics == ()
    assert customers_of(base) == ["0", "ann"]
    said = refused(base, cleaning={"placeholder_customer": "refuse"})
    assert "orders: an id that stands for no customer (1 row)\n      order_id=2, customer_id=0" in said


def test_an_id_that_folding_makes_nobodys_is_left_out(base: MadeUpBase) -> None:
    report = base.add("orders", orders_of("7", "0.00", "5.0")).ingest()
    assert customers_of(base) == ["5", "7"]
    assert report.tables["orders"].reasons == {"placeholder_customer": 1}


def test_ids_that_differ_by_case_or_by_zeros_are_told(base: MadeUpBase) -> None:
    report = base.add("orders", orders_of("Ann", "ANN", "ann", "0012", "12", "bob")).ingest()
    by_case = found(report.diagnostics, "ids_differ_by_case")
    assert (by_case.rows, by_case.examples[0].value) == (3, "ANN / Ann / ann")
    by_zeros = found(report.diagnostics, "ids_differ_by_zeros")
    assert (by_zeros.rows, by_zeros.examples[0].value) == (2, "0012 / 12")
    assert len(customers_of(base)) == 6


def test_excluded_customers_are_left_out_of_everything(base: MadeUpBase) -> None:
    base.add("orders", orders_of("0012", "ann", "0012", "bob", "17850.0", "7"))
    base.add(
        "order_lines", csv_text(["order_id", "product_id", "amount"], *[f"{i},x,1" for i in range(1, 7)])
    )
    base.add("returns", csv_text(["customer_id", "returned_at", "amount"], "0012,2023-02-01,1"))
    report = base.ingest(exclude_customers=[" 0012", 17850, "zoe"])
    assert customers_of(base) == ["7", "ann", "bob"]
    assert report.tables["orders"].reasons == {"excluded_customer": 3}
    assert report.tables["orders"].money == {"excluded_customer": 300}
    assert report.tables["returns"].rows_out == 0
    assert report.tables["order_lines"].reasons == {"order_not_kept": 3}
    assert report.tables["order_lines"].money == {"order_not_kept": 300}
    assert found(report.diagnostics, "excluded_unknown").examples == (Example("zoe"),)


def test_an_excluded_customer_goes_with_all_records_of_the_person(base: MadeUpBase) -> None:
    base.add("orders", orders_of("a1", "a2", "b"))
    base.add(
        "customers", csv_text(["customer_id", "email"], "a1,a@x.example", "a2,a@x.example", "b,b@x.example")
    )
    base.ingest(exclude_customers=["a2"], identity={"keys": ["email"]})
    assert customers_of(base) == ["b"]
    assert base.frame("customers")["customer_id"].tolist() == ["b"]


def test_an_id_to_exclude_that_is_none_is_a_mistake(base: MadeUpBase) -> None:
    base.add("orders", orders_of("ann"))
    with pytest.raises(Exception, match="an id is a text or a number"):
        base.ingest(exclude_customers=[{"id": 1}])


def test_keys_of_identity_without_the_file_of_customers_are_one_error(base: MadeUpBase) -> None:
    base.add("orders", orders_of("ann", "ann"))
    base.tables["customers"] = {"files": "raw/nowhere.csv", "columns": ["customer_id", "email"]}
    said = refused(base, identity={"keys": ["email"]})
    assert "1 violation," in said
    assert "customers: no file at 'raw/nowhere.csv'" in said


@pytest.mark.parametrize("again", ["amount", "Amount"])
def test_a_parquet_column_given_twice_or_in_another_case_is_refused(base: MadeUpBase, again: str) -> None:
    table = pa.table([["1"], ["a"], ["2023-01-01"], ["1"], ["2"]], names=[*ORDERS, again])
    assert "with the same column twice: " in refused(base.add("orders", table, ORDERS))
