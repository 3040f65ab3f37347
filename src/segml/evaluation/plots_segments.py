"""Pictures of segments: how many there are, what they are, and how sure we are.

Each takes a frame that was computed elsewhere and draws it on an axes; nothing is computed here but what the eye
needs (order, labels, limits).
"""

from __future__ import annotations

import textwrap
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

BLUE, ORANGE, GREY, LIGHT = "#1f5a92", "#c8641b", "#6b6b6b", "#d9d9d9"
ANNOTATED_CELLS = 200
OTHER_CRITERIA: tuple[tuple[str, str, float, Any], ...] = (
    ("silhouette", "silhouette", 1.0, "--"),
    ("bic", "BIC (turned round)", -1.0, ":"),
    ("icl", "ICL (turned round)", -1.0, "-."),
    ("inertia", "inertia (turned round)", -1.0, (0, (1, 4))),
)
"""Column, name, sign that makes larger better, and line."""


def plot_k_selection(
    selection_frame: pd.DataFrame, min_stability: float = 0.75, ax: Axes | None = None
) -> Axes:
    """Every criterion over the number of segments: stability with its range, the rule and the choice; the others thin.

    The other criteria (silhouette, BIC, ICL, inertia) have units of their own; each is drawn from its worst (0) to its
    best (1) value, so that it shows which k it would take, and no more.

    Parameters
    ----------
    selection_frame : DataFrame
        `selection_` of a segmenter: `k, stability_median, stability_low, eligible, chosen`, and the others as far as
        they are there.
    min_stability : float
        Drawn as the line that has to be reached.
    ax : Axes, optional

    Examples
    --------
    >>> frame = pd.DataFrame({"k": [3, 4], "stability_median": [0.9, 0.6], "stability_low": [0.8, 0.4],
    ...                       "eligible": [True, False], "chosen": [True, False]})
    >>> plot_k_selection(frame).get_xlabel()
    'number of segments'
    """
    ax = _axes(ax, (7.4, 4.0))
    k, median, low = (
        selection_frame[c].to_numpy(dtype=float) for c in ("k", "stability_median", "stability_low")
    )
    _draw_other_criteria(selection_frame, ax)
    ax.plot(k, median, color=LIGHT, linewidth=1.5, zorder=1)
    ax.vlines(k, low, median, color=GREY, linewidth=2, zorder=2, label="down to the 10th percentile of pairs")
    eligible = selection_frame["eligible"].to_numpy(dtype=bool)
    chosen = selection_frame["chosen"].to_numpy(dtype=bool)
    for which, face, edge, label in (
        (eligible & ~chosen, BLUE, BLUE, "satisfies the rules"),
        (~eligible & ~chosen, "white", GREY, "does not"),
        (chosen, ORANGE, ORANGE, "chosen"),
    ):
        if which.any():
            ax.scatter(
                k[which],
                median[which],
                s=64,
                color=face,
                edgecolor=edge,
                linewidth=1.5,
                zorder=3,
                label=label,
            )
    ax.axhline(min_stability, color=GREY, linestyle=(0, (4, 3)), linewidth=1, zorder=0)
    ax.annotate(
        f"asked: {min_stability:.2f}",
        (1.0, min_stability),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=8,
        color=GREY,
    )
    ax.set_xticks(k)
    ax.set_xlim(k.min() - 0.5, k.max() + 0.5)
    ax.set_ylim(min(0.0, float(low.min()) - 0.05), 1.05)
    ax.set(xlabel="number of segments", ylabel="adjusted Rand index", title="Do the segments come back?")
    ax.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return _plain(ax)


def _draw_other_criteria(frame: pd.DataFrame, ax: Axes) -> None:
    for column, name, sign, line in OTHER_CRITERIA:
        values = sign * frame[column].to_numpy(dtype=float) if column in frame else np.array([np.nan])
        reach = np.ptp(values) if len(values) > 1 and np.isfinite(values).all() else 0.0
        if reach > 0:
            scaled = (values - values.min()) / reach
            ax.plot(
                frame["k"], scaled, linestyle=line, color=GREY, linewidth=1, alpha=0.8, label=name, zorder=0
            )


