"""One block of the shop at a time: all its tables and its truth, as Arrow tables.

`make_shop` and the writer run the same blocks. A block is always drawn whole and then cut to the customers asked for;
that is what makes the first customers of a larger shop those of a smaller one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from segml.sources.synthetic.contacts import Contacts, arms_truth, consent_table, email_table, run_campaigns
from segml.sources.synthetic.customers import Traits, customer_table, draw_traits, person_ids
from segml.sources.synthetic.draws import NEVER, Coded, Flags, Ints, keep_rows, truth_table
from segml.sources.synthetic.engagement import coupon_table, loyalty_table, ticket_table, web_table
from segml.sources.synthetic.purchases import draw_lines, draw_orders, expected_repeats, order_tables
from segml.sources.synthetic.rhythm import Rhythm, campaign_ids, campaign_table, product_tables
from segml.sources.synthetic.surveys import cluster_truth, item_truth, survey_tables
from segml.sources.synthetic.world import BLOCK_CUSTOMERS, CATEGORIES, SyntheticShop
from segml.time_windows import SECONDS_PER_DAY

TRUTH = "truth"
_LINE_TABLES = {"orders", "order_lines", "returns", "loyalty_ledger", "web_events"}
_Rows = dict[str, tuple[Ints, pa.Table]]


@dataclass(frozen=True)
class ShopTables:
    """A small shop in memory: canonical tables as raw input, and the truth, as frames by name."""

    tables: Mapping[str, pd.DataFrame]
    truth: Mapping[str, pd.DataFrame]

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return a canonical table."""
        return self.tables[name]


def make_shop(shop: SyntheticShop) -> ShopTables:
    """Make a shop in memory; for a few hundred thousand customers at most.

    Parameters
    ----------
    shop : SyntheticShop
        What to make.

    Returns
    -------
    ShopTables
        `tables[name]` for every name in `shop.tables`, text as `str`, times as naive timestamps, money in major
        units; `truth` with `customers`, `segments`, `caused_orders`, `products`, and, where the table is made,
        `campaign_arms`, `psychographics`, `survey_items`, `survey_clusters`.

    Examples
    --------
    >>> made = make_shop(SyntheticShop(n_customers=3, seed=7))
    >>> made["customers"]["customer_id"].tolist()
    ['C00000001', 'C00000002', 'C00000003']
    >>> bool((made["orders"]["amount"].sum() - made["order_lines"]["amount"].sum()).round(2) == 0)
    True
    """
    rhythm = Rhythm.of(shop)
    parts = [block_tables(rhythm, block) for block in range(shop.blocks)]
    whole = {name: pa.concat_tables([part[name] for part in parts]) for name in parts[0]}
    frames = {name: _frame(table) for name, table in {**whole, **shop_tables(rhythm)}.items()}
    prefix = f"{TRUTH}/"
    return ShopTables(
        {name: frames[name] for name in shop.tables},
        {name.removeprefix(prefix): frame for name, frame in frames.items() if name.startswith(prefix)},
    )


