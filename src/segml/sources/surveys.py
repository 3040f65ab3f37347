"""Survey tables: a YAML file says where the answers lie and what was asked, `read_answers` brings them home.

One row a person with a column an item (`wide`), or one row an answer as in the canonical table `surveys` (`long`,
where somebody who answered twice is taken at the last word). Answers become numbers; what is no number, or lies
outside the scale, is an error that names every item. A table that names no person gets row numbers.
"""

from __future__ import annotations

import io
import lzma
import pickle
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field, field_validator, model_validator

from segml.config import Settings, project_root, read_settings_file
from segml.errors import DataError, did_you_mean
from segml.models.segments.response_style import Battery, Questionnaire, read_answers_frame
from segml.sources.packages import fetch_package


class BatterySettings(Settings):
    """Items that were asked together."""

    items: tuple[str, ...]
    kind: Literal["profile", "scale"] = Field(
        default="profile", description="alternatives to choose among, or measures of one trait"
    )
    reversed: tuple[str, ...] = Field(
        default=(), description="items of a scale where agreeing means less of the trait"
    )
    clustered: bool = Field(default=True, description="no: describes the segments, and does not make them")


class ScaleSettings(Settings):
    """Ends of the answering scale, both allowed."""

    low: float
    high: float


class SurveySettings(Settings):
    """One survey: `configs/surveys/<name>.yaml`."""

    name: str
    file: str = Field(
        default="", description="CSV, Parquet or xz-compressed pandas pickle, relative to the project"
    )
    package: str = Field(default="", description="data package that `file` is a part of")
    layout: Literal["wide", "long"] = "wide"
    person: str = Field(
        default="", description="column of the person's id; without one, people get row numbers"
    )
    item: str = Field(default="item", description="long layout: column of the item's name")
    answer: str = Field(default="answer", description="long layout: column of the answer")
    answered_at: str = Field(default="answered_at", description="long layout: column of the moment")
    scale: ScaleSettings
    batteries: dict[str, BatterySettings]
    root: Path = Field(default=Path("."), description="set by the loader: the project folder")

    @field_validator("batteries", mode="before")
    @classmethod
    def _plain_lists(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: {"items": b} if isinstance(b, list) else b for name, b in value.items()}

    @model_validator(mode="after")
    def _has_a_person_when_long(self) -> SurveySettings:
        if self.layout == "long" and not self.person:
            raise ValueError("a long table needs `person`, the column of the person's id")
        return self

    def questionnaire(self) -> Questionnaire:
        """What was asked; a questionnaire that contradicts itself is a ConfigurationError.

        Examples
        --------
        >>> asked = SurveySettings(name="taste", scale=ScaleSettings(low=1, high=5),
        ...                        batteries={"music": ["rock", "pop"]}).questionnaire()
        >>> asked.items
        ('rock', 'pop')
        """
        batteries = (
            Battery(name, b.items, b.kind, b.reversed, b.clustered) for name, b in self.batteries.items()
        )
        return Questionnaire(self.scale.low, self.scale.high, tuple(batteries))


def load_survey(path: str | Path) -> SurveySettings:
    """Read `configs/surveys/<name>.yaml`.

    Raises
    ------
    ConfigurationError
        Unknown keys and wrong values, all at once, or a questionnaire that contradicts itself.
    """
    file = Path(path)
    survey = read_settings_file(SurveySettings, file)
    survey.questionnaire()
    return survey.model_copy(update={"root": project_root(file)})


