"""What every command starts from: validated tables in an engine, and the base's first and last day."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from segml.config import Config
from segml.engine import Engine, open_engine
from segml.engine.duckdb import DuckDBEngine
from segml.errors import ConfigurationError
from segml.features.snapshot import register_tables
from segml.pipelines.narration import Narrator
from segml.sources.identity import FILE as IDENTITY_FILE
from segml.sources.ingest import IngestReport, ingest
from segml.tables.consent import objectors_sql
from segml.tables.diagnostics import Diagnostic, Example
from segml.tables.partition import content_sha256, read_manifest
from segml.time_windows import SECONDS_PER_DAY, Cutoff


@dataclass(frozen=True)
class OpenBase:
    """Validated tables, registered in a running engine.

    Attributes
    ----------
    report : IngestReport
        What ingestion found and left out.
    data_hash : str
        Hash of the validated tables' contents.
    """

    config: Config
    engine: Engine
    report: IngestReport
    data_hash: str

    @property
    def first_day(self) -> Cutoff:
        """Midnight before the first order."""
        return Cutoff(self.report.first_event // SECONDS_PER_DAY)

    @property
    def observed_until(self) -> Cutoff:
        """First midnight after the last order."""
        return Cutoff.after(self.report.last_event)

    @property
    def as_of(self) -> Cutoff:
        """The day that is scored."""
        if not self.config.as_of:
            return self.observed_until
        as_of = Cutoff.parse(self.config.as_of)
        if not self.first_day < as_of:
            raise ConfigurationError(f"as_of {as_of} has no history: the first order is on {self.first_day}")
        late, bound = as_of.day - self.observed_until.day, self.config.horizons.dormancy
        if late > bound:
            raise ConfigurationError(
                f"as_of {as_of} is {late} days after the data end ({self.observed_until}), more than the horizon of"
                f" {bound} days: everybody would look silent",
                f"bring newer orders, or choose a day up to {self.observed_until}",
            )
        return as_of

    @property
    def as_of_remarks(self) -> list[str]:
        """Say so when the day that is scored lies after the data's end; one sentence, or none."""
        late = self.as_of.day - self.observed_until.day
        if late <= 0:
            return []
        return [
            f"as_of {self.as_of} is {late} days after the data end ({self.observed_until}): orders since then are"
            " not known, and count as silence"
        ]

    @property
    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What looks wrong in the files, and the stretches without an order that are long against the horizons."""
        gaps = gap_diagnostic(self.report.gaps, self.config, self.known_until)
        return self.report.diagnostics + ((gaps,) if gaps else ())

    @property
    def known_until(self) -> Cutoff:
        """How far labels may look: the data's end or the day scored, whichever is first."""
        return min(self.observed_until, self.as_of)


def gap_diagnostic(gaps: Sequence[tuple[int, int]], config: Config, until: Cutoff) -> Diagnostic | None:
    """Return the stretches without an order of a third of a horizon or more; None when there are none.

    Parameters
    ----------
    gaps : sequence of (int, int)
        First day without an order, next day with one.
    config : Config
        For the horizons.
    until : Cutoff
        What lies after it is not looked at.
    """
    horizons = config.horizons.model_dump()
    before = [(begin, end) for begin, end in gaps if end <= until.day]
    tasks = [task for task, days in horizons.items() if any(3 * (e - b) >= days for b, e in before)]
    if not tasks:
        return None
    least = min(horizons[task] for task in tasks)
    long = sorted(
        (pair for pair in before if 3 * (pair[1] - pair[0]) >= least), key=lambda pair: pair[0] - pair[1]
    )
    shown = tuple(
        Example(f"from {Cutoff(begin)} to {Cutoff(end - 1)} ({end - begin} days)", end - begin)
        for begin, end in long[:1]
    )
    values = {"gaps": len(long), "tasks": ", ".join(f"{task} ({horizons[task]} days)" for task in tasks)}
    return Diagnostic("days_without_orders", "orders", "ordered_at", examples=shown, values=values)


def willing_sql(base: OpenBase) -> str:
    """Return the condition on `customer_key` that leaves out who objected to profiling by the day scored, or nothing.

    For models that learn from the raw tables; snapshots leave these people out by themselves.
    """
    if not base.engine.exists("consents"):
        return ""
    return f"customer_key not in (select customer_key from ({objectors_sql(base.as_of)}) objectors)"


@contextlib.contextmanager
def open_base(config: Config, narrator: Narrator) -> Iterator[OpenBase]:
    """Fetch, read, clean and check the tables (or find them unchanged) and register them in the engine."""
    with narrator.step("data") as tell:
        with DuckDBEngine(memory=config.memory, threads=config.scoring.threads) as reader:
            report = ingest(config, reader, tell)
        # the line is cut at the screen's edge: what every base has comes first
        names = sorted(report.tables, key=lambda name: (name not in ("customers", "orders"), name))
        tell(", ".join(f"{report.tables[name].rows_out:,} {name}" for name in names))
    with open_engine(config.engine, config.root, config.memory, config.scoring.threads) as engine:
        register_tables(engine, report.folder)
        if report.identity:
            engine.register("identity", report.folder / IDENTITY_FILE)
        manifest = read_manifest(report.folder) or {}
        yield OpenBase(config, engine, report, content_sha256(manifest.get("outputs")))
