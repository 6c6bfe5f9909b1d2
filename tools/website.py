"""Build the website from the stored outputs, strictly, and check that every page is there.

A build from scratch takes seconds, and only such a build shows every warning; so nothing old is kept.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tools import project
from tools.portable import branch
from tools.web import (
    cover,
    icons,
    lists,
    measured,
    one_sheet,
    pages,
    previews,
    reference,
    scripts,
    search_index,
    styles,
    vendor,
)

MOST_BYTES = 60_000  # of one page's HTML, compressed as a server sends it
NOT_TO_BE_FOUND = ["404.html", "search.html", "genindex.html", "*-modindex.html", "prf-prf.html"]
DRAWN = re.compile(r'<svg class="figure".*?</svg>', re.S)  # pictures, as photographs are
MOST_DRAWN = 60_000  # of one page's drawn figures together, compressed
HTML = project.ROOT / "_build" / "html"
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


def configuration(root: Path = project.ROOT) -> dict:
    """``_config.yml`` with the files of ``site/static``, which every page loads.

    The pages name their own address once that of the repository is set; until then they have no buttons that
    lead to it. The buttons that run a page come from ``tools.portable``.
    """
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    local = config.get("sphinx", {}).get("local_extensions", {})
    for name, path in local.items():  # the settings are read from another folder
        local[name] = str((root / path).resolve())
    static = sorted(path.name for path in (root / "site" / "static").glob("*.*"))
    config["sphinx"]["config"]["html_css_files"] = [name for name in static if name.endswith(".css")]
    config["sphinx"]["config"]["html_js_files"] = [
        [name, {"defer": "defer"}] for name in static if name.endswith(".js")
    ]
    if project.is_published(root):
        site = project.site_address(root)
        config["html"]["baseurl"] = site  # for the one true address that each page names
        config["sphinx"]["config"]["extensions"].append("sphinx_sitemap")
        config["sphinx"]["config"] |= {
            "ogp_site_url": site,
            "notfound_urls_prefix": urlsplit(site).path,
            "sitemap_url_scheme": "{link}",
            "sitemap_excludes": NOT_TO_BE_FOUND,
        }
    else:
        config["sphinx"]["config"]["notfound_urls_prefix"] = "/"
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


def complaints_of_jupyter_book(settings: Path) -> str:
    """Let Jupyter Book build the pages; return what it has to complain of, or nothing."""
    command = [sys.executable, "-c", START, *COMMAND, "--config", str(settings)]
    built = subprocess.run(
        command, cwd=project.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    said = COLOUR.sub("", built.stdout.decode("utf-8", errors="replace"))
    complaints = [line for line in said.splitlines() if PROBLEM.search(line)]
    return "\n".join(complaints) or (said if built.returncode else "")


def finish(html: Path = HTML) -> None:
    """Make of what Jupyter Book has built what the reader gets: scripts beside the pages, pages mended."""
    vendor.copy_to(html)
    if LIVE.is_dir():
        shutil.copytree(LIVE, html / "live", dirs_exist_ok=True)
    pages.finish(html)
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


def main() -> int:
    """Build, check, say where to open it; return the exit status."""
    shutil.rmtree(project.ROOT / "_build", ignore_errors=True)
    reference.write()
    lists.write()
    cover.write()
    measured.write()
    settings = project.ROOT / "_build" / "config.yml"
    settings.parent.mkdir()
    settings.write_text(
        yaml.safe_dump(configuration(), sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    if complaints := complaints_of_jupyter_book(settings):
        print(complaints)
        print("The website was not built: see above.")
        return 1
    try:
        finish()
    except vendor.VendorError as error:
        print(f"The website is not whole: {error}")
        return 1
    if fault := faults():
        print(fault)
        return 1
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
