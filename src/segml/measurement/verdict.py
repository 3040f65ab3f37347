"""From the totals of a list's arms to one row: figures with intervals, and the sentence that they allow."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from segml.measurement.built import BuiltList
from segml.measurement.lift import (
    SAMPLE_RATIO_ALPHA,
    Arm,
    newcombe_interval,
    relative_lift,
    sample_ratio_p,
    wilson_interval,
)
from segml.measurement.money import MINOR
from segml.measurement.people import HELD_OUT, TREATED
from segml.measurement.trust import Note
from segml.time_windows import Cutoff

_NOBODY = Arm(0, 0, 0, 0.0)
COLUMNS = (
    *("campaign", "as_of", "measure_until", "status", "statement", "treated", "held_out"),
    *("buyers_treated", "buyers_held_out", "rate_treated", "rate_treated_low", "rate_treated_high"),
    *("rate_held_out", "rate_held_out_low", "rate_held_out_high"),
    *("rate_difference", "rate_difference_low", "rate_difference_high"),
    *("relative_lift", "relative_lift_low", "relative_lift_high"),
    *("revenue_treated", "revenue_held_out", "revenue_difference", "revenue_difference_low"),
    *("revenue_difference_high", "revenue_verdict", "revenue_statement", "sample_ratio_p"),
)
_CONTROL = ("held_out", "held_out_rate", "difference", "difference_low", "difference_high")


def verdict_row(
    built: BuiltList, arms: Mapping[str, Arm], notes: Sequence[Note], data_until: Cutoff, minimum_cell: int
) -> dict[str, Any]:
    """Return the row of one list, with as many figures as may be shown.

    Parameters
    ----------
    built : BuiltList
    arms : mapping of str to Arm
        Totals of ``treated`` and ``holdout``; a missing arm has nobody.
    notes : sequence of Note
        One that refuses leaves no figure.
    data_until : Cutoff
        Orders before it are known.
    minimum_cell : int
        Arms with fewer people are not shown.

    Notes
    -----
    What may be said of revenue needs its distribution: `segml.measurement.money.revenue_columns`.
    """
    row: dict[str, Any] = {
        "campaign": built.campaign,
        "as_of": built.as_of.label,
        "measure_until": built.window.end.label,
    }
    if data_until < built.window.end:
        text = f"not yet: the window ends on {built.window.end}, data end on {data_until}"
        return row | {"status": "not_yet", "statement": text}
    treated, control = arms.get(TREATED, _NOBODY), arms.get(HELD_OUT, _NOBODY)
    if treated.people < minimum_cell or 0 < control.people < minimum_cell:
        text = f"fewer than {minimum_cell} people in an arm: not shown"
        return row | {"status": "suppressed", "statement": text}
    row |= {"treated": treated.people, "held_out": control.people}
    ratio = sample_ratio_p(treated.people, control.people, built.holdout_share)
    row["sample_ratio_p"] = ratio
    if ratio < SAMPLE_RATIO_ALPHA:
        text = (
            f"refused: {control.people:,} of {treated.people + control.people:,} were held out where"
            f" {built.holdout_share:.1%} should be (p = {ratio:.1g}); the arms can't be compared"
        )
        return row | {"status": "refused", "statement": text}
    against = [note.text for note in notes if note.refuses]
    if against:
        return row | {"status": "refused", "statement": f"refused: {'; '.join(against)}"}
    row |= _arm_columns("treated", treated)
    if not control.people:
        text = f"{treated.buyers:,} of {treated.people:,} ordered within the window; nobody was held out, so this"
        return row | {"status": "no_holdout", "statement": text + " is what followed, not an effect"}
    row |= _arm_columns("held_out", control) | _difference_columns(treated, control)
    return row | {"status": "measured", "statement": _statement(row)}


def without_control(result: dict[str, Any]) -> dict[str, Any]:
    """Return a row of results without the held-out people beside it: the arms may not be compared (yet)."""
    return {name: value for name, value in result.items() if name not in _CONTROL}


def _arm_columns(name: str, arm: Arm) -> dict[str, float]:
    low, high = wilson_interval(arm.buyers, arm.people)
    return {
        f"buyers_{name}": arm.buyers,
        f"rate_{name}": arm.rate,
        f"rate_{name}_low": low,
        f"rate_{name}_high": high,
        f"revenue_{name}": arm.mean / MINOR,
    }


def _difference_columns(treated: Arm, control: Arm) -> dict[str, float]:
    low, high = newcombe_interval(treated, control)
    lift, lift_low, lift_high = relative_lift(treated, control)
    return {
        "rate_difference": treated.rate - control.rate,
        "rate_difference_low": low,
        "rate_difference_high": high,
        "relative_lift": lift,
        "relative_lift_low": lift_low,
        "relative_lift_high": lift_high,
    }


def _statement(row: dict[str, Any]) -> str:
    low, high = 100 * row["rate_difference_low"], 100 * row["rate_difference_high"]
    span = f"{100 * row['rate_difference']:+.1f} points of conversion (95 %: {low:+.1f} to {high:+.1f})"
    if low > 0 or high < 0:
        lift = row["relative_lift"]
        relative = "" if math.isnan(lift) else f", {lift:+.0%} relative"
        return f"the campaign {'raised' if low > 0 else 'lowered'} conversion: {span}{relative}"
    return f"no effect can be told from chance: {span}"
