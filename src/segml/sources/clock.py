"""What day it is in a base: the bulk of its orders tells, not an order that lies alone far from all others.

One order of 2099 would make today 2100 and everybody dormant; one of 1900 would be a history of a century. A shop that
sells at Christmas only, was closed for the summer or is very small has long pauses too, so an order is far only when
all of this holds:

* between it and the bulk lie at least two years, or after the bulk more than the longest horizon, without any order;
* that pause is more than twice as long as any pause within the bulk, and long against the usual time between orders;
* there are few orders beyond it, or, where years lie between, all of them are on one absurd day.

Ten years and more need no further evidence than that most orders are on the other side. A few orders scattered over
more than a horizon behind an abrupt end of the bulk (days and months that changed places) are far as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from segml.sources.cleaning import FAR_ORDER
from segml.tables.checks import EARLIEST, LATEST, Fetch
from segml.tables.diagnostics import Diagnostic, Example
from segml.time_windows import SECONDS_PER_DAY, Cutoff

_YEARS, _DECADE = 2 * 365, 10 * 365
_ENOUGH = 10  # orders from which on a shop has a usual time between orders
_PAUSES = 2  # as long as this many of the longest pause within the bulk
_INTERVALS = 20  # as long as this many mean times between orders: exp(-20) if orders come at random
_SHOWN = 3
_MONTH = 30
_KEPT_GAPS, _LEAST_GAP = 50, 7


@dataclass(frozen=True)
class Bulk:
    """The days that the bulk of the orders lies between, both with orders.

    Attributes
    ----------
    first, last : int
        Days since 1970-01-01.
    """

    first: int
    last: int


def find_bulk(days: Sequence[int], orders: Sequence[int], horizon: int) -> Bulk:
    """Return the first and the last day of the bulk.

    Parameters
    ----------
    days : sequence of int
        Days with orders, ascending.
    orders : sequence of int
        Orders of each day.
    horizon : int
        The longest horizon in days.

    Examples
    --------
    >>> year = list(range(19_700, 20_065))
    >>> find_bulk([*year, 47_482], [3] * 365 + [1], horizon=90)
    Bulk(first=19700, last=20064)

    A shop that sells in December only is not cut, though its new season has only begun:

    >>> seasons = [day for start in (19_327, 19_692, 20_057) for day in range(start, start + 24)]
    >>> find_bulk([*seasons, 20_422], [5] * 72 + [1], horizon=90)
    Bulk(first=19327, last=20422)
    """
    day, count = np.asarray(days, dtype=np.int64), np.asarray(orders, dtype=np.int64)
    starts = np.flatnonzero(np.diff(day, prepend=day[0]) > min(horizon, _YEARS))
    bounds = np.concatenate([[0], starts, [len(day)]])
    groups = [(int(a), int(b)) for a, b in pairwise(bounds) if b > a]
    main = max(range(len(groups)), key=lambda place: int(count[slice(*groups[place])].sum()))
    begin, end = groups[main]
    for group in groups[main + 1 :]:
        if not _is_far(day, count, (begin, end), group, max(horizon, 1)):
            end = group[1]
    for group in reversed(groups[:main]):
        if not _is_far(day, count, (begin, end), group, _YEARS):
            begin = group[0]
    end = begin + _without_scattered(day[begin:end], count[begin:end], horizon)
    return Bulk(int(day[begin]), int(day[end - 1]))


def _without_scattered(day: np.ndarray, count: np.ndarray, horizon: int) -> int:
    """Return how many days are left when the few orders scattered over more than a horizon at the end are none."""
    few = max(2, int(count.sum()) // 200)
    behind = np.cumsum(count[::-1])[::-1]
    pauses = np.diff(day)
    longest = np.maximum.accumulate(np.concatenate([[0], pauses]))  # up to each day
    for place in range(int(np.searchsorted(-behind, -few)), len(day)):
        last = place - 1
        if last < 1 or day[-1] - day[last] <= horizon or pauses[last] <= longest[last]:
            continue
        before = int(count[(day > day[last] - _MONTH) & (day <= day[last])].sum())
        if before >= 10 * int(behind[place]) and not _is_trading(day[place:]):
            return place
    return len(day)


def _is_far(
    day: np.ndarray, count: np.ndarray, bulk: tuple[int, int], group: tuple[int, int], least: int
) -> bool:
    """Tell whether a group of days beside the bulk is no part of it."""
    inside, outside = slice(*bulk), slice(*group)
    after = group[0] >= bulk[1]
    pause = int(day[group[0]] - day[bulk[1] - 1] if after else day[bulk[0]] - day[group[1] - 1])
    most, few = int(count[inside].sum()), int(count[outside].sum())
    if pause >= _DECADE:
        return few < most
    if pause <= least and pause < _YEARS:
        return False
    longest = int(np.diff(day[inside]).max(initial=0))
    usual = (int(day[inside][-1] - day[inside][0]) + 1) / most
    if most < _ENOUGH or pause <= _PAUSES * longest or pause <= _INTERVALS * usual:
        return False
    one_day = group[1] - group[0] == 1
    if pause >= _YEARS:
        return few <= max(3, most // 20) or (one_day and 2 * few < most)
    busiest = int(count[inside].max())
    return (few <= max(2, most // 200) and not _is_trading(day[outside])) or (one_day and few > 3 * busiest)


def _is_trading(days: np.ndarray) -> bool:
    """Tell whether orders came on several days close to each other, as in a shop that has opened again."""
    return len(days) >= 3 and int(days[-1] - days[0]) <= 14 * (len(days) - 1)


def order_days(fetch: Fetch, table: str) -> list[tuple[int, int]]:
    """Return the days with orders that are kept, ascending, and the orders of each.

    Lines are counted for orders as long as no pause makes the difference worth a second look.
    """
    within = f"reason is null and ordered_at >= {EARLIEST.seconds} and ordered_at < {LATEST.seconds}"
    counts = ["count(*)"] if table == "orders" else ["count(*)", "count(distinct order_id)"]
    for count in counts:
        found = [
            (int(day), int(number))
            for day, number in fetch(
                f"select ordered_at // {SECONDS_PER_DAY} as day, {count} from read_{table}"
                f" where {within} group by day order by day"
            )
        ]
        if not gaps_between([day for day, _ in found]):
            break
    return found


def gaps_between(days: Sequence[int]) -> list[tuple[int, int]]:
    """Return the longest stretches without an order, as first day without and next day with one, in order of time.

    Examples
    --------
    >>> gaps_between([1, 2, 20, 21, 40])
    [(3, 20), (22, 40)]
    """
    found = [(a + 1, b) for a, b in pairwise(days) if b - a > _LEAST_GAP]
    return sorted(sorted(found, key=lambda gap: (gap[0] - gap[1], gap))[:_KEPT_GAPS])


def mark_far_orders(
    fetch: Fetch, table: str, days: Sequence[tuple[int, int]], bulk: Bulk, before: Cutoff | None
) -> Diagnostic | None:
    """Give the orders outside the bulk their reason; return what is known of them, or None when there are none.

    Parameters
    ----------
    fetch : callable
        Runs a query.
    table : str
        ``orders``, or ``order_lines`` where these are the orders.
    days : sequence of (day, orders)
        As `order_days` returns them.
    bulk : Bulk
        Where the others lie.
    before : Cutoff, optional
        `cleaning.events_before`: what lies at or after it is an error of its own, and is left to it.
    """
    end = before.day if before else LATEST.day
    outside = [(day, count) for day, count in days if not bulk.first <= day <= bulk.last and day < end]
    if not outside:
        return None
    listed = ", ".join(str(day) for day, _ in outside)
    where = f"reason is null and ordered_at // {SECONDS_PER_DAY} in ({listed})"
    ((rows, money),) = fetch(
        f"select count(*), cast(sum(amount_minor) as bigint) from read_{table} where {where}"
    )
    fetch(f"update read_{table} set reason = '{FAR_ORDER}' where {where}")
    shown = tuple(Example(Cutoff(day).label, count) for day, count in outside[:_SHOWN])
    values: dict[str, int | str] = {
        "orders": sum(count for _, count in outside),
        "days": len(outside),
        "bulk_from": Cutoff(bulk.first).label,
        "bulk_until": Cutoff(bulk.last).label,
    }
    return Diagnostic(FAR_ORDER, table, "ordered_at", int(rows), money=money, examples=shown, values=values)
