"""Tags that claim something are tested before they are given: at an earlier day, against what happened after it.

"Regular but unattached" is only worth saying when such people really leave more often. The definition itself is run
on an earlier snapshot whose window has closed; when the interval of the hazard ratio includes 1, nobody gets the tag.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from segml.engine import Engine
from segml.evaluation.hazard import HazardComparison, compare_hazards
from segml.scoring.tag_table import available_columns, build_tags_sql, learn_thresholds
from segml.scoring.tags import TagCatalogue, TagDefinition
from segml.tables.partition import read_manifest
from segml.time_windows import Cutoff


def measure_claims(
    engine: Engine, catalogue: TagCatalogue, snapshots: Path, as_of: Cutoff, horizon_days: int
) -> dict[str, HazardComparison]:
    """Test every claim of a catalogue on the latest snapshot before `as_of` whose window has closed.

    Parameters
    ----------
    engine : Engine
        ``features`` is registered by this function and is the earlier snapshot afterwards.
    snapshots : Path
        ``data/features/<base>``.
    horizon_days : int
        Silent for so long counts as having left.

    Returns
    -------
    dict of ``family.tag`` to HazardComparison
        Empty when there is no such snapshot; definitions whose columns it lacks are left out.
    """
    claims = [definition for definition in catalogue.definitions if definition.claim]
    earlier = closed_snapshot(snapshots, as_of, horizon_days)
    if not claims or earlier is None:
        return {}
    engine.register("features", earlier / "features")
    engine.register("labels", earlier / "labels")
    try:
        found = {claim.name: _tested(engine, catalogue, claim, as_of, horizon_days) for claim in claims}
    finally:
        engine.drop("labels")
    return {name: comparison for name, comparison in found.items() if comparison is not None}


def closed_snapshot(snapshots: Path, as_of: Cutoff, horizon_days: int) -> Path | None:
    """Return the latest snapshot before a day whose window of `horizon_days` had closed by then, or None."""
    for place in sorted(snapshots.glob("cutoff=*"), reverse=True):
        cutoff = Cutoff.parse(place.name.removeprefix("cutoff="))
        if as_of < cutoff.plus_days(horizon_days):
            continue
        manifest: Mapping[str, object] = read_manifest(place) or {}
        horizons = manifest.get("horizons") or []
        if isinstance(horizons, list) and horizon_days in horizons and (place / "labels").is_dir():
            return place
    return None


def _tested(
    engine: Engine, catalogue: TagCatalogue, definition: TagDefinition, as_of: Cutoff, horizon_days: int
) -> HazardComparison | None:
    available = available_columns(engine, ("features",))
    thresholds = learn_thresholds(engine, catalogue, available)
    bare = definition.model_copy(update={"claim": None})
    queries = build_tags_sql([bare], available, as_of, thresholds)
    if not queries.available:
        return None
    silent = f"labels.silent_next_{horizon_days}d"
    counts = engine.fetch(
        f"select tag_0 as value, count({silent}) as people, sum({silent}) as gone from ({queries.wide}) as then_"
        " join labels on labels.customer_id = then_.customer_id where tag_0 is not null group by tag_0"
    ).set_index("value")
    claim = definition.claim
    sides = [claim.value, claim.against] if claim else []
    counted = counts.reindex(sides).fillna(0)
    people, gone = (tuple(int(n) for n in counted[column]) for column in ("people", "gone"))
    return compare_hazards((people[0], people[1]), (gone[0], gone[1]))
