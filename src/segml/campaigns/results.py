"""What came of each campaign of a run, and the frames a report prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

from segml.campaigns.budget import CampaignMoney
from segml.campaigns.catalogue import Campaign
from segml.campaigns.changes import ListChanges
from segml.campaigns.send_time import NOT_LOOKED_FOR, SendTimes
from segml.evaluation.power import PowerStatement
from segml.time_windows import Cutoff

EXCLUSION_COLUMNS = ("reason", "people", "removed")


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
    money: CampaignMoney | None = None  # None without a cost, or without a list
    changes: ListChanges | None = None  # against the campaign's list before; None for a first list

    def exclusion_rows(self) -> list[dict[str, str | int]]:
        """Return one row a reason: people, and those of them who were on the list before (`removed`)."""
        gone = self.changes.removed_by_reason if self.changes else {}
        reasons = [*self.excluded, *(reason for reason in sorted(gone) if reason not in self.excluded)]
        return [
            {"reason": reason, "people": self.excluded.get(reason, 0), "removed": gone.get(reason, 0)}
            for reason in reasons
        ]


@dataclass(frozen=True)
class ListsReport:
    """All campaigns of one run, in the order they were built."""

    as_of: Cutoff
    run_id: str
    campaigns: tuple[CampaignResult, ...]
    warnings: tuple[str, ...]
    global_holdout: bool
    base: int
    send_times: SendTimes = NOT_LOOKED_FOR

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
                    "added": result.changes.added if result.changes else result.listed,
                    "removed": result.changes.removed if result.changes else 0,
                    "cost": result.money.cost if result.money else float("nan"),
                    "expected_margin": result.money.margin if result.money else float("nan"),
                    "expected_margin_basis": result.money.basis if result.money else "",
                    "base_rate": result.power.base_rate if result.power else float("nan"),
                    "smallest_lift": result.power.smallest_lift if result.power else float("nan"),
                    "note": result.reason or (result.power.text if result.power else ""),
                }
                for result in self.campaigns
            ]
        )

    def exclusions(self) -> pd.DataFrame:
        """Return one row a campaign and reason: how many people, and how many of them were on the list before."""
        return pd.DataFrame(
            [
                {"campaign": result.campaign.name, **row}
                for result in self.campaigns
                for row in result.exclusion_rows()
            ],
            columns=["campaign", *EXCLUSION_COLUMNS],
        )
