"""A folder becomes a split, and every file in it is counted somewhere."""

import os
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from odd_pictures import BLUE, RED, two_tone, written
from PIL import Image

from resnet_utils import data
from resnet_utils.data.folder import read_split, split_on_disk


@pytest.fixture
def folder(tmp_path):
    """Two classes of three pictures."""
    for name, color in (("cat", RED), ("dog", BLUE)):
        for k in range(3):
            written(Image.new("RGB", (20, 20), color), f"{name}/{k}.png", tmp_path / "animals")
    return tmp_path / "animals"


def test_folder_becomes_a_split(folder):
    split = data.image_folder(folder, size=8, source="test")
    assert split.images.shape == (6, 3, 8, 8)
    assert split.classes == ("cat", "dog")
    assert split.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert split.names == ("cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png")
    assert (split.source, split.quarantine) == ("test", ())
    assert split.images[0, :, 0, 0].tolist() == list(RED)
    assert split.images[5, :, 0, 0].tolist() == list(BLUE)


def test_litter_and_hidden_files_are_no_part_of_the_data(folder):
    (folder / "cat" / "Thumbs.db").write_bytes(b"x")
    (folder / "cat" / "desktop.ini").write_bytes(b"x")
    (folder / "cat" / ".DS_Store").write_bytes(b"x")
    (folder / "cat" / "._0.png").write_bytes(b"x")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "dog" / ".thumbnails").mkdir()
    (folder / "dog" / ".thumbnails" / "0.png").write_bytes(b"x")
    (folder / "readme.txt").write_text("beside the classes", encoding="utf-8")
    assert len(data.image_folder(folder, size=8)) == 6


def test_folders_and_names_of_any_script(tmp_path):
    root = tmp_path / "Tiere 动物"
    for name in ("кошка/été 1.png", "犬/子犬/🐶.png"):
        written(two_tone(), name, root)
    split = data.image_folder(root, size=8)
    assert split.classes == ("кошка", "犬")
    assert split.names == ("кошка/été 1.png", "犬/子犬/🐶.png")


def test_bad_files_are_an_error_that_names_them(folder):
    (folder / "cat" / "text.jpg").write_bytes(b"hello, world")
    (folder / "dog" / "zero.jpg").write_bytes(b"")
    with pytest.raises(
        ValueError,
        match=r"(?s)2 files in .* cat/text.jpg: no picture .* dog/zero.jpg: .*0 bytes.*strict=False",
    ):
        data.image_folder(folder, size=8)


def test_bad_files_can_be_left_out_with_the_reason(folder):
    (folder / "cat" / "00.jpg").write_bytes(b"hello, world")
    split = data.image_folder(folder, size=8, strict=False)
    assert len(split) == 6
    assert "cat/00.jpg" not in split.names
    assert split.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert split.images[0, :, 0, 0].tolist() == list(RED)
    [(name, reason)] = split.quarantine
    assert (name, reason[:10]) == ("cat/00.jpg", "no picture")


