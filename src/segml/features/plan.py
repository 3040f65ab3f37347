"""Which features this base can have, decided once and carried by every model trained on them.

The plan looks only at which tables and columns exist and at orders before the first cutoff, so that nothing later can
change a feature. A group whose table is missing is *unavailable, with the reason*; it is never zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from segml.engine import Engine
from segml.features import affinity, behaviour, cadence, engagement, rfm
from segml.features.definition import Feature, Group
from segml.features.facts import fact_queries
from segml.tables.partition import content_sha256
from segml.time_windows import Cutoff

GROUPS = (
    *("history", "windows", "gaps", "weekdays", "hours", "products", "categories", "stores"),
    *("discounts", "coupons", "affinity", "contacts", "returns"),
)
VERSION = 1  # raised when a plan means something else; changed features are seen by the contract itself
_NEVER, _LATER = (
    Cutoff(0),
    Cutoff(1_000),
)  # days that stand for any cutoff where only the text of a query counts


@dataclass(frozen=True)
class FeaturePlan:
    """The groups and categories of a base's snapshots.

    Attributes
    ----------
    groups : tuple of str
        Groups that can be computed.
    categories : tuple of str
        Categories with an affinity column, largest first.
    mask_categories : tuple of str
        Categories told apart when different categories are counted.
    unavailable : dict of str to str
        Group -> why it can't be computed.
    """

    groups: tuple[str, ...]
    categories: tuple[str, ...] = ()
    mask_categories: tuple[str, ...] = ()
    unavailable: dict[str, str] = field(default_factory=dict)
    version: int = VERSION

    def groups_at(self, cutoff: Cutoff) -> list[Group]:
        """Return the groups in column order, with their queries for one cutoff."""
        every = (
            rfm.history(cutoff),
            rfm.windows(cutoff),
            cadence.gaps(cutoff),
            behaviour.weekdays(),
            behaviour.hours(),
            behaviour.products(),
            behaviour.categories(cutoff),
            behaviour.stores(),
            behaviour.discounts(),
            behaviour.coupons(),
            affinity.affinities(self.categories),
            engagement.contacts(cutoff),
            engagement.returns(cutoff),
        )
        return [group for group in every if group.name in self.groups]

    def features(self) -> list[Feature]:
        """Return every feature in column order; names and meanings do not depend on the cutoff."""
        return [feature for group in self.groups_at(_NEVER) for feature in group.features]

    @property
    def names(self) -> list[str]:
        """Feature names in column order."""
        return [feature.name for feature in self.features()]

    @property
    def meanings(self) -> dict[str, str]:
        """Feature name -> what it means."""
        return {feature.name: feature.meaning for feature in self.features()}

    @property
    def contract(self) -> str:
        """Hash of the names, SQL and meanings of all features, and of the queries they are computed from.

        Equal contracts mean equal columns with equal meaning: a feature that is added, computed otherwise or said
        otherwise is another contract, as are other groups or categories.
        """
        groups = [
            (group.name, [(one.name, one.sql, one.meaning) for one in group.features], group.aggregates)
            for group in self.groups_at(_NEVER)
        ]
        facts = [fact_queries(self, cutoffs) for cutoffs in ([_NEVER], [_NEVER, _LATER])]
        decided = [self.version, self.groups, self.categories, self.mask_categories]
        return content_sha256([*decided, groups, facts])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON-able content."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> FeaturePlan:
        """Restore what `to_dict` gave."""
        lists = {key: tuple(content[key]) for key in ("groups", "categories", "mask_categories")}
        return cls(**lists, unavailable=dict(content["unavailable"]), version=int(content["version"]))


def known_features() -> list[str]:
    """Return the names of every feature that some base can have, in column order; categories' own are not among them.

    Examples
    --------
    >>> names = known_features()
    >>> "returned_total" in names, "orders_90d" in names, "orders_91d" in names
    (True, True, False)
    """
    return FeaturePlan(GROUPS).names


def make_plan(engine: Engine, first_cutoff: Cutoff, affinity_categories: int = 12) -> FeaturePlan:
    """Decide which features the registered tables allow.

    Parameters
    ----------
    engine : Engine
        With the validated tables registered under their catalogue names.
    first_cutoff : Cutoff
        The earliest cutoff that will be computed; only rows before it are looked at.
    affinity_categories : int
        How many categories get an affinity column.
    """
    unavailable = {group: reason for group, reason in _missing(engine, first_cutoff).items() if reason}
    categories: tuple[str, ...] = ()
    if "affinity" not in unavailable:
        categories = _largest_categories(engine, first_cutoff, affinity.MASK_BITS - 1)
        if not categories:
            unavailable |= dict.fromkeys(
                ("categories", "affinity"), "no order line before the first cutoff has a category"
            )
    return FeaturePlan(
        groups=tuple(name for name in GROUPS if name not in unavailable),
        categories=categories[:affinity_categories],
        mask_categories=categories,
        unavailable=unavailable,
    )


def _missing(engine: Engine, first_cutoff: Cutoff) -> dict[str, str]:
    orders = engine.columns("orders")
    lines = engine.columns("order_lines") if engine.exists("order_lines") else []

    def needs(column: str, columns: Sequence[str], table: str) -> str:
        return "" if column in columns else f"no column {column!r} in {table}"

    no_category = "" if "category" in lines else "no product category in order_lines or products"
    return {
        "hours": "" if _has_hours(engine, first_cutoff) else "the orders carry dates without a time of day",
        "products": needs("product_id", lines, "order_lines"),
        "categories": no_category,
        "affinity": no_category,
        "stores": needs("store_id", orders, "orders"),
        "discounts": needs("discount_minor", orders, "orders"),
        "coupons": needs("coupon_minor", orders, "orders"),
        "contacts": "" if engine.exists("email_events") else "no table email_events",
        "returns": "" if engine.exists("returns") else "no table returns",
    }


def _has_hours(engine: Engine, first_cutoff: Cutoff) -> bool:
    timed = f"ordered_at < {first_cutoff.seconds} and ordered_at % 86400 <> 0"
    return bool(engine.value(f"select count(*) from (select 1 from orders where {timed} limit 1) timed"))


def _largest_categories(engine: Engine, first_cutoff: Cutoff, most: int) -> tuple[str, ...]:
    sql = (
        "select category, cast(sum(amount_minor) as bigint) as amount from order_lines"
        f" where ordered_at < {first_cutoff.seconds} and category is not null group by category"
        f" order by amount desc, category limit {most}"
    )
    return tuple(engine.fetch(sql)["category"])
