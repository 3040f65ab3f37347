"""One list with its holdout on disk, and what its people did before and after: for the tests of measurement."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from campaign_world import engine_with
from segml.measurement.measure import MeasuredLists, measure_lists
from segml.time_windows import SECONDS_PER_DAY, Cutoff

AS_OF = Cutoff.parse("2018-01-01")
DAYS = 56
LATER = AS_OF.plus_days(DAYS + 4)
ITSELF = "win_back"


def write_list(folder: Path, people: pd.DataFrame, share: float, campaign: str = ITSELF) -> Path:
    """Write a built list as `segml lists` does: people with customer_id, arm and score."""
    place = folder / campaign / f"as_of={AS_OF.label}"
    place.mkdir(parents=True)
    people = people.assign(
        campaign=campaign, measure_from=AS_OF.label, measure_until=AS_OF.plus_days(DAYS).label
    )
    treated = people["arm"] == "treated"
    people[treated].to_parquet(place / "list.parquet", index=False)
    people[~treated].to_parquet(place / "holdout.parquet", index=False)
    manifest = {
        "status": "built",
        "as_of": AS_OF.label,
        "measure_from": AS_OF.label,
        "measure_until": AS_OF.plus_days(DAYS).label,
        "holdout_share": share,
        "holdout_salt": "salt",
        "campaign": {"name": campaign},
        "rows": {"globally_held_out": int((people["arm"] == "global_holdout").sum())},
    }
    (place / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return place


def draw_people(count: int, share: float, seed: int) -> pd.DataFrame:
    """Draw people: a habit that shows before and after, a score that knows some of it, a segment, an arm by lot."""
    rng = np.random.default_rng(seed)
    habit = rng.gamma(1.5, 1.0, count)
    return pd.DataFrame(
        {
            "customer_id": [f"p{i:06d}" for i in range(count)],
            "arm": np.where(rng.random(count) < share, "holdout", "treated"),
            "habit": habit,
            "score": np.round(habit + rng.normal(0, 0.5, count), 1),
            "segment": np.where(habit > 1.5, "keen", "cool"),
        }
    )


def orders_of(people: pd.DataFrame, effect: float, seed: int) -> pd.DataFrame:
    """Orders of the window before and of the window itself; the sending multiplies the treated's rate."""
    rng = np.random.default_rng(seed + 10_000)
    before = rng.poisson(people["habit"])
    after = rng.poisson(people["habit"] * np.where(people["arm"] == "treated", 1 + effect, 1.0) / 3)
    frames = []
    for counts, start in ((before, AS_OF.plus_days(-DAYS)), (after, AS_OF)):
        owner = people["customer_id"].repeat(counts)
        frames.append(
            pd.DataFrame(
                {
                    "customer_id": owner,
                    "ordered_at": start.seconds + rng.integers(0, DAYS * SECONDS_PER_DAY, len(owner)),
                    "amount_minor": rng.integers(500, 4_000, len(owner)),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def measured(
    folder: Path,
    orders: pd.DataFrame,
    tags: Path | None = None,
    features: Path | None = None,
    **tables: pd.DataFrame,
) -> MeasuredLists:
    """Measure the lists of a folder."""
    with engine_with({"orders": orders, **tables}) as engine:
        return measure_lists(
            engine, [folder], LATER, features_of=lambda day: features, tags_of=lambda day: tags
        )


def log_of(people: pd.Series, *events: str, campaign: str = ITSELF) -> pd.DataFrame:
    """Give each person each of the events, a minute after the list's day began."""
    rows = [(person, event) for event in events for person in people]
    return pd.DataFrame(rows, columns=["customer_id", "event"]).assign(
        occurred_at=AS_OF.seconds + 60, campaign_id=campaign, channel="email"
    )
