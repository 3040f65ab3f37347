"""Pictures of buying over time; each draws a frame of `evaluation.purchases` on the axes it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from segml.errors import DataError
from segml.evaluation.plots import BLUE, GREEN, GREY, ORANGE, RED, _axes, _percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (BLUE, ORANGE, GREEN, RED, "#CC79A7", "#56B4E9")
_STYLES = ("-", "--", "-.", ":", "-", "--")
_MOST_GROUPS = 6


def plot_return_curve(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the share who bought again by each day, a step a cohort, from `purchases.return_curve_frame`.

    Bands are 95 % intervals; the legend tells each cohort's size.
    """
    ax = _axes(frame, ("group", "day", "share", "low", "high", "at_risk"), ax, (7.0, 4.4))
    _few_groups(frame)
    last = float(frame["day"].max())
    for number, (name, curve) in enumerate(frame.groupby("group", sort=True)):
        colour, style = _COLOURS[number], _STYLES[number]
        day, share = (np.append(curve[c], curve[c].iloc[-1]) for c in ("day", "share"))
        day[-1] = last
        label = f"{name} ({int(curve['at_risk'].iloc[0]):,})"
        ax.step(day, share, where="post", color=colour, linestyle=style, linewidth=1.8, label=label)
        ax.fill_between(
            curve["day"], curve["low"], curve["high"], step="post", color=colour, alpha=0.15, linewidth=0
        )
    ax.set(xlim=(0, last), ylim=(0, None), xlabel="days", ylabel="share who have bought again")
    _percent(ax.yaxis)
    ax.set_title("Time to the next order", loc="left", fontsize=11)
    ax.legend(frameon=False, loc="best", fontsize=9)
    return ax


def plot_tracking(frame: pd.DataFrame, ax: Axes | None = None, *, unit: str = "weeks") -> Axes:
    """Draw cumulative repeat orders, actual against expected, from `purchases.tracking_frame`."""
    ax = _axes(frame, ("time", "actual", "expected", "fitted"), ax, (7.0, 4.4))
    ax.plot(frame["time"], frame["actual"], color=GREY, linewidth=2.2, label="actual")
    ax.plot(frame["time"], frame["expected"], color=BLUE, linewidth=2, linestyle="--", label="expected")
    title = "Cumulative repeat orders"
    later = frame[~frame["fitted"]]
    if len(later):
        begin = float(frame.loc[frame["fitted"], "time"].max())
        ax.axvspan(begin, float(frame["time"].max()), color="#F2F2F2", zorder=0)
        ax.text(
            begin, 0.02, " not seen by the model", transform=ax.get_xaxis_transform(), fontsize=9, color=GREY
        )
        seen = frame.loc[frame["fitted"]].iloc[-1]
        told, came = (float(later[c].iloc[-1] - seen[c]) for c in ("expected", "actual"))
        title += f": {told:,.0f} foretold, {came:,.0f} came ({told / came - 1:+.0%})" if came else ""
    ax.set(xlim=(0, float(frame["time"].max())), ylim=(0, None), xlabel=unit, ylabel="repeat orders")
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.set_title(title, loc="left", fontsize=11)
    ax.legend(frameon=False, loc="upper left", fontsize=9)
    return ax


def plot_frequency_recency(
    frame: pd.DataFrame, ax: Axes | None = None, *, label: str = "P(alive)", unit: str = "weeks"
) -> Axes:
    """Draw a matrix over repeat orders and silence, from `purchases.frequency_recency_frame`.

    Reading down a column: the more often someone has bought, the sooner the same silence means that they are gone.
    """
    from matplotlib.ticker import MaxNLocator

    ax = _axes(frame, ("repeat_orders", "silence", "value"), ax, (7.0, 4.6))
    grid = frame[frame["repeat_orders"] > 0].pivot_table(
        index="silence", columns="repeat_orders", values="value"
    )
    orders, silence, values = (
        grid.columns.to_numpy(dtype=float),
        grid.index.to_numpy(dtype=float),
        grid.to_numpy(),
    )
    ax.grid(False)
    top = 1.0 if values.max() <= 1 else float(values.max())
    image = ax.pcolormesh(orders, silence, values, cmap="cividis", vmin=0, vmax=top, shading="nearest")
    levels = [0.1, 0.5, 0.9] if top == 1.0 else np.linspace(0, top, 5)[1:-1].tolist()
    inside = [level for level in levels if values.min() < level < values.max()]
    if inside:
        lines = ax.contour(orders, silence, values, levels=inside, colors="white", linewidths=1.2)
        ax.clabel(lines, fmt=(lambda v: f"{v:.0%}") if top == 1.0 else "%.1f", fontsize=9)
    bar = ax.figure.colorbar(image, ax=ax, label=label)
    if top == 1.0:
        _percent(bar.ax.yaxis)
    ax.set(xlabel="repeat orders", ylabel=f"{unit} since the last order")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title(f"{label} by frequency and silence", loc="left", fontsize=11)
    return ax


def plot_value_deciles_by_group(frame: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw realised against predicted mean value, a line a segment, from `purchases.value_decile_by_group_frame`.

    On the diagonal a segment is worth what was foretold; axes are logarithmic from the smallest positive value on.
    """
    ax = _axes(frame, ("group", "decile", "customers", "predicted", "realised"), ax, (5.8, 5.2))
    _few_groups(frame)
    shown = frame[(frame["predicted"] > 0) & (frame["realised"] > 0)]
    if shown.empty:
        raise DataError("no decile has both a predicted and a realised value above zero")
    low, high = (float(f(shown[["predicted", "realised"]].to_numpy())) for f in (np.min, np.max))
    edge = (low / 1.3, high * 1.3)
    ax.plot(edge, edge, color=GREY, linewidth=1, linestyle="--", label="as foretold")
    for number, (name, part) in enumerate(shown.groupby("group", sort=True)):
        size = int(frame.loc[frame["group"] == name, "customers"].sum())
        ax.plot(
            part["predicted"],
            part["realised"],
            marker="os^Dv*"[number],
            color=_COLOURS[number],
            linewidth=1.3,
            markersize=5.5,
            markeredgecolor="white",
            label=f"{name} ({size:,})",
        )
    ax.set(xscale="log", yscale="log", xlim=edge, ylim=edge, xlabel="predicted mean", ylabel="realised mean")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}")
    ax.set_title("Value by decile within segments", loc="left", fontsize=11)
    ax.legend(frameon=False, loc="upper left", fontsize=9)
    return ax


def _few_groups(frame: pd.DataFrame) -> None:
    groups = frame["group"].unique()
    if len(groups) > _MOST_GROUPS:
        raise DataError(
            f"{len(groups)} groups in one picture can't be told apart, at most {_MOST_GROUPS}",
            "draw some of them, or put small ones together",
        )
