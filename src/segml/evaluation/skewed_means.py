"""The mean of skewed money with an interval, or no interval where none would hold.

Student's interval of 300 people's mean spend held the truth in 72 % of samples of Online Retail, because few samples
hold a big spender. Hall's (1992) transformation of the t statistic takes the skewness ``g`` out,

    T -> T + g T^2 / (3 sqrt n) + g^2 T^3 / (27 n) + g / (6 sqrt n),

and is inverted in closed form. It needs about ``6 g^2`` people, and a small group can't know its own tail: the larger
of the group's skewness and of everybody's together decides. Above that floor it held the truth in 93 to 96 % of samples
of Online Retail and of Hillstrom's e-mail challenge; below it nothing is said.

References
----------
Hall (1992), On the removal of skewness by transformation. Cochran (1977), Sampling techniques, section 2.15 (the
number of people that a skewness needs).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from segml.evaluation.metrics import FloatArray

PEOPLE_A_SQUARED_SKEWNESS = 6
CONFIDENCE = 0.95


def skewness(value: FloatArray, people: FloatArray) -> float:
    """Return the skewness of values that come with numbers of people; 0 when all are equal.

    Examples
    --------
    >>> round(skewness(np.array([0.0, 1.0]), np.array([90.0, 10.0])), 3)
    2.667
    """
    share = people / people.sum()
    centred = value - share @ value
    variance = float(share @ centred**2)
    return float(share @ centred**3) / variance**1.5 if variance > 0 else 0.0


def skewed_mean_interval(
    mean: float, variance: float, people: int, own: float, pooled: float, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """Return Hall's interval of a mean; NaN where there are too few people for so skewed an amount.

    Parameters
    ----------
    mean, variance : float
        Of the sample, the variance with n - 1.
    people : int
    own, pooled : float
        Skewness of the group, and of everybody together.
    confidence : float, default=0.95

    Examples
    --------
    >>> [round(bound, 2) for bound in skewed_mean_interval(10.0, 100.0, 400, 2.0, 2.0)]
    [9.09, 11.06]
    >>> skewed_mean_interval(10.0, 100.0, 400, 2.0, 20.0)
    (nan, nan)
    """
    if people < max(2.0, PEOPLE_A_SQUARED_SKEWNESS * max(own**2, pooled**2)):
        return float("nan"), float("nan")
    error = (variance / people) ** 0.5
    z = float(ndtri((1 + confidence) / 2))
    return mean - _unskewed(z, own, people) * error, mean - _unskewed(-z, own, people) * error


def _unskewed(z: float, skew: float, people: int) -> float:
    """The t statistic whose transformation is `z`."""
    if abs(skew) < 1e-6:
        return z
    root = people**0.5
    inside = 1 + skew * (z / root - skew / (6 * people))
    return float(3 * root / skew * (np.cbrt(inside) - 1))
