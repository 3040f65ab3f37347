"""Consents, campaigns with a randomised control, and what came of each mail.

Planted here: a campaign is sent to customers who bought before, joined at least two weeks ago and allow marketing by
e-mail at that moment; `control_share` of them, drawn by coin, get nothing. `Segment.uplift` says what a mail does to a
living customer within `RESPONSE_DAYS` days; both potential outcomes (`buys_without`, `buys_with`) are drawn for
everybody and kept as truth, so the effect is known person by person, and the orders a campaign causes (or, for
segments that it annoys, prevents) are really in the orders. A third of the customers have a mail program that
opens every mail by itself. Who unsubscribes withdraws consent and gets no further mail; with `fatigue`, mails
that come close together make more people do so.

Consents are a log: some never gave any, some withdrew, some gave again; the rows of a customer are not in the
order of time, so that only `changed_at` tells what holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segml.sources.synthetic.customers import Traits
from segml.sources.synthetic.draws import (
    NEVER,
    Coded,
    Flags,
    Ints,
    canonical_table,
    generator,
    truth_table,
)
from segml.sources.synthetic.purchases import Orders
from segml.sources.synthetic.rhythm import Rhythm, campaign_ids
from segml.sources.synthetic.world import RESPONSE_DAYS
from segml.tables.catalog import CHANNELS, EMAIL_EVENTS, PURPOSES
from segml.time_windows import SECONDS_PER_DAY

_EVENT = {name: code for code, name in enumerate(EMAIL_EVENTS)}
_TIRING = 30 * SECONDS_PER_DAY
_WINDOW = RESPONSE_DAYS * SECONDS_PER_DAY


@dataclass
class EmailConsent:
    """Marketing consent by e-mail of one block: granted, withdrawn, granted again, unsubscribed for good.

    Moments in seconds, NEVER where it did not happen.
    """

    granted: Ints
    withdrawn: Ints
    regranted: Ints
    unsubscribed: Ints

    def holds(self, second: int) -> Flags:
        """Return who allows marketing by e-mail at a moment: the last event before it decides."""
        given = (self.granted < second) & ((self.withdrawn >= second) | (self.regranted < second))
        return given & (self.unsubscribed >= second)

    def unsubscribe(self, moment: Ints) -> None:
        """Withdraw for good at the given moments (NEVER for nobody); what was to come later does not."""
        gone = moment < NEVER
        self.unsubscribed = np.where(gone, moment, self.unsubscribed)
        self.withdrawn = np.where(gone & (self.withdrawn >= moment), NEVER, self.withdrawn)
        self.regranted = np.where(gone & (self.regranted >= moment), NEVER, self.regranted)


@dataclass(frozen=True)
class Contacts:
    """What the campaigns did: orders after them, arms and potential outcomes, mail events, consent."""

    orders: Orders
    consent: EmailConsent
    arms: dict[str, np.ndarray]
    events: dict[str, Ints]


def draw_email_consent(rhythm: Rhythm, traits: Traits) -> EmailConsent:
    """Draw consent: 72 % on joining, 10 % later, the rest never; some withdraw, a third of those give it again."""
    rng = generator(rhythm.shop.seed, traits.block, "consents")
    size = len(traits.joined)
    kind, end = rng.random(size), rhythm.end_second
    later = traits.joined + (rng.exponential(120, size) * SECONDS_PER_DAY).astype(np.int64) + 1
    granted = np.where(kind < 0.72, traits.joined + 1, np.where(kind < 0.82, later, NEVER))
    after = np.where(granted < end, granted, traits.joined)
    leaves = (granted < end) & (rng.random(size) < 0.12)
    moment = after + 1 + (rng.exponential(300, size) * SECONDS_PER_DAY).astype(np.int64)
    withdrawn = np.where(leaves, moment, NEVER)
    back = leaves & (rng.random(size) < 0.35)
    again = moment + 1 + (rng.exponential(30, size) * SECONDS_PER_DAY).astype(np.int64)
    return EmailConsent(granted, withdrawn, np.where(back, again, NEVER), np.full(size, NEVER))


def run_campaigns(rhythm: Rhythm, traits: Traits, orders: Orders) -> Contacts:
    """Send the shop's campaigns, one after another, to one block of customers."""
    shop = rhythm.shop
    consent = draw_email_consent(rhythm, traits)
    outcomes = generator(shop.seed, traits.block, "campaigns")
    mail = generator(shop.seed, traits.block, "email")
    effect = np.array([s.uplift for s in shop.segments])[traits.segment] * shop.uplift_scale
    keep = np.ones(len(orders.second), dtype=bool)
    extra: list[tuple[Ints, Ints, Ints]] = []
    arms: list[dict[str, np.ndarray]] = []
    events: list[dict[str, Ints]] = []
    mailed: list[tuple[int, Flags]] = []
    for campaign in range(len(shop.campaign_days)):
        sent = rhythm.send_second(campaign)
        arm = _assign(rhythm, traits, orders, consent.holds(sent), effect, sent, outcomes)
        caused = np.flatnonzero(arm["treated"] & arm["buys_with"] & ~arm["buys_without"])
        day = (sent - rhythm.start_second) // SECONDS_PER_DAY + arm["delay"][caused]
        moments = rhythm.seconds_on(day, traits.segment[caused], outcomes)
        extra.append((caused, moments, np.full(len(caused), campaign, dtype=np.int64)))
        prevented = arm["treated"] & arm["buys_without"] & ~arm["buys_with"]
        keep &= ~(prevented[orders.customer] & (orders.second >= sent) & (orders.second < sent + _WINDOW))
        reached = np.flatnonzero(arm["treated"])
        mailed.append((sent, arm["treated"]))
        others = np.sum([m for at, m in mailed[:-1] if at > sent - _TIRING], axis=0, initial=0)
        tired = 0.008 * (1 + shop.fatigue) ** (others * np.ones(len(traits.segment)))
        reaction, gone = _mail_events(traits, reached, arm, sent, np.minimum(tired, 1.0), mail)
        consent.unsubscribe(gone)
        events.append({**reaction, "campaign": np.full(len(reaction["second"]), campaign, dtype=np.int64)})
        audience = np.flatnonzero(arm.pop("audience"))
        arms.append(
            {"campaign": np.full(len(audience), campaign, dtype=np.int64), "customer": audience}
            | {name: values[audience] for name, values in arm.items()}
        )
    return Contacts(_with_caused(orders, keep, extra), consent, _stack(arms), _stack(events))


