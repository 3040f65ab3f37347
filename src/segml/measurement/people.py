"""One row a person of a list: the arm, what was known before the send, and what came after it.

Every figure of a list is a sum over this table, so the orders and the contact log are read once a list, in the engine,
and only sums by arm and stratum come home. Money is summed as integers and decimals, so that totals do not depend on
the order of rows. What is known before is taken from a window of the same length that ends when the list's begins.
"""

from __future__ import annotations

from segml.engine import Engine
from segml.errors import DataError
from segml.measurement.built import BuiltList
from segml.time_windows import Window

PEOPLE, LOG = "measured_people", "measured_log"
STRATA = 10
TREATED, HELD_OUT, GLOBALLY_HELD_OUT = "treated", "holdout", "global_holdout"
EVENTS = (
    *("sent", "delivered", "open", "machine_open", "click", "response"),
    *("unsubscribe", "complaint", "bounce"),
)
# What a person's events were, in one number: grouped and joined, it costs half of a flag for each
_BITS = {event: 1 << place for place, event in enumerate(EVENTS)}
_MEMBERS, _MONEY, _WRITTEN = "measured_list", "measured_money", "written_list"
_EXACT = "cast({0} as decimal(18,0))"
_OUTCOMES = ("buyer", "revenue")
_COVARIATES = ("before_orders", "before_revenue")


def make_people(engine: Engine, built: BuiltList, net_of_returns: bool) -> None:
    """Make the table ``measured_people`` of one list.

    Columns: customer_id, arm, score, stratum (tenth of the list's score, 10 highest, ties shared; 0 without a score),
    buyer (1 with an order in the window), orders, revenue, before_orders, before_revenue (window of equal length
    before the send; money in minor units), 0 or 1 for each of `EVENTS` in the window under the campaign's name, and
    `logged`, 1 with any of them. With a contact log, ``measured_log`` has one row for everybody with an event.

    Raises
    ------
    DataError
        Without orders.
    """
    if not engine.exists("orders"):
        raise DataError("measuring needs the orders table", "run `segml data` first")
    files = [built.folder / "list.parquet", built.folder / "holdout.parquet"]
    engine.register(_WRITTEN if engine.exists("identity") else _MEMBERS, files)
    if engine.exists("identity"):
        engine.view(_merged_members_sql(engine.columns(_WRITTEN)), _MEMBERS)
    engine.run(_money_sql(built.window, net_of_returns and engine.exists("returns")), _MONEY)
    log = has_log(engine)
    if log:
        engine.run(_events_sql(built), LOG)
    bounds = tenth_bounds(engine, _MEMBERS, "score") if "score" in engine.columns(_MEMBERS) else None
    engine.run(_people_sql(bounds, log), PEOPLE)
    engine.drop(_MONEY)
    engine.drop(_MEMBERS)
    engine.drop(_WRITTEN)


def _merged_members_sql(columns: list[str]) -> str:
    """Members of a list under the ids of today; a person who was on it under two is one, and in no arm if in both."""
    others = ", ".join(f"m.{name} as {name}" for name in columns if name != "customer_id")
    known = f"from {_WRITTEN} m left join identity i on i.customer_id = m.customer_id"
    person = "coalesce(i.person_id, m.customer_id)"
    once = (
        f"select {person} as person, min(m.customer_id) as first_id, min(m.arm) as arm, max(m.arm) as other_arm"
        f" {known} group by {person}"
    )
    return (
        f"select o.person as customer_id, {others} from {_WRITTEN} m join ({once}) o on o.first_id = m.customer_id"
        " where o.arm = o.other_arm"
    )


def drop_people(engine: Engine) -> None:
    """Forget the tables of the last list."""
    engine.drop(PEOPLE)
    engine.drop(LOG)


def has_log(engine: Engine) -> bool:
    """Tell whether there is a contact log that names campaigns."""
    return engine.exists("email_events") and "campaign_id" in engine.columns("email_events")


def _money_sql(window: Window, net_of_returns: bool) -> str:
    start, end = window.start.seconds, window.end.seconds
    before = start - (end - start)
    rows = (
        "select customer_id, ordered_at as moment, amount_minor as amount, 1 as orders from orders"
        f" where {_in('ordered_at', before, end)}"
    )
    if net_of_returns:
        rows += (
            " union all select customer_id, returned_at as moment, -amount_minor as amount, 0 as orders from returns"
            f" where {_in('returned_at', before, end)}"
        )
    columns = [
        f"cast(sum(case when moment {sign} {start} then {what} else 0 end) as bigint) as {prefix}{name}"
        for sign, prefix in ((">=", ""), ("<", "before_"))
        for what, name in (("orders", "orders"), ("amount", "revenue"))
    ]
    return f"select customer_id, {', '.join(columns)} from ({rows}) money group by customer_id"


