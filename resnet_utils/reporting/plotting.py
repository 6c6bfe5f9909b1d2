"""The look of every figure in the book: colours by role, image grids, and a text digest of what is drawn.

Introduced in the front matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib import font_manager as mpl_fonts
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ft2font import FT2Font
from torch import Tensor

from resnet_utils.reporting.digest import MANY_POINTS, digest
from resnet_utils.reporting.roles import COLORS, DASHES, MARKERS
from resnet_utils.reporting.vector import to_svg
from resnet_utils.runtime import given

WIDE_FONTS = (
    *(
        "CJK",
        "Noto Sans",
        "WenQuanYi",
        "SimHei",
        "SimSun",
        "YaHei",
        "JhengHei",
        "PingFang",
        "Heiti",
        "Songti",
    ),
    *("Hiragino", "Yu Gothic", "MS Gothic", "IPA", "Malgun", "Nanum", "Apple SD", "Arial Unicode", "Unifont"),
)
WIDTH = 5.0  # inches: 360 points, which on a telephone are as many pixels
Values = Sequence[float] | np.ndarray | Tensor


def use_book_style() -> None:
    """Set matplotlib's defaults for the book: 5 x 3.1 inches, so that its letters can still be read on a
    telephone, the colours of the roles, a quiet frame, and pictures with sharp pixels.
    """
    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.1),
            "figure.dpi": 100,
            "font.family": "DejaVu Sans",  # comes with matplotlib, so it is there on every machine
            "axes.titlesize": 11,
            "axes.facecolor": "none",
            "axes.prop_cycle": cycler(color=list(COLORS.values())),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#E0E0E0",
            "grid.linewidth": 0.8,
            "lines.linewidth": 1.8,
            "lines.markersize": 5,
            "legend.framealpha": 0.85,
            "legend.edgecolor": "none",
            "legend.facecolor": "white",
            "legend.fontsize": 9,
            "legend.handlelength": 3.2,  # long enough to tell the dashes apart
            "image.cmap": "cividis",  # also in order when printed in grey
            "image.interpolation": "none",  # a pixel of the picture is a square, not a blur
        }
    )


@given.explained
def curve(
    ax: Axes,
    x: Values,
    y: Values,
    *,
    role: str,
    label: str,
    error: Values | None = None,
    dash: str | None = None,
) -> None:
    """Draw one line in the colour, marker and dash of a role.

    Args:
        ax: the panel to draw in; its axes need labels with their units.
        x: where the points stand, in any order; numbers or a tensor on any device.
        y: as many values.
        role: what is drawn, a key of ``ROLES``: the same thing looks the same in the whole book.
        label: what the legend calls it.
        error: as many lengths, drawn to both sides of ``y`` as bars, or as a band when there are many
            points; say in the text what it is.
        dash: another role whose dash and marker are used: ``role="plain", dash="train"`` for the training
            curve of a plain network.

    Raises:
        ValueError: for an unknown role, lengths that differ, or values that are no list of numbers.
    """
    given.of_kind("label", label, str)
    dash = role if dash is None else dash
    for name in (role, dash):
        if name not in COLORS:
            raise ValueError(f"unknown role {name!r}; roles are {', '.join(COLORS)}")
    x, y, error = _plain(x), _plain(y), None if error is None else _plain(error)
    for name, values in (("x", x), ("y", y), ("error", error)):
        if values is not None and values.ndim != 1:
            raise ValueError(f"{name} must be a list of numbers, got the shape {values.shape}")
    lengths = [len(values) for values in (x, y, error) if values is not None]
    if len(set(lengths)) != 1:
        raise ValueError(f"x, y and error must have the same length, got {lengths}")
    every = max(1, math.ceil(len(x) / MANY_POINTS))
    line = ax.plot(x, y, color=COLORS[role], linestyle=DASHES[dash], label=label)[0]
    line.set(marker=MARKERS[dash], markevery=every)
    if error is not None and len(x) > MANY_POINTS:
        low, high = np.subtract(y, error), np.add(y, error)
        ax.fill_between(x, low, high, color=COLORS[role], alpha=0.2, linewidth=0)
    elif error is not None:
        ax.errorbar(x, y, yerr=error, fmt="none", ecolor=COLORS[role], elinewidth=1, capsize=3)


@given.explained
def effects(ax: Axes, gains: Mapping[str, tuple[float, float]]) -> None:
    """One row for each of ``gains``, the first on top: its interval with a dot in the middle; a line at 0.

    Args:
        ax: the panel to draw in; its x axis needs a label with the unit.
        gains: name and interval ``(low, high)``, as ``evaluation.paired_gains`` gives them; at least one.

    Raises:
        ValueError: if there is none.
    """
    if not gains:
        raise ValueError(f"gains must hold one interval or more, got {gains!r}")
    ax.axvline(0, color=COLORS["plain"], linestyle=":")
    for row, (low, high) in enumerate(gains.values()):
        ax.errorbar(
            (low + high) / 2, row, xerr=(high - low) / 2, fmt="o", color=COLORS["residual"], capsize=3
        )
    ax.set_yticks(range(len(gains)), labels=list(gains))
    ax.set_ylim(len(gains) - 0.5, -0.5)


@given.explained
def image_grid(
    images: np.ndarray | Tensor, *, titles: Sequence[str] | None = None, columns: int = 8, scale: float = 1.0
) -> Figure:
    """A figure of small pictures, row by row.

    Args:
        images: uint8 ``(N, C, H, W)`` with 1 or 3 channels, or ``(N, H, W)``; an array, or a tensor on any
            device.
        titles: what stands above each, N texts (default: nothing).
        columns: pictures in a row, at least 1.
        scale: width of the figure as a multiple of 5 inches; above 0.

    Raises:
        ValueError: for another type or shape, no image, a number of titles that is not N, or ``columns`` or
            a ``scale`` that cannot be.
    """
    images = _plain(images)
    if images.ndim == 3:
        images = images[:, None]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(
            "images must be uint8 of shape (N, 1 or 3, H, W) or (N, H, W) with N > 0, "
            f"got {images.dtype} of shape {images.shape}"
        )
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"one title an image: got {len(titles)} titles for {len(images)} images")
    if not 0 < given.real_number("scale", scale) < math.inf:
        raise ValueError(f"scale must be above 0, and finite, got {scale}")
    columns = min(given.whole_number("columns", columns), len(images))
    rows, cell = math.ceil(len(images) / columns), WIDTH * scale / columns
    lines = 0 if titles is None else 1 + max(title.count("\n") for title in titles)
    height = rows * (cell * images.shape[2] / images.shape[3] + 0.08 + 0.17 * lines)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH * scale, height), squeeze=False)
    for index, ax in enumerate(axes.flat):
        ax.axis("off")
        if index < len(images):
            picture = images[index].transpose(1, 2, 0)  # (H, W, C)
            ax.imshow(picture if picture.shape[2] == 3 else picture[..., 0], cmap="gray", vmin=0, vmax=255)
            ax.set_title("" if titles is None else titles[index], fontsize=9, pad=2)
    return figure


@given.explained
def readable(names: Sequence[str]) -> list[str]:
    """The names as a figure can show them: as they are, or as numbers, with a legend printed in text.

    The book's font has no Chinese, Japanese or Korean signs and few others. Where a name needs one, a font
    of this machine that has them all becomes the second choice of every figure; without any, each name is
    replaced by its number, and a line says what it stands for. A dollar sign is shown as one.

    Args:
        names: texts for titles and ticks, such as the names of classes.
    """
    signs = {sign for name in names for sign in name if not sign.isspace()}
    lacking = _lacking(mpl_fonts.findfont("DejaVu Sans"), signs)
    font = next((f for f in _wide_fonts() if not _lacking(f.fname, lacking)), None) if lacking else None
    if font is not None:
        plt.rcParams["font.family"] = ["DejaVu Sans", font.name]
    if lacking and font is None:
        for number, name in enumerate(names, start=1):
            print(f"{number} = {name}")
        return [str(number) for number in range(1, len(names) + 1)]
    return [name.replace("$", r"\$") for name in names]


def _wide_fonts() -> list[mpl_fonts.FontEntry]:
    """The fonts of this machine that are known to have more than Latin, Greek and Cyrillic."""
    found = [f for f in mpl_fonts.fontManager.ttflist if any(word in f.name for word in WIDE_FONTS)]
    return sorted(found, key=lambda f: (f.weight not in (400, "normal", "regular"), f.name))


def _lacking(font: str, signs: Iterable[str]) -> set[str]:
    """The signs that a font file does not have."""
    try:
        face = FT2Font(font)
    except RuntimeError:  # a font of bitmaps, such as those of emoji
        return set(signs)
    return {sign for sign in signs if not face.get_char_index(ord(sign))}


@given.explained
def finish(figure: Figure, *, digits: int | None = None, titles: bool = True) -> None:
    """Lay a figure out, show it, print its digest and close it.

    Args:
        figure: with a label and its unit on every axis that carries data.
        digits: decimals of the values in the digest (see ``digest``; default: no values).
        titles: whether the digest names what stands above bare pictures.

    Raises:
        ValueError: if an axis that carries data has no label; as ``digest``.
    """
    for ax in figure.axes:
        _require_labels(ax)
    figure.tight_layout()
    words = digest(figure, digits=digits, titles=titles)
    _show(figure, words)
    print(words)
    plt.close(figure)


def _show(figure: Figure, words: str) -> None:
    """In a notebook as SVG, whose letters follow the page; elsewhere as matplotlib does it, if at all."""
    backend = matplotlib.get_backend().lower()
    if "inline" in backend:
        from IPython.display import display

        display({"image/svg+xml": to_svg(figure, words), "text/plain": repr(figure)}, raw=True)
    elif backend != "agg":  # agg has no screen to show anything on
        plt.show()


def _plain(values: Values) -> np.ndarray:
    """An array of what was given; from a GPU too, and out of the graph."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _require_labels(ax: Axes) -> None:
    """Refuse a panel with data whose x or y axis has no label, its own or one shared with its neighbours."""
    if not ax.axison or not (ax.lines or ax.patches or ax.collections):
        return
    for letter, shared in (("x", ax.get_shared_x_axes()), ("y", ax.get_shared_y_axes())):
        labels = [plt.getp(panel, f"{letter}label") for panel in shared.get_siblings(ax)]  # also of ax itself
        if not any(labels) and not getattr(ax.figure, f"get_sup{letter}label")():
            raise ValueError(f"the {letter} axis of panel {ax.get_title()!r} has no label with its unit")
