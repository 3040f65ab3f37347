"""The memory of people who were erased: a keyed hash of their id, so that files which still name them are no way back.

HMAC-SHA-256 under a key of this installation (``data/erased/<base>/key``, readable by its owner only). Without the
key the hashes say nothing, not even whether a known id is among them; with it, ingestion recognises an erased id and
leaves its rows out. Losing the key loses the memory, so that is an error and not a silence.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from segml.config import Config
from segml.errors import DataError
from segml.tables.partition import output_errors

_KEY, _PEOPLE, _UNFINISHED = "key", "people", "unfinished"
_BLOCK = 64  # of SHA-256, in bytes
_OWNER_ONLY = 0o600


def erased_digest(key: bytes, customer: str) -> str:
    """Return what is remembered of an id.

    Examples
    --------
    >>> erased_digest(bytes(range(32)), "Ø 1")[:16]
    'b42b157c9c4d318e'
    """
    return hmac.new(key, customer.encode(), hashlib.sha256).hexdigest()


def erased_digest_sql(key: bytes, expression: str) -> str:
    """Return what `erased_digest` computes as SQL of the embedded engine."""
    block = key.ljust(_BLOCK, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in block).hex() for pad in (0x36, 0x5C))
    inside = f"sha256(unhex('{inner}') || encode({expression}))"
    return f"sha256(unhex('{outer}') || unhex({inside}))"


def erased_folder(config: Config) -> Path:
    """Return where a base's key and digests lie."""
    return config.data_path("erased")


def erased_digests(config: Config) -> list[str]:
    """Return the digests of everybody who was erased, sorted; empty when nobody was."""
    file = erased_folder(config) / _PEOPLE
    return sorted(file.read_text(encoding="ascii").split()) if file.is_file() else []


def is_erased(config: Config, customer: str) -> bool:
    """Tell whether this id is remembered as erased."""
    digests = erased_digests(config)
    return bool(digests) and erased_digest(erased_key(config), customer) in digests


def erased_sql(config: Config, expression: str = "customer_id") -> str:
    """Return the SQL condition "this id was erased"; empty when nobody was.

    Raises
    ------
    DataError
        Digests without their key.
    """
    digests = erased_digests(config)
    if not digests:
        return ""
    listed = ", ".join(f"'{digest}'" for digest in digests)
    return f"({expression} is not null and {erased_digest_sql(erased_key(config), expression)} in ({listed}))"


def remember_erased(config: Config, customers: Iterable[str]) -> None:
    """Add the digests of a person's ids to the memory, making the key when they are the first; twice is once."""
    folder = erased_folder(config)
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / _KEY).exists() and not erased_digests(config):
            _write(folder / _KEY, secrets.token_hex(32))
        key = erased_key(config)
    remember_digests(config, [erased_digest(key, customer) for customer in customers])


def remember_digests(config: Config, digests: Iterable[str]) -> None:
    """Add digests to the memory; what it holds already is not written again."""
    known = {*erased_digests(config)}
    more = known | {*digests}
    if more != known:
        with output_errors(erased_folder(config)):
            _write(erased_folder(config) / _PEOPLE, "".join(f"{digest}\n" for digest in sorted(more)))


@dataclass(frozen=True)
class UnfinishedErasure:
    """What an erasure has to do, kept until all of it is done.

    Attributes
    ----------
    ids : tuple of str
        The person's ids, and those of an erasure that was interrupted.
    lists : tuple of str
        Folders of lists, relative to the project folder, whose files for platforms named the person.
    """

    ids: tuple[str, ...]
    lists: tuple[str, ...]


@contextlib.contextmanager
def unfinished_erasure(
    config: Config, customers: Iterable[str], lists: Iterable[str]
) -> Iterator[UnfinishedErasure]:
    """Give what is to be erased, with what an interrupted erasure left; nothing is kept when the block ends well.

    Once a person's records are out of the tables and lists nothing says any more which ids were theirs, nor which
    files for platforms hold their address, so both are written down before the first file is touched.
    """
    file = erased_folder(config) / _UNFINISHED
    left = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    plan = UnfinishedErasure(
        tuple(sorted({*customers, *left.get("ids", ())})), tuple(sorted({*lists, *left.get("lists", ())}))
    )
    with output_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, json.dumps(asdict(plan)))
    yield plan
    file.unlink()


def has_unfinished(folder: Path) -> bool:
    """Tell whether an erasure was interrupted and has to be run again, by the folder of a base's memory."""
    return (folder / _UNFINISHED).is_file()


def erased_key(config: Config) -> bytes:
    """Return the key of a base's memory.

    Raises
    ------
    DataError
        The key is gone.
    """
    file = erased_folder(config) / _KEY
    if not file.is_file():
        raise DataError(
            f"{file} is gone: people who were erased can't be recognised any more",
            "restore the key from a backup before any table is read again",
        )
    return bytes.fromhex(file.read_text(encoding="ascii"))


def _write(file: Path, text: str) -> None:
    beside = file.with_name(f".writing-{file.name}")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)
