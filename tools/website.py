"""Build the website from the stored outputs, strictly, and check that every page is there.

A build from scratch takes seconds, and only such a build shows every warning; so nothing old is kept.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import interface, project
from tools.portable import branch
from tools.translation import catalogue
from tools.web import (
    generated,
    icons,
    languages,
    one_sheet,
    pages,
    previews,
    scripts,
    search_index,
    settings,
    styles,
    translated,
    vendor,
)

MOST_BYTES = 60_000  # of one page's HTML, compressed as a server sends it
DRAWN = re.compile(r'<svg class="figure".*?</svg>', re.S)  # pictures, as photographs are
MOST_DRAWN = 60_000  # of one page's drawn figures together, compressed
HTML = project.ROOT / "_build" / "html"
CHINESE = HTML / interface.FOLDER
LIVE = project.ROOT / "site" / "live"  # scripts that a page asks for itself
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
PROBLEM = re.compile(r"\b(?:WARNING|ERROR|SEVERE|CRITICAL):|Traceback|Error: ")
START = "from jupyter_book.cli.main import main; main()"
COMMAND = [
    "build",
    ".",
    "-W",
    "-n",
    "--keep-going",
]  # any warning is an error, any broken reference a warning


def dead_links(html: Path = HTML) -> list[str]:
    """Pages with a link to the address that stands in for the real one."""
    link = re.compile(rf'href="[^"]*{project.NO_OWNER}')
    pages = sorted(html.rglob("*.html"))
    return [
        path.relative_to(html).as_posix() for path in pages if link.search(path.read_text(encoding="utf-8"))
    ]


def missing_pages(html: Path = HTML, root: Path = project.ROOT) -> list[str]:
    """Pages of ``_toc.yml`` (and the start page) that have no HTML file, or an empty one."""
    wanted = ["index", *project.toc_pages(root)]
    return [
        page for page in wanted if not (file := html / f"{page}.html").is_file() or not file.stat().st_size
    ]


def heavy_pages(html: Path = HTML) -> list[str]:
    """Pages that weigh more on their way to the reader than a page may, or whose drawn figures do."""
    heavy, made_by_sphinx = [], {"genindex.html", "search.html", "py-modindex.html"}
    for path in (path for path in sorted(html.rglob("*.html")) if path.name not in made_by_sphinx):
        page = path.read_text(encoding="utf-8")
        for part, most, what in (
            (DRAWN.sub("", page), MOST_BYTES, "kB"),
            ("".join(DRAWN.findall(page)), MOST_DRAWN, "kB of figures"),
        ):
            size = len(gzip.compress(part.encode()))
            heavy += [f"{path.relative_to(html).as_posix()} ({size / 1000:.0f} {what})"] * (size > most)
    return heavy


def complaints_of_jupyter_book(*files: Path) -> str:
    """Let Jupyter Book build the pages by each file of settings; what it has to complain of, or nothing.

    All are built at the same time, each in the folder of its settings.
    """
    running = []
    for file in files:
        command = [sys.executable, "-c", START, *COMMAND, "--config", str(file)]
        command += ["--path-output", str(file.parent.parent)] if file.parent.parent != project.ROOT else []
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        running.append(subprocess.Popen(command, cwd=project.ROOT, **pipe))
    found = []
    with ThreadPoolExecutor(len(running)) as readers:  # a full pipe would stop a build
        told = list(readers.map(lambda build: build.communicate()[0], running))
    for build, bytes_said in zip(running, told, strict=True):
        said = COLOUR.sub("", bytes_said.decode("utf-8", errors="replace"))
        complaints = [line for line in said.splitlines() if PROBLEM.search(line)]
        found.append("\n".join(complaints) or (said if build.returncode else ""))
    return "\n".join(filter(None, found))


def finish(html: Path = HTML, language: str = interface.ENGLISH) -> None:
    """Make of what Jupyter Book has built what the reader gets: scripts beside the pages, pages mended."""
    vendor.copy_to(html)
    if LIVE.is_dir():
        shutil.copytree(LIVE, html / "live", dirs_exist_ok=True)
    pages.finish(html, language)
    languages.finish(html, language)
    previews.finish(html)
    styles.finish(html)
    icons.finish(html)
    scripts.finish(html)
    one_sheet.finish(html)
    search_index.write(html)
    (html / "searchindex.js").unlink()  # Sphinx's own; our search page does not ask for it


def faults(html: Path = HTML) -> str:
    """The first thing that is wrong with the pages, in words, or nothing."""
    if missing := missing_pages(html):
        return f"These pages of _toc.yml were not built: {', '.join(missing)}"
    if missing := branch.missing(html):
        return f"These notebooks have no portable twin: {', '.join(missing)}"
    if heavy := heavy_pages(html):
        return f"Pages of more than {MOST_BYTES / 1000:.0f} kB of compressed HTML: {', '.join(heavy)}"
    if dead := dead_links(html):
        return f"These pages link to an address that is not set: {', '.join(dead)}"
    return ""


def untranslated(messages: Path) -> str:
    """How many messages have no translation, or one in doubt, in words; or nothing.

    Args:
        messages: the file that ``tools.web.translated`` has written.
    """
    found = catalogue.of_pages(json.loads(messages.read_text(encoding="utf-8")))
    left = catalogue.unfinished(catalogue.updated(catalogue.read(catalogue.place("book")), found))
    told = [f"{len(entries)} {kind}" for kind, entries in left.items() if entries]
    total = sum(bool(entry.id) for entry in found)
    return f"Of {total} messages in Chinese: {', '.join(told)}; `make messages` names them." if told else ""


def main() -> int:
    """Build, check, say where to open it; return the exit status."""
    shutil.rmtree(project.ROOT / "_build", ignore_errors=True)
    generated.write()
    files = {
        interface.ENGLISH: project.ROOT / "_build" / "config.yml",
        interface.CHINESE: project.ROOT / "_build" / interface.FOLDER / "_build" / "config.yml",
    }
    for language, file in files.items():
        file.parent.mkdir(parents=True)
        text = yaml.safe_dump(settings.configuration(language=language), sort_keys=False, allow_unicode=True)
        file.write_text(text, encoding="utf-8")
    if complaints := complaints_of_jupyter_book(*files.values()):
        print(complaints)
        print("The website was not built: see above.")
        return 1
    try:
        finish()
        (files[interface.CHINESE].parent / "html").rename(CHINESE)
        finish(CHINESE, interface.CHINESE)
    except vendor.VendorError as error:
        print(f"The website is not whole: {error}")
        return 1
    if fault := faults() or faults(CHINESE):
        print(fault)
        return 1
    if left := untranslated(HTML.parent / translated.FILE):
        print(left)
    print(
        f"All {len(project.toc_pages())} pages of _toc.yml are there. Open {(HTML / 'index.html').as_uri()}"
    )
    if not project.is_published():
        print(
            f"{project.NOT_PUBLISHED}\n"
            "Until then the pages have no buttons for Colab, Kaggle, Binder and reports."
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
