"""Facts: what the cutoffs of one call share, so that lines are read once for all of them.

Orders keep a row each, with their gap to the order day before. Lines are added up by customer and *stretch*, the time
between two neighbouring edges; an edge is a cutoff, or the day `RECENT_DAYS` before one. A stretch lies wholly before a
cutoff or wholly after it, so its start, `since`, stands for the moments of all its lines: `since < cutoff` says the
same of the sum as `ordered_at < cutoff` of each line. "Different products until the cutoff" can't be added up, but "how
many products were new in this stretch" can; the same goes for stores.

After this step a cutoff costs one pass over orders and over a few rows a customer. Joining line facts to each order
was tried: a quarter more for one cutoff, and wide rows for all.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from segml.engine import Engine
from segml.features.affinity import MASK_BITS
from segml.features.behaviour import RECENT_DAYS
from segml.features.definition import LINES, ORDERS, PRODUCTS, STORES
from segml.features.plan import FeaturePlan
from segml.time_windows import Cutoff

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
        The cutoffs that will be asked for. Lines after the last feed no feature and are not read; later orders are
        kept for labels.
    people : str
        SQL condition on `customer_key` that picks a bucket or a sample; empty for everybody.
    """
    queries = {ORDERS: orders_sql(plan, people)}
    if {"products", "categories"} & set(plan.groups):
        engine.register(CODES, category_codes(plan))
        queries[LINES] = line_facts_sql(plan, cutoffs, people)
    if "products" in plan.groups:
        queries[PRODUCTS] = first_seen_sql("order_lines", "product_id", "new_products", cutoffs, people)
    if "stores" in plan.groups:
        queries[STORES] = first_seen_sql("orders", "store_id", "new_stores", cutoffs, people)
    for name, sql in queries.items():
        engine.run(sql, name)
    engine.drop(CODES)


def drop_facts(engine: Engine) -> None:
    """Forget what `build_facts` wrote."""
    for name in (ORDERS, LINES, PRODUCTS, STORES):
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


def since_sql(cutoffs: Sequence[Cutoff], column: str = "ordered_at") -> str:
    """Return SQL for the start of the stretch that a moment before the last cutoff lies in.

    Examples
    --------
    >>> since_sql([Cutoff(100)])
    'case when ordered_at >= 864000 then 864000 else 0 end'
    """
    edges = {cutoff.seconds for cutoff in cutoffs} | {c.plus_days(-RECENT_DAYS).seconds for c in cutoffs}
    starts = sorted(edges - {max(edges)}, reverse=True)
    cases = " ".join(f"when {column} >= {start} then {start}" for start in starts)
    return f"case {cases} else 0 end"


def line_facts_sql(plan: FeaturePlan, cutoffs: Sequence[Cutoff], people: str = "") -> str:
    """Lines, spend by category and category mask of each customer and stretch."""
    columns = ["customer_key", "since", "cast(count(*) as integer) as lines"]
    kept = ["customer_key", f"{since_sql(cutoffs)} as since"]
    source = "order_lines"
    if "categories" in plan.groups:
        source = f"order_lines left join {CODES} on order_lines.category = {CODES}.category"
        rest = f"case when order_lines.category is not null then cast({1 << (MASK_BITS - 1)} as bigint) end"
        kept += ["amount_minor", "category_no", f"coalesce(category_bit, {rest}) as category_bit"]
        columns.append("bit_or(category_bit) as category_mask")
        columns.append("cast(sum(amount_minor) as bigint) as line_amount_minor")
        columns += [
            f"cast(sum(case when category_no = {i} then amount_minor else 0 end) as bigint) as category_{i}_minor"
            for i in range(len(plan.categories))
        ]
    lines = f"select {', '.join(kept)} from {source} where {_where(cutoffs, people)}"
    return f"select {', '.join(columns)} from ({lines}) lines group by customer_key, since"


def first_seen_sql(table: str, column: str, name: str, cutoffs: Sequence[Cutoff], people: str = "") -> str:
    """How many values of `column` a customer showed for the first time, by the stretch that showed them."""
    firsts = (
        f"select customer_key, min(ordered_at) as first_at from {table}"
        f" where {column} is not null and {_where(cutoffs, people)} group by customer_key, {column}"
    )
    dated = f"select customer_key, {since_sql(cutoffs, 'first_at')} as since from ({firsts}) firsts"
    return (
        f"select customer_key, since, cast(count(*) as integer) as {name} from ({dated}) dated"
        " group by customer_key, since"
    )


def orders_sql(plan: FeaturePlan, people: str = "") -> str:
    """Orders with their day, weekday, hour, and the gap to the order day before."""
    kept = ["customer_key", "order_no", "ordered_at", "amount_minor"]
    kept += ["discount_minor"] if "discounts" in plan.groups else []
    kept += ["coupon_minor"] if "coupons" in plan.groups else []
    day = "cast(cast(ordered_at - ordered_at % 86400 as double) / 86400 as bigint)"
    dated = f"select {', '.join(kept)}, {day} as day from orders{f' where {people}' if people else ''}"
    before = "lag(day) over (partition by customer_key order by order_no)"
    ordered = f"select *, {before} as day_before from ({dated}) dated"
    return (
        f"select {', '.join(kept)}, day, cast((day + 3) % 7 as integer) as weekday,"
        " cast((ordered_at % 86400 - ordered_at % 3600) as double) / 3600 as hour,"
        " case when day_before is null or day > day_before then 1 else 0 end as new_day,"
        " case when day > day_before then cast(day - day_before as integer) end as gap_days"
        f" from ({ordered}) ordered"
    )


def _where(cutoffs: Sequence[Cutoff], people: str) -> str:
    return f"ordered_at < {max(cutoffs).seconds}{f' and {people}' if people else ''}"
