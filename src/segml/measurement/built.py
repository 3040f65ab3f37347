"""Lists that were built, found again by their manifests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segml.tables.partition import read_manifest
from segml.time_windows import Cutoff, Window


@dataclass(frozen=True)
class BuiltList:
    """A list that was built: its folder, its window, and the share that was to be held out."""

    folder: Path
    campaign: str
    as_of: Cutoff
    window: Window
    holdout_share: float
    manifest: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Campaign and day, for messages."""
        return f"{self.campaign} of {self.as_of.label}"


def built_lists(folders: Sequence[Path]) -> list[BuiltList]:
    """Find the lists in `folders`: partitions themselves, or any folder above them. Refused ones are left out."""
    found = {}
    for folder in folders:
        for manifest_file in sorted(folder.rglob("manifest.json")):
            manifest = read_manifest(manifest_file.parent) or {}
            if manifest.get("status") != "built" or "measure_until" not in manifest:
                continue
            window = Window(Cutoff.parse(manifest["measure_from"]), Cutoff.parse(manifest["measure_until"]))
            found[manifest_file.parent] = BuiltList(
                manifest_file.parent,
                manifest["campaign"]["name"],
                Cutoff.parse(manifest["as_of"]),
                window,
                float(manifest["holdout_share"]),
                manifest,
            )
    return sorted(found.values(), key=lambda built: (built.as_of, built.campaign))
