"""Lists of the past against the orders that followed: one row a list, with the word that its evidence allows.

A cause is claimed only against people who were held out by the hash; without them the rows say what followed, and
no more. A list whose window is still open is `not yet`, never a half-counted success. Each list's people are put
together once (`segml.measurement.people`); every figure is a sum over them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from segml.engine import Engine
from segml.errors import DataError
from segml.measurement.adjusted import COLUMNS as ESTIMATE_COLUMNS
from segml.measurement.adjusted import adjusted_frame
from segml.measurement.built import BuiltList, built_lists
from segml.measurement.knobs import joined_cells, knob_cells
from segml.measurement.money import covariate_money_sql, lift_of_rows, list_money_sql, revenue_columns
from segml.measurement.outcomes import (
    RESPONSE_COLUMNS,
    RESULT_COLUMNS,
    arm_of,
    contacts_of,
    count_cells,
    count_money,
    known_events,
    register_tags,
    response_rows,
    result_rows,
)
from segml.measurement.people import (
    HELD_OUT,
    LOG,
    PEOPLE,
    TREATED,
    arm_columns,
    drop_people,
    make_people,
    moments_sql,
)
from segml.measurement.trust import Note, balance_note, list_notes
from segml.measurement.verdict import COLUMNS, verdict_row, without_control
from segml.time_windows import Cutoff

NOTE_COLUMNS = ("campaign", "as_of", "check", "people", "of", "refuses", "text")
PlaceOf = Callable[[Cutoff], Path | None]


@dataclass(frozen=True)
class MeasuredLists:
    """What past lists earned.

    Attributes
    ----------
    frame : DataFrame
        One row a list; `status` is measured, no_holdout, not_yet, suppressed or refused. Revenue is per person.
    estimates : DataFrame
        For each measured list and outcome: the plain difference, CUPED's and the post-stratified one.
    results : DataFrame
        Sent, delivered, opened ..., conversions and revenue of each list, over everybody and by segment.
    responses : DataFrame
        Exact counts by list, segment, tenth of the score and arm: a working table for models.
    knobs : DataFrame
        Buyers by tenth of what the settings cut, and arm: what proposals are made of.
    notes : DataFrame
        What speaks for or against comparing the arms, in words.
    """

    frame: pd.DataFrame
    estimates: pd.DataFrame
    results: pd.DataFrame
    responses: pd.DataFrame
    notes: pd.DataFrame
    knobs: pd.DataFrame

    @property
    def measured(self) -> pd.DataFrame:
        """The rows that carry a lift."""
        return self.frame[self.frame["status"] == "measured"]

    @property
    def contacts(self) -> pd.DataFrame:
        """What became of each sending, over the whole list: one row a list and event."""
        return contacts_of(self.results)


def _nowhere(as_of: Cutoff) -> Path | None:
    return None


def measure_lists(
    engine: Engine,
    list_folders: Sequence[Path],
    data_until: Cutoff,
    minimum_cell: int = 10,
    net_of_returns: bool = True,
    *,
    features_of: PlaceOf = _nowhere,
    tags_of: PlaceOf = _nowhere,
    scores_of: PlaceOf = _nowhere,
) -> MeasuredLists:
    """Compare treated and held-out people of every list, intention to treat.

    Parameters
    ----------
    engine : Engine
        With ``orders`` registered, and ``returns`` and ``email_events`` as far as there are any.
    list_folders : sequence of Path
        Lists, or folders above them.
    data_until : Cutoff
        Orders before it are known: `Cutoff.after` of the last event.
    minimum_cell : int
        Arms and groups with fewer people are suppressed.
    net_of_returns : bool
        Subtract what came back within the window.
    features_of, tags_of, scores_of : callable
        Day of a list -> its features (the arms must not be told from them), tags (results by segment) and scores (what
        proposals cut), if any.

    Returns
    -------
    MeasuredLists
        Rates with Wilson's interval, their difference with Newcombe's, revenue per person in major units with that of
        the permutation test, all at 95 %; empty when no list was built.

    Raises
    ------
    DataError
        Without orders.
    """
    built = built_lists(list_folders)
    if built and not engine.exists("orders"):
        raise DataError("measuring needs the orders table", "run `segml data` first")
    events = known_events(engine)
    parts = [
        _measure(
            engine, one, data_until, minimum_cell, net_of_returns, events, features_of, tags_of, scores_of
        )
        for one in built
    ]
    drop_people(engine)
    engine.drop("measured_tags")
    return MeasuredLists(
        pd.DataFrame([part.row for part in parts], columns=list(COLUMNS)),
        _together([part.estimates for part in parts], ("campaign", "as_of", *ESTIMATE_COLUMNS)),
        pd.DataFrame([row for part in parts for row in part.results], columns=list(RESULT_COLUMNS)),
        _together([part.responses for part in parts], RESPONSE_COLUMNS),
        pd.DataFrame(
            [_note_row(one, note) for one, part in zip(built, parts, strict=True) for note in part.notes],
            columns=list(NOTE_COLUMNS),
        ),
        joined_cells([part.knobs for part in parts]),
    )


@dataclass(frozen=True)
class _Measured:
    row: dict[str, Any]
    notes: list[Note]
    estimates: pd.DataFrame
    results: list[dict[str, Any]]
    responses: pd.DataFrame
    knobs: pd.DataFrame


def _measure(
    engine: Engine,
    built: BuiltList,
    data_until: Cutoff,
    minimum_cell: int,
    net_of_returns: bool,
    events: set[str],
    features_of: PlaceOf,
    tags_of: PlaceOf,
    scores_of: PlaceOf,
) -> _Measured:
    complete = data_until >= built.window.end
    make_people(engine, built, net_of_returns)
    arms = {str(row["arm"]): arm_of(row) for row in engine.fetch(_arms_sql()).to_dict("records")}
    notes = list_notes(engine)
    engine.drop(LOG)  # memory for what follows
    row = verdict_row(built, arms, notes, data_until, minimum_cell)
    if row["status"] == "measured":
        balance = balance_note(engine, built, features_of(built.as_of))
        notes += [balance] if balance else []
        row = verdict_row(built, arms, notes, data_until, minimum_cell)
    refused = any(note.refuses for note in notes)
    money = None
    if row["status"] == "measured":
        money = engine.fetch(list_money_sql())
        row |= revenue_columns(lift_of_rows(money, arms[TREATED].mean - arms[HELD_OUT].mean))
    tags = [] if refused else register_tags(engine, tags_of(built.as_of))
    cells = count_cells(engine, tags)
    results = result_rows(cells, count_money(engine, tags), built, tags, events, minimum_cell, complete)
    if row["status"] != "measured":
        results = [without_control(result) for result in results]
    return _Measured(
        row,
        notes,
        pd.DataFrame() if money is None else _estimates(engine, built, money),
        results,
        response_rows(cells, built, tags) if complete and not refused else pd.DataFrame(),
        knob_cells(engine, built, cells, features_of(built.as_of), scores_of(built.as_of))
        if row["status"] == "measured"
        else pd.DataFrame(),
    )


def _arms_sql() -> str:
    return f"select arm, {arm_columns()} from {PEOPLE} group by arm order by arm"


def _estimates(engine: Engine, built: BuiltList, money: pd.DataFrame) -> pd.DataFrame:
    before = engine.fetch(covariate_money_sql())
    frame = adjusted_frame(engine.fetch(moments_sql()), money, before, built.window.days)
    frame.insert(0, "campaign", built.campaign)
    frame.insert(1, "as_of", built.as_of.label)
    return frame


def _note_row(built: BuiltList, note: Note) -> dict[str, Any]:
    return {"campaign": built.campaign, "as_of": built.as_of.label, **vars(note)}


def _together(frames: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    some = [frame for frame in frames if len(frame)]
    return pd.concat(some, ignore_index=True)[list(columns)] if some else pd.DataFrame(columns=list(columns))
