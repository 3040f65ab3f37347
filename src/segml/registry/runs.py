"""What a training leaves in MLflow: one parent run, and under it one run a model.

Everything goes through MLflow's client with explicit run ids. The fluent interface (`mlflow.start_run`) keeps
a stack and a tracking address per process and writes the address into the environment, where the next store
would pick it up.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from segml.errors import ModelError
from segml.registry.contents import artifact_contents, contents_tag
from segml.registry.model_types import TaskModel
from segml.registry.packaging import CARD_FILE, write_package

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from segml.registry.store import ModelStore

LONGEST_VALUE = 6000  # MLflow's limit for a parameter
LARGEST_BATCH = 100
REQUIRED_METADATA = ("cutoff", "feature_contract")
VERSION_TAGS = ("known_until", "gate")


@dataclass(frozen=True)
class Run:
    """A run to log into."""

    store: ModelStore
    run_id: str
    experiment_id: str
    base: str

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters; nested mappings become dotted names.

        Raises
        ------
        ModelError
            When a parameter was logged before with another value.
        """
        from mlflow.entities import Param

        flat = [Param(name, _text(value)) for name, value in flatten(params).items()]
        for start in range(0, len(flat), LARGEST_BATCH):
            with self.store.speaking_plainly("log parameters"):
                self.store.client.log_batch(self.run_id, params=flat[start : start + LARGEST_BATCH])

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log numbers under their names; `step` numbers the cutoffs of a backtest."""
        with self.store.speaking_plainly("log metrics"):
            for name, value in flatten(metrics).items():
                self.store.client.log_metric(self.run_id, name, float(value), step=step)

    def log_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags on the run."""
        with self.store.speaking_plainly("set tags"):
            for name, value in tags.items():
                self.store.client.set_tag(self.run_id, name, _text(value))

    def log_text(self, text: str, name: str) -> None:
        """Store a text as the artifact `name`, with its folder and suffix, for example ``card.md``."""
        with self.store.speaking_plainly(f"store {name}"):
            self.store.client.log_text(self.run_id, text, name)

    def log_frame(self, frame: pd.DataFrame, name: str) -> None:
        """Store a small frame as ``<name>.csv``, index included."""
        self.log_text(frame.to_csv(), name if name.endswith(".csv") else f"{name}.csv")

    def log_figure(self, figure: Figure, name: str) -> None:
        """Store a figure as ``<name>.png``."""
        file_name = name if Path(name).suffix in (".png", ".svg", ".pdf") else f"{name}.png"
        with self.store.speaking_plainly(f"store {file_name}"):
            self.store.client.log_figure(self.run_id, figure, file_name)

    def log_dataset_hashes(self, hashes: Mapping[str, str]) -> None:
        """Log which data the run saw: one MLflow dataset a table, and the whole hash as the tag ``data.<table>``."""
        from mlflow.entities import Dataset, DatasetInput

        inputs = [
            DatasetInput(Dataset(name, digest[:32], "segml", json.dumps({"table": name, "hash": digest})), [])
            for name, digest in sorted(hashes.items())
        ]
        with self.store.speaking_plainly("log data hashes"):
            self.store.client.log_inputs(self.run_id, datasets=inputs)
        self.log_tags({f"data.{name}": digest for name, digest in hashes.items()})


@dataclass(frozen=True)
class TrainingRun(Run):
    """The parent run of one training."""

    @contextmanager
    def model_run(self, task: str, params: Mapping[str, Any] | None = None) -> Iterator[ModelRun]:
        """Open the nested run of one model; it ends as failed when an error escapes."""
        tags = {"mlflow.parentRunId": self.run_id, "segml.base": self.base, "segml.task": task}
        with self.store.open_run(self.experiment_id, task, tags) as run_id:
            run = ModelRun(self.store, run_id, self.experiment_id, self.base, task)
            run.log_params(params or {})
            yield run

    def record_failure(self, task: str, error: Exception) -> None:
        """Leave a nested run of a task that broke: it ends as failed and names the kind of error."""
        with contextlib.suppress(type(error)), self.model_run(task):
            raise error


@dataclass(frozen=True)
class ModelRun(Run):
    """The nested run of one model."""

    task: str

    def register(
        self,
        model: TaskModel,
        example: pd.DataFrame,
        outputs: pd.DataFrame,
        fingerprint: str,
        card: str,
        metadata: Mapping[str, Any],
    ) -> int:
        """Register a fitted model as the next version of ``segml.<base>.<task>`` and call it the challenger.

        Parameters
        ----------
        model : TaskModel
            Fitted, of a type in `segml.registry.model_types`.
        example : DataFrame
            Some rows of features; only their types and quartiles are stored.
        outputs : DataFrame
            ``model.score(example)``.
        fingerprint : str
            Of everything the model was made from; see `segml.registry.fingerprint`.
        card : str
            Model card, Markdown.
        metadata : mapping
            JSON values; must hold ``cutoff`` (ISO date) and ``feature_contract``. ``known_until`` (ISO date, end of
            the last label learnt from) and ``gate`` (passed or refused) become tags of the version.

        Returns
        -------
        int
            The version number.

        Raises
        ------
        ModelError
            When metadata are missing, the model is of another task, or it does not survive being stored.
        """
        absent = [key for key in REQUIRED_METADATA if not metadata.get(key)]
        if absent:
            raise ModelError(f"a registered {self.task} model needs metadata {', '.join(absent)}")
        if model.task != self.task:
            raise ModelError(f"the run is for the task {self.task}, and the model is for {model.task}")
        about = {
            "base": self.base,
            "task": self.task,
            "fingerprint": fingerprint,
            "features": list(model.feature_names_in_),
            "metadata": dict(metadata),
        }
        with tempfile.TemporaryDirectory(prefix="segml-model-") as temporary:
            folder = Path(temporary) / "model"
            write_package(folder, model, example, outputs, card, about)
            with self.store.speaking_plainly(f"register the {self.task} model"):
                version = self._upload(folder, about)
        self.log_text(card, CARD_FILE)
        return version

    def _upload(self, folder: Path, about: dict[str, Any]) -> int:
        from mlflow.entities import LoggedModelOutput

        client, name = self.store.client, self.store.model_name(self.base, self.task)
        logged = client.create_logged_model(
            self.experiment_id, name=self.task, source_run_id=self.run_id, model_type=self.task
        )
        client.log_model_artifacts(logged.model_id, str(folder))
        client.finalize_logged_model(logged.model_id, "READY")
        client.log_outputs(self.run_id, [LoggedModelOutput(logged.model_id, step=0)])
        tags = {
            "fingerprint": about["fingerprint"],
            "cutoff": str(about["metadata"]["cutoff"]),
            "feature_contract": str(about["metadata"]["feature_contract"]),
            "base": self.base,
            "task": self.task,
            **{key: str(about["metadata"][key]) for key in VERSION_TAGS if key in about["metadata"]},
            **contents_tag(artifact_contents(folder)),
        }
        # by path when local: MLflow would look "models:/<id>" up in its process-wide store, which isn't this one
        local = self.store.address.database is not None
        source = logged.artifact_location if local else f"models:/{logged.model_id}"
        return self.store.add_version(name, source, self.run_id, logged.model_id, tags)


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one level with dotted names.

    Examples
    --------
    >>> flatten({"trees": {"rounds": 200}, "seed": 1})
    {'trees.rounds': 200, 'seed': 1}
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _text(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"
