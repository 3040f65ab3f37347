"""From what past lists earned to what a setting should be: a proposal with its evidence, never a change.

For each line that a campaign's settings draw, the difference between treated and held out on one side is held against
that on the other, at a few places. A proposal needs three things: the two sides differ, the side to be kept gains,
and the other side shows no gain. All the questions asked in one run share one error level (Holm 1979), so that a base
in which nothing works differently hears of anything in at most one run of twenty. Segments are asked the same, and
whether they unsubscribe more than the others; and a lift that is beyond doubt may free a part of its holdout.
Nothing here writes a setting, and without evidence nothing is said.

References
----------
Holm (1979), A simple sequentially rejective multiple test procedure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from scipy.stats import norm

from segml.evaluation.power import control_size
from segml.measurement.knobs import DORMANCY, RECENCY, SCORE
from segml.measurement.lift import CONFIDENCE, Arm, newcombe_interval
from segml.measurement.people import HELD_OUT, TREATED

ERROR_LEVEL = 0.05
CUTS = (3, 5, 7, 9)  # a line below these tenths
LEAST_PEOPLE, LEAST_BUYERS = 100, 10  # in each arm on each side; below, the normal approximation is a guess
COLUMNS = (
    *("campaign", "setting", "present", "proposed", "statement", "estimate", "estimate_low", "estimate_high"),
    *("p_value", "p_adjusted", "questions"),
)


@dataclass(frozen=True)
class Question:
    """One comparison: what would be proposed, and how surely the sides differ.

    Attributes
    ----------
    estimate : float
        By how much the kept side's lift lies above the other's (a difference of conversion shares).
    holds : bool
        Whether the proposal makes sense at all: the kept side gains, the other shows no gain.
    """

    campaign: str
    setting: str
    present: str
    proposed: str
    statement: str
    estimate: float
    error: float
    holds: bool

    @property
    def p_value(self) -> float:
        """Two-sided, normal."""
        return float(2 * norm.sf(abs(self.estimate) / self.error)) if self.error > 0 else 1.0


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given.

    Examples
    --------
    >>> [round(p, 3) for p in holm_adjusted([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def make_proposals(
    lift: pd.DataFrame,
    cells: pd.DataFrame,
    responses: pd.DataFrame,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> pd.DataFrame:
    """Propose settings from measured lists.

    Parameters
    ----------
    lift : DataFrame
        `MeasuredLists.frame`; only lists that were measured count.
    cells : DataFrame
        From `knob_cells`, all lists together.
    responses : DataFrame
        `MeasuredLists.responses`.
    settings : mapping of str to mapping, optional
        Campaign -> its definition as it was, for the present values.

    Returns
    -------
    DataFrame
        One row a proposal, best founded first: campaign, setting, present, proposed, statement, the estimate with its
        95 % interval, p-value, p-value adjusted for all `questions` of the run. Empty when nothing was shown.
    """
    known = settings or {}
    measured = lift[lift["status"] == "measured"]
    days = set(zip(measured["campaign"], measured["as_of"], strict=True))
    questions: list[Question] = []
    for campaign in sorted(set(measured["campaign"])):
        definition = known.get(campaign, {})
        questions += _lines(_of(cells, campaign, days), campaign, definition)
        questions += _segments(_of(responses, campaign, days), campaign)
        questions += _holdout(measured[measured["campaign"] == campaign], campaign)
    adjusted = holm_adjusted([question.p_value for question in questions])
    rows = [
        _row(question, p, len(questions))
        for question, p in zip(questions, adjusted, strict=True)
        if question.holds and p < ERROR_LEVEL
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("p_adjusted", kind="stable")
    return frame.drop_duplicates(["campaign", "setting"]).reset_index(drop=True)


def _of(frame: pd.DataFrame, campaign: str, days: set[tuple[Any, Any]]) -> pd.DataFrame:
    own = frame[frame["campaign"] == campaign]
    return own[own["as_of"].isin([day for name, day in days if name == campaign])]


def _row(question: Question, adjusted: float, questions: int) -> dict[str, Any]:
    half = float(norm.ppf((1 + CONFIDENCE) / 2)) * question.error
    return {
        "campaign": question.campaign,
        "setting": question.setting,
        "present": question.present,
        "proposed": question.proposed,
        "statement": f"{question.statement} (p = {adjusted:.2g} after {questions} questions)",
        "estimate": question.estimate,
        "estimate_low": question.estimate - half,
        "estimate_high": question.estimate + half,
        "p_value": question.p_value,
        "p_adjusted": adjusted,
        "questions": questions,
    }


def _arms(rows: pd.DataFrame) -> tuple[Arm, Arm]:
    """Totals of the treated and of the held out."""
    arm, people, buyers = (rows[name].to_numpy() for name in ("arm", "people", "buyers"))
    sums = [(int(people[arm == name].sum()), int(buyers[arm == name].sum())) for name in (TREATED, HELD_OUT)]
    treated, control = (Arm(*pair, 0, 0.0) for pair in sums)
    return treated, control


def _enough(*sides: tuple[Arm, Arm]) -> bool:
    return all(
        arm.people >= LEAST_PEOPLE and min(arm.buyers, arm.people - arm.buyers) >= LEAST_BUYERS
        for side in sides
        for arm in side
    )


def _variance(side: tuple[Arm, Arm]) -> float:
    return sum(arm.rate * (1 - arm.rate) / arm.people for arm in side)


def _difference(side: tuple[Arm, Arm]) -> float:
    return side[0].rate - side[1].rate


def _compared(kept: tuple[Arm, Arm], dropped: tuple[Arm, Arm], question: Question) -> Question:
    """Fill in the figures; the words get both sides' differences."""
    gains, left = newcombe_interval(*kept), newcombe_interval(*dropped)
    text = f"{question.statement}: {_points(kept, gains)} there, {_points(dropped, left)} elsewhere"
    return replace(
        question,
        statement=text,
        estimate=_difference(kept) - _difference(dropped),
        error=math.sqrt(_variance(kept) + _variance(dropped)),
        holds=gains[0] > 0 and left[0] <= 0,
    )


