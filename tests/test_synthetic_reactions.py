"""The shop reacts to lists that segml built, and tells both outcomes of everybody."""

from __future__ import annotations

import pandas as pd
import pytest

from measured_world import AS_OF, DAYS, draw_people, orders_of
from segml.errors import DataError
from segml.sources.synthetic import Reaction, react_to_list
from segml.time_windows import Window

WINDOW = Window(AS_OF, AS_OF.plus_days(DAYS))


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    return draw_people(4_000, 0.3, seed=2).assign(campaign="win_back", channel="email")


@pytest.fixture(scope="module")
def orders(people: pd.DataFrame) -> pd.DataFrame:
    alone = orders_of(people, 0.0, seed=2)
    return alone.assign(ordered_at=pd.to_datetime(alone["ordered_at"], unit="s"))


def react(people: pd.DataFrame, orders: pd.DataFrame, chance: float = 0.2, seed: int = 0) -> Reaction:
    planted = pd.Series(chance, index=people["customer_id"])
    return react_to_list(people, orders, WINDOW, planted, amount=30.0, seed=seed)


def test_only_the_treated_order_more_and_only_inside_the_window(
    people: pd.DataFrame, orders: pd.DataFrame
) -> None:
    reaction = react(people, orders)
    treated = set(people.loc[people["arm"] == "treated", "customer_id"])
    assert set(reaction.orders["customer_id"]) <= treated
    assert reaction.orders["ordered_at"].between(AS_OF.label, AS_OF.plus_days(DAYS).label).all()
    assert len(reaction.orders) == pytest.approx(0.2 * len(treated), abs=4 * (0.16 * len(treated)) ** 0.5)
    assert set(reaction.email_events["customer_id"]) == treated


def test_the_truth_is_the_difference_of_both_outcomes(people: pd.DataFrame, orders: pd.DataFrame) -> None:
    reaction = react(people, orders)
    inside = orders[orders["ordered_at"] >= AS_OF.label]
    truth = reaction.truth.set_index("customer_id")
    assert truth["buys_without"].sum() == inside["customer_id"].nunique()
    assert (truth["buys_with"] >= truth["buys_without"]).all()
    expected = 0.2 * (1 - truth["buys_without"].mean())
    assert reaction.lift == pytest.approx(expected, abs=0.02)
    assert reaction.revenue_lift == pytest.approx(0.2 * 30.0, rel=0.1)


def test_the_order_of_rows_changes_nothing_and_another_seed_does(
    people: pd.DataFrame, orders: pd.DataFrame
) -> None:
    one, two = react(people, orders), react(people.sample(frac=1, random_state=1), orders)
    for name in ("orders", "email_events", "truth"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(two, name))
    assert not one.orders.equals(react(people, orders, seed=1).orders)


def test_bad_input_is_told_at_once(people: pd.DataFrame, orders: pd.DataFrame) -> None:
    twice, chance = pd.concat([people, people.head(1)]), pd.Series(1.5, index=people["customer_id"])
    with pytest.raises(DataError, match=r"1 people stand on the list twice; 4001 chances lie outside 0 to 1"):
        react_to_list(twice, orders, WINDOW, chance, amount=1.0)
