"""Dormancy, churn and lifetime value: learn from many cutoffs, judge on a later one.

Everything that is judged is judged on the same customers of the test cutoff: the challenger, the present champion and
the naive rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segml.config import Config
from segml.errors import ModelError
from segml.evaluation.calibration import gains_frame, reliability_frame, value_decile_frame
from segml.evaluation.comparison import PairedDifference, paired_difference
from segml.evaluation.metrics import (
    classification_report_frame,
    equal_count_bins,
    top_decile_capture_score,
    value_report_frame,
)
from segml.features.plan import FeaturePlan
from segml.features.snapshot import load_labels, load_snapshot
from segml.pipelines.drift import learn_reference
from segml.pipelines.offer import offer_metrics, offer_plots
from segml.pipelines.promotion import Trained
from segml.pipelines.schedule import Schedule, unseen_season, window_facts
from segml.registry.floor import DataCounts, DataFloor, require_floor
from segml.registry.gate import GateRules, decide
from segml.registry.registered import RegisteredModel
from segml.time_windows import Cutoff

EXAMPLE_ROWS = 5
USUAL_BIAS = 0.15  # a total that is further off is no number to plan with
ORDER_MODELS = {"bg_nbd": "BetaGeoNBD", "mbg_nbd": "ModifiedBetaGeoNBD", "pareto_nbd": "ParetoNBD"}


@dataclass
class TrainingData:
    """Snapshots on disk, and what is known about them.

    Attributes
    ----------
    partitions : dict of Cutoff to Path
        One snapshot a cutoff.
    first_day, observed_until : Cutoff
        Ends of the history.
    """

    config: Config
    plan: FeaturePlan
    partitions: Mapping[Cutoff, Path]
    first_day: Cutoff
    observed_until: Cutoff

    def __post_init__(self) -> None:
        self._kept: dict[Cutoff, tuple[pd.DataFrame, pd.DataFrame]] = {}

    def population(self, cutoff: Cutoff) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return features and labels of the customers who bought lately enough at a cutoff."""
        if cutoff not in self._kept:
            features, labels = load_snapshot(self.partitions[cutoff]), load_labels(self.partitions[cutoff])
            lately = (features["recency_days"] <= self.config.models.active_within_days).to_numpy()
            self._kept[cutoff] = features[lately], labels[lately]
        return self._kept[cutoff]

    def stacked(self, cutoffs: Iterable[Cutoff]) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return several cutoffs' features and labels under the index (cutoff, customer_id)."""
        frames = {cutoff.label: self.population(cutoff) for cutoff in sorted(set(cutoffs))}
        features = pd.concat({label: pair[0] for label, pair in frames.items()}, names=["cutoff"])
        labels = pd.concat({label: pair[1] for label, pair in frames.items()}, names=["cutoff"])
        return features, labels

    @cached_property
    def last_customers(self) -> int:
        """Customers of the population at the latest cutoff with a snapshot."""
        return len(self.population(max(self.partitions))[0])

    def facts(
        self, schedule: Schedule, predicts: str, features: Sequence[str], limits: Iterable[str]
    ) -> dict[str, Any]:
        """Return what the model card says about data and cutoffs."""
        days = self.config.models.active_within_days
        return {
            "predicts": predicts,
            "population": f"customers with an order in the {days} days before the cutoff; others are scored and marked",
            **window_facts(
                schedule, self.first_day, self.observed_until, len(self.population(schedule.test)[0])
            ),
            "features": {name: self.plan.meanings[name] for name in features},
            "limits": list(limits),
            "plan": self.plan.to_dict(),
        }


def masked_labels(
    labels: pd.DataFrame, schedules: Iterable[Schedule], which: Callable[[Schedule], Iterable[Cutoff]]
) -> pd.DataFrame:
    """Return the labels with those blanked that a horizon's schedule does not allow.

    One frame serves all horizons; a longer horizon has fewer closed windows before its own test.
    """
    masked = labels.copy()
    at = labels.index.get_level_values("cutoff")
    for schedule in schedules:
        allowed = {cutoff.label for cutoff in which(schedule)}
        columns = [name for name in map(str, labels.columns) if name.endswith(f"_next_{schedule.horizon}d")]
        masked.loc[~at.isin(allowed), columns] = np.nan
    return masked