def _points(side: tuple[Arm, Arm], interval: tuple[float, float]) -> str:
    low, high = (100 * bound for bound in interval)
    return f"{100 * _difference(side):+.1f} points of conversion (95 %: {low:+.1f} to {high:+.1f})"


def _lines(cells: pd.DataFrame, campaign: str, definition: Mapping[str, Any]) -> list[Question]:
    """One question a line; which side would be kept is read from the data, and paid for by the two-sided test."""
    questions = []
    for knob, rows in cells.groupby("knob", sort=True):
        newest = rows[rows["as_of"] == rows["as_of"].max()]
        for cut in CUTS:
            above, below = _arms(rows[rows["tenth"] >= cut]), _arms(rows[rows["tenth"] < cut])
            bounds = newest.loc[newest["tenth"] >= cut, "least"]
            if not len(bounds) or not _enough(above, below):
                continue
            keep_high = _difference(above) >= _difference(below)
            rest = newest[newest["tenth"] >= cut] if keep_high else newest[newest["tenth"] < cut]
            setting = _setting(str(knob), keep_high, float(bounds.min()), _arms(rest)[0].people, definition)
            question = Question(campaign, *setting, 0.0, 0.0, False)
            questions.append(_compared(*((above, below) if keep_high else (below, above)), question))
    return questions


def _setting(
    knob: str, keep_high: bool, bound: float, people: int, definition: Mapping[str, Any]
) -> tuple[str, str, str, str]:
    """Return setting, present value, proposed value and the beginning of the sentence."""
    side = f"{knob} {'at least' if keep_high else 'below'} {bound:.4g}"
    highest = dict(definition.get("rank_by") or {}).get("direction", "highest") == "highest"
    if knob == SCORE and keep_high == highest:
        present = definition.get("max_size")
        return (
            "max_size",
            "none" if present is None else str(present),
            str(people),
            f"the {people:,} ranked first gain",
        )
    if knob == RECENCY and keep_high:
        present = definition.get("min_days_since_last_order", 0)
        return "min_days_since_last_order", str(present), f"{math.ceil(bound)}", f"people with {side} gain"
    where = {
        SCORE: "the ranking's own column",
        RECENCY: "features.recency_days",
        DORMANCY: "scores.dormancy_probability",
    }
    word = "at_least" if keep_high else "below"
    return f"audience: {where.get(knob, knob)}", "as it is", f"{word} {bound:.4g}", f"people with {side} gain"


def _segments(responses: pd.DataFrame, campaign: str) -> list[Question]:
    questions = []
    for segment in sorted(set(responses["segment"]) - {""}):
        inside = responses["segment"] == segment
        own, others = _arms(responses[inside]), _arms(responses[~inside])
        if _enough(own, others):
            setting = f"audience: {responses['tag'].iloc[0]}"
            text = f"everybody but {segment} gains"
            question = Question(campaign, setting, "as it is", f"not {segment}", text, 0.0, 0.0, False)
            questions.append(_compared(others, own, question))
        questions += _unsubscribes(responses, inside, str(segment), campaign)
    return questions


def _unsubscribes(responses: pd.DataFrame, inside: pd.Series, segment: str, campaign: str) -> list[Question]:
    """Does a segment leave the mailing more often than the others it was sent to? Then fewer contacts are proposed."""
    sent = responses[(responses["arm"] == TREATED) & (responses["sent"] > 0)]
    sides = [sent[inside.reindex(sent.index)], sent[~inside.reindex(sent.index)]]
    one, two = (Arm(int(side["sent"].sum()), int(side["unsubscribe"].sum()), 0, 0.0) for side in sides)
    if not _enough((one, two)):
        return []
    gap, error = one.rate - two.rate, math.sqrt(_variance((one, two)))
    own, others = (f"{100 * side.rate:.2f} %" for side in (one, two))
    text = f"{segment} unsubscribes {own} of the time it is sent {campaign}, others {others}"
    return [
        Question(
            campaign,
            f"contact cap of {segment}",
            "as the others",
            "fewer contacts",
            text,
            gap,
            error,
            gap > 0,
        )
    ]


def _holdout(lists: pd.DataFrame, campaign: str) -> list[Question]:
    """A smaller holdout, where even the low end of the newest lift would still be seen with it."""
    row = lists.sort_values("as_of").iloc[-1]
    arms = [Arm(int(row[n]), int(row[f"buyers_{n}"]), 0, 0.0) for n in (TREATED, "held_out")]
    treated, control = arms
    if not _enough((treated, control)):
        return []
    people, share = treated.people + control.people, control.people / (treated.people + control.people)
    low = float(row["relative_lift_low"])
    lift, error = _difference((treated, control)), math.sqrt(_variance((treated, control)))
    proposed = share
    while low > 0 and treated.rate < 1 and proposed > 0.01:
        smaller = proposed - 0.01
        if (
            smaller <= 0
            or control.rate * (1 + low) >= 1
            or control_size(control.rate, low, smaller) > people * smaller
        ):
            break
        proposed = smaller
    text = f"a lift as small as {low:+.0%} would still be seen with {proposed:.0%} held out of {people:,}"
    return [
        Question(
            campaign,
            "holdout",
            f"{share:.0%}",
            f"{proposed:.0%}",
            text,
            lift,
            error,
            low > 0 and proposed <= share - 0.01,
        )
    ]
