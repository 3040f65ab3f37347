"""A fingerprint says "nothing changed", and nothing else; a model file opens without running foreign code."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import segml
from registry_standin import StandIn, features
from segml.errors import ModelError
from segml.registry.code import reachable_code
from segml.registry.fingerprint import canonical_json, feature_contract, fingerprint, learning_code
from segml.registry.model_types import (
    TaskModel,
    build_model,
    known_model_types,
    model_class,
    read_document,
    register_model_type,
    write_model,
)
from segml.time_windows import Cutoff

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@dataclass(frozen=True)
class Settings:
    horizon: int
    cutoff: Cutoff


@given(content=st.dictionaries(st.text(), PLAIN, max_size=5), data=st.data())
def test_r58_the_order_of_keys_is_no_change(content, data):
    shuffled = dict(data.draw(st.permutations(list(content.items()))))
    assert fingerprint(shuffled) == fingerprint(content)


@given(left=PLAIN, right=PLAIN)
def test_r58_equal_fingerprints_mean_equal_json(left, right):
    assert (fingerprint(left) == fingerprint(right)) == (canonical_json(left) == canonical_json(right))


def test_r58_dataclasses_dates_paths_sets_and_numpy_are_taken_by_value():
    content = {
        "settings": Settings(56, Cutoff(3)),
        "day": dt.date(2017, 11, 6),
        "path": PurePosixPath("data/raw"),
        "names": {"b", "a"},
        "weights": np.array([1.0, 0.5]),
        "count": np.int64(3),
    }
    assert json.loads(canonical_json(content)) == {
        "settings": {"horizon": 56, "cutoff": {"day": 3}},
        "day": "2017-11-06",
        "path": "data/raw",
        "names": ["a", "b"],
        "weights": [1.0, 0.5],
        "count": 3,
    }


def test_r58_what_has_no_canonical_form_is_named_with_its_place():
    with pytest.raises(ModelError, match=r"content\.model\[1\] is a object"):
        fingerprint({"model": [1, object()]})


def test_r43_a_changed_definition_under_the_same_name_is_another_contract():
    assert feature_contract({"a": "sum(x)"}) != feature_contract({"a": "avg(x)"})
    assert feature_contract(["a", "b"]) == feature_contract(("b", "a"))
    assert feature_contract(["a"]) != feature_contract(["a", "b"])


def test_r58_changed_code_below_a_model_is_a_change(tmp_path, monkeypatch):
    package = tmp_path / "learning_by_doing"
    (package / "deeper").mkdir(parents=True)
    for file in (package / "__init__.py", package / "deeper" / "__init__.py", package / "deeper" / "rule.py"):
        file.write_text("RATE = 0.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    marks = []
    for text in ("RATE = 0.1\n", "RATE = 0.2\n", "RATE = 0.1\n"):
        (package / "deeper" / "rule.py").write_text(text)
        learning_code.cache_clear()
        marks.append(learning_code(("learning_by_doing",)))
    assert marks[0] == marks[2] != marks[1]
    assert learning_code(("learning_by_doing",), ()) != marks[2]


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The package's code in a folder of its own, that tests may change."""
    root = tmp_path_factory.mktemp("code")
    shutil.copytree(Path(segml.__file__).parent, root / "segml", ignore=shutil.ignore_patterns("__pycache__"))
    return root


def mark_of(root, entry="segml.pipelines.train"):
    learning_code.cache_clear()
    return learning_code((entry,), root=root)


@pytest.mark.parametrize("file", ["features/rfm.py", "pipelines/schedule.py"])
def test_r58_changed_code_that_decides_what_is_learnt_is_a_change(copied, file):
    before, place = mark_of(copied), copied / "segml" / file
    text = place.read_text()
    place.write_text(text + "\nCHANGED = True\n")
    after = mark_of(copied)
    place.write_text(text)
    assert after != before


