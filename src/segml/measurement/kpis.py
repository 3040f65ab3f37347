"""The pack of key figures, one definition each, at every month's end, as sums of the validated tables.

A month's end is the first midnight after it; nothing at or after it is read, so a figure never changes when the next
month arrives. `window` is the base's churn horizon in days: the same silence that the models call churn. Figures whose
window begins before the first order are unavailable, never zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from segml.engine import Engine
from segml.errors import DataError
from segml.time_windows import SECONDS_PER_DAY, Cutoff

YEAR = 365
COLUMNS = ("month", "kpi", "value", "numerator", "denominator", "unit")
_MINOR = 100


@dataclass(frozen=True)
class Kpi:
    """One figure: numerator over denominator, both columns of the sums at a month's end.

    Attributes
    ----------
    history_days : function of the window
        Days of history that must lie before the month's end.
    per : float
        What the quotient is divided by (100 for minor units).
    """

    name: str
    meaning: str
    numerator: str
    denominator: str
    unit: str
    history_days: Callable[[int], int] = lambda window: 0
    per: float = 1.0


KPIS: tuple[Kpi, ...] = (
    Kpi(
        "retention_rate",
        "of those who bought in the window before last, the share who bought in the last window",
        "retained",
        "earlier",
        "share",
        lambda window: 2 * window,
    ),
    Kpi(
        "churn_rate",
        "of those who bought in the window before last, the share who bought nothing in the last window",
        "lost",
        "earlier",
        "share",
        lambda window: 2 * window,
    ),
    Kpi(
        "repeat_rate",
        "of all who ever bought, the share who bought on two days or more",
        "repeaters",
        "buyers",
        "share",
    ),
    Kpi(
        "second_purchase_rate",
        "of those whose first order lies in the window before last, the share with an order on a later day within"
        " one window of it",
        "second",
        "firsts",
        "share",
        lambda window: 2 * window,
    ),
    Kpi(
        "reactivation_rate",
        "of those who at the month's start had been silent for a window or longer, the share who bought in the month",
        "reactivated",
        "silent",
        "share",
        lambda window: window + 31,
    ),
    Kpi(
        "order_value_mean",
        "paid per order of the month, after discounts, before returns",
        "revenue",
        "orders",
        "money",
        per=_MINOR,
    ),
    Kpi(
        "orders_per_customer",
        "orders of the last 365 days per person who bought in them",
        "orders_year",
        "buyers_year",
        "orders",
        lambda window: YEAR,
    ),
    Kpi(
        "category_breadth",
        "different categories in the last 365 days per person who bought a known one in them",
        "categories",
        "category_buyers",
        "categories",
        lambda window: YEAR,
    ),
    Kpi("clv_historic", "spent so far per buyer, net of returns", "net_spend", "buyers", "money", per=_MINOR),
    Kpi(
        "unsubscribe_rate",
        "people who unsubscribed in the month per person who was sent something in it",
        "unsubscribed",
        "sent",
        "share",
    ),
    Kpi(
        "nps",
        "answers of 9 and 10 less answers of 0 to 6 to the item `nps`, per answer of the last 365 days",
        "nps_balance",
        "nps_answers",
        "share",
    ),
)


@dataclass(frozen=True)
class TierMoves:
    """How members move between the tiers of a loyalty programme.

    Attributes
    ----------
    tiers : tuple of str
        Lowest first.
    moves_sql : callable
        Two moments -> query for tier_before, tier_after, people.
    """

    tiers: tuple[str, ...]
    moves_sql: Callable[[Cutoff, Cutoff], str]

    @property
    def kpis(self) -> dict[str, str]:
        """Figure -> the tier that is left behind: ``tier_<lower>_to_<next>`` for each tier but the highest."""
        return {tier_kpi(low, high): low for low, high in zip(self.tiers, self.tiers[1:], strict=False)}


def tier_kpi(lower: str, higher: str) -> str:
    """Return the name of the share of a tier's members who at the month's end hold the next one, or a higher one.

    Examples
    --------
    >>> tier_kpi("basic", "silver")
    'tier_basic_to_silver'
    """
    return f"tier_{lower}_to_{higher}"


def month_ends(first_day: Cutoff, until: Cutoff, at_most: int = 24) -> list[Cutoff]:
    """Return the first days of months after `first_day` and not after `until`: the last `at_most`, oldest first.

    Examples
    --------
    >>> [day.label for day in month_ends(Cutoff.parse("2023-11-20"), Cutoff.parse("2024-02-01"))]
    ['2023-12-01', '2024-01-01', '2024-02-01']
    """
    days = pd.date_range(first_day.label, until.label, freq="MS")
    return [Cutoff.parse(f"{day:%Y-%m-%d}") for day in days if f"{day:%Y-%m-%d}" != first_day.label][
        -at_most:
    ]


def kpi_frame(
    engine: Engine,
    ends: list[Cutoff],
    first_day: Cutoff,
    window: int,
    minimum_cell: int = 10,
    tiers: TierMoves | None = None,
) -> pd.DataFrame:
    """Return the pack as a time series.

    Parameters
    ----------
    engine : Engine
        With ``orders`` and, as far as they exist, ``order_lines``, ``returns``, ``email_events``, ``surveys``.
    ends : list of Cutoff
        From `month_ends`.
    first_day : Cutoff
        Midnight before the first order.
    window : int
        Days; the churn horizon.
    minimum_cell : int
        Figures over fewer people (or orders) are suppressed.
    tiers : TierMoves, optional
        Of the loyalty programme; adds a figure a step, over the members who held the lower tier at the month's start.

    Returns
    -------
    DataFrame
        month (the day after its last), kpi, value (NaN: unavailable or suppressed), numerator, denominator, unit.

    Raises
    ------
    DataError
        No orders.
    """
    if not engine.exists("orders"):
        raise DataError("key figures need the orders table", "run `segml data` first")
    engine.run(_firsts_sql(), "kpi_firsts")
    try:
        rows = []
        for end in ends:
            sums = _sums(engine, end, window)
            rows += [_row(kpi, end, sums, first_day, window, minimum_cell) for kpi in KPIS]
            rows += _tier_rows(engine, tiers, end, first_day, minimum_cell) if tiers else []
        return pd.DataFrame(rows, columns=list(COLUMNS))
    finally:
        engine.drop("kpi_firsts")


def _row(
    kpi: Kpi, end: Cutoff, sums: dict[str, float], first_day: Cutoff, window: int, minimum_cell: int
) -> dict[str, object]:
    above, below = sums.get(kpi.numerator), sums.get(kpi.denominator)
    enough_history = end.plus_days(-kpi.history_days(window)) >= first_day
    known = above is not None and below is not None and enough_history and below >= max(minimum_cell, 1)
    nan = float("nan")
    return {
        "month": end.label,
        "kpi": kpi.name,
        "value": above / below / kpi.per if known and above is not None and below else nan,
        "numerator": above if known else nan,
        "denominator": below if known else nan,
        "unit": kpi.unit,
    }


def _tier_rows(
    engine: Engine, tiers: TierMoves, end: Cutoff, first_day: Cutoff, minimum_cell: int
) -> list[dict[str, object]]:
    start = _month_start(end)
    moves = engine.fetch(tiers.moves_sql(start, end))
    rank = {name: place for place, name in enumerate(tiers.tiers)}
    risen = moves["tier_after"].map(rank) > moves["tier_before"].map(rank)
    rows = []
    for name, lower in tiers.kpis.items():
        held = moves["tier_before"] == lower
        sums = {
            "risen": float(moves.loc[held & risen, "people"].sum()),
            "held": float(moves.loc[held, "people"].sum()),
        }
        kpi = Kpi(name, "", "risen", "held", "share", lambda window: 31)
        rows.append(_row(kpi, end, sums, first_day, 0, minimum_cell))
    return rows


def _sums(engine: Engine, end: Cutoff, window: int) -> dict[str, float]:
    queries = [_people_sql(end, window)]
    if engine.exists("order_lines") and "category" in engine.columns("order_lines"):
        queries.append(_categories_sql(end))
    if engine.exists("returns"):
        queries.append(f"select sum(amount_minor) as returned from returns where returned_at < {end.seconds}")
    if engine.exists("email_events"):
        queries.append(_contacts_sql(end))
    if engine.exists("surveys"):
        queries.append(_nps_sql(end))
    sums: dict[str, float] = {}
    for query in queries:
        row = engine.fetch(query, 1).iloc[0]
        sums |= {str(name): float(value) if pd.notna(value) else 0.0 for name, value in row.items()}
    if not sums.get(
        "ever_unsubscribed"
    ):  # a log without a single one does not record them: unavailable, not zero
        sums.pop("unsubscribed", None)
    sums["lost"] = sums["earlier"] - sums["retained"]
    sums["net_spend"] = sums["spend"] - sums.get("returned", 0.0)
    return sums


def _month_start(end: Cutoff) -> Cutoff:
    return Cutoff.parse(f"{pd.Timestamp(end.label) - pd.DateOffset(months=1):%Y-%m-%d}")


def _firsts_sql() -> str:
    """First order of each buyer, and the first on a later day."""
    first = "select customer_key, min(ordered_at) as first_at from orders group by customer_key"
    later = f"o.ordered_at - o.ordered_at % {SECONDS_PER_DAY} > f.first_at"
    return (
        "select f.customer_key as customer_key, f.first_at as first_at,"
        f" min(case when {later} then o.ordered_at else null end) as second_at"
        f" from ({first}) f join orders o on o.customer_key = f.customer_key group by f.customer_key, f.first_at"
    )


def _people_sql(end: Cutoff, window: int) -> str:
    start, until = _month_start(end).seconds, end.seconds
    last, before = until - window * SECONDS_PER_DAY, until - 2 * window * SECONDS_PER_DAY
    year, span = until - YEAR * SECONDS_PER_DAY, window * SECONDS_PER_DAY
    people = (
        "select o.customer_key as customer_key, min(f.first_at) as first_at, min(f.second_at) as second_at,"
        f" max(case when o.ordered_at < {start} then o.ordered_at else null end) as before_at,"
        f" sum(case when o.ordered_at >= {start} then 1 else 0 end) as orders,"
        f" sum(case when o.ordered_at >= {start} then o.amount_minor else 0 end) as revenue,"
        f" sum(case when o.ordered_at >= {year} then 1 else 0 end) as orders_year,"
        f" sum(case when o.ordered_at >= {last} then 1 else 0 end) as in_last,"
        f" sum(case when o.ordered_at >= {before} and o.ordered_at < {last} then 1 else 0 end) as in_earlier,"
        " sum(o.amount_minor) as spend"
        " from orders o join kpi_firsts f on f.customer_key = o.customer_key"
        f" where o.ordered_at < {until} group by o.customer_key"
    )
    new = f"first_at >= {before} and first_at < {last}"
    silent = f"before_at < {start - span}"
    counted = {
        "buyers": "true",
        "repeaters": f"second_at < {until}",
        "buyers_year": "orders_year > 0",
        "earlier": "in_earlier > 0",
        "retained": "in_earlier > 0 and in_last > 0",
        "firsts": new,
        "second": f"{new} and second_at < first_at + {span}",
        "silent": silent,
        "reactivated": f"{silent} and orders > 0",
    }
    columns = [
        f"sum(case when {condition} then 1 else 0 end) as {name}" for name, condition in counted.items()
    ]
    columns += [f"sum({name}) as {name}" for name in ("orders", "revenue", "orders_year", "spend")]
    return f"select {', '.join(columns)} from ({people}) people"


def _categories_sql(end: Cutoff) -> str:
    pairs = (
        "select customer_key, count(distinct category) as categories from order_lines"
        f" where ordered_at < {end.seconds} and ordered_at >= {end.seconds - YEAR * SECONDS_PER_DAY}"
        " and category is not null group by customer_key"
    )
    return f"select sum(categories) as categories, count(*) as category_buyers from ({pairs}) pairs"


def _contacts_sql(end: Cutoff) -> str:
    month = f"occurred_at >= {_month_start(end).seconds}"
    return (
        f"select count(distinct case when event = 'unsubscribe' and {month} then customer_id else null end)"
        " as unsubscribed,"
        f" count(distinct case when event = 'sent' and {month} then customer_id else null end) as sent,"
        " count(case when event = 'unsubscribe' then 1 else null end) as ever_unsubscribed"
        f" from email_events where occurred_at < {end.seconds}"
    )


def _nps_sql(end: Cutoff) -> str:
    return (
        "select sum(case when answer >= 9 then 1 when answer <= 6 then -1 else 0 end) as nps_balance,"
        " count(answer) as nps_answers from surveys where lower(item) = 'nps'"
        f" and answered_at < {end.seconds} and answered_at >= {end.seconds - YEAR * SECONDS_PER_DAY}"
    )
