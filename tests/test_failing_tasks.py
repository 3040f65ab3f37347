"""A task that breaks takes no other with it; what broke is told, kept, and seen in the exit code and in MLflow."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
from rich.console import Console

from random_shops import CHEAP, RandomShop
from segml.config import Config, load_config
from segml.errors import NotEnoughDataError, OutputError
from segml.pipelines import train
from segml.pipelines.beside import BESIDE
from segml.pipelines.failures import exit_code_of, outcome_of_error
from segml.pipelines.run import run
from segml.registry.store import ERROR_TAG, ModelStore
from segml.terminal import run_screen, train_screen

SHOP = RandomShop(4, people=420, days=500, rate=0.04, tables=("order_lines", "email_events"))
HORIZONS = {"dormancy": 30, "churn": 60, "clv": 60}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """A shop whose segments, which take longest, are refused at once."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(train, "train_segments", too_few)
    file = SHOP.write(tmp_path, horizons=HORIZONS)
    return load_config(file, [*CHEAP, "cutoffs.every_days=30"])


def too_few(*arguments: object) -> list[object]:
    raise NotEnoughDataError("segments are left out here")


def broken(*arguments: object, **named: object) -> list[object]:
    raise ValueError("slice step cannot be zero")


def text_of(screen: object) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(screen)
    return " ".join(console.export_text().split())


def runs_of(config: Config) -> dict[str, list[str]]:
    """Return task -> states of its nested runs in MLflow."""
    store = ModelStore(config.path(config.models_folder))
    experiment = store.client.get_experiment_by_name("segml.shop").experiment_id
    found: dict[str, list[str]] = {}
    for one in store.client.search_runs([experiment]):
        found.setdefault(one.data.tags.get("segml.task", "parent"), []).append(one.info.status)
        if one.info.status == "FAILED" and "segml.task" in one.data.tags:
            assert one.data.tags[ERROR_TAG] == "ValueError"
    return found


def test_r42_the_others_are_registered_scored_and_listed(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "train_value", broken)
    monkeypatch.setitem(BESIDE, "unsubscribe", broken_task("unsubscribe"))
    result = run(config)
    outcomes = {outcome.task: outcome for outcome in result.training.outcomes}
    assert {task for task, outcome in outcomes.items() if outcome.status == "failed"} == {
        "clv",
        "unsubscribe",
    }
    assert outcomes["dormancy"].version == outcomes["churn"].version == 1
    assert (result.exit_code, result.training.exit_code) == (5, 5)
    scores = result.scores.folder / "scores.parquet"
    assert scores.is_file()
    assert [each.status for each in result.lists.report.campaigns] == ["built"]
    told = text_of(run_screen(result))
    place = config.root / "data" / "failures" / "shop" / f"as_of={result.training.as_of}" / "clv.txt"
    assert "ValueError: slice step cannot be zero" in told
    assert "failed: clv, unsubscribe; the other models are not touched by it, exit code 5" in told
    assert str(place.relative_to(config.root)) in told
    assert "Traceback" not in told
    assert "in broken" in place.read_text()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    states = runs_of(config)
    assert (states["clv"], states["unsubscribe"]) == (["FAILED"], ["FAILED"])
    assert set(states["dormancy"]) == {"FINISHED"}
    assert "RUNNING" not in {state for each in states.values() for state in each}


def broken_task(name: str) -> object:
    from dataclasses import replace

    return replace(BESIDE[name], train=broken)


def test_r42_one_of_two_that_share_a_curve_breaks_alone(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = train.train_returns

    def only_dormancy(data: object, schedules: dict[str, object], champions: object) -> object:
        return broken() if "churn" in schedules else fit(data, schedules, champions)  # type: ignore[arg-type]

    monkeypatch.setattr(train, "train_returns", only_dormancy)
    monkeypatch.setattr(train, "train_value", too_few)
    monkeypatch.setattr(train, "train_beside", lambda *arguments: {})
    result = train.train(config)
    status = {outcome.task: outcome.status for outcome in result.outcomes}
    assert status["churn"] == "failed"
    assert status["dormancy"] in ("promoted", "refused")
    assert status["clv"] == "unavailable"
    assert "churn failed" in text_of(train_screen(result)) or "failed: churn" in text_of(train_screen(result))


def test_r42_a_model_that_can_not_be_stored_fails_alone_and_its_run_ends_as_failed(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle = train.settle

    def not_clv(store: object, run: object, trained: object, *rest: object) -> object:
        if trained.model.task == "clv":  # type: ignore[attr-defined]
            trained.model.to_dict = broken  # type: ignore[attr-defined]
        return settle(store, run, trained, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(train, "settle", not_clv)
    monkeypatch.setattr(train, "train_beside", lambda *arguments: {})
    result = train.train(config)
    status = {outcome.task: outcome.status for outcome in result.outcomes}
    assert status["clv"] == "failed"
    assert status["dormancy"] in ("promoted", "refused")
    assert runs_of(config)["clv"] == ["FAILED"]
    assert result.exit_code == 5


def test_r42_snapshots_that_can_not_be_written_leave_the_models_beside_them(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "write_snapshots", broken)
    monkeypatch.setattr(train, "train_beside", lambda *arguments: {"next_tier": "tried"})
    result = train.train(config)
    assert {outcome.status for outcome in result.outcomes if outcome != "tried"} <= {"failed", "unavailable"}
    assert result.outcomes[-1] == "tried"


def test_a_refusal_is_no_failure_and_a_full_disk_keeps_its_own_exit_code(config: Config) -> None:
    refused = outcome_of_error(config, "2024-01-01", "clv", NotEnoughDataError("40 are missing"))
    assert (refused.status, refused.exit_code, refused.reasons) == ("unavailable", 0, ("40 are missing",))
    assert exit_code_of(OutputError("the disk is full")) == exit_code_of(OSError(28, "No space left")) == 6
    assert exit_code_of(KeyError("x")) == exit_code_of(MemoryError()) == 5
    full = outcome_of_error(config, "2024-01-01", "clv", OutputError("the disk is full", "free space"))
    assert full.reasons[0].startswith(
        "the disk is full. Next step: free space; the traceback is in data/failures/"
    )


def test_a_traceback_that_can_not_be_written_is_no_second_error(config: Config) -> None:
    (config.root / "data").mkdir(exist_ok=True)
    (config.root / "data" / "failures").write_text("a file where the folder should be")
    outcome = outcome_of_error(config, "2024-01-01", "clv", ValueError("one\ntwo"))
    assert outcome.reasons[0].startswith("ValueError: one; the traceback could not be written")
