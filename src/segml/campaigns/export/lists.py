"""From a list to the files of one platform, in chunks: who may be in, in which form, and why the others are not.

listed = written + left out, by the first reason that applied. The files hold contact data or hashes of them; the
manifest, errors and this module's results hold only counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from segml.campaigns.export.chunk import Tally, header, written_rows
from segml.campaigns.export.delimited import SplitWriter, WrittenFile
from segml.campaigns.export.selection import (
    REASONS,
    Source,
    list_facts,
    register_customers,
    register_list,
    selected_for,
    selection_sql,
    slug,
    with_known_columns,
)
from segml.campaigns.export.settings import ListExport
from segml.campaigns.export.withdrawn import Withdrawal, make_listed_people
from segml.contacts.contact_data import clean_contacts
from segml.engine import Engine, open_engine
from segml.errors import ConfigurationError, DataError
from segml.tables.partition import content_sha256, file_sha256, write_manifest, writing

CHUNK_ROWS = 50_000


@dataclass(frozen=True)
class ExportResult:
    """What came of one export.

    Attributes
    ----------
    status : str
        ``built``, or ``refused`` when fewer people than the minimum were left.
    listed, rows : int
        People on the list, and rows written over all files.
    left_out : dict of str to int
        Reason -> people; listed = rows + their sum.
    unreadable : dict of str to int
        Column -> values of written people that could not be read, and were left blank.
    """

    platform: str
    audience: str
    status: str
    reason: str
    files: tuple[Path, ...]
    listed: int
    rows: int
    left_out: dict[str, int]
    unreadable: dict[str, int]


def export_list(
    listed: Source,
    customers: Source,
    export: ListExport,
    folder: Path,
    *,
    chunk_rows: int = CHUNK_ROWS,
    memory: str = "",
    threads: int | None = None,
) -> ExportResult:
    """Write the files of one list for one platform, and a manifest beside them.

    Parameters
    ----------
    listed : Path, DataFrame or Table
        The list, one row a person: ``customer_id`` and what else the list holds. Rows of another arm than
        ``treated`` are left out.
    customers : Path, DataFrame or Table
        Contact data by ``customer_id``, as in the catalogue, and consent at the list's day:
        ``consent_email_marketing``, ``consent_sms_marketing``, ``consent_push_marketing``, ``consent_ads_sharing``
        (true, false, or missing when unknown) and ``profiling_objection``. See `contacts_sql`.
    export : ListExport
        The platform and what its file is to hold.
    folder : Path
        Replaced as a whole: the files and ``manifest.json``.
    chunk_rows : int
        People worked on at a time.
    memory, threads : optional
        Bounds of the engine that joins the two.

    Returns
    -------
    ExportResult
        Counts and places, no contact data.

    Raises
    ------
    ConfigurationError
        A column the export asks for is not on the list.
    DataError
        Somebody is in `customers` twice.
    """
    with open_engine(memory=memory, threads=threads) as engine, writing(folder, private=True) as temporary:
        register_customers(engine, customers)
        register_list(engine, listed)
        gone = make_listed_people(engine, "select customer_id from listed", [export], temporary)
        result = _export(engine, [export], [folder], [temporary], gone, chunk_rows)
    return result[0]


def export_together(
    engine: Engine,
    listed: Path,
    exports: Mapping[Path, ListExport],
    gone: Mapping[Withdrawal, str],
    chunk_rows: int = CHUNK_ROWS,
) -> list[ExportResult]:
    """Write one list for several platforms: it is joined, and its contact data are cleaned, once.

    Parameters
    ----------
    engine : Engine
        With ``listed_people`` of this list, among others; see `make_listed_people`.
    listed : Path
        The list.
    exports : mapping of Path to ListExport
        Folder -> what is written there, as `export_list` does it.
    gone : mapping of Withdrawal to str
        From `make_listed_people`.
    """
    register_list(engine, listed)
    with ExitStack() as stack:
        places = [stack.enter_context(writing(folder, private=True)) for folder in exports]
        return _export(engine, list(exports.values()), list(exports), places, gone, chunk_rows)


def _export(
    engine: Engine,
    exports: Sequence[ListExport],
    folders: Sequence[Path],
    places: Sequence[Path],
    gone: Mapping[Withdrawal, str],
    chunk_rows: int,
) -> list[ExportResult]:
    facts, columns = list_facts(engine), engine.columns("listed")
    exports = [_named(with_known_columns(export, columns), facts) for export in exports]
    joined = places[0] / "people.parquet"
    total = _select(engine, exports, columns, gone, joined)
    tallies = [Tally() for _ in exports]
    with pq.ParquetFile(joined) as source:
        for export in exports:
            _check_value(source.schema_arrow, export)
        files = _write_files(source, exports, places, tallies, chunk_rows)
    joined.unlink()
    return [
        _finish(*each, total, facts) for each in zip(exports, folders, places, tallies, files, strict=True)
    ]


def _finish(
    export: ListExport,
    folder: Path,
    place: Path,
    tally: Tally,
    files: list[WrittenFile],
    total: int,
    facts: dict[str, str],
) -> ExportResult:
    reason = _refusal(export, tally)
    if reason:
        for file in files:
            file.path.unlink()
        files = []
    left_out = {name: tally.left_out[name] for name in REASONS if tally.left_out[name]}
    result = ExportResult(
        platform=export.platform,
        audience=export.audience,
        status="refused" if reason else "built",
        reason=reason,
        files=tuple(folder / file.path.name for file in files),
        listed=total,
        rows=tally.rows,
        left_out=left_out,
        unreadable=dict(sorted(tally.unreadable.items())),
    )
    write_manifest(place, _manifest(result, export, facts, files))
    return result


def _named(export: ListExport, facts: dict[str, str]) -> ListExport:
    campaign = slug(facts.get("campaign", ""))
    if export.known_platform.advertising and campaign and campaign in slug(export.audience):
        raise ConfigurationError(
            f"the audience name {export.audience!r} repeats the campaign's", "choose a neutral name, or none"
        )
    neutral = content_sha256([facts.get("definition_hash", ""), export.platform, export.channel])[:8]
    return export.model_copy(update={"audience": export.audience or f"audience {neutral}"})


def _select(
    engine: Engine,
    exports: Sequence[ListExport],
    columns: list[str],
    gone: Mapping[Withdrawal, str],
    joined: Path,
) -> int:
    total = int(engine.value("select count(*) from listed") or 0)
    if engine.write(selection_sql(exports, columns, gone), joined) != total:
        raise DataError("customers has people twice", "give one row a customer_id; run `segml check`")
    return total


def _check_value(schema: pa.Schema, export: ListExport) -> None:
    name = f"listed_{export.value}"
    if export.platform != "meta" or name not in schema.names:
        return
    kind = schema.field(name).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise ConfigurationError(
            f"value: {export.value!r} is {kind}, not a number", "name a column of amounts"
        )


def _write_files(
    source: pq.ParquetFile,
    exports: Sequence[ListExport],
    places: Sequence[Path],
    tallies: Sequence[Tally],
    chunk_rows: int,
) -> list[list[WrittenFile]]:
    schema = selected_for(source.schema_arrow.empty_table(), 0).schema
    with ExitStack() as stack:
        writers = [
            stack.enter_context(
                SplitWriter(place, slug(export.audience), header(schema, export), *_limits(export))
            )
            for export, place in zip(exports, places, strict=True)
        ]
        for batch in source.iter_batches(batch_size=chunk_rows):
            people = _reachable(pa.Table.from_batches([batch]), tallies)
            clean = {region: clean_contacts(people, region) for region in {each.region for each in exports}}
            for place, (export, writer, tally) in enumerate(zip(exports, writers, tallies, strict=True)):
                writer.write(written_rows(selected_for(people, place), clean[export.region], export, tally))
        return [writer.files for writer in writers]


def _reachable(people: pa.Table, tallies: Sequence[Tally]) -> pa.Table:
    """Return the people who may be in one of the files; those who may be in none are counted, and not cleaned."""
    reasons = [people.column(f"reason_{place}").combine_chunks() for place in range(len(tallies))]
    somewhere = pc.is_null(reasons[0])
    for each in reasons[1:]:
        somewhere = pc.or_(somewhere, pc.is_null(each))
    for each, tally in zip(reasons, tallies, strict=True):
        tally.left_out.update(each.filter(pc.invert(somewhere)).to_pylist())
    return people.filter(somewhere)


def _limits(export: ListExport) -> tuple[int | None, int | None]:
    """Return the rows and bytes of one file: the platform's limit, or a smaller one that was asked for."""
    platform = export.known_platform
    pairs = ((platform.max_rows, export.max_rows), (platform.max_bytes, export.max_bytes))
    rows, size = (min((limit for limit in pair if limit), default=None) for pair in pairs)
    return rows, size


