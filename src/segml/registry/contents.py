"""A registered model is the one that was registered: the hash of every file of it, kept on the version.

The hashes lie in MLflow's database and the files beside it, so a file that was swapped, cut short or put there later is
found before a line of it is used. Whoever may write to the database may change both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from segml.errors import ModelError
from segml.tables.partition import file_sha256

FILES_TAG = "files"
_WRITTEN_BY_MLFLOW = frozenset({"registered_model_meta"})
"""MLflow puts this beside a model that it loads by name; nothing is read from it."""


def artifact_contents(folder: Path) -> dict[str, str]:
    """Return path below `folder` -> SHA-256, of every file that a model consists of."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    named = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: file_sha256(path) for name, path in named.items() if name not in _WRITTEN_BY_MLFLOW}


def contents_tag(contents: Mapping[str, str]) -> dict[str, str]:
    """Return the tag that records the hashes with a version."""
    return {FILES_TAG: json.dumps(dict(contents), sort_keys=True, separators=(",", ":"))}


def recorded_contents(tags: Mapping[str, str]) -> dict[str, str] | None:
    """Return the hashes recorded with a version; None for one registered before they were kept.

    Raises
    ------
    ModelError
        The tag is there and can't be read.
    """
    if FILES_TAG not in tags:
        return None
    try:
        return {str(name): str(digest) for name, digest in json.loads(tags[FILES_TAG]).items()}
    except (ValueError, AttributeError) as error:
        raise ModelError(
            f"the tag {FILES_TAG!r} of a model version holds no hashes: {error}", "train the model again"
        ) from error


def check_contents(folder: Path, recorded: Mapping[str, str], label: str) -> None:
    """Raise a ModelError unless `folder` holds just the files that were registered.

    Parameters
    ----------
    folder : Path
    recorded : mapping of path to SHA-256
    label : str
        Name and version, for the message.
    """
    found = artifact_contents(folder)
    wrong = [
        *(f"{name} is gone" for name in recorded if name not in found),
        *(f"{name} was changed" for name in recorded if name in found and found[name] != recorded[name]),
        *(f"{name} was added" for name in found if name not in recorded),
    ]
    if wrong:
        raise ModelError(
            f"{label} is not what was registered, and is not loaded: {', '.join(wrong)} ({folder})",
            "find out who wrote to the model store; then restore the folder from a backup, or train again",
        )
