"""P(unsubscribe or complaint) within the dormancy horizon, and from which pressure on the base is saturated."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from segml.errors import NotEnoughDataError
from segml.evaluation.calibration import reliability_frame
from segml.evaluation.metrics import classification_report_frame
from segml.evaluation.saturation import Saturation, learn_saturation
from segml.features.pressure import (
    PRESSURE,
    PRESSURE_COLUMNS,
    answers_by_pressure_sql,
    pressure_sql,
    refusals_missing,
    refused_next_sql,
)
from segml.features.snapshot import people_sql
from segml.models.unsubscribe import UnsubscribeRisk
from segml.pipelines.base import OpenBase, willing_sql
from segml.pipelines.predictions import compare, own_metrics
from segml.pipelines.promotion import Trained
from segml.pipelines.schedule import make_schedule, window_facts
from segml.registry.fingerprint import feature_contract
from segml.registry.floor import DataCounts, DataFloor, require_floor
from segml.registry.gate import GateRules, decide
from segml.registry.registered import RegisteredModel
from segml.scoring.beside import looked_up
from segml.time_windows import Cutoff

CONTRACT = feature_contract({**PRESSURE_COLUMNS, PRESSURE: pressure_sql(Cutoff(0))})
_MOST_PEOPLE = 200_000  # seen at one cutoff; a keyed sample of a larger base


def unsubscribe_missing(base: OpenBase) -> str:
    """Say why no risk can be learnt; empty when it can."""
    return refusals_missing(base.engine)


def train_unsubscribe(base: OpenBase, champion: RegisteredModel | None) -> Trained:
    """Fit on past cutoffs, judge on the last whose window has closed, against contacts in 30 days and the champion.

    Raises
    ------
    NotEnoughDataError
        No table, no refusals, a short history or too few refusals, with the number that is missing.
    """
    if why := unsubscribe_missing(base):
        raise NotEnoughDataError(why)
    config, horizon = base.config, base.config.horizons.dormancy
    gate = config.models.gate
    schedule = make_schedule(horizon, base.first_day, base.known_until, config.cutoffs, gate.floor.cutoffs)
    learnt = pd.concat(
        [_people(base, cutoff, horizon) for cutoff in (*schedule.training, schedule.calibration)]
    )
    test = _people(base, schedule.test, horizon)
    refused = int(test["refused"].sum())
    counts = DataCounts(
        len(test), schedule.test.day - base.first_day.day, horizon, refused, len(test) - refused
    )
    floor = DataFloor(gate.floor.customers, gate.floor.positives, gate.floor.negatives, history_per_horizon=1)
    require_floor("unsubscribe", counts, floor)
    model = UnsubscribeRisk(horizon).fit(learnt, learnt["refused"])
    outcome, probability, pressure = test["refused"].to_numpy(), model.predict(test), test["contacts_30d"]
    report = classification_report_frame(
        outcome, {"model": probability, "same for all": pressure * 0 + float(learnt["refused"].mean())}
    )
    against = compare(config, outcome, probability, pressure.to_numpy(), "auc")
    rival = champion.model.predict(test) if champion is not None else None
    against_champion = compare(config, outcome, probability, rival, "auc") if rival is not None else None
    metrics = own_metrics(report) | {
        "baseline_auc": against.second,
        "difference_low": against.low,
        "difference_high": against.high,
    }
    rules = GateRules("auc", tolerance=gate.champion_tolerance, calibration_tolerance=0.005)
    return Trained(
        model=model,
        decision=decide(metrics, against, against_champion, rules),
        metric="auc",
        difference=against,
        against_champion=against_champion,
        baseline_name="contacts in the last 30 days",
        metrics=metrics,
        example=test[list(PRESSURE_COLUMNS)].head(5),
        facts={
            "predicts": f"the probability of an unsubscribe or a complaint within {horizon} days",
            "population": "people contacted within a year who have not refused yet",
            **window_facts(schedule, base.first_day, base.known_until, len(test)),
            "features": dict(PRESSURE_COLUMNS),
            "limits": ["it supposes that people are contacted as often as they were before"],
        },
        params={"horizon_days": horizon, "training_cutoffs": len(schedule.training)},
        frames={"metrics": report, "reliability": reliability_frame(outcome, probability)},
        notes=[learn_base_saturation(base, schedule.test).reason],
    )


def unsubscribe_rule(
    base: OpenBase, champion: RegisteredModel | None
) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return what scores a chunk with the champion."""
    base.engine.run(pressure_sql(base.as_of), PRESSURE)
    look_up = looked_up(base.engine, PRESSURE)

    def scored(features: pd.DataFrame) -> pd.DataFrame:
        if champion is None:
            return pd.DataFrame(index=features.index)
        return champion.score(look_up(features)).assign(unsubscribe_model_version=champion.label)

    return scored


def learn_base_saturation(base: OpenBase, as_of: Cutoff | None = None) -> Saturation:
    """Learn from which pressure on the base is saturated, from contacts before a day (by default the day scored)."""
    if not base.engine.exists("email_events"):
        return Saturation(None, "no table email_events")
    return learn_saturation(base.engine.fetch(answers_by_pressure_sql(as_of or base.as_of)))


def _people(base: OpenBase, cutoff: Cutoff, horizon: int) -> pd.DataFrame:
    people = base.report.tables["customers"].rows_out
    sample = people_sql(0, 1, min(1.0, _MOST_PEOPLE / max(people, 1)))
    among = " and ".join(condition for condition in (sample, willing_sql(base)) if condition)
    return base.engine.fetch(refused_next_sql(cutoff, horizon, among))
