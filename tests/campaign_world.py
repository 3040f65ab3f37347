"""A small base with every table a list can read, for the tests of campaigns and measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segml.campaigns.catalogue import Campaign
from segml.config import ConsentSettings, ListSettings
from segml.engine import Engine, open_engine
from segml.time_windows import SECONDS_PER_DAY, Cutoff

AS_OF = Cutoff.parse("2018-01-01")
Tables = dict[str, pd.DataFrame]


def day(days_before: int, second: int = 0) -> int:
    """Return a moment so many days before the cutoff."""
    return AS_OF.seconds - days_before * SECONDS_PER_DAY + second


def world(people: int = 600, seed: int = 5) -> Tables:
    """Return features, scores, customers, tags and logs of one base."""
    draw = np.random.default_rng(seed)
    ids = [f"p{i:05d}" for i in range(people)]
    orders = draw.integers(0, 9, people)
    bought = orders > 0
    silent = np.where(bought, draw.uniform(0, 1, people), np.nan)
    features = {
        "customer_id": ids,
        "orders_total": orders.astype(float),
        "recency_days": np.where(bought, draw.integers(0, 120, people), np.nan),
        "gap_ratio": np.where(orders > 1, draw.uniform(0, 8, people), np.nan),
        "spend_total": np.where(bought, draw.integers(1, 300, people), 0.0),
    }
    scores = {
        "customer_id": ids,
        "dormancy_probability": silent,
        "dormancy_horizon_days": 56.0,
        "clv_historic": np.where(bought, draw.integers(1, 300, people), np.nan),
        "reason_1": 'silent for long; æøa\u030a, "quoted"',
        "reason_2": "=formula",
    }
    activity = np.select(
        [silent < 0.4, silent < 0.65, silent < 0.8], ["active", "slipping", "at_risk"], "dormant"
    )
    tags = pd.DataFrame(
        {
            "customer_id": ids,
            "family": "lifecycle",
            "tag": "activity",
            "value": activity,
            "valid_from": AS_OF.label,
        }
    )
    return {
        "features": pd.DataFrame(features),
        "scores": pd.DataFrame(scores),
        "customers": pd.DataFrame({"customer_id": ids, "country": draw.choice(["DK", "SE"], people)}),
        "tags": tags[bought],
        **_logs(ids, draw),
    }


def _logs(ids: list[str], draw: np.random.Generator) -> Tables:
    def pick(count: int) -> list[str]:
        return [str(name) for name in draw.choice(ids, count)]

    n = len(ids)
    given = pd.DataFrame(
        {"customer_id": pick(3 * n), "changed_at": [day(int(d)) for d in draw.integers(-5, 40, 3 * n)]}
    )
    given["channel"] = draw.choice(["email", "sms", ""], 3 * n, p=[0.8, 0.1, 0.1])
    given["purpose"] = draw.choice(["marketing", "profiling"], 3 * n, p=[0.97, 0.03])
    given["granted"] = draw.random(3 * n) < 0.85
    events = pd.DataFrame(
        {"customer_id": pick(n), "occurred_at": [day(int(d)) for d in draw.integers(-5, 40, n)]}
    )
    events["event"] = draw.choice(["sent", "open", "complaint", "unsubscribe"], n, p=[0.8, 0.16, 0.02, 0.02])
    events["campaign_id"] = draw.choice(["newsletter", "win_back", ""], n)
    events["channel"] = "email"
    returns = pd.DataFrame(
        {"customer_id": pick(n // 10), "returned_at": [day(int(d)) for d in draw.integers(-3, 20, n // 10)]}
    )
    return {"consents": given, "email_events": events, "returns": returns}


def campaign(name: str = "win_back", **changes: Any) -> Campaign:
    """Return a campaign to everybody who bought, unless told otherwise."""
    settings: dict[str, Any] = {
        "name": name,
        "title": name,
        "action": "mail",
        "audience": [{"column": "features.orders_total", "operator": "at_least", "value": 1}],
        "rank_by": {"column": "scores.clv_historic"},
        **changes,
    }
    return Campaign.model_validate(settings)


def list_settings(**changes: Any) -> ListSettings:
    """Return settings with small minimums."""
    return ListSettings(**{"minimum_list": 1, "global_holdout_minimum": 10, **changes})


def anybody(**changes: Any) -> ListSettings:
    """Return settings under which consent is stated, not logged."""
    return list_settings(consent=ConsentSettings(required=False, basis="soft opt-in of customers"), **changes)


def engine_with(tables: Tables) -> Engine:
    """Return a new engine with the tables registered."""
    engine = open_engine(threads=1)
    for name, frame in tables.items():
        engine.register(name, frame)
    return engine


def listed(folder: Path, name: str, file: str = "list", as_of: Cutoff = AS_OF) -> pd.DataFrame:
    """Read one list back; empty when there is none."""
    path = folder / name / f"as_of={as_of.label}" / f"{file}.parquet"
    return pd.read_parquet(path) if path.exists() else pd.DataFrame({"customer_id": []})
