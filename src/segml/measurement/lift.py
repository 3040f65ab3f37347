"""The difference between treated and held-out people, with intervals, and the check that comes before it.

Intention to treat: everybody who was listed counts as treated, reached or not, and everybody who was held out as held
out. Rates: Wilson's interval for one, Newcombe's hybrid score interval (1998, method 10) for a difference, and the
log ratio (Katz and others 1978) for the relative lift. Money: `segml.measurement.money`. Sample ratio: chi-squared on
the shares that the holdout was to have; below p = 0.001 something broke the assignment, and no lift is reported.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.stats import chi2, norm

CONFIDENCE = 0.95
SAMPLE_RATIO_ALPHA = 0.001
Interval = tuple[float, float]
_NOTHING = (math.nan, math.nan)


@dataclass(frozen=True)
class Arm:
    """Totals of one arm: people, buyers among them, and money in minor units (sum and sum of squares per person)."""

    people: int
    buyers: int
    revenue: int
    revenue_squares: float

    @property
    def rate(self) -> float:
        """Share of buyers."""
        return self.buyers / self.people if self.people else math.nan

    @property
    def mean(self) -> float:
        """Revenue per person, minor units."""
        return self.revenue / self.people if self.people else math.nan

    @property
    def variance(self) -> float:
        """Sample variance of revenue per person."""
        if self.people < 2:
            return math.nan
        return max(self.revenue_squares - self.revenue * self.mean, 0.0) / (self.people - 1)


def wilson_interval(successes: int, people: int, confidence: float = CONFIDENCE) -> Interval:
    """Return Wilson's score interval of a rate; NaN without people.

    Examples
    --------
    >>> [round(bound, 4) for bound in wilson_interval(56, 70)]
    [0.6918, 0.877]
    """
    if people <= 0:
        return _NOTHING
    z = norm.ppf((1 + confidence) / 2)
    rate, weight = successes / people, z * z / people
    centre = (rate + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(rate * (1 - rate) / people + weight / (4 * people))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def newcombe_interval(treated: Arm, control: Arm, confidence: float = CONFIDENCE) -> Interval:
    """Return the interval of the difference of two rates, treated minus held out.

    Examples
    --------
    Newcombe (1998), table II, example (a), method 10: 56/70 - 48/80.

    >>> low, high = newcombe_interval(Arm(70, 56, 0, 0.0), Arm(80, 48, 0, 0.0))
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    if not treated.people or not control.people:
        return _NOTHING
    low_1, high_1 = wilson_interval(treated.buyers, treated.people, confidence)
    low_2, high_2 = wilson_interval(control.buyers, control.people, confidence)
    difference = treated.rate - control.rate
    below = math.sqrt((treated.rate - low_1) ** 2 + (high_2 - control.rate) ** 2)
    above = math.sqrt((high_1 - treated.rate) ** 2 + (control.rate - low_2) ** 2)
    return difference - below, difference + above


def relative_lift(treated: Arm, control: Arm, confidence: float = CONFIDENCE) -> tuple[float, float, float]:
    """Return the relative lift of the conversion rate and its interval; NaN when an arm has no buyer.

    Examples
    --------
    >>> lift, low, high = relative_lift(Arm(900, 90, 0, 0.0), Arm(100, 8, 0, 0.0))
    >>> round(lift, 2), low < 0 < high
    (0.25, True)
    """
    if not treated.buyers or not control.buyers:
        return math.nan, math.nan, math.nan
    z = norm.ppf((1 + confidence) / 2)
    ratio = treated.rate / control.rate
    variance = 1 / treated.buyers - 1 / treated.people + 1 / control.buyers - 1 / control.people
    spread = math.exp(z * math.sqrt(max(variance, 0.0)))
    return ratio - 1, ratio / spread - 1, ratio * spread - 1


def sample_ratio_p(treated: int, control: int, holdout_share: float) -> float:
    """Return the chi-squared p-value of the arms' sizes against the share that was to be held out.

    Examples
    --------
    >>> sample_ratio_p(900, 100, 0.1), sample_ratio_p(950, 50, 0.1) < SAMPLE_RATIO_ALPHA
    (1.0, True)
    """
    people = treated + control
    if not people or not 0 < holdout_share < 1:
        return math.nan
    expected = people * holdout_share
    statistic = (control - expected) ** 2 / expected + (control - expected) ** 2 / (people - expected)
    return float(chi2.sf(statistic, 1))
