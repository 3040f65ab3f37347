"""Text of any encoding -> UTF-8, which is the one that the engine reads; pieces at a time, beside its other spills."""

from __future__ import annotations

import codecs
import io
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from segml.sources.kinds import Kind, opened
from segml.tables.partition import output_errors

_PIECE = 1 << 20
_UTF8 = ("utf-8", "utf-8-sig", "ascii")
_ENGINE_UNPACKS = ("", "gzip", "zstd")


@dataclass(frozen=True)
class Layout:
    """How the text files of a table are written."""

    format: str = "auto"
    delimiter: str = ","
    encoding: str = ""


def encoding_of(kind: Kind, layout: Layout) -> str:
    """Return the encoding of a text file: what its first bytes prove, else what the configuration says, else UTF-8."""
    named = kind.encoding if kind.name == "csv" and kind.encoding else layout.encoding
    return codecs.lookup(named or "utf-8").name


def native(kind: Kind, layout: Layout) -> bool:
    """Tell whether the engine reads such a file itself."""
    return encoding_of(kind, layout) in _UTF8 and kind.compression in _ENGINE_UNPACKS


def text_of(file: Path, compression: str, encoding: str) -> IO[str]:
    """Open a text file, unpacked."""
    return io.TextIOWrapper(opened(file, compression), encoding=encoding, newline="")


def as_utf8(connection: Any, file: Path, kind: Kind, layout: Layout) -> Path:
    """Write a text file again in UTF-8, under the same name in the engine's folder for temporary files.

    Raises
    ------
    ValueError
        It is not of that encoding (a UnicodeDecodeError), or it is UTF-8 already.
    OutputError
        The disk is full.
    """
    encoding = encoding_of(kind, layout)
    spill = Path(connection.execute("select current_setting('temp_directory')").fetchone()[0])
    places = spill / "text"
    with output_errors(spill):
        places.mkdir(parents=True, exist_ok=True)
        target = places / str(len(list(places.iterdir()))) / file.name
        target.parent.mkdir()
        with opened(file, kind.compression) as source, target.open("wb") as out:
            _recode(source, out, encoding)
    return target


def _recode(source: IO[bytes], out: IO[bytes], encoding: str) -> None:
    decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding in _UTF8 else encoding)()
    check = codecs.getincrementaldecoder("utf-8")()
    plain, utf8 = True, encoding not in _UTF8 and not encoding.startswith(("utf-16", "utf-32"))
    while True:
        piece = source.read(_PIECE)
        out.write(decoder.decode(piece, final=not piece).encode("utf-8"))
        plain = plain and piece.isascii()
        if utf8:
            try:
                check.decode(piece, final=not piece)
            except UnicodeDecodeError:
                utf8 = False
        if not piece:
            break
    if utf8 and not plain:
        raise ValueError(f"it is UTF-8 text, and its table says `encoding: {encoding}`")
