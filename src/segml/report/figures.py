"""Charts of the page: frame -> Axes -> inline SVG that follows the reader's light or dark scheme.

Figures are made without pyplot and without touching global style. Colours are placeholders that become CSS variables
in the SVG, text stays text, and ids are hashed with a fixed salt and carry no date: the same frame is the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import matplotlib as mpl
import pandas as pd
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segml.report.messages import Messages

INK, MUTED, FIRST, SECOND, TRACK = "#010101", "#020202", "#030303", "#040404", "#050505"
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    TRACK: "var(--track)",
}
_SVG_SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "segml", "font.family": "sans-serif"}
_WIDTH_INCHES, _ROW_INCHES, _BAR_INCHES, _POINTS = 4.7, 0.31, 0.20, 11
_BAR_SHARE = 0.84  # of the width; the rest is the figure beside the bar
_LABEL_AT_FULL_SIZE, _LONGEST_LABEL = (
    50,
    80,
)  # letters in the width of the figure; longer labels are set smaller


def plot_bars(frame: pd.DataFrame, ax: Axes | None = None, language: str = "en") -> Axes:
    """Draw one labelled row a group, with one bar for each share and its figure beside it.

    Parameters
    ----------
    frame : DataFrame
        `label`, `note` (what stands beside an unknown share), and one or two columns of shares, 0 to 1.
    ax : Axes, optional
    language : {"en", "da", "sv"}
        Of the figures.

    Examples
    --------
    >>> frame = pd.DataFrame({"label": ["active"], "note": [""], "people": [0.6]})
    >>> [text.get_text() for text in plot_bars(frame).texts]
    ['active', '60 %']
    """
    shares, share = _share_columns(frame), Messages(language).share
    ax = _figure(len(frame), len(shares)).subplots() if ax is None else ax
    step = _ROW_INCHES + _BAR_INCHES * len(shares)
    for place, row in enumerate(frame.to_dict("records")):
        top = place * step
        label = str(row["label"])
        ax.text(0.0, top + 0.22, _shortened(label), color=INK, size=_label_points(label), parse_math=False)
        for offset, (name, colour) in enumerate(zip(shares, (FIRST, SECOND), strict=False)):
            middle = top + _ROW_INCHES + _BAR_INCHES * (offset + 0.5) - 0.02
            value = None if pd.isna(row[name]) else float(row[name])
            ax.barh(middle, _BAR_SHARE, height=_BAR_INCHES * 0.72, color=TRACK)
            ax.barh(middle, _BAR_SHARE * min(value or 0.0, 1.0), height=_BAR_INCHES * 0.72, color=colour)
            text = str(row["note"]) if value is None else share(value)
            ax.text(1.0, middle + 0.06, text, ha="right", color=MUTED, size=_POINTS - 1, parse_math=False)
    ax.set_xlim(0, 1)
    ax.set_ylim(step * max(len(frame), 1), 0)
    ax.set_axis_off()
    return ax


def bars_svg(frame: pd.DataFrame, name: str, title: str, language: str = "en") -> Markup:
    """Return the bars of `plot_bars` as inline SVG, with every value in its accessible name.

    Parameters
    ----------
    frame : DataFrame
        As in `plot_bars`.
    name : str
        Letters and digits; makes ids unique within a page.
    title : str
        What the chart is about.
    language : {"en", "da", "sv"}
    """
    figure = _figure(len(frame), len(_share_columns(frame)))
    plot_bars(frame, figure.add_axes((0.0, 0.0, 1.0, 1.0)), language)
    return svg(figure, name, bars_description(title, frame, language))


def bars_description(title: str, frame: pd.DataFrame, language: str = "en") -> str:
    """Write the alternative text of a bar chart: its title and every value in it.

    Examples
    --------
    >>> frame = pd.DataFrame({"label": ["active", "dormant"], "note": ["", "< 10"], "people": [0.6, None]})
    >>> bars_description("Activity", frame)
    'Bar chart. Activity, share of people: active 60 %; dormant < 10.'
    """
    shares, words = _share_columns(frame), Messages(language)
    rows = (
        f"{row['label']} "
        + ", ".join(str(row["note"]) if pd.isna(row[name]) else words.share(row[name]) for name in shares)
        for row in frame.to_dict("records")
    )
    what = shares[0] if len(shares) == 1 else words.say("page.and_of", one=shares[0], other=shares[1])
    return words.say("page.chart", title=title, what=what, rows="; ".join(rows))


def line_svg(values: Sequence[float | None], description: str) -> Markup:
    """Draw a course over months as a small line with its last point, inline; gaps stay gaps.

    Parameters
    ----------
    values : sequence of float or None
        Oldest first; None is unknown.
    description : str
        The accessible name, with the figures in words.

    Examples
    --------
    >>> line_svg([1.0, None, 3.0], "rising").count("<circle")
    1
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return Markup("")
    low, high = min(known), max(known)
    wide, tall, edge = 160.0, 36.0, 4.0
    step = (wide - 2 * edge) / (len(values) - 1)

    def point(place: int, value: float) -> str:
        up = (value - low) / (high - low) if high > low else 0.5
        return f"{edge + place * step:.1f},{tall - edge - up * (tall - 2 * edge):.1f}"

    runs: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(point(place, value))
    last = max(place for place, value in enumerate(values) if value is not None)
    x, y = point(last, values[last] or 0.0).split(",")
    lines = "".join(f'<polyline points="{" ".join(run)}"/>' for run in runs if len(run) > 1)
    return Markup(
        f'<svg class="line" viewBox="0 0 {wide:g} {tall:g}" role="img" aria-label="{escape(description)}">'
        f'{lines}<circle cx="{x}" cy="{y}" r="2.6"/></svg>'
    )


def svg(figure: Figure, name: str, description: str) -> Markup:
    """Return a figure as inline SVG: no metadata, ids of its own, colours from the page."""
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context(_SVG_SETTINGS):
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    text = stream.getvalue()
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<(metadata|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r' id="([^"]*)"', rf' id="{name}-\1"', text)
    text = re.sub(r"url\(#([^)]*)\)", rf"url(#{name}-\1)", text)
    text = re.sub(r'(xlink:href|href)="#([^"]*)"', rf'\1="#{name}-\2"', text)
    text = re.sub(r"font-family: [^;\"]*; ", "", text)  # the page's own
    for placeholder, variable in _VARIABLES.items():
        text = text.replace(placeholder, variable)
    opening = f'<svg role="img" aria-label="{escape(description)}"'
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    return Markup(text.replace("<svg", opening, 1))  # matplotlib escapes the texts it draws


def _share_columns(frame: pd.DataFrame) -> list[str]:
    return [str(name) for name in frame.columns if name not in ("label", "note")]


def _label_points(label: str) -> float:
    return _POINTS * min(1.0, _LABEL_AT_FULL_SIZE / min(max(len(label), 1), _LONGEST_LABEL))


def _shortened(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else label[: _LONGEST_LABEL - 1].rstrip(" ,") + "…"


def _figure(rows: int, bars: int) -> Figure:
    height = max(rows, 1) * (_ROW_INCHES + _BAR_INCHES * max(bars, 1))
    return Figure(figsize=(_WIDTH_INCHES, height))
