"""Do these people leave more often than those? A ratio of hazards with an interval, from two counts.

Both groups are observed over the same window, so the ratio of the cumulative hazards -ln(1 - p) is all there is to
estimate; its interval is that of the complementary log-log, which stays positive and needs no iteration.

References
----------
Kalbfleisch, J. and Prentice, R. (2002), The Statistical Analysis of Failure Time Data, section 1.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Z_95 = 1.959964


@dataclass(frozen=True)
class HazardComparison:
    """Hazard of leaving in one group over that in another, with a 95 % interval.

    Attributes
    ----------
    ratio, low, high : float
        NaN when a group has nobody, or nobody (or everybody) left.
    people, left : (int, int)
        Of the group and of those it is compared with.
    """

    ratio: float
    low: float
    high: float
    people: tuple[int, int]
    left: tuple[int, int]

    @property
    def holds(self) -> bool:
        """Whether the group leaves more often, beyond chance: the interval lies above 1."""
        return bool(self.low > 1.0)

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        if not np.isfinite(self.ratio):
            return f"can't be tested: {self.left[0]} of {self.people[0]} and {self.left[1]} of {self.people[1]} left"
        verdict = "they leave more often" if self.holds else "no difference beyond chance"
        return (
            f"hazard ratio {self.ratio:.2f} ({self.low:.2f} to {self.high:.2f}), {self.left[0]:,} of"
            f" {self.people[0]:,} left against {self.left[1]:,} of {self.people[1]:,}: {verdict}"
        )


def compare_hazards(people: tuple[int, int], left: tuple[int, int]) -> HazardComparison:
    """Compare two groups observed over the same window.

    Parameters
    ----------
    people : (int, int)
        Size of the group and of those it is compared with.
    left : (int, int)
        How many of each left.

    Examples
    --------
    >>> found = compare_hazards((1_000, 1_000), (300, 200))
    >>> round(found.ratio, 3), found.holds
    (1.598, True)
    >>> compare_hazards((50, 50), (12, 10)).holds
    False
    """
    unknown = HazardComparison(float("nan"), float("nan"), float("nan"), people, left)
    if any(not 0 < gone < size for gone, size in zip(left, people, strict=True)):
        return unknown
    survival = 1.0 - np.array(left) / np.array(people)
    hazards = -np.log(survival)
    # delta method on ln(-ln S)
    variance = ((1 - survival) / (np.array(people) * survival * hazards**2)).sum()
    log_ratio, half = float(np.log(hazards[0] / hazards[1])), Z_95 * float(np.sqrt(variance))
    low, high = np.exp(log_ratio - half), np.exp(log_ratio + half)
    return HazardComparison(float(np.exp(log_ratio)), float(low), float(high), people, left)
