"""Campaigns as data: who, what, by which channel, how many, how long to measure.

One YAML file a campaign. An audience is a list of conditions on columns of features, scores and customers, or on
tags; a reader of the file needs no SQL, and nothing of it reaches the engine unescaped. Mistakes of all files are
reported together, each with the nearest name that exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from segml.campaigns.costs import CampaignCost
from segml.campaigns.export.settings import ListExport
from segml.campaigns.triggers import Trigger
from segml.config import Settings, read_settings_file
from segml.errors import ConfigurationError, did_you_mean
from segml.features.known_columns import KNOWN_COLUMNS, is_known_column, known_references
from segml.tables.catalog import CHANNELS, PURPOSES
from segml.tables.partition import content_sha256

OPERATORS = ("is", "in", "not_in", "at_least", "at_most", "above", "below", "between", "missing", "known")
OFFER_CLASSES = ("content", "service", "reminder", "thanks", "early_access", "points", "discount")
GLOBAL_EXPERIMENT = "global_holdout"
_COMPARISONS = ("at_least", "at_most", "above", "below", "between")
_DISCOUNT_EVIDENCE = ("features.discount_share", "features.coupon_share", "behavioural.discount_dependence")


class Condition(Settings):
    """One condition of an audience: on a column, on a tag, or any of several.

    A comparison takes a `value`, or a `percentile` of the known values of that column over all buyers, so that the
    same campaign fits a base of weekly shoppers and one of yearly buyers. `between` takes two and includes both.
    `not_in` holds for people whose value is unknown; every other operator but `missing` does not.
    """

    column: str = Field(default="", description="table.column")
    tag: str = Field(default="", description="family.tag")
    attempts_of: str = Field(default="", description="a campaign: how often it contacted the person so far")
    operator: str = "is"
    value: Any = None
    percentile: float | tuple[float, float] | None = None
    any_of: tuple[Condition, ...] = ()

    @model_validator(mode="after")
    def _whole(self) -> Condition:
        wrong = _shape_mistakes(self)
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def subject(self) -> str:
        """What it is about: ``table.column``, ``family.tag``, or the contacts of a campaign."""
        return self.column or self.tag or f"contacts of {self.attempts_of}"

    @property
    def parts(self) -> tuple[Condition, ...]:
        """The conditions it is made of: itself, or those of `any_of`."""
        return self.any_of or (self,)

    @property
    def percentiles(self) -> tuple[float, ...]:
        """The percentiles it needs, in order."""
        if self.percentile is None:
            return ()
        return self.percentile if isinstance(self.percentile, tuple) else (self.percentile,)


class Ranking(Settings):
    """Who comes first when the list has room for fewer people than qualify."""

    column: str
    direction: Literal["highest", "lowest"] = "highest"


class Campaign(Settings):
    """One entry of the action catalogue."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = Field(min_length=1)
    action: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", description="what is done, as your sending tool knows it"
    )
    offer_class: str = "content"
    channel: str = "email"
    purpose: str = "marketing"
    trigger: Trigger | None = Field(default=None, description="the event of one person that it answers, once")
    audience: tuple[Condition, ...] = Field(
        default=(), description="all must hold; only a trigger does without"
    )
    rank_by: Ranking
    max_size: int | None = Field(
        default=None, ge=1, description="people treated; held-out people take no place"
    )
    holdout: float | None = Field(
        default=None, ge=0, lt=0.9, description="share; lists.campaign_holdout else"
    )
    window_days: int = Field(default=56, ge=1, description="days after the send in which orders count")
    priority: int = Field(default=100, ge=1, description="1 is first; ties by name")
    min_days_since_last_order: int = Field(default=0, ge=0)
    cool_down_days: int = Field(default=0, ge=0, description="days between two contacts of this campaign")
    max_attempts: int | None = Field(default=None, ge=1, description="contacts of this campaign in all")
    cost: CampaignCost | None = Field(
        default=None, description="of a contact, for budgets and expected margins"
    )
    budget: float | None = Field(
        default=None, gt=0, description="of one run of this campaign, in the base's currency"
    )
    exports: tuple[ListExport, ...] = Field(
        default=(), description="files for sending tools and advertising platforms, made of the list"
    )

    @field_validator("name")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value == GLOBAL_EXPERIMENT:
            raise ValueError(f"{value!r} is the name of the holdout over all campaigns")
        return value

    @field_validator("offer_class", "channel", "purpose")
    @classmethod
    def _is_known(cls, value: str, info: Any) -> str:
        known = {"offer_class": OFFER_CLASSES, "channel": CHANNELS, "purpose": PURPOSES}[info.field_name]
        if value not in known:
            raise ValueError(
                f"unknown {info.field_name} {value!r}{did_you_mean(value, known)}; one of {list(known)}"
            )
        return value

    @model_validator(mode="after")
    def _addresses_somebody(self) -> Campaign:
        if not self.audience and self.trigger is None:
            raise ValueError("a campaign needs an audience of at least 1 condition, or a trigger")
        return self

    @model_validator(mode="after")
    def _discounts_need_evidence(self) -> Campaign:
        evidence = {condition.subject for condition in self.conditions}
        if self.offer_class == "discount" and not evidence & set(_DISCOUNT_EVIDENCE):
            raise ValueError(
                "a discount goes to people who depend on discounts: the audience needs a condition on one of "
                + ", ".join(_DISCOUNT_EVIDENCE)
            )
        return self

    @model_validator(mode="after")
    def _money_fits(self) -> Campaign:
        if self.budget is not None and self.cost is None:
            raise ValueError("a budget needs the `cost` of a contact")
        if self.cost is not None and self.is_seed:
            raise ValueError("an audience for advertising contacts nobody: it has no cost of a contact")
        return self

    @model_validator(mode="after")
    def _exports_fit(self) -> Campaign:
        places = [export.folder_name for export in self.exports]
        twice = sorted({place for place in places if places.count(place) > 1})
        if twice:
            raise ValueError(f"two exports for {', '.join(twice)}: one file set a platform and channel")
        for export in self.exports:
            advertising = export.known_platform.advertising
            if self.is_seed and not advertising:
                raise ValueError(f"an audience for advertising is not exported to {export.platform}")
            if not advertising and export.channel != self.channel:
                raise ValueError(
                    f"{export.platform} is exported for {export.channel}, the campaign is for {self.channel}"
                )
        return self

    @property
    def is_seed(self) -> bool:
        """An audience for advertising platforms: nobody on it is contacted, so no cap, quiet day or holdout applies."""
        return self.purpose == "ads_sharing"

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """All single conditions of the audience."""
        return tuple(part for condition in self.audience for part in condition.parts)

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags the audience reads, ``family.tag``."""
        return tuple(dict.fromkeys(condition.tag for condition in self.conditions if condition.tag))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the audience and the ranking read, ``table.column``."""
        named = [condition.column for condition in self.conditions if condition.column]
        return tuple(dict.fromkeys([*named, self.rank_by.column]))

    @property
    def counted_campaigns(self) -> tuple[str, ...]:
        """The campaigns whose contacts the audience counts."""
        return tuple(dict.fromkeys(c.attempts_of for c in self.conditions if c.attempts_of))

    @property
    def definition_hash(self) -> str:
        """Sixteen hexadecimal digits that change when the definition does."""
        added = (
            "trigger",
            "cost",
            "budget",
        )  # unsaid they are left out, so that older definitions keep their hash
        unsaid = {"exports", *(name for name in added if getattr(self, name) is None)}
        definition = self.model_dump(mode="json", exclude=unsaid)
        for condition in definition["audience"]:
            for part in (condition, *condition["any_of"]):
                if not part["attempts_of"]:
                    del part["attempts_of"]
        return content_sha256(definition)[:16]


