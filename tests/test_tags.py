"""Tags: R10 (long table, criteria, independence), R11 (triad), R13 (tiers), R14 (stages), R16 (opt-in)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segml.engine import Engine, open_engine
from segml.engine.quantiles import quantile_sql
from segml.errors import ConfigurationError
from segml.scoring.tag_table import (
    TAG_COLUMNS,
    available_columns,
    build_tags_sql,
    learn_thresholds,
    write_tags,
)
from segml.scoring.tags import FAMILIES, load_tags
from segml.tables.partition import read_manifest
from segml.time_windows import Cutoff

AS_OF = Cutoff.parse("2018-01-01")


def base(people: int = 400, seed: int = 3) -> dict[str, pd.DataFrame]:
    draw = np.random.default_rng(seed)
    ids = [f"p{i:05d}" for i in range(people)]
    orders = draw.integers(0, 12, people).astype(float)
    bought = orders > 0
    features = pd.DataFrame(
        {
            "customer_id": ids,
            "orders_total": orders,
            "repeat_orders": np.maximum(orders - 1, 0),
            "orders_365d": np.minimum(orders, draw.integers(0, 6, people)),
            "recency_days": np.where(bought, draw.integers(0, 700, people), np.nan),
            "gap_mean_days": np.where(orders > 1, draw.uniform(2, 90, people), np.nan),
            "spend_trend_90d": np.where(bought, draw.uniform(-1, 1, people), np.nan),
            "discount_share": np.where(bought, draw.uniform(0, 1, people), np.nan),
            "weekend_share": np.where(bought, draw.uniform(0, 1, people), np.nan),
            "affinity_grocery": np.where(bought, draw.uniform(0, 0.6, people), np.nan),
            "affinity_meat": np.where(bought, draw.uniform(0, 0.4, people), np.nan),
        }
    )
    scored = bought & (features["recency_days"].to_numpy() <= 365)
    scores = pd.DataFrame(
        {
            "customer_id": ids,
            "dormancy_probability": np.where(scored, draw.uniform(0, 1, people), np.nan),
            "dormancy_model_version": "7",
            "clv_historic": np.where(bought, draw.integers(0, 500, people), np.nan),
            "clv_365d": np.where(bought, draw.uniform(0, 90, people), np.nan),
            "clv_model_version": "3",
        }
    )
    customers = pd.DataFrame(
        {"customer_id": ids, "country": draw.choice(["DK", "SE", ""], people), "gender": "x"}
    )
    return {"features": features, "scores": scores, "customers": customers}


def engine_with(tables: dict[str, pd.DataFrame]) -> Engine:
    engine = open_engine(threads=1)
    for name, frame in tables.items():
        engine.register(name, frame)
    return engine


def tags_of(
    tables: dict[str, pd.DataFrame], files: tuple[Path, ...] = (), special: bool = False
) -> pd.DataFrame:
    with engine_with(tables) as engine:
        catalogue = load_tags(files)
        available = available_columns(engine)
        thresholds = learn_thresholds(engine, catalogue, available)
        queries = build_tags_sql(catalogue.definitions, available, AS_OF, thresholds, special)
        engine.run(queries.wide, "tags_wide")
        return engine.fetch(f"select * from ({queries.long}) as t order by family, tag, customer_id")


def wide(tags: pd.DataFrame, tag: str) -> pd.Series:
    return tags[tags["tag"] == tag].set_index("customer_id")["value"]


def test_r10_the_table_has_its_columns_and_known_families() -> None:
    tags = tags_of(base())
    assert tuple(tags.columns) == TAG_COLUMNS
    assert set(tags["family"]) <= set(FAMILIES)
    assert not tags.duplicated(["customer_id", "family", "tag"]).any()
    assert tags.drop(columns="model_version").notna().all().all()
    activity = tags[tags["tag"] == "activity"]
    assert set(activity["model_version"]) == {"7"}
    assert tags[tags["tag"] == "country"]["model_version"].isna().all()


def test_r10_adding_a_tag_changes_no_row_of_another(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "parameters: {my_limit: {quantile: 0.9, of: features.orders_total}}\n"
        "tags:\n  - family: behavioural\n    tag: many\n    criterion: More than $my_limit orders so far.\n"
        "    cases: [{value: 'yes', when: features.orders_total > $my_limit}]\n"
    )
    before, after = tags_of(base()), tags_of(base(), (own,))
    assert (after["tag"] == "many").sum() > 0
    pd.testing.assert_frame_equal(before, after[after["tag"] != "many"].reset_index(drop=True))


def test_r10_row_order_changes_nothing() -> None:
    tables = base()
    shuffled = {name: frame.sample(frac=1, random_state=1) for name, frame in tables.items()}
    pd.testing.assert_frame_equal(tags_of(tables), tags_of(shuffled))


def test_r11_triad_is_exhaustive_and_exclusive() -> None:
    tables = base()
    triad = wide(tags_of(tables), "triad")
    features = tables["features"].set_index("customer_id")
    assert sorted(triad.index) == sorted(features.index)
    assert set(triad) == {"frequent", "sporadic", "dormant", "prospect"}
    pd.testing.assert_index_equal(
        triad.index[triad == "prospect"], features.index[features["orders_total"] == 0], check_names=False
    )


def test_r11_long_silent_buyers_without_a_score_are_dormant() -> None:
    tables = base()
    tags = tags_of(tables)
    features = tables["features"].set_index("customer_id")
    silent = features.index[features["recency_days"] > 365]
    for tag in ("triad", "activity", "stage"):
        assert set(wide(tags, tag).loc[silent]) == {"dormant"}


def test_r13_no_tier_is_larger_than_it_says_with_ties() -> None:
    tables = base()
    tables["scores"]["clv_historic"] = tables["scores"]["clv_historic"].round(-2)
    tier = wide(tags_of(tables), "historic_tier")
    share = tier.value_counts(normalize=True)
    assert share.get("vip", 0) <= 0.05
    assert share.get("vip", 0) + share.get("high", 0) <= 0.20
    one_value = base()
    one_value["scores"]["clv_historic"] = one_value["scores"]["clv_historic"].where(lambda v: v.isna(), 5.0)
    assert set(wide(tags_of(one_value), "historic_tier")) == {"low"}


def test_r13_scaling_the_currency_changes_no_tier() -> None:
    tables, scaled = base(), base()
    scaled["scores"]["clv_historic"] *= 8
    tier, other = wide(tags_of(tables), "historic_tier"), wide(tags_of(scaled), "historic_tier")
    pd.testing.assert_series_equal(tier, other)


def test_r16_special_fields_are_off_until_asked_for() -> None:
    assert "gender" not in set(tags_of(base())["tag"])
    assert "gender" in set(tags_of(base(), special=True)["tag"])


def test_top_category_is_the_largest_share_that_counts() -> None:
    tables = base()
    top = wide(tags_of(tables), "top_category")
    shares = tables["features"].set_index("customer_id")[["affinity_grocery", "affinity_meat"]].dropna()
    expected = shares.idxmax(axis=1).astype(str).str.slice(len("affinity_"))[shares.max(axis=1) >= 0.2]
    pd.testing.assert_series_equal(
        top.sort_index(), expected.sort_index(), check_names=False, check_dtype=False
    )


def test_unavailable_tags_say_why_and_leave_the_others_alone(tmp_path: Path) -> None:
    tables = base()
    without = dict(tables, scores=tables["scores"].drop(columns=["clv_365d"]))
    with engine_with(without) as engine:
        report = write_tags(engine, load_tags(), AS_OF, tmp_path / "as_of=2018-01-01")
    reasons = {f"{tag.family}.{tag.tag}": tag.reason for tag in report.unavailable}
    assert reasons["value.predicted_tier"] == "missing: scores.clv_365d"
    assert "opt in" in reasons["demographic.gender"]
    manifest = read_manifest(tmp_path / "as_of=2018-01-01")
    assert manifest is not None
    assert manifest["unavailable"] == reasons
    full, part = tags_of(tables), tags_of(without)
    pd.testing.assert_frame_equal(full[full["tag"] != "predicted_tier"].reset_index(drop=True), part)


def test_a_rerun_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with engine_with(base()) as engine:
            write_tags(engine, load_tags(), AS_OF, tmp_path / name)
    for file in ("tags.parquet", "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_every_mistake_of_a_tag_file_is_named_at_once(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        "tags:\n"
        "  - {family: behavioural, tag: a, criterion: ten letters at least, expression: features.recencydays}\n"
        "  - {family: behavioural, tag: b, criterion: ten letters at least, expression: recency_days}\n"
        "  - {family: behavioural, tag: c, criterion: ten letters at least,"
        " expression: 'features.recency_days > $activ'}\n"
        "  - {family: lifecycle, tag: triad, criterion: ten letters at least, expression: customers.email}\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        load_tags((own,))
    message = str(caught.value)
    assert "did you mean 'features.recency_days'" in message
    assert "unknown word 'recency_days'" in message
    assert "did you mean 'active'" in message
    assert "lifecycle.triad is defined twice" in message
    assert "unknown column 'customers.email'" in message


@pytest.mark.parametrize("sql", ["1; drop table x", "(select 1)", "features.recency_days -- x", "'open"])
def test_only_plain_expressions_are_let_in(tmp_path: Path, sql: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        f'tags: [{{family: value, tag: x, criterion: ten letters at least, expression: "{sql}"}}]\n'
    )
    with pytest.raises(ConfigurationError, match=r"value\.x"):
        load_tags((own,))


def test_an_unknown_family_names_the_nearest(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("tags: [{family: behavioral, tag: x, criterion: ten letters at least, expression: '1'}]\n")
    with pytest.raises(ConfigurationError, match="did you mean 'behavioural'"):
        load_tags((own,))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=40),
    st.sampled_from([0.05, 0.5, 0.95]),
)
def test_quantile_is_the_smallest_value_enough_people_do_not_exceed(
    values: list[int | None], share: float
) -> None:
    with open_engine(threads=1) as engine:
        engine.register("t", pd.DataFrame({"x": pd.array(values, dtype="Int64")}))
        found = engine.value(quantile_sql("x", "t", share))
    known = sorted(value for value in values if value is not None)
    expected = next((v for v in known if sum(w <= v for w in known) >= share * len(known)), None)
    assert found == expected
