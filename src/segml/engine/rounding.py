"""Money rounded in the engine, so that a distribution of amounts comes home as few rows."""

from __future__ import annotations

_LARGEST = 15  # digits of the largest amount


def rounded_money_sql(column: str, digits: int = 3) -> str:
    """Return SQL that rounds whole minor units to some significant digits.

    Parameters
    ----------
    column : str
        SQL of a whole number of minor units; it may be below zero.
    digits : int, default=3

    Examples
    --------
    >>> rounded_money_sql("x", 14)
    'cast(round(cast(x as double) / case when abs(x) < 100000000000000 then 1 else 10 end) as bigint) * case when \
abs(x) < 100000000000000 then 1 else 10 end'
    """
    steps = " ".join(
        f"when abs({column}) < {10**power} then {10 ** (power - digits)}" for power in range(digits, _LARGEST)
    )
    unit = f"case {steps} else {10 ** (_LARGEST - digits)} end"
    return f"cast(round(cast({column} as double) / {unit}) as bigint) * {unit}"
