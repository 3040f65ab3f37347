"""Tags: what a marketer may say of a person, each with the sentence that makes it true.

A definition is data (tags.yaml, and the user's own files of the same form): a family, a name, a criterion to read,
and either cases in order, one expression, or "the largest of these columns". Conditions name columns as
``table.column`` and learnt thresholds as ``$name``; nothing else of SQL than arithmetic and comparison is let in, so
what a definition needs can be read off it. Writing the query is done here, running it in `segml.scoring.tag_table`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field, model_validator

from segml.config import BandSettings, Settings, validated
from segml.config.reading import yaml_of
from segml.errors import ConfigurationError, did_you_mean
from segml.evaluation.saturation import Saturation
from segml.features.known_columns import KNOWN_COLUMNS, is_known_column, known_references

FAMILIES = (
    "demographic",
    "psychographic",
    "geographic",
    "behavioural",
    "value",
    "source",
    "needs",
    "lifecycle",
)
FIRST_TIME_EMPTY = ("previous",)
"""Tables that a first run does not have; conditions on them are then unknown, and the tag is there all the same."""
UNKNOWN_SATURATION = Saturation(None, "it was not looked at")
SHIPPED = Path(__file__).with_name("tags.yaml")
_REFERENCE = re.compile(r"\b([a-z_][a-z0-9_]*)\.([a-z_][a-z0-9_]*)\b")
_PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLAIN_SQL = """and or not is null in between like case when then else end cast as double bigint string true false
coalesce nullif greatest least abs round floor concat lower upper"""
_ALLOWED_WORDS = frozenset(_PLAIN_SQL.split())


class TagCase(Settings):
    """One value of a tag and the condition that gives it; the first case that holds wins."""

    value: str = Field(min_length=1)
    when: str = Field(min_length=1)


class TagClaim(Settings):
    """What a tag claims: people with `value` leave more often than those with `against`. Tested, or not given."""

    value: str
    against: str


class TagDefinition(Settings):
    """One tag.

    Exactly one of `cases`, `expression` and `largest_of` says where the value comes from; a person without a value
    has no row. `special` marks special-category fields and their proxies, which stay off unless asked for.
    """

    family: str
    tag: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    criterion: str = Field(min_length=10, description="the sentence a marketer reads")
    among: str = Field(default="", description="SQL condition; other people get no row")
    cases: tuple[TagCase, ...] = ()
    otherwise: str = Field(default="", description="value when no case holds")
    expression: str = Field(default="", description="SQL expression for the value")
    largest_of: str = Field(default="", description="columns such as features.affinity_*; the value is the *")
    at_least: float = Field(default=0.0, description="with largest_of: the least share that counts")
    special: bool = False
    claim: TagClaim | None = Field(
        default=None, description="tested on an earlier day; not given when it fails"
    )

    @model_validator(mode="after")
    def _one_source(self) -> TagDefinition:
        given = [name for name in ("cases", "expression", "largest_of") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                f"tag {self.tag!r} needs exactly one of cases, expression, largest_of; has {given}"
            )
        if self.claim and not {self.claim.value, self.claim.against} <= set(self.values):
            raise ValueError(f"tag {self.tag!r} claims something of values it does not have")
        if self.family not in FAMILIES:
            raise ValueError(
                f"tag {self.tag!r}: unknown family {self.family!r}{did_you_mean(self.family, FAMILIES)}"
            )
        return self

    @property
    def name(self) -> str:
        """``family.tag``."""
        return f"{self.family}.{self.tag}"

    @property
    def values(self) -> tuple[str, ...]:
        """The values it can take, when they are listed in the definition; else empty."""
        listed = [case.value for case in self.cases] + ([self.otherwise] if self.otherwise else [])
        return tuple(dict.fromkeys(listed))

    @property
    def sql_texts(self) -> tuple[str, ...]:
        """Every piece of SQL in the definition."""
        texts = [self.among, self.expression, *(case.when for case in self.cases)]
        return tuple(text for text in texts if text)

    @property
    def references(self) -> tuple[tuple[str, str], ...]:
        """The (table, column) pairs it reads, without the columns of `largest_of`."""
        return _references(self.sql_texts)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The thresholds it uses."""
        return tuple(dict.fromkeys(_PARAMETER.findall(" ".join((*self.sql_texts, self.criterion)))))


