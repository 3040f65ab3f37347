"""One way to say "nothing changed": SHA-256 over canonical JSON.

A registered version carries the fingerprint of everything it was made from (configuration, hashes of the
data, contract of the features, the code that learns and judges). A training that arrives at the same fingerprint
registers nothing new.
Python's own `hash` is salted per process and pickles differ between versions, so neither may be used here.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

from segml.errors import ModelError
from segml.registry.code import reachable_code

_IN_THE_DATA = ("segml.sources.ingest",)  # what reading and cleaning make of the files has a hash of its own


def canonical_json(content: Any) -> str:
    """Return the one JSON text of `content`: keys sorted, no spaces, sets in order.

    Parameters
    ----------
    content : Any
        Plain Python, dataclasses, pydantic models, dates, paths and NumPy scalars or arrays, nested as deep as wanted.

    Raises
    ------
    ModelError
        When something inside has no canonical form; the message names the place.

    Examples
    --------
    >>> canonical_json({"b": (1, 2), "a": {"y", "x"}})
    '{"a":["x","y"],"b":[1,2]}'
    """
    plain = _plain(content, "content")
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def fingerprint(content: Any) -> str:
    """Return the SHA-256 of `canonical_json(content)` as 64 hexadecimal digits.

    Examples
    --------
    >>> fingerprint({"horizon": 56, "data": "abc"}) == fingerprint({"data": "abc", "horizon": 56})
    True
    >>> fingerprint({"horizon": 56})[:8], fingerprint({"horizon": 57})[:8]
    ('614d6c43', '54834ae1')
    """
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def feature_contract(features: Iterable[str] | Mapping[str, str]) -> str:
    """Return the hash that a feature table and a model must share.

    Parameters
    ----------
    features : iterable of str, or mapping of str to str
        Names of the feature columns, or names with the text of their definitions, so that a changed definition under
        the same name is another contract. The order of names does not matter.

    Examples
    --------
    >>> feature_contract(["orders_90d", "recency_days"]) == feature_contract(["recency_days", "orders_90d"])
    True
    >>> feature_contract({"recency_days": "v1"}) == feature_contract({"recency_days": "v2"})
    False
    """
    if isinstance(features, Mapping):
        return fingerprint({str(name): str(text) for name, text in features.items()})
    return fingerprint(sorted(features))


@cache
def learning_code(
    entries: tuple[str, ...] = ("segml.pipelines.train",),
    libraries: tuple[str, ...] = ("lightgbm", "numpy", "scikit-learn", "scipy"),
    root: Path | None = None,
) -> str:
    """Return the hash of all code that decides what is learnt and judged, and of the libraries below it.

    That is whatever the entry modules reach by importing: schedules, features, labels, models, statistics, the gate. A
    model that an upgrade would make differently is trained again, although its data and settings are the same.

    Parameters
    ----------
    entries : tuple of str
        Modules that train, or packages.
    libraries : tuple of str
        Whose versions count.
    root : Path, optional
        Folder that holds the entries' top package; by default where Python finds it.

    Examples
    --------
    >>> learning_code() == learning_code(), learning_code() == learning_code(("segml.evaluation",))
    (True, False)
    """
    code = reachable_code(entries, root, leave_out=_IN_THE_DATA)
    return fingerprint([code, {library: version(library) for library in libraries}])


def _plain(value: Any, place: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, set | frozenset):
        return sorted((_plain(item, place) for item in value), key=canonical_json)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return value.as_posix()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}, place)
    for method in ("model_dump", "tolist"):  # pydantic; NumPy scalars and arrays
        if callable(getattr(value, method, None)):
            return _plain(getattr(value, method)(), place)
    raise ModelError(
        f"a fingerprint is taken over plain values, but {place} is a {type(value).__name__}",
        "turn it into numbers, texts, lists or dictionaries first",
    )
