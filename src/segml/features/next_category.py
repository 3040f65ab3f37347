"""What somebody bought mainly, order by order, and what they bought next.

An order's main category is the one with the most spend in it. Whether a supermarket basket holds groceries is no
question; what it is mainly for is one, and it has one right answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from segml.engine import Engine
from segml.engine.keys import text_sql
from segml.time_windows import Cutoff

MAIN, INPUTS = "main_categories", "next_category_inputs"
MOST_CATEGORIES = 30
RECENT_DAYS = 90


def categories_missing(engine: Engine) -> str:
    """Say why nothing is known of categories; empty when it is."""
    if not engine.exists("order_lines"):
        return "no table order_lines"
    return (
        ""
        if "category" in engine.columns("order_lines")
        else "no product category in order_lines or products"
    )


def main_categories_sql(until: Cutoff) -> str:
    """One row an order before a day: customer_key, ordered_at, category; orders without any category are left out."""
    spent = (
        "select customer_key, order_no, min(ordered_at) as ordered_at, category, sum(amount_minor) as amount"
        f" from order_lines where ordered_at < {until.seconds} and category is not null"
        " group by customer_key, order_no, category"
    )
    placed = (
        "select customer_key, order_no, ordered_at, category, row_number() over"
        f" (partition by customer_key, order_no order by amount desc, category) as place from ({spent}) spent"
    )
    return f"select customer_key, order_no, ordered_at, category from ({placed}) placed where place = 1"


def largest_categories(engine: Engine, cutoff: Cutoff) -> tuple[str, ...]:
    """Return the categories that most orders before a day were mainly for, at most `MOST_CATEGORIES`."""
    sql = (
        f"select category, count(*) as orders from {MAIN} where ordered_at < {cutoff.seconds} group by category"
        f" order by orders desc, category limit {MOST_CATEGORIES}"
    )
    return tuple(engine.fetch(sql)["category"])


def input_names(categories: Sequence[str]) -> list[str]:
    """Return the columns of `inputs_sql` behind customer_id, by the categories' places."""
    places = range(len(categories))
    return [*(f"own_{i}" for i in places), *(f"recent_{i}" for i in places), "last_category"]


def inputs_sql(cutoff: Cutoff, categories: Sequence[str], people: str = "") -> str:
    """One row a buyer: orders by main category, ever (own_i) and in 90 days (recent_i), and the last one's place.

    Parameters
    ----------
    cutoff : Cutoff
        Orders before it count.
    categories : sequence of str
        Those told apart; an order of another is counted nowhere.
    people : str
        SQL condition on `customer_key`.
    """
    cases = " ".join(f"when {text_sql(name)} then {place}" for place, name in enumerate(categories))
    since = cutoff.plus_days(-RECENT_DAYS).seconds
    orders = (
        f"select customer_key, ordered_at, order_no, case category {cases} end as place from {MAIN}"
        f" where ordered_at < {cutoff.seconds}{f' and {people}' if people else ''}"
    )
    counted = [
        f"cast(sum(case when place = {i}{recent} then 1 else 0 end) as double) as {name}_{i}"
        for name, recent in (("own", ""), ("recent", f" and ordered_at >= {since}"))
        for i in range(len(categories))
    ]
    last = "cast(max_by(place, order_no) filter (where place is not null) as double) as last_category"
    return (
        f"select c.customer_id as customer_id, i.* from (select customer_key, {', '.join(counted)}, {last}"
        f" from ({orders}) orders group by customer_key) i join customers c on c.customer_key = i.customer_key"
    )


def bought_next_sql(cutoff: Cutoff, horizon: int, categories: Sequence[str], people: str = "") -> str:
    """The buyers of `inputs_sql` who order within `horizon` days, with the `next_place` of that order's category.

    -1 where the category is none of `categories`.
    """
    cases = " ".join(f"when {text_sql(name)} then {place}" for place, name in enumerate(categories))
    following = (
        f"select customer_key, cast(min_by(case category {cases} else -1 end, order_no) as integer) as next_place"
        f" from {MAIN} where ordered_at >= {cutoff.seconds} and ordered_at < {cutoff.plus_days(horizon).seconds}"
        " group by customer_key"
    )
    names = ", ".join(f"x.{name} as {name}" for name in input_names(categories))
    return (
        f"select x.customer_id as customer_id, {names}, n.next_place as next_place"
        f" from ({inputs_sql(cutoff, categories, people)}) x"
        f" join ({following}) n on n.customer_key = x.customer_key order by customer_id"
    )
