"""From the type written in `model.json` to the class that reads it.

A model is stored as JSON and named by its type, never pickled, so a file from last year still opens and
opening one runs no foreign code: only types in this table are built. Classes are imported when asked for,
because a scoring run that needs the churn model should not import the segmenters.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from segml.errors import ModelError, did_you_mean

FORMAT = 1

_TYPES: dict[str, str] = {
    "ReturnTask": "segml.models.returning:ReturnTask",
    "LifetimeValue": "segml.models.value:LifetimeValue",
    "SegmentTask": "segml.models.segments.task:SegmentTask",
    "DeclaredTask": "segml.models.segments.declared_task:DeclaredTask",
    "NextTier": "segml.models.next_tier:NextTier",
    "UnsubscribeRisk": "segml.models.unsubscribe:UnsubscribeRisk",
    "NextCategory": "segml.models.next_category:NextCategory",
    "FlatTask": "segml.models.flat:FlatTask",
    "UpliftTask": "segml.models.uplift.task:UpliftTask",
}


@runtime_checkable
class TaskModel(Protocol):
    """What a model owes the registry."""

    @property
    def task(self) -> str:
        """Name of the task, the last part of the registered name."""
        ...

    @property
    def feature_names_in_(self) -> list[str]:
        """Columns the model reads."""
        ...

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return named output columns on the index of `features`."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the fitted model as plain JSON values."""
        ...


def register_model_type(name: str, address: str) -> None:
    """Add a type to the table.

    Parameters
    ----------
    name : str
        The class name, as written in `model.json`.
    address : str
        ``"package.module:Class"``; imported when a model of the type is first read.

    Examples
    --------
    >>> register_model_type("ReturnTask", "segml.models.returning:ReturnTask")
    """
    module, colon, attribute = address.partition(":")
    if not (module and colon and attribute):
        raise ModelError(f"the address of model type {name} is written package.module:Class, got {address!r}")
    if _TYPES.setdefault(name, address) != address:
        raise ModelError(f"model type {name} is already {_TYPES[name]}, so it can't become {address}")


def known_model_types() -> list[str]:
    """Return the names in the table, sorted."""
    return sorted(_TYPES)


def model_class(name: str) -> Any:
    """Return the class of a model type, imported now.

    Raises
    ------
    ModelError
        When the type is not in the table, or its module is not there.
    """
    if name not in _TYPES:
        raise ModelError(
            f"model type {name!r} is unknown{did_you_mean(name, _TYPES)}; known: {', '.join(known_model_types())}",
            "the model was written by another version of segml: train again, or install that version",
        )
    module, _, attribute = _TYPES[name].partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ModelError(f"model type {name} is {_TYPES[name]}, which can't be imported: {error}") from error


def write_model(model: TaskModel, path: Path, **about: Any) -> None:
    """Write a fitted model to `path` as JSON, with whatever else is known `about` it.

    Keys keep their order (a model may rely on it); floats are written so that they read back exactly.
    """
    name = type(model).__name__
    if name not in _TYPES:
        raise ModelError(
            f"a model of type {name} can't be registered{did_you_mean(name, _TYPES)}; "
            f"known: {', '.join(known_model_types())}",
            "add it with register_model_type",
        )
    try:
        text = json.dumps(
            {"format": FORMAT, "type": name, **about, "model": model.to_dict()}, ensure_ascii=False
        )
    except TypeError as error:
        raise ModelError(f"{name}.to_dict() must return plain JSON values: {error}") from error
    path.write_text(text, encoding="utf-8")


def read_document(path: Path) -> dict[str, Any]:
    """Return the content of a `model.json`, checked for its format.

    Raises
    ------
    ModelError
        When the file is not there, is not JSON, or has a format this version does not read.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"the model file {path} can't be read: {error}", "train the model again") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise ModelError(
            f"{path} has model format {found!r}, and this version of segml reads format {FORMAT}"
        )
    return document


def build_model(document: dict[str, Any]) -> Any:
    """Return the model object of a document read by `read_document`.

    Raises
    ------
    ModelError
        When the content was written by a version of segml that kept other things.
    """
    try:
        return model_class(document["type"]).from_dict(document["model"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"a stored {document['type']} can't be read: {type(error).__name__} {error}",
            "it was written by another version of segml: train again, or install that version",
        ) from error