def test_r58_all_that_decides_what_is_learnt_is_reached_and_what_shows_it_is_not():
    reached = reachable_code(["segml.pipelines.train"], leave_out=["segml.sources.ingest"])
    decide = ("features", "models", "evaluation", "engine", "time_windows", "registry.gate", "tables.consent")
    modules = ("facts", "labels", "snapshot", "rfm", "loyalty", "pressure", "next_category")
    assert {f"segml.{name}" for name in decide} | {f"segml.features.{name}" for name in modules} <= set(
        reached
    )
    assert {"segml.pipelines.segment_gate", "segml.models.btyd.pareto"} <= set(reached)
    shown = ("terminal", "report", "campaigns", "cli", "workbench", "sources.ingest")
    assert not [name for name in reached if name.startswith(tuple(f"segml.{part}" for part in shown))]
    digest = hashlib.sha256(Path(segml.__file__).with_name("time_windows.py").read_bytes()).hexdigest()
    assert reached["segml.time_windows"] == digest


def test_r58_a_module_counts_from_the_day_that_it_is_imported(copied):
    before, place = mark_of(copied), copied / "segml" / "features" / "rfm.py"
    (copied / "segml" / "features" / "nights.py").write_text("NIGHT = (0, 6)\n")
    assert mark_of(copied) == before
    text = place.read_text()
    place.write_text(text + "\n\ndef late():\n    from .nights import NIGHT\n\n    return NIGHT\n")
    reached = mark_of(copied)
    (copied / "segml" / "features" / "nights.py").write_text("NIGHT = (1, 5)\n")
    assert len({before, reached, mark_of(copied)}) == 3
    place.write_text(text)
    (copied / "segml" / "features" / "nights.py").unlink()


def test_r58_code_that_is_read_here_is_the_code_that_runs(copied):
    assert mark_of(copied) == mark_of(None)
    assert len({mark_of(None, f"segml.pipelines.{entry}") for entry in ("train", "uplift", "flat")}) == 3


def test_r58_an_entry_that_is_not_there_is_one_clear_error():
    with pytest.raises(ModelError, match=r"no module 'segml\.nowhere' to read code from"):
        reachable_code(["segml.nowhere"])


def test_r42_a_model_written_and_read_back_scores_the_same(tmp_path):
    model = StandIn().fit(features())
    assert isinstance(model, TaskModel)
    write_model(model, tmp_path / "model.json", metadata={"cutoff": "2017-11-06"})
    document = read_document(tmp_path / "model.json")
    assert document["metadata"] == {"cutoff": "2017-11-06"}
    assert build_model(document).score(features()).equals(model.score(features()))


def test_r42_the_table_knows_the_three_task_models():
    assert {"ReturnTask", "LifetimeValue", "SegmentTask"} <= set(known_model_types())


def test_r42_an_unknown_type_is_refused_with_the_nearest_name():
    with pytest.raises(ModelError, match=r"'ReturnTusk' is unknown \(did you mean 'ReturnTask'\?\)"):
        model_class("ReturnTusk")


def test_r42_a_type_can_not_be_taken_over():
    with pytest.raises(ModelError, match="is already registry_standin:StandIn"):
        register_model_type("StandIn", "somewhere.other:StandIn")
    with pytest.raises(ModelError, match=r"package\.module:Class"):
        register_model_type("Other", "somewhere.Other")


def test_r42_a_type_whose_module_is_not_there_says_so():
    register_model_type("Gone", "segml.registry.no_such_module:Gone")
    with pytest.raises(ModelError, match="can't be imported"):
        model_class("Gone")


class Unlisted(StandIn):
    """A model that nobody put in the table."""


def test_r42_a_model_outside_the_table_can_not_be_written(tmp_path):
    with pytest.raises(ModelError, match="a model of type Unlisted can't be registered"):
        write_model(Unlisted().fit(features()), tmp_path / "model.json")


def test_r42_a_model_that_is_not_plain_json_is_refused(tmp_path):
    model = StandIn().fit(features())
    model.largest_ = np.float32(3.0)
    with pytest.raises(ModelError, match=r"StandIn\.to_dict\(\) must return plain JSON"):
        write_model(model, tmp_path / "model.json")


@pytest.mark.parametrize("content", ["", "[]", '{"format": 99}', '{"type": "StandIn"}'])
def test_r42_a_damaged_or_foreign_model_file_is_one_clear_error(tmp_path, content):
    (tmp_path / "model.json").write_text(content)
    with pytest.raises(ModelError, match=r"model\.json"):
        read_document(tmp_path / "model.json")