def load_campaigns(
    folder: Path,
    available: Mapping[str, Iterable[str]] | None = None,
    tag_values: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Campaign, ...]:
    """Read every campaign of a folder, first priority first.

    Parameters
    ----------
    folder : Path
        With one ``.yaml`` file a campaign.
    available : mapping of str to columns, optional
        Columns of the registered tables; names beyond the documented ones are then known too.
    tag_values : mapping of str to values, optional
        ``family.tag``, or a column of names -> its values (empty: any). With it, tags and values are checked.

    Raises
    ------
    ConfigurationError
        All mistakes of all files at once.
    """
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise ConfigurationError(f"no campaign in {folder}", "put one .yaml file a campaign there")
    campaigns: list[Campaign] = []
    mistakes: list[str] = []
    for file in files:
        try:
            campaigns.append(read_settings_file(Campaign, file))
        except ConfigurationError as error:
            mistakes.append(error.message)
    mistakes += find_mistakes(campaigns, available, tag_values)
    if mistakes:
        raise ConfigurationError("campaigns are wrong:\n" + "\n".join(mistakes), "correct the campaign files")
    return in_order(campaigns)


def in_order(campaigns: Iterable[Campaign]) -> tuple[Campaign, ...]:
    """Return the campaigns by priority, ties by name."""
    return tuple(sorted(campaigns, key=lambda campaign: (campaign.priority, campaign.name)))


def equal_priorities(campaigns: Iterable[Campaign]) -> list[str]:
    """Say which campaigns share a priority: who wins a person is then left to their names."""
    by_priority: dict[int, list[str]] = {}
    for campaign in campaigns:
        if not campaign.is_seed:  # an audience for advertising takes nobody from another list
            by_priority.setdefault(campaign.priority, []).append(campaign.name)
    return [
        f"priority {priority} is that of {' and '.join(sorted(names))}: a person whom both may have goes to the first"
        " by name; give each a priority of its own"
        for priority, names in sorted(by_priority.items())
        if len(names) > 1
    ]


