"""A fitted model as a folder that MLflow can load: JSON, the code that reads it, a signature and pinned requirements.

Requirements are declared from what is installed. Letting MLflow infer them starts a second Python and took 50
s a model where this takes a fraction of one.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import pandas as pd

import segml
from segml.errors import ModelError
from segml.registry.model_types import TaskModel, build_model, read_document, write_model
from segml.registry.tracking import import_mlflow, mlflow_warnings_muted

REQUIRED = ("segml", "lightgbm", "scikit-learn", "numpy", "pandas")
MODEL_FILE = "model.json"
CARD_FILE = "card.md"
CODE_FILE = Path(__file__).with_name("pyfunc_model.py")


def pinned_requirements() -> list[str]:
    """Return the requirements of a registered model, each at the version installed now."""
    return [_pinned(name) for name in REQUIRED]


def example_rows(features: pd.DataFrame) -> pd.DataFrame:
    """Return the quartiles of each number and the most common text: an example with the right types that is nobody.

    A model version outlives an erasure request, so no customer's own row goes into it.

    Examples
    --------
    >>> example_rows(pd.DataFrame({"recency_days": [0.0, 10.0, 20.0]}))["recency_days"].tolist()
    [5.0, 10.0, 15.0]
    """
    columns = {
        str(name): column.astype("float64").quantile([0.25, 0.5, 0.75]).to_list()
        if pd.api.types.is_numeric_dtype(column)
        else [next(iter(column.mode()), "")] * 3
        for name, column in features.items()
    }
    return pd.DataFrame(columns)


def write_package(
    folder: Path,
    model: TaskModel,
    example: pd.DataFrame,
    outputs: pd.DataFrame,
    card: str,
    about: dict[str, Any],
) -> None:
    """Write the model to a new `folder` in MLflow's layout, after reading it back and scoring the example with it.

    Parameters
    ----------
    folder : Path
        Must not exist yet.
    model : TaskModel
        Fitted; its type stands in the table of `segml.registry.model_types`.
    example : DataFrame, shape (n_customers, n_features)
        Features as the model was trained on; a few rows are enough.
    outputs : DataFrame
        ``model.score(example)``; gives the signature its output columns.
    card : str
        Model card, Markdown.
    about : dict
        Written beside the model (metadata, fingerprint); plain JSON values.

    Raises
    ------
    ModelError
        When the model read back does not give the same scores, or the example lacks a feature.
    """
    mlflow = import_mlflow()
    inputs = _feature_columns(model, example)
    staging = folder.with_name(folder.name + "-parts")
    staging.mkdir(parents=True)
    write_model(model, staging / MODEL_FILE, **about)
    (staging / CARD_FILE).write_text(card, encoding="utf-8")
    check_round_trip(staging / MODEL_FILE, inputs, outputs)
    with mlflow_warnings_muted():
        mlflow.pyfunc.save_model(
            path=str(folder),
            python_model=str(CODE_FILE),
            artifacts={"model": str(staging / MODEL_FILE), "card": str(staging / CARD_FILE)},
            signature=_signature(inputs, outputs),
            input_example=example_rows(inputs),
            pip_requirements=pinned_requirements(),
            metadata={key: about[key] for key in ("base", "task", "fingerprint") if key in about},
        )


def check_round_trip(path: Path, inputs: pd.DataFrame, outputs: pd.DataFrame) -> None:
    """Raise a ModelError unless the model in `path` gives `outputs` for `inputs`."""
    scored = build_model(read_document(path)).score(inputs)
    try:
        pd.testing.assert_frame_equal(scored, outputs, rtol=1e-9, atol=1e-12)
    except AssertionError as error:
        raise ModelError(
            f"the model read back from JSON does not give the same scores as the one that was fitted: {error}",
            "compare to_dict and from_dict of the model, and the outputs given with it",
        ) from error


def _feature_columns(model: TaskModel, example: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in model.feature_names_in_ if name not in example.columns]
    if missing:
        raise ModelError(f"the example lacks features of the {model.task} model: {', '.join(missing)}")
    named = example[list(model.feature_names_in_)]
    numbers = [name for name in named if pd.api.types.is_numeric_dtype(named[name])]
    return named.astype(dict.fromkeys(numbers, "float64"))


def _signature(inputs: pd.DataFrame, outputs: pd.DataFrame) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    kinds = {"f": "double", "i": "long", "u": "long", "b": "boolean"}
    columns = [ColSpec(kinds.get(dtype.kind, "string"), str(name)) for name, dtype in outputs.dtypes.items()]
    read = [
        ColSpec("double" if pd.api.types.is_numeric_dtype(dtype) else "string", str(name), required=True)
        for name, dtype in inputs.dtypes.items()
    ]
    return ModelSignature(Schema(read), Schema(columns))


def _pinned(name: str) -> str:
    try:
        return f"{name}=={importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        if name != "segml":
            raise ModelError(f"{name} is required by every registered model and is not installed") from None
        return f"segml=={segml.__version__}"  # run from its source folder
