"""configs/*.yaml -> frozen, checked settings.

Every key has one meaning and is used; a key nobody knows is an error that names the nearest one. Paths are relative
to the project folder: the parent of the `configs` folder the file lies in, or the file's own folder.
"""

from __future__ import annotations

import datetime as dt
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from segml.errors import ConfigurationError, did_you_mean

T = TypeVar("T", bound="Settings")


class Settings(BaseModel):
    """Base of all settings: frozen, and no key is silently ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def checked_zone(value: str) -> str:
    """Return the name of a time zone; an unknown one is a ValueError with the nearest name."""
    import zoneinfo

    if value not in zoneinfo.available_timezones():
        raise ValueError(f"unknown time zone {value!r}{did_you_mean(value, zoneinfo.available_timezones())}")
    return value


def day_text(value: Any) -> str:
    """Return an ISO day as text (YAML reads 2018-01-01 as a date); anything else is a ValueError."""
    return dt.date.fromisoformat(str(value)).isoformat() if value else ""


class TableSource(Settings):
    """Where one canonical table comes from, and how its columns are called there."""

    files: tuple[str, ...] = Field(description="files, folders or globs of CSV or Parquet")
    format: Literal["auto", "csv", "parquet"] = "auto"
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="canonical name -> the file's own name, or a list of names that are the same; or see `query`",
    )
    also: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="name -> more files, which `query` reads under that name"
    )
    constants: dict[str, str] = Field(
        default_factory=dict, description="canonical name -> one value for all rows"
    )
    where: str = Field(
        default="", description="SQL condition on the file's own columns; other rows are not read"
    )
    query: str = Field(
        default="",
        description="SQL that reads `source` (the files) and other raw tables by name; replaces columns",
    )
    time_format: str = Field(
        default="", description="strptime format of time columns in text files, or `epoch` (seconds, UTC)"
    )
    time_zone: str = Field(
        default="", description="zone that times without an offset are written in; by default the base's own"
    )
    delimiter: str = Field(default=",", description="of CSV files; one blank stands for any run of blanks")
    decimal: Literal[".", ","] = "."
    missing: tuple[str, ...] = Field(
        default=(), description="texts that stand for a missing value, beside nothing"
    )

    @field_validator("files", "missing", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("columns", mode="before")
    @classmethod
    def _same_names(cls, value: Any) -> Any:
        return {name: name for name in value} if isinstance(value, list) else value

    @field_validator("also", mode="before")
    @classmethod
    def _each_one_or_many(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: (files,) if isinstance(files, str) else files for name, files in value.items()}

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone_or_blank(cls, value: str) -> str:
        return checked_zone(value) if value else value

    @model_validator(mode="after")
    def _columns_or_query(self) -> TableSource:
        if bool(self.columns) == bool(self.query.strip()):
            raise ValueError("a table has either `columns` or a `query`")
        return self


class CleaningSettings(Settings):
    """What is done with rows that no honest log is free of; every decision is counted and reported."""

    exact_duplicates: Literal["drop", "keep"] = "drop"
    missing_customer: Literal["drop", "refuse"] = "drop"
    cancelled_order_prefix: str = Field(
        default="", description="orders whose id starts so are returns, not orders"
    )
    negative_quantity: Literal["return", "drop", "refuse"] = "return"
    nonpositive_price: Literal["drop", "keep", "refuse"] = Field(
        default="keep",
        description="lines and orders of no or negative value: left out and counted, kept, or an error",
    )
    unknown_customer: Literal["add", "drop", "refuse"] = Field(
        default="refuse", description="orders of people whom the customers table does not know"
    )
    undeclared_columns: Literal["ignore", "refuse"] = Field(
        default="ignore", description="columns in the files that the mapping does not name are never read"
    )
    events_before: str = Field(
        default="",
        description="a day; events at or after it are of the future and refused (`as_of` may lie in the past)",
    )

    _is_a_day = field_validator("events_before", mode="before")(day_text)


class CutoffSettings(Settings):
    """The snapshots a model learns from."""

    every_days: int = Field(default=14, ge=1)
    at_most: int = Field(default=12, ge=1, description="training cutoffs before the test cutoff")
    minimum_history_days: int = Field(default=84, ge=1, description="history before the first cutoff")


class HorizonSettings(Settings):
    """Forward windows, in days. Dormancy is the short one, churn the long one."""

    dormancy: int = Field(default=60, ge=1)
    churn: int = Field(default=180, ge=1)
    clv: int = Field(default=365, ge=1)

    @model_validator(mode="after")
    def _dormancy_is_shorter(self) -> HorizonSettings:
        if self.dormancy > self.churn:
            raise ValueError(
                f"dormancy ({self.dormancy} days) is the short horizon, churn ({self.churn}) the long one"
            )
        return self

    @property
    def all_days(self) -> tuple[int, ...]:
        """Distinct horizons, shortest first."""
        return tuple(sorted({self.dormancy, self.churn, self.clv}))


class FeatureSettings(Settings):
    """What the snapshot holds."""

    affinity_categories: int = Field(
        default=12, ge=0, le=40, description="largest categories with a share of their own"
    )
    buckets: int = Field(
        default=1, ge=1, description="parts of the base that are worked on one after another"
    )


class SegmentSettings(Settings):
    """How many segments may come out, and how firm they must be."""

    smallest_k: int = Field(default=3, ge=2)
    largest_k: int = Field(default=7, ge=2, le=12)
    minimum_share: float = Field(default=0.05, gt=0, lt=0.5)
    minimum_stability: float = Field(
        default=0.75, ge=0, le=1, description="median adjusted Rand index of bootstrap pairs"
    )
    sample_size: int = Field(default=200_000, ge=1_000)


class FloorSettings(Settings):
    """Below these a model is refused, with the number that is missing."""

    customers: int = Field(default=200, ge=1)
    positives: int = Field(default=50, ge=1)
    negatives: int = Field(default=50, ge=1)
    cutoffs: int = Field(default=2, ge=1)


class GateSettings(Settings):
    """What a challenger has to show."""

    bootstraps: int = Field(default=500, ge=50)
    champion_tolerance: float = Field(
        default=0.005, ge=0, description="how much worse than the champion is still level"
    )
    floor: FloorSettings = FloorSettings()


class OfferSettings(Settings):
    """What a retention campaign costs and saves, in the base's currency; without it nothing is said in money."""

    customer_value: float = Field(gt=0, description="what a customer who stays is worth")
    offer_cost: float = Field(ge=0, description="when the offer is taken; loyal customers take it too")
    contact_cost: float = Field(ge=0, description="of reaching one person")
    acceptance_alpha: float = Field(
        default=6.0, gt=0, description="Beta distribution of the share who accept"
    )
    acceptance_beta: float = Field(default=14.0, gt=0)


