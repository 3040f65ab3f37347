"""The parameters of the synthetic shop: what is planted, and how strongly.

Six behavioural segments are planted. Within a segment a customer's purchase rate is gamma distributed and orders
arrive as a Poisson process (so counts are NBD: Ehrenberg 1959), lifetimes are exponential with gamma distributed
hazards (Pareto/NBD: Schmittlein, Morrison & Colombo 1987) and order values are gamma-gamma (Fader & Hardie 2013).
`Segment` holds one segment's numbers, `SyntheticShop` the shop's, and both are written beside the tables as truth.
"""

from __future__ import annotations

from dataclasses import dataclass

from segml.errors import ConfigurationError, did_you_mean
from segml.tables.catalog import TABLES
from segml.time_windows import Cutoff

CATEGORIES = (
    "groceries", "household", "beauty", "fashion", "home", "toys", "sports", "electronics", "gifts",
)  # fmt: skip
CLUSTERS = ("price_driven", "quality_seekers", "explorers", "convenience_first")
BATTERIES = ("price", "quality", "novelty", "convenience")
STYLES = ("plain", "acquiescent", "extreme", "straight_liner")
CAMPAIGN_KINDS = ("newsletter", "win_back", "seasonal_offer", "thank_you")
RESPONSE_DAYS = 14  # a campaign works for so many days after it is sent, and never later
BLOCK_CUSTOMERS = 5_000  # randomness is drawn for so many customers at a time; part of the shop's identity
MAX_CUSTOMERS = 100_000_000  # customer numbers have eight digits


@dataclass(frozen=True)
class Segment:
    """One planted segment; rates are per year, money in major units, shares between 0 and 1.

    Parameters
    ----------
    name : str
        What the truth calls it.
    share : float
        Share of the customers (shares are normalised over the segments).
    orders_per_year, rate_shape : float
        Mean and gamma shape of the customers' purchase rates while alive (first order not counted).
    dropout_per_year, dropout_shape : float
        Mean and gamma shape of the customers' hazards of leaving for good.
    order_value, value_shape, value_spread : float
        Gamma-gamma: mean paid per order, shape `p` within a customer, shape `q` (> 2) between customers.
    lines : float
        Mean lines an order (one plus a Poisson count).
    discount_share, coupon_share, return_share : float
        Probability of a reduction on an order, of a coupon on an order, of a line coming back.
    uplift : float
        What a campaign does in `RESPONSE_DAYS` days to a living customer: when positive, the probability that one
        who would have stayed away orders once; when negative, the probability that one who would have
        ordered does not.
    december, spring, weekend : float
        Demand at the December peak, in mid May, and on Saturdays and Sundays, against an ordinary day.
    hour : float
        Hour of the day around which orders gather.
    online : float
        Share of orders by web or app.
    leaning : int
        Psychographic cluster that half of the segment belongs to (index in `CLUSTERS`).
    categories : tuple of float
        Relative weight of each of `CATEGORIES`, before personal interest.
    """

    name: str
    share: float
    orders_per_year: float
    rate_shape: float
    dropout_per_year: float
    dropout_shape: float
    order_value: float
    value_shape: float
    value_spread: float
    lines: float
    discount_share: float
    coupon_share: float
    return_share: float
    uplift: float
    december: float
    spring: float
    weekend: float
    hour: float
    online: float
    leaning: int
    categories: tuple[float, ...]


