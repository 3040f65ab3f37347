"""What a ranking is worth in money: whom to send a retention offer, and what that earns.

Sending an offer to the customers with the highest churn scores costs a contact each; of those who were about to leave a
share accepts the offer and stays, those who would have stayed anyway take the offer too. The best share to contact
follows from the money at stake, not from a threshold of 0.5. When the acceptance rate is known, the best threshold's
profit is the MPC; when only its distribution is, each rate has its own best threshold, and the EMPC is the expectation
of the best profit. With Beta-distributed acceptance it is a finite sum over the corners of the ROC curve's hull.

References
----------
Verbeke et al. (2012), New insights into churn prediction in the telecommunication sector: a profit driven data mining
approach (MPC). Verbraken, Verbeke and Baesens (2013), A novel profit maximizing metric for measuring classification
performance of customer churn prediction models (EMPC; its defaults: value 200, offer 10, contact 1, Beta(6, 14)).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from segml.errors import ConfigurationError, DataError
from segml.evaluation.metrics import FloatArray, paired_arrays


@dataclass(frozen=True)
class RetentionOffer:
    """The money of one retention campaign, all in one currency.

    Attributes
    ----------
    customer_value : float
        What a customer who stays is worth.
    offer_cost : float
        What the offer costs when it is taken; loyal customers take it too.
    contact_cost : float
        What it costs to reach one person.
    acceptance_alpha, acceptance_beta : float
        Beta distribution of the share of leavers who accept and stay; (6, 14) has the mean 0.30.
    """

    customer_value: float = 200.0
    offer_cost: float = 10.0
    contact_cost: float = 1.0
    acceptance_alpha: float = 6.0
    acceptance_beta: float = 14.0

    def __post_init__(self) -> None:
        wrong = [
            f"{name} is {number!r}"
            for name, number in vars(self).items()
            if not np.isfinite(number) or number < 0 or (number == 0 and "cost" not in name)
        ]
        if wrong:
            raise ConfigurationError(f"money and shape of an offer are above zero: {', '.join(wrong)}")
        if self.offer_cost >= self.customer_value:
            raise ConfigurationError(
                f"an offer of {self.offer_cost:g} can't pay for a customer worth {self.customer_value:g}",
                "make the offer cheaper, or state what a customer is worth over a longer horizon",
            )

    @property
    def acceptance(self) -> float:
        """Mean share of contacted leavers who stay."""
        return self.acceptance_alpha / (self.acceptance_alpha + self.acceptance_beta)


@dataclass(frozen=True)
class MaximumProfit:
    """Best profit a customer of the base, and the share of the base that is contacted for it.

    Attributes
    ----------
    per_customer : float
        In the offer's money, averaged over everybody, contacted or not; 0 when nobody is worth a contact.
    share_contacted : float
        In [0, 1].
    """

    per_customer: float
    share_contacted: float


def roc_hull(outcome: ArrayLike, score: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Corners of the ROC curve's upper hull, from (0, 0) to (1, 1).

    Returns
    -------
    caught, disturbed : ndarray of shape (corners,)
        Share of the positives and of the negatives among those contacted; the highest scores first.

    Examples
    --------
    >>> caught, disturbed = roc_hull([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])
    >>> caught.tolist(), disturbed.tolist()
    ([0.0, 0.5, 1.0, 1.0], [0.0, 0.0, 0.5, 1.0])
    """
    y, s = paired_arrays(outcome, score)
    positives, negatives = float(y.sum()), float(len(y) - y.sum())
    if positives == 0 or negatives == 0:
        raise DataError(
            f"a profit needs both outcomes, got {positives:.0f} who left and {negatives:.0f} who stayed"
        )
    _, place = np.unique(-s, return_inverse=True)
    caught = np.concatenate([[0.0], np.cumsum(np.bincount(place, weights=y)) / positives])
    disturbed = np.concatenate([[0.0], np.cumsum(np.bincount(place, weights=1 - y)) / negatives])
    kept = _upper_hull(disturbed, caught)
    return caught[kept], disturbed[kept]


def _upper_hull(x: FloatArray, y: FloatArray) -> NDArray[np.int64]:
    corners: list[int] = []
    for i in range(len(x)):
        while len(corners) > 1 and _turns_left(x, y, corners[-2], corners[-1], i):
            corners.pop()
        corners.append(i)
    return np.array(corners, dtype=np.int64)


def _turns_left(x: FloatArray, y: FloatArray, a: int, b: int, c: int) -> bool:
    return bool((x[b] - x[a]) * (y[c] - y[a]) - (y[b] - y[a]) * (x[c] - x[a]) >= 0)