class TagParameter(Settings):
    """A threshold learnt on the base: the value that `quantile` of the people do not exceed."""

    quantile: float = Field(gt=0, lt=1)
    of: str
    where: str = ""


class _TagFile(Settings):
    parameters: dict[str, TagParameter] = Field(default_factory=dict)
    tags: tuple[TagDefinition, ...] = ()


@dataclass(frozen=True)
class TagCatalogue:
    """All definitions of a run, in file order, the thresholds they learn, and those given from outside."""

    definitions: tuple[TagDefinition, ...]
    learnt: dict[str, TagParameter]
    given: dict[str, float | None] = field(default_factory=dict)
    why_unknown: dict[str, str] = field(default_factory=dict)

    def values(self) -> dict[str, tuple[str, ...]]:
        """Return ``family.tag`` -> the values listed for it (empty when they come from the data)."""
        return {definition.name: definition.values for definition in self.definitions}


def load_tags(
    files: Sequence[Path] = (),
    bands: BandSettings | None = None,
    clv_days: int = 365,
    silent_days: int = 365,
    expiring_days: int = 30,
    saturation: Saturation = UNKNOWN_SATURATION,
    available: Mapping[str, Collection[str]] | None = None,
) -> TagCatalogue:
    """Read the shipped tags and the user's own.

    Parameters
    ----------
    files : sequence of Path
        The user's files; same form as tags.yaml. A ``family.tag`` that exists is an error, not a replacement.
    bands : BandSettings, optional
        P(order) at which a person is active, slipping, at risk.
    clv_days : int
        The horizon in the name of the predicted value, ``clv_<days>d``.
    silent_days : int
        Buyers silent for longer are dormant even without a score (they are out of the scored range).
    expiring_days : int
        The window in the name of the points that lapse, ``points_expiring_<days>d``.
    saturation : Saturation
        Contacts in 30 days from which the base is saturated, learnt from its contact log.
    available : mapping of str to columns, optional
        Columns of the registered tables; names beyond the documented ones are then known too.

    Raises
    ------
    ConfigurationError
        All mistakes of all files at once.

    Examples
    --------
    >>> "lifecycle.triad" in load_tags().values()
    True
    """
    band = bands or BandSettings()
    given: dict[str, float | None] = {
        "active": band.active,
        "slipping": band.slipping,
        "at_risk": band.at_risk,
        "silent_days": float(silent_days),
        "target_from": _number(saturation.target_from),
        "saturated_from": _number(saturation.saturated_from),
    }
    definitions: list[TagDefinition] = []
    learnt: dict[str, TagParameter] = {}
    for file in (SHIPPED, *files):
        parsed = _read(file, {"clv_days": clv_days, "expiring_days": expiring_days})
        definitions += parsed.tags
        learnt.update(parsed.parameters)
    unknown = dict.fromkeys(("target_from", "saturated_from"), saturation.reason)
    catalogue = TagCatalogue(tuple(definitions), learnt, given, unknown)
    mistakes = find_mistakes(catalogue, available or {})
    if mistakes:
        raise ConfigurationError(
            f"tags have {len(mistakes)} mistake{'s' if len(mistakes) > 1 else ''}:\n  - "
            + "\n  - ".join(mistakes),
            "correct the tag files; columns are written table.column, thresholds $name",
        )
    return catalogue


def _number(value: int | None) -> float | None:
    return None if value is None else float(value)


def _read(file: Path, days: Mapping[str, int]) -> _TagFile:
    if not file.is_file():
        raise ConfigurationError(f"no tag file {file}", "correct the path")
    text = file.read_text(encoding="utf-8")
    for name, number in days.items():
        text = text.replace(f"{{{name}}}", str(number))
    raw = yaml_of(text, str(file))
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{file} must hold `tags`, got {type(raw).__name__}")
    return validated(_TagFile, raw, str(file))