def plain_text(table: pa.Table) -> pa.Table:
    """Return the table with every coded column written out as text."""
    fields = [
        pa.field(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in table.schema
    ]
    return table.cast(pa.schema(fields))


def _frame(table: pa.Table) -> pd.DataFrame:
    return plain_text(table).to_pandas()


def shop_tables(rhythm: Rhythm) -> dict[str, pa.Table]:
    """Return the tables that belong to no customer; truth under `truth/<name>`."""
    products, product_truth = product_tables(rhythm)
    wanted = {"products": products, "campaigns": campaign_table(rhythm)}
    tables = {name: table for name, table in wanted.items() if name in rhythm.shop.tables}
    tables |= {f"{TRUTH}/segments": segment_truth(rhythm.shop), f"{TRUTH}/products": product_truth}
    if "surveys" in rhythm.shop.tables:
        tables |= {f"{TRUTH}/survey_items": item_truth(), f"{TRUTH}/survey_clusters": cluster_truth()}
    return tables


def segment_truth(shop: SyntheticShop) -> pa.Table:
    """Return the planted segments, a row each; `category_<name>` is the usual mixture, summing to 1."""
    rows = [dataclasses.asdict(segment) for segment in shop.segments]
    plain = {name: [row[name] for row in rows] for name in rows[0] if name != "categories"}
    mixture = np.array([row["categories"] for row in rows], dtype=np.float64)
    mixture /= mixture.sum(axis=1, keepdims=True)
    return pa.table({**plain, **{f"category_{name}": mixture[:, i] for i, name in enumerate(CATEGORIES)}})


def block_tables(rhythm: Rhythm, block: int) -> dict[str, pa.Table]:
    """Return the tables of one block of customers, cut to the shop's size; truth under `truth/<name>`."""
    shop = rhythm.shop
    traits = draw_traits(rhythm, block)
    contacts = run_campaigns(rhythm, traits, draw_orders(rhythm, traits))
    everyone = np.arange(BLOCK_CUSTOMERS, dtype=np.int64)
    rows: _Rows = {f"{TRUTH}/customers": (everyone, _customer_truth(rhythm, traits, contacts))}
    rows[f"{TRUTH}/caused_orders"] = _caused_orders(traits, contacts)
    if _LINE_TABLES & set(shop.tables):
        rows |= _purchase_tables(rhythm, traits, contacts)
    makers: dict[str, Callable[[], tuple[Ints, pa.Table]]] = {
        "customers": lambda: (everyone, customer_table(rhythm, traits)),
        "email_events": lambda: email_table(rhythm, traits, contacts),
        "consents": lambda: consent_table(rhythm, traits, contacts.consent),
        "coupons": lambda: coupon_table(rhythm, traits, contacts.orders),
        "support_tickets": lambda: ticket_table(rhythm, traits, contacts.orders),
    }
    rows |= {name: make() for name, make in makers.items() if name in shop.tables}
    if {"campaigns", "email_events"} & set(shop.tables):
        rows[f"{TRUTH}/campaign_arms"] = arms_truth(rhythm, traits, contacts)
    if "surveys" in shop.tables:
        rows["surveys"], rows[f"{TRUTH}/psychographics"] = survey_tables(rhythm, traits)
    asked = min(shop.n_customers - block * BLOCK_CUSTOMERS, BLOCK_CUSTOMERS)
    return {name: keep_rows(table, customer < asked) for name, (customer, table) in rows.items()}


def _purchase_tables(rhythm: Rhythm, traits: Traits, contacts: Contacts) -> _Rows:
    orders, wanted = contacts.orders, rhythm.shop.tables
    lines = draw_lines(rhythm, traits, orders)
    rows = order_tables(rhythm, traits, orders, lines, wanted)
    if "loyalty_ledger" in wanted:
        rows["loyalty_ledger"] = loyalty_table(rhythm, traits, orders, lines)
    if "web_events" in wanted:
        rows["web_events"] = web_table(rhythm, traits, orders, lines)
    return rows


def _customer_truth(rhythm: Rhythm, traits: Traits, contacts: Contacts) -> pa.Table:
    """Build the truth about customers; expected values are before returns and campaigns, money in major units."""
    shop = rhythm.shop
    buys = ~traits.prospect
    alive = buys & (traits.alive_until > rhythm.end_second)
    annual = np.where(buys, traits.rate * traits.spend_mean, 0.0)
    hazard = np.maximum(traits.hazard, 1e-9)
    years = -np.expm1(-hazard) / hazard  # expected years alive within the next one
    repeats, _ = expected_repeats(rhythm, traits)
    by_name = np.array([[s.discount_share, s.coupon_share, s.return_share, s.uplift] for s in shop.segments])
    planted = by_name[traits.segment]
    end = rhythm.end_second
    columns = {
        "customer_id": traits.ids(np.arange(len(buys))),
        "person_id": person_ids(traits),
        "segment": Coded(traits.segment, tuple(s.name for s in shop.segments)),
        "interest": Coded(traits.interest, CATEGORIES),
        "prospect": traits.prospect,
        "purchase_rate_year": traits.rate,
        "dropout_rate_year": traits.hazard,
        "spend_mean": traits.spend_mean,
        "first_ordered_at": traits.first_order,
        "alive_until": _within_calendar(traits.alive_until, traits.prospect),
        "alive_at_end": alive,
        "expected_repeat_orders": repeats,
        "expected_annual_value": annual,
        "expected_value_365d": np.where(alive, annual * years, 0.0),
        "discount_share": planted[:, 0],
        "coupon_share": planted[:, 1],
        "return_share": planted[:, 2],
        "uplift": planted[:, 3] * shop.uplift_scale,
        "loyalty_member": traits.member,
        "machine_opener": traits.machine,
        "email_marketing_at_end": contacts.consent.holds(end),
    }
    return truth_table(columns, times=("first_ordered_at", "alive_until"))


def _within_calendar(seconds: Ints, missing: Flags) -> Ints:
    latest = 200 * 365 * SECONDS_PER_DAY  # the longest lives end after what nanosecond timestamps can hold
    return np.where(missing, NEVER, np.minimum(seconds, latest))


def _caused_orders(traits: Traits, contacts: Contacts) -> tuple[Ints, pa.Table]:
    orders = contacts.orders
    rows = np.flatnonzero(orders.campaign >= 0)
    ids = orders.ids(traits)[rows]
    return orders.customer[rows], truth_table(
        {"order_id": ids, "campaign_id": campaign_ids(orders.campaign[rows])}
    )
