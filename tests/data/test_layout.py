"""A folder is understood, or refused with what was found in it; no file is lost in between."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_utils.data import layout


def plant(root, *names):
    """Empty files; a layout never opens them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def labelled(found, part="all"):
    """File -> name of its class."""
    return {name: found.classes[label] for name, label in found.files[part]}


def test_one_folder_a_class(tmp_path):
    found = layout.find_layout(plant(tmp_path, "cat/1.jpg", "cat/more/2.jpg", "dog/1.jpg"))
    assert labelled(found) == {"cat/1.jpg": "cat", "cat/more/2.jpg": "cat", "dog/1.jpg": "dog"}
    assert found.counts() == {"all": {"cat": 2, "dog": 1}}


def test_names_may_be_chinese_or_have_spaces_and_signs(tmp_path):
    names = ("小猫", "my dog", "🦊", "<b>&amp;")
    found = layout.find_layout(plant(tmp_path, *(f"{name}/1.jpg" for name in names)))
    assert set(found.classes) == set(names)


@pytest.mark.parametrize("start", ["", "train/", "archive/PetImages/", "archive/train/"])
def test_the_class_may_stand_in_front_of_the_names(tmp_path, start):
    files = [
        "cat.0.jpg",
        "cat.12.jpg",
        "american_bulldog_1.jpg",
        "american_bulldog_10.jpg",
        "crab-3.png",
        "crab7.png",
    ]
    found = layout.find_layout(plant(tmp_path, *(start + name for name in files), "__MACOSX/._cat.0.jpg"))
    assert found.classes == ("american_bulldog", "cat", "crab")
    assert sum(found.counts()["all"].values()) == len(files)


def test_a_single_folder_is_opened_even_if_a_readme_lies_beside_it(tmp_path):
    plant(tmp_path, "README.txt", "data/deep/cat/1.jpg", "data/deep/dog/1.jpg", "__MACOSX/x", ".git/config")
    found = layout.find_layout(tmp_path)
    assert labelled(found) == {"data/deep/cat/1.jpg": "cat", "data/deep/dog/1.jpg": "dog"}
    assert found.aside == (("README.txt", "lies beside the class folders"),)


def test_the_parts_of_a_folder_are_kept(tmp_path):
    plant(
        tmp_path,
        "Train/cat/1.jpg",
        "Train/dog/2.jpg",
        "validation/cat/3.jpg",
        "validation/dog/4.jpg",
        "ids.csv",
    )
    found = layout.find_layout(tmp_path)
    assert labelled(found, "train") == {"Train/cat/1.jpg": "cat", "Train/dog/2.jpg": "dog"}
    assert labelled(found, "valid") == {"validation/cat/3.jpg": "cat", "validation/dog/4.jpg": "dog"}
    assert found.aside == (("ids.csv", "lies beside the folders of the parts"),)


def test_test_pictures_without_labels_are_put_aside(tmp_path):
    plant(
        tmp_path,
        "train/cat.1.jpg",
        "train/cat.2.jpg",
        "train/dog.1.jpg",
        "train/dog.2.jpg",
        "test/1.jpg",
        "test/2.jpg",
    )
    found = layout.find_layout(tmp_path)
    assert set(found.files) == {"train"}
    assert found.aside == (("test/", "its files have no class, so they can test nothing"),)


def test_parts_with_other_classes_are_refused_with_both_lists(tmp_path):
    plant(tmp_path, "train/cat/1.jpg", "train/dog/2.jpg", "val/cat/3.jpg", "val/dogs/4.jpg")
    with pytest.raises(ValueError, match=r"train has 'cat', 'dog'; val has 'cat', 'dogs'"):
        layout.find_layout(tmp_path)


REFUSED = {
    "nothing": ((), "has no file"),
    "one class": (("cat/1.jpg", "cat.txt/x"), None),
    "a single class": (("a/cat/1.jpg", "a/x.jpg"), "only the class 'cat'"),
    "camera names": (("IMG_1.jpg", "IMG_2.jpg", "DSC_1.jpg", "DSC_2.jpg"), "4 file\\(s\\) without a class"),
    "numbers": (("1.jpg", "2.jpg"), "2 file\\(s\\) without a class: 1.jpg, 2.jpg"),
    "parts without training": (("val/cat.1.jpg", "test/cat.1.jpg"), "look like parts of a data set"),
    "two trainings": (("train/cat/1.jpg", "training/cat/1.jpg"), "one train, and at most one val"),
    "an empty class": (("cat/1.jpg", "dog/.hidden"), "no file in the class folder"),
}


@pytest.mark.parametrize("name", [name for name, (_, message) in REFUSED.items() if message])
def test_what_is_not_understood_is_refused_with_what_was_found(tmp_path, name):
    files, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        layout.find_layout(plant(tmp_path, *files))


