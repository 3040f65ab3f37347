"""R18: inferred interests come from what people over-index on, and need more than one basket."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from segml.errors import NotEnoughDataError
from segml.models.segments.interests import InterestSegmenter
from segml.models.segments.preparation import FeatureError

CATEGORIES = ["grocery", "wine", "cheese", "toys", "baby_care", "garden", "tools"]


def base(seed: int = 0, n: int = 600) -> tuple[pd.DataFrame, np.ndarray]:
    """Everybody buys groceries; each has one of three interests of two categories."""
    generator = np.random.default_rng(seed)
    truth = generator.choice(3, n, p=[0.5, 0.3, 0.2])
    weights = np.full((n, 7), 0.05)
    weights[:, 0] = 5.0
    for own in (1, 2):
        weights[np.arange(n), 2 * truth + own] = 2.0
    shares = generator.gamma(weights * 8)
    frame = pd.DataFrame(
        shares / shares.sum(axis=1, keepdims=True), columns=[f"affinity_{c}" for c in CATEGORIES]
    )
    return frame.assign(orders_total=generator.integers(2, 30, n).astype(float)).set_axis(
        [f"c{i:04d}" for i in range(n)]
    ), truth


def test_r18_planted_interests_are_found_and_named_after_their_categories():
    frame, truth = base()
    segmenter = InterestSegmenter(n_topics=3).fit(frame)
    own_names = {0: {"wine", "cheese"}, 1: {"toys", "baby care"}, 2: {"garden", "tools"}}
    named = {i: set(name.split(" and ")) for i, name in enumerate(segmenter.topic_names_)}
    for kind, expected in own_names.items():
        label = next(i for i, words in named.items() if words == expected)
        assert (segmenter.labels_[truth == kind] == label).mean() > 0.9


def test_r18_the_number_of_interests_is_chosen_by_what_comes_back():
    frame, _ = base()
    segmenter = InterestSegmenter().fit(frame)
    assert segmenter.stable_
    assert segmenter.n_topics_ == 3
    chosen = segmenter.selection_[segmenter.selection_["chosen"]]
    assert chosen["stability_median"].item() >= 0.8
    assert str(segmenter.n_topics_) in segmenter.choice_reason_


def test_r18_mixtures_sum_to_one_and_one_customer_does_not_depend_on_the_others():
    frame, _ = base()
    segmenter = InterestSegmenter(n_topics=3).fit(frame)
    mixture = segmenter.predict_mixture(frame)
    np.testing.assert_allclose(mixture.sum(axis=1), 1.0)
    np.testing.assert_allclose(segmenter.predict_mixture(frame.iloc[[7]]), mixture.iloc[[7]], atol=1e-12)


def test_r18_one_basket_or_none_is_unknown():
    frame, _ = base()
    segmenter = InterestSegmenter(n_topics=3).fit(frame)
    few = frame.iloc[:3].copy()
    few.iloc[0, few.columns.get_loc("orders_total")] = 1.0
    few.iloc[1, :7] = np.nan
    assert segmenter.predict(few).tolist()[:2] == [-1, -1]
    assert segmenter.predict(few).iloc[2] >= 0


def test_r18_row_order_and_json_change_nothing():
    frame, _ = base()
    segmenter = InterestSegmenter(n_topics=3).fit(frame)
    shuffled = InterestSegmenter(n_topics=3).fit(frame.sample(frac=1.0, random_state=1))
    pd.testing.assert_series_equal(segmenter.labels_, shuffled.labels_.loc[frame.index])
    again = InterestSegmenter.from_dict(json.loads(json.dumps(segmenter.to_dict())))
    pd.testing.assert_frame_equal(
        again.predict_mixture(frame), segmenter.predict_mixture(frame), check_exact=True
    )


def test_r18_too_little_to_infer_from_is_refused_with_the_number():
    frame, _ = base()
    with pytest.raises(
        NotEnoughDataError, match="at least 2 categories that somebody bought, and there are 1 of 1"
    ):
        InterestSegmenter().fit(frame[["affinity_wine"]])
    with pytest.raises(NotEnoughDataError, match="there are 0"):
        InterestSegmenter().fit(frame.assign(orders_total=1.0))
    with pytest.raises(FeatureError, match="affinity_wine"):
        InterestSegmenter(n_topics=2).fit(frame).predict(frame.drop(columns="affinity_wine"))
