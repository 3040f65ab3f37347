"""Who objected to profiling: they leave before features are made, and so before every model and score."""

from __future__ import annotations

from segml.time_windows import Cutoff


def objectors_sql(until: Cutoff) -> str:
    """Return the query for `customer_key` of everybody whose last word on profiling before `until` is no.

    Of two changes within the same second the withdrawal stands. Somebody who never said anything has not objected.
    """
    # One number orders changes by time and puts a withdrawal (odd) after a consent (even) of the same second.
    stamp = "max(changed_at * 2 + case when cast(granted as boolean) then 0 else 1 end)"
    last = (
        f"select customer_key, {stamp} as stamp from consents"
        f" where purpose = 'profiling' and changed_at < {until.seconds} group by customer_key"
    )
    return f"select customer_key from ({last}) last_word where stamp % 2 <> 0"
