"""What a feature is called in a sentence, in English, Danish and Swedish: data, nothing computed.

Names are noun phrases without an article, so that "higher than the others" may follow them. A column that nobody
has named is spoken as it is written, with blanks for underscores.
"""

from __future__ import annotations

import re

from segml.models.segments.languages import LANGUAGES, Language

Name = tuple[str, str, str]

FEATURE_NAMES: dict[str, Name] = {
    # column: (English, Danish, Swedish)
    "recency_days": ("days since the last order", "dage siden sidste ordre", "dagar sedan senaste order"),
    "tenure_days": ("days as a customer", "dage som kunde", "dagar som kund"),
    "age_days": ("days since the first order", "dage siden første ordre", "dagar sedan första order"),
    "first_to_last_days": (
        "days from first to last order",
        "dage fra første til sidste ordre",
        "dagar från första till senaste order",
    ),
    "orders_total": ("number of orders", "antal ordrer", "antal order"),
    "active_days_total": ("number of shopping days", "antal købsdage", "antal köpdagar"),
    "repeat_orders": (
        "shopping days after the first",
        "købsdage efter den første",
        "köpdagar efter den första",
    ),
    "spend_total": ("spend in all", "forbrug i alt", "köpbelopp totalt"),
    "order_value_mean": ("average order value", "gennemsnitlig ordreværdi", "genomsnittligt ordervärde"),
    "order_value_max": ("largest order", "største ordre", "största order"),
    "order_value_last": ("value of the last order", "værdi af sidste ordre", "värde på senaste order"),
    "gap_mean_days": (
        "average days between orders",
        "dage mellem ordrer i snit",
        "dagar mellan order i snitt",
    ),
    "gap_median_days": (
        "usual days between orders",
        "sædvanlige dage mellem ordrer",
        "vanliga dagar mellan order",
    ),
    "gap_sd_days": (
        "variation in days between orders",
        "variation i dage mellem ordrer",
        "variation i dagar mellan order",
    ),
    "gap_max_days": ("longest pause in days", "længste pause i dage", "längsta paus i dagar"),
    "gap_last_days": (
        "days between the last two orders",
        "dage mellem de to sidste ordrer",
        "dagar mellan de två senaste order",
    ),
    "gap_ratio": (
        "silence against the usual gap",
        "tavshed i forhold til den sædvanlige pause",
        "tystnad i förhållande till den vanliga pausen",
    ),
    "categories_total": ("number of categories", "antal kategorier", "antal kategorier"),
    "products_total": ("number of different products", "antal forskellige varer", "antal olika varor"),
    "stores_total": ("number of stores", "antal butikker", "antal butiker"),
    "lines_per_order": (
        "order lines per order",
        "ordrelinjer pr. ordre",
        "orderrader per order",
    ),
    "discount_share": (
        "share of value discounted",
        "andel af fuld pris givet i rabat",
        "andel av fullt pris given i rabatt",
    ),
    "coupon_share": (
        "share of orders with a coupon",
        "andel ordrer med kupon",
        "andel order med kupong",
    ),
    "weekend_share": ("share of orders at weekends", "andel ordrer i weekenden", "andel order på helgen"),
    "morning_share": (
        "share of orders in the morning",
        "andel ordrer om morgenen",
        "andel order på morgonen",
    ),
    "afternoon_share": (
        "share of orders in the afternoon",
        "andel ordrer om eftermiddagen",
        "andel order på eftermiddagen",
    ),
    "evening_share": ("share of orders in the evening", "andel ordrer om aftenen", "andel order på kvällen"),
    "night_share": ("share of orders at night", "andel ordrer om natten", "andel order på natten"),
    "returns_total": ("number of returns", "antal returneringer", "antal returer"),
    "returned_total": ("value returned", "returneret værdi", "returnerat värde"),
    "returned_share": ("share of spend returned", "andel af forbrug returneret", "andel av köpen returnerad"),
    "days_since_contact": (
        "days since the last message",
        "dage siden sidste besked",
        "dagar sedan senaste meddelande",
    ),
    "days_since_response": (
        "days since the last click or response",
        "dage siden sidste klik eller svar",
        "dagar sedan senaste klick eller svar",
    ),
}

