"""Build the website from the stored outputs, strictly, and check that every page is there.

A build from scratch takes seconds, and only such a build shows every warning; so nothing old is kept.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import lists, project, reference

MOST_BYTES = 190_000  # of one page's HTML without the list of all pages: what a phone shows at once
DRAWN = re.compile(r'<svg class="figure".*?</svg>', re.S)  # pictures, as photographs are
MOST_DRAWN = 120_000  # of one page's drawn figures together
LIST_OF_PAGES = re.compile(r'<div id="pst-primary-sidebar".*?(?=<main\b)', re.S)
HTML = project.ROOT / "_build" / "html"
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


def configuration(root: Path = project.ROOT) -> dict:
    """``_config.yml``, without the buttons that lead to the repository while its address is not set."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    local = config.get("sphinx", {}).get("local_extensions", {})
    for name, path in local.items():  # the settings are read from another folder
        local[name] = str((root / path).resolve())
    if not project.is_published(root):
        config.pop("launch_buttons", None)
        config["html"] |= {"use_repository_button": False, "use_issues_button": False}
    return config


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
    """Pages with more HTML or larger drawn figures than a page may have, each with its size."""
    heavy = []
    made_by_sphinx = {"genindex.html", "search.html", "py-modindex.html"}
    for path in (path for path in sorted(html.rglob("*.html")) if path.name not in made_by_sphinx):
        page = LIST_OF_PAGES.sub("", path.read_text(encoding="utf-8"))
        for part, most, what in (
            (DRAWN.sub("", page), MOST_BYTES, "kB"),
            ("".join(DRAWN.findall(page)), MOST_DRAWN, "kB of figures"),
        ):
            size = len(part.encode())
            heavy += [f"{path.relative_to(html).as_posix()} ({size / 1000:.0f} {what})"] * (size > most)
    return heavy


def main() -> int:
    """Build, check, say where to open it; return the exit status."""
    shutil.rmtree(project.ROOT / "_build", ignore_errors=True)
    reference.write()
    lists.write()
    settings = project.ROOT / "_build" / "config.yml"
    settings.parent.mkdir()
    settings.write_text(
        yaml.safe_dump(configuration(), sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    command = [sys.executable, "-c", START, *COMMAND, "--config", str(settings)]
    built = subprocess.run(
        command, cwd=project.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    said = COLOUR.sub("", built.stdout.decode("utf-8", errors="replace"))
    complaints = [line for line in said.splitlines() if PROBLEM.search(line)]
    if built.returncode or complaints:
        print("\n".join(complaints) or said)
        print("The website was not built: see above.")
        return built.returncode or 1
    if missing := missing_pages():
        print(f"These pages of _toc.yml were not built: {', '.join(missing)}")
        return 1
    if heavy := heavy_pages():
        print(f"These pages have more than {MOST_BYTES / 1000:.0f} kB of HTML: {', '.join(heavy)}")
        return 1
    if dead := dead_links():
        print(f"These pages link to an address that is not set: {', '.join(dead)}")
        return 1
    print(
        f"All {len(project.toc_pages())} pages of _toc.yml are there. Open {(HTML / 'index.html').as_uri()}"
    )
    if not project.is_published():
        print(f"{project.NOT_PUBLISHED}\nUntil then the pages have no buttons to run or to report.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
