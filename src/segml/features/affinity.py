"""What somebody buys: the share of spend in each of the base's largest categories.

The categories are chosen once, from orders before the first cutoff, and travel with the model: a category that
appears later changes no earlier column.
"""

from __future__ import annotations

import itertools
import re
import unicodedata

from segml.features.definition import LINES, Feature, Group, ratio_sql, sum_of

MASK_BITS = 62  # categories beyond the largest 61 share the last bit


def slug(category: str) -> str:
    """Return the category's name as a column name's ending.

    Examples
    --------
    >>> slug("MEAT-PCKGD"), slug("Frische Früchte & Gemüse")
    ('meat_pckgd', 'frische_fruchte_gemuse')
    """
    plain = unicodedata.normalize("NFKD", category).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "unnamed"


def unique_slugs(categories: tuple[str, ...]) -> tuple[str, ...]:
    """Return one slug a category; names that fall together get the next free number.

    Examples
    --------
    >>> unique_slugs(("Tea", "tea 2", "TEA"))
    ('tea', 'tea_2', 'tea_3')
    """
    slugs: list[str] = []
    for category in categories:
        base = slug(category)
        numbered = (f"{base}_{number}" for number in itertools.count(2))
        slugs.append(next(name for name in itertools.chain([base], numbered) if name not in slugs))
    return tuple(slugs)


def affinities(categories: tuple[str, ...]) -> Group:
    """Share of spend by category, over all history."""
    slugs = unique_slugs(categories)
    features = tuple(
        Feature(
            f"affinity_{name}", ratio_sql(f"spent_{i}", "line_amount_all"), f"share of spend on {category}"
        )
        for i, (name, category) in enumerate(zip(slugs, categories, strict=True))
    )
    aggregates = {f"spent_{i}": sum_of(f"category_{i}_minor") for i in range(len(categories))}
    aggregates["line_amount_all"] = sum_of("line_amount_minor")
    return Group("affinity", features, {LINES: aggregates})
