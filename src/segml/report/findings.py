"""What was learnt, in a few sentences with their numbers.

Each sentence is written only when the figures behind it are there and not suppressed. Nothing here says that anything
caused anything.
"""

from __future__ import annotations

from segml.report.facts import CampaignFacts, RunFacts
from segml.report.groups import ACTIVITY_TAG, TIER_TAG
from segml.report.wording import METRICS, TASKS, count, money, number, share, spoken

_AWAY = ("at_risk", "dormant")


def findings(facts: RunFacts) -> list[str]:
    """Return the sentences, most important first.

    Parameters
    ----------
    facts : RunFacts
        Suppressed already.
    """
    found = [
        _who(facts),
        _activity(facts),
        _value(facts),
        _segments(facts),
        _best_model(facts),
        _not_promoted(facts),
        _lists(facts),
        _visible(facts),
    ]
    return [sentence for sentence in found if sentence]


def _who(facts: RunFacts) -> str:
    if isinstance(facts.scored, str) or not facts.scored:
        return ""
    return f"{count(facts.scored)} customers were scored as of {facts.as_of}."


def _activity(facts: RunFacts) -> str:
    groups = {group.name: group for group in facts.grouping(ACTIVITY_TAG).groups}
    days, active = facts.horizons.get("dormancy"), groups.get("active")
    if active is None or active.share is None or days is None:
        return ""
    sentence = f"{share(active.share)} of buyers are active: an order within {days} days is likely"
    if "active" in facts.bands:
        sentence += f" (a probability of {share(facts.bands['active'])} or more)"
    away = [groups[name].share for name in _AWAY if name in groups]
    known = [part for part in away if part is not None]
    if known and len(known) == len(away):
        sentence += f"; {share(sum(known))} are at risk or dormant"
    return sentence + "."


def _value(facts: RunFacts) -> str:
    days = facts.horizons.get("clv")
    vip = next((group for group in facts.grouping(TIER_TAG).groups if group.name == "vip"), None)
    if vip is None or vip.share is None or vip.expected_share is None:
        return ""
    return (
        f"The top {share(vip.share)} by predicted value are expected to bring {share(vip.expected_share)} of the"
        f" value of the next {days} days ({money(vip.expected, facts.currency)})."
    )


def _segments(facts: RunFacts) -> str:
    shown = [group for group in facts.grouping("behavioural.segment").groups if group.spent_share is not None]
    if len(shown) < 2:
        return ""
    first = max(shown, key=lambda group: group.spent_share or 0.0)
    return (
        f"Of {len(facts.grouping('behavioural.segment').groups)} behavioural segments, “{first.name}” spent the"
        f" most so far: {share(first.share)} of the people, {share(first.spent_share)} of the money."
    )


def _best_model(facts: RunFacts) -> str:
    for model in facts.models:
        if model.status == "promoted" and model.score is not None and model.baseline_score is not None:
            metric = METRICS.get(model.metric, model.metric)
            return (
                f"On later weeks that it had not seen, the {TASKS.get(model.task, model.task).lower()} model reaches"
                f" {metric} {number(model.score)}, the naive rule ({model.baseline_name})"
                f" {number(model.baseline_score)}."
            )
    return ""


def _not_promoted(facts: RunFacts) -> str:
    if not facts.models:
        return ""
    others = [model for model in facts.models if model.status != "promoted"]
    if not others:
        return f"All {len(facts.models)} models passed their gate."
    named = ", ".join(f"{TASKS.get(model.task, model.task).lower()} ({model.status})" for model in others)
    return f"{len(facts.models) - len(others)} of {len(facts.models)} models passed their gate; not: {named}."


def _lists(facts: RunFacts) -> str:
    built = [campaign for campaign in facts.campaigns if campaign.status == "built"]
    if not facts.campaigns:
        return ""
    listed = [campaign.listed for campaign in built if isinstance(campaign.listed, int)]
    if not built or len(listed) < len(built):
        return f"{len(built)} of {len(facts.campaigns)} campaign lists were built."
    sentence = f"{count(sum(listed))} people are on {len(built)} of {len(facts.campaigns)} campaign lists"
    held = [campaign.held_out for campaign in built if isinstance(campaign.held_out, int)]
    return sentence + (f", {count(sum(held))} are held out." if len(held) == len(built) else ".")


def _visible(facts: RunFacts) -> str:
    built: list[CampaignFacts] = [c for c in facts.campaigns if c.status == "built" and c.power]
    if not built:
        return ""
    return (
        "What the holdouts can show, said before the send: "
        + "; ".join(f"{spoken(campaign.name)}, {campaign.power}" for campaign in built[:2])
        + ("; the others below." if len(built) > 2 else ".")
    )
