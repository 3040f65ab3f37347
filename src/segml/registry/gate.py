"""The gate: a model is promoted only when it earned it, and a refusal is a sentence with the numbers.

Everything here is a pure decision over comparisons made elsewhere (`segml.evaluation.comparison`), on the same
later window and the same customers. The difference to the naive baseline must lie above zero with its whole
paired bootstrap interval; against the champion the difference itself must not fall below a tolerance. The
interval is not asked of the champion: on a small base it would let through a model that is clearly worse, only
because nothing can be shown to be worse there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from segml.errors import ModelError
from segml.evaluation.comparison import PairedDifference, grade
from segml.evaluation.metrics import LOWER_IS_BETTER

BASELINE, CHAMPION = "naive baseline", "champion"


@dataclass(frozen=True)
class GateRules:
    """What a model must reach.

    Attributes
    ----------
    metric : str
        The metric that decides; of both comparisons.
    tolerance : float
        By how much the challenger may be worse than the champion, as a share of the champion's metric.
    calibration_metric : str
        Which of the challenger's metrics is its calibration error; it decides between the grades A and B.
    calibration_tolerance : float
        Largest calibration error of an A.
    """

    metric: str
    tolerance: float = 0.01
    calibration_metric: str = "calibration_error"
    calibration_tolerance: float = 0.03


@dataclass(frozen=True)
class Decision:
    """Whether the challenger becomes the champion, its grade, and why."""

    promoted: bool
    grade: str
    reasons: list[str] = field(default_factory=list)


def decide(
    challenger_metrics: Mapping[str, float],
    baseline: PairedDifference,
    champion: PairedDifference | None,
    rules: GateRules,
) -> Decision:
    """Decide whether a challenger is promoted.

    Parameters
    ----------
    challenger_metrics : mapping of str to float
        The challenger's metrics on the later window; must hold ``rules.metric``.
    baseline : PairedDifference
        Challenger first, naive baseline second.
    champion : PairedDifference or None
        Challenger first, champion second; None when there is no champion yet.
    rules : GateRules

    Returns
    -------
    Decision
        Grade as `segml.evaluation.comparison.grade` gives it. `reasons` holds every refusal; for a promoted
        model, what it won by.

    Raises
    ------
    ModelError
        When the metric is missing, a number is not finite, or a comparison is of another metric or model.

    Examples
    --------
    >>> close = PairedDifference("auc", 0.75, 0.74, 0.01, -0.004, 0.024, 0.95, 1000)
    >>> decision = decide({"auc": 0.75}, close, None, GateRules("auc"))
    >>> decision.promoted, decision.grade
    (False, 'C')
    >>> print(decision.reasons[0])
    auc is 0.75 against 0.74 of the naive baseline: better by 0.01 (95 % interval -0.004 to 0.024), not surely above 0
    """
    own = challenger_metrics.get(rules.metric, math.nan)
    if not math.isfinite(own):
        raise ModelError(
            f"the gate is about {rules.metric}, and the challenger's is {own}", "measure it first"
        )
    rivals = {BASELINE: baseline} | ({CHAMPION: champion} if champion is not None else {})
    for name, rival in rivals.items():
        _check_comparison(own, rival, rules, name)
    reasons = _refusals(rivals, rules)
    letter = grade(
        baseline, challenger_metrics.get(rules.calibration_metric), tolerance=rules.calibration_tolerance
    ).letter
    if reasons:
        return Decision(False, letter, reasons)
    return Decision(True, letter, [describe(rival, name) for name, rival in rivals.items()])


def better_by(comparison: PairedDifference) -> tuple[float, float, float]:
    """Return the difference and the ends of its interval, turned so that positive is better for the first.

    Examples
    --------
    >>> better_by(PairedDifference("brier", 0.15, 0.20, -0.05, -0.07, -0.03, 0.95, 1000))
    (0.05, 0.03, 0.07)
    """
    if comparison.metric in LOWER_IS_BETTER:
        return -comparison.difference, -comparison.high, -comparison.low
    return comparison.difference, comparison.low, comparison.high


def describe(comparison: PairedDifference, rival: str) -> str:
    """Return the comparison in words, with its numbers."""
    gain, low, high = better_by(comparison)
    word = "better" if gain >= 0 else "worse"
    return (
        f"{comparison.metric} is {comparison.first:.4g} against {comparison.second:.4g} of the {rival}: "
        f"{word} by {abs(gain):.4g} ({comparison.level * 100:g} % interval {low:.4g} to {high:.4g})"
    )


def _refusals(rivals: Mapping[str, PairedDifference], rules: GateRules) -> list[str]:
    reasons = []
    if not better_by(rivals[BASELINE])[1] > 0:
        reasons.append(describe(rivals[BASELINE], BASELINE) + ", not surely above 0")
    if (champion := rivals.get(CHAMPION)) is not None:
        allowed = rules.tolerance * abs(champion.second)
        if better_by(champion)[0] < -allowed:
            reasons.append(describe(champion, CHAMPION) + f", and {allowed:.4g} is tolerated")
    return reasons


def _check_comparison(own: float, rival: PairedDifference, rules: GateRules, name: str) -> None:
    numbers = (rival.first, rival.second, rival.difference, rival.low, rival.high)
    if not all(map(math.isfinite, numbers)) or rival.low > rival.high:
        raise ModelError(
            f"the comparison with the {name} needs finite numbers, got {rival}",
            "compare on a window with more customers",
        )
    if rival.metric != rules.metric:
        raise ModelError(f"the gate is about {rules.metric}, and the {name} was compared in {rival.metric}")
    if not _near(rival.first, own) or not _near(rival.difference, rival.first - rival.second):
        raise ModelError(
            f"the comparison with the {name} is of {rival.first:.6g} and {rival.second:.6g}, difference "
            f"{rival.difference:.6g}, and the challenger's {rules.metric} is {own:.6g}",
            "compare the challenger first, the other second, on the rows the metric was measured on",
        )


def _near(left: float, right: float) -> bool:
    return math.isclose(left, right, rel_tol=1e-6, abs_tol=1e-9)