def find_mistakes(catalogue: TagCatalogue, available: Mapping[str, Collection[str]]) -> list[str]:
    """Return what is wrong with the definitions, in words; empty when all is well."""
    found: list[str] = []
    names = [definition.name for definition in catalogue.definitions]
    found += [f"{name} is defined twice" for name in sorted({n for n in names if names.count(n) > 1})]
    known = {*catalogue.learnt, *catalogue.given}
    for definition in catalogue.definitions:
        for text in definition.sql_texts:
            found += [f"{definition.name}: {mistake}" for mistake in _sql_mistakes(text, available)]
        found += [
            f"{definition.name}: unknown threshold ${name}{did_you_mean(name, known)}"
            for name in definition.parameters
            if name not in known
        ]
        if definition.largest_of and not re.fullmatch(
            r"(features|scores|answers)\.[a-z_]+\*", definition.largest_of
        ):
            found.append(
                f"{definition.name}: largest_of reads features.prefix_*, got {definition.largest_of!r}"
            )
    for name, parameter in catalogue.learnt.items():
        texts = [parameter.of] + ([parameter.where] if parameter.where else [])
        found += [
            f"threshold {name}: {mistake}" for text in texts for mistake in _sql_mistakes(text, available)
        ]
    return found


def _sql_mistakes(text: str, available: Mapping[str, Collection[str]]) -> list[str]:
    bare = re.sub(r"'[^']*'", " ", text)
    found = []
    for table, column in _REFERENCE.findall(bare):
        if table not in KNOWN_COLUMNS or not is_known_column(table, column, available.get(table, ())):
            reference = f"{table}.{column}"
            found.append(
                f"unknown column {reference!r}{did_you_mean(reference, known_references(available))}"
            )
    rest = _PARAMETER.sub(" ", _REFERENCE.sub(" ", bare))
    for word in _WORD.findall(rest):
        if word.lower() not in _ALLOWED_WORDS:
            found.append(
                f"unknown word {word!r} in {text!r}{did_you_mean(word, known_references(available))}"
            )
    if re.search(r";|--|/\*|\"|`|'", rest):
        found.append(f"quotes, comments and semicolons do not belong in {text!r}")
    return found


def _references(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    bare = " ".join(re.sub(r"'[^']*'", " ", text) for text in texts)
    return tuple(dict.fromkeys(_REFERENCE.findall(bare)))


def missing_columns(
    references: Iterable[tuple[str, str]], available: Mapping[str, Iterable[str]]
) -> list[str]:
    """Return the ``table.column`` names that are not there."""
    there = {table: set(columns) for table, columns in available.items()}
    return [
        f"{table}.{column}"
        for table, column in references
        if column not in there.get(table, ()) and not (table in FIRST_TIME_EMPTY and table not in there)
    ]


def parameter_references(parameter: TagParameter) -> tuple[tuple[str, str], ...]:
    """Return the (table, column) pairs that a threshold is learnt from."""
    return _references((parameter.of, parameter.where))


def filled(text: str, thresholds: Mapping[str, float | None], readable: bool = False) -> str:
    """Return `text` with every ``$name`` replaced by its number.

    Examples
    --------
    >>> filled("x > $limit", {"limit": 2.5})
    'x > cast(2.5 as double)'
    >>> filled("more than $limit", {"limit": 2.5}, readable=True)
    'more than 2.5'
    """

    def number(match: re.Match[str]) -> str:
        value = thresholds.get(match.group(1))
        if readable:
            return "an unknown number" if value is None else f"{value:.4g}"
        return "cast(null as double)" if value is None else f"cast({value!r} as double)"

    return _PARAMETER.sub(number, text)


def without_tables(text: str, available: Collection[str]) -> str:
    """Return `text` with the columns of tables that a first run does not have as unknown values.

    Examples
    --------
    >>> without_tables("previous.stage = 'dormant'", ["features"])
    "null = 'dormant'"
    """
    return _REFERENCE.sub(
        lambda found: (
            "null"
            if found.group(1) in FIRST_TIME_EMPTY and found.group(1) not in available
            else found.group(0)
        ),
        text,
    )
