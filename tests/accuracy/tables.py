"""Returns and value on public shops, the last cutoff held out; subscribers on a flat table."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segml.config import load_config
from segml.errors import DataError, OutputError
from segml.evaluation.comparison import paired_difference
from segml.evaluation.metrics import (
    auc_score,
    brier_loss,
    decile_mape_error,
    log_loss,
    mean_absolute_error,
    normalised_gini_score,
    spearman_score,
    total_bias_error,
)
from segml.evaluation.profit import expected_maximum_profit
from segml.models.baselines import LastPeriodAgain, RecencyRule
from segml.models.btyd import BetaGeoNBD, ModifiedBetaGeoNBD
from segml.models.log_linear import LogLogistic
from segml.models.rhythm import purchase_histories
from segml.pipelines.base import open_base
from segml.pipelines.flat import judge_flat, split_rows
from segml.pipelines.narration import Silent
from segml.pipelines.predictions import TrainingData, train_returns, train_value
from segml.pipelines.schedule import Schedule
from segml.pipelines.train import plan_training, training_snapshots
from segml.sources.flat import load_flat_config, read_flat
from segml.sources.synthetic import SyntheticShop, write_shop

from .aa import aa
from .published import published_tables
from .rows import PROJECT, AbsentError, Row

THREADS = "scoring.threads=1"


@dataclass(frozen=True)
class Shop:
    """A base with snapshots at every cutoff, and its schedules."""

    data: TrainingData
    schedules: dict[str, Schedule]

    def test(self, task: str, within: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Features and labels of customers who bought in the last `within` days before the test cutoff."""
        features, labels = self.data.population(self.schedules[task].test)
        lately = (features["recency_days"] <= within).to_numpy()
        return features[lately], labels[lately]


@contextmanager
def shop(name: str, *overrides: str, root: Path = PROJECT) -> Iterator[Shop]:
    """Open a base under a name of its own, so that no run of a user is touched."""
    config = load_config(root / "configs" / f"{name}.yaml", [f"base=accuracy_{name}", THREADS, *overrides])
    for table in config.tables.values():
        absent = [
            f
            for f in table.files
            if not config.package and not list(config.root.glob(f)) and _gone(config.root, f)
        ]
        if absent:
            raise AbsentError(
                f"{Path(absent[0]).name} is not there (data/README.md says where it comes from)"
            )
    try:
        with open_base(config, Silent()) as base:
            training = plan_training(base)
            paths = training_snapshots(training, lambda _: None)
            data = TrainingData(config, training.plan, paths, base.first_day, base.known_until)
            yield Shop(data, training.schedules)
    except (OutputError, DataError) as error:
        raise AbsentError(error.message.splitlines()[0]) from error


def _gone(root: Path, file: str) -> bool:
    return not (root / file).exists()


def dormancy(
    name: str, horizon: int, populations: dict[str, tuple[int, float, float]], *overrides: str
) -> list[Row]:
    """One model, judged on several populations: AUC and Brier, and in pairs against logistic RF and BTYD."""
    rows: list[Row] = []
    churn = f"horizons.churn={max(horizon, 84)}" if name == "completejourney" else f"horizons.churn={horizon}"
    with shop(name, f"horizons.dormancy={horizon}", churn, f"horizons.clv={horizon}", *overrides) as base:
        schedule = base.schedules["dormancy"]
        (trained,) = train_returns(base.data, {"dormancy": schedule}, {})
        logistic = LogLogistic([0, 1]).fit(*_frequency_and_recency(base, schedule))
        recency = RecencyRule(f"silent_next_{horizon}d").fit(*base.data.stacked([schedule.calibration]))
        everyone, _ = base.data.population(schedule.test)
        counting = ModifiedBetaGeoNBD().fit(purchase_histories(everyone))
        for title, (within, auc_bar, brier_bar) in populations.items():
            features, labels = base.test("dormancy", within)
            y = labels[f"silent_next_{horizon}d"].to_numpy()
            p = trained.model.score(features)["dormancy_probability"].to_numpy()
            naive = recency.predict(features)
            rf = logistic.log_odds(_rf(features))
            active = counting.probability_active(purchase_histories(features), horizon).to_numpy()
            note = f"{len(y):,} customers as of {schedule.test}"
            rows.append(Row(title, "AUC", auc_score(y, p), auc_bar, auc_score(y, naive), note=note))
            rows.append(Row(title, "Brier", brier_loss(y, p), brier_bar, brier_loss(y, naive), "<="))
            for rival, score in (("logistic RF", rf), ("BTYD P(active)", 1 - active)):
                rows.append(_pair(title, y, p, score, rival))
            money = expected_maximum_profit(y, p)
            rows.append(
                Row(
                    title,
                    "EMPC",
                    money.per_customer,
                    naive=expected_maximum_profit(y, naive).per_customer,
                    digits=3,
                    note=f"published defaults; {money.share_contacted:.0%} contacted",
                )
            )
    return rows


