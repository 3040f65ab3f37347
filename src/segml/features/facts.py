"""Facts: what the cutoffs of one call share, so that lines are read once for all of them.

Orders keep a row each, with their gap to the order day before. Lines are added up by customer and *stretch*, the time
between two neighbouring edges; an edge is a cutoff, or the day `RECENT_DAYS` before one. A stretch lies wholly before a
cutoff or wholly after it, so its start, `since`, stands for the moments of all its lines: `since < cutoff` says the
same of the sum as `ordered_at < cutoff` of each line. "Different products until the cutoff" can't be added up, but "how
many products were new in this stretch" can; the same goes for stores.

After this step a cutoff costs one pass over orders and over a few rows a customer. One cutoff alone shares nothing: its
lines are then added up once, where they are used. Joining line facts to each order was tried: a quarter more for one
cutoff, and wide rows for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from segml.engine import Engine
from segml.features.affinity import MASK_BITS
from segml.features.behaviour import RECENT_DAYS
from segml.features.definition import LINES, ORDERS, PRODUCTS, ROWS, STORES, day_of, sum_of
from segml.time_windows import SECONDS_PER_DAY, Cutoff

if TYPE_CHECKING:
    from segml.features.plan import FeaturePlan

CODES = "category_codes"


def build_facts(engine: Engine, plan: FeaturePlan, cutoffs: Sequence[Cutoff], people: str = "") -> None:
    """Write the temporary tables `order_facts` and, as the plan needs them, those of lines, products and stores.

    Parameters
    ----------
    engine : Engine
        With `orders` and, when the plan needs it, `order_lines` registered.
    plan : FeaturePlan
        Which facts are needed.
    cutoffs : sequence of Cutoff
        The cutoffs that will be asked for. Rows after the last feed no feature and are not read.
    people : str
        SQL condition on `customer_key` that picks a bucket or a sample; empty for everybody.
    """
    queries = fact_queries(plan, cutoffs, people)
    if LINES in queries:
        engine.register(CODES, category_codes(plan))
    for name, sql in queries.items():
        if name == LINES and len(cutoffs) == 1:
            engine.view(sql, name)
        else:
            engine.run(sql, name)


def fact_queries(plan: FeaturePlan, cutoffs: Sequence[Cutoff], people: str = "") -> dict[str, str]:
    """Return table -> the query that fills it, of every table of facts that the plan needs."""
    queries = {ORDERS: orders_sql(plan, cutoffs, people)}
    if {"products", "categories"} & set(plan.groups):
        queries[LINES] = line_facts_sql(plan, cutoffs, people)
    if "products" in plan.groups:
        queries[PRODUCTS] = first_seen_sql("order_lines", "product_id", "new_products", cutoffs, people)
    if "stores" in plan.groups:
        queries[STORES] = first_seen_sql("orders", "store_id", "new_stores", cutoffs, people)
    return queries


def drop_facts(engine: Engine) -> None:
    """Forget what `build_facts` wrote."""
    for name in (ORDERS, LINES, PRODUCTS, STORES, CODES):
        engine.drop(name)


def category_codes(plan: FeaturePlan) -> pd.DataFrame:
    """Return category -> its number and its bit; categories beyond the plan's share the last bit."""
    numbers = range(len(plan.mask_categories))
    return pd.DataFrame(
        {
            "category": pd.Series(list(plan.mask_categories), dtype="str"),
            "category_no": pd.Series(list(numbers), dtype="int32"),
            "category_bit": pd.Series([1 << i for i in numbers], dtype="int64"),
        }
    )


def since_sql(edges: Iterable[Cutoff], column: str = "ordered_at") -> str:
    """Return SQL for the start of the stretch between edges that a moment before the last of them lies in.

    Examples
    --------
    >>> since_sql([Cutoff(10), Cutoff(100)])
    'case when ordered_at >= 864000 then 864000 else 0 end'
    >>> since_sql([Cutoff(100)])
    '0'
    """
    starts = sorted({edge.seconds for edge in edges}, reverse=True)[1:]
    cases = " ".join(f"when {column} >= {start} then {start}" for start in starts)
    return f"case {cases} else 0 end" if cases else "0"


