"""The model card: what a model predicts, from what, how well, and when not to use it.

A card is a function of what is known about the version and of nothing else: no clock, no machine, so that the
same model has the same card, byte by byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from segml.evaluation.comparison import PairedDifference
from segml.registry.gate import BASELINE, CHAMPION, Decision, better_by


@dataclass(frozen=True)
class CardFacts:
    """What a card says.

    Attributes
    ----------
    name : str
        ``segml.<base>.<task>``.
    predicts : str
        One sentence.
    population : str
        Who is scored, one sentence.
    data_from, data_until : str
        ISO dates, `[from, until)`.
    training_cutoffs : sequence of str
        ISO dates.
    test_cutoff : str
        The later cutoff everything below was measured at.
    customers : int
        Customers in the test window.
    metrics : mapping of str to (float, float, float) or float
        Value alone, or value with the ends of its interval.
    gate_metric : str
    baseline, champion : PairedDifference, optional
        This model first.
    features : mapping of str to str
        Column to its meaning.
    limits : sequence of str
        One sentence each.
    decision : Decision, optional
    fingerprint, feature_contract : str
    """

    name: str
    predicts: str
    population: str
    data_from: str
    data_until: str
    training_cutoffs: Sequence[str]
    test_cutoff: str
    customers: int
    metrics: Mapping[str, float | tuple[float, float, float]]
    gate_metric: str
    features: Mapping[str, str]
    fingerprint: str
    feature_contract: str
    baseline: PairedDifference | None = None
    champion: PairedDifference | None = None
    limits: Sequence[str] = field(default_factory=tuple)
    decision: Decision | None = None


def write_card(facts: CardFacts) -> str:
    """Return the model card as Markdown.

    Examples
    --------
    >>> facts = CardFacts(
    ...     name="segml.shop.churn", predicts="No order in the next 90 days.", population="Everyone who ever bought.",
    ...     data_from="2016-01-01", data_until="2018-01-01", training_cutoffs=["2017-07-01"],
    ...     test_cutoff="2017-10-01", customers=1200, metrics={"auc": 0.81}, gate_metric="auc",
    ...     features={"recency_days": "Days since the last order."}, fingerprint="f", feature_contract="c",
    ... )
    >>> print(write_card(facts).splitlines()[0])
    # segml.shop.churn
    """
    sections = [
        f"# {facts.name}",
        _what(facts),
        _data(facts),
        _metrics(facts),
        _rivals(facts),
        _decision(facts),
        _features(facts),
        _limits(facts),
        _origin(facts),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _what(facts: CardFacts) -> str:
    grade = f"\n\nGrade: **{facts.decision.grade}**" if facts.decision else ""
    return f"{facts.predicts}\n\nScored: {facts.population}{grade}"


def _data(facts: CardFacts) -> str:
    cutoffs = ", ".join(facts.training_cutoffs)
    return (
        "## Data\n\n"
        f"* History: from {facts.data_from} until {facts.data_until} (the last day is not in it)\n"
        f"* Training cutoffs ({len(facts.training_cutoffs)}): {cutoffs}\n"
        f"* Measured at the later cutoff {facts.test_cutoff}, on {facts.customers} customers"
    )


def _metrics(facts: CardFacts) -> str:
    rows = [(name, *_with_interval(value)) for name, value in facts.metrics.items()]
    return "## How well\n\n" + _table(("metric", "value", "interval"), rows) if rows else ""


def _rivals(facts: CardFacts) -> str:
    rows = []
    for name, rival in ((BASELINE, facts.baseline), (CHAMPION, facts.champion)):
        if rival is not None:
            gain, low, high = better_by(rival)
            rows.append((name, _number(rival.second), _number(gain), f"{_number(low)} to {_number(high)}"))
    if not rows:
        return ""
    title = f"## Against the others, {facts.gate_metric}"
    note = "Same customers, same window."
    return f"{title}\n\n{note}\n\n" + _table(("rival", "its value", "better by", "interval"), rows)


def _decision(facts: CardFacts) -> str:
    if facts.decision is None:
        return ""
    verdict = "Promoted" if facts.decision.promoted else "Not promoted"
    return f"## Decision\n\n{verdict}:\n\n" + "\n".join(f"* {reason}" for reason in facts.decision.reasons)


def _features(facts: CardFacts) -> str:
    rows = [(f"`{name}`", meaning) for name, meaning in facts.features.items()]
    return f"## Features ({len(rows)})\n\n" + _table(("feature", "meaning"), rows) if rows else ""


def _limits(facts: CardFacts) -> str:
    return "## Limits\n\n" + "\n".join(f"* {limit}" for limit in facts.limits) if facts.limits else ""


def _origin(facts: CardFacts) -> str:
    return (
        f"## Origin\n\n* Fingerprint: `{facts.fingerprint}`\n* Feature contract: `{facts.feature_contract}`"
    )


def _with_interval(value: float | tuple[float, float, float]) -> tuple[str, str]:
    if isinstance(value, tuple):
        middle, low, high = value
        return _number(middle), f"{_number(low)} to {_number(high)}"
    return _number(value), ""


def _number(value: float) -> str:
    return f"{value:.4g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)
