"""Folders for what an engine spills to disk: gone with the engine, and with the next one if the process was killed.

Spilled rows are customers' rows. A folder is held by a lock on a file in it, which the operating system releases with
the process: a folder whose lock is free belongs to no process, whatever became of its number since.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX, _MAKING, _LOCK = "segml-spill-", "segml-making-", ".lock"


class SpillFolder:
    """A temporary folder of this process, readable by its owner only.

    Attributes
    ----------
    path : Path
    """

    def __init__(self) -> None:
        sweep_spills()
        # locked under a name that no sweep looks at, so that none finds it between its making and its locking
        made = Path(tempfile.mkdtemp(prefix=_MAKING))
        self._lock = _locked(made)
        self.path = made.rename(made.with_name(_PREFIX + made.name.removeprefix(_MAKING)))

    def remove(self) -> None:
        """Remove the folder with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def sweep_spills() -> int:
    """Remove the spill folders of processes that are no more; return how many there were."""
    swept = 0
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")):
        with contextlib.suppress(OSError):  # of another user, or removed by another process meanwhile
            if not (folder / _LOCK).is_file():  # no folder of ours
                continue
            lock = _locked(folder)
            if lock is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(lock)
                swept += 1
    return swept


def _locked(folder: Path) -> int | None:
    """Return the descriptor of the folder's lock, held; None when another process holds it."""
    handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