def _in(column: str, start: int, end: int) -> str:
    return f"{column} >= {start} and {column} < {end}"


def _small(flag: str) -> str:
    """One byte a person: ten million people with ten flags are then held in memory, not on disk."""
    return f"cast({flag} as tinyint)"


def tenth_bounds(engine: Engine, table: str, column: str) -> list[float]:
    """Return the lowest value of each tenth above the first; equal values share a tenth, so there may be fewer."""
    ranked = (
        "select v, sum(people) over (order by v) - people as below, sum(people) over () as everyone"
        f" from (select cast({column} as double) as v, count(*) as people from {table}"
        f" where {column} is not null group by cast({column} as double)) counted"
    )
    rows = engine.fetch(
        f"select tenth, min(v) as least from (select v, cast(floor(cast({STRATA} * below as double)"
        f" / everyone) as int) as tenth from ({ranked}) ranked) cut group by tenth order by tenth",
        STRATA,
    )
    return [float(least) for tenth, least in zip(rows["tenth"], rows["least"], strict=True) if tenth > 0]


def stratum_sql(value: str, bounds: list[float]) -> str:
    """Return SQL for the tenth of a value, 1 to 10, 0 when it is missing."""
    above = [f"case when {value} >= cast('{bound!r}' as double) then 1 else 0 end" for bound in bounds]
    return f"case when {value} is null then 0 else {' + '.join(['1', *above])} end"


def _people_sql(bounds: list[float] | None, log: bool) -> str:
    score, stratum = "cast(null as double)", "0"
    if bounds is not None:
        score = "cast(p.score as double)"
        stratum = stratum_sql(score, bounds)
    money = [f"coalesce(m.{name}, 0) as {name}" for name in ("orders", "revenue", *_COVARIATES)]
    events = [_small(_tells(bit) if log else "0") + f" as {event}" for event, bit in _BITS.items()]
    events.append(_small("case when e.customer_id is null then 0 else 1 end" if log else "0") + " as logged")
    join = f" left join {LOG} e on e.customer_id = p.customer_id" if log else ""
    return (
        f"select p.customer_id as customer_id, p.arm as arm, {score} as score, {_small(stratum)} as stratum,"
        f" {_small('case when coalesce(m.orders, 0) > 0 then 1 else 0 end')} as buyer, {', '.join([*money, *events])}"
        f" from {_MEMBERS} p left join {_MONEY} m on m.customer_id = p.customer_id{join}"
    )


def _events_sql(built: BuiltList) -> str:
    window = _in("occurred_at", built.window.start.seconds, built.window.end.seconds)
    condition = f"campaign_id = '{built.campaign}' and {window}"
    bits = _BITS | dict.fromkeys(
        ("hard_bounce", "soft_bounce"), _BITS["bounce"]
    )  # a result, of whatever kind
    known = " ".join(f"when '{event}' then {bit}" for event, bit in bits.items())
    seen = f"bit_or(cast(case event {known} else 0 end as int))"
    return f"select customer_id, {seen} as seen from email_events where {condition} group by customer_id"


def _tells(bit: int) -> str:
    return f"case when (coalesce(e.seen, 0) & {bit}) > 0 then 1 else 0 end"


def arm_columns() -> str:
    """Return the SQL columns of an arm's totals: people, buyers, revenue, squares (of revenue)."""
    revenue = _EXACT.format("revenue")
    return (
        "count(*) as people, cast(sum(buyer) as bigint) as buyers, cast(sum(revenue) as bigint) as revenue,"
        f" cast(sum({revenue} * {revenue}) as double) as squares"
    )


def moments_sql() -> str:
    """Return the query for sums and sums of products of outcomes and covariates by stratum and arm."""
    names = (*_OUTCOMES, *_COVARIATES)
    sums = [f"cast(sum({name}) as double) as {name}" for name in names]
    for place, first in enumerate(names):
        for second in names[place:]:
            product = f"{_EXACT.format(first)} * {_EXACT.format(second)}"
            sums.append(f"cast(sum({product}) as double) as {first}_x_{second}")
    return (
        f"select stratum, arm, count(*) as people, {', '.join(sums)} from {PEOPLE}"
        " group by stratum, arm order by stratum, arm"
    )