def _pair(title: str, y: Any, first: Any, second: Any, rival: str) -> Row:
    d = paired_difference(y, first, second, draws=1_000)
    note = f"{d.difference:+.4f} over {d.second:.4f}; 95 % interval {d.low:+.4f} to {d.high:+.4f}"
    return Row(title, f"AUC over {rival}, at least", d.low, 0.0, note=note)


def _rf(features: pd.DataFrame) -> Any:
    return features[["recency_days", "repeat_orders"]].to_numpy(dtype=float)


def _frequency_and_recency(base: Shop, schedule: Schedule) -> tuple[Any, Any]:
    features, labels = base.data.stacked([*schedule.training, schedule.calibration])
    label = labels[f"silent_next_{schedule.horizon}d"]
    known = label.notna().to_numpy()
    return _rf(features[known]), label[known].to_numpy()


def online_retail_dormancy() -> list[Row]:
    """Silent for 90 days."""
    bars = {"bought in 365 d": (365, 0.745, 0.2011), "bought in 90 d": (90, 0.760, 0.1784)}
    return dormancy("online_retail", 90, bars)


def complete_journey_dormancy() -> list[Row]:
    """Silent for 8 weeks."""
    bars = {"bought in 182 d": (182, 0.883, 0.0634), "bought in 56 d": (56, 0.863, 0.0488)}
    return dormancy("completejourney", 56, bars)


def cdnow_return() -> list[Row]:
    """P(an order in 26 weeks) after 52 weeks; best published 0.7998 and 0.4208."""
    with shop("cdnow", "horizons.dormancy=182", "horizons.churn=182", "horizons.clv=182") as base:
        schedule = base.schedules["dormancy"]
        (trained,) = train_returns(base.data, {"dormancy": schedule}, {})
        features, labels = base.test("dormancy", 366)
        y = 1 - labels["silent_next_182d"].to_numpy()
        p = 1 - trained.model.score(features)["dormancy_probability"].to_numpy()
        history = purchase_histories(features)
        counting = BetaGeoNBD().fit(history)
        active = counting.probability_active(history, 182).to_numpy()
        rule = RecencyRule("silent_next_182d").fit(*base.data.stacked([schedule.calibration]))
        naive = 1 - rule.predict(features)
        note = f"{len(y):,} customers as of {schedule.test}"
        mean = (p + active) / 2
        return [
            Row("return curve", "AUC", auc_score(y, p), 0.8066, auc_score(y, naive), note=note),
            Row("return curve", "log-loss", log_loss(y, p), 0.4162, log_loss(y, naive), "<="),
            Row("BG/NBD alone", "AUC", auc_score(y, active), naive=auc_score(y, naive)),
            Row("BG/NBD alone", "log-loss", log_loss(y, active), naive=log_loss(y, naive)),
            Row("mean of both", "AUC", auc_score(y, mean), naive=auc_score(y, naive)),
            Row("mean of both", "log-loss", log_loss(y, mean), naive=log_loss(y, naive)),
        ]


