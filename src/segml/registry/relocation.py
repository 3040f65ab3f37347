"""A project folder that was moved or copied still finds its models.

MLflow writes absolute artifact paths into its database, for every experiment, run, model and version. The
folder they were written for is remembered in a tag on each of segml's experiments; when the database is
opened somewhere else, every path under the old folder is rewritten in one transaction. Relative paths
would hold only for processes that stand in the project folder, and a notebook does not.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from segml.errors import ModelError
from segml.registry.tracking import BUSY_SECONDS

ROOT_TAG = "segml.store_root"

_PATH_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def relocate(database: Path) -> list[str]:
    """Rewrite the artifact paths of a database that is no longer where it was.

    Parameters
    ----------
    database : Path
        The SQLite file, absolute. Its folder is where the artifacts are now.

    Returns
    -------
    list of str
        The folders the database was moved from; empty when it stands where it was.
    """
    here = database.parent.as_posix()
    connection = sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        if set(_recorded_roots(connection)) <= {here}:
            return []
        connection.execute("begin immediate")
        former = [
            root for root in _recorded_roots(connection) if root != here
        ]  # read again, now under the lock
        for root in former:
            _move_paths(connection, root, here)
        connection.execute("update experiment_tags set value = ? where key = ?", (here, ROOT_TAG))
        connection.execute("commit")
    except sqlite3.Error as error:
        raise ModelError(
            f"the model store in {here} was moved and its paths could not be rewritten: {error}",
            "make the folder writable, or move it back",
        ) from error
    finally:
        connection.close()
    return former


def _recorded_roots(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("select 1 from sqlite_master where name = 'experiment_tags'").fetchone()
    if not found:  # a database without tables yet
        return []
    rows = connection.execute(
        "select distinct value from experiment_tags where key = ? order by value", (ROOT_TAG,)
    )
    return [value for (value,) in rows]


def _move_paths(connection: sqlite3.Connection, old: str, new: str) -> None:
    for table, column in _PATH_COLUMNS:
        # substr, not like or replace: a folder may hold % or _, and only the beginning of a path may change
        connection.execute(
            f"update {table} set {column} = ? || substr({column}, ?) where substr({column}, 1, ?) = ?",
            (new + "/", len(old) + 2, len(old) + 1, old + "/"),
        )
