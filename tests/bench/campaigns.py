"""Lists of ten campaigns with their files for platforms, and the measurement of what was sent, on a planted base.

The tables are made by the engine from customer numbers alone, a property a salt, so that a base of any size takes
seconds and no memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from segml.engine.duckdb import DuckDBEngine
from segml.engine.keys import text_sql
from segml.tables.partition import write_manifest
from segml.time_windows import SECONDS_PER_DAY, Cutoff

Facts = dict[str, Any]
AS_OF = Cutoff.parse("2023-10-01")
SENDS, CAMPAIGNS, WINDOW_DAYS = 10, 10, 28
LIST_TABLES = ("features", "scores", "customers", "tags", "consents", "email_events", "returns")
_COMPLETE = "complete"


def make_campaign_base(customers: int, folder: Path) -> Path:
    """Write what lists read unless it is there; return its folder."""
    return _written(folder / f"campaigns-{customers}", _list_tables(customers))


def make_sends(customers: int, folder: Path) -> Path:
    """Write ten lists that were sent, ten sends a customer in all, and the orders and returns that followed."""
    place = folder / f"sends-{customers}"
    if not (place / _COMPLETE).exists():
        queries = _sent_tables(customers)
        for number in range(CAMPAIGNS):
            queries |= _sent_list(customers, number)
        _written(place, queries)
        for number in range(CAMPAIGNS):
            write_manifest((place / f"lists/c{number}/as_of={AS_OF.label}"), _manifest(number))
    return place


def build_and_export(options: argparse.Namespace) -> Facts:
    """Ten lists by priority, with consent, caps and holdouts, then Klaviyo, Meta and Google files of each."""
    from segml.campaigns.catalogue import Campaign
    from segml.campaigns.export.tables import export_lists
    from segml.campaigns.list_files import list_folder
    from segml.campaigns.lists import build_lists
    from segml.config import ListSettings

    base = make_campaign_base(options.customers, options.folder)
    campaigns = [Campaign.model_validate(_campaign(number, options.customers)) for number in range(CAMPAIGNS)]
    with (
        tempfile.TemporaryDirectory(dir=options.folder) as place,
        DuckDBEngine(options.memory, options.threads, f"{options.spill_gb}GB") as engine,
    ):
        for table in LIST_TABLES:
            engine.register(table, base / f"{table}.parquet")
        folder, began = Path(place), time.perf_counter()
        report = build_lists(engine, campaigns, ListSettings(), AS_OF, "bench", folder)
        between = time.perf_counter()
        wanted = {list_folder(folder, each.name, AS_OF): each.exports for each in campaigns}
        exports = export_lists(engine, wanted, AS_OF, folder, options.memory, options.threads)
        ended = time.perf_counter()
    made = [result for each in exports.values() for result in each]
    return {
        "rows": sum(result.listed for result in report.campaigns),
        "built": sum(result.status == "built" for result in report.campaigns),
        "files": sum(result.status == "built" for result in made),
        "file rows": sum(result.rows for result in made),
        "lists s": round(between - began, 1),
        "exports s": round(ended - between, 1),
    }


def measure_sends(options: argparse.Namespace) -> Facts:
    """Ten lists against the orders that followed: lift, adjusted estimates, results by segment, the sendings."""
    from segml.measurement.measure import measure_lists

    base = make_sends(options.customers, options.folder)
    with DuckDBEngine(options.memory, options.threads, f"{options.spill_gb}GB") as engine:
        for table in ("orders", "returns", "email_events"):
            engine.register(table, base / f"{table}.parquet")
        found = measure_lists(
            engine,
            [base / "lists"],
            AS_OF.plus_days(WINDOW_DAYS + 1),
            tags_of=lambda day: base / "tags.parquet",
        )
    return {
        "rows": SENDS * options.customers,
        "measured": int((found.frame["status"] == "measured").sum()),
        "lists": len(found.frame),
    }


def _written(place: Path, queries: dict[str, str]) -> Path:
    if not (place / _COMPLETE).exists():
        place.mkdir(parents=True, exist_ok=True)
        with DuckDBEngine("2GB", 2) as engine:
            for name, sql in queries.items():
                engine.write(sql, place / f"{name}.parquet")
        (place / _COMPLETE).touch()
    return place


def _share(salt: str, row: str = "i") -> str:
    """SQL for an even number in [0, 1) that is a function of the row and the salt."""
    return f"(hash(concat({text_sql(salt)}, {row})) % 1000003) / 1000003.0"


def _people(customers: int) -> str:
    return f"(select range as i, printf('c%08d', range) as customer_id from range({customers}))"


def _ago(salt: str, most: int, row: str = "i") -> str:
    seconds = most * SECONDS_PER_DAY
    return f"cast({AS_OF.seconds} - 1 - floor({_share(salt, row)} * {seconds}) as bigint)"


def _list_tables(customers: int) -> dict[str, str]:
    people = _people(customers)
    word = f"case when {_share('s')} < 0.4 then 'active' when {_share('s')} < 0.65 then 'slipping' when"
    word += f" {_share('s')} < 0.8 then 'at_risk' else 'dormant' end"
    return {
        "features": f"select customer_id, floor({_share('o')} * 9 + 1) as orders_total,"
        f" floor({_share('r')} * 365) as recency_days, {_share('g')} * 8 as gap_ratio,"
        f" floor({_share('m')} * 300) + 1 as spend_total from {people}",
        "scores": f"select customer_id, {_share('s')} as dormancy_probability, 56.0 as dormancy_horizon_days,"
        f" floor({_share('m')} * 300) + 1 as clv_historic, 'silent for long' as reason_1,"
        f" 'few orders lately' as reason_2, 'no category of late' as reason_3 from {people}",
        "customers": f"select customer_id, concat('person', i, '@example.com') as email,"
        f" printf('+4520%06d', i % 1000000) as phone, concat('First', i % 5000) as first_name,"
        " concat('Last', i % 9000) as last_name, case when i % 3 = 0 then 'SE' else 'DK' end as country,"
        f" concat('Town ', i % 700) as city, printf('%04d', i % 9000 + 1000) as postcode from {people}",
        "tags": "select customer_id, 'lifecycle' as family, 'activity' as tag,"
        f" {word} as value, '{AS_OF.label}' as valid_from from {people}"
        " union all select customer_id, 'behavioural' as family, 'segment' as tag,"
        f" concat('segment ', i % 6) as value, '{AS_OF.label}' as valid_from from {people}",
        "consents": f"select customer_id, {_ago('c', 900)} as changed_at, channel, purpose,"
        f" {_share('y', 'concat(i, purpose)')} < 0.85 as granted from {people}, (values ('email', 'marketing'),"
        " ('sms', 'marketing'), (null, 'ads_sharing')) as kinds(channel, purpose)",
        "email_events": f"select customer_id, {_ago('e', 60, 'concat(i, n)')} as occurred_at, event,"
        f" 'newsletter' as campaign_id, 'email' as channel from {people},"
        " (values (1, 'sent'), (2, 'sent'), (3, 'open')) as kinds(n, event)",
        "returns": f"select customer_id, {_ago('b', 30)} as returned_at, 1000 as amount_minor from {people}"
        " where i % 20 = 0",
    }


def _campaign(number: int, customers: int) -> dict[str, Any]:
    return {
        "name": f"campaign_{number}",
        "title": f"Campaign {number}",
        "action": "mail",
        "audience": [
            {"tag": "lifecycle.activity", "operator": "in", "value": ["slipping", "at_risk", "dormant"]},
            {"column": "features.orders_total", "operator": "at_least", "value": 1 + number % 3},
        ],
        "rank_by": {"column": "scores.clv_historic"},
        "priority": number + 1,
        "max_size": max(100, customers // 25),
        "exports": [
            {"platform": platform, "region": "DK", "minimum_people": 1}
            for platform in ("klaviyo", "meta", "google")
        ],
    }


def _sent_tables(customers: int) -> dict[str, str]:
    people, later = _people(customers), f"floor({_share('t', 'concat(i, n)')} * {56 * SECONDS_PER_DAY})"
    at = f"cast({AS_OF.plus_days(-28).seconds} + {later} as bigint)"
    kinds = "(select unnest(range(3)) as n)"
    return {
        "orders": f"select customer_id, {at} as ordered_at, cast(floor({_share('p', 'concat(i, n)')} * 9000) + 100"
        f" as bigint) as amount_minor from {people}, {kinds} where {_share('d', 'concat(i, n)')} < 0.3",
        "returns": f"select customer_id, {AS_OF.plus_days(9).seconds} as returned_at, 500 as amount_minor"
        f" from {people} where i % 30 = 0",
        "tags": f"select customer_id, 'behavioural' as family, 'segment' as tag, concat('segment ', i % 6) as value,"
        f" '{AS_OF.label}' as valid_from from {people}",
        "email_events": f"select customer_id, {AS_OF.seconds} + 3600 + n * 60 as occurred_at, event,"
        f" concat('c', c) as campaign_id, 'email' as channel from {people}, (select unnest(range({CAMPAIGNS})) as c),"
        " (values (0, 'sent'), (1, 'open'), (2, 'click')) as kinds(n, event)"
        f" where {_share('arm', 'concat(chr(32), c, i)')} >= 0.1"
        f" and {_share('seen', 'concat(i, event, c)')} < case event when 'sent' then 1 when 'open' then 0.3"
        " else 0.05 end",
    }


def _sent_list(customers: int, number: int) -> dict[str, str]:
    columns = (
        f"customer_id, 'c{number}' as campaign, 'mail' as action, 'content' as offer_class,"
        f" {_share('s')} as score, arm"
    )
    arm = (
        f"case when {_share('arm', f'concat(chr(32), {number}, i)')} < 0.1 then 'holdout' else 'treated' end"
    )
    rows = f"(select *, {arm} as arm from {_people(customers)})"
    place = f"lists/c{number}/as_of={AS_OF.label}"
    return {
        f"{place}/{file}": f"select {columns} from {rows} where arm = '{kept}' order by customer_id"
        for file, kept in (("list", "treated"), ("holdout", "holdout"))
    }


def _manifest(number: int) -> Facts:
    return {
        "status": "built",
        "campaign": {"name": f"c{number}"},
        "as_of": AS_OF.label,
        "measure_from": AS_OF.label,
        "measure_until": AS_OF.plus_days(WINDOW_DAYS).label,
        "holdout_share": 0.1,
    }
