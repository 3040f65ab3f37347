"""`segml run`: the main job, from files to lists: data, train, score, lists, exports, one person explained, report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from segml.config import Config
from segml.pipelines.base import open_base
from segml.pipelines.data import DataResult, data_result
from segml.pipelines.explain import ExplainResult, explain_in_base, first_listed
from segml.pipelines.failures import exit_code_of_all
from segml.pipelines.lists import ListsResult, common_exports, lists_of_base
from segml.pipelines.measure import measure_base
from segml.pipelines.narration import Narrator, Silent
from segml.pipelines.report import FACTS, write_report
from segml.pipelines.score import ScoreResult, score_base
from segml.pipelines.train import TrainingResult, train_base
from segml.registry.reports import keep_report
from segml.registry.store import ModelStore


@dataclass(frozen=True)
class RunResult:
    """Everything one run did, for the last screen.

    Attributes
    ----------
    example : ExplainResult, optional
        The first person of the first list, explained; None when no list was built.
    """

    config: Config
    data: DataResult
    training: TrainingResult
    scores: ScoreResult
    lists: ListsResult
    report: Path
    example: ExplainResult | None = None

    @property
    def exit_code(self) -> int:
        """0, refusals included; that of the failure when a task broke on the way."""
        return exit_code_of_all((*self.training.outcomes, *self.scores.failed))


def run(config: Config, narrator: Narrator | None = None) -> RunResult:
    """Do everything for one base; what has not changed is not done again."""
    tell = narrator or Silent()
    common_exports(config)  # a mistake in them is told before an hour of training, not after
    with open_base(config, tell) as base:
        data = data_result(base)
        training = train_base(base, tell)
        scores = score_base(base, tell)
        lists = lists_of_base(base, tell)
        first = first_listed(base.engine, lists.report, lists.folder)
        example = explain_in_base(base, first) if first else None
        measured = measure_base(base, tell)
        with tell.step("report"):
            report = write_report(data, training, scores, lists, measured)
            store = ModelStore(config.path(config.models_folder))
            keep_report(store, config.base, scores.as_of.label, (report, report.with_name(FACTS)))
    return RunResult(config, data, training, scores, lists, report, example)
