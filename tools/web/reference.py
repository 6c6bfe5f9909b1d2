"""Write the package reference, ``book/reference/``: one page a wing, read from the source.

A wing inside a wing has a page of its own, and so has each module of the exercises: pages stay short.

Griffe parses signatures and docstrings, so the website still needs no torch. Each public name leads to the
notebook that uses it first. The pages are made anew at each build of the website and are never committed.
"""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from functools import cache
from pathlib import Path

import griffe
from docutils.parsers.rst.tableparser import SimpleTableParser, TableMarkupError
from docutils.statemachine import StringList

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tools import project

FOLDER = project.BOOK / "reference"
PACKAGE = "resnet_utils"
RULE = re.compile(r"=+( +=+)+\n")  # the first line of a table
HEADINGS = {"raises": "Raises", "returns": "Returns", "yields": "Yields"}


def wings(root: Path = project.ROOT) -> list[str]:
    """Names of the wings, as their folders stand."""
    return sorted(path.parent.name for path in (root / PACKAGE).glob("*/__init__.py"))


def inner(wing: str, root: Path = project.ROOT) -> list[str]:
    """The parts of a wing that have pages of their own, such as "synthetic" in "data"."""
    folder = root / PACKAGE / wing
    alone = [path.stem for path in folder.glob("ch*.py")] if wing == "exercises" else []
    return sorted([*alone, *(path.parent.name for path in folder.glob("*/__init__.py"))])


def pages(root: Path = project.ROOT) -> list[str]:
    """Every page of the reference, by its name in ``_toc.yml``; ``data.synthetic`` has an underscore."""
    names = [
        name for wing in wings(root) for name in (wing, *(f"{wing}_{part}" for part in inner(wing, root)))
    ]
    return ["book/reference/index", *(f"book/reference/{name}" for name in names)]


def modules(obj: griffe.Module) -> list[griffe.Module]:
    """The modules of a wing that hold definitions, its sub-packages' included, by path."""
    found = []
    for member in obj.modules.values():
        if member.is_alias or member.name.startswith("_"):
            continue
        found += modules(member) if member.is_init_module else [member]
    return sorted(found, key=lambda module: module.path)


def public(obj: griffe.Module | griffe.Class) -> list[griffe.Object]:
    """What is defined here under a public name and says what it is, in the order of the source."""
    members = [m for m in obj.members.values() if not m.is_alias and not m.name.startswith("_")]
    kept = [m for m in members if m.is_function or m.is_class]
    return sorted((m for m in kept if m.docstring), key=lambda m: m.lineno or 0)


@cache
def sources() -> list[tuple[str, str]]:
    """Name and code of every notebook's text, in reading order."""
    return [(name, (project.TEXT / f"{name}.md").read_text(encoding="utf-8")) for name in project.chapters()]


def introduced_in(obj: griffe.Object) -> str | None:
    """The first notebook whose code uses the name; else the chapter that the module's docstring names."""
    homes = "|".join(obj.module.path.split(".")[1:])  # the module, and the wings whose faces hand it on
    used = re.compile(rf"\b(?:{homes})\.{obj.name}\b|^from {PACKAGE}\S* import .*\b{obj.name}\b", re.M)
    for page, text in sources():
        if PACKAGE in text and obj.name in text and used.search(text):  # the search alone takes 20 s
            return page
    module = obj.module.docstring.value if obj.module.docstring else ""
    chapter = re.search(r"Introduced in chapters? (\d)", module)
    mains = [page for page, _ in sources() if "/" not in page]
    return mains[int(chapter[1]) - 1] if chapter and len(mains) >= int(chapter[1]) else None


def text_of(text: str) -> str:
    """A docstring's prose as Markdown: double backticks become single ones, tables become tables."""
    parts = textwrap.dedent(text).strip().split("\n\n")
    told = [table(part) if RULE.match(part) else part for part in parts]
    return re.sub(r"``([^`]+)``", r"`\1`", "\n\n".join(told))


def table(text: str) -> str:
    """A table drawn with lines of ``=``, as docutils reads it, in the words of Markdown.

    Raises:
        ValueError: if its columns do not stand under each other.
    """
    try:
        _, head, body = SimpleTableParser().parse(StringList(text.splitlines()))
    except TableMarkupError as error:
        raise ValueError(f"this table of a docstring cannot be read: {error}\n{text}") from error
    rows = []
    for row in (*head, *body):
        cells = [" ".join(line.strip() for line in cell[3]).strip() for cell in row]
        rows += [f"{' ' if place else '*'} - {cell}".rstrip() for place, cell in enumerate(cells)]
    return "\n".join([":::{list-table}", f":header-rows: {len(head)}", "", *rows, ":::"])


def entries(section: griffe.DocstringSection) -> list[str]:
    """Parameters, errors or attributes as a list, one bullet each."""
    lines = []
    for item in section.value:
        what = f"`{item.name}`" if getattr(item, "name", "") else f"`{item.annotation}`"
        lines.append(f"- {what}: {' '.join(text_of(item.description).split())}")
    return lines


