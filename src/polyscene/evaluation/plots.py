"""Plots of a report as inline SVG that takes the colours and fonts of the page around it.

matplotlib draws shapes in placeholder colours, which become variables of the page's style sheet,
and leaves letters to the browser, which has a font for every script.
"""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from polyscene.extras import require

__all__ = ["LINES", "Bar", "Line", "bars", "curves", "need_matplotlib", "steps"]

LINES = 8
"""How many lines of different looks there are."""
_INK = {"text": "#000001", "soft": "#000002", "grid": "#000003", "engine": "#000010",
        "baseline": "#000011", "part": "#000012", "rest": "#000013"}  # fmt: skip
_INK |= {f"line{number}": f"#0000{32 + number:02x}" for number in range(LINES)}
"""Placeholder colours by the variable of the style sheet."""
_MARKS = "os^Dv<>p"
_WIDTH = 5.0
"""Inches; 360 points, so that letters of 9 points can still be read on a telephone."""
_POINTS = 9.0
_LEAST = 0.05
"""What an axis that does not begin at 0 spans, at least."""
_NAME = 30
"""Letters of a name beside a bar, at most; the tables have all of it."""
_PURPOSE = "an HTML report"


@dataclass(frozen=True, slots=True)
class Bar:
    """A value with its interval. Values that are not defined (NaN) are left out."""

    name: str
    value: float
    low: float
    high: float
    ink: str
    """Its colour: "engine", "baseline", "part" or "rest"."""


@dataclass(frozen=True, slots=True)
class Line:
    """A curve of points (x, y)."""

    name: str
    points: Sequence[tuple[float, float]]


def need_matplotlib() -> None:
    """Check that plots can be drawn.

    Raises:
        MissingExtraError: When matplotlib is not installed.
    """
    require("matplotlib", "report", _PURPOSE)


