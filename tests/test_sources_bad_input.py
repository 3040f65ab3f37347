"""Ingestion: every bad input is named, all of them at once, and nothing is written."""

from __future__ import annotations

import datetime as dt
import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segml.errors import ConfigurationError, DataError, OutputError
from segml.time_windows import Cutoff
from sources_base import LINES, ORDERS, MadeUpBase, csv_text

GOOD = "1,ann,2017-01-01,1"


@pytest.fixture
def base(tmp_path: Path) -> MadeUpBase:
    return MadeUpBase(tmp_path)


def refused(base: MadeUpBase, **settings: object) -> str:
    """Ingest, expect a DataError and no output; return the report."""
    with pytest.raises(DataError) as caught:
        base.ingest(**settings)  # type: ignore[arg-type]
    assert not base.file("orders").parent.exists()
    assert caught.value.exit_code == 3
    assert caught.value.next_step
    return str(caught.value)


BAD_ROWS = {
    "not a number": (
        "1,ann,2017-01-01,abc",
        "orders.amount: not an amount of money (1 row)\n      amount='abc'",
    ),
    "digits with underscores": ("1,ann,2017-01-01,1_0", "not an amount of money"),
    "thousands": ('1,ann,2017-01-01,"1,234.50"', "amount='1,234.50'"),
    "infinite money": ("1,ann,2017-01-01,inf", "not an amount of money"),
    "more than a trillion": ("1,ann,2017-01-01,1000000000000", "not an amount of money"),
    "no such day": (
        "1,ann,2017-02-30,1",
        "orders.ordered_at: not a time (1 row)\n      ordered_at='2017-02-30'",
    ),
    "another format": ("1,ann,01/02/2017,1", "not a time"),
    "a named zone": ("1,ann,2017-01-01 10:00:00 Europe/London,1", "not a time"),
    "another age": ("1,ann,0017-01-01,1", "not between 1850-01-01 and 2200-01-01"),
    "no order id": (",ann,2017-01-01,1", "orders.order_id: missing value (1 row)"),
    "no amount": (
        "1,ann,2017-01-01,",
        "orders.amount: missing value (1 row)\n      order_id=1, customer_id=ann",
    ),
    "negative money": ("1,ann,2017-01-01,-0.05", "orders.amount: negative money (1 row)\n      order_id=1,"),
    "too many columns": ("1,ann,2017-01-01,1,2", "orders.csv line 2: 5 columns where the header has 4"),
    "too few columns": ("1,ann", "orders.csv line 2: 2 columns where the header has 4"),
    "an open quote": ('1,"ann,2017-01-01,1', "orders.csv line 2: a quote that never ends"),
}


@pytest.mark.parametrize(("row", "said"), BAD_ROWS.values(), ids=BAD_ROWS.keys())
def test_r04_a_bad_row_is_named_with_its_value(base: MadeUpBase, row: str, said: str) -> None:
    base.add("orders", csv_text(ORDERS, row, "2,ann,2017-01-01,1"))
    assert said in refused(base)


def test_r04_all_violations_of_all_tables_come_in_one_report(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2017-02-30,abc", "1,eve,2017-01-01,-1"))
    base.add("customers", csv_text(["customer_id", "birth_date"], "ann,1.1.1970", "ann,"))
    base.add("email_events", csv_text(["customer_id", "occurred_at", "event"], "ann,2017-01-01,sneezed"))
    base.add("surveys", "customer_id\n", ["customer_id", "answered_at", "item"])
    base.tables["products"] = {"files": "raw/nowhere.csv", "columns": {"product_id": "id"}}
    report = refused(base)
    for said in (
        "orders.ordered_at: not a time",
        "orders.amount: not an amount of money",
        "orders.amount: negative money",
        "orders.order_id: duplicate key (1 row)",
        "orders.customer_id: a customer that the customers table does not know (1 row)\n      customer_id=eve",
        "customers.birth_date: not a date",
        "customers.customer_id: duplicate key",
        "email_events.event: not one of sent, delivered,",
        "surveys.answered_at: the files have no column 'answered_at'",
        "products: no file at 'raw/nowhere.csv'",
    ):
        assert said in report
    assert "violations, nothing was written" in report


def test_a_value_that_can_not_be_read_is_not_also_called_missing(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2017-01-01,abc", GOOD.replace("1,", "2,", 1)))
    assert "1 violation," in refused(base)


def test_r04_a_column_the_files_lack_is_refused_with_the_nearest(base: MadeUpBase) -> None:
    base.add("orders", csv_text(["order_id", "custmer_id", "ordered_at", "amount"], GOOD), ORDERS)
    assert "the files have no column 'customer_id' (did you mean 'custmer_id'?)" in refused(base)


def test_r04_a_column_that_only_one_file_lacks_is_refused(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD))
    (base.root / "raw" / "more.csv").write_text(csv_text(ORDERS[:3], "2,ann,2017-01-01"))
    base.tables["orders"]["files"] = ["raw/orders.csv", "raw/more.csv"]
    assert "orders.amount: the files have no column 'amount'" in refused(base)


def test_r04_a_name_the_catalogue_does_not_have_is_refused(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD), {**{name: name for name in ORDERS[:3]}, "ammount": "amount"})
    report = refused(base)
    assert "orders.ammount: not a column of the catalogue (did you mean 'amount'?)" in report
    assert "orders.amount: is not mapped" in report


