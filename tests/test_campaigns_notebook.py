"""The notebook on campaigns runs from top to bottom and still tells the story it was written for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
NOTEBOOK = PROJECT / "notebooks" / "05_campaigns.ipynb"


def code_cells() -> list[dict]:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.slow
def test_the_notebook_runs_and_says_what_it_promises(tmp_path: Path) -> None:
    script = tmp_path / "cells.py"
    script.write_text("\n".join("".join(cell["source"]) for cell in code_cells()), encoding="utf-8")
    environment = os.environ | {
        "MPLBACKEND": "Agg",
        "PYTHONPATH": str(PROJECT / "src"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=NOTEBOOK.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "win_back: the campaign raised conversion" in done.stdout
    assert "second_purchase: no effect can be told from chance" in done.stdout
    assert "uplift_win_back: promoted" in done.stdout
    assert "uplift_second_purchase: unavailable. too little to learn uplift from" in done.stdout
    assert "win_back: audience" in done.stdout
    assert "second_purchase: holdout" not in done.stdout
    assert "above 10% they are no control" in done.stdout


def test_the_notebook_is_stored_as_it_ran_without_an_error() -> None:
    cells = code_cells()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [
        output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"
    ]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3


def test_the_notebook_is_small_and_names_no_place_outside_the_project() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 400_000
    assert not any(place in text for place in ("/home/", "/work", "/tmp", "/Users"))
