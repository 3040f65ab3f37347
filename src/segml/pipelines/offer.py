"""A model's ranking in the user's own money, where the configuration says what a customer is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from segml.config import OfferSettings
from segml.evaluation.profit import (
    RetentionOffer,
    expected_maximum_profit,
    maximum_profit,
    profit_frame,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def offer_of(settings: OfferSettings) -> RetentionOffer:
    """Return the configured offer as the metrics read it."""
    return RetentionOffer(**settings.model_dump())


def offer_metrics(settings: OfferSettings | None, outcome: Any, probability: Any) -> dict[str, float]:
    """Best profit a customer and the share contacted for it, expected and at mean acceptance; nothing without an offer.

    Examples
    --------
    >>> offer_metrics(None, [0, 1], [0.1, 0.9])
    {}
    """
    if settings is None:
        return {}
    offer = offer_of(settings)
    expected, best = (f(outcome, probability, offer) for f in (expected_maximum_profit, maximum_profit))
    return {
        "expected_maximum_profit": expected.per_customer,
        "expected_maximum_profit_share": expected.share_contacted,
        "maximum_profit": best.per_customer,
        "maximum_profit_share": best.share_contacted,
    }


def offer_plots(
    settings: OfferSettings | None, currency: str, outcome: Any, scores: Mapping[str, Any]
) -> dict[str, Callable[[Axes], object]]:
    """The profit curve as a plot to be drawn; nothing without an offer."""
    if settings is None:
        return {}
    from segml.evaluation.plots_profit import plot_profit

    offer = offer_of(settings)
    return {"profit": lambda ax: plot_profit(profit_frame(outcome, scores, offer), ax=ax, currency=currency)}
