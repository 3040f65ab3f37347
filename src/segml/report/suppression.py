"""Groups under the minimum are never shown, and can't be calculated from what is.

Hiding one cell of a table whose total is known hides nothing: it is the total less the others. So cells are withheld
with the small ones, the next smallest first, until what is hidden is no small group itself and has more than one
solution (complementary cell suppression; Willenborg and de Waal 2001, Elements of Statistical Disclosure Control,
ch. 5). Zero is nobody, and stays. Every tag, and every campaign, parts the people who were scored: whoever is in none
of the groups is a cell too. Where a rate of few people stands beside their number, the number goes. Everything here
may be applied twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from segml.report.facts import (
    CampaignFacts,
    Count,
    DriftFacts,
    Group,
    Grouping,
    ModelFacts,
    ReasonFacts,
    ResultFacts,
    RunFacts,
    TableFacts,
    ValueFacts,
)
from segml.report.small_counts import is_small, suppress_shares, suppress_text

WITHHELD = "withheld"
_SEGMENT_TAG, _OTHERS = "behavioural.segment", ""
_PEOPLE_TABLE = "customers"
_TOP_PARTS = 10  # the value table speaks of the top tenth


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
        Cells that are withheld last when others have to go.

    Examples
    --------
    >>> suppress_counts({"a": 3, "b": 40, "c": 700}, 10)
    {'a': '< 10', 'b': 'withheld', 'c': 700}
    >>> suppress_counts({"a": 3, "b": 4, "c": 700, "d": 0}, 10)
    {'a': '< 10', 'b': '< 10', 'c': 'withheld', 'd': 0}
    >>> suppress_counts({"a": 8, "b": 6, "c": 700, "d": 0}, 10)
    {'a': '< 10', 'b': '< 10', 'c': 700, 'd': 0}
    """
    hidden = {name: few(minimum) if is_small(count, minimum) else count for name, count in counts.items()}
    small = [count for count in counts.values() if isinstance(count, int) and is_small(count, minimum)]
    before = [count for count in counts.values() if isinstance(count, str)]
    left = sorted(
        (name in keep, count, name) for name, count in hidden.items() if isinstance(count, int) and count
    )
    withheld: list[int] = []
    while left and _can_be_solved(small, withheld, before, minimum):
        _, count, name = left.pop(0)
        hidden[name] = WITHHELD
        withheld.append(count)
    return hidden


def _can_be_solved(small: list[int], withheld: list[int], before: list[str], minimum: int) -> bool:
    """Whether the sum of what is hidden is a small group, or has one solution only."""
    if not small or before:  # what was hidden before is hidden with enough beside it
        return False
    total, least = sum(small) + sum(withheld), len(small) + minimum * len(withheld)
    if len(small) + len(withheld) == 1 or total < minimum or total == least:
        return True
    return not withheld and total == (minimum - 1) * len(small)


def suppressed(facts: RunFacts) -> RunFacts:
    """Return the facts with every small group of people suppressed, in tables and in sentences."""
    minimum, scored = facts.minimum_cell, facts.scored
    groupings = tuple(_grouping(grouping, scored, minimum) for grouping in facts.groupings)
    return replace(
        facts,
        notes=tuple(
            replace(note, people=few(minimum)) if is_small(note.people, minimum) else note
            for note in facts.notes
        ),
        tables=tuple(_table(table, facts) for table in facts.tables),
        unavailable_tables=_named_texts(facts.unavailable_tables, minimum),
        unavailable_features=_named_texts(facts.unavailable_features, minimum),
        models=tuple(_model(model, scored, minimum) for model in facts.models),
        not_scored={reason: _shown(people, minimum) for reason, people in facts.not_scored.items()},
        scored=_shown(scored, minimum),
        groupings=groupings,
        campaigns=tuple(_campaign(campaign, minimum) for campaign in facts.campaigns),
        warnings=_texts(facts.warnings, minimum),
        proposals=_texts(facts.proposals, minimum),
        results=tuple(_result(result, minimum) for result in facts.results),
        reasons=_reasons(facts.reasons, groupings, minimum),
        value=_value(facts.value, minimum),
        drift=tuple(_drift(one, minimum) for one in facts.drift),
    )


