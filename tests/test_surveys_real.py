"""R18 on public surveys: the person's mean no longer makes the segments, and a consensus is the stablest way."""

from __future__ import annotations

from pathlib import Path

import pytest

from segml.errors import SegmlError
from segml.models.segments.declared import DeclaredSegments
from segml.models.segments.factors import SurveyFactors
from segml.sources.surveys import load_survey, read_answers

ROOT = Path(__file__).parents[1]


def survey_answers(name: str):
    survey = load_survey(ROOT / f"configs/surveys/{name}.yaml")
    try:
        return survey, read_answers(survey)
    except SegmlError as error:
        pytest.skip(f"the survey {name} is not at hand: {error.message}")


@pytest.fixture(scope="module")
def young_people():
    survey, answers = survey_answers("young_people")
    return DeclaredSegments(survey.questionnaire(), k_range=(3, 4), n_bootstraps=12).fit(answers), answers


@pytest.fixture(scope="module")
def big_five():
    survey, answers = survey_answers("bfi")
    return DeclaredSegments(survey.questionnaire(), k=5, n_bootstraps=8).fit(answers), answers


def test_r18_young_people_segments_are_stable_tastes(young_people):
    segments, answers = young_people
    assert answers.shape == (1_010, 135)
    assert segments.counts_["missing_answers"] == 518  # of 571 among all numeric columns: four are no answers
    assert segments.n_segments_ == 3
    assert segments.stable_
    assert segments.stability_["rand_median"].iloc[-1] >= 0.75


def test_r18_big_five_items_are_read_and_missing_answers_stay_missing(big_five):
    segments, answers = big_five
    assert answers.shape == (2_800, 25)
    assert int(answers.isna().to_numpy().sum()) == 508 == segments.counts_["missing_answers"]
    assert segments.n_segments_ == 5


@pytest.mark.parametrize(("survey", "before"), [("young_people", 0.2), ("big_five", 0.32)])
def test_r18_the_persons_mean_explains_at_most_8_percent_of_the_membership(survey, before, request):
    segments, _ = request.getfixturevalue(survey)
    shares = segments.style_shares_.set_index(["answers", "k"])["explained_share"]
    assert shares["as given"].min() > before
    assert shares["style taken out"].max() <= 0.08


@pytest.mark.parametrize("survey", ["young_people", "big_five"])
def test_r18_the_consensus_comes_back_best_and_one_start_worst(survey, request):
    segments, _ = request.getfixturevalue(survey)
    one, fifty, consensus = segments.stability_["rand_mean"]
    assert one < fifty < consensus


def test_the_big_five_are_found_among_their_items(big_five):
    """Each factor of the centred items is loaded most by the items of one trait."""
    segments, answers = big_five
    main = SurveyFactors(5).fit(segments.centred(answers)).loadings_.abs().idxmax(axis=1)
    own = main.groupby(main.index.str[0]).agg(lambda factor: factor.mode().iloc[0])
    assert own.nunique() == 5
    assert (main == main.index.str[0].map(own)).mean() > 0.8  # 22 of 25; A4, A5 and N4 side with others
