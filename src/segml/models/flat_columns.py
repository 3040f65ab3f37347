"""Columns of any type as numbers, without looking at the label; and what one column alone can tell.

A level that enough customers share becomes an indicator; rarer ones share one, beside the logarithm of how common the
level is, so that ten thousand postcodes are two columns and not ten thousand. Missing is a level of its own. Nothing is
encoded by its mean outcome: that leaks, and its reasons can't be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from segml.errors import NotEnoughDataError
from segml.evaluation.metrics import auc_score
from segml.models.boosting import FloatArray, require_columns

LEAST_OF_A_LEVEL = 10
LEAST_SHARE_OF_A_LEVEL = 0.005
MOST_LEVELS = 30
MOST_COUNTED = 5_000
MISSING, OTHER = "missing", "other"
_PULL = 10.0  # rows of the base rate that a level's own rate is mixed with


def texts(column: pd.Series) -> pd.Series:
    """Return levels as text, missing as None; 415, 415.0 and "415" are one level.

    Examples
    --------
    >>> texts(pd.Series([415.0, None])).tolist(), texts(pd.Series(["a", ""])).tolist()
    (['415', None], ['a', None])
    """
    values = column.astype(object).where(column.notna(), None)
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        shown = np.char.mod("%.12g", column.fillna(0).to_numpy(dtype=float)).astype(object)
        values = pd.Series(shown, index=column.index, dtype=object).where(column.notna(), None)
    text = values.map(lambda value: None if value is None else str(value).strip() or None)
    return text.astype(object).where(text.notna(), None)


@dataclass(frozen=True)
class ColumnCode:
    """How one column becomes numbers.

    Attributes
    ----------
    name : str
    levels : tuple of str, optional
        Levels with an indicator of their own; None for a number, which stays as it is.
    missing, other : bool
        Whether missing values, and levels without an indicator, have an indicator.
    counts : dict of str to int
        How common each level was, where there are others.
    """

    name: str
    levels: tuple[str, ...] | None = None
    missing: bool = False
    other: bool = False
    counts: Mapping[str, int] | None = None

    @property
    def width(self) -> int:
        """Encoded columns."""
        if self.levels is None:
            return 1
        return len(self.levels) + self.missing + 2 * self.other

    def encode(self, column: pd.Series) -> FloatArray:
        """Return the numbers, shape (n, width)."""
        if self.levels is None:
            return np.asarray(column.to_numpy(dtype=float, na_value=np.nan)).reshape(-1, 1)
        text = texts(column).to_numpy(dtype=object)
        known = pd.Series(text).isin(self.levels).to_numpy()
        absent = pd.isna(text)
        parts = [(text == level).astype(float) for level in self.levels]
        if self.missing:
            parts.append(absent.astype(float))
        if self.other:
            parts.append((~known & ~absent).astype(float))
            parts.append(np.log1p(pd.Series(text).map(self.counts or {}).fillna(0.0).to_numpy(dtype=float)))
        return np.column_stack(parts) if parts else np.zeros((len(text), 0))


class FlatEncoder:
    """Learned codes of a table's columns.

    Examples
    --------
    >>> frame = pd.DataFrame({"plan": ["a"] * 60 + ["b"] * 40, "minutes": np.arange(100.0)})
    >>> encoder = FlatEncoder.learn(frame)
    >>> encoder.encode(frame.iloc[[0, 99]]).tolist(), encoder.owners.tolist()
    ([[0.0, 0.0], [1.0, 99.0]], [0, 1])
    """

    def __init__(self, codes: Sequence[ColumnCode], notes: Sequence[str] = ()) -> None:
        self.codes = tuple(codes)
        self.notes = list(notes)

    @classmethod
    def learn(cls, frame: pd.DataFrame, categorical: Iterable[str] = ()) -> FlatEncoder:
        """Decide for each column; one that can't tell anything is left out, and said.

        Raises
        ------
        NotEnoughDataError
            When no column is left.
        """
        chosen, notes, named = [], [], set(categorical)
        for name in map(str, frame.columns):
            code, why = _learn_code(frame[name], name in named)
            if code is None:
                notes.append(f"the column {name} is left out: {why}")
            else:
                chosen.append(code)
                notes += [f"the column {name}: {why}"] if why else []
        if not chosen:
            raise NotEnoughDataError("no column of the table can tell anything: " + "; ".join(notes))
        return cls(chosen, notes)

    @property
    def names(self) -> list[str]:
        """Columns that are read."""
        return [code.name for code in self.codes]

    @property
    def owners(self) -> Any:
        """Position of the column each encoded column belongs to, shape (width,)."""
        return np.repeat(np.arange(len(self.codes)), [code.width for code in self.codes])

    def is_number(self, name: str) -> bool:
        """Tell whether a column is read as a number."""
        return next(code.levels is None for code in self.codes if code.name == name)

    def encode(self, frame: pd.DataFrame) -> FloatArray:
        """Return numbers, shape (n, width); a level never seen is `other`, or nothing at all."""
        missing = [name for name in self.names if name not in frame]
        if missing:
            require_columns(frame, self.names, "the flat table's model")  # names them
        return np.hstack([code.encode(frame[code.name]) for code in self.codes])

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON."""
        return {"codes": [asdict(code) for code in self.codes], "notes": self.notes}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> FlatEncoder:
        """Inverse of `to_dict`."""
        codes = [
            ColumnCode(**{**code, "levels": None if code["levels"] is None else tuple(code["levels"])})
            for code in content["codes"]
        ]
        return cls(codes, content["notes"])


