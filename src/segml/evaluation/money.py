"""Did the treated spend more than the held out? A claim about money that keeps its size on skewed spend.

A normal interval fails where a few people carry the revenue and few are held out: the held out miss the big spenders,
so a mailing that did nothing "raised revenue" in one case of five. Here a permutation test decides
(`segml.evaluation.permutation`), on amounts capped at the 95 % quantile of all buyers, which is taken before the arms
are looked at (winsorised; Tukey 1962): the cap costs no size and gives back most of the power that giants take away.

The interval holds the effects that the test does not refuse when each is taken off every treated person's capped
amount. It is put into the unit of uncapped money by the share of money below the cap, and widened to hold the plain
difference of the means. So "gain" is spoken when the test refuses every effect of zero or less *and* the plain
difference agrees, "loss" likewise; each happens in about 2 to 2.5 % of campaigns that did nothing.

References
----------
Fisher (1935); Pitman (1937), for the permutation test and its inversion. Tukey (1962), The future of data analysis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from segml.errors import DataError
from segml.evaluation.permutation import (
    Cells,
    FloatArray,
    IntArray,
    drawn_tails,
    inverted_interval,
    signed_root,
)

Verdict = Literal["gain", "loss", "none", "too_few"]
CAPPED_AT = 0.95  # quantile of the buyers' amounts, both arms together
LEAST_BUYERS = 10  # that the smaller arm would have if buyers fell evenly on both
DRAWN_BUYERS = 30  # below which permutations are drawn: ties between few amounts matter
CONFIDENCE = 0.95
TOO_FEW = "too few buyers to speak of money"
_GRID = 16_384  # steps from 0 to the cap: an error of 0.003 % of the cap
_TAIL_DRAWS, _MOST_DRAWS = (
    125,
    50_000,
)  # permutations beyond the level that are aimed at, and all that are drawn


@dataclass(frozen=True)
class MoneyLift:
    """Difference in money per person between treated and held out, and what may be said of it.

    Attributes
    ----------
    difference : float
        Mean of the treated less mean of the held out, all money counted.
    low, high : float
        Interval of the difference, which it always holds; NaN when there are too few buyers.
    verdict : {"gain", "loss", "none", "too_few"}
        "gain" when `low` lies above 0, "loss" when `high` lies below.
    capped_difference : float
        The same difference with every amount capped.
    cap : float
        95 % quantile of the buyers' amounts, both arms together; NaN without a buyer.
    p_gain, p_loss : float
        Chance of a capped difference as high (as low) as this when nobody was affected.
    people, buyers : (int, int)
        Of the treated and of the held out; a buyer's amount is not zero.
    confidence : float
    """

    difference: float
    low: float
    high: float
    verdict: Verdict
    capped_difference: float
    cap: float
    p_gain: float
    p_loss: float
    people: tuple[int, int]
    buyers: tuple[int, int]
    confidence: float = CONFIDENCE

    @property
    def text(self) -> str:
        """One sentence."""
        if self.verdict == "too_few":
            return f"{TOO_FEW}: {self.buyers[0]:,} of {self.people[0]:,} and {self.buyers[1]:,} of {self.people[1]:,}"
        word = {"gain": "more", "loss": "less"}.get(
            self.verdict, "no difference that can be told from chance"
        )
        span = (
            f"{self.difference:+,.2f} a person ({self.confidence:.0%}: {self.low:+,.2f} to {self.high:+,.2f})"
        )
        return f"{word}: {span}, tested on amounts capped at {self.cap:,.2f}"


def money_lift(treated: ArrayLike, held_out: ArrayLike, *, seed: int = 0) -> MoneyLift:
    """Compare what treated and held-out people spent, by a test that keeps its size on skewed spend.

    Parameters
    ----------
    treated, held_out : array-like of shape (n,)
        One amount a person, in any unit: zero for those who bought nothing, below zero for those who got back more
        than they paid. Everybody who was listed counts as treated, reached or not.
    seed : int, default=0
        Of the permutations, which are drawn where the smaller arm has few buyers; elsewhere nothing is drawn.

    Returns
    -------
    MoneyLift
        `difference`, `low`, `high` and `verdict` ("gain", "loss", "none" or "too_few"), and what they rest on. The
        order of the amounts does not matter; swapping the arms swaps gain and loss; a unit of money scales all.

    Raises
    ------
    DataError
        When an arm is empty or not one-dimensional, or amounts are missing or infinite.

    See Also
    --------
    segml.evaluation.money.money_lift_counts : The same from numbers of people by amount.

    Notes
    -----
    Under "nobody was affected" the held out are a simple random sample without replacement of all people, because the
    arms are drawn by a hash. With capped amounts ``c`` and ``S`` the sum over a random sample of the held out's size,
    ``p_gain = P(S < s) + P(S = s) / 2`` for the observed sum ``s``, and ``p_loss`` likewise above it. The interval
    holds every effect ``d`` that is not refused at 2.5 % a side once ``d`` is taken off each treated person's ``c``.

    Of 2,000 campaigns each that did nothing (500 to 20,000 people of Online Retail and of Hillstrom's e-mail
    challenge, 5 to 50 % held out) "gain" and "loss" were said of 1.0 to 3.5 % each; `make accuracy` prints the table.

    References
    ----------
    Fisher (1935), The design of experiments. Pitman (1937), Significance tests which may be applied to samples from
    any populations. Booth and Butler (1990), Randomization distributions and saddlepoint approximations.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> spend = np.where(rng.random(10_000) < 0.1, rng.lognormal(3.0, 1.0, 10_000), 0.0)
    >>> found = money_lift(spend[1_000:], spend[:1_000])
    >>> found.verdict, found.low < found.difference < found.high
    ('none', True)
    >>> money_lift(2 * spend[1_000:], spend[:1_000]).verdict
    'gain'
    >>> money_lift(spend[10:200], spend[:10]).verdict
    'too_few'
    """
    arms = {"treated": _amounts(treated), "held_out": _amounts(held_out)}
    problems = [f"{name} {problem}" for name, values in arms.items() if (problem := _problem(values))]
    if problems:
        raise DataError(
            f"money is compared from one amount a person in each arm: {'; '.join(problems)}",
            "give two one-dimensional arrays, with 0 for people who bought nothing",
        )
    # distinct amounts with their people: the order of rows can't move a sum, and millions of zeros are one row
    (one, people_one), (two, people_two) = (np.unique(values, return_counts=True) for values in arms.values())
    treated_people, held_people = np.zeros(len(one) + len(two)), np.zeros(len(one) + len(two))
    treated_people[: len(one)], held_people[len(one) :] = people_one, people_two
    return _compared(np.concatenate([one, two]), treated_people, held_people, CONFIDENCE, seed)


def money_lift_counts(
    amount: ArrayLike,
    treated: ArrayLike,
    held_out: ArrayLike,
    *,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    difference: float | None = None,
) -> MoneyLift:
    """Compare arms that are given as numbers of people by amount.

    Parameters
    ----------
    amount : array-like of shape (n,)
        Of one person; an amount may come several times.
    treated, held_out : array-like of shape (n,)
        How many people of each arm have it.
    confidence : float, default=0.95
        Of the interval; half of the rest is the level of "gain" and of "loss".
    seed : int, default=0
    difference : float, optional
        The plain difference, where it is known better than from (rounded) amounts.

    Raises
    ------
    DataError
        When an arm is empty, lengths differ, or something is missing or below zero that can't be.

    Examples
    --------
    >>> found = money_lift_counts([0, 10, 20], [8_000, 600, 400], [920, 50, 30])
    >>> found.verdict, round(found.difference, 3), found.buyers
    ('gain', 0.456, (1000, 80))
    """
    columns = [np.asarray(one, dtype=float).ravel() for one in (amount, treated, held_out)]
    lengths = sorted({len(column) for column in columns})
    if len(lengths) > 1:
        raise DataError(f"amounts and numbers of people have different lengths: {lengths}")
    value, first, second = columns
    wrong = int((~np.isfinite(value + first + second) | (np.minimum(first, second) < 0)).sum())
    if wrong or not min(first.sum(), second.sum()) >= 1:
        raise DataError(
            f"both arms need people: {first.sum():,.0f} treated, {second.sum():,.0f} held out, {wrong} rows"
            " that are missing, infinite or count fewer than nobody",
            "give how many people of each arm have each amount",
        )
    order = np.argsort(value, kind="stable")
    return _compared(value[order], first[order], second[order], confidence, seed, difference)


def _amounts(values: ArrayLike) -> FloatArray:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"amounts of money are numbers: {error}", "give one number a person") from error


def _problem(values: FloatArray) -> str:
    if values.ndim != 1:
        return f"has {values.ndim} dimensions"
    if not len(values):
        return "has nobody"
    broken = int((~np.isfinite(values)).sum())
    return f"has {broken:,} of {len(values):,} amounts that are missing or infinite" if broken else ""


def _compared(
    amount: FloatArray,
    treated: FloatArray,
    held_out: FloatArray,
    confidence: float,
    seed: int,
    difference: float | None = None,
) -> MoneyLift:
    people = (int(treated.sum()), int(held_out.sum()))
    bought = amount != 0
    buyers = (int(treated[bought].sum()), int(held_out[bought].sum()))
    plain = float(amount @ treated) / people[0] - float(amount @ held_out) / people[1]
    plain = plain if difference is None else difference
    if not sum(buyers):
        nan = float("nan")
        return MoneyLift(plain, nan, nan, "too_few", 0.0, nan, nan, nan, people, buyers, confidence)
    cap = buyers_quantile(np.abs(amount[bought]), (treated + held_out)[bought], CAPPED_AT)
    cells, beyond = capped_cells(amount, treated, held_out, cap)
    low = high = p_gain = p_loss = float("nan")
    verdict: Verdict = "too_few"
    if even_share(buyers, people) >= LEAST_BUYERS:
        p_gain, p_loss, scores = _tails(cells, (1 - confidence) / 2, even_share(buyers, people), seed)
        low, high = (bound * beyond for bound in inverted_interval(cells, *scores))
        low, high = min(low, plain), max(high, plain)
        verdict = "gain" if low > 0 else "loss" if high < 0 else "none"
    return MoneyLift(
        *(plain, low, high, verdict, cells.difference(), cap, p_gain, p_loss, people, buyers, confidence)
    )


def adjusted_money_interval(
    amount: FloatArray,
    treated: FloatArray,
    held_out: FloatArray,
    difference: float,
    *,
    covariates: FloatArray | None = None,
    stratum: IntArray | None = None,
    confidence: float = CONFIDENCE,
) -> tuple[float, float]:
    """Return the interval of a difference in money that is net of covariates, or weighted over strata.

    As `money_lift`: amounts are capped, then what the covariates explain is taken off with one line through everybody,
    whichever arm they are in (the residuals of the held out are then a random sample too), and people are permuted
    within their strata.

    Parameters
    ----------
    amount, treated, held_out : ndarray of shape (n,)
        Amount of one person, and how many people of each arm have it.
    difference : float
        The estimate that the interval shall hold.
    covariates : ndarray of shape (n, k), optional
        Known before the campaign.
    stratum : ndarray of shape (n,), optional
        0 to the number of strata - 1; people of both arms in each.
    confidence : float, default=0.95

    Returns
    -------
    (float, float)
        NaN when there are too few buyers to speak of money.
    """
    both, bought = treated + held_out, amount != 0
    people = (int(treated.sum()), int(held_out.sum()))
    buyers = (int(treated[bought].sum()), int(held_out[bought].sum()))
    if even_share(buyers, people) < LEAST_BUYERS:
        return float("nan"), float("nan")
    cap = buyers_quantile(np.abs(amount[bought]), both[bought], CAPPED_AT)
    value = np.clip(amount, -cap, cap)
    beyond = float(np.abs(amount) @ both) / float(np.abs(value) @ both)
    if covariates is not None:
        value = _residual(value, covariates, both)
    strata = np.zeros(len(value), dtype=np.int64) if stratum is None else stratum
    usual = float(-ndtri((1 - confidence) / 2))
    low, high = inverted_interval(Cells(value, treated, held_out, strata), usual, usual)
    return min(low * beyond, difference), max(high * beyond, difference)


def _residual(value: FloatArray, known: FloatArray, people: FloatArray) -> FloatArray:
    centred = known - (people @ known) / people.sum()
    scale = np.sqrt(people @ centred**2 / people.sum())
    centred = centred / np.where(scale > 0, scale, 1.0)
    root = np.sqrt(people)
    theta = np.linalg.lstsq(
        centred * root[:, None], (value - people @ value / people.sum()) * root, rcond=1e-9
    )
    return np.asarray(value - centred @ theta[0])


def even_share(buyers: tuple[int, int], people: tuple[int, int]) -> float:
    """Return the buyers that the smaller arm would have if they fell evenly on all people.

    A floor on this one, not on the buyers found in the arm: those are what is tested, and a floor on them would hide
    one side of the outcomes.

    Examples
    --------
    >>> even_share((95, 2), (900, 100))
    9.7
    """
    return sum(buyers) * min(people) / sum(people)


def _tails(cells: Cells, level: float, buyers: float, seed: int) -> tuple[float, float, tuple[float, float]]:
    """p-values, and the normal scores at which the inverted test refuses, so that interval and p-value agree."""
    z = signed_root(cells)
    p_gain, p_loss = float(ndtr(z)), float(ndtr(-z))
    usual = float(-ndtri(level))
    if buyers >= DRAWN_BUYERS:
        return p_gain, p_loss, (usual, usual)
    drawn = drawn_tails(cells, min(int(np.ceil(_TAIL_DRAWS / level)), _MOST_DRAWS), seed)
    # what the draws say at no effect is carried along the shifts
    ratios = np.clip(np.array([p_gain, p_loss]) / np.array(drawn), 0.5, 2.0)
    low, high = (float(-ndtri(level * ratio)) for ratio in ratios)
    return *drawn, (low, high)


def buyers_quantile(amount: FloatArray, people: FloatArray, share: float) -> float:
    """Return the quantile of amounts that come with numbers of people, linear between neighbours.

    Examples
    --------
    >>> buyers_quantile(np.array([1.0, 2.0, 9.0]), np.array([2.0, 1.0, 1.0]), 0.5)
    1.5
    """
    order = np.argsort(amount, kind="stable")
    upto = np.cumsum(people[order])
    position = share * (upto[-1] - 1)
    below = amount[order][np.searchsorted(upto, np.floor(position), side="right")]
    above = amount[order][np.searchsorted(upto, np.ceil(position), side="right")]
    return float(below + (position - np.floor(position)) * (above - below))


def capped_cells(
    amount: FloatArray, treated: FloatArray, held_out: FloatArray, cap: float
) -> tuple[Cells, float]:
    """Return people by capped amount on a grid of the cap, and money before over money after capping."""
    step = np.rint(np.clip(amount / cap, -1.0, 1.0) * _GRID).astype(np.int64) + _GRID
    counts = np.array([np.bincount(step, people, 2 * _GRID + 1) for people in (treated, held_out)])
    some = np.flatnonzero(counts.sum(axis=0))
    cells = Cells.of(
        np.asarray((some - _GRID) * (cap / _GRID), dtype=float), counts[0, some], counts[1, some]
    )
    kept = float(np.abs(cells.value) @ (cells.treated + cells.held_out))
    return cells, float(np.abs(amount) @ (treated + held_out)) / kept
