"""What a data scientist types first: a base, snapshots as frames, champions from the registry.

``base = segml.load("configs/completejourney.yaml")`` opens a base; ``base.features("2017-11-06")`` is a snapshot, and
``base.champion("churn").score(base.features())`` a prediction for everybody.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path

import pandas as pd

from segml.config import Config, load_config
from segml.errors import DataError, ModelError, NotEnoughDataError, did_you_mean
from segml.features.plan import FeaturePlan, make_plan
from segml.features.snapshot import snapshot_frame
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.lists import ListsResult, lists_of_base
from segml.pipelines.narration import Narrator, Silent
from segml.pipelines.score import SCORES, ScoreResult, score_base
from segml.pipelines.train import TrainingResult, train_base
from segml.registry.registered import RegisteredModel
from segml.registry.store import ModelStore
from segml.scoring.migration import migration_of_runs
from segml.time_windows import Cutoff


def load(config: str | Path | Config, overrides: Sequence[str] = ()) -> CustomerBase:
    """Open a base: fetch, read, clean and check its tables, or find them unchanged.

    Parameters
    ----------
    config : str, Path or Config
        The configuration file.
    overrides : sequence of str
        ``key.sub=value`` pairs that replace single settings.

    Returns
    -------
    CustomerBase
        Close it, or use it in a ``with`` block, to give memory back.
    """
    return CustomerBase(config if isinstance(config, Config) else load_config(config, overrides))


class CustomerBase:
    """A base that is open: tables, snapshots at any cutoff, champions, scores and lists as frames.

    Parameters
    ----------
    config : Config
        From `segml.load_config`.

    Attributes
    ----------
    config : Config
        Its settings.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._stack = contextlib.ExitStack()
        self._open: OpenBase = self._stack.enter_context(open_base(config, Silent()))

    def __enter__(self) -> CustomerBase:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the engine's memory and files back."""
        self._stack.close()

    def __repr__(self) -> str:
        people = self._open.report.tables["customers"].rows_out
        return f"<CustomerBase {self.config.base}: {people:,} customers, {self.first_day} until {self.observed_until}>"

    @property
    def first_day(self) -> Cutoff:
        """Midnight before the first order."""
        return self._open.first_day

    @property
    def observed_until(self) -> Cutoff:
        """First midnight after the last order; the default cutoff."""
        return self._open.observed_until

    @property
    def table_names(self) -> list[str]:
        """Validated tables of this base."""
        return sorted(self._open.report.tables)

    def cleaning(self) -> pd.DataFrame:
        """Return one row a table and reason: how many rows were left out or added."""
        rows = [
            {"table": name, "reason": reason, "rows": count}
            for name, table in self._open.report.tables.items()
            for reason, count in (
                *table.reasons.items(),
                *((f"added, {k}", v) for k, v in table.added.items()),
            )
        ]
        return pd.DataFrame(rows, columns=["table", "reason", "rows"])

    def table(self, name: str, rows: int = 1_000) -> pd.DataFrame:
        """Return the first rows of a validated table."""
        if name not in self.table_names:
            raise DataError(
                f"this base has no table {name!r}{did_you_mean(name, self.table_names)}",
                f"known: {', '.join(self.table_names)}",
            )
        return self._open.engine.fetch(f"select * from {name} limit {int(rows)}")

    def sql(self, query: str) -> pd.DataFrame:
        """Run a query over the validated tables on the base's engine and return its rows (at most two million)."""
        return self._open.engine.fetch(query)

    @cached_property
    def plan(self) -> FeaturePlan:
        """The champions' features while they are computed as at their training, else those the tables allow."""
        for model in self._champions():
            plan = FeaturePlan.from_dict(model.metadata["plan"])
            if plan.contract == model.feature_contract:
                return plan
        earliest = self.first_day.plus_days(self.config.cutoffs.minimum_history_days)
        return make_plan(self._open.engine, earliest, self.config.features.affinity_categories)

    def features(self, cutoff: str | date | Cutoff | None = None) -> pd.DataFrame:
        """Return the features of everybody known at a cutoff.

        Parameters
        ----------
        cutoff : str, date or Cutoff, optional
            Only rows before this midnight are used; by default the end of the data.

        Returns
        -------
        DataFrame of shape (customers, features)
            Index ``customer_id``; doubles, NaN where something is unknown.
        """
        return snapshot_frame(self._open.engine, self.plan, self._cutoff(cutoff))[0]

    def labels(self, cutoff: str | date | Cutoff, horizons: Sequence[int] = ()) -> pd.DataFrame:
        """Return what happened in `[cutoff, cutoff + horizon)`: orders, spend, silence.

        Parameters
        ----------
        cutoff : str, date or Cutoff
            Same index as `features(cutoff)`.
        horizons : sequence of int
            Days; by default those of the configuration. A window that has not closed has no columns.

        Raises
        ------
        NotEnoughDataError
            None of the windows has closed; the message names the last cutoff that would do.
        """
        day, wanted = self._cutoff(cutoff), tuple(horizons) or self.config.horizons.all_days
        last = self.observed_until.plus_days(-min(wanted))
        if day > last:
            raise NotEnoughDataError(
                f"the {min(wanted)} days from {day} have not passed yet: the data end on {self.observed_until}",
                f"choose a cutoff until {last}",
            )
        return snapshot_frame(self._open.engine, self.plan, day, wanted, self.observed_until)[1]

    def champion(self, task: str) -> RegisteredModel:
        """Return the promoted model of a task that the base's day is scored by; it scores frames of features.

        Raises
        ------
        ModelError
            No model of this task was promoted, or only later than the base's day.
        """
        model = self._store.champion_of_day(self.config.base, task, self._open.as_of.label)
        if model is None and (since := self._store.first_champion_day(self.config.base, task)):
            raise ModelError(
                f"the first champion of {self.config.base} for {task!r} knows what came before {since}, and the"
                f" base's day is {self._open.as_of}",
                f"run `segml train CONFIG --as-of {self._open.as_of}`, which moves no newer champion",
            )
        if model is None:
            names = [n.rpartition(".")[2] for n in self._store.names() if f".{self.config.base}." in n]
            known = [name for name in names if name != task]
            raise ModelError(
                f"{self.config.base} has no champion for {task!r}{did_you_mean(task, known)}",
                "run `segml train CONFIG` and read why each model was promoted or refused",
            )
        return model

    def train(self, narrator: Narrator | None = None) -> TrainingResult:
        """Train, judge and register every model whose inputs have changed; see `segml train`."""
        return train_base(self._open, narrator or Silent())

    def score(self, narrator: Narrator | None = None) -> ScoreResult:
        """Score and tag everybody as of the base's day with the champions; see `segml score`."""
        return score_base(self._open, narrator or Silent())

    def build_lists(self, narrator: Narrator | None = None) -> ListsResult:
        """Build every campaign's list from the scores of the day; see `segml lists`."""
        return lists_of_base(self._open, narrator or Silent())

    def scores(self) -> pd.DataFrame:
        """Return the scores of the base's day, indexed by customer."""
        return self._partition("scores", SCORES).set_index("customer_id")

    def tags(self) -> pd.DataFrame:
        """Return the tags of the base's day, one row a customer and tag."""
        return self._partition("tags", "tags.parquet")

    def migration(self, before: str, after: str, tag: str = "behavioural.segment") -> pd.DataFrame:
        """Return who moved where between two runs, in people and money (`segml.plots.plot_migration` draws it).

        Parameters
        ----------
        before, after : str
            Days that were scored, for example ``"2017-11-06"``.
        tag : str
            ``family.tag`` of one value a person.
        """
        places = [
            tuple(self.config.data_path(stage, f"as_of={day}", file) for day in (before, after))
            for stage, file in (("tags", "tags.parquet"), ("scores", SCORES))
        ]
        for place in places[0]:
            if not place.is_file():
                raise DataError(f"{place} is not there yet", "run `segml score CONFIG` for that day first")
        scores = places[1] if all(place.is_file() for place in places[1]) else None
        return migration_of_runs(self._open.engine, places[0], (tag,), scores)  # type: ignore[arg-type]

    def campaign_list(self, campaign: str) -> pd.DataFrame:
        """Return one campaign's list of the base's day."""
        folder = self.config.data_path("lists", campaign, f"as_of={self._open.as_of.label}")
        return self._read(folder / "list.parquet", "segml lists CONFIG")

    @cached_property
    def _store(self) -> ModelStore:
        return ModelStore(self.config.path(self.config.models_folder))

    def _champions(self) -> Iterator[RegisteredModel]:
        for name in self._store.names():
            _, base, task = name.split(".", 2)
            mine = base == self.config.base
            model = self._store.champion_of_day(base, task, self._open.as_of.label) if mine else None
            if model is not None and "plan" in model.metadata:
                yield model

    def _cutoff(self, cutoff: str | date | Cutoff | None) -> Cutoff:
        return self._open.as_of if cutoff is None else Cutoff.parse(cutoff)

    def _partition(self, stage: str, file: str) -> pd.DataFrame:
        place = self.config.data_path(stage, f"as_of={self._open.as_of.label}", file)
        return self._read(place, "segml score CONFIG")

    @staticmethod
    def _read(place: Path, command: str) -> pd.DataFrame:
        if not place.is_file():
            raise DataError(f"{place} is not there yet", f"run `{command}` first")
        return pd.read_parquet(place)
