"""Models with inputs of their own, beside the snapshots: trained, gated and registered like the others.

Each has a table of one row a person as of a day, made from the raw events before it, and its scores are looked up a
chunk at a time. They share no features with dormancy, churn and value: a base without their tables loses them alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pandas as pd

from segml.errors import NotEnoughDataError
from segml.pipelines import categories, contacts, loyalty
from segml.pipelines.base import OpenBase
from segml.pipelines.failures import outcome_of_error
from segml.pipelines.narration import Narrator
from segml.pipelines.promotion import (
    ModelOutcome,
    Trained,
    no_champion_of_day,
    readable_champion,
    remembered,
    settle,
)
from segml.registry.fingerprint import fingerprint, learning_code
from segml.registry.registered import RegisteredModel
from segml.registry.runs import TrainingRun
from segml.registry.store import ModelStore

Rule = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class BesideTask:
    """One model beside the snapshots.

    Attributes
    ----------
    title : str
        The step's name on the screen.
    missing : callable
        Why it can't be trained on a base, before anything is read; empty when it can.
    train : callable
        Fits and judges it.
    rule : callable
        Base and champion (or None) -> what scores a chunk.
    contract : str
        Of its inputs.
    settings : tuple of str
        Sections of the configuration that its fingerprint depends on.
    facts_missing : callable, optional
        Why its rule has nothing to say without a champion either; None when it never has.
    """

    title: str
    missing: Callable[[OpenBase], str]
    train: Callable[[OpenBase, RegisteredModel | None], Trained]
    rule: Callable[[OpenBase, RegisteredModel | None], Rule]
    contract: str
    settings: tuple[str, ...]
    facts_missing: Callable[[OpenBase], str] | None = None


BESIDE: dict[str, BesideTask] = {
    "next_tier": BesideTask(
        "next loyalty tier",
        loyalty.tier_missing,
        loyalty.train_next_tier,
        loyalty.loyalty_rule,
        loyalty.CONTRACT,
        ("loyalty",),
        loyalty.points_missing,
    ),
    "unsubscribe": BesideTask(
        "unsubscribe risk",
        contacts.unsubscribe_missing,
        contacts.train_unsubscribe,
        contacts.unsubscribe_rule,
        contacts.CONTRACT,
        ("horizons", "cutoffs"),
    ),
    "next_category": BesideTask(
        "next category",
        categories.next_category_missing,
        categories.train_next_category,
        categories.next_category_rule,
        categories.CONTRACT,
        ("horizons", "cutoffs"),
    ),
}


def train_beside(base: OpenBase, store: ModelStore, narrator: Narrator) -> dict[str, ModelOutcome]:
    """Train, judge and register every model of `BESIDE`; what has not changed is not trained again."""
    outcomes, todo = {}, {}
    for task, what in BESIDE.items():
        try:
            why = what.missing(base)
        except Exception as error:
            outcomes[task] = outcome_of_error(base.config, base.as_of.label, task, error)
            continue
        if why:
            outcomes[task] = ModelOutcome(task, "unavailable", reasons=(why,))
            continue
        mark = _fingerprint(base, task)
        version = store.version_with_fingerprint(base.config.base, task, mark)
        known = None if version is None else remembered(store, base.config.base, task, version)
        if known is None:
            todo[task] = mark
        else:
            outcomes[task] = known
    for task, mark in todo.items():
        with narrator.step(BESIDE[task].title) as tell:
            outcomes[task] = _train(base, store, task, mark)
            tell(f"{task} {outcomes[task].status}")
    return {task: outcomes[task] for task in BESIDE}


def beside_champions(base: OpenBase, store: ModelStore) -> tuple[dict[str, RegisteredModel], dict[str, str]]:
    """Return the champions of `BESIDE` for the day scored, and why some that the tables allow are left out.

    One that was trained on inputs computed otherwise can't score.
    """
    champions, left_out = {}, {}
    for task, what in BESIDE.items():
        if what.missing(base):
            continue
        model = store.champion_of_day(base.config.base, task, base.as_of.label)
        if model is None:
            if since := store.first_champion_day(base.config.base, task):
                left_out[task] = no_champion_of_day(since, base.as_of)
        elif model.feature_contract != what.contract:
            left_out[task] = (
                f"{model.label} was trained on other features than those computed now; train again"
            )
        else:
            champions[task] = model
    return champions, left_out


def beside_rules(
    base: OpenBase, champions: dict[str, RegisteredModel]
) -> tuple[dict[str, Rule], list[ModelOutcome]]:
    """Return what scores each task of `BESIDE`, as far as it has something to say, and the tasks that broke."""
    rules, broken = {}, []
    for task, what in BESIDE.items():
        try:
            if task in champions:
                rules[task] = what.rule(base, champions[task])
            elif what.facts_missing is not None and not what.facts_missing(base):
                rules[task] = what.rule(base, None)
        except Exception as error:
            broken.append(outcome_of_error(base.config, base.as_of.label, task, error))
    return rules, broken


def _fingerprint(base: OpenBase, task: str) -> str:
    what = BESIDE[task]
    sections = {*what.settings, "models", "seed", "base"}
    settings = base.config.model_dump(mode="json", include=sections)
    return fingerprint([task, what.contract, base.data_hash, base.as_of.label, settings, learning_code()])


def _train(base: OpenBase, store: ModelStore, task: str, mark: str) -> ModelOutcome:
    what, day = BESIDE[task], base.as_of.label
    champion = readable_champion(store, base.config.base, task, base.as_of)
    if champion is not None and champion.feature_contract != what.contract:
        champion = None  # its inputs are computed otherwise now: it can be compared on no row
    try:
        trained = what.train(base, champion)
    except NotEnoughDataError as error:
        return outcome_of_error(base.config, day, task, error)
    except Exception as error:
        with _training_run(base, store, task) as run:
            return outcome_of_error(base.config, day, task, error, run)
    try:
        with _training_run(base, store, task) as run:
            return settle(store, run, trained, mark, what.contract, day, base.known_until.label)
    except Exception as error:  # its runs in the store have ended as failed
        return outcome_of_error(base.config, day, task, error)


@contextlib.contextmanager
def _training_run(base: OpenBase, store: ModelStore, task: str) -> Iterator[TrainingRun]:
    config, what = base.config, BESIDE[task]
    tags = {"as_of": base.as_of.label, "data": base.data_hash, "feature_contract": what.contract}
    params = config.model_dump(mode="json", include=set(what.settings))
    with store.training_run(config.base, f"train {task} {base.as_of}", tags, params) as run:
        run.log_dataset_hashes({"validated": base.data_hash})
        yield run
