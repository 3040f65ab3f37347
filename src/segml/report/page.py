"""Facts -> one HTML page that needs nothing else: no network, no files beside it, no clock.

What is said is decided here and in `findings`; how it looks is in the templates. Every text goes through autoescape.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from segml.report import wording
from segml.report.facts import Grouping, RunFacts
from segml.report.figures import bars_svg
from segml.report.findings import findings
from segml.report.groups import ACTIVITY_TAG, SEGMENT_TAGS, TIER_TAG
from segml.report.suppression import few, suppressed

_MONEY = {"spent_share": "money spent", "expected_share": "expected value"}


def render_page(facts: RunFacts) -> str:
    """Return the page of one run.

    Parameters
    ----------
    facts : RunFacts
        Small groups are suppressed here, whether or not they were before.

    Examples
    --------
    >>> page = render_page(RunFacts("shop", "A <shop>", "EUR", "2018-01-01", "2017-01-01", "2018-01-01"))
    >>> "<title>A &lt;shop&gt;, as of 2018-01-01</title>" in page
    True
    """
    facts = suppressed(facts)
    return _environment().get_template("page.html.jinja").render(_content(facts))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("segml.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for name in ("count", "share", "number", "money", "days", "spoken", "unbroken"):
        environment.filters[name] = getattr(wording, name)
    return environment


def _content(facts: RunFacts) -> dict[str, Any]:
    segments = [facts.grouping(tag) for tag in SEGMENT_TAGS]
    activity, tiers = facts.grouping(ACTIVITY_TAG), facts.grouping(TIER_TAG)
    charts = {grouping.tag: _chart(grouping, "spent_share") for grouping in (*segments, activity)}
    charts[TIER_TAG] = _chart(tiers, "expected_share")
    return {
        "facts": facts,
        "title": facts.title or facts.base,
        "findings": findings(facts),
        "segments": [grouping for grouping in segments if grouping.groups],
        "missing_segments": [grouping for grouping in segments if not grouping.groups],
        "activity": activity,
        "tiers": tiers,
        "charts": charts,
        "reasons": wording.REASONS,
        "tasks": wording.TASKS,
        "metrics": wording.METRICS,
        "tags": wording.TAGS,
        "glossary": wording.GLOSSARY,
        "few": few(facts.minimum_cell),
        "unavailable": _by_reason(facts),
        "anything_hidden": _anything_hidden(facts),
    }


def _chart(grouping: Grouping, second: str) -> Markup:
    """Draw shares of people, and of money where it is known; a single group is not worth a chart."""
    if len(grouping.groups) < 2:
        return Markup("")
    columns = {
        "label": [wording.spoken(group.name) for group in grouping.groups],
        "note": [group.people if isinstance(group.people, str) else "–" for group in grouping.groups],
        "people": [group.share for group in grouping.groups],
    }
    money = [getattr(group, second) for group in grouping.groups]
    if any(part is not None for part in money):
        columns[_MONEY[second]] = money
    name = "".join(letter for letter in grouping.tag if letter.isalnum())
    return bars_svg(pd.DataFrame(columns), name, wording.TAGS.get(grouping.tag, grouping.tag))


def _by_reason(facts: RunFacts) -> dict[str, list[str]]:
    """Return reason -> what is missing for it; one base lacks twenty columns for the same reason."""
    missing = facts.unavailable_tables | {
        f"{wording.spoken(name)} features": reason for name, reason in facts.unavailable_features.items()
    }
    found: dict[str, list[str]] = {}
    for name, reason in missing.items():
        found.setdefault(reason, []).append(name)
    return found


def _anything_hidden(facts: RunFacts) -> bool:
    counts = [group.people for grouping in facts.groupings for group in grouping.groups]
    for campaign in facts.campaigns:
        counts += [
            campaign.listed,
            campaign.held_out,
            campaign.globally_held_out,
            *campaign.excluded.values(),
        ]
    return any(isinstance(count, str) for count in (*counts, facts.scored, *facts.not_scored.values()))
