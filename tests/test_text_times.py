"""Times in text and in numbers: the unit that is set, the century that is meant, and the format that would do."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import yaml

from segml.errors import DataError
from segml.sources.times import Clock
from sources_base import ORDERS, MadeUpBase, csv_text

NEW_YEAR_2023 = 1_672_531_200


@pytest.fixture
def base(tmp_path: Path) -> MadeUpBase:
    return MadeUpBase(tmp_path)


def with_times(base: MadeUpBase, *times: str, **settings: str) -> MadeUpBase:
    rows = [f'{number},a,"{time}",1' for number, time in enumerate(times, start=1)]
    return base.add("orders", csv_text(ORDERS, *rows), **settings)


def refused(base: MadeUpBase) -> str:
    with pytest.raises(DataError) as caught:
        base.ingest(time_zone="UTC")
    return str(caught.value)


@pytest.mark.parametrize(
    ("time_format", "factor"), [("epoch", 1), ("epoch_ms", 1_000), ("epoch_us", 10**6), ("epoch_ns", 10**9)]
)
def test_numbers_are_times_in_the_unit_that_is_set(base: MadeUpBase, time_format: str, factor: int) -> None:
    with_times(base, str(NEW_YEAR_2023 * factor), time_format=time_format).ingest(time_zone="UTC")
    assert base.frame("orders")["ordered_at"].tolist() == [NEW_YEAR_2023]


@pytest.mark.parametrize("written", ["epoch", "epoch_ms", "epoch_us"])
@pytest.mark.parametrize("factor", [1, 1_000, 10**6])
def test_another_unit_is_refused_by_name_with_the_value_of_the_file(
    base: MadeUpBase, written: str, factor: int
) -> None:
    meant = {1: "epoch", 1_000: "epoch_ms", 10**6: "epoch_us"}[factor]
    if written == meant:
        return
    report = refused(with_times(base, str(NEW_YEAR_2023 * factor), time_format=written))
    assert f"ordered_at='{NEW_YEAR_2023 * factor}'" in report
    assert f"write `time_format: {meant}`" in report


@pytest.mark.parametrize(
    "time", ["{}+0100", "{}+01:00", "{}+01", "{} +0100", "2023-01-01T00:00:00Z", "2023-01-01 00:00:00 UTC"]
)
def test_offsets_are_read_in_every_common_form(base: MadeUpBase, time: str) -> None:
    with_times(base, time.format("2023-01-01 01:00:00")).ingest(time_zone="UTC")
    assert base.frame("orders")["ordered_at"].tolist() == [NEW_YEAR_2023]


@pytest.mark.parametrize(
    ("times", "settings", "said"),
    [
        (["31.12.68"], {"time_format": "%d.%m.%y"}, "a year of two digits that may be of another century (1 row)"),
        (["31.12.23"], {"time_format": "%d.%m.%Y"}, 'need `time_format: "%d.%m.%y"`'),
        (["1900-01-01", "2023-01-01"], {}, "a day that systems write where they have none (1 row)"),
        (["1970-01-01"], {}, "ordered_at='1970-01-01'"),
        (["9999-12-31"], {}, "not between 1850-01-01 and 2200-01-01 (1 row)\n      ordered_at='9999-12-31'"),
        (["12/31/2023", "01/02/2023"], {}, 'need `time_format: "%m/%d/%Y"` in'),
        (["31/12/2023", "01/02/2023"], {}, 'need `time_format: "%d/%m/%Y"` in'),
        (["01/02/2023"], {}, '"%d/%m/%Y"` or `time_format: "%m/%d/%Y"`: no value tells which'),
        (["2023-02-30"], {}, "2023-02-30 has the form of a time, and no calendar or clock has it"),
        (["45291"], {}, "a spreadsheet's number of a day"),
        ([str(NEW_YEAR_2023 * 1_000)], {}, "is milliseconds since 1970: write `time_format: epoch_ms`"),
    ],
)  # fmt: skip
def test_times_that_can_not_be_meant_are_named(
    base: MadeUpBase, times: list[str], settings: dict[str, str], said: str
) -> None:
    assert said in refused(with_times(base, *times, **settings))


def test_the_format_that_is_advised_is_yaml_and_reads_the_file(base: MadeUpBase) -> None:
    report = refused(with_times(base, "31.12.2023 14:05"))
    advised = yaml.safe_load(report.split("need `")[1].split("`")[0])
    with_times(base, "31.12.2023 14:05", **advised).ingest(time_zone="UTC")
    assert base.frame("orders")["ordered_at"].tolist() == [
        int(dt.datetime(2023, 12, 31, 14, 5, tzinfo=dt.UTC).timestamp())
    ]


def test_a_birth_of_a_century_that_two_digits_hide_is_refused(base: MadeUpBase) -> None:
    with_times(base, "01.01.23", time_format="%d.%m.%y")
    base.add("customers", csv_text(["customer_id", "birth_date"], "a,12.05.45"), time_format="%d.%m.%y")
    assert "customers.birth_date: a year of two digits" in refused(base)


def test_a_stand_in_for_no_date_is_missing_once_it_is_named(base: MadeUpBase) -> None:
    with_times(base, "2023-01-01")
    births = pa.table({"customer_id": ["a", "b"], "birth_date": [dt.date(1900, 1, 1), dt.date(1980, 5, 1)]})
    base.add("customers", births)
    assert "name these texts under `missing`" in refused(base)
    base.add("customers", births, missing="1900-01-01")
    base.ingest(time_zone="UTC")
    assert base.frame("customers").set_index("customer_id")["birth_date"].isna().to_dict() == {
        "a": True,
        "b": False,
    }


def test_a_letter_z_at_the_end_of_a_format_says_utc() -> None:
    clock = Clock("Europe/Copenhagen", "", "%Y-%m-%dT%H:%M:%SZ")
    row = duckdb.execute(f"select {clock.seconds('t', 'VARCHAR')} from (select '2023-07-02T10:00:00Z' as t)")
    assert row.fetchall() == [(int(dt.datetime(2023, 7, 2, 12, tzinfo=dt.UTC).timestamp()),)]
