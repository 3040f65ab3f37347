"""The number in a sentence is the number of what the sentence speaks of, counted anew in the shop itself (R41)."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from conftest import OpenBase
from segml.features.plan import GROUPS, FeaturePlan, make_plan
from segml.features.snapshot import snapshot_frame
from segml.models.reasons import kind_of, sentences
from segml.models.return_curve import ReturnCurve
from segml.models.rhythm import OrderRhythm
from segml.models.segments.feature_names import feature_name
from segml.time_windows import SECONDS_PER_DAY
from small_base import CUTOFF, make_base

Shop = dict[str, pd.DataFrame]
Count = Callable[[Shop], float]


def number(sentence: str) -> float:
    found = re.search(r"-?\d+(?:\.\d+)?", sentence)
    assert found, sentence
    return float(found[0])


def within(table: pd.DataFrame, column: str, days: int) -> pd.DataFrame:
    return table[table[column] >= CUTOFF.seconds - days * SECONDS_PER_DAY]


def reactions(shop: Shop, days: int) -> int:
    return int(within(shop["email_events"], "occurred_at", days)["event"].isin(["click", "response"]).sum())


def share(part: pd.Series, whole: float) -> float:
    return 100 * float(part.sum()) / whole


SAID: dict[str, tuple[str, Count]] = {
    "orders_total": (r"orders? in all", lambda s: len(s["orders"])),
    "orders_90d": (r"orders? in the last 90 days", lambda s: len(within(s["orders"], "ordered_at", 90))),
    "spend_total": (r"spent in all", lambda s: s["orders"]["amount_minor"].sum() / 100),
    "repeat_orders": (
        r"bought again on .* days?$",
        lambda s: (s["orders"]["ordered_at"] // SECONDS_PER_DAY).nunique() - 1,
    ),
    "lines_per_order": (r"order lines an order", lambda s: len(s["order_lines"]) / len(s["orders"])),
    "coupon_share": (
        r"% of orders with a coupon",
        lambda s: share(s["orders"]["coupon_minor"] > 0, len(s["orders"])),
    ),
    "discount_share": (
        r"% of the value discounted",
        lambda s: share(
            s["orders"]["discount_minor"], (s["orders"]["discount_minor"] + s["orders"]["amount_minor"]).sum()
        ),
    ),
    "responses_365d": (r"clicks? (and|or) responses?", lambda s: reactions(s, 365)),
    "response_rate_365d": (
        r"clicks and responses a message in the last 365 days",
        lambda s: (
            reactions(s, 365) / (within(s["email_events"], "occurred_at", 365)["event"] == "sent").sum()
        ),
    ),
    "contacts_90d": (
        r"messages? in the last 90 days",
        lambda s: (within(s["email_events"], "occurred_at", 90)["event"] == "sent").sum(),
    ),
    "returned_share": (
        r"% of spend returned",
        lambda s: share(s["returns"]["amount_minor"], s["orders"]["amount_minor"].sum()),
    ),
}


@pytest.fixture
def shop(open_base: OpenBase) -> tuple[Shop, pd.DataFrame]:
    tables = make_base(11, customers=40)
    engine = open_base(tables)
    features, _ = snapshot_frame(engine, make_plan(engine, CUTOFF), CUTOFF)
    time = {
        "orders": "ordered_at",
        "order_lines": "ordered_at",
        "returns": "returned_at",
        "email_events": "occurred_at",
    }
    seen = {name: tables[name][tables[name][column] < CUTOFF.seconds] for name, column in time.items()}
    return {**seen, "customers": tables["customers"]}, features


@pytest.mark.parametrize("feature", SAID)
def test_r41_a_reason_says_the_number_that_is_counted_in_the_shop(
    feature: str, shop: tuple[Shop, pd.DataFrame]
) -> None:
    tables, features = shop
    words, count = SAID[feature]
    keys = tables["customers"].set_index("customer_id")["customer_key"]
    compared = 0
    for person, value in features[feature].dropna().items():
        mine = {
            name: table[table["customer_key"] == keys[person]]
            for name, table in tables.items()
            if name != "customers"
        }
        if mine["orders"].empty and feature not in ("responses_365d", "response_rate_365d", "contacts_90d"):
            continue
        sentence = sentences(feature, np.array([value]))[0]
        assert re.search(words, sentence), sentence
        step = {"count": 0.0, "money": 0.5, "number": 0.051, "rate": 0.0051, "share": 0.51}[kind_of(feature)]
        assert abs(number(sentence) - count(mine)) <= step, (person, sentence)
        compared += 1
    assert compared >= 10


def test_a_share_of_people_or_orders_never_passes_one(shop: tuple[Shop, pd.DataFrame]) -> None:
    _, features = shop
    spoken = [name for name in features if feature_name(name).startswith("share of orders")]
    assert {"coupon_share", "weekend_share", "weekday_mon_share", "evening_share"} <= set(spoken)
    for name in spoken:
        assert features[name].dropna().between(0, 1).all(), name


def test_reactions_a_message_are_a_rate_because_there_may_be_several() -> None:
    assert sentences("response_rate_365d", np.array([1.5])).tolist() == [
        "1.50 clicks and responses a message in the last 365 days"
    ]
    for language in ("en", "da", "sv"):
        assert not re.search("share|andel", feature_name("response_rate_365d", language))


def planted(people: int = 4_000, horizon: int = 56) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Buyers at rates of their own who may leave after any order: histories, and orders and weeks with one to come."""
    rng = np.random.default_rng(0)
    rows, orders, weeks = [], [], []
    for _ in range(people):
        age = int(rng.integers(200, 700))
        leaving = rng.beta(0.5, 12)
        made = 1 + int(np.argmax(rng.random(3_000) < leaving))  # the last order is followed by none
        days = np.unique(np.floor(np.cumsum(np.r_[0.0, rng.exponential(1 / rng.gamma(0.8, 0.2), made - 1)])))
        before, after = days[days < age], days[(days >= age) & (days < age + horizon)]
        rows.append((len(before) - 1, before[-1], age))
        orders.append(len(after))
        weeks.append(len(np.unique((after - age) // 7)))
    names = ["repeat_orders", "first_to_last_days", "age_days"]
    return pd.DataFrame(rows, columns=names).astype(float), pd.Series(orders), pd.Series(weeks)


def test_the_chance_by_rhythm_is_the_share_of_people_who_order() -> None:
    histories, orders, weeks = planted()
    rhythm, said = OrderRhythm.learn(histories)
    assert rhythm is not None, said
    hazard = rhythm.order_hazard(histories, 56)
    text = pd.Series(sentences("rhythm_hazard_56d", hazard))
    assert text.str.fullmatch(
        r"a chance of (over |under )?\d+ % of an order within 56 days, by their rhythm alone"
    ).all()
    chances = text.str.extract(r"(\d+) %")[0].astype(float)
    assert chances.between(0, 100).all()
    groups = pd.qcut(chances.rank(method="first"), 5)
    come = 100 * (orders > 0).groupby(groups, observed=True).mean()
    assert (chances.groupby(groups, observed=True).mean() - come).abs().max() < 4
    busy = hazard > np.quantile(hazard, 0.9)
    # As a count of orders, or of weeks with one, the same number would be far off.
    assert orders[busy].mean() > 2 * hazard[busy].mean()
    assert abs(weeks[busy].mean() - hazard[busy].mean()) > 1


def test_models_of_the_column_s_older_name_are_read_and_score_the_same() -> None:
    histories, orders, _ = planted(400)
    features = histories.assign(orders_total=histories["repeat_orders"] + 1, spend_total=100.0)
    labels = pd.DataFrame({"silent_next_56d": (orders == 0).astype(float)})
    curve = ReturnCurve((56,)).fit(features, labels)
    stored = curve.to_dict()
    assert "rhythm_hazard_56d" in stored["typical"]
    stored["typical"] = {name.replace("_hazard_", "_orders_"): v for name, v in stored["typical"].items()}
    if stored["models"]["56"]:
        stored["models"]["56"] = older_names(stored["models"]["56"])
    again = ReturnCurve.from_dict(stored)
    pd.testing.assert_frame_equal(again.predict_curve(features), curve.predict_curve(features))
    assert "rhythm_hazard_56d" in again.contributions(features, 56)


def older_names(content: object) -> object:
    """Return nested content with the older name of the column."""
    if isinstance(content, dict):
        return {older_names(key): older_names(value) for key, value in content.items()}
    if isinstance(content, list):
        return [older_names(item) for item in content]
    return content.replace("rhythm_hazard_", "rhythm_orders_") if isinstance(content, str) else content


def test_every_feature_with_a_name_of_its_own_has_a_sentence_of_the_same_kind() -> None:
    plan = FeaturePlan(groups=GROUPS, categories=("wine",), mask_categories=("wine",))
    for feature in plan.features():
        kind, meaning = kind_of(feature.name), feature.meaning
        assert kind != "any", feature.name
        assert (kind == "share") == bool(
            re.search(r"share of|over (the|spend)", meaning) and kind != "number"
        ), (
            feature.name,
            meaning,
        )


@pytest.mark.parametrize(
    ("feature", "value", "text"),
    [
        ("categories_total", 1.0, "1 category bought"),
        ("products_total", 1.0, "1 different product"),
        ("responses_365d", 1.0, "1 click or response in the last 365 days"),
        ("orders_90d", 2.5, "2.5 orders in the last 90 days"),
        ("gap_mean_days", 12.0, "12 days between orders on average"),
        ("night_share", 0.2, "20 % of orders at night"),
    ],
)
def test_one_is_singular_and_a_half_is_a_half(feature: str, value: float, text: str) -> None:
    assert sentences(feature, np.array([value])).tolist() == [text]