def test_a_class_of_bad_files_only_is_an_error_in_any_case(folder):
    for path in (folder / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no whole picture of \['cat'\] in .*0 bytes"):
        data.image_folder(folder, size=8, strict=False)


def test_missing_folder_says_what_was_expected(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere; expected one folder a class"):
        data.image_folder(tmp_path / "nowhere", size=8)


def test_file_instead_of_a_folder_is_refused(folder):
    with pytest.raises(NotADirectoryError, match="is a file, not a folder"):
        data.image_folder(folder / "cat" / "0.png", size=8)


def test_empty_class_is_named(folder):
    (folder / "bird").mkdir()
    (folder / "bird" / "Thumbs.db").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"no file in the class folder\(s\) \['bird'\]"):
        data.image_folder(folder, size=8)


def test_single_class_is_refused(folder):
    with pytest.raises(ValueError, match="has no class folder; a classifier needs at least two"):
        data.image_folder(folder / "cat", size=8)
    for path in (folder / "dog").iterdir():
        path.unlink()
    os.rmdir(folder / "dog")
    with pytest.raises(ValueError, match="only the class folder 'cat'"):
        data.image_folder(folder, size=8)


def test_size_zero_is_refused(folder):
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        data.image_folder(folder, size=0)


def test_reading_writes_nothing(folder):
    before = sorted(folder.rglob("*"))
    assert data.image_folder(folder, size=8).images.dtype == torch.uint8
    assert sorted(folder.rglob("*")) == before


# the classes of another split


def test_validation_takes_the_classes_of_training_and_may_lack_one(folder):
    (folder / "bird").mkdir()
    with pytest.raises(ValueError, match=r"no file in the class folder\(s\) \['bird'\]"):
        data.image_folder(folder, size=8)
    os.rmdir(folder / "bird")
    found = data.image_folder(folder, size=8, classes=("dog", "bird", "cat"))
    assert found.classes == ("dog", "bird", "cat")
    assert [found.classes[label] for label in found.labels] == [name[:3] for name in found.names]


def test_a_folder_without_any_of_the_class_folders_is_told_what_belongs_there(tmp_path):
    with pytest.raises(
        ValueError, match=r"none of the class folders \['cat', 'dog'\]; expected one folder a class"
    ):
        data.image_folder(tmp_path, size=8, classes=("cat", "dog"))


@pytest.mark.parametrize(
    ("classes", "error", "message"),
    [
        (("cat", "bird"), ValueError, r"folders of no class: \['dog'\]; the classes are \['cat', 'bird'\]"),
        (("cat", "cat", "dog"), ValueError, "two different names or more"),
        (("cat",), ValueError, "two different names or more"),
        ("cat", TypeError, "classes must be a list of names"),
        ({"cat", "dog"}, TypeError, "classes must be a list of names"),  # a set has no order
        ((1, 2), TypeError, "classes must be a list of names"),
    ],
)
def test_classes_that_do_not_fit_the_folders_are_refused(folder, classes, error, message):
    with pytest.raises(error, match=message):
        data.image_folder(folder, size=8, classes=classes)


# the folder above the parts


def parts(root, layout):
    for name in layout:
        written(Image.new("RGB", (9, 9), RED), f"{name}/0.png", root)
    return root


@pytest.mark.parametrize(
    "layout",
    [
        ("train/cat", "train/dog", "val/cat", "val/dog"),
        ("train/cat", "train/dog", "val/dog"),
        ("training_set/cat", "training_set/dog", "test_set/cat", "test_set/dog"),
        ("first/cat", "first/dog", "second/cat", "second/dog"),  # by their folders, whatever their names
        ("train", "test1"),  # flat, as the archive of Kaggle's competition
    ],
)
def test_the_folder_above_the_parts_is_refused_and_says_which_to_take(tmp_path, layout):
    with pytest.raises(ValueError, match=r"(?s)look like parts of a data set.*image_folder\(.*classes="):
        data.image_folder(parts(tmp_path, layout), size=8)


@pytest.mark.parametrize(
    "layout",
    [
        ("cat/2020", "dog/2021"),
        ("cat/images", "dog/images"),  # as Tiny ImageNet
        ("train", "bus"),  # a vehicle
    ],
)
def test_classes_with_folders_of_their_own_are_classes(tmp_path, layout):
    assert len(data.image_folder(parts(tmp_path, layout), size=8)) == 2


def test_classes_that_look_like_parts_can_be_named(tmp_path):
    root = parts(tmp_path, ("test/a", "test/b", "train/a", "train/b"))
    assert data.image_folder(root, size=8, classes=("train", "test")).labels.tolist() == [0, 0, 1, 1]


def test_an_archive_in_a_folder_of_its_name_says_which_folder_to_take(tmp_path):
    root = parts(tmp_path, ("pets/cat", "pets/dog", "__MACOSX/pets"))
    with pytest.raises(ValueError, match=r"only the class folder 'pets'.*perhaps you mean .*'cat', 'dog'"):
        data.image_folder(root, size=8)


# files in no class folders


def flat(root, names):
    for name in names:
        written(Image.new("RGB", (9, 9), RED if "cat" in name else BLUE), name, root)
    return root


def test_a_flat_archive_takes_the_classes_of_the_files_names(tmp_path):
    root = flat(tmp_path, ["cat.0.jpg", "cat.10.jpg", "dog.1.jpg", "more/dog.2.jpg"])
    with pytest.raises(ValueError, match=r"'cat.0.jpg' give labels=, as in labels=data.name_prefix"):
        data.image_folder(flat(tmp_path / "only", ["cat.0.jpg"]), size=8)
    found = data.image_folder(root, size=8, labels=lambda n: None if "only" in n else data.name_prefix(n))
    assert (found.classes, found.labels.tolist()) == (("cat", "dog"), [0, 0, 1, 1])
    assert found.names == ("cat.0.jpg", "cat.10.jpg", "dog.1.jpg", "more/dog.2.jpg")
    assert found.images[:, 0, 0, 0].tolist() == pytest.approx([255, 255, 0, 0], abs=2)  # JPEG
    assert found.ignored == (("only/cat.0.jpg", "its label says so"),)


def test_a_table_names_the_classes_and_every_file_and_row_is_counted(tmp_path):
    root = flat(tmp_path / "pictures", ["a1.png", "b/b2.png", "c3.png"])
    (tmp_path / "labels.csv").write_text(
        "id,breed,x\na1,pug,0\nb/b2.png,husky,0\nz9,pug,0\n", encoding="utf-8"
    )
    table = data.labels_from_csv(tmp_path / "labels.csv", file="id", label="breed")
    with pytest.raises(ValueError, match=r"(?s)2 files .*c3.png: no label names.*z9: has a label, but"):
        data.image_folder(root, size=8, labels=table)
    found = data.image_folder(root, size=8, labels=table, strict=False)
    assert dict(zip(found.names, found.labels.tolist(), strict=True)) == {"a1.png": 1, "b/b2.png": 0}
    assert [name for name, _ in found.quarantine] == ["c3.png", "z9"]


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ({"cat.0.jpg": "a", "dog.1.jpg": "a"}, ValueError, "a classifier needs at least two"),
        ({"0.jpg": "a", "cat.0.jpg": 3}, TypeError, "must be the name of its class, got 3"),
        (lambda name: name, ValueError, "each of the 4 files .* would be a class of its own"),
        (3, TypeError, "labels must be a mapping or a function"),
        (
            {"same": "a", "cat.0.jpg": "b"},
            ValueError,
            "label of 'same' fits two files, ",
        ),
    ],
)
def test_labels_that_make_no_classes_are_refused(tmp_path, labels, error, message):
    root = flat(tmp_path, ["cat.0.jpg", "dog.1.jpg", "a/same.png", "b/same.png"])
    with pytest.raises(error, match=message):
        data.image_folder(root, size=8, labels=labels)


