"""Money sentences on campaigns that did nothing, and on planted ones: how often "gain" and "loss" are said.

People are drawn with replacement from a real log of spend per person, and held out by a coin. Nothing else happens in
an A/A draw, so every "gain" and every "loss" is an error of 2.5 % or less a side.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from segml.evaluation.metrics import FloatArray
from segml.measure import MoneyLift, money_lift

from .rows import PROJECT, AbsentError, Row

PEOPLE = (500, 1_000, 3_000, 10_000, 20_000)
HELD_OUT = (0.05, 0.10, 0.50)
DRAWS, POWER_DRAWS = 2_000, 300
BAR = (1.0, 3.5)  # per cent of draws, each side
WINDOW_DAYS = 90
Plant = Callable[[FloatArray, np.random.Generator], FloatArray]


def shared(name: str) -> Path:
    """Return a file of the shared data, beside the project or in its own data folder."""
    places = (PROJECT / "../shared/data" / name, PROJECT / "data/raw" / Path(name).stem / name)
    for place in places:
        if place.exists():
            return place
    raise AbsentError(f"{name} is not there (data/README.md says where it comes from)")


def online_retail_spend() -> FloatArray:
    """Spend of the last 90 days of everybody who had bought before, one amount a customer."""
    columns = ["CustomerID", "InvoiceDate", "Quantity", "UnitPrice"]
    lines = pd.read_parquet(shared("online_retail.parquet"), columns=columns).dropna(subset="CustomerID")
    lines = lines[(lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)]
    moment = pd.to_datetime(lines["InvoiceDate"])
    since = moment.max().normalize() - pd.Timedelta(days=WINDOW_DAYS - 1)
    known = lines.loc[moment < since, "CustomerID"].unique()
    spend = (lines["Quantity"] * lines["UnitPrice"])[moment >= since].groupby(lines["CustomerID"]).sum()
    return spend.reindex(known, fill_value=0.0).to_numpy(dtype=float)


def hillstrom_spend() -> FloatArray:
    """Spend of two weeks, one amount a customer, mailed or not."""
    return pd.read_parquet(shared("hillstrom.parquet"), columns=["spend"])["spend"].to_numpy(dtype=float)


LOGS = {"Online Retail": online_retail_spend, "Hillstrom": hillstrom_spend}


def nothing(spend: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The campaign did nothing."""
    return spend


def more_spend(spend: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Every buyer spends a tenth more."""
    return spend * 1.1


def more_buyers(share: float) -> Plant:
    """A share more buyers; the new ones spend as the others do."""

    def planted(spend: FloatArray, rng: np.random.Generator) -> FloatArray:
        bought = spend != 0
        chance = min(share * bought.mean() / max(1 - bought.mean(), 1e-9), 1.0)
        new = ~bought & (rng.random(len(spend)) < chance)
        after = spend.copy()
        after[new] = rng.choice(spend[bought], int(new.sum())) if bought.any() else 0.0
        return after

    return planted


def drawn_lifts(
    spend: FloatArray, people: int, held_out: float, draws: int, seed: int, plant: Plant = nothing
) -> list[MoneyLift]:
    """Return what is said of `draws` campaigns on people drawn from a log."""
    rng = np.random.default_rng([seed, people, round(1_000 * held_out)])
    found = []
    for draw in range(draws):
        amounts = rng.choice(spend, people)
        control = rng.random(people) < held_out
        found.append(money_lift(plant(amounts[~control], rng), amounts[control], seed=draw))
    return found


def said(lifts: list[MoneyLift], verdict: str) -> float:
    """Per cent of lifts with a verdict."""
    return 100 * sum(lift.verdict == verdict for lift in lifts) / len(lifts)


def aa(draws: int = DRAWS, power_draws: int = POWER_DRAWS) -> list[Row]:
    """Size by log, number of people and share held out, with the power on planted campaigns in the note."""
    rows = []
    for name, load in LOGS.items():
        spend = load()
        for people in PEOPLE:
            for share in HELD_OUT:
                rows += _rows(
                    f"{name}, {people:,} x {share:.0%}",
                    spend,
                    people,
                    share,
                    draws,
                    power_draws,
                )
    return rows


def _rows(
    title: str, spend: FloatArray, people: int, share: float, draws: int, power_draws: int
) -> list[Row]:
    lifts = drawn_lifts(spend, people, share, draws, seed=0)
    few = said(lifts, "too_few")
    note = f"too few buyers in {few:.0f} %" if few else ""
    bar = (
        BAR if not few else None
    )  # a sentence is kept back in a part of the draws: nothing to be held against
    if few < 100:
        plants = {
            "+10 % spend": more_spend,
            "+10 % buyers": more_buyers(0.1),
            "+50 % buyers": more_buyers(0.5),
        }
        found = {
            label: said(drawn_lifts(spend, people, share, power_draws, 1, plant), "gain")
            for label, plant in plants.items()
        }
        power = "gain of " + ", ".join(f"{label} {gain:.0f} %" for label, gain in found.items())
        note = "; ".join(part for part in (note, power) if part)
    return [
        Row(title, '% "gain"', said(lifts, "gain"), bar, digits=1, note=note),
        Row(title, '% "loss"', said(lifts, "loss"), bar, digits=1),
    ]
