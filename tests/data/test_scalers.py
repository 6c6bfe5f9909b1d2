"""The faster scaling gives the usual pixels within a stated tolerance, and bytes go to the network."""

import io

import numpy as np
import pytest
import torch
import torchvision
from bits import used
from PIL import Image, ImageFile

from resnet_utils import data, evaluation, finetuning, models, training

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def encoded(pixels, *, kind="JPEG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def picture(height=90, width=130, *, channels=3):
    """Smooth, with some noise, as photographs are."""
    rows, columns = np.mgrid[:height, :width]
    waves = [np.sin(rows / 17) * np.cos(columns / length) for length in (11, 13, 19)]
    noise = np.random.default_rng(5).normal(0, 6, (height, width, 3))
    noisy = np.clip(128 + 60 * np.stack(waves, axis=2) + noise, 0, 255).astype(np.uint8)
    return noisy if channels == 3 else noisy[..., 0]


def both(content, size):
    return [data.read_picture(content, size, scaler=name).astype(int) for name in ("pillow", "torch")]


@pytest.mark.parametrize("quality", [60, 95])
@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_that_are_not_scaled_are_the_same(quality, channels):
    one, other = both(encoded(picture(channels=channels), quality=quality), 90)
    assert np.array_equal(one, other)


def test_an_ordinary_jpeg_is_decoded_by_torchvision_alone_and_cut_at_the_same_place(monkeypatch):
    content = encoded(picture(), quality=90)
    by_pillow = [data.read_picture(content, 45, share=0.5), data.read_picture(content, 90)]
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda image: pytest.fail("Pillow decodes it"))
    for expected, options in zip(by_pillow, ({"size": 45, "share": 0.5}, {"size": 90}), strict=True):
        assert np.array_equal(data.read_picture(content, **options, scaler="torch"), expected)


def test_what_torchvision_cannot_decode_is_decoded_by_pillow(monkeypatch):
    def unable(*_, **__):
        raise RuntimeError("decode_jpeg: torchvision not compiled with libjpeg support")

    content = encoded(picture(), quality=90)
    expected = data.read_picture(content, 40, scaler="torch")
    monkeypatch.setattr(torchvision.io, "decode_jpeg", unable)
    assert np.array_equal(data.read_picture(content, 40, scaler="torch"), expected)


@pytest.mark.parametrize("size", [30, 64, 80])
def test_scaled_down_they_differ_by_one_step_at_most_inside(size):
    one, other = both(encoded(picture(), quality=90), size)
    assert other.shape == (3, size, size)
    assert np.abs(one - other)[:, 1:-1, 1:-1].max() <= 1  # both round sums of weights in fixed point
    assert np.abs(one - other).max() <= 12  # at the edge Pillow looks across it


def test_scaled_up_they_differ_where_pillow_looks_across_the_edge_only():
    one, other = both(encoded(picture(), quality=90), 180)
    assert np.abs(one - other)[:, 3:-3, 3:-3].max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_turned_by_both(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    one, other = both(encoded(picture(), exif=exif.tobytes()), 90)
    assert np.array_equal(one, other)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "WEBP", "CMYK"])
def test_every_kind_of_file_is_read_by_both(kind):
    file = io.BytesIO()
    image = Image.fromarray(picture())
    if kind == "CMYK":
        image.convert("CMYK").save(file, "JPEG")
    else:
        image.save(file, kind)
    one, other = both(file.getvalue(), 50)
    assert np.abs(one - other)[:, 1:-1, 1:-1].max() <= 1


def test_a_large_jpeg_is_decoded_at_a_fraction_by_both():
    one, other = both(encoded(picture(900, 900), quality=90), 50)
    assert np.abs(one - other)[:, 1:-1, 1:-1].max() <= 1


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[: len(content) // 2], "damaged: image file is truncated"),
        (lambda content: b"", "the file is empty"),
        (lambda content: b"\xff\xd8\xff" + bytes(200) + b"\xff\xd9", "damaged"),
        (lambda content: b"<html>", "an HTML page"),
    ],
)
def test_damaged_files_are_refused_in_the_same_words(damage, message):
    content = damage(encoded(picture()))
    said = []
    for scaler in ("pillow", "torch"):
        with pytest.raises(ValueError, match=message) as refused:
            data.read_picture(content, 40, scaler=scaler)
        said.append(str(refused.value))
    assert said[0] == said[1]


def test_a_picture_that_is_too_small_is_refused_by_both():
    for scaler in ("pillow", "torch"):
        with pytest.raises(ValueError, match="only 130 x 90 pixels; at least 100"):
            data.read_picture(encoded(picture()), 40, smallest=100, scaler=scaler)


@pytest.mark.parametrize("wrong", ["PIL", "", None, 1])
def test_another_scaler_is_refused(tmp_path, wrong):
    folder(tmp_path)
    message = "scaler must be one of pillow, torch, got"
    with pytest.raises(ValueError, match=message):
        data.read_picture(encoded(picture()), 40, scaler=wrong)
    for read in (data.image_folder, data.image_folder_on_disk):
        with pytest.raises(ValueError, match=message):
            read(tmp_path, size=32, scaler=wrong)


def folder(root):
    for number, kind in enumerate(("cat", "dog")):
        (root / kind).mkdir()
        for place in range(2):
            (root / kind / f"{place}.jpg").write_bytes(encoded(picture(60 + 10 * place, 80 + 5 * number)))
    return root