def _refusal(export: ListExport, tally: Tally) -> str:
    if tally.rows >= export.minimum:
        return ""
    reason = f"{tally.rows} people are left; {export.known_platform.title} files under {export.minimum} are refused"
    if tally.rows:
        tally.left_out["too_few"] = tally.rows
    tally.rows = 0
    return reason


def _manifest(
    result: ExportResult, export: ListExport, facts: dict[str, str], files: list[WrittenFile]
) -> dict[str, Any]:
    platform = export.known_platform
    if platform.advertising:
        basis = f"consent for ads_sharing ({platform.consent_note}), and no objection to profiling"
    elif export.consent.required:
        basis = f"consent for marketing by {export.channel}"
    else:
        basis = export.consent.basis
    return {
        "platform": export.platform,
        "audience": export.audience,
        "channel": "" if platform.advertising else export.channel,
        "list": facts,
        "definition_hash": facts.get("definition_hash", ""),
        "export_hash": export.definition_hash,
        "consent_basis": basis,
        "hashed": platform.advertising,
        "status": result.status,
        "reason": result.reason,
        "rows": {"listed": result.listed, "written": result.rows, "left_out": result.left_out},
        "unreadable": result.unreadable,
        "files": {
            file.path.name: {"rows": file.rows, "bytes": file.bytes, "sha256": file_sha256(file.path)}
            for file in files
        },
    }