def documentation(obj: griffe.Object) -> str:
    """The docstring of an object as Markdown."""
    parts = []
    for section in obj.docstring.parse("google", warnings=False) if obj.docstring else []:
        kind = section.kind.value
        if kind == "text":
            parts.append(text_of(section.value))
        elif kind == "parameters":
            lines = entries(section)
            parts.append(("**Parameters**\n\n" if len(lines) > 1 else "") + "\n".join(lines))
        elif kind == "returns" and obj.path.startswith(f"{PACKAGE}.exercises."):
            continue  # every checker returns the same, which the wing says once
        elif kind in HEADINGS:
            parts.append(f"**{HEADINGS[kind]}**\n\n" + "\n".join(entries(section)))
        elif kind == "admonition":
            parts.append(f"**{section.title}:** " + text_of(section.value.description))
    return "\n\n".join(parts)


def signature(function: griffe.Function, name: str) -> str:
    """``fit(model, train_loader, *, epochs=1)``: names and defaults; the types stand in the source."""
    shown, star = [], False
    for parameter in function.parameters:
        if parameter.name in ("self", "cls"):
            continue
        kind = parameter.kind
        if kind is griffe.ParameterKind.keyword_only and not star:
            shown.append("*")
            star = True
        if kind is griffe.ParameterKind.var_positional:
            shown.append(f"*{parameter.name}")
            star = True
        else:
            default = "" if parameter.default is None else f"={parameter.default}"
            shown.append(parameter.name + default)
    return f"{name}({', '.join(shown)})"


def entry(obj: griffe.Object, page: Path) -> str:
    """One class or function: signature, docstring, where the book introduces it; a class with its methods."""
    body = [documentation(obj)]
    if not obj.parent.is_class and (notebook := introduced_in(obj)):
        body.append(f"First used in {{doc}}`../{notebook}`.")
    if obj.is_class:
        kind, start = "class", obj.members.get("__init__")
        shown = signature(start, obj.name) if start is not None and start.is_function else obj.name
        fields = [m for m in obj.members.values() if m.is_attribute and m.annotation is not None]
        if fields and shown == obj.name:  # a dataclass or a named tuple
            shown = f"{obj.name}({', '.join(field.name for field in fields)})"
        body += [entry(method, page) for method in public(obj)]
    else:
        kind, shown = ("method" if obj.parent.is_class else "function"), signature(obj, obj.name)
    fence = ":::::" if obj.is_class else "::::"
    options = ":no-index:\n" if obj.parent.is_class else ""
    return (
        f"{fence}{{py:{kind}}} {shown}\n{options}\n"
        + "\n\n".join(part for part in body if part)
        + f"\n{fence}"
    )


def module_on_a_page(module: griffe.Module, page: Path) -> list[str]:
    """What a module says of itself, and everything public in it."""
    return [
        text_of(module.docstring.value if module.docstring else ""),
        f":::{{py:module}} {module.path}\n:::",
        *[entry(obj, page) for obj in public(module)],
    ]


def page_of(part: griffe.Module, cut: tuple[str, ...] = ()) -> str:
    """The page of a wing, or of a part of one; ``cut`` names the parts that have pages of their own."""
    name = part.path.removeprefix(f"{PACKAGE}.").replace(".", "_")
    page = FOLDER / f"{name}.md"
    parts = [f"(reference-{name})=\n# `{part.path}`"]
    if part.is_init_module:
        parts.append(text_of(part.docstring.value if part.docstring else ""))
        if part.exports:
            short = name.rpartition("_")[2]
            handed = ", ".join(f"`{short}.{exported}`" for exported in sorted(map(str, part.exports)))
            parts.append(f"Handed on by the wing itself: {handed}.")
        away = tuple(f"{part.path}.{one}" for one in cut)
        here = [
            module
            for module in modules(part)
            if not f"{module.path}.".startswith(tuple(f"{a}." for a in away))
        ]
    else:
        here = [part]
    for module in here:
        if module is not part:
            parts.append(f"## `{module.path.removeprefix(PACKAGE + '.')}`")
        parts += module_on_a_page(module, page)
    if cut:
        links = ", ".join(f"{{doc}}`{name}_{one}`" for one in cut)
        parts.append(f"On pages of their own: {links}.")
    return "\n\n".join(parts) + "\n"


def write(folder: Path = FOLDER, root: Path = project.ROOT) -> list[Path]:
    """Write every page and return them; what was there before goes."""
    package = griffe.load(
        PACKAGE, search_paths=[str(root)], docstring_parser="google", try_relative_path=False
    )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = []
    for name in wings(root):
        wing = package[name]
        cut = tuple(inner(name, root))
        (folder / f"{name}.md").write_text(page_of(wing, cut), encoding="utf-8")
        for one in cut:
            (folder / f"{name}_{one}.md").write_text(page_of(wing[one]), encoding="utf-8")
        first = text_of(wing.docstring.value).partition("\n\n")[0]
        rows.append(f"| {{doc}}`{name}` | {' '.join(first.split())} |")
    index = [
        "(reference)=\n# The package, name by name",
        "Made from the source, wing by wing. Each name leads to the notebook that uses it first.",
        "| wing | what it is for |\n|---|---|\n" + "\n".join(rows),
    ]
    (folder / "index.md").write_text("\n\n".join(index) + "\n", encoding="utf-8")
    return sorted(folder.glob("*.md"))


if __name__ == "__main__":
    for path in write():
        print(path.relative_to(project.ROOT))
