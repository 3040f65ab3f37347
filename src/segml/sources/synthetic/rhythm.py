"""What all customers of a shop share: the calendar's demand, the hours of the day, and the products.

Demand is a weight a day: a December peak, a smaller one in May, and a weekend factor, each segment its own. Orders
are Poisson in *demand time*, the running sum of those weights, which passes one unit a day on average; a year has
365 units wherever it starts, so a planted rate of 3 a year is 3 orders a year whatever the season does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segml.sources.synthetic.draws import (
    WHOLE_SHOP,
    Coded,
    Floats,
    Ints,
    canonical_table,
    cumulative_rows,
    draw_from_rows,
    generator,
    number_text,
    truth_table,
)
from segml.sources.synthetic.world import CAMPAIGN_KINDS, CATEGORIES, RESPONSE_DAYS, Segment, SyntheticShop
from segml.time_windows import SECONDS_PER_DAY

PRODUCTS = 400
BRANDS = (
    "Nordhav",
    "Elmwood",
    "Casa Lume",
    "Brisk",
    "Fjeldro",
    "Own label",
    "Tindra",
    "Okapi",
    "Plain",
    "Verbena",
)
_TYPICAL_PRICE = (4.0, 7.0, 14.0, 35.0, 40.0, 22.0, 45.0, 90.0, 25.0)  # major units, per category
SEND_HOUR = 9  # campaigns leave at nine in the morning


@dataclass(frozen=True)
class Rhythm:
    """Shared curves of one shop: `demand` (segments, days + 1) starts at 0; `hours` (segments, 24) are cumulative."""

    shop: SyntheticShop
    demand: Floats
    hours: Floats
    product_category: Ints  # (products,)
    product_price: Floats  # (products,), major units
    product_within: Floats  # (categories, products of the largest category), cumulative popularity
    product_start: Ints  # (categories,), first product of each

    @classmethod
    def of(cls, shop: SyntheticShop) -> Rhythm:
        """Work out the curves of a shop."""
        weights = np.stack([day_weights(segment, shop.first_day, shop.days) for segment in shop.segments])
        demand = np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weights, axis=1)], axis=1)
        hours = cumulative_rows(np.stack([_hour_weights(segment.hour) for segment in shop.segments]))
        return cls(shop, demand, hours, *_products(shop.seed))

    @property
    def start_second(self) -> int:
        """Epoch second of the first midnight."""
        return self.shop.first_day * SECONDS_PER_DAY

    @property
    def end_second(self) -> int:
        """Epoch second of the midnight after the last day."""
        return self.shop.end.seconds

    def send_second(self, campaign: int) -> int:
        """Epoch second at which a campaign leaves."""
        return self.start_second + self.shop.campaign_days[campaign] * SECONDS_PER_DAY + SEND_HOUR * 3600

    def day_of(self, segments: Ints, units: Floats) -> Ints:
        """Return the day (from the start) on which each segment's demand passes the given units."""
        days = np.zeros(len(units), dtype=np.int64)
        for code in range(len(self.demand)):
            mine = segments == code
            days[mine] = np.searchsorted(self.demand[code], units[mine], side="right") - 1
        return np.minimum(days, self.shop.days - 1)

    def seconds_on(self, days: Ints, segments: Ints, rng: np.random.Generator) -> Ints:
        """Return moments on the given days (from the start), at each segment's own hours."""
        hours = draw_from_rows(self.hours, segments, rng.random(len(days)))
        within = rng.integers(0, 3600, len(days))
        return np.asarray(self.start_second + days * SECONDS_PER_DAY + hours * 3600 + within)