def test_a_broken_link_is_put_aside_and_not_forgotten(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/1.jpg")
    (tmp_path / "dog" / "2.jpg").symlink_to(tmp_path / "nowhere.jpg")
    [(name, reason)] = layout.find_layout(tmp_path).aside
    assert name == "dog/2.jpg"
    assert "broken link" in reason


def test_the_names_count_from_the_folder_that_was_asked_for(tmp_path):
    plant(tmp_path, "archive/training_set/cat.1.jpg", "archive/training_set/cat.2 (1).jpg")
    plant(tmp_path, "archive/training_set/dog (1).jpg", "archive/training_set/dog (2).jpg")
    found = layout.find_layout(tmp_path)
    assert found.classes == ("cat", "dog")
    assert all((tmp_path / name).is_file() for name, _ in found.files["all"])


def test_a_missing_folder_and_a_file_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        layout.find_layout(tmp_path / "nowhere")
    with pytest.raises(NotADirectoryError, match="is a file"):
        layout.find_layout(plant(tmp_path, "x.jpg") / "x.jpg")


PIECES = st.sampled_from(
    ["train", "val", "test", "cat", "dog", "a b", "小", ".x", "__MACOSX", "1", "Thumbs.db"]
)
FILES = st.sampled_from(
    ["1.jpg", "cat.1.jpg", "dog 2.png", "notes.txt", "IMG_3.jpg", ".DS_Store", "desktop.ini"]
)
TREES = st.lists(st.tuples(st.lists(PIECES, max_size=3), FILES), max_size=10)


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_any_tree_is_understood_without_losing_a_file_or_refused(tmp_path_factory, tree):
    root = tmp_path_factory.mktemp("tree")
    for folders, name in tree:
        try:
            plant(root, "/".join([*folders, name]))
        except OSError:  # a file lies where a folder should
            continue
    try:
        found = layout.find_layout(root)
    except ValueError:  # any other error fails the test
        return
    assert len(found.classes) >= 2
    assert all(count > 0 for counts in found.counts().values() for count in counts.values())
    told = {found.root / name for files in found.files.values() for name, _ in files}
    aside = [root / name for name, _ in found.aside]
    for path in (path for path in root.rglob("*") if path.is_file()):
        parts = [part.lower() for part in path.relative_to(root).parts]
        nobodys = any(part.startswith(".") or part in layout.LITTER for part in parts)
        kept_aside = any(path == other or other in path.parents for other in aside)
        assert nobodys or path in told or kept_aside, f"{path} is lost"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_back_to_the_folder_is_no_class_and_holds_nothing_twice(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/1.jpg")
    (tmp_path / "all").symlink_to(".")
    found = layout.find_layout(tmp_path)
    assert found.counts() == {"all": {"cat": 1, "dog": 1}}
    assert ("all", "a link to a folder, which is not followed") in found.aside


@pytest.mark.parametrize("pair", [("\u00e9t\u00e9", "e\u0301te\u0301"), ("cat", "cat "), ("Cat", "cat")])
def test_two_classes_that_look_the_same_are_refused(tmp_path, pair):
    plant(tmp_path, *(f"{name}/1.jpg" for name in pair))
    if len(list(tmp_path.iterdir())) == 2:  # some systems make one folder of them
        with pytest.raises(ValueError, match="look the same"):
            layout.find_layout(tmp_path)


def test_classes_in_front_of_the_names_that_differ_in_capitals_only_are_refused(tmp_path):
    plant(tmp_path, "Cat.1.jpg", "Cat.2.jpg", "cat.3.jpg", "cat.4.jpg", "dog.1.jpg", "dog.2.jpg")
    with pytest.raises(
        ValueError, match=r"classes in front of the files in .* 'Cat' and 'cat': rename or join"
    ):
        layout.find_layout(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_two_classes_that_are_the_same_folder_are_refused(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/1.jpg")
    (tmp_path / "kitten").symlink_to(tmp_path / "cat")
    with pytest.raises(ValueError, match=r"the classes 'cat' and 'kitten' of .* hold the same files"):
        layout.find_layout(tmp_path)


def test_names_that_are_not_utf8_are_refused_or_put_aside(tmp_path):
    plant(tmp_path, "cat/1.jpg", "dog/1.jpg")
    try:
        (tmp_path / "dog" / os.fsdecode(b"\xff.jpg")).write_bytes(b"")
    except OSError:
        pytest.skip("this system takes no such names")
    assert layout.find_layout(tmp_path).aside == (("dog/\\xff.jpg", "its name is not UTF-8; rename it"),)
    (tmp_path / os.fsdecode(b"\xfe")).mkdir()
    (tmp_path / os.fsdecode(b"\xfe") / "1.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="is not UTF-8: rename it"):
        layout.find_layout(tmp_path)


def test_an_empty_name_is_not_the_working_folder():
    with pytest.raises(ValueError, match="name of the folder is empty"):
        layout.find_layout("")


def test_a_single_file_of_its_name_is_no_class(tmp_path):
    found = layout.find_layout(
        plant(tmp_path, "cat.1.jpg", "cat.2.jpg", "dog.1.jpg", "dog.2.jpg", "owl.1.jpg")
    )
    assert found.classes == ("cat", "dog")
    assert found.aside == (("owl.1.jpg", "its name begins with no class that others have"),)
