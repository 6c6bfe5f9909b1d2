"""Tests of ``resnet_utils.classifier``: every odd file ends in the right answer or in a clear error."""

import contextlib
import copy
import io
import json
import re
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from bits import assert_same_bits, state
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torchvision import transforms

from resnet_utils import data, deployment, evaluation, models, training
from resnet_utils.data import synthetic
from resnet_utils.deployment import export, inputs
from resnet_utils.evaluation import calibration
from resnet_utils.files import weights
from resnet_utils.models import preactivation

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
needs_onnx = pytest.mark.skipif(bool(export.missing()), reason="needs the packages for ONNX")


@pytest.fixture(scope="module")
def cats_and_dogs():
    """A narrow network, trained for a moment: it answers by what it sees, and not always the same."""
    torch.manual_seed(0)
    model = models.build("resnet20", 2, width=8)
    split = data.drawn_animals(400, size=32, seed=0)
    batches = data.loader(split, 50, shuffle=True, mean=MEAN, std=STD)
    optimizer = training.sgd(model, lr=0.05)
    for _ in range(2):
        training.train_one_epoch(model, batches, optimizer, device="cpu")
    return deployment.Classifier(
        model, "resnet20", synthetic.PETS, size=32, mean=MEAN, std=STD, temperature=1.7, threshold=0.6
    )


@pytest.fixture(scope="module")
def photo():
    """A drawn dog, big enough for a photograph."""
    pixels = synthetic.draw(4, size=96, seed=3).images[1]
    return Image.fromarray(pixels.transpose(1, 2, 0))