def test_a_folder_is_scaled_as_it_is_told(tmp_path):
    root = folder(tmp_path)
    held = data.image_folder(root, size=32, scaler="torch")
    lying = data.image_folder_on_disk(root, size=32, scaler="torch")
    usual = data.image_folder(root, size=32)
    assert torch.equal(lying.in_memory().images, held.images)
    difference = (held.images.int() - usual.images.int()).abs()
    assert difference.max() > 0, "torch is really asked"
    assert difference[:, :, 1:-1, 1:-1].max() <= 1
    assert lying.subset([1]).scaler == "torch"


def test_a_training_does_not_go_on_with_another_scaler(tmp_path):
    (tmp_path / "pictures").mkdir()
    root, file = folder(tmp_path / "pictures"), tmp_path / "run.pt"
    for epochs, scaler in ((1, "torch"), (2, "torch"), (3, "pillow")):
        torch.manual_seed(0)
        model = models.build("resnet20", 2, width=4)
        batches = data.loader(data.image_folder_on_disk(root, size=16, scaler=scaler), 2)
        train = {
            "epochs": epochs,
            "optimizer": training.sgd(model, 0.01),
            "checkpoint": file,
            "progress": False,
        }
        if scaler == "torch":
            training.fit(model, batches, **train)
        else:
            with pytest.raises(
                ValueError, match="how the images are scaled is torch in the file, missing here"
            ):
                training.fit(model, batches, **train)


@pytest.fixture
def split():
    return data.drawn_animals(8, size=32, seed=3)


def pixel_network(split):
    torch.manual_seed(0)
    net = used(models.build("resnet20", len(split.classes), width=4))
    return net, models.fold_normalization(net, MEAN, STD)


def test_bytes_reach_a_network_of_pixels_and_give_the_same_answers(split):
    net, folded = pixel_network(split)
    floats = data.loader(split, 4, mean=MEAN, std=STD)
    pixels = data.loader(split, 4, as_bytes=True)
    assert next(iter(pixels))[0].dtype == torch.uint8
    # Twenty layers in float32, whose first one adds up numbers up to 255.
    close = {"rtol": 1e-4, "atol": 1e-4}
    expected, found = evaluation.predict(net, floats), evaluation.predict(folded, pixels)
    torch.testing.assert_close(found[0], expected[0], **close)
    assert torch.equal(found[1], expected[1])
    assert evaluation.evaluate(folded, pixels) == pytest.approx(evaluation.evaluate(net, floats), rel=1e-4)
    features = [finetuning.cached_features(*each)[0] for each in ((net, floats), (folded, pixels))]
    torch.testing.assert_close(features[1], features[0], **close)


def test_bytes_are_augmented_and_ordered_as_floats_are(split):
    how = {"shuffle": True, "seed": 5}
    floats = data.loader(split, 4, augment=data.RandomHorizontalFlip(seed=1), **how)
    pixels = data.loader(split, 4, augment=data.RandomHorizontalFlip(seed=1), as_bytes=True, **how)
    for (one, labels), (other, same) in zip(floats, pixels, strict=True):
        assert torch.equal(other.float().div_(255), one)
        assert torch.equal(labels, same)


def test_bytes_are_refused_by_a_network_of_floats(split):
    net, _ = pixel_network(split)
    with pytest.raises(ValueError, match="images must be float, got uint8"):
        evaluation.predict(net, data.loader(split, 4, as_bytes=True))


def test_bytes_cannot_be_normalized_by_the_loader(split):
    with pytest.raises(ValueError, match="give mean and std to fold_normalization"):
        data.loader(split, 4, mean=MEAN, std=STD, as_bytes=True)
    with pytest.raises(ValueError, match="as_bytes must be True or False"):
        data.loader(split, 4, as_bytes="yes")


@pytest.mark.parametrize("scaler", ["pillow", "torch"])
@pytest.mark.parametrize(("height", "width"), [(256, 341), (400, 256), (256, 256), (257, 256), (256, 259)])
def test_a_share_of_224_of_256_is_torchvisions_cut(scaler, height, width):
    from torchvision import transforms

    content = encoded(picture(height, width), quality=95)  # shorter side 256: nothing is scaled
    usual = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])
    expected = np.asarray(usual(Image.open(io.BytesIO(content)))).transpose(2, 0, 1)
    found = data.read_picture(content, 224, scaler=scaler, share=224 / 256)
    assert np.array_equal(found, expected)


def test_a_share_is_cut_out_before_it_is_scaled():
    pixels = np.zeros((100, 140, 3), dtype=np.uint8)
    pixels[25:75, 45:95] = 255  # the middle half of the square
    inside = [
        data.read_picture(encoded(pixels, kind="PNG"), 20, scaler=s, share=0.5) for s in ("pillow", "torch")
    ]
    assert inside[1].min() == 255, "torch sees nothing beyond the cut"
    assert inside[0][:, 1:-1, 1:-1].min() == 255


def test_a_folder_hands_the_share_on(tmp_path):
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "a.jpg").write_bytes(encoded(picture(), quality=90))
    expected = torch.from_numpy(data.read_picture(tmp_path / "cat" / "a.jpg", 32, share=0.5).copy())
    in_memory = data.image_folder(tmp_path, size=32, share=0.5)
    on_disk = data.image_folder_on_disk(tmp_path, size=32, share=0.5)
    assert torch.equal(in_memory.images[0], expected)
    assert torch.equal(on_disk.images_at([0])[0], expected)


@pytest.mark.parametrize("share", [0, -1, 1.01, float("nan"), "half", None])
def test_what_is_no_share_is_refused(share):
    with pytest.raises((ValueError, TypeError), match="share"):
        data.read_picture(encoded(picture()), 20, share=share)
