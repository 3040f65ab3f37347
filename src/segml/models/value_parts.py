"""What each column adds to a forecast of money, exactly: parts that sum to the forecast in its own currency.

Trees for money are additive on the log scale only. The logarithmic mean carries their parts over: for a forecast f and
its base f0, (f - f0) / (ln f - ln f0) times the parts of ln f - ln f0 sum to f - f0, with nothing left over and no
order in which columns enter. P(buy) E(spend | buy) is a sum of two logs; the part of ln P comes from the log-odds in
proportion.

References
----------
Ang (2004), Decomposition analysis for policymaking in energy: which is the preferred method? (the LMDI).
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_expit

from segml.models.boosting import FloatArray

_FLAT = 1e-9


def money_parts(log_parts: FloatArray) -> FloatArray:
    """Turn parts of a log forecast into parts of the forecast.

    Parameters
    ----------
    log_parts : array of shape (n, columns + 1)
        The last column is the base value; the row sum is the log of the forecast.

    Returns
    -------
    Array of the same shape: the last column is the base forecast, the row sum the forecast.

    Examples
    --------
    >>> parts = money_parts(np.log([[2.0, 3.0, 5.0]]))
    >>> float(parts.sum().round(9)), float(parts[0, -1].round(9))
    (30.0, 5.0)
    """
    base = np.exp(log_parts[:, -1])
    rise = log_parts[:, :-1].sum(axis=1)
    flat = np.abs(rise) < _FLAT
    mean = base * np.where(flat, 1.0, np.expm1(rise) / np.where(flat, 1.0, rise))
    out = np.empty_like(log_parts)
    out[:, :-1] = log_parts[:, :-1] * mean[:, None]
    out[:, -1] = base
    return out


def log_chance_parts(odds_parts: FloatArray) -> FloatArray:
    """Turn parts of the log-odds into parts of ln P, base value last.

    Examples
    --------
    >>> parts = log_chance_parts(np.array([[0.5, 0.5, 0.0]]))
    >>> float(np.exp(parts.sum()).round(6)), float(np.exp(parts[0, -1]).round(6))
    (0.731059, 0.5)
    """
    base, rise = odds_parts[:, -1], odds_parts[:, :-1].sum(axis=1)
    flat = np.abs(rise) < _FLAT
    change = log_expit(base + rise) - log_expit(base)
    slope = np.where(flat, np.exp(log_expit(-base)), change / np.where(flat, 1.0, rise))
    out = odds_parts * slope[:, None]
    out[:, -1] = log_expit(base)
    return np.asarray(out)
