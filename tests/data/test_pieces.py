"""Images come a few at a time, in their order, and are the same wherever they lie."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from resnet_utils import data, deployment, models
from resnet_utils.data import near_duplicates, pieces

COUNT, SIZE = 7, 32


@pytest.fixture(scope="module")
def roads(tmp_path_factory):
    """Seven drawings, the last a mirrored copy of the first, as tensor, split in memory and split on disk."""
    root = tmp_path_factory.mktemp("drawings")
    drawn = data.drawn_animals(COUNT, size=SIZE, seed=4)
    images = torch.cat([drawn.images[:-1], drawn.images[:1].flip(3)])
    names = tuple(f"{number}.png" for number in range(COUNT))
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(root / name)
    held = data.Split(images, drawn.labels, drawn.classes, source="photographs", names=names)
    return images, held, data.SplitOnDisk(root, names, drawn.labels, drawn.classes, size=SIZE)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9))
def test_all_images_come_once_in_order_and_no_more_at_a_time_than_were_asked_for(roads, count):
    for images in roads:
        found = list(pieces.pieces(images, count))
        assert torch.equal(torch.cat(found), roads[0])
        assert [len(piece) for piece in found[:-1]] == [count] * (len(found) - 1)
        assert 1 <= len(found[-1]) <= count


@pytest.mark.parametrize("value", [None, [1], "a.png"])
def test_what_is_neither_split_nor_tensor_is_refused(value):
    with pytest.raises(TypeError, match="images must be a split or a tensor, got"):
        pieces.require_images(value)


def test_copies_fingerprints_and_hashes_are_the_same_on_all_roads_whatever_the_piece(roads, monkeypatch):
    tensor, held, left = roads
    copies, marks = near_duplicates.find_copies(tensor), near_duplicates.fingerprints(tensor)
    assert [(pair.first, pair.second, pair.mirrored) for pair in copies] == [(0, COUNT - 1, True)]
    for piece in (64, 2):
        monkeypatch.setattr(near_duplicates, "_PIECE", piece)
        for images in (held, left):
            assert near_duplicates.find_copies(images) == copies
            assert near_duplicates.find_copies(tensor, images) == near_duplicates.find_copies(tensor, tensor)
            assert near_duplicates.fingerprints(images) == marks
            assert torch.equal(
                near_duplicates.perceptual_hash(images), near_duplicates.perceptual_hash(tensor)
            )


def test_the_table_of_pairs_has_a_bound_however_many_pictures_there_are(monkeypatch):
    images = data.drawn_animals(40, size=16).images
    images = torch.cat([images, images[:3]])
    whole, sizes, apart = near_duplicates.find_copies(images), [], near_duplicates.bits_apart
    monkeypatch.setattr(near_duplicates, "_PAIRS", 5 * len(images))
    monkeypatch.setattr(
        near_duplicates, "bits_apart", lambda one, two: sizes.append(len(one) * len(two)) or apart(one, two)
    )
    found = near_duplicates.find_copies(images)
    assert [pair[:3] for pair in found] == [pair[:3] for pair in whole]
    assert max(sizes) == 5 * len(images)


def test_answers_report_card_and_page_are_the_same_on_all_roads(roads):
    tensor, held, left = roads
    model = models.build("resnet20", len(held.classes), width=4).eval()
    judge = deployment.Classifier(model, "resnet20", held.classes, size=SIZE, mean=(0.5,) * 3, std=(0.5,) * 3)
    assert torch.equal(judge.logits(left), judge.logits(tensor))
    assert torch.equal(judge.logits(held), judge.logits(tensor))
    report = deployment.judge(judge, held)
    assert report.mistakes, "an untrained network makes some, and the page shows them"
    assert deployment.judge(judge, left) == report
    options = {"name": "x", "trained_on": "x", "limits": ["all"]}
    assert deployment.model_card(judge, left, **options) == deployment.model_card(judge, held, **options)
    pages = [deployment.to_html(report, images, title="x", limits=["all"]) for images in roads]
    assert pages[0] == pages[1] == pages[2]
    with pytest.raises(ValueError, match=r"images must be uint8 \(N, 3 or 1, 32, 32\).*\(7, 3, 16, 16\)"):
        judge.logits(data.SplitOnDisk(left.root, left.names, left.labels, left.classes, size=16))


def test_a_page_decodes_only_the_pictures_that_it_shows(roads, tmp_path):
    _, held, left = roads
    model = models.build("resnet20", len(held.classes), width=4).eval()
    judge = deployment.Classifier(model, "resnet20", held.classes, size=SIZE, mean=(0.5,) * 3, std=(0.5,) * 3)
    report = deployment.judge(judge, held)
    shown = {mistake.file for mistake in report.mistakes}
    assert 0 < len(shown) < COUNT
    for name in shown:
        (tmp_path / name).write_bytes((left.root / name).read_bytes())
    bare = data.SplitOnDisk(tmp_path, left.names, left.labels, left.classes, size=SIZE)
    assert deployment.to_html(report, bare, title="x", limits=["all"]) == deployment.to_html(
        report, held, title="x", limits=["all"]
    )


def test_a_report_wants_a_split(roads):
    model = models.build("resnet20", 2, width=4).eval()
    judge = deployment.Classifier(model, "resnet20", ("a", "b"), size=SIZE, mean=(0.5,) * 3, std=(0.5,) * 3)
    with pytest.raises(TypeError, match=r"a data.Split or data.SplitOnDisk, got Tensor"):
        deployment.judge(judge, roads[0])
