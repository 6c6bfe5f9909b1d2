"""The lanes give the same kind of split, the loader the same batches, and a missing lane says so."""

import functools
import gzip
import hashlib
import http.server
import os
import socket
import struct
import tarfile
import threading
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resnet_utils import data
from resnet_utils.data import datasets as datasets_module
from resnet_utils.data import synthetic
from resnet_utils.files import downloads

URLOPEN = urllib.request.urlopen
REAL = data.data_folder()  # before the tests below change the environment
needs_data = pytest.mark.skipif(
    REAL is None, reason="RESNET_BOOK_DATA is not set: the real files are not here"
)


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """No data folder, no permission to download, an empty cache, and no network."""

    def refuse(*arguments, **options):
        raise AssertionError("a test tried to reach the network")

    for name in ("RESNET_BOOK_DATA", "RESNET_BOOK_DOWNLOAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.fixture
def given(monkeypatch, tmp_path):
    """A data folder of the reader's, still empty."""
    folder = tmp_path / "given"
    folder.mkdir()
    monkeypatch.setenv("RESNET_BOOK_DATA", str(folder))
    return folder


def save_picture(path, color=(200, 10, 10), size=32):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size, size), color).save(path)


# The data folder


def test_without_the_variable_there_is_no_folder():
    assert data.data_folder() is None


def test_absolute_folder_is_found(given):
    assert data.data_folder() == given.resolve()


def test_relative_folder_counts_from_here_then_from_the_project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESNET_BOOK_DATA", "tests")
    assert data.data_folder() == Path(__file__).parents[1].resolve()
    (tmp_path / "tests").mkdir()
    assert data.data_folder() == (tmp_path / "tests").resolve()


def test_missing_folder_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESNET_BOOK_DATA", "no/such")
    with pytest.raises(FileNotFoundError, match=r"'no/such', but there is no folder .*no/such and .*no/such"):
        data.data_folder()


def test_the_variable_is_read_in_one_place():
    package = Path(data.__file__).parents[1]
    readers = [
        p.name for p in package.rglob("*.py") if 'get("RESNET_BOOK_DATA"' in p.read_text(encoding="utf-8")
    ]
    assert readers == ["datasets.py"]


# Drawn animals


def test_drawn_split_is_the_drawing():
    split, made = data.drawn_animals(6, size=16, seed=2), synthetic.draw(6, size=16, seed=2)
    np.testing.assert_array_equal(split.images.numpy(), made.images)
    assert split.labels.tolist() == made.labels.tolist()
    assert (split.classes, split.source) == (synthetic.PETS, "drawn animals")


def test_gray_drawing_has_the_brightness_of_the_colored_one():
    gray, color = (data.drawn_animals(8, size=16, gray=g).images for g in (True, False))
    pillow = [np.asarray(Image.fromarray(i.permute(1, 2, 0).numpy()).convert("L")) for i in color]
    assert abs(gray[:, 0].int() - torch.from_numpy(np.stack(pillow)).int()).max() <= 1  # rounding


def test_labels_can_leave_room_for_another_task():
    split = data.drawn_animals(8, size=16, first_label=8)
    assert set(split.labels.tolist()) == {8, 9}
    assert (len(split.classes), split.classes[8]) == (10, "cat")


# Lanes


def test_bare_machine_gets_drawn_pets_and_a_line(capsys):
    train, valid = data.cats_vs_dogs(size=8)
    assert (train.images.shape, valid.images.shape) == ((2000, 3, 8, 8), (1000, 3, 8, 8))
    assert train.labels.bincount().tolist() == [1000, 1000]
    assert train.source == valid.source == "drawn animals"
    assert not {i.numpy().tobytes() for i in train.images} & {i.numpy().tobytes() for i in valid.images}
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert "drawn cats and dogs" in told
    assert "RESNET_BOOK_DATA" in told
    assert "RESNET_BOOK_DOWNLOAD=1" in told


def test_bare_machine_gets_ten_gray_species_instead_of_clothes(capsys):
    train, test = data.fashion_mnist()
    assert (train.images.shape, test.images.shape) == ((6000, 1, 28, 28), (1000, 1, 28, 28))
    assert train.labels.bincount().tolist() == [600] * 10
    assert train.classes == synthetic.SPECIES
    assert "ten species of drawn animals" in capsys.readouterr().out


