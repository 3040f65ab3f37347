"""The example catalogue on the synthetic shop: every campaign is built, every file has its headers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segml.config import Config, load_config
from segml.pipelines.base import open_base
from segml.pipelines.lists import ListsResult, lists
from segml.pipelines.narration import Silent
from segml.sources.synthetic import SyntheticShop, write_shop
from segml.tables.partition import write_manifest
from segml.time_windows import SECONDS_PER_DAY

PROJECT = Path(__file__).parents[1]
HEADERS = {
    "klaviyo": "Email,Phone Number,Email Marketing Consent,SMS Marketing Consent,First Name,Last Name,",
    "mailchimp": "Email Address,First Name,Last Name,campaign,action,offer_class,Tags",
    "braze": "external_id,email,first_name,last_name,campaign,action,offer_class",
    "hubspot": "Email,First Name,Last Name,campaign,action,offer_class",
    "meta": "email,phone,fn,ln,zip,country,value",
    "google": "Email,Phone,First Name,Last Name,Country,Zip",
}


def scored(config: Config) -> None:
    """Write a day's features, scores and tags as simple functions of the orders, in place of a training."""
    with open_base(config, Silent()) as base:
        as_of = base.as_of
        orders = base.engine.fetch("select customer_id, ordered_at, amount_minor, discount_minor from orders")
        people = base.engine.fetch("select customer_id from customers order by customer_id")
    year = orders["ordered_at"] >= as_of.seconds - 365 * SECONDS_PER_DAY
    orders["amount_365d"] = orders["amount_minor"].where(year, 0)
    by = orders.groupby("customer_id").agg(
        last=("ordered_at", "max"),
        orders_total=("ordered_at", "size"),
        spend=("amount_minor", "sum"),
        spend_365d=("amount_365d", "sum"),
        discount=("discount_minor", "sum"),
    )
    facts = people.merge(by.reset_index(), how="left")
    features = facts[["customer_id"]].assign(
        orders_total=facts["orders_total"].fillna(0).astype(float),
        repeat_orders=facts["orders_total"] - 1.0,
        recency_days=(as_of.seconds - facts["last"]) / SECONDS_PER_DAY,
        discount_share=facts["discount"] / (facts["spend"] + facts["discount"]),
    )
    silent = 1 - np.exp(-features["recency_days"] / 120)
    scores = facts[["customer_id"]].assign(dormancy_probability=silent, dormancy_horizon_days=60.0)
    scores["clv_365d"], scores["clv_historic"] = facts["spend_365d"] / 100, facts["spend"] / 100
    scores["reason_1"] = "days since the last order"
    activity = np.select(
        [silent < 0.4, silent < 0.65, silent < 0.8], ["active", "slipping", "at_risk"], "dormant"
    )
    high = features["discount_share"] > features["discount_share"].quantile(0.75)
    tags = [
        ("lifecycle", "activity", activity),
        ("behavioural", "discount_dependence", np.where(high, "high", "low")),
        ("needs", "browse_intent", np.where(np.arange(len(facts)) % 3 == 0, "browsed_7d", "browsed_30d")),
    ]
    long = [people.assign(family=family, tag=tag, value=value) for family, tag, value in tags]
    day = f"as_of={as_of.label}"
    for place, file, frame in (
        (config.data_path("scores", day), "scores.parquet", scores),
        (config.data_path("tags", day), "tags.parquet", pd.concat(long).assign(valid_from=as_of.label)),
        (config.data_path("features", f"cutoff={as_of.label}", "features"), "part-0.parquet", features),
    ):
        place.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(place / file, index=False)
    write_manifest(config.data_path("scores", day), {"as_of": as_of.label})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> ListsResult:
    root = tmp_path_factory.mktemp("shop")
    shutil.copytree(PROJECT / "configs", root / "configs")
    write_shop(SyntheticShop(n_customers=2_000), root / "data" / "raw" / "synthetic")
    config = load_config(root / "configs" / "synthetic.yaml")
    scored(config)
    return lists(config)


def test_r50_every_campaign_of_the_catalogue_is_built(built: ListsResult) -> None:
    frame = built.report.frame().set_index("campaign")
    assert len(frame) == 11
    assert frame["status"].eq("built").all(), frame[["status", "note"]].to_string()
    assert (frame["listed"] > 0).all()
    classes = {result.campaign.offer_class for result in built.report.campaigns}
    assert {"thanks", "early_access", "points", "service", "discount", "content"} <= classes


def test_r40_the_run_stays_within_its_budget_and_says_what_it_expects(built: ListsResult) -> None:
    moneys = [result.money for result in built.report.campaigns if result.money]
    assert len(moneys) == 2
    assert 14.5 < sum(money.cost for money in moneys) <= 15.0
    assert all("assumed" in money.text("EUR") for money in moneys)
    assert sum(money.cut for money in moneys) > 0


def test_r54_every_export_has_its_platforms_headers(built: ListsResult) -> None:
    made = [result for results in built.exports.values() for result in results]
    assert {result.platform for result in made} == set(HEADERS)
    for result in made:
        assert result.status == "built", (result.platform, result.reason)
        assert result.listed == result.rows + sum(result.left_out.values())
        for file in result.files:
            assert file.read_text(encoding="utf-8").splitlines()[0].startswith(HEADERS[result.platform])


def test_r35_the_shops_mail_has_an_hour_and_a_weekday(built: ListsResult) -> None:
    assert built.report.send_times.reason == ""
    day = f"as_of={built.as_of.label}"
    rows = pd.read_parquet(built.folder / "recommendations" / day / "list.parquet")
    assert rows["send_hour"].between(7, 21).all()
    assert rows["send_weekday"].between(1, 7).all()


def test_nobody_is_on_two_lists_but_the_audience_for_advertising(built: ListsResult) -> None:
    day = f"as_of={built.as_of.label}"
    people = [
        person
        for result in built.report.campaigns
        if not result.campaign.is_seed
        for person in pd.read_parquet(built.folder / result.campaign.name / day / "list.parquet")[
            "customer_id"
        ]
    ]
    assert len(people) == len(set(people)) > 100
