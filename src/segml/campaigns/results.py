"""What came of each campaign of a run, and the frames a report prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from segml.campaigns.catalogue import Campaign
from segml.evaluation.power import PowerStatement
from segml.time_windows import Cutoff


@dataclass(frozen=True)
class CampaignResult:
    """One campaign of one run: built, refused (too small), or unavailable (columns or tags missing)."""

    campaign: Campaign
    status: Literal["built", "refused", "unavailable"]
    reason: str  # why it was not built; empty when it was
    base: int
    listed: int = 0
    held_out: int = 0
    globally_held_out: int = 0
    excluded: dict[str, int] = field(default_factory=dict)  # reason -> people, in the order of policy.REASONS
    holdout_share: float = 0.0
    power: PowerStatement | None = None


@dataclass(frozen=True)
class ListsReport:
    """All campaigns of one run, in the order they were built."""

    as_of: Cutoff
    run_id: str
    campaigns: tuple[CampaignResult, ...]
    warnings: tuple[str, ...]
    global_holdout: bool
    base: int

    def frame(self) -> pd.DataFrame:
        """Return one row a campaign: status, people, holdout, and what the holdout can show."""
        return pd.DataFrame(
            [
                {
                    "campaign": result.campaign.name,
                    "title": result.campaign.title,
                    "priority": result.campaign.priority,
                    "status": result.status,
                    "listed": result.listed,
                    "held_out": result.held_out,
                    "globally_held_out": result.globally_held_out,
                    "excluded": sum(result.excluded.values()),
                    "base": result.base,
                    "base_rate": result.power.base_rate if result.power else float("nan"),
                    "smallest_lift": result.power.smallest_lift if result.power else float("nan"),
                    "note": result.reason or (result.power.text if result.power else ""),
                }
                for result in self.campaigns
            ]
        )

    def exclusions(self) -> pd.DataFrame:
        """Return one row a campaign and reason: how many people, by the first reason that applied."""
        return pd.DataFrame(
            [
                {"campaign": result.campaign.name, "reason": reason, "people": people}
                for result in self.campaigns
                for reason, people in result.excluded.items()
            ],
            columns=["campaign", "reason", "people"],
        )