def plot_profile_heatmap(
    profile: pd.DataFrame, names: dict[object, str] | None = None, ax: Axes | None = None
) -> Axes:
    """What each segment over- and under-indexes on: standardised differences from everybody else.

    Parameters
    ----------
    profile : DataFrame
        From `profile_segments`; suppressed segments are left out.
    names : dict of segment to name, optional
    ax : Axes, optional
    """
    shown = profile[~profile["suppressed"].astype(bool)]
    table = shown.pivot_table(index="feature", columns="segment", values="effect", sort=False, dropna=False)
    table = table.loc[table.abs().max(axis=1).sort_values(ascending=False, kind="stable").index]
    n_features, n_segments = table.shape
    ax = _axes(ax, (2.6 + 1.5 * n_segments, 1.6 + 0.32 * n_features))
    limit = max(1.0, float(np.nanmax(np.abs(table.to_numpy()), initial=0.0)))
    image = ax.imshow(table.to_numpy(), cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    sizes = shown.drop_duplicates("segment").set_index("segment")["share"]
    ax.set_xticks(
        range(n_segments),
        [f"{_wrapped((names or {}).get(s, f'segment {s}'))}\n{sizes[s]:.0%}" for s in table.columns],
        fontsize=8,
    )
    ax.set_yticks(range(n_features), [_spoken(name) for name in table.index], fontsize=8)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    if table.size <= ANNOTATED_CELLS:
        for (i, j), value in np.ndenumerate(table.to_numpy()):
            if np.isfinite(value):
                shade = "white" if abs(value) > 0.6 * limit else "#222222"
                ax.text(j, i, f"{value:+.1f}", ha="center", va="center", fontsize=8, color=shade)
    for side in ax.spines.values():
        side.set_visible(False)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8, pad=0.02)
    bar.set_label("standard deviations from the others", fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return ax


def plot_segment_sizes(
    profile: pd.DataFrame, names: dict[object, str] | None = None, ax: Axes | None = None
) -> Axes:
    """Share of customers and share of spend of each segment, side by side.

    Parameters
    ----------
    profile : DataFrame
        From `profile_segments`; suppressed segments are shown without bars.
    names : dict of segment to name, optional
    ax : Axes, optional
    """
    rows = profile.drop_duplicates("segment")[::-1]
    ax = _axes(ax, (6.4, 1.3 + 0.62 * len(rows)))
    at = np.arange(len(rows), dtype=float)
    spent = rows["spend_share"].notna().any()
    series = [("share", "customers", BLUE, 0.19 if spent else 0.0)]
    series += [("spend_share", "spend", ORANGE, -0.19)] if spent else []
    for column, label, colour, shift in series:
        values = rows[column].to_numpy(dtype=float)
        ax.barh(at + shift, np.nan_to_num(values), height=0.36, color=colour, label=label)
        for y, value, hidden in zip(at + shift, values, rows["suppressed"], strict=True):
            text = "under 10 customers" if hidden else f"{value:.0%}"
            if not (hidden and column == "spend_share"):
                ax.annotate(
                    text,
                    (np.nan_to_num(value), y),
                    (4, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=8,
                )
    labels = [_wrapped((names or {}).get(s, f"segment {s}"), 26) for s in rows["segment"]]
    ax.set_yticks(at, labels, fontsize=9)
    ax.set_xlim(
        0, 1.12 * max(0.05, float(np.nanmax(rows[["share", "spend_share"]].to_numpy(dtype=float), initial=0)))
    )
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:.0%}")
    ax.set_xlabel("share of the base")
    if spent:
        ax.legend(frameon=False, fontsize=8, loc="lower right")
    return _plain(ax)


def plot_membership_certainty(
    memberships: np.ndarray | pd.Series, uncertain_below: float = 0.6, ax: Axes | None = None
) -> Axes:
    """How sure each customer's segment is.

    Parameters
    ----------
    memberships : array, shape (n,) or (n, k)
        Best membership of each customer, or all of them; NaN for customers without a segment.
    uncertain_below : float
        Customers below are coloured and counted.
    ax : Axes, optional
    """
    values = np.asarray(memberships, dtype=float)
    values = values.max(axis=1) if values.ndim == 2 else values
    values = values[~np.isnan(values)]
    ax = _axes(ax, (6.0, 3.4))
    edges = np.linspace(0, 1, 41)
    counts, _ = np.histogram(values, edges)
    colours = np.where(edges[1:] <= uncertain_below + 1e-9, ORANGE, BLUE)
    ax.bar(edges[:-1], counts / max(len(values), 1), width=0.025 * 0.92, align="edge", color=colours)
    uncertain = float((values < uncertain_below).mean()) if len(values) else 0.0
    ax.set_xlim(max(0.0, np.floor(10 * values.min()) / 10 - 0.05) if len(values) else 0.0, 1.0)
    ax.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    ax.set(xlabel="membership in the best segment", ylabel="customers")
    ax.set_title(
        f"{uncertain:.1%} belong to no segment in particular (below {uncertain_below:.1f})", fontsize=10
    )
    return _plain(ax)


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    return ax if ax is not None else plt.subplots(figsize=size, layout="constrained")[1]


def _plain(ax: Axes) -> Axes:
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _spoken(feature: object) -> str:
    return str(feature).replace("_", " ")


def _wrapped(name: str, width: int = 18) -> str:
    """Break a name at its commas, and where a part is still too wide, between words."""
    parts = name.split(", ")
    ended = [part + "," for part in parts[:-1]] + parts[-1:]
    return "\n".join(line for part in ended for line in textwrap.wrap(part, width))
