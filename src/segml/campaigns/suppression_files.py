"""Files of people whom the company does not write to, in the forms that sending tools, offices and shops save them.

Comma, semicolon, tab or bar between columns; UTF-8, UTF-16 or Windows-1252; headers in any case, with the names that
sending tools use; a bare column of addresses or hashes without a header. What can't be told for sure is an error: a
line that is skipped is a mail to a customer who was promised none.
"""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd

from segml.errors import did_you_mean
from segml.sources.kinds import kind_of
from segml.tables.ids import id_column

KEYS = ("customer_id", "email", "phone", "email_sha256", "phone_sha256")
_COLUMNS = (*KEYS, "reason")
_NAMES = {
    "customer_id": (
        "customer",
        "customer_number",
        "customer_no",
        "client_id",
        "user_id",
        "kundenummer",
        "kunde_id",
    ),
    "email": ("e_mail", "email_address", "e_mail_address", "mail", "emailadresse", "e_post"),
    "phone": ("phone_number", "mobile", "mobile_number", "msisdn", "telefon", "telephone", "mobil", "sms"),
    "email_sha256": ("sha256_email", "hashed_email", "email_hash"),
    "phone_sha256": ("sha256_phone", "hashed_phone", "phone_hash"),
    "reason": ("status", "cause", "comment", "note"),
}
_KNOWN = {alias: name for name, aliases in _NAMES.items() for alias in (name, *aliases)}
_HASH = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
_DELIMITERS = (",", ";", "\t", "|")
_LARGEST_EXACT = 2**53


def read_entries(file: Path, mistakes: list[str]) -> pd.DataFrame:
    """Return the entries of one file; what is wrong with it is added to `mistakes`.

    Parameters
    ----------
    file : Path
        Text (also compressed with gzip) or Parquet.
    mistakes : list of str
        Gets one line a kind of mistake, with the file and the first line.

    Returns
    -------
    DataFrame
        `customer_id, email, phone, email_sha256, phone_sha256, reason`, and `file`, `line`, `written` (the id).
    """
    empty = pd.DataFrame(columns=[*_COLUMNS, "file", "line", "written"]).astype("string")
    try:
        frame, first = _parquet(file) if file.suffix in (".parquet", ".pq") else _text(file)
    except (OSError, EOFError, ValueError, csv.Error) as error:
        mistakes.append(f"{file.name}: not readable: {str(error).splitlines()[0]}")
        return empty
    names = {name: _KNOWN.get(re.sub(r"\W+", "_", str(name).strip().lower()), "") for name in frame.columns}
    unknown = [name for name, known in names.items() if not known]
    mistakes += [
        f"{file.name}: unknown column {str(name)!r}{did_you_mean(str(name), _COLUMNS)}; one of {list(_COLUMNS)}"
        for name in unknown[:5]
    ]
    known = [name for name in names.values() if name]
    if len(set(known)) < len(known):
        mistakes.append(f"{file.name}: two columns have one meaning; they are read as {known}")
        return empty
    if not set(known) & set(KEYS):
        mistakes.append(
            f"{file.name}: no column names a customer; give one of {list(KEYS)} in the first line"
        )
        return empty
    frame = frame.rename(columns=names).reindex(columns=list(_COLUMNS)).astype("string")
    frame = frame.assign(file=file.name, line=np.arange(len(frame)) + first)
    frame = frame[frame[list(_COLUMNS)].notna().any(axis=1)].reset_index(drop=True)
    return _checked(frame, file.name, mistakes)


def _checked(frame: pd.DataFrame, file: str, mistakes: list[str]) -> pd.DataFrame:
    # as spreadsheets and mail programs write them: '000005, mailto:a@b.dk, Anna <a@b.dk>
    column = id_column(frame["customer_id"].str.replace(r"^\s*'", "", regex=True))
    inside = frame["email"].str.extract(r"<\s*([^<>\s]+@[^<>\s]+)\s*>", expand=False)
    frame["email"] = inside.fillna(frame["email"].str.replace(r"(?i)^\s*mailto:", "", regex=True))
    frame["customer_id"] = column.ids.mask(column.placeholder)
    frame["written"] = frame["customer_id"]
    frame["reason"] = frame["reason"].fillna("unspecified")
    for name in ("email_sha256", "phone_sha256"):
        frame[name] = frame[name].str.strip().str.lower()
        wrong = frame[name].notna() & ~frame[name].fillna("").str.fullmatch(_HASH)
        _add(mistakes, file, frame, wrong, f"values of {name} are no SHA-256")
    _add(
        mistakes,
        file,
        frame,
        column.shortened,
        "ids are in scientific notation: a spreadsheet shortened them",
    )
    shortened = frame["phone"].str.fullmatch(r"\s*[+]?\d+([.,]\d+)?[eE][+]?\d+\s*").fillna(False)
    _add(mistakes, file, frame, shortened, "phones are in scientific notation: a spreadsheet shortened them")
    nobody = frame[list(KEYS)].isna().all(axis=1)
    _add(mistakes, file, frame, nobody, "lines name no customer")
    return frame


def _add(mistakes: list[str], file: str, frame: pd.DataFrame, wrong: pd.Series, what: str) -> None:
    if wrong.any():
        mistakes.append(
            f"{file}: {int(wrong.sum()):,} {what}, the first in line {frame.loc[wrong, 'line'].iloc[0]}"
        )


def _parquet(file: Path) -> tuple[pd.DataFrame, int]:
    frame = pd.read_parquet(file)
    for name in filter(lambda each: pd.api.types.is_float_dtype(frame[each]), frame.columns):
        if bool((frame[name].abs() > _LARGEST_EXACT).any()):
            raise ValueError(
                f"{name} holds decimal numbers above 2**53, which have lost digits; write it as text"
            )
    return frame, 1


def _text(file: Path) -> tuple[pd.DataFrame, int]:
    """Return the rows as text and the line of the first; a file without a header is one column of what it holds."""
    compressed = file.suffix.lower() == ".gz"
    with gzip.open(file) if compressed else file.open("rb") as stream:
        beginning = stream.read(4096)
    kind = kind_of(file)
    if kind.step and kind.name not in ("empty", "unmarked"):
        raise ValueError(f"{kind.what}: {kind.step}")
    utf16 = beginning.startswith((b"\xff\xfe", b"\xfe\xff"))
    encodings = ["utf-16"] if utf16 else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        header = beginning.decode(encoding, errors="ignore").splitlines()[:1]
        if not "".join(header).strip():
            raise ValueError("empty")
        delimiter = max(_DELIMITERS, key=header[0].count)
        bare = _bare_kind(header[0])
        try:
            frame = pd.read_csv(
                file,
                sep=delimiter,
                dtype="string",
                header=None if bare else 0,
                names=[bare] if bare else None,
                keep_default_na=False,
                na_values=[""],
                skip_blank_lines=False,
                encoding=encoding,
                compression="gzip" if compressed else None,
                index_col=False,
            )
        except UnicodeDecodeError:
            continue
        return frame, 1 if bare else 2
    raise ValueError(f"not text in {' or '.join(encodings)}")


def _bare_kind(first: str) -> str:
    """Return what a file without a header holds, told by its first line; empty where that is a header."""
    single = first.strip().strip('"').lower()
    if _HASH.fullmatch(single):
        return "email_sha256"
    return "email" if _ADDRESS.fullmatch(single) else ""