def train_returns(
    data: TrainingData, schedules: Mapping[str, Schedule], champions: Mapping[str, RegisteredModel | None]
) -> list[Trained]:
    """Fit one return curve and judge each task that reads it.

    Parameters
    ----------
    data : TrainingData
    schedules : dict of str to Schedule
        ``dormancy`` and/or ``churn``.
    champions : dict of str to RegisteredModel or None
        Present champions.
    """
    from segml.models.returning import ReturnCurve, ReturnTask

    different = list({schedule.horizon: schedule for schedule in schedules.values()}.values())
    features, labels = data.stacked(c for schedule in different for c in schedule.fitting)
    later, later_labels = data.stacked(c for schedule in different for c in schedule.calibrating)
    curve = ReturnCurve(
        sorted(schedule.horizon for schedule in different),
        random_state=data.config.seed,
        num_threads=data.config.scoring.threads,
    ).fit(
        features,
        masked_labels(labels, different, lambda schedule: schedule.fitting),
        calibration=(later, masked_labels(later_labels, different, lambda schedule: schedule.calibrating)),
        present=data.population(min(schedule.test for schedule in different))[0],
    )
    return [
        judge_return(data, ReturnTask(task, schedule.horizon, curve), schedule, champions.get(task))  # type: ignore[arg-type]
        for task, schedule in schedules.items()
    ]


def judge_return(
    data: TrainingData, model: Any, schedule: Schedule, champion: RegisteredModel | None
) -> Trained:
    """Hold a dormancy or churn model against the recency rule and the champion, on the test cutoff."""
    from segml.models.baselines import RecencyRule

    task, horizon, offer = str(model.task), schedule.horizon, data.config.models.offer
    features, labels = data.population(schedule.test)
    outcome = labels[f"silent_next_{horizon}d"].to_numpy()
    probability = model.score(features)[f"{task}_probability"].to_numpy()
    rule = RecencyRule(f"silent_next_{horizon}d").fit(*data.stacked([schedule.calibration]))
    silence = features["recency_days"].to_numpy()
    report = classification_report_frame(
        outcome, {"model": probability, "recency rule": rule.predict(features)}
    )
    contest = Contest(data, features, outcome, probability, silence, f"{task}_probability")
    rules = GateRules("auc", tolerance=data.config.models.gate.champion_tolerance)
    verdict = contest.settle(champion, own_metrics(report), rules)
    return Trained(
        model=model,
        baseline_name="days since the last order",
        example=features.head(EXAMPLE_ROWS),
        facts=data.facts(
            schedule,
            f"the probability that a customer places no order in the {horizon} days after the cutoff",
            model.feature_names_in_,
            ["a probability of silence, not of responding to a message: that takes a randomised holdout"],
        ),
        notes=[*model.notes_, *verdict.pop("notes")],
        params={"horizon_days": horizon, "training_cutoffs": len(schedule.training)},
        frames={"metrics": report, "reliability": reliability_frame(outcome, probability)},
        drift=learn_reference(data, model, schedule, outcome, probability).to_dict(),
        plots=_return_plots(data, model, features, outcome, {"model": probability, "recency rule": silence}),
        metrics=verdict.pop("metrics") | offer_metrics(offer, outcome, probability),
        **verdict,
    )