def content(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def turned(image):
    """Stored on its side, with the note that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return content(image.transpose(Image.Transpose.ROTATE_90), "PNG", exif=exif)


def sixteen_bits(image):
    return content(Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257), "PNG")


def with_alpha(image):
    image = image.convert("RGBA")
    hidden = Image.new("RGBA", image.size, (9, 99, 9, 0))
    hidden.paste(image, (0, 0))
    return content(hidden, "PNG")


GOOD = {  # how the same picture may come, how it then looks, and how far the probability may move
    "png": (lambda i: content(i, "PNG"), lambda i: i, 1e-6),
    "jpeg": (lambda i: content(i, "JPEG", quality=98, subsampling=0), lambda i: i, 0.05),
    "grey": (lambda i: content(i.convert("L"), "PNG"), lambda i: i.convert("L").convert("RGB"), 1e-6),
    "cmyk": (lambda i: content(i.convert("CMYK"), "JPEG", quality=98, subsampling=0), lambda i: i, 0.05),
    "16 bits": (sixteen_bits, lambda i: i.convert("L").convert("RGB"), 1e-6),
    "alpha": (with_alpha, lambda i: i, 1e-6),
    "exif": (turned, lambda i: i, 1e-6),
    "animated": (
        lambda i: content(i, "PNG", save_all=True, append_images=[Image.new("RGB", i.size, "red")]),
        lambda i: i,
        1e-6,
    ),
    "palette": (lambda i: content(i.quantize(256), "GIF"), lambda i: i.quantize(256).convert("RGB"), 1e-6),
}


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_every_kind_of_file_gets_the_answer_of_its_picture(cats_and_dogs, photo, tmp_path, kind, as_bytes):
    make, shown, tolerance = GOOD[kind]
    path = tmp_path / "photo.jpg"  # whatever it is: the content decides
    path.write_bytes(make(photo))
    answer = cats_and_dogs.answer(path.read_bytes() if as_bytes else path)
    pixels = shown(photo).resize((32, 32), Image.Resampling.BILINEAR)
    image = torch.from_numpy(np.asarray(pixels).transpose(2, 0, 1).copy())
    expected = cats_and_dogs.logits(image[None])[0].double().softmax(dim=0)
    assert answer.best == synthetic.PETS[int(expected.argmax())]
    # lossless: the same pixels; JPEG: its own rounding
    assert answer.probability == pytest.approx(expected.max().item(), abs=tolerance)


def header_of_100_megapixels():
    """A PNG of a hundred bytes that says it is 10,000 x 10,000 pixels."""

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def noise(side=200):
    return Image.effect_noise((side, side), 90).convert("RGB")


BAD = {
    "empty": (b"", r"empty \(0 bytes\)"),
    "text": (b"a cat, I promise", "no picture but a file that begins with b'a cat"),
    "page": (b"<!DOCTYPE html><html></html>", "an HTML page"),
    "truncated jpeg": (content(noise(), "JPEG")[:2000], "damaged: .*truncated"),
    "truncated png": (content(noise(), "PNG")[:-300], "damaged: "),
    "giant header": (header_of_100_megapixels(), r"more than 89,478,485 pixels"),
    "one pixel": (content(Image.new("RGB", (1, 1), "red"), "PNG"), "only 1 x 1 pixels; at least 16"),
    "one line": (content(Image.new("RGB", (5000, 1), "red"), "PNG"), "only 5000 x 1 pixels; at least 16"),
    "one colour": (content(Image.new("RGB", (64, 64), (7, 7, 7)), "JPEG"), "a single colour"),
    "no range": (content(Image.new("F", (64, 64), 0.5), "TIFF"), "32-bit values"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("as_bytes", [False, True])
def test_what_is_no_picture_is_refused_by_name_and_reason(cats_and_dogs, tmp_path, kind, as_bytes):
    body, message = BAD[kind]
    path = tmp_path / "holiday.jpg"
    path.write_bytes(body)
    name = "the picture" if as_bytes else "holiday.jpg"
    with pytest.raises(ValueError, match=f"^{name}: .*{message}"):
        cats_and_dogs.answer(body if as_bytes else path)


def test_a_missing_file_and_a_folder_are_refused(cats_and_dogs, tmp_path):
    with pytest.raises(ValueError, match=r"^nowhere.jpg: the file is missing"):
        cats_and_dogs.answer(tmp_path / "nowhere.jpg")
    with pytest.raises(ValueError, match=f"^{tmp_path.name}: "):
        cats_and_dogs.answer(tmp_path)


def test_a_file_gets_the_answer_of_its_image_in_a_folder(cats_and_dogs, photo, tmp_path):
    for name in ("cat/0.png", "dog/0.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content(photo, "PNG"))
    split = data.image_folder(tmp_path, size=32)
    alone = cats_and_dogs.answer(tmp_path / "dog/0.png").probability
    both = calibration.confidence(cats_and_dogs.logits(split.images))
    assert alone == pytest.approx(both[1].item(), abs=1e-6)  # float32 sums of another batch size


def test_without_a_mirror_the_logits_are_the_networks(cats_and_dogs):
    split = data.drawn_animals(20, size=32, seed=9)
    plain = replace(cats_and_dogs, flip=False, temperature=1.0)
    expected, _ = evaluation.predict(
        cats_and_dogs.model, data.loader(split, 20, mean=MEAN, std=STD), device="cpu"
    )
    torch.testing.assert_close(plain.logits(split.images), expected, rtol=1e-5, atol=1e-5)  # float32
    torch.testing.assert_close(replace(plain, temperature=2.5).logits(split.images), expected / 2.5)


def test_with_a_mirror_the_logits_are_the_mean_of_those_of_both_images(cats_and_dogs):
    images = data.drawn_animals(10, size=32, seed=9).images
    one_sided = replace(cats_and_dogs, flip=False)
    mean = (one_sided.logits(images) + one_sided.logits(images.flip(3))) / 2
    torch.testing.assert_close(replace(cats_and_dogs, flip=True).logits(images), mean)


def test_a_picture_and_its_mirror_image_get_the_same_answer(cats_and_dogs):
    images = data.drawn_animals(10, size=32, seed=9).images
    torch.testing.assert_close(cats_and_dogs.logits(images), cats_and_dogs.logits(images.flip(3)))
    one_sided = replace(cats_and_dogs, flip=False)
    assert not torch.allclose(one_sided.logits(images), one_sided.logits(images.flip(3)), atol=1e-3)


def test_below_the_threshold_it_does_not_know(cats_and_dogs, photo):
    body = content(photo, "PNG")
    sure = replace(cats_and_dogs, threshold=0.0).answer(body)
    assert sure.label == sure.best
    at = replace(cats_and_dogs, threshold=sure.probability).answer(body)
    assert at.label == sure.best, "a probability equal to the threshold is enough"
    unsure = replace(cats_and_dogs, threshold=sure.probability + 1e-6).answer(body)
    assert (unsure.label, unsure.best, unsure.probabilities) == (None, sure.best, sure.probabilities)
    assert str(unsure).startswith("I don't know")
    assert str(sure).startswith(sure.best)
    assert sum(sure.probabilities.values()) == pytest.approx(1)


def test_saved_and_loaded_it_answers_with_the_same_bits(cats_and_dogs, tmp_path):
    images = data.drawn_animals(10, size=32, seed=9).images
    digest = cats_and_dogs.save(tmp_path / "pets.safetensors")
    again = deployment.Classifier.load(tmp_path / "pets.safetensors", sha256=digest)
    assert torch.equal(again.logits(images), cats_and_dogs.logits(images))
    assert replace(again, model=cats_and_dogs.model) == cats_and_dogs
    assert not again.model.training


@pytest.mark.parametrize(
    ("name", "options"),
    [("resnet18", {}), ("resnet50", {}), ("resnet18", {"stem": "cifar"}), ("resnet20", {"shortcut": "B"})],
)
def test_other_networks_come_back_as_they_were_built(name, options, tmp_path):
    model = models.build(name, 3, width=8, **options)
    made = deployment.Classifier(
        model, name, ("bow, arrow", "b", "猫"), size=40, mean=(0.1, 0.2, 0.3), std=(1.0, 0.5, 0.25)
    )
    made.save(tmp_path / "x.safetensors")
    again = deployment.Classifier.load(tmp_path / "x.safetensors")
    assert_same_bits(again.model.state_dict(), model.state_dict())
    assert replace(again, model=model) == made


def test_a_file_that_is_no_classifier_is_refused(cats_and_dogs, tmp_path):
    path = tmp_path / "pets.safetensors"
    weights.save_weights(cats_and_dogs.model, path)
    with pytest.raises(ValueError, match="not written by Classifier"):
        deployment.Classifier.load(path)
    backbone = {"classes": ["cat", "dog"], "options": {"width": 8}, "network": "resnet20"}
    weights.save_weights(cats_and_dogs.model, path, card=backbone)
    with pytest.raises(ValueError, match="its card lacks size, mean, std, temperature, threshold, flip"):
        deployment.Classifier.load(path)
    path.write_bytes(b"pets")
    with pytest.raises(ValueError, match="no safetensors file"):
        deployment.Classifier.load(path)
    with pytest.raises(FileNotFoundError, match="no classifier at"):
        deployment.Classifier.load(tmp_path / "none.safetensors")
    cats_and_dogs.save(path)
    with pytest.raises(ValueError, match="damaged or another file"):
        deployment.Classifier.load(path, sha256="0" * 64)


def test_nothing_of_the_network_is_changed_by_asking(cats_and_dogs, photo):
    cats_and_dogs.model.train()
    before = state(cats_and_dogs.model)
    cats_and_dogs.answer(content(photo, "PNG"))
    assert_same_bits(state(cats_and_dogs.model), before)
    assert cats_and_dogs.model.training


@needs_onnx
def test_onnx_gives_the_same_logits_from_the_same_pixels(cats_and_dogs, tmp_path):
    images = data.drawn_animals(5, size=32, seed=9).images
    cats_and_dogs.to_onnx(tmp_path / "pets.onnx")
    found = export.run_onnx(tmp_path / "pets.onnx", images.float())
    # onnxruntime folds BatchNorm into the convolutions: float32 rounding
    torch.testing.assert_close(found, cats_and_dogs.logits(images), rtol=1e-4, atol=1e-4)


def test_the_model_card_says_what_was_measured(cats_and_dogs):
    test = data.drawn_animals(200, size=32, seed=11)
    page = deployment.model_card(
        cats_and_dogs, test, name="Pets", trained_on="400 drawings", limits=["foxes", "photographs"]
    )
    right = (cats_and_dogs.logits(test.images).argmax(dim=1) == test.labels).double()
    assert page.startswith("# Pets\n\nTells cat, dog apart")
    assert f"| accuracy | {100 * right.mean():.1f} % (95 % interval" in page
    assert f"| accuracy on dog | {100 * right[test.labels == 1].mean():.1f} % |" in page
    assert "| on 200 images (drawn animals) | |" in page
    assert "below a probability of 0.600" in page
    assert page.endswith("## Not for\n\n- foxes\n- photographs\n")
    silent = deployment.model_card(
        replace(cats_and_dogs, threshold=1.0), test, name="Mute", trained_on="x", limits=["all"]
    )
    assert "| answers given | 0.0 % |" in silent


def test_a_card_without_limits_or_with_another_test_is_refused(cats_and_dogs):
    test = data.drawn_animals(10, size=32)
    with pytest.raises(ValueError, match="name at least one limit"):
        deployment.model_card(cats_and_dogs, test, name="x", trained_on="x", limits=[])
    other = data.drawn_animals(10, size=32, species=("fox", "owl"))
    with pytest.raises(ValueError, match=r"the test has classes \('fox', 'owl'\)"):
        deployment.model_card(cats_and_dogs, other, name="x", trained_on="x", limits=["x"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("cat",)}, "need a name for each of 2 classes"),
        ({"classes": ("cat", "cat")}, "all different"),
        ({"network": "resnet19"}, "unknown network 'resnet19'"),
        ({"network": "resnet32"}, "the model is no resnet32"),
        ({"model": models.build("resnet20", 2, in_channels=1)}, "mean and std need one value"),
        ({"model": torchvision.models.resnet18(num_classes=2)}, "must come from models.build"),
        ({"size": 4}, "size is 4"),
        ({"std": (1.0, 1.0, 0.0)}, "std above 0"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"model": models.build("resnet20", 3, width=4)}, "need a name for each of 3 classes"),
    ],
)
def test_parts_that_do_not_fit_are_refused(cats_and_dogs, change, message):
    with pytest.raises(ValueError, match=message):
        replace(cats_and_dogs, **change)


def test_images_of_another_type_or_size_are_refused(cats_and_dogs):
    for images in (
        torch.zeros(1, 3, 16, 16, dtype=torch.uint8),
        torch.zeros(1, 3, 32, 32),
        torch.zeros(0, 3, 32, 32),
    ):
        with pytest.raises(ValueError, match="images must be uint8"):
            cats_and_dogs.logits(images)


def test_the_card_in_the_file_holds_numbers_and_lists(cats_and_dogs, tmp_path):
    cats_and_dogs.save(tmp_path / "pets.safetensors")
    assert weights.card(tmp_path / "pets.safetensors") == {
        "network": "resnet20", "options": {"width": 8}, "classes": ["cat", "dog"], "size": 32,
        "mean": list(MEAN), "std": list(STD), "temperature": 1.7, "threshold": 0.6, "flip": True,
    }  # fmt: skip


def test_a_classifiers_file_is_a_backbone_too(cats_and_dogs, tmp_path):
    cats_and_dogs.save(tmp_path / "pets.safetensors")
    backbone = models.from_card(tmp_path / "pets.safetensors")
    assert_same_bits(backbone.state_dict(), cats_and_dogs.model.state_dict())


def test_a_classifier_saved_in_the_format_before_this_one_is_still_loaded(cats_and_dogs, tmp_path):
    """All settings as JSON under the key "classifier", until November 2026."""
    old = {
        "network": "resnet20", "classes": ["cat", "dog"], "size": 32, "mean": MEAN, "std": STD,
        "temperature": 1.7, "threshold": 0.6, "flip": True,
        "options": {"width": 8, "stem": "cifar", "shortcut": "A"},
    }  # fmt: skip
    state_dict = {key: value.contiguous() for key, value in cats_and_dogs.model.state_dict().items()}
    header = {"classifier": json.dumps(old)}
    safetensors.torch.save_file(state_dict, tmp_path / "pets.safetensors", metadata=header)
    again = deployment.Classifier.load(tmp_path / "pets.safetensors")
    assert replace(again, model=cats_and_dogs.model) == cats_and_dogs


# whatever can be built and saved can be loaded


def made(model, network, *, size=32, **options):
    grey = models.card_of(model, network, "abc")["options"].get("in_channels") == 1
    values = {"mean": (0.5,), "std": (0.25,)} if grey else {"mean": MEAN, "std": STD}
    return deployment.Classifier(model, network, ("a", "b", "c"), size=size, **(values | options))


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(["resnet20", "plain20", "resnet18", "resnet50", "resnext50_32x4d"]),
    width=st.sampled_from([16, 32]),
    in_channels=st.sampled_from([1, 3]),
    stem=st.sampled_from([None, "cifar", "deep", "imagenet"]),
    shortcut=st.sampled_from([None, "A", "B", "C", "D"]),
    order=st.sampled_from(list(preactivation.ORDERS)),
    se=st.sampled_from([None, 8]),
    head=st.sampled_from([0.0, 0.5]),
)
def test_every_classifier_that_can_be_built_comes_back_with_its_answers(
    name, width, in_channels, stem, shortcut, order, se, head, tmp_path_factory
):
    shortcut = None if name.startswith("plain") else shortcut
    order = "original" if name == "resnext50_32x4d" else order
    model = models.build(
        name, 5, width=width, in_channels=in_channels, stem=stem, shortcut=shortcut, order=order, se=se
    )
    model.reset_head(3, dropout=head)
    first = made(model, name, threshold=0.2, resize=36)
    path = tmp_path_factory.getbasetemp() / "x.safetensors"
    first.save(path)
    again = deployment.Classifier.load(path)
    assert replace(again, model=first.model) == first
    picture = torch.randint(0, 255, (3, 40, 50), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert again.answer(picture).probabilities == first.answer(picture).probabilities


def changed_after_building(what):
    model = models.build("resnet20", 3, width=8)
    if what == "head":
        model.fc = nn.Sequential(nn.Dropout(0.5), model.fc)
    elif what == "activation":
        model.layer1[0].relu = nn.SiLU()
    elif what == "norm":
        model.bn1 = nn.GroupNorm(2, 8)
    else:
        model.fc = nn.Linear(32, 3, bias=False)
    return model


@pytest.mark.parametrize("what", ["head", "activation", "norm", "bias"])
def test_a_network_that_its_card_could_not_build_again_is_refused(what):
    with pytest.raises(ValueError, match=r"the head must be one linear layer|was changed after it was built"):
        made(changed_after_building(what), "resnet20")


def test_a_classifier_with_weights_that_are_not_finite_neither_answers_nor_is_saved(tmp_path, photo):
    model = models.build("resnet20", 3, width=8)
    model.fc.weight.data[0, 0] = torch.nan
    broken = made(model, "resnet20")
    with pytest.raises(ValueError, match="values that are not finite"):
        broken.answer(photo)
    with pytest.raises(ValueError, match=r"not finite \(fc.weight\); not saved"):
        broken.save(tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_settings_come_as_any_numbers_and_leave_as_plain_ones(tmp_path):
    model = models.build("resnet20", 3, width=8)
    given_ = made(
        model, "resnet20", size=np.int64(32), mean=torch.tensor([0.5, 0.25, 0.5]), std=np.full(3, 0.5),
        temperature=np.float32(1.5), threshold=torch.tensor(0.5), flip=np.bool_(False),
    )  # fmt: skip
    given_.save(tmp_path / "x.safetensors")
    card = weights.card(tmp_path / "x.safetensors")
    assert (card["size"], card["mean"], card["temperature"], card["flip"]) == (
        32,
        [0.5, 0.25, 0.5],
        1.5,
        False,
    )
    assert replace(deployment.Classifier.load(tmp_path / "x.safetensors"), model=model) == given_


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": (123.7, 116.3, 103.5), "std": (58.4, 57.1, 57.4)}, "divide them by 255"),
        (
            {"std": (0.2, 1.2, 0.2)},
            "in units of 1",
        ),  # numbers in [0, 1] spread by 1/2 at most; 1 divides by nothing
        ({"mean": (0.5, -0.1, 0.5)}, "in units of 1"),
        ({"mean": ("0.5", "x", "0.5")}, "are numbers"),
        ({"classes": "cat, dog"}, "the names of the classes are texts"),
        ({"classes": (0, 1)}, "the names of the classes are texts"),
        ({"size": 31.5}, "whole numbers, got 31.5"),
        ({"resize": 16}, "resize is 16"),
        ({"mean": (0.5,), "std": (0.5,)}, "need three values"),
        ({"std": (float("nan"),) * 3}, "std above 0"),
        ({"temperature": float("nan")}, "temperature is nan"),
    ],
)
def test_settings_that_make_no_sense_are_refused(cats_and_dogs, change, message):
    with pytest.raises(ValueError, match=message):
        replace(cats_and_dogs, **change)


def test_a_half_precision_network_answers_nearly_as_the_whole_one(cats_and_dogs):
    images = data.drawn_animals(4, size=32, seed=9).images
    half = replace(cats_and_dogs, model=copy.deepcopy(cats_and_dogs.model).half())
    torch.testing.assert_close(half.logits(images), cats_and_dogs.logits(images), rtol=0.05, atol=0.05)


# whatever people hand in


WAYS_IN = {
    "Pillow's picture": lambda p: p,
    "array": np.asarray,
    "tensor": lambda p: torch.from_numpy(np.asarray(p).copy()).permute(2, 0, 1),
    "bytes": lambda p: content(p, "PNG"),
    "bytearray": lambda p: bytearray(content(p, "PNG")),
    "RGBA": lambda p: p.convert("RGBA"),
    "palette": lambda p: p.quantize(256),
    "on its side": lambda p: Image.open(io.BytesIO(turned(p))),
}


@pytest.mark.parametrize("way", WAYS_IN)
def test_the_same_picture_gets_the_same_answer_in_every_way_in(cats_and_dogs, photo, way):
    expected = cats_and_dogs.answer(content(photo if way != "palette" else photo.quantize(256), "PNG"))
    assert cats_and_dogs.answer(WAYS_IN[way](photo)) == expected


@pytest.mark.parametrize("mode", ["L", "CMYK", "YCbCr", "HSV", "LAB", "I;16", "LA", "1"])
def test_pictures_in_every_mode_of_pillow_get_an_answer_or_a_reason(cats_and_dogs, photo, mode):
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    else:
        try:
            picture = photo.convert(mode)
        except ValueError:
            pytest.skip(f"this Pillow makes no {mode}")
    answer = cats_and_dogs.answer(picture)
    grey = mode in ("L", "I;16", "LA")
    if grey:
        assert answer.probabilities == cats_and_dogs.answer(photo.convert("L").convert("RGB")).probabilities


def test_a_list_gets_an_answer_for_each(cats_and_dogs, photo, tmp_path):
    (tmp_path / "x.png").write_bytes(content(photo, "PNG"))
    batch = [photo, tmp_path / "x.png", str(tmp_path / "x.png"), photo.transpose(Image.Transpose.ROTATE_180)]
    answers = cats_and_dogs.answer(batch)
    alone = [cats_and_dogs.answer(one) for one in batch]
    for one, other in zip(answers, alone, strict=True):
        assert one.best == other.best
        assert one.probability == pytest.approx(other.probability, abs=1e-6)  # sums of another batch size
    (tmp_path / "bad.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"^bad.png: "):
        cats_and_dogs.answer([photo, tmp_path / "bad.png"])
    with pytest.raises(ValueError, match="the list of pictures is empty"):
        cats_and_dogs.answer([])


@pytest.mark.parametrize(
    ("picture", "kind", "message"),
    [
        ("https://example.org/cat.jpg", ValueError, r"cat.jpg: an address of the web; download the picture"),
        ("", ValueError, "the name of the picture's file is empty"),
        (None, TypeError, "a picture is the path of a file, .*got NoneType"),
        (7, TypeError, "got int"),
        (np.zeros((40, 40, 3), np.float32), ValueError, r"values from 0 to 255, got float32 \(40, 40, 3\)"),
        (np.zeros((2, 40, 40, 3), np.uint8), ValueError, "give several pictures as a list"),
        (np.zeros((3, 40, 40), np.uint8), ValueError, r"uint8 \(H, W\) or \(H, W, 1, 3 or 4\)"),
        (np.zeros((0, 0, 3), np.uint8), ValueError, r"got uint8 \(0, 0, 3\)"),
        (torch.zeros(3, 40, 40), ValueError, r"tensor uint8 \(1 or 3, H, W\) with values .*got float32"),
        (torch.zeros(40, 40, 3, dtype=torch.uint8), ValueError, r"got uint8 \(40, 40, 3\)"),
        (torch.zeros(40, 40, dtype=torch.uint8), ValueError, r"got uint8 \(40, 40\)"),
        (Image.new("F", (64, 64), 0.5), ValueError, r"32-bit values|no known range|a single colour"),
        (b"", ValueError, "^the picture: "),
        (["x.png", None], (TypeError, ValueError), r"x.png: the file is missing"),
    ],
)
def test_what_is_no_picture_is_refused_with_what_is_allowed(cats_and_dogs, picture, kind, message):
    with pytest.raises(kind, match=message):
        cats_and_dogs.answer(picture)


def test_a_picture_of_pillows_that_is_damaged_is_refused(cats_and_dogs):
    damaged = Image.open(io.BytesIO(content(noise(), "JPEG")[:2000]))
    with pytest.raises(ValueError, match=r"^the picture: damaged: "):
        cats_and_dogs.answer(damaged)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(0, 40), min_size=0, max_size=4),
    dtype=st.sampled_from(["uint8", "float32", "int64", "bool", "uint16"]),
    as_tensor=st.booleans(),
)
def test_an_array_gets_an_answer_or_a_value_error(cats_and_dogs, shape, dtype, as_tensor):
    array = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    answer = None
    with contextlib.suppress(ValueError):
        answer = cats_and_dogs.answer(torch.from_numpy(np.array(array)) if as_tensor else array)
    assert answer is None or sum(answer.probabilities.values()) == pytest.approx(1)


# grey networks, and pictures that are larger than what is looked at


def test_a_grey_network_sees_colour_pictures_in_grey(photo, tmp_path):
    grey = made(models.build("resnet20", 3, width=8, in_channels=1), "resnet20")
    shown = np.asarray(photo.convert("L").resize((32, 32), Image.Resampling.BILINEAR))
    assert grey.channels == 1
    colours = torch.from_numpy(np.asarray(photo.resize((32, 32), Image.Resampling.BILINEAR)).copy())
    as_grey = inputs.with_channels(colours.permute(2, 0, 1)[None], 1)
    expected = np.asarray(Image.fromarray(colours.numpy()).convert("L"))
    assert np.array_equal(as_grey[0, 0].numpy(), expected), "Pillow's grey"
    assert abs(expected.astype(int) - shown.astype(int)).max() <= 1, "grey first or small first: rounding"
    torch.testing.assert_close(grey.logits(colours.permute(2, 0, 1)[None]), grey.logits(as_grey))
    test = data.drawn_animals(6, size=32, species=("fox", "owl", "bear"))
    test = replace(test, classes=("a", "b", "c"))
    assert "accuracy" in deployment.model_card(grey, test, name="x", trained_on="x", limits=["all"])


@needs_onnx
def test_a_grey_network_is_exported_with_one_channel(tmp_path):
    grey = made(models.build("resnet20", 3, width=8, in_channels=1), "resnet20")
    grey.to_onnx(tmp_path / "x.onnx")
    images = torch.randint(0, 255, (2, 1, 32, 32)).to(torch.uint8)
    found = export.run_onnx(tmp_path / "x.onnx", images.float())
    torch.testing.assert_close(found, grey.logits(images), rtol=1e-4, atol=1e-4)


def test_the_middle_of_the_scaled_square_is_looked_at(cats_and_dogs):
    """As torchvision's weights want it: the shorter side to ``resize``, then the centre is cut."""
    picture = Image.effect_noise((300, 300), 90).convert("RGB")
    judge = replace(cats_and_dogs, resize=40)
    chain = transforms.Compose([transforms.Resize(40), transforms.CenterCrop(32), transforms.PILToTensor()])
    expected = judge.logits(chain(picture)[None])[0].double().softmax(dim=0)
    assert list(judge.answer(picture).probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_classifiers_file_without_the_later_settings_is_loaded(cats_and_dogs, tmp_path):
    replace(cats_and_dogs, resize=40).save(tmp_path / "new.safetensors")
    assert weights.card(tmp_path / "new.safetensors")["resize"] == 40
    assert deployment.Classifier.load(tmp_path / "new.safetensors").resize == 40
    cats_and_dogs.save(tmp_path / "old.safetensors")
    assert "resize" not in weights.card(tmp_path / "old.safetensors")
    assert deployment.Classifier.load(tmp_path / "old.safetensors").resize is None


def test_old_cards_with_texts_for_numbers_give_numbers(tmp_path):
    net = models.build("resnet20", 2, width=4)
    header = {"network": "resnet20", "width": "4", "classes": "cat, dog", "mean": "0.485, 0.456, 0.406"}
    safetensors.torch.save_file(net.state_dict(), tmp_path / "w.safetensors", metadata=header)
    assert weights.card(tmp_path / "w.safetensors")["mean"] == list(MEAN)


def test_the_card_counts_mistakes_among_the_given_answers_only(cats_and_dogs):
    test = data.drawn_animals(200, size=32, seed=11)
    logits = cats_and_dogs.logits(test.images)
    sure = logits.double().softmax(dim=1).amax(dim=1)
    judge_ = replace(cats_and_dogs, threshold=sure.median().item())
    right = logits.argmax(dim=1) == test.labels
    among = 100 * (~right)[sure >= judge_.threshold].double().mean()
    assert abs(among - 100 * (~right).double().mean()) > 0.2, "the two would be printed alike"
    page = deployment.model_card(judge_, test, name="x", trained_on="x", limits=["all"])
    assert re.search(rf"answers given \| 50\.\d %, {among:.1f} % of them wrong", page), page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("", "b")}, "are texts"),
        ({"flip": "no"}, "flip must be True or False"),
        ({"size": float("inf")}, "are numbers"),
    ],
)
def test_settings_that_would_be_read_as_something_else_are_refused(change, message):
    parts = {"classes": ("a", "b"), "size": 32, "mean": (0.5,) * 3, "std": (0.2,) * 3} | change
    with pytest.raises(ValueError, match=message):
        deployment.Classifier(models.build("resnet20", 2), "resnet20", **parts)


def test_grey_is_made_of_bytes_and_a_part_is_no_larger_than_its_picture():
    with pytest.raises(ValueError, match=r"images must be uint8 \(N, 1 or 3, H, W\), got torch.float32"):
        inputs.with_channels(torch.rand(2, 3, 8, 8), 1)
    with pytest.raises(ValueError, match="resize must be at least 16 pixels, as size, got 8"):
        inputs.pixels_of(np.zeros((20, 20, 3), np.uint8), 16, resize=8)
