"""A list against the one before it: who came, who went and why, so that a sending tool is told only what changed.

The list before is the campaign's newest of an earlier day. Those who went are counted by the reason that keeps them
off today; a rerun of the same day compares with the same earlier list and writes the same bytes. Two records of it that
are one person today count as that person.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from segml.campaigns.holdout import TREATED
from segml.engine import Engine
from segml.tables.identity import under_todays_ids_sql
from segml.time_windows import Cutoff

_AS_OF = "as_of="
NO_LONGER_KNOWN = "no_longer_known"


@dataclass(frozen=True)
class ListChanges:
    """How many people a list gained and lost since `previous`, the day of the list before.

    Attributes
    ----------
    removed_by_reason : dict of str to int
        Why those who went are not on the list today; `holdout` when their arm changed with its share.
    """

    previous: str
    added: int
    kept: int
    removed: int
    removed_by_reason: dict[str, int] = field(default_factory=dict)


def previous_list(folder: Path, campaign: str, as_of: Cutoff) -> Path | None:
    """Return the campaign's newest list of a day before `as_of`, or None."""
    days = {
        Cutoff.parse(file.parent.name.removeprefix(_AS_OF)): file
        for file in (folder / campaign).glob(f"{_AS_OF}*/list.parquet")
    }
    earlier = [day for day in days if day < as_of]
    return days[max(earlier)] if earlier else None


def find_changes(engine: Engine, previous: Path, refused: bool) -> ListChanges:
    """Compare ``list_placed`` with the list before; keep the rows that differ as ``list_changes``.

    A refused list is nobody: everybody of the list before is removed, for `list_refused` if nothing else.
    """
    engine.register("list_written", previous)
    try:
        engine.view(under_todays_ids_sql(engine, "list_written"), "list_before")
        engine.run(_changes_sql(refused), "list_changes")
        counts = engine.fetch(
            "select change, reason, count(*) as people from list_changes group by change, reason order by 1, 2"
        )
        engine.run("select customer_id, change from list_changes where change <> 'keep'", "list_differences")
    finally:
        engine.drop("list_before")
        engine.drop("list_written")
        engine.drop("list_changes")
    sums = counts.groupby("change")["people"].sum()
    gone = counts[counts["change"] == "remove"]
    return ListChanges(
        previous=previous.parent.name.removeprefix(_AS_OF),
        added=int(sums.get("add", 0)),
        kept=int(sums.get("keep", 0)),
        removed=int(sums.get("remove", 0)),
        removed_by_reason=dict(
            zip(gone["reason"].astype(str), gone["people"].astype(int).tolist(), strict=True)
        ),
    )


def changes_sql() -> str:
    """Return the query for who came (`add`) and who went (`remove`), by id."""
    return "select customer_id, change from list_differences order by customer_id"


def _changes_sql(refused: bool) -> str:
    on = "false" if refused else f"placed.reason is null and placed.arm = '{TREATED}'"
    otherwise = "'list_refused'" if refused else "placed.arm"
    known = f"coalesce(placed.reason, {otherwise}, '{NO_LONGER_KNOWN}')"
    change = f"case when before.customer_id is null then 'add' when {on} then 'keep' else 'remove' end"
    why = f"case when before.customer_id is null or {on} then '' else {known} end"
    return (
        f"select coalesce(placed.customer_id, before.customer_id) as customer_id, {change} as change, {why} as reason"
        " from list_placed placed full outer join list_before before on before.customer_id = placed.customer_id"
        f" where before.customer_id is not null or {on}"
    )
