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

Array = NDArray[np.float64]

_TAIL = 38.0  # natural logarithm of 1 / double precision, and a little
_CELLS = 1 << 20  # rows x nodes held at once


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
    result = np.zeros(len(b))
    centre, scale, reach, spacing = _logit_grid(a, b, shape, stretch)
    nodes = np.ceil((reach[1] - reach[0]) / spacing).astype(np.int64) + 1
    # rows that need about as many nodes go together
    order = np.argsort(nodes, kind="stable")
    start = 0
    while start < len(order):
        ahead = nodes[order[start : start + _CELLS // max(int(nodes[order[start]]), 1) + 1]]
        stop = start + max(1, int(np.searchsorted(ahead, 1.3 * ahead[0], side="right")))
        rows = order[start:stop]
        grid = np.linspace(0.0, 1.0, int(nodes[rows].max()))
        v = reach[0][rows, None] + (reach[1] - reach[0])[rows, None] * grid
        result[rows] = _beta_mean(a, b[rows], shape[rows], stretch[rows], centre[rows], scale[rows], v)
        start = stop
    return result


def _logit_grid(
    a: float, b: Array, shape: Array, stretch: Array
) -> tuple[Array, Array, tuple[Array, Array], Array]:
    """Return centre, scale, range and spacing of the nodes: logit p = centre + scale sinh(v).

    The integrand bends in two places, at the bulk of the beta and where p u shape = 1; in between and outside it is an
    exponential in logit p. The nodes are spread so that both bends are resolved and both tails are reached, at rate a
    to the left and b to the right, however slow.
    """
    bulk = np.log(max(a, 1.0)) - np.log(np.maximum(b, 1.0))
    bend = np.minimum(bulk, -np.log(np.maximum(stretch * np.maximum(shape, 1.0), 1e-300)))
    apart = bulk - bend
    apart = np.where((a - 1.0) * apart > _TAIL, 0.0, apart)  # then the weight at the lower bend is nil
    scale = np.minimum(1.0, np.sqrt(1.0 / a + 1.0 / b))
    half = apart / 2
    centre = bulk - half
    left = np.arcsinh((half + _TAIL / a + 4.0) / scale)
    right = np.arcsinh((half + _TAIL / b + 4.0) / scale)
    # exp(-b p) stays bounded while the logit's imaginary part is below pi / 2: the strip that sets the step
    fall = half + np.log1p(_TAIL / max(a, 1.0))
    spacing = np.minimum(0.1, 0.15 / np.sqrt(scale**2 + fall**2))
    return centre, scale, (-left, right), spacing


def _beta_mean(
    a: float, b: Array, shape: Array, stretch: Array, centre: Array, scale: Array, v: Array
) -> Array:
    """Return the self-normalised mean of (1 - (1 + p u)^-shape) / p at the nodes v of shape (rows, nodes)."""
    logit = centre[:, None] + scale[:, None] * np.sinh(v)
    log_p = -softplus(-logit)
    log_density = a * log_p + b[:, None] * (log_p - logit) + np.log(np.cosh(v))
    weight = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    p = np.exp(np.maximum(log_p, -600.0))
    orders = -np.expm1(-shape[:, None] * np.log1p(p * stretch[:, None])) / p
    return np.sum(weight * orders, axis=1) / np.sum(weight, axis=1)


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
