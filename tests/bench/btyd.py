"""Buy-till-you-die models beside lifetimes and pymc-marketing, on the same planted purchases and in one run.

Of a fit and of a lifetime value the step alone is timed, not imports and reading; a summary is timed from the file on,
because reading in the right way is half of it. Memory is the whole process's.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .purchases import UNTIL_DAY, PlantedPurchases, make_purchases
from .rivals import PINS, make_environment, run_rival, timed

Facts = dict[str, Any]
TEN = 10  # a base ten times as large, where fits and summaries are told apart
SAME_LIKELIHOOD = 1e-3  # absolute, of the sum over all customers: segml's may not be lower by more
SAME_TOTAL = 0.02  # lifetimes discounts each month's orders from its end, segml each order from its moment


def prepare_btyd(options: argparse.Namespace) -> None:
    """Draw the purchases and make the other libraries' environments, once."""
    make_purchases(PlantedPurchases(options.customers), options.folder)
    if options.btyd_large:
        make_purchases(PlantedPurchases(TEN * options.customers), options.folder)
    for name in PINS:
        make_environment(name, options.folder)


def btyd_fit_segml(options: argparse.Namespace) -> Facts:
    """BG/NBD by segml."""
    return _fit(_base(options))


def btyd_fit_lifetimes(options: argparse.Namespace) -> Facts:
    """BG/NBD by lifetimes 0.11.3."""
    return run_rival("lifetimes", "fit_lifetimes", _base(options), options.folder)


def btyd_fit_pymc(options: argparse.Namespace) -> Facts:
    """BG/NBD by pymc-marketing's maximum a posteriori."""
    return run_rival("pymc", "fit_pymc", _base(options), options.folder)


def btyd_fit_segml_large(options: argparse.Namespace) -> Facts:
    """BG/NBD by segml on ten times the base."""
    return _fit(_base(options, TEN))


def btyd_fit_lifetimes_large(options: argparse.Namespace) -> Facts:
    """BG/NBD by lifetimes on ten times the base."""
    return run_rival("lifetimes", "fit_lifetimes", _base(options, TEN), options.folder)


def btyd_summary_segml(options: argparse.Namespace) -> Facts:
    """Each customer's history from the orders by segml."""
    from segml.features.histories import load_histories
    from segml.time_windows import Cutoff

    orders = _base(options, TEN) / "orders.parquet"
    found, cost = timed(lambda: load_histories(orders, Cutoff(UNTIL_DAY)))
    return {"rows": len(found), "step": cost, "totals": found.sum().tolist()}


def btyd_summary_lifetimes(options: argparse.Namespace) -> Facts:
    """The same by lifetimes' summary_data_from_transaction_data."""
    return run_rival("lifetimes", "summary_lifetimes", _base(options, TEN), options.folder)


def btyd_value_segml(options: argparse.Namespace) -> Facts:
    """Twelve months of lifetime value, discounted, by segml."""
    from segml.models.btyd import BetaGeoNBD, GammaGamma, customer_lifetime_value

    rows = _histories(_base(options))
    orders, spend = BetaGeoNBD().fit(rows), GammaGamma().fit(rows)
    found, cost = timed(lambda: customer_lifetime_value(orders, spend, rows, 360.0, 1.01**12 - 1))
    return {"rows": len(rows), "step": cost, "totals": [float(found.sum())]}


def btyd_value_lifetimes(options: argparse.Namespace) -> Facts:
    """The same by lifetimes' customer_lifetime_value."""
    return run_rival("lifetimes", "value_lifetimes", _base(options), options.folder)


def compare(facts: dict[str, Facts], folder: Path) -> list[str]:
    """Say what the cases found, case by case, and raise when they did not find the same.

    Raises
    ------
    ValueError
        segml's log-likelihood is below another's, or totals differ.
    """
    said = [f"{case}: {found['unavailable']}" for case, found in facts.items() if "unavailable" in found]
    found = {case: each for case, each in facts.items() if "unavailable" not in each}
    for case, each in found.items():
        if "params" in each:
            each.setdefault("log_likelihood", _judged(each, folder))
            named = ", ".join(f"{name} {value:.5f}" for name, value in each["params"].items())
            said.append(f"{case}: log-likelihood {each['log_likelihood']:.4f} at {named}")
        if "totals" in each:
            said.append(f"{case}: totals {', '.join(f'{total:,.2f}' for total in each['totals'])}")
    own, *others = found.values()
    for other in others:
        if "log_likelihood" in other and own["log_likelihood"] < other["log_likelihood"] - SAME_LIKELIHOOD:
            raise ValueError("segml's log-likelihood is the lower one: " + "; ".join(said))
        for mine, theirs in zip(own.get("totals", []), other.get("totals", []), strict=True):
            if abs(mine - theirs) > (SAME_TOTAL if len(own["totals"]) == 1 else 1e-9) * abs(theirs):
                raise ValueError("totals differ: " + "; ".join(said))
    return said


def _base(options: argparse.Namespace, times: int = 1) -> Path:
    return make_purchases(PlantedPurchases(times * options.customers), options.folder)


def _histories(base: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(base / "histories.parquet")


def _fit(base: Path) -> Facts:
    from segml.models.btyd import BetaGeoNBD

    rows = _histories(base)
    model, cost = timed(lambda: BetaGeoNBD().fit(rows))
    return {
        "rows": len(rows),
        "step": cost,
        "params": model.params_,
        "log_likelihood": model.log_likelihood_,
    }


def _judged(found: Facts, folder: Path) -> float:
    """Return the log-likelihood at another library's parameters, which scales time differently inside its own."""
    import numpy as np

    from segml.models.btyd import BetaGeoNBD
    from segml.models.btyd.inputs import HISTORY_COLUMNS, group_rows

    rows = _histories(make_purchases(PlantedPurchases(found["rows"]), folder))
    groups = group_rows([rows[name].to_numpy() for name in HISTORY_COLUMNS])
    at = np.array([found["params"][name] for name in BetaGeoNBD.parameter_names])
    return float(BetaGeoNBD()._objective(groups)(at)[0])
