"""The log-likelihood of the BG/NBD and the modified model, with gradient and Hessian, over distinct histories.

What depends on one number of a history only is summed over the table of its distinct values; a row enters the loop for
what depends on all three. Differences that cancel for a large alpha (a base whose customers all order at the same rate)
are written so that they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segml.models.btyd.inputs import Groups
from segml.models.btyd.newton import Evaluation
from segml.models.btyd.special import log_rising

Array = NDArray[np.float64]

_BLOCK = 1 << 13  # rows at once: the temporaries stay in the processor's cache, and BLAS in one thread


class _Sums(NamedTuple):
    """What the likelihood needs of the rows: once, not a pass."""

    total: float
    orders: Array  # customers at each order count 0..highest
    at_age: Array  # customers at each distinct age
    orders_at_age: Array  # their repeat orders


def beta_geo_log_likelihood(groups: Groups, first_chance: int) -> Callable[[Array], Evaluation]:
    """Return the function (r, alpha, a, b) -> log-likelihood, gradient, Hessian.

    Parameters
    ----------
    groups : Groups
        Distinct (repeat_orders, recency, age).
    first_chance : int
        0 for the BG/NBD, 1 for the modified model.

    Notes
    -----
    The bracket of the likelihood is (alpha + T)^-(r+x) (1 + e^D) with D the log odds of being gone. All but
    log(1 + e^D) is additive in x and in T, so it is summed over tables of distinct values; only rows with a chance to
    leave enter the loop.
    """
    values, age = groups.tables[0].astype(np.int64), groups.tables[2]
    orders_of_row = groups.column(0)
    orders = np.zeros(values[-1] + 1)
    orders[values] = groups.marginal(0)
    sums = _Sums(groups.total, orders, groups.marginal(2), groups.marginal(2, orders_of_row))
    # Distinct rows are in ascending order: those without a chance to leave come first
    first = 0 if first_chance else int(np.searchsorted(orders_of_row, 1.0))
    chances = np.maximum(groups.tables[0] + first_chance, 1.0)
    x_codes, t_codes, age_codes = groups.codes
    blocks = [
        (x_codes[rows], t_codes[rows], age_codes[rows], orders_of_row[rows], groups.count[rows])
        for rows in (slice(at, at + _BLOCK) for at in range(first, len(orders_of_row), _BLOCK))
    ]

    def evaluate(params: Array) -> Evaluation:
        r, alpha, a, b = params.tolist()
        value, gradient, hessian = _always(params, sums, age, first_chance)
        times = _clock(alpha, groups.tables[1]), _clock(alpha, age)
        leave: list[Array] = [np.log(a) - np.log(b + chances - 1), 1 / (b + chances - 1)]
        total = np.zeros((5, 5))
        for x_code, t_code, age_code, x, count in blocks:
            at_last, at_age = [each[t_code] for each in times[0]], [each[age_code] for each in times[1]]
            total += _leaving(r + x, at_last, at_age, [each[x_code] for each in leave], count)
        return _with_leaving(params, (value, gradient, hessian), total)

    return evaluate


def _clock(alpha: float, at: Array) -> tuple[Array, Array]:
    """Return log(1 + t / alpha) and its fall with alpha, 1 / alpha - 1 / (alpha + t), kept exact for large alpha."""
    return np.log1p(at / alpha), at / (alpha * (alpha + at))


def _leaving(
    power: Array, at_last: Sequence[Array], at_age: Sequence[Array], leave: Sequence[Array], count: Array
) -> Array:
    """Return the sums over rows that log(1 + e^D) and its derivatives are made of, packed in one array (5, 5).

    With p the chance to be gone and the slopes of D in (r, alpha, -b): on and above the diagonal of the first four
    rows, the products of (1, slopes), weighted by p (1 - p); below it, in the first column, the slopes weighted by p;
    in the last column, what bends D.
    """
    spell, speed = at_age[0] - at_last[0], at_last[1] - at_age[1]
    log_odds = leave[0] + power * spell
    small = np.exp(-np.abs(log_odds))
    value = np.maximum(log_odds, 0.0) + np.log1p(small)
    p = np.where(log_odds >= 0, 1.0, small) / (1.0 + small)
    gone = count * p
    spread = gone - gone * p
    slopes = (spell, power * speed, leave[1])
    sums = np.zeros((5, 5))
    sums[4, 0], sums[4, 1] = count @ value, gone.sum()
    sums[0, 0] = spread.sum()
    for i, slope in enumerate(slopes, 1):
        weighted = spread * slope
        sums[0, i], sums[i, 0] = weighted.sum(), gone @ slope
        for j in range(i, 4):
            sums[i, j] = weighted @ slopes[j - 1]
    sums[0, 4] = gone @ speed
    sums[1, 4] = (gone * slopes[1]) @ (at_age[1] + at_last[1])
    sums[2, 4] = (gone * leave[1]) @ leave[1]
    return sums


def _with_leaving(params: Array, always: Evaluation, sums: Array) -> Evaluation:
    """Add the sums of `_leaving` to the part that needs no row; the slope of D in a is 1 / a for every row."""
    _, alpha, a, _ = params.tolist()
    value, gradient, hessian = always
    in_r, in_alpha, in_b = sums[1, 0], sums[2, 0], -sums[3, 0]
    gradient = gradient + np.array([in_r, in_alpha, sums[4, 1] / a, in_b])
    own = np.array(
        [
            [sums[1, 1], sums[1, 2] + sums[0, 4], sums[0, 1] / a, -sums[1, 3]],
            [0.0, sums[2, 2] + sums[1, 4] - 2 / alpha * in_alpha, sums[0, 2] / a, -sums[2, 3]],
            [0.0, 0.0, (sums[0, 0] - sums[4, 1]) / a**2, -sums[0, 3] / a],
            [0.0, 0.0, 0.0, sums[3, 3] + sums[2, 4]],
        ]
    )
    return value + float(sums[4, 0]), gradient, hessian + own + np.triu(own, 1).T


def _always(params: Array, sums: _Sums, age: Array, first_chance: int) -> Evaluation:
    """Return the part of log-likelihood, gradient and Hessian that is a sum over distinct counts and ages."""
    r, alpha, a, b = params.tolist()
    highest = len(sums.orders) - 1
    rate = log_rising(r, highest)
    stay, any_ = log_rising(b, highest + 1), log_rising(a + b, highest + 1)
    chances = np.arange(highest + 1) + first_chance
    weight = sums.orders
    time, fall = _clock(alpha, age)
    inverse = 1 / (alpha + age)

    def total(table: Array) -> float:
        return float(np.sum(weight * table[chances]))

    # n r log(alpha) - sum of (r + x) log(alpha + T), with what cancels for a large alpha left out
    value = float(
        np.sum(weight * rate.value)
        - np.sum(sums.orders_at_age) * np.log(alpha)
        + total(stay.value - any_.value)
        - np.sum((r * sums.at_age + sums.orders_at_age) * time)
    )
    gradient = np.array(
        [
            np.sum(weight * rate.first) - np.sum(sums.at_age * time),
            np.sum(r * sums.at_age * fall - sums.orders_at_age * inverse),
            total(-any_.first),
            total(stay.first - any_.first),
        ]
    )
    cross = float(np.sum(sums.at_age * fall))
    bend = sums.orders_at_age * inverse**2 - r * sums.at_age * fall * (1 / alpha + inverse)
    both = total(-any_.second)
    hessian = np.array(
        [
            [float(np.sum(weight * rate.second)), cross, 0.0, 0.0],
            [cross, float(np.sum(bend)), 0.0, 0.0],
            [0.0, 0.0, both, both],
            [0.0, 0.0, both, both + total(stay.second)],
        ]
    )
    return value, gradient, hessian
