"""The synthetic shop: the same bytes for the same seed, whole tables, and every planted effect is really there.

Tolerances are four standard errors of the planted distribution at the seed used, unless a line says otherwise.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import deque
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from segml.errors import ConfigurationError, OutputError
from segml.sources.synthetic import CATEGORIES, SEGMENTS, ShopTables, SyntheticShop, make_shop, write_shop
from segml.sources.synthetic.world import RESPONSE_DAYS
from segml.tables.catalog import TABLES

WINDOW = pd.Timedelta(days=RESPONSE_DAYS)
ARROW_TYPES = {
    "text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "money": pa.float64(),
    "time": pa.timestamp("us"), "date": pa.date32(), "flag": pa.bool_(),
}  # fmt: skip


@pytest.fixture(scope="module")
def shop() -> ShopTables:
    return make_shop(SyntheticShop(n_customers=15_000, seed=3))


@pytest.fixture(scope="module")
def quiet() -> ShopTables:
    """No campaigns: purchases are pure Pareto/NBD within each segment."""
    return make_shop(SyntheticShop(n_customers=15_000, seed=4, campaign_every_days=0, tables=("orders",)))


def cents(values: pd.Series) -> pd.Series:
    return (values * 100).round().astype("int64")


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


# the same bytes


def test_the_same_shop_is_written_with_the_same_bytes_and_another_seed_is_not(tmp_path: Path) -> None:
    small = SyntheticShop(n_customers=5_200, seed=1)
    for name in ("a", "b"):
        write_shop(small, tmp_path / name, chunk_customers=5_000)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    write_shop(dataclasses.replace(small, seed=2), tmp_path / "c", chunk_customers=5_000)
    assert (
        digest(tmp_path / "a")["orders/part-00000.parquet"]
        != digest(tmp_path / "c")["orders/part-00000.parquet"]
    )


def test_chunk_size_and_road_change_files_but_no_row(tmp_path: Path) -> None:
    small = SyntheticShop(n_customers=10_050, seed=1)
    steps: list[tuple[int, int]] = []
    fine = write_shop(
        small, tmp_path / "fine", 5_000, progress=lambda done, total: steps.append((done, total))
    )
    whole = write_shop(small, tmp_path / "whole", 20_000)
    assert steps == [(5_000, 10_050), (10_000, 10_050), (10_050, 10_050)]
    assert len(list(fine["orders"].iterdir())) == 3
    assert len(list(whole["orders"].iterdir())) == 1
    assert fine.keys() == whole.keys()
    made = make_shop(small)
    for name in fine:
        assert pq.read_table(fine[name]).equals(pq.read_table(whole[name])), name
        frame = made.truth[name[6:]] if name.startswith("truth/") else made[name]
        pd.testing.assert_frame_equal(pq.read_table(fine[name]).to_pandas(), frame)


def test_the_first_customers_of_a_larger_shop_are_those_of_a_smaller(shop: ShopTables) -> None:
    few = make_shop(SyntheticShop(n_customers=40, seed=3))
    ids = set(few["customers"]["customer_id"])
    assert len(ids) == 40
    for name, frame in few.tables.items():
        larger = shop[name]
        mine = larger[larger["customer_id"].isin(ids)] if "customer_id" in larger else larger
        pd.testing.assert_frame_equal(mine.reset_index(drop=True), frame)
    truth = shop.truth["customers"].head(40)
    pd.testing.assert_frame_equal(truth, few.truth["customers"])


@pytest.mark.parametrize("left_out", sorted(TABLES))
def test_r01_leaving_a_table_out_changes_no_other(left_out: str) -> None:
    full = make_shop(SyntheticShop(n_customers=30, seed=3))
    kept = tuple(name for name in TABLES if name != left_out)
    part = make_shop(SyntheticShop(n_customers=30, seed=3, tables=kept))
    assert set(part.tables) == set(kept)
    for name in kept:
        pd.testing.assert_frame_equal(full[name], part[name])


# whole tables


@pytest.mark.parametrize("n_customers", [1, 10])
def test_every_table_has_the_catalogues_columns_and_raw_types(tmp_path: Path, n_customers: int) -> None:
    paths = write_shop(SyntheticShop(n_customers=n_customers), tmp_path / "shop")
    assert set(TABLES) <= set(paths)
    for name, table in TABLES.items():
        schema = pq.read_table(paths[name]).schema
        assert schema.names == list(table.column_names)
        assert {f.name: f.type for f in schema} == {c.name: ARROW_TYPES[c.type] for c in table.columns}
        assert all(pq.read_table(paths[name])[column].null_count == 0 for column in table.required_names)


def test_values_are_those_the_catalogue_allows_and_keys_are_unique(shop: ShopTables) -> None:
    for name, table in TABLES.items():
        frame = shop[name]
        for column in table.columns:
            if column.allowed:
                assert set(frame[column.name].dropna()) <= set(column.allowed), column.name
            if column.minimum is not None:
                assert frame[column.name].min() >= column.minimum
        if table.key:
            assert not frame.duplicated(list(table.key)).any(), name


def test_a_shop_of_one_day_and_of_prospects_only_still_has_every_table() -> None:
    for odd in (SyntheticShop(50, days=1), SyntheticShop(50, prospect_share=1.0), SyntheticShop(50, days=40)):
        made = make_shop(odd)
        assert set(made.tables) == set(TABLES)
    assert make_shop(SyntheticShop(50, prospect_share=1.0))["orders"].empty


def test_orders_are_the_sum_of_their_lines_to_the_cent(shop: ShopTables) -> None:
    lines, orders = shop["order_lines"], shop["orders"].set_index("order_id")
    for name in ("amount", "discount", "coupon"):
        sums = cents(lines[name]).groupby(lines["order_id"]).sum()
        pd.testing.assert_series_equal(sums.sort_index(), cents(orders[name]).sort_index(), check_names=False)
    gross = cents(lines["unit_price"]) * lines["quantity"].astype("int64")
    assert (gross == sum(cents(lines[name]) for name in ("amount", "discount", "coupon"))).all()


def test_references_hold_between_tables(shop: ShopTables) -> None:
    customers = set(shop["customers"]["customer_id"])
    assert all(
        set(frame["customer_id"]) <= customers for frame in shop.tables.values() if "customer_id" in frame
    )
    assert set(shop["order_lines"]["product_id"]) <= set(shop["products"]["product_id"])
    assert set(shop["email_events"]["campaign_id"]) <= set(shop["campaigns"]["campaign_id"])
    assert set(shop["products"]["category"]) == set(CATEGORIES)
    returned = shop["returns"].merge(shop["orders"], on=["order_id", "customer_id"], suffixes=("", "_order"))
    assert len(returned) == len(shop["returns"])
    assert (returned["returned_at"] > returned["ordered_at"]).all()
    assert (returned["amount"] <= returned["amount_order"] + 1e-9).all()


def test_nothing_happens_before_a_customer_joined_or_after_the_data_end(shop: ShopTables) -> None:
    joined = shop["customers"].set_index("customer_id")["joined_at"]
    for name, table in TABLES.items():
        if table.time_column and "customer_id" in table.column_names:
            frame = shop[name]
            moments = frame[table.time_column]
            assert (moments >= frame["customer_id"].map(joined)).all(), name
            assert (moments < pd.Timestamp("2024-12-31")).all(), name


def test_nobody_orders_after_leaving_and_prospects_never(shop: ShopTables) -> None:
    truth = shop.truth["customers"].set_index("customer_id")
    orders = shop["orders"]
    assert (orders["ordered_at"] < orders["customer_id"].map(truth["alive_until"])).all()
    assert not orders["customer_id"].map(truth["prospect"]).any()
    first = orders.groupby("customer_id")["ordered_at"].min()
    buyers = truth[~truth["prospect"]]["first_ordered_at"]
    pd.testing.assert_series_equal(first.sort_index(), buyers.sort_index(), check_names=False)


def test_points_never_run_out_with_or_without_lapsing(shop: ShopTables) -> None:
    ledger = shop["loyalty_ledger"]
    assert ledger.groupby("customer_id")["points"].cumsum().min() >= 0
    assert (ledger["points"] < 0).sum() > 100
    for _, mine in ledger.head(20_000).groupby("customer_id"):
        pot: deque[list] = deque()
        for row in mine.itertuples():
            while pot and pot[0][0] <= row.occurred_at:
                pot.popleft()
            due = -row.points
            if due < 0:
                pot.append([row.expires_at, row.points])
            while due > 0:
                assert pot, "spent what was not there"
                taken = min(due, pot[0][1])
                pot[0][1] -= taken
                due -= taken
                if not pot[0][1]:
                    pot.popleft()


def test_points_earned_are_the_whole_units_paid(shop: ShopTables) -> None:
    earned = shop["loyalty_ledger"].query("points > 0").groupby("customer_id")["points"].sum()
    orders = shop["orders"]
    paid = (cents(orders["amount"]) // 100).groupby(orders["customer_id"]).sum()
    assert (paid.loc[earned.index] == earned).all()


# planted purchases


def test_repeat_orders_are_poisson_at_the_planted_rate_in_every_segment(quiet: ShopTables) -> None:
    truth = quiet.truth["customers"].query("not prospect").set_index("customer_id")
    truth["repeats"] = quiet["orders"].groupby("customer_id").size() - 1
    sums = truth.groupby("segment")[["repeats", "expected_repeat_orders"]].sum()
    z = (sums["repeats"] - sums["expected_repeat_orders"]) / np.sqrt(sums["expected_repeat_orders"])
    assert z.abs().max() < 4
    some = truth[truth["expected_repeat_orders"] > 1]
    residual = (some["repeats"] - some["expected_repeat_orders"]) / np.sqrt(some["expected_repeat_orders"])
    assert residual.var() == pytest.approx(1.0, abs=0.06)


def test_rates_and_hazards_are_gamma_with_the_planted_mean_and_shape(quiet: ShopTables) -> None:
    truth = quiet.truth["customers"]
    for segment in SEGMENTS:
        mine = truth[truth["segment"] == segment.name]
        n = len(mine)
        for name, mean, shape in (
            ("purchase_rate_year", segment.orders_per_year, segment.rate_shape),
            ("dropout_rate_year", segment.dropout_per_year, segment.dropout_shape),
        ):
            assert mine[name].mean() == pytest.approx(mean, abs=4 * mean / np.sqrt(shape * n))
            assert mine[name].var() == pytest.approx(mean**2 / shape, rel=6 * np.sqrt((2 + 6 / shape) / n))
        assert n / len(truth) == pytest.approx(segment.share, abs=0.02)


def test_lifetimes_end_at_the_planted_hazard(quiet: ShopTables) -> None:
    truth = quiet.truth["customers"].query("not prospect")
    years = (truth["alive_until"] - truth["first_ordered_at"].dt.ceil("D")).dt.total_seconds() / (
        365 * 86_400
    )
    survived = np.exp(-truth["dropout_rate_year"])
    assert (years > 1).mean() == pytest.approx(survived.mean(), abs=4 * 0.5 / np.sqrt(len(truth)))


def test_expected_annual_value_is_what_living_customers_spend_in_the_next_year(quiet: ShopTables) -> None:
    truth = quiet.truth["customers"].set_index("customer_id")
    midpoint = pd.Timestamp("2024-01-01")
    living = truth[(truth["first_ordered_at"] < midpoint) & (truth["alive_until"] > midpoint)]
    hazard = living["dropout_rate_year"]
    expected = (
        (living["expected_annual_value"] * (1 - np.exp(-hazard)) / hazard).groupby(living["segment"]).sum()
    )
    orders = quiet["orders"].query("ordered_at >= @midpoint")
    spent = orders.groupby("customer_id")["amount"].sum().reindex(living.index).fillna(0.0)
    observed = spent.groupby(living["segment"]).agg(["sum", "std", "count"])
    error = observed["std"] * np.sqrt(observed["count"])
    assert ((observed["sum"] - expected).abs() < 4 * error).all()
    final = truth[truth["alive_at_end"]]
    assert (final["expected_value_365d"] < final["expected_annual_value"]).all()
    assert (truth.loc[~truth["alive_at_end"], "expected_value_365d"] == 0).all()


def test_order_values_are_gamma_around_each_customers_mean(quiet: ShopTables) -> None:
    truth = quiet.truth["customers"].set_index("customer_id")
    orders = quiet["orders"].join(truth[["segment", "spend_mean"]], on="customer_id")
    ratio = orders["amount"] / orders["spend_mean"]
    for segment in SEGMENTS:
        mine = ratio[orders["segment"] == segment.name]
        assert mine.mean() == pytest.approx(1.0, abs=4 / np.sqrt(segment.value_shape * len(mine)) + 0.002)
        assert mine.var() == pytest.approx(1 / segment.value_shape, rel=0.15)
        means = truth.loc[truth["segment"] == segment.name, "spend_mean"]
        spread = segment.order_value / np.sqrt((segment.value_spread - 2) * len(means))
        assert means.mean() == pytest.approx(segment.order_value, abs=4 * spread)


def test_volume_is_about_three_orders_a_year_and_2_8_lines_an_order(shop: ShopTables) -> None:
    joined = shop["customers"]["joined_at"]
    years = (pd.Timestamp("2024-12-31") - joined).dt.total_seconds().sum() / (365 * 86_400)
    assert 2.0 < len(shop["orders"]) / years < 4.0
    assert len(shop["order_lines"]) / len(shop["orders"]) == pytest.approx(2.8, abs=0.2)


def test_gifters_come_in_december_and_stock_up_is_done_at_weekends(quiet: ShopTables) -> None:
    segment = quiet.truth["customers"].set_index("customer_id")["segment"]
    orders = quiet["orders"]
    name = orders["customer_id"].map(segment)
    december = (orders["ordered_at"].dt.month == 12).groupby(name).mean()
    assert december["seasonal_gifters"] > 2 * december["weekly_essentials"]
    weekend = (orders["ordered_at"].dt.day_of_week >= 5).groupby(name).mean()
    assert weekend["monthly_stock_up"] == pytest.approx(2 * 1.8 / (5 + 2 * 1.8), abs=0.02)
    hour = orders["ordered_at"].dt.hour.groupby(name).median()
    assert hour["monthly_stock_up"] < 13 < hour["lapsing_vips"]


def test_personal_interest_shows_in_the_lines(shop: ShopTables) -> None:
    interest = shop.truth["customers"].set_index("customer_id")["interest"]
    lines = shop["order_lines"]
    own = (lines["category"] == lines["customer_id"].map(interest)).mean()
    assert own > 0.4 + 0.6 / (2 * len(CATEGORIES))
    category = shop["products"].set_index("product_id")["category"]
    assert (lines["product_id"].map(category) == lines["category"]).all()


def test_bargain_hunters_wait_for_reductions_and_lines_come_back_as_planted(shop: ShopTables) -> None:
    segment = shop.truth["customers"].set_index("customer_id")["segment"]
    reduced = (shop["orders"]["discount"] > 0).groupby(shop["orders"]["customer_id"].map(segment)).mean()
    returned = shop["returns"]["customer_id"].map(segment).value_counts()
    lines = shop["order_lines"]["customer_id"].map(segment).value_counts()
    for planted in SEGMENTS:
        assert reduced[planted.name] == pytest.approx(planted.discount_share, abs=0.03)
        assert returned[planted.name] / lines[planted.name] == pytest.approx(planted.return_share, abs=0.02)


# planted campaigns


def arms_with_outcome(shop: ShopTables) -> pd.DataFrame:
    """Join each arm row with whether the customer really ordered within the window."""
    arms = shop.truth["campaign_arms"]
    both = arms.merge(shop["orders"][["customer_id", "ordered_at"]], on="customer_id")
    hit = both[(both["ordered_at"] >= both["sent_at"]) & (both["ordered_at"] < both["sent_at"] + WINDOW)]
    bought = hit[["campaign_id", "customer_id"]].drop_duplicates().assign(bought=True)
    arms = arms.merge(bought, how="left", on=["campaign_id", "customer_id"])
    arms["bought"] = arms["bought"].eq(True)
    return arms.merge(shop.truth["customers"], on="customer_id")


@pytest.fixture(scope="module")
def arms(shop: ShopTables) -> pd.DataFrame:
    return arms_with_outcome(shop)


def test_what_the_orders_show_is_the_potential_outcome_of_the_arm(arms: pd.DataFrame) -> None:
    treated = arms["arm"] == "treatment"
    assert (arms["bought"] == arms["buys_with"].where(treated, arms["buys_without"])).all()


def test_arms_are_randomised(arms: pd.DataFrame) -> None:
    control = arms["arm"] == "control"
    assert control.mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / len(arms)))
    for name in ("purchase_rate_year", "spend_mean", "dropout_rate_year", "buys_without"):
        values = arms[name].astype(float)
        gap = values[control].mean() - values[~control].mean()
        assert abs(gap) < 4 * values.std() * np.sqrt(1 / control.sum() + 1 / (~control).sum())


def test_uplift_is_recovered_from_the_randomised_arms(arms: pd.DataFrame) -> None:
    arms = arms.assign(effect=arms["buys_with"].astype(int) - arms["buys_without"].astype(int))
    for name, mine in arms.groupby("segment"):
        rate = mine.groupby("arm")["bought"].agg(["mean", "count"])
        error = np.sqrt((rate["mean"] * (1 - rate["mean"]) / rate["count"]).sum())
        lift = rate.loc["treatment", "mean"] - rate.loc["control", "mean"]
        assert abs(lift - mine["effect"].mean()) < 4 * error, name
    by_segment = arms.groupby("segment")["effect"].mean()
    assert by_segment["bargain_hunters"] > 0.03
    assert by_segment["weekly_essentials"] < 0


def test_planted_uplift_is_the_share_of_those_it_can_move(arms: pd.DataFrame) -> None:
    living = arms[arms["alive_until"] >= arms["sent_at"] + WINDOW]
    for segment in SEGMENTS:
        mine = living[living["segment"] == segment.name]
        movable = mine[mine["buys_without"]] if segment.uplift < 0 else mine[~mine["buys_without"]]
        share = (movable["buys_with"] != movable["buys_without"]).mean()
        planted = abs(segment.uplift)
        assert share == pytest.approx(planted, abs=4 * np.sqrt(planted * (1 - planted) / len(movable)))


def test_caused_orders_are_in_the_orders_and_only_of_the_treated(
    shop: ShopTables, arms: pd.DataFrame
) -> None:
    caused = shop.truth["caused_orders"].merge(shop["orders"], on="order_id")
    assert len(caused) == len(shop.truth["caused_orders"]) > 500
    treated = arms[arms["arm"] == "treatment"]
    moved = treated[treated["buys_with"] & ~treated["buys_without"]]
    assert len(moved) == len(caused)
    assert len(caused.merge(moved, on=["campaign_id", "customer_id"])) == len(caused)


def test_r05_mail_goes_only_to_those_whose_last_consent_event_allows_it(shop: ShopTables) -> None:
    sent = shop["email_events"].query("event == 'sent'").sort_values("occurred_at")
    log = shop["consents"].query("channel == 'email' and purpose == 'marketing'").sort_values("changed_at")
    state = pd.merge_asof(sent, log, left_on="occurred_at", right_on="changed_at", by="customer_id")
    at_send = shop["campaigns"].set_index("campaign_id")["starts_at"]
    late = state["changed_at"] >= state["campaign_id"].map(at_send)  # withdrew while the mail was on its way
    assert state["granted"].eq(True)[~late].all()
    assert late.mean() < 0.001
    final = log.groupby("customer_id")["granted"].last()
    truth = shop.truth["customers"].set_index("customer_id")["email_marketing_at_end"]
    assert (final.reindex(truth.index).eq(True) == truth).all()
    assert not truth.all()


def test_consent_rows_are_not_in_the_order_of_time(shop: ShopTables) -> None:
    steps = shop["consents"].groupby(["customer_id", "purpose", "channel"], dropna=False)["changed_at"].diff()
    assert (steps < pd.Timedelta(0)).any()


def test_nobody_is_mailed_after_unsubscribing_and_controls_never(shop: ShopTables) -> None:
    events = shop["email_events"]
    gone = events[events["event"] == "unsubscribe"].groupby("customer_id")["occurred_at"].min()
    sent = events[events["event"] == "sent"]
    assert len(gone) > 10
    assert not (sent["occurred_at"] > sent["customer_id"].map(gone)).any()
    mailed = sent[["campaign_id", "customer_id"]]
    treated = shop.truth["campaign_arms"].query("arm == 'treatment'")[["campaign_id", "customer_id"]]
    assert len(mailed.merge(treated)) == len(mailed) == len(treated)


# planted answers and identities


def test_response_styles_and_attitudes_are_in_the_answers(shop: ShopTables) -> None:
    truth = shop.truth["psychographics"].set_index("customer_id")
    wide = shop["surveys"].pivot_table(index="customer_id", columns="item", values="answer")
    style = truth["response_style"].reindex(wide.index)
    assert (wide.max(axis=1) == wide.min(axis=1))[style == "straight_liner"].all()
    mean = wide.mean(axis=1).groupby(style).mean()
    assert mean["acquiescent"] > mean["plain"] + 0.5
    ends = wide.isin([1, 5]).mean(axis=1).groupby(style).mean()
    assert ends["extreme"] > 2 * ends["plain"]
    items = shop.truth["survey_items"].set_index("item")
    keyed = 3 + (wide - 3) * items["direction"].reindex(wide.columns)
    scores = keyed.T.groupby(items["battery"].reindex(keyed.columns)).mean().T[style == "plain"]
    for battery in scores:
        true = truth[f"attitude_{battery}"].reindex(scores.index)
        assert scores[battery].corr(true) > 0.85


def test_about_one_in_seven_answers_and_some_answers_are_missing(shop: ShopTables) -> None:
    surveys = shop["surveys"]
    assert surveys["customer_id"].nunique() / 15_000 == pytest.approx(0.15, abs=0.012)
    assert set(surveys["answer"].dropna()) == {1, 2, 3, 4, 5}
    assert 0.01 < surveys["answer"].isna().mean() < 0.06
    assert surveys.groupby("customer_id").size().min() < 20


def test_r03_a_second_account_repeats_a_contact_of_the_first(shop: ShopTables) -> None:
    truth = shop.truth["customers"]
    pairs = truth[truth["customer_id"] != truth["person_id"]]
    assert len(pairs) / len(truth) == pytest.approx(0.01, abs=0.004)
    accounts = shop["customers"].assign(
        email=shop["customers"]["email"].str.lower(),
        phone=shop["customers"]["phone"].str.replace(r"\D", "", regex=True),
    )
    accounts["phone"] = accounts["phone"].str.removeprefix("00")
    accounts = accounts.set_index("customer_id")
    first, second = accounts.loc[pairs["person_id"]], accounts.loc[pairs["customer_id"]]
    same_mail = first["email"].to_numpy() == second["email"].to_numpy()
    same_phone = first["phone"].to_numpy() == second["phone"].to_numpy()
    assert (same_mail | same_phone).all()
    assert same_mail.any()
    assert same_phone.any()
    assert truth["person_id"].nunique() == accounts[["email", "phone"]].pipe(people) + unknown(accounts)


def people(contacts: pd.DataFrame) -> int:
    """Count the people behind accounts that have some contact, joining by either."""
    known = contacts.dropna(how="all")
    mails = known["email"].dropna().nunique()
    alone = known[known["email"].isna()]["phone"]
    return mails + int((~alone.isin(known["phone"][known["email"].notna()])).sum())


def unknown(contacts: pd.DataFrame) -> int:
    return int(contacts[["email", "phone"]].isna().all(axis=1).sum())


def test_complaints_announce_leaving(shop: ShopTables) -> None:
    until = shop.truth["customers"].set_index("customer_id")["alive_until"]
    orders = shop["orders"].assign(ends=shop["orders"]["customer_id"].map(until))
    leaving = orders["ends"] - orders["ordered_at"] < pd.Timedelta(days=60)
    complaints = shop["support_tickets"].query("kind == 'complaint'")["ticket_id"].str[1:]
    complained = orders["order_id"].str[1:].isin(complaints)
    assert complained[leaving].mean() > 2 * complained[~leaving].mean()


# refusals


def test_a_shop_that_breaks_its_rules_names_all_of_them() -> None:
    with pytest.raises(ConfigurationError) as caught:
        SyntheticShop(n_customers=0, days=0, survey_share=1.5, campaign_every_days=3, tables=("ordres",))
    for words in ("n_customers", "days is", "survey_share", "campaign_every_days", "did you mean 'orders'"):
        assert words in str(caught.value)


def test_a_chunk_is_whole_blocks(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="multiple of 5000, got 7"):
        write_shop(SyntheticShop(3), tmp_path / "shop", chunk_customers=7)


def test_a_shop_replaces_a_shop_as_a_whole_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "shop"
    write_shop(SyntheticShop(5_001, tables=("customers",)), target, chunk_customers=5_000)
    write_shop(SyntheticShop(2, tables=("customers",)), target)
    assert [path.name for path in (target / "customers").iterdir()] == ["part-00000.parquet"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="not a synthetic shop"):
        write_shop(SyntheticShop(2), tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()
