"""YAML -> frozen, checked settings; every mistake of a file in one error, with the nearest known key."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from segml.config.yaml_text import ImpossibleDayError, read_yaml, yaml_advice
from segml.errors import ConfigurationError, did_you_mean, first_of

T = TypeVar("T", bound="Settings")
_DESCRIBED = 21  # one more than is shown: looking for the nearest name takes its time


class Settings(BaseModel):
    """Base of all settings: frozen, and no key is silently ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def project_root(config_file: Path) -> Path:
    """Return the folder that relative paths of this configuration start from."""
    folder = config_file.resolve().parent
    for parent in (folder, *folder.parents):
        if parent.name == "configs":
            return parent.parent
    return folder


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
        count = error.error_count()
        lines = first_of([_describe(model, item) for item in error.errors(include_url=False)[:_DESCRIBED]])
        if count > _DESCRIBED:
            lines[-1] = f"... and {count - len(lines) + 1:,} more"
        raise ConfigurationError(
            f"{where} has {count:,} mistake{'s' if count > 1 else ''}:\n  - " + "\n  - ".join(lines),
            "correct these keys and values; src/segml/config/ and the files in configs/ show every setting",
        ) from None


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{file} is not UTF-8 text: byte {error.object[error.start]:#04x} at {error.start}",
            "save it as UTF-8",
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{file} can't be read: {error.strerror or error}", "make it readable, or name another file"
        ) from error
    raw = yaml_of(text, str(file))
    if not isinstance(raw, dict):
        raise ConfigurationError(
            f"{file} must hold keys and values, got {type(raw).__name__}", "write lines such as base: shop"
        )
    return raw


def yaml_of(text: str, where: str) -> Any:
    """Return what a YAML text says; a mistake is a ConfigurationError that says what to write instead."""
    try:
        return read_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(
            f"{where} is not readable YAML: {error}", yaml_advice(error, text)
        ) from error


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
        place[last] = read_yaml(value)
    except ImpossibleDayError as error:
        raise ConfigurationError(f"{override}: {error}", "correct the day") from error
    except yaml.YAMLError:  # a lone comma, or %d.%m.%Y: no YAML, and meant as it stands
        place[last] = value


def _describe(model: type[BaseModel], item: Any) -> str:
    location = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = _fields_at(model, item["loc"][:-1])
        return f"unknown key {location!r}{did_you_mean(str(item['loc'][-1]), known)}"
    if item["type"] == "missing":
        return f"missing key {location!r}"
    if item["type"] == "string_type" and isinstance(item["input"], bool):
        word = "NO" if item["input"] is False else "yes"
        return (
            f'{location}: YAML reads {word} as "{str(item["input"]).lower()}": write it in quotes, "{word}"'
        )
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
