"""Ids have one normal form, in SQL and in Python, whatever door they come in by."""

from __future__ import annotations

import duckdb
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from segml.tables.ids import (
    exponent_sql,
    id_column,
    id_sql,
    is_placeholder,
    normalised_id,
    placeholder_sql,
    shortened_sql,
    whole_number_sql,
    without_fraction_sql,
)


def _sql(expression: str, text: str) -> object:
    row = duckdb.connect().execute(f"select {expression} from (select ? as t)", [text]).fetchone()
    assert row is not None
    return row[0]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8))
@example("\u200b a\u0301 \t")
@example("\u00a0\u2003x\u3000")
@example("\u0085x\u001f")
def test_sql_and_python_give_the_same_id(text: str) -> None:
    assert (_sql(id_sql("t"), text) or "") == normalised_id(text)


@pytest.mark.parametrize(
    "text", ["NULL", "nan", "N/A", "guest", "Guest", "0", "-1", "unknown", "#N/A", "Gæst", "okänd"]
)
def test_placeholders_are_no_customer(text: str) -> None:
    assert is_placeholder(text)
    assert _sql(placeholder_sql("t"), text) is True


@pytest.mark.parametrize("text", ["000000", "7", "nullman", "guest1", "Unknown Pleasures"])
def test_ids_that_only_look_like_placeholders_stay(text: str) -> None:
    assert not is_placeholder(text)
    assert _sql(placeholder_sql("t"), text) is False


def test_whole_numbers_lose_their_fraction_only_together() -> None:
    assert id_column(pd.Series(["1.0", "2", "guest"])).ids.tolist() == ["1", "2", "guest"]
    assert id_column(pd.Series(["1.0", "1.1"])).ids.tolist() == ["1.0", "1.1"]
    assert _sql(without_fraction_sql("t"), "17850.00") == "17850"
    assert _sql(whole_number_sql("t"), "17850.0") is True
    assert _sql(whole_number_sql("t"), "1.10") is False


def test_scientific_notation_is_no_id() -> None:
    assert id_column(pd.Series(["4.57123E+12", "A7"])).shortened.tolist() == [True, False]
    assert id_column(pd.Series(["12E5", "1234"])).shortened.tolist() == [True, False]
    assert id_column(pd.Series(["12E5", "12F5"])).shortened.tolist() == [False, False]
    assert _sql(shortened_sql("t"), "4,57123E+12") is True
    assert _sql(exponent_sql("t"), "12E5") is True
    assert _sql(exponent_sql("t"), "12F5") is False


def test_leading_zeros_and_seventeen_digits_stay() -> None:
    ids = ["0000164", "12345678901234567"]
    assert id_column(pd.Series(ids)).ids.tolist() == ids
