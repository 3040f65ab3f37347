"""Contacts and reactions to them, and returned goods: groups with a table of their own."""

from __future__ import annotations

from segml.features.definition import (
    CONTACTS,
    ORDERS,
    RETURNS,
    ROWS,
    Feature,
    Group,
    count_of,
    count_sql,
    money_sql,
    ratio_sql,
    sum_of,
    within,
)
from segml.time_windows import Cutoff

CONTACT_DAYS = (30, 90, 365)
REACTIONS = "('click', 'response')"


def contacts(cutoff: Cutoff) -> Group:
    """Contacts received and reactions given (clicks, redeemed offers)."""
    sent, reacted = "event = 'sent'", f"event in {REACTIONS}"
    year = within(365, cutoff, column="occurred_at")
    aggregates = {
        f"sent_{days}": count_of(f"{sent} and {within(days, cutoff, column='occurred_at')}")
        for days in CONTACT_DAYS
    }
    aggregates["reacted_365"] = count_of(f"{reacted} and {year}")
    aggregates["last_contact_at"] = f"max(case when {sent} then occurred_at end)"
    aggregates["last_reaction_at"] = f"max(case when {reacted} then occurred_at end)"
    features = [
        Feature(f"contacts_{days}d", count_sql(f"sent_{days}"), f"contacts in the last {days} days")
        for days in CONTACT_DAYS
    ]
    seconds = cutoff.seconds
    features += [
        Feature("responses_365d", count_sql("reacted_365"), "reactions in the last 365 days"),
        Feature(
            "response_rate_365d", ratio_sql("reacted_365", "sent_365"), "reactions a contact, last 365 days"
        ),
        Feature(
            "days_since_contact",
            f"cast({seconds} - last_contact_at as double) / 86400",
            "days since the last contact",
        ),
        Feature(
            "days_since_response",
            f"cast({seconds} - last_reaction_at as double) / 86400",
            "days since the last reaction",
        ),
    ]
    return Group("contacts", tuple(features), {CONTACTS: aggregates})


def returns(cutoff: Cutoff) -> Group:
    """Returned goods and cancelled orders."""
    return Group(
        "returns",
        (
            Feature("returns_total", count_sql("returns_all"), "returns"),
            Feature("returned_total", money_sql("returned_all"), "value returned"),
            Feature("returns_365d", count_sql("returns_365"), "returns in the last 365 days"),
            Feature(
                "returned_share",
                ratio_sql("coalesce(returned_all, 0)", "amount_all"),
                "value returned over spend",
            ),
        ),
        {
            ORDERS: {"amount_all": sum_of("amount_minor")},
            RETURNS: {
                "returns_all": ROWS,
                "returned_all": sum_of("amount_minor"),
                "returns_365": count_of(within(365, cutoff, column="returned_at")),
            },
        },
    )
