"""Groups under the minimum are never shown, and can't be calculated from what is.

Hiding one cell of a table whose total is known hides nothing: it is the total less the others. So where exactly one
cell is small, the next smallest is withheld with it (complementary cell suppression; Willenborg and de Waal 2001,
Elements of Statistical Disclosure Control, ch. 5). Zero is nobody, and stays. Everything here may be applied twice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from segml.report.facts import CampaignFacts, Count, Group, Grouping, ModelFacts, RunFacts

WITHHELD = "withheld"
_COUNTED = re.compile(
    r"(?<![\d.,])(\d{1,3}(?:,\d{3})+|\d+)(?= (?:customers?|people|persons?|households?|held out|listed)\b)"
)


def few(minimum: int) -> str:
    """Return what is shown in place of a small count.

    Examples
    --------
    >>> few(10)
    '< 10'
    """
    return f"< {minimum}"


def suppress_counts(
    counts: Mapping[str, Count], minimum: int, keep: Collection[str] = ()
) -> dict[str, Count]:
    """Suppress small cells of a partition whose total may be known.

    Parameters
    ----------
    counts : mapping of str to int or str
        Cells that add up to the total; words are cells suppressed before.
    minimum : int
        Cells from 1 up to below it are suppressed.
    keep : collection of str
        Cells that are withheld last when a second one has to go.

    Examples
    --------
    >>> suppress_counts({"a": 3, "b": 40, "c": 700}, 10)
    {'a': '< 10', 'b': 'withheld', 'c': 700}
    >>> suppress_counts({"a": 3, "b": 4, "c": 700, "d": 0}, 10)
    {'a': '< 10', 'b': '< 10', 'c': 700, 'd': 0}
    """
    hidden = {name: few(minimum) if _is_small(count, minimum) else count for name, count in counts.items()}
    if sum(isinstance(count, str) for count in hidden.values()) == 1:
        shown = [
            (name in keep, count, name) for name, count in hidden.items() if isinstance(count, int) and count
        ]
        if shown:
            hidden[min(shown)[2]] = WITHHELD
    return hidden


def suppress_text(text: str, minimum: int) -> str:
    """Replace small counts of people in a sentence that was written elsewhere.

    Examples
    --------
    >>> suppress_text("7 people would be listed, of 2,469 customers", 10)
    'fewer than 10 people would be listed, of 2,469 customers'
    """

    def replaced(match: re.Match[str]) -> str:
        small = _is_small(int(match.group(1).replace(",", "")), minimum)
        return f"fewer than {minimum}" if small else match.group(1)

    return _COUNTED.sub(replaced, text)


def suppressed(facts: RunFacts) -> RunFacts:
    """Return the facts with every small group of people suppressed, in tables and in sentences."""
    minimum = facts.minimum_cell
    return replace(
        facts,
        notes=tuple(
            replace(note, people=few(minimum)) if _is_small(note.people, minimum) else note
            for note in facts.notes
        ),
        models=tuple(_model(model, minimum) for model in facts.models),
        not_scored={
            reason: few(minimum) if _is_small(people, minimum) else people
            for reason, people in facts.not_scored.items()
        },
        scored=few(minimum) if _is_small(facts.scored, minimum) else facts.scored,
        groupings=tuple(_grouping(grouping, minimum) for grouping in facts.groupings),
        campaigns=tuple(_campaign(campaign, minimum) for campaign in facts.campaigns),
        warnings=_texts(facts.warnings, minimum),
        proposals=_texts(facts.proposals, minimum),
        reasons=tuple(
            reason for reason in facts.reasons if not _is_hidden(reason.people, reason.segment, facts)
        ),
        value=None if facts.value and _is_small(facts.value.people, minimum) else facts.value,
        drift=tuple(replace(one, sentences=_texts(one.sentences, minimum)) for one in facts.drift),
    )


def _is_small(count: Count | None, minimum: int) -> bool:
    return isinstance(count, int) and 0 < count < minimum


def _is_hidden(people: Count, segment: str, facts: RunFacts) -> bool:
    """Whether a behavioural segment is small, or withheld with a small one."""
    shown = _grouping(facts.grouping("behavioural.segment"), facts.minimum_cell).groups
    withheld = {group.name for group in shown if isinstance(group.people, str)}
    return _is_small(people, facts.minimum_cell) or segment in withheld


def _texts(texts: Sequence[str], minimum: int) -> tuple[str, ...]:
    return tuple(suppress_text(text, minimum) for text in texts)


def _model(model: ModelFacts, minimum: int) -> ModelFacts:
    return replace(model, reasons=_texts(model.reasons, minimum), notes=_texts(model.notes, minimum))


def _grouping(grouping: Grouping, minimum: int) -> Grouping:
    counts = suppress_counts({group.name: group.people for group in grouping.groups}, minimum)
    return replace(
        grouping,
        groups=tuple(
            Group(group.name, counts[group.name]) if isinstance(counts[group.name], str) else group
            for group in grouping.groups
        ),
    )


def _campaign(campaign: CampaignFacts, minimum: int) -> CampaignFacts:
    arms: dict[str, Count] = {
        "listed": campaign.listed,
        "held_out": campaign.held_out,
        "globally_held_out": campaign.globally_held_out,
    }
    reasons = {f"excluded: {reason}": people for reason, people in campaign.excluded.items()}
    counts = suppress_counts(arms | reasons, minimum, keep=arms)
    power = suppress_text(campaign.power, minimum)
    if isinstance(counts["held_out"], str):
        power = f"fewer than {minimum} are held out: an effect could hardly be seen"
    return replace(
        campaign,
        reason=suppress_text(campaign.reason, minimum),
        listed=counts["listed"],
        held_out=counts["held_out"],
        globally_held_out=counts["globally_held_out"],
        excluded={reason: counts[f"excluded: {reason}"] for reason in campaign.excluded},
        power=power,
    )
