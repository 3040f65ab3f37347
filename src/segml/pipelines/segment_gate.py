"""When new segments take over: only when the champion's no longer describe the base, and for a stated reason.

Segments have no outcome to be held against, so the gate of the other models does not fit. They are a vocabulary:
campaigns, reports and people name them, and every change costs all of these, while a month later a refit always looks a
little different. So stable new segments replace the champion's when

* there is no champion, or it can't go on: it reads features that are not there, or that are computed otherwise now;
* somebody asked for other segments: other settings, another language, other questions;
* the champion holds less than `models.segments.champion_keeps` (0.9) of what the new segments hold of the differences
  between today's customers (`segml.models.segments.continuity`): the base has changed, not just the sample;
* the champion is `models.segments.renew_after_days` (a year) old.

Otherwise the champion stays and its ids, names and borders with it; the new segments are registered as refused, with
the figures. The new segments were made for today's customers, so the comparison favours them: what keeps the champion
is no accident of the sample. On the Complete Journey the number of interests that come back changed between five and
six each month, and each change was a new set of names for the same households.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from segml.config.models import SegmentSettings
from segml.models.segments.continuity import SegmentFit
from segml.registry.gate import Decision
from segml.registry.registered import RegisteredModel
from segml.time_windows import Cutoff


@dataclass(frozen=True)
class Candidate:
    """New segments, and what is known about how they were made.

    Attributes
    ----------
    stable : bool
        Whether they satisfy the rules of their own.
    reason : str
        Why they were chosen, or why there are none.
    contract : str
        Of the features they read.
    made_with : mapping
        Settings that make other segments when they are changed.
    lost : sequence of str
        What the champion reads and the base does not have any more.
    """

    stable: bool
    reason: str
    contract: str
    made_with: Mapping[str, Any]
    lost: tuple[str, ...] = ()


def judge_segments(
    candidate: Candidate,
    champion: RegisteredModel | None,
    day: Cutoff,
    settings: SegmentSettings,
    compare: Callable[[], SegmentFit],
) -> Decision:
    """Decide whether new segments replace the champion's; see the module's notes.

    Parameters
    ----------
    candidate : Candidate
    champion : RegisteredModel, optional
        Of the day trained for.
    day : Cutoff
    settings : SegmentSettings
    compare : callable
        Holds both against each other on the customers of the day; asked only when nothing else decides.
    """
    if (
        not candidate.stable
    ):  # "no stable segments" is an answer, and the champion or the rule-based ones carry on
        return Decision(False, "C", [candidate.reason])
    if champion is None:
        return Decision(True, "A", [candidate.reason])
    why = _cannot_go_on(candidate, champion, day, settings)
    if why:
        return Decision(True, "A", [candidate.reason, f"they replace {champion.label}: {why}"])
    fit = compare()
    if not fit.customers:
        why = f"nobody has a segment in both, so {champion.label} can't be held against them"
        return Decision(True, "A", [candidate.reason, why])
    figures = (
        f"of the differences between {fit.customers:,} customers of {day} the segments of {champion.label} hold"
        f" {fit.before:.1%}, new ones {fit.now:.1%}"
    )
    if fit.kept < settings.champion_keeps:
        bar = f"under {settings.champion_keeps:.0%} of it"
        told = f"they replace the champion's, which no longer fit: {figures} ({bar})"
        return Decision(True, "A", [candidate.reason, told])
    until = Cutoff.parse(champion.cutoff).plus_days(settings.renew_after_days)
    told = (
        f"the champion's segments stay, with their names: {figures}; new ones take over below"
        f" {settings.champion_keeps:.0%} of that, or on {until}"
    )
    return Decision(False, "A", [told, candidate.reason])


def _cannot_go_on(
    candidate: Candidate, champion: RegisteredModel, day: Cutoff, settings: SegmentSettings
) -> str:
    """Say why the champion is replaced whatever it holds; empty when its fit decides."""
    if candidate.lost:
        return f"it reads {', '.join(candidate.lost)}, which are not here"
    if champion.feature_contract != candidate.contract:
        return "its features are other ones, or were computed otherwise"
    before = champion.metadata.get("made_with")
    if before is not None and before != candidate.made_with:
        changed = [name for name, value in candidate.made_with.items() if before.get(name) != value]
        return f"it was made with other settings ({', '.join(changed)})"
    age = day.day - Cutoff.parse(champion.cutoff).day
    if age >= settings.renew_after_days:
        return f"it is {age} days old, and segments are renewed after {settings.renew_after_days}"
    return ""
