"""Who is held out: a hash of salt, experiment and person, the same on every engine, in every run.

A person's arm in an experiment never changes, whoever else is in the base and in which order the rows lie. The global
holdout receives no campaign at all; a campaign's own holdout is drawn anew for each campaign.
"""

from __future__ import annotations

from segml.campaigns.catalogue import GLOBAL_EXPERIMENT
from segml.engine.keys import arm, arm_sql

TREATED = "treated"
HELD_OUT = "holdout"
GLOBALLY_HELD_OUT = "global_holdout"
_ARMS = 10_000


def held_out_sql(salt: str, experiment: str, share: float, person: str = "customer_id") -> str:
    """Return an SQL condition: is this person held out of this experiment?

    Examples
    --------
    >>> held_out_sql("salt", "win_back", 0.0)
    'false'
    """
    limit = _limit(share)
    return f"{arm_sql(salt, experiment, person)} < {limit}" if limit else "false"


def is_held_out(salt: str, experiment: str, share: float, person: str) -> bool:
    """Return what `held_out_sql` decides, in Python.

    Examples
    --------
    >>> is_held_out("segml", "win_back", 0.5, "person-1")
    True
    """
    return arm(salt, experiment, person) < _limit(share)


def global_holdout_sql(salt: str, share: float, person: str = "customer_id") -> str:
    """Return an SQL condition: does this person receive no campaign at all?"""
    return held_out_sql(salt, GLOBAL_EXPERIMENT, share, person)


def _limit(share: float) -> int:
    return round(share * _ARMS)