def bars(rows: Sequence[Bar], axis: str, title: str, mark: str) -> str:
    """Horizontal bars with intervals, each with its name and value beside it.

    Args:
        rows: The bars from the top down.
        axis: What the values are.
        title: What is seen, for those who cannot see it.
        mark: Letters that begin every id in it; another for each plot of a page.
    """
    height = 0.55 + 0.25 * len(rows)
    with _drawing(height) as figure:
        left = (_POINTS * max(_ems(_short(row.name)) for row in rows) + 10) / (72 * _WIDTH)
        right = 0.85
        axes = figure.add_axes((left, 0.42 / height, right - left, 1 - 0.48 / height))
        edge = (0.99 - left) / (right - left)  # of the figure, as a share of the axes
        for place, row in enumerate(rows):
            known = row.value == row.value
            axes.barh(place, row.value if known else 0, color=_INK[row.ink], height=0.62)
            if row.low == row.low:
                axes.plot((row.low, row.high), (place, place), color=_INK["text"], linewidth=1.1,
                          solid_capstyle="butt", marker="|", markersize=4)  # fmt: skip
            value = f"{row.value:.4f}".replace("-", "−") if known else "–"
            axes.text(edge, place, value, transform=axes.get_yaxis_transform(), ha="right",
                      va="center", color=_INK["text"])  # fmt: skip
        axes.set_yticks(range(len(rows)), [_short(row.name) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.axvline(0, color=_INK["soft"], linewidth=0.8)
        _plain(axes, axis, grid="x")
        return _svg(figure, title, mark)


def curves(
    lines: Sequence[Line],
    axes_names: tuple[str, str],
    title: str,
    mark: str,
    diagonal: bool = False,
    from_zero: bool = True,
) -> str:
    """A line through points for each system; at most `LINES` of them.

    Args:
        lines: The systems with their points (x, y), neither below 0.
        axes_names: What x and y are, such as recall and precision.
        title: What is seen, for those who cannot see it.
        mark: As for `bars`.
        diagonal: Whether to draw where x and y are equal.
        from_zero: Whether the axes begin at 0, or are cut to what the lines span, or 0.05 where
            that is less.
    """
    rows = -(-len(lines) // 2)
    height = 3.0 + 0.2 * rows
    with _drawing(height) as figure:
        bottom = 0.5 + 0.2 * rows
        axes = figure.add_axes((0.12, bottom / height, 0.86, 1 - (bottom + 0.08) / height))
        for number, line in enumerate(lines):
            x, y = zip(*line.points, strict=True)
            axes.plot(x, y, color=_INK[f"line{number}"], label=_short(line.name),
                      linewidth=2.0 if number == 0 else 1.3, marker=_MARKS[number],
                      markersize=3.2, zorder=2 + len(lines) - number)  # fmt: skip
        if from_zero:
            axes.set_xlim(left=0)
            axes.set_ylim(bottom=0)
        else:
            axes.set_xlim(_wide(*axes.get_xlim()))
            axes.set_ylim(_wide(*axes.get_ylim()))
        if diagonal:
            axes.axline((0, 0), slope=1, color=_INK["soft"], linewidth=0.8, linestyle=(0, (4, 3)))
        _plain(axes, axes_names[0], grid="both")
        axes.set_ylabel(axes_names[1], color=_INK["soft"])
        figure.legend(loc="lower left", ncols=2, frameon=False, labelcolor=_INK["text"],
                      bbox_to_anchor=(0.1, 0.0), handlelength=3.2, columnspacing=2.5)  # fmt: skip
        return _svg(figure, title, mark)


def steps(
    points: Sequence[tuple[float, float]],
    best: Sequence[tuple[float, float]],
    axes_names: tuple[str, str],
    title: str,
    mark: str,
) -> str:
    """A cloud of points, and a line of steps beside them, such as the best so far.

    Args:
        points: The points (x, y).
        best: The corners of the line.
        axes_names: What x and y are.
        title: What is seen, for those who cannot see it.
        mark: As for `bars`.
    """
    height = 2.6
    with _drawing(height) as figure:
        axes = figure.add_axes((0.14, 0.46 / height, 0.84, 1 - 0.54 / height))
        axes.plot(*zip(*points, strict=True), linestyle="", marker="o", markersize=4,
                  color=_INK["part"])  # fmt: skip
        axes.step(*zip(*best, strict=True), where="post", color=_INK["engine"], linewidth=2.0)
        _plain(axes, axes_names[0], grid="both")
        axes.set_ylabel(axes_names[1], color=_INK["soft"])
        return _svg(figure, title, mark)


@contextmanager
def _drawing(height: float) -> Iterator[Any]:
    """An empty figure; what is drawn inside is settled by the same options."""
    matplotlib = require("matplotlib", "report", _PURPOSE)
    figures = require("matplotlib.figure", "report", _PURPOSE)
    options = {
        "svg.fonttype": "none",  # letters stay letters
        "svg.hashsalt": "polyscene",
        "text.parse_math": False,
        "font.size": _POINTS,
        "axes.unicode_minus": True,
    }
    with matplotlib.rc_context(options), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has it
        yield figures.Figure(figsize=(_WIDTH, height))


def _plain(axes: Any, label: str, grid: str) -> None:
    axes.set_xlabel(label, color=_INK["soft"])
    axes.grid(axis=grid, color=_INK["grid"], linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=_INK["soft"])
    axes.tick_params(axis="y", labelcolor=_INK["text" if grid == "x" else "soft"])
    for side in axes.spines.values():
        side.set_visible(False)
    axes.patch.set_visible(False)
    axes.figure.patch.set_visible(False)


def _svg(figure: Any, title: str, mark: str) -> str:
    """The figure as an element for the middle of a page."""
    file = io.StringIO()
    figure.savefig(
        file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
    )
    text = file.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<style.*?</style>|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id="|xlink:href="#|url\(#)', rf"\g<1>{mark}-", text)
    text = re.sub(r"font: (?:\w+ )*([\d.]+px) ", r"font-size: \1; font-family: ", text)
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    for name, colour in _INK.items():
        text = text.replace(colour, f"var(--{name})")
    size = re.search(r'viewBox="[^"]*"', text)
    label = title.translate({ord(c): f"&#{ord(c)};" for c in '&<>"'})
    head = f'<svg {size[0] if size else ""} role="img" aria-label="{label}" class="plot"'
    head += ' xmlns:xlink="http://www.w3.org/1999/xlink">'
    return head + text[text.index(">") + 1 :]


def _wide(low: float, high: float) -> tuple[float, float]:
    """A span that is wide enough to show nothing where there is next to nothing."""
    more = max(_LEAST - (high - low), 0) / 2
    return low - more, high + more


def _short(name: str) -> str:
    return name if len(name) <= _NAME else name[: _NAME - 1] + "…"


def _ems(text: str) -> float:
    """About how wide a text is, in the size of its font."""
    return sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.56 for c in text)
