"""What records may have in common: contact data in one clean form, a chunk of records at a time.

The records are numbered, the oldest first; a key is a kind and a value of one record. A value that can't be read is
no key: two people who typed "none" have nothing in common.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from segml.config import IdentitySettings
from segml.contacts.contact_data import clean_email
from segml.contacts.phones import in_own_country, number_end_sql
from segml.contacts.text import tidy
from segml.engine.duckdb import quoted
from segml.sources.cleaning import ERASED
from segml.sources.read import Reading

KEY_NAMES = {"email": "e-mail", "phone": "phone", "card": "card"}
_CHUNK = 100_000


def number_records(reading: Reading, with_erased: bool = False) -> None:
    """Number the records, the oldest first, of one age by id; those that were erased only when asked for."""
    names = reading.names["customers"]
    joined = "joined_at" if "joined_at" in names else "cast(null as bigint)"
    born = "birth_date" if "birth_date" in names else "cast(null as bigint)"
    reading.connection.execute(
        f"create or replace temp table identity_records as select customer_id, {joined} as joined_at,"
        f" {born} as birth_date, row_number() over (order by {joined} nulls last, customer_id) - 1 as record,"
        f" reason is not null as erased from read_customers where {_counted(with_erased)}"
    )


def _counted(with_erased: bool) -> str:
    return f"(reason is null or reason = '{ERASED}')" if with_erased else "reason is null"


def write_keys(reading: Reading, settings: IdentitySettings, unshared: bool = False) -> None:
    """Write ``identity_keys``: record, kind, value; a value that can't be read is no key. A chunk at a time.

    Reading a phone costs most, so one whose last digits no other record has is passed over unless asked for.
    """
    connection, names = reading.connection, reading.names["customers"]
    country = "country" if "country" in names else "cast(null as varchar)"
    columns = [f"cast({key} as varchar) as {key}" for key in ("email", "card") if key in settings.keys]
    if "phone" in settings.keys:
        shared = f"count(*) over (partition by {number_end_sql('phone')}) > 1"
        columns.append("phone" if unshared else f"case when {shared} then phone end as phone")
        columns.append(f"{country} as country")
    connection.execute(
        f"create or replace temp table identity_contacts as select r.record, {', '.join(columns)}"
        " from read_customers as c join identity_records as r on r.customer_id = c.customer_id"
        f" where {_counted(True)} order by r.record"
    )
    connection.execute(
        "create or replace temp table identity_keys (record bigint, kind varchar, value varchar)"
    )
    ((records,),) = reading.fetch("select count(*) from identity_contacts")
    for start in range(0, records, _CHUNK):
        within = f"record >= {start} and record < {start + _CHUNK}"
        chunk = connection.sql(f"from identity_contacts where {within}").to_arrow_table()
        for kind in settings.keys:
            connection.register("identity_chunk", _key_rows(chunk, kind, settings.region))
            connection.execute(
                f"insert into identity_keys select record, {quoted(kind)}, value from identity_chunk"
            )
            connection.unregister("identity_chunk")


def _key_rows(chunk: pa.Table, kind: str, region: str) -> pa.Table:
    text = tidy(chunk.column(kind).combine_chunks())
    if kind == "email":
        value = clean_email(text)
    elif kind == "phone":
        value = in_own_country(text, chunk.column("country").combine_chunks(), region)
    else:
        value = pc.utf8_upper(pc.replace_substring_regex(text, pattern=r"[\s.\-]", replacement=""))
    rows = pa.table({"record": chunk.column("record"), "value": value})
    return rows.filter(pc.is_valid(rows.column("value")))


def group_keys(reading: Reading, settings: IdentitySettings) -> tuple[dict[str, int], dict[str, int]]:
    """Write ``identity_groups``: shared keys that join, with their first record; count those that don't."""
    reading.connection.execute(
        "create or replace temp table identity_groups as select kind, value, min(record) as first_record,"
        " count(*) as records, count(distinct birth_date) > 1 as contradicting"
        " from identity_keys join identity_records using (record) group by kind, value having count(*) > 1"
    )
    most = settings.most_records
    fate = (
        f"case when records > {most} then 'shared by more than {most} records'"
        " when contradicting then 'shared by records with different dates of birth' end"
    )
    counted = {
        (kind, reason): int(count)
        for kind, reason, count in reading.fetch(
            f"select kind, {fate} as reason, count(*) from identity_groups group by all"
        )
    }
    reading.connection.execute(
        "create or replace temp table identity_left as"
        f" select kind, value from identity_groups where {fate} is not null"
    )
    reading.connection.execute(f"delete from identity_groups where {fate} is not null")
    reasons = sorted({reason for _, reason in counted if reason})
    joined_by: dict[str, int] = {key: counted[key, None] for key in settings.keys if (key, None) in counted}
    left_alone = {
        f"values of {KEY_NAMES[key]} {reason}": counted[key, reason]
        for key in settings.keys
        for reason in reasons
        if (key, reason) in counted
    }
    return joined_by, left_alone
