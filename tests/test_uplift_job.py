"""R39: uplift from a base's own past lists, registered and gated; refused where nothing was drawn by lot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from measured_world import AS_OF, DAYS, write_list
from segml.config import Config, load_config
from segml.errors import DataError
from segml.features.plan import make_plan
from segml.features.snapshot import write_snapshots
from segml.pipelines.base import open_base
from segml.pipelines.lists import lists
from segml.pipelines.measure import measure
from segml.pipelines.narration import Silent
from segml.pipelines.score import score
from segml.pipelines.train import snapshot_request
from segml.pipelines.uplift import UpliftResult, uplift
from segml.registry.store import ModelStore
from segml.sources.synthetic import Reaction, SyntheticShop, make_shop, react_to_list
from segml.time_windows import Window

WINDOW = Window(AS_OF, AS_OF.plus_days(DAYS))
CONFIG = """\
base: shop
currency: EUR
tables:
  orders:
    files: data/raw/orders.parquet
    columns: [order_id, customer_id, ordered_at, amount]
  email_events:
    files: data/raw/email_events.parquet
    columns: [customer_id, occurred_at, event, campaign_id, channel]
scoring: {threads: 1}
lists:
  consent: {required: false, basis: customers of the test}
"""
CAMPAIGN = """\
name: win_back
title: Win back
action: mail
audience: [{column: features.orders_total, operator: at_least, value: 1}]
rank_by: {column: scores.uplift_win_back}
max_size: 500
holdout: 0.1
"""


def make_project(root: Path, share: float, people: int = 5_000) -> tuple[Config, Reaction]:
    """Make a base whose repeat buyers react to `win_back` and whose one-time buyers don't, and one list of it."""
    shop = SyntheticShop(
        people,
        seed=8,
        start="2016-06-01",
        days=700,
        tables=("orders",),
        campaign_every_days=0,
        launch_share=0.9,
    )
    orders = make_shop(shop)["orders"][["order_id", "customer_id", "ordered_at", "amount"]]
    before = orders[orders["ordered_at"] < pd.Timestamp(AS_OF.label)]
    bought = before["customer_id"].value_counts().sort_index()
    rng = np.random.default_rng(1)
    arms = np.where(rng.random(len(bought)) < share, "holdout", "treated")
    audience = pd.DataFrame(
        {
            "customer_id": bought.index,
            "campaign": "win_back",
            "arm": arms,
            "channel": "email",
            "score": bought.to_numpy().astype(float),
        }
    )
    write_list(root / "data" / "lists" / "shop", audience, share)
    chance = (bought > 1) * 0.35
    reaction = react_to_list(audience, orders, WINDOW, chance.astype(float), amount=30.0, seed=4)
    raw = root / "data" / "raw"
    raw.mkdir(parents=True)
    pd.concat([orders, reaction.orders]).to_parquet(raw / "orders.parquet", index=False)
    reaction.email_events.to_parquet(raw / "email_events.parquet", index=False)
    (root / "configs").mkdir()
    (root / "configs" / "shop.yaml").write_text(CONFIG, encoding="utf-8")
    config = load_config(root / "configs" / "shop.yaml")
    with open_base(config, Silent()) as base:
        request = snapshot_request(base, (AS_OF,), sample=False)
        write_snapshots(base.engine, make_plan(base.engine, AS_OF), request, config.data_path("features"))
    return config, reaction


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, Reaction, UpliftResult]:
    config, reaction = make_project(tmp_path_factory.mktemp("project"), share=0.4)
    return config, reaction, uplift(config)


def test_r39_a_planted_difference_between_people_is_found_and_promoted(
    job: tuple[Config, Reaction, UpliftResult],
) -> None:
    config, reaction, result = job
    (outcome,) = result.outcomes
    assert (outcome.task, outcome.status, outcome.version) == ("uplift_win_back", "promoted", 1)
    assert "policy_value is" in outcome.reasons[0]
    assert any("does not tell the arm" in note for note in outcome.notes)
    champion = ModelStore(config.path(config.models_folder)).champion("shop", "uplift_win_back")
    assert champion is not None
    assert champion.name == "segml.shop.uplift_win_back"
    people = pd.read_parquet(config.data_path("features", f"cutoff={AS_OF.label}", "features"))
    increments = champion.score(people.set_index("customer_id"))["uplift_win_back"]
    truth = reaction.truth.set_index("customer_id")
    added = (truth["chance"] * (1 - truth["buys_without"])).reindex(increments.index)
    repeat = truth["chance"].reindex(increments.index) > 0
    assert increments[repeat].mean() > increments[~repeat].mean() + 0.1
    assert increments.mean() == pytest.approx(added.mean(), abs=0.03)