def test_r04_a_table_the_catalogue_does_not_have_is_refused(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD)).add("custmers", csv_text(["customer_id"], "ann"))
    assert "custmers: not a table of the catalogue (did you mean 'customers'?)" in refused(base)


def test_r04_columns_beside_the_mapping_are_refused_only_when_asked(base: MadeUpBase) -> None:
    base.add("orders", csv_text([*ORDERS, "iban"], f"{GOOD},DE1"))
    assert "orders.iban: a column of the files that the mapping does not name" in refused(
        base, cleaning={"undeclared_columns": "refuse"}
    )
    base.ingest()
    assert "iban" not in base.frame("orders")


def test_lines_without_orders_need_customer_and_time(base: MadeUpBase) -> None:
    base.add("order_lines", csv_text(["order_id", "product_id", "amount"], "1,x,1"))
    report = refused(base)
    assert "order_lines.customer_id: is not mapped" in report
    assert "order_lines.ordered_at: is not mapped" in report


def test_mixed_time_zones_in_one_column_are_refused(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD, "2,ann,2017-01-01T10:00:00+01:00,1"))
    report = refused(base)
    assert "orders.ordered_at: mixed time zones: some times have an offset, others none (1 row)" in report
    assert "ordered_at='2017-01-01T10:00:00+01:00'" in report


def test_mixed_time_zones_between_parquet_files_are_refused(base: MadeUpBase) -> None:
    for name, zone in (("a", None), ("b", "UTC")):
        when = pa.array([0], pa.timestamp("us", tz=zone))
        table = pa.table({"order_id": [name], "customer_id": ["ann"], "ordered_at": when, "amount": [1.0]})
        pq.write_table(table, base.root / "raw" / f"{name}.parquet")
    base.tables["orders"] = {"files": "raw/*.parquet", "columns": ORDERS}
    assert "orders.ordered_at: mixed time zones: some files have times with a zone" in refused(base)


def test_events_of_the_future_are_refused(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD, "2,ann,2018-01-01,1"))
    report = refused(base, cleaning={"events_before": "2018-01-01"})
    assert "orders.ordered_at: in the future: at or after 2018-01-01 (1 row)" in report
    assert "order_id=2, customer_id=ann, ordered_at=2018-01-01 00:00:00" in report
    base.ingest(cleaning={"events_before": "2018-01-02"})


CONSENT = ["customer_id", "changed_at", "channel", "purpose", "granted"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            "ann,2016-01-01,mail,marketing,true",
            "consents.channel: not one of email, sms, post, push (1 row)\n      customer_id=ann, channel=mail"
            " (did you mean 'email'?)",
        ),
        ("ann,2016-01-01,E-Mail,marketing,true", "channel=E-Mail (did you mean 'email'?)"),
        ("ann,2016-01-01,,profilling,false", "purpose=profilling (did you mean 'profiling'?)"),
        ("ann,2016-01-01,,ads sharing,false", "purpose=ads sharing (did you mean 'ads_sharing'?)"),
        ("ann,2016-01-01,fax,marketing,true", "customer_id=ann, channel=fax\n"),
        (
            "ann,2016-01-01,email,marketing,maybe",
            "consents.granted: not yes or no (1 row)\n      granted='maybe'",
        ),
        ("ann,2016-01-01,email,marketing,", "consents.granted: missing value (1 row)"),
        ("ann,,email,marketing,true", "consents.changed_at: missing value (1 row)"),
        ("eve,2016-01-01,email,marketing,true", "a customer that the customers table does not know (1 row)"),
        (
            "ann,2018-01-01,,profiling,false",
            "consents.changed_at: in the future: at or after 2018-01-01 (1 row)\n      customer_id=ann,"
            " changed_at=2018-01-01 00:00:00",
        ),
    ],
)
def test_r05_a_consent_that_can_not_be_meant_is_refused_by_name(
    base: MadeUpBase, row: str, said: str
) -> None:
    base.add("orders", csv_text(ORDERS, GOOD)).add("customers", csv_text(["customer_id"], "ann"))
    base.add("consents", csv_text(CONSENT, row, "ann,2016-05-05,email,marketing,true"))
    assert said in refused(base, cleaning={"events_before": "2018-01-01"})


