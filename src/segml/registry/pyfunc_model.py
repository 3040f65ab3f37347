"""The model as MLflow runs it: this file is copied beside every registered model ("models from code").

Nothing in segml imports it; MLflow executes the copy when it loads a model, which is why it may import MLflow
at the top where the rest of the package may not. It is kept this short on purpose: what it says is frozen
with each version, while the reading of `model.json` lives in `segml.registry.model_types` and can be mended.
No `from __future__ import annotations` here: MLflow 3.17 reads the annotations of `predict` when the class is
made.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from segml.registry.model_types import build_model, read_document
from segml.registry.tracking import mlflow_warnings_muted

with mlflow_warnings_muted():
    from mlflow.models import set_model
    from mlflow.pyfunc import PythonModel


class SegmlModel(PythonModel):
    """A segml model behind `mlflow.pyfunc`: a frame of features in, a frame of scores out."""

    def load_context(self, context: Any) -> None:
        """Read `model.json` from the model's artifacts."""
        self.model = build_model(read_document(Path(context.artifacts["model"])))

    def predict(
        self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return the scores of `model_input`, one row a customer, on the same index."""
        scores: pd.DataFrame = self.model.score(model_input)
        return scores


set_model(SegmlModel())
