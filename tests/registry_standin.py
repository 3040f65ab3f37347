"""A model small enough to be stored in a test: the share of the largest recency seen in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from segml.registry.fingerprint import feature_contract
from segml.registry.model_types import register_model_type

FEATURES = ["recency_days", "orders_90d"]
CONTRACT = feature_contract(FEATURES)
METADATA = {"cutoff": "2017-11-06", "feature_contract": CONTRACT, "horizon_days": 56}


class StandIn:
    """The least a registered model must have."""

    def __init__(self, task: str = "churn") -> None:
        self.task = task

    def fit(self, features: pd.DataFrame) -> StandIn:
        self.feature_names_in_ = list(FEATURES)
        self.largest_ = float(features["recency_days"].max())
        return self

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        probability = (features["recency_days"] / self.largest_).clip(0, 1)
        band = pd.Series(np.where(probability > 0.5, "high", "low"), index=features.index, dtype="str")
        return pd.DataFrame({f"{self.task}_probability": probability, f"{self.task}_band": band})

    def to_dict(self) -> dict[str, Any]:
        return {"task": self.task, "features": self.feature_names_in_, "largest": self.largest_}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> StandIn:
        model = cls(content["task"])
        model.feature_names_in_ = list(content["features"])
        model.largest_ = content["largest"]
        return model


def features(rows: int = 12) -> pd.DataFrame:
    """Return features of `rows` customers, with a missing value."""
    index = pd.Index([f"c{number:03d}" for number in range(rows)], name="customer_id")
    frame = pd.DataFrame(
        {"recency_days": np.arange(rows) / 3.0, "orders_90d": 1.0, "unused": 2.0}, index=index
    )
    frame.loc["c003", "orders_90d"] = np.nan
    return frame


def register(store, mark, model=None, example=None, **metadata):
    model = model or StandIn().fit(features())
    example = features() if example is None else example
    with (
        store.training_run("shop", "2017-11-06", {"who": "test"}, {"churn": {"rounds": 200}}) as run,
        run.model_run("churn", {"rounds": 200}) as model_run,
    ):
        return model_run.register(
            model, example, model.score(features()), mark, "# card\n", METADATA | metadata
        ), model_run.run_id


register_model_type("StandIn", "registry_standin:StandIn")
