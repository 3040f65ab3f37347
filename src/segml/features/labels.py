"""What happened next: orders, spend and silence in `[cutoff, cutoff + horizon)`.

Labels live in files of their own, beside the features and never among them. A horizon whose window has not closed
has no label.
"""

from __future__ import annotations

from collections.abc import Sequence

from segml.engine import Engine
from segml.time_windows import SECONDS_PER_DAY, Cutoff


def closed_horizons(cutoff: Cutoff, horizons: Sequence[int], observed_until: Cutoff | None) -> list[int]:
    """Return the horizons whose window has ended; none when it is not known how far the data reach.

    Examples
    --------
    >>> closed_horizons(Cutoff(100), (30, 60), observed_until=Cutoff(140))
    [30]
    """
    return [
        days for days in horizons if observed_until is not None and cutoff.plus_days(days) <= observed_until
    ]


def label_names(horizons: Sequence[int]) -> list[str]:
    """Return the label columns of these horizons."""
    return [f"{what}_next_{days}d" for days in horizons for what in ("orders", "spend", "silent")]


def future_sql(engine: Engine, cutoff: Cutoff, horizons: Sequence[int], people: str = "") -> str:
    """Orders and net spend by customer in each horizon; customers without either are absent."""
    bucket = f" and {people}" if people else ""
    start, end = cutoff.seconds, cutoff.seconds + max(horizons) * SECONDS_PER_DAY
    parts = [
        "select customer_key, ordered_at as happened_at, 1 as orders, amount_minor from orders"
        f" where ordered_at >= {start} and ordered_at < {end}{bucket}"
    ]
    if engine.exists("returns"):
        parts.append(
            "select customer_key, returned_at, 0, -amount_minor from returns"
            f" where returned_at >= {start} and returned_at < {end}{bucket}"
        )
    columns = []
    for days in horizons:
        until = f"happened_at < {start + days * SECONDS_PER_DAY}"
        columns.append(f"sum(case when {until} then orders else 0 end) as orders_{days}")
        columns.append(f"sum(case when {until} then amount_minor else 0 end) as amount_{days}")
    happened = " union all ".join(parts)
    return f"select customer_key, {', '.join(columns)} from ({happened}) happened group by customer_key"


def label_columns(horizons: Sequence[int], future: str = "f") -> list[str]:
    """Return the select list that turns `future_sql` into labels."""
    columns = []
    for days in horizons:
        orders = f"coalesce({future}.orders_{days}, 0)"
        columns.append(f"cast({orders} as double) as orders_next_{days}d")
        columns.append(f"cast(coalesce({future}.amount_{days}, 0) as double) / 100 as spend_next_{days}d")
        columns.append(
            f"case when {orders} = 0 then cast(1 as double) else cast(0 as double) end as silent_next_{days}d"
        )
    return columns
