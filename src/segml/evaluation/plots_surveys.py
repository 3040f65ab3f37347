"""Pictures of surveys: what segments prefer, how much of them was response style, and what the factors are.

Each takes a frame that was computed elsewhere and draws it on an axes.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

COLOURS = ("#1f5a92", "#c8641b", "#3d8b5f", "#8a4f9e", "#a8324a", "#6b6b6b", "#b39b2d")
MARKERS = "osD^vPX"
BLUE, ORANGE, GREY, LIGHT = COLOURS[0], COLOURS[1], "#6b6b6b", "#d9d9d9"


def plot_battery_profile(
    profile: pd.DataFrame,
    features: Sequence[str] | None = None,
    names: Mapping[object, str] | None = None,
    at_most: int = 15,
    ax: Axes | None = None,
) -> Axes:
    """Snake plot: one line a segment over the items (or battery scores), against everybody else.

    Parameters
    ----------
    profile : DataFrame
        `profile_` of `DeclaredSegments`; suppressed segments are left out.
    features : sequence of str, optional
        What to show, for example the items of one battery; None shows the items and batteries that differ most.
    names : mapping of segment to name, optional
    at_most : int
        Features shown; those that differ most.
    ax : Axes, optional

    Examples
    --------
    >>> profile = pd.DataFrame({"segment": [0, 0, 1, 1], "kind": "item", "feature": ["rock", "pop"] * 2, "share": 0.5,
    ...                         "effect": [0.9, -0.8, -0.9, 0.8], "suppressed": False})
    >>> plot_battery_profile(profile).get_xlabel()
    'standard deviations from the others'
    """
    rows = profile[~profile["suppressed"].astype(bool)]
    rows = rows[
        rows["feature"].isin(features) if features is not None else rows["kind"].isin(["item", "battery"])
    ]
    table = rows.pivot_table(index="feature", columns="segment", values="effect", sort=False)
    spread = (table.max(axis=1) - table.min(axis=1)).sort_values(ascending=False, kind="stable")
    table = table.loc[spread.index[:at_most]]
    # Features that lift the same segment stand together, so that the lines read as shapes.
    leader = table.to_numpy().argmax(axis=1)
    table = table.iloc[np.lexsort((-table.max(axis=1).to_numpy(), leader))]
    ax = _axes(ax, (6.8, 1.6 + 0.28 * len(table)))
    at = np.arange(len(table))
    ax.axvline(0, color=GREY, linewidth=1, zorder=0)
    shares = rows.drop_duplicates("segment").set_index("segment")["share"]
    for j, segment in enumerate(table.columns):
        label = textwrap.fill(
            f"{(names or {}).get(segment, f'segment {segment}')} ({shares[segment]:.0%})", 34
        )
        ax.plot(
            table[segment],
            at,
            marker=MARKERS[j % len(MARKERS)],
            markersize=5,
            linewidth=1.4,
            color=COLOURS[j % len(COLOURS)],
            label=label,
        )
    ax.set_yticks(at, [textwrap.shorten(str(f), 34, placeholder="…") for f in table.index], fontsize=8)
    ax.invert_yaxis()
    ax.grid(axis="y", color=LIGHT, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.set(xlabel="standard deviations from the others", title="What each segment prefers")
    ax.legend(
        frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.6 / (0.5 + 0.28 * len(table)))
    )
    return _plain(ax)


def plot_style_share(style_shares: pd.DataFrame, limit: float = 0.08, ax: Axes | None = None) -> Axes:
    """How much of the membership is only how people answer, before and after the style is taken out.

    Parameters
    ----------
    style_shares : DataFrame
        `style_shares_` of `DeclaredSegments`: `answers, k, explained_share`.
    limit : float
        Drawn as the line that should not be passed.
    ax : Axes, optional

    Examples
    --------
    >>> frame = pd.DataFrame({"answers": ["as given", "style taken out"], "k": 3, "explained_share": [0.3, 0.02]})
    >>> plot_style_share(frame).get_ylabel()
    "person's mean explained"
    """
    ax = _axes(ax, (6.0, 3.6))
    table = style_shares.pivot_table(index="k", columns="answers", values="explained_share", sort=False)
    at = np.arange(len(table))
    for j, (answers, colour) in enumerate((("as given", GREY), ("style taken out", BLUE))):
        bars = ax.bar(at + 0.38 * (j - 0.5), table[answers], 0.36, color=colour, label=f"answers {answers}")
        ax.bar_label(bars, [f"{v:.0%}" for v in table[answers]], fontsize=8, padding=1)
    ax.axhline(limit, color=ORANGE, linestyle=(0, (4, 3)), linewidth=1, label=f"at most {limit:.0%}")
    ax.set_xticks(at, [str(k) for k in table.index])
    ax.yaxis.set_major_formatter(lambda y, _: f"{y:.0%}")
    ax.set_ylim(0, max(limit, float(table.to_numpy().max())) * 1.35)
    ax.set(
        xlabel="number of segments", ylabel="person's mean explained", title="Segments, or answering habits?"
    )
    ax.legend(frameon=False, fontsize=8, loc="upper left", ncols=3)
    return _plain(ax)


def plot_factor_loadings(
    loadings: pd.DataFrame,
    names: Sequence[str] | None = None,
    items_a_factor: int = 4,
    ax: Axes | None = None,
) -> Axes:
    """Heat map of the loadings: the strongest items of each factor, factor by factor.

    Parameters
    ----------
    loadings : DataFrame, shape (items, factors)
        `loadings_` of `SurveyFactors`.
    names : sequence of str, optional
        One a factor, for example `factor_names_`; by default the columns.
    items_a_factor : int
        Items shown for each factor.
    ax : Axes, optional

    Examples
    --------
    >>> plot_factor_loadings(pd.DataFrame({"factor_1": [0.8, 0.1]}, index=["rock", "pop"])).get_title()
    'Which items go together'
    """
    main = loadings.abs().idxmax(axis=1)
    order: list[str] = []
    for factor in loadings.columns:
        own = loadings.loc[main == factor, factor].abs()
        order += [
            str(item) for item in own.sort_values(ascending=False, kind="stable").index[:items_a_factor]
        ]
    table = loadings.loc[order]
    ax = _axes(ax, (2.8 + 0.75 * table.shape[1], 1.6 + 0.24 * len(table)))
    image = ax.imshow(table, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    labels = [str(c).replace("factor_", "factor ") for c in loadings.columns]
    if names is not None:
        labels = ["\n".join(textwrap.shorten(p, 16, placeholder="…") for p in n.split(" / ")) for n in names]
    ax.set_xticks(range(table.shape[1]), labels, fontsize=7, rotation=0 if names is None else 90)
    ax.set_yticks(
        range(len(table)), [textwrap.shorten(str(i), 30, placeholder="…") for i in table.index], fontsize=8
    )
    ax.tick_params(length=0)
    for (i, j), value in np.ndenumerate(table.to_numpy()):
        if abs(value) >= 0.3:
            shade = "white" if abs(value) > 0.6 else "#222222"
            ax.text(
                j, i, f"{value:.1f}".replace("0.", "."), ha="center", va="center", fontsize=7, color=shade
            )
    for side in ax.spines.values():
        side.set_visible(False)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.6, pad=0.02)
    bar.set_label("loading", fontsize=8)
    ax.set_title("Which items go together")
    return ax


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    return ax if ax is not None else plt.subplots(figsize=size, layout="constrained")[1]


def _plain(ax: Axes) -> Axes:
    ax.spines[["top", "right"]].set_visible(False)
    return ax
