"""Models with inputs of their own, beside the snapshots: trained, gated and registered like the others.

Each has a table of one row a person as of a day, made from the raw events before it, and its scores are looked up a
chunk at a time. They share no features with dormancy, churn and value: a base without their tables loses them alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from segml.errors import NotEnoughDataError
from segml.pipelines import categories, contacts, loyalty
from segml.pipelines.base import OpenBase
from segml.pipelines.narration import Narrator
from segml.pipelines.promotion import ModelOutcome, Trained, remembered, settle
from segml.registry.fingerprint import fingerprint, learning_code
from segml.registry.registered import RegisteredModel
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
        why = what.missing(base)
        mark = "" if why else _fingerprint(base, task)
        version = None if why else store.version_with_fingerprint(base.config.base, task, mark)
        if why:
            outcomes[task] = ModelOutcome(task, "unavailable", reasons=(why,))
        elif version is not None:
            outcomes[task] = remembered(store, base.config.base, task, version)
        else:
            todo[task] = mark
    for task, mark in todo.items():
        with narrator.step(BESIDE[task].title) as tell:
            outcomes[task] = _train(base, store, task, mark)
            tell(f"{task} {outcomes[task].status}")
    return {task: outcomes[task] for task in BESIDE}


def beside_champions(base: OpenBase, store: ModelStore) -> dict[str, RegisteredModel]:
    """Return the champions of `BESIDE` that the base's tables can still be scored with."""
    found = {
        task: store.champion(base.config.base, task)
        for task, what in BESIDE.items()
        if not what.missing(base)
    }
    return {task: model for task, model in found.items() if model is not None}


def beside_rules(base: OpenBase, champions: dict[str, RegisteredModel]) -> dict[str, Rule]:
    """Return what scores each task of `BESIDE`, as far as it has something to say."""
    rules = {}
    for task, what in BESIDE.items():
        if task in champions:
            rules[task] = what.rule(base, champions[task])
        elif what.facts_missing is not None and not what.facts_missing(base):
            rules[task] = what.rule(base, None)
    return rules


def _fingerprint(base: OpenBase, task: str) -> str:
    what = BESIDE[task]
    sections = {*what.settings, "models", "seed", "base"}
    settings = base.config.model_dump(mode="json", include=sections)
    return fingerprint([task, what.contract, base.data_hash, base.as_of.label, settings, learning_code()])


def _train(base: OpenBase, store: ModelStore, task: str, mark: str) -> ModelOutcome:
    config, what = base.config, BESIDE[task]
    try:
        trained = what.train(base, store.champion(config.base, task))
    except NotEnoughDataError as error:
        return ModelOutcome(task, "unavailable", reasons=(error.message,))
    tags = {"as_of": base.as_of.label, "data": base.data_hash, "feature_contract": what.contract}
    params = config.model_dump(mode="json", include=set(what.settings))
    with store.training_run(config.base, f"train {task} {base.as_of}", tags, params) as run:
        run.log_dataset_hashes({"validated": base.data_hash})
        return settle(store, run, trained, mark, what.contract, base.as_of.label)