class ModelSettings(Settings):
    """Population, training and promotion."""

    active_within_days: int = Field(default=365, ge=1, description="who is scored for dormancy and churn")
    training_customers: int = Field(
        default=1_000_000, ge=1_000, description="keyed sample a model learns from"
    )
    btyd: Literal["bg_nbd", "mbg_nbd", "pareto_nbd"] = "mbg_nbd"
    margin: float = Field(default=1.0, gt=0, le=1, description="share of spend that is counted as value")
    segments: SegmentSettings = SegmentSettings()
    gate: GateSettings = GateSettings()
    offer: OfferSettings | None = Field(default=None, description="money at stake, for profit curves")


class ScoringSettings(Settings):
    """Batch scoring."""

    chunk_customers: int = Field(
        default=50_000, ge=1, description="in memory at a time; 50,000 stay under 1 GB"
    )
    threads: int = Field(default=2, ge=1)


class BandSettings(Settings):
    """P(order within the dormancy horizon) -> the word beside it."""

    active: float = 0.60
    slipping: float = 0.35
    at_risk: float = 0.20

    @model_validator(mode="after")
    def _falling(self) -> BandSettings:
        if not 1 > self.active > self.slipping > self.at_risk > 0:
            raise ValueError("bands fall: 1 > active > slipping > at_risk > 0")
        return self


