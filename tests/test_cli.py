"""The command line as a scheduler meets it: exit codes, one clear error, nothing written lost."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from segml.cli import build_parser, main
from segml.scoring import batch
from segml.tables.partition import run_lock

CONFIGURATION = """
base: corner
currency: EUR
tables:
  orders: {files: orders.csv, columns: [order_id, customer_id, ordered_at, amount]}
horizons: {dormancy: 30, churn: 60, clv: 60}
cutoffs: {every_days: 30, at_most: 3, minimum_history_days: 60}
models: {segments: {smallest_k: 3, largest_k: 3}, gate: {bootstraps: 50}}
lists: {consent: {required: false, basis: customers of a test}, minimum_list: 1, folder: campaigns}
"""
CAMPAIGN = """
name: hello_again
title: Say hello to people of one order
action: hello_mail
offer_class: content
channel: email
audience: [{column: features.repeat_orders, operator: at_most, value: 0}]
rank_by: {column: features.recency_days, direction: lowest}
window_days: 30
priority: 1
"""
Shop = Callable[..., Path]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Write a small project whose orders the caller gives; return its configuration."""

    def written(orders: pd.DataFrame, configuration: str = CONFIGURATION) -> Path:
        (tmp_path / "campaigns").mkdir(exist_ok=True)
        (tmp_path / "campaigns" / "hello_again.yaml").write_text(CAMPAIGN)
        orders.to_csv(tmp_path / "orders.csv", index=False)
        (tmp_path / "corner.yaml").write_text(configuration)
        return tmp_path / "corner.yaml"

    return written


def one_order_each(customers: int = 120) -> pd.DataFrame:
    days = [f"2024-{1 + i % 12:02d}-{1 + i % 28:02d} 10:00:00" for i in range(customers)]
    people = range(customers)
    return pd.DataFrame(
        {
            "order_id": [f"o{i}" for i in people],
            "customer_id": [f"c{i}" for i in people],
            "ordered_at": days,
            "amount": [10.5 + i % 7 for i in people],
        }
    )


