"""From a fitted model to a verdict on record: log, card, register, gate, promote.

A verdict is stored with the version it is about, so that a later run that trains nothing can still say which model
scores, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from segml.evaluation.comparison import PairedDifference
from segml.registry.card import CardFacts, write_card
from segml.registry.gate import Decision
from segml.registry.runs import ModelRun, TrainingRun
from segml.registry.store import ModelStore

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class ModelOutcome:
    """What became of one model.

    Attributes
    ----------
    task : str
        ``dormancy``, ``churn``, ``clv``, ``behavioural``, ``mixture``, ``interest``.
    status : str
        ``promoted``, ``refused`` (fitted, but did not pass), or ``unavailable`` (not fitted).
    grade : str
        A, B or C of the gate; empty when unavailable.
    reasons : tuple of str
        Sentences with the numbers.
    version : int, optional
        Registered version.
    metric, score, baseline_name, baseline_score :
        What the gate looked at, and the naive rule beside it.
    new : bool
        Whether this run registered it.
    notes : tuple of str
        What the model itself had to say.
    """

    task: str
    status: str
    grade: str = ""
    reasons: tuple[str, ...] = ()
    version: int | None = None
    metric: str = ""
    score: float | None = None
    baseline_name: str = ""
    baseline_score: float | None = None
    new: bool = False
    notes: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class Trained:
    """A fitted model with everything measured about it, ready for its verdict.

    Attributes
    ----------
    model : object
        Of a type the registry knows.
    decision : Decision
        The gate's.
    metric, difference, baseline_name :
        The comparison that decided; None where a model has no naive rule (segments).
    metrics : dict of str to float
        Of the model, on the later window.
    example : DataFrame
        Some rows of features.
    facts : dict
        Fields of `CardFacts` that the caller knows.
    plots : dict of str to callable
        Name -> draws into the Axes it is given.
    frames : dict of str to DataFrame
        Small tables worth keeping.
    drift : dict
        What later runs are held against (`segml.evaluation.drift.DriftReference`).
    """

    model: Any
    decision: Decision
    metrics: dict[str, float]
    example: pd.DataFrame
    facts: dict[str, Any]
    metric: str = ""
    difference: PairedDifference | None = None
    against_champion: PairedDifference | None = None
    baseline_name: str = ""
    notes: list[str] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    plots: dict[str, Callable[[Axes], object]] = field(default_factory=dict)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    drift: dict[str, Any] = field(default_factory=dict)


def settle(
    store: ModelStore, run: TrainingRun, trained: Trained, fingerprint: str, contract: str, cutoff: str
) -> ModelOutcome:
    """Log a trained model in a run of its own, register it, and promote it when the gate let it through."""
    task = str(trained.model.task)
    with run.model_run(task, trained.params) as model_run:
        _log(model_run, trained)
        outcome = ModelOutcome(
            task=task,
            status="promoted" if trained.decision.promoted else "refused",
            grade=trained.decision.grade,
            reasons=tuple(trained.decision.reasons),
            metric=trained.metric,
            score=trained.difference.first if trained.difference else None,
            baseline_name=trained.baseline_name,
            baseline_score=trained.difference.second if trained.difference else None,
            notes=tuple(trained.notes),
            metrics=trained.metrics,
        )
        version = model_run.register(
            trained.model,
            trained.example,
            trained.model.score(trained.example),
            fingerprint,
            _card(store, run, trained, fingerprint, contract),
            {"cutoff": cutoff, "feature_contract": contract, "outcome": asdict(outcome), **_extra(trained)},
        )
    if trained.decision.promoted:
        store.promote(store.model_name(run.base, task), version)
    return ModelOutcome(**{**asdict(outcome), "version": version, "new": True})


def remembered(store: ModelStore, base: str, task: str, version: int) -> ModelOutcome:
    """Return the verdict on a version registered earlier."""
    found = store.load(store.model_name(base, task), version)
    content: Mapping[str, Any] = found.metadata["outcome"]
    lists = {key: tuple(content[key]) for key in ("reasons", "notes")}
    return ModelOutcome(**{**content, **lists, "version": version, "new": False})


def _extra(trained: Trained) -> dict[str, Any]:
    extra = {"plan": trained.facts["plan"]} if "plan" in trained.facts else {}
    if trained.drift:
        extra["drift"] = trained.drift
    return extra


def _log(run: ModelRun, trained: Trained) -> None:
    from matplotlib.figure import Figure

    run.log_metrics(
        {name: value for name, value in trained.metrics.items() if value == value}
    )  # NaN is not logged
    for name, frame in trained.frames.items():
        run.log_frame(frame, f"tables/{name}")
    for name, draw in trained.plots.items():
        figure = Figure(figsize=(7.5, 5), layout="constrained")
        draw(figure.subplots())
        run.log_figure(figure, f"plots/{name}")


def _card(store: ModelStore, run: TrainingRun, trained: Trained, fingerprint: str, contract: str) -> str:
    known = {key: value for key, value in trained.facts.items() if key != "plan"}
    return write_card(
        CardFacts(
            name=store.model_name(run.base, str(trained.model.task)),
            metrics=trained.metrics,
            gate_metric=trained.metric,
            fingerprint=fingerprint,
            feature_contract=contract,
            decision=trained.decision,
            baseline=trained.difference,
            champion=trained.against_champion,
            **known,
        )
    )
