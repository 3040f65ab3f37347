"""Pictures of segments side by side and over time: the snake plot, the map, and who moved where.

Each takes a frame that was computed elsewhere (`profile_segments`, `segment_map_frame`, `migration_frame`) and draws
it on an axes; no global style is set.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from segml.evaluation.plots_segments import GREY, LIGHT, _axes, _plain, _spoken, _wrapped

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#8C6D31",
    "#4D4D4D",
    "#B22222",
    "#6A5ACD",
)
MARKERS = "osD^vP*Xph"
GAP = 0.045
"""Between two blocks of the flow picture, as a share of its height."""
LEAST_FLOW = 0.004
"""Flows thinner than this share of the people are left out; the blocks still count them."""


def plot_snake(profile: pd.DataFrame, names: dict[object, str] | None = None, ax: Axes | None = None) -> Axes:
    """One line a segment over the features: where the lines part, the segments differ.

    Parameters
    ----------
    profile : DataFrame
        From `profile_segments`; suppressed segments are left out.
    names : dict of segment to name, optional
    ax : Axes, optional
    """
    shown = profile[~profile["suppressed"].astype(bool)]
    table = shown.pivot_table(index="feature", columns="segment", values="effect", sort=False, dropna=False)
    spread = (table.max(axis=1) - table.min(axis=1)).sort_values(ascending=False, kind="stable")
    table = table.loc[spread.index]
    ax = _axes(ax, (3.0 + 0.55 * len(table), 4.2))
    at = np.arange(len(table))
    ax.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    for place, segment in enumerate(table.columns):
        ax.plot(
            at,
            table[segment],
            color=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=5,
            linewidth=1.6,
            label=_wrapped((names or {}).get(segment, f"segment {segment}"), 30),
        )
    ax.set_xticks(at, [_spoken(name) for name in table.index], fontsize=8, rotation=40, ha="right")
    ax.tick_params(axis="x", length=0)
    ax.set_ylabel("standard deviations from the others", fontsize=9)
    ax.grid(axis="x", color=LIGHT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _plain(ax)


def plot_segment_map(
    map_frame: pd.DataFrame, names: dict[object, str] | None = None, ax: Axes | None = None
) -> Axes:
    """Customers on the two directions in which they differ most; unsure ones are pale, outliers crossed.

    Parameters
    ----------
    map_frame : DataFrame
        From `segment_map_frame`: `x, y, segment, membership, kind`.
    names : dict of label to name, optional
    ax : Axes, optional
    """
    ax = _axes(ax, (7.2, 4.6))
    customers = map_frame[map_frame["kind"] == "customer"]
    outliers = map_frame[map_frame["kind"] == "outlier"]
    for place, segment in enumerate(sorted(map_frame["segment"].unique())):
        colour = COLOURS[place % len(COLOURS)]
        rows = customers[customers["segment"] == segment]
        alpha = np.clip(rows["membership"].to_numpy(dtype=float), 0.15, 1.0) * 0.55
        name = _wrapped((names or {}).get(segment, f"segment {segment}"), 30)
        if len(rows):  # a segment may hold outliers alone, or none of the drawn customers
            ax.scatter(rows["x"], rows["y"], s=7, color=colour, alpha=alpha, linewidths=0)
        ax.scatter([], [], s=36, color=colour, label=name)
        centre = map_frame[(map_frame["kind"] == "centre") & (map_frame["segment"] == segment)]
        ax.scatter(
            centre["x"], centre["y"], s=150, marker=MARKERS[place % len(MARKERS)], color=colour,
            edgecolor="white", linewidth=1.5, zorder=5,
        )  # fmt: skip
    if len(outliers):
        ax.scatter(
            outliers["x"], outliers["y"], s=22, marker="x", color="#222222", linewidth=0.9, label="outliers"
        )
    explained = map_frame.attrs.get("explained", [np.nan, np.nan])
    axes = map_frame.attrs.get("axes", [[], []])
    for which, share, words in zip(("x", "y"), explained, axes, strict=True):
        said = f" ({', '.join(_spoken(w) for w in words)})" if words else ""
        label = f"{share:.0%} of the differences{said}" if np.isfinite(share) else which
        ax.set(**{f"{which}label": label})
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _plain(ax)


def plot_migration(
    flows: pd.DataFrame, order: list[str] | None = None, values: str = "people", ax: Axes | None = None
) -> Axes:
    """Who moved where between two days, as bands between two columns of blocks (alluvial).

    Parameters
    ----------
    flows : DataFrame
        From `migration_frame`: `before, after, people, money_before, money_after`.
    order : list of str, optional
        Segments from top to bottom; by default the largest first. Those that came or left are at the foot.
    values : str
        Column that gives the bands their width.
    ax : Axes, optional
    """
    flows = flows[flows[values] > 0]
    blocks = _order(flows, order, values)
    ax = _axes(ax, (8.4, 1.2 + 0.7 * len(blocks)))
    total = float(flows[values].sum())
    left = _stacked(flows.groupby("before")[values].sum(), blocks, total)
    right = _stacked(flows.groupby("after")[values].sum(), blocks, total)
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(blocks)}
    starts = {name: top for name, (top, _) in left.items()}
    ends = {name: top for name, (top, _) in right.items()}
    rank = {name: i for i, name in enumerate(blocks)}
    ordered = flows.assign(a=flows["before"].map(rank), b=flows["after"].map(rank)).sort_values(["a", "b"])
    for before, after, value in ordered[["before", "after", values]].itertuples(index=False):
        width = value / total
        if width >= LEAST_FLOW:
            stays = before == after
            colour = LIGHT if stays else colours[before]
            ax.add_patch(_band(starts[before], ends[after], width, colour, 0.55 if stays else 0.6))
        starts[before] -= width
        ends[after] -= width
    for x, side, column in ((0.0, left, "right"), (1.0, right, "left")):
        for name, (top, height) in side.items():
            ax.add_patch(_block(x, top, height, colours[name]))
            outside = x - 0.035 if column == "right" else x + 0.035
            text = f"{_wrapped(name, 32)}  {height:.0%}" if height >= 0.01 else _wrapped(name, 32)
            ax.text(outside, top - height / 2, text, ha=column, va="center", fontsize=8)
    low = min(top - height for side in (left, right) for top, height in side.values())
    ax.set(xlim=(-0.75, 1.75), ylim=(low - 0.02, 1.06))
    ax.text(0, 1.03, "before", ha="center", fontsize=9, color=GREY)
    ax.text(1, 1.03, "after", ha="center", fontsize=9, color=GREY)
    ax.axis("off")
    return ax


def _order(flows: pd.DataFrame, order: list[str] | None, values: str) -> list[str]:
    sizes = pd.concat([flows.groupby(side)[values].sum() for side in ("before", "after")], axis=1).max(axis=1)
    wanted = order or [str(name) for name in sizes.sort_values(ascending=False, kind="stable").index]
    known = [name for name in wanted if name in sizes.index]
    known += [str(name) for name in sizes.index if name not in known]
    return sorted(known, key=lambda name: str(name).startswith("("))


def _stacked(sizes: pd.Series, order: list[str], total: float) -> dict[str, tuple[float, float]]:
    """Name -> (top, height), from 1 downwards."""
    found, top = {}, 1.0
    for name in order:
        height = float(sizes.get(name, 0.0)) / total
        if height > 0:
            found[name] = (top, height)
            top -= height + GAP
    return found


def _band(start: float, end: float, width: float, colour: str, alpha: float) -> PathPatch:
    x0, x1, middle = 0.02, 0.98, 0.5
    points = [
        (x0, start), (middle, start), (middle, end), (x1, end),
        (x1, end - width), (middle, end - width), (middle, start - width), (x0, start - width), (x0, start),
    ]  # fmt: skip
    curve = [Path.CURVE4] * 3
    codes = [Path.MOVETO, *curve, Path.LINETO, *curve, Path.CLOSEPOLY]
    return PathPatch(Path(points, codes), facecolor=colour, alpha=alpha, linewidth=0)


def _block(x: float, top: float, height: float, colour: str) -> PathPatch:
    corners = [(x - 0.02, top), (x + 0.02, top), (x + 0.02, top - height), (x - 0.02, top - height)]
    return PathPatch(Path([*corners, corners[0]], closed=True), facecolor=colour, linewidth=0)
