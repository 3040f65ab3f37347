"""Definitions of tags -> one long table: who carries which tag, since when, by which criterion and model.

Thresholds are learnt first (a few numbers come home), then every tag is one column of one pass over the base, then
the columns are laid end to end. A tag whose columns are missing is listed as unavailable with the reason; the others
are written as if it had never been defined.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from segml.engine import Engine
from segml.engine.quantiles import quantile_sql
from segml.errors import DataError
from segml.evaluation.hazard import HazardComparison
from segml.scoring.source_table import write_source_frame
from segml.scoring.tag_sources import BEHIND
from segml.scoring.tags import (
    TagCatalogue,
    TagDefinition,
    filled,
    missing_columns,
    parameter_references,
    without_tables,
)
from segml.tables.partition import content_sha256, write_manifest, writing
from segml.time_windows import Cutoff

TAG_COLUMNS = ("customer_id", "family", "tag", "value", "valid_from", "definition_hash", "model_version")
_WIDE = "tags_wide"
_JOINED = ("features", "scores", "customers", *BEHIND, "previous")


@dataclass(frozen=True)
class UnavailableTag:
    """A tag that could not be given to anybody, and why."""

    family: str
    tag: str
    reason: str


@dataclass(frozen=True)
class TagQueries:
    """The SQL of a tag table: one pass into a wide table, then end to end."""

    wide: str
    long: str
    available: tuple[TagDefinition, ...]
    unavailable: tuple[UnavailableTag, ...]


@dataclass(frozen=True)
class TagsReport:
    """What was written: people by tag and value, thresholds learnt, and what is unavailable."""

    counts: pd.DataFrame  # family, tag, value, people, criterion, definition_hash
    thresholds: dict[str, float | None]
    unavailable: tuple[UnavailableTag, ...]
    sources: pd.DataFrame | None = None  # of `segml.scoring.source_table`


def available_columns(engine: Engine, tables: Sequence[str] = _JOINED) -> dict[str, list[str]]:
    """Return the columns of those of `tables` that are registered."""
    return {table: engine.columns(table) for table in tables if engine.exists(table)}


def joined_sql(available: Mapping[str, Collection[str]]) -> tuple[str, str]:
    """Return the table that names the base and the joined relation of all tables that are there."""
    tables = [table for table in _JOINED if table in available]
    if not tables:
        raise DataError("tags need at least one of features, scores, customers", "run `segml score` first")
    base = tables[0]
    joins = [f" left join {table} on {table}.customer_id = {base}.customer_id" for table in tables[1:]]
    return base, base + "".join(joins)


def learn_thresholds(
    engine: Engine, catalogue: TagCatalogue, available: Mapping[str, Collection[str]]
) -> dict[str, float | None]:
    """Return every threshold: those given, and those learnt on the base; None when it can't be learnt."""
    thresholds: dict[str, float | None] = dict(catalogue.given)
    _, relation = joined_sql(available)
    for name, parameter in catalogue.learnt.items():
        if missing_columns(parameter_references(parameter), available):
            thresholds[name] = None
            continue
        value = engine.value(
            quantile_sql(
                filled(parameter.of, thresholds),
                relation,
                parameter.quantile,
                filled(parameter.where, thresholds),
            )
        )
        thresholds[name] = None if value is None else float(value)
    return thresholds


