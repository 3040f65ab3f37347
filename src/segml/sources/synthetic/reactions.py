"""How a base reacts to the lists that were built for it: orders and contact events of a window, with the truth.

The shop's own orders are what happens without any contact. A person who was sent something places one more order in
the window with the chance planted for that person; held-out people place none. So both outcomes of everybody are known,
and with them what the list really changed. Each person's draws depend on the seed, the campaign and the place among
the list's sorted ids: the order of rows changes nothing, and the held out draw like the treated.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from segml.errors import DataError
from segml.time_windows import SECONDS_PER_DAY, Window

OPEN_SHARE, CLICK_SHARE, UNSUBSCRIBE_SHARE = 0.35, 0.12, 0.004
_LOG_SPREAD = 0.5


@dataclass(frozen=True)
class Reaction:
    """What followed one list.

    Attributes
    ----------
    orders : DataFrame
        order_id, customer_id, ordered_at (timestamp), amount: the orders that exist only because of the contact.
    email_events : DataFrame
        customer_id, occurred_at (timestamp), event, campaign_id, channel.
    truth : DataFrame
        customer_id, arm, chance (of the extra order), buys_without, buys_with (0 or 1; an order in the window when left
        alone and when contacted), extra_amount (if contacted).
    """

    orders: pd.DataFrame
    email_events: pd.DataFrame
    truth: pd.DataFrame

    @property
    def lift(self) -> float:
        """What contacting everybody, listed and held out, would have added to their conversion: a share."""
        return float((self.truth["buys_with"] - self.truth["buys_without"]).mean())

    @property
    def revenue_lift(self) -> float:
        """The same for revenue per person, in major units."""
        return float(self.truth["extra_amount"].mean())


def react_to_list(
    people: pd.DataFrame,
    orders: pd.DataFrame,
    window: Window,
    chance: pd.Series,
    amount: float,
    seed: int = 0,
) -> Reaction:
    """Let the people of one list react to it.

    Parameters
    ----------
    people : DataFrame
        Listed and held out: customer_id, campaign, arm (``treated``, or anything else), channel.
    orders : DataFrame
        Orders without the contact: customer_id, ordered_at (naive timestamps).
    window : Window
        The list's.
    chance : Series
        Indexed by customer_id: probability of one more order when contacted, in [0, 1]. Whoever is not in it has none.
    amount : float
        Mean of an extra order, major units; amounts are log-normal.
    seed : int

    Raises
    ------
    DataError
        People twice, or chances outside [0, 1].

    Examples
    --------
    >>> people = pd.DataFrame({"customer_id": ["a", "b"], "campaign": "m", "arm": ["treated", "holdout"],
    ...                        "channel": "email"})
    >>> nothing = pd.DataFrame({"customer_id": [], "ordered_at": pd.to_datetime([])})
    >>> from segml.time_windows import Cutoff
    >>> window = Window(Cutoff.parse("2024-01-01"), Cutoff.parse("2024-02-01"))
    >>> reaction = react_to_list(people, nothing, window, pd.Series({"a": 1.0, "b": 1.0}), amount=20.0)
    >>> reaction.orders["customer_id"].tolist(), reaction.lift, reaction.truth["buys_without"].tolist()
    (['a'], 1.0, [0, 0])
    """
    rows = people.sort_values("customer_id", ignore_index=True)
    known = chance.reindex(rows["customer_id"]).fillna(0.0).to_numpy(dtype=float)
    _check(rows, known)
    campaign = str(rows["campaign"].iloc[0]) if len(rows) else ""
    mark = int.from_bytes(hashlib.sha256(campaign.encode()).digest()[:4], "big")
    rng = np.random.default_rng([seed, mark, window.start.day])
    extra = rng.random(len(rows)) < known
    spent = np.round(amount * np.exp(_LOG_SPREAD * rng.standard_normal(len(rows)) - _LOG_SPREAD**2 / 2), 2)
    moment = window.start.seconds + 3_600 + rng.integers(0, window.days * SECONDS_PER_DAY - 7_200, len(rows))
    inside = orders["ordered_at"].between(_time(window.start.seconds), _time(window.end.seconds - 1))
    alone = rows["customer_id"].isin(set(orders.loc[inside, "customer_id"])).to_numpy()
    treated = (rows["arm"] == "treated").to_numpy()
    placed = np.flatnonzero(extra & treated)
    caused = pd.DataFrame(
        {
            "order_id": [f"{campaign}-{window.start.label}-{place}" for place in placed],
            "customer_id": rows["customer_id"].to_numpy()[placed],
            "ordered_at": pd.to_datetime(moment[placed], unit="s").as_unit("us"),
            "amount": spent[placed],
        }
    )
    truth = pd.DataFrame(
        {
            "customer_id": rows["customer_id"],
            "arm": rows["arm"],
            "chance": known,
            "buys_without": alone.astype(int),
            "buys_with": (alone | extra).astype(int),
            "extra_amount": np.where(extra, spent, 0.0),
        }
    )
    return Reaction(caused, _events(rows[treated], campaign, window, rng), truth)


def _check(rows: pd.DataFrame, known: np.ndarray) -> None:
    twice = int(rows["customer_id"].duplicated().sum())
    outside = int((~((known >= 0) & (known <= 1))).sum())
    wrong = [f"{twice} people stand on the list twice"] if twice else []
    wrong += [f"{outside} chances lie outside 0 to 1"] if outside else []
    if wrong:
        raise DataError("; ".join(wrong), "give each person once, with a probability")


def _events(sent: pd.DataFrame, campaign: str, window: Window, rng: np.random.Generator) -> pd.DataFrame:
    """Log the sending at nine in the morning of the list's day, and what came back within two days."""
    draws = rng.random(len(sent))
    later = rng.integers(60, 2 * SECONDS_PER_DAY, len(sent))
    reached = {
        "sent": (np.ones(len(sent), dtype=bool), 0),
        "delivered": (draws < 0.99, 5),
        "open": (draws < OPEN_SHARE, 60),
        "click": (draws < CLICK_SHARE, 120),
        "unsubscribe": (draws < UNSUBSCRIBE_SHARE, 180),
    }
    frames = [
        pd.DataFrame(
            {
                "customer_id": sent["customer_id"].to_numpy()[flags],
                "occurred_at": pd.to_datetime(
                    window.start.seconds + 9 * 3_600 + delay + (later[flags] if delay > 10 else 0), unit="s"
                ).as_unit("us"),
                "event": event,
                "campaign_id": campaign,
                "channel": sent["channel"].to_numpy()[flags],
            }
        )
        for event, (flags, delay) in reached.items()
    ]
    return pd.concat(frames, ignore_index=True)


def _time(seconds: int) -> pd.Timestamp:
    return pd.Timestamp(seconds, unit="s")
