"""YAML as far as configurations need it: no key twice, no day that is none, and nothing that grows when it is read.

A few lines of aliases can unfold to billions of values, and nesting without end exhausts the stack: both are refused
while the text is composed, before anything of their size exists.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

MOST_LEVELS = 40
MOST_VALUES = 200_000
MOST_CHARACTERS = 4_000_000
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MERGE = "tag:yaml.org,2002:merge"


class ImpossibleDayError(yaml.YAMLError):
    """A value that has the form of a day, and no calendar has it."""


class _StrictLoader(yaml.SafeLoader):
    """A SafeLoader (no tag constructs anything) that refuses what it would read wrongly or without end."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._sizes: dict[int, tuple[int, int]] = {}  # node -> values and levels in it, aliases unfolded
        self._level = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        line = self.peek_event().start_mark.line + 1
        self._level += 1
        if self._level > MOST_LEVELS:
            raise yaml.YAMLError(f"line {line}: more than {MOST_LEVELS} levels of keys in keys")
        known = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._level -= 1
        if known and id(node) not in self._sizes:
            raise yaml.YAMLError(f"line {line}: an alias that holds itself")
        if not known:
            self._measure(node, line)
        return node

    def _measure(self, node: Any, line: int) -> None:
        inner: list[Any] = []
        if isinstance(node, yaml.MappingNode):
            inner = [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            inner = node.value
        sizes = [self._sizes[id(part)] for part in inner]
        size, levels = 1 + sum(s for s, _ in sizes), 1 + max((d for _, d in sizes), default=0)
        if size > MOST_VALUES:
            raise yaml.YAMLError(f"line {line}: more than {MOST_VALUES:,} values, its aliases unfolded")
        if levels > MOST_LEVELS:
            raise yaml.YAMLError(f"line {line}: more than {MOST_LEVELS} levels of keys in keys")
        self._sizes[id(node)] = (size, levels)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _MERGE:
                continue
            key, line = self.construct_object(key_node), key_node.start_mark.line + 1
            if key in seen:
                raise yaml.YAMLError(f"the key {key!r} stands twice, in lines {seen[key]} and {line}")
            seen[key] = line
        return super().construct_mapping(node, deep)

    def construct_day(self, node: yaml.ScalarNode) -> Any:
        """Return a date or a moment."""
        try:
            return self.construct_yaml_timestamp(node)
        except ValueError as error:
            line = node.start_mark.line + 1
            raise ImpossibleDayError(f"line {line}: {node.value} is no day there is: {error}") from None


_StrictLoader.add_constructor(_TIMESTAMP, _StrictLoader.construct_day)


def read_yaml(text: str) -> Any:
    """Return what a YAML text says.

    Raises
    ------
    yaml.YAMLError
        No YAML, a key that stands twice, a day that is none, or more levels and values than a configuration has.

    Examples
    --------
    >>> read_yaml("{a: 1, b: [x, y]}")
    {'a': 1, 'b': ['x', 'y']}
    >>> read_yaml("as_of: 2023-02-30")
    Traceback (most recent call last):
    ...
    segml.config.yaml_text.ImpossibleDayError: line 1: 2023-02-30 is no day there is: day is out of range for month
    """
    if len(text) > MOST_CHARACTERS:
        raise yaml.YAMLError(f"{len(text):,} characters, and a configuration has at most {MOST_CHARACTERS:,}")
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except ValueError as error:  # a number of thousands of digits, or none after a tag that promises one
        raise yaml.YAMLError(str(error)) from error


def yaml_advice(error: yaml.YAMLError, text: str) -> str:
    """Return what to write instead, computed from the line that can't be read.

    Examples
    --------
    >>> text = "time_format: %d.%m.%Y"
    >>> try:
    ...     read_yaml(text)
    ... except yaml.YAMLError as error:
    ...     yaml_advice(error, text)
    'put the value in quotes: time_format: "%d.%m.%Y"'
    """
    if isinstance(error, ImpossibleDayError):
        return "correct the day"
    mark: Any = getattr(error, "problem_mark", None)
    lines = text.splitlines()
    line = lines[mark.line] if mark is not None and mark.line < len(lines) else ""
    if mark is not None and "\t" in line[: len(line) - len(line.lstrip())]:
        return f"indent line {mark.line + 1} with blanks, YAML takes no tabs there"
    said = str(error)
    pair = re.fullmatch(r"\s*(?:- )?([\w.]+):\s+([^'\"{\[].*?)\s*", line)
    if pair and ("cannot start any token" in said or "but found" in said or "not allowed here" in said):
        value = pair[2].replace("\\", "\\\\").replace('"', '\\"')
        return f'put the value in quotes: {pair[1]}: "{value}"'
    if "cannot start any token" in said:
        return "put the value in quotes"
    return "correct this line; the files in configs/ show how settings are written"
