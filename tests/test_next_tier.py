"""R37: P(next tier before the period ends), recovered where it is known, and through the house on a whole shop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segml.config import Config, load_config
from segml.errors import ConfigurationError, ModelError, NotEnoughDataError
from segml.evaluation.comparison import paired_difference
from segml.evaluation.metrics import brier_loss, expected_calibration_error
from segml.models.next_tier import AtThisPace, NextTier
from segml.pipelines.base import open_base
from segml.pipelines.beside import train_beside
from segml.pipelines.loyalty import train_next_tier
from segml.pipelines.narration import Silent
from segml.pipelines.score import ScoreResult, score_base
from segml.registry.store import ModelStore
from segml.sources.synthetic import SyntheticShop, write_shop

CONFIGURATION = """
base: points
currency: EUR
tables:
  customers: {files: shop/customers, columns: [customer_id, joined_at]}
  orders: {files: shop/orders, columns: [order_id, customer_id, ordered_at, amount]}
  loyalty_ledger: {files: shop/loyalty_ledger, columns: [customer_id, occurred_at, points, expires_at]}
loyalty: {tiers: [{name: basic, points: 0}, {name: silver, points: 200}, {name: gold, points: 600}]}
"""


def members(people: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Members who earn at a gamma rate all year, some of whom have left; and whether the tier was reached."""
    rng = np.random.default_rng(seed)
    rate, worth = rng.gamma(0.6, 0.03, people), rng.gamma(4.0, 12.0, people)
    left = rng.uniform(20, 330, people)
    since = np.where(
        rng.random(people) < 0.25, rng.uniform(0, 300, people), 0.0
    )  # silent for good since then
    count = rng.poisson(rate * (365 - since)) + 1
    rows = []
    for k, value, gone, away in zip(count, worth, since, left, strict=True):
        points = np.maximum(1, rng.gamma(6.0, value / 6.0, k)).round()
        last = gone + (365 - gone) * rng.random(k).min()
        rows.append((rng.integers(50, 400), away, k, points.sum(), (points**2).sum(), 500.0, last))
    frame = pd.DataFrame(rows, columns=NextTier().feature_names_in_).astype(float)
    to_come = rng.poisson(np.where(since > 0, 0.0, rate * left))
    earned = np.array([rng.gamma(6.0, v / 6.0, n).sum() for n, v in zip(to_come, worth, strict=True)])
    return frame, (earned >= frame["points_to_next_tier"].to_numpy()).astype(float)


@pytest.fixture(scope="module")
def fitted() -> NextTier:
    return NextTier().fit(*members(6_000, 1))


def test_r37_the_chance_is_calibrated_and_better_than_at_this_pace(fitted: NextTier) -> None:
    later, reached = members(6_000, 2)
    probability, pace = fitted.predict(later), AtThisPace().predict(later)
    assert expected_calibration_error(reached, probability) < 0.025  # 0.013 is noise
    assert paired_difference(reached, probability, pace, draws=200).verdict == "better"
    assert brier_loss(reached, probability) < 0.75 * brier_loss(reached, (pace >= 1).astype(float))


def test_r37_more_missing_points_less_time_and_longer_silence_never_help(fitted: NextTier) -> None:
    later, _ = members(300, 3)
    before = fitted.predict(later)
    worse = {"points_to_next_tier": 100.0, "days_since_earning": 60.0}
    for column, more in worse.items():
        assert (fitted.predict(later.assign(**{column: later[column] + more})) <= before + 1e-12).all()
    less_time = later.assign(period_left_days=later["period_left_days"] / 4)
    assert (fitted.compound_probability(less_time) <= fitted.compound_probability(later) + 1e-12).all()


def test_r37_scores_survive_json_and_do_not_depend_on_the_chunk(fitted: NextTier) -> None:
    later, _ = members(200, 4)
    later.iloc[3, 0] = np.nan  # holds the highest tier
    scores = fitted.score(later)
    assert scores["next_tier_probability"].isna().to_numpy().nonzero()[0].tolist() == [3]
    pd.testing.assert_frame_equal(NextTier.from_dict(fitted.to_dict()).score(later), scores)
    alone = pd.concat([fitted.score(later.iloc[[i]]) for i in range(20)])
    pd.testing.assert_frame_equal(alone, scores.iloc[:20], rtol=0, atol=0)


