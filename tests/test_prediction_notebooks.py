"""The notebooks on dormancy and lifetime value run from top to bottom, in a project folder of their own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
RETAIL = PROJECT / "../shared/data/online_retail.parquet"
NEEDS = {
    "03_dormancy_and_churn.ipynb": [PROJECT / "data/raw/completejourney"],
    "04_clv.ipynb": [PROJECT / "data/raw/cdnow", RETAIL],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NEEDS))
def test_notebook_runs_from_top_to_bottom(name: str, tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="needs the notebooks extra")
    nbformat = pytest.importorskip("nbformat", reason="needs the notebooks extra")
    absent = [place.name for place in NEEDS[name] if not place.exists()]
    if absent:
        pytest.skip(
            f"{', '.join(absent)} is not there: run `make data`, or put the file where its configuration says"
        )
    root = tmp_path / "project"
    shutil.copytree(PROJECT / "configs", root / "configs")
    for place in NEEDS[name]:
        copy = root / "data/raw" / place.name if place.is_dir() else tmp_path / "shared/data" / place.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(place.resolve())
    place = root / "notebooks" / name
    place.parent.mkdir()
    shutil.copy(PROJECT / "notebooks" / name, place)
    notebook = nbformat.read(place, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(place.parent)}}
    ).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in shown if output.output_type == "error"]
    assert not [output for output in shown if output.get("name") == "stderr"]
    assert sum("image/png" in output.get("data", {}) for output in shown) >= 3


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_saved_outputs_are_whole_and_small(name: str) -> None:
    nbformat = pytest.importorskip("nbformat", reason="needs the notebooks extra")
    place = PROJECT / "notebooks" / name
    notebook = nbformat.read(place, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert place.stat().st_size < 500_000
