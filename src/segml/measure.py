"""What a campaign brought, from arrays: ``segml.measure.money_lift(treated, held_out)``."""

from __future__ import annotations

from segml.evaluation.money import MoneyLift, money_lift, money_lift_counts

__all__ = ["MoneyLift", "money_lift", "money_lift_counts"]