def test_r56_rows_past_their_retention_are_left_out_and_counted(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD, "2,ann,2017-12-31,1"))
    rows = ["ann,2016-12-31 23:59:59,visit", "ann,2017-01-01,visit", "ann,2017-06-01,visit"]
    base.add("web_events", csv_text(["customer_id", "occurred_at", "event"], *rows))
    counted = base.ingest(cleaning={"retention_days": {"web_events": 365}}).tables["web_events"]
    assert (counted.rows_in, counted.rows_out, counted.reasons) == (3, 2, {"past_retention": 1})
    assert base.frame("web_events")["occurred_at"].min() == Cutoff.parse("2017-01-01").seconds


def test_r56_old_orders_go_with_their_lines_and_their_numbers_begin_anew(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "1,ann,2015-01-01,1", "2,ann,2017-12-31,2"))
    base.add("order_lines", csv_text(["order_id", "product_id", "amount"], "1,x,1", "2,x,2"))
    report = base.ingest(cleaning={"retention_days": {"orders": 730}})
    assert base.frame("orders")[["order_id", "order_no"]].to_numpy().tolist() == [["2", 1]]
    assert report.tables["order_lines"].reasons == {"order_not_kept": 1}


def test_r56_what_withdraws_a_consent_outlives_the_retention_of_mail(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD))
    rows = [f"ann,2014-01-01,{event}" for event in ("sent", "open", "unsubscribe", "complaint")]
    base.add("email_events", csv_text(["customer_id", "occurred_at", "event"], *rows))
    base.ingest(cleaning={"retention_days": {"email_events": 365}})
    assert sorted(base.frame("email_events")["event"]) == ["complaint", "unsubscribe"]


def test_r56_a_retention_that_can_not_be_kept_is_named(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD)).add("customers", csv_text(["customer_id"], "ann"))
    said = refused(base, cleaning={"retention_days": {"web_event": 9, "surveys": 9, "customers": 9}})
    assert "web_event: not a table of the catalogue (did you mean 'web_events'?)" in said
    assert "surveys: cleaning.retention_days names it, and it is not configured" in said
    assert "customers: cleaning.retention_days names it, and its rows have no time" in said
    with pytest.raises(ConfigurationError, match="an objection does not lapse"):
        base.config(cleaning={"retention_days": {"consents": 365}})


def test_a_past_as_of_refuses_nothing_and_reads_nothing_again(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD, "2,ann,2018-01-01,1")).ingest()
    assert base.ingest(as_of="2017-06-01").skipped


def test_an_order_of_two_customers_is_refused(base: MadeUpBase) -> None:
    base.add("order_lines", csv_text(LINES, "1,ann,2017-01-01,x,1,1", "1,bob,2017-01-01,x,1,1"))
    assert "order_lines.customer_id: an order of several customers (1 row)" in refused(base)


def test_lines_of_an_order_nobody_knows_are_refused(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD))
    base.add("order_lines", csv_text(["order_id", "product_id", "amount"], "1,x,1", "77,x,1"))
    assert "order_lines.order_id: an unknown order (1 row)\n      order_id=77, rows=1" in refused(base)


@pytest.mark.parametrize(
    ("cleaning", "row", "said"),
    [
        ({"missing_customer": "refuse"}, "2,,2017-01-01,x,1,1", "a row without a customer (1 row)"),
        ({"negative_quantity": "refuse"}, "2,bob,2017-01-01,x,-1,1", "negative quantity (1 row)"),
        ({"nonpositive_price": "refuse"}, "2,bob,2017-01-01,x,1,0", "a price of nothing or less (1 row)"),
    ],
)
def test_cleaning_refuses_what_it_is_told_to(
    base: MadeUpBase, cleaning: dict[str, str], row: str, said: str
) -> None:
    base.add("order_lines", csv_text(LINES, "1,ann,2017-01-01,x,1,1", row))
    assert f"order_lines: {said}\n      order_id=2" in refused(base, cleaning=cleaning)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "raw/orders.csv is empty: it has no header"),
        (b"\n", "without a header"),
        (b"a,b,a\n1,2,3\n", "with the same column twice: a"),
        (csv_text(ORDERS).encode(), "orders: no rows"),
        (b"\xff" + csv_text(ORDERS, GOOD).encode(), "not UTF-8 text: byte 0xff at 0"),
        (csv_text(ORDERS, *[f"{i},ann,2017-01-01,1" for i in range(2000)], "x,\xe4,2017-01-01,1").encode("latin-1"),
         "orders.csv line 2002: not UTF-8 text"),
        ((csv_text(ORDERS) + GOOD + "\r\n2,ann,2017-01-01,1\n").encode(), "lines that end in different ways"),
    ],
    ids=["empty", "blank", "twice", "no rows", "encoding of the header", "encoding far down", "line ends"],
)  # fmt: skip
def test_a_text_file_that_is_not_a_table_is_named(base: MadeUpBase, content: bytes, said: str) -> None:
    base.add("orders", content, ORDERS)
    report = refused(base)
    assert said in report
    assert "1 violation," in report


