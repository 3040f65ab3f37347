"""Migration between two runs on disk: the engine counts, some hundred flows come home.

The same flows as `segml.models.segments.migration` makes from series; this is for bases that do not fit in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from segml.engine import Engine
from segml.models.segments.migration import JOINED, LEFT, with_shares
from segml.tables.partition import write_manifest, writing

MIGRATING_TAGS = ("lifecycle.stage", "value.predicted_tier", "behavioural.segment", "behavioural.rfm_name")
"""Tags whose flows every run writes."""


def migration_of_runs(
    engine: Engine,
    tags: tuple[Path, Path],
    tag_names: Sequence[str] = MIGRATING_TAGS,
    scores: tuple[Path, Path] | None = None,
    money: str = "clv_historic",
) -> pd.DataFrame:
    """Flows of several tags between an earlier and a later run.

    Parameters
    ----------
    engine : Engine
    tags : (Path, Path)
        ``tags.parquet`` of the earlier and of the later run.
    tag_names : sequence of ``family.tag``
    scores : (Path, Path), optional
        ``scores.parquet`` of both; without them, or without the money column, money is 0.
    money : str
        Column of the scores that values a customer.

    Returns
    -------
    DataFrame
        `tag, before, after, people, money_before, money_after, share`.
    """
    for name, place in zip(("tags_before", "tags_after"), tags, strict=True):
        engine.register(name, place)
    worth = ["cast(0 as double)", "cast(0 as double)"]
    joins = ""
    for number, side in enumerate(("before", "after") if scores else ()):
        engine.register(f"scores_{side}", scores[number] if scores else ())
        if money in engine.columns(f"scores_{side}"):
            joins += f" left join scores_{side} on scores_{side}.customer_id = moved.customer_id"
            worth[number] = f"coalesce(scores_{side}.{money}, 0)"
    frames = [_flows(engine, name, joins, worth) for name in tag_names]
    return pd.concat(frames, ignore_index=True)


def _flows(engine: Engine, tag: str, joins: str, worth: list[str]) -> pd.DataFrame:
    family, _, name = tag.partition(".")
    sides = [
        f"(select customer_id, value from tags_{side} where family = '{family}' and tag = '{name}') {side}"
        for side in ("earlier", "later")
    ]
    sides = [
        text.replace("tags_earlier", "tags_before").replace("tags_later", "tags_after") for text in sides
    ]
    # Cents, so that the sum is the same in any order.
    cents = [f"sum(cast(round(100 * {value}) as bigint))" for value in worth]
    flows = engine.fetch(
        f"select moved.before, moved.after, count(*) as people, {cents[0]} as money_before,"
        f" {cents[1]} as money_after from (select coalesce(earlier.customer_id, later.customer_id) as customer_id,"
        f" coalesce(earlier.value, '{JOINED}') as before, coalesce(later.value, '{LEFT}') as after"
        f" from {sides[0]} full outer join {sides[1]} on later.customer_id = earlier.customer_id) moved{joins}"
        " group by moved.before, moved.after"
    )
    flows = flows.assign(
        money_before=flows["money_before"].astype(float) / 100,
        money_after=flows["money_after"].astype(float) / 100,
    )
    flows = with_shares(flows)
    flows.insert(0, "tag", tag)
    return flows


def write_migration(flows: pd.DataFrame, folder: Path, between: tuple[str, str]) -> None:
    """Write ``migration.csv`` and its manifest into `folder`, replacing what was there."""
    with writing(folder) as temporary:
        flows.to_csv(temporary / "migration.csv", index=False, lineterminator="\n")
        write_manifest(temporary, {"before": between[0], "after": between[1], "rows": len(flows)})
