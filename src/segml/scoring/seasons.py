"""Season responders: people who buy in three months of the year out of proportion to the base.

Counts are of order days in whole years after the first order, so every season had the same time to show, and the day
somebody was won on does not count. Small counts are shrunk: a person's share of a season is a beta-binomial mean
whose prior is the mean person's share, as firm as the spread between people says (method of moments, every person
with the same weight, or the few who buy weekly would speak for all; Kleinman 1973, JASA 68, 46-54). When people
differ by no more than chance, nobody is a responder. A burst within one winter is no season: `years` tells in how many
the person bought in it.

The seasons are named by their months, which hold on both hemispheres, and found by integer arithmetic: a cycle of
1461 days from 1 March, exact from 1901 to 2099, needs no function of dates that engines spell differently.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from segml.engine import Engine
from segml.time_windows import SECONDS_PER_DAY, Cutoff

SEASONS = ("mar_may", "jun_aug", "sep_nov", "dec_feb")
_SEASON_ENDS = (92, 184, 275)  # days since 1 March
_MARCH_OF_A_CYCLE = 671  # days from 1 March 1968 to 1 January 1970
_CYCLE = 1461
_MOST_YEARS = 3
_COUNTS = "season_counts"


def register_seasons(engine: Engine, as_of: Cutoff) -> bool:
    """Make ``seasons`` readable: customer_id, order_days, season, lift, years; false when nobody was seen for a year.

    `lift` is the shrunken share of the person's strongest season over the base's share of it.
    """
    engine.run(counts_sql(as_of), _COUNTS)
    try:
        counted = engine.fetch(_sums_sql())
        if not len(counted):
            return False
        sums = {name: [int(value) for value in counted[name]] for name in map(str, counted.columns)}
        priors = [
            season_prior(sums["n"], sums["people"], sums[f"x_{name}"], sums[f"xx_{name}"]) for name in SEASONS
        ]
        engine.run(lifts_sql(priors), "seasons")
    finally:
        engine.drop(_COUNTS)
    return True


def counts_sql(as_of: Cutoff) -> str:
    """Return the query for order days by season, one row a person seen for a whole year after the first order."""
    day = f"cast(floor(cast(ordered_at as double) / {SECONDS_PER_DAY}) as bigint)"
    days = f"select distinct customer_id, {day} as day from orders where ordered_at < {as_of.seconds}"
    years = f"least(cast(floor(cast({as_of.day} - min(day) - 1 as double) / 365) as bigint), {_MOST_YEARS})"
    people = f"select customer_id, {years} as years from ({days}) first_days group by customer_id"
    inside = "case when season = {} then {} end"
    counted = [f"count({inside.format(place, 1)}) as x_{name}" for place, name in enumerate(SEASONS)]
    counted += [
        f"count(distinct {inside.format(place, 'march_year')}) as y_{name}"
        for place, name in enumerate(SEASONS)
    ]
    seasons = f"{season_sql('d.day')} as season, {_march_year_sql('d.day')} as march_year"
    return (
        f"select customer_id, count(*) as n, {', '.join(counted)} from ("
        f" select d.customer_id, {seasons} from ({days}) d"
        f" join ({people}) p on p.customer_id = d.customer_id"
        f" where p.years >= 1 and d.day >= {as_of.day} - 365 * p.years) seen group by customer_id"
    )


def season_sql(day: str) -> str:
    """Return SQL for the place of a day's season in `SEASONS`; days count from 1970.

    Examples
    --------
    >>> season_sql("day")[:60]
    'case when (((day + 671) % 1461) - 365 * least(cast(floor(cas'
    """
    since_march = f"({_day_of_cycle_sql(day)} - 365 * {_year_of_cycle_sql(day)})"
    whens = " ".join(f"when {since_march} < {end} then {place}" for place, end in enumerate(_SEASON_ENDS))
    return f"case {whens} else {len(_SEASON_ENDS)} end"


def _march_year_sql(day: str) -> str:
    cycles = f"cast(floor(cast({day} + {_MARCH_OF_A_CYCLE} as double) / {_CYCLE}) as bigint)"
    return f"({cycles} * 4 + {_year_of_cycle_sql(day)})"


def _year_of_cycle_sql(day: str) -> str:
    return f"least(cast(floor(cast({_day_of_cycle_sql(day)} as double) / 365) as bigint), 3)"


def _day_of_cycle_sql(day: str) -> str:
    return f"(({day} + {_MARCH_OF_A_CYCLE}) % {_CYCLE})"


def season_prior(
    n: Sequence[int], people: Sequence[int], x: Sequence[int], xx: Sequence[int]
) -> tuple[float, float]:
    """Return the mean person's share of a season, and how many order days the prior weighs (infinite: all are alike).

    Parameters
    ----------
    n, people, x, xx : sequence of int
        For each number of order days: how many people have it, and their sums of order days in the season and of the
        squares of those.

    Examples
    --------
    Of people with ten order days, half always buy in the season, half never: no shrinking at all.

    >>> season_prior(n=[10], people=[20], x=[100], xx=[1000])
    (0.5, 0.0)
    """
    groups = list(zip(n, people, x, xx, strict=True))
    share = math.fsum(inside / days for days, _, inside, _ in groups) / sum(people)
    several = [group for group in groups if group[0] > 1]
    chance = share * (1 - share)
    room = chance * math.fsum(size * (1 - 1 / days) for days, size, _, _ in several)
    if not room:
        return share, math.inf
    spread = math.fsum(
        (squares - 2 * days * share * inside) / days**2 + size * share**2 - size * chance / days
        for days, size, inside, squares in several
    )
    return share, max(room / spread - 1, 0.0) if spread > 0 else math.inf


def lifts_sql(priors: list[tuple[float, float]]) -> str:
    """Return the query for each person's strongest season and its shrunken lift."""
    lifts = {}
    for name, (share, weight) in zip(SEASONS, priors, strict=True):
        if math.isinf(weight) or not share:
            lifts[name] = "cast(1 as double)"
            continue
        prior = f"cast({weight * share!r} as double)"
        mean = f"(x_{name} + {prior}) / (n + cast({weight!r} as double))"
        lifts[name] = f"({mean} / cast({share!r} as double))"
    largest = f"greatest({', '.join(lifts.values())})"
    whens = " ".join(f"when {lift} = {largest} then '{name}'" for name, lift in lifts.items())
    years = whens.replace("then '", "then y_").replace("'", "")
    return (
        f"select customer_id, cast(n as double) as order_days, case {whens} end as season, {largest} as lift,"
        f" cast(case {years} end as double) as years from {_COUNTS}"
    )


def _sums_sql() -> str:
    sums = [f"cast(sum(x_{name}) as bigint) as x_{name}" for name in SEASONS]
    sums += [f"cast(sum(x_{name} * x_{name}) as bigint) as xx_{name}" for name in SEASONS]
    return f"select n, count(*) as people, {', '.join(sums)} from {_COUNTS} group by n order by n"
