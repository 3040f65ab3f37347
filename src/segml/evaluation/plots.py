"""Pictures of the frames that the metrics make; nothing is computed here.

Each function draws on the axes it is given (or on new ones) and returns them; no global style is set. Colours are from
Okabe and Ito's set, which colour-blind readers can tell apart; every picture also reads in grey.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from segml.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6B6B6B"
_LINES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (RED, ":"))


def _axes(frame: pd.DataFrame, columns: tuple[str, ...], ax: Axes | None, size: tuple[float, float]) -> Axes:
    missing = [name for name in columns if name not in frame]
    if missing:
        known = [str(name) for name in frame.columns]
        listed = ", ".join(f"{name!r}{did_you_mean(name, known)}" for name in missing)
        raise DataError(f"this picture needs the columns {listed}", f"the frame has {', '.join(known)}")
    if frame.empty:
        raise DataError("there is nothing to draw: the frame has no rows")
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=size, layout="constrained")
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.grid(True, color="#E6E6E6", linewidth=0.8)
    ax.set_axisbelow(True)
    return ax


def _percent(axis: Any, decimals: int = 0) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=decimals))


def plot_reliability(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw predicted against realised rates, from `calibration.reliability_frame`.

    A point on the diagonal means what it says; the bars are 95 % intervals of the realised rate.
    """
    ax = _axes(frame, ("predicted", "realised", "low", "high", "customers"), ax, (5.2, 4.8))
    top = min(1.0, 1.08 * float(max(frame["predicted"].max(), frame["high"].max())))
    ax.plot([0, top], [0, top], color=GREY, linewidth=1, linestyle="--", label="perfectly calibrated")
    below, above = frame["realised"] - frame["low"], frame["high"] - frame["realised"]
    ax.errorbar(
        frame["predicted"],
        frame["realised"],
        yerr=np.maximum([below, above], 0.0),
        fmt="o",
        color=BLUE,
        ecolor=BLUE,
        elinewidth=1.2,
        capsize=2.5,
        markersize=5.5,
        label="customers in equal-sized groups",
    )
    ax.set(xlim=(0, top), ylim=(0, top), xlabel="predicted probability", ylabel="realised rate")
    _percent(ax.xaxis, 0 if top > 0.1 else 1)
    _percent(ax.yaxis, 0 if top > 0.1 else 1)
    ax.set_title(f"Calibration, {int(frame['customers'].sum()):,} customers", loc="left", fontsize=11)
    ax.legend(frameon=False, loc="upper left", fontsize=9)
    return ax


def plot_gains(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share caught against the share contacted, from `calibration.gains_frame`, a line a score.

    The dot marks what the best tenth of the base catches.
    """
    ax = _axes(frame, ("score", "contacted", "caught"), ax, (5.6, 4.6))
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--", label="at random")
    for number, (name, curve) in enumerate(frame.groupby("score", sort=False)):
        colour, style = _LINES[number % len(_LINES)]
        tenth = float(np.interp(0.1, curve["contacted"], curve["caught"]))
        label = f"{name}: {tenth:.0%} in the top tenth"
        ax.plot(curve["contacted"], curve["caught"], color=colour, linestyle=style, linewidth=2, label=label)
        ax.plot([0.1], [tenth], "o", color=colour, markersize=5)
    ax.set(
        xlim=(0, 1),
        ylim=(0, 1.01),
        xlabel="customers contacted, best first",
        ylabel="share of the outcome caught",
    )
    _percent(ax.xaxis)
    _percent(ax.yaxis)
    ax.set_title("Gains", loc="left", fontsize=11)
    ax.legend(frameon=False, loc="lower right", fontsize=9)
    return ax


def plot_value_deciles(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw predicted and realised mean value by predicted decile, from `calibration.value_decile_frame`."""
    ax = _axes(frame, ("decile", "predicted", "realised"), ax, (6.2, 4.2))
    place = np.arange(len(frame))
    ax.bar(place - 0.2, frame["predicted"], width=0.38, color=BLUE, label="predicted")
    ax.bar(
        place + 0.2,
        frame["realised"],
        width=0.38,
        color=ORANGE,
        hatch="//",
        edgecolor="white",
        label="realised",
    )
    ax.grid(False, axis="x")
    ax.set_xticks(place, [str(int(decile)) for decile in frame["decile"]])
    ax.set(xlabel="decile of predicted value (10 = highest)", ylabel="mean value of a customer")
    ax.set_title("Value by decile", loc="left", fontsize=11)
    ax.legend(frameon=False, loc="upper left", fontsize=9)
    return ax


def plot_reason_summary(frame: pd.DataFrame, ax: Axes | None = None, *, top: int = 12) -> Axes:
    """Draw the features that move the score most, from `reasons.reason_summary_frame` (one group).

    Bars are mean absolute contributions; the dot is the mean with its sign: right of zero raises the score of the
    group as a whole.

    Raises
    ------
    DataError
        When the frame holds several groups: draw one axes for each.
    """
    ax = _axes(
        frame, ("group", "feature", "mean", "mean_absolute"), ax, (6.4, 0.32 * min(top, len(frame)) + 1.4)
    )
    groups = frame["group"].unique()
    if len(groups) > 1:
        raise DataError(f"one group a picture, got {len(groups)}: {', '.join(map(str, groups[:5]))}")
    shown = frame.sort_values(["mean_absolute", "feature"], ascending=[False, True]).head(top).iloc[::-1]
    place = np.arange(len(shown))
    ax.barh(
        place, shown["mean_absolute"], color=BLUE, height=0.62, alpha=0.85, label="mean size of the effect"
    )
    ax.plot(
        shown["mean"],
        place,
        "o",
        color=RED,
        markeredgecolor="white",
        markersize=6.5,
        label="mean with its sign",
    )
    ax.axvline(0, color=GREY, linewidth=1)
    ax.set_yticks(place, [str(name).replace("_", " ") for name in shown["feature"]])
    ax.grid(False, axis="y")
    ax.set_xlabel("contribution to the log-odds")
    ax.set_title(f"What moves the score: {groups[0]}", loc="left", fontsize=11)
    ax.legend(frameon=False, loc="lower right", fontsize=9)
    return ax
