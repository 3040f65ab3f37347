"""Made-up facts and results of a run, for the tests of the page."""

from __future__ import annotations

from typing import Any

import pandas as pd

from segml.campaigns.catalogue import Campaign
from segml.campaigns.results import CampaignResult, ListsReport
from segml.config import Config
from segml.models.segments.languages import Language
from segml.pipelines.data import DataResult
from segml.pipelines.lists import ListsResult
from segml.pipelines.promotion import ModelOutcome
from segml.pipelines.score import ScoreResult
from segml.pipelines.train import TrainingResult
from segml.report.facts import (
    CampaignFacts,
    DriftFacts,
    GoalFacts,
    KpiFacts,
    ModelFacts,
    ReasonFacts,
    ResultFacts,
    RunFacts,
    TableFacts,
    ValueFacts,
)
from segml.report.groups import make_grouping
from segml.scoring.batch import ScoringResult
from segml.scoring.tag_table import TagsReport, UnavailableTag
from segml.sources.ingest import IngestReport, TableCount
from segml.time_windows import Cutoff


def _rows(*rows: tuple[str, int, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["value", "people", "spent", "expected"])
    return frame.assign(recency_days=4.0, gap_days=7.5, order_value=31.2)


MONTHS = (*(f"2017-{month:02d}-01" for month in range(2, 13)), "2018-01-01")


def made_up_course() -> dict[str, Any]:
    """Return what happened over time: key figures, goals, results of past lists, drift."""
    rates = (None, None, None, None, 0.71, 0.72, 0.7, 0.735, 0.74, 0.75, 0.742, 0.761)
    return {
        "kpis": (
            KpiFacts("retention_rate", "share", "", MONTHS, rates),
            KpiFacts("order_value_mean", "money", "", MONTHS, tuple(29.0 + place / 3 for place in range(12))),
            KpiFacts("nps", "share", "", MONTHS, (None,) * 12),
        ),
        "goals": (
            GoalFacts(
                *("retention_rate", "share", 0.7, 0.8, "2018-07-01", "behind", "2018-01-01"),
                *(0.761, 0.61, 0.005, 0.0065),
            ),
        ),
        "results": (
            ResultFacts(
                *("win_back", "2017-10-01", "measured"),
                "the campaign raised conversion: +4.1 points of conversion (95 %: +1.2 to +7.0), +21% relative",
                *(1_900, 210, 0.236, 0.195, 0.041, 0.012, 0.07),
            ),
            ResultFacts(
                *("vip_thanks", "2018-01-01", "not_yet"),
                "not yet: the window ends on 2018-02-26, data end on 2018-01-01",
            ),
        ),
        "drift": (
            DriftFacts(
                *("dormancy", "segml.shop.dormancy v3"),
                (
                    "dormancy: of 2,000 customers scored as of 2017-11-06 21.0 % were expected, and 26.0 % found,"
                    " among those who placed no order in 56 days: read its probabilities as an order, not as numbers",
                    "customers differ from those of 2017-11-06 in discount_share (PSI 0.41, usual up to 0.20),"
                    " and 2 more: check that the source still means the same",
                ),
                *("", "2017-11-06", 2_000, 0.21, 0.26, 0.86, 0.88, "discount_share", 0.41, 0.2),
            ),
        ),
        "value": ValueFacts(2_469, 3_240_071.5, 399_003.0, 900.0, 120.5, 31.0, 402.0, 0.38, 0.31),
    }


def made_up_facts(language: Language = "en") -> RunFacts:
    """Return the facts of a run with everything in it: small groups, refusals, a hostile title."""
    names = (
        "frequent high-spending shoppers, here recently",
        "one-time buyers, silent long",
        "weekend shoppers",
    )
    segments = make_grouping(
        "behavioural.segment",
        _rows((names[0], 612, 2_400_000.0, 310_000.0), (names[1], 1_400, 240_000.5, 9_000.0)).pipe(
            lambda frame: pd.concat(
                [frame, _rows((names[2], 450, 600_000.0, 80_000.0), ("night owls", 7, 71.0, 3.0))]
            )
        ),
        "The behavioural cluster whose centre is nearest to the person's buying behaviour.",
        descriptions={
            names[0]: "orders total higher than the others (median 90, base 30)",
            "night owls": "night share higher than the others (median 0.93, base 0.02)",
        },
        actions={names[0]: "Thank them and give early access; no discount.", "night owls": "Let them sleep."},
    )
    activity = make_grouping(
        "lifecycle.activity",
        _rows(
            ("active", 1_900, 2.9e6, 380_000.0),
            ("slipping", 300, 2e5, 15_000.0),
            ("at_risk", 150, 1e5, 4_000.0),
            ("dormant", 119, 4e4, 3.0),
        ),
        "How likely an order within the dormancy horizon is: active from 0.6, slipping from 0.35,"
        " at risk from 0.2, dormant below, or silent for more than 182 days.",
    )
    tiers = make_grouping(
        "value.predicted_tier",
        _rows(
            ("vip", 123, 9e5, 120_000.0),
            ("high", 371, 1.1e6, 150_000.0),
            ("middle", 741, 9e5, 100_000.0),
            ("low", 1_234, 3e5, 29_003.0),
        ),
        "Expected value of the next 56 days: vip above 897.1 (top 5 % of buyers), high above 461.4 (top 20 %), middle"
        " above 197.3 (top 50 %), low below.",
    )
    interests = make_grouping(
        "psychographic.interest_segment",
        _rows().iloc[:0],
        unavailable="missing: scores.segment_interest_name",
    )
    return RunFacts(
        base="shop",
        title="Shop <script>alert(1)</script> & Søn",
        currency="EUR",
        as_of="2018-01-01",
        data_from="2017-01-01",
        data_until="2018-01-01",
        language=language,
        minimum_cell=10,
        horizons={"dormancy": 56, "churn": 84, "clv": 56},
        bands={"active": 0.6, "slipping": 0.35, "at_risk": 0.2},
        tables=(
            TableFacts("order_lines", 1_469_307, 1_469_301, {"no customer": 6}),
            TableFacts("customers", 801, 2_469, {}, {"known from orders only": 1_668}),
        ),
        unavailable_tables={"consents": "no such table in the configuration"},
        unavailable_features={"returns": "no returns table"},
        models=(
            ModelFacts(
                "dormancy",
                "promoted",
                "A",
                "auc",
                0.887,
                "days since the last order",
                0.832,
                3,
                (
                    "auc is 0.887 against 0.832 of the naive baseline: better by 0.055"
                    " (95 % interval 0.03 to 0.08)",
                ),
                scored_by="segml.shop.dormancy v3",
            ),
            ModelFacts(
                "clv",
                "refused",
                "C",
                "normalised_gini",
                0.71,
                "last period again",
                0.73,
                2,
                (
                    "normalised_gini is 0.71 against 0.73 of the naive baseline: worse by 0.02"
                    " (95 % interval -0.03 to -0.01)",
                ),
                not_scored="no champion",
            ),
            ModelFacts(
                "interest",
                "unavailable",
                reasons=("no table order_lines",),
                notes=("4 customers have too little history for a segment of this kind",),
            ),
        ),
        scored=2_469,
        not_scored={"never bought": 3},
        groupings=(segments, interests, activity, tiers),
        campaigns=(
            CampaignFacts(
                "win_back",
                "Win back people who have fallen silent",
                "win_back_mail",
                "email",
                "content",
                56,
                "built",
                "",
                431,
                52,
                0,
                {"not_in_audience": 1_900, "recent_buyer": 80, "contact_cap": 6},
                "at a base rate of 5.0 %, 52 held out of 483 can show a lift of 190 % or more (80 % power)",
                "2018-02-26",
                files={"csv": 431, "parquet": 431, "braze": 428},
            ),
            CampaignFacts(
                "vip_thanks",
                "Thank the best",
                "thanks",
                "post",
                "thanks",
                56,
                "refused",
                "4 people would be listed; lists under 20 are refused",
                excluded={"not_in_audience": 2_465, "list_refused": 4},
            ),
        ),
        **made_up_course(),
        reasons=(
            ReasonFacts(names[0], 612, "repeat_orders", "lowers", 0.62, 46.0),
            ReasonFacts("night owls", 7, "recency_days", "raises", 1.0, 80.0),
        ),
        warnings=("no email_events table: contact caps count earlier lists of this folder only",),
        places={
            "this page": "data/reports/shop/as_of=2018-01-01/report.html",
            "scores": "data/scores/shop/as_of=2018-01-01/scores.parquet",
        },
    )


def made_up_results(
    config: Config, new: bool = True
) -> tuple[DataResult, TrainingResult, ScoreResult, ListsResult]:
    """Return made-up results of the four commands, with the files they would have left."""
    as_of, day = Cutoff.parse("2018-01-01"), "as_of=2018-01-01"
    folder, tags_folder = config.data_path("scores", day), config.data_path("tags", day)
    snapshot = config.data_path("features", "cutoff=2018-01-01", "features")
    people = [f"c{i:03d}" for i in range(60)]
    tags = pd.DataFrame(
        {
            "customer_id": people,
            "family": "behavioural",
            "tag": "segment",
            "value": ["eager shoppers"] * 40 + ["night owls"] * 20,
        }
    )
    for place, name, frame in (
        (folder, "scores", pd.DataFrame({"customer_id": people, "clv_historic": 10.0, "clv_365d": 2.0})),
        (tags_folder, "tags", tags),
        (snapshot, "part-0", pd.DataFrame({"customer_id": people, "recency_days": 3.0})),
    ):
        place.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(place / f"{name}.parquet", index=False)
    counts = pd.DataFrame(
        {
            "family": ["behavioural"],
            "tag": ["segment"],
            "value": ["eager shoppers"],
            "people": [40],
            "criterion": ["Nearest."],
        }
    )
    note = (
        "B1 eager shoppers: 40 customers (67% of the base) with 61% of spend;"
        " orders total higher (median 9, base 5)."
    )
    outcomes = (
        ModelOutcome("dormancy", "promoted", "A", ("better",), 1, "auc", 0.8, "recency", 0.7, new),
        ModelOutcome(
            "behavioural",
            "promoted",
            "A",
            ("stable",),
            1,
            new=new,
            notes=(note, "new since the champion: B1"),
        ),
    )
    missing = (UnavailableTag("lifecycle", "activity", "missing: scores.dormancy_probability"),)
    campaign = Campaign.model_validate(
        {
            "name": "win_back",
            "title": "Win back",
            "action": "mail",
            "audience": [{"column": "scores.dormancy_probability", "operator": "at_least", "value": 0.5}],
            "rank_by": {"column": "scores.dormancy_probability"},
        }
    )
    listed = CampaignResult(campaign, "built", "", 60, 30, 10, 0, {"not_in_audience": 20, "no_consent": 0})
    found = {"surveys": "not in the configuration", "consents": "not in the configuration"}
    unavailable = found if new else dict(sorted(found.items()))  # a manifest has an order of its own
    ingested = IngestReport(
        "shop",
        config.data_path("validated"),
        not new,
        {"orders": TableCount(9, 8, {"late": 1})},
        unavailable,
        0,
        1,
    )
    return (
        DataResult(config, ingested, Cutoff.parse("2017-01-01"), as_of),
        TrainingResult(config, as_of, outcomes, {"returns": "no returns table"}),
        ScoreResult(
            config,
            as_of,
            folder,
            tags_folder,
            ScoringResult(62, 60, {"never bought": 2}),
            {"dormancy": "m v1"},
            {"behavioural": "old"},
            TagsReport(counts, {}, missing),
        ),
        ListsResult(
            config,
            as_of,
            config.data_path("lists"),
            ListsReport(as_of, "r", (listed,), ("careful",), False, 60),
        ),
    )