def maximum_profit(
    outcome: ArrayLike,
    score: ArrayLike,
    offer: RetentionOffer | None = None,
    acceptance: float | None = None,
) -> MaximumProfit:
    """MPC: the best threshold's profit a customer, when the acceptance rate is known.

    Parameters
    ----------
    outcome : array-like of shape (n,)
        1 for customers who left.
    score : array-like of shape (n,)
        Higher is likelier to leave.
    offer : RetentionOffer, optional
    acceptance : float, optional
        By default the offer's mean.

    Examples
    --------
    >>> best = maximum_profit([1, 0, 0, 0], [0.9, 0.3, 0.2, 0.1], acceptance=0.5)
    >>> best.per_customer, best.share_contacted
    (23.5, 0.25)
    """
    money = offer or RetentionOffer()
    rate = money.acceptance if acceptance is None else acceptance
    caught, disturbed = roc_hull(outcome, score)
    leaving = float(np.mean(np.asarray(outcome, dtype=float)))
    profit = _gain(money, rate) * leaving * caught - _waste(money) * (1 - leaving) * disturbed
    best = int(profit.argmax())
    share = leaving * caught[best] + (1 - leaving) * disturbed[best]
    return MaximumProfit(float(profit[best]), float(share))


def _gain(offer: RetentionOffer, acceptance: float) -> float:
    """Expected profit of contacting one leaver."""
    return acceptance * (offer.customer_value - offer.offer_cost) - offer.contact_cost


def _waste(offer: RetentionOffer) -> float:
    """Cost of contacting one who would have stayed."""
    return offer.offer_cost + offer.contact_cost


def expected_maximum_profit(
    outcome: ArrayLike, score: ArrayLike, offer: RetentionOffer | None = None
) -> MaximumProfit:
    """EMPC and its share: the expectation of the best profit over Beta-distributed acceptance.

    Parameters
    ----------
    outcome, score : array-like of shape (n,)
        As for `maximum_profit`.
    offer : RetentionOffer, optional
        Default: the published one.

    Raises
    ------
    DataError
        When only one outcome is there.

    Examples
    --------
    >>> best = expected_maximum_profit([1, 0, 0, 0], [0.9, 0.3, 0.2, 0.1])
    >>> round(best.per_customer, 3), round(best.share_contacted, 3)
    (14.0, 0.25)
    """
    money = offer or RetentionOffer()
    caught, disturbed = roc_hull(outcome, score)
    leaving = float(np.mean(np.asarray(outcome, dtype=float)))
    edges = _switching_rates(caught, disturbed, leaving, money)
    a, b = money.acceptance_alpha, money.acceptance_beta
    chance = np.diff(beta.cdf(edges, a, b))
    accepted = money.acceptance * np.diff(beta.cdf(edges, a + 1, b))  # integral of rate x density
    per_leaver = (money.customer_value - money.offer_cost) * accepted - money.contact_cost * chance
    profit = leaving * caught * per_leaver - (1 - leaving) * disturbed * _waste(money) * chance
    share = (leaving * caught + (1 - leaving) * disturbed) * chance
    return MaximumProfit(float(profit.sum()), float(share.sum()))


def _switching_rates(
    caught: FloatArray, disturbed: FloatArray, leaving: float, offer: RetentionOffer
) -> FloatArray:
    """Acceptance rates between which each corner is the best one, shape (corners + 1,), from 0 to 1."""
    more_caught, more_disturbed = np.diff(caught), np.diff(disturbed)
    with np.errstate(divide="ignore"):
        price = (1 - leaving) * more_disturbed * _waste(offer) / (leaving * more_caught)
    rates = (price + offer.contact_cost) / (offer.customer_value - offer.offer_cost)
    return np.concatenate([[0.0], np.clip(rates, 0.0, 1.0), [1.0]])


def profit_frame(
    outcome: ArrayLike,
    scores: Mapping[str, ArrayLike],
    offer: RetentionOffer,
    *,
    value: ArrayLike | None = None,
    points: int = 100,
) -> pd.DataFrame:
    """Profit of contacting the best share of the base, for every share; in the offer's own money.

    Parameters
    ----------
    outcome : array-like of shape (n,)
        1 for customers who left.
    scores : mapping of name to array-like of shape (n,)
        Best customers first, ties shared.
    offer : RetentionOffer
        The mean acceptance counts.
    value : array-like of shape (n,), optional
        What each customer would be worth; default: the offer's `customer_value` for all.
    points : int, default=100

    Returns
    -------
    DataFrame
        Columns `score, contacted` (share of the base), `profit` (of the whole base); `points` + 1 rows a score.

    Examples
    --------
    >>> frame = profit_frame([1, 0, 0, 0], {"model": [0.9, 0.3, 0.2, 0.1]}, RetentionOffer(), points=4)
    >>> frame["profit"].round(1).tolist()
    [0.0, 56.0, 45.0, 34.0, 23.0]
    """
    shares, frames = np.linspace(0.0, 1.0, points + 1), []
    for name, score in scores.items():
        y, s = paired_arrays(outcome, score)
        worth = np.full(len(y), offer.customer_value) if value is None else np.asarray(value, dtype=float)
        saved = offer.acceptance * (worth - offer.offer_cost) - offer.contact_cost
        profit = np.where(y == 1, saved, -_waste(offer))
        _, place, counts = np.unique(-s, return_inverse=True, return_counts=True)
        reached = np.concatenate([[0.0], np.cumsum(counts) / len(y)])
        total = np.concatenate([[0.0], np.cumsum(np.bincount(place, weights=profit))])
        curve = np.interp(shares, reached, total)
        frames.append(pd.DataFrame({"score": name, "contacted": shares, "profit": curve}))
    return pd.concat(frames, ignore_index=True)
