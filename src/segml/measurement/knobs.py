"""What could have been set otherwise: who ordered, by tenths of the quantities that a campaign's settings cut.

A campaign's settings draw lines: a list of limited size through the score it ranks by, the days of silence through
the recency, an upper probability through the dormancy probability. Counted by tenth and arm, past lists tell on
which side of a line the contact earned something.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from segml.engine import Engine
from segml.measurement.built import BuiltList
from segml.measurement.outcomes import EVERYBODY
from segml.measurement.people import HELD_OUT, PEOPLE, STRATA, TREATED, stratum_sql, tenth_bounds

SCORE, RECENCY, DORMANCY = "score", "recency_days", "dormancy_probability"
COLUMNS = ("campaign", "as_of", "knob", "tenth", "least", "arm", "people", "buyers")
_VALUES, _SOURCE = "measured_values", "measured_knobs"


def knob_cells(
    engine: Engine, built: BuiltList, cells: pd.DataFrame, features: Path | None, scores: Path | None
) -> pd.DataFrame:
    """Count the people of ``measured_people`` by tenth of each known quantity.

    Parameters
    ----------
    engine : Engine
        With ``measured_people`` of this list.
    built : BuiltList
    cells : DataFrame
        From `count_cells`, which has the tenths of the score already.
    features, scores : Path, optional
        Of the list's day; what is not there, or lacks the column, is left out.

    Returns
    -------
    DataFrame
        campaign, as_of, knob, tenth (1 lowest), least (lowest value of the tenth), arm, people, buyers.
    """
    own = cells[(cells["tag"] == EVERYBODY) & (cells["stratum"] > 0) & cells["arm"].isin((TREATED, HELD_OUT))]
    ranked = own.rename(columns={"stratum": "tenth"})[["tenth", "least", "arm", "people", "buyers"]]
    parts = [_known(ranked.reset_index(drop=True), SCORE)]
    for knob, place in ((RECENCY, features), (DORMANCY, scores)):
        if place is None or not place.exists():
            continue
        engine.register(_SOURCE, place)
        if knob in engine.columns(_SOURCE):
            rows = (
                f"select p.arm as arm, p.buyer as buyer, cast(k.{knob} as double) as v from {PEOPLE} p"
                f" join {_SOURCE} k on k.customer_id = p.customer_id where k.{knob} is not null"
            )
            parts.append(_counted(engine, knob, rows))
        engine.drop(_SOURCE)
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(campaign=built.campaign, as_of=built.as_of.label)[list(COLUMNS)]


def _counted(engine: Engine, knob: str, rows: str) -> pd.DataFrame:
    engine.run(f"{rows} and arm in ('{TREATED}', '{HELD_OUT}')", _VALUES)
    bounds = tenth_bounds(engine, _VALUES, "v")
    counts = engine.fetch(
        f"select {stratum_sql('v', bounds)} as tenth, min(v) as least, arm, count(*) as people,"
        f" cast(sum(buyer) as bigint) as buyers from {_VALUES} group by 1, arm order by tenth, arm",
        4 * STRATA,
    )
    engine.drop(_VALUES)
    return _known(counts, knob)


def _known(counts: pd.DataFrame, knob: str) -> pd.DataFrame:
    return counts.assign(knob=knob, least=counts.groupby("tenth")["least"].transform("min"))


def joined_cells(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the cells of several lists under each other; an empty frame of the right columns for none."""
    some = [frame for frame in frames if len(frame)]
    return pd.concat(some, ignore_index=True) if some else pd.DataFrame(columns=list(COLUMNS))
