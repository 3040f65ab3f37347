"""The three real bases against what is published about them; skipped where the raw files are not there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from segml.config import load_config
from segml.engine.duckdb import DuckDBEngine
from segml.sources.ingest import IngestReport, ingest
from segml.time_windows import Cutoff

PROJECT = Path(__file__).parents[1]
Ingested = Callable[..., tuple[IngestReport, dict[str, pd.DataFrame]]]


@pytest.fixture
def ingested(tmp_path: Path) -> Ingested:
    def run(base: str, raw: str, *overrides: str) -> tuple[IngestReport, dict[str, pd.DataFrame]]:
        config = load_config(PROJECT / "configs" / f"{base}.yaml", [f"data_folder={tmp_path}", *overrides])
        config = config.model_copy(update={"package": ""})  # no test fetches
        if not (PROJECT / raw).exists():
            pytest.skip(f"{raw} is not here; `segml data` fetches it, or see data/README.md")
        engine = DuckDBEngine(threads=1)
        with engine:
            report = ingest(config, engine)
        return report, {name: pd.read_parquet(report.folder / f"{name}.parquet") for name in report.tables}

    return run


def test_complete_journey_is_the_published_year(ingested: Ingested) -> None:
    # Published with the data: 2,469 households, 1,469,307 lines, 27 campaigns, all of 2017.
    report, tables = ingested("completejourney", "data/raw/completejourney/transactions.parquet")
    assert report.tables["order_lines"].rows_out == 1_469_307
    assert report.tables["order_lines"].reasons == {}
    assert report.diagnostics == ()
    assert tables["orders"]["customer_id"].nunique() == len(tables["customers"]) == 2_469
    assert report.tables["customers"].added == {"from orders": 2_469 - 801}
    assert len(tables["campaigns"]) == 27
    # sum(sales_value) of the raw file, rounded to cents: 4,596,039.58
    assert (
        tables["orders"]["amount_minor"].sum() == tables["order_lines"]["amount_minor"].sum() == 459_603_958
    )
    assert (Cutoff(report.first_event // 86_400).label, Cutoff.after(report.last_event).label) == (
        "2017-01-01", "2018-01-01",
    )  # fmt: skip
    assert tables["email_events"]["event"].value_counts().to_dict() == {"sent": 6_589, "response": 2_102}
    # The shops are quiet at night; were the times local as they stand, three lines in ten would be bought between
    # 22:00 and 02:00.
    hours = tables["orders"]["ordered_at"] % 86_400 // 3_600
    assert hours.mode().tolist()[0] in (16, 17, 18)
    assert hours.between(1, 5).mean() < 0.02


def test_cdnow_is_the_published_cohort(ingested: Ingested) -> None:
    # Fader & Hardie (2001): 23,570 customers, 69,659 purchases, January 1997 to June 1998.
    report, tables = ingested("cdnow", "data/raw/cdnow/CDNOW_master.txt")
    orders = tables["orders"]
    assert (len(orders), orders["customer_id"].nunique()) == (69_659, 23_570)
    first = orders.groupby("customer_id")["ordered_at"].min()
    assert first.max() < Cutoff.parse("1997-04-01").seconds
    assert Cutoff.after(report.last_event).label == "1998-07-01"
    assert report.tables["orders"].reasons == {}
    assert report.diagnostics == ()


def test_online_retail_without_dropping_duplicates_is_the_published_revenue(ingested: Ingested) -> None:
    # Published: 541,909 rows; id present, quantity and price > 0: 397,884 rows, 8,911,407.904.
    report, tables = ingested(
        "online_retail", "../shared/data/online_retail.parquet", "cleaning.exact_duplicates=keep"
    )
    counted = report.tables["order_lines"]
    assert (counted.rows_in, counted.rows_out) == (541_909, 397_884)
    assert counted.reasons == {"missing_customer": 135_080, "cancelled_order": 8_905, "nonpositive_price": 40}
    assert tables["order_lines"]["amount_minor"].sum() == 891_140_790
    # 4,372 customers before cleaning, of whom some only ever returned
    assert len({*tables["orders"]["customer_id"], *tables["returns"]["customer_id"]}) == 4_371
    assert len(tables["customers"]) == 4_338


def test_online_retail_drops_the_same_line_twice_in_an_invoice(ingested: Ingested) -> None:
    report, tables = ingested("online_retail", "../shared/data/online_retail.parquet")
    counted = report.tables["order_lines"]
    assert counted.rows_in == counted.rows_out + sum(counted.reasons.values())
    assert counted.reasons["exact_duplicate"] == 5_268  # equal in all eight columns, as published
    assert counted.money["exact_duplicate"] == 2_174_098
    told = [(found.kind, found.customers) for found in report.diagnostics]
    assert told == [
        ("dominating_spent", 3), ("orders_by_the_minute", 1), ("refunds_over_purchases", 8),
        ("refunds_before_order", 99), ("refunds_without_order", 33),
    ]  # fmt: skip
    assert "category" not in tables["order_lines"]
    assert report.unavailable["order_lines.category"] == "not mapped in the configuration"
