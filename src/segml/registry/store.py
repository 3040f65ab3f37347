"""The one door to MLflow: runs, registered models and the aliases that say which one scores.

Registered models are named ``segml.<base>.<task>``. A new version is the `challenger`; `promote` makes it the
`champion`, and scoring loads by that alias. The alias moves forward only: never to a version whose cutoff lies before
the champion's. A day before the champion's cutoff is scored by the champion of that day, the newest version that had
passed the gate and knew nothing later. MLflow's errors stop here and come out as one `ModelError` that says what to do.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from segml.errors import ModelError, did_you_mean
from segml.registry.contents import FILES_TAG, check_contents, recorded_contents
from segml.registry.creation import PROCESS_TAG, close_dead_runs, create_database, process_mark
from segml.registry.model_types import build_model, read_document
from segml.registry.packaging import MODEL_FILE
from segml.registry.registered import RegisteredModel
from segml.registry.relocation import ROOT_TAG, relocate
from segml.registry.runs import TrainingRun
from segml.registry.tracking import TrackingAddress, import_mlflow, mlflow_warnings_muted, opening_lock

CHAMPION, CHALLENGER = "champion", "challenger"
GATE_TAG, PASSED, REFUSED = "gate", "passed", "refused"
KNOWN_UNTIL_TAG = "known_until"
ERROR_TAG = "segml.error"


class ModelStore:
    """A project's models.

    Parameters
    ----------
    root : Path, optional
        Folder of the store, usually ``mlruns``: the database is ``<root>/mlflow.db``, artifacts lie under
        ``<root>/artifacts``. `MLFLOW_TRACKING_URI` in the environment goes before it.

    Notes
    -----
    Opened at the first use, not when made. A store that was moved since is relocated then.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = root
        self._client: Any = None
        self._address: TrackingAddress | None = None

    @property
    def address(self) -> TrackingAddress:
        """Where the store is; decided once."""
        if self._address is None:
            self._address = TrackingAddress.choose(self.root)
        return self._address

    def exists(self) -> bool:
        """Tell whether there is a store to look into: a server, or a database that was made before."""
        return self.address.database is None or self.address.database.is_file()

    @property
    def client(self) -> Any:
        """MLflow's client, opened now if it was not.

        Raises
        ------
        ModelError
            When nobody answers at the address, or its database belongs to another version of MLflow.
        """
        if self._client is None:
            self.address.check_reachable()
            if self.address.database is None:
                self._client = self._connect()
            else:
                with opening_lock(self.address.database.parent):
                    create_database(self.address.database)
                    relocate(self.address.database)
                    self._client = self._connect()
        return self._client

    @staticmethod
    def model_name(base: str, task: str) -> str:
        """Return the registered name.

        Raises
        ------
        ModelError
            When base or task hold anything but letters, digits, `_` and `-`.

        Examples
        --------
        >>> ModelStore.model_name("completejourney", "churn")
        'segml.completejourney.churn'
        """
        for part in (base, task):
            if not re.fullmatch(r"[A-Za-z0-9_-]+", part):
                raise ModelError(
                    f"the parts of a model's name hold letters, digits, _ and -, got {part!r}",
                    "rename the base in the configuration",
                )
        return f"segml.{base}.{task}"

    @contextmanager
    def training_run(
        self,
        base: str,
        run_name: str,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Iterator[TrainingRun]:
        """Open the parent run of a training in the experiment of `base`; it ends as failed when an error escapes."""
        self.model_name(base, "model")  # a base that can't name a model fails before anything is trained
        with self.speaking_plainly(f"open the experiment of {base}"):
            experiment_id = self._experiment(base)
            close_dead_runs(self.client, experiment_id)
        with self.open_run(experiment_id, run_name, {"segml.base": base}) as run_id:
            run = TrainingRun(self, run_id, experiment_id, base)
            run.log_tags(tags or {})
            run.log_params(params or {})
            yield run

    def promote(self, name: str, version: int) -> None:
        """Make a version the champion; it is then no longer the challenger.

        Raises
        ------
        ModelError
            When there is no such name or version, or its cutoff lies before the champion's.
        """
        found = self._version(name, version)
        if newer := self.newer_champion(name, _cutoff_of(found)):
            raise ModelError(
                f"{name} version {version} learnt until {_cutoff_of(found)}, and the champion is newer ({newer}): a"
                " champion moves forward only",
                f"score a day before that champion with --as-of; it is then scored by version {version}",
            )
        with self.speaking_plainly(f"promote {name} version {version}"):
            self.client.set_model_version_tag(name, str(version), GATE_TAG, PASSED)
            self.client.set_registered_model_alias(name, CHAMPION, str(version))
            if self.aliases(name).get(CHALLENGER) == version:
                self.client.delete_registered_model_alias(name, CHALLENGER)

    def champion(self, base: str, task: str) -> RegisteredModel | None:
        """Return the champion of a task, or None when there is none yet."""
        name = self.model_name(base, task)
        version = self.aliases(name).get(CHAMPION)
        return None if version is None else self.load(name, version)

    def champion_of_day(self, base: str, task: str, day: str) -> RegisteredModel | None:
        """Return the champion that a day is scored by, or None when no version had passed the gate by then.

        Parameters
        ----------
        day : str
            ISO date. On and after the champion's own cutoff it is the champion; before, the newest version that
            passed the gate and whose cutoff and last known label are not later than the day. A refused version never
            was a champion, so it is none of a past day either.
        """
        name = self.model_name(base, task)
        version = self.version_of_day(name, day)
        return None if version is None else self.load(name, version)

    def version_of_day(self, name: str, day: str) -> int | None:
        """Return the version that a day is scored by; see `champion_of_day`."""
        current = self.aliases(name).get(CHAMPION)
        if current is None:
            return None
        knew = {int(version.version): version for version in self._versions(name) if _knew_by(version, day)}
        if current in knew:
            return current
        newest_first = sorted(knew, key=lambda number: (_cutoff_of(knew[number]), number), reverse=True)
        return next((number for number in newest_first if self._passed(name, knew[number])), None)

    def first_champion_day(self, base: str, task: str) -> str:
        """Return the first day that a champion of the task can score; empty without a champion."""
        name = self.model_name(base, task)
        if CHAMPION not in self.aliases(name):
            return ""
        passed = (version for version in self._versions(name) if self._passed(name, version))
        return min((max(_cutoff_of(v), v.tags.get(KNOWN_UNTIL_TAG, "")) for v in passed), default="")

    def newer_champion(self, name: str, cutoff: str) -> str:
        """Return the label of the champion when its cutoff lies after `cutoff`; empty otherwise."""
        version = self.aliases(name).get(CHAMPION)
        if version is None:
            return ""
        champion = self._version(name, version)
        later = _cutoff_of(champion)
        return f"{name}/{version}@{later}" if later > cutoff else ""

    def _passed(self, name: str, version: Any) -> bool:
        """Whether a version passed the gate; those of before this was marked have it in their outcome."""
        if GATE_TAG in version.tags:
            return bool(version.tags[GATE_TAG] == PASSED)
        if self.aliases(name).get(CHAMPION) == int(version.version):
            return True
        try:
            outcome = self._document(name, version)["metadata"].get("outcome", {})
        except ModelError:
            return False
        return bool(outcome.get("status") == "promoted")

    def load(self, name: str, alias_or_version: str | int = CHAMPION) -> RegisteredModel:
        """Load one version of a registered model.

        Parameters
        ----------
        name : str
            ``segml.<base>.<task>``.
        alias_or_version : str or int
            ``"champion"``, ``"challenger"`` or a version number.

        Raises
        ------
        ModelError
            When the name, the alias or the version is unknown (the message lists those there are), or its files are
            gone or not those that were registered.
        """
        found = self._version(name, alias_or_version)
        document = self._document(name, found)
        metadata = document["metadata"]
        return RegisteredModel(
            name=name,
            version=int(found.version),
            task=document["task"],
            cutoff=str(metadata["cutoff"]),
            fingerprint=document["fingerprint"],
            feature_contract=str(metadata["feature_contract"]),
            features=tuple(document["features"]),
            metadata=metadata,
            model=build_model(document),
            verified=FILES_TAG in found.tags,
        )

    def version_with_fingerprint(self, base: str, task: str, fingerprint: str) -> int | None:
        """Return the newest version made from exactly this, or None: then there is something new to register."""
        query = f"name = '{self.model_name(base, task)}' and tags.fingerprint = '{fingerprint}'"
        with self.speaking_plainly("look a fingerprint up"):
            versions = self.client.search_model_versions(query)
        return max((int(version.version) for version in versions), default=None)

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        with self.speaking_plainly("list the registered models"):
            return sorted(model.name for model in _pages(self.client.search_registered_models))

    def tasks(self, base: str, prefix: str) -> list[str]:
        """Return the registered tasks of a base that begin with `prefix`, sorted."""
        start = self.model_name(base, prefix)
        head = len(start) - len(prefix)
        return [name[head:] for name in self.names() if name.startswith(start)]

    def aliases(self, name: str) -> dict[str, int]:
        """Return alias to version of a registered model; empty when there is no such model."""
        with self.speaking_plainly(f"look {name} up"):
            models = self.client.search_registered_models(f"name = '{name}'")
        return {alias: int(version) for model in models for alias, version in model.aliases.items()}

    def versions(self, name: str) -> list[int]:
        """Return the version numbers of a registered model, oldest first."""
        return sorted(int(version.version) for version in self._versions(name))

    def _versions(self, name: str) -> list[Any]:
        with self.speaking_plainly(f"look {name} up"):
            return list(self.client.search_model_versions(f"name = '{name}'", max_results=10_000))

    def add_version(self, name: str, source: str, run_id: str, model_id: str, tags: dict[str, str]) -> int:
        """Register stored artifacts as the next version of `name` and call it the challenger."""
        if name not in self.names():
            self._create_unless_there(lambda: self.client.create_registered_model(name))
        made = self.client.create_model_version(name, source, run_id=run_id, model_id=model_id, tags=tags)
        self.client.set_registered_model_alias(name, CHALLENGER, made.version)
        return int(made.version)

    @contextmanager
    def open_run(self, experiment_id: str, run_name: str, tags: Mapping[str, str]) -> Iterator[str]:
        """Open a run and yield its id; closed as finished, or as failed, with the error, when one escapes."""
        marked = {**tags, PROCESS_TAG: process_mark()}
        with self.speaking_plainly(f"open the run {run_name}"):
            run_id = self.client.create_run(experiment_id, tags=marked, run_name=run_name).info.run_id
        status = "FAILED"
        try:
            yield run_id
            status = "FINISHED"
        except Exception as error:
            with contextlib.suppress(Exception):  # the store may be what failed; the error itself goes on
                self.client.set_tag(run_id, ERROR_TAG, type(error).__name__)
            raise
        finally:
            with self.speaking_plainly(f"close the run {run_name}"):
                self.client.set_terminated(run_id, status)

    @contextmanager
    def speaking_plainly(self, intent: str) -> Iterator[None]:
        """Turn an error of MLflow into a ModelError that says what was tried and where."""
        import_mlflow()
        from mlflow.exceptions import MlflowException

        try:
            with mlflow_warnings_muted():
                yield
        except MlflowException as error:
            first_line = str(error).strip().splitlines()[0]
            raise ModelError(
                f"could not {intent}: {first_line}", "see the run in the MLflow user interface"
            ) from error

    def _connect(self) -> Any:
        mlflow = import_mlflow()
        uri = self.address.client_uri
        try:
            with mlflow_warnings_muted():
                client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
                client.search_experiments(max_results=1)
        except Exception as error:  # MLflow, SQLAlchemy, requests and database drivers each raise their own
            first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"the model store could not be opened: {first_line}",
                "check MLFLOW_TRACKING_URI; if MLflow was upgraded, run `mlflow db upgrade` on a copy of the database",
            ) from error
        return client

    @staticmethod
    def experiment_name(base: str) -> str:
        """Return the name of a base's experiment."""
        return f"segml.{base}"

    def _experiment(self, base: str) -> str:
        name = self.experiment_name(base)
        found = self.client.get_experiment_by_name(name)
        if found is None:
            self._create_unless_there(lambda: self._create_experiment(name, base))
            found = self.client.get_experiment_by_name(name)
        if found.lifecycle_stage != "active":
            self.client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def _create_experiment(self, name: str, base: str) -> None:
        if (folder := self.address.folder) is None:  # a server decides where its artifacts lie
            self.client.create_experiment(name)
            return
        location = (folder / "artifacts" / base).as_posix()
        self.client.create_experiment(name, artifact_location=location, tags={ROOT_TAG: folder.as_posix()})

    def _create_unless_there(self, create: Any) -> None:
        """Create something that another run may be creating at the same moment."""
        from mlflow.exceptions import MlflowException

        try:
            create()
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _version(self, name: str, alias_or_version: str | int) -> Any:
        names = self.names()
        if name not in names:
            known = ", ".join(names) or "none yet"
            raise ModelError(
                f"no registered model is called {name!r}{did_you_mean(name, names)}; known: {known}",
                "train first (segml train), or correct the name",
            )
        aliases, versions = self.aliases(name), self.versions(name)
        wanted = str(alias_or_version)
        number = int(wanted) if wanted.isdecimal() else aliases.get(wanted)
        if number not in versions:
            named = ", ".join(f"{alias} (version {aliases[alias]})" for alias in sorted(aliases)) or "none"
            raise ModelError(
                f"{name} has no version or alias {wanted!r}{did_you_mean(wanted, aliases)}; aliases: {named}; "
                f"versions: {', '.join(map(str, versions)) or 'none'}",
                "promote a version first, or name one of these",
            )
        with self.speaking_plainly(f"look version {number} of {name} up"):
            return self.client.get_model_version(name, str(number))

    def _document(self, name: str, found: Any) -> dict[str, Any]:
        """Return what `model.json` of a version holds, after its files were compared with those registered."""
        mlflow, version = import_mlflow(), int(found.version)
        recorded = recorded_contents(found.tags)
        wanted = "" if recorded is not None else f"/artifacts/{MODEL_FILE}"
        with self.speaking_plainly(f"find the files of version {version} of {name}"):
            location = self.client.get_model_version_download_uri(name, str(version))
        with tempfile.TemporaryDirectory(prefix="segml-model-") as temporary:
            try:
                path = mlflow.artifacts.download_artifacts(
                    artifact_uri=f"{location}{wanted}",
                    dst_path=None
                    if self.address.database
                    else temporary,  # local files are read where they lie
                    tracking_uri=self.address.client_uri,
                )
            except Exception as error:  # each artifact store raises its own
                raise ModelError(
                    f"version {version} of {name} is registered, but its files are not at {location}",
                    "restore that folder from a backup, or train again",
                ) from error
            if recorded is None:
                return read_document(Path(path))
            check_contents(Path(path), recorded, f"{name} version {version}")
            return read_document(Path(path) / "artifacts" / MODEL_FILE)


def _cutoff_of(version: Any) -> str:
    return str(version.tags.get("cutoff", ""))


def _knew_by(version: Any, day: str) -> bool:
    """Whether all that a version has learnt from lies before a day: its cutoff, and the end of its last label."""
    cutoff = _cutoff_of(version)
    return bool(cutoff and max(cutoff, version.tags.get(KNOWN_UNTIL_TAG, cutoff)) <= day)


def _pages(search: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(page_token=token)
        yield from page
        token = page.token
        if not token:
            return