def line_facts_sql(plan: FeaturePlan, cutoffs: Sequence[Cutoff], people: str = "") -> str:
    """Lines, spend by category and category mask of each customer and stretch; with one cutoff, of each line."""
    facts = {"lines": ("1", ROWS)}
    source = "order_lines"
    if "categories" in plan.groups:
        source = f"order_lines left join {CODES} on order_lines.category = {CODES}.category"
        rest = f"case when order_lines.category is not null then cast({1 << (MASK_BITS - 1)} as bigint) end"
        facts["category_mask"] = (f"coalesce(category_bit, {rest})", "bit_or(category_mask)")
        facts["line_amount_minor"] = ("amount_minor", sum_of("line_amount_minor"))
        for i in range(len(plan.categories)):
            amount = f"case when category_no = {i} then amount_minor else 0 end"
            facts[f"category_{i}_minor"] = (amount, sum_of(f"category_{i}_minor"))
    alone = len(cutoffs) == 1
    edges = [*cutoffs, *(cutoff.plus_days(-RECENT_DAYS) for cutoff in cutoffs)]
    since = "ordered_at" if alone else since_sql(edges)
    each = ", ".join(f"{of_line} as {name}" for name, (of_line, _) in facts.items())
    lines = f"select customer_key, {since} as since, {each} from {source} where {_where(cutoffs, people)}"
    added = ", ".join(f"{total} as {name}" for name, (_, total) in facts.items())
    return (
        lines
        if alone
        else f"select customer_key, since, {added} from ({lines}) lines group by customer_key, since"
    )


def first_seen_sql(table: str, column: str, name: str, cutoffs: Sequence[Cutoff], people: str = "") -> str:
    """How many values of `column` a customer showed for the first time, by the stretch that showed them."""
    rows = f"from {table} where {column} is not null and {_where(cutoffs, people)}"
    counted = f"{ROWS} as {name}"
    if len(cutoffs) == 1:  # one stretch, nothing to date
        different = f"select distinct customer_key, {column} {rows}"
        return (
            f"select customer_key, 0 as since, {counted} from ({different}) different group by customer_key"
        )
    firsts = f"select customer_key, min(ordered_at) as first_at {rows} group by customer_key, {column}"
    dated = f"select customer_key, {since_sql(cutoffs, 'first_at')} as since from ({firsts}) firsts"
    return f"select customer_key, since, {counted} from ({dated}) dated group by customer_key, since"


def orders_sql(plan: FeaturePlan, cutoffs: Sequence[Cutoff], people: str = "") -> str:
    """Orders with their weekday, second of the day, and the gap to the order day before."""
    kept = ["customer_key", "order_no", "ordered_at", "amount_minor"]
    kept += ["discount_minor"] if "discounts" in plan.groups else []
    kept += ["coupon_minor"] if "coupons" in plan.groups else []
    dated = (
        f"select {', '.join(kept)}, {day_of('ordered_at')} as day from orders where {_where(cutoffs, people)}"
    )
    before = "lag(day) over (partition by customer_key order by order_no)"
    ordered = f"select *, {before} as day_before from ({dated}) dated"
    return (
        f"select {', '.join(kept)}, cast((day + 3) % 7 as integer) as weekday,"
        f" cast(ordered_at % {SECONDS_PER_DAY} as integer) as second_of_day,"
        " case when day > day_before then day - day_before end as gap_days"
        f" from ({ordered}) ordered"
    )


def _where(cutoffs: Sequence[Cutoff], people: str) -> str:
    return f"ordered_at < {max(cutoffs).seconds}{f' and {people}' if people else ''}"
