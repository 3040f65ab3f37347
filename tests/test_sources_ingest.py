"""Ingestion: what becomes of good rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segml.engine.keys import hash_key
from segml.errors import DataError
from sources_base import LINES, ORDERS, MadeUpBase, csv_text

DAY = 86_400
NOON = 12 * 3_600
JANUARY_1 = 17_167 * DAY  # 2017-01-01, days since 1970 by datetime.date(2017, 1, 1).toordinal() - 719163


@pytest.fixture
def base(tmp_path: Path) -> MadeUpBase:
    return MadeUpBase(tmp_path)


def test_r01_orders_alone_are_enough_and_give_customers_and_numbers(base: MadeUpBase) -> None:
    rows = ["9,ann,2017-01-02 12:00:00,5.00", "3,bob,2017-01-01,1", "7,ann,2017-01-01 12:00,2.50"]
    report = base.add("orders", csv_text(ORDERS, *rows)).ingest()
    orders = base.frame("orders").set_index("order_id")
    assert orders["order_no"].to_dict() == {"7": 1, "9": 2, "3": 1}
    assert orders["ordered_at"].to_dict() == {
        "7": JANUARY_1 + NOON, "9": JANUARY_1 + DAY + NOON, "3": JANUARY_1,
    }  # fmt: skip
    assert orders["amount_minor"].to_dict() == {"7": 250, "9": 500, "3": 100}
    assert set(base.frame("customers")["customer_id"]) == {"ann", "bob"}
    assert (orders["customer_key"] == orders["customer_id"].map(hash_key)).all()
    assert (report.first_event, report.last_event) == (JANUARY_1, JANUARY_1 + DAY + NOON)


def test_r01_what_is_not_there_is_unavailable_with_the_reason(base: MadeUpBase) -> None:
    report = base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,1")).ingest()
    assert "not in the configuration" in report.unavailable["consents"]
    assert report.unavailable["orders.discount"] == "not mapped in the configuration"
    assert "discount_minor" not in base.frame("orders")


def test_orders_are_derived_from_lines_and_lines_bear_their_order(base: MadeUpBase) -> None:
    rows = [
        "b1,ann,2017-01-01 10:00:00,apple,2,1.50",
        "b1,ann,2017-01-01 10:00:30,pear,1,0.335",
        "b2,ann,2017-01-03 10:00:00,apple,1,1.50",
    ]
    report = base.add("order_lines", csv_text(LINES, *rows)).ingest()
    orders = base.frame("orders")
    assert orders[["order_id", "order_no", "amount_minor"]].to_numpy().tolist() == [
        ["b1", 1, 334],
        ["b2", 2, 150],
    ]
    lines = base.frame("order_lines")
    assert lines["ordered_at"].tolist() == [JANUARY_1 + 36_000] * 2 + [JANUARY_1 + 2 * DAY + 36_000]
    assert lines["order_no"].tolist() == [1, 1, 2]
    assert "unit_price" not in lines
    assert report.tables["orders"].added == {"from order_lines": 2}


def test_lines_take_customer_time_and_category_from_other_tables(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,3"))
    base.add("order_lines", csv_text(["order_id", "product_id", "amount"], "1,apple,1", "1,saw,2"))
    base.add("products", csv_text(["product_id", "category"], "apple,fruit"))
    base.ingest()
    lines = base.frame("order_lines").set_index("product_id")
    assert lines["customer_key"].unique().tolist() == [hash_key("ann")]
    assert lines.loc["apple", "category"] == "fruit"
    assert lines["category"].isna().to_dict() == {"apple": False, "saw": True}


def test_money_is_rounded_half_up_and_not_through_binary_fractions(base: MadeUpBase) -> None:
    rows = ["1,a,2017-01-01,1.005", "2,a,2017-01-02,2.675", "3,a,2017-01-03,0.994", "4,a,2017-01-04,1e1"]
    base.add("orders", csv_text(ORDERS, *rows)).ingest()
    assert base.frame("orders")["amount_minor"].tolist() == [101, 268, 99, 1000]


def test_money_of_binary_doubles_rounds_as_it_was_written(base: MadeUpBase) -> None:
    table = pa.table(
        {
            "order_id": [1.0, 2.0],
            "customer_id": [17850.0, 12346.0],
            "ordered_at": pa.array([1_483_228_800_000_000, 1_483_315_200_000_000], pa.timestamp("us")),
            "amount": [1.005, 2.675],
        }
    )
    base.add("orders", table).ingest()
    orders = base.frame("orders").sort_values("order_id")
    assert orders["amount_minor"].tolist() == [101, 268]
    assert orders["customer_id"].tolist() == ["17850", "12346"]
    assert orders["order_id"].tolist() == ["1", "2"]


def test_prices_by_quantities_are_exact_and_large_ones_fit(base: MadeUpBase) -> None:
    rows = ["1,a,2017-01-01,x,3,0.335", "2,a,2017-01-02,x,0.5,0.01", "3,a,2017-01-03,x,80000,123456.789"]
    base.add("order_lines", csv_text(LINES, *rows)).ingest()
    assert base.frame("orders")["amount_minor"].tolist() == [101, 1, 987_654_312_000]


def test_decimal_commas_and_foreign_dates_are_read_when_declared(base: MadeUpBase) -> None:
    text = "order_id;customer_id;ordered_at;amount\n1;a;31.01.2017 10:30;1234,505\n"
    base.add("orders", text, ORDERS, delimiter=";", decimal=",", time_format="%d.%m.%Y %H:%M").ingest()
    order = base.frame("orders").iloc[0]
    assert order["amount_minor"] == 123_451
    assert order["ordered_at"] == JANUARY_1 + 30 * DAY + 10 * 3_600 + 1_800


def test_blanks_in_runs_are_one_delimiter(base: MadeUpBase) -> None:
    text = " customer_id date  value\r\n  00001 19970101   11.77\r\n 00002 19970112  12.00\r\n"
    query = "select customer_id, customer_id as order_id, date as ordered_at, value as amount from source"
    base.add("orders", text, query=query, delimiter=" ", time_format="%Y%m%d").ingest()
    assert base.frame("orders").sort_values("order_id")["amount_minor"].tolist() == [1177, 1200]


def test_cleaning_counts_every_row_that_goes(base: MadeUpBase) -> None:
    rows = [
        "1,ann,2017-01-01,apple,2,1.50",
        "1,ann,2017-01-01,apple,2,1.50",  # the same row again
        "2,,2017-01-01,apple,1,1.50",  # nobody's
        "C3,ann,2017-01-02,apple,-2,1.50",  # cancelled
        "4,bob,2017-01-02,apple,1,1.50",
        "4,bob,2017-01-02,pear,-1,0.50",  # came back
        "5,bob,2017-01-03,gift,1,0",  # a price of nothing
    ]
    cleaning = {
        "exact_duplicates": "drop",
        "cancelled_order_prefix": "C",
        "nonpositive_price": "drop",
    }
    report = base.add("order_lines", csv_text(LINES, *rows)).ingest(cleaning=cleaning)
    counted = report.tables["order_lines"]
    assert counted.money == {
        "exact_duplicate": 300, "missing_customer": 150, "cancelled_order": -300, "negative_quantity": -50,
        "nonpositive_price": 0,
    }  # fmt: skip
    assert counted.reasons == {
        "exact_duplicate": 1, "missing_customer": 1, "cancelled_order": 1, "negative_quantity": 1,
        "nonpositive_price": 1,
    }  # fmt: skip
    assert (counted.rows_in, counted.rows_out) == (7, 2)
    returns = base.frame("returns").set_index("customer_id")
    assert returns["amount_minor"].to_dict() == {"ann": 300, "bob": 50}
    assert returns["order_id"].to_dict() == {"ann": "C3", "bob": "4"}
    assert report.tables["returns"].added == {"from order_lines": 2}


def test_rows_in_are_rows_out_and_reasons_in_every_table(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,3", "C2,ann,2017-01-02,3", "3,,2017-01-02,3"))
    base.add("order_lines", csv_text(["order_id", "product_id", "amount"], "1,x,3", "C2,x,3", "3,x,3"))
    base.add("customers", csv_text(["customer_id"], "ann", "zoe"))
    report = base.ingest(cleaning={"cancelled_order_prefix": "C"})
    for count in report.tables.values():
        assert count.rows_in + sum(count.added.values()) - sum(count.reasons.values()) == count.rows_out
    assert report.tables["order_lines"].reasons == {"order_not_kept": 2}
    assert report.tables["returns"].rows_out == 1


@pytest.mark.parametrize(("policy", "customers", "orders"), [("add", 2, 2), ("drop", 1, 1)])
def test_customers_that_only_ordered_are_added_or_dropped(
    base: MadeUpBase, policy: str, customers: int, orders: int
) -> None:
    base.add("order_lines", csv_text(LINES, "1,ann,2017-01-01,x,1,1", "2,bob,2017-01-01,x,1,1"))
    base.add("customers", csv_text(["customer_id", "age_band"], "ann,20-30"))
    report = base.ingest(cleaning={"unknown_customer": policy})
    assert (len(base.frame("customers")), len(base.frame("orders"))) == (customers, orders)
    assert len(base.frame("order_lines")) == orders
    assert report.tables["orders"].reasons == ({"unknown_customer": 1} if policy == "drop" else {})


def test_times_with_an_offset_come_to_the_wall_clock_and_naive_ones_stay(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,a,2017-01-01T10:00:00Z,1", "2,a,2017-07-01 10:00:00+0200,1"))
    base.ingest()
    hours = base.frame("orders")["ordered_at"] % DAY // 3_600
    assert hours.tolist() == [11, 10]  # Berlin: one hour before UTC in winter, two in summer


def test_naive_times_of_another_zone_are_converted_days_are_not(base: MadeUpBase) -> None:
    rows = ["1,a,2017-01-01 04:00:00,1", "2,a,2017-07-01 04:00:00,1"]
    base.add("orders", csv_text(ORDERS, *rows), time_zone="UTC").ingest(time_zone="America/New_York")
    assert (base.frame("orders")["ordered_at"] % DAY // 3_600).tolist() == [23, 0]
    base.add("orders", csv_text(ORDERS, "1,a,20170101,1"), time_zone="UTC", time_format="%Y%m%d")
    base.ingest(time_zone="America/New_York")
    assert base.frame("orders")["ordered_at"].tolist() == [JANUARY_1]


def test_parquet_instants_are_converted_too(base: MadeUpBase) -> None:
    when = pa.array([JANUARY_1 * 1_000], pa.timestamp("ms", tz="UTC"))
    base.add("orders", pa.table({"order_id": ["1"], "customer_id": ["a"], "ordered_at": when, "amount": [1]}))
    base.ingest()
    assert base.frame("orders")["ordered_at"].tolist() == [JANUARY_1 + 3_600]


def test_a_query_joins_raw_files_by_name(base: MadeUpBase) -> None:
    (base.root / "raw" / "dates.csv").write_text("campaign,day\nc1,2017-03-01\n")
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,1"))
    base.add(
        "email_events",
        csv_text(["who", "campaign"], "ann,c1"),
        query="select who as customer_id, day as occurred_at, 'sent' as event, campaign as campaign_id"
        " from source join dates using (campaign)",
        also={"dates": "raw/dates.csv"},
    )
    base.ingest()
    assert base.frame("email_events")[["customer_id", "event", "campaign_id"]].to_numpy().tolist() == [
        ["ann", "sent", "c1"]
    ]


def test_constants_conditions_and_words_for_nothing(base: MadeUpBase) -> None:
    rows = ["1,ann,2017-01-01,1,NULL,ok", "2,ann,2017-01-02,1,web,test"]
    text = csv_text([*ORDERS, "channel", "state"], *rows)
    base.add(
        "orders",
        text,
        [*ORDERS, "channel"],
        constants={"store_id": "7"},
        where="state = 'ok'",
        missing="NULL",
    )
    base.ingest()
    orders = base.frame("orders")
    assert orders["store_id"].tolist() == ["7"]
    assert orders["channel"].isna().all()


def test_folders_globs_and_files_with_other_column_orders(base: MadeUpBase) -> None:
    folder = base.root / "raw" / "2017"
    folder.mkdir()
    (folder / "a.csv").write_text(csv_text(ORDERS, "1,ann,2017-01-01,1"))
    (folder / "b.csv").write_text(csv_text([*reversed(ORDERS), "more"], "2,2017-01-02,ann,2,x"))
    (folder / "_SUCCESS").write_text("")
    base.add("orders", csv_text(ORDERS, "3,ann,2017-01-03,3"))
    base.tables["orders"]["files"] = ["raw/2017", "raw/ord*.csv"]
    base.ingest()
    assert base.frame("orders")["amount_minor"].tolist() == [100, 200, 300]


def test_flags_dates_numbers_and_points_have_their_types(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,1"))
    base.add("customers", csv_text(["customer_id", "birth_date"], "ann,1970-01-11"))
    header = ["customer_id", "changed_at", "channel", "purpose", "granted"]
    base.add(
        "consents", csv_text(header, "ann,2017-01-01,email,marketing,Yes", "ann,2017-01-02,,profiling,0")
    )
    base.add("loyalty_ledger", csv_text(["customer_id", "occurred_at", "points"], "ann,2017-01-01,-5"))
    base.add("surveys", csv_text(["customer_id", "answered_at", "item", "answer"], "ann,2017-01-01,q1,2.5"))
    base.ingest()
    assert base.frame("customers")["birth_date"].tolist() == [10]
    assert base.frame("consents")["granted"].tolist() == [True, False]
    assert base.frame("loyalty_ledger")["points"].tolist() == [-5]
    assert base.frame("surveys")["answer"].tolist() == [2.5]


def test_r01_removing_an_optional_table_changes_no_byte_of_the_others(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,1", "2,bob,2017-01-01,1"))
    base.add("email_events", csv_text(["customer_id", "occurred_at", "event"], "eve,2018-01-01,sent"))
    base.ingest()
    before = base.bytes_of("orders", "customers")
    del base.tables["email_events"]
    base.ingest()
    assert base.bytes_of() == before


def test_the_same_inputs_are_skipped_and_a_changed_one_is_not(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,1"))
    first = base.ingest()
    again = base.ingest()
    assert (first.skipped, again.skipped) == (False, True)
    assert again.tables == first.tables
    base.file("orders").write_bytes(b"broken")
    assert not base.ingest().skipped
    assert not base.ingest(cleaning={"exact_duplicates": "keep"}).skipped
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,2"))
    assert not base.ingest().skipped


def test_the_manifest_holds_what_a_later_run_needs_to_know(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,1")).ingest()
    manifest = json.loads((base.file("orders").parent / "manifest.json").read_text())
    assert manifest["inputs"]["orders"][0]["file"] == "raw/orders.csv"
    assert len(manifest["inputs"]["orders"][0]["sha256"]) == 64
    counted = {"rows_in": 1, "rows_out": 1, "reasons": {}, "added": {}, "money": {}}
    assert manifest["tables"]["orders"] == counted
    assert str(base.root) not in json.dumps(manifest)


def test_after_an_error_the_earlier_validated_data_are_untouched(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,1")).ingest()
    before = base.bytes_of()
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,abc"))
    with pytest.raises(DataError, match="not an amount of money"):
        base.ingest()
    assert base.bytes_of() == before
    assert sorted(p.name for p in base.file("orders").parent.parent.iterdir()) == ["made_up"]


def test_threads_change_no_byte(base: MadeUpBase) -> None:
    rows = [f"{i},c{i % 700},2017-01-{i % 28 + 1:02d},p{i % 13},{i % 5 + 1},1.{i % 10}" for i in range(5_000)]
    base.add("order_lines", csv_text(LINES, *rows)).ingest(threads=1)
    one = base.bytes_of()
    base.file("orders").unlink()
    base.ingest(threads=3)
    assert base.bytes_of() == one


_line = st.tuples(
    st.integers(0, 6), st.integers(1, 3), st.sampled_from("xyz"), st.integers(-2, 3), st.integers(0, 500)
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_line, min_size=1, max_size=25), data=st.data())
def test_r02_the_order_of_raw_rows_changes_no_byte(
    tmp_path: Path, rows: list[Any], data: st.DataObject
) -> None:
    texts = ["A,ann,2017-01-01,x,1,1.00"]
    texts += [f"{o},c{o % 3},2017-01-{day:02d},{p},{q},{price / 100}" for o, day, p, q, price in rows]
    base = MadeUpBase(tmp_path)
    base.add("order_lines", csv_text(LINES, *texts)).ingest()
    before = base.bytes_of()
    base.add("order_lines", csv_text(LINES, *data.draw(st.permutations(texts)))).ingest()
    assert base.bytes_of() == before


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(_line, min_size=1, max_size=25))
def test_rows_and_money_are_conserved(tmp_path: Path, rows: list[Any]) -> None:
    texts = ["A,ann,2017-01-01,x,1,1.00"]
    texts += [f"{o},c{o % 3},2017-01-{day:02d},{p},{q},{price / 100}" for o, day, p, q, price in rows]
    base = MadeUpBase(tmp_path)
    report = base.add("order_lines", csv_text(LINES, *texts)).ingest(cleaning={"exact_duplicates": "keep"})
    moved = sum(report.tables["order_lines"].reasons.values())
    assert len(base.frame("order_lines")) + moved == len(texts)
    total = 100 + sum(q * price for *_, q, price in rows)
    returned = base.frame("returns")["amount_minor"].sum() if moved else 0
    assert base.frame("order_lines")["amount_minor"].sum() - returned == total
    assert base.frame("orders")["amount_minor"].sum() == base.frame("order_lines")["amount_minor"].sum()
