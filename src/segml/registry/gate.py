"""The gate: a model is promoted only when it earned it, and a refusal is a sentence with the numbers.

Everything here is a pure decision over numbers measured elsewhere, on the same later window and the same
customers. The difference to the naive baseline must lie above zero with its whole paired bootstrap interval;
against the champion the difference itself must not fall below a tolerance. The interval is not asked of the
champion: on a small base it would let through a model that is clearly worse, only because nothing can be
shown to be worse there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from segml.errors import ModelError

GRADES = ("A", "B", "C", "D")


@dataclass(frozen=True)
class Rival:
    """What the challenger was compared with, on the same rows.

    Attributes
    ----------
    score : float
        The rival's own metric.
    difference : float
        By how much the challenger is better, in the metric's unit: positive is better, also for a loss, where it is the
        rival's loss minus the challenger's.
    low, high : float
        Ends of the paired bootstrap interval of the difference.
    """

    score: float
    difference: float
    low: float
    high: float

    def __post_init__(self) -> None:
        numbers = (self.score, self.difference, self.low, self.high)
        if (
            not all(math.isfinite(number) for number in numbers)
            or not self.low <= self.difference <= self.high
        ):
            raise ModelError(
                f"a comparison needs finite numbers and low <= difference <= high, got score {self.score}, "
                f"difference {self.difference}, interval {self.low} to {self.high}",
                "compare on a window with more customers",
            )


@dataclass(frozen=True)
class GateRules:
    """What a model must reach.

    Attributes
    ----------
    metric : str
        Name of the metric the comparison is about.
    higher_is_better : bool
        False for a loss or an error.
    tolerance : float
        By how much the challenger may be worse than the champion, as a share of the champion's metric.
    good_gain : float
        Gain over the baseline, as a share of the baseline's metric (of its distance to `perfect` when that is given),
        from which the grade is A; half of it gives B.
    perfect : float, optional
        The best value the metric can take, 1.0 for AUC.
    """

    metric: str
    higher_is_better: bool = True
    tolerance: float = 0.01
    good_gain: float = 0.10
    perfect: float | None = None


@dataclass(frozen=True)
class Decision:
    """Whether the challenger becomes the champion, its grade, and why."""

    promoted: bool
    grade: str
    reasons: list[str] = field(default_factory=list)


def decide(
    challenger_metrics: Mapping[str, float],
    baseline: Rival,
    champion: Rival | None,
    rules: GateRules,
) -> Decision:
    """Decide whether a challenger is promoted.

    Parameters
    ----------
    challenger_metrics : mapping of str to float
        The challenger's metrics on the later window; must hold ``rules.metric``.
    baseline : Rival
        The naive baseline on the same rows.
    champion : Rival or None
        The champion on the same rows; None when there is none yet.
    rules : GateRules

    Returns
    -------
    Decision
        Grade A (far better than the baseline) to C (better), D for a model that does not beat it. `reasons` holds every
        refusal; for a promoted model, what it won by.

    Raises
    ------
    ModelError
        When the metric is missing or not finite, or a difference contradicts the two metrics it is of.

    Examples
    --------
    >>> rules = GateRules("auc", perfect=1.0)
    >>> decision = decide({"auc": 0.75}, Rival(0.74, 0.01, -0.004, 0.024), None, rules)
    >>> decision.promoted, decision.grade
    (False, 'D')
    >>> print(decision.reasons[0])
    auc is 0.75 against 0.74 of the naive baseline: the difference 0.01 (interval -0.004 to 0.024) is not above 0
    """
    own = challenger_metrics.get(rules.metric, math.nan)
    if not math.isfinite(own):
        raise ModelError(
            f"the gate is about {rules.metric}, and the challenger's is {own}", "measure it on a later window"
        )
    _check_direction(own, baseline, rules, "naive baseline")
    beats = baseline.low > 0
    reasons = [] if beats else [_sentence(own, baseline, rules, "naive baseline") + " is not above 0"]
    if champion is not None:
        _check_direction(own, champion, rules, "champion")
        allowed = rules.tolerance * abs(champion.score)
        if champion.difference < -allowed:
            reasons.append(
                _sentence(own, champion, rules, "champion") + f" is worse than the {allowed:.4g} tolerated"
            )
    promoted = not reasons
    if promoted:
        rivals = [("naive baseline", baseline)] + ([("champion", champion)] if champion else [])
        reasons = [_sentence(own, rival, rules, name) + " passes" for name, rival in rivals]
    return Decision(promoted, _grade(baseline, rules) if beats else "D", reasons)


def _sentence(own: float, rival: Rival, rules: GateRules, name: str) -> str:
    return (
        f"{rules.metric} is {own:.4g} against {rival.score:.4g} of the {name}: the difference {rival.difference:.4g} "
        f"(interval {rival.low:.4g} to {rival.high:.4g})"
    )


def _check_direction(own: float, rival: Rival, rules: GateRules, name: str) -> None:
    expected = own - rival.score if rules.higher_is_better else rival.score - own
    if not math.isclose(
        expected, rival.difference, rel_tol=0.05, abs_tol=1e-3 * max(abs(own), abs(rival.score), 1e-9)
    ):
        raise ModelError(
            f"the difference to the {name} in {rules.metric} is given as {rival.difference:.6g}, but {own:.6g} and "
            f"{rival.score:.6g} make it {expected:.6g} (positive is better)",
            "compare both on the same rows, and give losses as the rival's minus the challenger's",
        )


def _grade(baseline: Rival, rules: GateRules) -> str:
    room = abs(baseline.score if rules.perfect is None else rules.perfect - baseline.score)
    gain = baseline.difference / room if room > 0 else math.inf
    if gain >= rules.good_gain:
        return "A"
    return "B" if gain >= rules.good_gain / 2 else "C"