def test_labels_outside_the_given_classes_are_refused(tmp_path):
    root = flat(tmp_path, ["cat.0.jpg", "dog.1.jpg"])
    with pytest.raises(ValueError, match=r"labels name \['dog'\], which are not among .*'cow'"):
        data.image_folder(root, size=8, labels=data.name_prefix, classes=("cat", "cow"))


# nothing is lost

KINDS = {  # what may lie in a folder, and in which of the three lists it has to stand
    "picture": "names",
    "text": "quarantine",
    "empty": "quarantine",
    "broken link": "quarantine",
    "pipe": "quarantine",
    "folder link": "quarantine",
    "hidden": "ignored",
    "litter": "ignored",
}
PLACES = ("cat", "dog", "dog/deeper", "dog/.git", "", "__MACOSX/cat")


def plant(path, kind):
    path.parent.mkdir(parents=True, exist_ok=True)
    name = {"hidden": f".{path.name}", "litter": "Thumbs.db"}.get(kind, path.name)
    path = path.with_name(name)
    match kind:
        case "picture":
            Image.new("RGB", (5, 5), RED).save(path, "PNG")
        case "broken link":
            path.symlink_to("nowhere")
        case "folder link":
            path.symlink_to(path.parent.resolve(), target_is_directory=True)  # in a circle, even
        case "pipe":
            os.mkfifo(path)
        case _:
            path.write_bytes(b"" if kind == "empty" else b"hello")
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs links and pipes")
@given(some.lists(some.tuples(some.sampled_from(PLACES), some.sampled_from(list(KINDS))), max_size=12))
@settings(deadline=None, max_examples=60)
def test_kept_and_put_aside_and_ignored_are_all_there_is(planted):
    with tempfile.TemporaryDirectory() as folder:
        root, wanted = Path(folder), {}
        for number, (place, kind) in enumerate([("cat", "picture"), ("dog", "picture"), *planted]):
            if not place and kind == "folder link":
                continue  # a class folder may be a link
            path = plant(root / place / f"{number:02}.dat", kind)
            outside = not place or place.startswith("__MACOSX") or ".git" in place
            wanted[path.relative_to(root).as_posix()] = "ignored" if outside else KINDS[kind]
        for found in (
            data.image_folder(root, size=4, strict=False),
            data.image_folder_on_disk(root, size=4, strict=False),
        ):
            lists = {"names": found.names}
            lists |= {kind: [n for n, _ in getattr(found, kind)] for kind in ("quarantine", "ignored")}
            assert {name: kind for kind, names in lists.items() for name in names} == wanted
            assert sum(map(len, lists.values())) == len(wanted)
            assert all(reason for _, reason in found.quarantine + found.ignored)
            assert [found.classes[k] for k in found.labels] == [name[:3] for name in found.names]