def build_tags_sql(
    definitions: Sequence[TagDefinition],
    available: Mapping[str, Collection[str]],
    as_of: Cutoff,
    thresholds: Mapping[str, float | None],
    allow_special: bool = False,
    claims: Mapping[str, HazardComparison] | None = None,
    why_unknown: Mapping[str, str] | None = None,
) -> TagQueries:
    """Write the queries of a tag table.

    Parameters
    ----------
    definitions : sequence of TagDefinition
        From `load_tags`.
    available : mapping of str to columns
        The columns of the registered tables (`available_columns`).
    as_of : Cutoff
        The day from which the tags are valid.
    thresholds : mapping of str to float
        From `learn_thresholds`.
    allow_special : bool
        Include definitions marked `special`.
    claims : mapping of ``family.tag`` to HazardComparison, optional
        What the tests of claims found (`segml.scoring.claims`); a claim that is not among them was not tested.
    why_unknown : mapping of str to str, optional
        Threshold given from outside -> why it is not known.
    """
    kept: list[tuple[TagDefinition, str]] = []
    unavailable: list[UnavailableTag] = []
    for definition in definitions:
        reason = _why_not(definition, available, thresholds, allow_special, claims or {}, why_unknown or {})
        if reason:
            unavailable.append(UnavailableTag(definition.family, definition.tag, reason))
        else:
            kept.append((definition, _value_sql(definition, available, thresholds)))
    base, relation = joined_sql(available)
    columns = [f"{base}.customer_id as customer_id"]
    parts = []
    for place, (definition, value) in enumerate(kept):
        columns.append(f"{value} as tag_{place}")
        columns.append(f"{_version_sql(definition, available)} as version_{place}")
        parts.append(_part_sql(definition, place, as_of, thresholds))
    wide = f"select {', '.join(columns)} from {relation} order by customer_id"
    return TagQueries(
        wide, " union all ".join(parts), tuple(definition for definition, _ in kept), tuple(unavailable)
    )


def write_tags(
    engine: Engine,
    catalogue: TagCatalogue,
    as_of: Cutoff,
    folder: Path,
    allow_special: bool = False,
    claims: Mapping[str, HazardComparison] | None = None,
    sources: pd.DataFrame | None = None,
) -> TagsReport:
    """Write ``tags.parquet``, what is known of sources, and a manifest into `folder`, replaced as a whole.

    Parameters
    ----------
    engine : Engine
        With ``features``, ``scores`` and ``customers`` registered, as far as they exist.
    catalogue : TagCatalogue
        From `load_tags`.
    as_of : Cutoff
        The day scored.
    folder : Path
        ``data/tags/<base>/as_of=<day>``.
    allow_special, claims
        See `build_tags_sql`.
    sources : DataFrame, optional
        From `segml.scoring.source_table.source_frame`.
    """
    available = available_columns(engine)
    thresholds = learn_thresholds(engine, catalogue, available)
    queries = build_tags_sql(
        catalogue.definitions, available, as_of, thresholds, allow_special, claims, catalogue.why_unknown
    )
    if not queries.available:
        raise DataError("no tag is available: its tables or columns are missing", "run `segml score` first")
    engine.run(queries.wide, _WIDE)
    try:
        with writing(folder) as temporary:
            rows = engine.write(queries.long, temporary / "tags.parquet")
            counts = _counts(engine, queries, thresholds, claims or {})
            report = TagsReport(counts, thresholds, queries.unavailable, sources)
            if sources is not None:
                write_source_frame(sources, temporary)
            write_manifest(temporary, _manifest(report, rows, as_of))
    finally:
        engine.drop(_WIDE)
    return report


def _counts(
    engine: Engine,
    queries: TagQueries,
    thresholds: Mapping[str, float | None],
    claims: Mapping[str, HazardComparison],
) -> pd.DataFrame:
    counts = engine.fetch(
        f"select family, tag, value, definition_hash, count(*) as people from ({queries.long}) as tags"
        " group by family, tag, value, definition_hash order by family, tag, value",
    )
    sentence = {
        (d.family, d.tag): filled(d.criterion, thresholds, readable=True)
        + (f" Tested at an earlier day: {claims[d.name].sentence}." if d.claim else "")
        for d in queries.available
    }
    counts["criterion"] = [sentence[pair] for pair in zip(counts["family"], counts["tag"], strict=True)]
    return counts[["family", "tag", "value", "people", "criterion", "definition_hash"]]


def _manifest(report: TagsReport, rows: int, as_of: Cutoff) -> dict[str, object]:
    return {
        "as_of": as_of.label,
        "rows": rows,
        "thresholds": report.thresholds,
        "criteria": {
            f"{row.family}.{row.tag}": row.criterion
            for row in report.counts.drop_duplicates(["family", "tag"]).itertuples()
        },
        "unavailable": {f"{tag.family}.{tag.tag}": tag.reason for tag in report.unavailable},
    }


