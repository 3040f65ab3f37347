"""Lists on disk: what is written beside each other, and how earlier lists are found again.

``<folder>/<campaign>/as_of=<day>/`` holds list.parquet (always: caps and measurement read it), list.csv (when asked
for), holdout.parquet, exclusions.csv, manifest.json and, from the second list on, changes.parquet (who came, who
went). A campaign that was refused leaves its reasons and no list.
The exclusion counts are exact; they lie beside a file that names people, and are not a report.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pandas as pd

from segml.campaigns.audience import literal
from segml.campaigns.catalogue import Campaign
from segml.campaigns.changes import changes_sql
from segml.campaigns.export.generic import write_csv
from segml.campaigns.holdout import TREATED
from segml.campaigns.results import EXCLUSION_COLUMNS, CampaignResult
from segml.campaigns.send_time import PEOPLE as SEND_PEOPLE
from segml.campaigns.send_time import SEGMENT, SendTimes, send_time_sql
from segml.campaigns.send_time import SEGMENTS as SEND_SEGMENTS
from segml.campaigns.triggers import EVENTS
from segml.config import ListSettings
from segml.engine import Engine
from segml.tables.partition import file_sha256, read_manifest, write_manifest, writing
from segml.time_windows import SECONDS_PER_DAY, Cutoff

LIST_COLUMNS = (
    *("customer_id", "campaign", "action", "offer_class", "score", "reason_1", "reason_2", "reason_3"),
    *(
        "channel",
        "send_hour",
        "send_weekday",
        "arm",
        "measure_from",
        "measure_until",
        "definition_hash",
        "run_id",
    ),
    "content_hint",
)
_FREE_TEXT = ("reason_1", "reason_2", "reason_3", "content_hint")
_HINT = "next_category_1"  # what to show: the category the next order is most probably for
_AS_OF = "as_of="


def list_folder(folder: Path, campaign: str, as_of: Cutoff) -> Path:
    """Return the place of one list."""
    return folder / campaign / f"{_AS_OF}{as_of.label}"


def write_list(
    engine: Engine,
    result: CampaignResult,
    settings: ListSettings,
    as_of: Cutoff,
    run_id: str,
    folder: Path,
    send_times: SendTimes,
) -> None:
    """Write one campaign's partition from ``list_placed``, replacing what was there as a whole."""
    campaign = result.campaign
    with writing(list_folder(folder, campaign.name, as_of)) as temporary:
        if result.status == "built":
            for name, treated in (("list", True), ("holdout", False)):
                engine.write(
                    _rows_sql(engine, campaign, as_of, run_id, treated), temporary / f"{name}.parquet"
                )
            if "csv" in settings.formats:
                write_csv(temporary / "list.parquet", temporary / "list.csv", _FREE_TEXT)
            if campaign.trigger:
                engine.write(_answered_sql(), temporary / EVENTS)
        if result.changes:
            engine.write(changes_sql(), temporary / "changes.parquet")
        exclusions = pd.DataFrame(result.exclusion_rows(), columns=list(EXCLUSION_COLUMNS))
        exclusions.to_csv(temporary / "exclusions.csv", index=False, lineterminator="\n")
        files = {file.name: file_sha256(file) for file in sorted(temporary.iterdir())}
        manifest = _manifest(result, settings, as_of, run_id, files)
        if campaign.channel == "email":
            manifest["send_times"] = {"text": send_times.text, **dataclasses.asdict(send_times)}
        write_manifest(temporary, manifest)


def list_history(engine: Engine, folder: Path, as_of: Cutoff) -> bool:
    """Make earlier lists readable as ``list_history`` (customer_id, campaign, happened_at); tell whether there are any.

    Lists of the same day are left out, so that a rerun sees what the first run saw.
    """
    files, days = [], set()
    for file in sorted(folder.glob(f"*/{_AS_OF}*/list.parquet")):
        day = Cutoff.parse(file.parent.name.removeprefix(_AS_OF))
        if day < as_of and not _is_seed(file.parent):
            files.append(file)
            days.add(day)
    if not files:
        return False
    engine.register("list_files", files)
    ordered = sorted(days)
    engine.register(
        "list_days",
        pd.DataFrame(
            {
                "label": [day.label for day in ordered],
                "happened_at": [day.day * SECONDS_PER_DAY for day in ordered],
            }
        ),
    )
    person, joined = "f.customer_id", ""
    if engine.exists("identity"):  # whoever was two people on an earlier list may be one today
        person, joined = (
            "coalesce(i.person_id, f.customer_id)",
            " left join identity i on i.customer_id = f.customer_id",
        )
    engine.view(
        f"select {person} as customer_id, f.campaign as campaign, d.happened_at as happened_at"
        f" from list_files f join list_days d on d.label = f.measure_from{joined}",
        "list_history",
    )
    return True


