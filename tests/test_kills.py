"""R58, R59: kill -9 at many moments of a first run and of an erasure; the next command finishes what was begun."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segml.registry.store import ModelStore
from test_cli import Shop, one_order_each, shop
from test_erase import PERSON, _naming, erased_shop

__all__ = ["erased_shop", "shop"]
pytestmark = pytest.mark.slow


def _command(*words: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "segml.cli", *words, "--quiet"]


def _killed_after(seconds: float, *words: str) -> bool:
    """Start a command, kill it after so many seconds, and tell whether it was still running."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(_command(*words), start_new_session=True, **quiet) as process:
        time.sleep(seconds)
        running = process.poll() is None
        process.send_signal(signal.SIGKILL)
    return running


def _finish(*words: str) -> float:
    started = time.monotonic()
    done = subprocess.run(_command(*words), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - started


def _left_over(root: Path) -> list[Path]:
    parts = (".writing-", ".replaced-", ".making-")
    return [file for file in root.rglob(".*") if file.name.startswith(parts)]


def _running(root: Path) -> list[str]:
    store = ModelStore(root / "mlruns")
    found = store.client.get_experiment_by_name(store.experiment_name("corner"))
    runs = store.client.search_runs([found.experiment_id], "attributes.status = 'RUNNING'") if found else []
    return [run.info.run_id for run in runs]


def test_r58_forty_kills_of_a_first_run(shop: Shop, tmp_path: Path) -> None:
    config = shop(one_order_each())
    whole, killed = float("inf"), 0
    for moment in range(-2, 40):  # the machine may be busy: the shorter of two first runs is one's length
        for folder in ("data", "mlruns"):
            subprocess.run(["rm", "-rf", str(tmp_path / folder)], check=True)
        if moment < 0:
            whole = min(whole, _finish("run", str(config)))
            continue
        killed += _killed_after(0.3 + whole * moment / 40, "run", str(config))
        _finish("run", str(config))
        assert _left_over(tmp_path) == []
        assert _running(tmp_path) == []
    assert killed >= 30


def test_r59_twenty_kills_of_an_erasure(erased_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("copies")
    whole = 0.0
    for moment in range(21):
        root = elsewhere / f"try{moment}"
        subprocess.run(["cp", "-a", str(erased_shop.parent), str(root)], check=True)
        config = str(root / erased_shop.name)
        if moment == 0:
            whole = _finish("erase", config, PERSON)
            continue
        _killed_after(0.3 + whole * moment / 20, "erase", config, PERSON)
        _finish("data", config)
        _finish("erase", config, PERSON)
        assert _naming(root, PERSON, f"{PERSON}@example.org") == []
        assert _left_over(root) == []
        subprocess.run(["rm", "-rf", str(root)], check=True)
