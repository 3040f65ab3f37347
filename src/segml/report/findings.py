"""What was learnt, and what is to be done next, in a few sentences with their numbers.

Each sentence is written only when the figures behind it are there and not suppressed. Nothing here says that anything
caused anything.
"""

from __future__ import annotations

from segml.report.facts import CampaignFacts, Count, RunFacts
from segml.report.groups import ACTIVITY_TAG, TIER_TAG
from segml.report.messages import Messages
from segml.report.suppression import WITHHELD

_AWAY = ("at_risk", "dormant")
_FIRST_KPIS = ("retention_rate",)
_SEGMENT_TAG = "behavioural.segment"


def findings(facts: RunFacts) -> list[str]:
    """Return the sentences in the language of the facts, most important first.

    Parameters
    ----------
    facts : RunFacts
        Suppressed already.
    """
    words = Messages(facts.language)
    found = [
        _who(facts, words),
        _activity(facts, words),
        _value(facts, words),
        _segments(facts, words),
        _best_model(facts, words),
        _not_promoted(facts, words),
        _key_figure(facts, words),
        _lists(facts, words),
        *(_sentence(words.remark(text)) for one in facts.drift for text in one.sentences),
    ]
    return [sentence for sentence in found if sentence]


def next_steps(facts: RunFacts) -> list[str]:
    """Return what is to be done: lists to send, goals that are behind, a suggestion for each segment.

    Parameters
    ----------
    facts : RunFacts
        Suppressed already.
    """
    words = Messages(facts.language)
    steps = [_send(campaign, words) for campaign in facts.campaigns if campaign.status == "built"]
    for goal in facts.goals:
        if goal.status == "behind":
            name = words.name("kpi_names", goal.kpi)
            needed, pace = (
                words.change(value, goal.unit, facts.currency)
                for value in (goal.pace_needed, goal.pace_so_far)
            )
            if goal.unit == "share":
                needed = words.say("forms.points", points=needed)
            steps.append(
                words.say("next.goal", name=name, needed=needed, day=words.day(goal.deadline), pace=pace)
            )
    steps += [
        words.say("next.segment", name=group.name, action=group.action)
        for group in facts.grouping(_SEGMENT_TAG).groups
        if group.action
    ]
    return steps


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _send(campaign: CampaignFacts, words: Messages) -> str:
    """Say what to do with a list; a number that is withheld is left out of the sentence."""
    title, few_held = words.given("titles", campaign.name, campaign.title), _is_few(campaign.held_out)
    listed, held = campaign.listed, campaign.held_out
    shown = listed != WITHHELD
    if not campaign.can_show_effect or few_held or not held:
        return (
            words.say("next.blind", title=title, people=words.count(listed))
            if shown
            else words.say("next.blind_withheld", title=title)
        )
    day = words.day(campaign.measure_until)
    if not shown or held == WITHHELD:
        return words.say("next.send_withheld", title=title, day=day)
    return words.say("next.send", title=title, people=words.count(listed), held=words.count(held), day=day)


def _is_few(count: Count) -> bool:
    return isinstance(count, str) and count != WITHHELD


def _who(facts: RunFacts, words: Messages) -> str:
    if isinstance(facts.scored, str) or not facts.scored:
        return ""
    return words.say("learnt.who", people=words.count(facts.scored), day=words.day(facts.as_of))


def _activity(facts: RunFacts, words: Messages) -> str:
    groups = {group.name: group for group in facts.grouping(ACTIVITY_TAG).groups}
    days, active = facts.horizons.get("dormancy"), groups.get("active")
    if active is None or active.share is None or days is None:
        return ""
    values = {"share": words.share(active.share), "days": days}
    if "active" in facts.bands:
        sentence = words.say("learnt.active_band", least=words.share(facts.bands["active"]), **values)
    else:
        sentence = words.say("learnt.active", **values)
    away = [groups[name].share for name in _AWAY if name in groups]
    known = [part for part in away if part is not None]
    if known and len(known) == len(away):
        sentence += " " + words.say("learnt.away", share=words.share(sum(known)))
    return sentence


def _value(facts: RunFacts, words: Messages) -> str:
    days = facts.horizons.get("clv")
    vip = next((group for group in facts.grouping(TIER_TAG).groups if group.name == "vip"), None)
    if vip is None or vip.share is None or vip.expected_share is None or days is None:
        return ""
    share, part = words.share(vip.share), words.share(vip.expected_share)
    return words.say(
        "learnt.value", share=share, part=part, days=days, money=words.money(vip.expected, facts.currency)
    )


def _segments(facts: RunFacts, words: Messages) -> str:
    groups = facts.grouping(_SEGMENT_TAG).groups
    shown = [group for group in groups if group.spent_share is not None]
    if len(shown) < 2:
        return ""
    first = max(shown, key=lambda group: group.spent_share or 0.0)
    share, part = words.share(first.share), words.share(first.spent_share)
    return words.say("learnt.segments", count=len(groups), name=first.name, share=share, part=part)


def _best_model(facts: RunFacts, words: Messages) -> str:
    for model in facts.models:
        if model.status == "promoted" and model.score is not None and model.baseline_score is not None:
            return words.say(
                "learnt.model",
                task=words.name("tasks", model.task).lower(),
                metric=words.name("metrics", model.metric),
                score=words.number(model.score),
                rule=words.remark(model.baseline_name),
                other=words.number(model.baseline_score),
            )
    return ""


def _not_promoted(facts: RunFacts, words: Messages) -> str:
    if not facts.models:
        return ""
    others = [model for model in facts.models if model.status != "promoted"]
    if not others:
        return words.say("learnt.all_passed", count=len(facts.models))
    named = ", ".join(
        f"{words.name('tasks', model.task).lower()} ({words.name('statuses', model.status)})"
        for model in others
    )
    passed = len(facts.models) - len(others)
    return words.say("learnt.some_passed", passed=passed, count=len(facts.models), others=named)


def _key_figure(facts: RunFacts, words: Messages) -> str:
    for kpi in facts.kpis:
        if kpi.name in _FIRST_KPIS and len(kpi.known) > 1:
            (first, earlier), (month, value) = kpi.known[0], kpi.known[-1]
            return words.say(
                "learnt.kpi",
                name=words.name("kpi_names", kpi.name),
                value=words.figure(value, kpi.unit, facts.currency),
                month=words.month(month),
                earlier=words.figure(earlier, kpi.unit, facts.currency),
                first=words.month(first),
            )
    return ""


def _lists(facts: RunFacts, words: Messages) -> str:
    built = [campaign for campaign in facts.campaigns if campaign.status == "built"]
    if not facts.campaigns:
        return ""
    counts = {"built": len(built), "count": len(facts.campaigns)}
    listed = [campaign.listed for campaign in built if isinstance(campaign.listed, int)]
    if not built or len(listed) < len(built):
        return words.say("learnt.lists_built", **counts)
    people = words.count(sum(listed))
    held = [campaign.held_out for campaign in built if isinstance(campaign.held_out, int)]
    if len(held) < len(built):
        return words.say("learnt.listed", people=people, **counts)
    return words.say("learnt.listed_held", people=people, held=words.count(sum(held)), **counts)
