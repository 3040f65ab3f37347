"""R37: the ledger replayed in SQL against a replay movement by movement, points that lapse first spent first."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_world import AS_OF, day, engine_with
from segml.errors import ConfigurationError, DataError
from segml.measurement.loyalty import Tier, check_tiers, replay_ledger
from segml.time_windows import SECONDS_PER_DAY

TIERS = (Tier("basic", 0), Tier("silver", 500), Tier("gold", 1_000))
Movement = tuple[int, int, int | None]  # moment, points, lapses at


def replayed(ledger: pd.DataFrame) -> pd.DataFrame:
    with engine_with({"loyalty_ledger": ledger}) as engine:
        replay_ledger(engine, AS_OF, TIERS)
        return engine.fetch("select * from loyalty").set_index("customer_id")


def ledger_of(movements: list[Movement], person: str = "ann") -> pd.DataFrame:
    frame = pd.DataFrame(movements, columns=["occurred_at", "points", "expires_at"])
    frame["expires_at"] = frame["expires_at"].astype("Int64")
    return frame.assign(customer_id=person)


def by_hand(movements: list[Movement], until: int) -> tuple[int, int]:
    """Balance and lost points at a moment, lot by lot; a spend takes what lapses first, and may go below zero."""
    never = 10**12
    steps = [(moment, 0 if points < 0 else 1, points, lapse) for moment, points, lapse in movements]
    lots: list[list[int]] = []
    debt = lost = 0
    ends = sorted({lapse for *_, lapse in movements if lapse is not None and lapse <= until})
    for moment, kind, points, lapse in sorted(
        [*steps, *((end, 2, 0, None) for end in ends)], key=lambda step: (step[0], step[1])
    ):
        if kind == 1:
            lots.append([lapse or never, points])
        elif kind == 0:
            debt -= points
        for lot in sorted(lots):
            used = min(lot[1], debt)
            lot[1] -= used
            debt -= used
            lots[lots.index(lot) if lot in lots else 0][1] = lot[1]
        if kind == 2:
            for lot in lots:
                if lot[0] <= moment:
                    lost += lot[1]
                    lot[1] = 0
    return sum(lot[1] for lot in lots) - debt, lost


def test_r37_the_oldest_points_are_spent_first_and_lapse_first() -> None:
    movements: list[Movement] = [
        (day(100), 50, day(20)),
        (day(90), 100, day(-10)),
        (day(80), -30, None),
    ]
    row = replayed(ledger_of(movements)).loc["ann"]
    assert row["points_balance"] == 100  # 30 of the 50 were spent, 20 lapsed
    assert row["points_expiring"] == 100
    assert (row["tier"], row["next_tier"], row["points_to_next_tier"]) == ("basic", "silver", 350)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.integers(1, 300), st.booleans()),
        min_size=1,
        max_size=12,
        unique_by=lambda step: step[0],
    ),
    st.integers(1, 300),
)
def test_r37_sql_is_the_replay_lot_by_lot(steps: list[tuple[int, int, bool]], life: int) -> None:
    movements: list[Movement] = []
    balance = 0
    for back, points, spends in sorted(steps, reverse=True):
        moment = day(back + 1)
        balance, _ = by_hand(movements, moment) if movements else (0, 0)
        if spends and balance > 0:
            movements.append((moment, -min(points, balance), None))
        else:
            movements.append((moment, points, moment + life * SECONDS_PER_DAY))
    row = replayed(ledger_of(movements)).loc["ann"]
    now, lost = by_hand(movements, AS_OF.seconds)
    _, lost_soon = by_hand(movements, AS_OF.seconds + 30 * SECONDS_PER_DAY)
    assert row["points_balance"] == now
    assert row["points_expiring"] == lost_soon - lost


def test_r37_tiers_count_points_earned_in_the_period_not_the_balance() -> None:
    movements: list[Movement] = [(day(400), 900, None), (day(50), 600, None), (day(10), -600, None)]
    row = replayed(ledger_of(movements)).loc["ann"]
    assert (row["points_balance"], row["points_earned"]) == (900, 600)
    assert (row["tier"], row["next_tier"], row["points_to_next_tier"]) == ("silver", "gold", 400)
    top = replayed(ledger_of([(day(1), 1_000, None)])).loc["ann"]
    assert top["tier"] == "gold"
    assert pd.isna(top["next_tier"])
    assert pd.isna(top["points_to_next_tier"])


def test_r37_without_a_ledger_points_are_unavailable_and_wrong_tiers_are_named() -> None:
    with engine_with({}) as engine, pytest.raises(DataError, match="loyalty_ledger"):
        replay_ledger(engine, AS_OF, TIERS)
    with pytest.raises(DataError, match="1 movements"):
        replayed(ledger_of([(day(9), 5, None), (day(8), 5, day(1))]))
    with pytest.raises(ConfigurationError, match=r"0 points.*rise.*name of its own"):
        check_tiers([Tier("a", 5), Tier("a", 5)])
