"""R34: the category of the next order, recovered where it is planted, gated against popularity, a hint on lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from campaign_world import AS_OF, anybody, campaign, day, engine_with, listed, world
from segml.campaigns.list_files import LIST_COLUMNS
from segml.campaigns.lists import build_lists
from segml.config import load_config
from segml.errors import NotEnoughDataError
from segml.features.next_category import (
    MAIN,
    bought_next_sql,
    categories_missing,
    inputs_sql,
    main_categories_sql,
)
from segml.models.next_category import NextCategory
from segml.pipelines.base import open_base
from segml.pipelines.categories import next_category_rule, train_next_category
from segml.pipelines.narration import Silent
from segml.registry.registered import RegisteredModel
from segml.sources.synthetic import SyntheticShop, write_shop

CONFIGURATION = """
base: sections
currency: EUR
tables:
  orders: {files: shop/orders, columns: [order_id, customer_id, ordered_at, amount]}
  order_lines: {files: shop/order_lines, columns: [order_id, product_id, category, amount]}
horizons: {dormancy: 60}
"""
NAMES = ("tea", "milk", "toys")


def lines() -> pd.DataFrame:
    rows = [
        ("ann", 1, 200, "tea", 500),
        ("ann", 1, 200, "milk", 300),
        ("ann", 1, 200, "milk", 300),  # two lines: milk is the main category
        ("ann", 2, 10, "tea", 100),
        ("ann", 3, -5, "toys", 100),
        ("bob", 1, 40, "wine", 100),  # told apart from nothing
        ("bob", 2, -9, "milk", 100),
        ("cid", 1, 30, None, 100),
        ("dot", 1, -1, "tea", 100),
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "order_no", "days", "category", "amount_minor"])
    key = frame["customer_id"].map({"ann": 1, "bob": 2, "cid": 3, "dot": 4})
    return frame.assign(customer_key=key, ordered_at=[day(d) for d in frame["days"]])


def fetched(sql: str, rows: pd.DataFrame, until: int = 30) -> pd.DataFrame:
    people = pd.DataFrame({"customer_id": ["ann", "bob", "cid", "dot"], "customer_key": [1, 2, 3, 4]})
    with engine_with({"order_lines": rows, "customers": people}) as engine:
        engine.run(main_categories_sql(AS_OF.plus_days(until)), MAIN)
        return engine.fetch(f"select * from ({sql}) q order by customer_id").set_index("customer_id")


def test_r34_orders_count_by_the_category_with_most_spend_and_so_does_the_next() -> None:
    found = fetched(inputs_sql(AS_OF, NAMES), lines())
    assert found.index.tolist() == ["ann", "bob"]
    own = ["own_0", "own_1", "own_2", "recent_0", "recent_1", "recent_2", "last_category"]
    assert found.loc["ann", own].tolist() == [1, 1, 0, 1, 0, 0, 0]
    assert found.loc["bob", own[:6]].sum() == 0
    assert fetched(bought_next_sql(AS_OF, 30, NAMES), lines())["next_place"].to_dict() == {"ann": 2, "bob": 1}
    assert fetched(bought_next_sql(AS_OF, 6, NAMES), lines()).index.tolist() == ["ann"]


def test_r02_orders_at_or_after_the_cutoff_change_no_input() -> None:
    past = lines()[lambda frame: frame["ordered_at"] < AS_OF.seconds]
    shuffled = lines().sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(
        fetched(inputs_sql(AS_OF, NAMES), shuffled), fetched(inputs_sql(AS_OF, NAMES), past)
    )


def habits(people: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """A third always buys the same, a third goes to the category after the last one, a third buys what is popular."""
    rng = np.random.default_rng(seed)
    size, popular = 5, np.array([0.4, 0.25, 0.15, 0.12, 0.08])
    kind, favourite = rng.integers(0, 3, people), rng.integers(0, size, people)
    count = rng.integers(1, 15, people)
    own = np.vstack([rng.multinomial(n, popular) for n in count]).astype(float)
    own[kind == 0] = np.eye(size)[favourite[kind == 0]] * count[kind == 0, None]
    last = np.array([rng.choice(size, p=row / row.sum()) for row in own])
    drawn = rng.choice(size, people, p=popular)
    following = np.where(kind == 0, favourite, np.where(kind == 1, (last + 1) % size, drawn))
    table = np.column_stack([own, own.round(), last])
    names = NextCategory(range(size)).feature_names_in_
    return pd.DataFrame(table, columns=names), following


@pytest.fixture(scope="module")
def fitted() -> NextCategory:
    return NextCategory(["a", "b", "c", "d", "e"]).fit(*habits(6_000, 1))


def test_r34_habits_and_transitions_beat_popularity_and_probabilities_are_kept(fitted: NextCategory) -> None:
    later, following = habits(6_000, 2)
    places, probability = fitted.rank(later)
    hit = places[:, 0] == following
    assert hit.mean() > np.mean(following == fitted.popularity_.argmax()) + 0.12
    assert abs(hit.mean() - probability[:, 0].mean()) < 0.02
    np.testing.assert_allclose(fitted.predict_proba(later).sum(axis=1), 1.0, rtol=1e-9)
    assert fitted.weights_.shape == (5, 5)


def test_r34_scores_survive_json_and_do_not_depend_on_the_chunk(fitted: NextCategory) -> None:
    later, _ = habits(50, 3)
    later.iloc[4] = np.nan  # not looked up: no known order
    scores = fitted.score(later)
    assert scores["next_category_1"].isna().to_numpy().nonzero()[0].tolist() == [4]
    known = scores.drop(index=4)
    assert (known["next_category_1_probability"] >= known["next_category_3_probability"]).all()
    again = NextCategory.from_dict(fitted.to_dict())
    pd.testing.assert_frame_equal(again.score(later), scores)
    alone = pd.concat([again.score(later.iloc[[i]]) for i in range(4)])
    pd.testing.assert_frame_equal(alone, scores.iloc[:4], rtol=0, atol=0)
    with pytest.raises(NotEnoughDataError, match="1 categories"):
        NextCategory(["a", "b", "c", "d", "e"]).fit(later.iloc[:3], [2, 2, -1])


def test_r34_a_shop_with_personal_interests_is_better_served_than_by_popularity(tmp_path: Path) -> None:
    shop = SyntheticShop(n_customers=5_000, seed=6, days=500, tables=("orders", "order_lines"))
    write_shop(shop, tmp_path / "shop")
    (tmp_path / "sections.yaml").write_text(CONFIGURATION)
    with open_base(load_config(tmp_path / "sections.yaml"), Silent()) as base:
        trained = train_next_category(base, None)
        assert trained.decision.promoted
        assert trained.metrics["hit_rate"] > trained.metrics["baseline_hit_rate"] + 0.1
        assert trained.metrics["hit_at_3_difference_low"] > 0
        champion = RegisteredModel(
            "segml.sections.next_category", 1, "next_category", "2023", "", "", (), {}, trained.model
        )
        people = base.engine.fetch("select customer_id from customers order by customer_id")
        scores = next_category_rule(base, champion)(people.set_index("customer_id"))
        assert set(scores["next_category_1"].dropna()) <= set(trained.model.categories)
        assert scores.index.tolist() == people["customer_id"].tolist()
        base.engine.drop("order_lines")
        with pytest.raises(NotEnoughDataError, match="no table order_lines"):
            train_next_category(base, None)
        base.engine.register("order_lines", lines().drop(columns="category"))
        assert "no product category" in categories_missing(base.engine)


def test_r34_lists_carry_the_likeliest_category_as_a_hint_in_their_last_column(tmp_path: Path) -> None:
    tables = world(60)
    without = build(tables, tmp_path / "without")
    assert without["content_hint"].isna().all()
    tables["scores"] = tables["scores"].assign(next_category_1="tea")
    hinted = build(tables, tmp_path / "with")
    assert LIST_COLUMNS[-1] == "content_hint"
    assert set(hinted["content_hint"]) == {"tea"}
    pd.testing.assert_frame_equal(hinted.drop(columns="content_hint"), without.drop(columns="content_hint"))


def build(tables: dict[str, pd.DataFrame], folder: Path) -> pd.DataFrame:
    with engine_with(tables) as engine:
        build_lists(engine, [campaign("hello")], anybody(), AS_OF, "run", folder)
    return listed(folder, "hello")


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_r34_spark_counts_the_same_orders() -> None:
    from segml.engine.spark import SparkEngine

    people = pd.DataFrame({"customer_id": ["ann", "bob", "cid", "dot"], "customer_key": [1, 2, 3, 4]})
    with SparkEngine({"spark.master": "local[1]"}) as spark, engine_with({}) as duck:
        for engine in (spark, duck):
            engine.register("order_lines", lines())
            engine.register("customers", people)
            engine.run(main_categories_sql(AS_OF.plus_days(30)), MAIN)
        for sql in (inputs_sql(AS_OF, NAMES), bought_next_sql(AS_OF, 30, NAMES)):
            one, two = (
                engine.fetch(f"select * from ({sql}) q order by customer_id") for engine in (spark, duck)
            )
            columns = sorted(set(one.columns) - {"customer_key"})
            pd.testing.assert_frame_equal(one[columns], two[columns], check_dtype=False)
