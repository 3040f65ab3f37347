"""Is the learner of one campaign any better than sending to everybody alike? The gate's question, with its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from segml.evaluation.comparison import PairedDifference
from segml.evaluation.uplift_metrics import qini_curve_frame, uplift_decile_frame, uplift_report_frame
from segml.evaluation.uplift_policy import doubly_robust_scores, mean_and_error, policy_gains, sending_weights
from segml.pipelines.promotion import Trained
from segml.registry.gate import GateRules, decide
from segml.registry.registered import RegisteredModel

if TYPE_CHECKING:
    from segml.pipelines.base import OpenBase
    from segml.pipelines.uplift import Experiment

METRIC = "policy_value"
LEVEL = 0.95
_EXAMPLE_ROWS = 5
_DRAWS = 200


def judge_uplift(
    base: OpenBase, experiment: Experiment, champion: RegisteredModel | None
) -> tuple[Trained, list[tuple[str, pd.DataFrame]]]:
    """Fit the ladder on one campaign and hold the chosen rung against "the same for everybody".

    Parameters
    ----------
    base : OpenBase
    experiment : Experiment
    champion : RegisteredModel, optional
        Compared on the lists it has not seen, if there are any.

    Returns
    -------
    (Trained, frames)
        The model with its verdict, and the tables ``metrics`` and ``deciles``.

    Raises
    ------
    DataError
        What was known before tells the arm.
    NotEnoughDataError
        An arm is too small.
    """
    from segml.models.uplift import UpliftLadder
    from segml.models.uplift.task import UpliftTask, held_out_increments

    ladder = UpliftLadder(random_state=base.config.seed, num_threads=base.config.scoring.threads).fit(
        experiment.X, experiment.y, experiment.treated, experiment.probability
    )
    model = UpliftTask(experiment.campaign, ladder)
    increments = held_out_increments(
        ladder, experiment.X, experiment.y, experiment.treated, experiment.probability
    )
    against = _against_floor(ladder.selection_)
    versus, notes = _against_champion(experiment, increments, champion)
    data = (experiment.y, experiment.treated)
    report = uplift_report_frame(
        *data, {model.task: increments}, experiment.probability, draws=_DRAWS, seed=base.config.seed
    )
    deciles = uplift_decile_frame(*data, increments, experiment.probability)
    metrics = {str(row["metric"]): float(row["value"]) for row in report.to_dict("records")}
    metrics |= {METRIC: against.first, "difference_low": against.low, "difference_high": against.high}
    trained = Trained(
        model=model,
        decision=decide(metrics, against, versus, GateRules(METRIC)),
        metrics=metrics,
        example=experiment.X.head(_EXAMPLE_ROWS),
        facts=_facts(base, experiment),
        metric=METRIC,
        difference=against,
        against_champion=versus,
        baseline_name="the same for everybody",
        notes=[ladder.check_.text, ladder.choice_reason_, ladder.policy_.text, *notes],
        params={"rung": ladder.rung_, "lists": len(experiment.lists), "people": len(experiment.y)},
        frames={"ladder": ladder.selection_, "metrics": report, "deciles": deciles},
        plots=_plots(
            ladder.selection_,
            deciles,
            qini_curve_frame(*data, {model.task: increments}, experiment.probability),
        ),
    )
    named = [("metrics", report.drop(columns="score")), ("deciles", deciles)]
    frames = []
    for name, frame in named:
        head = frame.copy()
        head.insert(0, "campaign", experiment.campaign)
        head.insert(1, "rung", ladder.rung_)
        frames.append((name, head))
    return trained, frames


def _against_floor(selection: pd.DataFrame) -> PairedDifference:
    """The chosen rung's cross-fitted policy value against the floor's; the level is shared between the rungs tried."""
    chosen = selection[selection["chosen"]].iloc[0]
    reach = float(norm.ppf(1 - (1 - LEVEL) / 2 / max(len(selection) - 1, 1)))
    gap = float(chosen["ahead_of_floor"])
    half = reach * float(chosen["ahead_error"])
    return PairedDifference(
        METRIC, float(chosen["value"]), float(chosen["value"]) - gap, gap, gap - half, gap + half, LEVEL, 0
    )


def _against_champion(
    experiment: Experiment, increments: np.ndarray[Any, Any], champion: RegisteredModel | None
) -> tuple[PairedDifference | None, list[str]]:
    """Compare on lists after the champion's own, which it has not seen; challenger by held-out folds."""
    if champion is None:
        return None, []
    unseen = experiment.as_of > champion.cutoff
    arms = experiment.treated[unseen]
    lacking = set(champion.features) - set(experiment.X.columns)
    if champion.feature_contract != experiment.contract or lacking or min(arms.sum(), (1 - arms).sum()) < 2:
        return None, [f"not compared with the champion {champion.label}: no list since that it can score"]
    scores = champion.score(experiment.X[unseen]).iloc[:, 0].to_numpy()
    y, chance = experiment.y[unseen], experiment.probability[unseen]
    means = np.array([y[arms == arm].mean() for arm in (0, 1)])
    robust = doubly_robust_scores(y, arms, np.column_stack([1 - chance, chance]), np.tile(means, (len(y), 1)))
    first, second = (policy_gains(robust, sending_weights(one)) for one in (increments[unseen], scores))
    gap, error = mean_and_error(first - second)
    half = float(norm.ppf((1 + LEVEL) / 2)) * error
    values = float(first.mean()), float(second.mean())
    return PairedDifference(METRIC, *values, gap, gap - half, gap + half, LEVEL, 0), []


def _facts(base: OpenBase, experiment: Experiment) -> dict[str, Any]:
    days = [built.as_of.label for built in experiment.lists]
    return {
        "predicts": f"by how much contacting a person by {experiment.campaign} raises the chance of an order within "
        f"{experiment.lists[-1].window.days} days",
        "population": "people whom the campaign's audience holds; others are scored, and nothing is known about them",
        "data_from": base.first_day.label,
        "data_until": base.observed_until.label,
        "training_cutoffs": days,
        "test_cutoff": days[-1],
        "customers": len(experiment.y),
        "features": dict.fromkeys(map(str, experiment.X.columns), "as of the list's day"),
        "limits": [
            "measured on held-out folds of the same lists, not on a later one: the next list is the test",
            "learnt from one campaign as it was sent; another offer, channel or season is another campaign",
        ],
    }


def _plots(selection: pd.DataFrame, deciles: pd.DataFrame, curve: pd.DataFrame) -> dict[str, Any]:
    from segml.evaluation import plots_uplift

    return {
        "ladder": lambda ax: plots_uplift.plot_ladder(selection, ax=ax),
        "deciles": lambda ax: plots_uplift.plot_uplift_deciles(deciles, ax=ax),
        "qini": lambda ax: plots_uplift.plot_qini(curve, ax=ax),
    }
