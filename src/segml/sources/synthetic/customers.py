"""Who the customers are: what is true of each, and what the company wrote down about them.

`Traits` is the truth the other modules draw from. Planted here: the behavioural segment, purchase rate, hazard and
spend of each customer; one personal interest; acquisition that follows the segment's own season; prospects who never
order; and second accounts of the same person, which share an e-mail address in other letters, or a phone number in
another notation and a card, with the account before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segml.sources.synthetic.draws import (
    NEVER,
    Coded,
    Flags,
    Floats,
    Ints,
    blank,
    canonical_table,
    cumulative_rows,
    draw_from_rows,
    generator,
    number_text,
)
from segml.sources.synthetic.rhythm import Rhythm
from segml.sources.synthetic.world import BLOCK_CUSTOMERS, CATEGORIES
from segml.time_windows import SECONDS_PER_DAY

LAUNCH_DAYS = 60
_LONGEST_LIFE_YEARS = 100.0
_PLACES = {
    "DK": ("Hovedstaden", "Midtjylland", "Syddanmark"),
    "SE": ("Stockholm", "Skåne", "Västra Götaland"),
    "GB": ("London", "Scotland", "North West"),
}
_COUNTRIES = tuple(_PLACES)
_LANGUAGES = ("da", "sv", "en")
_REGIONS = tuple(region for regions in _PLACES.values() for region in regions)
_CITIES = tuple(f"{region} {part}" for region in _REGIONS for part in ("North", "South", "Centre"))
_FIRST = (
    "Anna", "Bo", "Clara", "David", "Ella", "Finn", "Grace", "Hugo", "Ida", "Jonas", "Karin", "Lars", "Maja", "Niels",
    "Olivia", "Peter", "Rosa", "Simon", "Tilde", "Viktor",
)  # fmt: skip
_LAST = (
    "Andersson", "Berg", "Clarke", "Dahl", "Evans", "Falk", "Grant", "Holm", "Iversen", "Jensen", "Kelly", "Lund",
    "Moore", "Nilsson", "Olsen", "Price", "Quinn", "Reed", "Smith", "Thomsen",
)  # fmt: skip
_AGE_BANDS = ("18-29", "30-44", "45-59", "60-74", "75+")
_DETAILS = {  # labels, share missing
    "gender": (("female", "male", "other"), 0.10),
    "marital_status": (("single", "married", "partner", "divorced"), 0.55),
    "occupation": (("employed", "self-employed", "student", "retired", "other"), 0.60),
    "income_band": (("low", "middle", "high"), 0.50),
    "home_ownership": (("owner", "renter"), 0.50),
    "household_size": (("1", "2", "3", "4", "5+"), 0.40),
    "household_composition": (("single", "couple", "family", "shared"), 0.45),
    "children": (("0", "1", "2", "3+"), 0.45),
    "source": (("organic", "search_ads", "social_ads", "referral", "store", "affiliate"), 0.05),
}


@dataclass(frozen=True)
class Traits:
    """The truth about one block of customers; every array has one entry a customer, moments are epoch seconds."""

    block: int
    segment: Ints
    prospect: Flags
    rate: Floats  # orders a year while alive, after the first
    hazard: Floats  # of leaving, a year
    value_rate: Floats  # gamma rate of order values, so that their mean is value_shape / value_rate
    spend_mean: Floats  # paid per order, major units
    interest: Ints
    member: Flags
    second_account: Flags
    opens: Floats  # probability of opening a mail
    machine: Flags  # the mail program fetches every mail by itself
    joined: Ints
    first_order: Ints  # NEVER for prospects
    alive_until: Ints  # NEVER for prospects; a midnight

    @property
    def numbers(self) -> Ints:
        """Customer numbers of the block, from 1."""
        return self.block * BLOCK_CUSTOMERS + 1 + np.arange(len(self.segment), dtype=np.int64)

    def ids(self, customers: Ints) -> np.ndarray:
        """Return the ids of customers given by their place in the block, as text codes."""
        return number_text("C", (self.numbers[customers], 8))


def draw_traits(rhythm: Rhythm, block: int) -> Traits:
    """Draw what is true of one block of customers."""
    shop, size = rhythm.shop, BLOCK_CUSTOMERS
    rng = generator(shop.seed, block, "latent")
    shares = cumulative_rows(np.array([[s.share for s in shop.segments]]))
    segment = draw_from_rows(shares, np.zeros(size, dtype=np.int64), rng.random(size))
    chance = np.where(
        np.arange(size) % 2 == 1, 2 * shop.duplicate_share, 0.0
    )  # never two second accounts in a row
    second = rng.random(size) < chance
    segment = np.where(second, np.roll(segment, 1), segment)  # one person, one temperament
    prospect = rng.random(size) < shop.prospect_share

    def planted(name: str) -> Floats:
        return np.array([getattr(s, name) for s in shop.segments], dtype=np.float64)[segment]

    rate = (
        rng.gamma(planted("rate_shape"))
        / planted("rate_shape")
        * planted("orders_per_year")
        * shop.orders_scale
    )
    hazard = rng.gamma(planted("dropout_shape")) / planted("dropout_shape") * planted("dropout_per_year")
    shape, spread = planted("value_shape"), planted("value_spread")
    value_rate = rng.gamma(spread) * shape / (planted("order_value") * (spread - 1))
    life = np.minimum(rng.exponential(size=size) / np.maximum(hazard, 1e-9), _LONGEST_LIFE_YEARS)
    first, joined, alive_until = _arrivals(rhythm, segment, life, rng)
    return Traits(
        block, segment, prospect, rate, hazard, value_rate, shape / value_rate,
        interest=rng.integers(0, len(CATEGORIES), size),
        member=rng.random(size) < shop.member_share,
        second_account=second,
        opens=rng.beta(2.0, 5.0, size),
        machine=rng.random(size) < 0.35,
        joined=joined,
        first_order=np.where(prospect, NEVER, first),
        alive_until=np.where(prospect, NEVER, alive_until),
    )  # fmt: skip


def _arrivals(
    rhythm: Rhythm, segment: Ints, life: Floats, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    """Draw first order, joining before it, and the midnight that ends the customer's life (`life` in years)."""
    shop, size = rhythm.shop, len(segment)
    launch = rng.random(size) < shop.launch_share
    last = np.where(launch, min(LAUNCH_DAYS, shop.days), shop.days)
    day = rhythm.day_of(segment, rng.random(size) * rhythm.demand[segment, last])
    first = rhythm.seconds_on(day, segment, rng)
    soon = rng.integers(60, 1800, size)
    later = (np.minimum(rng.exponential(6.0, size), 60.0) * SECONDS_PER_DAY).astype(np.int64)
    joined = first - np.where(rng.random(size) < 0.6, soon, soon + later)
    midnight = shop.first_day + day + 1 + np.rint(life * 365).astype(np.int64)
    return first, joined, midnight * SECONDS_PER_DAY