def test_r37_a_tier_nobody_reached_is_refused_and_a_missing_column_named() -> None:
    frame, reached = members(50, 5)
    with pytest.raises(NotEnoughDataError, match="0 of 50 members"):
        NextTier().fit(frame, np.zeros(50))
    with pytest.raises(ModelError, match="member_days"):
        NextTier().fit(frame.drop(columns="member_days"), reached)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("points")
    write_shop(
        SyntheticShop(n_customers=15_000, seed=5, tables=("customers", "orders", "loyalty_ledger")),
        root / "shop",
    )
    (root / "points.yaml").write_text(CONFIGURATION)
    return root


@pytest.fixture(scope="module")
def scored(shop: Path) -> Iterator[tuple[Config, ScoreResult]]:
    config = load_config(shop / "points.yaml")
    with open_base(config, Silent()) as base:
        outcome = train_beside(base, ModelStore(config.path(config.models_folder)), Silent())["next_tier"]
        assert outcome.status == "promoted"
        again = train_beside(base, ModelStore(config.path(config.models_folder)), Silent())["next_tier"]
        assert (again.version, again.new) == (outcome.version, False)
        yield config, score_base(base, Silent())


def test_r37_members_are_scored_with_points_tier_and_chance(scored: tuple[Config, ScoreResult]) -> None:
    _, result = scored
    scores = pd.read_parquet(result.folder / "scores.parquet")
    member = scores["points_balance"].notna()
    assert 0.5 < member.mean() < 0.65  # six in ten collect points
    assert set(scores.loc[member, "loyalty_tier"]) == {"basic", "silver", "gold"}
    chance = scores["next_tier_probability"]
    assert chance.notna().equals(scores["next_tier"].notna())
    assert chance.dropna().between(0, 1).all()
    assert result.champions["next_tier"].startswith("segml.points.next_tier/1@")
    tags = pd.read_parquet(result.tags_folder / "tags.parquet").set_index("tag")
    assert set(tags.loc["loyalty_tier", "value"]) == {"basic", "silver", "gold"}
    assert set(tags.loc["next_tier_chance", "value"]) <= {"likely", "within_reach", "far"}
    assert tags.loc["next_tier_chance", "model_version"].iloc[0] == result.champions["next_tier"]
    assert set(tags.loc["points_expiring", "value"]) == {"yes", "no"}


def test_r01_without_the_ledger_everything_else_is_the_same(
    shop: Path, scored: tuple[Config, ScoreResult], tmp_path: Path
) -> None:
    config, result = scored
    lean = config.model_copy(
        update={
            "tables": {name: table for name, table in config.tables.items() if name != "loyalty_ledger"},
            "data_folder": str(tmp_path / "data"),
        }
    )
    with open_base(lean, Silent()) as base:
        without = score_base(base, Silent())
    one, two = (pd.read_parquet(place.folder / "scores.parquet") for place in (result, without))
    pd.testing.assert_frame_equal(one[two.columns], two, rtol=0, atol=0)
    assert not [name for name in two.columns if "points" in name or "tier" in name]
    tags, fewer = (pd.read_parquet(place.tags_folder / "tags.parquet") for place in (result, without))
    loyal = tags["tag"].isin(["loyalty_tier", "next_tier_chance", "points_expiring"])
    pd.testing.assert_frame_equal(tags[~loyal].reset_index(drop=True), fewer)
    reasons = {tag.tag: tag.reason for tag in without.tags.unavailable}
    assert "points_balance" in reasons["points_expiring"]


def test_r37_without_table_tiers_or_a_second_period_the_chance_is_refused_with_the_reason(shop: Path) -> None:
    config = load_config(shop / "points.yaml")
    cases = {
        "no tiers": config.model_copy(update={"loyalty": config.loyalty.model_copy(update={"tiers": ()})}),
        "1 periods of 12 months": config.model_copy(update={"as_of": "2023-06-01"}),
        "no table loyalty_ledger": config.model_copy(
            update={"tables": {k: v for k, v in config.tables.items() if k != "loyalty_ledger"}}
        ),
    }
    for said, changed in cases.items():
        with open_base(changed, Silent()) as base, pytest.raises(NotEnoughDataError, match=said):
            train_next_tier(base, None)
    with pytest.raises(ConfigurationError, match="period_starts"):
        load_config(shop / "points.yaml", ["loyalty.period_starts=31-12"])
