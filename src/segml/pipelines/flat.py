"""The main job on a flat table: read, check, train, judge, register, score, list.

The same gate, registry, reasons and cards as for a shop's own tables; what needs orders (cutoffs, segments, lifetime
value, contact caps, measurement) is unavailable, and said so. Rows the model is judged on are held out by a hash of the
customer's id, or, where the table tells when a row was drawn, they are the latest.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segml.campaigns.export.generic import write_csv
from segml.campaigns.holdout import HELD_OUT, TREATED
from segml.errors import ConfigurationError, DataError, ModelError, NotEnoughDataError
from segml.evaluation.calibration import gains_frame, reliability_frame
from segml.evaluation.comparison import PairedDifference, paired_difference
from segml.evaluation.metrics import classification_report_frame
from segml.models.flat import FlatTask, censoring_weights
from segml.models.flat_columns import FlatEncoder, SingleColumnRule, single_column_rules
from segml.pipelines.narration import Narrator, Silent
from segml.pipelines.offer import offer_metrics, offer_of, offer_plots
from segml.pipelines.promotion import ModelOutcome, Trained, readable_champion, remembered, settle
from segml.registry.fingerprint import feature_contract, fingerprint, learning_code
from segml.registry.floor import DataCounts, DataFloor, check_floor
from segml.registry.gate import GateRules, decide
from segml.registry.registered import RegisteredModel
from segml.registry.store import ModelStore
from segml.sources.flat import FlatConfig, FlatTable, consent_of, keyed_shares, read_flat
from segml.tables.partition import content_sha256, read_manifest, write_manifest, writing
from segml.time_windows import Cutoff

SUSPICIOUS_AUC = 0.98
IS_THE_LABEL = 0.9999
_UNAVAILABLE = {
    "measure": "lists of a flat table can't be measured: it holds no orders that follow them",
    "uplift": "what a contact changes is learnt from lists and the orders after them: a flat table holds none",
    "explain": "a flat table has one list and one model: the list's row bears the person's reasons",
    "erase": "a flat table is read anew each time: take the person out of the file and run again",
    "backtest": "a table drawn once has one cutoff, so there is nothing to go back to",
    "report": "the page tells of orders and segments, which a flat table does not hold; the model's card and plots are "
    "in the registry (make ui)",
}
_EXAMPLE_ROWS = 200


@dataclass(frozen=True)
class FlatResult:
    """What was done with a flat table; fields are empty where a command stops earlier.

    Attributes
    ----------
    rows, labelled, positives : int
    notes : tuple of str
        What was found in the table and left out, and what is suspicious.
    missing : tuple of str
        Sentences of the floor.
    outcome : ModelOutcome, optional
    scores : Path, optional
    scored : int
    scored_what : str
        Which rows were scored.
    listed, held_out : int
    list_folder : Path, optional
    """

    config: FlatConfig
    rows: int
    labelled: int
    positives: int
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    outcome: ModelOutcome | None = None
    scores: Path | None = None
    scored: int = 0
    scored_what: str = ""
    model: str = ""
    listed: int = 0
    held_out: int = 0
    list_folder: Path | None = None
    unavailable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Split:
    """Rows with a known outcome, those learnt from and those judged on.

    Attributes
    ----------
    outcome, weight : Series
        Over all rows; weight 0 is unknown.
    train, test : ndarray of bool
    how : str
        In words.
    """

    outcome: pd.Series
    weight: pd.Series
    train: Any
    test: Any
    how: str

    @property
    def known(self) -> Any:
        """Rows whose outcome is known."""
        return self.train | self.test


def run_flat(command: str, config: FlatConfig, narrator: Narrator | None = None) -> FlatResult:
    """Run one command on a flat table.

    Raises
    ------
    ConfigurationError
        The command needs tables that a flat table can't give; the message says which.
    """
    if command in _UNAVAILABLE:
        raise ConfigurationError(
            _UNAVAILABLE[command], "segml run CONFIG does everything a flat table allows"
        )
    tell = narrator or Silent()
    with tell.step("table") as say:
        table = read_flat(config)
        split = split_rows(config, table)
        result = _described(config, table, split)
        say(
            f"{result.rows:,} rows, {result.labelled:,} with a known outcome, {result.positives:,} of them positive"
        )
    if command in ("train", "run"):
        with tell.step(config.task) as say:
            result = train_flat(config, table, split, result)
            say(result.outcome.status if result.outcome else "")
    if command in ("score", "run"):
        with tell.step("scores") as say:
            result = score_flat(config, table, split, result, must=command == "score")
            say(f"{result.scored:,} customers")
    if command in ("lists", "run"):
        with tell.step("list") as say:
            result = list_flat(config, result)
            say(f"{result.listed:,} people")
    return result


def split_rows(config: FlatConfig, table: FlatTable) -> Split:
    """Set the rows aside that models are judged on, and tell the outcome of a duration."""
    outcome, weight = table.outcome, table.outcome.notna().astype(float)
    if table.duration is not None and config.flat.duration is not None:
        known = (table.outcome.notna() & table.duration.notna()).to_numpy()
        y, w = np.full(len(known), np.nan), np.zeros(len(known))
        y[known], w[known] = censoring_weights(
            table.duration[known], table.outcome[known], config.flat.duration.horizon
        )
        outcome, weight = pd.Series(y, table.outcome.index), pd.Series(w, table.outcome.index)
    known = (weight > 0).to_numpy()
    if table.drawn is not None:
        border = float(table.drawn[known].quantile(1 - config.test_share)) if known.any() else 0.0
        later = (table.drawn >= border).to_numpy()
        how = f"the rows drawn on or after {Cutoff(int(border))}"
    else:
        later = (table.shares < round(config.test_share * 10_000)).to_numpy()
        how = f"a share of {config.test_share:.0%} by a hash of the id"
    return Split(outcome, weight, known & ~later, known & later, how)


def _described(config: FlatConfig, table: FlatTable, split: Split) -> FlatResult:
    known = split.outcome[split.known]
    floor = config.gate.floor
    positives = int(known.sum())
    counts = DataCounts(len(known), 1, 1, positives, len(known) - positives)
    least = DataFloor(floor.customers, floor.positives, floor.negatives, history_per_horizon=1)
    return FlatResult(
        config,
        rows=len(table.features),
        labelled=len(known),
        positives=positives,
        notes=tuple(table.notes),
        missing=tuple(check_floor(counts, least)),
        unavailable={
            "segments, lifetime value, lifecycle": "they need orders",
            "contact caps and quiet days": "they need the history of what was sent",
        },
    )


def train_flat(config: FlatConfig, table: FlatTable, split: Split, result: FlatResult) -> FlatResult:
    """Fit, hold against the best single column and the champion on held-out rows, register, promote or refuse."""
    if result.missing:
        return replace(result, outcome=ModelOutcome(config.task, "unavailable", reasons=result.missing))
    store = ModelStore(config.path(config.models_folder))
    settings = config.model_dump(
        mode="json", include={"flat", "task", "as_of", "seed", "test_share", "gate", "offer"}
    )
    mark = fingerprint([settings, table.digest, learning_code(("segml.pipelines.flat",))])
    version = store.version_with_fingerprint(config.base, config.task, mark)
    known = None if version is None else remembered(store, config.base, config.task, version)
    if known is not None:
        return replace(result, outcome=known, notes=(*result.notes, *known.notes))
    champion = readable_champion(store, config.base, config.task, Cutoff.parse(config.as_of))
    try:
        trained = judge_flat(config, table, split, champion)
    except NotEnoughDataError as error:
        return replace(result, outcome=ModelOutcome(config.task, "unavailable", reasons=(error.message,)))
    contract = contract_of(trained.model.encoder_)
    with store.training_run(config.base, f"train {config.as_of}", {"as_of": config.as_of}, settings) as run:
        run.log_dataset_hashes({"flat": table.digest[:64]})
        outcome = settle(store, run, trained, mark, contract, config.as_of)
    return replace(result, outcome=outcome, notes=(*result.notes, *outcome.notes))


def contract_of(encoder: FlatEncoder) -> str:
    """Hash of the columns a model reads and how it reads them."""
    return feature_contract({name: "number" if encoder.is_number(name) else "text" for name in encoder.names})


def judge_flat(
    config: FlatConfig, table: FlatTable, split: Split, champion: RegisteredModel | None
) -> Trained:
    """Fit a model on the training rows and judge it on the others.

    Raises
    ------
    DataError
        A column is the label under another name.
    """
    train, test = split.train, split.test
    X, y, w = table.features[train], split.outcome[train].to_numpy(), split.weight[train].to_numpy()
    model = FlatTask(
        config.task, categorical=config.flat.categorical, random_state=config.seed, num_threads=config.threads
    )
    encoder = FlatEncoder.learn(X, config.flat.categorical)
    rules = single_column_rules(X, y, encoder)
    suspicions = suspicious_columns(rules)
    model.fit(X, y, None if (w == 1).all() else w)
    held, outcome = table.features[test], split.outcome[test].to_numpy()
    probability = model.score(held)[f"{config.task}_probability"].to_numpy()
    baseline, name, against = _harder_rule(config, rules[0], held, outcome, probability)
    against_champion, notes = _versus(config, champion, held, outcome, probability)
    report = classification_report_frame(outcome, {"model": probability, "naive rule": baseline})
    metrics = {str(metric): float(value) for metric, value in report["model"].items()}
    metrics |= {"baseline_auc": against.second} | offer_metrics(config.offer, outcome, probability)
    rules_of_gate = GateRules("auc", tolerance=config.gate.champion_tolerance)
    return Trained(
        model=model,
        decision=decide(metrics, against, against_champion, rules_of_gate),
        metric="auc",
        metrics=metrics,
        difference=against,
        against_champion=against_champion,
        baseline_name=name,
        example=held.head(_EXAMPLE_ROWS),
        facts=_facts(config, model, split, suspicions),
        notes=[*suspicions, *model.notes_, *notes, *_lost_from_sight(config, split)],
        params={"columns": len(model.feature_names_in_), "test": split.how},
        frames={"metrics": report, "reliability": reliability_frame(outcome, probability)},
        plots=_plots(config, outcome, {"model": probability, name: baseline}, model, held),
    )


def suspicious_columns(rules: list[SingleColumnRule]) -> list[str]:
    """Return a sentence for each column that alone is too good to be true.

    Raises
    ------
    DataError
        A column that alone tells the outcome of every row: it is the outcome.
    """
    same = [rule.column for rule in rules if rule.auc >= IS_THE_LABEL]
    if same:
        raise DataError(
            f"{', '.join(same)} alone tell{'s' if len(same) == 1 else ''} the outcome of every row: this is the label, "
            "or was written after it",
            "put it under `flat.exclude`",
        )
    return [
        f"the column {rule.column} alone gives AUC {rule.auc:.3f}: if it is known only after the outcome, put it under "
        "`flat.exclude`; segml does not guess"
        for rule in rules
        if rule.auc >= SUSPICIOUS_AUC
    ]


def _harder_rule(
    config: FlatConfig, rule: SingleColumnRule, held: pd.DataFrame, outcome: Any, probability: Any
) -> tuple[Any, str, PairedDifference]:
    """Return the naive rule that does better on these rows: the best single column, or the same rate for all."""
    alone = rule.predict(held)
    against = _compare(config, outcome, probability, alone)
    if against.second > 0.5:
        return alone, f"the column {rule.column} alone", against
    same = np.full(len(outcome), rule.rates["other"])
    return same, "the same rate for everybody", _compare(config, outcome, probability, same)


def _compare(config: FlatConfig, outcome: Any, first: Any, second: Any) -> PairedDifference:
    return paired_difference(
        outcome, first, second, "auc", draws=config.gate.bootstraps, seed=config.seed + 20_260_101
    )


def _versus(
    config: FlatConfig, champion: RegisteredModel | None, held: pd.DataFrame, outcome: Any, probability: Any
) -> tuple[PairedDifference | None, list[str]]:
    if champion is None:
        return None, []
    try:
        score = champion.score(held)[f"{config.task}_probability"].to_numpy()
    except (ModelError, KeyError) as error:
        return None, [f"not compared with the champion {champion.label}: {str(error).splitlines()[0]}"]
    return _compare(config, outcome, probability, score), []


def _lost_from_sight(config: FlatConfig, split: Split) -> list[str]:
    if config.flat.duration is None:
        return []
    lost = int((~split.known).sum())
    return [
        f"{lost:,} customers were lost from sight before the horizon: learnt through the others' weights, and left out "
        "of what is judged"
    ]


def _facts(config: FlatConfig, model: FlatTask, split: Split, suspicions: list[str]) -> dict[str, Any]:
    duration = config.flat.duration
    what = f"the probability of {config.task}" + (f" within {duration.horizon:g}" if duration else "")
    return {
        "predicts": f"{what}, for each row of the table",
        "population": "rows of the table; the label and what follows from it are not read",
        "data_from": config.as_of,
        "data_until": config.as_of,
        "training_cutoffs": [config.as_of],
        "test_cutoff": f"{config.as_of} ({split.how})",
        "customers": int(split.test.sum()),
        "features": {
            name: "number" if model.encoder_.is_number(name) else "text" for name in model.feature_names_in_
        },
        "limits": [
            "a table drawn once can't show whether the model holds next season",
            "a probability of leaving, not of responding to a message: that takes a randomised holdout",
            *suspicions,
        ],
    }


def _plots(
    config: FlatConfig, outcome: Any, scores: dict[str, Any], model: FlatTask, held: pd.DataFrame
) -> dict[str, Any]:
    from segml.evaluation import plots
    from segml.models.reasons import reason_summary_frame

    drawings: dict[str, Any] = {
        "reliability": lambda ax: plots.plot_reliability(reliability_frame(outcome, scores["model"]), ax=ax),
        "gains": lambda ax: plots.plot_gains(gains_frame(outcome, scores), ax=ax),
        "reasons": lambda ax: plots.plot_reason_summary(
            reason_summary_frame(model.contributions(held)), ax=ax
        ),
    }
    return drawings | offer_plots(config.offer, config.currency, outcome, scores)


def score_flat(
    config: FlatConfig, table: FlatTable, split: Split, result: FlatResult, must: bool
) -> FlatResult:
    """Score the customers whose outcome is not known yet, with three reasons each."""
    store = ModelStore(config.path(config.models_folder))
    champion = store.champion_of_day(config.base, config.task, config.as_of)
    if champion is None:
        if must:
            since = store.first_champion_day(config.base, config.task)
            raise ModelError(
                f"no {config.task} model of {config.base} was promoted "
                + (f"for {config.as_of}: the first is of {since}" if since else "yet"),
                "run `segml train CONFIG` for that day and read why it was refused",
            )
        return result
    features, what = _rows_to_score(config, table, split)
    scores = champion.score(features)
    name = f"{config.task}_probability"
    rate = result.positives / max(result.labelled, 1)
    probability = scores[name].to_numpy()
    percentile = np.ceil(100 * scores[name].rank(method="max") / len(scores)).astype("int8")
    band = np.where(probability >= 2 * rate, "high", np.where(probability >= rate, "raised", "low"))
    scores = scores.assign(
        **{f"{config.task}_percentile": percentile, f"{config.task}_band": band},
    )
    scores.insert(0, "as_of", config.as_of)
    scores = pd.concat([scores, champion.model.reasons(features)], axis=1)
    scores[f"{config.task}_model_version"] = champion.label
    folder = config.data_path("scores", f"as_of={config.as_of}")
    with writing(folder) as temporary:
        scores.reset_index().to_parquet(temporary / "scores.parquet", index=False)
        write_manifest(
            temporary,
            {
                "as_of": config.as_of,
                "data": table.digest,
                "models": {config.task: {"label": champion.label, "fingerprint": champion.fingerprint}},
                "rows_out": len(scores),
                "scored": what,
            },
        )
    return replace(result, scores=folder, scored=len(scores), scored_what=what, model=champion.label)


def _rows_to_score(config: FlatConfig, table: FlatTable, split: Split) -> tuple[pd.DataFrame, str]:
    if config.flat.score_files:
        fresh = read_flat(config, config.flat.score_files, labelled=False)
        return fresh.features, "the customers in `flat.score_files`"
    unknown = ~split.known
    if unknown.any():
        return table.features[unknown], "rows whose outcome is not known yet"
    return table.features[split.test], (
        "the held-out rows, because every row has an outcome already; name new customers in `flat.score_files`"
    )


def list_flat(config: FlatConfig, result: FlatResult) -> FlatResult:
    """Put the likeliest to leave on one list, with a holdout; consent first."""
    settings, folder = config.list, config.data_path("scores", f"as_of={config.as_of}")
    manifest = read_manifest(folder)
    if manifest is None:
        if result.outcome is not None and result.outcome.status not in ("promoted", "passed"):
            return result
        raise DataError(f"no scores as of {config.as_of}", "run `segml score CONFIG` first")
    scores = pd.read_parquet(folder / "scores.parquet").set_index("customer_id")
    allowed = consent_of(config, scores.index, config.flat.score_files or config.flat.files)
    if allowed is not None:
        scores = scores[allowed.to_numpy()]
    name = f"{config.task}_probability"
    scores = scores.assign(_id=scores.index).sort_values([name, "_id"], ascending=[False, True])
    chosen = scores.head(round(_share_to_list(config, scores[name].to_numpy()) * len(scores)))
    if len(chosen) < settings.minimum_list:
        reason = f"{len(chosen)} people, and a list has at least {settings.minimum_list}"
        return replace(result, unavailable={**result.unavailable, f"the list {settings.name}": reason})
    shares = keyed_shares(chosen.index, settings.holdout_salt, settings.name)
    held = (shares < round(settings.holdout * 10_000)).to_numpy()
    frame = _list_rows(config, chosen, name, held, content_sha256([manifest, settings.model_dump()])[:16])
    target = config.data_path("lists", settings.name, f"as_of={config.as_of}")
    with writing(target) as temporary:
        frame[~held].to_parquet(temporary / "list.parquet", index=False)
        frame[held].to_parquet(temporary / "holdout.parquet", index=False)
        write_csv(temporary / "list.parquet", temporary / "list.csv", ("reason_1", "reason_2", "reason_3"))
        basis = settings.consent.basis or f"the column {settings.consent_column}"
        facts = {"listed": int((~held).sum()), "held_out": int(held.sum()), "consent_basis": basis}
        write_manifest(temporary, {"as_of": config.as_of, "campaign": settings.name, **facts})
    return replace(result, listed=int((~held).sum()), held_out=int(held.sum()), list_folder=target)


def _share_to_list(config: FlatConfig, probability: Any) -> float:
    """With an offer, everybody whose expected profit is above zero; otherwise the configured share."""
    if config.offer is None:
        return config.list.share
    offer = offer_of(config.offer)
    saved = offer.acceptance * (offer.customer_value - offer.offer_cost) - offer.contact_cost
    pays = probability * saved > (1 - probability) * (offer.offer_cost + offer.contact_cost)
    return float(pays.mean())


def _list_rows(config: FlatConfig, chosen: pd.DataFrame, name: str, held: Any, run_id: str) -> pd.DataFrame:
    settings, day = config.list, Cutoff.parse(config.as_of)
    about = settings.model_dump(mode="json", exclude={"minimum_list"})
    frame = pd.DataFrame(
        {
            "customer_id": chosen.index,
            "campaign": settings.name,
            "action": settings.action,
            "offer_class": settings.offer_class,
            "score": chosen[name].to_numpy(),
            **{f"reason_{place}": chosen[f"reason_{place}"].to_numpy() for place in (1, 2, 3)},
            "channel": settings.channel,
            **{
                f"send_{unit}": pd.array([pd.NA] * len(chosen), dtype="Int32") for unit in ("hour", "weekday")
            },
            "arm": np.where(held, HELD_OUT, TREATED),
            "measure_from": day.label,
            "measure_until": day.plus_days(settings.window_days).label,
            "definition_hash": content_sha256(about)[:16],
            "run_id": run_id,
        }
    )
    return frame
