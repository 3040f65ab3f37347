"""The action catalogue: R50 (campaigns as data), R27 (thanks, not a discount); mistakes named all at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from campaign_world import AS_OF, anybody, campaign, engine_with, world
from segml.campaigns.catalogue import OPERATORS, equal_priorities, load_campaigns
from segml.campaigns.lists import build_lists
from segml.config import ContactCap
from segml.errors import ConfigurationError

SHIPPED = Path(__file__).parents[1] / "configs" / "campaigns"


def members(condition: dict[str, Any], folder: Path) -> set[str]:
    """Return who of a five-person base is in an audience."""
    features = pd.DataFrame(
        {
            "customer_id": list("abcde"),
            "orders_total": [1.0] * 5,
            "recency_days": [1.0, 2.0, 3.0, 4.0, np.nan],
        }
    )
    scores = pd.DataFrame(
        {"customer_id": list("abcde"), "clv_historic": 1.0, "dormancy_band": ["x", "y", "y", None, "it's"]}
    )
    customers = pd.DataFrame({"customer_id": list("abcde"), "household_size": ["1", "2", "5+", "2", None]})
    tables = {"features": features, "scores": scores, "customers": customers}
    how = anybody(global_holdout=0, campaign_holdout=0)
    with engine_with(tables) as engine:
        build_lists(engine, [campaign(audience=[condition])], how, AS_OF, "run", folder)
    place = folder / "win_back" / "as_of=2018-01-01" / "list.parquet"
    return set(pd.read_parquet(place)["customer_id"]) if place.exists() else set()


R = "features.recency_days"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"column": R, "operator": "is", "value": 2}, "b"),
        ({"column": R, "operator": "in", "value": [1, 4]}, "ad"),
        ({"column": R, "operator": "not_in", "value": [1, 4]}, "bce"),
        ({"column": R, "operator": "at_least", "value": 3}, "cd"),
        ({"column": R, "operator": "at_most", "value": 3}, "abc"),
        ({"column": R, "operator": "above", "value": 3}, "d"),
        ({"column": R, "operator": "below", "value": 3}, "ab"),
        ({"column": R, "operator": "between", "value": [2, 3]}, "bc"),
        ({"column": R, "operator": "missing"}, "e"),
        ({"column": R, "operator": "known"}, "abcd"),
        ({"column": R, "operator": "at_most", "percentile": 50}, "ab"),
        ({"column": R, "operator": "between", "percentile": [50, 75]}, "bc"),
        ({"column": "scores.dormancy_band", "value": "it's"}, "e"),
        ({"column": "scores.dormancy_band", "operator": "not_in", "value": ["y"]}, "ade"),
        ({"column": "customers.household_size", "operator": "at_least", "value": 2}, "bd"),
        ({"column": "customers.household_size", "value": 2}, "bd"),
        ({"any_of": [{"column": R, "value": 1}, {"column": R, "operator": "missing"}]}, "ae"),
    ],
)
def test_each_operator_means_what_it_says(condition: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert members(condition, tmp_path) == set(expected)


def test_every_operator_is_tested() -> None:
    marks = test_each_operator_means_what_it_says.pytestmark
    assert {condition.get("operator", "is") for condition, _ in marks[0].args[1]} == set(OPERATORS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"audience": [{"column": R, "operator": "atleast", "value": 1}]}, "did you mean 'at_least'"),
        ({"audience": [{"column": R, "operator": "at_least", "value": "x"}]}, "takes a number"),
        ({"audience": [{"column": R, "operator": "between", "value": 3}]}, "takes a number"),
        ({"audience": [{"column": R, "operator": "in", "value": 3}]}, "list of values"),
        ({"audience": [{"column": R, "operator": "missing", "value": 3}]}, "take no value"),
        ({"audience": [{"column": R, "operator": "above", "percentile": 120}]}, "from 0 to 100"),
        ({"audience": [{"column": R, "operator": "is", "percentile": 10}]}, "goes with a column"),
        ({"audience": [{"column": R, "tag": "a.b", "value": 1}]}, "exactly one of"),
        ({"audience": [{"tag": "a.b", "operator": "above", "value": 1}]}, "words, not numbers"),
        ({"audience": []}, "at least 1"),
        ({"channel": "e-mail"}, "did you mean 'email'"),
        ({"purpose": "marketin"}, "did you mean 'marketing'"),
        ({"offer_class": "discount"}, "depend on discounts"),
        ({"name": "global_holdout"}, "holdout over all campaigns"),
        ({"max_size": 0}, "greater than or equal to 1"),
    ],
)
def test_each_mistake_is_explained(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        campaign(**change)


def test_a_cap_of_zero_is_refused() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        ContactCap(contacts=0, days=7)


def test_a_discount_for_those_who_depend_on_discounts_is_fine() -> None:
    condition = {"column": "features.discount_share", "operator": "above", "percentile": 75}
    assert campaign(offer_class="discount", audience=[condition]).offer_class == "discount"


def test_all_mistakes_of_all_files_come_at_once(tmp_path: Path) -> None:
    text = (SHIPPED / "win_back.yaml").read_text()
    (tmp_path / "a.yaml").write_text(
        text.replace("features.", "feature.").replace("scores.dormancy", "scores.dormncy")
    )
    (tmp_path / "b.yaml").write_text(text.replace("window_days", "windw_days"))
    (tmp_path / "c.yaml").write_text(text.replace("value: [at_risk, dormant]", "value: [at_rsk]"))
    with pytest.raises(ConfigurationError) as caught:
        load_campaigns(tmp_path, tag_values={"lifecycle.activity": ["active", "at_risk"]})
    message = str(caught.value)
    assert "did you mean 'scores.dormancy_probability'" in message
    assert "did you mean 'window_days'" in message
    assert "did you mean 'at_risk'" in message
    assert "2 campaigns are called 'win_back'" in message


def test_equal_priorities_are_told_with_both_names_and_go_by_name(tmp_path: Path) -> None:
    seed = campaign("seed", purpose="ads_sharing", priority=7)
    tied = [campaign("beta", priority=7), campaign("alpha", priority=7), campaign("free", priority=8), seed]
    assert len(equal_priorities(tied)) == 1
    assert "priority 7 is that of alpha and beta" in equal_priorities(tied)[0]
    with engine_with(world()) as engine:
        report = build_lists(engine, tied, anybody(), AS_OF, "run", tmp_path)
    assert any("alpha and beta" in warning for warning in report.warnings)
    assert report.campaigns[0].campaign.name == "alpha"


def test_a_key_that_stands_twice_in_a_campaign_is_named(tmp_path: Path) -> None:
    text = (SHIPPED / "win_back.yaml").read_text()
    (tmp_path / "a.yaml").write_text(text + "priority: 5\n")
    with pytest.raises(ConfigurationError, match="the key 'priority' stands twice"):
        load_campaigns(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no campaign"):
        load_campaigns(tmp_path)


def test_the_definition_hash_changes_with_the_definition_only() -> None:
    assert campaign().definition_hash == campaign().definition_hash
    assert campaign().definition_hash != campaign(window_days=55).definition_hash


def test_r27_no_shipped_campaign_is_a_discount() -> None:
    assert {c.offer_class for c in load_campaigns(SHIPPED)} & {"discount"} == set()


def dense_base() -> dict[str, pd.DataFrame]:
    """Return a base such as Complete Journey: 2,469 weekly shoppers, about 6 % silent in the next 56 days."""
    return _base(2_469, 3.5, 1.5, 0.06, 120)


def sparse_base() -> dict[str, pd.DataFrame]:
    """Return a base such as CDNOW: half bought once, most will be silent."""
    return _base(5_000, 60, 30, 0.90, 1.0)


def _base(people: int, gap: float, spread: float, silent: float, orders: float) -> dict[str, pd.DataFrame]:
    draw = np.random.default_rng(11)
    total = np.maximum(1, draw.poisson(orders, people) if orders > 1 else draw.geometric(0.5, people))
    total[: people // 40] = 1  # newcomers; about one household in eighty in Complete Journey
    median = np.maximum(1, draw.normal(gap, spread, people))
    recency = np.floor(draw.exponential(gap * 2, people))
    probability = draw.beta(1, 1 / silent - 1, people) if silent < 0.5 else draw.beta(9, 1, people)
    ids = [f"h{i}" for i in range(people)]
    features = {
        "orders_total": total,
        "recency_days": recency,
        "spend_total": total * 10.0,
        "repeat_orders": total - 1.0,
    }
    features["gap_ratio"] = np.where(total > 1, recency / median, np.nan)
    scores = {"dormancy_probability": probability, "dormancy_horizon_days": 56.0}
    scores["clv_historic"] = draw.gamma(2, 100, people)
    activity = np.select(
        [probability <= 0.4, probability <= 0.65, probability <= 0.8],
        ["active", "slipping", "at_risk"],
        "dormant",
    )
    tags = pd.DataFrame({"customer_id": ids, "family": "lifecycle", "tag": "activity", "value": activity})
    return {
        "features": pd.DataFrame({"customer_id": ids, **features}).astype({"orders_total": float}),
        "scores": pd.DataFrame({"customer_id": ids, **scores}),
        "tags": tags,
    }


@pytest.mark.parametrize(("base", "most"), [(dense_base, 0.5), (sparse_base, 0.9)])
def test_r50_shipped_campaigns_find_people_on_dense_and_sparse_bases(
    base: Callable[[], dict[str, pd.DataFrame]], most: float, tmp_path: Path
) -> None:
    campaigns = load_campaigns(SHIPPED)
    with engine_with(base()) as engine:
        values = {"lifecycle.activity": ["active", "slipping", "at_risk", "dormant"]}
        how = anybody(minimum_list=20, global_holdout_minimum=1_000)
        report = build_lists(engine, campaigns, how, AS_OF, "run", tmp_path, values)
    frame = report.frame()
    assert frame["status"].tolist() == ["built"] * 4, frame[["campaign", "status", "note"]].to_string()
    assert frame["listed"].sum() < most * report.base
