"""Orders, their lines, and what comes back.

Planted here: after the first order, orders are Poisson in demand time at each customer's own rate until
`alive_until`, so counts are NBD within a segment; what is paid per order is gamma-gamma; bargain hunters wait for
reductions; a good third of the lines follows one personal interest; each segment has its own hours, weekdays, channel
and return share. A line's unit price follows the product's price but is scaled so that the order meets its value (pack
sizes and variants, one may say); in whole cents `amount = unit_price * quantity - discount - coupon`, and an order is
the sum of its lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from segml.sources.synthetic.customers import Traits
from segml.sources.synthetic.draws import (
    NEVER,
    Bytes,
    Coded,
    Floats,
    Ints,
    canonical_table,
    cumulative_rows,
    draw_from_rows,
    generator,
    number_text,
    repeat_numbers,
)
from segml.sources.synthetic.rhythm import PRODUCTS, Rhythm
from segml.sources.synthetic.world import CATEGORIES
from segml.time_windows import SECONDS_PER_DAY

_CHANNELS = ("web", "app", "store")
_STORES = ("web", *(f"S{number:02d}" for number in range(1, 13)))
_REDUCTIONS = np.array([0.1, 0.2, 0.3, 0.4])
_COUPONS = np.array([0.05, 0.10, 0.15])


@dataclass(frozen=True)
class Orders:
    """Orders of one block, sorted by customer and time; `campaign` is what caused the order, or -1."""

    customer: Ints  # place in the block
    second: Ints
    campaign: Ints

    @property
    def number(self) -> Ints:
        """1, 2, ... within each customer."""
        return repeat_numbers(np.bincount(self.customer)) + 1

    @classmethod
    def sorted(cls, customer: Ints, second: Ints, campaign: Ints) -> Orders:
        """Sort by customer and time."""
        place = np.lexsort((second, customer))
        return cls(customer[place], second[place], campaign[place])

    def ids(self, traits: Traits) -> Bytes:
        """Return order ids as text codes."""
        return number_text("O", (traits.numbers[self.customer], 8), (self.number, 4))


@dataclass(frozen=True)
class Lines:
    """Lines of one block; money in cents, `order` is the place among the block's orders."""

    order: Ints
    product: Ints
    quantity: Ints
    unit: Ints
    discount: Ints
    coupon: Ints
    amount: Ints

    def per_order(self, cents: Ints, orders: int) -> Ints:
        """Return the sum of a line column over each order."""
        return np.bincount(self.order, weights=cents, minlength=orders).astype(np.int64)


def draw_orders(rhythm: Rhythm, traits: Traits) -> Orders:
    """Draw the orders that customers place of their own accord."""
    rng = generator(rhythm.shop.seed, traits.block, "purchases")
    expected, before = expected_repeats(rhythm, traits)
    counts = rng.poisson(expected)
    customer = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    span = np.where(traits.rate > 0, expected / np.maximum(traits.rate, 1e-300) * 365, 0.0)
    units = before[customer] + rng.random(len(customer)) * span[customer]
    segment = traits.segment[customer]
    second = rhythm.seconds_on(rhythm.day_of(segment, units), segment, rng)
    buyers = np.flatnonzero(~traits.prospect)
    customer = np.concatenate([buyers, customer])
    second = np.concatenate([traits.first_order[buyers], second])
    return Orders.sorted(customer, second, np.full(len(customer), -1, dtype=np.int64))


