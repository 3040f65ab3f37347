"""The special functions of buy-till-you-die models, kept finite where the textbook forms are not.

The published expectations are differences of hypergeometric functions times 1 / (a - 1): at a = 1 they are 0 / 0, for
a + b < 1 the series has a negative parameter, after thousands of purchases it overflows, and on a ten-year horizon
its argument nears 1. Every one of them is, before the algebra, the integral of a **positive** function, and a sum of
positive numbers loses no digits. So the integrals are taken numerically, with substitutions that make the integrand
smooth at any parameter:

* `mean_orders_while_alive`: a beta mean over the dropout probability, on the logit scale, nodes spread by a sinh;
* `log_power_integral`: the time of death, on the logarithm of the smaller clock, by Gauss-Legendre.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segml.models.btyd.inputs import Codes, number_rows

Array = NDArray[np.float64]

_TAIL = 38.0  # natural logarithm of 1 / double precision, and a little
_NIL = 1e-19  # share of an integral below which a node is not worth its time
_BAND = 2.0  # width of a band of horizons that share nodes, on the log scale
_CELLS = 1 << 16  # rows x nodes held at once: what fits the processor's cache
_POINTS = 16  # of a curve over one panel: with them the error is below that of the values themselves
_CHEBYSHEV = np.cos(np.pi * (np.arange(_POINTS) + 0.5) / _POINTS)


class Rising(NamedTuple):
    """Logarithm of Gamma(c + n) / Gamma(c) for n = 0..N, with its first two derivatives in c."""

    value: Array
    first: Array
    second: Array


def log_rising(c: float, highest: int) -> Rising:
    """Return log Gamma(c + n) - log Gamma(c) and its derivatives for every whole n up to `highest`.

    Sums of log(c + i) keep the digits that a difference of two log-gammas loses when c is large.

    Examples
    --------
    >>> log_rising(1.0, 4).value.round(12).tolist()  # log n!
    [0.0, 0.0, 0.69314718056, 1.791759469228, 3.178053830348]
    """
    at = c + np.arange(highest, dtype=np.float64)
    return Rising(_running(np.log(at)), _running(1 / at), _running(-1 / at**2))


def _running(terms: Array) -> Array:
    return np.concatenate(([0.0], np.cumsum(terms)))


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)) without overflow.

    Examples
    --------
    >>> softplus(np.array([-1000.0, 1000.0])).tolist()
    [0.0, 1000.0]
    """
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def mean_orders_while_alive(a: float, b: Array, shape: Array, stretch: Array) -> Array:
    """Return the expected number of orders of a customer who is alive now, over a horizon.

    The order rate is Gamma(shape, rate) and each order is the last with probability p ~ Beta(a, b); then the mean
    over both is E[(1 - (1 + p u)^-shape) / p] with u = horizon / rate, which is what the differences of 2F1 in
    Fader, Hardie & Lee (2005, eq. 10) stand for.

    In z = log(1 + u max(shape, 1)) the mean divided by u has no singularity nearer to the real axis than pi, and is
    bounded in between to pi / 2 for any shape. So it is integrated at a few Chebyshev points of each unit of z and
    interpolated: a hundred ages and nine horizons of customers with as many orders share one curve. The points do not
    depend on the rows either.

    Parameters
    ----------
    a : float
    b, shape, stretch : float arrays of shape (rows,)
        `stretch` is u, zero or more; the others are positive.

    Returns
    -------
    float array of shape (rows,), relative error about 1e-12.

    Examples
    --------
    >>> one = np.array([1.0])
    >>> float(mean_orders_while_alive(1.0, one, one, one)[0].round(12))  # integral of 1 / (1 + p) over [0, 1]
    0.69314718056
    """
    scale = np.maximum(shape, 1.0)
    at = np.log1p(stretch * scale)
    panel = np.floor(at)
    curves, number = number_rows([b, shape, panel])
    own_b, own_shape, own_panel = (curves.column(i)[:, None] for i in range(3))
    points = np.expm1(own_panel + (_CHEBYSHEV + 1.0) / 2) / np.maximum(own_shape, 1.0)
    all_b, all_shape = (np.broadcast_to(each, points.shape).ravel() for each in (own_b, own_shape))
    value = _mean_at_points(a, all_b, all_shape, points.ravel()).reshape(points.shape) / points
    return stretch * _interpolated(value, number, 2.0 * (at - panel) - 1.0)


def _interpolated(value: Array, number: Codes, x: Array) -> Array:
    """Return, for each row, the polynomial through its curve's values at the Chebyshev points, at x in [-1, 1].

    The sums run over whole columns, one term at a time, so that no row's bits depend on how many there are.
    """
    order = np.arange(_POINTS)
    cosine = np.cos(np.outer(order, np.pi * (order + 0.5) / _POINTS)) * 2 / _POINTS
    later, latest = np.zeros(len(x)), np.zeros(len(x))
    terms = [sum((value[:, j] * row[j] for j in range(1, _POINTS)), value[:, 0] * row[0]) for row in cosine]
    for term in reversed(terms[1:]):
        later, latest = term[number] + 2 * x * later - latest, later
    return 0.5 * terms[0][number] + x * later - latest


def _mean_at_points(a: float, b: Array, shape: Array, stretch: Array) -> Array:
    band = _bands(a, b, shape, stretch)
    order = np.lexsort((band, shape, b))
    changes = [np.diff(each[order]) != 0 for each in (b, shape, band)]
    result = np.zeros(len(b))
    for rows in np.split(order, np.flatnonzero(np.logical_or.reduce(changes)) + 1):
        own = rows[0]
        result[rows] = _mean_over_dropout(a, float(b[own]), float(shape[own]), int(band[own]), stretch[rows])
    return result


