"""Any shop trains on any day: every task ends in a verdict or in a refusal that names what is missing.

The fast tests take the layouts of cutoffs one by one, the lifetime value on every one of them, and a few whole shops;
`make test-slow` sweeps shops of all lengths and every last day of two months through the main job.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from random_shops import CHEAP, RandomShop, draw_shop
from segml.config import CutoffSettings, load_config
from segml.errors import NotEnoughDataError
from segml.models import btyd
from segml.models.value import LifetimeValue
from segml.models.value_blend import Rehearsal, choose_weights
from segml.models.value_rehearsal import Rehearsing, rehearse
from segml.pipelines import segmentation
from segml.pipelines.promotion import ModelOutcome
from segml.pipelines.run import run
from segml.pipelines.schedule import Schedule, make_schedule
from segml.pipelines.train import train
from segml.time_windows import Cutoff

FIRST = Cutoff.parse("2021-01-01")


@given(
    horizon=st.sampled_from([1, 7, 30, 60, 180, 365, 500]),
    history=st.integers(1, 1_500),
    every=st.integers(1, 120),
    at_most=st.integers(1, 12),
    minimum=st.integers(1, 400),
    least=st.integers(1, 3),
)
@settings(max_examples=300, deadline=None)
def test_r06_a_history_has_a_whole_schedule_or_is_refused_with_the_days_it_needs(
    horizon: int, history: int, every: int, at_most: int, minimum: int, least: int
) -> None:
    rules = CutoffSettings(every_days=every, at_most=at_most, minimum_history_days=minimum)
    try:
        schedule = make_schedule(horizon, FIRST, FIRST.plus_days(history), rules, least)
    except NotEnoughDataError as error:
        needed, have = re.search(r"needs (\d+) days.*there are (\d+)", error.message).groups()  # type: ignore[union-attr]
        assert int(have) == history
        assert int(needed) > history or at_most < least
        return
    assert schedule.fitting
    assert schedule.calibrating
    assert FIRST < schedule.training[0] < schedule.calibration < schedule.test
    assert all(
        cutoff.plus_days(horizon) <= schedule.test for cutoff in (*schedule.training, schedule.calibration)
    )
    assert len(schedule.year_ago) == 0 or len(schedule.year_ago) > 2


def snapshot(cutoff: Cutoff, people: int, horizon: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Histories of `people` customers as of a cutoff, and what they spent after it."""
    rng = np.random.default_rng([seed, cutoff.day])
    age = np.ceil(rng.uniform(1, cutoff.day - FIRST.day + 1, people))
    repeat = rng.poisson(rng.gamma(0.8, 2.0, people)).astype(float)
    span = np.where(repeat > 0, np.floor(age * rng.random(people)), 0.0)
    worth = rng.lognormal(3, 0.5, people)
    features = pd.DataFrame(
        {
            "repeat_orders": np.where(span > 0, repeat, 0.0),
            "first_to_last_days": span,
            "age_days": age,
            "recency_days": age - span,
            "orders_total": repeat + 1,
            "spend_total": worth * (repeat + 1),
        },
        index=pd.Index([f"c{i:04d}" for i in range(people)], name="customer_id"),
    )
    spent = np.where(rng.random(people) < 0.3, worth * rng.poisson(2, people), 0.0)
    return features, pd.DataFrame({f"spend_next_{horizon}d": spent}, index=features.index)


