"""What a report is made from: plain facts of one run, the same whether they come from a run or from its `run.json`.

The page is a function of these facts and of nothing else. They hold nothing that differs between a first run and a
rerun with the same inputs (whether something was skipped, when it ran, on which machine), so both give the same bytes.
Counts of people are a number, or the words that stand for a suppressed one (`suppression.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from segml.errors import DataError
from segml.models.segments.languages import Language

FORM = 2
"""Raised when the facts change so that older `run.json` files can't be read."""

Count = int | str
"""People: a number, or the words shown in place of a suppressed one."""


@dataclass(frozen=True)
class TableFacts:
    """Rows of one table, in and out, and why the others are not there."""

    name: str
    rows_in: Count
    rows_out: Count
    left_out: dict[str, Count] = field(default_factory=dict)
    added: dict[str, Count] = field(default_factory=dict)


@dataclass(frozen=True)
class NoteFacts:
    """One thing that looks wrong in the files; no id, and where it is about customers neither rows nor money.

    Attributes
    ----------
    kind : str
        Which rule found it.
    people : int or str or None
        Customers it is about; None where it is about rows.
    rows : int or None
        Rows it is about.
    money : float or None
        Their money in major units.
    """

    kind: str
    table: str = ""
    column: str = ""
    people: Count | None = None
    rows: int | None = None
    money: float | None = None


@dataclass(frozen=True)
class ModelFacts:
    """Verdict on one model, as the gate gave it.

    Attributes
    ----------
    status : str
        ``promoted``, ``refused`` or ``unavailable``.
    scored_by : str
        Name, version and cutoff of the model that scored; empty when none did.
    not_scored : str
        Why no model of the task scored; empty when one did.
    """

    task: str
    status: str
    grade: str = ""
    metric: str = ""
    score: float | None = None
    baseline_name: str = ""
    baseline_score: float | None = None
    version: int | None = None
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    scored_by: str = ""
    not_scored: str = ""


@dataclass(frozen=True)
class Group:
    """People who share a tag's value. Money is in major units of the base's currency; None is unknown or suppressed.

    Attributes
    ----------
    share : float or None
        Of everybody who carries the tag.
    spent, spent_share : float or None
        Net of returns, all history.
    expected, expected_share : float or None
        Expected value within the CLV horizon.
    recency_days, gap_days, order_value : float or None
        Medians: days since the last order, days between orders, money per order.
    """

    name: str
    people: Count
    share: float | None = None
    spent: float | None = None
    spent_share: float | None = None
    expected: float | None = None
    expected_share: float | None = None
    recency_days: float | None = None
    gap_days: float | None = None
    order_value: float | None = None
    description: str = ""
    action: str = ""


@dataclass(frozen=True)
class Grouping:
    """One tag and its groups; no groups and a reason where it is unavailable.

    Attributes
    ----------
    tag : str
        ``family.tag``.
    criterion : str
        The rule in words, as the tag table gives it.
    """

    tag: str
    criterion: str = ""
    groups: tuple[Group, ...] = ()
    unavailable: str = ""


@dataclass(frozen=True)
class CampaignFacts:
    """One campaign: people listed, held out and excluded, and what its holdout can show."""

    name: str
    title: str
    action: str
    channel: str
    offer_class: str
    window_days: int
    status: str
    reason: str = ""
    listed: Count = 0
    held_out: Count = 0
    globally_held_out: Count = 0
    excluded: dict[str, Count] = field(default_factory=dict)
    power: str = ""
    measure_until: str = ""
    can_show_effect: bool = True
    files: dict[str, Count] = field(default_factory=dict)


@dataclass(frozen=True)
class KpiFacts:
    """One key figure at every month's end, oldest first; None where it is not known."""

    name: str
    unit: str
    meaning: str
    months: tuple[str, ...]
    values: tuple[float | None, ...]

    @property
    def known(self) -> tuple[tuple[str, float], ...]:
        """Months and values, as far as they are known."""
        pairs = zip(self.months, self.values, strict=True)
        return tuple((month, value) for month, value in pairs if value is not None)


@dataclass(frozen=True)
class GoalFacts:
    """One goal at the last month its figure is known; paces are changes a month."""

    kpi: str
    unit: str
    baseline: float
    target: float
    deadline: str
    status: str
    month: str = ""
    value: float | None = None
    progress: float | None = None
    pace_so_far: float | None = None
    pace_needed: float | None = None


