"""The people of a run's lists: their contact data, their consent, and whether their address withdrew under any number.

A withdrawal counts for the address, not only for the customer number it was made under: an address that withdrew under
one number is mailed under none. That takes everybody's addresses, and is worked out once a run, not once a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from segml.campaigns.export.settings import ListExport
from segml.contacts.contact_data import CONTACT_COLUMNS, clean_email
from segml.contacts.phones import in_own_country, number_end_sql
from segml.contacts.text import tidy
from segml.engine import Engine

ADS_CONSENT = "consent_ads_sharing"
OBJECTION = "profiling_objection"
PAIR_ROWS = 100_000
_RESPELT = "respelt_addresses"
# A channel without addresses, such as push, has no withdrawal of one.
_COLUMNS = {"email": "email", "sms": "phone"}


class Withdrawal(NamedTuple):
    """An address (``email`` or ``phone``), the consent it withdrew, and the country phones without one are read in."""

    column: str
    consent: str
    region: str


def marketing_consent(channel: str) -> str:
    """Return the column of `customers` that holds consent to marketing by a channel."""
    return f"consent_{channel}_marketing"


def withdrawal_of(export: ListExport, channel: str) -> Withdrawal:
    """Return what keeps an address of this channel, ``email`` or ``sms``, out of an export."""
    consent = ADS_CONSENT if export.known_platform.advertising else marketing_consent(channel)
    return Withdrawal(_COLUMNS[channel], consent, export.region if channel == "sms" else "")


def make_listed_people(
    engine: Engine, lists: str, exports: Iterable[ListExport], folder: Path
) -> dict[Withdrawal, str]:
    """Make ``listed_people``: a row for everybody on a list, from ``customers``.

    Columns: customer_id and contact columns as text, consents, profiling_objection, and true or false for each
    withdrawal that matters to one of the exports; what ``customers`` lacks is missing.

    Parameters
    ----------
    engine : Engine
        With ``customers`` registered.
    lists : str
        Query for the ``customer_id`` of everybody on any list, repeats allowed.
    exports : iterable of ListExport
        Everything that is made of the lists.
    folder : Path
        For phones that have to be read, while this runs.

    Returns
    -------
    dict of Withdrawal to str
        The column of ``listed_people`` that tells of each.
    """
    known = set(engine.columns("customers"))
    asked = dict.fromkeys(withdrawal_of(export, channel) for export in exports for channel in _COLUMNS)
    kinds = [kind for kind in asked if {kind.column, kind.consent} <= known]
    gone = {kind: f"gone_{place}" for place, kind in enumerate(kinds)}
    engine.run(
        f"select distinct cast(customer_id as varchar) as customer_id from ({lists}) lists", "listed_ids"
    )
    columns = ["cast(c.customer_id as varchar) as customer_id"]
    columns += [f"{_known(known, name, 'varchar')} as {name}" for name in CONTACT_COLUMNS]
    consents = (*map(marketing_consent, ("email", "sms", "push")), ADS_CONSENT, OBJECTION)
    columns += [f"{_known(known, name, 'boolean')} as {name}" for name in consents]
    joins = ""
    if any(kind.column == "email" for kind in gone):
        engine.register(_RESPELT, _respelt_addresses(engine, folder))
        joins = f" left join {_RESPELT} c_respelt on c_respelt.email = cast(c.email as varchar)"
    for kind, name in gone.items():
        join, condition = _withdrew_sql(engine, kind, name, known, folder)
        joins += join
        columns.append(f"({condition}) as {name}")
    engine.run(
        f"select {', '.join(columns)} from customers c"
        f" join listed_ids on listed_ids.customer_id = cast(c.customer_id as varchar){joins}",
        "listed_people",
    )
    return gone


def _withdrew_sql(
    engine: Engine, kind: Withdrawal, name: str, known: set[str], folder: Path
) -> tuple[str, str]:
    """Return the joins to what withdrew, and the condition that says that somebody's address did."""
    key = _address_key(kind.column)
    respelt = ""
    if kind.column == "email":
        respelt = f" left join {_RESPELT} w_respelt on w_respelt.email = cast(w.email as varchar)"
    join = (
        f" left join (select distinct {key.format('w')} as address from customers w{respelt}"
        f" where w.{kind.consent} = false and nullif({key.format('w')}, '') is not null) {name}_a"
        f" on {name}_a.address = {key.format('c')}"
    )
    if kind.column == "email":
        return join, f"{name}_a.address is not null"
    numbers = f"withdrawn_numbers_{name}"
    engine.register(numbers, _withdrawn_numbers(engine, kind, "country" in known, folder))
    join += (
        f" left join {numbers} {name}_n on {name}_n.phone = cast(c.phone as varchar)"
        f" and {name}_n.country is not distinct from {_known(known, 'country', 'varchar')}"
    )
    return join, f"{name}_a.address is not null or {name}_n.phone is not null"


