"""Pictures on disk give the batches of those in memory, bit for bit, and name the file that fails."""

import numpy as np
import pytest
import torch
from odd_pictures import content
from PIL import Image

from resnet_utils import data

fork_is_fine = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"
)
SIZE = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Noise in odd sizes and formats, 9 cats and 6 dogs, and one file that is no picture."""
    root, dice = tmp_path_factory.mktemp("animals"), np.random.Generator(np.random.PCG64(0))
    for k in range(15):
        path = root / ("cat" if k < 9 else "dog") / f"{k:02}.{('jpg', 'png', 'webp')[k % 3]}"
        path.parent.mkdir(exist_ok=True)
        noise = dice.integers(0, 256, (20 + k, 30, 3), dtype=np.uint8)
        path.write_bytes(content(Image.fromarray(noise), ("JPEG", "PNG", "WEBP")[k % 3]))
    (root / "dog" / "notes.jpg").write_bytes(b"rex")
    return root


@pytest.fixture(scope="module")
def both(folder):
    options = {"size": SIZE, "strict": False}
    return data.image_folder(folder, **options), data.image_folder_on_disk(folder, **options)


def epochs(split, *, num_workers):
    augment = data.Compose([data.RandomCrop(padding=2, seed=1), data.RandomHorizontalFlip(seed=2)])
    mean, std = data.mean_std(split)
    options = {"augment": augment, "mean": mean, "std": std, "num_workers": num_workers}
    loader = data.loader(split, 4, shuffle=True, seed=3, **options)
    return [torch.cat(parts) for _ in range(2) for parts in zip(*loader, strict=True)]


@fork_is_fine
@pytest.mark.parametrize("num_workers", [0, 2])
def test_batches_are_those_of_the_split_in_memory_bit_for_bit(both, num_workers):
    in_memory, on_disk = (epochs(split, num_workers=num_workers) for split in both)
    assert all(torch.equal(one, two) for one, two in zip(in_memory, on_disk, strict=True))


def test_it_says_what_the_split_in_memory_says(both):
    in_memory, on_disk = both
    assert data.mean_std(in_memory) == data.mean_std(on_disk)
    for name in ("names", "classes", "quarantine", "ignored", "source", "shape", "device"):
        assert getattr(in_memory, name) == getattr(on_disk, name), name
    assert on_disk.take(3, seed=5).names == in_memory.take(3, seed=5).names
    assert on_disk.subset([14, 0]).names == in_memory.subset([14, 0]).names
    assert torch.equal(on_disk.in_memory().images, in_memory.images)
    assert torch.equal(on_disk.labels, in_memory.labels)


@pytest.mark.parametrize("read", [data.image_folder, data.image_folder_on_disk])
def test_a_bad_file_is_an_error_unless_it_may_be_left_out(folder, read):
    with pytest.raises(ValueError, match=r"1 files in .*(?s:.*)dog/notes.jpg: no picture"):
        read(folder, size=SIZE)


@fork_is_fine
@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_file_that_breaks_later_is_named(folder, tmp_path, num_workers):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes((folder / "cat" / "01.png").read_bytes())
    split = data.image_folder_on_disk(tmp_path, size=SIZE)
    (tmp_path / "dog" / "0.png").unlink()
    with pytest.raises(ValueError, match=r"dog.0\.png: the file is missing .*thorough=True"):
        list(data.loader(split, 2, num_workers=num_workers))


def test_only_a_thorough_look_sees_damage_inside_a_jpeg(tmp_path):
    noise = np.random.Generator(np.random.PCG64(1)).integers(0, 256, (64, 64), dtype=np.uint8)
    whole = content(Image.fromarray(noise), "JPEG")
    table = whole.index(b"\xff\xc4") + 5  # how many codes of each length the first Huffman table has
    broken = whole[:table] + b"\xff" * 16 + whole[table + 16 :]
    for name, stored in (("cat", whole), ("dog", broken), ("dog", whole + b"\x00")):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / f"{len(stored)}.jpg").write_bytes(stored)
    options = {"size": SIZE, "strict": False}
    assert len(data.image_folder_on_disk(tmp_path, **options)) == 3
    found = data.image_folder_on_disk(tmp_path, **options, thorough=True)
    assert found.names == data.image_folder(tmp_path, **options).names
    assert [name for name, _ in found.quarantine] == [f"dog/{len(broken)}.jpg"]


def test_parts_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"labels must be int64 \(1,\), got torch.int64 of shape \(2,\)"):
        data.SplitOnDisk(tmp_path, ("a",), torch.tensor([0, 1]), ("a", "b"), size=4)
    with pytest.raises(ValueError, match="labels must be 0 to 1, got 2 to 2"):
        data.SplitOnDisk(tmp_path, ("a",), torch.tensor([2]), ("a", "b"), size=4)


def test_the_root_may_be_a_text(tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "1.png")
    split = data.SplitOnDisk(str(tmp_path), ("1.png",), torch.tensor([0]), ("a", "b"), size=8)
    assert split.images_at([0])[0, 0].eq(255).all()


def test_a_subset_in_another_order_keeps_pictures_names_and_labels_together(both):
    memory, disk = both
    places = [9, 2, 11, 0, 5]
    some = disk.subset(places)
    assert torch.equal(some.images_at(range(5)), memory.images[places])
    assert torch.equal(some.labels, memory.labels[places])
    assert some.names == tuple(memory.names[place] for place in places)
