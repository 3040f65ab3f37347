"""Facts of a run -> one self-contained HTML page: no address outside it, every value escaped.

Templates hold the structure, `messages.yaml` the words of three languages, `findings.py` the sentences,
`figures.py` the charts, `suppression.py` what must not be shown.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from segml.models.segments.languages import Language
from segml.report.facts import CampaignFacts, Count, Grouping, KpiFacts, NoteFacts, RunFacts
from segml.report.figures import bars_svg, line_svg
from segml.report.findings import findings, next_steps
from segml.report.groups import ACTIVITY_TAG, SEGMENT_TAGS, TIER_TAG
from segml.report.messages import Messages, load_catalogue
from segml.report.suppression import WITHHELD, few, suppressed

_MONEY = {"spent_share": "page.money_spent", "expected_share": "page.expected_value"}
_FILTERS = (
    "count",
    "share",
    "number",
    "money",
    "days",
    "unbroken",
    "day",
    "month",
    "feature",
    "feature_value",
)


def render_page(facts: RunFacts) -> str:
    """Return the page of one run, in the language of its facts.

    Parameters
    ----------
    facts : RunFacts
        Small groups are suppressed here, whether or not they were before.

    Examples
    --------
    >>> page = render_page(RunFacts("shop", "A <shop>", "EUR", "2018-01-01", "2017-01-01", "2018-01-01"))
    >>> "<title>A &lt;shop&gt;, as of 1 January 2018</title>" in page
    True
    """
    facts = suppressed(facts)
    words = Messages(facts.language)
    page = _environment(facts.language).get_template("page.html.jinja").render(_content(facts, words))
    return re.sub(r"\n{3,}", "\n\n", page)


@cache
def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=PackageLoader("segml.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    words = Messages(language)
    for name in _FILTERS:
        environment.filters[name] = getattr(words, name)
    environment.filters["remark"] = words.remark_html
    environment.filters["count"] = lambda value: _count(value, words)
    environment.globals |= {"t": words.say, "named": words.name, "given": words.given, "figure": words.figure}
    environment.globals["change"] = words.change
    return environment


def _count(value: int | str | None, words: Messages) -> str:
    return words.say("page.withheld") if value == WITHHELD else words.count(value)


def _content(facts: RunFacts, words: Messages) -> dict[str, Any]:
    segments = [facts.grouping(tag) for tag in SEGMENT_TAGS]
    activity, tiers = facts.grouping(ACTIVITY_TAG), facts.grouping(TIER_TAG)
    charts = {grouping.tag: _chart(grouping, "spent_share", words) for grouping in (*segments, activity)}
    charts[TIER_TAG] = _chart(tiers, "expected_share", words)
    glossary = load_catalogue()["glossary"]
    terms = [name.removesuffix(".term") for name in glossary if name.endswith(".term")]
    return {
        "facts": facts,
        "title": facts.title or facts.base,
        "findings": findings(facts),
        "steps": next_steps(facts),
        "segments": [grouping for grouping in segments if grouping.groups],
        "missing_segments": [grouping for grouping in segments if not grouping.groups],
        "activity": activity,
        "tiers": tiers,
        "charts": charts,
        "kpis": [(kpi, _course(kpi, facts, words)) for kpi in facts.kpis if kpi.known],
        "unknown_kpis": [words.name("kpi_names", kpi.name) for kpi in facts.kpis if not kpi.known],
        "quiet": not any(one.sentences for one in facts.drift),
        "watched": [one for one in facts.drift if one.cutoff],
        "files": {campaign.name: _files(campaign, words) for campaign in facts.campaigns},
        "titles": {c.name: words.given("titles", c.name, c.title) for c in facts.campaigns},
        "terms": [
            (words.say(f"glossary.{term}.term"), words.say(f"glossary.{term}.meaning")) for term in terms
        ],
        "few": few(facts.minimum_cell),
        "notes": [_note(note, facts, words) for note in facts.notes],
        "unavailable": _by_reason(facts, words),
        "anything_hidden": _anything_hidden(facts),
    }


def _chart(grouping: Grouping, second: str, words: Messages) -> Markup:
    """Draw shares of people, and of money where it is known; a single group is not worth a chart."""
    if len(grouping.groups) < 2:
        return Markup("")
    columns = {
        "label": [words.name("values", group.name) for group in grouping.groups],
        "note": [
            _count(group.people, words) if isinstance(group.people, str) else "–" for group in grouping.groups
        ],
        words.say("page.persons"): [group.share for group in grouping.groups],
    }
    money = [getattr(group, second) for group in grouping.groups]
    if any(part is not None for part in money):
        columns[words.say(_MONEY[second])] = money
    name = "".join(letter for letter in grouping.tag if letter.isalnum())
    return bars_svg(pd.DataFrame(columns), name, words.name("tags", grouping.tag), words.language)


def _course(kpi: KpiFacts, facts: RunFacts, words: Messages) -> Markup:
    """Draw a key figure's months as a line; the accessible name says first, last, lowest and highest."""
    known = kpi.known
    if len(known) < 2:
        return Markup("")
    values = [value for _, value in known]
    said = {
        name: words.figure(value, kpi.unit, facts.currency)
        for name, value in (
            ("first", values[0]),
            ("last", values[-1]),
            ("low", min(values)),
            ("high", max(values)),
        )
    }
    return line_svg(
        kpi.values,
        words.say(
            "kpis.line",
            name=words.name("kpi_names", kpi.name),
            count=len(known),
            from_month=words.month(known[0][0]),
            until_month=words.month(known[-1][0]),
            **said,
        ),
    )


def _files(campaign: CampaignFacts, words: Messages) -> str:
    names = {"csv": "CSV", "parquet": "Parquet"}
    return ", ".join(
        words.say("lists.file", platform=names.get(name, name.capitalize()), rows=_count(rows, words))
        for name, rows in campaign.files.items()
    )


def _note(note: NoteFacts, facts: RunFacts, words: Messages) -> str:
    """Say what looks wrong in the files."""
    return words.say(
        f"data_notes.{note.kind}",
        table=words.name("tables", note.table),
        column=note.column,
        people=words.count(note.people),
        rows=words.count(note.rows),
        money=words.money(note.money, facts.currency),
    )


def _by_reason(facts: RunFacts, words: Messages) -> dict[str, list[tuple[str, bool]]]:
    """Return reason -> what is missing for it, and whether it is a name in code; one reason may lack twenty columns."""
    missing = [(name, True, reason) for name, reason in facts.unavailable_tables.items()]
    for name, reason in facts.unavailable_features.items():
        missing.append((words.say("data.features", name=words.name("tables", name)), False, reason))
    found: dict[str, list[tuple[str, bool]]] = {}
    for name, is_code, reason in missing:
        found.setdefault(reason, []).append((name, is_code))
    return found


def _anything_hidden(facts: RunFacts) -> bool:
    counts: list[Count | None] = [group.people for grouping in facts.groupings for group in grouping.groups]
    for table in facts.tables:
        counts += [table.rows_in, table.rows_out, *table.left_out.values(), *table.added.values()]
    for campaign in facts.campaigns:
        counts += [campaign.listed, campaign.held_out, campaign.globally_held_out]
        counts += [*campaign.excluded.values(), *campaign.files.values()]
    for result in facts.results:
        counts += [result.treated, result.held_out]
    counts += [note.people for note in facts.notes]
    counts += [facts.scored, *facts.not_scored.values(), *(one.customers for one in facts.drift)]
    return any(isinstance(count, str) for count in counts)