@pytest.mark.parametrize("keep", [0, 10, -10])
def test_a_truncated_parquet_file_is_named(base: MadeUpBase, keep: int) -> None:
    table = pa.table(
        {"order_id": ["1"], "customer_id": ["ann"], "ordered_at": [dt.date(2017, 1, 1)], "amount": [1]}
    )
    base.add("orders", table)
    file = base.root / "raw" / "orders.parquet"
    file.write_bytes(file.read_bytes()[:keep])
    assert "orders: raw/orders.parquet is not a whole Parquet file" in refused(base)


def test_a_foreign_file_under_a_parquet_name_is_named(base: MadeUpBase) -> None:
    (base.root / "raw" / "orders.parquet").write_text(csv_text(ORDERS, GOOD))
    base.tables["orders"] = {"files": "raw/orders.parquet", "columns": ORDERS}
    assert "orders: raw/orders.parquet is not a whole Parquet file" in refused(base)


def test_damaged_pages_inside_a_parquet_file_are_found_when_they_are_read(base: MadeUpBase) -> None:
    many = [str(i) for i in range(5_000)]
    table = pa.table(
        {
            "order_id": many,
            "customer_id": many,
            "ordered_at": [dt.date(2017, 1, 1)] * 5_000,
            "amount": [1] * 5_000,
        }
    )
    base.add("orders", table)
    file = base.root / "raw" / "orders.parquet"
    content = bytearray(file.read_bytes())
    content[200:3_000] = b"\x00" * 2_800
    file.write_bytes(content)
    assert "orders: not readable" in refused(base)


def test_a_truncated_archive_is_named(base: MadeUpBase) -> None:
    packed = gzip.compress(csv_text(ORDERS, *[f"{i},ann,2017-01-01,1" for i in range(9_000)]).encode())
    (base.root / "raw" / "orders.csv.gz").write_bytes(packed)
    base.tables["orders"] = {"files": "raw/orders.csv.gz", "columns": ORDERS}
    base.ingest()
    assert len(base.frame("orders")) == 9_000
    (base.root / "raw" / "orders.csv.gz").write_bytes(packed[:5])
    with pytest.raises(DataError, match=r"orders\.csv\.gz is not readable"):
        base.ingest()


def test_a_missing_file_is_named_with_the_nearest(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD))
    base.tables["orders"]["files"] = ["raw/order.csv", "raw/none/*.csv"]
    report = refused(base)
    assert "orders: no file at 'raw/order.csv' (did you mean 'orders.csv'?)" in report
    assert "orders: no file at 'raw/none/*.csv'" in report


def test_a_query_or_condition_that_fails_is_told(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD), query="select order_idd from source")
    assert "orders: its query fails" in refused(base)
    base.add("orders", csv_text(ORDERS, GOOD), where="nothing_like_it = 1")
    assert "orders: not readable: Binder Error" in refused(base)


def test_nothing_is_left_after_cleaning(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, "C1,ann,2017-01-01,1"))
    assert "orders: no rows are left after cleaning" in refused(
        base, cleaning={"cancelled_order_prefix": "C"}
    )


def test_names_and_addresses_are_in_no_report(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, GOOD, "2,ann,2017-01-01,1,Jane Doe"))
    base.add("customers", csv_text(["customer_id", "email"], "ann,jane@doe.example", "ann,jd@doe.example"))
    report = refused(base)
    assert "Jane" not in report
    assert "doe" not in report


def test_two_customers_with_one_key_are_refused(base: MadeUpBase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segml.sources.derive.hash_sql", lambda text: f"cast(length({text}) as bigint)")
    base.add("orders", csv_text(ORDERS, GOOD, "2,bob,2017-01-01,1"))
    assert "customers.customer_id: duplicate key (1 row)" in refused(base)


def test_a_place_that_can_not_be_written_is_an_output_error(base: MadeUpBase) -> None:
    (base.root / "data").write_text("a file where the folder should be")
    base.add("orders", csv_text(ORDERS, GOOD))
    with pytest.raises(OutputError, match="can't be written"):
        base.ingest()
