"""A task that breaks takes no other with it: what broke is told, kept in full, and seen in the exit code."""

from __future__ import annotations

import contextlib
import errno
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from segml.errors import ModelError, NotEnoughDataError, OutputError, SegmlError
from segml.pipelines.promotion import ModelOutcome

if TYPE_CHECKING:
    from segml.config import Config
    from segml.registry.runs import TrainingRun

FOLDER = "failures"
FAILED = "failed"
_LONGEST = 300
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def outcome_of_error(
    config: Config, day: str, task: str, error: Exception, run: TrainingRun | None = None
) -> ModelOutcome:
    """Return what is said of a task that raised: too little data, or a failure whose traceback is kept.

    Parameters
    ----------
    config : Config
    day : str
        The day scored; part of the traceback's place.
    task : str
    error : Exception
        A `NotEnoughDataError` is a refusal; anything else is a failure.
    run : TrainingRun, optional
        Of the training: gets a nested run that ended as failed.
    """
    if isinstance(error, NotEnoughDataError):
        return ModelOutcome(task, "unavailable", reasons=(error.message,))
    if run is not None:
        with contextlib.suppress(Exception):  # the store may be what broke; the error itself is told below
            run.record_failure(task, error)
    code = exit_code_of(error)
    place = keep_traceback(config, day, task, error)
    return ModelOutcome(task, FAILED, reasons=(_sentence(error, place),), exit_code=code)


def exit_code_of(error: Exception) -> int:
    """Return the exit code of one failure: the error's own when it is meant for a person, else that of a model."""
    if isinstance(error, SegmlError):
        return error.exit_code
    if isinstance(error, OSError) and error.errno in _DISK:
        return OutputError.exit_code
    return ModelError.exit_code


def exit_code_of_all(outcomes: Iterable[ModelOutcome]) -> int:
    """Return the exit code of a training: 0 without a failure, 5 when any was not foreseen, else the first one's.

    Examples
    --------
    >>> broken = [ModelOutcome("clv", "failed", exit_code=6), ModelOutcome("churn", "failed", exit_code=5)]
    >>> exit_code_of_all([]), exit_code_of_all(broken[:1]), exit_code_of_all(broken)
    (0, 6, 5)
    """
    codes = [outcome.exit_code for outcome in outcomes if outcome.exit_code]
    return ModelError.exit_code if ModelError.exit_code in codes else next(iter(codes), 0)


def keep_traceback(config: Config, day: str, task: str, error: Exception) -> str:
    """Write the whole traceback below the data folder, readable by its owner alone; return where, or why not.

    It stays out of MLflow: the values in a message may be a customer's.
    """
    place = config.data_path(FOLDER, f"as_of={day}", f"{task}.txt")
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.touch(mode=0o600)
        place.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError as why:
        return f"the traceback could not be written: {why.strerror}"
    return f"the traceback is in {_below(place, config.root)}"


def _below(place: Path, root: Path) -> str:
    return str(place.relative_to(root)) if place.is_relative_to(root) else str(place)


def _sentence(error: Exception, place: str) -> str:
    if isinstance(error, SegmlError):
        step = f". Next step: {error.next_step}" if error.next_step else ""
        return f"{error.message}{step}; {place}"
    first = next(iter(str(error).strip().splitlines()), "")
    told = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return f"{told[:_LONGEST]}; {place}"
