"""Importing segml is light, and imports go one way through the house."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {
    "mlflow",
    "pandas",
    "lightgbm",
    "duckdb",
    "sklearn",
    "matplotlib",
    "pyspark",
    "pyarrow",
    "shap",
    "numba",
}


def loaded_by(code: str) -> set[str]:
    """Return the packages that a fresh interpreter has loaded after running the code."""
    report = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("module", ["segml", "segml.errors", "segml.time_windows", "segml.config"])
def test_importing_segml_loads_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import {module}") & HEAVY == set()


def test_help_is_printed_without_loading_anything_heavy() -> None:
    code = (
        "import contextlib, sys\n"
        "from segml import cli\n"
        "sys.argv = ['segml', '--help']\n"
        "with contextlib.suppress(SystemExit):\n"
        "    cli.main()"
    )
    assert loaded_by(code) & HEAVY == set()


def test_features_and_engines_load_no_tracking_server_and_no_models() -> None:
    loaded = loaded_by("import segml.features.snapshot, segml.engine.duckdb")
    assert loaded & {"mlflow", "lightgbm", "sklearn", "matplotlib", "pyspark", "shap"} == set()


def test_imports_go_one_way() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    if not command.exists():
        pytest.skip("import-linter is not installed: pip install 'segml[dev]'")
    done = subprocess.run(
        [str(command), "--no-cache", "--config", "pyproject.toml"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
