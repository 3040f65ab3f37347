"""Who of those who qualify is on the list: arms, places, and money.

Held-out people take no place and no money: one of them counts as somebody who would have been listed when the treated
people who rank before leave room for one more. So the two arms are cut at the same point, and stay comparable.

**Money.** Within a campaign every contact costs the same, so the most margin for a budget is had from the highest
margins. Over campaigns of different costs the people are sorted by margin per unit of cost, and the first are taken
until the next one does not fit. That is the optimum of the fractional knapsack (Dantzig 1957); as nobody is contacted
by halves it misses the best whole choice by less than the one contact that did not fit, and by nothing when all cost
the same. Which campaign a person may get is for the priorities to say, before any money is counted; somebody who was
cut is free for campaigns without a cost only.
"""

from __future__ import annotations

from collections.abc import Mapping

from segml.campaigns.catalogue import Campaign
from segml.campaigns.costs import MICRO
from segml.campaigns.holdout import GLOBALLY_HELD_OUT, HELD_OUT, TREATED, held_out_sql
from segml.config import ListSettings

FUNDED, CUT, CANDIDATES = "list_funded", "list_cut", "list_candidates"
_RUNNING = "rows between unbounded preceding and current row"


def placed_sql(campaign: Campaign, settings: ListSettings, share: float, funded_place: int | None) -> str:
    """Return the query for ``list_candidates``, whoever qualifies: customer_id, reason (null: listed or held out), arm,
    score and values.

    Parameters
    ----------
    share : float
        Held out of this campaign.
    funded_place : int, optional
        The campaign's place in ``list_funded``, when the budget of the run has been divided.
    """
    columns = "customer_id, arm, score, conversion, margin"
    placed = f"select {columns}, cast(null as string) as reason from ({_armed_sql(campaign, settings, share)}) armed"
    if campaign.max_size is not None:
        order = "desc" if campaign.rank_by.direction == "highest" else "asc"
        full = f"{_treated_above(f'score {order} nulls last, customer_id')} >= {campaign.max_size}"
        reason = f"case when {full} then 'over_capacity' else null end"
        placed = f"select {columns}, {reason} as reason from ({placed}) ranked"
    if campaign.budget is not None and campaign.cost is not None:
        room = round(campaign.budget * MICRO) // campaign.cost.micro
        spent = f"{_treated_above('margin desc nulls last, customer_id')} >= {room}"
        placed = f"select {columns}, {_cut_when(spent)} as reason from ({placed}) affordable"
    if funded_place is not None:
        mine = f"(select customer_id as funded_id from {FUNDED} where place = {funded_place})"
        placed = (
            f"select {columns}, {_cut_when('funded_id is null')} as reason from ({placed}) asked"
            f" left join {mine} funded on funded_id = customer_id"
        )
    return f"select customer_id, reason, arm, score, conversion, margin from ({placed}) placed"


def everybody_sql() -> str:
    """Return the query for ``list_placed``: the candidates, and everybody who is none with the reason for it.

    Most people of a base are on no list: they are looked up where they were judged, not copied for each campaign.
    """
    columns = "customer_id, reason, arm, score, conversion, margin"
    return (
        f"select {columns} from {CANDIDATES} union all"
        " select customer_id, reason, cast(null as string) as arm, score, conversion, margin"
        " from list_judged where reason is not null"
    )


def divide_sql(candidates: Mapping[int, tuple[str, int]], budget: float) -> str:
    """Return the query that divides a run's budget: customer_id, place, funded (true or false).

    Parameters
    ----------
    candidates : mapping
        Place of a campaign -> its table (customer_id, arm, margin) and the cost of a contact in millionths.
    budget : float
        In the base's currency.
    """
    parts = [
        f"select customer_id, arm, {place} as place, cast({cost} as bigint) as cost,"
        f" cast(margin as double) / {cost} as worth from {table} where margin is not null"
        for place, (table, cost) in candidates.items()
    ]
    paid = f"case when arm = '{TREATED}' then cost else 0 end"
    before = f"sum({paid}) over (order by worth desc, place, customer_id {_RUNNING}) - {paid}"
    return (
        f"select customer_id, place, before + cost <= {round(budget * MICRO)} as funded from"
        f" (select customer_id, place, cost, {before} as before from ({' union all '.join(parts)}) asked) sorted"
    )


def _armed_sql(campaign: Campaign, settings: ListSettings, share: float) -> str:
    held = held_out_sql(settings.holdout_salt, campaign.name, share)  # nobody who does not qualify is hashed
    drawn = (  # a column of its own: within the case below, the hash would be worked out for each of its digits
        f"select customer_id, globally_held_out, {held} as drawn, score, conversion, margin from list_judged"
        " where reason is null"
    )
    return (
        f"select customer_id, case when globally_held_out then '{GLOBALLY_HELD_OUT}' when drawn then '{HELD_OUT}'"
        f" else '{TREATED}' end as arm, score, conversion, margin from ({drawn}) qualified"
    )


def _treated_above(order: str) -> str:
    treated = f"case when arm = '{TREATED}' and reason is null then 1 else 0 end"
    return f"sum({treated}) over (order by {order} {_RUNNING}) - {treated}"


def _cut_when(condition: str) -> str:
    return f"case when reason is not null then reason when {condition} then 'over_budget' else null end"
