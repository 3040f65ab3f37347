"""R14, R15, R24, R26: tags from the run before, the web, surveys and the helpdesk; claims; tags of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segml.config import Config, load_config
from segml.engine import Engine, open_engine
from segml.errors import ConfigurationError
from segml.evaluation.hazard import compare_hazards
from segml.models.segments.migration import migration_frame
from segml.scoring.claims import closed_snapshot, measure_claims
from segml.scoring.migration import migration_of_runs, write_migration
from segml.scoring.tag_sources import previous_partition, register_tag_sources
from segml.scoring.tag_table import write_tags
from segml.scoring.tags import load_tags
from segml.tables.partition import read_manifest, write_manifest, writing
from segml.time_windows import Cutoff

AS_OF = Cutoff.parse("2018-01-01")
DAY = 86_400
EXAMPLE = Path(__file__).parents[1] / "configs/tags/example.yaml"
PEOPLE = ["ann", "bob", "cid", "dot", "eve"]


def at(days_ago: float) -> int:
    return int(AS_OF.seconds - days_ago * DAY)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with open_engine(threads=1) as opened:
        features = pd.DataFrame(
            {
                "customer_id": PEOPLE,
                "orders_total": [5.0, 5.0, 5.0, 1.0, 0.0],
                "repeat_orders": [4.0, 4.0, 4.0, 0.0, 0.0],
                "orders_365d": [5.0, 5.0, 1.0, 1.0, 0.0],
                "recency_days": [3.0, 50.0, 90.0, 10.0, np.nan],
                "gap_mean_days": [20.0, 20.0, 60.0, np.nan, np.nan],
                "tenure_days": [400.0, 400.0, 400.0, 10.0, 5.0],
                "spend_180d": [90.0, 10.0, 50.0, 20.0, 0.0],
                "spend_365d": [100.0, 100.0, 100.0, 20.0, 0.0],
                "spend_trend_90d": [0.9, -0.9, 0.0, 1.0, np.nan],
            }
        )
        scores = pd.DataFrame(
            {
                "customer_id": PEOPLE[:4],
                "dormancy_probability": [0.1, 0.5, 0.9, 0.3],
                "segment_behavioural_membership": [0.9, 0.5, 0.9, 0.9],
                "segment_behavioural_outlier": [0.0, 0.0, 1.0, 0.0],
            }
        )
        opened.register("features", features)
        opened.register("scores", scores)
        opened.register(
            "orders", pd.DataFrame({"customer_id": ["ann", "bob"], "ordered_at": [at(3), at(50)]})
        )
        yield opened


def written(
    engine: Engine, folder: Path, files: tuple[Path, ...] = ()
) -> tuple[pd.DataFrame, dict[str, str]]:
    report = write_tags(engine, load_tags(files), AS_OF, folder)
    tags = pd.read_parquet(folder / "tags.parquet")
    wide = tags.assign(name=tags["family"] + "." + tags["tag"]).pivot_table(
        index="customer_id", columns="name", values="value", aggfunc="first"
    )
    return wide, {f"{tag.family}.{tag.tag}": tag.reason for tag in report.unavailable}


def previous_run(folder: Path, day: str, stages: dict[str, str]) -> Path:
    place = folder / f"as_of={day}"
    rows = [(person, "lifecycle", "stage", stage) for person, stage in stages.items()]
    with writing(place) as temporary:
        frame = pd.DataFrame(rows, columns=["customer_id", "family", "tag", "value"])
        frame.to_parquet(temporary / "tags.parquet")
        write_manifest(temporary, {"as_of": day})
    return place


def test_r14_reactivated_is_an_order_since_the_run_in_which_one_was_dormant(engine, tmp_path):
    stages = {"ann": "dormant", "bob": "dormant", "cid": "dormant", "dot": "repeat"}
    previous_run(tmp_path / "tags", "2017-12-01", stages)
    before = previous_partition(tmp_path / "tags", AS_OF)
    assert before is not None
    assert "previous" in register_tag_sources(engine, AS_OF, before)
    wide, _ = written(engine, tmp_path / "out")
    assert wide["lifecycle.stage"].to_dict() == {
        "ann": "reactivated",  # ordered 3 days ago
        "bob": "slipping",  # last order before that run: only the probability moved
        "cid": "dormant",
        "dot": "first_time",
        "eve": "prospect",
    }


def test_r14_a_first_run_has_stages_too_and_nobody_is_reactivated(engine, tmp_path):
    assert previous_partition(tmp_path, AS_OF) is None
    previous_run(tmp_path / "tags", "2018-01-01", {"ann": "dormant"})
    assert previous_partition(tmp_path / "tags", AS_OF) is None  # the same day is not before it
    wide, unavailable = written(engine, tmp_path / "out")
    assert "reactivated" not in set(wide["lifecycle.stage"])
    assert "lifecycle.stage" not in unavailable


def test_r15_what_was_done_on_the_web_and_what_was_not(engine, tmp_path):
    events = pd.DataFrame(
        [
            ("ann", at(2), "cart_add", "wine"),  # ordered 3 days ago, so this cart is open
            ("bob", at(60), "cart_add", "toys"),  # ordered 50 days ago: closed
            ("bob", at(5), "search", None),
            ("cid", at(20), "view", "garden"),
            ("cid", at(21), "view", "toys"),
            ("dot", at(100), "visit", None),
            ("dot", AS_OF.seconds, "search", None),  # not before the cutoff
        ],
        columns=["customer_id", "occurred_at", "event", "category"],
    )
    engine.register("web_events", events)
    register_tag_sources(engine, AS_OF)
    wide, _ = written(engine, tmp_path / "out")
    assert wide["needs.search_intent"].dropna().to_dict() == {
        "ann": "not_searched_30d",
        "bob": "searched_7d",
        "cid": "not_searched_30d",
        "dot": "not_searched_30d",
    }
    assert wide["needs.open_cart"].dropna().to_dict() == {
        "ann": "open_3d",
        "bob": "none",
        "cid": "none",
        "dot": "none",
    }
    assert wide["needs.browse_intent"].dropna().to_dict() == {
        "ann": "not_browsed_30d",
        "bob": "not_browsed_30d",
        "cid": "browsed_30d",
        "dot": "not_browsed_30d",
    }
    assert wide["needs.browsed_category"].dropna().to_dict() == {"cid": "garden"}
    assert wide["needs.browsed_not_bought"].dropna().to_dict() == {"cid": "yes"}


def test_r15_coupons_unused_used_and_neither(engine, tmp_path):
    engine.register(
        "coupons",
        pd.DataFrame(
            [
                ("ann", at(20), at(-3), None),
                ("bob", at(20), at(-30), at(-1)),  # used only after the day
                ("cid", at(20), at(5), at(12)),
                ("dot", at(90), at(60), None),
                ("eve", AS_OF.seconds, at(-9), None),  # given at the cutoff
            ],
            columns=["customer_id", "issued_at", "expires_at", "redeemed_at"],
        ).astype({"redeemed_at": "Int64"}),
    )
    register_tag_sources(engine, AS_OF)
    wide, _ = written(engine, tmp_path / "out")
    assert wide["needs.coupon"].dropna().to_dict() == {
        "ann": "expiring",
        "bob": "unused",
        "cid": "used",
        "dot": "none",
    }


def test_r15_without_a_table_intent_is_unavailable_with_the_reason(engine, tmp_path):
    assert register_tag_sources(engine, AS_OF) == []
    _, unavailable = written(engine, tmp_path / "out")
    assert "no table web_events" in unavailable["needs.open_cart"]
    assert "no table support_tickets, surveys" in unavailable["behavioural.ambassador"].replace(
        "surveys, support_tickets", "support_tickets, surveys"
    )
    assert "need_" in unavailable["needs.stated_need"]


def test_r26_ambassadors_recommend_are_active_and_have_no_open_complaint(engine, tmp_path):
    asked = [("ann", 9.0), ("bob", 10.0), ("dot", 9.0), ("eve", 10.0)]
    engine.register(
        "surveys",
        pd.DataFrame(
            [(who, at(30), "nps", answer) for who, answer in asked]
            + [
                ("ann", at(90), "nps", 2.0),
                ("ann", at(9), "need_wool", 4.0),
                ("ann", at(9), "need_silk", 2.0),
            ],
            columns=["customer_id", "answered_at", "item", "answer"],
        ),
    )
    engine.register(
        "support_tickets",
        pd.DataFrame(
            [
                ("dot", "complaint", at(5), None),
                ("ann", "complaint", at(50), at(40)),
                ("ann", "praise", at(9), None),
            ],
            columns=["customer_id", "kind", "opened_at", "closed_at"],
        ).astype({"closed_at": "Int64"}),
    )
    register_tag_sources(engine, AS_OF)
    wide, _ = written(engine, tmp_path / "out")
    # bob is not active, dot has an open complaint, eve never bought; ann's last answer counts
    assert wide["behavioural.ambassador"].dropna().to_dict() == {"ann": "yes"}
    assert wide["needs.stated_need"].dropna().to_dict() == {"ann": "wool"}


def test_r13_trends_are_against_ones_own_past_and_against_the_cohort(engine, tmp_path):
    wide, unavailable = written(engine, tmp_path / "out")
    assert not {"value.own_trend", "value.cohort_trend"} & set(unavailable), unavailable
    assert wide["value.own_trend"].dropna().to_dict() == {
        "ann": "growing",
        "bob": "shrinking",
        "cid": "steady",
    }
    assert set(wide["value.cohort_trend"].dropna()) <= {"ahead", "behind", "level"}
    assert wide["behavioural.segment_fit"].dropna().to_dict() == {
        "ann": "sure",
        "bob": "unsure",
        "cid": "outlier",
        "dot": "sure",
    }


def regulars(
    unattached_leave: float, people: int = 2_000, seed: int = 1
) -> tuple[pd.DataFrame, pd.DataFrame]:
    draw = np.random.default_rng(seed)
    ids = [f"r{i:05d}" for i in range(people)]
    unattached = np.arange(people) % 20 < 9
    features = pd.DataFrame(
        {
            "customer_id": ids,
            "orders_total": 10.0,
            "active_days_total": 10.0,
            "gap_mean_days": 30.0,
            "gap_sd_days": 5.0,
            "products_total": np.where(unattached, 12.0, 40.0) + draw.integers(0, 5, people),
            "spend_trend_90d": 0.0,
            "tenure_days": 300.0,
        }
    )
    gone = draw.random(people) < np.where(unattached, unattached_leave, 0.10)
    return features, pd.DataFrame({"customer_id": ids, "silent_next_90d": gone.astype(float)})


def snapshot(folder: Path, day: str, features: pd.DataFrame, labels: pd.DataFrame) -> None:
    with writing(folder / f"cutoff={day}") as place:
        for name, frame in (("features", features), ("labels", labels)):
            (place / name).mkdir()
            frame.to_parquet(place / name / "part-00000.parquet")
        write_manifest(place, {"horizons": [90]})


@pytest.mark.parametrize(("leave", "holds"), [(0.20, True), (0.10, False)])
def test_r24_unattached_regulars_are_named_only_when_they_leave_more_often(tmp_path, leave, holds):
    features, labels = regulars(leave)
    snapshot(tmp_path / "features", "2017-09-01", features, labels)
    with open_engine(threads=1) as engine:
        catalogue = load_tags()
        claims = measure_claims(engine, catalogue, tmp_path / "features", AS_OF, 90)
        found = claims["behavioural.attachment"]
        engine.register("features", features)
        report = write_tags(engine, catalogue, AS_OF, tmp_path / "out", claims=claims)
    assert found.holds is holds
    assert found.people == (900, 1_100)
    unavailable = {f"{tag.family}.{tag.tag}": tag.reason for tag in report.unavailable}
    if holds:
        people = report.counts.query("tag == 'attachment'").set_index("value")
        assert people["people"].to_dict() == {"regular_attached": 1_100, "regular_unattached": 900}
        assert "hazard ratio" in people["criterion"].iloc[0]
    else:
        assert "did not hold" in unavailable["behavioural.attachment"]
        assert "no difference beyond chance" in unavailable["behavioural.attachment"]


def test_r24_a_window_that_had_not_closed_tests_nothing(tmp_path):
    features, labels = regulars(0.3, people=100)
    snapshot(tmp_path / "features", "2017-11-01", features, labels)
    assert closed_snapshot(tmp_path / "features", AS_OF, 90) is None
    with open_engine(threads=1) as engine:
        assert measure_claims(engine, load_tags(), tmp_path / "features", AS_OF, 90) == {}
        engine.register("features", features)
        report = write_tags(engine, load_tags(), AS_OF, tmp_path / "out")
    reasons = {tag.tag: tag.reason for tag in report.unavailable}
    assert "was not tested" in reasons["attachment"]


def test_r24_the_interval_covers_the_true_ratio_as_often_as_it_says():
    draw = np.random.default_rng(0)
    truth = np.log(1 - 0.3) / np.log(1 - 0.2)
    found = [
        compare_hazards((400, 400), (int(draw.binomial(400, 0.3)), int(draw.binomial(400, 0.2))))
        for _ in range(1_000)
    ]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.93 <= covered <= 0.97


def test_tags_of_ones_own_come_from_the_configuration(engine, tmp_path):
    wide, _ = written(engine, tmp_path / "out", (EXAMPLE,))
    assert wide["needs.household_need"].isna().all() if "needs.household_need" in wide else True
    frame = pd.DataFrame(
        {
            "customer_id": PEOPLE,
            "orders_total": [5.0, 5.0, 5.0, 1.0, 0.0],
            "order_value_mean": [10.0, 20.0, 90.0, 500.0, np.nan],
            "affinity_meat": [0.2, 0.0, 0.1, 0.9, np.nan],
            "affinity_produce": [0.1, 0.1, np.nan, 0.0, np.nan],
        }
    )
    with open_engine(threads=1) as own:
        own.register("features", frame)
        wide, _ = written(own, tmp_path / "own", (EXAMPLE,))
    assert wide["behavioural.basket_size"].dropna().to_dict() == {
        "ann": "ordinary",
        "bob": "ordinary",
        "cid": "ordinary",
    }
    assert wide["needs.household_need"].dropna().to_dict() == {
        "ann": "cooks_at_home",
        "bob": "other",
        "cid": "other",
    }


def configured(tmp_path: Path, *overrides: str) -> Config:
    folder = tmp_path / "configs"
    (folder / "tags").mkdir(parents=True, exist_ok=True)
    (folder / "tags" / "mine.yaml").write_text(EXAMPLE.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "shop.yaml").write_text(
        "base: shop\ncurrency: DKK\ntables: {orders: {files: o.csv, columns: [order_id]}}\n", encoding="utf-8"
    )
    return load_config(folder / "shop.yaml", overrides)


def test_the_tags_key_takes_patterns_and_a_pattern_without_files_is_refused(tmp_path):
    assert configured(tmp_path).tag_files() == ()
    found = configured(tmp_path, "tags=[configs/tags/*.yaml]").tag_files()
    assert [file.name for file in found] == ["mine.yaml"]
    with pytest.raises(ConfigurationError, match=r"no file fits 'configs/tag/\*.yaml'"):
        configured(tmp_path, "tags=[configs/tag/*.yaml]").tag_files()
    with pytest.raises(ConfigurationError, match="language"):
        configured(tmp_path, "language=de")


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("when: features.recencydays > 3", "did you mean 'features.recency_days'"),
        ("when: features.recency_days > $limt", r"unknown threshold \$limt"),
        ("when: features.recency_days > (select 1)", "unknown word 'select'"),
    ],
)
def test_a_tag_that_names_what_is_not_there_is_refused_with_the_nearest_name(tmp_path, text, claim):
    own = tmp_path / "own.yaml"
    own.write_text(
        "tags:\n  - family: behavioural\n    tag: mine\n    criterion: A sentence to be read.\n"
        f"    cases: [{{value: a, {text}}}]\n"
    )
    with pytest.raises(ConfigurationError, match=claim):
        load_tags((own,))


def test_a_claim_about_values_the_tag_does_not_have_is_refused(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(
        "tags:\n  - family: behavioural\n    tag: mine\n    criterion: A sentence to be read.\n"
        "    cases: [{value: a, when: features.recency_days > 3}]\n    claim: {value: a, against: b}\n"
    )
    with pytest.raises(ConfigurationError, match="claims something of values it does not have"):
        load_tags((own,))


def test_r23_the_engine_counts_the_same_flows_as_pandas(tmp_path):
    draw = np.random.default_rng(4)
    ids = [f"c{i:03d}" for i in range(120)]
    sides = {}
    for side, people in (("before", ids[:100]), ("after", ids[20:])):
        tags = pd.DataFrame({"customer_id": people, "value": draw.choice(["a", "b", "c"], len(people))})
        worth = pd.DataFrame(
            {"customer_id": people, "clv_historic": draw.integers(0, 9_999, len(people)) / 100}
        )
        tags.assign(family="lifecycle", tag="stage").to_parquet(tmp_path / f"tags_{side}.parquet")
        worth.to_parquet(tmp_path / f"scores_{side}.parquet")
        sides[side] = (tags.set_index("customer_id")["value"], worth.set_index("customer_id")["clv_historic"])
    expected = migration_frame(sides["before"][0], sides["after"][0], sides["before"][1], sides["after"][1])
    places = [
        (tmp_path / f"{name}_before.parquet", tmp_path / f"{name}_after.parquet")
        for name in ("tags", "scores")
    ]
    with open_engine(threads=1) as engine:
        found = migration_of_runs(engine, places[0], ("lifecycle.stage",), places[1])
    assert set(found["tag"]) == {"lifecycle.stage"}
    columns = list(expected.columns)
    pd.testing.assert_frame_equal(
        found[columns].sort_values(["before", "after"], ignore_index=True),
        expected.sort_values(["before", "after"], ignore_index=True),
        check_dtype=False,
    )
    write_migration(found, tmp_path / "as_of=2018-01-01", ("2017-12-01", "2018-01-01"))
    assert (read_manifest(tmp_path / "as_of=2018-01-01") or {})["before"] == "2017-12-01"
