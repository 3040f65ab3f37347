"""`segml lists`: scores and tags of the day -> campaign lists, holdouts, and a reason for everybody who is on none."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segml.campaigns.catalogue import load_campaigns
from segml.campaigns.export import ExportResult, ListExport
from segml.campaigns.export.tables import export_lists
from segml.campaigns.list_files import list_folder
from segml.campaigns.lists import build_lists
from segml.campaigns.results import ListsReport
from segml.campaigns.suppressions import Suppressions, read_suppressions
from segml.config import Config
from segml.config.reading import validated
from segml.errors import ConfigurationError, DataError
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.loyalty import register_loyalty
from segml.pipelines.narration import Narrator, Silent
from segml.pipelines.score import SCORES
from segml.scoring.tags import load_tags
from segml.sources.identity import FILE as IDENTITY
from segml.tables.partition import content_sha256, read_manifest
from segml.time_windows import Cutoff


@dataclass(frozen=True)
class ListsResult:
    """The lists of one day.

    Attributes
    ----------
    folder : Path
        One folder a campaign below it.
    exports : dict of Path to results
        Folder of a list -> its files for platforms, as far as its campaign asks for any.
    """

    config: Config
    as_of: Cutoff
    folder: Path
    report: ListsReport
    exports: dict[Path, list[ExportResult]] = field(default_factory=dict)


def lists(config: Config, narrator: Narrator | None = None) -> ListsResult:
    """Build every campaign's list from the scores of the day."""
    tell = narrator or Silent()
    with open_base(config, tell) as base:
        return lists_of_base(base, tell)


def lists_of_base(base: OpenBase, narrator: Narrator) -> ListsResult:
    """Build the lists of a base that is open already."""
    config = base.config
    common_exports(config)
    manifest = register_day(base)
    campaigns = load_campaigns(config.path(config.lists.folder))
    definitions = [campaign.model_dump(mode="json") for campaign in campaigns]
    suppressed = register_suppressions(base)
    inputs = [manifest, definitions, config.lists.model_dump(mode="json"), base.data_hash]
    run_id = content_sha256([*inputs, suppressed.digest] if suppressed else inputs)[:16]
    folder = config.data_path("lists")
    with narrator.step("lists") as tell:
        report = build_lists(
            base.engine,
            campaigns,
            config.lists,
            base.as_of,
            run_id,
            folder,
            load_tags(config.tag_files()).values(),
        )
        report = dataclasses.replace(
            report,
            warnings=(*base.as_of_remarks, *report.warnings, *([suppressed.text] if suppressed else [])),
        )
        built = [each for each in report.campaigns if each.status == "built"]
        others = len(report.campaigns) - len(built)
        tell(
            f"{sum(each.listed for each in built):,} places on {len(built)} lists"
            + (f", {others} not built" if others else "")
        )
    return ListsResult(config, base.as_of, folder, report, _exports(base, report, folder, narrator))


def register_suppressions(base: OpenBase) -> Suppressions | None:
    """Register the people of `lists.suppressions` as the table ``suppressions``; None when no file is named.

    Raises
    ------
    ConfigurationError
        A pattern that no file fits.
    DataError
        Every mistake of every file at once.
    """
    config = base.config
    files: list[Path] = []
    for pattern in config.lists.suppressions:
        found = sorted(config.root.glob(pattern))
        if not found:
            raise ConfigurationError(
                f"lists.suppressions: no file fits {pattern!r}",
                "correct the path; nothing is sent without it",
            )
        files += [file for file in found if file not in files]
    if not files:
        return None
    customers = base.report.folder / "customers.parquet"
    records = base.report.folder / IDENTITY
    merged = records if records.is_file() else None
    suppressed = read_suppressions(files, customers, config.lists.unknown_country, merged)
    base.engine.register("suppressions", suppressed.people)
    return suppressed


def register_day(base: OpenBase) -> dict[str, Any]:
    """Register scores, tags, features and loyalty points of the day; return the manifest of the scores.

    Raises
    ------
    DataError
        The day was not scored.
    """
    config, day = base.config, f"as_of={base.as_of.label}"
    scores, tags = config.data_path("scores", day), config.data_path("tags", day)
    snapshot = config.data_path("features", f"cutoff={base.as_of.label}")
    manifest = read_manifest(scores)
    if manifest is None:
        raise DataError(f"no scores as of {base.as_of}", "run `segml score CONFIG` first")
    labels = [str(model["label"]) for model in manifest.get("models", {}).values()]
    if later := [label for label in labels if label.rpartition("@")[2] > base.as_of.label]:
        raise DataError(
            f"the scores as of {base.as_of} were made by models of a later day: {', '.join(later)}",
            f"run `segml score CONFIG --as-of {base.as_of}`: that day's own champions score it",
        )
    for name, place in (
        ("scores", scores / SCORES),
        ("tags", tags / "tags.parquet"),
        ("features", snapshot / "features"),
    ):
        base.engine.register(name, place)
    register_loyalty(base)
    return manifest


def common_exports(config: Config) -> tuple[ListExport, ...]:
    """Read `lists.exports`: what is made of every list. Consent is that of the lists unless an export says otherwise.

    Raises
    ------
    ConfigurationError
        Settings that are unknown or don't fit their platform, or advertising, which takes an audience of its own.
    """
    exports = []
    for place, given in enumerate(config.lists.exports):
        where = f"lists.exports[{place}]"
        export = validated(ListExport, {"consent": config.lists.consent.model_dump()} | given, where)
        if export.known_platform.advertising:
            raise ConfigurationError(
                f"{where}: {export.platform} files are made of an audience for advertising only",
                "write a campaign with purpose: ads_sharing and its own exports",
            )
        exports.append(export)
    return tuple(exports)


def exports_of(
    own: Sequence[ListExport], channel: str, purpose: str, common: Sequence[ListExport]
) -> tuple[ListExport, ...]:
    """Return a campaign's own exports, or those of all lists that go by its channel; seeds have only their own."""
    if own or purpose == "ads_sharing":
        return tuple(own)
    return tuple(export for export in common if export.channel == channel)


def _exports(
    base: OpenBase, report: ListsReport, folder: Path, narrator: Narrator
) -> dict[Path, list[ExportResult]]:
    common = common_exports(base.config)
    wanted = {
        list_folder(folder, each.campaign.name, base.as_of): chosen
        for each in report.campaigns
        if each.status == "built"
        and (
            chosen := exports_of(each.campaign.exports, each.campaign.channel, each.campaign.purpose, common)
        )
    }
    if not wanted:
        return {}
    config = base.config
    with narrator.step("exports") as tell:
        exports = export_lists(base.engine, wanted, base.as_of, folder, config.memory, config.scoring.threads)
        made = [result for each in exports.values() for result in each]
        tell(f"{sum(result.rows for result in made):,} rows in {len(made)} exports")
    return exports
