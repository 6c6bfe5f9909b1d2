"""The buttons that run a page elsewhere: each opens its portable notebook on one host."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from tools import interface

BRANCH = "portable"  # of the repository; the workflow `site` writes it
FOLDER = "notebooks"  # on that branch, and on the website
FOLDERS = {interface.ENGLISH: FOLDER, interface.CHINESE: "notebooks-zh"}  # on that branch


@dataclass(frozen=True)
class Button:
    """What a button says, where it leads, and what to know before one presses it."""

    text: str
    url: str
    tooltip: str


def hosts(repository: str, name: str, language: str = interface.ENGLISH) -> list[Button]:
    """A button for each host that opens notebooks from a repository; Binder, with least memory, is last.

    Args:
        repository: ``owner/name`` on GitHub.
        name: the notebook without suffix, ``01_background/losses``.
        language: of the page; the notebook is in the same one.
    """
    say = interface.words(language)
    path = quote(f"{FOLDERS[language]}/{name}.ipynb")
    on_github = f"{repository}/blob/{BRANCH}/{path}"
    kaggle = urlencode({"src": f"https://github.com/{on_github}"})
    binder = urlencode({"urlpath": f"lab/tree/{path}"})
    return [
        Button(
            "Colab",
            f"https://colab.research.google.com/github/{on_github}",
            say("Run this page in Google Colab; it lends a GPU"),
        ),
        Button(
            "Kaggle",
            f"https://kaggle.com/kernels/welcome?{kaggle}",
            say("Run this page in a Kaggle notebook; switch its Internet on first"),
        ),
        Button(
            "Binder",
            f"https://mybinder.org/v2/gh/{repository}/{BRANCH}?{binder}",
            say("Run this page on Binder: free and without an account, with 2 GB of memory and a slow start"),
        ),
    ]
