"""A flat table as a source: one row a customer, columns of any type, and a label or a duration with its event.

What can be told from the outside is told here: rows without an id or with an id twice, a label that is neither of two
values, and moments that lie after the day the table was drawn, which only the future can know. Columns that are too
good to be true are found by the models (`segml.models.flat_columns`), because that takes the label.
"""

from __future__ import annotations

import io
import lzma
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from segml.config import (
    ConsentSettings,
    GateSettings,
    Memory,
    OfferSettings,
    Settings,
    TextForm,
    day_text,
    read_configuration,
    validated,
)
from segml.engine.duckdb import DuckDBEngine
from segml.engine.keys import arm_sql
from segml.errors import ConfigurationError, DataError, did_you_mean, first_of
from segml.models.flat_columns import texts
from segml.sources.files import delimiter_advice
from segml.sources.flat_reading import find_flat_files, read_rows
from segml.sources.packages import fetch_package
from segml.tables.ids import IdColumn, id_column
from segml.tables.partition import file_sha256
from segml.time_windows import SECONDS_PER_DAY, Cutoff

_PACKAGED = ".pkl.compress"
_YES = ("1", "1.0", "true", "True", "TRUE", "yes", "Yes", "YES", "y", "Y")


class FlatOutcome(Settings):
    """Which column tells what happened, and which of its values is the one that is predicted."""

    column: str
    positive: str = Field(default="", description="the value that counts; by default 1, true or yes")


class FlatDuration(Settings):
    """Time until the event or until the customer was last seen."""

    column: str
    event: FlatOutcome
    horizon: float = Field(gt=0, description="in the column's unit; P(event by then) is predicted")


