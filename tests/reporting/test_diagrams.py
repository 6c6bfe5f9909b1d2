"""A diagram is drawn from the code, so another block has another diagram."""

import copy
from functools import cache
from itertools import pairwise
from xml.etree import ElementTree

import pytest
import torch
from drawn import SVG, Picture, on_pages
from torchvision.models import resnet as published

from resnet_utils import models
from resnet_utils.models import blocks, preactivation, variants
from resnet_utils.reporting import diagrams

SHAPE = (1, 16, 9, 7)


def test_digest_says_branch_shapes_and_shortcut():
    assert diagrams.describe(blocks.BasicBlock(16, 32, 2), SHAPE).splitlines() == [
        "x (16×9×7) → 3×3, 32, /2 (32×5×4) → BatchNorm → ReLU → 3×3, 32 → BatchNorm → + → ReLU",
        "from 0 (x) to 6 (+): 1×1, 32, /2 (32×5×4) → BatchNorm",
    ]


def test_block_without_shortcut_says_so():
    block = blocks.BasicBlock(16, 16, shortcut="none")
    assert diagrams.describe(block, SHAPE).splitlines()[1:] == ["no shortcut"]


def test_torchvisions_block_has_the_same_diagram_as_ours():
    theirs = published.Bottleneck(16, 4)
    assert diagrams.describe(blocks.Bottleneck(16, 4), SHAPE) == diagrams.describe(theirs, SHAPE)


CHANGED = {
    "plain": lambda: blocks.BasicBlock(16, 16, shortcut="none"),
    "option C": lambda: blocks.BasicBlock(16, 16, shortcut="C"),
    "wider": lambda: blocks.BasicBlock(16, 32),
    "re-weighted": lambda: variants.SEBlock(16, 16),
    "dropped": lambda: variants.DroppedBlock(16, 16),
    "bottleneck": lambda: blocks.Bottleneck(16, 4),
    **{
        order: lambda order=order: preactivation.OrderedBlock(16, 16, order=order)
        for order in preactivation.ORDERS
        if order != "original"
    },
}


@pytest.mark.parametrize("name", CHANGED)
def test_changed_block_changes_its_digest_and_its_picture(name):
    original, changed = ({"": (block, SHAPE)} for block in (blocks.BasicBlock(16, 16), CHANGED[name]()))
    assert diagrams.describe(*changed[""]) != diagrams.describe(*original[""])
    assert diagrams.Drawing(changed)._repr_svg_() != diagrams.Drawing(original)._repr_svg_()


def test_all_changed_blocks_have_different_digests():
    digests = [diagrams.describe(make(), SHAPE) for make in CHANGED.values()]
    assert len(set(digests)) == len(digests)


def test_the_branch_is_the_main_path_whichever_way_round_the_two_are_added():
    class Turned(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = torch.nn.Conv2d(16, 16, 3, padding=1)

        def forward(self, x):
            return x + self.conv1(x)

    assert diagrams.describe(Turned(), SHAPE).splitlines() == [
        "x (16×9×7) → 3×3, 16 → +",
        "from 0 (x) to 2 (+): nothing in between",
    ]


def test_projection_of_a_preactivation_block_leaves_after_the_activation():
    last = diagrams.describe(preactivation.PreActBlock(16, 32, 2), SHAPE).splitlines()[-1]
    assert last == "from 2 (ReLU) to 7 (+): 1×1, 32, /2 (32×5×4)"


def test_squeeze_and_excitation_has_two_ways_around():
    lines = diagrams.describe(variants.SEBlock(16, 16), SHAPE).splitlines()
    assert lines[1:] == [
        "from 5 (BatchNorm) to 11 (×): nothing in between",
        "from 0 (x) to 12 (+): nothing in between",
    ]


def test_picture_is_small_well_formed_repeatable_and_says_its_content():
    given = {"a < b & c": (blocks.BasicBlock(16, 32, 2), SHAPE), "SE": (variants.SEBlock(16, 16), SHAPE)}
    first, second = (diagrams.Drawing(given) for _ in range(2))
    svg = first._repr_svg_()
    assert svg == second._repr_svg_()
    assert len(svg) < 60_000
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == " ".join(first.digest.split())
    texts = [node.text for node in root.iter(f"{SVG}text")]
    assert texts.count("+") == 2
    assert "a < b & c" in texts


DRAWN = {
    **{
        f"shortcut {kind}": lambda kind=kind: diagrams.Drawing({kind: (option(kind), SHAPE)})
        for kind in ("none", "A", "B", "C", "D")
    },
    "the same shape": lambda: diagrams.Drawing({"": (blocks.BasicBlock(16, 16), SHAPE)}),
    "two ways around": lambda: diagrams.Drawing({"SE": (variants.SEBlock(16, 16), SHAPE)}),
    "side by side": lambda: diagrams.Drawing({kind: (option(kind), SHAPE) for kind in "ABCD"}),
    **{name: lambda name=name: network(name) for name in ("resnet50", "resnet152", "resnet20", "plain20")},
}


def option(kind):
    return blocks.BasicBlock(16, 32, 2, shortcut=kind)


def network(name):
    with torch.device("meta"):  # no weights, which would take longer than the drawing
        return diagrams.whole_network(models.build(name, 10), (1, 3, 64, 64))


@cache
def picture(name):
    return Picture(DRAWN[name]()._repr_svg_())


@pytest.mark.parametrize("name", DRAWN)
def test_everything_lies_inside_the_picture(name):
    assert picture(name).outside() == []


@pytest.mark.parametrize("name", DRAWN)
def test_lines_run_across_and_down_and_end_where_something_is(name):
    assert picture(name).slanted() == []
    assert picture(name).loose(2) == []  # pixels: the shortcuts of small blocks end just beside them


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_covers_another_thing_and_labels_are_in_the_middle(name):
    assert picture(name).crossed() == []
    assert picture(name).off_center() == []


@pytest.mark.parametrize(("page", "source", "stored"), on_pages("diagrams"))
def test_a_page_shows_what_is_drawn_now(page, source, stored):
    names = {"diagrams": diagrams, "blocks": blocks, "variants": variants, "preactivation": preactivation}
    names["blueprint"] = models.build
    with torch.device("meta"):
        exec(source, names)
    assert names["drawing"]._repr_svg_() == stored, f"run: make notebooks NAMES={page}"


def test_blocks_that_do_not_fit_beside_each_other_go_on_below():
    block = blocks.BasicBlock(16, 16)
    one, five = (diagrams.Drawing({f"block {k}": (block, SHAPE) for k in range(n)}) for n in (1, 5))
    root, alone = (ElementTree.fromstring(drawing._repr_svg_()) for drawing in (five, one))
    (width, height), (wide, high) = (
        [float(side) for side in svg.get("viewBox").split()[2:]] for svg in (root, alone)
    )
    assert width <= diagrams.MOST_BESIDE < 5 * wide
    assert height == 2 * high
    places = [node.get("transform") for node in root.iter(f"{SVG}g")]
    assert len(set(places)) == 5
    titles = [node.text for node in root.iter(f"{SVG}text") if node.get("font-weight") == "bold"]
    assert titles == [f"block {k}" for k in range(5)]


def test_block_is_left_as_it_was():
    block = blocks.BasicBlock(16, 16)
    before = copy.deepcopy(block.state_dict())
    diagrams.describe(block, SHAPE)
    assert block.training
    assert all(torch.equal(value, before[name]) for name, value in block.state_dict().items())


def test_shape_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"an input of shape \(1, 3, 9, 7\) does not fit"):
        diagrams.describe(blocks.BasicBlock(16, 16), (1, 3, 9, 7))


