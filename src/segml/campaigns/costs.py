"""What one contact of a campaign costs and is expected to bring, in the base's currency.

Without a randomised estimate nobody knows what a contact changes. The expected value is then P(silent) x predicted
CLV, the value that stands to be lost, times the share of it that a contact keeps: an **assumption** of the user, and
called so wherever the number appears. A column ``scores.uplift_<campaign>`` (the share of people like this one whom a
contact makes order, learnt from past lists with a holdout) takes its place, times what such an order is worth.

Money is counted in whole millionths, so that a sum is the same in any order and on any engine.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from pydantic import Field, model_validator

from segml.config import Settings

MICRO = 1_000_000
_CLV = re.compile(r"clv_\d+d")


class CampaignCost(Settings):
    """Costs of a contact, and what is assumed of its effect.

    Examples
    --------
    >>> CampaignCost(contact=0.9, offer=10, redemption=0.04, assumed_response=0.05).per_contact
    1.3
    """

    contact: float = Field(ge=0, description="of reaching one person")
    offer: float = Field(default=0.0, ge=0, description="of the offer, when it is taken")
    redemption: float | None = Field(
        default=None, ge=0, le=1, description="share of the contacted who take the offer, an assumption"
    )
    assumed_response: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of the value about to be lost that a contact keeps; your assumption, never an uplift",
    )
    order_margin: float | None = Field(
        default=None, gt=0, description="what one more order is worth; turns a measured uplift into money"
    )

    @model_validator(mode="after")
    def _is_a_cost(self) -> CampaignCost:
        if self.offer and self.redemption is None:
            raise ValueError(
                "an offer has a cost only when it is taken: say which share take it (redemption)"
            )
        if self.micro <= 0:
            raise ValueError("a contact that costs nothing has no `cost`: leave it out")
        return self

    @property
    def per_contact(self) -> float:
        """Expected cost of one contact: reaching the person, and the offer as often as it is taken."""
        return self.micro / MICRO

    @property
    def micro(self) -> int:
        """`per_contact` in millionths."""
        return round((self.contact + self.offer * (self.redemption or 0.0)) * MICRO)


def basis(cost: CampaignCost, campaign: str, available: Mapping[str, Collection[str]]) -> str:
    """Tell what an expected margin rests on: `measured` uplift, an `assumed` response, or "" when neither is there."""
    scores = available.get("scores", ())
    if f"uplift_{campaign}" in scores and cost.order_margin is not None:
        return "measured"
    lost = "dormancy_probability" in scores and clv_column(scores)
    return "assumed" if cost.assumed_response is not None and lost else ""


def margin_missing(cost: CampaignCost, campaign: str, available: Mapping[str, Collection[str]]) -> str:
    """Say what keeps a budget from choosing; empty when an expected margin can be computed."""
    if basis(cost, campaign, available):
        return ""
    scores = available.get("scores", ())
    lacking = ["cost.assumed_response"] * (cost.assumed_response is None)
    lacking += ["scores.dormancy_probability"] * ("dormancy_probability" not in scores)
    lacking += ["scores.clv_<horizon>d"] * (not clv_column(scores))
    measured = f"scores.uplift_{campaign}, measured, with cost.order_margin"
    return f"missing for the budget: {', '.join(lacking)} (or {measured})"


def margin_sql(cost: CampaignCost | None, campaign: str, available: Mapping[str, Collection[str]]) -> str:
    """Return SQL for the expected incremental margin of contacting a person, in millionths, before its cost."""
    found = basis(cost, campaign, available) if cost else ""
    if cost is None or not found:
        return "cast(null as bigint)"
    value = f"scores.uplift_{campaign} * cast({cost.order_margin!r} as double)"
    if found == "assumed":
        lost = f"scores.dormancy_probability * scores.{clv_column(available['scores'])}"
        value = f"{lost} * cast({cost.assumed_response!r} as double)"
    return f"cast(round({value} * {MICRO}) as bigint)"


def clv_column(scores: Collection[str]) -> str:
    """Return the column of predicted CLV, whatever its horizon; empty when there is none.

    Examples
    --------
    >>> clv_column(["clv_historic", "clv_365d", "clv_365d_low"])
    'clv_365d'
    """
    return min((name for name in scores if _CLV.fullmatch(name)), default="")
