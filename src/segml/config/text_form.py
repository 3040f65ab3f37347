"""How text files are written: what parts columns, marks decimals, groups digits, and which bytes are which letters."""

from __future__ import annotations

import codecs
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from segml.config.reading import Settings
from segml.errors import did_you_mean

GROUPING = ("", ".", ",", "'", " ")
_ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "windows-1252", "latin-1", "cp850", "mac-roman")
_MOST_BYTES = 4


class TextForm(Settings):
    """Settings of tables in text files; Parquet has no need of them, but for columns of text that are numbers."""

    delimiter: str = Field(
        default=",", description="what parts columns; \\t is a tab, one blank stands for any run of blanks"
    )
    encoding: str = Field(
        default="",
        description="of text files, such as windows-1252; by default UTF-8, or what their first bytes say",
    )
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", "'", " "] | None = Field(
        default=None,
        description="mark between groups of three digits; one blank stands for every kind of blank, and `''` states"
        " that nothing is grouped",
    )
    missing: tuple[str, ...] = Field(
        default=(), description="texts that stand for a missing value, beside nothing"
    )

    @field_validator("missing", mode="before")
    @classmethod
    def _one_or_many_texts(cls, value: Any) -> Any:
        found = [value] if isinstance(value, (str, int, float)) else value
        return tuple(str(each) for each in found) if isinstance(found, (list, tuple)) else found

    @field_validator("delimiter", mode="before")
    @classmethod
    def _parts_columns(cls, value: Any) -> Any:
        return delimiter_text(value) if isinstance(value, str) else value

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, value: str) -> str:
        return encoding_name(value)

    @model_validator(mode="after")
    def _marks_differ(self) -> TextForm:
        if self.thousands == self.decimal:
            raise ValueError(f"`decimal` and `thousands` are both {self.decimal!r}: one mark can't be both")
        return self


def delimiter_text(value: str) -> str:
    r"""Return the delimiter that is meant; one that no file can have is a ValueError.

    Examples
    --------
    >>> delimiter_text("\\t") == "\t", delimiter_text("||")
    (True, '||')
    """
    meant = "\t" if value in ("\\t", "tab") else value
    if not meant:
        raise ValueError(
            'a delimiter is at least one character; a bar is written "|" and a tab "\\t", in quotes'
        )
    if set(meant) & set('"\n\r\\') or len(meant.encode()) > _MOST_BYTES:
        raise ValueError(
            f'a delimiter is up to {_MOST_BYTES} bytes without quotes, line ends or backslashes; a tab is "\\t"'
        )
    return meant


def encoding_name(value: str) -> str:
    """Return the encoding as it was written; an unknown one is a ValueError with the nearest name."""
    try:
        text = not value or getattr(codecs.lookup(value), "_is_text_encoding", True)
    except LookupError:
        text = False
    if not text:
        raise ValueError(
            f"unknown encoding {value!r}{did_you_mean(value, _ENCODINGS)}; known are {', '.join(_ENCODINGS)}"
        )
    return value
