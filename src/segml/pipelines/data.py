"""`segml data`: fetch, read, clean and check the tables; everything else starts from what this writes."""

from __future__ import annotations

from dataclasses import dataclass

from segml.config import Config
from segml.pipelines.base import open_base
from segml.pipelines.narration import Narrator, Silent
from segml.sources.ingest import IngestReport
from segml.time_windows import Cutoff


@dataclass(frozen=True)
class DataResult:
    """Tables as they are now.

    Attributes
    ----------
    report : IngestReport
        Rows in, rows out, and why the others are not there.
    first_day, observed_until : Cutoff
        Ends of the order history, `[first_day, observed_until)`.
    """

    config: Config
    report: IngestReport
    first_day: Cutoff
    observed_until: Cutoff


def data(config: Config, narrator: Narrator | None = None) -> DataResult:
    """Bring a base's tables up to date and tell what is in them."""
    with open_base(config, narrator or Silent()) as base:
        return DataResult(config, base.report, base.first_day, base.observed_until)
