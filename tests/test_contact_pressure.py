"""R36: the risk of an unsubscribe and from which pressure a base is saturated, recovered where both are planted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from campaign_world import AS_OF, Tables, anybody, campaign, day, engine_with, listed
from segml.campaigns.lists import build_lists
from segml.config import Config, load_config
from segml.engine import Engine
from segml.errors import NotEnoughDataError
from segml.evaluation.saturation import Saturation, learn_saturation
from segml.features.pressure import answers_by_pressure_sql, pressure_sql, refused_next_sql
from segml.models.unsubscribe import UnsubscribeRisk
from segml.pipelines.base import open_base
from segml.pipelines.contacts import learn_base_saturation, train_unsubscribe, unsubscribe_rule
from segml.pipelines.narration import Silent
from segml.registry.registered import RegisteredModel
from segml.scoring.tag_table import write_tags
from segml.scoring.tags import load_tags
from segml.sources.synthetic import SyntheticShop, write_shop

CONFIGURATION = """
base: mailed
currency: EUR
tables:
  customers: {files: shop/customers, columns: [customer_id, joined_at]}
  orders: {files: shop/orders, columns: [order_id, customer_id, ordered_at, amount]}
  email_events: {files: shop/email_events, columns: [customer_id, occurred_at, event, campaign_id, channel]}
