"""A synthetic shop with known truth: `SyntheticShop` says what, `make_shop` and `write_shop` make it."""

from segml.sources.synthetic.shop import ShopTables, make_shop
from segml.sources.synthetic.world import CATEGORIES, SEGMENTS, Segment, SyntheticShop
from segml.sources.synthetic.writer import write_shop

__all__ = ["CATEGORIES", "SEGMENTS", "Segment", "ShopTables", "SyntheticShop", "make_shop", "write_shop"]
