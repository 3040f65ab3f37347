"""Who of a list may be in which of its files: one query that joins contact data and judges consent.

Unknown consent is no. The contact data, and whether an address withdrew, are those of `listed_people`, made once a run.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import pyarrow as pa

from segml.campaigns.export.settings import ListExport
from segml.campaigns.export.withdrawn import (
    ADS_CONSENT,
    OBJECTION,
    Withdrawal,
    marketing_consent,
    withdrawal_of,
)
from segml.contacts.contact_data import CONTACT_COLUMNS
from segml.engine import Engine
from segml.errors import ConfigurationError, DataError, did_you_mean

Source: TypeAlias = Path | pd.DataFrame | pa.Table
_TREATED = "treated"
# The first that applies is the one counted; those below the line are found while the file is written.
REASONS = (
    *("held_out", "unknown_customer", "profiling_objection", "no_consent", "address_withdrawn"),
    *("no_id", "no_contact", "unreadable_contact", "no_country", "no_value", "duplicate_contact", "too_few"),
)
_FACTS = ("campaign", "definition_hash", "run_id", "measure_from")


def register_customers(engine: Engine, customers: Source) -> None:
    """Make the customers readable as ``customers``; they need ``customer_id``."""
    _register(engine, "customers", customers)


def register_list(engine: Engine, listed: Source) -> None:
    """Make one list readable as ``listed``; it needs ``customer_id``."""
    _register(engine, "listed", listed)


def _register(engine: Engine, name: str, source: Source) -> None:
    engine.register(name, source)
    if "customer_id" not in engine.columns(name):
        raise DataError(f"{name} has no column customer_id", "give one row a person with its customer_id")


def list_facts(engine: Engine) -> dict[str, str]:
    """Return what the list says about itself, where all its rows agree: campaign, definition hash, run."""
    known = [name for name in engine.columns("listed") if name in _FACTS]
    if not known:
        return {}
    ends = [
        f"min(cast({name} as varchar)) as {name}_first, max(cast({name} as varchar)) as {name}_last,"
        f" count({name}) as {name}_rows"
        for name in known
    ]
    row = engine.fetch(f"select count(*) as people, {', '.join(ends)} from listed", 1).iloc[0]
    return {
        name: str(row[f"{name}_first"])
        if 0 < row["people"] == row[f"{name}_rows"] and row[f"{name}_first"] == row[f"{name}_last"]
        else ""
        for name in _FACTS
        if name in known
    }


def with_known_columns(export: ListExport, columns: list[str]) -> ListExport:
    """Return the export with the properties the list has; one asked for by name and not there is an error."""
    platform = export.known_platform
    asked = list(export.properties) if "properties" in export.model_fields_set else []
    if platform.name == "meta":
        asked.append(export.value)
    missing = [name for name in asked if name not in columns]
    if missing:
        near = did_you_mean(missing[0], columns)
        raise ConfigurationError(
            f"the list has no column {missing}{near}; it has {columns}", "correct the export"
        )
    known = () if platform.advertising else tuple(name for name in export.properties if name in columns)
    return export.model_copy(update={"properties": known})


def selection_sql(exports: Sequence[ListExport], listed: list[str], gone: Mapping[Withdrawal, str]) -> str:
    """Return the query with one row a person of the list, ordered by customer whatever the list's order.

    Columns: customer_id, reason_<n> (null for those who may be in export n), contact columns as text, consent,
    may_email_<n>, may_sms_<n>, list columns.

    Parameters
    ----------
    exports : sequence of ListExport
        What is made of this list.
    listed : list of str
        Columns of the list.
    gone : mapping of Withdrawal to str
        From `make_listed_people`: the columns of ``listed_people`` that say whether an address withdrew.
    """
    columns = ["cast(l.customer_id as varchar) as customer_id"]
    columns += [f"{_reason_sql(each, listed, gone)} as reason_{place}" for place, each in enumerate(exports)]
    columns += [f"c.{name} as {name}" for name in CONTACT_COLUMNS]
    for channel in ("email", "sms"):
        given = f"coalesce(c.{marketing_consent(channel)}, false)"
        columns.append(f"{given} as {channel}_consent")
        for place, each in enumerate(exports):
            may = given
            if each.known_platform.advertising or channel == each.channel:
                may = "true"
            elif (withdrawal := withdrawal_of(each, channel)) in gone:
                may = f"({given} and not coalesce(c.{gone[withdrawal]}, false))"
            columns.append(f"{may} as may_{channel}_{place}")
    wanted = [f'l."{name}" as "listed_{name}"' for name in _wanted(exports)]
    order = map(str, (1, *range(len(columns) + 1, len(columns) + len(wanted) + 1)))
    return (
        f"select {', '.join([*columns, *wanted])} from listed l left join listed_people c"
        f" on c.customer_id = cast(l.customer_id as varchar) order by {', '.join(order)}"
    )


def selected_for(people: pa.Table, place: int) -> pa.Table:
    """Return a chunk of the selection as one export sees it: ``reason``, ``may_email`` and ``may_sms`` are its own."""
    for name in ("reason", "may_email", "may_sms"):
        people = people.append_column(name, people.column(f"{name}_{place}"))
    return people


def _wanted(exports: Sequence[ListExport]) -> list[str]:
    names: list[str] = []
    for export in exports:
        names += [*export.properties, *([export.value] if export.platform == "meta" else [])]
    return list(dict.fromkeys(names))


def _reason_sql(export: ListExport, listed: list[str], gone: Mapping[Withdrawal, str]) -> str:
    advertising = export.known_platform.advertising
    consent = ADS_CONSENT if advertising else marketing_consent(export.channel)
    allowed = "true" if not export.consent.required else "false"
    channels = [name for name in ("email", "sms") if advertising or name == export.channel]
    known = [gone[each] for each in (withdrawal_of(export, name) for name in channels) if each in gone]
    withdrew = " or ".join(f"coalesce(c.{column}, false)" for column in known)
    arm = f"when l.arm is not null and l.arm <> '{_TREATED}' then 'held_out' " if "arm" in listed else ""
    return (
        f"case {arm}when c.customer_id is null then 'unknown_customer'"
        f" when coalesce(c.{OBJECTION}, false) then 'profiling_objection'"
        f" when not coalesce(c.{consent}, {allowed}) then 'no_consent'"
        f" when {withdrew or 'false'} then 'address_withdrawn' else null end"
    )


def slug(name: str) -> str:
    """Return a file name's beginning made of an audience's name.

    Examples
    --------
    >>> slug("Audience 7F3A")
    'audience-7f3a'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
