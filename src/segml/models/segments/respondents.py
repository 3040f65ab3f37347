"""Who can be clustered by a survey, and which items tell anybody apart: counted, and refused in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from segml.errors import NotEnoughDataError
from segml.models.segments.profiles import MIN_GROUP
from segml.models.segments.response_style import Questionnaire, measure_style


def useless_items(values: np.ndarray, items: Sequence[str]) -> dict[str, str]:
    """Items that tell nobody apart, with the reason.

    Examples
    --------
    >>> useless_items(np.array([[1.0, np.nan, 4.0], [2.0, np.nan, 4.0]]), ["rock", "pop", "folk"])
    {'pop': 'nobody answered', 'folk': 'everybody answered 4'}
    """
    reasons = {}
    for item, column in zip(items, values.T, strict=True):
        given = np.unique(column[~np.isnan(column)])
        if len(given) < 2:
            reasons[item] = f"everybody answered {given[0]:g}" if len(given) else "nobody answered"
    return reasons


def column_moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the given answers of each column; 0 and 0 where there is none.

    Examples
    --------
    >>> means, deviations = column_moments(np.array([[1.0, np.nan], [3.0, np.nan]]))
    >>> means.tolist(), deviations.tolist()
    ([2.0, 0.0], [1.0, 0.0])
    """
    known = ~np.isnan(values)
    n = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, values, 0.0).sum(axis=0) / n
    return means, np.sqrt(np.where(known, (values - means) ** 2, 0.0).sum(axis=0) / n)


def clustered_items(asked: Questionnaire) -> np.ndarray:
    """Which items belong to batteries that are clustered, shape (items,)."""
    return np.concatenate([np.full(len(battery.items), battery.clustered) for battery in asked.batteries])


def usable_people(
    values: np.ndarray, asked: Questionnaire, item_means: np.ndarray, min_answered: float
) -> tuple[np.ndarray, np.ndarray]:
    """People with enough answers to the clustered items and not all the same; and who are straight-liners.

    Returns
    -------
    usable, straight : arrays of bool, shape (people,)
    """
    straight = measure_style(values, asked, item_means)["straight_liner"].to_numpy()
    enough = (~np.isnan(values[:, clustered_items(asked)])).mean(axis=1) >= min_answered
    return np.asarray(enough & ~straight), np.asarray(straight)


def count_people(values: np.ndarray, usable: np.ndarray, straight: np.ndarray) -> dict[str, int | float]:
    """Numbers for the report: people, clustered, straight-liners, too few answers, missing answers and their share."""
    missing = np.isnan(values)
    return {
        "people": len(values),
        "clustered": int(usable.sum()),
        "straight_liners": int(straight.sum()),
        "too_few_answers": int((~usable & ~straight).sum()),
        "missing_answers": int(missing.sum()),
        "missing_share": float(missing.mean()),
    }


def refuse_too_few(counts: Mapping[str, int | float], n_segments: int) -> None:
    """Raise `NotEnoughDataError` unless 10 people a segment can be clustered.

    Examples
    --------
    >>> try:
    ...     refuse_too_few({"people": 40, "clustered": 12, "straight_liners": 25, "too_few_answers": 3}, 3)
    ... except NotEnoughDataError as error:
    ...     print(error.message)
    declared segments are unavailable, because 3 segments need 30 people who answered enough, and there are 12 of 40 \
(25 straight-liners, 3 with too few answers)
    """
    needed = MIN_GROUP * n_segments
    if counts["clustered"] < needed:
        raise NotEnoughDataError(
            f"declared segments are unavailable, because {n_segments} segments need {needed} people who answered "
            f"enough, and there are {counts['clustered']} of {counts['people']} ({counts['straight_liners']} "
            f"straight-liners, {counts['too_few_answers']} with too few answers)",
            "ask for fewer segments, or collect more answers",
        )
