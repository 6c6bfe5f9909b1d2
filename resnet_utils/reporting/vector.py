"""A figure of matplotlib as a small SVG, the same bytes each time on one machine.

Introduced in the front matter.

Letters stay letters, so a page can search them and give them its own colours; photographs are kept inside at
their own size, and the browser enlarges them without blurring. matplotlib writes for drawing programs, which
takes three times the space: here numbers are cut to a tenth of a point, and names, defaults and empty groups
are left out.
"""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import matplotlib
from matplotlib.figure import Figure

from resnet_utils.reporting.svg import FONT
from resnet_utils.runtime import given

PIXELS_AN_INCH = 100  # of the width at which a page shows the figure
LETTERS = "10"  # height of most letters, in points
RASTER = 144  # dots an inch of the few things that are drawn as pixels, such as the bar beside a heat map
NOTHING_OF_THE_MACHINE = {"Date": None, "Creator": None, "Format": None, "Type": None}
LEFT_OUT = {"stroke-linecap", "stroke-linejoin", "stroke-dashoffset", "font-family", "font"}
DEFAULTS = {("text-anchor", "start"), ("font-size", LETTERS), ("opacity", "1"), ("stroke-width", "1")}


@given.explained
def to_svg(figure: Figure, words: str) -> str:
    """The figure as one ``<svg>`` element, without a declaration, as a notebook or a page can hold it.

    Its paper is the first rectangle, white; a page with its own paper can leave that away.

    Args:
        figure: any figure of matplotlib; pictures in it should have ``interpolation="none"``.
        words: what it shows; its alternative text where nothing better is given.
    """
    given.of_kind("words", words, str)
    written = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "resnet_utils"}):
        figure.savefig(written, format="svg", dpi=RASTER, facecolor="none", metadata=NOTHING_OF_THE_MACHINE)
    root = ElementTree.fromstring(written.getvalue())
    wide, high = (float(side) for side in root.attrib["viewBox"].split()[2:])
    size = f'viewBox="0 0 {wide:g} {high:g}" width="{wide / 72 * PIXELS_AN_INCH:.0f}"'
    says = f'role="img" aria-label={quoteattr(" ".join(words.split()))}'
    look = f'font-family="{FONT}" font-size="{LETTERS}" stroke-linejoin="round"'
    paper = f'<rect width="{wide:g}" height="{high:g}" fill="#ffffff"/>'
    inside = "".join(_element(child) for child in root)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {says} {look}>{paper}{inside}</svg>'


def _element(node: ElementTree.Element) -> str:
    """One element with all that is in it; empty if nothing of it is seen."""
    name = _local(node.tag)
    if name in ("metadata", "style"):
        return ""
    given = _attributes(node)
    is_letters = name in ("text", "tspan") and len(node) == 0
    inside = escape(node.text or "") if is_letters else "".join(_element(child) for child in node)
    if name in ("g", "defs"):
        given.pop("id", None)
        if not inside or not given:
            return f"<defs>{inside}</defs>" if inside and name == "defs" else inside
    if name == "path" and given.get("fill") == "none" and "stroke" not in given:
        return ""
    told = "".join(f" {key}={quoteattr(value)}" for key, value in given.items())
    return f"<{name}{told}>{inside}</{name}>" if inside else f"<{name}{told}/>"


def _local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]


def _attributes(node: ElementTree.Element) -> dict[str, str]:
    """The attributes of an element, those of its style among them, short and without defaults."""
    found = {_local(key): value for key, value in node.attrib.items()}
    style = [rule.partition(":") for rule in found.pop("style", "").split(";") if rule.strip()]
    found |= {key.strip(): value.strip().removesuffix("px") for key, _, value in style}
    if size := re.search(r"([\d.]+)px", found.get("font", "")):  # older matplotlibs write one rule for all
        found["font-size"] = size[1]
    if found.get("transform", "").startswith("rotate(-0 "):
        del found["transform"]
    if "href" in found:
        found["href"] = re.sub(r"\s", "", found["href"])
    for key, digits in (("d", 1), ("x", 1), ("y", 1), ("width", 1), ("height", 1), ("transform", 3)):
        if key in found:
            found[key] = _shorter(found[key], digits)
    if "d" in found:
        found["d"] = _path(found["d"])
    return {
        key: value
        for key, value in found.items()
        if key not in LEFT_OUT and (key, value) not in DEFAULTS and (key, value) != ("fill", "#000000")
    }


def _shorter(numbers: str, digits: int) -> str:
    """The same text with its decimals rounded to so many digits."""
    return re.sub(r"-?\d+\.\d+", lambda found: f"{round(float(found[0]), digits) + 0.0:g}", numbers)


def _path(way: str) -> str:
    """The steps of a path without what SVG knows by itself: a letter that repeats, a line after a move."""
    steps = re.findall(r"([A-Za-z])([^A-Za-z]*)", way)
    written, last = "", ""
    for letter, places in steps:
        known = letter == last or (letter == "L" and last == "M")
        written += (" " if known else letter) + " ".join(places.split())
        last = letter
    return written
