"""Figures as SVG: small, the same bytes each time, letters as letters, data and photographs as they are."""

import base64
import io
import re
from xml.etree import ElementTree

import matplotlib as mpl

mpl.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from resnet_utils.reporting import plotting, vector

SVG = "{http://www.w3.org/2000/svg}"
X, Y = [6, 12, 18, 26], [0.3, 0.5, 1.1, 1.9]
PHOTOGRAPH = np.random.default_rng(0).integers(0, 256, (12, 9, 3)).astype(np.uint8)


def drawn():
    """A figure with a curve, error bars, a legend and a logarithmic axis."""
    with mpl.rc_context():
        plotting.use_book_style()
        figure, ax = plt.subplots()
        plotting.curve(ax, X, Y, role="residual", label="with a < b & c", error=[0.1] * 4)
        ax.set(xlabel="layers", ylabel="loss (nats)", title="Deeper", yscale="log")
        ax.legend()
        figure.tight_layout()
        return figure


def shown():
    """A figure with a photograph and a heat map."""
    with mpl.rc_context():
        plotting.use_book_style()
        figure, (left, right) = plt.subplots(1, 2)
        left.imshow(PHOTOGRAPH)
        figure.colorbar(right.imshow(np.eye(5)))
        return figure


def svg_of(figure):
    text = vector.to_svg(figure, 'what "it" shows, in <words>')
    plt.close(figure)
    return text


@pytest.mark.parametrize("make", [drawn, shown])
def test_the_same_figure_gives_the_same_bytes(make):
    assert svg_of(make()) == svg_of(make())


@pytest.mark.parametrize("make", [drawn, shown])
def test_nothing_tells_of_the_day_or_the_program(make):
    assert not re.search(r"20\d\d-\d\d|atplotlib|<\?xml|<!--|metadata", svg_of(make()))


@pytest.mark.parametrize("make", [drawn, shown])
def test_every_name_that_is_used_is_there(make):
    text = svg_of(make())
    used = set(re.findall(r'(?:href="#|url\(#)(\w+)', text))
    assert used
    assert used <= set(re.findall(r'\bid="(\w+)"', text))


def test_letters_stay_letters_and_words_are_said():
    root = ElementTree.fromstring(svg_of(drawn()))
    words = ["".join(node.itertext()) for node in root.iter(f"{SVG}text")]
    assert {"layers", "loss (nats)", "Deeper", "with a < b & c"} <= set(words)
    assert root.get("aria-label") == 'what "it" shows, in <words>'
    assert root.get("role") == "img"
    assert all(word == word.strip() for word in words)


def test_points_lie_where_matplotlib_puts_them():
    figure = drawn()
    points = figure.axes[0].transData.transform(list(zip(X, Y, strict=True)))
    high = figure.get_size_inches()[1] * 72
    wanted = [(x * 72 / figure.dpi, high - y * 72 / figure.dpi) for x, y in points]
    root = ElementTree.fromstring(svg_of(figure))
    ways = [node.get("d") for node in root.iter(f"{SVG}path") if node.get("stroke") == "#0072b2"]
    found = [[float(n) for n in re.findall(r"-?[\d.]+", way)] for way in ways]
    curve = next(numbers for numbers in found if len(numbers) == 2 * len(X))
    np.testing.assert_allclose(np.reshape(curve, (-1, 2)), wanted, atol=0.06)  # cut to a tenth of a point


def test_it_is_half_as_large_as_what_matplotlib_writes():
    figure, raw = drawn(), io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none"}):
        figure.savefig(raw, format="svg")
    text = svg_of(figure)
    assert len(text) < len(raw.getvalue()) / 2
    assert len(text) < 12_000


def test_a_photograph_is_kept_pixel_for_pixel():
    images = re.findall(r'<image [^>]*href="data:image/png;base64,([^"]+)"[^>]*>', svg_of(shown()))
    sizes = {}
    for data in images:
        picture = Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")
        sizes[picture.size] = np.asarray(picture)
    assert (5, 5) in sizes
    kept = sizes[(9, 12)]
    assert any(np.array_equal(kept, turned) for turned in (PHOTOGRAPH, PHOTOGRAPH[::-1]))
    assert 'image-rendering="pixelated"' in svg_of(shown())


def test_width_is_a_hundred_pixels_an_inch_and_the_paper_is_the_first_rectangle():
    figure = drawn()
    wide, high = figure.get_size_inches()
    root = ElementTree.fromstring(svg_of(figure))
    assert float(root.get("width")) == 100 * wide
    paper = root[0]
    assert (paper.tag, paper.get("fill")) == (f"{SVG}rect", "#ffffff")
    assert (float(paper.get("width")), float(paper.get("height"))) == pytest.approx((72 * wide, 72 * high))
