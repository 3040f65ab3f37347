"""R52 as properties of every base: several days, reruns, any union of lists; and who is left when attempts run out."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from campaign_world import AS_OF, anybody, campaign, day, engine_with, list_settings, listed, world
from segml.campaigns.catalogue import find_mistakes
from segml.campaigns.explain import explain_person
from segml.campaigns.lists import build_lists
from segml.config import ListSettings
from segml.time_windows import Cutoff
from test_campaigns_lists import three

Tables = dict[str, pd.DataFrame]
DAYS = (0, 1, 4, 9)


def digests(folder: Path) -> dict[str, str]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def consenting(tables: Tables, as_of: Cutoff) -> set[str]:
    """Return whose last word before the day is a consent to marketing by e-mail; withdrawals win ties."""
    log = tables["consents"]
    log = log[(log["changed_at"] < as_of.seconds) & (log["purpose"] == "marketing")]
    log = log[(log["channel"] == "email") | ((log["channel"] == "") & ~log["granted"])]
    left = tables["email_events"]
    left = left[left["event"].isin(["unsubscribe", "complaint"]) & (left["occurred_at"] < as_of.seconds)]
    changes = pd.concat(
        [
            log[["customer_id"]].assign(at=log["changed_at"], gone=~log["granted"].astype(bool)),
            left[["customer_id"]].assign(at=left["occurred_at"], gone=True),
        ]
    )
    last = changes.sort_values(["at", "gone"]).groupby("customer_id").tail(1)
    return set(last.loc[~last["gone"].astype(bool), "customer_id"])


def check_day(tables: Tables, folder: Path, how: ListSettings, as_of: Cutoff, shuffle: int) -> set[str]:
    """Build the lists of a day, check what holds of one day, and return who is listed."""
    shuffled = {name: frame.sample(frac=1, random_state=shuffle) for name, frame in tables.items()}
    with engine_with(shuffled) as engine:
        report = build_lists(engine, three(max_size=15)[:: -1 if shuffle else 1], how, as_of, "run", folder)
    people: list[str] = []
    for result in report.campaigns:
        rows = listed(folder, result.campaign.name, as_of=as_of)["customer_id"].tolist()
        held = listed(folder, result.campaign.name, "holdout", as_of)["customer_id"].tolist()
        assert not set(rows) & set(held)
        assert not set(people) & {*rows, *held}
        people += rows
        total = result.listed + result.held_out + result.globally_held_out + sum(result.excluded.values())
        assert total == result.base == len(tables["customers"])
        assert (len(rows), len(held)) == (result.listed, result.held_out + result.globally_held_out)
    assert len(people) == len(set(people))
    assert set(people) <= consenting(tables, as_of)
    return set(people)


@settings(max_examples=2, deadline=None)
@given(st.integers(0, 10_000))
def test_r52_holds_over_several_days_and_reruns_on_any_base(seed: int) -> None:
    tables = world(90, seed)
    how = list_settings(caps=[{"contacts": 1, "days": 3}, {"contacts": 2, "days": 30}])
    with tempfile.TemporaryDirectory() as name:
        folder, contacted, held = Path(name), {}, {}
        for later in DAYS:
            as_of = AS_OF.plus_days(later)
            contacted[as_of.day] = check_day(tables, folder, how, as_of, 0)
            for own in three():
                rows = listed(folder, own.name, "holdout", as_of)
                held.setdefault(own.name, set()).update(rows["customer_id"])
        before = digests(folder)
        assert (
            check_day(tables, folder, how, AS_OF.plus_days(DAYS[1]), seed + 1)
            == contacted[AS_OF.day + DAYS[1]]
        )
        assert digests(folder) == before  # a day that is run again, in another order, is the day it was
        for own in three():
            for later in DAYS:
                assert not held[own.name] & set(
                    listed(folder, own.name, as_of=AS_OF.plus_days(later))["customer_id"]
                )
    for cap in how.caps:
        for start in contacted:
            window = [people for one, people in contacted.items() if start <= one <= start + cap.days]
            counts = pd.Series([person for people in window for person in people]).value_counts()
            assert counts.empty or counts.max() <= cap.contacts


def test_win_back_ends_after_its_attempts_and_sunset_takes_over(tmp_path: Path) -> None:
    tables = world(60)
    del tables["returns"], tables["consents"]
    sent = [("p00001", 300), ("p00001", 200), ("p00001", 100), ("p00002", 100), ("p00003", 90)]
    events = pd.DataFrame(sent, columns=["customer_id", "back"])
    events["occurred_at"] = [day(back) for back in events.pop("back")]
    tables["email_events"] = events.assign(event="sent", channel="email", campaign_id="win_back")
    tables["features"]["orders_total"] = 1.0
    tables["scores"]["dormancy_probability"] = 0.9
    tables["scores"].loc[tables["scores"]["customer_id"] == "p00003", "dormancy_probability"] = 0.99
    probability = "scores.dormancy_probability"
    back = campaign(
        priority=1, max_attempts=3, audience=[{"column": probability, "operator": "at_most", "value": 0.98}]
    )
    either = [
        {"column": probability, "operator": "above", "value": 0.98},
        {"attempts_of": "win_back", "operator": "at_least", "value": 3},
    ]
    sunset = campaign("sunset", priority=2, audience=[{"any_of": either}])
    how = anybody(global_holdout=0, campaign_holdout=0, caps=[])
    with engine_with(tables) as engine:
        report = build_lists(engine, [back, sunset], how, AS_OF, "run", tmp_path)
        told = explain_person(engine, [back, sunset], how, AS_OF, tmp_path, "p00001").campaigns
    assert set(listed(tmp_path, "sunset")["customer_id"]) == {"p00001", "p00003"}
    assert report.campaigns[0].excluded["too_many_attempts"] == 1
    assert report.campaigns[0].listed == 58
    assert told[0].reasons[0] == "too_many_attempts"
    assert "contacts of win_back at least 3" in told[1].conditions[0].criterion
    assert "3" in told[1].conditions[0].value


def test_counting_contacts_of_a_campaign_nobody_has_names_the_nearest() -> None:
    counted = campaign("sunset", audience=[{"attempts_of": "winback", "operator": "at_least", "value": 3}])
    (mistake,) = find_mistakes([counted, campaign("win_back")])
    assert "names no campaign of this folder: 'winback'" in mistake
    assert "did you mean 'win_back'" in mistake
    with pytest.raises(ValidationError, match="contacts are counted"):
        campaign("sunset", audience=[{"attempts_of": "win_back", "value": 3}])
    assert counted.definition_hash != campaign("sunset").definition_hash
