"""Making the store's database at once, and closing the runs of processes that are no more.

MLflow makes its tables one by one; a process that is killed meanwhile leaves a database that no MLflow opens again. So
the database is made under another name and renamed when it is whole.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from segml.registry.tracking import import_mlflow, mlflow_warnings_muted

PROCESS_TAG = "segml.process"
_PAGE = 1_000


def create_database(database: Path) -> None:
    """Make an MLflow database where there is none; nothing half-made ever has its name.

    Call it with the store's opening lock held.
    """
    if database.is_file() and database.stat().st_size:
        return
    beside = database.with_name(f".making-{database.name}")
    for left in database.parent.glob(f"{beside.name}*"):
        left.unlink()
    mlflow = import_mlflow()
    with mlflow_warnings_muted():
        client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{beside.as_posix()}")
        client.search_experiments(max_results=1)
        client._tracking_client.store._dispose_engine()
    beside.replace(database)


def process_mark() -> str:
    """Return what tells this process from every other, on this machine or another: host, number, start.

    Examples
    --------
    >>> is_alive(process_mark())
    True
    """
    return f"{socket.gethostname()}|{os.getpid()}|{_started(os.getpid())}"


def is_alive(mark: str) -> bool:
    """Tell whether a process may still be there; one on another host may."""
    host, _, rest = mark.partition("|")
    number, _, started = rest.partition("|")
    if host != socket.gethostname() or not number.isdecimal():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return started == _started(int(number))


def _started(number: int) -> str:
    """Return when a process started, in clock ticks since boot; empty where the system does not tell."""
    try:
        return Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def close_dead_runs(client: Any, experiment_id: str) -> int:
    """Mark the runs of processes that are no more as KILLED; return how many there were."""
    closed, token = 0, None
    while True:
        page = client.search_runs(
            [experiment_id], "attributes.status = 'RUNNING'", max_results=_PAGE, page_token=token
        )
        for run in page:
            if not is_alive(run.data.tags.get(PROCESS_TAG, "")):
                client.set_terminated(run.info.run_id, "KILLED")
                closed += 1
        token = page.token
        if not token:
            return closed