SEGMENTS = (
    Segment(
        name="weekly_essentials", share=0.03,
        orders_per_year=25.0, rate_shape=6.0, dropout_per_year=0.15, dropout_shape=3.0,
        order_value=32.0, value_shape=5.0, value_spread=8.0, lines=3.2,
        discount_share=0.2, coupon_share=0.08, return_share=0.01, uplift=-0.06,
        december=1.15, spring=1.0, weekend=0.7, hour=17.0, online=0.35, leaning=3,
        categories=(6.0, 3.0, 1.0, 0.3, 0.5, 0.3, 0.2, 0.2, 0.2),
    ),
    Segment(
        name="monthly_stock_up", share=0.1,
        orders_per_year=8.0, rate_shape=5.0, dropout_per_year=0.25, dropout_shape=3.0,
        order_value=85.0, value_shape=6.0, value_spread=8.0, lines=4.0,
        discount_share=0.25, coupon_share=0.1, return_share=0.02, uplift=0.02,
        december=1.3, spring=1.0, weekend=1.8, hour=11.0, online=0.3, leaning=3,
        categories=(4.0, 5.0, 2.0, 0.5, 1.5, 0.5, 0.5, 0.4, 0.3),
    ),
    Segment(
        name="seasonal_gifters", share=0.22,
        orders_per_year=1.8, rate_shape=3.0, dropout_per_year=0.3, dropout_shape=3.0,
        order_value=62.0, value_shape=4.0, value_spread=6.0, lines=2.1,
        discount_share=0.15, coupon_share=0.1, return_share=0.08, uplift=0.03,
        december=6.0, spring=2.5, weekend=1.3, hour=20.0, online=0.7, leaning=1,
        categories=(0.2, 0.3, 1.5, 1.0, 1.5, 3.0, 0.5, 1.5, 5.0),
    ),
    Segment(
        name="bargain_hunters", share=0.25,
        orders_per_year=2.5, rate_shape=2.0, dropout_per_year=0.6, dropout_shape=2.0,
        order_value=38.0, value_shape=4.0, value_spread=6.0, lines=2.3,
        discount_share=0.65, coupon_share=0.4, return_share=0.1, uplift=0.1,
        december=1.8, spring=1.2, weekend=1.1, hour=21.0, online=0.8, leaning=0,
        categories=(0.8, 1.5, 1.5, 4.0, 1.5, 1.0, 1.5, 1.0, 0.5),
    ),
    Segment(
        name="one_time_tryers", share=0.35,
        orders_per_year=0.4, rate_shape=1.5, dropout_per_year=4.0, dropout_shape=3.0,
        order_value=44.0, value_shape=3.0, value_spread=5.0, lines=1.6,
        discount_share=0.45, coupon_share=0.25, return_share=0.12, uplift=0.01,
        december=2.0, spring=1.0, weekend=1.0, hour=14.0, online=0.75, leaning=2,
        categories=(0.5, 0.5, 1.5, 2.0, 1.5, 1.0, 2.0, 2.5, 1.0),
    ),
    Segment(
        name="lapsing_vips", share=0.05,
        orders_per_year=8.0, rate_shape=4.0, dropout_per_year=1.1, dropout_shape=3.0,
        order_value=160.0, value_shape=5.0, value_spread=7.0, lines=2.6,
        discount_share=0.1, coupon_share=0.05, return_share=0.05, uplift=0.12,
        december=1.6, spring=1.3, weekend=0.9, hour=19.0, online=0.55, leaning=1,
        categories=(0.5, 0.8, 2.5, 3.5, 3.0, 0.5, 1.5, 2.0, 1.0),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class SyntheticShop:
    """A shop that never was, with known truth.

    Parameters
    ----------
    n_customers : int
        Accounts, prospects included; 1 to 100 million.
    seed : int, default 0
        The same seed gives the same bytes; the first customers of a larger shop are those of a smaller one.
    start : str, default "2022-01-01"
        First day of the data (ISO date).
    days : int, default 1095
        Days of data.
    tables : tuple of str
        Canonical tables to make; leaving one out changes no byte of the others.
    segments : tuple of Segment
        What is planted.
    orders_scale, lines_scale, uplift_scale : float, default 1
        Factors on every segment's purchase rate, lines an order beyond the first, and campaign effect.
    prospect_share, duplicate_share, member_share, survey_share : float
        Share of accounts that never order, that are a second account of the person before, that collect
        points, and that answer the survey.
    interest_strength : float, default 0.4
        Share of a customer's lines taken from their one personal interest instead of the segment's mixture.
    launch_share : float, default 0.35
        Share of customers who come in the first 60 days; the rest come all along.
    campaign_every_days : int, default 60
        Days between campaigns (at least 15, so that response windows are apart); 0 for none.
    control_share : float, default 0.2
        Share of each campaign's audience that is randomly held out.
    fatigue : float, default 0
        How much likelier unsubscribing after an opened mail becomes with each other mail of the last 30 days: its
        probability of 0.008 is multiplied by ``(1 + fatigue) ** mails``. Only campaigns closer than 30 days feel it.

    Raises
    ------
    ConfigurationError
        Naming every parameter that is out of bounds.

    Examples
    --------
    >>> shop = SyntheticShop(n_customers=10)
    >>> shop.end.label, shop.campaign_days[:2]
    ('2024-12-31', (120, 180))
    """

    n_customers: int
    seed: int = 0
    start: str = "2022-01-01"
    days: int = 1095
    tables: tuple[str, ...] = tuple(TABLES)
    segments: tuple[Segment, ...] = SEGMENTS
    orders_scale: float = 1.0
    lines_scale: float = 1.0
    uplift_scale: float = 1.0
    prospect_share: float = 0.08
    duplicate_share: float = 0.01
    member_share: float = 0.6
    survey_share: float = 0.15
    interest_strength: float = 0.4
    launch_share: float = 0.35
    campaign_every_days: int = 60
    control_share: float = 0.2
    fatigue: float = 0.0

    def __post_init__(self) -> None:
        problems = [*_number_problems(self), *_share_problems(self), *_segment_problems(self)]
        problems += [
            f"tables has no {name!r}{did_you_mean(name, TABLES)}"
            for name in self.tables
            if name not in TABLES
        ]
        if problems:
            raise ConfigurationError("a synthetic shop breaks its rules: " + "; ".join(problems))
        Cutoff.parse(self.start)

    @property
    def first_day(self) -> int:
        """Epoch day of the first day of data."""
        return Cutoff.parse(self.start).day

    @property
    def end(self) -> Cutoff:
        """The midnight after the last day of data."""
        return Cutoff.parse(self.start).plus_days(self.days)

    @property
    def campaign_days(self) -> tuple[int, ...]:
        """Days from the start on which campaigns are sent; every response window lies within the data."""
        every = self.campaign_every_days
        return tuple(range(2 * every, self.days - RESPONSE_DAYS, every)) if every else ()

    @property
    def blocks(self) -> int:
        """Blocks of `BLOCK_CUSTOMERS` that hold the customers."""
        return -(-self.n_customers // BLOCK_CUSTOMERS)


def _number_problems(shop: SyntheticShop) -> list[str]:
    every = shop.campaign_every_days
    rules = (
        (
            1 <= shop.n_customers <= MAX_CUSTOMERS,
            f"n_customers is 1 to {MAX_CUSTOMERS}, got {shop.n_customers}",
        ),
        (shop.seed >= 0, f"seed is 0 or more, got {shop.seed}"),
        (1 <= shop.days <= 36_500, f"days is 1 to 36500, got {shop.days}"),
        (shop.orders_scale >= 0, f"orders_scale is 0 or more, got {shop.orders_scale}"),
        (shop.lines_scale >= 0, f"lines_scale is 0 or more, got {shop.lines_scale}"),
        (shop.duplicate_share <= 0.5, f"duplicate_share is 0 to 0.5, got {shop.duplicate_share}"),
        (shop.fatigue >= 0, f"fatigue is 0 or more, got {shop.fatigue}"),
        (every == 0 or every > RESPONSE_DAYS, f"campaign_every_days is 0 or more than 14, got {every}"),
    )
    return [text for holds, text in rules if not holds]


def _share_problems(shop: SyntheticShop) -> list[str]:
    names = (
        "prospect_share", "duplicate_share", "member_share", "survey_share", "interest_strength", "launch_share",
        "control_share",
    )  # fmt: skip
    return [f"{n} is 0 to 1, got {getattr(shop, n)}" for n in names if not 0 <= getattr(shop, n) <= 1]


def _segment_problems(shop: SyntheticShop) -> list[str]:
    if not shop.segments:
        return ["segments is empty"]
    return [
        f"segment {s.name!r} needs {rule}"
        for s in shop.segments
        for holds, rule in (
            (len(s.categories) == len(CATEGORIES), f"{len(CATEGORIES)} category weights"),
            (s.value_spread > 2, "value_spread above 2, or order values have no variance"),
            (s.share > 0 and s.rate_shape > 0 and s.dropout_shape > 0, "share and shapes above 0"),
            (abs(s.uplift * shop.uplift_scale) <= 1, "an uplift between -1 and 1 after scaling"),
        )
        if not holds
    ]
