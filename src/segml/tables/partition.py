"""Partitions on disk: written beside, renamed into place, with a manifest; a lock so that two runs don't mix.

A reader sees the old partition or the new one, never half of one. A crash, a full disk or Ctrl-C leaves the old one
untouched; what it left beside is swept by the next run.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from segml.errors import BusyError, OutputError

MANIFEST = "manifest.json"
STAGES = (
    "validated",
    "features",
    "segments",
    "scores",
    "tags",
    "lists",
    "measured",
    "reports",
)  # folders of partitions
_BESIDE, _ASIDE = ".writing-", ".replaced-"
_OWNER_FOLDER, _OWNER_FILE = 0o700, 0o600
_LEFT = re.compile(rf"(?:{re.escape(_BESIDE)}|{re.escape(_ASIDE)})(?P<partition>.+)-[0-9]+")


def temporary_of(path: Path) -> Path:
    """Return where what replaces a folder or file is written."""
    return path.with_name(f"{_BESIDE}{path.name}-{os.getpid()}")


@contextlib.contextmanager
def writing(folder: Path, private: bool = False) -> Iterator[Path]:
    """Give a temporary folder that replaces `folder` when the block ends without an error.

    Parameters
    ----------
    folder : Path
        The partition.
    private : bool
        For contact data: the folder and its files are readable by their owner only, from the first byte on.

    Raises
    ------
    OutputError
        The place can't be written, or the disk is full; `folder` is as it was.
    """
    temporary = temporary_of(folder)
    with output_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(mode=_OWNER_FOLDER if private else 0o777)
    try:
        with output_errors(folder):
            yield temporary
            if private:
                _close_to_others(temporary)
            _replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def rewriting(file: Path) -> Iterator[Path]:
    """Give a temporary file that replaces `file`, with its permissions, when the block ends without an error.

    Raises
    ------
    OutputError
        The place can't be written, or the disk is full; `file` is as it was.
    """
    temporary = temporary_of(file)
    try:
        with output_errors(file):
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_FILE))
            yield temporary
            shutil.copymode(file, temporary)
            temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def _close_to_others(folder: Path) -> None:
    for path in folder.rglob("*"):
        path.chmod(_OWNER_FOLDER if path.is_dir() else _OWNER_FILE)


@contextlib.contextmanager
def output_errors(place: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write into an `OutputError` with the next step."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise OutputError(
                f"{place} was not written: a file is larger than the system lets files be",
                "raise the limit (ulimit -f) or set data_folder; nothing old is lost",
            ) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutputError(
                f"the disk is full, {place} was not written", "free space; nothing old is lost"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise OutputError(
                f"{place} can't be written: {error.strerror}", "make the folder writable or set data_folder"
            ) from error
        raise


def _replace(temporary: Path, folder: Path) -> None:
    old = folder.with_name(f"{_ASIDE}{folder.name}-{os.getpid()}")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    try:
        temporary.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Finish what a killed run left in or beside `folder`: restore what was moved away, remove what is half written.

    Call it with the base's lock held: what lies beside then belongs to nobody.
    """
    left = [path for path in _paths(folder.parent, "*") if _partition_of(path) == folder]
    left += [path for path in _paths(folder, "**/*") if _partition_of(path)]
    for path in left:
        place = _partition_of(path)
        if place and path.name.startswith(_ASIDE) and path.exists() and not place.exists():
            path.rename(place)
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _paths(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern)) if folder.is_dir() else []


def _partition_of(path: Path) -> Path | None:
    """Return the partition that a folder was written or moved aside for; None for any other path."""
    left = _LEFT.fullmatch(path.name)
    return path.with_name(left["partition"]) if left else None


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Hold the base's lock while a run writes; a second run is refused at once.

    Raises
    ------
    BusyError
        Another process holds it.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / ".lock").open("a+")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"another run is writing to {folder}", "wait until it ends; the lock goes with its process"
            ) from None
        yield


def write_manifest(folder: Path, content: dict[str, Any]) -> None:
    """Write `manifest.json`, replacing an old one whole; keys are sorted, so that the same facts are the same bytes."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    file = folder / MANIFEST
    if not file.exists():
        file.write_text(text, encoding="utf-8")
        return
    with rewriting(file) as beside:
        beside.write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return the manifest of a partition, or None when there is none."""
    file = folder / MANIFEST
    if not file.is_file():
        return None
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file, read in pieces."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_sha256(content: Any) -> str:
    """Return the SHA-256 of JSON-able content, whatever the order of its keys.

    Examples
    --------
    >>> content_sha256({"a": 1, "b": 2}) == content_sha256({"b": 2, "a": 1})
    True
    """
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
