"""What listed and held-out people did in a list's window: totals by arm, and reactions to what was sent.

Only sums come home. Money is summed as integers and decimals, so that the totals do not depend on the order of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from segml.engine import Engine
from segml.errors import DataError
from segml.measurement.lift import Arm, wilson_interval
from segml.tables.partition import read_manifest
from segml.time_windows import Cutoff, Window

_DENOMINATORS = {
    "sent": "listed",
    "delivered": "sent",
    "open": "delivered",
    "click": "delivered",
    "response": "delivered",
    "unsubscribe": "delivered",
    "complaint": "delivered",
    "bounce": "sent",
}
_NOBODY = Arm(0, 0, 0, 0.0)


@dataclass(frozen=True)
class BuiltList:
    """A list that was built: its folder, its window, and the share that was to be held out."""

    folder: Path
    campaign: str
    as_of: Cutoff
    window: Window
    holdout_share: float


def built_lists(folders: Sequence[Path]) -> list[BuiltList]:
    """Find the lists in `folders`: partitions themselves, or any folder above them. Refused ones are left out."""
    found = {}
    for folder in folders:
        for manifest_file in sorted(folder.rglob("manifest.json")):
            manifest = read_manifest(manifest_file.parent) or {}
            if manifest.get("status") != "built" or "measure_until" not in manifest:
                continue
            window = Window(Cutoff.parse(manifest["measure_from"]), Cutoff.parse(manifest["measure_until"]))
            found[manifest_file.parent] = BuiltList(
                manifest_file.parent,
                manifest["campaign"]["name"],
                Cutoff.parse(manifest["as_of"]),
                window,
                float(manifest["holdout_share"]),
            )
    return sorted(found.values(), key=lambda built: (built.as_of, built.campaign))


def arm_totals(engine: Engine, built: BuiltList, net_of_returns: bool = False) -> dict[str, Arm]:
    """Return the totals of each arm of one list from ``orders`` (and ``returns``) within its window."""
    if not engine.exists("orders"):
        raise DataError("measuring needs the orders table", "run `segml data` first")
    engine.register("measured_list", [built.folder / "list.parquet", built.folder / "holdout.parquet"])
    rows = engine.fetch(_totals_sql(built.window, net_of_returns and engine.exists("returns")))
    engine.drop("measured_list")
    return {
        str(row.arm): Arm(int(row.people), int(row.buyers), int(row.revenue), float(row.squares))  # type: ignore[arg-type]
        for row in rows.itertuples()
    }


def _totals_sql(window: Window, net_of_returns: bool) -> str:
    bounds = "{0} >= " + str(window.start.seconds) + " and {0} < " + str(window.end.seconds)
    money = f"select customer_id, amount_minor as amount, 1 as orders from orders where {bounds.format('ordered_at')}"
    if net_of_returns:
        money += (
            " union all select customer_id, -amount_minor as amount, 0 as orders from returns"
            f" where {bounds.format('returned_at')}"
        )
    revenue = "cast(revenue as decimal(18,0))"
    return (
        "select arm, count(*) as people, cast(sum(case when orders > 0 then 1 else 0 end) as bigint) as buyers,"
        f" cast(sum(revenue) as bigint) as revenue, cast(sum({revenue} * {revenue}) as double) as squares from ("
        " select p.arm as arm, coalesce(m.orders, 0) as orders, coalesce(m.revenue, 0) as revenue"
        " from measured_list p left join (select customer_id, sum(orders) as orders,"
        f" cast(sum(amount) as bigint) as revenue from ({money}) money group by customer_id) m"
        " on m.customer_id = p.customer_id) people group by arm order by arm"
    )


def contact_outcomes(
    engine: Engine, folders: Sequence[Path], data_until: Cutoff, minimum_cell: int = 10
) -> pd.DataFrame:
    """Return what became of each sending: one row a list and event, with denominator and interval.

    Parameters
    ----------
    engine : Engine
        With ``email_events`` registered; without it the frame is empty.
    folders : sequence of Path
        Lists, or folders above them.
    data_until : Cutoff
        Events before it are known.
    minimum_cell : int
        Rates over fewer people are suppressed (NaN).

    Returns
    -------
    DataFrame
        campaign, as_of, event, people, of, denominator, rate, rate_low, rate_high, complete. `people` are distinct
        people with the event in the list's window under the campaign's name.
    """
    rows: list[dict[str, object]] = []
    columns = engine.columns("email_events") if engine.exists("email_events") else []
    for built in built_lists(folders) if "campaign_id" in columns else []:
        engine.register("measured_list", built.folder / "list.parquet")
        listed = int(engine.value("select count(*) from measured_list") or 0)
        counts = engine.fetch(_events_sql(built)).set_index("event")["people"]
        engine.drop("measured_list")
        people = {"listed": listed, **{event: int(counts.get(event, 0)) for event in _DENOMINATORS}}
        people["delivered"] = people["delivered"] or people["sent"]  # many tools report only what was sent
        complete = data_until >= built.window.end
        rows += [
            _event_row(built, event, people, minimum_cell, complete)
            for event in _DENOMINATORS
            if people["sent"]
        ]
    return pd.DataFrame(
        rows,
        columns=[
            *("campaign", "as_of", "event", "people", "of", "denominator"),
            *("rate", "rate_low", "rate_high", "complete"),
        ],
    )


def _events_sql(built: BuiltList) -> str:
    return (
        "select e.event as event, count(distinct e.customer_id) as people from email_events e"
        " join measured_list p on p.customer_id = e.customer_id"
        f" where e.campaign_id = '{built.campaign}' and e.occurred_at >= {built.window.start.seconds}"
        f" and e.occurred_at < {built.window.end.seconds} group by e.event order by e.event"
    )


def _event_row(
    built: BuiltList, event: str, people: dict[str, int], minimum_cell: int, complete: bool
) -> dict[str, object]:
    of = _DENOMINATORS[event]
    shown = people[of] >= minimum_cell
    low, high = wilson_interval(min(people[event], people[of]), people[of])
    nan = float("nan")
    return {
        "campaign": built.campaign,
        "as_of": built.as_of.label,
        "event": event,
        "people": people[event] if shown else nan,
        "of": of,
        "denominator": people[of] if shown else nan,
        "rate": people[event] / people[of] if shown and people[of] else nan,
        "rate_low": low if shown else nan,
        "rate_high": high if shown else nan,
        "complete": complete,
    }


def totals_or_nobody(totals: dict[str, Arm], arm: str) -> Arm:
    """Return an arm's totals; an arm without people has zeros."""
    return totals.get(arm, _NOBODY)