def test_r65_qini_and_tenths_carry_intervals_and_tell_high_from_low(
    job: tuple[Config, Reaction, UpliftResult],
) -> None:
    config, _, result = job
    metrics = result.metrics.set_index("metric")
    assert {"qini", "auuc"} <= set(metrics.index)
    assert metrics.loc["auuc_above_random", "low"] > 0
    tenths = result.deciles.sort_values("decile")
    assert tenths["uplift"].iloc[-1] > tenths["high"].iloc[0]
    written = pd.read_parquet(config.data_path("measured", "uplift", "deciles.parquet"))
    pd.testing.assert_frame_equal(written, result.deciles)


def test_the_same_lists_register_nothing_new(job: tuple[Config, Reaction, UpliftResult]) -> None:
    config, _, first = job
    again = uplift(config)
    assert [(one.version, one.new) for one in again.outcomes] == [(1, False)]
    assert again.outcomes[0].reasons == first.outcomes[0].reasons
    pd.testing.assert_frame_equal(again.deciles, first.deciles)


def test_r61_measure_recovers_what_the_lists_really_did_and_keeps_the_uplift(
    job: tuple[Config, Reaction, UpliftResult],
) -> None:
    config, reaction, _ = job
    result = measure(config)
    row = result.frame.iloc[0]
    assert row["status"] == "measured"
    assert row["rate_difference_low"] < reaction.lift < row["rate_difference_high"]
    assert row["revenue_difference_low"] < reaction.revenue_lift < row["revenue_difference_high"]
    sent = result.lists.contacts.set_index("event").loc["sent"]
    assert sent["people"] == (reaction.truth["arm"] == "treated").sum()
    assert "balance" in set(result.lists.notes["check"])
    assert (config.data_path("measured", "uplift") / "verdicts.parquet").is_file()


def test_a_campaign_may_rank_by_the_expected_increment(job: tuple[Config, Reaction, UpliftResult]) -> None:
    config, reaction, _ = job
    folder = config.path("configs", "campaigns")
    folder.mkdir()
    (folder / "win_back.yaml").write_text(CAMPAIGN, encoding="utf-8")
    scored = score(config)
    scores = pd.read_parquet(scored.folder / "scores.parquet").set_index("customer_id")
    assert (
        scores["uplift_win_back_model_version"].iloc[0].startswith("segml.shop.uplift_win_back/1@2018-01-01")
    )
    built = lists(config).report.campaigns[0]
    assert (built.status, built.listed) == ("built", 500)
    listed = pd.read_parquet(config.data_path("lists", "win_back", f"as_of={scored.as_of}", "list.parquet"))
    assert listed["score"].min() >= scores["uplift_win_back"].quantile(0.85)
    reacts = reaction.truth.set_index("customer_id")["chance"].reindex(listed["customer_id"])
    assert (reacts > 0).mean() > 0.95


def test_r39_without_a_holdout_uplift_is_unavailable_with_the_reason(tmp_path: Path) -> None:
    config, _ = make_project(tmp_path, share=0.0, people=600)
    (outcome,) = uplift(config).outcomes
    assert outcome.status == "unavailable"
    assert "nobody was held out" in outcome.reasons[0]


def test_without_lists_the_next_step_is_named(tmp_path: Path) -> None:
    config, _ = make_project(tmp_path, share=0.3, people=300)
    (outcome,) = uplift(config).outcomes
    assert outcome.status == "unavailable"
    assert "are needed" in outcome.reasons[0]
    with pytest.raises(DataError, match="segml lists"):
        uplift(config.model_copy(update={"base": "other"}))
