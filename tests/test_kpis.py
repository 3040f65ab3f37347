"""R63 and R64: each figure against a plain reckoning of its definition; goals by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from campaign_world import engine_with
from segml.errors import ConfigurationError, DataError
from segml.measurement.goals import Goal, goal_progress, load_goals
from segml.measurement.kpis import KPIS, kpi_frame, month_ends
from segml.time_windows import SECONDS_PER_DAY, Cutoff
from small_base import FIRST, make_base, shuffled

WINDOW = 60
END = Cutoff.parse("2017-05-01")
START = Cutoff.parse("2017-04-01")


def pack(tables: dict[str, pd.DataFrame], cell: int = 1) -> dict[str, dict[str, float]]:
    with engine_with(tables) as engine:
        frame = kpi_frame(engine, [END], FIRST, WINDOW, cell)
    found = frame.set_index("kpi")[["value", "numerator", "denominator"]].to_dict("index")
    return {str(kpi): {str(name): float(value) for name, value in row.items()} for kpi, row in found.items()}


def days(orders: pd.DataFrame) -> pd.Series:
    return orders.groupby("customer_id")["ordered_at"].agg(list)


def by_hand(tables: dict[str, pd.DataFrame]) -> dict[str, tuple[float, float]]:
    """Person by person, from the definitions' words."""
    orders = tables["orders"][tables["orders"]["ordered_at"] < END.seconds]
    span, until, start = WINDOW * SECONDS_PER_DAY, END.seconds, START.seconds
    people = days(orders)

    def count(holds: Callable[[list[int]], bool]) -> int:
        return sum(holds(moments) for moments in people)

    def later_day(moments: list[int]) -> list[int]:
        first = min(moments)
        return [m for m in moments if m // SECONDS_PER_DAY > first // SECONDS_PER_DAY]

    def earlier(m: list[int]) -> bool:
        return any(until - 2 * span <= x < until - span for x in m)

    def last(m: list[int]) -> bool:
        return any(x >= until - span for x in m)

    def new(m: list[int]) -> bool:
        return until - 2 * span <= min(m) < until - span

    def silent(m: list[int]) -> bool:
        before = [x for x in m if x < start]
        return bool(before) and max(before) < start - span

    def second(m: list[int]) -> bool:
        return new(m) and bool(later_day(m)) and min(later_day(m)) < min(m) + span

    month = orders[orders["ordered_at"] >= start]
    year = orders[orders["ordered_at"] >= until - 365 * SECONDS_PER_DAY]
    returned = tables["returns"].query("returned_at < @until")["amount_minor"].sum()
    return {
        "retention_rate": (count(lambda m: earlier(m) and last(m)), count(earlier)),
        "churn_rate": (count(lambda m: earlier(m) and not last(m)), count(earlier)),
        "repeat_rate": (count(lambda m: bool(later_day(m))), len(people)),
        "second_purchase_rate": (count(second), count(new)),
        "reactivation_rate": (count(lambda m: silent(m) and any(x >= start for x in m)), count(silent)),
        "order_value_mean": (month["amount_minor"].sum() / 100, len(month)),
        "orders_per_customer": (len(year), year["customer_id"].nunique()),
        "clv_historic": ((orders["amount_minor"].sum() - returned) / 100, len(people)),
    }


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_r63_every_figure_is_its_definition(seed: int) -> None:
    tables = make_base(seed, customers=150)
    found = pack(tables)
    for name, (above, below) in by_hand(tables).items():
        assert found[name]["denominator"] == below, name
        assert found[name]["value"] == pytest.approx(above / below), name
    assert found["retention_rate"]["value"] + found["churn_rate"]["value"] == pytest.approx(1)
    events = tables["email_events"]
    month = events[(events["occurred_at"] >= START.seconds) & (events["occurred_at"] < END.seconds)]
    left = month.loc[month["event"] == "unsubscribe", "customer_id"].nunique()
    assert found["unsubscribe_rate"]["numerator"] == left
    assert pd.isna(found["nps"]["value"])


def test_r63_order_of_rows_and_the_future_change_nothing() -> None:
    tables = make_base(4, customers=80)
    past = {
        name: frame[frame[time] < END.seconds] if time else frame
        for (name, frame), time in zip(
            tables.items(), [None, "ordered_at", "ordered_at", "returned_at", "occurred_at"], strict=True
        )
    }
    assert pack(shuffled(tables, 1)).__repr__() == pack(tables).__repr__() == pack(past).__repr__()


def test_r63_a_window_before_the_first_order_is_unavailable_and_a_small_cell_suppressed() -> None:
    tables = make_base(5, customers=60)
    with engine_with(tables) as engine:
        early = kpi_frame(engine, [FIRST.plus_days(40)], FIRST, WINDOW, 1).set_index("kpi")["value"]
    assert early[["retention_rate", "reactivation_rate", "orders_per_customer"]].isna().all()
    assert early["repeat_rate"] >= 0
    assert all(pd.isna(each["value"]) for each in pack(tables, cell=10_000).values())
    with engine_with({}) as engine, pytest.raises(DataError, match="orders"):
        kpi_frame(engine, [END], FIRST, WINDOW)


def test_month_ends_are_whole_months_that_the_data_reach() -> None:
    ends = month_ends(Cutoff.parse("2016-03-01"), Cutoff.parse("2016-05-31"))
    assert [end.label for end in ends] == ["2016-04-01", "2016-05-01"]
    assert len({kpi.name for kpi in KPIS}) == len(KPIS)


@pytest.mark.parametrize(
    ("value", "month", "status"),
    [
        (0.30, "2024-04-01", "reached"),
        (0.21, "2024-04-01", "behind"),
        (0.26, "2024-04-01", "on_track"),
        (0.29, "2024-08-01", "missed"),
    ],
)
def test_r64_progress_and_needed_pace(value: float, month: str, status: str) -> None:
    goal = Goal(
        kpi="repeat_rate", baseline=0.2, target=0.3, since=date(2024, 1, 1), deadline=date(2024, 7, 1)
    )
    kpis = pd.DataFrame({"month": [month], "kpi": ["repeat_rate"], "value": [value]})
    row = goal_progress((goal,), kpis).iloc[0]
    assert row["status"] == status
    assert row["progress"] == pytest.approx((value - 0.2) / 0.1)
    if status == "behind":  # 91 days remain, and 0.09 is missing
        assert row["pace_needed"] == pytest.approx(0.09 / (91 / 30.4375))
    assert goal_progress((goal,), kpis.iloc[:0])["status"].tolist() == ["unknown"]


def test_r64_a_goal_file_names_its_mistakes(tmp_path: Path) -> None:
    assert load_goals(tmp_path / "none.yaml") == ()
    file = tmp_path / "goals.yaml"
    file.write_text(
        "goals: [{kpi: repeat_rat, baseline: 1, target: 2, since: 2024-01-01, deadline: 2024-02-01}]"
    )
    with pytest.raises(ConfigurationError, match="repeat_rate"):
        load_goals(file)