class ConsentSettings(Settings):
    """How consent is known. Without a consents table the basis has to be stated in words."""

    required: bool = True
    basis: str = Field(
        default="", description="why these people may be contacted, when there is no consents table"
    )

    @model_validator(mode="after")
    def _basis_is_stated(self) -> ConsentSettings:
        if not self.required and not self.basis.strip():
            raise ValueError(
                "consent is not required here, so `basis` must say why these people may be contacted"
            )
        return self


class ContactCap(Settings):
    """At most so many contacts in so many days."""

    contacts: int = Field(ge=1)
    days: int = Field(ge=1)


class ListSettings(Settings):
    """Rules over all campaigns."""

    folder: str = "configs/campaigns"
    consent: ConsentSettings = ConsentSettings()
    caps: tuple[ContactCap, ...] = (ContactCap(contacts=2, days=7), ContactCap(contacts=6, days=30))
    holdout_salt: str = "segml"
    global_holdout: float = Field(default=0.05, ge=0, lt=0.5)
    global_holdout_minimum: int = Field(
        default=1_000, ge=0, description="people; below it the global holdout is off"
    )
    campaign_holdout: float = Field(default=0.10, ge=0, lt=0.9)
    minimum_list: int = Field(default=20, ge=1)
    minimum_cell: int = Field(default=10, ge=1, description="smaller groups are suppressed in reports")
    quiet_days: int = Field(default=7, ge=0, description="after a complaint or a return")
    formats: tuple[Literal["csv", "parquet"], ...] = ("csv", "parquet")


class Config(Settings):
    """One base, from its files to its lists."""

    base: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = ""
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    time_zone: str = Field(default="UTC", description="whose wall clock a day begins on")
    package: Literal["", "completejourney", "cdnow"] = Field(
        default="", description="a data package to fetch first"
    )
    tables: dict[str, TableSource]
    survey: str = Field(
        default="",
        description="a questionnaire such as configs/surveys/synthetic.yaml; answers lie in `surveys`",
    )
    as_of: str = Field(
        default="", description="the day scored; by default the first midnight after the last event"
    )
    seed: int = 0
    language: Literal["en", "da", "sv"] = Field(
        default="en", description="of segment names and of the sentences about them"
    )
    tags: tuple[str, ...] = Field(
        default=(), description="files with tags of your own, such as configs/tags/*.yaml"
    )
    engine: str = Field(
        default="duckdb",
        description="duckdb, or the path of an engine file such as configs/engine/spark.yaml",
    )
    memory: str = Field(default="", description="memory the embedded engine may use, such as 4GB")
    data_folder: str = "data"
    models_folder: str = "mlruns"
    cleaning: CleaningSettings = CleaningSettings()
    cutoffs: CutoffSettings = CutoffSettings()
    horizons: HorizonSettings = HorizonSettings()
    features: FeatureSettings = FeatureSettings()
    models: ModelSettings = ModelSettings()
    scoring: ScoringSettings = ScoringSettings()
    bands: BandSettings = BandSettings()
    lists: ListSettings = ListSettings()
    root: Path = Field(default=Path("."), description="set by the loader: the project folder")

    _is_a_day = field_validator("as_of", mode="before")(day_text)

    @field_validator("tables")
    @classmethod
    def _has_orders(cls, value: dict[str, TableSource]) -> dict[str, TableSource]:
        if "orders" not in value and "order_lines" not in value:
            raise ValueError("a base needs `orders` or `order_lines`")
        return value

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        return checked_zone(value)

    def path(self, *parts: str) -> Path:
        """Return a path under the project folder."""
        return self.root.joinpath(*parts)

    def tag_files(self) -> tuple[Path, ...]:
        """Return the files of `tags`, sorted; a pattern that no file fits is a ConfigurationError."""
        found: list[Path] = []
        for pattern in self.tags:
            files = sorted(self.root.glob(pattern))
            if not files:
                raise ConfigurationError(
                    f"tags: no file fits {pattern!r}", "correct the path in the configuration"
                )
            found += [file for file in files if file not in found]
        return tuple(found)

    def data_path(self, stage: str, *parts: str) -> Path:
        """Return `data/<stage>/<base>/...` under the project folder."""
        return self.root.joinpath(self.data_folder, stage, self.base, *parts)


