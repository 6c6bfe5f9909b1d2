"""The package reference is read from the source, whole, without importing the package."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tools import project
from tools.web import reference

PACKAGE = '''"""A small package."""
'''
MODULE = '''"""One subject.

Introduced in chapter 3.
"""

LIMIT = 3


def halve(x: float, *, times: int = 1) -> float:
    """``x`` divided by two.

    Args:
        x: any number.
        times: how often.

    Raises:
        ValueError: if ``times`` is negative,
            and then the message says so.
    """


def _hidden(x):
    """Not told."""


class Box:
    """A box.

    Args:
        size: its side, in metres.
    """

    def __init__(self, size: float) -> None:
        self.size = size

    def open(self, *, wide: bool = False) -> None:
        """Open it."""
'''


@pytest.fixture
def written(tmp_path):
    """The reference of a package of one wing."""
    wing = tmp_path / "resnet_utils" / "wing"
    wing.mkdir(parents=True)
    (wing.parent / "__init__.py").write_text(PACKAGE)
    (wing / "__init__.py").write_text(
        '"""A wing for halves."""\n\nfrom resnet_utils.wing.halves import halve\n\n__all__ = ["halve"]\n'
    )
    (wing / "halves.py").write_text(MODULE)
    reference.write(tmp_path / "out", tmp_path)
    return {path.stem: path.read_text() for path in (tmp_path / "out").glob("*.md")}


def test_a_public_function_is_told_with_its_parameters_and_errors(written):
    page = written["wing"]
    assert "{py:function} halve(x, *, times=1)" in page
    assert "- `times`: how often." in page
    assert "- `ValueError`: if `times` is negative, and then the message says so." in page


def test_a_class_is_told_with_its_methods(written):
    page = written["wing"]
    assert "{py:class} Box(size)" in page
    assert "{py:method} open(*, wide=False)" in page


def test_what_is_private_or_handed_on_is_not_told_twice(written):
    assert "_hidden" not in written["wing"]
    assert written["wing"].count("{py:function} halve") == 1


TABLE = """\
Words.

=======  ===============  =====
layer    here             there
=======  ===============  =====
linear   ``weight``,      ``w``
         ``bias``
head     none
=======  ===============  =====
"""


def test_a_table_of_a_docstring_becomes_a_table():
    words, _, shown = reference.text_of(TABLE).partition("\n\n")
    assert words == "Words."
    assert shown.splitlines() == [
        *(":::{list-table}", ":header-rows: 1", ""),
        *("* - layer", "  - here", "  - there"),
        *("* - linear", "  - `weight`, `bias`", "  - `w`"),
        *("* - head", "  - none", "  -"),
        ":::",
    ]


def test_a_table_whose_columns_are_crooked_is_refused():
    with pytest.raises(ValueError, match=r"cannot be read: Text in column margin(.|\n)*seven or more"):
        reference.text_of(TABLE.replace("head     none", "seven or more"))


def test_nothing_of_another_markup_is_left_on_a_page(tmp_path):
    signs = re.compile(r"``(?!`)[^`]|^ *[=~^-]{4,}|[^:\n]::$|^ *\.\. \w|:\w+:`|>>> ", re.M)
    for path in reference.write(tmp_path / "out"):
        assert signs.findall(path.read_text(encoding="utf-8")) == [], path.name


def test_the_first_page_names_every_wing(written):
    assert "| {doc}`wing` | A wing for halves. |" in written["index"]


def test_every_public_name_of_the_package_has_its_entry(tmp_path):
    told = "\n".join(path.read_text() for path in reference.write(tmp_path / "out"))
    modules = (project.ROOT / "resnet_utils").glob("*/**/*.py")  # the command tells itself: --help
    source = "\n".join(path.read_text() for path in modules)
    names = set(re.findall(r"^(?:def|class) ([A-Za-z]\w*)", source, re.M))
    missing = {name for name in names if not re.search(rf"\{{py:\w+\}} {name}\b", told)}
    assert not missing
    assert set(re.findall(r"First used in \{doc\}`\.\./([^`]+)`", told)) <= set(project.chapters())


def test_the_reference_needs_no_torch(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; from pathlib import Path\n"
        "from tools.web import reference; reference.write(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        cwd=project.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_table_of_contents_lists_every_page_of_the_reference():
    assert set(reference.pages()) <= set(project.toc_pages())
