"""Formulas are rendered while the site is built; one that cannot be stops it, with its page and text."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tools import project
from tools.web import formulas, vendor

CONFIGURATION = f"""
import sys
sys.path.insert(0, {str(project.ROOT)!r})
extensions = ["tools.web.formulas"]
html_math_renderer = "{formulas.NAME}"
"""
GOOD = r"""
Title
=====

Here :math:`\frac{a}{b}` and there

.. math::
   :label: one

   x = y

See :eq:`one`.

.. toctree::

   without
"""
WRONG = (r"\frca{a}{b}", r"\left( x", r"\begin{align} x")


def build(folder, **pages: str) -> str:
    """A site of these pages in ``folder/html``; what Sphinx complained of."""
    for name, text in pages.items():
        (folder / f"{name}.rst").write_text(text)
    (folder / "conf.py").write_text(CONFIGURATION)
    command = [sys.executable, "-m", "sphinx", "-q", "--no-color", str(folder), str(folder / "html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page with formulas and one without, as they were built without a complaint."""
    folder = tmp_path_factory.mktemp("good")
    assert build(folder, index=GOOD, without="Without\n=======\n") == ""
    return [(folder / "html" / f"{name}.html").read_text(encoding="utf-8") for name in ("index", "without")]


@pytest.fixture(scope="module", autouse=True)
def _ended():
    """No process is left behind."""
    yield
    formulas.RENDERER.end()


def test_a_formula_becomes_markup_for_the_eye_and_for_the_ear(pages):
    assert pages[0].count('class="katex-html" aria-hidden="true"') == 2
    assert pages[0].count("<math xmlns=") == 2
    assert "<mfrac><mi>a</mi><mi>b</mi></mfrac>" in pages[0]
    assert pages[0].count("katex-display") == 1
    assert "mathjax" not in pages[0].lower()


def test_only_a_page_with_formulas_loads_their_style(pages):
    assert [len(re.findall(r'href="[^"]*vendor/katex/katex\.min\.css', page)) for page in pages] == [1, 0]


def test_only_a_page_with_formulas_asks_for_their_fonts_at_once(pages):
    asked = [re.findall(r"vendor/katex/fonts/([\w-]+)\.woff2", page) for page in pages]
    assert asked == [list(formulas.FONTS), []]
    fonts = vendor.named("katex", "site") / "fonts"
    assert all((fonts / f"{name}.woff2").is_file() for name in formulas.FONTS)
    assert 'location.protocol !== "file:"' in pages[0], "browsers complain of it there"


def test_a_numbered_formula_keeps_the_number_that_the_page_gives_it(pages):
    assert re.search(r'<span class="eqno">\(1\)', pages[0])
    assert re.search(r'href="#equation-one"[^>]*>\(1\)', pages[0])


def test_a_formula_that_cannot_be_read_is_told_with_its_page_and_text(tmp_path):
    said = build(tmp_path, index="Title\n=====\n\n" + "\n\n".join(f":math:`{text}`" for text in WRONG))
    for line, text in zip((4, 6, 8), WRONG, strict=True):
        assert f"index.rst:{line}: WARNING: this formula cannot be rendered" in said
        assert f"\n{text}\n" in said


def test_lines_of_a_formula_stand_under_each_other():
    assert formulas.whole("a") == "a"
    assert formulas.whole(r"a \\ b") == r"\begin{split}a \\ b\end{split}"
    assert formulas.whole("a\n\nb") == r"\begin{aligned}a\\b\end{aligned}"


def test_an_environment_does_not_count_beside_the_page():
    assert formulas.NUMBERED.sub(r"\\\1{\2*}", r"\begin{align}a\end{align}") == r"\begin{align*}a\end{align*}"
    assert formulas.NUMBERED.sub(r"\\\1{\2*}", r"\begin{aligned}a") == r"\begin{aligned}a"
    assert "katex" in formulas.render(r"\begin{align*}a &= b\end{align*}", True)