def _is_seed(partition: Path) -> bool:
    """Tell whether a list was an audience for advertising, which contacted nobody."""
    manifest = read_manifest(partition) or {}
    return bool(manifest.get("campaign", {}).get("purpose") == "ads_sharing")


def _reasons_sql(campaign: Campaign, scores: set[str]) -> list[str]:
    """What explains a person on this list: the lifetime value where the list ranks by one, dormancy otherwise."""
    of_value = campaign.rank_by.column.startswith("scores.clv_") and "clv_reason_1" in scores
    names = [f"{'clv_' if of_value else ''}reason_{place}" for place in (1, 2, 3)]
    return [f"cast({f'scores.{name}' if name in scores else 'null'} as string)" for name in names]


def _rows_sql(engine: Engine, campaign: Campaign, as_of: Cutoff, run_id: str, treated: bool) -> str:
    scores = set(engine.columns("scores")) if engine.exists("scores") else set()
    reasons = [
        f"{sql} as reason_{place}" for place, sql in enumerate(_reasons_sql(campaign, scores), start=1)
    ]
    join = " left join scores on scores.customer_id = placed.customer_id" if scores else ""
    when = "cast(null as int) as send_hour, cast(null as int) as send_weekday"
    if campaign.channel == "email" and engine.exists(SEND_SEGMENTS):
        when = ", ".join(send_time_sql("own", "segments", unit) for unit in ("hour", "weekday"))
        segment = f"cast(scores.{SEGMENT} as string)" if SEGMENT in scores else "''"
        join += f" left join {SEND_PEOPLE} own on own.customer_id = placed.customer_id"
        join += f" left join {SEND_SEGMENTS} segments on segments.segment = {segment}"
    hint = f"cast({f'scores.{_HINT}' if _HINT in scores else 'null'} as string) as content_hint"
    order = "desc" if campaign.rank_by.direction == "highest" else "asc"
    return (
        f"select placed.customer_id as customer_id, {literal(campaign.name)} as campaign,"
        f" {literal(campaign.action)} as action, {literal(campaign.offer_class)} as offer_class,"
        f" placed.score as score, {', '.join(reasons)}, {literal(campaign.channel)} as channel, {when},"
        f" placed.arm as arm, {literal(as_of.label)} as measure_from,"
        f" {literal(as_of.plus_days(campaign.window_days).label)} as measure_until,"
        f" {literal(campaign.definition_hash)} as definition_hash, {literal(run_id)} as run_id, {hint}"
        f" from list_placed placed{join}"
        f" where placed.reason is null and placed.arm {'=' if treated else '<>'} {literal(TREATED)}"
        f" order by placed.score {order} nulls last, placed.customer_id"
    )


def _answered_sql() -> str:
    """The events this list answers, also those of held-out people: none of them is answered again."""
    return (
        "select e.customer_id as customer_id, e.event_key as event_key, e.event_at as event_at from list_trigger e"
        " join list_placed placed on placed.customer_id = e.customer_id where placed.reason is null"
        " order by e.customer_id"
    )


def _manifest(
    result: CampaignResult, settings: ListSettings, as_of: Cutoff, run_id: str, files: dict[str, str]
) -> dict[str, object]:
    campaign, power = result.campaign, result.power
    return {
        "as_of": as_of.label,
        "run_id": run_id,
        "campaign": campaign.model_dump(mode="json"),
        "definition_hash": campaign.definition_hash,
        "status": result.status,
        "reason": result.reason,
        "consent_basis": (
            f"consent for {campaign.purpose} by {campaign.channel}"
            if settings.consent.required
            else settings.consent.basis
        ),
        "measure_from": as_of.label,
        "measure_until": as_of.plus_days(campaign.window_days).label,
        "holdout_share": result.holdout_share,
        "holdout_salt": settings.holdout_salt,
        "rows": {
            "base": result.base,
            "listed": result.listed,
            "held_out": result.held_out,
            "globally_held_out": result.globally_held_out,
            "excluded": result.excluded,
        },
        "changes": dataclasses.asdict(result.changes) if result.changes else None,
        "money": _money(result, settings),
        "expected_conversion": power.base_rate if power else None,
        "smallest_lift": power.smallest_lift if power and math.isfinite(power.smallest_lift) else None,
        "power": power.text if power else "",
        "files": files,
    }


def _money(result: CampaignResult, settings: ListSettings) -> dict[str, object] | None:
    """Costs and expected margins in the base's currency, with what they rest on in the words of the screen."""
    if result.money is None:
        return None
    told = {"text": result.money.text(), "budget_of_the_run": settings.budget}
    return dataclasses.asdict(result.money) | told
