"""The lift of a whole campaign, three ways on the same customers: plain, by strata, and net of what was known before.

All three are unbiased when the arms were drawn by lot. What was known before the campaign (last year's spend, say)
explains part of the noise in what came after it; taking that part out narrows the interval and moves the estimate only
by chance. Nothing that the campaign could have changed may be used for it.

Intervals of an outcome of 0 and 1 are normal. Those of money invert a permutation test of capped amounts
(`segml.evaluation.money`), net of the covariates or within the strata: a normal interval of skewed spend says "gain" in
one campaign of five that did nothing, where few are held out.

References
----------
Deng et al. (2013), Improving the sensitivity of online controlled experiments by utilizing pre-experiment data (CUPED).
Lin (2013), Agnostic notes on regression adjustments to experimental data (a line for each arm; its standard error).
Miratrix, Sekhon and Yu (2013), Adjusting treatment effect estimates by post-stratification.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from segml.errors import DataError
from segml.evaluation.metrics import FloatArray, paired_arrays
from segml.evaluation.money import adjusted_money_interval

_NEXT = "give 1 for customers who were contacted and 0 for those held out at random"


@dataclass(frozen=True)
class LiftEstimate:
    """Difference between treated and held out per customer, with its interval; NaN with too few buyers.

    `variance_share` is the estimate's variance over that of the plain difference: 0.8 means the campaign measured as if
    it had a quarter more customers.
    """

    method: str
    lift: float
    standard_error: float
    low: float
    high: float
    variance_share: float


def difference_in_means(outcome: ArrayLike, treatment: ArrayLike, level: float = 0.95) -> LiftEstimate:
    """Mean of the treated minus mean of the held out, each arm with its own variance.

    Examples
    --------
    >>> difference_in_means([3.0, 1.0, 1.0, 1.0], [1, 1, 0, 0]).lift
    1.0
    """
    y, treated = _arms(outcome, treatment)
    parts = [y[treated == arm] for arm in (1, 0)]
    variance = sum(float(part.var(ddof=1)) / len(part) for part in parts)
    lift = float(parts[0].mean() - parts[1].mean())
    return _estimate("plain", lift, variance, variance, level, _money_interval(y, treated, lift, level))


def cuped_lift(
    outcome: ArrayLike, treatment: ArrayLike, covariates: ArrayLike, level: float = 0.95
) -> LiftEstimate:
    """Lift after taking out what covariates from before the campaign explain, with a line for each arm.

    Parameters
    ----------
    outcome, treatment : array-like of shape (n,)
    covariates : array-like of shape (n,) or (n, k)
        Known before the campaign. NaN counts as the mean.

    Raises
    ------
    DataError
        When an arm has no more customers than covariates need.

    Examples
    --------
    >>> before = np.arange(40.0)
    >>> treated = np.arange(40) % 2
    >>> noise = np.sin(before)
    >>> result = cuped_lift(2 * before + treated + noise, treated, before)
    >>> round(result.lift, 1), result.variance_share < 0.01
    (1.0, True)
    """
    y, treated = _arms(outcome, treatment)
    known = np.asarray(covariates, dtype=float).reshape(len(y), -1)
    centre = np.nanmean(np.where(np.isnan(known).all(axis=0), 0.0, known), axis=0)
    x = np.where(np.isnan(known), 0.0, known - centre)
    x = x / np.where(x.std(axis=0) > 0, x.std(axis=0), 1.0)
    smallest = int(min(treated.sum(), len(y) - treated.sum()))
    if smallest < x.shape[1] + 3:
        raise DataError(
            f"{x.shape[1]} covariates need {x.shape[1] + 3} customers in each arm, got {smallest}"
        )
    means, variances, slopes = [], [], []
    for arm in (1, 0):
        rows = treated == arm
        middle = x[rows].mean(axis=0)
        slope = np.linalg.lstsq(x[rows] - middle, y[rows] - y[rows].mean(), rcond=None)[0]
        residual = y[rows] - y[rows].mean() - (x[rows] - middle) @ slope
        means.append(float(y[rows].mean() - middle @ slope))
        variances.append(float(residual @ residual) / (rows.sum() - 1 - x.shape[1]) / rows.sum())
        slopes.append(slope)
    # the customers' own covariates vary too: their part counts when the arms' lines differ
    apart = slopes[0] - slopes[1]
    between = float(np.var(x @ apart, ddof=1)) / len(y)
    plain = difference_in_means(y, treated, level).standard_error ** 2
    lift = means[0] - means[1]
    interval = _money_interval(y, treated, lift, level, covariates=x)
    return _estimate("cuped", lift, sum(variances) + between, plain, level, interval)


def stratified_lift(
    outcome: ArrayLike, treatment: ArrayLike, strata: ArrayLike, level: float = 0.95
) -> LiftEstimate:
    """Mean over strata of the difference in means, weighted by the strata's customers.

    Right also when the share contacted differed by stratum, where the plain difference is biased.

    Parameters
    ----------
    outcome, treatment : array-like of shape (n,)
    strata : array-like of shape (n,)
        Labels known before the campaign; each needs two customers in each arm.

    Raises
    ------
    DataError
        Naming the strata that have fewer.

    Examples
    --------
    >>> y = [1.0, 1.0, 0.0, 0.0, 6.0, 6.0, 5.0, 5.0]
    >>> stratified_lift(y, [1, 1, 0, 0, 1, 1, 0, 0], list("aaaabbbb")).lift
    1.0
    """
    y, treated = _arms(outcome, treatment)
    codes, labels = pd.factorize(np.asarray(strata), sort=True)
    if len(codes) != len(y) or (codes < 0).any():
        raise DataError(
            f"every customer needs a stratum: {len(y)} customers, {int((codes >= 0).sum())} strata"
        )
    size = np.bincount(codes)
    means, errors, smallest = [], [], np.full(len(labels), len(y))
    for arm in (1, 0):
        rows = treated == arm
        count = np.bincount(codes[rows], minlength=len(labels))
        smallest = np.minimum(smallest, count)
        mean = np.bincount(codes[rows], weights=y[rows], minlength=len(labels)) / np.maximum(count, 1)
        squares = np.bincount(codes[rows], weights=(y[rows] - mean[codes[rows]]) ** 2, minlength=len(labels))
        means.append(mean)
        errors.append(squares / np.maximum(count - 1, 1) / np.maximum(count, 1))
    few = [str(label) for label, least in zip(labels, smallest, strict=True) if least < 2]
    if few:
        raise DataError(
            f"{len(few)} strata have fewer than two customers in an arm: {', '.join(few[:10])}",
            "merge them with a neighbour",
        )
    weight = size / size.sum()
    plain = difference_in_means(y, treated, level).standard_error ** 2
    variance = float(weight**2 @ (errors[0] + errors[1]))
    # the strata's own sizes are a draw too: their part counts when the lift differs between them
    gap = means[0] - means[1]
    lift = float(weight @ gap)
    variance += float(weight @ (gap - lift) ** 2) / len(y)
    interval = _money_interval(y, treated, lift, level, stratum=codes.astype(np.int64))
    return _estimate("stratified", lift, variance, plain, level, interval)


def lift_frame(
    outcome: ArrayLike,
    treatment: ArrayLike,
    covariates: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    level: float = 0.95,
) -> pd.DataFrame:
    """The plain estimate, and those by strata and net of covariates where these are given, a row each.

    Returns
    -------
    DataFrame
        Index `method`; columns `lift, standard_error, low, high, variance_share`.
    """
    estimates = [difference_in_means(outcome, treatment, level)]
    if strata is not None:
        estimates.append(stratified_lift(outcome, treatment, strata, level))
    if covariates is not None:
        estimates.append(cuped_lift(outcome, treatment, covariates, level))
    return pd.DataFrame([vars(estimate) for estimate in estimates]).set_index("method")


def _arms(outcome: ArrayLike, treatment: ArrayLike) -> tuple[FloatArray, FloatArray]:
    y, treated = paired_arrays(outcome, treatment)
    if not np.isin(treated, (0.0, 1.0)).all():
        raise DataError(f"treatment is 0 or 1, found {np.unique(treated)[:5].tolist()}", _NEXT)
    smallest = int(min(treated.sum(), len(y) - treated.sum()))
    if smallest < 2:
        raise DataError(f"each arm needs two customers, the smaller has {smallest}", _NEXT)
    return y, treated


def _money_interval(
    y: FloatArray,
    treated: FloatArray,
    lift: float,
    level: float,
    *,
    covariates: FloatArray | None = None,
    stratum: NDArray[np.int64] | None = None,
) -> tuple[float, float] | None:
    """Interval of an outcome that is not 0 or 1; None for one that is."""
    if np.isin(y, (0.0, 1.0)).all():
        return None
    return adjusted_money_interval(
        y, treated, 1 - treated, lift, covariates=covariates, stratum=stratum, confidence=level
    )


def _estimate(
    method: str,
    lift: float,
    variance: float,
    plain: float,
    level: float,
    interval: tuple[float, float] | None,
) -> LiftEstimate:
    error = float(variance) ** 0.5
    half = float(norm.ppf((1 + level) / 2)) * error
    low, high = (lift - half, lift + half) if interval is None else interval
    share = float(variance / plain) if plain > 0 else float("nan")
    return LiftEstimate(method, lift, error, low, high, share)
