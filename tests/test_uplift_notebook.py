"""The notebook on uplift runs from top to bottom and still tells the story it was written for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
NOTEBOOK = PROJECT / "notebooks" / "06_uplift.ipynb"
PLACES = [PROJECT / "data/raw/hillstrom/hillstrom.parquet", PROJECT / "../shared/data/hillstrom.parquet"]


@pytest.mark.slow
@pytest.mark.skipif(
    not any(place.is_file() for place in PLACES),
    reason="Hillstrom's e-mail challenge (hillstrom.parquet) is not in data/raw/hillstrom",
)
def test_the_notebook_runs_and_says_what_it_promises(tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="the notebooks extra is not installed")
    cells = [cell.source for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    script = tmp_path / "cells.py"
    script.write_text("\n".join(cells), encoding="utf-8")
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
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "what was known before does not tell the arm" in done.stdout
    assert "(two_models) is worth" in done.stdout
    assert "(propensity) is worth" in done.stdout
    assert "no uplift without randomisation" in done.stdout


def test_the_notebook_is_stored_as_it_ran_without_an_error():
    cells = [cell for cell in json.loads(NOTEBOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert "error" not in kinds
    assert sum("image/png" in output.get("data", {}) for cell in cells for output in cell["outputs"]) == 3


def test_the_notebook_is_small_and_names_no_place_outside_the_project():
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 400_000
    assert not any(place in text for place in ("/home/", "/work", "/tmp", "/Users"))
