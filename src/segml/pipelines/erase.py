"""`segml erase`: one person out of everything segml wrote, and a keyed memory that keeps the person out.

The order makes a crash harmless: what there is to do is written down first, then the memory, so that whatever runs next
leaves the person out, and the same command run again finishes the work, at whatever step it was interrupted. Files of
the company itself (`data/raw`, or wherever the configuration points) are not touched: they are the company's own.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from segml.campaigns.export.settings import ListExport
from segml.campaigns.export.tables import export_lists
from segml.config import Config
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.explain import require_customer
from segml.pipelines.failures import FOLDER as FAILURES
from segml.pipelines.lists import common_exports, exports_of
from segml.pipelines.narration import Narrator, Silent
from segml.registry.erasure import rewrite_artifacts
from segml.registry.store import ModelStore
from segml.sources.erased import UnfinishedErasure, is_erased, remember_erased, unfinished_erasure
from segml.sources.identity import records_of
from segml.tables.ids import normalised_id
from segml.tables.partition import MANIFEST, STAGES, file_sha256, read_manifest, rewriting, write_manifest
from segml.time_windows import Cutoff

_STAGES = tuple(stage for stage in STAGES if stage != "validated")  # tables are read anew
_PERSON = "customer_id"
_HASHED_IN = ("files", "outputs")


@dataclass(frozen=True)
class EraseResult:
    """What was done about one person; the id itself is on the screen only.

    Attributes
    ----------
    changed : tuple of Path
        Files the person was taken out of.
    removed : tuple of Path
        Exports that could not be written again and are gone.
    rows : dict of str to int
        Table -> its rows that ingestion leaves out because of erasure.
    sources : tuple of str
        The company's own files that have rows of the person, as the configuration names them.
    """

    config: Config
    changed: tuple[Path, ...]
    removed: tuple[Path, ...]
    rows: dict[str, int]
    sources: tuple[str, ...]


def erase(config: Config, customer: str, narrator: Narrator | None = None) -> EraseResult:
    """Erase one person of a base: the id is that of any of their records, and all records go.

    Raises
    ------
    DataError
        No such customer, and none of that id was erased before.
    """
    tell = narrator or Silent()
    customer = normalised_id(customer)
    records = [customer]
    if not is_erased(config, customer):
        with open_base(config, tell) as base:
            person, records = records_of(base.report.folder, customer)
            require_customer(base.engine, person, config.base)
    named = [
        str(folder.relative_to(config.root)) for folder in _exported_lists(config) if _is_on(folder, records)
    ]
    with unfinished_erasure(config, records, named) as plan:
        remember_erased(config, plan.ids)
        return _erase_everywhere(config, plan, tell)


def _erase_everywhere(config: Config, plan: UnfinishedErasure, tell: Narrator) -> EraseResult:
    """Read the tables without these ids, and take them out of every file."""
    people, changed = list(plan.ids), []
    with open_base(config, tell) as base, tell.step("erase") as say:
        for place in [config.data_path(stage) for stage in _STAGES]:
            changed += _erase_below(place, people)
        shutil.rmtree(
            config.data_path(FAILURES), ignore_errors=True
        )  # a traceback may hold any customer's value
        store = ModelStore(config.path(config.models_folder))
        if store.exists():
            tracked = rewrite_artifacts(
                store, config.base, tuple(_REWRITE), lambda file: _rewrite(file, people)
            )
            changed += map(Path, tracked)
        removed = _export_again(base, [config.path(folder) for folder in plan.lists])
        say(f"out of {len(changed):,} files")
        rows = {
            name: count.reasons["erased"]
            for name, count in base.report.tables.items()
            if "erased" in count.reasons
        }
    sources = [
        pattern
        for name, source in config.tables.items()
        if name in rows or not rows
        for pattern in [*source.files, *(file for also in source.also.values() for file in also)]
    ]
    return EraseResult(config, tuple(changed), tuple(removed), rows, tuple(dict.fromkeys(sources)))


def _erase_below(folder: Path, people: list[str]) -> list[Path]:
    changed = []
    for file in _files(folder):
        rewritten = _rewrite(file, people)
        changed += [file] * rewritten
        # also where an interrupted erasure has changed the file and not yet what is said of it
        _refresh_manifests(file, folder, rewritten)
    return changed


def _rewrite(file: Path, people: list[str]) -> bool:
    return _REWRITE[file.suffix](file, people)


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(f for f in folder.rglob("*") if f.suffix in _REWRITE and f.is_file())


def _without_in_parquet(file: Path, people: list[str]) -> bool:
    """Rewrite a Parquet file without one person's rows; tell whether there were any."""
    with pq.ParquetFile(file) as source:
        if _PERSON not in source.schema_arrow.names:
            return False
        if not any(pc.any(_is(batch, people)).as_py() for batch in source.iter_batches(columns=[_PERSON])):
            return False
        groups = source.metadata
        compression = groups.row_group(0).column(0).compression if groups.num_row_groups else "zstd"
        with (
            rewriting(file) as beside,
            pq.ParquetWriter(beside, source.schema_arrow, compression=compression) as writer,
        ):
            for batch in source.iter_batches():
                writer.write_batch(batch.filter(pc.invert(_is(batch, people))))
    return True


