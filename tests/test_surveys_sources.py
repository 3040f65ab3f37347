"""Survey tables are read as their configuration says, and a configuration that can't be right says so."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segml.errors import ConfigurationError, DataError
from segml.sources.surveys import SurveySettings, _PandasOnly, load_survey, read_answers

ROOT = Path(__file__).parents[1]
TASTE = """
name: taste
file: taste.csv
person: id
scale: {low: 1, high: 5}
batteries:
  music: [rock, pop]
  price: {kind: scale, items: [cheap, splurge], reversed: [splurge]}
"""


def written(
    folder: Path, text: str = TASTE, table: str = "id,rock,pop,cheap,splurge\nb,1,2,3,\na,5,4,,1\n"
) -> Path:
    (folder / "configs").mkdir()
    (folder / "taste.csv").write_text(table)
    file = folder / "configs/taste.yaml"
    file.write_text(text)
    return file


def test_a_wide_table_is_read_sorted_with_missing_answers_missing(tmp_path):
    survey = load_survey(written(tmp_path))
    answers = read_answers(survey)
    assert answers.index.tolist() == ["a", "b"]
    assert answers.loc["b"].isna().tolist() == [False, False, False, True]
    assert survey.questionnaire().signs.tolist() == [1, 1, 1, -1]


@pytest.mark.parametrize("name", ["young_people", "bfi"])
def test_the_surveys_of_the_project_are_consistent(name):
    assert load_survey(ROOT / f"configs/surveys/{name}.yaml").questionnaire().items


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("person: id", "persn: id", "did you mean 'person'?"),
        ("[rock, pop]", "[rock]", "needs at least 2"),
        ("reversed: [splurge]", "reversed: [splurg]", "did you mean 'splurge'?"),
        ("{low: 1, high: 5}", "{low: 5, high: 1}", "a scale runs upwards"),
        ("person: id", "layout: long", "a long table needs `person`"),
    ],
)
def test_a_wrong_configuration_is_refused_with_the_reason(tmp_path, old, new, complaint):
    with pytest.raises(ConfigurationError) as caught:
        load_survey(written(tmp_path, TASTE.replace(old, new)))
    assert complaint in caught.value.message


@pytest.mark.parametrize(
    ("text", "table", "complaint"),
    [
        (TASTE.replace("rock", "rocks"), None, "no column for item 'rocks' (did you mean 'rock'?)"),
        (TASTE.replace("person: id", "person: ids"), None, "did you mean 'id'?"),
        (TASTE.replace("taste.csv", "test.csv"), None, "no file 'test.csv'"),
        (TASTE, "id,rock,pop,cheap,splurge\na,1,2,3,9\n", "'splurge': 1 answers outside 1 to 5"),
        (TASTE, "id,rock,pop,cheap,splurge\na,1,2,3,4\na,1,2,3,4\n", "1 ids come twice"),
        (TASTE, "id,rock,pop,cheap,splurge\na,often,2,3,4\n", "no numbers, for example 'often'"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_reason(tmp_path, text, table, complaint):
    file = written(tmp_path, text, table) if table else written(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_answers(load_survey(file))
    assert complaint in caught.value.message


LONG = {"name": "t", "layout": "long", "person": "customer_id", "scale": {"low": 1, "high": 5}}


def test_in_a_long_table_the_last_answer_counts_and_a_person_who_skipped_all_stays():
    survey = SurveySettings.model_validate({**LONG, "batteries": {"m": ["rock", "pop"]}})
    told = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b", "b"],
            "item": ["rock", "rock", "rock", "pop"],
            "answered_at": [2, 1, 1, 1],
            "answer": [5.0, 1.0, np.nan, np.nan],
        }
    )
    answers = read_answers(survey, told)
    assert answers.loc["a", "rock"] == 5.0
    assert answers.loc["b"].isna().all()
    with pytest.raises(DataError, match="answered twice by one person"):
        read_answers(survey, told.drop(columns="answered_at"))


def test_a_long_table_of_other_items_names_the_nearest():
    survey = SurveySettings.model_validate({**LONG, "batteries": {"m": ["rock", "pop"]}})
    told = pd.DataFrame({"customer_id": ["a"], "item": ["rocks"], "answered_at": [1], "answer": [2]})
    with pytest.raises(DataError, match="did you mean 'rocks'"):
        read_answers(survey, told)


def test_a_pickle_that_is_no_data_frame_runs_nothing():
    with pytest.raises(DataError, match="no part of a data frame"):
        _PandasOnly(io.BytesIO(pickle.dumps(print))).load()