_PATTERNS: tuple[tuple[str, Name], ...] = (
    (
        r"rhythm_hazard_(\d+)d",
        (
            "chance of an order within {} days by the rhythm alone",
            "chance for en ordre inden for {} dage efter rytmen alene",
            "chans till en order inom {} dagar enligt rytmen ensam",
        ),
    ),
    (
        r"rhythm_spend_(\d+)d",
        (
            "spend expected within {} days by the rhythm alone",
            "forventet forbrug inden for {} dage efter rytmen alene",
            "förväntat köpbelopp inom {} dagar enligt rytmen ensam",
        ),
    ),
    (
        r"orders_(\d+)d",
        ("orders in the last {} days", "ordrer de seneste {} dage", "order de senaste {} dagarna"),
    ),
    (
        r"spend_(\d+)d",
        ("spend in the last {} days", "forbrug de seneste {} dage", "köpbelopp de senaste {} dagarna"),
    ),
    (
        r"categories_(\d+)d",
        (
            "categories in the last {} days",
            "kategorier de seneste {} dage",
            "kategorier de senaste {} dagarna",
        ),
    ),
    (
        r"orders_trend_(\d+)d",
        (
            "orders in the last {0} days against the {0} before",
            "ordrer de seneste {0} dage mod de {0} før",
            "order de senaste {0} dagarna mot de {0} före",
        ),
    ),
    (
        r"spend_trend_(\d+)d",
        (
            "spend in the last {0} days against the {0} before",
            "forbrug de seneste {0} dage mod de {0} før",
            "köpbelopp de senaste {0} dagarna mot de {0} före",
        ),
    ),
    (
        r"returns_(\d+)d",
        ("returns in the last {} days", "returneringer de seneste {} dage", "returer de senaste {} dagarna"),
    ),
    (
        r"contacts_(\d+)d",
        ("messages in the last {} days", "beskeder de seneste {} dage", "meddelanden de senaste {} dagarna"),
    ),
    (
        r"responses_(\d+)d",
        (
            "clicks and responses in the last {} days",
            "klik og svar de seneste {} dage",
            "klick och svar de senaste {} dagarna",
        ),
    ),
    (
        r"response_rate_(\d+)d",
        (
            "clicks and responses per message in the last {} days",
            "klik og svar pr. besked de seneste {} dage",
            "klick och svar per meddelande de senaste {} dagarna",
        ),
    ),
    (
        r"weekday_mon_share",
        ("share of orders on Mondays", "andel ordrer om mandagen", "andel order på måndagar"),
    ),
    (
        r"weekday_tue_share",
        ("share of orders on Tuesdays", "andel ordrer om tirsdagen", "andel order på tisdagar"),
    ),
    (
        r"weekday_wed_share",
        ("share of orders on Wednesdays", "andel ordrer om onsdagen", "andel order på onsdagar"),
    ),
    (
        r"weekday_thu_share",
        ("share of orders on Thursdays", "andel ordrer om torsdagen", "andel order på torsdagar"),
    ),
    (
        r"weekday_fri_share",
        ("share of orders on Fridays", "andel ordrer om fredagen", "andel order på fredagar"),
    ),
    (
        r"weekday_sat_share",
        ("share of orders on Saturdays", "andel ordrer om lørdagen", "andel order på lördagar"),
    ),
    (
        r"weekday_sun_share",
        ("share of orders on Sundays", "andel ordrer om søndagen", "andel order på söndagar"),
    ),
    (r"affinity_(\w+)", ("share spent on {}", "andel brugt på {}", "andel lagd på {}")),
    (r"probability", ("probability", "sandsynlighed", "sannolikhet")),
)


def feature_name(column: str, language: Language = "en") -> str:
    """Return a feature's name in a sentence.

    Examples
    --------
    >>> feature_name("spend_365d"), feature_name("affinity_drug_gm", "da"), feature_name("shoe_size", "sv")
    ('spend in the last 365 days', 'andel brugt på drug gm', 'shoe size')
    """
    place = LANGUAGES.index(language)
    if column in FEATURE_NAMES:
        return FEATURE_NAMES[column][place]
    for pattern, names in _PATTERNS:
        match = re.fullmatch(pattern, column)
        if match:
            return names[place].format(*(group.replace("_", " ") for group in match.groups()))
    return column.replace("_", " ")