def customer_table(rhythm: Rhythm, traits: Traits) -> pa.Table:
    """Return the `customers` table of a block; contact data are fictitious (example.com, country code +999)."""
    size = len(traits.segment)
    rng = generator(rhythm.shop.seed, traits.block, "accounts")
    country = draw_from_rows(
        cumulative_rows(np.array([[5.0, 3.0, 2.0]])), np.zeros(size, dtype=np.int64), rng.random(size)
    )
    region = country * 3 + rng.integers(0, 3, size)
    city = region * 3 + rng.integers(0, 3, size)
    age = np.clip(rng.normal(46, 16, size), 18, 92)
    born = rhythm.shop.first_day - (age * 365.25).astype(np.int64)
    first, last = rng.integers(0, len(_FIRST), size), rng.integers(0, len(_LAST), size)
    postcode = 1000 + city * 300 + rng.integers(0, 300, size)
    person = _person_rows(traits)
    country, region, city, born, first, last, postcode = (
        values[person] for values in (country, region, city, born, first, last, postcode)
    )
    details = {
        name: Coded(blank(rng.integers(0, len(labels), size), rng.random(size) < missing), labels)
        for name, (labels, missing) in _DETAILS.items()
    }
    email, phone = _contacts(traits, first, last, rng)
    band = np.searchsorted([30, 45, 60, 75], (rhythm.shop.first_day - born) / 365.25, side="right")
    born = np.where(rng.random(size) < 0.15, NEVER, born)
    return canonical_table(
        "customers",
        {
            "customer_id": traits.ids(np.arange(size)),
            "joined_at": traits.joined,
            "birth_date": born,
            "age_band": Coded(blank(band, rng.random(size) < 0.15), _AGE_BANDS),
            **details,
            "language": Coded(country, _LANGUAGES),
            "country": Coded(country, _COUNTRIES),
            "region": Coded(region, _REGIONS),
            "city": Coded(city, _CITIES),
            "postcode": number_text("0", (postcode, 4))[:, 1:],
            "first_name": Coded(first, _FIRST),
            "last_name": Coded(last, _LAST),
            "email": email,
            "phone": phone,
            "card": _cards(traits, rhythm, email),
        },
    )