def read_answers(survey: SurveySettings, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the answers, one row a person (index, text, sorted) and one column an item, NaN for unanswered.

    Parameters
    ----------
    survey : SurveySettings
    table : DataFrame, optional
        The raw table, when it is at hand already; else the survey's file is read, and its data package fetched.

    Raises
    ------
    DataError
        The file is not there, a person or an item has no column, a person has two rows, or answers are no numbers
        or outside the scale; every item is named.

    Examples
    --------
    >>> survey = SurveySettings(name="taste", layout="long", person="customer_id",
    ...                         scale=ScaleSettings(low=1, high=5), batteries={"music": ["rock", "pop"]})
    >>> told = pd.DataFrame({"customer_id": ["b", "a", "a"], "item": ["pop", "rock", "rock"],
    ...                      "answered_at": [1, 1, 2], "answer": [4, 1, 5]})
    >>> read_answers(survey, told).to_dict("index")
    {'a': {'rock': 5.0, 'pop': nan}, 'b': {'rock': nan, 'pop': 4.0}}
    """
    raw = _read_table(survey) if table is None else table
    asked = survey.questionnaire()
    wide = _spread(survey, raw, asked) if survey.layout == "long" else _indexed(survey, raw)
    answers = pd.DataFrame(read_answers_frame(wide, asked), index=wide.index, columns=list(asked.items))
    return answers.sort_index()


def _indexed(survey: SurveySettings, raw: pd.DataFrame) -> pd.DataFrame:
    if not survey.person:
        width = len(str(len(raw)))
        return raw.set_axis([f"{survey.name}-{i + 1:0{width}d}" for i in range(len(raw))])
    _check_columns(survey, raw, [survey.person])
    people = raw[survey.person].astype("str")
    doubled = people[people.duplicated()].unique()
    if len(doubled) or people.isna().any():
        raise DataError(
            f"survey {survey.name!r}: each row is one person, but {len(doubled)} ids come twice (for example "
            f"{doubled[:1].tolist()}) and {int(people.isna().sum())} are missing",
            "give one row a person, or use the long layout",
        )
    return raw.set_axis(people.tolist())


def _spread(survey: SurveySettings, raw: pd.DataFrame, asked: Questionnaire) -> pd.DataFrame:
    """One row an answer -> one row a person; the last answer counts, also when it was left blank."""
    _check_columns(survey, raw, [survey.person, survey.item, survey.answer])
    order = [name for name in (survey.answered_at,) if name in raw.columns]
    known = raw[raw[survey.person].notna()].sort_values(
        [*order, survey.answer], kind="stable", na_position="first"
    )
    last = known.drop_duplicates([survey.person, survey.item], keep="last")
    if not order and len(last) < len(known):
        raise DataError(
            f"survey {survey.name!r}: {len(known) - len(last)} items were answered twice by one person, and there "
            f"is no column {survey.answered_at!r} that tells which answer is the last",
            "name the column of the moment as `answered_at`",
        )
    people = last[survey.person].astype("str")
    last = last.assign(**{survey.person: people})
    # Not pivot_table: that one leaves out people and items without any answer.
    wide = last.pivot(index=survey.person, columns=survey.item, values=survey.answer)  # noqa: PD010
    if set(wide.columns).isdisjoint(asked.items):
        return wide  # nothing fits: the reader of the frame says which items, and what was meant
    return wide.reindex(columns=[*dict.fromkeys([*asked.items, *wide.columns])]).rename_axis(None)


def _check_columns(survey: SurveySettings, raw: pd.DataFrame, needed: list[str]) -> None:
    absent = [
        f"{name!r}{did_you_mean(name, map(str, raw.columns))}" for name in needed if name not in raw.columns
    ]
    if absent:
        raise DataError(
            f"survey {survey.name!r} has no column {', '.join(absent)}", "correct the survey's configuration"
        )


def _read_table(survey: SurveySettings) -> pd.DataFrame:
    if survey.package:
        fetch_package(survey.package, survey.root)
    file = survey.root / survey.file
    if not file.is_file():
        raise DataError(f"survey {survey.name!r}: no file {survey.file!r}", "put it there, or correct `file`")
    if file.suffix == ".parquet":
        return pd.read_parquet(file)
    if file.name.endswith(".pkl.compress"):
        return _PandasOnly(io.BytesIO(lzma.decompress(file.read_bytes()))).load()
    return pd.read_csv(file, dtype={survey.person: str} if survey.person else None)


class _PandasOnly(pickle.Unpickler):
    """Reads pickled data frames and runs nothing else: only what a frame is made of may be named."""

    _PARTS = frozenset(
        {
            ("pandas.core.frame", "DataFrame"),
            ("pandas.core.internals.managers", "BlockManager"),
            ("pandas._libs.internals", "_unpickle_block"),
            ("pandas.core.indexes.base", "_new_Index"),
            ("pandas.core.indexes.base", "Index"),
            ("pandas.core.indexes.range", "RangeIndex"),
            ("numpy.core.numeric", "_frombuffer"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy", "dtype"),
            ("numpy", "ndarray"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._PARTS:
            raise DataError(f"the pickle asks for {module}.{name}, which is no part of a data frame")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)
