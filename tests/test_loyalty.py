"""R37: the ledger replayed in SQL against a replay movement by movement, points that lapse first spent first."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_world import AS_OF, day, engine_with
from segml.config import LoyaltySettings, validated
from segml.engine import Engine
from segml.errors import ConfigurationError, DataError
from segml.features.loyalty import replay_ledger, tier_moves_sql
from segml.measurement.goals import Goal
from segml.measurement.kpis import TierMoves, kpi_frame
from segml.time_windows import SECONDS_PER_DAY, Cutoff

TIERS = [
    {"name": "basic", "points": 0},
    {"name": "silver", "points": 500},
    {"name": "gold", "points": 1_000},
]
# AS_OF is 1 January; periods begin on 1 July, so that half of one has passed.
PROGRAMME = LoyaltySettings.model_validate({"tiers": TIERS, "period_starts": "07-01"})
Movement = tuple[int, int, int | None]  # moment, points, lapses at


def replayed(ledger: pd.DataFrame, engine: Engine | None = None) -> pd.DataFrame:
    with engine or engine_with({"loyalty_ledger": ledger}) as opened:
        if engine:
            engine.register("loyalty_ledger", ledger)
        replay_ledger(opened, AS_OF, PROGRAMME)
        return opened.fetch("select * from loyalty order by customer_id").set_index("customer_id")


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
    assert row["points_expiring_30d"] == 100
    assert row["next_lapse_at"] == day(-10)
    assert (row["loyalty_tier"], row["next_tier"], row["points_to_next_tier"]) == ("basic", "silver", 350)


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
    assert row["points_expiring_30d"] == lost_soon - lost


def test_r37_tiers_count_points_earned_in_the_period_not_the_balance() -> None:
    movements: list[Movement] = [(day(600), 900, None), (day(50), 600, None), (day(10), -600, None)]
    row = replayed(ledger_of(movements)).loc["ann"]
    assert (row["points_balance"], row["points_earned_period"]) == (900, 600)
    assert (row["loyalty_tier"], row["next_tier"], row["points_to_next_tier"]) == ("silver", "gold", 400)
    top = replayed(ledger_of([(day(1), 1_000, None)])).loc["ann"]
    assert top["loyalty_tier"] == "gold"
    assert pd.isna(top["next_tier"])
    assert pd.isna(top["points_to_next_tier"])


def test_r37_a_tier_is_kept_through_the_following_period_and_the_next_is_earned_anew() -> None:
    before = replayed(ledger_of([(day(200), 600, None), (day(20), 10, None)])).loc["ann"]
    assert (before["loyalty_tier"], before["points_to_next_tier"]) == ("silver", 990)
    assert before["period_left_days"] == 181  # to 1 July
    forgotten = replayed(ledger_of([(day(600), 600, None), (day(20), 10, None)])).loc["ann"]
    assert (forgotten["loyalty_tier"], forgotten["points_to_next_tier"]) == ("basic", 490)


def test_r37_without_a_ledger_points_are_unavailable_and_wrong_tiers_are_named() -> None:
    with engine_with({}) as engine, pytest.raises(DataError, match="no table loyalty_ledger"):
        replay_ledger(engine, AS_OF, PROGRAMME)
    with pytest.raises(DataError, match="1 movements"):
        replayed(ledger_of([(day(9), 5, None), (day(8), 5, day(1))]))
    wrong = {"tiers": [{"name": "a", "points": 5}, {"name": "a", "points": 5}], "period_starts": "02-29"}
    with pytest.raises(ConfigurationError, match=r"0 points.*rise.*name of its own") as caught:
        validated(LoyaltySettings, wrong, "shop.yaml")
    assert "MM-DD" in str(caught.value)


def test_r37_without_tiers_balances_are_told_and_nothing_of_tiers() -> None:
    with engine_with({"loyalty_ledger": ledger_of([(day(9), 50, None)])}) as engine:
        replay_ledger(engine, AS_OF, LoyaltySettings(expiring_days=60))
        row = engine.fetch("select * from loyalty").iloc[0]
    assert (row["points_balance"], row["points_expiring_60d"]) == (50, 0)
    assert not {"loyalty_tier", "points_to_next_tier"} & set(row.index)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-200, 400), st.integers(-50, 300)), min_size=1, max_size=15), st.randoms()
)
def test_r02_movements_at_or_after_the_cutoff_and_their_order_change_nothing(
    steps: list[tuple[int, int]], random: object
) -> None:
    rows = [(day(back), points, day(back) + 90 * SECONDS_PER_DAY) for back, points in steps if points]
    past = [row for row in rows if row[0] < AS_OF.seconds]
    if not past:
        return
    everything = ledger_of(rows).sample(frac=1, random_state=len(rows))
    pd.testing.assert_frame_equal(replayed(everything), replayed(ledger_of(past)))


def test_r64_tier_migration_is_a_key_figure_and_may_be_a_goal() -> None:
    month = AS_OF.plus_days(-31)
    ledger = pd.concat(
        [
            ledger_of([(day(100), 100, None), (day(5), 500, None)], "ann"),  # basic to silver
            ledger_of([(day(100), 100, None), (day(5), 5_000, None)], "bob"),  # past silver: risen too
            *(ledger_of([(day(100), 100, None)], f"c{i}") for i in range(8)),
            ledger_of([(day(100), 600, None)], "dot"),
            ledger_of([(day(3), 600, None)], "eve"),  # new in the month: held nothing at its start
        ]
    )
    orders = pd.DataFrame(
        {
            "customer_key": [1],
            "order_id": ["o"],
            "ordered_at": [day(300)],
            "amount_minor": [100],
            "order_no": [1],
        }
    )
    tiers = TierMoves(("basic", "silver", "gold"), lambda start, end: tier_moves_sql(start, end, PROGRAMME))
    with engine_with({"loyalty_ledger": ledger, "orders": orders}) as engine:
        assert engine.fetch(tier_moves_sql(month, AS_OF, PROGRAMME))["people"].sum() == 11
        kpis = kpi_frame(engine, [AS_OF], Cutoff.parse("2017-01-01"), 60, 10, tiers).set_index("kpi")
    risen = kpis.loc["tier_basic_to_silver"]
    assert (risen["value"], risen["numerator"], risen["denominator"]) == (0.2, 2, 10)
    assert pd.isna(kpis.loc["tier_silver_to_gold", "value"])  # one person is under the smallest cell
    goal = {"baseline": 0.1, "target": 0.3, "since": "2017-01-01", "deadline": "2018-07-01"}
    assert Goal.model_validate({"kpi": "tier_basic_to_silver", **goal}).kpi == "tier_basic_to_silver"


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_r37_spark_replays_the_same_points_bit_for_bit() -> None:
    from segml.engine.spark import SparkEngine

    ledger = pd.concat(
        ledger_of(
            [
                (day(3 * i + 7 * person + 1), 40 + i * person, day(3 * i + 7 * person + 1 - 120))
                for i in range(60, 0, -1)
            ]
            + [(day(5), -30 * person, None)],
            f"p{person}",
        )
        for person in range(6)
    )
    ledger = ledger[ledger["points"] != 0]
    with SparkEngine({"spark.master": "local[1]", "spark.sql.shuffle.partitions": "2"}) as spark:
        spark.register("loyalty_ledger", ledger)
        replay_ledger(spark, AS_OF, PROGRAMME)
        found = spark.fetch("select * from loyalty order by customer_id").set_index("customer_id")
    text = {"loyalty_tier": "", "next_tier": ""}
    pd.testing.assert_frame_equal(
        found.fillna(text), replayed(ledger).fillna(text), check_dtype=False, rtol=0, atol=0
    )
