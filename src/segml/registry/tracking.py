"""Where MLflow keeps its books, and how it is imported.

MLflow takes a second to import, speaks on stderr and reports its use over the network unless told otherwise
*before* the import, so `import_mlflow` is the only way in. A tracking address that does not answer is found
here within seconds: left to itself, MLflow 3.17 retries an unreachable server or an unreadable SQLite file
for minutes to hours.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from segml.errors import BusyError, ModelError

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
DATABASE = "mlflow.db"
BUSY_SECONDS = 60
CONNECT_SECONDS = 5.0

_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_AGENT_HINT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",  # requirements are declared, not read from the folder one happens to stand in
    "GIT_PYTHON_REFRESH": "quiet",
}
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_NEXT_STEP = (
    f"start that server, correct {TRACKING_VARIABLE}, or unset it to use the project's own mlruns folder"
)


def import_mlflow() -> Any:
    """Import MLflow quietly, without telemetry, and return the module.

    A variable that the user set keeps the user's value, except the one that forbids telemetry.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with mlflow_warnings_muted():
        import mlflow

    return mlflow


@contextmanager
def mlflow_warnings_muted() -> Iterator[None]:
    """Mute what MLflow and its dependencies warn MLflow's authors of; a user can do nothing about it.

    Only calls into MLflow belong inside: a warning of one's own model must be heard.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@dataclass(frozen=True)
class TrackingAddress:
    """The tracking store's address, and its folder when it is an SQLite file on this machine.

    Examples
    --------
    >>> TrackingAddress("http://mlflow.example:5000").folder is None
    True
    >>> TrackingAddress("sqlite:////srv/shop/mlruns/mlflow.db").folder.as_posix()
    '/srv/shop/mlruns'
    """

    uri: str

    @classmethod
    def choose(cls, root: Path | None) -> TrackingAddress:
        """Return the address in the environment when one is set, else the SQLite file under `root`."""
        if uri := os.environ.get(TRACKING_VARIABLE, "").strip():
            return cls(uri)
        if root is None:
            raise ModelError(
                f"no model store is named: {TRACKING_VARIABLE} is not set and no folder was given",
                "give the project's mlruns folder",
            )
        return cls(f"sqlite:///{Path(root).resolve().as_posix()}/{DATABASE}")

    @property
    def database(self) -> Path | None:
        """The SQLite file, absolute; None for a server."""
        if not self.uri.startswith("sqlite:///"):
            return None
        return Path(self.uri.removeprefix("sqlite:///").partition("?")[0]).resolve()

    @property
    def folder(self) -> Path | None:
        """The folder that holds the SQLite file and the artifacts; None for a server."""
        return self.database.parent if self.database else None

    @property
    def client_uri(self) -> str:
        """The address for MLflow's client: SQLite waits for another writer instead of failing after five seconds."""
        return f"sqlite:///{self.database.as_posix()}?timeout={BUSY_SECONDS}" if self.database else self.uri

    def check_reachable(self) -> None:
        """Raise a ModelError when nobody answers at the address.

        Raises
        ------
        ModelError
            A file store (gone from MLflow), an SQLite file that can't be opened, a host that refuses or is unknown.
        """
        if self.database is not None:
            _check_sqlite(self.database)
            return
        parts = urlsplit(self.uri)
        scheme = parts.scheme.partition("+")[0]
        if scheme in ("", "file"):
            raise ModelError(f"MLflow no longer keeps models in plain folders, got {self.uri!r}", _NEXT_STEP)
        if parts.hostname and scheme in _PORTS:
            try:
                port = parts.port or _PORTS[scheme]
                socket.create_connection((parts.hostname, port), timeout=CONNECT_SECONDS).close()
            except (OSError, ValueError) as error:
                place = f"{scheme}://{parts.hostname}"  # never the whole address: it may hold a password
                raise ModelError(
                    f"the MLflow tracking server at {place} does not answer: {error}", _NEXT_STEP
                ) from error


def _check_sqlite(database: Path) -> None:
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(database, timeout=BUSY_SECONDS)
        try:
            connection.execute("select count(*) from sqlite_master").fetchone()
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise ModelError(f"the MLflow database {database} can't be opened: {error}", _NEXT_STEP) from error


@contextmanager
def opening_lock(folder: Path) -> Iterator[None]:
    """Let one process at a time create or relocate the store of a folder.

    MLflow creates its tables without a lock, so two first runs at once would meet half a schema. The lock is an
    exclusive transaction on a small SQLite file of its own: the same on every operating system, and gone when the
    process dies.
    """
    connection = sqlite3.connect(folder / ".opening.lock", timeout=BUSY_SECONDS, isolation_level=None)
    try:
        try:
            connection.execute("begin exclusive")
        except sqlite3.OperationalError as error:
            raise BusyError(
                f"another run has been opening the model store in {folder} for over {BUSY_SECONDS} seconds",
                "wait for it to end, then run again",
            ) from error
        yield
    finally:
        connection.close()
