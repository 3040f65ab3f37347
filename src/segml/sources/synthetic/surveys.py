"""A survey of 20 items on a 1-5 scale, with planted attitudes and planted ways of answering.

Four batteries (price, quality, novelty, convenience) of five items each; the fifth item of a battery is reversed, so
that agreeing with everything contradicts itself. Four clusters of people each hold one battery dear; half of a
behavioural segment leans to one cluster (`Segment.leaning`), the rest is spread evenly. On top of what people think
comes how they answer: acquiescent people agree with whatever is asked, extreme ones use the ends of the scale,
straight-liners tick one number throughout. Some answers are missing: blank, or the row is not there at all, or the
respondent broke off.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from segml.sources.synthetic.customers import Traits
from segml.sources.synthetic.draws import (
    Coded,
    Floats,
    Ints,
    canonical_table,
    draw_from_rows,
    generator,
    truth_table,
)
from segml.sources.synthetic.rhythm import Rhythm
from segml.sources.synthetic.world import BATTERIES, CLUSTERS, STYLES

ITEMS_PER_BATTERY = 5
ITEMS = tuple(f"{battery}_{number}" for battery in BATTERIES for number in range(1, ITEMS_PER_BATTERY + 1))
CLUSTER_MEANS = np.full((len(CLUSTERS), len(BATTERIES)), -0.4) + 1.6 * np.eye(len(CLUSTERS))
_DIRECTION = np.tile(np.array([1.0, 1.0, 1.0, 1.0, -1.0]), len(BATTERIES))
_BATTERY = np.repeat(np.arange(len(BATTERIES)), ITEMS_PER_BATTERY)
_STYLE_SHARES = np.array([[0.73, 0.12, 0.10, 0.05]])
_STEPS = (-1.2, -0.4, 0.4, 1.2)  # between the five answers
_ACQUIESCENCE, _EXTREMITY = 0.9, 2.2
_MISSING_CODE = -1.0


def survey_tables(rhythm: Rhythm, traits: Traits) -> tuple[tuple[Ints, pa.Table], tuple[Ints, pa.Table]]:
    """Return `surveys` of a block, and the truth about its respondents (cluster, style, true attitudes)."""
    rng = generator(rhythm.shop.seed, traits.block, "surveys")
    answers_survey = rng.random(len(traits.segment)) < rhythm.shop.survey_share
    moment = traits.joined + (rng.random(len(traits.joined)) * (rhythm.end_second - traits.joined)).astype(
        np.int64
    )
    people = np.flatnonzero(answers_survey & (moment < rhythm.end_second))
    size = len(people)
    leaning = np.array([s.leaning for s in rhythm.shop.segments])[traits.segment[people]]
    cluster = np.where(rng.random(size) < 0.5, leaning, rng.integers(0, len(CLUSTERS), size))
    attitude = CLUSTER_MEANS[cluster] + rng.normal(0, 0.35, (size, len(BATTERIES)))
    style = draw_from_rows(np.cumsum(_STYLE_SHARES, axis=1), np.zeros(size, dtype=np.int64), rng.random(size))
    answers, asked = _answers(attitude, style, rng)
    person, item = np.nonzero(asked)
    given = answers[person, item]
    columns = {
        "customer_id": traits.ids(people[person]),
        "answered_at": moment[people[person]],
        "item": Coded(item, ITEMS),
        "answer": pa.array(given, mask=given == _MISSING_CODE),
    }
    truth = {
        "customer_id": traits.ids(people),
        "cluster": Coded(cluster, CLUSTERS),
        "response_style": Coded(style, STYLES),
        **{f"attitude_{battery}": attitude[:, i] for i, battery in enumerate(BATTERIES)},
    }
    return (people[person], canonical_table("surveys", columns)), (people, truth_table(truth))


def _answers(attitude: Floats, style: Ints, rng: np.random.Generator) -> tuple[Floats, np.ndarray]:
    """Return answers (people, items), missing ones as -1, and which rows exist at all."""
    size = len(style)
    thought = attitude[:, _BATTERY] * _DIRECTION + rng.normal(0, 0.6, (size, len(ITEMS)))
    said = thought + np.where(style == 1, _ACQUIESCENCE, 0.0)[:, None]
    said *= np.where(style == 2, _EXTREMITY, 1.0)[:, None]
    answers = 1.0 + np.searchsorted(_STEPS, said)
    same = rng.integers(3, 6, size)
    answers = np.where((style == 3)[:, None], same[:, None], answers)
    breaks_off = np.where(rng.random(size) < 0.04, rng.integers(8, 20, size), len(ITEMS))
    gone = rng.random((size, len(ITEMS)))
    asked = (gone >= 0.02) & (np.arange(len(ITEMS)) < breaks_off[:, None])
    return np.where(gone < 0.05, _MISSING_CODE, answers), asked


def item_truth() -> pa.Table:
    """Return the truth about the items: battery, and 1 or -1 for reversed ones."""
    columns = {"item": Coded(np.arange(len(ITEMS)), ITEMS), "battery": Coded(_BATTERY, BATTERIES)}
    return truth_table({**columns, "direction": _DIRECTION.astype(np.int64)})


def cluster_truth() -> pa.Table:
    """Return the mean attitude of each cluster on each battery."""
    means = {f"attitude_{battery}": CLUSTER_MEANS[:, i] for i, battery in enumerate(BATTERIES)}
    return truth_table({"cluster": Coded(np.arange(len(CLUSTERS)), CLUSTERS), **means})