horizons: {dormancy: 60}
"""


def log(*rows: tuple[str, float, str]) -> pd.DataFrame:
    frame = pd.DataFrame([(p, day(0) - int(d * 86_400), e) for p, d, e in rows])
    return frame.set_axis(["customer_id", "occurred_at", "event"], axis=1)


def fetched(sql: str, events: pd.DataFrame) -> pd.DataFrame:
    with engine_with({"email_events": events}) as engine:
        return engine.fetch(f"select * from ({sql}) q order by 1").set_index(
            "customer_id" if "customer_id" in sql.split("from")[0] else "pressure"
        )


EVENTS = log(
    *[("ann", d, "sent") for d in (400, 80, 20, 10)],
    *[("ann", 19.9, "open"), ("ann", 9.5, "click"), ("ann", -3, "unsubscribe")],
    *[("bob", 50, "sent"), ("bob", 49, "complaint"), ("cid", 500, "sent"), ("dot", -1, "sent")],
    ("eve", 20, "sent"),
)


def test_r36_pressure_is_of_people_contacted_within_a_year_who_did_not_refuse() -> None:
    found = fetched(pressure_sql(AS_OF), EVENTS)
    assert found.index.tolist() == ["ann", "eve"]
    assert found.loc["ann"].tolist() == [2, 3, 3, 2 / 5, 2 / 5, 10]
    refused = fetched(refused_next_sql(AS_OF, 30), EVENTS)["refused"]
    assert refused.to_dict() == {"ann": 1, "eve": 0}
    assert fetched(refused_next_sql(AS_OF, 2), EVENTS)["refused"].sum() == 0


def test_r02_events_at_or_after_the_cutoff_change_no_pressure() -> None:
    past = EVENTS[EVENTS["occurred_at"] < AS_OF.seconds]
    for sql in (pressure_sql(AS_OF), answers_by_pressure_sql(AS_OF)):
        shuffled = EVENTS.sample(frac=1, random_state=1)
        pd.testing.assert_frame_equal(fetched(sql, shuffled), fetched(sql, past))


def test_r36_an_answer_belongs_to_the_contact_before_it_and_to_its_pressure() -> None:
    events = log(
        *[("ann", d, "sent") for d in (60, 50, 45)],
        *[("ann", 49, "click"), ("ann", 44, "unsubscribe")],
        *[("bob", 60, "sent"), ("bob", 30, "click")],  # a click a month later answers nothing
        ("cid", 5, "sent"),  # still open
    )
    found = fetched(answers_by_pressure_sql(AS_OF), events)
    assert found["contacts"].to_dict() == {1: 2, 2: 1, 3: 1}
    assert found["reacted"].to_dict() == {1: 0, 2: 1, 3: 0}
    assert found["refused"].to_dict() == {1: 0, 2: 0, 3: 1}


def drawn(rng: np.random.Generator, reacted: list[float], refused: list[float]) -> pd.DataFrame:
    contacts = np.array([20_000, 12_000, 8_000, 6_000, 4_000])
    return pd.DataFrame(
        {
            "pressure": range(1, 6),
            "contacts": contacts,
            "reacted": rng.binomial(contacts, reacted),
            "refused": rng.binomial(contacts, refused),
        }
    )


def test_r36_saturation_is_found_where_it_is_planted_and_on_noise_nothing_is_said() -> None:
    rng = np.random.default_rng(7)
    level, odds = [0.05] * 5, [0.002] * 5
    tired = [learn_saturation(drawn(rng, [0.05, 0.05, 0.05, 0.02, 0.02], odds)) for _ in range(50)]
    leaving = [learn_saturation(drawn(rng, level, [0.002, 0.002, 0.002, 0.008, 0.008])) for _ in range(50)]
    noise = [learn_saturation(drawn(rng, level, odds)).saturated_from for _ in range(100)]
    found = [one.saturated_from for one in tired + leaving]
    assert found.count(4) >= 98
    assert sum(said is not None for said in noise) <= 4
    assert Saturation(5, "").target_from == 3
    assert "no pressure up to 5" in learn_saturation(drawn(rng, level, odds)).reason


@pytest.fixture(scope="module")
def mailed(tmp_path_factory: pytest.TempPathFactory) -> Config:
    root = tmp_path_factory.mktemp("mailed")
    shop = SyntheticShop(
        n_customers=10_000, seed=2, days=500, campaign_every_days=16, control_share=0.4, fatigue=2.0,
        tables=("customers", "orders", "email_events"),
    )  # fmt: skip
    write_shop(shop, root / "shop")
    (root / "mailed.yaml").write_text(CONFIGURATION)
    return load_config(root / "mailed.yaml")


def test_r36_the_planted_fatigue_is_recovered_and_the_risk_ranks_better_than_pressure(mailed: Config) -> None:
    with open_base(mailed, Silent()) as base:
        trained = train_unsubscribe(base, None)
        saturation = learn_base_saturation(base)
        answers = base.engine.fetch(answers_by_pressure_sql(base.as_of)).set_index("pressure")
        rate = answers["refused"] / answers["contacts"]
        assert 2.0 < rate[2] / rate[1] < 4.5  # planted: three times
        assert saturation.saturated_from == 2
        assert "in 30 days on" in saturation.reason
        # 70 refusals in the test window are too few for the gate; 490, of 40,000 customers, are enough.
        assert trained.metrics["auc"] > trained.metrics["baseline_auc"]
        assert trained.decision.promoted == (trained.metrics["difference_low"] > 0)
        assert trained.metrics["calibration_error"] < 0.01
        model = UnsubscribeRisk.from_dict(trained.model.to_dict())
        champion = RegisteredModel(
            "segml.mailed.unsubscribe", 1, "unsubscribe", "2023-05-16", "", "", (), {}, model
        )
        people = base.engine.fetch("select customer_id from customers order by customer_id")
        scores = unsubscribe_rule(base, champion)(people.set_index("customer_id"))
        assert scores.index.tolist() == people["customer_id"].tolist()
        known = scores["unsubscribe_probability"].dropna()
        assert 0 < len(known) < len(scores)
        assert known.between(0, 1).all()


def test_r36_too_few_refusals_are_refused_with_the_number(mailed: Config) -> None:
    floor = mailed.models.gate.floor.model_copy(update={"positives": 5_000})
    gate = mailed.models.gate.model_copy(update={"floor": floor})
    strict = mailed.model_copy(update={"models": mailed.models.model_copy(update={"gate": gate})})
    with open_base(strict, Silent()) as base:
        with pytest.raises(NotEnoughDataError, match=r"the model needs 5000: \d+ are missing"):
            train_unsubscribe(base, None)
        base.engine.register("email_events", EVENTS[EVENTS["event"] == "sent"])
        with pytest.raises(NotEnoughDataError, match="records no unsubscribe"):
            train_unsubscribe(base, None)
        base.engine.drop("email_events")
        with pytest.raises(NotEnoughDataError, match="no table email_events"):
            train_unsubscribe(base, None)


def tagged(engine: Engine, folder: Path, saturation: Saturation) -> tuple[pd.DataFrame, dict[str, str]]:
    report = write_tags(engine, load_tags(saturation=saturation), AS_OF, folder)
    tags = pd.read_parquet(folder / "tags.parquet")
    return tags[tags["tag"] == "contact_saturation"], {t.tag: t.reason for t in report.unavailable}


def test_r36_bands_are_tags_and_a_campaign_leaves_the_saturated_out_by_saying_so(tmp_path: Path) -> None:
    people = ["ann", "bob", "cid", "dot", "eve"]
    tables: Tables = {
        "features": pd.DataFrame(
            {
                "customer_id": people,
                "orders_total": 1.0,
                "contacts_30d": [6.0, 5.0, 3.0, 2.0, 0.0],
                "contacts_365d": [9.0, 9.0, 9.0, 9.0, 0.0],
            }
        ),
        "scores": pd.DataFrame({"customer_id": people, "clv_historic": 1.0}),
        "customers": pd.DataFrame({"customer_id": people}),
    }
    with engine_with(tables) as engine:
        bands, _ = tagged(engine, tmp_path / "tags", Saturation(6, "learnt"))
        assert bands.set_index("customer_id")["value"].to_dict() == {
            "ann": "saturated",
            "bob": "almost",
            "cid": "on_target",
            "dot": "under",
        }
        engine.register("tags", bands)
        rested = {"tag": "behavioural.contact_saturation", "operator": "not_in", "value": ["saturated"]}
        build_lists(
            engine,
            [campaign("hello", audience=[rested], holdout=0.0)],
            anybody(caps=()),
            AS_OF,
            "run",
            tmp_path / "lists",
        )
        assert sorted(listed(tmp_path / "lists", "hello")["customer_id"]) == ["bob", "cid", "dot", "eve"]
        none, reasons = tagged(
            engine, tmp_path / "none", Saturation(None, "all 90 contacts were the only one")
        )
        assert none.empty
        assert reasons["contact_saturation"] == "all 90 contacts were the only one"


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_r36_spark_counts_the_same_pressure() -> None:
    from segml.engine.spark import SparkEngine

    queries = (pressure_sql(AS_OF), refused_next_sql(AS_OF, 30), answers_by_pressure_sql(AS_OF))
    with SparkEngine({"spark.master": "local[1]"}) as spark, engine_with({}) as duck:
        for engine in (spark, duck):
            engine.register("email_events", EVENTS)
        for sql in queries:
            one, two = (engine.fetch(f"select * from ({sql}) q order by 1") for engine in (spark, duck))
            pd.testing.assert_frame_equal(one, two, check_dtype=False, rtol=0, atol=0)