class FlatSource(TextForm):
    """The table."""

    files: tuple[str, ...]
    score_files: tuple[str, ...] = Field(
        default=(), description="customers to score; by default rows without label"
    )
    id: str = Field(default="", description="column of the customer's id; by default the row's number")
    label: FlatOutcome | None = None
    duration: FlatDuration | None = None
    time: str = Field(
        default="", description="column of the day a row was drawn; the latest rows are then the test"
    )
    exclude: tuple[str, ...] = Field(default=(), description="columns that are not read")
    categorical: tuple[str, ...] = Field(default=(), description="number columns that are names")
    missing_customer: Literal["drop", "refuse"] = "drop"
    placeholder_customer: Literal["drop", "keep", "refuse"] = Field(
        default="drop",
        description="rows of an id that stands for no customer: NULL, guest, 0, -1, unknown, ...",
    )

    @field_validator("files", "score_files", "exclude", "categorical", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_outcome(self) -> FlatSource:
        if (self.label is None) == (self.duration is None):
            raise ValueError("a flat table has either a `label` or a `duration`")
        return self

    @property
    def outcome_columns(self) -> tuple[str, ...]:
        """Columns that tell the outcome, and may not be features."""
        if self.label is not None:
            return (self.label.column,)
        assert self.duration is not None
        return (self.duration.column, self.duration.event.column)


class FlatListSettings(Settings):
    """Who is put on the list, and who is held out."""

    name: str = Field(default="retention", pattern=r"^[a-z][a-z0-9_]*$")
    action: str = "talk to them before they leave"
    offer_class: str = "service"
    channel: Literal["email", "sms", "post", "push", "phone"] = "email"
    share: float = Field(
        default=0.1, gt=0, le=1, description="of the scored; with an offer, what pays instead"
    )
    window_days: int = Field(default=90, ge=1)
    holdout: float = Field(default=0.1, ge=0, lt=0.9)
    holdout_salt: str = "segml"
    minimum_list: int = Field(default=20, ge=1)
    consent: ConsentSettings = ConsentSettings()
    consent_column: str = Field(default="", description="column with 1, true or yes where contact is allowed")


class FlatConfig(Settings):
    """One flat table, from its file to its list."""

    base: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str = ""
    currency: str = Field(default="", pattern=r"^([A-Z]{3})?$")
    package: str = ""
    flat: FlatSource
    task: str = Field(default="churn", pattern=r"^[a-z][a-z0-9_]*$")
    as_of: str = Field(
        min_length=10, description="the day the table was drawn; what it holds of later days is refused"
    )
    seed: int = 0
    memory: Memory = ""
    threads: int = Field(default=1, ge=1)
    data_folder: str = "data"
    models_folder: str = "mlruns"
    test_share: float = Field(default=0.25, gt=0.05, lt=0.6, description="rows the model is judged on")
    gate: GateSettings = GateSettings()
    offer: OfferSettings | None = None
    list: FlatListSettings = FlatListSettings()
    root: Path = Field(default=Path("."), description="set by the loader: the project folder")

    _is_a_day = field_validator("as_of", mode="before")(day_text)

    def path(self, *parts: str) -> Path:
        """Return a path under the project folder."""
        return self.root.joinpath(*parts)

    def data_path(self, stage: str, *parts: str) -> Path:
        """Return `data/<stage>/<base>/...` under the project folder."""
        return self.root.joinpath(self.data_folder, stage, self.base, *parts)


def load_flat_config(path: str | Path, overrides: Sequence[str] = ()) -> FlatConfig | None:
    """Read a flat table's configuration; None when the file describes a shop with tables."""
    raw = read_configuration(path, overrides)
    return validated(FlatConfig, raw, str(path)) if "flat" in raw else None


@dataclass(frozen=True)
class FlatTable:
    """Rows with an id, split into what may be learnt from and what may not.

    Attributes
    ----------
    features : DataFrame
        Index `customer_id`, sorted; numbers, booleans and texts.
    outcome : Series
        0, 1 or NaN (unknown); for durations, the event.
    duration : Series or None
    drawn : Series or None
        Day number a row was drawn on.
    shares : Series
        0 to 9,999 from a hash of the id.
    notes : list of str
        What was found and done.
    digest : str
        Hash of the files.
    """

    features: pd.DataFrame
    outcome: pd.Series
    duration: pd.Series | None
    drawn: pd.Series | None
    shares: pd.Series
    notes: list[str] = field(default_factory=list)
    digest: str = ""


def read_flat(config: FlatConfig, files: Sequence[str] = (), labelled: bool = True) -> FlatTable:
    """Read, check and type a flat table.

    Parameters
    ----------
    config : FlatConfig
    files : sequence of str
        By default the configuration's.
    labelled : bool, default=True
        Off, the outcome's columns may be absent.

    Raises
    ------
    DataError
        Every violation at once.
    """
    if config.package:
        fetch_package(config.package, config.root, config.data_folder)
    source = config.flat
    paths = find_flat_files(files or source.files, config.root, source)
    frame, notes = _rows(paths, config, labelled)
    as_of = Cutoff.parse(config.as_of)
    drawn = _days(frame[source.time]) if source.time else None
    if drawn is not None and (late := int((drawn > as_of.day).sum())):
        raise DataError(f"{late} rows were drawn after {as_of}", "correct `as_of` or leave those rows out")
    outcome, duration = _outcome(frame, source, labelled)
    dropped = {*source.exclude, *source.outcome_columns, source.time, config.list.consent_column} - {""}
    features = frame.drop(columns=[name for name in dropped if name in frame])
    features, said = _typed(features, as_of, drawn)
    notes += said
    digest = "".join(file_sha256(path) for path in paths)
    return FlatTable(
        features, outcome, duration, drawn, keyed_shares(features.index, config.base), notes, digest
    )


def _rows(paths: list[Path], config: FlatConfig, labelled: bool) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows under their ids, and what is to be told of them."""
    source = config.flat
    packaged = [path for path in paths if config.package and path.name.endswith(_PACKAGED)]
    if packaged:
        frame = pd.concat([read_packaged_frame(path) for path in packaged], ignore_index=True)
        notes: list[str] = []
        columns = tuple(map(str, frame.columns))
        if source.id in frame:
            frame[source.id] = frame[source.id].astype("string")
    else:
        kept = [name for name in (source.id, *source.categorical) if name]
        read = read_rows(paths, config.root, source, kept, source.exclude, config.memory)
        frame, notes, columns = read.frame, list(read.notes), read.columns
        for name in source.categorical:
            if name in frame and name != source.id and not pd.api.types.is_numeric_dtype(frame[name]):
                frame[name] = id_column(frame[name]).ids.astype(object)
    _refuse_unknown(columns, config, labelled)
    frame, said = _with_ids(frame, source)
    return frame, said + notes


_FRAME_PARTS = {
    ("pandas.core.frame", "DataFrame"),
    ("pandas.core.internals.managers", "BlockManager"),
    ("pandas._libs.internals", "_unpickle_block"),
    ("pandas.core.indexes.base", "_new_Index"),
    ("pandas.core.indexes.base", "Index"),
    ("pandas.core.indexes.range", "RangeIndex"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy._core.multiarray", "_reconstruct"),
}


class _FrameReader(pickle.Unpickler):
    """Builds a frame and nothing else: any other name in the file is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a part of a frame."""
        module = module.replace("numpy.core.", "numpy._core.")
        if (module, name) not in _FRAME_PARTS:
            raise pickle.UnpicklingError(f"it holds {module}.{name}, which is no part of a table")
        return super().find_class(module, name)


def read_packaged_frame(path: Path) -> pd.DataFrame:
    """Read a compressed frame out of a pinned data package; nothing but a frame can come out of it."""
    frame = _FrameReader(io.BytesIO(lzma.decompress(path.read_bytes()))).load()
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{path.name} holds no table")
    return frame.infer_objects()


def _refuse_unknown(present: Sequence[str], config: FlatConfig, labelled: bool) -> None:
    source = config.flat
    needed = [source.id, source.time, *source.exclude, *source.categorical, config.list.consent_column]
    needed += source.outcome_columns if labelled else ()
    needed = [name for name in needed if name and name not in present]
    near = [f"{name!r}{did_you_mean(name, present)}" for name in needed[:20]]
    if needed:
        step = delimiter_advice(present, source.delimiter) or f"it has {', '.join(first_of(present))}"
        more = f" and {len(needed) - 20:,} more" if len(needed) > 20 else ""
        raise DataError(f"the table lacks the columns {', '.join(near)}{more}", step)


def _with_ids(frame: pd.DataFrame, source: FlatSource) -> tuple[pd.DataFrame, list[str]]:
    """Set the ids in their normal form as index; rows of no customer are left out and told.

    Raises
    ------
    DataError
        Ids that repeat or that a spreadsheet has shortened; rows without one, where the configuration refuses them.
    """
    name = source.id
    if not name:
        width = len(str(len(frame)))
        ids = pd.Series([f"row{number:0{width}d}" for number in range(1, len(frame) + 1)])
        return frame.set_axis(pd.Index(ids, name="customer_id")).sort_index(), []
    found = id_column(frame[name])
    nobody = found.placeholder if source.placeholder_customer != "keep" else found.placeholder & False
    absent = found.ids.isna()
    real = found.ids[~absent & ~nobody]
    without = _count(int(absent.sum()), "has no id", "have no id")
    of_nobody = _count(int(nobody.sum()), "has", "have", _of_nobody(found.ids[nobody]))
    wrong = [without] * (source.missing_customer == "refuse")
    wrong += [of_nobody] * (source.placeholder_customer == "refuse")
    wrong += [_shortened_ids(found), _repeated_ids(real)]
    if refused := [sentence for sentence in wrong if sentence]:
        raise DataError(
            f"a flat table has one row a customer, and of {name}: {'; '.join(refused)}",
            "keep one row a customer under an id of text, or use the shop's own tables",
        )
    notes = [sentence for sentence in (without, of_nobody) if sentence]
    rows = frame.drop(columns=name)[~absent & ~nobody]
    index = pd.Index(real.astype(str), name="customer_id")
    return rows.set_axis(index).sort_index(), [f"{note}, and left out" for note in notes]


def _shortened_ids(found: IdColumn) -> str:
    listed = _shown(found.ids[found.shortened])
    what = f" an id in scientific notation ({listed}), whose last digits are lost"
    return _count(int(found.shortened.sum()), "has", "have", what)


def _repeated_ids(ids: pd.Series) -> str:
    repeated = ids.duplicated()
    return _count(int(repeated.sum()), "repeats", "repeat", f" an id ({_shown(ids[repeated])})")


def _count(rows: int, one: str, many: str, what: str = "") -> str:
    return f"{rows:,} row{'s' if rows != 1 else ''} {one if rows == 1 else many}{what}" if rows else ""


def _of_nobody(ids: pd.Series) -> str:
    return f" an id that stands for no customer ({_shown(ids)})"


def _shown(ids: pd.Series) -> str:
    return ", ".join(first_of(sorted(map(str, ids.unique())), most=3))


def _outcome(frame: pd.DataFrame, source: FlatSource, labelled: bool) -> tuple[pd.Series, pd.Series | None]:
    unknown = pd.Series(np.nan, index=frame.index)
    if source.label is not None:
        there = source.label.column in frame
        return (_as_outcome(frame[source.label.column], source.label) if there else unknown), None
    assert source.duration is not None
    if not labelled and not set(source.outcome_columns) <= set(frame.columns):
        return unknown, None
    event = _as_outcome(frame[source.duration.event.column], source.duration.event)
    duration = frame[source.duration.column]
    if not pd.api.types.is_numeric_dtype(duration):
        read = pd.to_numeric(duration, errors="coerce")
        wrong = sorted(set(map(str, duration[read.isna() & duration.notna()])))
        if wrong:
            raise DataError(
                f"the duration {source.duration.column} has values that are no numbers: {_shown(pd.Series(wrong))}",
                "name words for nothing under `flat.missing`, or set `decimal` and `thousands` under `flat`",
            )
        duration = read
    return event, duration.astype(float)


def _as_outcome(column: pd.Series, outcome: FlatOutcome) -> pd.Series:
    text = texts(column)
    kinds = sorted(text.dropna().unique())
    if len(kinds) > 2:
        raise DataError(
            f"the label {outcome.column} has {len(kinds)} values ({', '.join(first_of(kinds, 5))}),"
            " and two are predicted",
            "name a column with two values, and words for an unknown outcome under `flat.missing`",
        )
    wanted = (outcome.positive,) if outcome.positive else _YES
    if kinds and not set(kinds) & set(wanted):
        raise DataError(
            f"no row of {outcome.column} is {' or '.join(wanted[:3])}: its values are {', '.join(kinds)}",
            f"say which one counts, `positive: {kinds[0]}`"
            + "".join(f" or `positive: {kind}`" for kind in kinds[1:]),
        )
    return text.isin(wanted).astype(float).where(text.notna())


def _days(column: pd.Series) -> pd.Series:
    """Return day numbers; NaN where there is no moment."""
    moments = pd.to_datetime(column, errors="coerce", format="ISO8601")
    wrong = moments.isna()
    if bool(wrong.any()):
        rows = _count(int(wrong.sum()), "has", "have", f" no readable day in {column.name}")
        raise DataError(f"{rows} ({_shown(column[wrong])})", "write ISO dates, and days there are")
    return _seconds(moments) // SECONDS_PER_DAY


def _seconds(moments: pd.Series) -> pd.Series:
    return (moments - pd.Timestamp(0, tz=moments.dt.tz)).dt.total_seconds()


def _typed(features: pd.DataFrame, as_of: Cutoff, drawn: pd.Series | None) -> tuple[pd.DataFrame, list[str]]:
    """Turn moments into days before the row was drawn; refuse moments that lie after it."""
    columns, late, notes = {}, [], []
    until = pd.Series(float(as_of.day), index=features.index) if drawn is None else drawn
    for name, column in features.items():
        moments = _moments(column)
        if moments is None:
            columns[name] = column
            continue
        age = until - _seconds(moments) / SECONDS_PER_DAY
        after = int((age <= 0).sum())
        if after:
            late.append(f"{name} ({after} rows, up to {moments.max()})")
        columns[f"{name}_days_ago"] = age
        notes.append(f"the moments in {name} are read as days before the row was drawn")
    if late:
        day = f"{as_of}" if drawn is None else "the day the row was drawn"
        raise DataError(
            f"columns hold moments at or after {day}, which only the future knows: {', '.join(late)}",
            "exclude them, or correct `as_of`",
        )
    if not notes:
        notes.append("no column holds moments, so nothing can be said about leakage through time")
    return pd.DataFrame(columns, index=features.index), notes


def _moments(column: pd.Series) -> pd.Series | None:
    if pd.api.types.is_datetime64_any_dtype(column):
        return column
    if pd.api.types.is_numeric_dtype(column) or not column.notna().any():
        return None
    known = column.dropna().astype(str)
    if not known.str.fullmatch(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}.*)?").all():
        return None
    read = pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True)
    wrong = read.isna() & column.notna()
    if bool(wrong.any()):
        rows = _count(
            int(wrong.sum()), "has", "have", f" a moment in {column.name} that no calendar or clock has"
        )
        raise DataError(f"{rows} ({_shown(column[wrong])})", "correct them, or exclude the column")
    return read


def keyed_shares(ids: pd.Index, salt: str, purpose: str = "test") -> pd.Series:
    """Return 0 to 9,999 for each customer from a hash of the id, the same whoever else is in the table."""
    with DuckDBEngine(threads=1) as engine:
        engine.register("people", pd.DataFrame({"customer_id": ids.astype(str)}))
        found = engine.fetch(
            f"select customer_id, {arm_sql(salt, purpose, 'customer_id')} as share from people"
        )
    return found.set_index("customer_id")["share"].reindex(ids)


def consent_of(config: FlatConfig, ids: pd.Index, files: Sequence[str]) -> pd.Series | None:
    """Return who may be contacted; None when nobody asked.

    Raises
    ------
    ConfigurationError
        Consent is required, and no column tells it.
    """
    settings = config.list
    if not settings.consent.required:
        return None
    if not settings.consent_column:
        raise ConfigurationError(
            "a list needs consent, and no column of the table tells it",
            "name `list.consent_column`, or state `list.consent: {required: false, basis: ...}`",
        )
    frame, _ = _rows(find_flat_files(files, config.root, config.flat), config, labelled=False)
    said = frame[settings.consent_column].map(lambda value: str(value).strip() in _YES)
    return said.reindex(ids).fillna(False).astype(bool)
