"""Pictures of uplift: the Qini curve, uplift by decile, and the ladder's choice. Nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from segml.evaluation.plots import _LINES, BLUE, GREY, RED, _axes, _percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_qini(frame: pd.DataFrame, ax: Axes | None = None, *, unit: str = "outcomes") -> Axes:
    """Draw gain against share contacted, from `uplift_metrics.qini_curve_frame`, a line a score.

    Parameters
    ----------
    unit : str
        What the outcome counts: visits, orders, money.
    """
    ax = _axes(frame, ("score", "contacted", "gain", "qini"), ax, (5.8, 4.4))
    end = float(frame.loc[frame["contacted"] == 1.0, "gain"].iloc[0])
    ax.plot([0, 1], [0, 100 * end], color=GREY, linewidth=1, linestyle="--", label="at random")
    for number, (name, curve) in enumerate(frame.groupby("score", sort=False)):
        colour, style = _LINES[number % len(_LINES)]
        label = f"{name}: Qini {curve['qini'].iloc[0]:.3f}"
        ax.plot(
            curve["contacted"], 100 * curve["gain"], color=colour, linestyle=style, linewidth=2, label=label
        )
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.set(xlim=(0, 1), xlabel="customers contacted, best first", ylabel=f"{unit} gained per 100 customers")
    _percent(ax.xaxis)
    ax.set_title("Gain of contacting the best", loc="left", fontsize=11)
    corner = "lower right" if end >= 0 else "upper right"
    ax.legend(loc=corner, fontsize=9, framealpha=0.9, edgecolor="none")
    return ax


def plot_uplift_deciles(frame: pd.DataFrame, ax: Axes | None = None, *, percent: bool = True) -> Axes:
    """Draw observed uplift by decile with its interval, from `uplift_metrics.uplift_decile_frame`.

    The open circle is the mean expected uplift of the decile, the line the campaign's own lift.

    Parameters
    ----------
    percent : bool, default=True
        Write uplift as percentage points; False for an amount.
    """
    ax = _axes(frame, ("decile", "customers", "predicted", "uplift", "low", "high"), ax, (6.2, 4.2))
    factor = 100.0 if percent else 1.0
    place = np.arange(len(frame))
    ax.bar(
        place, factor * frame["uplift"], width=0.66, color=BLUE, alpha=0.85, label="observed, 95 % interval"
    )
    reach = factor * np.vstack([frame["uplift"] - frame["low"], frame["high"] - frame["uplift"]])
    ax.errorbar(
        place, factor * frame["uplift"], yerr=reach, fmt="none", ecolor="#222222", elinewidth=1.1, capsize=3
    )
    ax.plot(
        place,
        factor * frame["predicted"],
        "o",
        markerfacecolor="white",
        markeredgecolor=RED,
        markeredgewidth=1.6,
        markersize=6.5,
        label="expected",
    )
    known = frame.dropna(subset=["uplift"])
    mean = float(np.average(known["uplift"], weights=known["customers"]))
    ax.axhline(factor * mean, color=GREY, linewidth=1, linestyle="--", label="everybody")
    ax.axhline(0, color="#222222", linewidth=0.8)
    ax.grid(False, axis="x")
    ax.set_xticks(place, [str(int(decile)) for decile in frame["decile"]])
    ax.set_xlabel("decile of expected uplift (10 = highest)")
    ax.set_ylabel("uplift, percentage points" if percent else "uplift per customer")
    ax.set_title(f"Uplift by decile, {int(frame['customers'].sum()):,} customers", loc="left", fontsize=11)
    ax.legend(frameon=False, loc="upper left", fontsize=9)
    return ax


def plot_ladder(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the cross-fitted value of each rung, from `UpliftLadder.selection_`.

    Bars are one standard error of the difference from the best; the chosen rung is filled.
    """
    needed = ("value", "behind_error", "chosen")
    ax = _axes(frame, needed, ax, (6.0, 0.42 * len(frame) + 1.3))
    place = np.arange(len(frame))[::-1]
    best = float(frame["value"].max())
    ax.axvline(best, color=GREY, linewidth=1, linestyle="--", label="best")
    ax.errorbar(
        frame["value"], place, xerr=frame["behind_error"], fmt="none", ecolor=BLUE, elinewidth=1.4, capsize=3
    )
    for chosen, fill, text in ((False, "white", "other rungs"), (True, BLUE, "chosen")):
        rows = (frame["chosen"] == chosen).to_numpy()
        ax.plot(
            frame["value"][rows],
            place[rows],
            "o",
            markersize=8,
            markerfacecolor=fill,
            markeredgecolor=BLUE,
            label=text,
        )
    ax.set_yticks(place, [str(name).replace("_", " ") for name in frame.index])
    ax.set_ylim(-0.6, len(frame) - 0.4)
    ax.grid(False, axis="y")
    ax.set_xlabel(
        "gain per customer on held-out folds\n(bar: one standard error of the difference from the best)"
    )
    ax.xaxis.label.set_fontsize(9)
    ax.set_title("The ladder", loc="left", fontsize=11)
    ax.legend(frameon=False, loc="best", fontsize=9)
    return ax
