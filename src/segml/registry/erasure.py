"""Taking customers out of tracked runs, wherever the configured store keeps their artifacts.

Nothing that segml logs today names a customer; runs of earlier versions do. Artifacts on this machine are changed where
they lie, those of a server are fetched, changed and stored again under their name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from segml.registry.store import ModelStore

_PAGE = 1_000


def rewrite_artifacts(
    store: ModelStore, base: str, suffixes: tuple[str, ...], rewrite: Callable[[Path], bool]
) -> list[str]:
    """Offer every artifact of a base's runs with one of these suffixes to `rewrite`; return the names it changed.

    Parameters
    ----------
    store : ModelStore
        The configured store: a folder, or a server at `MLFLOW_TRACKING_URI`.
    base : str
    suffixes : tuple of str
        Such as ``".csv"``.
    rewrite : callable
        Takes a file and tells whether it changed it.

    Raises
    ------
    ModelError
        The store can't be read or written.
    """
    if store.address.folder is not None:
        folder = store.address.folder / "artifacts" / base
        files = sorted(f for f in folder.rglob("*") if f.suffix in suffixes and f.is_file())
        return [str(file) for file in files if rewrite(file)]
    changed = []
    with store.speaking_plainly("take a customer out of the tracked runs"):
        for run_id in _runs(store, base):
            for name in _artifacts(store, run_id, suffixes):
                with tempfile.TemporaryDirectory(prefix="segml-artifact-") as temporary:
                    file = Path(store.client.download_artifacts(run_id, name, temporary))
                    if rewrite(file):
                        place = str(PurePosixPath(name).parent)
                        store.client.log_artifact(run_id, str(file), None if place == "." else place)
                        changed.append(f"runs:/{run_id}/{name}")
    return changed


def _runs(store: ModelStore, base: str) -> Iterator[str]:
    found = store.client.get_experiment_by_name(store.experiment_name(base))
    if found is None:
        return
    token = None
    while True:
        page = store.client.search_runs([found.experiment_id], max_results=_PAGE, page_token=token)
        yield from (run.info.run_id for run in page)
        token = page.token
        if not token:
            return


def _artifacts(store: ModelStore, run_id: str, suffixes: tuple[str, ...], path: str = "") -> Iterator[str]:
    for entry in store.client.list_artifacts(run_id, path or None):
        if entry.is_dir:
            yield from _artifacts(store, run_id, suffixes, entry.path)
        elif PurePosixPath(entry.path).suffix in suffixes:
            yield entry.path