def stacked(cutoffs: tuple[Cutoff, ...], people: int, horizon: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    pairs = {cutoff.label: snapshot(cutoff, people, horizon, 3) for cutoff in cutoffs}
    return tuple(  # type: ignore[return-value]
        pd.concat({label: pair[part] for label, pair in pairs.items()}, names=["cutoff"]) for part in (0, 1)
    )


def value_of(schedule: Schedule, people: int) -> LifetimeValue:
    """Fit the lifetime value on a schedule's cutoffs, as `train_value` does."""
    horizon = schedule.horizon
    present, _ = snapshot(schedule.test, people, horizon, 3)
    return LifetimeValue(horizon, btyd.ModifiedBetaGeoNBD(), num_threads=1, rounds=20).fit(
        *stacked(schedule.training, people, horizon),
        calibration=stacked((schedule.calibration,), people, horizon),
        present=present,
        year_ago=stacked(schedule.year_ago, people, horizon) if len(schedule.year_ago) > 1 else None,
    )


@pytest.mark.parametrize("people", [40, 320, 520])
@pytest.mark.parametrize(
    ("horizon", "history"), [(365, 842), (365, 968), (365, 1_094), (365, 1_300), (90, 292), (30, 240)]
)
@pytest.mark.parametrize("at_most", [2, 3])
def test_r31_a_value_is_forecast_on_every_layout_of_cutoffs(
    people: int, horizon: int, history: int, at_most: int
) -> None:
    """Histories under three horizons have an origin before which no window has closed."""
    rules = CutoffSettings(at_most=at_most)
    schedule = make_schedule(horizon, FIRST, FIRST.plus_days(history), rules)
    model = value_of(schedule, people)
    features, _ = snapshot(schedule.test, people, horizon, 3)
    scores = model.score(features, as_of=schedule.test.label)
    assert np.isfinite(scores[f"clv_{horizon}d"]).all()
    assert (scores[f"clv_{horizon}d"] >= 0).all()
    assert sum(model.weights_.values()) == pytest.approx(1)


def test_r31_an_origin_before_which_nothing_has_closed_is_foretold_by_the_rhythm_alone() -> None:
    X, labels = stacked((FIRST.plus_days(100), FIRST.plus_days(120)), 60, 365)
    y = labels["spend_next_365d"].to_numpy()
    how = Rehearsing(365, (), btyd.ModifiedBetaGeoNBD(), {})
    found, notes = rehearse(how, X, y)
    assert [set(rehearsal.forecasts) for rehearsal in found] == [{"rhythm"}]
    assert notes == []
    once = X.assign(repeat_orders=0.0, first_to_last_days=0.0)  # nobody came twice: no rhythm either
    assert rehearse(how, once, y) == ([], [])


def test_r31_rehearsals_without_a_common_candidate_choose_nothing() -> None:
    y = np.array([0.0, 5.0, 9.0])
    assert choose_weights([Rehearsal("", {}, y)]) == {}
    assert choose_weights([Rehearsal("", {"rhythm": y + 1}, y), Rehearsal("", {"tweedie": y + 1}, y)]) == {}


def require_told(outcomes: tuple[ModelOutcome, ...]) -> None:
    """Every task has a verdict, or a refusal in words."""
    assert len(outcomes) == 10
    for outcome in outcomes:
        assert outcome.status in ("promoted", "refused", "unavailable"), outcome
        assert outcome.reasons
        assert all(outcome.reasons), outcome


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """No tracking server from outside, and segments without a consensus of thirty runs: that is their quality alone."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(segmentation, "CONSENSUS_RUNS", 0)


def outcomes_of(shop: RandomShop, folder: Path, store: Path, **how: Any) -> tuple[ModelOutcome, ...]:
    """Train a shop in a folder of its own; one store for all, since MLflow takes seconds to make its tables."""
    overrides = [
        *CHEAP,
        f"models_folder={store}",
        f"base=shop{shop.seed}x{shop.days}",
        *how.pop("overrides", ()),
    ]
    return train(load_config(shop.write(folder, **how), overrides)).outcomes


@pytest.mark.parametrize(
    "shop",
    [
        RandomShop(1, people=260, days=905, rate=0.01),
        RandomShop(2, people=230, days=1_093, rate=0.02),
        RandomShop(3, people=60, days=75),
    ],
    ids=lambda shop: f"{shop.people}-people-{shop.days}-days",
)
def test_r06_a_small_shop_has_a_verdict_or_a_refusal_for_every_task(
    shop: RandomShop, tmp_path: Path, cheap: None
) -> None:
    require_told(outcomes_of(shop, tmp_path / "shop", tmp_path / "mlruns"))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 120, 20))
def test_r06_shops_of_all_lengths_and_sizes_train(first: int, tmp_path: Path, cheap: None) -> None:
    for seed in range(first, first + 20):
        require_told(outcomes_of(draw_shop(seed), tmp_path / str(seed), tmp_path / "mlruns"))


@pytest.mark.slow
@pytest.mark.parametrize("month", ["2024-06", "2024-12"])
def test_r06_one_shop_trains_as_of_every_day_of_a_month(month: str, tmp_path: Path, cheap: None) -> None:
    shop = RandomShop(11, people=350, days=1_060, until="2025-01-01", rate=0.01)
    for day in pd.date_range(f"{month}-01", periods=31 if month.endswith("12") else 30):
        label = day.strftime("%Y-%m-%d")
        told = outcomes_of(shop, tmp_path / "shop", tmp_path / "mlruns", overrides=[f"as_of='{label}'"])
        require_told(told)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_r06_any_shop_runs_to_its_lists(seed: int, tmp_path: Path, cheap: None) -> None:
    shop = replace(draw_shop(seed), people=300, rate=0.02)
    result = run(load_config(shop.write(tmp_path), CHEAP))
    require_told(result.training.outcomes)
    assert result.exit_code == 0
    assert [each.status for each in result.lists.report.campaigns] == ["built"]
