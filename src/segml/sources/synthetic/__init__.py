"""A synthetic shop with known truth: `SyntheticShop` says what, `make_shop` and `write_shop` make it.

What is planted, and where its truth lies (`ShopTables.truth[...]`, or `folder/truth/...`):

* behaviour: segment, purchase rate, hazard, spend, interest, life and expected value of each customer in `customers`;
  the segments' own numbers in `segments`;
* campaigns: arm and both potential outcomes of each person in `campaign_arms`, and the orders that exist only because
  of a campaign in `caused_orders`;
* attitudes: cluster, response style and true attitudes of respondents in `psychographics`, keys of the items in
  `survey_items`, centres in `survey_clusters`;
* identity: `customers.person_id`, which differs from `customer_id` for a second account;
* products: price and popularity within the category in `products`;
* the parameters themselves in `truth/shop.json`.

`react_to_list` lets a base react to lists that segml itself built, with both outcomes of everybody known.

Customers are drawn in blocks of 5000, each block from (seed, block, stream) alone: a smaller shop holds the first
customers of a larger one, and neither the chunk size nor the choice of tables moves a draw.
"""

from segml.sources.synthetic.reactions import Reaction, react_to_list
from segml.sources.synthetic.shop import ShopTables, make_shop
from segml.sources.synthetic.world import CATEGORIES, SEGMENTS, Segment, SyntheticShop
from segml.sources.synthetic.writer import write_shop

__all__ = [
    "CATEGORIES",
    "SEGMENTS",
    "Reaction",
    "Segment",
    "ShopTables",
    "SyntheticShop",
    "make_shop",
    "react_to_list",
    "write_shop",
]
