"""The one door to MLflow: what goes in comes out, moved or not, and nothing is registered twice.

One store is made for the whole file: creating MLflow's tables takes two seconds. Tests that damage or move a store
work on a copy of it.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import segml
from registry_standin import CONTRACT, FEATURES, METADATA, StandIn, features, register
from segml.errors import ModelError
from segml.models.returning import ReturnCurve, ReturnTask
from segml.registry.fingerprint import feature_contract, fingerprint
from segml.registry.packaging import example_rows, pinned_requirements, write_package
from segml.registry.store import ModelStore
from segml.registry.tracking import TrackingAddress

NAME = "segml.shop.churn"
FIRST, SECOND = fingerprint("first"), fingerprint("second")


@pytest.fixture(autouse=True)
def no_tracking_address_from_outside(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("shop") / "mlruns"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        made = ModelStore(root)
        register(made, FIRST)
        made.promote(NAME, 1)
        register(made, SECOND)
    return made


@pytest.fixture
def moved(store, tmp_path):
    """Return a store that was copied, opened, and then moved: where it was is gone."""
    before, after = tmp_path / "before" / "mlruns", tmp_path / "my shop 100%_ø" / "mlruns"
    shutil.copytree(store.root, before)
    assert ModelStore(before).champion("shop", "churn") is not None
    shutil.move(before.parent, after.parent)
    return ModelStore(after)


def test_r42_champion_and_challenger_are_two_versions_of_one_name(store):
    assert store.names() == [NAME]
    assert store.aliases(NAME) == {"champion": 1, "challenger": 2}
    assert store.versions(NAME) == [1, 2]


def test_r42_the_champion_scores_as_the_model_that_was_fitted_and_says_where_it_is_from(store):
    champion = store.champion("shop", "churn")
    assert champion.label == "segml.shop.churn/1@2017-11-06"
    assert (champion.fingerprint, champion.feature_contract) == (FIRST, CONTRACT)
    assert champion.metadata == METADATA
    pd.testing.assert_frame_equal(
        champion.score(features(), CONTRACT), StandIn().fit(features()).score(features())
    )


def test_r42_a_task_without_a_champion_has_none(store):
    assert store.champion("shop", "clv") is None
    assert store.champion("nobase", "churn") is None


def test_r58_the_same_fingerprint_is_found_so_that_nothing_is_registered_twice(store):
    assert store.version_with_fingerprint("shop", "churn", FIRST) == 1
    assert store.version_with_fingerprint("shop", "churn", SECOND) == 2
    assert store.version_with_fingerprint("shop", "churn", fingerprint("third")) is None
    assert store.version_with_fingerprint("shop", "dormancy", FIRST) is None


def test_r42_a_promoted_challenger_is_no_longer_the_challenger(store, tmp_path):
    shutil.copytree(store.root, tmp_path / "mlruns")
    copy = ModelStore(tmp_path / "mlruns")
    copy.promote(NAME, 2)
    assert copy.aliases(NAME) == {"champion": 2}
    assert store.aliases(NAME)["champion"] == 1


def test_r42_registering_a_model_takes_well_under_two_seconds_of_work(store, tmp_path):
    shutil.copytree(store.root, tmp_path / "mlruns")
    copy = ModelStore(tmp_path / "mlruns")
    began = time.process_time()
    version, _ = register(copy, fingerprint("third"))
    assert version == 3
    assert time.process_time() - began < 2.0


def test_r42_a_run_keeps_parameters_metrics_plots_frames_texts_and_data_hashes(store):
    figure = Figure()
    figure.subplots().plot([0, 1], [0, 1])
    digest = fingerprint("orders")
    with store.training_run("shop", "logged") as parent, parent.model_run("dormancy") as run:
        run.log_params({f"p{number}": number for number in range(120)} | {"long": "x" * 7000})
        run.log_metrics({"test": {"auc": 0.78}, "base_rate": np.float64(0.5)})
        run.log_figure(figure, "plots/roc")
        run.log_frame(pd.DataFrame({"a": [1]}), "frames/bins")
        run.log_text("words", "notes.md")
        run.log_dataset_hashes({"orders": digest})
    found = store.client.get_run(run.run_id)
    assert found.info.status == "FINISHED"
    assert (found.data.params["p119"], len(found.data.params["long"])) == ("119", 6000)
    assert found.data.metrics == {"test.auc": 0.78, "base_rate": 0.5}
    assert found.data.tags["mlflow.parentRunId"] == parent.run_id
    assert found.data.tags["data.orders"] == digest
    assert [entry.dataset.name for entry in found.inputs.dataset_inputs] == ["orders"]
    folder = Path(found.info.artifact_uri)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == ["frames/bins.csv", "notes.md", "plots/roc.png"]
    assert folder.is_relative_to(store.root / "artifacts" / "shop")


def test_r42_a_parameter_logged_twice_with_another_value_is_one_clear_error(store):
    with (
        pytest.raises(ModelError, match="could not log parameters"),
        store.training_run("shop", "twice", params={"seed": 1}) as run,
    ):
        run.log_params({"seed": 2})


def test_r58_a_run_that_broke_is_marked_as_failed(store):
    with (
        pytest.raises(ZeroDivisionError),
        store.training_run("shop", "broken") as parent,
        parent.model_run("churn") as run,
    ):
        run.log_metrics({"auc": 1 / 0})
    assert {store.client.get_run(one.run_id).info.status for one in (parent, run)} == {"FAILED"}


def model_folder(store, version):
    return Path(store.client.get_model_version_download_uri(NAME, str(version)))


def test_r42_the_package_declares_requirements_and_a_signature_of_doubles(store):
    folder = model_folder(store, 1)
    requirements = (folder / "requirements.txt").read_text().splitlines()
    assert set(pinned_requirements()) <= set(requirements)
    assert {f"pandas=={pd.__version__}", f"segml=={segml.__version__}"} <= set(requirements)
    assert (folder / "artifacts" / "card.md").read_text() == "# card\n"
    signature = (folder / "MLmodel").read_text()
    assert [signature.count(f'"name": "{name}"') for name in (*FEATURES, "unused", "customer_id")] == [
        1,
        1,
        0,
        0,
    ]
    assert not list(folder.rglob("*.pkl"))


def test_r59_the_input_example_is_no_customer():
    rows = example_rows(features(11)[FEATURES])
    assert rows["recency_days"].to_numpy() == pytest.approx(
        [2.5 / 3, 5 / 3, 7.5 / 3]
    )  # quartiles of 0, 1/3 ... 10/3
    assert rows.index.tolist() == [0, 1, 2]


def test_r59_no_customer_id_is_stored_with_a_model(store):
    texts = [path.read_text() for path in model_folder(store, 1).rglob("*") if path.is_file()]
    assert texts
    assert not any("c003" in text for text in texts)


@pytest.mark.parametrize(
    ("metadata", "task", "pattern"),
    [
        ({"cutoff": "2017-11-06"}, "churn", "needs metadata feature_contract"),
        (METADATA, "clv", "the run is for the task churn, and the model is for clv"),
    ],
)
def test_r42_a_model_without_its_papers_is_not_registered(store, metadata, task, pattern):
    model = StandIn(task).fit(features())
    with (
        pytest.raises(ModelError, match=pattern),
        store.training_run("shop", "r") as run,
        run.model_run("churn") as one,
    ):
        one.register(model, features(), model.score(features()), "f", "card", metadata)
    assert store.versions(NAME) == [1, 2]


def test_r42_a_model_that_scores_otherwise_when_read_back_is_not_registered(store):
    model = StandIn().fit(features())
    model.to_dict = lambda: {"task": "churn", "features": FEATURES, "largest": 1.0}
    with pytest.raises(ModelError, match="read back from JSON does not give the same scores"):
        register(store, "f", model)


def test_r42_an_example_without_the_models_features_is_not_registered(store):
    with pytest.raises(ModelError, match="lacks features of the churn model: orders_90d"):
        register(store, "f", example=features().drop(columns="orders_90d"))


def test_r30_r42_a_return_curve_goes_through_the_registry_bit_by_bit(store, tmp_path):
    rng = np.random.default_rng(11)
    index = pd.Index([f"c{number:04d}" for number in range(400)], name="customer_id")
    recency = pd.Series(rng.exponential(60, 400), index)
    X = pd.DataFrame({"recency_days": recency, "orders_90d": rng.poisson(2, 400), "orders_total": 3.0}, index)
    silent = (rng.random(400) < recency / 120).astype(float)
    labels = pd.DataFrame({"silent_next_30d": silent, "silent_next_90d": silent * (recency > 10)}, index)
    curve = ReturnCurve((30, 90), rounds=15).fit(X, labels)
    X.loc["c0007"] = [np.nan, 0.0, 0.0]  # never bought: no probability
    shutil.copytree(store.root, tmp_path / "mlruns")
    copy = ModelStore(tmp_path / "mlruns")
    for task, horizon in (("dormancy", 30), ("churn", 90)):
        model = ReturnTask(task, horizon, curve)
        with copy.training_run("real", "first") as run, run.model_run(task) as one:
            version = one.register(model, X, model.score(X), FIRST, "card", METADATA)
        copy.promote(ModelStore.model_name("real", task), version)
        loaded = copy.champion("real", task)
        pd.testing.assert_frame_equal(loaded.score(X[X.columns[::-1]]), model.score(X), check_exact=True)
        assert loaded.score(X).isna().sum().tolist() == [1]


def test_r42_missing_features_are_all_named_with_the_nearest_there(store):
    champion = store.champion("shop", "churn")
    with pytest.raises(ModelError) as caught:
        champion.score(pd.DataFrame({"recencydays": [1.0]}))
    assert "recency_days (did you mean 'recencydays'?), orders_90d" in caught.value.message


def test_r42_features_built_by_another_contract_are_refused(store):
    with pytest.raises(ModelError, match="same names, other definitions"):
        store.champion("shop", "churn").score(features(), feature_contract({"recency_days": "v2"}))


@pytest.mark.parametrize(
    ("name", "which", "pattern"),
    [
        ("segml.shop.chrun", "champion", r"did you mean 'segml\.shop\.churn'\?\); known: segml\.shop\.churn"),
        (
            NAME,
            "chamption",
            r"did you mean 'champion'\?\); aliases: challenger \(version 2\), champion \(version 1\)",
        ),
        (NAME, 9, "no version or alias '9'; .*versions: 1, 2"),
    ],
)
def test_r42_an_unknown_name_alias_or_version_lists_those_there_are(store, name, which, pattern):
    with pytest.raises(ModelError, match=pattern):
        store.load(name, which)
    with pytest.raises(ModelError, match=pattern):
        store.promote(name, which)


def test_r58_a_moved_folder_still_finds_its_models_and_keeps_on_working(moved):
    champion = moved.champion("shop", "churn")
    assert champion.score(features()).equals(StandIn().fit(features()).score(features()))
    version, _ = register(moved, fingerprint("after the move"))
    for number in (1, 2, version):
        assert model_folder(moved, number).is_relative_to(moved.root)
    with sqlite3.connect(moved.root / "mlflow.db") as connection:
        dump = "\n".join(connection.iterdump())
    assert "/before/" not in dump


def test_r42_the_model_runs_from_a_bare_prompt_in_the_project_folder(moved, tmp_path):
    assert moved.champion("shop", "churn")  # opened once after the move
    features().to_csv(tmp_path / "features.csv")
    script = f"""
        import registry_standin, pandas as pd, mlflow
        mlflow.set_tracking_uri("sqlite:///mlruns/mlflow.db")
        features = pd.read_csv({str(tmp_path / "features.csv")!r}, index_col="customer_id")
        model = mlflow.pyfunc.load_model("models:/segml.shop.churn@champion")
        print("SCORES", model.predict(features).to_json(orient="split"))
    """
    done = run_python(script, moved.root.parent)
    line = next(line for line in done.stdout.splitlines() if line.startswith("SCORES "))
    expected = json.loads(StandIn().fit(features()).score(features()).to_json(orient="split"))
    assert json.loads(line.removeprefix("SCORES ")) == expected
    assert sorted(path.name for path in moved.root.parent.iterdir()) == ["mlruns"]


def test_r58_two_first_runs_at_once_share_one_store(tmp_path):
    script = """
        from pathlib import Path
        from registry_standin import register
        from segml.registry.store import ModelStore
        store = ModelStore(Path("mlruns"))
        print("ready", flush=True)
        for number in range(3):
            register(store, f"other-{number}")
    """
    other = start([sys.executable, "-c", textwrap.dedent(script)], tmp_path)
    assert other.stdout.readline() == "ready\n"
    both = ModelStore(tmp_path / "mlruns")
    for number in range(3):
        register(both, f"this-{number}")
    _, errors = other.communicate(timeout=120)
    assert other.returncode == 0, errors
    assert both.versions(NAME) == [1, 2, 3, 4, 5, 6]
    marks = [f"{run}-{number}" for run in ("other", "this") for number in range(3)]
    assert sorted(both.version_with_fingerprint("shop", "churn", mark) for mark in marks) == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlruns"]


def start(command, folder):
    paths = os.pathsep.join([str(Path(__file__).parent), *(path for path in sys.path if path)])
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_TRACKING")}
    environment |= {"PYTHONPATH": paths, "MLFLOW_DISABLE_TELEMETRY": "true"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)


def run_python(script, folder):
    process = start([sys.executable, "-c", textwrap.dedent(script)], folder)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return subprocess.CompletedProcess(process.args, 0, output, errors)


def test_r58_the_address_in_the_environment_goes_before_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other/mlflow.db")
    assert ModelStore(tmp_path / "mlruns").address.folder == tmp_path / "other"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert ModelStore(tmp_path / "mlruns").address.folder == tmp_path / "mlruns"


@pytest.mark.parametrize("base", ["", "my shop", "shop/churn", "o'shop", "a.b"])
def test_r42_a_base_that_can_not_name_a_model_fails_before_anything_is_trained(store, base):
    with pytest.raises(ModelError, match="letters, digits, _ and -"), store.training_run(base, "run"):
        pytest.fail("the run was opened")


def test_r58_a_store_without_an_address_is_an_error():
    with pytest.raises(ModelError, match="no model store is named"):
        ModelStore().names()


@pytest.mark.parametrize(
    ("uri", "pattern"),
    [
        ("http://127.0.0.1:9", "server at http://127.0.0.1 does not answer"),
        (
            "postgresql+psycopg2://user:secret@127.0.0.1:9/db",
            "server at postgresql://127.0.0.1 does not answer",
        ),
        ("./mlruns", "no longer keeps models in plain folders"),
        ("sqlite:////proc/nowhere/mlflow.db", "mlflow.db can't be opened"),
        ("nonsense://host/path", "could not be opened"),
    ],
)
def test_r58_an_address_nobody_answers_at_is_one_clear_error_within_seconds(monkeypatch, uri, pattern):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    began = time.perf_counter()
    with pytest.raises(ModelError, match=pattern) as caught:
        ModelStore().names()
    assert time.perf_counter() - began < 10
    assert "secret" not in str(caught.value)


def test_r58_a_damaged_database_is_one_clear_error(tmp_path):
    (tmp_path / "mlflow.db").write_text("this is no database, and it is long enough to be read as one" * 20)
    with pytest.raises(ModelError, match="can't be opened: file is not a database"):
        ModelStore(tmp_path).names()


def test_r58_a_version_whose_files_are_gone_says_where_they_were(store, tmp_path):
    shutil.copytree(store.root, tmp_path / "mlruns")
    copy = ModelStore(tmp_path / "mlruns")
    shutil.rmtree(model_folder(copy, 1))
    with pytest.raises(
        ModelError, match=f"version 1 of {NAME} is registered, but its files are not at {tmp_path}"
    ):
        copy.champion("shop", "churn")


def test_r58_a_warning_of_the_model_itself_is_heard_though_those_of_mlflow_are_muted(monkeypatch, tmp_path):
    model = StandIn().fit(features())
    outputs = model.score(features())

    def score_with_a_warning(self, features):
        warnings.warn("few customers", UserWarning, stacklevel=2)
        return outputs

    monkeypatch.setattr(StandIn, "score", score_with_a_warning)
    with pytest.warns(UserWarning, match="few customers"):
        write_package(tmp_path / "model", model, features(), outputs, "card", {"metadata": METADATA})


def test_r58_the_address_waits_for_another_writer(tmp_path):
    assert TrackingAddress(f"sqlite:///{tmp_path}/mlflow.db").client_uri.endswith("/mlflow.db?timeout=60")
    assert TrackingAddress("http://host:5000").client_uri == "http://host:5000"
