"""Customers who belong to nobody: far from every centre, or where the mixture is thin.

The segmenter pulls outliers in so that they do no harm when it is fitted; here they keep their distance. The limit is
Tukey's outer fence on the strangeness of the fitted customers, so it needs no distribution and does not move with the
outliers themselves.
"""

from __future__ import annotations

import numpy as np

OUTER_FENCE = 3.0


def strangeness_limit(strangeness: np.ndarray) -> float:
    """Upper quartile and three times the distance between the quartiles above it.

    Parameters
    ----------
    strangeness : array, shape (n,)
        Of the fitted customers; larger is stranger.

    Examples
    --------
    >>> strangeness_limit(np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    10.0
    """
    quarter, three_quarters = np.quantile(strangeness, [0.25, 0.75])
    return float(three_quarters + OUTER_FENCE * (three_quarters - quarter))
