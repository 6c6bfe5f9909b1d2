"""The catalogue of the second language: what there is to translate, what is translated, and what is not.

``locale/zh_CN/LC_MESSAGES/book.po`` has every message of the texts, ``interface.po`` what the website
says itself. Sphinx finds the first and Babel the second; programs for translators open both.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

import yaml
from babel.messages import Catalog, Message, extract, pofile

from tools import interface, project
from tools.translation import faithful, terms

LOCALE = project.ROOT / "locale"
DOMAINS = ("book", "interface")
HEADER = """\
# The book in Chinese: the messages of the {domain}, in the order in which they stand.
# `make messages` brings the English side up to date; CONTRIBUTING.md tells how to change a translation.
"""
IDLE = re.compile(r'^"(?!Language:|MIME-|Content-).*\n', re.M)  # of the header
# Where the website says something itself, and how it is found there.
SAID_IN = (
    ("tools/web/*.py", "python"),
    ("tools/portable/*.py", "python"),
    ("site/templates/*.html", "jinja2"),
    ("site/static/*.js", "javascript"),
    ("site/live/*.js", "javascript"),
)
WITH_HTML = ("text/**/*.md", "book/**/*.md", "book/**/*.html")
TOKEN = re.compile(rf"`[^`]+`|{faithful.NUMBER.pattern}")  # what may change, and the words around it stay
START = "from jupyter_book.cli.main import main; main()"


def place(domain: str, locale: Path = LOCALE) -> Path:
    """The file of a domain."""
    return locale / interface.CHINESE / "LC_MESSAGES" / f"{domain}.po"


def read(path: Path) -> Catalog:
    """A catalogue from its file; an empty one where there is none yet."""
    if not path.is_file():
        return Catalog(locale=interface.CHINESE)
    with path.open("rb") as file:
        return pofile.read_po(file, locale=interface.CHINESE)


def written(catalog: Catalog, domain: str) -> str:
    """A catalogue as its file has it: one line a message, with the files that have it and no line numbers."""
    catalog.header_comment = HEADER.format(domain=domain).rstrip()
    catalog.fuzzy = False
    told = io.BytesIO()
    pofile.write_po(told, catalog, width=0, include_lineno=False, ignore_obsolete=True)
    head, gap, entries = told.getvalue().decode().partition("\n\n")
    return IDLE.sub("", f"{head}\n") + gap[1:] + entries


def write(path: Path, catalog: Catalog, domain: str) -> None:
    """Write a catalogue."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(written(catalog, domain), encoding="utf-8")


def of_pages(pages: dict[str, list[str]]) -> Catalog:
    """The messages of all pages as a catalogue: each once, with the pages that have it.

    Args:
        pages: page -> its messages, in reading order, as ``tools.web.translated`` writes them.
    """
    kept = Catalog(locale=interface.CHINESE)
    for page, messages in pages.items():
        for message in messages:
            kept.add(message, locations=[(page, None)])
    return kept


def gathered_texts(settings: dict) -> Catalog:
    """What there is to translate in the texts, from a build that writes no page.

    Args:
        settings: of Jupyter Book, as ``tools.web.settings`` gives them.

    Raises:
        RuntimeError: if the texts could not be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "config.yml")
        file.write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8")
        command = [sys.executable, "-c", START, "build", ".", "--config", str(file), "--path-output", folder]
        command += ["--builder", "custom", "--custom-builder", "dummy"]
        done = subprocess.run(command, cwd=project.ROOT, capture_output=True, check=False)
        found = list(Path(folder).rglob("messages.json"))
        if done.returncode or not found:
            told = done.stdout.decode()[-3000:] + done.stderr.decode()
            raise RuntimeError(f"the texts could not be read:\n{told}")
        return of_pages(ordered(json.loads(found[0].read_text(encoding="utf-8"))))


def ordered(pages: dict[str, list[str]]) -> dict[str, list[str]]:
    """The same in reading order."""
    order = ["book/index", *project.toc_pages()]
    return {
        page: pages[page] for page in sorted(pages, key=lambda one: order.index(one) if one in order else -1)
    }


def gathered_words(root: Path = project.ROOT) -> Catalog:
    """What the website says itself: what is handed to ``say``, what its settings say, and the pages' HTML."""
    kept = Catalog(locale=interface.CHINESE)
    for pattern, method in SAID_IN:
        for path in sorted(root.glob(pattern)):
            with path.open("rb") as file:
                for _, text, _, _ in extract.extract(method, file, keywords={"say": None}):
                    kept.add(text, locations=[(path.relative_to(root).as_posix(), None)])
    for name, text in [*settings_words(root), *html_words(root)]:
        kept.add(text, locations=[(name, None)])
    return kept


