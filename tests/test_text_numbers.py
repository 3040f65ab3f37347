"""Numbers in text: read as written where the settings say how, refused with the setting that helps where not."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segml.errors import DataError
from segml.sources.numbers import NumberForm, fitting_form, number_advice
from sources_base import ORDERS, MadeUpBase, csv_text

FORMS = [
    NumberForm(decimal, thousands)
    for decimal in ".,"
    for thousands in (None, "", ".", ",", "'", " ")
    if decimal != thousands
]


@pytest.fixture
def base(tmp_path: Path) -> MadeUpBase:
    return MadeUpBase(tmp_path)


def with_amounts(base: MadeUpBase, *amounts: str, **settings: str) -> MadeUpBase:
    rows = [f'{number},a,2023-01-{number:02d},"{amount}"' for number, amount in enumerate(amounts, start=1)]
    return base.add("orders", csv_text(ORDERS, *rows), **settings)


def refused(base: MadeUpBase) -> str:
    with pytest.raises(DataError) as caught:
        base.ingest()
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "amounts", "minor"),
    [
        ({"decimal": ",", "thousands": "."}, ["1.000,63", "12.345.678,9", "950"], [100_063, 1_234_567_890, 95_000]),
        ({"thousands": ","}, ["1,234.56", "1,001", "2500"], [123_456, 100_100, 250_000]),
        ({"decimal": ",", "thousands": " "}, ["1 234,50", "1\u00a0234,50", "1\u202f234,50"], [123_450] * 3),
        ({"thousands": "'"}, ["1'234.50", "1\u2019234.50"], [123_450] * 2),
        ({"thousands": ""}, ["1.001", "2.675"], [100, 268]),
        ({"decimal": ","}, ["0,125", "1,125", "2,250"], [13, 113, 225]),
    ],
    ids=["points", "commas", "blanks of three kinds", "apostrophes", "declared thousandths", "shown thousandths"],
)  # fmt: skip
def test_grouped_amounts_are_read_as_the_settings_say(
    base: MadeUpBase, settings: dict[str, str], amounts: list[str], minor: list[int]
) -> None:
    with_amounts(base, *amounts, **settings).ingest()
    assert base.frame("orders").sort_values("order_id")["amount_minor"].tolist() == minor


def test_signs_behind_around_and_of_other_kinds_are_negative(base: MadeUpBase) -> None:
    report = refused(with_amounts(base, "(12.50)", "12.50-", "\u221212.50", "- 12.50"))
    assert "negative money (4 rows)" in report
    assert report.count("amount=-12.50") == 3


@pytest.mark.parametrize(
    ("settings", "amounts", "said"),
    [
        ({"decimal": ","}, ["1,001", "2,500", "950"], "2 of 2 amounts with a comma have three digits behind it"),
        ({"decimal": ","}, ["1,001", "2,500", "3,250", "5,5"], "3 of 4 amounts with a comma"),
        ({"decimal": ","}, ["1,001", "2,500"], 'set `decimal: "."` and `thousands: ","`'),
        ({}, ["1.001", "2.500"], 'set `decimal: ","` and `thousands: "."`'),
        ({"decimal": ","}, ["1.234,56"], 'amounts like 1.234,56 need `thousands: "."`'),
        ({}, ["1,234.56", "15.80"], 'amounts like 1,234.56 need `thousands: ","`'),
        ({}, ["15,80", "3"], 'amounts like 15,80 need `decimal: ","`'),
        ({}, ["1.234,56"], '`decimal: ","` and `thousands: "."`'),
        ({"thousands": ","}, ["1,00", "12,34,567"], "1,00 is not grouped by three"),
        ({"decimal": ",", "thousands": "."}, ["kr 1.234,50", "kr 5,00"], "take the currency (kr) off the amounts"),
        ({}, ["\u20ac 12", "$ 5"], "more than one currency can't be added up"),
        ({}, ["1,00,000"], "digits are grouped by two"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_told_with_the_setting_that_helps(
    base: MadeUpBase, settings: dict[str, str], amounts: list[str], said: str
) -> None:
    assert said in refused(with_amounts(base, *amounts, **settings))


def test_a_hint_that_is_followed_already_is_never_given(base: MadeUpBase) -> None:
    for decimal, thousands in ((",", "."), (",", None), (".", ",")):
        settings = {"decimal": decimal} | ({"thousands": thousands} if thousands else {})
        report = refused(with_amounts(base, "abc", "1.2.3,4", **settings))
        assert f'`decimal: "{decimal}"`' not in report
        assert f'`thousands: "{thousands}"`' not in report


def test_decimals_of_three_digits_among_others_are_decimals(base: MadeUpBase) -> None:
    with_amounts(base, "1.5", "2.25", "1.125", "7").ingest()
    assert base.frame("orders").sort_values("order_id")["amount_minor"].tolist() == [150, 225, 113, 700]


@given(st.integers(0, 10**9), st.integers(0, 99), st.sampled_from(FORMS), st.booleans())
def test_every_form_reads_what_it_writes(whole: int, cents: int, form: NumberForm, grouped: bool) -> None:
    mark = form.thousands if grouped and form.thousands else ""
    text = f"{whole:,}".replace(",", mark) + f"{form.decimal}{cents:02d}"
    query = f"select {form.sql('v', 'decimal(18, 2)')} from (select ? as v)"
    ((read,),) = duckdb.execute(query, [text]).fetchall()
    assert (int(read * 100), form.reads(text)) == (whole * 100 + cents, True)


@given(st.text(alphabet="0123456789.,'-() \u00a0\u2212eE_", max_size=9), st.sampled_from(FORMS))
def test_python_and_the_engine_take_the_same_texts_for_numbers(text: str, form: NumberForm) -> None:
    text = text.strip(" ")
    query = f"select {form.sql('v', 'double')} from (select ? as v)"
    ((read,),) = duckdb.execute(query, [text]).fetchall()
    assert (read is not None) == form.reads(text)


def test_advice_is_a_form_that_reads_all_values() -> None:
    values = ["1.234,56", "7", "1.000"]
    form = fitting_form(values, NumberForm())
    assert form == NumberForm(",", ".")
    assert number_advice(values, form) == ""
