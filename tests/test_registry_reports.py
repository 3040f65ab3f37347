"""The page of a run is kept with the training it tells of, once."""

from __future__ import annotations

from pathlib import Path

from registry_standin import register
from segml.registry.reports import keep_report, newest_training
from segml.registry.store import ModelStore


def written(folder: Path, text: str) -> tuple[Path, Path]:
    files = (folder / "report.html", folder / "run.json")
    for file in files:
        file.write_text(text + file.name, encoding="utf-8")
    return files


def test_r58_the_page_is_an_artifact_of_the_parent_run_and_is_kept_once(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "mlruns")
    assert not keep_report(store, "shop", "2018-01-01", written(tmp_path, "a")), "nothing was trained yet"
    version, model_run = register(store, "one")
    store.promote("segml.shop.churn", version)
    parent = store.client.get_run(model_run).data.tags["mlflow.parentRunId"]
    assert newest_training(store, "shop") == parent
    assert keep_report(store, "shop", "2018-01-01", written(tmp_path, "a"))
    assert not keep_report(store, "shop", "2018-01-01", written(tmp_path, "a"))
    kept = store.client.list_artifacts(parent, "report/as_of=2018-01-01")
    assert [Path(each.path).name for each in kept] == ["report.html", "run.json"]
    assert keep_report(store, "shop", "2018-01-01", written(tmp_path, "b"))
    local = store.client.download_artifacts(parent, kept[0].path, str(tmp_path))
    assert Path(local).read_text(encoding="utf-8") == "breport.html"
    assert newest_training(store, "another") == ""
