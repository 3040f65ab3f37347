"""Hillstrom's MineThatData e-mail challenge (2008): a real campaign of 64,000 customers with two mails and a control.

The file is not part of the project; where its author published it, it is free for open use. Arms were drawn by lot, a
third of the customers each, and what they did was followed for two weeks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from segml.errors import DataError

CONTROL, MENS, WOMENS = "No E-Mail", "Mens E-Mail", "Womens E-Mail"
OUTCOMES = ("visit", "conversion", "spend")
_NUMBERS = ("recency", "history", "mens", "womens", "newbie")
_WORDS = {
    "zip_code": ("Rural", "Surburban", "Urban"),  # spelled so in the file
    "channel": ("Multichannel", "Phone", "Web"),
}


@dataclass(frozen=True)
class Hillstrom:
    """The campaign: `X` (what was known before), `outcomes` (visit, conversion, spend), `treatment` (arm labels)."""

    X: pd.DataFrame
    outcomes: pd.DataFrame
    treatment: pd.Series

    def against_control(self, arm: str) -> Hillstrom:
        """Only the customers of one arm and of the control."""
        keep = self.treatment.isin([arm, CONTROL])
        return Hillstrom(self.X[keep], self.outcomes[keep], self.treatment[keep])


def load_hillstrom(path: Path | str) -> Hillstrom:
    """Read the campaign from Parquet or CSV.

    Parameters
    ----------
    path : path
        With the columns of the published file.

    Returns
    -------
    Hillstrom
        `X` has months since the last order (`recency`), last year's spend (`history`), flags for goods bought, for
        new customers, and for each kind of place and channel; all floats.

    Raises
    ------
    DataError
        When the file is missing, or lacks columns or known labels.
    """
    place = Path(path)
    if not place.is_file():
        raise DataError(
            f"there is no Hillstrom file at {place}", "put the published file there, as Parquet or CSV"
        )
    raw = pd.read_csv(place) if place.suffix == ".csv" else pd.read_parquet(place)
    missing = [name for name in (*_NUMBERS, *_WORDS, *OUTCOMES, "segment") if name not in raw]
    if missing:
        raise DataError(f"{place.name} is not Hillstrom's file: it lacks {', '.join(missing)}")
    words = {name: raw[name].astype(str) for name in (*_WORDS, "segment")}
    known = {**_WORDS, "segment": (CONTROL, MENS, WOMENS)}
    odd = [
        f"{name} {value!r}"
        for name, column in words.items()
        for value in sorted(set(column) - set(known[name]))
    ]
    if odd:
        raise DataError(f"{place.name} has labels that Hillstrom's file does not: {', '.join(odd[:10])}")
    columns = {name: raw[name].astype(float) for name in _NUMBERS}
    for name, labels in _WORDS.items():
        columns |= {f"{name}_{label.lower()}": (words[name] == label).astype(float) for label in labels}
    outcomes = raw[list(OUTCOMES)].astype(float)
    return Hillstrom(pd.DataFrame(columns), outcomes, words["segment"].rename("treatment"))
