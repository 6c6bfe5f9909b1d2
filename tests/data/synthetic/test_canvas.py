"""The painter measures distances as geometry does and covers pixels by their area."""

import numpy as np
import pytest

from resnet_utils.data.synthetic import canvas as shapes
from resnet_utils.data.synthetic.canvas import Canvas

GRID = np.linspace(-3, 3, 61)
U, V = np.meshgrid(GRID, GRID)
RED = np.array([1.0, 0.0, 0.0])


def canvas(number=1, size=40, *, x=20.0, y=20.0, scale=10.0, turn=0.0):
    """Black pictures whose unit is 10 pixels."""
    return Canvas(
        np.zeros((3, number, size, size)),
        *(np.full(number, v) for v in (x, y, scale)),
        turn=np.full(number, turn),
    )


def test_distance_to_a_circle_is_radius_minus_radius():
    away = np.hypot(U, V) > 0
    found = shapes.ellipse(U, V, 1.5, 1.5)
    np.testing.assert_allclose(found[away], np.hypot(U, V)[away] - 1.5, atol=1e-12)  # exact for a circle


def test_the_very_middle_lies_inside():
    assert shapes.ellipse(np.zeros(1), np.zeros(1), 1.5, 0.1) < -0.1


def test_distance_to_an_ellipse_is_right_near_its_edge():
    angle = np.linspace(0, 2 * np.pi, 200)
    edge, normal = (2 * np.cos(angle), np.sin(angle)), (np.cos(angle), 2 * np.sin(angle))
    length = np.hypot(*normal)
    for step in (-0.02, 0.0, 0.02):
        point = [e + step * n / length for e, n in zip(edge, normal, strict=True)]
        # First order in the step: the error is about curvature * step^2, at most 2 * 0.02^2.
        np.testing.assert_allclose(shapes.ellipse(*point, 2.0, 1.0), step, atol=2e-3)


def test_capsule_of_one_radius_is_the_distance_to_a_segment():
    along = np.linspace(0, 1, 2001)[:, None, None]
    slow = np.hypot(U - (-1 + 2.5 * along), V - (0.5 - 1.5 * along)).min(axis=0) - 0.3
    found = shapes.capsule(U, V, (-1.0, 0.5, 0.3), (1.5, -1.0, 0.3))
    np.testing.assert_allclose(found, slow, atol=1e-3)  # the slow one looks at 2,001 points only


def test_painted_area_is_the_area_of_the_shape():
    picture = canvas()
    picture.oval(1, RED, (0.1, -0.2), radii=(1.2, 0.7))
    assert picture.colors[0].sum() == pytest.approx(np.pi * 12 * 7, rel=0.01)
    assert picture.colors[1:].sum() == 0


@pytest.mark.parametrize("turn", [0.0, 0.2, -0.7])
def test_a_window_paints_what_the_whole_picture_would(turn):
    small, whole = canvas(x=9.3, y=30.1, turn=turn), canvas(x=9.3, y=30.1, turn=turn)
    ends = {"start": (-0.9, 0.3, 0.3), "end": (1.1, -0.8, 0.1)}
    small.stroke(1, RED, ends["start"], end=ends["end"])

    def distance(x, y, pictures):
        return shapes.capsule(x, y, ends["start"], ends["end"])

    whole.paint(1, RED, distance, center=(0.0, 0.0), reach=100.0)
    np.testing.assert_array_equal(small.colors, whole.colors)
    np.testing.assert_array_equal(small.parts, whole.parts)


def test_turn_is_the_tangent_of_half_the_angle():
    angle, picture = 0.4, canvas(turn=np.tan(0.2), size=80, x=40.0, y=40.0)
    picture.oval(1, RED, (2.0, 0.0), radii=(0.3, 0.3))
    lines, columns = np.nonzero(picture.parts[0])
    assert columns.mean() + 0.5 == pytest.approx(40 + 20 * np.cos(angle), abs=0.2)
    assert lines.mean() + 0.5 == pytest.approx(40 + 20 * np.sin(angle), abs=0.2)


def test_strength_zero_leaves_a_picture_untouched_and_half_mixes():
    pictures = canvas(number=3)
    pictures.oval(1, RED, (0.0, 0.0), radii=(1.0, 1.0), strength=np.array([0.0, 0.5, 1.0]))
    assert pictures.colors[0, :, 20, 20].tolist() == [0.0, 0.5, 1.0]
    assert pictures.parts[0].max() == 0


def test_clip_keeps_the_shape_inside_another():
    picture, left = canvas(), np.zeros((1, 40, 40))
    left[:, :, :20] = 1
    picture.oval(1, RED, (0.0, 0.0), radii=(1.0, 1.0), clip=left)
    assert picture.colors[0, 0, 20, 19] == 1
    assert picture.colors[:, 0, :, 20:].sum() == 0


def test_a_rim_darkens_the_edge_by_its_share_and_leaves_the_middle():
    picture = canvas(size=64, x=32.0, y=32.0, scale=25.0)
    picture.oval(1, RED, (0.0, 0.0), radii=(1.0, 1.0), rim=0.4)
    outward = picture.colors[0, 0, 32, 32:57]  # from the middle to the last pixel inside
    assert outward[0] == 1
    assert (np.diff(outward) <= 0).all()
    assert outward[-1] == pytest.approx(1 - 0.4, abs=0.05)  # half a pixel below the edge, so not quite


def test_arc_is_the_lower_piece_of_a_ring():
    picture = canvas()
    picture.arc(1, RED, (0.0, 0.0), radius=1.0, below=0.5, width=0.1)
    assert picture.parts[0, 29, 20] == 1  # straight below
    assert picture.parts[0, 10, 20] == 0  # straight above
    assert picture.parts[0, 20, 20] == 0  # the middle
