"""Classes out of names and out of tables, or a reason why not."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from resnet_utils import data


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat.0.jpg", "cat"),  # Kaggle, Dogs vs. Cats
        ("train/dog.12499.jpg", "dog"),
        ("great_pyrenees_17.jpg", "great_pyrenees"),  # Oxford-IIIT Pet
        ("n02099601_1000.JPEG", "n02099601"),  # Stanford Dogs, ImageNet
        ("cat (12).png", "cat"),  # as Windows numbers copies
        ("кошка-3.png", "кошка"),
    ],
)
def test_the_class_stands_before_the_number(name, expected):
    assert data.name_prefix(name) == expected


@pytest.mark.parametrize("name", ["0001.jpg", "IMG.jpg", "12_3.png", "README.md", "_7.jpg"])
def test_a_name_without_class_or_number_is_refused(name):
    with pytest.raises(ValueError, match=r"has no class before a number, as cat.0.jpg has"):
        data.name_prefix(name)


@given(some.text())
def test_any_name_has_a_class_or_a_reason(name):
    try:
        assert data.name_prefix(name)
    except ValueError as error:
        assert repr(name) in str(error)  # noqa: PT017 - either is right


def table(folder, text, encoding="utf-8"):
    path = folder / "labels.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_a_table_gives_its_first_two_columns_unless_others_are_named(tmp_path):
    path = table(tmp_path, '\ufefffile,class,breed\n"a, b.jpg",cat,siam\n\nc.jpg,dog,pug\n')  # Excel's mark
    assert data.labels_from_csv(path) == {"a, b.jpg": "cat", "c.jpg": "dog"}
    assert data.labels_from_csv(path, file="file", label="breed") == {"a, b.jpg": "siam", "c.jpg": "pug"}


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "has no column"),
        ("file\na\n", {}, "has no column"),
        (
            "file,class\na,b\n",
            {"label": "breed"},
            r"no column \['breed'\]; its columns are \['file'",
        ),
        ("file,class\na\n", {}, "row 2 of"),
        ("file,class\na,\n", {}, "row 2 of"),
        ("file,class\na,cat\na,dog\n", {}, "says that 'a' is 'cat' and 'dog'"),
    ],
)
def test_a_table_of_another_kind_is_refused(tmp_path, text, options, message):
    with pytest.raises(ValueError, match=message):
        data.labels_from_csv(table(tmp_path, text), **options)


def test_a_table_in_another_encoding_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no table in CSV and UTF-8"):
        data.labels_from_csv(table(tmp_path, "file,class\nä,é\n", "latin-1"))
    with pytest.raises(FileNotFoundError):
        data.labels_from_csv(tmp_path / "none.csv")


def test_spaces_at_the_ends_of_a_cell_make_no_class(tmp_path):
    path = table(tmp_path, "file, label\na.jpg, cat\nb.jpg,cat \n")
    assert data.labels_from_csv(path) == {"a.jpg": "cat", "b.jpg": "cat"}


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("f,l,l\na.jpg,cat,dog\n", {}, "a column each"),
        ("f,l\na.jpg,cat\n", {"file": "f", "label": "f"}, "a column each"),
        ("f,l\n", {}, "and no row"),
    ],
)
def test_a_table_that_does_not_tell_which_column_or_has_no_row_is_refused(tmp_path, text, options, message):
    with pytest.raises(ValueError, match=message):
        data.labels_from_csv(table(tmp_path, text), **options)


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg,cat\nb.jpg,dog\n",  # by the ending
        "1,cat\n2,dog\n3,cat\n",  # by the class
        "a.JPG,cat\nb.jpg,dog\nc.png,fox\n",
    ],
)
def test_a_table_without_headings_does_not_lose_its_first_row(tmp_path, text):
    path = table(tmp_path, text)
    with pytest.raises(ValueError, match=r"first line of .* looks like a row, .*'cat'\].*has_headings=False"):
        data.labels_from_csv(path)
    found = data.labels_from_csv(path, has_headings=False)
    assert found == dict(line.split(",") for line in text.split())


def test_headings_that_look_like_a_row_are_taken_where_they_are_named(tmp_path):
    path = table(tmp_path, "name.txt,cat\na.txt,cat\nb.txt,dog\n")
    assert data.labels_from_csv(path, file="name.txt", label="cat") == {"a.txt": "cat", "b.txt": "dog"}


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a.jpg,cat\n", {"file": "f"}, "a table without headings has no column of that name"),
        ("a.jpg,cat,siam\n", {}, r"row 1 of .* should have \['the file', 'the class'\]"),
        ("", {}, "no row"),
    ],
)
def test_a_table_without_headings_has_two_columns(tmp_path, text, options, message):
    with pytest.raises(ValueError, match=message):
        data.labels_from_csv(table(tmp_path, text), has_headings=False, **options)
