"""The main category of the next order, against the popularity of categories."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from segml.errors import NotEnoughDataError
from segml.evaluation.metrics import expected_calibration_error
from segml.features.next_category import (
    INPUTS,
    MAIN,
    bought_next_sql,
    categories_missing,
    inputs_sql,
    largest_categories,
    main_categories_sql,
)
from segml.features.snapshot import people_sql
from segml.models.next_category import PARTS, NextCategory
from segml.pipelines.base import OpenBase, willing_sql
from segml.pipelines.predictions import compare
from segml.pipelines.promotion import Trained
from segml.pipelines.schedule import Schedule, make_schedule, window_facts
from segml.registry.fingerprint import feature_contract
from segml.registry.floor import DataCounts, DataFloor, require_floor
from segml.registry.gate import GateRules, decide
from segml.registry.registered import RegisteredModel
from segml.scoring.beside import looked_up
from segml.time_windows import Cutoff

CONTRACT = feature_contract(
    {MAIN: main_categories_sql(Cutoff(0)), INPUTS: inputs_sql(Cutoff(0), ("one", "another"))}
)
_MOST_PEOPLE = 50_000  # seen at one cutoff; a keyed sample of a larger base


def next_category_missing(base: OpenBase) -> str:
    """Say why no next category can be told; empty when it can."""
    return categories_missing(base.engine)


def train_next_category(base: OpenBase, champion: RegisteredModel | None) -> Trained:
    """Fit on past cutoffs, judge on the last whose window has closed: hits of the first against popularity's.

    Raises
    ------
    NotEnoughDataError
        No categories, a short history or too few people who ordered, with the number that is missing.
    """
    if why := next_category_missing(base):
        raise NotEnoughDataError(why)
    config, horizon = base.config, base.config.horizons.dormancy
    gate = config.models.gate
    schedule = make_schedule(horizon, base.first_day, base.known_until, config.cutoffs, gate.floor.cutoffs)
    base.engine.run(main_categories_sql(base.known_until), MAIN)
    categories = largest_categories(base.engine, schedule.training[0])
    if len(categories) < 2:
        raise NotEnoughDataError(
            f"orders before {schedule.training[0]} were mainly for {len(categories)} categories; two are needed"
        )
    cutoffs = (*schedule.training, schedule.calibration)
    learnt = pd.concat([_people(base, cutoff, horizon, categories) for cutoff in cutoffs])
    test = _people(base, schedule.test, horizon, categories)
    counts = DataCounts(len(test), schedule.test.day - base.first_day.day, horizon)
    require_floor("next_category", counts, DataFloor(gate.floor.customers, history_per_horizon=1))
    model = NextCategory(categories).fit(learnt, learnt["next_place"])
    return _judged(base, schedule, model, test, champion)


def _judged(
    base: OpenBase,
    schedule: Schedule,
    model: NextCategory,
    test: pd.DataFrame,
    champion: RegisteredModel | None,
) -> Trained:
    bought = test["next_place"].to_numpy()
    places, probability = model.rank(test)
    popular = np.argsort(-model.popularity_, kind="stable")[:3]
    hits = {f"hit_at_{k}": (places[:, :k] == bought[:, None]).any(axis=1).astype(float) for k in (1, 3)}
    naive = {f"hit_at_{k}": np.isin(bought, popular[:k]).astype(float) for k in (1, 3)}
    against = {name: compare(base.config, bought, hits[name], naive[name], "hit_rate") for name in hits}
    first = against["hit_at_1"]
    metrics = {
        "hit_rate": first.first,
        "baseline_hit_rate": first.second,
        "difference_low": first.low,
        "difference_high": first.high,
        "hit_at_3": against["hit_at_3"].first,
        "baseline_hit_at_3": against["hit_at_3"].second,
        "hit_at_3_difference_low": against["hit_at_3"].low,
        "hit_at_3_difference_high": against["hit_at_3"].high,
        "calibration_error": expected_calibration_error(hits["hit_at_1"], probability[:, 0]),
    }
    rival = _rival_hits(base, schedule, champion)
    against_champion = (
        None if rival is None else compare(base.config, bought, hits["hit_at_1"], rival, "hit_rate")
    )
    rules = GateRules("hit_rate", tolerance=base.config.models.gate.champion_tolerance)
    return Trained(
        model=model,
        decision=decide(metrics, first, against_champion, rules),
        metric="hit_rate",
        difference=first,
        against_champion=against_champion,
        baseline_name="the most popular category",
        metrics=metrics,
        example=test[model.feature_names_in_].head(5),
        facts={
            "predicts": f"the main category of a customer's next order, given one within {schedule.horizon} days",
            "population": "customers with an order of a known category",
            **window_facts(schedule, base.first_day, base.known_until, len(test)),
            "features": {
                "own_<i>": "orders mainly of the category at place i",
                "recent_<i>": "of them, those of the last 90 days",
                "last_category": "place of the last order's category",
            },
            "limits": ["it says what comes next if an order comes, not whether one does"],
        },
        params={"horizon_days": schedule.horizon, "categories": len(model.categories)},
        frames={"weights": pd.DataFrame(model.weights_, columns=list(PARTS))},
        notes=[
            f"one of three is right for {metrics['hit_at_3']:.1%}, of the three most popular for"
            f" {metrics['baseline_hit_at_3']:.1%}"
        ],
    )


def _rival_hits(base: OpenBase, schedule: Schedule, champion: RegisteredModel | None) -> object | None:
    """The champion may know other categories: it is asked with its own, of the same people."""
    if champion is None:
        return None
    found = _people(base, schedule.test, schedule.horizon, champion.model.categories)
    places, _ = champion.model.rank(found, 1)
    return np.asarray(places[:, 0] == found["next_place"].to_numpy(), dtype=float)


def next_category_rule(
    base: OpenBase, champion: RegisteredModel | None
) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return what scores a chunk with the champion."""
    if champion is None:
        return lambda features: pd.DataFrame(index=features.index)
    base.engine.run(main_categories_sql(base.as_of), MAIN)
    base.engine.run(inputs_sql(base.as_of, champion.model.categories), INPUTS)
    base.engine.drop(MAIN)
    look_up = looked_up(base.engine, INPUTS)

    def scored(features: pd.DataFrame) -> pd.DataFrame:
        return champion.score(look_up(features)).assign(next_category_model_version=champion.label)

    return scored


def _people(base: OpenBase, cutoff: Cutoff, horizon: int, categories: tuple[str, ...]) -> pd.DataFrame:
    people = base.report.tables["customers"].rows_out
    sample = people_sql(0, 1, min(1.0, _MOST_PEOPLE / max(people, 1)))
    among = " and ".join(condition for condition in (sample, willing_sql(base)) if condition)
    return base.engine.fetch(bought_next_sql(cutoff, horizon, categories, among))
