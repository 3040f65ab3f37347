"""Champions + features at a cutoff -> scores: Parquet to Parquet, in chunks, with memory that does not grow.

Two passes. The first scores chunk by chunk and counts each probability into a fine histogram; the second reads the
scores back and adds percentiles and bands, which need the whole base. Nothing is refitted here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from segml.config import BandSettings
from segml.errors import ModelError
from segml.registry.registered import RegisteredModel
from segml.tables.partition import output_errors
from segml.time_windows import Cutoff

PROBABILITY_TASKS = ("dormancy", "churn")
REASON_COUNT = 3
_BINS = 100_000
_NEVER_BOUGHT = "never bought"


@dataclass(frozen=True)
class ScoringJob:
    """What is scored, with what.

    Attributes
    ----------
    as_of : Cutoff
        The snapshot's cutoff; written on every row.
    champions : dict of str to RegisteredModel
        Task -> model.
    horizons : dict of str to int
        Task -> horizon in days.
    contract : str
        The snapshot's feature contract; a champion trained on another one refuses.
    bands : BandSettings
        P(order) -> word.
    rules : dict of str to callable
        Rule-based scores (RFM): features -> columns.
    active_within_days : int
        The models' population; others are scored too, and marked.
    chunk_customers : int
        Rows in memory at a time.
    reasons_for : str
        The task whose reasons are written as `reason_1..3`.
    value_reasons : bool
        Whether those of the lifetime value are written too, as `clv_reason_1..3`.
    """

    as_of: Cutoff
    champions: Mapping[str, RegisteredModel]
    horizons: Mapping[str, int]
    contract: str
    bands: BandSettings
    rules: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]] = field(default_factory=dict)
    active_within_days: int = 365
    chunk_customers: int = 50_000
    reasons_for: str = "dormancy"
    value_reasons: bool = True


@dataclass
class ScoringResult:
    """What came out: rows in = rows out + reasons."""

    rows_in: int = 0
    rows_out: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def add(self, rows_in: int, rows_out: int, left_out: Mapping[str, int]) -> None:
        """Count one chunk."""
        self.rows_in += rows_in
        self.rows_out += rows_out
        for reason, count in left_out.items():
            self.left_out[reason] = self.left_out.get(reason, 0) + count

    def check(self) -> None:
        """Raise unless every row is accounted for."""
        missing = self.rows_in - self.rows_out - sum(self.left_out.values())
        if missing:
            raise ModelError(
                f"{missing} of {self.rows_in} rows are neither scored nor left out with a reason"
            )


def score_snapshot(
    features: Path, job: ScoringJob, target: Path, progress: Callable[[str], None] = lambda remark: None
) -> ScoringResult:
    """Score one snapshot into one Parquet file.

    Parameters
    ----------
    features : Path
        Folder of `part-*.parquet` written by `segml.features.snapshot`.
    job : ScoringJob
        Champions and rules.
    target : Path
        The file to write; its folder exists.
    progress : callable
        Told the number of customers done so far.

    Returns
    -------
    ScoringResult
        Row counts that add up.

    Raises
    ------
    ModelError
        A missing feature column, a snapshot of another contract, or nobody to score.
    """
    result, histograms = (
        ScoringResult(),
        {task: np.zeros(_BINS + 1, dtype=np.int64) for task in PROBABILITY_TASKS},
    )
    first_pass = target.with_name(f".first-{target.name}")
    with output_errors(target), _Writer(first_pass) as writer:
        for chunk in read_chunks(sorted(features.glob("part-*.parquet")), job.chunk_customers):
            scores, left_out = score_chunk(chunk, job)
            for task in PROBABILITY_TASKS:
                if f"{task}_probability" in scores:
                    histograms[task] += np.bincount(_bins(scores[f"{task}_probability"]), minlength=_BINS + 1)
            writer.write(scores)
            result.add(len(chunk), len(scores), left_out)
            progress(f"{result.rows_in:,} customers")
    result.check()
    if not result.rows_out:
        raise ModelError("nobody to score: no customer in the snapshot has an order", "choose a later as_of")
    with output_errors(target), _Writer(target) as writer:
        tables = {task: percentile_table(counts) for task, counts in histograms.items()}
        for scores in read_chunks([first_pass], job.chunk_customers):
            writer.write(_with_ranks(scores.reset_index(), tables, job.bands))
    first_pass.unlink()
    return result


def score_chunk(features: pd.DataFrame, job: ScoringJob) -> tuple[pd.DataFrame, dict[str, int]]:
    """Score one chunk; return the scores and how many were left out for which reason."""
    bought = features["orders_total"] > 0
    left_out = {_NEVER_BOUGHT: int((~bought).sum())} if not bought.all() else {}
    scored = features[bought]
    parts: list[pd.DataFrame] = [_identity(scored, job)]
    if not scored.empty:
        curves = _curve_scores(scored, job)
        parts += [_task_scores(task, model, scored, job, curves) for task, model in job.champions.items()]
        _never_contradict(parts, job)
        parts += _order_timing(scored, job, curves)
        parts += [rule(scored) for rule in job.rules.values()]
        parts += [reason_columns(scored, job), value_reason_columns(scored, job)]
    return pd.concat(parts, axis=1).reset_index(), left_out


def _never_contradict(parts: list[pd.DataFrame], job: ScoringJob) -> None:
    """Who is silent for the long horizon is silent for the short one, also when the champions are of different age."""
    by_horizon = sorted(PROBABILITY_TASKS, key=lambda task: job.horizons.get(task, 0))
    shorter, longer = (
        next((part for part in parts if f"{task}_probability" in part), None) for task in by_horizon
    )
    if shorter is not None and longer is not None:
        names = [f"{task}_probability" for task in by_horizon]
        longer[names[1]] = np.minimum(longer[names[1]], shorter[names[0]])


def _identity(scored: pd.DataFrame, job: ScoringJob) -> pd.DataFrame:
    inside = scored["recency_days"] <= job.active_within_days
    returned = scored.get("returned_total", 0.0)
    facts = {
        "as_of": job.as_of.label,
        "in_population": inside.astype("int8"),
        "clv_historic": scored["spend_total"] - returned,  # a fact: it needs no champion
    }
    return pd.DataFrame(facts, index=scored.index)


def _curve_scores(scored: pd.DataFrame, job: ScoringJob) -> dict[str, pd.DataFrame]:
    """Evaluate each distinct return curve once: dormancy and churn usually read the same one.

    Champions are loaded one by one, so the curves are two objects; their fingerprints say that they are equal.
    """
    found: dict[str, pd.DataFrame] = {}
    for task in PROBABILITY_TASKS:
        model = job.champions.get(task)
        curve = getattr(model.model, "curve", None) if model is not None else None
        if model is not None and curve is not None and curve.fingerprint not in found:
            model.check_features(scored, job.contract)
            found[curve.fingerprint] = curve.predict_curve(scored)
    return found


def _order_timing(
    scored: pd.DataFrame, job: ScoringJob, curves: Mapping[str, pd.DataFrame]
) -> list[pd.DataFrame]:
    """Next-order day with its interval and the second purchase, from the first champion with a return curve."""
    for task in PROBABILITY_TASKS:
        curve = getattr(job.champions[task].model, "curve", None) if task in job.champions else None
        if curve is not None:
            return [curve.order_timing(scored, curves[curve.fingerprint])]
    return []


def _task_scores(
    task: str,
    model: RegisteredModel,
    scored: pd.DataFrame,
    job: ScoringJob,
    curves: Mapping[str, pd.DataFrame],
) -> pd.DataFrame:
    curve = getattr(model.model, "curve", None)
    if curve is None:
        scores = model.score(scored, contract=job.contract, as_of=job.as_of.label)
    else:
        model.check_features(scored, job.contract)
        scores = model.model.score(scored, curves[curve.fingerprint])
    if task in job.horizons and f"{task}_probability" in scores:
        scores[f"{task}_horizon_days"] = np.int32(job.horizons[task])
    scores[f"{task}_model_version"] = model.label
    return scores.drop(columns="clv_historic", errors="ignore")


def reason_columns(scored: pd.DataFrame, job: ScoringJob) -> pd.DataFrame:
    """Top three reasons per customer, of the first task with reasons that has a champion."""
    order = (job.reasons_for, *PROBABILITY_TASKS)
    model = next((job.champions[task] for task in order if task in job.champions), None)
    if model is None:
        return pd.DataFrame(index=scored.index)
    reasons: pd.DataFrame = model.model.reasons(scored[list(model.features)], count=REASON_COUNT)
    return reasons


def value_reason_columns(scored: pd.DataFrame, job: ScoringJob) -> pd.DataFrame:
    """Top three reasons of each lifetime value, in money; no columns without a champion, or when not asked for."""
    model = job.champions.get("clv")
    if model is None or not job.value_reasons:
        return pd.DataFrame(index=scored.index)
    season = model.season_of(job.as_of.label)
    reasons: pd.DataFrame = model.model.reasons(scored[list(model.features)], count=REASON_COUNT, **season)
    return reasons.add_prefix("clv_")


def percentile_table(counts: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the percentile, 1 to 100, of each histogram bin; ties share the highest rank.

    Examples
    --------
    >>> percentile_table(np.array([1, 0, 2, 1])).tolist()
    [25, 25, 75, 100]
    """
    total = int(counts.sum())
    if total == 0:
        return np.ones(len(counts), dtype=np.int8)
    below = np.cumsum(counts)
    return np.maximum(1, -(-100 * below // total)).astype(np.int8)


def band(probability_of_order: np.ndarray[Any, Any], bands: BandSettings) -> np.ndarray[Any, Any]:
    """Return the word for a probability of ordering again.

    Examples
    --------
    >>> band(np.array([0.7, 0.4, 0.25, 0.1]), BandSettings()).tolist()
    ['active', 'slipping', 'at_risk', 'dormant']
    """
    words = np.array(["dormant", "at_risk", "slipping", "active"], dtype=object)
    edges = np.array([bands.at_risk, bands.slipping, bands.active])
    return words[np.searchsorted(edges, probability_of_order, side="right")]


def _with_ranks(
    scores: pd.DataFrame, tables: Mapping[str, np.ndarray[Any, Any]], bands: BandSettings
) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for name in scores.columns:
        columns[str(name)] = scores[name]
        task = str(name).removesuffix("_probability")
        if task in PROBABILITY_TASKS and task != name:
            columns[f"{task}_percentile"] = tables[task][_bins(scores[name])]
            columns[f"{task}_band"] = band(1 - scores[name].to_numpy(), bands)
    return pd.DataFrame(columns)


def _bins(probability: pd.Series) -> np.ndarray[Any, Any]:
    return np.asarray(np.floor(probability.to_numpy() * _BINS), dtype=np.int64)


def read_chunks(parts: Sequence[Path], rows: int) -> Iterator[pd.DataFrame]:
    """Yield frames of at most `rows` customers, indexed by customer, in file order."""
    for part in parts:
        for batch in pq.ParquetFile(part).iter_batches(batch_size=rows):
            yield pa.Table.from_batches([batch]).to_pandas().set_index("customer_id")


class _Writer:
    """Appends frames to one Parquet file; the first frame with rows fixes the schema."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> _Writer:
        return self

    def write(self, frame: pd.DataFrame) -> None:
        """Append a frame; an empty one is passed over."""
        if frame.empty:
            return
        schema = None if self._writer is None else self._writer.schema
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(None)
        if self._writer is None:
            table = table.cast(_settled(table.schema))
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="zstd")
        self._writer.write_table(table)

    def __exit__(self, *error: object) -> None:
        if self._writer is not None:
            self._writer.close()


def _settled(schema: pa.Schema) -> pa.Schema:
    """Text is text, also where the first chunk happens to have none."""

    def settled(kind: pa.DataType) -> pa.DataType:
        return pa.string() if pa.types.is_null(kind) or pa.types.is_large_string(kind) else kind

    return pa.schema([pa.field(field.name, settled(field.type)) for field in schema])
