"""The README's examples are true: its configuration loads, its columns and settings exist."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from segml.campaigns.catalogue import Campaign, find_mistakes
from segml.campaigns.costs import CampaignCost
from segml.campaigns.list_files import LIST_COLUMNS
from segml.campaigns.policy import REASONS
from segml.config import Config, CountryRules, ListSettings, validated
from segml.scoring.tags import load_tags
from segml.tables.catalog import TABLES

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_configuration_of_the_readme_loads_as_it_stands() -> None:
    block = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)[0]
    config = validated(Config, yaml.safe_load(block), "README.md")
    assert config.base == "shop"
    assert not config.lists.consent.required
    assert len(block.splitlines()) <= 12


def test_the_campaign_of_the_readme_is_one_and_names_what_exists() -> None:
    block = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)[1]
    campaign = validated(Campaign, yaml.safe_load(block), "README.md")
    assert find_mistakes([campaign], tag_values=load_tags().values()) == []
    assert campaign.cost is not None
    assert campaign.cost.per_contact == 0.45
    for name in re.findall(r"`(\w+)`", README.split("### A campaign")[1].split("### What the columns")[0]):
        known = {
            *Campaign.model_fields,
            *ListSettings.model_fields,
            *CountryRules.model_fields,
            *Config.model_fields,
        }
        known |= {*CampaignCost.model_fields, *LIST_COLUMNS, *TABLES, *REASONS}
        assert name in known, name


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