def day_weights(segment: Segment, first_day: int, days: int) -> Floats:
    """Return a segment's demand on each day; the mean over a year of 365 days and whole weeks is 1.

    Examples
    --------
    >>> from segml.sources.synthetic.world import SEGMENTS
    >>> weights = day_weights(SEGMENTS[2], first_day=18993, days=365)  # gifters, 2022
    >>> round(float(weights.mean()), 2), int(weights.argmax()) // 30
    (1.0, 11)
    """
    epoch_days = first_day + np.arange(days)
    dates = epoch_days.astype("datetime64[D]")
    day_of_year = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    season = _season(segment, np.arange(365))
    weekend = (epoch_days + 3) % 7 >= 5  # 1970-01-01 was a Thursday
    week = np.where(weekend, segment.weekend, 1.0) / ((5 + 2 * segment.weekend) / 7)
    return np.asarray(_season(segment, day_of_year) / season.mean() * week)


def _season(segment: Segment, day_of_year: Ints) -> Floats:
    december = np.exp(-0.5 * ((day_of_year - 349) / 10) ** 2)
    spring = np.exp(-0.5 * ((day_of_year - 134) / 12) ** 2)
    return np.asarray(1 + (segment.december - 1) * december + (segment.spring - 1) * spring)


def _hour_weights(peak: float) -> Floats:
    apart = np.abs(np.arange(24) + 0.5 - peak)
    apart = np.minimum(apart, 24 - apart)
    return np.asarray(0.03 + np.exp(-0.5 * (apart / 2.5) ** 2))


def _products(seed: int) -> tuple[Ints, Floats, Floats, Ints]:
    rng = generator(seed, WHOLE_SHOP, "products")
    category = np.sort(np.arange(PRODUCTS) % len(CATEGORIES)).astype(np.int64)
    price = np.maximum(np.array(_TYPICAL_PRICE)[category] * rng.lognormal(0.0, 0.5, PRODUCTS), 0.5).round(2)
    sizes = np.bincount(category)
    popularity = np.zeros((len(CATEGORIES), sizes.max()))
    for code, size in enumerate(sizes):
        popularity[code, :size] = rng.permutation(1.0 / np.arange(1, size + 1) ** 0.8)
    start = np.cumsum(sizes) - sizes
    return category, price, cumulative_rows(popularity), start.astype(np.int64)


def product_tables(rhythm: Rhythm) -> tuple[pa.Table, pa.Table]:
    """Return the `products` table and the truth about them (price and popularity within the category)."""
    rng = generator(rhythm.shop.seed, WHOLE_SHOP, "products")
    brand = rng.permutation(np.arange(PRODUCTS) % len(BRANDS))
    category = Coded(rhythm.product_category, CATEGORIES)
    number = np.arange(1, PRODUCTS + 1)
    within = np.arange(PRODUCTS) - rhythm.product_start[rhythm.product_category]
    labels = tuple(CATEGORIES[c] for c in rhythm.product_category)
    names = tuple(f"{BRANDS[b]} {label} {w + 1}" for b, label, w in zip(brand, labels, within, strict=True))
    ids = number_text("P", (number, 4))
    columns = {"product_id": ids, "category": category, "name": Coded(number - 1, names)}
    shares = np.diff(rhythm.product_within, axis=1, prepend=0.0)
    truth = {
        "product_id": ids,
        "category": category,
        "price": rhythm.product_price,
        "popularity": shares[rhythm.product_category, within],
    }
    return canonical_table("products", {**columns, "brand": Coded(brand, BRANDS)}), truth_table(truth)


def campaign_table(rhythm: Rhythm) -> pa.Table:
    """Return the `campaigns` table: one every `campaign_every_days`, kinds in turn."""
    count = len(rhythm.shop.campaign_days)
    starts = np.array([rhythm.send_second(c) for c in range(count)], dtype=np.int64)
    kinds = Coded(np.arange(count) % len(CAMPAIGN_KINDS), CAMPAIGN_KINDS)
    return canonical_table(
        "campaigns",
        {
            "campaign_id": campaign_ids(np.arange(count)),
            "kind": kinds,
            "starts_at": starts,
            "ends_at": starts + RESPONSE_DAYS * SECONDS_PER_DAY,
        },
    )


def campaign_ids(campaigns: Ints) -> Coded:
    """Return campaigns by number as the names the tables use; -1 is none."""
    return Coded(
        campaigns, tuple(f"K{number + 1:04d}" for number in range(1 + int(campaigns.max(initial=0))))
    )
