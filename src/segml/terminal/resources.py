"""What a machine refused - memory, disk, file size - found behind whatever error it came out as."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator

from segml.errors import OutputError, SegmlError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_DISK_STEP = "free space, or choose other folders (data_folder, models_folder, TMPDIR); nothing old is lost"
_MEMORY_STEP = "set `memory` (such as 4GB), raise `features.buckets` or lower `scoring.chunk_customers`"


def resource_failure(error: BaseException) -> SegmlError | None:
    """Return the error to show when the machine's memory or disk gave out; None when it was something else.

    Libraries wrap such a refusal in errors of their own, so all causes and contexts are looked through, each by its
    type and code.

    Examples
    --------
    >>> inner = OSError(errno.ENOSPC, "No space left on device", "scores.parquet")
    >>> outer = RuntimeError("could not write")
    >>> outer.__cause__ = inner
    >>> str(resource_failure(outer)).splitlines()[0]
    'the disk is full: scores.parquet was not written'
    >>> resource_failure(ValueError("a mistake")) is None
    True
    """
    for each in _chain(error):
        if isinstance(each, MemoryError) or _is(each, "_duckdb", "OutOfMemoryException"):
            return OutputError("the machine's memory did not suffice", _MEMORY_STEP)
        if isinstance(each, OSError) and each.errno in _FULL:
            return OutputError(f"the disk is full: {each.filename or 'a file'} was not written", _DISK_STEP)
        if isinstance(each, OSError) and each.errno == errno.EFBIG:
            step = "raise the limit (ulimit -f), or choose folders without one"
            return OutputError(f"{each.filename or 'a file'} is larger than the system lets files be", step)
        if isinstance(each, sqlite3.Error) and getattr(each, "sqlite_errorcode", 0) & 0xFF in (
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_IOERR,
        ):
            return OutputError(f"the model store's database could not be written: {each}", _DISK_STEP)
        if _is(each, "_duckdb", "IOException") and not isinstance(error, SegmlError):
            return OutputError(
                f"a file could not be read or written: {str(each).splitlines()[0]}", _DISK_STEP
            )
    return None


def _is(error: BaseException, module: str, name: str) -> bool:
    return any(each.__name__ == name and module in each.__module__ for each in type(error).__mro__)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is not None and each not in seen:
            seen.append(each)
            yield each
            waiting += [each.__cause__, each.__context__]
