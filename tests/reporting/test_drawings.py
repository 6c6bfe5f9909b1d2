"""Drawings: small, the same each time, inside their frame, readable on a telephone, and said in words."""

import math
from xml.etree import ElementTree

import pytest

from resnet_utils.reporting import drawings, plotting

SVG = "{http://www.w3.org/2000/svg}"
MAKE = {
    "one channel": lambda: drawings.sliding_window(channels=1, side=3, kernel=1),
    "three channels": drawings.sliding_window,
    "four channels": lambda: drawings.sliding_window(channels=4, side=5, kernel=1),
    "twins": lambda: drawings.twins(["Linear", "BatchNorm", "ReLU", "Linear", "BatchNorm"]),
    "long twins": lambda: drawings.twins(["3×3, 64"] * 8, names=("a < b", "c & d")),
    "one block": lambda: drawings.unravelled_paths(1),
    "three blocks": drawings.unravelled_paths,
    "four steps": drawings.four_steps,
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
    root = parsed(MAKE[name]())
    width, height = (float(root.get("viewBox").split()[i]) for i in (2, 3))
    corners = []
    for box in root.iter(f"{SVG}rect"):
        x, y = float(box.get("x", 0)), float(box.get("y", 0))
        corners += [(x, y), (x + float(box.get("width")), y + float(box.get("height")))]
    for path in root.iter(f"{SVG}path"):
        corners += [tuple(map(float, place.split())) for place in path.get("d")[1:].split(" L")]
    for text in root.iter(f"{SVG}text"):  # a letter is less than 0.75 of its height wide
        long = 0.75 * float(text.get("font-size", 11)) * len(text.text)
        x, y = float(text.get("x")), float(text.get("y"))
        before = {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor", "middle")]
        corners += [(x - before * long, y), (x + (1 - before) * long, y)]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in corners)


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
        (lambda: drawings.sliding_window(kernel=6), "got 3, 5 and 6"),
        (lambda: drawings.twins([]), "got 0"),
        (lambda: drawings.twins(["a"] * 9), "got 9"),
        (lambda: drawings.unravelled_paths(4), "got 4"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
