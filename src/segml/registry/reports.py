"""The page of a run, kept with the training it tells of: artifacts of the training's parent run.

Nothing is kept twice: the run bears the hash of what was kept for a day, and the same page is not stored again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from segml.registry.store import ModelStore

_PARENT = "mlflow.parentRunId"
_ANY_DAY = "9999-12-31"


def newest_training(store: ModelStore, base: str, as_of: str = _ANY_DAY) -> str:
    """Return the id of the newest parent run that a champion of a day came from; empty without a champion.

    By default the present champions count.
    """
    found: dict[str, int] = {}
    prefix = store.model_name(base, "x")[:-1]
    with store.speaking_plainly(f"find the trainings of {base}"):
        for name in store.names():
            version = store.version_of_day(name, as_of) if name.startswith(prefix) else None
            if version is None:
                continue
            run = store.client.get_run(store.client.get_model_version(name, str(version)).run_id)
            parent = run.data.tags.get(_PARENT, run.info.run_id)
            found[parent] = int(store.client.get_run(parent).info.start_time)
    return max(found, key=lambda run_id: (found[run_id], run_id), default="")


def keep_report(store: ModelStore, base: str, as_of: str, files: Sequence[Path]) -> bool:
    """Store a day's page and facts with the training that the newest champion of that day came from.

    Parameters
    ----------
    store : ModelStore
    base, as_of : str
    files : sequence of Path
        They become ``report/as_of=<as_of>/<name>``.

    Returns
    -------
    bool
        False when there is no training, or when just this was kept before.

    Raises
    ------
    ModelError
        The store can't be read or written.
    """
    run_id = newest_training(store, base, as_of)
    if not run_id:
        return False
    digest = hashlib.sha256(
        b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)
    ).hexdigest()
    tag = f"segml.report.{as_of}"
    with store.speaking_plainly("keep the report"):
        if store.client.get_run(run_id).data.tags.get(tag) == digest:
            return False
        for file in files:
            store.client.log_artifact(run_id, str(file), f"report/as_of={as_of}")
        store.client.set_tag(run_id, tag, digest)
    return True