def test_a_class_folder_may_be_a_link_to_another_place(folder, tmp_path):
    (folder / "dog").rename(tmp_path / "elsewhere")
    (folder / "wolf").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert data.image_folder(folder, size=8).labels.bincount().tolist() == [3, 3]


@pytest.mark.parametrize("place", ["dog", "dog/deeper"])
def test_a_link_to_another_place_inside_of_a_class_is_one_file_that_cannot_be_opened(folder, tmp_path, place):
    written(Image.new("RGB", (9, 9), RED), "elsewhere/cat.png", tmp_path)
    (folder / place).mkdir(exist_ok=True)
    (folder / place / "more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    found = data.image_folder(folder, size=8, strict=False)
    assert found.quarantine == ((f"{place}/more", "a link to a folder, which is not followed"),)
    assert len(found) == 6
    with pytest.raises(ValueError, match=f"{place}/more: a link to a folder, which is not followed"):
        data.image_folder(folder, size=8)


@pytest.mark.parametrize("read", [data.image_folder, data.image_folder_on_disk])
@pytest.mark.parametrize("classes", [None, ("cat", "dog", "hound", "wolf")])
@pytest.mark.parametrize("place", ["dog", "dog/inner", "elsewhere"])
def test_two_classes_that_are_the_same_folder_are_refused_with_both_names(
    folder, tmp_path, read, classes, place
):
    (folder / "dog" / "inner").mkdir()
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" if place == "elsewhere" else folder / place
    (folder / "wolf").symlink_to(target, target_is_directory=True)
    if place == "elsewhere":
        (folder / "hound").symlink_to(target, target_is_directory=True)
    names = "'(hound|wolf)' and '(hound|wolf)'" if place == "elsewhere" else "'dog' and 'wolf'"
    with pytest.raises(ValueError, match=rf"the classes {names} of .* hold the same files: .* is a link to"):
        read(folder, size=8, classes=classes)


@pytest.mark.parametrize(
    "pair", [("Cat", "cat"), ("stra\u00dfe", "STRASSE"), ("cat", "cat "), ("\u00e9", "e\u0301")]
)
def test_two_classes_whose_names_look_the_same_are_refused_from_folders_and_from_labels(tmp_path, pair):
    for name in pair:
        (tmp_path / "files").mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(tmp_path / "files" / f"{pair.index(name)}.png")
    labels = dict(zip(sorted(path.name for path in (tmp_path / "files").iterdir()), pair, strict=True))
    with pytest.raises(ValueError, match="two names of classes in the labels look the same"):
        data.image_folder(tmp_path / "files", size=8, labels=labels)
    assert data.image_folder(tmp_path / "files", size=8, labels=labels, classes=pair).classes == pair
    for name in pair:
        (tmp_path / "folders" / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(tmp_path / "folders" / name / "1.png")
    if len(list((tmp_path / "folders").iterdir())) == 2:  # some systems make one folder of them
        with pytest.raises(ValueError, match=r"two names of folders in .* look the same"):
            data.image_folder(tmp_path / "folders", size=8)


def test_a_list_of_files_left_on_disk_gives_the_files_and_pixels_of_those_in_memory(folder):
    (folder / "dog" / "1.png").write_bytes(b"no picture")
    names = ["dog/2.png", "cat/0.png", "dog/1.png", "cat/2.png", "dog/0.png"]
    how = {"classes": ("cat", "dog"), "size": 12, "source": "a list"}
    lying = split_on_disk(folder, names, [1, 0, 1, 0, 1], **how)
    held = read_split(folder, names, [1, 0, 1, 0, 1], strict=False, **how)
    for name in ("names", "classes", "source", "quarantine", "ignored"):
        assert getattr(lying, name) == getattr(held, name), name
    assert lying.labels.tolist() == held.labels.tolist() == [1, 0, 0, 1]
    assert torch.equal(lying.images_at(range(4)), held.images)
