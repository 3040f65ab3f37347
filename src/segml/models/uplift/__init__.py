"""Uplift: what a contact changes, learned from campaigns whose arms were drawn by lot.

`UpliftLadder` is the door: it refuses a campaign that was not randomised, tries learners from the plainest to small
trees, and keeps the simplest that does as well as any. The learners stand on their own too.
"""

from segml.models.uplift.base import UpliftLearner
from segml.models.uplift.choice import SendingPolicy
from segml.models.uplift.ladder import RUNGS, UpliftLadder
from segml.models.uplift.learners import (
    ConstantUplift,
    CrossUplift,
    PropensityUplift,
    ResponseUplift,
    RidgeUplift,
    TreeUplift,
    TwoModelUplift,
)
from segml.models.uplift.randomisation import RandomisationCheck, check_randomisation

__all__ = [
    "RUNGS",
    "ConstantUplift",
    "CrossUplift",
    "PropensityUplift",
    "RandomisationCheck",
    "ResponseUplift",
    "RidgeUplift",
    "SendingPolicy",
    "TreeUplift",
    "TwoModelUplift",
    "UpliftLadder",
    "UpliftLearner",
    "check_randomisation",
]