def test_whole_network_has_the_sizes_of_the_papers_table():
    """Table 1 of He et al. 2015: blocks of each stage, and the side of its maps."""
    drawing = diagrams.whole_network(models.build("resnet50"), (1, 3, 224, 224))
    assert drawing.digest.split(" → ") == [
        "3 × 224 × 224",
        "stem (7×7, /2): 64 × 112 × 112",
        "max-pool (3×3, /2): 64 × 56 × 56",
        "layer1 (3 × Bottleneck): 256 × 56 × 56",
        "layer2 (4 × Bottleneck): 512 × 28 × 28",
        "layer3 (6 × Bottleneck): 1024 × 14 × 14",
        "layer4 (3 × Bottleneck): 2048 × 7 × 7",
        "average (over all places): 2048",
        "fc (linear): 1000",
    ]


@pytest.mark.parametrize("name", ["resnet18", "resnet152", "resnet20", "plain20"])
def test_whole_network_draws_its_shortcuts_and_fits_a_telephone(name):
    with torch.device("meta"):
        model = models.build(name, 10)
    drawing = diagrams.whole_network(model, (1, 3, 64, 64))
    root = ElementTree.fromstring(drawing._repr_svg_())
    shortcuts = [path for path in root.iter(f"{SVG}path") if path.get("stroke") == diagrams.SHORTCUT]
    stages = [model.get_submodule(stage) for stage in model.stages]
    shown = sum(min(len(stage), 11 if len(stage) > 12 else 12) for stage in stages)
    assert len(shortcuts) == (0 if name.startswith("plain") else shown)
    squares = [box for box in root.iter(f"{SVG}rect") if box.get("fill") == diagrams.SHORTCUT]
    assert len(squares) == sum(block.downsample is not None for stage in stages for block in stage)
    assert float(root.get("viewBox").split()[2]) <= 360


@pytest.mark.parametrize("name", ["resnet50", "resnet20"])
def test_the_shapes_of_a_whole_network_are_a_column_beside_maps_that_shrink_with_them(name):
    shown = picture(name)
    sizes = [text.look for text in shown.texts if "×" in text.look["words"] and text.left > 190]
    assert sizes[0]["words"] == "C × H × W"
    assert {(look["x"], look["text-anchor"]) for look in sizes} == {(sizes[0]["x"], "end")}
    maps = [box for box in shown.boxes if box.look["rx"] == "0" and box.left > 190]
    assert len({box.middle[0] for box in maps}) == 1
    told = [int(look["words"].split(" × ")[2]) for look in sizes[1:]]
    for (wide, narrow), (one, other) in zip(pairwise(told), pairwise(maps), strict=True):
        assert (wide > narrow) == (one.size[0] > other.size[0])


def test_whole_network_follows_the_code_and_leaves_the_model():
    model = models.build("resnet18", 10, stem="deep")
    model.layer2.append(blocks.BasicBlock(128, 128))
    before = copy.deepcopy(model.state_dict())
    digest = diagrams.whole_network(model, (1, 3, 64, 64)).digest
    assert "stem (3×3 3×3 3×3, /2)" in digest
    assert "layer2 (3 × BasicBlock): 128 × 8 × 8" in digest
    assert model.training
    torch.testing.assert_close(model.state_dict(), before, rtol=0, atol=0)
    assert not any(module._forward_hooks for module in model.modules())


def test_whole_network_of_something_else_is_refused():
    with pytest.raises(ValueError, match="this ResNet has not"):
        diagrams.whole_network(published.resnet18(), (1, 3, 64, 64))
    with pytest.raises(ValueError, match=r"an image of shape \(1, 1, 64, 64\) does not fit"):
        diagrams.whole_network(models.build("resnet18"), (1, 1, 64, 64))
