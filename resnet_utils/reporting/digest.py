"""What a figure shows, as a short text that can be compared between machines.

Introduced in the front matter.
"""

from __future__ import annotations

from itertools import groupby

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

from resnet_utils.runtime import given

MANY_POINTS = 15  # a longer curve has markers on some points only, and a band in place of error bars


@given.explained
def digest(figure: Figure, *, digits: int | None = None, titles: bool = True) -> str:
    """What a figure plots in words, one line for each panel: title, axis labels, legend, kinds and counts.

    Pictures are not compared between machines; this text is.

    Args:
        figure: any figure of matplotlib.
        digits: decimals of the y values of lines and the heights of bars (first and last of many). Ask for
            them only when they are exact or come out equal everywhere (default: no values).
        titles: False leaves out what stands above bare pictures, where it depends on the data at hand.

    Raises:
        ValueError: if ``digits`` is no whole number, or below 0, or ``titles`` neither True nor False.
    """
    digits = None if digits is None else given.whole_number("digits", digits, least=0)
    titles = given.yes_or_no("titles", titles)
    lines = [figure.get_suptitle()] if figure.get_suptitle() else []
    for bare, group in groupby(figure.axes, key=lambda ax: bool(ax.images) and not ax.axison):
        panels = list(group)
        lines += [_pictures(panels, titles)] if bare else [_panel(ax, digits) for ax in panels]
    return "\n".join(line for line in lines if line)


def _panel(ax: Axes, digits: int | None) -> str:
    """One line about one panel; empty if it shows nothing."""
    names = [("", ax.get_title()), ("x: ", ax.get_xlabel()), ("y: ", ax.get_ylabel())]
    parts = [prefix + " ".join(text.split()) for prefix, text in names if text]
    legend = ax.get_legend()
    if legend is not None:
        parts.append("legend: " + ", ".join(text.get_text() for text in legend.get_texts()))
    heights = [np.asarray(line.get_ydata()) for line in _curves(ax)]
    parts += [f"line of {len(y)} points" + _values(y, digits) for y in heights]
    dots = [item for item in ax.collections if isinstance(item, PathCollection)]
    parts += [f"{len(np.asarray(item.get_offsets()))} dots" for item in dots]
    bars = [item for item in ax.containers if isinstance(item, BarContainer)]
    parts += [f"{len(item)} bars" + _values(np.asarray(item.datavalues), digits) for item in bars]
    parts += [f"image of {_size(image)}" for image in ax.images]
    parts += [f"{len(ax.texts)} labels"] if ax.texts else []
    return "; ".join(f"{count} x {part}" if count > 1 else part for part, count in _runs(parts))


def _size(image: AxesImage) -> str:
    """Rows and columns of a picture."""
    return "{} x {}".format(*np.asarray(image.get_array()).shape[:2])


def _runs(parts: list[str]) -> list[tuple[str, int]]:
    """Equal neighbours of ``parts`` put together, with their number."""
    return [(part, len(list(group))) for part, group in groupby(parts)]


def _curves(ax: Axes) -> list[Line2D]:
    """The lines of a panel without the caps of its error bars."""
    caps = {cap for item in ax.containers if isinstance(item, ErrorbarContainer) for cap in item.lines[1]}
    return [line for line in ax.lines if line not in caps]


def _values(values: np.ndarray, digits: int | None) -> str:
    """`` (0.10, 0.20)`` with ``digits`` decimals, many as ``(0.10 ... 0.20)``; nothing without ``digits``."""
    if digits is None or len(values) == 0:
        return ""
    texts = [f"{float(value):.{digits}f}" for value in values]
    texts = [text.lstrip("-") if float(text) == 0 else text for text in texts]  # no negative zero
    return f" ({', '.join(texts)})" if len(texts) <= MANY_POINTS else f" ({texts[0]} ... {texts[-1]})"


def _pictures(axes: list[Axes], with_titles: bool) -> str:
    """One line about neighbouring bare pictures."""
    sizes = [_size(ax.images[0]) for ax in axes]
    parts = [f"{count} picture{'s' if count > 1 else ''} of {size}" for size, count in _runs(sizes)]
    titles = [" ".join(ax.get_title().split()) for ax in axes] if with_titles else []
    return ", ".join(parts) + (f"; titles: {', '.join(titles)}" if any(titles) else "")
