"""`segml data`: fetch, read, clean and check the tables; everything else starts from what this writes."""

from __future__ import annotations

from dataclasses import dataclass

from segml.config import Config
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.narration import Narrator, Silent
from segml.sources.ingest import IngestReport
from segml.tables.diagnostics import Diagnostic
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
    diagnostics : tuple of Diagnostic
        What looks wrong in the files and is no error.
    """

    config: Config
    report: IngestReport
    first_day: Cutoff
    observed_until: Cutoff
    diagnostics: tuple[Diagnostic, ...] = ()


def data(config: Config, narrator: Narrator | None = None) -> DataResult:
    """Bring a base's tables up to date and tell what is in them."""
    with open_base(config, narrator or Silent()) as base:
        return data_result(base)


def data_result(base: OpenBase) -> DataResult:
    """Return what is in the tables of an open base."""
    return DataResult(base.config, base.report, base.first_day, base.observed_until, base.diagnostics)