def test_bare_machine_has_no_cifar_and_says_so(capsys):
    assert data.cifar10() == (None, None)
    told = capsys.readouterr().out
    assert "No CIFAR-10 here" in told
    assert "cifar10/train and cifar10/test" in told


def test_given_photographs_are_used_without_a_word(given, capsys):
    for part, number in (("train", 3), ("val", 2)):
        for label, name in enumerate(("cat", "dog")):
            for k in range(number):
                save_picture(given / "cats_vs_dogs" / part / name / f"{k}.jpg", (label * 200, 0, 0), size=50)
    train, valid = data.cats_vs_dogs(size=16)
    assert (train.images.shape, valid.images.shape) == ((6, 3, 16, 16), (4, 3, 16, 16))
    assert train.classes == ("cat", "dog")
    assert (train.images[:3, 0] < 20).all()
    assert (train.images[3:, 0] > 180).all()
    assert train.source == "photographs"
    assert capsys.readouterr().out == ""


def test_bad_photographs_are_counted_in_a_line(given, capsys):
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            save_picture(given / "cats_vs_dogs" / part / name / "1.jpg")
    (given / "cats_vs_dogs" / "train" / "cat" / "666.jpg").write_bytes(b"")
    train, _ = data.cats_vs_dogs(size=16)
    assert [name for name, _ in train.quarantine] == ["cat/666.jpg"]
    assert "1 files are no pictures" in capsys.readouterr().out


def test_oxford_lists_decide_what_is_a_cat(given):
    lists = {
        "trainval": "# comment\nAbyssinian_1 1 1 1\nbeagle_2 5 2 1\n",
        "test": "Bengal_3 6 1 2\npug_4 26 2 20\n",
    }
    (given / "oxford-iiit-pet" / "annotations").mkdir(parents=True)
    for part, text in lists.items():
        (given / "oxford-iiit-pet" / "annotations" / f"{part}.txt").write_text(text, encoding="utf-8")
    for name in ("Abyssinian_1", "beagle_2", "Bengal_3", "pug_4", "unlisted_5"):
        save_picture(given / "oxford-iiit-pet" / "images" / f"{name}.jpg")
    train, valid = data.cats_vs_dogs(size=16)
    assert (train.names, train.labels.tolist()) == (("Abyssinian_1.jpg", "beagle_2.jpg"), [0, 1])
    assert (valid.names, valid.labels.tolist()) == (("Bengal_3.jpg", "pug_4.jpg"), [0, 1])


def test_cifar_pixels_come_through_unchanged_and_a_missing_part_is_told(given, capsys):
    dice = np.random.Generator(np.random.PCG64(0))
    pixels = dice.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    for image, name in zip(pixels, ("airplane/00007.png", "ship/00001.png"), strict=True):
        save_picture(given / "cifar10" / "test" / name)
        Image.fromarray(image).save(given / "cifar10" / "test" / name)
    train, split = data.cifar10()
    np.testing.assert_array_equal(split.images.numpy(), pixels.transpose(0, 3, 1, 2))
    assert (split.names, split.source) == (("airplane/00007.png", "ship/00001.png"), "CIFAR-10")
    assert train is None
    told = capsys.readouterr().out
    assert told.startswith("No cifar10/train here: using nothing.")
    assert told.count("\n") == 1


def test_cifar_comes_whole_from_a_download(monkeypatch):
    """As torchvision keeps it: pixels (N, 32, 32, 3), read once for each part."""
    from torchvision import datasets

    class Stored:
        classes = ("airplane", "ship")

        def __init__(self, root, *, train=True, download=False):
            Path(root).mkdir(parents=True, exist_ok=True)
            self.data = np.full((4 if train else 2, 32, 32, 3), (1, 2, 3), dtype=np.uint8)
            self.targets = [0, 1] * (2 if train else 1)

    monkeypatch.setattr(datasets, "CIFAR10", Stored)
    train, test = data.cifar10(download=True)
    assert (train.images.shape, test.images.shape) == ((4, 3, 32, 32), (2, 3, 32, 32))
    assert test.images[0, :, 5, 5].tolist() == [1, 2, 3]
    assert train.labels.tolist() == [0, 1, 0, 1]


def write_fashion(raw, number=5):
    """Files in the format of Fashion-MNIST: big-endian header, then bytes. Image k is filled with k."""
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        images = np.repeat(np.arange(number, dtype=np.uint8), 28 * 28).tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 0x803, number, 28, 28) + images)
        labels = np.arange(number, dtype=np.uint8).tobytes()
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, number) + labels)