def _shown(count: Count, minimum: int) -> Count:
    return few(minimum) if is_small(count, minimum) else count


def _texts(texts: Sequence[str], minimum: int) -> tuple[str, ...]:
    return tuple(suppress_text(text, minimum) for text in texts)


def _named_texts(texts: Mapping[str, str], minimum: int) -> dict[str, str]:
    return {name: suppress_text(text, minimum) for name, text in texts.items()}


def _of_few(share: float | None, people: Count | None, minimum: int) -> bool:
    """Whether a share is of a small group, or leaves one, of people whose number is known."""
    if share is None or not isinstance(people, int):
        return False
    return any(is_small(round(part * people), minimum) for part in (share, 1 - share))


def _table(table: TableFacts, facts: RunFacts) -> TableFacts:
    """Rows of the customers are people; of every other table they are events."""
    if table.name != _PEOPLE_TABLE:
        return table
    minimum = facts.minimum_cell
    left_out, added = (
        {reason: _shown(rows, minimum) for reason, rows in cells.items()}
        for cells in (table.left_out, table.added)
    )
    rows_in, rows_out = _shown(table.rows_in, minimum), _shown(table.rows_out, minimum)
    if any(isinstance(rows, str) for rows in (*left_out.values(), *added.values())):
        rows_in = _withheld(rows_in)
    if _tells_who_is_not_scored(table.rows_out, facts):
        rows_in, rows_out = _withheld(rows_in), _withheld(rows_out)
    return replace(table, rows_in=rows_in, rows_out=rows_out, left_out=left_out, added=added)


def _withheld(count: Count) -> Count:
    return WITHHELD if isinstance(count, int) else count


def _tells_who_is_not_scored(customers: Count, facts: RunFacts) -> bool:
    """Whether all customers, less those that are shown as scored or not, are a small group."""
    if not isinstance(customers, int) or not isinstance(facts.scored, int):
        return False
    shown = sum(
        people
        for people in facts.not_scored.values()
        if isinstance(people, int) and not is_small(people, facts.minimum_cell)
    )
    return is_small(customers - facts.scored - shown, facts.minimum_cell)


def _model(model: ModelFacts, scored: Count, minimum: int) -> ModelFacts:
    def texts(given: Sequence[str]) -> tuple[str, ...]:
        return tuple(suppress_shares(suppress_text(text, minimum), scored, minimum) for text in given)

    return replace(
        model,
        reasons=texts(model.reasons),
        notes=texts(model.notes),
        not_scored=suppress_text(model.not_scored, minimum),
    )


def _grouping(grouping: Grouping, scored: Count, minimum: int) -> Grouping:
    counts = suppress_counts(_with_others(grouping, scored), minimum, keep=(_OTHERS,))
    return replace(
        grouping,
        criterion=suppress_shares(suppress_text(grouping.criterion, minimum), scored, minimum),
        unavailable=suppress_text(grouping.unavailable, minimum),
        groups=tuple(
            Group(group.name, counts[group.name]) if isinstance(counts[group.name], str) else group
            for group in grouping.groups
        ),
    )


def _with_others(grouping: Grouping, scored: Count) -> dict[str, Count]:
    """Groups, and everybody who was scored and is in none of them: that number follows from the others."""
    counts = {group.name: group.people for group in grouping.groups}
    known = [people for people in counts.values() if isinstance(people, int)]
    if counts and isinstance(scored, int) and len(known) == len(counts) and sum(known) < scored:
        counts[_OTHERS] = scored - sum(known)
    return counts