def _person_rows(traits: Traits) -> Ints:
    """Return, for each account, the place of the account that the person had first."""
    place = np.arange(len(traits.segment), dtype=np.int64)
    return np.where(traits.second_account, place - 1, place)


def person_ids(traits: Traits) -> np.ndarray:
    """Return the id of the person behind each account: that of their first account."""
    return traits.ids(_person_rows(traits))


def _contacts(traits: Traits, first: Ints, last: Ints, rng: np.random.Generator) -> tuple[pa.Array, pa.Array]:
    """Return e-mail and phone; a second account repeats one of them in other letters, the other is missing."""
    size = len(first)
    person = _person_rows(traits)
    repeated = np.roll(traits.second_account, -1)  # accounts that have a second one keep both contacts
    by_mail = rng.random(size) < 0.7
    no_email = np.where(traits.second_account, ~by_mail, rng.random(size) < 0.05) & ~repeated
    no_phone = np.where(traits.second_account, by_mail, rng.random(size) < 0.40) & ~repeated
    names = [
        pc.utf8_lower(pa.array(np.array(labels)[codes])) for labels, codes in ((_FIRST, first), (_LAST, last))
    ]
    number = pa.array(traits.numbers[person]).cast(pa.string())
    mail = pc.binary_join_element_wise(pc.binary_join_element_wise(*names, number, "."), "example.com", "@")
    digits = pa.array(100_000_000 + traits.numbers[person]).cast(pa.string())
    phone = pc.binary_join_element_wise("+999", digits, "")
    spaced = pc.binary_join_element_wise(
        "00999", pc.utf8_slice_codeunits(digits, 0, 3), pc.utf8_slice_codeunits(digits, 3, 6),
        pc.utf8_slice_codeunits(digits, 6, 9), " ",
    )  # fmt: skip
    second = pa.array(traits.second_account)
    nothing = pa.scalar(None, pa.string())
    mail = pc.if_else(pa.array(no_email), nothing, pc.if_else(second, pc.utf8_title(mail), mail))
    return mail, pc.if_else(pa.array(no_phone), nothing, pc.if_else(second, spaced, phone))


def _cards(traits: Traits, rhythm: Rhythm, email: pa.Array) -> pa.Array:
    """Return cards: of members, and of both accounts of a person whom no e-mail address joins, in other groups."""
    rng = generator(rhythm.shop.seed, traits.block, "cards")
    second = traits.second_account
    no_email = second & email.is_null().to_numpy(zero_copy_only=False)
    shown = (traits.member & ~second & (rng.random(len(second)) < 0.5)) | no_email | np.roll(no_email, -1)
    digits = pa.array(900_000_000_000 + traits.numbers[_person_rows(traits)]).cast(pa.string())
    groups = [pc.utf8_slice_codeunits(digits, start, start + 4) for start in (0, 4, 8)]
    card = pc.if_else(pa.array(second), pc.binary_join_element_wise(*groups, " "), digits)
    return pc.if_else(pa.array(shown), card, pa.scalar(None, pa.string()))