def expected_repeats(rhythm: Rhythm, traits: Traits) -> tuple[Floats, Floats]:
    """Return each customer's expected repeat orders within the data, and the demand units at which they begin."""
    shop = rhythm.shop
    buys = ~traits.prospect
    begin = np.where(buys, traits.first_order // SECONDS_PER_DAY + 1 - shop.first_day, shop.days)
    finish = np.where(buys, traits.alive_until // SECONDS_PER_DAY - shop.first_day, shop.days)
    before = rhythm.demand[traits.segment, np.minimum(begin, shop.days)]
    after = rhythm.demand[traits.segment, np.minimum(finish, shop.days)]
    return traits.rate * (after - before) / 365, before


def draw_lines(rhythm: Rhythm, traits: Traits, orders: Orders) -> Lines:
    """Draw what is in each order, and what was paid for it."""
    shop, segment = rhythm.shop, traits.segment[orders.customer]
    rng = generator(shop.seed, traits.block, "lines")
    mean_lines = np.array([s.lines for s in shop.segments])[segment]
    counts = 1 + rng.poisson((mean_lines - 1) * shop.lines_scale)
    order = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    product = _products_of(rhythm, traits, orders.customer[order], rng)
    quantity = rng.geometric(0.8, len(order)).astype(np.int64)
    value_shape = np.array([s.value_shape for s in shop.segments])[segment]
    paid = rng.gamma(value_shape) / traits.value_rate[orders.customer]
    reduction, coupon_rate = _reductions(rhythm, orders, segment, rng)
    full = paid / ((1 - reduction) * (1 - coupon_rate))
    weight = rhythm.product_price[product] * quantity * rng.gamma(4.0, size=len(order))
    share = weight / np.bincount(order, weights=weight, minlength=len(counts))[order]
    unit = np.maximum(np.rint(full[order] * share / quantity * 100), 1).astype(np.int64)
    discount = (unit * quantity * reduction[order]).astype(np.int64)
    coupon = ((unit * quantity - discount) * coupon_rate[order]).astype(np.int64)
    return Lines(order, product, quantity, unit, discount, coupon, unit * quantity - discount - coupon)


def _products_of(rhythm: Rhythm, traits: Traits, customer: Ints, rng: np.random.Generator) -> Ints:
    """Draw a product a line: the personal interest or the segment's mixture, then popularity within it."""
    mixtures = cumulative_rows(np.array([s.categories for s in rhythm.shop.segments], dtype=np.float64))
    usual = draw_from_rows(mixtures, traits.segment[customer], rng.random(len(customer)))
    keen = rng.random(len(customer)) < rhythm.shop.interest_strength
    category = np.where(keen, traits.interest[customer], usual)
    within = draw_from_rows(rhythm.product_within, category, rng.random(len(customer)))
    return np.minimum(rhythm.product_start[category] + within, PRODUCTS - 1)


def _reductions(
    rhythm: Rhythm, orders: Orders, segment: Ints, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw the price reduction and coupon of each order; orders that a campaign caused mostly carry its coupon."""
    size = len(segment)
    reduced = rng.random(size) < np.array([s.discount_share for s in rhythm.shop.segments])[segment]
    usual = np.array([s.coupon_share for s in rhythm.shop.segments])[segment]
    with_coupon = rng.random(size) < np.where(orders.campaign >= 0, 0.8, usual)
    reduction = np.where(reduced, rng.choice(_REDUCTIONS, size), 0.0)
    return reduction, np.where(with_coupon, rng.choice(_COUPONS, size), 0.0)


def order_tables(
    rhythm: Rhythm, traits: Traits, orders: Orders, lines: Lines, wanted: tuple[str, ...]
) -> dict[str, tuple[Ints, pa.Table]]:
    """Return `orders` and `order_lines` of a block, as wanted, each with its rows' customers."""
    channel, store = where_bought(rhythm, traits, orders)
    ids, persons = orders.ids(traits), traits.ids(orders.customer)
    tables: dict[str, tuple[Ints, pa.Table]] = {}
    if "orders" in wanted:
        sums = {n: lines.per_order(getattr(lines, n), len(ids)) for n in ("amount", "discount", "coupon")}
        columns: dict[str, Any] = {
            "order_id": ids,
            "customer_id": persons,
            "ordered_at": orders.second,
            **sums,
        }
        columns |= {"store_id": Coded(store, _STORES), "channel": Coded(channel, _CHANNELS)}
        tables["orders"] = (orders.customer, canonical_table("orders", columns))
    if "order_lines" in wanted:
        of = lines.order
        columns = {
            "order_id": ids[of], "customer_id": persons[of], "ordered_at": orders.second[of],
            "product_id": Coded(lines.product, product_labels()),
            "category": Coded(rhythm.product_category[lines.product], CATEGORIES),
            "quantity": lines.quantity, "amount": lines.amount, "unit_price": lines.unit,
            "discount": lines.discount, "coupon": lines.coupon, "store_id": Coded(store[of], _STORES),
        }  # fmt: skip
        tables["order_lines"] = (orders.customer[of], canonical_table("order_lines", columns))
    if "returns" in wanted:
        tables["returns"] = _returns(rhythm, traits, orders, lines)
    return tables


def product_labels() -> tuple[str, ...]:
    """Return the ids of the products by number."""
    return tuple(f"P{number:04d}" for number in range(1, PRODUCTS + 1))


def where_bought(rhythm: Rhythm, traits: Traits, orders: Orders) -> tuple[Ints, Ints]:
    """Draw channel and store; a customer has one home store and keeps to it."""
    rng = generator(rhythm.shop.seed, traits.block, "places")
    share = np.array([s.online for s in rhythm.shop.segments])[traits.segment[orders.customer]]
    uniform = rng.random(len(share))
    channel = np.where(uniform < 0.7 * share, 0, np.where(uniform < share, 1, 2))
    home = 1 + traits.numbers[orders.customer] % (len(_STORES) - 1)
    return channel, np.where(channel < 2, 0, home)


def _returns(rhythm: Rhythm, traits: Traits, orders: Orders, lines: Lines) -> tuple[Ints, pa.Table]:
    rng = generator(rhythm.shop.seed, traits.block, "returns")
    share = np.array([s.return_share for s in rhythm.shop.segments])
    customer = orders.customer[lines.order]
    back = rng.random(len(customer)) < share[traits.segment[customer]]
    delay = rng.integers(3 * SECONDS_PER_DAY, 30 * SECONDS_PER_DAY, len(customer))
    returned = np.where(back, orders.second[lines.order] + delay, NEVER)
    rows = np.flatnonzero(returned < rhythm.end_second)
    order = lines.order[rows]
    columns = {
        "customer_id": traits.ids(customer[rows]),
        "returned_at": returned[rows],
        "order_id": orders.ids(traits)[order],
        "product_id": Coded(lines.product[rows], product_labels()),
        "amount": lines.amount[rows],
    }
    return customer[rows], canonical_table("returns", columns)
