"""YAML -> frozen, checked settings; every mistake of a file in one error, with the nearest known key."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from segml.errors import ConfigurationError, did_you_mean

T = TypeVar("T", bound="Settings")


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
        lines = [_describe(model, item) for item in error.errors()]
        raise ConfigurationError(
            f"{where} has {len(lines)} mistake{'s' if len(lines) > 1 else ''}:\n  - " + "\n  - ".join(lines),
            "correct these keys and values; src/segml/config/ and the files in configs/ show every setting",
        ) from None


class _StrictLoader(yaml.SafeLoader):
    """YAML without the trap that of two equal keys the last one wins in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key, line = self.construct_object(key_node), key_node.start_mark.line + 1
            if key in seen:
                raise yaml.YAMLError(f"the key {key!r} stands twice, in lines {seen[key]} and {line}")
            seen[key] = line
        return super().construct_mapping(node, deep)


def read_yaml(text: str) -> Any:
    """Return what a YAML text says.

    Raises
    ------
    yaml.YAMLError
        No YAML, or a key that stands twice.

    Examples
    --------
    >>> read_yaml("{a: 1, b: [x, y]}")
    {'a': 1, 'b': ['x', 'y']}
    """
    return yaml.load(text, Loader=_StrictLoader)  # a SafeLoader: no tag constructs anything


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        raw = read_yaml(file.read_text(encoding="utf-8"))
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