def _learn_code(column: pd.Series, named: bool) -> tuple[ColumnCode | None, str]:
    name, rows = str(column.name), len(column)
    if column.notna().sum() == 0:
        return None, "every value is missing"
    if pd.api.types.is_numeric_dtype(column) and not named:
        constant = column.nunique(dropna=False) < 2
        return (None, "every row has the same value") if constant else (ColumnCode(name), "")
    text = texts(column)
    counts = text.value_counts()
    missing = bool(text.isna().any())
    if len(counts) + missing < 2:
        return None, "every row has the same value"
    if len(counts) > 50 and len(counts) > 0.5 * rows:
        return None, f"{len(counts):,} of {rows:,} rows have a value of their own, as an id has"
    least = max(LEAST_OF_A_LEVEL, LEAST_SHARE_OF_A_LEVEL * rows)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    common = [str(level) for level, count in ordered if count >= least][:MOST_LEVELS]
    other = len(common) < len(ordered)
    told = {str(level): int(count) for level, count in ordered[:MOST_COUNTED] if count > 1} if other else None
    if not other and not missing:
        common = common[1:]  # the most common level is the one the others are held against
    said = f"{len(ordered):,} levels, of which {len(common)} are told apart by name" if other else ""
    return ColumnCode(name, tuple(common), missing, other, told), said


@dataclass(frozen=True)
class SingleColumnRule:
    """The rate of the outcome in each bin (or level) of one column: what a spreadsheet would do.

    Attributes
    ----------
    column : str
    auc : float
        Measured on the half of the training rows that a bin's rate was not learnt on.
    edges : tuple of float
        Borders of a number's bins; empty for levels.
    rates : dict of str to float
        Bin number, level, `missing` or `other` -> rate.
    """

    column: str
    auc: float
    edges: tuple[float, ...]
    rates: Mapping[str, float]
    is_number: bool

    @classmethod
    def learn(cls, column: pd.Series, outcome: FloatArray, is_number: bool) -> SingleColumnRule:
        """Learn on every row; `auc` comes from halves, and for numbers from their order too."""
        edges: tuple[float, ...] = ()
        if is_number:
            known = column.dropna().to_numpy(dtype=float)
            inner = np.quantile(known, np.linspace(0, 1, 11)[1:-1], method="nearest") if len(known) else []
            edges = tuple(np.unique(inner).tolist())
        keys = _bin_keys(column, edges, is_number)
        half = np.arange(len(keys)) % 2
        crossed = np.empty(len(keys))
        for side in (0, 1):
            learnt = _rates(keys[half != side], outcome[half != side])
            crossed[half == side] = _looked_up(keys[half == side], learnt)
        auc = auc_score(outcome, crossed)
        if is_number:
            values = column.to_numpy(dtype=float, na_value=np.nan)
            there = ~np.isnan(values)
            if 0 < outcome[there].sum() < there.sum() and there.mean() > 0.9:
                ranked = auc_score(outcome[there], values[there])
                auc = max(auc, ranked, 1 - ranked)
        return cls(str(column.name), float(auc), edges, _rates(keys, outcome), is_number)

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        """Rate of each row, shape (n,); a level never seen has the base rate."""
        return _looked_up(_bin_keys(frame[self.column], self.edges, self.is_number), self.rates)


def _bin_keys(column: pd.Series, edges: Sequence[float], is_number: bool) -> Any:
    if not is_number:
        return (
            texts(column).map(lambda level: MISSING if level is None else f"={level}").to_numpy(dtype=object)
        )
    values = column.to_numpy(dtype=float, na_value=np.nan)
    place = np.searchsorted(np.asarray(edges), values, side="left").astype(str).astype(object)
    place[np.isnan(values)] = MISSING
    return place


def _rates(keys: Any, outcome: FloatArray) -> dict[str, float]:
    base = float(outcome.mean())
    frame = pd.DataFrame({"key": keys, "y": outcome}).groupby("key")["y"].agg(["sum", "size"])
    smoothed = (frame["sum"] + _PULL * base) / (frame["size"] + _PULL)
    return {str(key): float(rate) for key, rate in smoothed.items()} | {OTHER: base}


def _looked_up(keys: Any, rates: Mapping[str, float]) -> FloatArray:
    return np.asarray(pd.Series(keys).map(dict(rates)).fillna(rates[OTHER]).to_numpy(dtype=float))


def single_column_rules(
    frame: pd.DataFrame, outcome: FloatArray, encoder: FlatEncoder
) -> list[SingleColumnRule]:
    """Learn a rule from each column, the best first; ties go to the name."""
    rules = [SingleColumnRule.learn(frame[name], outcome, encoder.is_number(name)) for name in encoder.names]
    return sorted(rules, key=lambda rule: (-rule.auc, rule.column))