def _assign(
    rhythm: Rhythm, traits: Traits, orders: Orders, allowed: Flags, effect: np.ndarray, sent: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:  # fmt: skip
    """Draw arms and both potential outcomes of one campaign; draws are made for everybody, used for the audience."""
    size = len(traits.segment)
    coin, answer = rng.random(size), rng.random(size)
    delay = 1 + np.floor((RESPONSE_DAYS - 1) * rng.random(size) ** 2).astype(np.int64)  # sooner is likelier
    audience = allowed & (traits.first_order < sent) & (traits.joined < sent - _WINDOW)
    within = (orders.second >= sent) & (orders.second < sent + _WINDOW)
    without = np.bincount(orders.customer[within], minlength=size) > 0
    alive = ~traits.prospect & (traits.alive_until >= sent + _WINDOW)
    persuaded = alive & ~without & (answer < effect)
    annoyed = without & (answer < -effect)
    return {
        "audience": audience,
        "treated": audience & (coin >= rhythm.shop.control_share),
        "buys_without": without,
        "buys_with": (without | persuaded) & ~annoyed,
        "delay": delay,
    }


def _mail_events(
    traits: Traits,
    reached: Ints,
    arm: dict[str, np.ndarray],
    sent: int,
    tired: np.ndarray,
    rng: np.random.Generator,
) -> tuple[dict[str, Ints], Ints]:
    """Draw the mail events of the treated; return them, and the moment each customer unsubscribed (or NEVER)."""
    size = len(traits.segment)
    uniform = rng.random((7, size))
    at = sent + (uniform[0] * 1800).astype(np.int64)
    arrived = uniform[1] < 0.975
    moved = arm["buys_with"] & ~arm["buys_without"]
    opened = arrived & (uniform[2] < np.where(moved, 0.9, traits.opens))
    clicked = opened & (uniform[3] < np.where(moved, 0.8, 0.12))
    gone = opened & (uniform[4] < tired)
    complains = gone & (uniform[5] < 0.1)
    read = at + 60 + (-np.log1p(-uniform[6]) * 4 * 3600).astype(np.int64)
    happened = (
        ("sent", np.ones(size, dtype=bool), at),
        ("delivered", arrived, at + 20),
        ("bounce", ~arrived, at + 20),
        ("machine_open", arrived & traits.machine, at + 25),
        ("open", opened, read),
        ("click", clicked, read + 40),
        ("unsubscribe", gone, read + 90),
        ("complaint", complains, read + 100),
    )
    rows = [(name, reached[flags[reached]], moments) for name, flags, moments in happened]
    events = {
        "customer": np.concatenate([who for _, who, _ in rows]),
        "second": np.concatenate([moments[who] for _, who, moments in rows]),
        "event": np.concatenate([np.full(len(who), _EVENT[name], dtype=np.int64) for name, who, _ in rows]),
    }
    return events, np.where(gone & arm["treated"], read + 90, NEVER)


def _with_caused(orders: Orders, keep: Flags, extra: list[tuple[Ints, Ints, Ints]]) -> Orders:
    parts = [(orders.customer[keep], orders.second[keep], orders.campaign[keep]), *extra]
    return Orders.sorted(*(np.concatenate([part[i] for part in parts]) for i in range(3)))


def _stack(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def email_table(rhythm: Rhythm, traits: Traits, contacts: Contacts) -> tuple[Ints, pa.Table]:
    """Return `email_events` of a block, sorted by customer and time."""
    nothing = np.zeros(0, dtype=np.int64)
    events = contacts.events or dict.fromkeys(("customer", "second", "event", "campaign"), nothing)
    place = np.lexsort((events["event"], events["second"], events["customer"]))
    place = place[events["second"][place] < rhythm.end_second]
    customer = events["customer"][place]
    columns = {
        "customer_id": traits.ids(customer),
        "occurred_at": events["second"][place],
        "event": Coded(events["event"][place], EMAIL_EVENTS),
        "campaign_id": campaign_ids(events["campaign"][place]),
        "channel": Coded(np.zeros(len(place), dtype=np.int64), CHANNELS),
    }
    return customer, canonical_table("email_events", columns)


def arms_truth(rhythm: Rhythm, traits: Traits, contacts: Contacts) -> tuple[Ints, pa.Table]:
    """Return the truth of the campaigns: arm and both potential outcomes, a row a person and campaign."""
    names = ("campaign", "customer", "treated", "buys_without", "buys_with")
    arms = contacts.arms or dict.fromkeys(names, np.zeros(0, dtype=np.int64))
    sends = np.array([rhythm.send_second(c) for c in range(len(rhythm.shop.campaign_days))] or [0])
    columns = {
        "campaign_id": campaign_ids(arms["campaign"]),
        "customer_id": traits.ids(arms["customer"]),
        "sent_at": sends[arms["campaign"]],
        "arm": Coded(arms["treated"].astype(np.int64), ("control", "treatment")),
        "buys_without": arms["buys_without"].astype(bool),
        "buys_with": arms["buys_with"].astype(bool),
    }
    return arms["customer"], truth_table(columns, times=("sent_at",))


def consent_table(rhythm: Rhythm, traits: Traits, consent: EmailConsent) -> tuple[Ints, pa.Table]:
    """Return `consents` of a block: e-mail marketing, and simpler logs of other channels and purposes."""
    rng = generator(rhythm.shop.seed, traits.block, "permissions")
    size = len(traits.joined)
    rows: list[tuple[Ints, int, int, bool]] = [
        (consent.granted, 0, 0, True),
        (consent.withdrawn, 0, 0, False),
        (consent.regranted, 0, 0, True),
        (consent.unsubscribed, 0, 0, False),
    ]
    for channel, purpose, share in ((1, 0, 0.35), (2, 0, 0.50), (-1, 1, 0.60), (-1, 2, 0.30)):
        given = np.where(rng.random(size) < share, traits.joined + 2, NEVER)
        taken = traits.joined + 3 + (rng.exponential(2500, size) * SECONDS_PER_DAY).astype(np.int64)
        rows.append((given, channel, purpose, True))
        rows.append((np.where(given < NEVER, taken, NEVER), channel, purpose, False))
    second = np.concatenate([row[0] for row in rows])
    customer = np.tile(np.arange(size, dtype=np.int64), len(rows))
    kind = np.repeat(np.arange(len(rows)), size)
    channels, purposes = np.array([row[1] for row in rows]), np.array([row[2] for row in rows])
    granted = np.array([row[3] for row in rows])
    place = np.lexsort((rng.random(len(customer)), customer))  # within a customer in no order of time
    place = place[second[place] < rhythm.end_second]
    confirmed = granted[kind] & (
        rng.random(len(kind)) < 0.85
    )  # the link in the second mail is not always followed
    columns = {
        "customer_id": traits.ids(customer[place]),
        "changed_at": second[place],
        "channel": Coded(channels[kind[place]], CHANNELS),
        "purpose": Coded(purposes[kind[place]], PURPOSES),
        "granted": granted[kind[place]],
        "confirmed": confirmed[place],
    }
    return customer[place], canonical_table("consents", columns)
