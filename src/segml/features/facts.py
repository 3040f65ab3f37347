"""Order facts: one row an order, with everything any cutoff needs, so that lines are read once for all cutoffs.

"Different products until the cutoff" can't be summed from lines cutoff by cutoff without reading them each time; "how
many products were new in this order" can. The same goes for stores and gaps. After this step a cutoff costs one pass
over orders, not over lines.
"""

from __future__ import annotations

import pandas as pd

from segml.engine import Engine
from segml.features.affinity import MASK_BITS
from segml.features.plan import FeaturePlan
from segml.time_windows import Cutoff

CODES = "category_codes"


def build_order_facts(engine: Engine, plan: FeaturePlan, lines_until: Cutoff, people: str = "") -> None:
    """Write the temporary table `order_facts`.

    Parameters
    ----------
    engine : Engine
        With `orders` and, when the plan needs it, `order_lines` registered.
    plan : FeaturePlan
        Which facts are needed.
    lines_until : Cutoff
        The last cutoff: later lines feed no feature and are not read. Later orders are kept for labels.
    people : str
        SQL condition on `customer_key` that picks a bucket or a sample; empty for everybody.
    """
    joins, columns = [], ["o.*"]
    if {"products", "categories"} & set(plan.groups):
        engine.register(CODES, category_codes(plan))
        engine.run(line_facts_sql(plan, lines_until, people), "line_facts")
        joins.append("left join line_facts l on l.customer_key = o.customer_key and l.order_no = o.order_no")
        columns += [f"l.{name}" for name in _line_columns(plan)]
    if "products" in plan.groups:
        engine.run(
            first_seen_sql("order_lines", "product_id", "new_products", lines_until, people), "product_facts"
        )
        joins.append(
            "left join product_facts p on p.customer_key = o.customer_key and p.order_no = o.order_no"
        )
        columns.append("p.new_products")
    if "stores" in plan.groups:
        engine.run(first_seen_sql("orders", "store_id", "new_store", lines_until, people), "store_facts")
        joins.append("left join store_facts s on s.customer_key = o.customer_key and s.order_no = o.order_no")
        columns.append("s.new_store")
    engine.run(
        f"select {', '.join(columns)} from ({orders_sql(plan, people)}) o {' '.join(joins)}", "order_facts"
    )
    for table in (CODES, "line_facts", "product_facts", "store_facts"):
        engine.drop(table)


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


def _line_columns(plan: FeaturePlan) -> list[str]:
    names = ["lines"]
    if "categories" in plan.groups:
        names += ["line_amount_minor", "category_mask"]
        names += [f"category_{i}_minor" for i in range(len(plan.categories))]
    return names


def line_facts_sql(plan: FeaturePlan, until: Cutoff, people: str = "") -> str:
    """Lines, spend by category and category mask of each order."""
    columns = ["customer_key", "order_no", "cast(count(*) as integer) as lines"]
    source = "order_lines"
    if "categories" in plan.groups:
        source = f"order_lines left join {CODES} on order_lines.category = {CODES}.category"
        rest = f"case when order_lines.category is not null then cast({1 << (MASK_BITS - 1)} as bigint) end"
        columns.append(f"bit_or(coalesce(category_bit, {rest})) as category_mask")
        columns.append("cast(sum(amount_minor) as bigint) as line_amount_minor")
        columns += [
            f"cast(sum(case when category_no = {i} then amount_minor else 0 end) as bigint) as category_{i}_minor"
            for i in range(len(plan.categories))
        ]
    where = _where(until, people)
    return f"select {', '.join(columns)} from {source} where {where} group by customer_key, order_no"


def first_seen_sql(table: str, column: str, name: str, until: Cutoff, people: str = "") -> str:
    """How many values of `column` a customer showed for the first time, by the order that showed them."""
    firsts = (
        f"select customer_key, {column}, min(order_no) as order_no from {table}"
        f" where {column} is not null and {_where(until, people)} group by customer_key, {column}"
    )
    return (
        f"select customer_key, order_no, cast(count(*) as integer) as {name} from ({firsts}) firsts"
        " group by customer_key, order_no"
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


def _where(until: Cutoff, people: str) -> str:
    return f"ordered_at < {until.seconds}{f' and {people}' if people else ''}"
