"""From a base's tables to exports: contact data and consent as of the list's day, then each list's files.

Contact data are written once a run into a hidden file that is removed when the run ends; a run that was killed has
its left-overs swept by the next.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from segml.campaigns.export.lists import ExportResult, export_together
from segml.campaigns.export.selection import register_customers
from segml.campaigns.export.settings import ListExport
from segml.campaigns.export.withdrawn import ADS_CONSENT, OBJECTION, make_listed_people, marketing_consent
from segml.campaigns.policy import Columns, consent_log_sql
from segml.contacts.contact_data import CONTACT_COLUMNS
from segml.engine import Engine, open_engine
from segml.errors import DataError
from segml.tables.partition import output_errors
from segml.time_windows import Cutoff

_TABLES = ("customers", "consents", "email_events")
_CHANNELS = ("email", "sms", "push")


def contacts_sql(available: Columns, as_of: Cutoff) -> str:
    """Return the query for everybody's contact data and consent as of a cutoff: what `export_list` reads.

    A consent is true or false by the last change before the cutoff, and null without one. A withdrawal that names
    no channel holds for all of them; a consent that names none is one for no channel.

    Parameters
    ----------
    available : mapping of str to columns
        Columns of ``customers``, and of ``consents`` and ``email_events`` as far as they exist.
    as_of : Cutoff
        The list's day.
    """
    columns = [f"customers.{name} as {name}" for name in CONTACT_COLUMNS if name in available["customers"]]
    log, names = consent_log_sql(available, as_of), (*map(marketing_consent, _CHANNELS), ADS_CONSENT)
    if log:
        columns += [f"consent.{name} % 2 = 0 as {name}" for name in names]
        columns.append(f"coalesce(consent.{OBJECTION} % 2 <> 0, false) as {OBJECTION}")
        joined = f" left join ({_states_sql(log)}) consent on consent.customer_id = customers.customer_id"
    else:
        columns += [f"cast(null as boolean) as {name}" for name in names]
        columns.append(f"false as {OBJECTION}")
        joined = ""
    return f"select {', '.join(['customers.customer_id as customer_id', *columns])} from customers{joined}"


def _states_sql(log: str) -> str:
    # A stamp is even for a consent and odd for a withdrawal; the largest is the last.
    states = [
        f"max(stamp) filter (where purpose = 'marketing' and (channel = '{channel}'"
        f" or (channel is null and stamp % 2 <> 0))) as {marketing_consent(channel)}"
        for channel in _CHANNELS
    ]
    states.append(f"max(stamp) filter (where purpose = 'ads_sharing') as {ADS_CONSENT}")
    states.append(f"max(stamp) filter (where purpose = 'profiling') as {OBJECTION}")
    return f"select customer_id, {', '.join(states)} from ({log}) log group by customer_id"


@contextlib.contextmanager
def contacts_file(
    engine: Engine, as_of: Cutoff, folder: Path, addresses_needed: bool = True
) -> Iterator[Path]:
    """Give a Parquet file of everybody's contact data and consent that is gone when the block ends.

    Raises
    ------
    DataError
        Nobody has an address where one is needed.
    """
    available = {table: engine.columns(table) for table in _TABLES if engine.exists(table)}
    if addresses_needed and not set(available.get("customers", ())) & {"email", "phone"}:
        raise DataError(
            "an export needs e-mail addresses or phones",
            "map them in the table customers, or use a platform that takes ids: {platform: braze, identify_by: id}",
        )
    hidden = folder / f".writing-contacts-{os.getpid()}"
    try:
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            hidden.mkdir(mode=0o700, exist_ok=True)
        engine.write(contacts_sql(available, as_of), hidden / "contacts.parquet")
        yield hidden / "contacts.parquet"
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def export_lists(
    engine: Engine,
    exports: Mapping[Path, Sequence[ListExport]],
    as_of: Cutoff,
    folder: Path,
    memory: str = "",
    threads: int | None = None,
) -> dict[Path, list[ExportResult]]:
    """Write every export of a run's lists, each into a folder beside its list.

    Parameters
    ----------
    engine : Engine
        With ``customers`` registered, and ``consents`` and ``email_events`` as far as they exist.
    exports : mapping of Path to exports
        Folder of a list -> what is wanted of it; a list that was refused has no file and is passed over.
    as_of : Cutoff
        The lists' day: consent is read as of it.
    folder : Path
        ``data/lists/<base>``; contact data lie there, hidden, while the files are written.
    memory, threads : optional
        Bounds of the engine that joins lists and contacts.
    """
    wanted = {place: each for place, each in exports.items() if each and (place / "list.parquet").is_file()}
    if not wanted:
        return {}
    every = [export for each in wanted.values() for export in each]
    addresses_needed = any(export.needs_addresses for export in every)
    with (
        contacts_file(engine, as_of, folder, addresses_needed) as contacts,
        open_engine(memory=memory, threads=threads) as joining,
    ):
        register_customers(joining, contacts)
        joining.register("every_list", [place / "list.parquet" for place in wanted])
        gone = make_listed_people(joining, "select customer_id from every_list", every, contacts.parent)
        return {
            place: export_together(
                joining, place / "list.parquet", {place / export.folder_name: export for export in each}, gone
            )
            for place, each in wanted.items()
        }
