"""The colours of the roles, as seen with each of the three deficiencies, in grey print, and in the dark.

Source of the matrices: Machado, Oliveira and Fernandes 2009, "A physiologically-based model for simulation of
color vision deficiency", doi:10.1109/TVCG.2009.113, table 1, severity 1.0. They work on linear RGB.
"""

import itertools
import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from resnet_utils.reporting.roles import COLORS, DASHES, MARKERS
from tools import project

DEFICIENCIES = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])  # sRGB
JUST_NOTICED = 2.3  # a difference in CIELAB that is just noticed (Mahy et al. 1994)
TOGETHER = (  # roles that meet in one panel; the rest never does
    *itertools.combinations(("plain", "residual", "preactivation", "highlight"), 2),
    *itertools.combinations(("train", "valid", "highlight"), 2),
    ("cat", "dog"),
)
NIGHT = "#14181e"  # the theme's paper in the dark


def linear(colour):
    """Linear RGB of a colour, by the definition of sRGB."""
    c = np.array(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear RGB, under daylight (D65)."""
    ratio = TO_XYZ @ np.clip(rgb, 0, 1) / TO_XYZ.sum(axis=1)
    x, y, z = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def difference(one, other):
    """How different two linear colours look, in CIELAB."""
    return float(np.linalg.norm(lab(one) - lab(other)))


def contrast(one, other):
    """WCAG 2.1, contrast of two colours: 1 to 21."""
    high, low = sorted((float(TO_XYZ[1] @ linear(c)) for c in (one, other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("kind", DEFICIENCIES)
def test_the_matrices_leave_greys_as_they_are(kind):
    np.testing.assert_allclose(np.array(DEFICIENCIES[kind]) @ np.ones(3), np.ones(3), atol=1e-5)


@pytest.mark.parametrize("kind", DEFICIENCIES)
def test_roles_of_one_panel_differ_for_every_kind_of_eye(kind):
    matrix = np.array(DEFICIENCIES[kind])
    for one, other in TOGETHER:
        seen = difference(matrix @ linear(COLORS[one]), matrix @ linear(COLORS[other]))
        assert seen > 3 * JUST_NOTICED, f"{one} and {other} look alike with {kind}: {seen:.1f}"


@pytest.mark.parametrize("kind", DEFICIENCIES)
def test_colours_that_only_full_sight_tells_apart_would_be_found_out(kind):
    matrix = np.array(DEFICIENCIES[kind])
    unseen = np.linalg.svd(matrix)[2][-1]  # the direction that this eye sees least of
    one, other = 0.4 + 0.2 * unseen, 0.4 - 0.2 * unseen
    assert difference(one, other) > 20
    assert difference(matrix @ one, matrix @ other) < difference(one, other) / 5


def test_roles_of_one_panel_differ_in_marker_and_dash_since_in_grey_some_are_alike():
    lightness = {role: lab(linear(colour))[0] for role, colour in COLORS.items()}  # all that grey print keeps
    assert min(abs(lightness[one] - lightness[other]) for one, other in TOGETHER) < 10
    for one, other in TOGETHER:
        assert MARKERS[one] != MARKERS[other], (one, other)
        assert DASHES[one] != DASHES[other], (one, other)


def test_roles_are_seen_on_white_and_in_the_dark():
    """WCAG asks for a contrast of 3 for graphics. On white two light colours fall short, and have markers."""
    for role, colour in COLORS.items():
        assert contrast(colour, "#ffffff") > (2.1 if role in ("preactivation", "dog") else 3), role
        if colour != "#000000":  # which the page turns into its own ink
            assert contrast(colour, NIGHT) > 3, role


def night():
    """What a colour of a drawing is in the dark, by the page's style sheet."""
    rules = (project.ROOT / "site" / "static" / "figures.css").read_text(encoding="utf-8")
    return dict(re.findall(r'\[fill="(#[0-9a-f]{6})" i\] \{ fill: (#[0-9a-f]{6})', rules))


def test_words_on_pale_boxes_are_read_in_the_dark():
    ink = "#ced6dd"  # the theme's letters in the dark
    found = night()
    assert {"#f1f1f1", "#d6e6f2", "#f3dce8"} <= set(found)
    for pale, dark in found.items():
        assert contrast("#000000", pale) > 4.5, pale
        assert contrast(ink, dark) > 4.5, dark
