"""What a configuration says of its tables: files, columns, zones, and what is done with rows that no log is free of."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from segml.config.reading import Settings
from segml.config.text_form import TextForm
from segml.errors import did_you_mean


def checked_zone(value: str) -> str:
    """Return the name of a time zone; an unknown one is a ValueError with the nearest name."""
    import zoneinfo

    if value not in zoneinfo.available_timezones():
        raise ValueError(f"unknown time zone {value!r}{did_you_mean(value, zoneinfo.available_timezones())}")
    return value


def day_text(value: Any) -> str:
    """Return an ISO day as text (YAML reads 2018-01-01 as a date); anything else is a ValueError.

    Examples
    --------
    >>> day_text(dt.date(2018, 1, 1)), day_text(None)
    ('2018-01-01', '')
    """
    if value is None or value == "":
        return ""
    try:
        return dt.date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise ValueError(f"{value} is not a day ({error}): write a day there is, as YYYY-MM-DD") from None


EPOCHS = {"epoch": 1, "epoch_ms": 1_000, "epoch_us": 1_000_000, "epoch_ns": 1_000_000_000}
_DIRECTIVE = re.compile(r"%(-?[dHIjmMSy]|[aAbBcdfgGHIjmMnpSuUVwWxXyYzZ%])")
_LETTERS = {
    "yyyy": "%Y",
    "yy": "%y",
    "MM": "%m",
    "dd": "%d",
    "DD": "%d",
    "HH": "%H",
    "hh": "%H",
    "mm": "%M",
    "ss": "%S",
}


def time_format_text(value: str) -> str:
    """Return a format that times can be read by; another one is a ValueError that says how it is written.

    Examples
    --------
    >>> time_format_text("%d.%m.%Y"), time_format_text("epoch_ms")
    ('%d.%m.%Y', 'epoch_ms')
    >>> time_format_text("dd.MM.yyyy")
    Traceback (most recent call last):
    ...
    ValueError: 'dd.MM.yyyy' has no directive such as %d: write "%d.%m.%Y", or epoch, epoch_ms, epoch_us, epoch_ns
    """
    if not value or value in EPOCHS:
        return value
    unknown = _DIRECTIVE.sub("", value)
    if "%" in unknown:
        wrong = unknown[unknown.index("%") :][:2]
        raise ValueError(
            f"{value!r} has {wrong!r}, which no format has: %d, %m, %Y, %H, %M, %S and the like are known"
        )
    if "%I" in value and "%p" not in value:
        raise ValueError(
            f"{value!r} has hours of 1 to 12 (%I) without AM or PM (%p): write %H for hours of 0 to 23"
        )
    if unknown == value:
        meant = re.sub("yyyy|YYYY|[yY]{2}|MM|dd|DD|HH|hh|mm|ss", lambda found: _letters(found[0]), value)
        raise ValueError(
            f'{value!r} has no directive such as %d: write "{meant if "%" in meant else "%Y-%m-%d"}", or'
            f" {', '.join(EPOCHS)}"
        )
    return value


def _letters(text: str) -> str:
    return _LETTERS.get(text) or _LETTERS[text.lower()]


_MEMORY = re.compile(r"\s*([0-9]+(?:[.][0-9]+)?)\s*([KMGT]i?B)\s*", re.IGNORECASE)
_LEAST_MEMORY = 64 * 10**6


def memory_text(value: Any) -> str:
    """Return an amount of memory as the engine reads it; anything else is a ValueError.

    Examples
    --------
    >>> memory_text("4 gb"), memory_text("1.5GiB"), memory_text("")
    ('4GB', '1.5GiB', '')
    """
    if value is None or value == "":
        return ""
    found = _MEMORY.fullmatch(str(value))
    if not found:
        raise ValueError(
            f"{value} is no amount of memory: a number and KB, MB, GB, TB or KiB to TiB, such as 4GB"
        )
    number, letter, binary = float(found[1]), found[2][0].upper(), "i" in found[2].lower()
    if number * (1024 if binary else 1000) ** ("KMGT".index(letter) + 1) < _LEAST_MEMORY:
        raise ValueError(f"{value} is too little memory for the engine: give it 64MB or more")
    return f"{found[1]}{letter}{'i' if binary else ''}B"


Memory = Annotated[str, BeforeValidator(memory_text)]


class TableSource(TextForm):
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
        default="",
        description="strptime format of time columns in text files, or `epoch`, `epoch_ms`, `epoch_us` (seconds,"
        " milliseconds, microseconds since 1970, UTC)",
    )
    time_zone: str = Field(
        default="", description="zone that times without an offset are written in; by default the base's own"
    )

    @field_validator("files", mode="before")
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

    @field_validator("time_format")
    @classmethod
    def _is_a_format(cls, value: str) -> str:
        return time_format_text(value)

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

    exact_duplicates: Literal["auto", "drop", "keep"] = Field(
        default="auto",
        description="rows that are equal in all columns of the files: `auto` drops them where a table has a key (and in"
        " consents), and keeps and counts them in tables of events",
    )
    missing_customer: Literal["drop", "refuse"] = "drop"
    placeholder_customer: Literal["drop", "keep", "refuse"] = Field(
        default="drop",
        description="rows of an id that stands for no customer: NULL, guest, 0, -1, unknown, ...",
    )
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
    far_orders: Literal["drop", "keep", "refuse"] = Field(
        default="drop",
        description="orders that lie alone, years or more than the longest horizon from all others: no clock, left out",
    )
    undeclared_columns: Literal["ignore", "refuse"] = Field(
        default="ignore", description="columns in the files that the mapping does not name are never read"
    )
    events_before: str = Field(
        default="",
        description="a day; events at or after it are of the future and refused (`as_of` may lie in the past)",
    )

    retention_days: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="table -> days; older rows, counted from the end of the orders, are left out and counted",
    )

    _is_a_day = field_validator("events_before", mode="before")(day_text)

    @field_validator("retention_days")
    @classmethod
    def _objections_are_kept(cls, value: dict[str, int]) -> dict[str, int]:
        if "consents" in value:
            raise ValueError(
                "consents are kept: they are the memory of objections, and an objection does not lapse"
            )
        return value


class IdentitySettings(Settings):
    """Which contact data make records of `customers` one person. Nothing is merged until keys are named."""

    keys: tuple[Literal["email", "phone", "card"], ...] = Field(
        default=(), description="columns of `customers`; records that share a value are one person"
    )
    most_records: int = Field(
        default=4, ge=2, description="a value that more records share is nobody's own, and joins nobody"
    )
    region: str = Field(
        default="", pattern=r"^([A-Z]{2})?$", description="alpha-2 country of phones of people without one"
    )

    @field_validator("keys")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"a key is named twice: {', '.join(value)}")
        return value
