"""R18: how people answer is taken out, whatever they answered; what can't be an answer is refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from segml.errors import ConfigurationError, DataError
from segml.models.segments.response_style import (
    Battery,
    Questionnaire,
    centre_answers,
    explained_share,
    measure_style,
    read_answers_frame,
)

ASKED = Questionnaire(
    1,
    5,
    (
        Battery("music", ("rock", "pop", "folk")),
        Battery("price", ("cheap", "sales", "splurge"), "scale", ("splurge",)),
    ),
)
MEANS = np.array([3.0, 3.5, 2.0, 2.5, 4.0, 3.0])
answer_rows = arrays(float, (7, 6), elements=st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0, np.nan]))


@given(answer_rows, arrays(float, 7, elements=st.floats(-3, 3)))
@settings(max_examples=60, deadline=None)
def test_r18_agreeing_more_with_everything_changes_no_centred_answer(values, shift):
    np.testing.assert_allclose(
        centre_answers(values + shift[:, None], ASKED, MEANS), centre_answers(values, ASKED, MEANS), atol=1e-9
    )


@given(answer_rows, arrays(float, 7, elements=st.floats(-3, 3)))
@settings(max_examples=60, deadline=None)
def test_r18_agreeing_more_with_one_list_of_alternatives_changes_nothing_in_it(values, shift):
    lifted = values.copy()
    lifted[:, :3] += shift[:, None]
    at = ASKED.places(ASKED.batteries[0])
    before, after = centre_answers(values, ASKED, MEANS), centre_answers(lifted, ASKED, MEANS)
    np.testing.assert_allclose(after[:, at], before[:, at], atol=1e-9)


@given(answer_rows)
@settings(max_examples=60, deadline=None)
def test_r18_missing_answers_stay_missing_and_given_ones_stay_given(values):
    centred = centre_answers(values, ASKED, MEANS)
    assert (np.isnan(centred) == np.isnan(values)).all()


@given(answer_rows)
@settings(max_examples=60, deadline=None)
def test_r18_the_mean_within_a_list_of_alternatives_is_gone(values):
    centred = centre_answers(values, ASKED, MEANS)[:, :3]
    assert np.abs(np.where(np.isnan(centred), 0.0, centred).sum(axis=1)).max() < 1e-9


def test_r18_reversed_items_point_the_batterys_way():
    lover, hater = [3.0, 3, 3, 5, 5, 1], [3.0, 3, 3, 1, 1, 5]
    centred = centre_answers(np.array([lover, hater]), ASKED, np.full(6, 3.0))[:, 3:]
    assert (centred[0] > 0).all()
    assert (centred[1] < 0).all()


def test_skipping_popular_items_makes_nobody_a_critic():
    means = np.array([5.0, 1.0, 3.0, 3.0, 3.0, 3.0])
    skipped = measure_style(np.array([[np.nan, 1, 3, 3, 3, 3], [5.0, 1, 3, 3, 3, 3]]), ASKED, means)
    assert skipped["style_mean"].tolist() == [3.0, 3.0]


def test_a_person_without_answers_has_no_style_and_is_no_straight_liner():
    style = measure_style(np.full((1, 6), np.nan), ASKED, MEANS)
    assert style[["style_mean", "style_spread", "extreme_share"]].isna().all(axis=None)
    assert not style["straight_liner"].any()


def test_explained_share_of_independent_labels_is_near_zero_and_never_above_one():
    generator = np.random.default_rng(0)
    share = explained_share(generator.normal(size=5_000), generator.integers(0, 4, 5_000))
    assert 0.0 <= share < 0.005  # expected (k - 1) / n = 0.0006


def test_answers_that_do_not_fit_are_named_all_at_once():
    frame = pd.DataFrame({i: [1, 2] for i in ASKED.items} | {"rock": [0, 9], "pop": ["good", 2]})
    with pytest.raises(DataError) as caught:
        read_answers_frame(frame.drop(columns="splurge").rename(columns={"sales": "sale"}), ASKED)
    for part in ("'rock': 2 answers outside 1 to 5", "'good'", "'splurge'", "did you mean 'sale'?"):
        assert part in caught.value.message


@pytest.mark.parametrize(
    ("batteries", "complaint"),
    [
        ((Battery("a", ("x",)),), "needs at least 2"),
        ((Battery("a", ("x", "y")), Battery("b", ("y", "z"))), "'y' is asked 2 times"),
        ((Battery("a", ("x", "y"), "scale", ("yy",)),), "did you mean 'y'?"),
        ((Battery("a", ("x", "y"), "profile", ("y",)),), "kind: scale?"),
        ((Battery("a", ("x", "y"), clustered=False),), "no battery is clustered"),
    ],
)
def test_a_questionnaire_that_contradicts_itself_is_refused(batteries, complaint):
    with pytest.raises(ConfigurationError, match="contradicts itself") as caught:
        Questionnaire(1, 5, batteries)
    assert complaint in caught.value.message
