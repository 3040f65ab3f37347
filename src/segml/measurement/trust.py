"""Can the arms be compared at all? What went wrong between the list and the send, counted and said in words.

The lift is by intention to treat: everybody stays in the arm that the hash gave, whatever was sent. That keeps the
comparison fair, and it makes the difference smaller than the campaign's own whenever held-out people were contacted
or listed people were not. A little of it is told; where so many of the held out were contacted that they are no
control any more, or the arms contradict each other, or what was known before the send tells the arm, no lift is
reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segml.engine import Engine
from segml.engine.keys import arm_sql
from segml.measurement.built import BuiltList
from segml.measurement.people import GLOBALLY_HELD_OUT, HELD_OUT, LOG, PEOPLE, TREATED

CONTACTED_LIMIT = 0.10  # share of the held out who were contacted, above which they are no control
CHECKED_PEOPLE = 20_000  # the check of the arms against features learns from no more
_LEAST_ARM = 50
_BALANCE = "measured_features"


@dataclass(frozen=True)
class Note:
    """One thing seen: how many people of how many, in words, and whether the comparison is refused for it."""

    check: str
    people: int
    of: int
    text: str
    refuses: bool = False


def list_notes(engine: Engine) -> list[Note]:
    """Return what speaks for or against comparing the arms of the list in ``measured_people``.

    Parameters
    ----------
    engine : Engine
        With ``measured_people`` (and ``measured_log``) of this list.

    Returns
    -------
    list of Note
        Empty when all is as it should be (or when nothing is known of what was sent).
    """
    counts = engine.fetch(_counts_sql()).set_index("arm").to_dict("index")
    notes = _contradictions(engine)
    if notes or not sum(int(row["logged"]) for row in counts.values()):
        return notes
    listed = counts.get(TREATED, {"people": 0, "sent": 0, "unsent_reactions": 0})
    notes += _contacted(counts, int(listed["sent"]), int(listed["people"]))
    missed = int(listed["people"]) - int(listed["sent"])
    if missed and listed["sent"]:
        text = (
            f"{missed:,} of {int(listed['people']):,} listed people were never sent it; they count as treated"
        )
        notes.append(Note("listed_not_sent", missed, int(listed["people"]), text))
    silent = int(listed["unsent_reactions"])
    if silent:
        text = f"{silent:,} listed people reacted to a sending that the log does not hold"
        notes.append(Note("reaction_without_send", silent, int(listed["people"]), text))
    return notes + _outsiders(engine, sum(int(row["logged"]) for row in counts.values()))


def _counts_sql() -> str:
    reached = "greatest(sent, delivered, open, click)"
    reacted = "greatest(delivered, open, machine_open, click, unsubscribe, complaint, bounce)"
    return (
        f"select arm, count(*) as people, cast(sum(sent) as bigint) as sent, cast(sum({reached}) as bigint) as reached,"
        f" cast(sum(logged) as bigint) as logged,"
        f" cast(sum(case when sent = 0 and {reacted} = 1 then 1 else 0 end) as bigint) as unsent_reactions"
        f" from {PEOPLE} group by arm order by arm"
    )


def _contradictions(engine: Engine) -> list[Note]:
    """People in two arms; the smaller side is looked up in the other, nobody is sorted."""
    both = int(
        engine.value(
            f"select count(distinct t.customer_id) from {PEOPLE} t join (select customer_id from {PEOPLE}"
            f" where arm <> '{TREATED}') h on h.customer_id = t.customer_id where t.arm = '{TREATED}'"
        )
        or 0
    )
    text = f"{both:,} people are both listed and held out: nobody can be in two arms"
    return [Note("contradictory_arms", both, both, text, True)] if both else []


def _contacted(counts: Mapping[Any, Mapping[Any, Any]], sent: int, listed: int) -> list[Note]:
    notes = []
    for arm, words in ((HELD_OUT, "held-out people"), (GLOBALLY_HELD_OUT, "people held out of everything")):
        of, reached = (int(counts.get(arm, {}).get(name, 0)) for name in ("people", "reached"))
        if not reached:
            continue
        share = reached / of
        text = f"{reached:,} of {of:,} {words} were contacted all the same ({share:.1%})"
        refuses = arm == HELD_OUT and share > CONTACTED_LIMIT
        if refuses:
            text += f"; above {CONTACTED_LIMIT:.0%} they are no control"
        elif arm == HELD_OUT:
            text += "; they stay held out"
            apart = sent / listed - share if listed else 0.0
            if apart > 0:
                text += f", so the difference is about {apart:.0%} of what the sending itself did"
        notes.append(Note(f"{arm}_contacted", reached, of, text, refuses))
    return notes


def _outsiders(engine: Engine, known: int) -> list[Note]:
    people = int(engine.value(f"select count(*) from {LOG}") or 0) - known
    if people <= 0:
        return []
    text = f"{people:,} people who were neither listed nor held out have events under this campaign's name"
    return [Note("not_on_the_list", people, people, text + "; they are not counted")]


def balance_note(engine: Engine, built: BuiltList, features: Path | None, seed: int = 0) -> Note | None:
    """Try to tell the arms from the features of the list's day; refuse the comparison when that works.

    Parameters
    ----------
    engine : Engine
        With ``measured_people`` of this list.
    built : BuiltList
    features : Path, optional
        Snapshot of the list's day; without it there is nothing to check, and None is returned.
    seed : int

    Notes
    -----
    At most `CHECKED_PEOPLE` people come home, picked by a hash of their id.
    """
    if features is None or not features.exists():
        return None
    engine.register(_BALANCE, features)
    sample = engine.fetch(_sample_sql(engine, built), 2 * CHECKED_PEOPLE)
    engine.drop(_BALANCE)
    sizes = sample["arm"].value_counts()
    if min(int(sizes.get(arm, 0)) for arm in (TREATED, HELD_OUT)) < _LEAST_ARM:
        return None
    from segml.models.uplift import check_randomisation
    from segml.models.uplift.trial import make_trial

    X = sample.drop(columns="arm").to_numpy(dtype=np.float64)
    X = X[:, [len(np.unique(column[~np.isnan(column)])) > 1 for column in X.T]]
    if not X.shape[1]:
        return None
    trial = make_trial(X, np.zeros(len(X)), sample["arm"].to_numpy(dtype=object), HELD_OUT)
    check = check_randomisation(trial, seed=seed)
    return Note("balance", len(X), len(X), check.text, not check.passed)


def _sample_sql(engine: Engine, built: BuiltList) -> str:
    columns = engine.columns(_BALANCE)
    kinds = engine.fetch(f"select * from {_BALANCE} where false", 1).dtypes
    numbers = [name for name in columns if kinds[name].kind in "fiu" and not name.endswith("_key")]
    people = int(engine.value(f"select count(*) from {PEOPLE}") or 0)
    limit = 10_000 if people <= CHECKED_PEOPLE else int(10_000 * CHECKED_PEOPLE / people)
    picked = f" and {arm_sql('balance', built.campaign, 'p.customer_id')} < {limit}" if limit < 10_000 else ""
    return (
        f"select p.arm as arm, {', '.join(f'f.{name} as {name}' for name in numbers)} from {PEOPLE} p"
        f" join {_BALANCE} f on f.customer_id = p.customer_id"
        f" where p.arm in ('{TREATED}', '{HELD_OUT}'){picked} order by p.customer_id"
    )
