"""When to send (R35): hours and weekdays of segments shrunk to the base, a person's own only with enough clicks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from campaign_world import AS_OF, anybody, campaign, day, engine_with, listed, world
from segml.campaigns.lists import build_lists
from segml.campaigns.results import ListsReport
from segml.config import ListSettings
from segml.models.dirichlet import fit_concentration
from segml.tables.partition import read_manifest
from segml.time_windows import SECONDS_PER_DAY

Tables = dict[str, pd.DataFrame]
PLANTED = {"early": (8, 2), "late": (20, 4), "tiny": (13, 6)}  # hour, weekday (2 Tuesday)


def reactions(seed: int = 0, people: int = 300) -> Tables:
    """Return a base of two large segments with hours of their own, and one of five people."""
    tables = world(people)
    draw = np.random.default_rng(seed)
    ids = tables["scores"]["customer_id"]
    segment = np.where(np.arange(people) < people // 3, "early", "late").astype(object)
    segment[-5:] = "tiny"
    tables["scores"]["segment_behavioural_id"] = segment
    rows = []
    for person, name in zip(ids, segment, strict=True):
        hour, weekday = PLANTED[name]
        for _ in range(4):
            rows.append((person, moment(draw, weekday, hour), "open" if draw.random() < 0.5 else "click"))
    rows += [("p00000", moment(draw, 7, 15), "click") for _ in range(40)]  # Sundays at 15
    rows += [("p00001", moment(draw, 7, 15), "click") for _ in range(3)]
    events = pd.DataFrame(rows, columns=["customer_id", "occurred_at", "event"])
    machine = events.assign(event="machine_open", occurred_at=day(30, 12 * 3600 + 1))
    tables["email_events"] = pd.concat([events, machine], ignore_index=True).assign(channel="email")
    return tables


def moment(draw: np.random.Generator, weekday: int, hour: int) -> int:
    """Return a moment of the year before around a weekday and an hour; half of them anywhere."""
    back = int(draw.integers(1, 50)) * 7
    if draw.random() < 0.4:
        weekday, hour = int(draw.integers(1, 8)), int(draw.integers(7, 22))
    monday = AS_OF.seconds - back * SECONDS_PER_DAY  # 1 January 2018 is a Monday
    return monday + (weekday - 1) * SECONDS_PER_DAY + hour * 3600 + int(draw.integers(0, 3600))


def build(tables: Tables, folder: Path, how: ListSettings | None = None, **changes: object) -> ListsReport:
    settings = how or anybody(caps=[], quiet_days=0, global_holdout=0)
    with engine_with(tables) as engine:
        return build_lists(engine, [campaign(**changes)], settings, AS_OF, "run", folder)


def test_r35_segments_find_their_hour_and_weekday_and_small_ones_take_the_base(tmp_path: Path) -> None:
    tables = reactions()
    report = build(tables, tmp_path)
    rows = listed(tmp_path, "win_back").merge(tables["scores"][["customer_id", "segment_behavioural_id"]])
    rows = rows[~rows["customer_id"].isin(["p00000", "p00001"])]
    times = rows.groupby("segment_behavioural_id")[["send_hour", "send_weekday"]].agg(["min", "max"])
    for name, planted in (("early", (8, 2)), ("late", (20, 4)), ("tiny", (20, 4))):
        assert times.loc[name].tolist() == [planted[0], planted[0], planted[1], planted[1]], name
    assert report.send_times.base == {"hour": 20, "weekday": 4}
    assert [s["segment"] for s in report.send_times.segments] == ["early", "late"]
    assert report.send_times.text.startswith("send hour 20:00 on Thursday for the base; 1 of 2 segments")
    manifest = read_manifest(tmp_path / "win_back" / "as_of=2018-01-01")
    assert manifest is not None
    assert manifest["send_times"]["base"] == {"hour": 20, "weekday": 4}


def test_r35_a_person_has_an_hour_of_their_own_with_enough_clicks_only(tmp_path: Path) -> None:
    tables = reactions()
    tables["features"]["orders_total"] = 1.0
    how = anybody(caps=[], quiet_days=0, global_holdout=0, campaign_holdout=0)
    for name in ("consents", "returns"):
        del tables[name]
    report = build(tables, tmp_path, how)
    rows = listed(tmp_path, "win_back").set_index("customer_id")
    assert rows.loc["p00000", ["send_hour", "send_weekday"]].tolist() == [15, 7]
    assert rows.loc["p00001", ["send_hour", "send_weekday"]].tolist() == [8, 2]
    assert report.send_times.people == 1


def test_r35_without_email_events_the_hour_is_unknown_and_the_reason_told(tmp_path: Path) -> None:
    tables = reactions()
    del tables["email_events"]
    report = build(tables, tmp_path)
    assert listed(tmp_path, "win_back")[["send_hour", "send_weekday"]].isna().all(axis=None)
    assert report.send_times.text == "send hour and weekday: unavailable, there is no email_events table"


def test_r35_opens_count_only_where_machine_opens_are_told_apart(tmp_path: Path) -> None:
    tables = reactions()
    events = tables["email_events"]
    opens_only = dict(tables, email_events=events[events["event"] == "open"])
    told = build(opens_only, tmp_path / "a").send_times
    assert "0 clicks (opens are not told apart from those of machines) by e-mail" in told.reason
    counted = anybody(caps=[], send_time={"count_opens": True})
    assert build(opens_only, tmp_path / "b", counted).send_times.base == {"hour": 20, "weekday": 4}
    with_machine = build(dict(tables, email_events=events[events["event"] != "click"]), tmp_path / "c")
    assert with_machine.send_times.base == {"hour": 20, "weekday": 4}


def test_r35_other_channels_get_no_hour_of_the_mail(tmp_path: Path) -> None:
    build(reactions(), tmp_path, channel="sms")
    assert len(listed(tmp_path, "win_back"))
    assert listed(tmp_path, "win_back")["send_hour"].isna().all()


def test_r35_dates_without_a_time_of_day_tell_no_hour(tmp_path: Path) -> None:
    tables = reactions()
    midnight = tables["email_events"]["occurred_at"] // SECONDS_PER_DAY * SECONDS_PER_DAY
    tables["email_events"]["occurred_at"] = midnight
    how = anybody(send_time={"hours": [0, 23]})
    assert "without a time of day" in build(tables, tmp_path, how).send_times.reason


def test_r02_r35_reactions_at_or_after_the_cutoff_and_their_order_change_nothing(tmp_path: Path) -> None:
    tables = reactions()
    later = pd.DataFrame(
        {"customer_id": [f"p{i:05d}" for i in range(300)], "occurred_at": AS_OF.seconds + 36_000}
    )
    events = pd.concat(
        [tables["email_events"], later.assign(event="click", channel="email")], ignore_index=True
    )
    one = build(tables, tmp_path / "one")
    two = build(dict(tables, email_events=events.sample(frac=1, random_state=1)), tmp_path / "two")
    assert one.send_times == two.send_times
    for name in ("list.parquet", "holdout.parquet", "list.csv"):
        place = Path("win_back") / "as_of=2018-01-01" / name
        assert (tmp_path / "one" / place).read_bytes() == (tmp_path / "two" / place).read_bytes()


@pytest.mark.parametrize("true", [3.0, 30.0])
def test_the_concentration_that_made_the_counts_is_found(true: float) -> None:
    """Planted: 4,000 groups of 20 events over 7 places."""
    draw = np.random.default_rng(7)
    whole = np.array([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1])
    counts = np.array([draw.multinomial(20, p) for p in draw.dirichlet(true * whole, 4_000)])
    place, number = np.nonzero(counts)[1], counts[np.nonzero(counts)]
    found = fit_concentration(number, whole[place], np.ones(len(place)), [20], [4_000])
    assert found == pytest.approx(true, rel=0.05)


def test_hours_of_no_day_are_refused() -> None:
    with pytest.raises(ValidationError, match="two from 0 to 23"):
        ListSettings.model_validate({"send_time": {"hours": [9, 25]}})
