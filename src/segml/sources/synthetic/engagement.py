"""Points, tickets and visits: what goes with the orders, and what announces them.

Planted here: members earn a point per whole unit of money paid, which lapses after a year, and redeem all whole
hundreds on some orders; the ledger never goes below zero, whether lapsed points are taken off first in, first out or
not at all. Three orders in ten bring a coupon for the next `COUPON_LIFE`, and half of those who order again within it
use it. Complaints are three times as likely in the last 60 days before a customer leaves for good.
Most web orders are announced by a visit, often with a search and a cart; living customers also come without buying, and
those who left never come.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from segml.sources.synthetic.customers import Traits
from segml.sources.synthetic.draws import (
    NEVER,
    Coded,
    Flags,
    Floats,
    Ints,
    blank,
    canonical_table,
    draw_from_rows,
    generator,
    number_text,
)
from segml.sources.synthetic.purchases import Lines, Orders, product_labels, where_bought
from segml.sources.synthetic.rhythm import Rhythm
from segml.sources.synthetic.world import CATEGORIES
from segml.time_windows import SECONDS_PER_DAY

POINT_LIFE = 365 * SECONDS_PER_DAY
COUPON_LIFE = 45 * SECONDS_PER_DAY
_FAREWELL = 60 * SECONDS_PER_DAY
_TOUCHES = ("search_ads", "social_ads", "newsletter", "affiliate", "organic")
_WEB_EVENTS = ("visit", "search", "view", "cart_add", "cart_remove", "checkout")
_KINDS = ("complaint", "question", "praise")


def loyalty_table(rhythm: Rhythm, traits: Traits, orders: Orders, lines: Lines) -> tuple[Ints, pa.Table]:
    """Return `loyalty_ledger` of a block.

    Points are consumed first in, first out. On a redemption, consumption moves to the last whole hundred ever
    earned; what lapsed before that can't be spent. Both marks only rise, so no loop over customers is needed.
    """
    rng = generator(rhythm.shop.seed, traits.block, "loyalty")
    wants = rng.random(len(orders.second)) < 0.25
    member = np.flatnonzero(traits.member[orders.customer])
    customer, second = orders.customer[member], orders.second[member]
    earned = lines.per_order(lines.amount, len(orders.second))[member] // 100
    spent = _redemptions(customer, second, earned, wants[member])
    rows = [
        (customer, second, earned, second + POINT_LIFE),
        (customer, second, -spent, np.full(len(spent), NEVER)),
    ]
    who, when, points, lapses = (np.concatenate([row[i] for row in rows]) for i in range(4))
    place = np.lexsort((points, when, who))  # the redemption goes before the points of the same order
    place = place[points[place] != 0]
    columns = {
        "customer_id": traits.ids(who[place]), "occurred_at": when[place], "points": points[place],
        "expires_at": lapses[place],
    }  # fmt: skip
    return who[place], canonical_table("loyalty_ledger", columns)


def _redemptions(customer: Ints, second: Ints, earned: Ints, wants: Flags) -> Ints:
    """Return the points redeemed with each order (rows sorted by customer and time)."""
    if not len(customer):
        return np.zeros(0, dtype=np.int64)
    total = np.concatenate([[0], np.cumsum(earned)])
    first_row = np.searchsorted(customer, customer, side="left")
    base = total[first_row]
    available = total[:-1] - base  # earned before this order
    span = int(second.max() - second.min()) + POINT_LIFE + 2
    clock = customer * span + (second - second.min())
    lapsed_rows = np.searchsorted(clock, clock - POINT_LIFE, side="right")
    lapsed = total[np.maximum(lapsed_rows, first_row)] - base
    mark = np.where(wants, available // 100 * 100, 0)
    lift = customer * (int(total[-1]) + 1)  # lets one running maximum serve all customers
    marks = np.maximum.accumulate(mark + lift) - lift
    before = np.where(np.arange(len(mark)) > first_row, np.concatenate([[0], marks[:-1]]), 0)
    return np.where(wants, np.maximum(mark - np.maximum(before, lapsed), 0), 0)


def coupon_table(rhythm: Rhythm, traits: Traits, orders: Orders) -> tuple[Ints, pa.Table]:
    """Return `coupons` of a block: given an hour after an order, used with the next one or not at all."""
    rng = generator(rhythm.shop.seed, traits.block, "coupons")
    size = len(orders.second)
    given, uses = rng.random(size) < 0.3, rng.random(size) < 0.5
    issued = orders.second + 3600
    same = np.append(orders.customer[1:] == orders.customer[:-1], False) if size else np.zeros(0, dtype=bool)
    following = np.where(same, np.append(orders.second[1:], NEVER)[:size], NEVER)
    in_time = (following > issued) & (following < issued + COUPON_LIFE)
    redeemed = np.where(uses & in_time, following, NEVER)
    rows = np.flatnonzero(given & (issued < rhythm.end_second))
    customer = orders.customer[rows]
    columns = {
        "coupon_id": number_text("K", (traits.numbers[customer], 8), (orders.number[rows], 4)),
        "customer_id": traits.ids(customer), "issued_at": issued[rows],
        "expires_at": issued[rows] + COUPON_LIFE, "redeemed_at": redeemed[rows],
    }  # fmt: skip
    return customer, canonical_table("coupons", columns)


def ticket_table(rhythm: Rhythm, traits: Traits, orders: Orders) -> tuple[Ints, pa.Table]:
    """Return `support_tickets` of a block: at most one an order."""
    rng = generator(rhythm.shop.seed, traits.block, "tickets")
    size = len(orders.second)
    leaving = traits.alive_until[orders.customer] - orders.second < _FAREWELL
    uniform = rng.random(size)
    complaint = np.where(leaving, 0.06, 0.02)
    kind = np.where(uniform < complaint, 0, np.where(uniform < complaint + 0.02, 1, 2))
    opened = orders.second + rng.integers(3600, 10 * SECONDS_PER_DAY, size)
    closed = opened + (rng.exponential(30, size) * 3600).astype(np.int64) + 300
    closed = np.where((rng.random(size) < 0.05) | (closed >= rhythm.end_second), NEVER, closed)
    rows = np.flatnonzero((uniform < complaint + 0.03) & (opened < rhythm.end_second))
    customer = orders.customer[rows]
    ids = number_text("T", (traits.numbers[customer], 8), (orders.number[rows], 4))
    columns = {
        "ticket_id": ids, "customer_id": traits.ids(customer), "opened_at": opened[rows],
        "closed_at": closed[rows], "kind": Coded(kind[rows], _KINDS),
    }  # fmt: skip
    return customer, canonical_table("support_tickets", columns)


def web_table(rhythm: Rhythm, traits: Traits, orders: Orders, lines: Lines) -> tuple[Ints, pa.Table]:
    """Return `web_events` of a block, sorted by customer and time."""
    rng = generator(rhythm.shop.seed, traits.block, "web")
    channel, _ = where_bought(rhythm, traits, orders)
    first_line = np.searchsorted(lines.order, np.arange(len(orders.second)))
    came = np.flatnonzero((channel < 2) & (rng.random(len(channel)) < 0.6))
    customer, second = orders.customer[came], orders.second[came]
    begin = second - rng.integers(240, 3600, len(came))
    begin = np.maximum(begin, np.minimum(traits.joined[customer], second - 60))
    buying = _session(
        customer, begin, lines.product[first_line[came]], rng.random((2, len(came))), (0.4, 1.0)
    )
    done = (customer, second - 5, np.full(len(came), 5), np.full(len(came), -1))
    customer, begin, product = _idle_visits(rhythm, traits, rng)
    idle = _session(customer, begin, product, rng.random((2, len(customer))), (0.25, 0.2))
    removed = np.flatnonzero(rng.random(len(customer)) < 0.05)
    taken = (customer[removed], begin[removed] + 58, np.full(len(removed), 4), product[removed])
    parts = [*buying, done, *idle, taken]
    who, when, event, product = (np.concatenate([part[i] for part in parts]) for i in range(4))
    place = np.lexsort((event, when, who))
    place = place[when[place] < rhythm.end_second]
    return who[place], _web_columns(rhythm, traits, who[place], when[place], event[place], product[place])


def _session(
    customer: Ints, begin: Ints, product: Ints, uniform: Floats, odds: tuple[float, float]
) -> list[tuple[Ints, Ints, Ints, Ints]]:
    """Return the events of visits: visit, perhaps a search, a view, perhaps a cart (odds of search and cart)."""
    nothing = np.full(len(customer), -1)
    search, cart = np.flatnonzero(uniform[0] < odds[0]), np.flatnonzero(uniform[1] < odds[1])
    return [
        (customer, begin, np.full(len(customer), 0), nothing),
        (customer[search], begin[search] + 10, np.full(len(search), 1), product[search]),
        (customer, begin + 30, np.full(len(customer), 2), product),
        (customer[cart], begin[cart] + 50, np.full(len(cart), 3), product[cart]),
    ]


def _idle_visits(rhythm: Rhythm, traits: Traits, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """Draw visits without an order: customer, moment, product looked at (mostly of the personal interest)."""
    until = np.minimum(np.where(traits.prospect, rhythm.end_second, traits.alive_until), rhythm.end_second)
    begin = np.maximum(traits.joined, rhythm.start_second)
    years = np.maximum(until - begin, 0) / (365 * SECONDS_PER_DAY)
    counts = rng.poisson((0.5 + np.minimum(0.6 * traits.rate, 8.0)) * years)
    customer = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    moment = begin[customer] + (rng.random(len(customer)) * (until - begin)[customer]).astype(np.int64)
    other = rng.integers(0, len(CATEGORIES), len(customer))
    category = np.where(rng.random(len(customer)) < 0.6, traits.interest[customer], other)
    within = draw_from_rows(rhythm.product_within, category, rng.random(len(customer)))
    return customer, moment, rhythm.product_start[category] + within


def _web_columns(
    rhythm: Rhythm, traits: Traits, who: Ints, when: Ints, event: Ints, product: Ints
) -> pa.Table:
    category = np.where(product >= 0, rhythm.product_category[product], -1)
    searched = event == 1
    return canonical_table(
        "web_events",
        {
            "customer_id": traits.ids(who),
            "occurred_at": when,
            "event": Coded(event, _WEB_EVENTS),
            "product_id": Coded(blank(product, searched), product_labels()),
            "category": Coded(blank(category, searched), CATEGORIES),
            "query": Coded(blank(category, ~searched), CATEGORIES),
            "source": Coded(_touches(traits.numbers[who], when), _TOUCHES),
        },
    )


def _touches(person: Ints, when: Ints) -> Ints:
    """Return where a visit came from, one source a person and day; -1 for those who type the address."""
    mixed = (person * 2_654_435_761 + when // SECONDS_PER_DAY * 40_503) % 97
    return np.where(mixed < 5 * 13, mixed // 13, -1)
