"""Whoever was erased comes back under no other id: records that share an identity key with an erased one are left out.

Works where `identity.keys` says what makes records one person, on the same terms: a value that too many records share,
or records of different dates of birth, stands for nobody. The keys of erased records are remembered by keyed hashes
beside those of their ids, so that the person is recognised when the company's files have forgotten the old record.
"""

from __future__ import annotations

from segml.config import Config
from segml.engine.duckdb import quoted
from segml.sources.cleaning import ERASED
from segml.sources.erased import erased_digest_sql, erased_digests, erased_key, remember_digests
from segml.sources.read import Reading

_JOINT = "chr(31)"  # never part of an id


def leave_out_returning(reading: Reading, config: Config) -> int:
    """Mark the rows of records that belong to erased people as erased, in every table; return how many records.

    Call it when ``identity_records``, ``identity_keys`` and ``identity_roots`` are made of all records, erased ones
    included.
    """
    digests = ", ".join(quoted(digest) for digest in erased_digests(config))
    key = erased_key(config)
    of_key = erased_digest_sql(key, f"k.kind || {_JOINT} || k.value")
    component = "coalesce(j.root, r.record)"
    joined = "identity_records as r left join identity_roots as j on j.record = r.record"
    known = (
        f"select {component} from {joined} where r.erased"
        f" union select {component} from {joined} join identity_keys as k on k.record = r.record"
        f" where not {_SHARED_BY_MANY} and {of_key} in ({digests})"
    )
    reading.connection.execute(
        f"create or replace temp table identity_erased as select r.customer_id, r.record, r.erased from {joined}"
        f" where {component} in ({known})"
    )
    ids = f"select {erased_digest_sql(key, 'customer_id')} from identity_erased"
    keys = (
        f"select distinct {of_key} from identity_keys as k join identity_erased as e on e.record = k.record"
        f" where not {_SHARED_BY_MANY}"
    )
    remember_digests(config, [digest for (digest,) in reading.fetch(f"{ids} union {keys}")])
    ((back,),) = reading.fetch("select count(*) from identity_erased where not erased")
    for name in [name for name, names in reading.names.items() if back and "customer_id" in names]:
        reading.fetch(
            f"update read_{name} set reason = '{ERASED}'"
            " where customer_id in (select customer_id from identity_erased)"
        )
        reading.count_reasons(name)
    return int(back)


_SHARED_BY_MANY = "exists (select 1 from identity_left as l where l.kind = k.kind and l.value = k.value)"