def test_given_fashion_mnist_is_read(given, capsys):
    write_fashion(given / "FashionMNIST" / "raw")
    train, test = data.fashion_mnist()
    assert (train.images.shape, test.images.shape) == ((5, 1, 28, 28),) * 2
    assert train.images[:, 0, 3, 3].tolist() == train.labels.tolist() == [0, 1, 2, 3, 4]
    assert (train.classes[9], train.source) == ("Ankle boot", "Fashion-MNIST")
    assert capsys.readouterr().out == ""


def test_download_is_made_once_and_only_when_allowed(monkeypatch, tmp_path):
    from torchvision import datasets

    calls, timeouts = [], []

    def fetch(self):
        calls.append(self.root)
        timeouts.append(socket.getdefaulttimeout())
        if not self._check_exists():
            write_fashion(Path(self.raw_folder))

    monkeypatch.setattr(datasets.FashionMNIST, "download", fetch)
    monkeypatch.setenv("RESNET_BOOK_DOWNLOAD", "0")
    with monkeypatch.context() as quick:
        quick.setattr(datasets_module, "drawn_animals", lambda count, **options: f"{count} drawings")
        assert data.fashion_mnist() == ("6000 drawings", "1000 drawings")
    assert calls == []
    monkeypatch.setenv("RESNET_BOOK_DOWNLOAD", "1")
    assert data.fashion_mnist()[0].source == "Fashion-MNIST"
    assert data.fashion_mnist(download=True)[0].source == "Fashion-MNIST"
    assert len(calls) == 1
    assert os.listdir(downloads.cache_folder()) == ["FashionMNIST"]
    assert 0 < timeouts[0] <= 60, "a server that falls silent is not waited for"
    assert socket.getdefaulttimeout() is None, "what else this process connects to keeps its own patience"


@pytest.fixture
def oxford(monkeypatch, tmp_path):
    """Oxford's two archives, small, where torchvision fetches them: on loopback instead of in Oxford."""
    from torchvision import datasets

    made = tmp_path / "oxford"
    lists = {"trainval": "Abyssinian_1 1 1 1\nbeagle_2 5 2 1\n", "test": "Bengal_3 6 1 2\npug_4 26 2 20\n"}
    (made / "annotations").mkdir(parents=True)
    for part, text in lists.items():
        (made / "annotations" / f"{part}.txt").write_text(text, encoding="utf-8")
    for k, name in enumerate(("Abyssinian_1", "beagle_2", "Bengal_3", "pug_4")):
        save_picture(made / "images" / f"{name}.jpg", color=(50 * k, 100, 30), size=64)
    resources = []
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(made))
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    for name in ("images", "annotations"):
        with tarfile.open(made / f"{name}.tar.gz", "w:gz") as archive:
            archive.add(made / name, arcname=name)
        digest = hashlib.md5((made / f"{name}.tar.gz").read_bytes()).hexdigest()
        resources.append((f"http://127.0.0.1:{server.server_port}/{name}.tar.gz", digest))
    monkeypatch.setattr(datasets.OxfordIIITPet, "_RESOURCES", tuple(resources))
    monkeypatch.setattr("urllib.request.urlopen", URLOPEN)  # for this machine itself
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_oxford_comes_by_download_as_torchvision_unpacks_it_and_stays(oxford, monkeypatch):
    monkeypatch.setenv("RESNET_BOOK_DOWNLOAD", "1")
    train, valid = data.cats_vs_dogs(size=16)
    assert (train.names, train.labels.tolist()) == (("Abyssinian_1.jpg", "beagle_2.jpg"), [0, 1])
    assert (valid.names, valid.labels.tolist()) == (("Bengal_3.jpg", "pug_4.jpg"), [0, 1])
    assert train.source == valid.source == "photographs (Oxford-IIIT Pet)"
    oxford.shutdown()
    again, _ = data.cats_vs_dogs(size=16)  # without asking anybody
    assert torch.equal(again.images, train.images)


