"""RFM name maps as data, checked when they are loaded.

Of six published maps four leave cells without a name or names without a cell. So a map is a table of rectangles
over the score grid, and loading it proves that every cell has exactly one name and every name at least one cell.
The group names of the alternates follow the platforms they are named after; the rectangles are ours, because a map
that is exported has to cover every cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from segml.errors import ConfigurationError

Rectangle = Mapping[str, tuple[int, int]]
"""Inclusive score range of each dimension; a dimension left out runs over all of its scores."""

DIMENSIONS = ("R", "F", "M")


@dataclass(frozen=True)
class RfmMap:
    """Names for the cells of an RFM grid; total and disjoint, or it does not exist.

    Parameters
    ----------
    name : str
    dimensions : sequence of {"R", "F", "M"}
        Scores the map looks at.
    levels : (int, int)
        Lowest and highest score.
    cells : mapping of segment name to list of rectangles

    Raises
    ------
    ConfigurationError
        Cells without a name, with two names, or names without a cell; all of them are listed.

    Examples
    --------
    >>> halves = RfmMap("halves", ("R",), (1, 2), {"Here": [{"R": (2, 2)}], "Gone": [{"R": (1, 1)}]})
    >>> halves.names_of({"R": np.array([2, 1, 0])}).tolist()
    ['Here', 'Gone', 'Prospect']
    """

    name: str
    dimensions: Sequence[str]
    levels: tuple[int, int]
    cells: Mapping[str, Sequence[Rectangle]]

    def __post_init__(self) -> None:
        self._check_rectangles()
        owners = self._owners()
        uncovered = [cell for cell, names in owners.items() if not names]
        overlapping = [cell for cell, names in owners.items() if len(names) > 1]
        owned = {name for names in owners.values() for name in names}
        problems = []
        if uncovered:
            problems.append(f"cells without a name: {', '.join(map(self._spell, uncovered))}")
        if overlapping:
            spelled = (f"{self._spell(cell)} ({' and '.join(owners[cell])})" for cell in overlapping)
            problems.append(f"cells with more than one name: {', '.join(spelled)}")
        if unreachable := [name for name in self.cells if name not in owned]:
            problems.append(f"names without a cell: {', '.join(unreachable)}")
        if problems:
            raise ConfigurationError(
                f"the RFM map {self.name!r} is not a partition of its {len(owners)} cells; "
                + "; ".join(problems),
                next_step="change the ranges so that each cell has exactly one name",
            )

    def names_of(self, scores: Mapping[str, np.ndarray]) -> np.ndarray:
        """Name of each customer; "Prospect" where the scores are 0 below the map's lowest level, or R is below it.

        Parameters
        ----------
        scores : mapping of dimension to array of int, shape (n,)
        """
        low, high = self.levels
        table = np.empty((high - low + 1,) * len(self.dimensions), dtype=object)
        for cell, owners in self._owners().items():
            table[tuple(score - low for score in cell)] = owners[0]
        columns = [np.asarray(scores[dimension]) - low for dimension in self.dimensions]
        unscored = np.logical_or.reduce([column < 0 for column in columns])
        found = table[tuple(np.where(unscored, 0, column) for column in columns)]
        return np.where(unscored, "Prospect", found)

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python, as a YAML file would hold it."""
        cells = {
            n: [{d: list(r) for d, r in area.items()} for area in areas] for n, areas in self.cells.items()
        }
        return {
            "name": self.name,
            "dimensions": list(self.dimensions),
            "levels": list(self.levels),
            "cells": cells,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> RfmMap:
        """Rebuild and check again."""
        cells = {
            n: [{d: (int(r[0]), int(r[1])) for d, r in area.items()} for area in areas]
            for n, areas in stored["cells"].items()
        }
        low, high = stored["levels"]
        return cls(stored["name"], tuple(stored["dimensions"]), (int(low), int(high)), cells)

    def _owners(self) -> dict[tuple[int, ...], list[str]]:
        low, high = self.levels
        grid = product(range(low, high + 1), repeat=len(self.dimensions))
        return {cell: [n for n, areas in self.cells.items() if self._holds(areas, cell)] for cell in grid}

    def _holds(self, areas: Sequence[Rectangle], cell: tuple[int, ...]) -> bool:
        scores = dict(zip(self.dimensions, cell, strict=True))
        return any(all(low <= scores[d] <= high for d, (low, high) in area.items()) for area in areas)

    def _spell(self, cell: tuple[int, ...]) -> str:
        return " ".join(f"{d}{score}" for d, score in zip(self.dimensions, cell, strict=True))

    def _check_rectangles(self) -> None:
        low, high = self.levels
        wrong = [f"dimension {d}" for d in self.dimensions if d not in DIMENSIONS]
        for name, areas in self.cells.items():
            for area in areas:
                wrong += [
                    f"{name}: {d} is not a dimension of the map" for d in area if d not in self.dimensions
                ]
                wrong += [
                    f"{name}: {d} {r[0]}-{r[1]}" for d, r in area.items() if not low <= r[0] <= r[1] <= high
                ]
        if wrong:
            raise ConfigurationError(
                f"the RFM map {self.name!r} names scores that do not exist: {'; '.join(wrong)}",
                next_step=f"use dimensions {', '.join(DIMENSIONS)} and scores {low} to {high}",
            )


DEFAULT_MAP = RfmMap(
    "default",
    ("R", "F"),
    (1, 5),
    {
        "Champions": [{"R": (5, 5), "F": (4, 5)}],
        "Loyal": [{"R": (3, 4), "F": (4, 5)}],
        "Potential Loyalist": [{"R": (4, 5), "F": (2, 3)}],
        "New": [{"R": (5, 5), "F": (1, 1)}],
        "Promising": [{"R": (4, 4), "F": (1, 1)}],
        "Need Attention": [{"R": (3, 3), "F": (3, 3)}],
        "About to Sleep": [{"R": (3, 3), "F": (1, 2)}],
        "At Risk": [{"R": (1, 2), "F": (3, 4)}],
        "Can't Lose": [{"R": (1, 2), "F": (5, 5)}],
        "Hibernating": [{"R": (1, 2), "F": (1, 2)}],
    },
)

KLAVIYO3_MAP = RfmMap(
    "klaviyo3",
    ("R", "F", "M"),
    (1, 3),
    {
        "Champions": [{"R": (3, 3), "F": (2, 3), "M": (3, 3)}],
        "Loyal": [{"R": (3, 3), "F": (2, 3), "M": (1, 2)}, {"R": (2, 2), "F": (3, 3)}],
        "Recent": [{"R": (3, 3), "F": (1, 1)}],
        "Needs Attention": [{"R": (2, 2), "F": (1, 2)}],
        "At Risk": [{"R": (1, 1), "F": (2, 3)}],
        "Inactive": [{"R": (1, 1), "F": (1, 1)}],
    },
)

BRAZE_MAP = RfmMap(
    "braze",
    ("R", "F", "M"),
    (0, 3),
    {
        "Best": [{"R": (3, 3), "F": (3, 3), "M": (3, 3)}],
        "Loyal": [{"R": (2, 3), "F": (3, 3), "M": (0, 2)}, {"R": (2, 2), "F": (3, 3), "M": (3, 3)}],
        "Big Spenders": [{"R": (2, 3), "F": (0, 2), "M": (3, 3)}],
        "Potential": [{"R": (2, 3), "F": (1, 2), "M": (0, 2)}],
        "New": [{"R": (2, 3), "F": (0, 0), "M": (0, 2)}],
        "At Risk": [{"R": (0, 1), "F": (2, 3)}],
        "Lapsing": [{"R": (1, 1), "F": (0, 1)}],
        "Lost": [{"R": (0, 0), "F": (0, 1)}],
    },
)

RFM_MAPS: dict[str, RfmMap] = {m.name: m for m in (DEFAULT_MAP, KLAVIYO3_MAP, BRAZE_MAP)}
