"""R18: planted attitudes come back as segments, ways of answering do not, and bad surveys are refused in words."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from segml.errors import ConfigurationError, DataError, ModelError, NotEnoughDataError
from segml.evaluation.stability import adjusted_rand_score
from segml.models.segments.declared import DeclaredSegments
from segml.models.segments.factors import SurveyFactors
from segml.models.segments.response_style import Battery, Questionnaire, explained_share
from surveys_shop import shop_answers, shop_survey, survey_shop

QUICK = {"n_bootstraps": 6, "runs": 15}


@pytest.fixture(scope="module")
def shop():
    return survey_shop()


@pytest.fixture(scope="module")
def fitted(shop):
    answers, truth = shop_answers(shop)
    return DeclaredSegments(shop_survey(shop).questionnaire(), **QUICK).fit(answers), answers, truth


def codes(column: pd.Series) -> np.ndarray:
    return np.asarray(pd.factorize(column)[0])


def test_r18_planted_attitudes_are_recovered_and_their_number_is_found(fitted):
    segments, answers, truth = fitted
    label = segments.predict(answers)
    known = label >= 0
    assert segments.n_segments_ == 4, segments.selection_
    assert segments.stable_
    assert adjusted_rand_score(codes(truth["cluster"][known]), label[known]) > 0.9  # 0.95 with 2,040 people


def test_r18_ways_of_answering_are_no_segments(fitted):
    segments, answers, truth = fitted
    label = segments.predict(answers)
    known = label >= 0
    assert abs(adjusted_rand_score(codes(truth["response_style"][known]), label[known])) < 0.02
    assert explained_share(segments.style(answers)["style_mean"][known], label[known]) < 0.08


def test_r18_the_names_are_those_of_the_planted_attitudes(fitted):
    segments, _, _ = fitted
    planted = {"price", "quality", "novelty", "convenience"}
    assert {identity.name.split(", ")[0].removeprefix("high ") for identity in segments.identities} == planted


def test_straight_liners_are_counted_unknown_and_not_clustered(fitted):
    segments, answers, truth = fitted
    scores = segments.score(answers)
    straight = truth["response_style"] == "straight_liner"
    assert (scores["segment_declared_id"][straight] == "unknown").all()
    assert scores["segment_declared_membership"][straight].isna().all()
    assert segments.counts_["straight_liners"] == pytest.approx(straight.sum(), abs=3)
    assert segments.counts_["missing_answers"] == answers.isna().to_numpy().sum()


def test_fewer_answers_make_a_person_less_certain_and_too_few_unknown(fitted):
    segments, answers, _ = fitted
    whole = answers.dropna().head(300)
    half, few = whole.copy(), whole.copy()
    half.iloc[:, ::2] = np.nan
    few.iloc[:, 5:] = np.nan
    assert np.nanmean(segments.predict_proba(half).max(axis=1)) < np.nanmean(
        segments.predict_proba(whole).max(axis=1)
    )
    assert (segments.predict(few) == -1).all()


def test_memberships_sum_to_one_and_the_unsure_share_is_theirs(fitted):
    segments, answers, _ = fitted
    chances = segments.predict_proba(answers)
    known = ~np.isnan(chances[:, 0])
    np.testing.assert_allclose(chances[known].sum(axis=1), 1.0)
    assert segments.unsure_share_ == pytest.approx((chances[known].max(axis=1) < 0.6).mean())


def test_a_stored_model_scores_the_same(fitted):
    segments, answers, _ = fitted
    again = DeclaredSegments.from_dict(json.loads(json.dumps(segments.to_dict())))
    pd.testing.assert_frame_equal(again.score(answers), segments.score(answers))
    pd.testing.assert_frame_equal(again.style_shares_, segments.style_shares_)
    assert again.feature_names_in_ == segments.feature_names_in_
    assert json.dumps(again.to_dict()) == json.dumps(segments.to_dict())


def test_the_order_of_people_and_columns_changes_nothing(fitted):
    segments, answers, _ = fitted
    shuffled = answers.sample(frac=1, random_state=1)[answers.columns[::-1]]
    again = DeclaredSegments(segments.questionnaire, k=4, **QUICK).fit(shuffled)
    other = DeclaredSegments(segments.questionnaire, k=4, **QUICK).fit(answers)
    pd.testing.assert_frame_equal(again.score(answers), other.score(answers))


def test_r22_segments_keep_id_and_name_when_fitted_again(fitted):
    segments, answers, _ = fitted
    later = DeclaredSegments(segments.questionnaire, k=4, **{**QUICK, "random_state": 5})
    later.fit(answers.iloc[: len(answers) // 2], previous=segments)
    both = pd.concat([segments.score(answers), later.score(answers).add_suffix("_later")], axis=1)
    assert (both["segment_declared_id"] == both["segment_declared_id_later"]).mean() > 0.95
    assert {i.name for i in later.identities} == {i.name for i in segments.identities}


def test_answers_without_taste_have_no_stable_segments():
    generator = np.random.default_rng(0)
    items = [f"i{j}" for j in range(10)]
    noise = pd.DataFrame(
        generator.integers(1, 6, (400, 10)), columns=items, index=[f"c{i}" for i in range(400)]
    )
    segments = DeclaredSegments(Questionnaire(1, 5, (Battery("all", tuple(items)),)), **QUICK).fit(noise)
    assert not segments.stable_
    assert "No stable segments" in segments.choice_reason_
    assert [i.name for i in segments.identities] == ["everyone"]


MUSIC = Questionnaire(1, 5, (Battery("music", ("rock", "pop", "folk", "jazz", "punk")),))


def some_answers(n: int = 100) -> pd.DataFrame:
    values = np.random.default_rng(1).integers(1, 6, (n, 5))
    return pd.DataFrame(values, columns=list(MUSIC.items), index=[f"c{i:03d}" for i in range(n)]).astype(
        float
    )


def test_an_item_nobody_answered_is_left_out_and_named():
    segments = DeclaredSegments(MUSIC, k=2, **QUICK).fit(some_answers().assign(folk=np.nan, jazz=3.0))
    assert segments.dropped_ == {"folk": "nobody answered", "jazz": "everybody answered 3"}
    assert segments.feature_names_in_ == ["rock", "pop", "punk"]


def test_a_battery_of_which_one_item_is_left_is_refused():
    with pytest.raises(ConfigurationError, match="'music' has 1 item"):
        DeclaredSegments(MUSIC, k=2).fit(
            some_answers().assign(rock=np.nan, folk=np.nan, jazz=3.0, punk=np.nan)
        )


def test_everyone_in_a_straight_line_is_unavailable_because():
    line = pd.DataFrame(np.repeat(np.arange(100)[:, None] % 5 + 1.0, 5, axis=1), columns=list(MUSIC.items))
    with pytest.raises(NotEnoughDataError, match=r"unavailable, because .* 0 of 100 \(100 straight-liners"):
        DeclaredSegments(MUSIC).fit(line)


@pytest.mark.parametrize("n", [0, 1, 25])
def test_fewer_people_than_segments_need_is_unavailable_because(n):
    with pytest.raises(NotEnoughDataError):
        DeclaredSegments(MUSIC, k=3).fit(some_answers(n))


def test_answers_outside_the_scale_are_refused_at_fitting_and_at_scoring():
    segments = DeclaredSegments(MUSIC, k=2, **QUICK).fit(some_answers())
    for use in (segments.fit, segments.score):
        with pytest.raises(DataError, match="'rock': 100 answers outside 1 to 5"):
            use(some_answers().assign(rock=7))


def test_factor_scores_use_only_the_answers_given_and_signs_do_not_flip():
    generator = np.random.default_rng(0)
    taste = generator.normal(size=(400, 2))
    names = ["a", "b", "c", "d", "e", "f"]
    items = pd.DataFrame(taste[:, [0, 0, 0, 1, 1, 1]] + 0.6 * generator.normal(size=(400, 6)), columns=names)
    factors, mirrored = SurveyFactors(2).fit(items), SurveyFactors(2).fit(items.iloc[::-1])
    np.testing.assert_allclose(factors.loadings_, mirrored.loadings_, atol=1e-4)
    holes = items.mask(generator.random(items.shape) < 0.3)
    scores = factors.transform(holes)
    truth = taste[:, [0, 1]] if abs(factors.loadings_.loc["a", "factor_1"]) > 0.5 else taste[:, [1, 0]]
    for j in range(2):
        assert np.corrcoef(scores.iloc[:, j], truth[:, j])[0, 1] > 0.8


def test_nobody_and_people_without_answers_are_scored_too(fitted):
    segments, answers, _ = fitted
    assert segments.score(answers.iloc[:0]).shape == (0, 3)
    silent = segments.score(answers.iloc[:2] * np.nan)
    assert (silent["segment_declared_name"] == "unknown").all()


def test_settings_that_can_not_be_are_refused_at_once():
    with pytest.raises(ModelError, match=r"k is at least 1, not 0; n_bootstraps is at least 2, not 1"):
        DeclaredSegments(MUSIC, k=0, n_bootstraps=1).fit(some_answers())
