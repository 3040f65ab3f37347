"""Rules that hold whatever the campaign says: suppression, retention, and what a country allows.

What can't be shown does not hold in the person's favour: an unknown age is too young where there is a minimum, an
unknown country is on no list where countries have rules, and a consent without a second step is none where one is
asked for. A sign of life is something the person did - joining, an order, an open that is no machine's, a click or
response, a visit, a ticket, a change of consent - and never a message that we sent.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from segml.campaigns.audience import literal
from segml.config import ListSettings
from segml.contacts.countries import country_code
from segml.engine import Engine
from segml.errors import ConfigurationError
from segml.time_windows import SECONDS_PER_DAY, Cutoff

if TYPE_CHECKING:
    from segml.campaigns.catalogue import Campaign

Columns = Mapping[str, Collection[str]]
_SIGNS = (
    ("customers", "joined_at", ""),
    ("orders", "ordered_at", ""),
    ("email_events", "occurred_at", "event in ('open', 'click', 'response') and "),
    ("web_events", "occurred_at", ""),
    ("support_tickets", "opened_at", ""),
    ("consents", "changed_at", ""),
)


def restriction_columns(
    engine: Engine, available: Columns, settings: ListSettings, as_of: Cutoff
) -> tuple[str, list[str]]:
    """Return joins and columns that ``list_people`` gets beside the policy's: those that a setting asks for.

    Columns: suppressed, last_sign_at, country (alpha-2), birth_date.
    """
    joins, chosen = "", []
    if "suppressions" in available:
        joins += " left join (select distinct customer_id from suppressions) kept_out on " + _same("kept_out")
        chosen.append("kept_out.customer_id is not null as suppressed")
    if settings.retention_days is not None:
        joins += f" left join ({last_signs_sql(available, as_of)}) signs on {_same('signs')}"
        chosen.append("signs.last_sign_at as last_sign_at")
    if settings.countries:
        there = available.get("customers", ())
        birth = "birth_date" if "birth_date" in there else "cast(null as bigint)"
        country = _country_sql(engine, settings) if "country" in there else "cast(null as string)"
        facts = f"select customer_id, {country} as country, {birth} as birth_date from customers"
        if "customers" not in available:
            facts = (
                "select customer_id, cast(null as string) as country, cast(null as bigint) as birth_date"
                " from list_base"
            )
        joins += f" left join ({facts}) about on {_same('about')}"
        home = literal(settings.unknown_country) if settings.unknown_country else "cast(null as string)"
        chosen += [f"coalesce(about.country, {home}) as country", "about.birth_date as birth_date"]
    return joins, chosen


def restriction_cases(
    campaign: Campaign, settings: ListSettings, available: Columns, as_of: Cutoff
) -> dict[str, str]:
    """Return each reason of this module that can keep a person off a list -> its SQL condition."""
    cases = {}
    if "suppressions" in available:
        cases["suppressed"] = "people.suppressed"
    if settings.retention_days is not None:
        oldest = as_of.seconds - settings.retention_days * SECONDS_PER_DAY
        cases["retention"] = f"coalesce(people.last_sign_at < {oldest}, true)"
    if not settings.countries:
        return cases
    cases["unknown_country"] = "people.country is null"
    by = "ads_sharing" if campaign.is_seed else campaign.channel
    barred = [code for code, rules in settings.countries.items() if by in rules.not_allowed]
    strict = [code for code, rules in settings.countries.items() if by in rules.double_opt_in]
    ages = {code: rules.minimum_age for code, rules in settings.countries.items() if rules.minimum_age}
    if barred:
        cases["channel_not_allowed"] = _in_countries(barred)
    if ages:
        young = [
            f"({_in_countries([code])} and coalesce(people.birth_date > {_born_by(as_of, age)}, true))"
            for code, age in sorted(ages.items())
        ]
        cases["under_minimum_age"] = f"({' or '.join(young)})"
    if strict and not campaign.is_seed:
        cases["no_double_opt_in"] = f"({_in_countries(strict)} and not people.confirmed_{by})"
    return cases


def restriction_warnings(settings: ListSettings, available: Columns) -> list[str]:
    """Say which rules can't be checked here, and whom that keeps off."""
    found = []
    there = set(available.get("customers", ()))
    if settings.countries and "country" not in there and not settings.unknown_country:
        found.append("countries have rules and nobody has a country (customers.country): every list is empty")
    if any(rules.minimum_age for rules in settings.countries.values()) and "birth_date" not in there:
        found.append("a minimum age, and no customers.birth_date: those countries' people are on no list")
    strict = any(rules.double_opt_in for rules in settings.countries.values())
    if strict and "confirmed" not in set(available.get("consents", ())):
        found.append("double opt-in is asked for, and consents have no column `confirmed`: none is known")
    return found


def confirmed_channels(settings: ListSettings) -> list[str]:
    """Return the channels for which some country asks for a second step of consent, sorted."""
    return sorted({channel for rules in settings.countries.values() for channel in rules.double_opt_in})


def last_signs_sql(available: Columns, as_of: Cutoff) -> str:
    """Return the query for each person's last sign of life before the cutoff: customer_id, last_sign_at."""
    parts = [
        f"select customer_id, {column} as happened_at from {table} where {kinds}{column} < {as_of.seconds}"
        for table, column, kinds in _SIGNS
        if column in available.get(table, ())
    ]
    union = (
        " union all ".join(parts) or "select customer_id, cast(null as bigint) as happened_at from list_base"
    )
    return f"select customer_id, max(happened_at) as last_sign_at from ({union}) signs group by customer_id"


def _country_sql(engine: Engine, settings: ListSettings) -> str:
    """SQL for the alpha-2 code of `country`, however it is written; a few hundred spellings come home."""
    unknown = [code for code in settings.countries if country_code(code) != code]
    if unknown:
        raise ConfigurationError(
            f"lists.countries: {unknown} are no ISO 3166-1 alpha-2 codes", "write DE, DK, SE ..."
        )
    written = engine.fetch("select distinct country from customers where country is not null", 10_000)[
        "country"
    ]
    codes: dict[str, list[str]] = {}
    for text in sorted(written.astype(str)):
        code = country_code(text)
        if code:
            codes.setdefault(code, []).append(text)
    whens = [
        f"when country in ({', '.join(literal(text) for text in texts)}) then '{code}'"
        for code, texts in sorted(codes.items())
    ]
    return f"case {' '.join(whens)} else null end" if whens else "cast(null as string)"


def _in_countries(codes: Sequence[str]) -> str:
    return f"coalesce(people.country in ({', '.join(literal(code) for code in sorted(codes))}), false)"


def _born_by(as_of: Cutoff, age: int) -> int:
    """Return the last birth date, in days, of those who are so old on the day.

    Examples
    --------
    >>> day = Cutoff.parse("2018-03-01")
    >>> dt.date(1970, 1, 1) + dt.timedelta(days=_born_by(day, 18))
    datetime.date(2000, 3, 1)
    """
    today = dt.date.fromisoformat(as_of.label)
    leap = (today.month, today.day) == (2, 29)
    born = dt.date(today.year - age, today.month, 28 if leap else today.day)
    return (born - dt.date(1970, 1, 1)).days


def _same(alias: str) -> str:
    return f"{alias}.customer_id = base.customer_id"
