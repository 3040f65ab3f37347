"""What makes a sum or a model wrong without being an error: told with its values, rows and money."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from segml.errors import DataError
from segml.report.messages import load_catalogue
from segml.sources.ingest import IngestReport
from segml.sources.undeclared_words import CURRENCIES, NO_REVENUE, REVENUE
from segml.tables.diagnostics import Diagnostic
from segml.terminal.diagnostics import _SENTENCES, diagnostic_sentence
from sources_base import ORDERS, MadeUpBase, csv_text

START = dt.date(2023, 1, 1)
CENTS = [1000 + 37 * place for place in range(300)]


@pytest.fixture
def base(tmp_path: Path) -> MadeUpBase:
    return MadeUpBase(tmp_path)


def order(place: int, amount: object = "10", customer: str = "") -> str:
    return f"{place},{customer or f'c{place % 30}'},{START + dt.timedelta(place // 2)} 10:00:00,{amount}"


def with_column(base: MadeUpBase, name: str, *values: str, **source: Any) -> MadeUpBase:
    rows = [f"{order(place)},{values[place % len(values)]}" for place in range(60)]
    return base.add("orders", csv_text([*ORDERS, name], *rows), ORDERS, **source)


def kinds(report: IngestReport) -> list[str]:
    return [found.kind for found in report.diagnostics]


def sentences(report: IngestReport) -> str:
    return "\n".join(diagnostic_sentence(found, "EUR") for found in report.diagnostics)


# -- columns beside the mapping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("currency", ("EUR", "JPY"), "EUR (30 rows, 300.00 EUR), JPY (30 rows, 300.00 EUR)"),
        ("Valuta", ("DKK",), "`currency: DKK` says so"),
        ("xx", ("SEK", "DKK", "DKK"), "DKK (40 rows, 400.00 EUR), SEK (20 rows, 200.00 EUR)"),
        ("status", ("paid", "paid", "cancelled"), "cancelled (20 rows, 200.00 EUR)"),
        ("Financial Status", ("paid", "partially_refunded"), "partially_refunded (30 rows"),
        ("Ordrestatus", ("Gennemført", "Annulleret"), "Annulleret (30 rows"),
        ("order_status", ("wc-completed", "wc-on-hold"), "wc-on-hold (30 rows"),
        ("tilstand", ("Betalt", "Kansellert"), "Kansellert (30 rows"),
        ("Bestellstatus", ("bezahlt", "storniert"), "storniert (30 rows"),
        ("orderläge", ("betald", "makulerad"), "makulerad (30 rows"),
        ("type", ("sale", "refund"), "refund (30 rows"),
        ("status", ("1", "2", "9"), "leave out what is none in the table's `where`"),
        ("Cancelled at", ("", "", "2023-05-05"), "is set in 20 rows, 200.00 EUR"),
        ("isTest", ("false", "true"), "is set in 30 rows, 300.00 EUR"),
        ("Refunded Amount", ("0.00", "7.50"), "is set in 30 rows"),
    ],
)
def test_a_column_that_changes_the_sum_is_named_with_its_values(
    base: MadeUpBase, name: str, values: tuple[str, ...], told: str
) -> None:
    said = sentences(with_column(base, name, *values).ingest())
    assert told in said
    assert name in said


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("currency", ("EUR",)),
        ("currency", ("kr.",)),
        ("status", ("paid", "shipped")),
        ("state", ("CA", "NY")),
        ("country", ("DNK", "SWE")),
        ("note", tuple(f"free text {place}" for place in range(60))),
        ("is_test", ("false",)),
        ("marital_status", ("married", "single")),
        ("order_status", tuple(f"s{place}" for place in range(60))),
    ],
)
def test_a_column_that_changes_no_sum_is_not_named(
    base: MadeUpBase, name: str, values: tuple[str, ...]
) -> None:
    assert kinds(with_column(base, name, *values).ingest()) == []


def test_a_status_that_the_condition_names_is_dealt_with(base: MadeUpBase) -> None:
    with_column(base, "status", "paid", "cancelled", where="status <> 'cancelled'")
    assert kinds(base.ingest()) == []


@pytest.mark.parametrize("name", ["status", "Financial Status", "Ordrestatus"])
def test_the_hint_on_a_status_does_what_it_says_when_typed_as_shown(base: MadeUpBase, name: str) -> None:
    said = sentences(with_column(base, name, "paid", "it's void", "voided", "").ingest())
    hint = next(part for part in said.split("`") if part.startswith("where: "))
    report = with_column(base, name, "paid", "it's void", "voided", "", **yaml.safe_load(hint)).ingest()
    assert kinds(report) == []
    assert len(base.frame("orders")) == 45


def test_the_hint_on_a_currency_does_what_it_says(base: MadeUpBase) -> None:
    said = sentences(with_column(base, "currency", "EUR", "JPY").ingest())
    hint = next(part for part in said.split("`") if part.startswith("where: "))
    assert kinds(with_column(base, "currency", "EUR", "JPY", **yaml.safe_load(hint)).ingest()) == []
    assert len(base.frame("orders")) == 30


def test_a_status_mapped_as_the_channel_is_named_too(base: MadeUpBase) -> None:
    rows = [f"{order(place)},{('paid', 'cancelled')[place % 2]}" for place in range(60)]
    base.add(
        "orders", csv_text([*ORDERS, "s"], *rows), {**dict(zip(ORDERS, ORDERS, strict=True)), "channel": "s"}
    )
    assert kinds(base.ingest()) == ["undeclared_status"]


def test_a_query_that_leaves_a_status_out_is_told_and_one_that_names_it_is_not(base: MadeUpBase) -> None:
    text = csv_text([*ORDERS, "status"], *[f"{order(i)},{('paid', 'voided')[i % 2]}" for i in range(60)])
    query = "select order_id, customer_id, ordered_at, amount from source"
    report = base.add("orders", text, query=query).ingest()
    assert kinds(report) == ["undeclared_status"]
    assert "in the table's `query`" in sentences(report)
    assert kinds(base.add("orders", text, query=f"{query} where status = 'paid'").ingest()) == []


def test_rows_left_out_for_another_reason_count_for_no_column(base: MadeUpBase) -> None:
    rows = [f"{order(place)},paid" for place in range(60)] + ["x,guest,2023-01-05,9,cancelled"]
    report = base.add("orders", csv_text([*ORDERS, "status"], *rows), ORDERS).ingest()
    assert kinds(report) == ["placeholder_ids"]


def test_the_lists_of_words_hold_no_word_twice() -> None:
    assert not NO_REVENUE & REVENUE
    assert {"EUR", "DKK", "SEK", "NOK"} <= CURRENCIES


# -- hundredths -------------------------------------------------------------------------------------------------------


def test_amounts_named_in_cents_are_told(base: MadeUpBase) -> None:
    header = [*ORDERS[:3], "total_cents"]
    mapping = dict(zip(ORDERS, header, strict=True))
    base.add("orders", csv_text(header, *[order(i, cents) for i, cents in enumerate(CENTS)]), mapping)
    assert "orders.total_cents: all amounts are whole and look like hundredths" in sentences(base.ingest())


def test_a_column_of_the_same_files_in_units_gives_cents_away(base: MadeUpBase) -> None:
    rows = [f"{order(i, cents)},{cents / 100}" for i, cents in enumerate(CENTS)]
    said = sentences(base.add("orders", csv_text([*ORDERS, "total"], *rows), ORDERS).ingest())
    assert "the column total holds a hundredth" in said


@pytest.mark.parametrize("large", ["orders", "order_lines"])
def test_orders_a_hundred_times_their_lines_are_told_and_the_reverse(base: MadeUpBase, large: str) -> None:
    whole, parts = (1, 100) if large == "orders" else (100, 1)
    base.add("orders", csv_text(ORDERS, *[order(i, cents / whole) for i, cents in enumerate(CENTS)]))
    lines = [f"{i},p,{cents / parts}" for i, cents in enumerate(CENTS)]
    base.add("order_lines", csv_text(["order_id", "product_id", "amount"], *lines))
    assert f"{large}.amount: all amounts are whole" in sentences(base.ingest())


def test_whole_prices_alone_are_no_hundredths(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, *[order(i, cents) for i, cents in enumerate(CENTS)]))
    base.add("order_lines", csv_text(["order_id", "product_id", "amount"],
             *[f"{i},p,{cents}" for i, cents in enumerate(CENTS)]))  # fmt: skip
    assert kinds(base.ingest()) == []


# -- customers unlike all others --------------------------------------------------------------------------------------

ORDINARY = [order(place, 10 + place % 7) for place in range(600)]


def of_one(customer: str, count: int, minutes: int, amount: int = 20) -> list[str]:
    begin = dt.datetime(2023, 3, 1, 8)
    return [
        f"{customer}{i},{customer},{begin + dt.timedelta(minutes=i * minutes)},{amount}" for i in range(count)
    ]


def test_an_ordinary_shop_is_silent(base: MadeUpBase) -> None:
    assert kinds(base.add("orders", csv_text(ORDERS, *ORDINARY)).ingest()) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (of_one("TILL", 400, 180), ["dominating_orders", "dominating_spent"]),
        (of_one("GIANT", 1, 1, 90_000), ["dominating_spent"]),
        (of_one("BOT", 50, 1, 1), ["orders_by_the_minute"]),
    ],
    ids=["till", "wholesaler", "bot"],
)
def test_a_customer_unlike_all_others_is_named_with_orders_and_money(
    base: MadeUpBase, rows: list[str], expected: list[str]
) -> None:
    report = base.add("orders", csv_text(ORDERS, *ORDINARY, *rows)).ingest()
    assert kinds(report) == expected
    said = sentences(report)
    assert rows[0].split(",")[1] in said
    assert "exclude_customers" in said
    named = [rows[0].split(",")[1]]
    assert kinds(base.ingest(exclude_customers=named)) == []


def test_five_tills_side_by_side_do_not_hide_each_other(base: MadeUpBase) -> None:
    tills = [row for number in range(5) for row in of_one(f"T{number}", 300, 180, 1)]
    report = base.add("orders", csv_text(ORDERS, *ORDINARY, *tills)).ingest()
    (found,) = [each for each in report.diagnostics if each.kind == "dominating_orders"]
    assert (found.customers, len(found.examples)) == (5, 3)


def test_refunds_that_can_not_be_are_told(base: MadeUpBase) -> None:
    base.add("orders", csv_text(ORDERS, *ORDINARY))
    back = ["c1,2023-09-01,6000", "c2,2020-01-01,5", "ghost,2023-03-01,7", "c3,2023-09-01,5"]
    base.add("returns", csv_text(["customer_id", "returned_at", "amount"], *back))
    report = base.ingest()
    assert kinds(report) == ["refunds_over_purchases", "refunds_before_order", "refunds_without_order"]
    assert [found.examples[0].value for found in report.diagnostics] == ["c1", "c2", "ghost"]
    said = sentences(report)
    for words in ("of more than was bought", "before the first order: 1 row, 5.00 EUR", "who never ordered"):
        assert words in said


# -- in words ---------------------------------------------------------------------------------------------------------


def test_every_kind_has_a_sentence_on_the_terminal_and_one_on_the_page() -> None:
    page = {name for name in load_catalogue()["data_notes"] if name != "head"}
    assert page == set(_SENTENCES)


def test_the_page_shows_no_id_and_no_money_of_a_single_customer() -> None:
    for kind, forms in load_catalogue()["data_notes"].items():
        if "{people}" in forms["en"]:
            assert "{money}" not in "".join(forms.values()), kind
            assert "{rows}" not in "".join(forms.values()), kind
        assert "{examples}" not in "".join(forms.values())


def test_a_diagnostic_survives_json() -> None:
    found = Diagnostic("late_events", "web_events", rows=3, values={"until": "2023-01-01"})
    assert Diagnostic.from_dict(yaml.safe_load(yaml.safe_dump(found.to_dict() | {"examples": []}))) == found


# -- customers that no order knows ------------------------------------------------------------------------------------


def _with_consents(base: MadeUpBase, *ids: str) -> MadeUpBase:
    base.add(
        "orders", csv_text(ORDERS, *(order(place, customer=f"{place:06d}") for place in range(1, 61))), ORDERS
    )
    columns = ["customer_id", "changed_at", "channel", "purpose", "granted"]
    rows = [f"{each},2023-01-02 10:00:00,email,marketing,false" for each in ids]
    return base.add("consents", csv_text(columns, *rows), columns)


def test_consents_of_unknown_customers_are_told(base: MadeUpBase) -> None:
    report = _with_consents(base, "reader-1", "reader-2", "000003").ingest()
    assert kinds(report) == ["unknown_customers"]
    assert "2 rows of 2 customers without an order" in sentences(report)
    assert "reader-1 (1), reader-2 (1)" in sentences(report)
    assert report.tables["customers"].rows_out == 60


@pytest.mark.parametrize("written", ["3", "03"])
def test_a_consent_whose_zeros_are_gone_is_refused(base: MadeUpBase, written: str) -> None:
    with pytest.raises(
        DataError, match=rf"(?s)leading zeros or case.*'{written}', and '000003' is a customer"
    ):
        _with_consents(base, written, "000004", "reader").ingest()
