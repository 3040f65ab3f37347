"""`segml backtest`: every test cutoff is judged on what was known then, the same customers for everyone."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from rich.console import Console

from segml.config import load_config
from segml.errors import NotEnoughDataError
from segml.pipelines.backtest import backtest, folds_of, schedules_of
from segml.pipelines.base import open_base
from segml.pipelines.narration import Silent
from segml.terminal import backtest_screen
from steady_shop import CONFIG, orders_of_a_stable_shop, write_orders


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    orders = orders_of_a_stable_shop(7, people=900)
    write_orders(orders[orders["day"] >= 0], tmp_path / "orders.csv")
    (tmp_path / "shop.yaml").write_text(CONFIG)
    return tmp_path


def test_r42_several_later_windows_judge_the_same_customers_and_know_nothing_of_the_future(shop):
    config = load_config(shop / "shop.yaml", ["cutoffs.at_most=2"])
    result = backtest(config)
    assert set(result.metrics["task"]) == {"dormancy", "churn"}
    dormancy = result.metrics[result.metrics["task"] == "dormancy"]
    cutoffs = sorted(dormancy["cutoff"].unique())
    assert len(cutoffs) >= 3
    gaps = pd.to_datetime(pd.Series(cutoffs)).diff().dropna().dt.days
    assert (gaps == 60).all()  # windows follow each other and do not overlap
    assert dormancy.groupby("cutoff")["customers"].nunique().eq(1).all()
    pooled = result.differences.query("task == 'dormancy' and cutoff == 'all'").set_index("rival")
    assert pooled.loc["recency rule", "difference"] > 0
    assert pooled.loc["recency rule", "low"] > -0.01  # in this shop silence alone tells most
    pd.testing.assert_frame_equal(
        pd.read_parquet(result.folder / "metrics.parquet"), result.metrics.reset_index(drop=True)
    )
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(backtest_screen(result))
    assert "recency rule" in console.export_text()
    first = cutoffs[0]
    told = dormancy[dormancy["cutoff"] == first].reset_index(drop=True)
    orders = pd.read_csv(shop / "orders.csv")
    until = pd.Timestamp(first) + pd.Timedelta(days=60)
    orders[pd.to_datetime(orders["ordered_at"]) < until].to_csv(shop / "orders.csv", index=False)
    again = backtest(config).metrics.query("task == 'dormancy'")
    last = again[again["cutoff"] == again["cutoff"].max()].reset_index(drop=True)
    if last["cutoff"].iloc[0] == first:  # the last order may lie a day before the window's end
        pd.testing.assert_frame_equal(told, last)


def test_a_history_without_a_second_window_is_refused(shop):
    with pytest.raises(NotEnoughDataError, match="nothing can be backtested"):
        backtest(load_config(shop / "shop.yaml", ["cutoffs.minimum_history_days=700"]))


def test_a_small_base_is_refused_with_the_numbers_that_are_missing_and_nothing_is_written(shop):
    with pytest.raises(NotEnoughDataError, match=r"(?s)dormancy.*need.*are missing.*churn.*need") as refused:
        backtest(load_config(shop / "shop.yaml", ["models.gate.floor.customers=5000"]))
    assert "5000" in str(refused.value).replace(",", "")
    assert not list(shop.glob("**/backtest"))


def test_windows_below_the_floor_are_left_out_and_told(shop):
    config = load_config(shop / "shop.yaml", ["cutoffs.at_most=2"])
    with open_base(config, Silent()) as base:
        customers = {}
        schedules = schedules_of(base, 60)
        for fold in folds_of(base, "dormancy")[0]:
            customers[fold.cutoff] = len(fold.outcome)
    assert len(customers) == len(schedules)
    least = sorted(customers.values())[1]  # the smallest window falls below
    narrowed = load_config(shop / "shop.yaml", ["cutoffs.at_most=2", f"models.gate.floor.customers={least}"])
    with open_base(narrowed, Silent()) as base:
        folds, too_small = folds_of(base, "dormancy")
    assert too_small == 1
    assert [len(fold.outcome) for fold in folds] == [n for n in customers.values() if n >= least]