def _bulk(a: float, b: Array | float) -> Array:
    """Return where, on the logit scale, the weight of Beta(a, b) begins to fall to its right."""
    return np.log(max(a, 1.0)) - np.log(np.maximum(b, 1.0))


def _bands(a: float, b: Array, shape: Array, stretch: Array) -> NDArray[np.int64]:
    """Return how far below the bulk p u shape = 1 lies, in whole bands.

    Nodes are chosen by the band and not by the rows that happen to be scored together, so that a customer's forecast
    does not depend, in any bit, on who else is in the frame.
    """
    with np.errstate(divide="ignore"):
        apart = _bulk(a, b) + np.log(stretch * np.maximum(shape, 1.0))
    return np.ceil(np.maximum(apart, 0.0) / _BAND).astype(np.int64)


def _mean_over_dropout(a: float, b: float, shape: float, band: int, stretch: Array) -> Array:
    """Return the mean of (1 - (1 + p u)^-shape) / p over p ~ Beta(a, b) for many u of one band, on shared nodes."""
    log_p, log_weight = _logit_nodes(a, b, band)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    p = np.exp(np.maximum(log_p, -300.0))
    used = weight > _NIL
    for edge in (band - 1, band) if band else ():
        u = np.exp(_BAND * edge - _bulk(a, b)) / max(shape, 1.0)
        orders = weight * -np.expm1(-shape * np.log1p(p * u)) / p
        used |= orders > _NIL * orders.sum()
    p, share = p[used], -(weight / p)[used]
    block = max(1, _CELLS // len(p))
    parts = []
    for start in range(0, len(stretch), block):
        power = np.log1p(stretch[start : start + block, None] * p)
        power *= -shape
        parts.append(np.einsum("ij,j->i", np.expm1(power, out=power), share))
    return np.concatenate(parts)


def _logit_nodes(a: float, b: float, band: int) -> tuple[Array, Array]:
    """Return log p and the logarithm of the weight at nodes logit p = centre + scale sinh(v), v evenly spaced.

    The integrand bends in two places, at the bulk of the beta and where p u shape = 1; in between and outside it is an
    exponential in logit p. The nodes are spread so that both bends are resolved and both tails are reached, at rate a
    to the left and b to the right, however slow.
    """
    bulk = float(_bulk(a, b))
    nil = (a - 1.0) * _BAND * (band - 1) > _TAIL  # then the weight at the lower bend is nothing
    half = 0.0 if nil else _BAND * band / 2
    scale = min(1.0, np.sqrt(1.0 / a + 1.0 / b))
    left = np.arcsinh((half + _TAIL / a + 4.0) / scale)
    right = np.arcsinh((half + _TAIL / b + 4.0) / scale)
    # exp(-b p) stays bounded while the logit's imaginary part is below pi / 2: the strip that sets the step
    fall = half + np.log1p(_TAIL / max(a, 1.0))
    spacing = min(0.1, 0.15 / np.sqrt(scale**2 + fall**2))
    v = np.linspace(-left, right, int(np.ceil((left + right) / spacing)) + 1)
    logit = bulk - half + scale * np.sinh(v)
    log_p = -softplus(-logit)
    return log_p, a * log_p + b * (log_p - logit) + np.log(np.cosh(v))


class PowerIntegral(NamedTuple):
    """Logarithm of the integral, and its nodes: y, and the share of the integral each node carries."""

    log_value: Array
    nodes: Array
    share: Array


def log_power_integral(
    c: Array | float,
    power_c: Array,
    d: Array | float,
    power_d: Array | float,
    low: Array,
    high: Array,
    order: int = 32,
) -> PowerIntegral:
    """Return log of the integral of (c + y)^-power_c (d + y)^-power_d over y in [low, high].

    Parameters
    ----------
    c, d : floats or float arrays of shape (rows,), positive
    power_c, power_d : positive
    low, high : float arrays of shape (rows,), 0 <= low <= high
    order : int
        Gauss-Legendre nodes; 32 leave a relative error under 1e-11.

    Returns
    -------
    PowerIntegral
        `log_value` of shape (rows,), -inf where low = high; `nodes` and `share` of shape (rows, order): any mean of a
        function of y over the integrand is `sum(share * f(nodes))`.

    Examples
    --------
    >>> zero, one = np.zeros(1), np.ones(1)
    >>> integral = log_power_integral(1.0, one, 1.0, one, zero, one)  # of (1 + y)^-2: one half
    >>> float(np.exp(integral.log_value)[0].round(12))
    0.5
    """
    x, weight = np.polynomial.legendre.leggauss(order)
    smaller = np.broadcast_to(np.minimum(c, d), low.shape)
    # Beyond this stretch the integrand is below double precision: past it nodes would be wasted
    with np.errstate(over="ignore"):
        fall = np.minimum((c + low) * np.expm1(_TAIL / power_c), (d + low) * np.expm1(_TAIL / power_d))
    half = 0.5 * np.log1p(np.minimum(high - low, fall) / (smaller + low))
    y = low[:, None] + (smaller + low)[:, None] * np.expm1(half[:, None] * (1.0 + x))
    clock = smaller[:, None] + y
    log_f = (
        np.log(clock) - _column(power_c) * np.log(_column(c) + y) - _column(power_d) * np.log(_column(d) + y)
    )
    peak = log_f.max(axis=1)
    mass = np.exp(log_f - peak[:, None]) * weight
    total = mass.sum(axis=1)
    with np.errstate(divide="ignore"):
        return PowerIntegral(peak + np.log(total) + np.log(half), y, mass / total[:, None])


def _column(value: Array | float) -> Array:
    return np.asarray(value, dtype=np.float64).reshape(-1, 1)
