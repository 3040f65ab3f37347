"""From how many contacts in 30 days people answer less, or leave more: learnt from the base, or not said at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import norm

_LESS, _MORE = 0.75, 1.5  # a response a quarter smaller, a refusal half as frequent again: worth a word
_LEVEL = 0.01  # one-sided, for the whole search over pressures (Bonferroni)


@dataclass(frozen=True)
class Saturation:
    """The pressure from which the base is saturated, and why.

    Attributes
    ----------
    saturated_from : int or None
        Contacts in 30 days; None when no pressure shows it.
    reason : str
        The numbers, in a sentence.
    """

    saturated_from: int | None
    reason: str

    @property
    def target_from(self) -> int | None:
        """Contacts in 30 days at which somebody is on target: half of what saturates, rounded up."""
        return None if self.saturated_from is None else (self.saturated_from + 1) // 2


def learn_saturation(answers: pd.DataFrame, minimum: int = 200) -> Saturation:
    """Find the pressure that parts best: from it on contacts are surely answered less, or refused more, than below.

    Parameters
    ----------
    answers : DataFrame
        One row a pressure: `pressure` (contacts in 30 days, this one included), `contacts`, `reacted`, `refused`.
    minimum : int
        Contacts on either side of a threshold.

    Returns
    -------
    Saturation
        A pressure counts when the response from it on is at most 0.75, or the refusals at least 1.5, of what they are
        below, and the difference is significant at one percent over all pressures tried; of several the one with
        the largest z, because the rest pulls its lower neighbours along.

    Examples
    --------
    >>> tired = {"contacts": [9000, 5000, 3000], "reacted": [900, 500, 90], "refused": [9, 5, 30]}
    >>> learn_saturation(pd.DataFrame({"pressure": [1, 2, 3], **tired})).saturated_from
    3
    >>> learn_saturation(pd.DataFrame({"pressure": [1], "contacts": [90], "reacted": [9], "refused": [0]})).reason
    'all 90 contacts were the only one in 30 days: saturation can not be seen'
    """
    table = answers.sort_values("pressure", ignore_index=True)
    total = int(table["contacts"].sum())
    tried = []
    for pressure in table["pressure"].iloc[1:]:
        above = table["pressure"] >= pressure
        if min(table.loc[above, "contacts"].sum(), table.loc[~above, "contacts"].sum()) >= minimum:
            tried.append((int(pressure), above))
    if len(table) <= 1:
        return Saturation(
            None, f"all {total:,} contacts were the only one in 30 days: saturation can not be seen"
        )
    limit = float(norm.isf(_LEVEL / max(2 * len(tried), 1)))
    best, strongest = None, limit
    for pressure, above in tried:
        for column, sign, word in (("reacted", -1, "answered"), ("refused", 1, "refused")):
            low, high, z = _rates(table, above, column)
            ratio = high / low if low > 0 else np.inf
            clear = ratio <= _LESS if sign < 0 else ratio >= _MORE
            if clear and sign * z > strongest:
                best, strongest = (pressure, word, high, low), sign * z
    if best is not None:
        pressure, word, high, low = best
        told = (
            f"from {pressure} contacts in 30 days on, {high:.2%} of contacts are {word}, below it {low:.2%}"
        )
        return Saturation(pressure, told)
    return Saturation(
        None,
        f"no pressure up to {int(table['pressure'].max())} contacts in 30 days is surely answered less or refused more"
        f" ({total:,} contacts)",
    )


def _rates(table: pd.DataFrame, above: pd.Series, column: str) -> tuple[float, float, float]:
    """Return the rate below and from the threshold on, and the z of their difference."""
    (n0, k0), (n1, k1) = (
        (float(table.loc[side, "contacts"].sum()), float(table.loc[side, column].sum()))
        for side in (~above, above)
    )
    pooled = (k0 + k1) / (n0 + n1)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
    low, high = k0 / n0, k1 / n1
    return low, high, float((high - low) / error) if error > 0 else 0.0
