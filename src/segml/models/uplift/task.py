"""The chosen learner of one campaign as a registered model: features in, the expected increment of each person out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from segml.models.boosting import FloatArray
from segml.models.uplift.ladder import UpliftLadder

PREFIX = "uplift_"


class UpliftTask:
    """What contacting a person by one campaign is expected to change.

    Parameters
    ----------
    campaign : str
        The middle of the task's name, ``uplift_<campaign>``, which is also its output column.
    ladder : UpliftLadder
        Fitted on a frame of features, with one treatment.

    Attributes
    ----------
    feature_names_in_ : list of str

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"orders_90d": rng.poisson(2.0, 2000), "recency_days": rng.integers(0, 90, 2000)})
    >>> mailed = rng.integers(0, 2, 2000)
    >>> y = (rng.random(2000) < 0.2 + 0.1 * mailed).astype(int)
    >>> task = UpliftTask("win_back", UpliftLadder(rungs=["same_for_all"]).fit(X, y, mailed))
    >>> task.task, list(task.score(X.head(2)).columns)
    ('uplift_win_back', ['uplift_win_back'])
    >>> bool((UpliftTask.from_dict(task.to_dict()).score(X) == task.score(X)).all().all())
    True
    """

    def __init__(self, campaign: str, ladder: UpliftLadder) -> None:
        self.campaign = campaign
        self.ladder = ladder

    @property
    def task(self) -> str:
        """``uplift_<campaign>``."""
        return PREFIX + self.campaign

    @property
    def feature_names_in_(self) -> list[str]:
        """Columns the model reads."""
        return [str(name) for name in self.ladder.feature_names_in_]

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """Return the expected increment of each person, in the outcome's unit, on the index of `features`."""
        known = features[self.feature_names_in_].astype("float64")
        with threadpool_limits(limits=1, user_api="blas"):
            increments = self.ladder.predict(known)
        return pd.DataFrame({self.task: np.asarray(increments, dtype=np.float64)}, index=features.index)

    def to_dict(self) -> dict[str, Any]:
        """Everything learned, as JSON-able plain Python."""
        return {"campaign": self.campaign, "ladder": self.ladder.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`."""
        return cls(content["campaign"], UpliftLadder.from_dict(content["ladder"]))


def held_out_increments(
    ladder: UpliftLadder,
    X: pd.DataFrame,
    y: NDArray[Any],
    treated: NDArray[Any],
    probability: NDArray[Any],
    rung: str | None = None,
    folds: int = 5,
) -> FloatArray:
    """Expected increment of each customer by a rung that has not seen them, shape (n,).

    What a campaign earned among those the model ranks high is read from these; from a model's own customers it would
    be flattered. The rung itself was chosen on all customers, from a handful.

    Parameters
    ----------
    ladder : UpliftLadder
        Fitted, with one treatment.
    X : DataFrame of shape (n, features)
        Rows in a fixed order (by customer), since folds are drawn by place.
    y, treated : array of shape (n,)
    probability : array of shape (n,)
        Of being treated.
    rung : str, optional
        The chosen one by default.
    folds : int
    """
    fold = np.random.default_rng(ladder.random_state).permutation(len(X)) % folds
    increments = np.empty(len(X))
    for part in range(folds):
        held = fold == part
        learner = ladder._rung(rung or ladder.rung_)
        learner.fit(X[~held], y[~held], treated[~held], probability[~held])
        increments[held] = learner.predict(X[held])
    return increments