def _return_plots(
    data: TrainingData, model: Any, features: pd.DataFrame, outcome: Any, ranked: dict[str, Any]
) -> dict[str, Callable[[Any], object]]:
    from segml.evaluation import plots
    from segml.models.reasons import reason_summary_frame

    sample = features.iloc[:: max(1, len(features) // 2_000)]
    return {
        "reliability": lambda ax: plots.plot_reliability(reliability_frame(outcome, ranked["model"]), ax=ax),
        "gains": lambda ax: plots.plot_gains(gains_frame(outcome, ranked), ax=ax),
        "reasons": lambda ax: plots.plot_reason_summary(
            reason_summary_frame(model.contributions(sample)), ax=ax
        ),
        **offer_plots(data.config.models.offer, data.config.currency, outcome, ranked),
    }


def train_value(data: TrainingData, schedule: Schedule, champion: RegisteredModel | None) -> Trained:
    """Fit the lifetime value of everybody and judge it against "last period again"."""
    from segml.models import btyd
    from segml.models.value import LifetimeValue

    year_ago = [cutoff for cutoff in schedule.year_ago if cutoff in data.partitions]
    model = LifetimeValue(
        schedule.horizon,
        getattr(btyd, ORDER_MODELS[data.config.models.btyd])(),
        margin=data.config.models.margin,
        random_state=data.config.seed,
        num_threads=data.config.scoring.threads,
    ).fit(
        *data.stacked(schedule.training),
        calibration=data.stacked([schedule.calibration]),
        present=data.population(schedule.test)[0],
        year_ago=data.stacked(year_ago) if len(year_ago) > 1 else None,
    )
    return judge_value(data, model, schedule, champion)


def judge_value(
    data: TrainingData, model: Any, schedule: Schedule, champion: RegisteredModel | None
) -> Trained:
    """Hold a lifetime value against "last period again" and the champion, on the test cutoff."""
    from segml.evaluation import plots
    from segml.models.baselines import LastPeriodAgain

    horizon, margin = schedule.horizon, data.config.models.margin
    test, labels = data.population(schedule.test)
    outcome = labels[f"spend_next_{horizon}d"].to_numpy() * margin
    forecast = model.score(test, as_of=schedule.test.label)
    value = forecast[f"clv_{horizon}d"].to_numpy()
    again = LastPeriodAgain(horizon).predict(test) * margin
    report = value_report_frame(outcome, {"model": value, "last period again": again})
    inside = (outcome >= forecast[f"clv_{horizon}d_low"]) & (outcome <= forecast[f"clv_{horizon}d_high"])
    metrics = own_metrics(report) | coverage_by_third(value, inside.to_numpy())
    metrics["baseline_top_decile_capture"] = top_decile_capture_score(outcome, again)
    metrics["absolute_total_bias"] = abs(metrics["total_bias"])
    rules = GateRules(
        "normalised_gini",
        tolerance=data.config.models.gate.champion_tolerance,
        calibration_metric="absolute_total_bias",
        calibration_tolerance=USUAL_BIAS,
    )
    contest = Contest(data, test, outcome, value, again, f"clv_{horizon}d", schedule.test.label)
    verdict = contest.settle(champion, metrics, rules)
    return Trained(
        model=model,
        baseline_name="last period again",
        example=test.head(EXAMPLE_ROWS),
        facts=data.facts(
            schedule,
            f"what a customer spends in the {horizon} days after the cutoff, net of returns, in {data.config.currency}",
            model.feature_names_in_,
            ["a horizon that the history has not seen in this season is forecast without it"],
        ),
        notes=[
            *model.notes_,
            *verdict.pop("notes"),
            *seasonal_notes(model, data, horizon),
        ],
        params={
            "horizon_days": horizon,
            "training_cutoffs": len(schedule.training),
            "btyd": data.config.models.btyd,
            "blend": ", ".join(f"{name} {weight:.0%}" for name, weight in model.weights_.items()),
            "total_factor": round(model.total_factor_, 4),
        },
        frames={"metrics": report},
        plots={"deciles": lambda ax: plots.plot_value_deciles(value_decile_frame(outcome, value), ax=ax)},
        **verdict,
    )


def coverage_by_third(forecast: Any, inside: Any) -> dict[str, float]:
    """Share of people inside their interval: of all, and of the lowest, middle and highest third by forecast.

    Examples
    --------
    >>> found = coverage_by_third(np.arange(6.0), np.array([True, True, True, False, True, False]))
    >>> {name: round(share, 2) for name, share in found.items()}
    {'interval_coverage': 0.67, 'interval_coverage_lowest_third': 1.0, 'interval_coverage_middle_third': 0.5, \
'interval_coverage_highest_third': 0.5}
    """
    third = equal_count_bins(forecast, 3)
    found = {"interval_coverage": float(np.mean(inside))}
    for number, name in enumerate(("lowest", "middle", "highest")):
        if (third == number).any():
            found[f"interval_coverage_{name}_third"] = float(np.mean(inside[third == number]))
    return found


def seasonal_notes(model: Any, data: TrainingData, horizon: int) -> list[str]:
    """Say what the total knows of the season it is asked for."""
    unseen = unseen_season(data.first_day, data.observed_until, horizon)
    if model.season_ is None:
        return unseen
    factor = model.season_.factor(data.observed_until.day)
    return [
        f"the total carries last year's season: from {data.observed_until} on it is multiplied by {factor:.2f}"
    ]


@dataclass(frozen=True)
class Contest:
    """A challenger, its naive rule and the champion on the same rows.

    Attributes
    ----------
    outcome, challenger, naive : array of shape (n,)
    column : str
        What the champion's score is called.
    as_of : str, optional
        The rows' cutoff, for a model that knows seasons.
    """

    data: TrainingData
    features: pd.DataFrame
    outcome: Any
    challenger: Any
    naive: Any
    column: str
    as_of: str | None = None

    def settle(
        self, champion: RegisteredModel | None, metrics: dict[str, float], rules: GateRules
    ) -> dict[str, Any]:
        """Return the fields of `Trained` that a verdict fills."""
        config = self.data.config
        against = compare(config, self.outcome, self.challenger, self.naive, rules.metric)
        against_champion, notes = self._versus(champion, rules.metric)
        return {
            "decision": decide(metrics, against, against_champion, rules),
            "metric": rules.metric,
            "metrics": metrics
            | {
                f"baseline_{rules.metric}": against.second,
                "difference_low": against.low,
                "difference_high": against.high,
            },
            "difference": against,
            "against_champion": against_champion,
            "notes": notes,
        }

    def _versus(
        self, champion: RegisteredModel | None, metric: str
    ) -> tuple[PairedDifference | None, list[str]]:
        if champion is None:
            return None, []
        try:
            scores = champion.score(self.features, contract=self.data.plan.contract, as_of=self.as_of)
            score = scores[self.column].to_numpy()
        except (ModelError, KeyError) as error:
            return None, [f"not compared with the champion {champion.label}: {str(error).splitlines()[0]}"]
        return compare(self.data.config, self.outcome, self.challenger, score, metric), []


def own_metrics(report: pd.DataFrame) -> dict[str, float]:
    """Return the challenger's column of a report frame."""
    return {str(name): float(value) for name, value in report["model"].items()}


def compare(config: Config, outcome: Any, first: Any, second: Any, metric: str) -> PairedDifference:
    """Compare two scores on the same rows, with the configuration's bootstrap."""
    return paired_difference(
        outcome, first, second, metric, draws=config.models.gate.bootstraps, seed=config.seed + 20_260_101
    )


def require_enough(task: str, data: TrainingData, schedule: Schedule) -> None:
    """Refuse a model below its floor, with the numbers that are missing."""
    floor = data.config.models.gate.floor
    features, labels = data.population(schedule.test)
    name = f"silent_next_{schedule.horizon}d"
    silent = int(labels[name].sum()) if name in labels else None
    require_floor(
        task,
        DataCounts(
            customers=len(features),
            history_days=schedule.test.day - data.first_day.day,
            horizon_days=schedule.horizon,
            positives=silent,
            negatives=None if silent is None else len(features) - silent,
        ),
        DataFloor(
            customers=floor.customers,
            positives=floor.positives,
            negatives=floor.negatives,
            history_per_horizon=1,
        ),
    )
