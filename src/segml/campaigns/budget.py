"""The money of a run: divided before the lists are built, told before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from segml.campaigns.catalogue import Campaign
from segml.campaigns.costs import MICRO, basis
from segml.campaigns.holdout import TREATED
from segml.campaigns.placing import CUT, FUNDED, divide_sql
from segml.config import ListSettings
from segml.engine import Engine


@dataclass(frozen=True)
class CampaignMoney:
    """What one list costs and is expected to bring, in the base's currency.

    Attributes
    ----------
    basis : str
        `measured` (a randomised estimate), `assumed` (the user's response), or "" when no margin can be expected.
    margin : float
        Expected incremental margin of the listed, before the cost of contacting them.
    holdout_price : float
        Expected margin, net of costs, that is forgone by not contacting those held out.
    unknown : int
        Listed people whose margin is unknown; they count with 0.
    lowest_worth : float or None
        Expected margin per unit of cost of the last one listed.
    score_at_capacity : float or None
        Worst score of those who had a place, before money was looked at.
    """

    basis: str
    assumed_response: float | None
    cost_per_contact: float
    budget: float | None
    listed: int
    cost: float
    margin: float
    holdout_price: float
    unknown: int
    cut: int
    lowest_worth: float | None
    score_at_capacity: float | None = None

    def text(self, currency: str = "") -> str:
        """Say it in one sentence.

        Examples
        --------
        >>> CampaignMoney("assumed", 0.05, 2.5, 100.0, 40, 100.0, 360.0, 26.0, 0, 310, 2.9).text("EUR")
        'expected cost 100.00 EUR (40 contacts at 2.50); expected incremental margin 360.00 EUR, assumed (a contact \
keeps 5 % of the value about to be lost), 260.00 net; the holdout forgoes 26.00; 310 over budget'
        """
        unit = f" {currency}" if currency else ""
        parts = [
            f"expected cost {self.cost:,.2f}{unit} ({self.listed:,} contacts at {self.cost_per_contact:,.2f})"
        ]
        if self.basis:
            how = "by measured uplift"
            if self.basis == "assumed":
                kept = f"{100 * (self.assumed_response or 0):g} %"
                how = f"assumed (a contact keeps {kept} of the value about to be lost)"
            parts.append(
                f"expected incremental margin {self.margin:,.2f}{unit}, {how}, {self.margin - self.cost:,.2f} net"
            )
            parts.append(f"the holdout forgoes {self.holdout_price:,.2f}")
        else:
            parts.append(
                "what it brings is unknown: neither a measured uplift nor an assumed response with its scores"
            )
        parts += [f"{self.unknown:,} of unknown margin, counted as 0"] * bool(self.basis and self.unknown)
        parts += [f"{self.cut:,} over budget"] * bool(self.cut)
        return "; ".join(parts)


def is_budgeted(campaign: Campaign, settings: ListSettings) -> bool:
    """Tell whether money decides who is on this list: it has a cost, and there is a budget for it or for the run."""
    return campaign.cost is not None and (campaign.budget is not None or settings.budget is not None)


def budget_remarks(campaigns: Sequence[Campaign], settings: ListSettings) -> list[str]:
    """Say which campaigns a budget does not count."""
    if settings.budget is None:
        return []
    free = [campaign.name for campaign in campaigns if campaign.cost is None and not campaign.is_seed]
    if len(free) == len(campaigns):
        return ["lists.budget counts nothing: no campaign says what a contact costs (`cost`)"]
    return [f"lists.budget does not count campaigns without a cost: {', '.join(free)}"] if free else []


def divide_budget(
    engine: Engine,
    campaigns: Sequence[Campaign],
    settings: ListSettings,
    candidates: Callable[[int, Campaign, Sequence[str]], str],
) -> None:
    """Make ``list_funded`` and ``list_cut`` (customer_id, place): whom the run's budget pays for, and whom not.

    Parameters
    ----------
    candidates : callable
        Makes the table of people whom the campaign at a place would take were there money for all of them
        (customer_id, arm, margin), given the tables of those before it; returns its name, or "" when it takes none.
    """
    if settings.budget is None:
        return
    tables: dict[int, str] = {}
    for place, campaign in enumerate(campaigns):
        made = candidates(place, campaign, tuple(tables.values()))
        if made and not campaign.is_seed:
            tables[place] = made
    asked: Mapping[int, tuple[str, int]] = {
        place: (table, cost.micro)
        for place, table in tables.items()
        if (cost := campaigns[place].cost) is not None
    }
    if asked:
        engine.run(divide_sql(asked, settings.budget), "list_divided")
    else:
        nobody = "select customer_id, 0 as place, true as funded from list_people where false"
        engine.run(nobody, "list_divided")
    engine.run("select customer_id, place from list_divided where funded", FUNDED)
    engine.run("select customer_id, place from list_divided where not funded", CUT)
    for table in ("list_divided", *tables.values()):
        engine.drop(table)


def campaign_money(
    engine: Engine, campaign: Campaign, available: Mapping[str, Sequence[str]], cut: int
) -> CampaignMoney | None:
    """Add up ``list_placed``; None for a campaign without a cost."""
    if campaign.cost is None:
        return None
    row = engine.fetch(
        f"select count(*) filter (where arm = '{TREATED}') as listed,"
        f" count(*) filter (where arm = '{TREATED}' and margin is null) as unknown,"
        f" cast(sum(case when arm = '{TREATED}' then margin else 0 end) as bigint) as margin,"
        f" count(*) filter (where arm <> '{TREATED}') as held,"
        f" cast(sum(case when arm <> '{TREATED}' then margin else 0 end) as bigint) as forgone,"
        f" cast(min(case when arm = '{TREATED}' then margin else null end) as bigint) as lowest"
        " from list_placed where reason is null"
    ).fillna(0)
    found = {name: int(row[name].iloc[0]) for name in row}
    worst = "min" if campaign.rank_by.direction == "highest" else "max"
    edge = engine.value(
        f"select {worst}(score) from list_placed"
        " where reason is null or (reason = 'over_budget' and arm is not null)"
    )
    known = basis(campaign.cost, campaign.name, available)
    cost = campaign.cost.micro
    return CampaignMoney(
        basis=known,
        assumed_response=campaign.cost.assumed_response if known == "assumed" else None,
        cost_per_contact=campaign.cost.per_contact,
        budget=campaign.budget,
        listed=found["listed"],
        cost=found["listed"] * cost / MICRO,
        margin=found["margin"] / MICRO,
        holdout_price=(found["forgone"] - found["held"] * cost) / MICRO if known else 0.0,
        unknown=found["unknown"],
        cut=cut,
        lowest_worth=found["lowest"] / cost if known and found["listed"] else None,
        score_at_capacity=None if edge is None or edge != edge else float(edge),
    )