def settings_words(root: Path = project.ROOT) -> Iterator[tuple[str, str]]:
    """File and text of what the settings of the book say: its title, its parts, the labels of sliders."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    sphinx = config["sphinx"]["config"]
    shown = (config["title"], config["author"], sphinx["ogp_image_alt"], *sphinx["notfound_context"].values())
    for text in shown:
        yield "_config.yml", text
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    for part in toc["parts"]:
        yield "_toc.yml", part["caption"]
    for path in sorted((root / "book" / "touch").glob("*.md")):
        for quoted, plain in re.findall(
            r"\blabel: (?:\"([^\"]*)\"|([^,}]+))", path.read_text(encoding="utf-8")
        ):
            yield f"book/touch/{path.name}", quoted or plain.strip()


def html_words(root: Path = project.ROOT) -> Iterator[tuple[str, str]]:
    """File and text of what pages say in HTML of their own, as ``tools.web.translated`` replaces it."""
    for pattern in WITH_HTML:
        for path in sorted(root.glob(pattern)):
            for text in interface.html_messages(path.read_text(encoding="utf-8")):
                yield path.relative_to(root).as_posix(), text


def shape(text: str) -> str:
    """A message with a mark in place of each number and piece of code: its kin have the same shape."""
    return TOKEN.sub("\N{REPLACEMENT CHARACTER}", text)


def like(message: str, known: str, translation: str) -> str | None:
    """The translation of a message that differs from a known one in numbers and code alone.

    None if it is unclear which stands where.
    """
    old, new = TOKEN.findall(known), TOKEN.findall(message)
    if len(set(old)) != len(old) or sorted(TOKEN.findall(translation)) != sorted(old):
        return None
    swap = dict(zip(old, new, strict=True))
    return TOKEN.sub(lambda found: swap[found[0]], translation)


def fill(catalog: Catalog) -> int:
    """Translate what needs no translator: no words, or a known message with other numbers or code.

    Returns:
        How many were filled.
    """
    known: dict[str, Message] = {shape(entry.id): entry for entry in catalog if is_done(entry)}
    count = 0
    for entry in catalog:
        if not entry.id or is_done(entry):
            continue
        if not faithful.has_words(entry.id):
            entry.string = entry.id
        elif (kin := known.get(shape(entry.id))) and (made := like(entry.id, kin.id, kin.string)):
            entry.string = made
        else:
            continue
        entry.flags.discard("fuzzy")
        count += 1
    return count


def is_done(entry: Message) -> bool:
    """Whether a message has a translation, and one that is not in doubt."""
    return bool(entry.id and entry.string and not entry.fuzzy)


def updated(old: Catalog, new: Catalog) -> Catalog:
    """The messages of ``new`` with what ``old`` knows of them; one that was changed a little is fuzzy."""
    old.update(new, no_fuzzy_matching=True)  # Babel's would compare each message with all
    gone = {entry.id: entry.string for entry in old.obsolete.values() if entry.string}
    fill(old)
    for entry in old:
        if entry.id and not entry.string and (near := get_close_matches(entry.id, gone, 1)):
            entry.string = gone.pop(near[0])
            entry.flags.add("fuzzy")
    old.obsolete.clear()
    return old


def unfinished(catalog: Catalog) -> dict[str, list[Message]]:
    """The messages that are ``missing`` a translation, and those that are ``fuzzy``."""
    entries = [entry for entry in catalog if entry.id]
    return {
        "missing": [entry for entry in entries if not entry.string],
        "fuzzy": [entry for entry in entries if entry.string and entry.fuzzy],
    }


def faults(catalog: Iterable[Message]) -> list[str]:
    """What is wrong with translations: something lost, or a word of the glossary said another way."""
    found = []
    for entry in catalog:
        if is_done(entry):
            wrong = faithful.faults(entry.id, entry.string) + terms.faults(entry.id, entry.string)
            found += [f"{entry.id[:70]!r}: {'; '.join(wrong)}"] if wrong else []
    return found
