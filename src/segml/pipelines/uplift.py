"""`segml uplift`: past lists with a holdout -> whom the next sending would change most, campaign by campaign.

Steps: lists whose window has closed and whose arms can be compared -> features of the list's own day and whether an
order followed -> the ladder of learners -> Qini and tenths on people the learner has not seen -> registry and gate.
Without a holdout that was drawn by lot, or with too few people, a campaign is unavailable, with the reason. Each
person counts once, in the first list of the campaign; segml gives nobody two lists of one day, so every campaign is
compared with its own held-out people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segml.config import Config
from segml.engine import Engine
from segml.engine.keys import arm_sql
from segml.errors import DataError, NotEnoughDataError
from segml.measurement.built import BuiltList, built_lists
from segml.measurement.measure import measure_lists
from segml.measurement.people import HELD_OUT, PEOPLE, TREATED, drop_people, make_people
from segml.pipelines.base import OpenBase, open_base
from segml.pipelines.failures import exit_code_of_all, outcome_of_error
from segml.pipelines.narration import Narrator, Silent
from segml.pipelines.promotion import ModelOutcome, readable_champion, remembered, settle
from segml.pipelines.uplift_verdict import judge_uplift
from segml.registry.fingerprint import fingerprint, learning_code
from segml.registry.store import ModelStore
from segml.tables.outputs import UPLIFT_PREFIX
from segml.tables.partition import read_manifest, writing

if TYPE_CHECKING:
    from segml.registry.runs import TrainingRun

LEARNT_PEOPLE = 100_000  # of one campaign, picked by a hash of the id
FOLDER = "uplift"
_FEATURES = "uplift_features"


@dataclass(frozen=True)
class Experiment:
    """One campaign's past lists as one table of people.

    Attributes
    ----------
    lists : tuple of BuiltList
        Oldest first.
    X : DataFrame, shape (n, features)
        Features of the list's own day, indexed by customer.
    y : array of shape (n,)
        1 with an order in the window.
    treated : array of shape (n,)
        1 listed, 0 held out.
    probability : array of shape (n,)
        Of being listed, as the list's holdout was set.
    as_of : array of shape (n,)
        The list's day.
    contract : str
        Of the features.
    """

    campaign: str
    lists: tuple[BuiltList, ...]
    X: pd.DataFrame
    y: np.ndarray[Any, Any]
    treated: np.ndarray[Any, Any]
    probability: np.ndarray[Any, Any]
    as_of: np.ndarray[Any, Any]
    contract: str


@dataclass(frozen=True)
class UpliftResult:
    """What past lists tell of the next ones.

    Attributes
    ----------
    outcomes : tuple of ModelOutcome
        One a campaign that segml has built lists of.
    metrics, deciles : DataFrame
        Qini, AUUC and uplift by tenth of the learner's score, with intervals, on people it has not seen.
    """

    config: Config
    folder: Path
    outcomes: tuple[ModelOutcome, ...]
    metrics: pd.DataFrame
    deciles: pd.DataFrame

    @property
    def exit_code(self) -> int:
        """0, refusals included; that of the failure when a campaign's learner broke."""
        return exit_code_of_all(self.outcomes)


def uplift(config: Config, narrator: Narrator | None = None) -> UpliftResult:
    """Learn from every campaign whose past lists allow it.

    Raises
    ------
    DataError
        No list was ever built.
    """
    tell = narrator or Silent()
    with open_base(config, tell) as base:
        return uplift_of_base(base, tell)


def uplift_of_base(base: OpenBase, narrator: Narrator) -> UpliftResult:
    """Learn from the lists of a base that is open already."""
    config = base.config
    built = built_lists([config.data_path("lists")]) if config.data_path("lists").is_dir() else []
    if not built:
        raise DataError(
            f"no lists in {config.data_path('lists')}", "run `segml lists CONFIG`, send, and measure first"
        )
    store = ModelStore(config.path(config.models_folder))
    outcomes, frames = [], []
    for campaign in sorted({one.campaign for one in built}):
        with narrator.step(campaign) as tell:
            outcome, made = _campaign(base, store, [one for one in built if one.campaign == campaign])
            outcomes.append(outcome)
            frames += made
            tell(outcome.status)
    folder = config.data_path("measured", FOLDER)
    metrics, deciles = (
        pd.concat([frame for name, frame in frames if name == kind], ignore_index=True)
        if any(name == kind for name, _ in frames)
        else pd.DataFrame()
        for kind in ("metrics", "deciles")
    )
    verdicts = pd.DataFrame([_verdict_row(outcome) for outcome in outcomes])
    with writing(folder) as temporary:
        for name, table in (("metrics", metrics), ("deciles", deciles), ("verdicts", verdicts)):
            if len(table):
                table.to_parquet(temporary / f"{name}.parquet", index=False)
    return UpliftResult(config, folder, tuple(outcomes), metrics, deciles)


def _verdict_row(outcome: ModelOutcome) -> dict[str, Any]:
    return {
        "task": outcome.task,
        "status": outcome.status,
        "grade": outcome.grade,
        "version": outcome.version,
        "reason": " ".join(outcome.reasons),
    }


