"""Other libraries, each in an environment of its own, on the same files: ``python -m tests.bench.rivals STEP FOLDER``.

The environments are made by the bench from the package index, with pinned versions, under ``data/bench/env-*``. This
module runs inside them, so it imports nothing of segml; what it prints last is read by the bench.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Facts = dict[str, Any]

PINS = {
    # the newest that lifetimes, last released in 2020, works with
    "lifetimes": (
        "lifetimes==0.11.3",
        *(
            "autograd==1.9.1",
            "dill==0.4.1",
            "numpy==1.26.4",
            "pandas==2.1.4",
            "scipy==1.11.4",
            "pyarrow==17.0.0",
        ),
    ),
    "pymc": ("pymc-marketing==0.19.2", "pymc==5.28.5", "pytensor==2.38.3", "pyarrow==22.0.0"),
}


def make_environment(name: str, folder: Path) -> None:
    """Install an environment unless it is there; when that fails, leave the reason beside it."""
    place = folder / f"env-{name}"
    ready, reason = place / "ready", folder / f"env-{name}.failed"
    pins = "\n".join(PINS[name])
    if ready.exists() and ready.read_text(encoding="utf-8") == pins:
        return
    reason.unlink(missing_ok=True)
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    python = str(place / "bin" / "python")
    steps = [[sys.executable, "-m", "venv", "--clear", str(place)]]
    installer = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
    steps.append([*installer, "--quiet", *PINS[name]])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            reason.write_text(said[-1][:200], encoding="utf-8")
            return
    ready.write_text(pins, encoding="utf-8")


def run_rival(name: str, step: str, base: Path, folder: Path) -> Facts:
    """Run one step in the library's environment and return its facts; `unavailable` says why it could not."""
    place = folder / f"env-{name}"
    if not (place / "ready").exists():
        failed = folder / f"env-{name}.failed"
        why = failed.read_text(encoding="utf-8") if failed.exists() else "never made"
        return {"unavailable": f"environment not installed: {why}"}
    command = [str(place / "bin" / "python"), "-W", "ignore", "-m", "tests.bench.rivals", step, str(base)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"unavailable": (done.stderr.strip().splitlines() or ["no reason given"])[-1][:200]}
    facts: Facts = json.loads(done.stdout.splitlines()[-1])
    return facts


def timed(step: Callable[[], Any]) -> tuple[Any, Facts]:
    """Run the step itself, apart from imports and reading, and return its cost beside its result."""
    wall, cpu = time.perf_counter(), sum(os.times()[:4])
    result = step()
    return result, {"wall": time.perf_counter() - wall, "cpu": sum(os.times()[:4]) - cpu}


def fit_lifetimes(base: Path) -> Facts:
    """BG/NBD by lifetimes."""
    from lifetimes import BetaGeoFitter

    rows = _histories(base)
    arguments = (rows["repeat_orders"], rows["recency"], rows["age"])
    model, cost = timed(lambda: BetaGeoFitter().fit(*arguments))
    params = {name: float(model.params_[name]) for name in ("r", "alpha", "a", "b")}
    return {"rows": len(rows), "step": cost, "params": params}


def fit_pymc(base: Path) -> Facts:
    """BG/NBD by the maximum a posteriori of pymc-marketing; compiling its likelihood is part of the fit."""
    from pymc_marketing.clv import BetaGeoModel

    rows = _histories(base).rename(
        columns={"customer_key": "customer_id", "repeat_orders": "frequency", "age": "T"}
    )

    def fit() -> Any:
        model = BetaGeoModel(data=rows[["customer_id", "frequency", "recency", "T"]])
        model.fit(method="map", progressbar=False)
        return model

    model, cost = timed(fit)
    found = model.fit_result
    names = ("r", "alpha", "a", "b")
    params = {name: float(found[name].to_numpy().ravel()[0]) for name in names}
    return {"rows": len(rows), "step": cost, "params": params}


def summary_lifetimes(base: Path) -> Facts:
    """The summary of each customer from the orders by lifetimes; reading and turning seconds into dates included."""
    import pandas as pd
    from lifetimes.utils import summary_data_from_transaction_data

    from .purchases import UNTIL_DAY

    def summarise() -> Any:
        orders = pd.read_parquet(
            base / "orders.parquet", columns=["customer_key", "ordered_at", "amount_minor"]
        )
        orders["day"] = pd.to_datetime(orders.pop("ordered_at"), unit="s")
        orders["spend"] = orders.pop("amount_minor") / 100
        return summary_data_from_transaction_data(
            orders, "customer_key", "day", "spend", observation_period_end=pd.Timestamp(UNTIL_DAY, unit="D")
        )

    found, cost = timed(summarise)
    totals = [float(found[name].sum()) for name in ("frequency", "recency", "T", "monetary_value")]
    return {"rows": len(found), "step": cost, "totals": totals}


def value_lifetimes(base: Path) -> Facts:
    """Twelve months of lifetime value at one per cent a month by lifetimes; the two fits are not timed."""
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    rows = _histories(base)
    columns = (rows["repeat_orders"], rows["recency"], rows["age"])
    orders = BetaGeoFitter().fit(*columns)
    repeat = rows[rows["repeat_orders"] > 0]
    spend = GammaGammaFitter().fit(repeat["repeat_orders"], repeat["mean_spend"])

    found, cost = timed(
        lambda: spend.customer_lifetime_value(
            orders, *columns, rows["mean_spend"], time=12, discount_rate=0.01, freq="D"
        )
    )
    return {"rows": len(rows), "step": cost, "totals": [float(found.sum())]}


def _histories(base: Path) -> Any:
    import pandas as pd

    return pd.read_parquet(base / "histories.parquet")


STEPS = {step.__name__: step for step in (fit_lifetimes, fit_pymc, summary_lifetimes, value_lifetimes)}

if __name__ == "__main__":
    print(json.dumps(STEPS[sys.argv[1]](Path(sys.argv[2]))))