def _is(batch: Any, people: list[str]) -> Any:
    return pc.fill_null(pc.is_in(batch.column(_PERSON).cast("string"), pa.array(people, pa.string())), False)


def _without_in_csv(file: Path, people: list[str]) -> bool:
    with file.open(encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream)
        header = next(rows, [])
        if _PERSON not in header:
            return False
        place = header.index(_PERSON)
        if not any(len(row) > place and row[place] in people for row in rows):
            return False
    with (
        file.open(encoding="utf-8", newline="") as stream,
        rewriting(file) as beside,
        beside.open("w", encoding="utf-8", newline="") as out,
    ):
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows(row for row in csv.reader(stream) if len(row) <= place or row[place] not in people)
    return True


_REWRITE = {".parquet": _without_in_parquet, ".csv": _without_in_csv}


def _refresh_manifests(file: Path, top: Path, changed: bool) -> None:
    """Bring the hash of a file up to date in every manifest above it; counts of the past stay as they were."""
    digest = file_sha256(file)
    for folder in file.parents:
        manifest = read_manifest(folder)
        if manifest is not None and (folder / MANIFEST).is_file():
            entries = [manifest[kind] for kind in _HASHED_IN if isinstance(manifest.get(kind), dict)]
            keys = (str(file.relative_to(folder)), file.stem)
            stale = [(each, key) for each in entries for key in keys if each.get(key, digest) != digest]
            for each, key in stale:
                each[key] = digest
            if stale or (changed and not manifest.get("erased_since")):
                write_manifest(folder, {**manifest, "erased_since": True})
        if folder == top:
            break


def _exported_lists(config: Config) -> list[Path]:
    folders = {file.parent.parent for file in config.data_path("lists").glob("*/as_of=*/*/manifest.json")}
    return sorted(folders)


def _is_on(folder: Path, people: list[str]) -> bool:
    with pq.ParquetFile(folder / "list.parquet") as source:
        return any(pc.any(_is(batch, people)).as_py() for batch in source.iter_batches(columns=[_PERSON]))


def _export_again(base: OpenBase, folders: list[Path]) -> list[Path]:
    """Write the exports of these lists anew: a row there has no id, only an address or its hash."""
    removed, common = [], common_exports(base.config)
    for folder in folders:
        manifest = read_manifest(folder)
        if manifest is None:  # the list itself is gone since
            continue
        campaign = manifest.get("campaign", {})
        own = tuple(ListExport.model_validate(each) for each in campaign.get("exports", ()))
        exports = exports_of(own, campaign.get("channel", ""), campaign.get("purpose", ""), common)
        known = {export.folder_name for export in exports}
        for place in sorted({file.parent for file in folder.glob("*/manifest.json")}):
            if place.name not in known:
                _remove(place)
                removed.append(place)
        config, as_of = base.config, Cutoff.parse(manifest["as_of"])
        lists = config.data_path("lists")
        export_lists(base.engine, {folder: exports}, as_of, lists, config.memory, config.scoring.threads)
    return removed


def _remove(place: Path) -> None:
    for file in sorted(place.rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    place.rmdir()