def _respelt_addresses(engine: Engine, folder: Path) -> pa.Table:
    """Return the addresses as typed that SQL can't bring into their normal form: email, address.

    They are the few with a letter beyond ASCII or a blank that is none; all others are the same in lower case.
    """
    file, schema = folder / "respelt.parquet", pa.schema([("email", pa.string()), ("address", pa.string())])
    email = "cast(email as varchar)"
    engine.write(
        f"select distinct {email} as email from customers where regexp_matches({email}, '[^ -~]')", file
    )
    found = [schema.empty_table()]
    for batch in pq.ParquetFile(file).iter_batches(batch_size=PAIR_ROWS):
        typed = batch.column("email").cast(pa.string())
        respelt = pa.table([typed, clean_email(tidy(typed))], schema=schema)
        found.append(respelt.filter(pc.is_valid(respelt.column("address"))))
    file.unlink()
    return pa.concat_tables(found)


def _withdrawn_numbers(engine: Engine, kind: Withdrawal, with_country: bool, folder: Path) -> pa.Table:
    """Return the listed phones, as typed, whose number withdrew in another notation: phone, country."""
    file, schema = folder / "pairs.parquet", pa.schema([("phone", pa.string()), ("country", pa.string())])
    engine.write(_number_pairs_sql(kind.consent, with_country), file)
    found = [schema.empty_table()]
    for batch in pq.ParquetFile(file).iter_batches(batch_size=PAIR_ROWS):
        text = {name: batch.column(name).cast(pa.string()) for name in batch.schema.names}
        mine = in_own_country(tidy(text["phone"]), tidy(text["country"]), kind.region)
        gone = in_own_country(tidy(text["gone_phone"]), tidy(text["gone_country"]), kind.region)
        typed = pa.table({name: text[name] for name in schema.names})
        found.append(typed.filter(pc.fill_null(pc.equal(mine, gone), False)))
    file.unlink()
    distinct: pa.Table = pa.concat_tables(found).group_by(schema.names).aggregate([])
    return distinct


def _number_pairs_sql(consent: str, with_country: bool) -> str:
    """Pairs of phones that may be one number: of somebody listed, and of somebody else who withdrew."""
    country = "cast(country as varchar)" if with_country else "cast(null as varchar)"
    phone = "cast(phone as varchar)"
    typed = f"{phone} as phone, {country} as country, {number_end_sql(phone)} as ending"
    listed = "cast(customer_id as varchar) in (select customer_id from listed_ids)"
    return (
        "select mine.phone as phone, mine.country as country, gone.phone as gone_phone, gone.country as gone_country"
        f" from (select distinct {typed} from customers where {listed}) mine"
        f" join (select distinct {typed} from customers where {consent} = false) gone"
        " on gone.ending = mine.ending and gone.ending <> '' and gone.phone <> mine.phone"
    )


def _address_key(column: str) -> str:
    if column == "email":
        return "coalesce({0}_respelt.address, nfc_normalize(lower(trim(cast({0}.email as varchar)))))"
    return "regexp_replace(regexp_replace(cast({}.phone as varchar), '[^0-9]', '', 'g'), '^00', '')"


def _known(columns: set[str], name: str, kind: str) -> str:
    return f"cast(c.{name} as {kind})" if name in columns else f"cast(null as {kind})"
