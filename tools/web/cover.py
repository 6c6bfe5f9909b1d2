"""Write what the cover page includes: its pictures, and the map of chapters, rooms and modules.

Everything in it is read from the notebooks and the package, so no number and no name of it is typed.
"""

from __future__ import annotations

import base64
import posixpath
import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools import project, sitting
from tools.web import lists, reference

# The pictures of the cover: notebook, name or description of the figure, and what the cover says of it.
PICTURES = (
    (
        "01_background",
        "fig-deeper-and-worse|loss against depth",
        "Where it begins: the same networks with the shortcut and without.",
    ),
    (
        "05_fine_tuning",
        "fig-six-ways|per cent of the six ways",
        "Where it ends: six ways to a classifier of pets.",
    ),
)
KINDS = {"image/svg+xml": "svg", "image/png": "png"}
NEEDS = re.compile(r"\*\*Needs\*\* (.*?)\.? \*\*Uses\*\*")
ABLE = re.compile(r"\*\*After this (?:chapter|section) you can\*\*\n\n((?:- .*\n?)+)")
DOC = re.compile(r"\{doc\}`(?:([^`<]*)<)?([^`<>]+)>?`")
INTRODUCED = re.compile(r"^Introduced (?:in|on) ([^.]*)", re.M)
CHECKERS = "exercises."  # every chapter has its own, and no reader looks for them by name


def introduced(root: Path = project.ROOT) -> dict[str, list[str]]:
    """Number of a chapter ("" of the front matter) -> the modules whose docstrings say it introduces them."""
    found: dict[str, list[str]] = {}
    for path in sorted((root / reference.PACKAGE).rglob("*.py")):
        name = ".".join(path.relative_to(root / reference.PACKAGE).with_suffix("").parts)
        said = INTRODUCED.search(path.read_text(encoding="utf-8"))
        if said and not name.startswith((CHECKERS, "__")):
            number = re.search(r"\d", said[1])
            found.setdefault(number[0] if number else "", []).append(name)
    return found


def links(modules: list[str]) -> str:
    """Modules as a list, one wing a line; each leads to its place in the reference."""
    wings: dict[str, list[str]] = {}
    for module in modules:
        wing, _, rest = module.partition(".")
        wings.setdefault(wing, []).append(f"{{py:mod}}`{rest} <{reference.PACKAGE}.{module}>`")
    return "\n".join(f"- `{wing}`: {', '.join(inner)}" for wing, inner in wings.items())


def folded(title: str, body: str) -> str:
    """A part that the reader unfolds."""
    return f"::::{{dropdown}} {title}\n{body}\n::::"


def needs(name: str, source: str) -> str:
    """What a notebook's text asks of its reader, its links made absolute; empty where it says nothing."""
    found = NEEDS.search(source)
    folder = posixpath.dirname(f"/book/{name}")

    def absolute(role: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, role[2]))
        return f"{{doc}}`{role[1]}<{target}>`" if role[1] else f"{{doc}}`{target}`"

    return DOC.sub(absolute, found[1]) if found else ""


def facts(name: str, notebook: NotebookNode) -> str:
    """One line: minutes, seconds, and what it needs."""
    source = (project.TEXT / f"{name}.md").read_text(encoding="utf-8")
    said = [f"{sitting.rounded(notebook)} min to read, {sitting.promised_seconds(notebook)} s to run."]
    if wanted := needs(name, source):
        said.append(f"**Needs** {wanted}.")
    return " ".join(said)


def chapter(name: str, rooms: list[str], book: Path, modules: list[str]) -> str:
    """A chapter of the map: its facts in the open, what one can do after it and its rooms to be unfolded."""
    notebooks = {one: nbformat.read(book / f"{one}.ipynb", as_version=4) for one in (name, *rooms)}
    number = f"Chapter {int(name[:2])}. " if name[:2].isdigit() else ""
    parts = [f"### {number}{{doc}}`/book/{name}`", facts(name, notebooks[name])]
    if found := ABLE.search((project.TEXT / f"{name}.md").read_text(encoding="utf-8")):
        parts.append(folded("After it you can", found[1].strip()))
    if rooms:
        minutes = sum(sitting.rounded(notebooks[room]) for room in rooms)
        lines = [f"- {{doc}}`/book/{room}`: {facts(room, notebooks[room])}" for room in rooms]
        parts.append(
            folded(f"Its {len(rooms)} rooms, {lists.duration(60 * minutes)} to read", "\n".join(lines))
        )
    if modules:
        parts.append(folded(f"The modules it introduces: {len(modules)}", links(modules)))
    return "\n\n".join(parts)


def map_page(book: Path = project.BOOK) -> str:
    """All chapters in reading order."""
    names, modules = project.chapters(), introduced()
    parts = []
    for main in (name for name in names if "/" not in name):
        number = str(int(main[:2])) if main[:2].isdigit() else "none"
        rooms = [name for name in names if name.startswith(f"{main}/")]
        parts.append(chapter(main, rooms, book, modules.get(number, [])))
    return "\n\n".join(parts) + "\n"


def picture(notebook: NotebookNode, words: str) -> tuple[str, bytes, str]:
    """The first picture whose name or description has these words: ending of its file, content, description.

    Args:
        notebook: where it stands.
        words: a regular expression.

    Raises:
        ValueError: if there is none.
    """
    for cell in notebook.cells:
        shown = cell.metadata.get("mystnb", {})
        described = shown.get("image", {}).get("alt", "")
        found = re.search(words, f"{shown.get('figure', {}).get('name', '')} {described}")
        for output in cell.outputs if found else []:
            for kind, ending in KINDS.items():
                if data := output.get("data", {}).get(kind):
                    return ending, base64.b64decode(data) if ending == "png" else data.encode(), described
    raise ValueError(f"there is no picture whose name or description has the words {words!r}")


def pictures_page(folder: Path, book: Path = project.BOOK) -> str:
    """The cover's figures; their files are written beside it."""
    shown = []
    for number, (name, words, said) in enumerate(PICTURES, start=1):
        notebook = nbformat.read(book / f"{name}.ipynb", as_version=4)
        ending, content, alt = picture(notebook, words)
        (folder / f"cover_{number}.{ending}").write_bytes(content)
        file = f"/book/{lists.FOLDER.name}/cover_{number}.{ending}"
        shown.append(f":::{{figure}} {file}\n:alt: {alt}\n\n{said} From {{doc}}`/book/{name}`.\n:::")
    return "\n\n".join(shown) + "\n"


def write(folder: Path = lists.FOLDER) -> None:
    """Write both parts into ``folder``, where ``book/index.md`` includes them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cover_pictures.txt").write_text(pictures_page(folder), encoding="utf-8")
    (folder / "map.txt").write_text(map_page(), encoding="utf-8")


if __name__ == "__main__":
    write()