def digests(folder: Path) -> dict[str, str]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_one_order_each_still_gives_rules_lists_and_reasons(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    config = shop(one_order_each())
    assert main(["run", str(config), "--quiet"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "unavailable" in said
    assert "negatives" in said
    listed = pd.read_csv(next(config.parent.glob("data/lists/corner/hello_again/*/list.csv")), dtype=str)
    held_out = pd.read_parquet(next(config.parent.glob("data/lists/corner/hello_again/*/holdout.parquet")))
    assert len(listed) + len(held_out) == 120
    assert set(listed["customer_id"]).isdisjoint(held_out["customer_id"])


def test_one_customer_is_a_base_too(shop: Shop) -> None:
    config = shop(one_order_each(1))
    assert main(["run", str(config), "--quiet"]) == 0
    assert len(pd.read_parquet(next(config.parent.glob("data/scores/corner/*/scores.parquet")))) == 1


def test_a_horizon_longer_than_the_history_names_the_days(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    config = shop(one_order_each(), CONFIGURATION.replace("churn: 60", "churn: 900"))
    assert main(["check", str(config), "--quiet"]) == 4
    assert "900 days needs" in " ".join(capsys.readouterr().out.split())


def test_no_events_before_the_day_scored_is_an_error(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    config = shop(one_order_each())
    assert main(["run", str(config), "--quiet", "--as-of", "2020-01-01"]) == 2
    assert "2020-01-01" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["data", "corner.yml"], 2, "corner.yaml"),
        (["data", "corner.yaml", "--set", "horizonts.churn=60"], 2, "horizons"),
        (["data", "corner.yaml", "--set", "horizons.churn=many"], 2, "horizons.churn"),
        (
            [
                "data",
                "corner.yaml",
                "--set",
                "tables.orders.columns=[order_id, customer_id, ordered_at, amont]",
            ],
            3,
            "amount",
        ),
        (["data", "corner.yaml", "--set", "tables.orders.decimal=,", "--set", "seed=x"], 2, "seed"),
        (["score", "corner.yaml"], 5, "segml train"),
        (["lists", "corner.yaml"], 3, "segml score"),
        (["measure", "corner.yaml"], 3, "segml lists"),
        (["report", "corner.yaml"], 3, "segml run"),
        (["data", "corner.yaml", "--set", "engine=configs/engine/none.yaml"], 2, "none.yaml"),
    ],
)
def test_errors_name_the_next_step_and_have_their_exit_code(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    config = shop(one_order_each())
    monkeypatch.chdir(config.parent)
    assert main([*arguments, "--quiet"]) == code
    error = " ".join(capsys.readouterr().err.split())
    assert words in error
    assert "Traceback" not in error


def test_a_second_run_at_the_same_time_is_refused(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    config = shop(one_order_each())
    with run_lock(config.parent / "data" / "locks" / "corner"):
        assert main(["data", str(config), "--quiet"]) == 7
    assert "another run" in capsys.readouterr().err


def test_a_full_disk_while_scoring_leaves_the_old_scores(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = shop(one_order_each())
    assert main(["run", str(config), "--quiet"]) == 0
    before = digests(config.parent / "data" / "scores")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(batch.pq.ParquetWriter, "write_table", full)
    assert main(["run", str(config), "--quiet"]) == 6
    assert "disk is full" in " ".join(capsys.readouterr().err.split())
    assert digests(config.parent / "data" / "scores") == before


def test_an_unwritable_place_is_one_clear_error(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    config = shop(one_order_each())
    (config.parent / "data").write_text("a file where the folder should be")
    assert main(["run", str(config), "--quiet"]) == 6
    assert "can't be written" in " ".join(capsys.readouterr().err.split())


def test_ctrl_c_at_any_moment_leaves_what_was_there_and_the_next_run_finishes(shop: Shop) -> None:
    config = shop(one_order_each())
    assert main(["run", str(config), "--quiet"]) == 0
    before = digests(config.parent / "data")
    (config.parent / "corner.yaml").write_text(CONFIGURATION.replace("seed: 0", "") + "seed: 1\n")
    for wait in (0.8, 2.0, 3.5):
        process = subprocess.Popen(
            [sys.executable, "-m", "segml.cli", "run", str(config), "--quiet"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) in (0, 130, -signal.SIGINT)
        after = digests(config.parent / "data" / "lists")
        assert set(after) == {name.removeprefix("lists/") for name in before if name.startswith("lists/")}
    assert main(["run", str(config), "--quiet"]) == 0
    assert not list((config.parent / "data").rglob(".writing-*"))


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_of_few_characters_is_shown_plain_ones(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    shown, config = io.BytesIO(), shop(one_order_each(40))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert main(["data", str(config), "--set", "title=Rødkjær \u2713 \udce5"]) == 0
    sys.stdout.flush()
    told = shown.getvalue().decode(encoding)
    tick = "\u2713" if encoding == "utf-8" else "+"
    assert f"{tick} data" in told
    assert {"ascii": "Rodkjaer + ?", "latin-1": "Rødkjær + ?", "utf-8": "Rødkjær \u2713 ?"}[encoding] in told


def test_help_teaches_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for command in ("run", "data", "check", "train", "score", "lists", "measure", "report", "shop"):
        assert f"\n    {command} " in text
    assert "exit codes" in text


def test_a_synthetic_shop_tells_its_tables_apart_from_its_truth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "shop"
    assert main(["shop", str(folder), "--customers", "50"]) == 0
    tables = [place for place in folder.iterdir() if place.name != "truth"]
    said = capsys.readouterr().out
    assert (
        said
        == f"{len(tables)} tables of 50 customers in {folder}; what is true of them in {folder / 'truth'}\n"
    )
