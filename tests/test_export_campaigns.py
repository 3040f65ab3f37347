"""Campaigns that ask for exports, and audiences for advertising, which contact nobody (R53, R56)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from campaign_world import AS_OF, anybody, campaign, day, engine_with, list_settings, listed, world
from segml.campaigns.catalogue import Campaign
from segml.campaigns.export.tables import export_lists
from segml.campaigns.list_files import list_folder
from segml.campaigns.lists import build_lists
from segml.campaigns.results import ListsReport
from segml.config import ListSettings
from segml.time_windows import Cutoff

SEED = {"purpose": "ads_sharing", "priority": 90, "exports": [{"platform": "meta"}, {"platform": "google"}]}


def base(shared: int = 600) -> dict[str, pd.DataFrame]:
    tables = world()
    people = tables["customers"]
    people["email"] = people["customer_id"] + "@example.com"
    given = pd.DataFrame(
        {"customer_id": people["customer_id"][:shared], "changed_at": day(50), "channel": ""}
    )
    given = given.assign(purpose="ads_sharing", granted=True)
    return {**tables, "consents": pd.concat([tables["consents"], given], ignore_index=True)}


def build(
    tables: dict[str, pd.DataFrame],
    campaigns: list[Campaign],
    folder: Path,
    how: ListSettings,
    as_of: Cutoff = AS_OF,
) -> ListsReport:
    with engine_with(tables) as engine:
        return build_lists(engine, campaigns, how, as_of, "run", folder)


def test_a_seed_neither_takes_people_from_campaigns_nor_loses_them(tmp_path: Path) -> None:
    plain, seed = campaign("plain"), campaign("seed", **SEED)
    without = build(base(), [plain], tmp_path / "a", list_settings())
    together = build(
        base(), [plain, seed.model_copy(update={"priority": 1})], tmp_path / "b", list_settings()
    )
    assert together.campaigns[1].listed == without.campaigns[0].listed
    assert set(listed(tmp_path / "b", "plain")["customer_id"]) & set(
        listed(tmp_path / "b", "seed")["customer_id"]
    )
    assert together.campaigns[0].held_out == 0


def test_a_stated_basis_is_no_consent_to_sharing_for_advertising(tmp_path: Path) -> None:
    result = build(base(shared=200), [campaign("seed", **SEED)], tmp_path, anybody()).campaigns[0]
    assert 100 <= result.listed <= 200
    few = build(base(shared=60), [campaign("seed", **SEED)], tmp_path, anybody()).campaigns[0]
    assert (few.status, few.reason.split(";")[1]) == ("refused", " lists under 100 are refused")


def test_a_seed_is_no_contact_for_later_lists(tmp_path: Path) -> None:
    earlier = Cutoff.parse("2017-12-30")
    limits = list_settings(caps=[{"contacts": 1, "days": 30}])
    bare = {name: frame for name, frame in base().items() if name != "email_events"}
    alone = build(bare, [campaign("plain")], tmp_path / "alone", limits).campaigns[0]
    build(bare, [campaign("seed", **SEED)], tmp_path / "after", limits, earlier)
    assert (
        build(bare, [campaign("plain")], tmp_path / "after", limits).campaigns[0].excluded == alone.excluded
    )


def test_a_campaign_s_exports_are_written_beside_its_list(tmp_path: Path) -> None:
    seed = campaign("seed", **SEED)
    with engine_with(base()) as engine:
        build_lists(engine, [seed], list_settings(), AS_OF, "run", tmp_path)
        place = list_folder(tmp_path, "seed", AS_OF)
        results = export_lists(engine, {place: seed.exports}, AS_OF, tmp_path, threads=1)[place]
    rows = len(listed(tmp_path, "seed"))
    assert [(result.platform, result.rows + result.left_out.get("no_value", 0)) for result in results] == [
        ("meta", rows),
        ("google", rows),
    ]


def test_exports_fit_their_campaign_and_do_not_change_what_it_is() -> None:
    assert campaign(exports=[{"platform": "klaviyo"}]).definition_hash == campaign().definition_hash
    for wrong, words in (
        ({"exports": [{"platform": "klaviyo", "channel": "sms"}]}, "for sms, the campaign is for email"),
        ({"exports": [{"platform": "klaviyo"}, {"platform": "klaviyo"}]}, "two exports"),
        ({**SEED, "exports": [{"platform": "klaviyo"}]}, "not exported to klaviyo"),
        ({"exports": [{"platform": "klavio"}]}, "did you mean 'klaviyo'"),
    ):
        with pytest.raises(ValueError, match=words):
            campaign(**wrong)
