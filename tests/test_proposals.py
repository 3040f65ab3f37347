"""R62: what past lists propose - a planted line is found with its evidence, and a null base hears of nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from measured_world import draw_people, measured, orders_of, write_list
from segml.measurement.people import EVENTS
from segml.measurement.proposals import holm_adjusted, make_proposals

DAY = "2018-01-01"


def measured_base(
    seed: int, lift: np.ndarray, unsubscribe: float = 0.004, people: int = 30_000, share: float = 0.3
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Counts of one measured list: ten tenths of each quantity, whose lift is planted by tenth of the score."""
    rng = np.random.default_rng(seed)
    sizes = {"treated": int(people * (1 - share)) // 10, "holdout": int(people * share) // 10}
    cells, responses, totals = [], [], dict.fromkeys(sizes, 0)
    for tenth in range(1, 11):
        for arm, size in sizes.items():
            rate = 0.08 + (lift[tenth - 1] if arm == "treated" else 0.0)
            buyers = int(rng.binomial(size, rate))
            totals[arm] += buyers
            cells.append(("score", tenth, float(tenth * 10), arm, size, buyers))
            half = rng.hypergeometric(buyers, size - buyers, size // 2)
            for segment, people_in, bought in (
                ("A", size // 2, half),
                ("B", size - size // 2, buyers - half),
            ):
                risk = unsubscribe if segment == "A" else 0.004
                left = rng.binomial(people_in, risk) if arm == "treated" else 0
                responses.append(
                    (segment, tenth, arm, people_in, bought, people_in * (arm == "treated"), left)
                )
    for knob in ("recency_days", "dormancy_probability"):  # tell nothing: the same totals at random
        for arm, size in sizes.items():
            split = rng.multivariate_hypergeometric([size] * 10, totals[arm])
            cells += [(knob, t + 1, t / 10, arm, size, int(split[t])) for t in range(10)]
    head = {"campaign": "win_back", "as_of": DAY}
    frame = pd.DataFrame(cells, columns=["knob", "tenth", "least", "arm", "people", "buyers"]).assign(**head)
    names = ["segment", "decile", "arm", "people", "buyers", "sent", "unsubscribe"]
    tidy = pd.DataFrame(responses, columns=names).assign(tag="behavioural.segment", **head)
    rate = totals["holdout"] / (10 * sizes["holdout"])
    row = {
        **head,
        "status": "measured",
        "treated": 10 * sizes["treated"],
        "held_out": 10 * sizes["holdout"],
        "buyers_treated": totals["treated"],
        "buyers_held_out": totals["holdout"],
        "relative_lift_low": (totals["treated"] / (10 * sizes["treated"]) - 0.012) / rate - 1,
    }
    return pd.DataFrame([row]), frame, tidy


def test_r62_a_planted_line_is_found_with_its_evidence() -> None:
    lift = np.r_[np.zeros(4), np.full(6, 0.05)]
    found = make_proposals(*measured_base(1, lift), {"win_back": {"max_size": 20_000}})
    row = found.set_index("setting").loc["max_size"]
    assert row["present"] == "20000"
    assert row["proposed"] == "12600"  # tenths 5 to 10 of the treated
    assert row["estimate_low"] < 0.05 < row["estimate_high"]
    assert row["p_value"] < row["p_adjusted"] < 0.05
    assert "points of conversion (95 %" in row["statement"]


def test_r62_a_segment_that_leaves_is_found() -> None:
    found = make_proposals(*measured_base(2, np.zeros(10), unsubscribe=0.02))
    assert found["setting"].tolist() == ["contact cap of A"]
    assert "A unsubscribes" in found["statement"][0]


def test_r62_a_lift_beyond_doubt_frees_a_part_of_its_holdout() -> None:
    found = make_proposals(*measured_base(3, np.full(10, 0.08))).set_index("setting")
    assert found.loc["holdout", "present"] == "30%"
    assert float(found.loc["holdout", "proposed"].rstrip("%")) < 20


def told_of_nothing(runs: int) -> int:
    return sum(len(make_proposals(*measured_base(seed, np.zeros(10)))) > 0 for seed in range(runs))


def test_r62_a_null_base_hears_of_anything_in_at_most_one_run_of_twenty() -> None:
    assert told_of_nothing(40) <= 2


@pytest.mark.slow
def test_r62_a_null_base_hears_of_anything_in_at_most_one_run_of_twenty_over_a_thousand() -> None:
    assert told_of_nothing(1_000) <= 50


def test_the_same_lift_everywhere_moves_no_line() -> None:
    told = [make_proposals(*measured_base(seed, np.full(10, 0.04)))["setting"].tolist() for seed in range(12)]
    assert sum(bool(set(settings) - {"holdout"}) for settings in told) <= 1


def test_lists_that_were_not_measured_propose_nothing() -> None:
    lift, cells, responses = measured_base(1, np.r_[np.zeros(4), np.full(6, 0.05)])
    assert not len(make_proposals(lift.assign(status="refused"), cells, responses))


def test_holm_is_never_below_the_plain_p_value() -> None:
    p = np.random.default_rng(0).random(50).tolist()
    adjusted = holm_adjusted(p)
    assert all(one >= other for one, other in zip(adjusted, p, strict=True))
    assert min(adjusted) == pytest.approx(min(1, 50 * min(p)))


def test_cells_come_from_the_list_itself(tmp_path: Path) -> None:
    people = draw_people(4_000, 0.3, seed=6)
    write_list(tmp_path, people, 0.3)
    features = people[["customer_id"]].assign(recency_days=np.arange(len(people)) % 100.0)
    features.to_parquet(tmp_path / "features.parquet", index=False)
    lists = measured(tmp_path, orders_of(people, 0.4, 6), features=tmp_path / "features.parquet")
    cells = lists.knobs
    assert set(cells["knob"]) == {"score", "recency_days"}
    assert cells.groupby("knob")["people"].sum().tolist() == [4_000, 4_000]
    bounds = cells[cells["knob"] == "recency_days"].groupby("tenth")["least"].first()
    assert bounds.tolist() == [10.0 * tenth for tenth in range(10)]
    assert set(EVENTS) <= set(lists.responses.columns)
    assert make_proposals(lists.frame, cells, lists.responses)["campaign"].isin(["win_back"]).all()


def test_a_list_without_a_score_is_measured_and_asks_less(tmp_path: Path) -> None:
    people = draw_people(2_000, 0.3, seed=1).drop(columns="score")
    write_list(tmp_path, people, 0.3)
    lists = measured(tmp_path, orders_of(people, 0.3, 1))
    assert lists.estimates["method"].unique().tolist() == ["plain", "cuped"]
    assert not len(lists.knobs)
    assert make_proposals(lists.frame, lists.knobs, lists.responses)["setting"].isin(["holdout"]).all()