def find_mistakes(
    campaigns: Sequence[Campaign],
    available: Mapping[str, Iterable[str]] | None = None,
    tag_values: Mapping[str, Sequence[str]] | None = None,
) -> list[str]:
    """Return the mistakes that need more than one file or the tables to see; empty when all is well."""
    names = [campaign.name for campaign in campaigns]
    found = [
        f"{names.count(name)} campaigns are called {name!r}"
        for name in sorted({*names})
        if names.count(name) > 1
    ]
    there = {table: list(columns) for table, columns in (available or {}).items()}
    for campaign in campaigns:
        found += [
            f"{campaign.name}: {m}" for column in campaign.columns for m in _column_mistakes(column, there)
        ]
        found += [
            f"{campaign.name}: attempts_of names no campaign of this folder: {name!r}{did_you_mean(name, names)}"
            for name in campaign.counted_campaigns
            if name not in names
        ]
        checked = [c for c in campaign.conditions if c.tag or c.column in (tag_values or {})]
        if tag_values is not None:
            found += [f"{campaign.name}: {m}" for c in checked for m in _value_mistakes(c, tag_values)]
    return found


def _column_mistakes(reference: str, available: dict[str, list[str]]) -> list[str]:
    table, _, column = reference.partition(".")
    if table in KNOWN_COLUMNS and is_known_column(table, column, available.get(table, ())):
        return []
    return [f"unknown column {reference!r}{did_you_mean(reference, known_references(available))}"]


def _value_mistakes(condition: Condition, tag_values: Mapping[str, Sequence[str]]) -> list[str]:
    if condition.subject not in tag_values:
        return [f"unknown tag {condition.tag!r}{did_you_mean(condition.tag, tag_values)}"]
    known = [str(value) for value in tag_values[condition.subject]]
    asked = condition.value if isinstance(condition.value, (list, tuple)) else [condition.value]
    if not known or condition.operator in ("missing", "known"):
        return []
    return [
        f"{condition.subject} has no value {value!r}{did_you_mean(str(value), known)}"
        for value in asked
        if str(value) not in known
    ]


def _shape_mistakes(condition: Condition) -> list[str]:
    given = [name for name in ("column", "tag", "attempts_of", "any_of") if getattr(condition, name)]
    if len(given) != 1:
        return [
            f"a condition names exactly one of column, tag, attempts_of, any_of; this one has {given or 'none'}"
        ]
    if condition.any_of:
        return (
            ["any_of holds single conditions, not another any_of"]
            if any(c.any_of for c in condition.any_of)
            else []
        )
    if condition.operator not in OPERATORS:
        near = did_you_mean(condition.operator, OPERATORS)
        return [f"unknown operator {condition.operator!r}{near}; one of {list(OPERATORS)}"]
    if condition.attempts_of and (condition.operator not in _COMPARISONS or condition.percentile is not None):
        return [f"contacts are counted: attempts_of goes with a value and one of {', '.join(_COMPARISONS)}"]
    return [message for rule, message in _RULES if rule(condition)]


def _numbers(value: Any, count: int) -> bool:
    items = value if isinstance(value, (list, tuple)) else [value]
    return len(items) == count and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in items)


def _compares_wrongly(condition: Condition) -> bool:
    count = 2 if condition.operator == "between" else 1
    if condition.operator not in _COMPARISONS or condition.percentile is not None:
        return False
    return not _numbers(condition.value, count)


_RULES: tuple[tuple[Callable[[Condition], bool], str], ...] = (
    (
        lambda c: c.percentile is not None and c.value is not None,
        "a condition has a value or a percentile, not both",
    ),
    (
        lambda c: c.percentile is not None and (bool(c.tag) or c.operator not in _COMPARISONS),
        "a percentile goes with a column and one of " + ", ".join(_COMPARISONS),
    ),
    (
        lambda c: (
            c.percentile is not None
            and (
                len(c.percentiles) != (2 if c.operator == "between" else 1)
                or not all(0 <= p <= 100 for p in c.percentiles)
            )
        ),
        "a percentile is a number from 0 to 100 (two for between)",
    ),
    (
        lambda c: bool(c.tag) and c.operator in _COMPARISONS,
        "a tag has words, not numbers: use is, in, not_in, missing or known",
    ),
    (_compares_wrongly, "a comparison takes a number (two for between) or a percentile"),
    (
        lambda c: (
            c.operator in ("in", "not_in") and not (isinstance(c.value, (list, tuple)) and len(c.value) > 0)
        ),
        "in and not_in take a list of values",
    ),
    (
        lambda c: c.operator == "is" and not isinstance(c.value, (str, int, float, bool)),
        "is takes one value",
    ),
    (
        lambda c: c.operator in ("missing", "known") and c.value is not None,
        "missing and known take no value",
    ),
)