def value(name: str, horizon: int, within: int, bars: dict[str, float], root: Path = PROJECT) -> list[Row]:
    """Forecast of spend in one window, with the coverage of its intervals."""
    churn = f"horizons.churn={max(horizon, 84)}" if name == "completejourney" else f"horizons.churn={horizon}"
    with shop(name, f"horizons.dormancy={horizon}", churn, f"horizons.clv={horizon}", root=root) as base:
        trained = train_value(base.data, base.schedules["clv"], None)
        features, labels = base.test("clv", within)
        y = labels[f"spend_next_{horizon}d"].to_numpy()
        scores = trained.model.score(features, as_of=base.schedules["clv"].test.label)
        forecast = scores[f"clv_{horizon}d"].to_numpy()
        low, high = (scores[f"clv_{horizon}d_{end}"].to_numpy() for end in ("low", "high"))
        again = LastPeriodAgain(horizon).predict(features)
        title = f"bought in {within} d"
        note = f"{len(y):,} customers as of {base.schedules['clv'].test}"
        measured: list[tuple[str, Callable[..., float], str, int]] = [
            ("normalised Gini", normalised_gini_score, ">=", 3),
            ("Spearman", spearman_score, ">=", 3),
            ("MAE", mean_absolute_error, "<=", 1),
            ("total bias", total_bias_error, ">=", 3),
            ("decile MAPE", decile_mape_error, "<=", 3),
        ]
        rows = [
            Row(
                title,
                label,
                f(y, forecast),
                bars.get(label),
                f(y, again),
                sign,
                digits,
                note if not i else "",
            )
            for i, (label, f, sign, digits) in enumerate(measured)
        ]
        inside = float(((y >= low) & (y <= high)).mean())
        rows.append(Row(title, "coverage of 90 %", inside, (0.87, 0.93), digits=3))
        return rows


def online_retail_value() -> list[Row]:
    """Spend in 90 days; the test quarter is a Christmas that the history has not seen."""
    bars = {"normalised Gini": 0.804, "Spearman": 0.585, "MAE": 762.0, "total bias": -0.25}
    return value("online_retail", 90, 90, bars)


def complete_journey_value() -> list[Row]:
    """Spend in 56 days."""
    bars = {"normalised Gini": 0.865, "Spearman": 0.817, "MAE": 117.5, "decile MAPE": 0.08}
    return value("completejourney", 56, 182, bars)


def cdnow_value() -> list[Row]:
    """Spend in 26 weeks after 52, of everybody; no bar is published for this window."""
    return value("cdnow", 182, 366, {})


def synthetic_value() -> list[Row]:
    """Spend in 90 days of a shop that never was; for the coverage of the intervals."""
    with tempfile.TemporaryDirectory(prefix="segml-accuracy-") as folder:
        root = Path(folder)
        (root / "configs").mkdir()
        shutil.copy(PROJECT / "configs" / "synthetic.yaml", root / "configs")
        write_shop(SyntheticShop(n_customers=3_000, seed=1), root / "data" / "raw" / "synthetic")
        return value("synthetic", 90, 365, {}, root)


def subscribers() -> list[Row]:
    """`modeldata/mlc_churn` as a flat table, and the same with a shuffled label."""
    config = load_flat_config(PROJECT / "configs" / "flat.example.yaml")
    assert config is not None
    try:
        table = read_flat(config)
    except (OutputError, DataError) as error:
        raise AbsentError(error.message) from error
    split = split_rows(config, table)
    trained = judge_flat(config, table, split, None)
    naive = trained.difference.second if trained.difference else None
    rows = [
        Row("mlc_churn", "AUC", trained.metrics["auc"], 0.89, naive, note=trained.baseline_name),
        Row("mlc_churn", "Brier", trained.metrics["brier"], sign="<="),
        Row("mlc_churn", "EMPC", trained.metrics["expected_maximum_profit"], digits=3),
        Row("mlc_churn", "gate lets it through", float(trained.decision.promoted), 1.0, sign="=", digits=0),
    ]
    order = np.random.default_rng(0).permutation(len(table.outcome))
    shuffled = type(table)(
        **{**vars(table), "outcome": pd.Series(table.outcome.to_numpy()[order], table.outcome.index)}
    )
    refused = judge_flat(config, shuffled, split_rows(config, shuffled), None)
    return [
        *rows,
        Row("label shuffled", "AUC", refused.metrics["auc"], naive=refused.metrics["baseline_auc"]),
        Row(
            "label shuffled",
            "gate lets it through",
            float(refused.decision.promoted),
            0.0,
            sign="=",
            digits=0,
        ),
    ]


TABLES: dict[str, Callable[[], list[Row]]] = {
    "published": published_tables,
    "cdnow_return": cdnow_return,
    "online_retail_dormancy": online_retail_dormancy,
    "complete_journey_dormancy": complete_journey_dormancy,
    "online_retail_value": online_retail_value,
    "complete_journey_value": complete_journey_value,
    "cdnow_value": cdnow_value,
    "synthetic_value": synthetic_value,
    "subscribers": subscribers,
    "aa": aa,
}
