"""One base's configuration, from its files to its lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from segml.config.lists import ListSettings
from segml.config.loyalty import LoyaltySettings
from segml.config.models import (
    BandSettings,
    CutoffSettings,
    FeatureSettings,
    HorizonSettings,
    ModelSettings,
    ScoringSettings,
)
from segml.config.reading import Settings, read_configuration, validated
from segml.config.tables import (
    CleaningSettings,
    IdentitySettings,
    Memory,
    TableSource,
    checked_zone,
    day_text,
)
from segml.errors import ConfigurationError


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
    special_tags: bool = Field(
        default=False, description="tags on gender, marital status and occupation; no model ever reads these"
    )
    places: str = Field(
        default="",
        description="CSV of postcodes or their beginnings: postcode, and country, people_per_km2, climate as far as"
        " known; for tags of urbanity and climate",
    )
    engine: str = Field(
        default="duckdb",
        description="duckdb, or the path of an engine file such as configs/engine/spark.yaml",
    )
    memory: Memory = Field(default="", description="memory the embedded engine may use, such as 4GB")
    data_folder: str = "data"
    models_folder: str = "mlruns"
    cleaning: CleaningSettings = CleaningSettings()
    exclude_customers: tuple[str, ...] = Field(
        default=(), description="ids left out of everything, such as a wholesaler, a till or a bot"
    )
    identity: IdentitySettings = IdentitySettings()
    cutoffs: CutoffSettings = CutoffSettings()
    horizons: HorizonSettings = HorizonSettings()
    features: FeatureSettings = FeatureSettings()
    models: ModelSettings = ModelSettings()
    scoring: ScoringSettings = ScoringSettings()
    bands: BandSettings = BandSettings()
    lists: ListSettings = ListSettings()
    loyalty: LoyaltySettings = LoyaltySettings()
    root: Path = Field(default=Path("."), description="set by the loader: the project folder")

    _is_a_day = field_validator("as_of", mode="before")(day_text)

    @field_validator("exclude_customers", mode="before")
    @classmethod
    def _ids_are_texts(cls, value: Any) -> Any:
        """Return ids as texts: YAML reads 17850 as a number. (0012 it reads as ten: ids with zeros need quotes.)"""
        listed = value if isinstance(value, (list, tuple)) else [value]
        wrong = [each for each in listed if isinstance(each, bool) or not isinstance(each, (str, int, float))]
        if wrong:
            raise ValueError(f"an id is a text or a number, not {wrong[0]!r}")
        return tuple(str(each) for each in listed)

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
