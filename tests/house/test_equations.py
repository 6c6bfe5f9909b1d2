"""Equations have a number where the text speaks of them again, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import project

LABEL = re.compile(r"^\$\$ *\(([\w-]+)\)$", re.M)
ASKED = re.compile(r"\{eq\}`(?:[^`<]*<)?([\w-]+)>?`")
LEADS_THERE = r"\{prf:ref\}`|\{ref\}`|\{doc\}`(?:[^`]*[</])?%s>?`"  # with the name of the page


def texts() -> dict[str, str]:
    """Every page that people write, by its path; the questions of the self-tests among them."""
    found = [*project.TEXT.rglob("*.md"), *project.TEXT.rglob("*.yml"), *project.BOOK.rglob("*.md")]
    return {
        path.relative_to(project.ROOT).as_posix(): path.read_text(encoding="utf-8") for path in sorted(found)
    }


def faults(pages: dict[str, str]) -> list[str]:
    """What is wrong with labels and references, in words."""
    home: dict[str, str] = {}
    found, asked = [], set()
    for page, text in pages.items():
        for label in LABEL.findall(text):
            if label in home:
                found.append(f"{page}: {label} is a label of {home[label]}, too")
            if not label.startswith("eq-"):
                found.append(f"{page}: the label {label} does not begin with eq-")
            home.setdefault(label, page)
    for page, text in pages.items():
        for paragraph in re.split(r"\n\s*\n", text):
            for label in ASKED.findall(paragraph):
                asked.add(label)
                if label not in home:
                    found.append(f"{page}: no equation has the label {label}")
                elif home[label] != page and not names(paragraph, home[label]):
                    found.append(f"{page}: the paragraph does not say on which page {label} is")
    return found + [f"{home[label]}: nobody speaks of {label}" for label in home if label not in asked]


def names(paragraph: str, page: str) -> bool:
    """Whether a paragraph leads to a page; a notebook on another host shows no equation beside its number."""
    return bool(re.search(LEADS_THERE % re.escape(Path(page).stem), paragraph))


def test_every_numbered_equation_is_spoken_of_and_every_reference_leads_to_one():
    assert faults(texts()) == []


HERE = "$$\na = b\n$$ (eq-one)\n\nBy {eq}`eq-one`.\n"


@pytest.mark.parametrize(
    ("there", "fault"),
    [
        ("$$\na\n$$ (eq-two)\n", "b.md: nobody speaks of eq-two"),
        ("By {eq}`eq-two`.\n", "b.md: no equation has the label eq-two"),
        ("$$\na\n$$ (eq-one)\n", "b.md: eq-one is a label of a.md, too"),
        ("$$\na\n$$ (two)\n\nBy {eq}`two`.\n", "b.md: the label two does not begin with eq-"),
        ("By {eq}`eq-one`.\n\nSee {doc}`a`.\n", "b.md: the paragraph does not say on which page eq-one is"),
    ],
)  # fmt: skip
def test_a_fault_is_found(there, fault):
    assert faults({"a.md": HERE}) == []
    assert faults({"a.md": HERE, "b.md": there}) == [fault]


@pytest.mark.parametrize(
    "words",
    [
        "{eq}`eq-one` of {doc}`../x/a`",
        "{prf:ref}`thm`, {eq}`eq-one`",
        "{eq}`that <eq-one>`, {doc}`there <a>`",
    ],
)
def test_an_equation_of_another_page_may_be_spoken_of(words):
    assert faults({"a.md": HERE, "b.md": f"By {words}.\n"}) == []
