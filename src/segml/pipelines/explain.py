"""`segml explain`: one person's lists, scores, tags, consent and contacts, with the rule and number behind each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from segml.campaigns.catalogue import load_campaigns
from segml.campaigns.explain import PersonExplained, explain_person
from segml.campaigns.list_files import list_folder
from segml.campaigns.results import ListsReport
from segml.config import Config
from segml.engine import Engine
from segml.engine.keys import text_sql
from segml.errors import DataError
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.lists import register_day, register_suppressions
from segml.pipelines.narration import Narrator, Silent
from segml.sources.identity import records_of
from segml.time_windows import Cutoff

_KEYS = ("customer_id", "as_of", "cutoff")


@dataclass(frozen=True)
class ExplainResult:
    """Everything that is known of one person and led to a list or to none.

    Attributes
    ----------
    scores, features : dict of str to value
        The person's rows, without what is unknown; empty for somebody who objected to profiling.
    tags : DataFrame
        family, tag, value.
    """

    config: Config
    as_of: Cutoff
    explained: PersonExplained
    scores: dict[str, Any]
    features: dict[str, Any]
    tags: pd.DataFrame


def explain(config: Config, customer: str, narrator: Narrator | None = None) -> ExplainResult:
    """Explain the day's lists for one customer.

    Raises
    ------
    DataError
        No scores of that day, or no such customer; the message names ids that look like it.
    """
    tell = narrator or Silent()
    with open_base(config, tell) as base:
        return explain_in_base(base, customer)


def explain_in_base(base: OpenBase, customer: str) -> ExplainResult:
    """Explain the lists of a base that is open already."""
    config, engine = base.config, base.engine
    register_day(base)
    customer, _ = records_of(base.report.folder, customer)
    register_suppressions(base)
    require_customer(engine, customer, config.base)
    campaigns = load_campaigns(config.path(config.lists.folder))
    explained = explain_person(
        engine, campaigns, config.lists, base.as_of, config.data_path("lists"), customer
    )
    mine = f"customer_id = {text_sql(customer)}"
    tags = engine.fetch(f"select family, tag, value from tags where {mine} order by family, tag")
    return ExplainResult(
        config, base.as_of, explained, _row(engine, "scores", mine), _row(engine, "features", mine), tags
    )


def first_listed(engine: Engine, report: ListsReport, folder: Path) -> str:
    """Return who comes first by rank on the first list, by priority, that was built; empty when none was."""
    for result in report.campaigns:
        if result.status == "built" and result.listed and not result.campaign.is_seed:
            place = list_folder(folder, result.campaign.name, report.as_of) / "list.parquet"
            engine.register("first_list", place)
            direction = "desc" if result.campaign.rank_by.direction == "highest" else "asc"
            sql = f"select customer_id from first_list order by score {direction} nulls last, customer_id limit 1"
            found = str(engine.value(sql))
            engine.drop("first_list")
            return found
    return ""


def require_customer(engine: Engine, customer: str, base: str) -> None:
    """Raise unless `customers` has this id.

    Raises
    ------
    DataError
        With up to three ids that look like it.
    """
    if engine.value(f"select count(*) from customers where customer_id = {text_sql(customer)}"):
        return
    distance = f"levenshtein(customer_id, {text_sql(customer)})"
    near = engine.fetch(
        f"select customer_id from customers where {distance} <= 2 order by {distance}, customer_id limit 3"
    )
    hint = f"; near it: {', '.join(near['customer_id'].astype(str))}" if len(near) else ""
    raise DataError(
        f"no customer {customer!r} in {base}{hint}", "give an id as it stands in the table customers"
    )


def _row(engine: Engine, table: str, mine: str) -> dict[str, Any]:
    rows = engine.fetch(f"select * from {table} where {mine}", 1)
    if not len(rows):
        return {}
    return {str(name): value for name, value in rows.iloc[0].items() if name not in _KEYS and pd.notna(value)}
