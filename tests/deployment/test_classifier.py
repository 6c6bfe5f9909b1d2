"""Tests of ``resnet_utils.classifier``: every odd file ends in the right answer or in a clear error."""

import io
import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
import torchvision
from bits import assert_same_bits, state
from PIL import Image

from resnet_utils import data, deployment, evaluation, models, training
from resnet_utils.data import synthetic
from resnet_utils.deployment import export
from resnet_utils.evaluation import calibration
from resnet_utils.files import weights

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
        ({"model": models.build("resnet20", 2, in_channels=1)}, "3 channels, but the network takes 1"),
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
