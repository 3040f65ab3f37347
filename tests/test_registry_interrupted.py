"""R58: a process killed while MLflow works leaves a store that opens; the next training closes its runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segml.registry.creation import PROCESS_TAG, close_dead_runs, create_database, is_alive, process_mark
from segml.registry.store import ModelStore

TRAINING = """
import sys, time
from pathlib import Path
from segml.registry.store import ModelStore
with ModelStore(Path(sys.argv[1])).training_run("corner", "a training") as run:
    with run.model_run("churn"):
        print("running", flush=True)
        time.sleep(60)
"""


def _status(store: ModelStore) -> list[str]:
    experiment = store.client.get_experiment_by_name(store.experiment_name("corner"))
    return sorted(run.info.status for run in store.client.search_runs([experiment.experiment_id]))


def test_runs_of_a_killed_process_are_marked_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        store = ModelStore(tmp_path)
        with store.training_run("corner", "beside it"):
            assert _status(store) == ["RUNNING"] * 3, "a process that lives is left alone"
        process.send_signal(signal.SIGKILL)
        process.wait()
    with store.training_run("corner", "after it"):
        pass
    assert _status(store) == ["FINISHED", "FINISHED", "KILLED", "KILLED"]


def test_runs_without_a_mark_or_of_another_host_are_left_alone(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    with store.training_run("corner", "one") as run:
        for mark in ("", "another-host|1|1"):
            store.client.create_run(run.experiment_id, tags={PROCESS_TAG: mark})
        assert close_dead_runs(store.client, run.experiment_id) == 0
        store.client.create_run(run.experiment_id, tags={PROCESS_TAG: process_mark() + "0"})
        assert close_dead_runs(store.client, run.experiment_id) == 1, (
            "the number was given to another process"
        )


def test_a_process_is_told_by_host_number_and_start() -> None:
    host, number, started = process_mark().split("|")
    assert int(number) == os.getpid()
    assert not is_alive(f"{host}|{2**22 + 1}|{started}")


@pytest.mark.parametrize("seconds", [0.05, 0.4, 1.0, 1.6])
def test_a_kill_while_the_database_is_made_leaves_none_behind(seconds: float, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from segml.registry.creation import *; print(1, flush=True);"
    )
    code += "import_mlflow(); print(2, flush=True); create_database(Path(sys.argv[1]))"
    database = tmp_path / "mlflow.db"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(database)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    create_database(database)
    with ModelStore(tmp_path).training_run("corner", "a training"):
        pass
    assert [file.name for file in tmp_path.glob("*making*")] == []
