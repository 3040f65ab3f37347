"""Pictures of money and of backtests; the frames come from `profit` and `backtest`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from segml.errors import DataError, did_you_mean
from segml.evaluation.plots import _LINES, BLUE, GREY, _axes, _percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_profit(frame: pd.DataFrame, ax: Axes | None = None, *, currency: str = "") -> Axes:
    """Draw profit against the share contacted, from `profit.profit_frame`; the dot is each score's best share."""
    ax = _axes(frame, ("score", "contacted", "profit"), ax, (5.8, 4.4))
    ax.axhline(0, color=GREY, linewidth=1, linestyle="--")
    for number, (name, curve) in enumerate(frame.groupby("score", sort=False)):
        colour, style = _LINES[number % len(_LINES)]
        best = curve.iloc[int(curve["profit"].argmax())]
        label = f"{name}: {best['profit']:,.0f} {currency}".rstrip() + f" at {best['contacted']:.0%}"
        ax.plot(curve["contacted"], curve["profit"], color=colour, linestyle=style, linewidth=2, label=label)
        ax.plot([best["contacted"]], [best["profit"]], "o", color=colour, markersize=6)
    money = f"profit of the campaign, {currency}" if currency else "profit of the campaign"
    ax.set(xlim=(0, 1), xlabel="customers contacted, best first", ylabel=money)
    _percent(ax.xaxis)
    ax.yaxis.set_major_formatter(lambda number, _: f"{number:,.0f}")
    ax.set_title("Profit by share contacted", loc="left", fontsize=11)
    ax.legend(frameon=False, loc="best", fontsize=9)
    return ax


def plot_backtest(frame: pd.DataFrame, ax: Axes | None = None, *, metric: str = "auc") -> Axes:
    """Draw a metric at every test cutoff, a line a score, from `backtest.backtest_frame`."""
    if metric not in frame:
        raise DataError(f"no metric {metric!r} to draw{did_you_mean(metric, map(str, frame.columns))}")
    ax = _axes(frame, ("cutoff", "score", metric), ax, (6.2, 4.0))
    cutoffs = sorted(frame["cutoff"].unique())
    place = {cutoff: position for position, cutoff in enumerate(cutoffs)}
    for number, (name, line) in enumerate(frame.groupby("score", sort=False)):
        colour, style = _LINES[number % len(_LINES)]
        at = line["cutoff"].map(place)
        ax.plot(at, line[metric], color=colour, linestyle=style, marker="o", linewidth=2, label=str(name))
    ax.set_xticks(range(len(cutoffs)), cutoffs, rotation=30, ha="right")
    ax.set(xlabel="test cutoff", ylabel=metric.replace("_", " "), xlim=(-0.3, len(cutoffs) - 0.7))
    ax.set_title("On each later window", loc="left", fontsize=11)
    ax.legend(frameon=False, loc="best", fontsize=9)
    return ax


def plot_differences(frame: pd.DataFrame, ax: Axes | None = None, *, metric: str = "auc") -> Axes:
    """Draw paired differences with their intervals, one row a cutoff, from `backtest.backtest_differences`.

    Raises
    ------
    DataError
        When the frame holds several rivals: draw one axes for each.
    """
    ax = _axes(frame, ("cutoff", "rival", "difference", "low", "high"), ax, (6.2, 0.4 * len(frame) + 1.4))
    rivals = frame["rival"].unique()
    if len(rivals) > 1:
        raise DataError(f"one rival a picture, got {len(rivals)}: {', '.join(map(str, rivals))}")
    shown = frame.iloc[::-1]
    place = np.arange(len(shown))
    below, above = shown["difference"] - shown["low"], shown["high"] - shown["difference"]
    ax.axvline(0, color=GREY, linewidth=1, linestyle="--")
    ax.errorbar(
        shown["difference"],
        place,
        xerr=np.maximum([below, above], 0.0),
        fmt="o",
        color=BLUE,
        capsize=3,
        markersize=6,
    )
    ax.set_yticks(place, [str(cutoff) for cutoff in shown["cutoff"]])
    ax.set(ylim=(-0.6, len(shown) - 0.4), xlabel=f"difference of {metric.replace('_', ' ')}")
    ax.grid(False, axis="y")
    ax.set_title(f"Against the {rivals[0]}, in pairs", loc="left", fontsize=11)
    return ax
