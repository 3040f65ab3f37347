"""P(next tier before the period ends): learnt on periods that have closed, judged on the last one of them.

The other models learn from snapshots at cutoffs before a horizon; here the label window ends with the programme's
period, however near or far that is. So members are seen at twelve days of each closed period. In the test period each
is seen once, on a day that the key picks: rows are then people, and every length of the rest of a period is judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from segml.config import LoyaltySettings
from segml.errors import NotEnoughDataError
from segml.evaluation.calibration import reliability_frame
from segml.evaluation.metrics import brier_loss, classification_report_frame
from segml.features.loyalty import (
    EARNING_COLUMNS,
    LOYALTY,
    earnings_sql,
    loyalty_missing,
    reached_sql,
    replay_ledger,
    score_columns,
    tier_moves_sql,
)
from segml.features.snapshot import people_sql
from segml.measurement.kpis import TierMoves
from segml.models.next_tier import AtThisPace, NextTier
from segml.pipelines.base import OpenBase, willing_sql
from segml.pipelines.predictions import compare, own_metrics
from segml.pipelines.promotion import Trained
from segml.registry.fingerprint import feature_contract
from segml.registry.floor import DataCounts, DataFloor, require_floor
from segml.registry.gate import GateRules, decide
from segml.registry.registered import RegisteredModel
from segml.scoring.beside import looked_up
from segml.time_windows import Cutoff, Window, period_around

DAYS_A_PERIOD = 12  # days of a period at which members are seen
_MOST_MEMBERS = 100_000  # seen at one day; a keyed sample of a larger base
CONTRACT = feature_contract({**EARNING_COLUMNS, LOYALTY: earnings_sql(Cutoff(0), LoyaltySettings())})


def points_missing(base: OpenBase) -> str:
    """Say why there are no balances; empty when there are."""
    return loyalty_missing(base.engine, base.as_of)


def tier_missing(base: OpenBase) -> str:
    """Say why nothing is known of tiers; empty when it is."""
    return points_missing(base) or (
        "" if base.config.loyalty.tiers else "no tiers in the configuration (loyalty.tiers)"
    )


def closed_periods(programme: LoyaltySettings, first: Cutoff, until: Cutoff) -> list[Window]:
    """Return the periods that ended by `until` and that the history touches, oldest first.

    Examples
    --------
    >>> ended = closed_periods(LoyaltySettings(), Cutoff.parse("2022-03-01"), Cutoff.parse("2024-06-01"))
    >>> [period.start.label for period in ended]
    ['2022-01-01', '2023-01-01']
    """
    periods = []
    period = period_around(first, programme.period_months, programme.period_starts)
    while period.end <= until:
        periods.append(period)
        period = period_around(period.end, programme.period_months, programme.period_starts)
    return periods


def train_next_tier(base: OpenBase, champion: RegisteredModel | None) -> Trained:
    """Fit on all closed periods but the last, judge on the last against "at this pace" and the champion.

    Raises
    ------
    NotEnoughDataError
        No table, no tiers, too few closed periods or members; the message says what is missing.
    """
    why = tier_missing(base)
    if why:
        raise NotEnoughDataError(why)
    programme, gate = base.config.loyalty, base.config.models.gate
    periods = closed_periods(programme, base.first_day, base.known_until)
    if len(periods) < 2:
        raise NotEnoughDataError(
            f"{len(periods)} periods of {programme.period_months} months have ended within the data, and P(next tier)"
            " needs two: one to learn from and a later one to be judged on",
            "wait for the period's end",
        )
    days = {place: days_of(period) for place, period in enumerate(periods)}
    learnt = pd.concat([_members(base, day) for place in range(len(periods) - 1) for day in days[place]])
    test = pd.concat(
        [_members(base, day, f"customer_key % {DAYS_A_PERIOD} = {i}") for i, day in enumerate(days[len(days) - 1])]
    ).sort_values("customer_id", ignore_index=True)  # fmt: skip
    _require_enough(base, periods, learnt, test)
    model = NextTier().fit(learnt, learnt["reached"])
    outcome, probability = test["reached"].to_numpy(), model.predict(test)
    pace = AtThisPace().predict(test)
    plain = (pace >= 1).astype(float)
    report = classification_report_frame(outcome, {"model": probability, "at this pace": plain})
    metrics = own_metrics(report) | {"baseline_brier": brier_loss(outcome, plain)}
    against = compare(base.config, outcome, probability, pace, "auc")
    rival = champion.model.predict(test) if champion is not None else None
    against_champion = compare(base.config, outcome, probability, rival, "auc") if rival is not None else None
    metrics |= {
        "baseline_auc": against.second,
        "difference_low": against.low,
        "difference_high": against.high,
    }
    rules = GateRules("auc", tolerance=gate.champion_tolerance)
    return Trained(
        model=model,
        decision=decide(metrics, against, against_champion, rules),
        metric="auc",
        difference=against,
        against_champion=against_champion,
        baseline_name="points at this pace over points missing",
        metrics=metrics,
        example=test[list(EARNING_COLUMNS)].head(5),
        facts=_facts(base, periods, test),
        params={"periods": len(periods), "days_a_period": DAYS_A_PERIOD},
        frames={"metrics": report, "reliability": reliability_frame(outcome, probability)},
        notes=[
            f"Brier {metrics['brier']:.4f} against {metrics['baseline_brier']:.4f} of the yes or no at this pace"
        ],
    )


def days_of(period: Window) -> list[Cutoff]:
    """Return the days of a period at which members are seen, its first day among them."""
    return [period.start.plus_days(period.days * number // DAYS_A_PERIOD) for number in range(DAYS_A_PERIOD)]


def register_loyalty(base: OpenBase) -> None:
    """Make the table ``loyalty`` readable, as far as there is a ledger: triggers answer what stands in it."""
    if points_missing(base):
        base.engine.drop(LOYALTY)
    elif not base.engine.exists(LOYALTY):
        replay_ledger(base.engine, base.as_of, base.config.loyalty, LOYALTY)


def loyalty_rule(base: OpenBase, champion: RegisteredModel | None) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return what scores points and tiers: balances looked up by chunk, and the champion's P(next tier)."""
    programme = base.config.loyalty
    replay_ledger(base.engine, base.as_of, programme, LOYALTY)
    columns = score_columns(programme)
    look_up = looked_up(base.engine, LOYALTY)

    def scored(features: pd.DataFrame) -> pd.DataFrame:
        found = look_up(features)
        scores = found[list(columns)]
        if champion is None or not programme.tiers:
            return scores
        return scores.join(champion.score(found)).assign(next_tier_model_version=champion.label)

    return scored


