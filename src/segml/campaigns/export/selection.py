"""Who of a list may be in a file: one query that joins contact data and judges consent, person by person.

Unknown consent is no. A withdrawal counts for the address, not only for the customer number it was made under: an
address that withdrew under one number is mailed under none.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from segml.campaigns.export.settings import ListExport
from segml.contacts.contact_data import CONTACT_COLUMNS
from segml.contacts.phones import in_own_country, number_end_sql
from segml.contacts.text import tidy
from segml.engine import Engine
from segml.errors import ConfigurationError, DataError, did_you_mean

Source: TypeAlias = Path | pd.DataFrame | pa.Table
_TREATED = "treated"
_MOST_PAIRS = 5_000_000
ADS_CONSENT = "consent_ads_sharing"
OBJECTION = "profiling_objection"
# The first that applies is the one counted; those below the line are found while the file is written.
REASONS = (
    *("held_out", "unknown_customer", "profiling_objection", "no_consent", "address_withdrawn"),
    *("no_id", "no_contact", "unreadable_contact", "no_country", "no_value", "duplicate_contact", "too_few"),
)
_FACTS = ("campaign", "definition_hash", "run_id", "measure_from")


def marketing_consent(channel: str) -> str:
    """Return the column of `customers` that holds consent to marketing by a channel."""
    return f"consent_{channel}_marketing"


def register_people(engine: Engine, listed: Source, customers: Source) -> None:
    """Make the list and the customers readable as ``listed`` and ``customers``; both need ``customer_id``."""
    for name, source in (("listed", listed), ("customers", customers)):
        engine.register(name, source)
        if "customer_id" not in engine.columns(name):
            raise DataError(f"{name} has no column customer_id", "give one row a person with its customer_id")


def register_withdrawn_numbers(engine: Engine, export: ListExport) -> None:
    """Make ``withdrawn_numbers`` readable: phones of the list, as typed, whose number withdrew in another notation."""
    customers = engine.columns("customers")
    found = pd.DataFrame({name: pd.Series(dtype="str") for name in ("phone", "country")})
    if {"phone", _withdrawn_by("sms", export)} <= set(customers):
        pairs = engine.fetch(_number_pairs_sql(export, "country" in customers), _MOST_PAIRS)
        text = {
            name: pa.array(pairs[name].astype(object).where(pairs[name].notna(), None), pa.string())
            for name in pairs
        }
        mine = in_own_country(tidy(text["phone"]), tidy(text["country"]), export.region)
        gone = in_own_country(tidy(text["gone_phone"]), tidy(text["gone_country"]), export.region)
        same = pc.fill_null(pc.equal(mine, gone), False).to_numpy(zero_copy_only=False)
        found = pairs.loc[same, ["phone", "country"]].drop_duplicates()
    engine.register("withdrawn_numbers", pa.Table.from_pandas(found, preserve_index=False))


def _number_pairs_sql(export: ListExport, with_country: bool) -> str:
    """Pairs of phones that may be one number: of somebody listed, and of somebody else who withdrew."""
    country = "cast(country as varchar)" if with_country else "cast(null as varchar)"
    phone = "cast(phone as varchar)"
    typed = f"{phone} as phone, {country} as country, {number_end_sql(phone)} as ending"
    listed = "cast(customer_id as varchar) in (select cast(customer_id as varchar) from listed)"
    return (
        "select mine.phone as phone, mine.country as country, gone.phone as gone_phone, gone.country as gone_country"
        f" from (select distinct {typed} from customers where {listed}) mine"
        f" join (select distinct {typed} from customers where {_withdrawn_by('sms', export)} = false) gone"
        " on gone.ending = mine.ending and gone.ending <> '' and gone.phone <> mine.phone order by all"
    )


def _withdrawn_by(channel: str, export: ListExport) -> str:
    return ADS_CONSENT if export.known_platform.advertising else marketing_consent(channel)


def list_facts(engine: Engine) -> dict[str, str]:
    """Return what the list says about itself, where all its rows agree: campaign, definition hash, run."""
    facts = {}
    for name in _FACTS:
        if name in engine.columns("listed"):
            values = engine.fetch(f"select distinct cast({name} as varchar) as v from listed", 10_000)["v"]
            facts[name] = str(values.iloc[0]) if len(values) == 1 and values.notna().all() else ""
    return facts


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


def selection_sql(export: ListExport, listed: list[str], customers: list[str]) -> str:
    """Return the query with one row a person of the list, ordered by customer whatever the list's order.

    Columns: customer_id, reason (null for those who may be in), contact columns as text, consent, list columns.
    """
    platform = export.known_platform
    known = set(customers)
    wanted = [*export.properties, *([export.value] if platform.name == "meta" else [])]
    wanted = [f'l."{name}" as "listed_{name}"' for name in dict.fromkeys(wanted)]
    contacts = [f"cast({_known(known, name, 'varchar')} as varchar) as {name}" for name in CONTACT_COLUMNS]
    joins, withdrawn = _withdrawals(export, known)
    consents = []
    for channel in ("email", "sms"):
        given = f"coalesce({_known(known, marketing_consent(channel))}, false)"
        consents.append(f"{given} as {channel}_consent")
        may = "true" if platform.advertising or channel == export.channel else given
        if channel != export.channel and not platform.advertising:
            may = f"({given} and {withdrawn[channel]} is null)"
        consents.append(f"{may} as may_{channel}")
    columns = [
        "cast(l.customer_id as varchar) as customer_id",
        f"{_reason_sql(export, listed, known, withdrawn)} as reason",
        *contacts,
        *consents,
        *wanted,
    ]
    order = map(str, (1, *range(len(columns) - len(wanted) + 1, len(columns) + 1)))
    return (
        f"select {', '.join(columns)} from listed l left join customers c"
        f" on cast(c.customer_id as varchar) = cast(l.customer_id as varchar){joins}"
        f" order by {', '.join(order)}"
    )


def _reason_sql(export: ListExport, listed: list[str], known: set[str], withdrawn: dict[str, str]) -> str:
    advertising = export.known_platform.advertising
    consent = _known(known, ADS_CONSENT if advertising else marketing_consent(export.channel))
    allowed = "true" if not export.consent.required else "false"
    addresses = ("email", "sms") if advertising else (export.channel,)
    gone = " or ".join(f"{withdrawn[channel]} is not null" for channel in addresses if channel in withdrawn)
    arm = f"when l.arm is not null and l.arm <> '{_TREATED}' then 'held_out' " if "arm" in listed else ""
    return (
        f"case {arm}when c.customer_id is null then 'unknown_customer'"
        f" when coalesce({_known(known, OBJECTION)}, false) then 'profiling_objection'"
        f" when not coalesce({consent}, {allowed}) then 'no_consent'"
        f" when {gone or 'false'} then 'address_withdrawn' else null end"
    )


def _withdrawals(export: ListExport, known: set[str]) -> tuple[str, dict[str, str]]:
    """Return joins to the addresses that withdrew, and for each channel the column that says so."""
    joins, found = "", {}
    for channel, column in (("email", "email"), ("sms", "phone")):
        consent = _withdrawn_by(channel, export)
        found[channel] = "cast(null as varchar)"
        if column in known and consent in known:
            key = _address_key(column)
            joins += (
                f" left join (select distinct {key.format('w')} as address from customers w"
                f" where w.{consent} = false and nullif({key.format('w')}, '') is not null) gone_{channel}"
                f" on gone_{channel}.address = {key.format('c')}"
            )
            found[channel] = f"gone_{channel}.address"
            if column == "phone":
                country = _known(known, "country", "varchar")
                joins += (
                    " left join withdrawn_numbers on withdrawn_numbers.phone = cast(c.phone as varchar)"
                    f" and withdrawn_numbers.country is not distinct from {country}"
                )
                found[channel] = "coalesce(gone_sms.address, withdrawn_numbers.phone)"
    return joins, found


def _address_key(column: str) -> str:
    if column == "email":
        return "nfc_normalize(lower(trim(cast({}.email as varchar))))"
    return "regexp_replace(regexp_replace(cast({}.phone as varchar), '[^0-9]', '', 'g'), '^00', '')"


def _known(columns: set[str], name: str, kind: str = "boolean") -> str:
    return f"cast(c.{name} as {kind})" if name in columns else f"cast(null as {kind})"


def slug(name: str) -> str:
    """Return a file name's beginning made of an audience's name.

    Examples
    --------
    >>> slug("Audience 7F3A")
    'audience-7f3a'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
