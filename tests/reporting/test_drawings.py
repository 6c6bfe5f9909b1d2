"""Drawings: small, the same each time, inside their frame, readable on a telephone, and said in words."""

import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from drawn import SVG, Picture, on_pages

from resnet_utils.reporting import drawings, plotting

MAKE = {
    "one channel": lambda: drawings.sliding_window(channels=1, side=3, kernel=1),
    "three channels": drawings.sliding_window,
    "four channels": lambda: drawings.sliding_window(channels=4, side=5, kernel=1),
    "twins": lambda: drawings.twins(["Linear", "BatchNorm", "ReLU", "Linear", "BatchNorm"]),
    "long twins": lambda: drawings.twins(["3×3, 64"] * 8, names=("a < b", "c & d")),
    "twins of one step": lambda: drawings.twins(["Linear"]),
    "one block": lambda: drawings.unravelled_paths(1),
    "three blocks": drawings.unravelled_paths,
    "four steps": drawings.four_steps,
    "four steps of two parts": lambda: drawings.four_steps(["body", "head"]),
    "four steps of long names": lambda: drawings.four_steps([f"stage {k}" for k in range(6)]),
}


def parsed(drawing):
    return ElementTree.fromstring(drawing._repr_svg_())


def words_of(drawing):
    return [node.text for node in parsed(drawing).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", MAKE)
def test_drawing_is_small_repeatable_and_says_its_content(name):
    drawing = MAKE[name]()
    assert drawing._repr_svg_() == MAKE[name]()._repr_svg_()
    assert len(drawing._repr_svg_().encode()) < 8_000
    root = parsed(drawing)
    assert root.get("role") == "img"
    assert root.get("aria-label") == drawing.digest


@pytest.mark.parametrize("name", MAKE)
def test_drawing_can_be_read_on_a_telephone(name):
    root = parsed(MAKE[name]())
    assert float(root.get("viewBox").split()[2]) <= 360
    sizes = [float(node.get("font-size", 11)) for node in root.iter(f"{SVG}text")]
    assert min(sizes) >= 9


@pytest.mark.parametrize("name", MAKE)
def test_everything_lies_inside_the_picture(name):
    assert Picture(MAKE[name]()._repr_svg_()).outside() == []


@pytest.mark.parametrize("name", MAKE)
def test_lines_run_across_and_down_and_end_where_something_is(name):
    picture = Picture(MAKE[name]()._repr_svg_())
    assert picture.slanted() == []
    assert picture.loose(8) == []  # pixels: arrows may keep that much away from what they point at


@pytest.mark.parametrize("name", MAKE)
def test_nothing_covers_another_thing_and_labels_are_in_the_middle(name):
    picture = Picture(MAKE[name]()._repr_svg_())
    assert picture.crossed() == []
    assert picture.off_center() == []


@pytest.mark.parametrize(
    ("name", "count"), [("twins", 1), ("long twins", 1), ("one block", 1), ("three blocks", 3)]
)
def test_one_arrow_touches_each_plus(name, count):
    picture = Picture(MAKE[name]()._repr_svg_())
    radius = [circle.size[0] / 2 for circle in picture.circles]
    away = [[math.dist(circle.middle, head[0]) for head in picture.heads] for circle in picture.circles]
    touching = [sum(abs(d - r) <= 1 for d in row) for row, r in zip(away, radius, strict=True)]
    assert touching == [1] * count  # within a pixel, the width of the circle's own line


@pytest.mark.parametrize(
    ("channels", "side", "kernel"), [(1, 3, 1), (2, 4, 2), (3, 5, 3), (4, 5, 4), (2, 3, 3)]
)
def test_every_sheet_has_the_window_in_the_same_pixels(channels, side, kernel):
    drawing = drawings.sliding_window(channels=channels, side=side, kernel=kernel)
    picture = Picture(drawing._repr_svg_())
    sharp = [box for box in picture.boxes if box.look["rx"] == "0"]
    *sheets, out = sharp[::2]
    *windows, one = sharp[1::2]
    assert len(sheets) == len(windows) == channels
    assert {sheet.size for sheet in sheets} == {(sheets[0].size[0],) * 2}
    pixel = sheets[0].size[0] / side
    for sheet, window in zip([*sheets, out], [*windows, one], strict=True):
        assert (window.left, window.top) == (sheet.left, sheet.top)
    assert {window.size for window in windows} == {(kernel * pixel, kernel * pixel)}
    assert (out.size, one.size) == (((side - kernel + 1) * pixel,) * 2, (pixel, pixel))
    assert len({(b.left - a.left, b.top - a.top) for a, b in pairwise(sheets)}) <= 1, "equal steps"


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_arrows_lead_from_the_middle_of_the_sheets_to_the_pixel_that_comes_out(channels):
    picture = Picture(drawings.sliding_window(channels=channels)._repr_svg_())
    *sheets, _, one = (box for box in picture.boxes if box.look["rx"] == "0")
    (sums,) = (box for box in picture.boxes if box.look["rx"] != "0")
    middle = (min(sheet.top for sheet in sheets) + max(sheet.bottom for sheet in sheets)) / 2
    assert [head[0][1] for head in picture.heads] == [middle] * 2
    assert middle == sums.middle[1] == one.middle[1]


@pytest.mark.parametrize(("page", "source", "stored"), on_pages("drawings"))
def test_a_page_shows_what_is_drawn_now(page, source, stored):
    names = {"drawings": drawings}
    exec(source, names)
    assert names["drawing"]._repr_svg_() == stored, f"run: make notebooks NAMES={page}"


def test_the_arguments_of_a_piece_can_be_given_by_place_and_by_name():
    calls = {
        "line": {"points": [(1, 2), (3, 4)]},
        "box": {"center": (9, 8), "size": (6, 4), "label": "a"},
        "circle": {"center": (9, 8), "label": "+"},
        "text": {"place": (9, 8), "words": "a"},
        "place": {"other": drawings.Svg(5, 5, words="within"), "left": 3, "top": 4},
    }
    by_place, by_name = (drawings.Svg(20, 20, words="x") for _ in range(2))
    for piece, arguments in calls.items():
        getattr(by_place, piece)(*arguments.values())
        getattr(by_name, piece)(**arguments)
    assert by_place._repr_svg_() == by_name._repr_svg_()


def test_roles_have_the_colours_of_the_plots():
    assert {role: plotting.COLORS[role] for role in drawings.COLORS} == drawings.COLORS


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel", [1, 3])
def test_window_counts_its_products_over_all_channels(channels, kernel):
    drawing = drawings.sliding_window(channels=channels, kernel=kernel)
    assert f"{channels * kernel * kernel} products," in words_of(drawing)
    assert f"an output channel of {6 - kernel}×{6 - kernel}" in drawing.digest


def test_twins_have_the_same_steps_and_only_the_residual_one_a_plus():
    drawing = drawings.twins(["Linear", "ReLU", "Linear"])
    found = words_of(drawing)
    assert found.count("Linear") == 4
    assert found.count("ReLU") == 4  # one inside and one at the end of each
    assert found.count("+") == 1
    assert {"ReLU(F(x))", "ReLU(F(x) + x)"} <= set(found)
    plain, residual = drawing.digest.split(". ")
    assert "+" not in plain
    assert "→ + → ReLU" in residual


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_paths_are_all_of_them_with_binomial_lengths(blocks):
    drawing = drawings.unravelled_paths(blocks)
    branches = [word for word in words_of(drawing) if word.isdigit()]
    assert sorted(branches) == sorted(str(k) for k in range(blocks + 1) for _ in range(math.comb(blocks, k)))
    drawn = sum(word.startswith("F") for word in words_of(drawing)) - blocks  # those of the network itself
    assert drawn == sum(k * math.comb(blocks, k) for k in range(blocks + 1))
    assert f"its {2**blocks} paths" in drawing.digest


def test_four_steps_show_the_network_four_times_and_freeze_all_but_the_head_in_the_last_two():
    drawing = drawings.four_steps(["stem", "body", "head"])
    assert [words_of(drawing).count(part) for part in ("stem", "body", "head")] == [4, 4, 4]
    boxes = list(parsed(drawing).iter(f"{SVG}rect"))
    heavy = [box for box in boxes if box.get("fill") == drawings.INK]
    assert len(heavy) == 4, "two parts below the head, in two columns"
    assert len({box.get("x") for box in heavy}) == 2
    assert "4 in training, where only head moves" in drawing.digest


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: drawings.four_steps(["fc"]), "got 1"),
        (lambda: drawings.four_steps(["x"] * 7), "got 7"),
        (lambda: drawings.Svg(361, 10, words="x"), "1 to 360 pixels wide, and not flat, got 361x10"),
        (lambda: drawings.Svg(10, 0, words="x"), "not flat, got 10x0"),
        (lambda: drawings.Svg(10, 10, words=" "), "needs words"),
        (lambda: drawings.Svg(9, 9, words="x").line([(1, 1)]), "at least two points"),
        (lambda: drawings.Svg(9, 9, words="x").line([(1, 1), (2, 2)], arrow=True), "along the x or the y"),
        (lambda: drawings.Svg(9, 9, words="x").text((1, 1), "a", size=8), "size 9 or more"),
        (lambda: drawings.Svg(9, 9, words="x").text((1, 1), "a", anchor="left"), "got 11, 'left'"),
        (lambda: drawings.sliding_window(channels=5), "got 5, 5 and 3"),
        (lambda: drawings.sliding_window(channels=0), "got 0, 5 and 3"),
        (lambda: drawings.sliding_window(side=2, kernel=1), "got 3, 2 and 1"),
        (lambda: drawings.sliding_window(side=6), "got 3, 6 and 3"),
        (lambda: drawings.sliding_window(kernel=0), "got 3, 5 and 0"),
        (lambda: drawings.sliding_window(kernel=6), "got 3, 5 and 6"),
        (lambda: drawings.twins([]), "got 0"),
        (lambda: drawings.twins(["a"] * 9), "got 9"),
        (lambda: drawings.unravelled_paths(4), "got 4"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
