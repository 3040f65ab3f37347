"""Lists: R05 (consent), R50 (columns), R52 (caps, one list), R56 (exclusions), R58 (reruns), R61 (holdout)."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_world import AS_OF, anybody, campaign, day, engine_with, list_settings, listed, world
from segml.campaigns.catalogue import Campaign
from segml.campaigns.list_files import LIST_COLUMNS
from segml.campaigns.lists import build_lists
from segml.campaigns.policy import REASONS
from segml.campaigns.results import ListsReport
from segml.config import ListSettings
from segml.engine.keys import arm
from segml.errors import ConfigurationError, DataError
from segml.tables.partition import read_manifest

Tables = dict[str, pd.DataFrame]


def build(
    tables: Tables,
    campaigns: list[Campaign],
    folder: Path,
    how: ListSettings | None = None,
    as_of: Any = AS_OF,
    run_id: str = "run",
) -> ListsReport:
    with engine_with(tables) as engine:
        return build_lists(engine, campaigns, how or list_settings(), as_of, run_id, folder)


def three(**changes: Any) -> list[Campaign]:
    return [
        campaign(
            "vip",
            priority=1,
            audience=[{"column": "scores.clv_historic", "operator": "above", "percentile": 80}],
        ),
        campaign(
            "win_back",
            priority=2,
            audience=[{"tag": "lifecycle.activity", "operator": "in", "value": ["at_risk", "dormant"]}],
            cool_down_days=30,
            max_attempts=1,
            **changes,
        ),
        campaign("rest", priority=3),
    ]


def consent_holds(tables: Tables, person: str) -> bool:
    """Tell whether the last change is a consent before the cutoff, event by event (withdrawals win ties)."""
    log = tables["consents"].query("purpose == 'marketing' and (changed_at < @AS_OF.seconds or not granted)")
    log = log[log["customer_id"] == person]
    log = log[(log["channel"] == "email") | ((log["channel"] == "") & ~log["granted"])]
    events = tables["email_events"]
    events = events[events["customer_id"].eq(person) & events["event"].isin(["unsubscribe", "complaint"])]
    changes = [(at, not granted) for at, granted in zip(log["changed_at"], log["granted"], strict=True)]
    changes += [(at, True) for at in events["occurred_at"]]
    return bool(changes) and not max(changes)[1]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_r56_properties_hold_on_any_base(seed: int) -> None:
    tables = world(150, seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        how = list_settings()
        report = build(tables, three(max_size=12), folder, how)
        people, held = [], []
        for result in report.campaigns:
            people += listed(folder, result.campaign.name)["customer_id"].tolist()
            held += listed(folder, result.campaign.name, "holdout")["customer_id"].tolist()
            total = result.listed + result.held_out + result.globally_held_out + sum(result.excluded.values())
            assert total == result.base == 150
            assert set(result.excluded) <= set(REASONS)
    assert len(people) == len(set(people))
    assert not set(people) & set(held)
    sent = tables["email_events"].query("event == 'sent'")
    for person in people:
        assert consent_holds(tables, person)
        for cap in how.caps:
            recent = sent[(sent["customer_id"] == person) & (sent["occurred_at"] >= day(cap.days))]
            assert len(recent) + 1 <= cap.contacts
    counted = "purpose == 'profiling' and (changed_at < @AS_OF.seconds or not granted)"
    objections = tables["consents"].query(counted)
    last = objections.sort_values(["changed_at", "granted"]).groupby("customer_id").head(99)
    for person, group in last.groupby("customer_id"):
        latest = group[group["changed_at"] == group["changed_at"].max()]
        if not latest["granted"].all():
            assert person not in people


def test_r58_reruns_and_shuffled_inputs_write_the_same_bytes(tmp_path: Path) -> None:
    tables = world()
    shuffled = {name: frame.sample(frac=1, random_state=2) for name, frame in tables.items()}
    build(tables, three(max_size=20), tmp_path / "one")
    build(shuffled, three(max_size=20)[::-1], tmp_path / "two")
    build(shuffled, three(max_size=20), tmp_path / "two")
    files = [
        file.relative_to(tmp_path / "one")
        for file in sorted((tmp_path / "one").rglob("*.*"))
        if file.is_file()
    ]
    assert len(files) == 15
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_r50_columns_window_and_order(tmp_path: Path) -> None:
    report = build(world(), [campaign(window_days=28)], tmp_path)
    rows = listed(tmp_path, "win_back")
    assert tuple(rows.columns) == LIST_COLUMNS
    assert set(rows["measure_from"]) == {"2018-01-01"}
    assert set(rows["measure_until"]) == {"2018-01-29"}
    assert set(rows["arm"]) == {"treated"}
    assert set(rows["definition_hash"]) == {report.campaigns[0].campaign.definition_hash}
    assert rows["send_hour"].isna().all()
    ordered = rows.sort_values(["score", "customer_id"], ascending=[False, True])["customer_id"]
    assert rows["customer_id"].tolist() == ordered.tolist()


def test_r61_arms_equal_the_python_hash(tmp_path: Path) -> None:
    build(world(), [campaign(holdout=0.3)], tmp_path, anybody(global_holdout=0.2))
    rows, held = listed(tmp_path, "win_back"), listed(tmp_path, "win_back", "holdout")
    for person in rows["customer_id"]:
        assert arm("segml", "global_holdout", person) >= 2_000
        assert arm("segml", "win_back", person) >= 3_000
    for person, group in zip(held["customer_id"], held["arm"], strict=True):
        outside = arm("segml", "global_holdout", person) < 2_000
        assert group == ("global_holdout" if outside else "holdout")
        assert outside or arm("segml", "win_back", person) < 3_000
    assert {"holdout", "global_holdout"} == set(held["arm"])


def test_r61_held_out_people_take_no_place_and_rank_with_the_listed(tmp_path: Path) -> None:
    report = build(world(), [campaign(max_size=50, holdout=0.3)], tmp_path, anybody(global_holdout=0))
    result = report.campaigns[0]
    assert result.listed == 50
    assert result.held_out > 5
    rows, held = listed(tmp_path, "win_back"), listed(tmp_path, "win_back", "holdout")
    assert held["score"].min() >= rows["score"].min()
    assert result.excluded["over_capacity"] > 0
    assert "lift" in result.power.text  # type: ignore[union-attr]


def test_r52_a_held_out_person_is_free_for_no_other_list(tmp_path: Path) -> None:
    report = build(
        world(),
        [campaign("first", priority=1, holdout=0.5), campaign("second", priority=2)],
        tmp_path,
        anybody(),
    )
    taken = {*listed(tmp_path, "first")["customer_id"], *listed(tmp_path, "first", "holdout")["customer_id"]}
    assert not taken & set(listed(tmp_path, "second")["customer_id"])
    assert report.campaigns[1].excluded["on_another_list"] == len(taken)


def test_r52_equal_priority_goes_by_name(tmp_path: Path) -> None:
    report = build(world(), [campaign("beta"), campaign("alpha")], tmp_path, anybody())
    assert [result.campaign.name for result in report.campaigns] == ["alpha", "beta"]
    assert [result.status for result in report.campaigns] == ["built", "refused"]


def test_r52_no_union_of_runs_passes_the_cap(tmp_path: Path) -> None:
    tables = world()
    del tables["email_events"]
    how = anybody(caps=[{"contacts": 2, "days": 7}])
    people: list[str] = []
    for later in range(5):
        build(tables, [campaign()], tmp_path, how, AS_OF.plus_days(later))
        people += listed(tmp_path, "win_back", as_of=AS_OF.plus_days(later))["customer_id"].tolist()
    assert pd.Series(people).value_counts().max() == 2


def test_r52_a_list_and_its_own_sending_are_one_contact(tmp_path: Path) -> None:
    tables = world()
    del tables["returns"], tables["consents"], tables["email_events"]
    how = anybody(caps=[{"contacts": 2, "days": 7}], global_holdout=0)
    build(tables, [campaign()], tmp_path, how)
    first = listed(tmp_path, "win_back")["customer_id"]
    tables["email_events"] = pd.DataFrame(
        {
            "customer_id": first,
            "occurred_at": day(0, 3600),
            "event": "sent",
            "campaign_id": "win_back",
            "channel": "email",
        }
    )
    build(tables, [campaign()], tmp_path, how, AS_OF.plus_days(1))
    assert listed(tmp_path, "win_back", as_of=AS_OF.plus_days(1))["customer_id"].tolist() == first.tolist()


def test_r52_recent_buyers_and_quiet_days(tmp_path: Path) -> None:
    tables = world()
    report = build(tables, [campaign(min_days_since_last_order=30)], tmp_path, anybody())
    recency = tables["features"].set_index("customer_id")["recency_days"]
    rows = listed(tmp_path, "win_back")["customer_id"]
    assert (recency.loc[rows] >= 30).all()
    returned = tables["returns"].query("returned_at < @AS_OF.seconds and returned_at >= @day(7)")[
        "customer_id"
    ]
    assert not set(rows) & set(returned)
    assert {"recent_buyer", "quiet_after_return"} <= set(report.campaigns[0].excluded)


def test_r52_attempts_and_cool_down_count_sendings_of_this_campaign(tmp_path: Path) -> None:
    tables = world()
    tables["email_events"] = pd.DataFrame(
        {
            "customer_id": ["p00001", "p00001", "p00002", "p00003"],
            "occurred_at": [day(200), day(100), day(40), day(40)],
            "event": "sent",
            "campaign_id": ["win_back", "win_back", "win_back", "newsletter"],
            "channel": "email",
        }
    )
    tables["features"]["orders_total"] = 1.0
    how = anybody(global_holdout=0, campaign_holdout=0, quiet_days=0)
    del tables["returns"]
    build(tables, [campaign(cool_down_days=60, max_attempts=2)], tmp_path, how)
    rows = set(listed(tmp_path, "win_back")["customer_id"])
    assert rows & {"p00001", "p00002", "p00003"} <= {"p00003"}


def test_r05_without_a_log_unknown_consent_is_no(tmp_path: Path) -> None:
    tables = world()
    del tables["consents"], tables["email_events"]
    report = build(tables, [campaign()], tmp_path)
    assert report.campaigns[0].status == "refused"
    assert any("unknown consent is no" in warning for warning in report.warnings)
    stated = build(tables, [campaign()], tmp_path, anybody())
    assert stated.campaigns[0].status == "built"
    manifest = read_manifest(tmp_path / "win_back" / "as_of=2018-01-01")
    assert manifest is not None
    assert manifest["consent_basis"] == "soft opt-in of customers"


def _until(tables: Tables, name: str, column: str, kept: str = "") -> pd.DataFrame:
    """Return the rows before the cutoff, and those after it that fit `kept`."""
    rows = tables[name]
    early = rows[column] < AS_OF.seconds
    return rows[early | rows.eval(kept) if kept else early]


def test_r02_what_gives_counts_only_before_the_cutoff(tmp_path: Path) -> None:
    tables = world()
    refusals = "event in ['sent', 'unsubscribe', 'complaint']"
    earlier = {
        **tables,
        "consents": _until(tables, "consents", "changed_at", "not granted"),
        "email_events": _until(tables, "email_events", "occurred_at", refusals),
    }
    assert len(earlier["consents"]) < len(tables["consents"])
    assert len(earlier["email_events"]) < len(tables["email_events"])
    build(tables, three(), tmp_path / "one")
    build(earlier, three(), tmp_path / "two")
    for name in ("vip", "win_back", "rest"):
        place = f"{name}/as_of=2018-01-01/manifest.json"
        assert (tmp_path / "one" / place).read_bytes() == (tmp_path / "two" / place).read_bytes()


def test_r61_the_global_holdout_is_off_with_a_warning_when_it_is_too_small(tmp_path: Path) -> None:
    report = build(world(), [campaign()], tmp_path, anybody(global_holdout_minimum=1_000))
    assert not report.global_holdout
    assert report.campaigns[0].globally_held_out == 0
    assert any("global holdout is off" in warning for warning in report.warnings)


def test_small_lists_are_refused_and_leave_their_people_free(tmp_path: Path) -> None:
    few = campaign("few", priority=1, max_size=5)
    report = build(world(), [few, campaign("rest", priority=2)], tmp_path, anybody(minimum_list=20))
    assert [result.status for result in report.campaigns] == ["refused", "built"]
    assert "5 people would be listed" in report.campaigns[0].reason
    assert "on_another_list" not in report.campaigns[1].excluded
    assert not (tmp_path / "few" / "as_of=2018-01-01" / "list.parquet").exists()
    assert (tmp_path / "few" / "as_of=2018-01-01" / "exclusions.csv").exists()


def test_an_empty_audience_is_refused_not_an_error(tmp_path: Path) -> None:
    nobody = campaign(audience=[{"column": "features.orders_total", "operator": "above", "value": 1_000}])
    assert build(world(), [nobody], tmp_path).campaigns[0].status == "refused"


def test_a_missing_score_makes_the_campaign_unavailable_with_the_reason(tmp_path: Path) -> None:
    tables = world()
    tables["scores"] = tables["scores"].drop(columns="clv_historic")
    result = build(tables, [campaign()], tmp_path).campaigns[0]
    assert (result.status, result.reason) == ("unavailable", "missing: scores.clv_historic")
    assert sum(result.excluded.values()) == result.base


def test_unknown_tag_values_name_the_nearest(tmp_path: Path) -> None:
    by_segment = {"column": "scores.segment_behavioural_name", "value": "weekly shopper"}
    wrong = [
        campaign("a", audience=[{"tag": "lifecycle.activity", "value": "dormnt"}]),
        campaign("a"),
        campaign("b", audience=[by_segment]),
        campaign("c", audience=[{"tag": "lifecycle.activty", "value": "dormant"}]),
    ]
    tables = world()
    tables["scores"]["segment_behavioural_name"] = "Weekly shoppers"
    with engine_with(tables) as engine, pytest.raises(ConfigurationError) as caught:
        build_lists(
            engine, wrong, list_settings(), AS_OF, "run", tmp_path, {"lifecycle.activity": ["dormant"]}
        )
    assert "did you mean 'dormant'" in str(caught.value)
    assert "did you mean 'Weekly shoppers'" in str(caught.value)
    assert "did you mean 'lifecycle.activity'" in str(caught.value)
    assert "2 campaigns are called 'a'" in str(caught.value)


def test_without_definitions_a_value_nobody_has_is_a_warning(tmp_path: Path) -> None:
    either = {"tag": "lifecycle.activity", "operator": "in", "value": ["active", "asleep"]}
    report = build(world(), [campaign(audience=[either])], tmp_path, anybody())
    assert report.campaigns[0].status == "built"
    assert any("no value 'asleep'" in warning for warning in report.warnings)


def test_lists_need_scores_or_features(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="scores or features"):
        build({"customers": world()["customers"]}, [campaign()], tmp_path)


def test_generic_csv_is_quoted_guarded_and_complete(tmp_path: Path) -> None:
    build(world(), [campaign()], tmp_path)
    place = tmp_path / "win_back" / "as_of=2018-01-01"
    text = (place / "list.csv").read_bytes()
    assert b"\r" not in text
    assert b'"silent for long; \xc3\xa6\xc3\xb8\xc3\xa5, ""quoted"""' in text
    assert b",'=formula," in text
    back = pd.read_csv(place / "list.csv", dtype={"customer_id": str})
    assert back["customer_id"].tolist() == listed(tmp_path, "win_back")["customer_id"].tolist()
