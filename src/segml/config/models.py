"""What a configuration says of windows, features, models and scoring."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from segml.config.reading import Settings


class CutoffSettings(Settings):
    """The snapshots a model learns from."""

    every_days: int = Field(default=14, ge=1)
    at_most: int = Field(default=12, ge=1, description="training cutoffs before the test cutoff")
    minimum_history_days: int = Field(default=84, ge=1, description="history before the first cutoff")


class HorizonSettings(Settings):
    """Forward windows, in days. Dormancy is the short one, churn the long one."""

    dormancy: int = Field(default=60, ge=1)
    churn: int = Field(default=180, ge=1)
    clv: int = Field(default=365, ge=1)

    @model_validator(mode="after")
    def _dormancy_is_shorter(self) -> HorizonSettings:
        if self.dormancy > self.churn:
            raise ValueError(
                f"dormancy ({self.dormancy} days) is the short horizon, churn ({self.churn}) the long one"
            )
        return self

    @property
    def all_days(self) -> tuple[int, ...]:
        """Distinct horizons, shortest first."""
        return tuple(sorted({self.dormancy, self.churn, self.clv}))


class FeatureSettings(Settings):
    """What the snapshot holds."""

    affinity_categories: int = Field(
        default=12, ge=0, le=40, description="largest categories with a share of their own"
    )
    buckets: int = Field(
        default=1, ge=1, description="parts of the base that are worked on one after another"
    )


class SegmentSettings(Settings):
    """How many segments may come out, and how firm they must be."""

    smallest_k: int = Field(default=3, ge=2)
    largest_k: int = Field(default=7, ge=2, le=12)
    minimum_share: float = Field(default=0.05, gt=0, lt=0.5)
    minimum_stability: float = Field(
        default=0.75, ge=0, le=1, description="median adjusted Rand index of bootstrap pairs"
    )
    sample_size: int = Field(default=200_000, ge=1_000)
    champion_keeps: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="segments stay while they hold this share of the differences between customers that new ones hold",
    )
    renew_after_days: int = Field(
        default=365, ge=1, description="stable new segments replace the champion's at this age in any case"
    )


class FloorSettings(Settings):
    """Below these a model is refused, with the number that is missing."""

    customers: int = Field(default=200, ge=1)
    positives: int = Field(default=50, ge=1)
    negatives: int = Field(default=50, ge=1)
    cutoffs: int = Field(default=2, ge=1)


class GateSettings(Settings):
    """What a challenger has to show."""

    bootstraps: int = Field(default=500, ge=50)
    champion_tolerance: float = Field(
        default=0.005, ge=0, description="how much worse than the champion is still level"
    )
    floor: FloorSettings = FloorSettings()


class OfferSettings(Settings):
    """What a retention campaign costs and saves, in the base's currency; without it nothing is said in money."""

    customer_value: float = Field(gt=0, description="what a customer who stays is worth")
    offer_cost: float = Field(ge=0, description="when the offer is taken; loyal customers take it too")
    contact_cost: float = Field(ge=0, description="of reaching one person")
    acceptance_alpha: float = Field(
        default=6.0, gt=0, description="Beta distribution of the share who accept"
    )
    acceptance_beta: float = Field(default=14.0, gt=0)


class ModelSettings(Settings):
    """Population, training and promotion."""

    active_within_days: int = Field(default=365, ge=1, description="who is scored for dormancy and churn")
    training_customers: int = Field(
        default=1_000_000, ge=1_000, description="keyed sample a model learns from"
    )
    btyd: Literal["bg_nbd", "mbg_nbd", "pareto_nbd"] = "mbg_nbd"
    margin: float = Field(default=1.0, gt=0, le=1, description="share of spend that is counted as value")
    segments: SegmentSettings = SegmentSettings()
    gate: GateSettings = GateSettings()
    offer: OfferSettings | None = Field(default=None, description="money at stake, for profit curves")


class ScoringSettings(Settings):
    """Batch scoring."""

    chunk_customers: int = Field(
        default=50_000, ge=1, description="in memory at a time; 50,000 stay under 1 GB"
    )
    threads: int = Field(default=2, ge=1)
    clv_reasons: bool = Field(default=True, description="three reasons a customer for the lifetime value too")


class BandSettings(Settings):
    """P(order within the dormancy horizon) -> the word beside it."""

    active: float = 0.60
    slipping: float = 0.35
    at_risk: float = 0.20

    @model_validator(mode="after")
    def _falling(self) -> BandSettings:
        if not 1 > self.active > self.slipping > self.at_risk > 0:
            raise ValueError("bands fall: 1 > active > slipping > at_risk > 0")
        return self
