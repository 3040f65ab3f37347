"""From a fitted model to a verdict on record: log, card, register, gate, promote.

A verdict is stored with the version it is about, so that a later run that trains nothing can still say which model
scores, and why. A champion moves forward only: a version that passed for a day before the champion's is kept for days
before the champion's, and the champion stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from segml.errors import ModelError
from segml.evaluation.comparison import PairedDifference
from segml.registry.card import CardFacts, write_card
from segml.registry.gate import Decision
from segml.registry.registered import RegisteredModel
from segml.registry.runs import ModelRun, TrainingRun
from segml.registry.store import CHAMPION, PASSED, REFUSED, ModelStore
from segml.time_windows import Cutoff

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
        ``promoted``, ``passed`` (the gate, for a day before the champion's: the champion stays), ``refused`` (fitted,
        but did not pass), ``unavailable`` (not fitted), or ``failed`` (an error; the other tasks go on).
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
    exit_code : int
        Of a failed task; 0 otherwise.
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
    exit_code: int = 0


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
    made_with : dict
        Settings that the next training compares with its own (segments).
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
    made_with: dict[str, Any] = field(default_factory=dict)


def settle(
    store: ModelStore,
    run: TrainingRun,
    trained: Trained,
    fingerprint: str,
    contract: str,
    cutoff: str,
    known_until: str = "",
) -> ModelOutcome:
    """Log a trained model in a run of its own, register it, and promote it when the gate let it through.

    Parameters
    ----------
    cutoff : str
        ISO date: the day it was trained for.
    known_until : str
        ISO date: the end of the last label it has learnt from; by default the cutoff.
    """
    task, passed = str(trained.model.task), trained.decision.promoted
    gate = PASSED if passed else REFUSED
    with run.model_run(task, trained.params) as model_run:
        _log(model_run, trained)
        outcome = ModelOutcome(
            task=task,
            status="promoted" if passed else "refused",
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
            {
                "cutoff": cutoff,
                "known_until": known_until or cutoff,
                "gate": gate,
                "feature_contract": contract,
                "outcome": asdict(outcome),
                **_extra(trained),
            },
        )
    return _aligned(store, run.base, replace(outcome, version=version, new=True), cutoff)


def remembered(store: ModelStore, base: str, task: str, version: int) -> ModelOutcome | None:
    """Return the verdict on a version registered earlier, which is the champion again if it passed then.

    The same inputs deserve the same champion: without that, going back to earlier settings would leave the model of
    the later ones in charge. A version that can't be read any more has no verdict (None), and is trained again.
    """
    try:
        found = store.load(store.model_name(base, task), version)
    except ModelError:
        return None
    content: Mapping[str, Any] = found.metadata["outcome"]
    lists = {key: tuple(content[key]) for key in ("reasons", "notes")}
    outcome = ModelOutcome(**{**content, **lists, "version": version, "new": False})
    return _aligned(store, base, outcome, found.cutoff)


def readable_champion(store: ModelStore, base: str, task: str, day: Cutoff) -> RegisteredModel | None:
    """Return the champion of a day; one that can't be read is as good as none for a challenger: it is replaced.

    Another version of segml may have written it, or its files are not those that were registered. A champion of a
    later day is no rival either: it knows what the challenger is asked.
    """
    try:
        return store.champion_of_day(base, task, day.label)
    except ModelError:
        return None


def unreadable_champions(store: ModelStore, base: str, tasks: Iterable[str], day: Cutoff) -> dict[str, str]:
    """Return task -> why its champion of the day can't be read: a training replaces it, and says so."""
    told = {}
    for task in tasks:
        try:
            store.champion_of_day(base, task, day.label)
        except ModelError as error:
            told[task] = error.message
    return told


def no_champion_of_day(since: str, day: Cutoff) -> str:
    """Say of a task that its champions all know more than a past day may."""
    return f"its first champion knows all before {since}; `segml train CONFIG --as-of {day}` makes one for that day"


def _aligned(store: ModelStore, base: str, outcome: ModelOutcome, cutoff: str) -> ModelOutcome:
    """Point the alias at a version that passed, unless the champion is of a later day; say what became of it."""
    if outcome.status != "promoted" or outcome.version is None:
        return outcome
    name = store.model_name(base, outcome.task)
    newer = store.newer_champion(name, cutoff)
    if not newer:
        if store.aliases(name).get(CHAMPION) != outcome.version:
            store.promote(name, outcome.version)
        return outcome
    stays = f"the champion {newer} is of a later day and stays; this version scores days from {cutoff} on before it"
    return replace(outcome, status="passed", reasons=(*outcome.reasons, stays))


def _extra(trained: Trained) -> dict[str, Any]:
    extra = {"plan": trained.facts["plan"]} if "plan" in trained.facts else {}
    if trained.drift:
        extra["drift"] = trained.drift
    if trained.made_with:
        extra["made_with"] = trained.made_with
    return extra


def _log(run: ModelRun, trained: Trained) -> None:
    """Log metrics, tables and plots; a plot that can't be drawn costs a note, not the model."""
    from matplotlib.figure import Figure

    run.log_metrics(
        {name: value for name, value in trained.metrics.items() if value == value}
    )  # NaN is not logged
    for name, frame in trained.frames.items():
        run.log_frame(frame, f"tables/{name}")
    for name, draw in trained.plots.items():
        figure = Figure(figsize=(7.5, 5), layout="constrained")
        try:
            draw(figure.subplots())
        except Exception as error:
            trained.notes.append(f"the plot {name} could not be drawn: {type(error).__name__}: {error}")
            continue
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
