"""A loyalty programme as the company runs it: tiers, the period in which they are earned, and lapsing points."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from segml.config.reading import Settings


class TierSettings(Settings):
    """A tier and the points earned within one period that it takes."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    points: int = Field(ge=0)


class LoyaltySettings(Settings):
    """What the ledger's points lead to; without tiers, balances are told and nothing is said of tiers.

    Examples
    --------
    >>> programme = LoyaltySettings(tiers=({"name": "basic", "points": 0}, {"name": "silver", "points": 500}))
    >>> programme.period_months, [tier.name for tier in programme.tiers]
    (12, ['basic', 'silver'])
    """

    tiers: tuple[TierSettings, ...] = Field(
        default=(), description="lowest first; points are those earned in one period, spent or not"
    )
    period_months: Literal[1, 2, 3, 4, 6, 12] = Field(
        default=12, description="counting begins anew each period; a tier reached is kept through the next"
    )
    period_starts: str = Field(default="01-01", description="month and day on which a period begins")
    expiring_days: int = Field(
        default=30, ge=1, le=365, description="how far ahead points_expiring_<n>d looks"
    )

    @field_validator("tiers")
    @classmethod
    def _rising(cls, value: tuple[TierSettings, ...]) -> tuple[TierSettings, ...]:
        points, names = [tier.points for tier in value], [tier.name for tier in value]
        wrong = []
        if value and points[0] != 0:
            wrong.append("the first tier starts at 0 points")
        if points != sorted(set(points)):
            wrong.append(f"points rise from tier to tier, got {points}")
        if len(set(names)) < len(names):
            wrong.append(f"each tier has a name of its own, got {names}")
        if len(value) == 1:
            wrong.append("one tier is none: give two or more")
        if wrong:
            raise ValueError("; ".join(wrong))
        return value

    @field_validator("period_starts")
    @classmethod
    def _is_a_day_of_every_year(cls, value: str) -> str:
        found = re.fullmatch(r"(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])", value)
        if not found:
            raise ValueError(f"a period starts on MM-DD, a day from 01 to 28, got {value!r}")
        return value
