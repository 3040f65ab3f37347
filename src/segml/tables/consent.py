"""Who objected to profiling: they leave before features are made, and so before every model and score."""

from __future__ import annotations

from segml.time_windows import Cutoff


def objectors_sql(until: Cutoff) -> str:
    """Return the query for `customer_key` of every customer who has objected to profiling.

    Consent counts as of `until`, an objection whenever it was made: it is read to the end of the log. Of two changes
    within the same second the withdrawal stands. A customer without any change has not objected.
    """
    # One number orders changes by time and puts a withdrawal (odd) after a consent (even) of the same second.
    stamp = "max(changed_at * 2 + case when cast(granted as boolean) then 0 else 1 end)"
    last = (
        f"select customer_key, {stamp} as stamp from consents"
        f" where purpose = 'profiling' and {said_by_sql(until)} group by customer_key"
    )
    return f"select customer_key from ({last}) last_word where stamp % 2 <> 0"


def said_by_sql(until: Cutoff) -> str:
    """Return the condition on rows of `consents` that count at `until`: what was given before it, and every withdrawal.

    Examples
    --------
    >>> said_by_sql(Cutoff(1))
    '(changed_at < 86400 or not cast(granted as boolean))'
    """
    return f"(changed_at < {until.seconds} or not cast(granted as boolean))"