def tier_moves(base: OpenBase) -> TierMoves | None:
    """Return what the key figures need to follow members from tier to tier; None without a ledger or tiers."""
    programme = base.config.loyalty
    if tier_missing(base):
        return None
    return TierMoves(
        tuple(tier.name for tier in programme.tiers),
        lambda start, end: tier_moves_sql(start, end, programme),
    )


def _members(base: OpenBase, day: Cutoff, among: str = "") -> pd.DataFrame:
    members = int(base.engine.value("select count(distinct customer_id) as n from loyalty_ledger") or 0)
    sample = people_sql(0, 1, min(1.0, _MOST_MEMBERS / max(members, 1)))
    people = " and ".join(condition for condition in (sample, among, willing_sql(base)) if condition)
    found = base.engine.fetch(reached_sql(day, base.config.loyalty, people))
    return found.assign(day=day.label)


def _require_enough(base: OpenBase, periods: list[Window], learnt: pd.DataFrame, test: pd.DataFrame) -> None:
    floor = base.config.models.gate.floor
    reached = int(test["reached"].sum()) if len(test) else 0
    counts = DataCounts(
        customers=min(len(test), learnt["customer_id"].nunique()),
        history_days=periods[-1].end.day - base.first_day.day,
        horizon_days=periods[-1].days,
        positives=reached,
        negatives=len(test) - reached,
    )
    least = DataFloor(floor.customers, floor.positives, floor.negatives, history_per_horizon=1)
    require_floor("next_tier", counts, least)


def _facts(base: OpenBase, periods: list[Window], test: pd.DataFrame) -> dict[str, Any]:
    return {
        "predicts": "the probability that a member reaches the next tier before the loyalty period ends",
        "population": "members who have earned points and don't hold the highest tier",
        "data_from": base.first_day.label,
        "data_until": periods[-1].end.label,
        "training_cutoffs": [day.label for period in periods[:-1] for day in days_of(period)],
        "test_cutoff": periods[-1].start.label,
        "customers": len(test),
        "features": dict(EARNING_COLUMNS),
        "limits": ["what the programme changes (double points, other tiers) is not foreseen"],
    }
