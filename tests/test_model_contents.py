"""A model is what was registered: its files are compared with their hashes before one is read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from registry_standin import StandIn, features, register
from segml.errors import ModelError
from segml.registry.contents import FILES_TAG
from segml.registry.store import ModelStore

NAME = "segml.shop.churn"


@pytest.fixture(scope="module")
def registered(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store = ModelStore(tmp_path_factory.mktemp("shop") / "mlruns")
        register(store, "first")
        store.promote(NAME, 1)
    return store


@pytest.fixture
def store(registered, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(registered.root, tmp_path / "mlruns")
    return ModelStore(tmp_path / "mlruns")


def folder_of(store: ModelStore) -> Path:
    return Path(store.client.get_model_version_download_uri(NAME, "1"))


def test_the_hash_of_every_file_stands_on_the_version(store):
    tag = json.loads(store.client.get_model_version(NAME, "1").tags[FILES_TAG])
    files = {
        path.relative_to(folder_of(store)).as_posix()
        for path in folder_of(store).rglob("*")
        if path.is_file()
    }
    assert set(tag) == files >= {"MLmodel", "artifacts/model.json", "artifacts/card.md", "pyfunc_model.py"}
    assert {len(digest) for digest in tag.values()} == {64}
    assert store.champion("shop", "churn").verified


@pytest.mark.parametrize("name", ["artifacts/model.json", "MLmodel", "pyfunc_model.py", "requirements.txt"])
def test_a_changed_file_is_named_and_the_model_is_not_loaded(store, name):
    with (folder_of(store) / name).open("a") as file:
        file.write(" ")
    with pytest.raises(
        ModelError, match=rf"{NAME} version 1 is not what was registered.*{name} was changed"
    ) as caught:
        store.champion("shop", "churn")
    assert "train again" in caught.value.next_step


def test_another_model_in_its_place_is_not_loaded(store):
    other = StandIn().fit(features() * 2)
    document = json.loads((folder_of(store) / "artifacts" / "model.json").read_text())
    document["model"] = other.to_dict()
    (folder_of(store) / "artifacts" / "model.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match=r"artifacts/model\.json was changed"):
        store.load(NAME, 1)


def test_missing_and_added_files_are_named_together(store):
    (folder_of(store) / "artifacts" / "card.md").unlink()
    (folder_of(store) / "code").mkdir()
    (folder_of(store) / "code" / "more.py").write_text("pass\n")
    with pytest.raises(ModelError, match=r"artifacts/card\.md is gone, code/more\.py was added"):
        store.load(NAME, 1)


def test_a_version_of_before_hashes_were_kept_is_loaded_and_says_so(store):
    store.client.delete_model_version_tag(NAME, "1", FILES_TAG)
    model = store.champion("shop", "churn")
    assert not model.verified
    assert model.score(features()).equals(StandIn().fit(features()).score(features()))


def test_a_tag_that_holds_no_hashes_is_one_clear_error(store):
    store.client.set_model_version_tag(NAME, "1", FILES_TAG, "[]")
    with pytest.raises(ModelError, match="holds no hashes"):
        store.champion("shop", "churn")


def test_what_mlflow_writes_beside_a_model_that_it_loads_is_no_change(store, monkeypatch):
    import mlflow

    # not set_tracking_uri: it writes into the environment, where every later store of this process would find it
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.address.uri)
    loaded = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    assert len(loaded.predict(features())) == len(features())
    assert store.champion("shop", "churn").verified
