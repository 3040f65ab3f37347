"""What a file is, told by its first bytes and not by its name; one table of all kinds that are recognised.

A kind is either read (text, text that is compressed, Parquet) or refused in words that say what it is and what to do.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

_LOOKED_AT = 4096


@dataclass(frozen=True)
class Kind:
    """One kind of file.

    Attributes
    ----------
    name : str
        ``csv``, ``parquet``, or a kind that is not read.
    what : str
        In words, with its article.
    step : str
        What to do with one that is not read; empty for those that are.
    compression : str
        Of text: as the engine names it, or ``bz2`` and ``xz``, which the engine does not know.
    encoding : str
        Of text: what its first bytes prove; empty for UTF-8 or what a setting has to say.
    """

    name: str
    what: str
    step: str = ""
    compression: str = ""
    encoding: str = ""

    @property
    def is_read(self) -> bool:
        """Whether files of this kind are read."""
        return self.name in ("csv", "parquet")


TEXT = Kind("csv", "text")
PARQUET = Kind("parquet", "a Parquet file")
EMPTY = Kind("empty", "empty", "write it again, or leave it out")
_AS_CSV = "save it as CSV (UTF-8) and name that file"
_EXCEL = Kind("excel", "an Excel workbook", _AS_CSV)
_ODS = Kind("ods", "an OpenDocument spreadsheet", _AS_CSV)
_ZIP = Kind("zip", "a ZIP archive", "unpack it and name the files in it")
_JSON = Kind("json", "JSON", "convert it to CSV or Parquet")
_HTML = Kind(
    "html",
    "a web page (HTML)",
    "download the export itself: a page in its place is often a login or an error",
)
_BINARY = Kind("binary", "a binary file and no text", "convert it to CSV or Parquet")
_OF_SUFFIX = {".xlsx": _EXCEL, ".xlsm": _EXCEL, ".xlsb": _EXCEL, ".xls": _EXCEL, ".ods": _ODS}

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"PAR1", PARQUET),
    (b"PARE", Kind("encrypted", "an encrypted Parquet file", "write it without encryption")),
    (b"PK\x03\x04", _ZIP),
    (b"PK\x05\x06", _ZIP),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        Kind("excel", "an Excel workbook (97-2003) or another Office file", _AS_CSV),
    ),
    (b"\x1f\x8b", Kind("csv", "text, compressed by gzip", compression="gzip")),
    (b"\x28\xb5\x2f\xfd", Kind("csv", "text, compressed by zstd", compression="zstd")),
    (b"BZh", Kind("csv", "text, compressed by bzip2", compression="bz2")),
    (b"\xfd7zXZ\x00", Kind("csv", "text, compressed by xz", compression="xz")),
    (b"7z\xbc\xaf\x27\x1c", Kind("7z", "a 7-Zip archive", _ZIP.step)),
    (b"Rar!\x1a\x07", Kind("rar", "a RAR archive", _ZIP.step)),
    (b"\x04\x22\x4d\x18", Kind("lz4", "compressed by lz4", "unpack it")),
    (b"%PDF", Kind("pdf", "a PDF", "export the table itself as CSV: a PDF holds its picture")),
    (b"{\\rtf", Kind("rtf", "a text document (RTF)", _AS_CSV)),
    (b"SQLite format 3\x00", Kind("sqlite", "an SQLite database", "export its table as CSV or Parquet")),
    (b"ORC", Kind("orc", "an ORC file", "convert it to Parquet")),
    (b"Obj\x01", Kind("avro", "an Avro file", "convert it to Parquet")),
    (b"ARROW1", Kind("arrow", "an Arrow (Feather) file", "convert it to Parquet")),
    (b"$FL", Kind("spss", "an SPSS file", "save it as CSV")),
    (
        b"version https://git-lfs",
        Kind("lfs", "a Git LFS pointer and not the file itself", "run: git lfs pull"),
    ),
    (b"\xff\xfe\x00\x00", Kind("csv", "UTF-32 text", encoding="utf-32")),
    (b"\x00\x00\xfe\xff", Kind("csv", "UTF-32 text", encoding="utf-32")),
    (b"\xff\xfe", Kind("csv", "UTF-16 text", encoding="utf-16")),
    (b"\xfe\xff", Kind("csv", "UTF-16 text", encoding="utf-16")),
    (codecs.BOM_UTF8, Kind("csv", "UTF-8 text", encoding="utf-8")),
)


def kind_of(path: Path) -> Kind:
    """Return what a file is; of compressed text, what it is inside too.

    Raises
    ------
    OSError
        It can't be read.
    """
    with path.open("rb") as stream:
        start = stream.read(_LOOKED_AT)
    found = _recognised(start)
    if found is _ZIP:
        return _zipped(path)
    if found.name != "csv" or not found.compression:
        return found
    try:
        with opened(path, found.compression) as inner:
            inside = _recognised(inner.read(_LOOKED_AT))
    except (OSError, EOFError, ValueError, lzma.LZMAError, pa.ArrowException):
        return found  # broken, or cut off: told when it is read
    if inside.name != "csv":
        packed = f"{inside.what}, compressed by {found.compression}"
        return Kind(inside.name if not inside.is_read else "packed", packed, "unpack it")
    return Kind("csv", found.what, compression=found.compression, encoding=inside.encoding)


def opened(path: Path, compression: str) -> IO[bytes]:
    """Open a file's bytes, unpacked."""
    if compression == "zstd":
        return io.BufferedReader(cast(Any, pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")))
    unpack: dict[str, Any] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
    return cast(IO[bytes], unpack.get(compression, open)(path, "rb"))


def _recognised(start: bytes) -> Kind:
    if not start:
        return EMPTY
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind
    if start[8:12] == b"DUCK":
        return Kind("duckdb", "a DuckDB database", "export its table as Parquet")
    head = start.lstrip()[:64].lower()
    if head.startswith((b"<!doctype", b"<html", b"<head", b"<table")):
        return _HTML
    if head.startswith(b"<?xml"):
        return Kind("xml", "XML", _AS_CSV)
    if head.startswith((b'{"', b"{\n", b"{\r", b"[{", b"[\n", b"[ {", b"[[", b"{ ")):
        return _JSON
    return _without_mark(start)


def _without_mark(start: bytes) -> Kind:
    """Tell text from other bytes; in UTF-16 every other byte of plain letters is nothing."""
    nothing = start.count(0)
    if not nothing:
        return TEXT
    half = len(start) / 2
    for encoding, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        if start[first::2].count(0) > 0.6 * half and start[1 - first :: 2].count(0) < 0.1 * half:
            step = f"set `encoding: {encoding}` in its table"
            return Kind("unmarked", "UTF-16 text without the mark that says so", step, encoding=encoding)
    return _BINARY


def _zipped(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if any(name.startswith("xl/") for name in names):
                return _EXCEL
            if "mimetype" in names and b"opendocument.spreadsheet" in archive.read("mimetype")[:100]:
                return _ODS
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        pass  # cut off: what its name promises will do
    return _OF_SUFFIX.get(path.suffix.lower(), _ZIP)
