"""A fingerprint says "nothing changed", and nothing else; a model file opens without running foreign code."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_standin import StandIn, features
from segml.errors import ModelError
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