def project_root(config_file: Path) -> Path:
    """Return the folder that relative paths of this configuration start from."""
    folder = config_file.resolve().parent
    for parent in (folder, *folder.parents):
        if parent.name == "configs":
            return parent.parent
    return folder


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read one configuration file.

    Parameters
    ----------
    path : str or Path
        The YAML file.
    overrides : sequence of str
        ``key.sub=value`` pairs that replace single settings; values are read as YAML.

    Raises
    ------
    ConfigurationError
        All unknown keys and wrong values at once, each with the nearest known key.
    """
    raw = read_configuration(path, overrides)
    if "flat" in raw:
        raise ConfigurationError(
            f"{path} describes a flat table, and a shop with orders is asked for here",
            "read it with segml.sources.flat.load_flat_config, or run it: segml run CONFIG",
        )
    return validated(Config, raw, str(path))


def read_configuration(path: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return a configuration file's keys and values with its overrides and `root`, before they are checked."""
    file = Path(path)
    if not file.is_file():
        known = [str(p) for p in sorted(file.parent.glob("*.yaml"))] if file.parent.is_dir() else []
        raise ConfigurationError(
            f"no configuration file {str(path)!r}{did_you_mean(str(file), known)}",
            "give the path of a .yaml file",
        )
    raw = _read_yaml(file)
    for override in overrides:
        _apply_override(raw, override)
    raw["root"] = project_root(file)
    return raw


def validated(model: type[T], raw: Mapping[str, Any], where: str) -> T:
    """Turn a mapping into settings; one ConfigurationError names every mistake."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        lines = [_describe(model, item) for item in error.errors()]
        raise ConfigurationError(
            f"{where} has {len(lines)} mistake{'s' if len(lines) > 1 else ''}:\n  - " + "\n  - ".join(lines),
            "correct these keys and values; src/segml/config.py and the files in configs/ show every setting",
        ) from None


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} is not readable YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ConfigurationError(f"{file} must hold keys and values, got {type(raw).__name__}")
    return raw


def read_settings_file(model: type[T], file: Path) -> T:
    """Read a smaller settings file (an engine, a campaign) into its model."""
    if not file.is_file():
        raise ConfigurationError(f"no file {file}", "correct the path")
    return validated(model, _read_yaml(file), str(file))


def _apply_override(raw: dict[str, Any], override: str) -> None:
    key, separator, value = override.partition("=")
    if not separator:
        raise ConfigurationError(
            f"an override reads key=value, got {override!r}", "for example: --set seed=1"
        )
    *parents, last = key.strip().split(".")
    place = raw
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise ConfigurationError(f"{key!r} can't be set: {parent!r} holds no keys")
    try:
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError:  # a lone comma, or %d.%m.%Y: no YAML, and meant as it stands
        place[last] = value


def _describe(model: type[BaseModel], item: Any) -> str:
    location = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = _fields_at(model, item["loc"][:-1])
        return f"unknown key {location!r}{did_you_mean(str(item['loc'][-1]), known)}"
    if item["type"] == "missing":
        return f"missing key {location!r}"
    return (
        f"{location or 'settings'}: {item['msg'].removeprefix('Value error, ')} (got {item['input']!r:.80})"
    )


def _fields_at(model: type[BaseModel], location: Sequence[Any]) -> list[str]:
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = _model_in(field.annotation) if field else None
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (dict, tuple, list, Union, types.UnionType):
        found = [_model_in(argument) for argument in get_args(annotation)]
        return next((model for model in found if model is not None), None)
    return None
