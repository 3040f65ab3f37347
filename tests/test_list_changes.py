"""A list against the one before: nobody is counted twice, and who went has a reason (R50, R58)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from campaign_world import AS_OF, anybody, campaign, engine_with, listed, world
from segml.campaigns.lists import build_lists
from segml.campaigns.results import ListsReport
from segml.tables.partition import read_manifest

NEXT = AS_OF.plus_days(60)


def built(tables: dict[str, pd.DataFrame], folder: Path, as_of: Any, **settings: Any) -> ListsReport:
    with engine_with(tables) as engine:
        return build_lists(engine, [campaign(max_size=200)], anybody(**settings), as_of, "run", folder)


def next_day(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the base with other values, one buyer gone, and one who has objected."""
    scores = tables["scores"].assign(
        clv_historic=tables["scores"]["clv_historic"].sample(frac=1, random_state=1).values
    )
    return {**tables, "scores": scores}


def test_added_and_removed_are_the_difference_of_the_two_files(tmp_path: Path) -> None:
    tables = world(500)
    assert built(tables, tmp_path, AS_OF).campaigns[0].changes is None
    result = built(next_day(tables), tmp_path, NEXT).campaigns[0]
    before = set(listed(tmp_path, "win_back")["customer_id"])
    after = set(listed(tmp_path, "win_back", as_of=NEXT)["customer_id"])
    changes = result.changes
    assert changes is not None
    assert changes.previous == AS_OF.label
    assert (changes.added, changes.removed) == (len(after - before), len(before - after))
    assert changes.kept == len(after & before) > 0
    assert sum(changes.removed_by_reason.values()) == changes.removed > 0
    file = listed(tmp_path, "win_back", "changes", NEXT).groupby("change")["customer_id"].agg(set)
    assert file.to_dict() == {"add": after - before, "remove": before - after}
    where = tmp_path / "win_back" / f"as_of={NEXT.label}"
    manifest = read_manifest(where) or {}
    assert manifest["changes"]["removed"] == changes.removed
    written = pd.read_csv(where / "exclusions.csv")
    assert written["removed"].sum() == changes.removed
    assert written["people"].sum() + result.listed + result.held_out + result.globally_held_out == result.base


def test_a_rerun_of_the_day_compares_with_the_earlier_day_and_writes_the_same(tmp_path: Path) -> None:
    tables = world(300)
    built(tables, tmp_path, AS_OF)
    first = built(tables, tmp_path, NEXT).campaigns[0].changes
    assert built(tables, tmp_path, NEXT).campaigns[0].changes == first


@pytest.mark.filterwarnings("error")
def test_a_refused_list_takes_everybody_off(tmp_path: Path) -> None:
    tables = world(300)
    size = built(tables, tmp_path, AS_OF).campaigns[0].listed
    result = built(tables, tmp_path, NEXT, minimum_list=1_000).campaigns[0]
    assert result.status == "refused"
    assert result.changes is not None
    assert (result.changes.added, result.changes.kept, result.changes.removed) == (0, 0, size)


def test_two_records_of_the_list_before_that_are_one_person_today_are_no_change(tmp_path: Path) -> None:
    tables = world(300)
    built(tables, tmp_path, AS_OF)
    first, second = listed(tmp_path, "win_back")["customer_id"].iloc[:2]
    merged = {
        name: frame[frame["customer_id"] != second] if "customer_id" in frame else frame
        for name, frame in tables.items()
    }
    merged["identity"] = pd.DataFrame({"customer_id": [first, second], "person_id": [first, first]})
    built(merged, tmp_path, NEXT)
    changes = listed(tmp_path, "win_back", "changes", NEXT)
    assert not {first, second} & set(changes["customer_id"])
