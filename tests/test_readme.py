"""The README's examples are true: its configuration loads, its columns and settings exist."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from segml.config import Config, validated

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_configuration_of_the_readme_loads_as_it_stands() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    config = validated(Config, yaml.safe_load(block), "README.md")
    assert config.base == "shop"
    assert not config.lists.consent.required
    assert len(block.splitlines()) <= 12


def test_the_python_of_the_readme_names_what_exists() -> None:
    import segml

    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    names = set(re.findall(r"\bsegml\.(\w+)\b", code)) - {"completejourney"}
    assert names
    assert names <= set(dir(segml))
    plots = set(re.findall(r"\bsegml\.plots\.(\w+)\b", code))
    assert plots <= set(segml.plots.__all__)


def test_every_file_that_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert not [link for link in links if not (Path(__file__).parents[1] / link).exists()]