def _why_not(
    definition: TagDefinition,
    available: Mapping[str, Collection[str]],
    thresholds: Mapping[str, float | None],
    allow_special: bool,
    claims: Mapping[str, HazardComparison],
    why_unknown: Mapping[str, str],
) -> str:
    if definition.special and not allow_special:
        return "special-category field or a proxy of one: opt in to use it"
    missing = missing_columns(definition.references, available)
    if missing:
        tables = sorted({column.partition(".")[0] for column in missing} - set(available))
        behind = [BEHIND[table] for table in tables if table in BEHIND]
        return "missing: " + ", ".join(missing) + (f" (no table {', '.join(behind)})" if behind else "")
    if definition.largest_of and not _family_columns(definition, available):
        return f"missing: no column {definition.largest_of}"
    if definition.claim:
        found = claims.get(definition.name)
        if found is None:
            return "its claim was not tested: no earlier snapshot with a closed window"
        if not found.holds:
            return f"its claim did not hold at an earlier day: {found.sentence}"
    unlearnt = [name for name in definition.parameters if thresholds.get(name) is None]
    if unlearnt and unlearnt[0] in why_unknown:
        return why_unknown[unlearnt[0]]
    return f"nobody to learn the threshold {', '.join(unlearnt)} from" if unlearnt else ""


def _value_sql(
    definition: TagDefinition,
    available: Mapping[str, Collection[str]],
    thresholds: Mapping[str, float | None],
) -> str:
    if definition.largest_of:
        value = _largest_sql(definition, available)
    elif definition.expression:
        value = f"cast({filled(definition.expression, thresholds)} as string)"
    else:
        whens = " ".join(
            f"when {filled(case.when, thresholds)} then {_literal(case.value)}" for case in definition.cases
        )
        value = f"case {whens} else {_literal(definition.otherwise) if definition.otherwise else 'null'} end"
    if definition.among:
        value = f"case when {filled(definition.among, thresholds)} then {value} else null end"
    value = without_tables(value, available)
    return f"nullif(trim(cast({value} as string)), '')"


def _family_columns(definition: TagDefinition, available: Mapping[str, Collection[str]]) -> list[str]:
    table, _, pattern = definition.largest_of.partition(".")
    prefix = pattern.removesuffix("*")
    return sorted(column for column in available.get(table, ()) if column.startswith(prefix))


def _largest_sql(definition: TagDefinition, available: Mapping[str, Collection[str]]) -> str:
    table, _, pattern = definition.largest_of.partition(".")
    columns = _family_columns(definition, available)
    known = {column: f"coalesce({table}.{column}, cast(-1 as double))" for column in columns}
    largest = f"greatest({', '.join(known.values())})" if len(known) > 1 else next(iter(known.values()))
    least = f"cast({definition.at_least!r} as double)"
    whens = " ".join(
        f"when {value} = {largest} then {_literal(column.removeprefix(pattern.removesuffix('*')))}"
        for column, value in known.items()
    )
    return f"case when {largest} < {least} or {largest} <= 0 then null {whens} end"


def _version_sql(definition: TagDefinition, available: Mapping[str, Collection[str]]) -> str:
    """Say which models stand behind a tag: the version columns whose task the score's name starts with."""
    ending = "_model_version"
    tasks = [c.removesuffix(ending) for c in sorted(available.get("scores", ())) if c.endswith(ending)]
    used = sorted(
        {
            task
            for table, column in definition.references
            if table == "scores"
            for task in tasks
            if column.startswith(f"{task}_")
        }
    )
    if not used:
        return "cast(null as string)"
    versions = [f"coalesce(cast(scores.{task}{ending} as string), '')" for task in used]
    return versions[0] if len(versions) == 1 else "concat(" + ", '+', ".join(versions) + ")"


def _part_sql(
    definition: TagDefinition, place: int, as_of: Cutoff, thresholds: Mapping[str, float | None]
) -> str:
    used = {name: thresholds.get(name) for name in definition.parameters}
    digest = content_sha256({"definition": definition.model_dump(mode="json"), "thresholds": used})[:16]
    return (
        f"select customer_id, {_literal(definition.family)} as family, {_literal(definition.tag)} as tag,"
        f" tag_{place} as value, {_literal(as_of.label)} as valid_from, {_literal(digest)} as definition_hash,"
        f" version_{place} as model_version from {_WIDE} where tag_{place} is not null"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
