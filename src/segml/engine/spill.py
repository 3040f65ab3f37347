"""Folders for what an engine spills to disk: gone with the engine, and with the next one if the process was killed.

Spilled rows are customers' rows. A folder is held by a lock on a file in it, which the operating system releases with
the process: a folder whose lock is free belongs to no process, whatever became of its number since.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
from pathlib import Path
from typing import IO

_PREFIX, _LOCK = "segml-spill-", ".lock"


class SpillFolder:
    """A temporary folder of this process, readable by its owner only.

    Attributes
    ----------
    path : Path
    """

    def __init__(self) -> None:
        sweep_spills()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _locked(self.path)

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def sweep_spills() -> int:
    """Remove the spill folders of processes that are no more; return how many there were."""
    swept = 0
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")):
        with contextlib.suppress(OSError):  # of another user, or removed by another process meanwhile
            if not (folder / _LOCK).is_file():  # being made this moment, or no folder of ours
                continue
            lock = _locked(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                lock.close()
                swept += 1
    return swept


def _locked(folder: Path) -> IO[str] | None:
    """Return the folder's lock, held; None when another process holds it."""
    handle = (folder / _LOCK).open("a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle
