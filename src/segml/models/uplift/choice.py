"""Comparing policies on the same customers, and saying in a sentence what was chosen and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

from segml.evaluation.uplift_policy import mean_and_error
from segml.models.boosting import FloatArray

FLOOR = "same_for_all"
WORDS = {
    "same_for_all": "the same increment for everybody",
    "propensity": "a line in the chance of buying anyway",
    "response": "a line in the response of the treated",
    "two_models": "two models, with and without the contact",
    "ridge": "a ridge line on doubly robust scores",
    "trees": "small trees on doubly robust scores",
    "cross": "small trees crossed between the arms",
}


@dataclass(frozen=True)
class SendingPolicy:
    """Whom to send what: the arm with the highest expected increment net of cost, to those above a threshold.

    Attributes
    ----------
    rung : str
        The learner behind it.
    threshold : float
        Expected net increment above which a customer is sent something: zero, or what keeps the budget.
    share_sent : float
        Of the campaign's customers.
    value, standard_error : float
        Net increment per customer of the base, cross-fitted, against sending nothing.
    value_of_all : float
        The same for sending everybody the one best arm.
    text : str
        A sentence with the same numbers.
    """

    rung: str
    threshold: float
    share_sent: float
    value: float
    standard_error: float
    value_of_all: float
    text: str


def sending_threshold(top: FloatArray, budget: float | None) -> float:
    """Return zero, or the lowest value above which no more than the budget lie."""
    if budget is None:
        return 0.0
    allowed = int(np.floor(budget * len(top) + 1e-9))
    return max(0.0, float(np.sort(top)[::-1][allowed])) if allowed < len(top) else 0.0


def selection_frame(gains: Mapping[str, FloatArray], floor: str = FLOOR) -> pd.DataFrame:
    """Compare policies on the same customers, given simplest first.

    Chosen is the simplest within one standard error of the best that is not below the floor; the floor itself only
    when nothing is above it.

    Parameters
    ----------
    gains : mapping from name to array of shape (n,)
        Net increment of each customer under the policy.
    floor : str, default="same_for_all"
        May be absent from `gains`.

    Examples
    --------
    >>> gains = {"plain": np.array([0.0, 1.0, 0.0, 1.0]), "fancy": np.array([0.1, 1.1, 0.0, 0.9])}
    >>> selection_frame(gains)["chosen"].to_dict()
    {'plain': True, 'fancy': False}
    """
    values = {name: mean_and_error(gain) for name, gain in gains.items()}
    best = max(values, key=lambda name: values[name][0])
    behind = {name: mean_and_error(gains[best] - gain) for name, gain in gains.items()}
    base = gains.get(floor, np.full_like(gains[best], np.nan))
    ahead = {name: mean_and_error(gain - base) for name, gain in gains.items()}
    columns = {
        ("value", "standard_error"): values,
        ("behind_best", "behind_error"): behind,
        ("ahead_of_floor", "ahead_error"): ahead,
    }
    frame = pd.DataFrame(
        {name: [pair[place] for pair in pairs.values()] for names, pairs in columns.items()
         for place, name in enumerate(names)},
        index=pd.Index(list(gains), name="rung"),
    )  # fmt: skip
    frame["within_one_error"] = frame["behind_best"] <= frame["behind_error"]
    able = frame["within_one_error"] & ~(frame["ahead_of_floor"] <= 0)
    chosen = frame.index[able][0] if able.any() else best
    frame["chosen"] = frame.index == chosen
    return frame


def choice_reason(frame: pd.DataFrame, criterion: str) -> str:
    chosen = frame[frame["chosen"]].iloc[0]
    name, best = str(chosen.name), str(frame["value"].idxmax())
    told = f"{WORDS[name]} ({name}) is worth {chosen['value']:.4g} a customer {criterion}"
    if name == FLOOR:
        return f"{told}; no rung is ahead of it, so no difference between customers was shown"
    if name == best:
        told += f", the best of {len(frame)} rungs, and no simpler one comes within one standard error of it"
    else:
        told += (
            f", {chosen['behind_best']:.2g} behind the best ({best}), which is within one standard error of their "
            f"difference ({chosen['behind_error']:.2g}): the simplest such rung is taken"
        )
    if FLOOR not in frame.index:
        return told
    ahead, error = float(chosen["ahead_of_floor"]), float(chosen["ahead_error"])
    # the best of several tries looks better than it is: the level is shared between them
    limit = float(norm.ppf(1 - 0.025 / max(len(frame) - 1, 1)))
    clear = "clearly" if ahead > limit * error else "not clearly"
    return f"{told}; {clear} ahead of the same for everybody ({ahead:+.2g}, standard error {error:.2g})"
