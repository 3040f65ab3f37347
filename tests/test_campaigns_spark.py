"""Lists and tags are the same rows, and the same CSV bytes, on both engines."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from campaign_world import AS_OF, campaign, list_settings, world
from segml.campaigns.lists import build_lists
from segml.engine import Engine, open_engine
from segml.scoring.tag_table import write_tags
from segml.scoring.tags import load_tags

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore::FutureWarning")]


def _write_all(engine: Engine, folder: Path) -> None:
    tables = world()
    tables["scores"]["segment_behavioural_id"] = tables["customers"]["country"]
    events = tables["email_events"]
    later = events["occurred_at"] + 9 * 3600 + events.index % 7_200
    clicks = events.assign(event="click", occurred_at=later)
    tables["email_events"] = pd.concat([events, clicks], ignore_index=True)
    tables["consents"]["confirmed"] = True
    tables["customers"]["birth_date"] = 0
    tables["suppressions"] = tables["customers"][["customer_id"]].head(9).assign(reason="asked")
    tables["scores"]["clv_365d"] = tables["scores"]["clv_historic"] * 0.7
    for name, frame in tables.items():
        engine.register(name, frame)
    cost = {"contact": 1.5, "assumed_response": 0.2}
    limited = campaign(max_size=20, cool_down_days=30, max_attempts=1)
    for later in (0, 1):
        build_lists(
            engine,
            [limited, campaign("costly", priority=150, cost=cost), campaign("rest", priority=200)],
            list_settings(
                budget=20.0,
                send_time={"minimum_clicks": 2},
                retention_days=400,
                countries={"SE": {"minimum_age": 18, "double_opt_in": ["email"]}},
            ),
            AS_OF.plus_days(later),
            "run",
            folder / "lists",
        )
    write_tags(engine, load_tags(), AS_OF, folder / "tags")


def test_both_engines_write_the_same_lists_and_tags(tmp_path: Path) -> None:
    from segml.engine.spark import SparkEngine

    with open_engine(threads=1) as engine:
        _write_all(engine, tmp_path / "one")
    with SparkEngine({"spark.master": "local[1]", "spark.sql.shuffle.partitions": "2"}) as engine:
        _write_all(engine, tmp_path / "two")
    files = sorted(
        file.relative_to(tmp_path / "one") for file in (tmp_path / "one").rglob("*.*") if file.is_file()
    )
    assert len(files) >= 30
    costly = pd.read_parquet(tmp_path / "one" / "lists" / "costly" / "as_of=2018-01-02" / "list.parquet")
    assert costly["send_hour"].notna().all()
    for file in files:
        one, two = tmp_path / "one" / file, tmp_path / "two" / file
        if file.suffix == ".csv":
            assert one.read_bytes() == two.read_bytes(), file
        elif file.suffix == ".parquet":
            keys = ["customer_id", "tag"] if file.parts[0] == "tags" else ["customer_id"]
            first, second = (
                pd.read_parquet(place).sort_values(keys, ignore_index=True) for place in (one, two)
            )
            pd.testing.assert_frame_equal(first, second, check_dtype=False)