def _campaign(
    base: OpenBase, store: ModelStore, lists: Sequence[BuiltList]
) -> tuple[ModelOutcome, list[tuple[str, pd.DataFrame]]]:
    config, task = base.config, UPLIFT_PREFIX + lists[0].campaign
    try:
        experiment = gather(base, lists)
        mark = _fingerprint(base, experiment)
        version = store.version_with_fingerprint(config.base, task, mark)
        kept = _kept_frames(config.data_path("measured", FOLDER), experiment.campaign)
        known = None if version is None else remembered(store, config.base, task, version)
        if known is not None and kept:
            return known, kept
        trained, frames = judge_uplift(
            base, experiment, readable_champion(store, config.base, task, base.as_of)
        )
        if known is not None:
            return known, frames
        tags = {"as_of": base.as_of.label, "data": base.data_hash, "feature_contract": experiment.contract}
        with store.training_run(config.base, f"uplift {base.as_of}", tags) as run:
            return _settled(base, store, run, trained, mark, experiment), frames
    except (NotEnoughDataError, DataError) as error:
        return ModelOutcome(task, "unavailable", reasons=(error.message,)), []
    except Exception as error:
        return outcome_of_error(config, base.as_of.label, task, error), []


def _kept_frames(folder: Path, campaign: str) -> list[tuple[str, pd.DataFrame]]:
    """Return the tables of a campaign that the last run left; none when one of them is missing."""
    frames = []
    for kind in ("metrics", "deciles"):
        file = folder / f"{kind}.parquet"
        whole = pd.read_parquet(file) if file.is_file() else pd.DataFrame({"campaign": []})
        frames.append((kind, whole[whole["campaign"] == campaign]))
    return frames if all(len(frame) for _, frame in frames) else []


def _settled(
    base: OpenBase, store: ModelStore, run: TrainingRun, trained: Any, mark: str, experiment: Experiment
) -> ModelOutcome:
    """Its cutoff is the last list's day, and what it knows are the orders until the last window's end."""
    ends = max(built.window.end for built in experiment.lists)
    known = min(ends, base.observed_until).label
    return settle(store, run, trained, mark, experiment.contract, experiment.lists[-1].as_of.label, known)


def _fingerprint(base: OpenBase, experiment: Experiment) -> str:
    people = pd.util.hash_pandas_object(experiment.X, index=True).to_numpy()
    made_from = [experiment.campaign, experiment.contract, base.config.seed, int(people.sum() % 2**53)]
    sums = [
        float(experiment.y.sum()),
        float(experiment.treated.sum()),
        float(experiment.y @ experiment.treated),
    ]
    return fingerprint([*made_from, *sums, learning_code(("segml.pipelines.uplift",))])


def gather(base: OpenBase, lists: Sequence[BuiltList]) -> Experiment:
    """Put the comparable lists of one campaign together.

    Raises
    ------
    DataError
        None of them can be compared, with each list's own reason.
    """
    usable, why = _usable(base, lists)
    if not usable:
        raise DataError(
            "; ".join(why), "hold out a random part of the audience and wait until the window ends"
        )
    contract = str((read_manifest(usable[-1][1].parent) or {}).get("contract", ""))
    frames = []
    for built, features in usable:
        if str((read_manifest(features.parent) or {}).get("contract", "")) == contract:
            frames.append(_people(base.engine, built, features).assign(list_day=built.as_of.label))
    whole = pd.concat(frames).drop_duplicates("customer_id").sort_values("customer_id", ignore_index=True)
    whole = whole.set_index("customer_id")
    told = ("arm", "buyer", "chance", "list_day")
    X = whole.drop(columns=list(told))
    return Experiment(
        lists[0].campaign,
        tuple(built for built, _ in usable),
        X.loc[:, X.max() > X.min()],
        whole["buyer"].to_numpy(dtype=np.float64),
        (whole["arm"] == TREATED).to_numpy(dtype=np.int64),
        whole["chance"].to_numpy(dtype=np.float64),
        whole["list_day"].to_numpy(dtype=object),
        contract,
    )


def _usable(base: OpenBase, lists: Sequence[BuiltList]) -> tuple[list[tuple[BuiltList, Path]], list[str]]:
    """Lists whose arms may be compared and whose day's features are still there; and why the others are not used."""
    config = base.config
    usable, why = [], []
    for built in lists:
        row = measure_lists(
            base.engine, [built.folder], base.observed_until, config.lists.minimum_cell
        ).frame.iloc[0]
        place = config.data_path("features", f"cutoff={built.as_of.label}", "features")
        if row["status"] != "measured":
            why.append(f"{built.name}: {row['statement']}")
        elif not place.exists():
            why.append(f"{built.name}: the features of that day are not there any more")
        else:
            usable.append((built, place))
    return usable, why


def _people(engine: Engine, built: BuiltList, features: Path) -> pd.DataFrame:
    make_people(engine, built, net_of_returns=False)
    engine.register(_FEATURES, features)
    kinds = engine.fetch(f"select * from {_FEATURES} where false", 1).dtypes
    numbers = [str(name) for name, kind in kinds.items() if kind.kind in "fiu"]
    people = int(engine.value(f"select count(*) from {PEOPLE}") or 0)
    limit = 10_000 if people <= LEARNT_PEOPLE else int(10_000 * LEARNT_PEOPLE / people)
    picked = f" and {arm_sql('uplift', built.campaign, 'p.customer_id')} < {limit}" if limit < 10_000 else ""
    frame = engine.fetch(
        f"select p.customer_id as customer_id, p.arm as arm, p.buyer as buyer,"
        f" {', '.join(f'f.{name} as {name}' for name in numbers)} from {PEOPLE} p"
        f" join {_FEATURES} f on f.customer_id = p.customer_id"
        f" where p.arm in ('{TREATED}', '{HELD_OUT}'){picked} order by p.customer_id",
        2 * LEARNT_PEOPLE,
    )
    drop_people(engine)
    engine.drop(_FEATURES)
    return frame.assign(chance=1 - built.holdout_share)
