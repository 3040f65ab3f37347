"""Campaigns of the past that segml did not build: who was contacted, and what share of them answered. No more.

Nobody was held out of these at random, so those who were contacted differ from the others in ways nobody wrote down.
The table counts, with intervals; what the contact changed can't be read from it, and no word here says it can.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pandas as pd

from segml.engine import Engine
from segml.measurement.lift import wilson_interval
from segml.measurement.people import has_log
from segml.time_windows import SECONDS_PER_DAY, Cutoff

CAMPAIGN_LIMIT = 10_000
SENTENCE = (
    "nobody was held out of these by lot, and those who were sent them had been chosen: the shares say who answered,"
    " not what the sending changed"
)
COLUMNS = (
    *("campaign", "kind", "starts", "ends", "sent", "responded", "response_rate"),
    *("response_rate_low", "response_rate_high", "ordered", "ordered_rate", "ordered_rate_low"),
    *("ordered_rate_high", "responded_not_sent", "complete", "note"),
)


def mailed_campaigns(
    engine: Engine,
    data_from: Cutoff,
    data_until: Cutoff,
    ours: Collection[str] = (),
    minimum_cell: int = 10,
) -> pd.DataFrame:
    """Count each campaign of the ``campaigns`` table that segml did not build.

    Parameters
    ----------
    engine : Engine
        With ``campaigns``, ``email_events`` and ``orders``; without one of the first two the frame is empty.
    data_from, data_until : Cutoff
        Orders and events in ``[from, until)`` are known.
    ours : collection of str
        Campaigns built by segml, which are measured against their holdouts.
    minimum_cell : int
        Campaigns sent to fewer people are suppressed (NaN).

    Returns
    -------
    DataFrame
        campaign, kind, starts, ends; `sent` people, those of them who `responded` and who `ordered` from the
        campaign's first day until the end of its last, with Wilson's interval; `responded_not_sent` people answered
        without a sending in the log; `complete` when the data hold the whole campaign, else `note` says what they
        lack. Ordered by first day and name.
    """
    if not (engine.exists("campaigns") and has_log(engine)):
        return pd.DataFrame(columns=list(COLUMNS))
    rows = engine.fetch(_mailed_sql(set(engine.columns("campaigns"))), CAMPAIGN_LIMIT)
    rows = rows[~rows["campaign"].isin(set(ours)) & (rows["sent"] + rows["responded_not_sent"] > 0)]
    return pd.DataFrame(
        [_row(row, data_from, data_until, minimum_cell) for row in rows.to_dict("records")],
        columns=list(COLUMNS),
    )


def _mailed_sql(columns: set[str]) -> str:
    kind = "c.kind" if "kind" in columns else "cast(null as string)"
    ends = "coalesce(c.ends_at, c.starts_at)" if "ends_at" in columns else "c.starts_at"
    end = f"{ends} - {ends} % {SECONDS_PER_DAY} + {SECONDS_PER_DAY}"
    campaigns = (
        f"select c.campaign_id as campaign, {kind} as kind, c.starts_at as starts_at, {end} as ends_at"
        " from campaigns c"
    )
    contacts = (
        "select c.campaign as campaign, c.starts_at as starts_at, c.ends_at as ends_at, e.customer_id as customer_id,"
        " max(case when e.event = 'sent' then 1 else 0 end) as sent,"
        " max(case when e.event in ('response', 'click') then 1 else 0 end) as responded"
        f" from ({campaigns}) c join email_events e on e.campaign_id = c.campaign"
        " where e.occurred_at >= c.starts_at and e.occurred_at < c.ends_at"
        " group by c.campaign, c.starts_at, c.ends_at, e.customer_id"
    )
    bought = (
        f"select distinct k.campaign as campaign, k.customer_id as customer_id from ({contacts}) k"
        " join orders o on o.customer_id = k.customer_id"
        " where o.ordered_at >= k.starts_at and o.ordered_at < k.ends_at"
    )
    counted = {
        "sent": "k.sent = 1",
        "responded": "k.sent = 1 and k.responded = 1",
        "ordered": "k.sent = 1 and b.customer_id is not null",
        "responded_not_sent": "k.sent = 0 and k.responded = 1",
    }
    sums = [
        f"cast(coalesce(sum(case when {rule} then 1 else 0 end), 0) as bigint) as {name}"
        for name, rule in counted.items()
    ]
    return (
        "select c.campaign as campaign, c.kind as kind, c.starts_at as starts_at, c.ends_at as ends_at,"
        f" {', '.join(sums)}"
        f" from ({campaigns}) c left join ({contacts}) k on k.campaign = c.campaign"
        f" left join ({bought}) b on b.campaign = k.campaign and b.customer_id = k.customer_id"
        " group by c.campaign, c.kind, c.starts_at, c.ends_at order by starts_at, campaign"
    )


def _row(
    row: Mapping[Any, Any], data_from: Cutoff, data_until: Cutoff, minimum_cell: int
) -> dict[str, object]:
    starts, ends = (Cutoff(int(row[name]) // SECONDS_PER_DAY) for name in ("starts_at", "ends_at"))
    found: dict[str, object] = {
        "campaign": row["campaign"],
        "kind": row["kind"],
        "starts": starts.label,
        "ends": ends.plus_days(-1).label,
        "complete": data_from <= starts and data_until >= ends,
        "note": _note(starts < data_from, ends > data_until),
    }
    sent = int(row["sent"])
    if sent < max(minimum_cell, 1):
        return found
    found |= {"sent": sent, "responded_not_sent": row["responded_not_sent"]}
    for name, rate in (("responded", "response_rate"), ("ordered", "ordered_rate")):
        people = int(row[name])
        low, high = wilson_interval(people, sent)
        found |= {name: people, rate: people / sent, f"{rate}_low": low, f"{rate}_high": high}
    return found


def _note(begun_before: bool, still_open: bool) -> str:
    lacks = ["begun before the data begin"] if begun_before else []
    return " and ".join([*lacks, *(["still open when they end"] if still_open else [])])
