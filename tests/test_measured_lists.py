"""R60 by segment, R61's bad input, R65: what a list earned beside the plain difference, and when it can't be said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from campaign_world import engine_with
from measured_world import AS_OF, DAYS, LATER, draw_people, log_of, measured, orders_of, write_list
from segml.campaigns.holdout import global_holdout_sql, is_held_out
from segml.evaluation.uplift_lift import stratified_lift
from segml.measurement.built import built_lists
from segml.measurement.mailed import SENTENCE, mailed_campaigns
from segml.measurement.programme import measure_programme

CAUSAL = ("raised", "lowered", "lift", "caused", "uplift", "effect", "thanks to", "because of")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("lists")
    people = draw_people(6_000, 0.3, seed=1)
    write_list(folder, people, 0.3)
    return folder, people, orders_of(people, 0.3, seed=1)


def by_rows(people: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """Outcome and covariates of each person, by pandas."""
    rows = people.set_index("customer_id")
    for name, start in (("before", AS_OF.plus_days(-DAYS)), ("after", AS_OF)):
        inside = orders["ordered_at"].between(start.seconds, start.plus_days(DAYS).seconds - 1)
        totals = orders[inside].groupby("customer_id")["amount_minor"].agg(["sum", "size"])
        rows[f"{name}_spend"] = totals["sum"].reindex(rows.index).fillna(0) / 100
        rows[f"{name}_orders"] = totals["size"].reindex(rows.index).fillna(0)
    return rows


def test_r65_cuped_from_sums_is_cuped_from_rows(world: tuple[Path, pd.DataFrame, pd.DataFrame]) -> None:
    folder, people, orders = world
    rows = by_rows(people, orders)
    estimates = measured(folder, orders).estimates.set_index(["outcome", "method"])
    X, y = rows[["before_orders", "before_spend"]].to_numpy(), rows["after_spend"].to_numpy()
    arms = [(rows["arm"] == arm).to_numpy() for arm in ("treated", "holdout")]
    centred = [(X[arm] - X[arm].mean(axis=0), y[arm] - y[arm].mean()) for arm in arms]
    theta = np.linalg.solve(sum(x.T @ x for x, _ in centred), sum(x.T @ z for x, z in centred))
    adjusted = y - X @ theta
    found = estimates.loc[("revenue", "cuped")]
    assert found["difference"] == pytest.approx(adjusted[arms[0]].mean() - adjusted[arms[1]].mean(), rel=1e-8)
    error = np.sqrt(sum(adjusted[arm].var(ddof=1) / arm.sum() for arm in arms))
    assert found["standard_error"] == pytest.approx(error, rel=1e-8)
    plain = estimates.loc[("revenue", "plain")]
    assert found["variance_reduction"] == pytest.approx(1 - (error / plain["standard_error"]) ** 2)
    assert found["variance_reduction"] > 0.1
    assert found["adjusted_for"] == "orders and spend of the 56 days before"
    assert list(dict.fromkeys(estimates.index.get_level_values("method"))) == ["plain", "cuped", "stratified"]


def test_r65_post_stratified_from_sums_is_the_one_from_rows(
    world: tuple[Path, pd.DataFrame, pd.DataFrame],
) -> None:
    folder, people, orders = world
    rows = by_rows(people, orders)
    rank = rows["score"].rank(method="min") - 1
    strata = np.floor(10 * rank / len(rows)).astype(int)
    expected = stratified_lift(rows["after_spend"], (rows["arm"] == "treated").astype(int), strata)
    found = measured(folder, orders).estimates.set_index(["outcome", "method"]).loc[("revenue", "stratified")]
    assert found["difference"] == pytest.approx(expected.lift)
    assert found["standard_error"] == pytest.approx(expected.standard_error)


def test_all_estimates_hold_the_planted_lift(world: tuple[Path, pd.DataFrame, pd.DataFrame]) -> None:
    folder, people, orders = world
    estimates = measured(folder, orders).estimates
    truth = 0.3 * people["habit"].mean() / 3 * 22.495  # orders more, times the mean amount
    revenue = estimates[estimates["outcome"] == "revenue"]
    assert (revenue["difference_low"] < truth).all()
    assert (truth < revenue["difference_high"]).all()


def test_without_a_holdout_nothing_is_estimated(tmp_path: Path) -> None:
    people = draw_people(500, 0.0, seed=2)
    write_list(tmp_path, people, 0.0)
    lists = measured(tmp_path, orders_of(people, 0.0, 2))
    assert lists.frame["status"].tolist() == ["no_holdout"]
    assert not len(lists.estimates)
    assert lists.results["difference"].isna().all()


def test_r60_results_by_segment_are_those_of_pandas(
    world: tuple[Path, pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    folder, people, orders = world
    tags = people.assign(family="behavioural", tag="segment", value=people["segment"])
    tags.loc[:4, "value"] = "tiny"
    place = tmp_path / "tags.parquet"
    tags[["customer_id", "family", "tag", "value"]].to_parquet(place, index=False)
    treated = people.loc[people["arm"] == "treated", "customer_id"]
    log = pd.concat(
        [log_of(treated, "sent"), log_of(treated[:900], "open"), log_of(treated[:40], "unsubscribe")]
    )
    lists = measured(folder, orders, tags=place, email_events=log)
    rows = by_rows(people, orders).join(tags.set_index("customer_id")["value"])
    found = lists.results.set_index(["tag", "value", "event"])
    for segment in ("keen", "cool"):
        own = rows[(rows["value"] == segment) & (rows["arm"] == "treated")]
        other = rows[(rows["value"] == segment) & (rows["arm"] == "holdout")]
        conversion = found.loc[("behavioural.segment", segment, "conversion")]
        assert conversion["denominator"] == len(own)
        assert conversion["people"] == (own["after_orders"] > 0).sum()
        assert conversion["held_out"] == len(other)
        assert conversion["difference_low"] < conversion["difference"] < conversion["difference_high"]
        revenue = found.loc[("behavioural.segment", segment, "revenue")]
        assert revenue["rate"] == pytest.approx(own["after_spend"].mean())
        assert revenue["difference"] == pytest.approx(own["after_spend"].mean() - other["after_spend"].mean())
        opens = found.loc[("behavioural.segment", segment, "open")]
        assert opens["people"] == own.index.isin(treated[:900]).sum()
        assert opens["note"] == "the log does not tell opens by machines apart"
    tiny = found.loc["behavioural.segment"].loc["tiny"]
    assert tiny[["people", "rate", "difference"]].isna().all().all()
    assert found.loc[("everybody", "", "machine_open"), "note"] == "unavailable: the log holds no such event"
    assert np.isnan(found.loc[("everybody", "", "complaint"), "people"])
    responses = lists.responses
    assert responses["people"].sum() == len(people)
    assert responses.loc[responses["arm"] == "treated", "unsubscribe"].sum() == 40
    assert set(responses["segment"]) == {"keen", "cool", "tiny"}
    assert responses["decile"].between(1, 10).all()


def test_machine_opens_stand_apart(world: tuple[Path, pd.DataFrame, pd.DataFrame]) -> None:
    folder, people, orders = world
    treated = people.loc[people["arm"] == "treated", "customer_id"]
    log = pd.concat([log_of(treated, "sent", "machine_open"), log_of(treated[:100], "open")])
    found = measured(folder, orders, email_events=log).contacts.set_index("event")
    assert found.loc["machine_open", "people"] == len(treated)
    assert found.loc["open", "people"] == 100
    assert found.loc["open", "note"] == ""


def test_a_few_held_out_people_who_were_sent_it_are_told(
    world: tuple[Path, pd.DataFrame, pd.DataFrame],
) -> None:
    folder, people, orders = world
    treated, control = (people.loc[people["arm"] == arm, "customer_id"] for arm in ("treated", "holdout"))
    log = pd.concat([log_of(treated, "sent"), log_of(control[:30], "sent")])
    lists = measured(folder, orders, email_events=log)
    note = lists.notes.set_index("check").loc["holdout_contacted"]
    assert (note["people"], note["of"], note["refuses"]) == (30, len(control), False)
    assert "they stay held out, so the difference is about 98% of what the sending itself did" in note["text"]
    assert lists.frame["status"].tolist() == ["measured"]
    assert lists.frame["held_out"].tolist() == [len(control)]


def test_many_held_out_people_who_were_sent_it_are_no_control(
    world: tuple[Path, pd.DataFrame, pd.DataFrame],
) -> None:
    folder, people, orders = world
    lists = measured(folder, orders, email_events=log_of(people["customer_id"], "sent"))
    assert lists.frame["status"].tolist() == ["refused"]
    assert "above 10% they are no control" in lists.frame["statement"][0]
    assert not len(lists.estimates)
    assert lists.results["difference"].isna().all()


def test_outcomes_without_sends_and_strangers_are_counted(
    world: tuple[Path, pd.DataFrame, pd.DataFrame],
) -> None:
    folder, people, orders = world
    treated = people.loc[people["arm"] == "treated", "customer_id"]
    strangers = pd.Series([f"s{i}" for i in range(7)])
    log = pd.concat([log_of(treated[50:], "sent"), log_of(treated[:20], "click"), log_of(strangers, "sent")])
    notes = measured(folder, orders, email_events=log).notes.set_index("check")["people"].to_dict()
    assert notes == {"listed_not_sent": 50, "reaction_without_send": 20, "not_on_the_list": 7}


def test_contradictory_arms_are_refused(tmp_path: Path) -> None:
    people = draw_people(600, 0.3, seed=3)
    place = write_list(tmp_path, people, 0.3)
    control = pd.read_parquet(place / "holdout.parquet")
    control.loc[:1, "customer_id"] = people.loc[people["arm"] == "treated", "customer_id"].to_numpy()[:2]
    control.to_parquet(place / "holdout.parquet", index=False)
    row = measured(tmp_path, orders_of(people, 0.0, 3)).frame.iloc[0]
    assert row["status"] == "refused"
    assert "2 people are both listed and held out" in row["statement"]


def test_r39_arms_that_were_chosen_are_refused_and_drawn_ones_pass(
    world: tuple[Path, pd.DataFrame, pd.DataFrame], tmp_path: Path
) -> None:
    folder, people, orders = world
    noise = np.random.default_rng(0)
    features = pd.DataFrame(
        {
            "customer_id": people["customer_id"],
            "spend_total": people["habit"],
            "recency_days": noise.random(6_000),
        }
    )
    features.to_parquet(tmp_path / "features.parquet", index=False)
    lists = measured(folder, orders, features=tmp_path / "features.parquet")
    assert lists.frame["status"].tolist() == ["measured"]
    assert "does not tell the arm" in lists.notes.set_index("check").loc["balance", "text"]
    chance = np.where(people["habit"] > 1.5, 0.42, 0.21)
    chosen = people.assign(arm=np.where(noise.random(6_000) < chance, "holdout", "treated"))
    share = float((chosen["arm"] == "holdout").mean())
    write_list(tmp_path, chosen, share, "chosen")
    row = measured(tmp_path, orders, features=tmp_path / "features.parquet").frame.iloc[0]
    assert row["status"] == "refused"
    assert "what was known before tells who was contacted" in row["statement"]


def test_the_order_of_rows_changes_nothing(world: tuple[Path, pd.DataFrame, pd.DataFrame]) -> None:
    folder, people, orders = world
    log = log_of(people.loc[people["arm"] == "treated", "customer_id"], "sent", "open")
    one = measured(folder, orders, email_events=log)
    two = measured(
        folder, orders.sample(frac=1, random_state=1), email_events=log.sample(frac=1, random_state=2)
    )
    for name in ("frame", "estimates", "results", "responses", "notes"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))


def test_mailed_campaigns_are_counted_without_a_causal_word() -> None:
    people = pd.Series([f"p{i}" for i in range(100)])
    campaigns = pd.DataFrame(
        {
            "campaign_id": ["8", "win_back"],
            "kind": ["A", "A"],
            "starts_at": [AS_OF.seconds] * 2,
            "ends_at": [AS_OF.plus_days(20).seconds] * 2,
        }
    )
    log = pd.concat(
        [
            log_of(people, "sent", campaign="8"),
            log_of(people[:10], "response", "response", campaign="8"),
            log_of(pd.Series(["x"]), "response", campaign="8"),
        ]
    )
    orders = pd.DataFrame(
        {
            "customer_id": ["p1", "p1", "p2", "x"],
            "ordered_at": AS_OF.plus_days(20).seconds + 5,
            "amount_minor": 1,
        }
    )
    with engine_with({"campaigns": campaigns, "email_events": log, "orders": orders}) as engine:
        frame = mailed_campaigns(engine, AS_OF, AS_OF.plus_days(5), {"win_back"})
    row = frame.iloc[0]
    assert len(frame) == 1
    assert (row["sent"], row["responded"], row["ordered"], row["responded_not_sent"]) == (100, 10, 2, 1)
    assert row["response_rate_low"] < 0.1 < row["response_rate_high"]
    assert (row["complete"], row["note"]) == (False, "still open when they end")
    assert not any(word in SENTENCE for word in CAUSAL)


def test_r61_the_programme_is_everybody_against_those_held_out_of_everything(tmp_path: Path) -> None:
    people = draw_people(8_000, 0.0, seed=4)
    held = [is_held_out("salt", "global_holdout", 0.2, person) for person in people["customer_id"]]
    people["arm"] = np.where(held, "global_holdout", "treated")
    write_list(tmp_path, people, 0.0)
    orders = orders_of(people, 0.5, seed=4)
    with engine_with({"orders": orders}) as engine:
        built = built_lists([tmp_path])
        row = measure_programme(engine, built, 0.2, global_holdout_sql, LATER).iloc[0]
        wrong = measure_programme(engine, built, 0.3, lambda salt, share: "false", LATER).iloc[0]
        off = measure_programme(engine, built, 0.0, global_holdout_sql, LATER).iloc[0]
    known = by_rows(people, orders).query("before_orders > 0")
    assert row["open_to_campaigns"] == (known["arm"] == "treated").sum()
    means = known.groupby("arm")["after_spend"].mean()
    assert row["revenue_difference"] == pytest.approx(means["treated"] - means["global_holdout"])
    assert row["statement"].startswith("all campaigns together raised revenue")
    assert wrong["status"] == "suppressed"
    assert off["status"] == "no_holdout"
