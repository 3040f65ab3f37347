"""Exact quantiles that do not depend on row order, thread or engine.

Engines disagree on their own percentile functions (interpolation, sketches). This one is a count: the smallest value
that at least `share` of the known values do not exceed. It is always a value of the base, ties and all.
"""

from __future__ import annotations

from segml.errors import ConfigurationError


def quantile_sql(expression: str, relation: str, share: float, where: str = "") -> str:
    """Return a query for the smallest value that at least `share` of the known values do not exceed.

    Parameters
    ----------
    expression : str
        SQL for the value; rows where it is null are left out.
    relation : str
        What follows ``from``: a table, or tables with their joins.
    share : float
        Between 0 and 1.
    where : str
        SQL condition; other rows are left out.

    Returns
    -------
    str
        A query of one row and one column; null when no value is known.

    Examples
    --------
    >>> "cumulative" in quantile_sql("x", "t", 0.95)
    True
    """
    if not 0 <= share <= 1:
        raise ConfigurationError(
            f"a quantile lies between 0 and 1, got {share!r}", "0.95 is the 95th percentile"
        )
    condition = f"({expression}) is not null" + (f" and ({where})" if where else "")
    return (
        "select min(value) as quantile from ("
        " select value, cast(sum(people) over (order by value) as double) as cumulative,"
        " cast(sum(people) over () as double) as everyone from ("
        f" select cast({expression} as double) as value, count(*) as people from {relation}"
        f" where {condition} group by cast({expression} as double)) as counted) as ranked"
        f" where cumulative >= cast({share!r} as double) * everyone"
    )