@dataclass(frozen=True)
class ResultFacts:
    """What one list of the past earned against its holdout, as far as its evidence allows."""

    campaign: str
    as_of: str
    status: str
    statement: str
    treated: Count | None = None
    held_out: Count | None = None
    rate: float | None = None
    held_rate: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class DriftFacts:
    """One champion held against what has come true, and the column that moved most against what is usual."""

    task: str
    model: str
    sentences: tuple[str, ...] = ()
    unavailable: str = ""
    cutoff: str = ""
    customers: Count | None = None
    expected: float | None = None
    found: float | None = None
    auc: float | None = None
    auc_when_judged: float | None = None
    column: str = ""
    psi: float | None = None
    limit: float | None = None


@dataclass(frozen=True)
class ValueFacts:
    """Historic and expected value of all buyers: totals, medians, and what the top tenth holds of each."""

    people: int
    historic_total: float | None = None
    expected_total: float | None = None
    historic_median: float | None = None
    expected_median: float | None = None
    expected_low: float | None = None
    expected_high: float | None = None
    historic_top: float | None = None
    expected_top: float | None = None


@dataclass(frozen=True)
class ReasonFacts:
    """A reason that is among the three strongest for a share of a segment's people."""

    segment: str
    people: Count
    feature: str
    direction: str
    share: float | None
    median: float | None


@dataclass(frozen=True)
class RunFacts:
    """Everything one page says.

    Attributes
    ----------
    data_from, data_until, as_of : str
        ISO dates; orders lie in `[data_from, data_until)`.
    minimum_cell : int
        Smaller groups are suppressed.
    horizons : dict of str to int
        ``dormancy``, ``churn``, ``clv`` in days.
    bands : dict of str to float
        ``active``, ``slipping``, ``at_risk``: least P(order) of each band.
    not_scored : dict of str to int or str
        Reason -> people without scores.
    places : dict of str to str
        What -> where, relative to the project folder.

    Examples
    --------
    >>> facts = RunFacts("shop", "A shop", "EUR", "2018-01-01", "2017-01-01", "2018-01-01")
    >>> RunFacts.from_dict(facts.to_dict()) == facts
    True
    """

    base: str
    title: str
    currency: str
    as_of: str
    data_from: str
    data_until: str
    language: Language = "en"
    minimum_cell: int = 10
    horizons: dict[str, int] = field(default_factory=dict)
    bands: dict[str, float] = field(default_factory=dict)
    tables: tuple[TableFacts, ...] = ()
    notes: tuple[NoteFacts, ...] = ()
    unavailable_tables: dict[str, str] = field(default_factory=dict)
    unavailable_features: dict[str, str] = field(default_factory=dict)
    models: tuple[ModelFacts, ...] = ()
    scored: Count = 0
    not_scored: dict[str, Count] = field(default_factory=dict)
    groupings: tuple[Grouping, ...] = ()
    campaigns: tuple[CampaignFacts, ...] = ()
    warnings: tuple[str, ...] = ()
    kpis: tuple[KpiFacts, ...] = ()
    goals: tuple[GoalFacts, ...] = ()
    results: tuple[ResultFacts, ...] = ()
    proposals: tuple[str, ...] = ()
    drift: tuple[DriftFacts, ...] = ()
    value: ValueFacts | None = None
    reasons: tuple[ReasonFacts, ...] = ()
    places: dict[str, str] = field(default_factory=dict)
    form: int = FORM

    def grouping(self, tag: str) -> Grouping:
        """Return the groups of ``family.tag``; an empty grouping when there are none."""
        return next(
            (one for one in self.groupings if one.tag == tag),
            Grouping(tag, unavailable="no such tag in this run"),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain Python that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> RunFacts:
        """Rebuild from `to_dict`, also after a way through JSON.

        Raises
        ------
        DataError
            The content is of another form or misses something.
        """
        found = content.get("form")
        if found != FORM:
            raise DataError(
                f"the facts of this run have the form {found!r}, this version reads {FORM}",
                "write them anew: segml run CONFIG",
            )
        try:
            return _FACTS.validate_python(dict(content))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise DataError(
                f"the facts of this run are damaged: {wrong}", "write them anew: segml run CONFIG"
            ) from None


_FACTS: TypeAdapter[RunFacts] = TypeAdapter(RunFacts)
