"""Build the website from the stored outputs, strictly, and check that every page is there.

A build from scratch takes seconds, and only such a build shows every warning; so nothing old is kept.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import project, reference

MOST_BYTES = 200_000  # of one page's HTML: what a phone shows at once
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


def missing_pages(html: Path = HTML, root: Path = project.ROOT) -> list[str]:
    """Pages of ``_toc.yml`` (and the start page) that have no HTML file, or an empty one."""
    wanted = ["index", *project.toc_pages(root)]
    return [
        page for page in wanted if not (file := html / f"{page}.html").is_file() or not file.stat().st_size
    ]


def heavy_pages(html: Path = HTML) -> list[str]:
    """Pages with more HTML than a page may have, each with its size."""
    sizes = {path: path.stat().st_size for path in sorted(html.rglob("*.html"))}
    made_by_sphinx = {"genindex.html", "search.html", "py-modindex.html"}
    return [
        f"{path.relative_to(html).as_posix()} ({size / 1000:.0f} kB)"
        for path, size in sizes.items()
        if size > MOST_BYTES and path.name not in made_by_sphinx
    ]


def main() -> int:
    """Build, check, say where to open it; return the exit status."""
    shutil.rmtree(project.ROOT / "_build", ignore_errors=True)
    reference.write()
    command = [sys.executable, "-c", START, *COMMAND]
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
    print(
        f"All {len(project.toc_pages())} pages of _toc.yml are there. Open {(HTML / 'index.html').as_uri()}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