def _reasons(
    reasons: Sequence[ReasonFacts], groupings: Sequence[Grouping], minimum: int
) -> tuple[ReasonFacts, ...]:
    """Leave out the reasons of segments that are not shown, and those that few people of a segment have or lack."""
    hidden = {
        group.name
        for grouping in groupings
        for group in grouping.groups
        if grouping.tag == _SEGMENT_TAG and isinstance(group.people, str)
    }
    return tuple(
        reason
        for reason in reasons
        if reason.segment not in hidden
        and not is_small(reason.people, minimum)
        and not _of_few(reason.share, reason.people, minimum)
    )


def _value(value: ValueFacts | None, minimum: int) -> ValueFacts | None:
    """Return the table of value; its top tenth is a group, too."""
    if value is None or is_small(value.people, minimum):
        return None
    if value.people < minimum * _TOP_PARTS:
        return replace(value, historic_top=None, expected_top=None)
    return value


def _result(result: ResultFacts, minimum: int) -> ResultFacts:
    treated, held_out = result.treated, result.held_out
    arms = [(treated, result.rate), (held_out, result.held_rate)]
    telling = any(is_small(people, minimum) or _of_few(rate, people, minimum) for people, rate in arms)
    numbers = [count for count in (treated, held_out) if isinstance(count, int)]
    hidden = [*numbers, sum(numbers)] if telling else []
    if not telling:
        return result
    return replace(
        result,
        treated=_arm(treated, minimum),
        held_out=_arm(held_out, minimum),
        statement=suppress_text(result.statement, minimum, hidden),
    )


def _arm(count: Count | None, minimum: int) -> Count | None:
    """An arm whose number would give people away; nobody in it is told."""
    return count if not count else _withheld(_shown(count, minimum))


def _drift(one: DriftFacts, minimum: int) -> DriftFacts:
    telling = any(_of_few(share, one.customers, minimum) for share in (one.expected, one.found))
    hidden = [one.customers] if telling and isinstance(one.customers, int) else []
    customers = one.customers if one.customers is None else _shown(one.customers, minimum)
    return replace(
        one,
        customers=_withheld(customers) if telling and customers is not None else customers,
        sentences=tuple(suppress_text(text, minimum, hidden) for text in one.sentences),
        unavailable=suppress_text(one.unavailable, minimum),
    )


def _campaign(campaign: CampaignFacts, minimum: int) -> CampaignFacts:
    arms: dict[str, Count] = {
        "listed": campaign.listed,
        "held_out": campaign.held_out,
        "globally_held_out": campaign.globally_held_out,
    }
    reasons = {f"excluded: {reason}": people for reason, people in campaign.excluded.items()}
    known = arms | reasons
    counts = suppress_counts(known, minimum, keep=arms)
    hidden = [people for name, people in known.items() if isinstance(people, int) and counts[name] != people]
    return replace(
        campaign,
        reason=suppress_text(campaign.reason, minimum, hidden),
        listed=counts["listed"],
        held_out=counts["held_out"],
        globally_held_out=counts["globally_held_out"],
        excluded={reason: counts[f"excluded: {reason}"] for reason in campaign.excluded},
        power=_power(campaign.power, [counts[name] for name in arms], minimum),
        files={name: _rows(rows, counts["listed"], minimum) for name, rows in campaign.files.items()},
    )


def _power(power: str, arms: Sequence[Count], minimum: int) -> str:
    """Return what a holdout can show; the sentence names the sum of the arms, so that none of them may be hidden."""
    _, held_out, _ = arms
    if power and any(isinstance(people, str) for people in arms):
        if held_out == few(minimum):
            return f"fewer than {minimum} are held out: an effect could hardly be seen"
        return "not told, because a group of the list is withheld"
    return suppress_text(power, minimum)


def _rows(rows: Count, listed: Count, minimum: int) -> Count:
    """Rows of a file: those of the list, or so many fewer that the difference is no small group."""
    if isinstance(listed, str):
        return listed if isinstance(rows, int) else rows
    left = listed - rows if isinstance(rows, int) else 0
    return WITHHELD if is_small(left, minimum) else _shown(rows, minimum)
