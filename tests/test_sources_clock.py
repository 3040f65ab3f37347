"""The clock of a base is the bulk of its orders; shops that close, sell once a year or are small keep theirs."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from segml.config import Config
from segml.errors import DataError
from segml.pipelines.base import gap_diagnostic
from segml.sources.clock import find_bulk, gaps_between
from segml.sources.ingest import IngestReport
from segml.time_windows import Cutoff
from sources_base import ORDERS, MadeUpBase, csv_text

HORIZONS = {"dormancy": 30, "churn": 90, "clv": 90}
START = Cutoff.parse("2023-01-01").day
YEAR = list(range(START, START + 365))
LAST = YEAR[-1]
DAILY = [3] * 365


@pytest.mark.parametrize(
    ("days", "orders", "horizon", "first", "last"),
    [
        ([*YEAR, 47_482], [*DAILY, 1], 90, START, LAST),
        ([*YEAR, 47_482, 47_600, 60_000], [*DAILY, 1, 2, 1], 90, START, LAST),
        ([*YEAR, 47_482], [*DAILY, 500], 90, START, LAST),
        ([*YEAR, LAST + 900], [*DAILY, 400], 90, START, LAST),
        ([*YEAR, LAST + 120], [*DAILY, 1], 90, START, LAST),
        ([-25_567, 0, *YEAR], [1, 2, *DAILY], 90, START, LAST),
        ([START - 800, *YEAR], [2, *DAILY], 90, START, LAST),
        ([19_000, 19_030, 47_482], [1, 1, 1], 90, 19_000, 19_030),
        ([*YEAR, *(LAST + late for late in (19, 47, 109, 263))], [*DAILY, 1, 1, 1, 1], 90, START, LAST),
    ],
    ids=["2099", "several", "many on one day", "many 2.5 years later", "alone for more than a horizon",
         "1900 and 1970", "two years before", "three orders, one of 2100", "months and days changed places"],
)  # fmt: skip
def test_orders_far_from_all_others_are_outside_the_bulk(
    days: list[int], orders: list[int], horizon: int, first: int, last: int
) -> None:
    bulk = find_bulk(days, orders, horizon)
    assert (bulk.first, bulk.last) == (first, last)


def seasons(*starts: int) -> list[int]:
    return [day for start in starts for day in range(start, start + 24)]


@pytest.mark.parametrize(
    ("days", "orders", "horizon"),
    [
        ([*seasons(START, START + 365), START + 730], [*[5] * 48, 1], 90),
        ([*seasons(START), START + 365], [*[5] * 24, 1], 365),
        ([*YEAR, *range(LAST + 200, LAST + 400)], [*DAILY, *[3] * 200], 90),
        ([*YEAR, *range(LAST + 120, LAST + 127)], [*DAILY, *[1] * 7], 90),
        ([*YEAR, LAST + 120], [*DAILY, 1], 365),
        ([*range(START, START + 720, 60), START + 660 + 130], [1] * 13, 90),
        ([*YEAR, *range(LAST + 1, LAST + 101, 10)], [*DAILY, *[1] * 10], 90),
        ([START - 400, *YEAR], [2, *DAILY], 90),
        ([START, START + 3], [1, 1], 90),
        ([START], [1], 90),
    ],
    ids=["third December begins", "second December begins, long horizon", "closed for 200 days",
         "open again since a week", "within the longest horizon", "an order every other month",
         "fewer and fewer orders", "a trial a year before", "two orders", "one order"],
)  # fmt: skip
def test_a_shop_that_pauses_keeps_its_clock(days: list[int], orders: list[int], horizon: int) -> None:
    bulk = find_bulk(days, orders, horizon)
    assert (bulk.first, bulk.last) == (days[0], days[-1])


@pytest.fixture
def base(tmp_path: Path) -> MadeUpBase:
    return MadeUpBase(tmp_path)


def daily_orders(*extra: str, without: range = range(0)) -> str:
    first = dt.date(2023, 1, 1)
    rows = [
        f"{day},c{day % 20},{first + dt.timedelta(day)} 10:00:00,5"
        for day in range(300)
        if day not in without
    ]
    return csv_text(ORDERS, *rows, *extra)


def clock(report: IngestReport) -> tuple[str, str]:
    return Cutoff(report.first_event // 86_400).label, Cutoff.after(report.last_event).label


def test_far_orders_are_left_out_with_rows_and_money_and_named(base: MadeUpBase) -> None:
    extra = ("x,c1,2099-01-01,9", "y,c1,1950-03-02,4", "z,c2,2025-07-01,2")
    report = base.add("orders", daily_orders(*extra)).ingest(horizons=HORIZONS)
    assert clock(report) == ("2023-01-01", "2023-10-28")
    counted = report.tables["orders"]
    assert counted.reasons == {"far_from_all_orders": 3}
    assert counted.money == {"far_from_all_orders": 1500}
    (far,) = report.diagnostics
    assert [each.value for each in far.examples] == ["1950-03-02", "2025-07-01", "2099-01-01"]


def test_the_retention_counts_from_the_bulk(base: MadeUpBase) -> None:
    base.add("orders", daily_orders("x,c1,2099-01-01,9"))
    base.add("web_events", csv_text(["customer_id", "occurred_at", "event"], "c1,2023-10-01,visit"))
    report = base.ingest(horizons=HORIZONS, cleaning={"retention_days": {"web_events": 90}})
    assert report.tables["web_events"].rows_out == 1


def test_far_lines_are_no_clock_either(base: MadeUpBase) -> None:
    header = ["order_id", "customer_id", "ordered_at", "product_id", "amount"]
    rows = [row.replace(" 10:00:00,5", ",p,5") for row in daily_orders().splitlines()[1:]]
    base.add("order_lines", csv_text(header, *rows, *["x,c1,2099-01-01,p,9"] * 2))
    report = base.ingest(horizons=HORIZONS)
    assert clock(report)[1] == "2023-10-28"
    assert report.tables["order_lines"].reasons == {"far_from_all_orders": 2}


def test_far_orders_are_kept_or_refused_when_asked(base: MadeUpBase) -> None:
    base.add("orders", daily_orders("x,c1,2099-01-01,9"))
    assert clock(base.ingest(horizons=HORIZONS, cleaning={"far_orders": "keep"}))[1] == "2099-01-02"
    with pytest.raises(DataError, match="an order that lies alone, far from all others"):
        base.ingest(horizons=HORIZONS, cleaning={"far_orders": "refuse"})
    with pytest.raises(DataError, match="in the future: at or after 2024-01-01"):
        base.ingest(horizons=HORIZONS, cleaning={"events_before": "2024-01-01"})


def test_another_longest_horizon_reads_again(base: MadeUpBase) -> None:
    base.add("orders", daily_orders("x,c1,2024-02-20,9"))
    assert clock(base.ingest(horizons=HORIZONS))[1] == "2023-10-28"
    report = base.ingest(horizons={**HORIZONS, "clv": 365})
    assert not report.skipped
    assert clock(report)[1] == "2024-02-21"


def test_births_joinings_and_events_of_another_time_are_told(base: MadeUpBase) -> None:
    base.add("orders", daily_orders())
    people = [f"c{i},2022-01-01,1980-01-01" for i in range(17)]
    people += ["c17,2029-01-01,2068-05-05", "c18,2023-01-01,1901-01-01", "c19,2023-10-30,1999-01-01"]
    base.add("customers", csv_text(["customer_id", "joined_at", "birth_date"], *people))
    visits = ["c1,2031-01-01,visit", "c2,1971-01-01,visit", "c3,2023-05-05,visit"]
    base.add("web_events", csv_text(["customer_id", "occurred_at", "event"], *visits))
    found = {d.kind: (d.rows, d.examples[0].value) for d in base.ingest(horizons=HORIZONS).diagnostics}
    assert found == {
        "future_births": (1, "2068-05-05"),
        "early_births": (1, "1901-01-01"),
        "future_joinings": (1, "2029-01-01"),
        "late_events": (1, "2031-01-01"),
        "early_events": (1, "1971-01-01"),
    }


def test_a_stretch_without_orders_of_a_third_of_a_horizon_is_told(base: MadeUpBase) -> None:
    base.add("orders", daily_orders(without=range(100, 112)))
    config = base.config(horizons=HORIZONS)
    report = base.ingest(horizons=HORIZONS)
    until = Cutoff.after(report.last_event)
    found = gap_diagnostic(report.gaps, config, until)
    assert found is not None
    assert found.examples[0].value == "from 2023-04-11 to 2023-04-22 (12 days)"
    assert found.values["tasks"] == "dormancy (30 days)"
    longer: Config = base.config(horizons={"dormancy": 37, "churn": 90, "clv": 90})
    assert gap_diagnostic(report.gaps, longer, until) is None
    assert gap_diagnostic(report.gaps, config, Cutoff.parse("2023-04-01")) is None


def test_only_the_longest_gaps_are_kept() -> None:
    days = [place * 10 for place in range(80)]
    assert len(gaps_between(days)) == 50