def test_failed_download_says_why_and_leaves_nothing(monkeypatch):
    from torchvision import datasets

    def fetch(self):
        Path(self.raw_folder).mkdir(parents=True)
        Path(self.raw_folder, "half.gz").write_bytes(gzip.compress(b"half"))
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr(datasets.FashionMNIST, "download", fetch)
    with pytest.raises(ConnectionError, match=r"could not download FashionMNIST .*train-images"):
        data.fashion_mnist(download=True)
    assert os.listdir(downloads.cache_folder()) == []


# The real files


@needs_data
def test_real_photographs_are_read_as_torchvision_lists_them(monkeypatch):
    from torchvision.datasets import ImageFolder

    monkeypatch.setenv("RESNET_BOOK_DATA", str(REAL))
    valid = data.image_folder(REAL / "cats_vs_dogs" / "val", size=64)
    listed = ImageFolder(REAL / "cats_vs_dogs" / "val")
    root = f"{REAL / 'cats_vs_dogs' / 'val'}{os.sep}"
    assert [(n, k) for n, k in zip(valid.names, valid.labels.tolist(), strict=True)] == [
        (path.removeprefix(root).replace(os.sep, "/"), label) for path, label in listed.samples
    ]
    assert valid.quarantine == ()
    for k in (0, 499, 700):
        image = listed[k][0]
        side = min(image.size)
        box = ((image.width - side) // 2, (image.height - side) // 2)
        slow = image.crop((*box, box[0] + side, box[1] + side)).resize((64, 64), Image.Resampling.BILINEAR)
        error = np.abs(np.asarray(slow).transpose(2, 0, 1) - valid.images[k].numpy().astype(int))
        assert error.mean() < 0.5  # at the edge of the square, scaling looks a pixel beyond it


@needs_data
def test_real_fashion_mnist_is_complete(monkeypatch):
    monkeypatch.setenv("RESNET_BOOK_DATA", str(REAL))
    train, test = data.fashion_mnist()
    assert (train.images.shape, test.images.shape) == ((60000, 1, 28, 28), (10000, 1, 28, 28))
    assert train.labels.bincount().tolist() == [6000] * 10
    (mean,), (std,) = data.mean_std(train)
    assert (round(mean, 4), round(std, 4)) == (0.2860, 0.3530)  # as widely published


@needs_data
def test_real_cifar_pixels_are_the_files(monkeypatch):
    monkeypatch.setenv("RESNET_BOOK_DATA", str(REAL))
    train, split = data.cifar10()
    assert (len(train), len(split)) == (8068, 1017)
    assert train.classes == split.classes
    assert split.classes == tuple("airplane automobile bird cat deer dog frog horse ship truck".split())  # noqa: SIM905
    for k in (0, 500, 1016):
        stored = np.asarray(Image.open(REAL / "cifar10" / "test" / split.names[k]))
        np.testing.assert_array_equal(split.images[k].numpy(), stored.transpose(2, 0, 1))


@needs_data
def test_real_oxford_pets_are_read_where_nothing_else_is(monkeypatch, given):
    (given / "oxford-iiit-pet").symlink_to(REAL / "oxford-iiit-pet")
    train, valid = data.cats_vs_dogs(size=16)
    assert len(train) + len(valid) == 598
    assert all(
        (name[0].isupper()) == (label == 0) for name, label in zip(valid.names, valid.labels, strict=True)
    )


# One part, and two parts that do not fit


def test_one_part_of_cifar10_leaves_the_other_unread(given, capsys):
    for part in ("train", "test"):
        for name in ("airplane", "bird"):
            save_picture(given / "cifar10" / part / name / "0.png")
    (given / "cifar10" / "train" / "bird" / "0.png").write_bytes(b"no picture: reading it would be an error")
    train, test = data.cifar10(only="test")
    assert train is None
    assert test.classes == ("airplane", "bird")
    assert capsys.readouterr().out == ""  # what was not asked for is not missed
    with pytest.raises(ValueError, match='only must be "train", "test" or None, got \'val\''):
        data.cifar10(only="val")


@pytest.mark.parametrize(("name", "load"), [("cifar10", data.cifar10), ("cats_vs_dogs", data.cats_vs_dogs)])
def test_parts_with_other_classes_are_refused(given, name, load):
    second = {"cifar10": "test", "cats_vs_dogs": "val"}[name]
    for path in ("train/cat", "train/dog", f"{second}/cat", f"{second}/dogs"):
        save_picture(given / name / path / "0.png")
    with pytest.raises(ValueError, match=r"have different classes.*\['dog'\] only in .*\['dogs'\] only in"):
        load()
